//! A file that somebody has reserved is edited by them, and by nobody else.

use crate::e2e::script::held;
use crate::e2e::script::role;
use crate::e2e::script::says;
use crate::e2e::script::uses;
use crate::e2e::script::writes;
use crate::e2e::stage::Stage;
use serde_json::json;
use std::process::Command;

fn named(stage: &Stage, name: &str) -> Command {
    let mut claude = stage.claude(&["--permission-mode", "acceptEdits"]);
    claude.env("ORCH_INSTANCE", name);
    claude
}

#[test]
#[ignore = "drives the real Claude Code: just e2e"]
fn the_first_session_edits_what_it_reserved_and_the_second_is_refused() {
    let amys = [
        uses("reserve_files", json!({ "patterns": ["src/**"], "reason": "the parser" })),
        held("tried", writes("src/parser.rs", "by amy")),
        says("done"),
    ];
    let bobs = [writes("src/parser.rs", "by bob"), writes("README.md", "by bob"), says("done")];
    let Some(stage) = Stage::set([role("AMY", amys), role("BOB", bobs)]) else { return };
    stage.wire();
    let mut amy = stage.begin(named(&stage, "amy"), "AMY");
    stage.request("amy with her reservation", |request| request.step() == Some(1)).result();

    let bob = stage.print(named(&stage, "bob"), "BOB");
    assert_eq!(bob.last_result()["result"], "done", "{}", bob.told());
    let id = bob.id();
    let of_bob = |step| stage.request("bob", |it| it.session() == id && it.step() == Some(step));
    let refused = of_bob(1).results();
    assert_eq!(refused[0]["is_error"], true, "{refused:#?}");
    let why = refused[0]["text"].as_str().unwrap();
    assert!(why.contains("amy") && why.contains("src/**"), "{why}");
    assert_eq!(of_bob(2).results()[0]["is_error"], false, "README.md is nobody's");
    assert!(!stage.path("project/src/parser.rs").exists());

    stage.release("tried");
    assert!(amy.ends().success());
    assert_eq!(stage.read("project/src/parser.rs"), "by amy");
}
