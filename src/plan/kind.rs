//! The kinds of files that plans are read from, by what is in them and what they are called.

use crate::plan::Draft;
use crate::plan::Found;
use crate::plan::Written;
use crate::plan::beads;
use crate::plan::board;
use crate::plan::checklist;
use crate::plan::claude_tasks;
use crate::plan::entries;
use crate::plan::fault::Fault;
use crate::plan::fault::Faults;
use crate::plan::fault::either;
use crate::plan::issues;
use crate::plan::markdown;
use crate::plan::object::Object;
use crate::plan::object::Source;
use crate::plan::page::Page;
use crate::plan::specification;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use std::str::FromStr;

#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "PlanKind", inline)]
pub enum Kind {
    /// `# Task: …`
    Specification,
    /// `### [task-007] …`
    Board,
    /// `- [ ] …`
    Checklist,
    Json,
    Jsonl,
    Beads,
    ClaudeTasks,
    /// Of GitHub or Forgejo.
    Issues,
}

impl Kind {
    pub const ALL: [Kind; 8] = [
        Kind::Specification,
        Kind::Board,
        Kind::Checklist,
        Kind::Json,
        Kind::Jsonl,
        Kind::Beads,
        Kind::ClaudeTasks,
        Kind::Issues,
    ];

    pub fn word(self) -> &'static str {
        match self {
            Kind::Specification => "specification",
            Kind::Board => "board",
            Kind::Checklist => "checklist",
            Kind::Json => "json",
            Kind::Jsonl => "jsonl",
            Kind::Beads => "beads",
            Kind::ClaudeTasks => "claude-tasks",
            Kind::Issues => "issues",
        }
    }

    /// Can it be exported to? Others keep the rest, and are only read.
    pub fn is_written(self) -> bool {
        !matches!(self, Kind::ClaudeTasks | Kind::Issues)
    }

    /// The fields that such a file can tell. Of all others an import says nothing, so it changes none of them.
    pub fn tells(self) -> impl Iterator<Item = &'static str> {
        let left_out: &[&str] = match self {
            Kind::Specification | Kind::Board => {
                &["link", "chain_id", "not_before", "max_attempts", "lease_secs", "metadata"]
            }
            Kind::Checklist => &[
                "notes",
                "acceptance",
                "context_files",
                "expected_outputs",
                "evidence",
                "reserves",
                "link",
                "chain_id",
                "not_before",
                "max_attempts",
                "lease_secs",
                "metadata",
                "finished_at",
                "summary",
            ],
            Kind::Json | Kind::Jsonl => &[],
            // Of the metadata there is only what beads itself has to say.
            Kind::Beads => &[
                "metadata",
                "role",
                "context_files",
                "expected_outputs",
                "evidence",
                "reserves",
                "repo",
                "branch",
                "link",
                "chain_id",
                "not_before",
                "max_attempts",
                "lease_secs",
            ],
            Kind::ClaudeTasks | Kind::Issues => &[
                "notes",
                "assignee",
                "parent",
                "acceptance",
                "context_files",
                "expected_outputs",
                "evidence",
                "reserves",
                "branch",
                "link",
                "chain_id",
                "not_before",
                "max_attempts",
                "lease_secs",
                "metadata",
                "summary",
            ],
        };
        Draft::FIELDS.iter().copied().filter(move |field| !left_out.contains(field))
    }

    /// Trackers let two tasks have one title, and nobody can be asked to change that.
    pub(super) fn may_repeat_titles(self) -> bool {
        matches!(self, Kind::Beads | Kind::ClaudeTasks | Kind::Issues | Kind::Checklist)
    }

    /// Trackers list a part of what they have, and what bodies say in words may run in circles.
    pub(super) fn is_mended(self) -> bool {
        matches!(self, Kind::Beads | Kind::ClaudeTasks | Kind::Issues)
    }

    pub(super) fn read(self, pages: &[Page], found: &mut Found) {
        match self {
            Kind::Specification => specification::read(pages, found),
            Kind::Board => board::read(pages, found),
            Kind::Checklist => pages.iter().for_each(|page| checklist::read(page, found)),
            Kind::Json => pages.iter().for_each(|page| entries::read(page, found)),
            Kind::Jsonl => pages.iter().for_each(|page| entries::read_lines(page, found)),
            Kind::Beads => pages.iter().for_each(|page| beads::read(page, found)),
            Kind::ClaudeTasks => claude_tasks::read(pages, found),
            Kind::Issues => issues::read(pages, found),
        }
    }

    pub(super) fn write(self, drafts: &[Draft]) -> Option<Vec<Written>> {
        let one = |name: &str, text: String| vec![Written { name: name.to_owned(), text }];
        Some(match self {
            Kind::Specification => specification::write_each(drafts),
            Kind::Board => board::write(drafts),
            Kind::Checklist => one("tasks.md", checklist::write(drafts)),
            Kind::Json => one("tasks.json", entries::write(drafts)),
            Kind::Jsonl => one("tasks.jsonl", entries::write_lines(drafts)),
            Kind::Beads => one("issues.jsonl", beads::write(drafts)),
            Kind::ClaudeTasks | Kind::Issues => return None,
        })
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(word: &str) -> Result<Kind, String> {
        let found = Kind::ALL.into_iter().find(|kind| kind.word() == word);
        found.ok_or_else(|| {
            format!("no kind of plan is called `{word}`: there are {}", either(&Kind::ALL.map(Kind::word)))
        })
    }
}

