//! What only the machine can say: the time, randomness, and which processes live. Tests move all of it by hand.

use crate::model::digest::digest;
use crate::model::latest::Latest;
use crate::model::time::Timestamp;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::LazyLock;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicI64;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

/// The machine, or one that tests move by hand.
#[derive(Clone, Debug)]
pub enum Host {
    System,
    /// The machine, on which so many milliseconds more have passed: tests let time pass by while real processes run.
    Ahead(Arc<AtomicI64>),
    Manual(Arc<Mutex<ManualHost>>),
}

/// A machine whose clocks move only when told, and whose randomness comes from a seed.
#[derive(Debug)]
pub struct ManualHost {
    pub wall_ms: i64,
    pub awake_ms: i64,
    pub machine: String,
    pub boot: String,
    pub seed: u64,
    pub dead: HashSet<String>,
    heard: Heard,
}

/// Which processes of other machines were heard of lately, as nobody here can look for them.
#[derive(Debug)]
struct Heard {
    /// By the principal that told of the process.
    at_ms: Latest<Arc<str>, i64>,
    /// From when on somebody listens.
    since_ms: Option<i64>,
}

/// Ends the name of a process that another machine told us of: it is looked for nowhere here.
pub const ELSEWHERE: char = '~';

/// A process that lives says so more than twice as often.
const HEARD_WITHIN_MS: i64 = 250_000;

/// More than one principal has at work at once, and more than all have. Who is forgotten is taken for gone, and so gets its
/// mail once more.
const HEARD_OF_ONE_MAX: usize = 1024;
const HEARD_MAX: usize = 8192;

static HEARD: LazyLock<Mutex<Heard>> = LazyLock::new(Mutex::default);

impl Default for Heard {
    fn default() -> Heard {
        Heard { at_ms: Latest::new(HEARD_OF_ONE_MAX, HEARD_MAX), since_ms: None }
    }
}

/// The principal that told us of a process of another machine.
fn told_by(process: &str) -> &str {
    process.rsplit_once(ELSEWHERE).map_or("", |(_, principal)| principal)
}

impl Host {
    pub fn manual(seed: u64) -> Host {
        Host::Manual(Arc::new(Mutex::new(ManualHost {
            wall_ms: 1_800_000_000_000,
            awake_ms: 1_000_000,
            machine: "machine-1".to_owned(),
            boot: "boot-1".to_owned(),
            seed,
            dead: HashSet::new(),
            heard: Heard::default(),
        })))
    }

    /// Change a manual host; a test that calls this on the system has a defect.
    pub fn set<R>(&self, change: impl FnOnce(&mut ManualHost) -> R) -> R {
        match self {
            Host::System | Host::Ahead(_) => panic!("only a manual host can be changed"),
            Host::Manual(host) => change(&mut host.lock().expect("no test panics while it holds the host")),
        }
    }

    fn ahead(&self) -> i64 {
        match self {
            Host::Ahead(millis) => millis.load(Ordering::Acquire),
            Host::System | Host::Manual(_) => 0,
        }
    }

    /// Time as people read it. It may jump; nothing that must be safe depends on it.
    pub fn wall(&self) -> Timestamp {
        match self {
            Host::System | Host::Ahead(_) => {
                Timestamp::from_millis(clock_millis(rustix::time::ClockId::Realtime) + self.ahead())
            }
            Host::Manual(_) => Timestamp::from_millis(self.set(|host| host.wall_ms)),
        }
    }

    /// Milliseconds this machine has been up and awake: it never jumps, and stands still while the machine sleeps,
    /// as does every process whose lease it measures. Comparable between processes of one boot.
    pub fn awake_ms(&self) -> i64 {
        match self {
            Host::System | Host::Ahead(_) => awake_millis() + self.ahead(),
            Host::Manual(_) => self.set(|host| host.awake_ms),
        }
    }

    /// Which boot of the machine `awake_ms` counts from.
    pub fn boot(&self) -> String {
        match self {
            Host::System | Host::Ahead(_) => boot(),
            Host::Manual(_) => self.set(|host| host.boot.clone()),
        }
    }

    /// The start of the machine that everything on it has in common.
    pub fn boot_id(&self) -> String {
        match self {
            Host::System | Host::Ahead(_) => start_of_machine(),
            Host::Manual(_) => self.boot(),
        }
    }

