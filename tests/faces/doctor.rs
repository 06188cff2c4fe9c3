//! `doctor`, with defects that are really there: what it finds, what it mends, and that it changes nothing else.

use crate::support::program::Ended;
use crate::support::program::Era;
use crate::support::program::Home;
use crate::support::program::PROGRAM;
use crate::support::program::eventually;
use crate::support::program::files_below;
use crate::support::program::finish;
use orch_mcp::host::Host;
use orch_mcp::model::context;
use orch_mcp::ops::Caller;
use orch_mcp::ops::Desk;
use orch_mcp::ops::LocalDesk;
use orch_mcp::ops::table;
use orch_mcp::store::Mode;
use orch_mcp::store::Options;
use orch_mcp::store::Store;
use orch_mcp::store::doorbell::Hangup;
use orch_mcp::store::open::LazyStore;
use orch_mcp::store::place::Place;
use orch_mcp::store::sqlite::SqliteStore;
use serde_json::Value;
use serde_json::json;
use std::fs;
use std::fs::Permissions;
use std::os::unix::fs::FileExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;

/// What every machine of a developer has, as programs that only say their versions.
const TOOLS: [(&str, &str); 3] =
    [("claude", "echo '2.1.329 (Claude Code)'"), ("git", "echo git version 2.50"), ("tmux", "echo tmux 3.4")];

/// A home with these programs on its PATH.
fn home_with(tools: &[(&str, &str)]) -> Home {
    let home = Home::new();
    fs::create_dir(home.path("bin")).unwrap();
    for (name, text) in tools {
        script(&home.path("bin").join(name), text);
    }
    home
}

fn home() -> Home {
    home_with(&TOOLS)
}

/// Written by another process: while a test beside this one starts a program, it would have our file open too.
fn script(path: &Path, text: &str) {
    let write = "printf '#!/bin/sh\n%s\n' \"$1\" >\"$0\" && chmod 700 \"$0\"";
    let done = Command::new("/bin/sh").args(["-c", write]).args([path.as_os_str(), text.as_ref()]).status();
    assert!(done.unwrap().success());
}

/// On a machine that is busy it may see less in its two seconds: then it looks once more.
#[track_caller]
fn doctor(home: &Home, arguments: &[&str]) -> Ended {
    eventually("a whole report", || {
        let ended = finish(&mut doctor_command(home, arguments), "");
        let is_late = ["not seen within", "said nothing within"].iter().any(|words| ended.out.contains(words));
        (!is_late).then_some(ended)
    })
}

fn doctor_command(home: &Home, arguments: &[&str]) -> Command {
    let mut doctor = home.program(&[&["doctor"], arguments].concat());
    doctor.env("PATH", home.path("bin"));
    doctor
}

/// The check of a name: verdict, finding, command that mends it.
#[track_caller]
fn found(report: &Value, name: &str) -> (String, String, String) {
    let checks = report["checks"].as_array().unwrap();
    let check = checks.iter().find(|check| check["name"] == name).unwrap_or_else(|| panic!("no {name}: {report:#}"));
    let text = |field: &str| check[field].as_str().unwrap_or_default().to_owned();
    (text("verdict"), text("found"), text("fix"))
}

/// The names of the checks that are not ok.
fn bad(report: &Value) -> Vec<&str> {
    let checks = report["checks"].as_array().unwrap();
    let bad = checks.iter().filter(|check| check["verdict"] != "ok");
    bad.map(|check| check["name"].as_str().unwrap()).collect()
}

/// One defect that is safe to mend: found, left alone, mended, and gone.
#[track_caller]
fn is_mended(home: &Home, name: &str, verdict: &str, in_finding: &str) {
    let code = i32::from(verdict == "error");
    for _ in 0..2 {
        let report = doctor(home, &[]).expect(code).data();
        let (verdict_found, finding, fix) = found(&report, name);
        assert_eq!(verdict_found, verdict, "{finding}");
        assert!(finding.contains(in_finding), "{finding}");
        assert_eq!(fix, "orch-mcp doctor --fix");
    }
    let mut mended = false;
    eventually("a report in which it is mended", || {
        let ended = finish(&mut doctor_command(home, &["--fix"]), "");
        let is_late = ["not seen within", "not all in time"].iter().any(|words| ended.out.contains(words));
        // What was late went on, and may be done: then nobody is left to say so.
        mended |= is_late || ended.data()["mended"] != json!([]);
        (!is_late).then(|| assert_eq!(found(&ended.expect(0).data(), name).0, "ok"))
    });
    assert!(mended, "it is said what was done");
    let report = doctor(home, &["--fix"]).expect(0).data();
    assert_eq!(report["mended"], json!([]), "what is mended stays so");
    assert_eq!(found(&report, name).0, "ok");
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn write(path: PathBuf, text: &Value) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text.to_string()).unwrap();
}

