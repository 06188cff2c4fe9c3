//! The fences between the layers, read off the sources: who may name whom, and what only one place may do.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::path::PathBuf;

/// Beyond this a file tells more than one story. Its unit tests, which stand at its end, are not counted.
const LINES_MAX: usize = 600;

struct Source {
    /// From the root of the package: `src/ops/task/push.rs`.
    path: String,
    lines: Vec<String>,
    /// Where the unit tests begin.
    tests_at: usize,
}

impl Source {
    fn new(path: &str, text: &str) -> Source {
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let opens_tests =
            |pair: &[String]| pair[0].trim() == "#[cfg(test)]" && pair[1].trim_start().starts_with("mod ");
        let tests_at = lines.windows(2).position(opens_tests).unwrap_or(lines.len());
        Source { path: path.to_owned(), lines, tests_at }
    }

    /// `crate`, then the modules down to this file: `["crate", "ops", "task", "push"]`.
    fn module(&self) -> Vec<&str> {
        let path = self.path.strip_suffix(".rs").expect("only such files are read");
        let path = path.strip_suffix("/mod").unwrap_or(path);
        let mut module: Vec<&str> = path.split('/').collect();
        module[0] = "crate";
        module
    }

    /// Numbered lines without comments.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        self.lines.iter().enumerate().map(|(at, line)| (at + 1, line.split("//").next().unwrap_or_default()))
    }

    fn code_without_tests(&self) -> impl Iterator<Item = (usize, &str)> {
        self.code().take(self.tests_at)
    }

    /// The modules that this file declares, in its order.
    fn declared(&self) -> Vec<&str> {
        let words = |line| str::split_whitespace(line).collect::<Vec<_>>();
        let of_line = |(_, line)| match words(line).as_slice() {
            ["mod", name] | ["pub" | "pub(crate)" | "pub(super)", "mod", name] | ["pub(in", _, "mod", name] => {
                name.strip_suffix(';')
            }
            _ => None,
        };
        self.code().filter_map(of_line).collect()
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sources(below: &str) -> Vec<Source> {
    let mut found = Vec::new();
    let mut dirs = vec![root().join(below)];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                dirs.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let from_root = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
                found.push(Source::new(&from_root, &fs::read_to_string(&path).unwrap()));
            }
        }
    }
    assert!(!found.is_empty(), "nothing is read from `{below}`");
    found
}

fn one<'a>(sources: &'a [Source], path: &str) -> &'a Source {
    sources.iter().find(|source| source.path == path).unwrap_or_else(|| panic!("no `{path}`"))
}

/// What stands after each `prefix` in a line that is a path of its own, as far as it is a name.
fn names_after<'a>(line: &'a str, prefix: &str) -> Vec<&'a str> {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let begins = |at: usize| !line[..at].ends_with(|c| is_name(c) || c == ':');
    let name = |at: usize| {
        let rest = &line[at + prefix.len()..];
        &rest[..rest.find(|c| !is_name(c)).unwrap_or(rest.len())]
    };
    line.match_indices(prefix).filter(|(at, _)| begins(*at)).map(|(at, _)| name(at)).collect()
}

/// Every name after `prefix` must stand in `order`, no later than the file's own module, which is at `depth`.
fn breaches_of_order(sources: &[Source], prefix: &str, depth: usize, order: &[&str]) -> Vec<String> {
    let place = |name: &str| order.iter().position(|listed| *listed == name);
    let mut breaches = Vec::new();
    for source in sources {
        let module = source.module();
        let Some(own) = module.get(depth) else { continue };
        let own_place = place(own).unwrap_or_else(|| panic!("`{own}` is not in the list"));
        for (number, line) in source.code() {
            for name in names_after(line, prefix) {
                if place(name).is_none_or(|named| named > own_place) {
                    breaches.push(format!("{}:{number}: `{own}` may not name `{prefix}{name}`", source.path));
                }
            }
        }
    }
    breaches
}

