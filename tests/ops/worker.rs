//! Workers as they are wanted, led and written down; nothing is started here.

use super::*;
use orch_mcp::host::Host;
use orch_mcp::model::fleet::LEAD_SECS;
use orch_mcp::ops::caller::Client;
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
    assert_eq!(shown(&lead, "state"), ["stopped", "wanted"], "it never ran");
    let again = lead.ok("launch_workers", json!({ "role": "builder", "count": 2 }));
    assert_eq!(each(&again["workers"], "name"), ["builder-1", "builder-3"]);
    assert_eq!(again["supervised"], false);
    lead.refused("not_found", "stop_workers", json!({ "workers": ["builder-9"] }));
    lead.refused("refused", "stop_workers", json!({}));
    let error = lead.refused("not_found", "stop_workers", json!({ "role": "buidler" }));
    assert!(error.hint.unwrap().starts_with("did you mean `builder`?"));
    assert_eq!(lead.ok("stop_workers", json!({ "all": true }))["count"], 3);
}

#[test]
fn a_team_is_wanted_as_a_whole_or_not_at_all() {
    let world = World::new();
    let lead = world.joined("lead");
    let team = |executors: u32| json!({ "team": [{ "role": "builder", "count": executors }, { "role": "docs" }] });
    let error = lead.refused("refused", "launch_team", team(8));
    assert_eq!(error.message, "there are 0 workers, and 9 more would be beyond the cap of 8");
    lead.refused("invalid", "launch_team", json!({ "team": [{ "role": "builder" }, { "role": "", "count": 1 }] }));
    assert_eq!(shown(&lead, "name"), [] as [&str; 0]);
    lead.ok("launch_team", team(2));
    let more = lead.ok("launch_team", team(2));
    assert_eq!(more["roles"][0], json!({ "role": "builder", "workers": ["builder-3", "builder-4"], "wanted": 4 }));
    assert_eq!(shown(&lead, "name").len(), 6);
}

#[test]
fn whoever_is_kept_while_it_is_silent_has_still_joined() {
    let world = World::new();
    wanted(&world, 1);
    let mut supervisor = supervisor(&world, "s");
    supervisor.look();
    supervisor.begins(&world, "builder-1");
    assert_eq!(supervisor.look()["workers"][0]["joined"], false);
    world.pass_secs(1);
    world.process("its session").ok("heartbeat", json!({ "instance_id": "builder-1" }));
    assert_eq!(supervisor.look()["workers"][0]["joined"], true);
    world.pass_secs(61);
    supervisor.note("builder-1", json!("keeps"));
    assert_eq!(supervisor.look()["workers"][0]["joined"], true);
}

/// It is to go on with a conversation that it does not find: its client tells of an end, and of no beginning.
#[test]
fn a_session_that_only_ends_has_not_joined() {
    let world = World::new();
    wanted(&world, 1);
    let mut supervisor = supervisor(&world, "s");
    supervisor.look();
    supervisor.begins(&world, "builder-1");
    let hook = |client: &str| {
        let mut process = world.process(&format!("hook of {client}"));
        process.caller.client = Some(Client { process: client.to_owned(), inbox: None });
        process.caller.session = Some("s1".to_owned());
        process.caller.from_environment = Some("builder-1".to_owned());
        process
    };
    let joined = |supervisor: &mut Supervisor| supervisor.look()["workers"][0]["joined"].clone();
    world.pass_secs(1);
    hook("10").ok("join_session", json!({ "source": "startup" }));
    assert_eq!(joined(&mut supervisor), true);
    hook("10").ok("end_session", json!({ "grace_secs": 600 }));
    assert_eq!(joined(&mut supervisor), true, "it had");
    supervisor.ends("builder-1", 1, json!({ "badly": { "reason": "killed" } }));
    world.pass_secs(10);
    supervisor.note("builder-1", json!({ "begins": {} }));
    world.pass_secs(1);
    hook("10").ok("end_session", json!({ "grace_secs": 600 }));
    assert_eq!(joined(&mut supervisor), false);
    hook("11").ok("join_session", json!({ "source": "resume" }));
    assert_eq!(joined(&mut supervisor), true);
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
        asks.into_iter().map(|ask| usize::from(ask.join().unwrap())).sum()
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
    let reached = |supervisor: &mut Supervisor| supervisor.look()["workers"][0]["reached"].clone();
    let beyond = "$0.25 of $0.25 are spent";
    assert_eq!(reached(&mut supervisor), json!({ "purse": "worker", "beyond": beyond, "leave": "not_asked" }));
    supervisor.note("builder-1", json!({ "asks": { "purse": "worker", "beyond": beyond } }));

    let kim = human(&world);
    let question = kim.ok("list_questions", json!({}))["questions"][0].clone();
    assert_eq!((question["kind"].as_str(), question["from"].as_str()), (Some("limit"), Some("builder-1")));
    // A worker that allowed itself more would have no limit.
    let worker = world.process("its session");
    let itself = json!({ "question": question["id"], "decision": "approve", "instance_id": "builder-1" });
    worker.refused("forbidden", "answer_question", itself);
    kim.ok("answer_question", json!({ "question": question["id"], "decision": "approve" }));
    assert_eq!(reached(&mut supervisor)["leave"], "given");
    supervisor.note("builder-1", json!({ "extended": { "purse": "worker" } }));
    assert_eq!(reached(&mut supervisor), Value::Null);
    assert_eq!(supervisor.look()["workers"][0]["left"]["dollars"], 0.25);
}

