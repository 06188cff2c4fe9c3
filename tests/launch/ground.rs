//! A repository in a directory of its own, with a user's checkout that nobody is to touch.

use orch_mcp::repo::shell::Errand;
use orch_mcp::repo::worktree::Tree;
use orch_mcp::repo::worktree::Trees;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

pub struct Ground {
    dir: TempDir,
    pub repo: PathBuf,
}

impl Ground {
    /// On `main`, with one commit.
    pub fn new() -> Ground {
        let dir = tempfile::tempdir_in("/tmp").unwrap();
        let repo = dir.path().canonicalize().unwrap().join("repo");
        fs::create_dir(&repo).unwrap();
        init(&repo);
        let ground = Ground { dir, repo };
        ground.write("base.txt", "one\ntwo\nthree\n");
        ground.write(".gitignore", "/build/\n");
        git(&ground.repo, &["add", "."]);
        git(&ground.repo, &["commit", "--quiet", "-m", "first"]);
        ground
    }

    pub fn path(&self, below: &str) -> PathBuf {
        self.dir.path().canonicalize().unwrap().join(below)
    }

    pub fn write(&self, file: &str, text: &str) {
        write(&self.repo, file, text);
    }

    pub fn trees(&self) -> Trees {
        Trees::of(&self.repo, None).unwrap()
    }

    /// A worktree with one commit that adds or replaces a file.
    pub fn work(&self, name: &str, file: &str, text: &str) -> Tree {
        let tree = self.trees().ready(name, "main").unwrap();
        commit(&tree.path, file, text);
        tree
    }

    /// The user is on a branch of their own, so that `main` is free.
    pub fn leave_main(&self) {
        git(&self.repo, &["switch", "--quiet", "-c", "mine"]);
    }

    pub fn errand(&self, command: &str) -> Errand {
        let patience = Duration::from_secs(60);
        Errand { command: command.to_owned(), patience, log: self.path("check.log") }
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.path("check.log")).unwrap_or_default()
    }

    pub fn tip(&self, branch: &str) -> String {
        git(&self.repo, &["rev-parse", branch])
    }

    pub fn has_branch(&self, branch: &str) -> bool {
        !git(&self.repo, &["for-each-ref", &format!("refs/heads/{branch}")]).is_empty()
    }

    /// All that the user has: files with their modes, the index, settings, hooks and where they are.
    pub fn checkout(&self) -> BTreeMap<PathBuf, (u32, Vec<u8>)> {
        let mut found = BTreeMap::new();
        for entry in fs::read_dir(&self.repo).unwrap().flatten() {
            if ![".git", ".orch"].map(Into::into).contains(&entry.file_name()) {
                gather(&entry.path(), &mut found);
            }
        }
        for own in ["HEAD", "index", "config", "info/exclude", "hooks", "logs/HEAD"] {
            gather(&self.repo.join(".git").join(own), &mut found);
        }
        found
    }
}

fn gather(path: &Path, found: &mut BTreeMap<PathBuf, (u32, Vec<u8>)>) {
    let Ok(about) = path.symlink_metadata() else { return };
    match about.is_dir() {
        true => fs::read_dir(path).unwrap().flatten().for_each(|entry| gather(&entry.path(), found)),
        false => drop(found.insert(path.to_owned(), (about.permissions().mode(), fs::read(path).unwrap_or_default()))),
    }
}

/// A repository on `main`, with its owner and without a commit.
pub fn init(repo: &Path) {
    git(repo, &["init", "--quiet", "--initial-branch=main"]);
    git(repo, &["config", "user.name", "Repo Owner"]);
    git(repo, &["config", "user.email", "owner@example.com"]);
}

pub fn write(dir: &Path, file: &str, text: &str) {
    let path = dir.join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

pub fn commit(dir: &Path, file: &str, text: &str) -> String {
    write(dir, file, text);
    git(dir, &["add", "--", file]);
    git(dir, &["commit", "--quiet", "-m", &format!("change {file}")]);
    git(dir, &["rev-parse", "HEAD"])
}

/// Must succeed.
#[track_caller]
pub fn git(dir: &Path, words: &[&str]) -> String {
    let (succeeded, said) = try_git(dir, words);
    assert!(succeeded, "git {words:?}: {said}");
    said
}

pub fn try_git(dir: &Path, words: &[&str]) -> (bool, String) {
    let output = Command::new("git")
        .args(words)
        .current_dir(dir)
        .envs([("GIT_CONFIG_GLOBAL", "/dev/null"), ("GIT_CONFIG_NOSYSTEM", "1"), ("GIT_EDITOR", ":")])
        .envs([("GIT_AUTHOR_NAME", "Worker"), ("GIT_AUTHOR_EMAIL", "worker@example.com")])
        .envs([("GIT_COMMITTER_NAME", "Worker"), ("GIT_COMMITTER_EMAIL", "worker@example.com")])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).trim_end().to_owned();
    let complaint = String::from_utf8_lossy(&output.stderr);
    (output.status.success(), if output.status.success() { said } else { format!("{said}{complaint}") })
}
