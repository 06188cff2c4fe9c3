//! `server_status`: is it there, and how much is going on.

use crate::error::Result;
use crate::model::id::InstanceId;
use crate::model::task::Standing;
use crate::ops::Answer;
use crate::ops::Caller;
use crate::ops::Effect;
use crate::ops::Noun;
use crate::ops::Operation;
use crate::ops::task::choice;
use crate::store::InstanceFilter;
use crate::store::QuestionFilter;
use crate::store::Tx;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Map;
use serde_json::Value;
use std::fmt;

/// Nobody looks for more.
const STUCK_MAX: u64 = 1_000;

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ServerStatus {}

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[schemars(rename = "ServerStatus")]
pub struct Status {
    version: String,
    /// `running`: this answer came from the store.
    status: String,
    instances_online: u64,
    instances: u64,
    /// How many tasks stand where.
    tasks: Map<String, Value>,
    /// What the human has not answered yet.
    questions_open: u64,
    newest_event: u64,
    /// Who you are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    you: Option<InstanceId>,
    #[serde(skip)]
    your_name: Option<String>,
    /// How many wait for something that failed or was cancelled.
    #[serde(skip)]
    stuck: u64,
    /// How many are ready, and wait for what somebody keeps.
    #[serde(skip)]
    behind: u64,
}

impl Operation for ServerStatus {
    const NAME: &'static str = "server_status";
    const ABOUT: &'static str = "How much is going on, and who you are";
    const NOUN: Noun = Noun::Server;
    const EFFECT: Effect = Effect::Read;
    type Output = Status;

    fn run(&self, tx: &mut dyn Tx, caller: &Caller) -> Result<Status> {
        let online = InstanceFilter { online_at: Some(tx.now().tick), ..InstanceFilter::default() };
        let tally = tx.tally()?;
        let count = |standing| tally.iter().filter(|one| one.standing == standing).map(|one| one.count).sum::<u64>();
        let tasks = Standing::ALL.into_iter().map(|one| (one.word().to_owned(), count(one).into())).collect();
        let me = caller.known_instance(tx)?;
        Ok(Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            status: "running".to_owned(),
            instances_online: tx.count_instances(&online)?,
            instances: tx.count_instances(&InstanceFilter::default())?,
            tasks,
            questions_open: tx.count_questions(&QuestionFilter::open())?,
            newest_event: tx.event_bounds()?.1,
            you: me.as_ref().map(|me| me.id.clone()),
            your_name: me.map(|me| me.name),
            stuck: tx.count_stuck(STUCK_MAX)?,
            behind: choice::count_behind(tx, None)?,
        })
    }
}

impl Answer for Status {}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "orch-mcp {}", self.version)?;
        writeln!(f, "instances  {} online, {} in all", self.instances_online, self.instances)?;
        let counts: Vec<String> = self
            .tasks
            .iter()
            .filter(|(_, count)| **count != 0)
            .map(|(word, count)| format!("{count} {word}"))
            .collect();
        let tasks = if counts.is_empty() { "none".to_owned() } else { counts.join(", ") };
        writeln!(f, "tasks      {tasks}")?;
        if self.stuck > 0 {
            writeln!(
                f,
                "           {} waiting for something that failed; `retry-task` or `update-task` helps",
                self.stuck
            )?;
        }
        if self.behind > 0 {
            writeln!(
                f,
                "           {} ready and waiting for what somebody has reserved; `list-tasks` tells who",
                self.behind
            )?;
        }
        if self.questions_open > 0 {
            writeln!(f, "questions  {} for the human; `questions` shows them", self.questions_open)?;
        }
        match (&self.you, &self.your_name) {
            (Some(you), Some(name)) => writeln!(f, "you        {name} ({you})"),
            (Some(you), None) => writeln!(f, "you        {you}"),
            (None, _) => writeln!(f, "you        nobody yet; `register-instance` joins"),
        }
    }
}
