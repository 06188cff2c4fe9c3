//! The terminal while a screen has it: keys in, pictures out, and everything back as it was whatever happens.

use crate::cli::print;
use crate::cli::top::draw::Scene;
use crate::cli::top::output::Output;
use crate::cli::top::state::Act;
use crate::cli::top::state::Key;
use crate::cli::top::state::Leaves;
use crate::cli::top::state::Pane;
use crate::cli::top::state::State;
use crate::cli::top::state::Wish;
use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::host::Host;
use crate::host::Stopwatch;
use crate::ops::Caller;
use crate::ops::Desk;
use crate::ops::server::Overview;
use crate::ops::table::own_request;
use crate::store::doorbell::Hangup;
use jiff::tz::TimeZone;
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::Hide;
use ratatui::crossterm::cursor::Show;
use ratatui::crossterm::event;
use ratatui::crossterm::event::Event;
use ratatui::crossterm::event::KeyCode;
use ratatui::crossterm::event::KeyEvent;
use ratatui::crossterm::event::KeyEventKind;
use ratatui::crossterm::event::KeyModifiers;
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal;
use serde::Deserialize;
use serde_json::json;
use std::io;
use std::io::BufWriter;
use std::mem::ManuallyDrop;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::mpsc;
use std::sync::mpsc::Receiver;
use std::sync::mpsc::RecvTimeoutError;
use std::sync::mpsc::Sender;
use std::thread;
use std::time::Duration;

/// Ages are shown in seconds.
const DRAW_EVERY: Duration = Duration::from_secs(1);
/// A fleet at full speed is no faster to read than that.
const LOOK_AT_MOST_EVERY: Duration = Duration::from_millis(100);
/// A server elsewhere may come back.
const AFTER_A_FAILURE: Duration = Duration::from_secs(2);

/// What the loop hears.
pub(super) enum News {
    /// A newer picture lies ready.
    Seen,
    Lost(Error),
    Pressed(Key),
    Resized,
    /// What became of an act.
    Told(String),
    /// It came to nothing, and what was typed for it.
    Refused(String, Option<(Wish, String)>),
    /// Somebody wants the screen gone.
    Over,
}

/// A screen over a team.
pub(in crate::cli) struct Screen<'a> {
    pub(in crate::cli) desk: &'a dyn Desk,
    pub(in crate::cli) caller: Caller,
    pub(in crate::cli) host: Host,
    /// Where runs are, if on this machine.
    pub(in crate::cli) state_dir: Option<PathBuf>,
    pub(in crate::cli) colored: bool,
    pub(in crate::cli) controls: bool,
    /// What `q` does just now.
    pub(in crate::cli) leaves: &'a (dyn Fn() -> Leaves + Sync),
    /// Called each time somebody wants to leave; `true` where the screen ends at that.
    pub(in crate::cli) leave: &'a (dyn Fn(Leaving) -> bool + Sync),
}

/// What becomes of workers when somebody leaves the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Leaving {
    /// What the command does at its end.
    Ends,
    /// They go on, and somebody else looks after them.
    LetsThemRun,
}

/// Ends a screen from elsewhere.
#[derive(Clone)]
pub(in crate::cli) struct Curtain(Sender<News>);

impl Curtain {
    pub(in crate::cli) fn fall(&self) {
        let _ = self.0.send(News::Over);
    }

    /// Words at the foot of the screen.
    pub(in crate::cli) fn tell(&self, words: String) {
        let _ = self.0.send(News::Told(words));
    }
}

/// Where a screen hears from.
pub(in crate::cli) struct Stage {
    sender: Sender<News>,
    receiver: Receiver<News>,
}

impl Stage {
    pub(in crate::cli) fn new() -> Stage {
        let (sender, receiver) = mpsc::channel();
        Stage { sender, receiver }
    }

    pub(in crate::cli) fn curtain(&self) -> Curtain {
        Curtain(self.sender.clone())
    }
}

