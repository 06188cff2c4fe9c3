//! `orch-mcp launch`: workers are wanted, and this process looks after them until they are not.

use crate::cli::Run;
use crate::cli::commands;
use crate::cli::desk;
use crate::cli::exit;
use crate::cli::led::WATCHED;
use crate::cli::lines::Lines;
use crate::cli::lines::Output;
use crate::cli::lines::Said;
use crate::cli::print;
use crate::cli::rehearse::Rehearsal;
use crate::cli::repository;
use crate::cli::repository::Site;
use crate::cli::signals;
use crate::cli::stand::Stand;
use crate::cli::tally::Tally;
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
use crate::launch::hands::Hands;
use crate::launch::queue;
use crate::launch::simulated;
use crate::launch::simulated::Meter;
use crate::launch::simulated::Surroundings;
use crate::launch::supervisor::Finish;
use crate::launch::supervisor::Part;
use crate::launch::supervisor::Supervisor;
use crate::launch::team::Team;
use crate::launch::teller::Teller;
use crate::launch::teller::Telling;
use crate::model::fleet::Caps;
use crate::model::worker::Mode;
use crate::ops::Caller;
use crate::ops::Desk;
use crate::ops::worker::LaunchWorkers;
use clap::Arg;
use clap::ArgAction;
use clap::ArgMatches;
use clap::Command;
use clap::builder::PossibleValuesParser;
use jiff::tz::TimeZone;
use serde_json::json;
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
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::thread;

const FOOTER: &str = "\
Each worker is a Claude Code session of its own for each task, connected to this team, with the task claimed for it; or, as
its role or `--mode` says, one long session that takes its tasks itself, or one in a terminal (`orch-mcp attach`). Without
a count the team of orch.toml is started, else that of the roles; if workers are wanted already, they are looked after.
One process looks after all of them: start it twice, and the second stands by. Ctrl+C ends them and hands back what they
hold; a second Ctrl+C leaves at once, and the next `launch` takes over what still runs.";

