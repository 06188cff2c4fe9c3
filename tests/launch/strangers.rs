//! Processes that look like ours and are none: only what we started is ever ended.

use crate::launch::fleet::PATIENCE;
use crate::launch::fleet::Team;
use crate::launch::fleet::code;
use crate::support::program::PROGRAM;
use crate::support::program::Running;
use crate::support::program::eventually_within;
use rustix::process::Signal;
use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;
use std::process::Stdio;

/// A process that does nothing, called so and with these words, which ends with the test.
fn stranger(team: &Team, program: &str, name: &str, words: &[&str]) -> Running {
    let dir = team.home.path("others");
    fs::create_dir_all(&dir).unwrap();
    let file = dir.join(name);
    if !file.exists() {
        symlink(program, &file).unwrap();
    }
    let mut command = Command::new(file);
    command.args(words).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    Running::start(&mut command)
}

/// By the words of a living process, as others see them.
fn words_of(pid: u32) -> Vec<String> {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    line.split(|byte| *byte == 0)
        .filter(|word| !word.is_empty())
        .map(|word| String::from_utf8_lossy(word).into())
        .collect()
}

fn survive_a_stop(is_supervised: bool) {
    let team = Team::new();
    let task = team.task("t", "sim: hang");
    let mut launch = team.start(&["--workers", "1"]);
    team.until(&task, "in_progress");
    let run = team.living().pop().unwrap();
    let record = run.record().unwrap().unwrap();
    let child = record.child.unwrap().split('.').next().unwrap().parse().unwrap();
    // The very words of the worker's client, but for the files that are its own; and those of its keeper.
    let mut ours = words_of(child);
    ours.retain(|word| !word.starts_with("--settings=") && !word.starts_with("--mcp-config="));
    assert!(ours.len() > 5 && ours[0] == team.client, "{ours:?}");
    let alike: Vec<&str> =
        ours[1..].iter().map(String::as_str).filter(|word| !word.starts_with("--permission")).collect();
    let waits = ["-c", "read -r never"];
    let run_dir = run.dir().to_str().unwrap();
    let mut strangers = [
        stranger(&team, PROGRAM, "simulated-claude", &[&alike[..], &["--input-format=stream-json"]].concat()),
        stranger(&team, "/bin/sh", "claude", &[&waits[..], &alike].concat()),
        stranger(&team, "/bin/sh", "claude-executor-1", &waits),
        stranger(&team, "/bin/sh", "orch-mcp", &[&waits[..], &["keep", run_dir]].concat()),
    ];
    for stranger in &strangers {
        let looks = || (words_of(stranger.child.id()).len() > 1).then_some(());
        eventually_within(PATIENCE, "they run", looks);
    }
    if !is_supervised {
        launch.signal(Signal::KILL);
        code(&mut launch);
    }
    team.home.ok(&["stop", "--all"]);
    if is_supervised {
        assert_eq!(code(&mut launch), Some(0));
    }
    assert_eq!((team.living().len(), team.status(&task).as_str()), (0, "pending"));
    for stranger in &mut strangers {
        let words = words_of(stranger.child.id());
        assert!(stranger.child.try_wait().unwrap().is_none(), "it was ended, and is none of ours: {words:?}");
    }
}

#[test]
fn processes_that_are_called_like_ours_survive_the_stop_of_all() {
    survive_a_stop(true);
}

#[test]
fn they_survive_a_stop_that_nobody_but_the_command_sees_to() {
    survive_a_stop(false);
}
