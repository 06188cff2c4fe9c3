//! A line is followed from command to command, and each is held against the rules.

use crate::model::glob;
use crate::model::path::team_path;
use crate::model::safety::Answer;
use crate::model::safety::At;
use crate::model::safety::Breach;
use crate::model::safety::OfRepo;
use crate::model::safety::Rule;
use crate::model::safety::SHOWN_CHARS_MAX;
use crate::model::safety::Safety;
use crate::model::safety::data::Directories;
use crate::model::safety::deeds;
use crate::model::safety::deeds::Deed;
use crate::model::safety::git::Git;
use crate::model::safety::program;
use crate::model::safety::program::Behind;
use crate::model::safety::shell;
use crate::model::safety::shell::Command;
use crate::model::safety::shell::Step;
use crate::model::safety::shell::Word;
use crate::model::safety::shown;
use std::collections::BTreeMap;

/// A command in a command in a command.
const DEPTH_MAX: usize = 12;

/// Programs that run each other.
const RUNNERS_MAX: usize = 32;

/// What variables are filled with, in all: a line could double them again and again.
const FILLED_BYTES_MAX: usize = 64 * 1024;
const VALUE_BYTES_MAX: usize = 4 * 1024;

const UNREADABLE: &str = "runs what cannot be read here";

pub(super) fn line(safety: &Safety, text: &str, at: &At) -> Option<Breach> {
    let mut judge = Judge::new(safety, at);
    judge.line(text);
    if judge.is_unreadable && judge.worst.is_none() && looks_bad(safety, text, at) {
        judge.asks(UNREADABLE, shown(text));
    }
    judge.worst
}

pub(super) fn words(safety: &Safety, words: &[String], at: &At) -> Option<Breach> {
    let mut judge = Judge::new(safety, at);
    let words: Vec<Word> = words.iter().map(|word| Word { is_quoted: true, ..Word::plain(word) }).collect();
    judge.run(&words, None, false);
    judge.worst
}

/// Would any part of it break a rule, were it a command?
fn looks_bad(safety: &Safety, text: &str, at: &At) -> bool {
    let is_between = |c: char| ";&|\n(){}`".contains(c);
    let is_bad = |part: &str| {
        let words: Vec<Word> = part.split_whitespace().map(Word::plain).collect();
        let mut judge = Judge { depth: DEPTH_MAX, ..Judge::new(safety, at) };
        judge.run(&words, None, false);
        judge.worst.is_some()
    };
    let without: String = text.chars().filter(|c| !matches!(c, '\'' | '"' | '\\')).collect();
    let parted: String = text.chars().map(|c| if matches!(c, '\'' | '"') { ';' } else { c }).collect();
    [without, parted].iter().any(|text| text.split(is_between).any(is_bad))
}

struct Judge<'a> {
    safety: &'a Safety,
    at: &'a At<'a>,
    data: Directories,
    /// Where it has gone. `None` where nobody can tell.
    dir: Option<String>,
    dirs: Vec<Option<String>>,
    variables: BTreeMap<String, String>,
    filled: usize,
    depth: usize,
    /// What the last command said, as far as its words tell.
    said: Option<String>,
    is_unreadable: bool,
    worst: Option<Breach>,
}

