//! A pipeline: stages that become tasks, each with the results of those before it. It is a TOML file; six come with the
//! program.

mod expand;
mod read;

use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::model::demand::Demand;
use crate::model::role::NAME_CHARS_MAX;
use crate::model::role::is_plain_name;
use crate::model::spending::Budget;
use crate::model::stage::Gate;
use crate::model::stage::Stage;
use crate::model::task::Link;
use crate::model::task::Priority;
use crate::model::template::Template;

pub use expand::ISSUES_MAX;
pub use expand::Issue;
pub use expand::KEY_CHARS_MAX;
pub use expand::TASKS_MAX;

/// The pipelines that come with the program, as their files.
pub const BUILT_IN: [(&str, &str); 6] = [
    ("chain", include_str!("../../../pipelines/chain.toml")),
    ("proof", include_str!("../../../pipelines/proof.toml")),
    ("feature", include_str!("../../../pipelines/feature.toml")),
    ("bugfix", include_str!("../../../pipelines/bugfix.toml")),
    ("review", include_str!("../../../pipelines/review.toml")),
    ("release", include_str!("../../../pipelines/release.toml")),
];

/// With the reviews that gates add. More nobody oversees, and each makes a task of every issue.
pub const STAGES_MAX: usize = 50;

/// As long as the longest prompts that people write by hand; the issue comes besides.
pub const PROMPT_BYTES_MAX: usize = 16 * 1024;

/// A gap of a prompt, and what it is filled with.
pub const GAPS: [(&str, &str); 6] = [
    ("title", "the issue's title, in one line"),
    ("body", "what the issue says"),
    ("issue", "its key"),
    ("labels", "its labels, with commas between them"),
    ("repo", "the repository that it is about"),
    ("branch", "the branch to work on"),
];

#[derive(Clone, Debug, PartialEq)]
pub struct Pipeline {
    pub name: String,
    pub description: String,
    /// In the order of the file, each review right after what it looks at: none needs one that comes later.
    pub stages: Vec<StageTerms>,
}

/// What becomes a task of each issue.
#[derive(Clone, Debug, PartialEq)]
pub struct StageTerms {
    pub name: String,
    pub role: String,
    pub link: Option<Link>,
    prompt: Template,
    /// The stages before whose end it does not begin, and whose results it is given.
    pub inputs: Vec<String>,
    pub evidence: Vec<Demand>,
    /// Its result is a verdict about those before it.
    pub verdict: bool,
    pub gate: Gate,
    /// Where a rejection leads. Present where something rejects.
    pub sends_back_to: Option<String>,
    pub times: u32,
    /// After the first attempt.
    pub retries: u32,
    pub budget: Budget,
    pub acceptance: Vec<String>,
    pub expected_outputs: Vec<String>,
    /// Where it says nothing, that of the issue counts.
    pub priority: Option<Priority>,
}

impl Pipeline {
    /// The file of that name that comes with the program, and what messages call it.
    pub fn built_in(name: &str) -> Option<(String, &'static str)> {
        let (name, text) = BUILT_IN.iter().find(|(built_in, _)| *built_in == name)?;
        Some((format!("(built-in) {name}.toml"), text))
    }

    /// What a task of that stage carries in its first round.
    pub fn stage(&self, terms: &StageTerms) -> Stage {
        Stage {
            verdict: terms.verdict,
            gate: terms.gate,
            sends_back_to: terms.sends_back_to.clone(),
            times: terms.times,
            ..Stage::first(&self.name, &terms.name)
        }
    }
}

impl StageTerms {
    /// What its prompt says besides the gaps.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.prompt.texts()
    }
}

/// The name of a pipeline is the name of a file.
pub fn check_pipeline_name(name: &str) -> Result<()> {
    if is_plain_name(name) {
        return Ok(());
    }
    let shown: String = name.chars().take(NAME_CHARS_MAX * 2).collect();
    let error = Error::new(Kind::Invalid, format!("`{}` is no name for a pipeline", shown.escape_debug()));
    Err(error.hint(format!("give 1 to {NAME_CHARS_MAX} of a-z, 0-9, `-` and `_`, a letter first")))
}
