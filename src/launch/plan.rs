//! What to do next for each worker: from what is wanted, what is seen and the time, and from nothing else.

use crate::launch::liveness;
use crate::launch::liveness::Doing;
use crate::launch::liveness::Signs;
use crate::launch::liveness::Verdict;
use crate::launch::nudge::Due;
use crate::launch::nudge::Subject;
use crate::model::fleet::Fleet;
use crate::model::id::TaskId;
use crate::model::session::Activity;
use crate::model::spending::Leave;
use crate::model::spending::Purse;
use crate::model::spending::Reached;
use crate::model::time::Now;
use crate::model::time::Tick;
use crate::model::worker::Mode;
use crate::model::worker::Order;
use crate::model::worker::Run;
use crate::model::worker::State;
use crate::model::worker::Worker;

/// A session that has not joined the team by then will not.
pub const REGISTERS_WITHIN_MS: i64 = 30_000;
/// In which a person may answer what stands on its screen.
pub const REGISTERS_AT_TERMINAL_MS: i64 = 300_000;
/// What a session for one task may still do when that is over.
pub const LINGERS_MS: i64 = 120_000;
/// Whoever was asked to end, and has not, is ended.
pub const ENDS_WITHIN_MS: i64 = 20_000;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Life {
    /// There is no process of it.
    None,
    /// Its directory is being made ready; nothing of it runs yet.
    Prepared,
    Alive,
    /// It had one, and that is gone.
    Gone,
    /// That is gone, and what it left is being done.
    Closing,
}

/// What is seen of a worker.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    pub life: Life,
    /// How long its process has been seen running.
    pub runs_ms: i64,
    /// How long of that it has been at work, since it waited for work.
    pub works_ms: i64,
    /// Its session has joined the team since its process began.
    pub joined: bool,
    /// The task that it was begun for is cancelled, or somebody else's.
    pub is_lost: bool,
    /// How long it has not held that any more, and no other one.
    pub without_ms: Option<i64>,
    pub doing: Doing,
    pub signs: Signs,
    /// There is something to do for it, or it holds what it has not finished.
    pub has_work: bool,
    /// The limit that it has used up.
    pub reached: Option<Reached>,
    /// What it is to be told, if it waits.
    pub due: Due,
    /// Something came for which it is to be woken over its standard input.
    pub rings: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Read from its role what its launch left open.
    Settle,
    /// Begin a session. In the mode of tasks, with one that is claimed for it.
    Start,
    /// Its process is gone: see what came of it.
    Reap,
    Interrupt,
    /// Tell a session that waits what there is for it.
    Say(Subject),
    /// Wake it for its mail.
    Ring,
    /// It does nothing with the task that it holds.
    HandBack(TaskId),
    /// Ask it to end, because somebody wants that.
    End(String),
    /// Ask it to end, because something is wrong with it, which counts as a failure.
    Fault(String),
    /// End it, and all that it started.
    Kill(String),
    Show(State, Option<String>),
    /// A limit is reached: may it go on?
    Ask(Purse, String),
    /// The human lets it go on, as far again.
    Extend(Purse),
    /// The human does not: the worker ends, its task is set aside for that reason, or the job is called off.
    Refuse(Purse, String),
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// In their order, each for the worker of that name.
    pub steps: Vec<(String, Step)>,
    /// In how many milliseconds time alone may change something.
    pub look_again_ms: Option<i64>,
}

impl Plan {
    fn look_again_in(&mut self, millis: i64) {
        let millis = millis.max(1);
        self.look_again_ms = Some(self.look_again_ms.map_or(millis, |before| before.min(millis)));
    }
}

pub fn plan(fleet: &Fleet, workers: &[(Worker, Seen)], now: Now) -> Plan {
    let mut plan = Plan::default();
    let mut fleet = fleet.clone();
    let mut told = Vec::new();
    for (worker, seen) in workers {
        for step in next(&mut fleet, worker, seen, now, &mut plan) {
            let is_news = match &step {
                // What is shown already need not be shown again.
                Step::Show(state, reason) => (worker.state, &worker.reason) != (*state, reason),
                // One hears of a task, and one asks about a day or a job, and not all of them.
                Step::Say(Subject::Ready(_))
                | Step::Ask(Purse::Day(_) | Purse::Job(_), _)
                | Step::Extend(Purse::Day(_) | Purse::Job(_))
                | Step::Refuse(Purse::Job(_), _) => {
                    let is_first = !told.contains(&step);
                    told.push(step.clone());
                    is_first
                }
                _ => true,
            };
            if is_news {
                plan.steps.push((worker.name.clone(), step));
            }
        }
    }
    plan
}

