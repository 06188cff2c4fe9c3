//! Plans: tasks as files tell them, what an import of them would change, and pictures of what waits for what.
//!
//! Everything here is a function of what it is given: no store, no clock, no file is touched. How the parts are meant
//! to be used:
//!
//! ```text
//! files ──read──► Plan ──difference──► Difference ──► (the caller writes it to the store)
//!                                          ▲
//!                    what is there: Known ─┘
//! drafts ──write──► files                         nodes, edges ──graph──► text, Mermaid, DOT, SVG, JSON
//! ```
//!
//! - **Import.** Read the bytes of a file, or of all files of a folder, and hand them to [`read`], with the [`Kind`] if
//!   somebody said it and the [`Rules`] that hold. It gives a [`Plan`], or all [`Faults`] and no plan at all. Make a
//!   [`difference::Known`] of each task that came from the same source before (its key, the draft as it was imported, and
//!   [`Draft::of`] the task as it is now), and ask [`difference::difference`] what would change. For `--dry-run` show that; else do
//!   it in one transaction, and keep with each task the [`Draft`] that [`difference::Step::remember`] says: it is what the
//!   next import is held against, and why a second import of the same file changes nothing. What is to be set are the
//!   names of [`Draft::FIELDS`] with their JSON values, of the new tasks [`difference::Step::draft`] has all.
//!   A task has one text for description and notes: [`Draft::whole_description`].
//! - **Export.** Make a draft of each task by [`Draft::of`], with the key that it was imported by (or `task:task-12@3f9a01bc`), and
//!   hand them to [`write`]: it gives names and texts of files. Read again and written again, they are the same bytes. Who will import
//!   them again keeps these drafts as those that were imported. Boards that are kept beside the store are written by
//!   [`board::rewrite`], which leaves what stands before the first entry, and [`board::append`], which never changes what
//!   `completed.md` says already.
//! - **Decompose.** What a planner answers is read as [`Kind::Json`], with the roles that there are and with acceptance
//!   criteria demanded; the faults go back to it as they are.
//! - **Draw.** Make a [`graph::Graph`] of nodes and edges, and ask it for [`graph::Graph::text`], `mermaid`, `dot`, `svg`
//!   or `json`. Any text may be a title: nothing breaks out of any of them.

pub mod fault;
pub mod key;
pub mod draft;
mod page;
mod check;
mod markdown;
mod object;
mod sheet;
pub mod specification;
pub mod board;
pub mod checklist;
pub mod entries;
pub mod beads;
pub mod claude_tasks;
pub mod issues;
mod kind;
mod task;
pub mod difference;
pub mod graph;

use crate::model::fields::Spot;
use crate::plan::page::Page;
use std::collections::BTreeMap;
use std::collections::HashMap;

pub use check::Rules;
pub use draft::Draft;
pub use draft::Status;
pub use fault::Fault;
pub use fault::Faults;
pub use kind::Kind;
pub use page::File;

/// Most entries of a plan: all of them are pushed in one transaction.
pub const ENTRIES_MAX: usize = 10_000;
/// Of all files of a plan together: more than six kilobytes for each task of the largest.
pub const BYTES_MAX: usize = 64 * 1024 * 1024;

/// Where a task is told of.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    /// Where its entry begins.
    pub spot: Spot,
    /// The lines of those fields that stand elsewhere.
    lines: Vec<(&'static str, usize)>,
    /// What the file calls those fields that it does not call as we do.
    names: Vec<(&'static str, String)>,
}

impl Place {
    pub fn new(spot: Spot) -> Place {
        Place { spot, lines: Vec::new(), names: Vec::new() }
    }

    fn add(&mut self, field: &'static str, line: usize) {
        self.lines.push((field, line));
    }

    fn call(&mut self, field: &'static str, name: &str) {
        if name != field {
            self.names.push((field, name.to_owned()));
        }
    }

    /// What the file calls a field.
    fn called<'a>(&'a self, field: &'a str) -> &'a str {
        let found = self.names.iter().find(|(known, _)| *known == field);
        found.map_or(field, |(_, name)| name)
    }

    /// Where a field stands, or its entry.
    pub fn of(&self, field: &str) -> Spot {
        let line = self.lines.iter().find(|(known, _)| *known == field).map(|(_, line)| *line);
        line.map_or_else(|| self.spot.clone(), |line| self.spot.at_line(line))
    }
}

/// A task of a plan, and where it is told of.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub draft: Draft,
    pub place: Place,
}

/// A whole plan without a fault.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    pub kind: Kind,
    /// In the order in which they are told.
    pub entries: Vec<Entry>,
    /// What was left out or cut, though nothing is wrong with it.
    pub remarks: Vec<Fault>,
}

