//! Workers as they are wanted, led and written down; nothing is started here.

use super::*;
use orch_mcp::host::Host;
use orch_mcp::model::fleet::LEAD_SECS;
use orch_mcp::ops::caller::Origin;

/// A process that looks after workers, as `Host::process` would name it.
struct Supervisor {
    process: Process,
    name: String,
    term: u64,
}

fn supervisor(world: &World, name: &str) -> Supervisor {
    Supervisor { process: world.process(name), name: name.to_owned(), term: 0 }
}

impl Supervisor {
    /// What it is told when it asks; it remembers its term.
    fn look(&mut self) -> Value {
        let view = self.process.ok("lead_fleet", json!({ "process": self.name, "timeout_seconds": 0 }));
        if view["leads"] == true {
            self.term = view["fleet"]["term"].as_u64().unwrap();
        }
        view
    }

    #[track_caller]
    fn note(&self, worker: &str, note: Value) -> Value {
        self.process.ok("note_fleet", json!({ "term": self.term, "notes": [[worker, note]] }))
    }

    /// A run of the worker begins, for an instance of that name.
    fn begins(&self, world: &World, worker: &str) -> u64 {
        world.joined_as(worker, "builder");
        self.note(worker, json!({ "is": { "instance": format!("i-{worker}") } }));
        let noted = self.note(worker, json!({ "begins": {} }));
        noted["runs"][worker].as_u64().unwrap()
    }

    fn ends(&self, worker: &str, number: u64, end: Value) {
        let cost = json!({ "dollars": 0.25, "tokens": 1000, "turns": 4 });
        self.note(
            worker,
            json!({ "ended": { "number": number, "end": end, "cost": cost, "completed": true, "forget": false } }),
        );
    }
}

fn wanted(world: &World, count: u32) -> Process {
    let lead = world.joined("lead");
    lead.ok("launch_workers", json!({ "role": "builder", "count": count }));
    lead
}

fn shown(who: &Process, field: &str) -> Vec<String> {
    each(&who.ok("list_workers", json!({ "all": true }))["workers"], field)
}

#[test]
fn so_many_are_wanted_and_those_that_were_stopped_come_back_first() {
    let world = World::new();
    let lead = wanted(&world, 2);
    assert_eq!(
        (shown(&lead, "name"), shown(&lead, "state")),
        (vec!["builder-1".into(), "builder-2".into()], vec!["wanted".into(); 2])
    );
    lead.ok("stop_workers", json!({ "workers": ["builder-1"] }));
    let again = lead.ok("launch_workers", json!({ "role": "builder", "count": 2 }));
    assert_eq!(each(&again["workers"], "name"), ["builder-1", "builder-3"]);
    assert_eq!(again["supervised"], false);
    lead.refused("not_found", "stop_workers", json!({ "workers": ["builder-9"] }));
    lead.refused("refused", "stop_workers", json!({}));
    assert_eq!(lead.ok("stop_workers", json!({ "all": true }))["count"], 3);
}

#[test]
fn the_cap_holds_whoever_asks_at_once() {
    let world = World::new();
    world.joined("lead");
    let launched: usize = std::thread::scope(|scope| {
        let asks: Vec<_> = (0..50)
            .map(|_| {
                scope.spawn(|| {
                    let lead = world.process("p");
                    lead.call("launch_workers", json!({ "role": "builder", "instance_id": "lead" })).is_ok()
                })
            })
            .collect();
        asks.into_iter().filter(|_| true).map(|ask| usize::from(ask.join().unwrap())).sum()
    });
    assert_eq!(launched, 8);
    let error = world.nobody().refused("refused", "launch_workers", json!({ "role": "docs" }));
    assert!(error.message.contains("beyond the cap of 8"), "{error}");
}

#[test]
fn workers_of_workers_go_no_deeper_than_they_may() {
    let world = World::new();
    wanted(&world, 1);
    let mut supervisor = supervisor(&world, "s");
    supervisor.look();
    supervisor.begins(&world, "builder-1");
    let worker = world.process("builder-1's session");
    let of_worker = |name: &str| worker.call("launch_workers", json!({ "role": "docs", "instance_id": name }));
    of_worker("builder-1").unwrap();
    supervisor.begins(&world, "docs-1");
    assert_eq!(of_worker("docs-1").unwrap_err().kind.code(), "refused");
}

