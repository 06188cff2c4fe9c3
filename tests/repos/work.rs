//! A workflow over many repositories: what each came to is told, kept and bounded, and nothing of it outlives its end.

use crate::launch::ground::commit;
use crate::launch::ground::git;
use crate::repos::world::Gate;
use crate::repos::world::World;
use crate::repos::world::each;
use crate::repos::world::words;
use crate::support::program::Running;
use crate::support::program::eventually;
use crate::support::program::finish;
use rustix::process::Pid;
use rustix::process::Signal;
use rustix::process::test_kill_process;
use serde_json::Value;
use serde_json::json;
use std::fs;
use std::fs::Permissions;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;

fn results(world: &World, words: &[&str], code: i32) -> Value {
    world.run(words).expect(code).data()["results"].take()
}

#[test]
fn each_language_has_its_command_and_each_result_is_kept() {
    let world = World::with_three();
    let told = results(&world, &["repos", "test-all"], 1);
    let outcomes = [("api", json!("passed")), ("web", json!("passed")), ("lib", json!("failed"))];
    assert_eq!(each(&told, "outcome"), outcomes);
    assert_eq!(each(&told, "exit_code"), [("api", json!(0)), ("web", json!(0)), ("lib", json!(3))]);
    assert_eq!(told[0]["tail"], "go test ./...");
    assert!(told[2]["why"].as_str().unwrap().starts_with("ended with 3 after "), "{told}");
    assert_eq!(told[2]["tail"], "cargo test -q\nit broke here");
    let log = Path::new(told[2]["log"].as_str().unwrap());
    assert_eq!(log, world.home.state_dir().join("repos/logs/lib.test.log"));
    assert_eq!(fs::metadata(log).unwrap().permissions().mode() & 0o777, 0o600);
    let said = fs::read_to_string(log).unwrap();
    assert!(said.starts_with("$ cargo test -q\ncargo test -q\nit broke here\n\n(ended with 3 after "), "{said}");
    let kept = world.record("test-results.json")["results"].take();
    assert_eq!(each(&kept, "outcome"), outcomes);
    assert_eq!(kept[2]["commit"].as_str().unwrap().len(), 40);
    // What runs again takes the place of what was, and the rest stays.
    fs::remove_file(world.dir("lib/broken")).unwrap();
    let told = results(&world, &["test", "lib"], 0);
    assert_eq!(each(&told, "outcome"), [("lib", json!("passed"))]);
    let kept = world.record("test-results.json")["results"].take();
    assert_eq!(each(&kept, "outcome"), ["api", "web", "lib"].map(|name| (name, json!("passed"))));
}

#[test]
fn a_person_reads_the_last_lines_and_where_the_rest_is() {
    let world = World::with_three();
    let said = world.run(&["repos", "test-all", "--format", "table"]).expect(1);
    for words in ["REPO  OUTCOME  TOOK", "lib: ended with 3 after ", "  | it broke here\n", "repos/logs/lib.test.log"] {
        assert!(said.out.contains(words), "no `{words}` in\n{}", said.out);
    }
    assert!(!said.out.contains("| go test"), "{}", said.out);
    assert!(said.err.contains("api: passed in ") && !said.err.contains('\r'), "{}", said.err);
    let one = world.run(&["repos", "test", "api", "--format", "table"]).expect(0).out;
    assert!(one.contains("  | go test ./...\n"), "{one}");
    assert_eq!(world.run(&["test-all", "--format", "ids", "-q"]).expect(1).err, "");
    let planned = results(&world, &["repos", "test-all", "--dry-run"], 0);
    assert_eq!(each(&planned, "outcome"), ["api", "web", "lib"].map(|name| (name, json!("would_run"))));
    assert_eq!(planned[1]["command"], "npm test");
}

#[test]
fn what_has_no_command_is_told_from_what_failed() {
    let world = World::with_three();
    let told = results(&world, &["repos", "build"], 0);
    assert_eq!(
        each(&told, "outcome"),
        [("api", json!("passed")), ("web", json!("no_command")), ("lib", json!("no_command"))]
    );
    assert_eq!(told[0]["tail"], "go build api");
    let error = world.run(&["repos", "build", "web"]).expect(3).error();
    assert_eq!(error["message"], "`build` has no command for `web`, whose language is `javascript`");
    assert!(error["hint"].as_str().unwrap().contains("commands.javascript = "), "{error}");
    world.write_settings("[repos.api]\npath = \"~/src/api\"\n[workflows.test]\ncommands.rust = \"x\"\n");
    let ended = world.run(&["repos", "test-all"]).expect(5);
    assert!(ended.err.contains("nothing to run: below `[workflows.test]`"), "{}", ended.err);
}

