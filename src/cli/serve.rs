//! `orch-mcp serve`: the MCP server on standard input and output, or, with `--http`, a server for many.

use crate::cli::commands;
use crate::cli::desk;
use crate::cli::print::Answer;
use crate::cli::print::Printer;
use crate::cli::written;
use crate::config::Config;
use crate::error::Error;
use crate::error::Result;
use crate::host::Host;
use crate::http;
use crate::http::Heard;
use crate::http::Settings;
use crate::mcp;
use crate::mcp::Service;
use crate::ops::Caller;
use crate::ops::caller::Origin;
use clap::Arg;
use clap::ArgAction;
use clap::ArgMatches;
use serde_json::json;
use std::io::IsTerminal;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::path::PathBuf;

const PORT: u16 = 3100;
const ADDRESS: &str = "127.0.0.1:3100";

pub(super) fn http_flags() -> Vec<Arg> {
    let flag = |name: &'static str, value: &'static str| Arg::new(name).long(name).value_name(value);
    vec![
        flag("http", "ADDRESS")
            .num_args(0..=1)
            .default_missing_value(ADDRESS)
            .help("Serve over HTTP instead, for many clients, here [127.0.0.1:3100]; port 0 is any that is free"),
        flag("host", "NAME")
            .action(ArgAction::Append)
            .requires("http")
            .help("A name, with or without a port, that clients call it by; again for more"),
        flag("origin", "URL")
            .action(ArgAction::Append)
            .requires("http")
            .help("A site whose pages may call it; again for more"),
        flag("tls-cert", "FILE")
            .requires("tls-key")
            .requires("http")
            .value_parser(clap::value_parser!(PathBuf))
            .help("Speak TLS with this chain of certificates, in PEM"),
        flag("tls-key", "FILE")
            .requires("tls-cert")
            .value_parser(clap::value_parser!(PathBuf))
            .help("The key of the certificate, in PEM"),
    ]
}

pub(super) fn run(config: &Config, matches: &ArgMatches, printer: &Printer) -> Result<()> {
    let profile = config.profile.value.parse()?;
    let also = matches.get_many::<String>("also").into_iter().flatten().cloned().collect();
    let service = Service { profile, also, grace_secs: config.grace_secs.value, channel: matches.get_flag("channel") };
    match matches.get_one::<String>("http") {
        Some(address) => over_http(config, address, matches, service, printer),
        None => on_stdio(config, service, printer),
    }
}

fn on_stdio(config: &Config, service: Service, printer: &Printer) -> Result<()> {
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
        process: desk::process(config, &host),
        client: config.served_client(&host),
        ..config.caller(host.clone())
    };
    mcp::serve_stdio(desk, template, service)
}

fn over_http(config: &Config, address: &str, matches: &ArgMatches, service: Service, printer: &Printer) -> Result<()> {
    let all = |name: &str| matches.get_many::<String>(name).into_iter().flatten().cloned().collect();
    let file = |name: &str| matches.get_one::<PathBuf>(name).cloned();
    let settings = Settings {
        address: read_address(address)?,
        hosts: all("host"),
        origins: all("origin"),
        tls: file("tls-cert").zip(file("tls-key")),
        service,
    };
    let is_open = settings.tls.is_none() && !settings.address.ip().is_loopback();
    let names = settings.hosts.clone();
    let desk = desk::for_many(config, Host::System, http::readers())?;
    let place = config.place()?;
    http::serve(desk, &place, settings, |heard| {
        if is_open {
            printer.note(
                "this speaks plain HTTP to others: unless a proxy before it speaks TLS, all on the way can read along.\n\
                 `--tls-cert` and `--tls-key` make it speak TLS itself.",
            );
        }
        let heard = &called(heard, &names);
        let data = json!({ "url": heard.url, "socket": heard.socket, "token_file": heard.token_file });
        let text = || as_text(heard);
        written(printer.answer(&Answer { data: &data, ids: &[], unread: None, text: &text }))
    })
}

/// By a name that it answers to, where it listens at every address.
fn called(heard: &Heard, names: &[String]) -> Heard {
    let mut heard = heard.clone();
    if let Some((scheme, address)) = heard.url.clone().split_once("://")
        && let Ok(address) = address.parse::<SocketAddr>()
        && address.ip().is_unspecified()
        && let Some(name) = names.first()
    {
        let port = if name.contains(':') { String::new() } else { format!(":{}", address.port()) };
        heard.url = format!("{scheme}://{name}{port}");
    }
    heard
}

fn as_text(heard: &Heard) -> String {
    let mut text = format!(
        "MCP      {url}/mcp   (older clients: {url}/sse)\nREST     {url}/api/v1/…, {url}/tasks, …   (all: {url}/openapi.json)\n",
        url = heard.url
    );
    if let Some(socket) = &heard.socket {
        text += &format!("socket   {}\n", socket.display());
    }
    text + &format!("token    in {}; more: {} token create\n", heard.token_file.display(), commands::PROGRAM)
}

/// `address:port`, or one of them.
fn read_address(text: &str) -> Result<SocketAddr> {
    let text = text.strip_prefix("http://").unwrap_or(text).trim_end_matches('/');
    let local = IpAddr::V4(Ipv4Addr::LOCALHOST);
    if let Ok(address) = text.replace("localhost", "127.0.0.1").parse::<SocketAddr>() {
        return Ok(address);
    }
    if let Ok(port) = text.trim_start_matches(':').parse::<u16>() {
        return Ok(SocketAddr::new(local, port));
    }
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(SocketAddr::new(address, PORT));
    }
    Err(Error::invalid(format!("`{text}` is no address to listen at, wanted ADDRESS:PORT"))
        .hint("for example `--http 127.0.0.1:3100`, or `--http 0.0.0.0:3100 --host team.example`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_leave_out_what_goes_without_saying() {
        let read = |text: &str| read_address(text).map(|address| address.to_string()).ok();
        assert_eq!(read(ADDRESS).as_deref(), Some("127.0.0.1:3100"));
        assert_eq!(read("4000").as_deref(), Some("127.0.0.1:4000"));
        assert_eq!(read(":0").as_deref(), Some("127.0.0.1:0"));
        assert_eq!(read("0.0.0.0").as_deref(), Some("0.0.0.0:3100"));
        assert_eq!(read("localhost:8080").as_deref(), Some("127.0.0.1:8080"));
        assert_eq!(read("[::1]:3100").as_deref(), Some("[::1]:3100"));
        assert_eq!(read("nonsense"), None);
    }
}
