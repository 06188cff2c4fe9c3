//! Boards and specifications kept like the store: `orch-mcp sync`, once and for long.

use crate::support::program::Home;
use crate::support::program::PATIENCE;
use crate::support::program::Running;
use crate::support::program::eventually;
use crate::support::program::line_with;
use crate::support::program::lines_of;
use rustix::process::Signal;
use serde_json::Value;
use serde_json::json;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::process::Stdio;

struct Team(Home);

impl Team {
    fn new() -> Team {
        let home = Home::new();
        home.ok(&["register-instance", "amy"]);
        Team(home)
    }

    /// `@us` is the mark of this team.
    fn write(&self, file: &str, text: &str) {
        let text = if text.contains("@us") { text.replace("@us", &self.mark()) } else { text.to_owned() };
        let path = self.0.path("work/tasks").join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn read(&self, file: &str) -> String {
        let text = fs::read_to_string(self.0.path("work/tasks").join(file)).unwrap_or_default();
        if text.contains("task:task-") { text.replace(&self.mark(), "@us") } else { text }
    }

    fn mark(&self) -> String {
        format!("@{}", self.0.team_mark())
    }

    fn edit(&self, file: &str, from: &str, to: &str) {
        let text = self.read(file);
        assert!(text.contains(from), "{text}");
        self.write(file, &text.replace(from, to));
    }

    /// What a person sees of it.
    #[track_caller]
    fn sync(&self) -> String {
        self.0.run(&["sync", "tasks", "--format", "table"]).expect(0).out
    }

    fn task(&self, id: &str) -> Value {
        self.0.ok(&["get-task", id])["task"].take()
    }

    fn ok(&self, words: &[&str]) {
        self.0.ok(&[words, &["-i", "amy"]].concat());
    }
}

const SAME: &str = "files and store say the same\n";

#[test]
fn boards_are_written_from_the_store_and_only_where_they_say_something_else() {
    let team = Team::new();
    team.ok(&["push-task", "Fix the login"]);
    team.ok(&["push-task", "Write the parser"]);
    team.ok(&["claim-task", "2"]);
    assert_eq!(team.sync(), "wrote tasks/backlog.md, tasks/active.md, tasks/completed.md\n");
    assert_eq!(team.read("backlog.md"), "# Backlog\n\n### [task:task-1@us] Fix the login\n\n- **Priority**: medium\n");
    assert!(team.read("active.md").contains("### [task:task-2@us] Write the parser"));
    let before = fs::metadata(team.0.path("work/tasks/backlog.md")).unwrap().modified().unwrap();
    let events = |team: &Team| team.0.ok(&["list-events", "--limit", "1"])["events"][0]["seq"].clone();
    let newest = events(&team);
    assert_eq!(team.sync(), SAME);
    assert_eq!(fs::metadata(team.0.path("work/tasks/backlog.md")).unwrap().modified().unwrap(), before);
    assert_eq!(events(&team), newest);
    team.ok(&["complete-task", "2", "It parses"]);
    assert_eq!(team.sync(), "wrote tasks/active.md, tasks/completed.md\n");
    assert!(team.read("completed.md").contains("- **Summary**: It parses"));
    assert_eq!(team.sync(), SAME);
}

#[test]
fn what_people_wrote_is_taken_in_and_what_they_wrote_around_it_stays() {
    let team = Team::new();
    team.ok(&["push-task", "Fix the login"]);
    team.ok(&["push-task", "Write the parser"]);
    team.sync();
    team.edit("backlog.md", "# Backlog\n", "# Backlog\n\nWhat comes next. Ask Anne first.\n");
    team.edit("backlog.md", "Fix the login", "Fix the login page");
    team.edit(
        "backlog.md",
        "### [task:task-2@us] Write the parser\n\n- **Priority**: medium\n",
        "### [task-050] A new one\n\n- **Priority**: high\n",
    );
    team.write("completed.md", "# Completed\n\n### [task:task-2@us] Write the parser\n\n- **Summary**: done by hand\n");
    let told = team.sync();
    assert!(told.starts_with("boards: 1 added, 2 changed, 0 unchanged\n"), "{told}");
    let (login, parser, new) = (team.task("1"), team.task("2"), team.task("3"));
    assert_eq!(login["title"], "Fix the login page");
    assert_eq!((&parser["status"], &parser["result"]), (&json!("completed"), &json!("done by hand")));
    assert_eq!((&new["title"], &new["priority"]), (&json!("A new one"), &json!("high")));
    assert!(
        team.read("backlog.md").starts_with("# Backlog\n\nWhat comes next. Ask Anne first.\n\n### [task:task-1@us]")
    );
    assert!(team.read("backlog.md").contains("### [task-050] A new one"));
    // As every other that is done, it says since when.
    let day = parser["finished_at"].as_str().unwrap().split('T').next().unwrap();
    let completed = format!(
        "# Completed\n\n### [task:task-2@us] Write the parser\n\n- **Completed**: {day}\n- **Summary**: done by hand\n"
    );
    assert_eq!(team.read("completed.md"), completed);
    assert_eq!(team.sync(), SAME);
    let told = team.0.ok(&["sync", "tasks"]);
    assert_eq!((&told["written"], &told["faults"]), (&json!([]), &json!([])));
    // What somebody took out of a board is a task all the same.
    team.write("backlog.md", "# Backlog\n");
    assert!(team.sync().contains("- board:task-050 (task-3)  A new one, not in the source any more; it is ready"));
    assert!(team.read("backlog.md").contains("A new one"));
}

#[test]
fn where_both_changed_the_store_keeps_its_word_and_says_so() {
    let team = Team::new();
    team.ok(&["push-task", "Fix the login"]);
    team.ok(&["push-task", "Claimed by somebody"]);
    team.ok(&["claim-task", "2"]);
    team.sync();
    team.edit("backlog.md", "Fix the login", "Fix the page");
    team.ok(&["update-task", "1", "--title", "Fix the server"]);
    let entry = "### [task:task-2@us] Claimed by somebody\n\n- **Priority**: medium\n";
    team.edit("active.md", entry, "");
    team.write("completed.md", &format!("# Completed\n\n{entry}"));
    let told = team.sync();
    assert!(told.contains("title: stays `Fix the server`, changed here; the source says `Fix the page`"), "{told}");
    assert!(told.contains("status: stays `in_progress`, as somebody works at it"), "{told}");
    assert!(team.read("backlog.md").contains("Fix the server"));
    assert!(team.read("active.md").contains("Claimed by somebody"));
    assert_eq!(team.read("completed.md"), "# Completed\n\n", "what is not done does not stay there");
    assert_eq!(team.sync(), SAME);
    assert_eq!(team.task("2")["status"], "claimed");
}

#[test]
fn half_a_file_is_told_with_its_line_and_neither_read_nor_written() {
    let team = Team::new();
    team.ok(&["push-task", "Fix the login"]);
    team.sync();
    team.edit(
        "backlog.md",
        "- **Priority**: medium\n",
        "- **Priority**: medium\n- **Prio\n\n### [task-9] Half\n\n- **Prioritty**: high\n",
    );
    team.ok(&["update-task", "1", "--title", "Fix the server"]);
    let (backlog, active) = (team.read("backlog.md"), team.read("active.md"));
    let ended = team.0.run(&["sync", "tasks", "--format", "table"]).expect(2);
    assert!(ended.err.starts_with("tasks/backlog.md:10: no field is called `Prioritty`"), "{}", ended.err);
    assert_eq!((team.read("backlog.md"), team.read("active.md")), (backlog, active));
    assert_eq!(team.0.ok(&["list-tasks"])["total"], 1);
    fs::write(team.0.path("work/tasks/active.md"), b"# Active\n\n\xff\n").unwrap();
    let data = team.0.run(&["sync", "tasks"]).expect(2).data();
    assert_eq!((&data["faults"][0]["file"], &data["faults"][0]["line"]), (&json!("tasks/active.md"), &json!(3)));
    team.write("active.md", "# Active\n");
    team.edit("backlog.md", "Prioritty", "Priority");
    team.sync();
    assert!(team.read("backlog.md").contains("Fix the server") && team.read("backlog.md").contains("[task-9] Half"));
}

/// To say that all is the same where nothing could be written would be a lie.
#[test]
fn what_is_no_file_is_told_and_nothing_is_written() {
    let team = Team::new();
    team.ok(&["push-task", "Fix the login"]);
    team.sync();
    let backlog = team.read("backlog.md");
    let path = |file: &str| team.0.path("work/tasks").join(file);
    let make = |file: &str, how: &dyn Fn(&Path)| {
        fs::remove_file(path(file)).unwrap();
        how(&path(file));
    };
    let put_back = |file: &str, remove: &dyn Fn(&Path)| {
        remove(&path(file));
        team.write(file, "# Active\n");
        team.sync();
    };
    let told = |what: &str| {
        let ended = team.0.run(&["sync", "tasks", "--format", "table"]).expect(2);
        assert!(ended.err.starts_with("tasks/active.md:1: `") && ended.err.contains(what), "{}", ended.err);
        assert_eq!((ended.out.as_str(), team.read("backlog.md")), ("", backlog.clone()));
        let data = team.0.run(&["sync", "tasks"]).expect(2).data();
        assert_eq!(data["faults"][0]["file"], "tasks/active.md");
    };
    let unlink = |path: &Path| fs::remove_file(path).unwrap();
    make("active.md", &|path| fs::create_dir(path).unwrap());
    told("is not a file");
    put_back("active.md", &|path| fs::remove_dir(path).unwrap());
    make("active.md", &|path| assert!(Command::new("mkfifo").arg(path).status().unwrap().success()));
    told("is not a file");
    put_back("active.md", &unlink);
    make("active.md", &|path| symlink("active.md", path).unwrap());
    told("is a link");
    put_back("active.md", &unlink);
    // Nor is anything written where somebody else's link leads.
    team.write("victim", "# Notes\n");
    make("active.md", &|path| symlink("victim", path).unwrap());
    team.ok(&["claim-task", "1"]);
    told("is a link, to `victim`");
    assert_eq!(team.read("victim"), "# Notes\n");
}

#[test]
fn headings_between_entries_stay_with_what_stands_below_them() {
    let team = Team::new();
    for title in ["One", "Two", "Three"] {
        team.ok(&["push-task", title]);
    }
    team.sync();
    team.edit("backlog.md", "### [task:task-2@us]", "## Sprint 2\n\n### [task:task-2@us]");
    team.edit("backlog.md", "### [task:task-3@us]", "# Later\n\n## Perhaps\n\n### [task:task-3@us]");
    let before = team.read("backlog.md");
    assert_eq!(team.sync(), SAME);
    assert_eq!(team.read("backlog.md"), before);
    team.ok(&["claim-task", "2"]);
    team.ok(&["push-task", "Four"]);
    team.sync();
    let lines = |file: &str| {
        let text = team.read(file);
        text.lines().filter(|line| line.starts_with('#')).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(
        lines("backlog.md"),
        [
            "# Backlog",
            "### [task:task-1@us] One",
            "### [task:task-4@us] Four",
            "## Sprint 2",
            "# Later",
            "## Perhaps",
            "### [task:task-3@us] Three"
        ]
    );
    assert_eq!(lines("active.md"), ["# Active", "### [task:task-2@us] Two"]);
    assert_eq!(team.sync(), SAME);
}

/// A file that a killed process was about to put there, and one that another is at.
#[test]
fn what_a_killed_sync_left_beside_the_boards_goes_with_the_next() {
    let team = Team::new();
    team.sync();
    team.write(".backlog.md.orch-mcp-0123456789abcdef", "# Back");
    team.write(".active.md.orch-mcp-0123456789abcdef", "# Act");
    let path = |file: &str| team.0.path("work/tasks").join(file);
    let at_work = fs::File::open(path(".active.md.orch-mcp-0123456789abcdef")).unwrap();
    at_work.try_lock().unwrap();
    assert_eq!(team.sync(), SAME);
    assert!(!path(".backlog.md.orch-mcp-0123456789abcdef").exists());
    assert!(path(".active.md.orch-mcp-0123456789abcdef").exists());
    drop(at_work);
    team.0.run(&["export", "--kind", "board", "--out", "tasks"]).expect(0);
    let left: Vec<_> = fs::read_dir(path("")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 3, "{left:?}");
}

#[test]
fn specifications_beside_the_boards_are_taken_in_and_stay_as_they_are() {
    let team = Team::new();
    let specification = "# Task: Write the lexer\n\n## Description\n\nLex it.\n";
    team.write("specs/lexer.md", specification);
    let told = team.sync();
    assert!(told.starts_with("specs: 1 added, 0 changed, 0 unchanged\n"), "{told}");
    assert!(team.read("backlog.md").contains("### [spec:lexer] Write the lexer"));
    // What changed on the board is not taken back by the specification, which says what it said before.
    team.edit("backlog.md", "Write the lexer", "Write a lexer");
    team.sync();
    assert_eq!(team.sync(), SAME);
    assert_eq!(team.task("1")["title"], "Write a lexer");
    assert_eq!(team.read("specs/lexer.md"), specification);
    // Nor does the board take back what the specification says anew.
    team.edit("specs/lexer.md", "Lex it.", "Lex all of it.");
    team.sync();
    assert!(team.read("backlog.md").contains("Lex all of it."), "{}", team.read("backlog.md"));
    assert_eq!(team.sync(), SAME);
}

#[test]
fn what_is_done_again_is_completed_no_more() {
    let team = Team::new();
    team.ok(&["push-task", "Fix the login"]);
    team.ok(&["push-task", "Not this"]);
    team.ok(&["cancel-task", "1"]);
    team.ok(&["cancel-task", "2"]);
    team.sync();
    team.edit("completed.md", "# Completed\n", "# Completed\r\n\r\nEver since.\r\n");
    team.ok(&["retry-task", "1"]);
    team.sync();
    let completed = team.read("completed.md");
    assert!(
        completed.starts_with("# Completed\r\n\r\nEver since.\r\n\n### [task:task-2@us] Not this\n"),
        "{completed:?}"
    );
    assert!(!completed.contains("task-1"));
    assert!(team.read("backlog.md").contains("### [task:task-1@us] Fix the login"));
    assert_eq!(team.sync(), SAME);
}

#[test]
fn while_it_watches_files_follow_the_store_and_the_store_the_files() {
    let team = Team::new();
    team.ok(&["push-task", "Fix the login"]);
    let mut watching = team.0.program(&["sync", "tasks", "--watch"]);
    let mut watching = Running::start(watching.stdout(Stdio::piped()).stderr(Stdio::null()));
    let told = lines_of(watching.child.stdout.take().unwrap());
    let first: Value = serde_json::from_str(&told.recv().unwrap()).unwrap();
    assert_eq!(first["written"].as_array().unwrap().len(), 3);
    team.ok(&["update-task", "1", "--title", "Fix the page"]);
    eventually("the board follows the store", || team.read("backlog.md").contains("Fix the page").then_some(()));
    team.edit("backlog.md", "Fix the page", "Fix the whole page");
    eventually("the store follows the board", || (team.task("1")["title"] == "Fix the whole page").then_some(()));
    // A folder that was not there yet.
    team.write("specs/lexer.md", "# Task: Write the lexer\n");
    eventually("the specification is taken in", || (team.0.ok(&["list-tasks"])["total"] == 2).then_some(()));
    eventually("and stands on the board", || team.read("backlog.md").contains("spec:lexer").then_some(()));
    // Half a file is left alone, and mended taken in.
    team.edit("specs/lexer.md", "# Task", "# Tsk");
    let fault: Value = serde_json::from_str(&line_with(&told, "\"faults\":[{", PATIENCE)).unwrap();
    assert_eq!((&fault["faults"][0]["file"], &fault["faults"][0]["line"]), (&json!("tasks/specs/lexer.md"), &json!(1)));
    team.write("specs/lexer.md", "# Task: Write a lexer\n");
    eventually("what is mended is taken in", || (team.task("2")["title"] == "Write a lexer").then_some(()));
    watching.signal(Signal::INT);
    assert!(watching.ends().success());
}

#[test]
fn a_board_of_another_folder_means_no_task_of_this_one_and_a_folder_may_move() {
    let team = Team::new();
    team.write("backlog.md", "# Backlog\n\n### [task-050] Fix the login\n");
    team.write("specs/lexer.md", "# Task: Write the lexer\n");
    team.sync();
    team.write("../b/backlog.md", "# Backlog\n\n### [task-050] Drop the login\n");
    let told = team.0.run(&["sync", "b", "--format", "table"]).expect(2).err;
    assert!(
        told.starts_with("b/backlog.md:3: `task-050` is task-2 already, `Fix the login`, as a board in `"),
        "{told}"
    );
    assert_eq!(team.read("../b/backlog.md"), "# Backlog\n\n### [task-050] Drop the login\n");
    team.0.ok(&["import", "--new", "b/backlog.md"]);
    team.0.run(&["sync", "b"]).expect(0);
    let backlog = team.read("../b/backlog.md");
    assert!(
        backlog.contains("[task-050~2] Drop the login") && backlog.contains("[task-050] Fix the login"),
        "{backlog}"
    );
    assert_eq!(team.0.run(&["sync", "b", "--format", "table"]).expect(0).out, SAME);
    assert_eq!(team.task("2")["title"], "Fix the login");
    team.sync();
    fs::rename(team.0.path("work/tasks"), team.0.path("work/plans")).unwrap();
    team.write("../plans/specs/lexer.md", "# Task: Write the lexer\n\n- **Priority**: high\n");
    let told = team.0.run(&["sync", "plans", "--format", "table"]).expect(0).out;
    assert!(told.starts_with("specs: 0 added, 1 changed, 0 unchanged\n"), "{told}");
    assert_eq!(team.task("1")["priority"], "high");
}
