//! orch-mcp: many Claude sessions work as one team.
//!
//! The modules stand in layer order: a file may name only modules listed above its own.
//! `tests/layers.rs` reads this list; ARCHITECTURE.md tells what each layer is for.

// Windows is refused by `main` with a sentence instead.
#![cfg(unix)]

pub mod error;
pub mod model;
pub mod plan;
pub mod host;
pub mod descendants;
pub mod claude;
pub mod store;
pub mod ops;
pub mod config;
pub mod remote;
pub mod repo;
pub mod repos;
pub mod keep;
pub mod launch;
pub mod mcp;
pub mod http;
pub mod cli;
