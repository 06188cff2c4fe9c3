//! The repositories of the team, and the workflows that are run over them, as `orch.toml` names them.

use crate::config::Config;
use crate::config::File;
use crate::config::Shown;
use crate::error::Error;
use crate::error::Result;
use crate::model::registry::Registry;
use crate::model::registry::Repo;
use crate::model::registry::is_of_forge;
use std::path::Path;
use std::path::PathBuf;

#[derive(Clone, Debug)]
pub struct Repositories {
    pub registry: Registry,
    /// From where a path is seen that does not say.
    base: PathBuf,
    home: Option<PathBuf>,
}

impl Config {
    pub fn repositories(&self, file: &File) -> Result<Repositories> {
        let path = match &file.path {
            Some(path) => path.clone(),
            None => self.path_of_file()?,
        };
        let base = path.parent().map(Path::to_owned).unwrap_or_default();
        let registry = Registry::read(&file.repos, &file.workflows)?;
        Ok(Repositories { registry, base, home: self.home.clone() })
    }

    /// Those of the file as it is.
    pub fn known_repositories(&self) -> Result<Repositories> {
        self.repositories(&self.file()?)
    }
}

impl Repositories {
    /// What a task names is registered, or it is the name that a forge has for one.
    pub fn check_name(&self, name: &str) -> Result<()> {
        match name.is_empty() || is_of_forge(name) {
            true => Ok(()),
            false => self.registered(name).map(drop),
        }
    }

    /// The one of that name. A task that names another one than the team's own is never done in that.
    pub fn registered(&self, name: &str) -> Result<&Repo> {
        if self.registry.repos.is_empty() {
            let message = format!("there is no repository `{}`, as orch.toml names none", name.escape_debug());
            let hint = "write `[repos.NAME]` and its `path` into orch.toml; or name none, if this one is meant";
            return Err(Error::not_found(message).hint(hint));
        }
        let chosen = self.registry.chosen(&[name.to_owned()], &[])?;
        chosen.first().copied().ok_or_else(|| Error::internal("a repository that was chosen is not there"))
    }

    /// Where a repository lies, whether or not it is there.
    pub fn dir(&self, repo: &Repo) -> Result<PathBuf> {
        let below_home = match repo.path.strip_prefix('~') {
            Some("") => Some(""),
            Some(rest) => rest.strip_prefix('/'),
            None => None,
        };
        match (below_home, &self.home) {
            (None, _) => Ok(self.base.join(&repo.path)),
            (Some(below), Some(home)) => Ok(home.join(below)),
            (Some(_), None) => {
                let message = format!("`{}` begins at your home directory, and `HOME` is not set", repo.path);
                Err(Error::invalid(message).hint("set `HOME`, or write the whole path"))
            }
        }
    }
}

