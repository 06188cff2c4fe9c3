//! The two faces as their users meet them: real processes, spoken to over pipes.

mod cli;
mod demo;
mod hook;
mod doctor;
mod mcp;
mod plans;
mod readme;
mod rest;
mod screen;
mod setup;
mod sync;
