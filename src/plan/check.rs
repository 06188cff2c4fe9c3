//! What a plan must be as a whole before anything is made of it.

use crate::model::fields::Spot;
use crate::model::graph;
use crate::model::graph::Walk;
use crate::model::id::check_name;
use crate::model::nearest::nearest;
use crate::model::task::DEPENDENCIES_MAX;
use crate::model::task::LIST_MAX;
use crate::model::task::TEXT_BYTES_MAX;
use crate::model::task::TITLE_CHARS_MAX;
use crate::plan::Entry;
use crate::plan::bytes_of;
use crate::plan::draft::Draft;
use crate::plan::fault::Fault;
use crate::plan::fault::Faults;
use crate::plan::fault::shown;
use crate::plan::key;
use std::collections::BTreeSet;
use std::collections::HashMap;
use std::collections::HashSet;
use std::convert::Infallible;

/// As `push_tasks` takes them.
pub(super) const ITEM_CHARS_MAX: usize = 500;
pub(super) const LABEL_CHARS_MAX: usize = 64;
const ATTEMPTS_MAX: u32 = 100;
/// Of cycles, each is told with its path; whoever mends so many looks again anyway.
const CYCLES_TOLD_MAX: usize = 10;
/// Of a cycle's path.
const PATH_TOLD_MAX: usize = 12;
/// A tracker with more circles is told of the next one as of a fault.
const CUTS_MAX: usize = 100;
/// Of description and notes.
const BETWEEN_BYTES_MAX: usize = 100;
/// To compare a name with thousands takes its time, and who wrote ten wrong needs no help with the eleventh.
const NEAREST_TOLD_MAX: usize = 10;

/// What is asked of a plan besides that it makes sense in itself.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// The roles that there are; without them any will do.
    pub roles: Option<Vec<String>>,
    /// Must each task that is not over say when it is done?
    pub acceptance: bool,
    /// May two tasks that are not over have one title?
    pub same_titles: bool,
    /// Keys that may be depended on although they are not in the plan.
    pub known: HashSet<String>,
    /// The mark of the team whose store it is: which tasks that has is looked up there.
    pub team: Option<String>,
    /// May any key be? Then it is somebody else who knows which there are.
    pub any_references: bool,
}

impl Rules {
    fn knows(&self, key: &str) -> bool {
        self.known.contains(key) || (self.team.is_some() && key.starts_with(key::OF_TASKS))
    }
}

/// Holds all entries against the rules, and tells every breach. Of what could not be read in full no field is held against
/// anything: the rest is as wrong as it would be then.
pub(super) fn check(entries: &[Entry], rules: &Rules, is_whole: bool, faults: &mut Faults) {
    let mut check = Check { entries, faults, nearest_told: 0 };
    let by_key = check.keys();
    for entry in entries {
        if is_whole {
            check.fields(entry);
        }
        check.rules(entry, rules);
    }
    if !rules.same_titles {
        check.titles();
    }
    let needs = check.references(&by_key, rules);
    check.cycles(needs, "depends_on", "wait for each other", "take one of these dependencies out");
    let parents = entries.iter().map(|entry| entry.draft.parent.iter().filter_map(|key| by_key.get(&**key)).copied());
    let parents = parents.map(Iterator::collect).collect();
    check.cycles(parents, "parent", "are parts of each other", "let one of them have no parent");
}

/// For trackers, whose lists are made by others and told in part: what an entry waits for that is not there is left out,
/// and so is what closes a circle. Both are remarked.
pub(super) fn mend(entries: &mut [Entry], rules: &Rules, remarks: &mut Vec<Fault>) {
    let by_key: HashMap<String, usize> =
        entries.iter().enumerate().map(|(at, entry)| (entry.draft.key.clone(), at)).collect();
    let is_known = |key: &String| by_key.contains_key(key) || rules.knows(key);
    for entry in entries.iter_mut() {
        let draft = &mut entry.draft;
        let own = draft.key.clone();
        draft.depends_on.retain(|key| *key != own);
        let (known, gone): (Vec<_>, Vec<_>) = std::mem::take(&mut draft.depends_on).into_iter().partition(&is_known);
        draft.depends_on = known;
        let parent = draft.parent.take_if(|parent| *parent == own || !is_known(parent));
        for key in gone.iter().chain(&parent) {
            let what = format!("`{own}` names `{}`, which is not among them, and does without", shown(key));
            remarks.push(Fault::new(entry.place.spot.clone(), what));
        }
    }
    for _ in 0..CUTS_MAX {
        let needs_of = |at: usize| {
            let needs = entries[at].draft.depends_on.iter();
            Ok::<_, Infallible>(needs.filter_map(|key| by_key.get(key).copied()).collect())
        };
        let Ok(Walk::Cycle(path)) = graph::walk(0..entries.len(), needs_of) else { return };
        // The last step of the way is the one that leads back.
        let [.., last, back] = path[..] else { return };
        let (from, to) = (entries[last].draft.key.clone(), entries[back].draft.key.clone());
        let what = format!("`{from}` waits for `{to}`, which waits for it: it does without");
        remarks.push(Fault::new(entries[last].place.spot.clone(), what));
        entries[last].draft.depends_on.retain(|key| *key != to);
    }
}

