//! Issues of GitHub and Forgejo, as `gh issue list --json`, `tea issues --output json` and the APIs of both tell them.
//!
//! They are only read. What a body says in words becomes dependencies: `depends on #12`, `blocked by owner/repo#3`, and
//! the issues of its task list, which it waits for as a whole waits for its parts.

use crate::model::json::Shape;
use crate::model::task::Priority;
use crate::plan::Draft;
use crate::plan::Entry;
use crate::plan::Found;
use crate::plan::Status;
use crate::plan::check;
use crate::plan::fault::Fault;
use crate::plan::key;
use crate::plan::markdown::item;
use crate::plan::markdown::tick;
use crate::plan::object::Object;
use crate::plan::object::Source;
use crate::plan::page::Page;

/// Of the forge that most are on, and of all others, which are named by their host.
pub const SCHEMES: [&str; 2] = ["github", "forge"];
const GITHUB: &str = "github.com";
/// Of one body: nobody means more.
const REFERENCES_MAX: usize = 500;

/// The words before a number that make it a dependency.
const WAITS: &[&str] = &["depends on", "blocked by", "depends upon", "waits for", "requires"];

pub(super) fn looks_like(object: &Object) -> bool {
    (object.has("number") || object.has("index")) && object.has("title")
}

/// Where an issue is: `o/r` of a host.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Home {
    host: String,
    repo: String,
}

impl Home {
    fn key(&self, number: i64) -> String {
        match self.host.as_str() {
            GITHUB => format!("github:{}#{number}", self.repo),
            host => format!("forge:{host}/{}#{number}", self.repo),
        }
    }

    /// Out of the address of an issue, for people or of an API.
    fn of_url(url: &str) -> Option<Home> {
        let rest = url.split_once("://")?.1;
        let rest = rest.split(['?', '#']).next().unwrap_or(rest);
        let parts: Vec<&str> = rest.trim_end_matches('/').split('/').collect();
        let at = parts.iter().position(|part| matches!(*part, "issues" | "pulls" | "pull")).unwrap_or(parts.len());
        let host = *parts.first()?;
        let (owner, repo) = (*parts.get(at.checked_sub(2)?)?, *parts.get(at - 1)?);
        let fits = |part: &str| !part.is_empty() && key::is_key(part) && !part.contains(['/', '#', ':']);
        let host = if host == "api.github.com" { GITHUB } else { host };
        (at >= 3 && fits(owner) && fits(repo) && key::is_key(host))
            .then(|| Home { host: host.to_lowercase(), repo: format!("{owner}/{repo}") })
    }
}

pub(super) fn read(pages: &[Page], found: &mut Found) {
    for page in pages {
        let source = Source::whole(page);
        let root = match source.parse() {
            Ok(root) => root,
            Err(fault) => {
                found.faults.push(fault);
                continue;
            }
        };
        let nodes = match &root.shape {
            Shape::Array(nodes) => nodes.iter().collect(),
            _ => vec![&root],
        };
        for node in nodes {
            if found.is_full() {
                return;
            }
            if let Some(object) = source.object(node, "an issue", &mut found.faults) {
                issue(object, found);
            }
        }
    }
}

fn issue(object: Object, found: &mut Found) {
    // The API lists what is to be merged with the issues.
    if object.get("pull_request").is_some() {
        return;
    }
    let faults = &mut found.faults;
    let numbered = if object.has("number") { "number" } else { "index" };
    let number = object
        .one(numbered, "the number of an issue", faults, |text| text.parse::<i64>().ok().filter(|number| *number > 0));
    if !object.has(numbered) {
        faults.push(
            object
                .fault(numbered, "an issue has no `number`")
                .hint("ask for it with `--json number,title,body,state,labels,url`"),
        );
    }
    let title = object.needed("title", "an issue", faults);
    let (Some(number), Some(title)) = (number, title) else { return };
    let Some(home) = home(object) else {
        let fault = object.fault("url", "nothing says which repository the issue is of");
        return faults
            .push(fault.hint("ask for its `url`, too: `gh issue list --json number,title,body,state,labels,url`"));
    };
    let body = object.text("body", faults).unwrap_or_default();
    let state = object.text("state", faults).unwrap_or_default().to_lowercase();
    let reason = object.text_if_any("stateReason").or_else(|| object.text_if_any("state_reason")).unwrap_or_default();
    let closed_at = object.text_if_any("closedAt").or_else(|| object.text_if_any("closed_at"));
    let labels = names(object, "labels");
    let mut draft = Draft {
        key: home.key(number),
        title,
        depends_on: references(&body, &home),
        description: body,
        priority: labels.iter().find_map(|label| priority(label)),
        role: labels.iter().find_map(|label| role(label)),
        repo: Some(home.repo.clone()),
        status: match state.as_str() {
            "closed" if reason.to_lowercase().replace('_', " ") == "not planned" => Status::Cancelled,
            "closed" => Status::Completed,
            _ => Status::Open,
        },
        finished_at: closed_at.and_then(|at| at.parse().ok()).filter(|_| state == "closed"),
        labels,
        ..Draft::default()
    };
    // An account of the forge is nobody who takes tasks here.
    draft.labels.extend(names(object, "assignees").iter().map(|login| format!("assigned:{login}")));
    if let Some(milestone) = milestone(object) {
        draft.labels.push(format!("milestone:{milestone}"));
    }
    if check::make_fit(&mut draft) {
        found.remarks.push(Fault::new(object.place().spot, format!("`{}` was too long and is cut", draft.key)));
    }
    found.entries.push(Entry { draft, place: object.place() });
}

