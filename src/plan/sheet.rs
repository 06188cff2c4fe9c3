//! What planner specifications and boards have in common: an entry is a heading, bold fields below it, a text, and
//! sections.

use crate::model::nearest::nearest;
use crate::model::time::Timestamp;
use crate::plan::Draft;
use crate::plan::Entry;
use crate::plan::Place;
use crate::plan::Status;
use crate::plan::draft;
use crate::plan::fault::Fault;
use crate::plan::fault::Faults;
use crate::plan::fault::either;
use crate::plan::fault::shown;
use crate::plan::key;
use crate::plan::markdown;
use crate::plan::markdown::Line;
use crate::plan::markdown::field;
use crate::plan::markdown::heading;
use crate::plan::markdown::item;
use crate::plan::markdown::join;
use crate::plan::markdown::quote;
use crate::plan::markdown::split;
use crate::plan::markdown::tick;
use crate::plan::markdown::unquote;
use crate::plan::page::Page;

/// How entries stand in a kind of file.
pub(super) struct Form {
    /// Of the headings of entries; those of sections are one below.
    pub(super) level: usize,
    pub(super) scheme: &'static str,
    /// The title in the heading of an entry, with the name of its key if that stands there.
    pub(super) entry: fn(&str) -> Option<Named>,
    /// Has the description a field or a section?
    pub(super) description_is_field: bool,
}

/// The name of a key, if one is said, and a title.
pub(super) type Named = (Option<String>, String);

/// In the order in which they are written; the first word is the one that is written.
const FIELDS: &[(&[&str], &str)] = &[
    (&["Id"], "key"),
    (&["Repo", "Repository"], "repo"),
    (&["Component", "Components"], "component"),
    (&["Type"], "type"),
    (&["Priority"], "priority"),
    (&["Status"], "status"),
    (&["Role"], "role"),
    (&["Assigned", "Assignee", "Assigned To"], "assignee"),
    (&["Branch"], "branch"),
    (&["Labels", "Tags"], "labels"),
    (&["Depends On", "Dependencies", "Blocked By"], "depends_on"),
    (&["Parent"], "parent"),
    (&["Reserves"], "reserves"),
    (&["Completed", "Finished"], "finished_at"),
    (&["Summary", "Result"], "summary"),
    (&["Description"], "description"),
];

const DESCRIPTION: &str = "Description";

const SECTIONS: &[(&[&str], &str)] = &[
    (&[DESCRIPTION], "description"),
    (&["Acceptance Criteria", "Acceptance", "Criteria"], "acceptance"),
    (&["Context Files", "Context"], "context_files"),
    (&["Expected Outputs", "Outputs", "Deliverables"], "expected_outputs"),
    (&["Evidence"], "evidence"),
    (&["Implementation Notes", "Notes"], "notes"),
];

/// Fields of an entry that became labels, because tasks have no place for them.
const AS_LABELS: &[&str] = &["component", "type"];

fn known(table: &[(&[&'static str], &'static str)], name: &str) -> Option<&'static str> {
    let name = name.trim_end_matches(':').trim();
    let is_it = |(words, _): &&(&[&str], &str)| words.iter().any(|word| word.eq_ignore_ascii_case(name));
    table.iter().find(is_it).map(|(_, field)| *field)
}

/// Where in an entry a line stands: what means something depends on it.
#[derive(Clone, Copy, PartialEq)]
enum Part {
    /// Fields, and text that belongs to the description.
    Head,
    Description,
    Other(&'static str),
}

impl Form {
    fn means(&self, part: Part, line: &str) -> bool {
        match (heading(line), part) {
            (Some((level, _)), _) if level <= self.level => true,
            (Some((level, _)), Part::Other(_)) => level == self.level + 1,
            (Some((level, title)), _) => level == self.level + 1 && known(SECTIONS, title).is_some(),
            (None, Part::Head) => field(line).is_some(),
            (None, _) => false,
        }
    }
}

/// An entry while it is read.
struct Sheet {
    draft: Draft,
    place: Place,
    part: Part,
    /// Of the text that is read, in the order of `TEXTS`.
    description: String,
    notes: String,
    seen: Vec<&'static str>,
}

/// What stands outside of all entries.
pub(super) struct Outside<'a> {
    pub(super) line: usize,
    pub(super) text: &'a str,
    pub(super) is_before_all: bool,
}

/// Reads the entries of a page, and what stands around them.
pub(super) fn read<'a>(form: &Form, page: &Page<'a>, faults: &mut Faults) -> (Vec<Entry>, Vec<Outside<'a>>) {
    let mut reader = Reader { form, page, faults, entries: Vec::new(), outside: Vec::new(), open: None };
    for line in markdown::lines(page, reader.faults) {
        reader.line(&line);
    }
    reader.close();
    (reader.entries, reader.outside)
}

