//! `orch-mcp launch`: workers are wanted, and this process looks after them until they are not.

use crate::cli::Run;
use crate::cli::desk;
use crate::cli::exit;
use crate::cli::print;
use crate::cli::rehearse::Rehearsal;
use crate::cli::top::Screen;
use crate::cli::top::Stage;
use crate::cli::written;
use crate::config;
use crate::config::Config;
use crate::config::Launch;
use crate::config::Roles;
use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::host::Host;
use crate::launch::bell::Bell;
use crate::launch::closings::Closings;
use crate::launch::hands::Hands;
use crate::launch::in_hand::InHand;
use crate::launch::simulated;
use crate::launch::simulated::Meter;
use crate::launch::simulated::Surroundings;
use crate::launch::supervisor::Finish;
use crate::launch::supervisor::Supervisor;
use crate::launch::team::Team;
use crate::launch::teller::Teller;
use crate::launch::teller::Telling;
use crate::model::fleet::Caps;
use crate::model::worker::Mode;
use crate::ops::Caller;
use crate::ops::Desk;
use clap::Arg;
use clap::ArgAction;
use clap::ArgMatches;
use clap::Command;
use clap::builder::PossibleValuesParser;
use serde_json::json;
use signal_hook::consts::SIGINT;
use signal_hook::consts::SIGTERM;
use signal_hook::iterator::Signals;
use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io;
use std::io::BufReader;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command as Program;
use std::process::Stdio;
use std::thread;

const FOOTER: &str = "\
Each worker is a Claude Code session of its own for each task, connected to this team, with the task claimed for it; or, as
its role or `--mode` says, one long session that takes its tasks itself, or one in a terminal (`orch-mcp attach`). Without
a count the team of orch.toml is started, else that of the roles; if workers are wanted already, they are looked after.
One process looks after all of them: start it twice, and the second stands by. Ctrl+C ends them and hands back what they
hold; a second Ctrl+C leaves at once, and the next `launch` takes over what still runs.";

/// Whom `--workers` means.
const WORKERS: &str = "executor";
const PLANNER: &str = "planner";

pub(super) fn with_flags(command: Command) -> Command {
    let number = |name: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name("N").value_parser(clap::value_parser!(u32)).help(help)
    };
    command
        .arg(
            Arg::new("role")
                .long("role")
                .value_name("NAME=COUNT")
                .action(ArgAction::Append)
                .help("So many workers of this role, who take what is for it and what is for anybody"),
        )
        .arg(number("workers", "So many executors"))
        .arg(number("executors", "The same"))
        .arg(Arg::new("planner").long("planner").action(ArgAction::SetTrue).help("A planner besides"))
        .arg(
            Arg::new("no-planner")
                .long("no-planner")
                .action(ArgAction::SetTrue)
                .conflicts_with("planner")
                .help("No planner, where the team would have one"),
        )
        .arg(Arg::new("docs").long("docs").action(ArgAction::SetTrue).help("A writer of documentation besides"))
        .arg(
            Arg::new("mode")
                .long("mode")
                .value_name("MODE")
                .value_parser(PossibleValuesParser::new(Mode::WORDS.map(|(word, _)| word)))
                .help("A session for each task, one long session, or one in a terminal [else as the role says]"),
        )
        .arg(Arg::new("model").long("model").value_name("MODEL").help("The model, as the client names it"))
        .arg(
            Arg::new("client")
                .long("client")
                .value_name("PROGRAM")
                .help("The client that is started [else that of orch.toml, else claude]"),
        )
        .arg(
            Arg::new("wanted")
                .long("wanted")
                .action(ArgAction::SetTrue)
                .conflicts_with_all(["role", "workers", "executors", "planner", "docs"])
                .help("Start nobody new: look after those that are wanted already"),
        )
        .arg(
            Arg::new("dry-run")
                .long("dry-run")
                .action(ArgAction::SetTrue)
                .help("Check everything, print who would be started and how, and start nobody"),
        )
        .arg(
            Arg::new("detach")
                .long("detach")
                .action(ArgAction::SetTrue)
                .help("Leave a process behind that looks after them, and return"),
        )
        .arg(
            Arg::new("until-done")
                .long("until-done")
                .action(ArgAction::SetTrue)
                .conflicts_with("detach")
                .help("End when nothing is left that a worker could do"),
        )
        .arg(
            Arg::new("plain")
                .long("plain")
                .action(ArgAction::SetTrue)
                .help("Print lines, also where a terminal could show the screen of `top`"),
        )
        .after_help(FOOTER)
}

