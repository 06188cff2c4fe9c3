//! The Claude client: how it is started and what it is given, which hooks it runs, the socket at which it takes messages, the
//! transcript that it writes, and the frames in which it puts what a hook says.

pub mod command;
pub mod event;
pub mod frame;
pub mod given;
pub mod inbox;
pub mod transcript;
pub mod wiring;
