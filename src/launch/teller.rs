//! Tells roles of what happened: a thread beside the supervisor, which makes a task for each role that is to look at it.

use crate::config::Roles;
use crate::error::Result;
use crate::host::Stopwatch;
use crate::launch::changes;
use crate::launch::changes::Look;
use crate::launch::eyes::Eyes;
use crate::launch::news;
use crate::launch::news::Next;
use crate::launch::news::Since;
use crate::launch::team::Team;
use crate::launch::team::text;
use crate::model::role::News;
use crate::model::role::Role;
use crate::model::task::State;
use crate::store::doorbell::Hangup;
use crate::store::place;
use serde_json::Value;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Condvar;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::thread;
use std::time::Duration;

const COMPLETED: &str = "task.completed";

/// Nothing has to be looked at: everything rings.
const AT_REST: Duration = Duration::from_secs(280);

/// After an error of the store, which others see too.
const AFTER_ERROR: Duration = Duration::from_secs(30);

/// More are not counted one by one.
const COMPLETED_MAX: usize = 1_000;

/// Of which roles workers are wanted, and the directory in which they were.
pub type Wanted = BTreeMap<String, Option<String>>;

/// How the supervisor says for whom there is something to hear.
#[derive(Clone, Default)]
pub struct Teller(Arc<(Mutex<Desired>, Condvar)>);

#[derive(Default)]
struct Desired {
    wanted: Wanted,
    ends: bool,
    /// Ends the wait that is under way.
    hangup: Hangup,
}

impl Desired {
    fn ring(&mut self) {
        self.hangup.hang_up();
    }
}

/// However the work ends beside which it tells.
struct Ends<'a>(&'a Teller);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// What it tells by.
pub struct Telling<'a> {
    pub team: Team<'a>,
    pub roles: &'a Roles,
    /// Hears what is done, in words: of which role, and what.
    pub tell: &'a (dyn Fn(&str, &str) + Sync),
}

impl Teller {
    pub fn wants(&self, wanted: Wanted) {
        let mut desired = self.desired();
        if desired.wanted != wanted {
            desired.wanted = wanted;
            desired.ring();
            self.0.1.notify_all();
        }
    }

    fn end(&self) {
        let mut desired = self.desired();
        desired.ends = true;
        desired.ring();
        self.0.1.notify_all();
    }

    /// Tells while that goes on.
    pub fn beside<T>(&self, telling: &Telling, work: impl FnOnce() -> T) -> T {
        thread::scope(|scope| {
            scope.spawn(|| self.run(telling));
            let _ends = Ends(self);
            work()
        })
    }

    /// Until it is ended. Where nobody is to be told of anything, nothing is looked at.
    fn run(&self, telling: &Telling) {
        let mut listeners: Vec<Listener> = Vec::new();
        let mut cursor = None;
        let mut known = Wanted::new();
        while let Some(wanted) = self.wanted_unlike(listeners.is_empty().then_some(&known)) {
            if wanted != known {
                listeners.retain(|listener| wanted.get(&listener.role) == known.get(&listener.role));
                let new = wanted.iter().filter(|(role, dir)| known.get(*role) != Some(*dir));
                let deaf: Vec<String> = new
                    .filter(|(role, dir)| !self.listen(telling, role, dir.as_deref(), &mut listeners, &mut cursor))
                    .map(|(role, _)| role.clone())
                    .collect();
                known = wanted;
                if !deaf.is_empty() {
                    deaf.iter().for_each(|role| drop(known.remove(role)));
                    self.pause(AFTER_ERROR);
                }
            }
            if listeners.is_empty() {
                cursor = None;
            } else if let Err(error) = self.round(telling, &mut listeners, &mut cursor) {
                (telling.tell)("roles", &format!("cannot be told of what happens: {}", error.message));
                self.pause(AFTER_ERROR);
            }
        }
    }

    fn desired(&self) -> MutexGuard<'_, Desired> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who is wanted, once that is other than `known` where one is given. `None` at the end.
    fn wanted_unlike(&self, known: Option<&Wanted>) -> Option<Wanted> {
        let mut desired = self.desired();
        while !desired.ends && known == Some(&desired.wanted) {
            desired = self.0.1.wait(desired).unwrap_or_else(PoisonError::into_inner);
        }
        (!desired.ends).then(|| desired.wanted.clone())
    }

    fn pause(&self, time: Duration) {
        let desired = self.desired();
        if !desired.ends {
            let _ = self.0.1.wait_timeout(desired, time);
        }
    }

