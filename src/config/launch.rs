//! What `launch` is to do where its flags say nothing: how many workers of which role, and how much they may use up.

use crate::config::Config;
use crate::config::File;
use crate::config::Roles;
use crate::config::Setting;
use crate::config::Shown;
use crate::config::Source;
use crate::config::environment::MAX_EXECUTORS;
use crate::config::environment::POLL_INTERVAL;
use crate::config::environment::WORKSPACE;
use crate::error::Error;
use crate::error::Result;
use crate::model::fields::Fields;
use crate::model::fields::Spot;
use crate::model::fleet::SPAWNS_PER_MINUTE_DEFAULT;
use crate::model::role::COUNT_MAX;
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::path::PathBuf;

const KEYS: &[&str] = &[
    "workers",
    "client",
    "workers_max",
    "spawns_per_minute",
    "depth_max",
    "dollars_per_day",
    "tokens_per_day",
    "turns_per_day",
    "dollars_per_worker",
    "dollars_per_task",
    "tokens_per_task",
    "turns_per_task",
];

const CLIENT_DEFAULT: &str = "claude";

/// As many as one machine and one human keep up with.
const WORKERS_MAX_DEFAULT: u32 = 8;

/// A worker may ask for workers, and these for none.
const DEPTH_MAX_DEFAULT: u32 = 1;

/// The role that the older name of the count is for.
const EXECUTOR: &str = "executor";

/// What the environment says under older names, as it says it: who needs none of it is not told of mistakes in it.
#[derive(Clone, Debug, Default)]
pub(super) struct Older {
    pub(super) workspace: Option<PathBuf>,
    pub(super) max_executors: Option<String>,
    pub(super) poll_interval: Option<String>,
}

#[derive(Clone, Debug)]
pub struct Launch {
    /// The directory to work in, if it is not the one that one is in.
    pub workspace: Setting<Option<PathBuf>>,
    /// The client, by its name on the path or by its own.
    pub client: Setting<String>,
    pub caps: Caps,
    /// Of the roles that the file names. Where it names none, each role says for itself.
    workers: Option<BTreeMap<String, Setting<u32>>>,
    executors: Option<Setting<u32>>,
    poll_interval: Option<String>,
}

/// What the supervisor holds all workers to. `None` is no cap.
#[derive(Clone, Debug)]
pub struct Caps {
    pub workers_max: Setting<u32>,
    pub spawns_per_minute: Setting<u32>,
    /// Of workers that were asked for by workers; 0 lets no worker ask for any.
    pub depth_max: Setting<u32>,
    pub dollars_per_day: Setting<Option<f64>>,
    pub tokens_per_day: Setting<Option<u64>>,
    pub turns_per_day: Setting<Option<u32>>,
    pub dollars_per_worker: Setting<Option<f64>>,
    pub dollars_per_task: Setting<Option<f64>>,
    pub tokens_per_task: Setting<Option<u64>>,
    pub turns_per_task: Setting<Option<u32>>,
}

impl Config {
    pub fn launch(&self, file: &File) -> Result<Launch> {
        let fields = &file.launch;
        fields.only("[launch]", KEYS)?;
        let older = &self.older;
        let workspace = older.workspace.as_deref().map(directory).transpose()?.map(Path::to_owned);
        Ok(Launch {
            workspace: Setting::variable(workspace.map(Some), WORKSPACE, None),
            client: or_default(of_file(fields, "client", fields.text("client")?), CLIENT_DEFAULT.to_owned()),
            caps: Caps::read(fields)?,
            workers: fields.table("workers")?.map(workers).transpose()?,
            executors: older.max_executors.as_deref().map(executors).transpose()?,
            poll_interval: older.poll_interval.clone(),
        })
    }
}

