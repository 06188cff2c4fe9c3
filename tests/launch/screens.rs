//! Workers in a terminal of ours: a person looks, others' terminals are left alone, and every end is one of a process of ours.

use crate::launch::fleet::PATIENCE;
use crate::launch::fleet::Team;
use crate::launch::fleet::code;
use crate::support::program::PROGRAM;
use crate::support::program::eventually_within;
use crate::support::tmux::Tmux as Terminal;
use crate::support::tmux::has_tmux;
use orch_mcp::launch::tmux::Tmux;
use rustix::process::Signal;
use serde_json::json;
use std::process::Command;

/// The socket of the team's own tmux.
const OURS: &str = "state/tmux";

/// Somebody's own tmux, with a session that is called like one of ours.
struct Own<'a> {
    team: &'a Team,
}

impl Own<'_> {
    fn open(team: &Team) -> Own<'_> {
        let own = Own { team };
        assert!(own.tmux(&["new-session", "-d", "-s", "claude-executor-1", "--", "sleep", "1000"]).0);
        own
    }

    fn tmux(&self, words: &[&str]) -> (bool, String) {
        tmux(self.team, "work/own", words)
    }

    fn lives(&self) -> bool {
        self.tmux(&["has-session", "-t", "=claude-executor-1"]).0
    }
}

impl Drop for Own<'_> {
    fn drop(&mut self) {
        self.tmux(&["kill-server"]);
    }
}

fn tmux(team: &Team, socket: &str, words: &[&str]) -> (bool, String) {
    let mut tmux = Command::new("tmux");
    tmux.arg("-S").arg(team.home.path(socket)).args(["-f", "/dev/null"]).args(words);
    let output = tmux.env_remove("TMUX").output().unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
}

/// What stands on the worker's screen.
fn screen(team: &Team, worker: &str) -> String {
    tmux(team, OURS, &["capture-pane", "-p", "-S", "-", "-t", &format!("=claude-{worker}:")]).1
}

fn shows(team: &Team, worker: &str, words: &str) {
    eventually_within(PATIENCE, words, || screen(team, worker).contains(words).then_some(()));
}

#[test]
fn a_worker_in_a_terminal_works_off_what_there_is_and_is_told_when_there_is_more() {
    if !has_tmux("a worker in a terminal") {
        return;
    }
    let team = Team::new();
    let task = team.task("t", "sim: say look at this\nsim: complete done");
    let mut launch = team.start(&["--workers", "1", "--mode", "terminal"]);
    team.until(&task, "completed");
    shows(&team, "executor-1", "look at this");
    team.until_state("executor-1", "idle");
    let more = team.task("more", "sim: complete done");
    team.until(&more, "completed");
    team.home.ok(&["register-instance", "lead"]);
    team.home.ok(&["send-message", "--to", "executor-1", "the blue one", "-i", "lead"]);
    shows(&team, "executor-1", "the blue one");
    assert_eq!(team.worker("executor-1")["completed"], json!(2));
    team.home.ok(&["stop", "--all"]);
    assert_eq!((code(&mut launch), team.living().len()), (Some(0), 0));
    assert!(!tmux(&team, OURS, &["list-sessions"]).0, "our server has ended with its last session");
}

#[test]
fn a_terminal_of_somebody_else_survives_whatever_it_is_called() {
    if !has_tmux("terminals of others") {
        return;
    }
    let team = Team::new();
    let own = Own::open(&team);
    let mut launch = team.start(&["--workers", "1", "--mode", "terminal"]);
    team.until_state("executor-1", "idle");
    // And one of theirs on our own socket.
    assert!(tmux(&team, OURS, &["new-session", "-d", "-s", "claude-executor-12", "--", "sleep", "1000"]).0);
    team.home.ok(&["stop", "--all"]);
    assert_eq!((code(&mut launch), team.living().len()), (Some(0), 0));
    assert!(own.lives());
    assert_eq!(tmux(&team, OURS, &["list-sessions", "-F", "#{session_name}"]).1.trim(), "claude-executor-12");
    tmux(&team, OURS, &["kill-server"]);
}

/// Who looks at it sees what it shows, types into it, and leaves it running.
#[test]
fn whoever_attaches_sits_before_the_workers_terminal_and_leaves_it_running() {
    if !has_tmux("attach") {
        return;
    }
    let team = Team::new();
    let task = team.task("t", "sim: say look at this\nsim: complete done");
    let mut launch = team.start(&["--workers", "1", "--mode", "terminal"]);
    team.until(&task, "completed");
    team.until_state("executor-1", "idle");
    let refused = team.home.run(&["attach", "executor-1"]).expect(8);
    assert!(refused.err.contains("executor-1 is in a terminal, and this is none"), "{}", refused.err);
    let mut attach = team.home.program(&[]);
    attach.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    let seat = Terminal::open(&attach, &format!("'{PROGRAM}' attach @executor-1; echo it ended with $?; read never"));
    seat.until_shows("look at this");
    seat.types("are you there?");
    shows(&team, "executor-1", "are you there?");
    seat.presses("C-b");
    seat.types("d");
    seat.until_shows("it ended with 0");
    assert_eq!((team.worker("executor-1")["state"].clone(), team.runs().len()), (json!("idle"), 1));
    let more = team.task("more", "sim: complete done");
    team.until(&more, "completed");
    team.home.ok(&["stop", "--all"]);
    assert_eq!((code(&mut launch), team.living().len()), (Some(0), 0));
}

#[test]
fn a_terminal_that_a_person_closes_is_opened_again_with_its_thread() {
    if !has_tmux("a closed terminal") {
        return;
    }
    let team = Team::new();
    let task = team.task("t", "sim: hang");
    let mut launch = team.start(&["--workers", "1", "--mode", "terminal"]);
    team.until(&task, "in_progress");
    assert!(tmux(&team, OURS, &["kill-session", "-t", "=claude-executor-1"]).0);
    let again = || (team.runs().len() == 2).then_some(());
    eventually_within(PATIENCE, "another run", again);
    team.until_state("executor-1", "busy");
    launch.signal(Signal::INT);
    assert_eq!((code(&mut launch), team.status(&task).as_str()), (Some(0), "pending"));
}

#[test]
fn nothing_in_a_prompt_means_anything_to_the_terminal() {
    if !has_tmux("a hostile title") {
        return;
    }
    let team = Team::new();
    let title = "$(touch pwned) `id` ; tmux kill-server #{pane} #(touch pwned) \"'\\ -x C-c Enter";
    let task = team.task(title, "sim: complete done");
    let mut launch = team.start(&["--workers", "1", "--mode", "terminal", "--until-done"]);
    assert_eq!((code(&mut launch), team.status(&task).as_str()), (Some(0), "completed"));
    assert!(!team.home.path("work/pwned").exists() && !team.home.state_dir().join("pwned").exists());
    assert!(Tmux::of(&team.home.state_dir()).version().unwrap().starts_with("tmux "));
}
