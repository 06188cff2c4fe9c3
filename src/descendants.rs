//! The processes that we started and all that these did, however far down and whatever session they made for themselves: while
//! whoever keeps them lives they are below it, and at any time they have its mark.

use crate::host::Host;
use rustix::process::Pid;
use rustix::process::Signal;
use rustix::process::kill_process;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// In the environment of all that is started for a run: its directory.
pub const MARK: &str = "ORCH_RUN";

/// Who was started between two looks is found by the next; what starts others for ever is given up.
const ROUNDS_MAX: usize = 100;

/// Of most.
#[cfg(target_os = "linux")]
const ENVIRONMENT_BYTES: usize = 8 << 10;
#[cfg(target_os = "linux")]
const LOOKS_MAX: usize = 20;
#[cfg(target_os = "linux")]
const BETWEEN_LOOKS: std::time::Duration = std::time::Duration::from_millis(1);

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

/// Everything in whose environment a variable is the mark, but for this very process.
#[cfg(target_os = "linux")]
fn marked(is_mark: &dyn Fn(&[u8]) -> bool) -> Vec<Pid> {
    let us = std::process::id() as i32;
    processes().filter(|pid| *pid != us && has_variable(*pid, is_mark)).filter_map(Pid::from_raw).collect()
}

#[cfg(target_os = "linux")]
fn has_variable(pid: i32, is_it: &dyn Fn(&[u8]) -> bool) -> bool {
    environment(pid).split(|byte| *byte == 0).any(is_it)
}

/// While a process becomes another program the system tells of a part of its environment or of none, though of a program. Who has
/// none for good, or has written something else there, is looked at a few times more.
#[cfg(target_os = "linux")]
fn environment(pid: i32) -> Vec<u8> {
    use std::io::Read;
    let mut told = Vec::with_capacity(ENVIRONMENT_BYTES);
    for _ in 0..LOOKS_MAX {
        told.clear();
        let read = std::fs::File::open(format!("/proc/{pid}/environ")).and_then(|mut file| file.read_to_end(&mut told));
        let is_whole = read.is_ok() && told.ends_with(b"\0");
        if is_whole || std::fs::read_link(format!("/proc/{pid}/exe")).is_err() {
            break;
        }
        std::thread::park_timeout(BETWEEN_LOOKS);
    }
    told
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
fn marked(_is_mark: &dyn Fn(&[u8]) -> bool) -> Vec<Pid> {
    Vec::new()
}

/// Was it started for a run, or by something that was? Its parents may say so where it does not.
#[cfg(target_os = "linux")]
pub fn is_of_run(pid: i32) -> bool {
    let begins = [MARK.as_bytes(), b"="].concat();
    let above = std::iter::successors(Some(pid), |pid| parent(*pid).filter(|parent| *parent > 1));
    above.take(ROUNDS_MAX).any(|pid| has_variable(pid, &|variable| variable.starts_with(&begins)))
}

#[cfg(not(target_os = "linux"))]
pub fn is_of_run(_pid: i32) -> bool {
    false
}

pub fn signal_below_us(signal: Signal) {
    let below_us: Vec<Pid> = below(std::process::id() as i32).into_iter().filter_map(Pid::from_raw).collect();
    signal_each(&below_us, signal);
}

/// Kills what has the mark of a run, and says how many there were.
pub fn kill_marked(dir: &Path) -> usize {
    let mark = [MARK.as_bytes(), b"=", dir.as_os_str().as_bytes()].concat();
    kill_each(&|variable| variable == mark)
}

/// Kills those of these processes that live still, and says how many there were.
pub fn kill_those(host: &Host, processes: &[String]) -> usize {
    let lives = processes.iter().filter(|process| host.lives(process) == Some(true));
    let pids: Vec<Pid> = lives.filter_map(|process| Pid::from_raw(process.split('.').next()?.parse().ok()?)).collect();
    signal_each(&pids, Signal::KILL);
    pids.len()
}

/// Kills what the mark is told of, and what that starts meanwhile. Where the system tells of no environment, nothing.
pub fn kill_all(is_mark: &dyn Fn(&[u8]) -> bool) {
    for _ in 0..ROUNDS_MAX {
        if kill_each(is_mark) == 0 {
            return;
        }
    }
}

fn kill_each(is_mark: &dyn Fn(&[u8]) -> bool) -> usize {
    let marked = marked(is_mark);
    signal_each(&marked, Signal::KILL);
    marked.len()
}

fn signal_each(pids: &[Pid], signal: Signal) {
    for pid in pids {
        // It may just have ended.
        let _ = kill_process(*pid, signal);
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use crate::descendants::MARK;
    use crate::descendants::has_variable;
    use crate::descendants::kill_marked;
    use std::os::unix::ffi::OsStrExt;
    use std::process::Command;

    #[test]
    fn whoever_becomes_one_program_after_another_is_found_at_any_time() {
        let dir = tempfile::tempdir().unwrap();
        let script = dir.path().join("again");
        std::fs::write(&script, "exec /bin/sh \"$0\"\n").unwrap();
        let mut restless = Command::new("/bin/sh").arg(&script).env(MARK, dir.path()).spawn().unwrap();
        let mark = [MARK.as_bytes(), b"=", dir.path().as_os_str().as_bytes()].concat();
        let found = (0..2_000).filter(|_| has_variable(restless.id() as i32, &|variable| variable == mark)).count();
        assert_eq!((kill_marked(dir.path()), found), (1, 2_000));
        restless.wait().unwrap();
    }
}
