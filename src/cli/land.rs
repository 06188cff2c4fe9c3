//! `orch-mcp land`: finished branches are put upon the target one by one, checked, and what cannot land becomes a task.

use crate::cli::Run;
use crate::cli::desk;
use crate::cli::exit;
use crate::cli::print::Answer;
use crate::cli::repository;
use crate::cli::repository::Site;
use crate::cli::written;
use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::host::Host;
use crate::launch::mend;
use crate::launch::mend::Opened;
use crate::launch::queue;
use crate::launch::queue::Queue;
use crate::launch::queue::Queued;
use crate::launch::team::Team;
use crate::launch::team::refuse_elsewhere;
use crate::model::id::TaskId;
use crate::ops::render;
use crate::repo::guarded::Guard;
use crate::repo::holdings::named;
use crate::repo::land;
use crate::repo::land::Landed;
use crate::repo::land::Landing;
use crate::repo::land::Outcome;
use crate::repo::shell::Errand;
use crate::repo::stack::How;
use crate::repo::trial;
use crate::repo::trial::Trial;
use crate::repo::worktree;
use crate::repo::worktree::LANDING;
use crate::repo::worktree::Trees;
use clap::Arg;
use clap::ArgAction;
use clap::ArgMatches;
use clap::Command;
use serde_json::Value;
use serde_json::json;
use signal_hook::consts::SIGINT;
use signal_hook::consts::SIGTERM;
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;

const FOOTER: &str = "\
A branch is finished when its task is completed, or, of a worker's own branch, when the worker holds no task. All of it
happens in a worktree of its own: your checkout is not touched and nothing leaves this machine. While the target is checked out
somewhere, what landed waits on `orch/landing`, and the command that takes it is printed.

A branch that touches the state directory (.orch) never lands. One that changes what decides about workers (.claude, .mcp.json,
orch.toml) lands only if you name its task and say --allow-protected: look at it first. Both are told as `protected`.
A completed task whose work is in no commit is told as `nothing committed`.

What conflicts or fails the check stays as it is, and becomes a task with all that is known of it, once.
The check is a command of the shell; [land] in orch.toml says `check` and `target` for all.

It exits with 0 if all landed, 4 after a conflict, 1 if a check failed or git cannot put a branch on, 8 if something is protected,
3 if work is in no commit, 5 if nothing is finished.";

/// A check that takes longer is thought to hang.
const CHECK_WITHIN: Duration = Duration::from_secs(2 * 60 * 60);

/// For another landing to end, after it was said that there is one.
const PATIENCE: Duration = Duration::from_secs(6 * 60 * 60);

pub(super) fn with_flags(command: Command) -> Command {
    let switch = |name: &'static str, help| Arg::new(name).long(name).action(ArgAction::SetTrue).help(help);
    command
        .arg(
            Arg::new("task")
                .value_name("TASK")
                .num_args(0..)
                .value_parser(clap::value_parser!(TaskId))
                .help("Land the branches of these tasks [else all that are finished]"),
        )
        .arg(repository::repo("Land there"))
        .arg(repository::onto("The branch to land on"))
        .arg(
            Arg::new("check")
                .long("check")
                .value_name("COMMAND")
                .help("What must pass before anything lands [else `check` below [land] in orch.toml]"),
        )
        .arg(switch("merge", "Merge each branch instead of rebasing it"))
        .arg(
            switch("allow-protected", "Let these tasks change what decides about workers, such as .claude")
                .requires("task"),
        )
        .arg(switch("dry-run", "Only say what would land"))
        .after_help(FOOTER)
}

