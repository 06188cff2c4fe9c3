//! The clock of all measurements: comparable between the processes of one machine.

use rustix::time::ClockId;
use rustix::time::clock_gettime;
use std::thread;
use std::time::Duration;

pub const MILLI: u64 = 1_000_000;
pub const SECOND: u64 = 1_000_000_000;

/// Now, in nanoseconds.
pub fn nanos() -> u64 {
    read(ClockId::Monotonic)
}

/// What this process has used of the processors, in nanoseconds.
pub fn cpu_nanos() -> u64 {
    read(ClockId::ProcessCPUTime)
}

fn read(clock: ClockId) -> u64 {
    let now = clock_gettime(clock);
    now.tv_sec as u64 * SECOND + now.tv_nsec as u64
}

/// What it does, and how long that took.
pub fn timed<R>(what: impl FnOnce() -> R) -> (R, u64) {
    let from = nanos();
    let result = what();
    (result, nanos() - from)
}

pub fn sleep_until(moment: u64) {
    thread::sleep(Duration::from_nanos(moment.saturating_sub(nanos())));
}
