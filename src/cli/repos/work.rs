//! `repos build`, `test`, `test-all` and `run`: a workflow over many repositories, what each came to, and how far it is.

use crate::cli::Run;
use crate::cli::exit;
use crate::cli::print::Answer;
use crate::cli::repos::chosen;
use crate::cli::repos::cores;
use crate::cli::repos::hung_up_on_ctrl_c;
use crate::cli::repos::mend;
use crate::cli::repos::mend::Opened;
use crate::cli::repos::secs;
use crate::cli::repos::texts;
use crate::cli::repos::turn::Turns;
use crate::cli::written;
use crate::config::Repositories;
use crate::error::Error;
use crate::error::Result;
use crate::host::Stopwatch;
use crate::model::safety::Breach;
use crate::ops::render;
use crate::repos::Heard;
use crate::repos::look;
use crate::repos::records::Records;
use crate::repos::run::Job;
use crate::repos::run::Outcome;
use crate::repos::run::Ran;
use crate::repos::run::Workbench;
use crate::repos::side_by_side;
use crate::store::place;
use clap::ArgMatches;
use serde_json::Value;
use serde_json::json;
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

/// Of a workflow that says nothing else.
const PATIENCE: Duration = Duration::from_secs(60 * 60);

/// Of what a command said, for a person; the log has all of it.
const TAIL_LINES: usize = 20;

impl Run<'_> {
    pub(super) fn repos_work(&self, workflow: &str, given: &ArgMatches) -> Result<u8> {
        let all = self.config.known_repositories()?;
        let around = match (given.get_flag("here"), self.config.surroundings().cwd) {
            (true, None) => {
                return Err(Error::invalid("this process is in no directory").hint("go to one that is there"));
            }
            (is_here, cwd) => cwd.filter(|_| is_here),
        };
        let jobs = jobs(&all, workflow, given, around)?;
        let report = match given.get_flag("dry-run") {
            true => {
                let breaches = self.breaches(&jobs)?;
                let of = |job: &Job| breaches.iter().find(|(one, _)| one.name == job.name).map(|(_, breach)| breach);
                Report { ran: jobs.iter().map(|job| planned(job, of(job))).collect(), tasks: Vec::new(), file: None }
            }
            false => {
                self.must_be_safe(&jobs, given.get_flag("yes"))?;
                self.work(&all, workflow, &jobs, given.get_flag("task"))?
            }
        };
        let ids: Vec<String> = report.ran.iter().map(|one| one.name.clone()).collect();
        let text = || report.to_string();
        written(self.printer.answer(&Answer { data: &report.json(), ids: &ids, unread: None, text: &text }))?;
        if report.ran.iter().all(|one| one.outcome == Outcome::NoCommand) {
            self.printer.note(&format!(
                "nothing to run: below `[workflows.{workflow}]` of orch.toml write `commands.LANGUAGE = \"…\"`, or `commands.any`"
            ));
        }
        Ok(report.code())
    }

    fn work(&self, all: &Repositories, workflow: &str, jobs: &[Job], makes_tasks: bool) -> Result<Report> {
        let records = Records::ready(&self.config.place()?)?;
        let hangup = hung_up_on_ctrl_c()?;
        let on_path = |name: &str| self.config.on_path(name);
        let waits = |job: &Job| {
            self.printer.note(&format!("{}: waits until what runs there has ended, as it is sequential", job.name));
        };
        let in_team = |job: &Job, patience: Duration| {
            let tell = |words: &str| self.printer.note(&format!("{}: {words}", job.name));
            Turns { config: &self.config, records: &records, hangup: &hangup, tell: &tell }.take(job, patience)
        };
        let bench =
            Workbench { records: &records, hangup: &hangup, on_path: &on_path, in_team: &in_team, waits: &waits };
        let mut progress = Progress::of(jobs);
        let ran = side_by_side(jobs, cores(), |job| bench.run(job), &mut |heard| {
            if let Some(line) = progress.hear(&heard) {
                self.printer.end_of_progress();
                self.printer.note(&line);
            }
            self.printer.progress(&progress.to_string());
        });
        self.printer.end_of_progress();
        let known: Vec<&str> = all.registry.repos.iter().map(|repo| repo.name.as_str()).collect();
        // What ran is told in any case.
        let file = records.keep_results(workflow, &ran, &known);
        if let Err(error) = &file {
            self.printer.note(&format!("the results were not written down: {}", error.message));
        }
        let tasks = match makes_tasks {
            true => self.open_tasks(&ran),
            false => Vec::new(),
        };
        Ok(Report { ran, tasks, file: file.ok() })
    }

    fn open_tasks(&self, ran: &[Ran]) -> Vec<(String, Result<Opened>)> {
        let failed = ran.iter().filter(|one| one.outcome.is_failure() && one.outcome != Outcome::Missing);
        failed.map(|one| (one.name.clone(), mend::open(&self.config, one))).collect()
    }
}

