//! The page that a report becomes, where the team has one of its own.

use crate::config::Config;
use crate::error::Result;

/// `.orch/report.md` and `.orch/report.html` of the repository, or the same in the state directory.
const NAME: &str = "report";

impl Config {
    /// What messages call it, and its text. By its ending it is told which form it is for.
    pub fn report_template(&self, ending: &'static str) -> Result<Option<(String, String)>> {
        self.shelf("", ending)?.text(NAME)
    }
}
