//! What happened on a disk, in its true order, and what a power cut at any moment leaves of it.

use crate::support::dice::Dice;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// What a disk writes whole or not at all.
const SECTOR: usize = 512;

/// A file of its own: one that is deleted and made again is another one.
pub type FileNumber = usize;

/// One thing that happened, in the order of the log.
#[derive(Clone, Debug)]
pub enum Act {
    Created {
        file: FileNumber,
        name: String,
    },
    Wrote {
        file: FileNumber,
        at: usize,
        bytes: Vec<u8>,
    },
    Truncated {
        file: FileNumber,
        to: usize,
    },
    /// What was written before the act at which it began is durable from here on; what came after may be.
    SyncEnded {
        file: FileNumber,
        began: usize,
        with_names: bool,
    },
    Deleted {
        name: String,
        durably: bool,
    },
    /// Somebody was told that this is durable.
    Acknowledged(String),
}

/// What happened on a disk, and what is left of it after a power cut.
pub struct Record(pub(super) Vec<Act>);

impl Record {
    pub fn acts(&self) -> &[Act] {
        &self.0
    }

    /// For each of the moments, given in rising order as numbers of acts: the files that a power cut there may leave
    /// behind, and what had been acknowledged.
    pub fn cuts<'a>(&'a self, moments: &'a [usize], dice: &'a mut Dice) -> impl Iterator<Item = Left> + 'a {
        let mut remains = Remains::default();
        let mut next = 0;
        let mut acknowledged = Vec::new();
        moments.iter().map(move |moment| {
            while next < *moment {
                let act = &self.0[next];
                match act {
                    Act::Acknowledged(what) => acknowledged.push(what.clone()),
                    act => remains.take(next, act),
                }
                next += 1;
            }
            Left { moment: *moment, files: remains.after_a_cut(dice), acknowledged: acknowledged.clone() }
        })
    }
}

/// What a power cut left.
pub struct Left {
    pub moment: usize,
    pub files: BTreeMap<String, Vec<u8>>,
    pub acknowledged: Vec<String>,
}

impl Left {
    pub fn put_into(&self, dir: &Path) {
        for (name, bytes) in &self.files {
            fs::write(dir.join(name), bytes).unwrap();
        }
    }
}

#[derive(Default)]
struct Remains<'a> {
    /// What is durable for certain.
    contents: BTreeMap<FileNumber, Vec<u8>>,
    names: BTreeMap<String, FileNumber>,
    /// What was done to files and to names and may be lost, with its place in the log.
    pending: BTreeMap<FileNumber, Vec<(usize, &'a Act)>>,
    pending_names: Vec<(usize, &'a Act)>,
}

impl<'a> Remains<'a> {
    fn take(&mut self, number: usize, act: &'a Act) {
        match act {
            Act::Wrote { file, .. } | Act::Truncated { file, .. } => {
                self.pending.entry(*file).or_default().push((number, act));
            }
            Act::Created { .. } => self.pending_names.push((number, act)),
            Act::Deleted { durably, .. } => {
                self.pending_names.push((number, act));
                if *durably {
                    self.keep_names(number + 1);
                }
            }
            Act::SyncEnded { file, began, with_names } => {
                let content = self.contents.entry(*file).or_default();
                let pending = self.pending.entry(*file).or_default();
                let durable = pending.partition_point(|(number, _)| number < began);
                pending.drain(..durable).for_each(|(_, act)| apply(content, act));
                if *with_names {
                    self.keep_names(*began);
                }
            }
            Act::Acknowledged(_) => {}
        }
    }

    fn keep_names(&mut self, before: usize) {
        let durable = self.pending_names.partition_point(|(number, _)| *number < before);
        self.pending_names.drain(..durable).for_each(|(_, act)| rename(&mut self.names, act));
    }

    fn after_a_cut(&self, dice: &mut Dice) -> BTreeMap<String, Vec<u8>> {
        let mut names = self.names.clone();
        for (_, act) in &self.pending_names {
            if dice.chance(50) {
                rename(&mut names, act);
            }
        }
        // Some cuts lose nearly all, some nearly nothing.
        let kept_percent = *dice.pick(&[0, 10, 50, 90, 100]);
        let left = names.into_iter().map(|(name, file)| {
            let mut content = self.contents.get(&file).cloned().unwrap_or_default();
            for (_, act) in self.pending.get(&file).into_iter().flatten() {
                if dice.chance(kept_percent) {
                    apply(&mut content, act);
                } else if dice.chance(20) {
                    tear(&mut content, act, dice);
                }
            }
            (name, content)
        });
        left.collect()
    }
}

fn apply(content: &mut Vec<u8>, act: &Act) {
    match act {
        Act::Wrote { at, bytes, .. } => put(content, *at, bytes),
        Act::Truncated { to, .. } => content.resize(*to, 0),
        _ => {}
    }
}

fn put(content: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    let end = at + bytes.len();
    if content.len() < end {
        content.resize(end, 0);
    }
    content[at..end].copy_from_slice(bytes);
}

/// Some of the sectors arrive, in no order.
fn tear(content: &mut Vec<u8>, act: &Act, dice: &mut Dice) {
    let Act::Wrote { at, bytes, .. } = act else { return };
    let mut from = 0;
    while from < bytes.len() {
        let sector_ends = (at + from) / SECTOR * SECTOR + SECTOR - at;
        let to = sector_ends.min(bytes.len());
        if dice.chance(50) {
            put(content, at + from, &bytes[from..to]);
        }
        from = to;
    }
}

fn rename(names: &mut BTreeMap<String, FileNumber>, act: &Act) {
    match act {
        Act::Created { file, name } => drop(names.insert(name.clone(), *file)),
        Act::Deleted { name, .. } => drop(names.remove(name)),
        _ => {}
    }
}