struct Reader<'r, 'a> {
    form: &'r Form,
    page: &'r Page<'a>,
    faults: &'r mut Faults,
    entries: Vec<Entry>,
    outside: Vec<Outside<'a>>,
    open: Option<Sheet>,
}

impl<'a> Reader<'_, 'a> {
    fn line(&mut self, line: &Line<'a>) {
        let heading = heading(line.text).filter(|_| !line.is_code);
        if let Some((level, text)) = heading.filter(|(level, _)| *level <= self.form.level) {
            self.close();
            match (self.form.entry)(text).filter(|_| level == self.form.level) {
                Some((name, title)) => self.begin(name, title, line.number),
                None => self.leave(line),
            }
            return;
        }
        let Some(mut sheet) = self.open.take() else { return self.leave(line) };
        self.into(&mut sheet, line, heading.map(|(level, text)| (level - self.form.level, text)));
        self.open = Some(sheet);
    }

    fn leave(&mut self, line: &Line<'a>) {
        let is_before_all = self.entries.is_empty();
        self.outside.push(Outside { line: line.number, text: line.text, is_before_all });
    }

    fn begin(&mut self, name: Option<String>, title: String, line: usize) {
        let key = name.map(|name| key::key_of(self.form.scheme, &name)).unwrap_or_default();
        self.open = Some(Sheet {
            draft: Draft { key, title, ..Draft::default() },
            place: Place::new(self.page.at_line(line)),
            part: Part::Head,
            description: String::new(),
            notes: String::new(),
            seen: Vec::new(),
        });
    }

    fn close(&mut self) {
        if let Some(mut sheet) = self.open.take() {
            sheet.draft.description = draft::tidy_text(&sheet.description);
            sheet.draft.notes = draft::tidy_text(&sheet.notes);
            self.entries.push(Entry { draft: sheet.draft, place: sheet.place });
        }
    }

    /// `heading`: how far below that of the entry.
    fn into(&mut self, sheet: &mut Sheet, line: &Line, heading: Option<(usize, &str)>) {
        if let Some((1, title)) = heading {
            match known(SECTIONS, title) {
                Some(section) => return self.section(sheet, (section, title), line.number),
                // A section that we do not know is description, wherever it stands.
                None if matches!(sheet.part, Part::Other(_)) => {
                    sheet.part = Part::Description;
                    sheet.description.push_str("\n\n");
                }
                None => {}
            }
        }
        match sheet.part {
            Part::Head if !line.is_code && field(line.text).is_some() => {
                if let Some((name, value)) = field(line.text) {
                    self.field(sheet, name, value, line.number);
                }
            }
            Part::Head | Part::Description => {
                push_line(&mut sheet.description, line, |text| self.form.means(sheet.part, text));
            }
            Part::Other("notes") => {
                push_line(&mut sheet.notes, line, |text| self.form.means(sheet.part, text));
            }
            Part::Other(list) => self.item(sheet, list, line),
        }
    }

    fn section(&mut self, sheet: &mut Sheet, (section, title): (&'static str, &str), line: usize) {
        let fault = match (sheet.seen.contains(&section), section) {
            (true, "description") if !self.form.description_is_field => None,
            (true, _) => Some("stands here for the second time"),
            _ => None,
        };
        if let Some(what) = fault {
            let fault = Fault::new(self.page.at_line(line), format!("the section `{}` {what}", shown(title)));
            self.faults.push(fault.hint("put the two together"));
        }
        sheet.seen.push(section);
        sheet.place.add(section, line);
        sheet.place.call(section, title);
        sheet.part = if section == "description" { Part::Description } else { Part::Other(section) };
        if section == "description" && !sheet.description.is_empty() {
            sheet.description.push_str("\n\n");
        }
    }

    fn field(&mut self, sheet: &mut Sheet, name: &str, value: &str, line: usize) {
        let spot = self.page.at_line(line);
        let Some(field) = known(FIELDS, name) else {
            let fault = Fault::new(spot, format!("no field is called `{}`", shown(name)));
            let names = FIELDS.iter().map(|(words, _)| words[0]);
            self.faults.push(match nearest(name, names.clone()) {
                Some(near) => {
                    fault.hint(format!("did you mean `**{near}**`? If it is text, put a `\\` before the line"))
                }
                None => {
                    let names: Vec<&str> = names.collect();
                    fault.hint(format!("wanted one of {}; if it is text, put a `\\` before the line", either(&names)))
                }
            });
            return;
        };
        if sheet.seen.contains(&field) {
            let fault = Fault::new(spot, format!("`**{}**` stands here for the second time", shown(name)));
            return self.faults.push(fault.hint("keep one of them"));
        }
        if field == "description" {
            sheet.seen.push(field);
            sheet.description.push_str(&unquote(value).unwrap_or_default());
            return sheet.description.push('\n');
        }
        sheet.seen.push(field);
        sheet.place.add(field, line);
        sheet.place.call(field, name);
        let Some(text) = unquote(value) else { return };
        let mut wanted = |what: &str| {
            let fault = Fault::new(spot.clone(), format!("`**{name}**` is `{}`", shown(&text)));
            self.faults.push(fault.hint(format!("wanted {what}")));
        };
        let key_of = |name: &String| key::key_of(self.form.scheme, name);
        let draft = &mut sheet.draft;
        match field {
            "key" => draft.key = key_of(&text),
            "repo" => draft.repo = Some(text),
            "role" => draft.role = Some(text),
            "assignee" => draft.assignee = Some(text),
            "branch" => draft.branch = Some(text),
            "parent" => draft.parent = Some(key_of(&text)),
            "summary" => draft.summary = text,
            "labels" => draft.labels.extend(split(value)),
            "reserves" => draft.reserves = split(value),
            "depends_on" => draft.depends_on = split(value).iter().map(key_of).collect(),
            "priority" => match draft::priority(&text) {
                Some(priority) => draft.priority = Some(priority),
                None => wanted(draft::PRIORITY_WANTED),
            },
            "status" => match Status::read(&text) {
                Some(status) => draft.status = status,
                None => wanted(&format!("one of {}", either(&Status::ALL.map(Status::word)))),
            },
            "finished_at" => match moment(&text) {
                Some(at) => draft.finished_at = Some(at),
                None => wanted("a day such as `2026-12-24`"),
            },
            kind => draft.labels.extend(split(value).iter().map(|value| format!("{kind}:{value}"))),
        }
    }

    fn item(&mut self, sheet: &mut Sheet, list: &'static str, line: &Line) {
        if line.text.trim().is_empty() {
            return;
        }
        let spot = self.page.at_line(line.number);
        let listed = item(line.text).filter(|_| !line.is_code);
        let (draft, place) = (&mut sheet.draft, &sheet.place);
        let Some((_, text)) = listed else {
            // An item goes on in lines that are set in.
            let items = match list {
                "acceptance" => &mut draft.acceptance,
                "context_files" => &mut draft.context_files,
                _ => &mut draft.expected_outputs,
            };
            match items.last_mut().filter(|_| line.text.starts_with([' ', '\t']) && list == "acceptance") {
                Some(last) => {
                    last.push(' ');
                    last.push_str(line.text.trim());
                }
                None => {
                    let title = shown(place.called(list));
                    let fault = Fault::new(spot, format!("`{}` is no item of `{title}`", shown(line.text.trim())));
                    self.faults.push(fault.hint("wanted `- [ ] …` or `- …`"));
                }
            }
            return;
        };
        match list {
            "acceptance" => draft.acceptance.push(tick(text).map_or(text, |(_, text)| text).to_owned()),
            "evidence" => match unquote(text).unwrap_or_default().parse() {
                Ok(demand) => draft.evidence.push(demand),
                Err(wanted) => {
                    self.faults.push(Fault::new(spot, format!("no evidence is called `{}`", shown(text))).hint(wanted));
                }
            },
            "context_files" => draft.context_files.extend(unquote(text)),
            _ => draft.expected_outputs.extend(unquote(text)),
        }
    }
}

