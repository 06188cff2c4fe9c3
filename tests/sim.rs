//! A seed decides what several processes do and what befalls them; after every step, every promise is looked at.
//!
//! `ORCH_SIM_SEEDS=500` plays that many seeds, `ORCH_SIM_SEEDS=17..17` the one that failed.

mod call;
mod check;
mod mail;
mod recovery;
mod seen;
mod tasks;
mod truth;

use crate::support::cutting_vfs::Disk;
use crate::support::dice::Dice;
use crate::support::world::Process;
use crate::support::world::World;
use call::Call;
use check::Checked;
use check::Outcome;
use check::Step;
use orch_mcp::host::Host;
use orch_mcp::model::id::InstanceId;
use orch_mcp::model::task::State;
use orch_mcp::model::task::Task;
use orch_mcp::ops::Caller;
use orch_mcp::ops::Desk;
use orch_mcp::ops::caller::Bearing;
use orch_mcp::ops::table::find;
use orch_mcp::store::Options;
use orch_mcp::store::doorbell::Hangup;
use orch_mcp::store::sqlite::SqliteStore;
use seen::Seen;

use serde_json::Value;
use serde_json::json;
use std::collections::HashSet;
use std::collections::VecDeque;
use std::env;
use std::fs;
use std::thread;
use truth::Truth;

const SEEDS: u64 = 16;
const STEPS: usize = 250;
const SEATS: usize = 4;
/// Threads that play seeds side by side.
const TABLES: u64 = 2;
/// Steps told when something is wrong.
const STEPS_TOLD: usize = 25;
/// Every so many steps everything is read anew, not only what changed.
const LOOK_ANEW_EVERY: usize = 50;
/// So few that old events are pruned in a longer play.
const EVENTS_MAX: u64 = 150;
const HOUR: i64 = 3_600;
const YEAR: i64 = 365 * 24 * HOUR;
const LEASE_SECS_MAX: i64 = 7 * 24 * HOUR;

#[test]
fn every_promise_holds_whatever_happens() {
    let (first, last) = seeds();
    thread::scope(|scope| {
        for table in 0..TABLES {
            scope.spawn(move || {
                for seed in (first..=last).filter(|seed| seed % TABLES == table) {
                    Sim::new(seed).play();
                }
            });
        }
    });
}

fn seeds() -> (u64, u64) {
    let Ok(wanted) = env::var("ORCH_SIM_SEEDS") else { return (1, SEEDS) };
    match wanted.split_once("..") {
        Some((first, last)) => (first.parse().unwrap(), last.parse().unwrap()),
        None => (1, wanted.parse().unwrap()),
    }
}

struct Sim {
    seed: u64,
    dice: Dice,
    disk: Disk,
    world: World,
    onlooker: SqliteStore,
    seats: Vec<Seat>,
    seen: Seen,
    truth: Truth,
    counted: u64,
    told: VecDeque<String>,
}

/// Where one process after another sits.
struct Seat {
    /// The session of a client that comes back after its process died; one-shot commands have none.
    session: Option<String>,
    live: Option<Live>,
}

struct Live {
    process: Process,
    bears: Option<Bearing>,
    /// The last call, as it would be named to cancel it.
    last: Option<Caller>,
}

impl Sim {
    fn new(seed: u64) -> Sim {
        let disk = Disk::recording();
        let mut world = disk.world();
        world.host = Host::manual(seed);
        world.options.events_max = if seed.is_multiple_of(2) { EVENTS_MAX } else { world.options.events_max };
        let mut onlooker = open(&world);
        let seen = Seen::look(&mut onlooker, &Seen::default());
        let mut truth = Truth::default();
        truth.after_a_reboot(&seen);
        let seats = (0..SEATS)
            .map(|seat| Seat { session: seat.is_multiple_of(2).then(|| format!("session {seat}")), live: None })
            .collect();
        Sim {
            seed,
            dice: Dice::new(seed),
            disk,
            world,
            onlooker,
            seats,
            seen,
            truth,
            counted: 0,
            told: VecDeque::new(),
        }
    }

    fn play(&mut self) {
        for step in 1..=STEPS {
            let checked = match self.dice.below(100) {
                0..80 => self.someone_calls(),
                80..88 => self.time_passes(),
                88..90 => self.a_process_dies(),
                90..94 => self.a_call_is_cancelled(),
                94..96 => self.a_process_says_it_is_there(),
                96 => self.a_session_ends(),
                97 => self.the_machine_restarts(),
                98 => self.the_power_fails(),
                _ => self.the_power_fails_during_a_call(),
            };
            let checked = checked.and_then(|()| match step.is_multiple_of(LOOK_ANEW_EVERY) {
                true => self.look_anew(),
                false => Ok(()),
            });
            self.or_fail(checked);
        }
        let checked = self.everything_comes_to_an_end();
        self.or_fail(checked);
    }

