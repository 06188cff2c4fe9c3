//! `orch-mcp setup` on the files of a user: what is theirs stays, what is ours comes and goes.

use crate::support::program::Ended;
use crate::support::program::Home;
use crate::support::program::PROGRAM;
use crate::support::program::Running;
use crate::support::program::eventually;
use crate::support::program::files_below;
use crate::support::program::finish;
use serde_json::Value;
use serde_json::json;
use std::collections::BTreeMap;
use std::fs;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::Stdio;

/// As Claude Code itself writes it, with things in it that do not survive being read and printed.
const CLIENT: &str = r#"{
  "numStartups": 12345678901234567890,
  "tiny": 1e-400,
  "escaped": "\u00e9\/",
  "oauthAccount": {
    "token": "sk-hunter2"
  },
  "mcpServers": {
    "other": {
      "type": "stdio",
      "command": "other",
      "args": [],
      "env": {
        "KEY": "hunter2"
      }
    }
  },
  "projects": {},
  "last": "hunter2"
}"#;

/// As a person writes it.
const SETTINGS: &str = "{\n\t\"model\": \"opus\",\n\t\"hooks\": {\n\t\t\"Stop\": [\n\t\t\t{ \"hooks\": [ { \"type\": \
                        \"command\", \"command\": \"say hunter2\" } ] }\n\t\t]\n\t},\n\t\"permissions\": { \"allow\": \
                        [\"Bash(ls:*)\"] }\n}\n";

const CODE: &[&str] = &["setup", "claude-code"];
const USER: &[&str] = &["setup", "claude-code", "--scope", "user"];
const PROJECT: &[&str] = &["setup", "claude-code", "--scope", "project"];
const DESKTOP: &[&str] = &["setup", "claude-desktop"];

/// A user with a rich history.
struct User {
    home: Home,
}

impl User {
    fn new() -> User {
        let user = User { home: Home::new() };
        fs::create_dir(user.path(".claude")).unwrap();
        user.write(".claude.json", CLIENT);
        user.write(".claude/settings.json", SETTINGS);
        user
    }

    fn path(&self, below: &str) -> PathBuf {
        self.home.path("").canonicalize().unwrap().join(below)
    }

    fn write(&self, below: &str, text: &str) {
        fs::write(self.path(below), text).unwrap();
    }

    fn text(&self, below: &str) -> String {
        fs::read_to_string(self.path(below)).unwrap()
    }

    fn value(&self, below: &str) -> Value {
        serde_json::from_str(&self.text(below)).unwrap()
    }

    fn command(&self, arguments: &[&str], more: &[&str]) -> Command {
        self.home.program_without_state_dir(&[arguments, more].concat())
    }

    fn run(&self, arguments: &[&str], more: &[&str]) -> Ended {
        finish(&mut self.command(arguments, more), "")
    }

    #[track_caller]
    fn ok(&self, arguments: &[&str], more: &[&str]) -> Value {
        self.run(arguments, more).expect(0).data()
    }

    /// Everything there is, but for our records.
    fn everything(&self) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
        let below = files_below(&self.path(""));
        let theirs = below.into_iter().filter(|path| !path.starts_with(self.path(".local")));
        theirs.map(|path| (path.clone(), fs::read(path).ok())).collect()
    }
}

fn words(answer: &Value) -> Vec<&str> {
    answer["files"].as_array().unwrap().iter().map(|file| file["change"].as_str().unwrap()).collect()
}

fn mode(path: impl AsRef<Path>) -> u32 {
    path.as_ref().metadata().unwrap().permissions().mode() & 0o777
}

