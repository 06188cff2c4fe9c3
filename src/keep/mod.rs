//! One run of a client: its directory, the process that keeps it, all that it starts, and what it prints.

pub mod run;
mod feed;
mod log;
mod wakes;
mod meter;
pub mod tail;
pub mod set_up;
pub mod keeper;
pub mod chronicle;
