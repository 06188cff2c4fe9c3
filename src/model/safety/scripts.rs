//! What a script does that stands in the line in a language of its own: which of its calls delete, write, or run a command.
//! What it only says, in a text or a comment, it does not do.

use crate::model::safety::deeds::Deed;
use crate::model::safety::program::values_of;
use crate::model::safety::shell::Word;

/// Of a script that does more of it, one deed speaks for all.
const CALLS_MAX: usize = 64;
/// What a call is given is short.
const GIVEN_BYTES_MAX: usize = 4096;
/// A script in a script.
const DEPTH_MAX: usize = 3;

const DELETES: &str = "deletes files by a program";

/// Behind a dot these are methods of anything.
const NO_METHODS: [&str; 4] = ["exec", "eval", "remove", "system"];

/// Stands in the code where a text stood.
const PLACE: char = '\u{1}';

/// What a script comes to.
pub(super) enum Done {
    Deed(Deed),
    /// For a shell.
    Line(String),
    /// A program with its arguments.
    Words(Vec<Word>),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Call {
    Removes,
    /// With all that is in it.
    RemovesAll,
    /// The file comes first.
    Writes,
    Appends,
    /// The same, where what it is opened for says so.
    Opens,
    /// From the first to the second.
    Copies,
    Moves,
    Runs,
    /// A script of the same language.
    RunsScript,
}

struct Language {
    names: &'static [&'static str],
    /// Options that a script follows, by their letters and by a name.
    letters: &'static str,
    long: &'static str,
    /// Letters of other options that have a value, which may stand right behind them.
    takes: &'static str,
    /// Else the first word is the script itself, and no file with one.
    is_first_word: bool,
    /// A call may do without parentheses.
    is_bare: bool,
    comments: &'static [&'static str],
    /// What stands in double quotes from here on is code again.
    fills_in: &'static [&'static str],
    calls: &'static [(&'static str, Call)],
}

