//! Lines that break before a call arrived, and after it was carried out: nothing happens twice, and no message is lost.

use crate::remote::proxy::Fate;
use crate::remote::proxy::Proxy;
use crate::remote::team::Team;
use crate::remote::team::User;
use crate::support::program::Ended;
use crate::support::program::Running;
use crate::support::program::finish;
use serde_json::Value;
use std::io::Read;
use std::process::Stdio;

/// Before the call arrived, and at several places of its answer, the last but for one byte.
const FATES: [Fate; 6] = [
    Fate::Swallowed,
    Fate::Answered(0),
    Fate::Answered(9),
    Fate::Answered(150),
    Fate::Answered(700),
    Fate::Answered(usize::MAX),
];

/// More attempts than anybody makes.
pub const FOR_GOOD: usize = 1_000;

/// A team, and somebody who reaches it by a line that breaks.
struct Broken {
    team: Team,
    proxy: Proxy,
    user: User,
}

impl Broken {
    fn new() -> Broken {
        let team = Team::new();
        let proxy = Proxy::to(team.address());
        let user = User::at(&proxy.url, &team.token);
        Broken { team, proxy, user }
    }

    /// A command whose first requests break in this way.
    #[track_caller]
    fn after(&self, fates: &[Fate], arguments: &[&str]) -> Ended {
        let before = self.proxy.broken();
        self.proxy.next(fates);
        let ended = self.user.run(arguments);
        assert_eq!(self.proxy.broken() - before, fates.len(), "{arguments:?}: {ended:?}");
        ended
    }

    #[track_caller]
    fn here(&self, arguments: &[&str]) -> Value {
        self.team.home.ok(arguments)
    }

    /// A command that goes on while others do something.
    fn begin(&self, arguments: &[&str]) -> Running {
        let mut command = self.user.program(arguments);
        Running::start(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()))
    }
}

#[track_caller]
fn said(running: &mut Running) -> String {
    let status = running.ends();
    let (mut out, mut err) = (String::new(), String::new());
    running.child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    running.child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    assert!(status.success(), "{status}: {out} {err}");
    out
}

pub fn contents(mail: &Value) -> Vec<&str> {
    mail["messages"].as_array().unwrap().iter().map(|message| message["content"].as_str().unwrap()).collect()
}

#[test]
fn what_changes_something_happens_once_however_the_line_breaks() {
    let broken = Broken::new();
    for (at, fate) in FATES.into_iter().enumerate() {
        let name = format!("w{at}");
        let task = broken.after(&[fate], &["push-task", "Work"]).expect(0).data();
        let id = task["task"]["id"].as_str().unwrap().to_owned();
        assert_eq!(broken.here(&["list-tasks"])["total"], at + 1, "{fate:?}");
        let me = broken.after(&[fate], &["register-instance", &name]).expect(0).data();
        assert_eq!((&me["returned"], &me["incarnation"]), (&false.into(), &1.into()), "{fate:?}");
        let claimed = broken.after(&[fate, fate], &["claim-task", &id, "-i", &name]).expect(0).data();
        assert_eq!(claimed["token"], 1, "{fate:?}");
        let done = broken.after(&[fate], &["complete-task", &id, "-i", &name, "--result", "Done"]).expect(0).data();
        assert_eq!(done["task"]["status"], "completed", "{fate:?}");
        broken.after(&[fate], &["send-message", &name, "--to", "everyone", "-i", &name]).expect(0);
        let gone = broken.after(&[fate], &["unregister-instance", "-i", &name]).expect(0).data();
        assert_eq!(gone["instance_id"], me["instance"]["id"], "{fate:?}");
        assert_eq!(broken.here(&["server-status"])["instances_online"], 0, "who left stays away: {fate:?}");
    }
    for kind in ["task.pushed", "task.claimed", "task.completed", "instance.registered", "message.sent"] {
        let events = broken.here(&["list-events", "--cursor", "0", "--kind", kind]);
        assert_eq!(events["events"].as_array().unwrap().len(), FATES.len(), "{kind}: {events}");
    }
}

#[test]
fn a_key_of_ones_own_holds_over_broken_lines_too() {
    let broken = Broken::new();
    let push = ["push-task", "Once", "--idempotency-key", "k1"];
    let first = broken.after(&[Fate::Answered(0)], &push).expect(0).data();
    assert_eq!(first["task"]["id"], broken.user.ok(&push)["task"]["id"]);
    assert_eq!(broken.here(&["list-tasks"])["total"], 1);
}

#[test]
fn no_message_is_lost_and_none_comes_twice_however_the_line_breaks() {
    let broken = Broken::new();
    broken.here(&["register-instance", "amy"]);
    broken.here(&["register-instance", "bob"]);
    for command in ["poll-messages", "wait-for-message"] {
        for fate in FATES {
            broken.here(&["send-message", "Read me", "--to-name", "bob", "-i", "amy"]);
            let mail = broken.after(&[fate], &[command, "-i", "bob"]).expect(0).data();
            assert_eq!(contents(&mail), ["Read me"], "{command} {fate:?}");
            let mail = broken.user.ok(&["poll-messages", "-i", "bob"]);
            assert_eq!(contents(&mail), [""; 0], "{command} {fate:?}");
        }
    }
    let receipts = broken.here(&["list-receipts", "-i", "amy", "--limit", "50"]);
    let receipts = receipts["receipts"].as_array().unwrap();
    assert!(receipts.iter().all(|receipt| receipt["state"] == "seen"), "{receipts:?}");
}

