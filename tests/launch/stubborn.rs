//! Workers that do not end when they should, and those that end when they should not: deaf ones, those that never stop
//! talking, those that cost too much, and a fleet in which anything may be killed at any moment.

use crate::launch::fleet::PATIENCE;
use crate::launch::fleet::Team;
use crate::launch::fleet::code;
use crate::launch::fleet::marked;
use crate::support::dice::Dice;
use crate::support::program::Running;
use crate::support::program::eventually_within;
use orch_mcp::host::Host;
use orch_mcp::keep::run::Standing;
use rustix::process::Pid;
use rustix::process::Signal;
use rustix::process::kill_process;

#[test]
fn who_is_deaf_to_every_wish_is_ended_all_the_same() {
    for mode in ["task", "long"] {
        let team = Team::new();
        let task = team.task("t", "sim: deaf\nsim: say deaf now\nsim: hang");
        let mut launch = team.start(&["--workers", "1", "--mode", mode]);
        let run = eventually_within(PATIENCE, "it is deaf", || {
            let run = team.living().pop()?;
            std::fs::read_to_string(&run.stream()[0]).ok()?.contains("deaf now").then_some(run)
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

/// Kills a keeper or the client under it, if there is one.
fn kill_somebody(team: &Team, dice: &mut Dice) {
    let mut living = team.living();
    if living.is_empty() {
        return;
    }
    let run = living.swap_remove(dice.below(living.len()));
    let Ok(Some(record)) = run.record() else { return };
    let victim = if dice.chance(50) { Some(record.keeper) } else { record.child };
    let pid = victim.and_then(|process| process.split('.').next()?.parse().ok()).and_then(Pid::from_raw);
    // It may just have ended by itself.
    let _ = pid.map(|pid| kill_process(pid, Signal::KILL));
}

#[test]
fn whoever_is_killed_in_between_every_task_is_completed_once_and_nothing_is_left() {
    for (mode, count) in [("task", 100), ("long", 40)] {
        let team = Team::new();
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
                kill_somebody(&team, &mut dice);
            }
        }
        drop(launch);
        let mut last = team.start(&["--wanted", "--until-done"]);
        assert_eq!(code(&mut last), Some(0), "{mode}");
        let open: Vec<_> = ids.iter().filter(|id| team.status(id) != "completed").collect();
        assert!(open.is_empty(), "{mode}: {open:?} {}", team.reason(open[0]));
        assert_eq!(team.events("task.completed").len(), count, "{mode}: each once");
        assert_eq!((team.living().len(), team.runs().iter().map(marked).sum::<usize>()), (0, 0), "{mode}");
    }
}
