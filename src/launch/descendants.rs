//! The processes below this one, however far down and whatever session they made for themselves.

use rustix::process::Pid;
use rustix::process::Signal;
use rustix::process::kill_process;

/// Everything below us. Where the system has no subreaper, what has left its parent is not found.
#[cfg(target_os = "linux")]
pub(super) fn descendants() -> Vec<Pid> {
    let parents: Vec<(i32, i32)> = std::fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(|pid| Some((pid, parent(pid)?)))
        .collect();
    let mut found = vec![std::process::id() as i32];
    let mut looked_at = 0;
    while looked_at < found.len() {
        let above = found[looked_at];
        found.extend(parents.iter().filter(|(_, parent)| *parent == above).map(|(pid, _)| *pid));
        looked_at += 1;
    }
    found.into_iter().skip(1).filter_map(Pid::from_raw).collect()
}

#[cfg(target_os = "linux")]
fn parent(pid: i32) -> Option<i32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The command's name stands in parentheses and may hold anything; its state and its parent follow.
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(not(target_os = "linux"))]
pub(super) fn descendants() -> Vec<Pid> {
    Vec::new()
}

pub(super) fn signal_all(signal: Signal) {
    for pid in descendants() {
        // It may just have ended.
        let _ = kill_process(pid, signal);
    }
}
