//! Each format as people and programs write it.

use crate::plan::draft;
use crate::plan::faults;
use crate::plan::keys;
use crate::plan::plan;
use crate::plan::read_as;
use orch_mcp::model::task::Priority;
use orch_mcp::plan::Draft;
use orch_mcp::plan::File;
use orch_mcp::plan::Kind;
use orch_mcp::plan::Rules;
use orch_mcp::plan::Status;
use orch_mcp::plan::board;
use orch_mcp::plan::board::Column;

const PARSER: &str = "\
# Task: Write the parser

**Component**: alpha
**Priority**: high
**Depends On**: task-001, task-002
**Role:** builder

## Description

Reads what `lexer` gives.

```
# no heading
```

## Approach

Recursive descent.

## Acceptance Criteria

- [ ] All of `examples/` is read
- [x] An error names
  its line
* no panic

## Implementation Notes

Keep it small.
";

#[test]
fn planner_specifications_are_read_from_a_folder() {
    let plan = plan(&[
        ("outputs/tasks/task-003-parser.md", PARSER),
        ("outputs/tasks/task-001.md", "# Task: Lex\n\n**Depends On**: None\n\n## Description\n\nx\n"),
        ("outputs/tasks/task-002.md", "# task: Types\r\n\r\n- **Depends On**: `task-001`\r\n"),
    ]);
    assert_eq!(plan.kind, Kind::Specification);
    assert_eq!(keys(&plan), ["spec:task-003-parser", "spec:task-001", "spec:task-002"]);
    let parser = draft(&plan, "spec:task-003-parser");
    assert_eq!(parser.title, "Write the parser");
    assert_eq!(parser.priority, Some(Priority::HIGH));
    assert_eq!(parser.role.as_deref(), Some("builder"));
    assert_eq!(parser.labels, ["component:alpha"]);
    assert_eq!(parser.depends_on, ["spec:task-001", "spec:task-002"]);
    assert_eq!(parser.acceptance, ["All of `examples/` is read", "An error names its line", "no panic"]);
    assert_eq!(parser.notes, "Keep it small.");
    // What stands in a section of its own is not lost.
    assert_eq!(
        parser.description,
        "Reads what `lexer` gives.\n\n```\n# no heading\n```\n\n## Approach\n\nRecursive descent."
    );
    assert!(draft(&plan, "spec:task-001").depends_on.is_empty());
    assert_eq!(draft(&plan, "spec:task-002").depends_on, ["spec:task-001"]);
}

#[test]
fn a_specification_is_written_as_the_planner_writes_it() {
    let plan = plan(&[("t/parser.md", &PARSER.replace("task-001, task-002", "None"))]);
    let drafts: Vec<_> = plan.drafts().cloned().collect();
    let wanted = "\
# Task: Write the parser

- **Id**: parser
- **Component**: alpha
- **Priority**: high
- **Role**: builder

## Description

Reads what `lexer` gives.

```
# no heading
```

## Approach

Recursive descent.

## Acceptance Criteria

- [ ] All of `examples/` is read
- [ ] An error names its line
- [ ] no panic

## Implementation Notes

Keep it small.
";
    assert_eq!(orch_mcp::plan::write(Kind::Specification, &drafts).unwrap()[0].text, wanted);
    assert_eq!(orch_mcp::plan::specification::write_one(&drafts), wanted);
}

#[test]
fn several_tasks_of_one_file_go_by_their_titles() {
    let plan = plan(&[("plan.md", "# Task: One thing\n\n# Task: Another\n**Depends On**: one-thing\n")]);
    assert_eq!(keys(&plan), ["spec:one-thing", "spec:another"]);
    assert_eq!(draft(&plan, "spec:another").depends_on, ["spec:one-thing"]);
}

