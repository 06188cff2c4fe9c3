//! What changes where a worker works, seen by the times of its files and of git's records: nothing is run there, and no file is read.

use crate::host::Deadline;
use crate::keep::run::RunDir;
use crate::launch::liveness::SILENCE_MS;
use crate::model::worker::Worker;
use crate::repo::owner::name_behind_mark;
use crate::repo::worktree;
use crate::store::place;
use std::collections::VecDeque;
use std::fs;
use std::fs::Metadata;
use std::hash::DefaultHasher;
use std::hash::Hash;
use std::hash::Hasher;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

/// Who is in doubt stays so for minutes.
const LOOKS_EVERY_MS: i64 = 60_000;

/// Of a larger directory what lies nearest to its top is looked at: some ten milliseconds for all of it.
const ENTRIES_MAX: usize = 10_000;

/// A slow disk holds up whoever looks after the workers no longer than that.
const PATIENCE: Duration = Duration::from_millis(200);

/// What is ours, or git's own.
const NOT_WORK: [&str; 2] = [".git", ".orch"];

/// Of git's own: a commit, a checkout, something added, something fetched.
const RECORDS: [&str; 4] = ["HEAD", "index", "logs/HEAD", "FETCH_HEAD"];

/// How a directory stood at one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Print {
    digest: u64,
    /// All of it was looked at.
    is_whole: bool,
}

/// Follows the directory of one run. What we write there ourselves, the papers and the set-up, lies before a session
/// begins or after it has ended, and our git leaves the index as it is.
#[derive(Debug)]
pub struct Traces {
    top: PathBuf,
    records: Option<PathBuf>,
    state_dir: PathBuf,
    /// It is the worktree of this worker and of nobody else.
    is_own: bool,
    print: Option<Print>,
    looked: Option<i64>,
    changed: i64,
}

impl Traces {
    /// Nothing where it works outside of a repository: what lies around there could be anything, and any amount of it.
    pub fn of(run: &RunDir, worker: &Worker, state_dir: &Path) -> Option<Traces> {
        let top = place::repository(&run.start().ok()?.cwd)?.top;
        let task = worker.run.as_ref().and_then(|run| run.task).map(|task| task.to_string());
        let names = [Some(worker.name.clone()), task];
        let slug = worktree::slug_at(&top);
        let is_own =
            slug.is_some_and(|slug| names.iter().flatten().any(|name| worktree::slug(name) == name_behind_mark(slug)));
        let state_dir = state_dir.to_owned();
        let records = place::git_records(&top);
        Some(Traces { top, records, state_dir, is_own, print: None, looked: None, changed: 0 })
    }

    /// `now` is the clock of the watch of this run.
    pub fn look(&mut self, now: i64) {
        if self.looked.is_some_and(|looked| now - looked < LOOKS_EVERY_MS) {
            return;
        }
        self.looked = Some(now);
        let Some(print) = self.print_within(&Deadline::after(PATIENCE)) else { return };
        if self.print.is_none_or(|before| before.digest != print.digest) {
            self.changed = now;
        }
        self.print = Some(print);
    }

    /// How long ago something changed, as far as that says something of the worker; from the first look on, as nobody knows
    /// of anything before. In a checkout that others work in, too, a change may be anybody's and proves nothing; that nothing
    /// changed is true of each of them. Of a directory of which only a part was looked at it is the other way round.
    pub fn changed_ago(&self, now: i64) -> Option<i64> {
        let print = self.print?;
        let ago = now - self.changed;
        let tells = if ago < SILENCE_MS { self.is_own } else { print.is_whole };
        tells.then_some(ago)
    }

    /// Nothing if it takes too long.
    fn print_within(&self, deadline: &Deadline) -> Option<Print> {
        let mut told = DefaultHasher::new();
        for record in self.records.iter().flat_map(|records| RECORDS.map(|name| records.join(name))) {
            stamp(record.symlink_metadata().ok().as_ref(), &mut told);
        }
        let top = self.top.symlink_metadata().ok()?;
        let mut dirs = VecDeque::from([self.top.clone()]);
        let mut left = ENTRIES_MAX;
        while let Some(dir) = dirs.pop_front() {
            for entry in fs::read_dir(&dir).into_iter().flatten().flatten() {
                if deadline.passed() {
                    return None;
                }
                let path = entry.path();
                if NOT_WORK.iter().any(|name| entry.file_name() == *name) || path == self.state_dir {
                    continue;
                }
                if left == 0 {
                    return Some(Print { digest: told.finish(), is_whole: false });
                }
                left -= 1;
                let about = entry.metadata().ok();
                stamp(about.as_ref(), &mut told);
                // Another disk may be another machine's, which does not answer.
                if about.is_some_and(|about| about.is_dir() && about.dev() == top.dev()) {
                    dirs.push_back(path);
                }
            }
        }
        Some(Print { digest: told.finish(), is_whole: true })
    }
}

