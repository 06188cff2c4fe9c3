//! What `orch-mcp config` shows: each setting, and where it came from.

use crate::config::Config;
use crate::config::File;
use crate::config::Source;
use crate::config::environment::WORKSPACE;
use crate::config::registry;
use crate::config::safety;
use crate::error::Error;
use crate::error::Result;
use std::borrow::Cow;
use std::path::PathBuf;

/// One line of it.
#[derive(Clone, Debug)]
pub struct Shown {
    pub name: Cow<'static, str>,
    pub value: Option<String>,
    /// The flag, the variable or the file that the value came from.
    pub source: String,
}

impl Shown {
    /// `file` is where what `orch.toml` says is from.
    pub(super) fn new(name: impl Into<Cow<'static, str>>, value: Option<String>, source: Source, file: &str) -> Shown {
        let source = match source {
            Source::Flag(name) | Source::Variable(name) => name.to_owned(),
            Source::File(line) => format!("{file} line {line}"),
            Source::Default if value.is_none() => "not set".to_owned(),
            Source::Default => "default".to_owned(),
        };
        Shown { name: name.into(), value, source }
    }

    /// What cannot be used as it is, with the reason in the place of the source.
    pub(super) fn unusable(name: impl Into<Cow<'static, str>>, error: Error) -> Shown {
        let source = match error.hint {
            Some(hint) => format!("{}; {hint}", error.message),
            None => error.message,
        };
        Shown { name: name.into(), value: Some("(unusable)".to_owned()), source }
    }
}

impl Config {
    /// Each setting as it stands.
    pub fn settings(&self) -> Result<Vec<Shown>> {
        let place = self.place()?;
        // None of these can stand in a file.
        let shown = |name: &'static str, value, source| Shown::new(name, value, source, "");
        let path = |path: &PathBuf| path.to_string_lossy().into_owned();
        let server = self.server.value.as_ref();
        let mut settings = vec![
            shown("state_dir", Some(path(&place.dir().to_owned())), self.source_of_place()),
            shown("instance", self.instance.value.clone(), self.instance.source),
            shown("role", self.role.value.clone(), self.role.source),
            shown("grace_secs", Some(self.grace_secs.value.to_string()), self.grace_secs.source),
            shown("session", self.session.value.clone(), self.session.source),
            shown("profile", Some(self.profile.value.clone()), self.profile.source),
            shown("log", Some(self.log.value.to_string()), self.log.source),
            shown("events_max", Some(self.events_max.value.to_string()), self.events_max.source),
            shown("server", server.map(|server| server.url().to_owned()), self.server.source),
        ];
        if server.is_some() {
            settings.push(shown("ca", self.ca.value.as_ref().map(path), self.ca.source));
            settings.push(shown("plain_http", Some(self.plain_http.value.to_string()), self.plain_http.source));
            settings.push(self.shown_token());
        }
        match self.file() {
            Ok(file) => settings.extend(self.shown_of_team(&file)),
            Err(error) => settings.push(Shown::unusable("file", error)),
        }
        Ok(settings)
    }

    /// What led there.
    pub fn source_of_place(&self) -> Source {
        match (self.state_dir.source, &self.older.workspace) {
            (Source::Default, Some(_)) => Source::Variable(WORKSPACE),
            (source, _) => source,
        }
    }

    /// Whether there is one, and where; of itself nothing.
    fn shown_token(&self) -> Shown {
        let (value, source) = match self.token() {
            Ok(Some(token)) => (Some("(hidden)"), token.from),
            Ok(None) => (None, "not set".to_owned()),
            Err(error) => (Some("(unusable)"), error.message),
        };
        Shown { name: "token".into(), value: value.map(str::to_owned), source }
    }

    /// What `launch` goes by. What is wrong with one thing hides no other.
    fn shown_of_team(&self, file: &File) -> Vec<Shown> {
        let path = file.path.as_ref().map(|path| path.to_string_lossy().into_owned());
        let found = if path.is_some() { "found" } else { "not set" };
        let mut settings = vec![Shown { name: "file".into(), value: path, source: found.to_owned() }];
        let (launch, roles) = (self.launch(file), self.roles(file));
        match &launch {
            Ok(launch) => settings.extend(launch.shown(&file.shown())),
            Err(error) => settings.push(Shown::unusable("launch", error.clone())),
        }
        match self.land(file) {
            Ok(land) => settings.extend(land.shown(&file.shown())),
            Err(error) => settings.push(Shown::unusable("land", error)),
        }
        if let (Ok(launch), Ok(roles)) = (&launch, &roles) {
            settings.extend(launch.shown_workers(roles, &file.shown()));
        }
        match roles.and_then(|roles| roles.shown()) {
            Ok(roles) => settings.extend(roles),
            Err(error) => settings.push(Shown::unusable("roles", error)),
        }
        settings.push(registry::shown(self, file));
        settings.push(shown_policy(file));
        settings.extend(safety::shown(file));
        settings
    }
}

fn shown_policy(file: &File) -> Shown {
    let (value, source) = match file.policy.len() {
        0 => (None, "not set".to_owned()),
        1 => (Some("1 rule".to_owned()), file.shown()),
        rules => (Some(format!("{rules} rules")), file.shown()),
    };
    Shown { name: "policy".into(), value, source }
}
