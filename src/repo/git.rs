//! The one file that runs the `git` program: in a clean environment, with a deadline, and with nobody to answer its questions.

use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::model::branch::is_branch_name;
use crate::repo::bounded;
use crate::repo::bounded::Ended;
use crate::repo::bounded::LastWords;
use crate::repo::bounded::Stream;
use crate::repo::bounded::Streams;
use crate::repo::lock::Lock;
use crate::store::doorbell::Hangup;
use std::io;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;

/// A question about a repository, however large.
const PATIENCE: Duration = Duration::from_secs(60);

/// A checkout or a rebase of a large one.
const PATIENCE_TO_WRITE: Duration = Duration::from_secs(600);

/// The whole index of a very large repository.
const OUT_BYTES_MAX: usize = 64 << 20;

const ERR_BYTES_MAX: usize = 4 << 10;

/// What would lead git to another repository, another index, other settings, or to a window in which nobody types.
const VARIABLES: &[&str] = &[
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_ATTR_SOURCE",
    "GIT_CEILING_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_CONFIG",
    "GIT_CONFIG_COUNT",
    "GIT_CONFIG_GLOBAL",
    "GIT_CONFIG_NOSYSTEM",
    "GIT_CONFIG_PARAMETERS",
    "GIT_CONFIG_SYSTEM",
    "GIT_DIFF_OPTS",
    "GIT_DIR",
    "GIT_EXTERNAL_DIFF",
    "GIT_GLOB_PATHSPECS",
    "GIT_GRAFT_FILE",
    "GIT_ICASE_PATHSPECS",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_INDEX_VERSION",
    "GIT_INTERNAL_SUPER_PREFIX",
    "GIT_LITERAL_PATHSPECS",
    "GIT_NAMESPACE",
    "GIT_NOGLOB_PATHSPECS",
    "GIT_NO_REPLACE_OBJECTS",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_QUARANTINE_PATH",
    "GIT_REFLOG_ACTION",
    "GIT_REPLACE_REF_BASE",
    "GIT_SHALLOW_FILE",
    "GIT_TRACE",
    "GIT_TRACE2",
    "GIT_TRACE2_EVENT",
    "GIT_TRACE2_PERF",
    "GIT_WORK_TREE",
];

const SURROUNDINGS: &[(&str, &str)] = &[
    ("GIT_TERMINAL_PROMPT", "0"),
    ("GIT_PAGER", "cat"),
    ("GIT_EDITOR", ":"),
    ("GIT_SEQUENCE_EDITOR", ":"),
    ("GIT_MERGE_AUTOEDIT", "no"),
    // To look at a worktree must not write into it: without this `git status` refreshes its index.
    ("GIT_OPTIONAL_LOCKS", "0"),
    ("GIT_ADVICE", "0"),
    // Whoever works in a worktree may have told git to take one commit for another: what is looked at is what lands.
    ("GIT_NO_REPLACE_OBJECTS", "1"),
    ("GIT_GRAFT_FILE", "/dev/null"),
    ("LC_ALL", "C"),
];

/// Settings that hold whatever the user's say.
///
/// No hooks: they are for a person at a checkout. They may ask, take long, change files or push, and one that refuses would
/// stop what only keeps books. What a project wants done in a worktree is its set-up command, what it wants proved its check.
/// No file watcher and no housekeeping: both leave a daemon behind in a worktree that is to go. No recorded resolutions: a
/// conflict is for somebody to look at. No commit graph: it is believed about what a commit comes of, and any writer may forge it.
const SETTINGS: &[&str] = &[
    "core.hooksPath=/dev/null",
    "core.commitGraph=false",
    "core.fsmonitor=false",
    "core.quotePath=false",
    "core.pager=cat",
    "color.ui=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "submodule.recurse=false",
    "rerere.enabled=false",
    "merge.conflictStyle=merge",
    "merge.autoStash=false",
    "merge.verifySignatures=false",
    "rebase.autoSquash=false",
    "rebase.autoStash=false",
    "rebase.backend=merge",
    "rebase.rebaseMerges=false",
    "rebase.missingCommitsCheck=ignore",
    "log.showSignature=false",
    "log.showRoot=true",
    "status.renames=false",
];

/// Takes away what a session of git around us says about another repository.
pub fn without_its_variables(command: &mut Command) {
    for variable in VARIABLES {
        command.env_remove(variable);
    }
}