struct Check<'a> {
    entries: &'a [Entry],
    faults: &'a mut Faults,
    nearest_told: usize,
}

impl<'a> Check<'a> {
    fn fault(&mut self, entry: &Entry, field: &str, what: impl std::fmt::Display, hint: &str) {
        // Whoever mends it looks for the word that stands there.
        let what =
            what.to_string().replacen(&format!("`{field}`"), &format!("`{}`", shown(entry.place.called(field))), 1);
        self.faults.push(Fault::new(entry.place.of(field), what).hint(hint));
    }

    fn keys(&mut self) -> HashMap<&'a str, usize> {
        let mut by_key: HashMap<&str, usize> = HashMap::with_capacity(self.entries.len());
        for (at, entry) in self.entries.iter().enumerate() {
            let name = entry.draft.key.as_str();
            if !key::is_key(name) {
                let what = format!("`{}` is no key", shown(name));
                self.fault(entry, "key", what, &format!("wanted {}", key::WANTED));
            } else if let Some(first) = by_key.get(name) {
                let first = told_from(&entry.place.spot, &self.entries[*first].place.spot);
                let name = key::short_beside(name, name);
                let what = format!("`{name}` stands here for the second time, the first is {first}");
                self.fault(entry, "key", what, "give each task a key of its own");
            } else {
                by_key.insert(name, at);
            }
        }
        by_key
    }

    /// What no store takes is told before anything is begun.
    fn fields(&mut self, entry: &Entry) {
        let draft = &entry.draft;
        let chars = draft.title.chars().count();
        if chars == 0 {
            self.fault(entry, "title", "the task has no title", "say in a line what is to be done");
        } else if chars > TITLE_CHARS_MAX {
            let what = format!("the title has {chars} characters; it may have {TITLE_CHARS_MAX}");
            self.fault(entry, "title", what, "put the rest into the description");
        }
        for (field, text) in [("title", &draft.title), ("summary", &draft.summary)] {
            self.no_controls(entry, field, text);
        }
        for (field, text) in [("description", &draft.description), ("notes", &draft.notes), ("summary", &draft.summary)]
        {
            let bytes = if field == "description" { draft.whole_description().len() } else { text.len() };
            if bytes > TEXT_BYTES_MAX {
                let what = format!("`{field}` has {bytes} bytes; it may have {TEXT_BYTES_MAX}");
                self.fault(entry, field, what, "write it to a file and name the file in `context_files`");
            }
            if field != "summary" {
                self.no_controls(entry, field, text);
            }
        }
        for (field, list, most) in [
            ("acceptance", &draft.acceptance, ITEM_CHARS_MAX),
            ("context_files", &draft.context_files, ITEM_CHARS_MAX),
            ("expected_outputs", &draft.expected_outputs, ITEM_CHARS_MAX),
            ("labels", &draft.labels, LABEL_CHARS_MAX),
            ("reserves", &draft.reserves, ITEM_CHARS_MAX),
        ] {
            if list.len() > LIST_MAX {
                let what = format!("`{field}` has {} entries; it may have {LIST_MAX}", list.len());
                self.fault(entry, field, what, "make two tasks of it");
            }
            for item in list {
                if item.chars().count() > most {
                    let what =
                        format!("an entry of `{field}` has {} characters: `{}`", item.chars().count(), shown(item));
                    self.fault(entry, field, what, &format!("it may have {most}"));
                }
                self.no_controls(entry, field, item);
            }
        }
        for (field, word) in [("repo", &draft.repo), ("branch", &draft.branch), ("chain_id", &draft.chain_id)] {
            let Some(word) = word else { continue };
            if word.chars().count() > ITEM_CHARS_MAX {
                let what = format!("`{field}` has {} characters; it may have {ITEM_CHARS_MAX}", word.chars().count());
                self.fault(entry, field, what, "shorten it");
            }
            self.no_controls(entry, field, word);
        }
        for (field, name) in [("role", &draft.role), ("assignee", &draft.assignee)] {
            let Some(name) = name else { continue };
            if let Err(error) =
                check_name(field, name.strip_prefix('@').filter(|_| field == "assignee").unwrap_or(name))
            {
                self.fault(entry, field, shown_whole(&error.message), &error.hint.unwrap_or_default());
            }
        }
        if draft.max_attempts.is_some_and(|attempts| !(1..=ATTEMPTS_MAX).contains(&attempts)) {
            self.fault(
                entry,
                "max_attempts",
                "`max_attempts` is out of bounds",
                &format!("wanted 1 to {ATTEMPTS_MAX}"),
            );
        }
        let metadata = draft.metadata.as_ref().map_or(0, bytes_of);
        if metadata > TEXT_BYTES_MAX {
            let what = format!("`metadata` has {metadata} bytes of JSON; it may have {TEXT_BYTES_MAX}");
            self.fault(entry, "metadata", what, "shorten it");
        }
        if draft.depends_on.len() > DEPENDENCIES_MAX {
            let what = format!("`depends_on` has {} entries; it may have {DEPENDENCIES_MAX}", draft.depends_on.len());
            self.fault(entry, "depends_on", what, "put a task between them");
        }
    }

    fn no_controls(&mut self, entry: &Entry, field: &str, text: &str) {
        let stray = |c: &char| c.is_control() && !matches!(c, '\n' | '\t');
        if let Some(c) = text.chars().find(stray) {
            self.fault(entry, field, format!("the character `{}` in `{field}`", c.escape_debug()), "take it out");
        }
    }

    fn rules(&mut self, entry: &Entry, rules: &Rules) {
        let draft = &entry.draft;
        if rules.acceptance && draft.acceptance.is_empty() && !draft.status.is_over() {
            let what = format!("`{}` does not say when it is done", shown(&draft.title));
            self.fault(entry, "acceptance", what, "give it acceptance criteria that can be checked");
        }
        let (Some(role), Some(roles)) = (&draft.role, &rules.roles) else { return };
        if roles.iter().any(|known| known.eq_ignore_ascii_case(role)) {
            return;
        }
        let all = roles.iter().map(|role| format!("`{role}`")).collect::<Vec<_>>().join(", ");
        let hint = match self.nearest(role, roles.iter().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`? There are {all}"),
            None => format!("there are {all}"),
        };
        self.fault(entry, "role", format!("there is no role `{}`", shown(role)), &hint);
    }

    /// Two tasks by one title are one task that was planned twice, or nobody can tell them apart.
    fn titles(&mut self) {
        let mut by_title: HashMap<String, &Entry> = HashMap::new();
        for entry in self.entries.iter().filter(|entry| !entry.draft.status.is_over()) {
            let title = entry.draft.title.to_lowercase();
            if title.is_empty() {
                continue;
            }
            if let Some(first) = by_title.get(&title) {
                let first = told_from(&entry.place.spot, &first.place.spot);
                let what = format!("`{}` is the title of two tasks, the first is {first}", shown(&entry.draft.title));
                self.fault(entry, "title", what, "say in each title what the other does not do");
            } else {
                by_title.insert(title, entry);
            }
        }
    }

    /// What each entry waits for, as far as it is in the plan.
    fn references(&mut self, by_key: &HashMap<&str, usize>, rules: &Rules) -> Vec<Vec<usize>> {
        let mut needs = Vec::with_capacity(self.entries.len());
        for entry in self.entries {
            let mut inside = Vec::new();
            for name in &entry.draft.depends_on {
                match by_key.get(name.as_str()) {
                    Some(at) => inside.push(*at),
                    None => self.unknown(entry, "depends_on", name, by_key, rules),
                }
            }
            if let Some(parent) = entry.draft.parent.as_ref().filter(|parent| !by_key.contains_key(parent.as_str())) {
                self.unknown(entry, "parent", parent, by_key, rules);
            }
            needs.push(inside);
        }
        needs
    }

    fn unknown(&mut self, entry: &Entry, field: &str, name: &str, by_key: &HashMap<&str, usize>, rules: &Rules) {
        if rules.any_references || rules.knows(name) {
            return;
        }
        let all = by_key.keys().copied().chain(rules.known.iter().map(String::as_str));
        let short = |key: &str| key::short_beside(&entry.draft.key, key).to_owned();
        let own = rules.team.as_deref().filter(|_| key::is_number(&short(name)));
        let hint = match (self.nearest(name, all), own) {
            (Some(near), _) => format!("did you mean `{}`?", short(near)),
            (None, Some(team)) => format!("the team's own task is `{}`", key::of_task(&short(name), team)),
            (None, None) => "name a task of this plan, or take it out".to_owned(),
        };
        self.fault(entry, field, format!("`{field}` names `{}`, which nothing is called", shown(&short(name))), &hint);
    }

    /// The same whatever order the candidates come in.
    fn nearest<'n>(&mut self, name: &str, candidates: impl Iterator<Item = &'n str>) -> Option<&'n str> {
        if self.nearest_told >= NEAREST_TOLD_MAX || self.faults.is_full() {
            return None;
        }
        self.nearest_told += 1;
        let may_be = BTreeSet::from_iter(candidates.filter(|candidate| is_alike(name, candidate)));
        nearest(name, may_be.into_iter())
    }

    /// Each cycle is told and then cut, so that the next one is found.
    fn cycles(&mut self, mut needs: Vec<Vec<usize>>, field: &str, what: &str, hint: &str) {
        for _ in 0..CYCLES_TOLD_MAX {
            let needs_of = |at: usize| Ok::<_, Infallible>(needs[at].clone());
            let Ok(Walk::Cycle(path)) = graph::walk(0..needs.len(), needs_of) else { return };
            let [first, second, ..] = path[..] else { return };
            let key = |at: &usize| self.entries[*at].draft.key.as_str();
            let told = path.iter().take(PATH_TOLD_MAX).map(|at| key::short_beside(key(&first), key(at)));
            let mut told: Vec<String> = told.map(str::to_owned).collect();
            if path.len() > PATH_TOLD_MAX {
                told.push(format!("… ({} in all)", path.len() - 1));
            }
            let what = format!("these tasks {what}: {}", told.join(" -> "));
            self.fault(&self.entries[first], field, what, hint);
            needs[first].retain(|need| *need != second);
        }
    }
}

/// Where another entry is, seen from here: the file only where it is another one.
fn told_from(here: &Spot, there: &Spot) -> String {
    if here.file == there.file { format!("line {}", there.line) } else { there.to_string() }
}

fn shown_whole(message: &str) -> String {
    message.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Could one be the other with a few letters changed? Asked of thousands, so that few are compared in full.
fn is_alike(one: &str, other: &str) -> bool {
    let most = (one.chars().count() / 3).max(1);
    if one.len().abs_diff(other.len()) > most * 4 {
        return false;
    }
    let mut letters = [0i16; 64];
    one.bytes().for_each(|byte| letters[usize::from(byte.to_ascii_lowercase() & 63)] += 1);
    other.bytes().for_each(|byte| letters[usize::from(byte.to_ascii_lowercase() & 63)] -= 1);
    letters.iter().map(|count| usize::from(count.unsigned_abs())).sum::<usize>() <= most * 8
}

/// For readers of what others wrote: a label as tasks may have it.
pub(super) fn fitting_label(label: &str) -> String {
    crate::plan::draft::one_line(label).chars().filter(|c| !c.is_control()).take(LABEL_CHARS_MAX).collect()
}

/// For readers of what others wrote, who cannot be asked to mend it: what no task takes is taken out. True if
/// something was cut off.
pub(super) fn make_fit(draft: &mut Draft) -> bool {
    let stray = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
    let mut cut = false;
    let mut within = |text: &mut String, bytes: usize| {
        if text.len() > bytes {
            let end = (0..=bytes).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
            text.truncate(end);
            cut = true;
        }
    };
    for text in [&mut draft.title, &mut draft.description, &mut draft.notes, &mut draft.summary] {
        *text = text.replace("\r\n", "\n");
        if text.contains(stray) {
            *text = text.replace(stray, "\u{fffd}");
        }
    }
    // The two are one text, with a heading between them.
    within(&mut draft.notes, TEXT_BYTES_MAX / 4);
    within(&mut draft.description, TEXT_BYTES_MAX - draft.notes.len() - BETWEEN_BYTES_MAX);
    within(&mut draft.summary, TEXT_BYTES_MAX);
    if let Some((end, _)) = draft.title.char_indices().nth(TITLE_CHARS_MAX) {
        within(&mut draft.title, end);
    }
    draft.labels = draft.labels.iter().map(|label| fitting_label(label)).collect();
    draft.labels.truncate(LIST_MAX);
    cut
}
