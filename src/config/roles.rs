//! The roles that there are: those of the team, which are files, before those that come with the program.

use crate::config::Config;
use crate::config::File;
use crate::config::Shown;
use crate::config::file::text_of;
use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::model::fields::Fields;
use crate::model::nearest::nearest;
use crate::model::role::BUILT_IN;
use crate::model::role::Role;
use crate::model::role::check_role_name;
use crate::store::place;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::PathBuf;

/// Below the top of a repository.
const OF_REPOSITORY: &str = ".orch/roles";
/// Below the state directory.
const OF_STATE: &str = "roles";
const EXTENSION: &str = "md";

/// More are no roles, but something else that stands there.
const FILES_MAX: usize = 500;

#[derive(Clone, Debug)]
pub struct Roles {
    /// The first that has a role has it.
    dirs: Vec<PathBuf>,
    /// What `orch.toml` says instead.
    overrides: BTreeMap<String, Fields>,
}

impl Config {
    /// The roles of this repository. Those of the main worktree count, as for `orch.toml`.
    pub fn roles(&self, file: &File) -> Result<Roles> {
        let repository = self.project()?.and_then(place::repository).map(|found| found.main.join(OF_REPOSITORY));
        let mut dirs: Vec<PathBuf> = repository.into_iter().chain([self.place()?.dir().join(OF_STATE)]).collect();
        dirs.dedup();
        let roles = Roles { dirs, overrides: file.roles.clone() };
        for (name, fields) in &file.roles {
            roles
                .must_exist(name)
                .map_err(|error| Error { message: format!("{}: {}", fields.spot, error.message), ..error })?;
        }
        Ok(roles)
    }
}

impl Roles {
    /// Those that come with the program, as they are.
    pub fn built_in() -> Roles {
        Roles { dirs: Vec::new(), overrides: BTreeMap::new() }
    }

    /// Those of a directory, before those that come with the program.
    pub fn of_dir(dir: PathBuf) -> Roles {
        Roles { dirs: vec![dir], overrides: BTreeMap::new() }
    }

    pub fn read(&self, name: &str) -> Result<Role> {
        check_role_name(name)?;
        let (file, text) = self.text(name)?.ok_or_else(|| self.unknown(name))?;
        Role::read(name, &file, &text, self.overrides.get(name))
    }

    /// Each role that there is: first those that come with the program, in their order.
    pub fn names(&self) -> Result<Vec<String>> {
        let mut names: Vec<String> = BUILT_IN.iter().map(|(name, _)| (*name).to_owned()).collect();
        let own = self.files()?.into_iter().filter(|name| check_role_name(name).is_ok());
        names.extend(own.filter(|name| !BUILT_IN.iter().any(|(built_in, _)| built_in == name)));
        Ok(names)
    }

    pub(super) fn must_exist(&self, name: &str) -> Result<()> {
        check_role_name(name)?;
        self.text(name)?.map(drop).ok_or_else(|| self.unknown(name))
    }

    /// A line for each role, and for each file that looks like one and is none.
    pub(super) fn shown(&self) -> Result<Vec<Shown>> {
        let strays = self.files()?.into_iter().filter(|name| check_role_name(name).is_err());
        Ok(self.names()?.into_iter().chain(strays).map(|name| self.row(&name)).collect())
    }

    fn row(&self, name: &str) -> Shown {
        let shown_name = format!("roles.{}", name.escape_debug());
        let role = self.read(name).and_then(|role| Ok((role, self.text(name)?)));
        match role {
            Ok((role, text)) => {
                let file = text.map(|(file, _)| file).unwrap_or_default();
                let overrides = self.overrides.get(name).map(|fields| format!(", {}", fields.spot));
                let value = format!("{}, isolation {}", role.mode.word(), role.isolation.word());
                let source = file + &overrides.unwrap_or_default();
                Shown { name: shown_name.into(), value: Some(value), source }
            }
            Err(error) => Shown::unusable(shown_name, error),
        }
    }

    fn unknown(&self, name: &str) -> Error {
        let names = self.names().unwrap_or_default();
        let error = Error::new(Kind::NotFound, format!("there is no role `{name}`"));
        let write = self.dirs.first().map_or_else(String::new, |dir| {
            format!(", or write `{}`", dir.join(name).with_extension(EXTENSION).display())
        });
        error.hint(match nearest(name, names.iter().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`? There are {}{write}", names.join(", ")),
            None => format!("there are {}{write}", names.join(", ")),
        })
    }

    /// A role's text, and what messages call it.
    fn text(&self, name: &str) -> Result<Option<(String, String)>> {
        for dir in &self.dirs {
            let path = dir.join(name).with_extension(EXTENSION);
            if let Some(text) = text_of(&path)? {
                return Ok(Some((path.display().to_string(), text)));
            }
        }
        Ok(Role::built_in(name).map(|(file, text)| (file, text.to_owned())))
    }

    /// The names of all files that look like roles.
    fn files(&self) -> Result<Vec<String>> {
        let mut names = Vec::new();
        for dir in &self.dirs {
            let cannot = |cause: io::Error| {
                Error::new(Kind::Unavailable, format!("cannot look into `{}`: {cause}", dir.display()))
                    .hint("make it a directory that you can read, or remove it")
            };
            let entries = match fs::read_dir(dir) {
                Ok(entries) => entries,
                Err(cause) if matches!(cause.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                    continue;
                }
                Err(cause) => return Err(cannot(cause)),
            };
            for entry in entries.take(FILES_MAX) {
                let path = PathBuf::from(entry.map_err(cannot)?.file_name());
                if path.extension().is_some_and(|extension| extension == EXTENSION) {
                    names.extend(path.file_stem().map(|name| name.to_string_lossy().into_owned()));
                }
            }
        }
        names.sort();
        names.dedup();
        Ok(names)
    }
}
