//! The boundary: whole values in and out, inside a transaction. Nothing above this folder knows which database it is.

pub mod board;
pub mod doorbell;
pub mod open;
pub mod place;
pub mod sqlite;

use crate::error::Result;
use crate::host::Host;
use crate::model::access::Token;
use crate::model::context::Entry;
use crate::model::event::Event;
use crate::model::event::NewEvent;
use crate::model::fleet::Fleet;
use crate::model::id::InstanceId;
use crate::model::id::JobId;
use crate::model::id::MessageId;
use crate::model::id::QuestionId;
use crate::model::id::TaskId;
use crate::model::instance::Instance;
use crate::model::job::Job;
use crate::model::message::Delivery;
use crate::model::message::Message;
use crate::model::policy::Policy;
use crate::model::question;
use crate::model::question::Question;
use crate::model::reservation::Reservation;
use crate::model::session::Session;
use crate::model::spending::Account;
use crate::model::spending::By;
use crate::model::spending::Spent;
use crate::model::task::Standing;
use crate::model::task::Task;
use crate::model::time::Now;
use crate::model::time::Tick;
use crate::model::time::Timestamp;
use crate::model::wake::Wake;
use crate::model::worker::RunRecord;
use crate::model::worker::Worker;
use crate::plan::Draft;
use board::Board;
use serde::Deserialize;
use serde::Serialize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Enough for months of a busy team, in about 200 MB.
pub const EVENTS_MAX_DEFAULT: u64 = 1_000_000;

/// About 4 MiB: pages that change again and again are written back once, and the first part of the log's index, which
/// all processes share, has room for so many.
pub const LOG_PAGES_DEFAULT: u32 = 4_000;

/// How a store is opened, beyond where.
#[derive(Clone, Debug)]
pub struct Options {
    /// Events kept; older ones are pruned.
    pub events_max: u64,
    /// The write-ahead log is written back from this many pages on.
    pub log_pages: u32,
    /// Another file layer than the system's, for tests that cut the power.
    pub vfs: Option<String>,
}

impl Default for Options {
    fn default() -> Options {
        Options { events_max: EVENTS_MAX_DEFAULT, log_pages: LOG_PAGES_DEFAULT, vfs: None }
    }
}

/// How a transaction begins, and what its commit promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Read,
    /// A commit that returned survives a power cut.
    Durable,
    /// A commit that returned survives this process; a power cut may take it back. For presence and receipts.
    Relaxed,
}

/// Something that can change and that others wait for.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Topic {
    /// Any commit that appended an event.
    Events,
    /// A task became ready for somebody to claim.
    Ready,
    Task(TaskId),
    /// A job, or any task of it.
    Job(JobId),
    Inbox(InstanceId),
    /// One question to the human, or any of them.
    Question(QuestionId),
    Questions,
    /// The workers, or whoever looks after them.
    Workers,
    /// What an instance's session does, or what it is to be woken for.
    Session(InstanceId),
    /// For whom a client speaks.
    Client(String),
    Context(String),
    /// Any key below a prefix that ends in `/`, or any key at all for the empty prefix.
    ContextBelow(String),
}

impl Topic {
    /// The topic as waiters' rows spell it.
    pub fn key(&self) -> String {
        match self {
            Topic::Events => "events".to_owned(),
            Topic::Ready => "ready".to_owned(),
            Topic::Task(id) => format!("task:{id}"),
            Topic::Job(id) => format!("job:{id}"),
            Topic::Inbox(id) => format!("inbox:{id}"),
            Topic::Question(id) => format!("question:{id}"),
            Topic::Questions => "questions".to_owned(),
            Topic::Workers => "workers".to_owned(),
            Topic::Session(id) => format!("session:{id}"),
            Topic::Client(process) => format!("client:{process}"),
            Topic::Context(key) => format!("context:{key}"),
            Topic::ContextBelow(prefix) => format!("below:{prefix}"),
        }
    }
}

