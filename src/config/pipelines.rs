//! The pipelines that there are: those of the team, which are files, before those that come with the program.

use crate::config::Config;
use crate::config::shelf::Shelf;
use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::model::nearest::nearest;
use crate::model::pipeline::BUILT_IN;
use crate::model::pipeline::Pipeline;
use crate::model::pipeline::check_pipeline_name;
use std::path::PathBuf;

/// In `.orch` of the repository, and in the state directory.
const DIR: &str = "pipelines";
const EXTENSION: &str = "toml";

#[derive(Clone, Debug)]
pub struct Pipelines {
    shelf: Shelf,
}

/// One that there is, or a file that looks like one and is none.
#[derive(Clone, Debug)]
pub struct Listed {
    pub name: String,
    /// The file, as messages call it.
    pub from: String,
    pub pipeline: Result<Pipeline>,
}

impl Listed {
    /// Does somebody of the team write it?
    pub fn is_own(&self) -> bool {
        Pipeline::built_in(&self.name).is_none_or(|(file, _)| file != self.from)
    }
}

impl Config {
    /// The pipelines of this repository. Those of the main worktree count, as for `orch.toml`.
    pub fn pipelines(&self) -> Result<Pipelines> {
        Ok(Pipelines { shelf: self.shelf(DIR, EXTENSION)? })
    }
}

impl Pipelines {
    /// Those that come with the program, as they are.
    pub fn built_in() -> Pipelines {
        Pipelines { shelf: Shelf::of_dirs(Vec::new(), EXTENSION) }
    }

    /// Those of a directory, before those that come with the program.
    pub fn of_dir(dir: PathBuf) -> Pipelines {
        Pipelines { shelf: Shelf::of_dirs(vec![dir], EXTENSION) }
    }

    pub fn read(&self, name: &str) -> Result<Pipeline> {
        let (file, text) = self.file(name)?;
        Pipeline::read(name, &file, &text)
    }

    /// Each with where it comes from, also what cannot be used: first those that come with the program, in their order.
    pub fn list(&self) -> Result<Vec<Listed>> {
        let row = |name: String| {
            let from = match check_pipeline_name(&name) {
                Ok(()) => self.text(&name).ok().flatten().map(|(file, _)| file),
                Err(_) => None,
            };
            let place = || self.shelf.place_for(&name).map(|path| path.display().to_string()).unwrap_or_default();
            Listed { from: from.unwrap_or_else(place), pipeline: self.read(&name), name }
        };
        Ok(self.names()?.into_iter().map(row).collect())
    }

    fn names(&self) -> Result<Vec<String>> {
        let mut names: Vec<String> = BUILT_IN.iter().map(|(name, _)| (*name).to_owned()).collect();
        let own = self.shelf.names()?;
        names.extend(own.into_iter().filter(|name| !BUILT_IN.iter().any(|(built_in, _)| built_in == name)));
        Ok(names)
    }

    /// The text of one of the team's own, which goes before ours.
    pub fn own(&self, name: &str) -> Result<Option<String>> {
        check_pipeline_name(name)?;
        let own = self.shelf.text(name)?.map(|(_, text)| text);
        if own.is_none() && Pipeline::built_in(name).is_none() {
            return Err(self.unknown(name));
        }
        Ok(own)
    }

    /// What messages call its file, and what stands in it.
    pub fn file(&self, name: &str) -> Result<(String, String)> {
        check_pipeline_name(name)?;
        self.text(name)?.ok_or_else(|| self.unknown(name))
    }

    fn text(&self, name: &str) -> Result<Option<(String, String)>> {
        let own = self.shelf.text(name)?;
        Ok(own.or_else(|| Pipeline::built_in(name).map(|(file, text)| (file, text.to_owned()))))
    }

