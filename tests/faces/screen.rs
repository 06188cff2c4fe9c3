//! The live screen in a real terminal: `top`, a launch in the foreground, and the demo.

use crate::support::program::Home;
use crate::support::program::PROGRAM;
use crate::support::program::eventually_within;
use crate::support::program::finish_within;
use crate::support::tmux::Tmux;
use crate::support::tmux::has_tmux;
use orch_mcp::host::Host;
use rustix::process::Pid;
use rustix::process::Signal;
use rustix::process::kill_process;
use serde_json::Value;
use serde_json::json;
use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(60);

struct Seat {
    home: Home,
    program: Command,
}

impl Seat {
    fn new() -> Seat {
        let home = Home::new();
        let mut program = home.program(&[]);
        program.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("USER", "rosa");
        symlink(PROGRAM, home.path("simulated-claude")).unwrap();
        Seat { home, program }
    }

    /// A terminal in which this is typed, and that stays when it has ended.
    fn runs(&self, words: &str) -> Tmux {
        Tmux::open(&self.program, &format!("'{PROGRAM}' {words}; echo it ended with $?; read never"))
    }

    fn task(&self, title: &str, script: &str) -> String {
        self.home.ok(&["push-task", title, "--description", script])["task"]["id"].as_str().unwrap().to_owned()
    }

    fn status(&self, task: &str) -> String {
        self.home.ok(&["get-task", task])["task"]["status"].as_str().unwrap().to_owned()
    }

    fn launch(&self) -> String {
        format!("launch --workers 1 --client '{}'", self.home.path("simulated-claude").display())
    }
}

#[test]
fn top_shows_what_happens_as_it_happens_and_gives_the_terminal_back() {
    if !has_tmux("top_shows_what_happens_as_it_happens_and_gives_the_terminal_back") {
        return;
    }
    let seat = Seat::new();
    seat.task("Find the leak", "");
    let terminal = seat.runs("top");
    terminal.until_shows("task-1   ready");
    seat.home.ok(&["register-instance", "amy", "--role", "builder"]);
    seat.home.ok(&["claim-task", "-i", "amy"]);
    terminal.until_shows("Find the leak by amy");
    seat.home.ok(&["ask-human", "-i", "amy", "Which pump?", "--options", "left,right"]);
    terminal.until_shows("Which pump?  [1 left, 2 right]");
    terminal.types("2");
    seat.home.ok(&["send-message", "-i", "amy", "--to", "all", "it \u{1b}[31mdrips"]);
    terminal.until_shows("amy to everyone: it \u{fffd}[31mdrips");
    terminal.presses("q");
    terminal.until_shows("it ended with 0");
    assert!(!terminal.screen().contains("Which pump?"), "what was there before is there again");
}

