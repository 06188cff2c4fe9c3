//! A workflow that failed becomes a task for somebody who mends it: once for each commit, as long as that task is open.

use crate::cli::desk;
use crate::config::Config;
use crate::error::Kind;
use crate::error::Result;
use crate::host::Host;
use crate::launch::team::Team;
use crate::launch::team::text;
use crate::model::digest::digest;
use crate::model::task::State;
use crate::ops::render;
use crate::repos::run::Ran;
use serde_json::Value;
use serde_json::json;

/// Whoever mends it has the log for the rest.
const DESCRIPTION_BYTES: usize = 16 << 10;

/// Longer ones stand in the description.
const COMMAND_CHARS: usize = 200;

#[derive(Debug)]
pub(super) struct Opened {
    pub(super) task: String,
    /// Nobody had opened it before.
    pub(super) is_new: bool,
}

pub(super) fn open(config: &Config, ran: &Ran) -> Result<Opened> {
    let (desk, caller) = (desk::of(config, Host::System)?, config.caller(Host::System));
    let team = Team { desk: desk.as_ref(), caller: &caller };
    let commit = ran.commit.as_deref().unwrap_or("no commit");
    let mark = format!("repos-{:016x}", digest(&format!("{} {} {commit}", ran.name, ran.workflow)));
    let (before, open) = opened(&team, &mark)?;
    if let Some(open) = open {
        return Ok(open);
    }
    let mut arguments = task(ran, &mark);
    arguments["idempotency_key"] = format!("{mark}-{}", before + 1).into();
    match team.ask("push_task", arguments) {
        Ok(pushed) => Ok(Opened { task: text(&pushed["task"], "id").to_owned(), is_new: true }),
        // Somebody else ran it at the same moment, and it said something else.
        Err(error) if error.kind == Kind::Conflict => match opened(&team, &mark)?.1 {
            Some(open) => Ok(open),
            None => Err(error),
        },
        Err(error) => Err(error),
    }
}

/// How many there were, and the one of which something may still come.
fn opened(team: &Team, mark: &str) -> Result<(usize, Option<Opened>)> {
    let found = team.every("list_tasks", json!({ "label": mark }), "tasks")?;
    let is_over = |task: &&Value| {
        [State::Completed, State::Failed, State::Cancelled].iter().any(|state| text(task, "status") == state.word())
    };
    let open = found.iter().find(|task| !is_over(task));
    Ok((found.len(), open.map(|task| Opened { task: text(task, "id").to_owned(), is_new: false })))
}

fn task(ran: &Ran, mark: &str) -> Value {
    let Ran { name, workflow, .. } = ran;
    let command = ran.command.as_deref().unwrap_or_default();
    let dir = ran.path.display();
    let why = ran.why.as_deref().unwrap_or("failed");
    let beside = if ran.dirty { ", with changes that are in no commit" } else { "" };
    let at = ran.commit.as_deref().map(|commit| format!(" at commit {commit}{beside}")).unwrap_or_default();
    let log = ran.log.as_ref().map(|log| format!("\n\nAll of it: {}", log.display())).unwrap_or_default();
    let said = if ran.tail.is_empty() { "nothing".to_owned() } else { format!("at last:\n\n{}", ran.tail) };
    let description =
        format!("`{workflow}` of the repository `{name}` (`{dir}`){at}: `{command}` {why}.{log}\n\nIt said {said}\n");
    let passes = format!("`{}` passes in the repository `{name}`", render::one_line(command, COMMAND_CHARS));
    json!({
        "title": format!("Mend {workflow} of {name}"),
        "description": render::short(&description, DESCRIPTION_BYTES),
        "acceptance": [passes], "repo": name, "labels": ["repos", mark],
    })
}
