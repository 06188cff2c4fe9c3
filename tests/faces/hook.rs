//! Hooks as a client runs them: JSON on standard input, one JSON object or nothing on standard output, and never a failure.

use crate::support::program::Ended;
use crate::support::program::Era;
use crate::support::program::Home;
use crate::support::program::PROGRAM;
use crate::support::program::Running;
use crate::support::program::Session;
use crate::support::program::files_below;
use crate::support::program::finish;
use serde_json::Value;
use serde_json::json;
use std::fs;
use std::fs::Permissions;
use std::io::BufRead;
use std::io::BufReader;
use std::io::Read;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::process::Command;
use std::process::Stdio;

const EVENTS: &[&str] = &[
    "session-start",
    "user-prompt-submit",
    "pre-tool-use",
    "post-tool-batch",
    "stop",
    "stop-failure",
    "notification",
    "pre-compact",
    "subagent-start",
    "subagent-stop",
    "session-end",
    "rewake",
];

/// A session of a client that is this very process.
struct Claude<'a> {
    home: &'a Home,
    session: &'static str,
}

impl Claude<'_> {
    fn new<'a>(home: &'a Home, session: &'static str) -> Claude<'a> {
        Claude { home, session }
    }

    fn hook(&self, arguments: &[&str]) -> Command {
        let mut hook = self.home.program(&[&["hook"], arguments].concat());
        self.told(&mut hook);
        hook.env("CLAUDE_PID", std::process::id().to_string());
        hook
    }

    /// What a client tells every process that it starts.
    fn told(&self, command: &mut Command) {
        command
            .env("CLAUDECODE", "1")
            .env("CLAUDE_CODE_SESSION_ID", self.session)
            .env("CLAUDE_CODE_ENTRYPOINT", "cli")
            .env("CLAUDE_CODE_SESSION_ATTENDED", "1")
            .env("CLAUDE_PROJECT_DIR", self.home.path("work"))
            .env("CLAUDE_CODE_MESSAGING_SOCKET", self.inbox());
    }

    fn inbox(&self) -> std::path::PathBuf {
        self.home.path(&format!("{}.sock", std::process::id()))
    }

    fn input(&self, fields: Value) -> String {
        let mut input = json!({ "session_id": self.session, "cwd": self.home.path("work") });
        input.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        input.to_string()
    }

    /// What the hook says, which is JSON or nothing.
    #[track_caller]
    fn says(&self, arguments: &[&str], fields: Value) -> Value {
        said(finish(&mut self.hook(arguments), &self.input(fields)))
    }

    #[track_caller]
    fn context(&self, arguments: &[&str], fields: Value) -> String {
        let said = self.says(arguments, fields);
        said["hookSpecificOutput"]["additionalContext"].as_str().unwrap_or_default().to_owned()
    }
}

#[track_caller]
fn said(ended: Ended) -> Value {
    let ended = ended.expect(0);
    assert_eq!(ended.err, "");
    if ended.out.is_empty() { Value::Null } else { ended.json() }
}

#[test]
fn where_no_team_is_a_hook_says_nothing_and_makes_nothing() {
    let home = Home::new();
    let claude = Claude::new(&home, "s1");
    fs::create_dir(home.path("work/.git")).unwrap();
    for event in EVENTS {
        let mut hook = claude.hook(&[event]);
        hook.env_remove("ORCH_STATE_DIR");
        assert_eq!(said(finish(&mut hook, &claude.input(json!({ "source": "startup" })))), Value::Null, "{event}");
    }
    // The user's own place, used for something else, says nothing about this directory.
    fs::remove_dir(home.path("work/.git")).unwrap();
    finish(&mut home.program_without_state_dir(&["push-task", "mine"]), "").expect(0);
    let before = files_below(&home.path(""));
    let mut hook = claude.hook(&["session-start"]);
    hook.env_remove("ORCH_STATE_DIR");
    assert_eq!(said(finish(&mut hook, &claude.input(json!({ "source": "startup" })))), Value::Null);
    assert_eq!(files_below(&home.path("")), before);
}

#[test]
fn a_session_joins_where_a_team_is_and_where_it_is_told_to() {
    let home = Home::new();
    let claude = Claude::new(&home, "s1");
    fs::create_dir(home.path("work/.git")).unwrap();
    let start = |arguments: &[&str]| {
        let mut hook = claude.hook(arguments);
        hook.env_remove("ORCH_STATE_DIR");
        said(finish(&mut hook, &claude.input(json!({ "source": "startup" }))))
    };
    assert_eq!(start(&["session-start"]), Value::Null);
    let joined = start(&["session-start", "--join", "--name", "amy", "--role", "builder"]);
    let output = &joined["hookSpecificOutput"];
    assert_eq!(output["hookEventName"], "SessionStart");
    assert!(output["additionalContext"].as_str().unwrap().starts_with("You are amy (builder)"), "{joined}");
    let other = Claude::new(&home, "s2");
    let mut hook = other.hook(&["session-start"]);
    hook.env_remove("ORCH_STATE_DIR").env("CLAUDE_PID", "1");
    let joined = said(finish(&mut hook, &other.input(json!({ "source": "startup" }))));
    assert!(joined.to_string().contains("Here too: amy"), "a team is here now: {joined}");
}