impl Screen<'_> {
    /// Shows until somebody leaves, or the curtain falls.
    pub(in crate::cli) fn show(&self, stage: Stage) -> Result<()> {
        let first = self.look(None, &Hangup::new())?;
        let held = Held::take().map_err(no_terminal)?;
        let Stage { sender, receiver } = stage;
        let keys = sender.clone();
        // It ends with the process: nothing wakes who waits for a key.
        thread::spawn(move || read_keys(&keys));
        let hangup = Hangup::new();
        let (acts, wanted) = mpsc::channel();
        let ready = Mutex::new(None);
        let shown = thread::scope(|scope| {
            let (news, told, newest) = (sender.clone(), sender, first.newest_event);
            let (look, act, slot) = (hangup.clone(), hangup.clone(), &ready);
            scope.spawn(move || self.watch(newest, slot, &news, &look));
            scope.spawn(move || self.act(&wanted, &told, &act));
            // However the play ends: nobody else ends those who wait.
            let _hangs_up = HangsUp(&hangup);
            self.play(first, &ready, &receiver, acts)
        });
        drop(held);
        shown.map_err(no_terminal)
    }

    fn look(&self, seen: Option<u64>, hangup: &Hangup) -> Result<Overview> {
        let request = own_request("get_overview", json!({ "seen": seen }))?;
        let reply = self.desk.execute(&request, &self.caller, hangup)?;
        Overview::deserialize(&reply.data).map_err(Error::internal)
    }

    /// Waits for something new, again and again. However slow the terminal is, only the newest picture is kept for it.
    fn watch(&self, newest: u64, ready: &Mutex<Option<Overview>>, news: &Sender<News>, hangup: &Hangup) {
        let mut newest = newest;
        let (over, is_over) = mpsc::channel();
        let _attached = hangup.tell(move || _ = over.send(()));
        while !hangup.is_hung_up() {
            let looked = Stopwatch::start();
            let (heard, pause) = match self.look(Some(newest), hangup) {
                Ok(seen) => {
                    newest = seen.newest_event;
                    let before = ready.lock().unwrap_or_else(PoisonError::into_inner).replace(seen);
                    // Where one lies there already, it was told of.
                    (before.is_none().then_some(News::Seen), LOOK_AT_MOST_EVERY)
                }
                Err(error) => (Some(News::Lost(error)), AFTER_A_FAILURE),
            };
            if heard.is_some_and(|heard| news.send(heard).is_err()) {
                return;
            }
            let _ = is_over.recv_timeout(pause.saturating_sub(looked.so_far()));
        }
    }

    /// Does what was asked for, while the screen goes on.
    fn act(&self, wanted: &Receiver<Act>, told: &Sender<News>, hangup: &Hangup) {
        while let Ok(Act::Ask { operation, arguments, done, typed }) = wanted.recv() {
            let request = own_request(operation, arguments);
            let heard = match request.and_then(|request| self.desk.execute(&request, &self.caller, hangup)) {
                Ok(reply) => News::Told(done.unwrap_or_else(|| reply.text().trim_end().replace('\n', "; "))),
                Err(Error { message, hint: Some(hint), .. }) => News::Refused(format!("{message}; {hint}"), typed),
                Err(Error { message, hint: None, .. }) => News::Refused(message, typed),
            };
            if told.send(heard).is_err() {
                return;
            }
        }
    }

    fn play(
        &self,
        first: Overview,
        ready: &Mutex<Option<Overview>>,
        news: &Receiver<News>,
        acts: Sender<Act>,
    ) -> io::Result<()> {
        // It is not dropped: it would show the cursor, as `Held` does, and complain where the terminal is gone.
        let backend = CrosstermBackend::new(BufWriter::new(print::output()));
        let mut terminal = ManuallyDrop::new(Terminal::new(backend)?);
        let mut state = State { controls: self.controls, ..State::default() };
        let mut output = self.state_dir.as_deref().map(Output::of);
        let (mut seen, mut fresh) = (first, Stopwatch::start());
        let zone = TimeZone::system();
        state.settle(&seen);
        loop {
            state.leaves = (self.leaves)();
            let lines = match (&mut output, state.pane) {
                (Some(output), Pane::Output) => output.rows(state.worker.as_deref(), &self.host).to_vec(),
                (None, Pane::Output) => vec!["what workers print is on the server's machine".to_owned()],
                _ => Vec::new(),
            };
            let scene = Scene {
                now: seen.at.plus_millis(fresh.so_far().as_millis() as i64),
                seen: &seen,
                state: &state,
                output: &lines,
                zone: &zone,
                colored: self.colored,
            };
            terminal.draw(|frame| scene.draw(frame))?;
            // Of many, only the last is worth a picture.
            let mut heard = match news.recv_timeout(DRAW_EVERY) {
                Ok(heard) => Some(heard),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            };
            while let Some(one) = heard {
                match one {
                    News::Seen => {
                        if let Some(new) = ready.lock().unwrap_or_else(PoisonError::into_inner).take() {
                            (seen, fresh) = (new, Stopwatch::start());
                        }
                    }
                    News::Lost(error) => state.told = format!("{}; this is as of {}", error.message, seen.at),
                    News::Told(words) => state.told = words,
                    News::Refused(words, typed) => state.refused(words, typed),
                    News::Resized => {}
                    News::Over => return Ok(()),
                    News::Pressed(key) => match state.press(key, &seen) {
                        Some(Act::Leave(how)) if (self.leave)(how) => return Ok(()),
                        Some(Act::Leave(_)) => state.told = "ending; press it once more to leave at once".to_owned(),
                        Some(act) => drop(acts.send(act)),
                        None => {}
                    },
                }
                state.settle(&seen);
                state.leaves = (self.leaves)();
                heard = news.try_recv().ok();
            }
        }
    }
}

