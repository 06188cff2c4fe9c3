//! One piece of work from plan to result, between two servers that share nothing but the store.

use crate::support::program::Era;
use crate::support::program::Home;
use crate::support::program::STATELESS_VERSION;
use serde_json::Value;
use serde_json::json;

const ERAS: [Era; 3] = [Era::Handshake("2025-11-25"), Era::Handshake("2024-11-05"), Era::Stateless];

/// A team is mixed while its clients are updated one by one.
#[test]
fn two_sessions_bring_a_plan_to_its_end() {
    for (planning, building) in [(ERAS[0], ERAS[2]), (ERAS[2], ERAS[1])] {
        plan_and_build(planning, building);
    }
}

fn plan_and_build(planning: Era, building: Era) {
    let home = Home::new();
    let mut planner = home.session(planning);
    let mut builder = home.session(building);

    let joined = planner.call("register_instance", json!({ "name": "paula", "role": "planner" }));
    let paula = joined["instance"]["id"].clone();
    planner.call("send_message", json!({ "to_name": "bert", "content": "Come soon" }));
    let joined = builder.call("register_instance", json!({ "name": "bert", "role": "builder" }));
    assert_eq!((&joined["messages_waiting"], &joined["unread"]), (&json!(1), &json!(1)), "it waited for its reader");

    let plan = planner.call(
        "push_tasks",
        json!({ "tasks": [
            { "ref": "wall", "title": "Build the wall", "role": "builder" },
            { "title": "Paint it", "depends_on": ["wall"], "description": "Twice" },
        ] }),
    );
    let (wall, paint) = (plan["tasks"][0]["id"].clone(), plan["tasks"][1]["id"].clone());
    planner.call("set_context", json!({ "key": "house/colour", "value": { "wall": "blue" } }));
    planner.call("send_message", json!({ "to_instance": "@bert", "content": "The wall first, please" }));

    let claim = builder.call("claim_task", json!({}));
    assert_eq!((&claim["claimed"], &claim["task"]["id"]), (&json!(true), &wall));
    assert_eq!(claim["unread"], 2, "every answer says what waits: {claim}");
    let mail = builder.call("poll_messages", json!({}));
    assert_eq!(mail["messages"][1]["from"]["name"], "paula");
    let contents: Vec<&Value> = mail["messages"].as_array().unwrap().iter().map(|one| &one["content"]).collect();
    assert_eq!(contents, ["Come soon", "The wall first, please"]);
    let colour = builder.call("get_context", json!({ "key": "house/colour" }));
    assert_eq!((&colour["value"], &colour["updated_by"]), (&json!({ "wall": "blue" }), &paula));
    let read = planner.call("list_receipts", json!({}));
    assert_eq!(read["receipts"][0]["state"], "seen", "{read}");

    planner.refused("conflict", "claim_task", json!({ "task_id": paint }));
    let done = builder.call("complete_task", json!({ "task_id": wall, "result": "Stands", "token": claim["token"] }));
    assert_eq!(done["unblocked"], 1);
    let next = builder.call("claim_task", json!({}));
    assert_eq!((&next["task"]["id"], &next["task"]["description"]), (&paint, &json!("Twice")));
    builder.call("complete_task", json!({ "task_id": paint, "result": "Blue" }));
    builder.call("send_message", json!({ "content": "Done", "reply_to": mail["messages"][1]["id"] }));

    let told = planner.call("wait_for_message", json!({}));
    assert_eq!(told["messages"][0]["kind"], "reply");
    let task = planner.call("get_task", json!({ "task_id": paint }));
    assert_eq!((&task["task"]["status"], &task["task"]["result"]), (&json!("completed"), &json!("Blue")));
    planner.end();
    builder.end();
}

#[test]
fn every_era_is_greeted_in_its_own_words() {
    let home = Home::new();
    for era in ERAS {
        let mut session = home.session(era);
        let welcome = session.welcome.clone();
        let instructions = welcome["instructions"].as_str().unwrap();
        assert!((1..=1024).contains(&instructions.len()));
        assert_eq!(welcome["capabilities"]["resources"]["subscribe"], true);
        for capability in ["tools", "prompts", "completions"] {
            assert!(welcome["capabilities"][capability].is_object(), "{welcome}");
        }
        let lists = ["tools/list", "prompts/list", "resources/list", "resources/templates/list"];
        let lists = lists.map(|method| session.ask(method, json!({})));
        match era {
            Era::Handshake(version) => {
                assert_eq!(welcome["protocolVersion"], version);
                assert_eq!(welcome["serverInfo"]["name"], "orch-mcp");
                assert!(lists.iter().all(|list| list.get("resultType").is_none()), "{lists:?}");
                assert_eq!(session.ask("ping", json!({})), json!({}));
            }
            Era::Stateless => {
                let versions = welcome["supportedVersions"].as_array().unwrap();
                assert!([STATELESS_VERSION, "2025-11-25"].iter().all(|version| versions.contains(&json!(version))));
                assert_eq!(welcome["_meta"]["io.modelcontextprotocol/serverInfo"]["name"], "orch-mcp");
                for answer in lists.iter().chain([&welcome]) {
                    assert_eq!(answer["resultType"], "complete");
                    assert!(answer["ttlMs"].is_u64() && answer["cacheScope"].is_string(), "{answer}");
                }
            }
        }
    }
}

/// A client that asks for what we do not speak is told what we do, and may ask again.
#[test]
fn a_version_that_nobody_knows_is_answered_with_those_we_know() {
    let home = Home::new();
    let mut session = home.session(Era::Handshake("1999-12-31"));
    assert_eq!(session.welcome["protocolVersion"], "2025-11-25");
    session.call("server_status", json!({}));

    let mut session = crate::support::program::Session::silent(&mut home.serve(), Era::Stateless);
    let discover = |version: &str| {
        let meta = json!({
            "io.modelcontextprotocol/protocolVersion": version,
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        json!({ "jsonrpc": "2.0", "id": "probe", "method": "server/discover", "params": { "_meta": meta } }).to_string()
    };
    session.write(discover("2099-01-01"));
    let error = session.message(|message| message["id"] == "probe");
    assert_eq!(error["error"]["code"], -32022);
    assert!(error["error"]["data"]["supported"].as_array().unwrap().contains(&json!(STATELESS_VERSION)));
    session.write(discover(STATELESS_VERSION));
    assert!(session.message(|message| message["id"] == "probe")["result"]["capabilities"].is_object());
    // One process serves whoever comes: a request that says nothing of itself is told what it lacks.
    session.write(r#"{"jsonrpc":"2.0","id":"bare","method":"tools/list","params":{}}"#);
    assert_eq!(session.message(|message| message["id"] == "bare")["error"]["code"], -32602);
    assert!(matches!(session.ask("tools/list", json!({}))["tools"], Value::Array(_)));
}