/// Nothing is left to do for it as far as one sees, and it does nothing.
pub fn has_nothing_left(worker: &Worker, seen: &Seen, tick: Tick) -> bool {
    let waits = worker.mode != Mode::Task && seen.joined && seen.doing.activity == Activity::Idle;
    // One for single tasks has to get up again only for a task.
    let stays = worker.mode != Mode::Task || !worker.settled;
    let gets_up = stays && worker.run.is_none() && worker.not_before.is_some_and(|at| at > tick);
    let rests = !gets_up && !seen.has_work && !seen.doing.asks;
    (worker.run.is_none() || waits) && (rests || worker.is_given_up())
}

fn next(fleet: &mut Fleet, worker: &Worker, seen: &Seen, now: Now, plan: &mut Plan) -> Vec<Step> {
    match (seen.life, &worker.run) {
        (Life::Gone, _) => vec![Step::Reap],
        (Life::Closing, _) => Vec::new(),
        (Life::Prepared, Some(run)) => ending(run, now, plan).unwrap_or_else(|| prepared(worker)),
        (Life::Alive, Some(run)) => alive(fleet, worker, run, seen, now, plan),
        (_, None) | (Life::None, _) if !worker.wanted => vec![Step::Show(State::Stopped, None)],
        (_, None) | (Life::None, _) => absent(fleet, worker, seen, now, plan),
    }
}

/// However long that takes: a set-up command has a deadline of its own.
fn prepared(worker: &Worker) -> Vec<Step> {
    match worker.order {
        _ if !worker.wanted => {
            vec![Step::End("it is not wanted any more".to_owned()), Step::Show(State::Stopping, None)]
        }
        Some(Order::Restart) => vec![Step::End("it is to begin anew".to_owned())],
        Some(Order::Interrupt) | None => vec![Step::Show(State::Starting, None)],
    }
}

fn absent(fleet: &mut Fleet, worker: &Worker, seen: &Seen, now: Now, plan: &mut Plan) -> Vec<Step> {
    if worker.is_given_up() {
        return vec![Step::Show(State::Failed, worker.reason.clone())];
    }
    if !worker.settled {
        return resting(worker, now, plan).unwrap_or_else(|| vec![Step::Settle]);
    }
    if worker.mode == Mode::Task && !seen.has_work {
        let state = if seen.doing.asks { State::NeedsInput } else { State::Idle };
        return vec![Step::Show(state, None)];
    }
    if let Some(paused) = at_a_limit(seen, now, plan) {
        return paused;
    }
    if let Some(until) = fleet.limited_until.filter(|_| fleet.is_limited(now)) {
        plan.look_again_in(until.millis() - now.at.millis());
        return vec![Step::Show(State::Limited, Some(format!("until {until}")))];
    }
    if let Some(steps) = resting(worker, now, plan) {
        return steps;
    }
    let left = fleet.next_spawn(now).since(now.tick);
    if left > 0 {
        plan.look_again_in(left);
        let reason = format!("{} were started in the last minute", fleet.caps.spawns_per_minute);
        return vec![Step::Show(State::Wanted, Some(reason))];
    }
    fleet.spawns_one(now);
    vec![Step::Start]
}

/// Of one that failed, until it is tried again.
fn resting(worker: &Worker, now: Now, plan: &mut Plan) -> Option<Vec<Step>> {
    let left = worker.not_before.map(|at| at.since(now.tick)).filter(|left| *left > 0)?;
    plan.look_again_in(left);
    Some(vec![Step::Show(State::Restarting, worker.reason.clone())])
}

/// Of one that was asked to end.
fn ending(run: &Run, now: Now, plan: &mut Plan) -> Option<Vec<Step>> {
    let left = ENDS_WITHIN_MS - now.tick.since(run.ending.as_ref()?.since);
    if left > 0 {
        plan.look_again_in(left);
        return Some(Vec::new());
    }
    Some(vec![Step::Kill("it did not end when it was asked to".to_owned())])
}