/// Whatever is done to a file changes it, and nobody can set it back.
fn stamp(about: Option<&Metadata>, told: &mut DefaultHasher) {
    about.map(|about| (about.ino(), about.len(), about.ctime(), about.ctime_nsec())).hash(told);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn traces(top: &Path, is_own: bool) -> Traces {
        let records = Some(top.join(".git"));
        let state_dir = top.join("state");
        Traces { top: top.to_owned(), records, state_dir, is_own, print: None, looked: None, changed: 0 }
    }

    const LONG: i64 = 10_000_000;

    #[test]
    fn a_change_is_a_sign_where_one_works_alone_and_silence_is_one_everywhere() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("src/deep")).unwrap();
        let (mut own, mut shared) = (traces(dir.path(), true), traces(dir.path(), false));
        assert_eq!(own.changed_ago(0), None, "nobody has looked");
        let mut look = |now: i64| {
            [&mut own, &mut shared].map(|one| {
                one.look(now);
                one.changed_ago(now)
            })
        };
        assert_eq!(look(LONG), [Some(0), None]);
        assert_eq!(look(LONG + SILENCE_MS), [Some(SILENCE_MS), Some(SILENCE_MS)]);
        let changes: [&dyn Fn(&Path); 4] = [
            &|dir| fs::write(dir.join("src/deep/new"), "x").unwrap(),
            &|dir| fs::write(dir.join("src/deep/new"), "longer").unwrap(),
            &|dir| fs::remove_file(dir.join("src/deep/new")).unwrap(),
            &|dir| {
                fs::create_dir(dir.join(".git")).unwrap();
                fs::write(dir.join(".git/HEAD"), "ref").unwrap();
            },
        ];
        for (nth, change) in (2..).zip(changes) {
            change(dir.path());
            assert_eq!(look(LONG + nth * SILENCE_MS), [Some(0), None], "change {nth}");
        }
        fs::create_dir_all(dir.path().join("state")).unwrap();
        fs::write(dir.path().join("state/orch.db"), "").unwrap();
        look(LONG + 6 * SILENCE_MS);
        fs::write(dir.path().join("state/orch.db"), "ours").unwrap();
        fs::write(dir.path().join(".git/orch-set-up"), "ours").unwrap();
        let since_the_last = 2 * SILENCE_MS;
        assert_eq!(look(LONG + 7 * SILENCE_MS), [Some(since_the_last); 2], "what is ours is nobody's work");
    }

    #[test]
    fn it_is_looked_at_once_a_minute() {
        let dir = tempfile::tempdir().unwrap();
        let mut own = traces(dir.path(), true);
        own.look(LONG);
        fs::write(dir.path().join("new"), "").unwrap();
        own.look(LONG + LOOKS_EVERY_MS - 1);
        assert_eq!(own.changed_ago(LONG + LOOKS_EVERY_MS - 1), Some(LOOKS_EVERY_MS - 1));
        own.look(LONG + LOOKS_EVERY_MS);
        assert_eq!(own.changed_ago(LONG + LOOKS_EVERY_MS), Some(0));
    }

    #[test]
    fn of_what_is_too_large_a_change_says_something_and_silence_nothing() {
        let dir = tempfile::tempdir().unwrap();
        for n in 0..=ENTRIES_MAX {
            fs::write(dir.path().join(n.to_string()), "").unwrap();
        }
        let mut own = traces(dir.path(), true);
        own.print = own.print_within(&Deadline::after(Duration::from_secs(60)));
        assert_eq!((own.changed_ago(5), own.changed_ago(SILENCE_MS)), (Some(5), None));
        assert_eq!(own.print_within(&Deadline::after(Duration::ZERO)), None, "nor does it take for ever");
    }
}