#[test]
fn all_faults_of_a_specification_are_told_with_their_lines() {
    let text = "\
Intro.
# Task: A
**Prioritty**: high
**Priority**: urgent
**Role**: x
**Role**: y

## Acceptance Criteria

prose

## Acceptance Criteria
# Other
";
    assert_eq!(
        faults(&[("a.md", text)]),
        "\
a.md line 1: `Intro.` belongs to no task (wanted `# Task: TITLE` before it)
a.md line 3: no field is called `Prioritty` (did you mean `**Priority**`? If it is text, put a `\\` before the line)
a.md line 4: `**Priority**` is `urgent` (wanted `critical`, `high`, `medium`, `low`, or 1 to 10 with 10 the most urgent)
a.md line 6: `**Role**` stands here for the second time (keep one of them)
a.md line 10: `prose` is no item of `Acceptance Criteria` (wanted `- [ ] …` or `- …`)
a.md line 12: the section `Acceptance Criteria` stands here for the second time (put the two together)
a.md line 13: `# Other` belongs to no task (wanted `# Task: TITLE` before it)
"
    );
}

#[test]
fn a_fault_calls_things_by_the_words_of_the_file() {
    assert_eq!(
        faults(&[("parser.md", "# Task: Parse\n- **Depends On**: lexer\n- **Role**: a b\n")]).lines().next().unwrap(),
        "parser.md line 2: `Depends On` names `lexer`, which nothing is called (name a task of this plan, or take it out)"
    );
}

#[test]
fn what_is_nearly_an_item_of_a_check_list_is_a_fault_and_no_silence() {
    let list = "- [ ] one\n- [z] four\n- [ ]five\n-[ ] six\n  - [done](x.md) [1] is text\n  - [x](y.md) too\n  \\- [~] and this\n";
    let told = faults(&[("todo.md", list)]);
    let lines: Vec<&str> = told.lines().map(|line| line.split(" (wanted").next().unwrap()).collect();
    let nearly = |line: usize, text: &str| format!("todo.md line {line}: `{text}` is nearly an item of a check list");
    assert_eq!(lines, [nearly(2, "- [z] four"), nearly(3, "- [ ]five"), nearly(4, "-[ ] six")]);
    let mended = plan(&[("todo.md", "- [ ] one\n  \\- [~] and this\n")]);
    let drafts: Vec<Draft> = mended.drafts().cloned().collect();
    assert_eq!(drafts[0].description, "- [~] and this");
    let text = &orch_mcp::plan::write(Kind::Checklist, &drafts).unwrap()[0].text;
    assert_eq!(plan(&[("todo.md", text)]).drafts().next().unwrap().description, "- [~] and this");
}

#[test]
fn what_a_kind_has_no_place_for_is_counted() {
    let draft = |key: &str, acceptance: &[&str]| Draft {
        key: key.to_owned(),
        title: key.to_owned(),
        description: "d".to_owned(),
        acceptance: acceptance.iter().map(|one| (*one).to_owned()).collect(),
        ..Draft::default()
    };
    let drafts = [draft("list:a", &["holds"]), draft("list:b", &["holds"]), draft("list:c", &[])];
    let left_out = |kind: Kind| {
        let files = orch_mcp::plan::write(kind, &drafts).unwrap();
        orch_mcp::plan::left_out(&drafts, &orch_mcp::plan::read_back(kind, &files).unwrap())
    };
    assert_eq!(left_out(Kind::Checklist).into_iter().collect::<Vec<_>>(), [("acceptance".to_owned(), 2)]);
    assert!(left_out(Kind::Json).is_empty() && left_out(Kind::Specification).is_empty());
}

const BACKLOG: &str = "\
# Backlog

What comes next.

### [task-007] Fix the clock

**repo**: core
**type**: bug-fix
**priority**: high
**assigned**: @amy
**branch**: fix/clock
**description**: It runs
backwards.

## Later

### [task-008] Document it
- **Repo:** docs
- **Depends On:** task-007
";

const COMPLETED: &str = "\
# Completed

### [task-001] Begin

**repo**: core
**completed**: 2026-11-20
**summary**: It has begun.
";