fn alive(fleet: &Fleet, worker: &Worker, run: &Run, seen: &Seen, now: Now, plan: &mut Plan) -> Vec<Step> {
    if let Some(steps) = ending(run, now, plan) {
        return steps;
    }
    if !worker.wanted {
        return vec![Step::End("it is not wanted any more".to_owned()), Step::Show(State::Stopping, None)];
    }
    match worker.order {
        Some(Order::Restart) => return vec![Step::End("it is to begin anew".to_owned())],
        Some(Order::Interrupt) => return vec![Step::Interrupt],
        None => {}
    }
    if let Some(steps) = at_its_end(seen, plan) {
        return steps;
    }
    // Whoever waits for work uses up nothing.
    let waits = seen.doing.activity == Activity::Idle && !seen.has_work;
    if let Some(mut paused) = at_a_limit(seen, now, plan).filter(|_| !waits) {
        if !matches!(paused[..], [Step::Extend(_)]) {
            paused.push(Step::End("a limit is reached".to_owned()));
        }
        return paused;
    }
    if let Some(most) = worker.limits.minutes.map(|minutes| i64::from(minutes) * 60_000) {
        if seen.works_ms >= most {
            let minutes = most / 60_000;
            return vec![Step::Fault(format!("it has worked for {minutes} minutes, which is the most it may"))];
        }
        plan.look_again_in(most - seen.works_ms);
    }
    if !seen.joined {
        return joins(worker, seen, plan);
    }
    let mut steps = match liveness::judge(&seen.doing, &seen.signs) {
        Verdict::Idle => shows_and_hears(State::Idle, seen, plan),
        Verdict::Limited if fleet.is_limited(now) => {
            plan.look_again_in(fleet.limited_until.map_or(0, |until| until.millis() - now.at.millis()));
            vec![Step::Show(State::Limited, None)]
        }
        Verdict::Limited => shows_and_hears(State::Limited, seen, plan),
        Verdict::NeedsInput => vec![Step::Show(State::NeedsInput, None)],
        Verdict::Stalled(why) => {
            vec![Step::Fault(format!("it hung: {why}")), Step::Show(State::Stalled, Some(why))]
        }
        Verdict::Busy => {
            plan.look_again_in(liveness::look_again_after(&seen.signs));
            vec![Step::Show(State::Busy, None)]
        }
    };
    steps.extend(seen.rings.then_some(Step::Ring));
    steps
}

/// Of a session for one task, which is over for it.
fn at_its_end(seen: &Seen, plan: &mut Plan) -> Option<Vec<Step>> {
    let why = match (seen.is_lost, LINGERS_MS - seen.without_ms?) {
        (true, _) => "its task was cancelled, or is somebody else's",
        (false, ..=0) => "its task is over, and it is not",
        (false, left) => {
            plan.look_again_in(left);
            return None;
        }
    };
    Some(vec![Step::End(why.to_owned())])
}

/// It runs, and has not told of itself. At a terminal it may be asking something that only a person can answer.
fn joins(worker: &Worker, seen: &Seen, plan: &mut Plan) -> Vec<Step> {
    let within = if worker.mode == Mode::Terminal { REGISTERS_AT_TERMINAL_MS } else { REGISTERS_WITHIN_MS };
    if seen.runs_ms >= within {
        return vec![Step::Fault(format!("its session did not join the team within {} s", within / 1000))];
    }
    let is_late = seen.runs_ms >= REGISTERS_WITHIN_MS;
    plan.look_again_in(if is_late { within } else { REGISTERS_WITHIN_MS } - seen.runs_ms);
    match is_late {
        true => {
            let reason = format!("it has not joined the team: `orch-mcp attach {}` shows what it asks", worker.name);
            vec![Step::Show(State::NeedsInput, Some(reason))]
        }
        false => vec![Step::Show(State::Starting, None)],
    }
}

/// It waits: what is it told?
fn shows_and_hears(state: State, seen: &Seen, plan: &mut Plan) -> Vec<Step> {
    match seen.due {
        Due::Nothing => vec![Step::Show(state, None)],
        Due::Later(millis) => {
            plan.look_again_in(millis);
            vec![Step::Show(state, None)]
        }
        Due::Say(subject) => vec![Step::Say(subject)],
        Due::HandBack(task) => vec![Step::HandBack(task)],
    }
}

