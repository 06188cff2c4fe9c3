//! `orch-mcp graph`: what waits for what, for a terminal or for whatever draws Mermaid, DOT or SVG.

use crate::cli::Run;
use crate::cli::commands;
use crate::cli::exit;
use crate::cli::print;
use crate::cli::print::Answer;
use crate::cli::print::Format;
use crate::cli::written;
use crate::error::Error;
use crate::error::Result;
use crate::ops::graph;
use crate::ops::graph::Whole;
use crate::plan::graph::Page;
use clap::Arg;
use clap::ArgAction;
use clap::ArgMatches;
use clap::Command;
use clap::builder::PossibleValue;
use serde::Deserialize;
use serde_json::json;

/// Of whoever writes it into a file.
const COLUMNS_UNSEEN: usize = 120;
/// More than that scrolls away.
const ROWS_SEEN: usize = 200;

const DRAWN: [&str; 4] = ["text", "mermaid", "dot", "svg"];

pub(super) fn with_flags(command: Command) -> Command {
    let forms = DRAWN.into_iter().map(PossibleValue::new).chain(Format::WORDS.iter().map(|word| {
        let value = PossibleValue::new(*word);
        if *word == "json" { value } else { value.hide(true) }
    }));
    command
        .arg(Arg::new("job").value_name("JOB").help("All tasks of this job [else all open tasks]"))
        .arg(
            Arg::new(commands::FORMAT)
                .long("format")
                .value_name("FORMAT")
                .value_parser(forms.collect::<Vec<_>>())
                .help("How to draw it [else text for a terminal, JSON for a program]"),
        )
        .arg(Arg::new("all").long("all").action(ArgAction::SetTrue).help("Also what there is no room for in a text"))
}

impl Run<'_> {
    pub(super) fn graph(&self, matches: &ArgMatches) -> Result<u8> {
        let job = matches.get_one::<String>("job");
        let told = self.ask_own(<graph::GetWholeGraph as crate::ops::Operation>::NAME, json!({ "job": job }))?;
        let Whole { tasks, left_out } = Whole::deserialize(&told.data).map_err(Error::internal)?;
        let graph = graph::graph(&tasks);
        if left_out > 0 {
            self.printer.note(&format!("{left_out} tasks are left out; name a job for its own"));
        }
        let drawing = match matches.get_one::<String>(commands::FORMAT).map(String::as_str) {
            Some("mermaid") => graph.mermaid(),
            Some("dot") => graph.dot(),
            Some("svg") => graph.svg(),
            Some("text" | "table") => graph.text(self.page(matches)),
            None if self.printer.format == Format::Table => graph.text(self.page(matches)),
            _ => {
                let ids: Vec<String> = tasks.iter().map(|task| task.id.clone()).collect();
                let mut data = graph.json();
                if left_out > 0 {
                    data["left_out"] = left_out.into();
                }
                let text = || graph.text(Page::default());
                let answer = Answer { data: &data, ids: &ids, unread: told.unread, text: &text };
                return written(self.printer.answer(&answer)).map(|()| exit::DONE);
            }
        };
        written(self.printer.text(&drawing)).map(|()| exit::DONE)
    }

    fn page(&self, matches: &ArgMatches) -> Page {
        let is_whole = matches.get_flag("all") || !self.printer.person_reads();
        let columns = if self.printer.person_reads() { print::terminal_width() } else { None };
        Page { columns: columns.unwrap_or(COLUMNS_UNSEEN), rows: (!is_whole).then_some(ROWS_SEEN) }
    }
}
