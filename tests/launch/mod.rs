//! Real processes under a real keeper.

mod ends;
mod input;
mod keeper;
mod kept;
#[cfg(target_os = "linux")]
mod kin;
mod terminal;
mod cleanup;
mod evidence;
mod git;
mod ground;
mod landing;
mod worktrees;