#[test]
fn what_is_set_up_is_there_once_and_undone_byte_for_byte() {
    for (arguments, created) in [(CODE, 1), (USER, 0), (PROJECT, 2), (DESKTOP, 1)] {
        let user = User::new();
        let before = user.everything();
        let answer = user.ok(arguments, &[]);
        assert_eq!(words(&answer).iter().filter(|word| **word == "created").count(), created, "{answer}");
        assert!(!words(&answer).contains(&"unchanged"), "{answer}");
        let after = user.everything();
        let again = user.ok(arguments, &[]);
        assert!(words(&again).iter().all(|word| *word == "unchanged"), "{again}");
        assert_eq!(user.everything(), after);
        assert_eq!(user.run(arguments, &["--check"]).expect(0).data()["next"], json!([]));

        let undone = user.ok(arguments, &["--undo"]);
        assert!(!words(&undone).contains(&"unchanged"), "{undone}");
        assert_eq!(user.everything(), before, "{arguments:?}");
        let nothing = user.run(arguments, &["--undo", "--format", "table"]).expect(0);
        assert!(nothing.out.contains("Nothing to undo"), "{nothing:?}");
        assert_eq!(user.everything(), before);
    }
}

#[test]
fn nothing_of_the_user_is_shown_lost_or_moved() {
    let user = User::new();
    let answer = user.run(USER, &["--format", "table"]).expect(0);
    assert!(!answer.out.contains("hunter2") && answer.out.contains("+\"orch-mcp\": "), "{}", answer.out);
    let (client, settings) = (user.text(".claude.json"), user.text(".claude/settings.json"));
    for (old, new) in [(CLIENT, &client), (SETTINGS, &settings)] {
        let mut rest = new.lines();
        for line in old.lines() {
            let line = line.trim_end_matches([',', ']', '}', ' ']);
            assert!(rest.any(|new| new.starts_with(line)), "`{line}` is where it was:\n{new}");
        }
    }
    assert_eq!(client.lines().count(), CLIENT.lines().count() + 10);
    assert!(client.contains("    \"orch-mcp\": {\n      \"type\": \"stdio\",\n"), "{client}");
    assert!(settings.contains("\n\t\t\"SessionEnd\": [\n\t\t\t{\n\t\t\t\t\"hooks\": [\n"), "{settings}");
    assert!(settings.contains("\"allow\": [\"Bash(ls:*)\", \"mcp__orch-mcp\"]"), "{settings}");
    assert!(settings.ends_with("}\n") && !client.ends_with('\n'));
    assert!(!user.path("CLAUDE.md").exists() && !user.path(".claude/CLAUDE.md").exists());
}

#[test]
fn the_files_say_what_was_asked_for() {
    let user = User::new();
    let answer = user.ok(CODE, &["--name", "amy", "--role", "lead dev", "--state-dir", "st"]);
    let work = user.path("work");
    let server = &user.value(".claude.json")["projects"][work.to_str().unwrap()]["mcpServers"]["orch-mcp"];
    let state = work.join("st");
    let (program, state) = (Path::new(PROGRAM).to_str().unwrap(), state.to_str().unwrap());
    let args = ["--state-dir", state, "serve", "--profile", "full"];
    assert_eq!(*server, json!({"type": "stdio", "command": program, "args": args, "env": {}}));
    let settings = user.value("work/.claude/settings.local.json");
    let begin = &settings["hooks"]["SessionStart"][0]["hooks"][0];
    let args = ["--state-dir", state, "hook", "session-start", "--join", "--name", "amy", "--role", "lead dev"];
    assert_eq!(*begin, json!({"type": "command", "command": program, "args": args, "timeout": 5}));
    assert_eq!(settings["hooks"]["Stop"][1]["hooks"][0]["asyncRewake"], true);
    assert_eq!(settings["permissions"]["allow"], json!(["mcp__orch-mcp"]));
    assert_eq!(answer["scope"], "local");
    assert!(answer["notes"][0].as_str().unwrap().contains("may not stay"), "{answer}");
    // Whoever checks need not say all that again, and is told all of it where something is amiss.
    user.run(CODE, &["--check"]).expect(0);
    user.write(
        "work/.claude/settings.local.json",
        &user.text("work/.claude/settings.local.json").replace("604800", "1"),
    );
    let drifted = user.run(CODE, &["--check"]).expect(4).data();
    let mend = format!("orch-mcp setup claude-code --scope local --state-dir {state} --name amy --role 'lead dev'");
    assert_eq!(drifted["next"], json!([mend]));
    let mended = user.ok(CODE, &[]);
    assert!(mended["notes"].to_string().contains("`--name amy` `--role 'lead dev'` stays"), "{mended}");
    assert_eq!(user.value("work/.claude/settings.local.json"), settings);

    // The user's hooks are called everywhere, and so join nothing by themselves.
    user.ok(USER, &[]);
    let begin = &user.value(".claude/settings.json")["hooks"]["SessionStart"][0]["hooks"][0];
    assert_eq!(begin["args"], json!(["hook", "session-start"]));
    // No hooks at all.
    user.ok(USER, &["--no-hooks"]);
    let settings = user.value(".claude/settings.json");
    assert_eq!(settings["hooks"].as_object().unwrap().keys().collect::<Vec<_>>(), ["Stop"]);
    assert_eq!(settings["permissions"]["allow"][1], "mcp__orch-mcp");

    let place = user.path("work/here");
    let answer = user.ok(DESKTOP, &["--state-dir", "here", "--name", "amy"]);
    let file = answer["files"][0]["path"].as_str().unwrap();
    let server =
        serde_json::from_str::<Value>(&fs::read_to_string(file).unwrap()).unwrap()["mcpServers"]["orch-mcp"].take();
    let env = json!({"ORCH_STATE_DIR": place, "ORCH_INSTANCE": "amy"});
    assert_eq!(server, json!({"command": program, "args": ["serve", "--profile", "full"], "env": env}));
    assert!(answer["notes"].to_string().contains("joins the team") && answer["next"].to_string().contains("Desktop"));
}

