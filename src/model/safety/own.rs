//! What says how sessions work: the rules themselves, roles and pipelines, settings and servers of the client. Whoever could change
//! that would be bound by nothing.

use crate::model::glob;
use crate::model::path::team_path;
use crate::model::safety::At;

/// Below the state directory these are what sessions work in, and are meant to write: worktrees, and the files of a task.
const TREES: &str = "trees";
const OF_A_TASK: [&str; 2] = ["tasks", "outputs"];

const STATE: &str = ".orch";
const SETTINGS: &str = "orch.toml";

pub(super) struct Own {
    tops: Vec<Vec<String>>,
    states: Vec<Vec<String>>,
    home: Option<String>,
}

impl Own {
    pub(super) fn of(at: &At) -> Own {
        let tops: Vec<Vec<String>> = at.tops.iter().map(|top| names(top)).collect();
        let of_tops = tops.iter().map(|top| [&top[..], &[STATE.to_owned()]].concat());
        let states = of_tops.chain(at.state.map(names)).collect();
        Own { tops, states, home: at.home.map(str::to_owned) }
    }

    /// What a file is, by its path, that decides about sessions.
    pub(super) fn find(&self, path: &str, dir: Option<&str>) -> Option<&'static str> {
        let path = match (path.strip_prefix('~'), &self.home) {
            (Some(below), Some(home)) if below.is_empty() || below.starts_with('/') => format!("{home}{below}"),
            _ => path.to_owned(),
        };
        let is_relative = !path.starts_with('/');
        // Where nobody knows the directory, it may be a top.
        let tops = self.tops.first().map(|top| format!("/{}", top.join("/")));
        let whole = team_path(&path, dir.filter(|_| is_relative).or(tops.as_deref()), None)?;
        let path = names(&whole);
        if self
            .home
            .as_deref()
            .is_some_and(|home| below(&path, &names(home)).is_some_and(|rest| is_of_client(rest, true)))
        {
            return Some("settings of the client, or hooks");
        }
        for state in &self.states {
            if let Some(rest) = below(&path, state)
                && let Some(what) = in_state(rest)
            {
                return Some(what);
            }
        }
        self.tops.iter().find_map(|top| at_top(below(&path, top)?))
    }
}

fn at_top(rest: &[String]) -> Option<&'static str> {
    match rest {
        [file] if is(file, SETTINGS) => Some("orch.toml, which says what sessions may do"),
        [file] if is(file, ".mcp.json") => Some(".mcp.json, which says what servers sessions have"),
        _ if is_of_client(rest, false) => Some("settings of the client, or hooks"),
        _ => None,
    }
}

fn in_state(rest: &[String]) -> Option<&'static str> {
    match rest {
        [trees, ..] if trees == TREES => at_top(rest.get(2..)?),
        _ if rest.iter().any(|name| OF_A_TASK.contains(&name.as_str())) => None,
        _ => Some("the team's own files"),
    }
}

fn is_of_client(rest: &[String], is_home: bool) -> bool {
    match rest {
        [file] if is_home && is(file, ".claude.json") => true,
        [dir] => dir == ".claude",
        [dir, file] if dir == ".claude" && file.starts_with("settings") && file.ends_with(".json") => true,
        [dir, plugins, ..] => is_home && dir == ".claude" && plugins == "plugins",
        [] => false,
    }
}

/// There are disks that tell no small letter from a large one.
fn names(path: &str) -> Vec<String> {
    path.split('/').filter(|name| !name.is_empty()).map(str::to_lowercase).collect()
}

fn is(name: &str, wanted: &str) -> bool {
    // A lone sign for anything says nothing of what is meant.
    name == wanted || name.trim_matches('*').len() > 1 && !name.contains('$') && glob::name_matches(name, wanted)
}

fn below<'a>(path: &'a [String], top: &[String]) -> Option<&'a [String]> {
    path.strip_prefix(top)
}
