//! The Claude client beside us: the hooks that it runs, the socket at which it takes messages, the transcript that it writes,
//! and the frames in which it puts what a hook says.

pub mod event;
pub mod frame;
pub mod inbox;
pub mod transcript;
pub mod wiring;
