//! Was that right? What was so before, what was asked, what was answered, what is so now.

use crate::sim::call::Call;
use crate::sim::seen::Letter;
use crate::sim::seen::Seen;
use orch_mcp::error::Error;
use orch_mcp::error::Kind;
use orch_mcp::model::id::InstanceId;
use orch_mcp::model::id::MessageId;
use orch_mcp::model::id::TaskId;
use orch_mcp::model::instance::Instance;
use orch_mcp::model::instance::PRESENCE_SECS;
use orch_mcp::model::task::Link;
use orch_mcp::model::task::Standing;
use orch_mcp::model::task::State;
use orch_mcp::model::task::Task;
use orch_mcp::ops::Effect;
use orch_mcp::ops::table::find;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;
use std::collections::BTreeMap;
use std::collections::HashSet;

pub type Checked = Result<(), String>;

macro_rules! must {
    ($what:expr, $($message:tt)+) => {
        if !$what {
            return Err(format!($($message)+));
        }
    };
}

/// Calls that only the holder of a claim may make.
const OF_THE_HOLDER: [&str; 6] =
    ["start_task", "renew_task", "complete_task", "block_task", "fail_task", "release_task"];

/// Calls that first take back what lapsed, and make ready what fell due.
const TAKES_BACK: [&str; 2] = ["claim_task", "wait_for_task"];

/// An answer holds about so much mail; each message counts for its length and a little more.
const ANSWER_BYTES: usize = 8_000;
const MESSAGE_BYTES: usize = 300;

pub enum Outcome {
    /// The arguments were not what they should be, and nobody looked at the store.
    Malformed(Error),
    Refused(Error),
    Done {
        data: Value,
        unread: Option<u32>,
    },
}

/// A claim as its holder may count on it.
#[derive(Clone, Copy, Debug)]
struct Lease {
    token: u64,
    /// Before this nobody else may have the task.
    safe_until: i64,
    /// After this it must be free for the next claim.
    free_after: i64,
}

/// What was promised, and is not written in the store itself. Times are milliseconds of lease time.
#[derive(Default)]
pub struct Truth {
    awake: i64,
    /// Since the machine was started, nobody has written: lease time stands still until somebody does, as nobody may
    /// have been able to.
    resting: bool,
    leases: BTreeMap<TaskId, Lease>,
    /// What of it a power cut cannot take back.
    durable_leases: BTreeMap<TaskId, Lease>,
    durable_event: u64,
    /// When each instance last called.
    called: BTreeMap<InstanceId, i64>,
    answers: BTreeMap<String, Given>,
}

/// The first answer under an idempotency key.
struct Given {
    call: Call,
    me: Option<InstanceId>,
    data: Value,
}

impl Truth {
    /// A call that was answered before, to be made again.
    pub fn answered(&self, number: usize) -> Option<&Call> {
        let count = self.answers.len().max(1);
        self.answers.values().nth(number % count).map(|given| &given.call)
    }

    fn lease(&self, task: &Task) -> Option<&Lease> {
        self.leases.get(&task.id).filter(|lease| lease.token == task.token)
    }

    pub fn time_passed(&mut self, before: &Seen, after: &Seen, millis: i64) -> Checked {
        let passed = after.tick.since(before.tick);
        must!(passed == millis || (self.resting && passed == 0), "{millis} ms passed, and {passed} of lease time");
        self.awake += passed;
        Ok(())
    }

    pub fn left(&mut self, instance: &InstanceId) {
        self.called.remove(instance);
    }

    pub fn after_a_reboot(&mut self, seen: &Seen) {
        self.resting = true;
        for (id, lease) in &mut self.leases {
            // Lease time goes on from the last renewal of anybody, so nobody has more than a whole lease again.
            if let Some(task) = seen.tasks.get(id) {
                lease.free_after = lease.free_after.max(self.awake + i64::from(task.lease_secs) * 1000);
            }
        }
        self.durable_leases = self.leases.clone();
    }

    pub fn after_a_power_cut(&mut self, found: &Seen) {
        self.leases = std::mem::take(&mut self.durable_leases);
        let held: Vec<&Task> = found.tasks.values().filter(|task| task.state.is_held()).collect();
        self.leases.retain(|id, lease| held.iter().any(|task| task.id == *id && task.token == lease.token));
        self.called.clear();
        self.durable_event = self.durable_event.min(found.events.1);
        self.after_a_reboot(found);
    }

