//! The command line, run as shells and scripts run it.

mod commands;
mod completion;
mod exit_codes;
mod graph;
mod output;
mod place;
mod processes;
