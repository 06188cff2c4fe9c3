//! How a repository stands, as git tells it, within so long and without changing anything.

use crate::error::Result;
use crate::host::Deadline;
use crate::model::time::Timestamp;
use crate::repo::bounded::Ended;
use crate::repo::git::Answer;
use crate::repo::git::Git;
use crate::store::doorbell::Hangup;
use serde::Serialize;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

#[derive(Clone, Debug, PartialEq)]
pub enum Standing {
    There(Box<Status>),
    /// Nothing is at that path.
    Missing,
    /// Something is, and not a repository.
    NoRepository,
    Unreadable(String),
    TooLong,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Status {
    /// None where a commit is checked out, and no branch.
    pub branch: Option<String>,
    pub upstream: Option<String>,
    /// Commits that the upstream has not, as far as it is known here; none where there is no upstream.
    pub ahead: Option<u64>,
    pub behind: Option<u64>,
    /// Is anything changed, staged, in conflict or unknown to git?
    pub dirty: bool,
    pub changed: u64,
    pub conflicts: u64,
    pub untracked: u64,
    pub stashes: u64,
    pub last_commit: Option<Commit>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Commit {
    pub id: String,
    pub subject: String,
    pub author: String,
    pub at: Timestamp,
}

impl Standing {
    pub fn word(&self) -> &'static str {
        match self {
            Standing::There(status) if status.conflicts > 0 => "conflict",
            Standing::There(status) if status.dirty => "dirty",
            Standing::There(_) => "clean",
            Standing::Missing => "missing",
            Standing::NoRepository => "no_repository",
            Standing::Unreadable(_) => "unreadable",
            Standing::TooLong => "timed_out",
        }
    }

    pub fn status(&self) -> Option<&Status> {
        if let Standing::There(status) = self { Some(status) } else { None }
    }

    /// Why nothing is known of it.
    pub fn why(&self, dir: &Path) -> Option<String> {
        let dir = dir.display();
        match self {
            Standing::There(_) => None,
            Standing::Missing => Some(format!("nothing is at `{dir}`")),
            Standing::NoRepository => Some(format!("`{dir}` is no repository of git")),
            Standing::Unreadable(why) => Some(why.clone()),
            Standing::TooLong => Some("git did not answer in time".to_owned()),
        }
    }
}

/// One that is there by the path that leads there, so that nothing above it is taken for it.
pub fn true_dir(dir: &Path) -> Result<PathBuf, Standing> {
    let Ok(dir) = dir.canonicalize() else { return Err(Standing::Missing) };
    let is_repository = dir.join(".git").symlink_metadata().is_ok() || dir.join("HEAD").is_file();
    if is_repository { Ok(dir) } else { Err(Standing::NoRepository) }
}

pub fn look(dir: &Path, patience: Duration, hangup: &Hangup) -> Standing {
    let deadline = Deadline::after(patience);
    // To look contacts nobody: a repository that has not all of its objects would otherwise have them fetched, as its settings say.
    match true_dir(dir).map(|dir| Git::top(&dir).unless(hangup).with("GIT_NO_LAZY_FETCH", "1")) {
        Ok(git) => status(&git, deadline).unwrap_or_else(|error| Standing::Unreadable(error.message)),
        Err(standing) => standing,
    }
}

fn status(git: &Git, deadline: Deadline) -> Result<Standing> {
    let top = git.clone().within(deadline.left()).attempt(&["rev-parse", "--show-toplevel"])?;
    if let Some(standing) = failed(&top) {
        return Ok(standing);
    }
    // What its settings lead to may be anybody's.
    let top = String::from_utf8_lossy(&top.out).trim_end_matches('\n').to_owned();
    if Path::new(&top).canonicalize().ok().as_deref() != Some(git.dir()) {
        return Ok(Standing::Unreadable(format!("its files are elsewhere, at `{top}`")));
    }
    let unfiltered = match without_own_filters(&git.clone().within(deadline.left()))? {
        Ok(words) => words,
        Err(standing) => return Ok(standing),
    };
    let words = ["status", "--porcelain=v2", "--branch", "--show-stash", "-z", "--untracked-files=normal"];
    // What is not committed within a submodule is told there; to look would do there as its own settings say.
    let words = words.into_iter().chain(["--ignore-submodules=dirty", "--no-renames"]);
    let words: Vec<&str> = unfiltered.iter().map(String::as_str).chain(words).collect();
    let answer = git.clone().within(deadline.left()).attempt(&words)?;
    if let Some(standing) = failed(&answer) {
        return Ok(standing);
    }
    let mut status = Status::default();
    let mut has_commits = false;
    for line in answer.out.split(|byte| *byte == 0).map(String::from_utf8_lossy) {
        has_commits |= status.read(&line);
    }
    status.dirty = status.changed + status.conflicts + status.untracked > 0;
    if has_commits {
        let words = ["log", "-1", "--no-show-signature", "--format=%H%x00%ct%x00%an%x00%s", "HEAD", "--"];
        let answer = git.clone().within(deadline.left()).attempt(&words)?;
        if let Some(standing) = failed(&answer) {
            return Ok(standing);
        }
        status.last_commit = commit(&String::from_utf8_lossy(&answer.out));
    }
    Ok(Standing::There(Box::new(status)))
}

/// Words for git that keep it from running what the repository itself names to filter files with. A filter of the user's own
/// settings is the user's.
fn without_own_filters(git: &Git) -> Result<Result<Vec<String>, Standing>> {
    let own = match own_settings(git, "^filter\\..*\\.(clean|process)$")? {
        Ok(own) => own,
        Err(standing) => return Ok(Err(standing)),
    };
    if let Some(odd) = own.iter().find(|name| name.contains('=')) {
        let why = format!("its own settings name a program (`{}`) that nothing keeps git from", odd.escape_debug());
        return Ok(Err(Standing::Unreadable(why)));
    }
    let none = |name: &String| {
        let driver = name.rsplit_once('.').map_or(name.as_str(), |(driver, _)| driver);
        ["-c".to_owned(), format!("{name}="), "-c".to_owned(), format!("{driver}.required=false")]
    };
    Ok(Ok(own.iter().flat_map(none).collect()))
}

/// The settings of such names that the repository says itself, by its own files or what these include.
pub(super) fn own_settings(git: &Git, names: &str) -> Result<Result<Vec<String>, Standing>> {
    let words = ["config", "--show-scope", "--name-only", "--includes", "-z", "--get-regexp", names];
    let answer = git.attempt(&words)?;
    match answer.ended {
        Ended::Code(1) => return Ok(Ok(Vec::new())),
        Ended::Code(0) => {}
        _ => return Ok(Err(failed(&answer).unwrap_or(Standing::TooLong))),
    }
    let words: Vec<String> =
        answer.out.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned()).collect();
    let is_own = |pair: &&[String]| pair.len() == 2 && matches!(pair[0].as_str(), "local" | "worktree");
    Ok(Ok(words.chunks(2).filter(is_own).map(|pair| pair[1].clone()).collect()))
}