const LANGUAGES: [Language; 6] = [
    Language {
        names: &["python", "pypy", "ipython"],
        letters: "c",
        long: "",
        takes: "WXmQ",
        is_first_word: false,
        is_bare: false,
        comments: &["#"],
        fills_in: &[],
        calls: &[
            ("rmtree", Call::RemovesAll),
            ("shutil.rmtree", Call::RemovesAll),
            ("removedirs", Call::RemovesAll),
            ("os.remove", Call::Removes),
            ("os.unlink", Call::Removes),
            ("remove", Call::Removes),
            ("unlink", Call::Removes),
            (".unlink", Call::Removes),
            ("open", Call::Opens),
            ("shutil.copy", Call::Copies),
            ("shutil.copyfile", Call::Copies),
            ("shutil.copy2", Call::Copies),
            ("os.symlink", Call::Copies),
            ("os.rename", Call::Moves),
            ("os.replace", Call::Moves),
            ("shutil.move", Call::Moves),
            (".write_text", Call::Writes),
            (".write_bytes", Call::Writes),
            ("os.system", Call::Runs),
            ("os.popen", Call::Runs),
            ("system", Call::Runs),
            ("subprocess.run", Call::Runs),
            ("subprocess.call", Call::Runs),
            ("check_call", Call::Runs),
            ("check_output", Call::Runs),
            ("getoutput", Call::Runs),
            ("getstatusoutput", Call::Runs),
            ("Popen", Call::Runs),
            ("exec", Call::RunsScript),
            ("eval", Call::RunsScript),
        ],
    },
    Language {
        names: &["node", "nodejs", "bun", "deno", "tsx", "ts-node"],
        letters: "ep",
        long: "--eval",
        takes: "rC",
        is_first_word: false,
        is_bare: false,
        comments: &["//", "/*"],
        fills_in: &["${"],
        calls: &[
            ("rmSync", Call::RemovesAll),
            ("fs.rmSync", Call::RemovesAll),
            ("fs.rm", Call::RemovesAll),
            ("rmdirSync", Call::RemovesAll),
            ("removeSync", Call::RemovesAll),
            ("rimraf", Call::RemovesAll),
            ("Deno.remove", Call::RemovesAll),
            ("unlinkSync", Call::Removes),
            ("unlink", Call::Removes),
            ("writeFileSync", Call::Writes),
            ("writeFile", Call::Writes),
            ("truncateSync", Call::Writes),
            ("Bun.write", Call::Writes),
            ("appendFileSync", Call::Appends),
            ("copyFileSync", Call::Copies),
            ("cpSync", Call::Copies),
            ("symlinkSync", Call::Copies),
            ("renameSync", Call::Moves),
            ("execSync", Call::Runs),
            ("execFileSync", Call::Runs),
            ("execFile", Call::Runs),
            ("exec", Call::Runs),
            ("cp.exec", Call::Runs),
            ("child_process.exec", Call::Runs),
            (").exec", Call::Runs),
            ("spawnSync", Call::Runs),
            ("spawn", Call::Runs),
            ("eval", Call::RunsScript),
        ],
    },
    Language {
        names: &["ruby"],
        letters: "e",
        long: "",
        takes: "rICEFKxTW",
        is_first_word: false,
        is_bare: true,
        comments: &["#"],
        fills_in: &["#{"],
        calls: &[
            ("FileUtils.rm", Call::Removes),
            ("FileUtils.rm_f", Call::Removes),
            ("rm_r", Call::RemovesAll),
            ("rm_rf", Call::RemovesAll),
            ("rmtree", Call::RemovesAll),
            ("remove_entry", Call::RemovesAll),
            ("remove_dir", Call::RemovesAll),
            ("File.delete", Call::Removes),
            ("File.unlink", Call::Removes),
            ("File.write", Call::Writes),
            ("IO.write", Call::Writes),
            ("FileUtils.cp", Call::Copies),
            ("FileUtils.ln_s", Call::Copies),
            ("FileUtils.mv", Call::Moves),
            ("File.rename", Call::Moves),
            ("open", Call::Opens),
            ("system", Call::Runs),
            ("exec", Call::Runs),
            ("spawn", Call::Runs),
            ("eval", Call::RunsScript),
        ],
    },
    Language {
        names: &["perl"],
        letters: "eE",
        long: "",
        takes: "MmIiFCDxV",
        is_first_word: false,
        is_bare: true,
        comments: &["#"],
        fills_in: &["@{", "${"],
        calls: &[
            ("unlink", Call::Removes),
            ("rmtree", Call::RemovesAll),
            ("remove_tree", Call::RemovesAll),
            ("open", Call::Opens),
            ("rename", Call::Moves),
            ("system", Call::Runs),
            ("exec", Call::Runs),
            ("eval", Call::RunsScript),
        ],
    },
    Language {
        names: &["awk", "gawk", "mawk"],
        letters: "e",
        long: "--source",
        takes: "FvfiE",
        is_first_word: true,
        is_bare: false,
        comments: &["#"],
        fills_in: &[],
        calls: &[("system", Call::Runs)],
    },
    Language {
        names: &["php"],
        letters: "rBRE",
        long: "--run",
        takes: "cdfz",
        is_first_word: false,
        is_bare: false,
        comments: &["#", "//", "/*"],
        fills_in: &[],
        calls: &[
            ("unlink", Call::Removes),
            ("file_put_contents", Call::Writes),
            ("fopen", Call::Opens),
            ("copy", Call::Copies),
            ("rename", Call::Moves),
            ("exec", Call::Runs),
            ("shell_exec", Call::Runs),
            ("system", Call::Runs),
            ("passthru", Call::Runs),
            ("popen", Call::Runs),
            ("proc_open", Call::Runs),
            ("eval", Call::RunsScript),
        ],
    },
];

/// `name` is that of a program, `input` what it is given to read.
pub(super) fn done(name: &str, words: &[Word], input: Option<&str>) -> Vec<Done> {
    // `python3.11` speaks as `python` does.
    let bare = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.' || c == '-');
    let Some(language) = LANGUAGES.iter().find(|language| language.names.contains(&bare)) else { return Vec::new() };
    let mut done = Vec::new();
    for text in language.scripts(bare, words, input) {
        language.read(&text, 0, &mut done);
    }
    done
}

impl Language {
    fn scripts(&self, name: &str, words: &[Word], input: Option<&str>) -> Vec<String> {
        let mut texts = Vec::new();
        for letter in self.letters.chars() {
            let long = if texts.is_empty() { self.long } else { "" };
            texts.extend(values_of(words, letter, long, self.takes).into_iter().map(|word| word.text));
        }
        let named = self.operands(words);
        let (verb, named) = match &named[..] {
            [verb, rest @ ..] if name == "deno" => (*verb, rest),
            all => ("", all),
        };
        let first = named.first().copied();
        if texts.is_empty() && (verb == "eval" || self.is_first_word) {
            texts.extend(first.map(str::to_owned));
        }
        let is_module = self.takes.contains('m') && words.iter().any(|word| word.text.starts_with("-m"));
        let reads_input = first.is_none_or(|first| ["-", "/dev/stdin"].contains(&first));
        if texts.is_empty() && reads_input && !is_module {
            texts.extend(input.map(str::to_owned));
        }
        texts
    }

