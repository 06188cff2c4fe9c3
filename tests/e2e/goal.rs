//! From a goal to its result, as README has a newcomer type it, with workers of the real client.

use crate::e2e::script::completes;
use crate::e2e::script::rules;
use crate::e2e::script::runs;
use crate::e2e::script::says;
use crate::e2e::script::uses;
use crate::e2e::stage::Stage;
use crate::e2e::stage::readme;
use serde_json::json;

const ITS_TASK: &str = "${find:(task-\\d+)}";

/// What is to be typed there, without its comments.
fn commands() -> Vec<String> {
    let readme = readme();
    let section = readme.split("## From goal to result in five minutes").nth(1).expect("the section");
    let block = section.split("```sh\n").nth(1).unwrap().split("\n```").next().unwrap();
    block.lines().map(|line| line.split(" #").next().unwrap().trim_end().to_owned()).collect()
}

#[test]
#[ignore = "drives the real Claude Code: just e2e"]
fn it_goes_as_readme_says() {
    let plan = json!({ "tasks": [
        { "key": "rows", "title": "Rows become CSV", "acceptance": ["rows.txt is there"] },
        { "key": "route", "title": "A route gives them", "acceptance": ["route.txt is there"], "depends_on": ["rows"] },
    ] });
    let over = || (r"complete_task\]", says("done"));
    let told =
        uses("complete_task", json!({ "task_id": ITS_TASK, "result": "nothing worries me", "result_json": plan }));
    let plans = rules("a planner. You turn a goal", [over(), ("", told)]);
    let works = |title: &'static str, file: &str| {
        let commit = runs(&format!("echo done > {file} && git add {file} && git commit --quiet -m '{title}'"));
        rules(title, [over(), (r"Bash\]", completes(ITS_TASK, &format!("{file} is there"))), ("", commit)])
    };
    // Whoever gives them is told of the rows, too.
    let Some(stage) =
        Stage::set([plans, works("A route gives them", "route.txt"), works("Rows become CSV", "rows.txt")])
    else {
        return;
    };
    stage.shell("git commit --quiet --allow-empty -m first");
    let mut printed = Vec::new();
    for command in commands() {
        // Whoever waits for a question is told by the exit code that the job is not done.
        let typed = if command.contains("--until question") { format!("{command} || test $? = 1") } else { command };
        let out = stage.shell(&typed);
        printed.push((typed, out));
    }
    let said = |command: &str| {
        printed.iter().find(|(typed, _)| typed.contains(command)).map_or_else(|| panic!("{command}"), |(_, out)| out)
    };
    assert!(said("orch-mcp questions").contains("A route gives them"), "{printed:#?}");
    assert!(said("orch-mcp graph").contains("Rows become CSV"), "{printed:#?}");
    assert!(said("orch-mcp synthesize-job").contains("> rows.txt is there"), "{printed:#?}");
    assert_eq!(stage.shell("cat rows.txt route.txt"), "done\ndone\n");
    stage.until_empty();
}
