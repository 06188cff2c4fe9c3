//! Who may come in through the door, and how far: what a token says of whoever holds it.

use crate::model::time::Timestamp;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use std::fmt;

/// How far somebody may go. Each may do what those before it may.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, JsonSchema, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    /// Look, and change nothing.
    Read,
    /// Work: claim, complete, talk.
    Worker,
    /// Lead: change and cancel what is not one's own.
    Lead,
    /// Decide what only a person decides.
    Human,
}

impl Access {
    pub const ALL: [Access; 4] = [Access::Read, Access::Worker, Access::Lead, Access::Human];
    pub const WORDS: [&str; 4] = ["read", "worker", "lead", "human"];

    pub fn word(self) -> &'static str {
        Access::WORDS[self as usize]
    }

    pub fn of_word(word: &str) -> Option<Access> {
        Access::ALL.into_iter().find(|access| access.word() == word)
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// Whoever owns the store: they may read its files, so nothing in it is kept from them.
pub const OWNER: &str = "owner";

/// In whose name a call came through the door. What somebody registers is theirs, whichever of their tokens they show.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub struct Principal {
    pub name: String,
    pub access: Access,
}

impl Principal {
    pub fn owner() -> Principal {
        Principal { name: OWNER.to_owned(), access: Access::Human }
    }

    pub fn is_owner(&self) -> bool {
        self.name == OWNER
    }
}

/// What the store knows of a token: everything but the token.
#[derive(Clone, Debug, PartialEq)]
pub struct Token {
    /// The part of it that may be shown.
    pub id: String,
    pub principal: String,
    pub access: Access,
    /// SHA-256 of its secret, in hexadecimal.
    pub hash: String,
    pub created_at: Timestamp,
    pub expires_at: Option<Timestamp>,
    pub revoked_at: Option<Timestamp>,
}

impl Token {
    /// Does it open the door now?
    pub fn is_good(&self, at: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| at < end)
    }

    pub fn opens_for(&self) -> Principal {
        Principal { name: self.principal.clone(), access: self.access }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_may_do_what_those_before_it_may() {
        assert!(Access::ALL.is_sorted());
        for access in Access::ALL {
            assert_eq!(Access::of_word(access.word()), Some(access));
        }
        assert_eq!(Access::of_word("boss"), None);
    }

    #[test]
    fn a_token_is_good_until_it_expires_or_is_revoked() {
        let at = Timestamp::from_millis;
        let token = Token {
            id: "k1".to_owned(),
            principal: "ci".to_owned(),
            access: Access::Worker,
            hash: String::new(),
            created_at: at(0),
            expires_at: Some(at(10)),
            revoked_at: None,
        };
        assert!(token.is_good(at(9)));
        assert!(!token.is_good(at(10)));
        assert!(!Token { revoked_at: Some(at(1)), ..token.clone() }.is_good(at(5)));
        assert!(Token { expires_at: None, ..token }.is_good(at(1_000_000)));
    }
}
