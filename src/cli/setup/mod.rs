//! `orch-mcp setup`: a client learns of us and forgets us again, and nothing else in its files changes.

mod diff;
mod edit;
pub(super) mod files;
mod keep;
mod merge;
pub(super) mod places;
mod plan;
pub(super) mod record;
pub(super) mod wanted;

use crate::cli::doctor;
use crate::cli::exit;
use crate::cli::print::Answer;
use crate::cli::print::Format;
use crate::cli::print::Printer;
use crate::cli::rules::must_be_no_worker;
use crate::cli::setup::keep::Kept;
use crate::cli::setup::places::Project;
use crate::cli::setup::places::Scope;
use crate::cli::setup::plan::Planned;
use crate::cli::setup::record::Records;
use crate::cli::setup::wanted::Calling;
use crate::cli::setup::wanted::Elsewhere;
use crate::cli::setup::wanted::SERVER;
use crate::cli::written;
use crate::config::Config;
use crate::config::Server;
use crate::config::Source;
use crate::error::Error;
use crate::error::Result;
use crate::model::id::check_name;
use crate::remote;
use clap::Arg;
use clap::ArgAction;
use clap::ArgMatches;
use clap::Command;
use clap::builder::PossibleValuesParser;
use serde_json::Value;
use serde_json::json;
use std::ffi::OsString;
use std::path::Path;
use std::path::PathBuf;

const CODE: &str = "claude-code";
const DESKTOP: &str = "claude-desktop";

/// Of `--check`, where something differs.
const DRIFTED: u8 = 4;

const FOOTER: &str = "\
What it changes:
  claude-code    the server, in ~/.claude.json (user, local) or .mcp.json (project);
                 hooks and the permission to call our tools, in settings.json of ~/.claude (user)
                 or .claude (project), or in .claude/settings.local.json (local)
  claude-desktop the server, in claude_desktop_config.json
  with --server  what --token-file names is copied to ~/.config/orch-mcp/tokens, mode 0600
Everything else in these files stays as it is, byte for byte. CLAUDE.md is never touched.

Scopes: local is you in this project (all its worktrees), project is everybody who works on it,
user is you in all projects (where hooks do nothing unless the project uses orch-mcp).

Examples:
  orch-mcp setup claude-code --dry-run
  orch-mcp setup claude-code --name amy --role lead
  orch-mcp setup claude-code --server https://team.example --token-file token
  orch-mcp setup claude-code --scope user --undo
  orch-mcp setup claude-code --check || orch-mcp setup claude-code

--check exits with 0 where all is in place, and with 4 where it is not.";

/// The flags and words of the command.
pub(super) fn with_flags(command: Command) -> Command {
    let switch = |name: &'static str, help| Arg::new(name).long(name).action(ArgAction::SetTrue).help(help);
    command
        .arg(
            Arg::new("client")
                .required(true)
                .value_name("CLIENT")
                .value_parser(PossibleValuesParser::new([CODE, DESKTOP]))
                .help("Which program is to know orch-mcp"),
        )
        .arg(
            Arg::new("scope")
                .long("scope")
                .value_name("SCOPE")
                .value_parser(PossibleValuesParser::new(Scope::OF_CODE.map(Scope::word)))
                .help(
                    "Where in Claude Code: only you in this project, everybody in it, or you everywhere [else local]",
                ),
        )
        .arg(Arg::new("name").long("name").value_name("NAME").help("Register every session under this name"))
        .arg(Arg::new("role").long("role").value_name("ROLE").help("Register every session with this role"))
        .arg(switch("no-hooks", "Only the server and the permission: sessions register themselves"))
        .arg(switch("dry-run", "Show what would change, and write nothing"))
        .arg(switch("undo", "Put everything back as it was").conflicts_with_all(["name", "role", "no-hooks"]))
        .arg(switch("check", "Say whether all is in place").conflicts_with_all(["dry-run", "undo"]))
        .after_help(FOOTER)
}

/// What is asked for.
struct Request {
    scope: Scope,
    name: Option<String>,
    role: Option<String>,
    hooks: bool,
    dry_run: bool,
    undo: bool,
    check: bool,
}

