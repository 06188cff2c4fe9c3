//! What a worker's client finds around it: who it is and where its team is, and nothing of the session in which `launch` was
//! typed.

use crate::launch::fleet::Team;
use crate::launch::fleet::code;
use crate::support::program::Running;
use crate::support::tmux::has_tmux;
use std::collections::BTreeMap;
use std::fs;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

/// What Claude Code sets for all that it starts.
const OF_A_SESSION: [&str; 22] = [
    "AI_AGENT",
    "CLAUDECODE",
    "CLAUDE_CODE_CHILD_NOTES_DIR",
    "CLAUDE_CODE_CHILD_SESSION",
    "CLAUDE_CODE_ENTRYPOINT",
    "CLAUDE_CODE_EXECPATH",
    "CLAUDE_CODE_MESSAGING_SOCKET",
    "CLAUDE_CODE_MESSAGING_TOKEN",
    "CLAUDE_CODE_SESSION_ATTENDED",
    "CLAUDE_CODE_SESSION_ID",
    "CLAUDE_CODE_SSE_PORT",
    "CLAUDE_EFFORT",
    "CLAUDE_ENV_FILE",
    "CLAUDE_JOB_DIR",
    "CLAUDE_PID",
    "CLAUDE_PLUGIN_DATA",
    "CLAUDE_PLUGIN_ROOT",
    "CLAUDE_PROJECT_DIR",
    "COREPACK_ENABLE_AUTO_PIN",
    "NoDefaultCurrentDirectoryInExePath",
    // And what names another team, or would show its secret to all that the worker runs.
    "ORCH_SERVER",
    "ORCH_TOKEN",
];

/// The user's own settings, by which every client of theirs goes.
const OF_THE_USER: [&str; 4] =
    ["ANTHROPIC_API_KEY", "CLAUDE_CODE_OAUTH_TOKEN", "CLAUDE_CODE_USE_BEDROCK", "CLAUDE_CONFIG_DIR"];

/// What tells their values from all others.
const MARK: &str = "set-around-launch";

/// The environment of the client of a worker that was launched in the middle of a session.
fn found(mode: &str) -> (Team, BTreeMap<String, String>) {
    let mut team = Team::new();
    let (told, client) = (team.home.path("told"), team.home.path("teller"));
    let script =
        format!("#!/bin/sh\ntest -z \"$ORCH_INSTANCE\" || env > '{}'\nexec '{}' \"$@\"\n", told.display(), team.client);
    fs::write(&client, script).unwrap();
    fs::set_permissions(&client, Permissions::from_mode(0o755)).unwrap();
    team.client = client.to_str().unwrap().to_owned();
    let task = team.task("t", "sim: complete done");
    let mut launch = team.launch(&["--workers", "1", "--mode", mode, "--until-done"]);
    for name in OF_A_SESSION.iter().filter(|name| !name.starts_with("ORCH_")).chain(&OF_THE_USER) {
        launch.env(name, MARK);
    }
    let mut launch = Running::start(launch.envs([("TMUX", MARK), ("TMUX_PANE", MARK)]));
    assert_eq!((code(&mut launch), team.status(&task).as_str()), (Some(0), "completed"), "{mode}");
    let told = fs::read_to_string(told).unwrap();
    let told = told.lines().filter_map(|line| line.split_once('='));
    let told = told.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    (team, told)
}

fn knows_itself_and_nothing_of_the_session_around(mode: &str) {
    let (team, found) = found(mode);
    for name in OF_A_SESSION {
        assert_eq!(found.get(name), None, "{mode}: {name}");
    }
    for name in OF_THE_USER {
        assert_eq!(found.get(name).map(String::as_str), Some(MARK), "{mode}: {name}");
    }
    for name in ["TMUX", "TMUX_PANE"] {
        assert_ne!(found.get(name).map(String::as_str), Some(MARK), "{mode}: {name}");
    }
    let state_dir = team.home.state_dir();
    for (name, value) in
        [("ORCH_INSTANCE", "executor-1"), ("ORCH_ROLE", "executor"), ("ORCH_STATE_DIR", state_dir.to_str().unwrap())]
    {
        assert_eq!(found.get(name).map(String::as_str), Some(value), "{mode}: {name}");
    }
}

#[test]
fn a_session_of_one_task_knows_itself_and_nothing_of_the_session_around_its_launch() {
    knows_itself_and_nothing_of_the_session_around("task");
}

#[test]
fn a_session_that_stays_knows_itself_and_nothing_of_the_session_around_its_launch() {
    knows_itself_and_nothing_of_the_session_around("long");
}

#[test]
fn a_session_in_a_terminal_knows_itself_and_nothing_of_the_session_around_its_launch() {
    if has_tmux("the surroundings of a session in a terminal") {
        knows_itself_and_nothing_of_the_session_around("terminal");
    }
}