    fn operands<'a>(&self, words: &'a [Word]) -> Vec<&'a str> {
        let mut found = Vec::new();
        let mut all = words.iter().map(|word| word.text.as_str());
        while let Some(text) = all.next() {
            match text.strip_prefix('-') {
                Some("-") => found.extend(&mut all),
                None | Some("") => found.push(text),
                Some(letter) if letter.len() == 1 && self.takes.contains(letter) => drop(all.next()),
                Some(_) => {}
            }
        }
        found
    }

    fn read(&self, text: &str, depth: usize, done: &mut Vec<Done>) {
        let read = Read::of(self, text);
        done.extend(read.commands.iter().map(|line| Done::Line((*line).to_owned())));
        for (at, length, call) in read.calls(self) {
            let own = read.given(at + length, self.is_bare);
            let given = own.clone().unwrap_or_default();
            match call {
                Call::Removes | Call::RemovesAll => {
                    // Which file a method is about stands before it.
                    let paths = if read.code[at..].starts_with('.') { read.before(at) } else { read.texts(&given) };
                    let code = read.code[given].trim_start();
                    let with_all = call == Call::RemovesAll && code.starts_with(PLACE);
                    let is_one_text = code.strip_prefix(PLACE).is_some_and(|rest| {
                        let rest = rest.trim_start();
                        rest.is_empty() || rest.starts_with(',')
                    });
                    done.extend(paths.iter().enumerate().map(|(nth, path)| {
                        Done::Deed(Deed::Removes { path: Word::plain(path), with_all: with_all && nth == 0 })
                    }));
                    // What is deleted by a name alone may be what nobody misses.
                    done.push(Done::Deed(match (is_one_text, paths.first()) {
                        (true, Some(path)) if !path.contains(['{', '$', '%', '#']) => {
                            Deed::Wastes { paths: vec![Word::plain(path)], because: DELETES }
                        }
                        _ => Deed::Destroys(DELETES),
                    }));
                }
                Call::Writes if read.code[at..].starts_with('.') => {
                    let paths = read.before(at).iter();
                    done.extend(paths.map(|path| Done::Deed(Deed::Overwrites(Word::plain(path)))));
                }
                Call::Writes | Call::Appends => {
                    let path = read.texts(&given).first().map(|path| Word::plain(path));
                    let deed = if call == Call::Writes { Deed::Overwrites } else { Deed::Appends };
                    done.extend(path.map(|path| Done::Deed(deed(path))));
                }
                Call::Opens => done.extend(read.opened(&given)),
                Call::Copies | Call::Moves => {
                    let (from, to) = read.both_ends(&given);
                    let goes = |path| Deed::Removes { path, with_all: true };
                    done.extend(from.filter(|_| call == Call::Moves).map(goes).map(Done::Deed));
                    done.extend(to.map(Deed::Overwrites).map(Done::Deed));
                }
                Call::Runs => done.extend(read.command(&given)),
                Call::RunsScript if depth < DEPTH_MAX => {
                    read.texts(&given).iter().take(1).for_each(|text| self.read(text, depth + 1, done));
                }
                Call::RunsScript => {}
            }
        }
    }
}

type Span = std::ops::Range<usize>;

/// A script, parted into what it does and what it says.
struct Read<'a> {
    /// With a sign where each text stood.
    code: String,
    /// Where the signs are.
    places: Vec<usize>,
    texts: Vec<String>,
    /// What stands in quotes that run it.
    commands: Vec<&'a str>,
}

