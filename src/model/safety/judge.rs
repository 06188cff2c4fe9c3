//! A line is followed from command to command, and each is held against the rules.

use crate::model::path::team_path;
use crate::model::safety::At;
use crate::model::safety::Breach;
use crate::model::safety::SHOWN_CHARS_MAX;
use crate::model::safety::Safety;
use crate::model::safety::data::Directories;
use crate::model::safety::deeds;
use crate::model::safety::deeds::Deed;
use crate::model::safety::git;
use crate::model::safety::git::Git;
use crate::model::safety::own::Own;
use crate::model::safety::program;
use crate::model::safety::program::Behind;
use crate::model::safety::quotes::GIVEN;
use crate::model::safety::said;
use crate::model::safety::scripts;
use crate::model::safety::scripts::Done;
use crate::model::safety::shell;
use crate::model::safety::shell::Command;
use crate::model::safety::shell::Step;
use crate::model::safety::shell::Word;
use crate::model::safety::shown;
use crate::model::safety::variables::Variables;

/// A command in a command in a command.
const DEPTH_MAX: usize = 12;

/// Programs that run each other.
const RUNNERS_MAX: usize = 32;

/// No system goes into a directory with a longer name, and each step from there would read all of it.
const DIR_BYTES_MAX: usize = 4096;

/// As much of what a program is told as is looked at.
const TOLD_MAX: usize = 64;
const TEXT_MAX: usize = 1024;

pub(super) const UNREADABLE: &str = "runs what cannot be read here";

pub(super) fn line(safety: &Safety, text: &str, at: &At) -> Option<Breach> {
    let mut judge = Judge::new(safety, at);
    judge.line(text);
    if judge.is_unreadable && judge.worst.is_none() && looks_bad(safety, text, at) {
        judge.must_ask(UNREADABLE, shown(text));
    }
    judge.worst
}

pub(super) fn words(safety: &Safety, words: &[String], at: &At) -> Option<Breach> {
    let mut judge = Judge::new(safety, at);
    let words: Vec<Word> = words.iter().map(|word| Word { is_quoted: true, ..Word::plain(word) }).collect();
    judge.run(&words, None, false, false);
    judge.worst
}

/// Would any part of it break a rule, were it a command?
fn looks_bad(safety: &Safety, text: &str, at: &At) -> bool {
    let is_between = |c: char| ";&|\n(){}`".contains(c);
    // One for all parts: there may be many.
    let mut judge = Judge { depth: DEPTH_MAX, is_guess: true, ..Judge::new(safety, at) };
    let mut is_bad = |part: &str| {
        let words: Vec<Word> = part.split_whitespace().map(Word::plain).collect();
        judge.dir = at.dir.map(str::to_owned);
        judge.run(&words, None, false, false);
        judge.worst.is_some()
    };
    let without: String = text.chars().filter(|c| !matches!(c, '\'' | '"' | '\\')).collect();
    let parted: String = text.chars().map(|c| if matches!(c, '\'' | '"') { ';' } else { c }).collect();
    [without, parted].iter().any(|text| text.split(is_between).any(&mut is_bad))
}

pub(super) struct Judge<'a> {
    pub(super) safety: &'a Safety,
    pub(super) at: &'a At<'a>,
    pub(super) data: Directories,
    pub(super) own: Own,
    /// Where it has gone. `None` where nobody can tell.
    pub(super) dir: Option<String>,
    dirs: Vec<Option<String>>,
    variables: Variables,
    depth: usize,
    /// It only asks what a line would do, were it read otherwise.
    is_guess: bool,
    /// What the last command said, as far as its words tell.
    said: Option<String>,
    pub(super) is_unreadable: bool,
    pub(super) worst: Option<Breach>,
}

