//! What `launch` says while it goes on: a line for each thing, with the time; an object for programs. Said by a thread beside
//! the work, which waits for no reader.

use crate::cli::print::Printer;
use crate::cli::print::counted;
use crate::host::Host;
use crate::host::Stopwatch;
use crate::launch::team::text;
use crate::model::id::TaskId;
use crate::model::time::Timestamp;
use crate::ops::render;
use jiff::tz::TimeZone;
use serde_json::Value;
use serde_json::json;
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::Condvar;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::thread;
use std::time::Duration;

const TITLE_CHARS: usize = 60;

/// Of a reader who is away nothing is lost for hours, and nothing grows without end.
const LINES_MAX: usize = 1_000;

/// At the end, for a reader who takes nothing.
const PATIENCE: Duration = Duration::from_secs(2);

/// How the printing thread writes: a reader who does not read holds it up, and nobody else.
pub(super) trait Paper: Send {
    fn write(&mut self, said: &Said) -> io::Result<()>;

    /// What the task is called, as the store knows it.
    fn task(&mut self, _id: TaskId) -> Option<Value> {
        None
    }
}

pub(super) struct Lines {
    waiting: Arc<Waiting>,
}

#[derive(Debug, PartialEq)]
pub(super) enum Said {
    /// Of whom, and what; and the task that it is about, once that was asked for.
    Line { at: Timestamp, who: String, words: String, task: Option<(TaskId, Value)> },
    /// What stands at the end, as text and for programs.
    Last { text: String, data: Value },
}

#[derive(Default)]
struct Waiting {
    state: Mutex<State>,
    rings: Condvar,
}

#[derive(Default)]
struct State {
    said: VecDeque<Said>,
    /// Lines for which there was no room, and of which nobody was told yet.
    left_out: u64,
    /// Since when somebody is to take what is being written.
    handed: Option<Stopwatch>,
    /// What became of the last words.
    last: Option<io::Result<()>>,
    /// Nothing more comes.
    ends: bool,
    /// Nobody writes any more.
    is_over: bool,
}

impl Lines {
    pub(super) fn on(mut paper: impl Paper + 'static) -> Lines {
        let waiting = Arc::new(Waiting::default());
        let own = Arc::clone(&waiting);
        // Nobody joins it: it may be held up by its reader for ever.
        thread::spawn(move || {
            let _over = Over(&own);
            own.write_all(&mut paper);
        });
        Lines { waiting }
    }

    /// Of whom, and what. Waits for nobody.
    pub(super) fn tell(&self, who: &str, words: &str) {
        let at = Host::System.wall();
        self.waiting.put(Said::Line { at, who: who.to_owned(), words: words.to_owned(), task: None });
    }

    /// Returns once all is written, and says whether the last words were; or once nobody takes any of it.
    pub(super) fn end(&self, last: Option<Said>) -> io::Result<()> {
        let mut state = self.waiting.state();
        if let Some(last) = last {
            state.tell_what_is_missing();
            state.said.push_back(last);
        }
        state.ends = true;
        self.waiting.rings.notify_all();
        while !state.is_over {
            let left = PATIENCE.saturating_sub(state.handed.map_or(Duration::ZERO, |since| since.so_far()));
            if left.is_zero() {
                return Ok(());
            }
            state = self.waiting.rings.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        state.last.take().unwrap_or(Ok(()))
    }
}

/// Also where the work came to a bad end.
impl Drop for Lines {
    fn drop(&mut self) {
        let _ = self.end(None);
    }
}

struct Over<'a>(&'a Waiting);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.state().is_over = true;
        self.0.rings.notify_all();
    }
}

