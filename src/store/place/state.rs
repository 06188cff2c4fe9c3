//! What stands in the state directory, what each thing is for, and whether it is as it should be.

use crate::error::Result;
use crate::store::place::BOARD_FILE;
use crate::store::place::IGNORE_EVERYTHING;
use crate::store::place::IGNORE_FILE;
use crate::store::place::MAIN_LOCK;
use crate::store::place::OURS;
use crate::store::place::OWNER_TOKEN;
use crate::store::place::PRIVATE_DIR;
use crate::store::place::PRIVATE_FILE;
use crate::store::place::Place;
use crate::store::place::SOCKET;
use crate::store::place::STORE_COMPANIONS;
use crate::store::place::STORE_FILE;
use crate::store::place::TURN_LOCK;
use crate::store::place::WAKE_DIR;
use crate::store::place::cannot;
use crate::store::place::keep_mode;
use crate::store::place::look_at;
use crate::store::place::permissions;
use std::fs;
use std::fs::Metadata;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::path::PathBuf;

/// What each thing in the directory holds, for those who want to know what is kept of them.
const HOLDS: [(&str, &str); 11] = [
    (STORE_FILE, "the store: instances, sessions, tasks, messages, context, reservations, events"),
    (STORE_COMPANIONS[0], "the newest changes of the store, until they are written back"),
    (STORE_COMPANIONS[1], "an index of these changes, which all processes share"),
    ("orch.db-journal", "the store as it was, while it is made"),
    (TURN_LOCK, "nothing: whose turn it is to write"),
    (MAIN_LOCK, "nothing: whose turn it is to write"),
    (BOARD_FILE, "calls, and their answers, that wait for their turn to write"),
    (WAKE_DIR, "doorbells: sockets of processes that wait for news"),
    (OWNER_TOKEN, "the token with which the owner's own programs come in through `serve --http`"),
    (SOCKET, "nothing: where `serve --http` is heard on this machine"),
    (IGNORE_FILE, "`*`, so that git does not see the directory"),
];

/// Something that others may look at or change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open {
    pub path: PathBuf,
    pub mode: u32,
    pub wanted: u32,
}

impl Place {
    /// Everything of ours that there is or may be, with what it holds.
    pub fn holdings(&self) -> Vec<(PathBuf, &'static str)> {
        HOLDS.iter().map(|(name, holds)| (self.dir.join(name), *holds)).collect()
    }

    /// What has not the mode that it should have. What belongs to somebody else, and what is a link, is left to `check`.
    pub fn open_to_others(&self) -> Result<Vec<Open>> {
        let mut open = Vec::new();
        let mut look = |path: PathBuf, wanted_dir: bool| -> Result<bool> {
            let Some(found) = look_at(&path)?.filter(is_ours) else { return Ok(false) };
            let wanted = match (found.is_dir(), found.is_file()) {
                (true, _) if wanted_dir => PRIVATE_DIR,
                (_, true) if !wanted_dir => PRIVATE_FILE,
                _ => return Ok(false),
            };
            let mode = permissions(&found);
            if mode != wanted {
                open.push(Open { path, mode, wanted });
            }
            Ok(true)
        };
        if look(self.dir.clone(), true)? {
            for name in OURS {
                look(self.dir.join(name), name == WAKE_DIR)?;
            }
        }
        Ok(open)
    }

    /// Closes it to others. Where others could put things into the directory, only if nothing in it is theirs.
    pub fn close(&self, open: &Open) -> Result<bool> {
        if open.path.is_dir() && open.mode & 0o022 != 0 && !holds_only_ours(&open.path)? {
            return Ok(false);
        }
        match look_at(&open.path)?.filter(is_ours) {
            Some(found) if !found.is_symlink() => keep_mode(&open.path, &found, open.wanted).map(|()| true),
            _ => Ok(false),
        }
    }