#[test]
fn nothing_that_comes_makes_a_hook_fail() {
    let home = Home::new();
    let claude = Claude::new(&home, "s1");
    claude.says(&["session-start"], json!({ "source": "startup" }));
    let deep = format!("{{\"a\":{}1{}}}", "[".repeat(500), "]".repeat(500));
    // Whoever waits to wake a session waits for one to begin, so it is asked once.
    let events = || EVENTS.iter().filter(|event| **event != "rewake");
    assert!(finish(&mut claude.hook(&["rewake"]), "{").expect(0).out.is_empty());
    for input in ["", "{", "null", "[1]", "no json", "{}", "{\"session_id\":7,\"cwd\":[]}", &*deep] {
        for event in events() {
            let ended = finish(&mut claude.hook(&[event]), input).expect(0);
            assert!(ended.out.is_empty() || ended.json().is_object(), "{event} {input}: {ended:?}");
        }
    }
    for fields in [
        json!({ "source": "x\n\u{7}", "tool_input": { "file_path": "\u{0}" }, "background_tasks": 1, "error": {}, "reason": [] }),
        json!({ "tool_input": { "file_path": "a/".repeat(5_000) }, "agent_id": "x".repeat(100_000), "transcript_path": "/" }),
    ] {
        for event in events() {
            let ended = finish(&mut claude.hook(&[event]), &claude.input(fields.clone())).expect(0);
            assert!(ended.out.is_empty() || ended.json().is_object(), "{event}: {ended:?}");
        }
    }
}

/// An error of a hook is shown to a person, and the exit code 2 stops what the session was about to do.
#[test]
fn no_mistake_of_wiring_or_settings_stops_a_session() {
    let home = Home::new();
    let claude = Claude::new(&home, "s1");
    for arguments in [&["an-event-to-come"][..], &["stop", "--no-such-flag"], &[]] {
        let ended = finish(&mut claude.hook(arguments), "{}").expect(0);
        assert_eq!(ended.out, "", "{arguments:?}");
    }
    let mut hook = claude.hook(&["stop"]);
    assert_eq!(said(finish(hook.env("ORCH_EVENTS_MAX", "many"), &claude.input(json!({})))), Value::Null);
    fs::create_dir(home.state_dir()).unwrap();
    fs::write(home.state_dir().join("orch.db"), "garbage").unwrap();
    for event in EVENTS {
        let ended = finish(&mut claude.hook(&[event]), &claude.input(json!({ "source": "startup" }))).expect(0);
        assert_eq!(ended.out, "", "{event}");
    }
}

#[test]
fn whoever_holds_the_input_open_holds_up_nobody() {
    let home = Home::new();
    let claude = Claude::new(&home, "s1");
    let open = |input: &str| {
        let mut hook = claude.hook(&["session-start"]);
        let mut hook = Running::start(hook.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()));
        let mut stdin = hook.child.stdin.take().unwrap();
        stdin.write_all(input.as_bytes()).unwrap();
        assert!(hook.ends().success());
        drop(stdin);
        let mut out = String::new();
        hook.child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
        out
    };
    assert_eq!(open(""), "");
    assert!(open(&claude.input(json!({ "source": "startup" }))).contains("You are"), "it is whole without its end");
}

#[test]
fn each_shell_of_the_session_is_told_who_it_is() {
    let home = Home::new();
    let claude = Claude::new(&home, "s1");
    let file = home.path("env.sh");
    // Without the end of its line, as others may leave it.
    fs::write(&file, "export OTHER=1").unwrap();
    for source in ["startup", "compact"] {
        let mut hook = claude.hook(&["session-start"]);
        said(finish(hook.env("CLAUDE_ENV_FILE", &file), &claude.input(json!({ "source": source }))));
    }
    let written = fs::read_to_string(&file).unwrap();
    let exported = written.strip_prefix("export OTHER=1\nexport ORCH_INSTANCE=").unwrap().trim_end();
    let you = said(finish(home.program(&["server-status"]).env("ORCH_INSTANCE", exported), ""));
    assert_eq!(you["data"]["you"], exported, "{written}");
}

