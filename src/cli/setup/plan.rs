//! What is to become of each file, decided before any is touched; then all of them are written, or none.

use crate::cli::setup::diff;
use crate::cli::setup::files;
use crate::cli::setup::files::ClientLock;
use crate::cli::setup::files::Found;
use crate::cli::setup::files::Prepared;
use crate::cli::setup::files::Privacy;
use crate::cli::setup::files::Refusal;
use crate::cli::setup::merge;
use crate::cli::setup::merge::Change;
use crate::cli::setup::merge::Merged;
use crate::cli::setup::places;
use crate::cli::setup::places::Target;
use crate::cli::setup::record::Record;
use crate::cli::setup::record::Records;
use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::model::json::Fault;
use std::path::Path;
use std::path::PathBuf;

/// A file that says nothing.
const NOTHING: &str = "{}\n";

/// One file: how it was found, and what it is to be.
pub(super) struct Planned {
    found: Found,
    /// Nothing for a file that is not to be.
    to: Option<String>,
    pub(super) changes: Vec<Change>,
    pub(super) notes: Vec<String>,
    privacy: Privacy,
    /// Directories to make for it, or to take back with it.
    dirs: Vec<PathBuf>,
    keeping: Keeping,
    lock: Option<PathBuf>,
}

/// What becomes of the record.
enum Keeping {
    AsItIs,
    Put(Record),
    /// Of whom it is.
    Remove(String),
}

impl Planned {
    pub(super) fn path(&self) -> &Path {
        &self.found.path
    }

    pub(super) fn is_change(&self) -> bool {
        self.to != self.found.text
    }

    /// In the words of the answer.
    pub(super) fn word(&self) -> &'static str {
        match (&self.found.text, &self.to) {
            _ if !self.is_change() => "unchanged",
            (None, _) => "created",
            (_, None) => "removed",
            _ => "changed",
        }
    }

    pub(super) fn diff(&self) -> String {
        if !self.is_change() {
            return String::new();
        }
        let path = self.path().to_string_lossy();
        diff::unified(&path, self.found.text.is_some(), self.to.is_some(), &self.changes)
    }

    /// Is there anything to write, be it only to forget a record or to clear up after a setup that was killed?
    fn is_work(&self) -> bool {
        self.is_change() || matches!(self.keeping, Keeping::Remove(_)) || !self.found.leftovers().is_empty()
    }
}

/// Every target as it is wanted.
pub(super) fn apply(targets: &[Target], records: &Records) -> Result<Vec<Planned>> {
    targets.iter().map(|target| apply_one(target, records)).collect()
}

fn apply_one(target: &Target, records: &Records) -> Result<Planned> {
    let (found, mut notes) = read(target)?;
    let faulty = |fault| refused(&found, &fault);
    let merged = merge::merge(readable(&found, target), &target.parts).map_err(faulty)?;
    notes.extend(merged.notes);
    let dirs = files::missing_dirs(&found.path);
    if merged.changes.is_empty() {
        let to = found.text.clone();
        let keeping = Keeping::AsItIs;
        return Ok(Planned {
            found,
            to,
            changes: Vec::new(),
            notes,
            privacy: target.privacy,
            dirs,
            keeping,
            lock: target.lock.clone(),
        });
    }
    let record = match (records.get(&found.path, &target.whose), &found.text) {
        (Some(record), Some(text)) if record.is_ours(text) => record,
        // Somebody wrote since we did: what they wrote stays, what was ours is not what was there before us.
        (Some(record), Some(_)) => {
            let stripped = without_ours(&found, target, Some(&record)).map_err(faulty)?;
            Record::new(&found.path, &target.whose, kept(stripped.text, Some(&record)), record.dirs)
        }
        (Some(record), None) => {
            // A setup that was killed may have made some of them. Sorted, a directory stands before what is in it.
            let mut dirs: Vec<PathBuf> = record.dirs.iter().chain(&dirs).cloned().collect();
            dirs.sort();
            dirs.dedup();
            Record::new(&found.path, &target.whose, None, dirs)
        }
        (None, text) => Record::new(&found.path, &target.whose, text.clone(), dirs.clone()),
    };
    Ok(Planned {
        keeping: Keeping::Put(record.with(&merged.text)),
        to: Some(merged.text),
        changes: merged.changes,
        notes,
        privacy: target.privacy,
        dirs,
        found,
        lock: target.lock.clone(),
    })
}

/// Every target as it was before us.
pub(super) fn undo(targets: &[Target], records: &Records) -> Result<Vec<Planned>> {
    targets.iter().map(|target| undo_one(target, records)).collect()
}

