//! The picture: what is known, and what is looked at, as rows of text. All that somebody else wrote is filtered here.

use crate::cli::print::cut;
use crate::cli::top::asked;
use crate::cli::top::state::Mode;
use crate::cli::top::state::Pane;
use crate::cli::top::state::State;
use crate::cli::top::state::Wish;
use crate::model::id::TaskId;
use crate::model::safe;
use crate::model::time::Timestamp;
use crate::model::worker;
use crate::ops::event::EventLine;
use crate::ops::instance::InstanceView;
use crate::ops::question::QuestionView;
use crate::ops::render;
use crate::ops::server::MessageLine;
use crate::ops::server::Overview;
use crate::ops::server::QueueLine;
use crate::ops::task::WaitsFor;
use crate::ops::worker::WorkerView;
use jiff::tz::TimeZone;
use ratatui::Frame;
use ratatui::layout::Constraint;
use ratatui::layout::Layout;
use ratatui::layout::Rect;
use ratatui::style::Color;
use ratatui::style::Modifier;
use ratatui::style::Style;
use ratatui::text::Line;
use ratatui::text::Span;
use ratatui::widgets::Block;
use ratatui::widgets::Clear;
use ratatui::widgets::Paragraph;
use unicode_width::UnicodeWidthStr;

pub(super) const COLUMNS_MIN: u16 = 80;
pub(super) const ROWS_MIN: u16 = 24;

/// What is left for the pane at least.
const PANE_ROWS_MIN: u16 = 6;
const QUESTIONS_MAX: usize = 4;
/// What was refused, and why, has room in so many.
const TOLD_ROWS_MAX: usize = 8;

/// All that is drawn.
pub(super) struct Scene<'a> {
    pub(super) seen: &'a Overview,
    pub(super) state: &'a State,
    /// The time as the store tells it, and what has passed since.
    pub(super) now: Timestamp,
    /// Of the chosen worker, newest last.
    pub(super) output: &'a [String],
    pub(super) zone: &'a TimeZone,
    pub(super) colored: bool,
}

