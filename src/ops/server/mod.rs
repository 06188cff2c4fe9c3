//! The whole at a glance.

mod status;

pub use status::ServerStatus;
