//! The instances behind the latest calls: a client may cancel one after it was answered, and then what it returned is
//! taken back.

use crate::model::id::InstanceId;
use crate::ops::Caller;
use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

/// A client cancels what is in flight, which is bounded too.
const REMEMBERED_MAX: usize = 1024;

#[derive(Default)]
pub struct Recent(Mutex<VecDeque<(Call, InstanceId)>>);

/// The process that takes the answer, and what it calls the call: clients that know nothing of each other count from one.
type Call = (String, String);

fn call(caller: &Caller) -> Call {
    (caller.process.clone(), caller.call.clone())
}

impl Recent {
    pub fn remember(&self, caller: &Caller, me: InstanceId) {
        if caller.call.is_empty() {
            return;
        }
        let mut recent = self.lock();
        recent.push_back((call(caller), me));
        if recent.len() > REMEMBERED_MAX {
            recent.pop_front();
        }
    }

    pub fn recall(&self, caller: &Caller) -> Option<InstanceId> {
        let wanted = call(caller);
        self.lock().iter().rev().find(|(call, _)| *call == wanted).map(|(_, instance)| instance.clone())
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<(Call, InstanceId)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