/// It has used up what it may, and only the human lets it go on: or the next day does.
fn at_a_limit(seen: &Seen, now: Now, plan: &mut Plan) -> Option<Vec<Step>> {
    let Reached { purse, beyond, leave } = seen.reached.clone()?;
    let paused = |reason: String| Step::Show(State::Paused, Some(reason));
    Some(match (leave, purse) {
        (Leave::NotAsked, _) => vec![Step::Ask(purse, beyond.clone()), paused(beyond)],
        (Leave::Asked, _) => vec![paused(beyond)],
        (Leave::Given, _) => vec![Step::Extend(purse)],
        (Leave::Refused, Purse::Day(day)) => {
            let tomorrow = day.next_day();
            plan.look_again_in(tomorrow.millis() - now.at.millis());
            vec![paused(format!("{beyond}, until {tomorrow}"))]
        }
        (Leave::Refused, Purse::Task(_) | Purse::Job(_) | Purse::Worker) => vec![Step::Refuse(purse, beyond)],
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::id::JobId;
    use crate::model::time::Timestamp;
    use crate::model::worker::End;
    use crate::model::worker::Terms;

    const NOW: i64 = 10_000_000;

    fn now() -> Now {
        Now { at: Timestamp::from_millis(NOW), tick: Tick::from_millis(NOW) }
    }

    /// The words of a line, each of which says one thing of a worker.
    fn given(words: &str) -> (Fleet, Worker, Seen) {
        let mut fleet = Fleet::default();
        let at = |secs: i64| Now {
            at: Timestamp::from_millis(NOW - secs * 1000),
            tick: Tick::from_millis(NOW - secs * 1000),
        };
        let mut worker = Worker::new("w".to_owned(), "builder".to_owned(), Mode::Task, Terms::default(), at(3600));
        let mut seen = Seen {
            life: Life::None,
            runs_ms: 0,
            works_ms: 0,
            joined: false,
            is_lost: false,
            without_ms: None,
            doing: Doing { activity: Activity::Working, asks: false, needs_leave: false },
            signs: Signs { output: Some(0), calls: Some(0), processor: Some(0), files: Some(0), waited: None },
            has_work: false,
            reached: None,
            due: Due::Nothing,
            rings: false,
        };
        worker.settled = true;
        for word in words.split_whitespace() {
            let (name, value) = word.split_once('=').unwrap_or((word, ""));
            let secs = || value.parse::<i64>().unwrap();
            match name {
                "long" => worker.mode = Mode::Long,
                "terminal" => worker.mode = Mode::Terminal,
                "unsettled" => worker.settled = false,
                "rings" => seen.rings = true,
                "news" => seen.due = Due::Say(Subject::Ready(TaskId::from_number(7))),
                "later" => seen.due = Due::Later(secs() * 1000),
                "idles" => seen.due = Due::HandBack(TaskId::from_number(7)),
                "unwanted" => worker.wanted = false,
                "work" => seen.has_work = true,
                "runs" => {
                    worker.begins(None, at(secs()));
                    (seen.life, seen.runs_ms, seen.joined) = (Life::Alive, secs() * 1000, true);
                    seen.works_ms = seen.runs_ms;
                }
                "prepared" => seen.life = Life::Prepared,
                "worked" => seen.works_ms = secs() * 1000,
                "without" => seen.without_ms = Some(secs() * 1000),
                "lost" => (seen.is_lost, seen.without_ms) = (true, Some(0)),
                "unjoined" => seen.joined = false,
                "gone" => seen.life = Life::Gone,
                "ending" => worker.run.as_mut().unwrap().is_asked_to_end(None, at(secs())),
                "closing" => seen.life = Life::Closing,
                "failed" => {
                    (0..secs()).for_each(|_| worker.ends(&End::Badly { reason: "bad".to_owned() }, None, 1.0, at(0)))
                }
                "rested" => worker.not_before = Some(at(0).tick),
                "limited" => fleet.limited_until = Some(at(-secs()).at),
                "spawned" => (0..60).for_each(|_| fleet.spawns_one(at(secs()))),
                "restart" => worker.order = Some(Order::Restart),
                "interrupt" => worker.order = Some(Order::Interrupt),
                "silent" => {
                    let ago = Some(secs() * 1000);
                    seen.signs = Signs { output: ago, calls: ago, processor: ago, files: ago, waited: None };
                }
                "activity" => seen.doing.activity = Activity::of_word(value).unwrap(),
                "asks" => seen.doing.asks = true,
                "spent" => {
                    let purse = match value {
                        "day" => Purse::Day(at(0).at.day()),
                        "task" => Purse::Task(TaskId::from_number(7)),
                        "job" => Purse::Job(JobId::from_number(7)),
                        _ => Purse::Worker,
                    };
                    seen.reached = Some(Reached { purse, beyond: "beyond".to_owned(), leave: Leave::NotAsked });
                }
                "minutes" => worker.limits.minutes = Some(value.parse().unwrap()),
                "asked" => seen.reached.as_mut().unwrap().leave = Leave::Asked,
                "given" => seen.reached.as_mut().unwrap().leave = Leave::Given,
                "refused" => seen.reached.as_mut().unwrap().leave = Leave::Refused,
                other => panic!("what is `{other}`?"),
            }
        }
        (fleet, worker, seen)
    }

    /// `what is given -> steps`, and when to look again, in seconds.
    #[track_caller]
    fn check(line: &str) {
        let (words, expected) = line.split_once("->").unwrap();
        let (fleet, worker, seen) = given(words);
        let plan = plan(&fleet, &[(worker, seen)], now());
        let mut told: Vec<String> = plan.steps.iter().map(|(_, step)| word(step)).collect();
        told.extend(plan.look_again_ms.map(|millis| format!("again in {}", millis / 1000)));
        assert_eq!(told.join(", "), expected.trim(), "{line}");
    }

    fn word(step: &Step) -> String {
        match step {
            Step::Show(state, _) => state.word().to_owned(),
            Step::End(_) => "end".to_owned(),
            Step::Fault(_) => "fault".to_owned(),
            Step::Kill(_) => "kill".to_owned(),
            Step::Ask(..) => "ask".to_owned(),
            Step::Extend(_) => "extend".to_owned(),
            Step::Refuse(..) => "refuse".to_owned(),
            Step::Say(_) => "say".to_owned(),
            Step::HandBack(_) => "hand back".to_owned(),
            other => format!("{other:?}").to_lowercase(),
        }
    }

    #[test]
    fn whoever_is_wanted_and_absent_is_started_when_there_is_a_reason_to() {
        check("                        -> idle");
        check("work                    -> start");
        check("long                    -> start");
        check("work long unsettled     -> settle");
        check("work unwanted           -> stopped");
        check("asks                    -> needs_input");
        check("work limited=60         -> limited, again in 60");
        check("work spawned=20         -> wanted, again in 40");
        check("work spawned=61         -> start");
    }

    #[test]
    fn whoever_fell_gets_up_later_and_not_for_ever() {
        check("work failed=1           -> again in 2");
        check("work failed=1 rested    -> start");
        check("work failed=3 rested    -> start");
        check("work failed=4 rested    -> ");
        check("work failed=4 unwanted  -> stopped");
    }

    #[test]
    fn nothing_is_left_for_whoever_has_no_work_and_is_about_to_begin_none() {
        let left = |words: &str| {
            let (_, worker, seen) = given(words);
            !has_nothing_left(&worker, &seen, now().tick)
        };
        for words in [
            "work",
            "asks",
            "work failed=1",
            "runs=60",
            "runs=60 activity=idle",
            "failed=1 unsettled",
            "long failed=1",
            "long runs=60",
            "long runs=60 work activity=idle",
            "long runs=60 activity=idle unjoined",
        ] {
            assert!(left(words), "{words}");
        }
        for words in [
            "",
            // What it fell over has become somebody else's since.
            "failed=1",
            "failed=1 rested",
            "work failed=4",
            "long runs=60 activity=idle",
            "long failed=1 runs=60 activity=idle",
            "long failed=4",
        ] {
            assert!(!left(words), "{words}");
        }
    }

    #[test]
    fn whoever_runs_is_judged_by_its_signs() {
        check("work runs=60                     -> busy, again in 600");
        check("work runs=60 activity=idle       -> idle");
        check("work runs=60 activity=needs_input -> needs_input");
        check("work runs=60 activity=limited    -> limited");
        check("work runs=60 without=20          -> busy, again in 100");
        check("work runs=60 without=120         -> end");
        check("work runs=60 lost                -> end");
        check("work runs=60 lost unwanted       -> end, stopping");
        check("work runs=5 unjoined             -> again in 25");
        check("work runs=30 unjoined            -> fault");
        check("work runs=600 prepared unjoined  -> ");
        check("runs=600 prepared unwanted       -> end, stopping");
        check("work runs=600 prepared restart   -> end");
        check("work runs=3600 silent=599        -> busy, again in 1");
        check("work runs=3600 silent=600        -> fault, stalled");
        check("work runs=3600 minutes=60        -> fault");
        check("work runs=3000 minutes=60        -> busy, again in 600");
        check("work runs=600 prepared unwanted ending=5 -> again in 15");
        check("work runs=600 prepared unwanted ending=20 -> kill");
        check("work runs=60 closing             -> ");
        check("work failed=1 unsettled          -> again in 2");
        check("work failed=4 unsettled          -> ");
        check("work runs=60 gone                -> reap");
        check("work runs=60 gone unwanted       -> reap");
    }

    #[test]
    fn a_session_that_stays_hears_of_what_there_is_for_it_when_it_waits() {
        check("long runs=60 activity=idle                 -> idle");
        check("long runs=60 activity=idle news            -> say");
        check("long runs=60 activity=idle later=40        -> idle, again in 40");
        check("long runs=60 activity=idle idles           -> hand back");
        check("long runs=60 news                          -> busy, again in 600");
        check("long runs=60 rings                         -> busy, ring, again in 600");
        check("long runs=60 activity=limited news         -> say");
        check("long runs=60 activity=limited news limited=50 -> limited, again in 50");
        check("long runs=60 activity=needs_input news     -> needs_input");
    }

    #[test]
    fn one_of_those_who_wait_hears_of_a_task() {
        let (fleet, worker, seen) = given("long runs=60 activity=idle news");
        let workers: Vec<(Worker, Seen)> =
            (0..3).map(|n| (Worker { name: format!("w{n}"), ..worker.clone() }, seen.clone())).collect();
        let told = plan(&fleet, &workers, now()).steps;
        assert_eq!(told, [("w0".to_owned(), Step::Say(Subject::Ready(TaskId::from_number(7))))]);
    }

    #[test]
    fn a_person_may_answer_what_a_terminal_asks_before_it_joins() {
        check("terminal runs=29 unjoined  -> again in 1");
        check("terminal runs=31 unjoined  -> needs_input, again in 269");
        check("terminal runs=300 unjoined -> fault");
    }

    #[test]
    fn whoever_is_to_end_is_asked_first_and_then_ended() {
        check("runs=60 unwanted                 -> end, stopping");
        check("runs=60 unwanted ending=19       -> again in 1");
        check("runs=60 unwanted ending=20       -> kill");
        check("runs=60 restart                  -> end");
        check("runs=60 interrupt                -> interrupt");
    }

    #[test]
    fn at_a_cap_the_human_decides() {
        check("work spent                       -> ask, paused");
        check("work spent asked                 -> paused");
        check("work spent given                 -> extend");
        check("work spent refused               -> refuse");
        check("work runs=60 spent               -> ask, paused, end");
        check("work runs=60 spent given         -> extend");
        check("work spent=task refused          -> refuse");
        check("work runs=60 spent=task refused  -> refuse, end");
        check("work spent=job                   -> ask, paused");
        check("work runs=60 spent=job refused   -> refuse, end");
        // Midnight is 76,400 seconds away.
        check("work spent=day refused           -> paused, again in 76400");
    }

    #[test]
    fn whoever_has_nothing_to_do_asks_for_no_more() {
        check("spent                            -> idle");
        check("runs=60 activity=idle spent      -> idle");
        check("long spent                       -> ask, paused");
        check("runs=60 spent                    -> ask, paused, end");
    }

    #[test]
    fn about_a_day_or_a_job_one_of_them_asks() {
        for purse in ["day", "job"] {
            let (fleet, worker, seen) = given(&format!("work spent={purse}"));
            let workers: Vec<(Worker, Seen)> =
                (0..3).map(|n| (Worker { name: format!("w{n}"), ..worker.clone() }, seen.clone())).collect();
            let steps = plan(&fleet, &workers, now()).steps;
            assert_eq!(steps.iter().filter(|(_, step)| matches!(step, Step::Ask(..))).count(), 1);
            assert_eq!(steps.iter().filter(|(_, step)| matches!(step, Step::Show(State::Paused, _))).count(), 3);
        }
    }

    #[test]
    fn what_all_of_them_may_counts_for_all_of_them() {
        let (mut fleet, worker, seen) = given("work");
        fleet.caps.spawns_per_minute = 2;
        let workers: Vec<(Worker, Seen)> =
            (0..5).map(|n| (Worker { name: format!("w{n}"), ..worker.clone() }, seen.clone())).collect();
        let starts = plan(&fleet, &workers, now()).steps.iter().filter(|(_, step)| *step == Step::Start).count();
        assert_eq!(starts, 2);
    }

    #[test]
    fn the_plan_of_what_is_shown_already_is_nothing() {
        let (fleet, mut worker, seen) = given("work runs=60");
        for (_, step) in plan(&fleet, &[(worker.clone(), seen.clone())], now()).steps {
            if let Step::Show(state, reason) = step {
                worker.shows(state, reason, now());
            }
        }
        assert_eq!(plan(&fleet, &[(worker, seen)], now()).steps, []);
    }
}
