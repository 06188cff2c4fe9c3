//! What is exported, imported and exported again is the same, byte for byte, whatever the tasks say.

use crate::plan::read_as;
use crate::support::dice::Dice;
use orch_mcp::model::demand::Demand;
use orch_mcp::model::task::Link;
use orch_mcp::model::task::Priority;
use orch_mcp::model::time::Timestamp;
use orch_mcp::plan::Draft;
use orch_mcp::plan::Kind;
use orch_mcp::plan::Rules;
use orch_mcp::plan::Status;
use orch_mcp::plan::Written;
use orch_mcp::plan::difference::Known;
use orch_mcp::plan::difference::What;
use orch_mcp::plan::difference::difference;
use serde_json::json;

/// What formats are made of, and what gets between them.
const PIECES: &[&str] = &[
    "a",
    "Write",
    "the parser",
    " ",
    "  ",
    "#",
    "# Task: x",
    "## Description",
    "### [task-1] x",
    "#### Notes",
    "- [ ] b",
    "- [x] c",
    "- d",
    "1. e",
    "**Priority**: high",
    "- **Role**: x",
    "**bold**",
    "\\",
    "\\\\",
    "```",
    "~~~",
    "````",
    "`x`",
    "none",
    "-",
    "—",
    ",",
    "<!--",
    "-->",
    "<!-- list:x after=y -->",
    "\"",
    "'",
    "{",
    "]",
    "[",
    "é",
    "日本",
    "🙂",
    "%2C",
    "%",
    "=",
    "\u{202e}",
    "&lt;",
    "\t",
    "    ",
    "## Acceptance Criteria",
    "* f",
    "[ ] g",
    "+ h",
    "|",
    "$x",
    "depends on #1",
    ":",
];

fn text(dice: &mut Dice, lines: usize) -> String {
    let line = |dice: &mut Dice| -> String { (0..dice.below(5)).map(|_| *dice.pick(PIECES)).collect() };
    (0..dice.below(lines + 1)).map(|_| line(dice)).collect::<Vec<_>>().join("\n")
}

fn some_text(dice: &mut Dice) -> String {
    let text = text(dice, 1);
    if text.trim().is_empty() { "x".to_owned() } else { text.chars().take(60).collect() }
}

fn texts(dice: &mut Dice) -> Vec<String> {
    (0..dice.below(4)).map(|_| some_text(dice)).collect()
}

fn maybe<T>(dice: &mut Dice, value: impl FnOnce(&mut Dice) -> T) -> Option<T> {
    dice.chance(40).then(|| value(dice))
}

fn drafts(seed: u64) -> Vec<Draft> {
    let dice = &mut Dice::new(seed);
    let schemes = ["spec", "board", "list", "plan", "beads", "github", "task"];
    let names = ["a", "task-001", "o/r#7", "beads:x", "a--b", "x=y", "50%", "none", "ü"];
    let keys: Vec<String> =
        (0..1 + dice.below(8)).map(|n| format!("{}:{}-{n}", dice.pick(&schemes), dice.pick(&names))).collect();
    let mut drafts = Vec::new();
    for (at, key) in keys.iter().enumerate() {
        let earlier = |dice: &mut Dice| keys[dice.below(at)].clone();
        drafts.push(Draft {
            key: key.clone(),
            title: format!("{} {at}", some_text(dice)),
            description: text(dice, 8),
            notes: text(dice, 5),
            priority: maybe(dice, |dice| Priority::of_urgency(1 + dice.below(10) as u8).unwrap()),
            role: maybe(dice, |dice| (*dice.pick(&["tester", "none", "Release manager", "ü.1"])).to_owned()),
            assignee: maybe(dice, |dice| (*dice.pick(&["@amy", "i-0123456789"])).to_owned()),
            labels: (0..dice.below(4))
                .map(|_| {
                    let prefix = *dice.pick(&["", "", "component:", "type:", "section:"]);
                    format!("{prefix}{}", some_text(dice)).chars().take(40).collect()
                })
                .collect(),
            depends_on: if at > 0 { (0..dice.below(3)).map(|_| earlier(dice)).collect() } else { Vec::new() },
            parent: if at > 0 { maybe(dice, earlier) } else { None },
            acceptance: texts(dice),
            context_files: texts(dice),
            expected_outputs: texts(dice),
            evidence: (0..dice.below(2)).map(|_| Demand::Check("make test, or `x`".to_owned())).collect(),
            reserves: (0..dice.below(3))
                .map(|_| (*dice.pick(&["@staging-db", "src/**/*.{c,h}", "none", "a, b", "`x`", "\\"])).to_owned())
                .collect(),
            repo: maybe(dice, some_text),
            branch: maybe(dice, some_text),
            link: maybe(dice, |dice| *dice.pick(&Link::ALL)),
            chain_id: maybe(dice, some_text),
            not_before: maybe(dice, |dice| Timestamp::from_millis(dice.between(0, 1_900_000_000_000))),
            max_attempts: maybe(dice, |dice| dice.between(1, 100) as u32),
            lease_secs: maybe(dice, |dice| dice.between(1, 900) as u32),
            metadata: maybe(dice, |dice| {
                json!({ "k": [1, 2.5, some_text(dice)], "z": null }).as_object().unwrap().clone()
            }),
            status: *dice.pick(&Status::ALL),
            finished_at: maybe(dice, |dice| Timestamp::from_millis(dice.between(0, 1_900_000_000_000))),
            summary: text(dice, 1),
        });
    }
    drafts.into_iter().map(Draft::tidy).collect()
}