    /// For the next wait.
    fn hangup(&self) -> Hangup {
        let mut desired = self.desired();
        if desired.hangup.is_hung_up() && !desired.ends {
            desired.hangup = Hangup::new();
        }
        desired.hangup.clone()
    }

    /// `false` where it is to be tried again.
    fn listen(
        &self,
        telling: &Telling,
        name: &str,
        dir: Option<&str>,
        all: &mut Vec<Listener>,
        cursor: &mut Option<u64>,
    ) -> bool {
        let Some(role) = telling.roles.read(name).ok().filter(|role| !role.told_of.is_empty()) else { return true };
        let teller = self.clone();
        let begun = Listener::begin(&telling.team, &role, dir, move || teller.desired().ring());
        match begun {
            Ok((listener, trouble)) => {
                trouble.iter().for_each(|trouble| (telling.tell)(name, trouble));
                *cursor = Some(cursor.map_or(listener.up_to, |before| before.min(listener.up_to)));
                all.push(listener);
                true
            }
            Err(error) => {
                (telling.tell)(name, &format!("cannot be told of what happens: {}", error.message));
                false
            }
        }
    }

    /// Tells who is to be told now, then waits for something to happen.
    fn round(&self, telling: &Telling, listeners: &mut [Listener], cursor: &mut Option<u64>) -> Result<()> {
        let hangup = self.hangup();
        let mut wait = AT_REST;
        for listener in listeners.iter_mut() {
            match listener.next(&telling.team)? {
                Next::Rest => {}
                Next::Wait(left) => wait = wait.min(left),
                Next::Tell => {
                    if let Some(told) = listener.tell(&telling.team)? {
                        (telling.tell)(&listener.role, &format!("is told by {told}"));
                    }
                }
            }
        }
        let (events, next) = telling.team.events(COMPLETED, *cursor, wait, &hangup)?;
        *cursor = Some(next);
        listeners.iter_mut().for_each(|listener| listener.hear(&events));
        Ok(())
    }
}

/// One role, and what it is to be told of.
struct Listener {
    role: String,
    hears_completed: bool,
    quiet: Duration,
    /// Where files are looked at.
    root: Option<PathBuf>,
    eyes: Option<Eyes>,
    /// The newest event that it knows of.
    up_to: u64,
    seen: Look,
    completed: Vec<String>,
    since: Option<(Stopwatch, Stopwatch)>,
}

impl Listener {
    /// Goes on where the last task of its role says, else from now. What keeps it from seeing files is no more than said.
    fn begin(
        team: &Team,
        role: &Role,
        dir: Option<&str>,
        ring: impl Fn() + Send + 'static,
    ) -> Result<(Listener, Option<String>)> {
        let mut listener = Listener {
            role: role.name.clone(),
            hears_completed: role.told_of.contains(&News::Completed),
            quiet: Duration::from_secs(role.quiet_secs.into()),
            root: None,
            eyes: None,
            up_to: 0,
            seen: Look::default(),
            completed: Vec::new(),
            since: None,
        };
        let dir =
            dir.map(Path::new).filter(|dir| role.told_of.contains(&News::Changes) && place::is_in_repository(dir));
        let mut trouble = None;
        if let Some(root) = dir.map(changes::main_worktree).transpose()?.flatten() {
            match Eyes::open(&root, ring) {
                Ok(eyes) => listener.eyes = Some(eyes),
                Err(error) => trouble = Some(error.message),
            }
            listener.seen = changes::look(&root)?;
            listener.root = Some(root);
        }
        let before = listener.told_before(team)?;
        let metadata = &before["metadata"];
        match metadata["up_to"].as_u64() {
            Some(up_to) => listener.up_to = up_to,
            None => listener.up_to = team.events(COMPLETED, None, Duration::ZERO, &Hangup::new())?.1,
        }
        if let Some(print) = metadata["print"].as_str().filter(|print| *print != listener.seen.print) {
            // It changed while nobody looked.
            listener.seen.print = print.to_owned();
            listener.seen.commit = metadata["commit"].as_str().map(str::to_owned);
            listener.happened();
        }
        Ok((listener, trouble))
    }

    /// By this its tasks are found again.
    fn label(&self) -> String {
        format!("told-{}", self.role)
    }

    /// The task by which it was told last.
    fn told_before(&self, team: &Team) -> Result<Value> {
        let found = team.ask("list_tasks", json!({ "label": self.label(), "limit": 1 }))?;
        match found["tasks"][0]["id"].as_str().and_then(|id| id.parse().ok()) {
            Some(task) => Ok(team.task(task)?.unwrap_or_default()),
            None => Ok(Value::Null),
        }
    }