#[test]
fn one_that_is_gone_or_whose_program_is_gone_keeps_no_other_from_running() {
    let world = World::with_three();
    let more = "[repos.gone]\npath = \"~/src/gone\"\nlanguage = \"go\"\n\
        [repos.odd]\npath = \"~/src/api\"\ncommands.test = \"no-such-program\"\n";
    world.write_settings(&format!("{more}{}", world.settings()));
    let planned = results(&world, &["repos", "test-all", "--dry-run"], 1);
    assert_eq!(words(&planned, "outcome")[..2], ["missing", "would_run"]);
    let told = results(&world, &["repos", "test-all"], 1);
    let outcomes = words(&told, "outcome");
    assert_eq!(outcomes, ["missing", "not_started", "passed", "passed", "failed"]);
    assert_eq!(told[1]["why"], "there is no program `no-such-program` on the PATH");
}

#[test]
fn a_workflow_runs_where_its_tags_and_the_callers_say() {
    let world = World::with_three();
    let lint = "[workflows.lint]\ntags = [\"backend\"]\ncommands.any = [\"go\", \"lint {{name}}\", \"{{tags}}\"]\n";
    world.write_settings(&format!("{}{lint}", world.settings()));
    let told = results(&world, &["repos", "run", "lint"], 1);
    assert_eq!(each(&told, "outcome"), [("api", json!("passed")), ("lib", json!("failed"))]);
    assert_eq!(told[0]["tail"], "go lint api backend");
    assert_eq!(told[0]["command"], "go 'lint api' backend");
    let told = results(&world, &["repos", "run", "lint", "--tag", "shared"], 1);
    assert_eq!(each(&told, "exit_code"), [("lib", json!(3))]);
    assert!(world.home.state_dir().join("repos/lint-results.json").exists());
    // One without tags, by its name: the command wants some.
    let error = world.run(&["repos", "run", "lint", "web"]).expect(2).error();
    assert!(
        error["message"].as_str().unwrap().contains("no value for `{{tags}}` (of the repository `web`)"),
        "{error}"
    );
}

/// Nothing that a path, a branch or a tag holds becomes a word, an option or a command.
#[test]
fn hostile_values_stay_what_they_are() {
    let world = World::new();
    let name = "x; touch pwned $(touch pwned) `touch pwned` 'a' \"b\" && {{name}} *";
    world.clone_of(name);
    let path = format!("~/src/{name}").replace('\\', "\\\\").replace('"', "\\\"");
    world.write_settings(&format!(
        "[repos.odd]\npath = \"{path}\"\nlanguage = \"go\"\ntags = [\"$(touch${{IFS}}pwned)\", \";\"]\n\
         default_branch = \"a;b$(x)\"\n\
         [workflows.words]\ncommands.go = \"go {{{{path}}}} --tags={{{{tags}}}} {{{{default_branch}}}}\"\n\
         [workflows.shell]\ncommands.go = {{ shell = \"echo {{{{path}}}} | cat; echo {{{{tags}}}}\" }}\n"
    ));
    let dir = world.dir(name);
    let shown = dir.to_str().unwrap();
    let told = results(&world, &["repos", "run", "words"], 0);
    assert_eq!(told[0]["tail"], format!("go {shown} --tags=$(touch${{IFS}}pwned),; a;b$(x)"));
    let told = results(&world, &["repos", "run", "shell"], 0);
    assert_eq!(told[0]["tail"], format!("{shown}\n$(touch${{IFS}}pwned),;"));
    assert!(!dir.join("pwned").exists() && !world.home.path("work/pwned").exists());
}

/// Were a search path of the working directory believed, any repository could bring a `go` of its own.
#[test]
fn a_bare_name_is_no_file_of_the_repository() {
    let world = World::with_three();
    let theirs = world.dir("api/go");
    fs::write(&theirs, "#!/bin/sh\ntouch pwned\n").unwrap();
    fs::set_permissions(&theirs, Permissions::from_mode(0o700)).unwrap();
    let mut program = world.program(&["repos", "test", "api"]);
    program.env("PATH", ".:/usr/bin:/bin");
    let told = finish(&mut program, "").expect(1).data()["results"].take();
    assert_eq!(told[0]["why"], "there is no program `go` on the PATH");
    assert!(!world.dir("api/pwned").exists());
    // Who means it says so.
    world.write_settings("[repos.api]\npath = \"~/src/api\"\ncommands.test = \"./go\"\n");
    results(&world, &["repos", "test", "api"], 0);
    assert!(world.dir("api/pwned").exists());
}

