//! `orch.toml`: what a team settles for its repository. Found, read once, and strict: what nobody understands is an error
//! with its line.

use crate::config::Config;
use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::model::fields::Fields;
use crate::model::policy::Policy;
use crate::model::role::KEYS;
use crate::model::role::check_role_name;
use crate::model::safety::Safety;
use crate::model::toml_text;
use crate::store::place;
use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::path::PathBuf;

const NAME: &str = "orch.toml";

/// What is longer was not written by hand.
const BYTES_MAX: u64 = 256 * 1024;

/// What the file says. Where there is none, it says nothing.
#[derive(Clone, Debug)]
pub struct File {
    /// Where it was found.
    pub path: Option<PathBuf>,
    pub(super) launch: Fields,
    pub(super) land: Fields,
    /// By the name of the role.
    pub(super) roles: BTreeMap<String, Fields>,
    pub(super) repos: Fields,
    pub(super) workflows: Fields,
    pub policy: Policy,
    pub(super) safety: Safety,
    pub(super) said_of_safety: Fields,
}

impl Config {
    /// What `orch.toml` says. That of the main worktree counts, and none of another: a worker could change its own.
    pub fn file(&self) -> Result<File> {
        for path in self.places_of_file()? {
            if let Some(text) = text_of(&path)? {
                return File::parse(path, &text);
            }
        }
        File::parse_text("", NAME)
    }

    /// Where it is, or would be made.
    pub fn path_of_file(&self) -> Result<PathBuf> {
        let places = self.places_of_file()?;
        let first = places.first().cloned();
        let found = places.into_iter().find(|path| path.symlink_metadata().is_ok()).or(first);
        found.ok_or_else(|| Error::internal("there is no place for orch.toml"))
    }

    fn places_of_file(&self) -> Result<Vec<PathBuf>> {
        let repository = self.project()?.and_then(place::repository);
        let state = self.place()?.dir().to_owned();
        let of_team = place::repository(&state).map(|found| found.main);
        let around = repository.map(|found| found.main);
        // Whoever was started for the team may work in another repository of it.
        let [first, last] = if self.of_run && of_team.is_some() { [of_team, around] } else { [around, of_team] };
        Ok(first.into_iter().chain([state]).chain(last).map(|dir| dir.join(NAME)).collect())
    }
}

impl File {
    /// What the file would say with this text.
    pub fn parse(path: PathBuf, text: &str) -> Result<File> {
        if text.len() as u64 > BYTES_MAX {
            return Err(Error::invalid(format!("{NAME} would have more than {BYTES_MAX} bytes")));
        }
        Ok(File { path: Some(path), ..File::parse_text(text, NAME)? })
    }

    fn parse_text(text: &str, name: &str) -> Result<File> {
        let root = toml_text::parse(name, text)?;
        root.only(name, &["launch", "land", "roles", "repos", "workflows", "policy", "safety"])?;
        let table = |key: &str| -> Result<Fields> {
            Ok(root.table(key)?.cloned().unwrap_or_else(|| Fields::new(root.spot.clone())))
        };
        let (launch, land) = (table("launch")?, table("land")?);
        let roles = table("roles")?;
        let mut overrides = BTreeMap::new();
        for (role, spot) in roles.keys() {
            check_role_name(role).map_err(|error| Error { message: format!("{spot}: {}", error.message), ..error })?;
            let of_role = roles.table(role)?.cloned().unwrap_or_else(|| Fields::new(spot.clone()));
            of_role.only("a role", KEYS)?;
            overrides.insert(role.to_owned(), of_role);
        }
        let (repos, workflows) = (table("repos")?, table("workflows")?);
        let policy = Policy::read(&table("policy")?)?;
        let said_of_safety = table("safety")?;
        let safety = Safety::read(&said_of_safety)?;
        Ok(File { path: None, launch, land, roles: overrides, repos, workflows, policy, safety, said_of_safety })
    }

    /// How settings show where they are from.
    pub fn shown(&self) -> String {
        self.path.as_deref().map_or_else(|| NAME.to_owned(), |path| path.display().to_string())
    }
}