impl Launch {
    /// How many workers of each role, none left out.
    pub fn workers(&self, roles: &Roles) -> Result<BTreeMap<String, Setting<u32>>> {
        let mut counts = BTreeMap::new();
        if let Some(workers) = &self.workers {
            for (role, count) in workers {
                roles.must_exist(role).map_err(|error| match count.source {
                    Source::File(line) => {
                        Error { message: format!("orch.toml line {line}: {}", error.message), ..error }
                    }
                    _ => error,
                })?;
                counts.insert(role.clone(), count.clone());
            }
        } else {
            for name in roles.names()? {
                let count = roles.read(&name)?.count_default;
                counts.insert(name, Setting { value: count, source: Source::Default });
            }
        }
        counts.extend(self.executors.clone().map(|count| (EXECUTOR.to_owned(), count)));
        counts.retain(|_, count| count.value > 0);
        Ok(counts)
    }

    /// Each setting as `orch-mcp config` shows it, but the workers. `file` is where it is from.
    pub(super) fn shown(&self, file: &str) -> Vec<Shown> {
        let row = |name: &str, value: Option<String>, source| Shown::new(format!("launch.{name}"), value, source, file);
        fn text<T: fmt::Display>(setting: &Setting<Option<T>>) -> Option<String> {
            setting.value.as_ref().map(T::to_string)
        }
        let caps = &self.caps;
        let mut all = vec![
            row(
                "workspace",
                self.workspace.value.as_ref().map(|path| path.display().to_string()),
                self.workspace.source,
            ),
            row("client", Some(self.client.value.clone()), self.client.source),
            row("workers_max", Some(caps.workers_max.value.to_string()), caps.workers_max.source),
            row("spawns_per_minute", Some(caps.spawns_per_minute.value.to_string()), caps.spawns_per_minute.source),
            row("depth_max", Some(caps.depth_max.value.to_string()), caps.depth_max.source),
            row("dollars_per_day", text(&caps.dollars_per_day), caps.dollars_per_day.source),
            row("tokens_per_day", text(&caps.tokens_per_day), caps.tokens_per_day.source),
            row("turns_per_day", text(&caps.turns_per_day), caps.turns_per_day.source),
            row("dollars_per_worker", text(&caps.dollars_per_worker), caps.dollars_per_worker.source),
            row("dollars_per_task", text(&caps.dollars_per_task), caps.dollars_per_task.source),
            row("tokens_per_task", text(&caps.tokens_per_task), caps.tokens_per_task.source),
            row("turns_per_task", text(&caps.turns_per_task), caps.turns_per_task.source),
        ];
        let no_more = format!("{POLL_INTERVAL}: not used, as nothing polls any more");
        let name = || "launch.poll_interval".into();
        all.extend(self.poll_interval.clone().map(|secs| Shown { name: name(), value: Some(secs), source: no_more }));
        all
    }

    pub(super) fn shown_workers(&self, roles: &Roles, file: &str) -> Vec<Shown> {
        let row = |(role, count): (String, Setting<u32>)| {
            Shown::new(format!("launch.workers.{role}"), Some(count.value.to_string()), count.source, file)
        };
        match self.workers(roles) {
            Ok(workers) => workers.into_iter().map(row).collect(),
            Err(error) => vec![Shown::unusable("launch.workers", error)],
        }
    }
}

impl Caps {
    fn read(fields: &Fields) -> Result<Caps> {
        let count = |key: &str, least, default| -> Result<Setting<u32>> {
            Ok(or_default(of_file(fields, key, fields.count(key, least)?), default))
        };
        let dollars = |key: &str| -> Result<Setting<Option<f64>>> { Ok(of_file(fields, key, fields.dollars(key)?)) };
        let tokens = |key: &str| -> Result<Setting<Option<u64>>> {
            Ok(of_file(fields, key, fields.whole(key, 1, i64::MAX)?.map(i64::unsigned_abs)))
        };
        let turns = |key: &str| -> Result<Setting<Option<u32>>> { Ok(of_file(fields, key, fields.count(key, 1)?)) };
        Ok(Caps {
            workers_max: count("workers_max", 1, WORKERS_MAX_DEFAULT)?,
            spawns_per_minute: count("spawns_per_minute", 1, SPAWNS_PER_MINUTE_DEFAULT)?,
            depth_max: count("depth_max", 0, DEPTH_MAX_DEFAULT)?,
            dollars_per_day: dollars("dollars_per_day")?,
            tokens_per_day: tokens("tokens_per_day")?,
            turns_per_day: turns("turns_per_day")?,
            dollars_per_worker: dollars("dollars_per_worker")?,
            dollars_per_task: dollars("dollars_per_task")?,
            tokens_per_task: tokens("tokens_per_task")?,
            turns_per_task: turns("turns_per_task")?,
        })
    }
}