    /// Does git pass over the directory? It does where there is none.
    pub fn is_hidden_from_git(&self) -> bool {
        if !self.dir.is_dir() {
            return true;
        }
        let path = self.dir.join(IGNORE_FILE);
        // Opening what is not a file could wait forever.
        let text = if path.is_file() { fs::read_to_string(path).unwrap_or_default() } else { String::new() };
        text.lines().any(|line| line.trim_end() == "*")
    }

    pub fn hide_from_git(&self) -> Result<()> {
        let path = self.dir.join(IGNORE_FILE);
        OpenOptions::new()
            .append(true)
            .create(true)
            .mode(PRIVATE_FILE)
            .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
            .open(&path)
            .and_then(|mut file| file.write_all(IGNORE_EVERYTHING))
            .map_err(|cause| cannot("write", &path, &cause))
    }

    /// How long the write-ahead log is.
    pub fn log_bytes(&self) -> Result<u64> {
        Ok(look_at(&self.dir.join(STORE_COMPANIONS[0]))?.map_or(0, |found| found.len()))
    }
}

fn is_ours(found: &Metadata) -> bool {
    found.uid() == rustix::process::geteuid().as_raw()
}

fn holds_only_ours(dir: &Path) -> Result<bool> {
    let entries = fs::read_dir(dir).map_err(|cause| cannot("look into", dir, &cause))?;
    for entry in entries.flatten() {
        match look_at(&entry.path())? {
            Some(found) if found.is_symlink() || !is_ours(&found) => return Ok(false),
            _ => {}
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::fs::symlink;

    fn a_place() -> (Place, tempfile::TempDir) {
        let dir = tempfile::tempdir().unwrap();
        let place = Place::at(dir.path().join("state"));
        place.create().unwrap();
        (place, dir)
    }

    fn set(path: &Path, mode: u32) {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn everything_of_ours_is_told_of() {
        let told: Vec<&str> = HOLDS.iter().map(|(name, _)| *name).collect();
        assert!(OURS.iter().all(|name| told.contains(name)) && told.len() == OURS.len());
    }

    #[test]
    fn what_others_could_read_is_found_and_closed() {
        let (place, _dir) = a_place();
        assert_eq!(place.open_to_others().unwrap(), []);
        set(place.dir(), 0o755);
        set(&place.board_file(), 0o644);
        set(&place.doorbells(), 0o777);
        let open = place.open_to_others().unwrap();
        let modes: Vec<(u32, u32)> = open.iter().map(|open| (open.mode, open.wanted)).collect();
        assert_eq!(modes, [(0o755, 0o700), (0o644, 0o600), (0o777, 0o700)]);
        assert!(open.iter().all(|open| place.close(open).unwrap()));
        assert_eq!(place.open_to_others().unwrap(), []);
    }

    #[test]
    fn a_directory_into_which_others_could_write_is_closed_only_if_they_did_not() {
        let (place, dir) = a_place();
        set(place.dir(), 0o777);
        symlink(dir.path(), place.dir().join("planted")).unwrap();
        let open = place.open_to_others().unwrap();
        assert!(!place.close(&open[0]).unwrap());
        fs::remove_file(place.dir().join("planted")).unwrap();
        assert!(place.close(&open[0]).unwrap());
    }

    #[test]
    fn git_passes_over_it_again() {
        let (place, _dir) = a_place();
        assert!(place.is_hidden_from_git());
        let ignore = place.dir().join(IGNORE_FILE);
        for text in [None, Some(""), Some("notes\n")] {
            match text {
                Some(text) => fs::write(&ignore, text).unwrap(),
                None => fs::remove_file(&ignore).unwrap(),
            }
            assert!(!place.is_hidden_from_git());
            place.hide_from_git().unwrap();
            assert!(place.is_hidden_from_git());
        }
        assert!(fs::read_to_string(&ignore).unwrap().starts_with("notes\n"), "what somebody wrote stays");
        assert!(Place::at("/nowhere").is_hidden_from_git());
    }
}