#[test]
fn a_board_is_read_from_its_three_files() {
    let plan = plan(&[
        ("tasks/backlog.md", BACKLOG),
        ("tasks/active.md", "# Active\n\n### [task-006] Now\n"),
        ("tasks/completed.md", COMPLETED),
    ]);
    assert_eq!(plan.kind, Kind::Board);
    assert_eq!(keys(&plan), ["board:task-007", "board:task-008", "board:task-006", "board:task-001"]);
    let clock = draft(&plan, "board:task-007");
    assert_eq!(clock.description, "It runs\nbackwards.");
    assert_eq!(clock.labels, ["type:bug-fix"]);
    assert_eq!((clock.repo.as_deref(), clock.branch.as_deref()), (Some("core"), Some("fix/clock")));
    assert_eq!((clock.assignee.as_deref(), clock.status), (Some("@amy"), Status::Open));
    assert_eq!(draft(&plan, "board:task-008").depends_on, ["board:task-007"]);
    assert_eq!(draft(&plan, "board:task-006").status, Status::InProgress);
    let begin = draft(&plan, "board:task-001");
    assert_eq!((begin.status, begin.summary.as_str()), (Status::Completed, "It has begun."));
    assert_eq!(begin.finished_at.unwrap().date(), "2026-11-20");
}

#[test]
fn a_board_is_rewritten_below_what_people_wrote_before_its_entries() {
    let drafts: Vec<_> = plan(&[("backlog.md", BACKLOG)]).drafts().cloned().collect();
    let file = File { name: "backlog.md", bytes: BACKLOG.as_bytes() };
    let text = board::rewrite(Column::Backlog, file, &drafts).unwrap();
    assert_eq!(
        text,
        "\
# Backlog

What comes next.

### [task-007] Fix the clock

- **Repo**: core
- **Type**: bug-fix
- **Priority**: high
- **Assigned**: @amy
- **Branch**: fix/clock

It runs
backwards.

## Later

### [task-008] Document it

- **Repo**: docs
- **Depends On**: task-007
"
    );
    let again = File { name: "backlog.md", bytes: text.as_bytes() };
    assert_eq!(board::rewrite(Column::Backlog, again, &drafts).unwrap(), text);
    let broken = File { name: "backlog.md", bytes: b"### [a] x\n**Prio**: y\n" };
    assert!(board::rewrite(Column::Backlog, broken, &drafts).is_err(), "nothing is written over what cannot be read");
}

#[test]
fn what_completed_says_is_never_changed_only_added_to() {
    let mut drafts: Vec<_> = plan(&[("completed.md", COMPLETED)]).drafts().cloned().collect();
    drafts[0].title = "Another title".to_owned();
    let mut new = drafts[0].clone();
    new.key = "board:task-002".to_owned();
    drafts.push(new);
    let file = |text: &'static str| File { name: "completed.md", bytes: text.as_bytes() };
    let text = board::append(file(COMPLETED.trim_end()), &drafts).unwrap();
    let added = text.strip_prefix(COMPLETED.trim_end()).unwrap();
    assert_eq!(
        added,
        "\n\n### [task-002] Another title\n\n- **Repo**: core\n- **Completed**: 2026-11-20\n- **Summary**: It has begun.\n"
    );
    assert_eq!(board::append(File { name: "completed.md", bytes: text.as_bytes() }, &drafts).unwrap(), text);
    assert!(board::append(file(""), &drafts).unwrap().starts_with("# Completed\n\n### [task-001]"));
}

