//! Workers that do not end when they should, and those that end when they should not: deaf ones, those that never stop
//! talking, those that cost too much, and a fleet in which anything may be killed at any moment.

use crate::launch::fleet::PATIENCE;
use crate::launch::fleet::Team;
use crate::launch::fleet::code;
use crate::launch::fleet::marked;
use crate::launch::ground::git;
use crate::launch::ground::init;
use crate::support::dice::Dice;
use crate::support::program::Running;
use crate::support::program::eventually_within;
use crate::support::program::finish_within;
use orch_mcp::host::Host;
use orch_mcp::host::Stopwatch;
use orch_mcp::keep::run::Standing;
use rustix::process::Pid;
use rustix::process::Signal;
use rustix::process::kill_process;
use std::fs;

#[test]
fn who_is_deaf_to_every_wish_is_ended_all_the_same() {
    for mode in ["task", "long"] {
        let team = Team::new();
        let task = team.task("t", "sim: deaf\nsim: say deaf now\nsim: hang");
        let mut launch = team.start(&["--workers", "1", "--mode", mode]);
        let run = eventually_within(PATIENCE, "it is deaf", || {
            let run = team.living().pop()?;
            fs::read_to_string(&run.stream()[0]).ok()?.contains("deaf now").then_some(run)
        });
        launch.signal(Signal::INT);
        assert_eq!((code(&mut launch), team.status(&task).as_str()), (Some(0), "pending"), "{mode}");
        let Ok(Standing::Ended(end)) = run.standing(&Host::System) else { panic!("{:?}", run.standing(&Host::System)) };
        assert_eq!((end.signal, marked(&run)), (Some(9), 0), "{mode}");
    }
}

#[test]
fn who_never_stops_talking_fills_no_more_than_its_bound_and_can_be_looked_at_and_stopped() {
    let team = Team::new();
    let task = team.task("t", "sim: flood");
    let mut launch = team.start(&["--workers", "1"]);
    let run = eventually_within(PATIENCE, "it talks", || {
        let run = team.living().pop()?;
        (run.stream()[0].metadata().ok()?.len() > 20_000_000).then_some(run)
    });
    team.until_state("executor-1", "busy");
    let shown = team.home.run(&["logs", "executor-1", "-n", "3", "--json"]).expect(0).out;
    assert_eq!(shown.lines().count(), 3);
    team.home.ok(&["stop", "executor-1"]);
    assert_eq!((code(&mut launch), team.status(&task).as_str()), (Some(0), "pending"));
    let bytes: u64 = run.stream().iter().filter_map(|path| path.metadata().ok()).map(|found| found.len()).sum();
    assert!(bytes < 3 * 64 * 1024 * 1024, "{bytes}");
}

#[derive(Clone, Copy, Debug)]
pub enum Victim {
    Keeper,
    Client,
    Server,
}

/// Kills a keeper, the client under it, or the server of that client. It may just have ended by itself.
pub fn kills(team: &Team, dice: &mut Dice, victim: Victim) -> Option<()> {
    let mut living = team.living();
    if living.is_empty() {
        return None;
    }
    let record = living.swap_remove(dice.below(living.len())).record().ok()??;
    let number = |process: String| process.split('.').next()?.parse().ok();
    let client = || record.child.and_then(number);
    let pid = match victim {
        Victim::Keeper => number(record.keeper),
        Victim::Client => client(),
        Victim::Server => client().and_then(server_of),
    };
    kill_process(Pid::from_raw(pid?)?, Signal::KILL).ok()
}

/// Among the children of this process, which are its hooks besides.
fn server_of(client: i32) -> Option<i32> {
    let all = fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let mut children = numbers.filter(|pid| parent_of(*pid) == Some(client));
    children.find(|pid| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.split(|byte| *byte == 0).any(|word| word == b"serve")
    })
}

/// That of the only worker, as soon as it has one.
#[track_caller]
fn kill_the_server(team: &Team) {
    eventually_within(PATIENCE, "it has a server", || {
        let record = team.living().pop()?.record().ok()??;
        let server = server_of(record.child?.split('.').next()?.parse().ok()?)?;
        kill_process(Pid::from_raw(server)?, Signal::KILL).ok()
    });
}

