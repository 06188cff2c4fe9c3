//! `orch-mcp pipelines`: which pipelines there are, or one as its file.

use crate::cli::Run;
use crate::cli::commands::PROGRAM;
use crate::cli::exit;
use crate::cli::print::Answer;
use crate::cli::written;
use crate::config::pipelines::Listed;
use crate::error::Result;
use crate::model::pipeline::StageTerms;
use crate::model::stage::Gate;
use crate::ops::render;
use clap::Arg;
use clap::ArgMatches;
use clap::Command;
use serde_json::Value;
use serde_json::json;

const NAME: &str = "name";
const ABOUT_CHARS: usize = 120;

const FOOTER: &str = "\
With a name its file is printed, so that one of your own may begin with it:
  mkdir -p .orch/pipelines
  orch-mcp pipelines bugfix > .orch/pipelines/ours.toml
`orch-mcp run-pipeline NAME \"a title\" --dry-run` draws what it makes of an issue.";

pub(super) fn with_flags(command: Command) -> Command {
    command.arg(Arg::new(NAME).value_name("NAME").help("The one whose file to print")).after_help(FOOTER)
}

impl Run<'_> {
    pub(super) fn pipelines(&self, given: &ArgMatches) -> Result<u8> {
        let pipelines = self.config.pipelines()?;
        if let Some(name) = given.get_one::<String>(NAME) {
            let (file, text) = pipelines.file(name)?;
            let data = json!({ "name": name, "from": file, "text": text });
            let ids = [name.clone()];
            let shown = || text.clone();
            written(self.printer.document(&Answer { data: &data, ids: &ids, unread: None, text: &shown }))?;
            return Ok(exit::DONE);
        }
        let all = pipelines.list()?;
        let data = json!({ "pipelines": all.iter().map(line).collect::<Vec<Value>>() });
        let ids: Vec<String> = all.iter().map(|one| one.name.clone()).collect();
        let text = || all.iter().map(words).collect::<Vec<String>>().join("\n");
        written(self.printer.answer(&Answer { data: &data, ids: &ids, unread: None, text: &text }))?;
        Ok(if all.iter().any(|one| one.pipeline.is_err()) { exit::FAILED } else { exit::DONE })
    }
}

fn line(listed: &Listed) -> Value {
    match &listed.pipeline {
        Ok(pipeline) => {
            let stage = |stage: &StageTerms| {
                json!({
                    "name": stage.name, "role": stage.role, "inputs": stage.inputs, "judges": stage.verdict,
                    "asks_you": stage.gate == Gate::Human, "sends_back_to": stage.sends_back_to,
                })
            };
            let stages: Vec<Value> = pipeline.stages.iter().map(stage).collect();
            json!({ "name": listed.name, "about": pipeline.description, "stages": stages, "from": listed.from })
        }
        Err(error) => json!({ "name": listed.name, "from": listed.from, "error": error.message, "hint": error.hint }),
    }
}

/// What it is for, its stages in their order, and where it stands if it is one of the team's own.
fn words(listed: &Listed) -> String {
    let name = &listed.name;
    match &listed.pipeline {
        Ok(pipeline) => {
            let about = render::one_line(&pipeline.description, ABOUT_CHARS);
            // What goes on from the same stages goes side by side.
            let side_by_side = pipeline.stages.chunk_by(|one, next| one.inputs == next.inputs);
            let stages: Vec<String> =
                side_by_side.map(|stages| stages.iter().map(stage).collect::<Vec<_>>().join(", ")).collect();
            let from = match listed.is_own() {
                true => format!("\n  {}", listed.from),
                false => String::new(),
            };
            format!("{name}: {about}\n  {}{from}", stages.join(" > "))
        }
        Err(error) => {
            let hint = error.hint.as_ref().map(|hint| format!("\n  {hint}")).unwrap_or_default();
            format!("{name}: cannot be used: {}{hint}\n  `{PROGRAM} doctor` reads it again", error.message)
        }
    }
}

fn stage(stage: &StageTerms) -> String {
    match (stage.verdict, stage.gate) {
        (_, Gate::Human) => format!("{} (you)", stage.name),
        (true, _) => format!("{} (judges)", stage.name),
        _ => stage.name.clone(),
    }
}
