//! Check lists: `- [ ] Title` and `- [x] Title`; what is set in below an item is a part of it, and the headings around it
//! are a label.
//!
//! What an item has besides stands in a comment at the end of its line, which Markdown does not show:
//! `- [ ] Title <!-- list:title after=list:other priority=high -->`.

use crate::plan::Draft;
use crate::plan::Entry;
use crate::plan::Found;
use crate::plan::Place;
use crate::plan::Status;
use crate::plan::draft;
use crate::plan::fault::Fault;
use crate::plan::fault::either;
use crate::plan::fault::shown;
use crate::plan::key;
use crate::plan::markdown;
use crate::plan::markdown::Line;
use crate::plan::markdown::heading;
use crate::plan::markdown::item;
use crate::plan::markdown::tick;
use crate::plan::page::Page;
use std::collections::HashMap;
use std::collections::HashSet;

pub const SCHEME: &str = "list";
/// The label of what stands below a heading.
const SECTION: &str = "section";
const COMMENT: (&str, &str) = ("<!--", "-->");
/// Beyond that nobody sees what is a part of what, and keys would be longer than keys may be.
const DEPTH_MAX: usize = 12;
/// For each level.
const INDENT: usize = 2;

const WORDS: &[&str] = &["after", "assignee", "branch", "labels", "parent", "priority", "repo", "role", "state"];

/// Is it `- [ ] …`?
pub(super) fn is_item(line: &str) -> bool {
    item(line).is_some_and(|(_, text)| tick(text).is_some())
}

/// Was a check meant, which a sign or a blank keeps from being one? A link, a footnote or a word in brackets was not.
fn is_nearly_item(line: &str) -> bool {
    let bare = line.trim_start();
    let Some(marked) = bare.strip_prefix(['-', '*', '+']) else { return false };
    let Some((mark, rest)) = marked.trim_start().strip_prefix('[').and_then(|text| text.split_once(']')) else {
        return false;
    };
    let mut marks = mark.trim().chars();
    let is_mark = match (marks.next(), marks.next()) {
        (None, _) => !mark.is_empty(),
        (Some(mark), None) => !mark.is_numeric(),
        _ => false,
    };
    is_mark && !rest.starts_with(['(', '[', ':']) && !is_item(line)
}

pub(super) fn read(page: &Page, found: &mut Found) {
    let lines = markdown::lines(page, &mut found.faults);
    let titles = lines.iter().filter(|line| !line.is_code && heading(line.text).is_some_and(|(level, _)| level == 1));
    let mut reader = Reader {
        page,
        found,
        headings: Vec::new(),
        has_title: titles.count() == 1,
        open: Vec::new(),
        names: HashMap::new(),
    };
    for line in &lines {
        if reader.found.is_full() {
            return;
        }
        reader.line(line);
    }
    for entry in &mut reader.found.entries {
        entry.draft.description = draft::tidy_text(&entry.draft.description);
    }
}

struct Reader<'r, 'a> {
    page: &'r Page<'a>,
    found: &'r mut Found,
    /// Those that the line stands below, with their levels.
    headings: Vec<(usize, String)>,
    /// One heading of the first level is what the whole list is called, and no section of it.
    has_title: bool,
    /// The items that the line may be a part of: how far in each stands, and which entry it is.
    open: Vec<(usize, usize)>,
    /// Of the keys that are made of titles: how many had the same one.
    names: HashMap<String, usize>,
}

impl Reader<'_, '_> {
    fn line(&mut self, line: &Line) {
        if !line.is_code {
            if let Some((level, title)) = heading(line.text) {
                self.open.clear();
                self.headings.retain(|(outer, _)| *outer < level);
                if !(level == 1 && self.has_title) {
                    self.headings.push((level, draft::one_line(title)));
                }
                return;
            }
            if let Some((indent, text)) = item(line.text)
                && let Some((ticked, text)) = tick(text)
            {
                return self.item(indent, ticked, text, line.number);
            }
            if is_nearly_item(line.text) {
                let what = format!("`{}` is nearly an item of a check list", shown(line.text.trim()));
                let fault = Fault::new(self.page.at_line(line.number), what);
                let wanted =
                    "wanted `- [ ] TITLE`, or `- [x] TITLE` for what is done; if it is text, put a `\\` before it";
                return self.found.faults.push(fault.hint(wanted));
            }
        }
        if line.text.is_empty() {
            if let Some((_, at)) = self.open.last() {
                self.found.entries[*at].draft.description.push('\n');
            }
            return;
        }
        // What is set in deeper than an item says more of it. Any other text is for people, as between sections.
        let indent = markdown::columns(&line.text[..line.text.len() - line.text.trim_start().len()]);
        self.open.retain(|(outer, _)| *outer < indent);
        if let Some((outer, at)) = self.open.last() {
            let text = without_indent(line.text, outer + INDENT);
            let text = if line.is_code { text.to_owned() } else { markdown::unescape(text, means) };
            let description = &mut self.found.entries[*at].draft.description;
            description.push_str(&text);
            description.push('\n');
        }
    }

