//! `orch-mcp launch --dry-run`: everything that a launch needs is looked at, what would be started is printed, and nothing is.

use crate::claude::command;
use crate::claude::command::Prompt;
use crate::cli::Run;
use crate::cli::exit;
use crate::cli::print::Answer;
use crate::cli::setup::quoted;
use crate::cli::written;
use crate::config::Land;
use crate::config::Launch;
use crate::config::Roles;
use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::host::Host;
use crate::launch::base::Base;
use crate::launch::brief;
use crate::launch::brief::Brief;
use crate::launch::client;
use crate::launch::hands::Hands;
use crate::launch::papers::Answers;
use crate::launch::tmux::Tmux;
use crate::model::role::Isolation;
use crate::model::role::Role;
use crate::model::spending::Left;
use crate::model::time::Now;
use crate::model::time::Tick;
use crate::model::worker::Mode;
use crate::model::worker::Terms;
use crate::model::worker::Worker;
use crate::ops::worker::LaunchWorkers;
use crate::repo::worktree::Trees;
use crate::store::place;
use serde_json::Value;
use serde_json::json;
use std::path::Path;
use std::path::PathBuf;

/// What would be launched.
pub(super) struct Rehearsal {
    pub team: Vec<(String, u32)>,
    pub client: Result<PathBuf>,
    pub settings: Launch,
    pub roles: Roles,
    pub mode: Option<Mode>,
    pub model: Option<String>,
    pub land: Result<Land>,
}

/// Something that was looked at.
struct Check {
    what: String,
    found: Result<String>,
}

impl Check {
    fn new(what: impl Into<String>, found: Result<String>) -> Check {
        Check { what: what.into(), found }
    }

    fn data(&self) -> Value {
        match &self.found {
            Ok(found) => json!({ "what": self.what, "ok": true, "found": found }),
            Err(error) => json!({ "what": self.what, "ok": false, "found": error.message, "hint": error.hint }),
        }
    }

    fn line(&self) -> String {
        match &self.found {
            Ok(found) => format!("  ok    {}: {found}\n", self.what),
            Err(error) => format!("  wrong {}: {}\n", self.what, error.in_full()),
        }
    }
}

/// A worker that would be started.
struct Planned {
    name: String,
    role: String,
    mode: Mode,
    place: String,
    command: Vec<String>,
}

impl Planned {
    fn data(&self) -> Value {
        json!({ "worker": self.name, "mode": self.mode, "where": self.place, "command": self.command })
    }

    /// Those of one role differ in nothing but their names.
    fn lines(of_role: &[Planned]) -> String {
        let [first, others @ ..] = of_role else { return String::new() };
        let command: Vec<String> = first.command.iter().map(|word| quoted(word)).collect();
        let (command, mode, place) = (command.join(" "), first.mode.word(), &first.place);
        match others.last() {
            None => format!("  {} ({mode}) in {place}\n      {command}\n", first.name),
            Some(last) => {
                let between = if others.len() == 1 { "and" } else { "…" };
                format!("  {} {between} {} ({mode}), each in {place}\n      {command}\n", first.name, last.name)
            }
        }
    }
}

