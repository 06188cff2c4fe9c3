//! What a program does that is called with these words, as far as the rules ask.

use crate::model::safety::elsewhere;
use crate::model::safety::git;
use crate::model::safety::ours;
use crate::model::safety::program::values_of;
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
    /// What is there stays, and more comes to it.
    Appends(Word),
    Destroys(&'static str),
    /// The same, unless nobody misses any of it.
    Wastes {
        paths: Vec<Word>,
        because: &'static str,
    },
    /// Changes what sessions are bound by, in files that it knows itself.
    Decides(&'static str),
    /// It runs what is not known here.
    RunsUnknown,
}

/// As many files of a patch as are looked at.
const PATCHED_MAX: usize = 256;

const DIRECTORIES: &str = "deletes directories with all that is in them";
const OF_A_DATABASE: &str = "deletes what is in a database";
const OF_A_CLUSTER: &str = "deletes what runs elsewhere";

/// What tools make anew whenever it is gone.
pub(super) const MADE_ANEW: [&str; 18] = [
    "target",
    "build",
    ".venv",
    "venv",
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

/// The same, where letters of `takes` have a value, which may stand right behind them.
pub(super) fn flag_before(words: &[Word], letter: char, takes: &str) -> bool {
    options(words).filter(|text| !text.starts_with("--")).any(|text| {
        let found = text.chars().skip(1).find(|c| *c == letter || takes.contains(*c));
        found == Some(letter)
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

/// A tool makes it anew, or it lies in what a tool makes.
pub(super) fn is_made_anew(path: &str) -> bool {
    let names: Vec<&str> = path.split('/').filter(|name| !name.is_empty()).collect();
    let Some(at) = names.iter().position(|name| MADE_ANEW.contains(name)) else { return false };
    let is_plain = |name: &&str| *name == "*" || !name.contains(['*', '?', '[', '{', '$']);
    names[..at].iter().all(is_plain) && !names.contains(&"..") && names.iter().all(|name| !name.contains('$'))
}

fn wastes(paths: Vec<&Word>, because: &'static str) -> Vec<Deed> {
    vec![Deed::Wastes { paths: paths.into_iter().cloned().collect(), because }]
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
        "trash" | "trash-put" => removed(operands(words, &[]), true),
        "rimraf" | "del-cli" => {
            let paths = operands(words, &[]);
            [removed(paths.clone(), true), wastes(paths, DIRECTORIES)].concat()
        }
        "rmdir" | "unlink" => removed(operands(words, &[]), false),
        "shred" | "srm" => {
            [removed(operands(words, &["-n", "-s"]), false), destroys(true, "destroys files for good")].concat()
        }
        "truncate" => {
            let files = operands(words, &["-s", "--size", "-r", "--reference"]);
            [overwrites(files.clone()), wastes(files, "cuts files off")].concat()
        }
        "dd" => {
            let to = words.iter().find_map(|word| {
                word.text.strip_prefix("of=").map(|path| Word { text: path.to_owned(), ..word.clone() })
            });
            let Some(to) = to.filter(|to| to.text != "/dev/null") else { return Vec::new() };
            let because = wastes(vec![&to], "writes over a file or a disk");
            [vec![Deed::Overwrites(to.clone())], because].concat()
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
        "mv" => {
            let mut files = operands(words, &[]);
            let made = files.pop().cloned().map(Deed::Appends);
            removed(files, true).into_iter().chain(made).collect()
        }
        // It makes directories.
        "install" if flag_before(words, 'd', "mogtS") || has(words, &["--directory"]) => Vec::new(),
        "cp" | "install" | "scp" if !flag(words, 'n') && !has(words, &["--no-clobber"]) => {
            let to = target(words).or_else(|| operands(words, &["-t", "-S", "-m", "-o", "-g", "-P"]).pop().cloned());
            to.map(Deed::Overwrites).into_iter().collect()
        }
        // What is there stays, but nothing need be there.
        "cp" | "install" | "scp" => operands(words, &["-t"]).pop().cloned().map(Deed::Appends).into_iter().collect(),
        "ln" if flag(words, 'f') || has(words, &["--force"]) => {
            operands(words, &["-t", "-S"]).pop().cloned().map(Deed::Overwrites).into_iter().collect()
        }
        "ln" => {
            operands(words, &["-t", "-S"]).into_iter().skip(1).last().cloned().map(Deed::Appends).into_iter().collect()
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
        "tee" => operands(words, &[]).into_iter().cloned().map(Deed::Appends).collect(),
        "sed" | "gsed" if flag_before(words, 'i', "efl") || has(words, &["--in-place"]) => {
            overwrites(operands(words, &["-e", "-f"]))
        }
        "yq" | "dasel" if flag_before(words, 'i', "opI") || has(words, &["--inplace"]) => {
            overwrites(operands(words, &["-o", "-p"]))
        }
        "awk" | "gawk"
            if values_of(words, 'i', "--include", "FvfE").iter().any(|library| library.text == "inplace") =>
        {
            overwrites(operands(words, &["-i", "-F", "-v", "-f", "--include"]))
        }
        "sponge" if flag(words, 'a') => operands(words, &[]).into_iter().cloned().map(Deed::Appends).collect(),
        "sponge" | "ed" | "ex" => overwrites(operands(words, &["-p"])),
        "patch" if !has(words, &["--dry-run"]) => of_patch(words, input),
        // What stands right behind a letter with a value is no letter.
        "perl" if flag_before(words, 'i', "MmIeEFxCDV") => overwrites(operands(words, &["-e", "-E", "-I"])),
        "ruby" if flag_before(words, 'i', "rIeEFCxKTW") => overwrites(operands(words, &["-e", "-r", "-I"])),
        "curl" => written(values_of(words, 'o', "--output", "AbBcCdDeEFhHKmPQrtTuUwxXyYz")),
        "wget" => written(values_of(words, 'O', "--output-document", "aoeiBtTwQPUDAR")),
        "sort" => written(values_of(words, 'o', "--output", "ktST")),
        "gzip" | "gunzip" | "bzip2" | "bunzip2" | "xz" | "unxz" | "lzma" | "compress" | "uncompress" => {
            let keeps = "kclt".chars().any(|letter| flag(words, letter))
                || has(words, &["--keep", "--stdout", "--to-stdout", "--list", "--test", "--help", "--version"]);
            if keeps { Vec::new() } else { removed(operands(words, &["-S"]), false) }
        }
        "tar" | "bsdtar" | "gtar" => of_tar(words),
        "unzip"
            if !flag_before(words, 'n', "dxP") && !"lptvzZ".chars().any(|letter| flag_before(words, letter, "dxP")) =>
        {
            let to = values_of(words, 'd', "", "xP").into_iter().next().unwrap_or_else(|| Word::plain("."));
            vec![Deed::Overwrites(to)]
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
        "aws" | "gcloud" | "az" | "gsutil" | "doctl" | "heroku" => {
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
        "gh" | "glab" => elsewhere::of_forge(words),
        "jj" | "hg" | "sl" => {
            Vec::from_iter((first == "push" || first == "git" && second == "push").then_some(Deed::Pushes))
        }
        ours::NAME => ours::deeds(words),
        _ => elsewhere::destroyed(name, words).into_iter().collect(),
    }
}

/// Of git, which names its own command.
pub(super) fn of_git(command: &str, rest: &[Word]) -> Vec<Deed> {
    git::deeds(command, rest)
}

fn removed(paths: Vec<&Word>, with_all: bool) -> Vec<Deed> {
    paths.into_iter().map(|path| Deed::Removes { path: path.clone(), with_all }).collect()
}

/// Standard output is no file.
fn written(words: Vec<Word>) -> Vec<Deed> {
    words.into_iter().filter(|word| word.text != "-").map(Deed::Overwrites).collect()
}

fn of_tar(words: &[Word]) -> Vec<Deed> {
    // Its letters may stand without a dash.
    let first = words.first().map(|word| word.text.as_str()).unwrap_or_default();
    let bare = if first.starts_with('-') { "" } else { first };
    let is = |letter: char, long: &[&str]| {
        bare.contains(letter) || flag_before(words, letter, "CfTXbgIKNVHL") || has(words, long)
    };
    let keeps = flag_before(words, 'k', "CfTXbgIKNVHL") || has(words, &["--keep-old-files", "--skip-old-files"]);
    if is('x', &["--extract", "--get"]) && !keeps {
        let to = values_of(words, 'C', "--directory", "fTXbgIKNVHL").pop().unwrap_or_else(|| Word::plain("."));
        return vec![Deed::Overwrites(to)];
    }
    if is('c', &["--create"]) {
        let attached = values_of(words, 'f', "--file", "CTXbgIKNVHL");
        let behind = words.get(1).filter(|_| bare.contains('f')).cloned();
        return written(attached.into_iter().chain(behind).collect());
    }
    Vec::new()
}

fn of_patch(words: &[Word], input: Option<&str>) -> Vec<Deed> {
    let with_value = ["-p", "-i", "-d", "-D", "-F", "-o", "-r", "-B", "-z", "-Y", "-V"];
    let named = operands(words, &with_value).into_iter().take(1).cloned();
    let said =
        [('o', "--output"), ('d', "--directory")].map(|(letter, long)| values_of(words, letter, long, "piDFrBzYV"));
    let mut deeds: Vec<Deed> = named.chain(said.concat()).map(Deed::Overwrites).collect();
    deeds.extend(patched(input));
    deeds
}

/// The files that a patch names.
pub(super) fn patched(patch: Option<&str>) -> Vec<Deed> {
    let lines = patch.into_iter().flat_map(str::lines).filter_map(|line| line.strip_prefix("+++ "));
    let paths = lines.filter_map(|line| line.split('\t').next()).take(PATCHED_MAX);
    let bare = paths.map(|path| ["a/", "b/"].iter().find_map(|begin| path.strip_prefix(begin)).unwrap_or(path));
    bare.filter(|path| *path != "/dev/null").map(|path| Deed::Overwrites(Word::plain(path.trim()))).collect()
}

fn target(words: &[Word]) -> Option<Word> {
    values_of(words, 't', "--target-directory", "Smog").into_iter().next()
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
    let because = match (is_recursive, is_wide) {
        (_, true) => destroys(true, if is_recursive { DIRECTORIES } else { "deletes all that is there" }),
        (true, false) => wastes(paths.clone(), DIRECTORIES),
        (false, false) => Vec::new(),
    };
    [removed(paths, is_recursive), because].concat()
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
    let sql = without_comments(sql);
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

fn without_comments(sql: &str) -> String {
    let mut bare = String::with_capacity(sql.len());
    let mut rest = sql;
    let mut is_value = false;
    while let Some(c) = rest.chars().next() {
        let skipped = match c {
            _ if is_value => None,
            '-' if rest.starts_with("-- ") => Some(rest.find('\n').unwrap_or(rest.len())),
            // What MySQL runs all the same begins with a sign.
            '/' if rest.starts_with("/*") && !rest.starts_with("/*!") => rest.find("*/").map(|end| end + 2),
            _ => None,
        };
        if let Some(length) = skipped {
            bare.push(' ');
            rest = &rest[length..];
            continue;
        }
        is_value ^= c == '\'';
        bare.push(c);
        rest = &rest[c.len_utf8()..];
    }
    bare
}
