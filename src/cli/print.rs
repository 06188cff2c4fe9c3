//! All that is printed goes through here, filtered: data to standard output, everything else to standard error.

use crate::error::Error;
use crate::model::safe;
use crate::ops::render;
use serde_json::Value;
use serde_json::json;
use std::io;
use std::io::IsTerminal;
use std::io::Write;
use std::os::fd::AsFd;
use unicode_width::UnicodeWidthChar;

/// How answers are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Table,
    Json,
    Jsonl,
    Ids,
}

impl Format {
    pub(super) const WORDS: &[&str] = &["table", "json", "jsonl", "ids"];

    pub(super) fn of_word(word: &str) -> Option<Format> {
        match word {
            "table" => Some(Format::Table),
            "json" => Some(Format::Json),
            "jsonl" => Some(Format::Jsonl),
            "ids" => Some(Format::Ids),
            _ => None,
        }
    }
}

/// An answer in every form it may be printed in.
pub(super) struct Answer<'a> {
    pub(super) data: &'a Value,
    pub(super) ids: &'a [String],
    pub(super) unread: Option<u32>,
    pub(super) text: &'a dyn Fn() -> String,
}

/// Where the terminal does not say how wide it is.
const PROGRESS_WIDTH: usize = 80;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    Plain,
    Bold,
    Dim,
}

#[derive(Clone)]
pub(super) struct Printer {
    pub(super) format: Format,
    pub(super) quiet: bool,
    is_asked_for: bool,
    out_terminal: bool,
    err_terminal: bool,
    out_styled: bool,
    err_styled: bool,
}

impl Printer {
    /// `format` and `styled` decide for themselves where nothing is asked for: by whether a person looks.
    pub(super) fn new(format: Option<Format>, quiet: bool, styled: impl Fn(bool) -> bool) -> Printer {
        let out_terminal = io::stdout().is_terminal();
        let err_terminal = io::stderr().is_terminal();
        Printer {
            format: format.unwrap_or(if out_terminal { Format::Table } else { Format::Json }),
            quiet,
            is_asked_for: format.is_some(),
            out_terminal,
            err_terminal,
            out_styled: styled(out_terminal),
            err_styled: styled(err_terminal),
        }
    }

    /// Does a person read standard output?
    pub(super) fn person_reads(&self) -> bool {
        self.out_terminal
    }

    /// In colours, unless somebody wants none.
    pub(super) fn paints(&self) -> bool {
        self.out_styled
    }

    pub(super) fn answer(&self, answer: &Answer) -> io::Result<()> {
        let text = match self.format {
            Format::Table if is_list(answer.data) => self.table(&(answer.text)()),
            Format::Table => line(safe::for_people((answer.text)().trim_end()).into_owned()),
            Format::Json => line(safe::for_programs(render::envelope(answer.data, answer.unread).to_string())),
            Format::Jsonl => {
                elements(answer.data).iter().map(|one| line(safe::for_programs(one.to_string()))).collect()
            }
            Format::Ids => answer.ids.iter().map(|id| line(safe::for_people(id).into_owned())).collect(),
        };
        write_out(&text)
    }

    /// An answer whose text is worth a file: that, also where no person looks, unless another form was asked for.
    pub(super) fn document(&self, answer: &Answer) -> io::Result<()> {
        match self.format {
            Format::Json | Format::Jsonl | Format::Ids if self.is_asked_for => self.answer(answer),
            _ => self.file(&line((answer.text)().trim_end().to_owned())),
        }
    }

    /// Text for people on standard output: help, a script, a page of the manual.
    pub(super) fn text(&self, text: &str) -> io::Result<()> {
        write_out(&safe::for_people(text))
    }

    /// What is to be a file, byte by byte: filtered only where a terminal shows it.
    pub(super) fn file(&self, text: &str) -> io::Result<()> {
        if self.out_terminal { self.text(text) } else { print(text) }
    }

    /// One of many things as they come, in a line; as JSON for programs. That nobody is there to read is the end of them.
    pub(super) fn record(&self, data: &Value, text: &dyn Fn() -> String) -> io::Result<()> {
        match self.format {
            Format::Table => print(&line(safe::for_people(text().trim_end()).into_owned())),
            Format::Json | Format::Jsonl | Format::Ids => self.object(data),
        }
    }

    /// One of many things as they come, for a program. That nobody is there to read is the end of them.
    pub(super) fn object(&self, data: &Value) -> io::Result<()> {
        print(&line(safe::for_programs(data.to_string())))
    }