fn undo_one(target: &Target, records: &Records) -> Result<Planned> {
    let (found, notes) = read(target)?;
    let record = records.get(&found.path, &target.whose);
    let mut changes = Vec::new();
    let to = match &found.text {
        None => None,
        Some(text) => {
            let stripped = without_ours(&found, target, record.as_ref()).map_err(|fault| refused(&found, &fault))?;
            changes = stripped.changes;
            match &record {
                Some(record) if record.is_ours(text) => record.original.clone(),
                _ if changes.is_empty() => Some(text.clone()),
                record => kept(stripped.text, record.as_ref()),
            }
        }
    };
    let keeping = if record.is_some() { Keeping::Remove(target.whose.clone()) } else { Keeping::AsItIs };
    let dirs = record.map(|record| record.dirs).unwrap_or_default();
    Ok(Planned { found, to, changes, notes, privacy: target.privacy, dirs, keeping, lock: target.lock.clone() })
}

fn without_ours(found: &Found, target: &Target, record: Option<&Record>) -> Result<Merged, Fault> {
    let original = record.and_then(|record| record.original.as_deref());
    merge::strip(readable(found, target), &target.parts, original)
}

/// What is left of a file that we made, if anything.
fn kept(text: String, record: Option<&Record>) -> Option<String> {
    let is_ours_alone = record.is_some_and(|record| record.original.is_none());
    let is_empty = serde_json::from_str(&text).is_ok_and(|left: serde_json::Map<_, serde_json::Value>| left.is_empty());
    (!(is_ours_alone && is_empty)).then_some(text)
}

fn read(target: &Target) -> Result<(Found, Vec<String>)> {
    let found = files::read(&target.path)?;
    places::text(&found.path)?;
    let mut notes = Vec::new();
    let shown = target.path.display();
    if target.within.as_ref().is_some_and(|dir| !found.path.starts_with(dir)) {
        notes.push(format!("`{shown}` is a link that leads out of the project, to `{}`", found.path.display()));
    }
    if found.has_other_names {
        notes.push(format!("`{shown}` has another name (a hard link), under which the old text stays"));
    }
    Ok((found, notes))
}

fn readable<'a>(found: &'a Found, target: &Target) -> &'a str {
    match &found.text {
        None => NOTHING,
        Some(text) if text.is_empty() && target.may_be_empty => NOTHING,
        Some(text) => text,
    }
}

fn refused(found: &Found, fault: &Fault) -> Error {
    let (line, column) = fault.place(found.text.as_deref().unwrap_or_default());
    files::not_readable(&found.path, line, column, &fault.what)
}

/// How often files are read anew when somebody writes to them at the same time.
const ATTEMPTS: usize = 2;

/// Plans, and writes what was planned. What is written is what is answered.
pub(super) fn carry_out(plan: impl Fn(&Records) -> Result<Vec<Planned>>, records: &Records) -> Result<Vec<Planned>> {
    // A setup with nothing to do leaves no trace of its own.
    let planned = plan(records)?;
    if !planned.iter().any(Planned::is_work) {
        return Ok(planned);
    }
    let _lock = records.lock()?;
    for _ in 0..ATTEMPTS {
        let planned = plan(records)?;
        match write(&planned, records) {
            Ok(()) => return Ok(planned),
            Err(Refusal::Failed(error)) => return Err(error),
            Err(Refusal::Changed) => {}
        }
    }
    Err(Error::new(Kind::Conflict, "another program writes to these files right now, so nothing was written")
        .hint("end Claude, and repeat this"))
}

fn write(planned: &[Planned], records: &Records) -> Result<(), Refusal> {
    planned.iter().for_each(|file| file.found.sweep());
    let work: Vec<&Planned> = planned.iter().filter(|file| file.is_change()).collect();
    let mut done = Vec::new();
    let written = write_all(&work, records, &mut done);
    if let Err(refusal) = written {
        for file in done.iter().rev() {
            put_back(file);
        }
        for file in work.iter().filter(|file| file.found.text.is_none()) {
            files::remove_dirs(&file.dirs);
        }
        return Err(refusal);
    }
    for file in planned {
        if let Keeping::Remove(whose) = &file.keeping {
            // Also where the file is gone already, as after an undo that was killed.
            if file.to.is_none() {
                files::remove_dirs(&file.dirs);
            }
            records.remove(file.path(), whose);
        }
    }
    Ok(())
}