impl Request {
    fn read(matches: &ArgMatches) -> Result<Request> {
        let text = |name: &str| matches.get_one::<String>(name).cloned();
        let of_code = Scope::OF_CODE.into_iter().find(|scope| text("scope").as_deref() == Some(scope.word()));
        let is_desktop = text("client").as_deref() == Some(DESKTOP);
        if is_desktop && (of_code.is_some() || matches.get_flag("no-hooks")) {
            return Err(
                Error::invalid("Claude Desktop has neither scopes nor hooks").hint(format!("orch-mcp setup {DESKTOP}"))
            );
        }
        let request = Request {
            scope: if is_desktop { Scope::Desktop } else { of_code.unwrap_or(Scope::Local) },
            name: text("name"),
            role: text("role"),
            hooks: !matches.get_flag("no-hooks"),
            dry_run: matches.get_flag("dry-run"),
            undo: matches.get_flag("undo"),
            check: matches.get_flag("check"),
        };
        for (flag, value) in [("name", &request.name), ("role", &request.role)] {
            if let Some(value) = value {
                check_name(flag, value)?;
            }
        }
        Ok(request)
    }

    /// The command that sets up what is asked for.
    fn command(&self, calling: &Calling) -> String {
        let mut command = match self.scope {
            Scope::Desktop => format!("{SERVER} setup {DESKTOP}"),
            scope => format!("{SERVER} setup {CODE} --scope {}", scope.word()),
        };
        let flags = [("--state-dir", &calling.state_dir), ("--name", &calling.name), ("--role", &calling.role)];
        for (flag, value) in flags {
            if let Some(value) = value {
                command.push_str(&format!(" {flag} {}", quoted(value)));
            }
        }
        for word in calling.elsewhere.iter().flat_map(Elsewhere::words) {
            command.push_str(&format!(" {}", quoted(&word)));
        }
        if !self.hooks {
            command.push_str(" --no-hooks");
        }
        command
    }

    fn undo_command(&self) -> String {
        match self.scope {
            Scope::Desktop => format!("{SERVER} setup {DESKTOP} --undo"),
            scope => format!("{SERVER} setup {CODE} --scope {} --undo", scope.word()),
        }
    }
}