#[test]
fn a_users_directory_may_be_elsewhere() {
    let user = User::new();
    let moved = user.path("moved");
    finish(user.command(USER, &[]).env("CLAUDE_CONFIG_DIR", &moved), "").expect(0);
    assert!(moved.join(".claude.json").exists() && moved.join("settings.json").exists());
    assert_eq!(user.text(".claude.json"), CLIENT);
    let states = user.path("states");
    finish(user.command(USER, &[]).env("XDG_STATE_HOME", &states), "").expect(0);
    assert_eq!(mode(states.join("orch-mcp-setup")), 0o700);
    let kept = files_below(&states.join("orch-mcp-setup"));
    assert!(kept.len() == 3 && kept.iter().all(|file| mode(file) == 0o600), "{kept:?}");
}

#[test]
fn every_drift_is_named_and_mended() {
    let user = User::new();
    user.run(USER, &["--check"]).expect(4);
    user.ok(USER, &[]);
    let (client, settings) = (user.text(".claude.json"), user.text(".claude/settings.json"));
    let one_stop = settings.replacen("\"stop\"", "\"stop\", \"--else\"", 1);
    for (file, drifted, what) in [
        (".claude.json", CLIENT.to_owned(), "mcpServers: the server `orch-mcp` is missing"),
        (".claude.json", client.replace(PROGRAM, "/old/orch-mcp"), "the server `orch-mcp` is not as wanted"),
        (".claude.json", client.replace("\"serve\"", "\"server\""), "the server `orch-mcp` is not as wanted"),
        (".claude/settings.json", SETTINGS.to_owned(), "hooks.PreCompact: `hook pre-compact` is missing"),
        (".claude/settings.json", settings.replace("\"mcp__orch-mcp\"", "\"x\""), "`mcp__orch-mcp` is missing"),
        (".claude/settings.json", settings.replace(PROGRAM, "/old/orch-mcp"), "`hook stop` is not as wanted"),
        (".claude/settings.json", one_stop, "hooks.Stop: `hook stop` is not as wanted"),
        (
            ".claude/settings.json",
            settings.replace("StopFailure", "Stopp"),
            "hooks.Stopp: `hook stop-failure` is too much",
        ),
        (".claude/settings.json", settings.replace("|Write", ""), "hooks.PreToolUse: `hook pre-tool-use` is too much"),
    ] {
        user.write(file, &drifted);
        let answer = user.run(USER, &["--check"]).expect(4).data();
        let found =
            answer["files"].as_array().unwrap().iter().find(|found| found["path"] == json!(user.path(file))).unwrap();
        let drift: Vec<&Value> = found["drift"].as_array().unwrap().iter().collect();
        assert!(drift.iter().any(|one| one["what"].as_str().unwrap().contains(what)), "{what}: {answer}");
        assert!(drift.iter().all(|one| one["mend"] == "orch-mcp setup claude-code --scope user"), "{answer}");
        assert_eq!(user.text(file), drifted, "a check writes nothing");
        user.ok(USER, &[]);
        user.run(USER, &["--check"]).expect(0);
    }
    assert_eq!(user.value(".claude.json"), serde_json::from_str::<Value>(&client).unwrap());
}