impl<'a> Judge<'a> {
    fn new(safety: &'a Safety, at: &'a At<'a>) -> Judge<'a> {
        Judge {
            safety,
            at,
            data: Directories::of(safety, at),
            dir: at.dir.map(str::to_owned),
            dirs: Vec::new(),
            variables: BTreeMap::new(),
            filled: 0,
            depth: 0,
            said: None,
            is_unreadable: false,
            worst: None,
        }
    }

    fn line(&mut self, text: &str) {
        if self.depth >= DEPTH_MAX {
            self.is_unreadable = true;
            return;
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

    fn command(&mut self, command: Command) {
        let words = self.filled(command.words);
        let own = words.iter().take_while(|word| program::is_variable(word)).count();
        let (variables, words) = words.split_at(own);
        let before = self.dir.clone();
        for word in variables {
            let Some((name, value)) = word.text.split_once('=') else { continue };
            if words.is_empty() && !word.is_open && value.len() <= VALUE_BYTES_MAX {
                self.variables.insert(name.to_owned(), value.to_owned());
            } else {
                self.variables.remove(name);
            }
            if ["GIT_DIR", "GIT_WORK_TREE"].contains(&name) {
                self.dir = None;
            }
        }
        let told = shown_words(words);
        for path in &command.overwrites {
            self.overwrites(path, &told);
        }
        let input = match command.is_piped {
            true => command.input.or_else(|| self.said.take()),
            false => command.input,
        };
        self.said = says(words, input.as_deref());
        self.run(words, input, command.is_piped);
        // Where `cd` went, it stays.
        if words.first().is_none_or(|word| !["cd", "pushd", "popd"].contains(&word.text.as_str())) && own > 0 {
            self.dir = before;
        }
    }

    /// With the variables filled in that the line itself has set.
    fn filled(&mut self, words: Vec<Word>) -> Vec<Word> {
        let mut all = Vec::with_capacity(words.len());
        for word in words {
            let value = word.variable.as_ref().and_then(|name| self.variables.get(name));
            let Some(value) = value.filter(|value| self.filled + value.len() <= FILLED_BYTES_MAX) else {
                all.push(word);
                continue;
            };
            self.filled += value.len();
            match word.is_quoted {
                true => all.push(Word { is_quoted: true, ..Word::plain(value) }),
                false => all.extend(value.split_whitespace().map(Word::plain)),
            }
        }
        all
    }

    /// A command, and all that it has others run.
    fn run(&mut self, words: &[Word], input: Option<String>, is_piped: bool) {
        let mut words = words;
        let mut gets_more = false;
        for _ in 0..RUNNERS_MAX {
            while words.first().is_some_and(program::is_variable) {
                words = &words[1..];
            }
            let Some(first) = words.first() else { return };
            if first.is_open {
                return self.guess(words);
            }
            self.holds_forbidden(words);
            let name = program::name_of(first);
            match program::behind(name, words) {
                Behind::Nothing => return,
                Behind::Itself => return self.itself(name, words, input.as_deref(), gets_more),
                Behind::Words(rest) => words = rest,
                Behind::WithMore(rest) => (words, gets_more) = (rest, true),
                Behind::Line(texts) => {
                    let dir = self.dir.clone();
                    self.is_unreadable |= texts.iter().any(|word| word.is_open) || gets_more;
                    let text = joined(texts);
                    // `eval` runs it in this very shell.
                    return if name == "eval" { self.line(&text) } else { self.line_apart(&text, dir) };
                }
                Behind::LineElsewhere(texts) => return self.line_apart(&joined(texts), None),
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
        self.is_unreadable = true;
    }

    /// The program stands in a variable: would it break a rule, were it one that does?
    fn guess(&mut self, words: &[Word]) {
        self.is_unreadable = true;
        if self.depth + 3 >= DEPTH_MAX {
            return;
        }
        for program in ["", "git", "rm"] {
            let mut guessed: Vec<Word> = Vec::from_iter((!program.is_empty()).then(|| Word::plain(program)));
            guessed.extend(words[1..].iter().cloned());
            // So that a row of variables is guessed at only so far.
            let mut judge = Judge { dir: self.dir.clone(), depth: self.depth + 3, ..Judge::new(self.safety, self.at) };
            judge.run(&guessed, None, false);
            if judge.worst.is_some() {
                return self.asks(UNREADABLE, shown_words(words));
            }
        }
    }

    fn itself(&mut self, name: &str, words: &[Word], input: Option<&str>, gets_more: bool) {
        let rest = &words[1..];
        match name {
            "cd" | "pushd" => self.go(rest),
            "popd" => self.dir = None,
            "git" => self.git(words),
            "find" | "fd" | "gfind" => self.find(name, words),
            _ => {
                let deeds = deeds::deeds(name, rest, input);
                self.all(deeds, words);
                if gets_more && ["rm", "shred", "unlink", "truncate"].contains(&name) {
                    self.asks("deletes what it is told to", shown_words(words));
                }
            }
        }
    }

    fn go(&mut self, rest: &[Word]) {
        let to = rest.iter().find(|word| word.text == "-" || !word.text.starts_with(['-', '+']));
        self.dir = match to {
            None => self.at.home.map(str::to_owned),
            Some(word) if word.is_open || word.text == "-" => None,
            Some(word) => self.seen(&word.text),
        };
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

    fn git(&mut self, words: &[Word]) {
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
                self.is_unreadable = true;
            } else {
                self.is_unreadable |= git.rest.iter().any(|word| word.is_open && !word.is_quoted);
                let deeds = deeds::of_git(&command.text, git.rest);
                self.all(deeds, words);
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
        let deletes_itself = rest.iter().any(|word| word.text == "-delete");
        let mut deletes = deletes_itself;
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
            let run = &behind[..end];
            deletes |= run.iter().any(|word| ["rm", "unlink", "shred"].contains(&program::name_of(word)));
            self.depth += 1;
            self.run(run, None, false);
            self.depth -= 1;
            at += end;
        }
        if deletes {
            let removed = starts.into_iter().map(|path| Deed::Removes { path, with_all: false });
            let deeds = removed.chain([Deed::Destroys("deletes whatever it finds")]).collect();
            self.all(deeds, words);
        }
    }

    fn all(&mut self, deeds: Vec<Deed>, words: &[Word]) {
        for deed in deeds {
            let told = || shown_words(words);
            match deed {
                Deed::Pushes => {
                    let answer = self.push();
                    self.breaks(Rule::Push, answer, "pushes", told);
                }
                Deed::Forces(None) => {
                    let because = "overwrites branches elsewhere without naming one (name it: `git push --force-with-lease \
                                   REMOTE BRANCH`)";
                    self.breaks(Rule::ForcePush, Answer::Deny, because, told);
                }
                Deed::Forces(Some(branch)) if self.is_protected(&branch) => {
                    self.breaks(Rule::ForcePush, Answer::Deny, "overwrites or deletes a protected branch", told);
                }
                Deed::Forces(Some(_)) => {
                    let answer = self.safety.destructive;
                    self.breaks(Rule::Destructive, answer, "overwrites or deletes a branch elsewhere", told);
                }
                Deed::Removes { path, with_all } => {
                    if let Some(directory) = self.data.find(&path.text, self.dir.as_deref(), with_all) {
                        let because = format!("deletes or moves what lies in `{directory}`");
                        self.breaks(Rule::Data, Answer::Deny, &because, told);
                    }
                }
                Deed::Overwrites(path) => self.overwrites(&path, &told()),
                Deed::Destroys(because) => {
                    let answer = self.safety.destructive;
                    self.breaks(Rule::Destructive, answer, because, told);
                }
                Deed::RunsUnknown => self.is_unreadable = true,
            }
        }
    }

    fn overwrites(&mut self, path: &Word, told: &str) {
        if let Some(directory) = self.data.find(&path.text, self.dir.as_deref(), false) {
            let because = format!("may overwrite what lies in `{directory}`");
            self.breaks(Rule::Data, Answer::Deny, &because, || told.to_owned());
        }
        let disks = ["/dev/sd", "/dev/nvme", "/dev/hd", "/dev/vd", "/dev/mmcblk", "/dev/disk"];
        if disks.iter().any(|disk| path.text.starts_with(disk)) {
            let answer = self.safety.destructive;
            self.breaks(Rule::Destructive, answer, "writes over a disk", || told.to_owned());
        }
    }

    fn is_protected(&self, branch: &str) -> bool {
        self.safety.protected.iter().any(|one| glob::name_matches(one, branch))
    }

    /// The registered repository that lies around, or all of them where nobody knows where it is.
    fn repos(&self) -> impl Iterator<Item = &'a OfRepo> + use<'a> {
        let is_around = |repo: &&OfRepo, dir: &str| {
            dir.strip_prefix(repo.dir.as_str()).is_some_and(|below| below.is_empty() || below.starts_with('/'))
        };
        let all: Vec<&OfRepo> = match &self.dir {
            None => self.safety.repos.iter().collect(),
            Some(dir) => {
                let around = self.safety.repos.iter().filter(|repo| is_around(repo, dir));
                around.max_by_key(|repo| repo.dir.len()).into_iter().collect()
            }
        };
        all.into_iter()
    }

    fn push(&self) -> Answer {
        let of_all = self.safety.push(None, self.at);
        match &self.dir {
            Some(_) => self.repos().next().map_or(of_all, |repo| self.safety.push(Some(repo), self.at)),
            None => self.repos().fold(of_all, |answer, repo| answer.stricter(self.safety.push(Some(repo), self.at))),
        }
    }

    fn holds_forbidden(&mut self, words: &[Word]) {
        let patterns: Vec<(&String, Option<&str>)> = self
            .safety
            .forbidden
            .iter()
            .map(|one| (one, None))
            .chain(self.repos().flat_map(|repo| repo.forbidden.iter().map(|one| (one, Some(repo.name.as_str())))))
            .collect();
        if patterns.is_empty() {
            return;
        }
        let name = words.first().map(program::name_of).unwrap_or_default();
        let named = std::iter::once(name).chain(words.iter().skip(1).map(|word| word.text.as_str()));
        let command = named.collect::<Vec<_>>().join(" ");
        if let Some((pattern, repo)) =
            patterns.into_iter().find(|(pattern, _)| glob::command_matches(pattern, &command))
        {
            let of = repo.map(|repo| format!(" of `{repo}`")).unwrap_or_default();
            let because = format!("is `{pattern}`, which stands in `forbidden`{of}");
            self.breaks(Rule::Forbidden, Answer::Deny, &because, || shown_words(words));
        }
    }

    fn asks(&mut self, because: &str, command: String) {
        let answer = self.safety.destructive;
        self.breaks(Rule::Destructive, answer, because, || command);
    }

    fn breaks(&mut self, rule: Rule, answer: Answer, because: &str, command: impl FnOnce() -> String) {
        let is_denied = answer == Answer::Deny;
        let is_worse = self.worst.as_ref().is_none_or(|worst| is_denied && !worst.is_denied);
        if answer != Answer::Allow && is_worse {
            self.worst = Some(Breach { rule, is_denied, command: command(), because: because.to_owned() });
        }
    }
}

fn joined(words: &[Word]) -> String {
    words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ")
}

fn shown_words(words: &[Word]) -> String {
    // A line may be long, and its beginning is all that is shown.
    let texts = words.iter().take(SHOWN_CHARS_MAX).map(|word| match word.text.is_empty() {
        true => "''",
        false => word.text.as_str(),
    });
    shown(&texts.collect::<Vec<_>>().join(" "))
}

/// What a command prints, where its own words tell.
fn says(words: &[Word], input: Option<&str>) -> Option<String> {
    let (first, rest) = words.split_first()?;
    match program::name_of(first) {
        "echo" | "printf" if rest.iter().all(|word| !word.is_open) => {
            let is_option = |word: &&Word| matches!(word.text.as_str(), "-n" | "-e" | "-ne" | "-en" | "--");
            let texts: Vec<&str> = rest.iter().skip_while(is_option).map(|word| word.text.as_str()).collect();
            Some(texts.join(" ").replace("\\n", "\n"))
        }
        "cat" | "tee" if rest.iter().all(|word| word.text.starts_with('-')) || input.is_some() => {
            input.map(str::to_owned)
        }
        _ => None,
    }
}