fn server(program: &str) -> Value {
    json!({ "mcpServers": { "orch-mcp": { "type": "stdio", "command": program, "args": ["serve"] } } })
}

fn hooks(program: &str) -> Value {
    json!({ "hooks": { "Stop": [{ "hooks": [
        { "type": "command", "command": program, "args": ["hook", "stop"], "timeout": 5 },
    ] }] } })
}

/// Wired as `setup` does it for the user.
fn wire(home: &Home, program: &str) {
    write(home.path(".claude.json"), &server(program));
    write(home.path(".claude/settings.json"), &hooks(program));
}

/// What the hooks of a session tell, whose client is this process.
fn hook(home: &Home, event: &str, client: u32) {
    let mut hook = home.program(&["hook", event]);
    hook.env("CLAUDECODE", "1").env("CLAUDE_PID", client.to_string()).env("CLAUDE_ENV_FILE", home.path("env"));
    let said = json!({ "session_id": "s1", "cwd": home.path("work"), "source": "startup", "prompt": "x" });
    finish(&mut hook, &said.to_string()).expect(0);
}

#[test]
fn where_nothing_is_yet_all_is_well_and_nothing_is_made() {
    let home = home();
    let before = files_below(&home.path(""));
    for arguments in [&[][..], &["--fix"], &["--privacy"]] {
        doctor(&home, arguments).expect(0);
    }
    let report = doctor(&home, &[]).data();
    assert_eq!(bad(&report), ["wiring", "hooks seen"], "{report:#}");
    assert_eq!(report["summary"]["errors"], 0);
    assert_eq!(report["summary"]["warnings"], 0);
    assert_eq!(files_below(&home.path("")), before);
}

#[test]
fn a_team_that_is_wired_and_at_work_is_well() {
    let home = home();
    finish(&mut home.program_without_state_dir(&["setup", "claude-code"]), "").expect(0);
    for event in ["session-start", "user-prompt-submit", "post-tool-batch", "stop"] {
        hook(&home, event, std::process::id());
    }
    let report = doctor(&home, &[]).expect(0).data();
    assert_eq!(bad(&report), [] as [&str; 0], "{report:#}");
    assert!(found(&report, "git").1.contains("git version 2.50"));
    assert!(found(&report, "claude").1.contains("2.1.329"));
    assert!(found(&report, "orch-mcp").1.contains("SQLite 3."));

    let text = doctor(&home, &["--format", "table"]).expect(0).out;
    let checks = report["checks"].as_array().unwrap().len();
    assert_eq!(text.lines().count(), checks + 1, "{text}");
    assert!(text.lines().take(checks).all(|line| line.starts_with("✓ ok ")), "{text}");
    assert_eq!(text.lines().last(), Some(format!("{checks} checks: all is well").as_str()));
}

