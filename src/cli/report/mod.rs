//! `orch-mcp report`: how the work stands, as a page for people who were not there.

mod page;

use crate::cli::Run;
use crate::cli::exit;
use crate::cli::print::Answer;
use crate::cli::setup::files;
use crate::cli::written;
use crate::error::Error;
use crate::error::Result;
use crate::host::Host;
use crate::model::fields::Spot;
use crate::model::spending::Spent;
use crate::model::time::Timestamp;
use crate::ops::render;
use crate::ops::server::Gathered;
use crate::ops::server::Line;
use crate::ops::server::Part;
use crate::repos::records::Records;
use crate::repos::records::Scanned;
use crate::repos::run::Outcome;
use crate::repos::run::Ran;
use clap::Arg;
use clap::ArgMatches;
use clap::Command;
use clap::builder::PossibleValuesParser;
use page::Form;
use page::Item;
use page::Section;
use serde_json::json;
use std::path::PathBuf;

const MARKDOWN: &str = "markdown";
const HTML: &str = "html";
const SPAN_DEFAULT: &str = "24h";

const FOOTER: &str = "\
A template is a text with these gaps, each once or not at all: {{from}}, {{until}}, {{summary}}, {{done}}, {{doing}}, {{blocked}},
{{failures}}, {{cost}}, {{repositories}}, {{next}}. The team's own are .orch/report.md and .orch/report.html. With --json: the data instead of the page.";

pub(super) fn with_flags(command: Command) -> Command {
    let one = |name: &'static str, value, help: &'static str| Arg::new(name).long(name).value_name(value).help(help);
    let path = |arg: Arg| arg.value_parser(clap::value_parser!(PathBuf));
    command
        .arg(one("since", "WHEN", "How long ago (30m, 24h, 7d), a day or a moment (UTC)").default_value(SPAN_DEFAULT))
        .arg(one("until", "WHEN", "The same for the end [else now]"))
        .arg(
            one("as", "FORM", "How it is written [else by the name of the file, else markdown]")
                .value_parser(PossibleValuesParser::new([MARKDOWN, HTML])),
        )
        .arg(one("job", "JOB", "Only what belongs to this job"))
        .arg(path(one("template", "FILE", "A page of your own [else .orch/report.md or .html, else ours]")))
        .arg(path(one("out", "FILE", "Write it there")))
        .after_help(FOOTER)
}

impl Run<'_> {
    pub(super) fn report(&self, given: &ArgMatches) -> Result<u8> {
        let text = |name: &str| given.get_one::<String>(name).map(String::as_str);
        let path = |name: &str| given.get_one::<PathBuf>(name);
        let now = Host::System.wall();
        let since = moment("since", text("since").unwrap_or(SPAN_DEFAULT), now)?;
        let until = text("until").map(|until| moment("until", until, now)).transpose()?;
        let out = path("out");
        if let Some(out) = out
            && self.config.is_report_template(out)?
        {
            let message = format!("`{}` is the page from which reports are made", out.display());
            return Err(Error::invalid(message).hint("write the report elsewhere"));
        }
        let is_html = out.and_then(|out| out.extension()).is_some_and(|ending| ending == "html" || ending == "htm");
        let form = match text("as") {
            Some(HTML) => Form::Html,
            None if is_html => Form::Html,
            _ => Form::Markdown,
        };
        let asked = json!({ "since": since, "until": until, "job": text("job") });
        let gathered = self.ask_own("gather_report", asked)?.data;
        let known: Gathered = serde_json::from_value(gathered.clone()).map_err(Error::internal)?;
        let scanned = self.scanned_repositories()?;
        let ran = self.last_results()?;
        let (template, spot) = match path("template") {
            None => match self.config.report_template(form.ending())? {
                Some((file, text)) => (text, Spot::new(&file, 1)),
                None => (form.template().to_owned(), Spot::new("the template", 1)),
            },
            Some(file) => {
                let shown = file.display().to_string();
                let found = files::read(file)?.text;
                let found = found.ok_or_else(|| Error::not_found(format!("there is no file `{shown}`")))?;
                (found, Spot::new(&shown, 1))
            }
        };
        let texts = [
            ("from", render::local(known.since)),
            ("until", render::local(known.until)),
            ("summary", known.to_string().trim().to_owned()),
        ];
        let page = page::page(form, &template, &spot, &texts, &sections(&known, &scanned, &ran))?;
        let data = json!({ "report": gathered, "repositories": scanned, "results": ran, "file": out });
        let Some(out) = out else {
            let answer = Answer { data: &data, ids: &[], unread: None, text: &|| page.clone() };
            let is_page_wanted = text("as").is_some() || path("template").is_some();
            let printed = if is_page_wanted { self.printer.document(&answer) } else { self.printer.answer(&answer) };
            return written(printed).map(|()| exit::DONE);
        };
        self.must_be_free_to_write(out)?;
        files::replace(out, &page)?;
        let told = || format!("written to {}\n", out.display());
        written(self.printer.answer(&Answer { data: &data, ids: &[], unread: None, text: &told })).map(|()| exit::DONE)
    }

    /// What each workflow last came to, as far as it is written down.
    fn last_results(&self) -> Result<Vec<Ran>> {
        let records = Records::of(&self.config.place()?);
        let registry = self.config.known_repositories()?.registry;
        Ok(registry.workflow_names().into_iter().flat_map(|workflow| records.last(workflow)).collect())
    }
}