impl Scene<'_> {
    pub(super) fn draw(&self, frame: &mut Frame) {
        let area = frame.area();
        if area.width < COLUMNS_MIN || area.height < ROWS_MIN {
            let words = format!("this screen needs {COLUMNS_MIN}x{ROWS_MIN}, and has {}x{}", area.width, area.height);
            return frame.render_widget(Paragraph::new(cut(&words, area.width.into())), area);
        }
        let foot_rows = self.foot(area.width.into()).len() as u16;
        if let Some(question) = self.read() {
            let [head, whole, foot] =
                Layout::vertical([Constraint::Length(1), Constraint::Min(1), Constraint::Length(foot_rows)])
                    .areas(area);
            frame.render_widget(Paragraph::new(self.head(area.width.into())), head);
            self.whole(question, frame, whole);
            // What it says depends on how much of the question could be shown.
            return frame.render_widget(Paragraph::new(self.foot(area.width.into())), foot);
        }
        let questions = self.questions(area.width.into());
        let workers = self.workers(area.width.into());
        let taken = 1 + foot_rows + questions.len() as u16 + PANE_ROWS_MIN;
        let room = area.height.saturating_sub(taken).max(3);
        let [head, asked, fleet, pane, foot] = Layout::vertical([
            Constraint::Length(1),
            Constraint::Length(questions.len() as u16),
            Constraint::Length((workers.len() as u16).min(room - 1) + 1),
            Constraint::Min(PANE_ROWS_MIN),
            Constraint::Length(foot_rows),
        ])
        .areas(area);
        frame.render_widget(Paragraph::new(self.head(area.width.into())), head);
        frame.render_widget(Paragraph::new(questions), asked);
        frame.render_widget(Paragraph::new(self.window(workers, usize::from(fleet.height) - 1)), fleet);
        self.pane(frame, pane);
        frame.render_widget(Paragraph::new(self.foot(area.width.into())), foot);
        if self.state.mode == Mode::Help {
            self.help(frame, area);
        }
    }

    fn style(&self, color: Color) -> Style {
        if self.colored { Style::new().fg(color) } else { Style::new() }
    }

    fn dim(&self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    fn head(&self, width: usize) -> Line<'static> {
        let seen = self.seen;
        let tasks = ["in_progress", "claimed", "ready", "waiting", "blocked", "failed", "completed"];
        let counts = tasks.iter().filter_map(|word| Some((word, *seen.tasks.get(*word).filter(|count| **count > 0)?)));
        let counts: Vec<String> = counts.map(|(word, count)| format!("{count} {}", word.replace('_', " "))).collect();
        let mut parts = vec![match seen.workers.len() {
            0 => "no workers".to_owned(),
            1 => "1 worker".to_owned(),
            many => format!("{many} workers"),
        }];
        parts.push(if counts.is_empty() { "no tasks".to_owned() } else { counts.join(", ") });
        if seen.spent.runs > 0 {
            parts.push(format!("{} today", seen.spent.words()));
        }
        if let Some(until) = seen.limited_until {
            parts.push(format!("limited until {}", self.clock(until)));
        }
        if !seen.supervised && seen.workers.iter().any(|worker| worker.wanted) {
            parts.push("nobody looks after them: `orch-mcp launch`".to_owned());
        }
        let line = cut(&format!(" orch-mcp   {}", parts.join("  ·  ")), width);
        Line::styled(padded(&line, width), Style::new().add_modifier(Modifier::REVERSED))
    }

    fn read(&self) -> Option<&QuestionView> {
        let id = self.state.read()?;
        self.seen.questions.iter().find(|question| question.id == id)
    }

    /// One question and nothing else, and how much of it was seen by that.
    fn whole(&self, question: &QuestionView, frame: &mut Frame, area: Rect) {
        let rows = asked::rows(question, self.now, area.width.into());
        let (room, reading) = (usize::from(area.height), &self.state.reading);
        let from = reading.from.get().min(rows.len().saturating_sub(room));
        let end = (from + room).min(rows.len());
        reading.from.set(from);
        reading.rows.set(Some(rows.len()));
        if from <= reading.to.get() {
            reading.to.set(end.max(reading.to.get()));
        }
        let lines: Vec<Line> = rows[from..end].iter().map(|row| Line::raw(row.clone())).collect();
        frame.render_widget(Paragraph::new(lines), area);
    }

    fn questions(&self, width: usize) -> Vec<Line<'static>> {
        let all = &self.seen.questions;
        if all.is_empty() {
            return Vec::new();
        }
        let bold = self.style(Color::Yellow).add_modifier(Modifier::BOLD);
        let mut lines = vec![Line::styled(format!(" You are asked ({})", all.len()), bold)];
        let chosen = all.iter().position(|question| Some(question.id) == self.state.question).unwrap_or_default();
        let first = chosen.saturating_sub(QUESTIONS_MAX - 1);
        for question in all.iter().skip(first).take(QUESTIONS_MAX) {
            let is_chosen = Some(question.id) == self.state.question;
            let mark = if is_chosen { '>' } else { ' ' };
            let line = cut(&format!("{mark}{} {}", question.id.short(), self.question(question)), width);
            let style = if is_chosen { self.style(Color::Yellow) } else { Style::new() };
            lines.push(Line::styled(line, style));
        }
        lines
    }

    fn question(&self, question: &QuestionView) -> String {
        let about = question.task_id.map(|task| format!(" about {}", task.short())).unwrap_or_default();
        let options = question.options.iter().enumerate().map(|(at, option)| format!("{} {option}", at + 1));
        let options: Vec<String> = options.collect();
        let mut words = format!("{}{about}, {}: {}", question.from, self.age(question.asked_at), question.text);
        if !options.is_empty() {
            words.push_str(&format!("  [{}]", options.join(", ")));
        }
        if let (Some(default), Some(due)) = (&question.default, question.due_at) {
            words.push_str(&format!("  ({default} at {})", self.clock(due)));
        }
        one_line(&words)
    }

    fn workers(&self, width: usize) -> Vec<Line<'static>> {
        let shown = |one: &&WorkerView| self.state.shows(&format!("{} {} {}", one.name, one.role, one.state.word()));
        let shown: Vec<&WorkerView> = self.seen.workers.iter().filter(shown).collect();
        if shown.is_empty() {
            let words = if self.state.filter.is_empty() {
                " No workers: `orch-mcp launch --workers 3` starts some"
            } else {
                " No worker fits the filter; Esc takes it away"
            };
            return vec![Line::styled(words, self.dim())];
        }
        let names = shown.iter().map(|one| one.name.width()).max().unwrap_or_default().clamp(6, 20);
        let heading = format!(" {}  STATE          AGE  DONE  RESTARTS      COST  DOING", padded("WORKER", names));
        let mut lines = vec![Line::styled(cut(&heading, width), Style::new().add_modifier(Modifier::BOLD))];
        lines.extend(shown.into_iter().map(|one| self.worker(one, names, width)));
        lines
    }

    fn worker(&self, one: &WorkerView, names: usize, width: usize) -> Line<'static> {
        let is_chosen = self.state.worker.as_deref() == Some(&one.name);
        let (mark, color) = mark(one.state);
        let begin =
            format!("{}{}  ", if is_chosen { '>' } else { ' ' }, padded(&cut(&one_line(&one.name), names), names));
        let state = format!("{mark} {:<11}", one.state.word());
        let task = one.task_id.map(|task| match self.title(task) {
            Some(title) => format!("{} {title}", task.short()),
            None => task.short(),
        });
        let doing = [task, one.reason.clone()].into_iter().flatten().collect::<Vec<_>>().join(" · ");
        let rest = format!(
            " {:>4}  {:>4}  {:>8}  {:>8}  {}",
            self.age(one.since),
            one.completed,
            one.restarts,
            one.spent.words(),
            one_line(&doing)
        );
        let rest = cut(&rest, width.saturating_sub(begin.width() + state.width()));
        let line = Line::from(vec![Span::raw(begin), Span::styled(state, self.style(color)), Span::raw(rest)]);
        if is_chosen { line.style(Style::new().add_modifier(Modifier::BOLD)) } else { line }
    }

    /// What a task is called that somebody works on.
    fn title(&self, id: TaskId) -> Option<&str> {
        self.seen.queue.iter().find(|line| line.task.id == id).map(|line| line.task.title.as_str())
    }

    /// As many of the lines as there is room for, with the heading and the chosen one among them.
    fn window(&self, lines: Vec<Line<'static>>, room: usize) -> Vec<Line<'static>> {
        if lines.len() <= room || room < 2 {
            return lines;
        }
        let chosen = lines.iter().position(|line| line.spans.first().is_some_and(|span| span.content.starts_with('>')));
        let first = chosen.unwrap_or(1).saturating_sub(room - 2).max(1);
        let mut lines = lines.into_iter();
        let heading = lines.next();
        heading.into_iter().chain(lines.skip(first - 1).take(room - 1)).collect()
    }

    fn pane(&self, frame: &mut Frame, area: Rect) {
        let width = usize::from(area.width);
        let mut tabs = vec![Span::raw(" ")];
        for (at, (pane, word)) in Pane::ALL.iter().enumerate() {
            let count = match pane {
                Pane::Queue => self.seen.queue.len(),
                Pane::Team => self.seen.sessions.len(),
                Pane::Messages | Pane::Events | Pane::Output => 0,
            };
            let more = match (&self.state.worker, self.state.pane) {
                _ if count > 0 => format!(" {count}"),
                (Some(worker), Pane::Output) if *pane == Pane::Output => format!(" of {}", one_line(worker)),
                _ => String::new(),
            };
            let style = if *pane == self.state.pane {
                Style::new().add_modifier(Modifier::BOLD | Modifier::UNDERLINED)
            } else {
                self.dim()
            };
            tabs.extend([Span::styled(format!("{} {word}{more}", at + 1), style), Span::raw("   ")]);
        }
        if !self.state.filter.is_empty() {
            tabs.push(Span::raw(format!("filter: {}", one_line(&self.state.filter))));
        }
        let (rows, from_end) = self.rows();
        let rows: Vec<String> = rows.into_iter().filter(|row| self.state.shows(row)).collect();
        let room = usize::from(area.height.saturating_sub(1));
        let most = rows.len().saturating_sub(room);
        let scrolled = self.state.scroll.min(most);
        let first = if from_end { most - scrolled } else { scrolled };
        let shown = rows.iter().skip(first).take(room).map(|row| Line::raw(cut(row, width)));
        let mut lines = vec![Line::from(tabs)];
        lines.extend(shown);
        if rows.is_empty() {
            lines.push(Line::styled(self.nothing(), self.dim()));
        }
        frame.render_widget(Paragraph::new(lines), area);
    }

    /// The rows of the pane, and whether its end is what one wants to see.
    fn rows(&self) -> (Vec<String>, bool) {
        let seen = self.seen;
        match self.state.pane {
            Pane::Queue => (seen.queue.iter().map(|line| self.queued(line)).collect(), false),
            Pane::Messages => {
                let row = |one: &MessageLine| {
                    one_line(&format!(" {}  {} to {}: {}", self.clock(one.at), one.from, one.to, one.text))
                };
                (seen.messages.iter().map(row).collect(), true)
            }
            Pane::Events => {
                (seen.events.iter().map(|event| format!(" {}", event_line(event, self.zone))).collect(), true)
            }
            Pane::Team => {
                let row = |one: &InstanceView| {
                    let doing = one.current_task.as_deref().unwrap_or_default();
                    let place = one.work_dir.as_deref().unwrap_or_default();
                    let name = padded(&one.name, 20);
                    one_line(&format!(" {name}  {:<10}  {:<11}  {doing}  {place}", one.role, one.status))
                };
                (seen.sessions.iter().map(row).collect(), false)
            }
            Pane::Output => (self.output.iter().map(|line| format!(" {}", one_line(line))).collect(), true),
        }
    }

    fn queued(&self, line: &QueueLine) -> String {
        let task = &line.task;
        let of = task.role.as_deref().map(|role| format!(" for {role}")).unwrap_or_default();
        let by = task.holder_name.as_deref().map(|name| format!(" by {name}")).unwrap_or_default();
        let why = match (&task.reason, line.waits_for.as_slice()) {
            (Some(reason), _) => format!(": {reason}"),
            (None, []) => String::new(),
            (None, waits) => {
                let waits = waits.iter().map(WaitsFor::words).collect::<Vec<_>>().join(", ");
                match line.waits_for_more {
                    0 => format!(": waits for {waits}"),
                    more => format!(": waits for {waits} and {more} more"),
                }
            }
        };
        let standing = line.standing.replace('_', " ");
        let age = self.age(task.updated_at);
        one_line(&format!(" {:<8} {standing:<11} {age:>4}  {}{of}{by}{why}", task.id.short(), task.title))
    }

    fn nothing(&self) -> String {
        let words = match self.state.pane {
            _ if !self.state.filter.is_empty() => "nothing fits the filter; Esc takes it away",
            Pane::Queue => "nothing is to be done; `orch-mcp push-task TITLE` changes that",
            Pane::Messages => "nobody wrote to anybody",
            Pane::Events => "nothing happened yet",
            Pane::Team => "nobody else is here: sessions that are no workers stand here",
            Pane::Output => "the chosen worker has printed nothing yet",
        };
        format!(" {words}")
    }

    /// What can be done now, or what became of what was done.
    fn foot(&self, width: usize) -> Vec<Line<'static>> {
        let state = self.state;
        let told = || asked::wrapped(&state.told, width).into_iter().take(TOLD_ROWS_MAX).map(Line::raw).collect();
        let typed = |what: &str, line: &str| {
            let line = one_line(line);
            let whole = format!(" {what} {line}_");
            if whole.width() <= width {
                return vec![whole];
            }
            // Its end is what one types.
            let skipped = line.chars().count().saturating_sub(width.saturating_sub(3));
            vec![cut(&format!(" {what}"), width), format!(" {}_", line.chars().skip(skipped).collect::<String>())]
        };
        let rows = match &state.mode {
            Mode::Filter => typed("filter:", &state.filter),
            Mode::Types { wish, line } => typed(&self.prompt(wish), line),
            Mode::Confirms { words, about, .. } if about.is_none() || state.reading.is_whole() => {
                asked::wrapped(&format!("{words} y: yes, any other key: no"), width)
            }
            Mode::Confirms { words, .. } => vec![format!(" {words} First read on, with PgDn; Esc: no")],
            Mode::Parts { workers } => {
                let what = if *workers == 1 { "the worker".to_owned() } else { format!("all {workers} workers") };
                asked::wrapped(&format!("stop {what}? y: yes, d: they go on (as --detach), any other key: no"), width)
            }
            Mode::Look | Mode::Reads | Mode::Help if !state.told.is_empty() => return told(),
            Mode::Reads => vec![self.reading_keys()],
            Mode::Look | Mode::Help if state.controls => {
                let leaves = state.leaves.words();
                vec![format!(" q {leaves}  ? help  n question  a answer  y/d allow, deny  s stop  r restart")]
            }
            Mode::Look | Mode::Help => {
                let leaves = state.leaves.words();
                vec![format!(" q {leaves}  ? help  ! act  n question  ↑↓ worker  Enter output  Tab pane")]
            }
        };
        let mut lines = if state.told.is_empty() { Vec::new() } else { told() };
        lines.extend(rows.into_iter().map(|row| Line::styled(cut(&row, width), self.dim())));
        lines
    }

    fn prompt(&self, wish: &Wish) -> String {
        let has_options = self.read().is_some_and(|question| !question.options.is_empty());
        match wish {
            Wish::Answer(id) if has_options => {
                format!("answer to {} (a number, or your words; Enter sends, Esc leaves):", id.short())
            }
            Wish::Answer(id) => format!("answer to {} (Enter sends, Esc leaves):", id.short()),
            Wish::Deny(id) => format!("why {} is denied (Enter denies, also without words; Esc leaves):", id.short()),
            Wish::Push => "new task (Enter pushes, Esc leaves):".to_owned(),
        }
    }

    fn reading_keys(&self) -> String {
        let is_request = self.read().is_some_and(|question| question.kind.takes_a_decision());
        let answer = match (self.state.controls, is_request) {
            (false, _) => "! act",
            (true, true) => "y allow once  Y from now on  d deny",
            (true, false) => "a answer",
        };
        let rest = if self.state.reading.is_whole() { "" } else { "  PgDn read on" };
        format!(" Esc back  {answer}  n next question{rest}")
    }

    fn help(&self, frame: &mut Frame, area: Rect) {
        let lines: Vec<Line> = HELP.trim_matches('\n').lines().map(|line| Line::raw(format!(" {line}"))).collect();
        let (width, height) = (80.min(area.width), (lines.len() as u16 + 2).min(area.height));
        let place = Rect { x: (area.width - width) / 2, y: (area.height - height) / 2, width, height };
        frame.render_widget(Clear, place);
        frame.render_widget(Paragraph::new(lines).block(Block::bordered().title(" Keys ")), place);
    }

    fn age(&self, since: Timestamp) -> String {
        render::lasting(self.now.millis() - since.millis())
    }

    fn clock(&self, at: Timestamp) -> String {
        clock(at, self.zone)
    }
}

