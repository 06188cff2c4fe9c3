//! What every call of an instance does besides what it asks for: it renews its leases, and it proves that the answers
//! before it arrived.

use crate::error::Kind;
use crate::error::Result;
use crate::model::instance::Instance;
use crate::model::task::Task;
use crate::model::time::Tick;
use crate::ops::Caller;
use crate::store::Tx;

/// Receipts confirmed in one call; the rest are confirmed by the next.
const CONFIRMED_MAX: u32 = 500;

/// Unread messages are counted no further than this: more than that is "many".
pub const UNREAD_COUNTED_MAX: u32 = 1_000;

/// Is there anything to attend to? Asked in a read, so that most calls that only read write nothing.
pub fn is_due(tx: &mut dyn Tx, caller: &Caller) -> Result<bool> {
    let Some(me) = present(tx, caller)? else { return Ok(false) };
    Ok(me.wants_renewal(tx.now().tick) || !tx.unconfirmed(&me.id, 1)?.is_empty())
}

/// Does the instance behind a call that waits need to show that it lives? Receipts are not its business: they are
/// confirmed by a call that arrives.
pub fn renewal_is_due(tx: &mut dyn Tx, caller: &Caller) -> Result<bool> {
    match present(tx, caller)? {
        Some(me) if me.lease_until != Tick::NEVER => Ok(me.wants_renewal(tx.now().tick)),
        _ => Ok(false),
    }
}

/// The instance that calls. A caller who names nobody, or whose name somebody else bears by now, is nobody here: the
/// operation itself decides whether that is an error.
pub fn present(tx: &mut dyn Tx, caller: &Caller) -> Result<Option<Instance>> {
    match caller.known_instance(tx) {
        Err(error) if matches!(error.kind, Kind::NotFound | Kind::Conflict) => Ok(None),
        known => known,
    }
}

pub fn attend(tx: &mut dyn Tx, caller: &Caller) -> Result<()> {
    let Some(me) = present(tx, caller)? else { return Ok(()) };
    if me.wants_renewal(tx.now().tick) {
        renew(tx, &me)?;
    }
    // What waits for its receipt is unread, and mostly nothing is.
    if tx.count_unread(&me.id, UNREAD_COUNTED_MAX)? == 0 {
        return Ok(());
    }
    let at = tx.now().at;
    for mut delivery in tx.unconfirmed(&me.id, CONFIRMED_MAX)? {
        // A process of another machine proves that it lives by calling, and in no other way.
        delivery.next_call_arrived(at, |process| match process == caller.process {
            true => Some(true),
            false => caller.host.answers(process),
        });
        tx.update_delivery(&delivery)?;
    }
    Ok(())
}

/// The instance lives, and so do its claims, unless somebody else took one over meanwhile.
pub fn renew(tx: &mut dyn Tx, me: &Instance) -> Result<()> {
    let now = tx.now();
    // Presence last: it reaches as far as the claims.
    tx.renew_claims(&me.id, now.tick)?;
    tx.renew_presence(&me.id, now)
}

/// A claim was made, or its lease begins anew: whoever holds it is present as long.
pub fn cover(tx: &mut dyn Tx, me: &Instance, claim: &Task) -> Result<()> {
    if me.covers(claim) { Ok(()) } else { tx.renew_presence(&me.id, tx.now()) }
}

pub fn unread(tx: &mut dyn Tx, caller: &Caller) -> Result<Option<u32>> {
    match present(tx, caller)? {
        Some(me) => tx.count_unread(&me.id, UNREAD_COUNTED_MAX).map(Some),
        None => Ok(None),
    }
}
