//! What a call may do to tasks, and which of them a claim must give.

use crate::sim::check::Checked;
use crate::sim::check::Outcome;
use crate::sim::check::Step;
use crate::sim::check::TAKES_BACK;
use crate::sim::check::must;
use crate::sim::seen::Seen;
use crate::sim::truth::Truth;
use orch_mcp::error::Kind;
use orch_mcp::model::id::TaskId;
use orch_mcp::model::instance::Instance;
use orch_mcp::model::reservation::Reservation;
use orch_mcp::model::task::Link;
use orch_mcp::model::task::Standing;
use orch_mcp::model::task::State;
use orch_mcp::model::task::Task;
use serde_json::json;
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// Calls that only the holder of a claim may make.
const OF_THE_HOLDER: [&str; 6] =
    ["start_task", "renew_task", "complete_task", "block_task", "fail_task", "release_task"];

impl Step<'_> {
    pub(super) fn check_tasks(&self, truth: &Truth) -> Checked {
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
        // It follows from what waits for it, which is looked at elsewhere.
        wanted.height = is.height;
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
    pub(super) fn check_claim(&self, truth: &Truth) -> Checked {
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
            let place = |task: &Task| rank(task, me).map(|rank| (rank, task.priority, Reverse(task.height), task.id));
            let others =
                self.after.reservations.iter().filter(|one| claimed.is_none_or(|got| one.task != Some(got.id)));
            let others: Vec<&Reservation> = others.collect();
            let is_free = |task: &&Task| {
                task.reserves.iter().all(|pattern| others.iter().all(|one| !one.stands_against(pattern, &me.id)))
            };
            let ready = self.ready_before(claimed);
            let overdue = self.overdue(&ready, &others);
            let waited_for = overdue.iter().find(|task| self.is_waited_for(task, &others));
            let waits = |task: &&Task| {
                waited_for.is_some_and(|first| {
                    let came_before = task.reserves.len() > 1 && task.updated_at < first.updated_at;
                    let is_more_urgent = task.priority < first.priority;
                    let wants_some = task.reserves.iter().any(|pattern| first.reserves.contains(pattern));
                    wants_some && !is_more_urgent && !(came_before && task.priority == first.priority)
                })
            };
            let best = ready
                .iter()
                .filter(|task| is_free(task) && !waits(task))
                .min_by_key(|task| place(task).map_or((true, None), |place| (false, Some(place))));
            let best = best.filter(|task| place(task).is_some());
            let first_of = |task: &Task| rank(task, me).map(|rank| (rank, task.priority));
            let long = overdue.iter().filter(|task| is_free(task) && !waits(task) && first_of(task).is_some());
            let long = long.min_by_key(|task| first_of(task));
            let expected = match (long, best) {
                (Some(long), Some(best)) if first_of(long) <= first_of(best) => Some(long),
                (Some(long), None) => Some(long),
                (_, best) => best,
            };
            let (expected, got) = (expected.map(|task| task.id), claimed.map(|task| task.id));
            must!(expected == got, "{expected:?} was to be claimed, not {got:?}");
        }
        Ok(())
    }
}

const QUARTER_MILLIS: i64 = 15 * 60 * 1_000;

impl Step<'_> {
    /// What was ready when the claim was made: the claimed one as it was then.
    fn ready_before(&self, claimed: Option<&Task>) -> Vec<Task> {
        let ready = self.after.tasks.values().filter(|task| task.standing() == Standing::Ready).cloned();
        let taken = claimed.map(|claimed| {
            let was = self.before.tasks.get(&claimed.id).filter(|task| task.standing() == Standing::Ready);
            // What became ready in the call itself did so just now.
            let updated_at = was.map_or(claimed.updated_at, |was| was.updated_at);
            Task { updated_at, ..claimed.clone() }
        });
        ready.chain(taken).collect()
    }

    /// What stands first of those that want the same, and has waited for a quarter of an hour, but for what is kept by hand.
    fn overdue(&self, ready: &[Task], others: &[&Reservation]) -> Vec<Task> {
        let mut heads: BTreeMap<String, &Task> = BTreeMap::new();
        let place = |task: &Task| (task.priority, Reverse(task.height), task.id);
        for task in ready.iter().filter(|task| task.reserves.len() > 1) {
            let head = heads.entry(task.queue()).or_insert(task);
            if place(task) < place(head) {
                *head = task;
            }
        }
        let by_hand = |task: &Task| {
            others.iter().any(|one| one.task.is_none() && task.reserves.iter().any(|want| one.excludes(want, false)))
        };
        let has_waited = |task: &Task| self.after.wall - task.updated_at.millis() >= QUARTER_MILLIS;
        let mut overdue: Vec<Task> =
            heads.into_values().filter(|task| has_waited(task) && !by_hand(task)).cloned().collect();
        overdue.sort_by_key(|task| (task.priority, task.updated_at, task.id));
        overdue
    }

    fn is_waited_for(&self, task: &Task, others: &[&Reservation]) -> bool {
        let quarters = (self.after.wall - task.updated_at.millis()) / QUARTER_MILLIS;
        let is_kept = others.iter().any(|one| task.reserves.iter().any(|want| one.excludes(want, false)));
        let is_there = |one: &Instance| one.online(self.after.tick);
        let somebody = match (&task.assignee, &task.role) {
            (Some(assignee), _) => {
                self.after.instances.values().any(|one| one.id.as_str() == assignee && is_there(one))
            }
            (None, Some(role)) => {
                self.after.instances.values().any(|one| one.role.eq_ignore_ascii_case(role) && is_there(one))
            }
            (None, None) => true,
        };
        quarters % 2 == 1 && is_kept && somebody
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
