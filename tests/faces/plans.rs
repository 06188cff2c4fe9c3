//! Plans in and out, as people do it: `orch-mcp import` and `orch-mcp export` over files.

use crate::support::program::Home;
use crate::support::program::Running;
use crate::support::program::finish;
use serde_json::Value;
use serde_json::json;
use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;
use std::process::Stdio;

const HOSTILE: &str = "\"]; # Task: x --> | `$(id)` <b>&amp; ### [task-1] - [ ] \u{202e}ü";

fn write(home: &Home, file: &str, text: &str) {
    let path = home.path("work").join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn read(home: &Home, file: &str) -> String {
    fs::read_to_string(home.path("work").join(file)).unwrap()
}

/// How many events there were: what writes nothing appends none.
fn events(home: &Home) -> Value {
    home.ok(&["list-events", "--limit", "1"])["events"][0]["seq"].clone()
}

fn counts(told: &Value) -> [u64; 5] {
    ["add", "change", "unchanged", "gone", "conflicts"].map(|count| told[count].as_u64().unwrap())
}

fn task(home: &Home, id: &str) -> Value {
    home.ok(&["get-task", id])["task"].take()
}

const LEXER: &str = "# Task: Write the lexer\n\n## Description\n\nLex it.\n";
const PARSER: &str = "# Task: Write the parser\n\n- **Priority**: high\n- **Depends On**: lexer\n\n## Description\n\nParse it.\n\n\
    ## Acceptance Criteria\n\n- [ ] It parses\n";

fn with_specifications() -> Home {
    let home = Home::new();
    write(&home, "specs/lexer.md", LEXER);
    write(&home, "specs/parser.md", PARSER);
    write(&home, "specs/README.md", "How we plan.\n");
    home
}

#[test]
fn five_thousand_entries_come_in_once() {
    let home = Home::new();
    let entry = |at: usize| {
        let needs = if at.is_multiple_of(5) { json!([]) } else { json!([format!("k{}", at - 1)]) };
        json!({ "key": format!("k{at}"), "title": format!("Task {at}"), "depends_on": needs }).to_string()
    };
    write(&home, "plan.jsonl", &(0..5_000).map(|at| entry(at) + "\n").collect::<String>());
    assert_eq!(counts(&home.ok(&["import", "plan.jsonl"])), [5_000, 0, 0, 0, 0]);
    assert_eq!(home.ok(&["server-status"])["tasks"]["ready"], 1_000);
    let before = events(&home);
    assert_eq!(counts(&home.ok(&["import", "plan.jsonl"])), [0, 0, 5_000, 0, 0]);
    assert_eq!(events(&home), before);
}

#[test]
fn a_dry_run_shows_what_an_import_does_and_does_nothing() {
    let home = with_specifications();
    let shown = home.run(&["import", "specs", "--dry-run", "--format", "table"]).expect(0);
    assert_eq!(
        shown.out,
        "2 to add, 0 to change, 0 unchanged\n+ spec:lexer  Write the lexer\n+ spec:parser  Write the parser\n"
    );
    assert!(!home.state_dir().join("orch.db").exists(), "whoever only looks makes no store");
    let done = home.run(&["import", "specs", "--format", "ids"]).expect(0);
    assert_eq!(done.out, "task-0000000001\ntask-0000000002\n");
    let parser = task(&home, "2");
    assert_eq!((&parser["title"], &parser["priority"]), (&json!("Write the parser"), &json!("high")));
    assert_eq!((&parser["status"], &parser["acceptance"]), (&json!("pending"), &json!(["It parses"])));
}

#[test]
fn what_only_the_file_changed_is_taken_over_and_what_somebody_changed_here_stays() {
    let home = with_specifications();
    home.ok(&["import", "specs"]);
    home.ok(&["update-task", "2", "--title", "Write the great parser"]);
    write(&home, "specs/parser.md", &PARSER.replace("the parser", "a parser").replace("Parse it.", "Parse it well."));
    fs::remove_file(home.path("work/specs/lexer.md")).unwrap();
    write(&home, "specs/printer.md", &LEXER.replace("lexer", "printer"));
    let shown = home.run(&["import", "specs", "--format", "table"]).expect(0).out;
    let expected = "\
1 added, 1 changed, 0 unchanged, 1 gone from the source, 1 field left as it is here
~ spec:parser (task-2)  Write a parser
    title: stays `Write the great parser`, changed here; the source says `Write a parser`
    description: `Parse it.` -> `Parse it well.`
+ spec:printer (task-3)  Write the printer
- spec:lexer (task-1)  Write the lexer, not in the source any more; it is ready
";
    assert_eq!(shown, expected);
    let parser = task(&home, "2");
    assert_eq!(parser["title"], "Write the great parser");
    assert_eq!(parser["description"], "Parse it well.");
    assert_eq!(counts(&home.ok(&["import", "specs"]))[..3], [0, 0, 2]);
    // Another file with the same plan is held against what this one said.
    fs::rename(home.path("work/specs"), home.path("work/docs")).unwrap();
    assert_eq!(counts(&home.ok(&["import", "docs"])), [0, 0, 2, 0, 0]);
}

#[test]
fn all_faults_are_told_with_their_lines_and_nothing_is_imported() {
    let home = Home::new();
    write(&home, "specs/a.md", "# Task: A\n- **Priority**: soon\n- **Depends on**: b\n");
    write(&home, "specs/b.md", "# Task: B\n- **Rule**: x\n");
    write(&home, "specs/c.md", "# Task: C\n");
    let ended = home.run(&["import", "specs", "--format", "table"]).expect(2);
    let lines: Vec<&str> = ended.err.lines().collect();
    assert!(lines[0].starts_with("specs/a.md:2: `**Priority**` is `soon`; wanted `critical`"), "{}", ended.err);
    assert!(lines[1].starts_with("specs/b.md:2: no field is called `Rule`; did you mean `**Role**`?"), "{}", ended.err);
    assert!(ended.err.contains("2 faults, and nothing was imported"), "{}", ended.err);
    assert_eq!(ended.out, "");
    let data = home.run(&["import", "specs"]).expect(2).data();
    assert_eq!((&data["faults"][1]["file"], &data["faults"][1]["line"]), (&json!("specs/b.md"), &json!(2)));
    assert_eq!(home.ok(&["list-tasks"])["total"], 0);
    for (text, place) in [
        (&b"- [ ] a\n- [ ] \xff\n"[..], "broken.md:2:"),
        (b"- [ ] a\n- [ ] \0\n", "broken.md:2:"),
        (b"{\"tasks\": [\n{\"title\": }]}", "broken.md:2:"),
        (b"no plan at all\n", "broken.md:1:"),
    ] {
        fs::write(home.path("work/broken.md"), text).unwrap();
        let told = home.run(&["import", "broken.md", "--format", "table"]).expect(2).err;
        assert!(told.starts_with(place), "{told}");
    }
    assert_eq!(home.run(&["import", "nowhere.md"]).expect(3).error()["code"], "not_found");
    assert_eq!(home.run(&["import"]).expect(2).error()["message"], "there is nothing to import");
    assert_eq!(home.run(&["import", "-"]).expect(2).data()["faults"][0]["file"], "standard input");
    assert_eq!(home.run(&["import", "specs/c.md", "--job", "7"]).expect(3).error()["code"], "not_found");
    assert_eq!(home.ok(&["list-tasks"])["total"], 0);
}

/// A team of every state, with texts that would break out of any file.
fn busy() -> Home {
    let home = Home::new();
    home.ok(&["register-instance", "amy"]);
    write(&home, "list.md", "- [ ] From a list\n  - [x] A part of it\n");
    home.ok(&["import", "list.md"]);
    let note = "## Implementation Notes\n\n- **Priority**: high\n```\n# Task: no\n```";
    let tasks = json!([
        { "ref": "a", "title": HOSTILE, "description": format!("{HOSTILE}\n\n{note}"), "labels": ["a,b", HOSTILE] },
        { "title": "Claimed", "priority": "critical", "role": "builder" },
        { "title": "Blocked", "assignee": "amy", "metadata": { "z": [1, null], "a": HOSTILE } },
        { "title": "Done", "evidence": ["files"], "expected_outputs": ["src/x.rs"] },
        { "title": "Failed", "not_before": "2020-01-01T00:00:00Z", "max_attempts": 7, "reserves": ["@db", "src/**"] },
        { "title": "Off" },
        { "title": "Waits", "depends_on": ["a"], "acceptance": [HOSTILE], "link": "review", "chain_id": "c" },
        { "title": "Waits", "depends_on": ["a"] },
    ]);
    home.ok(&["push-tasks", "--tasks", &tasks.to_string()]);
    let step = |words: &[&str]| drop(home.ok(&[words, &["-i", "amy"]].concat()));
    for id in ["4", "5", "7"] {
        step(&["claim-task", id, "--force"]);
    }
    step(&["block-task", "5", "The server is down"]);
    step(&["fail-task", "7", HOSTILE]);
    step(&["cancel-task", "8", "Not needed"]);
    // A task may come to wait for one that was made after it.
    step(&["update-task", "3", "--depends-on", "8"]);
    home
}

#[test]
fn what_was_exported_imported_and_exported_is_the_same_to_the_byte() {
    let home = busy();
    for (kind, out) in [
        ("json", "out.json"),
        ("jsonl", "out.jsonl"),
        ("specification", "specs.md"),
        ("specification", "specs"),
        ("checklist", "list.md"),
        ("beads", "beads.jsonl"),
        ("board", "boards"),
    ] {
        home.ok(&["list-tasks"]);
        home.run(&["export", "--kind", kind, "--out", out]).expect(0);
        let before = events(&home);
        let back = home.ok(&["import", out]);
        assert_eq!(counts(&back)[..2], [0, 0], "{kind}: what was exported changes nothing here: {back}");
        assert_eq!(events(&home), before);
        let other = Home::new();
        let path = home.path("work").join(out);
        let told = other.ok(&["import", path.to_str().unwrap(), "--kind", kind]);
        assert_eq!(counts(&told), [10, 0, 0, 0, 0], "{kind}: {told}");
        let reserves = |home: &Home| {
            let all = home.ok(&["list-tasks", "--limit", "40"])["tasks"].take();
            let all = all.as_array().unwrap().iter().map(|line| task(home, line["id"].as_str().unwrap()));
            all.map(|mut task| task["reserves"].take()).filter(|reserves| !reserves.is_null()).collect::<Vec<_>>()
        };
        if !matches!(kind, "checklist" | "beads") {
            assert_eq!((reserves(&other).len(), reserves(&other)), (1, reserves(&home)), "{kind}");
        }
        other.run(&["export", "--kind", kind, "--out", out]).expect(0);
        let mut compared = 0;
        let files = if path.is_dir() {
            fs::read_dir(&path).unwrap().map(|file| file.unwrap().path()).collect()
        } else {
            vec![path]
        };
        for file in files {
            let name = file.strip_prefix(home.path("work")).unwrap().to_str().unwrap().to_owned();
            assert_eq!(read(&other, &name), read(&home, &name), "{kind}: {name}");
            compared += 1;
        }
        assert!(compared >= 1);
        // And once more on standard output, where that is one file.
        if out.contains('.') {
            let print = |home: &Home| home.run(&["export", "--kind", kind]).expect(0).out;
            assert_eq!(print(&other), print(&home), "{kind}");
        }
    }
}

#[test]
fn what_is_exported_is_what_it_is_changed_by() {
    let home = Home::new();
    home.ok(&["push-task", "Fix the login"]);
    let text = home.run(&["export"]).expect(0).out;
    // Somebody here went on meanwhile, with something else.
    home.ok(&["update-task", "1", "--priority", "high"]);
    write(&home, "tasks.json", &text.replace("Fix the login", "Fix the login page"));
    assert_eq!(counts(&home.ok(&["import", "tasks.json"])), [0, 1, 0, 0, 0]);
    let task = task(&home, "1");
    assert_eq!((&task["title"], &task["priority"]), (&json!("Fix the login page"), &json!("high")));
    // In another team that number is another task.
    let other = Home::new();
    other.ok(&["push-task", "Something else"]);
    let path = home.path("work/tasks.json");
    assert_eq!(counts(&other.ok(&["import", path.to_str().unwrap()])), [1, 0, 0, 0, 0]);
    let exported: Value = serde_json::from_str(&other.run(&["export"]).expect(0).out).unwrap();
    let keys: Vec<&Value> = exported["tasks"].as_array().unwrap().iter().map(|task| &task["key"]).collect();
    let keys_of = |home: &Home| json!(format!("task:task-1@{}", home.team_mark()));
    assert_eq!(keys, [&keys_of(&other), &keys_of(&home)]);
}

/// Whoever put a link there would say what is written over.
#[test]
fn nothing_is_written_through_a_link() {
    let home = Home::new();
    home.ok(&["push-task", "Fix the login"]);
    write(&home, "victim", "precious");
    let planted = |file: &str| {
        let path = home.path("work").join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(home.path("work/victim"), path).unwrap();
    };
    for (file, words) in [
        ("plan.json", &["export", "--out", "plan.json"][..]),
        (
            &format!("specs/task-task-1-{}.md", home.team_mark()),
            &["export", "--kind", "specification", "--out", "specs"],
        ),
        ("boards/backlog.md", &["export", "--kind", "board", "--out", "boards"]),
        ("report.md", &["report", "--out", "report.md"]),
    ] {
        planted(file);
        let told = home.run(words).expect(2).err;
        assert!(told.contains("is a link, to `") && told.contains("remove the link"), "{file}: {told}");
        assert_eq!(read(&home, "victim"), "precious");
        assert!(home.path("work").join(file).is_symlink());
    }
    // A folder goes by any name that leads to it.
    fs::create_dir(home.path("work/real")).unwrap();
    symlink("real", home.path("work/folder")).unwrap();
    home.run(&["export", "--kind", "board", "--out", "folder"]).expect(0);
    home.run(&["report", "--out", "folder/report.md"]).expect(0);
    assert!(read(&home, "real/backlog.md").contains("Fix the login") && !read(&home, "real/report.md").is_empty());
}

#[test]
fn a_pipe_by_a_name_is_refused_and_not_waited_for() {
    let home = Home::new();
    let pipe = home.path("work/plan.json");
    fs::create_dir_all(pipe.parent().unwrap()).unwrap();
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let told = home.run(&["import", "plan.json", "--format", "table"]).expect(2).err;
    assert!(
        told.contains("`plan.json` is neither a file nor a folder") && told.contains("| orch-mcp import -"),
        "{told}"
    );
}

/// As `gh` and `bd` print them, in a pipe.
#[test]
fn what_another_program_prints_comes_in_through_a_pipe() {
    let home = Home::new();
    let url = "https://github.com/o/r/issues/7";
    let issue = json!([{ "number": 7, "title": HOSTILE, "body": "b", "state": "OPEN", "labels": [{ "name": "bug" }], "url": url }]);
    let ended = finish(&mut home.program(&["import", "-"]), &issue.to_string()).expect(0);
    assert_eq!(ended.data()["kind"], "issues");
    assert_eq!(task(&home, "1")["labels"], json!(["bug"]));
    let job = home.ok(&["create-job", "From the tracker"])["job"]["id"].as_str().unwrap().to_owned();
    let issue = json!({ "number": 8, "title": "Another", "body": "", "state": "OPEN", "url": url.replace('7', "8") });
    finish(&mut home.program(&["import", "-", "--kind", "issues", "--job", &job]), &json!([issue]).to_string())
        .expect(0);
    assert_eq!(home.ok(&["get-job", &job])["total"], 1);
    assert_eq!(home.run(&["export", "--kind", "issues"]).expect(2).error()["code"], "invalid");
}

#[test]
fn the_same_file_imported_by_many_at_once_comes_in_once() {
    let home = Home::new();
    let tasks: Vec<Value> =
        (0..200).map(|at| json!({ "key": at.to_string(), "title": format!("Task {at}") })).collect();
    write(&home, "plan.json", &json!({ "tasks": tasks }).to_string());
    let start = || Running::start(home.program(&["import", "plan.json"]).stdout(Stdio::null()).stderr(Stdio::null()));
    let mut all: Vec<Running> = (0..6).map(|_| start()).collect();
    assert!(all.iter_mut().all(|one| one.ends().success()));
    assert_eq!(home.ok(&["list-tasks", "--limit", "1"])["total"], 200);
}

#[test]
fn the_clients_own_task_lists_are_found_by_the_session_or_the_project() {
    let home = Home::new();
    let refused = home.run(&["import", "--kind", "claude-tasks"]).expect(3).error();
    let looked = home.path(".claude/projects").display().to_string();
    assert!(refused["message"].as_str().unwrap().contains(&looked), "{refused}");
    let task = |id: &str, subject: &str, status: &str, needs: &[&str]| json!({ "id": id, "subject": subject, "description": "", "status": status, "blocks": [], "blockedBy": needs });
    write(&home, "../.claude/tasks/s-1/1.json", &task("1", "Read", "completed", &[]).to_string());
    write(&home, "../.claude/tasks/s-1/2.json", &task("2", "Write", "pending", &["1"]).to_string());
    write(&home, "../.claude/tasks/s-1/.lock", "");
    write(&home, "../.claude/tasks/s-2/1.json", &task("1", "Elsewhere", "pending", &[]).to_string());
    let mut import = home.program(&["import", "--kind", "claude-tasks"]);
    assert_eq!(counts(&finish(import.env("CLAUDE_CODE_SESSION_ID", "s-1"), "").expect(0).data()), [2, 0, 0, 0, 0]);
    let here = home.path("work").canonicalize().unwrap();
    let project: String =
        here.display().to_string().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    for session in ["s-1", "s-2"] {
        write(&home, &format!("../.claude/projects/{project}/{session}.jsonl"), "");
    }
    let told = home.ok(&["import", "--kind", "claude-tasks"]);
    assert_eq!(counts(&told), [1, 0, 2, 0, 0], "{told}");
    assert_eq!(home.ok(&["graph"])["nodes"].as_array().unwrap().len(), 2);
}

/// Two features are planned by the same short names, and two folders have a list of the same name.
#[test]
fn a_name_that_another_file_gave_first_changes_no_task_unseen() {
    let home = Home::new();
    write(&home, "a/plan.json", r#"[{"key":"api","title":"Reports: add the API","acceptance":["csv"]}]"#);
    write(
        &home,
        "b/plan.json",
        r#"[{"key":"api","title":"Login: change the API"},{"key":"ui","title":"Login: form","depends_on":["api"]}]"#,
    );
    write(&home, "a/todo.md", "- [ ] write tests\n");
    write(&home, "b/todo.md", "- [x] write tests\n");
    write(&home, "s1/parser.md", "# Task: Parse reports\n");
    write(&home, "s2/parser.md", "# Task: Parse logins\n");
    for file in ["a/plan.json", "a/todo.md", "s1/parser.md"] {
        assert_eq!(counts(&home.ok(&["import", file])), [1, 0, 0, 0, 0], "{file}");
    }
    let (job, before) = (home.ok(&["create-job", "Login"])["job"]["id"].as_str().unwrap().to_owned(), events(&home));
    for (file, name, task, first) in [
        ("b/plan.json", "api", "task-1", "a/plan.json"),
        ("b/todo.md", "todo/write-tests", "task-2", "a/todo.md"),
        ("s2/parser.md", "parser", "task-3", "s1/parser.md"),
    ] {
        for more in [&[][..], &["--job", &job], &["--dry-run"]] {
            let told = home.run(&[&["import", file, "--format", "table"], more].concat()).expect(2).err;
            assert!(told.starts_with(&format!("{file}:1: `{name}` is {task} already, ")), "{told}");
            assert!(
                told.contains(first) && told.contains("`orch-mcp import --same`") && told.contains("--new`"),
                "{told}"
            );
        }
    }
    assert_eq!(events(&home), before);
    // As other tasks they are there beside the first, and known again.
    assert_eq!(counts(&home.ok(&["import", "b/plan.json", "--new", "--job", &job])), [2, 0, 0, 0, 0]);
    assert_eq!(home.ok(&["get-job", &job])["total"], 2);
    assert_eq!(task(&home, "1")["title"], "Reports: add the API");
    assert_eq!(task(&home, "5")["depends_on"], json!([task(&home, "4")["id"]]));
    write(&home, "b/plan.json", &read(&home, "b/plan.json").replace("Login: change", "Login: mend"));
    assert_eq!(counts(&home.ok(&["import", "b/plan.json"])), [0, 1, 1, 0, 0]);
    assert_eq!(
        (&task(&home, "1")["title"], &task(&home, "4")["title"]),
        (&json!("Reports: add the API"), &json!("Login: mend the API"))
    );
    assert_eq!(counts(&home.ok(&["import", "s2/parser.md", "--new"])), [1, 0, 0, 0, 0]);
    // A file beside it means its own neighbour, and not the first one of that name.
    write(&home, "s2/printer.md", "# Task: Print logins\n\n- **Depends On**: parser\n");
    home.ok(&["import", "s2/printer.md"]);
    assert_eq!(task(&home, "7")["depends_on"], json!([task(&home, "6")["id"]]));
    // As the same tasks they are changed, from then on by both.
    assert_eq!(counts(&home.ok(&["import", "b/todo.md", "--same"])), [0, 1, 0, 0, 0]);
    assert_eq!(task(&home, "2")["status"], "completed");
    assert_eq!(counts(&home.ok(&["import", "b/todo.md"])), [0, 0, 1, 0, 0]);
    // All of that goes into another team and back out of it as it is.
    home.run(&["export", "--out", "all.json"]).expect(0);
    let other = Home::new();
    other.ok(&["import", home.path("work/all.json").to_str().unwrap()]);
    assert_eq!(other.run(&["export"]).expect(0).out, read(&home, "all.json"));
}

/// An export tells of a task, too, and that is older than what its own file said last.
#[test]
fn what_another_file_says_of_the_same_task_is_held_against_what_its_own_said_last() {
    let home = Home::new();
    let api = |title: &str| format!(r#"[{{"key":"api","title":"{title}"}}]"#);
    write(&home, "x.json", &api("First"));
    home.ok(&["import", "x.json"]);
    home.run(&["export", "--out", "a.json"]).expect(0);
    write(&home, "x.json", &api("Second"));
    assert_eq!(counts(&home.ok(&["import", "x.json"])), [0, 1, 0, 0, 0]);
    write(&home, "y.json", &api("Third"));
    assert_eq!(counts(&home.ok(&["import", "y.json", "--same"])), [0, 1, 0, 0, 0]);
    assert_eq!(task(&home, "1")["title"], "Third");
}

#[test]
fn a_file_that_was_moved_or_copied_is_known_again() {
    let home = Home::new();
    write(&home, "plan.json", r#"[{"key":"api","title":"Add the API"}]"#);
    write(&home, "todo.md", "- [ ] write tests\n- [ ] and more\n");
    home.ok(&["import", "plan.json"]);
    home.ok(&["import", "todo.md"]);
    let before = events(&home);
    for (file, copy) in [("plan.json", "copy/plan.json"), ("todo.md", "copy/todo.md")] {
        write(&home, copy, &read(&home, file));
        let told = home.run(&["import", copy, "--format", "table"]).expect(0);
        assert!(told.out.starts_with("0 added, 0 changed, "), "{}", told.out);
        assert!(told.err.contains("in the same words") && told.err.contains(&format!("work/{file}`")), "{}", told.err);
    }
    assert_eq!(events(&home), before);
    // What a copy says otherwise may be meant for another task.
    write(&home, "copy/todo.md", "- [x] write tests\n- [ ] and more\n");
    assert_eq!(home.run(&["import", "copy/todo.md"]).expect(2).data()["faults"].as_array().unwrap().len(), 1);
    // Once it took the place of the first, it is that.
    fs::remove_file(home.path("work/todo.md")).unwrap();
    assert_eq!(counts(&home.ok(&["import", "copy/todo.md"])), [0, 1, 1, 0, 0]);
    assert_eq!(task(&home, "2")["status"], "completed");
    // But what merely came after another that went is not.
    fs::remove_file(home.path("work/plan.json")).unwrap();
    write(&home, "next.json", r#"[{"key":"api","title":"Drop the API","priority":"low"}]"#);
    home.run(&["import", "next.json"]).expect(2);
    assert_eq!(task(&home, "1")["title"], "Add the API");
    // Two programs may print alike into a pipe.
    let pipe = |text: &str| finish(&mut home.program(&["import", "-"]), text);
    pipe(r#"[{"key":"1","title":"One"}]"#).expect(0);
    pipe(r#"[{"key":"1","title":"One","priority":"low"}]"#).expect(0);
    pipe(r#"[{"key":"1","title":"Quite another"}]"#).expect(2);
    pipe("- [ ] write more tests\n").expect(0);
    assert_eq!(counts(&pipe("- [ ] write more tests\n").expect(0).data()), [0, 0, 1, 0, 0]);
    pipe("- [x] write more tests\n").expect(2);
    assert_eq!((&task(&home, "4")["title"], &task(&home, "4")["priority"]), (&json!("One"), &json!("low")));
}

/// What takes the place of a file that was moved is another file, whatever it calls its tasks.
#[test]
fn a_file_that_was_moved_tells_of_its_tasks_and_no_other_at_its_old_place_does() {
    let home = Home::new();
    let move_away = |from: &str, to: &str| {
        fs::create_dir_all(home.path("work").join(to).parent().unwrap()).unwrap();
        fs::rename(home.path("work").join(from), home.path("work").join(to)).unwrap();
    };
    write(&home, "a/plan.json", r#"[{"key":"api","title":"Add the API"},{"key":"ui","title":"Add the form"}]"#);
    write(&home, "a/todo.md", "- [ ] write tests\n");
    home.ok(&["import", "a/plan.json"]);
    home.ok(&["import", "a/todo.md"]);
    let before = events(&home);
    for (from, to) in [("a/plan.json", "b/plan.json"), ("a/todo.md", "b/todo.md")] {
        move_away(from, to);
        let told = home.run(&["import", to, "--format", "table"]).expect(0);
        assert!(told.out.starts_with("0 added, 0 changed, ") && told.err.is_empty(), "{} {}", told.out, told.err);
        let again = home.ok(&["import", to]);
        assert_eq!((&again["is_nothing"], &again["remarks"]), (&json!(true), &Value::Null), "{again}");
    }
    assert_eq!(events(&home), before);
    write(&home, "a/plan.json", r#"[{"key":"api","title":"Drop the API"}]"#);
    write(&home, "a/todo.md", "- [x] write tests\n");
    for (file, place) in [("a/plan.json", "b/plan.json"), ("a/todo.md", "b/todo.md")] {
        let told = home.run(&["import", file, "--format", "table"]).expect(2).err;
        assert!(told.contains(&format!("work/{place}`")), "{told}");
    }
    assert_eq!(events(&home), before);
    // What it takes with it is what it is held against.
    home.ok(&["update-task", "1", "--title", "Add an API"]);
    write(&home, "b/plan.json", &read(&home, "b/plan.json").replace("Add the API", "Add all of the API"));
    assert_eq!(counts(&home.ok(&["import", "b/plan.json"])), [0, 1, 1, 0, 1]);
    write(&home, "b/plan.json", &read(&home, "b/plan.json").replace("Add the form", "Mend the form"));
    home.ok(&["import", "b/plan.json"]);
    assert_eq!(counts(&home.ok(&["import", "a/plan.json", "--new"])), [1, 0, 0, 0, 0]);
    let titles = ["1", "2", "4"].map(|id| task(&home, id)["title"].as_str().unwrap().to_owned());
    assert_eq!(titles, ["Add an API", "Mend the form", "Drop the API"]);
}

/// What comes through a pipe has no neighbours, and what lies in a folder below is none.
#[test]
fn a_name_means_a_neighbour_and_nothing_further_away() {
    let home = Home::new();
    let pipe = |text: &str, more: &[&str]| finish(&mut home.program(&[&["import", "-"], more].concat()), text);
    write(&home, "a/plan.json", r#"[{"key":"api","title":"Add the API"}]"#);
    home.ok(&["import", "a/plan.json"]);
    pipe(r#"[{"key":"api","title":"Drop the API"}]"#, &["--new"]).expect(0);
    let told = pipe(r#"[{"key":"api","title":"Drop the API","priority":"low"}]"#, &[]).expect(0).data();
    assert_eq!(counts(&told), [0, 1, 0, 0, 0]);
    assert_eq!((&task(&home, "1")["priority"], &task(&home, "2")["priority"]), (&json!("medium"), &json!("low")));
    write(&home, "s1/parser.md", "# Task: Parse reports\n");
    write(&home, "s2/below/parser.md", "# Task: Parse logins\n");
    write(&home, "s2/printer.md", "# Task: Print\n\n- **Depends On**: parser\n");
    home.ok(&["import", "s1/parser.md"]);
    home.ok(&["import", "s2/below/parser.md", "--new"]);
    home.ok(&["import", "s2/printer.md"]);
    assert_eq!(task(&home, "5")["depends_on"], json!([task(&home, "3")["id"]]));
}

/// Each team has a `task-1`.
#[test]
fn another_team_s_export_leaves_the_tasks_of_this_one_alone() {
    let (home, other) = (Home::new(), Home::new());
    home.ok(&["register-instance", "amy"]);
    for at in 1..4 {
        home.ok(&["push-task", &format!("Theirs {at}"), "-i", "amy"]);
        other.ok(&["push-task", &format!("Ours {at}"), "--description", "ours"]);
    }
    home.ok(&["claim-task", "1", "-i", "amy"]);
    home.ok(&["complete-task", "1", "-i", "amy"]);
    for (kind, out) in [
        ("json", "a.json"),
        ("specification", "specs"),
        ("checklist", "a.md"),
        ("beads", "b.jsonl"),
        ("board", "boards"),
    ] {
        home.run(&["export", "--kind", kind, "--out", out]).expect(0);
        let path = home.path("work").join(out);
        let told = other.ok(&["import", path.to_str().unwrap(), "--kind", kind]);
        assert_eq!(told["change"], 0, "{kind}: {told}");
        // What one form tells less exactly than the first changes nothing either.
        assert_eq!(told["add"], if kind == "json" { 3 } else { 0 }, "{kind}: {told}");
    }
    for at in 1..4 {
        let ours = task(&other, &at.to_string());
        assert_eq!(
            (&ours["title"], &ours["description"], &ours["status"]),
            (&json!(format!("Ours {at}")), &json!("ours"), &json!("pending"))
        );
    }
}

#[test]
fn what_comes_waits_for_what_the_team_has_by_the_name_that_an_export_gives_it() {
    let home = Home::new();
    home.ok(&["push-task", "Fix the login"]);
    let ours = home.team_mark();
    let waits_for =
        |name: &str| write(&home, "p.json", &json!([{ "key": "a", "title": "A", "depends_on": [name] }]).to_string());
    for (name, what) in [
        ("task-1", format!("names `task-1`, which nothing is called; the team's own task is `task:task-1@{ours}`")),
        ("task:task-1", format!("here `export` calls it `task:task-1@{ours}`")),
        (&format!("task:task-2@{ours}"), "there is no `task-2` here; name a task that is there".to_owned()),
        ("task:task-1@0badc0de", "there is no `task:task-1@0badc0de` here".to_owned()),
    ] {
        waits_for(name);
        let told = home.run(&["import", "p.json", "--format", "table"]).expect(2).err;
        assert!(told.contains(&what), "{told}");
    }
    waits_for(&format!("task:task-1@{ours}"));
    home.ok(&["import", "p.json"]);
    assert_eq!(home.ok(&["get-task", "2"])["task"]["depends_on"], json!(["task-0000000001"]));
    assert_eq!(home.ok(&["import", "p.json"])["is_nothing"], true);
}

/// Whoever took the name of a task before it is there would say what it is.
#[test]
fn nobody_takes_a_name_that_the_team_gives() {
    let home = Home::new();
    home.ok(&["push-task", "Fix the login"]);
    let ours = home.team_mark();
    for (key, what) in [
        (
            "task:task-1".to_owned(),
            format!(
                "`task:task-1` does not say of which team the task is; here `export` calls it `task:task-1@{ours}`"
            ),
        ),
        (format!("task:task-2@{ours}"), "there is no `task-2` here".to_owned()),
        (format!("task:2@{ours}"), "there is no `2` here".to_owned()),
    ] {
        write(&home, "p.json", &json!([{ "key": key, "title": "Mine" }]).to_string());
        let told = home.run(&["import", "p.json", "--format", "table"]).expect(2).err;
        assert!(told.contains(&what), "{told}");
    }
    // What is there may be told of by its name, before any export said it.
    write(
        &home,
        "p.json",
        &json!([{ "key": format!("task:task-1@{ours}"), "title": "Fix the login page" }]).to_string(),
    );
    assert_eq!(counts(&home.ok(&["import", "p.json"]))[..2], [0, 1]);
    assert_eq!(counts(&home.ok(&["import", "p.json"])), [0, 0, 1, 0, 0]);
}

/// What a program printed, colours and all, is a result like any other.
#[test]
fn whatever_tasks_say_is_written_so_that_it_is_read_again() {
    let home = Home::new();
    home.ok(&["register-instance", "amy"]);
    let stray = "a\u{1b}[31mb\u{7f}c\u{85}d\u{9b}e\u{1}f\u{b}g\rh\r\ni\u{2028}j\tk";
    let line = stray.replace(['\r', '\n'], "");
    let tasks = json!([
        { "title": line, "description": stray, "labels": [line, "\u{7f}"], "acceptance": [line], "context_files": [line],
          "expected_outputs": [line], "metadata": { line.as_str(): [stray] }, "chain_id": line },
        { "title": "\u{1b}", "description": format!("{stray}\n\n## Implementation Notes\n\n{stray}\n```\n{stray}") },
        { "title": "Full", "description": "\u{1b}".repeat(65_536) },
        { "title": "Done" },
    ]);
    write(&home, "tasks.json", &tasks.to_string());
    home.ok(&["push-tasks", "--tasks", "@tasks.json"]);
    home.ok(&["claim-task", "4", "-i", "amy"]);
    home.ok(&["complete-task", "4", &format!("{stray}{}", "\u{1b}".repeat(30_000)), "-i", "amy"]);
    home.run(&["sync", "tasks"]).expect(0);
    assert_eq!(home.run(&["sync", "tasks", "--format", "table"]).expect(0).out, "files and store say the same\n");
    assert!(read(&home, "tasks/backlog.md").contains("a\u{fffd}[31mb\u{fffd}c"));
    for (kind, out) in [
        ("json", "o.json"),
        ("jsonl", "o.jsonl"),
        ("specification", "o.md"),
        ("checklist", "l.md"),
        ("beads", "b.jsonl"),
        ("board", "boards"),
    ] {
        home.run(&["export", "--kind", kind, "--out", out]).expect(0);
        let path = home.path("work").join(out);
        assert_eq!(counts(&home.ok(&["import", path.to_str().unwrap(), "--kind", kind])), [0, 0, 4, 0, 0], "{kind}");
        let other = Home::new();
        assert_eq!(counts(&other.ok(&["import", path.to_str().unwrap(), "--kind", kind])), [4, 0, 0, 0, 0], "{kind}");
        other.run(&["export", "--kind", kind, "--out", out]).expect(0);
        for file in if kind == "board" { vec!["boards/backlog.md", "boards/completed.md"] } else { vec![out] } {
            let text = read(&home, file);
            assert!(!text.contains(|c: char| c.is_control() && !matches!(c, '\n' | '\t')), "{kind}");
            assert_eq!(read(&other, file), text, "{kind}");
        }
    }
    // What no file shows as it is stays as it is here, and what is no text for people is kept whole.
    assert_eq!(task(&home, "1")["description"], stray);
    let exported: Value = serde_json::from_str(&read(&home, "o.json")).unwrap();
    assert_eq!(exported["tasks"][0]["metadata"], json!({ line.as_str(): [stray] }));
}

#[test]
fn what_could_not_be_read_again_is_not_written() {
    let home = Home::new();
    let long = "what is to be done ".repeat(3_000);
    let tasks: Vec<Value> = (0..300).map(|at| json!({ "title": format!("T{at}"), "description": long })).collect();
    write(&home, "t.json", &Value::from(tasks).to_string());
    home.ok(&["push-tasks", "--tasks", "@t.json"]);
    home.run(&["sync", "tasks"]).expect(0);
    home.run(&["export", "--out", "plan.json"]).expect(0);
    assert_eq!(counts(&home.ok(&["import", "plan.json"])), [0, 0, 300, 0, 0]);
    // A number has a line of its own in JSON for people.
    let numbers = vec![1; 30_000];
    let tasks: Vec<Value> =
        (0..34).map(|at| json!({ "title": format!("M{at}"), "metadata": { "n": numbers } })).collect();
    write(&home, "t.json", &Value::from(tasks).to_string());
    home.ok(&["push-tasks", "--tasks", "@t.json"]);
    let ended = home.run(&["export", "--out", "all.json"]).expect(8);
    let error = ended.error();
    assert!(error["message"].as_str().unwrap().contains("so nothing was: more than 1000000 lines"), "{error}");
    assert!(error["hint"].as_str().unwrap().contains("`--job`"), "{error}");
    assert!(!home.path("work/all.json").exists());
    let lines = "x\n".repeat(30_000);
    let tasks: Vec<Value> = (0..34).map(|at| json!({ "title": format!("L{at}"), "description": lines })).collect();
    write(&home, "t.json", &Value::from(tasks).to_string());
    home.ok(&["push-tasks", "--tasks", "@t.json"]);
    let before = read(&home, "tasks/backlog.md");
    let error = home.run(&["sync", "tasks"]).expect(8).error();
    assert!(
        error["message"].as_str().unwrap().contains("lines") && error["hint"].as_str().unwrap().contains("--job"),
        "{error}"
    );
    assert_eq!(read(&home, "tasks/backlog.md"), before);
}

#[test]
fn what_was_asked_for_as_another_kind_than_it_is_is_told() {
    let home = Home::new();
    write(&home, "todo.md", "- [ ] write tests\n");
    let told = home.run(&["import", "todo.md", "--kind", "board", "--format", "table"]).expect(0);
    assert!(
        told.out.starts_with("0 added, ") && told.err.contains("no task stands there as `board` has them"),
        "{}{}",
        told.out,
        told.err
    );
    home.ok(&["import", "todo.md"]);
    let told = home.run(&["import", "todo.md", "--kind", "checklist", "--format", "table"]).expect(0);
    assert!(told.out.starts_with("0 added, 0 changed, 1 unchanged") && told.err.is_empty(), "{}{}", told.out, told.err);
}

#[test]
fn a_file_names_no_repository_that_nobody_registered() {
    let home = Home::new();
    write(&home, "orch.toml", "[repos.api]\npath = \"api\"\n");
    Command::new("git").args(["init", "-q"]).current_dir(home.path("work")).status().unwrap();
    let board = |repo: &str| format!("# Backlog\n\n### [a] A\n\n- **Repo**: {repo}\n");
    write(&home, "tasks/backlog.md", &board("apu"));
    for words in [&["import", "tasks/backlog.md", "--format", "table"][..], &["sync", "tasks", "--format", "table"]] {
        let told = home.run(words).expect(2).err;
        assert!(told.starts_with("tasks/backlog.md:5: there is no repository `apu`; did you mean `api`?"), "{told}");
    }
    assert_eq!(home.ok(&["list-tasks"])["total"], 0);
    write(&home, "tasks/backlog.md", &board("api"));
    home.ok(&["sync", "tasks"]);
    assert_eq!(task(&home, "1")["repo"], "api");
    // What is said already is said still, whatever became of the registry; and what a forge calls so is a word.
    write(&home, "orch.toml", "");
    assert_eq!(home.run(&["sync", "tasks", "--format", "table"]).expect(0).out, "files and store say the same\n");
    write(&home, "tasks/backlog.md", &board("o/r"));
    home.ok(&["sync", "tasks"]);
    assert_eq!(task(&home, "1")["repo"], "o/r");
}