fn push_line(to: &mut String, line: &Line, means: impl Fn(&str) -> bool) {
    if line.is_code {
        to.push_str(line.text);
    } else {
        to.push_str(&markdown::unescape(line.text, means));
    }
    to.push('\n');
}

/// A day, or a moment in full.
fn moment(text: &str) -> Option<Timestamp> {
    text.parse().or_else(|_| format!("{text}T00:00:00Z").parse()).ok()
}

/// The fields of an entry below its heading, as `left_out` allows.
pub(super) fn write_fields(form: &Form, draft: &Draft, left_out: &[&str]) -> String {
    let name = |key: &str| key::name_of(form.scheme, key).to_owned();
    let some = |value: &Option<String>| value.as_deref().map(quote).unwrap_or_default();
    let labels = |kind: &str| join(draft.label_of(kind).filter(|value| is_value(value)));
    let is_field = |label: &str| {
        AS_LABELS
            .iter()
            .any(|kind| label.strip_prefix(kind).and_then(|rest| rest.strip_prefix(':')).is_some_and(is_value))
    };
    let mut text = String::new();
    for (words, field) in FIELDS.iter().filter(|(_, field)| !left_out.contains(field)) {
        let value = match *field {
            "key" => name(&draft.key),
            "repo" => some(&draft.repo),
            "priority" => draft.priority.map(|priority| priority.word().to_owned()).unwrap_or_default(),
            "status" => draft.status.word().replace('_', " "),
            "role" => some(&draft.role),
            "assignee" => some(&draft.assignee),
            "branch" => some(&draft.branch),
            "labels" => join(draft.labels.iter().map(String::as_str).filter(|label| !is_field(label))),
            "depends_on" => draft.depends_on.iter().map(|key| quote(&name(key))).collect::<Vec<_>>().join(", "),
            "parent" => draft.parent.as_deref().map(|key| quote(&name(key))).unwrap_or_default(),
            "reserves" => join(draft.reserves.iter().map(String::as_str)),
            "finished_at" => draft.finished_at.map(Timestamp::date).unwrap_or_default(),
            "summary" => quoted_text(&draft.summary),
            "description" if form.description_is_field && !draft.description.contains('\n') => {
                quoted_text(&draft.description)
            }
            "description" => String::new(),
            kind => labels(kind),
        };
        if !value.is_empty() {
            text.push_str(&format!("- **{}**: {value}\n", words[0]));
        }
    }
    text
}

