//! Files of one kind, each with a name that people choose: those of the repository before those of the state directory.

use crate::config::Config;
use crate::config::file::text_of;
use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::store::place;
use std::fs;
use std::io;
use std::path::Path;
use std::path::PathBuf;

/// Below the top of a repository.
const OF_REPOSITORY: &str = ".orch";

/// More are not of that kind, but something else that stands there.
const FILES_MAX: usize = 500;

#[derive(Clone, Debug)]
pub(super) struct Shelf {
    /// The first that has a file has it.
    dirs: Vec<PathBuf>,
    extension: &'static str,
}

impl Config {
    /// The files in that directory. Those of the main worktree count, as for `orch.toml`.
    pub(super) fn shelf(&self, dir: &'static str, extension: &'static str) -> Result<Shelf> {
        let repository = self.project()?.and_then(place::repository).map(|found| found.main.join(OF_REPOSITORY));
        let state = self.place()?.dir().to_owned();
        let mut dirs: Vec<PathBuf> = repository.into_iter().chain([state]).map(|above| above.join(dir)).collect();
        dirs.dedup();
        Ok(Shelf { dirs, extension })
    }
}

impl Shelf {
    pub(super) fn of_dirs(dirs: Vec<PathBuf>, extension: &'static str) -> Shelf {
        Shelf { dirs, extension }
    }

    /// A file's text, and what messages call it. Whoever asks has looked at the name: it is part of a path.
    pub(super) fn text(&self, name: &str) -> Result<Option<(String, String)>> {
        for dir in &self.dirs {
            let path = self.path(dir, name);
            if let Some(text) = text_of(&path)? {
                return Ok(Some((path.display().to_string(), text)));
            }
        }
        Ok(None)
    }

    /// Where somebody would write one.
    pub(super) fn place_for(&self, name: &str) -> Option<PathBuf> {
        self.dirs.first().map(|dir| self.path(dir, name))
    }

    /// Do its files lie in that directory?
    pub(super) fn is_on(&self, dir: &Path) -> bool {
        let Ok(dir) = dir.canonicalize() else { return false };
        self.dirs.iter().any(|one| one.canonicalize().is_ok_and(|one| one == dir))
    }

    fn path(&self, dir: &Path, name: &str) -> PathBuf {
        dir.join(name).with_extension(self.extension)
    }

    /// The names of all files that look as if they were of that kind.
    pub(super) fn names(&self) -> Result<Vec<String>> {
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
                if path.extension().is_some_and(|extension| extension == self.extension) {
                    names.extend(path.file_stem().map(|name| name.to_string_lossy().into_owned()));
                }
            }
        }
        names.sort();
        names.dedup();
        Ok(names)
    }
}
