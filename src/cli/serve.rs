//! `orch-mcp serve`: the MCP server on standard input and output.

use crate::cli::desk;
use crate::cli::print::Printer;
use crate::config::Config;
use crate::error::Result;
use crate::host::Host;
use crate::mcp;
use crate::mcp::Service;
use crate::ops::Caller;
use crate::ops::caller::Origin;
use std::io::IsTerminal;

pub(super) fn run(config: &Config, channel: bool, printer: &Printer) -> Result<()> {
    let profile = config.profile.value.parse()?;
    let host = Host::System;
    let desk = desk::of(config, host.clone())?;
    if std::io::stdin().is_terminal() {
        printer.note(
            "orch-mcp serve speaks the Model Context Protocol: an MCP client starts it and talks to it.\n\
             To look around by hand, see orch-mcp --help. Ctrl-D ends this.",
        );
    }
    // Whoever speaks through a client is an agent, also where a person started the client at a terminal.
    let template = Caller {
        origin: Origin::Agent,
        person: None,
        process: host.process(),
        client: config.served_client(&host),
        ..config.caller(host.clone())
    };
    mcp::serve_stdio(desk, template, Service { profile, grace_secs: config.grace_secs.value, channel })
}
