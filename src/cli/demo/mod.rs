//! `orch-mcp demo`: a fleet at work on this machine, with neither a key nor a network. All of it is real but Claude.

mod plot;

use crate::cli::Run;
use crate::cli::commands;
use crate::cli::demo::plot::Plot;
use crate::cli::demo::plot::SHARED_FILE;
use crate::cli::exit;
use crate::cli::launch::asks_for_json;
use crate::cli::print::Printer;
use crate::cli::print::counted;
use crate::cli::signals;
use crate::cli::top::Leaves;
use crate::cli::top::Screen;
use crate::cli::top::Stage;
use crate::cli::top::event_line;
use crate::cli::written;
use crate::config::Roles;
use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::host::Host;
use crate::host::Stopwatch;
use crate::launch::bell::Bell;
use crate::launch::hands::Hands;
use crate::launch::simulated::WAITS_FOR;
use crate::launch::supervisor::Finish;
use crate::launch::supervisor::Supervisor;
use crate::launch::team::Team;
use crate::launch::team::text;
use crate::model::fleet::Caps;
use crate::ops::Caller;
use crate::ops::Desk;
use crate::ops::LocalDesk;
use crate::ops::event::EventLine;
use crate::ops::server::Overview;
use crate::ops::table::own_request;
use crate::store::Options;
use crate::store::doorbell::Hangup;
use crate::store::open::LazyStore;
use crate::store::place;
use crate::store::place::Place;
use clap::Arg;
use clap::ArgAction;
use clap::ArgMatches;
use clap::Command;
use jiff::tz::TimeZone;
use serde::Deserialize;
use serde_json::Value;
use serde_json::json;
use std::fs;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::thread;
use std::time::Duration;

const FOOTER: &str = "\
Simulated workers do a small job over a store and a server of their own: a planner splits it, one worker crashes and goes
on, two want a file that somebody else has, one claims what is not its any more, and one asks you something (answer it on the screen:
`a`). It ends by itself and leaves nothing behind. Where no terminal shows it, it prints lines.";

/// How long one look for news waits: the next one goes on where it ended.
const LOOKS_FOR: Duration = Duration::from_secs(50);

const WORKERS_MIN: u32 = 2;
const WORKERS_MAX: u32 = 32;

pub(in crate::cli) fn with_flags(command: Command) -> Command {
    command
        .arg(
            Arg::new("workers")
                .long("workers")
                .value_name("N")
                .default_value("6")
                .value_parser(clap::value_parser!(u32).range(i64::from(WORKERS_MIN)..=i64::from(WORKERS_MAX)))
                .help("How many workers, one of them the planner"),
        )
        .arg(
            Arg::new("seed")
                .long("seed")
                .value_name("N")
                .default_value("42")
                .value_parser(clap::value_parser!(u64))
                .help("Another number tells another story"),
        )
        .arg(
            Arg::new("speed")
                .long("speed")
                .value_name("N")
                .default_value("10")
                .value_parser(clap::value_parser!(u32).range(1..=1000))
                .help("How much faster than real sessions they work"),
        )
        .arg(
            Arg::new("plain")
                .long("plain")
                .action(ArgAction::SetTrue)
                .help("Print lines, also where a terminal could show the screen"),
        )
        .after_help(FOOTER)
}

impl Run<'_> {
    pub(in crate::cli) fn demo(&self, matches: &ArgMatches) -> Result<u8> {
        let number = |name: &str| *matches.get_one::<u32>(name).expect("it has a default");
        let seed = *matches.get_one::<u64>("seed").expect("it has a default");
        let ground = Ground::new(&self.config.temporary_dir(), &self.config.running()?)?;
        let show = Show {
            desk: &LocalDesk::for_many(LazyStore::new(Place::at(ground.state()), Host::System, Options::default()), 1),
            ground: &ground,
            printer: self.printer,
            caller: Caller {
                work_dir: Some(ground.work().to_string_lossy().into_owned()),
                worktree: None,
                ..self.config.caller(Host::System)
            },
            program: self.config.running()?,
            bell: Bell::default(),
            as_json: asks_for_json(matches),
            waited: Mutex::new(None),
            refused: Mutex::new(None),
        };
        let mut plot = Plot::new(seed, f64::from(number("speed")));
        let on_screen = self.is_watched() && !matches.get_flag("plain") && !show.as_json;
        show.tell_first(number("workers"), number("speed"))?;
        show.run(&mut plot, number("workers"), on_screen)
    }
}