/// Whether a store is whole, as far as that could be seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Soundness {
    Sound,
    /// What is wrong, in the words of the database.
    Damaged(Vec<String>),
    /// There was too much to look at.
    NotTold,
}

/// A place that keeps everything. One per thread of work; many, in many processes, may stand on the same data.
pub trait Store: Send {
    fn begin(&mut self, mode: Mode) -> Result<Box<dyn Tx + '_>>;

    /// As `begin`, for a transaction that writes, where that need not wait for another one; or where the queue for it does
    /// not move, and waiting is of no use.
    fn begin_at_once(&mut self, mode: Mode) -> Result<Option<Box<dyn Tx + '_>>>;

    /// Where those who would have to wait pin up what they want done. `None` where nothing is gained by it.
    fn board(&self) -> Option<Arc<Board>>;

    /// A number that differs after any other connection has committed: cheap to ask again and again.
    fn generation(&mut self) -> Result<u64>;

    /// Is what is kept still whole? Looks no longer than that.
    fn soundness(&mut self, patience: Duration) -> Result<Soundness>;

    /// Puts what was changed lately where it is to stay, and so makes the log short.
    fn write_back(&mut self) -> Result<()>;

    /// Where doorbells of this store are put.
    fn doorbell_dir(&self) -> PathBuf;

    fn host(&self) -> &Host;
}

/// A transaction: dropped without `commit`, nothing happened.
pub trait Tx:
    Instances
    + Sessions
    + Tasks
    + Jobs
    + Shown
    + Imports
    + Messages
    + Wakes
    + Questions
    + Spending
    + Workers
    + Contexts
    + Reservations
    + Tokens
    + Events
    + Answers
    + Waiters
    + Parts
{
    /// The store's time, the same through the whole transaction.
    fn now(&self) -> Now;

    fn host(&self) -> &Host;

    /// Keep it all, then wake whoever waits for what was touched.
    fn commit(self: Box<Self>) -> Result<()>;
}

/// What several callers do in one transaction, each as if by itself.
pub trait Parts {
    fn begin_part(&mut self) -> Result<()>;
    /// Keep it, or undo it and nothing else.
    fn end_part(&mut self, keep: bool) -> Result<()>;
    /// The commit promises at least this much.
    fn promise(&mut self, mode: Mode);
    /// Keep the marks of notes that were carried out, each with its place on the board: the place's last one is kept.
    fn keep_marks(&mut self, marks: &[(usize, u64)]) -> Result<()>;
    fn has_mark(&mut self, mark: (usize, u64)) -> Result<bool>;
}

pub trait Instances {
    fn instance(&mut self, id: &InstanceId) -> Result<Option<Instance>>;
    fn instance_by_name(&mut self, name: &str) -> Result<Option<Instance>>;
    fn instance_by_session(&mut self, session: &str) -> Result<Option<Instance>>;
    /// For whom this client speaks.
    fn instance_by_client(&mut self, client: &str) -> Result<Option<Instance>>;
    /// Fails with `Conflict` where the id or the name is taken.
    fn insert_instance(&mut self, instance: &mut Instance) -> Result<()>;
    /// Fails with `Conflict` where somebody else changed it since it was read.
    fn update_instance(&mut self, instance: &mut Instance) -> Result<()>;
    /// Renew presence: a little further than its longest claim reaches, so that the next one is covered too, and to be
    /// renewed again in time for the shortest. Without a version step, so that a heartbeat conflicts with nothing.
    fn renew_presence(&mut self, id: &InstanceId, now: Now) -> Result<()>;
    /// By name, after `after`; only those whose lease reaches beyond `online_at`, where it is given.
    fn list_instances(&mut self, filter: &InstanceFilter, limit: u32) -> Result<Vec<Instance>>;
    fn count_instances(&mut self, filter: &InstanceFilter) -> Result<u64>;
}

