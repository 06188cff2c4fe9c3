//! The page that a report becomes, where the team has one of its own.

use crate::config::Config;
use crate::error::Result;
use std::path::Path;

/// `.orch/report.md` and `.orch/report.html` of the repository, or the same in the state directory.
const NAME: &str = "report";
const ENDINGS: [&str; 2] = ["md", "html"];

impl Config {
    /// What messages call it, and its text. By its ending it is told which form it is for.
    pub fn report_template(&self, ending: &'static str) -> Result<Option<(String, String)>> {
        self.shelf("", ending)?.text(NAME)
    }

    /// Would the next report be made from what is written there?
    pub fn is_report_template(&self, path: &Path) -> Result<bool> {
        let is_name = path.file_stem().is_some_and(|name| name == NAME);
        let Some(ending) = ENDINGS.iter().find(|ending| path.extension().is_some_and(|found| found == **ending)) else {
            return Ok(false);
        };
        let above = path.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Ok(is_name && self.shelf("", ending)?.is_on(above))
    }
}
