//! The registry of older tools goes in and comes out, and nothing else of orch.toml changes by it.

use crate::repos::world::World;
use crate::repos::world::each;
use serde_json::Value;
use serde_json::json;
use std::fs;

/// As the older tool keeps it, with what it writes where it knows nothing.
const REPOS: &str = r#"{
  "repositories": [
    {
      "name": "api",
      "platform": "gitlab",
      "remote": "git@gitlab.example:team/api.git",
      "local": "~/src/api",
      "default_branch": "develop",
      "language": "go",
      "has_claude_md": true,
      "tags": ["backend", "core"],
      "description": "The \"public\" API"
    },
    {
      "name": "web",
      "platform": "github",
      "remote": "https://github.com/team/web.git",
      "local": "~/src/web",
      "default_branch": "main",
      "language": "javascript",
      "has_claude_md": false,
      "tags": [],
      "description": ""
    },
    {
      "name": "attic",
      "local": "../attic",
      "language": "unknown",
      "has_claude_md": false,
      "tags": [],
      "description": null
    }
  ]
}
"#;

const WORKFLOWS: &str = r#"{
  "workflows": [
    {
      "name": "test",
      "description": "All tests",
      "minutes": 30,
      "commands": {
        "go": "go test ./...",
        "javascript": ["npm", "run", "test:ci"],
        "any": {"shell": "make test | tail"}
      }
    },
    {
      "name": "review",
      "tags": ["core"],
      "commands": {"any": "git -C {{local}} log origin/{{default_branch}}.."}
    }
  ]
}
"#;

fn with_files() -> World {
    let world = World::new();
    fs::write(world.home.path("work/repos.json"), REPOS).unwrap();
    fs::write(world.home.path("work/workflows.json"), WORKFLOWS).unwrap();
    world
}

fn import(world: &World, words: &[&str]) -> Value {
    world.run(&[&["repos", "import"], words].concat()).expect(0).data()
}

#[test]
fn an_import_is_read_as_a_person_would_have_written_it_and_a_second_one_changes_nothing() {
    let world = with_files();
    let mine = "# mine\n[land]   # spaced\ncheck = \"x\"\n";
    world.write_settings(mine);
    let shown = import(&world, &["repos.json", "workflows.json", "--dry-run"]);
    assert_eq!(world.settings(), mine, "to look changes nothing");
    let done = import(&world, &["repos.json", "workflows.json"]);
    assert_eq!(done["diff"], shown["diff"]);
    let added = ["api", "web", "attic", "test", "review"].map(|name| (name, json!("added")));
    assert_eq!(
        (each(&shown["changes"], "outcome"), each(&done["changes"], "outcome")),
        (added.to_vec(), added.to_vec())
    );
    let wanted = r#"
[repos.api]
path = "~/src/api"
remote = "git@gitlab.example:team/api.git"
platform = "gitlab"
default_branch = "develop"
language = "go"
has_claude_md = true
tags = ["backend", "core"]
description = "The \"public\" API"

[repos.web]
path = "~/src/web"
remote = "https://github.com/team/web.git"
platform = "github"
default_branch = "main"
language = "javascript"

[repos.attic]
path = "../attic"
language = "unknown"

[workflows.test]
description = "All tests"
minutes = 30
commands.go = "go test ./..."
commands.javascript = ["npm", "run", "test:ci"]
commands.any = { shell = "make test | tail" }

[workflows.review]
tags = ["core"]
commands.any = "git -C {{local}} log origin/{{default_branch}}.."
"#;
    assert_eq!(world.settings(), format!("{mine}{wanted}"));
    let again = import(&world, &["repos.json", "workflows.json"]);
    assert!(again["changes"].as_array().unwrap().iter().all(|change| change["outcome"] == "unchanged"), "{again}");
    assert_eq!((again["diff"].as_str(), world.settings()), (Some(""), format!("{mine}{wanted}")));
    let said = world.run(&["repos", "import", "repos.json", "--format", "table"]).expect(0).out;
    assert!(said.starts_with("nothing changes in "), "{said}");
}

#[test]
fn only_what_differs_is_changed_where_it_stands() {
    let world = with_files();
    let mine = "[repos.api]   # ours\npath = '~/src/api' # here\nlanguage = \"rust\"  # not yet\nnotes = \"mind the gap\"\n\n[land]\n";
    world.write_settings(mine);
    let told = import(&world, &["repos.json", "--dry-run"]);
    assert_eq!(told["changes"][0]["outcome"], "changed");
    let diff = told["diff"].as_str().unwrap();
    assert!(diff.starts_with("-language = \"rust\"  # not yet\n+language = \"go\"  # not yet\n"), "{diff}");
    import(&world, &["repos.json"]);
    let begins = "[repos.api]   # ours\npath = '~/src/api' # here\nlanguage = \"go\"  # not yet\nnotes = \"mind the gap\"\n\
        remote = \"git@gitlab.example:team/api.git\"\nplatform = \"gitlab\"\n";
    assert!(world.settings().starts_with(begins), "{}", world.settings());
    assert!(world.settings().contains("\n\n[land]\n\n[repos.web]\n"), "{}", world.settings());
}

