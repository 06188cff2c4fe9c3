//! The documents keep pace with the code: what they name is there.

use std::path::Path;

fn document(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// The words of a text that stand in backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The names of all tests, as the harness of this very binary lists them.
fn tests() -> Vec<String> {
    let listed = std::process::Command::new(std::env::current_exe().unwrap()).arg("--list").output().unwrap();
    let names = String::from_utf8(listed.stdout).unwrap();
    names.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned).collect()
}

#[test]
fn every_test_that_a_guarantee_names_exists() {
    let tests = tests();
    let document = document("GUARANTEES.md");
    let named: Vec<_> = quoted(&document).filter(|word| word.contains("::")).collect();
    assert!(named.len() > 20, "{named:?}");
    for name in named {
        assert!(tests.iter().any(|test| test.contains(name)), "there is no test `{name}`");
    }
}

#[test]
fn every_module_that_the_code_map_names_exists() {
    let architecture = document("ARCHITECTURE.md");
    let map = architecture.split("## Code map").nth(1).unwrap().split("### ").next().unwrap();
    for row in map.lines().filter(|line| line.starts_with("| `")) {
        let module = quoted(row).next().unwrap();
        let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(module);
        assert!(src.is_dir() || src.with_extension("rs").is_file(), "there is no `{module}`");
    }
}