/// Asked for, answered, and never heard: the line broke for the word that it was printed.
#[test]
fn mail_of_which_nobody_knows_whether_it_was_printed_is_not_lost() {
    let broken = Broken::new();
    broken.here(&["register-instance", "amy"]);
    broken.here(&["send-message", "Read me", "--to-name", "amy", "-i", "amy"]);
    let mail = broken.user.ok(&["poll-messages", "-i", "amy"]);
    assert_eq!(contents(&mail), ["Read me"]);
    assert_eq!(broken.proxy.asked(), ["poll_messages", "news_printed"]);
}

#[test]
fn who_waits_is_woken_over_a_line_that_broke_meanwhile() {
    let broken = Broken::new();
    broken.here(&["register-instance", "amy"]);
    let mut waiting = broken.begin(&["wait-for-message", "-i", "amy", "--timeout-seconds", "60"]);
    broken.team.home.until_waiting(1);
    broken.proxy.lead_to("127.0.0.1:1");
    broken.team.home.until_waiting(0);
    broken.proxy.lead_to(broken.team.address());
    broken.team.home.until_waiting(1);
    broken.here(&["send-message", "Wake up", "--to-name", "amy", "-i", "amy"]);
    assert!(said(&mut waiting).contains("Wake up"));
    assert_eq!(contents(&broken.user.ok(&["poll-messages", "-i", "amy"])), [""; 0]);
}

#[test]
fn who_waits_goes_on_at_the_next_server() {
    let mut broken = Broken::new();
    broken.here(&["register-instance", "amy"]);
    let mut waiting = broken.begin(&["wait-for-message", "-i", "amy", "--timeout-seconds", "60"]);
    broken.team.home.until_waiting(1);
    broken.team.restart();
    broken.proxy.lead_to(broken.team.address());
    broken.team.home.until_waiting(1);
    broken.here(&["send-message", "Wake up", "--to-name", "amy", "-i", "amy"]);
    assert!(said(&mut waiting).contains("Wake up"));
}

#[test]
fn a_call_under_way_goes_on_at_the_next_server() {
    let mut broken = Broken::new();
    broken.proxy.next(&[Fate::Answered(0)]);
    broken.proxy.lead_to("127.0.0.1:1");
    let mut pushing = broken.begin(&["push-task", "Work"]);
    broken.team.restart();
    broken.proxy.lead_to(broken.team.address());
    assert!(said(&mut pushing).contains("Work"));
    assert_eq!(broken.here(&["list-tasks"])["total"], 1);
}

#[test]
fn a_wait_whose_time_is_over_says_so_and_ends_as_it_does_beside_the_store() {
    let broken = Broken::new();
    broken.here(&["register-instance", "amy"]);
    let wait = ["wait-for-message", "-i", "amy", "--timeout-seconds", "1"];
    assert_eq!(broken.after(&[Fate::Swallowed, Fate::Answered(9)], &wait).expect(7).data()["timed_out"], true);
    let here = finish(&mut broken.team.home.program(&wait), "").expect(7);
    assert_eq!(here.data()["timed_out"], true);
}

/// The words in backticks.
fn quoted(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

#[test]
fn a_change_that_may_be_done_is_said_to_be_and_the_repeat_that_is_proposed_does_it_once() {
    let lost = |fate: Fate| {
        let broken = Broken::new();
        broken.proxy.next(&[fate; FOR_GOOD]);
        let error = broken.user.run(&["push-task", "Work"]).expect(6).error();
        assert_eq!(error["code"], "unavailable", "{error}");
        let (message, hint) = (error["message"].as_str().unwrap(), error["hint"].as_str().unwrap());
        assert!(message.starts_with(&format!("`{}` was lost before it answered (", broken.proxy.url)), "{message}");
        assert!(message.ends_with("), and may have done what it was asked"), "{message}");
        let [flag, key] = quoted(hint)[..] else { panic!("{hint}") };
        assert_eq!(hint, format!("repeat it with `--idempotency-key` `{key}`, and it is done once"));
        let done = u32::from(fate != Fate::Swallowed);
        assert_eq!(broken.here(&["list-tasks"])["total"], done, "{fate:?}");
        broken.proxy.next(&[]);
        let ids = [(); 2].map(|()| broken.user.ok(&["push-task", "Work", flag, key])["task"]["id"].clone());
        assert_eq!(ids[0], ids[1], "{fate:?}");
        assert_eq!(broken.here(&["list-tasks"])["total"], 1, "{fate:?}");
        let pushed = broken.here(&["list-events", "--cursor", "0", "--kind", "task.pushed"]);
        assert_eq!(pushed["events"].as_array().unwrap().len(), 1, "{fate:?}: {pushed}");
    };
    // Each of them takes all the time for which a command tries.
    std::thread::scope(|scope| {
        for fate in [Fate::Swallowed, Fate::Answered(0), Fate::Answered(150)] {
            scope.spawn(move || lost(fate));
        }
    });
}

/// Nothing of it is unclear, so nothing is said of a key.
#[test]
fn a_question_that_is_never_answered_is_only_not_answered() {
    let broken = Broken::new();
    broken.proxy.next(&[Fate::Answered(0); FOR_GOOD]);
    let error = broken.user.run(&["list-tasks"]).expect(6).error();
    assert!(error["message"].as_str().unwrap().contains("cannot be reached"), "{error}");
    assert!(!error.to_string().contains("idempotency"), "{error}");
}
