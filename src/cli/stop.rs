//! `orch-mcp stop` as it is typed: it says whom, and `all` is a flag.

use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::ops::Entry;
use serde_json::Map;
use serde_json::Value;

const WHOM: &str = "`orch-mcp stop NAME`, `orch-mcp stop --role NAME`, or `orch-mcp stop --all`";

fn is_stop(entry: &Entry) -> bool {
    entry.name == "stop_workers"
}

/// Whoever names nobody has not finished typing.
pub(super) fn must_name_some(entry: &Entry, arguments: &Map<String, Value>) -> Result<()> {
    let says_whom = ["workers", "role", "all"].iter().any(|field| arguments.contains_key(*field));
    match is_stop(entry) && !says_whom {
        true => Err(Error::invalid("nobody is named who is to stop").hint(WHOM)),
        false => Ok(()),
    }
}

/// Nobody is called so, but that is what people type.
pub(super) fn names_all(entry: &Entry, arguments: &Map<String, Value>) -> bool {
    let names = arguments.get("workers").and_then(Value::as_array);
    is_stop(entry) && names.is_some_and(|names| names.iter().any(|name| name == "all"))
}

pub(super) fn with_the_flag(error: Error) -> Error {
    match error.kind {
        Kind::NotFound => {
            error.hint("`orch-mcp stop --all` ends all of them, `orch-mcp stop --role NAME` those of a role")
        }
        _ => error,
    }
}