/// A directory of its own, which goes when this is dropped.
struct Ground(PathBuf);

impl Ground {
    fn new(below: &Path, program: &Path) -> Result<Ground> {
        let dir = below.join(format!("orch-mcp-demo-{}-{:08x}", std::process::id(), Host::System.random() as u32));
        let failed = |cause| Error::new(Kind::Unavailable, format!("cannot make `{}`: {cause}", dir.display()));
        if place::is_in_repository(below) {
            // Its workers would make their worktrees there.
            return Err(Error::new(Kind::Refused, format!("`{}` lies in a repository", below.display()))
                .hint("name another directory for what nobody keeps: `TMPDIR=/tmp orch-mcp demo`"));
        }
        DirBuilder::new().mode(0o700).create(&dir).map_err(failed)?;
        let ground = Ground(dir.clone());
        DirBuilder::new().mode(0o700).create(ground.work()).map_err(failed)?;
        symlink(program, ground.client()).map_err(failed)?;
        Ok(ground)
    }

    fn state(&self) -> PathBuf {
        self.0.join("state")
    }

    fn work(&self) -> PathBuf {
        self.0.join("work")
    }

    /// Called by this name, the program stands in for Claude Code.
    fn client(&self) -> PathBuf {
        self.0.join(commands::STAND_IN)
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Whoever slept over a task and a file, and what is left of its claim.
struct Sleeper {
    instance: Value,
    task: Value,
    token: Value,
    /// The newest event when it fell asleep.
    since: u64,
}

struct Show<'a> {
    desk: &'a LocalDesk,
    ground: &'a Ground,
    printer: &'a Printer,
    caller: Caller,
    program: PathBuf,
    bell: Bell,
    as_json: bool,
    /// Who had to wait for a file, and for whom.
    waited: Mutex<Option<String>>,
    /// Who wanted to complete what was no longer theirs, and why it was not taken.
    refused: Mutex<Option<String>>,
}

impl Show<'_> {
    /// What is about to be seen.
    fn tell_first(&self, workers: u32, speed: u32) -> Result<()> {
        if self.as_json {
            return Ok(());
        }
        let executors = counted(u64::from(workers - 1), "executor");
        written(self.printer.text(&format!(
            "A planner splits the job \"Open the shop\", and {executors} do it: only Claude is simulated, {speed} times as \
             fast.\n"
        )))
    }

    fn run(&self, plot: &mut Plot, workers: u32, on_screen: bool) -> Result<u8> {
        let began = Stopwatch::start();
        // Its store is its own, and so is how far it may go.
        self.ask("set_caps", json!({ "caps": Caps { workers, ..Caps::default() } }))?;
        let sleeper = self.fall_asleep(plot)?;
        self.ask("push_task", plot.job())?;
        self.ask("launch_workers", json!({ "role": "planner", "count": 1 }))?;
        self.ask("launch_workers", json!({ "role": "executor", "count": workers - 1 }))?;
        let mut signals = signals::that_end()?;
        let (rings, ended) = (self.bell.clone(), signals.handle());
        let finish = thread::scope(|scope| {
            scope.spawn(move || signals.forever().for_each(|_| rings.stop()));
            let finish = self.perform(&sleeper, on_screen);
            ended.close();
            finish
        })?;
        let seen = self.overview(None, &Hangup::new())?;
        self.tell_last(&seen, began)?;
        Ok(if finish == Finish::Done { exit::DONE } else { exit::INTERRUPTED })
    }

    /// The supervisor at work, somebody who wakes up late, and who looks on.
    fn perform(&self, sleeper: &Sleeper, on_screen: bool) -> Result<Finish> {
        let stage = Stage::new();
        let curtain = stage.curtain();
        let over = Hangup::new();
        thread::scope(|scope| {
            let supervisor = scope.spawn(|| {
                let finish = self.supervise();
                curtain.fall();
                over.hang_up();
                finish
            });
            scope.spawn(|| self.wake_up(sleeper, &over));
            scope.spawn(|| self.give_way(sleeper, &over));
            let shown = if on_screen { self.screen().show(stage) } else { self.print(&over) };
            // Whoever leaves the screen wants the end, and without lines nobody hears of what goes on.
            self.bell.stop();
            let finish = supervisor.join().map_err(|_| Error::internal("the supervisor ended in a panic"))?;
            shown.and(finish)
        })
    }