impl Run<'_> {
    pub(super) fn land(&self, matches: &ArgMatches) -> Result<u8> {
        refuse_elsewhere(self.config.server.value.is_some(), "land")?;
        let site = Site::of(&self.config, matches)?.ok_or_else(|| {
            Error::new(Kind::Refused, "this is no repository of git")
                .hint("run it in the repository whose branches are to land")
        })?;
        let trees = &site.trees;
        let target = site.target(&self.config, matches.get_one("onto"))?;
        let (desk, caller) = (desk::of(&self.config, Host::System)?, self.config.caller(Host::System));
        let team = Team { desk: desk.as_ref(), caller: &caller };
        // A command runs past all permissions, and what decides about workers is decided by a person.
        if matches.contains_id("check") || matches.get_flag("allow-protected") {
            self.ask_own("vouch_for_human", json!({}))?;
        }
        let tasks: Vec<TaskId> = matches.get_many("task").into_iter().flatten().copied().collect();
        let about = |task: &Value| site.is_not_of(task, "land");
        let queue = match tasks.is_empty() {
            true => queue::finished(&team, trees, &target, &about)?,
            false => queue::of_tasks(&team, trees, &target, &tasks, &about)?,
        };
        let is_idle = queue.ready.iter().all(|queued| queued.commits == 0);
        let guard = self.guard(matches, trees)?;
        let mut report = if is_idle || matches.get_flag("dry-run") {
            Report::planned(&site, queue, target, &guard, matches.get_flag("dry-run"))?
        } else {
            let how = if matches.get_flag("merge") { How::Merge } else { How::Rebase };
            let landing = Landing {
                target,
                branches: queue.ready.iter().map(|queued| queued.branch.clone()).collect(),
                how,
                check: self.check(matches, &site)?,
                guard,
                under_way: Arc::new(AtomicBool::new(false)),
            };
            self.land_all(&team, queue, landing, &site)?
        };
        if tasks.is_empty() && site.named.is_none() {
            let others = repository::others_to_land(&self.config, &team);
            report.next.extend(others.iter().map(|name| format!("orch-mcp land --repo {name}")));
        }
        let ids: Vec<String> = report.rows.iter().map(|row| row.branch.clone()).collect();
        let text = || report.to_string();
        written(self.printer.answer(&Answer { data: &report.json(), ids: &ids, unread: None, text: &text }))?;
        Ok(match (report.code(), tasks.is_empty() && is_idle) {
            (exit::DONE, true) => exit::NOTHING_READY,
            (code, _) => code,
        })
    }

    fn check(&self, matches: &ArgMatches, site: &Site) -> Result<Option<Errand>> {
        let command = match (matches.get_one::<String>("check").cloned(), &site.named) {
            (Some(command), _) => Some(command),
            (None, Some(known)) => known.check(),
            (None, None) => self.config.land(&self.config.file()?)?.check.value,
        };
        let log = site.trees.records()?.join("landing.log");
        Ok(command.map(|command| Errand { command, patience: CHECK_WITHIN, log }))
    }

    fn guard(&self, matches: &ArgMatches, trees: &Trees) -> Result<Guard> {
        let checkout = trees.checkout()?;
        Ok(Guard {
            state_dir: worktree::path_below(&checkout, self.config.place()?.dir()),
            allows_protected: matches.get_flag("allow-protected"),
        })
    }

    fn land_all(&self, team: &Team, queue: Queue, landing: Landing, site: &Site) -> Result<Report> {
        let trees = &site.trees;
        end_the_check_on_ctrl_c(trees.clone(), landing.under_way.clone())?;
        let turn = match land::turn(trees, Duration::ZERO) {
            Err(error) if error.kind == Kind::Busy => {
                self.printer.note(&format!("{}: this one begins when it has ended", error.message));
                land::turn(trees, PATIENCE)?
            }
            turn => turn?,
        };
        let landed = land::land(trees, &landing, turn)?;
        // Roles are told of what changes in the team's own.
        if site.is_home {
            note(team, trees, &landing.target, &queue, &landed)?;
        }
        let check = landing.check.as_ref();
        // What moved has moved: whatever fails from here on is told with it.
        let newest = queue::newest(trees, &landing.target, &landed.onto).unwrap_or_else(|_| landed.onto.clone());
        let mut rows = Vec::new();
        for (branch, outcome) in &landed.each {
            let queued = queue.ready.iter().find(|queued| queued.branch == *branch);
            let place = mend::Landing {
                target: &landing.target,
                newest: &newest,
                check: check.map(|check| check.command.as_str()),
                repo: site.name(),
            };
            let opened = queued.map_or(Ok(None), |queued| mend::open(team, trees, queued, &place, outcome));
            rows.push(Row::of(branch, queued, outcome, &landing, opened));
        }
        let log = check.map(|check| check.log.clone()).filter(|_| landed.checks > 0);
        let take = land::to_take_it(trees, &landing.target)?;
        Ok(Report::landed(rows, queue, landing.target, &landed, (take, site.command("cleanup")), log))
    }
}

/// Who is told of changes is to know which are its own. They lie between the branch before and this one.
fn note(team: &Team, trees: &Trees, target: &str, queue: &Queue, landed: &Landed) -> Result<()> {
    let mut from = match &landed.from {
        Some(from) => from.clone(),
        None => trees.git().branch_there(target)?,
    };
    for (branch, outcome) in &landed.each {
        let Outcome::Landed { commit } = outcome else { continue };
        let queued = queue.ready.iter().find(|queued| queued.branch == *branch);
        if let Some(role) = queued.and_then(|queued| queued.role.as_ref()) {
            team.ask("note_landing", json!({ "role": role, "branch": branch, "from": from, "to": commit }))?;
        }
        from.clone_from(commit);
    }
    Ok(())
}