/// A word as a shell takes it.
pub(super) fn quoted(word: &str) -> String {
    let is_plain = word.chars().all(|c| c.is_ascii_alphanumeric() || "/._-+=:,@%".contains(c));
    if is_plain && !word.is_empty() { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

pub(super) fn run(config: &Config, printer: &Printer, matches: &ArgMatches, typed: &[OsString]) -> Result<u8> {
    let request = Request::read(matches)?;
    let setup = Setup { calling: calling(config, &request, typed)?, request, config };
    setup.run(printer)
}

fn calling(config: &Config, request: &Request, typed: &[OsString]) -> Result<Calling> {
    let program = if request.undo {
        // What is ours is known by its name, whoever takes it out.
        PathBuf::from(SERVER)
    } else {
        program(config, typed)?
    };
    let is_asked_for = matches!(config.state_dir.source, Source::Flag(_));
    let elsewhere = elsewhere(config, request)?;
    let needs_one = request.scope == Scope::Desktop && !request.undo && elsewhere.is_none();
    let state_dir = if is_asked_for || needs_one {
        let place = config.place()?;
        place.check()?;
        Some(place.dir().to_owned())
    } else {
        None
    };
    let calling = Calling {
        program: plain(&program)?.to_owned(),
        state_dir: state_dir.as_deref().map(plain).transpose()?.map(str::to_owned),
        elsewhere,
        name: request.name.clone(),
        role: request.role.clone(),
    };
    Ok(calling)
}

/// Written down where it was said on the command line; and for Claude Desktop, to which the environment says nothing.
fn elsewhere(config: &Config, request: &Request) -> Result<Option<Elsewhere>> {
    let is_asked_for = matches!(config.server.source, Source::Flag(_)) || request.scope == Scope::Desktop;
    let Some(server) = config.server.value.as_ref().filter(|_| is_asked_for && !request.undo) else { return Ok(None) };
    let ca = config.ca_file();
    // Else every session would find out by itself.
    ca.as_deref().map(remote::must_hold_certificates).transpose()?;
    Ok(Some(Elsewhere {
        url: server.url().to_owned(),
        ca: ca.as_deref().map(plain).transpose()?.map(str::to_owned),
        plain_http: config.plain_http.value,
    }))
}

fn program(config: &Config, typed: &[OsString]) -> Result<PathBuf> {
    let program = config.program(typed.first().map_or("".as_ref(), OsString::as_os_str))?;
    if program.file_name() == Some(SERVER.as_ref()) {
        return Ok(program);
    }
    let found = program.display();
    Err(Error::invalid(format!("this program is called `{found}`, and its hooks are known by the name `{SERVER}`"))
        .hint(format!("call the file `{SERVER}`")))
}

/// A path that a client does not take for anything else.
fn plain(path: &Path) -> Result<&str> {
    let text = places::text(path)?;
    if text.contains("${") {
        let message = format!("`{text}` holds `${{`, which Claude would replace by a variable");
        return Err(Error::invalid(message).hint("give it another name"));
    }
    Ok(text)
}

struct Setup<'a> {
    request: Request,
    calling: Calling,
    config: &'a Config,
}

impl Setup<'_> {
    fn run(mut self, printer: &Printer) -> Result<u8> {
        let writes = !self.request.check && !self.request.dry_run;
        writes.then(|| must_be_no_worker(self.config)).transpose()?;
        let around = self.config.surroundings();
        let records = Records::at(places::records(&around)?);
        if !self.request.undo {
            self.take_what_was_said()?;
        }
        let kept = self.kept_token()?;
        let targets = places::targets(self.request.scope, &around, &self.calling, self.request.hooks)?;
        let plan = |records: &Records| match self.request.undo {
            true => plan::undo(&targets, records),
            false => plan::apply(&targets, records),
        };
        let planned = if writes { plan::carry_out(plan, &records)? } else { plan(&records)? };
        if let Some(kept) = kept.as_ref().filter(|_| writes) {
            if self.request.undo { kept.forget()? } else { kept.keep()? }
        }
        self.answer(&planned, kept.as_ref(), printer)?;
        let is_change = planned.iter().any(Planned::is_change) || kept.as_ref().is_some_and(Kept::is_change);
        let drifted = self.request.check && is_change;
        Ok(if drifted { DRIFTED } else { exit::DONE })
    }

    /// Who asks whether all is in place, or mends it, need not say again what was asked for then. But a team that Claude
    /// Desktop is to join is named by where one stands.
    fn take_what_was_said(&mut self) -> Result<()> {
        let around = self.config.surroundings();
        let is_asked_for = matches!(self.config.state_dir.source, Source::Flag(_));
        for target in places::targets(self.request.scope, &around, &self.calling, self.request.hooks)? {
            let text = files::read(&target.path)?.text.unwrap_or_default();
            let said = merge::said(&text, &target.parts);
            self.calling.name = self.calling.name.take().or(said.name);
            self.calling.role = self.calling.role.take().or(said.role);
            let stays = self.request.check || self.request.scope != Scope::Desktop;
            let is_elsewhere = matches!(self.config.server.source, Source::Flag(_));
            if stays && !is_asked_for && !is_elsewhere && said.state_dir.is_some() {
                self.calling.state_dir = said.state_dir;
            }
            if stays && !is_asked_for && !is_elsewhere && said.elsewhere.is_some() {
                self.calling.elsewhere = said.elsewhere;
            }
        }
        Ok(())
    }

    /// What becomes of the token of the server elsewhere; of an undo, the one that was set up.
    fn kept_token(&self) -> Result<Option<Kept>> {
        let around = self.config.surroundings();
        let targets = places::targets(self.request.scope, &around, &self.calling, self.request.hooks)?;
        let said = |target: &places::Target| {
            let text = files::read(&target.path).ok().and_then(|found| found.text)?;
            merge::said(&text, &target.parts).elsewhere
        };
        let elsewhere = match self.request.undo {
            true => targets.iter().find_map(said),
            false => self.calling.elsewhere.clone(),
        };
        let Some(elsewhere) = elsewhere else { return Ok(None) };
        let server = match Server::named(&elsewhere.url, elsewhere.plain_http) {
            Ok(server) => server,
            // What somebody wrote there by hand is no reason to stay.
            Err(_) if self.request.undo => return Ok(None),
            Err(error) => return Err(error),
        };
        // One project's settings are not another's, though they are of the same scope.
        let whose = format!(
            "{} {}",
            self.request.scope.word(),
            targets.first().map_or("".into(), |target| target.path.to_string_lossy())
        );
        let whose = match self.request.scope {
            Scope::Local => targets.first().map_or(whose, |target| target.whose.clone()),
            _ => whose,
        };
        match self.request.undo {
            true => Ok(Kept::unwanted(self.config, &server, whose)),
            false => Kept::wanted(self.config, &server, whose),
        }
    }

    fn answer(&self, planned: &[Planned], kept: Option<&Kept>, printer: &Printer) -> Result<()> {
        let changed = planned.iter().any(Planned::is_change) || kept.is_some_and(Kept::is_change);
        let mut notes = self.notes(planned);
        notes.extend(kept.and_then(|kept| self.note_on_token(kept)));
        let next = self.next(changed);
        let file = |file: &Planned| {
            let mut shown = json!({ "path": file.path(), "change": file.word(), "diff": file.diff() });
            if self.request.check {
                let mend = self.request.command(&self.calling);
                let drift = |change| json!({ "what": diff::said(change), "mend": mend });
                shown["drift"] = file.changes.iter().map(drift).collect();
            }
            shown
        };
        let scope = Some(self.request.scope).filter(|scope| *scope != Scope::Desktop).map(Scope::word);
        let client = if self.request.scope == Scope::Desktop { DESKTOP } else { CODE };
        let token = kept.map(|kept| json!({ "path": kept.path, "change": kept.word() }));
        let mut data = json!({
            "scope": scope,
            "client": client,
            "files": planned.iter().map(file).collect::<Vec<Value>>(),
            "notes": notes,
            "next": next,
        });
        if let Some(token) = token {
            data["token"] = token;
        }
        let ids: Vec<String> = planned
            .iter()
            .filter(|file| file.is_change())
            .map(|file| file.path().to_string_lossy().into_owned())
            .collect();
        let text = || self.text(planned, kept, &next);
        written(printer.answer(&Answer { data: &data, ids: &ids, unread: None, text: &text }))?;
        if printer.format == Format::Table {
            notes.iter().for_each(|note| printer.note(&format!("note: {note}")));
        }
        Ok(())
    }

    fn text(&self, planned: &[Planned], kept: Option<&Kept>, next: &[String]) -> String {
        let mut text = String::new();
        if !self.request.check {
            planned
                .iter()
                .filter(|file| file.is_change())
                .for_each(|file| text.push_str(&format!("{}\n", file.diff())));
        }
        for file in planned {
            let path = file.path().display();
            match file.word() {
                "unchanged" => text.push_str(&format!("unchanged  {path}\n")),
                _ if self.request.check => {
                    text.push_str(&format!("differs    {path}\n"));
                    file.changes.iter().for_each(|change| text.push_str(&format!("  {}\n", diff::said(change))));
                }
                word if self.request.dry_run => text.push_str(&format!("would be {word}  {path}\n")),
                word => text.push_str(&format!("{word:9}  {path}\n")),
            }
        }
        if let Some(kept) = kept {
            let word = if self.request.dry_run { format!("would be {}", kept.word()) } else { kept.word().to_owned() };
            let word = if kept.is_change() { word } else { "unchanged".to_owned() };
            text.push_str(&format!("{word:9}  {}\n", kept.path.display()));
        }
        if !planned.iter().any(Planned::is_change) && !kept.is_some_and(Kept::is_change) {
            text.push_str(if self.request.undo {
                "Nothing to undo.\n"
            } else {
                "All is in place: nothing to change.\n"
            });
        }
        if !next.is_empty() {
            text.push_str("\nNext:\n");
            next.iter().for_each(|step| text.push_str(&format!("  {step}\n")));
        }
        text
    }

    fn next(&self, changed: bool) -> Vec<String> {
        let request = &self.request;
        if !changed {
            return Vec::new();
        }
        if request.check {
            return vec![request.command(&self.calling)];
        }
        if request.dry_run {
            let mut command = if request.undo { request.undo_command() } else { request.command(&self.calling) };
            if let Some(file) = self.config.token_file_of_flag().filter(|_| !request.undo) {
                command += &format!(" --token-file {}", quoted(&file.to_string_lossy()));
            }
            return vec![format!("to do it: {command}")];
        }
        if request.undo {
            let mut next = vec![match request.scope {
                Scope::Desktop => "quit Claude Desktop and start it again".to_owned(),
                _ => "sessions of Claude Code that run lose the hooks now, and the tools when they end".to_owned(),
            }];
            next.extend(self.kept().map(|dir| format!("what the team wrote stays in {dir}")));
            return next;
        }
        let mut next = match request.scope {
            Scope::Desktop => vec!["quit Claude Desktop and start it again".to_owned()],
            Scope::User => vec![
                "start Claude Code (again) in a project that uses orch-mcp".to_owned(),
                "let a project use it: tell a session there to join the team, or `orch-mcp register-instance NAME`"
                    .to_owned(),
            ],
            Scope::Local => vec![format!("start Claude Code (again) in {}", self.shown_dir())],
            Scope::Project => vec![
                format!("start Claude Code (again) in {}", self.shown_dir()),
                "when Claude Code asks whether to use the server `orch-mcp` of this project, say yes".to_owned(),
            ],
        };
        if let Some(elsewhere) = self.calling.elsewhere.as_ref().filter(|_| request.scope != Scope::Desktop) {
            let words = elsewhere.variables().into_iter().filter_map(|(name, value)| Some((name, value?)));
            let words: Vec<String> = words.map(|(name, value)| format!("{name}={}", quoted(&value))).collect();
            next.push(format!("your own shell asks there too with: export {}", words.join(" ")));
            if !matches!(self.config.token(), Ok(Some(_))) {
                next.push("no token is known for it: repeat this with `--token-file FILE`".to_owned());
            }
        }
        next.push(format!("to undo this: {}", request.undo_command()));
        next
    }

    /// What an undo leaves of the team.
    fn kept(&self) -> Option<String> {
        let place = self.config.place().ok().filter(|place| place.dir().is_dir() && self.config.is_in_repository())?;
        (self.request.scope != Scope::User).then(|| place.dir().display().to_string())
    }

    /// Where a session has to begin.
    fn shown_dir(&self) -> String {
        let project = self.config.surroundings().cwd.map(Project::around);
        let dir = project.map(|project| match self.request.scope {
            Scope::Local => project.local,
            _ => project.shared,
        });
        dir.map_or_else(|| "this project".to_owned(), |dir| dir.display().to_string())
    }

    fn notes(&self, planned: &[Planned]) -> Vec<String> {
        let mut notes: Vec<String> = planned.iter().flat_map(|file| file.notes.iter().cloned()).collect();
        notes.extend(self.notes_on_scopes());
        if self.request.undo {
            return notes;
        }
        if !self.request.check && is_passing(&self.calling.program) {
            notes.push(format!(
                "`{}` may not stay: install it first (`cargo install --locked --path .`)",
                self.calling.program
            ));
        }
        notes.extend(self.note_on_what_was_said());
        let state_dir = self.calling.state_dir.as_deref();
        match self.request.scope {
            Scope::Desktop if self.calling.elsewhere.is_none() => {
                let dir = state_dir.unwrap_or_default();
                notes.push(format!(
                    "Claude Desktop joins the team that has its state in `{dir}` (`--state-dir` names another)"
                ));
            }
            _ if state_dir.is_none() && matches!(self.config.state_dir.source, Source::Variable(_)) => {
                notes.push("`ORCH_STATE_DIR` is set here and is not written down: `--state-dir` is".to_owned());
            }
            _ => {}
        }
        if self.calling.elsewhere.is_none() && matches!(self.config.server.source, Source::Variable(_)) {
            notes.push("`ORCH_SERVER` is set here and is not written down: `--server` is".to_owned());
        }
        let created = planned.last().filter(|file| file.word() == "created");
        if let Some(file) = created.filter(|_| self.request.scope == Scope::Local && self.config.is_in_repository()) {
            notes.push(format!(
                "`{}` is only yours: keep it out of git (by a line `.claude/settings.local.json` in \
                 `.git/info/exclude`)",
                file.path().display()
            ));
        }
        notes.extend(self.note_on_team());
        if self.request.scope == Scope::Project {
            notes.push(
                "these files are for everybody, but name a path of this machine: others run this command themselves, \
                 or use the plugin"
                    .to_owned(),
            );
            let top = self.config.surroundings().cwd.and_then(|cwd| Project::around(cwd).top);
            if let Some(top) = top {
                notes.push(format!(
                    "Claude Code reads these settings only where it is started: here, and not in `{}`",
                    top.display()
                ));
            }
        }
        notes
    }

    /// Where else Claude Code knows of us: hooks in two scopes would be called twice.
    fn notes_on_scopes(&self) -> Option<String> {
        if self.request.scope == Scope::Desktop {
            return None;
        }
        let others = Scope::OF_CODE.into_iter().filter(|scope| *scope != self.request.scope);
        let found: Vec<&str> = others.filter(|scope| self.is_set_up(*scope)).map(Scope::word).collect();
        let scopes = found.iter().map(|scope| format!("with `--scope {scope}`"));
        let plugin = doctor::plugin_is_on(&self.config.surroundings()).then(|| "by its plugin".to_owned());
        let found: Vec<String> = scopes.chain(plugin).collect();
        (!found.is_empty()).then(|| format!("orch-mcp is also set up {}: one is enough", found.join(" and ")))
    }

    fn note_on_what_was_said(&self) -> Option<String> {
        let Calling { name, role, .. } = &self.calling;
        let kept = [("name", name, &self.request.name), ("role", role, &self.request.role)];
        let kept = kept.into_iter().filter(|(_, kept, asked)| kept != asked);
        let kept: Vec<String> =
            kept.filter_map(|(flag, kept, _)| Some(format!("`--{flag} {}`", quoted(kept.as_deref()?)))).collect();
        (!kept.is_empty() && !self.request.check)
            .then(|| format!("{} stays as it was set up; without it: `--undo` first", kept.join(" ")))
    }

    fn note_on_token(&self, kept: &Kept) -> Option<String> {
        let url = &self.calling.elsewhere.as_ref()?.url;
        (kept.change == keep::Change::Missing).then(|| {
            format!(
                "no token for `{url}` is kept in `{}`: `--token-file` keeps one, else sessions need ORCH_TOKEN",
                kept.path.display()
            )
        })
    }

    /// Outside a repository there is one team for all that is there.
    fn note_on_team(&self) -> Option<String> {
        let is_shared = matches!(self.request.scope, Scope::Local | Scope::Project)
            && self.calling.state_dir.is_none()
            && self.calling.elsewhere.is_none()
            && self.config.state_dir.value.is_none()
            && !self.config.is_in_repository();
        let place = self.config.place().ok().filter(|_| is_shared)?;
        Some(format!(
            "this is no git repository: its sessions join the one team of all such directories, in `{}`; \
             `--state-dir` gives it one of its own",
            place.dir().display()
        ))
    }

    fn is_set_up(&self, scope: Scope) -> bool {
        let own = places::targets(self.request.scope, &self.config.surroundings(), &self.calling, true);
        let own: Vec<PathBuf> = own.unwrap_or_default().into_iter().map(|target| target.path).collect();
        let targets = places::targets(scope, &self.config.surroundings(), &self.calling, true).unwrap_or_default();
        targets.iter().any(|target| {
            let text = files::read(&target.path).ok().and_then(|found| found.text);
            let is_elsewhere = target.parts.len() == 1 || !own.contains(&target.path);
            is_elsewhere
                && text
                    .and_then(|text| merge::strip(&text, &target.parts, None).ok())
                    .is_some_and(|stripped| !stripped.changes.is_empty())
        })
    }
}

/// Is this where builds and temporary files are?
fn is_passing(program: &str) -> bool {
    let parts: Vec<&str> = program.split('/').collect();
    let is_build = parts.windows(2).any(|pair| matches!(pair[1], "debug" | "release") && pair[0] != "bin");
    is_build
        || ["/tmp/", "/private/tmp/", "/var/folders/", "/private/var/folders/"]
            .iter()
            .any(|dir| program.starts_with(dir))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_is_told_from_what_is_installed() {
        for (program, passing) in [
            ("/home/amy/orch/target/release/orch-mcp", true),
            ("/tmp/x/orch-mcp", true),
            ("/home/amy/.cargo/bin/orch-mcp", false),
            ("/usr/local/bin/orch-mcp", false),
        ] {
            assert_eq!(is_passing(program), passing, "{program}");
        }
    }

    #[test]
    fn a_word_is_quoted_where_a_shell_would_break_it() {
        assert_eq!(quoted("/a/b-c"), "/a/b-c");
        assert_eq!(quoted("it's me"), r"'it'\''s me'");
    }
}
