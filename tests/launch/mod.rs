//! Real processes under a real keeper; worktrees, landing and evidence on real repositories.

mod ends;
mod input;
mod keeper;
mod kept;
#[cfg(target_os = "linux")]
mod kin;
mod terminal;
mod abroad;
mod attacks;
mod cleanup;
mod command;
mod demands;
mod evidence;
pub mod fleet;
mod forgeries;
mod git;
pub mod ground;
mod landing;
mod limits;
mod chronicle;
mod papers;
mod patience;
mod places;
mod rehearsal;
mod rights;
mod replies;
mod screens;
mod staying;
#[cfg(target_os = "linux")]
mod strangers;
mod surroundings;
mod tidy;
mod told;
mod verbatim;
pub mod stages;
pub mod stalls;
pub mod stubborn;
mod worktrees;
