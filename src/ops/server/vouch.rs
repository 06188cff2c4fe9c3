//! `vouch_for_human`: may whoever calls do what only a person does? For commands that do it outside of the store.

use crate::error::Result;
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
pub struct VouchForHuman {}

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
pub struct Vouched {}

impl Operation for VouchForHuman {
    const NAME: &'static str = "vouch_for_human";
    const ABOUT: &'static str = "Refuse whoever does not speak for the human";
    const NOUN: Noun = Noun::Server;
    const EFFECT: Effect = Effect::Read;
    type Output = Vouched;

    fn run(&self, tx: &mut dyn Tx, caller: &Caller) -> Result<Vouched> {
        rights::check_speaks_for_the_human(tx, caller).map(|()| Vouched {})
    }
}

impl Answer for Vouched {}

impl fmt::Display for Vouched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "a person")
    }
}
