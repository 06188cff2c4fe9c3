//! What `launch` says while it goes on: a line for each thing, with the time; an object for programs.

use crate::cli::print::Printer;
use crate::host::Host;
use crate::launch::team::Team;
use crate::launch::team::text;
use crate::model::id::TaskId;
use crate::model::time::Timestamp;
use crate::ops::render;
use jiff::tz::TimeZone;
use serde_json::json;

const TITLE_CHARS: usize = 60;

pub(super) struct Lines<'a> {
    printer: &'a Printer,
    team: Team<'a>,
    as_json: bool,
    zone: TimeZone,
}

impl<'a> Lines<'a> {
    pub(super) fn new(printer: &'a Printer, team: Team<'a>, as_json: bool) -> Lines<'a> {
        Lines { printer, team, as_json, zone: TimeZone::system() }
    }

    /// Of whom, and what.
    pub(super) fn tell(&self, who: &str, words: &str) {
        let task = task_in(words).and_then(|id| Some((id, self.team.task(id).ok()??)));
        let at = Host::System.wall();
        // Without anybody who reads it the work goes on.
        let _ = match self.as_json {
            true => {
                let mut line = json!({ "at": at, "source": who, "text": words });
                if let Some((id, task)) = &task {
                    (line["task_id"], line["title"]) = (json!(id), task["title"].clone());
                }
                self.printer.object(&line)
            }
            false => {
                let words = match &task {
                    Some((id, task)) => titled(words, *id, text(task, "title")),
                    None => words.to_owned(),
                };
                self.printer.text(&format!("{}  {who}  {}\n", clock(at, &self.zone), words.replace('\n', " ")))
            }
        };
    }
}

fn task_in(words: &str) -> Option<TaskId> {
    words.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').find(|word| word.starts_with("task-"))?.parse().ok()
}

fn titled(words: &str, id: TaskId, title: &str) -> String {
    let id = id.to_string();
    words.replacen(&id, &format!("{id} \"{}\"", render::one_line(title, TITLE_CHARS)), 1)
}

fn clock(at: Timestamp, zone: &TimeZone) -> String {
    match jiff::Timestamp::from_millisecond(at.millis()) {
        Ok(at) => at.to_zoned(zone.clone()).strftime("%H:%M:%S").to_string(),
        Err(_) => at.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_is_shown_with_its_title_on_one_line() {
        let id = task_in("completed task-0000000012").unwrap();
        assert_eq!(titled("completed task-0000000012", id, "a\nb"), "completed task-0000000012 \"a b\"");
        assert_eq!(
            task_in("is told: you hold task-0000000003, go on").map(|id| id.to_string()).unwrap(),
            "task-0000000003"
        );
        assert_eq!(task_in("starts"), None);
        assert_eq!(task_in("ended: the task-force left"), None);
    }
}
