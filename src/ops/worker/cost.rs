//! `list_costs`: what runs used up, by whatever one asks for.

use crate::error::Result;
use crate::model::id::JobId;
use crate::model::id::TaskId;
use crate::model::spending::By;
use crate::model::spending::Spent;
use crate::model::time::Timestamp;
use crate::ops::Answer;
use crate::ops::Caller;
use crate::ops::Effect;
use crate::ops::Noun;
use crate::ops::Operation;
use crate::ops::render;
use crate::store::SpentFilter;
use crate::store::Tx;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use std::fmt;

/// More than that nobody reads.
const ROWS_MAX: u32 = 100;

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ListCosts {
    /// worker, unless said
    by: Option<By>,
    worker: Option<String>,
    task_id: Option<TaskId>,
    job: Option<JobId>,
    /// From the day of that moment on (UTC)
    since: Option<Timestamp>,
}

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
pub struct CostLine {
    what: String,
    spent: Spent,
}

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
pub struct Costs {
    /// The dearest first, of days the newest; of many, the first of them.
    costs: Vec<CostLine>,
    total: Spent,
}

impl Operation for ListCosts {
    const NAME: &'static str = "list_costs";
    const ABOUT: &'static str = "What workers cost, by worker, task, job, role, model or day";
    const NOUN: Noun = Noun::Workers;
    const EFFECT: Effect = Effect::Read;
    type Output = Costs;

    fn run(&self, tx: &mut dyn Tx, _caller: &Caller) -> Result<Costs> {
        let filter = SpentFilter { worker: self.worker.clone(), task: self.task_id, job: self.job, since: self.since };
        let found = tx.spent_by(self.by.unwrap_or_default(), &filter, ROWS_MAX)?;
        let costs = found
            .into_iter()
            .map(|(what, spent)| CostLine { what: what.unwrap_or_else(|| "unknown".to_owned()), spent });
        let (costs, _) = render::fit(costs.collect(), render::ANSWER_BYTES_MAX - 300);
        Ok(Costs { costs, total: tx.spent(&filter)? })
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