const HELP: &str = "
LOOK                                   ACT (after !, or with --control)
up, down, j, k  choose a worker        a      answer the question
Enter           its output             y, Y   allow it; likewise from now on
Tab, 1 to 5     another pane           d      forbid it, with your words
PgUp, PgDn      scroll the pane        s      stop the worker
Home, End       its beginning or end   r      restart it
n               read the question,     i      interrupt its turn
                then the next          t      push a new task
/               filter all lists       S      stop all workers
Esc             no filter
!               act, or only look      q      leave; Ctrl+C the same

COST    ?: what some run used up is not known
STATES  busy, idle: has nothing to do, needs_input: waits for you, limited:
        by the service, stalled: gives no sign, restarting: begins again soon

Any key closes this.
";

/// A sign for each state, for whoever sees no colours.
fn mark(state: worker::State) -> (char, Color) {
    use worker::State;
    match state {
        State::Busy => ('*', Color::Green),
        State::NeedsInput => ('?', Color::Yellow),
        State::Stalled | State::Failed => ('!', Color::Red),
        State::Limited | State::Paused => ('=', Color::Magenta),
        State::Starting | State::Restarting | State::Stopping | State::Wanted => ('~', Color::Cyan),
        State::Idle | State::Stopped => ('-', Color::Reset),
    }
}