/// The check has a process group of its own, which the terminal does not tell.
fn end_the_check_on_ctrl_c(trees: Trees, under_way: Arc<AtomicBool>) -> Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM]).map_err(Error::internal)?;
    std::thread::spawn(move || {
        for signal in signals.forever() {
            if under_way.load(Ordering::SeqCst) {
                // What is left is taken back by the next landing.
                let _ = land::end_check(&trees);
            }
            let _ = emulate_default_handler(signal);
        }
    });
    Ok(())
}

/// A branch, and what became of it.
struct Row {
    branch: String,
    task: Option<TaskId>,
    outcome: &'static str,
    why: Option<String>,
    commit: Option<String>,
    opened: Option<Opened>,
}

impl Row {
    fn plain(branch: String, task: Option<TaskId>, outcome: &'static str, why: Option<String>) -> Row {
        Row { branch, task, outcome, why, commit: None, opened: None }
    }

    fn of(
        branch: &str,
        queued: Option<&Queued>,
        outcome: &Outcome,
        landing: &Landing,
        opened: Result<Option<Opened>>,
    ) -> Row {
        let check = landing.check.as_ref().map_or("", |check| check.command.as_str());
        let (word, why) = match outcome {
            Outcome::Landed { .. } => ("landed", None),
            Outcome::AlreadyThere => queued.map_or(("already_there", None), Queued::when_there),
            Outcome::NoBranch => ("no_branch", Some("the branch is gone".to_owned())),
            Outcome::Conflict(conflict) => {
                let files: Vec<String> = conflict.files.iter().map(|file| file.path.clone()).collect();
                ("conflict", Some(format!("it conflicts with {} in {}", conflict.onto, files.join(", "))))
            }
            Outcome::Stuck(why) => ("stuck", Some(stuck(why))),
            Outcome::Failed(failure) => {
                let only = match failure.only_with.as_slice() {
                    [] => String::new(),
                    with => format!(", only together with {}", with.join(", ")),
                };
                ("check_failed", Some(format!("`{check}` {}{only}", failure.check)))
            }
            Outcome::Protected(paths) => ("protected", Some(protected(paths))),
            Outcome::TargetFails(failed) => {
                ("target_fails", Some(format!("`{check}` {failed} on `{}` itself: mend that first", landing.target)))
            }
        };
        let commit = match outcome {
            Outcome::Landed { commit } => Some(commit.clone()),
            _ => None,
        };
        let (opened, why) = match opened {
            Ok(opened) => (opened, why),
            Err(error) => (None, why.map(|why| format!("{why}; no task could be opened for it: {}", error.message))),
        };
        Row { commit, opened, ..Row::plain(branch.to_owned(), queued.and_then(|queued| queued.task), word, why) }
    }

    fn json(&self) -> Value {
        let opened = self.opened.as_ref();
        json!({
            "branch": self.branch, "task": self.task, "outcome": self.outcome, "why": self.why, "commit": self.commit,
            "opened": opened.map(|opened| json!({ "task": opened.task, "status": opened.status, "new": opened.is_new })),
        })
    }

    /// The reason, and who is to mend it.
    fn words(&self) -> Option<String> {
        let why = self.why.as_ref()?;
        Some(match &self.opened {
            Some(Opened { task, is_new: true, .. }) => format!("{}: {why}; {task} is open for it", self.branch),
            Some(Opened { task, status, .. }) => format!("{}: {why}; {task} for it is {status}", self.branch),
            None => format!("{}: {why}", self.branch),
        })
    }
}

struct Report {
    rows: Vec<Row>,
    target: String,
    /// What moved, and from where to where.
    onto: Option<String>,
    from: Option<String>,
    to: Option<String>,
    next: Vec<String>,
    checks: usize,
    took_back: bool,
    /// Why what the landing needed could not be cleared away.
    left: Option<String>,
    log: Option<PathBuf>,
}

