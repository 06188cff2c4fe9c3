//! The hooks of a session whose team is elsewhere.

use crate::remote::proxy::Fate;
use crate::remote::proxy::Proxy;
use crate::remote::team::Team;
use crate::remote::team::User;
use crate::support::program::finish;
use serde_json::Value;
use serde_json::json;
use std::net::TcpListener;
use std::process::Command;
use std::thread;

/// A session of a client that is this very process.
struct Claude<'a>(&'a User);

impl Claude<'_> {
    fn hook(&self, arguments: &[&str]) -> Command {
        self.wired(&[], arguments)
    }

    /// Called with these flags.
    fn wired(&self, flags: &[&str], arguments: &[&str]) -> Command {
        let mut hook = self.0.program(&[flags, &["hook"], arguments].concat());
        hook.env("CLAUDECODE", "1")
            .env("CLAUDE_PID", std::process::id().to_string())
            .env("CLAUDE_CODE_SESSION_ID", "s1")
            .env("CLAUDE_PROJECT_DIR", self.0.home.path("work"));
        hook
    }

    fn input(&self, mut fields: Value) -> String {
        fields["session_id"] = "s1".into();
        fields["cwd"] = self.0.home.path("work").to_str().unwrap().into();
        fields.to_string()
    }

    #[track_caller]
    fn says(&self, arguments: &[&str], fields: Value) -> Value {
        let ended = finish(&mut self.hook(arguments), &self.input(fields)).expect(0);
        assert_eq!(ended.err, "");
        if ended.out.is_empty() { Value::Null } else { ended.json() }
    }

    #[track_caller]
    fn context(&self, event: &str) -> String {
        let said = self.says(&[event], json!({}));
        said["hookSpecificOutput"]["additionalContext"].as_str().unwrap_or_default().to_owned()
    }

    #[track_caller]
    fn starts(&self) {
        let said = self.says(&["session-start", "--name", "amy"], json!({ "source": "startup" })).to_string();
        assert!(said.contains("You are amy"), "{said}");
    }
}

#[test]
fn a_session_joins_hears_of_its_mail_and_ends_elsewhere() {
    let team = Team::new();
    let user = team.user();
    let claude = Claude(&user);
    // Two checkouts of what the team works on.
    for home in [&team.home, &user.home] {
        std::fs::create_dir(home.path("work/.git")).unwrap();
    }
    claude.starts();
    team.home.ok(&["register-instance", "bob"]);
    team.home.ok(&["send-message", "Look here", "--to-name", "amy", "-i", "bob"]);
    assert!(claude.context("post-tool-batch").contains("Look here"));
    assert_eq!(claude.context("user-prompt-submit"), "");
    let receipts = team.home.ok(&["list-receipts", "-i", "bob"]);
    assert_eq!(receipts["receipts"][0]["state"], "seen", "{receipts}");
    team.home.ok(&["reserve-files", "src/**", "-i", "bob"]);
    let edit = json!({ "tool_name": "Edit", "tool_input": { "file_path": user.home.path("work/src/main.rs") } });
    let said = claude.says(&["pre-tool-use"], edit);
    assert_eq!(said["hookSpecificOutput"]["permissionDecision"], "deny", "{said}");
    team.home.ok(&["push-task", "Not yet done"]);
    team.home.ok(&["claim-task", "-i", "amy"]);
    assert_eq!(claude.says(&["stop"], json!({}))["decision"], "block");
    claude.says(&["session-end"], json!({ "reason": "other" }));
    assert_eq!(team.home.ok(&["get-instance", "amy"])["instance"]["session"]["activity"], "ended");
    assert!(!user.home.path(".local").exists() && !user.home.path("work/.orch").exists(), "a store was made");
}

#[test]
fn a_hook_over_a_line_that_breaks_tells_all_and_once() {
    let team = Team::new();
    let proxy = Proxy::to(team.address());
    let user = User::at(&proxy.url, &team.token);
    let claude = Claude(&user);
    proxy.next(&[Fate::Answered(0)]);
    claude.starts();
    for fate in [Fate::Swallowed, Fate::Answered(0), Fate::Answered(150)] {
        team.home.ok(&["send-message", "Look here", "--to-name", "amy", "-i", "amy"]);
        proxy.next(&[fate]);
        assert!(claude.context("post-tool-batch").contains("Look here"), "{fate:?}");
        assert_eq!(claude.context("post-tool-batch"), "", "{fate:?}");
    }
}

/// Standard error is the log, of which a session sees nothing.
#[test]
fn a_server_that_does_not_answer_holds_no_session_up_and_the_log_says_which_it_is() {
    // It takes connections, and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = format!("http://{}", silent.local_addr().unwrap());
    thread::scope(|scope| {
        for url in ["http://127.0.0.1:1", &silent] {
            scope.spawn(move || {
                let user = User::at(url, "token");
                let claude = Claude(&user);
                for event in ["session-start", "post-tool-batch", "stop", "session-end"] {
                    let ended = finish(&mut claude.hook(&[event]), &claude.input(json!({}))).expect(0);
                    assert_eq!(ended.out, "", "{event}");
                    assert!(ended.err.contains(&format!("`{url}` ")), "{event}: {}", ended.err);
                    assert!(!ended.err.contains("the store"), "{event}: {}", ended.err);
                }
            });
        }
    });
}

#[test]
fn each_shell_of_the_session_asks_where_the_session_does() {
    let team = Team::new();
    let user = team.user();
    let claude = Claude(&user);
    let (file, ca) = (user.home.path("env.sh"), user.home.path("some ca.pem"));
    let flags = ["--server", &team.url, "--ca", ca.to_str().unwrap()];
    for source in ["startup", "compact"] {
        let mut hook = claude.wired(&flags, &["session-start", "--join"]);
        hook.env_remove("ORCH_SERVER").env("CLAUDE_ENV_FILE", &file);
        finish(&mut hook, &claude.input(json!({ "source": source }))).expect(0);
    }
    let written = std::fs::read_to_string(&file).unwrap();
    let lines: Vec<&str> = written.lines().collect();
    let [who, server, vouching] = lines[..] else { panic!("{written}") };
    assert_eq!(server, format!("export ORCH_SERVER={}", team.url));
    assert_eq!(vouching, format!("export ORCH_CA='{}'", ca.display()));
    let who = who.strip_prefix("export ORCH_INSTANCE=").unwrap();
    let mut shell = user.program(&["server-status"]);
    assert_eq!(finish(shell.env("ORCH_INSTANCE", who), "").expect(0).data()["you"], who);
}