impl Run<'_> {
    pub(super) fn rehearse(&self, rehearsal: &Rehearsal) -> Result<u8> {
        let (checks, planned) = self.look_around(rehearsal)?;
        let wrong = checks.iter().filter_map(|check| check.found.as_ref().err()).next().cloned();
        self.show_rehearsal(&checks, &planned)?;
        Ok(wrong.map_or(exit::DONE, |error| exit::of_error(error.kind)))
    }

    /// Refuses with all that is wrong.
    pub(super) fn must_be_ready(&self, rehearsal: &Rehearsal) -> Result<()> {
        let (checks, _) = self.look_around(rehearsal)?;
        let wrong: Vec<&Error> = checks.iter().filter_map(|check| check.found.as_ref().err()).collect();
        let Some((first, others)) = wrong.split_first() else { return Ok(()) };
        let rest = others.iter().map(|error| format!("; {}", error.message));
        let message = std::iter::once(first.message.clone()).chain(rest).collect::<String>();
        Err(Error { message, ..(*first).clone() })
    }

    fn look_around(&self, rehearsal: &Rehearsal) -> Result<(Vec<Check>, Vec<Planned>)> {
        let place = self.config.place()?;
        let dir = self.config.surroundings().cwd.map(Path::to_owned).unwrap_or_default();
        let hands = Hands {
            host: Host::System,
            state_dir: place.dir().to_owned(),
            program: self.config.running()?,
            client: rehearsal.client.as_ref().map_or("claude".into(), |path| path.to_string_lossy().into_owned()),
            roles: rehearsal.roles.clone(),
            metering: self.config.metering(),
            target: None,
            dollars_per_worker: rehearsal.settings.caps.dollars_per_worker.value,
            config: None,
        };
        let listed = self.ask_own("list_workers", json!({ "all": true, "limit": 100 }))?.data;
        let known = listed["workers"].as_array().cloned().unwrap_or_default();
        let state = match place.exists() {
            true => format!("{} is there", place.dir().display()),
            false => format!("{} would be made", place.dir().display()),
        };
        let mut checks = vec![
            Check::new("state directory", Ok(state)),
            Check::new(
                "client",
                rehearsal
                    .client
                    .clone()
                    .and_then(|path| client::version(&path).map(|version| format!("{}, {version}", path.display()))),
            ),
            Check::new("caps", caps(rehearsal, &known)),
            Check::new("landing", rehearsal.land.clone().and_then(|land| landing(land, &dir))),
            Check::new(
                "supervisor",
                Ok(match listed["supervised"] == true {
                    true => "one looks after the workers already, and this one would stand by".to_owned(),
                    false => "this one would look after the workers".to_owned(),
                }),
            ),
        ];
        let mut planned = Vec::new();
        let mut terminal = false;
        for (name, count) in &rehearsal.team {
            let worker = |name: String| {
                let terms = Terms {
                    mode: rehearsal.mode,
                    model: rehearsal.model.clone(),
                    work_dir: Some(dir.to_string_lossy().into_owned()),
                    ..Terms::default()
                };
                let never = Now { at: Host::System.wall(), tick: Tick::NEVER };
                let mut worker = Worker::new(name.clone(), name, Mode::Task, terms, never);
                // What is wrong with its role is told below.
                if let Ok((mode, limits, evidence)) = hands.terms(&worker) {
                    worker.settles(mode, limits, evidence);
                }
                worker
            };
            let like = worker(name.clone());
            let role = hands.roles.read(name);
            checks.push(Check::new(format!("role {name}"), role_is_sound(&rehearsal.roles, &like, &dir)));
            terminal |= like.mode == Mode::Terminal;
            let Ok(role) = role else { continue };
            for name in LaunchWorkers::names(name, *count as usize, &taken(&known), &free(&known, name)) {
                let one = Worker { name: name.clone(), ..like.clone() };
                planned.push(plan(&hands, one, &role, &dir));
            }
        }
        if terminal {
            checks.push(Check::new("tmux", Tmux::of(place.dir()).version()));
        }
        Ok((checks, planned))
    }

    fn show_rehearsal(&self, checks: &[Check], planned: &[Planned]) -> Result<()> {
        let data = json!({
            "workers": planned.iter().map(Planned::data).collect::<Vec<_>>(),
            "checks": checks.iter().map(Check::data).collect::<Vec<_>>(),
            "ready": checks.iter().all(|check| check.found.is_ok()),
        });
        let ids: Vec<String> = planned.iter().map(|worker| worker.name.clone()).collect();
        let text = || {
            let checks: String = checks.iter().map(Check::line).collect();
            let planned: String = match planned.is_empty() {
                true => "  nobody new\n".to_owned(),
                false => planned.chunk_by(|one, other| one.role == other.role).map(Planned::lines).collect(),
            };
            format!("Looked at:\n{checks}\nWould be started:\n{planned}\nNothing was started.\n")
        };
        written(self.printer.answer(&Answer { data: &data, ids: &ids, unread: None, text: &text }))
    }
}

fn landing(land: Land, dir: &Path) -> Result<String> {
    target_is_there(&land, dir)?;
    Ok(match land.check.value {
        Some(check) => format!("`{check}` must pass before anything lands"),
        None => "orch.toml names no check that must pass before anything lands".to_owned(),
    })
}

