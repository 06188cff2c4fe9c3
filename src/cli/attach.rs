//! `orch-mcp attach`: to a worker's terminal; for one without, how to look at it and how to take it over.

use crate::cli::Run;
use crate::cli::exit;
use crate::cli::print::Answer;
use crate::cli::setup::quoted;
use crate::cli::written;
use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::host::Host;
use crate::keep::chronicle;
use crate::keep::run::RunDir;
use crate::keep::run::Standing;
use crate::launch::tmux::Tmux;
use crate::model::worker::Mode;
use crate::ops::worker::Followed;
use clap::Arg;
use clap::ArgMatches;
use clap::Command;
use serde::Deserialize;
use serde_json::json;
use std::os::unix::process::CommandExt;

const FOOTER: &str = "\
Leave a terminal with Ctrl+B and D: the worker goes on. What you type there is as if you sat before it.";

pub(super) fn with_flags(command: Command) -> Command {
    let worker = Arg::new("worker").required(true).value_name("WORKER");
    command.arg(worker.help("Its name, as `orch-mcp workers` shows it")).after_help(FOOTER)
}

impl Run<'_> {
    pub(super) fn attach(&self, matches: &ArgMatches) -> Result<u8> {
        if self.config.server.value.is_some() {
            return Err(Error::new(Kind::Refused, "a worker runs on the machine of the store")
                .hint("run `orch-mcp attach` there"));
        }
        let name = matches.get_one::<String>("worker").map_or("", |name| name.trim_start_matches('@'));
        let reply = self.ask_own("follow_worker", json!({ "worker": name, "limit": 0 }))?;
        let worker = Followed::deserialize(&reply.data).map_err(Error::internal)?.known()?;
        let place = self.config.place()?;
        let run = RunDir::of(place.dir(), &worker.name, &worker.runs.to_string());
        let runs = matches!(run.standing(&Host::System), Ok(Standing::Runs(_)));
        if runs && worker.mode == Mode::Terminal {
            return self.attach_to(&Tmux::of(place.dir()), &worker.name);
        }
        let start = run.start().ok();
        let client = start.as_ref().map_or("claude", |start| start.line.program.as_str());
        let dir = start.as_ref().map(|start| start.cwd.display().to_string());
        let gone = start.as_ref().is_some_and(|start| !start.cwd.is_dir());
        // A session for one task is in no worker's record: whoever runs it says which it is.
        let session = worker.session.clone().or_else(|| chronicle::session(&run, &Host::System));
        // A client finds a session again only where it was.
        let over = session.as_ref().filter(|_| !gone).map(|session| {
            let cd = dir.as_ref().map(|dir| format!("cd {} && ", quoted(dir))).unwrap_or_default();
            format!("{cd}{} --resume {}", quoted(client), quoted(session))
        });
        let stop = format!("orch-mcp stop {}", quoted(&worker.name));
        let follow = format!("orch-mcp logs {} -f", quoted(&worker.name));
        let data = json!({
            "worker": worker.name, "mode": worker.mode, "state": worker.state, "runs": runs, "session": session,
            "directory": dir, "follow": follow, "stop": stop, "take_over": over,
        });
        let text = || {
            let mut text = format!("{} has no terminal: it is {}.\n", worker.name, worker.state.word());
            text += &format!("Look at it:    {follow}\n");
            match &over {
                Some(over) if runs => text += &format!("Take it over:  {stop}\n               {over}\n"),
                Some(over) => text += &format!("Take it over:  {over}\n"),
                None if gone => {
                    let dir = dir.as_deref().unwrap_or_default();
                    text += &format!("It cannot be taken over: its directory {dir} is gone.\n");
                }
                None => text += "It has no session yet that could be taken over.\n",
            }
            text
        };
        let ids = [worker.name.clone()];
        written(self.printer.answer(&Answer { data: &data, ids: &ids, unread: None, text: &text }))?;
        Ok(exit::DONE)
    }

    fn attach_to(&self, tmux: &Tmux, worker: &str) -> Result<u8> {
        if !self.printer.person_reads() {
            return Err(Error::new(Kind::Refused, format!("{worker} is in a terminal, and this is none"))
                .hint("run `orch-mcp attach` in a terminal"));
        }
        let cause = tmux.attach(worker).exec();
        Err(Error::new(Kind::Unavailable, format!("`tmux` cannot be started: {cause}")).hint("install tmux"))
    }
}