    /// Whoever called lately is online, however the clocks were moved.
    pub fn check_presence(&self, seen: &Seen) -> Checked {
        for (id, called) in &self.called {
            let lately = self.awake - called < i64::from(PRESENCE_SECS) * 750;
            let online = seen.instances.get(id).is_some_and(|one| one.online(seen.tick));
            must!(!lately || online, "`{id}` called {} ms ago and is offline", self.awake - called);
        }
        Ok(())
    }
}

pub struct Step<'a> {
    pub before: &'a Seen,
    pub after: &'a Seen,
    pub call: &'a Call,
    /// Who called, as the store must have understood it.
    pub me: Option<InstanceId>,
    pub process: &'a str,
    pub number: &'a str,
    pub outcome: &'a Outcome,
    pub dead: &'a HashSet<String>,
}

impl Step<'_> {
    pub fn check(&self, truth: &mut Truth) -> Checked {
        self.after.check()?;
        must!(self.after.tick == self.before.tick, "the lease clock moved in a call");
        match self.outcome {
            Outcome::Malformed(error) => {
                must!(error.kind == Kind::Invalid, "{error:?}");
                return nothing_happened(self.before, self.after);
            }
            Outcome::Refused(error) => {
                let ours = matches!(error.kind, Kind::Internal | Kind::Busy | Kind::Unavailable);
                must!(!ours, "{error:?}");
            }
            Outcome::Done { .. } => {}
        }
        self.check_answer(truth)?;
        self.check_tasks(truth)?;
        self.check_claim(truth)?;
        self.check_mail(truth)?;
        self.check_context(truth)?;
        self.check_instances(truth)?;
        self.check_events()?;
        self.learn(truth);
        truth.check_presence(self.after)
    }

    fn operation(&self) -> &str {
        self.call.operation
    }

    fn is(&self, operations: &[&str]) -> bool {
        operations.contains(&self.call.operation)
    }

    fn done(&self) -> Option<&Value> {
        match self.outcome {
            Outcome::Done { data, .. } => Some(data),
            Outcome::Malformed(_) | Outcome::Refused(_) => None,
        }
    }

    /// The answer, where it is not the first one given again.
    fn done_anew(&self, truth: &Truth) -> Option<&Value> {
        match self.given_before(truth) {
            Some(_) => None,
            None => self.done(),
        }
    }

    fn given_before<'t>(&self, truth: &'t Truth) -> Option<&'t Given> {
        self.call.text("idempotency_key").and_then(|key| truth.answers.get(key))
    }

    /// Who the caller is from now on.
    fn me_now(&self, truth: &Truth) -> Option<InstanceId> {
        match (self.operation(), self.done_anew(truth)) {
            ("register_instance", Some(data)) => Some(InstanceId::from_stored(data["instance"]["id"].as_str()?.into())),
            _ => self.me.clone(),
        }
    }

    fn check_answer(&self, truth: &Truth) -> Checked {
        if let Outcome::Done { unread, .. } = self.outcome
            && self.given_before(truth).is_none()
        {
            let wanted = self.me_now(truth).map(|me| self.after.unread(&me) as u32);
            // Whoever left may be nobody any more.
            let left = unread.is_none() && self.operation() == "unregister_instance";
            must!(*unread == wanted || left, "unread {unread:?}, not {wanted:?}");
        }
        let Some(given) = self.given_before(truth) else { return Ok(()) };
        let same = given.call.operation == self.call.operation && of_call(&given.call) == of_call(self.call);
        match self.outcome {
            Outcome::Done { data, .. } => {
                must!(same, "the key was used for {}", given.call);
                must!(*data == given.data, "another answer than the first: {}", given.data);
            }
            Outcome::Refused(error) => {
                // Who somebody is may be checked before the key is.
                let by_another = given.me != self.me;
                must!(!same || by_another || self.me.is_none(), "{error:?}, not the first answer: {}", given.data);
            }
            Outcome::Malformed(_) => {}
        }
        Ok(())
    }

    fn check_tasks(&self, truth: &Truth) -> Checked {
        for (id, was) in &self.before.tasks {
            let Some(is) = self.after.tasks.get(id) else { return Err(format!("{id} is lost")) };
            self.check_task(was, is, truth)
                .map_err(|problem| format!("{id}: {problem}\n  was {was:?}\n  is  {is:?}"))?;
        }
        let made = self.after.tasks.len() - self.before.tasks.len();
        let wanted = match (self.operation(), self.done_anew(truth)) {
            ("push_task", Some(_)) => 1,
            ("push_tasks", Some(data)) => data["count"].as_u64().unwrap_or_default() as usize,
            _ => 0,
        };
        must!(made == wanted, "{made} new tasks, not {wanted}");
        if let ("push_task", Some(data)) = (self.operation(), self.done_anew(truth)) {
            let id = data["task"]["id"].as_str().and_then(|id| id.parse().ok());
            let task = id.and_then(|id: TaskId| self.after.tasks.get(&id));
            must!(task.is_some_and(|task| task.title == self.call.text("title").unwrap_or_default()), "{task:?}");
        }
        Ok(())
    }

    /// The task that the call was about, if it was done.
    fn target(&self, truth: &Truth) -> Option<TaskId> {
        let data = self.done_anew(truth)?;
        match self.operation() {
            "claim_task" => data["task"]["id"].as_str()?.parse().ok(),
            "unblock_task" | "retry_task" | "cancel_task" | "update_task" => self.call.task(),
            operation if OF_THE_HOLDER.contains(&operation) => self.call.task(),
            _ => None,
        }
    }

    /// Is it the caller's, by the token of the call?
    fn holds(&self, task: &Task) -> bool {
        let token = self.call.number("token").is_none_or(|token| token == task.token);
        self.me.is_some() && task.holder == self.me && token
    }

    fn check_task(&self, was: &Task, is: &Task, truth: &Truth) -> Checked {
        must!(is.token >= was.token, "the token fell");
        if self.target(truth) == Some(was.id) {
            return self.check_target(was, is, truth);
        }
        if self.call.task() == Some(was.id) {
            self.check_refusal(was)?;
        }
        if was == is {
            return Ok(());
        }
        let mut wanted = was.clone();
        let mine = self.me.is_some() && was.holder == self.me;
        let whole = self.after.tick.plus_secs(was.lease_secs);
        if was.state.is_held() && (mine || was.holder == self.me_now(truth)) && is.lease_until == Some(whole) {
            wanted.lease_until = is.lease_until;
        }
        if self.is(&TAKES_BACK) && self.done_anew(truth).is_some() {
            if was.state.is_held() && !is.state.is_held() {
                must!(!mine, "it was taken from its holder by the holder's own call");
                self.check_lapse(was, is, truth)?;
                wanted = is.clone();
            }
            if was.state == State::Pending && was.not_before.is_some_and(|at| at.millis() <= self.after.wall) {
                wanted.due = true;
            }
        }
        if self.operation() == "unregister_instance" && self.done_anew(truth).is_some() && was.state.is_held() && mine {
            must!(is.state == State::Pending && is.attempt == was.attempt.saturating_sub(1), "not handed back");
            wanted = is.clone();
        }
        if self.operation() == "register_instance"
            && let Some(me) = self.me_now(truth)
            && was.assignee.as_deref() == self.call.text("name").map(|name| format!("@{name}")).as_deref()
        {
            wanted.assignee = Some(me.to_string());
        }
        let completed = self.target(truth).filter(|id| self.completes(*id));
        if completed.is_some_and(|done| was.depends_on.contains(&done)) {
            wanted.unmet -= 1;
        }
        wanted.version = is.version;
        wanted.updated_at = is.updated_at;
        must!(wanted == *is, "it was changed by a call about something else");
        Ok(())
    }

    fn completes(&self, id: TaskId) -> bool {
        let standing = |seen: &Seen| seen.tasks.get(&id).map(Task::standing);
        standing(self.before) != Some(Standing::Completed) && standing(self.after) == Some(Standing::Completed)
    }

    fn check_lapse(&self, was: &Task, is: &Task, truth: &Truth) -> Checked {
        if let Some(lease) = truth.lease(was) {
            must!(truth.awake >= lease.safe_until, "it lapsed {} ms too early", lease.safe_until - truth.awake);
        }
        must!(is.attempt == was.attempt || is.token > was.token, "the attempt was not counted");
        let used_up = was.attempt >= was.max_attempts;
        let wanted = if used_up { State::Failed } else { State::Pending };
        must!(is.state == wanted || is.token > was.token, "after a lapse it is {:?}", is.state);
        Ok(())
    }

    /// Whoever holds a task is served.
    fn check_refusal(&self, was: &Task) -> Checked {
        let Outcome::Refused(error) = self.outcome else { return Ok(()) };
        if !self.is(&OF_THE_HOLDER) || self.me.is_none() || self.call.text("idempotency_key").is_some() {
            return Ok(());
        }
        must!(!(was.state.is_held() && self.holds(was)), "its holder was refused: {error:?}");
        must!(error.kind == Kind::StaleClaim || self.holds(was), "a stale holder is told {error:?}");
        Ok(())
    }

    fn check_target(&self, was: &Task, is: &Task, truth: &Truth) -> Checked {
        let operation = self.operation();
        if operation == "claim_task" {
            return self.check_claimed(was, is, truth);
        }
        must!(is.token == was.token, "the token changed");
        if OF_THE_HOLDER.contains(&operation) || (operation == "update_task" && was.state.is_held()) {
            let again = operation == "complete_task" && was.state == State::Completed;
            must!(self.holds(was) && (was.state.is_held() || again), "somebody changed what they do not hold");
        }
        let handed_back = was.attempt.saturating_sub(1);
        let (from, to, attempt): (&[State], State, u32) = match operation {
            "start_task" => (&[State::Claimed, State::InProgress], State::InProgress, was.attempt),
            "renew_task" => (&[State::Claimed, State::InProgress], was.state, was.attempt),
            "complete_task" => (&[State::Claimed, State::InProgress, State::Completed], State::Completed, was.attempt),
            "fail_task" => (&[State::Claimed, State::InProgress], State::Failed, was.attempt),
            "block_task" => (&[State::Claimed, State::InProgress], State::Blocked, handed_back),
            "release_task" => (&[State::Claimed, State::InProgress], State::Pending, handed_back),
            "unblock_task" => (&[State::Blocked], State::Pending, was.attempt),
            "retry_task" => (&[State::Failed, State::Cancelled], State::Pending, was.attempt),
            "cancel_task" => {
                (&[State::Pending, State::Claimed, State::InProgress, State::Blocked], State::Cancelled, was.attempt)
            }
            _ => (&[was.state], was.state, was.attempt),
        };
        must!(from.contains(&was.state), "{operation} of a task that was {:?}", was.state);
        must!(is.state == to, "{operation} left it {:?}", is.state);
        must!(is.attempt == attempt, "{operation} made the attempts {}", is.attempt);
        must!(is.lease_until.is_some() == to.is_held(), "{operation} left the lease {:?}", is.lease_until);
        if was.state == State::Completed && operation != "update_task" {
            must!(was == is, "what was completed changed");
        }
        if operation == "complete_task" && was.state != State::Completed {
            must!(is.body.result.as_deref() == self.call.text("result"), "another result");
        }
        if was.state.is_final() && was.state == is.state {
            must!(
                (&was.holder, &was.body.result, was.finished_at) == (&is.holder, &is.body.result, is.finished_at),
                "its end"
            );
        }
        Ok(())
    }

    fn check_claimed(&self, was: &Task, is: &Task, truth: &Truth) -> Checked {
        let data = self.done().expect("a target was done");
        must!(data["token"] == json!(is.token), "the answer's token is {}", data["token"]);
        must!(is.holder == self.me, "the claimer does not hold it");
        if was.state.is_held() && was.holder == self.me && is.token == was.token {
            return Ok(());
        }
        must!(is.token == was.token + 1 && is.attempt == was.attempt + 1, "a claim is one more token and attempt");
        must!(is.state == State::Claimed && is.due, "it is {:?}, due: {}", is.state, is.due);
        if was.state.is_held() {
            self.check_lapse(was, is, truth)?;
        } else {
            must!(was.state == State::Pending, "it was {:?}", was.state);
        }
        let lease = i64::from(is.lease_secs) * 1000;
        must!(is.lease_until.is_some_and(|until| until.since(self.after.tick) == lease), "not a whole lease");
        Ok(())
    }

    /// The next one is the right one; and where there is none, there is none.
    fn check_claim(&self, truth: &Truth) -> Checked {
        if self.operation() != "claim_task" {
            return Ok(());
        }
        let me = self.me.as_ref().and_then(|me| self.after.instances.get(me));
        let next = !self.call.arguments.contains_key("task_id");
        let Some(data) = self.done_anew(truth) else {
            let free = next && me.is_some() && self.call.text("idempotency_key").is_none();
            must!(!free, "nobody is refused the next task");
            return Ok(());
        };
        for (id, task) in &self.after.tasks {
            let lapsed = task.lease_until.is_some_and(|until| until <= self.after.tick);
            must!(!lapsed, "{id} lapsed and is still held");
            let overdue = truth.lease(task).is_some_and(|lease| truth.awake > lease.free_after);
            must!(
                !(overdue && task.state.is_held() && task.holder != self.me),
                "{id} is held though its holder is silent for longer than its lease"
            );
            let late = task.state == State::Pending && !task.due;
            must!(!(late && task.not_before.is_some_and(|at| at.millis() <= self.after.wall)), "{id} fell due");
        }
        let Some(me) = me else { return Err("somebody unknown claimed".to_owned()) };
        let claimed = self.target(truth).and_then(|id| self.after.tasks.get(&id));
        must!(claimed.is_some() == data["claimed"].as_bool().unwrap_or_default(), "{data}");
        if let Some(claimed) = claimed {
            let allowed = rank(claimed, me).is_some() || (self.call.flag("force") && !next);
            let mine_before = self.before.tasks[&claimed.id].token == claimed.token;
            must!(allowed || mine_before, "{} is for others", claimed.id);
        }
        if next {
            let place = |task: &Task| rank(task, me).map(|rank| (rank, task.priority, task.id));
            let ready = self.after.tasks.values().filter(|task| task.standing() == Standing::Ready);
            let better =
                ready.filter_map(place).min().filter(|best| claimed.and_then(place).is_none_or(|got| *best < got));
            must!(better.is_none(), "{better:?} was to be claimed, not {:?}", claimed.map(|task| task.id));
        }
        Ok(())
    }

    fn check_mail(&self, truth: &Truth) -> Checked {
        let mut wanted = self.before.mail.clone();
        if let Some(me) = &self.me {
            arrives(&mut wanted, me, self.dead);
        }
        match (self.operation(), self.done_anew(truth), &self.me) {
            ("poll_messages" | "wait_for_message", Some(data), Some(me)) => {
                let ids = self.handed_out(&wanted, me);
                let told = data["messages"].as_array().into_iter().flatten().map(|one| one["id"].as_str());
                let told: Vec<Option<MessageId>> = told.map(|id| id?.parse().ok()).collect();
                must!(told == ids.iter().copied().map(Some).collect::<Vec<_>>(), "handed out {told:?}, not {ids:?}");
                for id in ids {
                    let letter = wanted.get_mut(&(id, me.to_string())).expect("it is in the inbox");
                    letter.returned.get_or_insert((self.process.to_owned(), self.number.to_owned()));
                }
            }
            ("mark_read" | "acknowledge_message" | "dismiss_message", Some(_), Some(me)) => {
                let id = self.call.text("message_id").and_then(|id| id.parse().ok()).ok_or("no id")?;
                let Some(letter) = wanted.get_mut(&(id, me.to_string())) else {
                    return Err(format!("{id} is not in the inbox of {me}"));
                };
                letter.returned.get_or_insert_default();
                letter.seen = true;
                letter.acknowledged |= self.operation() == "acknowledge_message";
                letter.dismissed |= self.operation() == "dismiss_message";
            }
            ("send_message" | "request_help", Some(data), _) => {
                let id: MessageId = data["message_id"].as_str().and_then(|id| id.parse().ok()).ok_or("no id")?;
                must!(!self.before.messages.contains_key(&id), "{id} is not new");
                for recipient in self.recipients()? {
                    wanted.insert((id, recipient), Letter::default());
                }
            }
            ("register_instance", Some(_), _) => self.moves_in(&mut wanted, truth)?,
            ("list_receipts", Some(data), _) => self.check_receipts(data)?,
            _ => {}
        }
        if wanted != self.after.mail {
            let differs = |key: &&(MessageId, String)| wanted.get(key) != self.after.mail.get(key);
            let keys: Vec<_> = wanted.keys().chain(self.after.mail.keys()).filter(differs).collect();
            let both: Vec<_> = keys.into_iter().map(|key| (key, wanted.get(key), self.after.mail.get(key))).collect();
            return Err(format!("mail, wanted and found: {both:#?}"));
        }
        Ok(())
    }

    /// The oldest of what was never returned, or of what is not dismissed, as much as fits.
    fn handed_out(&self, mail: &BTreeMap<(MessageId, String), Letter>, me: &InstanceId) -> Vec<MessageId> {
        let all = self.call.flag("all");
        let after = self.call.text("cursor").and_then(|id| id.parse::<MessageId>().ok());
        let limit = self.call.number("limit").unwrap_or(10) as usize;
        let inbox = mail.iter().filter(|((id, recipient), letter)| {
            let fits = if all { !letter.dismissed } else { letter.returned.is_none() };
            recipient == me.as_str() && after.is_none_or(|after| *id > after) && fits
        });
        let mut bytes = 0;
        let mut ids: Vec<MessageId> = Vec::new();
        for ((id, _), _) in inbox.take(limit) {
            bytes += self.after.messages[id].body.len() + MESSAGE_BYTES;
            if bytes > ANSWER_BYTES && !ids.is_empty() {
                break;
            }
            ids.push(*id);
        }
        ids
    }

    /// Whose inbox, or which address, a message must be in.
    fn recipients(&self) -> Result<Vec<String>, String> {
        let me = self.me.as_ref();
        let online = |one: &&Instance| one.online(self.after.tick);
        let ids = |found: Vec<&Instance>| found.into_iter().map(|one| one.id.to_string()).collect::<Vec<_>>();
        let named = |name: &str| match self.before.instance(name) {
            Some(one) => vec![one.id.to_string()],
            None => vec![name.to_owned()],
        };
        if self.operation() == "request_help" || self.call.flag("broadcast") {
            return Ok(ids(self.before.others(me, None).filter(online).collect()));
        }
        let to = self.call.text("to_instance");
        if let Some(role) = to.and_then(|to| to.strip_prefix("role:")) {
            let here: Vec<&Instance> = self.before.others(me, Some(role)).filter(online).collect();
            let here = if here.is_empty() { self.before.others(me, Some(role)).collect() } else { here };
            return Ok(if here.is_empty() { vec![format!("role:{}", role.to_ascii_lowercase())] } else { ids(here) });
        }
        if let Some(to) = to {
            return Ok(named(to));
        }
        if let Some(name) = self.call.text("to_name") {
            return Ok(named(&format!("@{name}")));
        }
        let replied = self.call.text("reply_to").and_then(|id| id.parse().ok());
        let replied = replied.and_then(|id: MessageId| self.before.messages.get(&id)).ok_or("sent to nobody")?;
        Ok(replied.from.instance.iter().map(ToString::to_string).collect())
    }

    /// What waits for a name or a role is in the inbox of whoever comes to bear it.
    fn moves_in(&self, mail: &mut BTreeMap<(MessageId, String), Letter>, truth: &Truth) -> Checked {
        let me = self.me_now(truth).ok_or("registered nobody")?;
        let role = self.after.instances.get(&me).ok_or("registered nobody")?.role.to_ascii_lowercase();
        let name = format!("@{}", self.call.text("name").unwrap_or_default());
        let waits = |address: &str| address == name || address.strip_prefix("role:") == Some(&role);
        let moving: Vec<_> = mail.keys().filter(|(_, recipient)| waits(recipient)).cloned().collect();
        for key in moving {
            let letter = mail.remove(&key).expect("it was just found");
            mail.entry((key.0, me.to_string())).or_insert(letter);
        }
        Ok(())
    }

    fn check_receipts(&self, data: &Value) -> Checked {
        for receipt in data["receipts"].as_array().into_iter().flatten() {
            let id = receipt["message_id"].as_str().and_then(|id| id.parse().ok()).ok_or("no id")?;
            let recipient = receipt["recipient"].as_str().unwrap_or_default().to_owned();
            let letter = self.after.mail.get(&(id, recipient)).ok_or("a receipt of nothing")?;
            let state = match letter {
                Letter { dismissed: true, .. } => "dismissed",
                Letter { acknowledged: true, .. } => "acknowledged",
                Letter { seen: true, .. } => "seen",
                Letter { returned: Some(_), .. } => "returned",
                _ => "queued",
            };
            must!(receipt["state"] == json!(state), "{receipt} is {state}");
        }
        Ok(())
    }

    fn check_context(&self, truth: &Truth) -> Checked {
        let brief = |seen: &Seen| -> BTreeMap<String, (u64, Option<Value>)> {
            seen.context.iter().map(|(key, entry)| (key.clone(), (entry.version, entry.value.clone()))).collect()
        };
        let mut wanted = brief(self.before);
        if self.is(&["set_context", "delete_context"]) && self.done_anew(truth).is_some() {
            let key = self.call.text("key").unwrap_or_default().to_owned();
            let (version, value) = wanted.get(&key).cloned().unwrap_or_default();
            let live = if value.is_some() { version } else { 0 };
            must!(self.call.number("expect_version").is_none_or(|expected| expected == live), "{key} was at {live}");
            let new = self.call.arguments.get("value").cloned();
            if new.is_some() || value.is_some() {
                wanted.insert(key, (version + 1, new));
            }
        }
        let found = brief(self.after);
        must!(found == wanted, "context {found:?}, not {wanted:?}");
        Ok(())
    }

    fn check_instances(&self, truth: &Truth) -> Checked {
        let anew = self.done_anew(truth);
        let registered = self.me_now(truth).filter(|_| self.operation() == "register_instance" && anew.is_some());
        for (id, was) in &self.before.instances {
            let Some(is) = self.after.instances.get(id) else { return Err(format!("`{id}` is lost")) };
            if registered.as_ref() == Some(id) {
                let taken_over = anew.is_some_and(|data| data["took_over"] == json!(true));
                must!(!(taken_over && was.online(self.after.tick)), "`{id}` was taken over from a bearer who is here");
                must!(is.incarnation == was.incarnation + u32::from(taken_over), "`{id}` is another bearer");
                continue;
            }
            if self.me.as_ref() == Some(id) {
                must!(
                    (&is.name, &is.role, is.incarnation) == (&was.name, &was.role, was.incarnation),
                    "`{id}` changed"
                );
                continue;
            }
            let mut wanted = was.clone();
            if registered.is_some() && is.session.is_none() {
                wanted.session = None;
                wanted.version = is.version;
            }
            must!(*is == wanted, "`{id}` was changed by somebody else: {is:?}, was {was:?}");
        }
        let new = self.after.instances.len() - self.before.instances.len();
        must!(new == 0 || (new == 1 && registered.is_some()), "{new} instances from nowhere");
        Ok(())
    }

    fn check_events(&self) -> Checked {
        let new = &self.after.new_events;
        let events_of = |id: &dyn ToString| {
            let id = id.to_string();
            new.iter().filter(move |event| event.subject == id).map(|event| event.kind.as_str()).collect::<Vec<_>>()
        };
        must!(new.is_empty() || self.done().is_some(), "a refusal has events: {new:?}");
        for (id, was) in &self.before.tasks {
            let is = &self.after.tasks[id];
            let kinds = events_of(id);
            if was.state != is.state || was.token != is.token {
                must!(!kinds.is_empty(), "{id} was {:?}, is {:?}, and no event tells of it", was.state, is.state);
            }
            let claimed = is.token > was.token;
            must!(kinds.contains(&"task.claimed") == claimed, "{id}: {kinds:?}");
            let completed = is.state == State::Completed && was.state != State::Completed;
            must!(kinds.contains(&"task.completed") == completed, "{id}: {kinds:?}");
            let freed = was.state.is_held() && (claimed || (self.is(&TAKES_BACK) && !is.state.is_held()));
            must!(kinds.contains(&"task.lapsed") == freed, "{id}: {kinds:?}");
        }
        for id in self.after.tasks.keys().filter(|id| !self.before.tasks.contains_key(id)) {
            must!(events_of(id) == ["task.pushed"], "{id} was pushed without a word");
        }
        for id in self.after.messages.keys().filter(|id| !self.before.messages.contains_key(id)) {
            must!(events_of(id) == ["message.sent"], "{id} was sent without a word");
        }
        Ok(())
    }

    fn learn(&self, truth: &mut Truth) {
        if self.done().is_some() && find(self.operation()).is_some_and(|entry| entry.effect != Effect::Read) {
            truth.resting = false;
        }
        let anew = self.done_anew(truth).is_some();
        let renewed_whole = anew && self.is(&["heartbeat", "register_instance"]);
        for me in [&self.me, &self.me_now(truth)].into_iter().flatten() {
            truth.called.insert(me.clone(), truth.awake);
            for task in self.after.tasks.values().filter(|task| task.holder.as_ref() == Some(me)) {
                let whole = i64::from(task.lease_secs) * 1000;
                let before = self.before.tasks.get(&task.id).map_or(0, |was| i64::from(was.lease_secs) * 1000);
                let target = anew && self.is(&["renew_task", "start_task"]);
                let renewed_whole = renewed_whole
                    || (target && self.call.task() == Some(task.id))
                    || self.before.tasks.get(&task.id).is_none_or(|was| was.token != task.token);
                // Less than a quarter of a lease after the last renewal, a call does not renew it again.
                let safe_for = if renewed_whole { whole } else { whole.min(before) / 4 * 3 };
                let known = truth.lease(task).copied();
                // Whoever shortens their lease counts on less from then on.
                let counted_on = known.filter(|_| whole >= before).map_or(0, |known| known.safe_until);
                let lease = Lease {
                    token: task.token,
                    safe_until: counted_on.max(truth.awake + safe_for),
                    free_after: known.map_or(0, |known| known.free_after).max(truth.awake + whole),
                };
                truth.leases.insert(task.id, lease);
            }
        }
        if self.operation() == "unregister_instance"
            && self.done().is_some()
            && let Some(me) = &self.me
            && self.after.instances.get(me).is_some_and(|me| !me.online(self.after.tick))
        {
            truth.left(me);
        }
        let durable = find(self.operation()).is_some_and(|entry| entry.effect == Effect::Write);
        if durable && self.done().is_some() && self.after.events.1 > self.before.events.1 {
            truth.durable_leases = truth.leases.clone();
            truth.durable_event = self.after.events.1;
        }
        if let Outcome::Done { data, .. } = self.outcome
            && let Some(key) = self.call.text("idempotency_key")
            && !truth.answers.contains_key(key)
            && find(self.operation()).is_some_and(|entry| entry.effect == Effect::Write)
        {
            let given = Given { call: self.call.clone(), me: self.me.clone(), data: data.clone() };
            truth.answers.insert(key.to_owned(), given);
        }
    }
}

