//! The socket at which a running Claude client takes messages for its session. Its path comes from outside, so what is
//! there is looked at before a word is said, and nobody is waited for.

use rustix::net::AddressFamily;
use rustix::net::SocketAddrUnix;
use rustix::net::SocketFlags;
use rustix::net::SocketType;
use serde_json::json;
use std::io;
use std::io::Write;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

const WRITE_WITHIN: Duration = Duration::from_secs(1);

/// Others than its owner may neither read nor write it.
const OTHERS: u32 = 0o077;

/// Is this a socket of ours alone?
pub fn is_private(path: &Path) -> io::Result<bool> {
    let found = path.symlink_metadata()?;
    let us = rustix::process::geteuid().as_raw();
    Ok(found.file_type().is_socket() && found.uid() == us && found.mode() & OTHERS == 0)
}

/// Says it to the session, which takes it for the word of another session, not of its user.
pub fn say(path: &Path, text: &str) -> io::Result<()> {
    let me = rustix::process::geteuid();
    if !is_private(path)? {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "it is no socket of ours alone"));
    }
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    // At once or not at all: a client whose queue is full does not read.
    rustix::net::connect(&socket, &SocketAddrUnix::new(path)?)?;
    let mut stream = UnixStream::from(socket);
    if !is_of(&stream, me) {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "somebody else listens there"));
    }
    stream.set_nonblocking(false)?;
    stream.set_write_timeout(Some(WRITE_WITHIN))?;
    let line = json!({ "type": "user", "message": { "role": "user", "content": text } });
    stream.write_all(format!("{line}\n").as_bytes())
}

/// Between a look at a path and a connection to it another socket may have come there.
#[cfg(target_os = "linux")]
fn is_of(stream: &UnixStream, user: rustix::process::Uid) -> bool {
    rustix::net::sockopt::socket_peercred(stream).is_ok_and(|peer| peer.uid == user)
}

#[cfg(not(target_os = "linux"))]
fn is_of(_stream: &UnixStream, _user: rustix::process::Uid) -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::fs::Permissions;
    use std::io::BufRead;
    use std::io::BufReader;
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::net::UnixListener;

    fn private(path: &Path) -> UnixListener {
        let listener = UnixListener::bind(path).unwrap();
        fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
        listener
    }

    #[test]
    fn one_line_arrives() {
        let dir = tempfile::tempdir_in("/tmp").unwrap();
        let path = dir.path().join("1.sock");
        let listener = private(&path);
        say(&path, "you have\n\"mail\"").unwrap();
        let mut line = String::new();
        BufReader::new(listener.accept().unwrap().0).read_line(&mut line).unwrap();
        let said: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(said["message"]["content"], "you have\n\"mail\"");
        assert_eq!((&said["type"], &said["message"]["role"]), (&json!("user"), &json!("user")));
    }

    #[test]
    fn what_is_no_socket_of_ours_alone_hears_nothing() {
        let dir = tempfile::tempdir_in("/tmp").unwrap();
        let path = |name: &str| dir.path().join(name);
        let open = private(&path("open"));
        fs::set_permissions(path("open"), Permissions::from_mode(0o666)).unwrap();
        let _ours = private(&path("ours"));
        std::os::unix::fs::symlink(path("ours"), path("link")).unwrap();
        fs::write(path("file"), "").unwrap();
        for name in ["open", "link", "file", "missing"] {
            assert!(say(&path(name), "x").is_err(), "{name}");
        }
        open.set_nonblocking(true).unwrap();
        assert!(open.accept().is_err(), "nobody came");
    }

    #[test]
    fn nobody_is_waited_for() {
        let dir = tempfile::tempdir_in("/tmp").unwrap();
        let path = dir.path().join("1.sock");
        let listener = private(&path);
        // Nobody accepts: after a while the queue is full.
        let refused = (0..10_000).any(|_| say(&path, "x").is_err());
        assert!(refused);
        drop(listener);
        assert!(say(&path, "x").is_err(), "a file that nobody listens behind");
    }
}
