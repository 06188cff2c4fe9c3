//! What the supervisor does to the machine for a worker: begin a run, end it, take it over.

use crate::claude::command;
use crate::claude::command::Mode;
use crate::claude::command::Prompt;
use crate::claude::command::Session;
use crate::claude::command::Wanted;
use crate::claude::given;
use crate::claude::given::Team;
use crate::claude::inbox;
use crate::claude::telemetry::Metering;
use crate::config::Config;
use crate::config::Roles;
use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::host::Deadline;
use crate::host::Host;
use crate::keep::keeper;
use crate::keep::run::Cause;
use crate::keep::run::End;
use crate::keep::run::Record;
use crate::keep::run::RunDir;
use crate::keep::run::SetUp;
use crate::keep::run::Start;
use crate::launch::base;
use crate::launch::base::Base;
use crate::launch::base::Needed;
use crate::launch::brief;
use crate::launch::brief::Brief;
use crate::launch::papers::Answers;
use crate::launch::papers::Papers;
use crate::launch::repository;
use crate::launch::repository::Known;
use crate::launch::team::text;
use crate::launch::tmux::Tmux;
use crate::launch::watch::Watch;
use crate::model::demand::Demand;
use crate::model::role::Isolation;
use crate::model::role::Role;
use crate::model::spending::Left;
use crate::model::spending::Limits;
use crate::model::worker;
use crate::model::worker::Worker;
use crate::ops::OPERATIONS;
use crate::repo::owner::Owner;
use crate::repo::worktree::Tree;
use crate::repo::worktree::Trees;
use crate::store::place;
use rustix::process::Signal;
use serde_json::Value;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

/// A terminal opens at once, on a machine that has nothing else to do.
const TAKEN_WITHIN: Duration = Duration::from_secs(20);
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);
/// Whoever does not take a line within that reads nothing.
const HEARS_WITHIN: Duration = Duration::from_secs(1);

/// How long a set-up command may take.
const SET_UP_MINUTES: u64 = 30;

/// Where everything is that a run needs.
#[derive(Clone, Debug)]
pub struct Hands {
    pub host: Host,
    pub state_dir: PathBuf,
    /// The file of this very program.
    pub program: PathBuf,
    /// `claude`, or what stands in for it.
    pub client: String,
    pub roles: Roles,
    /// Clients are to tell us what they cost on the way.
    pub metering: Option<Metering>,
    /// The branch on which the team's work lands, where it says so.
    pub target: Option<String>,
    /// What a worker may spend where neither its launch nor its role says so.
    pub dollars_per_worker: Option<f64>,
    /// What names the repositories that tasks may be about. Read for each anew, as it may have changed since.
    pub config: Option<Config>,
}

/// Where a run is to be.
struct Ground {
    tree: Tree,
    base: Base,
    /// It is in another repository than that of the team.
    is_elsewhere: bool,
}

/// What a worker begins with.
pub struct Beginning {
    pub worker: Worker,
    pub number: u64,
    /// What `get_task` tells, of a worker that has a task.
    pub task: Value,
    /// What that task depends on.
    pub needed: Vec<Needed>,
    /// What it asked the human before, and was told.
    pub answers: Answers,
    /// An earlier session of it ended on the way.
    pub goes_on: bool,
    /// What it may use up.
    pub left: Left,
}

/// Why a run was not begun.
struct NotBegun {
    error: Error,
    cause: Cause,
}

impl NotBegun {
    fn of_place(error: Error) -> NotBegun {
        NotBegun { error, cause: Cause::Place }
    }
}

impl From<Error> for NotBegun {
    fn from(error: Error) -> NotBegun {
        NotBegun { error, cause: Cause::Program }
    }
}

impl Hands {
    pub fn run_dir(&self, worker: &Worker, number: u64) -> RunDir {
        RunDir::of(&self.state_dir, &worker.name, &number.to_string())
    }

    /// Makes everything ready for a run and stays until its keeper has ended. What goes wrong is told as the run's end.
    pub fn see_through(&self, beginning: &Beginning) {
        let run = self.run_dir(&beginning.worker, beginning.number);
        match self.begin(beginning, &run) {
            Ok(Some(mut keeper)) => drop(keeper.wait()),
            Ok(None) => self.see_taken(&run),
            Err(NotBegun { error, cause }) => {
                drop(self.give_up(&run, error.in_full(), cause));
            }
        }
    }

