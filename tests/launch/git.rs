//! Git and commands, run within bounds.

use crate::launch::ground::Ground;
use crate::launch::ground::git;
use crate::support::program::eventually;
use orch_mcp::error::Kind;
use orch_mcp::host::Host;
use orch_mcp::repo::bounded::Ended;
use orch_mcp::repo::git::Git;
use orch_mcp::repo::shell;
use orch_mcp::store::doorbell::Hangup;
use std::fs;
use std::time::Duration;
use std::time::SystemTime;

#[test]
fn an_error_says_which_command_failed_where_and_what_git_said_last() {
    let ground = Ground::new();
    let error = Git::top(&ground.repo).ask(&["rev-parse", "--verify", "nowhere"]).unwrap_err();
    assert_eq!(error.kind, Kind::Unavailable);
    let wanted = format!(
        "`git rev-parse --verify nowhere` failed in `{}`: fatal: Needed a single revision",
        ground.repo.display()
    );
    assert_eq!(error.message, wanted);
}

#[test]
fn a_directory_within_a_checkout_is_not_taken_for_the_checkout() {
    let ground = Ground::new();
    ground.write("inner/file", "");
    assert!(Git::around(&ground.repo.join("inner")).ask(&["rev-parse", "HEAD"]).is_ok());
    assert!(Git::top(&ground.repo.join("inner")).ask(&["rev-parse", "HEAD"]).is_err());
}

#[test]
fn only_a_branch_is_a_branch() {
    let ground = Ground::new();
    let git = Git::top(&ground.repo);
    assert_eq!(git.branch("main").unwrap(), Some(ground.tip("main")));
    for hostile in ["main~0", "main^{tree}", "HEAD", "--all", "../heads/main", "main@{0}", "mai*", ":/first", ""] {
        assert_eq!(git.branch(hostile).unwrap(), None, "{hostile}");
    }
}

#[test]
fn to_look_at_a_checkout_writes_nothing_into_it() {
    let ground = Ground::new();
    // The same bytes at another time: `git status` would like to write that down.
    let file = fs::File::options().write(true).open(ground.repo.join("base.txt")).unwrap();
    file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000)).unwrap();
    let before = ground.checkout();
    assert_eq!(Git::top(&ground.repo).ask(&["status", "--porcelain"]).unwrap(), "");
    assert!(before == ground.checkout());
    git(&ground.repo, &["status"]);
    assert!(before != ground.checkout(), "this test would not notice");
}

#[test]
fn at_its_deadline_a_command_is_ended_with_its_children() {
    let ground = Ground::new();
    let pids = ground.path("pids");
    let command =
        format!("trap '' TERM; sleep 60 & echo $! >{0}.new; mv {0}.new {0}; echo begun; wait", pids.display());
    let mut errand = ground.errand(&command);
    errand.patience = Duration::from_millis(300);
    let outcome = shell::run(&errand, &ground.repo, &Hangup::new(), &mut |_| {}).unwrap();
    assert_eq!((outcome.ended, outcome.tail.as_str()), (Ended::TooLong, "begun"));
    let child: u32 = fs::read_to_string(&pids).unwrap().trim().parse().unwrap();
    eventually("the child ends", || Host::System.process_of(child).is_none().then_some(()));
}

#[test]
fn a_hang_up_ends_a_command_whatever_it_says() {
    let ground = Ground::new();
    for command in ["sleep 3600", "while :; do echo y; done"] {
        let hangup = Hangup::new();
        let ends = hangup.clone();
        let outcome = shell::run(&ground.errand(command), &ground.repo, &hangup, &mut |_| ends.hang_up()).unwrap();
        assert_eq!(outcome.ended, Ended::Unwanted);
    }
}

#[test]
fn what_a_command_leaves_behind_ends_with_it() {
    let ground = Ground::new();
    let pid = ground.path("pid");
    let command = format!("sleep 60 & echo $! >{}", pid.display());
    let outcome = shell::run(&ground.errand(&command), &ground.repo, &Hangup::new(), &mut |_| {}).unwrap();
    assert!(outcome.passed());
    let child: u32 = fs::read_to_string(&pid).unwrap().trim().parse().unwrap();
    eventually("the child ends", || Host::System.process_of(child).is_none().then_some(()));
}

#[test]
fn an_endless_output_fills_no_disk_and_its_end_is_kept() {
    let ground = Ground::new();
    let command = "head -c 40000000 /dev/zero | tr '\\0' x; echo; printf '\\033[2Jthe end'; exit 3";
    let outcome = shell::run(&ground.errand(command), &ground.repo, &Hangup::new(), &mut |_| {}).unwrap();
    assert_eq!(outcome.ended, Ended::Code(3));
    assert!(outcome.tail.ends_with("\u{fffd}[2Jthe end") && outcome.tail.len() < 9000, "{}", outcome.tail.len());
    let log = fs::metadata(ground.path("check.log")).unwrap().len();
    assert!(log > 16 << 20 && log < 17 << 20, "{log}");
    assert!(ground.log().trim_end().ends_with("s)"), "the log says how it ended");
}
