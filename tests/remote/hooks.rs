//! The hooks of a session whose team is elsewhere.

use crate::remote::proxy::Fate;
use crate::remote::proxy::Proxy;
use crate::remote::team::Team;
use crate::remote::team::User;
use crate::support::program::Running;
use crate::support::program::finish;
use serde_json::Value;
use serde_json::json;
use std::io::Write;
use std::process::Command;
use std::process::Stdio;

/// A session of a client that is this very process.
struct Claude<'a>(&'a User);

impl Claude<'_> {
    fn hook(&self, arguments: &[&str]) -> Command {
        let mut hook = self.0.program(&[&["hook"], arguments].concat());
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

#[test]
fn a_server_that_is_not_there_holds_no_session_up_and_says_nothing() {
    let user = User::at("http://127.0.0.1:1", "token");
    let claude = Claude(&user);
    for event in ["session-start", "post-tool-batch", "stop", "session-end"] {
        let mut hook = claude.hook(&[event]);
        let mut hook = Running::start(hook.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()));
        hook.child.stdin.take().unwrap().write_all(claude.input(json!({})).as_bytes()).unwrap();
        assert!(hook.ends().success(), "{event}");
    }
}
