//! The owner's token: made by itself, kept in a file that nobody else can read, so that the owner's programs come in.

use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::model::access::OWNER;
use crate::ops::Caller;
use crate::ops::Desk;
use crate::ops::LocalDesk;
use crate::ops::table;
use crate::ops::token::Secret;
use crate::ops::token::admit;
use crate::store::doorbell::Hangup;
use serde_json::json;
use std::fs;
use std::fs::OpenOptions;
use std::io;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Sees to it that the file holds a token that is good.
pub(super) fn ensure(desk: &LocalDesk, path: &Path) -> Result<()> {
    let cannot = |what: &str, cause: io::Error| {
        Error::new(Kind::Unavailable, format!("cannot {what} the owner's token `{}`: {cause}", path.display()))
    };
    if let Some(kept) = kept(path).map_err(|cause| cannot("read", cause))?
        && admit(desk, &kept)?.is_some_and(|principal| principal.is_owner())
    {
        return Ok(());
    }
    let nobody = Caller::anonymous(desk.host().clone());
    // What somebody else may have read opens nothing any more.
    if let Some(shown) = shown(path)
        && admit(desk, &shown)?.is_some_and(|principal| principal.is_owner())
    {
        let revoked = table::own_request("revoke_token", json!({ "token": shown.id }))?;
        desk.execute(&revoked, &nobody, &Hangup::new())?;
    }
    let secret = Secret::make()?;
    let token = json!({ "id": secret.id, "hash": secret.hash, "role": "human", "name": OWNER });
    desk.execute(&table::own_request("add_token", token)?, &nobody, &Hangup::new())?;
    write(path, secret.words()).map_err(|cause| cannot("write", cause))
}

/// What the file holds, unless somebody else can read it or made it: then it is worth nothing.
fn kept(path: &Path) -> io::Result<Option<Secret>> {
    let found = match path.symlink_metadata() {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let is_private = found.is_file() && found.mode() & 0o077 == 0 && found.uid() == rustix::process::geteuid().as_raw();
    if !is_private {
        tracing::warn!("the owner's token was open to others: it is made anew");
        return Ok(None);
    }
    Ok(Secret::read(fs::read_to_string(path)?.trim()))
}

/// The token in a file of ours that others could read.
fn shown(path: &Path) -> Option<Secret> {
    let found = path.symlink_metadata().ok()?;
    let is_ours = found.is_file() && found.uid() == rustix::process::geteuid().as_raw();
    is_ours.then(|| fs::read_to_string(path).ok()).flatten().and_then(|words| Secret::read(words.trim()))
}

/// Whole or not at all.
fn write(path: &Path, words: &str) -> io::Result<()> {
    let new = path.with_extension(format!("token.{}", std::process::id()));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
    let written = writeln!(file, "{words}").and_then(|()| file.sync_all()).and_then(|()| fs::rename(&new, path));
    if written.is_err() {
        let _ = fs::remove_file(&new);
    }
    written
}
