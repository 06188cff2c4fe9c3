//! Runs that are over go, and logs of evidence, but for the newest of them, which people look at.

use crate::host::Host;
use crate::keep::run;
use crate::keep::run::RunDir;
use crate::keep::run::Standing;
use crate::launch::witness;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::path::PathBuf;

/// Of each worker. The newest may not have been looked at yet by whoever looks after it.
pub const RUNS_KEPT_BY_CLEANUP: usize = 5;

/// Of the team. Each may have up to some thirty megabytes.
pub const LOGS_KEPT_BY_CLEANUP: usize = 100;

/// What `du` counts in.
const BLOCK_BYTES: u64 = 512;

/// What there was of one kind, and what became of it.
#[derive(Debug, Default)]
pub struct Pruned {
    pub gone: usize,
    pub stay: usize,
    /// Why some could not go.
    pub stuck: Option<String>,
    /// The room that those took which went.
    pub bytes: u64,
}

/// Removes what may go of each worker's runs, or says what would. What a keeper holds, and what none has taken up yet, stays.
pub fn runs(state_dir: &Path, host: &Host, is_dry: bool) -> Vec<(String, Pruned)> {
    let is_over = |run: &RunDir| matches!(run.standing(host), Ok(Standing::Ended(_) | Standing::Lost(_)));
    let prune = |mut runs: Vec<(u64, RunDir)>| {
        runs.sort_by_key(|(number, _)| std::cmp::Reverse(*number));
        let mut pruned = Pruned::default();
        for (place, (_, run)) in runs.iter().enumerate() {
            match place < RUNS_KEPT_BY_CLEANUP || !is_over(run) {
                true => pruned.stay += 1,
                false => pruned.remove(run.dir(), is_dry, |dir| fs::remove_dir_all(dir)),
            }
        }
        pruned
    };
    run::all(state_dir).into_iter().map(|(worker, runs)| (worker, prune(runs))).collect()
}

/// The same of what commands said that were run for evidence.
pub fn logs(state_dir: &Path, is_dry: bool) -> Pruned {
    let entries = fs::read_dir(state_dir.join(witness::LOGS)).into_iter().flatten().flatten();
    let written = |path: &PathBuf| path.symlink_metadata().and_then(|about| about.modified()).ok();
    let mut logs: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    logs.sort_by_key(|path| std::cmp::Reverse(written(path)));
    let mut pruned = Pruned { stay: logs.len().min(LOGS_KEPT_BY_CLEANUP), ..Pruned::default() };
    logs.iter().skip(LOGS_KEPT_BY_CLEANUP).for_each(|log| pruned.remove(log, is_dry, |log| fs::remove_file(log)));
    pruned
}

/// Removes one that is over.
pub fn forget(run: &RunDir, host: &Host) {
    if matches!(run.standing(host), Ok(Standing::Ended(_) | Standing::Lost(_))) {
        // What cannot go stays, and `cleanup` says why.
        let _ = fs::remove_dir_all(run.dir());
    }
}

impl Pruned {
    fn remove(&mut self, path: &Path, is_dry: bool, remove: impl FnOnce(&Path) -> io::Result<()>) {
        let bytes = room(path);
        match if is_dry { Ok(()) } else { remove(path) } {
            Ok(()) => (self.gone, self.bytes) = (self.gone + 1, self.bytes + bytes),
            Err(cause) => {
                self.stay += 1;
                self.stuck = Some(format!("`{}` cannot be removed: {cause}", path.display()));
            }
        }
    }
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
                _ => assert!(run.tell_end(&End::not_started(&host, "x".repeat(100_000))).unwrap()),
            }
        }
        fs::create_dir(dir.path().join("workers/amy/notes")).unwrap();
        let (_, would) = &runs(dir.path(), &host, true)[0];
        assert_eq!((would.gone, would.stay), (5, 7));
        assert!(would.bytes >= 500_000);
        let (_, done) = &runs(dir.path(), &host, false)[0];
        assert_eq!((done.gone, done.stay, done.bytes, &done.stuck), (5, 7, would.bytes, &None));
        let mut left: Vec<String> = fs::read_dir(dir.path().join("workers/amy"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(left, ["1", "10", "11", "12", "2", "8", "9", "notes"]);
        assert_eq!(runs(dir.path(), &host, false)[0].1.gone, 0);
    }

    #[test]
    fn the_newest_logs_stay() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(logs(dir.path(), false).gone, 0, "there are none");
        let place = dir.path().join(witness::LOGS);
        fs::create_dir(&place).unwrap();
        for number in 0..LOGS_KEPT_BY_CLEANUP + 3 {
            let log = fs::File::create(place.join(format!("task-{number:010}.log"))).unwrap();
            let written = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(number as u64);
            log.set_modified(written).unwrap();
        }
        assert_eq!((logs(dir.path(), true).gone, logs(dir.path(), false).gone), (3, 3));
        assert!(!place.join("task-0000000002.log").exists() && place.join("task-0000000003.log").exists());
        assert_eq!(logs(dir.path(), false).stay, LOGS_KEPT_BY_CLEANUP);
    }
}
