//! Where a call is carried out: beside the store, or at a server elsewhere that has it.

use crate::error::Result;
use crate::ops::Caller;
use crate::ops::table::Reply;
use crate::ops::table::Request;
use crate::store::doorbell::Hangup;

/// Every face asks here, and cannot tell where the answer comes from.
pub trait Desk: Send + Sync {
    /// Carries the request out and answers. A waiting operation blocks this thread, until `hangup` at the latest.
    fn execute(&self, request: &Request, caller: &Caller, hangup: &Hangup) -> Result<Reply>;

    /// As `execute`, where that needs neither wait for anybody nor write anything. For threads that others wait for.
    fn read_at_once(&self, request: &Request, caller: &Caller) -> Result<Option<Reply>>;

    /// The client cancelled this call: whatever it returned did not arrive, and comes again.
    fn take_back(&self, caller: &Caller) -> Result<()>;

    /// Is there anything to read yet?
    fn has_store(&self) -> bool;

    /// Clears away what processes left behind that ended without a word. Creates nothing.
    fn tidy(&self) -> Result<()>;

    /// The process is about to end, and leaves nothing of itself here.
    fn leave(&self);
}