    /// The same in two processes if the number of a process and the time awake mean the same to both.
    pub fn neighbourhood(&self) -> String {
        match self {
            Host::System | Host::Ahead(_) => format!("{} {}", self.boot(), process_numbers()),
            Host::Manual(host) => format!("{} {:p}", self.boot(), Arc::as_ptr(host)),
        }
    }

    /// Random bits for names that must not collide.
    pub fn random(&self) -> u64 {
        match self {
            Host::System | Host::Ahead(_) => {
                getrandom::u64().unwrap_or_else(|_| u64::from(std::process::id()) ^ self.awake_ms() as u64)
            }
            Host::Manual(_) => self.set(|host| {
                // SplitMix64: any seed gives a sequence without short cycles.
                host.seed = host.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
                let mut z = host.seed;
                z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
                z ^ (z >> 31)
            }),
        }
    }

    /// This process, in words that another process can check with `alive`, also after the number was used again.
    pub fn process(&self) -> String {
        let pid = std::process::id();
        format!("{pid}.{}", started(pid).unwrap_or_default())
    }

    /// Another process, in words that anybody can ask `lives` about, also from another container and after the machine was
    /// started again. `None` where there is none of this number.
    pub fn process_of(&self, pid: u32) -> Option<String> {
        let start = started(pid)?;
        Some(format!("{pid}.{start}@{}", self.world()))
    }

    /// This process, as `process_of` names it to everybody.
    pub fn this_process(&self) -> String {
        self.process_of(std::process::id()).unwrap_or_else(|| self.process())
    }

    /// What `process` said of itself, as `process_of` names it. `None` where there is no such process any more.
    pub fn in_full(&self, process: &str) -> Option<String> {
        if process.contains('@') || matches!(self, Host::Manual(_)) {
            return Some(process.to_owned());
        }
        let pid = process.split_once('.')?.0.parse().ok()?;
        self.process_of(pid).filter(|full| full.split_once('@').is_some_and(|(number, _)| number == process))
    }

    /// Does the process that `process_of` named live? `None` where it is of another machine or container, and nobody here
    /// can say.
    pub fn lives(&self, process: &str) -> Option<bool> {
        let Some((number, world)) = process.split_once('@') else {
            return matches!(self, Host::Manual(_)).then(|| self.alive(process));
        };
        let here = self.world();
        if world == here {
            return Some(self.alive(number));
        }
        // What ran on this machine before its last start has ended.
        let ended = match (parts(world), parts(&here)) {
            (Some([machine, boot, _]), Some([our_machine, our_boot, _])) => machine == our_machine && boot != our_boot,
            _ => false,
        };
        ended.then_some(false)
    }

    /// A process of another machine called, or let it be known that it lives.
    pub fn hear_of(&self, process: &str) {
        if !process.contains(ELSEWHERE) {
            return;
        }
        let now = self.awake_ms();
        self.heard(|heard| {
            heard.since_ms.get_or_insert(now);
            let principal = told_by(process);
            heard.at_ms.forget_while(principal, |at| now - *at > HEARD_WITHIN_MS);
            heard.at_ms.put(principal, process.into(), now);
        });
    }

    /// Does the process that took an answer live, of whatever machine? One of another machine lives as long as it is heard
    /// of; `None` where nobody has listened for long enough.
    pub fn answers(&self, process: &str) -> Option<bool> {
        if !process.contains(ELSEWHERE) {
            return if process.contains('@') { self.lives(process) } else { Some(self.alive(process)) };
        }
        let now = self.awake_ms();
        self.heard(|heard| {
            let was_heard = heard.at_ms.get(told_by(process), process).is_some_and(|at| now - *at <= HEARD_WITHIN_MS);
            let would_be = heard.since_ms.is_some_and(|since| now - since > HEARD_WITHIN_MS);
            (was_heard || would_be).then_some(was_heard)
        })
    }

    fn heard<R>(&self, look: impl FnOnce(&mut Heard) -> R) -> R {
        match self {
            Host::System | Host::Ahead(_) => look(&mut HEARD.lock().unwrap_or_else(PoisonError::into_inner)),
            Host::Manual(_) => self.set(|host| look(&mut host.heard)),
        }
    }

    /// Is the process that `process_of` named known to have ended?
    pub fn is_gone(&self, process: &str) -> bool {
        self.lives(process) == Some(false)
    }

    /// The machine, its start, and within that where the numbers of processes mean the same. Digests, as the number of a
    /// machine is nobody else's business.
    fn world(&self) -> String {
        let parts =
            [self.machine(), self.boot_id(), self.neighbourhood()].map(|part| format!("{:016x}", digest(&part)));
        parts.join("-")
    }