impl Run<'_> {
    pub(super) fn launch(&self, matches: &ArgMatches) -> Result<u8> {
        if self.config.server.value.is_some() {
            return Err(Error::new(Kind::Refused, "workers are started on the machine of the store")
                .hint("run `orch-mcp launch` there"));
        }
        let settings = self.config.launch(&self.config.file()?)?;
        match settings.workspace.value {
            // An older name for the directory to work in.
            Some(workspace) => {
                let config = self.config.clone().in_project(workspace);
                Run { config, printer: self.printer, typed: self.typed }.launch_here(matches)
            }
            None => self.launch_here(matches),
        }
    }

    fn launch_here(&self, matches: &ArgMatches) -> Result<u8> {
        let file = self.config.file()?;
        let settings = self.config.launch(&file)?;
        let roles = self.config.roles(&file)?;
        let named = matches.get_one::<String>("client").unwrap_or(&settings.client.value);
        let client = self.client(named);
        let team = self.team(matches, &settings, &roles)?;
        if matches.get_flag("dry-run") {
            let mode = matches.get_one::<String>("mode");
            let mode = mode.and_then(|word| Mode::WORDS.iter().find(|(known, _)| known == word)).map(|(_, mode)| *mode);
            let model = matches.get_one::<String>("model").cloned();
            return self.rehearse(&Rehearsal { team, client, settings, roles, mode, model });
        }
        let client = client?;
        self.ask_own("set_policy", json!({ "policy": file.policy }))?;
        self.ask_own("set_caps", json!({ "caps": caps(&settings.caps) }))?;
        for (role, count) in team {
            let mut arguments = json!({ "role": role, "count": count });
            for name in ["model", "mode"] {
                if let Some(word) = matches.get_one::<String>(name) {
                    arguments[name] = word.as_str().into();
                }
            }
            let reply = self.ask_own("launch_workers", arguments)?;
            self.printer.note(reply.text().lines().next().unwrap_or_default());
        }
        match matches.get_flag("detach") {
            true => self.detach(&client),
            false => {
                let dollars = settings.caps.dollars_per_worker.value;
                let ends = matches.get_flag("until-done");
                self.look_after(client, roles, dollars, ends, matches.get_flag("plain"))
            }
        }
    }

    /// How many of which role: those that are named; else, where none is wanted yet, the team as the settings know it.
    fn team(&self, matches: &ArgMatches, settings: &Launch, roles: &Roles) -> Result<Vec<(String, u32)>> {
        let named = wanted(matches)?;
        if !named.is_empty() || matches.get_flag("wanted") {
            return Ok(named);
        }
        let known = self.ask_own("list_workers", json!({ "limit": 100 }))?;
        let known = known.data["workers"].as_array().is_some_and(|all| all.iter().any(|one| one["wanted"] == true));
        if known {
            return Ok(Vec::new());
        }
        let mut team = settings.workers(roles)?;
        if matches.get_flag("no-planner") {
            team.remove(PLANNER);
        }
        Ok(team.into_iter().map(|(role, count)| (role, count.value)).collect())
    }

    /// The program that is started, by its whole path: a worker may have another `PATH`.
    fn client(&self, named: &str) -> Result<PathBuf> {
        let found = match named.contains('/') {
            true => Some(PathBuf::from(named)).filter(|path| config::is_program(path)),
            false => self.config.on_path(named),
        };
        let found = found.and_then(|path| std::path::absolute(path).ok());
        found.ok_or_else(|| {
            Error::new(Kind::Unavailable, format!("there is no program `{named}`"))
                .hint("install Claude Code, or say with `--client` where it is")
        })
    }

    fn look_after(
        &self,
        client: PathBuf,
        roles: Roles,
        dollars_per_worker: Option<f64>,
        ends_when_done: bool,
        is_plain: bool,
    ) -> Result<u8> {
        let on_screen = self.is_watched() && !is_plain;
        let host = Host::System;
        let place = self.config.place()?;
        let desk = desk::for_many(&self.config, host.clone(), 1)?;
        let bell = Bell::default();
        let mut signals = Signals::new([SIGINT, SIGTERM]).map_err(Error::internal)?;
        let rings = bell.clone();
        thread::spawn(move || signals.forever().for_each(|_| rings.stop()));
        let hands = Hands {
            host: host.clone(),
            state_dir: place.dir().to_owned(),
            program: self.config.running()?,
            client: client.to_string_lossy().into_owned(),
            roles,
            metering: self.config.metering(),
            dollars_per_worker,
        };
        let caller =
            Caller { process: host.process(), person: Some("launch".to_owned()), ..Caller::anonymous(host.clone()) };
        let teller = Teller::default();
        let roles = hands.roles.clone();
        let lines = |who: &str, words: &str| drop(self.printer.text(&format!("{who}  {words}\n")));
        let tell: &(dyn Fn(&str, &str) + Sync) = if on_screen { &|_, _| {} } else { &lines };
        let supervisor = Supervisor {
            desk: &desk,
            hands,
            in_hand: InHand::default(),
            closings: Closings::default(),
            process: host.this_process(),
            caller: caller.clone(),
            bell,
            ends_when_done,
            teller: teller.clone(),
            tell,
        };
        let telling = Telling { team: Team { desk: &desk, caller: &caller }, roles: &roles, tell };
        let work = || teller.beside(&telling, || supervisor.run());
        let finish = if on_screen { self.on_screen(&desk, &supervisor.bell, place.dir(), work)? } else { work()? };
        Ok(match finish {
            Finish::Done => exit::DONE,
            Finish::Left => exit::INTERRUPTED,
        })
    }

    /// The screen goes when the work is over, and whoever leaves the screen wants that.
    fn on_screen(
        &self,
        desk: &dyn Desk,
        bell: &Bell,
        state_dir: &Path,
        work: impl FnOnce() -> Result<Finish> + Send,
    ) -> Result<Finish> {
        let stage = Stage::new();
        let curtain = stage.curtain();
        let screen = Screen {
            desk,
            caller: self.config.caller(Host::System),
            host: Host::System,
            state_dir: Some(state_dir.to_owned()),
            colored: self.printer.paints(),
            controls: true,
            leaves: "stop all",
            leave: &|| {
                bell.stop();
                false
            },
        };
        thread::scope(|scope| {
            let finish = scope.spawn(|| {
                let finish = work();
                curtain.fall();
                finish
            });
            // Without the screen the work goes on.
            if let Err(error) = screen.show(stage) {
                self.printer.error("launch", &error);
            }
            finish.join().map_err(|_| Error::internal("the supervisor ended in a panic"))?
        })
    }

    fn detach(&self, client: &PathBuf) -> Result<u8> {
        let place = self.config.place()?;
        let path = place.dir().join("supervisor.log");
        let log = OpenOptions::new().append(true).create(true).mode(0o600).open(&path);
        let log =
            log.map_err(|cause| Error::new(Kind::Unavailable, format!("cannot write `{}`: {cause}", path.display())))?;
        let out = log.try_clone().map_err(Error::internal)?;
        let mut left = Program::new(self.config.running()?);
        left.arg("launch").arg("--wanted").arg("--state-dir").arg(place.dir()).arg("--client").arg(client);
        left.stdin(Stdio::null()).stdout(out).stderr(log).process_group(0);
        let left = left.spawn().map_err(Error::internal)?;
        let told = format!("process {} looks after the workers; it writes to {}\n", left.id(), path.display());
        written(self.printer.text(&told)).map(|()| exit::DONE)
    }
}