#[test]
fn what_was_exported_and_imported_is_exported_byte_by_byte_the_same() {
    let world = with_files();
    import(&world, &["repos.json", "workflows.json"]);
    let more = "\n[repos.own]\npath = \"/x\"\nnotes = [\"first\", \"second \\u00e9\"]\nsequential = [\"test\"]\npush = \"allow\"\nforbidden = [\"make reset\"]\ncommands.test = \"make test\"\n";
    world.write_settings(&format!("{}{more}", world.settings()));
    let export = |words: &[&str]| world.run(&[&["repos", "export"], words].concat()).expect(0).out;
    let (repos, workflows) = (export(&[]), export(&["--workflows"]));
    let expected: Value = serde_json::from_str(REPOS).unwrap();
    let exported: Value = serde_json::from_str(&repos).unwrap();
    assert_eq!(exported["repositories"][0], expected["repositories"][0], "in the documented form");
    assert_eq!(serde_json::from_str::<Value>(&workflows).unwrap(), serde_json::from_str::<Value>(WORKFLOWS).unwrap());
    fs::write(world.home.path("work/one.json"), &repos).unwrap();
    fs::write(world.home.path("work/two.json"), &workflows).unwrap();
    let before = world.settings();
    import(&world, &["one.json", "two.json"]);
    assert_eq!(world.settings(), before);
    fs::remove_file(world.home.path("work/orch.toml")).unwrap();
    import(&world, &["two.json", "one.json"]);
    assert_eq!((export(&[]), export(&["--workflows"])), (repos, workflows));
}

#[test]
fn a_malformed_file_is_named_with_its_line_and_nothing_is_imported() {
    let world = with_files();
    let with = |text: &str, new: &str| REPOS.replacen(text, new, 1);
    let same = r#"{"repositories": [{"name": "a", "local": "x"}, {"name": "a", "local": "y"}]}"#;
    for (text, message) in [
        (with("\"go\",", "\"go\""), "line 10: this is no JSON: column 7: `\"`, where `,` or `}` should be"),
        (
            with("[\"backend\", \"core\"]", "[\"backend\", 5]"),
            "line 11: an item of `tags` is the number 5, wanted one word",
        ),
        (with("\"tags\"", "\"tag\""), "line 11: a repository has no key `tag`"),
        (with("true", "\"yes\""), "line 10: `has_claude_md` is the text `yes`, wanted true or false"),
        (with("\"local\": \"~/src/api\"", "\"path\": \"~/src/api\""), "line 7: a repository has no key `path`"),
        (with("\"local\": \"~/src/api\",", ""), "line 3: `local` of the repository `api` is missing"),
        (with("\"name\": \"api\"", "\"name\": \"../api\""), "line 3: `../api` is no name for a repository"),
        (with("      \"name\": \"api\",\n", ""), "line 3: `name` is missing"),
        (with("\"develop\"", "\"-d\""), "line 8: `default_branch` is the text `-d`, wanted the name of a branch"),
        (with("\"repositories\"", "\"repos\""), "line 2: such a file has no key `repos`"),
        ("[]".to_owned(), "line 1: found a list, wanted `{\"repositories\": […]}` or"),
        ("{}".to_owned(), "line 1: found nothing, wanted"),
        ("{\"repositories\": {}}".to_owned(), "line 1: `repositories` is a table, wanted a list"),
        ("{\"repositories\": [\n5]}".to_owned(), "line 2: an item of `repositories` is the number 5, wanted an object"),
        (same.to_owned(), "line 1: `a` stands here for the second time, the first is bad.json line 1"),
        (WORKFLOWS.replace("go test ./...", "go test | tail"), "line 8: `go` has `|`, which only a shell understands"),
        (WORKFLOWS.replace("{{local}}", "{{locale}}"), "line 16: column 8: `{{locale}}` is none of the names"),
        (WORKFLOWS.replace("\"minutes\": 30", "\"minutes\": 0"), "line 6: `minutes` is the number 0, wanted"),
        (String::new(), "line 1: this is no JSON: column 1: the end of the file, where"),
    ] {
        fs::write(world.home.path("work/bad.json"), &text).unwrap();
        // A good one beside it changes nothing of that.
        let error = world.run(&["repos", "import", "workflows.json", "bad.json"]).expect(2).error();
        let found = error["message"].as_str().unwrap();
        assert!(found.starts_with(&format!("bad.json {message}")), "{found}\nwanted: {message}");
        assert!(!world.home.path("work/orch.toml").exists());
    }
    let error = world.run(&["repos", "import", "none.json"]).expect(3).error();
    assert_eq!(error["message"], "there is no file `none.json`");
    // What each file says may be good by itself.
    fs::write(
        world.home.path("work/bad.json"),
        with("\"description\": \"The", "\"sequential\": [\"tset\"], \"description\": \"The"),
    )
    .unwrap();
    let error = world.run(&["repos", "import", "bad.json"]).expect(2).error();
    assert!(error["message"].as_str().unwrap().starts_with("bad.json line 12: `sequential` of `api` names"), "{error}");
    assert!(!world.home.path("work/orch.toml").exists());
}

/// What stands in orch.toml runs past all permissions.
#[test]
fn a_worker_imports_nothing() {
    let world = with_files();
    let mut program = world.program(&["repos", "import", "repos.json"]);
    program.env("ORCH_RUN", "/run");
    crate::support::program::finish(&mut program, "").expect(8);
    assert!(!world.home.path("work/orch.toml").exists());
}

#[test]
fn repositories_alone_that_name_a_workflow_are_refused_with_the_file_that_has_it() {
    let world = with_files();
    let repos = "{\"repositories\": [\n{\"name\": \"own\", \"local\": \"/x\",\n\"sequential\": [\"test\"]}]}";
    fs::write(world.home.path("work/own.json"), repos).unwrap();
    let error = world.run(&["repos", "import", "own.json"]).expect(2).error();
    let message = error["message"].as_str().unwrap();
    assert!(message.starts_with("own.json line 3: `sequential` of `own` names the workflow `test`"), "{error}");
    assert!(error["hint"].as_str().unwrap().contains("workflows.json"), "{error}");
    import(&world, &["own.json", "workflows.json"]);
    import(&world, &["own.json"]);
}
