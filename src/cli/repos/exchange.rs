//! `repos import` and `repos export`: what older files tell goes into orch.toml, where every other byte stays, and comes out of it.

use crate::cli::Run;
use crate::cli::exit;
use crate::cli::print::Answer;
use crate::cli::repos::older;
use crate::cli::repos::older::Older;
use crate::cli::setup::files;
use crate::cli::setup::files::Privacy;
use crate::cli::setup::files::Refusal;
use crate::cli::written;
use crate::config::File;
use crate::config::Repositories;
use crate::config::splice;
use crate::config::splice::Wanted;
use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::model::fields::Fields;
use crate::model::recipe::Recipe;
use crate::model::registry::LOCAL;
use crate::model::registry::Repo;
use crate::model::registry::Workflow;
use clap::ArgMatches;
use serde_json::Value;
use serde_json::json;
use std::path::Path;
use std::path::PathBuf;

/// A key of our file, part by part, and its value.
type Entry = (Vec<String>, Value);

impl Run<'_> {
    pub(super) fn repos_export(&self, given: &ArgMatches) -> Result<u8> {
        let all = self.config.known_repositories()?;
        let text = match given.get_flag("workflows") {
            true => older::workflows_json(&all.registry.workflows)?,
            false => older::repos_json(&all.registry.repos, &|repo| has_claude_md(&all, repo))?,
        };
        written(self.printer.must_be_read(text)).map(|()| exit::DONE)
    }

    pub(super) fn repos_import(&self, given: &ArgMatches) -> Result<u8> {
        let is_dry = given.get_flag("dry-run");
        // What stands there runs past all permissions.
        if !is_dry {
            self.ask_own("vouch_for_human", json!({}))?;
        }
        let mut told = Older::default();
        for path in given.get_many::<PathBuf>("file").into_iter().flatten() {
            told.add(read(path)?)?;
        }
        // That nobody else could have written it is seen to before anything is believed of it.
        self.config.file()?;
        let path = self.config.path_of_file()?;
        let found = files::read(&path)?;
        let text = found.text.clone().unwrap_or_default();
        let known = self.config.repositories(&File::parse(path.clone(), &text)?)?;
        must_know_workflows(&told, &known)?;
        let changes = changes(&told, &known)?;
        let wanted: Vec<Wanted> = changes
            .iter()
            .filter(|change| !change.wanted.entries.is_empty())
            .map(|change| change.wanted.clone())
            .collect();
        let spliced = splice::splice(&text, &wanted)?;
        let would_be = File::parse(path.clone(), &spliced.text).and_then(|file| self.config.repositories(&file));
        would_be.map_err(|error| {
            let message = format!("with this, orch.toml would be wrong: {}", error.message);
            Error { message, ..error }
        })?;
        if !is_dry && spliced.text != text {
            let place = self.config.place()?;
            if path.parent() == Some(place.dir()) {
                place.create()?;
            }
            match found.prepare(Some(&spliced.text), Privacy::Shared)?.commit() {
                Ok(()) => {}
                Err(Refusal::Failed(error)) => return Err(error),
                Err(Refusal::Changed) => {
                    let message = format!("`{}` changed while this went on", path.display());
                    return Err(Error::new(Kind::Conflict, message).hint("repeat this"));
                }
            }
        }
        let report = Report { path, changes, diff: spliced.diff, is_dry };
        let ids: Vec<String> = report.changes.iter().map(Change::name).collect();
        let text = || report.text();
        written(self.printer.answer(&Answer { data: &report.json(), ids: &ids, unread: None, text: &text }))?;
        Ok(exit::DONE)
    }
}

fn read(path: &Path) -> Result<Older> {
    let found = files::read(path)?;
    let text = found.text.ok_or_else(|| {
        Error::not_found(format!("there is no file `{}`", path.display())).hint("name repos.json or workflows.json")
    })?;
    Older::read(&path.display().to_string(), &text)
}

/// One of the two files alone may name what stands in the other.
fn must_know_workflows(told: &Older, known: &Repositories) -> Result<()> {
    for (repo, fields) in &told.repos {
        let own = [Some(repo), known.registry.repo(&repo.name)].into_iter().flatten().flat_map(|repo| &repo.commands);
        let own: Vec<&str> = own.map(|(name, _)| name.as_str()).collect();
        let is_known = |name: &String| {
            own.contains(&name.as_str())
                || known.registry.workflow(name).is_some()
                || told.workflows.iter().any(|(workflow, _)| workflow.name == *name)
        };
        if let Some(stray) = repo.sequential.iter().find(|name| !is_known(name)) {
            let spot = fields.spot_of("sequential").unwrap_or(&fields.spot);
            let name = &repo.name;
            let error = spot.error(format!(
                "`sequential` of `{name}` names the workflow `{stray}`, which is neither in orch.toml nor in what is imported"
            ));
            return Err(error.hint(
                "import what has it as well, `orch-mcp repos import repos.json workflows.json`; where these are from, \
                 `orch-mcp repos export --workflows > workflows.json` writes it. Nothing was imported",
            ));
        }
    }
    Ok(())
}

fn has_claude_md(all: &Repositories, repo: &Repo) -> Result<bool> {
    match repo.has_claude_md {
        Some(told) => Ok(told),
        None => Ok(all.dir(repo)?.join("CLAUDE.md").is_file()),
    }
}

struct Change {
    outcome: &'static str,
    wanted: Wanted,
}

