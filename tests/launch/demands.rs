//! A task that demands evidence is completed when that is there, and by nobody else than whoever holds it.

use crate::launch::ground::Ground;
use crate::launch::ground::commit;
use crate::launch::ground::git;
use crate::launch::ground::init;
use crate::launch::ground::write;
use crate::support::program::eventually;
use crate::support::world::Process;
use crate::support::world::World;
use orch_mcp::launch::witness;
use orch_mcp::model::access::Access;
use orch_mcp::model::access::Principal;
use orch_mcp::model::demand::Finding;
use orch_mcp::ops::LocalDesk;
use orch_mcp::ops::evidence::Wanted;
use orch_mcp::ops::evidence::Witness;
use orch_mcp::store::doorbell::Hangup;
use orch_mcp::store::open::LazyStore;
use serde_json::Value;
use serde_json::json;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// Looks for it as the program does.
struct Looks(witness::Ground);

impl Witness for Looks {
    fn look(&self, wanted: &Wanted, hangup: &Hangup) -> Vec<Finding> {
        witness::look(wanted, &self.0, hangup)
    }
}

/// Finds everything, and something happens meanwhile.
struct Meanwhile<F>(F);

impl<F: Fn() + Send + Sync> Witness for Meanwhile<F> {
    fn look(&self, wanted: &Wanted, _: &Hangup) -> Vec<Finding> {
        (self.0)();
        wanted.demands.iter().map(|one| Finding::met(one, "seen")).collect()
    }
}

fn process(world: &World, name: &str, witness: Option<Arc<dyn Witness>>) -> Process {
    let mut process = world.process(name);
    let desk = LocalDesk::new(LazyStore::new(world.place(), world.host.clone(), world.options.clone()));
    process.desk = match witness {
        Some(witness) => desk.with_witness(witness),
        None => desk,
    };
    process.ok("register_instance", json!({ "name": name, "instance_id": format!("i-{name}") }));
    process
}

fn looks(ground: &Ground, check: Option<&str>) -> Option<Arc<dyn Witness>> {
    let state_dir = ground.path("state");
    let patience = Duration::from_millis(700);
    Some(Arc::new(Looks(witness::Ground {
        state_dir,
        check: check.map(str::to_owned),
        target: None,
        patience,
        named: None,
    })))
}

fn works_in(mut process: Process, dir: &Path) -> Process {
    process.caller.work_dir = Some(dir.display().to_string());
    process.caller.worktree = process.caller.work_dir.clone();
    process
}

/// A task with these demands, claimed.
fn claimed(process: &Process, demands: Value) -> Value {
    let pushed = process.ok("push_task", json!({ "title": "t", "evidence": demands }));
    let id = pushed["task"]["id"].clone();
    process.ok("claim_task", json!({ "task_id": id }));
    id
}

#[track_caller]
fn refused(process: &Process, id: &Value, told: Value, words: &str) {
    let error = process.refused("refused", "complete_task", json!({ "task_id": id, "evidence": told }));
    assert!(error.message.contains(words), "{error:?} does not say `{words}`");
    assert!(error.hint.unwrap().contains("call `complete_task` again"));
    let status = process.ok("get_task", json!({ "task_id": id }))["task"]["status"].take();
    assert_ne!(status, "completed");
}

fn shown(process: &Process, id: &Value, field: &str) -> String {
    process.ok("get_task", json!({ "task_id": id }))["task"][field].to_string()
}

