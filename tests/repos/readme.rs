//! What README shows of many repositories goes as it stands there.

use crate::repos::world::World;
use crate::support::program::PROGRAM;
use crate::support::program::finish;
use std::fs;
use std::path::Path;

fn block(language: &str) -> String {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let section = readme.split("\n## Many repositories\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let block = section.split(&format!("```{language}\n")).nth(1).unwrap();
    block.split("\n```").next().unwrap().to_owned()
}

#[test]
fn every_command_of_the_section_goes_over_what_it_shows_of_orch_toml() {
    let world = World::new();
    world.clone_of("api");
    world.clone_of("web");
    world.tool("golangci-lint", "echo fine\n");
    world.tool("orch-mcp", &format!("exec {PROGRAM} \"$@\"\n"));
    world.write_settings(&block("toml"));
    let commands = block("sh");
    for line in commands.lines() {
        let mut shell = std::process::Command::new("/bin/sh");
        let like = world.program(&[]);
        shell.args(["-c", line]).env_clear().current_dir(world.home.path("work"));
        shell.envs(like.get_envs().filter_map(|(name, value)| Some((name, value?))));
        finish(&mut shell, "").expect(0);
    }
    assert!(commands.lines().count() >= 8, "{commands}");
}