impl Report {
    /// Each is tried upon those before it, as a merge, in no worktree at all.
    fn planned(site: &Site, queue: Queue, target: String, guard: &Guard, is_dry: bool) -> Result<Report> {
        let trees = &site.trees;
        let git = trees.git();
        let mut top = git.branch_there(&queue::newest(trees, &target, &worktree::branch_of(LANDING))?)?;
        let mut rows = Vec::new();
        for queued in queue.ready {
            let (word, why) = match queued.commits {
                0 => queued.when_there(),
                commits => match trial::land(&git, &mut top, &queued.tip, guard)? {
                    Trial::Lands => ("would_land", Some(counted(commits))),
                    Trial::Conflicts(files) => {
                        ("would_conflict", Some(format!("it would conflict in {}", named(&files))))
                    }
                    Trial::Protected(paths) => ("protected", Some(protected(&paths))),
                    Trial::Stuck(why) => ("stuck", Some(stuck(&why))),
                },
            };
            rows.push(Row::plain(queued.branch, queued.task, word, why));
        }
        let lands = is_dry && rows.iter().any(|row| row.outcome == "would_land");
        rows.extend(queue.waiting.into_iter().map(waits));
        let lands = lands.then(|| site.command("land"));
        let next = lands.into_iter().chain(land::to_take_it(trees, &target)?).collect();
        let (onto, from, to, left, log) = (None, None, None, None, None);
        Ok(Report { rows, target, onto, from, to, next, checks: 0, took_back: false, left, log })
    }

    fn landed(
        mut rows: Vec<Row>,
        queue: Queue,
        target: String,
        landed: &Landed,
        (take, cleanup): (Option<String>, String),
        log: Option<PathBuf>,
    ) -> Report {
        rows.extend(queue.waiting.into_iter().map(waits));
        let cleans = rows.iter().any(|row| row.outcome == "landed").then_some(cleanup);
        Report {
            rows,
            target,
            onto: Some(landed.onto.clone()),
            from: landed.from.clone(),
            to: landed.to.clone(),
            next: take.into_iter().chain(cleans).collect(),
            checks: landed.checks,
            took_back: landed.took_back,
            left: landed.left.clone(),
            log,
        }
    }

    fn json(&self) -> Value {
        let branches: Vec<Value> = self.rows.iter().map(Row::json).collect();
        json!({
            "branches": branches, "target": self.target, "onto": self.onto, "from": self.from, "to": self.to,
            "next": self.next, "checks": self.checks, "took_back": self.took_back, "left": self.left, "log": self.log,
        })
    }

    fn code(&self) -> u8 {
        let has = |outcome: &str| self.rows.iter().any(|row| row.outcome == outcome);
        match () {
            () if has("conflict") => exit::CONFLICT,
            () if has("check_failed") || has("target_fails") || has("no_branch") || has("stuck") => exit::FAILED,
            () if has("protected") => exit::REFUSED,
            () if has("nothing_committed") => exit::NOT_FOUND,
            () => exit::DONE,
        }
    }
}

fn counted(commits: usize) -> String {
    if commits == 1 { "1 commit".to_owned() } else { format!("{commits} commits") }
}

fn protected(paths: &[String]) -> String {
    format!(
        "it touches {}, which decides about the team: look at it first (`orch-mcp land --help` tells more)",
        named(paths)
    )
}

fn stuck(why: &str) -> String {
    format!("git cannot put it on: {why}")
}

fn waits((branch, why): (String, String)) -> Row {
    Row::plain(branch, None, "not_finished", Some(why))
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.rows.is_empty() {
            return writeln!(f, "no branch of ours is there to land on `{}`", self.target);
        }
        let shown = |row: &Row| {
            let task = row.task.map(|task| task.to_string()).unwrap_or_default();
            [row.branch.clone(), task, row.outcome.replace('_', " ")]
        };
        let rows: Vec<[String; 3]> = self.rows.iter().map(shown).collect();
        render::table(f, ["BRANCH", "TASK", "OUTCOME"], &rows)?;
        writeln!(f)?;
        self.rows.iter().filter_map(Row::words).try_for_each(|words| writeln!(f, "{words}"))?;
        if self.took_back {
            writeln!(f, "a landing before this one was cut short; what it left was taken back")?;
        }
        if let (Some(onto), Some(to)) = (&self.onto, self.to.as_ref().filter(|to| Some(*to) != self.from.as_ref())) {
            writeln!(f, "`{onto}` is at {} now", to.get(..12).unwrap_or(to))?;
        }
        if let Some(left) = &self.left {
            writeln!(f, "the landing could not clear up, and the next one does: {left}")?;
        }
        if let Some(log) = &self.log {
            writeln!(f, "what the check said: {}", log.display())?;
        }
        self.next.iter().try_for_each(|next| writeln!(f, "next: {next}"))
    }
}