/// An event as a person reads it, with the time of day.
pub(in crate::cli) fn event_line(event: &EventLine, zone: &TimeZone) -> String {
    one_line(&format!("{}  {}", clock(event.at, zone), event.words()))
}

fn clock(at: Timestamp, zone: &TimeZone) -> String {
    match jiff::Timestamp::from_millisecond(at.millis()) {
        Ok(at) => at.to_zoned(zone.clone()).strftime("%H:%M:%S").to_string(),
        Err(_) => at.to_string(),
    }
}

/// Harmless to a terminal, and in one row.
fn one_line(text: &str) -> String {
    safe::for_people(text).chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn padded(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(text.width())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::top::stage::seen;
    use crate::cli::top::state::Act;
    use crate::cli::top::state::Key;
    use crate::cli::top::state::Leaves;
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;
    use ratatui::buffer::Buffer;

    fn buffer(seen: &Overview, state: &State, size: (u16, u16), colored: bool) -> Buffer {
        let zone = TimeZone::UTC;
        let now = seen.at.plus_millis(90_000);
        let scene = Scene { seen, state, now, output: &[], zone: &zone, colored };
        let mut terminal = Terminal::new(TestBackend::new(size.0, size.1)).unwrap();
        terminal.draw(|frame| scene.draw(frame)).unwrap();
        terminal.backend().buffer().clone()
    }

    fn rows(buffer: &Buffer) -> Vec<String> {
        let row = |row: &[ratatui::buffer::Cell]| row.iter().map(|cell| cell.symbol()).collect::<String>();
        buffer.content().chunks(buffer.area.width.into()).map(|cells| row(cells).trim_end().to_owned()).collect()
    }

    fn settled(seen: &Overview) -> State {
        let mut state = State::default();
        state.settle(seen);
        state
    }

    #[test]
    fn all_that_matters_stands_on_the_smallest_screen() {
        let seen = seen();
        let rows = rows(&buffer(&seen, &settled(&seen), (80, 24), false));
        let expected = [
            " orch-mcp   3 workers  ·  1 in progress, 1 waiting  ·  $1.50+? today",
            " You are asked (2)",
            ">q-1 docs-1, 1m: Which one?  [1 red, 2 blue]",
            " q-2 docs-1, 1m: Which one?",
            " WORKER     STATE          AGE  DONE  RESTARTS      COST  DOING",
            ">builder-1  * busy          1m     0         0   $1.50+?  task-1 �[2JAdd export",
            " docs-1     ? needs_input   1m     0         0   $1.50+?",
            " docs-2     ! stalled       1m     0         0   $1.50+?",
            "",
            " 1 Queue 2   2 Messages   3 Events   4 Team   5 Output",
            " task-1   in progress   1m  �[2JAdd export",
            " task-2   waiting       1m  Describe it: waits for task-1",
        ];
        assert_eq!(rows[..expected.len()], expected);
        assert_eq!(rows[23], " q leave  ? help  ! act  n question  ↑↓ worker  Enter output  Tab pane");
    }

    /// The question that somebody decides, with a command of so many lines.
    fn request(lines: usize) -> Overview {
        let mut seen = seen();
        seen.questions.remove(0);
        let command: Vec<String> = (1..=lines).map(|line| format!("step {line} of what it does")).collect();
        seen.questions[0].text = format!("May docs-1 run this?\n{}", command.join("\n"));
        seen
    }

    fn bottom(rows: &[String]) -> &str {
        &rows[23]
    }

    #[test]
    fn what_is_allowed_stands_there_whole_before_the_question_whether() {
        let pressed = |state: &mut State, seen: &Overview, key| {
            state.press(key, seen);
            rows(&buffer(seen, state, (80, 24), false))
        };
        let seen = request(3);
        let mut state = State { controls: true, ..settled(&seen) };
        let shown = pressed(&mut state, &seen, Key::Char('y'));
        for line in
            [" q-2  docs-1 asks, 1m ago", " May docs-1 run this?", " step 1 of what it does", " step 3 of what it does"]
        {
            assert!(shown.contains(&line.to_owned()), "{line}: {shown:?}");
        }
        assert_eq!(bottom(&shown), " allow this once? y: yes, any other key: no");
        assert!(state.press(Key::Char('y'), &seen).is_some());

        let seen = request(90);
        let mut state = State { controls: true, ..settled(&seen) };
        let shown = pressed(&mut state, &seen, Key::Char('y'));
        assert_eq!(bottom(&shown), " allow this once? First read on, with PgDn; Esc: no");
        assert_eq!(state.press(Key::Char('y'), &seen), None);
        let shown = pressed(&mut state, &seen, Key::End);
        assert!(bottom(&shown).contains("First read on"), "{shown:?}");
        pressed(&mut state, &seen, Key::Home);
        (0..6).for_each(|_| drop(pressed(&mut state, &seen, Key::PageDown)));
        let shown = pressed(&mut state, &seen, Key::End);
        assert!(shown.contains(&" step 90 of what it does".to_owned()), "{shown:?}");
        assert_eq!(bottom(&shown), " allow this once? y: yes, any other key: no");
        assert!(state.press(Key::Char('y'), &seen).is_some());
    }

    #[test]
    fn a_question_is_read_with_its_options_and_the_prompt_says_how_it_is_answered() {
        let seen = seen();
        let mut state = State { controls: true, ..settled(&seen) };
        state.press(Key::Char('n'), &seen);
        let shown = rows(&buffer(&seen, &state, (80, 24), false));
        assert!([" 1. red", " 2. blue"].iter().all(|row| shown.contains(&(*row).to_owned())), "{shown:?}");
        assert_eq!(bottom(&shown), " Esc back  a answer  n next question");
        state.press(Key::Char('a'), &seen);
        let shown = rows(&buffer(&seen, &state, (80, 24), false));
        assert_eq!(bottom(&shown), " answer to q-1 (a number, or your words; Enter sends, Esc leaves): _");
        let long = "a long answer that goes on and on, and whose end is what one sees";
        long.chars().for_each(|c| drop(state.press(Key::Char(c), &seen)));
        let shown = rows(&buffer(&seen, &state, (80, 24), false));
        assert_eq!(bottom(&shown), format!(" {long}_"));
        assert!(shown[22].starts_with(" answer to q-1 ("));
        let Some(Act::Ask { typed, .. }) = state.press(Key::Enter, &seen) else { panic!("{:?}", state.mode) };
        state.refused(format!("{} for the last time", "no such option, ".repeat(8)), typed);
        let shown = rows(&buffer(&seen, &state, (80, 24), false)).concat();
        assert!(shown.contains("for the last time") && shown.contains(long), "{shown}");
    }

    #[test]
    fn how_to_leave_stands_on_the_smallest_screen() {
        let seen = seen();
        for controls in [false, true] {
            let state = State { controls, leaves: Leaves::Workers, ..settled(&seen) };
            let (zone, now) = (TimeZone::UTC, seen.at);
            let scene = Scene { seen: &seen, state: &state, now, output: &[], zone: &zone, colored: false };
            let bar: String = scene.foot(80)[0].spans.iter().map(|span| span.content.as_ref()).collect();
            assert!(bar.starts_with(" q stop all  ? help  ") && !bar.contains('…'), "{bar}");
            let state = State { mode: Mode::Parts { workers: 8 }, ..state };
            let shown = rows(&buffer(&seen, &state, (80, 24), false)).join(" ");
            assert!(shown.contains("d: they go on (as --detach), any other") && shown.ends_with("key: no"));
        }
    }

    #[test]
    fn what_waits_says_for_how_many_and_whether_one_of_them_failed() {
        let mut seen = seen();
        let line = &mut seen.queue[1];
        line.waits_for[0].status = "failed".to_owned();
        line.waits_for_more = 1;
        let shown = rows(&buffer(&seen, &settled(&seen), (100, 24), false)).concat();
        assert!(shown.contains("Describe it: waits for task-1, which failed and 1 more"), "{shown}");
    }

    #[test]
    fn the_keys_stand_in_a_frame_on_the_smallest_screen() {
        let seen = seen();
        let mut state = settled(&seen);
        state.press(Key::Char('?'), &seen);
        let shown = rows(&buffer(&seen, &state, (80, 24), false));
        let top = shown.iter().position(|row| row.contains("Keys")).expect("a frame");
        let bottom = shown.iter().rposition(|row| row.starts_with('└')).expect("its end");
        assert!(shown[top + 1..bottom].iter().all(|row| row.starts_with('│') && row.ends_with('│')), "{shown:?}");
        assert!(shown[top..bottom].iter().any(|row| row.contains("Any key closes this.")), "{shown:?}");
        let widest = HELP.lines().map(UnicodeWidthStr::width).max();
        assert!(widest <= Some(77), "a frame and a blank beside {widest:?} columns");
    }

    #[test]
    fn the_output_says_whose_it_is() {
        let seen = seen();
        let mut state = settled(&seen);
        state.press(Key::Enter, &seen);
        let shown = rows(&buffer(&seen, &state, (80, 24), false)).concat();
        assert!(shown.contains("5 Output of builder-1"), "{shown}");
    }

    #[test]
    fn a_smaller_screen_says_so_and_none_is_too_small_to_draw_on() {
        let seen = seen();
        for size in [(1, 1), (20, 3), (79, 24), (80, 23), (300, 100)] {
            buffer(&seen, &settled(&seen), size, true);
        }
        assert_eq!(rows(&buffer(&seen, &settled(&seen), (79, 24), true))[0], "this screen needs 80x24, and has 79x24");
    }

    #[test]
    fn without_colours_nothing_is_coloured_and_states_differ_by_their_signs() {
        let seen = seen();
        let colored = |wanted| {
            let buffer = buffer(&seen, &settled(&seen), (80, 24), wanted);
            buffer.content().iter().any(|cell| cell.fg != Color::Reset || cell.bg != Color::Reset)
        };
        assert_eq!((colored(true), colored(false)), (true, false));
    }

    #[test]
    fn nothing_that_others_wrote_steers_the_terminal() {
        let seen = seen();
        for key in ['1', '3'] {
            let mut state = settled(&seen);
            state.press(Key::Char(key), &seen);
            let rows = rows(&buffer(&seen, &state, (80, 24), true));
            assert!(rows.iter().any(|row| row.contains("Add export")), "{rows:?}");
            assert!(!rows.concat().contains(char::is_control));
        }
    }

    #[test]
    fn the_chosen_worker_is_always_among_those_that_are_shown() {
        let mut seen = seen();
        let text = serde_json::to_value(&seen.workers[0]).unwrap();
        seen.workers = (0..40)
            .map(|n| {
                let mut worker = text.clone();
                worker["name"] = format!("w-{n}").into();
                serde_json::from_value(worker).unwrap()
            })
            .collect();
        for chosen in ["w-0", "w-17", "w-39"] {
            let state = State { worker: Some(chosen.to_owned()), ..State::default() };
            let rows = rows(&buffer(&seen, &state, (80, 24), false));
            assert!(rows.iter().any(|row| row.starts_with(&format!(">{chosen} "))), "{rows:?}");
            assert!(rows.iter().any(|row| row.starts_with(" WORKER")), "{rows:?}");
        }
    }
}