/// Keeps git from taking `dir` for a part of the repository that it lies in. A worktree lies in the user's checkout: were its
/// own `.git` deleted, every command meant for it would otherwise meet that checkout.
pub fn no_further_up(command: &mut Command, dir: &Path) {
    if let Some(above) = dir.parent() {
        command.env("GIT_CEILING_DIRECTORIES", above);
    }
}

/// Git, in a directory.
#[derive(Clone, Debug)]
pub struct Git {
    dir: PathBuf,
    is_top: bool,
    variables: Vec<(&'static str, String)>,
    lock: Option<Lock>,
    patience: Option<Duration>,
    hangup: Hangup,
}

/// What git answered, whether or not it was content.
#[derive(Clone, Debug)]
pub struct Answer {
    pub ended: Ended,
    pub out: Vec<u8>,
    /// The first error that it told of, as the others come of that; else the last that it said.
    complaint: String,
}

impl Answer {
    pub fn is_yes(&self) -> bool {
        self.ended == Ended::Code(0)
    }

    /// Why it was not content.
    pub fn complaint(&self) -> &str {
        match (self.ended, self.complaint.as_str()) {
            (Ended::TooLong, _) => "it was ended at its deadline",
            (Ended::Unwanted, _) => "it was ended, as nobody waited for it any more",
            (_, "") => "it said nothing",
            (_, complaint) => complaint,
        }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.out).trim_end_matches('\n').to_owned()
    }
}

impl Git {
    /// In the repository that `dir` lies in, at whatever depth.
    pub fn around(dir: &Path) -> Git {
        Git {
            dir: dir.to_owned(),
            is_top: false,
            variables: Vec::new(),
            lock: None,
            patience: None,
            hangup: Hangup::new(),
        }
    }

    /// In the worktree, or the repository, that `dir` is itself.
    pub fn top(dir: &Path) -> Git {
        Git { is_top: true, ..Git::around(dir) }
    }

    pub fn with(mut self, variable: &'static str, value: impl Into<String>) -> Git {
        self.variables.push((variable, value.into()));
        self
    }

    /// What it writes is over before another process gets the lock, even if we are killed.
    pub fn under(mut self, lock: &Lock) -> Git {
        self.lock = Some(lock.clone());
        self
    }

    /// Each question and each order is over within so long.
    pub fn within(mut self, patience: Duration) -> Git {
        self.patience = Some(patience);
        self
    }