fn human(world: &World) -> Process {
    let mut kim = world.process("terminal");
    (kim.caller.origin, kim.caller.person) = (Origin::Human, Some("kim".to_owned()));
    kim
}

/// A supervisor of one worker that holds a task, and these caps.
fn capped(world: &World, caps: Value) -> (Supervisor, Process, String) {
    let lead = wanted(world, 1);
    let mut all = json!({ "workers": 8, "spawns_per_minute": 60, "depth": 1 });
    all.as_object_mut().unwrap().extend(caps.as_object().unwrap().clone());
    lead.ok("set_caps", json!({ "caps": all }));
    let mut supervisor = supervisor(world, "s");
    supervisor.look();
    let task = lead.push("t", json!({ "lease_secs": 86400 }));
    let worker = world.joined_as("builder-1", "builder");
    worker.ok("claim_task", json!({}));
    supervisor.note("builder-1", json!({ "is": { "instance": "i-builder-1" } }));
    supervisor.note("builder-1", json!({ "begins": { "task": task } }));
    supervisor.note("builder-1", json!({ "session": { "number": 1, "session": "s-1", "model": "opus" } }));
    (supervisor, worker, task)
}

fn costs(supervisor: &Supervisor, dollars: f64) {
    let cost = json!({ "dollars": dollars, "tokens": 10, "turns": 1 });
    supervisor.note("builder-1", json!({ "costs": { "number": 1, "cost": cost } }));
}

#[test]
fn what_a_task_may_cost_is_held_whoever_works_at_it_and_a_no_is_forgotten_with_it() {
    let world = World::new();
    let (mut supervisor, _, task) = capped(&world, json!({ "dollars_per_task": 1.0 }));
    costs(&supervisor, 0.75);
    let one = |supervisor: &mut Supervisor| supervisor.look()["workers"][0].clone();
    assert_eq!(
        (one(&mut supervisor)["reached"].clone(), one(&mut supervisor)["left"]["dollars"].clone()),
        (Value::Null, json!(0.25))
    );
    costs(&supervisor, 1.5);
    let beyond = format!("$1.50 of $1.00 are spent on {task}");
    let purse = json!({ "task": task });
    assert_eq!(one(&mut supervisor)["reached"], json!({ "purse": purse, "beyond": beyond, "leave": "not_asked" }));
    supervisor.note("builder-1", json!({ "asks": { "purse": purse, "beyond": beyond } }));
    let kim = human(&world);
    let open = || kim.ok("list_questions", json!({}))["questions"].as_array().unwrap().clone();
    assert_eq!(
        (open()[0]["task_id"].as_str(), open()[0]["text"].as_str().unwrap().contains(&beyond)),
        (Some(task.as_str()), true)
    );
    // The worker may be stopped meanwhile: the task has cost what it has.
    kim.ok("stop_workers", json!({ "all": true }));
    assert_eq!(open().len(), 1);
    kim.ok("answer_question", json!({ "question": open()[0]["id"], "decision": "approve" }));
    assert_eq!(one(&mut supervisor)["reached"]["leave"], "given");
    supervisor.note("builder-1", json!({ "extended": { "purse": purse } }));
    assert_eq!(
        (one(&mut supervisor)["reached"].clone(), one(&mut supervisor)["left"]["dollars"].clone()),
        (Value::Null, json!(1.0))
    );
    // Of a task that is over nobody wants to know whether it may go on.
    costs(&supervisor, 2.5);
    supervisor.note("builder-1", json!({ "asks": { "purse": purse, "beyond": beyond } }));
    kim.ok("cancel_task", json!({ "task_id": task, "reason": "no need" }));
    assert_eq!(open().len(), 1);
    assert_eq!(supervisor.look()["fleet"]["purses"], json!([]));
    assert_eq!(open(), Vec::<Value>::new());
}