#[test]
fn it_is_completed_when_all_that_it_demands_is_there() {
    let (world, ground) = (World::new(), Ground::new());
    let tree = ground.trees().ready("t", "main").unwrap();
    let amy = works_in(process(&world, "amy", looks(&ground, Some("test -f tested"))), &tree.path);
    let id = claimed(&amy, json!(["commit", "files", "tests", "check: grep -q done new.txt"]));
    assert!(shown(&amy, &id, "wanted_evidence").contains("check: grep -q done new.txt"));
    refused(&amy, &id, json!({}), "commit: `");
    commit(&tree.path, "new.txt", "not yet");
    refused(&amy, &id, json!({ "files": ["new.txt"] }), "tests: `test -f tested` ended with 1");
    write(&tree.path, "tested", "");
    refused(
        &amy,
        &id,
        json!({ "files": ["new.txt"] }),
        "check: grep -q done new.txt: `grep -q done new.txt` ended with 1",
    );
    refused(&amy, &id, json!({}), "files: nobody named a file");
    commit(&tree.path, "new.txt", "done");
    amy.ok("complete_task", json!({ "task_id": id, "evidence": { "files": ["new.txt"] } }));
    let found = shown(&amy, &id, "found_evidence");
    for words in ["commit: `", "changes `new.txt` against `main`", "tests: `test -f tested` passed", "files: `new.txt`"]
    {
        assert!(found.contains(words), "{found}");
    }
    assert_eq!(amy.ok("complete_task", json!({ "task_id": id }))["already"], true);
}

#[test]
fn a_check_that_hangs_or_floods_is_ended_and_is_not_met() {
    let (world, ground) = (World::new(), Ground::new());
    let tree = ground.work("t", "new.txt", "x");
    let amy = works_in(process(&world, "amy", looks(&ground, None)), &tree.path);
    for check in ["check: sleep 1000", "check: trap '' TERM INT HUP; while :; do echo y; done"] {
        let id = claimed(&amy, json!([check]));
        refused(&amy, &id, json!({}), "was ended at its deadline");
    }
    let id = claimed(&amy, json!(["check: echo the reason >&2; exit 3"]));
    refused(&amy, &id, json!({}), "ended with 3 after 0.");
    refused(&amy, &id, json!({}), "last it said: the reason");
    let id = claimed(&amy, json!(["tests"]));
    refused(&amy, &id, json!({}), "orch.toml names no `check` to run, and `evidence.tests` does not say");
    amy.ok("complete_task", json!({ "task_id": id, "evidence": { "tests": "cargo test: 12 passed" } }));
}

#[test]
fn one_commit_shows_the_work_of_one_task() {
    let (world, ground) = (World::new(), Ground::new());
    let tree = ground.work("t", "new.txt", "x");
    let amy = works_in(process(&world, "amy", looks(&ground, None)), &tree.path);
    let (first, second) = (claimed(&amy, json!(["commit"])), claimed(&amy, json!(["commit"])));
    let of_first = git(&tree.path, &["rev-parse", "HEAD"]);
    amy.ok("complete_task", json!({ "task_id": first }));
    let first = first.as_str().unwrap();
    let words = format!("commit: `{first}` was completed with that commit");
    refused(&amy, &second, json!({}), &words);
    commit(&tree.path, "second.txt", "y");
    refused(&amy, &second, json!({ "commit": of_first.trim()[..9] }), &words);
    amy.ok("complete_task", json!({ "task_id": second }));
}

/// Whoever works in it can put another repository in its place, in which there is all that was demanded.
#[test]
fn evidence_is_not_looked_for_in_a_repository_that_took_the_place_of_the_worktree() {
    let (world, ground) = (World::new(), Ground::new());
    let tree = ground.trees().ready("t", "main").unwrap();
    let amy = works_in(process(&world, "amy", looks(&ground, None)), &tree.path);
    let id = claimed(&amy, json!(["commit"]));
    let link = fs::read_to_string(tree.path.join(".git")).unwrap();
    fs::remove_file(tree.path.join(".git")).unwrap();
    init(&tree.path);
    commit(&tree.path, "base.txt", "two\n");
    git(&tree.path, &["switch", "--quiet", "-c", "orch/t"]);
    commit(&tree.path, "work.txt", "x");
    refused(&amy, &id, json!({}), "leads elsewhere");
    fs::remove_dir_all(tree.path.join(".git")).unwrap();
    write(&tree.path, ".git", &link);
    commit(&tree.path, "work.txt", "x");
    amy.ok("complete_task", json!({ "task_id": id }));
}

