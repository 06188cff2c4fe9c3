//! The rules: plain values that decide, without I/O and without a "now" of their own.

pub mod context;
pub mod event;
pub mod graph;
pub mod id;
pub mod instance;
pub mod message;
pub mod task;
pub mod time;
