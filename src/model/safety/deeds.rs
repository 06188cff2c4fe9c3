//! What a program does that is called with these words, as far as the rules ask.

use crate::model::safety::git;
use crate::model::safety::shell::Word;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    Pushes,
    /// Overwrites or deletes a branch elsewhere; nobody can tell which.
    Forces(Option<String>),
    /// Deletes it or moves it away.
    Removes {
        path: Word,
        with_all: bool,
    },
    Overwrites(Word),
    Destroys(&'static str),
    /// It runs what is not known here.
    RunsUnknown,
}

const DIRECTORIES: &str = "deletes directories with all that is in them";
const OF_A_DATABASE: &str = "deletes what is in a database";
const OF_A_CLUSTER: &str = "deletes what runs elsewhere";

/// What tools make anew whenever it is gone.
const MADE_ANEW: [&str; 15] = [
    "target",
    "node_modules",
    "dist",
    "coverage",
    "htmlcov",
    "__pycache__",
    ".pytest_cache",
    ".mypy_cache",
    ".ruff_cache",
    ".cache",
    ".next",
    ".nuxt",
    ".turbo",
    ".parcel-cache",
    ".tox",
];

const DATABASES: [&str; 13] = [
    "psql",
    "sqlite3",
    "sqlite",
    "mysql",
    "mariadb",
    "duckdb",
    "clickhouse-client",
    "clickhouse",
    "sqlcmd",
    "cockroach",
    "usql",
    "pgcli",
    "mycli",
];

/// Short options may stand together behind one dash.
pub(super) fn flag(words: &[Word], letter: char) -> bool {
    options(words).any(|text| {
        text.strip_prefix('-').is_some_and(|letters| {
            !letters.starts_with('-') && letters.chars().take_while(|c| *c != '=').any(|c| c == letter)
        })
    })
}

pub(super) fn has(words: &[Word], names: &[&str]) -> bool {
    options(words).any(|text| names.contains(&text.split('=').next().unwrap_or_default()))
}

fn options(words: &[Word]) -> impl Iterator<Item = &str> {
    words.iter().map(|word| word.text.as_str()).take_while(|text| *text != "--").filter(|text| text.starts_with('-'))
}

/// What is no option, and no value of one.
pub(super) fn operands<'a>(words: &'a [Word], with_value: &[&str]) -> Vec<&'a Word> {
    let mut found = Vec::new();
    let mut all = words.iter();
    while let Some(word) = all.next() {
        let text = word.text.as_str();
        if text == "--" {
            found.extend(all);
            break;
        }
        if with_value.contains(&text) {
            all.next();
        } else if !text.starts_with('-') || text == "-" {
            found.push(word);
        }
    }
    found
}

/// Does it name all there is?
pub(super) fn is_all(path: &str) -> bool {
    ["*", ".", "./", "..", "../", "/", "~", "~/", ":/", ".*", "./*", "/*", "~/*"].contains(&path)
}

/// Nobody misses it: a tool makes it anew, or it lies where nothing is meant to last.
fn is_spare(word: &Word) -> bool {
    let path = word.text.trim_end_matches('/');
    let is_plain =
        !word.is_open && !path.contains(['*', '?', '[', '{', '$']) && !path.split('/').any(|name| name == "..");
    let below_temporary = ["/tmp/", "/var/tmp/"].iter().any(|top| path.starts_with(top));
    let name = path.rsplit('/').next().unwrap_or_default();
    is_plain && (below_temporary || MADE_ANEW.contains(&name))
}

fn destroys(is_it: bool, because: &'static str) -> Vec<Deed> {
    Vec::from_iter(is_it.then_some(Deed::Destroys(because)))
}

fn overwrites(words: Vec<&Word>) -> Vec<Deed> {
    words.into_iter().map(|word| Deed::Overwrites(word.clone())).collect()
}

