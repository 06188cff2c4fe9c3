//! `repos status`, `scan` and `pull`: all repositories side by side, whatever is wrong with one of them.

use crate::cli::Run;
use crate::cli::exit;
use crate::cli::print::Answer;
use crate::cli::repos::LOOK_SECS;
use crate::cli::repos::PULL_SECS;
use crate::cli::repos::chosen;
use crate::cli::repos::hung_up_on_ctrl_c;
use crate::cli::repos::secs;
use crate::cli::repos::texts;
use crate::cli::written;
use crate::config::Repositories;
use crate::error::Result;
use crate::model::registry::Repo;
use crate::ops::render;
use crate::repos::Heard;
use crate::repos::look;
use crate::repos::look::Commit;
use crate::repos::look::Standing;
use crate::repos::look::Status;
use crate::repos::pull;
use crate::repos::pull::Pulled;
use crate::repos::records::Records;
use crate::repos::records::Scanned;
use crate::repos::side_by_side;
use crate::store::doorbell::Hangup;
use clap::ArgMatches;
use serde_json::Value;
use serde_json::json;
use std::fmt;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

/// Git waits for the disk or the network most of the time.
const AT_ONCE: usize = 8;

const SUBJECT_CHARS: usize = 40;

impl Run<'_> {
    /// `given` is none where no word said what to look at.
    pub(super) fn repos_status(&self, given: Option<&ArgMatches>, is_kept: bool) -> Result<u8> {
        let all = self.config.known_repositories()?;
        let words = |name| given.map(|given| texts(given, name)).unwrap_or_default();
        let repos = chosen(&all, &words("name"), &words("tag"))?;
        let patience = secs(given).unwrap_or(Duration::from_secs(LOOK_SECS));
        let hangup = hung_up_on_ctrl_c()?;
        let look = |(_, dir): &(&Repo, PathBuf)| look::look(dir, patience, &hangup);
        let standings = self.each(&repos, "looking at", look);
        let scanned: Vec<Scanned> =
            repos.iter().zip(standings).map(|((repo, dir), standing)| scanned(repo, dir, &standing)).collect();
        let file = match is_kept {
            true => self.keep_scan(&all, &scanned, &hangup)?,
            false => None,
        };
        if hangup.is_hung_up() {
            return Ok(exit::INTERRUPTED);
        }
        let view = View { scanned: &scanned, file: file.as_deref() };
        let data = json!({ "repositories": scanned, "file": file });
        let ids: Vec<String> = scanned.iter().map(|one| one.name.clone()).collect();
        let text = || view.to_string();
        written(self.printer.answer(&Answer { data: &data, ids: &ids, unread: None, text: &text }))?;
        Ok(if scanned.iter().any(|one| one.status.is_none()) { exit::FAILED } else { exit::DONE })
    }

    /// How all of them stand now.
    pub(in crate::cli) fn scanned_repositories(&self) -> Result<Vec<Scanned>> {
        let all = self.config.known_repositories()?;
        if all.registry.repos.is_empty() {
            return Ok(Vec::new());
        }
        let repos = chosen(&all, &[], &[])?;
        let hangup = hung_up_on_ctrl_c()?;
        let patience = Duration::from_secs(LOOK_SECS);
        let standings = self.each(&repos, "looking at", |(_, dir)| look::look(dir, patience, &hangup));
        Ok(repos.iter().zip(standings).map(|((repo, dir), standing)| scanned(repo, dir, &standing)).collect())
    }

    /// The file tells of all of them, also where only some were asked for.
    fn keep_scan(&self, all: &Repositories, scanned: &[Scanned], hangup: &Hangup) -> Result<Option<PathBuf>> {
        let patience = Duration::from_secs(LOOK_SECS);
        let others: Vec<(&Repo, PathBuf)> = chosen(all, &[], &[])?
            .into_iter()
            .filter(|(repo, _)| scanned.iter().all(|one| one.name != repo.name))
            .collect();
        let standings = self.each(&others, "looking at", |(_, dir)| look::look(dir, patience, hangup));
        if hangup.is_hung_up() {
            return Ok(None);
        }
        let found = others.iter().zip(standings).map(|((repo, dir), standing)| self::scanned(repo, dir, &standing));
        let mut every: Vec<Scanned> = found.chain(scanned.iter().cloned()).collect();
        every.sort_by_key(|one| all.registry.repos.iter().position(|repo| repo.name == one.name));
        Records::ready(&self.config.place()?)?.keep_scan(&every).map(Some)
    }

    pub(super) fn repos_pull(&self, given: &ArgMatches) -> Result<u8> {
        let all = self.config.known_repositories()?;
        let repos = chosen(&all, &texts(given, "name"), &texts(given, "tag"))?;
        let patience = secs(Some(given)).unwrap_or(Duration::from_secs(PULL_SECS));
        let hangup = hung_up_on_ctrl_c()?;
        let pulled = self.each(&repos, "pulling", |(_, dir)| pull::pull(dir, patience, &hangup));
        if hangup.is_hung_up() {
            return Ok(exit::INTERRUPTED);
        }
        let rows: Vec<Row> =
            repos.iter().zip(&pulled).map(|((repo, dir), pulled)| Row::of(repo, dir, pulled)).collect();
        let data = json!({ "repositories": rows.iter().map(Row::json).collect::<Vec<Value>>() });
        let ids: Vec<String> = rows.iter().map(|row| row.name.clone()).collect();
        let text = || Rows(&rows).to_string();
        written(self.printer.answer(&Answer { data: &data, ids: &ids, unread: None, text: &text }))?;
        let is_failed = |one: &Pulled| matches!(one, Pulled::Failed(_) | Pulled::NotThere(_));
        Ok(match () {
            () if pulled.iter().any(is_failed) => exit::FAILED,
            () if pulled.iter().any(|one| matches!(one, Pulled::LeftAlone(_))) => exit::CONFLICT,
            () => exit::DONE,
        })
    }

    fn each<R: Send>(
        &self,
        repos: &[(&Repo, PathBuf)],
        doing: &str,
        work: impl Fn(&(&Repo, PathBuf)) -> R + Sync,
    ) -> Vec<R> {
        let mut done = 0;
        let results = side_by_side(repos, AT_ONCE, work, &mut |heard| {
            done += usize::from(matches!(heard, Heard::Done(..)));
            self.printer.progress(&format!("{doing} {} repositories: {done} done", repos.len()));
        });
        self.printer.end_of_progress();
        results
    }
}