/// `24h`, a day, or a moment.
fn moment(flag: &str, text: &str, now: Timestamp) -> Result<Timestamp> {
    let ago = || {
        let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
        let minutes: i64 = match unit {
            "m" => 1,
            "h" => 60,
            "d" => 24 * 60,
            "w" => 7 * 24 * 60,
            _ => return None,
        };
        let millis = number.parse::<u32>().ok().and_then(|count| i64::from(count).checked_mul(minutes * 60_000))?;
        Some(now.plus_millis(-millis))
    };
    let day = || format!("{text}T00:00:00Z").parse().ok();
    ago().or_else(day).or_else(|| text.parse().ok()).ok_or_else(|| {
        let error = Error::invalid(format!("`--{flag}` is `{}`, wanted a time", text.escape_debug()));
        error.hint("write `24h`, `7d`, a day such as `2026-12-24`, or a moment such as `2026-12-24T18:00:00Z`")
    })
}

fn sections(known: &Gathered, scanned: &[Scanned], ran: &[Ran]) -> Vec<Section> {
    let of =
        |gap, part: &Part, empty| Section { gap, items: part.lines.iter().map(item).collect(), more: part.more, empty };
    let whole = |gap, items, empty| Section { gap, items, more: 0, empty };
    vec![
        of("done", &known.done, "Nothing was completed."),
        of("doing", &known.doing, "Nothing is under way."),
        Section {
            gap: "blocked",
            items: known.blocked.lines.iter().chain(&known.stuck.lines).map(item).collect(),
            more: known.blocked.more + known.stuck.more,
            empty: "Nothing is blocked.",
        },
        of("failures", &known.failures, "Nothing failed."),
        whole("cost", cost(known), "Nothing was spent."),
        whole("repositories", repositories(scanned, ran), "No repository is registered."),
        whole("next", next(known, scanned, ran), "Nothing waits for anybody."),
    ]
}

fn item(line: &Line) -> Item {
    let who = line.who.as_ref().map(|who| format!("{who}, {}", render::local(line.at)));
    let note = [who.or_else(|| Some(render::local(line.at))), line.why.clone()];
    let note: Vec<String> = note.into_iter().flatten().collect();
    let now = line.now.as_ref().map(|now| format!("; now {now}")).unwrap_or_default();
    Item { id: render::short_id(&line.id), text: line.title.clone(), note: Some(note.join(": ") + &now) }
}

fn cost(known: &Gathered) -> Vec<Item> {
    let spenders = known.spenders.iter().map(|one| (one.worker.as_str(), &one.spent));
    let all = Some(("all", &known.spent)).filter(|(_, spent)| spent.runs > 0 || spent.tokens > 0);
    let one = |(who, spent): (&str, &Spent)| Item {
        id: who.to_owned(),
        text: spent.words(),
        note: Some(format!("{} tokens, {} turns, {} runs; by whole days (UTC)", spent.tokens, spent.turns, spent.runs)),
    };
    all.into_iter().chain(spenders).map(one).collect()
}

