//! The processes of a run, however far down and whatever session they made for themselves: while their keeper lives they are
//! below it, and after it they still have its mark.

use rustix::process::Pid;
use rustix::process::Signal;
use rustix::process::kill_process;
use std::path::Path;

/// In the environment of all that is started for a run: its directory.
pub const MARK: &str = "ORCH_RUN";

/// Everything below a process. Where the system has no subreaper, what has left its parent is not found.
#[cfg(target_os = "linux")]
pub fn below(top: i32) -> Vec<i32> {
    let parents: Vec<(i32, i32)> = processes().filter_map(|pid| Some((pid, parent(pid)?))).collect();
    let mut found = vec![top];
    let mut looked_at = 0;
    while looked_at < found.len() {
        let above = found[looked_at];
        found.extend(parents.iter().filter(|(_, parent)| *parent == above).map(|(pid, _)| *pid));
        looked_at += 1;
    }
    found.split_off(1)
}

/// Milliseconds of the processor that it has used, and its children that have ended.
#[cfg(target_os = "linux")]
pub fn processor_used(pid: i32) -> Option<u64> {
    /// Linux tells it in hundredths of a second.
    const TICK_MS: u64 = 10;
    let ticks =
        stat(pid, |fields| fields.skip(11).take(4).map(|field| field.parse::<u64>().ok()).sum::<Option<u64>>())?;
    Some(ticks * TICK_MS)
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
    stat(pid, |mut fields| fields.nth(1)?.parse().ok())
}

/// Reads what the system tells of a process, from its state on.
#[cfg(target_os = "linux")]
fn stat<T>(pid: i32, read: impl FnOnce(std::str::SplitWhitespace) -> Option<T>) -> Option<T> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The command's name stands in parentheses and may hold anything.
    read(stat.rsplit_once(')')?.1.split_whitespace())
}

#[cfg(not(target_os = "linux"))]
pub fn below(_top: i32) -> Vec<i32> {
    Vec::new()
}

#[cfg(not(target_os = "linux"))]
pub fn processor_used(_pid: i32) -> Option<u64> {
    None
}

#[cfg(not(target_os = "linux"))]
fn marked(_dir: &Path) -> Vec<Pid> {
    Vec::new()
}

pub fn signal_below_us(signal: Signal) {
    let below_us: Vec<Pid> = below(std::process::id() as i32).into_iter().filter_map(Pid::from_raw).collect();
    signal_each(&below_us, signal);
}

/// Kills what has the mark of a run, and says how many there were.
pub fn kill_marked(dir: &Path) -> usize {
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