#[test]
fn a_check_list_has_parts_and_sections() {
    let text = "\
# Release

Read this first.

- [ ] Freeze
- [x] Announce

## Backend

- [ ] Store
  Two of them.

  ```
  - [ ] not this
  ```
  - [x] Embedded
  - [ ] Other
      * [ ] Deep
### API
1. [ ] Routes <!-- list:routes after=release/freeze priority=high role=tester state=in_progress -->
";
    let plan = plan(&[("notes/release.md", text)]);
    assert_eq!(plan.kind, Kind::Checklist);
    assert_eq!(
        keys(&plan),
        [
            "list:release/freeze",
            "list:release/announce",
            "list:release/store",
            "list:release/store/embedded",
            "list:release/store/other",
            "list:release/store/other/deep",
            "list:routes"
        ]
    );
    assert_eq!(draft(&plan, "list:release/announce").status, Status::Completed);
    let store = draft(&plan, "list:release/store");
    assert_eq!(store.description, "Two of them.\n\n```\n- [ ] not this\n```");
    assert_eq!(store.labels, ["section:Backend"]);
    assert_eq!(draft(&plan, "list:release/store/other/deep").parent.as_deref(), Some("list:release/store/other"));
    let routes = draft(&plan, "list:routes");
    assert_eq!((routes.title.as_str(), routes.labels[0].as_str()), ("Routes", "section:Backend / API"));
    assert_eq!((routes.priority, routes.status), (Some(Priority::HIGH), Status::InProgress));
    assert_eq!(routes.depends_on, ["list:release/freeze"]);
    let drafts: Vec<_> = plan.drafts().cloned().collect();
    assert_eq!(
        orch_mcp::plan::write(Kind::Checklist, &drafts).unwrap()[0].text,
        "\
# Tasks

- [ ] Freeze <!-- release/freeze -->
- [x] Announce <!-- release/announce -->

## Backend

- [ ] Store <!-- release/store -->
  Two of them.

  ```
  - [ ] not this
  ```
  - [x] Embedded <!-- release/store/embedded -->
  - [ ] Other <!-- release/store/other -->
    - [ ] Deep <!-- release/store/other/deep -->

## Backend / API

- [ ] Routes <!-- routes after=release/freeze state=in_progress priority=high role=tester -->
"
    );
}

#[test]
fn our_own_json_has_every_field_and_refuses_what_it_does_not_know() {
    let text = r#"{"tasks": [
  {"key": "a", "title": "A", "priority": 9, "evidence": ["commit", "check: make"], "metadata": {"x": [1, null]}},
  {"ref": "b", "title": "B", "depends_on": ["a"], "link": "build", "max_attempts": 2, "not_before": "2026-12-24T18:00:00Z"}
]}"#;
    let plan = plan(&[("plan.json", text)]);
    assert_eq!((plan.kind, keys(&plan)), (Kind::Json, vec!["plan:a", "plan:b"]));
    assert_eq!(draft(&plan, "plan:a").priority, Priority::of_urgency(9));
    let drafts: Vec<_> = plan.drafts().cloned().collect();
    assert_eq!(
        orch_mcp::plan::write(Kind::Jsonl, &drafts).unwrap()[0].text,
        "{\"key\":\"a\",\"title\":\"A\",\"priority\":\"9\",\"evidence\":[\"commit\",\"check: make\"],\"metadata\":{\"x\":[1,null]}}\n\
         {\"key\":\"b\",\"title\":\"B\",\"depends_on\":[\"a\"],\"link\":\"build\",\"not_before\":\"2026-12-24T18:00:00.000Z\",\"max_attempts\":2}\n"
    );
    let wrong = r#"[
  {"key": "a", "title": "A", "depend_on": ["b"]},
  {"title": "no key"},
  {"key": "c", "title": 3, "depends_on": "a", "priority": 11},
  {"key": "d", "title": "", "evidence": ["proof"]},
  7
]"#;
    assert_eq!(
        faults(&[("plan.json", wrong)]),
        "\
plan.json line 2: a task has no field `depend_on` (did you mean `depends_on`?)
plan.json line 3: a task without `key` (give it a name that stays: it is known again by it)
plan.json line 4: `title` is 3 (wanted a text)
plan.json line 4: `priority` is 11 (wanted `critical`, `high`, `medium`, `low`, or 1 to 10 with 10 the most urgent)
plan.json line 4: `depends_on` is the text `a` (wanted a list of texts)
plan.json line 5: no evidence is called `proof` (wanted `commit`, `tests`, `files`, `review` or `check: COMMAND`)
plan.json line 6: a task is 7, wanted an object
"
    );
}