    fn happened(&mut self) {
        let now = Stopwatch::start();
        self.since = Some((self.since.map_or(now, |(first, _)| first), now));
    }

    fn hear(&mut self, events: &[Value]) {
        let new = events.iter().filter(|event| event["seq"].as_u64().is_some_and(|seq| seq > self.up_to));
        let new: Vec<(u64, String)> =
            new.map(|event| (event["seq"].as_u64().unwrap_or_default(), text(event, "subject").to_owned())).collect();
        let Some((newest, _)) = new.last() else { return };
        self.up_to = *newest;
        if self.hears_completed {
            self.completed.extend(new.into_iter().map(|(_, task)| task));
            self.completed.truncate(COMPLETED_MAX);
            self.happened();
        }
    }

    fn next(&self, team: &Team) -> Result<Next> {
        let events = self.since.map(|(first, last)| Since { first: first.so_far(), last: last.so_far() });
        let since = Since::both(events, self.eyes.as_ref().and_then(Eyes::since));
        match news::next(since, false, self.quiet) {
            // Only now it matters whether it is still at the last.
            Next::Tell => Ok(news::next(since, self.is_at_it(team)?, self.quiet)),
            next => Ok(next),
        }
    }

    fn is_at_it(&self, team: &Team) -> Result<bool> {
        let before = self.told_before(team)?;
        let over = [State::Completed, State::Failed, State::Cancelled];
        Ok(!before.is_null() && over.iter().all(|state| state.word() != text(&before, "status")))
    }

    /// The task that was made, if there was anything to tell.
    fn tell(&mut self, team: &Team) -> Result<Option<String>> {
        if let Some(eyes) = &mut self.eyes {
            // What changes from here on is told the next time; and this once more, should it come to nothing now.
            if eyes.since().is_some() {
                self.since.get_or_insert_with(|| (Stopwatch::start(), Stopwatch::start()));
            }
            eyes.blink();
            // What cannot be watched is found all the same, with whatever else happens.
            let _ = eyes.follow();
        }
        let look = self.root.as_deref().map(changes::look).transpose()?;
        let changed = match (&self.root, &look) {
            (Some(root), Some(look)) if look.print != self.seen.print => {
                changes::since(root, self.seen.commit.as_deref(), look, &self.landings(team)?)
            }
            _ => Vec::new(),
        };
        let completed = self.completed_by_others(team)?;
        let told = match news::words(&completed, &changed) {
            Some((title, description)) => Some(self.push(team, &title, &description, look.as_ref())?),
            None => None,
        };
        self.seen = look.unwrap_or_default();
        self.completed.clear();
        self.since = None;
        Ok(told)
    }

    /// From where to where its own work reaches that has landed. Told of that, it would look through it and land again.
    fn landings(&self, team: &Team) -> Result<Vec<(String, String)>> {
        let mut found = Vec::new();
        let mut wanted = json!({ "kind": "branch.landed", "subject": self.role, "limit": 30 });
        loop {
            let page = team.ask("list_events", wanted.clone())?;
            let events = page["events"].as_array().map(Vec::as_slice).unwrap_or_default();
            if events.is_empty() {
                return Ok(found);
            }
            found.extend(events.iter().map(|one| (text(&one["data"], "from").into(), text(&one["data"], "to").into())));
            wanted["cursor"] = page["cursor"].clone();
        }
    }

    fn push(&self, team: &Team, title: &str, description: &str, look: Option<&Look>) -> Result<String> {
        let metadata = json!({
            "up_to": self.up_to, "commit": look.and_then(|look| look.commit.clone()), "print": look.map(|look| look.print.clone()),
        });
        let once = format!("{} {} {}", self.label(), self.up_to, look.map_or("", |look| look.print.as_str()));
        let task = json!({
            "title": title, "description": description, "role": self.role, "labels": [self.label()],
            "metadata": metadata, "idempotency_key": once,
        });
        Ok(text(&team.ask("push_task", task)?["task"], "id").to_owned())
    }

    /// Those it did not do itself, with their titles.
    fn completed_by_others(&self, team: &Team) -> Result<Vec<(String, String)>> {
        let mut others = Vec::new();
        for id in &self.completed {
            let told = id.parse().ok().map(|task| team.task(task)).transpose()?.flatten().unwrap_or_default();
            if text(&told, "role") != self.role {
                others.push((id.clone(), text(&told, "title").to_owned()));
            }
        }
        Ok(others)
    }
}
