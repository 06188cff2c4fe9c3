//! Whether a directory may hold the store: a private one of ours, on a disk that no other machine shares.

use crate::error::Result;
use crate::store::place::CHOOSE_ANOTHER;
use crate::store::place::CHOOSE_LOCAL;
use crate::store::place::STATE_DIR;
use crate::store::place::cannot;
use crate::store::place::look_at;
use crate::store::place::permissions;
use crate::store::place::refusal;
use rustix::fs::StatFs;
use rustix::io::Errno;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

pub(super) fn must_be_our_dir(dir: &Path, found: &Metadata) -> Result<()> {
    let shown = dir.display();
    if found.is_symlink() {
        let message = format!("`{shown}` is a symbolic link, and must be a directory itself");
        return Err(refusal(message, format!("remove the link, or {CHOOSE_ANOTHER}")));
    }
    if !found.is_dir() {
        return Err(refusal(format!("`{shown}` is not a directory"), CHOOSE_ANOTHER));
    }
    must_be_ours(dir, found)
}

pub(super) fn must_be_closed(dir: &Path, found: &Metadata) -> Result<()> {
    if permissions(found) & 0o022 == 0 {
        return Ok(());
    }
    let shown = dir.display();
    Err(refusal(
        format!("other users may write to `{shown}` (mode {:04o}), and it must be private", permissions(found)),
        format!("look at what is in it, then run `chmod 700 {shown}`, or {CHOOSE_ANOTHER}"),
    ))
}

pub(super) fn must_be_our_file(path: &Path, found: &Metadata) -> Result<()> {
    if !found.is_file() {
        let what = if found.is_symlink() { "a symbolic link" } else { "not a regular file" };
        let message = format!("`{}` is {what}, and must be a regular file", path.display());
        return Err(refusal(message, format!("move it away, or {CHOOSE_ANOTHER}")));
    }
    must_be_ours(path, found)
}

fn must_be_ours(path: &Path, found: &Metadata) -> Result<()> {
    let us = rustix::process::geteuid().as_raw();
    if found.uid() != us {
        return Err(refusal(
            format!("`{}` belongs to user {}, and this process runs as user {us}", path.display(), found.uid()),
            format!("run as its owner, or {CHOOSE_ANOTHER}"),
        ));
    }
    Ok(())
}

/// A directory in which somebody keeps other things stays as it is: ours is private, and hidden from git.
pub(super) fn must_hold_nothing_else(dir: &Path, ours: &[&str]) -> Result<()> {
    let entries = std::fs::read_dir(dir).map_err(|cause| cannot("look into", dir, &cause))?;
    let is_ours = |name: &std::ffi::OsStr| ours.iter().any(|ours| name == *ours);
    match entries.flatten().find(|entry| !is_ours(&entry.file_name())) {
        None => Ok(()),
        Some(other) => {
            let (shown, other) = (dir.display(), other.file_name());
            let message = format!("`{shown}` holds other things, such as `{}`", other.to_string_lossy());
            let own = dir.join(STATE_DIR);
            Err(refusal(message, format!("the state wants a directory of its own, such as `{}`", own.display())))
        }
    }
}

/// Our ignore file would hide a whole repository from git.
pub(super) fn must_not_be_a_worktree(dir: &Path) -> Result<()> {
    if look_at(&dir.join(".git"))?.is_none() {
        return Ok(());
    }
    let message = format!("`{}` is a git repository, and must hold nothing but the state", dir.display());
    Err(refusal(message, format!("name one in it, such as `{}`, or {CHOOSE_ANOTHER}", dir.join(STATE_DIR).display())))
}

/// Looks at the nearest ancestor that exists, where the directory itself will be made.
pub(super) fn must_be_on_a_local_disk(dir: &Path) -> Result<()> {
    for ancestor in dir.ancestors() {
        match rustix::fs::statfs(ancestor) {
            Ok(stat) => {
                let Some(name) = shared_filesystem(&stat) else { return Ok(()) };
                return Err(refusal(
                    format!(
                        "`{}` lies on a network or shared filesystem ({name}), \
                         and SQLite's shared memory does not work across machines",
                        dir.display()
                    ),
                    CHOOSE_LOCAL,
                ));
            }
            Err(Errno::NOENT) => {}
            Err(cause) => return Err(cannot("look at", ancestor, &cause.into())),
        }
    }
    Ok(())
}

/// Filesystems of which other machines, or another kernel, may hold a copy in memory, by the number the kernel tells.
#[cfg(not(target_os = "macos"))]
const SHARED_FILESYSTEMS: [(u32, &str); 24] = [
    (0x6969, "NFS"),
    (0x517b, "SMB"),
    (0xff53_4d42, "CIFS"),
    (0xfe53_4d42, "SMB2"),
    (0x564c, "NCP"),
    (0x0102_1997, "9p"),
    (0x6573_5546, "FUSE or virtiofs"),
    (0x5346_414f, "AFS"),
    (0x6b41_4653, "AFS"),
    (0x7375_7245, "Coda"),
    (0x00c3_6400, "Ceph"),
    (0x7461_636f, "OCFS2"),
    (0x0116_1970, "GFS2"),
    (0x0bd0_0bd0, "Lustre"),
    (0x4750_4653, "GPFS"),
    (0x1983_0326, "BeeGFS"),
    (0x2003_0528, "OrangeFS"),
    (0xaad7_aaea, "PanFS"),
    (0xbeef_dead, "StorNext"),
    (0x6163_6673, "ACFS"),
    (0x0131_11a8, "IBRIX"),
    (0x786f_4256, "VirtualBox shared folder"),
    (0xbacb_acbc, "VMware shared folder"),
    (0x7c7c_6673, "Parallels shared folder"),
];

#[cfg(not(target_os = "macos"))]
pub(super) fn shared_filesystem(stat: &StatFs) -> Option<String> {
    // The field has 32 or 64 bits, signed or not, as the machine's kernel pleases; the number has 32.
    let magic = stat.f_type as u32;
    SHARED_FILESYSTEMS.iter().find(|(number, _)| *number == magic).map(|(_, name)| (*name).to_owned())
}

/// Filesystems that call themselves local and yet are shared with another machine or served by a program.
#[cfg(target_os = "macos")]
const SHARED_FILESYSTEMS: [&str; 7] = ["macfuse", "osxfuse", "fuse", "virtiofs", "vmhgfs", "prl_fs", "vboxvfs"];

#[cfg(target_os = "macos")]
pub(super) fn shared_filesystem(stat: &StatFs) -> Option<String> {
    let name: String =
        stat.f_fstypename.iter().map(|byte| char::from(*byte as u8)).take_while(|letter| *letter != '\0').collect();
    let is_local = stat.f_flags & libc::MNT_LOCAL as u32 != 0;
    (!is_local || SHARED_FILESYSTEMS.contains(&name.as_str())).then_some(name)
}
