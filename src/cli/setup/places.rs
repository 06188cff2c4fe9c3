//! Which files a client reads, and what each of them is to say of us.

use crate::cli::setup::files::Privacy;
use crate::cli::setup::wanted::Calling;
use crate::cli::setup::wanted::Part;
use crate::config::Surroundings;
use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::store::place::Repository;
use crate::store::place::repository;
use std::path::Path;
use std::path::PathBuf;

/// For whom a client is told of us: of several, Claude Code takes the first. Claude Desktop has only one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::cli) enum Scope {
    Local,
    Project,
    User,
    Desktop,
}

impl Scope {
    /// What Claude Code calls its scopes.
    pub(super) const OF_CODE: [Scope; 3] = [Scope::Local, Scope::Project, Scope::User];

    pub(in crate::cli) fn word(self) -> &'static str {
        match self {
            Scope::Local => "local",
            Scope::Project => "project",
            Scope::User => "user",
            Scope::Desktop => "desktop",
        }
    }
}

/// A file of a client.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Target {
    pub(super) path: PathBuf,
    pub(super) parts: Vec<Part>,
    pub(super) privacy: Privacy,
    /// Does an empty file say nothing? Else it is one that broke.
    pub(super) may_be_empty: bool,
    /// Where it should be. What leads elsewhere is followed, and said.
    pub(super) within: Option<PathBuf>,
    /// What the client locks to write it.
    pub(super) lock: Option<PathBuf>,
    /// Which of several in one file these parts are.
    pub(super) whose: String,
}

/// Where the project is of which a local or project scope speaks.
pub(in crate::cli) struct Project {
    /// By this path Claude Code knows it.
    pub(in crate::cli) key: PathBuf,
    /// Where Claude Code looks for what is only this user's.
    pub(in crate::cli) local: PathBuf,
    /// Where it looks for what all share.
    pub(in crate::cli) shared: PathBuf,
    /// The top of the repository, where that is another directory.
    pub(super) top: Option<PathBuf>,
}

impl Project {
    /// As Claude Code finds it. All worktrees of a repository are one project, but settings for all who work on it are
    /// read where a session begins, and nowhere above.
    pub(in crate::cli) fn around(cwd: &Path) -> Project {
        let Repository { top, main } =
            repository(cwd).unwrap_or_else(|| Repository { top: cwd.to_owned(), main: cwd.to_owned() });
        let local = if main.join(".git").exists() { main.clone() } else { top.clone() };
        Project { key: main, local, shared: cwd.to_owned(), top: (top != cwd).then_some(top) }
    }
}

/// The files of a scope, and what they are to say. Without hooks, none of ours shall be there.
pub(super) fn targets(scope: Scope, around: &Surroundings, calling: &Calling, hooks: bool) -> Result<Vec<Target>> {
    let whose = match scope {
        Scope::Local => format!("{} {}", scope.word(), Project::around(cwd(around)?).key.display()),
        _ => scope.word().to_owned(),
    };
    let settings = |path: PathBuf, privacy| {
        let joins = scope != Scope::User;
        let hooks = if hooks { calling.hooks(joins) } else { Part::Hooks(Vec::new()) };
        Target {
            path,
            parts: vec![Part::Permission, hooks],
            privacy,
            may_be_empty: true,
            within: None,
            lock: None,
            whose: whose.clone(),
        }
    };
    let servers = |path: PathBuf, names: &[&str], privacy| Target {
        parts: vec![calling.server(names)],
        privacy,
        may_be_empty: privacy == Privacy::Shared,
        within: None,
        lock: (privacy == Privacy::Own).then(|| path.with_extension("json.lock")),
        path,
        whose: whose.clone(),
    };
    let within = |target: Target, dir: &Path| Target { within: Some(dir.to_owned()), ..target };
    Ok(match scope {
        Scope::User => {
            let [client, settings_dir] = code_dirs(around)?;
            vec![
                servers(client.join(".claude.json"), &["mcpServers"], Privacy::Own),
                settings(settings_dir.join("settings.json"), Privacy::Own),
            ]
        }
        Scope::Local => {
            let project = Project::around(cwd(around)?);
            let [client, _] = code_dirs(around)?;
            let names = ["projects", text(&project.key)?, "mcpServers"];
            let path = project.local.join(".claude/settings.local.json");
            vec![
                servers(client.join(".claude.json"), &names, Privacy::Own),
                within(settings(path, Privacy::Shared), &project.local),
            ]
        }
        Scope::Project => {
            let dir = Project::around(cwd(around)?).shared;
            vec![
                within(servers(dir.join(".mcp.json"), &["mcpServers"], Privacy::Shared), &dir),
                within(settings(dir.join(".claude/settings.json"), Privacy::Shared), &dir),
            ]
        }
        Scope::Desktop => vec![Target {
            path: desktop_dir(around)?.join("claude_desktop_config.json"),
            parts: vec![calling.desktop_server()],
            privacy: Privacy::Own,
            may_be_empty: true,
            within: None,
            lock: None,
            whose: whose.clone(),
        }],
    })
}