#[test]
fn what_a_day_may_cost_is_held_for_all_until_it_is_over() {
    let world = World::new();
    let (mut supervisor, _, _) = capped(&world, json!({ "dollars_per_day": 1.0 }));
    costs(&supervisor, 2.0);
    let reached = |supervisor: &mut Supervisor| supervisor.look()["workers"][0]["reached"].clone();
    let first = reached(&mut supervisor);
    assert_eq!(
        (first["beyond"].as_str(), first["leave"].as_str()),
        (Some("$2.00 of $1.00 are spent today"), Some("not_asked"))
    );
    supervisor.note("builder-1", json!({ "asks": { "purse": first["purse"], "beyond": first["beyond"] } }));
    let kim = human(&world);
    let question = kim.ok("list_questions", json!({}))["questions"][0].clone();
    assert_eq!(question["from"], "all workers");
    kim.ok("answer_question", json!({ "question": question["id"], "decision": "deny" }));
    assert_eq!(reached(&mut supervisor)["leave"], "refused");
    world.pass_secs(24 * 3600);
    assert_eq!(reached(&mut supervisor), Value::Null, "a new day");
    assert_eq!(supervisor.look()["fleet"]["purses"], json!([]));
}

#[test]
fn who_raises_a_limit_has_answered_the_question() {
    let world = World::new();
    let (mut supervisor, lead, _) = capped(&world, json!({ "dollars_per_day": 1.0 }));
    costs(&supervisor, 2.0);
    let purse = supervisor.look()["workers"][0]["reached"]["purse"].clone();
    supervisor.note("builder-1", json!({ "asks": { "purse": purse, "beyond": "b" } }));
    let caps = json!({ "workers": 8, "spawns_per_minute": 60, "depth": 1, "dollars_per_day": 5.0 });
    lead.refused("forbidden", "set_caps", json!({ "caps": caps }));
    human(&world).ok("set_caps", json!({ "caps": caps }));
    assert_eq!(supervisor.look()["workers"][0]["reached"], Value::Null);
    assert_eq!(human(&world).ok("list_questions", json!({}))["questions"], json!([]));
}

#[test]
fn the_ledger_tells_what_was_used_up_while_it_goes_on_by_day_and_by_the_task_at_hand() {
    let world = World::new();
    let lead = world.joined("lead");
    lead.ok("launch_workers", json!({ "role": "builder", "mode": "long" }));
    let mut supervisor = supervisor(&world, "s");
    supervisor.look();
    supervisor.note("builder-1", json!({ "settles": { "mode": "long", "limits": {} } }));
    supervisor.begins(&world, "builder-1");
    let worker = world.joined_as("builder-1", "builder");
    let tasks = ["a", "b"].map(|title| lead.push(title, json!({ "lease_secs": 86400 })));
    let spends = |dollars: f64| costs(&supervisor, dollars);
    spends(0.5);
    let claim = worker.ok("claim_task", json!({}));
    spends(1.5);
    worker
        .ok("complete_task", json!({ "task_id": claim["task"]["id"], "token": claim["task"]["token"], "result": "r" }));
    spends(1.75);
    world.pass_secs(24 * 3600);
    worker.ok("claim_task", json!({}));
    spends(4.0);
    // Whoever tells less than before has told the rest already.
    spends(3.0);
    let by = |by: &str| {
        let told = lead.ok("list_costs", json!({ "by": by }));
        let line =
            |line: &Value| (line["what"].as_str().unwrap().to_owned(), line["spent"]["dollars"].as_f64().unwrap());
        assert_eq!(told["total"]["dollars"], 4.0);
        told["costs"].as_array().unwrap().iter().map(line).collect::<Vec<_>>()
    };
    assert_eq!(by("task"), [(tasks[1].clone(), 2.25), (tasks[0].clone(), 1.25), ("unknown".to_owned(), 0.5)]);
    assert_eq!(by("day").iter().map(|(_, dollars)| *dollars).collect::<Vec<_>>(), [2.25, 1.75]);
    assert_eq!(by("worker"), [("builder-1".to_owned(), 4.0)]);
}

