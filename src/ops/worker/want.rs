//! `launch_workers`: so many of a role are wanted.

use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::model::event::NewEvent;
use crate::model::id::NAME;
use crate::model::id::check_name;
use crate::model::spending::Allowance;
use crate::model::spending::Limits;
use crate::model::spending::Spent;
use crate::model::worker::Mode;
use crate::model::worker::Terms;
use crate::model::worker::Worker;
use crate::ops::Answer;
use crate::ops::Caller;
use crate::ops::Effect;
use crate::ops::Noun;
use crate::ops::Operation;
use crate::ops::caller::Origin;
use crate::ops::render;
use crate::ops::worker::WorkerView;
use crate::ops::worker::check_room;
use crate::ops::worker::unless_supervised;
use crate::ops::worker::workers_behind;
use crate::store::Tx;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use std::fmt;

/// Known, running or stopped.
const KNOWN_MAX: usize = 500;
const MODEL_CHARS_MAX: usize = 100;
/// A number goes behind it, and all of that is a name.
const ROLE_CHARS_MAX: usize = 48;

/// Records what is wanted; whoever looks after the workers makes it so.
#[derive(Debug, Default, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LaunchWorkers {
    #[schemars(length(max = ROLE_CHARS_MAX), regex(pattern = NAME))]
    role: String,
    #[schemars(range(min = 1, max = LaunchWorkers::COUNT_MAX))]
    count: Option<u32>,
    /// How they run; unless said, as their role does
    mode: Option<Mode>,
    #[schemars(length(min = 1, max = MODEL_CHARS_MAX))]
    model: Option<String>,
    /// The repository; yours unless said
    work_dir: Option<String>,
    limits: Option<Limits>,
}

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
pub struct Launched {
    /// The first of them, if they are many.
    workers: Vec<WorkerView>,
    count: usize,
    /// Somebody looks after the workers, so they will be started.
    supervised: bool,
    /// Nobody looks after workers, and so nobody does this yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

impl Operation for LaunchWorkers {
    const NAME: &'static str = "launch_workers";
    const ABOUT: &'static str = "Have Claude sessions started that work through tasks of a role";
    const NOUN: Noun = Noun::Workers;
    const EFFECT: Effect = Effect::Write;
    const POSITIONAL: &'static [&'static str] = &["role", "count"];
    type Output = Launched;

    fn run(&self, tx: &mut dyn Tx, caller: &Caller) -> Result<Launched> {
        let count = self.check()? as usize;
        let depth = depth(tx, caller)?;
        has_room(tx, caller, count)?;
        let workers = self.want(tx, caller, depth)?;
        let views = workers.into_iter().map(|worker| WorkerView::of(worker, tx)).collect::<Result<_>>()?;
        let (workers, _) = render::fit(views, render::ANSWER_BYTES_MAX - 100);
        let note = unless_supervised(tx, caller)?;
        Ok(Launched { workers, count, supervised: note.is_none(), note })
    }
}

/// How far from the human whoever the caller asks for will be.
pub(super) fn depth(tx: &mut dyn Tx, caller: &Caller) -> Result<u32> {
    let depth = workers_behind(tx, caller)?.iter().map(|worker| worker.depth + 1).max();
    // One that is known by nothing else is one at least.
    let depth = depth.unwrap_or(caller.of_run.into());
    let most = tx.fleet()?.caps.depth;
    match depth > most {
        true => {
            let message = format!("workers of workers may be {most} deep, and this would be one more");
            Err(Error::new(Kind::Refused, message)
                .hint("push tasks for the workers that there are, or `ask_human` for more"))
        }
        false => Ok(depth),
    }
}

/// And a person who starts some has seen to it that the service takes more.
pub(super) fn has_room(tx: &mut dyn Tx, caller: &Caller, count: usize) -> Result<()> {
    let mut fleet = tx.fleet()?;
    check_room(&fleet, &tx.workers()?, count)?;
    if caller.origin == Origin::Human && fleet.limited_until.take().is_some() {
        tx.put_fleet(&fleet)?;
    }
    Ok(())
}

impl LaunchWorkers {
    /// Of a role, at once.
    pub const COUNT_MAX: u32 = 64;

