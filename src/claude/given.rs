//! The files that a worker's client is given by flag: our server, our hooks, and who may speak to it.

use crate::claude::wiring::HANDLERS;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;

/// The name of our server, and so the beginning of its tools' names: `mcp__orch-mcp__claim_task`.
pub const SERVER: &str = "orch-mcp";

/// The tools that a worker is shown.
pub const PROFILE: &str = "worker";

/// The tool of ours that the client asks for permissions. It finds it only among those that are listed, and shows it to no model.
const ASKS_PERMISSION: &str = "request_permission";

/// As the client calls it.
pub const PERMISSION_TOOL: &str = "mcp__orch-mcp__request_permission";

/// Where the team's store is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Team {
    Here { state_dir: String },
    Elsewhere { server: String, token_file: Option<String>, ca: Option<String>, plain_http: bool },
}

/// What a variable says, or that it is to say nothing.
type Variable = (&'static str, Option<String>);

impl Team {
    /// The flags that lead our program there. They stand in every call, as a project's settings may set variables.
    fn flags(&self) -> Vec<String> {
        let flag =
            |name: &str, value: &Option<String>| value.iter().flat_map(|it| [name.to_owned(), it.clone()]).collect();
        let groups: Vec<Vec<String>> = match self {
            Team::Here { state_dir } => vec![flag("--state-dir", &Some(state_dir.clone()))],
            Team::Elsewhere { server, token_file, ca, plain_http } => vec![
                flag("--server", &Some(server.clone())),
                flag("--token-file", token_file),
                flag("--ca", ca),
                plain_http.then(|| "--plain-http".to_owned()).into_iter().collect(),
            ],
        };
        groups.concat()
    }

    /// The same for what the worker types into its shell.
    pub(super) fn variables(&self) -> [Variable; 6] {
        let (here, elsewhere) = match self {
            Team::Here { state_dir } => (Some(state_dir.clone()), [None, None, None, None]),
            Team::Elsewhere { server, token_file, ca, plain_http } => {
                let plain_http = plain_http.then(|| "1".to_owned());
                (None, [Some(server.clone()), token_file.clone(), ca.clone(), plain_http])
            }
        };
        let [server, token_file, ca, plain_http] = elsewhere;
        [
            ("ORCH_STATE_DIR", here),
            ("ORCH_SERVER", server),
            ("ORCH_TOKEN_FILE", token_file),
            ("ORCH_CA", ca),
            ("ORCH_PLAIN_HTTP", plain_http),
            // A token in the environment would be shown to everything that the worker runs.
            ("ORCH_TOKEN", None),
        ]
    }
}

/// `mcp.json`: our server and no other. `program` is the absolute path of ours, `also` tools that are shown besides those of
/// every worker.
pub fn mcp(program: &str, team: &Team, also: &[String]) -> Value {
    let mut arguments = team.flags();
    arguments.extend(["serve", "--profile", PROFILE, "--also", ASKS_PERMISSION].map(str::to_owned));
    arguments.extend(also.iter().flat_map(|tool| ["--also".to_owned(), tool.clone()]));
    json!({ "mcpServers": { SERVER: { "type": "stdio", "command": program, "args": arguments } } })
}

/// `settings.json`: our hooks, and that messages of other sessions are let in whatever the permission mode is. Without that
/// a worker that may do everything would never be woken.
pub fn settings(program: &str, team: &Team) -> Value {
    let mut hooks = Map::new();
    for handler in HANDLERS {
        let mut arguments = team.flags();
        arguments.extend(["hook", handler.word()].map(str::to_owned));
        let mut group = json!({ "hooks": [handler.entry(program, &arguments)] });
        if let Some(matcher) = handler.matcher {
            group["matcher"] = json!(matcher);
        }
        let groups = hooks.entry(handler.event()).or_insert_with(|| json!([]));
        groups.as_array_mut().expect("only lists are put there").push(group);
    }
    json!({ "crossSessionInbound": "accept", "hooks": hooks })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn here() -> Team {
        Team::Here { state_dir: "/s t".to_owned() }
    }

    fn elsewhere() -> Team {
        Team::Elsewhere {
            server: "http://team:3100".to_owned(),
            token_file: Some("/t".to_owned()),
            ca: None,
            plain_http: true,
        }
    }

    #[test]
    fn the_server_is_ours_with_the_tools_of_a_worker() {
        let server = |team| mcp("/opt/orch-mcp", &team, &[])["mcpServers"]["orch-mcp"].clone();
        let wanted = ["--state-dir", "/s t", "serve", "--profile", "worker", "--also", "request_permission"];
        assert_eq!(server(here()), json!({ "type": "stdio", "command": "/opt/orch-mcp", "args": wanted }));
        let also = mcp("/opt/orch-mcp", &here(), &["update_task".to_owned()]);
        assert_eq!(
            also["mcpServers"]["orch-mcp"]["args"].as_array().unwrap()[7..],
            [json!("--also"), json!("update_task")]
        );
        let team = ["--server", "http://team:3100", "--token-file", "/t", "--plain-http"];
        assert_eq!(server(elsewhere())["args"], json!([&team[..], &wanted[2..]].concat()));
        assert_eq!(PERMISSION_TOOL, format!("mcp__{SERVER}__{ASKS_PERMISSION}"));
    }

    #[test]
    fn every_hook_is_wired_once_and_messages_are_let_in() {
        let settings = settings("/opt/orch-mcp", &here());
        assert_eq!(settings["crossSessionInbound"], "accept");
        let hooks = settings["hooks"].as_object().unwrap();
        let entries = hooks.values().flat_map(|groups| groups.as_array().unwrap());
        assert_eq!(entries.count(), HANDLERS.len());
        assert_eq!(hooks["PreToolUse"][0]["matcher"], "Bash|Edit|Monitor|NotebookEdit|PowerShell|Write");
        let stop: Vec<_> = hooks["Stop"].as_array().unwrap().iter().map(|group| &group["hooks"][0]).collect();
        assert_eq!(stop[0]["args"], json!(["--state-dir", "/s t", "hook", "stop"]));
        assert_eq!((&stop[1]["args"][3], &stop[1]["asyncRewake"]), (&json!("rewake"), &json!(true)));
    }
}