    fn or_fail(&self, checked: Checked) {
        if let Err(problem) = checked {
            let told: Vec<&str> = self.told.iter().map(String::as_str).collect();
            panic!("seed {}: {problem}\n\nThe last steps:\n{}\n", self.seed, told.join("\n"));
        }
    }

    fn tell(&mut self, what: String) {
        self.told.push_back(what);
        if self.told.len() > STEPS_TOLD {
            self.told.pop_front();
        }
    }

    fn look(&mut self) -> Seen {
        Seen::look(&mut self.onlooker, &self.seen)
    }

    fn look_anew(&mut self) -> Checked {
        let anew = Seen::look(&mut self.onlooker, &Seen::default());
        anew.check()?;
        let kept = anew.events.1.saturating_sub(anew.events.0) + 1;
        if anew.new_events.len() as u64 != kept && anew.events.1 > 0 {
            return Err(format!("{} events between {:?}", anew.new_events.len(), anew.events));
        }
        check::nothing_happened(&self.seen, &anew)
    }

    fn next_number(&mut self) -> u64 {
        self.counted += 1;
        self.counted
    }

    /// Somebody sits here; if nobody did, a new process.
    fn sit(&mut self, seat: usize) -> &mut Live {
        if self.seats[seat].live.is_none() {
            let name = format!("p{}", self.next_number());
            let mut process = self.world.process(&name);
            process.caller.session = self.seats[seat].session.clone();
            self.tell(format!("seat {seat}: {name} starts"));
            self.seats[seat].live = Some(Live { process, bears: None, last: None });
        }
        self.seats[seat].live.as_mut().expect("somebody sits here now")
    }

    fn leave(&mut self, seat: usize) {
        if let Some(live) = self.seats[seat].live.take() {
            let name = live.process.caller.process.clone();
            self.world.host.set(|host| host.dead.insert(name));
        }
    }

    fn dead(&self) -> HashSet<String> {
        self.world.host.set(|host| host.dead.clone())
    }

    fn someone_calls(&mut self) -> Checked {
        let seat = self.dice.below(SEATS);
        self.calls(seat)
    }

    fn calls(&mut self, seat: usize) -> Checked {
        let call = self.draw(seat);
        self.carry_out(seat, &call)
    }

    fn draw(&mut self, seat: usize) -> Call {
        self.sit(seat);
        let again = self.dice.below(1000);
        if self.dice.chance(4)
            && let Some(call) = self.truth.answered(again)
        {
            return call.clone();
        }
        let me = self.speaks_for(seat, None);
        if me.is_none() && self.dice.chance(70) {
            return Call::register(&mut self.dice);
        }
        Call::draw(&mut self.dice, &self.seen, me.as_ref())
    }

    fn carry_out(&mut self, seat: usize, call: &Call) -> Checked {
        let number = format!("c{}", self.next_number());
        let explicit = call.text("instance_id").filter(|_| call.operation != "register_instance");
        let me = self.speaks_for(seat, explicit);
        let outcome = self.ask(seat, call, &number);
        let process = self.sit(seat).process.caller.process.clone();
        let answer = match &outcome {
            Outcome::Malformed(error) | Outcome::Refused(error) => format!("{}: {error}", error.kind.code()),
            Outcome::Done { data, .. } => data.to_string().chars().take(200).collect(),
        };
        self.tell(format!("{process} as {me:?} {number}: {call}\n    -> {answer}"));
        let after = self.look();
        let dead = self.dead();
        let step = Step {
            before: &self.seen,
            after: &after,
            call,
            me,
            process: &process,
            number: &number,
            outcome: &outcome,
            dead: &dead,
        };
        step.check(&mut self.truth)?;
        self.seen = after;
        Ok(())
    }

    fn ask(&mut self, seat: usize, call: &Call, number: &str) -> Outcome {
        let live = self.sit(seat);
        let caller = Caller { registered: live.bears.clone(), call: number.to_owned(), ..live.process.caller.clone() };
        let request = match find(call.operation).unwrap().request(call.arguments.clone()) {
            Ok(request) => request,
            Err(error) => return Outcome::Malformed(error),
        };
        let reply = live.process.desk.execute(&request, &caller, &Hangup::new());
        live.last = Some(caller);
        match reply {
            Ok(reply) => {
                live.bears = reply.now_bears.or(live.bears.take());
                Outcome::Done { data: reply.data, unread: reply.unread }
            }
            Err(error) => Outcome::Refused(error),
        }
    }

