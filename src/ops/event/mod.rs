//! What happened: list and watch.

mod landed;
mod line;
mod list;
mod watch;

pub use landed::NoteLanding;
pub use line::EventLine;
pub(in crate::ops) use line::lines;
pub use list::ListEvents;
pub use watch::WatchEvents;

use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::model::event::Event;
use crate::model::id::InstanceId;
use crate::ops::names::Names;
use crate::ops::render;
use crate::store::EventFilter;
use crate::store::Tx;
use serde_json::Value;

/// Texts and lists inside an event's data are shown up to here; the thing it is about has all of them.
const TEXT_BYTES_SHOWN: usize = 200;
const ITEMS_SHOWN: usize = 10;

/// Events after a number, oldest first. Where that is the cursor of a reader, one from before the oldest that is kept
/// is an error, not a gap.
fn after(tx: &mut dyn Tx, filter: &EventFilter, is_cursor: bool, limit: u32) -> Result<Vec<Event>> {
    let (oldest, newest) = tx.event_bounds()?;
    if is_cursor && filter.after.saturating_add(1) < oldest {
        return Err(Error::new(
            Kind::CursorExpired,
            format!("events after {} are not all kept any more; the oldest is {oldest}", filter.after),
        )
        .hint(format!("look at the things themselves, then go on with `cursor` {newest}")));
    }
    Ok(tx.events(filter, limit)?.into_iter().map(shown).collect())
}

/// What their doers are called.
fn names_of(events: &[Event], tx: &mut dyn Tx) -> Result<Names> {
    Names::read(events.iter().filter_map(|event| event.actor.as_ref()).map(InstanceId::as_str), tx)
}

/// The event as readers see it.
pub fn shown(mut event: Event) -> Event {
    for value in event.data.values_mut() {
        match value {
            Value::String(text) => *text = render::short(text, TEXT_BYTES_SHOWN),
            Value::Array(items) if items.len() > ITEMS_SHOWN => {
                let more = items.len() - ITEMS_SHOWN;
                items.truncate(ITEMS_SHOWN);
                items.push(Value::from(format!("and {more} more")));
            }
            _ => {}
        }
    }
    event
}
