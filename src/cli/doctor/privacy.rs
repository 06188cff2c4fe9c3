//! Every place where something is stored, and every address that is ever contacted.

use crate::cli::doctor::Doctor;
use crate::cli::doctor::wiring::Files;
use crate::cli::setup::places;
use crate::cli::setup::places::Scope;
use crate::cli::setup::record::Records;
use crate::config::Address;
use crate::config::Server;
use crate::config::Surroundings;
use crate::store::doorbell;
use crate::store::place;
use crate::store::place::Place;
use crate::store::place::Repository;
use serde_json::Value;
use serde_json::json;
use std::fs;
use std::path::Path;
use std::path::PathBuf;

struct Kept {
    path: PathBuf,
    holds: String,
    /// Whose file it is: ours, or a client's in which `setup` writes.
    owner: &'static str,
}

impl Kept {
    fn ours(path: PathBuf, holds: impl Into<String>) -> Kept {
        Kept { path, holds: holds.into(), owner: "orch-mcp" }
    }

    fn is_there(&self) -> bool {
        self.path.symlink_metadata().is_ok()
    }
}

const NETWORK: &str = "network";
const SOCKETS: &str = "Unix sockets";
const NO_ADDRESS: &str =
    "no address at all: this program opens no connection to any network, as long as no server is named (`--server`)";
const DOORBELLS: &str =
    "doorbells of other processes of the user on this machine, in the state directory: one byte, `look again`";
const INBOX: &str = "the inbox socket of a Claude session of the user that is to be woken: one line, `you have mail`, its number, and how to read it";

/// What workers leave in the state directory.
const OF_WORKERS: [(&str, &str); 6] = [
    ("workers", "of each run of a worker: its prompt and settings, what it printed, what it cost"),
    ("trees", "worktrees in which workers work, where the directory is the repository's own"),
    ("evidence", "what commands said that were run for evidence"),
    ("repos", "how registered repositories stood at the last scan, what their builds and tests said"),
    ("supervisor.log", "what `launch --detach` has to say"),
    ("tmux", "nothing: the socket of the terminals of workers"),
];
/// What people put there.
const OF_PEOPLE: [(&str, &str); 3] = [
    ("roles", "roles of the team, as somebody wrote them"),
    ("pipelines", "pipelines of the team, as somebody wrote them"),
    ("orch.toml", "settings of the team, as somebody wrote them"),
];

pub(super) struct Privacy {
    kept: Vec<Kept>,
    inbox: Option<PathBuf>,
    server: Option<Server>,
    /// How many are registered.
    repositories: usize,
}

pub(super) fn look(doctor: &Doctor) -> Privacy {
    let around = doctor.config.surroundings();
    let server = doctor.config.server.value.clone();
    let mut kept = Vec::new();
    if let Ok(place) = doctor.config.place() {
        state(&place, &mut kept);
    }
    if let Some(repository) = around.cwd.and_then(place::repository) {
        of_repository(&repository, &mut kept);
    }
    if server.is_some() {
        // Nothing more comes to what was kept here before.
        kept.retain(Kept::is_there);
    }
    clients(&around, &mut kept);
    if let Ok(dir) = places::records(&around) {
        kept.push(Kept::ours(dir.clone(), "records of `setup`, for its undo"));
        let records = Records::at(dir.clone()).all();
        for (file, record) in &records {
            let holds = format!("what stood in {} before `setup` wrote into it, whole", record.path.display());
            kept.push(Kept::ours(file.clone(), holds));
        }
        let known: Vec<PathBuf> = kept.iter().map(|kept| kept.path.clone()).collect();
        let others = entries(&dir).into_iter().filter(|path| !known.contains(path));
        kept.extend(others.map(|path| Kept::ours(path, "nothing: held while `setup` writes")));
        // Those of other projects too.
        let written = records.into_iter().map(|(_, record)| record.path).filter(|path| !known.contains(path));
        let holds = "how to start our server, or our hooks, after `setup`";
        kept.extend(written.map(|path| Kept { path, holds: holds.to_owned(), owner: "Claude" }));
    }
    if let Some(path) = server.as_ref().and_then(|server| doctor.config.kept_token(&server.file_name())) {
        kept.push(Kept::ours(path, "the token of the server that ORCH_SERVER or `--server` names"));
    }
    if let Some(path) = &doctor.config.claude.env_file {
        let holds =
            "ORCH_INSTANCE: who the session is, and where the server elsewhere is, for its shells (CLAUDE_ENV_FILE)"
                .to_owned();
        kept.push(Kept { path: path.clone(), holds, owner: "Claude Code" });
    }
    let repositories = doctor.config.known_repositories().map_or(0, |known| known.registry.repos.len());
    Privacy { kept, inbox: doctor.config.claude.inbox().map(Path::to_owned), server, repositories }
}

fn state(place: &Place, kept: &mut Vec<Kept>) {
    kept.push(Kept::ours(place.dir().to_owned(), "the state directory"));
    kept.extend(place.holdings().into_iter().map(|(path, holds)| Kept::ours(path, holds)));
    kept.extend(OF_WORKERS.iter().map(|(name, holds)| Kept::ours(place.dir().join(name), *holds)));
    let of_people = |dir: &Path, (name, holds): &(&str, &str)| Kept {
        path: dir.join(name),
        holds: (*holds).to_owned(),
        owner: "the team",
    };
    kept.extend(OF_PEOPLE.iter().map(|one| of_people(place.dir(), one)));
    let porch = doorbell::porch(&place.doorbells());
    if porch != place.doorbells() {
        kept.push(Kept::ours(porch.clone(), "doorbells, as the state directory has too long a path for sockets"));
    }
    below(&porch, "a doorbell: a socket, in which nothing is stored", kept);
    let known: Vec<PathBuf> = kept.iter().map(|kept| kept.path.clone()).collect();
    let others = entries(place.dir()).into_iter().filter(|path| !known.contains(path));
    kept.extend(others.map(|path| Kept { path, holds: "nothing of ours".to_owned(), owner: "somebody else" }));
}

