//! The rules: plain values that decide, without I/O and without a "now" of their own.

pub mod time;
pub mod id;
pub mod access;
pub mod digest;
pub mod nearest;
pub mod event;
pub mod glob;
pub mod graph;
pub mod task;
pub mod instance;
pub mod message;
pub mod context;
pub mod rung;
pub mod session;
pub mod wake;
pub mod first_names;
pub mod latest;
pub mod path;
pub mod percent;
pub mod reservation;
pub mod question;
pub mod fields;
pub mod front_matter;
pub mod template;
pub mod role;
pub mod policy;