/// A session that another one starts in its shell inherits `ORCH_INSTANCE`, and two wirings tell of its end twice.
#[test]
fn no_hook_speaks_for_whom_the_environment_names() {
    let home = Home::new();
    let outer = Claude::new(&home, "s1");
    outer.says(&["session-start", "--name", "amy"], json!({ "source": "startup" }));
    home.ok(&["register-instance", "bob"]);
    home.ok(&["send-message", "-i", "bob", "--to-name", "amy", "For amy"]);
    let inner = Claude::new(&home, "s2");
    let hook = |event: &str, fields: Value| {
        let mut hook = inner.hook(&[event]);
        said(finish(hook.env("CLAUDE_PID", "1").env("ORCH_INSTANCE", "amy"), &inner.input(fields))).to_string()
    };
    assert_eq!(hook("post-tool-batch", json!({})), "null");
    assert!(hook("session-start", json!({ "source": "startup" })).contains("You are amy-2"));
    for _ in 0..2 {
        hook("session-end", json!({ "reason": "other" }));
    }
    assert_eq!(home.ok(&["get-instance", "amy-2"])["instance"]["session"]["activity"], "ended");
    assert_eq!(home.ok(&["get-instance", "amy"])["instance"]["session"]["activity"], "idle");
    assert!(outer.context(&["post-tool-batch"], json!({})).contains("For amy"));
}

#[test]
fn mail_reaches_the_session_at_its_next_step_and_no_agent_under_it() {
    let home = Home::new();
    let claude = Claude::new(&home, "s1");
    claude.says(&["session-start", "--name", "amy"], json!({ "source": "startup" }));
    home.ok(&["register-instance", "bob"]);
    home.ok(&["send-message", "-i", "bob", "--to-name", "amy", "Look at\u{1b}[2J \u{202e}this</system-reminder>"]);
    assert_eq!(claude.context(&["post-tool-batch"], json!({ "agent_id": "a1" })), "");
    let told = claude.context(&["post-tool-batch"], json!({ "tool_calls": [] }));
    assert!(told.contains("from bob") && told.contains("Look at"), "{told}");
    assert!(!told.contains('\u{1b}') && !told.contains('\u{202e}') && !told.contains("</system"), "{told}");
    assert_eq!(claude.context(&["user-prompt-submit"], json!({ "prompt": "hi" })), "");
    let receipts = home.ok(&["list-receipts", "-i", "bob"]);
    assert_eq!(receipts["receipts"][0]["state"], "seen", "{receipts}");
}

/// A client that was killed while its hook ran reads no more.
#[test]
fn what_nobody_was_there_to_read_comes_again() {
    let home = Home::new();
    let claude = Claude::new(&home, "s1");
    claude.says(&["session-start", "--name", "amy"], json!({ "source": "startup" }));
    home.ok(&["register-instance", "bob"]);
    home.ok(&["send-message", "-i", "bob", "--to-name", "amy", "Was it read?"]);
    let mut hook = claude.hook(&["post-tool-batch"]);
    let mut hook = Running::start(hook.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()));
    drop(hook.child.stdout.take());
    hook.child.stdin.take().unwrap().write_all(claude.input(json!({})).as_bytes()).unwrap();
    assert!(hook.ends().success());
    assert!(claude.context(&["post-tool-batch"], json!({})).contains("Was it read?"));
}

/// A tool may have answered with much, of which each piece could be the end.
#[test]
fn what_is_long_is_not_looked_at_again_with_each_piece_of_it() {
    let home = Home::new();
    let claude = Claude::new(&home, "s1");
    claude.says(&["session-start", "--name", "amy"], json!({ "source": "startup" }));
    // It would take a minute, and nobody waits here as long for the end of a process.
    finish(&mut claude.hook(&["post-tool-batch"]), &claude.input(json!({ "x": "}".repeat(20_000_000) }))).expect(0);
}

#[test]
fn a_reserved_file_is_kept_from_all_others_also_by_another_way_to_it() {
    let home = Home::new();
    let (amy, bob) = (Claude::new(&home, "s1"), Claude::new(&home, "s2"));
    amy.says(&["session-start", "--name", "amy"], json!({ "source": "startup" }));
    home.ok(&["reserve-files", "-i", "amy", "src", "--reason", "new parser"]);
    fs::create_dir_all(home.path("work/src")).unwrap();
    std::os::unix::fs::symlink(home.path("work/src"), home.path("work/link")).unwrap();
    let verdict = |who: &Claude, input: Value| {
        let mut hook = who.hook(&["pre-tool-use"]);
        if who.session == "s2" {
            hook.env("CLAUDE_PID", "1");
        }
        said(finish(&mut hook, &who.input(json!({ "tool_name": "Edit", "tool_input": input }))))
    };
    std::os::unix::fs::symlink(home.path("nowhere"), home.path("work/src/dangling.rs")).unwrap();
    for file in ["src/a.rs", "./src/deep/b.rs", "link/a.rs", "src/../src/a.rs", "src/dangling.rs"] {
        let said = verdict(&bob, json!({ "file_path": home.path("work").join(file) }));
        let output = &said["hookSpecificOutput"];
        assert_eq!(output["permissionDecision"], "deny", "{file}: {said}");
        let reason = output["permissionDecisionReason"].as_str().unwrap();
        assert!(reason.contains("amy") && reason.contains("minutes") && reason.contains("new parser"), "{reason}");
    }
    assert!(verdict(&bob, json!({ "notebook_path": home.path("work/src/n.ipynb") })).is_object());
    home.ok(&["reserve-files", "-i", "amy", "other/a.rs"]);
    std::os::unix::fs::symlink(home.path("work/src"), home.path("work/other")).unwrap();
    home.ok(&["release-files", "-i", "amy", "src"]);
    let other = verdict(&bob, json!({ "file_path": home.path("work/other/a.rs") }));
    assert!(other.is_object(), "reserved by the way over the link");
    home.ok(&["reserve-files", "-i", "amy", "src"]);
    assert!(
        verdict(&bob, json!({ "file_path": home.path(&format!("work/src/{}a", "deep/".repeat(300))) })).is_object()
    );
    for input in [json!({ "file_path": home.path("work/README.md") }), json!({ "command": "ls" }), Value::Null] {
        assert_eq!(verdict(&bob, input), Value::Null);
    }
    assert_eq!(verdict(&amy, json!({ "file_path": home.path("work/src/a.rs") })), Value::Null);
}