fn home(object: Object) -> Option<Home> {
    let urls = ["html_url", "url"].into_iter().filter_map(|key| object.text_if_any(key));
    urls.clone().find_map(Home::of_url).or_else(|| {
        // `tea` tells them apart.
        let (owner, repo) = (object.text_if_any("owner")?, object.text_if_any("repo")?);
        Home::of_url(&format!("https://forge/{owner}/{}", repo.rsplit('/').next().unwrap_or(repo)))
    })
}

/// Labels and people come as objects with a name, as texts, or as one text.
fn names(object: Object, key: &str) -> Vec<String> {
    let Some(node) = object.get(key) else { return Vec::new() };
    match &node.shape {
        Shape::Array(nodes) => {
            let name = |name: &crate::model::json::Node| {
                let named = ["name", "login", "username"].into_iter().find_map(|key| name.member(key)?.text());
                named.or(name.text()).map(str::to_owned)
            };
            nodes.iter().filter_map(name).filter(|name| !name.is_empty()).collect()
        }
        Shape::Text(text) if text.contains(',') => text.split(',').map(|one| one.trim().to_owned()).collect(),
        Shape::Text(text) => text.split_whitespace().map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

fn milestone(object: Object) -> Option<String> {
    let named = object.object_if_any("milestone").and_then(|milestone| milestone.text_if_any("title"));
    named.or_else(|| object.text_if_any("milestone")).filter(|title| !title.trim().is_empty()).map(str::to_owned)
}

/// `priority: high`, `priority/high`, `P1`.
fn priority(label: &str) -> Option<Priority> {
    let label = label.to_lowercase();
    if let Some(rest) = label.strip_prefix("priority").or_else(|| label.strip_prefix("prio")) {
        let word = rest.trim_start_matches([':', '/', '-', ' ']);
        return Priority::of_word(word).filter(|_| word != rest);
    }
    match label.as_str() {
        "p0" => Some(Priority::CRITICAL),
        "p1" => Some(Priority::HIGH),
        "p2" => Some(Priority::MEDIUM),
        "p3" | "p4" => Some(Priority::LOW),
        _ => None,
    }
}

fn role(label: &str) -> Option<String> {
    let name = label.strip_prefix("role:").or_else(|| label.strip_prefix("role/"))?.trim();
    crate::model::id::check_name("role", name).ok().map(|()| name.to_owned())
}

/// What a body says it waits for.
fn references(body: &str, home: &Home) -> Vec<String> {
    let mut keys = Vec::new();
    let mut fence: Option<char> = None;
    for line in body.lines() {
        let bare = line.trim_start();
        let mark = ['`', '~'].into_iter().find(|mark| bare.starts_with(&mark.to_string().repeat(3)));
        match (fence, mark) {
            (None, Some(mark)) => fence = Some(mark),
            (Some(open), Some(mark)) if open == mark => fence = None,
            _ => {}
        }
        if fence.is_some() || mark.is_some() {
            continue;
        }
        if let Some((_, text)) = item(line).and_then(|(_, text)| tick(text)) {
            keys.extend(reference(text, home).map(|(key, _)| key));
        }
        let lower = line.to_ascii_lowercase();
        for word in WAITS {
            for (at, _) in lower.match_indices(word) {
                let begins = !lower[..at].ends_with(|c: char| c.is_alphanumeric());
                if begins {
                    list(&line[at + word.len()..], home, &mut keys);
                }
            }
        }
        if keys.len() > REFERENCES_MAX {
            break;
        }
    }
    keys.sort();
    keys.dedup();
    keys.truncate(REFERENCES_MAX);
    keys
}

/// `: #1, #2 and o/r#3`: as many as follow each other.
fn list(text: &str, home: &Home, keys: &mut Vec<String>) {
    let mut rest = text.trim_start_matches([':', ' ', '\t', '*', '_']);
    while let Some((key, after)) = reference(rest, home) {
        keys.push(key);
        let next = after.trim_start_matches([' ', ',', '&', ';', '*', '_']);
        let next = next.strip_prefix("and ").or_else(|| next.strip_prefix("or ")).unwrap_or(next).trim_start();
        if next.len() == after.len() || keys.len() > REFERENCES_MAX {
            return;
        }
        rest = next;
    }
}

/// `#1`, `o/r#1` or the address of an issue at the beginning of a text, and what follows it.
fn reference<'t>(text: &'t str, home: &Home) -> Option<(String, &'t str)> {
    if text.starts_with("http://") || text.starts_with("https://") {
        let end = text.find(|c: char| c.is_whitespace() || ",)>]".contains(c)).unwrap_or(text.len());
        let (url, rest) = text.split_at(end);
        let (_, number) = url.split(['?', '#']).next()?.rsplit_once("/issues/")?;
        return Some((Home::of_url(url)?.key(number.trim_end_matches(['/', '.']).parse().ok()?), rest));
    }
    let (before, after) = text.split_once('#')?;
    let digits = after.len() - after.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let number: i64 = after[..digits].parse().ok().filter(|number| *number > 0)?;
    let rest = &after[digits..];
    if rest.starts_with(|c: char| c.is_alphanumeric() || c == '_') {
        return None;
    }
    if before.is_empty() {
        return Some((home.key(number), rest));
    }
    let (owner, repo) = before.split_once('/')?;
    let is_name = |part: &str| {
        (1..=100).contains(&part.len())
            && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
    };
    (is_name(owner) && is_name(repo)).then(|| (Home { repo: before.to_owned(), ..home.clone() }.key(number), rest))
}
