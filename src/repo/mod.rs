//! What is done in a person's repository: worktrees, what they hold that nobody else has, how branches land, what proves a change.

pub mod bounded;
pub mod lock;
pub mod git;
pub mod shell;
pub mod holdings;
pub mod guarded;
pub mod worktree;
pub mod owner;
pub mod landed;
pub mod cleanup;
pub mod conflict;
pub mod stack;
pub mod trial;
mod journal;
pub mod land;
pub mod proof;
