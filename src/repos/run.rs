//! One command of a workflow in one repository: its program started as it is meant, its end in time, what came of it.

use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::host::Host;
use crate::host::Stopwatch;
use crate::model::recipe::Call;
use crate::model::time::Timestamp;
use crate::repo::bounded::Ended;
use crate::repo::git::Git;
use crate::repo::lock;
use crate::repo::lock::Lock;
use crate::repo::shell;
use crate::repo::shell::Errand;
use crate::repos::look;
use crate::repos::records::Records;
use crate::store::doorbell::Hangup;
use serde::Deserialize;
use serde::Serialize;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

/// To ask for the commit that is checked out.
const COMMIT_WITHIN: Duration = Duration::from_secs(10);

/// What is to be run.
#[derive(Clone, Debug)]
pub struct Job {
    pub name: String,
    pub workflow: String,
    pub dir: PathBuf,
    /// Nothing where the repository has no command for it.
    pub call: Option<Call>,
    /// No other that is sequential runs there meanwhile.
    pub is_sequential: bool,
    /// What stands for the repository in that, whichever of its worktrees it is run in.
    pub main: PathBuf,
    pub patience: Duration,
}

impl Job {
    /// What stands for the repository where only one may run something: whatever runs there has it, also without us.
    pub fn lock(&self, records: &Records) -> PathBuf {
        records.lock_of(&look::true_dir(&self.main).unwrap_or_else(|_| self.main.clone()))
    }
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Passed,
    Failed,
    TimedOut,
    Interrupted,
    /// The repository is not there.
    Missing,
    NotStarted,
    /// There is nothing to run for its language.
    NoCommand,
    /// Nothing was run, as nobody wanted that.
    WouldRun,
    /// Nor would it be: a person would be asked before.
    WouldAsk,
    /// Nor would it be: a rule of safety stands against it.
    Refused,
}

impl Outcome {
    pub fn word(self) -> &'static str {
        match self {
            Outcome::Passed => "passed",
            Outcome::Failed => "failed",
            Outcome::TimedOut => "timed_out",
            Outcome::Interrupted => "interrupted",
            Outcome::Missing => "missing",
            Outcome::NotStarted => "not_started",
            Outcome::NoCommand => "no_command",
            Outcome::WouldRun => "would_run",
            Outcome::WouldAsk => "would_ask",
            Outcome::Refused => "refused",
        }
    }

    /// Is something to be mended?
    pub fn is_failure(self) -> bool {
        matches!(self, Outcome::Failed | Outcome::TimedOut | Outcome::Missing | Outcome::NotStarted)
    }
}

/// What came of it.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Ran {
    pub name: String,
    pub workflow: String,
    pub outcome: Outcome,
    pub exit_code: Option<i32>,
    pub took_secs: f64,
    pub command: Option<String>,
    pub path: PathBuf,
    pub commit: Option<String>,
    /// There were changes beside that commit.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dirty: bool,
    pub log: Option<PathBuf>,
    /// The last of what it said.
    pub tail: String,
    pub why: Option<String>,
    pub at: Timestamp,
}

/// What is kept from others while a command runs. Dropped, they may have it.
pub trait Kept {}

/// Given the time in which the turn is to come.
pub type InTeam<'a> = dyn Fn(&Job, Duration) -> Result<Option<Box<dyn Kept>>> + Sync + 'a;

/// With what jobs are done.
pub struct Workbench<'a> {
    pub records: &'a Records,
    pub hangup: &'a Hangup,
    /// The program that a bare name means.
    pub on_path: &'a (dyn Fn(&str) -> Option<PathBuf> + Sync),
    /// The turn that the team's store gives; nothing after a hang-up. Taken before the lock: whoever has that waits for nobody.
    pub in_team: &'a InTeam<'a>,
    /// Told of a job that must wait for another process.
    pub waits: &'a (dyn Fn(&Job) + Sync),
}