/// Of a file with a value on each line, until one tells what it is.
const LINES_LOOKED_AT: usize = 50;

/// The one kind that all files are of.
pub(super) fn of(pages: &[Page]) -> Result<Kind, Fault> {
    let mut first: Option<(Kind, &Page)> = None;
    for page in pages {
        let kind = of_page(page)?;
        match &first {
            Some((known, other)) if *known != kind => {
                let what = format!("the file is `{}`, and `{}` is `{}`", kind.word(), other.file.name, known.word());
                return Err(Fault::new(page.at_line(1), what).hint("import one kind at a time"));
            }
            Some(_) => {}
            None => first = Some((kind, page)),
        }
    }
    Ok(first.map_or(Kind::Json, |(kind, _)| kind))
}

fn of_page(page: &Page) -> Result<Kind, Fault> {
    let candidates = match page.text.trim_start().chars().next() {
        Some('{') => of_objects(page)?,
        // `[ ] a` is no JSON, and neither is `[link]`.
        Some('[') if !matches!(page.file.extension().as_str(), "md" | "markdown") => of_objects(page)?,
        _ => of_markdown(page),
    };
    match candidates[..] {
        [kind] => Ok(kind),
        [] => {
            let fault = Fault::new(page.at_line(1), "no plan of a kind that is known");
            Err(fault.hint(format!("say its `kind`: {}", either(&Kind::ALL.map(Kind::word)))))
        }
        _ => {
            let words: Vec<&str> = candidates.iter().map(|kind| kind.word()).collect();
            let fault = Fault::new(page.at_line(1), format!("the file could be {}", either(&words)));
            Err(fault.hint(format!("say its `kind`: {}", either(&words))))
        }
    }
}

fn of_markdown(page: &Page) -> Vec<Kind> {
    let (mut tasks, mut entries, mut items) = (false, false, false);
    // What stands in a section of a task is its text, whatever it looks like.
    let mut in_section = false;
    let mut nothing = Faults::default();
    for line in markdown::lines(page, &mut nothing).iter().filter(|line| !line.is_code) {
        let heading = markdown::heading(line.text);
        tasks |= heading.is_some_and(|(level, text)| level == 1 && specification::is_heading(text));
        in_section = heading.map_or(in_section, |(level, _)| level > 1 && (in_section || level == 2 && tasks));
        entries |= !in_section && heading.is_some_and(|(level, text)| board::is_heading(level, text));
        items |= checklist::is_item(line.text);
    }
    match (tasks, entries, items) {
        (true, false, _) => vec![Kind::Specification],
        (false, true, _) => vec![Kind::Board],
        (true, true, _) => vec![Kind::Specification, Kind::Board],
        // A board may be empty, and what is called like one may be another list.
        (false, false, true) if board::is_board(&page.file) => vec![Kind::Board, Kind::Checklist],
        (false, false, true) => vec![Kind::Checklist],
        (false, false, false) if board::is_board(&page.file) => vec![Kind::Board],
        (false, false, false) => Vec::new(),
    }
}

/// By the first object. That the file is whole is found when it is read.
fn of_objects(page: &Page) -> Result<Vec<Kind>, Fault> {
    let mut faults = Faults::default();
    let whole = Source::whole(page);
    let parsed = whole.parse();
    if let Ok(root) = &parsed {
        let list = root.member(entries::TASKS).map(|list| list.elements()).filter(|_| root.is_object());
        let first = list.unwrap_or(root.elements()).first();
        let is_one = root.is_object() && list.is_none();
        let Some(object) =
            (if is_one { Some(root) } else { first }).and_then(|node| whole.object(node, "", &mut faults))
        else {
            return Ok(if list.is_some() || root.elements().is_empty() { vec![Kind::Json] } else { Vec::new() });
        };
        let mut kinds = of_object(&object);
        if is_one {
            // One object alone is a file of one line, if it is one of ours.
            kinds.iter_mut().filter(|kind| **kind == Kind::Json).for_each(|kind| *kind = Kind::Jsonl);
        } else {
            kinds.retain(|kind| *kind != Kind::Beads);
        }
        return Ok(kinds);
    }
    // Not one value: then one on each line, or nothing. Before the first task there may be lines about other things.
    let is_by_line = Source::lines(page).next().is_some_and(|first| first.parse().is_ok_and(|node| node.is_object()));
    if !is_by_line {
        return parsed.map(|_| Vec::new());
    }
    for source in Source::lines(page).take(LINES_LOOKED_AT) {
        let Ok(node) = source.parse() else { break };
        let object = source.object(&node, "", &mut faults);
        let mut kinds = object.map(|object| of_object(&object)).unwrap_or_default();
        kinds.iter_mut().filter(|kind| **kind == Kind::Json).for_each(|kind| *kind = Kind::Jsonl);
        kinds.retain(|kind| matches!(kind, Kind::Jsonl | Kind::Beads));
        if !kinds.is_empty() {
            return Ok(kinds);
        }
    }
    Ok(Vec::new())
}

fn of_object(object: &Object) -> Vec<Kind> {
    let asked = [
        (Kind::Issues, issues::looks_like(object)),
        (Kind::Beads, beads::looks_like(object)),
        (Kind::ClaudeTasks, claude_tasks::looks_like(object)),
        (Kind::Json, entries::looks_like(object)),
    ];
    asked.into_iter().filter(|(_, is_it)| *is_it).map(|(kind, _)| kind).collect()
}
