//! What a person looks at on the screen, and what each key does to that: no terminal, no store.

use crate::cli::top::screen::Leaving;
use crate::model::id::QuestionId;
use crate::model::question;
use crate::ops::server::Overview;
use serde_json::Value;
use serde_json::json;
use std::cell::Cell;

/// A key, whatever terminal it came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Char(char),
    Enter,
    Esc,
    Backspace,
    Up,
    Down,
    PageUp,
    PageDown,
    Home,
    End,
    Tab,
    BackTab,
    CtrlC,
}

/// What the lower half shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Pane {
    #[default]
    Queue,
    Messages,
    Events,
    Team,
    Output,
}

impl Pane {
    pub(super) const ALL: [(Pane, &str); 5] = [
        (Pane::Queue, "Queue"),
        (Pane::Messages, "Messages"),
        (Pane::Events, "Events"),
        (Pane::Team, "Team"),
        (Pane::Output, "Output"),
    ];

    fn beside(self, step: usize) -> Pane {
        let at = Pane::ALL.iter().position(|(pane, _)| *pane == self).unwrap_or_default();
        Pane::ALL[(at + step) % Pane::ALL.len()].0
    }
}

/// What the keys mean.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Mode {
    #[default]
    Look,
    Help,
    Filter,
    /// The chosen question stands there whole.
    Reads,
    /// Words are typed for this.
    Types {
        wish: Wish,
        line: String,
    },
    /// Is that really meant?
    Confirms {
        words: String,
        act: Act,
        /// What is allowed by it, and so must have been read.
        about: Option<QuestionId>,
    },
    /// What is to become of them?
    Parts {
        workers: usize,
    },
}

/// What `q` does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::cli) enum Leaves {
    /// Only the screen goes.
    #[default]
    Screen,
    /// What the screen shows ends, and is nobody's.
    Show,
    /// Workers end with it, so it is asked first.
    Workers,
    /// They end already.
    AtOnce,
}

impl Leaves {
    pub(super) fn words(self) -> &'static str {
        match self {
            Leaves::Screen => "leave",
            Leaves::Show => "end",
            Leaves::Workers => "stop all",
            Leaves::AtOnce => "leave at once",
        }
    }
}

/// How far a question was read. The picture says so: what never stood there was not read.
#[derive(Clone, Debug, Default)]
pub(super) struct Reading {
    /// The first row that is shown.
    pub(super) from: Cell<usize>,
    /// All rows before this one were shown.
    pub(super) to: Cell<usize>,
    /// How many there are, once they were counted.
    pub(super) rows: Cell<Option<usize>>,
}

