//! States that the rules cannot reach cannot be stored either, whoever writes them.

use super::*;
use rusqlite::ErrorCode;
use serde_json::json;

/// A copy of a store in which every table has rows and a task stands in every state: tasks 1 pending, 2 claimed,
/// 3 in progress, 4 blocked, 5 completed, 6 failed, 7 cancelled, 8 not due, 9 waiting for 1.
fn a_copy() -> (Connection, TempDir) {
    let mut store = SqliteStore::in_memory(Host::manual(1)).unwrap();
    let mut run = |operation: &str, arguments: Value| run(&mut store, Mode::Durable, operation, arguments).unwrap();
    run("register_instance", json!({ "name": "bob", "instance_id": "i-bob", "metadata": {} }));
    for number in 1..=9 {
        let labels = ["x"];
        run(
            "push_task",
            json!({ "title": format!("t{number}"), "labels": labels, "link": "build", "description": "d" }),
        );
    }
    for number in 2..=6 {
        run("claim_task", json!({ "instance_id": "bob", "task_id": number.to_string() }));
    }
    run("start_task", json!({ "instance_id": "bob", "task_id": "3" }));
    run("block_task", json!({ "instance_id": "bob", "task_id": "4", "reason": "r" }));
    run("complete_task", json!({ "instance_id": "bob", "task_id": "5" }));
    run("fail_task", json!({ "instance_id": "bob", "task_id": "6", "reason": "r" }));
    run("cancel_task", json!({ "instance_id": "bob", "task_id": "7" }));
    run("update_task", json!({ "task_id": "8", "not_before": "2999-01-01T00:00:00Z" }));
    run("update_task", json!({ "task_id": "9", "depends_on": ["1"] }));
    run("send_message", json!({ "instance_id": "bob", "to_name": "zoe", "content": "m" }));
    run("send_message", json!({ "instance_id": "bob", "to_name": "bob", "content": "m" }));
    run("acknowledge_message", json!({ "instance_id": "bob", "message_id": "2" }));
    run("set_context", json!({ "key": "k", "value": 1 }));
    run("set_context", json!({ "key": "l", "value": 1 }));
    let mut tx = store.begin(Mode::Durable).unwrap();
    let answer = orch_mcp::store::StoredAnswer { operation: "o".into(), digest: "d".into(), answer: "{}".into() };
    tx.keep_answer("key", &answer).unwrap();
    tx.watch("bell", &[orch_mcp::store::Topic::Events]).unwrap();
    tx.commit().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let copy = dir.path().join("copy.db");
    store.connection_for_measuring().execute("vacuum into ?1", [copy.to_str().unwrap()]).unwrap();
    (Connection::open(copy).unwrap(), dir)
}

/// Tries a change of one row, or a whole statement, and takes it back.
fn refusal(db: &mut Connection, change: &str) -> Option<ErrorCode> {
    let sql = match change.split_once(": ") {
        Some((row, set)) => {
            let (table, key) = row.split_once(' ').unwrap();
            format!("update {table} set {set} where {key}")
        }
        None => change.to_owned(),
    };
    let tx = db.transaction().unwrap();
    match tx.execute(&sql, []) {
        Ok(rows) => {
            assert_eq!(rows, 1, "{sql}");
            None
        }
        Err(error) => Some(error.sqlite_error_code().unwrap_or_else(|| panic!("{sql}: {error}"))),
    }
}

