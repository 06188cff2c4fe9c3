//! Mail between instances: send, poll, wait, read, acknowledge; and receipts that say only what is known.

mod get;
mod help;
pub(in crate::ops) mod poll;
mod receipts;
mod send;
mod steps;
mod take_back;
mod thread;
mod view;
mod wait;

pub use get::GetMessage;
pub use help::RequestHelp;
pub(in crate::ops) use poll::Part;
pub use poll::PeekMessages;
pub use poll::PollMessages;
pub(in crate::ops) use poll::hand_out;
pub use receipts::ListReceipts;
pub(in crate::ops) use send::Draft;
pub use send::SendMessage;
pub use steps::AcknowledgeMessage;
pub use steps::DismissMessage;
pub use steps::MarkRead;
pub use take_back::TakeBack;
pub use thread::GetThread;
pub(in crate::ops) use view::MessageView;
pub use wait::WaitForMessage;

use crate::error::Error;
use crate::error::Result;
use crate::model::id::MessageId;
use crate::model::instance::Instance;
use crate::model::message::Delivery;
use crate::model::message::Message;
use crate::store::Tx;

/// A message that the reader sent or was sent; other people's mail does not exist for them.
fn readable(tx: &mut dyn Tx, id: MessageId, me: &Instance) -> Result<Message> {
    let message = tx.message(id)?.filter(|message| message.from.instance.as_ref() == Some(&me.id));
    match message {
        Some(message) => Ok(message),
        None => received(tx, id, me).map(|(message, _)| message),
    }
}

/// A message in the reader's inbox.
fn received(tx: &mut dyn Tx, id: MessageId, me: &Instance) -> Result<(Message, Delivery)> {
    if let Some(message) = tx.message(id)?
        && let Some(delivery) = tx.delivery(id, &me.id)?
    {
        return Ok((message, delivery));
    }
    Err(Error::not_found(format!("no message `{id}` in the inbox of `{}`", me.name))
        .hint("`poll_messages` with `all` shows what is there"))
}