pub(super) fn shown(config: &Config, file: &File) -> Shown {
    match config.repositories(file) {
        Err(error) => Shown::unusable("repos", error),
        Ok(Repositories { registry, .. }) if registry.repos.is_empty() => {
            Shown { name: "repos".into(), value: None, source: "not set".to_owned() }
        }
        Ok(Repositories { registry, .. }) => {
            let (repos, workflows) = (registry.repos.len(), registry.workflow_names().len());
            let value = format!("{repos}, with {workflows} {}", if workflows == 1 { "workflow" } else { "workflows" });
            Shown { name: "repos".into(), value: Some(value), source: file.shown() }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Environment;
    use crate::config::Flags;
    use crate::model::recipe::Call;
    use std::fs;

    fn read(text: &str) -> Result<Repositories> {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join(".git")).unwrap();
        fs::write(dir.path().join(".git/HEAD"), "").unwrap();
        fs::write(dir.path().join("orch.toml"), text).unwrap();
        let variables = [("HOME", "/home/amy".into())].into();
        let environment = Environment { cwd: Some(dir.path().to_owned()), variables, typed: true };
        Config::read(Flags::default(), &environment).unwrap().known_repositories()
    }

    const GOOD: &str = r#"
[repos.web]
path = "~/src/web"
language = "javascript"
tags = ["frontend", "core", "core"]
notes = "never run `npm audit fix`"

[repos.api]
path = "../api"
language = "go"
default_branch = "develop"
sequential = ["test"]
commands.build = "make -C {{path}} {{default_branch}}"

[workflows.test]
minutes = 30
commands.go = "go test ./..."
commands.any = { shell = "make test | tail" }
"#;

    #[test]
    fn repositories_and_workflows_are_read_in_their_order() {
        let found = read(GOOD).unwrap();
        let registry = &found.registry;
        let [web, api] = registry.repos.as_slice() else { panic!("{registry:?}") };
        assert_eq!((web.name.as_str(), api.name.as_str()), ("web", "api"));
        assert_eq!(web.tags, ["frontend", "core"]);
        assert_eq!(web.notes, ["never run `npm audit fix`"]);
        assert_eq!(found.dir(web).unwrap(), Path::new("/home/amy/src/web"));
        assert!(found.dir(api).unwrap().ends_with("../api"));
        assert_eq!(registry.workflow_names(), ["test", "build"]);
        let call = |repo: &Repo, workflow: &str| {
            registry.recipe(repo, workflow).map(|recipe| repo.call(recipe, workflow, "/d").unwrap().shown())
        };
        assert_eq!(call(api, "build").as_deref(), Some("make -C /d develop"));
        assert_eq!(call(web, "build"), None);
        assert_eq!(call(api, "test").as_deref(), Some("go test ./..."));
        assert_eq!(call(web, "test").as_deref(), Some("make test | tail"), "that for any language");
        let recipe = registry.recipe(web, "test").unwrap();
        assert!(matches!(web.call(recipe, "test", "/d"), Ok(Call::Shell { .. })));
        let chosen = |names: &[&str], tags: &[&str]| -> Result<Vec<String>> {
            let owned = |all: &[&str]| all.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>();
            let chosen = registry.chosen(&owned(names), &owned(tags))?;
            Ok(chosen.into_iter().map(|repo| repo.name.clone()).collect())
        };
        assert_eq!(chosen(&[], &[]).unwrap(), ["web", "api"]);
        assert_eq!(chosen(&["api"], &[]).unwrap(), ["api"]);
        assert_eq!(chosen(&[], &["core"]).unwrap(), ["web"]);
        assert_eq!(chosen(&["apu"], &[]).unwrap_err().message, "there is no repository `apu`");
        assert!(chosen(&["apu"], &[]).unwrap_err().hint.unwrap().starts_with("did you mean `api`?"));
        assert_eq!(chosen(&[], &["cor"]).unwrap_err().message, "no repository has the tag `cor`");
        assert_eq!(registry.must_have_workflow("tset").unwrap_err().message, "there is no workflow `tset`");
        assert_eq!(read("").unwrap().registry.chosen(&[], &[]).unwrap_err().message, "no repository is registered");
    }

    #[test]
    fn what_is_wrong_with_a_registry_is_named_with_its_line() {
        for (text, message) in [
            ("[repos.a]\ntags = []", "orch.toml line 1: `path` of the repository `a` is missing"),
            ("[repos.a]\npath = \"x\"\ntag = []", "orch.toml line 3: a repository has no key `tag`"),
            ("[repos.a]\npath = 5", "orch.toml line 2: `path` is the number 5, wanted a text of one line"),
            ("[repos.a]\npath = \"~bob/x\"", "orch.toml line 2: `path` is the text `~bob/x`, wanted a path"),
            ("[repos.\"../x\"]\npath = \"x\"", "orch.toml line 1: `../x` is no name for a repository"),
            ("[repos.\"-rf\"]\npath = \"x\"", "orch.toml line 1: `-rf` is no name for a repository"),
            ("repos.a = 5", "orch.toml line 1: `a` is the number 5, wanted a table"),
            (
                "[repos.a]\npath = \"x\"\ntags = [\n \"a\",\n \"b c\" ]",
                "orch.toml line 5: an item of `tags` is the text `b c`, wanted one word",
            ),
            (
                "[repos.a]\npath = \"x\"\nremote = \"--upload-pack=evil\"",
                "orch.toml line 3: `remote` is the text `--upload-pack=evil`, wanted one word",
            ),
            (
                "[repos.a]\npath = \"x\"\ndefault_branch = \"a..b\"",
                "orch.toml line 3: `default_branch` is the text `a..b`, wanted the name of a branch",
            ),
            (
                "[repos.a]\npath = \"x\"\nsequential = [\"tset\"]\n[workflows.test]\ncommands.any = \"x\"",
                "orch.toml line 1: `sequential` of `a` names `tset`, which is no workflow",
            ),
            (
                "[repos.a]\npath = \"x\"\ncommands.tset = \"x\"\n[workflows.test]\ncommands.any = \"x\"",
                "orch.toml line 3: there is no workflow `tset`",
            ),
            ("[workflows.Test]\ncommands.any = \"x\"", "orch.toml line 1: `Test` is no name for a workflow"),
            ("[workflows.test]\nminutes = 5", "orch.toml line 1: the workflow `test` has no commands"),
            (
                "[workflows.test]\nminutes = 0\ncommands.any = \"x\"",
                "orch.toml line 2: `minutes` is the number 0, wanted a whole number from 1 to 1440",
            ),
            (
                "[workflows.test]\n\ncommands.go = \"go test | tail\"",
                "orch.toml line 3: `go` has `|`, which only a shell understands",
            ),
            (
                "[workflows.test]\n\ncommands.go = \"go test {{pth}}\"",
                "orch.toml line 3: column 9: `{{pth}}` is none of the names",
            ),
            ("[workflows.test.commands]\n\"g o\" = \"x\"", "orch.toml line 2: `g o` is no language"),
            (
                "[repos.a]\npath = \"x\"\npush = \"never\"",
                "orch.toml line 3: `push` is the text `never`, wanted `allow`, `ask` or `deny`",
            ),
            (
                "[repos.a]\npath = \"x\"\nforbidden = \"make reset\"",
                "orch.toml line 3: `forbidden` is the text `make reset`, wanted a list",
            ),
        ] {
            let error = read(text).expect_err(message);
            assert!(error.message.starts_with(message), "{error}");
        }
    }
}
