//! What tests stand on: worlds with a store, a clock and processes; stores by kind; real processes of the program.

pub mod again;
pub mod certificate;
pub mod cutting_vfs;
pub mod dice;
pub mod program;
pub mod schema;
pub mod tmux;
pub mod web;
pub mod world;