/// Where the records of what was there before are kept.
pub(in crate::cli) fn records(around: &Surroundings) -> Result<PathBuf> {
    let states = match around.xdg_state_home {
        Some(dir) => dir.to_owned(),
        None => home(around)?.join(".local/state"),
    };
    Ok(states.join("orch-mcp-setup"))
}

/// Where `.claude.json` is, and where `settings.json`.
pub(in crate::cli) fn code_dirs(around: &Surroundings) -> Result<[PathBuf; 2]> {
    match around.claude_config_dir {
        Some(dir) => {
            let dir = if dir.is_absolute() { dir.to_owned() } else { cwd(around)?.join(dir) };
            Ok([dir.clone(), dir])
        }
        None => Ok([home(around)?.to_owned(), home(around)?.join(".claude")]),
    }
}

pub(in crate::cli) fn desktop_dir(around: &Surroundings) -> Result<PathBuf> {
    if cfg!(target_os = "macos") {
        return Ok(home(around)?.join("Library/Application Support/Claude"));
    }
    let configs = match around.xdg_config_home {
        Some(dir) => dir.to_owned(),
        None => home(around)?.join(".config"),
    };
    Ok(configs.join("Claude"))
}

fn home<'a>(around: &Surroundings<'a>) -> Result<&'a Path> {
    around.home.ok_or_else(|| {
        Error::invalid("`HOME` is not set to an absolute path, so the user's files cannot be found").hint("set `HOME`")
    })
}

fn cwd<'a>(around: &Surroundings<'a>) -> Result<&'a Path> {
    around.cwd.ok_or_else(|| {
        Error::new(Kind::Unavailable, "the working directory does not exist any more").hint("go to one that does")
    })
}

/// A path as JSON can hold it.
pub(super) fn text(path: &Path) -> Result<&str> {
    path.to_str().ok_or_else(|| {
        Error::invalid(format!("`{}` is no text in UTF-8, and JSON holds nothing else", path.display()))
            .hint("give it another name")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(scope: Scope, around: Surroundings) -> Vec<String> {
        let targets = targets(scope, &around, &Calling::default(), true).expect("there is a home");
        targets.iter().map(|target| target.path.to_string_lossy().into_owned()).collect()
    }

    fn around() -> Surroundings<'static> {
        Surroundings { home: Some(Path::new("/h")), cwd: Some(Path::new("/no/such/dir")), ..Surroundings::default() }
    }

    #[test]
    fn each_scope_has_its_files() {
        assert_eq!(paths(Scope::User, around()), ["/h/.claude.json", "/h/.claude/settings.json"]);
        let locked = targets(Scope::User, &around(), &Calling::default(), true).expect("there is a home");
        assert_eq!(locked[0].lock.as_deref(), Some(Path::new("/h/.claude.json.lock")));
        let moved = Surroundings { claude_config_dir: Some(Path::new("/c")), ..around() };
        assert_eq!(paths(Scope::User, moved), ["/c/.claude.json", "/c/settings.json"]);
        let moved = Surroundings { claude_config_dir: Some(Path::new("c")), ..around() };
        assert_eq!(paths(Scope::User, moved)[1], "/no/such/dir/c/settings.json");
        assert_eq!(paths(Scope::Local, around()), ["/h/.claude.json", "/no/such/dir/.claude/settings.local.json"]);
        assert_eq!(paths(Scope::Project, around()), ["/no/such/dir/.mcp.json", "/no/such/dir/.claude/settings.json"]);
        if !cfg!(target_os = "macos") {
            let file = "Claude/claude_desktop_config.json";
            assert_eq!(paths(Scope::Desktop, around()), [format!("/h/.config/{file}")]);
            let moved = Surroundings { xdg_config_home: Some(Path::new("/x")), ..around() };
            assert_eq!(paths(Scope::Desktop, moved), [format!("/x/{file}")]);
        }
        assert!(targets(Scope::User, &Surroundings::default(), &Calling::default(), true).is_err());
    }

    #[test]
    fn a_project_is_where_claude_code_finds_it() {
        let dir = tempfile::tempdir().expect("a directory");
        let root = dir.path().canonicalize().expect("it is there");
        let sub = root.join("repo/sub");
        std::fs::create_dir_all(&sub).expect("made");
        std::fs::create_dir_all(root.join("repo/.git")).expect("made");
        let project = Project::around(&sub);
        assert_eq!((&project.key, &project.local, &project.shared), (&root.join("repo"), &root.join("repo"), &sub));
        assert_eq!(project.top, Some(root.join("repo")));
        assert_eq!(Project::around(&root).key, root);
    }
}