/// A text that somebody keeps in a file, `None` where there is none. Only what nobody else could have written is read: it
/// says which programs run, and what they may do.
pub(super) fn text_of(path: &Path) -> Result<Option<String>> {
    let shown = path.display();
    let unusable = |what: String, hint: &str| Err(Error::new(Kind::Unavailable, what).hint(hint));
    let cannot =
        |cause: &dyn std::fmt::Display| unusable(format!("cannot read `{shown}`: {cause}"), "correct or remove it");
    // What became a pipe must not hold us up, and what is looked at is what is read.
    let file = match OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path) {
        Ok(file) => file,
        // A link that leads nowhere is there, and nobody knows what it is to say.
        Err(cause) if cause.kind() == io::ErrorKind::NotFound && path.symlink_metadata().is_ok() => {
            return cannot(&"it is a link that leads nowhere");
        }
        Err(cause) if matches!(cause.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(cause) => return cannot(&cause),
    };
    let found = file.metadata().map_err(Error::internal)?;
    if !found.is_file() {
        return cannot(&"it is no file");
    }
    if found.mode() & 0o002 != 0 {
        let what = format!("everybody may write to `{shown}`, and it says what workers may do");
        return unusable(what, &format!("look at what it says, then run `chmod o-w {shown}`"));
    }
    let us = rustix::process::geteuid().as_raw();
    if found.uid() != us && found.uid() != 0 {
        let what = format!("`{shown}` belongs to user {}, and it says what workers may do", found.uid());
        return unusable(what, "copy it to a file of your own");
    }
    let mut text = String::new();
    match file.take(BYTES_MAX + 1).read_to_string(&mut text) {
        Ok(_) if text.len() as u64 > BYTES_MAX => cannot(&format_args!("it has more than {BYTES_MAX} bytes")),
        Ok(_) => Ok(Some(text)),
        Err(cause) => cannot(&cause),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::policy::Decision;
    use crate::model::policy::Request;
    use serde_json::json;
    use std::fs;
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    fn parse(text: &str) -> Result<File> {
        File::parse_text(text, "orch.toml")
    }

    #[test]
    fn rules_are_read_in_their_order_in_both_ways_to_write_them() {
        for text in [
            "[policy]\nrules = [\n  { deny = \"Bash\", command = \"git push\", say = \"Not you.\" },\n  { allow = \"Bash\" },\n]",
            "[[policy.rules]]\ndeny = \"Bash\"\ncommand = \"git push\"\nsay = \"Not you.\"\n[[policy.rules]]\nallow = \"Bash\"\n",
        ] {
            let policy = parse(text).unwrap().policy;
            let decide = |command: &str| {
                let input = json!({ "command": command });
                policy.decide(&Request::of("Bash", input.as_object().unwrap(), None, None))
            };
            assert_eq!(decide("cd x && git push"), Decision::Deny("Not you.".to_owned()));
            assert_eq!(decide("ls"), Decision::Allow);
        }
    }

    #[test]
    fn what_nobody_understands_is_named_with_its_line_and_what_was_meant() {
        for (text, message, hint) in [
            ("\n[lunch]\n", "orch.toml line 2: orch.toml has no key `lunch`", "did you mean `launch`?"),
            ("launch = 5", "orch.toml line 1: `launch` is the number 5, wanted a table", ""),
            (
                "[roles.executor]\nmodle = \"opus\"",
                "orch.toml line 2: a role has no key `modle`",
                "did you mean `model`?",
            ),
            ("[roles.\"../x\"]\nmodel = \"opus\"", "orch.toml line 1: `../x` is no name for a role", "give 1 to 32"),
            ("[roles]\nexecutor = 5", "orch.toml line 2: `executor` is the number 5, wanted a table", ""),
            (
                "[policy]\n\nrules = [\n\n  { alow = \"x\" } ]",
                "orch.toml line 5: a rule has no key `alow`",
                "did you mean `allow`?",
            ),
            ("[policy]\nrules = [ 5 ]", "orch.toml line 2: a rule is the number 5, wanted a table", ""),
        ] {
            let error = parse(text).expect_err(text);
            assert_eq!(error.message, message);
            assert!(error.hint.unwrap_or_default().contains(hint), "{text}");
        }
    }

    #[test]
    fn only_a_file_that_nobody_else_could_have_written_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("orch.toml");
        assert_eq!(text_of(&path), Ok(None));
        assert_eq!(text_of(&path.join("below")), Ok(None));
        fs::write(&path, "x").unwrap();
        assert_eq!(text_of(&path.join("below")), Ok(None));
        for (mode, is_read) in [(0o600, true), (0o664, true), (0o646, false)] {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            assert_eq!(text_of(&path).is_ok(), is_read, "{mode:o}");
        }
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        fs::write(&path, "x".repeat(300_000)).unwrap();
        assert!(text_of(&path).expect_err("too long").message.contains("more than 262144 bytes"));
        fs::write(&path, [0xff]).unwrap();
        text_of(&path).expect_err("no text");
        assert!(text_of(dir.path()).expect_err("no file").message.contains("it is no file"));
        let pipe = dir.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
        assert!(made.success());
        assert!(text_of(&pipe).expect_err("a pipe").message.contains("it is no file"));
    }
}
