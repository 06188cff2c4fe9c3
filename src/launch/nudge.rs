//! What a session that stays is told when it waits and there is something for it: a pure rule with a short memory.

use crate::host::Stopwatch;
use crate::model::id::TaskId;
use std::collections::BTreeMap;
use std::time::Duration;

/// Whoever heard of a thing and did nothing hears of it again after so long.
pub const AGAIN_MS: i64 = 60_000;
/// So often in all. A turn costs money whether or not it brings anything.
pub const TIMES_MAX: u32 = 3;
/// One of several that wait is told of a task; the others only if that one has not taken it by then.
pub const FIRST_HAS: Duration = Duration::from_secs(20);

/// What a session that waits could go on with.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Waiting {
    pub holds: Option<TaskId>,
    pub ready: Option<TaskId>,
    /// It asked the human, and what it holds waits for the answer.
    pub asks: bool,
    /// Its turn was broken off because the service took no more.
    pub limited: bool,
}

/// What it was told, how often, and when last.
#[derive(Clone, Debug, Default)]
pub struct Told(BTreeMap<Subject, (u32, Stopwatch)>);

/// What is remembered. Whoever hears of more has forgotten the first.
const SUBJECTS_MAX: usize = 50;

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Subject {
    /// The limit is over.
    Limit,
    /// It holds a task, and does nothing for it.
    Held(TaskId),
    /// There is one that it could claim.
    Ready(TaskId),
}

#[derive(Clone, Debug, Default, PartialEq)]
pub enum Due {
    #[default]
    Nothing,
    /// In so many milliseconds.
    Later(i64),
    Say(Subject),
    /// It was told often enough: its task goes to somebody else.
    HandBack(TaskId),
}

impl Told {
    pub fn tells(&mut self, subject: Subject) {
        let times = self.0.get(&subject).map_or(0, |(times, _)| *times);
        self.0.insert(subject, (times + 1, Stopwatch::start()));
        if self.0.len() > SUBJECTS_MAX {
            let oldest = self.0.iter().max_by_key(|(_, (_, last))| last.so_far()).map(|(subject, _)| *subject);
            oldest.map(|subject| self.0.remove(&subject));
        }
    }

    /// What it was told a short time ago, and may be about to take.
    pub fn lately(&self) -> impl Iterator<Item = Subject> {
        self.0.iter().filter(|(_, (_, last))| last.so_far() < FIRST_HAS).map(|(subject, _)| *subject)
    }

    pub fn due(&self, waiting: &Waiting) -> Due {
        due(waiting, |subject| self.0.get(&subject).map(|(times, last)| (*times, last.so_far().as_millis() as i64)))
    }
}

/// `told`: how often it heard of something, and how many milliseconds ago.
fn due(waiting: &Waiting, told: impl Fn(Subject) -> Option<(u32, i64)>) -> Due {
    let subject = match waiting {
        Waiting { limited: true, .. } => Subject::Limit,
        Waiting { holds: Some(_), asks: true, .. } => return Due::Nothing,
        Waiting { holds: Some(task), .. } => Subject::Held(*task),
        Waiting { ready: Some(task), .. } => Subject::Ready(*task),
        Waiting { .. } => return Due::Nothing,
    };
    match told(subject) {
        None => Due::Say(subject),
        Some((_, ago)) if ago < AGAIN_MS => Due::Later(AGAIN_MS - ago),
        Some((times, _)) if times < TIMES_MAX || subject == Subject::Limit => Due::Say(subject),
        Some(_) => match subject {
            Subject::Held(task) => Due::HandBack(task),
            Subject::Limit | Subject::Ready(_) => Due::Nothing,
        },
    }
}

impl Subject {
    /// What it is told.
    pub fn words(self) -> String {
        match self {
            Subject::Limit => "orch-mcp: the usage limit is over. Go on where you were.".to_owned(),
            Subject::Held(task) => format!(
                "orch-mcp: you hold {task} and ended your turn. Go on with it, or end it with complete_task, block_task, \
                 fail_task or release_task."
            ),
            Subject::Ready(task) => format!("orch-mcp: there is work for you ({task}): call claim_task to take it."),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `what it waits with | what it was told, how often, how many seconds ago -> what is due`
    #[track_caller]
    fn check(line: &str) {
        let (given, expected) = line.split_once("->").unwrap();
        let (waits, heard) = given.split_once('|').unwrap();
        let task = |number| TaskId::from_number(number);
        let mut waiting = Waiting::default();
        for word in waits.split_whitespace() {
            match word {
                "holds" => waiting.holds = Some(task(1)),
                "ready" => waiting.ready = Some(task(2)),
                "asks" => waiting.asks = true,
                "limited" => waiting.limited = true,
                other => panic!("what is `{other}`?"),
            }
        }
        let words: Vec<&str> = heard.split_whitespace().collect();
        let told = words.first().map(|what| {
            let subject = match *what {
                "held" => Subject::Held(task(1)),
                "ready" => Subject::Ready(task(2)),
                "other" => Subject::Ready(task(3)),
                "limit" => Subject::Limit,
                other => panic!("what is `{other}`?"),
            };
            (subject, words[1].parse().unwrap(), words[2].parse::<i64>().unwrap() * 1000)
        });
        let heard = |of: Subject| told.filter(|(subject, ..)| *subject == of).map(|(_, times, ago)| (times, ago));
        let found = match due(&waiting, heard) {
            Due::Say(Subject::Limit) => "say limit".to_owned(),
            Due::Say(Subject::Held(_)) => "say held".to_owned(),
            Due::Say(Subject::Ready(_)) => "say ready".to_owned(),
            Due::HandBack(_) => "hand back".to_owned(),
            Due::Later(millis) => format!("in {}", millis / 1000),
            Due::Nothing => "nothing".to_owned(),
        };
        assert_eq!(found, expected.trim(), "{line}");
    }

    #[test]
    fn whoever_waits_is_told_of_what_there_is_and_not_for_ever() {
        check("            |           -> nothing");
        check("ready       |           -> say ready");
        check("holds ready |           -> say held");
        check("holds asks ready |      -> nothing");
        check("ready       | other 3 5 -> say ready");
        check("ready       | ready 1 5 -> in 55");
        check("ready       | ready 1 60 -> say ready");
        check("ready       | ready 3 60 -> nothing");
        check("holds       | held 2 60 -> say held");
        check("holds       | held 3 60 -> hand back");
        check("limited holds |         -> say limit");
        check("limited     | limit 9 60 -> say limit");
    }

    /// Else two things that it hears of in turn would go on for ever.
    #[test]
    fn what_it_was_told_is_counted_for_each_thing() {
        let mut told = Told::default();
        assert_eq!(told.lately().count(), 0);
        for _ in 0..2 {
            told.tells(Subject::Limit);
            told.tells(Subject::Held(TaskId::from_number(1)));
        }
        assert_eq!((told.0[&Subject::Limit].0, told.lately().count()), (2, 2));
        (0..100).for_each(|number| told.tells(Subject::Ready(TaskId::from_number(number))));
        assert_eq!(told.0.len(), SUBJECTS_MAX);
    }
}
