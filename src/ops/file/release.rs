//! `release_files`: others may have them.

use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::model::event::NewEvent;
use crate::model::id::InstanceId;
use crate::model::id::TaskId;
use crate::ops::Answer;
use crate::ops::Caller;
use crate::ops::Effect;
use crate::ops::Noun;
use crate::ops::Operation;
use crate::ops::file;
use crate::ops::file::PATTERN_CHARS_MAX;
use crate::ops::file::PATTERNS_MAX;
use crate::ops::render;
use crate::store::Tx;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Value;
use std::fmt;

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ReleaseFiles {
    /// As you reserved them; without it, all of yours
    #[schemars(length(min = 1, max = PATTERNS_MAX), inner(length(min = 1, max = PATTERN_CHARS_MAX)))]
    patterns: Option<Vec<String>>,
}

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
pub struct Released {
    /// The first of them, if they are many.
    released: Vec<String>,
    count: usize,
}

impl Operation for ReleaseFiles {
    const NAME: &'static str = "release_files";
    const ABOUT: &'static str = "Let others have what you reserved";
    const NOUN: Noun = Noun::Files;
    const EFFECT: Effect = Effect::Write;
    const POSITIONAL: &'static [&'static str] = &["patterns"];
    type Output = Released;

    fn run(&self, tx: &mut dyn Tx, caller: &Caller) -> Result<Released> {
        let me = caller.instance(tx)?;
        let wanted = self.patterns.as_ref().map(|patterns| file::team_patterns(patterns, caller)).transpose()?;
        let mut mine = file::reserved_by(tx, &me.id)?;
        if let Some(wanted) = &wanted {
            if let Some(unknown) = wanted.iter().find(|wanted| mine.iter().all(|one| one.pattern != **wanted)) {
                if let Some((pattern, task)) = comes_with_task(unknown, &me.id, tx)? {
                    return Err(Error::new(Kind::Refused, format!("`{pattern}` came with {task}, and goes with it"))
                        .hint("`complete_task` or `release_task` lets others have it"));
                }
                return Err(Error::not_found(format!("`{}` has not reserved `{unknown}`", me.name))
                    .hint("`list_reservations` shows the patterns as they were reserved"));
            }
            mine.retain(|one| wanted.contains(&one.pattern));
        }
        for one in &mine {
            tx.remove_reservation(one.id)?;
        }
        let released: Vec<String> = mine.into_iter().map(|one| one.pattern).collect();
        if !released.is_empty() {
            let patterns = released.iter().take(PATTERNS_MAX).map(|pattern| Value::from(pattern.as_str()));
            let patterns: Vec<Value> = patterns.collect();
            tx.append_event(NewEvent::new("files.released", &me.id, Some(&me.id)).with("patterns", patterns))?;
        }
        let count = released.len();
        let (released, _) = render::fit(released, file::TOLD_BYTES);
        Ok(Released { released, count })
    }
}

fn comes_with_task(pattern: &str, holder: &InstanceId, tx: &mut dyn Tx) -> Result<Option<(String, TaskId)>> {
    let held = tx.reservations(tx.now().tick, 0, file::RESERVATIONS_MAX)?;
    let found = held.into_iter().find(|one| one.holder == *holder && one.pattern == pattern);
    Ok(found.and_then(|one| Some((one.pattern, one.task?))))
}

impl Answer for Released {
    fn ids(&self) -> Vec<String> {
        self.released.clone()
    }
}

impl fmt::Display for Released {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.released.is_empty() {
            return writeln!(f, "you had reserved nothing");
        }
        self.released.iter().try_for_each(|pattern| writeln!(f, "released {pattern}"))?;
        match self.count - self.released.len() {
            0 => Ok(()),
            more => writeln!(f, "and {more} more"),
        }
    }
}
