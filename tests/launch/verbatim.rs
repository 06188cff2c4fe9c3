//! Whatever a task is called and says reaches its worker byte for byte, in each mode, and is never run, expanded or shown as
//! anything else.

use crate::launch::fleet::Team;
use crate::launch::fleet::code;
use crate::support::program::files_below;
use crate::support::tmux::has_tmux;
use serde_json::Value;
use std::fs;

/// On one line: shells, tmux, terminals, templates, flags, paths.
const TITLE: &str = "$(touch pwned) -- --dangerously `touch pwned` ; touch pwned & | > pwned #(touch pwned) #{pane_id} %1 \
                     \"'\\'' \\x1b \u{1b}[2J\u{1b}]0;pwned\u{7}\u{9b}31m {{task_id}} {{#evidence}} ${HOME} ../../pwned \\u0000 \
                     \u{202e}drawkcab\u{200b} \u{fffd}\u{c3}\u{28} \u{fffe} e\u{301} 🦀 %s%n";

/// On many, also such as begin like commands of a client, of tmux and of a shell.
const TEXT: &str = "/exit\r\n/clear\n\u{3}\u{4}\u{1a}\u{8}\u{7f}\n'; touch pwned; '\n\"; touch pwned; \"\n$(touch pwned)\n\
                    `touch pwned`\n<<EOF\ntouch pwned\nEOF\n\u{1b}P+q544e\u{1b}\\\u{1b}[6n\u{1b}[201~touch pwned\n\
                    C-c Enter\n:run-shell 'touch pwned'\n#(touch pwned)\n\u{90}\u{9c}\u{85}\u{2028}\u{2029}\n\
                    \u{ef}\u{bf}\u{bd} \u{c0}\u{80} \\377\\376 %ff%fe\n{\"type\":\"result\"}\n\ttabs and blanks at its end  \t \n\n";

fn reaches_its_worker(mode: &str) {
    let team = Team::new();
    let record = team.home.path("record");
    let description = format!("{TEXT}sim: record {}\nsim: complete done\n{TEXT}", record.display());
    let task = team.task(TITLE, &description);
    let mut launch = team.start(&["--workers", "1", "--mode", mode, "--until-done"]);
    assert_eq!((code(&mut launch), team.status(&task).as_str()), (Some(0), "completed"), "{mode}");
    let told: Value = serde_json::from_str(&fs::read_to_string(record).unwrap()).unwrap();
    assert_eq!((told["title"].as_str(), told["description"].as_str()), (Some(TITLE), Some(&*description)), "{mode}");
    let prompt = told["prompt"].as_str().unwrap();
    if mode == "task" {
        assert!(prompt.contains(TITLE) && prompt.contains(&description), "{prompt}");
    }
    let made: Vec<_> = files_below(&team.home.path("")).into_iter().filter(|file| file.ends_with("pwned")).collect();
    assert!(made.is_empty(), "{mode}: something was run: {made:?}");
    assert_eq!(team.events("task.completed").len(), 1);
}

#[test]
fn the_words_of_a_task_reach_a_session_of_one_task_byte_for_byte() {
    reaches_its_worker("task");
}

#[test]
fn the_words_of_a_task_reach_a_session_that_stays_byte_for_byte() {
    reaches_its_worker("long");
}

#[test]
fn the_words_of_a_task_reach_a_session_in_a_terminal_byte_for_byte() {
    if has_tmux("the words of a task in a terminal") {
        reaches_its_worker("terminal");
    }
}
