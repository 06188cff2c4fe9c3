//! What belongs to a run ends with it, wherever it has gone: what only Linux lets a keeper promise.

use crate::launch::kept::Kept;
use crate::support::program::eventually;
use orch_mcp::claude::command::Input;
use orch_mcp::keep::keeper::kill_what_is_left;
use orch_mcp::keep::run::Standing;
use rustix::process::Signal;

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
fn a_child_dies_with_its_keeper() {
    let kept =
        Kept::python("import os,time\nopen('pid','w').write(f'{os.getpid()}\\n')\ntime.sleep(600)", Input::Nothing);
    let keeper = kept.begin(&[]);
    kept.process("pid");
    let record = kept.record();
    keeper.signal(Signal::KILL);
    kept.until_nothing_is_left();
    eventually("a keeper that was killed", || (kept.standing() == Standing::Lost(record.clone())).then_some(()));
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
    // One look could miss it, as it is another process at each moment.
    assert!((0..50).all(|_| kept.left().is_empty()));
}