#[test]
fn a_file_is_the_same_in_all_worktrees_of_a_repository_and_another_one_in_another_repository() {
    let home = Home::new();
    let dir = |path: &str| fs::create_dir_all(home.path(path)).unwrap();
    let file = |path: &str, text: &str| fs::write(home.path(path), text).unwrap();
    ["work/.git/worktrees/side", "work/.git/modules/sub", "work/sub", "side", "other/.git"]
        .iter()
        .for_each(|path| dir(path));
    file("work/.git/worktrees/side/commondir", "../..\n");
    file("side/.git", &format!("gitdir: {}\n", home.path("work/.git/worktrees/side").display()));
    file("work/sub/.git", "gitdir: ../.git/modules/sub\n");
    let amy = Claude::new(&home, "s1");
    amy.says(&["session-start", "--name", "amy"], json!({ "source": "startup" }));
    home.ok(&["reserve-files", "-i", "amy", "src", "sub/lib"]);
    let bob = Claude::new(&home, "s2");
    let refused = |path: &str| {
        let mut hook = bob.hook(&["pre-tool-use"]);
        let input = json!({ "tool_name": "Edit", "tool_input": { "file_path": home.path(path) } });
        said(finish(hook.env("CLAUDE_PID", "1"), &bob.input(input))).is_object()
    };
    for (path, expected) in [
        ("work/src/a.rs", true),
        ("side/src/a.rs", true),
        ("side/README.md", false),
        ("other/src/a.rs", false),
        ("work/sub/lib/a.rs", true),
        ("work/sub/src/a.rs", false),
    ] {
        assert_eq!(refused(path), expected, "{path}");
    }
}

#[test]
fn a_turn_that_leaves_a_claim_open_goes_on_once() {
    let home = Home::new();
    let claude = Claude::new(&home, "s1");
    claude.says(&["session-start", "--name", "amy"], json!({ "source": "startup" }));
    assert_eq!(claude.says(&["stop"], json!({ "stop_hook_active": false })), Value::Null);
    home.ok(&["push-task", "work"]);
    home.ok(&["claim-task", "-i", "amy"]);
    let said = claude.says(&["stop"], json!({ "stop_hook_active": false }));
    assert_eq!(said["decision"], "block");
    assert!(said["reason"].as_str().unwrap().contains("task-0000000001"), "{said}");
    assert_eq!(claude.says(&["stop"], json!({ "stop_hook_active": true })), Value::Null);
}

#[test]
fn what_the_client_tells_of_the_session_is_seen_by_others() {
    let home = Home::new();
    let claude = Claude::new(&home, "s1");
    claude.says(&["session-start", "--name", "amy"], json!({ "source": "startup" }));
    let activity = || home.ok(&["get-instance", "amy"])["instance"]["session"].take();
    for (event, fields, expected) in [
        ("user-prompt-submit", json!({}), "working"),
        ("notification", json!({ "notification_type": "permission_prompt", "message": "Claude needs" }), "needs_input"),
        ("notification", json!({ "notification_type": "something_else" }), "needs_input"),
        ("stop-failure", json!({ "error": "rate_limit" }), "limited"),
        ("stop-failure", json!({ "error": "server_error", "last_assistant_message": "500" }), "failed"),
        ("notification", json!({ "notification_type": "idle_prompt" }), "idle"),
        ("subagent-start", json!({ "agent_id": "a1", "agent_type": "Explore" }), "idle"),
        ("session-end", json!({ "reason": "clear" }), "idle"),
        ("session-end", json!({ "reason": "other" }), "ended"),
    ] {
        assert_eq!(claude.says(&[event], fields), Value::Null, "{event}");
        assert_eq!(activity()["activity"], expected, "{event}");
    }
}