    fn item(&mut self, indent: usize, ticked: bool, text: &str, number: usize) {
        self.open.retain(|(outer, _)| *outer < indent);
        let spot = self.page.at_line(number);
        if self.open.len() == DEPTH_MAX {
            let fault = Fault::new(spot, format!("an item more than {DEPTH_MAX} levels deep"));
            return self.found.faults.push(fault.hint("make a list of its own of it"));
        }
        let (title, comment) = title_and_comment(text);
        let parent = self.open.last().map(|(_, at)| self.found.entries[*at].draft.key.clone());
        let mut draft = Draft {
            title: title.to_owned(),
            parent: parent.clone(),
            status: if ticked { Status::Completed } else { Status::Open },
            ..Draft::default()
        };
        if !self.headings.is_empty() {
            let path: Vec<&str> = self.headings.iter().map(|(_, title)| title.as_str()).collect();
            let label = crate::plan::check::fitting_label(&format!("{SECTION}:{}", path.join(" / ")));
            draft.labels.push(label.trim_end().to_owned());
        }
        if let Some(comment) = comment {
            self.comment(&mut draft, comment, number);
        }
        if draft.key.is_empty() {
            draft.key = self.key(title, parent.as_deref());
        }
        self.open.push((indent, self.found.entries.len()));
        let mut place = Place::new(spot);
        place.call("depends_on", "after");
        self.found.entries.push(Entry { draft, place });
    }

    /// A key out of the title, below that of the item it is a part of. Only the order can tell two of one title apart.
    fn key(&mut self, title: &str, parent: Option<&str>) -> String {
        let above = match parent.map(|parent| key::name_of(SCHEME, parent)) {
            Some(parent) if parent.len() < key::KEY_CHARS_MAX / 2 && !parent.contains(':') => parent.to_owned(),
            Some(parent) => key::slug(parent),
            // Two lists may have the same item.
            None => key::slug(self.page.file.stem()),
        };
        let name = key::key_of(SCHEME, &format!("{above}/{}", key::slug(title)));
        let count = self.names.entry(name.clone()).or_default();
        *count += 1;
        if *count == 1 { name } else { format!("{name}-{count}") }
    }

    fn comment(&mut self, draft: &mut Draft, comment: &str, number: usize) {
        for (at, word) in comment.split_whitespace().enumerate() {
            let spot = self.page.at_line(number);
            let (name, value) = match word.split_once('=') {
                None if at == 0 => {
                    draft.key = key::key_of(SCHEME, &decoded(word));
                    continue;
                }
                named => named.unwrap_or((word, "")),
            };
            let value = decoded(value);
            let all = || value.split(',').filter(|one| !one.is_empty());
            let fault = |wanted: &str| {
                Fault::new(spot.clone(), format!("`{name}` is `{}`", shown(&value))).hint(format!("wanted {wanted}"))
            };
            match name {
                "after" => draft.depends_on = all().map(|one| key::key_of(SCHEME, one)).collect(),
                "assignee" => draft.assignee = Some(value),
                "branch" => draft.branch = Some(value),
                // A comma in a label is encoded twice, so that it parts nothing.
                "labels" => draft.labels.extend(all().map(decoded)),
                "parent" => draft.parent = Some(key::key_of(SCHEME, &value)),
                "repo" => draft.repo = Some(value),
                "role" => draft.role = Some(value),
                "priority" => match draft::priority(&value) {
                    Some(priority) => draft.priority = Some(priority),
                    None => self.found.faults.push(fault(draft::PRIORITY_WANTED)),
                },
                "state" => match Status::read(&value) {
                    // Whoever ticked it says more than what was written before.
                    Some(_) if draft.status == Status::Completed => {}
                    Some(status) => draft.status = status,
                    None => self.found.faults.push(fault(&either(&Status::ALL.map(Status::word)))),
                },
                _ => {
                    let fault = Fault::new(spot.clone(), format!("a comment says `{}`", shown(word)));
                    self.found.faults.push(fault.hint(format!("wanted the key, or {} with `=`", either(WORDS))));
                }
            }
        }
    }
}

fn means(line: &str) -> bool {
    heading(line).is_some() || is_item(line) || is_nearly_item(line)
}

fn without_indent(line: &str, most: usize) -> &str {
    let blanks = line.len() - line.trim_start_matches(' ').len();
    &line[blanks.min(most)..]
}

/// The title, and what the comment at its end says, if it is one of ours.
fn title_and_comment(text: &str) -> (&str, Option<&str>) {
    let found = text.strip_suffix(COMMENT.1).and_then(|text| {
        let at = text.rfind(COMMENT.0)?;
        Some((text[..at].trim_end(), text[at + COMMENT.0.len()..].trim()))
    });
    match found {
        Some((title, comment)) => (title, Some(comment)),
        None => (text, None),
    }
}

