//! Makes wanted workers real: observe, plan, act; their worktrees, what they left in them, and how it lands.

mod descendants;
mod feed;
pub mod keeper;
pub mod liveness;
mod log;
pub mod plan;
pub mod run;
pub mod simulated;
mod wakes;
pub mod bounded;
pub mod lock;
pub mod git;
pub mod shell;
pub mod holdings;
pub mod worktree;
pub mod set_up;
pub mod cleanup;
pub mod conflict;
pub mod stack;
pub mod journal;
pub mod land;
pub mod proof;
pub mod brief;
pub mod hands;
pub mod watch;
pub mod outcome;
pub mod supervisor;
