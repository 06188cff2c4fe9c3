//! Plans in our own JSON and JSONL: every field that a task can be pushed with, and a key.
//!
//! `{"tasks": [{"key": "a", "title": "…"}, …]}`, or the list alone, or one object a line. The names of the fields are
//! those of `Draft::FIELDS`, which are those of `push_tasks` with `key` (or `ref`) and `notes` besides, and with how far
//! the task has got: `status`, `finished_at`, `summary`. `depends_on` and `parent` name keys of the same plan. What is
//! not known, not of its type or there twice is a fault. Written are the fields that say something, in one order.

use crate::model::demand;
use crate::model::json::Shape;
use crate::model::safe;
use crate::model::task::LEASE_SECS_MAX;
use crate::model::task::Link;
use crate::model::time::Timestamp;
use crate::plan::Draft;
use crate::plan::ENTRIES_MAX;
use crate::plan::Entry;
use crate::plan::Found;
use crate::plan::Status;
use crate::plan::draft;
use crate::plan::fault::either;
use crate::plan::key;
use crate::plan::object::Object;
use crate::plan::object::Source;
use crate::plan::page::Page;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;

pub const SCHEME: &str = "plan";
/// What a list of them is called in an object.
pub const TASKS: &str = "tasks";

pub(super) fn read(page: &Page, found: &mut Found) {
    let source = Source::whole(page);
    let root = match source.parse() {
        Ok(root) => root,
        Err(fault) => return found.faults.push(fault),
    };
    let faults = &mut found.faults;
    let objects = match (&root.shape, root.member(TASKS)) {
        (Shape::Object(_), Some(_)) => {
            let Some(whole) = source.object(&root, "the plan", faults) else { return };
            whole.only("a plan", &[TASKS], faults);
            whole.objects(TASKS, "a task", faults)
        }
        (Shape::Array(nodes), _) => nodes.iter().filter_map(|node| source.object(node, "a task", faults)).collect(),
        _ => {
            let fault = source.fault(&root, format!("neither a list nor an object with `{TASKS}`"));
            return faults.push(fault.hint(format!("wanted `{{\"{TASKS}\": [...]}}`, or the list alone")));
        }
    };
    for object in objects {
        if found.is_full() {
            return;
        }
        entry(object, found);
    }
}

pub(super) fn read_lines(page: &Page, found: &mut Found) {
    for source in Source::lines(page).take(ENTRIES_MAX + 1) {
        match source.parse() {
            Err(fault) => found.faults.push(fault),
            Ok(node) => {
                if let Some(object) = source.object(&node, "a task", &mut found.faults) {
                    entry(object, found);
                }
            }
        }
    }
}

fn entry(object: Object, found: &mut Found) {
    let faults = &mut found.faults;
    let known: Vec<&str> = ["key", "ref"].into_iter().chain(Draft::FIELDS.iter().copied()).collect();
    object.only("a task", &known, faults);
    // `ref` is what tasks that are pushed together call each other.
    let named = if object.has("key") { "key" } else { "ref" };
    let name = match (object.text(named, faults), object.has("key") && object.has("ref")) {
        (_, true) => {
            faults.push(object.fault("ref", "`key` and `ref` are the same thing").hint("keep `key`"));
            return;
        }
        (None, _) => {
            faults.push(
                object.fault(named, "a task without `key`").hint("give it a name that stays: it is known again by it"),
            );
            return;
        }
        (Some(name), _) => name,
    };
    let key_of = |name: &String| key::key_of(SCHEME, name);
    let status = either(&Status::ALL.map(Status::word));
    let moment = |text: &str| text.parse::<Timestamp>().ok();
    let demands = object.texts("evidence", faults);
    let evidence = demands.iter().filter_map(|text| match text.parse() {
        Ok(demand) => Some(demand),
        Err(_) => {
            let fault =
                object.fault("evidence", format!("no evidence is called `{}`", crate::plan::fault::shown(text)));
            faults.push(fault.hint(format!("wanted {}", demand::WANTED)));
            None
        }
    });
    let evidence = evidence.collect();
    let draft = Draft {
        key: key_of(&name),
        title: object.needed("title", "a task", faults).unwrap_or_default(),
        description: object.text("description", faults).unwrap_or_default(),
        notes: object.text("notes", faults).unwrap_or_default(),
        priority: object.one("priority", draft::PRIORITY_WANTED, faults, draft::priority),
        role: object.text("role", faults),
        assignee: object.text("assignee", faults),
        labels: object.texts("labels", faults),
        depends_on: object.texts("depends_on", faults).iter().map(key_of).collect(),
        parent: object.text("parent", faults).as_ref().map(key_of),
        acceptance: object.texts("acceptance", faults),
        context_files: object.texts("context_files", faults),
        expected_outputs: object.texts("expected_outputs", faults),
        evidence,
        reserves: object.texts("reserves", faults),
        repo: object.text("repo", faults),
        branch: object.text("branch", faults),
        link: object.one("link", &either(&Link::ALL.map(Link::word)), faults, |word| word.parse().ok()),
        chain_id: object.text("chain_id", faults),
        not_before: object.one("not_before", "a moment such as `2026-12-24T18:00:00Z`", faults, moment),
        max_attempts: object.whole("max_attempts", 1, i64::from(u32::MAX), faults).and_then(|n| n.try_into().ok()),
        lease_secs: object.whole("lease_secs", 1, i64::from(LEASE_SECS_MAX), faults).and_then(|n| n.try_into().ok()),
        metadata: object.map("metadata", faults),
        status: object.one("status", &status, faults, Status::read).unwrap_or_default(),
        finished_at: object.one("finished_at", "a moment such as `2026-12-24T18:00:00Z`", faults, moment),
        summary: object.text("summary", faults).unwrap_or_default(),
    };
    found.entries.push(Entry { draft, place: object.place() });
}

/// A draft as an entry has it: keys by their short names.
fn written(draft: &Draft) -> Map<String, Value> {
    let name = |key: &str| Value::from(key::name_of(SCHEME, key));
    let mut map = Map::from_iter([("key".to_owned(), name(&draft.key))]);
    map.extend(draft.told());
    if let Some(Value::Array(keys)) = map.get_mut("depends_on") {
        *keys = draft.depends_on.iter().map(|key| name(key)).collect();
    }
    if let Some(parent) = &draft.parent {
        map.insert("parent".to_owned(), name(parent));
    }
    map
}

pub(super) fn write(drafts: &[Draft]) -> String {
    let tasks: Vec<Map<String, Value>> = drafts.iter().map(written).collect();
    safe::for_programs(format!("{:#}\n", json!({ TASKS: tasks })))
}

pub(super) fn write_lines(drafts: &[Draft]) -> String {
    drafts.iter().map(|draft| format!("{}\n", safe::for_programs(Value::Object(written(draft)).to_string()))).collect()
}

/// Is it the beginning of one of ours? Asked of the first object of a file whose kind nobody said.
pub(super) fn looks_like(object: &Object) -> bool {
    let title = object.has("title") || object.has("key") || object.has("ref");
    title && !["number", "index", "id", "issue_type", "subject", "_type"].iter().any(|foreign| object.has(foreign))
}
