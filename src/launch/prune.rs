//! Directories of runs that are over go, but for the newest few of each worker, which people look at.

use crate::host::Host;
use crate::keep::run;
use crate::keep::run::RunDir;
use crate::keep::run::Standing;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Of each worker. The newest may not have been looked at yet by whoever looks after it.
pub const RUNS_KEPT_BY_CLEANUP: usize = 5;

/// What `du` counts in.
const BLOCK_BYTES: u64 = 512;

/// The runs of one worker.
#[derive(Debug)]
pub struct Pruned {
    pub worker: String,
    pub gone: usize,
    pub stay: usize,
    /// Why some could not go.
    pub stuck: Option<String>,
    /// The room that those took which went.
    pub bytes: u64,
}

/// Removes what may go, or says what would. What a keeper holds, and what none has taken up yet, stays.
pub fn prune(state_dir: &Path, host: &Host, is_dry: bool) -> Vec<Pruned> {
    let workers = run::all(state_dir);
    workers.into_iter().map(|(worker, runs)| prune_runs(worker, runs, host, is_dry)).collect()
}

/// Removes one that is over.
pub fn forget(run: &RunDir, host: &Host) {
    if matches!(run.standing(host), Ok(Standing::Ended(_) | Standing::Lost(_))) {
        // What cannot go stays, and `cleanup` says why.
        let _ = fs::remove_dir_all(run.dir());
    }
}

fn prune_runs(worker: String, mut runs: Vec<(u64, RunDir)>, host: &Host, is_dry: bool) -> Pruned {
    let mut pruned = Pruned { worker, gone: 0, stay: 0, stuck: None, bytes: 0 };
    runs.sort_by_key(|(number, _)| std::cmp::Reverse(*number));
    for (place, (_, run)) in runs.iter().enumerate() {
        let is_over = matches!(run.standing(host), Ok(Standing::Ended(_) | Standing::Lost(_)));
        if place < RUNS_KEPT_BY_CLEANUP || !is_over {
            pruned.stay += 1;
            continue;
        }
        let bytes = room(run.dir());
        match if is_dry { Ok(()) } else { fs::remove_dir_all(run.dir()) } {
            Ok(()) => (pruned.gone, pruned.bytes) = (pruned.gone + 1, pruned.bytes + bytes),
            Err(cause) => {
                pruned.stay += 1;
                pruned.stuck = Some(format!("`{}` cannot be removed: {cause}", run.dir().display()));
            }
        }
    }
    pruned
}

/// What a directory, or a file, takes of the disk.
pub fn room(path: &Path) -> u64 {
    let Ok(about) = path.symlink_metadata() else { return 0 };
    let below = if about.is_dir() {
        fs::read_dir(path).into_iter().flatten().flatten().map(|entry| room(&entry.path())).sum()
    } else {
        0
    };
    about.blocks() * BLOCK_BYTES + below
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keep::run::End;
    use crate::keep::run::Record;
    use crate::model::time::Timestamp;

    #[test]
    fn the_newest_few_stay_and_so_does_whatever_is_not_over() {
        let dir = tempfile::tempdir().unwrap();
        let host = Host::manual(1);
        let us = host.process_of(std::process::id()).expect("this process");
        let record = Record { keeper: us, child: None, began_at: Timestamp::from_millis(7) };
        for number in 1..=12 {
            let run = RunDir::of(dir.path(), "amy", &number.to_string());
            run.make().unwrap();
            match number {
                1 => assert!(run.take(&record).unwrap(), "a keeper holds it"),
                2 => {}
                _ => run.tell_end(&End::not_started(&host, "x".repeat(100_000))).unwrap(),
            }
        }
        fs::create_dir(dir.path().join("workers/amy/notes")).unwrap();
        let would = &prune(dir.path(), &host, true)[0];
        assert_eq!((would.gone, would.stay), (5, 7));
        assert!(would.bytes >= 500_000);
        let done = &prune(dir.path(), &host, false)[0];
        assert_eq!((done.gone, done.stay, done.bytes, &done.stuck), (5, 7, would.bytes, &None));
        let mut left: Vec<String> = fs::read_dir(dir.path().join("workers/amy"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(left, ["1", "10", "11", "12", "2", "8", "9", "notes"]);
        assert_eq!(prune(dir.path(), &host, false)[0].gone, 0);
    }
}
