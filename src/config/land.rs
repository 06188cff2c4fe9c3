//! What landing is to do where its flags say nothing: on which branch, and what must pass before.

use crate::config::Config;
use crate::config::File;
use crate::config::Setting;
use crate::config::Shown;
use crate::config::launch::of_file;
use crate::error::Result;

/// Branches of workers and tasks begin with it.
const OURS: &str = "orch/";

const KEYS: &[&str] = &["target", "check"];

#[derive(Clone, Debug)]
pub struct Land {
    /// The branch on which work lands; else the one that is checked out in the main worktree.
    pub target: Setting<Option<String>>,
    /// The command that must pass before something lands.
    pub check: Setting<Option<String>>,
}

impl Config {
    pub fn land(&self, file: &File) -> Result<Land> {
        let fields = &file.land;
        fields.only("[land]", KEYS)?;
        let target = fields.branch("target")?;
        if let (Some(ours), Some(spot)) =
            (target.as_ref().filter(|name| name.starts_with(OURS)), fields.spot_of("target"))
        {
            return Err(spot
                .error(format!("`target` is `{ours}`, a branch of ours, on which nothing lands for good"))
                .hint("name the branch on which the work is to land in the end"));
        }
        Ok(Land { target: of_file(fields, "target", target), check: of_file(fields, "check", fields.text("check")?) })
    }
}

impl Land {
    /// Each setting as `orch-mcp config` shows it. `file` is where it is from.
    pub(super) fn shown(&self, file: &str) -> Vec<Shown> {
        vec![
            Shown::new("land.target", self.target.value.clone(), self.target.source, file),
            Shown::new("land.check", self.check.value.clone(), self.check.source, file),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Environment;
    use crate::config::Flags;
    use crate::config::Source;
    use std::fs;

    fn land(text: &str) -> Result<Land> {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join(".git")).unwrap();
        fs::write(dir.path().join(".git/HEAD"), "").unwrap();
        fs::write(dir.path().join("orch.toml"), text).unwrap();
        let environment = Environment { cwd: Some(dir.path().to_owned()), ..Environment::default() };
        let config = Config::read(Flags::default(), &environment).unwrap();
        config.land(&config.file()?)
    }

    #[test]
    fn what_the_file_says_of_landing_is_read_with_its_lines() {
        let found = land("[land]\ntarget = \"release/1\"\ncheck = \"just check\"\n").unwrap();
        assert_eq!(found.target, Setting { value: Some("release/1".to_owned()), source: Source::File(2) });
        assert_eq!(found.check, Setting { value: Some("just check".to_owned()), source: Source::File(3) });
        assert_eq!(land("").unwrap().check, Setting { value: None, source: Source::Default });
    }

    #[test]
    fn what_is_wrong_with_it_is_named() {
        for (text, message) in [
            ("[land]\nchecks = \"x\"", "orch.toml line 2: [land] has no key `checks`"),
            ("[land]\ntarget = \"-f\"", "orch.toml line 2: `target` is the text `-f`, wanted the name of a branch"),
            ("[land]\ntarget = \"orch/x\"", "orch.toml line 2: `target` is `orch/x`, a branch of ours"),
        ] {
            let error = land(text).expect_err(message);
            assert!(error.message.starts_with(message), "{error}");
        }
    }
}
