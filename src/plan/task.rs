//! A draft of a task that is there: what an export writes, and what an import is held against.

use crate::model::id::TaskId;
use crate::model::safe;
use crate::model::task::ATTEMPTS_DEFAULT;
use crate::model::task::LEASE_SECS_DEFAULT;
use crate::model::task::Priority;
use crate::model::task::State;
use crate::model::task::TEXT_BYTES_MAX;
use crate::model::task::Task;
use crate::plan::Draft;
use crate::plan::Status;
use crate::plan::draft::one_line;
use std::borrow::Cow;

/// A plan tells what came of a task in a sentence; the task itself has all of it.
const SUMMARY_WIDTH_MAX: usize = 300;
/// Between description and notes where both are one text.
const NOTES: &str = "\n\n## Implementation Notes\n\n";

impl From<State> for Status {
    fn from(state: State) -> Status {
        match state {
            State::Pending => Status::Open,
            State::Claimed | State::InProgress => Status::InProgress,
            State::Blocked => Status::Blocked,
            State::Completed => Status::Completed,
            State::Failed => Status::Failed,
            State::Cancelled => Status::Cancelled,
        }
    }
}

impl Draft {
    /// `imported`: what was remembered of it, if it came from a plan. What that left to its usual value is told only once
    /// it has another.
    pub fn of(task: &Task, imported: Option<&Draft>, key_of: impl Fn(TaskId) -> String) -> Draft {
        let whole = readable(&task.body.description);
        let was_told = |told: fn(&Draft) -> bool| imported.is_some_and(told);
        let (description, notes) = Draft::parts_of(&whole, imported);
        let outcome = task.body.result.as_deref().or(task.reason.as_deref()).unwrap_or_default();
        let draft = Draft {
            key: imported.map_or_else(|| key_of(task.id), |imported| imported.key.clone()),
            title: task.title.clone(),
            description,
            notes,
            priority: Some(task.priority).filter(|priority| {
                *priority != Priority::default() || imported.is_none_or(|told| told.priority.is_some())
            }),
            role: task.role.clone(),
            assignee: task.assignee.clone(),
            labels: task.labels.clone(),
            depends_on: task.depends_on.iter().map(|id| key_of(*id)).collect(),
            parent: task.parent.map(&key_of),
            acceptance: task.body.acceptance.clone(),
            context_files: task.body.context_files.clone(),
            expected_outputs: task.body.expected_outputs.clone(),
            evidence: task.body.demands.clone(),
            reserves: task.reserves.clone(),
            repo: task.repo.clone(),
            branch: task.branch.clone(),
            link: task.link,
            chain_id: task.chain_id.clone(),
            not_before: task.not_before,
            max_attempts: Some(task.max_attempts)
                .filter(|most| *most != ATTEMPTS_DEFAULT || was_told(|told| told.max_attempts.is_some())),
            lease_secs: Some(task.lease_secs)
                .filter(|secs| *secs != LEASE_SECS_DEFAULT || was_told(|told| told.lease_secs.is_some())),
            metadata: task.body.metadata.clone(),
            // What others work at, as their plan says, is open here until somebody here took it.
            status: match imported {
                Some(told) if task.is_untouched() && told.status == Status::InProgress => Status::InProgress,
                _ => task.state.into(),
            },
            finished_at: task.finished_at,
            summary: safe::one_line(&readable(&one_line(outcome)), SUMMARY_WIDTH_MAX),
        };
        draft.tidy().readable()
    }

    /// No file has a sign in it that is none of a text, and readers refuse it: where there is one, a mark stands for it.
    fn readable(mut self) -> Draft {
        let lists = [
            &mut self.labels,
            &mut self.acceptance,
            &mut self.context_files,
            &mut self.expected_outputs,
            &mut self.reserves,
        ];
        let words = [&mut self.repo, &mut self.branch, &mut self.chain_id].into_iter().flatten();
        for text in words.chain(lists.into_iter().flatten()).chain([&mut self.title]) {
            if let Cow::Owned(readable) = readable(text) {
                *text = readable;
            }
        }
        // Two may be one by now.
        self.tidy()
    }

    /// Description and notes as one text, for tasks, which have one field for both.
    pub fn whole_description(&self) -> String {
        if self.notes.is_empty() {
            return self.description.clone();
        }
        format!("{}{NOTES}{}", self.description, self.notes).trim_start().to_owned()
    }

