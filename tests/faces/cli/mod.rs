//! The command line, run as shells and scripts run it.

mod commands;
mod completion;
mod exit_codes;
mod output;
mod place;
mod processes;