impl Change {
    fn name(&self) -> String {
        self.wanted.table.last().cloned().unwrap_or_default()
    }

    fn json(&self) -> Value {
        let keys: Vec<String> = self.wanted.entries.iter().map(|(key, _)| key.join(".")).collect();
        json!({ "kind": self.wanted.table.first(), "name": self.name(), "outcome": self.outcome, "keys": keys })
    }
}

/// What each thing that is told makes of what is known.
fn changes(told: &Older, known: &Repositories) -> Result<Vec<Change>> {
    let mut changes = Vec::new();
    for (repo, fields) in &told.repos {
        let before = known.registry.repo(&repo.name);
        let had = before.map(entries_of_repo).unwrap_or_default();
        let looked = json!(has_claude_md(known, before.unwrap_or(&Repo { has_claude_md: None, ..repo.clone() }))?);
        let is_news = |(key, value): &Entry| {
            // What a look would tell anyway need not be written down.
            is_told(fields, key) && !is_known(&had, key, value) && !(key == &["has_claude_md"] && *value == looked)
        };
        changes.push(change("repos", &repo.name, before.is_some(), entries_of_repo(repo).into_iter().filter(is_news)));
    }
    for (workflow, fields) in &told.workflows {
        let before = known.registry.workflow(&workflow.name);
        let had = before.map(entries_of_workflow).unwrap_or_default();
        let is_news = |(key, value): &Entry| is_told(fields, key) && !is_known(&had, key, value);
        let entries = entries_of_workflow(workflow).into_iter().filter(is_news);
        changes.push(change("workflows", &workflow.name, before.is_some(), entries));
    }
    Ok(changes)
}

fn change(kind: &str, name: &str, is_known: bool, entries: impl Iterator<Item = Entry>) -> Change {
    let entries: Vec<Entry> = entries.collect();
    let outcome = match (is_known, entries.is_empty()) {
        (false, _) => "added",
        (true, false) => "changed",
        (true, true) => "unchanged",
    };
    Change { outcome, wanted: Wanted { table: vec![kind.to_owned(), name.to_owned()], entries } }
}

fn is_told(fields: &Fields, key: &[String]) -> bool {
    let first = key.first().map(String::as_str).unwrap_or_default();
    fields.spot_of(if first == "path" { LOCAL } else { first }).is_some()
}

/// An empty list says as much as none.
fn is_known(had: &[Entry], key: &[String], value: &Value) -> bool {
    match had.iter().find(|(known, _)| known == key) {
        Some((_, known)) => known == value,
        None => value.as_array().is_some_and(Vec::is_empty),
    }
}

fn entries_of_repo(repo: &Repo) -> Vec<Entry> {
    let mut all = vec![entry("path", json!(repo.path))];
    let mut put = |key: &str, value: &Option<String>| all.extend(value.as_ref().map(|text| entry(key, json!(text))));
    put("remote", &repo.remote);
    put("platform", &repo.platform);
    put("default_branch", &repo.default_branch);
    put("language", &repo.language);
    all.extend(repo.has_claude_md.map(|whether| entry("has_claude_md", json!(whether))));
    all.push(entry("tags", json!(repo.tags)));
    all.extend(repo.description.as_ref().map(|text| entry("description", json!(text))));
    all.push(entry("notes", json!(repo.notes)));
    all.push(entry("sequential", json!(repo.sequential)));
    all.extend(repo.safety.said().into_iter().map(|(key, value)| entry(key, value)));
    all.extend(commands(&repo.commands));
    all
}

fn entries_of_workflow(workflow: &Workflow) -> Vec<Entry> {
    let mut all: Vec<Entry> = workflow.description.iter().map(|text| entry("description", json!(text))).collect();
    all.push(entry("tags", json!(workflow.tags)));
    all.extend(workflow.minutes.map(|minutes| entry("minutes", json!(minutes))));
    all.extend(commands(&workflow.commands));
    all
}

fn commands(commands: &[(String, Recipe)]) -> impl Iterator<Item = Entry> {
    commands.iter().map(|(key, recipe)| (vec!["commands".to_owned(), key.clone()], older::written(recipe)))
}

fn entry(key: &str, value: Value) -> Entry {
    (vec![key.to_owned()], value)
}

struct Report {
    path: PathBuf,
    changes: Vec<Change>,
    diff: String,
    is_dry: bool,
}

impl Report {
    fn json(&self) -> Value {
        let changes: Vec<Value> = self.changes.iter().map(Change::json).collect();
        json!({ "changes": changes, "file": self.path, "diff": self.diff, "dry_run": self.is_dry })
    }

    fn text(&self) -> String {
        let of = |outcome: &str| -> Vec<String> {
            self.changes.iter().filter(|change| change.outcome == outcome).map(Change::name).collect()
        };
        let line = |words: &str, names: &[String]| match names {
            [] => String::new(),
            names => format!("{words} {}\n", names.join(", ")),
        };
        let unchanged = of("unchanged");
        let (added, changed) = (of("added"), of("changed"));
        let file = self.path.display();
        let told = match self.is_dry {
            true => line("would add", &added) + &line("would change", &changed),
            false => line("added", &added) + &line("changed", &changed),
        };
        let rest =
            if told.is_empty() { format!("nothing changes in {file}\n") } else { line("as they were:", &unchanged) };
        let diff = if self.diff.is_empty() { String::new() } else { format!("\n{file}:\n{}", self.diff) };
        told + &rest + &diff
    }
}
