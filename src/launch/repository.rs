//! Which repository a task is about, and what is to be known of it: where its work is done, lands and is checked.

use crate::config::Repositories;
use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::launch::team::text;
use crate::model::recipe::Call;
use crate::model::registry::Repo;
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

impl Known {
    /// That of a name, if it is registered. What is no name of the registry is no more than a word about the task.
    pub fn by_name(name: &str, all: &Repositories) -> Result<Option<Known>> {
        let Some(repo) = all.registry.repo(name) else { return Ok(None) };
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
        Ok(Some(Known { test: command(TEST)?, build: command(BUILD)?, repo: repo.clone(), main }))
    }

    /// That of a task, as `get_task` tells it.
    pub fn of_task(task: &Value, all: &Repositories) -> Result<Option<Known>> {
        Known::by_name(text(task, "repo"), all)
    }

    /// Every one that is there.
    pub fn all(all: &Repositories) -> Vec<Known> {
        let names = all.registry.repos.iter().map(|repo| repo.name.as_str());
        names.filter_map(|name| Known::by_name(name, all).ok().flatten()).collect()
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