/// What stands in a repository, or beside it, whichever state directory was asked for.
fn of_repository(repository: &Repository, kept: &mut Vec<Kept>) {
    let main = &repository.main;
    let mut all = vec![
        Kept::ours(main.join(".orch/trees"), "worktrees in which workers work"),
        Kept::ours(main.join(".git/orch/landing.log"), "what `land` did"),
    ];
    for (name, (_, holds)) in [".orch/roles", ".orch/pipelines", "orch.toml"].iter().zip(OF_PEOPLE) {
        all.push(Kept { path: main.join(name), holds: holds.to_owned(), owner: "the team" });
    }
    all.retain(|one| kept.iter().all(|other| other.path != one.path));
    kept.extend(all);
}

fn below(dir: &Path, holds: &str, kept: &mut Vec<Kept>) {
    kept.extend(entries(dir).into_iter().map(|path| Kept::ours(path, holds)));
}

fn entries(dir: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    found.sort();
    found
}

fn clients(around: &Surroundings, kept: &mut Vec<Kept>) {
    let files = Files::around(around);
    let mut add = |path: PathBuf, holds: String, owner| kept.push(Kept { path, holds, owner });
    if let Some(client) = files.client {
        add(client, "how to start our server, after `setup` for scope user or local".to_owned(), "Claude Code");
    }
    if let Ok([_, dir]) = places::code_dirs(around) {
        let who = "who each session is, for its shells: `export ORCH_INSTANCE=`, and where the server elsewhere is, in a file of its own";
        add(dir.join("session-env"), who.to_owned(), "Claude Code");
        let copy = "the plugin, where it was installed: a copy that Claude Code made";
        add(dir.join("plugins/cache/orch-mcp"), copy.to_owned(), "Claude Code");
    }
    for (path, scope) in files.servers {
        let owner = if scope == Scope::Desktop { "Claude Desktop" } else { "Claude Code" };
        add(path, format!("how to start our server, after `setup` for {}", scope.word()), owner);
    }
    for (path, scope) in files.settings {
        let holds = format!("our hooks, and leave to call our tools, after `setup` for scope {}", scope.word());
        add(path, holds, "Claude Code");
    }
}

impl Privacy {
    pub(super) fn json(&self) -> Value {
        let kept = |kept: &Kept| json!({ "path": kept.path, "holds": kept.holds, "owner": kept.owner, "exists": kept.is_there() });
        let contact = |(kind, what): &(&str, String)| json!({ "kind": kind, "what": what });
        json!({
            "stored": self.kept.iter().map(kept).collect::<Vec<Value>>(),
            "contacted": self.contacts().iter().map(contact).collect::<Vec<Value>>(),
            "inbox": self.inbox,
        })
    }

    fn contacts(&self) -> Vec<(&'static str, String)> {
        let mut all = self.of_this_program();
        if self.repositories > 0 {
            let count = match self.repositories {
                1 => "the registered repository".to_owned(),
                count => format!("the {count} registered repositories"),
            };
            all.push((NETWORK, format!("by git, which `repos pull` starts: the upstreams of {count}")));
        }
        all
    }

    /// A server that was named is contacted, and no other address is.
    fn of_this_program(&self) -> Vec<(&'static str, String)> {
        let inbox = (SOCKETS, INBOX.to_owned());
        let Some(server) = &self.server else {
            return vec![(NETWORK, NO_ADDRESS.to_owned()), (SOCKETS, DOORBELLS.to_owned()), inbox];
        };
        let kind = if matches!(server.address, Address::Socket(_)) { SOCKETS } else { NETWORK };
        let url = server.url();
        vec![
            (kind, format!("{url}, with every call, and no other address: there is the store, and what is in it")),
            inbox,
        ]
    }

    pub(super) fn ids(&self) -> Vec<String> {
        let there = self.kept.iter().filter(|kept| kept.is_there());
        there.map(|kept| kept.path.to_string_lossy().into_owned()).collect()
    }

    pub(super) fn text(&self) -> String {
        let mut text = match self.server {
            Some(_) => "Stored on this machine:\n".to_owned(),
            None => "Stored, on this machine and nowhere else:\n".to_owned(),
        };
        for kept in &self.kept {
            let there = if kept.is_there() { "" } else { " (not there)" };
            let owner = if kept.owner == "orch-mcp" { String::new() } else { format!(" [{}]", kept.owner) };
            let path = kept.path.to_string_lossy().replace('\n', " ");
            text.push_str(&format!("  {path}{there}{owner}\n      {}\n", kept.holds));
        }
        text.push_str("\nContacted:\n");
        for (kind, what) in self.contacts() {
            text.push_str(&format!("  {kind}: {what}\n"));
        }
        if let Some(inbox) = &self.inbox {
            text.push_str(&format!("  the inbox socket around us: {}\n", inbox.display()));
        }
        text.push_str("\nFiles are written elsewhere only where a command is told to: `man --out DIR`.\n");
        text.push_str("What a session is shown, mail too, is part of its conversation: its client keeps it, and sends it to its model.\n");
        text
    }
}
