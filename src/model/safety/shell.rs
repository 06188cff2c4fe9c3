//! A line for a shell, read as far as it must be to see which commands it runs: words with their quotes taken away, what
//! stands in substitutions and subshells, what goes into files. In one pass, whatever the text is.

use crate::model::safety::program::is_variable;
use crate::model::safety::quotes::whole_variable;
use crate::model::safety::said;

/// Deeper nobody nests what is meant to be read.
const DEPTH_MAX: usize = 24;

/// Texts that are given to a command in the line and never end: each is looked for to the end of the line.
const ENDLESS_MAX: usize = 16;

/// What is given to a loop is read at its head.
const READER_WITHIN: usize = 32;

/// Behind one of these a command begins.
const BEFORE_A_COMMAND: [&str; 10] = ["if", "then", "elif", "else", "while", "until", "do", "!", "{", "coproc"];

/// By themselves these run nothing.
const OF_THE_SYNTAX: [&str; 4] = ["}", "fi", "done", "esac"];

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Word {
    /// Without its quotes. What the shell would fill in stands there as it was written.
    pub text: String,
    /// The shell fills something in that is not known here.
    pub is_open: bool,
    /// Some of it stands in quotes, or behind a backslash.
    pub is_quoted: bool,
    /// It is one variable and nothing else.
    pub variable: Option<String>,
    /// What is filled in, each with its place in the text, and in this order.
    pub holes: Vec<Hole>,
    /// `NAME=(…)`
    pub list: Option<Vec<Word>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hole {
    pub at: usize,
    pub length: usize,
    /// `None` where nobody can say.
    pub filling: Option<Filling>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filling {
    Variable(String),
    /// The top of the worktree.
    Top,
    /// What stands there already: a command prints it, or something like it.
    Said,
}

impl Word {
    pub(super) fn leaves_open(&mut self, written: &str, filling: Option<Filling>) {
        self.holes.push(Hole { at: self.text.len(), length: written.len(), filling });
        self.text.push_str(written);
        self.is_open = true;
    }

    pub(super) fn is_hearsay(&self) -> bool {
        self.holes.iter().any(|hole| hole.filling == Some(Filling::Said))
    }

    pub fn plain(text: &str) -> Word {
        Word { text: text.to_owned(), ..Word::default() }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Command {
    /// With the variables that are set for it.
    pub words: Vec<Word>,
    /// Files that are emptied before anything is written to them.
    pub overwrites: Vec<Word>,
    /// Files that get more.
    pub appends: Vec<Word>,
    /// What stands in the line for it to read.
    pub input: Option<String>,
    /// It reads what the command before it says.
    pub is_piped: bool,
    /// It is a `read`: seen once, as the end of each loop around it looks for one.
    is_reader: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A shell of its own begins: where it goes, the one around it does not.
    Enter,
    Leave,
    Command(Command),
    /// What follows is done with a variable set to one word after the other. First its name, then `in`.
    Each(Vec<Word>),
    /// From here on nobody can say what it does.
    Unreadable,
}

pub fn read(line: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    Reader { text: line, at: 0, depth: 0, in_arithmetic: 0, awaited: Vec::new(), endless: 0, steps: &mut steps }
        .script(None);
    steps
}

pub(super) struct Reader<'a> {
    pub(super) text: &'a str,
    pub(super) at: usize,
    depth: usize,
    /// There `<<` and `#` are nothing special.
    in_arithmetic: usize,
    awaited: Vec<Awaited>,
    endless: usize,
    pub(super) steps: &'a mut Vec<Step>,
}

/// A text that begins on the next line.
struct Awaited {
    end: String,
    is_literal: bool,
    strips_tabs: bool,
    /// The place among the steps of the command that reads it, once it is there.
    reader: Option<usize>,
}

/// What has been read of a command.
#[derive(Default)]
struct Begun {
    command: Command,
    /// `case` stands at its beginning, or `for`: what follows up to the next separator is no command.
    head: Option<Head>,
    /// A loop ends here, which began at this place among the steps: what it is given, commands in it read.
    loop_at: Option<usize>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Head {
    Case,
    Each,
    Other,
}

impl Reader<'_> {
    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    pub(super) fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    pub(super) fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    pub(super) fn takes(&mut self, sign: &str) -> bool {
        let is_there = self.rest().starts_with(sign);
        if is_there {
            self.at += sign.len();
        }
        is_there
    }

    pub(super) fn give_up(&mut self) {
        self.steps.push(Step::Unreadable);
        self.at = self.text.len();
    }

    /// Commands up to `end`, or to the end of all.
    fn script(&mut self, end: Option<char>) {
        let mut begun = Begun::default();
        // Parentheses that are open here, and conditions in which one stands alone.
        let (mut open, mut cases) = (0_usize, 0_usize);
        let mut in_pattern = false;
        let mut loops: Vec<usize> = Vec::new();
        while let Some(c) = self.peek() {
            match c {
                ' ' | '\t' | '\r' => drop(self.next()),
                '\\' if self.takes("\\\n") => {}
                '#' if self.in_arithmetic == 0 => self.at += self.rest().find('\n').unwrap_or(self.rest().len()),
                '\n' => {
                    self.next();
                    self.finish(&mut begun, false);
                    self.read_awaited();
                }
                ';' => {
                    self.next();
                    self.finish(&mut begun, false);
                    if self.takes(";") || self.takes("&") {
                        in_pattern = cases > 0;
                    }
                }
                '&' if self.rest().starts_with("&>") => self.redirect(&mut begun),
                '&' => {
                    self.next();
                    self.takes("&");
                    self.finish(&mut begun, false);
                }
                '|' => {
                    self.next();
                    let is_pipe = !self.takes("|");
                    self.takes("&");
                    if in_pattern {
                        begun.command.words.clear();
                    } else {
                        self.finish(&mut begun, is_pipe);
                    }
                }
                '(' if in_pattern => drop(self.next()),
                '(' => {
                    self.next();
                    // `name()` begins a function, whose commands are read as if they ran.
                    if begun.command.words.len() == 1 && self.takes(")") {
                        begun = Begun::default();
                        continue;
                    }
                    self.finish(&mut begun, false);
                    if self.takes("(") && self.arithmetic() {
                        continue;
                    }
                    open += 1;
                    self.steps.push(Step::Enter);
                }
                ')' if in_pattern => {
                    self.next();
                    begun = Begun::default();
                    in_pattern = false;
                }
                ')' if open > 0 => {
                    self.next();
                    self.finish(&mut begun, false);
                    open -= 1;
                    self.steps.push(Step::Leave);
                }
                ')' => {
                    self.next();
                    self.finish(&mut begun, false);
                    if end == Some(')') {
                        return self.leave(open);
                    }
                }
                '<' | '>' if self.in_arithmetic == 0 => self.redirect(&mut begun),
                '<' | '>' => drop(self.next()),
                _ => {
                    let word = self.word();
                    let is_bare = !word.is_quoted && !word.is_open;
                    let text = if is_bare { word.text.as_str() } else { "" };
                    // The number of what is redirected.
                    if self.rest().starts_with(['<', '>'])
                        && !text.is_empty()
                        && text.bytes().all(|b| b.is_ascii_digit())
                    {
                        continue;
                    }
                    let is_first = begun.command.words.is_empty() && begun.head.is_none();
                    match text {
                        "esac" if in_pattern || is_first => {
                            cases = cases.saturating_sub(1);
                            in_pattern = false;
                        }
                        _ if in_pattern => {}
                        "case" if is_first => {
                            cases += 1;
                            begun.head = Some(Head::Case);
                        }
                        "for" | "select" if is_first => {
                            loops.push(self.steps.len());
                            begun.head = Some(Head::Each);
                        }
                        "while" | "until" if is_first => loops.push(self.steps.len()),
                        "done" if is_first => begun.loop_at = loops.pop(),
                        "function" if is_first => begun.head = Some(Head::Other),
                        "in" if begun.head == Some(Head::Case) => {
                            begun = Begun::default();
                            in_pattern = true;
                        }
                        // A function's body follows its name at once.
                        "{" if begun.head == Some(Head::Other) => begun = Begun::default(),
                        _ if begun.head.is_some_and(|head| head != Head::Each) => {}
                        _ if is_first && BEFORE_A_COMMAND.contains(&text) => {}
                        _ if is_first && OF_THE_SYNTAX.contains(&text) => {}
                        _ => begun.command.words.push(word),
                    }
                }
            }
        }
        self.finish(&mut begun, false);
        // What should have ended and did not is not run at all, unless it was misread.
        if end.is_some() {
            self.steps.push(Step::Unreadable);
        }
        self.leave(open);
    }

    fn leave(&mut self, open: usize) {
        self.steps.extend(std::iter::repeat_n(Step::Leave, open));
    }

    fn finish(&mut self, begun: &mut Begun, is_pipe: bool) {
        let Begun { mut command, head, loop_at } = std::mem::take(begun);
        if let Some(reader) = loop_at.and_then(|from| self.reader_in(from)) {
            self.give_awaited(reader);
            if let Step::Command(read) = &mut self.steps[reader] {
                read.input = command.input.clone();
            }
        }
        if head == Some(Head::Each) {
            self.steps.push(Step::Each(command.words));
            begun.command.is_piped = command.is_piped;
            return;
        }
        let is_empty = command.words.is_empty() && command.overwrites.is_empty() && command.appends.is_empty();
        // A line may end behind a `|`.
        begun.command.is_piped = is_pipe || is_empty && command.is_piped;
        if is_empty {
            return;
        }
        self.give_awaited(self.steps.len());
        command.is_reader =
            command.words.iter().find(|word| !is_variable(word)).is_some_and(|word| word.text == "read");
        self.steps.push(Step::Command(command));
    }

    /// Texts that nobody reads yet are the last ones, so nothing is looked at again that has its reader.
    fn give_awaited(&mut self, reader: usize) {
        let unread = self.awaited.iter_mut().rev().take_while(|one| one.reader.is_none());
        unread.for_each(|one| one.reader = Some(reader));
    }

    fn reader_in(&self, from: usize) -> Option<usize> {
        let reads = |step: &Step| match step {
            Step::Command(command) => command.is_reader && !command.is_piped && command.input.is_none(),
            _ => false,
        };
        self.steps[from..].iter().take(READER_WITHIN).position(reads).map(|at| from + at)
    }

    /// Numbers, in which only a substitution runs anything. Were they two shells, one in the other, the outer one is open still.
    pub(super) fn arithmetic(&mut self) -> bool {
        self.in_arithmetic += 1;
        self.inside(Some(')'));
        self.in_arithmetic -= 1;
        self.takes(")")
    }

    /// What stands in parentheses, in a shell of its own.
    pub(super) fn inside(&mut self, end: Option<char>) {
        if self.depth >= DEPTH_MAX {
            return self.give_up();
        }
        self.depth += 1;
        self.steps.push(Step::Enter);
        let outer = std::mem::take(&mut self.awaited);
        self.script(end);
        self.awaited = outer;
        self.steps.push(Step::Leave);
        self.depth -= 1;
    }

    /// Another text, in which commands run: as a whole, or only what is substituted in it.
    pub(super) fn apart(&mut self, text: &str, is_script: bool) {
        if self.depth >= DEPTH_MAX {
            return self.give_up();
        }
        let mut other = Reader {
            text,
            at: 0,
            depth: self.depth + 1,
            in_arithmetic: 0,
            awaited: Vec::new(),
            endless: self.endless,
            steps: self.steps,
        };
        other.steps.push(Step::Enter);
        if is_script {
            other.script(None);
        } else {
            other.double_quoted(&mut Word::default(), None);
        }
        other.steps.push(Step::Leave);
        self.endless = other.endless;
    }

    fn redirect(&mut self, begun: &mut Begun) {
        let with_errors = self.takes("&");
        if self.takes("<<<") {
            self.skip_blanks();
            begun.command.input = Some(self.word().text);
            return;
        }
        if self.takes("<<") {
            let strips_tabs = self.takes("-");
            self.skip_blanks();
            let end = self.word();
            self.awaited.push(Awaited { end: end.text, is_literal: end.is_quoted, strips_tabs, reader: None });
            return;
        }
        for inside in ["<(", ">("] {
            if self.takes(inside) {
                let from = self.steps.len();
                self.inside(Some(')'));
                if inside.starts_with('<') {
                    begun.command.input = begun.command.input.take().or_else(|| said::by(&self.steps[from..]));
                }
                begun.command.words.push(Word { text: inside.to_owned(), is_open: true, ..Word::default() });
                return;
            }
        }
        if self.takes("<") && !self.takes(">") {
            self.takes("&");
            self.skip_blanks();
            self.word();
            return;
        }
        let appends = self.takes(">") && self.takes(">");
        self.takes("|");
        let is_number = !with_errors && self.takes("&");
        self.skip_blanks();
        let target = self.word();
        let names_no_file = is_number && target.text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
        match appends {
            _ if names_no_file => {}
            true => begun.command.appends.push(target),
            false => begun.command.overwrites.push(target),
        }
    }

    fn skip_blanks(&mut self) {
        while self.takes(" ") || self.takes("\t") || self.takes("\\\n") {}
    }

    /// What was to begin on this line.
    fn read_awaited(&mut self) {
        for one in std::mem::take(&mut self.awaited) {
            let Some(length) = end_of(self.rest(), &one) else {
                self.endless += 1;
                if self.endless > ENDLESS_MAX {
                    return self.give_up();
                }
                // So what follows is read as commands, which it may be.
                self.steps.push(Step::Unreadable);
                continue;
            };
            let body = &self.text[self.at..self.at + length];
            self.at += length;
            self.at += self.rest().find('\n').map_or(self.rest().len(), |end| end + 1);
            if let Some(Step::Command(reader)) = one.reader.and_then(|place| self.steps.get_mut(place)) {
                reader.input = Some(body.to_owned());
            }
            if !one.is_literal {
                self.apart(body, false);
            }
        }
    }

    /// A word, from where it begins.
    fn word(&mut self) -> Word {
        let mut word = Word::default();
        let begin = self.at;
        while let Some(c) = self.peek() {
            match c {
                '(' if word.text.ends_with('=') && is_variable(&word) && self.in_arithmetic == 0 => {
                    word.list = Some(self.list());
                    break;
                }
                ' ' | '\t' | '\r' | '\n' | ';' | '&' | '|' | '(' | ')' | '<' | '>' => break,
                '\\' => {
                    self.next();
                    if let Some(c) = self.next().filter(|c| *c != '\n') {
                        word.text.push(c);
                        word.is_quoted = true;
                    }
                }
                '\'' => {
                    self.next();
                    word.is_quoted = true;
                    let Some(length) = self.rest().find('\'') else { return self.cut_off(word) };
                    word.text.push_str(&self.text[self.at..self.at + length]);
                    self.at += length + 1;
                }
                '"' => {
                    self.next();
                    word.is_quoted = true;
                    self.double_quoted(&mut word, Some('"'));
                }
                '$' => self.dollar(&mut word, false),
                '`' => {
                    self.next();
                    self.backquoted(&mut word);
                }
                c => {
                    self.next();
                    word.text.push(c);
                }
            }
        }
        word.variable = whole_variable(&self.text[begin..self.at]).map(str::to_owned);
        word
    }

    /// Words in parentheses, which begin here.
    fn list(&mut self) -> Vec<Word> {
        let mut all = Vec::new();
        if self.depth >= DEPTH_MAX {
            self.give_up();
            return all;
        }
        self.depth += 1;
        self.next();
        while let Some(c) = self.peek() {
            match c {
                ')' => break,
                '#' => self.at += self.rest().find('\n').unwrap_or(self.rest().len()),
                ' ' | '\t' | '\r' | '\n' | ';' | '&' | '|' | '(' | '<' | '>' => drop(self.next()),
                _ => all.push(self.word()),
            }
        }
        self.depth -= 1;
        if !self.takes(")") {
            self.give_up();
        }
        all
    }

    fn cut_off(&mut self, word: Word) -> Word {
        self.give_up();
        Word { is_open: true, ..word }
    }
}

/// Where the text ends that is given to a command; the line that says so comes after it.
fn end_of(text: &str, one: &Awaited) -> Option<usize> {
    let mut begin = 0;
    for line in text.split_inclusive('\n') {
        let bare = line.trim_end_matches(['\n', '\r']);
        let bare = if one.strips_tabs { bare.trim_start_matches('\t') } else { bare };
        if bare == one.end {
            return Some(begin);
        }
        begin += line.len();
    }
    None
}
