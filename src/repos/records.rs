//! What is written down of repositories: how they stood at the last scan, what their workflows came to, and what these said. All
//! of it can be made anew and is asked for nothing; each file is written whole or not at all.

use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::host::Host;
use crate::model::digest::digest;
use crate::repo::lock;
use crate::repos::look::Status;
use crate::repos::run::Outcome;
use crate::repos::run::Ran;
use crate::store::place::Place;
use serde::Serialize;
use serde_json::Value;
use serde_json::json;
use std::fs;
use std::fs::DirBuilder;
use std::fs::OpenOptions;
use std::io;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

/// For another process to write a file of some kilobytes.
const PATIENCE: Duration = Duration::from_secs(30);

/// What is longer is no file of ours.
const BYTES_MAX: u64 = 64 << 20;

/// A repository, as a scan tells of it.
#[derive(Clone, Debug, Serialize)]
pub struct Scanned {
    pub name: String,
    pub path: PathBuf,
    pub platform: Option<String>,
    pub language: Option<String>,
    pub default_branch: Option<String>,
    pub tags: Vec<String>,
    pub notes: Vec<String>,
    pub state: &'static str,
    #[serde(flatten)]
    pub status: Option<Status>,
    pub why: Option<String>,
}

/// Their directory, below the state directory.
#[derive(Clone, Debug)]
pub struct Records {
    dir: PathBuf,
}

impl Records {
    /// Makes it, if it is not there.
    pub fn ready(place: &Place) -> Result<Records> {
        place.create()?;
        let records = Records::of(place);
        for dir in [records.dir.clone(), records.dir.join("logs"), records.dir.join("locks")] {
            make_dir(&dir)?;
        }
        Ok(records)
    }

    /// Where they are, whether or not there are any.
    pub fn of(place: &Place) -> Records {
        Records { dir: place.dir().join("repos") }
    }

    /// What a workflow last came to, in each repository in which it ran.
    pub fn last(&self, workflow: &str) -> Vec<Ran> {
        results_in(&self.results(workflow))
    }

    pub fn scan(&self) -> PathBuf {
        self.dir.join("repo-status.json")
    }

    pub fn results(&self, workflow: &str) -> PathBuf {
        self.dir.join(format!("{workflow}-results.json"))
    }

    /// One for each repository and workflow: the next run goes on in it.
    pub fn log(&self, repo: &str, workflow: &str) -> PathBuf {
        self.dir.join("logs").join(format!("{repo}.{workflow}.log"))
    }

    /// Whose turn it is in that directory, under whatever name it is registered.
    pub fn lock_of(&self, dir: &Path) -> PathBuf {
        let name = digest(&String::from_utf8_lossy(dir.as_os_str().as_bytes()));
        self.dir.join("locks").join(format!("{name:016x}.lock"))
    }

    pub fn keep_scan(&self, repositories: &[Scanned]) -> Result<PathBuf> {
        let path = self.scan();
        write_whole(&path, &json!({ "scanned_at": Host::System.wall(), "repositories": repositories }))?;
        Ok(path)
    }

    /// What was run takes the place of what its repository came to before; what others came to stays, as long as they are
    /// `known`.
    pub fn keep_results(&self, workflow: &str, ran: &[Ran], known: &[&str]) -> Result<PathBuf> {
        let _turn = lock::take(&self.dir.join("locks/results"), PATIENCE, "another process writes down results")?;
        let path = self.results(workflow);
        let told: Vec<&Ran> = ran.iter().filter(|one| one.outcome != Outcome::NoCommand).collect();
        let before = results_in(&path);
        let is_kept = |one: &&Ran| known.contains(&one.name.as_str()) && told.iter().all(|new| new.name != one.name);
        let mut results: Vec<&Ran> = before.iter().filter(is_kept).chain(told.iter().copied()).collect();
        results.sort_by_key(|one| known.iter().position(|name| *name == one.name));
        write_whole(&path, &json!({ "updated_at": Host::System.wall(), "results": results }))?;
        Ok(path)
    }
}

/// What cannot be read was not worth keeping.
fn results_in(path: &Path) -> Vec<Ran> {
    let is_ours = path.symlink_metadata().is_ok_and(|found| found.is_file() && found.len() <= BYTES_MAX);
    let text = is_ours.then(|| fs::read_to_string(path).ok()).flatten();
    let mut found: Value = text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
    let results = found["results"].as_array_mut().map(std::mem::take).unwrap_or_default();
    results.into_iter().filter_map(|one| serde_json::from_value(one).ok()).collect()
}

fn make_dir(dir: &Path) -> Result<()> {
    match DirBuilder::new().mode(0o700).create(dir) {
        Err(cause) if cause.kind() != io::ErrorKind::AlreadyExists => Err(cannot("make", dir, &cause)),
        _ => Ok(()),
    }
}

fn write_whole(path: &Path, value: &Value) -> Result<()> {
    let text = serde_json::to_string_pretty(value).map_err(Error::internal)? + "\n";
    let new = path.with_extension(format!("{:016x}.new", Host::System.random()));
    let written = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, path)
    });
    written.map_err(|cause| {
        let _ = fs::remove_file(&new);
        cannot("write", path, &cause)
    })
}

fn cannot(verb: &str, path: &Path, cause: &io::Error) -> Error {
    Error::new(Kind::Unavailable, format!("cannot {verb} `{}`: {cause}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repos::run::Job;
    use std::os::unix::fs::PermissionsExt;

    fn ran(name: &str, outcome: Outcome) -> Ran {
        let job = Job {
            name: name.to_owned(),
            workflow: "test".to_owned(),
            dir: "/x".into(),
            main: "/x".into(),
            call: None,
            is_sequential: false,
            patience: PATIENCE,
        };
        Ran::begun(&job).ended(outcome, None)
    }

    #[test]
    fn a_result_takes_the_place_of_the_one_before_and_others_stay() {
        let dir = tempfile::tempdir().unwrap();
        let records = Records::ready(&Place::at(dir.path().join("state"))).unwrap();
        let keep = |ran: &[Ran], known: &[&str]| {
            let path = records.keep_results("test", ran, known).unwrap();
            let kept: Vec<(String, Outcome)> =
                results_in(&path).into_iter().map(|one| (one.name, one.outcome)).collect();
            kept
        };
        let known = ["web", "api", "lib"];
        keep(&[ran("api", Outcome::Failed), ran("web", Outcome::Passed), ran("lib", Outcome::NoCommand)], &known);
        let now = keep(&[ran("api", Outcome::Passed)], &known);
        assert_eq!(now, [("web".to_owned(), Outcome::Passed), ("api".to_owned(), Outcome::Passed)]);
        assert_eq!(keep(&[], &["api"]).len(), 1, "who is not registered any more is forgotten");
        let path = records.results("test");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::write(&path, "{ half").unwrap();
        assert_eq!(keep(&[ran("api", Outcome::Passed)], &known).len(), 1);
        let left: Vec<_> = fs::read_dir(dir.path().join("state/repos")).unwrap().flatten().collect();
        assert_eq!(left.len(), 3, "nothing is left beside it: {left:?}");
    }
}
