//! `set_caps`: how far all workers together may go, as the human's file says.

use crate::error::Result;
use crate::model::fleet::Caps;
use crate::ops::Answer;
use crate::ops::Caller;
use crate::ops::Effect;
use crate::ops::Noun;
use crate::ops::Operation;
use crate::ops::rights;
use crate::store::Tx;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use std::fmt;

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SetCaps {
    caps: Caps,
}

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
pub struct CapsSet {
    caps: Caps,
}

impl Operation for SetCaps {
    const NAME: &'static str = "set_caps";
    const ABOUT: &'static str = "Say how far all workers together may go";
    const NOUN: Noun = Noun::Workers;
    const EFFECT: Effect = Effect::Write;
    type Output = CapsSet;

    fn run(&self, tx: &mut dyn Tx, caller: &Caller) -> Result<CapsSet> {
        rights::check_is_no_worker(tx, caller)?;
        let mut fleet = tx.fleet()?;
        if fleet.caps != self.caps {
            fleet.caps = self.caps.clone();
            tx.put_fleet(&fleet)?;
        }
        Ok(CapsSet { caps: fleet.caps })
    }
}

impl Answer for CapsSet {}

impl fmt::Display for CapsSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "up to {} workers", self.caps.workers)
    }
}
