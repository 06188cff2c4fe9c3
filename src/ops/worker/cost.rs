//! `list_costs`: what runs used up, by whatever one asks for.

use crate::error::Result;
use crate::model::id::TaskId;
use crate::model::time::Timestamp;
use crate::model::worker::RunRecord;
use crate::model::worker::Spent;
use crate::ops::Answer;
use crate::ops::Caller;
use crate::ops::Effect;
use crate::ops::Noun;
use crate::ops::Operation;
use crate::ops::render;
use crate::store::RunFilter;
use crate::store::Tx;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;

/// More runs than that are not added up.
const RUNS_MAX: u32 = 100_000;
const ROWS_MAX: usize = 100;

#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
enum By {
    #[default]
    Worker,
    Task,
    Role,
    Model,
    Day,
}

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ListCosts {
    /// worker, unless said
    by: Option<By>,
    worker: Option<String>,
    task_id: Option<TaskId>,
    /// Of runs that ended since
    since: Option<Timestamp>,
}

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
pub struct CostLine {
    what: String,
    spent: Spent,
}

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
pub struct Costs {
    /// The dearest first; of many, the first of them.
    costs: Vec<CostLine>,
    total: Spent,
}

impl Operation for ListCosts {
    const NAME: &'static str = "list_costs";
    const ABOUT: &'static str = "What workers cost, by worker, task, role, model or day";
    const NOUN: Noun = Noun::Workers;
    const EFFECT: Effect = Effect::Read;
    type Output = Costs;

    fn run(&self, tx: &mut dyn Tx, _caller: &Caller) -> Result<Costs> {
        let filter = RunFilter { worker: self.worker.clone(), task: self.task_id, ended_since: self.since };
        let mut lines: BTreeMap<String, Spent> = BTreeMap::new();
        let mut total = Spent::default();
        for run in tx.runs(&filter, RUNS_MAX)?.into_iter().filter(|run| run.ended.is_some()) {
            lines.entry(self.heading(&run)).or_default().add(run.cost);
            total.add(run.cost);
        }
        let mut costs: Vec<CostLine> = lines.into_iter().map(|(what, spent)| CostLine { what, spent }).collect();
        if self.by != Some(By::Day) {
            costs.sort_by(|one, other| other.spent.dollars.total_cmp(&one.spent.dollars));
        }
        costs.truncate(ROWS_MAX);
        let (costs, _) = render::fit(costs, render::ANSWER_BYTES_MAX - 300);
        Ok(Costs { costs, total })
    }
}

impl ListCosts {
    fn heading(&self, run: &RunRecord) -> String {
        let unknown = || "unknown".to_owned();
        match self.by.unwrap_or_default() {
            By::Worker => run.worker.clone(),
            By::Task => run.task.map_or_else(unknown, |task| task.to_string()),
            By::Role => run.role.clone(),
            By::Model => run.model.clone().unwrap_or_else(unknown),
            By::Day => run.ended.as_ref().map_or_else(unknown, |ended| ended.at.to_string().chars().take(10).collect()),
        }
    }
}

impl Answer for Costs {
    fn ids(&self) -> Vec<String> {
        self.costs.iter().map(|line| line.what.clone()).collect()
    }
}

impl fmt::Display for Costs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let row = |what: &str, spent: &Spent| {
            [what.to_owned(), spent.words(), spent.tokens.to_string(), spent.turns.to_string(), spent.runs.to_string()]
        };
        let mut rows: Vec<_> = self.costs.iter().map(|line| row(&line.what, &line.spent)).collect();
        rows.push(row("all", &self.total));
        render::table(f, ["WHAT", "COST", "TOKENS", "TURNS", "RUNS"], &rows)
    }
}