#[test]
fn what_others_changed_meanwhile_stays_through_the_undo() {
    let user = User::new();
    user.ok(USER, &[]);
    let theirs = |text: &str| text.replace("\"tiny\": 1e-400", "\"tiny\": 2e-400").replace("opus", "sonnet");
    for file in [".claude.json", ".claude/settings.json"] {
        user.write(file, &theirs(&user.text(file)));
    }
    user.ok(USER, &["--name", "amy"]);
    user.ok(USER, &["--undo"]);
    assert_eq!(user.text(".claude.json"), theirs(CLIENT));
    assert_eq!(user.text(".claude/settings.json"), theirs(SETTINGS));
}

#[test]
fn what_was_wired_by_hand_comes_back() {
    let user = User::new();
    let by_hand = CLIENT.replace("\"other\": {", "\"orch-mcp\": {\n      \"command\": \"mine\" },\n    \"other\": {");
    user.write(".claude.json", &by_hand);
    user.ok(USER, &[]);
    let ours = user.text(".claude.json");
    user.ok(USER, &["--undo"]);
    assert_eq!(user.text(".claude.json"), by_hand);
    user.ok(USER, &[]);
    user.write(".claude.json", &ours.replace("1e-400", "2e-400"));
    user.ok(USER, &["--undo"]);
    assert_eq!(user.text(".claude.json"), by_hand.replace("1e-400", "2e-400"));
}

#[test]
fn one_scope_is_undone_without_the_other() {
    for first in [USER, CODE] {
        let user = User::new();
        user.ok(USER, &[]);
        let answer = user.ok(CODE, &[]);
        assert!(answer["notes"].to_string().contains("also set up with `--scope user`"), "{answer}");
        let second = if first == USER { CODE } else { USER };
        user.ok(first, &["--undo"]);
        user.run(first, &["--check"]).expect(4);
        user.run(second, &["--check"]).expect(0);
        user.ok(second, &["--undo"]);
        assert_eq!(user.text(".claude.json"), CLIENT);
        assert_eq!(user.text(".claude/settings.json"), SETTINGS);
        assert!(!user.path("work/.claude").exists());
    }
}

#[test]
fn a_file_that_cannot_be_understood_is_left_alone_and_so_are_all() {
    for (broken, what) in [
        (&b"{\n  // mine\n}"[..], "line 2, column 3: a comment"),
        (b"{\"a\": 1,}", "line 1, column 9: `}`"),
        (b"{\"a\": 1", "line 1, column 8: the end of the file"),
        (b"\xef\xbb\xbf{}", "line 1, column 1: a byte order mark"),
        (b"{\"a\": 1,\n \"a\": 2}", "line 2, column 2: `a` for the second time"),
        (b"[]", "line 1, column 1: the file is a list"),
        (b"{\"hooks\": \"none\"}", "line 1, column 11: hooks is a text"),
        (b"{\"hooks\": {\"Stop\": {}}}", "line 1, column 20: hooks.Stop is an object"),
        (b"{\"a\": \"\xff\"}", "line 1, column 8: a byte"),
        (b" \n", "line 2, column 1: the end of the file"),
    ] {
        let user = User::new();
        fs::write(user.path(".claude/settings.json"), broken).unwrap();
        let before = user.everything();
        for more in [&[][..], &["--undo"], &["--check"], &["--dry-run"]] {
            if more == ["--undo"] && what.contains("hooks.Stop") {
                // Nothing of ours can be in there.
                user.ok(USER, more);
                continue;
            }
            let error = user.run(USER, more).expect(2).error();
            let message = error["message"].as_str().unwrap();
            assert!(message.contains(".claude/settings.json") && message.contains(what), "{message}");
            assert!(error["hint"].is_string());
        }
        assert_eq!(user.everything(), before);
        assert!(!user.path(".local").exists());
    }
    // An empty one says nothing, unless it is the client's own memory, which it would restore.
    let user = User::new();
    user.write(".claude/settings.json", "");
    user.ok(USER, &[]);
    user.ok(USER, &["--undo"]);
    assert_eq!(user.text(".claude/settings.json"), "");
    user.write(".claude.json", "");
    user.run(USER, &[]).expect(2);
    assert_eq!(user.text(".claude.json") + &user.text(".claude/settings.json"), "");
}