impl<'a> Judge<'a> {
    fn new(safety: &'a Safety, at: &'a At<'a>) -> Judge<'a> {
        Judge {
            safety,
            at,
            data: Directories::of(safety, at),
            own: Own::of(at),
            dir: at.dir.map(str::to_owned),
            dirs: Vec::new(),
            variables: Variables::default(),
            depth: 0,
            is_guess: false,
            said: None,
            is_unreadable: false,
            worst: None,
        }
    }

    fn line(&mut self, text: &str) {
        if self.depth >= DEPTH_MAX {
            return self.is_too_deep(text);
        }
        self.depth += 1;
        let level = self.dirs.len();
        for step in shell::read(text) {
            match step {
                Step::Enter => self.dirs.push(self.dir.clone()),
                Step::Leave if self.dirs.len() > level => self.dir = self.dirs.pop().flatten(),
                Step::Leave => {}
                Step::Unreadable => self.is_unreadable = true,
                Step::Command(command) => self.command(command),
                Step::Each(words) => self.each(words),
            }
        }
        self.dirs.truncate(level);
        self.depth -= 1;
    }

    /// In a shell of its own.
    fn line_apart(&mut self, text: &str, dir: Option<String>) {
        let before = std::mem::replace(&mut self.dir, dir);
        self.line(text);
        self.dir = before;
    }

    fn each(&mut self, words: Vec<Word>) {
        let mut words = words.into_iter();
        let Some(name) = words.next() else { return };
        let list: Vec<Word> = words.skip(1).collect();
        let list = self.filled(list);
        if list.is_empty() {
            self.variables.forget(&name.text);
        }
        for word in list {
            self.variables.set_one(&name.text, &word);
        }
    }

    fn filled(&mut self, words: Vec<Word>) -> Vec<Word> {
        let around = |top: &&&str| self.dir.as_deref().is_some_and(|dir| dir.starts_with(**top));
        let top = self.at.tops.iter().filter(around).max_by_key(|top| top.len()).copied();
        self.variables.filled(words, top)
    }

    fn command(&mut self, command: Command) {
        let words = self.filled(command.words);
        let own = words.iter().take_while(|word| program::is_variable(word)).count();
        let (variables, words) = words.split_at(own);
        let before = self.dir.clone();
        for word in variables {
            let name = word.text.split('=').next().unwrap_or_default();
            match words.is_empty() {
                true => self.variables.set_by(word),
                false => self.variables.forget(name.trim_end_matches('+')),
            }
            if ["GIT_DIR", "GIT_WORK_TREE"].contains(&name) {
                self.dir = None;
            }
        }
        let first = words.first().map(|word| word.text.as_str()).unwrap_or_default();
        if ["export", "local", "declare", "typeset", "readonly"].contains(&first) {
            words[1..].iter().filter(|word| program::is_variable(word)).for_each(|word| self.variables.set_by(word));
        }
        let told = shown_words(words);
        for path in self.filled(command.overwrites) {
            self.overwrites(&path, &told);
        }
        for path in self.filled(command.appends) {
            self.appends(&path, &told);
        }
        let reads_what_was_said = command.is_piped || words.iter().any(|word| word.text.starts_with("<("));
        let input = match reads_what_was_said {
            true => command.input.or_else(|| self.said.take()),
            false => command.input,
        };
        self.said = said::says(words, input.as_deref());
        match first {
            "read" | "mapfile" | "readarray" => self.reads(&words[1..], input.as_deref()),
            "set" => self.variables.set_given(&words[1..]),
            _ => {}
        }
        self.run(words, input, command.is_piped, false);
        // Where `cd` went, it stays.
        if words.first().is_none_or(|word| !["cd", "pushd", "popd"].contains(&word.text.as_str())) && own > 0 {
            self.dir = before;
        }
    }

    fn reads(&mut self, names: &[Word], input: Option<&str>) {
        for name in names.iter().filter(|word| !word.text.starts_with(['-', '<'])) {
            match input {
                Some(text) => text.lines().for_each(|line| self.variables.set(&name.text, line)),
                None => self.variables.forget(&name.text),
            }
        }
    }

    /// A command, and all that it has others run. `gets_more`: words that are not known here.
    fn run(&mut self, words: &[Word], input: Option<String>, is_piped: bool, gets_more: bool) {
        let (mut words, mut gets_more) = (words, gets_more);
        for _ in 0..RUNNERS_MAX {
            while words.first().is_some_and(program::is_variable) {
                words = &words[1..];
            }
            let Some(first) = words.first() else { return };
            if first.is_open {
                let Some(name) = program::told_name(first).filter(|_| self.depth < DEPTH_MAX) else {
                    return self.guess(words);
                };
                let named: Vec<Word> = std::iter::once(Word::plain(&name)).chain(words[1..].iter().cloned()).collect();
                self.depth += 1;
                self.run(&named, input, is_piped, gets_more);
                self.depth -= 1;
                return;
            }
            self.holds_forbidden(words);
            let name = program::name_of(first);
            if let Some((dir, bare)) = program::sent_elsewhere(name, words) {
                self.holds_forbidden_there(&dir, &bare);
            }
            match program::behind(name, words) {
                Behind::Nothing => return,
                Behind::Itself => return self.itself(name, words, input.as_deref(), gets_more),
                Behind::Words(rest) => words = rest,
                Behind::WithMore(rest) => match &input {
                    Some(more) if self.depth < DEPTH_MAX => {
                        let given = given(rest, more);
                        self.depth += 1;
                        self.run(&given, None, false, true);
                        self.depth -= 1;
                        return;
                    }
                    _ => (words, gets_more) = (rest, true),
                },
                Behind::Line(texts) => {
                    let is_open = texts.iter().any(|word| word.is_open);
                    return self.text(name, &joined(texts), is_open, gets_more, words);
                }
                Behind::LineGiven(texts) => {
                    self.variables.set_list(GIVEN, texts.iter().skip(2).cloned().collect());
                    return self.text(name, &texts[0].text, texts[0].is_open, gets_more, words);
                }
                Behind::LineWithMore(texts) => return self.text(name, &joined(texts), false, true, words),
                Behind::Text(text) => return self.text(name, &text, false, gets_more, words),
                Behind::Script(rest) => return self.holds_forbidden(rest),
                Behind::LineElsewhere(texts) => return self.line_apart(&joined(texts), None),
                Behind::InputElsewhere => {
                    if let Some(text) = input {
                        self.line_apart(&text, None);
                    }
                    return;
                }
                Behind::Input => {
                    let dir = self.dir.clone();
                    return match input {
                        Some(text) => self.line_apart(&text, dir),
                        None if is_piped || words.iter().any(|word| word.text.starts_with("<(")) => {
                            self.asks(UNREADABLE, shown_words(words));
                        }
                        None => {}
                    };
                }
            }
        }
        self.is_too_deep(&shown_words(words));
    }

    /// Nobody stacks commands so who wants them read. A guess only says that it knows nothing.
    fn is_too_deep(&mut self, text: &str) {
        match self.is_guess {
            true => self.is_unreadable = true,
            false => self.must_ask("stands in more commands than are looked through", shown(text)),
        }
    }

    /// A text that `name` has a shell run.
    fn text(&mut self, name: &str, text: &str, is_open: bool, gets_more: bool, words: &[Word]) {
        // What is told it may be all of the command.
        let is_told = gets_more && (text.trim().is_empty() || text.trim_start().starts_with("{}"));
        if is_told || is_open && looks_bad(self.safety, text, self.at) {
            self.asks(UNREADABLE, shown_words(words));
        }
        let dir = self.dir.clone();
        // `eval` runs it in this very shell.
        if name == "eval" { self.line(text) } else { self.line_apart(text, dir) }
    }

    /// The program stands in a variable: would it break a rule, were it one that does?
    fn guess(&mut self, words: &[Word]) {
        if self.depth + 3 >= DEPTH_MAX {
            self.is_unreadable = true;
            return;
        }
        for program in ["", "git", "rm"] {
            let mut guessed: Vec<Word> = Vec::from_iter((!program.is_empty()).then(|| Word::plain(program)));
            guessed.extend(words[1..].iter().map(|word| Word { holes: Vec::new(), ..word.clone() }));
            // So that a row of variables is guessed at only so far.
            let mut judge = Judge {
                dir: self.dir.clone(),
                depth: self.depth + 3,
                is_guess: true,
                ..Judge::new(self.safety, self.at)
            };
            judge.run(&guessed, None, false, false);
            if judge.worst.is_some() {
                return self.must_ask(UNREADABLE, shown_words(words));
            }
        }
    }

    fn itself(&mut self, name: &str, words: &[Word], input: Option<&str>, gets_more: bool) {
        let rest = &words[1..];
        match name {
            "cd" | "pushd" => self.go(rest),
            "popd" => self.dir = None,
            "git" | "hub" => self.git(words, input),
            _ if name.starts_with("git-") => {
                let parts = ["git", &name["git-".len()..]].map(Word::plain);
                self.git(&[&parts[..], rest].concat(), input);
            }
            "find" | "fd" | "gfind" => self.find(name, words),
            _ => {
                let deeds = deeds::deeds(name, rest, input);
                self.all(deeds, words);
                for done in scripts::done(name, rest, input) {
                    self.by_script(done, words);
                }
                if gets_more && ["rm", "shred", "unlink", "truncate"].contains(&name) {
                    self.asks("deletes what it is told to", shown_words(words));
                }
            }
        }
    }

    /// What a script does that stands in the line.
    fn by_script(&mut self, done: Done, words: &[Word]) {
        let dir = self.dir.clone();
        match done {
            Done::Deed(deed) => self.all(vec![deed], words),
            Done::Line(line) => self.line_apart(&line, dir),
            Done::Words(given) if self.depth < DEPTH_MAX => {
                self.depth += 1;
                self.run(&given, None, false, false);
                self.depth -= 1;
            }
            Done::Words(_) => self.is_too_deep(&shown_words(words)),
        }
    }

    fn go(&mut self, rest: &[Word]) {
        let to = rest.iter().find(|word| word.text == "-" || !word.text.starts_with(['-', '+']));
        self.dir = match to {
            None => self.at.home.map(str::to_owned),
            Some(word) if word.is_open || word.text == "-" => None,
            Some(word) => self.seen(&word.text).filter(|dir| dir.len() <= DIR_BYTES_MAX),
        };
    }

    fn holds_forbidden_there(&mut self, dir: &Word, bare: &[Word]) {
        let there = if dir.is_open { None } else { self.seen(&dir.text) };
        let before = std::mem::replace(&mut self.dir, there);
        self.holds_forbidden(bare);
        self.dir = before;
    }

    /// A path from where the line has gone.
    fn seen(&self, path: &str) -> Option<String> {
        let path = match path.strip_prefix('~') {
            Some(below) if below.is_empty() || below.starts_with('/') => format!("{}{below}", self.at.home?),
            Some(_) => return None,
            None => path.to_owned(),
        };
        team_path(&path, self.dir.as_deref(), None)
    }

    fn git(&mut self, words: &[Word], input: Option<&str>) {
        let git = Git::read(&words[1..]);
        let before = self.dir.clone();
        for dir in &git.dirs {
            self.dir = if dir.is_open { None } else { self.seen(&dir.text) };
        }
        if git.is_elsewhere {
            self.dir = None;
        }
        if let Some(meant) = git.meant_by_alias() {
            self.line(&meant);
        } else if let Some(command) = git.command {
            if command.is_open {
                let rest: Vec<Word> = git.rest.to_vec();
                let guesses = ["push", "reset", "clean", "branch"].map(|name| deeds::of_git(name, &rest));
                // To push is what any word after git could mean; only force is told by what follows.
                if guesses.iter().flatten().any(|deed| *deed != Deed::Pushes && !matches!(deed, Deed::Removes { .. })) {
                    self.asks(UNREADABLE, shown_words(words));
                }
            } else {
                let deeds = match command.text.as_str() {
                    "push" => git::pushes(git.rest, &git.pushed),
                    "apply" | "am" => deeds::patched(input),
                    name => deeds::of_git(name, git.rest),
                };
                self.all(deeds, words);
                for line in git::lines(&command.text, git.rest) {
                    self.line_apart(&line, None);
                }
                if let Some(meant) = git::kept_alias(&command.text, git.rest) {
                    let dir = self.dir.clone();
                    self.line_apart(&meant, dir);
                }
            }
        }
        self.dir = before;
    }

    fn find(&mut self, name: &str, words: &[Word]) {
        if self.depth >= DEPTH_MAX {
            self.is_unreadable = true;
            return;
        }
        let rest = &words[1..];
        let is_start = |word: &&Word| !word.text.starts_with(['-', '(', '!']);
        let mut starts: Vec<Word> = rest.iter().take_while(is_start).cloned().collect();
        if starts.is_empty() || name == "fd" {
            starts = vec![Word::plain(".")];
        }
        let mut deletes = rest.iter().any(|word| word.text == "-delete");
        let is_spare = finds_what_is_made_anew(rest);
        let mut at = 0;
        while let Some(word) = rest.get(at) {
            at += 1;
            if !["-exec", "-execdir", "-ok", "-okdir", "-x", "-X", "--exec", "--exec-batch"]
                .contains(&word.text.as_str())
            {
                continue;
            }
            let behind = &rest[at..];
            let end = behind.iter().position(|word| word.text == ";" || word.text == "+").unwrap_or(behind.len());
            at += end;
            let run = &behind[..end];
            if run.iter().any(|word| ["rm", "unlink", "shred"].contains(&program::name_of(word))) {
                deletes = true;
                if is_spare {
                    continue;
                }
            }
            let found: Vec<&str> = starts
                .iter()
                .map(|start| start.text.as_str())
                .filter(|start| self.data.find(start, self.dir.as_deref(), false).is_some())
                .collect();
            let given = if found.is_empty() { run.to_vec() } else { given(run, &found.join("\n")) };
            self.depth += 1;
            self.run(&given, None, false, false);
            self.depth -= 1;
        }
        if deletes {
            let wasted =
                (!is_spare).then(|| Deed::Wastes { paths: starts.clone(), because: "deletes whatever it finds" });
            let removed = starts.into_iter().map(|path| Deed::Removes { path, with_all: false });
            self.all(removed.chain(wasted).collect(), words);
        }
    }
}

/// By nothing but names of what tools make.
fn finds_what_is_made_anew(rest: &[Word]) -> bool {
    let is = |word: &Word, names: &[&str]| names.contains(&word.text.as_str());
    let mut names =
        rest.windows(2).filter(|pair| is(&pair[0], &["-name"])).map(|pair| pair[1].text.as_str()).peekable();
    names.peek().is_some()
        && names.all(|name| deeds::MADE_ANEW.contains(&name) || ["*.pyc", "*.pyo"].contains(&name))
        && !rest.iter().any(|word| is(word, &["!", "-not", ",", "-iname", "-regex"]))
}

/// The words of a program that is told more, in place of `{}` or behind the others.
fn given(words: &[Word], more: &str) -> Vec<Word> {
    let lines: Vec<&str> = more.lines().take(TOLD_MAX).collect();
    let more: Vec<&str> = more.split_whitespace().take(TOLD_MAX).collect();
    let has_place = words.iter().any(|word| word.text.contains("{}"));
    let mut all = Vec::new();
    for word in words {
        // In a text for a shell they stand together.
        match word.text.as_str() {
            "{}" => all.extend(lines.iter().map(|line| Word::plain(line))),
            text if text.contains("{}") && text.len() <= TEXT_MAX => {
                all.push(Word { text: text.replace("{}", &more.join(" ")), ..word.clone() });
            }
            _ => all.push(word.clone()),
        }
    }
    if !has_place {
        all.extend(more.into_iter().map(Word::plain));
    }
    all
}

fn joined(words: &[Word]) -> String {
    words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ")
}

pub(super) fn shown_words(words: &[Word]) -> String {
    // A line may be long, and its beginning is all that is shown.
    let texts = words.iter().take(SHOWN_CHARS_MAX).map(|word| match word.text.is_empty() {
        true => "''",
        false => word.text.as_str(),
    });
    shown(&texts.collect::<Vec<_>>().join(" "))
}
