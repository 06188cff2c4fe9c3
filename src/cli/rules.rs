//! The rules of safety as they hold here: for the hook of a session, and for our own commands that write where their caller says.

use crate::cli::Run;
use crate::cli::desk;
use crate::cli::true_path::true_path;
use crate::config::Config;
use crate::descendants;
use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::host::Host;
use crate::model::recipe::Call;
use crate::model::safety::At;
use crate::model::safety::Breach;
use crate::model::safety::Safety;
use crate::ops::table;
use crate::store::doorbell::Hangup;
use crate::store::place;
use serde_json::json;
use std::io::ErrorKind;
use std::path::Path;
use std::path::PathBuf;

pub(super) struct Rules<'a> {
    config: &'a Config,
    safety: Safety,
    /// Why nobody can read them: then they are stricter.
    pub(super) trouble: Option<Error>,
    dir: Option<PathBuf>,
    tops: Vec<String>,
    state: Option<PathBuf>,
}

impl<'a> Rules<'a> {
    /// For what is done in a directory.
    pub(super) fn around(config: &'a Config, dir: Option<PathBuf>) -> Rules<'a> {
        let (safety, trouble) = match config.file().and_then(|file| config.safety(&file)) {
            Ok(safety) => (safety, None),
            Err(error) => (Safety::unread(), Some(error)),
        };
        let state = config.place().ok().map(|place| true_path(place.dir()));
        Rules { config, safety, trouble, tops: tops(config, dir.as_deref()), dir, state }
    }

    /// The same rules, for what is done elsewhere.
    pub(super) fn go_to(&mut self, dir: &Path) {
        self.tops = tops(self.config, Some(dir));
        self.dir = Some(dir.to_owned());
    }

    pub(super) fn judge(&self, line: &str) -> Option<Breach> {
        self.ask(|safety, at| safety.judge(line, at))
    }

    pub(super) fn judge_call(&self, call: &Call) -> Option<Breach> {
        match call {
            Call::Words(words) => self.ask(|safety, at| safety.judge_words(words, at)),
            Call::Shell { text, .. } => self.judge(text),
        }
    }

    /// A new file overwrites nothing, but may say how sessions work.
    pub(super) fn judge_file(&self, named: &Path) -> Option<Breach> {
        let named = self.dir.clone().unwrap_or_default().join(named);
        let true_one = true_path(&named);
        let ways = [named, true_one];
        let is_there = |path: &&PathBuf| path.symlink_metadata().is_ok();
        self.ask(|safety, at| {
            let own = ways.iter().find_map(|path| safety.judge_own(path.to_str()?, at));
            own.or_else(|| ways.iter().filter(is_there).find_map(|path| safety.judge_file(path.to_str()?, at)))
        })
    }

    fn ask<T>(&self, question: impl FnOnce(&Safety, &At) -> T) -> T {
        let tops: Vec<&str> = self.tops.iter().map(String::as_str).collect();
        let at = At {
            dir: self.dir.as_deref().and_then(Path::to_str),
            tops: &tops,
            home: self.config.home(),
            state: self.state.as_deref().and_then(Path::to_str),
            is_worker: self.config.is_of_run(),
            is_there: Some(is_there),
        };
        question(&self.safety, &at)
    }
}

/// A link that leads nowhere is there, too, and so is what nobody may look at.
fn is_there(path: &str) -> bool {
    match Path::new(path).symlink_metadata() {
        Ok(_) => true,
        Err(cause) => !matches!(cause.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory),
    }
}

/// The worktree around the session, and the main one.
fn tops(config: &Config, dir: Option<&Path>) -> Vec<String> {
    let around = [dir, config.surroundings().cwd].into_iter().flatten().filter_map(place::repository);
    let mut tops: Vec<String> =
        around.flat_map(|found| [found.top, found.main]).filter_map(|top| top.to_str().map(str::to_owned)).collect();
    tops.dedup();
    tops
}

impl Run<'_> {
    /// What the rules keep from a worker it does not write with our own commands either, whatever became of its hooks.
    pub(super) fn must_be_free_to_write(&self, path: &Path) -> Result<()> {
        if !self.config.is_of_run() && !descendants::is_of_run(std::process::id() as i32) {
            return Ok(());
        }
        let rules = Rules::around(&self.config, self.config.surroundings().cwd.map(Path::to_owned));
        if let Some(breach) = rules.judge_file(path) {
            let hint = "write it elsewhere; if it must be there, ask with `ask_human`";
            return Err(Error::new(Kind::Forbidden, breach.to_string()).hint(hint));
        }
        match rules.trouble {
            Some(trouble) if path.symlink_metadata().is_ok() => {
                let message =
                    format!("nobody knows what is protected, as the rules cannot be read: {}", trouble.message);
                Err(Error::new(Kind::Forbidden, message).hint("write a new file"))
            }
            _ => Ok(()),
        }
    }
}

/// What a session is bound by is put in its place, or taken away, by a person.
pub(super) fn must_be_no_worker(config: &Config) -> Result<()> {
    let refused = || {
        Error::new(Kind::Forbidden, "a worker does not change which hooks and servers sessions have")
            .hint("`ask_human`: a person does it in a terminal of their own")
    };
    if config.is_of_run() {
        return Err(refused());
    }
    let has_a_store = config.server.value.is_none() && config.place().is_ok_and(|place| place.exists());
    let vouched = || {
        let request = table::own_request("vouch_for_human", json!({}))?;
        desk::of(config, Host::System)?.execute(&request, &config.caller(Host::System), &Hangup::new()).map(drop)
    };
    // A store in trouble keeps nobody from taking us out.
    match has_a_store.then(vouched) {
        Some(Err(error)) if error.kind == Kind::Forbidden => Err(refused()),
        _ => Ok(()),
    }
}
