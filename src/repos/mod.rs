//! Many repositories at once: how each stands, bringing each up to date, running a workflow over all of them.

mod crowd;
pub mod look;
pub mod pull;
pub mod records;
pub mod run;

pub use crowd::Heard;
pub use crowd::side_by_side;