#[test]
fn files_that_others_can_read_are_closed() {
    let home = home();
    home.ok(&["push-task", "x"]);
    set_mode(&home.state_dir(), 0o755);
    set_mode(&home.state_dir().join("orch.db"), 0o644);
    is_mended(&home, "modes", "warning", "mode 0755");
    assert_eq!(home.state_dir().metadata().unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(home.state_dir().join("orch.db").metadata().unwrap().permissions().mode() & 0o777, 0o600);
    set_mode(&home.state_dir(), 0o777);
    is_mended(&home, "state directory", "error", "other users may write");
}

#[test]
fn git_is_told_again_to_pass_over_the_directory() {
    let home = home();
    home.ok(&["push-task", "x"]);
    fs::remove_file(home.state_dir().join(".gitignore")).unwrap();
    is_mended(&home, "ignored by git", "warning", ".gitignore");
}

#[test]
fn dead_doorbells_are_taken_down() {
    let home = home();
    home.ok(&["push-task", "x"]);
    let mut child = Command::new("true").spawn().unwrap();
    child.wait().unwrap();
    drop(UnixDatagram::bind(home.state_dir().join(format!("wake/{}-0.sock", child.id()))).unwrap());
    is_mended(&home, "doorbells", "warning", "1 doorbell of processes that died");
}

/// A desk on the same machine as long ago, on the lease clock and on the wall.
fn desk_of_the_past(home: &Home, secs: i64) -> (LocalDesk, Caller) {
    let host = Host::manual(7);
    host.set(|host| {
        host.boot = Host::System.boot();
        host.awake_ms = Host::System.awake_ms() - secs * 1_000;
        host.wall_ms = Host::System.wall().millis() - secs * 1_000;
    });
    let desk = LocalDesk::new(LazyStore::new(Place::at(home.state_dir()), host.clone(), Options::default()));
    (desk, Caller::anonymous(host))
}

fn call(desk: &LocalDesk, caller: &Caller, operation: &str, arguments: Value) -> Value {
    let Value::Object(arguments) = arguments else { panic!("arguments are an object") };
    let request = table::find(operation).unwrap().request(arguments).unwrap();
    desk.execute(&request, caller, &Hangup::new()).unwrap().data
}

#[test]
fn claims_that_lapsed_are_set_free() {
    let home = home();
    let (desk, anybody) = desk_of_the_past(&home, 3_600);
    call(&desk, &anybody, "register_instance", json!({ "name": "bob" }));
    let bob = Caller { explicit: None, from_environment: Some("bob".to_owned()), ..anybody };
    call(&desk, &bob, "push_task", json!({ "title": "x" }));
    assert_eq!(call(&desk, &bob, "claim_task", json!({ "lease_secs": 60 }))["claimed"], true);
    drop(desk);
    is_mended(&home, "claims", "warning", "1 claim lapsed, such as task-0000000001");
    assert_eq!(home.ok(&["get-task", "1"])["task"]["status"], "pending");
    let kinds = home.ok(&["list-events", "--kind", "task.lapsed"])["events"].as_array().unwrap().len();
    assert_eq!(kinds, 1, "as a claim would have freed it");
}

/// A process that lives until it is told otherwise.
fn client() -> Child {
    Command::new("/bin/cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap()
}

#[test]
fn sessions_whose_client_died_are_ended_and_keep_their_claims_for_a_while() {
    let home = home();
    let mut client = client();
    hook(&home, "session-start", client.id());
    let team = home.ok(&["list-instances"]);
    let (id, name) = (team["instances"][0]["id"].as_str().unwrap(), team["instances"][0]["name"].as_str().unwrap());
    home.ok(&["push-task", "x"]);
    home.ok(&["claim-task", "-i", id]);
    let report = doctor(&home, &[]).expect(0).data();
    assert_eq!(found(&report, "sessions").0, "ok", "its client lives");
    client.kill().unwrap();
    client.wait().unwrap();
    is_mended(&home, "sessions", "warning", &format!("1 session ended without a word ({name}), and they hold 1 task"));
    assert_eq!(home.ok(&["get-task", "1"])["task"]["status"], "claimed", "it may be resumed");
}

#[test]
fn a_long_log_is_written_back() {
    let home = home();
    let open = || SqliteStore::open(&Place::at(home.state_dir()), Host::System, &Options::default()).unwrap();
    let (mut reader, mut writer) = (open(), open());
    let reading = reader.begin(Mode::Read).unwrap();
    let mut tx = writer.begin(Mode::Relaxed).unwrap();
    for number in 0..20 {
        let value = Some(json!("x".repeat(1_000_000)));
        let (entry, _) = context::write(None, &format!("k{number}"), value, None, None, tx.now().at).unwrap();
        tx.put_context(&entry, 1).unwrap();
    }
    tx.commit().unwrap();
    drop((reading, writer));
    drop(reader);
    is_mended(&home, "log", "warning", "MB");
}

#[test]
fn what_is_wired_twice_is_told_with_the_command_that_undoes_one() {
    let home = home();
    wire(&home, PROGRAM);
    write(home.path("work/.mcp.json"), &server(PROGRAM));
    write(home.path("work/.claude/settings.json"), &hooks(PROGRAM));
    let report = doctor(&home, &[]).expect(0).data();
    let (verdict, finding, fix) = found(&report, "wiring");
    assert_eq!(verdict, "warning");
    assert_eq!(finding, "twice: the server in scope project, scope user; the hooks in scope project, scope user");
    assert_eq!(fix, "orch-mcp setup claude-code --scope user --undo");

    fs::remove_dir_all(home.path("work/.claude")).unwrap();
    fs::remove_file(home.path("work/.mcp.json")).unwrap();
    let mut settings = hooks(PROGRAM);
    settings["enabledPlugins"] = json!({ "orch-mcp@orch-mcp": true });
    write(home.path(".claude/settings.json"), &settings);
    let noted = json!({ "version": 2, "plugins": { "orch-mcp@orch-mcp": [{ "scope": "user", "version": "0.0.1" }] } });
    write(home.path(".claude/plugins/installed_plugins.json"), &noted);
    let report = doctor(&home, &[]).expect(1).data();
    assert!(found(&report, "wiring").1.contains("plugin orch-mcp@orch-mcp"), "{report:#}");
    assert_eq!(found(&report, "plugin").0, "warning", "of another version");
    let (verdict, finding, _) = found(&report, "wired program");
    assert_eq!((verdict.as_str(), finding.contains("not on PATH")), ("error", true), "{finding}");

    fs::write(home.path(".claude/settings.json"), "{ // mine\n").unwrap();
    let report = doctor(&home, &[]).expect(0).data();
    assert!(found(&report, "wiring").1.contains("settings.json cannot be read"), "{report:#}");
}

#[test]
fn wiring_that_leads_nowhere_or_to_another_version_is_told() {
    let home = home();
    let (missing, other) = (home.path("gone/orch-mcp"), home.path("old/orch-mcp"));
    wire(&home, missing.to_str().unwrap());
    let report = doctor(&home, &[]).expect(1).data();
    let (verdict, finding, fix) = found(&report, "wired program");
    assert_eq!(verdict, "error");
    assert!(finding.contains("gone/orch-mcp`, and there is no such program"), "{finding}");
    assert_eq!(fix, "orch-mcp setup claude-code --scope user");

    fs::create_dir(home.path("old")).unwrap();
    script(&other, "echo orch-mcp 0.0.1");
    wire(&home, other.to_str().unwrap());
    let report = doctor(&home, &[]).expect(0).data();
    let (verdict, finding, _) = found(&report, "wired program");
    assert_eq!((verdict.as_str(), finding.contains("`orch-mcp 0.0.1`")), ("warning", true), "{finding}");

    // What came with the project may be anybody's.
    script(&other, &format!("echo >{}", home.path("ran").display()));
    for file in [".claude.json", ".claude/settings.json"] {
        fs::remove_file(home.path(file)).unwrap();
    }
    write(home.path("work/.mcp.json"), &server(other.to_str().unwrap()));
    write(home.path("work/.claude/settings.local.json"), &hooks(other.to_str().unwrap()));
    let report = doctor(&home, &[]).expect(0).data();
    assert!(found(&report, "wired program").1.contains("another file than this program"), "{report:#}");
    assert!(!home.path("ran").exists());
}

#[test]
fn a_damaged_store_is_told_and_left_as_it_is() {
    for harm in ["its head", "its middle", "a newer schema"] {
        let home = home();
        (0..50).for_each(|number| drop(home.ok(&["push-task", &format!("{number} {}", "x".repeat(250))])));
        let path = home.state_dir().join("orch.db");
        {
            let raw = rusqlite::Connection::open(&path).unwrap();
            raw.query_row("pragma wal_checkpoint(truncate)", [], |row| row.get::<_, i64>(0)).unwrap();
            if harm == "a newer schema" {
                raw.pragma_update(None, "user_version", 99).unwrap();
                raw.query_row("pragma wal_checkpoint(truncate)", [], |row| row.get::<_, i64>(0)).unwrap();
            }
        }
        let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
        match harm {
            "its head" => file.write_all_at(&[0; 100], 0).unwrap(),
            "its middle" => {
                let length = file.metadata().unwrap().len();
                file.write_all_at(&vec![0xaa; (length - 8_192) as usize], 8_192).unwrap();
            }
            _ => {}
        }
        drop(file);
        let before = fs::read(&path).unwrap();
        for arguments in [&[][..], &["--fix"]] {
            let report = doctor(&home, arguments).expect(1).data();
            let (verdict, finding, fix) = found(&report, "store");
            assert_eq!(verdict, "error", "{harm}: {finding}");
            match harm {
                "a newer schema" => assert!(finding.contains("has schema 99"), "{finding}"),
                _ => {
                    assert!(finding.contains("damaged"), "{harm}: {finding}");
                    assert!(fix.starts_with("mv "), "{fix}");
                }
            }
        }
        assert_eq!(fs::read(&path).unwrap(), before, "{harm}");
    }
}

#[test]
fn events_of_the_future_are_told() {
    let home = home();
    let (desk, anybody) = desk_of_the_past(&home, -86_400);
    call(&desk, &anybody, "register_instance", json!({ "name": "bob" }));
    drop(desk);
    let report = doctor(&home, &[]).expect(0).data();
    let (verdict, finding, _) = found(&report, "clock");
    assert_eq!(verdict, "warning");
    assert!(finding.contains("s behind the newest event"), "{finding}");
}

#[test]
fn programs_that_are_not_there_are_told() {
    let home = home_with(&[]);
    let report = doctor(&home, &[]).expect(0).data();
    let verdicts = ["claude", "git", "tmux"].map(|name| found(&report, name).0);
    assert_eq!(verdicts, ["note", "warning", "note"]);
    assert!(found(&report, "git").2.ends_with(" git"), "{report:#}");
}

/// Of the two seconds it needs one: whatever a program on the PATH does, and with all that it started.
#[test]
fn a_program_that_hangs_holds_nobody_up() {
    let home = home();
    let pid = home.path("pid");
    script(&home.path("bin/claude"), &format!("echo $$ >{}; exec /bin/sleep 600", pid.display()));
    let (verdict, finding, fix) = eventually("a report on other programs", || {
        let report = finish(&mut doctor_command(&home, &[]), "").expect(0).data();
        let is_whole = !report.to_string().contains("not seen within");
        is_whole.then(|| found(&report, "claude"))
    });
    assert_eq!(verdict, "warning");
    assert!(finding.contains("said nothing within 700 ms, and was ended"), "{finding}");
    assert!(fix.ends_with("claude --version"), "{fix}");
    if let Ok(pid) = fs::read_to_string(pid) {
        eventually("the end of it", || (!orch_mcp::host::is_there(pid.trim().parse().ok()?)).then_some(()));
    }
}

#[test]
fn the_inbox_of_the_session_around_is_looked_at() {
    let home = home();
    let inbox = home.path("1.sock");
    let _listener = UnixListener::bind(&inbox).unwrap();
    let looked = |mode: u32| {
        set_mode(&inbox, mode);
        let mut doctor = doctor_command(&home, &[]);
        let report = finish(doctor.env("CLAUDE_CODE_MESSAGING_SOCKET", &inbox), "").expect(0).data();
        found(&report, "inbox")
    };
    assert_eq!(looked(0o600).0, "ok");
    let (verdict, _, fix) = looked(0o666);
    assert_eq!((verdict.as_str(), fix), ("warning", format!("chmod 600 {}", inbox.display())));
}

#[test]
fn all_that_is_stored_is_listed() {
    let home = home();
    write(home.path(".claude.json"), &json!({ "numStartups": 1 }));
    for scope in ["user", "project", "local"] {
        let mut setup = home.program_without_state_dir(&["setup", "claude-code", "--scope", scope]);
        finish(&mut setup, "").expect(0);
    }
    home.run(&["setup", "claude-desktop"]).expect(0);
    hook(&home, "session-start", std::process::id());
    let mut session = home.member("bob", Era::Stateless);
    session.begin_call("wait_for_message", json!({}));
    home.until_waiting(1);
    let ask = |arguments: &[&str]| {
        let mut doctor = doctor_command(&home, &[&["--privacy"], arguments].concat());
        finish(doctor.env("CLAUDE_ENV_FILE", home.path("env")), "").expect(0)
    };
    let privacy = ask(&[]).data();
    let stored = privacy["stored"].as_array().unwrap();
    let listed: Vec<&str> = stored.iter().map(|kept| kept["path"].as_str().unwrap()).collect();
    // What the test itself put there.
    let others = ["work", "bin", "bin/claude", "bin/git", "bin/tmux"].map(|path| home.path(path));
    let mut seen = 0;
    for path in files_below(&home.path("")) {
        // A directory that leads to something stores nothing itself.
        let leads = path.is_dir()
            && listed.iter().any(|listed| Path::new(listed) != path && Path::new(listed).starts_with(&path));
        if others.contains(&path) || leads {
            continue;
        }
        assert!(listed.contains(&path.to_str().unwrap()), "{} is not listed: {listed:#?}", path.display());
        seen += 1;
    }
    assert!(seen >= 16, "{seen}");
    for kept in stored {
        let path = Path::new(kept["path"].as_str().unwrap());
        assert_eq!(kept["exists"], path.symlink_metadata().is_ok(), "{kept}");
    }
    let elsewhere = |dir: &str| {
        let mut doctor = doctor_command(&home, &["--privacy"]);
        finish(doctor.current_dir(home.path(dir)), "").expect(0).out
    };
    assert!(elsewhere("bin").contains("work/.mcp.json"), "what `setup` wrote for other projects is told too");
    let contacted = privacy["contacted"].to_string();
    assert!(contacted.contains("no address at all") && contacted.contains("inbox socket"), "{contacted}");
    for kept_by_claude in ["session-env", "plugins/cache/orch-mcp"] {
        assert!(listed.iter().any(|path| path.ends_with(kept_by_claude)), "{kept_by_claude}");
    }
    let text = ask(&["--format", "table"]).out;
    assert!(listed.iter().all(|path| text.contains(path)), "{text}");
    home.run(&["doctor", "--privacy", "--fix"]).expect(2);
}

#[test]
fn what_workers_leave_in_the_state_directory_is_ours_and_told_as_such() {
    let home = Home::new();
    home.ok(&["register-instance", "amy"]);
    let state = home.state_dir();
    for dir in ["workers/executor-1/1", "trees/task-1", "evidence", "roles", "pipelines"] {
        fs::create_dir_all(state.join(dir)).unwrap();
    }
    for file in ["supervisor.log", "orch.toml", "what.is.this"] {
        fs::write(state.join(file), "").unwrap();
    }
    let mut doctor = doctor_command(&home, &["--privacy"]);
    let privacy = finish(&mut doctor, "").expect(0).data();
    let owner = |name: &str| {
        let kept = privacy["stored"]
            .as_array()
            .unwrap()
            .iter()
            .find(|kept| kept["path"] == state.join(name).to_str().unwrap());
        kept.unwrap_or_else(|| panic!("no {name}: {privacy:#}"))["owner"].as_str().unwrap().to_owned()
    };
    assert_eq!(
        ["workers", "trees", "evidence", "supervisor.log", "roles", "pipelines", "orch.toml", "what.is.this"]
            .map(owner),
        ["orch-mcp", "orch-mcp", "orch-mcp", "orch-mcp", "the team", "the team", "the team", "somebody else"]
    );
}

#[test]
fn settings_roles_and_pipelines_that_nobody_understands_are_found_with_their_line() {
    let home = Home::new();
    home.ok(&["register-instance", "amy"]);
    let look = || {
        let report = finish(&mut doctor_command(&home, &[]), "").data();
        let check = report["checks"].as_array().unwrap().iter().find(|check| check["name"] == "settings").cloned();
        let check = check.unwrap_or_else(|| panic!("{report:#}"));
        (check["verdict"].as_str().unwrap().to_owned(), check["found"].as_str().unwrap().to_owned())
    };
    assert_eq!(look(), ("ok".to_owned(), "no orch.toml, 7 roles, 6 pipelines".to_owned()));
    let file = home.state_dir().join("orch.toml");
    fs::write(&file, "[launch]\nworkers_most = 3\n").unwrap();
    let (verdict, found) = look();
    assert!(verdict == "error" && found.contains("orch.toml line 2") && found.contains("workers_most"), "{found}");
    fs::write(&file, "[land]\ncheck = \"true\"\n").unwrap();
    fs::create_dir(home.state_dir().join("roles")).unwrap();
    fs::write(home.state_dir().join("roles/critic.md"), "---\ndescription: d\nmodle: opus\n---\nLook.\n").unwrap();
    let (verdict, found) = look();
    assert!(verdict == "error" && found.contains("critic.md") && found.contains("line 3"), "{found}");
    fs::remove_file(home.state_dir().join("roles/critic.md")).unwrap();
    fs::create_dir(home.state_dir().join("pipelines")).unwrap();
    let stage = "[[stage]]\nname = \"a\"\nrole = \"x\"\nprompt = \"{{titel}}\"\n";
    fs::write(home.state_dir().join("pipelines/nightly.toml"), format!("description = \"d\"\n{stage}")).unwrap();
    fs::write(home.state_dir().join("pipelines/weekly.toml"), stage).unwrap();
    let (verdict, found) = look();
    assert!(verdict == "error" && found.contains("nightly.toml line 5: column 1: `{{titel}}`"), "{found}");
    assert!(found.contains("weekly.toml line 1: `description` is missing"), "each is told: {found}");
}