const BEADS: &str = r#"{"id":"bd-1","title":"Epic","status":"open","priority":1,"issue_type":"epic","created_at":"2026-01-01T00:00:00Z","updated_at":"2026-01-02T00:00:00Z"}
{"id":"bd-2","title":"Login","description":"OAuth","design":"Use PKCE","acceptance_criteria":"- [ ] works\n* is fast","notes":"n","status":"in_progress","priority":0,"issue_type":"task","assignee":"amy","labels":["web"],"dependencies":[{"issue_id":"bd-2","depends_on_id":"bd-1","type":"parent-child","created_at":"2026-01-01T00:00:00Z"},{"issue_id":"bd-2","depends_on_id":"bd-3","type":"blocks"},{"issue_id":"bd-2","depends_on_id":"bd-9","type":"discovered-from"}],"created_at":"2026-01-01T00:00:00.123456789+02:00"}
{"id":"bd-3","title":"Keys","status":"closed","priority":4,"issue_type":"bug","closed_at":"2026-02-01T00:00:00Z","close_reason":"done","created_at":"2026-01-01T00:00:00Z"}
{"id":"bd-4","title":"Gone","status":"tombstone","priority":4,"issue_type":"bug","created_at":"2026-01-01T00:00:00Z"}
"#;

#[test]
fn issues_of_beads_keep_their_dependencies_by_type() {
    let plan = plan(&[(".beads/issues.jsonl", BEADS)]);
    assert_eq!((plan.kind, keys(&plan)), (Kind::Beads, vec!["beads:bd-1", "beads:bd-2", "beads:bd-3"]));
    let login = draft(&plan, "beads:bd-2");
    assert_eq!((login.parent.as_deref(), &login.depends_on[..]), (Some("beads:bd-1"), &["beads:bd-3".to_owned()][..]));
    assert_eq!(login.acceptance, ["works", "is fast"]);
    assert_eq!(login.description, "OAuth\n\n## Design\n\nUse PKCE");
    assert_eq!((login.priority, login.assignee.as_deref()), (Some(Priority::CRITICAL), Some("@amy")));
    let keys = draft(&plan, "beads:bd-3");
    assert_eq!(
        (keys.status, keys.summary.as_str(), &keys.labels[..]),
        (Status::Completed, "done", &["type:bug".to_owned()][..])
    );
    let drafts: Vec<_> = plan.drafts().cloned().collect();
    let text = &orch_mcp::plan::write(Kind::Beads, &drafts).unwrap()[0].text;
    let line = text.lines().nth(1).unwrap();
    assert_eq!(
        line,
        r#"{"id":"bd-2","title":"Login","description":"OAuth\n\n## Design\n\nUse PKCE","acceptance_criteria":"- [ ] works\n- [ ] is fast","notes":"n","status":"in_progress","priority":0,"issue_type":"task","assignee":"amy","created_at":"2026-01-01T00:00:00.123456789+02:00","labels":["web"],"dependencies":[{"issue_id":"bd-2","depends_on_id":"bd-3","type":"blocks"},{"issue_id":"bd-2","depends_on_id":"bd-1","type":"parent-child"},{"issue_id":"bd-2","depends_on_id":"bd-9","type":"discovered-from"}]}"#
    );
}