#[test]
fn who_is_stopped_between_two_sessions_hands_back_what_it_holds() {
    let world = World::new();
    let (mut supervisor, worker, task) = capped(&world, json!({}));
    supervisor.ends("builder-1", 1, json!({ "badly": { "reason": "it crashed" } }));
    assert_eq!(supervisor.look()["workers"][0]["holds"], task);
    worker.ok("stop_workers", json!({ "all": true }));
    assert_eq!(supervisor.look()["workers"][0]["holds"], Value::Null);
    assert_eq!(worker.ok("get_task", json!({ "task_id": task }))["task"]["status"], "pending");
}

#[test]
fn who_still_runs_takes_a_place_and_a_restart_needs_one() {
    let world = World::new();
    let lead = wanted(&world, 2);
    lead.ok("set_caps", json!({ "caps": { "workers": 2, "spawns_per_minute": 60, "depth": 1 } }));
    let mut supervisor = supervisor(&world, "s");
    supervisor.look();
    supervisor.begins(&world, "builder-1");
    lead.ok("stop_workers", json!({ "all": true }));
    lead.refused("refused", "launch_workers", json!({ "role": "docs", "count": 2 }));
    lead.ok("launch_workers", json!({ "role": "docs" }));
    lead.refused("refused", "restart_worker", json!({ "worker": "builder-2" }));
    lead.ok("restart_worker", json!({ "worker": "builder-1" }));
}

#[test]
fn one_that_cannot_be_started_is_tried_again_later_and_given_up_with_the_reason() {
    let world = World::new();
    let lead = wanted(&world, 1);
    let mut supervisor = supervisor(&world, "s");
    supervisor.look();
    for _ in 0..4 {
        supervisor.note("builder-1", json!({ "not_started": { "reason": "the name is taken" } }));
        assert!(supervisor.look()["workers"][0]["worker"]["not_before"].is_i64());
    }
    let one = &lead.ok("list_workers", json!({}))["workers"][0];
    assert_eq!((one["state"].as_str(), one["reason"].as_str()), (Some("failed"), Some("the name is taken")));
}

#[test]
fn what_lapses_and_what_falls_due_is_found_by_whoever_leads() {
    let world = World::new();
    let lead = wanted(&world, 1);
    let mut supervisor = supervisor(&world, "s");
    let later = world.host.wall().plus_millis(60_000).to_string();
    let due = lead.push("due", json!({ "not_before": later }));
    let seen = supervisor.look();
    assert_eq!((&seen["workers"][0]["has_work"], &seen["comes_later"]), (&json!(false), &json!(true)));
    world.pass_secs(60);
    let seen = supervisor.look();
    assert_eq!((&seen["workers"][0]["ready"], &seen["comes_later"]), (&json!(due), &json!(false)));
    world.joined("kim").ok("claim_task", json!({ "lease_secs": 60 }));
    assert_eq!(supervisor.look()["workers"][0]["ready"], Value::Null);
    world.pass_secs(61);
    assert_eq!(supervisor.look()["workers"][0]["ready"], due);
}

