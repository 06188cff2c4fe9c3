//! Whose task an entry of a file means. A key is a name within the file that gave it: what another file calls so may be
//! another task, and none is changed by a file of which nobody knows that it means it.

use crate::error::Result;
use crate::model::fields::Spot;
use crate::model::id::TaskId;
use crate::model::task::Task;
use crate::ops::import::BOARDS;
use crate::ops::import::names::task_of;
use crate::plan::Draft;
use crate::plan::Entry;
use crate::plan::Fault;
use crate::plan::Kind;
use crate::plan::beads;
use crate::plan::board;
use crate::plan::checklist;
use crate::plan::fault::shown;
use crate::plan::key;
use crate::store::Tx;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use std::collections::HashMap;
use std::collections::HashSet;

/// What whoever imports says of names that another file gave to tasks.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Meant {
    /// They are these tasks.
    Same,
    /// They are other tasks, which are not there yet.
    New,
}

/// Whose task an entry means.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Whose {
    /// That of its own file, or one that goes by this key wherever it is told of.
    Certain,
    /// One of this name is of another file, by what it is called there; nothing says yet that it is the same.
    Elsewhere(String),
}

pub(super) struct Naming<'a> {
    pub(super) meant: Option<Meant>,
    pub(super) sources: &'a [String],
}

impl Naming<'_> {
    /// Gives each entry the key of the task that it means, as far as that can be known from names.
    pub(super) fn name(&self, entries: &mut [Entry], tx: &mut dyn Tx) -> Result<Result<Vec<Whose>, Vec<Fault>>> {
        let mark = tx.team_mark()?;
        let mut taken: HashSet<String> = entries.iter().map(|entry| entry.draft.key.clone()).collect();
        let mut keys: HashMap<String, String> = HashMap::with_capacity(entries.len());
        let (mut whose, mut faults) = (Vec::with_capacity(entries.len()), Vec::new());
        for (entry, source) in entries.iter().zip(self.sources) {
            let name = &entry.draft.key;
            if let Some(fault) = misnamed(name, "key", entry, &mark, tx)? {
                faults.push(fault);
                continue;
            }
            for (field, reference) in references(entry).filter(|(_, reference)| !taken.contains(*reference)) {
                faults.extend(misnamed(reference, field, entry, &mark, tx)?);
            }
            let (key, is) = self.meaning(name, source, &mut taken, tx)?;
            if key != *name {
                keys.insert(name.clone(), key);
            }
            whose.push(is);
        }
        if !faults.is_empty() {
            return Ok(Err(faults));
        }
        for (entry, source) in entries.iter_mut().zip(self.sources) {
            let draft = &mut entry.draft;
            for reference in draft.depends_on.iter_mut().chain(&mut draft.parent) {
                if let Some(key) = keys.get(reference) {
                    reference.clone_from(key);
                } else if !taken.contains(reference)
                    && let Some(key) = beside(source, reference, tx)?
                {
                    *reference = key;
                }
            }
            draft.depends_on.sort();
            if let Some(key) = keys.get(&draft.key) {
                draft.key.clone_from(key);
            }
        }
        Ok(Ok(whose))
    }

    fn meaning(
        &self,
        name: &str,
        source: &str,
        taken: &mut HashSet<String>,
        tx: &mut dyn Tx,
    ) -> Result<(String, Whose)> {
        if key::is_everywhere(name) {
            return Ok((name.to_owned(), Whose::Certain));
        }
        let mut told = tx.keys_told_by(source, name)?;
        told.retain(|key| key == name || !taken.contains(key));
        if let Some(key) = of_name(name, &told) {
            // What comes through a pipe has no place by which it would be known again.
            let is = if source.is_empty() { Whose::Elsewhere(home_of(&key, tx)?) } else { Whose::Certain };
            return Ok(match (is, self.meant) {
                (Whose::Elsewhere(_), Some(Meant::Same)) => (key, Whose::Certain),
                (Whose::Elsewhere(_), Some(Meant::New)) => (free(name, taken, tx)?, Whose::Certain),
                (is, _) => (key, is),
            });
        }
        if tx.task_of_key(name)?.is_none() {
            return Ok((name.to_owned(), Whose::Certain));
        }
        Ok(match self.meant {
            Some(Meant::Same) => (name.to_owned(), Whose::Certain),
            Some(Meant::New) => (free(name, taken, tx)?, Whose::Certain),
            None => (name.to_owned(), Whose::Elsewhere(home_of(name, tx)?)),
        })
    }
}

fn home_of(key: &str, tx: &mut dyn Tx) -> Result<String> {
    Ok(tx.source_of_key(key)?.unwrap_or_default())
}

/// Of these keys the one that was made of the name.
fn of_name(name: &str, keys: &[String]) -> Option<String> {
    let is_numbered = |key: &&String| {
        let number = key.strip_prefix(name).and_then(|rest| rest.strip_prefix(NUMBERED));
        number.is_some_and(|number| !number.is_empty() && number.chars().all(|c| c.is_ascii_digit()))
    };
    keys.iter().find(|key| *key == name).or_else(|| keys.iter().find(is_numbered)).cloned()
}

/// Before the number of a task whose name another one has already.
const NUMBERED: char = '~';

fn free(name: &str, taken: &mut HashSet<String>, tx: &mut dyn Tx) -> Result<String> {
    let mut number = 2;
    loop {
        let key = format!("{name}{NUMBERED}{number}");
        if tx.task_of_key(&key)?.is_none() && taken.insert(key.clone()) {
            return Ok(key);
        }
        number += 1;
    }
}