impl<'a> Read<'a> {
    fn of(language: &Language, text: &'a str) -> Read<'a> {
        let mut read = Read { code: String::new(), places: Vec::new(), texts: Vec::new(), commands: Vec::new() };
        // What is misread may do anything.
        if read.part(language, text).is_none() {
            read = Read { code: text.replace(PLACE, " "), places: Vec::new(), texts: Vec::new(), commands: Vec::new() };
        }
        read
    }

    fn part(&mut self, language: &Language, text: &'a str) -> Option<()> {
        let mut at = 0;
        while let Some(c) = text[at..].chars().next() {
            let rest = &text[at..];
            let begins = self.code.is_empty() || self.code.ends_with([' ', '\t', '\n', ';']);
            match c {
                PLACE => at += 1,
                '"' | '\'' | '`' => {
                    let quotes = ["\"\"\"", "'''"].into_iter().find(|quotes| rest.starts_with(quotes));
                    let quotes = quotes.filter(|_| !language.is_bare).unwrap_or(&rest[..1]);
                    let inside = &rest[quotes.len()..];
                    let length = end_of(inside, quotes)?;
                    let inside = &inside[..length];
                    let is_line = quotes.len() == 1 && c != '`' && !language.is_bare;
                    if is_line && inside.replace("\\\n", "").contains('\n') {
                        return None;
                    }
                    self.quoted(language, c, inside);
                    at += length + 2 * quotes.len();
                }
                _ if begins && rest.starts_with("/*") && language.comments.contains(&"/*") => {
                    at += rest.find("*/")? + 2;
                }
                _ if begins && language.comments.iter().any(|sign| *sign != "/*" && rest.starts_with(sign)) => {
                    at += rest.find('\n').unwrap_or(rest.len());
                }
                '\\' if language.is_bare => {
                    at += 1 + rest[1..].chars().next().map_or(0, char::len_utf8);
                    self.code.push(' ');
                }
                c => {
                    self.code.push(c);
                    at += c.len_utf8();
                }
            }
        }
        Some(())
    }

    fn quoted(&mut self, language: &Language, quote: char, inside: &'a str) {
        let is_script = !language.comments.contains(&"//");
        let is_tagged = self.code.ends_with('$');
        if quote == '`' && (is_script || language.names == ["php"] || is_tagged) {
            self.commands.push(inside);
        }
        let is_template = self.code.ends_with(['f', 'F'])
            || self.code.ends_with("fr")
            || self.code.ends_with("rf")
            || quote == '`' && inside.contains("${")
            || quote == '"' && language.fills_in.iter().any(|sign| inside.contains(sign));
        if is_template && inside.contains('{') {
            // What it fills in is code, and so nobody can tell where it ends.
            self.code.push_str(&inside.replace(PLACE, " "));
        }
        self.places.push(self.code.len());
        self.code.push(PLACE);
        self.texts.push(plain(inside));
    }

    /// Where calls are that the rules ask about, how long each name is, and what it does.
    fn calls(&self, language: &Language) -> Vec<(usize, usize, Call)> {
        let is_of_name = |c: char| c.is_alphanumeric() || c == '_';
        let mut found = Vec::new();
        for (name, call) in language.calls {
            for (at, _) in self.code.match_indices(name) {
                let before = &self.code[..at];
                let begins = !name.starts_with(is_of_name) || !before.ends_with(is_of_name);
                let is_method = before.ends_with('.') && NO_METHODS.contains(name);
                let rest = &self.code[at + name.len()..];
                let is_called = rest.trim_start_matches(' ').starts_with('(')
                    || language.is_bare && rest.starts_with([' ', PLACE])
                    // It is handed on.
                    || name.contains('.') && name.starts_with(is_of_name) && !rest.starts_with('.');
                if begins && !is_method && !rest.starts_with(is_of_name) && is_called {
                    found.push((at, name.len(), *call));
                }
                if found.len() >= CALLS_MAX {
                    return found;
                }
            }
        }
        found
    }

    /// What a call is given, whose name ends here.
    fn given(&self, at: usize, is_bare: bool) -> Option<Span> {
        let rest = &self.code[at..];
        let begin = at + (rest.len() - rest.trim_start_matches(' ').len());
        let end = self.code.len().min(begin + GIVEN_BYTES_MAX);
        let end = (begin..=end).rev().find(|end| self.code.is_char_boundary(*end))?;
        let rest = &self.code[begin..end];
        if !rest.starts_with('(') {
            let length = rest.find(['\n', ';']).unwrap_or(rest.len());
            return is_bare.then(|| self.resolved(begin..begin + length));
        }
        let mut open = 0_usize;
        for (place, c) in rest.char_indices() {
            match c {
                '(' => open += 1,
                ')' => open -= 1,
                _ => {}
            }
            if open == 0 {
                return Some(self.resolved(begin + 1..begin + place));
            }
        }
        Some(self.resolved(begin + 1..end))
    }

    /// Where only a variable is given: what that was set to last before.
    fn resolved(&self, given: Span) -> Span {
        let first = self.code[given.clone()].split([',', '.']).next().unwrap_or_default().trim();
        let is_name = !first.is_empty() && first.chars().all(|c| c.is_alphanumeric() || "_$@".contains(c));
        let set = |(at, _): (usize, &str)| {
            let rest = &self.code[at + first.len()..given.start];
            let value = rest.trim_start().strip_prefix('=').filter(|value| !value.starts_with('='))?;
            let begin = given.start - value.len();
            let length = value.find(['\n', ';']).unwrap_or(value.len()).min(GIVEN_BYTES_MAX);
            self.code.is_char_boundary(begin + length).then_some(begin..begin + length)
        };
        let is_told = !is_name || !self.texts(&given).is_empty();
        let before = &self.code[..given.start];
        let last = |first: &str| before.rmatch_indices(first).take(CALLS_MAX).find_map(set);
        if is_told { None } else { last(first) }.unwrap_or(given)
    }

    /// The texts that stand there.
    fn texts(&self, span: &Span) -> &[String] {
        let from = self.places.partition_point(|place| *place < span.start);
        let to = self.places.partition_point(|place| *place < span.end);
        &self.texts[from..to.max(from)]
    }

    /// Those in the same statement, before this place.
    fn before(&self, at: usize) -> &[String] {
        let begin = self.code[..at].rfind(['\n', ';']).unwrap_or(0);
        self.texts(&(begin..at))
    }

    /// A file that is opened to be written, as its mode says.
    fn opened(&self, given: &Span) -> Option<Done> {
        let texts = self.texts(given);
        // Where the file comes last, its mode may stand right before it.
        if let Some(at) = texts.iter().position(|text| text.starts_with(['>', '+'])) {
            let path =
                [texts[at].trim_start_matches(['>', '+', '<', ' ']), texts.get(at + 1).map_or("", String::as_str)];
            let path = path.into_iter().find(|path| !path.is_empty() && !path.starts_with(':'))?;
            return Some(Done::Deed(Deed::Overwrites(Word::plain(path))));
        }
        let is_mode = |text: &&String| text.len() <= 3 && text.chars().all(|c| "rwaxbt+".contains(c));
        let mode = texts.iter().skip(1).find(is_mode)?;
        let path = Word::plain(texts.first()?);
        match mode {
            mode if mode.contains(['w', '+']) => Some(Done::Deed(Deed::Overwrites(path))),
            mode if mode.contains(['a', 'x']) => Some(Done::Deed(Deed::Appends(path))),
            _ => None,
        }
    }

    fn both_ends(&self, given: &Span) -> (Option<Word>, Option<Word>) {
        let comma = self.code[given.clone()].find(',').map_or(given.end, |at| given.start + at);
        let first = |span: Span| self.texts(&span).first().map(|path| Word::plain(path));
        (first(given.start..comma), first(comma..given.end))
    }

    /// A line for a shell, or a program with its arguments.
    fn command(&self, given: &Span) -> Option<Done> {
        let texts = self.texts(given);
        let code = &self.code[given.clone()];
        // Texts up to the first comma are one.
        let joined = code.split(',').next().map_or(0, |first| first.matches(PLACE).count());
        let first = texts.get(..joined.max(1))?.concat();
        if first.contains(char::is_whitespace) || texts.len() <= 1 {
            return Some(Done::Line(first));
        }
        Some(Done::Words(texts.iter().map(|text| Word { is_quoted: true, ..Word::plain(text) }).collect()))
    }
}

/// As it is without the signs that keep a quote from ending it.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, if c == '\\' { chars.next() } else { None }) {
            (_, Some('n')) => plain.push('\n'),
            (_, Some(kept @ ('\'' | '"' | '\\'))) => plain.push(kept),
            (c, next) => plain.extend(std::iter::once(c).chain(next)),
        }
    }
    plain
}

/// Where a text ends that stands in these quotes.
fn end_of(text: &str, quotes: &str) -> Option<usize> {
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        if text[at..].starts_with(quotes) {
            return Some(at);
        }
        at += c.len_utf8();
        if c == '\\' {
            at += text[at..].chars().next().map_or(0, char::len_utf8);
        }
    }
    None
}
