//! Makes wanted workers real: what a run leaves on the disk, and who keeps it while it goes on.

mod descendants;
mod feed;
pub mod keeper;
mod log;
pub mod run;
mod wakes;
pub mod bounded;
pub mod lock;
pub mod git;
pub mod shell;
pub mod holdings;
pub mod worktree;
pub mod cleanup;
pub mod conflict;
pub mod stack;
pub mod journal;
pub mod land;
pub mod proof;