/// One that has grown beyond that begins anew with the next process that is left behind.
const LOG_BYTES_MAX: u64 = 4 << 20;

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
        .arg(number("executors", "The same").conflicts_with("workers"))
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
        let mode = matches.get_one::<String>("mode");
        let mode = mode.and_then(|word| Mode::WORDS.iter().find(|(known, _)| known == word)).map(|(_, mode)| *mode);
        let model = matches.get_one::<String>("model").cloned();
        let rehearsal = Rehearsal { team, client, land: self.config.land(&file), settings, roles, mode, model };
        if matches.get_flag("dry-run") {
            return self.rehearse(&rehearsal);
        }
        // What a launch leaves behind was looked at by that launch.
        if !matches.get_flag("wanted") {
            self.must_be_ready(&rehearsal)?;
        }
        if matches.get_flag("wanted") && self.nobody_is_wanted()? {
            self.printer.note("no worker is wanted, so there is nobody to look after; orch-mcp launch starts some");
            return Ok(exit::DONE);
        }
        let Rehearsal { team, client, settings, roles, .. } = rehearsal;
        let client = client?;
        self.ask_own("set_policy", json!({ "policy": self.config.policy(&file)? }))?;
        self.ask_own("set_caps", json!({ "caps": caps(&settings.caps) }))?;
        self.ask_for(&team, matches)?;
        let ends_when_done = matches.get_flag("until-done");
        let left_behind = LeftBehind { client: client.clone(), ends_when_done, as_json: asks_for_json(matches) };
        if matches.get_flag("detach") {
            if let Some(leader) = self.leader()? {
                return self.is_led_already(&leader, left_behind.as_json);
            }
            return self.detach(&left_behind);
        }
        let dollars = settings.caps.dollars_per_worker.value;
        let manner = Manner { ends_when_done, is_plain: matches.get_flag("plain"), as_json: asks_for_json(matches) };
        match self.look_after(client, roles, dollars, &manner)? {
            Some(code) => Ok(code),
            None => self.detach(&left_behind),
        }
    }

    /// All of them, or nobody.
    fn ask_for(&self, team: &[(String, u32)], matches: &ArgMatches) -> Result<()> {
        if team.is_empty() {
            return Ok(());
        }
        let order = |(role, count): &(String, u32)| {
            let mut order = json!({ "role": role, "count": count });
            for name in ["model", "mode"] {
                if let Some(word) = matches.get_one::<String>(name) {
                    order[name] = word.as_str().into();
                }
            }
            order
        };
        let reply = self.ask_own("launch_team", json!({ "team": team.iter().map(order).collect::<Vec<_>>() }))?;
        reply.text().lines().for_each(|line| self.printer.note(line));
        Ok(())
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

    /// Nobody looks after the workers, of whom none is wanted any more: until all of them have ended.
    pub(super) fn sees_them_end(&self) -> Result<()> {
        let host = Host::System;
        let desk = desk::for_many(&self.config, host.clone(), 1)?;
        let bell = Bell::default();
        let rings = bell.clone();
        let hands = Hands {
            host: host.clone(),
            state_dir: self.config.place()?.dir().to_owned(),
            program: self.config.running()?,
            client: String::new(),
            roles: Roles::built_in(),
            metering: None,
            target: None,
            dollars_per_worker: None,
            config: None,
        };
        let caller = Caller { person: Some("stop".to_owned()), ..Caller::anonymous(host) };
        // Where somebody else came meanwhile, they see to it.
        let takes_part = |part| {
            if part != Part::Leads {
                rings.leave();
            }
        };
        let supervisor = Supervisor::new(&desk, hands, caller);
        Supervisor { bell, only_ends: true, takes_part: &takes_part, ..supervisor }.run().map(drop)
    }

    /// Until its end, which has this exit code; `None` where somebody else is to go on.
    fn look_after(
        &self,
        client: PathBuf,
        roles: Roles,
        dollars_per_worker: Option<f64>,
        manner: &Manner,
    ) -> Result<Option<u8>> {
        let on_screen = self.is_watched() && !manner.is_plain && !manner.as_json;
        let host = Host::System;
        let place = self.config.place()?;
        let desk = Arc::new(desk::for_many(&self.config, host.clone(), 1)?);
        let bell = Bell::default();
        let mut signals = signals::that_end()?;
        let rings = bell.clone();
        thread::spawn(move || signals.forever().for_each(|_| rings.stop()));
        let hands = Hands {
            host: host.clone(),
            state_dir: place.dir().to_owned(),
            program: self.config.running()?,
            client: client.to_string_lossy().into_owned(),
            roles,
            metering: self.config.metering(),
            target: self.config.land(&self.config.file()?)?.target.value,
            dollars_per_worker,
            config: Some(self.config.clone()),
        };
        let caller =
            Caller { process: host.process(), person: Some("launch".to_owned()), ..Caller::anonymous(host.clone()) };
        let teller = Teller::default();
        let roles = hands.roles.clone();
        let team = || Team { desk: &*desk, caller: &caller };
        let asks = (Arc::clone(&desk), caller.clone());
        let lines = Lines::on(Output {
            printer: self.printer.clone(),
            as_json: manner.as_json,
            zone: TimeZone::system(),
            task: move |id| Team { desk: &*asks.0, caller: &asks.1 }.task(id).ok().flatten(),
        });
        let say = |who: &str, words: &str| lines.tell(who, words);
        // What happens while it ends is told once the screen is gone.
        let (last, rings) = (Mutex::new(Vec::new()), bell.clone());
        let keep = |who: &str, words: &str| {
            if rings.is_stopped() {
                last.lock().unwrap_or_else(PoisonError::into_inner).push((who.to_owned(), words.to_owned()));
            }
        };
        let tell: &(dyn Fn(&str, &str) + Sync) = if on_screen { &keep } else { &say };
        let tally = if manner.ends_when_done { Some(Tally::begin(&team())?) } else { None };
        let stage = Stage::new();
        let (stand, curtain) = (Stand::new(bell.clone()), stage.curtain());
        let takes_part = |part: Part| {
            if let Some(words) = stand.takes(part) {
                tell("launch", &words);
                curtain.tell(words);
            }
        };
        let supervisor = Supervisor {
            bell,
            ends_when_done: manner.ends_when_done,
            teller: teller.clone(),
            tell,
            takes_part: &takes_part,
            ..Supervisor::new(&*desk, hands, caller.clone())
        };
        let telling = Telling { team: team(), roles: &roles, tell };
        let work = || teller.beside(&telling, || supervisor.run());
        let finish = if on_screen { self.on_screen(&*desk, &stand, place.dir(), stage, work)? } else { work()? };
        let last = std::mem::take(&mut *last.lock().unwrap_or_else(PoisonError::into_inner));
        last.iter().for_each(|(who, words)| say(who, words));
        let told = match tally.filter(|_| finish != Finish::StoodBy && !stand.lets_them_run()) {
            Some(tally) => {
                let mut told = tally.end(&team())?;
                told.lands = self.branches_wait(&team());
                Some(told)
            }
            None => None,
        };
        if finish == Finish::StoodBy {
            say("launch", &stand.why_it_closed());
        }
        let last = told.as_ref().map(|told| Said::Last { text: told.text(), data: told.data() });
        written(lines.end(last))?;
        Ok(match finish {
            Finish::Done if told.is_some_and(|told| !told.is_well()) => Some(exit::FAILED),
            Finish::Done => Some(exit::DONE),
            Finish::Left if stand.lets_them_run() => None,
            Finish::Left => Some(exit::INTERRUPTED),
            Finish::StoodBy => Some(exit::DONE),
        })
    }

    /// How to land what is there to land. Whoever only wants to know how it ended is not told why that cannot be found out.
    fn branches_wait(&self, team: &Team) -> Vec<String> {
        let found = || -> Result<bool> {
            let Some(site) = Site::around(&self.config)? else { return Ok(false) };
            let target = site.target(&self.config, None)?;
            let queue = queue::finished(team, &site.trees, &target, &|task| site.is_not_of(task, "land"))?;
            Ok(queue.ready.iter().any(|queued| queued.commits > 0))
        };
        let here = found().unwrap_or(false).then(|| "orch-mcp land".to_owned());
        let others = repository::others_to_land(&self.config, team).into_iter();
        here.into_iter().chain(others.map(|name| format!("orch-mcp land --repo {name}"))).collect()
    }

    /// The screen goes when the work is over, and whoever leaves the screen wants that.
    fn on_screen(
        &self,
        desk: &dyn Desk,
        stand: &Stand,
        state_dir: &Path,
        stage: Stage,
        work: impl FnOnce() -> Result<Finish> + Send,
    ) -> Result<Finish> {
        let curtain = stage.curtain();
        let screen = Screen {
            desk,
            caller: self.config.caller(Host::System),
            host: Host::System,
            state_dir: Some(state_dir.to_owned()),
            colored: self.printer.paints(),
            controls: true,
            leaves: &|| stand.leaves(),
            leave: &|how| {
                stand.leave(how);
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

    fn detach(&self, behind: &LeftBehind) -> Result<u8> {
        let place = self.config.place()?;
        let path = place.dir().join("supervisor.log");
        let log = OpenOptions::new().append(true).create(true).mode(0o600).open(&path);
        let log =
            log.map_err(|cause| Error::new(Kind::Unavailable, format!("cannot write `{}`: {cause}", path.display())))?;
        if log.metadata().is_ok_and(|about| about.len() >= LOG_BYTES_MAX) {
            let _ = log.set_len(0);
        }
        let out = log.try_clone().map_err(Error::internal)?;
        let mut left = Program::new(self.config.running()?);
        left.arg("launch").arg("--wanted").arg("--state-dir").arg(place.dir()).arg("--client").arg(&behind.client);
        if behind.ends_when_done {
            left.arg("--until-done");
        }
        left.stdin(Stdio::null()).stdout(out).stderr(log).process_group(0);
        let left = left.spawn().map_err(Error::internal)?;
        let told =
            format!("process {} looks after the workers; it writes to {}\n{WATCHED}\n", left.id(), path.display());
        let data = json!({ "process": left.id(), "log": path });
        written(if behind.as_json { self.printer.object(&data) } else { self.printer.text(&told) }).map(|()| exit::DONE)
    }
}

/// Does somebody want objects on standard output? Where nobody says so, lines are written, also into a file.
pub(super) fn asks_for_json(matches: &ArgMatches) -> bool {
    let format = matches.get_one::<String>(commands::FORMAT).map(String::as_str);
    matches.get_flag(commands::JSON) || matches!(format, Some("json" | "jsonl"))
}

/// How it shows what it does, and when it ends.
struct Manner {
    ends_when_done: bool,
    is_plain: bool,
    as_json: bool,
}

/// How a process goes on that is left behind.
struct LeftBehind {
    client: PathBuf,
    as_json: bool,
    ends_when_done: bool,
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

/// How many of which role, each role once: what is said of it by several flags is added up.
fn wanted(matches: &ArgMatches) -> Result<Vec<(String, u32)>> {
    let mut said: Vec<(String, u32)> = Vec::new();
    let number = |name: &str| matches.get_one::<u32>(name).copied();
    for (flag, role) in [("planner", PLANNER), ("docs", "docs")] {
        if matches.get_flag(flag) {
            said.push((role.to_owned(), 1));
        }
    }
    said.extend(number("workers").or(number("executors")).map(|count| (WORKERS.to_owned(), count)));
    for word in matches.get_many::<String>("role").into_iter().flatten() {
        let (role, count) = word.split_once('=').unwrap_or((word, "1"));
        let count = count.parse().map_err(|_| {
            Error::invalid(format!("`--role {word}` is no role with a number")).hint("for example `--role reviewer=2`")
        })?;
        said.push((role.to_owned(), count));
    }
    let is_said = !said.is_empty();
    let mut wanted: Vec<(String, u32)> = Vec::new();
    for (role, count) in said.into_iter().filter(|(_, count)| *count > 0) {
        match wanted.iter_mut().find(|(known, _)| *known == role) {
            Some((_, all)) => *all = all.saturating_add(count),
            None => wanted.push((role, count)),
        }
    }
    if let Some((role, count)) = wanted.iter().find(|(_, count)| *count > LaunchWorkers::COUNT_MAX) {
        let most = LaunchWorkers::COUNT_MAX;
        return Err(Error::invalid(format!("{count} workers of the role `{role}` are more than {most} at once")));
    }
    match is_said && wanted.is_empty() {
        true => Err(Error::invalid("of nobody is more than 0 wanted").hint(
            "without a count the usual team is started; `--wanted` starts nobody new; `orch-mcp stop` ends workers",
        )),
        false => Ok(wanted),
    }
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