#[test]
fn links_modes_and_dry_runs_leave_files_as_they_are() {
    let user = User::new();
    fs::create_dir(user.path("dotfiles")).unwrap();
    fs::rename(user.path(".claude/settings.json"), user.path("dotfiles/claude.json")).unwrap();
    symlink("../dotfiles/claude.json", user.path(".claude/settings.json")).unwrap();
    fs::set_permissions(user.path("dotfiles/claude.json"), Permissions::from_mode(0o640)).unwrap();
    fs::set_permissions(user.path(".claude.json"), Permissions::from_mode(0o600)).unwrap();
    let before = user.everything();
    let planned = user.ok(USER, &["--dry-run"]);
    assert_eq!(words(&planned), ["changed", "changed"]);
    assert!(user.everything() == before && !user.path(".local").exists());

    let done = user.ok(USER, &[]);
    assert_eq!(done["files"], planned["files"]);
    assert_eq!(done["files"][1]["path"], json!(user.path("dotfiles/claude.json")));
    assert!(user.path(".claude/settings.json").is_symlink());
    assert_eq!((mode(user.path("dotfiles/claude.json")), mode(user.path(".claude.json"))), (0o640, 0o600));
    let set_up = user.everything();
    user.ok(USER, &["--undo", "--dry-run"]);
    assert_eq!(user.everything(), set_up);
    user.ok(USER, &["--undo"]);
    assert!(user.everything() == before && user.path(".claude/settings.json").is_symlink());

    // What did not exist is private where it may hold secrets.
    fs::remove_dir_all(user.path(".claude")).unwrap();
    fs::remove_file(user.path(".claude.json")).unwrap();
    user.ok(USER, &[]);
    user.ok(PROJECT, &[]);
    assert_eq!((mode(user.path(".claude.json")), mode(user.path(".claude/settings.json"))), (0o600, 0o600));
    assert_eq!((mode(user.path(".claude")), mode(user.path("work/.claude"))), (0o700, 0o755));
    assert_eq!((mode(user.path("work/.mcp.json")), mode(user.path("work/.claude/settings.json"))), (0o644, 0o644));
}

#[test]
fn a_project_is_the_repository_around_and_its_worktrees() {
    let user = User::new();
    let repository = user.path("work/repo");
    let side = user.path("side");
    fs::create_dir_all(repository.join(".git/worktrees/side")).unwrap();
    fs::create_dir_all(repository.join("deep")).unwrap();
    fs::create_dir(&side).unwrap();
    fs::write(repository.join(".git/worktrees/side/commondir"), "../..\n").unwrap();
    fs::write(side.join(".git"), format!("gitdir: {}\n", repository.join(".git/worktrees/side").display())).unwrap();
    finish(user.command(CODE, &[]).current_dir(repository.join("deep")), "").expect(0);
    let key = repository.to_str().unwrap();
    assert!(user.value(".claude.json")["projects"][key]["mcpServers"]["orch-mcp"].is_object());
    assert!(repository.join(".claude/settings.local.json").exists());
    finish(user.command(CODE, &["--check"]).current_dir(&side), "").expect(0);
    finish(user.command(CODE, &["--undo"]).current_dir(&side), "").expect(0);
    assert_eq!(user.text(".claude.json"), CLIENT);
    // For everybody it is written where Claude Code reads it.
    let answer = finish(user.command(PROJECT, &[]).current_dir(repository.join("deep")), "").expect(0).data();
    assert!(repository.join("deep/.mcp.json").exists() && repository.join("deep/.claude/settings.json").exists());
    assert!(answer["notes"].to_string().contains("only where it is started"), "{answer}");
}