/// The arguments that tell a call from another one.
fn of_call(call: &Call) -> Map<String, Value> {
    let mut arguments = call.arguments.clone();
    arguments.remove("idempotency_key");
    if call.operation != "register_instance" {
        arguments.remove("instance_id");
    }
    arguments
}

/// The recipient calls: what a process returned that still lives has arrived, what a dead one returned comes again.
fn arrives(mail: &mut BTreeMap<(MessageId, String), Letter>, me: &InstanceId, dead: &HashSet<String>) {
    for ((_, recipient), letter) in mail {
        if recipient == me.as_str()
            && !letter.seen
            && let Some((process, _)) = &letter.returned
        {
            match dead.contains(process) {
                true => letter.returned = None,
                false => letter.seen = true,
            }
        }
    }
}

/// In which order somebody is served; `None` for what is meant for others.
fn rank(task: &Task, me: &Instance) -> Option<u8> {
    match (&task.assignee, &task.role) {
        (Some(assignee), _) => (assignee == me.id.as_str()).then_some(0),
        (None, Some(role)) => role.eq_ignore_ascii_case(&me.role).then_some(1),
        (None, None) => Some(if task.link.is_some() && task.link == Link::fitting(&me.role) { 1 } else { 2 }),
    }
}

/// Time may have passed, and nothing else.
pub fn nothing_happened(before: &Seen, after: &Seen) -> Checked {
    must!(before.tasks == after.tasks, "tasks changed by themselves");
    must!(before.mail == after.mail, "mail changed by itself");
    must!(before.instances == after.instances, "instances changed by themselves");
    must!(before.context == after.context, "context changed by itself");
    must!(before.events == after.events, "events from nowhere");
    Ok(())
}

