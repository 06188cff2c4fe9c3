//! Whether the clients are told of us once, and where we are.

use crate::claude::wiring::HANDLERS;
use crate::cli::doctor::Doctor;
use crate::cli::doctor::check::Check;
use crate::cli::doctor::tools;
use crate::cli::doctor::tools::Asked;
use crate::cli::doctor::wiring::Call;
use crate::cli::doctor::wiring::What;
use crate::cli::doctor::wiring::Wiring;
use crate::cli::doctor::wiring::setup;
use crate::cli::setup::places::Scope;
use crate::cli::setup::quoted;
use crate::cli::setup::wanted::SERVER;
use crate::config::Server;
use crate::config::is_program;
use std::collections::BTreeSet;
use std::path::Path;
use std::path::PathBuf;
use std::thread;

const PLUGIN: &str = "plugin";
const TEAM: &str = "team";
const WIRING: &str = "wiring";
const PROGRAMS: &str = "wired program";
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Other programs of our name that are asked for their version; nobody has more.
const ASKED_MAX: usize = 8;

pub(super) fn plugin(wiring: &Wiring) -> Check {
    let Some(plugin) = &wiring.plugin else { return Check::ok(PLUGIN, "not installed") };
    let version = plugin.version.as_deref();
    let found = format!("{} {}", plugin.id, version.unwrap_or("of unknown version"));
    if !plugin.enabled {
        return Check::ok(PLUGIN, format!("{found}, not enabled"));
    }
    match version {
        Some(version) if version != VERSION => {
            let found = format!("{found}, and this program is {VERSION}");
            Check::warning(PLUGIN, found).fix(format!("claude plugin update {}", plugin.id))
        }
        Some(_) => Check::ok(PLUGIN, found),
        None => Check::note(PLUGIN, found).fix(format!("claude plugin details {}", plugin.id)),
    }
}

/// Is each thing wired once, and are all of them?
pub(super) fn once(wiring: &Wiring) -> Check {
    if let Some((file, why)) = wiring.unreadable.first() {
        let found = format!("{} cannot be read, and its client may pass over it: {why}", file.display());
        return Check::warning(WIRING, found).fix(editing(file));
    }
    // Claude Desktop is another client, and has its own server.
    let of_code = |calls: &mut dyn Iterator<Item = &Call>| -> BTreeSet<Scope> {
        calls.map(|call| call.scope).filter(|scope| *scope != Scope::Desktop).collect()
    };
    let servers = of_code(&mut wiring.servers());
    let hooks = of_code(&mut wiring.hooks());
    let plugin = wiring.plugin.as_ref().filter(|plugin| plugin.enabled).map(|plugin| plugin.id.as_str());
    let places = |scopes: &BTreeSet<Scope>| {
        let scopes = scopes.iter().map(|scope| format!("scope {}", scope.word()));
        scopes.chain(plugin.map(|id| format!("plugin {id}"))).collect::<Vec<String>>()
    };
    let twice: Vec<String> = [
        ("server", &servers, wiring.servers().filter(|call| call.scope != Scope::Desktop).count()),
        ("hooks", &hooks, hooks.len()),
    ]
    .into_iter()
    .filter(|(_, scopes, count)| *count.max(&scopes.len()) + usize::from(plugin.is_some()) > 1)
    .map(|(what, scopes, _)| format!("the {what} in {}", places(scopes).join(", ")))
    .collect();
    if !twice.is_empty() {
        return Check::warning(WIRING, format!("twice: {}", twice.join("; "))).fix(undoing(
            wiring,
            &servers,
            &hooks,
            plugin.is_some(),
        ));
    }
    if let Some(file) = wiring.hooks_off.as_ref().filter(|_| plugin.is_some() || !hooks.is_empty()) {
        let found = format!("{} switches all hooks off (`disableAllHooks`)", file.display());
        return Check::warning(WIRING, found).fix(editing(file));
    }
    if let Some((call, tool)) = wiring.hooks().find_map(|call| Some((call, passed_by(call)?))) {
        let file = call.file.display();
        let found = format!("the hooks in {file} are those of an older version: they hear nothing of `{tool}`");
        return Check::warning(WIRING, found).fix(setup(call.scope));
    }
    if plugin.is_some() {
        return Check::ok(WIRING, "once, by the plugin");
    }
    match (servers.first(), hooks.first()) {
        (Some(server), Some(_)) => Check::ok(WIRING, format!("once, in scope {}", server.word())),
        (Some(server), None) => {
            Check::note(WIRING, "the server without hooks: sessions register themselves").fix(setup(*server))
        }
        (None, Some(hooks)) => {
            Check::warning(WIRING, "hooks without the server: sessions have no tools").fix(setup(*hooks))
        }
        (None, None) => {
            Check::note(WIRING, "Claude Code knows nothing of orch-mcp here").fix("orch-mcp setup claude-code")
        }
    }
}