    /// Whom a call of this process is by.
    fn speaks_for(&self, seat: usize, explicit: Option<&str>) -> Option<InstanceId> {
        if let Some(explicit) = explicit {
            return self.seen.instance(explicit).map(|one| one.id.clone());
        }
        let seat = &self.seats[seat];
        if let Some(bearing) = seat.live.as_ref().and_then(|live| live.bears.as_ref()) {
            let bearer = self.seen.instances.get(&bearing.instance);
            return bearer.filter(|one| one.incarnation == bearing.incarnation).map(|one| one.id.clone());
        }
        let mut instances = self.seen.instances.values();
        instances.find(|one| one.session.is_some() && one.session == seat.session).map(|one| one.id.clone())
    }

    fn time_passes(&mut self) -> Checked {
        let secs = match self.dice.below(8) {
            0..3 => self.dice.between(1, 60),
            3 => self.dice.between(100, 400),
            4 | 5 => self.dice.between(500, 2_000),
            6 => {
                let jump = *self.dice.pick(&[HOUR, -HOUR, 10 * YEAR, -10 * YEAR]);
                self.tell(format!("the wall clock jumps {jump} s"));
                self.world.jump_wall_secs(jump);
                return self.nothing_happened();
            }
            _ => {
                let asleep = self.dice.between(10, 10 * HOUR);
                self.tell(format!("the machine sleeps {asleep} s"));
                self.world.jump_wall_secs(asleep);
                return self.nothing_happened();
            }
        };
        self.pass(secs)
    }

    fn pass(&mut self, secs: i64) -> Checked {
        self.tell(format!("{secs} s pass"));
        self.world.pass_secs(secs);
        let after = self.look();
        self.truth.time_passed(&self.seen, &after, secs * 1000)?;
        self.nothing_happened()
    }

    fn nothing_happened(&mut self) -> Checked {
        let after = self.look();
        check::nothing_happened(&self.seen, &after)?;
        self.truth.check_presence(&after)?;
        self.seen = after;
        Ok(())
    }

    fn a_process_dies(&mut self) -> Checked {
        let seat = self.dice.below(SEATS);
        self.tell(format!("seat {seat}: the process dies"));
        self.leave(seat);
        self.nothing_happened()
    }

    fn a_call_is_cancelled(&mut self) -> Checked {
        let seat = self.dice.below(SEATS);
        let Some(live) = &self.seats[seat].live else { return Ok(()) };
        let Some(caller) = live.last.clone() else { return Ok(()) };
        live.process.desk.take_back(&caller).map_err(|error| format!("{error:?}"))?;
        self.tell(format!("{} {} is cancelled", caller.process, caller.call));
        let after = self.look();
        mail::taken_back(&self.seen, &after, &caller.process, &caller.call)?;
        self.seen = after;
        Ok(())
    }

    fn a_process_says_it_is_there(&mut self) -> Checked {
        let seat = self.dice.below(SEATS);
        let Some(live) = &self.seats[seat].live else { return Ok(()) };
        let Some(bearing) = live.bears.clone() else { return Ok(()) };
        live.process.say_of("keep_present", &bearing).map_err(|error| format!("{error:?}"))?;
        self.tell(format!("seat {seat}: {bearing:?} is there"));
        self.only_presence_changed(&bearing)
    }

    fn a_session_ends(&mut self) -> Checked {
        let seat = self.dice.below(SEATS);
        let Some(bearing) = self.seats[seat].live.as_ref().and_then(|live| live.bears.clone()) else { return Ok(()) };
        self.tell(format!("seat {seat}: the session ends, {bearing:?} departs"));
        self.sit(seat).process.say_of("depart", &bearing).map_err(|error| format!("{error:?}"))?;
        self.leave(seat);
        if self.seen.instances.get(&bearing.instance).is_some_and(|one| one.incarnation == bearing.incarnation) {
            self.truth.left(&bearing.instance);
        }
        self.only_presence_changed(&bearing)
    }

    fn only_presence_changed(&mut self, bearing: &Bearing) -> Checked {
        let mut after = self.look();
        after.check()?;
        let mut wanted = self.seen.clone();
        wanted.events = after.events;
        if let (Some(was), Some(is)) =
            (wanted.instances.get_mut(&bearing.instance), after.instances.get(&bearing.instance))
            && was.incarnation == bearing.incarnation
        {
            *was = is.clone();
        }
        check::nothing_happened(&wanted, &after)?;
        self.truth.check_presence(&after)?;
        after.new_events.clear();
        self.seen = after;
        Ok(())
    }

    fn the_machine_restarts(&mut self) -> Checked {
        self.tell("the machine restarts".to_owned());
        self.turn_off();
        self.onlooker = open(&self.world);
        self.truth.after_a_reboot(&self.seen);
        self.nothing_happened()
    }

