//! The token of a server elsewhere, kept where every command of the user finds it.

use crate::cli::setup::files::cannot;
use crate::config::Config;
use crate::config::Server;
use crate::config::Token;
use crate::error::Result;
use std::fs;
use std::fs::DirBuilder;
use std::fs::OpenOptions;
use std::io;
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::path::PathBuf;

/// Beside a token that `setup` put there: for which of its scopes, one on a line.
const MARK: &str = "by-setup";

/// What becomes of the file of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Created,
    Changed,
    Removed,
    Unchanged,
    /// None is kept, and none was given.
    Missing,
}

pub(super) struct Kept {
    pub(super) path: PathBuf,
    pub(super) change: Change,
    whose: String,
    /// What is to stand there.
    token: Option<Token>,
}

impl Kept {
    /// What a setup for this server keeps: what `--token-file` names. `None` where there is no place for it.
    pub(super) fn wanted(config: &Config, server: &Server, whose: String) -> Result<Option<Kept>> {
        let Some(path) = config.kept_token(&server.file_name()) else { return Ok(None) };
        let token = config.token_file_of_flag().map(Token::of_file).transpose()?;
        let kept = path.exists().then(|| Token::of_file(&path)).transpose();
        let change = match (&token, kept) {
            (Some(token), Ok(Some(kept))) if token.words() == kept.words() => Change::Unchanged,
            (Some(_), Ok(None)) => Change::Created,
            (Some(_), _) => Change::Changed,
            (None, Ok(Some(_))) => Change::Unchanged,
            (None, Err(error)) => return Err(error),
            // One's own server on one's own machine has its token beside it.
            (None, Ok(None)) if server.is_here() => return Ok(None),
            (None, Ok(None)) => Change::Missing,
        };
        Ok(Some(Kept { path, change, whose, token }))
    }

    /// What an undo takes away: what a setup put there, once no other of its scopes needs it.
    pub(super) fn unwanted(config: &Config, server: &Server, whose: String) -> Option<Kept> {
        let path = config.kept_token(&server.file_name())?;
        let users = users(&path);
        let is_last = users.iter().all(|user| *user == whose) && !users.is_empty();
        let change = if is_last { Change::Removed } else { Change::Unchanged };
        Some(Kept { path, change, whose, token: None })
    }

    pub(super) fn word(&self) -> &'static str {
        match self.change {
            Change::Created => "created",
            Change::Changed => "changed",
            Change::Removed => "removed",
            Change::Unchanged => "unchanged",
            Change::Missing => "missing",
        }
    }

    pub(super) fn is_change(&self) -> bool {
        self.change != Change::Unchanged
    }

    pub(super) fn keep(&self) -> Result<()> {
        let mut users = users(&self.path);
        // What somebody put there by hand stays theirs.
        let is_ours = self.change == Change::Created || !users.is_empty();
        if let Some(token) = self.token.as_ref().filter(|_| self.is_change()) {
            write(&self.path, &format!("{}\n", token.words()))?;
        }
        if is_ours && self.change != Change::Missing && !users.contains(&self.whose) {
            users.push(self.whose.clone());
            write(&mark(&self.path), &lines(&users))?;
        }
        Ok(())
    }

    pub(super) fn forget(&self) -> Result<()> {
        let mut users = users(&self.path);
        if !users.contains(&self.whose) {
            return Ok(());
        }
        users.retain(|user| *user != self.whose);
        if !users.is_empty() {
            return write(&mark(&self.path), &lines(&users));
        }
        for path in [&self.path, &mark(&self.path)] {
            match fs::remove_file(path) {
                Err(cause) if cause.kind() != io::ErrorKind::NotFound => return Err(cannot("remove", path, &cause)),
                _ => {}
            }
        }
        // Where others keep something, they stay.
        self.path.ancestors().skip(1).take(2).take_while(|dir| fs::remove_dir(dir).is_ok()).for_each(drop);
        Ok(())
    }
}

fn mark(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(MARK);
    PathBuf::from(name)
}

fn users(path: &Path) -> Vec<String> {
    fs::read_to_string(mark(path)).unwrap_or_default().lines().map(str::to_owned).collect()
}

fn lines(users: &[String]) -> String {
    users.iter().map(|user| format!("{user}\n")).collect()
}

/// Whole or not at all, and for nobody else to read.
fn write(path: &Path, text: &str) -> Result<()> {
    let failed = |cause: io::Error| cannot("write", path, &cause);
    if let Some(dir) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(failed)?;
    }
    let new = path.with_extension(format!("{}.new", std::process::id()));
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&new)
        .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&new, path));
    if written.is_err() {
        let _ = fs::remove_file(&new);
    }
    written.map_err(failed)
}