#[test]
fn one_leads_and_what_an_earlier_one_notes_is_refused() {
    let world = World::new();
    wanted(&world, 1);
    let (mut first, mut second) = (supervisor(&world, "first"), supervisor(&world, "second"));
    assert_eq!((first.look()["leads"].clone(), second.look()["leads"].clone()), (json!(true), json!(false)));
    world.pass_secs(i64::from(LEAD_SECS));
    assert_eq!(second.look()["leads"], true);
    let note = json!({ "term": first.term, "notes": [["builder-1", { "shows": { "state": "busy" } }]] });
    first.process.refused("stale_claim", "note_fleet", note);
    assert_eq!(first.look()["leads"], false);
    second.process.ok("note_fleet", json!({ "term": second.term, "notes": [], "resign": true }));
    assert_eq!(first.look()["leads"], true);
}

#[test]
fn whoever_leads_is_told_as_soon_as_somebody_wants_something() {
    let world = World::new();
    let lead = wanted(&world, 1);
    let mut supervisor = supervisor(&world, "s");
    let seen = supervisor.look()["seen"].clone();
    let waits = json!({ "process": "s", "seen": seen, "timeout_seconds": 60 });
    let told = wait::woken_by(&supervisor.process, "lead_fleet", waits.clone(), || {
        drop(lead.ok("stop_workers", json!({ "all": true })))
    });
    assert_eq!(told["workers"][0]["worker"]["wanted"], false);
    let waits = json!({ "process": "s", "seen": told["seen"], "timeout_seconds": 60 });
    let told = wait::woken_by(&supervisor.process, "lead_fleet", waits, || drop(lead.push("t", json!({}))));
    assert_eq!(told["workers"][0]["has_work"], true);
}

#[test]
fn a_run_is_told_from_its_beginning_to_its_end() {
    let world = World::new();
    let lead = wanted(&world, 1);
    let mut supervisor = supervisor(&world, "s");
    supervisor.look();
    let number = supervisor.begins(&world, "builder-1");
    assert_eq!((number, shown(&lead, "state")), (1, vec!["starting".to_owned()]));
    let again = json!({ "term": supervisor.term, "notes": [["builder-1", { "begins": {} }]] });
    supervisor.process.refused("conflict", "note_fleet", again);
    assert_eq!(supervisor.look()["workers"][0]["joined"], false, "it was registered for it before");
    world.pass_secs(1);
    world.process("its session").ok("register_instance", json!({ "name": "builder-1", "instance_id": "i-builder-1" }));
    supervisor.note("builder-1", json!({ "session": { "number": 1, "session": "s-1", "model": "opus" } }));
    supervisor.note("builder-1", json!({ "shows": { "state": "busy" } }));
    supervisor.ends("builder-1", 1, json!("well"));
    let one = &lead.ok("list_workers", json!({}))["workers"][0];
    assert_eq!((&one["completed"], &one["restarts"], &one["spent"]["dollars"]), (&json!(1), &json!(0), &json!(0.25)));
    let costs = lead.ok("list_costs", json!({ "by": "model" }));
    assert_eq!(
        costs["costs"][0],
        json!({ "what": "opus", "spent": { "dollars": 0.25, "tokens": 1000, "turns": 4, "runs": 1, "unknown": 0 } })
    );
    // What is told of a run that is over already changes nothing.
    supervisor.ends("builder-1", 1, json!("well"));
    assert_eq!(lead.ok("list_workers", json!({}))["workers"][0]["completed"], 1);
    assert_eq!(supervisor.begins(&world, "builder-1"), 2);
}

