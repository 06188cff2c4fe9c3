//! Was that right? What was so before, what was asked, what was answered, what is so now.

use crate::sim::call::Call;
use crate::sim::seen::Seen;
use crate::sim::truth::Truth;
use orch_mcp::error::Error;
use orch_mcp::error::Kind;
use orch_mcp::model::id::InstanceId;
use orch_mcp::model::task::State;
use orch_mcp::model::task::Task;
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
pub(super) use must;

/// Calls that first take back what lapsed, and make ready what fell due.
pub(super) const TAKES_BACK: [&str; 3] = ["claim_task", "wait_for_task", "reserve_files"];

pub enum Outcome {
    /// The arguments were not what they should be, and nobody looked at the store.
    Malformed(Error),
    Refused(Error),
    Done {
        data: Value,
        unread: Option<u32>,
    },
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
        self.check_reading()?;
        self.learn(truth);
        truth.check_presence(self.after)
    }

    pub(super) fn operation(&self) -> &str {
        self.call.operation
    }

    pub(super) fn is(&self, operations: &[&str]) -> bool {
        operations.contains(&self.call.operation)
    }

    pub(super) fn done(&self) -> Option<&Value> {
        match self.outcome {
            Outcome::Done { data, .. } => Some(data),
            Outcome::Malformed(_) | Outcome::Refused(_) => None,
        }
    }

    /// The answer, where it is not the first one given again.
    pub(super) fn done_anew(&self, truth: &Truth) -> Option<&Value> {
        match self.given_before(truth) {
            Some(_) => None,
            None => self.done(),
        }
    }

    /// Who the caller is from now on.
    pub(super) fn me_now(&self, truth: &Truth) -> Option<InstanceId> {
        match (self.operation(), self.done_anew(truth)) {
            ("register_instance", Some(data)) => Some(InstanceId::from_stored(data["instance"]["id"].as_str()?.into())),
            _ => self.me.clone(),
        }
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

    /// What is read is what is there.
    fn check_reading(&self) -> Checked {
        let Some(data) = self.done() else { return Ok(()) };
        let standing = |of: &[&str]| {
            let fits = |task: &&Task| of.is_empty() || of.contains(&task.standing().word());
            self.after.tasks.values().filter(fits).count()
        };
        let (found, wanted) = match self.operation() {
            "get_task" => {
                let task = self.call.task().and_then(|id| self.after.tasks.get(&id)).ok_or("a task from nowhere")?;
                let (status, token) = (&data["task"]["status"], &data["task"]["token"]);
                (json!([status, token]), json!([task.state.word(), task.token]))
            }
            "list_tasks" => {
                let wanted = match self.call.text("status") {
                    Some("open") => standing(&["ready", "waiting", "claimed", "in_progress", "blocked"]),
                    Some(status) => standing(&[status]),
                    None => standing(&[]),
                };
                (data["total"].clone(), json!(wanted))
            }
            "get_context" => {
                let entry = self.call.text("key").and_then(|key| self.after.context.get(key));
                (data["value"].clone(), json!(entry.and_then(|entry| entry.value.clone())))
            }
            "server_status" => {
                let online = self.after.instances.values().filter(|one| one.online(self.after.tick)).count();
                let found = json!([data["tasks"]["ready"], data["tasks"]["completed"], data["instances_online"]]);
                (found, json!([standing(&["ready"]), standing(&["completed"]), online]))
            }
            _ => return Ok(()),
        };
        must!(found == wanted, "read {found}, not {wanted}");
        Ok(())
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
