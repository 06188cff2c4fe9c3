//! Claims whose lease ended: every step that hands out tasks first takes back what its holders have lost.

use crate::error::Result;
use crate::ops::task::existing;
use crate::store::Tx;

/// Taken back in one transaction at most; what is more lapsed than this waits for the next one, and nobody is harmed.
const BATCH: u32 = 64;
const BATCHES_MAX: u32 = 16;

/// Makes what lapsed ready again, or failed, and what fell due ready.
pub fn free_lapsed(tx: &mut dyn Tx) -> Result<()> {
    let now = tx.now();
    for _ in 0..BATCHES_MAX {
        let lapsed = tx.lapsed_tasks(now.tick, BATCH)?;
        if lapsed.is_empty() {
            break;
        }
        for mut task in lapsed {
            // Of a stage one must know whether a newer round has taken its place.
            if task.job.is_some() && task.chain_id.is_some() {
                task = existing(tx, task.id)?;
            }
            let event = task.lapse(now);
            tx.update_task(&mut task)?;
            tx.append_event(event)?;
        }
    }
    for _ in 0..BATCHES_MAX {
        if tx.wake_due_tasks(now.at, BATCH)? == 0 {
            break;
        }
    }
    Ok(())
}
