//! Where the state directory is, when nobody says so: beside the repository, else the user's.

use crate::store::place::STATE_DIR;
use std::ffi::OsStr;
use std::fs;
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::path::PathBuf;

/// Longer than any path; a file of git's that is longer is not what it should be.
const GIT_FILE_MAX: u64 = 16 * 1024;

/// The state directory of the git repository around `cwd`, found by reading only, as git itself may be absent.
pub(super) fn beside_repository(cwd: &Path) -> Option<PathBuf> {
    let common = cwd.ancestors().find_map(git_dir)?.and_then(|dir| common_dir(&dir))?;
    if common.file_name() == Some(OsStr::new(".git")) {
        return Some(common.with_file_name(STATE_DIR));
    }
    // A bare repository or a submodule: what stands beside it may be tracked by another repository.
    Some(common.join(STATE_DIR))
}

/// Where a repository is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repository {
    /// The top of the worktree around us.
    pub top: PathBuf,
    /// What stands for all its worktrees: the main one, or the directory of a bare repository. Of a submodule, its top.
    pub main: PathBuf,
}

/// The git repository around `cwd`, as far as it can be understood.
pub fn repository(cwd: &Path) -> Option<Repository> {
    let (top, git_dir) = cwd.ancestors().find_map(|top| Some((top.to_owned(), git_dir(top)?)))?;
    let main = git_dir.and_then(|dir| {
        let common = common_dir(&dir)?;
        if common.file_name() == Some(OsStr::new(".git")) {
            return common.parent().map(Path::to_owned);
        }
        dir.join("commondir").is_file().then_some(common)
    });
    Some(Repository { main: main.unwrap_or_else(|| top.clone()), top })
}

/// Where git keeps what it knows of the worktree at `top`.
pub fn git_records(top: &Path) -> Option<PathBuf> {
    git_dir(top)?
}

/// The git directory of a worktree or bare repository at `top`: the outer `None` says there is none, the inner one
/// that there is something broken, which ends the search as it does for git.
fn git_dir(top: &Path) -> Option<Option<PathBuf>> {
    let dot_git = top.join(".git");
    match fs::metadata(&dot_git) {
        Ok(found) if found.is_dir() => Some(Some(dot_git)),
        Ok(_) => Some(read_git_file(&dot_git, b"gitdir: ").map(|dir| top.join(dir))),
        Err(_) => is_bare_repository(top).then(|| Some(top.to_owned())),
    }
}

fn is_bare_repository(dir: &Path) -> bool {
    dir.join("HEAD").is_file() && dir.join("objects").is_dir() && dir.join("refs").is_dir()
}

/// What all worktrees of a repository share, spelled the same from each of them.
fn common_dir(git_dir: &Path) -> Option<PathBuf> {
    let common = match read_git_file(&git_dir.join("commondir"), b"") {
        Some(dir) => git_dir.join(dir),
        None => git_dir.to_owned(),
    };
    common.canonicalize().ok().filter(|dir| dir.is_dir())
}

/// The path that a small file of git's holds after `prefix`.
fn read_git_file(path: &Path, prefix: &[u8]) -> Option<PathBuf> {
    // Opening what is not a file could wait forever.
    if !path.is_file() {
        return None;
    }
    let mut bytes = Vec::new();
    File::open(path).ok()?.take(GIT_FILE_MAX).read_to_end(&mut bytes).ok()?;
    let rest = bytes.strip_prefix(prefix)?;
    let end = rest.iter().rposition(|byte| !matches!(byte, b'\n' | b'\r'))?;
    Some(PathBuf::from(OsStr::from_bytes(&rest[..=end])))
}

/// Is there a repository around `cwd`, with a place for the state directory?
pub fn is_in_repository(cwd: &Path) -> bool {
    beside_repository(cwd).is_some()
}

/// Where a path leads, of which the end need not be there yet. `None` where a link in it leads to what is not there.
pub fn leads_to(path: &Path) -> Option<PathBuf> {
    let there = path.ancestors().find(|dir| dir.symlink_metadata().is_ok())?;
    let rest = path.strip_prefix(there).ok()?;
    let leads_to = there.canonicalize().ok()?;
    Some(if rest.as_os_str().is_empty() { leads_to } else { leads_to.join(rest) })
}

pub(super) fn of_user(xdg_state_home: Option<PathBuf>, home: Option<PathBuf>) -> Option<PathBuf> {
    let absolute = |dir: &PathBuf| dir.is_absolute();
    let states = xdg_state_home.filter(absolute).or_else(|| Some(home.filter(absolute)?.join(".local/state")))?;
    Some(states.join("orch-mcp"))
}