pub(super) fn of_file<T>(fields: &Fields, key: &str, value: Option<T>) -> Setting<Option<T>> {
    Setting { value, source: fields.spot_of(key).map_or(Source::Default, |spot| Source::File(spot.line)) }
}

fn or_default<T>(setting: Setting<Option<T>>, default: T) -> Setting<T> {
    Setting { value: setting.value.unwrap_or(default), source: setting.source }
}

fn workers(fields: &Fields) -> Result<BTreeMap<String, Setting<u32>>> {
    let count = |(role, spot): (&str, &Spot)| {
        let count = fields.whole(role, 0, COUNT_MAX)?.unwrap_or(0);
        Ok((role.to_owned(), Setting { value: count as u32, source: Source::File(spot.line) }))
    };
    fields.keys().map(count).collect()
}

fn executors(text: &str) -> Result<Setting<u32>> {
    let value = text.trim().parse().ok().filter(|count| i64::from(*count) <= COUNT_MAX).ok_or_else(|| {
        Error::invalid(format!(
            "the environment variable `{MAX_EXECUTORS}` is `{text}`, wanted a whole number up to {COUNT_MAX}"
        ))
        .hint(format!(
            "correct `{MAX_EXECUTORS}`, or unset it and say `executor = 3` below `[launch.workers]` in orch.toml"
        ))
    })?;
    Ok(Setting { value, source: Source::Variable(MAX_EXECUTORS) })
}