    /// A keeper that somebody else started has begun; or it has not, and the run is given up.
    fn see_taken(&self, run: &RunDir) {
        let deadline = Deadline::after(TAKEN_WITHIN);
        while !deadline.passed() {
            if matches!(run.record(), Ok(Some(_))) {
                return;
            }
            thread::park_timeout(BETWEEN_LOOKS);
        }
        let _ = self.give_up(run, "its keeper did not start in the terminal".to_owned(), Cause::Program);
    }

    /// How a worker runs, how far it may go, and what it must show: as its launch says, else as its role does.
    pub fn terms(&self, worker: &Worker) -> Result<(worker::Mode, Limits, Vec<Demand>)> {
        let role = self.roles.read(&worker.role)?;
        let mode = worker.terms.mode.unwrap_or(role.mode);
        let in_repository = worker.terms.work_dir.as_ref().is_some_and(|dir| place::is_in_repository(Path::new(dir)));
        let evidence = if in_repository { role.evidence } else { Vec::new() };
        let of_role = Limits {
            turns: role.limits.turns_max,
            tokens: role.limits.tokens_max,
            dollars: role.limits.dollars_max.or(self.dollars_per_worker),
            minutes: role.limits.minutes_max,
            restarts: role.limits.restarts_max,
        };
        let said = &worker.terms.limits;
        // A worker that asks for others gives them no more than a person would.
        let limits = if worker.depth > 0 { said.within(&of_role) } else { said.or(&of_role) };
        Ok((mode, limits, evidence))
    }

    /// Ends a run that no keeper has taken up: one that comes later finds it taken.
    pub fn give_up(&self, run: &RunDir, reason: String, cause: Cause) -> io::Result<()> {
        let us =
            self.host.process_of(std::process::id()).ok_or_else(|| io::Error::other("this process has no name"))?;
        run.make()?;
        if run.take(&Record { keeper: us, child: None, began_at: self.host.wall() })? {
            run.tell_end(&End { cause, ..End::not_started(&self.host, reason) })?;
        }
        Ok(())
    }

