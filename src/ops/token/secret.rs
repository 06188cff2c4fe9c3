//! The words of a token: a part that may be shown and found, and 256 random bits that nobody but its holder keeps.

use crate::error::Error;
use crate::error::Result;
use crate::host;
use sha2::Digest;
use sha2::Sha256;
use std::fmt;
use subtle::ConstantTimeEq;

const PREFIX: &str = "orch_";
const ID_BYTES: usize = 5;
const SECRET_BYTES: usize = 32;

/// A token in the hands of somebody who holds it. It cannot be printed by accident.
pub struct Secret {
    pub id: String,
    /// SHA-256 of the secret part, in hexadecimal: all that a store ever sees of it.
    pub hash: String,
    words: String,
}

impl Secret {
    pub fn make() -> Result<Secret> {
        let mut bytes = [0; ID_BYTES + SECRET_BYTES];
        host::unguessable(&mut bytes).map_err(Error::internal)?;
        let (id, secret) = bytes.split_at(ID_BYTES);
        let words = format!("{PREFIX}{}_{}", hex(id), hex(secret));
        Secret::read(&words).ok_or_else(|| Error::internal("a new token cannot be read"))
    }

    /// `None` for what is no token of ours.
    pub fn read(words: &str) -> Option<Secret> {
        let (id, secret) = words.strip_prefix(PREFIX)?.split_once('_')?;
        let is_hex = |text: &str, bytes: usize| {
            text.len() == 2 * bytes && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        };
        (is_hex(id, ID_BYTES) && is_hex(secret, SECRET_BYTES)).then(|| Secret {
            id: id.to_owned(),
            hash: hex(&Sha256::digest(secret.as_bytes())),
            words: words.to_owned(),
        })
    }

    /// The token itself, to be handed over once.
    pub fn words(&self) -> &str {
        &self.words
    }

    /// Takes the same time however much of it is right.
    pub fn has_hash(&self, hash: &str) -> bool {
        self.hash.as_bytes().ct_eq(hash.as_bytes()).into()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "token {}", self.id)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_as_it_was_made_and_is_shown_to_nobody() {
        let made = Secret::make().expect("there is randomness");
        let read = Secret::read(made.words()).expect("it is whole");
        assert!(made.has_hash(&read.hash) && made.id == read.id);
        assert!(!format!("{made:?}").contains(&made.words()[16..]));
        assert!(made.words().len() > 64 && Secret::make().expect("more").hash != made.hash);
    }

    #[test]
    fn what_is_not_whole_is_no_token() {
        let words = Secret::make().expect("there is randomness").words().to_owned();
        for wrong in [&words[..words.len() - 1], &words.to_uppercase(), "orch_", "", &format!("{words}0"), &words[5..]]
        {
            assert!(Secret::read(wrong).is_none(), "{wrong}");
        }
    }
}
