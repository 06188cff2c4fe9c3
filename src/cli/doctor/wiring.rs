//! What the files of Claude's clients say of us: servers, hooks and the plugin. Read only, and nothing in them is run.

use crate::cli::setup::files;
use crate::cli::setup::places;
use crate::cli::setup::places::Project;
use crate::cli::setup::places::Scope;
use crate::cli::setup::wanted;
use crate::cli::setup::wanted::Elsewhere;
use crate::cli::setup::wanted::SERVER;
use crate::config::Surroundings;
use serde_json::Value;
use std::path::Path;
use std::path::PathBuf;

/// What writes our wiring of a scope anew, and with `--undo` takes it away.
pub(super) fn setup(scope: Scope) -> String {
    match scope {
        Scope::Desktop => "orch-mcp setup claude-desktop".to_owned(),
        scope => format!("orch-mcp setup claude-code --scope {}", scope.word()),
    }
}

/// Where a client is told to call us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) file: PathBuf,
    pub(super) scope: Scope,
    pub(super) what: What,
    /// Nothing where the server is another machine's.
    pub(super) program: Option<String>,
    /// The server elsewhere that our program is told of there.
    pub(super) elsewhere: Option<Elsewhere>,
    /// Of a hook: for which tools.
    pub(super) matcher: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum What {
    Server(String),
    /// The event.
    Hook(String),
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Plugin {
    /// With its marketplace.
    pub(super) id: String,
    pub(super) enabled: bool,
    pub(super) version: Option<String>,
}

/// All of it together.
#[derive(Clone, Debug, Default)]
pub(super) struct Wiring {
    pub(super) calls: Vec<Call>,
    pub(super) plugin: Option<Plugin>,
    /// Files that are not what they should be, and why.
    pub(super) unreadable: Vec<(PathBuf, String)>,
    /// The file that says that no hooks shall run, if one has the last word on it.
    pub(super) hooks_off: Option<PathBuf>,
    /// From where relative paths are seen.
    pub(super) project: PathBuf,
}

/// The files in which the clients may have been told of us, each with its scope.
pub(super) struct Files {
    pub(super) client: Option<PathBuf>,
    pub(super) settings: Vec<(PathBuf, Scope)>,
    pub(super) servers: Vec<(PathBuf, Scope)>,
    /// What Claude Code notes of plugins that it has.
    pub(super) plugins: Option<PathBuf>,
    /// How the client calls this project.
    key: PathBuf,
}

impl Files {
    pub(super) fn around(around: &Surroundings) -> Files {
        let project = Project::around(around.cwd.unwrap_or(Path::new("/")));
        let dirs = places::code_dirs(around).ok();
        let mut settings = vec![
            (project.shared.join(".claude/settings.json"), Scope::Project),
            (project.local.join(".claude/settings.local.json"), Scope::Local),
        ];
        let mut servers = vec![(project.shared.join(".mcp.json"), Scope::Project)];
        if let Some([_, dir]) = &dirs {
            let path = dir.join("settings.json");
            // In the home directory, the user's file is that of the project too.
            settings.retain(|(other, _)| *other != path);
            settings.push((path, Scope::User));
        }
        servers.extend(
            places::desktop_dir(around).ok().map(|dir| (dir.join("claude_desktop_config.json"), Scope::Desktop)),
        );
        Files {
            client: dirs.as_ref().map(|[dir, _]| dir.join(".claude.json")),
            plugins: dirs.map(|[_, dir]| dir.join("plugins/installed_plugins.json")),
            settings,
            servers,
            key: project.key,
        }
    }
}

pub(super) fn read(around: &Surroundings) -> Wiring {
    let files = Files::around(around);
    let project = around.cwd.map(Path::to_owned).unwrap_or_default();
    let mut wiring = Wiring { project, ..Wiring::default() };
    if let Some(path) = &files.client
        && let Some(client) = wiring.json(path)
    {
        wiring.take_servers(path, Scope::User, &client["mcpServers"]);
        if let Some(key) = files.key.to_str() {
            wiring.take_servers(path, Scope::Local, &client["projects"][key]["mcpServers"]);
        }
    }
    for (path, scope) in &files.servers {
        if let Some(servers) = wiring.json(path) {
            wiring.take_servers(path, *scope, &servers["mcpServers"]);
        }
    }
    let mut enabled: Vec<(Scope, String, bool)> = Vec::new();
    let mut off: Vec<(Scope, bool, &Path)> = Vec::new();
    for (path, scope) in &files.settings {
        let Some(settings) = wiring.json(path) else { continue };
        wiring.take_hooks(path, *scope, &settings["hooks"]);
        off.extend(settings["disableAllHooks"].as_bool().map(|off| (*scope, off, path.as_path())));
        let plugins = settings["enabledPlugins"].as_object().into_iter().flatten();
        let ours = plugins.filter(|(id, _)| is_plugin_of_ours(id));
        enabled.extend(ours.map(|(id, on)| (*scope, id.clone(), on != &Value::Bool(false))));
    }
    // What is said for fewer goes over what is said for more.
    enabled.sort_by_key(|(scope, _, _)| *scope);
    off.sort_by_key(|(scope, _, _)| *scope);
    wiring.hooks_off = off.first().filter(|(_, off, _)| *off).map(|(_, _, path)| path.to_path_buf());
    let installed = files.plugins.and_then(|path| wiring.json(&path)).unwrap_or_default();
    wiring.plugin = plugin(enabled, &installed);
    wiring
}

fn is_plugin_of_ours(id: &str) -> bool {
    id.split('@').next() == Some(SERVER)
}

fn plugin(enabled: Vec<(Scope, String, bool)>, installed: &Value) -> Option<Plugin> {
    let noted = installed["plugins"].as_object().or_else(|| installed.as_object());
    let noted = noted.and_then(|plugins| plugins.iter().find(|(id, _)| is_plugin_of_ours(id)));
    let of_settings = enabled.iter().find(|(_, _, on)| *on).or(enabled.first());
    let (id, is_enabled) = match (of_settings, noted) {
        (Some((_, id, _)), _) => {
            let first = enabled.iter().find(|(_, other, _)| other == id);
            (id.clone(), first.is_some_and(|(_, _, on)| *on))
        }
        (None, Some((id, _))) => (id.clone(), false),
        (None, None) => return None,
    };
    let noted = noted.map(|(_, noted)| noted.get(0).unwrap_or(noted));
    let in_place = noted.and_then(|noted| noted["installPath"].as_str()).and_then(|dir| {
        let manifest = json(&Path::new(dir).join(".claude-plugin/plugin.json")).ok()??;
        manifest["version"].as_str().map(str::to_owned)
    });
    let version = in_place.or_else(|| noted?["version"].as_str().map(str::to_owned));
    Some(Plugin { id, enabled: is_enabled, version })
}

impl Wiring {
    fn json(&mut self, path: &Path) -> Option<Value> {
        match json(path) {
            Ok(found) => found,
            Err(why) => {
                self.unreadable.push((path.to_owned(), why));
                None
            }
        }
    }

    fn take_servers(&mut self, file: &Path, scope: Scope, servers: &Value) {
        for (name, server) in servers.as_object().into_iter().flatten() {
            let program = server["command"].as_str();
            if name == SERVER || program.is_some_and(is_our_program) {
                self.calls.push(Call {
                    file: file.to_owned(),
                    scope,
                    what: What::Server(name.clone()),
                    program: program.map(str::to_owned),
                    elsewhere: Elsewhere::of_server(server),
                    matcher: None,
                });
            }
        }
    }

    fn take_hooks(&mut self, file: &Path, scope: Scope, hooks: &Value) {
        for (event, groups) in hooks.as_object().into_iter().flatten() {
            let groups = groups.as_array().into_iter().flatten();
            let handlers = groups.flat_map(|group| {
                let handlers = group["hooks"].as_array().into_iter().flatten();
                handlers.map(|handler| (handler, group["matcher"].as_str()))
            });
            for (handler, matcher) in handlers {
                let call = wanted::program_and_arguments(handler);
                if call.is_none() && !wanted::calls_among_other_things(handler) {
                    continue;
                }
                let what = What::Hook(event.clone());
                let elsewhere = call.as_ref().and_then(|(_, arguments)| Elsewhere::of_words(arguments));
                let program = call.map(|(program, _)| program);
                self.calls.push(Call {
                    file: file.to_owned(),
                    scope,
                    what,
                    program,
                    elsewhere,
                    matcher: matcher.map(str::to_owned),
                });
            }
        }
    }

    pub(super) fn servers(&self) -> impl Iterator<Item = &Call> {
        self.calls.iter().filter(|call| matches!(call.what, What::Server(_)))
    }

    pub(super) fn hooks(&self) -> impl Iterator<Item = &Call> {
        self.calls.iter().filter(|call| matches!(call.what, What::Hook(_)))
    }

    pub(super) fn plugin_is_on(&self) -> bool {
        self.plugin.as_ref().is_some_and(|plugin| plugin.enabled)
    }
}

fn is_our_program(path: &str) -> bool {
    Path::new(path).file_name().is_some_and(|name| name == SERVER)
}

/// A file of JSON, if there is one.
fn json(path: &Path) -> Result<Option<Value>, String> {
    let Some(text) = files::read(path).map_err(|error| error.message)?.text else { return Ok(None) };
    let text = text.trim_start_matches('\u{feff}');
    if text.trim().is_empty() {
        return Ok(None);
    }
    serde_json::from_str(text).map(Some).map_err(|cause| format!("it is no JSON: {cause}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_said_for_fewer_decides_whether_the_plugin_is_on() {
        let id = || "orch-mcp@market".to_owned();
        let on = |said: &[(Scope, bool)], installed: Value| {
            let mut said: Vec<_> = said.iter().map(|(scope, on)| (*scope, id(), *on)).collect();
            said.sort_by_key(|(scope, _, _)| *scope);
            plugin(said, &installed).map(|plugin| (plugin.enabled, plugin.version))
        };
        assert_eq!(on(&[], Value::Null), None);
        assert_eq!(on(&[(Scope::User, true)], Value::Null), Some((true, None)));
        assert_eq!(on(&[(Scope::User, true), (Scope::Local, false)], Value::Null), Some((false, None)));
        let noted = json!({ "version": 2, "plugins": { "orch-mcp@market": [{ "version": "0.0.9" }] } });
        assert_eq!(on(&[(Scope::User, true)], noted.clone()), Some((true, Some("0.0.9".to_owned()))));
        assert_eq!(on(&[], noted), Some((false, Some("0.0.9".to_owned()))));
        assert!(is_plugin_of_ours("orch-mcp@x") && !is_plugin_of_ours("orch-mcp-tools@x"));
    }

    #[test]
    fn servers_of_ours_are_found_in_every_place() {
        let dir = tempfile::tempdir().unwrap();
        let (home, project) = (dir.path().join("home"), dir.path().join("project"));
        let write = |path: PathBuf, text: Value| {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text.to_string()).unwrap();
        };
        let server = json!({ "command": "/b/orch-mcp", "args": ["serve"] });
        let key = project.to_str().unwrap();
        write(
            home.join(".claude.json"),
            json!({
                "mcpServers": { "team": server, "other": { "command": "/b/x" } },
                "projects": { key: { "mcpServers": { "orch-mcp": server } }, "/else": { "mcpServers": { "orch-mcp": server } } },
            }),
        );
        write(
            project.join(".mcp.json"),
            json!({ "mcpServers": { "orch-mcp": { "type": "http", "url": "http://x" } } }),
        );
        write(
            home.join(".claude/settings.json"),
            json!({ "hooks": { "Stop": [
            { "hooks": [{ "type": "command", "command": "/b/orch-mcp", "args": ["hook", "stop"] }] },
            { "hooks": [{ "type": "command", "command": "log; orch-mcp hook stop" }, { "command": "other" }] },
        ] } }),
        );
        std::fs::create_dir_all(project.join(".claude")).unwrap();
        std::fs::write(project.join(".claude/settings.json"), "{ // no").unwrap();
        let around = Surroundings { home: Some(&home), cwd: Some(&project), ..Surroundings::default() };
        let wiring = read(&around);
        assert_eq!(wiring.hooks_off, None);
        let mut scopes: Vec<Scope> = wiring.servers().map(|call| call.scope).collect();
        scopes.sort();
        assert_eq!(scopes, [Scope::Local, Scope::Project, Scope::User]);
        assert_eq!(wiring.hooks().count(), 2);
        assert_eq!(wiring.unreadable.len(), 1);
        assert!(wiring.unreadable[0].1.contains("no JSON"), "{:?}", wiring.unreadable);
        assert_eq!(wiring.plugin, None);
        write(home.join(".claude/settings.json"), json!({ "disableAllHooks": true }));
        assert_eq!(read(&around).hooks_off, Some(home.join(".claude/settings.json")));
        write(project.join(".claude/settings.local.json"), json!({ "disableAllHooks": false }));
        assert_eq!(read(&around).hooks_off, None);
    }
}
