//! `list_tokens`: who may come in, and who no more.

use crate::error::Result;
use crate::ops::Answer;
use crate::ops::Caller;
use crate::ops::Effect;
use crate::ops::Noun;
use crate::ops::Operation;
use crate::ops::token::TokenView;
use crate::store::Tx;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use std::fmt;

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ListTokens {
    /// Also those that open nothing any more
    all: Option<bool>,
}

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
pub struct Tokens {
    tokens: Vec<TokenView>,
}

impl Operation for ListTokens {
    const NAME: &'static str = "list_tokens";
    const ABOUT: &'static str = "Who may come in";
    const NOUN: Noun = Noun::Server;
    const EFFECT: Effect = Effect::Read;
    type Output = Tokens;

    fn run(&self, tx: &mut dyn Tx, _caller: &Caller) -> Result<Tokens> {
        let at = tx.now().at;
        let tokens = tx.tokens()?.into_iter().map(|token| TokenView::of(token, at));
        Ok(Tokens { tokens: tokens.filter(|token| token.good || self.all == Some(true)).collect() })
    }
}

impl Answer for Tokens {
    fn ids(&self) -> Vec<String> {
        self.tokens.iter().map(|token| token.id.clone()).collect()
    }
}

impl fmt::Display for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.tokens.is_empty() {
            return writeln!(f, "no tokens");
        }
        self.tokens.iter().try_for_each(|token| token.fmt(f))
    }
}
