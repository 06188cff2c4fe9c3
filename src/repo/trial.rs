//! A branch put upon a commit in thought: what would come of it, without a worktree and without moving anything.

use crate::error::Result;
use crate::repo::bounded::Ended;
use crate::repo::git::Git;
use crate::repo::guarded::Guard;
use crate::repo::holdings;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trial {
    Lands,
    /// In these files.
    Conflicts(Vec<String>),
    /// It touches these.
    Protected(Vec<String>),
    /// Git cannot put it on, and says why.
    Stuck(String),
}

/// If it lands, `top` is what the next one is put on. The commit for that is made up, and is on no branch.
pub fn land(git: &Git, top: &mut String, tip: &str, guard: &Guard) -> Result<Trial> {
    let touched = guard.touched(git, tip, top)?;
    if !touched.is_empty() {
        return Ok(Trial::Protected(touched));
    }
    let words = ["merge-tree", "--write-tree", "--name-only", "--no-messages", "-z", top, tip];
    let answer = git.attempt(&words)?;
    let names = answer.out.split(|byte| *byte == 0).filter(|name| !name.is_empty());
    let mut names = names.map(|name| String::from_utf8_lossy(name).into_owned());
    match (answer.ended, names.next()) {
        (Ended::Code(0), Some(files)) => {
            let differing = guard.differing(git, top, &files)?;
            if !differing.is_empty() {
                return Ok(Trial::Protected(differing));
            }
            *top = holdings::made_up(git, &files, &[top, tip])?;
            Ok(Trial::Lands)
        }
        (Ended::Code(1), Some(_)) => Ok(Trial::Conflicts(names.collect())),
        _ => Ok(Trial::Stuck(answer.complaint().to_owned())),
    }
}
