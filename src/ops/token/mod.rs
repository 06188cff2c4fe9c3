//! Tokens: who may come in through the door. Operations of our own commands, which no client lists.

mod add;
mod admit;
mod list;
mod revoke;
mod secret;

pub use add::AddToken;
pub use admit::admit;
pub use admit::admit_at_once;
pub use admit::lapsed;
pub use list::ListTokens;
pub use revoke::RevokeToken;
pub use secret::Secret;

use crate::model::access::Access;
use crate::model::access::Token;
use crate::model::time::Timestamp;
use crate::ops::render;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use std::fmt;

/// A token as it may be shown.
#[derive(Debug, Deserialize, JsonSchema, Serialize)]
pub struct TokenView {
    pub id: String,
    pub name: String,
    pub role: Access,
    #[schemars(with = "String")]
    pub created_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub expires_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub revoked_at: Option<Timestamp>,
    /// Does it open the door now?
    pub good: bool,
}

impl TokenView {
    fn of(token: Token, at: Timestamp) -> TokenView {
        TokenView {
            good: token.is_good(at),
            id: token.id,
            name: token.principal,
            role: token.access,
            created_at: token.created_at,
            expires_at: token.expires_at,
            revoked_at: token.revoked_at,
        }
    }
}

impl fmt::Display for TokenView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match (&self.revoked_at, &self.expires_at) {
            (Some(at), _) => format!("revoked {}", render::local(*at)),
            (None, Some(at)) if !self.good => format!("expired {}", render::local(*at)),
            (None, Some(at)) => format!("until {}", render::local(*at)),
            (None, None) => "good".to_owned(),
        };
        writeln!(f, "{}  {}  {}  made {}, {state}", self.id, self.name, self.role, render::local(self.created_at))
    }
}
