//! What no command of a session does, or only once a person was asked: rules over the text of a shell command.
//!
//! A guard rail, and no sandbox. It reads commands as a model writes them, through the ways in which one command stands in
//! another. It does not know what a script does that is run, what a variable holds that was set elsewhere, where a link leads.
//! What it cannot read it takes for harmless only where nothing in it looks like a breach; where something does, a person is asked.

#[cfg(test)]
mod attacks;
mod data;
mod deeds;
mod elsewhere;
mod git;
mod hold;
#[cfg(test)]
mod hostile;
mod judge;
mod ours;
mod own;
mod program;
mod quotes;
mod said;
mod scripts;
mod settings;
mod shell;
#[cfg(test)]
mod tests;
mod variables;
#[cfg(test)]
mod verdict;
#[cfg(test)]
mod ways_around;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use std::fmt;

pub use settings::OF_REPO;
pub use settings::OfRepo;

/// As much of a command as says which one it is.
const SHOWN_CHARS_MAX: usize = 160;

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "SafetyAnswer")]
pub enum Answer {
    Allow,
    Ask,
    Deny,
}

impl Answer {
    pub fn of_word(word: &str) -> Option<Answer> {
        [Answer::Allow, Answer::Ask, Answer::Deny].into_iter().find(|answer| answer.word() == word)
    }

    pub fn word(self) -> &'static str {
        match self {
            Answer::Allow => "allow",
            Answer::Ask => "ask",
            Answer::Deny => "deny",
        }
    }

    fn strictness(self) -> u8 {
        match self {
            Answer::Allow => 0,
            Answer::Ask => 1,
            Answer::Deny => 2,
        }
    }

    pub fn stricter(self, other: Answer) -> Answer {
        if other.strictness() > self.strictness() { other } else { self }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    Push,
    ForcePush,
    Data,
    Destructive,
    Forbidden,
    Rules,
    Unread,
}

impl Rule {
    pub fn word(self) -> &'static str {
        match self {
            Rule::Push => "push",
            Rule::ForcePush => "force-push",
            Rule::Data => "data",
            Rule::Destructive => "destructive",
            Rule::Forbidden => "forbidden",
            Rule::Rules => "rules",
            Rule::Unread => "unread",
        }
    }

    fn why(self) -> &'static str {
        match self {
            Rule::Push => "nothing is pushed unless a person allowed it",
            Rule::ForcePush => "what others have of a protected branch is never overwritten",
            Rule::Data => "a data directory is never deleted or overwritten",
            Rule::Destructive => "a person is asked before anything is destroyed",
            Rule::Forbidden => "orch.toml forbids this command",
            Rule::Rules => "what decides about sessions is changed by people",
            Rule::Unread => "the rules of this team cannot be read, so nobody knows what they protect",
        }
    }

    fn instead(self) -> &'static str {
        match self {
            Rule::Push => "Commit, and say which branch is ready to be pushed.",
            Rule::ForcePush => {
                "Push to a branch of your own, by its name, or bring in a merge or a revert that needs no force."
            }
            Rule::Data => {
                "Write new files beside it, work on a copy elsewhere, or use `cp -n`, which overwrites nothing."
            }
            Rule::Destructive => "Take a way that can be undone: move it aside, `git stash`, a copy, a dry run.",
            Rule::Rules => "Say what should be changed there, and why.",
            Rule::Unread => {
                "Say that orch.toml must be mended first, and go on with what changes no files that are there."
            }
            Rule::Forbidden => "Read what the repository and its notes say of the way that is wanted.",
        }
    }
}

/// A command that is not simply run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breach {
    pub rule: Rule,
    /// Nobody is asked about it.
    pub is_denied: bool,
    /// The part that breaks the rule.
    pub command: String,
    /// What of it does.
    pub because: String,
}

impl Breach {
    /// For whoever wanted to run it.
    pub fn refusal(&self) -> String {
        let instead = self.rule.instead();
        format!("{self}. {instead} If it must be, ask with `ask_human`; do not look for a way around.")
    }

    /// For a person who is to decide.
    pub fn question(&self) -> String {
        format!("{self}.")
    }
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Breach { rule, command, because, .. } = self;
        write!(f, "the rule `{}` stands against `{command}`, which {because}: {}", rule.word(), rule.why())
    }
}

/// Where a command is run, and for whom.
#[derive(Clone, Copy, Debug, Default)]
pub struct At<'a> {
    /// Absolute, where it is known.
    pub dir: Option<&'a str>,
    /// The worktree around it, and the main one: from their tops data directories are seen.
    pub tops: &'a [&'a str],
    pub home: Option<&'a str>,
    /// The state directory of the team.
    pub state: Option<&'a str>,
    /// A worker that was launched, before which nobody sits.
    pub is_worker: bool,
    /// Looks whether a file is there, where somebody can. What only a pattern leads to is else taken for not there.
    pub is_there: Option<fn(&str) -> bool>,
}

#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Safety {
    /// Unless said, a worker is denied it, and whoever sits before a session is asked.
    push: Option<Answer>,
    destructive: Answer,
    /// Branches, or patterns of them.
    protected: Vec<String>,
    /// Directories: absolute, or from the top of a worktree.
    data: Vec<String>,
    /// Commands, by the words they begin with, or by a pattern.
    forbidden: Vec<String>,
    repos: Vec<OfRepo>,
    /// The file that says it cannot be read: more is asked about then, as nobody knows what it protects.
    #[serde(skip)]
    unread: bool,
}

impl Default for Safety {
    fn default() -> Safety {
        Safety {
            push: None,
            destructive: Answer::Ask,
            protected: ["main", "master", "develop"].map(str::to_owned).into(),
            data: Vec::new(),
            forbidden: Vec::new(),
            repos: Vec::new(),
            unread: false,
        }
    }
}

impl Safety {
    /// What holds while nobody can read what is wanted.
    pub fn unread() -> Safety {
        Safety { unread: true, ..Safety::default() }
    }

    /// What stands against a line for a shell: of several breaches the first that nobody is asked about, else the first.
    pub fn judge(&self, line: &str, at: &At) -> Option<Breach> {
        judge::line(self, line, at)
    }

    /// The same for a program with its arguments, which no shell reads.
    pub fn judge_words(&self, words: &[String], at: &At) -> Option<Breach> {
        judge::words(self, words, at)
    }

    /// Is a file to be written that lies in a data directory?
    pub fn judge_file(&self, path: &str, at: &At) -> Option<Breach> {
        data::Directories::of(self, at).find_written(path).map(|directory| Breach {
            rule: Rule::Data,
            is_denied: true,
            command: path.to_owned(),
            because: format!("lies in `{directory}`"),
        })
    }

    /// Does a file say how sessions work that is to be written, there or not?
    pub fn judge_own(&self, path: &str, at: &At) -> Option<Breach> {
        own::Own::of(at).find(path, None).map(|what| Breach {
            rule: Rule::Rules,
            is_denied: at.is_worker,
            command: path.to_owned(),
            because: format!("is {what}"),
        })
    }

    fn push(&self, of_repo: Option<&OfRepo>, at: &At) -> Answer {
        let unless_said = if at.is_worker { Answer::Deny } else { Answer::Ask };
        of_repo.and_then(|repo| repo.push).or(self.push).unwrap_or(unless_said)
    }
}

/// The beginning of a command, in one line.
fn shown(words: &str) -> String {
    let mut line = words.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((cut, _)) = line.char_indices().nth(SHOWN_CHARS_MAX) {
        line.truncate(cut);
        line.push('…');
    }
    line
}
