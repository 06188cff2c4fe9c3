//! `orch-mcp demo`: a fleet at work on this machine, with neither a key nor a network. All of it is real but Claude.

mod plot;

use crate::cli::Run;
use crate::cli::commands;
use crate::cli::demo::plot::Plot;
use crate::cli::exit;
use crate::cli::print::Printer;
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
use crate::launch::closings::Closings;
use crate::launch::hands::Hands;
use crate::launch::in_hand::InHand;
use crate::launch::supervisor::Finish;
use crate::launch::supervisor::Supervisor;
use crate::launch::teller::Teller;
use crate::ops::Caller;
use crate::ops::Desk;
use crate::ops::LocalDesk;
use crate::ops::server::EventLine;
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
use signal_hook::consts::SIGHUP;
use signal_hook::consts::SIGINT;
use signal_hook::consts::SIGTERM;
use signal_hook::iterator::Signals;
use std::fs;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::path::PathBuf;
use std::thread;

const FOOTER: &str = "\
Simulated workers do a small job over a store and a server of their own: a planner splits it, one worker crashes and goes
on, two want the same file, one claims what is not its any more, and one asks you something (answer it on the screen:
`a`). It ends by itself and leaves nothing behind. Where no terminal shows it, it prints lines.";

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
        };
        let mut plot = Plot::new(seed, f64::from(number("speed")));
        show.run(&mut plot, number("workers"), self.is_watched() && !matches.get_flag("plain"))
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

/// Whoever slept over a task, and what is left of its claim.
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
}

impl Show<'_> {
    fn run(&self, plot: &mut Plot, workers: u32, on_screen: bool) -> Result<u8> {
        let began = Stopwatch::start();
        let sleeper = self.fall_asleep(plot)?;
        self.ask("push_task", plot.job())?;
        self.ask("launch_workers", json!({ "role": "planner", "count": 1 }))?;
        self.ask("launch_workers", json!({ "role": "executor", "count": workers - 1 }))?;
        let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).map_err(Error::internal)?;
        let (rings, ended) = (self.bell.clone(), signals.handle());
        let finish = thread::scope(|scope| {
            scope.spawn(move || signals.forever().for_each(|_| rings.stop()));
            let finish = self.perform(&sleeper, on_screen);
            ended.close();
            finish
        })?;
        let seen = self.overview(None, &Hangup::new())?;
        written(self.printer.text(&self.summary(&seen, began)?))?;
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
            dollars_per_worker: None,
        };
        let caller =
            Caller { process: host.process(), person: Some("demo".to_owned()), ..Caller::anonymous(host.clone()) };
        let supervisor = Supervisor {
            desk: self.desk,
            hands,
            in_hand: InHand::default(),
            closings: Closings::default(),
            process: host.this_process(),
            caller,
            bell: self.bell.clone(),
            ends_when_done: true,
            teller: Teller::default(),
            tell: &|_, _| {},
        };
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
            leaves: "end",
            leave: &|| true,
        }
    }

    /// Somebody takes a task and gives it back, and keeps the token.
    fn fall_asleep(&self, plot: &mut Plot) -> Result<Sleeper> {
        let joined = self.ask("register_instance", json!({ "name": "sleeper", "role": "executor" }))?;
        let instance = joined["instance"]["id"].clone();
        self.ask("push_task", plot.forgotten())?;
        let claim = self.ask("claim_task", json!({ "instance_id": instance }))?;
        let task = claim["task"]["id"].clone();
        self.ask("release_task", json!({ "instance_id": instance, "task_id": task, "reason": "asleep" }))?;
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
        let words = format!("I wanted to complete {}: {}", task.as_str().unwrap_or_default(), error.message);
        let _ = self.ask("send_message", json!({ "instance_id": instance, "broadcast": true, "content": words }));
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
                written(self.printer.text(&format!("{}\n", event_line(event, &zone))))?;
            }
            printed = seen.newest_event;
            newest = Some(seen.newest_event);
            if is_over {
                return Ok(());
            }
        }
    }

    fn summary(&self, seen: &Overview, began: Stopwatch) -> Result<String> {
        let workers = self.ask("list_workers", json!({ "all": true }))?;
        let workers = workers["workers"].as_array().cloned().unwrap_or_default();
        let sum = |field: &str| workers.iter().filter_map(|worker| worker[field].as_u64()).sum::<u64>();
        let answer = self.ask("list_questions", json!({ "status": "all" }))?;
        let answer = &answer["questions"][0];
        let by = match answer["state"].as_str() {
            Some("answered") => "you said",
            Some("lapsed") => "nobody answered in time, so it is",
            _ => "nobody said",
        };
        let count = |word: &str| seen.tasks.get(word).copied().unwrap_or_default();
        let all: u64 = seen.tasks.values().sum();
        let refused =
            seen.messages.iter().filter(|message| message.from == "sleeper").map(|message| message.text.as_str());
        let mut lines = vec![format!(
            "{} of {all} tasks completed by {} workers in {:.0} s; nothing is left running, and nothing was left behind.",
            count("completed"),
            workers.len(),
            began.so_far().as_secs_f64()
        )];
        lines.push(format!("  crashed and gone on with   {}", counted(sum("restarts"), "session")));
        lines.push(format!("  asked                      {}", answer["text"].as_str().unwrap_or("nothing")));
        lines.push(format!("  answered                   {by} {}", answer["answer"].as_str().unwrap_or("nothing")));
        lines.extend(refused.map(|words| format!("  refused                    {words}")));
        lines.push(
            "Now with Claude: orch-mcp setup claude-code; orch-mcp push-task TITLE; orch-mcp launch --workers 3"
                .to_owned(),
        );
        Ok(lines.join("\n") + "\n")
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

fn counted(count: u64, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

/// What is worth a line: neither progress, nor who came and went.
fn is_told(event: &EventLine) -> bool {
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
    if is_state { is_news } else { !quiet.iter().any(|kind| event.kind.starts_with(kind)) }
}
