//! What the human says from elsewhere: over HTTP and in a session of theirs an answer reaches the worker that waits for it, and
//! no worker answers in the human's place.

use crate::launch::fleet::PATIENCE;
use crate::launch::fleet::Team;
use crate::launch::fleet::code;
use crate::launch::staying::printed;
use crate::support::program::Era;
use crate::support::program::Running;
use crate::support::program::Session;
use crate::support::program::eventually_within;
use crate::support::program::lines_of;
use crate::support::web::Ask;
use crate::support::web::Link;
use crate::support::web::Told;
use serde_json::Value;
use serde_json::json;
use std::process::Stdio;

/// The team's own server over HTTP.
struct Door<'a> {
    team: &'a Team,
    port: u16,
    _server: Running,
}

impl Door<'_> {
    fn of(team: &Team) -> Door<'_> {
        let mut serve = team.home.program(&["serve", "--http", "127.0.0.1:0", "--json"]);
        let mut server = Running::start(serve.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()));
        let said = lines_of(server.child.stdout.take().unwrap()).recv_timeout(PATIENCE).unwrap();
        let ready: Value = serde_json::from_str(&said).unwrap();
        let port = ready["data"]["url"].as_str().unwrap().rsplit(':').next().unwrap().parse().unwrap();
        Door { team, port, _server: server }
    }

    fn token(&self, role: &str, name: &str) -> String {
        let made = self.team.home.ok(&["token", "create", "--role", role, "--name", name, "--json"]);
        made["token"].as_str().unwrap().to_owned()
    }

    fn post(&self, token: &str, path: &str, words: &Value) -> Told {
        Link::open(self.port).ask(&Ask::post(path, words).token(token))
    }
}

/// The id of what is asked with these words at its end.
fn asked(team: &Team, words: &str) -> String {
    team.until_state("executor-1", "needs_input");
    eventually_within(PATIENCE, words, || {
        let open = team.home.ok(&["questions"])["questions"].take();
        let one = open.as_array()?.iter().find(|one| one["text"].as_str().is_some_and(|text| text.ends_with(words)))?;
        Some(one["id"].as_str().unwrap().to_owned())
    })
}

const CALL: &str = "/api/v1/answer_question";

const SCRIPT: &str = "sim: ask Which one?\nsim: permit Bash {\"command\": \"make\"}\n\
                      sim: permit Bash {\"command\": \"rm x\"}\nsim: complete done";

/// What the worker heard, and that each of its calls waited for its answer until that came.
fn heard(team: &Team, by: &str) {
    let printed = printed(team);
    for words in
        ["The human says: the second", "Bash is allowed", &format!("Bash is denied: {by} denied this: not today")]
    {
        assert!(printed.contains(words), "{words}: {printed}");
    }
    assert_eq!(printed.matches("__wait_for_answer\"").count(), 1, "it was woken, and did not ask again: {printed}");
    assert_eq!(team.home.ok(&["questions", "--status", "all"])["total"], 3, "nobody was asked twice");
    assert_eq!(team.runs().len(), 1);
}

#[test]
fn the_humans_word_over_http_reaches_the_worker_that_waits_and_a_workers_does_not() {
    let team = Team::new();
    let door = Door::of(&team);
    let (human, others) = (door.token("human", "anne"), ["worker", "lead", "read"].map(|role| door.token(role, role)));
    let task = team.task("t", SCRIPT);
    let mut launch = team.start(&["--workers", "1", "--until-done"]);
    let says = |words: &str, path: &dyn Fn(&str) -> String, what: Value| {
        let id = asked(&team, words);
        let mut what = what;
        if path(&id) == CALL {
            what["question"] = id.as_str().into();
        }
        for token in &others {
            let told = door.post(token, &path(&id), &what);
            assert_eq!((told.status, told.code().as_str()), (403, "forbidden"), "{told:?}");
        }
        assert_eq!(asked(&team, words), id, "nobody has answered it");
        let told = door.post(&human, &path(&id), &what);
        assert_eq!(told.status, 200, "{told:?}");
    };
    let (by_name, by_place) = (|_: &str| CALL.to_owned(), |id: &str| format!("/questions/{id}/answer"));
    says("Which one?", &by_name, json!({ "answer": "the second" }));
    says("\nmake", &by_place, json!({ "decision": "approve" }));
    says("\nrm x", &by_name, json!({ "decision": "deny", "answer": "not today" }));
    team.until(&task, "completed");
    assert_eq!(code(&mut launch), Some(0));
    heard(&team, "anne");
}

/// A session of Claude Code's that is called so, if it is, and before which somebody sits, if it is the terminal's.
fn session(team: &Team, name: Option<&str>, entry: &str) -> Session {
    let mut serve = team.home.serve();
    serve.envs([("CLAUDECODE", "1"), ("CLAUDE_CODE_ENTRYPOINT", entry)]);
    serve.envs(name.map(|name| ("ORCH_INSTANCE", name)));
    Session::open(&mut serve, Era::Handshake("2025-11-25"))
}

#[test]
fn the_humans_word_in_a_session_of_theirs_reaches_the_worker_that_waits_and_a_workers_does_not() {
    let team = Team::new();
    let task = team.task("t", SCRIPT);
    let mut launch = team.start(&["--workers", "1", "--until-done"]);
    let first = asked(&team, "Which one?");
    let mut human = session(&team, None, "cli");
    let mut others = [session(&team, None, "sdk-cli"), session(&team, Some("executor-1"), "cli")];
    let mut says = |id: &str, mut what: Value| {
        what["question"] = id.into();
        for other in &mut others {
            other.refused("forbidden", "answer_question", what.clone());
        }
        human.call("answer_question", what);
    };
    says(&first, json!({ "answer": "the second" }));
    says(&asked(&team, "\nmake"), json!({ "decision": "approve" }));
    says(&asked(&team, "\nrm x"), json!({ "decision": "deny", "answer": "not today" }));
    team.until(&task, "completed");
    assert_eq!(code(&mut launch), Some(0));
    heard(&team, "human");
}
