//! `revoke_token`: it opens the door no more, from this moment on.

use crate::error::Error;
use crate::error::Result;
use crate::model::event::NewEvent;
use crate::ops::Answer;
use crate::ops::Caller;
use crate::ops::Effect;
use crate::ops::Noun;
use crate::ops::Operation;
use crate::ops::rights;
use crate::ops::token::TokenView;
use crate::store::Tx;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use std::fmt;

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RevokeToken {
    /// Its id, or the name of all that are to go
    token: String,
}

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
pub struct Revoked {
    tokens: Vec<TokenView>,
}

impl Operation for RevokeToken {
    const NAME: &'static str = "revoke_token";
    const ABOUT: &'static str = "Let somebody in no more";
    const NOUN: Noun = Noun::Server;
    const EFFECT: Effect = Effect::Write;
    const POSITIONAL: &'static [&'static str] = &["token"];
    type Output = Revoked;

    fn run(&self, tx: &mut dyn Tx, caller: &Caller) -> Result<Revoked> {
        rights::check_speaks_for_the_human(tx, caller)?;
        let at = tx.now().at;
        let meant = tx.tokens()?.into_iter().filter(|token| token.id == self.token || token.principal == self.token);
        let mut tokens = Vec::new();
        for mut token in meant {
            if token.revoked_at.is_none() {
                token.revoked_at = Some(at);
                tx.put_token(&token)?;
                let event = NewEvent::new("token.revoked", &token.id, None);
                tx.append_event(event.with("name", token.principal.as_str()))?;
            }
            tokens.push(TokenView::of(token, at));
        }
        if tokens.is_empty() {
            return Err(Error::not_found(format!("no token `{}`", self.token)).hint("`orch-mcp token list` shows them"));
        }
        Ok(Revoked { tokens })
    }
}

impl Answer for Revoked {
    fn ids(&self) -> Vec<String> {
        self.tokens.iter().map(|token| token.id.clone()).collect()
    }
}

impl fmt::Display for Revoked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.tokens.iter().try_for_each(|token| token.fmt(f))
    }
}