    /// Writes down what is to run, and starts the process that keeps it: one of ours, or one in a terminal.
    fn begin(&self, beginning: &Beginning, run: &RunDir) -> Result<Option<Child>, NotBegun> {
        let worker = &beginning.worker;
        let role = &self.roles.read(&worker.role)?;
        let ground = self.ground(beginning, role)?;
        let is_elsewhere = ground.as_ref().is_some_and(|ground| ground.is_elsewhere);
        let (tree, base) = ground.map(|ground| (ground.tree, ground.base)).unzip();
        let base = base.unwrap_or_default();
        run.make().map_err(|cause| unwritable(run, &cause))?;
        let Beginning { task, answers, goes_on, .. } = beginning;
        // A session that stays takes its tasks by the tools.
        let papers = match worker.mode {
            worker::Mode::Task => {
                let papers = Papers::lay_out(tree.as_ref(), run, task, answers, *goes_on);
                papers.map_err(NotBegun::of_place)?.dir().to_owned()
            }
            worker::Mode::Long | worker::Mode::Terminal => run.dir().to_owned(),
        };
        let said = self.said_before(beginning);
        let said = said.as_deref();
        let brief = Brief { task, answers, tree: tree.as_ref(), papers: &papers, goes_on: *goes_on, said, base: &base };
        let prompt = brief::of(role, worker, &brief)?;
        let set_up = role.setup.clone().filter(|_| tree.is_some() && !is_elsewhere);
        self.prepare(beginning, role, (tree, set_up), run, &prompt).map_err(|cause| unwritable(run, &cause))?;
        if worker.mode == worker::Mode::Terminal {
            let words = [OsStr::new("keep"), OsStr::new("--terminal"), run.dir().as_os_str()];
            return Ok(self.tmux().open(&worker.name, self.program.as_os_str(), &words).map(|()| None)?);
        }
        let mut keeper = Command::new(&self.program);
        keeper.arg("keep").arg(run.dir()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        // What a person types into our terminal is not for it.
        let keeper = keeper.process_group(0).spawn().map_err(|cause| {
            Error::new(Kind::Unavailable, format!("`{}` cannot be started: {cause}", self.program.display()))
        })?;
        Ok(Some(keeper))
    }

    /// The last words of the run before, for one that goes on with its task and not with its session.
    fn said_before(&self, Beginning { worker, number, goes_on, .. }: &Beginning) -> Option<String> {
        let before = number.checked_sub(1).filter(|before| *before > 0 && *goes_on && worker.session.is_none())?;
        let mut watch = Watch::new(self.run_dir(worker, before), before);
        watch.look(&self.host);
        watch.facts.last_words
    }

    fn tmux(&self) -> Tmux {
        Tmux::of(&self.state_dir)
    }

    /// Where it works by itself, if its role wants that and it is in a repository at all.
    fn ground(&self, beginning: &Beginning, role: &Role) -> Result<Option<Ground>, NotBegun> {
        let Beginning { worker, task, .. } = beginning;
        let work_dir = worker.terms.work_dir.as_ref().map(Path::new);
        // A session that stays goes on where it was begun, whatever it holds.
        let named = match worker.mode {
            worker::Mode::Task => {
                repository::of_name(text(&task["task"], "repo"), self.config.as_ref()).map_err(NotBegun::of_place)?
            }
            worker::Mode::Long | worker::Mode::Terminal => None,
        };
        match named {
            Some(known) => {
                let is_elsewhere = !work_dir.is_some_and(|dir| known.has(dir));
                match (role.isolation, is_elsewhere) {
                    (Isolation::None, false) => Ok(None),
                    (Isolation::None, true) => Err(NotBegun::of_place(works_in_no_worktree(role, &known))),
                    // What is wrong with it is wrong for whoever takes the task.
                    _ => self.ground_of(&known, is_elsewhere, beginning).map(Some).map_err(NotBegun::of_place),
                }
            }
            None if role.isolation == Isolation::None => Ok(None),
            None => match work_dir.filter(|dir| place::is_in_repository(dir)) {
                Some(work_dir) => self.ground_at_home(work_dir, beginning, role).map(Some),
                None => Ok(None),
            },
        }
    }

    fn ground_at_home(&self, work_dir: &Path, beginning: &Beginning, role: &Role) -> Result<Ground, NotBegun> {
        let trees = Trees::of(work_dir, None)?.of_team(Owner::at_home(&self.state_dir));
        let worker = &beginning.worker;
        let of_task = beginning.task["task"]["id"].as_str();
        let is_for_task = worker.mode == worker::Mode::Task && role.isolation == Isolation::WorktreePerTask;
        let name = of_task.filter(|_| is_for_task).unwrap_or(&worker.name);
        let mut base = base::of(&trees, role.target.as_deref().or(self.target.as_deref()), &beginning.needed)?;
        let tree = base.worktree(&trees, name, &beginning.needed).map_err(NotBegun::of_place)?;
        Ok(Ground { tree, base, is_elsewhere: false })
    }

    /// By the name that the task gives, also where that is the team's own. A worker has no branch of its own there, as each task lands as
    /// that name says.
    fn ground_of(&self, known: &Known, is_elsewhere: bool, beginning: &Beginning) -> Result<Ground> {
        let trees = Trees::of(&known.main, None)?.of_team(Owner::as_guest(&self.state_dir));
        let name = beginning.task["task"]["id"].as_str().ok_or_else(|| Error::internal("a task without an id"))?;
        let mut base = base::of(&trees, known.repo.default_branch.as_deref(), &beginning.needed)?;
        let tree = base.worktree(&trees, name, &beginning.needed)?;
        base.notes = known.notes(&tree.path, &base.target);
        Ok(Ground { tree, base, is_elsewhere })
    }

    fn prepare(
        &self,
        Beginning { worker, left, .. }: &Beginning,
        role: &Role,
        (tree, set_up): (Option<Tree>, Option<String>),
        run: &RunDir,
        text: &str,
    ) -> io::Result<()> {
        let program = self.program.to_string_lossy();
        let team = self.team();
        let prompt = Prompt::new(text, run.prompt());
        run.write(&run.prompt(), prompt.text())?;
        run.write(&run.mcp(), &given::mcp(&program, &team, &tools_named(worker, role)).to_string())?;
        run.write(&run.settings(), &given::settings(&program, &team).to_string())?;
        let wanted = self.wanted(worker, role, left, run, prompt);
        let here = || worker.terms.work_dir.clone().map_or_else(|| self.state_dir.clone(), PathBuf::from);
        let set_up = set_up.map(|command| SetUp { command, minutes_max: SET_UP_MINUTES });
        let cwd = tree.map_or_else(here, |tree| tree.path);
        run.tell_start(&Start { line: command::line(&wanted), cwd, set_up, metering: self.metering })
    }

    fn team(&self) -> Team {
        Team::Here { state_dir: self.state_dir.to_string_lossy().into_owned() }
    }

    /// The client as it is started for this worker.
    pub fn wanted(&self, worker: &Worker, role: &Role, left: &Left, run: &RunDir, prompt: Prompt) -> Wanted {
        let ours = format!("mcp__{}", given::SERVER);
        let is_task = worker.mode == worker::Mode::Task;
        let mut allowed = role.tools.clone();
        allowed.push(ours);
        Wanted {
            client: self.client.clone(),
            mode: match worker.mode {
                worker::Mode::Task => Mode::Task(prompt),
                worker::Mode::Long => Mode::LongLived(prompt),
                worker::Mode::Terminal => Mode::Terminal(Some(prompt)),
            },
            session: worker.session.clone().map_or(Session::Fresh, Session::Resumed),
            worker: command::Worker { name: worker.name.clone(), role: Some(worker.role.clone()) },
            team: self.team(),
            model: worker.terms.model.clone().or_else(|| role.model.clone()),
            permission_mode: role.permission_mode.map(str::to_owned),
            allowed,
            disallowed: role.disallowed_tools.clone(),
            // A session that stays is held to its limits from outside: its client would count each turn by itself.
            turns_max: left.turns.filter(|_| is_task).map(|turns| turns.min(u32::MAX.into()) as u32),
            budget_usd: left.dollars.filter(|_| is_task),
            system_prompt_file: None,
            settings: Some(run.settings()),
            mcp: Some(run.mcp()),
            permission_tool: Some(given::PERMISSION_TOOL.to_owned()),
        }
    }

    /// Ends its turn. A session that stays outlives that.
    pub fn interrupt(&self, worker: &Worker, record: &Record) -> io::Result<()> {
        match (worker.mode, &worker.run) {
            (worker::Mode::Long, Some(run)) => {
                let line = command::interruption(self.host.random());
                self.run_dir(worker, run.number).say(&line, HEARS_WITHIN)
            }
            (worker::Mode::Terminal, _) => self.tmux().press_escape(&worker.name).map_err(io::Error::other),
            _ => keeper::tell(&self.host, record, Signal::INT),
        }
    }

    /// Says something to a session that stays: over its standard input, or to the socket at which its client takes messages.
    pub fn say(&self, worker: &Worker, inbox: Option<&str>, words: &str) -> io::Result<()> {
        match (worker.mode, &worker.run, inbox) {
            (worker::Mode::Long, Some(run), _) => {
                self.run_dir(worker, run.number).say(&command::said(words), HEARS_WITHIN)
            }
            (worker::Mode::Terminal, _, Some(inbox)) => inbox::say(Path::new(inbox), words),
            _ => Err(io::Error::other("it cannot be spoken to")),
        }
    }

    /// Asked once it ends politely, asked twice at once.
    pub fn end(&self, record: &Record) -> io::Result<()> {
        keeper::tell(&self.host, record, Signal::TERM)
    }

    /// Its child dies with it.
    pub fn kill(&self, record: &Record) -> io::Result<()> {
        keeper::tell(&self.host, record, Signal::KILL)
    }
}

fn works_in_no_worktree(role: &Role, known: &Known) -> Error {
    let message = format!(
        "it is about the repository `{}`, and whoever has the role `{}` works in the team's own directory (`isolation: none`)",
        known.repo.name, role.name
    );
    Error::new(Kind::Refused, message).hint("give the task to a role that works in worktrees")
}

fn unwritable(run: &RunDir, cause: &io::Error) -> Error {
    Error::new(Kind::Unavailable, format!("cannot write `{}`: {cause}", run.dir().display()))
}

/// The tools of ours that its prompt speaks of: they are shown to it, whichever a worker is shown anyway.
fn tools_named(worker: &Worker, role: &Role) -> Vec<String> {
    let role = role.in_mode(worker.mode);
    let named: BTreeSet<&str> = role.words_of_programs().collect();
    OPERATIONS.iter().filter(|entry| named.contains(entry.name)).map(|entry| entry.name.to_owned()).collect()
}
