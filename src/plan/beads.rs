//! Issues of beads (`.beads/issues.jsonl`): one object a line, dependencies by type.
//!
//! What is `blocks` there is a dependency here, `parent-child` is the parent, and the other types wait for nothing: they
//! stand in the metadata, from where they are written again.

use crate::model::safe;
use crate::model::task::Priority;
use crate::plan::Draft;
use crate::plan::Entry;
use crate::plan::Found;
use crate::plan::Status;
use crate::plan::check;
use crate::plan::draft;
use crate::plan::fault::Fault;
use crate::plan::fault::Faults;
use crate::plan::key;
use crate::plan::markdown::item;
use crate::plan::markdown::tick;
use crate::plan::object::Object;
use crate::plan::object::Source;
use crate::plan::page::Page;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;

pub const SCHEME: &str = "beads";
/// Where in the metadata stands what tasks have no place for.
const METADATA: &str = "beads";
const TYPE: &str = "type";
/// What an issue has that says no type.
const TYPE_USUAL: &str = "task";
const CANCELLED: &str = "cancelled";
const FAILED: &str = "failed";

pub(super) fn looks_like(object: &Object) -> bool {
    let is_said = object.has("issue_type") || object.has("created_at") && object.has("status");
    object.has("id") && object.has("title") && is_said && !object.has("number")
}

pub(super) fn read(page: &Page, found: &mut Found) {
    for source in Source::lines(page) {
        if found.is_full() {
            return;
        }
        match source.parse() {
            Err(fault) => found.faults.push(fault),
            Ok(node) => {
                if let Some(object) = source.object(&node, "an issue", &mut found.faults) {
                    issue(object, found);
                }
            }
        }
    }
}

fn issue(object: Object, found: &mut Found) {
    // Exports hold more than issues, each with a word for what it is.
    if object.text_if_any("_type").is_some_and(|what| what != "issue") {
        return;
    }
    let faults = &mut found.faults;
    let status = object.text("status", faults).unwrap_or_else(|| "open".to_owned());
    if status == "tombstone" {
        return;
    }
    let (Some(id), Some(title)) = (object.needed("id", "an issue", faults), object.needed("title", "an issue", faults))
    else {
        return;
    };
    let place = object.place();
    let mut more = Map::new();
    let mut draft = Draft {
        key: key::key_of(SCHEME, &id),
        title,
        description: object.text("description", faults).unwrap_or_default(),
        notes: object.text("notes", faults).unwrap_or_default(),
        priority: object.whole("priority", 0, 4, faults).map(|number| priority(number, &object)),
        labels: object.texts("labels", faults),
        ..Draft::default()
    };
    let assignee = object.text("assignee", faults).filter(|name| !name.trim().is_empty());
    match assignee {
        Some(name) if crate::model::id::check_name("assignee", &name).is_ok() => {
            draft.assignee = Some(format!("@{name}"))
        }
        Some(name) => drop(more.insert("assignee".to_owned(), name.into())),
        None => {}
    }
    if let Some(kind) = object.text("issue_type", faults).filter(|kind| kind != TYPE_USUAL && !kind.is_empty()) {
        draft.labels.push(format!("{TYPE}:{kind}"));
    }
    if let Some(design) = object.text("design", faults).filter(|design| !design.trim().is_empty()) {
        draft.description = format!("{}\n\n## Design\n\n{}", draft.description.trim_end(), design.trim());
    }
    if let Some(acceptance) = object.text("acceptance_criteria", faults) {
        criteria(&acceptance, &mut draft);
    }
    let reason = object.text("close_reason", faults).unwrap_or_default();
    draft.summary = draft::one_line(&reason);
    draft.finished_at = object.text("closed_at", faults).and_then(|at| at.parse().ok());
    match status.as_str() {
        "closed" => {
            let ended = |word: &str| {
                object.object_if_any("metadata").is_some_and(|map| map.text_if_any("orch_status") == Some(word))
            };
            draft.status = match () {
                () if ended(CANCELLED) => Status::Cancelled,
                () if ended(FAILED) => Status::Failed,
                () => Status::Completed,
            };
        }
        "in_progress" | "hooked" => draft.status = Status::InProgress,
        "blocked" | "deferred" => draft.status = Status::Blocked,
        _ => {}
    }
    if !matches!(status.as_str(), "open" | "closed" | "in_progress" | "blocked") {
        more.insert("status".to_owned(), status.into());
    }
    for kept in ["created_at", "external_ref"] {
        if let Some(text) = object.text(kept, faults) {
            more.insert(kept.to_owned(), text.into());
        }
    }
    dependencies(object, &mut draft, &mut more, faults);
    if !more.is_empty() {
        draft.metadata = Some(Map::from_iter([(METADATA.to_owned(), Value::Object(more))]));
    }
    if check::make_fit(&mut draft) {
        let remark = Fault::new(place.spot.clone(), format!("`{}` was too long and is cut", draft.key));
        found.remarks.push(remark);
    }
    found.entries.push(Entry { draft, place });
}

/// Each line is a criterion, if all of them can be; otherwise they are a part of the description.
fn criteria(text: &str, draft: &mut Draft) {
    let plain = |line: &str| {
        let line = item(line).map_or(line, |(_, text)| text);
        draft::one_line(tick(line).map_or(line, |(_, text)| text))
    };
    let lines: Vec<String> = text.lines().map(plain).filter(|line| !line.is_empty()).collect();
    let fits = |line: &String| line.chars().count() <= check::ITEM_CHARS_MAX;
    if lines.len() <= crate::model::task::LIST_MAX && lines.iter().all(fits) {
        draft.acceptance = lines;
    } else {
        draft.description = format!("{}\n\n## Acceptance Criteria\n\n{}", draft.description.trim_end(), text.trim());
    }
}

