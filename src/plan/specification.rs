//! Planner specifications: `# Task: TITLE`, bold fields, sections; one task a file, or several.

use crate::plan::Draft;
use crate::plan::Found;
use crate::plan::Status;
use crate::plan::Written;
use crate::plan::fault::Fault;
use crate::plan::fault::shown;
use crate::plan::key;
use crate::plan::page::Page;
use crate::plan::sheet;
use crate::plan::sheet::Form;
use crate::plan::sheet::Named;
use std::collections::HashSet;

pub const SCHEME: &str = "spec";
/// Far below what a file may be called, with room for a number.
const NAME_BYTES_MAX: usize = 120;
const HEADING: &str = "Task:";

const FORM: Form = Form { level: 1, scheme: SCHEME, entry: title, description_is_field: false };
/// Its status is told only where it is not the usual one.
const LEFT_OUT_WHILE_OPEN: &[&str] = &["status"];

fn title(heading: &str) -> Option<Named> {
    let begins = heading.get(..HEADING.len()).is_some_and(|start| start.eq_ignore_ascii_case(HEADING));
    begins.then(|| (None, heading[HEADING.len()..].trim().to_owned()))
}

pub(super) fn is_heading(heading: &str) -> bool {
    title(heading).is_some()
}

pub(super) fn read(pages: &[Page], found: &mut Found) {
    for page in pages {
        let (mut entries, outside) = sheet::read(&FORM, page, &mut found.faults);
        for outside in outside.iter().filter(|outside| !outside.text.trim().is_empty()) {
            let what = format!("`{}` belongs to no task", shown(outside.text.trim()));
            found.faults.push(Fault::new(page.at_line(outside.line), what).hint("wanted `# Task: TITLE` before it"));
        }
        if entries.is_empty() {
            let fault = Fault::new(page.at_line(1), "no task is told of here");
            found.faults.push(fault.hint("wanted a line `# Task: TITLE`"));
        }
        let is_alone = entries.len() == 1;
        for entry in entries.iter_mut().filter(|entry| entry.draft.key.is_empty()) {
            // The name of the file is what others wait for; where several share it, each goes by its title.
            let name = if is_alone { key::name(page.file.stem()) } else { key::slug(&entry.draft.title) };
            entry.draft.key = key::key_of(SCHEME, &name);
        }
        found.entries.append(&mut entries);
    }
}

/// All tasks in one text.
pub fn write_one(drafts: &[Draft]) -> String {
    drafts.iter().map(written).collect::<Vec<_>>().join("\n")
}

/// A file for each task, called by its key.
pub fn write_each(drafts: &[Draft]) -> Vec<Written> {
    let mut taken = HashSet::new();
    let mut file = |draft: &Draft| {
        let name = file_name(key::name_of(SCHEME, &draft.key));
        let mut free = format!("{name}.md");
        let mut number = 2;
        // Two keys may differ only in what no file name should have, or in the size of their letters.
        while !taken.insert(free.to_lowercase()) {
            free = format!("{name}-{number}.md");
            number += 1;
        }
        Written { name: free, text: written(draft) }
    };
    drafts.iter().map(&mut file).collect()
}

/// Of a key, what any system takes for the name of a file.
fn file_name(name: &str) -> String {
    let fitting: String =
        name.chars().map(|c| if c.is_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '-' }).collect();
    let fitting = fitting.trim_matches(['.', '-']);
    let end = (0..=NAME_BYTES_MAX.min(fitting.len())).rev().find(|at| fitting.is_char_boundary(*at)).unwrap_or(0);
    if end == 0 { "task".to_owned() } else { fitting[..end].to_owned() }
}

fn written(draft: &Draft) -> String {
    let left_out = if draft.status == Status::Open { LEFT_OUT_WHILE_OPEN } else { &[] };
    let fields = sheet::write_fields(&FORM, draft, left_out);
    format!("# {HEADING} {}\n\n{fields}{}", draft.title, sheet::write_parts(&FORM, draft))
}
