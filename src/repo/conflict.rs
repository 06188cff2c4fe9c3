//! A conflict with both its sides, short enough to be handed to whoever is to resolve it.

use crate::error::Result;
use crate::repo::git::Git;
use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::Read;

const FILES_MAX: usize = 20;
const HUNKS_PER_FILE_MAX: usize = 3;
const LINES_PER_SIDE_MAX: usize = 40;
const CHARS_PER_LINE_MAX: usize = 300;

/// Conflicts further down in a file are not shown.
const FILE_BYTES_MAX: u64 = 4 << 20;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    pub branch: String,
    /// The commit, and the name of the branch, that it was to be put on.
    pub onto: String,
    /// Of the branch, where one commit was put on after the other.
    pub commit: Option<String>,
    pub files: Vec<Conflicted>,
    pub files_more: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflicted {
    pub path: String,
    /// In words: `both changed it`.
    pub how: &'static str,
    pub hunks: Vec<Hunk>,
    pub hunks_more: usize,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hunk {
    pub target: String,
    pub branch: String,
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` cannot be put on {}", self.branch, self.onto)?;
        if let Some(commit) = &self.commit {
            write!(f, ": its commit `{commit}` conflicts")?;
        }
        for file in &self.files {
            write!(f, "\n\n`{}`: {}", file.path.escape_debug(), file.how)?;
            for hunk in &file.hunks {
                write!(f, "\n<<<<<<< target\n{}=======\n{}>>>>>>> {}", hunk.target, hunk.branch, self.branch)?;
            }
            if file.hunks_more > 0 {
                write!(f, "\n(and {} more)", file.hunks_more)?;
            }
        }
        match self.files_more {
            0 => Ok(()),
            more => write!(f, "\n\nand {more} more files"),
        }
    }
}

/// What stands in conflict in a worktree at this moment. `None` where nothing does.
pub fn look(git: &Git, branch: &str, onto: &str) -> Result<Option<Conflict>> {
    let mut stages: BTreeMap<String, Vec<char>> = BTreeMap::new();
    for line in git.names(&["ls-files", "--unmerged", "-z"])? {
        if let Some((about, path)) = line.split_once('\t') {
            stages.entry(path.to_owned()).or_default().extend(about.chars().last());
        }
    }
    if stages.is_empty() {
        return Ok(None);
    }
    let files_more = stages.len().saturating_sub(FILES_MAX);
    let files = stages.into_iter().take(FILES_MAX).map(|(path, stages)| {
        let (hunks, hunks_more) = hunks_of(git, &path);
        Conflicted { how: how(&stages), path, hunks, hunks_more }
    });
    let commit = match git.commit("REBASE_HEAD")? {
        Some(commit) => Some(git.ask(&["show", "--no-patch", "--format=%h %s", &commit])?),
        None => None,
    };
    Ok(Some(Conflict { branch: branch.to_owned(), onto: onto.to_owned(), commit, files: files.collect(), files_more }))
}

/// Stage 1 is what both began with, 2 the target, 3 the branch.
fn how(stages: &[char]) -> &'static str {
    match stages {
        ['1', '2', '3'] => "both changed it",
        ['2', '3'] => "both added it",
        ['1', '2'] => "the target changed it, the branch deleted it",
        ['1', '3'] => "the target deleted it, the branch changed it",
        ['2'] => "the target added it where the branch has something else",
        ['3'] => "the branch added it where the target has something else",
        _ => "both moved or deleted it",
    }
}

fn hunks_of(git: &Git, path: &str) -> (Vec<Hunk>, usize) {
    let mut bytes = Vec::new();
    let file = git.dir().join(path);
    // A link would be followed to wherever it leads.
    if file.symlink_metadata().is_ok_and(|about| about.is_file())
        && let Ok(file) = File::open(&file)
    {
        let _ = file.take(FILE_BYTES_MAX).read_to_end(&mut bytes);
    }
    let mut hunks = hunks(&String::from_utf8_lossy(&bytes));
    let more = hunks.len().saturating_sub(HUNKS_PER_FILE_MAX);
    hunks.truncate(HUNKS_PER_FILE_MAX);
    (hunks, more)
}

fn hunks(text: &str) -> Vec<Hunk> {
    let mut found = Vec::new();
    let mut sides: Option<[Vec<&str>; 2]> = None;
    let mut side = 0;
    for line in text.lines() {
        match &mut sides {
            None if line.starts_with("<<<<<<< ") => (sides, side) = (Some([Vec::new(), Vec::new()]), 0),
            None => {}
            Some(_) if line == "=======" && side == 0 => side = 1,
            Some([target, branch]) if line.starts_with(">>>>>>> ") => {
                found.push(Hunk { target: shown(target), branch: shown(branch) });
                sides = None;
            }
            Some(sides) => sides[side].push(line),
        }
    }
    found
}

fn shown(lines: &[&str]) -> String {
    let visible = |c: char| if c.is_control() && c != '\t' { char::REPLACEMENT_CHARACTER } else { c };
    let line = |line: &&str| line.chars().take(CHARS_PER_LINE_MAX).map(visible).chain(['\n']).collect::<String>();
    let mut text: String = lines.iter().take(LINES_PER_SIDE_MAX).map(line).collect();
    if lines.len() > LINES_PER_SIDE_MAX {
        text.push_str(&format!("… {} more lines\n", lines.len() - LINES_PER_SIDE_MAX));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_of_each_hunk_are_told() {
        let text =
            "a\n<<<<<<< HEAD\nours\n=======\ntheirs\n=======\n>>>>>>> x\nb\n<<<<<<< HEAD\n=======\nnew\n>>>>>>> x\n";
        let hunk = |target: &str, branch: &str| Hunk { target: target.to_owned(), branch: branch.to_owned() };
        assert_eq!(hunks(text), [hunk("ours\n", "theirs\n=======\n"), hunk("", "new\n")]);
        assert_eq!(hunks("<<<<<<< HEAD\nnever ends"), []);
    }

    #[test]
    fn a_long_side_is_cut() {
        let lines = vec!["x"; LINES_PER_SIDE_MAX + 2];
        assert!(shown(&lines).ends_with("… 2 more lines\n"));
        assert!(shown(&[&"y".repeat(1000)]).len() <= CHARS_PER_LINE_MAX + 1);
        assert_eq!(shown(&["\u{1b}[2J"]), "\u{fffd}[2J\n");
    }
}