/// `name` is that of the program, `input` what it is given to read.
pub(super) fn deeds(name: &str, words: &[Word], input: Option<&str>) -> Vec<Deed> {
    let first = words.first().map(|word| word.text.as_str()).unwrap_or_default();
    let second = words.get(1).map(|word| word.text.as_str()).unwrap_or_default();
    match name {
        "rm" | "del" | "erase" | "rd" | "ri" | "Remove-Item" => remove(words),
        "rmdir" | "unlink" => removed(operands(words, &[]), false),
        "shred" | "srm" => {
            [removed(operands(words, &["-n", "-s"]), false), destroys(true, "destroys files for good")].concat()
        }
        "truncate" => {
            let files = operands(words, &["-s", "--size", "-r", "--reference"]);
            let is_spare = files.iter().all(|file| is_spare(file));
            [overwrites(files), destroys(!is_spare, "cuts files off")].concat()
        }
        "dd" => {
            let to = words.iter().find_map(|word| {
                word.text.strip_prefix("of=").map(|path| Word { text: path.to_owned(), ..word.clone() })
            });
            let Some(to) = to.filter(|to| to.text != "/dev/null") else { return Vec::new() };
            let because = destroys(!is_spare(&to), "writes over a file or a disk");
            [vec![Deed::Overwrites(to)], because].concat()
        }
        "wipefs" | "blkdiscard" | "mke2fs" | "mkswap" => destroys(true, "destroys what is on a disk"),
        name if name == "mkfs" || name.starts_with("mkfs.") => destroys(true, "destroys what is on a disk"),
        "mv" if !flag(words, 'n') && !has(words, &["--no-clobber"]) => {
            let mut files = operands(words, &["-t", "--target-directory", "-S", "--suffix"]);
            let mut deeds = Vec::new();
            if let Some(to) = target(words).or_else(|| files.pop().cloned()) {
                deeds.push(Deed::Overwrites(to));
            }
            [removed(files, true), deeds].concat()
        }
        "mv" => removed(operands(words, &[]).into_iter().rev().skip(1).collect(), true),
        "cp" | "install" | "scp" if !flag(words, 'n') && !has(words, &["--no-clobber"]) => {
            let to = target(words).or_else(|| operands(words, &["-t", "-S", "-m", "-o", "-g", "-P"]).pop().cloned());
            to.map(Deed::Overwrites).into_iter().collect()
        }
        "ln" if flag(words, 'f') || has(words, &["--force"]) => {
            operands(words, &["-t", "-S"]).pop().cloned().map(Deed::Overwrites).into_iter().collect()
        }
        "rsync" => {
            let deletes = words.iter().any(|word| word.text.starts_with("--delete") || word.text == "--del");
            let is_dry = flag(words, 'n') || has(words, &["--dry-run"]);
            let to = operands(words, &["-e", "-f"]).pop().cloned().filter(|_| !is_dry);
            let written = to.filter(|_| deletes || !has(words, &["--ignore-existing"])).map(Deed::Overwrites);
            [written.into_iter().collect(), destroys(deletes && !is_dry, "deletes what the source does not have")]
                .concat()
        }
        "tee" if !flag(words, 'a') && !has(words, &["--append"]) => overwrites(operands(words, &[])),
        "sed" | "perl" | "ruby" if flag(words, 'i') || has(words, &["--in-place"]) => overwrites(operands(words, &[])),
        "curl" | "wget" | "sort" => {
            let names = if name == "wget" { &["-O", "--output-document"][..] } else { &["-o", "--output"] };
            let value = |at: usize| words.get(at + 1).filter(|_| names.contains(&words[at].text.as_str()));
            (0..words.len()).filter_map(value).map(|word| Deed::Overwrites(word.clone())).collect()
        }
        "chmod" | "chown" | "chgrp" if flag(words, 'R') || has(words, &["--recursive"]) => {
            let is_wide = |word: &Word| word.text.starts_with(['/', '~']) && word.text.matches('/').count() <= 1;
            destroys(operands(words, &[]).into_iter().any(is_wide), "changes who may use whole parts of the machine")
        }
        "crontab" => destroys(flag(words, 'r'), "deletes all that is to run by the clock"),
        name if DATABASES.contains(&name) => {
            let all = words.iter().map(|word| word.text.as_str()).chain(input);
            let mut deeds = destroys(all.into_iter().any(drops), OF_A_DATABASE);
            deeds.extend(words.iter().any(|word| word.is_open).then_some(Deed::RunsUnknown));
            deeds
        }
        "dropdb" | "dropuser" => destroys(true, OF_A_DATABASE),
        "redis-cli" | "valkey-cli" => {
            let all =
                words.iter().map(|word| word.text.as_str()).chain(input.into_iter().flat_map(str::split_whitespace));
            let is_it = |word: &str| ["flushall", "flushdb"].contains(&word.to_ascii_lowercase().as_str());
            destroys(all.into_iter().any(is_it), OF_A_DATABASE)
        }
        "mongo" | "mongosh" => {
            let is_it = |text: &str| ["dropDatabase", ".drop(", "deleteMany("].iter().any(|sign| text.contains(sign));
            destroys(words.iter().map(|word| word.text.as_str()).chain(input).any(is_it), OF_A_DATABASE)
        }
        "docker" | "podman" | "docker-compose" | "nerdctl" => containers(name, words),
        "terraform" | "tofu" | "terragrunt" | "pulumi" => {
            let named = operands(words, &["-s", "--stack", "-C", "--cwd"]);
            let is_it = named.iter().any(|word| word.text == "destroy")
                || has(words, &["-destroy", "--destroy"]) && !named.iter().any(|word| word.text == "plan");
            destroys(is_it, OF_A_CLUSTER)
        }
        "kubectl" | "oc" | "helm" => {
            let is_dry = words.iter().any(|word| word.text.starts_with("--dry-run"));
            let named = operands(words, &["-n", "--namespace", "--context", "--kubeconfig", "-f"]);
            let is_it =
                named.first().is_some_and(|word| ["delete", "drain", "uninstall"].contains(&word.text.as_str()));
            destroys(is_it && !is_dry, OF_A_CLUSTER)
        }
        "aws" | "gcloud" | "az" | "gsutil" | "doctl" | "flyctl" | "heroku" => {
            let is_it = |word: &Word| {
                let text = word.text.as_str();
                ["delete", "destroy", "rb", "purge", "apps:destroy", "pg:reset"].contains(&text)
                    || ["delete-", "terminate-"].iter().any(|begin| text.starts_with(begin))
            };
            let named = operands(words, &[]);
            let removes =
                named.iter().any(|word| word.text == "rm") && (flag(words, 'r') || has(words, &["--recursive"]));
            destroys(removes || named.into_iter().take(4).any(is_it), OF_A_CLUSTER)
        }
        "gh" | "glab" => destroys(second == "delete" || second == "archive", "deletes what others have, too"),
        "jj" | "hg" | "sl" => {
            Vec::from_iter((first == "push" || first == "git" && second == "push").then_some(Deed::Pushes))
        }
        "python" | "python3" | "node" | "bun" | "deno" | "php" => {
            let signs =
                ["rmtree", "os.remove", "os.unlink", "rmSync", "rmdirSync", "unlinkSync", "fs.rm(", "removedirs"];
            let is_it = |text: &str| signs.iter().any(|sign| text.contains(sign));
            destroys(words.iter().map(|word| word.text.as_str()).chain(input).any(is_it), "deletes files by a program")
        }
        _ => Vec::new(),
    }
}