impl Plan {
    pub fn drafts(&self) -> impl Iterator<Item = &Draft> {
        self.entries.iter().map(|entry| &entry.draft)
    }
}

/// What a reader has found so far.
#[derive(Debug, Default)]
struct Found {
    entries: Vec<Entry>,
    remarks: Vec<Fault>,
    faults: Faults,
}

impl Found {
    /// Are there more than a plan may have? Then no more need be read.
    fn is_full(&self) -> bool {
        self.entries.len() > ENTRIES_MAX
    }
}

/// Reads a plan out of its files. Without a kind it is told by what is in them and what they are called.
pub fn read(files: &[File], kind: Option<Kind>, rules: &Rules) -> Result<Plan, Faults> {
    let named = files.first().map_or("the plan", |file| file.name);
    let whole = |what: String, hint: &str| Faults::of(Fault::new(Spot::new(named, 1), what).hint(hint));
    if files.is_empty() {
        return Err(whole("there is no file in it".to_owned(), "name a file with a plan"));
    }
    let bytes: usize = files.iter().map(|file| file.bytes.len()).sum();
    if bytes > BYTES_MAX {
        let what = format!("{bytes} bytes of plan; it may have {BYTES_MAX}");
        return Err(whole(what, "import it in parts"));
    }
    let mut found = Found::default();
    let mut pages = Vec::with_capacity(files.len());
    for file in files {
        match Page::open(*file) {
            Ok(page) => pages.push(page),
            Err(fault) => found.faults.push(fault),
        }
    }
    if !found.faults.is_empty() {
        return Err(found.faults);
    }
    let kind = match kind {
        Some(kind) => kind,
        None => kind::of(&pages).map_err(Faults::of)?,
    };
    kind.read(&pages, &mut found);
    if found.is_full() {
        let what = format!("more than {ENTRIES_MAX} tasks");
        return Err(whole(what, "import it in parts"));
    }
    for entry in &mut found.entries {
        entry.draft = std::mem::take(&mut entry.draft).tidy();
    }
    if kind.is_mended() {
        check::mend(&mut found.entries, rules, &mut found.remarks);
    }
    let is_whole = found.faults.is_empty();
    let rules = Rules {
        same_titles: rules.same_titles || kind.may_repeat_titles(),
        // What could not be read is often what is depended on.
        any_references: rules.any_references || !is_whole,
        ..rules.clone()
    };
    check::check(&found.entries, &rules, is_whole, &mut found.faults);
    if found.faults.is_empty() {
        Ok(Plan { kind, entries: found.entries, remarks: found.remarks })
    } else {
        Err(found.faults.in_order())
    }
}

/// A file of an export.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Written {
    /// As it may be called.
    pub name: String,
    pub text: String,
}

/// The files that tell of these tasks; of a kind that is only read, none.
pub fn write(kind: Kind, drafts: &[Draft]) -> Option<Vec<Written>> {
    let drafts: Vec<Draft> = drafts.iter().cloned().map(Draft::tidy).collect();
    kind.write(&drafts)
}

/// These files as an import reads them, whatever else there is: what could not be read again is not to be written.
pub fn read_back(kind: Kind, files: &[Written]) -> Result<Plan, Faults> {
    let files: Vec<File> = files.iter().map(|file| File { name: &file.name, bytes: file.text.as_bytes() }).collect();
    read(&files, Some(kind), &Rules { same_titles: true, any_references: true, ..Rules::default() })
}

/// The fields that files of this kind have no place for, and of how many of the tasks they say something.
pub fn left_out(drafts: &[Draft], plan: &Plan) -> BTreeMap<String, u64> {
    let said = |draft: &Draft| match serde_json::to_value(draft.clone().tidy()) {
        Ok(serde_json::Value::Object(fields)) => fields,
        _ => serde_json::Map::new(),
    };
    let kept: HashMap<&str, &Draft> = plan.drafts().map(|draft| (draft.key.as_str(), draft)).collect();
    let mut left_out = BTreeMap::new();
    for draft in drafts {
        let Some(kept) = kept.get(draft.key.as_str()).map(|kept| said(kept)) else { continue };
        for (field, _) in said(draft).into_iter().filter(|(field, _)| !kept.contains_key(field)) {
            *left_out.entry(field).or_default() += 1;
        }
    }
    left_out
}

/// What a value takes as JSON.
fn bytes_of(value: &impl serde::Serialize) -> usize {
    serde_json::to_string(value).map_or(usize::MAX, |json| json.len())
}
