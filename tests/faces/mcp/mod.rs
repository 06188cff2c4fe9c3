//! `orch-mcp serve`, driven by a client.

mod ending;
mod identity;
mod mail;
mod permission;
mod resources;
mod sizes;
mod story;
mod tools;
mod waiting;
mod wire;
