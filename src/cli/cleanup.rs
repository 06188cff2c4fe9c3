//! `orch-mcp cleanup`: worktrees and branches of ours that hold nothing go, and so do old runs; of what stays it says why.

use crate::cli::Run;
use crate::cli::desk;
use crate::cli::exit;
use crate::cli::print::Answer;
use crate::cli::repository;
use crate::cli::repository::Site;
use crate::cli::written;
use crate::error::Result;
use crate::host::Host;
use crate::launch::in_use::Users;
use crate::launch::prune;
use crate::launch::prune::LOGS_KEPT_BY_CLEANUP;
use crate::launch::prune::Pruned;
use crate::launch::prune::RUNS_KEPT_BY_CLEANUP;
use crate::launch::team::Team;
use crate::launch::team::refuse_elsewhere;
use crate::ops::render;
use crate::repo::cleanup;
use crate::repo::cleanup::Thing;
use crate::repo::cleanup::Verdict;
use crate::repo::worktree::Tree;
use clap::Arg;
use clap::ArgAction;
use clap::ArgMatches;
use clap::Command;
use serde_json::Value;
use serde_json::json;
use std::fmt;

const FOOTER: &str = "\
A worktree or branch below `orch/` goes if nothing is lost by it. It stays with its reason if it holds a change that is
not committed, a file that git does not know, a stash, or a commit that is not merged; if its task is not over; or if
a worker uses it, or you are in it; or if it is only another name of a branch. What is ignored by git goes with its worktree. `orch-mcp land` lands what is finished.

Of the runs that are over, the newest few of each worker stay, for `logs`; of what commands said for evidence, the newest hundred.";

pub(super) fn with_flags(command: Command) -> Command {
    command
        .arg(repository::repo("Clean up there"))
        .arg(repository::onto("Where commits may have arrived"))
        .arg(Arg::new("dry-run").long("dry-run").action(ArgAction::SetTrue).help("Only say what would be done"))
        .after_help(FOOTER)
}

impl Run<'_> {
    pub(super) fn cleanup(&self, matches: &ArgMatches) -> Result<u8> {
        refuse_elsewhere(self.config.server.value.is_some(), "cleanup")?;
        let host = Host::System;
        let place = self.config.place()?;
        let is_dry = matches.get_flag("dry-run");
        let desk = desk::of(&self.config, host.clone())?;
        let caller = self.config.caller(host.clone());
        let team = Team { desk: desk.as_ref(), caller: &caller };
        let site = Site::of(&self.config, matches)?;
        let mut rows = match &site {
            Some(site) => self.clean_trees(&team, &host, site, matches.get_one("onto"), is_dry)?,
            None => Vec::new(),
        };
        let others = match matches.contains_id("repo") {
            true => Vec::new(),
            false => self.others_to_clean(&team, &host)?,
        };
        let runs = prune::runs(place.dir(), &host, is_dry).into_iter();
        rows.extend(runs.filter_map(|(worker, runs)| Row::of_old("runs", worker, runs, RUNS_KEPT_BY_CLEANUP, is_dry)));
        let logs = prune::logs(place.dir(), is_dry);
        rows.extend(Row::of_old("logs", "evidence".to_owned(), logs, LOGS_KEPT_BY_CLEANUP, is_dry));
        let report = Report { rows, is_dry, others };
        let ids: Vec<String> = report.rows.iter().map(|row| row.name.clone()).collect();
        let text = || report.to_string();
        let answer = Answer { data: &report.json(), ids: &ids, unread: None, text: &text };
        written(self.printer.answer(&answer)).map(|()| exit::DONE)
    }

    fn clean_trees(
        &self,
        team: &Team,
        host: &Host,
        site: &Site,
        onto: Option<&String>,
        is_dry: bool,
    ) -> Result<Vec<Row>> {
        let target = site.target(&self.config, onto)?;
        let (place, about) = (self.config.place()?, |task: &Value| site.is_not_of(task, "cleanup"));
        let users = Users { team, host, state_dir: place.dir(), trees: &site.trees, about: &about };
        // Whoever is in a directory that goes is nowhere.
        let here = self.config.surroundings().cwd.and_then(|cwd| cwd.canonicalize().ok()).unwrap_or_default();
        let is_here = |tree: &Tree| here.starts_with(&tree.path).then(|| "you are in it".to_owned());
        let in_use = |tree: &Tree| is_here(tree).or_else(|| users.of(tree));
        let plan = cleanup::plan(&site.trees, &target, &in_use)?;
        let rooms: Vec<u64> = plan.iter().map(room).collect();
        let done = if is_dry { plan } else { cleanup::carry_out(&site.trees, &target, plan, &in_use)? };
        Ok(done.into_iter().zip(rooms).map(|(verdict, room)| Row::of_thing(verdict, room, is_dry)).collect())
    }

    /// The names of the registry under which something could be cleared away.
    fn others_to_clean(&self, team: &Team, host: &Host) -> Result<Vec<String>> {
        let place = self.config.place()?;
        Ok(repository::names_where(&self.config, |site| {
            let about = |task: &Value| site.is_not_of(task, "cleanup");
            let users = Users { team, host, state_dir: place.dir(), trees: &site.trees, about: &about };
            let target = site.target(&self.config, None)?;
            let plan = cleanup::plan(&site.trees, &target, &|tree| users.of(tree))?;
            Ok(plan.iter().any(|verdict| verdict.goes() && matches!(verdict.thing, Thing::Tree(_))))
        }))
    }
}