impl Waiting {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, line: Said) {
        let mut state = self.state();
        if state.said.len() >= LINES_MAX {
            state.left_out += 1;
            return;
        }
        state.tell_what_is_missing();
        state.said.push_back(line);
        self.rings.notify_all();
    }

    fn write_all(&self, paper: &mut impl Paper) {
        while let Some(mut said) = self.next() {
            if let Said::Line { words, task, .. } = &mut said {
                *task = task_in(words).and_then(|id| Some((id, paper.task(id)?)));
            }
            self.state().handed = Some(Stopwatch::start());
            let written = paper.write(&said);
            let mut state = self.state();
            state.handed = None;
            // Without anybody who reads its lines the work goes on.
            state.last = matches!(said, Said::Last { .. }).then_some(written);
            self.rings.notify_all();
        }
    }

    fn next(&self) -> Option<Said> {
        let mut state = self.state();
        loop {
            if state.said.is_empty() {
                state.tell_what_is_missing();
            }
            if let Some(said) = state.said.pop_front() {
                return Some(said);
            }
            if state.ends {
                return None;
            }
            state = self.rings.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl State {
    fn tell_what_is_missing(&mut self) {
        if self.left_out > 0 {
            let words = format!("… {} left out", were(std::mem::take(&mut self.left_out)));
            let at = Host::System.wall();
            self.said.push_back(Said::Line { at, who: "launch".to_owned(), words, task: None });
        }
    }
}

fn were(lines: u64) -> String {
    format!("{} {}", counted(lines, "line"), if lines == 1 { "was" } else { "were" })
}

/// Standard output, in the form that was asked for.
pub(super) struct Output<T> {
    pub(super) printer: Printer,
    pub(super) as_json: bool,
    pub(super) zone: TimeZone,
    pub(super) task: T,
}

impl<T: FnMut(TaskId) -> Option<Value> + Send> Paper for Output<T> {
    fn write(&mut self, said: &Said) -> io::Result<()> {
        match (said, self.as_json) {
            (Said::Last { data, .. }, true) => self.printer.object(data),
            (Said::Last { text, .. }, false) => self.printer.text(text),
            (Said::Line { at, who, words, task }, true) => {
                let mut line = json!({ "at": at, "source": who, "text": words });
                if let Some((id, task)) = task {
                    (line["task_id"], line["title"]) = (json!(id), task["title"].clone());
                }
                self.printer.object(&line)
            }
            (Said::Line { at, who, words, task }, false) => {
                let words = match task {
                    Some((id, task)) => titled(words, *id, text(task, "title")),
                    None => words.clone(),
                };
                self.printer.text(&format!("{}  {who}  {}\n", clock(*at, &self.zone), words.replace('\n', " ")))
            }
        }
    }

    fn task(&mut self, id: TaskId) -> Option<Value> {
        (self.task)(id)
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
    use std::sync::mpsc::Receiver;
    use std::sync::mpsc::Sender;
    use std::sync::mpsc::channel;

    /// A reader who takes a line each time that they are told to.
    struct Reader {
        takes: Receiver<()>,
        begun: Sender<()>,
        read: Read,
    }

    impl Paper for Reader {
        fn write(&mut self, said: &Said) -> io::Result<()> {
            let _ = self.begun.send(());
            let _ = self.takes.recv();
            self.read.lock().unwrap().push(match said {
                Said::Line { words, .. } => words.clone(),
                Said::Last { text, .. } => text.clone(),
            });
            Ok(())
        }
    }

    type Read = Arc<Mutex<Vec<String>>>;

    fn reader() -> (Lines, Sender<()>, Receiver<()>, Read) {
        let ((take, takes), (begun, is_begun)) = (channel(), channel());
        let read = Arc::new(Mutex::new(Vec::new()));
        (Lines::on(Reader { takes, begun, read: Arc::clone(&read) }), take, is_begun, read)
    }

    #[test]
    fn a_reader_who_is_away_holds_up_nobody_and_is_told_how_much_was_left_out() {
        let (lines, take, is_begun, read) = reader();
        lines.tell("a", "first");
        is_begun.recv().unwrap();
        // The first is in the reader's hand, and the others wait.
        (0..LINES_MAX + 3).for_each(|n| lines.tell("a", &format!("line {n}")));
        (0..2).for_each(|_| take.send(()).unwrap());
        (0..2).for_each(|_| is_begun.recv().unwrap());
        lines.tell("a", "again");
        // From now on whatever comes is taken.
        drop(take);
        lines.end(Some(Said::Last { text: "the end".to_owned(), data: Value::Null })).unwrap();
        let read = read.lock().unwrap();
        assert_eq!(read.len(), 1 + LINES_MAX + 3);
        assert_eq!(read[..2], ["first", "line 0"]);
        assert_eq!(read[LINES_MAX..], ["line 999", "… 3 lines were left out", "again", "the end"]);
    }

    #[test]
    fn the_end_waits_for_nobody_who_takes_nothing() {
        let (lines, take, is_begun, read) = reader();
        lines.tell("a", "first");
        is_begun.recv().unwrap();
        lines.end(Some(Said::Last { text: "the end".to_owned(), data: Value::Null })).unwrap();
        assert!(read.lock().unwrap().is_empty());
        drop(take);
    }

    #[test]
    fn what_was_left_out_last_is_told_at_the_end() {
        let (lines, take, is_begun, read) = reader();
        lines.tell("a", "first");
        is_begun.recv().unwrap();
        (0..=LINES_MAX).for_each(|n| lines.tell("a", &format!("line {n}")));
        drop(take);
        lines.end(None).unwrap();
        assert_eq!(read.lock().unwrap().last().unwrap(), "… 1 line was left out");
    }

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
