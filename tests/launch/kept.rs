//! A run with a keeper: a small program in a directory of its own. All of it is over when this is dropped.

use crate::support::program::PROGRAM;
use crate::support::program::Running;
use crate::support::program::eventually;
use orch_mcp::claude::command::Input;
use orch_mcp::claude::command::ProgramLine;
use orch_mcp::host::Host;
use orch_mcp::keep::keeper;
use orch_mcp::keep::run::End;
use orch_mcp::keep::run::Record;
use orch_mcp::keep::run::RunDir;
use orch_mcp::keep::run::Standing;
use orch_mcp::keep::run::Start;
use rustix::process::Pid;
use rustix::process::Signal;
use rustix::process::kill_process;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::process::Stdio;
use tempfile::TempDir;

/// All that is started for a run has it in its environment.
const MARK: &str = "ORCH_TEST_RUN";

pub struct Kept {
    pub run: RunDir,
    pub host: Host,
    dir: TempDir,
}

impl Kept {
    /// A run of `/bin/sh -c script`, not begun yet.
    pub fn shell(script: &str, input: Input) -> Kept {
        Kept::program("/bin/sh", &["-c", script], input)
    }

    /// The same in Python, for what a shell cannot do.
    pub fn python(script: &str, input: Input) -> Kept {
        Kept::program("python3", &["-u", "-c", script], input)
    }

    pub fn program(program: &str, arguments: &[&str], input: Input) -> Kept {
        let dir = tempfile::tempdir_in("/tmp").unwrap();
        let run = RunDir::of(dir.path(), "amy", "1");
        run.make().unwrap();
        let line = ProgramLine {
            program: program.to_owned(),
            arguments: arguments.iter().map(|&argument| argument.to_owned()).collect(),
            set: vec![("SET".to_owned(), "set".to_owned())],
            take_away: vec!["TAKEN".to_owned()],
            input,
        };
        run.tell_start(&Start { line, cwd: dir.path().to_owned(), set_up: None, metering: None }).unwrap();
        Kept { run, host: Host::System, dir }
    }

    /// What the program leaves in its working directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    #[track_caller]
    pub fn until_there(&self, name: &str) -> String {
        let whole = |text: String| text.ends_with('\n').then_some(text);
        let text = eventually(name, || fs::read_to_string(self.path(name)).ok().and_then(whole));
        text.trim().to_owned()
    }

    /// The process whose number the program has left in this file.
    #[track_caller]
    pub fn process(&self, name: &str) -> Pid {
        Pid::from_raw(self.until_there(name).parse().unwrap()).unwrap()
    }

    pub fn keeper(&self, flags: &[&str]) -> Command {
        let mut keeper = Command::new(PROGRAM);
        keeper.arg("keep").arg(self.run.dir()).args(flags).env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin");
        keeper.env(MARK, self.dir.path()).env("TAKEN", "taken").env("HOME", self.dir.path());
        keeper.stdin(Stdio::null()).stdout(Stdio::null());
        keeper
    }

    pub fn begin(&self, flags: &[&str]) -> Running {
        Running::start(&mut self.keeper(flags))
    }

    /// To its end, which it comes to by itself.
    #[track_caller]
    pub fn through(&self, flags: &[&str]) -> End {
        let mut keeper = self.begin(flags);
        assert!(keeper.ends().success());
        self.run.end().unwrap().expect("it is told how it ended")
    }

    #[track_caller]
    pub fn until_ended(&self) -> End {
        eventually("the end of the run", || self.run.end().unwrap())
    }

    #[track_caller]
    pub fn record(&self) -> Record {
        eventually("a record with the child", || self.run.record().unwrap().filter(|record| record.child.is_some()))
    }

    pub fn tell(&self, signal: Signal) {
        keeper::tell(&self.host, &self.record(), signal).unwrap();
    }

    pub fn standing(&self) -> Standing {
        self.run.standing(&self.host).unwrap()
    }

    pub fn printed(&self) -> String {
        let [stream, before] = self.run.stream().map(|path| fs::read_to_string(path).unwrap_or_default());
        before + &stream
    }

    pub fn errors(&self) -> String {
        fs::read_to_string(&self.run.errors()[0]).unwrap_or_default()
    }

    #[track_caller]
    pub fn until_printed(&self, text: &str) {
        eventually(text, || self.printed().contains(text).then_some(()));
    }

    /// What was started for this run and has not ended, but for the dead whom nobody has buried.
    pub fn left(&self) -> Vec<Pid> {
        let mark = format!("{MARK}={}\0", self.dir.path().display());
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = entries.filter_map(|entry| Pid::from_raw(entry.file_name().to_str()?.parse().ok()?));
        let is_ours = |pid: &Pid| {
            let environ = fs::read(format!("/proc/{}/environ", pid.as_raw_nonzero())).unwrap_or_default();
            String::from_utf8_lossy(&environ).contains(&mark)
        };
        pids.filter(is_ours).collect()
    }

    #[track_caller]
    pub fn until_nothing_is_left(&self) {
        eventually("nothing of the run is left", || self.left().is_empty().then_some(()));
    }
}

/// What forks on and on may be missed by one look, and hardly by as many.
const LOOKS: usize = 5;

impl Drop for Kept {
    fn drop(&mut self) {
        let mut empty = 0;
        while empty < LOOKS {
            let left = self.left();
            empty = if left.is_empty() { empty + 1 } else { 0 };
            for pid in left {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
    }
}
