//! Programs that run others: what stands behind their own options.

use crate::model::safety::deeds::operands;
use crate::model::safety::shell::Word;

/// What a command line comes to once the first program has taken its own words away.
pub(super) enum Behind<'a> {
    /// The program does something by itself.
    Itself,
    /// Another command.
    Words(&'a [Word]),
    /// The same, which is given more words that are not known here.
    WithMore(&'a [Word]),
    /// Texts for a shell, joined by spaces.
    Line(&'a [Word]),
    /// One of them, with its own name and what it is given besides.
    LineGiven(&'a [Word]),
    /// The same, with what is written right behind an option.
    Text(String),
    /// The same, and then a program that is given more.
    LineWithMore(&'a [Word]),
    /// A file with commands, and what it is given.
    Script(&'a [Word]),
    /// The same on another machine.
    LineElsewhere(&'a [Word]),
    InputElsewhere,
    /// A shell that reads its commands from what it is given to read.
    Input,
    /// It only tells of a command, or reads a file of them.
    Nothing,
}

/// Each with its options whose value is the next word, and how many words of its own come before the command.
const RUNNERS: [(&str, &[&str], usize); 32] = [
    ("sudo", &["-u", "-g", "-h", "-p", "-C", "-D", "-R", "-T", "-r", "-t", "-U", "--user", "--group", "--chdir"], 0),
    ("doas", &["-u", "-C"], 0),
    ("env", &["-u", "--unset", "-C", "--chdir", "-P", "-a"], 0),
    ("nohup", &[], 0),
    ("time", &["-f", "-o", "--format", "--output"], 0),
    ("nice", &["-n", "--adjustment"], 0),
    ("ionice", &["-c", "-n", "-p", "--class", "--classdata"], 0),
    ("chrt", &[], 1),
    ("taskset", &[], 1),
    ("timeout", &["-s", "-k", "--signal", "--kill-after"], 1),
    ("gtimeout", &["-s", "-k", "--signal", "--kill-after"], 1),
    ("stdbuf", &["-i", "-o", "-e"], 0),
    ("setsid", &[], 0),
    ("unbuffer", &[], 0),
    ("chronic", &[], 0),
    ("caffeinate", &["-t", "-w"], 0),
    ("command", &[], 0),
    ("builtin", &[], 0),
    ("exec", &["-a"], 0),
    ("busybox", &[], 0),
    ("toybox", &[], 0),
    ("strace", &["-o", "-e", "-p", "-s", "-u", "-E"], 0),
    ("ltrace", &["-o", "-e", "-p", "-s", "-u"], 0),
    ("catchsegv", &[], 0),
    ("dbus-run-session", &[], 0),
    ("systemd-run", &["-p", "--unit", "--uid", "--gid", "-M", "-u", "-E"], 0),
    ("unshare", &["-S", "-G", "-R", "-w"], 0),
    ("npx", &["-p", "--package"], 0),
    ("pnpx", &["-p", "--package"], 0),
    ("bunx", &["-p", "--package"], 0),
    ("uvx", &["--from", "--with", "-p", "--python"], 0),
    ("shx", &[], 0),
];

/// They run what a package brings: whatever stands behind one of these words, and without them what is known to be of a package.
const OF_PACKAGES: [(&str, &[&str]); 4] =
    [("npm", &["exec", "x"]), ("pnpm", &["exec", "dlx"]), ("yarn", &["exec", "dlx"]), ("bun", &["x"])];
const KNOWN_PACKAGES: [&str; 8] =
    ["rimraf", "del-cli", "shx", "prisma", "cdk", "sequelize", "sequelize-cli", "serverless"];

/// Options by which a program is sent into another directory, or to a file of it.
const SENT_BY: [(&str, &[&str]); 10] = [
    ("make", &["-C", "--directory"]),
    ("gmake", &["-C", "--directory"]),
    ("ninja", &["-C"]),
    ("git", &["-C"]),
    ("cargo", &["-C"]),
    ("go", &["-C"]),
    ("npm", &["-C", "--prefix"]),
    ("pnpm", &["-C", "--dir"]),
    ("yarn", &["--cwd"]),
    ("just", &["-d", "--working-directory"]),
];

const SHELLS: [&str; 10] = ["sh", "bash", "zsh", "dash", "ksh", "ash", "fish", "mksh", "pwsh", "rbash"];

/// Options of `xargs` and `parallel` whose value is the next word.
const OF_XARGS: [&str; 16] = [
    "-I",
    "-n",
    "-P",
    "-L",
    "-s",
    "-d",
    "-E",
    "-a",
    "-j",
    "-J",
    "-R",
    "-S",
    "--max-args",
    "--max-procs",
    "--arg-file",
    "--jobs",
];

const OF_SSH: [&str; 19] =
    ["-p", "-i", "-o", "-l", "-F", "-J", "-L", "-R", "-D", "-b", "-c", "-E", "-e", "-I", "-m", "-O", "-Q", "-S", "-W"];

/// They start programs elsewhere, which are looked for among their words.
const CONTAINERS: [&str; 7] = ["docker", "podman", "nerdctl", "docker-compose", "kubectl", "oc", "vagrant"];
const IN_CONTAINERS: [&str; 20] = [
    "rm",
    "git",
    "psql",
    "mysql",
    "mariadb",
    "sqlite3",
    "redis-cli",
    "mongosh",
    "mongo",
    "sh",
    "bash",
    "ash",
    "dash",
    "env",
    "dd",
    "find",
    "truncate",
    "dropdb",
    "shred",
    "xargs",
];

/// What they run stands behind `--`.
const BEFORE_DASHES: [&str; 11] =
    ["aws-vault", "op", "doppler", "chamber", "dotenv", "infisical", "envchain", "mise", "devbox", "vault", "teller"];

/// What they run stands behind `run` or `exec`.
const BEFORE_RUN: [&str; 14] = [
    "uv",
    "poetry",
    "pipenv",
    "pdm",
    "rye",
    "hatch",
    "bundle",
    "conda",
    "mamba",
    "micromamba",
    "mise",
    "rtx",
    "asdf",
    "aws-vault",
];
const OF_RUN: [&str; 11] = [
    "-n",
    "-p",
    "--name",
    "--prefix",
    "--python",
    "--with",
    "--extra",
    "--group",
    "--env-file",
    "--directory",
    "--package",
];

/// Variables that are called as a program is.
const NAMED_AS_THEIR_PROGRAM: [&str; 64] = [
    "ar",
    "awk",
    "bash",
    "browser",
    "bun",
    "cargo",
    "cat",
    "cc",
    "clang",
    "cmake",
    "curl",
    "cxx",
    "deno",
    "docker",
    "editor",
    "find",
    "gcc",
    "gh",
    "git",
    "go",
    "gradle",
    "grep",
    "helm",
    "java",
    "javac",
    "jq",
    "kubectl",
    "ld",
    "make",
    "mvn",
    "mysql",
    "ninja",
    "node",
    "npm",
    "npx",
    "pager",
    "perl",
    "php",
    "pip",
    "pip3",
    "pnpm",
    "podman",
    "psql",
    "pytest",
    "python",
    "python3",
    "rg",
    "rm",
    "rsync",
    "ruby",
    "rustc",
    "sed",
    "sh",
    "sqlite3",
    "ssh",
    "sudo",
    "tar",
    "terraform",
    "uv",
    "visual",
    "wget",
    "xargs",
    "yarn",
    "zsh",
];

/// The program that a word with something open in it must be, by its path or by what its variable is called.
pub(super) fn told_name(word: &Word) -> Option<String> {
    let base = name_of(word);
    if word.text.contains('/') {
        let is_plain = !base.is_empty() && !base.contains(['$', '*', '?', '[', '{']);
        return is_plain.then(|| base.to_owned());
    }
    let name = word.variable.as_deref()?.to_ascii_lowercase();
    let bare = ["_bin", "_cmd", "_exe", "_path"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(&name);
    NAMED_AS_THEIR_PROGRAM.contains(&bare).then(|| bare.to_owned())
}

pub(super) fn name_of(word: &Word) -> &str {
    // An alias is passed by with a backslash, and a path leads to the same program.
    let name = word.text.rsplit('/').next().unwrap_or_default();
    // Behind it stands a version.
    name.split_once('@').map(|(name, _)| name).filter(|name| !name.is_empty()).unwrap_or(name)
}

pub(super) fn is_variable(word: &Word) -> bool {
    let name = word.text.split_once('=').map_or("", |(name, _)| name.trim_end_matches('+'));
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// `words` begins with the program.
pub(super) fn behind<'a>(name: &str, words: &'a [Word]) -> Behind<'a> {
    let rest = &words[1..];
    if SHELLS.contains(&name) {
        return of_shell(name, rest);
    }
    if name == "npx"
        && let Some(text) = value_of(rest, 'c', "--call", "p")
    {
        return Behind::Text(text);
    }
    if let Some((_, with_value, own)) = RUNNERS.iter().find(|(runner, ..)| *runner == name) {
        return runner(name, rest, with_value, *own);
    }
    let first = rest.first().map(|word| word.text.as_str()).unwrap_or_default();
    match name {
        "eval" => Behind::Line(rest),
        "xargs" => Behind::WithMore(from_first(rest, &OF_XARGS)),
        "parallel" => {
            let all = from_first(rest, &OF_XARGS);
            let end = all.iter().position(|word| word.text.starts_with(":::")).unwrap_or(all.len());
            match &all[..end] {
                [text] if text.text.contains(' ') => Behind::LineWithMore(&all[..end]),
                words => Behind::WithMore(words),
            }
        }
        "watch" | "entr" | "hyperfine" => Behind::Line(from_first(rest, &["-n", "--interval", "-w", "-r"])),
        "su" | "runuser" | "script" | "flock" => match value_of(rest, 'c', "--command", "gGsTwmtIOoBE") {
            Some(text) => Behind::Text(text),
            None if name == "flock" => Behind::Words(from_first(rest, &["-w", "-E"]).get(1..).unwrap_or_default()),
            None => Behind::Itself,
        },
        "ssh" => match from_first(rest, &OF_SSH).get(1..).unwrap_or_default() {
            [] => Behind::InputElsewhere,
            texts => Behind::LineElsewhere(texts),
        },
        // The commands of a shell's own that have others run.
        "trap" => Behind::Line(rest.get(..1).unwrap_or_default()),
        "alias" => {
            let meant = rest.iter().filter_map(|word| word.text.split_once('=')).map(|(_, meant)| meant);
            Behind::Text(meant.collect::<Vec<_>>().join("\n"))
        }
        "source" | "." => match first {
            "" => Behind::Nothing,
            "/dev/stdin" | "-" => Behind::Input,
            _ if first.starts_with("<(") => Behind::Input,
            _ => Behind::Script(rest),
        },
        "direnv" if first == "exec" => Behind::Words(rest.get(2..).unwrap_or_default()),
        "nix" | "nix-shell" => {
            match rest.iter().position(|word| ["-c", "--command", "--run"].contains(&word.text.as_str())) {
                Some(at) if name == "nix" => Behind::Words(&rest[at + 1..]),
                Some(at) => Behind::Line(&rest[at + 1..]),
                None => Behind::Itself,
            }
        }
        "tmux" => of_tmux(rest),
        name if BEFORE_DASHES.contains(&name) && rest.iter().any(|word| word.text == "--") => {
            let at = rest.iter().position(|word| word.text == "--").map_or(rest.len(), |at| at + 1);
            Behind::Words(&rest[at..])
        }
        name if BEFORE_RUN.contains(&name) => {
            match rest
                .iter()
                .take_while(|word| word.text != "--")
                .position(|word| ["run", "exec"].contains(&word.text.as_str()))
            {
                Some(at) => Behind::Words(from_first(&rest[at + 1..], &OF_RUN)),
                None => Behind::Itself,
            }
        }
        name if OF_PACKAGES.iter().any(|(runner, _)| *runner == name) => of_package(name, rest),
        name if CONTAINERS.contains(&name)
            && operands(rest, &[]).iter().take(3).any(|word| ["exec", "run"].contains(&word.text.as_str())) =>
        {
            match rest.iter().position(|word| IN_CONTAINERS.contains(&name_of(word))) {
                Some(at) => Behind::Words(&rest[at..]),
                None => Behind::Itself,
            }
        }
        _ => Behind::Itself,
    }
}

fn of_package<'a>(name: &str, rest: &'a [Word]) -> Behind<'a> {
    let fetches = OF_PACKAGES.iter().find(|(runner, _)| *runner == name).map_or(&[][..], |(_, words)| words);
    let rest = from_first(rest, &["-C", "--prefix", "--dir", "--cwd", "-w", "--workspace", "--filter"]);
    match rest {
        [word, rest @ ..] if fetches.contains(&word.text.as_str()) => {
            Behind::Words(from_first(rest, &["-p", "--package"]))
        }
        [word, rest @ ..] if word.text == "run" && rest.first().is_some_and(is_of_package) => Behind::Words(rest),
        [word, ..] if is_of_package(word) => Behind::Words(rest),
        _ => Behind::Itself,
    }
}

fn is_of_package(word: &Word) -> bool {
    KNOWN_PACKAGES.contains(&name_of(word))
}

/// Into which directory, and the words without saying so.
pub(super) fn sent_elsewhere(name: &str, words: &[Word]) -> Option<(Word, Vec<Word>)> {
    let (_, options) = SENT_BY.iter().find(|(program, _)| *program == name)?;
    let mut dir = None;
    let mut bare = Vec::new();
    let mut at = 0;
    while let Some(word) = words.get(at) {
        at += 1;
        let text = word.text.as_str();
        let option = options.iter().find(|option| text.starts_with(**option)).filter(|_| text != "--");
        let attached = option.map(|option| (option.len() == 2, &text[option.len()..]));
        match attached {
            Some((_, "")) => {
                dir = words.get(at).cloned();
                at += 1;
            }
            Some((is_short, value)) if is_short || value.starts_with('=') => {
                dir = Some(Word { text: value.trim_start_matches('=').to_owned(), ..word.clone() });
            }
            _ => bare.push(word.clone()),
        }
    }
    Some((dir?, bare))
}

fn of_tmux(rest: &[Word]) -> Behind<'_> {
    let rest = from_first(rest, &["-L", "-S", "-f"]);
    let Some((command, rest)) = rest.split_first() else { return Behind::Itself };
    let texts = from_first(rest, &["-s", "-n", "-c", "-t", "-x", "-y", "-F", "-e", "-l", "-p", "-N"]);
    match command.text.as_str() {
        "new" | "new-session" | "new-window" | "neww" | "split-window" | "splitw" | "respawn-pane"
        | "respawn-window" | "run-shell" | "run" | "if-shell" | "popup" | "display-popup" => Behind::Line(texts),
        "send" | "send-keys" => {
            let keys = ["Enter", "C-m", "KPEnter"];
            let end = texts.iter().position(|word| keys.contains(&word.text.as_str())).unwrap_or(texts.len());
            Behind::Line(&texts[..end])
        }
        _ => Behind::Itself,
    }
}

fn runner<'a>(name: &str, rest: &'a [Word], with_value: &[&str], own: usize) -> Behind<'a> {
    let asks_only = name == "command" && rest.first().is_some_and(|word| ["-v", "-V"].contains(&word.text.as_str()));
    if asks_only {
        return Behind::Nothing;
    }
    if name == "env"
        && let Some((at, text)) = split_string(rest)
    {
        let more = rest[at..].iter().map(|word| word.text.as_str());
        return Behind::Text(std::iter::once(text).chain(more).collect::<Vec<_>>().join(" "));
    }
    Behind::Words(from_first(rest, with_value).get(own..).unwrap_or_default())
}

/// The text of `env -S`, however it is written, and where what comes behind it begins.
fn split_string(rest: &[Word]) -> Option<(usize, &str)> {
    let mut at = 0;
    while let Some(text) = rest.get(at).map(|word| word.text.as_str()).filter(|text| text.starts_with('-')) {
        if let Some(value) = text.strip_prefix("--split-string") {
            return match value.strip_prefix('=') {
                Some(value) => Some((at + 1, value)),
                None => Some((at + 2, rest.get(at + 1)?.text.as_str())),
            };
        }
        if !text.starts_with("--")
            && let Some(letter) = text[1..].find(['S', 'u', 'C', 'P', 'a']).filter(|at| text[1 + at..].starts_with('S'))
        {
            let value = &text[letter + 2..];
            return match value.is_empty() {
                true => Some((at + 2, rest.get(at + 1)?.text.as_str())),
                false => Some((at + 1, value)),
            };
        }
        at += if ["-u", "-C", "-P", "-a", "--unset", "--chdir"].contains(&text) { 2 } else { 1 };
    }
    None
}

/// From the first word that is no option of its own. Short options may stand together, and the last may have a value.
fn from_first<'a>(words: &'a [Word], with_value: &[&str]) -> &'a [Word] {
    let mut at = 0;
    while let Some(word) = words.get(at).filter(|word| word.text.starts_with('-')) {
        let text = word.text.as_str();
        let takes = |letter: char| with_value.iter().any(|option| option.len() == 2 && option.ends_with(letter));
        let is_bundle = text.len() > 2 && !text.starts_with("--");
        let waits = match is_bundle {
            // Only the last: what follows one before it is its value.
            true => text[1..]
                .char_indices()
                .find(|(_, c)| takes(*c))
                .is_some_and(|(place, c)| 1 + place + c.len_utf8() == text.len()),
            false => false,
        };
        at += if waits || with_value.contains(&text) { 2 } else { 1 };
        if text == "--" {
            break;
        }
    }
    words.get(at..).unwrap_or_default()
}

