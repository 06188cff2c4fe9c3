//! Boards: `backlog.md`, `active.md` and `completed.md`, in which an entry is `### [task-007] Title` with bold fields.
//!
//! People read them in review. The store stays the truth: a board is written from it, and read when somebody wrote.

use crate::plan::Draft;
use crate::plan::Entry;
use crate::plan::File;
use crate::plan::Found;
use crate::plan::Status;
use crate::plan::Written;
use crate::plan::fault::Fault;
use crate::plan::fault::Faults;
use crate::plan::fault::shown;
use crate::plan::key;
use crate::plan::markdown;
use crate::plan::markdown::heading;
use crate::plan::page::Page;
use crate::plan::sheet;
use crate::plan::sheet::Form;
use crate::plan::sheet::Gap;
use crate::plan::sheet::Named;
use std::collections::HashMap;
use std::collections::HashSet;

pub const SCHEME: &str = "board";

const FORM: Form = Form { level: 3, scheme: SCHEME, entry: title, description_is_field: true };

/// One of the three files.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Column {
    Backlog,
    Active,
    Completed,
}

impl Column {
    pub const ALL: [Column; 3] = [Column::Backlog, Column::Active, Column::Completed];

    pub fn file(self) -> &'static str {
        match self {
            Column::Backlog => "backlog.md",
            Column::Active => "active.md",
            Column::Completed => "completed.md",
        }
    }

    /// Where a task stands.
    pub fn of(status: Status) -> Column {
        match status {
            Status::Open => Column::Backlog,
            Status::InProgress | Status::Blocked | Status::Failed => Column::Active,
            Status::Completed | Status::Cancelled => Column::Completed,
        }
    }

    /// What a task has that says nothing else.
    fn status(self) -> Status {
        match self {
            Column::Backlog => Status::Open,
            Column::Active => Status::InProgress,
            Column::Completed => Status::Completed,
        }
    }

    fn heading(self) -> &'static str {
        match self {
            Column::Backlog => "# Backlog\n",
            Column::Active => "# Active\n",
            Column::Completed => "# Completed\n",
        }
    }

    /// By the name of a file, or by its heading.
    fn named(name: &str) -> Option<Column> {
        match name.trim().to_lowercase().as_str() {
            "backlog" | "todo" => Some(Column::Backlog),
            "active" | "in progress" => Some(Column::Active),
            "completed" | "done" => Some(Column::Completed),
            _ => None,
        }
    }
}

/// `[task-007] Title`.
fn title(heading: &str) -> Option<Named> {
    let (name, title) = heading.strip_prefix('[')?.split_once(']')?;
    key::is_key(name).then(|| (Some(name.to_owned()), title.trim().to_owned()))
}

pub(super) fn is_heading(level: usize, text: &str) -> bool {
    level == FORM.level && title(text).is_some()
}

pub(super) fn is_board(file: &File) -> bool {
    let name = format!("{}.{}", file.stem().to_lowercase(), file.extension());
    Column::ALL.iter().any(|column| column.file() == name)
}

pub(super) fn read(pages: &[Page], found: &mut Found) {
    for page in pages {
        found.entries.append(&mut read_page(page, &mut found.faults));
    }
}

fn read_page(page: &Page, faults: &mut Faults) -> Vec<Entry> {
    let (mut entries, outside) = sheet::read(&FORM, page, faults);
    let first_heading = outside.iter().find_map(|outside| heading(outside.text).filter(|(level, _)| *level == 1));
    let column = Column::named(page.file.stem()).or_else(|| Column::named(first_heading?.1)).unwrap_or(Column::Backlog);
    for outside in outside.iter().filter(|outside| !outside.text.trim().is_empty()) {
        // A heading that groups entries says nothing of them; any other text after the first would be lost.
        let level = heading(outside.text).map_or(usize::MAX, |(level, _)| level);
        if level < FORM.level || outside.is_before_all && level == usize::MAX {
            continue;
        }
        let what = format!("`{}` belongs to no task", shown(outside.text.trim()));
        faults.push(
            Fault::new(page.at_line(outside.line), what)
                .hint("an entry begins with `### [NAME] Title`, a new one with a name of its own"),
        );
    }
    for entry in &mut entries {
        let says_so = entry.place.of("status") != entry.place.spot;
        entry.draft.status = if says_so { entry.draft.status } else { column.status() };
    }
    entries
}

/// The three files, each with the tasks that stand there.
pub(super) fn write(drafts: &[Draft]) -> Vec<Written> {
    let file = |column: Column| Written { name: column.file().to_owned(), text: fresh(column, drafts) };
    Column::ALL.map(file).to_vec()
}

fn fresh(column: Column, drafts: &[Draft]) -> String {
    let here = drafts.iter().filter(|draft| Column::of(draft.status) == column);
    format!("{}{}", column.heading(), entries_of(column, here))
}

fn entries_of<'a>(column: Column, drafts: impl Iterator<Item = &'a Draft>) -> String {
    drafts.map(|draft| format!("\n{}", entry(column, draft))).collect()
}

fn entry(column: Column, draft: &Draft) -> String {
    let left_out: &[&str] = if draft.status == column.status() { &["key", "status"] } else { &["key"] };
    let fields = sheet::write_fields(&FORM, draft, left_out);
    let parts = sheet::write_parts(&FORM, draft);
    let name = key::name_of(SCHEME, &draft.key);
    let gap = if fields.is_empty() { "" } else { "\n" };
    format!("### [{name}] {}\n{gap}{fields}{parts}", draft.title)
}