/// Were it a half-written file that stayed, the client would refuse it.
#[test]
fn a_setup_that_is_killed_leaves_whole_files_and_nothing_in_the_way() {
    let user = User::new();
    let before = user.everything();
    user.ok(USER, &[]);
    let after = user.everything();
    user.ok(USER, &["--undo"]);
    user.write(".claude/.settings.json.orch-mcp-0123456789abcdef", "{ half");
    for round in 0..12 {
        let mut command = user.command(USER, if round % 2 == 0 { &[] } else { &["--undo"] });
        let mut running = Running::start(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()));
        // At another moment each time: before it has begun, or when a temporary file was seen.
        if round % 3 != 0 {
            let begun =
                || files_below(&user.path("")).iter().any(|path| path.to_string_lossy().contains(".json.orch-mcp-"));
            eventually("a file in the making, or its end", || {
                (begun() || running.ends_within(std::time::Duration::ZERO).is_some()).then_some(())
            });
        }
        let _ = running.child.kill();
        running.ends();
        // The client takes a lock over that nobody gave back; a test does not wait until then.
        let _ = fs::remove_dir(user.path(".claude.json.lock"));
        for (path, bytes) in &before {
            let now = fs::read(path).ok();
            assert!(now == *bytes || now == after[path], "{}", path.display());
        }
    }
    user.ok(USER, &[]);
    assert_eq!(user.everything(), after, "and what was in the making is gone");
    user.run(USER, &["--check"]).expect(0);
    user.ok(USER, &["--undo"]);
    assert_eq!(user.everything(), before);
}

#[test]
fn setups_at_the_same_time_are_as_one_after_the_other() {
    let user = User::new();
    let before = user.everything();
    let arguments = [USER, CODE, USER, CODE, USER];
    let start = |arguments: &&[&str]| {
        let mut command = user.command(arguments, &[]);
        Running::start(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()))
    };
    let running: Vec<Running> = arguments.iter().map(start).collect();
    for mut one in running {
        assert!(one.ends().success());
    }
    user.run(USER, &["--check"]).expect(0);
    user.run(CODE, &["--check"]).expect(0);
    let settings = user.text(".claude/settings.json");
    assert_eq!(settings.matches("mcp__orch-mcp").count(), 1);
    assert_eq!(settings.matches(PROGRAM).count(), 13);
    user.ok(USER, &["--undo"]);
    user.ok(CODE, &["--undo"]);
    assert_eq!(user.everything(), before);
}

#[test]
fn the_program_is_named_as_it_was_called() {
    let user = User::new();
    let bin = user.path("bin");
    fs::create_dir(&bin).unwrap();
    symlink(PROGRAM, bin.join("orch-mcp")).unwrap();
    symlink(PROGRAM, bin.join("other")).unwrap();
    let named = |program: &Path| {
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", "exec \"$0\" setup claude-code --dry-run --json"]).arg(program).env_clear();
        shell.env("HOME", user.path("")).env("PATH", &bin).current_dir(user.path("work"));
        finish(&mut shell, "").expect(0).data()["files"][0]["diff"].as_str().unwrap().to_owned()
    };
    let linked = format!("\"command\": \"{}\"", bin.join("orch-mcp").display());
    assert!(named(Path::new("orch-mcp")).contains(&linked), "a link may lead to the next version tomorrow");
    assert!(named(Path::new("../bin/orch-mcp")).contains(&linked));
    assert!(named(&bin.join("orch-mcp")).contains(&linked));
}

#[test]
fn what_makes_no_sense_is_refused() {
    let user = User::new();
    for arguments in [
        &["setup"][..],
        &["setup", "emacs"],
        &["setup", "claude-code", "--scope", "world"],
        &["setup", "claude-code", "--undo", "--name", "amy"],
        &["setup", "claude-code", "--undo", "--check"],
        &["setup", "claude-code", "--name", "-x"],
        &["setup", "claude-code", "--role", ""],
        &["setup", "claude-desktop", "--scope", "user"],
        &["setup", "claude-desktop", "--no-hooks"],
    ] {
        user.run(arguments, &[]).expect(2);
    }
    finish(user.command(USER, &[]).env_remove("HOME"), "").expect(2);
    assert_eq!(user.text(".claude.json"), CLIENT);
}