/// A value as one word of a comment, which it cannot end.
fn encoded(value: &str) -> String {
    let mut encoded = String::with_capacity(value.len());
    for c in value.chars() {
        if c.is_alphanumeric() || "_.:/#@+~,".contains(c) || c == '-' && !encoded.ends_with('-') {
            encoded.push(c);
        } else {
            let mut bytes = [0; 4];
            c.encode_utf8(&mut bytes).bytes().for_each(|byte| encoded.push_str(&format!("%{byte:02X}")));
        }
    }
    encoded
}

fn decoded(word: &str) -> String {
    let bytes = word.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let digits = word.get(at + 1..at + 3).filter(|_| bytes[at] == b'%');
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                decoded.push(byte);
                at += 3;
            }
            None => {
                decoded.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

/// One list, with a heading wherever another section begins. An item stands below its parent where that is one of the
/// same section; elsewhere its comment names it.
pub(super) fn write(drafts: &[Draft]) -> String {
    let mut children: HashMap<&str, Vec<usize>> = HashMap::new();
    let at: HashMap<&str, usize> = drafts.iter().enumerate().map(|(at, draft)| (draft.key.as_str(), at)).collect();
    let parent_in_list = |draft: &Draft| {
        let parent = &drafts[*at.get(draft.parent.as_deref()?)?];
        (section(parent) == section(draft) && parent.key != draft.key).then_some(parent)
    };
    for (index, draft) in drafts.iter().enumerate() {
        if let Some(parent) = parent_in_list(draft) {
            children.entry(&parent.key).or_default().push(index);
        }
    }
    let mut text = String::from("# Tasks\n");
    let mut under: Option<Option<&str>> = None;
    let mut written: HashSet<usize> = HashSet::new();
    // Whoever has a parent in the list is written with it; what is left then is too deep, and begins anew.
    let roots = (0..drafts.len()).filter(|index| parent_in_list(&drafts[*index]).is_none());
    let mut all: Vec<usize> = roots.chain(0..drafts.len()).collect();
    // Nothing ends a section but the next one, so what is in none comes before all.
    all.sort_by_key(|index| section(&drafts[*index]).is_some());
    for root in all {
        if written.contains(&root) {
            continue;
        }
        let section = section(&drafts[root]);
        if under != Some(section) {
            under = Some(section);
            let heading = section.map(|section| format!("## {section}\n\n")).unwrap_or_default();
            text.push_str(&format!("\n{heading}"));
        }
        let mut open = vec![(root, 0)];
        while let Some((index, depth)) = open.pop() {
            if !written.insert(index) {
                continue;
            }
            let draft = &drafts[index];
            let is_below = depth > 0;
            text.push_str(&item_of(draft, depth, is_below));
            let parts = children.get(draft.key.as_str()).map(Vec::as_slice).unwrap_or_default();
            if depth + 1 < DEPTH_MAX {
                open.extend(parts.iter().rev().map(|part| (*part, depth + 1)));
            }
        }
    }
    text
}

/// The section that its label names, if it can be a heading.
fn section(draft: &Draft) -> Option<&str> {
    let mut sections = draft.label_of(SECTION).filter(|title| !title.is_empty() && title.trim() == *title);
    sections.next().filter(|_| sections.next().is_none())
}

fn item_of(draft: &Draft, depth: usize, is_below: bool) -> String {
    let indent = " ".repeat(depth * INDENT);
    let name = |key: &str| encoded(key::name_of(SCHEME, key));
    let mut words = vec![name(&draft.key)];
    let mut word = |name: &str, value: String| {
        if !value.is_empty() {
            words.push(format!("{name}={value}"));
        }
    };
    let some = |value: &Option<String>| value.as_deref().map(encoded).unwrap_or_default();
    word("after", draft.depends_on.iter().map(|key| name(key)).collect::<Vec<_>>().join(","));
    if !is_below {
        word("parent", draft.parent.as_deref().map(name).unwrap_or_default());
    }
    if !matches!(draft.status, Status::Open | Status::Completed) {
        word("state", draft.status.word().to_owned());
    }
    word("priority", draft.priority.map(|priority| priority.word().to_owned()).unwrap_or_default());
    word("role", some(&draft.role));
    word("assignee", some(&draft.assignee));
    word("repo", some(&draft.repo));
    word("branch", some(&draft.branch));
    let heading = section(draft).map(|section| format!("{SECTION}:{section}"));
    let labels = draft.labels.iter().filter(|label| Some(*label) != heading.as_ref());
    word("labels", labels.map(|label| encoded(&twice(label))).collect::<Vec<_>>().join(","));
    let mark = if draft.status == Status::Completed { 'x' } else { ' ' };
    let mut text = format!("{indent}- [{mark}] {} {} {} {}\n", draft.title, COMMENT.0, words.join(" "), COMMENT.1);
    if !draft.description.is_empty() {
        for line in markdown::escape(&draft.description, means).split('\n') {
            let gap = if line.is_empty() { 0 } else { (depth + 1) * INDENT };
            text.push_str(&format!("{}{line}\n", " ".repeat(gap)));
        }
    }
    text
}

/// What parts labels from each other, and what encodes it, in a label.
fn twice(label: &str) -> String {
    label.replace('%', "%25").replace(',', "%2C")
}