/// What a file means that names a task of which it does not tell itself: that of a file in the same folder before all others.
fn beside(source: &str, name: &str, tx: &mut dyn Tx) -> Result<Option<String>> {
    if let found @ Some(_) = of_name(name, &tx.keys_told_by(source, name)?) {
        return Ok(found);
    }
    // A board is called by its folder.
    let folder = source.strip_prefix(BOARDS).or_else(|| source.rsplit_once('/').map(|(folder, _)| folder));
    Ok(match folder {
        Some(folder) => of_name(name, &tx.keys_told_in(folder, name)?),
        None => None,
    })
}

/// What looks like the key of a team's task and is none: nobody takes such a name before there is the task, nor waits for what
/// nobody knows. `field` is where it stands: it is the entry's own in `key`.
fn misnamed(name: &str, field: &str, entry: &Entry, mark: &str, tx: &mut dyn Tx) -> Result<Option<Fault>> {
    let fault = |what: String, hint: String| Some(Fault::new(entry.place.of(field), what).hint(hint));
    let Some(rest) = name.strip_prefix(key::OF_TASKS) else { return Ok(None) };
    let Some((number, team)) = key::task_of(name) else {
        let what = format!("`{}` does not say of which team the task is", shown(name));
        return Ok(fault(what, format!("here `export` calls it `{}`", key::of_task(rest, mark))));
    };
    let (is_ours, is_own) = (team == mark, field == "key");
    if task_of(name, tx)?.is_some() || (is_own && !is_ours) {
        return Ok(None);
    }
    let task: Option<TaskId> = number.parse().ok().filter(|task: &TaskId| is_ours && task.short() == number);
    let key = task.map(|task| tx.key_of_task(task)).transpose()?.flatten();
    let hint = if is_own { "give what is new a key of its own" } else { "name a task that is there, or take it out" };
    Ok(match key {
        Some(key) => fault(format!("`{number}` is called `{key}` here"), "call it so".to_owned()),
        None => fault(format!("there is no `{}` here", shown(if is_ours { number } else { name })), hint.to_owned()),
    })
}

/// The tasks that an entry names, each with the field that does.
fn references(entry: &Entry) -> impl Iterator<Item = (&'static str, &String)> {
    let Draft { depends_on, parent, .. } = &entry.draft;
    depends_on.iter().map(|key| ("depends_on", key)).chain(parent.iter().map(|key| ("parent", key)))
}

/// That a name of another file means the task that it meant there.
pub(super) enum Proof {
    None,
    /// Both say the same: there is nothing to do, and nothing to remember, as long as the other is there.
    SaysTheSame,
    /// It is that file, which is called otherwise now; or a pipe that said it before.
    IsThatFile,
    /// It names the task outright.
    NamesIt,
}

pub(super) fn proof(kind: Kind, source: &str, home: &str, gone: &[String], of: &Entry, alike: Alike) -> Proof {
    let is_there_no_more =
        home.is_empty() || source.is_empty() && alike.is_told_here || gone.iter().any(|gone| gone == home);
    let scheme = |scheme: &str| of.draft.key.strip_prefix(scheme).is_some_and(|rest| rest.starts_with(':'));
    // What a check list calls a task is its title, so that through a pipe it shows nothing.
    let has_title = alike.has_title && !(source.is_empty() && scheme(checklist::SCHEME));
    match () {
        () if is_there_no_more && (alike.says_the_same || has_title) => Proof::IsThatFile,
        // A board is written by us, and who writes `[spec:lexer]` there means that one.
        () if alike.says_the_same && kind == Kind::Board && !scheme(board::SCHEME) => Proof::NamesIt,
        () if alike.says_the_same => Proof::SaysTheSame,
        // Trackers number their issues, and put them out into a new file each time.
        () if alike.has_title && scheme(beads::SCHEME) => Proof::NamesIt,
        () => Proof::None,
    }
}

/// How an entry and the task that may be meant are alike.
#[derive(Clone, Copy)]
pub(super) struct Alike {
    pub(super) says_the_same: bool,
    pub(super) has_title: bool,
    /// Did this very source tell of it?
    pub(super) is_told_here: bool,
}

/// Why nothing is imported, with both files and how to go on.
pub(super) fn doubt(entry: &Entry, home: &str, task: &Task) -> Fault {
    let name = key::bare(&entry.draft.key);
    let what =
        format!("`{name}` is {} already, `{}`, as {} calls it", task.id.short(), shown(&task.title), called(home));
    Fault::new(entry.place.spot.clone(), what).hint(HOW_TO_SAY)
}

const HOW_TO_SAY: &str = "if this is the same task, say so with `orch-mcp import --same`; if it is another one, with \
                          `orch-mcp import --new`, or give it a key of its own";

/// That nothing was made of what two files tell alike.
pub(super) fn copied(file: &str, home: &str, count: usize) -> Fault {
    let of_them = if count == 1 { "one of its tasks is".to_owned() } else { format!("{count} of its tasks are") };
    let what = format!("{of_them} told by {} in the same words", called(home));
    Fault::new(Spot::new(file, 1), what).hint("`orch-mcp import --new` makes others of them")
}

fn called(source: &str) -> String {
    match (source, source.strip_prefix(BOARDS)) {
        ("", _) => "standard input".to_owned(),
        (_, Some(folder)) => format!("a board in `{}`", shown(folder)),
        _ => format!("`{}`", shown(source)),
    }
}
