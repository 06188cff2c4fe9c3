//! A workflow runs nothing that the rules of safety stand against, and nothing else of that run either.

use crate::repos::world::World;
use serde_json::json;

fn world(test: &str, rest: &str) -> World {
    let world = World::with_three();
    let repos: String = ["api", "web", "lib"]
        .map(|name| format!("[repos.{name}]\npath = \"~/src/{name}\"\n{}", of(name, rest)))
        .concat();
    world.write_settings(&format!("{repos}\n[workflows.test]\ncommands.any = {test}\n"));
    world
}

/// What only `lib` says.
fn of<'a>(name: &str, rest: &'a str) -> &'a str {
    if name == "lib" { rest } else { "" }
}

fn was_run(world: &World) -> bool {
    ["api", "web", "lib"].iter().any(|name| world.dir(&format!("{name}/was-here")).exists())
}

#[test]
fn what_is_denied_is_refused_by_its_rule_before_anything_starts() {
    for (rest, rule) in [
        ("commands.test = \"git push --force origin main\"\n", "`force-push`"),
        ("commands.test = { shell = \"true && git push -f origin main\" }\n", "`force-push`"),
        ("forbidden = [\"make reset\"]\ncommands.test = [\"make\", \"reset\"]\n", "`forbidden`"),
    ] {
        let world = world("\"touch was-here\"", rest);
        for words in [&["repos", "test-all"][..], &["repos", "test-all", "--yes"]] {
            let error = world.run(words).expect(8).error();
            let message = error["message"].as_str().unwrap();
            assert!(message.starts_with("`test` of `lib` is not run: ") && message.contains(rule), "{error}");
            assert!(!was_run(&world));
        }
        let planned = world.run(&["repos", "test-all", "--dry-run"]).expect(8).data();
        assert_eq!([&planned["results"][0]["outcome"], &planned["results"][2]["outcome"]], ["would_run", "refused"]);
        assert!(planned["results"][2]["why"].as_str().unwrap().contains(rule), "{planned}");
    }
}

#[test]
fn what_is_asked_about_runs_only_when_a_person_says_so() {
    let world = world("{ shell = \"touch was-here && rm -rf scratch\" }", "");
    let error = world.run(&["repos", "test-all"]).expect(8).error();
    assert!(error["message"].as_str().unwrap().contains("`destructive`"), "{error}");
    assert!(error["hint"].as_str().unwrap().contains("`--yes`"), "{error}");
    let planned = world.run(&["repos", "test-all", "--dry-run"]).expect(0).data();
    assert_eq!(planned["results"][0]["outcome"], "would_ask");
    assert!(!was_run(&world));
    let mut of_worker = world.program(&["repos", "test-all", "--yes"]);
    let ended = crate::support::program::finish(of_worker.env("ORCH_RUN", "r"), "");
    assert_eq!(ended.expect(8).error()["code"], json!("forbidden"), "no worker says yes in a person's name");
    assert!(!was_run(&world));
    world.run(&["repos", "test-all", "--yes"]).expect(0);
    assert!(was_run(&world));
}

/// The store is the team's, wherever a workflow goes.
#[test]
fn what_would_change_the_store_is_asked_about() {
    let world = world("\"true\"", "");
    let state = world.home.state_dir().display().to_string();
    for command in
        [format!("[\"mv\", \"x\", \"{state}/orch.db\"]"), format!("{{ shell = \"echo > {state}/orch.db\" }}")]
    {
        world.write_settings(&format!(
            "[repos.lib]\npath = \"~/src/lib\"\n[workflows.test]\ncommands.any = {command}\n"
        ));
        let planned = world.run(&["repos", "test-all", "--dry-run"]).expect(0).data();
        assert_eq!(planned["results"][0]["outcome"], "would_ask", "{planned}");
    }
}
