//! A repository brought up to date with its upstream: forward or not at all, and never over anybody's work.

use crate::error::Error;
use crate::error::Result;
use crate::host::Deadline;
use crate::repo::bounded::Ended;
use crate::repo::git::Answer;
use crate::repo::git::Git;
use crate::repos::look;
use crate::repos::look::Standing;
use crate::repos::look::Status;
use crate::store::doorbell::Hangup;
use std::path::Path;
use std::time::Duration;

/// Settings of a repository that name a program which a fetch or a checkout would run. A person's own settings may: they are
/// theirs. Those of the repository are whose it was last.
const PROGRAMS: &str = "^(core\\.(sshcommand|gitproxy|askpass|alternaterefscommand)|credential\\..*helper|credential\\.helper|\
    remote\\..*\\.(uploadpack|vcs)|filter\\..*\\.(clean|smudge|process)|protocol\\.(.*\\.)?allow)$";

#[derive(Clone, Debug, PartialEq)]
pub enum Pulled {
    Moved {
        from: String,
        to: String,
        commits: u64,
    },
    Newest,
    /// As it was, and why.
    LeftAlone(String),
    Failed(String),
    /// There is nothing to look at.
    NotThere(Standing),
}

pub fn pull(dir: &Path, patience: Duration, hangup: &Hangup) -> Pulled {
    let deadline = Deadline::after(patience);
    let git = match look::true_dir(dir) {
        Ok(dir) => Git::top(&dir).unless(hangup),
        Err(standing) => return Pulled::NotThere(standing),
    };
    attempt(dir, &git, deadline, hangup).unwrap_or_else(|error| Pulled::Failed(error.message))
}

fn attempt(dir: &Path, git: &Git, deadline: Deadline, hangup: &Hangup) -> Result<Pulled> {
    let status = match look::look(dir, deadline.left(), hangup) {
        Standing::There(status) => status,
        standing => return Ok(Pulled::NotThere(standing)),
    };
    if let Some(why) = why_not(&status) {
        return Ok(Pulled::LeftAlone(why));
    }
    let git = || git.clone().within(deadline.left());
    let own = match look::own_settings(&git(), PROGRAMS)? {
        Ok(own) => own,
        Err(standing) => return Ok(Pulled::NotThere(standing)),
    };
    if let Some(setting) = own.first() {
        let why = format!("its own settings name a program (`{setting}`), which only you should run: `git pull` there");
        return Ok(Pulled::LeftAlone(why));
    }
    let fetch =
        ["fetch", "--quiet", "--no-auto-maintenance", "--no-recurse-submodules", "--upload-pack=git-upload-pack"];
    if let Some(failed) = complaint(&git().attempt(&fetch)?, "fetched") {
        return Ok(failed);
    }
    let upstream = "@{upstream}";
    let head = commit(&git(), "HEAD")?;
    // As it is after the fetch, and by its commit: whatever moves from here on is for the next time.
    let newest = commit(&git(), upstream)?;
    let counts = git().ask(&["rev-list", "--left-right", "--count", &format!("{head}...{newest}")])?;
    let mut counts = counts.split_whitespace().map(|count| count.parse::<u64>().unwrap_or_default());
    let (ahead, behind) = (counts.next().unwrap_or_default(), counts.next().unwrap_or_default());
    match (ahead, behind) {
        (_, 0) => return Ok(Pulled::Newest),
        (0, _) => {}
        _ => {
            let why = format!("it has {ahead} of its own and is {behind} behind: that is no step forward");
            return Ok(Pulled::LeftAlone(why));
        }
    }
    let merged = git().attempt(&["merge", "--quiet", "--ff-only", "--no-autostash", &newest])?;
    Ok(match complaint(&merged, "moved forward") {
        Some(failed) => failed,
        None => Pulled::Moved { from: head, to: newest, commits: behind },
    })
}

fn commit(git: &Git, words: &str) -> Result<String> {
    git.commit(words)?.ok_or_else(|| Error::not_found(format!("there is no commit at `{words}`")))
}

fn why_not(status: &Status) -> Option<String> {
    let counted = |count: u64, one: &str, many: &str| {
        (count > 0).then(|| format!("{count} {}", if count == 1 { one } else { many }))
    };
    let dirt: Vec<String> = [
        counted(status.conflicts, "conflict", "conflicts"),
        counted(status.changed, "change that is not committed", "changes that are not committed"),
        counted(status.untracked, "file that git does not know", "files that git does not know"),
    ]
    .into_iter()
    .flatten()
    .collect();
    if !dirt.is_empty() {
        return Some(format!("it is dirty: {}", dirt.join(", ")));
    }
    let Some(branch) = &status.branch else { return Some("it is on no branch".to_owned()) };
    match (&status.upstream, &status.last_commit) {
        (None, _) => Some(format!("`{branch}` has no upstream")),
        (_, None) => Some(format!("`{branch}` has no commit yet")),
        _ => None,
    }
}

fn complaint(answer: &Answer, what: &str) -> Option<Pulled> {
    match answer.ended {
        Ended::Code(0) => None,
        Ended::TooLong => Some(Pulled::Failed(format!("it was not {what} in time"))),
        _ => Some(Pulled::Failed(format!("it cannot be {what}: {}", answer.complaint()))),
    }
}
