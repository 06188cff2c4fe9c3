//! Where the state is kept, who may read it, and when it is made.

use crate::support::program::Home;
use crate::support::program::PROGRAM;
use crate::support::program::Session;
use crate::support::program::eventually;
use crate::support::program::files_below;
use crate::support::program::finish;
use serde_json::Value;
use serde_json::json;
use std::fs;
use std::fs::Permissions;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

/// Runs a command in a directory, left to find the state by itself.
#[track_caller]
fn in_dir(home: &Home, dir: &Path, arguments: &[&str]) -> Value {
    finish(home.program_without_state_dir(arguments).current_dir(dir), "").expect(0).data()
}

fn state_dir_of(home: &Home, dir: &Path, variables: &[(&str, &Path)], arguments: &[&str]) -> (PathBuf, String) {
    let mut command = home.program_without_state_dir(&[&["config"], arguments].concat());
    command.current_dir(dir).envs(variables.iter().copied());
    let config = finish(&mut command, "").expect(0).data();
    let setting = &config["settings"][0];
    assert_eq!(setting["name"], "state_dir");
    (PathBuf::from(setting["value"].as_str().unwrap()), setting["source"].as_str().unwrap().to_owned())
}

/// Git as nobody has configured it; `None` where there is none.
fn git(home: &Home, dir: &Path, arguments: &[&str]) -> Option<String> {
    let mut git = Command::new("git");
    git.args(arguments).current_dir(dir).env_clear().env("HOME", home.path("")).env("GIT_CONFIG_NOSYSTEM", "1");
    git.envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
    let done = git.output().ok()?;
    done.status.success().then(|| String::from_utf8_lossy(&done.stdout).into_owned())
}

/// A repository with a second worktree, as git makes them, or by hand where there is no git.
fn repository(home: &Home, by_git: bool) -> Option<(PathBuf, PathBuf)> {
    let (repo, tree) = (home.path("work/repo"), home.path("work/tree"));
    if by_git {
        for arguments in [
            &["init", "-q", "repo"][..],
            &["-C", "repo", "-c", "user.name=t", "-c", "user.email=t@t", "commit", "-q", "--allow-empty", "-m", "x"],
            &["-C", "repo", "worktree", "add", "-q", "../tree", "-b", "other"],
        ] {
            git(home, &home.path("work"), arguments)?;
        }
        return Some((repo, tree));
    }
    let worktree = repo.join(".git/worktrees/tree");
    for dir in [repo.join(".git/objects"), repo.join(".git/refs"), worktree.clone(), tree.clone()] {
        fs::create_dir_all(dir).unwrap();
    }
    fs::write(repo.join(".git/HEAD"), "ref: refs/heads/main\n").unwrap();
    fs::write(worktree.join("commondir"), "../..\n").unwrap();
    fs::write(tree.join(".git"), format!("gitdir: {}\n", worktree.display())).unwrap();
    Some((repo, tree))
}

#[test]
fn all_worktrees_of_a_repository_share_one_state_that_git_does_not_see() {
    for by_git in [false, true] {
        let home = Home::new();
        // Without git there is nothing to show beyond what the hand-made one shows.
        let Some((repo, tree)) = repository(&home, by_git) else { continue };
        fs::create_dir_all(repo.join("src/deep")).unwrap();
        in_dir(&home, &repo.join("src/deep"), &["push-task", "From the first"]);
        assert_eq!(in_dir(&home, &tree, &["list-tasks"])["tasks"][0]["title"], "From the first");
        in_dir(&home, &tree, &["push-task", "From the second"]);
        assert_eq!(in_dir(&home, &repo, &["list-tasks"])["total"], 2);
        assert!(repo.join(".orch/orch.db").is_file() && !tree.join(".orch").exists());
        if by_git {
            for dir in [&repo, &tree] {
                assert_eq!(git(&home, dir, &["status", "--porcelain"]).as_deref(), Some(""));
            }
        }
    }
}