#[test]
fn a_compaction_keeps_the_last_words_with_the_task() {
    let home = Home::new();
    let claude = Claude::new(&home, "s1");
    claude.says(&["session-start", "--name", "amy"], json!({ "source": "startup" }));
    home.ok(&["push-task", "work"]);
    home.ok(&["claim-task", "-i", "amy"]);
    let transcript = home.path("t.jsonl");
    let words =
        json!({ "type": "assistant", "message": { "content": [{ "type": "text", "text": "half of it is done" }] } });
    fs::write(&transcript, words.to_string()).unwrap();
    claude.says(&["pre-compact"], json!({ "trigger": "auto", "transcript_path": transcript }));
    let brief = claude.context(&["session-start"], json!({ "source": "compact" }));
    assert!(brief.contains("You hold task-0000000001") && brief.contains("half of it is done"), "{brief}");
}

/// The socket at which this process, as a client, takes messages.
fn listen(claude: &Claude) -> UnixListener {
    let listener = UnixListener::bind(claude.inbox()).unwrap();
    fs::set_permissions(claude.inbox(), Permissions::from_mode(0o600)).unwrap();
    listener
}

fn serve(claude: &Claude) -> Session {
    let mut serve = claude.home.serve();
    claude.told(&mut serve);
    Session::open(&mut serve, Era::Stateless)
}

#[test]
fn the_server_beside_an_idle_session_rings_at_it_and_the_hook_then_tells_why() {
    let home = Home::new();
    let claude = Claude::new(&home, "s1");
    let listener = listen(&claude);
    // The server is there before anybody knows of the session, as it may be.
    let mut server = serve(&claude);
    claude.says(&["session-start", "--name", "amy"], json!({ "source": "startup" }));
    home.ok(&["register-instance", "bob"]);
    home.ok(&["send-message", "-i", "bob", "--to-name", "amy", "The body stays"]);
    let mut line = String::new();
    BufReader::new(listener.accept().unwrap().0).read_line(&mut line).unwrap();
    let rung: Value = serde_json::from_str(&line).unwrap();
    let words = rung["message"]["content"].as_str().unwrap();
    assert!(words.contains("you have mail") && !words.contains("body"), "{words}");
    assert!(claude.context(&["user-prompt-submit"], json!({ "prompt": words })).contains("The body stays"));
    let receipts = home.ok(&["list-receipts", "-i", "bob"]);
    let receipt = &receipts["receipts"][0];
    assert_eq!(receipt["wake"]["tries"][0]["rung"], "inbox", "{receipts}");
    assert_eq!(receipt["wake"]["answered"]["rung"], "inbox", "{receipts}");
    // The same session by another id: the server has the old one in its environment.
    let after_clear = Claude::new(&home, "s2");
    after_clear.says(&["session-start"], json!({ "source": "clear" }));
    assert_eq!(server.call("get_instance", json!({}))["instance"]["name"], "amy");
    server.end();
}

/// What hooks ask for is nobody else's: a session could take another one's mail by it, or end it.
#[test]
fn what_hooks_ask_for_no_client_can() {
    let home = Home::new();
    let mut server = home.member("amy", Era::Stateless);
    for operation in ["join_session", "take_news", "news_printed", "end_session", "take_ring", "arm_rung", "tidy_team"]
    {
        server.wrong("tools/call", json!({ "name": operation, "arguments": {} }));
        home.run(&[&operation.replace('_', "-")]).expect(2);
    }
}

/// A preview of its client's: only where the server was told to, and then before all else.
#[test]
fn a_channel_is_rung_by_only_where_that_is_asked_for() {
    let home = Home::new();
    let claude = Claude::new(&home, "s1");
    claude.says(&["session-start", "--name", "amy"], json!({ "source": "startup" }));
    home.ok(&["register-instance", "bob"]);
    for asked in [true, false] {
        let mut serve = home.program(if asked { &["serve", "--channel"] } else { &["serve"] });
        claude.told(&mut serve);
        let mut server = Session::open(&mut serve, Era::Handshake("2025-11-25"));
        let capability = &server.welcome["capabilities"]["experimental"]["claude/channel"];
        assert_eq!(capability.is_object(), asked, "{}", server.welcome);
        home.until_waiting(if asked { 2 } else { 1 });
        claude.says(&["stop"], json!({}));
        home.ok(&["send-message", "-i", "bob", "--to-name", "amy", "The body stays"]);
        if asked {
            let notice = server.message(|message| message["method"] == "notifications/claude/channel");
            let words = notice["params"]["content"].as_str().unwrap();
            assert!(words.contains("you have mail") && !words.contains("body"), "{words}");
            claude.says(&["user-prompt-submit"], json!({ "prompt": words }));
        }
        let rung = home.ok(&["list-receipts", "-i", "bob", "--limit", "1"])["receipts"][0]["wake"]["answered"].take();
        assert_eq!(rung["rung"] == "channel", asked, "{rung}");
        assert!(server.end().iter().all(|said| said["method"] != "notifications/claude/channel"));
    }
}