fn dependencies(object: Object, draft: &mut Draft, more: &mut Map<String, Value>, faults: &mut Faults) {
    let mut others: Vec<Value> = Vec::new();
    for dependency in object.objects("dependencies", "a dependency", faults) {
        let Some(on) = dependency.needed("depends_on_id", "a dependency", faults) else { continue };
        let kind = dependency.text("type", faults).unwrap_or_else(|| "blocks".to_owned());
        let on_key = key::key_of(SCHEME, &on);
        match kind.as_str() {
            "blocks" => draft.depends_on.push(on_key),
            "parent-child" if draft.parent.is_none() => draft.parent = Some(on_key),
            _ => others.push(json!({ "depends_on_id": on, "type": kind })),
        }
    }
    if !others.is_empty() {
        more.insert("dependencies".to_owned(), others.into());
    }
}

/// Issues by their ids, one a line, as beads writes them.
pub(super) fn write(drafts: &[Draft]) -> String {
    drafts.iter().map(|draft| format!("{}\n", safe::for_programs(Value::Object(written(draft)).to_string()))).collect()
}

fn written(draft: &Draft) -> Map<String, Value> {
    let id = key::name_of(SCHEME, &draft.key);
    let more = draft.metadata.as_ref().and_then(|metadata| metadata.get(METADATA)).and_then(Value::as_object);
    let more = |name: &str| more.and_then(|more| more.get(name)).cloned();
    let mut kinds = draft.label_of(TYPE).filter(|kind| *kind != TYPE_USUAL && !kind.is_empty());
    let kind = kinds.next().filter(|_| kinds.next().is_none());
    let as_type = kind.map(|kind| format!("{TYPE}:{kind}"));
    let mut map = Map::new();
    let mut put = |name: &str, value: Value| {
        let is_nothing = match &value {
            Value::Null => true,
            Value::String(text) => text.is_empty(),
            Value::Array(items) => items.is_empty(),
            _ => false,
        };
        if !is_nothing {
            map.insert(name.to_owned(), value);
        }
    };
    put("id", id.into());
    put("title", draft.title.as_str().into());
    put("description", draft.description.as_str().into());
    put(
        "acceptance_criteria",
        draft.acceptance.iter().map(|item| format!("- [ ] {item}")).collect::<Vec<_>>().join("\n").into(),
    );
    put("notes", draft.notes.as_str().into());
    let status = match draft.status {
        Status::Open => "open",
        Status::InProgress => "in_progress",
        Status::Blocked => "blocked",
        Status::Completed | Status::Failed | Status::Cancelled => "closed",
    };
    let is_same = |said: &str| match said {
        "hooked" => draft.status == Status::InProgress,
        "deferred" => draft.status == Status::Blocked,
        _ => draft.status == Status::Open,
    };
    let said = more("status").filter(|said| said.as_str().is_some_and(is_same));
    put("status", said.unwrap_or_else(|| status.into()));
    put("priority", draft.priority.map(level).into());
    put("issue_type", kind.unwrap_or(TYPE_USUAL).into());
    let assignee = draft.assignee.as_deref().map(|name| name.strip_prefix('@').unwrap_or(name));
    put("assignee", assignee.map(Value::from).or_else(|| more("assignee")).unwrap_or_default());
    put("created_at", more("created_at").unwrap_or_default());
    put("closed_at", draft.finished_at.map(|at| at.to_string()).into());
    put("close_reason", draft.summary.as_str().into());
    put("external_ref", more("external_ref").unwrap_or_default());
    put("labels", draft.labels.iter().filter(|label| Some(*label) != as_type.as_ref()).cloned().collect());
    let dependency = |on: &str, kind: &str| json!({ "issue_id": id, "depends_on_id": on, "type": kind });
    let mut dependencies: Vec<Value> =
        draft.depends_on.iter().map(|key| dependency(key::name_of(SCHEME, key), "blocks")).collect();
    dependencies.extend(draft.parent.iter().map(|key| dependency(key::name_of(SCHEME, key), "parent-child")));
    if let Some(Value::Array(others)) = more("dependencies") {
        let text = |other: &Value, name: &str| other.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        dependencies.extend(others.iter().map(|other| dependency(&text(other, "depends_on_id"), &text(other, "type"))));
    }
    put("dependencies", dependencies.into());
    let mut ours = Map::new();
    match draft.status {
        Status::Cancelled => drop(ours.insert("orch_status".to_owned(), CANCELLED.into())),
        Status::Failed => drop(ours.insert("orch_status".to_owned(), FAILED.into())),
        _ => {}
    }
    if let Some(priority) = draft.priority.filter(|priority| usual(level(*priority)) != *priority) {
        ours.insert("orch_priority".to_owned(), priority.word().into());
    }
    if !ours.is_empty() {
        put("metadata", ours.into());
    }
    map
}

/// The level of a priority: 0 is the most urgent.
fn level(priority: Priority) -> i64 {
    match priority.urgency() {
        9.. => 0,
        7..=8 => 1,
        4..=6 => 2,
        _ => 3,
    }
}

fn usual(level: i64) -> Priority {
    match level {
        0 => Priority::CRITICAL,
        1 => Priority::HIGH,
        2 => Priority::MEDIUM,
        _ => Priority::LOW,
    }
}

/// The very one that an export of ours said, while it is of that level still.
fn priority(number: i64, object: &Object) -> Priority {
    let said = object.object_if_any("metadata").and_then(|map| draft::priority(map.text_if_any("orch_priority")?));
    said.filter(|said| level(*said) == number.min(3)).unwrap_or(usual(number))
}
