//! The Claude client beside us: the socket at which it takes messages, and the transcript that it writes.

pub mod inbox;
pub mod transcript;
