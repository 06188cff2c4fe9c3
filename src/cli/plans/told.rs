//! What is said of an import.

use crate::cli::Run;
use crate::cli::exit;
use crate::cli::print::Answer;
use crate::cli::print::Format;
use crate::cli::print::counted;
use crate::cli::written;
use crate::error::Error;
use crate::error::Result;
use crate::ops::import::FaultLine;
use crate::ops::import::Imported;
use serde_json::Value;
use serde_json::json;

/// Of what a tracker's list leaves open.
const REMARKS_SHOWN: usize = 10;

/// An answer, and what a person reads of it.
pub(super) struct Told {
    pub(super) imported: Imported,
    pub(super) data: Value,
    pub(super) text: String,
    pub(super) ids: Vec<String>,
}

impl Told {
    /// In the past tense where it was done: the counts come first in the text, and then the steps.
    pub(super) fn words(&self, is_done: bool) -> String {
        let Imported { add, change, unchanged, gone, conflicts, .. } = &self.imported;
        let (added, changed) = if is_done { ("added", "changed") } else { ("to add", "to change") };
        let mut parts = vec![format!("{add} {added}"), format!("{change} {changed}"), format!("{unchanged} unchanged")];
        if *gone > 0 {
            parts.push(format!("{gone} gone from the source"));
        }
        if *conflicts > 0 {
            parts.push(format!("{} left as it is here", counted(*conflicts, "field")));
        }
        let steps = self.text.split_once('\n').map_or("", |(_, steps)| steps);
        format!("{}\n{steps}", parts.join(", "))
    }
}

impl Run<'_> {
    pub(super) fn told(&self, told: &Told, is_done: bool) -> Result<u8> {
        let text = || told.words(is_done);
        written(self.printer.answer(&Answer { data: &told.data, ids: &told.ids, unread: None, text: &text }))?;
        let remarks = &told.imported.remarks;
        for remark in remarks.iter().take(REMARKS_SHOWN) {
            self.printer.note(&remark.to_string());
        }
        if remarks.len() > REMARKS_SHOWN {
            self.printer.note(&format!("and {} more remarks", remarks.len() - REMARKS_SHOWN));
        }
        Ok(exit::DONE)
    }

    /// Each with its place: for people on lines that editors understand, for programs as data.
    pub(super) fn tell_faults(&self, faults: &[FaultLine], in_all: u64) -> Result<u8> {
        if self.printer.format != Format::Table {
            let data = json!({ "faults": faults, "faults_in_all": in_all });
            written(self.printer.answer(&Answer { data: &data, ids: &[], unread: None, text: &String::new }))?;
            return Ok(exit::USAGE);
        }
        faults.iter().for_each(|fault| self.printer.aloud(&fault.to_string()));
        let told = faults.len() as u64;
        if in_all > told {
            self.printer.aloud(&format!("and {} more", in_all - told));
        }
        Err(Error::invalid(format!("{}, and nothing was imported", counted(in_all, "fault")))
            .hint("correct them and repeat this: a file is taken in whole or not at all"))
    }
}
