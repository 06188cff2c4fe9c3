//! A worktree is made ready by the command of its role, in the process that then becomes the worker's program: so whoever
//! keeps or ends that keeps and ends this, too.

use crate::keep::run::RunDir;
use crate::keep::run::Start;
use crate::repo::shell::Errand;
use crate::repo::worktree::Trees;
use std::io;
use std::time::Duration;

/// Runs it where it has not succeeded yet.
pub fn make_ready(run: &RunDir, start: &Start) -> io::Result<()> {
    let Some(set_up) = &start.set_up else { return Ok(()) };
    let patience = Duration::from_secs(set_up.minutes_max * 60);
    let errand = Errand { command: set_up.command.clone(), patience, log: run.set_up_log() };
    let done = Trees::of(&start.cwd, None).and_then(|trees| trees.set_up(&start.cwd, &errand));
    match done.map_err(|error| io::Error::other(error.message))? {
        Some(outcome) if !outcome.passed() => {
            let message = format!("the set-up command `{}` {outcome}: {}", set_up.command, outcome.tail.trim());
            Err(io::Error::other(message))
        }
        _ => Ok(()),
    }
}
