//! Is there anybody to look after, and does somebody do so already? A launch that asks first leaves nobody behind in vain.

use crate::cli::Run;
use crate::cli::exit;
use crate::cli::written;
use crate::error::Result;
use serde_json::json;

/// What one does with workers that somebody else looks after.
pub(super) const WATCHED: &str = "watch: orch-mcp top · questions: orch-mcp questions · end: orch-mcp stop --all";

impl Run<'_> {
    /// Those that still run want to be seen to their end.
    pub(super) fn nobody_is_wanted(&self) -> Result<bool> {
        let known = self.ask_own("list_workers", json!({ "limit": 1 }))?;
        Ok(known.data["workers"].as_array().is_some_and(Vec::is_empty))
    }

    /// The number of the process that looks after the workers.
    pub(super) fn leader(&self) -> Result<Option<String>> {
        let known = self.ask_own("list_workers", json!({ "limit": 1 }))?;
        Ok(known.data["supervisor"].as_str().map(str::to_owned))
    }

    /// One more would only stand by, for ever.
    pub(super) fn is_led_already(&self, leader: &str, as_json: bool) -> Result<u8> {
        let told = format!(
            "process {leader} looks after the workers already, and goes on as it was started; no other one was\n{WATCHED}\n"
        );
        let data = json!({ "process": leader.parse::<u32>().ok(), "log": null });
        written(if as_json { self.printer.object(&data) } else { self.printer.text(&told) }).map(|()| exit::DONE)
    }
}