    fn turn_off(&mut self) {
        (0..SEATS).for_each(|seat| self.leave(seat));
        let boot = format!("boot {}", self.next_number());
        let awake_ms = self.dice.between(1_000, 100_000);
        self.world.host.set(|host| {
            host.boot = boot;
            host.awake_ms = awake_ms;
        });
    }

    fn the_power_fails(&mut self) -> Checked {
        self.tell("the power fails".to_owned());
        let found = self.cut_the_power(self.disk.acts());
        recovery::recovered(&self.seen, &found, &self.truth)?;
        self.go_on_from(found);
        Ok(())
    }

    /// The call was never answered: it was carried out, or nothing of it was.
    fn the_power_fails_during_a_call(&mut self) -> Checked {
        let seat = self.dice.below(SEATS);
        let call = self.draw(seat);
        let began = self.disk.acts();
        self.ask(seat, &call, "c0");
        let carried_out = self.look();
        let cut = self.dice.between(began as i64, self.disk.acts() as i64) as usize;
        self.tell(format!("the power fails during {call}"));
        let found = self.cut_the_power(cut);
        recovery::recovered(&self.seen, &found, &self.truth).or_else(|neither| {
            recovery::recovered(&carried_out, &found, &self.truth)
                .map_err(|problem| format!("neither before: {neither}\nnor after: {problem}"))
        })?;
        self.go_on_from(found);
        Ok(())
    }

    /// Back on, with what the disk has kept of what was done until then.
    fn cut_the_power(&mut self, moment: usize) -> Seen {
        let record = self.disk.record();
        let left = record.cuts(&[moment], &mut self.dice).next().expect("one cut leaves one state");
        self.turn_off();
        // Lets go of the files before they are replaced.
        self.onlooker = SqliteStore::in_memory(self.world.host.clone()).unwrap();
        let dir = self.world.place().dir().to_owned();
        for name in ["orch.db", "orch.db-wal", "orch.db-shm", "orch.db-journal"] {
            fs::remove_file(dir.join(name)).ok();
        }
        self.disk = Disk::recording();
        self.disk.begin_with(&left, &dir);
        self.world.options = Options { vfs: Some(self.disk.name()), ..self.world.options.clone() };
        self.onlooker = open(&self.world);
        Seen::look(&mut self.onlooker, &Seen::default())
    }

    fn go_on_from(&mut self, found: Seen) {
        self.truth.after_a_power_cut(&found);
        self.seen = found;
    }

    /// All leases run out, all times come, and one worker does what is left: then everything is at an end, or waits for
    /// something that failed.
    fn everything_comes_to_an_end(&mut self) -> Checked {
        (0..SEATS).for_each(|seat| self.leave(seat));
        self.carry_out(0, &call("register_instance", json!({ "name": "closer", "role": "closer" })))?;
        self.pass(LEASE_SECS_MAX)?;
        self.world.jump_wall_secs(60 * YEAR);
        let limit = 10 * self.seen.tasks.len() + 10;
        for _ in 0..limit {
            self.carry_out(0, &call("claim_task", json!({})))?;
            let can_move = |task: &&Task| task.state == State::Pending && task.unmet == 0 && task.due;
            let held = self.seen.tasks.values().find(|task| task.state.is_held()).map(|task| task.id.to_string());
            let next = self.seen.tasks.values().find(can_move).map(|task| task.id.to_string());
            match (held, next) {
                (Some(id), _) => self.carry_out(0, &call("complete_task", json!({ "task_id": id })))?,
                (None, Some(id)) => {
                    self.carry_out(0, &call("claim_task", json!({ "task_id": id, "force": true })))?;
                }
                (None, None) => return self.everything_is_at_an_end(),
            }
        }
        Err("the work does not end".to_owned())
    }

    fn everything_is_at_an_end(&self) -> Checked {
        for task in self.seen.tasks.values() {
            let waits = |id| self.seen.tasks.get(id).is_some_and(|needed: &Task| needed.state != State::Completed);
            let stuck = match task.state {
                State::Pending => task.depends_on.iter().any(waits),
                state => state.is_final() || state == State::Blocked,
            };
            if !stuck {
                return Err(format!("{} can neither move nor is at an end: {task:?}", task.id));
            }
        }
        Ok(())
    }
}

fn open(world: &World) -> SqliteStore {
    SqliteStore::open(&world.place(), world.host.clone(), &world.options).unwrap()
}

fn call(operation: &'static str, arguments: Value) -> Call {
    let Value::Object(arguments) = arguments else { panic!("arguments are an object") };
    Call { operation, arguments }
}