fn no_terminal(cause: io::Error) -> Error {
    Error::new(Kind::Unavailable, format!("this terminal cannot show the screen: {cause}"))
        .hint("`orch-mcp status` and `orch-mcp workers` show the same in lines")
}

struct HangsUp<'a>(&'a Hangup);

impl Drop for HangsUp<'_> {
    fn drop(&mut self) {
        self.0.hang_up();
    }
}

/// The terminal is ours, until this is dropped.
struct Held;

impl Held {
    fn take() -> io::Result<Held> {
        terminal::enable_raw_mode()?;
        // From here on it is given back.
        let held = Held;
        execute!(print::output(), terminal::EnterAlternateScreen, Hide)?;
        Ok(held)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let _ = execute!(print::output(), terminal::LeaveAlternateScreen, Show);
        let _ = terminal::disable_raw_mode();
    }
}

fn read_keys(news: &Sender<News>) {
    while let Ok(event) = event::read() {
        let heard = match event {
            Event::Key(key) if key.kind != KeyEventKind::Release => key_of(key).map(News::Pressed),
            Event::Resize(..) => Some(News::Resized),
            _ => None,
        };
        if heard.is_some_and(|heard| news.send(heard).is_err()) {
            return;
        }
    }
    // The terminal is gone.
    let _ = news.send(News::Over);
}

fn key_of(key: KeyEvent) -> Option<Key> {
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    Some(match key.code {
        KeyCode::Char('c' | 'd') if control => Key::CtrlC,
        KeyCode::Char(_) if control || key.modifiers.contains(KeyModifiers::ALT) => return None,
        KeyCode::Char(c) => Key::Char(c),
        KeyCode::Enter => Key::Enter,
        KeyCode::Esc => Key::Esc,
        KeyCode::Backspace => Key::Backspace,
        KeyCode::Up => Key::Up,
        KeyCode::Down => Key::Down,
        KeyCode::PageUp => Key::PageUp,
        KeyCode::PageDown => Key::PageDown,
        KeyCode::Home => Key::Home,
        KeyCode::End => Key::End,
        KeyCode::Tab => Key::Tab,
        KeyCode::BackTab => Key::BackTab,
        _ => return None,
    })
}