/// A part of a large repository is built as by hand: what it lies in is found from there.
#[test]
fn a_directory_within_a_repository_is_no_repository_and_its_commands_run() {
    let world = World::with_three();
    fs::create_dir(world.dir("api/part")).unwrap();
    world.tool("go", "git rev-parse --show-toplevel\n");
    world.write_settings("[repos.part]\npath = \"~/src/api/part\"\ncommands.test = \"go\"\n");
    let told = results(&world, &["repos", "test", "part"], 0);
    assert_eq!(told[0]["tail"], world.dir("api").to_str().unwrap());
}

/// One that starts another, which leaves its process group, and then waits for ever. The numbers of both are in `pids`.
fn with_a_hanging_one() -> World {
    let world = World::with_three();
    world.tool(
        "npm",
        "setsid sh -c 'echo $$ >> pids; exec sleep 1000' &\necho $$ >> pids\necho waiting\nwait\nsleep 1000\n",
    );
    world
}

fn pids(world: &World) -> Vec<Pid> {
    let text = fs::read_to_string(world.dir("web/pids")).unwrap_or_default();
    text.lines().filter_map(|pid| Pid::from_raw(pid.parse().ok()?)).collect()
}

#[track_caller]
fn are_gone(pids: &[Pid]) {
    eventually("the end of what was started", || {
        let is_zombie = |pid: &Pid| {
            let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap_or_default();
            stat.rsplit_once(") ").is_some_and(|(_, state)| state.starts_with('Z'))
        };
        pids.iter().all(|pid| test_kill_process(*pid).is_err() || is_zombie(pid)).then_some(())
    });
}

#[cfg(target_os = "linux")]
#[test]
fn one_that_hangs_is_ended_at_its_deadline_with_all_that_it_started() {
    let world = with_a_hanging_one();
    // In the second that it has, it need not get as far as to start the other one.
    let told = results(&world, &["repos", "test", "web", "--within", "1"], 1);
    assert_eq!((&told[0]["outcome"], &told[0]["exit_code"]), (&json!("timed_out"), &json!(null)));
    assert!(told[0]["why"].as_str().unwrap().starts_with("was ended at its deadline, after "), "{told}");
    are_gone(&pids(&world));
}

#[cfg(target_os = "linux")]
#[test]
fn ctrl_c_ends_all_that_was_started_and_what_was_done_is_told() {
    let world = with_a_hanging_one();
    let mut program = world.program(&["repos", "test-all"]);
    let mut running = Running::start(program.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()));
    let pids = eventually("two processes", || Some(pids(&world)).filter(|pids| pids.len() == 2));
    eventually("the others are done", || {
        let logs = ["api", "lib"].map(|name| world.home.state_dir().join(format!("repos/logs/{name}.test.log")));
        let is_over = |log| fs::read_to_string(log).is_ok_and(|said| said.trim_end().ends_with(" s)"));
        logs.into_iter().all(is_over).then_some(())
    });
    running.signal(Signal::INT);
    assert_eq!(running.ends().code(), Some(130));
    let mut out = String::new();
    running.child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    let mut told: Value = serde_json::from_str(&out).unwrap();
    let told = told["data"]["results"].take();
    let outcomes = [("api", json!("passed")), ("web", json!("interrupted")), ("lib", json!("failed"))];
    assert_eq!(each(&told, "outcome"), outcomes);
    are_gone(&pids);
}

/// A repository whose `go` notes that it has begun, waits at the gate, and notes that it has ended.
fn with_a_gate() -> (World, Gate) {
    let world = World::new();
    let dir = world.clone_of("api");
    world.tool("go", "echo begun >> noted\nread word < gate\necho ended >> noted\n");
    world.settle(
        "[repos.api]\npath = \"~/src/api\"\nlanguage = \"go\"\nsequential = [\"test\", \"build\"]\n\
         [repos.again]\npath = \"../src/api\"\nlanguage = \"go\"\nsequential = [\"build\"]\n",
    );
    (world, Gate::at(dir.join("gate")))
}

#[track_caller]
fn until_noted(world: &World, words: &str) {
    let noted = || fs::read_to_string(world.dir("api/noted")).unwrap_or_default();
    eventually(words, || (noted().split_whitespace().eq(words.split_whitespace())).then_some(()));
}

