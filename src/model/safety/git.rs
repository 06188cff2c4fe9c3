//! What a command of git does to others' branches, and to work that is in no commit.

use crate::model::safety::deeds::Deed;
use crate::model::safety::deeds::flag;
use crate::model::safety::deeds::flag_before;
use crate::model::safety::deeds::has;
use crate::model::safety::deeds::is_all;
use crate::model::safety::deeds::operands;
use crate::model::safety::program::values_of;
use crate::model::safety::shell::Word;

/// Options of git itself whose value is the next word.
const WITH_VALUE: [&str; 8] =
    ["-C", "-c", "--git-dir", "--work-tree", "--namespace", "--config-env", "--super-prefix", "--attr-source"];

/// Options of `git push` whose value is the next word.
const OF_PUSH: [&str; 5] = ["-o", "--push-option", "--repo", "--receive-pack", "--exec"];

/// A command of git, parted into what it says of where, and what of what.
pub(super) struct Git<'a> {
    /// Each seen from the one before.
    pub dirs: Vec<&'a Word>,
    /// It names its repository in a way that says nothing about a directory.
    pub is_elsewhere: bool,
    /// What a word after it stands for, for this one call.
    pub aliases: Vec<(String, String)>,
    /// What it pushes where nothing is said.
    pub pushed: Vec<String>,
    pub command: Option<&'a Word>,
    pub rest: &'a [Word],
}

