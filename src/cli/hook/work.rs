//! One hook at work: what it heard, and the desk at which it asks.

use crate::claude::event::Event;
use crate::cli::hook::Wish;
use crate::cli::hook::heard::Heard;
use crate::config::Config;
use crate::error::Result;
use crate::ops::Caller;
use crate::ops::Desk;
use crate::ops::table;
use crate::ops::table::Reply;
use crate::store::doorbell::Hangup;
use serde_json::Value;
use serde_json::json;
use std::sync::Arc;

#[derive(Clone)]
pub struct Work {
    /// Shared with the thread that is not waited for longer than a session may be held up.
    desk: Arc<dyn Desk>,
    pub caller: Caller,
    pub config: Config,
    pub event: Event,
    pub wish: Wish,
    pub heard: Heard,
    /// A session that nobody knows may be made known.
    pub may_join: bool,
}

impl Work {
    pub fn new(
        desk: Arc<dyn Desk>,
        caller: Caller,
        config: Config,
        event: Event,
        wish: Wish,
        heard: Heard,
        may_join: bool,
    ) -> Work {
        Work { desk, caller, config, event, wish, heard, may_join }
    }

    pub fn call(&self, operation: &str, arguments: Value) -> Result<Reply> {
        self.call_as(&self.caller, operation, arguments, &Hangup::new())
    }

    /// The mail that it took stands on its standard output now.
    pub fn printed(&self, instance: &str) -> Result<()> {
        let Caller { process, call, .. } = &self.caller;
        let taken = json!({ "instance": instance, "process": process, "call": call });
        let nobody = Caller::anonymous(self.caller.host.clone());
        self.call_as(&nobody, "news_printed", taken, &Hangup::new()).map(drop)
    }

    pub fn call_as(&self, caller: &Caller, operation: &str, arguments: Value, hangup: &Hangup) -> Result<Reply> {
        self.desk.execute(&table::own_request(operation, arguments)?, caller, hangup)
    }
}
