//! Clients that say in each request what they are called: the first time, that registers them.

use crate::error::Kind;
use crate::error::Result;
use crate::http::api::Api;
use crate::ops::Caller;
use crate::ops::table;
use serde_json::json;
use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::PoisonError;

/// Beyond this, all are asked for once more.
const KNOWN_MAX: usize = 4096;

#[derive(Default)]
pub(super) struct Introduced(Mutex<HashSet<(String, String)>>);

impl Introduced {
    pub(super) async fn introduce(&self, api: &Api, caller: &Caller, name: &str) -> Result<()> {
        let principal = caller.principal.as_ref().map(|principal| principal.name.clone()).unwrap_or_default();
        let key = (principal, name.to_owned());
        if self.known().contains(&key) {
            return Ok(());
        }
        let nobody = Caller { from_environment: None, ..caller.clone() };
        let asked = table::own_request("get_instance", json!({ "instance": format!("@{name}") }))?;
        match api.call(asked, nobody.clone()).await {
            Err(error) if error.kind == Kind::NotFound => {
                let wanted = table::own_request("register_instance", json!({ "name": name }))?;
                // Another request of the same client may have been quicker.
                match api.call(wanted, nobody).await {
                    Err(error) if error.kind == Kind::Conflict => {}
                    registered => drop(registered?),
                }
            }
            found => drop(found?),
        }
        let mut known = self.known();
        if known.len() >= KNOWN_MAX {
            known.clear();
        }
        known.insert(key);
        Ok(())
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashSet<(String, String)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