/// `super` out of a top-level module would name a layer without saying which.
fn breaches_by_super(sources: &[Source]) -> Vec<String> {
    let mut breaches = Vec::new();
    for source in sources {
        let depth = source.module().len() - 1;
        for (number, line) in source.code() {
            let in_tests = usize::from(number > source.tests_at);
            if line.contains(&"super::".repeat(depth + in_tests)) {
                breaches.push(format!("{}:{number}: `super` leads to the root of the crate", source.path));
            }
        }
    }
    breaches
}

/// What only some files may say. A trailing `/` allows a folder.
const FENCES: &[(&[&str], &[&str])] = &[
    (&["rusqlite"], &["src/store/sqlite/"]),
    (&["sqlite::", "SqliteStore"], &["src/store/sqlite/", "src/store/open.rs"]),
    (&["mod sqlite"], &["src/store/mod.rs"]),
    (&["rmcp"], &["src/mcp/"]),
    (&["env::"], &["src/config/", "src/main.rs"]),
    (
        &["Instant::now", "SystemTime::now", "Timestamp::now", "Zoned::now", "clock_gettime", ".elapsed()"],
        &["src/host.rs"],
    ),
    (&["print!", "println!", "dbg!"], &[]),
    (&["new(\"git\")"], &["src/repo/git.rs"]),
    (&["new(\"tmux\")"], &["src/launch/tmux.rs"]),
    // Nothing of anybody's is overruled or sent away, and only the rules against that name it.
    (&["\"--force\"", "\"-f\"", "\"-D\"", "\"push\""], &["src/model/safety/"]),
    (&["stdout()", "stderr()"], &["src/cli/print.rs", "src/mcp/wire.rs", "src/main.rs"]),
];

fn breaches_of_fences(sources: &[Source]) -> Vec<String> {
    let mut breaches = Vec::new();
    for (words, allowed) in FENCES {
        let is_allowed =
            |path: &str| allowed.iter().any(|fence| path == *fence || fence.ends_with('/') && path.starts_with(fence));
        for source in sources.iter().filter(|source| !is_allowed(&source.path)) {
            for (number, line) in source.code_without_tests() {
                for word in words.iter().filter(|word| line.contains(**word)) {
                    breaches.push(format!("{}:{number}: `{word}` belongs into {allowed:?}", source.path));
                }
            }
        }
    }
    breaches
}

/// The files that are compiled when the compiler begins at `roots`.
fn reached(sources: &[Source], roots: &[&str]) -> BTreeSet<String> {
    let mut reached = BTreeSet::new();
    let mut open: Vec<String> = roots.iter().map(|root| (*root).to_owned()).collect();
    while let Some(path) = open.pop() {
        let source = one(sources, &path);
        let file = Path::new(&path);
        let is_root = roots.contains(&path.as_str());
        let below = if is_root || file.ends_with("mod.rs") {
            file.parent().unwrap().to_owned()
        } else {
            file.with_extension("")
        };
        for name in source.declared() {
            let candidates = [below.join(format!("{name}.rs")), below.join(name).join("mod.rs")];
            let there = |path: &&PathBuf| sources.iter().any(|source| Path::new(&source.path) == path.as_path());
            let found =
                candidates.iter().find(there).unwrap_or_else(|| panic!("{path} declares `{name}`, which is nowhere"));
            open.push(found.to_str().unwrap().to_owned());
        }
        reached.insert(path);
    }
    reached
}

#[track_caller]
fn none(breaches: Vec<String>) {
    assert!(breaches.is_empty(), "\n{}\n", breaches.join("\n"));
}

#[test]
fn a_file_names_only_modules_listed_above_its_own() {
    let all = sources("src");
    let lib = one(&all, "src/lib.rs");
    let order = lib.declared();
    let inside: Vec<Source> =
        sources("src").into_iter().filter(|file| !["src/lib.rs", "src/main.rs"].contains(&&*file.path)).collect();
    none(breaches_of_order(&inside, "crate::", 1, &order));
    none(breaches_by_super(&inside));
}

