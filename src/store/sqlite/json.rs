//! Values that a column keeps as JSON.

use serde::Serialize;
use serde::de::DeserializeOwned;

pub fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// What cannot be read any more is forgotten: the tables check that it is JSON, and no more hangs on it than what is told.
pub fn of_json<T: DeserializeOwned + Default>(text: &str) -> T {
    serde_json::from_str(text).unwrap_or_default()
}