impl<'a> Git<'a> {
    pub(super) fn read(arguments: &'a [Word]) -> Git<'a> {
        let mut git = Git {
            dirs: Vec::new(),
            is_elsewhere: false,
            aliases: Vec::new(),
            pushed: Vec::new(),
            command: None,
            rest: &[],
        };
        let mut at = 0;
        while let Some(word) = arguments.get(at) {
            let text = word.text.as_str();
            if !text.starts_with('-') {
                (git.command, git.rest) = (Some(word), &arguments[at + 1..]);
                break;
            }
            let value = arguments.get(at + 1).filter(|_| WITH_VALUE.contains(&text));
            match (text, value) {
                ("-C", Some(dir)) => git.dirs.push(dir),
                ("-c", Some(setting)) => {
                    git.aliases.extend(alias(&setting.text));
                    git.pushed.extend(pushed(&setting.text));
                }
                _ => git.is_elsewhere |= text.starts_with("--git-dir") || text.starts_with("--work-tree"),
            }
            at += if value.is_some() { 2 } else { 1 };
        }
        git
    }

    /// The same call with the words that its alias stands for; a `!` before them has a shell run them.
    pub(super) fn meant_by_alias(&self) -> Option<String> {
        let command = self.command?;
        let (_, meant) = self.aliases.iter().find(|(name, _)| *name == command.text)?;
        let rest =
            self.rest.iter().fold(String::new(), |all, word| all + " '" + &word.text.replace('\'', r"'\''") + "'");
        Some(match meant.strip_prefix('!') {
            Some(line) => format!("{line}{rest}"),
            None => format!("git {meant}{rest}"),
        })
    }
}

/// What `git config` sets, as `-c` would say it.
fn setting(rest: &[Word]) -> Option<String> {
    let named = operands(rest, &["-f", "--file", "--blob", "--type", "--default", "--comment", "--value"]);
    let mut named = named.into_iter().skip_while(|word| !word.text.contains('.'));
    Some(format!("{}={}", named.next()?.text, named.next()?.text))
}

/// A word that stands for a command from now on, as if it were called.
pub(super) fn kept_alias(command: &str, rest: &[Word]) -> Option<String> {
    let (_, meant) = alias(&setting(rest).filter(|_| command == "config")?)?;
    Some(meant.strip_prefix('!').map_or_else(|| format!("git {meant}"), str::to_owned))
}

fn alias(setting: &str) -> Option<(String, String)> {
    let (name, meant) = setting.split_once('=')?;
    Some((name.strip_prefix("alias.")?.to_owned(), meant.to_owned()))
}

/// `remote.NAME.push` is written as on the command line, and `mirror` is `--mirror`.
fn pushed(setting: &str) -> Option<String> {
    let (name, value) = setting.split_once('=').unwrap_or((setting, "true"));
    let name = name.to_ascii_lowercase();
    let key = name.strip_prefix("remote.")?.rsplit('.').next()?;
    match key {
        "push" => Some(value.to_owned()),
        "mirror" if !["false", "no", "off", "0", ""].contains(&value) => Some("+".to_owned()),
        _ => None,
    }
}

/// What it has a shell run.
pub(super) fn lines(command: &str, rest: &[Word]) -> Vec<String> {
    match command {
        "submodule" => {
            let named = operands(rest, &[]);
            let is_it = named.first().is_some_and(|word| word.text == "foreach");
            let from = rest.iter().position(|word| word.text == "foreach").map_or(rest.len(), |at| at + 1);
            let texts = rest[from..].iter().map(|word| word.text.as_str()).skip_while(|text| text.starts_with('-'));
            Vec::from_iter(is_it.then(|| texts.collect::<Vec<_>>().join(" ")))
        }
        "rebase" => values_of(rest, 'x', "--exec", "XsSC").into_iter().map(|word| word.text).collect(),
        "bisect" if rest.first().is_some_and(|word| word.text == "run") => {
            vec![rest[1..].iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ")]
        }
        _ => Vec::new(),
    }
}

/// `pushed` by a setting of this one call.
pub(super) fn pushes(rest: &[Word], pushed: &[String]) -> Vec<Deed> {
    let words: Vec<Word> = pushed.iter().map(|spec| Word::plain(spec)).collect();
    let mut deeds: Vec<Deed> = words.iter().filter_map(|word| forced(word, false, false)).collect();
    deeds.extend(push(rest));
    deeds
}

pub(super) fn deeds(command: &str, rest: &[Word]) -> Vec<Deed> {
    let destroys = |is_it: bool, because: &'static str| Vec::from_iter(is_it.then_some(Deed::Destroys(because)));
    let first = rest.first().map(|word| word.text.as_str()).unwrap_or_default();
    if first == "--help" {
        return Vec::new();
    }
    match command {
        "push" | "send-pack" | "http-push" => push(rest),
        // As what it is set to says, and not only once.
        "config" => setting(rest)
            .as_deref()
            .and_then(pushed)
            .and_then(|spec| forced(&Word::plain(&spec), false, false))
            .into_iter()
            .collect(),
        "remote" => {
            let is_mirror = rest.iter().any(|word| ["--mirror", "--mirror=push"].contains(&word.text.as_str()));
            Vec::from_iter((first == "add" && is_mirror).then_some(Deed::Forces(None)))
        }
        "subtree" | "lfs" if first == "push" => vec![Deed::Pushes],
        "svn" if first == "dcommit" => vec![Deed::Pushes],
        "reset" => destroys(has(rest, &["--hard", "--har"]), "throws away changes that are in no commit"),
        "clean" if has(rest, &["--dry-run"]) || flag_before(rest, 'n', "e") => Vec::new(),
        "clean" if flag_before(rest, 'f', "e") || has(rest, &["--force"]) => {
            let mut deeds = vec![Deed::Destroys("deletes files that git does not know")];
            let places = operands(rest, &["-e", "--exclude"]);
            let goes = |path: &Word| Deed::Removes { path: path.clone(), with_all: true };
            if ['d', 'x', 'X'].iter().any(|letter| flag_before(rest, *letter, "e")) {
                deeds.extend(places.iter().copied().map(goes));
                deeds.extend(places.is_empty().then(|| goes(&Word::plain("."))));
            }
            deeds
        }
        "branch" => {
            let is_forced = flag(rest, 'f') || has(rest, &["--force"]);
            let deletes = flag(rest, 'd') || has(rest, &["--delete"]);
            destroys(flag(rest, 'D') || deletes && is_forced, "deletes a branch whose commits may be nowhere else")
        }
        "checkout" | "restore" => paths(command, rest),
        "switch" => destroys(
            flag(rest, 'f') || has(rest, &["--force", "--discard-changes"]),
            "throws away changes that are in no commit",
        ),
        "stash" => destroys(["drop", "clear"].contains(&first), "throws away what was stashed"),
        "worktree" => destroys(
            first == "remove" && (flag(rest, 'f') || has(rest, &["--force"])),
            "removes a worktree with changes that are in no commit",
        ),
        "reflog" => destroys(["expire", "delete"].contains(&first), "forgets commits that nothing else leads to"),
        "gc" | "prune" => {
            let is_now = rest.iter().any(|word| ["--prune=now", "--prune=all"].contains(&word.text.as_str()));
            destroys(is_now || command == "prune" && !flag(rest, 'n'), "deletes commits that nothing leads to")
        }
        "update-ref" => destroys(flag(rest, 'd') || has(rest, &["--stdin"]), "deletes what leads to commits"),
        "filter-branch" | "filter-repo" => destroys(true, "rewrites the whole history"),
        "submodule" => destroys(first == "deinit" && flag(rest, 'f'), "throws away changes of a submodule"),
        "rm" if !has(rest, &["--cached", "--dry-run"]) => {
            operands(rest, &[]).into_iter().map(|path| Deed::Removes { path: path.clone(), with_all: true }).collect()
        }
        "mv" => {
            let mut files = operands(rest, &[]);
            let to = files.pop().cloned();
            // Without force it overwrites nothing.
            let is_forced = flag(rest, 'f') || has(rest, &["--force"]);
            let removed = files.into_iter().map(|path| Deed::Removes { path: path.clone(), with_all: true });
            removed.chain(to.filter(|_| is_forced).map(Deed::Overwrites)).collect()
        }
        _ => Vec::new(),
    }
}

fn paths(command: &str, rest: &[Word]) -> Vec<Deed> {
    let mut deeds = Vec::new();
    let because = "throws away changes that are in no commit";
    if command == "checkout" && (flag(rest, 'f') || has(rest, &["--force"])) {
        deeds.push(Deed::Destroys(because));
    }
    // What is taken out of the index stays in the files.
    let is_staged = flag(rest, 'S') || has(rest, &["--staged"]);
    if command == "restore" && is_staged && !flag(rest, 'W') && !has(rest, &["--worktree"]) {
        return deeds;
    }
    let behind = rest.iter().position(|word| word.text == "--").map(|at| &rest[at + 1..]);
    let named = behind.map_or_else(|| operands(rest, &["-s", "--source", "-b", "-B"]), |all| all.iter().collect());
    for path in named {
        let is_many = path.text.ends_with('/') || path.text.contains('*') || is_all(&path.text);
        deeds.extend(is_many.then_some(Deed::Destroys(because)));
        if behind.is_some() || command == "restore" || is_many {
            deeds.push(Deed::Removes { path: path.clone(), with_all: true });
        } else {
            // It may be a branch, and a file is written over all the same.
            deeds.push(Deed::Overwrites(path.clone()));
        }
    }
    deeds
}

fn push(rest: &[Word]) -> Vec<Deed> {
    if has(rest, &["--dry-run"]) || flag_before(rest, 'n', "o") || has(rest, &["--help"]) {
        return Vec::new();
    }
    let mut deeds = Vec::new();
    // Git knows its options by their beginnings.
    let begins = |options: &[&str], least: usize| {
        let is_it = |text: &str| text.len() >= least && options.iter().any(|option| option.starts_with(text));
        rest.iter()
            .take_while(|word| word.text != "--")
            .any(|word| is_it(word.text.split('=').next().unwrap_or_default()))
    };
    let is_forced = flag_before(rest, 'f', "o") || begins(&["--force", "--force-with-lease"], 4);
    let deletes = flag_before(rest, 'd', "o") || begins(&["--delete"], 4);
    if begins(&["--mirror"], 3) || begins(&["--prune"], 4) {
        deeds.push(Deed::Forces(None));
    }
    let named = operands(rest, &OF_PUSH);
    let of_refs = named.get(1..).unwrap_or_default();
    if of_refs.is_empty() && is_forced {
        deeds.push(Deed::Forces(None));
    }
    deeds.extend(of_refs.iter().filter_map(|word| forced(word, is_forced, deletes)));
    // What is worse than to push is told first.
    deeds.push(Deed::Pushes);
    deeds
}

/// Does it overwrite or delete a branch elsewhere, and which?
fn forced(word: &Word, is_forced: bool, deletes: bool) -> Option<Deed> {
    let text = word.text.as_str();
    let (text, is_forced) = text.strip_prefix('+').map_or((text, is_forced), |text| (text, true));
    let (from, to) = text.split_once(':').unwrap_or((text, text));
    let removes = deletes || from.is_empty() && text.starts_with(':') && !to.is_empty();
    // A word in braces may be any of several.
    if !is_forced && !removes && !text.contains('{') {
        return None;
    }
    if !is_forced && !removes && !text.contains(['+', ':']) {
        return None;
    }
    let branch = to.strip_prefix("refs/").unwrap_or(to);
    let branch = branch.strip_prefix("heads/").unwrap_or(branch);
    let is_known =
        !word.is_open && !branch.contains(['*', '?', '[', '{', '~', '^', '$']) && !["", "HEAD", "@"].contains(&branch);
    Some(Deed::Forces(is_known.then(|| branch.to_owned())))
}