#[track_caller]
fn until_it_says(file: &Path, words: &str) {
    eventually(words, || fs::read_to_string(file).is_ok_and(|said| said.contains(words)).then_some(()));
}

/// Two processes want to run something in the same repository, under two names; the second begins once the first has ended.
#[test]
fn what_is_sequential_runs_one_at_a_time_also_across_processes() {
    let (world, gate) = with_a_gate();
    let (mut first, _) = world.start(&["repos", "test", "api"], "first");
    until_noted(&world, "begun");
    let (mut second, said) = world.start(&["repos", "build", "again"], "second");
    until_it_says(&said, "again: waits until what runs there has ended");
    until_noted(&world, "begun");
    gate.open();
    assert!(first.ends().success());
    until_noted(&world, "begun ended begun");
    gate.open();
    assert!(second.ends().success());
}

/// Killed, it can see to no end, and what it started goes on: the next one waits for that.
#[test]
fn a_killed_run_is_waited_for_as_long_as_its_command_lives() {
    let (world, gate) = with_a_gate();
    let (mut first, _) = world.start(&["repos", "test", "api"], "first");
    until_noted(&world, "begun");
    first.signal(Signal::KILL);
    first.ends();
    let (mut second, said) = world.start(&["repos", "test", "api"], "second");
    until_it_says(&said, "api: waits until what runs there has ended");
    until_noted(&world, "begun");
    gate.open();
    until_noted(&world, "begun ended begun");
    gate.open();
    assert!(second.ends().success());
}

#[test]
fn a_failure_becomes_one_task_for_each_commit_while_that_is_open() {
    let world = World::with_three();
    let test = |code| results(&world, &["repos", "test-all", "--task"], code);
    let first = test(1);
    assert_eq!((&first[0]["task"], &first[2]["task"]["new"]), (&json!(null), &json!(true)));
    let id = first[2]["task"]["id"].as_str().unwrap().to_owned();
    let task = world.home.ok(&["get-task", &id])["task"].take();
    assert_eq!((&task["title"], &task["repo"]), (&json!("Mend test of lib"), &json!("lib")));
    let description = task["description"].as_str().unwrap();
    for words in
        ["`cargo test -q` ended with 3 after ", "it broke here", "repos/logs/lib.test.log", "src/lib`) at commit "]
    {
        assert!(description.contains(words), "no `{words}` in {description}");
    }
    assert_eq!(test(1)[2]["task"], json!({ "id": id, "new": false }), "a rerun makes no second one");
    let beside = "with changes that are in no commit";
    assert!(!description.contains(beside), "{description}");
    commit(&world.dir("lib"), "another", "x");
    fs::write(world.dir("lib").join("another"), "y").unwrap();
    let second = test(1)[2]["task"].take();
    assert_eq!(second["new"], true, "another commit is another failure");
    let told = world.home.ok(&["get-task", second["id"].as_str().unwrap()])["task"]["description"].take();
    assert!(told.as_str().unwrap().contains(beside), "{told}");
    let second = second["id"].as_str().unwrap().to_owned();
    world.home.ok(&["cancel-task", &second]);
    let third = test(1)[2]["task"].take();
    assert!(third["new"] == true && third["id"] != second.as_str(), "the one that is over mends nothing");
    assert_eq!(world.home.ok(&["list-tasks", "--label", "repos"])["total"], 3);
    let shown = world.run(&["repos", "test", "lib", "--task", "--format", "table"]).expect(1).out;
    assert!(shown.contains("a task already: task-3"), "{shown}");
}