#[test]
fn the_state_is_where_flag_variable_repository_or_user_say_in_this_order() {
    let home = Home::new();
    let (repo, _) = repository(&home, false).unwrap();
    let (flag, variable, xdg) = (home.path("by-flag"), home.path("by-variable"), home.path("by-xdg"));
    let flags = ["--state-dir", flag.to_str().unwrap()];
    let all: &[(&str, &Path)] = &[("ORCH_STATE_DIR", &variable), ("XDG_STATE_HOME", &xdg)];
    let work = home.path("work");
    let at = |dir: &Path, variables, flags| state_dir_of(&home, dir, variables, flags);
    assert_eq!(at(&repo, all, &flags), (flag.clone(), "--state-dir".to_owned()));
    assert_eq!(at(&repo, all, &[]), (variable.clone(), "ORCH_STATE_DIR".to_owned()));
    let beside = repo.canonicalize().unwrap().join(".orch");
    assert_eq!(at(&repo, &all[1..], &[]), (beside, "default".to_owned()));
    assert_eq!(at(&work, &all[1..], &[]).0, xdg.join("orch-mcp"));
    assert_eq!(at(&work, &[], &[]).0, home.path(".local/state/orch-mcp"));
    assert_eq!(at(&work, &[], &["--state-dir", "here"]).0, work.join("here"), "from where one stands");

    let mut homeless = home.program_without_state_dir(&["push-task", "x"]);
    let error = finish(homeless.env_remove("HOME"), "");
    assert!(!error.status.success());
    assert!(error.error()["hint"].as_str().unwrap().contains("ORCH_STATE_DIR"));
    assert_eq!(files_below(&work.join("here")), [] as [PathBuf; 0], "looking makes nothing");
}

fn mode(path: &Path) -> u32 {
    path.symlink_metadata().unwrap().permissions().mode() & 0o777
}

#[test]
fn nobody_else_can_read_the_state_whatever_the_umask() {
    for umask in ["000", "027"] {
        let home = Home::new();
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", "umask \"$1\"; exec \"$0\" serve", PROGRAM, umask]).env_clear();
        shell.env("HOME", home.path("")).env("ORCH_STATE_DIR", home.state_dir()).current_dir(home.path("work"));
        let mut session = Session::open(&mut shell, crate::support::program::Era::Stateless);
        session.call("register_instance", json!({ "name": "bob" }));
        session.begin_call("wait_for_message", json!({}));
        home.until_waiting(1);
        let mut found = files_below(&home.state_dir());
        found.push(home.state_dir());
        assert!(found.len() > 7, "{found:?}");
        for path in found {
            let wanted = if path.is_dir() { 0o700 } else { 0o600 };
            // A socket gets its mode only once it is there; until then its directory keeps others out.
            match path.symlink_metadata().unwrap().file_type().is_socket() {
                true => eventually("a private socket", || (mode(&path) == wanted).then_some(())),
                false => assert_eq!(mode(&path), wanted, "{} under umask {umask}", path.display()),
            }
        }
        assert_eq!(fs::read_to_string(home.state_dir().join(".gitignore")).unwrap(), "*\n");
    }
}

/// Each line: what stands where the state should be.
#[test]
fn a_place_that_is_not_safe_is_refused_on_both_faces() {
    let home = Home::new();
    let dir = home.state_dir();
    let elsewhere = home.path("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    let refused = |what: &str| {
        let error = home.run(&["push-task", "x"]).expect(6).error();
        assert!(error["message"].as_str().unwrap().contains(what), "{error}");
        let mut session = home.session(crate::support::program::Era::Stateless);
        let error = session.refused("unavailable", "push_task", json!({ "title": "x" }));
        assert!(error["message"].as_str().unwrap().contains(what), "{error}");
    };
    symlink(&elsewhere, &dir).unwrap();
    refused("symbolic link");
    assert_eq!(files_below(&elsewhere), [] as [PathBuf; 0]);
    fs::remove_file(&dir).unwrap();

    fs::create_dir(&dir).unwrap();
    fs::set_permissions(&dir, Permissions::from_mode(0o777)).unwrap();
    refused("other users may write");
    fs::set_permissions(&dir, Permissions::from_mode(0o700)).unwrap();

    symlink(elsewhere.join("db"), dir.join("orch.db")).unwrap();
    refused("symbolic link");
    assert_eq!(files_below(&elsewhere), [] as [PathBuf; 0]);
}

