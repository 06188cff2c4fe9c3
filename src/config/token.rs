//! What is shown at a server's door, and where it was found. It never stands on a command line.

use crate::config::Config;
use crate::config::Source;
use crate::config::environment::TOKEN;
use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use std::fmt;
use std::fs::File;
use std::fs::OpenOptions;
use std::io;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::path::PathBuf;

/// What is longer is no token, whoever made it.
const BYTES_MAX: u64 = 4_096;

/// A secret of the environment, which cannot be printed by accident.
#[derive(Clone)]
pub(super) struct Given(String);

impl Given {
    pub(super) fn new(words: String) -> Given {
        Given(words)
    }
}

impl fmt::Debug for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

/// A token, and where it is from. It cannot be printed by accident.
#[derive(Clone)]
pub struct Token {
    words: String,
    /// A variable, or the path of a file.
    pub from: String,
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "token from {}", self.from)
    }
}

impl Token {
    /// For whoever shows it at the door, or keeps it in a file.
    pub fn words(&self) -> &str {
        &self.words
    }

    fn read(words: &str, from: String) -> Result<Token> {
        let words = words.trim();
        // As `token create` prints it where no terminal shows it.
        let printed = serde_json::from_str::<serde_json::Value>(words).ok();
        let words = printed.as_ref().and_then(|answer| answer["data"]["token"].as_str()).unwrap_or(words);
        let is_word = words.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte));
        if words.is_empty() || !is_word {
            return Err(Error::invalid(format!("what `{from}` holds is no token, which is one word without spaces"))
                .hint("`orch-mcp token create` on the server's machine makes one"));
        }
        Ok(Token { words: words.to_owned(), from })
    }

    /// The token in a file that nobody else can read.
    pub fn of_file(path: &Path) -> Result<Token> {
        let cannot = |cause: io::Error| {
            Error::new(Kind::Unavailable, format!("cannot read the token in `{}`: {cause}", path.display()))
                .hint("name another file with `--token-file`")
        };
        // What became a pipe must not hold us up, and what is looked at is what is read.
        let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path).map_err(cannot)?;
        must_be_private(&file, path)?;
        let mut words = String::new();
        file.take(BYTES_MAX).read_to_string(&mut words).map_err(cannot)?;
        Token::read(&words, path.display().to_string())
    }
}

fn must_be_private(file: &File, path: &Path) -> Result<()> {
    let found = file.metadata().map_err(Error::internal)?;
    let shown = path.display();
    let refuse = |message: String, hint: String| Err(Error::new(Kind::Refused, message).hint(hint));
    if !found.is_file() {
        return refuse(format!("`{shown}` is no file"), "name the file of a token with `--token-file`".to_owned());
    }
    if found.mode() & 0o077 != 0 {
        let message = format!("`{shown}` holds a token, and others may read it (mode {:04o})", found.mode() & 0o7777);
        return refuse(message, format!("chmod 600 {shown}"));
    }
    let us = rustix::process::geteuid().as_raw();
    if found.uid() != us && found.uid() != 0 {
        let message = format!("`{shown}` holds a token, and belongs to user {}", found.uid());
        return refuse(message, "copy it to a file of your own".to_owned());
    }
    Ok(())
}

impl Config {
    /// What to show at the door of the server elsewhere, if anything is known. A flag goes over the environment, and that
    /// over what is kept.
    pub fn token(&self) -> Result<Option<Token>> {
        if let (Source::Flag(_), Some(path)) = (self.token_file.source, &self.token_file.value) {
            return Token::of_file(path).map(Some);
        }
        if let Some(Given(words)) = &self.token {
            return Token::read(words, TOKEN.to_owned()).map(Some);
        }
        if let Some(path) = &self.token_file.value {
            return Token::of_file(path).map(Some);
        }
        let Some(server) = &self.server.value else { return Ok(None) };
        if let Some(path) = self.kept_token(&server.file_name()).filter(|path| path.exists()) {
            return Token::of_file(&path).map(Some);
        }
        // One's own server on one's own machine.
        if server.is_here()
            && let Ok(place) = self.place()
            && place.owner_token().exists()
        {
            return Token::of_file(&place.owner_token()).map(Some);
        }
        Ok(None)
    }

    /// Where the token of a server is kept.
    pub fn kept_token(&self, file_name: &str) -> Option<PathBuf> {
        let configs = match &self.xdg_config_home {
            Some(dir) => dir.clone(),
            None => self.home.as_ref()?.join(".config"),
        };
        Some(configs.join("orch-mcp/tokens").join(file_name))
    }

    /// The file that was named on the command line.
    pub fn token_file_of_flag(&self) -> Option<&Path> {
        self.token_file.value.as_deref().filter(|_| matches!(self.token_file.source, Source::Flag(_)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_token_is_read_only_where_nobody_else_can() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("token");
        fs::write(&path, "  orch_1_2\n").expect("written");
        let mode = |mode| fs::set_permissions(&path, Permissions::from_mode(mode)).expect("ours");
        for open in [0o644, 0o640, 0o604, 0o660] {
            mode(open);
            let error = Token::of_file(&path).expect_err("open to others");
            assert!(error.hint.is_some_and(|hint| hint.starts_with("chmod 600 ")), "{}", error.message);
        }
        mode(0o600);
        let token = Token::of_file(&path).expect("private");
        assert_eq!(token.words(), "orch_1_2");
        assert!(!format!("{token:?}").contains("orch_1_2"));
        fs::write(&path, "two words").expect("written");
        let error = Token::of_file(&path).expect_err("no token");
        assert!(!error.message.contains("two words"), "{error}");
        assert!(Token::of_file(dir.path()).is_err() && Token::of_file(&dir.path().join("none")).is_err());
    }
}