    /// The two of such a text. What nobody changed since it was imported is parted as it was then.
    pub fn parts_of(whole: &str, imported: Option<&Draft>) -> (String, String) {
        if let Some(imported) = imported.filter(|imported| imported.whole_description() == whole) {
            return (imported.description.clone(), imported.notes.clone());
        }
        let whole = format!("\n\n{whole}");
        let (description, notes) = whole.rsplit_once(NOTES).unwrap_or((&whole, ""));
        (description.trim().to_owned(), notes.trim().to_owned())
    }
}

/// A text with a mark in the place of each control character, or without them where it would be longer than a task's is.
fn readable(text: &str) -> Cow<'_, str> {
    let stray = |c: char| c.is_control() && !matches!(c, '\n' | '\t' | '\r');
    if !text.contains(stray) {
        return Cow::Borrowed(text);
    }
    let marked = text.replace(stray, "\u{fffd}");
    Cow::Owned(if marked.len() > TEXT_BYTES_MAX { text.replace(stray, "") } else { marked })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::task::Body;
    use crate::model::time::Timestamp;

    fn task(description: &str) -> Task {
        let at = Timestamp::from_millis(0);
        Task {
            id: TaskId::from_number(3),
            title: "T".into(),
            state: State::Pending,
            priority: Priority::MEDIUM,
            role: None,
            assignee: None,
            link: None,
            chain_id: None,
            parent: Some(TaskId::from_number(1)),
            job: None,
            repo: None,
            branch: None,
            labels: vec![],
            reserves: Vec::new(),
            not_before: None,
            due: true,
            depends_on: vec![TaskId::from_number(2), TaskId::from_number(1)],
            unmet: 2,
            height: 0,
            max_attempts: ATTEMPTS_DEFAULT,
            attempt: 0,
            lease_secs: LEASE_SECS_DEFAULT,
            token: 0,
            holder: None,
            lease_until: None,
            reason: None,
            created_by: None,
            created_at: at,
            claimed_at: None,
            started_at: None,
            finished_at: None,
            updated_at: at,
            body: Body { description: description.into(), ..Body::default() },
            version: 1,
        }
    }

    fn key_of(id: TaskId) -> String {
        format!("task:{}", id.short())
    }

    #[test]
    fn a_task_is_told_by_what_it_says_and_not_by_what_is_usual() {
        let alone = Draft::of(&task("d"), None, key_of);
        assert_eq!(alone.key, "task:task-3");
        assert_eq!(
            (alone.depends_on, alone.parent),
            (vec!["task:task-1".into(), "task:task-2".into()], Some("task:task-1".into()))
        );
        assert_eq!((alone.priority, alone.max_attempts), (Some(Priority::MEDIUM), None));
        let imported = Draft { key: "spec:a".into(), max_attempts: Some(3), ..Draft::default() };
        let told = Draft::of(&task("d"), Some(&imported), key_of);
        assert_eq!((told.key.as_str(), told.priority, told.max_attempts), ("spec:a", None, Some(3)));
        let mut over = task("d");
        (over.state, over.body.result) = (State::Completed, Some("It\nworks".into()));
        let over = Draft::of(&over, None, key_of);
        assert_eq!((over.status, over.summary.as_str()), (Status::Completed, "It works"));
    }

    #[test]
    fn description_and_notes_are_one_text_and_come_apart_as_they_were() {
        for (description, notes) in [
            ("d", "n"),
            ("", "n"),
            ("d", ""),
            ("", ""),
            ("d\n\n## Implementation Notes\n\nx", ""),
            ("a\n\n## Implementation Notes\n\nx", "n"),
        ] {
            let draft = Draft { description: description.into(), notes: notes.into(), ..Draft::default() };
            let told = Draft::of(&task(&draft.whole_description()), Some(&draft), key_of);
            assert_eq!((told.description.as_str(), told.notes.as_str()), (description, notes));
        }
        let told = Draft::of(&task("new\n\n## Implementation Notes\n\nn"), None, key_of);
        assert_eq!((told.description.as_str(), told.notes.as_str()), ("new", "n"));
        let told = Draft::of(&task("## Implementation Notes\n\nn"), None, key_of);
        assert_eq!((told.description.as_str(), told.notes.as_str()), ("", "n"));
    }
}