/// The team's store has the turn of a sequential repository, too: a task that wants it and a person's command exclude each other.
#[test]
fn a_task_that_wants_a_sequential_repository_and_a_command_exclude_each_other() {
    let (world, gate) = with_a_gate();
    let as_amy = |words: &[&str]| {
        let mut program = world.program(words);
        program.env("ORCH_INSTANCE", "amy");
        program
    };
    let ok = |words: &[&str]| finish(&mut as_amy(words), "").expect(0).data();
    world.home.ok(&["register-instance", "amy"]);
    ok(&["push-task", "measure", "--reserves", "@repo:api"]);
    ok(&["claim-task"]);
    let impatient = &results(&world, &["repos", "test", "api", "--within", "1"], 1)[0];
    assert_eq!(impatient["outcome"], "not_started");
    let why = impatient["why"].as_str().unwrap();
    assert!(why.contains("its turn did not come within 1 s: `@repo:api` is reserved by amy"), "{why}");
    let (mut person, said) = world.start(&["repos", "test", "api"], "person");
    until_it_says(&said, "api: waits, as `@repo:api` is reserved by amy with task-0000000001");
    // Whoever has it by a task does not wait for itself.
    let mut hers = as_amy(&["repos", "test", "api"]);
    let mut hers = Running::start(hers.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()));
    until_noted(&world, "begun");
    gate.open();
    assert!(hers.ends().success());
    until_noted(&world, "begun ended");
    ok(&["complete-task", "1"]);
    until_noted(&world, "begun ended begun");
    ok(&["push-task", "again", "--reserves", "@repo:api"]);
    let waiting = finish(&mut as_amy(&["claim-task"]), "").expect(5).data();
    assert_eq!(waiting["waiting"]["behind_reserved"], 1, "{waiting}");
    let held = ok(&["list-reservations"]);
    assert!(held["reservations"][0]["holder_name"].as_str().unwrap().starts_with("repos.api."), "{held}");
    gate.open();
    assert!(person.ends().success());
    assert_eq!(ok(&["claim-task"])["task"]["title"], "again");
    assert_eq!(ok(&["list-instances", "--online-only"])["instances"][0]["name"], "amy", "nobody is left of it");
}

/// Killed, it can hand nothing back. Nobody gets the repository as long as its command lives, and the next one gets it then.
#[test]
fn a_killed_run_has_its_repository_in_the_team_as_long_as_its_command_lives() {
    let (world, gate) = with_a_gate();
    let as_amy = |words: &[&str], code| {
        let mut program = world.program(words);
        finish(program.env("ORCH_INSTANCE", "amy"), "").expect(code).data()
    };
    as_amy(&["register-instance", "amy"], 0);
    let (mut first, _) = world.start(&["repos", "test", "api"], "first");
    until_noted(&world, "begun");
    let held = || as_amy(&["list-reservations"], 0)["reservations"][0].take();
    let holder = held()["holder_name"].as_str().unwrap().to_owned();
    let seen = || as_amy(&["get-instance", &holder], 0)["instance"]["last_seen"].as_str().unwrap().to_owned();
    let before = seen();
    first.signal(Signal::KILL);
    first.ends();
    eventually("somebody says that it is not free", || (seen() > before).then_some(()));
    as_amy(&["push-task", "measure", "--reserves", "@repo:api"], 0);
    assert_eq!(as_amy(&["claim-task"], 5)["waiting"]["behind_reserved"], 1);
    // Nor does a second command, which goes by the same name, hand back what it keeps, or lose it to who kept it.
    let impatient = &results(&world, &["repos", "test", "api", "--within", "1"], 1)[0];
    assert_eq!(impatient["outcome"], "not_started", "{impatient}");
    assert_eq!(as_amy(&["claim-task"], 5)["waiting"]["behind_reserved"], 1);
    let (mut second, said) = world.start(&["repos", "test", "api"], "second");
    until_it_says(&said, "api: waits until what runs there has ended");
    gate.open();
    until_noted(&world, "begun ended begun");
    assert_eq!(held()["holder_name"], holder.as_str());
    second.signal(Signal::KILL);
    second.ends();
    gate.open();
    until_noted(&world, "begun ended begun ended");
    as_amy(&["wait-for-task", "--timeout-seconds", "120"], 0);
    assert_eq!(as_amy(&["claim-task"], 0)["task"]["title"], "measure");
    assert_eq!(as_amy(&["list-instances", "--online-only"], 0)["total"], 1, "nobody is left of it");
}

#[test]
fn a_workflow_runs_in_the_worktree_in_which_one_is() {
    let world = World::with_three();
    let tree = world.home.path("tree");
    git(&world.dir("api"), &["worktree", "add", "--quiet", "-b", "topic", tree.to_str().unwrap()]);
    let run = |words: &[&str]| {
        let mut program = world.program(words);
        finish(program.env("ORCHESTRATOR_WORKSPACE", world.home.path("work")).current_dir(&tree), "")
    };
    let told = run(&["repos", "test", "api", "--here"]).expect(0).data();
    assert_eq!(told["results"][0]["path"], json!(tree.canonicalize().unwrap()));
    for wrong in [&["repos", "test", "web", "--here"][..], &["repos", "test-all", "--here"]] {
        assert!(run(wrong).expect(2).err.contains("--here"));
    }
}