    fn unknown(&self, name: &str) -> Error {
        let mut names = self.names().unwrap_or_default();
        names.retain(|name| check_pipeline_name(name).is_ok());
        let write = self.shelf.place_for(name).map(|path| format!(", or write `{}`", path.display()));
        let write = write.unwrap_or_default();
        let error = Error::new(Kind::NotFound, format!("there is no pipeline `{name}`"));
        error.hint(match nearest(name, names.iter().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`? There are {}{write}", names.join(", ")),
            None => format!("there are {}{write}", names.join(", ")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Environment;
    use crate::config::Flags;
    use std::fs;
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;
    use tempfile::TempDir;

    /// A repository with these files, looked at from its top.
    fn repository(files: &[(&str, &str)]) -> (TempDir, Config) {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in [(".git/HEAD", "")].iter().chain(files) {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let cwd = Some(dir.path().to_owned());
        let config = Config::read(Flags::default(), &Environment { cwd, ..Environment::default() }).unwrap();
        (dir, config)
    }

    fn text(description: &str) -> String {
        format!("description = \"{description}\"\n[[stage]]\nname = \"a\"\nrole = \"x\"\nprompt = \"p\"\n")
    }

    #[test]
    fn a_pipeline_of_the_team_goes_before_the_one_of_that_name_that_comes_with_the_program() {
        let (dir, config) = repository(&[
            (".orch/pipelines/chain.toml", &text("ours")),
            (".orch/pipelines/nightly.toml", &text("at night")),
            (".orch/pipelines/broken.toml", "description = \"d\"\nstages = 1\n"),
            (".orch/pipelines/No Name.toml", &text("x")),
            (".orch/pipelines/notes.md", ""),
        ]);
        let pipelines = config.pipelines().unwrap();
        assert_eq!(pipelines.read("chain").unwrap().description, "ours");
        assert_eq!(pipelines.read("proof").unwrap().stages.len(), 4);
        let list = pipelines.list().unwrap();
        let rows: Vec<(&str, bool)> = list.iter().map(|one| (one.name.as_str(), one.pipeline.is_ok())).collect();
        let built_in = BUILT_IN.map(|(name, _)| (name, true));
        assert_eq!(rows, [&built_in[..], &[("No Name", false), ("broken", false), ("nightly", true)]].concat());
        let of = |name: &str| list.iter().find(|one| one.name == name).unwrap();
        assert_eq!(of("chain").from, dir.path().join(".orch/pipelines/chain.toml").display().to_string());
        assert_eq!(of("proof").from, "(built-in) proof.toml");
        let error = of("broken").pipeline.clone().expect_err("broken");
        assert!(error.message.ends_with("broken.toml line 2: a pipeline has no key `stages`"), "{error}");
        for hostile in ["../../etc/passwd", "/etc/passwd", "chain.toml", "No Name", ""] {
            assert!(pipelines.read(hostile).expect_err(hostile).message.contains("is no name for a pipeline"));
        }
        let error = pipelines.read("nihgtly").expect_err("none");
        assert_eq!(error.message, "there is no pipeline `nihgtly`");
        let hint = error.hint.unwrap();
        assert!(hint.starts_with("did you mean `nightly`?") && hint.contains(".orch/pipelines/nihgtly.toml"), "{hint}");
        assert!(Pipelines::built_in().read("nightly").expect_err("none").hint.unwrap().starts_with("there are chain,"));
    }

    /// Were its own copy to count, a worker could let itself through every gate.
    #[test]
    fn a_worktree_of_a_worker_says_nothing_of_pipelines() {
        let (dir, config) = repository(&[
            (".git/worktrees/w/commondir", "../.."),
            (".orch/pipelines/gated.toml", &text("ours")),
            ("w/.orch/pipelines/gated.toml", &text("mine")),
            ("w/.orch/pipelines/chain.toml", &text("mine")),
        ]);
        let worktree = dir.path().join("w");
        fs::write(worktree.join(".git"), format!("gitdir: {}", dir.path().join(".git/worktrees/w").display())).unwrap();
        let pipelines = config.in_project(worktree).pipelines().unwrap();
        assert_eq!(pipelines.read("gated").unwrap().description, "ours");
        assert_ne!(pipelines.read("chain").unwrap().description, "mine");
    }

    #[test]
    fn a_file_that_everybody_may_write_is_read_by_nobody() {
        let (dir, config) = repository(&[(".orch/pipelines/open.toml", &text("x"))]);
        let file = dir.path().join(".orch/pipelines/open.toml");
        fs::set_permissions(&file, Permissions::from_mode(0o666)).unwrap();
        let pipelines = config.pipelines().unwrap();
        assert!(pipelines.read("open").expect_err("open").message.starts_with("everybody may write to"));
        let list = pipelines.list().unwrap();
        assert!(list.last().unwrap().pipeline.is_err() && list.last().unwrap().from.ends_with("open.toml"));
    }
}
