//! The flags of `claude`, as far as a stand-in heeds them.

use crate::error::Error;
use crate::error::Result;
use crate::host::Host;
use std::path::PathBuf;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Flags {
    pub prompt: Option<String>,
    pub model: Option<String>,
    pub mcp_config: Option<PathBuf>,
    /// Its hooks stand there.
    pub settings: Option<PathBuf>,
    /// It has no terminal to show itself in.
    pub prints: bool,
    /// Messages come as lines of JSON, until the input ends.
    pub streams_input: bool,
    /// What stands on standard input belongs to the prompt.
    pub reads_input: bool,
    /// It goes on with a session.
    pub resumes: bool,
    /// It tells of its hooks.
    pub tells_of_hooks: bool,
    /// What is asked for permissions, with its server: `mcp__server__tool`.
    pub permission_tool: Option<String>,
    session: Option<String>,
}

/// Those that take a value.
const WITH_VALUE: &[&str] = &[
    "--add-dir",
    "--agent",
    "--agents",
    "--allowedTools",
    "--append-system-prompt",
    "--append-system-prompt-file",
    "--disallowedTools",
    "--fallback-model",
    "--max-budget-usd",
    "--max-turns",
    "--name",
    "-n",
    "--output-format",
    "--permission-mode",
    "--permission-prompts",
    "--setting-sources",
    "--system-prompt",
    "--system-prompt-file",
    "--tools",
];

impl Flags {
    pub fn read(arguments: &[String]) -> Result<Flags> {
        let mut flags = Flags::default();
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let (name, attached) = match argument.split_once('=') {
                Some((name, value)) if name.starts_with("--") => (name, Some(value.to_owned())),
                _ => (argument.as_str(), None),
            };
            let mut value = || {
                let next = attached.clone().or_else(|| rest.next().cloned());
                next.ok_or_else(|| Error::invalid(format!("`{name}` needs a value")))
            };
            match name {
                "-p" | "--print" => flags.prints = true,
                "--include-hook-events" => flags.tells_of_hooks = true,
                "--settings" => flags.settings = Some(value()?.into()),
                "--permission-prompt-tool" => flags.permission_tool = Some(value()?),
                "--model" => flags.model = Some(value()?),
                "--mcp-config" => flags.mcp_config = Some(value()?.into()),
                "--session-id" => flags.session = Some(value()?),
                "--resume" | "-r" => (flags.session, flags.resumes) = (Some(value()?), true),
                "--input-format" => flags.streams_input = value()? == "stream-json",
                "--" => {
                    flags.prompt = rest.next().cloned();
                    break;
                }
                name if WITH_VALUE.contains(&name) => drop(value()?),
                name if name.starts_with('-') && name != "-" => {}
                prompt => flags.prompt = Some(prompt.to_owned()),
            }
        }
        flags.reads_input = flags.prints && flags.prompt.is_none() && !flags.streams_input;
        Ok(flags)
    }

    /// The session that was named, or a new one.
    pub fn session(&self, host: &Host) -> String {
        self.session.clone().unwrap_or_else(|| {
            let (high, low) = (host.random(), host.random());
            let variant = (low >> 48) as u16 & 0x3fff | 0x8000;
            format!(
                "{:08x}-{:04x}-4{:03x}-{variant:04x}-{:012x}",
                high >> 32,
                (high >> 16) & 0xffff,
                high & 0xfff,
                low & 0xffff_ffff_ffff
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Flags {
        Flags::read(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn flags_are_told_from_the_prompt() {
        let flags =
            read("-p --verbose --output-format stream-json --mcp-config /m.json --session-id s1 --model=opus -- do-it");
        assert_eq!((flags.prompt.as_deref(), flags.model.as_deref()), (Some("do-it"), Some("opus")));
        assert_eq!((flags.mcp_config, flags.reads_input), (Some("/m.json".into()), false));
        assert!(read("-p --max-turns 3").reads_input);
        assert!(read("-p --input-format stream-json").streams_input);
        assert!(Flags::read(&["--model".to_owned()]).is_err());
    }

    #[test]
    fn a_session_has_an_id_of_the_usual_form() {
        let id = read("-p x").session(&Host::manual(3));
        assert_eq!(id.split('-').map(str::len).collect::<Vec<_>>(), [8, 4, 4, 4, 12], "{id}");
        assert_eq!(read("--resume abc -p x").session(&Host::manual(3)), "abc");
    }
}
