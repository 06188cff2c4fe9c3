//! The instances behind the latest calls: a client may cancel one after it was answered, and then what it returned is
//! taken back.

use crate::model::id::InstanceId;
use crate::model::latest::Latest;
use crate::ops::Caller;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

/// Of one principal, and in all. A client cancels what is in flight, which is bounded too.
const REMEMBERED_MAX: usize = 1024;
const REMEMBERED_IN_ALL_MAX: usize = 8192;

pub struct Recent(Mutex<Latest<Arc<Call>, InstanceId>>);

/// The process that takes the answer, and what it calls the call: clients that know nothing of each other count from one.
type Call = (String, String);

impl Default for Recent {
    fn default() -> Recent {
        Recent(Mutex::new(Latest::new(REMEMBERED_MAX, REMEMBERED_IN_ALL_MAX)))
    }
}

/// Whose call it is; who came by no door has no name.
fn owner(caller: &Caller) -> &str {
    caller.principal.as_ref().map_or("", |principal| &principal.name)
}

fn call(caller: &Caller) -> Call {
    (caller.process.clone(), caller.call.clone())
}

impl Recent {
    pub fn remember(&self, caller: &Caller, me: InstanceId) {
        if !caller.call.is_empty() {
            self.lock().put(owner(caller), Arc::new(call(caller)), me);
        }
    }

    pub fn recall(&self, caller: &Caller) -> Option<InstanceId> {
        self.lock().get(owner(caller), &call(caller)).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, Latest<Arc<Call>, InstanceId>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Host;
    use crate::model::access::Access;
    use crate::model::access::Principal;

    #[test]
    fn one_who_calls_much_does_not_make_the_calls_of_others_forgotten() {
        let recent = Recent::default();
        let caller = |name: &str, call: usize| Caller {
            principal: Some(Principal { name: name.to_owned(), access: Access::Worker }),
            call: call.to_string(),
            ..Caller::anonymous(Host::manual(1))
        };
        let me = |name: &str| InstanceId::from_stored(name.to_owned());
        recent.remember(&caller("amy", 7), me("amy-1"));
        (0..REMEMBERED_IN_ALL_MAX * 2).for_each(|call| recent.remember(&caller("eve", call), me("eve-1")));
        assert_eq!(recent.recall(&caller("amy", 7)), Some(me("amy-1")));
        assert_eq!(recent.recall(&caller("eve", 7)), None, "there is an end to it");
        assert_eq!(recent.recall(&caller("eve", REMEMBERED_IN_ALL_MAX * 2 - 1)), Some(me("eve-1")));
    }
}