fn room(verdict: &Verdict) -> u64 {
    match &verdict.thing {
        Thing::Tree(tree) if verdict.goes() => prune::room(&tree.path),
        Thing::Tree(_) | Thing::Branch(_) => 0,
    }
}

/// One thing, and what became of it.
struct Row {
    kind: &'static str,
    name: String,
    path: Option<String>,
    outcome: &'static str,
    /// How many of it went: of runs there may be many.
    gone: usize,
    why: Vec<String>,
    bytes: u64,
}

impl Row {
    fn of_thing(verdict: Verdict, room: u64, is_dry: bool) -> Row {
        let (kind, name, path) = match verdict.thing {
            Thing::Tree(tree) => ("worktree", tree.slug, Some(tree.path.to_string_lossy().into_owned())),
            Thing::Branch(branch) => ("branch", branch, None),
        };
        let gone = verdict.stays.is_empty();
        let outcome = outcome(gone, is_dry);
        Row { kind, name, path, outcome, gone: gone.into(), why: verdict.stays, bytes: if gone { room } else { 0 } }
    }

    /// Where nothing went there is nothing to say.
    fn of_old(kind: &'static str, name: String, pruned: Pruned, kept: usize, is_dry: bool) -> Option<Row> {
        let Pruned { gone, stay, stuck, bytes } = pruned;
        let told = format!("{gone} that are over; {stay} stay, the newest {kept} always");
        (gone > 0 || stuck.is_some()).then(|| Row {
            kind,
            name,
            path: None,
            outcome: outcome(gone > 0, is_dry),
            gone,
            why: stuck.into_iter().chain([told]).collect(),
            bytes,
        })
    }

    fn json(&self) -> Value {
        json!({
            "kind": self.kind, "name": self.name, "path": self.path, "outcome": self.outcome,
            "count": self.gone, "why": self.why, "bytes": self.bytes,
        })
    }
}

fn outcome(goes: bool, is_dry: bool) -> &'static str {
    match (goes, is_dry) {
        (false, _) => "kept",
        (true, false) => "removed",
        (true, true) => "would_be_removed",
    }
}

struct Report {
    rows: Vec<Row>,
    is_dry: bool,
    /// Repositories where something is left to clear away.
    others: Vec<String>,
}

impl Report {
    fn bytes(&self) -> u64 {
        self.rows.iter().map(|row| row.bytes).sum()
    }

    fn json(&self) -> Value {
        let things: Vec<Value> = self.rows.iter().map(Row::json).collect();
        json!({ "things": things, "dry_run": self.is_dry, "bytes": self.bytes(), "next": self.next() })
    }

    fn table(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |row: &Row| [row.kind.to_owned(), row.name.clone(), row.outcome.replace('_', " "), size(row.bytes)];
        let rows: Vec<[String; 4]> = self.rows.iter().map(shown).collect();
        render::table(f, ["WHAT", "NAME", "OUTCOME", "ROOM"], &rows)?;
        writeln!(f)?;
        for row in self.rows.iter().filter(|row| !row.why.is_empty()) {
            writeln!(f, "{} {}: {}", row.kind, row.name, row.why.join("; "))?;
        }
        if self.bytes() == 0 {
            return Ok(());
        }
        let made = if self.is_dry { "would make" } else { "made" };
        writeln!(f, "this {made} {} of room", size(self.bytes()))
    }

    fn next(&self) -> Vec<String> {
        self.others.iter().map(|name| format!("orch-mcp cleanup --repo {name}")).collect()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.rows.is_empty() {
            writeln!(f, "there is nothing to clean up")?;
        } else {
            self.table(f)?;
        }
        self.next().iter().try_for_each(|next| writeln!(f, "next: {next}"))
    }
}

fn size(bytes: u64) -> String {
    const MIB: u64 = 1 << 20;
    match bytes {
        0 => "-".to_owned(),
        _ if bytes < MIB => format!("{} KiB", bytes.div_ceil(1 << 10)),
        _ => format!("{:.1} MiB", bytes as f64 / MIB as f64),
    }
}