/// The worktree of that repository around a directory.
fn worktree_around(cwd: &Path, main: &Path) -> Result<PathBuf> {
    let of_main = place::repository(main).map(|found| found.main);
    match place::repository(cwd).filter(|around| of_main.as_ref() == Some(&around.main)) {
        Some(around) => Ok(around.top),
        None => Err(Error::invalid(format!("`{}` is in no worktree of `{}`", cwd.display(), main.display()))
            .hint("leave `--here` out, or go to a worktree of that repository")),
    }
}

/// What is to be done in each repository that is meant; in the worktree around a directory, where one is given.
fn jobs(all: &Repositories, workflow: &str, given: &ArgMatches, around: Option<&Path>) -> Result<Vec<Job>> {
    let registry = &all.registry;
    let names = texts(given, "name");
    let repos = chosen(all, &names, &texts(given, "tag"))?;
    registry.must_have_workflow(workflow)?;
    let settled = registry.workflow(workflow);
    let is_for = settled.map(|workflow| workflow.tags.as_slice()).unwrap_or_default();
    let minutes = settled.and_then(|workflow| workflow.minutes);
    let patience = minutes.map_or(PATIENCE, |minutes| Duration::from_secs(u64::from(minutes) * 60));
    if around.is_some() && repos.len() != 1 {
        return Err(Error::invalid("`--here` is about one repository").hint("name the one whose worktree this is"));
    }
    let mut jobs = Vec::new();
    for (repo, main) in repos {
        // Who names a repository means it, whatever the workflow is for.
        if names.is_empty() && !is_for.is_empty() && !repo.has_one_of(is_for) {
            continue;
        }
        let recipe = registry.recipe(repo, workflow);
        if recipe.is_none() && !names.is_empty() {
            let language = repo.language.as_deref().unwrap_or("unknown");
            let message = format!("`{workflow}` has no command for `{}`, whose language is `{language}`", repo.name);
            return Err(Error::not_found(message).hint(format!(
                "below `[workflows.{workflow}]` of orch.toml write `commands.{language} = \"…\"`, or `commands.any`"
            )));
        }
        let dir = around.map_or_else(|| Ok(main.clone()), |cwd| worktree_around(cwd, &main))?;
        let shown = dir.to_string_lossy();
        jobs.push(Job {
            name: repo.name.clone(),
            workflow: workflow.to_owned(),
            call: recipe.map(|recipe| repo.call(recipe, workflow, &shown)).transpose()?,
            is_sequential: repo.sequential.iter().any(|one| one == workflow),
            patience: secs(Some(given)).unwrap_or(patience),
            main,
            dir,
        });
    }
    Ok(jobs)
}

fn planned(job: &Job, breach: Option<&Breach>) -> Ran {
    let ran = Ran::begun(job);
    if job.call.is_none() {
        return ran.ended(Outcome::NoCommand, None);
    }
    if let Some(breach) = breach {
        return match breach.is_denied {
            true => ran.ended(Outcome::Refused, Some(format!("{breach}; nothing of this run would start"))),
            false => {
                ran.ended(Outcome::WouldAsk, Some(format!("{breach}: asked at a terminal, unless `--yes` is said")))
            }
        };
    }
    match look::true_dir(&job.dir) {
        Err(standing) if !job.dir.is_dir() => ran.ended(Outcome::Missing, standing.why(&job.dir)),
        _ => ran.ended(Outcome::WouldRun, None),
    }
}

/// How far it is.
struct Progress<'a> {
    jobs: &'a [Job],
    running: BTreeMap<usize, Stopwatch>,
    done: usize,
    failed: usize,
}