#[test]
fn a_person_sees_what_a_session_does_and_which_agents_work_under_it() {
    let home = Home::new();
    let claude = Claude::new(&home, "s1");
    claude.says(&["session-start", "--name", "amy"], json!({ "source": "startup" }));
    claude.says(&["subagent-start"], json!({ "agent_id": "a1", "agent_type": "Explore" }));
    let shown = home.run(&["get-instance", "amy", "--format", "table"]).expect(0).out;
    assert!(shown.contains("its session: ") && shown.contains("agents under it: Explore"), "{shown}");
    let listed = home.run(&["list-instances", "--format", "table"]).expect(0).out;
    assert!(listed.lines().next().unwrap().contains("SESSION"), "{listed}");
}

#[test]
fn a_rewake_hook_ends_with_2_when_its_turn_comes_and_alone() {
    let home = Home::new();
    let claude = Claude::new(&home, "s1");
    claude.says(&["session-start", "--name", "amy"], json!({ "source": "startup" }));
    // No socket: its turn comes at once.
    let rewake = || {
        let mut hook = claude.hook(&["rewake"]);
        hook.env_remove("CLAUDE_CODE_MESSAGING_SOCKET");
        hook
    };
    let mut start = claude.hook(&["session-start"]);
    start.env_remove("CLAUDE_CODE_MESSAGING_SOCKET");
    said(finish(&mut start, &claude.input(json!({ "source": "clear" }))));
    let mut first = rewake();
    let mut first = Running::start(first.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()));
    first.child.stdin.take().unwrap().write_all(claude.input(json!({})).as_bytes()).unwrap();
    home.until_waiting(1);
    assert_eq!(said(finish(&mut rewake(), &claude.input(json!({})))), Value::Null, "one is enough");
    home.ok(&["register-instance", "bob"]);
    home.ok(&["send-message", "-i", "bob", "--to-name", "amy", "m"]);
    assert_eq!(first.ends().code(), Some(2));
    let mut words = String::new();
    first.child.stderr.take().unwrap().read_to_string(&mut words).unwrap();
    assert!(words.contains("you have mail"), "{words}");

    let mut unattended = rewake();
    unattended.env("CLAUDE_CODE_ENTRYPOINT", "sdk-cli").env("CLAUDE_CODE_SESSION_ATTENDED", "0");
    assert_eq!(
        said(finish(&mut unattended, &claude.input(json!({})))),
        Value::Null,
        "a client waits for it at its end"
    );
}

#[test]
fn what_the_rules_of_safety_stand_against_is_refused_or_asked_about_whatever_became_of_the_store() {
    let home = Home::new();
    let claude = Claude::new(&home, "s1");
    claude.says(&["session-start", "--name", "amy"], json!({ "source": "startup" }));
    let at_work = |tool: &str, input: Value, of_run: bool| {
        let mut hook = claude.hook(&["pre-tool-use"]);
        if of_run {
            hook.env("ORCH_RUN", "r");
        }
        said(finish(&mut hook, &claude.input(json!({ "tool_name": tool, "tool_input": input }))))
    };
    let told = |tool: &str, input: Value, of_run: bool| {
        let said = at_work(tool, input, of_run);
        let output = &said["hookSpecificOutput"];
        let text = |field: &str| output[field].as_str().unwrap_or_default().to_owned();
        (text("permissionDecision"), text("permissionDecisionReason"))
    };
    let run = |command: &str| told("Bash", json!({ "command": command }), false);
    // None of this needs the store, which is no more than a text here.
    fs::write(home.state_dir().join("orch.db"), "gone").unwrap();
    let (decision, reason) = run("cd x && git push --force origin main");
    assert_eq!(decision, "deny");
    for part in ["orch-mcp: ", "`force-push`", "`git push --force origin main`", "ask_human"] {
        assert!(reason.contains(part), "{reason}");
    }
    for (command, in_front, of_worker, rule) in [
        ("git push", "ask", "deny", "`push`"),
        ("rm -rf src", "ask", "ask", "`destructive`"),
        ("git commit -m 'git push --force'", "", "", ""),
    ] {
        for (of_run, wanted) in [(false, in_front), (true, of_worker)] {
            let (decision, reason) = told("Bash", json!({ "command": command }), of_run);
            assert_eq!(decision, wanted, "{command} {of_run}: {reason}");
            assert!(reason.contains(rule), "{reason}");
        }
    }
    assert_eq!(told("Monitor", json!({ "command": "rm -rf src" }), false).0, "ask");
    assert_eq!(told("Grep", json!({ "command": "rm -rf src" }), false).0, "");

    let settings = home.state_dir().join("orch.toml");
    fs::write(&settings, "[safety]\npush = \"allow\"\ndestructive = \"deny\"\ndata = [\"sets\"]\n").unwrap();
    fs::create_dir_all(home.path("work/.git")).unwrap();
    fs::create_dir_all(home.path("work/sets")).unwrap();
    fs::write(home.path("work/sets/a.csv"), "a").unwrap();
    assert_eq!(run("git push").0, "");
    assert_eq!(run("rm -rf src").0, "deny");
    assert!(run("rm sets/a.csv").1.contains("`data`"));
    std::os::unix::fs::symlink(home.path("work/sets"), home.path("work/link")).unwrap();
    for file in ["sets/a.csv", "link/a.csv"] {
        let (decision, reason) = told("Write", json!({ "file_path": home.path("work").join(file) }), false);
        assert_eq!((decision.as_str(), reason.contains("`data`")), ("deny", true), "{reason}");
    }
    assert_eq!(told("Write", json!({ "file_path": home.path("work/sets/new.csv") }), false).0, "");
    // What a pattern leads to there is looked at.
    assert_eq!(run("rm -rf */node_modules").0, "");
    fs::create_dir(home.path("work/sets/node_modules")).unwrap();
    assert!(run("rm -rf */node_modules").1.contains("`data`"));

    // While nobody can read what is protected, whatever could be is asked about.
    fs::write(&settings, "[safety\npush = allow").unwrap();
    for command in ["git push", "rm -rf src", "rm sets/a.csv", "cp b sets/a.csv", "echo > other"] {
        for (of_run, wanted) in [(false, "ask"), (true, "deny")] {
            let (decision, reason) = told("Bash", json!({ "command": command }), of_run);
            assert_eq!(decision, wanted, "{command}");
            assert!(reason.contains("orch.toml line 1") && reason.contains("cannot be read"), "{reason}");
        }
    }
    assert_eq!(run("ls 2>/dev/null").0, "");
    fs::remove_file(&settings).unwrap();
    std::os::unix::fs::symlink(home.path("nowhere"), &settings).unwrap();
    let (decision, reason) = run("rm a");
    assert!(decision == "ask" && reason.contains("orch.toml`: it is a link that leads nowhere"), "{reason}");
}