fn scanned(repo: &Repo, dir: &Path, standing: &Standing) -> Scanned {
    Scanned {
        name: repo.name.clone(),
        path: dir.to_owned(),
        platform: repo.platform.clone(),
        language: repo.language.clone(),
        default_branch: repo.default_branch.clone(),
        tags: repo.tags.clone(),
        notes: repo.notes.clone(),
        state: standing.word(),
        status: standing.status().cloned(),
        why: standing.why(dir),
    }
}

struct View<'a> {
    scanned: &'a [Scanned],
    file: Option<&'a Path>,
}

impl fmt::Display for View<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows: Vec<[String; 6]> = self.scanned.iter().map(row).collect();
        render::table(f, ["REPO", "BRANCH", "UPSTREAM", "STATE", "STASHES", "LAST COMMIT"], &rows)?;
        writeln!(f)?;
        for one in self.scanned {
            if let Some(why) = &one.why {
                writeln!(f, "{}: {why}", one.name)?;
            }
        }
        self.file.map_or(Ok(()), |file| writeln!(f, "written to {}", file.display()))
    }
}

fn row(one: &Scanned) -> [String; 6] {
    let nothing = || "-".to_owned();
    let Some(status) = &one.status else {
        return [one.name.clone(), nothing(), nothing(), one.state.replace('_', " "), nothing(), nothing()];
    };
    let branch = status.branch.clone().unwrap_or_else(|| "(no branch)".to_owned());
    let stashes = if status.stashes == 0 { nothing() } else { status.stashes.to_string() };
    [one.name.clone(), branch, upstream(status), state(one.state, status), stashes, last(status.last_commit.as_ref())]
}

fn upstream(status: &Status) -> String {
    match (status.ahead, status.behind) {
        (Some(0), Some(0)) => "even".to_owned(),
        (Some(ahead), Some(0)) => format!("{ahead} ahead"),
        (Some(0), Some(behind)) => format!("{behind} behind"),
        (Some(ahead), Some(behind)) => format!("{ahead} ahead, {behind} behind"),
        _ if status.upstream.is_some() => "gone".to_owned(),
        _ => "-".to_owned(),
    }
}

fn state(word: &str, status: &Status) -> String {
    let counts = [(status.conflicts, "in conflict"), (status.changed, "changed"), (status.untracked, "unknown to git")];
    let told: Vec<String> =
        counts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
    match told.is_empty() {
        true => word.to_owned(),
        false => format!("{word}: {}", told.join(", ")),
    }
}

fn last(commit: Option<&Commit>) -> String {
    let Some(commit) = commit else { return "none yet".to_owned() };
    let id = commit.id.get(..8).unwrap_or(&commit.id);
    // What is cut where there is no room comes last.
    format!("{} ago  {id} {}", render::age(commit.at), render::one_line(&commit.subject, SUBJECT_CHARS))
}

/// A repository, and what a pull made of it.
struct Row {
    name: String,
    path: PathBuf,
    outcome: &'static str,
    why: Option<String>,
    moved: Option<(String, String, u64)>,
}

impl Row {
    fn of(repo: &Repo, dir: &Path, pulled: &Pulled) -> Row {
        let (outcome, why, moved) = match pulled {
            Pulled::Moved { from, to, commits } => ("moved", None, Some((from.clone(), to.clone(), *commits))),
            Pulled::Newest => ("newest", None, None),
            Pulled::LeftAlone(why) => ("left_alone", Some(why.clone()), None),
            Pulled::Failed(why) => ("failed", Some(why.clone()), None),
            Pulled::NotThere(standing) => (standing.word(), standing.why(dir), None),
        };
        Row { name: repo.name.clone(), path: dir.to_owned(), outcome, why, moved }
    }

    fn json(&self) -> Value {
        let (from, to, commits) =
            self.moved.clone().map_or((None, None, 0), |(from, to, count)| (Some(from), Some(to), count));
        json!({
            "name": self.name, "path": self.path, "outcome": self.outcome, "why": self.why,
            "from": from, "to": to, "commits": commits,
        })
    }

    fn words(&self) -> String {
        let short = |id: &String| id.get(..8).unwrap_or(id).to_owned();
        match (&self.moved, &self.why) {
            (Some((from, to, commits)), _) => format!("{}..{}, {}", short(from), short(to), counted(*commits)),
            (None, Some(why)) => why.clone(),
            (None, None) => String::new(),
        }
    }
}

fn counted(commits: u64) -> String {
    if commits == 1 { "1 commit".to_owned() } else { format!("{commits} commits") }
}

struct Rows<'a>(&'a [Row]);

impl fmt::Display for Rows<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows: Vec<[String; 2]> =
            self.0.iter().map(|row| [row.name.clone(), row.outcome.replace('_', " ")]).collect();
        render::table(f, ["REPO", "OUTCOME"], &rows)?;
        writeln!(f)?;
        for row in self.0.iter().filter(|row| !row.words().is_empty()) {
            writeln!(f, "{}: {}", row.name, row.words())?;
        }
        Ok(())
    }
}
