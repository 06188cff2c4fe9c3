//! How a run is ended: in order and in time.

use crate::launch::kept::Kept;
use crate::support::program::eventually;
use orch_mcp::claude::command::Input;
use orch_mcp::host::Stopwatch;
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