/// Of git, which names its own command.
pub(super) fn of_git(command: &str, rest: &[Word]) -> Vec<Deed> {
    git::deeds(command, rest)
}

fn removed(paths: Vec<&Word>, with_all: bool) -> Vec<Deed> {
    paths.into_iter().map(|path| Deed::Removes { path: path.clone(), with_all }).collect()
}

fn target(words: &[Word]) -> Option<Word> {
    let at = words.iter().position(|word| word.text == "-t" || word.text == "--target-directory");
    let long = |word: &Word| word.text.strip_prefix("--target-directory=").map(Word::plain);
    at.and_then(|at| words.get(at + 1).cloned()).or_else(|| words.iter().find_map(long))
}

fn remove(words: &[Word]) -> Vec<Deed> {
    if has(words, &["--help", "--version"]) {
        return Vec::new();
    }
    let is_long = |text: &str| text.len() >= 4 && "--recursive".starts_with(text);
    let is_shell_of_power = |text: &str| text.len() >= 4 && "-recurse".starts_with(&text.to_ascii_lowercase());
    let is_recursive =
        flag(words, 'r') || flag(words, 'R') || options(words).any(|text| is_long(text) || is_shell_of_power(text));
    let paths = operands(words, &[]);
    let is_wide = paths.iter().any(|path| is_all(&path.text));
    // With no path at all, something else will name them.
    let is_spared = !paths.is_empty() && paths.iter().all(|path| is_spare(path));
    let because = if is_recursive { DIRECTORIES } else { "deletes all that is there" };
    [removed(paths, is_recursive), destroys(is_recursive && !is_spared || is_wide, because)].concat()
}

fn containers(name: &str, words: &[Word]) -> Vec<Deed> {
    let named = operands(words, &["-H", "--host", "--context", "-f", "--file", "-p", "--project-name", "-l"]);
    let words_of: Vec<&str> = named.iter().map(|word| word.text.as_str()).take(3).collect();
    let volumes = flag(words, 'v') || has(words, &["--volumes"]);
    let is_it = match words_of[..] {
        ["volume", "rm" | "remove" | "prune", ..] | ["system", "prune", ..] => true,
        ["compose", "down", ..] => volumes,
        ["down", ..] => volumes && name == "docker-compose",
        _ => false,
    };
    destroys(is_it, "deletes what containers keep")
}

/// Does it delete what is in a database? What stands in quotes is a value.
fn drops(sql: &str) -> bool {
    let pieces: Vec<&str> = sql.split('\'').collect();
    // With one too many, nobody can say which is which.
    let is_even = pieces.len() % 2 == 1;
    let bare: Vec<&str> =
        pieces.into_iter().enumerate().filter(|(at, _)| !is_even || at % 2 == 0).map(|(_, it)| it).collect();
    let bare = bare.join(" ").to_ascii_uppercase();
    bare.split(';').any(|statement| {
        let words: Vec<&str> =
            statement.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|word| !word.is_empty()).collect();
        let after = |word: &str, next: &[&str]| words.windows(2).any(|pair| pair[0] == word && next.contains(&pair[1]));
        after("DROP", &["TABLE", "DATABASE", "SCHEMA", "COLUMN", "OWNED", "TABLESPACE", "MATERIALIZED", "COLLECTION"])
            || words.first() == Some(&"TRUNCATE")
            || after("DELETE", &["FROM"]) && !words.contains(&"WHERE")
    })
}
