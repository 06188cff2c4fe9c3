//! `orch-mcp repos keep`: the process that keeps a sequential repository for a command, in the team's store, should the one that
//! runs the command be killed: what that started goes on, so the repository is still not free. `repos` starts it; people never
//! need to.

use crate::cli::Run;
use crate::cli::desk;
use crate::cli::exit;
use crate::config::Config;
use crate::error::Error;
use crate::error::Result;
use crate::host::Host;
use crate::host::Stopwatch;
use crate::launch::team::Team;
use crate::model::instance::PRESENCE_SECS;
use crate::repo::lock;
use crate::repo::lock::Lock;
use crate::store::doorbell::Hangup;
use clap::Arg;
use clap::ArgAction;
use clap::ArgMatches;
use clap::Command;
use serde_json::json;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process;
use std::process::Child;
use std::process::Stdio;
use std::sync::mpsc::RecvTimeoutError;
use std::sync::mpsc::Sender;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

pub(super) const NAME: &str = "keep";

const BEAT: Duration = Duration::from_secs(PRESENCE_SECS as u64 / 4);

/// Whose the repository is in the store, and what tells whether that is still so.
pub(super) struct Claim {
    pub instance: String,
    pub resource: String,
    /// The instance is there for this alone.
    pub is_ours: bool,
    /// Held by whoever the instance stands for.
    pub line: PathBuf,
    /// Held by what runs in the repository.
    pub lock: PathBuf,
    /// The store gives it to others then, whatever runs.
    pub lease: Duration,
}

impl Claim {
    pub fn start_keeper(&self, config: &Config) -> Result<Child> {
        let mut keeper = process::Command::new(config.running()?);
        keeper.args(config.flags_again()).args(["repos", NAME, &self.instance, &self.resource]);
        keeper.arg("--line").arg(&self.line).arg("--lock").arg(&self.lock);
        keeper.arg("--secs").arg(self.lease.as_secs().to_string());
        if self.is_ours {
            keeper.arg("--ours");
        }
        keeper.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        // What a person types into our terminal is not for it.
        keeper.process_group(0).spawn().map_err(Error::internal)
    }

    /// What cannot be handed back lapses by itself.
    pub fn hand_back(&self, team: &Team) {
        let _ = team.ask("release_files", json!({ "instance_id": self.instance, "patterns": [self.resource] }));
        if self.is_ours {
            let _ = team.ask("unregister_instance", json!({ "instance_id": self.instance }));
        }
    }

    fn of(given: &ArgMatches) -> Claim {
        let text = |name| given.get_one::<String>(name).cloned().unwrap_or_default();
        let path = |name| given.get_one::<PathBuf>(name).cloned().unwrap_or_default();
        Claim {
            instance: text("instance"),
            resource: text("resource"),
            is_ours: given.get_flag("ours"),
            line: path("line"),
            lock: path("lock"),
            lease: Duration::from_secs(given.get_one("secs").copied().unwrap_or_default()),
        }
    }
}

/// Whoever started it has seen to all that it would.
pub(super) fn dismiss(mut keeper: Child) {
    let _ = keeper.kill();
    let _ = keeper.wait();
}

pub(super) fn with_flags(command: Command) -> Command {
    let word = |name: &'static str| Arg::new(name).required(true);
    let path = |name: &'static str| Arg::new(name).long(name).value_parser(clap::value_parser!(PathBuf)).required(true);
    command.hide(true).args([
        word("instance"),
        word("resource"),
        path("line"),
        path("lock"),
        Arg::new("secs").long("secs").value_parser(clap::value_parser!(u64)).required(true),
        Arg::new("ours").long("ours").action(ArgAction::SetTrue),
    ])
}

/// What it waits for.
enum News {
    /// Whoever started it was killed, or leaves the rest to it.
    Alone,
    /// Nothing runs in the repository any more. Without the lock nobody can tell, and it lapses.
    Free(Option<Lock>),
}

impl Run<'_> {
    pub(super) fn repos_keep(&self, given: &ArgMatches) -> Result<u8> {
        let claim = Claim::of(given);
        let (desk, caller) = (desk::of(&self.config, Host::System)?, self.config.caller(Host::System));
        let team = Team { desk: desk.as_ref(), caller: &caller };
        let since = Stopwatch::start();
        let (tell, told) = channel();
        listen(tell.clone());
        while let Some(left) = claim.lease.checked_sub(since.so_far()).filter(|left| !left.is_zero()) {
            match told.recv_timeout(left.min(BEAT)) {
                Err(RecvTimeoutError::Timeout) => {}
                Ok(News::Alone) => wait_for(&claim, tell.clone()),
                Ok(News::Free(None)) | Err(RecvTimeoutError::Disconnected) => return Ok(exit::DONE),
                Ok(News::Free(Some(_lock))) => {
                    // Whoever came meanwhile has the line, and goes by the same name.
                    if let Some(_line) = lock::try_take(&claim.line)? {
                        claim.hand_back(&team);
                    }
                    return Ok(exit::DONE);
                }
            }
            // One that fails is followed by another in time.
            let _ = team.ask("heartbeat", json!({ "instance_id": claim.instance }));
        }
        Ok(exit::DONE)
    }
}

/// Its end is that of whoever holds the other one.
fn listen(tell: Sender<News>) {
    thread::spawn(move || {
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        tell.send(News::Alone)
    });
}

fn wait_for(claim: &Claim, tell: Sender<News>) {
    let (path, lease) = (claim.lock.clone(), claim.lease);
    thread::spawn(move || tell.send(News::Free(lock::take_unless(&Hangup::new(), &path, lease).ok().flatten())));
}
