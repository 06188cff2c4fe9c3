//! Other programs: which of them are there, and what they say of themselves, asked with a deadline of our own.

use crate::cli::doctor::check::Check;
use crate::cli::setup::quoted;
use crate::config::Config;
use rustix::process::Pid;
use rustix::process::Signal;
use rustix::process::kill_process_group;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::Stdio;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

/// A program that takes longer to say its version will not say it.
pub(super) const PATIENCE: Duration = Duration::from_millis(700);

/// A version fits into the beginning.
const BYTES_MAX: u64 = 4_096;
const CHARS_MAX: usize = 100;

/// From this version on a session has a socket by which it can be woken.
const CLAUDE_WITH_INBOX: [u32; 3] = [2, 1, 224];

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Absent,
    /// The first line that it printed.
    Said(String),
    /// It was ended before it said anything.
    Silent,
    Failed(String),
}

/// What `program flag` prints. The program, and all that it has started, is over when this returns.
pub(super) fn ask(program: &Path, flag: &str, patience: Duration) -> Asked {
    let started = Command::new(program)
        .arg(flag)
        .current_dir("/")
        // A question must neither update the program nor tell anybody of it.
        .env("DISABLE_AUTOUPDATER", "1")
        .env("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn();
    let mut child = match started {
        Ok(child) => child,
        Err(cause) => return Asked::Failed(cause.to_string()),
    };
    let (tell, told) = channel();
    if let Some(stdout) = child.stdout.take() {
        thread::spawn(move || {
            let mut bytes = Vec::new();
            let _ = stdout.take(BYTES_MAX).read_to_end(&mut bytes);
            let _ = tell.send(bytes);
        });
    }
    let heard = told.recv_timeout(patience);
    // Nobody has waited for it yet, so the number is still its own.
    let _ = kill_process_group(Pid::from_child(&child), Signal::KILL);
    let _ = child.wait();
    match heard {
        Ok(bytes) => {
            let text = String::from_utf8_lossy(&bytes);
            let line: String = text.trim().lines().next().unwrap_or_default().chars().take(CHARS_MAX).collect();
            if line.is_empty() { Asked::Failed("it printed nothing".to_owned()) } else { Asked::Said(line) }
        }
        Err(_) => Asked::Silent,
    }
}

/// Another program that we work with.
#[derive(Clone, Copy, Debug)]
struct Tool {
    name: &'static str,
    flag: &'static str,
    /// What is not to be had without it.
    without: &'static str,
    is_missed: bool,
}

const TOOLS: [Tool; 3] = [
    Tool {
        name: "claude",
        flag: "--version",
        without: "no session of Claude Code can be started here",
        is_missed: false,
    },
    Tool { name: "git", flag: "--version", without: "sessions that work in git repositories need it", is_missed: true },
    Tool { name: "tmux", flag: "-V", without: "only who keeps sessions in windows needs it", is_missed: false },
];

/// All of them are asked at the same time.
pub(super) fn checks(config: &Config) -> Vec<Check> {
    let asked = TOOLS.map(|tool| {
        let program = config.on_path(tool.name);
        thread::spawn(move || match &program {
            Some(program) => (ask(program, tool.flag, PATIENCE), program.clone()),
            None => (Asked::Absent, PathBuf::new()),
        })
    });
    let install = installer(config);
    let told = TOOLS.into_iter().zip(asked).filter_map(|(tool, asked)| Some((tool, asked.join().ok()?)));
    told.map(|(tool, (asked, program))| check(tool, asked, &program, install)).collect()
}

fn check(tool: Tool, asked: Asked, program: &Path, install: &str) -> Check {
    let Tool { name, flag, .. } = tool;
    let shown = program.display();
    match asked {
        Asked::Absent => {
            let found = format!("not on PATH: {}", tool.without);
            let check = if tool.is_missed { Check::warning(name, found) } else { Check::note(name, found) };
            check.fix(match name {
                "claude" => "npm install -g @anthropic-ai/claude-code".to_owned(),
                _ => format!("{install} {name}"),
            })
        }
        Asked::Said(said) if name == "claude" && version(&said).is_some_and(|found| found < CLAUDE_WITH_INBOX) => {
            let [major, minor, patch] = CLAUDE_WITH_INBOX;
            let found = format!("{said} at {shown}: an idle session can be woken from {major}.{minor}.{patch} on");
            Check::warning(name, found).fix("claude update")
        }
        Asked::Said(said) => Check::ok(name, format!("{said} at {shown}")),
        Asked::Silent => {
            let found = format!("`{shown} {flag}` said nothing within {} ms, and was ended", PATIENCE.as_millis());
            Check::warning(name, found).fix(format!("{} {flag}", quoted(&program.to_string_lossy())))
        }
        Asked::Failed(cause) => Check::warning(name, format!("`{shown} {flag}` does not tell its version: {cause}"))
            .fix(format!("{} {flag}", quoted(&program.to_string_lossy()))),
    }
}

/// The three numbers of a version, wherever they stand.
pub(super) fn version(text: &str) -> Option<[u32; 3]> {
    text.split(|c: char| !c.is_ascii_digit() && c != '.').find_map(|word| {
        let mut numbers = word.split('.').map(str::parse);
        Some([numbers.next()?.ok()?, numbers.next()?.ok()?, numbers.next()?.ok()?])
    })
}

/// How programs are installed here.
fn installer(config: &Config) -> &'static str {
    let known = [
        ("apt-get", "sudo apt-get install"),
        ("dnf", "sudo dnf install"),
        ("pacman", "sudo pacman -S"),
        ("apk", "sudo apk add"),
        ("zypper", "sudo zypper install"),
        ("brew", "brew install"),
    ];
    let found = known.into_iter().find(|(program, _)| config.on_path(program).is_some());
    found.map_or("your package manager: install", |(_, command)| command)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn script(dir: &Path, text: &str) -> PathBuf {
        let path = dir.join("tool");
        // By another process: while a test beside this one starts a program, it would have our file open too.
        let written = Command::new("/bin/sh")
            .args(["-c", "printf '#!/bin/sh\n%s\n' \"$1\" >\"$0\" && chmod 700 \"$0\""])
            .args([path.as_os_str(), text.as_ref()])
            .status();
        assert!(written.unwrap().success());
        path
    }

    #[test]
    fn what_a_program_says_first_is_its_version() {
        let dir = tempfile::tempdir().unwrap();
        let ask = |text| ask(&script(dir.path(), text), "--version", Duration::from_secs(60));
        assert_eq!(ask("echo \"tool 1.2 $1\"; echo more"), Asked::Said("tool 1.2 --version".to_owned()));
        assert_eq!(ask("cat"), Asked::Failed("it printed nothing".to_owned()), "nobody types");
        assert_eq!(ask("echo no >&2; exit 1"), Asked::Failed("it printed nothing".to_owned()));
        assert!(matches!(super::ask(&dir.path().join("missing"), "-V", PATIENCE), Asked::Failed(_)));
    }

    #[test]
    fn a_program_that_hangs_is_ended_with_all_that_it_started() {
        let dir = tempfile::tempdir().unwrap();
        let pids = dir.path().join("pids");
        let hangs = script(dir.path(), &format!("echo $$ >>{0}; sleep 600 & echo $! >>{0}; wait", pids.display()));
        assert_eq!(ask(&hangs, "-V", Duration::from_millis(300)), Asked::Silent);
        let gone =
            |pid: &str| fs::read_to_string(format!("/proc/{pid}/stat")).map_or(true, |stat| stat.contains(") Z"));
        for pid in fs::read_to_string(&pids).unwrap_or_default().lines() {
            // The grandchild is nobody's here, and ends when the system has time for it.
            let deadline = crate::host::Deadline::after(Duration::from_secs(6));
            while !gone(pid) {
                assert!(!deadline.passed(), "process {pid} goes on");
                thread::yield_now();
            }
        }
    }

    #[test]
    fn a_claude_that_cannot_be_woken_is_told() {
        let claude = TOOLS[0];
        let told = |said: &str| check(claude, Asked::Said(said.to_owned()), Path::new("/bin/claude"), "brew install");
        assert_eq!(told("2.1.329 (Claude Code)").verdict.word(), "ok");
        assert_eq!(told("2.1.99 (Claude Code)").fix.as_deref(), Some("claude update"));
        assert_eq!(told("something else").verdict.word(), "ok");
        let absent = TOOLS.map(|tool| check(tool, Asked::Absent, Path::new(""), "brew install"));
        assert_eq!(absent.each_ref().map(|check| check.verdict.word()), ["note", "warning", "note"]);
        assert_eq!(absent[2].fix.as_deref(), Some("brew install tmux"));
        assert_eq!(check(claude, Asked::Silent, Path::new("/c d"), "").fix.as_deref(), Some("'/c d' --version"));
    }

    #[test]
    fn the_numbers_of_a_version_are_found() {
        assert_eq!(version("git version 2.50.1 (x)"), Some([2, 50, 1]));
        assert_eq!(version("tmux 3.4"), None);
    }
}
