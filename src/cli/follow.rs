//! What happens, told as it comes: `orch-mcp logs` of one worker, `orch-mcp monitor` of all.

use crate::cli::Run;
use crate::cli::desk;
use crate::cli::exit;
use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::host::Host;
use crate::keep::chronicle::Chronicle;
use crate::keep::run::RunDir;
use crate::model::event::Event;
use crate::model::time::Timestamp;
use crate::model::worker::Worker;
use crate::ops::Desk;
use crate::ops::WAIT_SECS_MAX;
use crate::ops::event::EventLine;
use crate::ops::render;
use crate::ops::table::own_request;
use crate::ops::worker::Followed;
use crate::store::doorbell::Hangup;
use clap::Arg;
use clap::ArgAction;
use clap::ArgMatches;
use clap::Command;
use serde::Deserialize;
use serde_json::Value;
use serde_json::json;
use signal_hook::consts::SIGINT;
use signal_hook::consts::SIGTERM;
use signal_hook::iterator::Signals;
use std::io;
use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::sync::mpsc::RecvTimeoutError;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

const LINES_DEFAULT: &str = "50";

/// Events ring; a file that grows does not, and to ask for its length costs next to nothing.
const FILES_EVERY: Duration = Duration::from_millis(250);

/// Earlier runs than that are not looked through for more lines.
const RUNS_MAX: u64 = 20;

const LOGS_FOOTER: &str = "\
What the worker printed, its standard error, its hooks, and what it and others did to it, on one clock, the newest at the
end. What a worker in a terminal shows stands on its screen: `orch-mcp attach`. As JSON there is one object in each line.";

pub(super) fn with_logs_flags(command: Command) -> Command {
    command
        .arg(Arg::new("worker").required(true).value_name("WORKER").help("Its name, as `orch-mcp workers` shows it"))
        .arg(
            Arg::new("follow")
                .short('f')
                .long("follow")
                .action(ArgAction::SetTrue)
                .help("Go on with what comes, until Ctrl+C"),
        )
        .arg(
            Arg::new("lines")
                .short('n')
                .long("lines")
                .value_name("N")
                .default_value(LINES_DEFAULT)
                .value_parser(clap::value_parser!(u32))
                .help("How many of the newest to begin with"),
        )
        .after_help(LOGS_FOOTER)
}

/// One thing that happened.
struct Entry {
    at: Timestamp,
    source: &'static str,
    text: String,
    event: Option<Event>,
}

impl Entry {
    fn of_events(told: Followed) -> impl Iterator<Item = Entry> {
        let of_event = |(event, line): (Event, EventLine)| {
            let text = line.words();
            Entry { at: event.at, source: "event", text, event: Some(event) }
        };
        told.events.into_iter().zip(told.lines).map(of_event)
    }

    fn data(&self) -> Value {
        let mut data = json!({ "at": self.at, "source": self.source, "text": self.text });
        if let Some(event) = &self.event {
            data["event"] = json!(event);
        }
        data
    }

    fn line(&self) -> String {
        // What has several lines stays together under its first.
        format!("{}  {:6}  {}", render::local(self.at), self.source, self.text.replace('\n', "\n    "))
    }
}

