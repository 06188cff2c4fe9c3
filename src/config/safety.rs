//! What no command does without a person, as `orch.toml` says it: of the team, and of each repository.

use crate::config::Config;
use crate::config::File;
use crate::config::Shown;
use crate::config::Source;
use crate::error::Result;
use crate::model::path::team_path;
use crate::model::policy::Policy;
use crate::model::safety::OfRepo;
use crate::model::safety::Safety;
use std::path::Path;
use std::path::PathBuf;

impl Config {
    /// With the places in which everything lies.
    pub fn safety(&self, file: &File) -> Result<Safety> {
        let repositories = self.repositories(file)?;
        let all = repositories.registry.repos.iter().filter(|repo| repo.safety.says_something());
        let of_repos = all.map(|repo| Ok(OfRepo { dir: place(&repositories.dir(repo)?), ..repo.safety.clone() }));
        let base = match &file.path {
            Some(path) => path.parent().map(Path::to_owned).unwrap_or_default(),
            None => PathBuf::new(),
        };
        let home = self.home.as_ref().and_then(|home| home.to_str());
        let places = |directory: &str| match (directory.strip_prefix('~'), home) {
            (Some(below), Some(home)) => vec![format!("{home}{below}")],
            // From the top of each worktree, and from that of the main one wherever a command is run.
            (None, _) if !directory.starts_with('/') => vec![directory.to_owned(), place(&base.join(directory))],
            _ => vec![directory.to_owned()],
        };
        Ok(file.safety.clone().settled(of_repos.collect::<Result<_>>()?, places))
    }

    /// What decides about the requests of workers, whatever their hooks say.
    pub fn policy(&self, file: &File) -> Result<Policy> {
        Ok(file.policy.clone().with_safety(self.safety(file)?))
    }

    /// Whose home it is that `~` stands for in a command.
    pub fn home(&self) -> Option<&str> {
        self.home.as_deref()?.to_str()
    }

    /// Was this process started for a run of a worker?
    pub fn is_of_run(&self) -> bool {
        self.of_run
    }
}

/// The true place of a directory, as far as it is there.
fn place(dir: &Path) -> String {
    let dir = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
    let written = dir.to_string_lossy();
    team_path(&written, None, None).unwrap_or_else(|| written.into_owned())
}

pub(super) fn shown(file: &File) -> Vec<Shown> {
    let fields = &file.said_of_safety;
    let one = |(name, value): (&'static str, Option<String>)| {
        let source = fields.spot_of(name).map_or(Source::Default, |spot| Source::File(spot.line));
        Shown::new(format!("safety.{name}"), value, source, &file.shown())
    };
    file.safety.settings().into_iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Environment;
    use crate::config::Flags;
    use crate::model::safety::At;
    use crate::model::safety::Rule;
    use std::fs;
    use tempfile::TempDir;

    struct Team {
        dir: TempDir,
        config: Config,
    }

    impl Team {
        fn with(text: &str) -> Team {
            let dir = tempfile::tempdir().unwrap();
            fs::create_dir_all(dir.path().join("work/.git")).unwrap();
            fs::create_dir_all(dir.path().join("api")).unwrap();
            fs::write(dir.path().join("work/.git/HEAD"), "").unwrap();
            fs::write(dir.path().join("work/orch.toml"), text).unwrap();
            let variables = [("HOME", "/home/amy".into())].into();
            let environment = Environment { cwd: Some(dir.path().join("work")), variables, typed: true };
            let config = Config::read(Flags::default(), &environment).unwrap();
            Team { dir, config }
        }

        fn rule(&self, dir: &str, line: &str) -> Option<(Rule, bool)> {
            let safety = self.config.safety(&self.config.file().unwrap()).unwrap();
            let dir = self.dir.path().join(dir).canonicalize().unwrap();
            let at =
                At { dir: dir.to_str(), tops: &["/tree"], home: self.config.home(), is_worker: true, ..At::default() };
            safety.judge(line, &at).map(|breach| (breach.rule, breach.is_denied))
        }
    }

    #[test]
    fn what_the_file_says_of_safety_holds_where_it_says_so() {
        let team = Team::with(
            r#"
[safety]
protected = ["release/*"]
data = ["data", "~/sets", "/srv"]
destructive = "deny"
forbidden = ["make   reset"]

[repos.api]
path = "../api"
push = "allow"
forbidden = ["go generate"]
"#,
        );
        let denied = |rule| Some((rule, true));
        for (dir, line, wanted) in [
            ("work", "git push", denied(Rule::Push)),
            ("api", "git push", None),
            ("work", "cd ../api && git push", None),
            ("api", "git push -f origin release/1", denied(Rule::ForcePush)),
            ("api", "git push -f origin main", denied(Rule::Destructive)),
            ("work", "rm data/a", denied(Rule::Data)),
            ("work", "rm /tree/data/a", denied(Rule::Data)),
            ("api", "rm data/a", None),
            ("api", "rm ../work/data/a", denied(Rule::Data)),
            ("api", "rm /home/amy/sets/a ", denied(Rule::Data)),
            ("api", "rm ~/sets/a", denied(Rule::Data)),
            ("api", "make reset", denied(Rule::Forbidden)),
            ("api", "go generate", denied(Rule::Forbidden)),
            ("work", "go generate", None),
            ("work", "git reset --hard", denied(Rule::Destructive)),
        ] {
            assert_eq!(team.rule(dir, line), wanted, "{dir}: {line}");
        }
        let shown = shown(&team.config.file().unwrap());
        let of = |name: &str| shown.iter().find(|one| one.name == name).and_then(|one| one.value.clone());
        assert_eq!(of("safety.protected").as_deref(), Some("release/*"));
        assert_eq!(of("safety.push"), None);
        assert_eq!(of("safety.data").as_deref(), Some("data, ~/sets, /srv"));
    }

    #[test]
    fn where_nothing_is_said_the_rules_hold_as_they_come() {
        let team = Team::with("");
        assert_eq!(team.rule("work", "git push"), Some((Rule::Push, true)));
        assert_eq!(team.rule("work", "git push -f origin develop"), Some((Rule::ForcePush, true)));
        assert_eq!(team.rule("work", "rm -rf src"), Some((Rule::Destructive, false)));
        assert_eq!(team.rule("work", "rm -rf data"), Some((Rule::Destructive, false)));
        assert_eq!(team.rule("work", "rm a"), None);
    }

    #[test]
    fn what_is_wrong_with_it_is_named_with_its_line() {
        for (text, message) in [
            ("[safety]\npsuh = \"ask\"", "orch.toml line 2: [safety] has no key `psuh`"),
            ("[safety]\npush = \"no\"", "orch.toml line 2: `push` is the text `no`, wanted `allow`, `ask` or `deny`"),
            ("[safety]\npush = false", "orch.toml line 2: `push` is false, wanted `allow`, `ask` or `deny`"),
            ("[safety]\ndata = [\"..\"]", "orch.toml line 2: an item of `data` is the text `..`, wanted a directory"),
            ("[safety]\nprotected = [\"a b\"]", "orch.toml line 2: an item of `protected` is the text `a b`"),
        ] {
            let error = Team::with(text).config.file().expect_err(message);
            assert!(error.message.starts_with(message), "{error}");
        }
        let error = Team::with("[safety]\npsuh = \"ask\"").config.file().expect_err("no such key");
        assert_eq!(error.hint.as_deref().map(|hint| hint.contains("did you mean `push`?")), Some(true));
    }
}