/// A branch that is misspelt would be found by the first landing only, when the work is done.
pub(super) fn target_is_there(land: &Land, dir: &Path) -> Result<()> {
    let Some(target) = land.target.value.as_deref().filter(|_| place::is_in_repository(dir)) else { return Ok(()) };
    match Trees::of(dir, None)?.git().branch(target)? {
        Some(_) => Ok(()),
        None => {
            Err(Error::new(Kind::Refused, format!("there is no branch `{target}` with a commit, on which to land"))
                .hint("correct `target` of [land] in orch.toml; `git branch --list` names the branches"))
        }
    }
}

fn taken(known: &[Value]) -> Vec<String> {
    known.iter().filter_map(|one| one["name"].as_str().map(str::to_owned)).collect()
}

/// Those of a role that were stopped come back first.
fn free(known: &[Value], role: &str) -> Vec<String> {
    let free = known.iter().filter(|one| one["role"] == role && one["wanted"] == false && one["state"] == "stopped");
    free.filter_map(|one| one["name"].as_str().map(str::to_owned)).collect()
}

fn caps(rehearsal: &Rehearsal, known: &[Value]) -> Result<String> {
    let most = rehearsal.settings.caps.workers_max.value;
    let running = known.iter().filter(|one| one["wanted"] == true).count() as u32;
    let more: u32 = rehearsal.team.iter().map(|(_, count)| count).sum();
    match running + more <= most {
        true => Ok(format!("{running} workers are wanted and {more} more would be, of at most {most}")),
        false => Err(Error::new(
            Kind::Refused,
            format!("{running} workers are wanted and {more} more would be beyond the cap of {most}"),
        )
        .hint("ask for fewer, or set `workers_max` in orch.toml")),
    }
}

/// It can be read, its prompt can be filled, and it finds the repository that it wants.
fn role_is_sound(roles: &Roles, worker: &Worker, dir: &Path) -> Result<String> {
    let role = roles.read(&worker.role)?;
    let task = json!({ "task": { "id": "task-0000000000", "title": "a task" } });
    let base = Base::default();
    let brief = Brief {
        task: &task,
        answers: &Answers::new(),
        tree: None,
        papers: Path::new(""),
        goes_on: false,
        said: None,
        base: &base,
    };
    brief::of(&role, worker, &brief)?;
    let mode = worker.mode.word();
    if role.isolation == Isolation::None {
        return Ok(format!("mode {mode}, all in one directory"));
    }
    if !place::is_in_repository(dir) {
        return Ok(format!("mode {mode}, all in one directory, as `{}` is in no repository", dir.display()));
    }
    let base = role.target.as_deref().unwrap_or("HEAD");
    if Trees::of(dir, None)?.git().commit(base)?.is_none() {
        return Err(match &role.target {
            Some(target) => Error::new(Kind::Refused, format!("this repository has no `{target}`"))
                .hint("correct the `target` of the role"),
            None => Error::new(Kind::Refused, "this repository has no commit yet")
                .hint("make the first (git commit) and launch again"),
        });
    }
    Ok(format!("mode {mode}, {}", role.isolation.word()))
}

fn plan(hands: &Hands, worker: Worker, role: &Role, dir: &Path) -> Planned {
    let place = match role.isolation {
        Isolation::WorktreePerTask if place::is_in_repository(dir) => {
            format!("a worktree of {} for each task", dir.display())
        }
        Isolation::WorktreePerWorker if place::is_in_repository(dir) => {
            format!("a worktree of {} of its own", dir.display())
        }
        _ => dir.display().to_string(),
    };
    let run = hands.run_dir(&worker, worker.runs + 1);
    let mut left = Left::default();
    left.reaches(&worker.limits, &worker.spent);
    // The prompt of a terminal is its last argument, and may be long.
    let prompt = Prompt::new("(the prompt of its role)", run.prompt());
    let line = command::line(&hands.wanted(&worker, role, &left, &run, prompt));
    let command = std::iter::once(line.program).chain(line.arguments).collect();
    Planned { name: worker.name, role: worker.role, mode: worker.mode, place, command }
}
