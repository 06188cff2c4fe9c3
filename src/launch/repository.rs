//! Which repository a task is about, and what is to be known of it: where its work is done, lands and is checked.

use crate::config::Config;
use crate::config::Repositories;
use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::launch::team::text;
use crate::model::recipe::Call;
use crate::model::registry::Repo;
use crate::model::registry::is_of_forge;
use crate::model::registry::resource_of;
use crate::store::place;
use serde_json::Value;
use std::path::Path;
use std::path::PathBuf;

/// The workflow that shows whether work is good, where nobody names a check.
const TEST: &str = "test";
const BUILD: &str = "build";

/// One that the registry knows.
#[derive(Clone, Debug)]
pub struct Known {
    pub repo: Repo,
    /// Its main checkout.
    pub main: PathBuf,
    /// What is run there, in any of its worktrees.
    test: Option<Call>,
    build: Option<Call>,
}

/// What a task says of where it is to be done. Nothing is ever done elsewhere because nobody knows where that is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// It names none, or calls one as a forge does.
    Own,
    Registered(String),
    /// Its name is in the registry no more, or never was.
    Unknown(String),
}

impl Subject {
    /// Of a task, as `get_task` tells it.
    pub fn of(task: &Value, all: &Repositories) -> Subject {
        match text(task, "repo") {
            name if is_own(name) => Subject::Own,
            name if all.registry.repo(name).is_some() => Subject::Registered(name.to_owned()),
            name => Subject::Unknown(name.to_owned()),
        }
    }
}

fn is_own(name: &str) -> bool {
    name.is_empty() || is_of_forge(name)
}

/// Where the work of a task is done that names that one, by the registry as it is now; nothing where that is in the team's own.
pub fn of_name(name: &str, config: Option<&Config>) -> Result<Option<Known>> {
    match name {
        name if is_own(name) => Ok(None),
        name => {
            let config = config.ok_or_else(|| Error::internal("nobody said where the registry is"))?;
            Known::by_name(name, &config.known_repositories()?).map(Some)
        }
    }
}

impl Known {
    /// That of a name, which must be registered.
    pub fn by_name(name: &str, all: &Repositories) -> Result<Known> {
        let repo = all.registered(name)?;
        let dir = all.dir(repo)?;
        let main = place::repository(&dir.canonicalize().unwrap_or_else(|_| dir.clone())).map(|found| found.main);
        let main = main.ok_or_else(|| {
            Error::new(
                Kind::Unavailable,
                format!("there is no git repository at `{}`, where `{name}` is", dir.display()),
            )
            .hint("clone it there, or correct `path` of it in orch.toml")
        })?;
        let command = |workflow: &str| {
            all.registry.recipe(repo, workflow).map(|recipe| repo.call(recipe, workflow, ".")).transpose()
        };
        Ok(Known { test: command(TEST)?, build: command(BUILD)?, repo: repo.clone(), main })
    }

    /// Is that directory in it, too, in whichever of its worktrees?
    pub fn has(&self, dir: &Path) -> bool {
        let dir = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
        place::repository(&dir).is_some_and(|found| found.main == self.main)
    }

    /// What shows that work is good, for a shell.
    pub fn check(&self) -> Option<String> {
        self.test.as_ref().map(Call::line)
    }

    /// What whoever works in that worktree of it has to know, a sentence for each.
    pub fn notes(&self, tree: &Path, target: &str) -> Vec<String> {
        let Known { repo, main, test, build } = self;
        let name = &repo.name;
        let mut notes = vec![format!("You work in the repository {name}, which lies at {}.", main.display())];
        if !target.is_empty() {
            notes.push(format!("Its work lands on `{target}`."));
        }
        let commands = [(BUILD, build), (TEST, test)];
        let told = commands
            .map(|(what, command)| command.as_ref().map(|command| format!("{what} with `{}`", command.shown())));
        let told: Vec<String> = told.into_iter().flatten().collect();
        if !told.is_empty() {
            notes.push(format!("There one does {}.", told.join(", ")));
        }
        if !repo.sequential.is_empty() {
            notes.push(format!(
                "Of {} only one may run in {name} at a time: start it by `orch-mcp repos run WORKFLOW {name} --here`, which waits for its turn. \
                 Whatever else needs the repository alone keeps `{}` meanwhile (`reserve_files`, then `release_files`).",
                repo.sequential.join(", "),
                resource_of(name)
            ));
        }
        if repo.has_claude_md.unwrap_or_else(|| tree.join("CLAUDE.md").is_file()) {
            notes.push("Read its CLAUDE.md first.".to_owned());
        }
        notes.extend(repo.notes.iter().map(|note| format!("Of {name} is noted: {}.", note.trim_end_matches('.'))));
        notes
    }
}