fn repositories(scanned: &[Scanned], ran: &[Ran]) -> Vec<Item> {
    let one = |repo: &Scanned| {
        let text = match &repo.status {
            None => repo.why.clone().unwrap_or_else(|| repo.state.to_owned()),
            Some(status) => {
                let branch = status.branch.as_deref().unwrap_or("no branch");
                let count = |word: &str, count: Option<u64>| {
                    count.filter(|count| *count > 0).map(|count| format!(", {word} {count}")).unwrap_or_default()
                };
                let (ahead, behind) = (count("ahead", status.ahead), count("behind", status.behind));
                format!("on {branch}, {}{ahead}{behind}", repo.state)
            }
        };
        let results = ran.iter().filter(|one| one.name == repo.name);
        let results = results.map(|one| {
            format!("{} {} at {}", one.workflow, one.outcome.word().replace('_', " "), render::local(one.at))
        });
        let results: Vec<String> = results.collect();
        Item { id: repo.name.clone(), text, note: (!results.is_empty()).then(|| results.join("; ")) }
    };
    scanned.iter().map(one).collect()
}

/// What somebody is waited for, the most urgent first.
fn next(known: &Gathered, scanned: &[Scanned], ran: &[Ran]) -> Vec<Item> {
    let each = |part: &Part, what: &str| -> Vec<Item> {
        let one =
            |line: &Line| Item { id: render::short_id(&line.id), text: format!("{what}: {}", line.title), note: None };
        // What happened and is so no more asks nothing of anybody.
        part.lines.iter().filter(|line| line.now.is_none()).map(one).collect()
    };
    let of_repo = |name: &str, text: String| Item { id: name.to_owned(), text, note: None };
    let failed = ran.iter().filter(|one| one.outcome.is_failure());
    let failed = failed.filter(|one| one.outcome != Outcome::Missing);
    let failed = failed.map(|one| of_repo(&one.name, format!("mend the workflow {}", one.workflow)));
    let gone = scanned.iter().filter(|repo| repo.status.is_none());
    let gone = gone.map(|repo| {
        let wanted = "so that it is found there, or take it out of orch.toml";
        of_repo(&repo.name, format!("look after {}, {wanted}", repo.path.display()))
    });
    let behind = scanned.iter().filter_map(|repo| {
        let status = repo.status.as_ref().filter(|status| status.behind > Some(0))?;
        let has_diverged = status.ahead > Some(0);
        Some(of_repo(
            &repo.name,
            match has_diverged {
                true => "merge or rebase it by hand: it and its upstream have gone different ways".to_owned(),
                false => "bring it up to date: orch-mcp repos pull".to_owned(),
            },
        ))
    });
    let mut all = each(&known.questions, "answer");
    all.extend(each(&known.blocked, "unblock"));
    all.extend(each(&known.stuck, "retry or take out what it waits for"));
    all.extend(each(&known.failures, "look at what failed"));
    all.extend(gone.chain(failed).chain(behind));
    all.extend(each(&known.ready, "take"));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_told_by_how_long_ago_by_a_day_or_by_a_moment() {
        let now: Timestamp = "2026-12-24T18:00:00Z".parse().unwrap();
        for (text, wanted) in [
            ("30m", "2026-12-24T17:30:00Z"),
            ("24h", "2026-12-23T18:00:00Z"),
            ("2d", "2026-12-22T18:00:00Z"),
            ("1w", "2026-12-17T18:00:00Z"),
            ("2026-12-20", "2026-12-20T00:00:00Z"),
            ("2026-12-20T01:02:03Z", "2026-12-20T01:02:03Z"),
        ] {
            assert_eq!(moment("since", text, now).unwrap(), wanted.parse().unwrap(), "{text}");
        }
        for text in ["", "h", "-1h", "1y", "yesterday", "ö", "99999999999d"] {
            let error = moment("since", text, now).expect_err(text);
            assert!(error.message.contains("`--since`") && error.hint.is_some(), "{error}");
        }
    }
}
