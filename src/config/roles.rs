//! The roles that there are: those of the team, which are files, before those that come with the program.

use crate::config::Config;
use crate::config::File;
use crate::config::Shown;
use crate::config::shelf::Shelf;
use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::model::fields::Fields;
use crate::model::nearest::nearest;
use crate::model::role::BUILT_IN;
use crate::model::role::Role;
use crate::model::role::check_role_name;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// In `.orch` of the repository, and in the state directory.
const DIR: &str = "roles";
const EXTENSION: &str = "md";

#[derive(Clone, Debug)]
pub struct Roles {
    shelf: Shelf,
    /// What `orch.toml` says instead.
    overrides: BTreeMap<String, Fields>,
}

impl Config {
    /// The roles of this repository. Those of the main worktree count, as for `orch.toml`.
    pub fn roles(&self, file: &File) -> Result<Roles> {
        let roles = Roles { shelf: self.shelf(DIR, EXTENSION)?, overrides: file.roles.clone() };
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
        Roles { shelf: Shelf::of_dirs(Vec::new(), EXTENSION), overrides: BTreeMap::new() }
    }

    /// Those of a directory, before those that come with the program.
    pub fn of_dir(dir: PathBuf) -> Roles {
        Roles { shelf: Shelf::of_dirs(vec![dir], EXTENSION), overrides: BTreeMap::new() }
    }

    pub fn read(&self, name: &str) -> Result<Role> {
        check_role_name(name)?;
        let (file, text) = self.text(name)?.ok_or_else(|| self.unknown(name))?;
        Role::read(name, &file, &text, self.overrides.get(name))
    }

    /// Each role that there is: first those that come with the program, in their order.
    pub fn names(&self) -> Result<Vec<String>> {
        let mut names: Vec<String> = BUILT_IN.iter().map(|(name, _)| (*name).to_owned()).collect();
        let own = self.shelf.names()?.into_iter().filter(|name| check_role_name(name).is_ok());
        names.extend(own.filter(|name| !BUILT_IN.iter().any(|(built_in, _)| built_in == name)));
        Ok(names)
    }

    pub(super) fn must_exist(&self, name: &str) -> Result<()> {
        check_role_name(name)?;
        self.text(name)?.map(drop).ok_or_else(|| self.unknown(name))
    }

    /// A line for each role, and for each file that looks like one and is none.
    pub(super) fn shown(&self) -> Result<Vec<Shown>> {
        let strays = self.shelf.names()?.into_iter().filter(|name| check_role_name(name).is_err());
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
        let write = self.shelf.place_for(name).map(|path| format!(", or write `{}`", path.display()));
        let write = write.unwrap_or_default();
        error.hint(match nearest(name, names.iter().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`? There are {}{write}", names.join(", ")),
            None => format!("there are {}{write}", names.join(", ")),
        })
    }

    /// A role's text, and what messages call it.
    fn text(&self, name: &str) -> Result<Option<(String, String)>> {
        let own = self.shelf.text(name)?;
        Ok(own.or_else(|| Role::built_in(name).map(|(file, text)| (file, text.to_owned()))))
    }
}
