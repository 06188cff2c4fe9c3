//! Task lists of Claude Code: `~/.claude/tasks/<list>/<id>.json`, one task a file, and the older lists of `TodoWrite`.
//!
//! They are only read: the client keeps them while a session runs, nothing documents them, and what was written into them
//! would be overwritten. So what is not known in them is passed over.

use crate::model::json::Shape;
use crate::plan::Draft;
use crate::plan::Entry;
use crate::plan::Fault;
use crate::plan::Found;
use crate::plan::Place;
use crate::plan::Status;
use crate::plan::check;
use crate::plan::draft;
use crate::plan::fault::either;
use crate::plan::key;
use crate::plan::object::Object;
use crate::plan::object::Source;
use crate::plan::page::Page;
use std::collections::HashMap;

pub const SCHEME: &str = "todo";

pub(super) fn looks_like(object: &Object) -> bool {
    let is_task = object.has("subject") && object.has("status");
    let is_todo = object.has("content") && object.has("status");
    is_task || is_todo || object.has("todos")
}

pub(super) fn read(pages: &[Page], found: &mut Found) {
    let mut blocks: Vec<(String, String, Place)> = Vec::new();
    for page in pages {
        let source = Source::whole(page);
        let root = match source.parse() {
            Ok(root) => root,
            Err(fault) => {
                found.faults.push(fault);
                continue;
            }
        };
        let faults = &mut found.faults;
        let nodes = match &root.shape {
            Shape::Array(nodes) => nodes.iter().collect(),
            _ => root
                .member("todos")
                .or_else(|| root.member("tasks"))
                .map_or(vec![&root], |list| list.elements().iter().collect()),
        };
        let objects: Vec<Object> = nodes.iter().filter_map(|node| source.object(node, "a task", faults)).collect();
        // A file with one task lies in the folder of its list; a file with a list is one.
        let is_list =
            matches!(root.shape, Shape::Array(_)) || root.member("todos").is_some() || root.member("tasks").is_some();
        let list = if is_list { Some(page.file.stem()) } else { page.file.folder() };
        let list = list.map(key::name).unwrap_or_else(|| "list".to_owned());
        let key_of = |id: &str| key::key_of(SCHEME, &format!("{list}/{}", key::name(id)));
        for object in objects {
            task(object, &key_of, &mut blocks, found);
        }
    }
    // What a task says it blocks, the other may say too.
    let by_key: HashMap<String, usize> =
        found.entries.iter().enumerate().map(|(at, entry)| (entry.draft.key.clone(), at)).collect();
    for (from, to, place) in blocks {
        match by_key.get(&to) {
            Some(at) => found.entries[*at].draft.depends_on.push(from),
            None => {
                found.remarks.push(Fault::new(place.spot, format!("`{to}` is not there to be blocked by `{from}`")))
            }
        }
    }
}

fn task(
    object: Object,
    key_of: &impl Fn(&str) -> String,
    blocks: &mut Vec<(String, String, Place)>,
    found: &mut Found,
) {
    let faults = &mut found.faults;
    let titled = if object.has("subject") { "subject" } else { "content" };
    let Some(title) = object.needed(titled, "a task", faults) else { return };
    let words = ["pending", "in_progress", "completed", "cancelled"];
    let status = object.one("status", &either(&words), faults, Status::read).unwrap_or_default();
    // Older lists name their items by what they say.
    let id = match object.has("id") {
        true => object.word("id", "a text or a number", faults).unwrap_or_default(),
        false => key::slug(&title),
    };
    let own = key_of(&id);
    let mut draft = Draft {
        key: own.clone(),
        title,
        description: object.text_if_any("description").unwrap_or_default().to_owned(),
        priority: object.text_if_any("priority").and_then(draft::priority).filter(|_| titled == "content"),
        depends_on: object.texts("blockedBy", faults).iter().map(|id| key_of(id)).collect(),
        status,
        ..Draft::default()
    };
    if let Some(owner) =
        object.text_if_any("owner").filter(|owner| crate::model::id::check_name("owner", owner).is_ok())
    {
        draft.labels.push(check::fitting_label(&format!("owner:{owner}")));
    }
    let place = object.place();
    for blocked in object.texts("blocks", faults) {
        blocks.push((own.clone(), key_of(&blocked), place.clone()));
    }
    check::make_fit(&mut draft);
    found.entries.push(Entry { draft, place });
}