#[derive(Clone, Debug, Default)]
pub struct InstanceFilter {
    pub role: Option<String>,
    pub online_at: Option<Tick>,
    /// Whoever registered them through the door.
    pub owner: Option<String>,
    /// Names after this one.
    pub after: Option<String>,
}

pub trait Sessions {
    fn session(&mut self, instance: &InstanceId) -> Result<Option<Session>>;
    fn session_by_client(&mut self, client: &str) -> Result<Option<Session>>;
    /// Those that showed life last, first.
    fn sessions(&mut self, limit: u32) -> Result<Vec<Session>>;
    /// Writes what is known of a session. Its client speaks for nobody else from now on.
    fn put_session(&mut self, session: &Session) -> Result<()>;
}

pub trait Wakes {
    fn put_wake(&mut self, wake: &Wake) -> Result<()>;
    fn wake(&mut self, recipient: &InstanceId, subject: &str) -> Result<Option<Wake>>;
    /// There is nothing to be woken for any more.
    fn remove_wake(&mut self, recipient: &InstanceId, subject: &str) -> Result<()>;
    /// What it was not woken for yet, longest wanted first.
    fn open_wakes(&mut self, recipient: &InstanceId, limit: u32) -> Result<Vec<Wake>>;
}

pub trait Tasks {
    /// The task with all of its texts and dependencies.
    fn task(&mut self, id: TaskId) -> Result<Option<Task>>;
    /// The id of a new task is given here. Its dependencies, and how many of them are unmet, are written with it.
    fn insert_task(&mut self, task: &mut Task) -> Result<()>;
    /// Writes where the task is in its life. Fails with `Conflict` where somebody else changed it since it was read.
    fn update_task(&mut self, task: &mut Task) -> Result<()>;
    /// Writes what the task is: title, lane, labels, texts. Fails with `Conflict` likewise.
    fn update_task_fields(&mut self, task: &mut Task) -> Result<()>;
    /// Writes the long texts alone.
    fn update_task_body(&mut self, task: &Task) -> Result<()>;
    /// Replace what the task depends on; its `unmet` is counted again.
    fn set_dependencies(&mut self, task: &mut Task) -> Result<()>;
    /// The next ready task of these queues: each inner list is one rank, the earlier goes first whatever its priority.
    fn next_ready(&mut self, ranks: &[Vec<String>]) -> Result<Option<Task>>;
    /// The queues of tasks that want something to themselves, or are about a repository, where something is ready: some of them,
    /// where they are more.
    fn wanted(&mut self, most: u32) -> Result<Vec<Wanted>>;
    /// The ready tasks of a lane that stand in such queues, in the order in which they are taken, until `visit` has seen
    /// enough. Without their long texts.
    fn walk_wishing(&mut self, lane: &str, visit: &mut dyn FnMut(&Task) -> bool) -> Result<()>;
    /// What is ready in one queue, in the order in which it is taken.
    fn ready_in_queue(&mut self, queue: &str, limit: u32) -> Result<Vec<Task>>;
    /// Those that are ready and want several things to themselves, or files, and stand so since before then, the longest first.
    fn ready_for_much(&mut self, since: Timestamp, limit: u32) -> Result<Vec<Task>>;
    /// Claimed tasks whose lease ended at or before `tick`, longest lapsed first.
    fn lapsed_tasks(&mut self, tick: Tick, limit: u32) -> Result<Vec<Task>>;
    /// Pending tasks whose `not_before` passed become ready; says how many.
    fn wake_due_tasks(&mut self, at: Timestamp, limit: u32) -> Result<u32>;
    /// What one instance holds, oldest first.
    fn held_tasks(&mut self, holder: &InstanceId, limit: u32) -> Result<Vec<Task>>;
    /// Renew what an instance holds, each task by its own lease.
    fn renew_claims(&mut self, holder: &InstanceId, now: Tick) -> Result<()>;
    /// A dependency was completed: says how many dependants became ready by that.
    fn dependency_met(&mut self, done: TaskId) -> Result<u32>;
    /// What waits for it, or waited.
    fn dependants_of(&mut self, id: TaskId, limit: u32) -> Result<Vec<TaskId>>;
    /// What depends on it, is ready, and is assigned to somebody: the task, and to whom.
    fn ready_dependants(&mut self, done: TaskId, limit: u32) -> Result<Vec<(TaskId, String)>>;
    /// How many would be ready if that one were completed; of its dependants so many are looked at.
    fn count_freed_by(&mut self, id: TaskId, looked_at: u32) -> Result<u64>;
    fn dependencies_of(&mut self, id: TaskId) -> Result<Vec<(TaskId, Standing)>>;
    /// Newest first, before `before`; oldest first after `after`, where that is given.
    fn list_tasks(&mut self, filter: &TaskFilter, limit: u32) -> Result<Vec<Task>>;
    /// How many match, counted up to `most`.
    fn count_tasks(&mut self, filter: &TaskFilter, most: u64) -> Result<u64>;
    /// How many tasks stand where, in all lanes together or by lane.
    fn tally(&mut self) -> Result<Vec<Tally>>;
    /// How many pending tasks wait for a dependency that failed or was cancelled, counted up to `most`.
    fn count_stuck(&mut self, most: u64) -> Result<u64>;
    /// When the first claim lapses, and when the first waiting task falls due.
    fn next_lapse(&mut self) -> Result<Option<Tick>>;
    fn next_due(&mut self) -> Result<Option<Timestamp>>;
    /// Tasks pushed for a name that nobody bore yet become tasks of the instance that now bears it.
    fn assign_waiting(&mut self, name: &str, to: &InstanceId) -> Result<()>;
}

