//! The whole at a glance, and what nobody stands behind in it.

mod examine;
mod overview;
mod report;
mod status;
mod tidy;
mod vouch;

pub use examine::Examination;
pub use examine::ExamineTeam;
pub use examine::NewestSession;
pub use overview::GetOverview;
pub use overview::MessageLine;
pub use overview::Overview;
pub use overview::QueueLine;
pub use report::GatherReport;
pub use report::Gathered;
pub use report::Line;
pub use report::Part;
pub use status::ServerStatus;
pub use tidy::Tidied;
pub use tidy::TidyTeam;
pub use vouch::VouchForHuman;
