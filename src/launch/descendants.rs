//! The processes of a run, however far down and whatever session they made for themselves: while their keeper lives they are
//! below it, and after it they still have its mark.

use rustix::process::Pid;
use rustix::process::Signal;
use rustix::process::kill_process;
use std::path::Path;

/// In the environment of all that is started for a run: its directory.
pub(super) const MARK: &str = "ORCH_RUN";

/// Everything below us. Where the system has no subreaper, what has left its parent is not found.
#[cfg(target_os = "linux")]
fn below_us() -> Vec<Pid> {
    let parents: Vec<(i32, i32)> = processes().filter_map(|pid| Some((pid, parent(pid)?))).collect();
    let mut found = vec![std::process::id() as i32];
    let mut looked_at = 0;
    while looked_at < found.len() {
        let above = found[looked_at];
        found.extend(parents.iter().filter(|(_, parent)| *parent == above).map(|(pid, _)| *pid));
        looked_at += 1;
    }
    found.into_iter().skip(1).filter_map(Pid::from_raw).collect()
}

/// Everything that was started for this run and is ours to end.
#[cfg(target_os = "linux")]
fn marked(dir: &Path) -> Vec<Pid> {
    use std::os::unix::ffi::OsStrExt;

    let mark = [MARK.as_bytes(), b"=", dir.as_os_str().as_bytes()].concat();
    let has_mark = |pid: &i32| {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|variable| variable == mark)
    };
    processes().filter(has_mark).filter_map(Pid::from_raw).collect()
}

#[cfg(target_os = "linux")]
fn processes() -> impl Iterator<Item = i32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

#[cfg(target_os = "linux")]
fn parent(pid: i32) -> Option<i32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The command's name stands in parentheses and may hold anything; its state and its parent follow.
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(not(target_os = "linux"))]
fn below_us() -> Vec<Pid> {
    Vec::new()
}

#[cfg(not(target_os = "linux"))]
fn marked(_dir: &Path) -> Vec<Pid> {
    Vec::new()
}

pub(super) fn signal_below_us(signal: Signal) {
    signal_each(&below_us(), signal);
}

/// Kills what has the mark of a run, and says how many there were.
pub(super) fn kill_marked(dir: &Path) -> usize {
    let marked = marked(dir);
    signal_each(&marked, Signal::KILL);
    marked.len()
}

fn signal_each(pids: &[Pid], signal: Signal) {
    for pid in pids {
        // It may just have ended.
        let _ = kill_process(*pid, signal);
    }
}