    fn machine(&self) -> String {
        match self {
            Host::System | Host::Ahead(_) => machine_id(),
            Host::Manual(_) => self.set(|host| host.machine.clone()),
        }
    }

    /// Does the process that `process` named still live?
    pub fn alive(&self, process: &str) -> bool {
        match self {
            Host::System | Host::Ahead(_) => {
                let Some((pid, start)) = process.split_once('.') else { return false };
                let Ok(pid) = pid.parse::<u32>() else { return false };
                match started(pid) {
                    Some(now) => now == start,
                    None => false,
                }
            }
            Host::Manual(_) => self.set(|host| !host.dead.contains(process)),
        }
    }
}

/// Random bytes that nobody can guess; where the machine has none, an error, and no lesser ones.
pub fn unguessable(bytes: &mut [u8]) -> Result<(), getrandom::Error> {
    getrandom::fill(bytes)
}

/// A moment until which somebody is willing to wait, on the clock that never jumps.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(Instant);

impl Deadline {
    #[expect(clippy::disallowed_methods, reason = "this file is where clocks are read")]
    pub fn after(patience: Duration) -> Deadline {
        Deadline(Instant::now() + patience)
    }

    #[expect(clippy::disallowed_methods, reason = "this file is where clocks are read")]
    pub fn left(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    pub fn passed(self) -> bool {
        self.left().is_zero()
    }
}

/// How long something takes, on the clock that never jumps.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    #[expect(clippy::disallowed_methods, reason = "this file is where clocks are read")]
    pub fn start() -> Stopwatch {
        Stopwatch(Instant::now())
    }

    pub fn so_far(self) -> Duration {
        self.0.elapsed()
    }
}

fn clock_millis(clock: rustix::time::ClockId) -> i64 {
    let now = rustix::time::clock_gettime(clock);
    now.tv_sec * 1000 + now.tv_nsec / 1_000_000
}

/// On Linux the monotonic clock already stands still during sleep.
#[cfg(not(target_os = "macos"))]
fn awake_millis() -> i64 {
    clock_millis(rustix::time::ClockId::Monotonic)
}

/// On macOS the monotonic clock runs on during sleep, the uptime clock does not.
#[cfg(target_os = "macos")]
fn awake_millis() -> i64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `now` outlives the call, and the clock exists on every macOS that Rust supports.
    unsafe { libc::clock_gettime(libc::CLOCK_UPTIME_RAW, &mut now) };
    now.tv_sec * 1000 + now.tv_nsec / 1_000_000
}

fn boot() -> String {
    // A container may count its time from another beginning; then it is another boot to us.
    format!("{} {}", start_of_machine(), namespace("time"))
}

#[cfg(not(target_os = "macos"))]
fn start_of_machine() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

/// Empty where the machine has no number of its own.
#[cfg(not(target_os = "macos"))]
fn machine_id() -> String {
    let read = |path| std::fs::read_to_string(path).ok().map(|id| id.trim().to_owned()).filter(|id| !id.is_empty());
    ["/etc/machine-id", "/var/lib/dbus/machine-id"].into_iter().find_map(read).unwrap_or_default()
}

#[cfg(target_os = "macos")]
fn machine_id() -> String {
    system_text(c"kern.uuid")
}

/// Containers count their processes each by itself.
fn process_numbers() -> String {
    namespace("pid")
}

/// Empty where there are none.
fn namespace(kind: &str) -> String {
    let link = std::fs::read_link(format!("/proc/self/ns/{kind}")).unwrap_or_default();
    link.display().to_string()
}

/// Does a process of this number live, as far as we can see?
pub fn is_there(pid: u32) -> bool {
    let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
    pid.is_some_and(|pid| rustix::process::test_kill_process(pid) != Err(rustix::io::Errno::SRCH))
}

#[cfg(target_os = "macos")]
fn start_of_machine() -> String {
    system_text(c"kern.bootsessionuuid")
}

#[cfg(target_os = "macos")]
fn system_text(name: &std::ffi::CStr) -> String {
    let mut text = [0u8; 64];
    let mut length = text.len();
    // SAFETY: the name ends in NUL, and `length` says how much room `text` has.
    let failed =
        unsafe { libc::sysctlbyname(name.as_ptr(), text.as_mut_ptr().cast(), &mut length, std::ptr::null_mut(), 0) };
    if failed != 0 {
        return String::new();
    }
    String::from_utf8_lossy(&text[..length]).trim_end_matches('\0').to_owned()
}