/// A tool that a hook of ours is to hear of, and does not.
fn passed_by(call: &Call) -> Option<&'static str> {
    let What::Hook(event) = &call.what else { return None };
    let heard: Vec<&str> = call.matcher.as_deref()?.split('|').collect();
    let hears_all = heard.iter().any(|tool| ["", "*", ".*"].contains(tool));
    let wanted = HANDLERS.iter().filter(|handler| handler.event() == event).find_map(|handler| handler.matcher)?;
    wanted.split('|').find(|tool| !hears_all && !heard.contains(tool))
}

/// Files of the user are mended by the user.
fn editing(file: &Path) -> String {
    format!("${{EDITOR:-vi}} {}", quoted(&file.to_string_lossy()))
}

/// The commands that leave one of them: the plugin, else what Claude Code would take.
fn undoing(wiring: &Wiring, servers: &BTreeSet<Scope>, hooks: &BTreeSet<Scope>, plugin: bool) -> String {
    let scopes: BTreeSet<Scope> = servers.union(hooks).copied().collect();
    let kept = if plugin { None } else { servers.first().or(hooks.first()).copied() };
    let mut commands = Vec::new();
    for scope in scopes.into_iter().filter(|scope| Some(*scope) != kept) {
        if hooks.contains(&scope) {
            commands.push(format!("{} --undo", setup(scope)));
        }
        let named = wiring.servers().filter(|call| call.scope == scope);
        for call in named {
            match &call.what {
                What::Server(name) if name != SERVER || !hooks.contains(&scope) => {
                    commands.push(format!("claude mcp remove {} --scope {}", quoted(name), scope.word()));
                }
                _ => {}
            }
        }
    }
    // Several names for one server in one scope.
    for call in wiring.servers().filter(|call| Some(call.scope) == kept) {
        if let What::Server(name) = &call.what
            && name != SERVER
        {
            commands.push(format!("claude mcp remove {} --scope {}", quoted(name), call.scope.word()));
        }
    }
    commands.join(" && ")
}

/// Do the sessions ask elsewhere than this command does?
pub(super) fn team(doctor: &Doctor, wiring: &Wiring) -> Option<Check> {
    let of_code = wiring.calls.iter().filter(|call| call.scope != Scope::Desktop);
    let told = of_code.filter_map(|call| call.elsewhere.as_ref()).next()?;
    let there = Server::named(&told.url, told.plain_http);
    let here = doctor.config.server.value.as_ref().map(Server::url);
    if there.as_ref().map(Server::url).ok() == here {
        return None;
    }
    let here = here.unwrap_or("the store of this machine");
    let found = format!("Claude Code asks {} here, and this command looked at {here}", told.url);
    let words: Vec<String> = told.words().iter().map(|word| quoted(word)).collect();
    Some(Check::note(TEAM, found).fix(format!("orch-mcp doctor {}", words.join(" "))))
}

/// What a client would start.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Program {
    /// This one.
    Same,
    Missing,
    Other(PathBuf),
    /// A variable of the client's says it, or it is no business of this machine.
    Unknown,
}

