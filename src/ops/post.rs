//! A place to wait: a doorbell that the store knows, until the wait is over or longer.

use crate::error::Result;
use crate::host::Deadline;
use crate::ops::Caller;
use crate::ops::Wait;
use crate::ops::execute::LocalDesk;
use crate::store::Mode;
use crate::store::Topic;
use crate::store::doorbell;
use crate::store::doorbell::Doorbell;
use crate::store::doorbell::Hangup;
use crate::store::open::LazyStore;
use std::cell::Cell;
use std::path::Path;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::OnceLock;
use std::sync::PoisonError;
use std::time::Duration;

/// A ring can be lost only with the process that committed: then the waiter finds the change by itself, this late.
const SAFETY_NET: Duration = Duration::from_secs(1);

/// A session waits for its mail again and again, and mostly for nothing else: so many doorbells stay where they are.
const KEPT_MAX: usize = 4;

/// Where many sessions are served by one process.
const KEPT_FOR_MANY_MAX: usize = 512;

/// The doorbells of this process that nobody waits at now and that the store still knows.
#[derive(Default)]
pub struct Posts {
    for_many: bool,
    kept: Mutex<Vec<(Vec<Topic>, Doorbell)>>,
    swept: OnceLock<()>,
}

impl Posts {
    pub fn for_callers(many: bool) -> Posts {
        Posts { for_many: many, ..Posts::default() }
    }

    /// Removes, once, the doorbells of waiters that ended without a word, by a signal at a terminal for one.
    pub fn sweep(&self, dir: &Path) {
        self.swept.get_or_init(|| doorbell::sweep(dir));
    }

    /// A doorbell for the same topics that somebody still can ring.
    fn reuse(&self, topics: &[Topic]) -> Option<Doorbell> {
        let mut kept = self.kept();
        let found = kept.iter().position(|(watched, _)| watched == topics)?;
        let (_, doorbell) = kept.swap_remove(found);
        doorbell.listen().then_some(doorbell)
    }

    fn keep(&self, topics: Vec<Topic>, doorbell: Doorbell) -> Option<Doorbell> {
        let mut kept = self.kept();
        if kept.len() >= if self.for_many { KEPT_FOR_MANY_MAX } else { KEPT_MAX } {
            return Some(doorbell);
        }
        doorbell.rest();
        kept.push((topics, doorbell));
        None
    }

    /// The process ends: so that nobody rings where nobody is.
    pub fn leave(&self, store: &mut LazyStore) {
        let kept: Vec<Doorbell> = self.kept().drain(..).map(|(_, doorbell)| doorbell).collect();
        forget(store, &kept).ok();
    }

    fn kept(&self) -> MutexGuard<'_, Vec<(Vec<Topic>, Doorbell)>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Should this fail, whoever rings next finds nobody there and the store forgets them then.
fn forget(store: &mut LazyStore, doorbells: &[Doorbell]) -> Result<()> {
    if doorbells.is_empty() {
        return Ok(());
    }
    let mut tx = store.for_writing()?.begin(Mode::Relaxed)?;
    doorbells.iter().try_for_each(|doorbell| tx.unwatch(doorbell.address()))?;
    tx.commit()
}

/// Where one call waits.
pub struct Post<'a> {
    desk: &'a LocalDesk,
    /// `None` only while it is dropped.
    doorbell: Option<Doorbell>,
    topics: Vec<Topic>,
    generation: Cell<u64>,
    /// The store has forgotten it already.
    left: Cell<bool>,
}

impl<'a> Post<'a> {
    pub fn take(desk: &'a LocalDesk, wait: &Wait) -> Result<Post<'a>> {
        let mut store = desk.writing();
        let store = store.for_writing()?;
        let (doorbell, known) = match desk.posts().reuse(&wait.topics) {
            Some(doorbell) => {
                // Somebody in a container may have the store without the path of the doorbell, and so take it for gone.
                let known = store.begin(Mode::Read)?.is_known(doorbell.address())?;
                (doorbell, known)
            }
            None => {
                let dir = store.doorbell_dir();
                desk.posts().sweep(&dir);
                (Doorbell::hang(&dir)?, false)
            }
        };
        if !known {
            let mut tx = store.begin(Mode::Relaxed)?;
            tx.watch(doorbell.address(), &wait.topics)?;
            tx.commit()?;
        }
        let generation = Cell::new(store.generation()?);
        let topics = wait.topics.clone();
        Ok(Post { desk, doorbell: Some(doorbell), topics, generation, left: Cell::new(false) })
    }

    pub fn address(&self) -> &str {
        self.doorbell().address()
    }

    /// The store keeps the doorbell of an inbox or a session, which rings only for its owner. All others would ring for
    /// nothing at every commit of anybody.
    pub fn is_worth_keeping(&self) -> bool {
        self.topics.iter().all(|topic| matches!(topic, Topic::Inbox(_) | Topic::Session(_) | Topic::Client(_)))
    }

    pub fn has_left(&self) {
        self.left.set(true);
    }

    /// Until the bell rings, the time has come to look again, or there is nothing left to wait for.
    pub fn sleep(&self, wait: &Wait, caller: &Caller, hangup: &Hangup, deadline: Deadline) -> Result<()> {
        let _attached = hangup.attach(self.doorbell());
        let look_again = wait.look_again_after.map(Deadline::after);
        while !deadline.passed() && !hangup.is_hung_up() && !look_again.is_some_and(Deadline::passed) {
            self.desk.still_here(caller)?;
            let longest = look_again.map_or(SAFETY_NET, |look| look.left().min(SAFETY_NET));
            if self.doorbell().wait(deadline.left().min(longest)) || self.something_changed()? {
                return Ok(());
            }
        }
        Ok(())
    }

    fn something_changed(&self) -> Result<bool> {
        let generation = self.desk.reading().for_reading()?.generation()?;
        Ok(self.generation.replace(generation) != generation)
    }

    fn doorbell(&self) -> &Doorbell {
        self.doorbell.as_ref().expect("it is taken down only by drop")
    }
}

impl Drop for Post<'_> {
    fn drop(&mut self) {
        let Some(doorbell) = self.doorbell.take().filter(|_| !self.left.get()) else { return };
        let unkept = match self.is_worth_keeping() {
            true => self.desk.posts().keep(std::mem::take(&mut self.topics), doorbell),
            false => Some(doorbell),
        };
        if let Some(doorbell) = unkept {
            forget(&mut self.desk.writing(), &[doorbell]).ok();
        }
    }
}