#[test]
fn what_was_asked_of_a_server_that_is_killed_is_asked_no_more_but_anew() {
    let team = Team::new();
    let task = team.task("t", "sim: permit Bash {\"command\": \"make\"}\nsim: complete done");
    let mut launch = team.start(&["--workers", "1", "--until-done"]);
    team.until_state("executor-1", "needs_input");
    let first = team.home.ok(&["questions"])["questions"][0]["id"].as_str().unwrap().to_owned();
    kill_the_server(&team);
    let second = eventually_within(PATIENCE, "it asks anew", || {
        let open = team.home.ok(&["questions"]);
        let id = open["questions"][0]["id"].as_str().filter(|id| *id != first)?;
        assert_eq!(open["total"], 1, "{open}");
        Some(id.to_owned())
    });
    assert_eq!(team.home.ok(&["get-question", &first])["question"]["state"], "withdrawn");
    team.home.ok(&["approve", &second]);
    team.until(&task, "completed");
    assert_eq!((code(&mut launch), team.runs().len()), (Some(0), 1));
}

#[test]
fn whoever_loses_its_server_has_another_at_the_next_call_and_goes_on() {
    for mode in ["task", "long"] {
        let team = Team::new();
        let task = team.task("t", "sim: ask Go on?\nsim: complete done");
        let mut launch = team.start(&["--workers", "1", "--mode", mode, "--until-done"]);
        team.until_state("executor-1", "needs_input");
        kill_the_server(&team);
        // Before its next call, and in the middle of it.
        kill_the_server(&team);
        team.home.ok(&["respond", "executor-1", "yes"]);
        team.until(&task, "completed");
        assert_eq!(code(&mut launch), Some(0), "{mode}");
        assert_eq!((team.runs().len(), team.worker("executor-1")["restarts"].as_u64()), (1, Some(0)), "{mode}");
        assert_eq!(team.home.ok(&["questions", "--status", "all"])["total"], 1, "{mode}");
    }
}

/// The name before it may hold anything.
fn parent_of(pid: i32) -> Option<i32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

#[test]
fn whoever_is_killed_in_between_every_task_is_completed_once_and_nothing_is_left() {
    for (mode, count) in [("task", 100), ("long", 40)] {
        let team = Team::new();
        init(&team.repo());
        git(&team.repo(), &["commit", "--quiet", "--allow-empty", "-m", "first"]);
        fs::create_dir(team.home.state_dir().join("roles")).unwrap();
        let role = "---\ndescription: d\nisolation: worktree-per-task\n---\nDo {{task_id}}.\n";
        fs::write(team.home.state_dir().join("roles/executor.md"), role).unwrap();
        let mut dice = Dice::new(7);
        let mut ids: Vec<String> = Vec::new();
        for number in 0..count {
            let needs: Vec<String> = ids.len().checked_sub(10).map(|at| ids[at].clone()).into_iter().collect();
            ids.push(team.task_after(&format!("t{number}"), "sim: work 40\nsim: complete done", &needs));
        }
        let mut launch = team.start(&["--workers", "8", "--mode", mode]);
        for kill in 1..=count / 4 {
            // One after another, over the whole of the work.
            let done = || team.events("task.completed").len();
            eventually_within(PATIENCE, "some are done", || (done() >= kill * 3).then_some(()));
            if dice.chance(25) {
                launch.signal(Signal::KILL);
                launch = Running::start(&mut team.launch(&["--wanted"]));
            } else {
                let victim = *dice.pick(&[Victim::Keeper, Victim::Client, Victim::Server, Victim::Server]);
                let _ = kills(&team, &mut dice, victim);
            }
        }
        drop(launch);
        let mut last = team.start(&["--wanted", "--until-done"]);
        assert_eq!(code(&mut last), Some(0), "{mode}");
        let open: Vec<_> = ids.iter().filter(|id| team.status(id) != "completed").collect();
        assert!(open.is_empty(), "{mode}: {open:?} {}", team.reason(open[0]));
        assert_eq!(team.events("task.completed").len(), count, "{mode}: each once");
        assert_eq!((team.living().len(), team.runs().iter().map(marked).sum::<usize>()), (0, 0), "{mode}");
        // What a supervisor that was killed had begun in a worktree may still be under way.
        let mut clean = None;
        let cleaned = Stopwatch::start();
        while cleaned.so_far() < PATIENCE && clean != Some((1, String::new())) {
            let said = finish_within(PATIENCE, &mut team.home.program(&["cleanup"]), "").expect(0).out;
            let trees = git(&team.repo(), &["worktree", "list"]).lines().count();
            let branches = git(&team.repo(), &["branch", "--list", "orch/*"]);
            clean = Some((trees, branches));
            if clean != Some((1, String::new())) {
                eprintln!("{mode}: {clean:?} {said}");
            }
        }
        assert_eq!(clean, Some((1, String::new())), "{mode}");
    }
}
