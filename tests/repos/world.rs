//! A person with a team, and with repositories in several languages beside it.

use crate::launch::ground::commit;
use crate::launch::ground::git;
use crate::launch::ground::init;
use crate::launch::ground::write;
use crate::support::program::Ended;
use crate::support::program::Home;
use crate::support::program::Running;
use crate::support::program::eventually;
use crate::support::program::finish;
use serde_json::Value;
use std::fs;
use std::fs::OpenOptions;
use std::fs::Permissions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::process::Stdio;

/// What stands in orch.toml besides the repositories.
pub const WORKFLOWS: &str = r#"
[workflows.test]
commands.go = "go test ./..."
commands.javascript = "npm test"
commands.rust = "cargo test -q"

[workflows.build]
commands.go = "go build {{name}}"
"#;

pub struct World {
    pub home: Home,
}

impl World {
    /// The team works in a repository of its own. `go`, `npm` and `cargo` only say how they were called; in a repository with a
    /// file `broken` they fail.
    pub fn new() -> World {
        let world = World { home: Home::new() };
        init(&world.home.path("work"));
        fs::create_dir_all(world.home.path("src")).unwrap();
        fs::create_dir_all(world.home.path("bin")).unwrap();
        for tool in ["go", "npm", "cargo"] {
            world.tool(
                tool,
                &format!("echo \"{tool} $*\"\nif [ -e broken ]; then echo 'it broke here' >&2; exit 3; fi\n"),
            );
        }
        world
    }

    /// A program on the path.
    pub fn tool(&self, name: &str, script: &str) {
        let path = self.home.path("bin").join(name);
        fs::write(&path, format!("#!/bin/sh\n{script}")).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o700)).unwrap();
    }

    /// A clone of an origin, with one commit, on `main`.
    pub fn clone_of(&self, name: &str) -> PathBuf {
        let (seed, origin, dir) =
            (self.home.path(&format!("seed-{name}")), self.home.path(&format!("origin-{name}")), self.dir(name));
        fs::create_dir_all(&seed).unwrap();
        init(&seed);
        commit(&seed, "file", "one\n");
        git(&seed, &["clone", "--quiet", "--bare", ".", origin.to_str().unwrap()]);
        git(&seed, &["remote", "add", "origin", origin.to_str().unwrap()]);
        git(&self.home.path("src"), &["clone", "--quiet", origin.to_str().unwrap(), dir.to_str().unwrap()]);
        dir
    }

    /// Something new arrives at the origin.
    pub fn publish(&self, name: &str, file: &str) -> String {
        let seed = self.home.path(&format!("seed-{name}"));
        let id = commit(&seed, file, "new\n");
        git(&seed, &["push", "--quiet", "origin", "main"]);
        id
    }

    pub fn dir(&self, name: &str) -> PathBuf {
        self.home.path("src").join(name)
    }

    /// Three of them: `api` is behind, `web` is dirty, `lib` fails.
    pub fn with_three() -> World {
        let world = World::new();
        let api = world.clone_of("api");
        world.publish("api", "newer");
        git(&api, &["fetch", "--quiet"]);
        let web = world.clone_of("web");
        write(&web, "file", "stashed\n");
        git(&web, &["stash", "--quiet"]);
        write(&web, "file", "changed\n");
        write(&web, "draft", "mine\n");
        let lib = world.clone_of("lib");
        commit(&lib, "broken", "");
        world.settle(
            "[repos.api]\npath = \"~/src/api\"\nlanguage = \"go\"\ntags = [\"backend\"]\n\n\
             [repos.web]\npath = \"~/src/web\"\nlanguage = \"javascript\"\n\n\
             [repos.lib]\npath = \"~/src/lib\"\nlanguage = \"rust\"\ntags = [\"backend\", \"shared\"]\n",
        );
        world
    }

    /// These repositories, and the usual workflows.
    pub fn settle(&self, repos: &str) {
        self.write_settings(&format!("{repos}{WORKFLOWS}"));
    }

    pub fn write_settings(&self, text: &str) {
        fs::write(self.home.path("work/orch.toml"), text).unwrap();
    }

    pub fn settings(&self) -> String {
        fs::read_to_string(self.home.path("work/orch.toml")).unwrap()
    }

    pub fn program(&self, words: &[&str]) -> Command {
        let mut program = self.home.program(words);
        let bin = self.home.path("bin");
        program.env("PATH", format!("{}:/usr/bin:/bin", bin.display()));
        program
    }

    pub fn run(&self, words: &[&str]) -> Ended {
        finish(&mut self.program(words), "")
    }

    /// Starts it with its standard error in a file, and says where that is.
    pub fn start(&self, words: &[&str], name: &str) -> (Running, PathBuf) {
        let path = self.home.path(name);
        let mut program = self.program(words);
        program.stdin(Stdio::null()).stdout(Stdio::null()).stderr(fs::File::create(&path).unwrap());
        (Running::start(&mut program), path)
    }

    /// Something of what is written down.
    pub fn record(&self, name: &str) -> Value {
        let path = self.home.state_dir().join("repos").join(name);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
    }
}

/// A file at which whoever reads it waits until somebody writes.
pub struct Gate(PathBuf);

impl Gate {
    pub fn at(path: PathBuf) -> Gate {
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        Gate(path)
    }

    /// Lets the one that waits there go on.
    pub fn open(&self) {
        let mut writer = eventually("somebody at the gate", || {
            OpenOptions::new().write(true).custom_flags(libc::O_NONBLOCK).open(&self.0).ok()
        });
        writer.write_all(b"go\n").unwrap();
    }
}

/// Whatever became of the test, nobody is left waiting.
impl Drop for Gate {
    fn drop(&mut self) {
        if let Ok(mut gate) = OpenOptions::new().read(true).write(true).custom_flags(libc::O_NONBLOCK).open(&self.0) {
            let _ = gate.write_all(&b"go\n".repeat(10));
        }
    }
}

/// Of each thing in a list, one field.
pub fn each<'a>(list: &'a Value, field: &str) -> Vec<(&'a str, Value)> {
    list.as_array().unwrap().iter().map(|one| (one["name"].as_str().unwrap(), one[field].clone())).collect()
}

/// The same of a field that is a word.
pub fn words<'a>(list: &'a Value, field: &str) -> Vec<&'a str> {
    list.as_array().unwrap().iter().map(|one| one[field].as_str().unwrap()).collect()
}