/// As the team's file says.
fn caps(said: &config::Caps) -> Caps {
    Caps {
        workers: said.workers_max.value,
        spawns_per_minute: said.spawns_per_minute.value,
        depth: said.depth_max.value,
        dollars_per_day: said.dollars_per_day.value,
        tokens_per_day: said.tokens_per_day.value,
        turns_per_day: said.turns_per_day.value,
        dollars_per_task: said.dollars_per_task.value,
        tokens_per_task: said.tokens_per_task.value,
        turns_per_task: said.turns_per_task.value,
    }
}

/// How many of which role.
fn wanted(matches: &ArgMatches) -> Result<Vec<(String, u32)>> {
    let mut wanted: Vec<(String, u32)> = Vec::new();
    let number = |name: &str| matches.get_one::<u32>(name).copied();
    for (flag, role) in [("planner", PLANNER), ("docs", "docs")] {
        if matches.get_flag(flag) {
            wanted.push((role.to_owned(), 1));
        }
    }
    wanted.extend(number("workers").or(number("executors")).map(|count| (WORKERS.to_owned(), count)));
    for word in matches.get_many::<String>("role").into_iter().flatten() {
        let (role, count) = word.split_once('=').unwrap_or((word, "1"));
        let count = count.parse().map_err(|_| {
            Error::invalid(format!("`--role {word}` is no role with a number")).hint("for example `--role reviewer=2`")
        })?;
        wanted.push((role.to_owned(), count));
    }
    wanted.retain(|(_, count)| *count > 0);
    Ok(wanted)
}

/// For `simulated-claude`: what a stand-in for the client does.
pub(super) fn stand_in(arguments: &[OsString], config: &Config) -> Result<u8> {
    let words: Vec<String> = arguments.iter().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    if words.iter().any(|word| word == "--version") {
        return written(writeln!(print::output(), "{} (simulated)", env!("CARGO_PKG_VERSION"))).map(|()| exit::DONE);
    }
    simulated::run(
        &words,
        Surroundings {
            host: &Host::System,
            instance: config.instance.value.clone(),
            role: config.role.value.clone(),
            meter: config.meter().and_then(|(endpoint, headers)| Meter::of(endpoint, headers)),
            speed: 1.0,
            input: Box::new(BufReader::new(io::stdin())),
            output: &mut print::output(),
        },
    )
}