#[test]
fn whoever_waits_for_a_job_sees_how_far_it_is() {
    if !has_tmux("whoever_waits_for_a_job_sees_how_far_it_is") {
        return;
    }
    let seat = Seat::new();
    seat.home.ok(&["create-job", "Ship it", "--tasks", r#"[{"title":"a"},{"title":"b"}]"#]);
    let terminal = seat.runs("wait-for-job 1");
    terminal.until_shows("job-1 [------------------------------]   0 %  0 of 2 done");
    seat.home.ok(&["register-instance", "amy"]);
    seat.home.ok(&["claim-task", "1", "-i", "amy"]);
    seat.home.ok(&["complete-task", "1", "-i", "amy"]);
    terminal.until_shows("job-1 [###############---------------]  50 %  1 of 2 done");
    seat.home.ok(&["claim-task", "2", "-i", "amy"]);
    seat.home.ok(&["complete-task", "2", "-i", "amy"]);
    terminal.until_shows("job-0000000001 is completed: 2 of 2 done (100 %): Ship it");
    terminal.until_shows("it ended with 0");
    assert!(!terminal.screen().contains("[###"), "the bar is gone");
}

#[test]
fn what_top_is_asked_to_do_is_done_and_nothing_before() {
    if !has_tmux("what_top_is_asked_to_do_is_done_and_nothing_before") {
        return;
    }
    let seat = Seat::new();
    seat.home.ok(&["register-instance", "amy", "--role", "builder"]);
    seat.home.ok(&["ask-human", "-i", "amy", "Which pump?"]);
    let terminal = seat.runs("top");
    terminal.until_shows("Which pump?");
    terminal.types("a");
    terminal.until_shows("this screen only shows");
    terminal.types("!a");
    terminal.until_shows("answer to q-1 (Enter sends, Esc leaves): _");
    terminal.types("the left, of course");
    terminal.presses("Enter");
    terminal.until_shows("q-1 is answered");
    let asked = seat.home.ok(&["get-question", "1"]);
    assert_eq!(asked["question"]["answer"], "the left, of course");
    terminal.types("tWrite it down");
    terminal.presses("Enter");
    terminal.until_shows("ready");
    assert_eq!(seat.home.ok(&["list-tasks"])["tasks"][0]["title"], "Write it down");
}

/// A row that is too long ends at the right edge, and the keys stand in the last row.
#[test]
fn top_fills_a_terminal_that_becomes_smaller_and_larger_while_it_looks() {
    if !has_tmux("top_fills_a_terminal_that_becomes_smaller_and_larger_while_it_looks") {
        return;
    }
    let seat = Seat::new();
    seat.task(&"drip ".repeat(60), "");
    let terminal = seat.runs("top");
    let fills = |columns: usize, rows: usize| {
        let shown = || {
            let screen = terminal.screen();
            let wide = screen.lines().map(|line| line.chars().count()).max();
            let foot = screen.lines().position(|line| line.contains("? help"));
            (wide == Some(columns) && foot == Some(rows - 1)).then_some(())
        };
        eventually_within(PATIENCE, &format!("{columns}x{rows} are filled"), shown);
    };
    fills(100, 30);
    for (columns, rows) in [(80, 24), (160, 50), (81, 25)] {
        terminal.resizes(columns, rows);
        fills(columns, rows);
    }
    for (columns, rows) in [(60, 10), (79, 50), (200, 23)] {
        terminal.resizes(columns, rows);
        terminal.until_shows(&format!("this screen needs 80x24, and has {columns}x{rows}"));
    }
    // Not even a cell to write into.
    terminal.resizes(1, 1);
    terminal.resizes(120, 40);
    fills(120, 40);
    terminal.types("?");
    terminal.until_shows("Any key closes this.");
    terminal.resizes(80, 24);
    eventually_within(PATIENCE, "help in the smaller one", || {
        let screen = terminal.screen();
        (screen.contains(" Keys ") && screen.lines().all(|line| line.chars().count() <= 80)).then_some(())
    });
    terminal.types("xq");
    terminal.until_shows("it ended with 0");
}

#[test]
fn what_is_typed_as_a_filter_leaves_what_fits_until_it_is_taken_away() {
    if !has_tmux("what_is_typed_as_a_filter_leaves_what_fits_until_it_is_taken_away") {
        return;
    }
    let seat = Seat::new();
    seat.task("Find the leak", "");
    seat.task("Paint the door", "");
    let terminal = seat.runs("top");
    terminal.until_shows("Paint the door");
    assert!(terminal.screen().contains("Find the leak"));
    terminal.types("/LEAK");
    terminal.until_shows("filter: LEAK_");
    terminal.until_hides("Paint the door");
    terminal.presses("Enter");
    terminal.until_hides("LEAK_");
    // Keys mean what they meant, and what comes is filtered as well.
    seat.task("A leak in the cellar", "");
    seat.task("Sweep the yard", "");
    terminal.until_shows("A leak in the cellar");
    let screen = terminal.screen();
    assert!(screen.contains("Find the leak") && screen.contains("filter: LEAK"), "{screen}");
    assert!(!screen.contains("Paint the door") && !screen.contains("Sweep the yard"), "{screen}");
    terminal.types("/s");
    terminal.until_shows("nothing fits the filter; Esc takes it away");
    terminal.presses("Escape");
    terminal.until_shows("Sweep the yard");
    assert!(terminal.screen().contains("Paint the door"));
    terminal.types("q");
    terminal.until_shows("it ended with 0");
}

#[test]
fn a_signal_ends_top_and_leaves_the_terminal_as_it_was() {
    if !has_tmux("a_signal_ends_top_and_leaves_the_terminal_as_it_was") {
        return;
    }
    let seat = Seat::new();
    let pid = seat.home.path("pid");
    let top = format!("sh -c 'echo $$ > {}; exec {PROGRAM} top'", pid.display());
    let terminal = Tmux::open(&seat.program, &format!("{top}; echo it ended with $?; stty -a; read never"));
    terminal.until_shows("nothing is to be done");
    let number: i32 = fs::read_to_string(&pid).unwrap().trim().parse().unwrap();
    kill_process(Pid::from_raw(number).unwrap(), Signal::TERM).unwrap();
    terminal.until_shows("it ended with 0");
    terminal.until_shows(" icanon");
    terminal.until_shows(" echo ");
}

#[test]
fn a_terminal_that_is_closed_ends_top() {
    if !has_tmux("a_terminal_that_is_closed_ends_top") {
        return;
    }
    let seat = Seat::new();
    let pid = seat.home.path("pid");
    let terminal = Tmux::open(&seat.program, &format!("echo $$ > {}; exec {PROGRAM} top", pid.display()));
    terminal.until_shows("nothing is to be done");
    let number: u32 = fs::read_to_string(&pid).unwrap().trim().parse().unwrap();
    let process = Host::System.process_of(number).unwrap();
    drop(terminal);
    eventually_within(PATIENCE, "it ends", || (Host::System.lives(&process) == Some(false)).then_some(()));
}

#[test]
fn top_is_for_a_terminal() {
    let seat = Seat::new();
    let refused = seat.home.run(&["top"]).expect(8);
    assert!(refused.err.contains("`top` is for a person at a terminal"), "{}", refused.err);
}

#[test]
fn a_launch_in_the_foreground_is_looked_at_and_ends_with_its_screen() {
    if !has_tmux("a_launch_in_the_foreground_is_looked_at_and_ends_with_its_screen") {
        return;
    }
    let seat = Seat::new();
    let task = seat.task("Find the leak", "sim: say I look for it\nsim: hang");
    let terminal = seat.runs(&seat.launch());
    terminal.until_shows("* busy");
    terminal.presses("Enter");
    terminal.until_shows("I look for it");
    terminal.types("q");
    terminal.until_shows("stop the worker? y: yes, d: they go on (as --detach), any other key: no");
    terminal.types("nq");
    terminal.until_shows("stop the worker?");
    terminal.types("y");
    terminal.until_shows("it ended with 0");
    let told = terminal.screen();
    assert!(
        told.contains("hands back task-0000000001 \"Find the leak\"") && told.contains("executor-1  stopped"),
        "{told}"
    );
    assert_eq!(seat.status(&task), "pending");
}

#[test]
fn whoever_leaves_workers_running_leaves_somebody_who_looks_after_them() {
    if !has_tmux("whoever_leaves_workers_running_leaves_somebody_who_looks_after_them") {
        return;
    }
    let seat = Seat::new();
    let task = seat.task("Find the leak", "sim: hang");
    let terminal = seat.runs(&seat.launch());
    terminal.until_shows("* busy");
    let second = seat.runs(&seat.launch());
    second.until_shows("looks after 2 workers here already; this one stands by");
    second.types("q");
    second.until_shows("it ended with 0");
    assert!(second.screen().contains("this one only stood by and is left"), "{}", second.screen());
    terminal.types("qd");
    terminal.until_shows("it ended with 0");
    assert!(terminal.screen().contains("end: orch-mcp stop --all"), "{}", terminal.screen());
    eventually_within(PATIENCE, "another one looks after them", || {
        (seat.home.ok(&["list-workers"])["supervised"] == true).then_some(())
    });
    assert_eq!(seat.status(&task), "in_progress");
    seat.home.ok(&["stop", "--all"]);
    eventually_within(PATIENCE, "they end", || (seat.status(&task) == "pending").then_some(()));
}

#[test]
fn the_demo_ends_by_itself_and_leaves_nothing_behind() {
    let seat = Seat::new();
    let below = seat.home.path("temporary");
    fs::create_dir(&below).unwrap();
    let mut demo = seat.home.program(&["demo", "--speed", "1000"]);
    let ended = finish_within(PATIENCE, demo.env("TMPDIR", &below), "").expect(0);
    for words in [
        "10 of 10 tasks completed by 6 workers",
        "crashed and gone on with   1 session",
        "nobody answered in time, so it is card",
        "A planner splits the job \"Open the shop\", and 5 executors do it: only Claude is simulated, 1000 times as fast.",
        "refused                    sleeper, who slept over task-0000000001 and completed it too late: ",
    ] {
        assert!(ended.out.contains(words), "{words}:\n{}", ended.out);
    }
    assert_eq!(fs::read_dir(&below).unwrap().count(), 0);
    assert!(!seat.home.state_dir().exists());
}

/// Its team is as large as it says it may be, whatever others are held to.
#[test]
fn the_demo_has_as_many_workers_as_one_asks_for() {
    let seat = Seat::new();
    let mut demo = seat.home.program(&["demo", "--speed", "1000", "--workers", "32", "--json"]);
    let ended = finish_within(PATIENCE, &mut demo, "").expect(0);
    let summary: Value = serde_json::from_str(ended.out.lines().last().unwrap()).unwrap();
    assert_eq!((&summary["workers"], &summary["completed"]), (&json!(32), &json!(10)));
}

#[test]
fn the_demo_asks_whoever_watches_it() {
    if !has_tmux("the_demo_asks_whoever_watches_it") {
        return;
    }
    let seat = Seat::new();
    let terminal = seat.runs("demo --workers 3 --speed 50");
    terminal.until_shows("How do customers pay?  [1 card, 2 invoice, 3 both]");
    terminal.types("a3");
    terminal.presses("Enter");
    terminal.until_shows("answered                   you said both");
    terminal.until_shows("it ended with 0");
}

#[test]
fn whoever_leaves_the_demo_ends_it_and_sees_until_then_what_workers_print() {
    if !has_tmux("whoever_leaves_the_demo_ends_it_and_sees_until_then_what_workers_print") {
        return;
    }
    let seat = Seat::new();
    // Slow enough that nobody has answered for whoever watches before they leave.
    let terminal = seat.runs("demo --workers 3 --speed 4");
    terminal.until_shows("* busy");
    terminal.presses("Enter");
    terminal.until_shows("Working on it");
    terminal.until_shows("How do customers pay?");
    terminal.types("q");
    terminal.until_shows("it ended with 0");
    let told = terminal.screen();
    assert!(told.contains("asked                      How do customers pay?"), "{told}");
    assert!(told.contains("answered                   not before the end"), "{told}");
}

#[test]
fn the_demo_speaks_to_programs_in_objects() {
    let seat = Seat::new();
    let ended = finish_within(PATIENCE, &mut seat.home.program(&["demo", "--speed", "1000", "--json"]), "").expect(0);
    let lines: Vec<Value> = ended.out.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    assert_eq!(
        (lines.last().unwrap()["completed"].clone(), lines.last().unwrap()["tasks"].clone()),
        (json!(10), json!(10))
    );
}
