//! How a run is ended: in order, in time, and with all that belongs to it.

use crate::launch::kept::Kept;
use crate::support::program::eventually;
use orch_mcp::claude::command::Input;
use orch_mcp::host::Stopwatch;
use orch_mcp::launch::keeper::kill_what_is_left;
use rustix::process::Signal;
use std::time::Duration;

/// Prints the signals that reach it.
const TELLS_SIGNALS: &str = "
import signal,time
def told(number, frame): print(signal.Signals(number).name)
for name in (signal.SIGINT, signal.SIGTERM): signal.signal(name, told)
print('ready')
while True: time.sleep(600)
";

/// Leaves a daemon behind, as `daemon(3)` does: in a session of its own, its parent gone, with no descriptor open.
const DAEMON: &str = "
import os,signal,time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.closerange(0, 1024)
        IGNORES
        with open('daemon','w') as out: out.write(f'{os.getpid()}\\n')
        time.sleep(600)
    os._exit(0)
os.wait()
";

const UNTIL_IT_IS_THERE: &str = "\nwhile not os.path.exists('daemon'): time.sleep(0.01)";

fn daemon(ignores_term: bool, then: &str) -> String {
    let ignores = if ignores_term { "signal.signal(signal.SIGTERM, signal.SIG_IGN)" } else { "pass" };
    DAEMON.replace("IGNORES", ignores) + then
}

#[test]
fn a_child_is_asked_first() {
    let script = "trap 'echo bye; exit 7' TERM; echo ready; while :; do sleep 600 & wait; done";
    let kept = Kept::shell(script, Input::Nothing);
    let mut keeper = kept.begin(&[]);
    kept.until_printed("ready");
    kept.tell(Signal::TERM);
    assert!(keeper.ends().success());
    let end = kept.until_ended();
    assert_eq!((end.code, end.signal, end.asked), (Some(7), None, true));
    assert_eq!(kept.printed(), "ready\nbye\n");
    assert_eq!(kept.left(), []);
}

#[test]
fn a_child_that_does_not_listen_is_ended_after_the_grace_time() {
    let kept = Kept::python(TELLS_SIGNALS, Input::Nothing);
    let mut keeper = kept.begin(&["--grace-secs", "1"]);
    kept.until_printed("ready");
    let watch = Stopwatch::start();
    kept.tell(Signal::TERM);
    assert!(keeper.ends().success());
    assert!(watch.so_far() >= Duration::from_secs(1));
    assert_eq!(kept.until_ended().signal, Some(9));
    assert_eq!(kept.printed(), "ready\nSIGTERM\n");
}

#[test]
fn whoever_asks_twice_waits_no_longer() {
    let kept = Kept::python(TELLS_SIGNALS, Input::Nothing);
    let mut keeper = kept.begin(&["--grace-secs", "3600"]);
    kept.until_printed("ready");
    kept.tell(Signal::TERM);
    kept.until_printed("SIGTERM");
    kept.tell(Signal::TERM);
    assert!(keeper.ends().success());
    assert_eq!(kept.until_ended().signal, Some(9));
}

#[test]
fn an_interrupt_reaches_the_child_alone() {
    let script = "
import os,signal,time
if os.fork() == 0:
    signal.signal(signal.SIGINT, lambda *_: print('below'))
    print('below is ready')
    while True: time.sleep(600)
signal.signal(signal.SIGINT, lambda *_: print('above'))
print('above is ready')
while True: time.sleep(600)
";
    let kept = Kept::python(script, Input::Nothing);
    let mut keeper = kept.begin(&["--grace-secs", "1"]);
    kept.until_printed("above is ready");
    kept.until_printed("below is ready");
    for count in 1..=2 {
        kept.tell(Signal::INT);
        eventually("an interrupt", || (kept.printed().matches("above\n").count() == count).then_some(()));
    }
    kept.tell(Signal::TERM);
    assert!(keeper.ends().success());
    assert!(!kept.printed().contains("below\n"), "{}", kept.printed());
    assert_eq!(kept.left(), []);
}

#[test]
fn a_daemon_ends_with_the_child_that_left_it() {
    let kept = Kept::python(&daemon(false, UNTIL_IT_IS_THERE), Input::Nothing);
    let end = kept.through(&[]);
    assert_eq!(end.code, Some(0));
    assert_eq!(kept.left(), [], "all of it had ended when the keeper did");
}

#[test]
fn a_daemon_that_does_not_listen_ends_too() {
    let kept = Kept::python(&daemon(true, UNTIL_IT_IS_THERE), Input::Nothing);
    let end = kept.through(&["--grace-secs", "1"]);
    assert_eq!((end.code, end.signal), (Some(0), None), "it is told how the child ended, not what it left");
    assert_eq!(kept.left(), []);
}

#[test]
fn a_run_that_is_ended_takes_its_daemons_along() {
    let kept = Kept::python(&daemon(true, "\nprint('ready')\ntime.sleep(600)"), Input::Nothing);
    let mut keeper = kept.begin(&["--grace-secs", "1"]);
    let daemon = kept.process("daemon");
    kept.until_printed("ready");
    assert!(kept.left().contains(&daemon));
    kept.tell(Signal::TERM);
    assert!(keeper.ends().success());
    assert_eq!(kept.until_ended().signal, Some(15));
    assert_eq!(kept.left(), []);
}

#[test]
fn what_a_killed_keeper_left_is_found_by_whoever_takes_over() {
    let kept = Kept::python(&daemon(true, "\nprint('ready')\ntime.sleep(600)"), Input::Nothing);
    let mut keeper = kept.begin(&[]);
    let daemon = kept.process("daemon");
    kept.until_printed("ready");
    kept.record();
    assert_eq!(kill_what_is_left(&kept.host, &kept.run).unwrap(), 0, "nothing, as long as somebody keeps it");
    keeper.signal(Signal::KILL);
    assert!(!keeper.ends().success());
    eventually("only the daemon is left", || (kept.left() == [daemon]).then_some(()));
    assert_eq!(kill_what_is_left(&kept.host, &kept.run).unwrap(), 1);
    kept.until_nothing_is_left();
    assert_eq!(kill_what_is_left(&kept.host, &kept.run).unwrap(), 0);
}

#[test]
fn what_forks_on_and_on_is_caught_up_with() {
    let script = "
import os,signal,time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print('ready')
while True:
    if os.fork() != 0: os._exit(0)
    os.setsid()
    time.sleep(0.001)
";
    let kept = Kept::python(script, Input::Nothing);
    kept.through(&["--grace-secs", "0"]);
    assert_eq!(kept.left(), []);
}
