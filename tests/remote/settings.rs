//! What leads to a server elsewhere: addresses, tokens and where they are kept, and what says that something is wrong.

use crate::remote::team::Team;
use crate::remote::team::User;
use crate::remote::team::ok;
use crate::support::certificate::CERTIFICATE;
use crate::support::program::Home;
use crate::support::program::finish;
use serde_json::Value;
use std::fs;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o777
}

fn keep(path: &Path, token: &str, mode: u32) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, format!("{token}\n")).unwrap();
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn setting<'a>(settings: &'a Value, name: &str) -> &'a Value {
    settings["settings"].as_array().unwrap().iter().find(|one| one["name"] == name).unwrap_or(&Value::Null)
}

/// Somebody who has told nothing of a token.
fn without_token(home: &Home, url: &str, arguments: &[&str]) -> Command {
    let mut program = home.program_without_state_dir(arguments);
    program.env("ORCH_SERVER", url);
    program
}

#[test]
fn a_token_is_found_where_it_is_kept_and_never_shown() {
    let team = Team::new();
    let home = Home::new();
    let status = || without_token(&home, &team.url, &["server-status"]);
    let error = finish(&mut status(), "").expect(8).error();
    assert_eq!(error["code"], "unauthorized");
    let file = home.path(&format!(".config/orch-mcp/tokens/{}", team.address().replace(':', "_")));
    keep(&file, &team.token, 0o644);
    let error = finish(&mut status(), "").expect(8).error();
    assert!(error["hint"].as_str().unwrap().starts_with("chmod 600"), "{error}");
    keep(&file, &team.token, 0o600);
    ok(&mut status());
    let own = home.path("token");
    keep(&own, &team.token, 0o600);
    fs::remove_file(&file).unwrap();
    ok(status().arg("--token-file").arg(&own));
    ok(status().env("ORCH_TOKEN_FILE", &own));
    ok(status().env("ORCH_TOKEN", &team.token));
    // The flag goes over the environment.
    finish(status().env("ORCH_TOKEN", "wrong").arg("--token-file").arg(&own), "").expect(0);
    let wrong = finish(status().env("ORCH_TOKEN", "sesame"), "").expect(8);
    assert!(!wrong.err.contains("sesame") && wrong.err.contains("ORCH_TOKEN"), "{wrong:?}");
    let mut config = without_token(&home, &team.url, &["config"]);
    let shown = finish(config.env("ORCH_TOKEN", "sesame"), "").expect(0);
    assert!(!shown.out.contains("sesame"), "{shown:?}");
    let shown = shown.data();
    assert_eq!(setting(&shown, "token")["source"], "ORCH_TOKEN");
    assert_eq!(setting(&shown, "server")["value"], team.url);
    assert_eq!(setting(&shown, "server")["source"], "ORCH_SERVER");
}

#[test]
fn the_owner_on_the_same_machine_needs_no_token_of_their_own() {
    let team = Team::new();
    let through = |url: &str| {
        let mut program = team.home.program(&["server-status", "--server", url]);
        ok(&mut program)
    };
    assert_eq!(through(&team.url)["status"], "running");
    let socket = format!("unix:{}", team.home.state_dir().join("http.sock").display());
    assert_eq!(through(&socket)["status"], "running");
    // At the socket its user is enough.
    let home = Home::new();
    assert_eq!(ok(&mut without_token(&home, &socket, &["server-status"]))["status"], "running");
}

#[test]
fn what_is_wrong_with_an_address_is_said_before_anybody_is_called() {
    let home = Home::new();
    for (url, code) in [
        ("https://amy:sesame@127.0.0.1", 2),
        ("https://127.0.0.1/?token=sesame", 2),
        ("sesame", 2),
        ("http://team.invalid:3100", 8),
    ] {
        let ended = finish(&mut without_token(&home, url, &["server-status"]), "").expect(code);
        assert!(!ended.err.contains("sesame"), "{ended:?}");
    }
    let mut nobody = without_token(&home, "http://127.0.0.1:1", &["server-status"]);
    let error = finish(nobody.env("ORCH_TOKEN", "sesame"), "").expect(6).error();
    assert!(error["message"].as_str().unwrap().contains("http://127.0.0.1:1"), "{error}");
    assert!(!error.to_string().contains("sesame"), "{error}");
}

