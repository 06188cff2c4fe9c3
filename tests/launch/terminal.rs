//! A run in a terminal: the child has it to itself, in a tmux that is nobody else's.

use crate::launch::kept::Kept;
use crate::support::program::eventually;
use crate::support::tmux::has_tmux;
use orch_mcp::claude::command::Input;
use rustix::process::Signal;
use std::process::Command;

struct Tmux<'a> {
    kept: &'a Kept,
}

impl Tmux<'_> {
    fn command(&self, arguments: &[&str]) -> Command {
        let mut tmux = Command::new("tmux");
        tmux.arg("-S").arg(self.kept.path("tmux")).args(["-f", "/dev/null"]).args(arguments);
        tmux.env_clear().envs(self.kept.keeper(&[]).get_envs().filter_map(|(name, value)| Some((name, value?))));
        tmux.env("TERM", "xterm-256color").env("LANG", "C.UTF-8");
        tmux
    }

    fn open(kept: &Kept) -> Tmux<'_> {
        let tmux = Tmux { kept };
        let keeper = kept.keeper(&["--terminal", "--grace-secs", "1"]);
        let mut open = tmux.command(&["new-session", "-d", "-x", "80", "-y", "24", "-s", "amy", "--"]);
        assert!(open.arg(keeper.get_program()).args(keeper.get_args()).status().unwrap().success());
        tmux
    }

    fn screen(&self) -> String {
        String::from_utf8(self.command(&["capture-pane", "-p", "-t", "amy"]).output().unwrap().stdout).unwrap()
    }

    #[track_caller]
    fn until_shows(&self, text: &str) {
        eventually(text, || self.screen().contains(text).then_some(()));
    }

    fn presses(&self, key: &str) {
        assert!(self.command(&["send-keys", "-t", "amy", key]).status().unwrap().success());
    }
}

impl Drop for Tmux<'_> {
    fn drop(&mut self) {
        let _ = self.command(&["kill-server"]).output();
    }
}

const ASKS_TERMINAL: &str = "
import os,signal,sys
tty = os.open('/dev/tty', os.O_RDWR)
front = os.tcgetpgrp(tty) == os.getpgrp()
print('in front:', front, [os.isatty(fd) for fd in (0, 1, 2)])
def told(*_):
    print('interrupted'); sys.exit(5)
signal.signal(signal.SIGINT, told)
print('ready')
print('read', sys.stdin.readline())
";

#[test]
fn the_child_has_the_terminal_and_what_is_typed_there() {
    if !has_tmux("the_child_has_the_terminal_and_what_is_typed_there") {
        return;
    }
    let kept = Kept::python(ASKS_TERMINAL, Input::Nothing);
    let tmux = Tmux::open(&kept);
    tmux.until_shows("in front: True [True, True, True]");
    tmux.until_shows("ready");
    tmux.presses("C-c");
    let end = kept.until_ended();
    assert_eq!((end.code, end.signal, end.asked), (Some(5), None, false));
    assert_eq!(kept.printed(), "", "nothing is copied");
}

#[test]
fn a_run_in_a_terminal_is_ended_like_any_other() {
    if !has_tmux("a_run_in_a_terminal_is_ended_like_any_other") {
        return;
    }
    let kept = Kept::python(ASKS_TERMINAL, Input::Nothing);
    let tmux = Tmux::open(&kept);
    tmux.until_shows("ready");
    kept.tell(Signal::TERM);
    let end = kept.until_ended();
    assert_eq!((end.signal, end.asked), (Some(15), true));
}

#[test]
fn a_terminal_that_is_closed_ends_its_run() {
    if !has_tmux("a_terminal_that_is_closed_ends_its_run") {
        return;
    }
    let kept = Kept::python(
        "import signal,time\nsignal.signal(signal.SIGHUP, signal.SIG_IGN)\nprint('ready')\ntime.sleep(600)",
        Input::Nothing,
    );
    let tmux = Tmux::open(&kept);
    tmux.until_shows("ready");
    drop(tmux);
    assert!(kept.until_ended().asked);
    kept.until_nothing_is_left();
}
