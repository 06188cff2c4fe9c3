//! Shared knowledge: set, get, delete, list, watch.

mod delete;
mod get;
mod list;
mod set;
mod watch;

pub use delete::DeleteContext;
pub use get::GetContext;
pub use list::ListContextKeys;
pub use set::SetContext;
pub use watch::WatchContext;

use crate::error::Error;
use crate::error::Result;
use crate::model::context::KEY_CHARS_MAX;

fn check_key(key: &str) -> Result<()> {
    let fits = (1..=KEY_CHARS_MAX).contains(&key.chars().count()) && !key.chars().any(char::is_control);
    if fits {
        return Ok(());
    }
    Err(Error::invalid(format!("`key` must have 1 to {KEY_CHARS_MAX} characters, none of them a control character")))
}