/// A board as it is to be now: the tasks that stand there, below what somebody wrote before the first of its entries, and each
/// below the heading between entries under which it stood. What is new stands before the first of those.
///
/// Of what cannot be read nothing is written: the faults are those of the file.
pub fn rewrite(column: Column, file: File, drafts: &[Draft]) -> Result<String, Faults> {
    let page = Page::open(file).map_err(Faults::of)?;
    let mut faults = Faults::default();
    let entries = read_page(&page, &mut faults);
    if !faults.is_empty() {
        return Err(faults.in_order());
    }
    let first = entries.first().map_or(usize::MAX, |entry| entry.place.spot.line);
    let before: String =
        page.lines().take_while(|(line, _)| *line < first).map(|(_, text)| format!("{text}\n")).collect();
    let headings = headings_after(&page, first);
    let groups_before = |line: usize| headings.partition_point(|(other, _)| *other < line);
    let groups: HashMap<&str, usize> =
        entries.iter().map(|entry| (entry.draft.key.as_str(), groups_before(entry.place.spot.line))).collect();
    let drafts: Vec<Draft> = drafts.iter().cloned().map(Draft::tidy).collect();
    let of_group = |group: usize| {
        let here = drafts.iter().filter(|draft| Column::of(draft.status) == column);
        let here = here.filter(|draft| groups.get(draft.key.as_str()).copied().unwrap_or_default() == group);
        entries_of(column, here)
    };
    let mut text = match before.trim() {
        "" => column.heading().to_owned(),
        _ => format!("{}\n", before.trim_end()),
    };
    text.push_str(&of_group(0));
    for (at, (_, heading)) in headings.iter().enumerate() {
        text.push_str(&format!("\n{heading}\n{}", of_group(at + 1)));
    }
    Ok(text)
}

/// Of those that group entries, with their lines.
fn headings_after<'a>(page: &Page<'a>, first: usize) -> Vec<(usize, &'a str)> {
    // Its faults are known by now.
    let lines = markdown::lines(page, &mut Faults::default());
    let groups = |line: &&markdown::Line| {
        line.number > first && !line.is_code && heading(line.text).is_some_and(|(level, _)| level < FORM.level)
    };
    lines.iter().filter(groups).map(|line| (line.number, line.text)).collect()
}

/// `completed.md` with the tasks that it does not tell of yet, and without those that are to be done again: not a byte of what
/// it says of others changes.
pub fn append(file: File, drafts: &[Draft]) -> Result<String, Faults> {
    let page = Page::open(file).map_err(Faults::of)?;
    let mut faults = Faults::default();
    let told = read_page(&page, &mut faults);
    if !faults.is_empty() {
        return Err(faults.in_order());
    }
    let drafts: Vec<Draft> = drafts.iter().cloned().map(Draft::tidy).collect();
    let is_over = |draft: &&Draft| Column::of(draft.status) == Column::Completed;
    let open: HashSet<&str> = drafts.iter().filter(|draft| !is_over(draft)).map(|draft| draft.key.as_str()).collect();
    let mut text = String::from_utf8_lossy(file.bytes).into_owned();
    let dates = undated(&told, &drafts);
    if !dates.is_empty() || told.iter().any(|entry| open.contains(entry.draft.key.as_str())) {
        text = without(&page, &told, &open, &dates);
    }
    let mut told: HashSet<String> = told.into_iter().map(|entry| entry.draft.key).collect();
    if text.trim().is_empty() {
        text = Column::Completed.heading().to_owned();
    }
    for draft in drafts.iter().filter(is_over) {
        if told.insert(draft.key.clone()) {
            let gap = if text.ends_with('\n') { "\n" } else { "\n\n" };
            text.push_str(gap);
            text.push_str(&entry(Column::Completed, draft));
        }
    }
    Ok(text)
}

/// Where a day belongs, of what somebody moved there by hand and the store knows since when it is over.
fn undated(told: &[Entry], drafts: &[Draft]) -> HashMap<Gap, String> {
    let by_key: HashMap<&str, &Draft> = drafts.iter().map(|draft| (draft.key.as_str(), draft)).collect();
    let undated = told.iter().filter(|entry| entry.draft.finished_at.is_none());
    let date = |entry: &Entry| {
        let draft =
            by_key.get(entry.draft.key.as_str()).filter(|draft| Column::of(draft.status) == Column::Completed)?;
        Some((sheet::gap_of(entry, sheet::FINISHED), sheet::finished(draft)?))
    };
    undated.filter_map(date).collect()
}

/// A board without the entries of these keys, and with these lines between others. An entry goes on to the next heading that
/// is none of its own.
fn without(page: &Page, told: &[Entry], keys: &HashSet<&str>, more: &HashMap<Gap, String>) -> String {
    let gone: HashSet<usize> = told
        .iter()
        .filter(|entry| keys.contains(entry.draft.key.as_str()))
        .map(|entry| entry.place.spot.line)
        .collect();
    let mut nothing = Faults::default();
    let mut is_gone = false;
    let mut text = String::new();
    for (line, whole) in markdown::lines(page, &mut nothing).iter().zip(page.text.split_inclusive('\n')) {
        if !line.is_code && heading(line.text).is_some_and(|(level, _)| level <= FORM.level) {
            is_gone = gone.contains(&line.number);
        }
        if is_gone {
            continue;
        }
        let end = if whole.ends_with("\r\n") { "\r\n" } else { "\n" };
        if let Some(more) = more.get(&Gap::Before(line.number)) {
            text.push_str(&format!("{more}{end}"));
        }
        text.push_str(whole);
        let (after, below) = (more.get(&Gap::After(line.number)), more.get(&Gap::Below(line.number)));
        if let Some(more) = after.or(below) {
            let ended = if whole.ends_with('\n') { "" } else { end };
            let gap = if below.is_some() { end } else { "" };
            text.push_str(&format!("{ended}{gap}{more}{end}"));
        }
    }
    text
}