    /// JSON on standard output for whoever waits for it. That nobody is there to read it is a failure.
    pub(super) fn must_be_read(&self, json: String) -> io::Result<()> {
        print(&format!("{}\n", safe::for_programs(json)))
    }

    /// What may interest a person besides the data.
    pub(super) fn note(&self, text: &str) {
        if !self.quiet {
            self.complain(&[(Style::Dim, text)]);
        }
    }

    /// How far something long is, on a line that the next one takes the place of. For a person at a terminal, and nobody else.
    pub(super) fn progress(&self, text: &str) {
        if self.shows_progress() {
            let width = terminal_width().unwrap_or(PROGRESS_WIDTH).saturating_sub(1);
            write_err(&format!("\r\x1b[K{}", paint(Style::Dim, &cut(&safe::for_people(text), width), self.err_styled)));
        }
    }

    /// What was told of progress goes, so that something else can stand there.
    pub(super) fn end_of_progress(&self) {
        if self.shows_progress() {
            write_err("\r\x1b[K");
        }
    }

    pub(super) fn shows_progress(&self) -> bool {
        self.err_terminal && !self.quiet
    }

    /// A note that only somebody who looks at both streams has use for.
    pub(super) fn aside(&self, text: &str) {
        if self.err_terminal && self.out_terminal && self.format == Format::Table {
            self.note(text);
        }
    }

    /// What failed, why, and what to do next.
    pub(super) fn error(&self, what: &str, error: &Error) {
        if self.reports_json() {
            write_err(&line(safe::for_programs(json!({ "error": error }).to_string())));
            return;
        }
        let code = error.kind.code();
        self.complain(&[(Style::Bold, "error: "), (Style::Plain, &format!("{what} failed ({code})"))]);
        self.complain(&[(Style::Plain, &format!("  {}", error.message))]);
        if let Some(hint) = &error.hint {
            self.complain(&[(Style::Dim, &format!("  hint: {hint}"))]);
        }
    }

    /// What must be on standard error whatever was asked for: a client reads it there.
    pub(super) fn aloud(&self, text: &str) {
        let _ = writeln!(io::stderr(), "{}", safe::for_people(text));
    }

    pub(super) fn help_on_stderr(&self, help: &str) {
        write_err(&safe::for_people(help));
    }

    /// Errors are JSON for whoever reads the data as JSON.
    fn reports_json(&self) -> bool {
        match self.format {
            Format::Table => false,
            Format::Json | Format::Jsonl => true,
            Format::Ids => !self.out_terminal,
        }
    }

    fn complain(&self, spans: &[(Style, &str)]) {
        let painted: String =
            spans.iter().map(|(style, text)| paint(*style, &safe::for_people(text), self.err_styled)).collect();
        write_err(&line(painted));
    }

    /// Filtered, its heading emphasised, and cut to the terminal where it is a table: half a line that wrapped is
    /// harder to read than a line that ends early, and `--json` has all of it.
    fn table(&self, text: &str) -> String {
        let safe = safe::for_people(text.trim_end());
        let mut lines = safe.lines();
        let first = lines.next().unwrap_or_default();
        if !is_heading(first) {
            return line(safe.into_owned());
        }
        let width = if self.out_terminal { terminal_width() } else { None };
        let fit = |text: &str| width.map_or_else(|| text.to_owned(), |width| cut(text, width));
        let mut table = line(paint(Style::Bold, &fit(first), self.out_styled));
        let mut in_table = true;
        for one in lines {
            // What stands under the table is prose.
            in_table &= !one.is_empty();
            table.push_str(&line(if in_table { fit(one) } else { one.to_owned() }));
        }
        table
    }
}

/// What an answer lists, if it is a list of something: then the list comes first in it.
fn listed(data: &Value) -> Option<&Vec<Value>> {
    data.as_object()?.values().next()?.as_array()
}

fn is_list(data: &Value) -> bool {
    listed(data).is_some()
}

/// The elements of an answer that is a list of something, else the answer itself.
fn elements(data: &Value) -> &[Value] {
    listed(data).map_or(std::slice::from_ref(data), Vec::as_slice)
}

fn is_heading(line: &str) -> bool {
    line.contains("  ") && line.chars().any(char::is_alphabetic) && !line.chars().any(char::is_lowercase)
}