#[test]
fn a_usage_limit_holds_all_of_them_and_counts_for_none() {
    let world = World::new();
    let lead = wanted(&world, 2);
    let mut supervisor = supervisor(&world, "s");
    supervisor.look();
    let number = supervisor.begins(&world, "builder-1");
    supervisor.note("builder-1", json!({ "limited": {} }));
    supervisor.ends("builder-1", number, json!({ "limited": {} }));
    let list = lead.ok("list_workers", json!({}));
    assert!(list["limited_until"].is_string(), "{list}");
    assert_eq!(list["workers"][0]["restarts"], 0);
    world.pass_secs(5 * 60);
    assert_eq!(lead.ok("list_workers", json!({}))["limited_until"], Value::Null);
}

#[test]
fn at_a_cap_the_human_is_asked_and_decides() {
    let world = World::new();
    let lead = world.joined("lead");
    lead.ok("launch_workers", json!({ "role": "builder", "limits": { "dollars": 0.25 } }));
    let mut supervisor = supervisor(&world, "s");
    supervisor.look();
    let number = supervisor.begins(&world, "builder-1");
    supervisor.ends("builder-1", number, json!("well"));
    let leave = |supervisor: &mut Supervisor| supervisor.look()["workers"][0]["leave"].clone();
    assert_eq!(leave(&mut supervisor), "not_asked");
    supervisor.note("builder-1", json!({ "asks": { "text": "$0.25 of $0.25 are spent" } }));

    let mut kim = world.process("terminal");
    (kim.caller.origin, kim.caller.person) = (Origin::Human, Some("kim".to_owned()));
    let question = kim.ok("list_questions", json!({}))["questions"][0].clone();
    assert_eq!((question["kind"].as_str(), question["from"].as_str()), (Some("limit"), Some("builder-1")));
    // A worker that allowed itself more would have no limit.
    let worker = world.process("its session");
    let itself = json!({ "question": question["id"], "decision": "approve", "instance_id": "builder-1" });
    worker.refused("forbidden", "answer_question", itself);
    kim.ok("answer_question", json!({ "question": question["id"], "decision": "approve" }));
    assert_eq!(leave(&mut supervisor), "given");
    supervisor.note("builder-1", json!("extended"));
    assert_eq!(leave(&mut supervisor), "not_asked");
    assert_eq!(supervisor.look()["workers"][0]["worker"]["allowed"]["dollars"], 0.5);
}

#[test]
fn orders_are_for_those_who_run() {
    let world = World::new();
    let lead = wanted(&world, 1);
    assert_eq!(lead.ok("interrupt_worker", json!({ "worker": "builder-1" }))["order"], Value::Null);
    let error = lead.refused("not_found", "restart_worker", json!({ "worker": "bilder-1" }));
    assert!(error.hint.unwrap().contains("builder-1"));
    let mut supervisor = supervisor(&world, "s");
    supervisor.look();
    let number = supervisor.begins(&world, "builder-1");
    let order = |supervisor: &mut Supervisor| supervisor.look()["workers"][0]["worker"]["order"].clone();
    lead.ok("interrupt_worker", json!({ "worker": "builder-1" }));
    assert_eq!(order(&mut supervisor), "interrupt");
    supervisor.note("builder-1", json!("interrupted"));
    lead.ok("restart_worker", json!({ "worker": "@builder-1" }));
    assert_eq!(order(&mut supervisor), "restart");
    supervisor.note("builder-1", json!({ "ending": { "number": number } }));
    assert_eq!(order(&mut supervisor), Value::Null);
}

/// A lease clock that no test moves would let an idle supervisor write for ever.
#[test]
fn an_idle_leader_writes_only_to_renew() {
    let world = World::new();
    wanted(&world, 1);
    let mut supervisor = supervisor(&world, "s");
    let first = supervisor.look();
    let again = supervisor.look();
    assert_eq!((&again["seen"], &again["fleet"]["lease_until"]), (&first["seen"], &first["fleet"]["lease_until"]));
    world.pass_secs(i64::from(LEAD_SECS) / 3);
    assert_ne!(supervisor.look()["fleet"]["lease_until"], first["fleet"]["lease_until"]);
    assert!(matches!(world.host, Host::Manual(_)), "no time passes by itself");
}
