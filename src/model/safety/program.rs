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
    /// The same on another machine.
    LineElsewhere(&'a [Word]),
    /// A shell that reads its commands from what it is given to read.
    Input,
    /// It only tells of a command, or reads a file of them.
    Nothing,
}

/// Each with its options whose value is the next word, and how many words of its own come before the command.
const RUNNERS: [(&str, &[&str], usize); 27] = [
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

pub(super) fn name_of(word: &Word) -> &str {
    // An alias is passed by with a backslash, and a path leads to the same program.
    word.text.rsplit('/').next().unwrap_or_default()
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
        return of_shell(rest);
    }
    if let Some((_, with_value, own)) = RUNNERS.iter().find(|(runner, ..)| *runner == name) {
        return runner(name, rest, with_value, *own);
    }
    match name {
        "eval" => Behind::Line(rest),
        "xargs" | "parallel" => Behind::WithMore(from_first(rest, &OF_XARGS)),
        "watch" | "entr" | "hyperfine" => Behind::Line(from_first(rest, &["-n", "--interval", "-w", "-r"])),
        "su" | "runuser" | "script" | "flock" => {
            match rest.iter().position(|word| word.text == "-c" || word.text == "--command") {
                Some(at) => Behind::Line(rest.get(at + 1..at + 2).unwrap_or_default()),
                None if name == "flock" => Behind::Words(from_first(rest, &["-w", "-E"]).get(1..).unwrap_or_default()),
                None => Behind::Itself,
            }
        }
        "ssh" => Behind::LineElsewhere(from_first(rest, &OF_SSH).get(1..).unwrap_or_default()),
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

fn runner<'a>(name: &str, rest: &'a [Word], with_value: &[&str], own: usize) -> Behind<'a> {
    let asks_only = name == "command" && rest.first().is_some_and(|word| ["-v", "-V"].contains(&word.text.as_str()));
    if asks_only {
        return Behind::Nothing;
    }
    if name == "env"
        && let Some(at) = rest.iter().take_while(|word| word.text.starts_with('-')).position(|word| word.text == "-S")
    {
        return Behind::Line(&rest[at + 1..]);
    }
    Behind::Words(from_first(rest, with_value).get(own..).unwrap_or_default())
}

/// From the first word that is no option of its own.
fn from_first<'a>(words: &'a [Word], with_value: &[&str]) -> &'a [Word] {
    let mut at = 0;
    while let Some(word) = words.get(at).filter(|word| word.text.starts_with('-')) {
        at += if with_value.contains(&word.text.as_str()) { 2 } else { 1 };
        if word.text == "--" {
            break;
        }
    }
    words.get(at..).unwrap_or_default()
}

fn of_shell(rest: &[Word]) -> Behind<'_> {
    let (mut runs_text, mut reads_input) = (false, false);
    let mut at = 0;
    while let Some(text) =
        rest.get(at).map(|word| word.text.as_str()).filter(|text| text.starts_with(['-', '+']) && *text != "-")
    {
        let letters = text.trim_start_matches(['-', '+']);
        let is_long = text.starts_with("--");
        runs_text |= !is_long && letters.contains('c') || text.eq_ignore_ascii_case("-command");
        reads_input |= !is_long && letters.contains('s');
        at += 1 + usize::from(["-o", "+o", "-O", "+O", "--rcfile", "--init-file"].contains(&text));
        if text == "--" {
            break;
        }
    }
    match rest.get(at..at + 1) {
        Some(text) if runs_text => Behind::Line(text),
        Some([file])
            if !reads_input && file.text != "-" && file.text != "/dev/stdin" && !file.text.starts_with("<(") =>
        {
            Behind::Nothing
        }
        _ => Behind::Input,
    }
}
