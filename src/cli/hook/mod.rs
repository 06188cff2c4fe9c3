//! `orch-mcp hook <event>`: what a Claude session's hooks run. It never fails a session and never holds it up: whatever goes
//! wrong, it says nothing and ends well. But where a tool is to be used, what cannot be heard is not let pass.

mod heard;
mod rewake;
mod safety;
mod steps;
mod work;

use crate::claude::event::Event;
use crate::cli::desk;
use crate::cli::print::Printer;
use crate::config::Config;
use crate::error::Result;
use crate::host::Host;
use crate::model::message::CALL_OF_HOOK;
use crate::ops::Caller;
use crate::ops::caller::Origin;
use crate::remote::Patience;
use heard::Heard;
use safety::Verdict;
use std::path::PathBuf;
use std::sync::mpsc::RecvTimeoutError;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;
use steps::Said;
use work::Work;

/// What stands on the command line behind the event.
#[derive(Clone, Debug, Default)]
pub(super) struct Wish {
    /// Join also where no team is yet.
    pub join: bool,
    pub name: Option<String>,
    pub role: Option<String>,
}

/// How a rewake hook tells its client to wake the session.
const WAKE: u8 = 2;

/// How a hook tells its client not to use a tool, where nobody reads what it says.
const STOP: u8 = 2;

/// A client writes it before it does anything else.
const HEARD_WITHIN: Duration = Duration::from_millis(500);

/// What is not heard is not let pass, so it is waited for nearly as long as the client waits for the answer.
const HEARD_BEFORE_A_TOOL_WITHIN: Duration = Duration::from_secs(4);

/// Says how the process is to end.
pub(super) fn run(config: Config, event: Event, wish: Wish, printer: &Printer) -> u8 {
    let is_before_a_tool = event == Event::PreToolUse;
    let heard = match Heard::on_stdin(if is_before_a_tool { HEARD_BEFORE_A_TOOL_WITHIN } else { HEARD_WITHIN }) {
        Ok(heard) => heard,
        Err(unheard) => {
            tracing::debug!("what came on standard input cannot be heard: {unheard}");
            let config = in_its_project(config, None);
            let verdict = if is_before_a_tool { safety::unheard(&config, unheard) } else { None };
            return verdict.map_or(super::exit::DONE, |verdict| decide(&verdict, printer));
        }
    };
    let config = in_its_project(config, heard.path("cwd"));
    if is_before_a_tool && let Some(verdict) = safety::verdict(&config, &heard) {
        return decide(&verdict, printer);
    }
    let work = match begin(config, event, wish, heard) {
        Ok(Some(work)) => work,
        Ok(None) => return super::exit::DONE,
        Err(error) => {
            tracing::warn!("hook: {error}");
            return super::exit::DONE;
        }
    };
    if event == Event::Rewake {
        return match rewake::until_it_rings(&work) {
            Ok(Some(say)) => {
                printer.aloud(&say);
                WAKE
            }
            Ok(None) => super::exit::DONE,
            Err(error) => {
                tracing::warn!("hook: {error}");
                super::exit::DONE
            }
        };
    }
    let too_late = too_late(&work.config, event);
    let taken = {
        let work = work.clone();
        within(event.patience(), &too_late, move || steps::take(&work))
    };
    let Some(said) = taken.flatten() else { return super::exit::DONE };
    let printed = printer.must_be_read(said.json.to_string());
    if let (Ok(()), Some(instance)) = (printed, said.mail_of) {
        within(event.patience(), &too_late, move || work.printed(&instance));
    }
    super::exit::DONE
}

fn decide(verdict: &Verdict, printer: &Printer) -> u8 {
    let said = Said::decision(Event::PreToolUse, verdict.decision, &verdict.reason);
    match printer.must_be_read(said.json.to_string()) {
        Ok(()) => super::exit::DONE,
        Err(error) => {
            tracing::warn!("hook: {error}");
            STOP
        }
    }
}

fn in_its_project(config: Config, dir: Option<PathBuf>) -> Config {
    match config.claude.project.clone().or(dir) {
        Some(project) => config.in_project(project),
        None => config,
    }
}

/// `None` where this is no business of ours.
fn begin(config: Config, event: Event, wish: Wish, heard: Heard) -> Result<Option<Work>> {
    let joins = event == Event::SessionStart && (wish.join || config.asks_to_join());
    // What the user keeps for all that is in no repository says nothing about this directory. Whether there is anything
    // elsewhere, only the server there can say.
    if !joins && config.server.value.is_none() && !config.place()?.exists() {
        return Ok(None);
    }
    let may_join = joins || event == Event::SessionStart && config.is_in_repository();
    // Sooner than the hook ends, so that what keeps us from the server can still be said.
    let desk = desk::of_patient(&config, Host::System, Patience::of(event.patience() * 4 / 5))?;
    let caller = caller(&config, event, &heard);
    Ok(Some(Work::new(desk, caller, config, event, wish, heard, may_join)))
}

fn caller(config: &Config, event: Event, heard: &Heard) -> Caller {
    let host = Host::System;
    Caller {
        session: heard.text("session_id").map(str::to_owned).or_else(|| config.session.value.clone()),
        origin: Origin::Agent,
        person: None,
        // So that what it takes comes again, should it be killed before it has printed it.
        process: desk::process(config, &host),
        call: CALL_OF_HOOK.to_owned(),
        hook: Some(event.name().to_owned()),
        // Which a session inherits from whoever started it: the name that it wants, and not who it is.
        from_environment: None,
        ..config.caller(host)
    }
}

/// What to say of work that was not done in time: who kept it waiting.
fn too_late(config: &Config, event: Event) -> String {
    match &config.server.value {
        Some(server) => format!("`{}` did not answer within {} s", server.url(), event.patience().as_secs_f32()),
        None => "the store was busy for too long".to_owned(),
    }
}

/// The outcome of the work, if there is one in time. What is late goes on until the process ends, which it may do at any
/// moment.
fn within<T: Send + 'static>(
    patience: Duration,
    too_late: &str,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Option<T> {
    let (tell, told) = channel();
    thread::spawn(move || tell.send(work()));
    match told.recv_timeout(patience) {
        Ok(Ok(done)) => Some(done),
        Ok(Err(error)) => {
            tracing::warn!("hook: {error}");
            None
        }
        Err(RecvTimeoutError::Timeout) => {
            tracing::warn!("hook: {too_late}");
            None
        }
        // It panicked, and that is in the log.
        Err(RecvTimeoutError::Disconnected) => None,
    }
}