/// A call was cancelled: what it returned is as if it had not been, unless its reader has said otherwise since.
pub fn taken_back(before: &Seen, after: &Seen, process: &str, number: &str) -> Checked {
    let mut wanted = before.mail.clone();
    for letter in wanted.values_mut() {
        let said = letter.acknowledged || letter.dismissed;
        if letter.returned.as_ref().is_some_and(|(by, call)| by == process && call == number) && !said {
            *letter = Letter::default();
        }
    }
    must!(wanted == after.mail, "a cancelled call left {:?}", after.mail);
    must!(before.tasks == after.tasks && before.context == after.context, "a cancelled call changed more than mail");
    Ok(())
}

/// After a power cut everything is as it was acknowledged, but for marks: receipts, presence, and what time alone did.
pub fn recovered(acknowledged: &Seen, found: &Seen, truth: &Truth) -> Checked {
    found.check()?;
    must!(found.tasks.keys().eq(acknowledged.tasks.keys()), "other tasks are there");
    for (id, was) in &acknowledged.tasks {
        let is = &found.tasks[id];
        let mut wanted = was.clone();
        wanted.lease_until = is.lease_until;
        wanted.due = is.due;
        wanted.version = is.version;
        wanted.updated_at = is.updated_at;
        let lapsed_anew =
            matches!(was.state, State::Pending | State::Failed) && is.state.is_held() && was.token == is.token;
        must!(wanted == *is || lapsed_anew, "{id} was {was:?}, and is {is:?}");
    }
    must!(found.mail.keys().eq(acknowledged.mail.keys()), "other mail is there");
    for (key, was) in &acknowledged.mail {
        let is = &found.mail[key];
        must!((was.acknowledged, was.dismissed) == (is.acknowledged, is.dismissed), "{key:?} was {was:?}, is {is:?}");
    }
    must!(found.context == acknowledged.context, "context was {:?}", acknowledged.context);
    let brief = |seen: &Seen| -> Vec<(InstanceId, String, u32)> {
        seen.instances.values().map(|one| (one.id.clone(), one.name.clone(), one.incarnation)).collect()
    };
    must!(brief(found) == brief(acknowledged), "other instances are there");
    must!(found.events.1 >= truth.durable_event, "events up to {} were durable", truth.durable_event);
    Ok(())
}
