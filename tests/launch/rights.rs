//! What no worker decides, whatever it says of itself and by whatever program it asks.

use crate::launch::fleet::PATIENCE;
use crate::launch::fleet::Team;
use crate::launch::fleet::code;
use crate::launch::tidy;
use crate::support::program::PROGRAM;
use crate::support::program::Running;
use crate::support::program::eventually_within;
use rustix::process::Signal;
use std::fs;
use std::path::PathBuf;
use std::process::Stdio;

/// A worker that runs these commands in its own shell, one after the other, and then does nothing more. Of each: what it said
/// and how it ended.
fn worker_runs(team: &Team, commands: &[String]) -> Vec<(i32, String)> {
    let place = |number: usize| -> PathBuf { team.home.path(&format!("said-{number}")) };
    let mut script: String = String::new();
    for (number, command) in commands.iter().enumerate() {
        let place = place(number);
        let place = place.display();
        script += &format!(
            "sim: run ({command}) >{place}.new 2>&1; echo \"ended $?\" >>{place}.new; mv {place}.new {place}\n"
        );
    }
    let task = team.task("t", &format!("{script}sim: complete done"));
    let mut launch = team.start(&["--workers", "1", "--until-done"]);
    assert_eq!(code(&mut launch), Some(0));
    assert_eq!(team.status(&task), "completed");
    let told = |number: usize| -> (i32, String) {
        let text = fs::read_to_string(place(number)).unwrap();
        let (said, ended) = text.rsplit_once("ended ").unwrap();
        (ended.trim().parse().unwrap(), said.to_owned())
    };
    (0..commands.len()).map(told).collect()
}

fn ours(words: &str) -> String {
    format!("{PROGRAM} {words}")
}

#[track_caller]
fn refused(all: &[(i32, String)]) {
    for (ended, said) in all {
        let is_told = said.contains("only the human answers") || said.contains("a worker does not say");
        assert!(*ended != 0 && is_told, "{ended}: {said}");
    }
}

#[test]
fn it_answers_nothing_makes_no_token_and_sets_no_rules_in_anybodys_name() {
    let team = Team::new();
    team.home.ok(&["register-instance", "amy"]);
    let question = team.home.ok(&["ask-human", "May I?", "-i", "amy"])["question_id"].as_str().unwrap().to_owned();
    let mut commands: Vec<String> = [
        format!("respond {question} yes"),
        format!("respond {question} yes -i amy"),
        "token create --role human --name mine".to_owned(),
        format!("launch --workers 3 --detach --client {}", team.client),
        format!("launch --wanted --client {}", team.client),
    ]
    .iter()
    .map(|words| ours(words))
    .collect();
    commands.push(format!("ORCH_INSTANCE=amy {}", ours(&format!("respond {question} yes"))));
    commands.push(format!("env -u ORCH_INSTANCE -u CLAUDECODE {}", ours(&format!("respond {question} yes"))));
    refused(&worker_runs(&team, &commands));
    assert_eq!(team.home.ok(&["get-question", &question])["question"]["state"], "open");
    assert_eq!(team.home.ok(&["token", "list"])["tokens"].as_array().map(Vec::len), Some(0));
}

/// Whoever reaches the owner's socket is the owner, but for workers.
#[test]
fn the_owners_socket_makes_nobody_a_person() {
    let team = Team::new();
    let socket = team.home.state_dir().join("http.sock");
    let _server = Running::start(team.home.program(&["serve", "--http", "127.0.0.1:0"]).stderr(Stdio::null()));
    eventually_within(PATIENCE, "the socket", || socket.exists().then_some(()));
    team.home.ok(&["register-instance", "amy"]);
    let question = team.home.ok(&["ask-human", "May I?", "-i", "amy"])["question_id"].as_str().unwrap().to_owned();
    let socket = socket.display();
    let python = format!(
        "python3 -c 'import socket,json; s=socket.socket(socket.AF_UNIX); s.connect(\"{socket}\"); \
         b=json.dumps(dict(question=\"{question}\",answer=\"yes\")); \
         s.sendall((\"POST /api/v1/answer_question HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\
         Content-Type: application/json\\r\\nContent-Length: \"+str(len(b))+\"\\r\\n\\r\\n\"+b).encode()); \
         print(s.makefile().read())'"
    );
    let told = worker_runs(
        &team,
        &[
            ours(&format!("--server unix:{socket} respond {question} yes -i amy")),
            python.clone(),
            format!("env -u ORCH_RUN {python}"),
        ],
    );
    refused(&told[..1]);
    for (_, said) in &told[1..] {
        assert!(said.contains("403") && said.contains("takes a token of role `human`"), "{said}");
    }
    assert_eq!(team.home.ok(&["get-question", &question])["question"]["state"], "open");
}

#[test]
fn it_lands_no_command_and_nothing_protected() {
    let team = tidy::team();
    let (task, _) = tidy::completed(&team, "a.txt", "x");
    let pwned = team.home.path("pwned");
    let told = worker_runs(
        &team,
        &[
            ours(&format!("land {task} --check 'touch {}'", pwned.display())),
            ours(&format!("land {task} --allow-protected -i amy")),
        ],
    );
    refused(&told);
    assert!(!pwned.exists());
}

#[test]
fn whoever_it_names_its_workers_are_one_deeper() {
    let team = Team::new();
    fs::write(team.home.state_dir().join("orch.toml"), "[launch]\ndepth_max = 0\n").unwrap();
    team.home.ok(&["register-instance", "amy"]);
    for (ended, said) in worker_runs(&team, &[ours("launch-workers docs 1"), ours("launch-workers docs 1 -i amy")]) {
        assert!(ended != 0 && said.contains("workers of workers may be 0 deep"), "{said}");
    }
}

#[test]
fn its_workers_spend_no_more_than_the_human_lets_them() {
    let team = Team::new();
    fs::write(team.home.state_dir().join("orch.toml"), "[launch]\ndollars_per_worker = 1.0\n").unwrap();
    let told = worker_runs(
        &team,
        &[
            ours("launch-workers docs 1 --limits '{\"dollars\": -5}'"),
            ours("launch-workers docs 1 --limits '{\"turns\": 0}'"),
        ],
    );
    for (ended, said) in told {
        assert!(ended != 0 && said.contains("must be at least "), "{said}");
    }
    team.home.ok(&["push-task", "dear", "--role", "reviewer", "--description", "sim: spend 1.5\nsim: hang"]);
    let more = ours("launch-workers reviewer 1 --limits '{\"dollars\": 100000}'");
    team.task("asks", &format!("sim: run {more}\nsim: complete done"));
    let mut launch = team.start(&["--workers", "1"]);
    let open = || team.home.ok(&["questions"])["questions"].as_array().unwrap().first().cloned();
    let question = eventually_within(PATIENCE, "it asks", open);
    assert!(question["text"].as_str().unwrap().contains("$1.50 of $1.00"), "{question}");
    launch.signal(Signal::TERM);
    assert_eq!(code(&mut launch), Some(0));
}
