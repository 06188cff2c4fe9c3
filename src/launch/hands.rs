//! What the supervisor does to the machine for a worker: begin a run, end it, take it over.

use crate::claude::command;
use crate::claude::command::Mode;
use crate::claude::command::Prompt;
use crate::claude::command::Session;
use crate::claude::command::Wanted;
use crate::claude::given;
use crate::claude::given::Team;
use crate::config::Roles;
use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::host::Host;
use crate::launch::brief;
use crate::launch::keeper;
use crate::launch::run::Record;
use crate::launch::run::RunDir;
use crate::launch::run::Start;
use crate::launch::shell::Errand;
use crate::launch::worktree::Tree;
use crate::launch::worktree::Trees;
use crate::model::role::Isolation;
use crate::model::role::Role;
use crate::model::worker::Worker;
use crate::store::place;
use rustix::process::Signal;
use serde_json::Value;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;

/// How long a set-up command may take.
const SET_UP_PATIENCE: Duration = Duration::from_secs(30 * 60);

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
}

/// What a worker begins with.
pub struct Beginning<'a> {
    pub worker: &'a Worker,
    pub number: u64,
    /// What `get_task` tells.
    pub task: &'a Value,
    /// An earlier session of it ended on the way.
    pub goes_on: bool,
}

impl Hands {
    pub fn run_dir(&self, worker: &Worker, number: u64) -> RunDir {
        RunDir::of(&self.state_dir, &worker.name, &number.to_string())
    }

    /// Writes down what is to run, and starts the process that keeps it.
    pub fn begin(&self, beginning: &Beginning, when_it_ends: impl FnOnce() + Send + 'static) -> Result<()> {
        let worker = beginning.worker;
        // Whoever's role no file tells of works all the same.
        let role = self.roles.read(&worker.role);
        let role = match role {
            Ok(role) => Some(role),
            Err(error) if error.kind == Kind::NotFound => None,
            Err(error) => return Err(error),
        };
        let tree = self.tree(beginning, role.as_ref())?;
        let run = self.run_dir(worker, beginning.number);
        let prompt = brief::of(role.as_ref(), worker, beginning.task, tree.as_ref(), beginning.goes_on)?;
        self.prepare(worker, role.as_ref(), tree, &run, &prompt).map_err(|cause| {
            Error::new(Kind::Unavailable, format!("cannot write `{}`: {cause}", run.dir().display()))
        })?;
        let mut keeper = Command::new(&self.program);
        keeper.arg("keep").arg(run.dir()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        // What a person types into our terminal is not for it.
        let mut started = keeper.process_group(0).spawn().map_err(|cause| {
            Error::new(Kind::Unavailable, format!("`{}` cannot be started: {cause}", self.program.display()))
        })?;
        std::thread::spawn(move || {
            let _ = started.wait();
            when_it_ends();
        });
        Ok(())
    }

    /// Where it works by itself, if its role wants that and it is in a repository at all.
    fn tree(&self, beginning: &Beginning, role: Option<&Role>) -> Result<Option<Tree>> {
        let Some(role) = role.filter(|role| role.isolation != Isolation::None) else { return Ok(None) };
        let work_dir = beginning.worker.terms.work_dir.as_ref().map(Path::new);
        let Some(work_dir) = work_dir.filter(|dir| place::is_in_repository(dir)) else { return Ok(None) };
        let trees = Trees::of(work_dir, None)?;
        let name = match role.isolation {
            Isolation::WorktreePerTask => beginning.task["task"]["id"].as_str().unwrap_or(&beginning.worker.name),
            Isolation::WorktreePerWorker | Isolation::None => &beginning.worker.name,
        };
        let tree = trees.ready(name, role.target.as_deref().unwrap_or("HEAD"))?;
        if let Some(command) = &role.setup {
            let log = self.state_dir.join("workers").join(&beginning.worker.name).join("set-up.log");
            let errand = Errand { command: command.clone(), patience: SET_UP_PATIENCE, log };
            let done = trees.set_up(&tree, &errand)?;
            if let Some(outcome) = done.filter(|outcome| !outcome.passed()) {
                let message = format!("the set-up command of role `{}` {outcome}: {}", role.name, outcome.tail.trim());
                return Err(Error::new(Kind::Refused, message).hint("correct `setup` in the role's file"));
            }
        }
        Ok(Some(tree))
    }

    fn prepare(
        &self,
        worker: &Worker,
        role: Option<&Role>,
        tree: Option<Tree>,
        run: &RunDir,
        text: &str,
    ) -> io::Result<()> {
        let program = self.program.to_string_lossy();
        let team = Team::Here { state_dir: self.state_dir.to_string_lossy().into_owned() };
        run.make()?;
        let prompt = Prompt::new(text, run.prompt());
        run.write(&run.prompt(), prompt.text())?;
        run.write(&run.mcp(), &given::mcp(&program, &team).to_string())?;
        run.write(&run.settings(), &given::settings(&program, &team).to_string())?;
        let ours = format!("mcp__{}", given::SERVER);
        let mut allowed = role.map(|role| role.tools.clone()).unwrap_or_default();
        allowed.push(ours);
        let wanted = Wanted {
            client: self.client.clone(),
            mode: Mode::Task(prompt),
            session: worker.session.clone().map_or(Session::Fresh, Session::Resumed),
            worker: command::Worker { name: worker.name.clone(), role: Some(worker.role.clone()) },
            team,
            model: worker.terms.model.clone().or_else(|| role.and_then(|role| role.model.clone())),
            permission_mode: role.and_then(|role| role.permission_mode).map(str::to_owned),
            allowed,
            disallowed: role.map(|role| role.disallowed_tools.clone()).unwrap_or_default(),
            turns_max: role.and_then(|role| role.limits.turns_max),
            budget_usd: role.and_then(|role| role.limits.dollars_max),
            system_prompt_file: None,
            settings: Some(run.settings()),
            mcp: Some(run.mcp()),
            permission_tool: None,
        };
        let here = || worker.terms.work_dir.clone().map_or_else(|| self.state_dir.clone(), PathBuf::from);
        let cwd = tree.map_or_else(here, |tree| tree.path);
        run.tell_start(&Start { line: command::line(&wanted), cwd })
    }

    pub fn interrupt(&self, record: &Record) -> io::Result<()> {
        keeper::tell(&self.host, record, Signal::INT)
    }

    /// Asked once it ends politely, asked twice at once.
    pub fn end(&self, record: &Record) -> io::Result<()> {
        keeper::tell(&self.host, record, Signal::TERM)
    }
}
