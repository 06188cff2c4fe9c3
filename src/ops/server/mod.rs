//! The whole at a glance, and what nobody stands behind in it.

mod examine;
mod status;
mod tidy;

pub use examine::Examination;
pub use examine::ExamineTeam;
pub use examine::NewestSession;
pub use status::ServerStatus;
pub use tidy::Tidied;
pub use tidy::TidyTeam;
