//! The one file that watches files: something changed in a worktree, though not what. That is for git to say once it is quiet.

use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::host::Stopwatch;
use crate::launch::news::Since;
use crate::repo::git::Git;
use notify::Event;
use notify::RecommendedWatcher;
use notify::RecursiveMode;
use notify::Watcher;
use notify::recommended_watcher;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

/// What is ours, and git's own: nobody's work.
const NOT_WORK: [&str; 2] = [".git", ".orch"];

type Stamps = Arc<Mutex<Option<(Stopwatch, Stopwatch)>>>;

pub struct Eyes {
    watcher: RecommendedWatcher,
    root: PathBuf,
    /// Directories at the top, each with all below it.
    watched: BTreeSet<PathBuf>,
    stamps: Stamps,
}

impl Eyes {
    /// `ring` is called when something changes after a time in which nothing did.
    pub fn open(root: &Path, ring: impl Fn() + Send + 'static) -> Result<Eyes> {
        let stamps = Stamps::default();
        let (hears, top) = (Arc::clone(&stamps), root.to_owned());
        let watcher = recommended_watcher(move |event: notify::Result<Event>| {
            let Ok(event) = event else { return };
            // Where too much happened at once, nobody knows what it was.
            let is_change = !event.kind.is_access() && event.paths.iter().any(|path| is_work(&top, path));
            if (is_change || event.need_rescan()) && stamp(&hears) {
                ring();
            }
        });
        let mut eyes = Eyes {
            watcher: watcher.map_err(|cause| blind(root, &cause))?,
            root: root.to_owned(),
            watched: BTreeSet::new(),
            stamps,
        };
        eyes.watcher.watch(root, RecursiveMode::NonRecursive).map_err(|cause| blind(root, &cause))?;
        eyes.follow()?;
        Ok(eyes)
    }

    /// Watches what is new at the top, but not what git ignores there: to watch a directory of build results would cost more
    /// than all the rest, and it never comes to rest.
    pub fn follow(&mut self) -> Result<()> {
        let words = ["ls-files", "--others", "--ignored", "--exclude-standard", "--directory", "-z"];
        let ignored: BTreeSet<PathBuf> =
            Git::top(&self.root).names(&words)?.iter().map(|name| self.root.join(name.trim_end_matches('/'))).collect();
        let entries = fs::read_dir(&self.root).into_iter().flatten().flatten();
        let is_dir = |entry: &fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_dir());
        let dirs: BTreeSet<PathBuf> = entries
            .filter(is_dir)
            .map(|entry| entry.path())
            .filter(|dir| is_work(&self.root, dir) && !ignored.contains(dir))
            .collect();
        for gone in self.watched.difference(&dirs) {
            // It may be gone from the disk, and with it from what is watched.
            let _ = self.watcher.unwatch(gone);
        }
        for new in dirs.difference(&self.watched) {
            self.watcher.watch(new, RecursiveMode::Recursive).map_err(|cause| blind(new, &cause))?;
        }
        self.watched = dirs;
        Ok(())
    }

    /// How long ago something changed first, and last.
    pub fn since(&self) -> Option<Since> {
        stamps(&self.stamps).map(|(first, last)| Since { first: first.so_far(), last: last.so_far() })
    }

    /// What changed until now was looked at.
    pub fn blink(&self) {
        *stamps(&self.stamps) = None;
    }
}

/// Keeps watch for as long as it is kept.
pub struct Lookout {
    _watcher: RecommendedWatcher,
}

/// `ring` is called at each change in one of these folders, not below them: for files that people keep beside us.
pub fn look_out(folders: &[PathBuf], ring: impl Fn() + Send + 'static) -> Result<Lookout> {
    let watcher = recommended_watcher(move |event: notify::Result<Event>| {
        if event.is_ok_and(|event| !event.kind.is_access()) {
            ring();
        }
    });
    let whole = folders.first().map(PathBuf::as_path).unwrap_or(Path::new("."));
    let mut watcher = watcher.map_err(|cause| blind(whole, &cause))?;
    for folder in folders {
        watcher.watch(folder, RecursiveMode::NonRecursive).map_err(|cause| blind(folder, &cause))?;
    }
    Ok(Lookout { _watcher: watcher })
}

fn is_work(root: &Path, path: &Path) -> bool {
    let first = path.strip_prefix(root).ok().and_then(|below| below.components().next());
    first.is_some_and(|first| NOT_WORK.iter().all(|name| first.as_os_str() != *name))
}

/// Is it the first change?
fn stamp(all: &Stamps) -> bool {
    let mut stamps = stamps(all);
    let now = Stopwatch::start();
    let first = stamps.map(|(first, _)| first);
    *stamps = Some((first.unwrap_or(now), now));
    first.is_none()
}

fn stamps(all: &Stamps) -> MutexGuard<'_, Option<(Stopwatch, Stopwatch)>> {
    all.lock().unwrap_or_else(PoisonError::into_inner)
}

fn blind(path: &Path, cause: &notify::Error) -> Error {
    Error::new(Kind::Unavailable, format!("`{}` cannot be watched: {cause}", path.display())).hint(
        "the system's limit of watched directories may be reached; what changed is told with the next completed task",
    )
}