/// Goals, and the tasks that reach them.
pub trait Jobs {
    fn job(&mut self, id: JobId) -> Result<Option<Job>>;
    /// The id is given here.
    fn insert_job(&mut self, job: &mut Job) -> Result<()>;
    /// Writes what was decided about it: nothing that follows from its tasks. Fails with `Conflict` where somebody else
    /// changed it since it was read.
    fn update_job(&mut self, job: &mut Job) -> Result<()>;
    /// Newest first, before `before`.
    fn list_jobs(&mut self, filter: &JobFilter, limit: u32) -> Result<Vec<Job>>;
    fn count_jobs(&mut self, filter: &JobFilter, most: u64) -> Result<u64>;
    /// A task of it was completed, so long after its claim.
    fn keep_pace(&mut self, id: JobId, millis: i64) -> Result<()>;
    /// Does any of its tasks wait for a moment, or for another job's task that is not over?
    fn job_waits_for_others(&mut self, job: &Job) -> Result<bool>;
    /// What holds it up: its blocked, failed and cancelled tasks for which others wait, and how many do.
    fn holding_up(&mut self, id: JobId, limit: u32) -> Result<Vec<(Task, u64)>>;
    /// The longest chain of what is left: how many tasks it has, and the first of them.
    fn longest_chain(&mut self, id: JobId, steps: u32) -> Result<(u64, Vec<TaskId>)>;
    /// Those that were changed, or whose tasks were, since this was asked last in this transaction.
    fn take_changed_jobs(&mut self) -> Vec<JobId>;
}

#[derive(Clone, Debug, Default)]
pub struct JobFilter {
    /// Those that have ended, or those that have not.
    pub ended: Option<bool>,
    pub before: Option<JobId>,
}

/// What tasks were completed with.
pub trait Shown {
    /// The task whose work a commit shows.
    fn task_of_commit(&mut self, commit: &str) -> Result<Option<TaskId>>;
    fn put_task_of_commit(&mut self, commit: &str, task: TaskId) -> Result<()>;
}