/// What an option is given: behind it, or in the next word. Letters of `takes` have values, too.
pub(super) fn value_of(words: &[Word], letter: char, long: &str, takes: &str) -> Option<String> {
    values_of(words, letter, long, takes).into_iter().next().map(|word| word.text)
}

pub(super) fn values_of(words: &[Word], letter: char, long: &str, takes: &str) -> Vec<Word> {
    let mut found = Vec::new();
    for (at, word) in words.iter().enumerate() {
        let text = word.text.as_str();
        if text == "--" {
            break;
        }
        let behind = match text.strip_prefix(long).filter(|_| !long.is_empty()) {
            Some("") => Some(""),
            Some(value) => value.strip_prefix('='),
            None if text.starts_with("--") || !text.starts_with('-') => None,
            None => {
                let place = text.char_indices().skip(1).find(|(_, c)| *c == letter || takes.contains(*c));
                place.filter(|(_, c)| *c == letter).map(|(place, c)| &text[place + c.len_utf8()..])
            }
        };
        match behind {
            Some("") => found.extend(words.get(at + 1).cloned()),
            Some(value) => found.push(Word { text: value.to_owned(), holes: Vec::new(), ..word.clone() }),
            None => {}
        }
    }
    found
}

fn of_shell<'a>(name: &str, rest: &'a [Word]) -> Behind<'a> {
    if name == "pwsh" {
        let is_it = |word: &Word| ["-c", "-command"].contains(&word.text.to_ascii_lowercase().as_str());
        if let Some(at) = rest.iter().position(is_it) {
            return Behind::Line(&rest[at + 1..]);
        }
    }
    let (mut runs_text, mut reads_input) = (false, false);
    let mut at = 0;
    while let Some(text) =
        rest.get(at).map(|word| word.text.as_str()).filter(|text| text.starts_with(['-', '+']) && *text != "-")
    {
        let letters = text.trim_start_matches(['-', '+']);
        let is_long = text.starts_with("--");
        runs_text |= !is_long && letters.contains('c');
        reads_input |= !is_long && letters.contains('s');
        at += 1 + match is_long {
            true => usize::from(["--rcfile", "--init-file"].contains(&text)),
            // Each has a word of its own.
            false => letters.chars().filter(|c| ['o', 'O'].contains(c)).count(),
        };
        if text == "--" {
            break;
        }
    }
    match rest.get(at..).unwrap_or_default() {
        [] if runs_text => Behind::Line(&[]),
        [_, ..] if runs_text => Behind::LineGiven(&rest[at..]),
        [file, ..] if !reads_input && file.text != "-" && file.text != "/dev/stdin" && !file.text.starts_with("<(") => {
            Behind::Script(&rest[at..])
        }
        _ => Behind::Input,
    }
}