fn failed(answer: &Answer) -> Option<Standing> {
    match answer.ended {
        Ended::Code(0) => None,
        Ended::TooLong => Some(Standing::TooLong),
        _ => Some(Standing::Unreadable(answer.complaint().to_owned())),
    }
}

fn commit(told: &str) -> Option<Commit> {
    let mut parts = told.trim_end_matches('\n').splitn(4, '\0');
    let mut next = || parts.next().map(str::to_owned);
    let (id, secs, author, subject) = (next()?, next()?, next()?, next()?);
    let at = Timestamp::from_millis(secs.parse::<i64>().ok()?.saturating_mul(1000));
    Some(Commit { id, subject, author, at })
}

impl Status {
    /// One line of `git status`. Says whether it tells of a commit.
    fn read(&mut self, line: &str) -> bool {
        let (kind, rest) = line.split_once(' ').unwrap_or((line, ""));
        match (kind, rest.split_once(' ')) {
            ("#", Some(("branch.oid", id))) => return id != "(initial)",
            ("#", Some(("branch.head", name))) => {
                self.branch = (name != "(detached)").then(|| name.to_owned());
            }
            ("#", Some(("branch.upstream", name))) => self.upstream = Some(name.to_owned()),
            ("#", Some(("branch.ab", counts))) => {
                let count = |word: Option<&str>| word?.trim_start_matches(['+', '-']).parse().ok();
                let mut counts = counts.split(' ');
                (self.ahead, self.behind) = (count(counts.next()), count(counts.next()));
            }
            ("#", Some(("stash", count))) => self.stashes = count.parse().unwrap_or_default(),
            ("?", _) => self.untracked += 1,
            ("u", _) => self.conflicts += 1,
            ("1" | "2", _) => self.changed += 1,
            _ => {}
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_git_become_a_status() {
        let mut status = Status::default();
        let lines = [
            "# branch.oid 0123",
            "# branch.head main",
            "# branch.upstream origin/main",
            "# branch.ab +2 -13",
            "# stash 4",
            "1 .M N... 100644 100644 100644 a b name with spaces",
            "u UU N... 1 2 3 4 a b c both",
            "? # branch.head evil",
            "",
        ];
        let commits: Vec<bool> = lines.iter().map(|line| status.read(line)).collect();
        assert!(commits[0] && !commits[1..].contains(&true));
        assert_eq!((status.branch.as_deref(), status.upstream.as_deref()), (Some("main"), Some("origin/main")));
        assert_eq!((status.ahead, status.behind, status.stashes), (Some(2), Some(13), 4));
        assert_eq!((status.changed, status.conflicts, status.untracked), (1, 1, 1));
        assert!(!Status::default().read("# branch.oid (initial)"));
    }

    #[test]
    fn a_commit_is_told_whatever_its_subject_is() {
        let told = commit("abc\x001700000000\0A. Uthor\0fix: a \"b\"\n").unwrap();
        assert_eq!(
            (told.id.as_str(), told.author.as_str(), told.subject.as_str()),
            ("abc", "A. Uthor", "fix: a \"b\"")
        );
        assert_eq!(told.at.to_string(), "2023-11-14T22:13:20.000Z");
        assert_eq!(commit("abc"), None);
    }
}