/// All that can fail for want of room or permission comes before the first file takes its place.
fn write_all<'a>(work: &[&'a Planned], records: &Records, done: &mut Vec<&'a Planned>) -> Result<(), Refusal> {
    // Before anything is made that nobody would know to be ours, were this to end here.
    for file in work {
        if let Keeping::Put(record) = &file.keeping {
            records.put(record).map_err(Refusal::Failed)?;
        }
    }
    let mut prepared: Vec<Prepared> = Vec::new();
    for file in work {
        if file.to.is_some() {
            files::make_dirs(&file.dirs, file.privacy).map_err(Refusal::Failed)?;
        }
        prepared.push(file.found.prepare(file.to.as_deref(), file.privacy).map_err(Refusal::Failed)?);
    }
    let _locks: Vec<ClientLock> = work.iter().filter_map(|file| file.lock.clone()).map(ClientLock::take).collect();
    for (prepared, file) in prepared.into_iter().zip(work) {
        prepared.commit()?;
        done.push(file);
    }
    Ok(())
}

/// One file could not be written, so the ones before it are as they were. If this fails too, the record still has it.
fn put_back(file: &Planned) {
    let restored = files::read(&file.found.path).and_then(|now| {
        if now.text != file.to {
            return Ok(());
        }
        let prepared = now.prepare(file.found.text.as_deref(), file.privacy)?;
        prepared.commit().map_err(|refusal| match refusal {
            Refusal::Failed(error) => error,
            Refusal::Changed => Error::new(Kind::Conflict, "it changed meanwhile"),
        })
    });
    if let Err(error) = restored {
        tracing::error!("`{}` could not be put back: {error}; `--undo` does it", file.found.path.display());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::setup::wanted::Calling;
    use crate::cli::setup::wanted::Part;
    use std::cell::Cell;
    use std::fs;

    struct Home {
        dir: tempfile::TempDir,
        records: Records,
    }

    impl Home {
        fn new() -> Home {
            let dir = tempfile::tempdir().expect("a directory");
            let records = Records::at(dir.path().join("records"));
            let home = Home { dir, records };
            home.write("first", "{\"a\": 1e400}");
            home
        }

        fn path(&self, name: &str) -> PathBuf {
            self.dir.path().join(name)
        }

        fn write(&self, name: &str, text: &str) {
            fs::write(self.path(name), text).expect("written");
        }

        fn text(&self, name: &str) -> Option<String> {
            fs::read_to_string(self.path(name)).ok()
        }

        /// One that exists and one that does not.
        fn targets(&self) -> Vec<Target> {
            let calling = Calling { program: "/opt/orch-mcp".to_owned(), ..Calling::default() };
            let target = |name: &str, part: Part| Target {
                path: self.path(name),
                parts: vec![part],
                privacy: Privacy::Own,
                may_be_empty: true,
                within: None,
                lock: None,
                whose: "user".to_owned(),
            };
            vec![target("first", calling.server(&["mcpServers"])), target("deep/second", Part::Permission)]
        }

        fn set_up(&self) -> Result<Vec<Planned>> {
            carry_out(|records| apply(&self.targets(), records), &self.records)
        }

        fn undo(&self) -> Vec<&'static str> {
            let undone = carry_out(|records| undo(&self.targets(), records), &self.records).expect("undone");
            undone.iter().map(Planned::word).collect()
        }
    }

    #[test]
    fn when_one_file_cannot_be_written_the_others_are_as_they_were() {
        let home = Home::new();
        let targets = home.targets();
        let planned = apply(&targets, &home.records).expect("planned");
        let _lock = home.records.lock().expect("ours");
        fs::create_dir(home.path("deep")).expect("made");
        home.write("deep/second", "{\"theirs\": true}");
        assert!(matches!(write(&planned, &home.records), Err(Refusal::Changed)));
        assert_eq!(home.text("first").as_deref(), Some("{\"a\": 1e400}"));
        assert_eq!(home.text("deep/second").as_deref(), Some("{\"theirs\": true}"));
        let left = fs::read_dir(home.dir.path()).expect("read").count();
        assert_eq!(left, 3, "first, deep and records");
    }

    #[test]
    fn a_file_that_somebody_writes_meanwhile_is_read_once_more_and_then_left_alone() {
        let home = Home::new();
        let calls = Cell::new(0);
        let plan = |until: u32| {
            let (home, calls) = (&home, &calls);
            move |records: &Records| {
                let planned = apply(&home.targets(), records);
                calls.set(calls.get() + 1);
                if calls.get() <= until {
                    home.write("first", &format!("{{\"their\": {}}}", calls.get()));
                }
                planned
            }
        };
        let error = carry_out(plan(3), &home.records).map(|_| ()).expect_err("they never stop");
        assert_eq!(error.kind, Kind::Conflict);
        assert_eq!(home.text("first").as_deref(), Some("{\"their\": 3}"));
        assert!(!home.path("deep").exists(), "what we made is gone");

        calls.set(0);
        carry_out(plan(2), &home.records).expect("they stopped");
        assert!(home.text("first").is_some_and(|text| text.starts_with("{\"their\": 2, \"mcpServers\"")));
        assert_eq!(home.undo(), ["changed", "removed"]);
        assert_eq!(home.text("first").as_deref(), Some("{\"their\": 2}"));
        assert!(!home.path("deep").exists());
    }

    #[test]
    fn what_others_wrote_after_us_outlives_a_second_setup_and_the_undo() {
        let home = Home::new();
        home.set_up().expect("written");
        let ours = home.text("first").expect("there");
        home.write("first", &ours.replace("1e400", "2").replace("/opt/", "/old/"));
        home.set_up().expect("written again");
        assert_eq!(home.undo(), ["changed", "removed"]);
        assert_eq!(home.text("first").as_deref(), Some("{\"a\": 2}"), "and nothing of ours comes back");
    }

    #[test]
    fn a_setup_that_died_between_its_record_and_its_file_is_as_if_it_had_not_been() {
        let home = Home::new();
        home.set_up().expect("written");
        let ours = home.text("first").expect("there");
        let record = home.records.get(&files::read(&home.path("first")).expect("read").path, "user").expect("kept");
        home.records.put(&record.with("{\"never\": \"written\"}")).expect("put");
        home.set_up().expect("in place");
        assert_eq!(home.text("first"), Some(ours));
        assert_eq!(home.undo(), ["changed", "removed"]);
        assert_eq!(home.text("first").as_deref(), Some("{\"a\": 1e400}"));
        assert_eq!(home.undo(), ["unchanged", "unchanged"]);
    }

    #[test]
    fn an_undo_clears_up_after_what_was_killed() {
        let home = Home::new();
        let planned = apply(&home.targets(), &home.records).expect("planned");
        // Killed before the first file took its place.
        let lock = home.records.lock().expect("ours");
        for file in &planned {
            if let Keeping::Put(record) = &file.keeping {
                home.records.put(record).unwrap_or_else(|error| panic!("{error}"));
            }
            files::make_dirs(&file.dirs, file.privacy).expect("made");
        }
        drop(lock);
        home.write(".first.orch-mcp-0123456789abcdef", "half");
        home.write("deep/.second.orch-mcp-0123456789abcdef", "half");
        assert_eq!(home.undo(), ["unchanged", "unchanged"]);
        assert!(!home.path(".first.orch-mcp-0123456789abcdef").exists() && !home.path("deep").exists());
        home.write(".first.orch-mcp-0123456789abcdef", "half");
        home.set_up().expect("written");
        home.write(".first.orch-mcp-0123456789abcdef", "half");
        home.set_up().expect("in place");
        assert!(!home.path(".first.orch-mcp-0123456789abcdef").exists());
        assert_eq!(home.undo(), ["changed", "removed"]);

        // Killed once more, and then one that was not.
        let planned = apply(&home.targets(), &home.records).expect("planned");
        for file in &planned {
            if let Keeping::Put(record) = &file.keeping {
                home.records.put(record).unwrap_or_else(|error| panic!("{error}"));
            }
            files::make_dirs(&file.dirs, file.privacy).expect("made");
        }
        home.set_up().expect("written");
        assert_eq!(home.undo(), ["changed", "removed"]);
        assert!(!home.path("deep").exists());
    }

    #[test]
    fn an_undo_without_a_record_takes_out_what_is_ours() {
        let home = Home::new();
        home.set_up().expect("written");
        fs::remove_dir_all(home.path("records")).expect("lost");
        assert_eq!(home.undo(), ["changed", "changed"]);
        assert_eq!(home.text("first").as_deref(), Some("{\"a\": 1e400}"));
        assert_eq!(home.text("deep/second").as_deref(), Some("{}\n"), "nobody knows any more that it is ours");
        assert!(!home.path("records/lock").exists() || home.undo() == ["unchanged", "unchanged"]);
    }

    #[test]
    fn no_file_is_touched_when_one_cannot_be_read() {
        let home = Home::new();
        fs::create_dir(home.path("deep")).expect("made");
        home.write("deep/second", "{\n // mine\n}");
        let error = home.set_up().map(|_| ()).expect_err("a comment");
        assert_eq!(error.kind, Kind::Invalid);
        assert!(error.message.contains("deep/second`, line 2, column 2: a comment"), "{error}");
        assert_eq!(home.text("first").as_deref(), Some("{\"a\": 1e400}"));
        assert!(!home.path("records").exists());
    }
}
