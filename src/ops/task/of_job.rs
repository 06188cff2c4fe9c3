//! The job that a task is part of: is it there, and does it take more tasks?

use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::model::id::JobId;
use crate::model::job::Job;
use crate::store::Tx;

/// The job of an id; a miss says how far ids go.
pub fn existing_job(tx: &mut dyn Tx, id: JobId) -> Result<Job> {
    if let Some(job) = tx.job(id)? {
        return Ok(job);
    }
    let newest = tx.list_jobs(&Default::default(), 1)?;
    let error = Error::not_found(format!("no job `{id}`"));
    Err(match newest.first() {
        Some(newest) => error.hint(format!("ids go up to `{}`; `list_jobs` shows them", newest.id)),
        None => error.hint("there are no jobs yet; `create_job` makes one"),
    })
}

pub fn check_takes_more(tx: &mut dyn Tx, id: JobId) -> Result<()> {
    match existing_job(tx, id)?.cancelled_at {
        None => Ok(()),
        Some(_) => Err(Error::new(Kind::Conflict, format!("job `{id}` was called off"))
            .hint("`retry_failed` takes it up again, or `create_job` begins another")),
    }
}

/// Something of a job that was called off is wanted again, and so the job is.
pub fn take_up(tx: &mut dyn Tx, id: JobId) -> Result<()> {
    let mut job = existing_job(tx, id)?;
    if job.cancelled_at.is_none() {
        return Ok(());
    }
    job.is_taken_up();
    tx.update_job(&mut job)
}
