//! Each command answers and ends as it does beside the store.

use crate::remote::team::Team;
use crate::remote::team::User;
use crate::support::program::Ended;
use crate::support::program::Home;

/// One command a line, in an order in which each has something to say. Words stand apart by spaces, `_` is one within.
const COMMANDS: &str = "
server-status
list-tasks
claim-task
register-instance amy --role builder
register-instance bob
register-instance amy
list-instances
get-instance amy
get-instance nobody
heartbeat -i amy --status busy
push-task First --description Some_words --priority high -i amy
push-task Second --depends-on 1 --link docs/a.md
push-tasks --tasks [{\"title\":\"Third\"},{\"title\":\"Fourth\",\"assignee\":\"bob\"}]
push-task Once --idempotency-key k1 -i amy
push-task Once --idempotency-key k1 -i amy
push-task Twice --idempotency-key k1 -i amy
list-tasks --limit 2
list-tasks --status nonsense
list-tasks --limit many
get-task 1
get-task 99
claim-task -i amy
claim-task -i amy
claim-task 1 -i bob
start-task 1 -i amy
renew-task 1 -i amy
update-task 1 --priority low
block-task 1 --reason Waiting -i amy
unblock-task 1 -i amy
complete-task 1 --result Done -i bob
complete-task 1 --result Done -i amy
wait-for-task 1 --timeout-seconds 1
wait-for-task 2 --timeout-seconds 1
claim-task 2 -i bob
fail-task 2 --error Broke -i bob
retry-task 2
release-task 2 -i bob
cancel-task 3
send-message Hello --to-name bob -i amy
send-message To_all --to everyone -i amy
send-message Lost --to-name nobody -i amy
request-help Help_me -i bob
peek-messages -i bob
poll-messages -i bob
poll-messages -i bob
poll-messages --all -i bob
poll-messages
wait-for-message --timeout-seconds 1 -i bob
wait-for-message -i amy
get-message 1 -i bob
get-message 99 -i bob
get-thread 1 -i bob
mark-read 1 -i bob
acknowledge-message 1 -i bob
dismiss-message 2 -i bob
list-receipts -i amy
set-context build/state green -i amy
set-context build/state red --expect-version 7 -i amy
get-context build/state
get-context build/none
watch-context build/state --since-version 0 --timeout-seconds 1
list-context-keys
delete-context build/state -i amy
reserve-files src/** -i amy
reserve-files src/main.rs -i bob
list-reservations
release-files -i amy
list-events --limit 3
list-events --kind task.
watch-events --cursor 0 --limit 1
tasks --format ids
list-instances --format table
list-tasks --format table
list-tasks --format jsonl
get-task 1 --format table
unregister-instance -i bob
unregister-instance -i bob
nonsense
get-task
";

fn words(line: &str) -> Vec<String> {
    line.split(' ').map(|word| if word.contains("{\"") { word.to_owned() } else { word.replace('_', " ") }).collect()
}

/// Names that are made by chance, times and paths say nothing.
fn told(ended: &Ended, home: &Home, names: &mut Vec<String>) -> String {
    let text = format!("{:?}\n{}\n{}", ended.status.code(), ended.out, ended.err);
    let text = text.replace(home.path("").to_str().unwrap().trim_end_matches('/'), "HOME");
    let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | ':' | '.');
    let mut said = String::new();
    for (word, rest) in
        text.split_inclusive(|c| !is_word(c)).map(|word| word.split_at(word.trim_end_matches(|c| !is_word(c)).len()))
    {
        if word.starts_with("i-") && word.len() == 12 {
            let at = names.iter().position(|name| name == word).unwrap_or_else(|| {
                names.push(word.to_owned());
                names.len() - 1
            });
            said.push_str(&format!("i-{at}"));
        } else if word.starts_with("20") && word.ends_with('Z') {
            said.push_str("TIME");
        } else {
            said.push_str(word);
        }
        said.push_str(rest);
    }
    said
}

/// How long ago something was is told in seconds, and columns are as wide as what stands in them.
fn without_spans(text: &str) -> String {
    let words = text.split_whitespace().map(|word| word.replace(|c: char| c.is_ascii_digit(), "0"));
    words.collect::<Vec<_>>().join(" ")
}

#[test]
fn every_command_answers_and_ends_as_it_does_beside_the_store() {
    let (team, beside) = (Team::new(), Home::new());
    let elsewhere: User = team.user();
    let (mut names_here, mut names_there) = (Vec::new(), Vec::new());
    for line in COMMANDS.lines().filter(|line| !line.is_empty()) {
        let words = words(line);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let here = told(&beside.run(&words), &beside, &mut names_here);
        let there = told(&elsewhere.run(&words), &elsewhere.home, &mut names_there);
        // The server's own start is an event, and its cursor one more.
        let is_of_events = line.contains("events") || line == "server-status";
        let is_in_words = line.contains("--format table");
        match (is_of_events, is_in_words) {
            (true, _) => assert_eq!(here.lines().next(), there.lines().next(), "{line}\n{here}\n{there}"),
            (_, true) => assert_eq!(without_spans(&here), without_spans(&there), "{line}\n{here}\n{there}"),
            _ => assert_eq!(here, there, "{line}"),
        }
    }
    assert!(names_here.len() >= 2, "there were names to tell apart: {names_here:?}");
    assert!(!elsewhere.home.path(".local").exists() && !elsewhere.home.path("work/.orch").exists(), "a store was made");
}
