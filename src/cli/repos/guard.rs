//! Before anything of a workflow starts, each of its commands is held against the rules of safety.

use crate::cli::Run;
use crate::cli::rules::Rules;
use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::host::Host;
use crate::model::safety::Breach;
use crate::ops::caller::Origin;
use crate::repos::run::Job;
use serde_json::json;
use std::io::stdin;

const NOBODY_TO_ASK: &str = "run it at a terminal, which asks, or with `--yes` once you have looked at it";

impl Run<'_> {
    /// `is_wanted`: a person has said that what is asked about may run.
    pub(super) fn must_be_safe(&self, jobs: &[Job], is_wanted: bool) -> Result<()> {
        let breaches = self.breaches(jobs)?;
        if let Some((job, breach)) = breaches.iter().find(|(_, breach)| breach.is_denied) {
            let instead = "take it out of the workflow, or change `[safety]` in orch.toml; nothing was run";
            return Err(refused(job, breach).hint(instead));
        }
        let Some((job, breach)) = breaches.first() else { return Ok(()) };
        if is_wanted {
            // It is a person's word, and no worker's.
            return self.ask_own("vouch_for_human", json!({})).map(drop);
        }
        if self.config.caller(Host::System).origin != Origin::Human {
            return Err(refused(job, breach).hint(NOBODY_TO_ASK));
        }
        for (job, breach) in &breaches {
            self.printer.note(&format!("{}: {breach}. Run it? [y/N]", job.name));
            let mut answer = String::new();
            stdin().read_line(&mut answer).map_err(Error::internal)?;
            if !matches!(answer.trim().to_lowercase().as_str(), "y" | "yes") {
                return Err(refused(job, breach).hint("nothing was run, as nobody said yes"));
            }
        }
        Ok(())
    }

    /// What stands against each of these, or is asked about before.
    pub(super) fn breaches<'a>(&self, jobs: &'a [Job]) -> Result<Vec<(&'a Job, Breach)>> {
        let mut rules = Rules::around(&self.config, None);
        if let Some(trouble) = rules.trouble.take() {
            return Err(trouble);
        }
        let mut breaches = Vec::new();
        for job in jobs {
            let Some(call) = &job.call else { continue };
            rules.go_to(&job.dir);
            breaches.extend(rules.judge_call(call).map(|breach| (job, breach)));
        }
        Ok(breaches)
    }
}

fn refused(job: &Job, breach: &Breach) -> Error {
    Error::new(Kind::Refused, format!("`{}` of `{}` is not run: {breach}", job.workflow, job.name))
}
