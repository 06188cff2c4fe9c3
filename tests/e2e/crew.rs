//! Workers of the real client on a stage, under our supervisor, in a repository and with a store of their own.

use crate::e2e::stage::Stage;
use crate::launch::fleet::PATIENCE;
use crate::launch::fleet::Team;
use crate::launch::fleet::marked;
use crate::launch::ground::git;
use crate::launch::ground::init;
use crate::support::program::Running;
use crate::support::program::finish_within;
use serde_json::Value;
use std::fs;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

pub struct Crew {
    /// Ends last, with whatever still runs on it.
    pub team: Team,
    pub stage: Stage,
}

impl Crew {
    pub fn set<const N: usize>(roles: [Value; N]) -> Option<Crew> {
        let stage = Stage::set(roles)?;
        let mut team = Team::new();
        team.client = stage.path("bin/claude").display().to_string();
        init(&team.repo());
        git(&team.repo(), &["commit", "--quiet", "--allow-empty", "-m", "first"]);
        Some(Crew { team, stage })
    }

    /// A role whose workers begin with these words.
    pub fn role(&self, name: &str, front: &str, prompt: &str) {
        let roles = self.team.home.state_dir().join("roles");
        fs::create_dir_all(&roles).unwrap();
        fs::write(roles.join(format!("{name}.md")), format!("---\ndescription: d\n{front}---\n{prompt}\n")).unwrap();
    }

    pub fn settings(&self, text: &str) {
        let settings = format!("[launch]\nspawns_per_minute = 1000\n{text}\n");
        fs::write(self.team.home.state_dir().join("orch.toml"), settings).unwrap();
    }

    pub fn launch(&self, words: &[&str]) -> Command {
        let mut launch = self.team.launch(words);
        self.stage.dress(&mut launch);
        launch.current_dir(self.team.repo()).env("ORCH_STATE_DIR", self.team.home.state_dir());
        launch
    }

    pub fn start(&self, words: &[&str]) -> Running {
        Running::start(&mut self.launch(words))
    }

    /// The client, for a supervisor that does not play on the stage itself.
    pub fn dressed_client(&self) -> String {
        let path = self.stage.path("bin/dressed");
        let set = self.stage.environment().into_iter().map(|(name, value)| format!("{name}='{value}' "));
        let script = format!("#!/bin/sh\nexec env {}\"{}\" \"$@\"\n", set.collect::<String>(), self.team.client);
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        path.display().to_string()
    }

    /// Nothing of what was started for it is left: no process, and no worktree that holds nothing.
    #[track_caller]
    pub fn leaves_nothing(&self) {
        self.stage.until_empty();
        let left: usize = self.team.runs().iter().map(marked).sum();
        assert_eq!((self.team.living().len(), left), (0, 0));
        finish_within(PATIENCE, &mut self.team.home.program(&["cleanup"]), "").expect(0);
        let repo = self.team.repo();
        let trees = (git(&repo, &["worktree", "list"]), git(&repo, &["branch", "--list", "orch/*"]));
        assert_eq!((trees.0.lines().count(), trees.1.as_str()), (1, ""), "{trees:?}");
    }
}
