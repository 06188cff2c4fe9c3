//! What a keeper tells of its child, what it keeps of it, and who outlives whom.

use crate::launch::kept::Kept;
use crate::support::program::PROGRAM;
use crate::support::program::Running;
use crate::support::program::eventually;
use orch_mcp::claude::command::Input;
use orch_mcp::keep::run::Standing;
use rustix::process::Signal;
use rustix::process::kill_process;
use std::fs;
use std::process::Command;
use std::process::Stdio;

#[test]
fn the_code_and_what_was_printed_are_told() {
    let script = "printf 'one\\ntwo'; echo oh >&2; echo $SET $TAKEN; cat; exit 3";
    let kept = Kept::shell(script, Input::Nothing);
    let end = kept.through(&[]);
    assert_eq!((end.code, end.signal, end.asked, end.not_started), (Some(3), None, false, None));
    assert_eq!(kept.printed(), "one\ntwoset\n");
    assert_eq!(kept.errors(), "oh\n");
    assert!(matches!(kept.standing(), Standing::Ended(_)));
}

#[test]
fn the_signal_that_ended_it_is_told() {
    let end = Kept::shell("kill -KILL $$", Input::Nothing).through(&[]);
    assert_eq!((end.code, end.signal, end.asked), (None, Some(9), false));
}

#[test]
fn a_file_stands_at_its_standard_input() {
    let kept = Kept::shell("cat", Input::File("/dev/null".into()));
    let prompt = "-x $(touch pwned) \u{1b}[31m\u{7}\r\n\n".to_owned() + &"y".repeat(100_000);
    kept.run.write(&kept.run.prompt(), &prompt).unwrap();
    let mut start = kept.run.start().unwrap();
    start.line.input = Input::File(kept.run.prompt());
    kept.run.tell_start(&start).unwrap();
    assert_eq!(kept.through(&[]).code, Some(0));
    assert!(kept.printed() == prompt);
}

#[test]
fn why_a_program_could_not_be_started_is_told() {
    let missing = Kept::program("/no/such/program", &[], Input::Nothing);
    let end = missing.through(&[]);
    assert_eq!((end.code, end.signal), (None, None));
    assert!(end.not_started.unwrap().contains("cannot start `/no/such/program`: No such file"), "the reason");

    let nowhere = Kept::shell("true", Input::Nothing);
    let mut start = nowhere.run.start().unwrap();
    start.cwd = nowhere.path("gone");
    nowhere.run.tell_start(&start).unwrap();
    assert!(nowhere.through(&[]).not_started.unwrap().contains("there is no directory"), "the reason");

    let unread = Kept::shell("true", Input::File("/no/such/prompt".into()));
    assert!(unread.through(&[]).not_started.unwrap().contains("/no/such/prompt"), "the reason");

    // Who ends with the same code was started all the same.
    assert_eq!(Kept::shell("exit 127", Input::Nothing).through(&[]).code, Some(127));
}

#[test]
fn a_run_has_one_keeper() {
    let kept = Kept::shell("echo $$ >> pids; exec cat", Input::Lines);
    let _first = kept.begin(&[]);
    kept.process("pids");
    let mut second = Running::start(kept.keeper(&[]).stderr(Stdio::null()));
    assert_eq!(second.ends().code(), Some(2));
    assert_eq!(fs::read_to_string(kept.path("pids")).unwrap().lines().count(), 1);
}

#[test]
fn endless_output_fills_no_more_than_its_bound_and_the_newest_is_kept() {
    let kept = Kept::shell("seq 1 300000; seq 1 300000 >&2; echo last; echo least >&2", Input::Nothing);
    kept.through(&["--stream-bytes", "100000", "--errors-bytes", "10000"]);
    let bytes = |paths: [std::path::PathBuf; 2]| paths.map(|path| path.metadata().unwrap().len()).iter().sum::<u64>();
    assert!(bytes(kept.run.stream()) < 201_000 && bytes(kept.run.stream()) > 100_000);
    assert!(bytes(kept.run.errors()) < 21_000);
    let printed = kept.printed();
    assert!(printed.ends_with("\n299999\n300000\nlast\n"));
    let whole: Vec<u32> = printed.lines().filter_map(|line| line.parse().ok()).collect();
    assert!(whole.windows(2).all(|pair| pair[1] == pair[0] + 1), "no line is cut, none is lost in between");
    assert!(kept.errors().ends_with("300000\nleast\n"));
}

#[test]
fn a_run_outlives_whoever_started_it_and_is_taken_over_by_its_files() {
    let kept = Kept::shell("echo here; read line; echo \"$line\"", Input::Lines);
    // As a supervisor does it, in whose terminal somebody then presses Ctrl-C.
    let mut supervisor = Command::new("/bin/sh");
    let script = format!("{PROGRAM} keep \"$0\" & echo $! > \"$0/started\"; wait");
    supervisor
        .args(["-c", &script])
        .arg(kept.run.dir())
        .envs(kept.keeper(&[]).get_envs().filter_map(|(name, value)| Some((name, value?))));
    let mut supervisor = Running::start(std::os::unix::process::CommandExt::process_group(&mut supervisor, 0));
    kept.until_printed("here");
    rustix::process::kill_process_group(rustix::process::Pid::from_child(&supervisor.child), Signal::KILL).unwrap();
    assert!(!supervisor.ends().success());
    let Standing::Runs(record) = kept.standing() else { panic!("{:?}", kept.standing()) };
    assert_eq!(kept.host.lives(record.child.as_ref().unwrap()), Some(true));
    kept.run.say("{\"taken\": \"over\"}", std::time::Duration::from_secs(5)).unwrap();
    assert_eq!(kept.until_ended().code, Some(0));
    assert_eq!(kept.printed(), "here\n{\"taken\": \"over\"}\n");
    kept.until_nothing_is_left();
}

#[test]
fn the_end_is_never_half_told() {
    // Keepers that end, and keepers that are killed about then: whoever looks finds all of it or nothing.
    for at in 0..8 {
        let kept = Kept::shell("echo x", Input::Nothing);
        let keeper = kept.begin(&[]);
        let pid = rustix::process::Pid::from_child(&keeper.child);
        eventually("some end", || {
            let end = kept.run.end().expect("never half written");
            let begun = kept.run.record().expect("never half written").is_some();
            if begun && at % 2 == 0 {
                let _ = kill_process(pid, Signal::KILL);
            }
            (end.is_some() || matches!(kept.standing(), Standing::Lost(_))).then_some(())
        });
    }
}