#[test]
fn whoever_hangs_up_is_waited_for_by_no_command_and_completes_nothing() {
    let (world, ground) = (World::new(), Ground::new());
    let tree = ground.work("t", "new.txt", "x");
    let looks = Looks(witness::Ground {
        state_dir: ground.path("state"),
        check: Some("echo begun >begun; sleep 3600".to_owned()),
        target: None,
        patience: Duration::from_secs(3600),
        named: None,
    });
    let amy = works_in(process(&world, "amy", Some(Arc::new(looks))), &tree.path);
    let id = claimed(&amy, json!(["tests"]));
    let hangup = Hangup::new();
    let error = thread::scope(|scope| {
        let call = scope.spawn(|| amy.reply_until(&hangup, "complete_task", json!({ "task_id": id })));
        eventually("the command has begun", || tree.path.join("begun").exists().then_some(()));
        hangup.hang_up();
        call.join().unwrap().err().unwrap()
    });
    assert!(error.message.contains("as whoever asked had left"), "{error:?}");
    assert_eq!(amy.ok("get_task", json!({ "task_id": id }))["task"]["status"], "claimed");
    let log = fs::read_to_string(ground.path("state/evidence").join(format!("{}.log", id.as_str().unwrap()))).unwrap();
    assert!(log.contains("as nobody waited for it any more"), "{log}");
}

#[test]
fn who_lost_the_claim_while_it_was_looked_for_completes_nothing() {
    let world = World::new();
    let bob = Arc::new(process(&world, "bob", None));
    let (takes, host) = (bob.clone(), world.host.clone());
    let lapse = move || {
        host.set(|host| {
            host.wall_ms += 3_600_000;
            host.awake_ms += 3_600_000;
        });
        takes.ok("claim_task", json!({ "task_id": "1" }));
    };
    let amy = process(&world, "amy", Some(Arc::new(Meanwhile(lapse))));
    let id = claimed(&amy, json!(["commit"]));
    amy.refused("stale_claim", "complete_task", json!({ "task_id": id }));
    let task = bob.ok("get_task", json!({ "task_id": id }))["task"].take();
    assert_eq!((&task["status"], &task["holder"], &task["token"]), (&json!("claimed"), &json!("i-bob"), &json!(2)));
    // What was found for her is nothing to him.
    let error = bob.refused("refused", "complete_task", json!({ "task_id": id }));
    assert!(error.message.contains("commit: nobody here could look for it"), "{error:?}");
}

#[test]
fn what_is_demanded_meanwhile_is_not_taken_for_found() {
    let world = World::new();
    let kim = Arc::new(world.process("kim"));
    let asks = kim.clone();
    let more = move || {
        drop(asks.ok("update_task", json!({ "task_id": "1", "evidence": ["commit", "files"], "instance_id": "i-amy" })))
    };
    let amy = process(&world, "amy", Some(Arc::new(Meanwhile(more))));
    let id = claimed(&amy, json!(["commit"]));
    refused(&amy, &id, json!({}), "files: nobody here could look for it");
    amy.ok("complete_task", json!({ "task_id": id }));
}

#[test]
fn a_review_is_a_part_that_somebody_else_completed_since() {
    let world = World::new();
    let (amy, bob) = (process(&world, "amy", None), process(&world, "bob", None));
    let id = claimed(&amy, json!(["review"]));
    refused(&amy, &id, json!({}), "nobody else has completed a review of it");
    let review = |who: &Process| {
        let part = json!({ "title": "Review", "parent": id, "link": "review" });
        let part = who.ok("push_task", part)["task"]["id"].clone();
        who.ok("claim_task", json!({ "task_id": part }));
        who.ok("complete_task", json!({ "task_id": part, "result": "good" }));
    };
    review(&amy);
    refused(&amy, &id, json!({}), "nobody else has completed a review of it");
    review(&bob);
    amy.ok("complete_task", json!({ "task_id": id }));
    assert!(shown(&bob, &id, "found_evidence").contains("approved it"));
}