fn line(mut text: String) -> String {
    text.push('\n');
    text
}

fn paint(style: Style, text: &str, styled: bool) -> String {
    match style {
        Style::Bold if styled => format!("\x1b[1m{text}\x1b[0m"),
        Style::Dim if styled => format!("\x1b[2m{text}\x1b[0m"),
        Style::Plain | Style::Bold | Style::Dim => text.to_owned(),
    }
}

/// `1 task`, `2 tasks`.
pub(super) fn counted(count: u64, one: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {one}s") }
}

/// The line, or as much of it as fits before an ellipsis.
pub(super) fn cut(line: &str, width: usize) -> String {
    let columns = |c: char| c.width().unwrap_or(0);
    if width <= 1 || line.chars().map(columns).sum::<usize>() <= width {
        return line.to_owned();
    }
    let mut used = 0;
    let fits = |c: &char| {
        used += columns(*c);
        used < width
    };
    line.chars().take_while(fits).chain(['…']).collect()
}

/// Columns of the terminal that shows what we print, if one does.
/// Standard output, for a program that stands in for another one.
pub(super) fn output() -> impl Write {
    io::stdout()
}

pub(super) fn terminal_width() -> Option<usize> {
    let width = |stream: std::os::fd::BorrowedFd| rustix::termios::tcgetwinsize(stream).ok();
    let size = width(io::stdout().as_fd()).or_else(|| width(io::stderr().as_fd()))?;
    (size.ws_col > 0).then_some(usize::from(size.ws_col))
}

fn write_out(text: &str) -> io::Result<()> {
    match print(text) {
        // Whoever read us has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush())
}

fn write_err(text: &str) {
    // Nobody is left to tell that standard error is closed.
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// Standard error for the log, filtered like all the rest. Each line of the log comes as one write.
#[derive(Clone, Copy, Debug)]
pub(super) struct LogWriter;

impl Write for LogWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        write_err(&safe::for_people(&String::from_utf8_lossy(bytes)));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    fn printer(format: Format) -> Printer {
        Printer {
            format,
            quiet: false,
            is_asked_for: true,
            out_terminal: false,
            err_terminal: false,
            out_styled: true,
            err_styled: true,
        }
    }

    #[test]
    fn an_answer_in_json_has_its_envelope() {
        let data = json!({"task": {"title": "\u{1b}[2J"}});
        assert_eq!(
            safe::for_programs(render::envelope(&data, Some(2)).to_string()),
            r#"{"schema_version":1,"data":{"task":{"title":"\u001b[2J"}},"warnings":[],"unread":2}"#
        );
        assert!(render::envelope(&data, None).get("unread").is_none());
    }

    #[test]
    fn jsonl_is_the_elements_of_a_list_and_else_the_answer() {
        let list = json!({"tasks": [{"id": 1}, {"id": 2}], "total": 2});
        assert_eq!(elements(&list), [json!({"id": 1}), json!({"id": 2})]);
        assert!(elements(&json!({"tasks": [], "total": 0})).is_empty());
        let sent = json!({"message_id": "msg-1", "recipients": ["a", "b"]});
        assert_eq!(elements(&sent), std::slice::from_ref(&sent));
    }

    #[test]
    fn a_heading_is_told_from_prose_and_styled_after_the_filter() {
        assert!(is_heading("ID  STATUS  TITLE") && !is_heading("3 tasks") && !is_heading("Task  x") && !is_heading(""));
        let table = printer(Format::Table).table("ID  TITLE\n1   \u{1b}[31mred\n\nmore\n");
        assert_eq!(table, "\x1b[1mID  TITLE\x1b[0m\n1   \u{fffd}[31mred\n\nmore\n");
    }

    #[test]
    fn a_long_line_is_cut_by_columns_not_by_characters() {
        assert_eq!(cut("abcdef", 6), "abcdef");
        assert_eq!(cut("abcdefg", 6), "abcde…");
        assert_eq!(cut("日本語です", 8), "日本語…");
    }

    #[test]
    fn errors_are_json_for_those_who_read_json() {
        assert!(printer(Format::Json).reports_json() && printer(Format::Ids).reports_json());
        assert!(!printer(Format::Table).reports_json());
        let error = json!({ "error": Error::new(Kind::Refused, "no").hint("ask") });
        assert_eq!(error.to_string(), r#"{"error":{"code":"refused","message":"no","hint":"ask"}}"#);
    }
}