/// The field that says since when a task is over.
pub(super) const FINISHED: &str = "finished_at";

/// Where in an entry a line is put in.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) enum Gap {
    Before(usize),
    After(usize),
    /// With a blank line between.
    Below(usize),
}

/// Where a field belongs that an entry does not say: behind those that are written before it.
pub(super) fn gap_of(entry: &Entry, field: &str) -> Gap {
    let heading = entry.place.spot.line;
    let line_of = |known: &'static str| Some(entry.place.of(known).line).filter(|line| *line != heading);
    let at = FIELDS.iter().position(|(_, known)| *known == field).unwrap_or(FIELDS.len());
    let lines =
        |fields: &[(_, &'static str)]| fields.iter().filter_map(|(_, known)| line_of(known)).collect::<Vec<_>>();
    match (lines(&FIELDS[..at]).into_iter().max(), lines(&FIELDS[at..]).into_iter().min()) {
        (Some(last), _) => Gap::After(last),
        (None, Some(next)) => Gap::Before(next),
        (None, None) => Gap::Below(heading),
    }
}

/// That field, as it is written.
pub(super) fn finished(draft: &Draft) -> Option<String> {
    let (words, _) = FIELDS.iter().find(|(_, field)| *field == FINISHED)?;
    Some(format!("- **{}**: {}", words[0], draft.finished_at?.date()))
}

fn quoted_text(text: &str) -> String {
    if text.is_empty() { String::new() } else { quote(text.trim()) }
}

fn is_value(value: &str) -> bool {
    !value.is_empty() && value.trim() == value
}

/// The text and the sections of an entry, each with a blank line before it.
pub(super) fn write_parts(form: &Form, draft: &Draft) -> String {
    let marks = "#".repeat(form.level + 1);
    let mut text = String::new();
    let mut section = |field: &str, body: String| {
        let title = SECTIONS.iter().find(|(_, known)| *known == field).map_or("", |(words, _)| words[0]);
        if !body.is_empty() {
            text.push_str(&format!("\n{marks} {title}\n\n{}\n", body.trim_end_matches('\n')));
        }
    };
    if !form.description_is_field {
        section("description", markdown::escape(&draft.description, |line| form.means(Part::Description, line)));
    }
    let tick = if draft.status == Status::Completed { 'x' } else { ' ' };
    section("acceptance", draft.acceptance.iter().map(|item| format!("- [{tick}] {item}\n")).collect());
    let list = |items: &[String]| items.iter().map(|item| format!("- `{item}`\n")).collect::<String>();
    section("context_files", list(&draft.context_files));
    section("expected_outputs", list(&draft.expected_outputs));
    section("evidence", draft.evidence.iter().map(|demand| format!("- `{demand}`\n")).collect());
    section("notes", markdown::escape(&draft.notes, |line| form.means(Part::Other("notes"), line)));
    if form.description_is_field && draft.description.contains('\n') {
        let body = markdown::escape(&draft.description, |line| form.means(Part::Head, line));
        return format!("\n{body}\n{text}");
    }
    text
}
