//! Somebody comes, or comes back: what waited for their name or their role is theirs now.

use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::model::event::NewEvent;
use crate::model::instance::Instance;
use crate::model::instance::NAMES_OF_ONE_MAX;
use crate::model::message::address_of_name;
use crate::model::message::address_of_role;
use crate::ops::Caller;
use crate::ops::attend;
use crate::ops::session;
use crate::store::InstanceFilter;
use crate::store::Tx;

/// Writes the instance, which is new in the store where its version is 0, and the event that tells of it.
pub fn arrive(tx: &mut dyn Tx, caller: &Caller, instance: &mut Instance, event: NewEvent) -> Result<()> {
    if instance.version == 0 {
        must_have_room(tx, instance)?;
        tx.insert_instance(instance)?;
    } else {
        tx.update_instance(instance)?;
        attend::renew(tx, instance)?;
    }
    tx.append_event(event)?;
    for address in [address_of_name(&instance.name), address_of_role(&instance.role)] {
        tx.claim_address(&address, &instance.id)?;
    }
    tx.assign_waiting(&instance.name, &instance.id)?;
    session::bind(tx, caller, instance)
}

fn must_have_room(tx: &mut dyn Tx, instance: &Instance) -> Result<()> {
    let Some(owner) = &instance.owner else { return Ok(()) };
    let theirs = InstanceFilter { owner: Some(owner.clone()), ..InstanceFilter::default() };
    if tx.count_instances(&theirs)? < NAMES_OF_ONE_MAX {
        return Ok(());
    }
    let message = format!("`{owner}` has registered {NAMES_OF_ONE_MAX} names, and no more are kept for one");
    Err(Error::new(Kind::Refused, message).hint(
        "go on under one of them: `list_instances` shows who is offline, and `register_instance` takes that name over",
    ))
}
