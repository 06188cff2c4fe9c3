//! `add_token`: somebody may come in from now on.

use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::model::access::Access;
use crate::model::access::OWNER;
use crate::model::access::Token;
use crate::model::event::NewEvent;
use crate::model::id::check_name;
use crate::model::time::Timestamp;
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

/// The secret is made where it is to be used, and only its hash ever comes here.
#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct AddToken {
    /// The part of the token that may be shown
    id: String,
    /// SHA-256 of its secret, in hexadecimal
    hash: String,
    role: Access,
    /// In whose name it opens the door; without it, its own
    name: Option<String>,
    expires_secs: Option<u32>,
}

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
pub struct Added {
    pub token: TokenView,
}

impl Operation for AddToken {
    const NAME: &'static str = "add_token";
    const ABOUT: &'static str = "Let somebody in";
    const NOUN: Noun = Noun::Server;
    const EFFECT: Effect = Effect::Write;
    type Output = Added;

    fn run(&self, tx: &mut dyn Tx, caller: &Caller) -> Result<Added> {
        rights::check_speaks_for_the_human(tx, caller)?;
        check_name("id", &self.id)?;
        let principal = self.name.as_deref().unwrap_or(&self.id);
        check_name("name", principal)?;
        if principal == OWNER && caller.principal.is_some() {
            return Err(Error::new(Kind::Forbidden, "only the owner's own machine makes tokens in the owner's name")
                .hint("choose another name"));
        }
        if self.hash.len() != 64 || !self.hash.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(Error::invalid("`hash` must be 64 hexadecimal digits"));
        }
        if tx.token(&self.id)?.is_some() {
            return Err(Error::new(Kind::Conflict, format!("there is a token `{}` already", self.id)));
        }
        let at = tx.now().at;
        let token = Token {
            id: self.id.clone(),
            principal: principal.to_owned(),
            access: self.role,
            hash: self.hash.to_ascii_lowercase(),
            created_at: at,
            expires_at: self.expires_secs.map(|secs| Timestamp::from_millis(at.millis() + i64::from(secs) * 1000)),
            revoked_at: None,
        };
        tx.put_token(&token)?;
        let event = NewEvent::new("token.created", &token.id, None);
        tx.append_event(event.with("name", principal).with("role", token.access.word()))?;
        Ok(Added { token: TokenView::of(token, at) })
    }
}

impl Answer for Added {
    fn ids(&self) -> Vec<String> {
        vec![self.token.id.clone()]
    }
}

impl fmt::Display for Added {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.token.fmt(f)
    }
}