fn parts(world: &str) -> Option<[&str; 3]> {
    let mut parts = world.split('-');
    let found = [parts.next()?, parts.next()?, parts.next()?];
    // What was told through a door is of no world that we could compare.
    (parts.next().is_none() && !world.contains(ELSEWHERE)).then_some(found)
}

/// When a process was started: with its number, the one name of it that is never used again within a boot.
#[cfg(not(target_os = "macos"))]
fn started(pid: u32) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The command's name stands in parentheses and may hold anything; the start is the 20th field after it.
    let after_name = stat.rsplit_once(')')?.1;
    let mut fields = after_name.split_whitespace();
    // A zombie has ended; only its parent has not yet noticed.
    if fields.next()? == "Z" {
        return None;
    }
    fields.nth(18).map(str::to_owned)
}

#[cfg(target_os = "macos")]
fn started(pid: u32) -> Option<String> {
    let mut info: libc::proc_bsdinfo = unsafe { std::mem::zeroed() };
    let size = std::mem::size_of::<libc::proc_bsdinfo>() as libc::c_int;
    // SAFETY: `info` is as large as `size` says.
    let filled =
        unsafe { libc::proc_pidinfo(pid as libc::c_int, libc::PROC_PIDTBSDINFO, 0, (&raw mut info).cast(), size) };
    (filled == size).then(|| format!("{}{:06}", info.pbi_start_tvsec, info.pbi_start_tvusec))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_number_used_again_is_not_the_old_process() {
        let host = Host::System;
        assert!(host.alive(&host.process()));
        assert!(!host.alive(&format!("{}.1", std::process::id())));
        assert!(!host.alive("garbage"));
    }

    #[test]
    fn only_a_process_of_this_machine_is_known_to_have_ended() {
        let (here, elsewhere) = (Host::manual(1), Host::manual(2));
        let name = |host: &Host| host.process_of(std::process::id()).expect("this process");
        let (ours, theirs) = (name(&here), name(&elsewhere));
        assert_eq!(here.lives(&ours), Some(true));
        assert_eq!(here.lives(&theirs), None, "another container of this machine");
        assert_eq!(here.lives(&format!("{ours}~ci")), None, "told through a door");
        here.set(|host| host.boot = "boot-2".to_owned());
        assert_eq!(here.lives(&ours), Some(false));
        elsewhere.set(|host| host.machine = "machine-2".to_owned());
        assert_eq!(here.lives(&name(&elsewhere)), None, "another machine, whatever its start");
        assert_eq!(here.lives("7.1@00-11"), None, "an older name");
        assert!(Host::System.lives(&name(&Host::System)) == Some(true));
    }

    #[test]
    fn a_process_of_another_machine_lives_as_long_as_it_is_heard_of() {
        let host = Host::manual(1);
        let passes = |ms| host.set(|host| host.awake_ms += ms);
        assert_eq!(host.answers("7.1@w~ci"), None);
        host.hear_of("7.1@w~ci");
        host.hear_of("8.1");
        assert_eq!(
            (host.answers("7.1@w~ci"), host.answers("9.1@w~ci"), host.answers("8.1")),
            (Some(true), None, Some(true))
        );
        passes(200_000);
        host.hear_of("9.1@w~ci");
        passes(60_000);
        assert_eq!((host.answers("7.1@w~ci"), host.answers("9.1@w~ci")), (Some(false), Some(true)));
    }

    #[test]
    fn one_who_tells_of_many_processes_does_not_make_those_of_others_forgotten() {
        let host = Host::manual(1);
        host.hear_of("7.1@w~ci");
        host.set(|host| host.awake_ms += 200_000);
        (0..HEARD_MAX * 2).for_each(|n| host.hear_of(&format!("{n}.1@w~eve")));
        assert_eq!(host.answers("7.1@w~ci"), Some(true));
        host.set(|host| host.awake_ms += 60_000);
        let last = format!("{}.1@w~eve", HEARD_MAX * 2 - 1);
        assert_eq!(
            (host.answers(&last), host.answers("0.1@w~eve")),
            (Some(true), Some(false)),
            "there is an end to it"
        );
    }

    #[test]
    fn a_seed_repeats_its_sequence() {
        let draw = |seed| {
            let host = Host::manual(seed);
            (host.random(), host.random())
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
    }
}