impl Workbench<'_> {
    pub fn run(&self, job: &Job) -> Ran {
        let ran = Ran::begun(job);
        let Some(call) = &job.call else { return ran.ended(Outcome::NoCommand, None) };
        let dir = match look::true_dir(&job.dir) {
            Ok(dir) => dir,
            // What is built is not always in git.
            Err(_) if job.dir.is_dir() => job.dir.clone(),
            Err(standing) => return ran.ended(Outcome::Missing, standing.why(&job.dir)),
        };
        match self.carry_out(job, call, &dir, ran.clone()) {
            Ok(ran) => ran,
            Err(error) => ran.ended(Outcome::NotStarted, Some(error.message)),
        }
    }

    fn carry_out(&self, job: &Job, call: &Call, dir: &Path, mut ran: Ran) -> Result<Ran> {
        let program = self.program(call, dir)?;
        let since = Stopwatch::start();
        let Some(_kept) = (self.in_team)(job, job.patience)? else { return Ok(ran.ended(Outcome::Interrupted, None)) };
        let lock = match self.turn(job, job.patience.saturating_sub(since.so_far()))? {
            Turn::Ours(lock) => lock,
            Turn::HungUp => return Ok(ran.ended(Outcome::Interrupted, None)),
        };
        let git = Git::top(dir).within(COMMIT_WITHIN).unless(self.hangup);
        ran.commit = git.commit("HEAD").ok().flatten();
        ran.dirty =
            git.lines(&["status", "--porcelain", "--ignore-submodules=dirty"]).is_ok_and(|lines| !lines.is_empty());
        ran.at = Host::System.wall();
        let log = self.records.log(&job.name, &job.workflow);
        let errand = Errand { command: call.shown(), patience: job.patience, log: log.clone() };
        let outcome = shell::run_program(program, &errand, dir, self.hangup, lock.as_ref())?;
        ran.log = Some(log);
        ran.took_secs = (outcome.took.as_secs_f64() * 1000.0).round() / 1000.0;
        ran.why = (!outcome.passed()).then(|| outcome.to_string());
        ran.outcome = match outcome.ended {
            Ended::Code(0) => Outcome::Passed,
            Ended::Code(_) | Ended::Signal(_) => Outcome::Failed,
            Ended::TooLong => Outcome::TimedOut,
            Ended::Unwanted => Outcome::Interrupted,
        };
        if let Ended::Code(code) = outcome.ended {
            ran.exit_code = Some(code);
        }
        ran.tail = outcome.tail;
        Ok(ran)
    }

    fn program(&self, call: &Call, dir: &Path) -> Result<Command> {
        match call {
            Call::Shell { text, variables } => {
                let mut command = Command::new("/bin/sh");
                command.arg("-c").arg(text).envs(variables.iter().map(|(name, value)| (name, value)));
                Ok(command)
            }
            Call::Words(words) => {
                let (name, arguments) = words.split_first().ok_or_else(|| Error::internal("a command of no words"))?;
                // A bare name never means a file of the repository, whatever the search path says.
                let program = match name.contains('/') {
                    true => Some(dir.join(name)),
                    false => (self.on_path)(name),
                };
                let program = program
                    .ok_or_else(|| Error::new(Kind::NotFound, format!("there is no program `{name}` on the PATH")))?;
                let mut command = Command::new(program);
                command.args(arguments);
                Ok(command)
            }
        }
    }

    fn turn(&self, job: &Job, patience: Duration) -> Result<Turn> {
        if self.hangup.is_hung_up() {
            return Ok(Turn::HungUp);
        }
        if !job.is_sequential {
            return Ok(Turn::Ours(None));
        }
        let path = job.lock(self.records);
        if let Some(lock) = lock::try_take(&path)? {
            return Ok(Turn::Ours(Some(lock)));
        }
        (self.waits)(job);
        Ok(lock::take_unless(self.hangup, &path, patience)?.map_or(Turn::HungUp, |lock| Turn::Ours(Some(lock))))
    }
}

enum Turn {
    Ours(Option<Lock>),
    HungUp,
}

impl Ran {
    /// Nothing came of it yet.
    pub fn begun(job: &Job) -> Ran {
        Ran {
            name: job.name.clone(),
            workflow: job.workflow.clone(),
            outcome: Outcome::WouldRun,
            exit_code: None,
            took_secs: 0.0,
            command: job.call.as_ref().map(Call::shown),
            path: job.dir.clone(),
            commit: None,
            dirty: false,
            log: None,
            tail: String::new(),
            why: None,
            at: Host::System.wall(),
        }
    }

    pub fn ended(self, outcome: Outcome, why: Option<String>) -> Ran {
        Ran { outcome, why, ..self }
    }
}
