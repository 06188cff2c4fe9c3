//! Makes wanted workers real: observe, plan, act; what they are given, and what they leave.

pub mod liveness;
pub mod nudge;
pub mod plan;
pub mod simulated;
pub mod team;
pub mod in_use;
pub mod prune;
pub mod queue;
pub mod mend;
pub mod witness;
pub mod papers;
pub mod brief;
pub mod tmux;
pub mod client;
pub mod hands;
pub mod traces;
pub mod watch;
pub mod outcome;
pub mod read_back;
pub mod closings;
pub mod news;
pub mod eyes;
pub mod changes;
pub mod teller;
pub mod supervisor;
mod staying;