#[test]
fn a_state_directory_on_the_command_line_goes_over_a_server_in_the_environment() {
    let home = Home::new();
    let mut push = without_token(&home, "http://127.0.0.1:1", &["push-task", "Here"]);
    ok(push.arg("--state-dir").arg(home.path("state")));
    assert_eq!(home.ok(&["list-tasks"])["total"], 1);
}

#[test]
fn a_token_that_may_only_look_is_refused_what_it_may_not() {
    let team = Team::new();
    let token = team.home.ok(&["token", "create", "--role", "read"])["token"].clone();
    let token = token.as_str().map(str::to_owned).unwrap_or_else(|| panic!("no token: {token}"));
    let user = User::at(&team.url, &token);
    user.ok(&["list-tasks"]);
    assert_eq!(user.run(&["push-task", "Mine"]).expect(8).error()["code"], "forbidden");
}

#[test]
fn doctor_looks_at_the_server_instead_of_a_store() {
    let team = Team::new();
    let user = team.user();
    let verdict = |data: &Value, name: &str| {
        let checks = data["checks"].as_array().unwrap();
        checks.iter().find(|check| check["name"] == name).map_or(Value::Null, |check| check["verdict"].clone())
    };
    let found = user.ok(&["doctor"]);
    for name in ["server", "token", "version"] {
        assert_eq!(verdict(&found, name), "ok", "{found}");
    }
    assert_eq!(verdict(&found, "state directory"), Value::Null, "{found}");
    let wrong = User::at(&team.url, "wrong").run(&["doctor"]).expect(1).data();
    assert_eq!((verdict(&wrong, "server"), verdict(&wrong, "token")), ("ok".into(), "error".into()), "{wrong}");
    let open = user.home.path("open");
    keep(&open, &team.token, 0o644);
    let found = user.run(&["doctor", "--token-file", open.to_str().unwrap()]).expect(1).data();
    let token = found["checks"].as_array().unwrap().iter().find(|check| check["name"] == "token").unwrap();
    assert_eq!(token["fix"], format!("chmod 600 {}", open.display()));
    let nobody = User::at("http://127.0.0.1:1", "token").run(&["doctor"]).expect(1).data();
    assert_eq!(verdict(&nobody, "server"), "error", "{nobody}");
}

#[test]
fn what_is_listed_as_kept_here_is_what_is_written_here() {
    let team = Team::new();
    let user = team.user();
    let state = user.home.path(".local/state/orch-mcp");
    let listed = || {
        let told = user.ok(&["doctor", "--privacy"]);
        let kept = told["stored"].as_array().unwrap().iter();
        kept.filter(|kept| Path::new(kept["path"].as_str().unwrap()).starts_with(&state))
            .cloned()
            .collect::<Vec<Value>>()
    };
    user.ok(&["push-task", "There"]);
    assert_eq!(listed(), [] as [Value; 0]);
    let text = user.run(&["doctor", "--privacy", "--format", "table"]).expect(0).out;
    assert!(text.starts_with("Stored on this machine:\n") && text.contains(&team.url), "{text}");
    assert!(!text.contains("nowhere else") && !text.contains("doorbell"), "{text}");
    // What was kept before anybody named a server is still there.
    finish(user.program(&["push-task", "Here"]).env_remove("ORCH_SERVER"), "").expect(0);
    let kept = listed();
    assert!(kept.iter().any(|kept| kept["path"].as_str().unwrap().ends_with("/orch.db")), "{kept:?}");
    assert!(kept.iter().all(|kept| kept["exists"] == true), "{kept:?}");
}

#[test]
fn completion_offers_what_is_there() {
    let team = Team::new();
    team.home.ok(&["register-instance", "amelia"]);
    let offered = team.user().run(&["__complete", "zsh", "--", "orch-mcp", "get-instance", "ame"]).expect(0);
    assert!(offered.out.starts_with("amelia"), "{offered:?}");
}