fn named(files: &[Written]) -> Vec<(&str, &str)> {
    files.iter().map(|file| (file.name.as_str(), file.text.as_str())).collect()
}

const SEEDS: u64 = 150;

/// What a kind does not tell, and what it tells less exactly.
fn as_told(kind: Kind, draft: &Draft) -> serde_json::Map<String, serde_json::Value> {
    let mut told = draft.told();
    let tells: Vec<&str> = kind.tells().collect();
    told.retain(|field, _| tells.contains(&field.as_str()));
    if matches!(kind, Kind::Specification | Kind::Board) {
        // A day is all that is said.
        told.shift_remove("finished_at");
    }
    if kind == Kind::Beads {
        // Of the metadata only its own part is kept there, and everybody goes by a name.
        told.shift_remove("metadata");
        if let Some(assignee) = told.get_mut("assignee") {
            *assignee = assignee.as_str().unwrap().trim_start_matches('@').into();
        }
    }
    told
}

#[test]
fn any_export_is_read_as_what_was_exported_and_written_as_the_same_bytes() {
    for kind in Kind::ALL.into_iter().filter(|kind| kind.is_written()) {
        for seed in 0..SEEDS {
            let drafts = drafts(seed);
            let files = orch_mcp::plan::write(kind, &drafts).unwrap();
            let plan = read_as(&named(&files), Some(kind))
                .unwrap_or_else(|faults| panic!("{kind:?} {seed}: {faults}\n{files:#?}"));
            let read: Vec<Draft> = plan.drafts().cloned().collect();
            let again = orch_mcp::plan::write(kind, &read).unwrap();
            for (first, second) in files.iter().zip(&again) {
                assert_eq!(first.text, second.text, "{kind:?} {seed}");
            }
            assert_eq!(files, again, "{kind:?} {seed}");
            for draft in &drafts {
                let other = read.iter().find(|other| other.key == draft.key);
                let other = other.unwrap_or_else(|| panic!("{kind:?} {seed}: no {} in {files:#?}", draft.key));
                assert_eq!(as_told(kind, other), as_told(kind, draft), "{kind:?} {seed}: {}\n{files:#?}", draft.key);
            }
        }
    }
}

#[test]
fn the_kind_of_an_export_is_found_out() {
    for kind in Kind::ALL.into_iter().filter(|kind| kind.is_written()) {
        let drafts = vec![Draft { key: "task:task-1".into(), title: "t".into(), ..Draft::default() }];
        let mut files = orch_mcp::plan::write(kind, &drafts).unwrap();
        files.retain(|file| file.text.contains("task-1"));
        let plan = read_as(&named(&files), None).unwrap_or_else(|faults| panic!("{kind:?}: {faults}\n{files:?}"));
        assert_eq!(plan.kind, kind, "{files:?}");
    }
}

#[test]
fn a_second_import_of_anything_changes_nothing() {
    for kind in Kind::ALL.into_iter().filter(|kind| kind.is_written()) {
        for seed in 0..40 {
            let files = orch_mcp::plan::write(kind, &drafts(seed)).unwrap();
            let plan = read_as(&named(&files), Some(kind)).unwrap();
            let first = difference(&plan, &[]);
            assert_eq!(first.count(What::Add), plan.entries.len());
            let known: Vec<Known> = first
                .steps
                .iter()
                .map(|step| Known {
                    key: step.key.clone(),
                    task: "task-1".into(),
                    imported: step.remember.clone().unwrap(),
                    now: step.draft.clone().unwrap(),
                    is_own: true,
                    standing: orch_mcp::model::task::Standing::Ready,
                    locked: Vec::new(),
                })
                .collect();
            // Nor does what was exported and comes back as it is.
            let exported: Vec<Known> = drafts(seed)
                .into_iter()
                .map(|draft| Known { key: draft.key.clone(), imported: draft.clone(), now: draft, ..known[0].clone() })
                .collect();
            let back = difference(&plan, &exported);
            assert_eq!(back.count(What::Unchanged), plan.entries.len(), "{kind:?} {seed}: {back}");
            let second = difference(&plan, &known);
            assert!(second.is_nothing(), "{kind:?} {seed}: {second}");
            assert_eq!(second.count(What::Unchanged), plan.entries.len());
            assert!(second.steps.iter().all(|step| step.remember.is_none()), "{kind:?} {seed}");
        }
    }
}

#[test]
fn what_is_not_over_may_not_have_one_title_twice_where_that_can_be_mended() {
    let draft = |key: &str| Draft { key: key.into(), title: "Same".into(), ..Draft::default() };
    let files = orch_mcp::plan::write(Kind::Json, &[draft("plan:a"), draft("plan:b")]).unwrap();
    assert!(read_as(&named(&files), None).is_err());
    let files = orch_mcp::plan::write(Kind::Beads, &[draft("beads:a"), draft("beads:b")]).unwrap();
    assert!(read_as(&named(&files), None).is_ok());
    let lenient = Rules { same_titles: true, ..Rules::default() };
    let text = "{\"key\":\"a\",\"title\":\"Same\"}\n{\"key\":\"b\",\"title\":\"same\"}\n";
    let file = orch_mcp::plan::File { name: "t.jsonl", bytes: text.as_bytes() };
    assert!(orch_mcp::plan::read(&[file], None, &lenient).is_ok());
}
