//! When a role is told of what happened, and what: from what is there to tell, and from nothing else.

use crate::ops::render;
use std::time::Duration;

/// What never comes to rest is told of after so many quiet periods.
const PERIODS_MAX: u32 = 10;

/// Named one by one; the rest are counted.
const NAMED_MAX: usize = 50;

const TITLE_CHARS: usize = 120;

/// How long ago something happened first, and last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Since {
    pub first: Duration,
    pub last: Duration,
}

impl Since {
    /// Of two things that happened.
    pub fn both(one: Option<Since>, other: Option<Since>) -> Option<Since> {
        match (one, other) {
            (Some(one), Some(other)) => {
                Some(Since { first: one.first.max(other.first), last: one.last.min(other.last) })
            }
            (one, other) => one.or(other),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing is to be told before something else happens.
    Rest,
    Wait(Duration),
    Tell,
}

/// `is_at_it`: the task that it was told by before is not over.
pub fn next(since: Option<Since>, is_at_it: bool, quiet: Duration) -> Next {
    let Some(since) = since.filter(|_| !is_at_it) else { return Next::Rest };
    let left = quiet.saturating_sub(since.last).min((quiet * PERIODS_MAX).saturating_sub(since.first));
    if left.is_zero() { Next::Tell } else { Next::Wait(left) }
}

/// The title and the description of the task by which it is told. `None` where there is nothing to tell.
pub fn words(completed: &[(String, String)], changed: &[String]) -> Option<(String, String)> {
    let counted = |count: usize, one: &str, many: &str| match count {
        0 => None,
        1 => Some(format!("1 {one}")),
        count => Some(format!("{count} {many}")),
    };
    let parts = [
        counted(completed.len(), "task was completed", "tasks were completed"),
        counted(changed.len(), "file changed", "files changed"),
    ];
    let title = parts.into_iter().flatten().collect::<Vec<_>>().join(", ");
    if title.is_empty() {
        return None;
    }
    let tasks = completed.iter().map(|(id, title)| format!("{id}: {}", render::one_line(title, TITLE_CHARS)));
    // A name may hold anything.
    let files = changed.iter().map(|file| format!("`{}`", file.escape_debug()));
    let lists = [("Completed", list(tasks)), ("Changed in the main worktree, committed or not", list(files))];
    let filled = lists.iter().filter(|(_, list)| !list.is_empty());
    let text = filled.map(|(heading, list)| format!("{heading}:\n\n{list}")).collect::<Vec<_>>().join("\n");
    Some((format!("Look through what is new: {title}"), format!("This happened since you were told last.\n\n{text}")))
}

fn list(items: impl ExactSizeIterator<Item = String>) -> String {
    let more = items.len().saturating_sub(NAMED_MAX);
    let mut list: String = items.take(NAMED_MAX).map(|item| format!("- {item}\n")).collect();
    if more > 0 {
        list.push_str(&format!("- and {more} more\n"));
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `first last, in seconds, or nothing | open or over -> what is next`, with a quiet period of 60 s.
    #[track_caller]
    fn check(line: &str) {
        let (given, expected) = line.split_once("->").unwrap();
        let (since, open) = given.split_once('|').unwrap();
        let secs: Vec<Duration> =
            since.split_whitespace().filter_map(|word| word.parse().ok()).map(Duration::from_secs).collect();
        let since = secs.first().map(|first| Since { first: *first, last: secs[1] });
        let found = match next(since, open.trim() == "open", Duration::from_secs(60)) {
            Next::Wait(left) => format!("wait {}", left.as_secs()),
            other => format!("{other:?}").to_lowercase(),
        };
        assert_eq!(found, expected.trim(), "{line}");
    }

    #[test]
    fn it_is_told_once_it_is_quiet_and_it_is_done_with_what_it_was_told_before() {
        check("nothing  | over -> rest");
        check("0    0   | over -> wait 60");
        check("100  20  | over -> wait 40");
        check("60   60  | over -> tell");
        check("100  60  | open -> rest");
        check("0    0   | open -> rest");
        // A log that grows all the time keeps nobody from hearing of the rest.
        check("590  1   | over -> wait 10");
        check("600  0   | over -> tell");
    }

    #[test]
    fn of_two_things_the_first_and_the_last_count() {
        let since = |first, last| Some(Since { first: Duration::from_secs(first), last: Duration::from_secs(last) });
        assert_eq!(Since::both(since(9, 3), since(5, 1)), since(9, 1));
        assert_eq!((Since::both(None, since(5, 1)), Since::both(None, None)), (since(5, 1), None));
    }

    #[test]
    fn the_task_names_what_happened_as_far_as_anybody_reads() {
        let completed = vec![("task-0000000001".to_owned(), "Add\nit".to_owned())];
        let changed: Vec<String> = (0..NAMED_MAX + 2).map(|number| format!("src/{number}.rs")).collect();
        let (title, text) = words(&completed, &changed).unwrap();
        assert_eq!(title, "Look through what is new: 1 task was completed, 52 files changed");
        assert!(text.contains("- task-0000000001: Add it\n") && text.contains("- `src/0.rs`\n"), "{text}");
        assert!(text.ends_with("- and 2 more\n"), "{text}");
        let (title, text) = words(&[], &["a\nb".to_owned()]).unwrap();
        assert!(
            title.ends_with(": 1 file changed") && text.contains("- `a\\nb`") && !text.contains("Completed"),
            "{text}"
        );
        assert_eq!(words(&[], &[]), None);
    }
}