    fn supervise(&self) -> Result<Finish> {
        let host = Host::System;
        let hands = Hands {
            host: host.clone(),
            state_dir: self.ground.state(),
            program: self.program.clone(),
            client: self.ground.client().to_string_lossy().into_owned(),
            roles: Roles::built_in(),
            metering: None,
            target: None,
            dollars_per_worker: None,
            config: None,
        };
        let caller =
            Caller { process: host.process(), person: Some("demo".to_owned()), ..Caller::anonymous(host.clone()) };
        let supervisor =
            Supervisor { bell: self.bell.clone(), ends_when_done: true, ..Supervisor::new(self.desk, hands, caller) };
        supervisor.run()
    }

    fn screen(&self) -> Screen<'_> {
        Screen {
            desk: self.desk,
            caller: self.caller.clone(),
            host: Host::System,
            state_dir: Some(self.ground.state()),
            colored: self.printer.paints(),
            controls: true,
            leaves: &|| Leaves::Show,
            leave: &|_| true,
        }
    }

    /// Somebody takes a task and gives it back, and keeps the token; and keeps a file that others will want.
    fn fall_asleep(&self, plot: &mut Plot) -> Result<Sleeper> {
        let joined = self.ask("register_instance", json!({ "name": "sleeper", "role": "executor" }))?;
        let instance = joined["instance"]["id"].clone();
        self.ask("push_task", plot.forgotten())?;
        let claim = self.ask("claim_task", json!({ "instance_id": instance }))?;
        let task = claim["task"]["id"].clone();
        self.ask("release_task", json!({ "instance_id": instance, "task_id": task, "reason": "asleep" }))?;
        self.ask("reserve_files", json!({ "instance_id": instance, "patterns": [SHARED_FILE] }))?;
        let since = self.overview(None, &Hangup::new())?.newest_event;
        Ok(Sleeper { instance, task, token: claim["task"]["token"].clone(), since })
    }

    /// Once somebody else has that task, whoever slept completes it all the same.
    fn wake_up(&self, sleeper: &Sleeper, over: &Hangup) {
        let Sleeper { instance, task, token, since } = sleeper;
        let taken = json!({ "kind": "task.claimed", "subject": task, "cursor": since });
        let _ = self.execute("watch_events", taken, over);
        let late = json!({ "instance_id": instance, "task_id": task, "token": token, "result": "I woke up" });
        let Err(error) = self.ask("complete_task", late) else { return };
        let (task, why) = (task.as_str().unwrap_or_default(), &error.message);
        *self.refused() = Some(format!("sleeper, who slept over {task} and completed it too late: {why}"));
        let words = format!("I wanted to complete {task}: {why}");
        let _ = self.ask("send_message", json!({ "instance_id": instance, "broadcast": true, "content": words }));
    }

    /// Once somebody waits for the file that whoever slept has kept, they get it.
    fn give_way(&self, sleeper: &Sleeper, over: &Hangup) {
        let team = Team { desk: self.desk, caller: &self.caller };
        let waits = |event: &Value| text(&event["data"], "note").starts_with(WAITS_FOR);
        let mut since = sleeper.since;
        while !over.is_hung_up() {
            let Ok((events, next)) = team.events("task.progress", Some(since), LOOKS_FOR, over) else { return };
            if let Some(first) = events.iter().find(|event| waits(event)) {
                let task = text(first, "subject");
                let told = format!("{SHARED_FILE}, which sleeper had kept: whoever did {task}");
                *self.waited.lock().unwrap_or_else(PoisonError::into_inner) = Some(told);
                let _ = self.ask("release_files", json!({ "instance_id": sleeper.instance }));
                return;
            }
            since = next;
        }
    }

    fn refused(&self) -> MutexGuard<'_, Option<String>> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What happens, in lines.
    fn print(&self, over: &Hangup) -> Result<()> {
        let zone = TimeZone::system();
        let mut printed = 0;
        let mut newest = None;
        loop {
            let is_over = over.is_hung_up();
            let seen = self.overview(newest, over)?;
            for event in seen.events.iter().filter(|event| event.seq > printed && is_told(event)) {
                written(match self.as_json {
                    true => self.printer.object(&json!(event)),
                    false => self.printer.text(&format!("{}\n", event_line(event, &zone))),
                })?;
            }
            printed = seen.newest_event;
            newest = Some(seen.newest_event);
            if is_over {
                return Ok(());
            }
        }
    }

    fn tell_last(&self, seen: &Overview, began: Stopwatch) -> Result<()> {
        let workers = self.ask("list_workers", json!({ "all": true }))?;
        let workers = workers["workers"].as_array().cloned().unwrap_or_default();
        let restarts = workers.iter().filter_map(|worker| worker["restarts"].as_u64()).sum::<u64>();
        let asked = self.ask("list_questions", json!({ "status": "all" }))?;
        let asked = asked["questions"].get(0).cloned().unwrap_or_default();
        let completed = seen.tasks.get("completed").copied().unwrap_or_default();
        let all: u64 = seen.tasks.values().sum();
        let waited = self.waited.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let refused = self.refused().clone();
        let secs = began.so_far().as_secs_f64();
        if self.as_json {
            return written(self.printer.object(&json!({
                "tasks": all, "completed": completed, "workers": workers.len(), "seconds": secs, "restarts": restarts,
                "asked": asked["text"], "answered": asked["answer"], "waited": waited, "refused": refused,
            })));
        }
        let mut lines = vec![format!(
            "{completed} of {all} tasks completed by {} in {secs:.0} s; nothing is left running, and nothing was left \
             behind.",
            counted(workers.len() as u64, "worker"),
        )];
        lines.push(format!("  crashed and gone on with   {}", counted(restarts, "session")));
        if let Some(text) = asked["text"].as_str() {
            lines.push(format!("  asked                      {text}"));
            lines.push(format!("  answered                   {}", answered(&asked)));
        }
        lines.extend(waited.map(|words| format!("  waited for                 {words}")));
        lines.extend(refused.map(|words| format!("  refused                    {words}")));
        lines.push("Now with Claude: orch-mcp push-task TITLE; orch-mcp launch --workers 3".to_owned());
        written(self.printer.text(&(lines.join("\n") + "\n")))
    }

    fn overview(&self, seen: Option<u64>, hangup: &Hangup) -> Result<Overview> {
        let told = self.execute("get_overview", json!({ "seen": seen }), hangup)?;
        Overview::deserialize(&told).map_err(Error::internal)
    }

    fn ask(&self, operation: &str, arguments: Value) -> Result<Value> {
        self.execute(operation, arguments, &Hangup::new())
    }

    fn execute(&self, operation: &str, arguments: Value, hangup: &Hangup) -> Result<Value> {
        let request = own_request(operation, arguments)?;
        self.desk.execute(&request, &self.caller, hangup).map(|reply| reply.data)
    }
}

fn answered(question: &Value) -> String {
    let answer = question["answer"].as_str().unwrap_or_default();
    match question["state"].as_str() {
        Some("answered") => format!("you said {answer}"),
        Some("lapsed") => format!("nobody answered in time, so it is {answer}"),
        _ => "not before the end".to_owned(),
    }
}

/// What is worth a line: neither progress, nor who came and went.
fn is_told(event: &EventLine) -> bool {
    let waits =
        event.kind == "task.progress" && event.detail.as_deref().is_some_and(|detail| detail.starts_with(WAITS_FOR));
    let is_state = event.kind == "worker.state";
    let news = ["needs_input", "restarting", "failed", "stalled"];
    let is_news = event.detail.as_deref().is_some_and(|detail| news.iter().any(|state| detail.starts_with(state)));
    let quiet = [
        "instance.",
        "task.progress",
        "task.started",
        "task.pushed",
        "worker.began",
        "worker.wanted",
        "worker.unwanted",
    ];
    if is_state { is_news } else { waits || !quiet.iter().any(|kind| event.kind.starts_with(kind)) }
}