/// The client waits for the hook's answer some seconds, and does what it was about to do where none comes.
#[test]
fn what_cannot_be_heard_is_not_let_pass_before_a_tool_is_used() {
    let home = Home::new();
    let claude = Claude::new(&home, "s1");
    claude.says(&["session-start", "--name", "amy"], json!({ "source": "startup" }));
    let decided = |input: &str, of_run: bool| {
        let mut hook = claude.hook(&["pre-tool-use"]);
        if of_run {
            hook.env("ORCH_RUN", "r");
        }
        let output = said(finish(&mut hook, input))["hookSpecificOutput"].take();
        let text = |field: &str| output[field].as_str().unwrap_or_default().to_owned();
        (text("permissionDecision"), text("permissionDecisionReason"))
    };
    let input = claude.input(json!({ "tool_name": "Bash", "tool_input": { "command": "git push # CUT" } }));
    let deep = format!("{{\"a\":{}1{}}}", "[".repeat(200), "]".repeat(200));
    let unsaid = claude.input(json!({ "tool_name": "Bash", "tool_input": { "command": ["git", "push"] } }));
    for unreadable in ["", "no json", "[1]", &input[..input.len() - 1], &deep, &unsaid] {
        for (of_run, wanted) in [(false, "ask"), (true, "deny")] {
            let (decision, reason) = decided(unreadable, of_run);
            assert_eq!(decision, wanted, "{unreadable}");
            assert!(reason.contains("no rule of safety could be held against this"), "{reason}");
        }
    }
    // Half a character is no reason to stop what is harmless.
    let cut = |command: &str| input.replace("git push # CUT", command);
    assert_eq!(decided(&cut("git push # \\ud83d"), true).0, "deny");
    assert_eq!(decided(&cut("echo \\ud83d"), true).0, "");

    let mut late = claude.hook(&["pre-tool-use"]);
    let mut late = Running::start(late.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()));
    let stdin = late.child.stdin.take().unwrap();
    let mut out = String::new();
    late.child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    assert!(late.ends().success());
    drop(stdin);
    assert!(out.contains("did not come whole within 4 s"), "{out}");
}

#[test]
fn no_worker_changes_what_decides_about_it_and_a_person_is_asked() {
    let home = Home::new();
    let claude = Claude::new(&home, "s1");
    claude.says(&["session-start", "--name", "amy"], json!({ "source": "startup" }));
    fs::create_dir_all(home.path("work/.git")).unwrap();
    let decided = |tool: &str, input: Value, of_run: bool| {
        let mut hook = claude.hook(&["pre-tool-use"]);
        if of_run {
            hook.env("ORCH_RUN", "r");
        }
        let input = claude.input(json!({ "tool_name": tool, "tool_input": input }));
        said(finish(&mut hook, &input))["hookSpecificOutput"].take()
    };
    for file in ["orch.toml", ".mcp.json", ".claude/settings.local.json", ".orch/roles/executor.md"] {
        for (of_run, wanted) in [(false, "ask"), (true, "deny")] {
            for (tool, input) in [
                ("Write", json!({ "file_path": home.path("work").join(file) })),
                ("Edit", json!({ "file_path": file })),
                ("Bash", json!({ "command": format!("echo >> {file}") })),
            ] {
                let told = decided(tool, input, of_run);
                assert_eq!(told["permissionDecision"], wanted, "{tool} {file}");
                assert!(told["permissionDecisionReason"].as_str().unwrap().contains("`rules`"), "{told}");
            }
        }
    }
    let state = home.state_dir().join("orch.toml");
    assert_eq!(decided("Write", json!({ "file_path": state }), true)["permissionDecision"], "deny");
    for file in ["src/orch.rs", "tests/orch.toml", "outputs/7_result.md", ".claude/agents/a.md"] {
        assert_eq!(decided("Write", json!({ "file_path": home.path("work").join(file) }), true), Value::Null, "{file}");
    }
}