#[test]
fn illegal_states_are_unstorable() {
    let (mut db, _dir) = a_copy();
    let long = "x".repeat(65);
    let too_long_title = format!("task id=1: title = '{}'", "x".repeat(301));
    let too_long_key = format!("context key='k': key = '{}'", "x".repeat(257));
    for change in [
        // A name, an id and a role that say something.
        "instance id='i-bob': id = ''",
        &format!("instance id='i-bob': id = '{long}'"),
        "instance id='i-bob': name = ''",
        &format!("instance id='i-bob': name = '{long}'"),
        "instance id='i-bob': role = ''",
        "instance id='i-bob': name = null",
        "instance id='i-bob': metadata = '{'",
        "instance id='i-bob': incarnation = 0",
        "instance id='i-bob': lease_until = -1",
        "instance id='i-bob': seen_at = 'today'",
        "insert into instance select 'i-2', name, role, null, null, null, null, null, 1, 1, 1, 1, 1, 1, 1 from instance",
        "insert into instance select id, 'n2', role, null, null, null, null, null, 1, 1, 1, 1, 1, 1, 1 from instance",
        // Words that mean something.
        &too_long_title,
        "task id=1: title = ''",
        "task id=1: state = 'open'",
        "task id=1: link = 'deploy'",
        "task id=1: priority = 10",
        "task id=1: priority = -1",
        "task id=1: priority = 'high'",
        "task id=1: labels = '['",
        "task id=1: due = 2",
        // Numbers that cannot be.
        "task id=1: unmet = -1",
        "task id=1: max_attempts = 0",
        "task id=1: attempt = -1",
        "task id=1: attempt = token + 1",
        "task id=2: attempt = token + 1",
        "task id=1: token = -1",
        "task id=1: lease_secs = 0",
        // A claim has a holder, a lease and a token; nothing else has a lease.
        "task id=1: lease_until = 1",
        "task id=1: holder = 'i-bob'",
        "task id=2: lease_until = null",
        "task id=3: lease_until = null",
        "task id=2: holder = null",
        "task id=3: holder = null",
        "task id=2: token = 0, attempt = 0",
        "task id=4: lease_until = 1",
        "task id=4: holder = null",
        "task id=5: lease_until = 1",
        "task id=5: holder = null",
        // What is over has ended, what is not has not.
        "task id=5: finished_at = null",
        "task id=6: finished_at = null",
        "task id=7: finished_at = null",
        "task id=1: finished_at = 1",
        "task id=2: finished_at = 1",
        "task id=4: finished_at = 1",
        // Nobody works on what waits.
        "task id=2: unmet = 1",
        "task id=3: unmet = 1",
        "task id=8: not_before = null",
        "task id=1: due = 0",
        "dependency task=9: needs = 9",
        "insert into dependency values (9, 1)",
        "insert into task_label values ('x', 1)",
        "task_body id=1: body = 'text'",
        "tally lane='/build': ready = -1",
        // A receipt takes one step after the other.
        "message id=1: kind = 'order'",
        "message id=1: origin = 'robot'",
        "message id=1: needs_answer = 2",
        "message id=1: sender_name = null",
        "delivery message=1: returned_at = 1",
        "delivery message=1: returned_process = 'p', returned_call = 'c'",
        "delivery message=1: returned_at = 1, returned_process = 'p'",
        "delivery message=1: seen_at = 1",
        "delivery message=1: acknowledged_at = 1",
        "delivery message=1: dismissed_at = 1",
        "delivery message=2: seen_at = null",
        "insert into delivery (recipient, message, queued_at) values ('@zoe', 1, 1)",
        "context key='k': key = ''",
        &too_long_key,
        "context key='k': version = 0",
        "context key='k': value = 'text'",
        "context key='k': revision = (select revision from context where key = 'l')",
        "context_version key='k': version = 0",
        "context_version key='k': value = '{'",
        "event seq=1: data = '{'",
        "event seq=1: kind = null",
        "answer key='key': answer = 'text'",
        "insert into answer (key, operation, digest, answer) values ('key', 'o', 'd', '{}')",
        "clock one=1: one = 2",
        "insert into clock values (1, 'b', 1)",
        "insert into waiter select * from waiter",
    ] {
        assert_eq!(refusal(&mut db, change), Some(ErrorCode::ConstraintViolation), "{change}");
    }
}

/// Or the test above would hold as well if nothing could be changed at all.
#[test]
fn legal_states_are_storable() {
    let (mut db, _dir) = a_copy();
    let title = format!("task id=1: title = '{}'", "ü".repeat(300));
    for change in [
        &title,
        "instance id='i-bob': id = 'i-2', name = 'other', metadata = null, lease_until = 0",
        "task id=1: state = 'claimed', holder = 'i-bob', lease_until = 1, token = 1, attempt = 1",
        "task id=1: priority = 0, link = null, unmet = 5, due = 0, not_before = 1",
        "task id=2: state = 'in_progress'",
        "task id=2: state = 'pending', holder = null, lease_until = null",
        "task id=2: state = 'completed', lease_until = null, finished_at = 1",
        "task id=2: state = 'blocked', lease_until = null",
        "task id=1: state = 'cancelled', finished_at = 1",
        "task id=6: state = 'pending', holder = null, finished_at = null",
        "delivery message=1: returned_at = 1, returned_process = '', returned_call = ''",
        "delivery message=1: returned_at = 1, returned_process = '', returned_call = '', seen_at = 2, acknowledged_at = 3",
        "delivery message=2: dismissed_at = 1",
        "context key='k': value = null",
        "tally lane='/build': ready = 0",
        "insert into dependency values (8, 1)",
    ] {
        assert_eq!(refusal(&mut db, change), None, "{change}");
    }
}

/// The rules of the task's life and the checks of its table must say the same, or a legal step would fail one day.
#[test]
fn the_standing_that_the_table_derives_is_the_one_that_the_rules_derive() {
    let (db, _dir) = a_copy();
    let mut rows = db.prepare("select id, standing from task order by id").unwrap();
    let found: Vec<String> = rows.query_map([], |row| row.get(1)).unwrap().collect::<Result<_, _>>().unwrap();
    let expected =
        ["ready", "claimed", "in_progress", "blocked", "completed", "failed", "cancelled", "waiting", "waiting"];
    assert_eq!(found, expected);
}
