//! `orch-mcp top`: workers, questions, queue, messages and events on one screen, as they change.

mod asked;
mod draw;
mod output;
mod screen;
#[cfg(test)]
mod stage;
mod state;

use crate::cli::Run;
use crate::cli::desk;
use crate::cli::exit;
use crate::cli::signals;
use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::host::Host;
use clap::Arg;
use clap::ArgAction;
use clap::ArgMatches;
use clap::Command;
pub(super) use draw::event_line;
pub(super) use screen::Leaving;
pub(super) use screen::Screen;
pub(super) use screen::Stage;
pub(super) use state::Leaves;
use std::thread;

const FOOTER: &str = "\
It shows, and changes nothing, until `!` is pressed there: then questions are answered and workers stopped from it. `?`
shows the keys. `orch-mcp status`, `workers` and `list-events` print the same in lines.";

pub(super) fn with_flags(command: Command) -> Command {
    command
        .arg(
            Arg::new("control")
                .long("control")
                .action(ArgAction::SetTrue)
                .help("Answer questions and order workers about from the beginning, without `!`"),
        )
        .after_help(FOOTER)
}

impl Run<'_> {
    pub(super) fn top(&self, matches: &ArgMatches) -> Result<u8> {
        if !self.is_watched() {
            return Err(Error::new(Kind::Refused, "`top` is for a person at a terminal")
                .hint("`orch-mcp status`, `workers` and `list-events` print lines"));
        }
        let desk = desk::of(&self.config, Host::System)?;
        let place = self.config.place()?;
        let stage = Stage::new();
        let curtain = stage.curtain();
        let mut signals = signals::that_end()?;
        thread::spawn(move || signals.forever().for_each(|_| curtain.fall()));
        let screen = Screen {
            desk: &*desk,
            caller: self.config.caller(Host::System),
            host: Host::System,
            state_dir: self.config.server.value.is_none().then(|| place.dir().to_owned()),
            colored: self.printer.paints(),
            controls: matches.get_flag("control"),
            leaves: &|| Leaves::Screen,
            leave: &|_| true,
        };
        screen.show(stage).map(|()| exit::DONE)
    }
}