impl<'a> Progress<'a> {
    fn of(jobs: &'a [Job]) -> Progress<'a> {
        Progress { jobs, running: BTreeMap::new(), done: 0, failed: 0 }
    }

    /// What is worth a line of its own.
    fn hear(&mut self, heard: &Heard<'_, Ran>) -> Option<String> {
        match heard {
            Heard::Began(at) => {
                self.running.insert(*at, Stopwatch::start());
                None
            }
            Heard::Done(at, ran) => {
                self.running.remove(at);
                self.done += 1;
                self.failed += usize::from(ran.outcome.is_failure());
                (ran.outcome != Outcome::NoCommand).then(|| format!("{}: {}", ran.name, came_to(ran)))
            }
            Heard::Tick => None,
        }
    }
}

impl fmt::Display for Progress<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} done", self.done, self.jobs.len())?;
        if self.failed > 0 {
            write!(f, ", {} failed", self.failed)?;
        }
        let one = |(at, since): (&usize, &Stopwatch)| format!("{} {} s", self.jobs[*at].name, since.so_far().as_secs());
        let running: Vec<String> = self.running.iter().map(one).collect();
        if running.is_empty() { Ok(()) } else { write!(f, "; {}", running.join(", ")) }
    }
}

fn came_to(ran: &Ran) -> String {
    match (&ran.why, ran.outcome) {
        (None, Outcome::Passed) => format!("passed in {:.1} s", ran.took_secs),
        (Some(why), _) => why.clone(),
        (None, outcome) => outcome.word().replace('_', " "),
    }
}

struct Report {
    ran: Vec<Ran>,
    tasks: Vec<(String, Result<Opened>)>,
    /// Where the results stand now.
    file: Option<PathBuf>,
}

impl Report {
    fn task_of(&self, ran: &Ran) -> Option<&Result<Opened>> {
        self.tasks.iter().find(|(name, _)| *name == ran.name).map(|(_, opened)| opened)
    }

    fn json(&self) -> Value {
        let one = |ran: &Ran| {
            let mut told = serde_json::to_value(ran).unwrap_or_default();
            told["task"] = match self.task_of(ran) {
                Some(Ok(opened)) => json!({ "id": opened.task, "new": opened.is_new }),
                Some(Err(error)) => json!({ "error": error }),
                None => Value::Null,
            };
            told
        };
        json!({ "results": self.ran.iter().map(one).collect::<Vec<Value>>(), "file": self.file })
    }

    fn code(&self) -> u8 {
        let has = |is_it: &dyn Fn(Outcome) -> bool| self.ran.iter().any(|one| is_it(one.outcome));
        match () {
            () if has(&|outcome| outcome == Outcome::Interrupted) => exit::INTERRUPTED,
            () if has(&|outcome| outcome == Outcome::Refused) => exit::REFUSED,
            () if has(&Outcome::is_failure) || self.tasks.iter().any(|(_, task)| task.is_err()) => exit::FAILED,
            () if has(&|outcome| outcome != Outcome::NoCommand) => exit::DONE,
            () => exit::NOTHING_READY,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let took = |one: &Ran| if one.log.is_some() { format!("{:.1} s", one.took_secs) } else { "-".to_owned() };
        let row = |one: &Ran| {
            let command = one.command.clone().unwrap_or_else(|| "-".to_owned());
            [one.name.clone(), one.outcome.word().replace('_', " "), took(one), command]
        };
        let rows: Vec<[String; 4]> = self.ran.iter().map(row).collect();
        render::table(f, ["REPO", "OUTCOME", "TOOK", "COMMAND"], &rows)?;
        writeln!(f)?;
        for one in &self.ran {
            // Of the only one its last words are told also when all went well.
            let is_stopped = one.outcome.is_failure() || matches!(one.outcome, Outcome::Refused | Outcome::WouldAsk);
            if !is_stopped && (self.ran.len() > 1 || one.log.is_none()) {
                continue;
            }
            writeln!(f, "{}: {}", one.name, came_to(one))?;
            let lines: Vec<&str> = one.tail.lines().collect();
            for line in &lines[lines.len().saturating_sub(TAIL_LINES)..] {
                writeln!(f, "  | {line}")?;
            }
            if let Some(log) = &one.log {
                writeln!(f, "  all of it: {}", log.display())?;
            }
            match self.task_of(one) {
                Some(Ok(Opened { task, is_new: true })) => writeln!(f, "  now a task: {}", render::short_id(task))?,
                Some(Ok(Opened { task, .. })) => writeln!(f, "  a task already: {}", render::short_id(task))?,
                Some(Err(error)) => writeln!(f, "  no task was made of it: {}", error.in_full())?,
                None => {}
            }
        }
        Ok(())
    }
}