#[test]
fn setup_writes_the_way_keeps_the_token_and_takes_both_away() {
    let team = Team::new();
    let home = Home::new();
    let token = home.path("token");
    keep(&token, &team.token, 0o600);
    let setup = |more: &[&str]| {
        let mut command = home.program_without_state_dir(&["setup", "claude-code"]);
        command.args(more);
        command
    };
    let kept = home.path(&format!(".config/orch-mcp/tokens/{}", team.address().replace(':', "_")));
    let given = ["--server", &team.url, "--token-file", token.to_str().unwrap()];
    finish(&mut setup(&[&given[..], &["--check"]].concat()), "").expect(4);
    finish(&mut setup(&[&given[..], &["--dry-run"]].concat()), "").expect(0);
    assert!(!home.path(".claude.json").exists() && !kept.exists());
    let done = finish(&mut setup(&given), "").expect(0);
    assert!(!done.out.contains(&team.token), "{done:?}");
    assert_eq!(done.data()["token"]["change"], "created");
    assert_eq!((mode(&kept), mode(kept.parent().unwrap())), (0o600, 0o700));
    assert_eq!(fs::read_to_string(&kept).unwrap().trim(), team.token);
    let client = fs::read_to_string(home.path(".claude.json")).unwrap();
    let settings = fs::read_to_string(home.path("work/.claude/settings.local.json")).unwrap();
    for text in [&client, &settings] {
        assert!(text.contains(&team.url) && !text.contains(&team.token), "{text}");
    }
    assert_eq!(settings.matches(&team.url).count(), settings.matches("\"hook\"").count(), "{settings}");
    // What was said then need not be said again.
    finish(&mut setup(&["--check"]), "").expect(0);
    let again = finish(&mut setup(&[]), "").expect(0).data();
    assert_eq!(again["token"]["change"], "unchanged", "{again}");
    // Another scope needs it too.
    finish(&mut setup(&[&given[..], &["--scope", "user"]].concat()), "").expect(0);
    finish(&mut setup(&["--undo"]), "").expect(0);
    assert!(kept.exists());
    let undone = finish(&mut setup(&["--undo", "--scope", "user"]), "").expect(0).data();
    assert_eq!(undone["token"]["change"], "removed", "{undone}");
    assert!(!home.path(".config/orch-mcp").exists());
    // What is missing is found.
    finish(&mut setup(&given), "").expect(0);
    fs::remove_file(&kept).unwrap();
    assert_eq!(
        finish(&mut setup(&["--check", "--server", "https://team.invalid"]), "").expect(4).data()["token"]["change"],
        "missing"
    );
    finish(&mut setup(&["--undo"]), "").expect(0);
}

/// Else one looks at an empty store here, and wonders where the team is.
#[test]
fn a_shell_is_told_how_to_ask_where_the_sessions_do() {
    let team = Team::new();
    let home = Home::new();
    let token = home.path("token");
    keep(&token, &team.token, 0o600);
    let ca = home.path("some ca.pem");
    fs::copy(CERTIFICATE, &ca).unwrap();
    let way = ["--server", &team.url, "--ca", ca.to_str().unwrap()];
    let run = |arguments: &[&str]| finish(&mut home.program_without_state_dir(arguments), "");
    let setup = ["setup", "claude-code", "--format", "table", "--token-file", token.to_str().unwrap()];
    let refused = run(&[&setup[..], &["--server", &team.url, "--ca", "none.pem"]].concat()).expect(2);
    assert!(refused.err.contains("/none.pem` cannot be read"), "{refused:?}");
    assert!(!home.path(".claude.json").exists());
    let told = run(&[&setup[..], &way].concat()).expect(0).out;
    let export =
        format!("your own shell asks there too with: export ORCH_SERVER={} ORCH_CA='{}'", team.url, ca.display());
    assert!(told.contains(&export), "{told}");
    let team_of = |data: &Value| {
        data["checks"].as_array().unwrap().iter().find(|check| check["name"] == "team").cloned().unwrap_or(Value::Null)
    };
    let noted = team_of(&run(&["doctor"]).expect(0).data());
    assert_eq!(noted["verdict"], "note", "{noted}");
    assert!(noted["found"].as_str().unwrap().contains(&team.url), "{noted}");
    assert_eq!(noted["fix"], format!("orch-mcp doctor --server {} --ca '{}'", team.url, ca.display()));
    assert_eq!(team_of(&run(&[&["doctor"], &way[..]].concat()).expect(0).data()), Value::Null);
}

#[test]
fn the_example_of_a_client_that_speaks_http_itself_leads_to_a_server() {
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/mcp.http.example.json");
    let example: Value = serde_json::from_str(&fs::read_to_string(example).unwrap()).unwrap();
    let server = &example["mcpServers"]["orch-mcp"];
    assert_eq!((&server["type"], &server["url"]), (&"http".into(), &"http://127.0.0.1:3100/mcp".into()));
    let headers = &server["headers"];
    assert_eq!(headers["Authorization"], "Bearer ${ORCH_TOKEN}", "a token stands in no file of a project");
    assert!(headers["X-Instance-Name"].as_str().unwrap().starts_with("${ORCH_INSTANCE"), "{headers}");
}