#[test]
fn commands_that_only_look_make_nothing() {
    let home = Home::new();
    for command in [
        &["list-tasks"][..],
        &["list-instances"],
        &["server-status"],
        &["list-events"],
        &["list-context-keys"],
        &["config"],
        &["completions", "bash"],
        &["man", "claim-task"],
        &["--help"],
    ] {
        home.run(command).expect(0);
    }
    home.run(&["get-context", "k"]).expect(3);
    home.run(&["get-task", "1"]).expect(3);
    home.run(&["claim-task", "-i", "bob", "--lease-secs", "x"]).expect(2);
    assert_eq!(files_below(&home.path("")), [home.path("work")]);
}

/// Were `launch` alone to look there, whatever is typed after it would be said to another team.
#[test]
fn the_older_name_of_the_workspace_leads_every_command_to_the_same_team() {
    let home = Home::new();
    let (repo, _) = repository(&home, false).unwrap();
    let elsewhere = home.path("work/elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    in_dir(&home, &repo, &["push-task", "Theirs"]);
    in_dir(&home, &repo, &["launch-workers", "executor", "1"]);
    let run = |workspace: &Path, words: &[&str]| {
        let mut command = home.program_without_state_dir(words);
        finish(command.current_dir(&elsewhere).env("ORCHESTRATOR_WORKSPACE", workspace), "")
    };
    let told = |words: &[&str]| run(&repo, words).expect(0).data();
    assert_eq!(told(&["list-tasks"])["tasks"][0]["title"], "Theirs");
    assert_eq!(told(&["workers"])["workers"][0]["name"], "executor-1");
    assert_eq!(told(&["status"])["tasks"]["ready"], 1);
    let plan = run(&repo, &["launch", "--dry-run", "--workers", "1"]).data();
    let state = plan["checks"][0]["found"].as_str().unwrap().to_owned();
    assert!(state.starts_with(&repo.join(".orch").display().to_string()), "{state}");
    assert_eq!(told(&["stop", "--all"])["stopped"], json!(["executor-1"]));
    let variables = [("ORCHESTRATOR_WORKSPACE", &*repo)];
    let (found, source) = state_dir_of(&home, &elsewhere, &variables, &[]);
    assert_eq!((found, source.as_str()), (repo.join(".orch"), "ORCHESTRATOR_WORKSPACE"));
    let named = home.path("named");
    let variables = [("ORCHESTRATOR_WORKSPACE", &*repo), ("ORCH_STATE_DIR", &*named)];
    assert_eq!(state_dir_of(&home, &elsewhere, &variables, &[]), (named.clone(), "ORCH_STATE_DIR".to_owned()));
    assert!(!elsewhere.join(".orch").exists());
    for (wrong, wanted) in [(home.path("no/such"), "a directory that is there"), ("here".into(), "an absolute path")] {
        for words in [&["status"][..], &["stop", "--all"], &["launch", "--dry-run"], &["config"]] {
            let refused = run(&wrong, words).expect(2).error()["message"].as_str().unwrap().to_owned();
            let variable = format!("the environment variable `ORCHESTRATOR_WORKSPACE` is `{}`", wrong.display());
            assert_eq!(refused, format!("{variable}, wanted {wanted}"), "{words:?}");
        }
    }
}