impl Reading {
    pub(super) fn is_whole(&self) -> bool {
        self.rows.get().is_some_and(|rows| self.to.get() >= rows)
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Wish {
    Answer(QuestionId),
    Deny(QuestionId),
    Push,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Act {
    Leave(Leaving),
    /// An operation, and what is said once it is done: else its own answer.
    Ask {
        operation: &'static str,
        arguments: Value,
        done: Option<String>,
        /// What was typed for it: it is there again if the act is refused.
        typed: Option<(Wish, String)>,
    },
}

#[derive(Clone, Debug, Default)]
pub(super) struct State {
    pub(super) pane: Pane,
    pub(super) mode: Mode,
    pub(super) filter: String,
    /// By name, as the list may change under it.
    pub(super) worker: Option<String>,
    /// Where in the list it stood: its neighbour follows it.
    pub(super) at: usize,
    pub(super) question: Option<QuestionId>,
    pub(super) reading: Reading,
    /// Lines up from the end, or down from the beginning, of what the pane shows.
    pub(super) scroll: usize,
    /// May this screen change anything?
    pub(super) controls: bool,
    pub(super) leaves: Leaves,
    /// What became of the last act.
    pub(super) told: String,
}

const ROWS_TURNED: usize = 10;

const NOTHING_ASKED: &str = "nobody asks you anything";
const READS_ONLY: &str = "this screen only shows; press ! to act from here";

impl State {
    /// What is chosen is still there, or what stood beside it is chosen.
    pub(super) fn settle(&mut self, seen: &Overview) {
        let workers = self.workers(seen);
        match workers.iter().position(|name| Some(name) == self.worker.as_ref()) {
            Some(at) => self.at = at,
            None => {
                self.at = self.at.min(workers.len().saturating_sub(1));
                self.worker = workers.get(self.at).cloned();
            }
        }
        let is_open = |id: QuestionId| seen.questions.iter().any(|question| question.id == id);
        if let (Mode::Reads | Mode::Confirms { .. }, Some(gone)) = (&self.mode, self.read().filter(|id| !is_open(*id)))
        {
            self.mode = Mode::Look;
            self.told = format!("{} is open no more", gone.short());
        }
        if !self.question.is_some_and(is_open) {
            self.question = seen.questions.first().map(|question| question.id);
        }
    }

    /// The question that stands there whole.
    pub(super) fn read(&self) -> Option<QuestionId> {
        match &self.mode {
            Mode::Reads => self.question,
            Mode::Confirms { about, .. } => *about,
            Mode::Types { wish: Wish::Answer(id) | Wish::Deny(id), .. } => Some(*id),
            _ => None,
        }
    }

    /// An act came to nothing: what was typed for it is there again, unless something else is under way.
    pub(super) fn refused(&mut self, words: String, typed: Option<(Wish, String)>) {
        self.told = words;
        if let (Some((wish, line)), Mode::Look) = (typed, &self.mode) {
            self.mode = Mode::Types { wish, line };
        }
    }

    /// Does a row belong to what was asked for?
    pub(super) fn shows(&self, row: &str) -> bool {
        self.filter.is_empty() || row.to_lowercase().contains(&self.filter.to_lowercase())
    }

    /// The names of the workers that are shown.
    fn workers(&self, seen: &Overview) -> Vec<String> {
        let row = |name: &str, role: &str, state: &str| format!("{name} {role} {state}");
        let shown = seen.workers.iter().filter(|one| self.shows(&row(&one.name, &one.role, one.state.word())));
        shown.map(|one| one.name.clone()).collect()
    }

    pub(super) fn press(&mut self, key: Key, seen: &Overview) -> Option<Act> {
        if key == Key::CtrlC {
            return Some(Act::Leave(Leaving::Ends));
        }
        let mode = std::mem::take(&mut self.mode);
        // What was refused stands there while something better is typed.
        if !matches!(mode, Mode::Types { .. }) || matches!(key, Key::Enter | Key::Esc) {
            self.told.clear();
        }
        match mode {
            Mode::Look => self.look(key, seen),
            Mode::Help => None,
            Mode::Filter => {
                self.filter(key, seen);
                None
            }
            Mode::Reads => self.reads(key, seen),
            Mode::Types { wish, line } => self.types(key, wish, line),
            Mode::Confirms { words, act, about } => self.confirms(key, words, act, about),
            Mode::Parts { .. } => match key {
                Key::Char('y') => Some(Act::Leave(Leaving::Ends)),
                Key::Char('d') => Some(Act::Leave(Leaving::LetsThemRun)),
                _ => None,
            },
        }
    }

    fn confirms(&mut self, key: Key, words: String, act: Act, about: Option<QuestionId>) -> Option<Act> {
        let is_read = about.is_none() || self.reading.is_whole();
        if key == Key::Char('y') && is_read {
            return Some(act);
        }
        if about.is_some() && (self.turns_page(key) || key == Key::Char('y')) {
            self.mode = Mode::Confirms { words, act, about };
        }
        None
    }

    fn reads(&mut self, key: Key, seen: &Overview) -> Option<Act> {
        if matches!(key, Key::Esc | Key::Enter | Key::Char('q')) {
            return None;
        }
        self.mode = Mode::Reads;
        match key {
            _ if self.turns_page(key) => {}
            Key::Char('n') => self.next_question(seen),
            Key::Char('!') => self.controls = !self.controls,
            Key::Char('?') => self.mode = Mode::Help,
            Key::Char(c @ ('a' | 'y' | 'Y' | 'd')) => self.wish(c, seen),
            _ => {}
        }
        None
    }

    /// Through a question that is longer than the screen.
    fn turns_page(&self, key: Key) -> bool {
        let from = self.reading.from.get();
        self.reading.from.set(match key {
            Key::PageUp => from.saturating_sub(ROWS_TURNED),
            Key::PageDown | Key::Char(' ') => from.saturating_add(ROWS_TURNED),
            Key::Up | Key::Char('k') => from.saturating_sub(1),
            Key::Down | Key::Char('j') => from.saturating_add(1),
            Key::Home => 0,
            Key::End => usize::MAX,
            _ => return false,
        });
        true
    }

    fn filter(&mut self, key: Key, seen: &Overview) {
        match key {
            Key::Enter => return,
            Key::Esc => return self.filter.clear(),
            Key::Backspace => drop(self.filter.pop()),
            Key::Char(c) => self.filter.push(c),
            _ => {}
        }
        self.mode = Mode::Filter;
        self.scroll = 0;
        self.settle(seen);
    }

    fn types(&mut self, key: Key, wish: Wish, mut line: String) -> Option<Act> {
        match key {
            Key::Esc => return None,
            Key::Enter => return self.meant(wish, line.trim()),
            Key::PageUp | Key::PageDown => drop(self.turns_page(key)),
            Key::Backspace => drop(line.pop()),
            Key::Char(c) => line.push(c),
            _ => {}
        }
        self.mode = Mode::Types { wish, line };
        None
    }

    /// What was typed is sent. Nothing is no answer, and may well be a denial.
    fn meant(&mut self, wish: Wish, words: &str) -> Option<Act> {
        let (operation, arguments, done) = match &wish {
            Wish::Answer(_) | Wish::Push if words.is_empty() => {
                self.told = "nothing was typed, and nothing was sent".to_owned();
                return None;
            }
            Wish::Answer(id) => {
                ("answer_question", json!({ "question": id, "answer": words }), format!("{} is answered", id.short()))
            }
            Wish::Deny(id) => {
                let mut arguments = json!({ "question": id, "decision": "deny" });
                if !words.is_empty() {
                    arguments["answer"] = words.into();
                }
                ("answer_question", arguments, format!("{} is denied", id.short()))
            }
            Wish::Push => ("push_task", json!({ "title": words }), format!("pushed: {words}")),
        };
        Some(Act::Ask { operation, arguments, done: Some(done), typed: Some((wish, words.to_owned())) })
    }

    fn look(&mut self, key: Key, seen: &Overview) -> Option<Act> {
        match key {
            Key::Char('q') => {
                let workers = seen.workers.iter().filter(|worker| worker.wanted).count();
                if self.leaves != Leaves::Workers || workers == 0 {
                    return Some(Act::Leave(Leaving::Ends));
                }
                self.mode = Mode::Parts { workers };
            }
            Key::Char('?') => self.mode = Mode::Help,
            Key::Char('/') => self.mode = Mode::Filter,
            Key::Esc => self.filter.clear(),
            Key::Char('!') => self.controls = !self.controls,
            Key::Tab => self.turn(self.pane.beside(1)),
            Key::BackTab => self.turn(self.pane.beside(Pane::ALL.len() - 1)),
            Key::Char(c @ '1'..='5') => self.turn(Pane::ALL[c as usize - '1' as usize].0),
            Key::Enter => self.turn(Pane::Output),
            Key::Up | Key::Char('k') => self.step(seen, -1),
            Key::Down | Key::Char('j') => self.step(seen, 1),
            Key::Char('n') => self.open(),
            Key::PageUp => self.scroll = self.scroll.saturating_sub(ROWS_TURNED),
            Key::PageDown => self.scroll = self.scroll.saturating_add(ROWS_TURNED),
            Key::Home => self.scroll = 0,
            Key::End => self.scroll = usize::MAX,
            Key::Char(c) => self.wish(c, seen),
            Key::Backspace | Key::CtrlC => {}
        }
        None
    }

    fn turn(&mut self, pane: Pane) {
        self.pane = pane;
        self.scroll = 0;
    }

    fn step(&mut self, seen: &Overview, step: isize) {
        let workers = self.workers(seen);
        let at = workers.iter().position(|name| Some(name) == self.worker.as_ref()).unwrap_or_default();
        let to = at.saturating_add_signed(step).min(workers.len().saturating_sub(1));
        (self.at, self.worker) = (to, workers.get(to).cloned());
        if self.pane == Pane::Output {
            self.scroll = 0;
        }
    }

    /// Shows the chosen question whole.
    fn open(&mut self) {
        match self.question {
            Some(_) => (self.mode, self.reading) = (Mode::Reads, Reading::default()),
            None => self.told = NOTHING_ASKED.to_owned(),
        }
    }

    fn next_question(&mut self, seen: &Overview) {
        let at = seen.questions.iter().position(|question| Some(question.id) == self.question).unwrap_or_default();
        self.question = seen.questions.get((at + 1) % seen.questions.len().max(1)).map(|question| question.id);
        self.reading = Reading::default();
    }

    /// Keys that change something.
    fn wish(&mut self, key: char, seen: &Overview) {
        if !"ayYdsritS".contains(key) {
            return;
        }
        if !self.controls {
            self.told = READS_ONLY.to_owned();
            return;
        }
        match key {
            't' => self.mode = Mode::Types { wish: Wish::Push, line: String::new() },
            'S' => {
                let act = ask("stop_workers", json!({ "all": true }), "all workers are stopped".to_owned());
                self.mode = Mode::Confirms { words: "stop all workers?".to_owned(), act, about: None };
            }
            'a' | 'y' | 'Y' | 'd' => self.answer(key, seen),
            _ => self.order(key),
        }
    }

    fn answer(&mut self, key: char, seen: &Overview) {
        let Some(question) = seen.questions.iter().find(|question| Some(question.id) == self.question) else {
            self.told = NOTHING_ASKED.to_owned();
            return;
        };
        let id = question.id;
        let is_question = question.kind == question::Kind::Question;
        // Whoever read it, need not read it once more.
        let reading = if self.mode == Mode::Reads { self.reading.clone() } else { Reading::default() };
        self.mode = match key {
            'a' if is_question => Mode::Types { wish: Wish::Answer(id), line: String::new() },
            'a' => {
                let short = id.short();
                self.told = format!("{short} is a request: y allows it, Y likewise from now on, d forbids it");
                return;
            }
            _ if is_question => {
                self.told = format!("{} is a question: a answers it", id.short());
                return;
            }
            'd' => Mode::Types { wish: Wish::Deny(id), line: String::new() },
            'y' => {
                let arguments = json!({ "question": id, "decision": "approve" });
                let act = ask("answer_question", arguments, format!("{} is allowed, once", id.short()));
                Mode::Confirms { words: "allow this once?".to_owned(), act, about: Some(id) }
            }
            _ => {
                let arguments = json!({ "question": id, "decision": "approve", "always": true });
                let act = ask("answer_question", arguments, format!("{} is allowed, from now on", id.short()));
                Mode::Confirms { words: "allow this from now on?".to_owned(), act, about: Some(id) }
            }
        };
        self.reading = reading;
    }

    fn order(&mut self, key: char) {
        let Some(name) = self.worker.clone() else {
            self.told = "there is no worker".to_owned();
            return;
        };
        let (operation, arguments, verb) = match key {
            's' => ("stop_workers", json!({ "workers": [name] }), "stop"),
            'r' => ("restart_worker", json!({ "worker": name }), "restart"),
            _ => ("interrupt_worker", json!({ "worker": name }), "interrupt"),
        };
        let act = Act::Ask { operation, arguments, done: None, typed: None };
        self.mode = Mode::Confirms { words: format!("{verb} {name}?"), act, about: None };
    }
}

fn ask(operation: &'static str, arguments: Value, done: String) -> Act {
    Act::Ask { operation, arguments, done: Some(done), typed: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::top::stage::seen;

    /// Presses keys, one for each character; `\n` and `\x1b` are the keys of that name.
    fn press(state: &mut State, keys: &str) -> Option<Act> {
        let seen = seen();
        state.settle(&seen);
        let mut act = None;
        for key in keys.chars() {
            act = state.press(
                match key {
                    '\n' => Key::Enter,
                    '\x1b' => Key::Esc,
                    '\t' => Key::Tab,
                    other => Key::Char(other),
                },
                &seen,
            );
        }
        act
    }

    fn asked(act: Option<Act>) -> (&'static str, Value) {
        match act {
            Some(Act::Ask { operation, arguments, .. }) => (operation, arguments),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_screen_changes_nothing_until_it_is_asked_to() {
        let mut state = State::default();
        for key in "ayYdsritS".chars() {
            assert_eq!(press(&mut state, &key.to_string()), None);
            assert_eq!((state.mode.clone(), state.told.as_str()), (Mode::Look, READS_ONLY));
        }
        press(&mut state, "!s");
        assert!(matches!(&state.mode, Mode::Confirms { words, .. } if words == "stop builder-1?"));
    }

    #[test]
    fn only_yes_confirms() {
        let mut state = State { controls: true, ..State::default() };
        assert_eq!(press(&mut state, "sn"), None);
        assert_eq!(state.mode, Mode::Look);
        assert_eq!(asked(press(&mut state, "jsy")), ("stop_workers", json!({ "workers": ["docs-1"] })));
        assert_eq!(asked(press(&mut state, "ry")), ("restart_worker", json!({ "worker": "docs-1" })));
        // One that is idle needs none, which the operation says itself.
        assert!(matches!(press(&mut state, "iy"), Some(Act::Ask { operation: "interrupt_worker", done: None, .. })));
    }

    #[test]
    fn questions_are_answered_and_requests_decided() {
        let mut state = State { controls: true, ..State::default() };
        let answer = json!({ "question": "q-0000000001", "answer": "say q ? 1" });
        assert_eq!(asked(press(&mut state, "asay q ? 1\n")), ("answer_question", answer));
        assert_eq!(press(&mut state, "a\n"), None, "nothing is no answer");
        assert_eq!(press(&mut state, "y"), None, "a question is not allowed");
        let denied = json!({ "question": "q-0000000002", "decision": "deny", "answer": "too dear" });
        assert_eq!(asked(press(&mut state, "nndtoo dear\n")), ("answer_question", denied));
        assert_eq!(press(&mut state, "dno\x1b"), None);
        assert_eq!(state.mode, Mode::Look);
    }

    #[test]
    fn nothing_is_allowed_before_all_of_it_was_shown_and_a_second_key_says_yes() {
        let mut state = State { controls: true, question: Some(QuestionId::from_number(2)), ..State::default() };
        let shows = |state: &State, to: usize| {
            state.reading.rows.set(Some(30));
            state.reading.to.set(to);
        };
        assert_eq!(press(&mut state, "yyyy"), None, "it was never drawn");
        shows(&state, 20);
        assert_eq!(press(&mut state, "y"), None, "its end was not");
        assert_eq!(press(&mut state, " "), None);
        shows(&state, 30);
        let once = json!({ "question": "q-0000000002", "decision": "approve" });
        assert_eq!(asked(press(&mut state, "y")), ("answer_question", once));
        press(&mut state, "n");
        shows(&state, 30);
        let always = json!({ "question": "q-0000000002", "decision": "approve", "always": true });
        assert_eq!(press(&mut state, "Yn"), None);
        assert_eq!(state.mode, Mode::Look);
        press(&mut state, "n");
        shows(&state, 30);
        assert_eq!(asked(press(&mut state, "Yy")), ("answer_question", always));
    }

    #[test]
    fn a_request_that_is_open_no_more_is_not_allowed() {
        let mut state = State { controls: true, question: Some(QuestionId::from_number(2)), ..State::default() };
        press(&mut state, "y");
        let mut later = seen();
        later.questions.truncate(1);
        state.settle(&later);
        assert_eq!((&state.mode, state.told.as_str()), (&Mode::Look, "q-2 is open no more"));
    }

    #[test]
    fn what_was_typed_for_an_act_that_is_refused_is_there_again() {
        let mut state = State { controls: true, ..State::default() };
        let Some(Act::Ask { typed, .. }) = press(&mut state, "a7\n") else { panic!("{:?}", state.mode) };
        state.refused("there are 2 options".to_owned(), typed);
        press(&mut state, "0");
        assert_eq!(state.mode, Mode::Types { wish: Wish::Answer(QuestionId::from_number(1)), line: "70".to_owned() });
        assert_eq!(state.told, "there are 2 options");
    }

    #[test]
    fn the_neighbour_of_a_worker_that_is_gone_is_chosen() {
        let mut state = State::default();
        press(&mut state, "j");
        let mut later = seen();
        later.workers.remove(1);
        state.settle(&later);
        assert_eq!(state.worker.as_deref(), Some("docs-2"));
        later.workers.remove(1);
        state.settle(&later);
        assert_eq!(state.worker.as_deref(), Some("builder-1"));
    }

    #[test]
    fn a_filter_leaves_what_it_names_and_chooses_among_that() {
        let mut state = State::default();
        press(&mut state, "/DOCS\n");
        assert_eq!(state.worker.as_deref(), Some("docs-1"));
        press(&mut state, "jjj");
        assert_eq!(state.worker.as_deref(), Some("docs-2"));
        press(&mut state, "\x1b");
        assert!(state.shows("anything"));
    }

    #[test]
    fn panes_are_turned_and_the_output_is_one_key_away() {
        let mut state = State::default();
        press(&mut state, "\t\t");
        assert_eq!(state.pane, Pane::Events);
        press(&mut state, "\n");
        assert_eq!(state.pane, Pane::Output);
        press(&mut state, "\t");
        assert_eq!(state.pane, Pane::Queue);
        press(&mut state, "4");
        assert_eq!(state.pane, Pane::Team);
    }

    #[test]
    fn ctrl_c_leaves_whatever_is_under_way() {
        for keys in ["", "?", "/", "!t", "!S"] {
            let mut state = State::default();
            press(&mut state, keys);
            assert_eq!(state.press(Key::CtrlC, &seen()), Some(Act::Leave(Leaving::Ends)));
        }
    }

    #[test]
    fn who_would_end_workers_by_leaving_is_asked_first() {
        let mut state = State { leaves: Leaves::Workers, ..State::default() };
        for (keys, act) in [("qn", None), ("qy", Some(Leaving::Ends)), ("qd", Some(Leaving::LetsThemRun))] {
            assert_eq!(press(&mut state, keys), act.map(Act::Leave), "{keys}");
            assert_eq!(state.mode, Mode::Look);
        }
        assert_eq!(press(&mut state, "q"), None);
        assert_eq!(state.press(Key::CtrlC, &seen()), Some(Act::Leave(Leaving::Ends)), "it was asked for plainly");
        for leaves in [Leaves::Screen, Leaves::Show, Leaves::AtOnce] {
            let mut state = State { leaves, ..State::default() };
            assert_eq!(press(&mut state, "q"), Some(Act::Leave(Leaving::Ends)), "{leaves:?}");
        }
    }
}