impl Run<'_> {
    pub(super) fn logs(&self, matches: &ArgMatches) -> Result<u8> {
        if self.config.server.value.is_some() {
            return Err(Error::new(Kind::Refused, "what a worker prints stands on the machine of the store")
                .hint("run `orch-mcp logs` there"));
        }
        let name = matches.get_one::<String>("worker").map_or("", |name| name.trim_start_matches('@'));
        let lines = matches.get_one::<u32>("lines").copied().unwrap_or_default() as usize;
        let reply = self.ask_own("follow_worker", json!({ "worker": name, "limit": lines }))?;
        let known = Followed::deserialize(&reply.data).map_err(Error::internal)?;
        let cursor = known.cursor;
        let worker = known.known()?;
        let mut entries: Vec<Entry> = Entry::of_events(known).collect();
        let mut chronicle = None;
        for number in (worker.runs.saturating_sub(RUNS_MAX).max(1)..=worker.runs).rev() {
            let Some((mut run, began)) = self.chronicle(&worker, number)? else { continue };
            entries.extend(printed(&mut run));
            chronicle.get_or_insert(run);
            // What an earlier run printed is older than that.
            if entries.iter().filter(|entry| entry.at > began).count() >= lines {
                break;
            }
        }
        entries.sort_by_key(|entry| entry.at);
        let newest = entries.len().saturating_sub(lines);
        let shown = self.tell_all(entries.drain(newest..));
        match (shown, matches.get_flag("follow")) {
            (Ok(()), true) => self.follow(worker, cursor, chronicle),
            (told, _) => ended(told),
        }
    }

    /// What a run prints and when it began, once it has.
    fn chronicle(&self, worker: &Worker, number: u64) -> Result<Option<(Chronicle, Timestamp)>> {
        let run = RunDir::of(self.config.place()?.dir(), &worker.name, &number.to_string());
        let began = run.record().ok().flatten().map(|record| record.began_at);
        Ok(began.map(|began| (Chronicle::new(run, number, began), began)))
    }

    fn follow(&self, mut worker: Worker, cursor: u64, mut chronicle: Option<Chronicle>) -> Result<u8> {
        let hangup = hang_up_at_signals()?;
        let wanted = json!({ "worker": worker.name });
        let news = self.listen("follow_worker", wanted, cursor, hangup)?;
        loop {
            let mut entries = Vec::new();
            match news.recv_timeout(FILES_EVERY) {
                Ok(Ok(data)) => {
                    let told = Followed::deserialize(&data).map_err(Error::internal)?;
                    worker = told.worker.clone().unwrap_or(worker);
                    entries.extend(Entry::of_events(told));
                }
                Ok(Err(error)) => return Err(error),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(exit::DONE),
            }
            entries.extend(chronicle.iter_mut().flat_map(printed));
            // A run is told of before it has its files: until then it is looked for at each look.
            let is_behind = chronicle.as_ref().is_none_or(|run| run.number < worker.runs);
            if is_behind && let Some((mut next, _)) = self.chronicle(&worker, worker.runs)? {
                entries.extend(printed(&mut next));
                chronicle = Some(next);
            }
            entries.sort_by_key(|entry| entry.at);
            if let told @ Err(_) = self.tell_all(entries.into_iter()) {
                return ended(told);
            }
        }
    }

    /// Everything that happens, from now on.
    pub(super) fn monitor(&self) -> Result<u8> {
        let reply = self.ask_own("list_workers", json!({}))?;
        let workers = reply.data["workers"].as_array().cloned().unwrap_or_default();
        let text = |worker: &Value| {
            let part = |name: &str| worker[name].as_str().unwrap_or_default().to_owned();
            [part("name"), part("state"), part("task_id"), part("reason")].join("  ")
        };
        for worker in &workers {
            if let told @ Err(_) = self.printer.record(worker, &|| text(worker)) {
                return ended(told);
            }
        }
        let now = self.ask_own("follow_worker", json!({ "limit": 0 }))?;
        let cursor = now.data["cursor"].as_u64().unwrap_or_default();
        let news = self.listen("follow_worker", json!({}), cursor, hang_up_at_signals()?)?;
        self.printer.aside("waiting for what happens; Ctrl+C ends");
        for data in news {
            let told = Followed::deserialize(&data?).map_err(Error::internal)?;
            if let told @ Err(_) = self.tell_all(Entry::of_events(told)) {
                return ended(told);
            }
        }
        Ok(exit::DONE)
    }

    fn tell_all(&self, entries: impl Iterator<Item = Entry>) -> io::Result<()> {
        entries.into_iter().try_for_each(|entry| self.printer.record(&entry.data(), &|| entry.line()))
    }

    /// The answers of an operation that waits, one after the other, until it is hung up.
    pub(super) fn listen(
        &self,
        operation: &'static str,
        wanted: Value,
        cursor: u64,
        hangup: Hangup,
    ) -> Result<Receiver<Result<Value>>> {
        let desk: Arc<dyn Desk> = desk::of(&self.config, Host::System)?;
        let caller = self.config.caller(Host::System);
        let (tell, told) = channel();
        thread::spawn(move || {
            let mut cursor = cursor;
            while !hangup.is_hung_up() {
                let mut wanted = wanted.clone();
                wanted["cursor"] = cursor.into();
                wanted["timeout_seconds"] = WAIT_SECS_MAX.into();
                let request = own_request(operation, wanted);
                let reply = request.and_then(|request| desk.execute(&request, &caller, &hangup));
                let is_over = reply.is_err();
                cursor = reply.as_ref().ok().and_then(|reply| reply.data["cursor"].as_u64()).unwrap_or(cursor);
                if hangup.is_hung_up() || tell.send(reply.map(|reply| reply.data)).is_err() || is_over {
                    return;
                }
            }
        });
        Ok(told)
    }
}

fn printed(run: &mut Chronicle) -> Vec<Entry> {
    let lines = run.read(&Host::System).into_iter();
    lines.map(|line| Entry { at: line.at, source: line.source.word(), text: line.text, event: None }).collect()
}

/// Ctrl+C is how one leaves.
pub(super) fn hang_up_at_signals() -> Result<Hangup> {
    let hangup = Hangup::new();
    let mut signals = Signals::new([SIGINT, SIGTERM]).map_err(Error::internal)?;
    let hung_up = hangup.clone();
    thread::spawn(move || signals.forever().take(1).for_each(|_| hung_up.hang_up()));
    Ok(hangup)
}

/// Whoever read us has seen enough.
fn ended(told: io::Result<()>) -> Result<u8> {
    match told {
        Err(cause) if cause.kind() != ErrorKind::BrokenPipe => {
            Err(Error::new(Kind::Internal, format!("what happens cannot be written to standard output: {cause}")))
        }
        _ => Ok(exit::DONE),
    }
}
