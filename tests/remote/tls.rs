//! A server elsewhere that speaks TLS: who is trusted, and what is said where somebody is not.

use crate::remote::team::Team;
use crate::remote::team::User;
use crate::support::certificate::CERTIFICATE;
use crate::support::certificate::KEY;
use crate::support::certificate::NAMESAKE;
use crate::support::certificate::NAMESAKE_KEY;
use crate::support::program::BOTH_ERAS;
use crate::support::program::Ended;
use crate::support::program::Session;
use crate::support::program::finish;
use serde_json::Value;
use serde_json::json;

/// A team with a server that shows this certificate.
fn team_of(certificate: &'static str, key: &'static str) -> Team {
    Team::with(&["--tls-cert", certificate, "--tls-key", key])
}

/// Asks on a machine that trusts whoever signed what is in this file.
fn ask(user: &User, trusted: &str, more: &[&str]) -> Ended {
    let mut command = user.program(&[&["server-status"], more].concat());
    finish(command.env("SSL_CERT_FILE", trusted), "")
}

/// The message and the hint of an error of this code.
#[track_caller]
fn words(ended: Ended, exit: i32) -> (String, String) {
    let error = ended.expect(exit).error();
    let text = |field: &str| error[field].as_str().unwrap_or_else(|| panic!("no {field}: {error}")).to_owned();
    (text("message"), text("hint"))
}

#[test]
fn whoever_is_vouched_for_is_asked() {
    let team = team_of(CERTIFICATE, KEY);
    for host in ["localhost", "127.0.0.1"] {
        let user = User::at(&team.url.replace("127.0.0.1", host), &team.token);
        for (trusted, more) in
            [(NAMESAKE, &["--ca", CERTIFICATE][..]), (CERTIFICATE, &[]), (CERTIFICATE, &["--ca", NAMESAKE])]
        {
            let status = ask(&user, trusted, more).expect(0).data();
            assert_eq!(status["status"], "running", "{host} {trusted} {more:?}");
        }
        let mut told = user.program(&["push-task", "Work"]);
        finish(told.env("ORCH_CA", CERTIFICATE).env("SSL_CERT_FILE", NAMESAKE), "").expect(0);
    }
    assert_eq!(team.home.ok(&["list-tasks"])["total"], 2);
}

#[test]
fn whom_nobody_vouches_for_is_refused_with_what_to_do() {
    let team = team_of(CERTIFICATE, KEY);
    let user = team.user();
    let empty = user.home.path("empty.pem");
    std::fs::write(&empty, "").unwrap();
    // Nobody is trusted, or somebody who only has the name of who signed it.
    for trusted in [empty.to_str().unwrap(), NAMESAKE] {
        let (message, hint) = words(ask(&user, trusted, &[]), 6);
        let wanted = "is not trusted: nobody whom this machine trusts vouches for its certificate";
        assert_eq!(message, format!("`{}` {wanted}", team.url), "{trusted}");
        assert!(hint.contains("`--ca FILE`"), "{hint}");
        let (message, hint) = words(ask(&user, trusted, &["--ca", NAMESAKE]), 6);
        assert!(message.contains(&format!("neither `{NAMESAKE}` nor anybody")), "{message}");
        assert!(hint.contains("`--ca FILE`") && hint.contains("`--tls-cert`"), "{hint}");
    }
    for none in ["/no/such/file.pem", KEY] {
        let (message, hint) = words(ask(&user, NAMESAKE, &["--ca", none]), 2);
        assert!(message.contains(none) && hint.contains("`--ca`"), "{message} {hint}");
    }
    assert_eq!(team.home.ok(&["list-tasks"])["total"], 0);
}

#[test]
fn a_certificate_for_another_name_is_refused_and_its_names_are_told() {
    let team = team_of(NAMESAKE, NAMESAKE_KEY);
    for host in ["localhost", "127.0.0.1"] {
        let user = User::at(&team.url.replace("127.0.0.1", host), &team.token);
        let (message, hint) = words(ask(&user, CERTIFICATE, &["--ca", NAMESAKE]), 6);
        assert!(message.ends_with("is not trusted: its certificate is for another name"), "{message}");
        assert_eq!(hint, "call it by a name in its certificate: `team.example`, `*.team.example`, `10.0.0.7`");
    }
}

#[test]
fn who_speaks_tls_and_who_does_not_is_told_apart() {
    let tls = team_of(CERTIFICATE, KEY);
    let (message, hint) = words(ask(&User::at(&tls.url.replace("https", "http"), &tls.token), CERTIFICATE, &[]), 6);
    assert!(message.contains("does not speak HTTP") && hint.contains("`https://…`"), "{message} {hint}");
    let plain = Team::new();
    let (message, hint) = words(ask(&User::at(&plain.url.replace("http", "https"), &plain.token), CERTIFICATE, &[]), 6);
    assert!(message.contains("does not speak TLS") && hint.contains("`http://…`"), "{message} {hint}");
}

/// As `setup` writes it.
#[test]
fn a_session_and_its_hooks_go_through_tls() {
    let team = team_of(CERTIFICATE, KEY);
    let user = team.user();
    let flags = ["--server", &team.url, "--ca", CERTIFICATE];
    for (era, name) in BOTH_ERAS.into_iter().zip(["amy", "bob"]) {
        let mut command = user.program(&[&flags[..], &["serve", "--profile", "full"]].concat());
        let mut session = Session::open(command.env_remove("ORCH_SERVER"), era);
        session.call("register_instance", json!({ "name": name }));
        let wait = session.begin_call("wait_for_message", json!({ "timeout_seconds": 60 }));
        team.home.until_waiting(1);
        session.call("push_task", json!({ "title": "Work" }));
        team.home.ok(&["send-message", "Hello", "--to-name", name, "-i", name]);
        assert_eq!(session.answer(wait)["messages"][0]["content"], "Hello");
        session.end();
    }
    let mut hook = user.program(&[&flags[..], &["hook", "session-start", "--join", "--name", "carol"]].concat());
    hook.env_remove("ORCH_SERVER").env("CLAUDECODE", "1").env("CLAUDE_PID", std::process::id().to_string());
    let input = json!({ "session_id": "s1", "cwd": user.home.path("work"), "source": "startup" });
    let said: Value = finish(&mut hook, &input.to_string()).expect(0).json();
    assert!(said.to_string().contains("You are carol"), "{said}");
    assert_eq!(team.home.ok(&["list-instances"])["total"], 3);
}