    /// The same, and until a hang-up.
    pub fn unless(mut self, hangup: &Hangup) -> Git {
        self.hangup = hangup.clone();
        self
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Must succeed.
    pub fn ask(&self, words: &[&str]) -> Result<String> {
        self.succeed(words, PATIENCE).map(|answer| answer.text())
    }

    /// Must succeed. Not a byte is changed.
    pub fn bytes(&self, words: &[&str]) -> Result<Vec<u8>> {
        self.succeed(words, PATIENCE).map(|answer| answer.out)
    }

    /// Must succeed, and may take long.
    pub fn make(&self, words: &[&str]) -> Result<()> {
        self.succeed(words, PATIENCE_TO_WRITE).map(drop)
    }

    /// Lines.
    pub fn lines(&self, words: &[&str]) -> Result<Vec<String>> {
        let text = self.ask(words)?;
        Ok(text.lines().map(str::to_owned).collect())
    }

    /// What ends in NUL (`-z`): names of files may hold anything else.
    pub fn names(&self, words: &[&str]) -> Result<Vec<String>> {
        let answer = self.succeed(words, PATIENCE)?;
        let names = answer.out.split(|byte| *byte == 0).filter(|name| !name.is_empty());
        Ok(names.map(|name| String::from_utf8_lossy(name).into_owned()).collect())
    }

    /// Ends with 1 for a no.
    pub fn is_so(&self, words: &[&str]) -> Result<bool> {
        self.find(words).map(|found| found.is_some())
    }

    /// Ends with 1 where there is nothing.
    pub fn find(&self, words: &[&str]) -> Result<Option<String>> {
        let answer = self.try_to(words, PATIENCE)?;
        match answer.ended {
            Ended::Code(0) => Ok(Some(answer.text())),
            Ended::Code(1) => Ok(None),
            _ => Err(self.failed(words, &answer)),
        }
    }

    /// May end however it does, also at its deadline, and may take long.
    pub fn attempt(&self, words: &[&str]) -> Result<Answer> {
        self.try_to(words, PATIENCE_TO_WRITE)
    }

    /// The commit that some words name, which are nobody's option. `None` where there is none.
    pub fn commit(&self, words: &str) -> Result<Option<String>> {
        self.find(&["rev-parse", "--verify", "--quiet", "--end-of-options", &format!("{words}^{{commit}}")])
    }

    /// The commit that a branch stands at. No other words that git would understand are taken for a branch.
    pub fn branch(&self, name: &str) -> Result<Option<String>> {
        match is_branch_name(name) {
            true => self.commit(&format!("refs/heads/{name}")),
            false => Ok(None),
        }
    }

    /// The reference that another name of a branch stands for. `None` for one that stands for itself.
    pub fn stands_for(&self, name: &str) -> Result<Option<String>> {
        match is_branch_name(name) {
            true => self.find(&["symbolic-ref", "--quiet", &format!("refs/heads/{name}")]),
            false => Ok(None),
        }
    }

    /// The reference that moves where a branch moves.
    pub fn reference(&self, name: &str) -> Result<String> {
        Ok(self.stands_for(name)?.unwrap_or_else(|| format!("refs/heads/{name}")))
    }

    pub fn branch_there(&self, name: &str) -> Result<String> {
        self.branch(name)?.ok_or_else(|| {
            Error::not_found(format!("there is no branch `{}` with a commit", name.escape_debug()))
                .hint("`git branch --list` names the branches")
        })
    }

    fn succeed(&self, words: &[&str], patience: Duration) -> Result<Answer> {
        let answer = self.try_to(words, patience)?;
        match answer.is_yes() {
            true => Ok(answer),
            false => Err(self.failed(words, &answer)),
        }
    }

    fn try_to(&self, words: &[&str], patience: Duration) -> Result<Answer> {
        let started = self.command(words).and_then(|command| bounded::start(command, Streams::Apart));
        let running = started.map_err(|cause| {
            let dir = self.dir.display();
            let error = Error::new(Kind::Unavailable, format!("`git` cannot be started in `{dir}`: {cause}"));
            error.hint("worktrees need git 2.38 or later on the PATH, and the directory must be there")
        })?;
        let (mut out, mut is_cut, mut err) = (Vec::new(), false, LastWords::new(ERR_BYTES_MAX));
        let (ended, _) =
            running.wait_unless(&self.hangup, self.patience.unwrap_or(patience), &mut |stream, bytes| match stream {
                Stream::Err => err.add(bytes),
                Stream::Out if is_cut || out.len() + bytes.len() > OUT_BYTES_MAX => is_cut = true,
                Stream::Out => out.extend_from_slice(bytes),
            });
        let err = err.text();
        let is_error = |line: &&str| line.starts_with("error: ") || line.starts_with("fatal: ");
        let last = || err.lines().rev().find(|line| !line.trim().is_empty());
        let complaint = err.lines().find(is_error).or_else(last).unwrap_or_default().to_owned();
        let answer = Answer { ended, out, complaint };
        match is_cut {
            // Half an answer could make something look free to go that is not.
            true => Err(self.error(words, &format!("it said more than {OUT_BYTES_MAX} bytes"))),
            false => Ok(answer),
        }
    }

    fn command(&self, words: &[&str]) -> io::Result<Command> {
        let mut command = Command::new("git");
        without_its_variables(&mut command);
        command.current_dir(&self.dir);
        command.stdin(self.lock.as_ref().map_or(Ok(Stdio::null()), Lock::to_hand_on)?);
        if self.is_top {
            no_further_up(&mut command, &self.dir);
        }
        command.envs(SURROUNDINGS.iter().copied());
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.args(SETTINGS.iter().flat_map(|setting| ["-c", setting])).args(words);
        Ok(command)
    }

    pub fn failed(&self, words: &[&str], answer: &Answer) -> Error {
        self.error(words, answer.complaint())
    }

    fn error(&self, words: &[&str], how: &str) -> Error {
        let message = format!("`git {}` failed in `{}`: {how}", words.join(" "), self.dir.display());
        Error::new(Kind::Unavailable, message).hint("see to what git says there, then try again")
    }
}