#[test]
fn the_model_obeys_the_order_of_its_own_list() {
    let model = sources("src/model");
    none(breaches_of_order(&model, "crate::model::", 2, &one(&model, "src/model/mod.rs").declared()));
}

#[test]
fn databases_protocols_clocks_environment_and_output_stay_behind_their_fences() {
    none(breaches_of_fences(&sources("src")));
}

#[test]
fn every_source_is_compiled() {
    for (below, roots) in [("tests", &["tests/main.rs"][..]), ("src", &["src/lib.rs", "src/main.rs"])] {
        let sources = sources(below);
        let reached = reached(&sources, roots);
        none(
            sources
                .iter()
                .filter(|file| !reached.contains(&file.path))
                .map(|file| format!("{} is in no module", file.path))
                .collect(),
        );
    }
}

#[test]
fn every_source_says_in_its_first_line_what_it_is_for() {
    let silent = |file: &Source| !file.lines.first().is_some_and(|line| line.starts_with("//! ") && line.len() > 10);
    let all = sources("src").into_iter().chain(sources("tests"));
    none(all.filter(silent).map(|file| format!("{} does not say what it is for", file.path)).collect());
}

#[test]
fn no_source_is_too_long_to_read() {
    let long = |file: &Source| file.tests_at > LINES_MAX;
    none(
        sources("src")
            .into_iter()
            .filter(long)
            .map(|file| format!("{} has {} lines", file.path, file.tests_at))
            .collect(),
    );
}

#[test]
fn nothing_is_left_unfinished() {
    // Put together here, so that this file does not hold them.
    let marks = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("unimpl", "emented!"),
        concat!("to", "do!("),
        // With a reason it may stand: a test that is another test's process.
        concat!("#[ign", "ore]"),
    ];
    let mut breaches = Vec::new();
    for file in sources("src").into_iter().chain(sources("tests")).chain(sources("benches")) {
        for (at, line) in file.lines.iter().enumerate() {
            breaches.extend(
                marks
                    .iter()
                    .filter(|mark| line.contains(**mark))
                    .map(|mark| format!("{}:{}: {mark}", file.path, at + 1)),
            );
        }
    }
    none(breaches);
}

#[test]
fn a_breach_is_seen() {
    let order = ["error", "store", "ops"];
    let seen = |path: &str, line: &str| {
        let file = [Source::new(path, line)];
        let mut breaches = breaches_of_order(&file, "crate::", 1, &order);
        breaches.extend(breaches_by_super(&file));
        breaches.extend(breaches_of_fences(&file));
        !breaches.is_empty()
    };
    for (path, line, is_breach) in [
        ("src/store/open.rs", "use crate::error::Error;", false),
        ("src/store/open.rs", "// crate::ops is told what to do", false),
        ("src/store/open.rs", "use crate::ops::Caller;", true),
        ("src/store/mod.rs", "    crate::ops::table::find(crate::error::NAME)", true),
        ("src/store/mod.rs", "use crate::{error, ops};", true),
        ("src/store/mod.rs", "use super::error::Error;", true),
        ("src/store/place.rs", "use super::Tx;", false),
        ("src/store/place.rs", "use super::super::error::Error;", true),
        ("src/ops/check.rs", "use rusqlite::Connection;", true),
        ("src/ops/check.rs", "let store = crate::store::sqlite::open();", true),
        ("src/ops/check.rs", "let start = Instant::now();", true),
        ("src/ops/check.rs", "let name = std::env::var(\"X\");", true),
        ("src/ops/check.rs", "println!(\"x\");", true),
        ("src/ops/check.rs", "#[cfg(test)]\nmod tests {\n    println!(\"x\");", false),
    ] {
        assert_eq!(seen(path, line), is_breach, "{path}: {line}");
    }
}