/// Is there a program of this version where the clients are told that we are?
pub(super) fn programs(doctor: &Doctor, wiring: &Wiring) -> Check {
    let mut others: Vec<(PathBuf, &Call)> = Vec::new();
    for call in &wiring.calls {
        match program(doctor, wiring, call) {
            Program::Missing => {
                let (file, program) = (call.file.display(), call.program.as_deref().unwrap_or_default());
                return Check::error(PROGRAMS, format!("{file} calls `{program}`, and there is no such program"))
                    .fix(setup(call.scope));
            }
            Program::Other(path) if others.iter().all(|(other, _)| *other != path) => others.push((path, call)),
            Program::Other(_) | Program::Same | Program::Unknown => {}
        }
    }
    if wiring.plugin_is_on() && doctor.config.on_path(SERVER).is_none() {
        let program =
            doctor.program.as_deref().map_or_else(|| SERVER.to_owned(), |path| quoted(&path.to_string_lossy()));
        return Check::error(PROGRAMS, format!("the plugin calls `{SERVER}`, which is not on PATH"))
            .fix(format!("sudo ln -s {program} /usr/local/bin/{SERVER}"));
    }
    if let Some((path, call, why)) = strange(others) {
        let found = format!("{} calls `{}`, {why}", call.file.display(), path.display());
        return Check::warning(PROGRAMS, found).fix(setup(call.scope));
    }
    match wiring.calls.is_empty() && !wiring.plugin_is_on() {
        true => Check::ok(PROGRAMS, "nothing is wired"),
        false => Check::ok(PROGRAMS, format!("there, version {VERSION}")),
    }
}

fn program(doctor: &Doctor, wiring: &Wiring, call: &Call) -> Program {
    let Some(program) = call.program.as_deref() else { return Program::Unknown };
    if program.contains("${") || Path::new(program).file_name().is_none_or(|name| name != SERVER) {
        return Program::Unknown;
    }
    let path = match program.contains('/') {
        true => wiring.project.join(program),
        false => match doctor.config.on_path(program) {
            Some(path) => path,
            None => return Program::Missing,
        },
    };
    if !is_program(&path) {
        return Program::Missing;
    }
    let is_same = |own: &PathBuf| own.canonicalize().ok() == path.canonicalize().ok();
    if doctor.program.as_ref().is_some_and(is_same) { Program::Same } else { Program::Other(path) }
}

/// The first of them that is of another version. What the project's own files name is not run, since it may be anybody's.
fn strange(others: Vec<(PathBuf, &Call)>) -> Option<(PathBuf, &Call, String)> {
    let asked: Vec<_> = others
        .into_iter()
        .take(ASKED_MAX)
        .map(|(path, call)| {
            let program = path.clone();
            let is_own = matches!(call.scope, Scope::User | Scope::Desktop) || is_users_file(call);
            let asked = is_own.then(|| thread::spawn(move || tools::ask(&program, "--version", tools::PATIENCE)));
            (path, call, asked)
        })
        .collect();
    let mut told = asked.into_iter().filter_map(|(path, call, asked)| {
        let why = match asked.map(thread::JoinHandle::join) {
            Some(Ok(Asked::Said(said))) if said == format!("{SERVER} {VERSION}") => return None,
            Some(Ok(Asked::Said(said))) => format!("which says `{said}`, and this program is {VERSION}"),
            Some(_) => "which does not tell its version".to_owned(),
            None => "which is another file than this program".to_owned(),
        };
        Some((path, call, why))
    });
    told.next()
}

