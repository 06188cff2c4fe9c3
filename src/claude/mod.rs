//! The Claude client: how it is started, what it is given and what it prints, which hooks it runs, the socket at which it
//! takes messages, the transcript and the task lists that it writes, and the frames in which it puts what a hook says.

pub mod command;
pub mod event;
pub mod frame;
pub mod given;
pub mod inbox;
pub mod limit;
pub mod stream;
pub mod tasks;
pub mod telemetry;
pub mod transcript;
pub mod wiring;
