//! A task for a role that nobody has is no mistake: somebody may come. One whose role is misspelt waits for ever.

use crate::cli::Run;
use crate::error::Result;
use crate::model::nearest::nearest;
use crate::ops::Entry;
use crate::ops::table::Reply;
use serde_json::Value;
use serde_json::json;

impl Run<'_> {
    /// Says so where a task was pushed for a role that nobody knows.
    pub(super) fn note_unknown_role(&self, entry: &Entry, reply: &Reply) {
        let role = reply.data["task"]["role"].as_str().filter(|_| entry.name == "push_task");
        // The roles of a team elsewhere are files there.
        let Some(role) = role.filter(|_| self.config.server.value.is_none()) else { return };
        if let Ok(Some(words)) = self.unknown(role) {
            self.printer.note(&words);
        }
    }

    fn unknown(&self, role: &str) -> Result<Option<String>> {
        let known = self.config.roles(&self.config.file()?)?.names()?;
        let has_it = |operation: &str, arguments: Value, list: &str| -> Result<bool> {
            let told = self.ask_own(operation, arguments)?.data;
            Ok(told[list].as_array().is_some_and(|all| !all.is_empty()))
        };
        if known.iter().any(|name| name == role)
            || has_it("list_instances", json!({ "role": role, "limit": 1 }), "instances")?
            || has_it("list_workers", json!({ "role": role, "limit": 1 }), "workers")?
        {
            return Ok(None);
        }
        let meant = nearest(role, known.iter().map(String::as_str));
        let meant = meant.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        Ok(Some(format!(
            "nobody here has the role `{role}`, and no role is called so{meant} (.orch/roles/{role}.md would make it one)"
        )))
    }
}
