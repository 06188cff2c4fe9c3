//! `orch-mcp token`: who may come in through the door of `serve --http`.

use crate::cli::Run;
use crate::cli::print::Answer;
use crate::cli::written;
use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::model::access::Access;
use crate::ops::token::Secret;
use clap::Arg;
use clap::ArgAction;
use clap::ArgMatches;
use clap::Command;
use clap::builder::PossibleValuesParser;
use serde_json::Value;
use serde_json::json;
use std::fs::File;
use std::fs::OpenOptions;
use std::io;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::path::PathBuf;

const FOOTER: &str = "\
Roles: read looks and changes nothing; worker claims, completes and talks; lead also changes and cancels what is not
its own; human also decides what only a person decides, and makes tokens.
A token is shown once, when it is made. Whoever has it acts in its name: keep it in a file of mode 0600, or in a secret.";

pub(super) fn with_flags(command: Command) -> Command {
    let create = Command::new("create")
        .about("Make a token, and print it once")
        .arg(
            Arg::new("role")
                .long("role")
                .required(true)
                .value_name("ROLE")
                .value_parser(PossibleValuesParser::new(Access::WORDS))
                .help("How far it reaches"),
        )
        .arg(Arg::new("name").long("name").value_name("NAME").help(
            "In whose name; what is registered with it belongs to that name, and to its next token [default: the token's id]",
        ))
        .arg(
            Arg::new("expires")
                .long("expires")
                .value_name("TIME")
                .help("How long it is good: 30d, 12h, 45m, or seconds [default: until it is revoked]"),
        )
        .arg(
            Arg::new("out")
                .long("out")
                .value_name("FILE")
                .value_parser(clap::value_parser!(PathBuf))
                .help("Put it into this new file, which nobody else can read, instead of showing it"),
        );
    let list = Command::new("list")
        .about("Show the tokens that are good, without their secrets")
        .arg(Arg::new("all").long("all").action(ArgAction::SetTrue).help("Also those that open nothing any more"));
    let revoke = Command::new("revoke")
        .about("Let a token open nothing any more, from now on")
        .arg(Arg::new("token").required(true).value_name("TOKEN").help("Its id, or the name of all that are to go"));
    command.subcommand_required(true).subcommands([create, list, revoke]).after_help(FOOTER)
}

impl Run<'_> {
    pub(super) fn token(&self, matches: &ArgMatches) -> Result<u8> {
        let text = |matches: &ArgMatches, name: &str| matches.get_one::<String>(name).cloned();
        match matches.subcommand() {
            Some(("create", given)) => {
                let expires = text(given, "expires").map(|time| read_time(&time)).transpose()?;
                self.create_token(given, expires)
            }
            Some(("list", given)) => self.own("list_tokens", json!({ "all": given.get_flag("all") })),
            Some(("revoke", given)) => self.own("revoke_token", json!({ "token": text(given, "token") })),
            _ => Err(Error::internal("a token command that is in the tree and nowhere else")),
        }
    }

    /// The secret is made here, and nobody but who reads this answer, or the file, ever sees it.
    fn create_token(&self, given: &ArgMatches, expires: Option<u32>) -> Result<u8> {
        let text = |name: &str| given.get_one::<String>(name);
        let out = given.get_one::<PathBuf>("out");
        let secret = Secret::make()?;
        out.map_or(Ok(()), |path| self.must_be_free_to_write(path))?;
        let mut file = out.map(|path| new_file(path)).transpose()?;
        let wanted = json!({
            "id": secret.id, "hash": secret.hash, "role": text("role"), "name": text("name"), "expires_secs": expires,
        });
        let added = self.ask_own("add_token", wanted).and_then(|reply| {
            let written = file.as_mut().map_or(Ok(()), |file| writeln!(file, "{}", secret.words()));
            written.map(|()| reply).map_err(|cause| cannot_write(out, &cause))
        });
        if let (Err(_), Some(path)) = (&added, out) {
            let _ = std::fs::remove_file(path);
        }
        let mut reply = added?;
        let mut data = match out {
            Some(path) => json!({ "file": path }),
            None => json!({ "token": secret.words() }),
        };
        for (field, value) in reply.data["token"].as_object_mut().into_iter().flatten() {
            data[field.as_str()] = value.take();
        }
        let made = reply.text();
        let text = || match out {
            Some(path) => format!("{made}It stands in {}.\n", path.display()),
            None => format!("{}\n{made}This is shown once: keep it where nobody else reads.\n", secret.words()),
        };
        written(self.printer.answer(&Answer { data: &data, ids: &reply.ids, unread: None, text: &text }))?;
        Ok(crate::cli::exit::DONE)
    }

    fn own(&self, operation: &str, arguments: Value) -> Result<u8> {
        let reply = self.ask_own(operation, arguments)?;
        self.print(&reply)?;
        Ok(crate::cli::exit::DONE)
    }
}

fn new_file(path: &Path) -> Result<File> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    file.map_err(|cause| cannot_write(Some(&path.to_path_buf()), &cause))
}

fn cannot_write(path: Option<&PathBuf>, cause: &io::Error) -> Error {
    let shown = path.map(|path| path.display().to_string()).unwrap_or_default();
    Error::new(Kind::Unavailable, format!("cannot write `{shown}`: {cause}")).hint("name a new file with `--out`")
}

/// `30d`, `12h`, `45m`, `90s` or `90`.
fn read_time(text: &str) -> Result<u32> {
    let wrong = || {
        Error::invalid(format!("`{text}` is no time, wanted one such as `30d`, `12h`, `45m` or seconds"))
            .hint("for example `--expires 30d`")
    };
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let unit: u32 = match &text[digits.len()..] {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 24 * 3600,
        _ => return Err(wrong()),
    };
    let count: u32 = digits.parse().map_err(|_| wrong())?;
    count.checked_mul(unit).filter(|secs| *secs > 0).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_number_and_what_it_counts() {
        for (text, secs) in [("30d", 2_592_000), ("12h", 43_200), ("45m", 2_700), ("90s", 90), ("90", 90)] {
            assert_eq!(read_time(text).ok(), Some(secs), "{text}");
        }
        for wrong in ["", "d", "0", "-1d", "1w", "999999999d", "1.5h", "１d"] {
            assert!(read_time(wrong).is_err(), "{wrong}");
        }
    }
}
