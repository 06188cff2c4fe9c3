//! The report tells of the store and of the repositories, in both forms, and of nothing outside of its span.

use crate::launch::ground::git;
use crate::repos::world::World;
use serde_json::Value;
use std::fs;

fn section<'a>(page: &'a str, name: &str) -> &'a str {
    let (_, rest) = page.split_once(&format!("## {name}\n\n")).unwrap_or_else(|| panic!("no `{name}` in {page}"));
    rest.split("\n## ").next().unwrap().trim()
}

fn pushed(world: &World, words: &[&str]) -> String {
    let told: Value = world.run(&[&["push-task"], words].concat()).expect(0).data();
    told["task"]["id"].as_str().unwrap().to_owned()
}

fn report(world: &World, words: &[&str]) -> String {
    world.run(&[&["report", "--format", "table"], words].concat()).expect(0).out
}

#[test]
fn where_nothing_happened_each_section_says_so_in_a_line() {
    let world = World::new();
    let page = report(&world, &[]);
    assert!(!page.contains("; -") && page.contains("0 failed"), "{page}");
    for (name, words) in [
        ("Done", "Nothing was completed."),
        ("Doing", "Nothing is under way."),
        ("Blocked", "Nothing is blocked."),
        ("Failures", "Nothing failed."),
        ("Cost", "Nothing was spent."),
        ("Repositories", "No repository is registered."),
        ("Next steps", "Nothing waits for anybody."),
    ] {
        assert_eq!(section(&page, name), words);
    }
}

#[test]
fn three_repositories_and_their_work_are_told_after_status_scan_and_test_all() {
    let world = World::with_three();
    world.run(&["register-instance", "amy"]).expect(0);
    let ids: Vec<String> = ["parse <b>it</b>", "break it", "ask about it", "begin it", "later"]
        .map(|title| pushed(&world, &[title]))
        .into();
    for id in &ids[..4] {
        world.run(&["claim-task", "--task-id", id, "-i", "amy"]).expect(0);
    }
    world.run(&["complete-task", &ids[0], "done", "-i", "amy"]).expect(0);
    world.run(&["fail-task", &ids[1], "no way", "-i", "amy"]).expect(0);
    world.run(&["block-task", &ids[2], "which colour?", "-i", "amy"]).expect(0);
    world.run(&["repos", "status"]).expect(0);
    world.run(&["repos", "scan"]).expect(0);
    world.run(&["repos", "test-all"]).expect(1);

    // One that failed and was done since, and one that waits for what failed.
    let mended = pushed(&world, &["mend it"]);
    for words in [&["claim-task", "--task-id", &mended][..], &["fail-task", &mended, "oops"]] {
        world.run(&[words, &["-i", "amy"]].concat()).expect(0);
    }
    world.run(&["retry-task", &mended]).expect(0);
    world.run(&["claim-task", "--task-id", &mended, "-i", "amy"]).expect(0);
    world.run(&["complete-task", &mended, "done", "-i", "amy"]).expect(0);
    pushed(&world, &["after it", "--depends-on", &ids[1]]);
    let lib = world.dir("lib");
    world.publish("lib", "elsewhere");
    git(&lib, &["fetch", "--quiet"]);
    world.run(&["repos", "scan"]).expect(0);

    let page = report(&world, &[]);
    assert!(section(&page, "Failures").contains("oops; now completed"), "{page}");
    assert!(section(&page, "Blocked").contains("waits for task-2, which failed"), "{page}");
    assert!(
        section(&page, "Done").contains("parse \\<b\\>it\\</b\\>") && section(&page, "Done").contains("amy"),
        "{page}"
    );
    assert!(section(&page, "Doing").contains("begin it"), "{page}");
    assert!(section(&page, "Blocked").contains("which colour?"), "{page}");
    assert!(section(&page, "Failures").contains("no way"), "{page}");
    let repositories = section(&page, "Repositories");
    for words in ["**api** on main", "behind 1", "**web** on main, dirty", "test failed at", "test passed at"] {
        assert!(repositories.contains(words), "no `{words}` in {repositories}");
    }
    let next = section(&page, "Next steps");
    for words in [
        "unblock: ask about it",
        "look at what failed: break it",
        "mend the workflow test",
        "take: later",
        "what it waits for: after it",
        "merge or rebase it by hand",
    ] {
        assert!(next.contains(words), "no `{words}` in {next}");
    }

    let file = world.home.path("work/report.html");
    world.run(&["report", "--out", file.to_str().unwrap()]).expect(0);
    let html = fs::read_to_string(&file).unwrap();
    assert!(html.starts_with("<!doctype html>") && html.contains("parse &lt;b&gt;it&lt;/b&gt;"), "{html}");

    // Of a span that is over nothing is told but what still stands.
    let before = report(&world, &["--since", "2020-01-01", "--until", "2020-01-02"]);
    assert_eq!(section(&before, "Done"), "Nothing was completed.");
    assert_eq!(section(&before, "Failures"), "Nothing failed.");
    assert!(section(&before, "Doing").contains("begin it"));

    // What is asked for is printed, whether or not a person looks.
    let piped = |words: &[&str]| world.run(&[&["report"], words].concat()).expect(0).out;
    assert!(piped(&["--as", "html"]).starts_with("<!doctype html>"));
    assert_eq!(section(&piped(&["--as", "markdown"]), "Blocked"), section(&page, "Blocked"));
    assert!(piped(&["--as", "html", "--json"]).starts_with("{\"schema_version\""));

    let own = world.home.path("work/own.md");
    fs::write(&own, "{{#blocked}}In the way:\n{{blocked}}{{/blocked}}\n").unwrap();
    assert!(piped(&["--template", own.to_str().unwrap()]).starts_with("In the way:\n- **task-3**"));
    let of_team = world.home.path("work/.orch/report.html");
    fs::create_dir_all(of_team.parent().unwrap()).unwrap();
    fs::write(&of_team, "<p>{{#blocked}}{{blocked}}{{/blocked}}").unwrap();
    assert!(piped(&["--as", "html"]).starts_with("<p>"));
    assert_eq!(section(&piped(&["--as", "markdown"]), "Blocked"), section(&page, "Blocked"));
    fs::write(&own, "{{blokced}}").unwrap();
    let error = world.run(&["report", "--template", own.to_str().unwrap()]).expect(2).error();
    assert!(error["message"].as_str().unwrap().contains("own.md line 1"), "{error}");
    let data = world.run(&["report"]).expect(0).data();
    assert_eq!(data["report"]["done"]["lines"][1]["id"], ids[0].as_str());
}

#[test]
fn what_makes_no_sense_is_refused_with_what_was_wanted() {
    let world = World::new();
    fs::create_dir_all(world.home.path("work/.orch")).unwrap();
    for (words, code, part) in [
        (&["--since", "yesterday"][..], 2, "`--since`"),
        (&["--since", "1h", "--until", "2h"], 2, "ends before"),
        (&["--job", "job-0000000007"], 3, "no job"),
        (&["--template", "missing.md"], 3, "there is no file"),
        (&["--out", ".orch/report.md"], 2, "from which reports are made"),
        (&["--out", "./.orch/report.html"], 2, "from which reports are made"),
    ] {
        let error = world.run(&[&["report"], words].concat()).expect(code).error();
        assert!(error["message"].as_str().unwrap().contains(part), "{error}");
    }
}
