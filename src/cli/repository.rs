//! Which repository a command is about: the team's own, or the one that `--repo` names; and what of the team's work is there.

use crate::config::Config;
use crate::config::Repositories;
use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::launch::queue;
use crate::launch::repository::Known;
use crate::launch::repository::Subject;
use crate::launch::team::Team;
use crate::repo::owner::Owner;
use crate::repo::worktree::PREFIX;
use crate::repo::worktree::Trees;
use crate::store::place;
use clap::Arg;
use clap::ArgMatches;
use serde_json::Value;
use std::path::Path;
use std::path::PathBuf;

/// The branch on which work lands, for every command that asks for it.
pub(super) fn onto(help: &'static str) -> Arg {
    let from = "[else `target` below [land] in orch.toml, else the branch of the main worktree]";
    Arg::new("onto").long("onto").value_name("BRANCH").help(format!("{help} {from}"))
}

/// A repository of the registry, for every command that can be about another one than that around us.
pub(super) fn repo(help: &'static str) -> Arg {
    let help = format!("{help}: a repository of orch.toml [else the one in which you are]");
    Arg::new("repo").long("repo").value_name("NAME").help(help)
}

/// One, with what of it is this team's.
pub(super) struct Site {
    pub trees: Trees,
    /// By which name it is meant. One path may have several, with a target and a check for each.
    pub named: Option<Known>,
    /// Is it that of the team, under whatever name?
    pub is_home: bool,
    all: Repositories,
}

impl Site {
    /// That of a command. `None` where it names none and is typed in none.
    pub fn of(config: &Config, matches: &ArgMatches) -> Result<Option<Site>> {
        match matches.get_one::<String>("repo") {
            Some(name) => Site::named(config, name).map(Some),
            None => Site::around(config),
        }
    }

    pub fn around(config: &Config) -> Result<Option<Site>> {
        let Some(dir) = config.project()?.filter(|dir| place::is_in_repository(dir)) else { return Ok(None) };
        let trees = Trees::of(dir, None)?.of_team(Owner::at_home(config.place()?.dir()));
        Ok(Some(Site { trees, named: None, is_home: true, all: config.known_repositories()? }))
    }

    fn named(config: &Config, name: &str) -> Result<Site> {
        let all = config.known_repositories()?;
        let known = Known::by_name(name, &all)?;
        let trees = Trees::of(&known.main, None)?.of_team(Owner::as_guest(config.place()?.dir()));
        let is_home = home(config)?.is_some_and(|home| known.has(&home));
        Ok(Site { trees, named: Some(known), is_home, all })
    }

    pub fn name(&self) -> Option<&str> {
        self.named.as_ref().map(|known| known.repo.name.as_str())
    }

    /// As it is typed for this one.
    pub fn command(&self, verb: &str) -> String {
        self.name().map_or_else(|| format!("orch-mcp {verb}"), |name| format!("orch-mcp {verb} --repo {name}"))
    }

    /// The branch on which work lands here, where nobody named another.
    pub fn target(&self, config: &Config, said: Option<&String>) -> Result<String> {
        let usual = match (said, &self.named) {
            (Some(said), _) => Some(said.clone()),
            (None, Some(known)) => known.repo.default_branch.clone(),
            (None, None) => config.land(&config.file()?)?.target.value,
        };
        let found = match usual {
            Some(said) => Some(said),
            None => self.trees.checked_out()?,
        };
        let found = found.ok_or_else(|| {
            Error::new(Kind::Invalid, "the main worktree is on no branch").hint("name one with `--onto BRANCH`")
        })?;
        if found.starts_with(PREFIX) {
            let message = format!("`{found}` is a branch of ours, and whatever is on it would count as landed");
            return Err(Error::invalid(message).hint("name the branch on which the work is to land in the end"));
        }
        self.trees.git().branch_there(&found).map(|_| found)
    }

    /// Why the work of a task is none of what this command is about, where that is so: by the name that the task gives, and not by where
    /// that is.
    pub fn is_not_of(&self, task: &Value, command: &str) -> Option<String> {
        match (Subject::of(task, &self.all), self.name()) {
            (Subject::Own, None) => None,
            (Subject::Own, Some(_)) => Some("it names no repository, so its work is in the team's own".to_owned()),
            (Subject::Registered(name), here) if here == Some(name.as_str()) => None,
            (Subject::Registered(name), _) => {
                Some(format!("it is about the repository {name}: `orch-mcp {command} --repo {name}`"))
            }
            (Subject::Unknown(name), _) => Some(format!(
                "it is about the repository {}, which orch.toml does not name (any more): name it there, or correct `repo` of the task",
                name.escape_debug()
            )),
        }
    }
}

/// The repository in which the team has its settings; where these are in none, the one around us.
fn home(config: &Config) -> Result<Option<PathBuf>> {
    let file = config.path_of_file()?;
    match file.parent().filter(|dir| place::is_in_repository(dir)) {
        Some(dir) => Ok(Some(dir.to_owned())),
        None => Ok(config.project()?.map(Path::to_owned)),
    }
}

/// The other names under which branches of this team could land. One that cannot be looked at keeps nobody from the rest.
pub(super) fn others_to_land(config: &Config, team: &Team) -> Vec<String> {
    names_where(config, |site| {
        let target = site.target(config, None)?;
        let about = |task: &Value| site.is_not_of(task, "land");
        let found = queue::finished(team, &site.trees, &target, &about)?;
        Ok(found.ready.iter().any(|queued| queued.commits > 0))
    })
}

/// The names of the registry for which that is so, of those where anything of ours is.
pub(super) fn names_where(config: &Config, holds: impl Fn(&Site) -> Result<bool>) -> Vec<String> {
    let all = config.known_repositories().map(|all| all.registry.repos).unwrap_or_default();
    let holds = |name: &str| -> Result<bool> {
        let site = Site::named(config, name)?;
        Ok(has_any(&site.trees)? && holds(&site)?)
    };
    all.into_iter().map(|repo| repo.name).filter(|name| holds(name).unwrap_or(false)).collect()
}

fn has_any(trees: &Trees) -> Result<bool> {
    let words = ["for-each-ref", "--count=1", "--format=%(refname)", &format!("refs/heads/{PREFIX}")];
    trees.git().lines(&words).map(|found| !found.is_empty())
}