#[test]
fn once_joined_a_session_has_joined_whatever_is_renewed_for_it() {
    let world = World::new();
    let (mut supervisor, worker, _) = capped(&world, json!({}));
    world.pass_secs(1);
    worker.ok("register_instance", json!({ "name": "builder-1", "instance_id": "i-builder-1" }));
    let joined = |supervisor: &mut Supervisor| supervisor.look()["workers"][0]["joined"].clone();
    assert_eq!(joined(&mut supervisor), true);
    for _ in 0..3 {
        world.pass_secs(60);
        supervisor.note("builder-1", json!("keeps"));
        assert_eq!(joined(&mut supervisor), true);
    }
}

#[test]
fn what_a_role_demands_is_demanded_of_each_task_that_its_worker_claims() {
    let world = World::new();
    let lead = wanted(&world, 1);
    let supervisor = supervisor(&world, "s");
    let mut supervisor = supervisor;
    supervisor.look();
    supervisor.note("builder-1", json!({ "settles": { "mode": "long", "limits": {}, "evidence": ["commit"] } }));
    supervisor.begins(&world, "builder-1");
    let task = lead.push("t", json!({ "description": "d", "evidence": ["files"] }));
    let claim = world.joined_as("builder-1", "builder").ok("claim_task", json!({}));
    assert_eq!(claim["task"]["id"], task);
    let told = lead.ok("get_task", json!({ "task_id": task }))["task"].clone();
    assert_eq!(
        (told["description"].as_str(), told["wanted_evidence"].clone()),
        (Some("d"), json!(["files", "commit"]))
    );
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

/// Else nobody whose server lives beside it could ever be found to hang, and whoever is silent would seem never to have joined.
#[test]
fn that_its_server_lives_or_its_presence_is_renewed_for_it_is_no_call_of_a_worker() {
    let world = World::new();
    wanted(&world, 1);
    let mut supervisor = supervisor(&world, "s");
    supervisor.look();
    supervisor.begins(&world, "builder-1");
    world.pass_secs(100);
    let server = world.joined_as("builder-1", "builder");
    let mut seen = || {
        let seen = supervisor.look()["workers"][0].take();
        (seen["called_ms"].as_i64().unwrap(), seen["joined"] == true)
    };
    assert_eq!(seen(), (0, true));
    for minute in 1..=5 {
        world.pass_secs(60);
        let kept = server.ok("keep_present", json!({ "instance": "i-builder-1", "incarnation": 1 }));
        assert_eq!((kept["too_late"].as_bool(), seen()), (Some(false), (minute * 60_000, true)));
    }
    world.pass_secs(60);
    supervisor.note("builder-1", json!("keeps"));
    let seen = supervisor.look()["workers"][0].take();
    assert_eq!((seen["called_ms"].as_i64(), &seen["joined"]), (Some(360_000), &json!(true)));
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

/// To name somebody else makes nobody somebody else.
#[test]
fn no_worker_reviews_what_it_does_under_another_name() {
    let world = World::new();
    wanted(&world, 1);
    let mut supervisor = supervisor(&world, "first");
    supervisor.look();
    supervisor.begins(&world, "builder-1");
    let (other, bob) = (world.joined("other"), world.joined("bob"));
    let mut worker = world.process("of the run");
    worker.caller.from_environment = Some("builder-1".to_owned());
    let task = worker.ok("push_task", json!({ "title": "t", "evidence": ["review"] }))["task"]["id"].take();
    worker.ok("claim_task", json!({ "task_id": task }));
    let review = json!({ "title": "Review it", "parent": task, "link": "review" });
    let review = worker.ok("push_task", review)["task"]["id"].take();
    worker.ok("claim_task", json!({ "task_id": review, "instance_id": "other" }));
    let approves = json!({ "task_id": review, "result": "task-1 is good" });
    let mut under_another_name = approves.clone();
    under_another_name["instance_id"] = json!("other");
    let error = worker.refused("forbidden", "complete_task", under_another_name);
    assert!(error.message.contains("which you hold under another name"), "{error:?}");
    other.ok("release_task", json!({ "task_id": review }));
    bob.ok("claim_task", json!({ "task_id": review }));
    bob.ok("complete_task", approves);
    worker.ok("complete_task", json!({ "task_id": task }));
}
