//! Goals, and the tasks that reach them: made, watched, waited for, brought back.

mod add;
mod cancel;
mod create;
mod decompose;
mod delegate;
mod get;
mod list;
mod results;
mod retry;
mod settle;
mod synthesize;
mod view;
mod wait;

pub use add::AddSubtask;
pub use cancel::CancelJob;
pub use create::CreateJob;
pub use decompose::Decompose;
pub use delegate::QuickDelegate;
pub use get::GetJob;
pub use list::ListJobs;
pub use results::GetResults;
pub use retry::RetryFailed;
pub use settle::settle_changed;
pub use synthesize::SynthesizeJob;
pub use view::JobLine;
pub use view::asks;
pub use wait::WaitForJob;

use crate::error::Result;
use crate::model::id::JobId;
use crate::model::id::TaskId;
use crate::model::question::Question;
use crate::store::QuestionFilter;
use crate::store::Tx;

/// Open questions about a job that are looked for; nobody answers more of them at a time.
const QUESTIONS_MAX: u32 = 20;

/// What the human is asked about any of its tasks.
fn open_questions(tx: &mut dyn Tx, job: JobId, most: u32) -> Result<Vec<Question>> {
    let open = QuestionFilter { job: Some(job), ..QuestionFilter::open() };
    tx.questions(&open, most)
}

/// As people write them, in one line.
fn short_ids(ids: &[TaskId]) -> String {
    ids.iter().map(|id| id.short()).collect::<Vec<_>>().join(", ")
}