/// What the older name of the place to work in leads to.
pub(super) fn directory(path: &Path) -> Result<&Path> {
    let wanted = match path.is_absolute() {
        true if path.is_dir() => return Ok(path),
        true => "a directory that is there",
        false => "an absolute path",
    };
    let message = format!("the environment variable `{WORKSPACE}` is `{}`, wanted {wanted}", path.display());
    Err(Error::invalid(message).hint(format!("correct `{WORKSPACE}`, or unset it and go to the directory to work in")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Environment;
    use crate::config::Flags;
    use crate::config::environment::STATE_DIR;
    use std::ffi::OsString;
    use std::fs;
    use tempfile::TempDir;

    /// A repository with these files, and a look at it from a directory below.
    fn repository(files: &[(&str, &str)], variables: &[(&'static str, &str)]) -> (TempDir, Config) {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in [(".git/HEAD", ""), ("src/a", "")].iter().chain(files) {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let variables = variables.iter().map(|(name, value)| (*name, OsString::from(value))).collect();
        let cwd = Some(dir.path().join("src"));
        let config = Config::read(Flags::default(), &Environment { variables, cwd, typed: true }).unwrap();
        (dir, config)
    }

    fn counts(files: &[(&str, &str)], variables: &[(&'static str, &str)]) -> Result<Vec<(String, u32, Source)>> {
        let (_dir, config) = repository(files, variables);
        let file = config.file()?;
        let workers = config.launch(&file)?.workers(&config.roles(&file)?)?;
        Ok(workers.into_iter().map(|(role, count)| (role, count.value, count.source)).collect())
    }

    #[test]
    fn how_many_workers_there_are_is_said_by_the_environment_the_file_or_each_role() {
        let count = |role: &str, count, source| (role.to_owned(), count, source);
        let default = [
            count("docs", 1, Source::Default),
            count("executor", 3, Source::Default),
            count("planner", 1, Source::Default),
        ];
        assert_eq!(counts(&[], &[]).unwrap(), default);
        let file = ("orch.toml", "[launch.workers]\nbuilder = 2\nexecutor = 1\nverifier = 0\n");
        let named = [count("builder", 2, Source::File(2)), count("executor", 1, Source::File(3))];
        assert_eq!(counts(&[file], &[]).unwrap(), named);
        let older = [count("builder", 2, Source::File(2)), count("executor", 5, Source::Variable(MAX_EXECUTORS))];
        assert_eq!(counts(&[file], &[(MAX_EXECUTORS, "5")]).unwrap(), older);
        let own = (".orch/roles/security.md", "---\ndescription: d\ncount_default: 4\n---\np");
        assert!(counts(&[own], &[]).unwrap().contains(&count("security", 4, Source::Default)));
    }

    #[test]
    fn what_is_wrong_with_a_setting_is_named() {
        for (file, variables, message) in [
            ("[launch]\nworker_max = 5", &[][..], "orch.toml line 2: [launch] has no key `worker_max`"),
            (
                "[launch]\nworkers_max = 0",
                &[],
                "orch.toml line 2: `workers_max` is the number 0, wanted a whole number from 1",
            ),
            (
                "[launch]\ndollars_per_day = -1",
                &[],
                "orch.toml line 2: `dollars_per_day` is the number -1, wanted an amount",
            ),
            ("[launch.workers]\nexecuter = 2", &[], "orch.toml line 2: there is no role `executer`"),
            (
                "[launch.workers]\nexecutor = \"2\"",
                &[],
                "orch.toml line 2: `executor` is the text `2`, wanted a whole number",
            ),
            ("[launch.workers]\n\"../x\" = 2", &[], "orch.toml line 2: `../x` is no name for a role"),
            ("[roles.executer]\nmodel = \"opus\"", &[], "orch.toml line 1: there is no role `executer`"),
            ("", &[(MAX_EXECUTORS, "many")], "the environment variable `ORCHESTRATOR_MAX_EXECUTORS` is `many`, wanted"),
            ("", &[(MAX_EXECUTORS, "5000")], "the environment variable `ORCHESTRATOR_MAX_EXECUTORS` is `5000`, wanted"),
            (
                "",
                &[(WORKSPACE, "here")],
                "the environment variable `ORCHESTRATOR_WORKSPACE` is `here`, wanted an absolute",
            ),
        ] {
            let error = counts(&[("orch.toml", file)], variables).expect_err(message);
            assert!(error.message.starts_with(message), "{error}");
            assert!(error.hint.is_some(), "{error}");
        }
    }

    /// Were only one command to look there, it would have another team than all the rest.
    #[test]
    fn the_older_name_of_the_place_to_work_in_leads_to_its_team_and_its_settings() {
        let (dir, _) = repository(&[("orch.toml", "[launch]\nclient = \"theirs\"")], &[]);
        let workspace = dir.path().to_str().unwrap();
        let (here, config) = repository(&[("orch.toml", "[launch]\nclient = \"ours\"")], &[(WORKSPACE, workspace)]);
        let launch = |config: &Config| config.launch(&config.file().unwrap()).unwrap();
        assert_eq!(config.place().unwrap().dir(), dir.path().join(".orch"));
        assert_eq!(launch(&config).client.value, "theirs");
        assert_eq!(
            launch(&config).workspace,
            Setting { value: Some(dir.path().to_owned()), source: Source::Variable(WORKSPACE) }
        );
        let shown = config.settings().unwrap();
        let state = shown.iter().find(|one| one.name == "state_dir").unwrap();
        assert_eq!(state.source, WORKSPACE);
        // A session of another project is asked for by the same environment.
        assert_eq!(config.clone().in_project(here.path().to_owned()).place().unwrap().dir(), dir.path().join(".orch"));
        // What is named counts before it, and needs no such directory.
        let named = |name: &'static str, path: &str| {
            let (_dir, config) = repository(&[], &[(WORKSPACE, "/no/such/directory"), (name, path)]);
            config.place().unwrap().dir().to_owned()
        };
        assert_eq!(named(STATE_DIR, "/named"), Path::new("/named"));
        let (_dir, wrong) = repository(&[], &[(WORKSPACE, "/no/such/directory")]);
        let error = wrong.place().expect_err("no directory");
        assert_eq!(
            error.message,
            "the environment variable `ORCHESTRATOR_WORKSPACE` is `/no/such/directory`, wanted a directory that is there"
        );
    }

    #[test]
    fn caps_are_those_of_the_file_or_ours() {
        let text = "[launch]\nclient = \"/opt/claude\"\nworkers_max = 20\ndepth_max = 0\n\
            dollars_per_day = 50\ntokens_per_task = 3_000_000_000\n";
        let (_dir, config) = repository(&[("orch.toml", text)], &[]);
        let launch = config.launch(&config.file().unwrap()).unwrap();
        assert_eq!(launch.client, Setting { value: "/opt/claude".to_owned(), source: Source::File(2) });
        assert_eq!((launch.caps.workers_max.value, launch.caps.depth_max.value), (20, 0));
        assert_eq!(
            launch.caps.spawns_per_minute,
            Setting { value: SPAWNS_PER_MINUTE_DEFAULT, source: Source::Default }
        );
        assert_eq!((launch.caps.dollars_per_day.value, launch.caps.dollars_per_task.value), (Some(50.0), None));
        assert_eq!(launch.caps.tokens_per_task.value, Some(3_000_000_000));
        assert_eq!(launch.workspace, Setting { value: None, source: Source::Default });
    }

    #[test]
    fn a_role_of_the_team_goes_before_the_one_of_that_name_that_comes_with_the_program() {
        let own = "---\ndescription: ours\nmodel: haiku\n---\np";
        let files = [
            (".orch/roles/builder.md", own),
            (".orch/roles/README.md", "not a role"),
            (".orch/roles/notes.txt", ""),
            (".orch/roles/broken.md", "---\nmode: x\n"),
            ("orch.toml", "[roles.builder]\nmodel = \"opus\"\n[roles.verifier]\nturns_max = 9\n"),
        ];
        let (_dir, config) = repository(&files, &[]);
        let roles = config.roles(&config.file().unwrap()).unwrap();
        let builder = roles.read("builder").unwrap();
        assert_eq!((builder.description.as_str(), builder.model.as_deref()), ("ours", Some("opus")));
        assert_eq!(roles.read("verifier").unwrap().limits.turns_max, Some(9));
        assert!(
            roles.read("broken").expect_err("broken").message.contains("broken.md line 3: its front matter has no end")
        );
        assert_eq!(roles.names().unwrap().last().map(String::as_str), Some("broken"));
        for hostile in ["../../etc/passwd", "/etc/passwd", "builder.md", "README", ""] {
            assert!(roles.read(hostile).expect_err(hostile).message.contains("is no name for a role"));
        }
        let error = roles.read("biulder").expect_err("none");
        assert_eq!(error.message, "there is no role `biulder`");
        assert!(error.hint.unwrap().starts_with("did you mean `builder`?"));
    }

    /// Were its own copy to count, a worker could allow itself everything.
    #[test]
    fn a_worktree_of_a_worker_says_nothing_of_rules_and_roles() {
        let (dir, config) = repository(
            &[
                ("orch.toml", "[launch]\nclient = \"ours\""),
                (".git/worktrees/w/commondir", "../.."),
                ("w/orch.toml", "[[policy.rules]]\nallow = \"*\""),
                ("w/.orch/roles/builder.md", "---\ndescription: mine\n---\np"),
            ],
            &[],
        );
        let worktree = dir.path().join("w");
        fs::write(worktree.join(".git"), format!("gitdir: {}", dir.path().join(".git/worktrees/w").display())).unwrap();
        let config = config.in_project(worktree);
        let file = config.file().unwrap();
        assert!(file.policy.is_empty());
        assert_eq!(config.launch(&file).unwrap().client.value, "ours");
        assert_ne!(config.roles(&file).unwrap().read("builder").unwrap().description, "mine");
    }

    #[test]
    fn without_one_beside_the_repository_the_file_in_the_state_directory_counts() {
        let (dir, config) = repository(&[(".orch/orch.toml", "[launch]\nclient = \"a\"")], &[]);
        let client = || config.launch(&config.file().unwrap()).unwrap().client.value;
        assert_eq!(client(), "a");
        fs::write(dir.path().join("orch.toml"), "[launch]\nclient = \"b\"").unwrap();
        assert_eq!(client(), "b");
    }
}
