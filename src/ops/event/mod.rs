//! What happened: list and watch.

mod list;
mod watch;

pub use list::ListEvents;
pub use watch::WatchEvents;

use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::model::event::Event;
use crate::store::EventFilter;
use crate::store::Tx;
use serde_json::Value;

/// A text inside an event's data is shown up to this many characters; the thing it is about has all of it.
const TEXT_CHARS_SHOWN: usize = 200;

/// Events after a number, oldest first. Where that is the cursor of a reader, one from before the oldest that is kept
/// is an error, not a gap.
fn after(tx: &mut dyn Tx, filter: &EventFilter, is_cursor: bool, limit: u32) -> Result<Vec<Event>> {
    let (oldest, newest) = tx.event_bounds()?;
    if is_cursor && filter.after + 1 < oldest {
        return Err(Error::new(
            Kind::CursorExpired,
            format!("events after {} are not all kept any more; the oldest is {oldest}", filter.after),
        )
        .hint(format!("look at the things themselves, then go on with `cursor` {newest}")));
    }
    let mut events = tx.events(filter, limit)?;
    for text in events.iter_mut().flat_map(|event| event.data.values_mut()) {
        if let Value::String(text) = text {
            *text = crate::ops::render::clip(text, TEXT_CHARS_SHOWN).0;
        }
    }
    Ok(events)
}
