//! What was read of callers and of the task at hand, and need not be read again: nobody else has changed anything since.

use crate::model::id::InstanceId;
use crate::model::id::TaskId;
use crate::model::instance::Instance;
use crate::model::task::Standing;
use crate::model::task::Task;

/// Most calls ask for the same instance again and again, and change the one task that they have read.
#[derive(Default)]
pub(super) struct Memo {
    /// How many commits had been seen when all of this was so.
    commits_seen: u32,
    /// By the column it was looked for in, and the value.
    instances: Vec<(&'static str, String, Option<Instance>)>,
    stood: Option<Stood>,
    /// Whose unread messages were counted, how far, and how many there are.
    unread: Option<(InstanceId, u32, u32)>,
    /// Does anybody wait for anything?
    pub anybody_waits: Option<bool>,
    /// Does any task that is ready want something to itself?
    pub anything_wanted: Option<bool>,
}

struct Stood {
    task: TaskId,
    version: u64,
    queue: String,
    standing: Standing,
}

/// More callers than one process usually speaks for.
const INSTANCES_MAX: usize = 64;

impl Memo {
    /// A transaction begins: what others committed since may be about anything.
    pub fn begin(&mut self, commits_seen: u32) {
        if self.commits_seen != commits_seen {
            *self = Memo { commits_seen, ..Memo::default() };
        }
    }

    /// A transaction of this connection was committed, and nothing between.
    pub fn commit(&mut self, commits_seen: u32) {
        self.commits_seen = commits_seen;
    }

    /// What this connection did is undone.
    pub fn forget_all(&mut self) {
        *self = Memo { commits_seen: self.commits_seen, ..Memo::default() };
    }

    pub fn instance(&self, column: &str, value: &str) -> Option<&Option<Instance>> {
        let found = self.instances.iter().find(|(by, wanted, _)| *by == column && wanted == value);
        found.map(|(_, _, instance)| instance)
    }

    pub fn keep_instance(&mut self, column: &'static str, value: &str, instance: &Option<Instance>) {
        if self.instances.len() >= INSTANCES_MAX {
            self.instances.clear();
        }
        self.instances.push((column, value.to_owned(), instance.clone()));
    }

    /// Some instance is about to change.
    pub fn forget_instances(&mut self) {
        self.instances.clear();
    }

    pub fn unread(&self, recipient: &InstanceId, most: u32) -> Option<u32> {
        let counted = self.unread.as_ref().filter(|(whose, up_to, _)| whose == recipient && *up_to == most);
        counted.map(|(_, _, count)| *count)
    }

    pub fn keep_unread(&mut self, recipient: &InstanceId, most: u32, count: u32) {
        self.unread = Some((recipient.clone(), most, count));
    }

    /// Some inbox is about to change.
    pub fn forget_unread(&mut self) {
        self.unread = None;
    }

    /// Where the task stood in this version, if that is what was read or written last.
    pub fn stood(&self, task: &Task) -> Option<(String, Standing)> {
        let stood = self.stood.as_ref().filter(|stood| stood.task == task.id && stood.version == task.version)?;
        Some((stood.queue.clone(), stood.standing))
    }

    /// Some task is about to change that is not at hand.
    pub fn forget_standing(&mut self) {
        self.stood = None;
    }

    pub fn keep_standing(&mut self, task: &Task) {
        self.stood =
            Some(Stood { task: task.id, version: task.version, queue: task.queue(), standing: task.standing() });
    }
}