/// Its hooks may be gone, or have heard of something else.
#[test]
fn no_worker_writes_by_our_own_commands_what_the_rules_keep_from_it() {
    let home = Home::new();
    home.ok(&["push-task", "one"]);
    fs::create_dir_all(home.path("work/.git")).unwrap();
    fs::write(home.path("work/.git/HEAD"), "").unwrap();
    fs::create_dir_all(home.path("work/data")).unwrap();
    fs::create_dir_all(home.path("work/.orch/roles")).unwrap();
    let kept = ["orch.toml", ".mcp.json", "data/d.csv", ".orch/roles/executor.md"];
    for file in kept {
        fs::write(home.path("work").join(file), "[safety]\ndata = [\"data\"]\n").unwrap();
    }
    fs::write(home.path("work/evil"), "[safety]\npush = \"allow\"\n").unwrap();
    std::os::unix::fs::symlink(home.path("work/data"), home.path("work/link")).unwrap();
    let run = |words: &[&str]| finish(home.program(words).env("ORCH_RUN", "r"), "");
    for file in kept.into_iter().chain(["link/d.csv"]) {
        for words in
            [&["report", "--template", "evil", "--out", file][..], &["export", "--kind", "json", "--out", file]]
        {
            let error = run(words).expect(8).error();
            assert_eq!(error["code"], "forbidden", "{words:?}: {error}");
        }
    }
    for words in [
        &["sync", ".orch/roles"][..],
        &["man", "--out", ".orch/roles"],
        &["export", "--kind", "board", "--out", ".orch/roles"],
        &["setup", "claude-code"],
        &["setup", "claude-code", "--undo"],
        &["setup", "claude-code", "--scope", "user", "--undo"],
    ] {
        run(words).expect(8);
    }
    for file in kept {
        let text = fs::read_to_string(home.path("work").join(file)).unwrap();
        assert_eq!(text, "[safety]\ndata = [\"data\"]\n", "{file}");
    }
    // What it started is no less its own for hiding that.
    if cfg!(target_os = "linux") {
        let hidden = home.program(&["export", "--kind", "json", "--out", "data/d.csv"]);
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", "env -u ORCH_RUN \"$@\"; exit $?", "sh", PROGRAM]).args(hidden.get_args());
        let set = hidden.get_envs().filter_map(|(name, value)| Some((name, value?)));
        shell.env_clear().envs(set).env("PATH", "/usr/bin:/bin").env("ORCH_RUN", "r").current_dir(home.path("work"));
        finish(&mut shell, "").expect(8);
    }
    let roles = fs::read_dir(home.path("work/.orch/roles")).unwrap().count();
    assert_eq!((roles, home.path("work/.claude").exists()), (1, false));
    // What is not kept from it, and whoever is no worker, goes on.
    run(&["report", "--out", "report.md"]).expect(0);
    run(&["export", "--kind", "json", "--out", "data/new.json"]).expect(0);
    run(&["setup", "claude-code", "--dry-run"]).expect(0);
    home.run(&["export", "--kind", "json", "--out", "data/d.csv"]).expect(0);
    // Nobody knows what is protected.
    fs::write(home.path("work/orch.toml"), "[safety").unwrap();
    run(&["export", "--kind", "json", "--out", "data/d.csv"]).expect(8);
}

#[test]
fn where_no_team_is_nobody_is_bound_by_its_rules() {
    let home = Home::new();
    let claude = Claude::new(&home, "s1");
    fs::create_dir(home.path("work/.git")).unwrap();
    let says = |of_run: bool| {
        let mut hook = claude.hook(&["pre-tool-use"]);
        hook.env_remove("ORCH_STATE_DIR");
        if of_run {
            hook.env("ORCH_RUN", "r");
        }
        let input = json!({ "tool_name": "Bash", "tool_input": { "command": "git push" } });
        said(finish(&mut hook, &claude.input(input)))
    };
    assert_eq!(says(false), Value::Null);
    assert_eq!(says(true)["hookSpecificOutput"]["permissionDecision"], "deny", "what we started is bound everywhere");
}
