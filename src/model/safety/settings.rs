//! The rules as `orch.toml` says them.

use crate::error::Result;
use crate::model::fields::Fields;
use crate::model::fields::Value as Found;
use crate::model::fields::line;
use crate::model::safety::Answer;
use crate::model::safety::Safety;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Value;

const KEYS: &[&str] = &["push", "protected", "data", "destructive", "forbidden"];

/// What a repository says besides, or otherwise.
pub const OF_REPO: [&str; 2] = ["push", "forbidden"];

/// Each is held against each command.
const COMMANDS_MAX: usize = 200;

const ANSWERS: &str = "`allow`, `ask` or `deny`";

#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "SafetyOfRepo")]
pub struct OfRepo {
    pub name: String,
    /// Where it lies, absolute.
    pub dir: String,
    pub push: Option<Answer>,
    pub forbidden: Vec<String>,
}

impl OfRepo {
    /// Of `[repos.NAME]`; where it lies is known elsewhere.
    pub fn read(name: &str, fields: &Fields) -> Result<OfRepo> {
        Ok(OfRepo {
            name: name.to_owned(),
            dir: String::new(),
            push: answer(fields, "push")?,
            forbidden: commands(fields)?,
        })
    }

    /// As a file says it.
    pub fn said(&self) -> Vec<(&'static str, Value)> {
        let push = self.push.map(|answer| (OF_REPO[0], answer.word().into()));
        let forbidden = (!self.forbidden.is_empty()).then(|| (OF_REPO[1], self.forbidden.clone().into()));
        push.into_iter().chain(forbidden).collect()
    }

    pub fn says_something(&self) -> bool {
        self.push.is_some() || !self.forbidden.is_empty()
    }
}

impl Safety {
    pub fn read(fields: &Fields) -> Result<Safety> {
        fields.only("[safety]", KEYS)?;
        let as_they_come = Safety::default();
        let is_branch = |text: &String| !text.contains(char::is_whitespace) && !text.starts_with('-');
        let protected =
            fields.list("protected", "the name of a branch, or a pattern", |value| line(value).filter(is_branch))?;
        let is_dir = |text: &String| !matches!(text.as_str(), "." | "/") && !text.split('/').any(|name| name == "..");
        let wanted = "a directory, from the top of the worktree, from `/` or from `~/`";
        let data = fields.list("data", wanted, |value| line(value).filter(is_dir))?;
        Ok(Safety {
            push: answer(fields, "push")?,
            destructive: answer(fields, "destructive")?.unwrap_or(as_they_come.destructive),
            protected: protected.unwrap_or_else(|| as_they_come.protected.clone()),
            data: data.unwrap_or_default(),
            forbidden: commands(fields)?,
            ..as_they_come
        })
    }

    /// With what repositories say of themselves, and each data directory by all the paths that `places` knows for it.
    pub fn settled(self, repos: Vec<OfRepo>, places: impl Fn(&str) -> Vec<String>) -> Safety {
        let data = self.data.iter().flat_map(|directory| places(directory)).collect();
        Safety { repos, data, ..self }
    }

    /// Each setting in words; nothing where nothing is set.
    pub fn settings(&self) -> [(&'static str, Option<String>); 5] {
        let list = |all: &[String]| (!all.is_empty()).then(|| all.join(", "));
        [
            ("push", self.push.map(|answer| answer.word().to_owned())),
            ("protected", list(&self.protected)),
            ("data", list(&self.data)),
            ("destructive", Some(self.destructive.word().to_owned())),
            ("forbidden", list(&self.forbidden)),
        ]
    }
}

fn answer(fields: &Fields, key: &str) -> Result<Option<Answer>> {
    fields.read(key, ANSWERS, |value| match value {
        Found::Text(word) => Answer::of_word(word),
        _ => None,
    })
}

fn commands(fields: &Fields) -> Result<Vec<String>> {
    let commands = fields.list("forbidden", "the words that a command begins with, or a pattern", |value| {
        line(value).map(|command| command.split_whitespace().collect::<Vec<_>>().join(" "))
    })?;
    let commands = commands.unwrap_or_default();
    match fields.spot_of("forbidden").filter(|_| commands.len() > COMMANDS_MAX) {
        Some(spot) => Err(spot
            .error(format!("`forbidden` has {} commands, of which there may be {COMMANDS_MAX}", commands.len()))
            .hint("name several by a pattern: `npm *`")),
        None => Ok(commands),
    }
}