/// What files told of tasks.
pub trait Imports {
    fn task_of_key(&mut self, key: &str) -> Result<Option<TaskId>>;
    fn key_of_task(&mut self, task: TaskId) -> Result<Option<String>>;
    /// All of them, in no order.
    fn keys(&mut self) -> Result<Vec<String>>;
    /// Fails with `Conflict` where either of them belongs to another already, or they belong together.
    fn put_key(&mut self, key: &str, task: TaskId, source: &str) -> Result<()>;
    /// The source that called a task so, which is nowhere where it is our own name for it.
    fn source_of_key(&mut self, key: &str) -> Result<Option<String>>;
    /// That source is called otherwise now: what it told of the task, the new one did, unless that tells of it already. What
    /// was told by nobody knows whom stays.
    fn move_key(&mut self, key: &str, source: &str) -> Result<()>;
    /// What keys that this team makes end in, so that no other team has the same.
    fn team_mark(&mut self) -> Result<String>;
    /// What this source said of it last, which is true of the second; else what was said of it elsewhere: best in what was
    /// exported to nobody knows where, which is the source without a name.
    fn told(&mut self, source: &str, key: &str) -> Result<Option<(Draft, bool)>>;
    /// What any source said of it last: what was exported to nobody knows where first, then who called it so.
    fn told_of(&mut self, key: &str) -> Result<Vec<Draft>>;
    /// The keys by which a source told of what is called `name` there: that, or it with a `~` and more.
    fn keys_told_by(&mut self, source: &str, name: &str) -> Result<Vec<String>>;
    /// Those by which the files in a folder did, and not those in the folders below.
    fn keys_told_in(&mut self, folder: &str, name: &str) -> Result<Vec<String>>;
    /// All that a source said, or those below it.
    fn told_by(&mut self, source: &str) -> Result<Vec<(String, Draft)>>;
    fn put_told(&mut self, source: &str, key: &str, draft: &Draft) -> Result<()>;
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct TaskFilter {
    /// Empty for any.
    pub standings: Vec<Standing>,
    pub role: Option<String>,
    pub assignee: Option<String>,
    pub holder: Option<InstanceId>,
    pub chain_id: Option<String>,
    pub parent: Option<TaskId>,
    pub job: Option<JobId>,
    pub label: Option<String>,
    pub repo: Option<String>,
    pub before: Option<TaskId>,
    pub after: Option<TaskId>,
}

/// A queue in which all want the same to themselves, and are about the same repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    pub queue: String,
    pub reserves: Vec<String>,
    pub repo: Option<String>,
    /// How many are ready there.
    pub ready: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally {
    pub lane: String,
    pub standing: Standing,
    pub count: u64,
}

pub trait Messages {
    /// The id is given here.
    fn insert_message(&mut self, message: &mut Message) -> Result<()>;
    fn message(&mut self, id: MessageId) -> Result<Option<Message>>;
    /// Put a message into the inbox of an instance, or of an address that nobody bears yet.
    fn insert_delivery(&mut self, message: MessageId, recipient: &str) -> Result<()>;
    fn delivery(&mut self, message: MessageId, recipient: &InstanceId) -> Result<Option<Delivery>>;
    fn update_delivery(&mut self, delivery: &Delivery) -> Result<()>;
    /// By recipient, after `after`.
    fn deliveries(&mut self, message: MessageId, after: Option<&str>, limit: u32) -> Result<Vec<Delivery>>;
    /// Oldest first: what was never returned, or with `all` everything that was not dismissed.
    fn inbox(
        &mut self,
        recipient: &InstanceId,
        all: bool,
        after: Option<MessageId>,
        limit: u32,
    ) -> Result<Vec<(Message, Delivery)>>;
    /// What was returned and not yet seen to have arrived, in no order.
    fn unconfirmed(&mut self, recipient: &InstanceId, limit: u32) -> Result<Vec<Delivery>>;
    /// What one call handed out.
    fn returned_by(&mut self, recipient: &InstanceId, process: &str, call: &str) -> Result<Vec<Delivery>>;
    /// How many the recipient has not seen, counted up to `most`.
    fn count_unread(&mut self, recipient: &InstanceId, most: u32) -> Result<u32>;
    /// Everything of a thread, oldest first.
    fn thread(&mut self, root: MessageId, after: Option<MessageId>, limit: u32) -> Result<Vec<Message>>;
    /// What waits for an address goes to the instance that now bears it; says how many.
    fn claim_address(&mut self, address: &str, to: &InstanceId) -> Result<u32>;
    /// What the sender sent, newest first.
    fn sent(&mut self, sender: &InstanceId, before: Option<MessageId>, limit: u32) -> Result<Vec<Message>>;
}

/// What the human is asked.
pub trait Questions {
    /// The id is given here.
    fn insert_question(&mut self, question: &mut Question) -> Result<()>;
    /// Writes what came of it, and in which process somebody waits. Fails with `Conflict` where somebody else changed it since it was read.
    fn update_question(&mut self, question: &mut Question) -> Result<()>;
    fn question(&mut self, id: QuestionId) -> Result<Option<Question>>;
    /// Oldest first.
    fn questions(&mut self, filter: &QuestionFilter, limit: u32) -> Result<Vec<Question>>;
    fn count_questions(&mut self, filter: &QuestionFilter) -> Result<u64>;
    /// When the first deadline of an open one passes.
    fn next_question_due(&mut self) -> Result<Option<Timestamp>>;
    /// Open ones whose deadline has passed, longest first.
    fn due_questions(&mut self, at: Timestamp, limit: u32) -> Result<Vec<Question>>;
    /// Open ones for which somebody waits in a process that is named, oldest first.
    fn waited_questions(&mut self, limit: u32) -> Result<Vec<Question>>;
    /// The newest request for permission that somebody made for that use of a tool.
    fn permission_for(&mut self, asker: &InstanceId, call: &str) -> Result<Option<Question>>;
    /// What somebody was allowed once and for all, newest first.
    fn standing_permissions(&mut self, asker: &InstanceId, limit: u32) -> Result<Vec<Question>>;
    fn policy(&mut self) -> Result<Policy>;
    fn put_policy(&mut self, policy: &Policy) -> Result<()>;
}

#[derive(Clone, Debug, Default)]
pub struct QuestionFilter {
    pub state: Option<question::State>,
    pub kind: Option<question::Kind>,
    pub asker: Option<InstanceId>,
    pub task: Option<TaskId>,
    /// About any of its tasks.
    pub job: Option<JobId>,
    /// Asked after this one.
    pub after: Option<QuestionId>,
}

impl QuestionFilter {
    /// What still waits for an answer.
    pub fn open() -> QuestionFilter {
        QuestionFilter { state: Some(question::State::Open), ..QuestionFilter::default() }
    }
}

/// Sessions that are started here, and whoever looks after them.
pub trait Workers {
    fn fleet(&mut self) -> Result<Fleet>;
    fn put_fleet(&mut self, fleet: &Fleet) -> Result<()>;
    fn worker(&mut self, name: &str) -> Result<Option<Worker>>;
    /// All of them, by name: there are never many.
    fn workers(&mut self) -> Result<Vec<Worker>>;
    fn put_worker(&mut self, worker: &Worker) -> Result<()>;
    /// Writes a run that begins, or how it ended.
    fn put_run(&mut self, run: &RunRecord) -> Result<()>;
    fn run(&mut self, worker: &str, number: u64) -> Result<Option<RunRecord>>;
}

/// The ledger of what sessions use up.
pub trait Spending {
    fn add_spent(&mut self, account: &Account, spent: &Spent) -> Result<()>;
    fn spent(&mut self, filter: &SpentFilter) -> Result<Spent>;
    /// The dearest first; of days the newest. Nothing where it is not known.
    fn spent_by(&mut self, by: By, filter: &SpentFilter, limit: u32) -> Result<Vec<(Option<String>, Spent)>>;
}

#[derive(Clone, Debug, Default)]
pub struct SpentFilter {
    pub worker: Option<String>,
    pub task: Option<TaskId>,
    pub job: Option<JobId>,
    /// From the day of that moment on.
    pub since: Option<Timestamp>,
}

pub trait Contexts {
    fn context(&mut self, key: &str) -> Result<Option<Entry>>;
    /// Writes the entry as its newest version; of all versions the newest `keep` are kept.
    fn put_context(&mut self, entry: &Entry, keep: u32) -> Result<()>;
    fn context_history(&mut self, key: &str, limit: u32) -> Result<Vec<Entry>>;
    /// Keys that begin with the prefix, in order, without deleted ones, values left out.
    fn list_context(&mut self, prefix: &str, after: Option<&str>, limit: u32) -> Result<Vec<Entry>>;
    fn count_context(&mut self, prefix: &str, most: u64) -> Result<u64>;
    /// The newest revision of anything: it rises with each write.
    fn context_revision(&mut self) -> Result<u64>;
    /// What changed below a prefix since a revision, in order of the change.
    fn context_since(&mut self, prefix: &str, revision: u64, limit: u32) -> Result<Vec<Entry>>;
}

/// What somebody keeps to themselves. Only what holds at a moment is ever told: the lease lasts, and its holder is here; or the
/// claim lasts with which it came, and with which the store removes it.
pub trait Reservations {
    /// The id is given here.
    fn insert_reservation(&mut self, reservation: &mut Reservation) -> Result<()>;
    /// By id, after `after`.
    fn reservations(&mut self, at: Tick, after: u64, limit: u32) -> Result<Vec<Reservation>>;
    fn remove_reservation(&mut self, id: u64) -> Result<()>;
    fn forget_lapsed_reservations(&mut self, at: Tick) -> Result<()>;
    /// When the first ends that nobody renews; of those that came with tasks `next_lapse` tells.
    fn next_reservation_lapse(&mut self, at: Tick) -> Result<Option<Tick>>;
}

pub trait Events {
    /// Appends the event and says its number.
    fn append_event(&mut self, event: NewEvent) -> Result<u64>;
    fn events(&mut self, filter: &EventFilter, limit: u32) -> Result<Vec<Event>>;
    /// The oldest and the newest number that are kept.
    fn event_bounds(&mut self) -> Result<(u64, u64)>;
}

#[derive(Clone, Debug, Default)]
pub struct EventFilter {
    pub after: u64,
    pub subject: Option<String>,
    /// Kinds that begin with this: `task.`.
    pub kind: Option<String>,
    /// Oldest first otherwise.
    pub newest_first: bool,
}

pub trait Tokens {
    fn token(&mut self, id: &str) -> Result<Option<Token>>;
    /// All of them, oldest first.
    fn tokens(&mut self) -> Result<Vec<Token>>;
    /// Writes a new one; of one that is there, only that it is revoked.
    fn put_token(&mut self, token: &Token) -> Result<()>;
}

/// First answers, by idempotency key.
pub trait Answers {
    fn answer(&mut self, key: &str) -> Result<Option<StoredAnswer>>;
    fn keep_answer(&mut self, key: &str, answer: &StoredAnswer) -> Result<()>;
}

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct StoredAnswer {
    pub operation: String,
    /// A digest of who called with which arguments.
    pub digest: String,
    pub answer: String,
}

pub trait Waiters {
    /// Ring this doorbell when any of the topics changes.
    fn watch(&mut self, doorbell: &str, topics: &[Topic]) -> Result<()>;
    fn unwatch(&mut self, doorbell: &str) -> Result<()>;
    /// Does this doorbell watch anything still? Whoever rang it in vain has made the store forget it.
    fn is_known(&mut self, doorbell: &str) -> Result<bool>;
}