/// Whoever wants one may push it, and call it what they like.
#[test]
fn nobody_approves_what_they_did_not_know_of() {
    let world = World::new();
    let (amy, bob) = (process(&world, "amy", None), process(&world, "bob", None));
    let id = claimed(&amy, json!(["review"]));
    let part = json!({ "title": "Mend the parser", "parent": id, "link": "review" });
    let part = amy.ok("push_task", part)["task"]["id"].clone();
    bob.ok("claim_task", json!({ "task_id": part }));
    for result in ["mended, as task-11 wanted", "subtask-1 is done"] {
        let error = bob.refused("refused", "complete_task", json!({ "task_id": part, "result": result }));
        assert!(error.message.contains("is a review of `task-0000000001` (t)"), "{error:?}");
        assert!(error.hint.unwrap().contains("name `task-0000000001` in `result`"));
    }
    refused(&amy, &id, json!({}), "nobody else has completed a review of it");
    bob.ok("complete_task", json!({ "task_id": part, "result": "I looked at `task-1`: all is well." }));
    amy.ok("complete_task", json!({ "task_id": id }));
}

/// What was completed before the other demanded a review names nothing, and proves nothing.
#[test]
fn a_review_that_names_nothing_proves_nothing() {
    let world = World::new();
    let (amy, bob) = (process(&world, "amy", None), process(&world, "bob", None));
    let id = claimed(&amy, json!([]));
    let part = json!({ "title": "Mend the parser", "parent": id, "link": "review" });
    let part = amy.ok("push_task", part)["task"]["id"].clone();
    bob.ok("claim_task", json!({ "task_id": part }));
    bob.ok("complete_task", json!({ "task_id": part, "result": "mended" }));
    amy.ok("update_task", json!({ "task_id": id, "evidence": ["review"] }));
    refused(&amy, &id, json!({}), "nobody else has completed a review of it");
}

#[test]
fn where_nobody_can_look_it_says_so() {
    let (world, ground) = (World::new(), Ground::new());
    let id = claimed(&process(&world, "amy", None), json!(["commit"]));
    let amy = |dir: Option<&str>| {
        let mut amy = process(&world, "amy", looks(&ground, None));
        amy.caller.work_dir = dir.map(str::to_owned);
        amy
    };
    refused(&amy(None), &id, json!({}), "nobody said in which directory it was done");
    let afar = amy(Some("/home/of/another/machine"));
    refused(
        &afar,
        &id,
        json!({}),
        "on the machine of the store, where there is no directory `/home/of/another/machine`",
    );
    refused(&amy(Some("/")), &id, json!({}), "`/` is in no git repository");
    refused(&amy(Some(&ground.repo.display().to_string())), &id, json!({}), "is in `main` already");
}

/// A command runs on the machine of the store, past all permissions: who could demand one could run anything.
#[test]
fn only_the_human_demands_a_command_or_drops_a_demand() {
    let world = World::new();
    let human = process(&world, "kim", None);
    let mut headless = process(&world, "amy", None);
    headless.caller.headless = true;
    let mut afar = world.process("afar");
    afar.caller.principal = Some(Principal { name: "ci".to_owned(), access: Access::Lead });
    let command = json!({ "title": "t", "evidence": ["check: id"] });
    for who in [&headless, &afar] {
        let error = who.refused("forbidden", "push_task", command.clone());
        assert!(error.hint.unwrap().contains("demand `tests`"));
        who.refused("forbidden", "push_tasks", json!({ "tasks": [command] }));
        let id = who.ok("push_task", json!({ "title": "t", "evidence": ["commit", "tests"] }))["task"]["id"].clone();
        for evidence in [json!(["commit"]), json!([]), json!(["commit", "tests", "check: id"])] {
            who.refused("forbidden", "update_task", json!({ "task_id": id, "evidence": evidence }));
        }
        who.ok("update_task", json!({ "task_id": id, "evidence": ["commit", "tests", "review"] }));
        human.ok("update_task", json!({ "task_id": id, "evidence": ["check: id"] }));
        who.ok("update_task", json!({ "task_id": id, "evidence": ["check: id", "commit"] }));
    }
    human.refused("invalid", "push_task", json!({ "title": "t", "evidence": ["comit"] }));
    human.refused("invalid", "push_task", json!({ "title": "t", "evidence": ["check: "] }));
}
