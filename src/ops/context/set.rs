//! `set_context`: write down what others should know.

use crate::error::Error;
use crate::error::Result;
use crate::model::context;
use crate::model::context::KEY_CHARS_MAX;
use crate::model::context::VALUE_BYTES_MAX;
use crate::model::context::VERSIONS_KEPT;
use crate::ops::Answer;
use crate::ops::Caller;
use crate::ops::Effect;
use crate::ops::Noun;
use crate::ops::Operation;
use crate::ops::context::check_key;
use crate::store::Tx;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Value;
use std::fmt;

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SetContext {
    /// May have / in it
    #[schemars(length(min = 1, max = KEY_CHARS_MAX), regex(pattern = r"^[^\x00-\x1f\x7f-\x9f]*$"))]
    key: String,
    /// Text or any JSON
    #[schemars(extend("not" = { "type": "null" }))]
    value: Value,
    /// Only over this version; 0: only if new
    expect_version: Option<u64>,
}

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[schemars(rename = "ContextWritten")]
pub struct Written {
    key: String,
    version: u64,
}

impl Operation for SetContext {
    const NAME: &'static str = "set_context";
    const ABOUT: &'static str = "Write down what others should know, by key";
    const NOUN: Noun = Noun::Context;
    const EFFECT: Effect = Effect::Write;
    const POSITIONAL: &'static [&'static str] = &["key", "value"];
    type Output = Written;

    fn run(&self, tx: &mut dyn Tx, caller: &Caller) -> Result<Written> {
        check_key(&self.key)?;
        let length = self.value.to_string().len();
        if length > VALUE_BYTES_MAX {
            return Err(Error::invalid(format!("`value` has {length} bytes of JSON; it may have {VALUE_BYTES_MAX}"))
                .hint("write it to a file and keep the file's name here"));
        }
        let me = caller.known_instance(tx)?.map(|me| me.id);
        let current = tx.context(&self.key)?;
        let value = Some(self.value.clone());
        let (entry, event) =
            context::write(current.as_ref(), &self.key, value, self.expect_version, me.as_ref(), tx.now().at)?;
        tx.put_context(&entry, VERSIONS_KEPT)?;
        tx.append_event(event)?;
        Ok(Written { key: entry.key, version: entry.version })
    }
}

impl Answer for Written {
    fn version(&self) -> Option<u64> {
        Some(self.version)
    }

    fn ids(&self) -> Vec<String> {
        vec![self.key.clone()]
    }
}

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} is at version {}", self.key, self.version)
    }
}
