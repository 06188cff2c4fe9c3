//! The web face: MCP over HTTP, a REST API and a feed of events, behind one door.

mod answer;
mod api;
mod asked;
mod connection;
mod door;
mod expiry;
mod feed;
mod garbled;
mod intake;
mod introduce;
mod lapses;
mod limits;
mod listen;
mod metrics;
pub mod openapi;
mod own;
mod owner;
mod readiness;
mod rest;
mod router;
pub mod routes;
mod serve;
mod stall;
mod tls;
mod visitor;
mod wrong;

pub use serve::Heard;
pub use serve::Settings;
pub use serve::readers;
pub use serve::serve;