    /// What so many workers of a role are called: first those that come back, then new ones, whose names nobody has.
    pub fn names(role: &str, count: usize, taken: &[String], back: &[String]) -> Vec<String> {
        let new = (1..).map(|number| format!("{role}-{number}")).filter(|name| !taken.contains(name));
        back.iter().cloned().chain(new).take(count).collect()
    }

    pub(super) fn role(&self) -> &str {
        &self.role
    }

    /// There is room for them.
    pub(super) fn want(&self, tx: &mut dyn Tx, caller: &Caller, depth: u32) -> Result<Vec<Worker>> {
        let count = self.check()? as usize;
        let now = tx.now();
        let me = caller.known_instance(tx)?;
        let known = tx.workers()?;
        // Those of that role that were stopped come back first, under their old names.
        let mut wanted: Vec<Worker> = known
            .iter()
            .filter(|one| one.role == self.role && !one.wanted && one.run.is_none())
            .take(count)
            .cloned()
            .collect();
        let taken: Vec<String> = known.iter().map(|worker| worker.name.clone()).collect();
        let back: Vec<String> = wanted.iter().map(|worker| worker.name.clone()).collect();
        for name in LaunchWorkers::names(&self.role, count, &taken, &back).into_iter().skip(wanted.len()) {
            wanted.push(Worker::new(name, self.role.clone(), Mode::default(), Terms::default(), now));
        }
        if known.len() + wanted.len() - back.len() > KNOWN_MAX {
            return Err(Error::new(Kind::Refused, format!("{KNOWN_MAX} workers are known already"))
                .hint("launch a role that has some that were stopped: they come back first, under their names"));
        }
        for worker in &mut wanted {
            worker.is_wanted_again(now);
            worker.terms = self.terms(caller, worker);
            worker.limits = worker.terms.limits.clone();
            // What it spent before is in the ledger; its limits are those of this launch.
            (worker.allowance, worker.spent) = (Allowance::default(), Spent::default());
            (worker.mode, worker.settled) = (self.mode.unwrap_or_default(), false);
            worker.wanted_at = now.at;
            worker.wanted_by = me.as_ref().map(|me| me.id.clone());
            worker.depth = depth;
            tx.put_worker(worker)?;
            tx.append_event(
                NewEvent::new("worker.wanted", &worker.name, worker.wanted_by.as_ref())
                    .with("role", worker.role.as_str())
                    .with_some("mode", self.mode.map(Mode::word)),
            )?;
        }
        Ok(wanted)
    }

    pub(super) fn check(&self) -> Result<u32> {
        check_name("role", &self.role)?;
        if self.role.chars().count() > ROLE_CHARS_MAX {
            return Err(Error::invalid(format!("`role` may have {ROLE_CHARS_MAX} characters")));
        }
        if self.model.as_ref().is_some_and(|model| !(1..=MODEL_CHARS_MAX).contains(&model.chars().count())) {
            return Err(Error::invalid(format!("`model` must have 1 to {MODEL_CHARS_MAX} characters")));
        }
        if let Some((limit, least)) = self.limits.as_ref().and_then(Limits::senseless) {
            return Err(Error::invalid(format!("`limits.{limit}` must be at least {least}")));
        }
        let (count, most) = (self.count.unwrap_or(1), LaunchWorkers::COUNT_MAX);
        if !(1..=most).contains(&count) {
            return Err(Error::invalid(format!("`count` must be between 1 and {most}")));
        }
        Ok(count)
    }

    fn terms(&self, caller: &Caller, before: &Worker) -> Terms {
        let here = || caller.worktree.clone().or_else(|| caller.work_dir.clone());
        Terms {
            mode: self.mode,
            model: self.model.clone().or_else(|| before.terms.model.clone()),
            work_dir: self.work_dir.clone().or_else(|| before.terms.work_dir.clone()).or_else(here),
            limits: self.limits.clone().unwrap_or_default(),
        }
    }
}

impl Answer for Launched {
    fn ids(&self) -> Vec<String> {
        self.workers.iter().map(|worker| worker.name.clone()).collect()
    }
}

impl fmt::Display for Launched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.workers.iter().map(|worker| worker.name.as_str()).collect();
        writeln!(f, "wanted: {}", names.join(", "))?;
        self.note.iter().try_for_each(|note| writeln!(f, "{note}"))
    }
}
