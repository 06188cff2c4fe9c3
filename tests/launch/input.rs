//! What is said to a long-lived child: whole lines, from whomever, and no half ones.

use crate::launch::kept::Kept;
use crate::support::program::eventually;
use orch_mcp::claude::command::Input;
use orch_mcp::keep::run::RunDir;
use rustix::process::Signal;
use serde_json::Value;
use serde_json::json;
use std::fs::OpenOptions;
use std::io::Write;
use std::thread;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn a_line_reaches_it_and_its_input_ends_with_the_run() {
    let kept = Kept::shell("echo ready; cat; echo end", Input::Lines);
    let mut keeper = kept.begin(&[]);
    kept.until_printed("ready");
    kept.run.say(r#"{"n": 1}"#, PATIENCE).unwrap();
    kept.until_printed("{\"n\": 1}\n");
    kept.run.say(r#"{"n": 2}"#, PATIENCE).unwrap();
    kept.until_printed("{\"n\": 2}\n");
    kept.tell(Signal::TERM);
    assert!(keeper.ends().success());
    assert!(kept.run.say("{}", Duration::ZERO).is_err(), "nobody reads any more");
}

#[test]
fn lines_of_several_writers_do_not_mix_however_long_they_are() {
    const WRITERS: usize = 4;
    const LINES: usize = 25;
    let kept = Kept::shell("exec cat", Input::Lines);
    let _keeper = kept.begin(&[]);
    kept.record();
    eventually("the input", || kept.run.input().exists().then_some(()));
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let run = RunDir::at(kept.run.dir());
            let text = writer.to_string().repeat(20_000);
            thread::spawn(move || {
                for number in 0..LINES {
                    run.say(&json!({ "by": writer, "number": number, "text": text }).to_string(), PATIENCE).unwrap();
                }
            })
        })
        .collect();
    for writer in writers {
        writer.join().unwrap();
    }
    let lines: Vec<Value> = eventually("all lines", || {
        let printed = kept.printed();
        (printed.lines().count() == WRITERS * LINES && printed.ends_with('\n'))
            .then(|| printed.lines().map(|line| serde_json::from_str(line).expect("a whole line")).collect())
    });
    for writer in 0..WRITERS {
        let numbers: Vec<_> = lines.iter().filter(|line| line["by"] == writer).map(|line| &line["number"]).collect();
        assert_eq!(numbers, (0..LINES).map(|number| json!(number)).collect::<Vec<_>>().iter().collect::<Vec<_>>());
    }
}

#[test]
fn a_line_whose_writer_died_is_left_out_and_costs_nobody_else_theirs() {
    let kept = Kept::shell("echo ready; exec cat", Input::Lines);
    let _keeper = kept.begin(&[]);
    kept.until_printed("ready");
    let mut died = OpenOptions::new().write(true).open(kept.run.input()).unwrap();
    died.write_all(b"{\"half\": \"of a li").unwrap();
    drop(died);
    kept.run.say("{\"whole\": true}", PATIENCE).unwrap();
    kept.until_printed("{\"whole\": true}\n");
    assert!(!kept.printed().contains("half"));
    eventually("a note", || kept.errors().contains("1 lines of input were left out").then_some(()));
}

#[test]
fn a_child_that_does_not_read_holds_up_the_writer_and_not_the_keeper() {
    let kept = Kept::shell("echo ready; exec sleep 600", Input::Lines);
    let mut keeper = kept.begin(&[]);
    kept.until_printed("ready");
    let long = json!({ "text": "x".repeat(60_000) }).to_string();
    let told = (0..100).map(|_| kept.run.say(&long, Duration::from_millis(50))).find_map(Result::err);
    assert_eq!(told.expect("it is too much").kind(), std::io::ErrorKind::TimedOut);
    kept.tell(Signal::TERM);
    assert!(keeper.ends().success());
}

#[test]
fn a_child_that_has_closed_its_input_goes_on() {
    let kept = Kept::shell("exec <&-; echo ready; until [ -e go ]; do sleep 0.01; done; echo done", Input::Lines);
    let mut keeper = kept.begin(&[]);
    kept.until_printed("ready");
    eventually("nobody who reads", || kept.run.say("{}", Duration::ZERO).err());
    std::fs::write(kept.path("go"), "").unwrap();
    assert!(keeper.ends().success());
    assert_eq!(kept.printed(), "ready\ndone\n");
}