#[test]
fn what_trackers_leave_behind_or_run_in_circles_does_not_stop_an_import() {
    let issue = |id: &str, on: &[&str]| {
        let on: Vec<String> = on.iter().map(|on| format!(r#"{{"depends_on_id":"{on}","type":"blocks"}}"#)).collect();
        format!(
            r#"{{"id":"{id}","title":"{id}","status":"open","issue_type":"task","dependencies":[{}]}}"#,
            on.join(",")
        )
    };
    let text = format!(
        "{}\n{}\n{}\n{}\n",
        r#"{"_type":"memory","key":"x","value":"y"}"#,
        issue("b-1", &["b-1", "b-9"]),
        issue("b-2", &["b-3"]),
        issue("b-3", &["b-2", "b-1"])
    );
    let plan = plan(&[("export.jsonl", &text)]);
    assert_eq!((plan.kind, keys(&plan)), (Kind::Beads, vec!["beads:b-1", "beads:b-2", "beads:b-3"]));
    let remarks: Vec<String> = plan.remarks.iter().map(ToString::to_string).collect();
    assert_eq!(
        remarks,
        [
            "export.jsonl line 2: `beads:b-1` names `beads:b-9`, which is not among them, and does without",
            "export.jsonl line 4: `beads:b-3` waits for `beads:b-2`, which waits for it: it does without",
        ]
    );
    assert_eq!(draft(&plan, "beads:b-3").depends_on, ["beads:b-1"]);
}

#[test]
fn task_lists_of_claude_code_are_read_in_both_their_forms() {
    let list = plan(&[
        (
            "/h/.claude/tasks/my-list/1.json",
            r#"{"id":"1","subject":"Parse","description":"d","activeForm":"Parsing","status":"in_progress","owner":"bob","blocks":["2","9"],"blockedBy":[]}"#,
        ),
        (
            "/h/.claude/tasks/my-list/2.json",
            r#"{"id":"2","subject":"Print","description":"","status":"pending","blocks":[],"blockedBy":["7"],"new_field":{"x":1}}"#,
        ),
    ]);
    assert_eq!((list.kind, keys(&list)), (Kind::ClaudeTasks, vec!["todo:my-list/1", "todo:my-list/2"]));
    assert_eq!(draft(&list, "todo:my-list/2").depends_on, ["todo:my-list/1"]);
    assert_eq!(draft(&list, "todo:my-list/1").status, Status::InProgress);
    assert_eq!(list.remarks.len(), 2, "what points at tasks that were deleted is told: {:?}", list.remarks);

    let todos = plan(&[(
        "/h/.claude/todos/abc-agent-abc.json",
        r#"[{"content":"Run tests","status":"completed","activeForm":"Running tests"},{"content":"Fix","status":"pending","priority":"high","id":"2"}]"#,
    )]);
    assert_eq!(keys(&todos), ["todo:abc-agent-abc/run-tests", "todo:abc-agent-abc/2"]);
    assert_eq!(draft(&todos, "todo:abc-agent-abc/2").priority, Some(Priority::HIGH));
    assert!(orch_mcp::plan::write(Kind::ClaudeTasks, &[]).is_none());
}

#[test]
fn issues_of_github_wait_for_what_their_bodies_say() {
    let body = "Depends on #2, #3 and other/repo#4.\\r\\n\\r\\n- [ ] #5\\r\\n- [x] https://github.com/o/r/issues/6\\r\\n- [ ] no issue\\r\\n\\r\\n```\\r\\ndepends on #7\\r\\n```\\r\\nIt was **blocked by:** #8";
    let issue = |number: u32, more: &str| {
        format!(r#"{{"number":{number},"title":"T{number}","url":"https://github.com/o/r/issues/{number}"{more}}}"#)
    };
    let labels = r#","state":"OPEN","labels":[{"id":"x","name":"priority: high"},{"name":"role:tester"}],"assignees":[{"login":"octo"}],"milestone":{"title":"v1"}"#;
    let mut all = vec![issue(1, &format!(r#","body":"{body}"{labels}"#))];
    all.extend([2, 3, 5, 6, 7].map(|number| issue(number, r#","body":"","state":"OPEN","labels":[]"#)));
    all.push(issue(
        9,
        r#","body":null,"state":"CLOSED","stateReason":"NOT_PLANNED","closedAt":"2026-01-01T00:00:00Z""#,
    ));
    let plan = plan(&[("issues.json", &format!("[{}]", all.join(",\n")))]);
    assert_eq!(plan.kind, Kind::Issues);
    let first = draft(&plan, "github:o/r#1");
    assert_eq!(first.depends_on, ["github:o/r#2", "github:o/r#3", "github:o/r#5", "github:o/r#6"]);
    assert_eq!((first.priority, first.role.as_deref()), (Some(Priority::HIGH), Some("tester")));
    assert_eq!(first.labels, ["assigned:octo", "milestone:v1", "priority: high", "role:tester"]);
    assert_eq!(first.assignee, None);
    assert!(!first.description.contains('\r'));
    assert_eq!(draft(&plan, "github:o/r#9").status, Status::Cancelled);
    let remarks: Vec<String> = plan.remarks.iter().map(ToString::to_string).collect();
    assert_eq!(
        remarks,
        [
            "issues.json line 1: `github:o/r#1` names `github:o/r#8`, which is not among them, and does without",
            "issues.json line 1: `github:o/r#1` names `github:other/repo#4`, which is not among them, and does without",
        ]
    );
}

#[test]
fn issues_of_forgejo_are_read_from_its_interface_and_from_tea() {
    let api = r#"[{"id":90,"number":1,"title":"A","body":"blocked by #2","state":"open","labels":[{"name":"P0"}],"html_url":"https://code.example.org/o/r/issues/1","url":"https://code.example.org/api/v1/repos/o/r/issues/1","pull_request":null,"repository":{"full_name":"o/r"}},
{"number":2,"title":"B","body":"","state":"closed","closed_at":"2026-01-01T00:00:00Z","html_url":"https://code.example.org/o/r/issues/2"},
{"number":3,"title":"a pull request","state":"open","html_url":"https://code.example.org/o/r/pulls/3","pull_request":{"merged":false}}]"#;
    let plan_api = plan(&[("forge.json", api)]);
    assert_eq!(keys(&plan_api), ["forge:code.example.org/o/r#1", "forge:code.example.org/o/r#2"]);
    let first = draft(&plan_api, "forge:code.example.org/o/r#1");
    assert_eq!(
        (first.priority, &first.depends_on[..]),
        (Some(Priority::CRITICAL), &["forge:code.example.org/o/r#2".to_owned()][..])
    );
    let tea = r#"[{"index":"1","title":"A","state":"open","labels":"bug ui","assignees":"amy","body":"","owner":"o","repo":"r"}]"#;
    let tea = plan(&[("tea.json", tea)]);
    assert_eq!(keys(&tea), ["forge:forge/o/r#1"]);
    assert_eq!(draft(&tea, "forge:forge/o/r#1").labels, ["assigned:amy", "bug", "ui"]);
    let told = faults(&[("gh.json", r#"[{"number":1,"title":"A"}]"#)]);
    assert!(
        told.contains("gh.json line 1: nothing says which repository") && told.contains("--json number,"),
        "{told}"
    );
}

#[test]
fn a_file_that_could_be_two_things_says_how_to_say_which() {
    let both = "# Task: A\n\n### [task-1] B\n";
    assert_eq!(
        faults(&[("x.md", both)]),
        "x.md line 1: the file could be `specification` or `board` (say its `kind`: `specification` or `board`)\n"
    );
    assert_eq!(read_as(&[("x.md", both)], Some(Kind::Specification)).unwrap().kind, Kind::Specification);
    assert!(
        faults(&[("x.md", "Hello.\n")]).contains("no plan of a kind that is known (say its `kind`: `specification`,")
    );
    assert!(faults(&[("x.json", "{\"a\": 1}")]).contains("no plan of a kind that is known"));
    assert_eq!(
        faults(&[("a.md", "# Task: A\n"), ("b.md", "- [ ] B\n")]),
        "b.md line 1: the file is `checklist`, and `a.md` is `specification` (import one kind at a time)\n"
    );
    assert_eq!(plan(&[("tasks/backlog.md", "# Backlog\n\nNothing.\n")]).kind, Kind::Board);
    assert_eq!(plan(&[("todo.md", "- [ ] A\n")]).kind, Kind::Checklist);
    assert!(faults(&[("backlog.md", "- [ ] A\n")]).contains("the file could be `board` or `checklist`"));
    assert!("boards".parse::<Kind>().unwrap_err().contains("`board`"));
}

#[test]
fn what_makes_no_sense_as_a_whole_is_told_all_at_once() {
    let text = r#"[
{"key": "a", "title": "A", "depends_on": ["b"], "role": "tester"},
{"key": "b", "title": "B", "depends_on": ["c"], "acceptance": ["x"]},
{"key": "c", "title": "a", "depends_on": ["a", "bb"], "acceptance": ["x"], "role": "bulider"},
{"key": "a", "title": "D", "acceptance": ["x"], "status": "completed"},
{"key": "e", "title": "E", "parent": "e", "acceptance": ["x"]}
]"#;
    let rules = Rules { roles: Some(vec!["builder".into(), "Tester".into()]), acceptance: true, ..Rules::default() };
    let file = File { name: "p.json", bytes: text.as_bytes() };
    let told = orch_mcp::plan::read(&[file], None, &rules).unwrap_err();
    assert_eq!(
        told.to_string(),
        "\
p.json line 2: `A` does not say when it is done (give it acceptance criteria that can be checked)
p.json line 2: these tasks wait for each other: a -> b -> c -> a (take one of these dependencies out)
p.json line 4: there is no role `bulider` (did you mean `builder`? There are `builder`, `Tester`)
p.json line 4: `a` is the title of two tasks, the first is line 2 (say in each title what the other does not do)
p.json line 4: `depends_on` names `bb`, which nothing is called (did you mean `b`?)
p.json line 5: `a` stands here for the second time, the first is line 2 (give each task a key of its own)
p.json line 6: these tasks are parts of each other: e -> e (let one of them have no parent)
"
    );
    let known = Rules { known: ["task:task-7".to_owned()].into(), ..Rules::default() };
    let text = r#"[{"key": "a", "title": "A", "depends_on": ["task:task-7"]}]"#;
    assert!(orch_mcp::plan::read(&[File { name: "p.json", bytes: text.as_bytes() }], None, &known).is_ok());
}

/// As an export writes it that has such a text.
#[test]
fn what_stands_in_a_section_makes_no_board_of_a_specification() {
    let text = "# Task: A\n\n## Description\n\n### [task-001] x\n";
    let plan = plan(&[("a.md", text)]);
    assert_eq!((plan.kind, plan.entries.len()), (Kind::Specification, 1));
    assert_eq!(plan.entries[0].draft.description, "### [task-001] x");
    let board = "# Backlog\n\n### [task-001] x\n\n# Task: A\n\n## B\n";
    assert!(faults(&[("a.md", board)]).contains("could be `specification` or `board`"));
}

#[test]
fn the_day_goes_where_a_board_has_it() {
    use orch_mcp::plan::board::append;
    let at: Option<orch_mcp::model::time::Timestamp> = "2026-02-03T04:05:06Z".parse().ok();
    let draft = Draft {
        key: "board:a".into(),
        title: "A".into(),
        status: Status::Completed,
        finished_at: at,
        ..Default::default()
    };
    for (before, after) in [
        ("### [a] A", "### [a] A\n\n- **Completed**: 2026-02-03\n"),
        ("### [a] A\r\n\r\ntext\r\n", "### [a] A\r\n\r\n- **Completed**: 2026-02-03\r\n\r\ntext\r\n"),
        (
            "### [a] A\n- **Role**: r\n- **Summary**: s\n",
            "### [a] A\n- **Role**: r\n- **Completed**: 2026-02-03\n- **Summary**: s\n",
        ),
        ("### [a] A\n- **Completed**: 2025-01-01\n", "### [a] A\n- **Completed**: 2025-01-01\n"),
    ] {
        let file = |text| File { name: "completed.md", bytes: str::as_bytes(text) };
        let text = append(file(before), std::slice::from_ref(&draft)).unwrap();
        assert_eq!(text, after);
        assert_eq!(append(file(&text), std::slice::from_ref(&draft)).unwrap(), text);
    }
}