/// The server of the scope `local` stands in the user's own file, though it is the project's.
fn is_users_file(call: &Call) -> bool {
    call.scope == Scope::Local && matches!(call.what, What::Server(_))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::wiring::Plugin;

    fn wiring(servers: &[Scope], hooks: &[Scope], plugin: bool) -> Wiring {
        let call = |scope: &Scope, what: What| Call {
            file: PathBuf::from("/f"),
            scope: *scope,
            what,
            program: Some("/b/orch-mcp".to_owned()),
            elsewhere: None,
            matcher: None,
        };
        let servers = servers.iter().map(|scope| call(scope, What::Server(SERVER.to_owned())));
        let hooks = hooks.iter().map(|scope| call(scope, What::Hook("Stop".to_owned())));
        let plugin = plugin.then(|| Plugin { id: "orch-mcp@m".to_owned(), enabled: true, version: None });
        Wiring { calls: servers.chain(hooks).collect(), plugin, ..Wiring::default() }
    }

    #[track_caller]
    fn check(servers: &[Scope], hooks: &[Scope], plugin: bool, verdict: &str, fix: Option<&str>) {
        let found = once(&wiring(servers, hooks, plugin));
        assert_eq!((found.verdict.word(), found.fix.as_deref()), (verdict, fix), "{}", found.found);
    }

    #[test]
    fn each_thing_is_to_be_wired_once() {
        use Scope::Desktop;
        use Scope::Local;
        use Scope::Project;
        use Scope::User;
        check(&[], &[], false, "note", Some("orch-mcp setup claude-code"));
        check(&[Desktop], &[], false, "note", Some("orch-mcp setup claude-code"));
        check(&[Local], &[Local], false, "ok", None);
        check(&[Local, Desktop], &[Local, Local], false, "ok", None);
        check(&[], &[], true, "ok", None);
        check(&[User], &[], false, "note", Some("orch-mcp setup claude-code --scope user"));
        check(&[], &[Local], false, "warning", Some("orch-mcp setup claude-code --scope local"));
        let undo_user = "orch-mcp setup claude-code --scope user --undo";
        check(&[User, Local], &[User, Local], false, "warning", Some(undo_user));
        check(&[User], &[User], true, "warning", Some(undo_user));
        check(&[User, Project], &[Project], false, "warning", Some("claude mcp remove orch-mcp --scope user"));
        check(&[Project], &[], true, "warning", Some("claude mcp remove orch-mcp --scope project"));
        check(&[Local], &[Local, User], false, "warning", Some(undo_user));
    }

    #[test]
    fn hooks_that_are_switched_off_are_told() {
        let mut off = wiring(&[Scope::Local], &[Scope::Local], false);
        off.hooks_off = Some(PathBuf::from("/a b/settings.json"));
        let found = once(&off);
        assert_eq!(found.verdict.word(), "warning");
        assert_eq!(found.fix.as_deref(), Some("${EDITOR:-vi} '/a b/settings.json'"));
        off.calls.retain(|call| matches!(call.what, What::Server(_)));
        assert_eq!(once(&off).verdict.word(), "note", "there are none to switch off");
    }

    #[test]
    fn hooks_of_an_older_version_are_told_with_what_they_do_not_hear_of() {
        let of = |matcher: Option<&str>| {
            let mut old = wiring(&[Scope::Local], &[Scope::Local], false);
            let hook = old.calls.iter_mut().find(|call| matches!(call.what, What::Hook(_))).unwrap();
            hook.what = What::Hook("PreToolUse".to_owned());
            hook.matcher = matcher.map(str::to_owned);
            once(&old)
        };
        let found = of(Some("Edit|Write|NotebookEdit"));
        assert_eq!(
            (found.verdict.word(), found.fix.as_deref()),
            ("warning", Some("orch-mcp setup claude-code --scope local"))
        );
        assert!(found.found.contains("`Bash`"), "{}", found.found);
        for matcher in [None, Some(".*"), Some("Bash|Edit|Monitor|NotebookEdit|PowerShell|Write|Read")] {
            assert_eq!(of(matcher).verdict.word(), "ok", "{matcher:?}");
        }
    }

    #[test]
    fn one_server_under_two_names_is_twice() {
        let mut twice = wiring(&[Scope::Local, Scope::Local], &[Scope::Local], false);
        twice.calls[1].what = What::Server("team".to_owned());
        let found = once(&twice);
        assert_eq!(found.verdict.word(), "warning");
        assert_eq!(found.fix.as_deref(), Some("claude mcp remove team --scope local"));
    }

    #[test]
    fn a_plugin_of_another_version_is_told() {
        let of = |version: Option<&str>, enabled| {
            let plugin = Plugin { id: "orch-mcp@m".to_owned(), enabled, version: version.map(str::to_owned) };
            plugin_check(Some(plugin))
        };
        assert_eq!(of(Some(VERSION), true).verdict.word(), "ok");
        assert_eq!(of(Some("0.0.1"), false).verdict.word(), "ok");
        assert_eq!(of(Some("0.0.1"), true).fix.as_deref(), Some("claude plugin update orch-mcp@m"));
        assert_eq!(of(None, true).verdict.word(), "note");
        assert_eq!(plugin_check(None).found, "not installed");
    }

    fn plugin_check(plugin: Option<Plugin>) -> Check {
        super::plugin(&Wiring { plugin, ..Wiring::default() })
    }
}
