//! What would be lost if a worktree or a branch went: looked at, counted and named. Whatever cannot be told is held.

use crate::error::Result;
use crate::repo::git::Git;
use crate::repo::worktree::Registered;
use std::collections::HashSet;
use std::fmt;
use std::fs;
use std::path::Path;
use std::path::PathBuf;

/// Named one by one; the rest are counted.
const NAMED_MAX: usize = 5;

/// Hashed by one call of git.
const FILES_PER_CALL: usize = 200;

const COMMITS_PER_CALL: usize = 200;

/// Of the commits at which branches stood, the newest: where there are more, more is held.
const KNOWN_MAX: usize = 10_000;

/// More than the largest build directory has.
const DIRECTORIES_MAX: usize = 300_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    Conflicted,
    Staged,
    Changed,
    Untracked,
    /// Changed where git was told not to look (`--assume-unchanged`, `--skip-worktree`).
    Hidden,
    Submodules,
    /// A repository of its own in an ignored directory, which git would delete without a word.
    Repositories,
    /// Another worktree below this one.
    Worktrees,
    Stashes,
    /// It stands for another branch, which may be anybody's.
    OtherName,
    Unmerged,
    UnderWay,
    AtWork,
    Locked,
    /// A reference that only this worktree has.
    References,
    /// What is meant for it would be done elsewhere, so nothing in it was looked at.
    Elsewhere,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holding {
    pub what: What,
    pub count: usize,
    pub first: Vec<String>,
}

impl Holding {
    pub fn elsewhere(why: String) -> Holding {
        Holding { what: What::Elsewhere, count: 1, first: vec![why] }
    }

    fn of(what: What, all: Vec<String>) -> Option<Holding> {
        let count = all.len();
        (count > 0).then(|| Holding { what, count, first: all.into_iter().take(NAMED_MAX).collect() })
    }
}

impl fmt::Display for Holding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Holding { count, first, .. } = self;
        if let What::Elsewhere = self.what {
            return write!(f, "{}", first.join("; "));
        }
        let (one, many, tells) = match self.what {
            What::Conflicted => ("file with a conflict", "files with conflicts", ""),
            What::Staged => ("staged change", "staged changes", ""),
            What::Changed => ("change that is not committed", "changes that are not committed", ""),
            What::Untracked => ("file that git does not know", "files that git does not know", ""),
            What::Hidden => {
                ("changed file that git was told to pass by", "changed files that git was told to pass by", "")
            }
            What::Submodules => ("submodule", "submodules", ", which git removes with no worktree"),
            What::Repositories => ("repository of its own", "repositories of their own", ", in what git ignores"),
            What::Worktrees => ("worktree below it", "worktrees below it", ""),
            What::Stashes => ("stash", "stashes", ""),
            What::OtherName => ("other name of a branch", "other names of branches", ""),
            What::Unmerged => ("commit that is not merged", "commits that are not merged", ""),
            What::UnderWay => ("thing under way", "things under way", ""),
            What::AtWork => ("sign that git is at work in it", "signs that git is at work in it", ""),
            What::Locked => ("lock", "locks", ""),
            What::References => ("reference of its own", "references of its own", ", to what is no commit"),
            What::Elsewhere => ("", "", ""),
        };
        write!(f, "{count} {}{tells}", if *count == 1 { one } else { many })?;
        write!(f, ": {}", list(first, *count))
    }
}

/// The first of many names, and how many more there are.
pub fn named(names: &[String]) -> String {
    list(&names[..names.len().min(NAMED_MAX)], names.len())
}

fn list(first: &[String], count: usize) -> String {
    let shown: Vec<String> = first.iter().map(|name| format!("`{}`", name.escape_debug())).collect();
    match count - first.len() {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// All that a worktree holds. `targets` are the branches in which its commits may have arrived; `all` are the worktrees of the
/// repository.
pub fn of_worktree(tree: &Registered, branch: &str, targets: &[String], all: &[Registered]) -> Result<Vec<Holding>> {
    let mut found = Vec::new();
    let top = Git::top(&tree.path);
    let records = Git::top(&tree.records);
    if tree.is_there() {
        let status = Status::of(&top)?;
        let modules = [status.submodules, submodules(&top, tree)?].concat();
        found.extend([
            Holding::of(What::Conflicted, status.conflicted),
            Holding::of(What::Staged, status.staged),
            Holding::of(What::Changed, status.changed),
            Holding::of(What::Untracked, status.untracked),
            Holding::of(What::Hidden, hidden(&top)?),
            Holding::of(What::Submodules, unique(modules)),
            Holding::of(What::Repositories, repositories(&top)?),
        ]);
    } else if records.commit("HEAD")?.is_some() {
        // The directory was deleted by hand; what was staged in it is still there.
        let words = ["diff-index", "--cached", "--name-only", "--no-ext-diff", "--no-textconv", "-z"];
        let staged = records.names(&[&words[..], &["--ignore-submodules=none", "HEAD"]].concat())?;
        found.push(Holding::of(What::Staged, staged));
    }
    let below = all.iter().filter(|other| other.path != tree.path && other.path.starts_with(&tree.path));
    found.extend([
        Holding::of(What::Worktrees, below.map(|other| other.path.display().to_string()).collect()),
        Holding::of(What::Stashes, stashes(&records, &[Some(branch), tree.branch.as_deref()])?),
        Holding::of(What::OtherName, other_name(&records, branch)?),
        Holding::of(What::UnderWay, under_way(&tree.records)),
        Holding::of(What::AtWork, locks(&tree.records)),
        Holding::of(What::Locked, tree.locked.iter().map(|locked| reason(locked)).collect()),
    ]);
    let tips = [records.commit("HEAD")?, records.branch(branch)?];
    let (own, other) = references(&records)?;
    let tips = tips.into_iter().flatten().chain(own).chain(left_behind(&records)?);
    found.extend([
        Holding::of(What::References, other),
        Holding::of(What::Unmerged, unmerged_of(&records, tips, &others(&records, branch, targets)?)?),
    ]);
    Ok(found.into_iter().flatten().collect())
}

/// What the references stand for that go with a worktree: commits, and the names of those that stand for anything else.
fn references(git: &Git) -> Result<(Vec<String>, Vec<String>)> {
    let (mut commits, mut others) = (Vec::new(), Vec::new());
    let own = ["refs/worktree/", "refs/bisect/", "refs/rewritten/"];
    for name in git.lines(&[&["for-each-ref", "--format=%(refname)"][..], &own].concat())? {
        match git.commit(&name)? {
            Some(commit) => commits.push(commit),
            None => others.push(name),
        }
    }
    Ok((commits, others))
}

/// The commits that were made here on no branch and then left: only the reflog of its HEAD, which goes with it, still knows them.
/// What was once on a branch is for that branch, which has a reflog of its own, to hold or to have given up.
fn left_behind(git: &Git) -> Result<Vec<String>> {
    if git.commit("HEAD")?.is_none() {
        return Ok(Vec::new());
    }
    let log = |of: &str| -> Result<Vec<String>> { Ok(unique(git.lines(&["log", "-g", "--format=%H", of, "--"])?)) };
    let unreached = |commits: &[String], from: &[String]| -> Result<Vec<String>> {
        let mut found = Vec::new();
        for some in commits.chunks(COMMITS_PER_CALL) {
            let known =
                ["--not", "--branches", "--tags", "--remotes"].into_iter().chain(from.iter().map(String::as_str));
            let words = ["rev-list"].into_iter().chain(some.iter().map(String::as_str)).chain(known);
            found.extend(git.lines(&words.chain(["--"]).collect::<Vec<_>>())?);
        }
        Ok(found)
    };
    let stood = log("HEAD")?;
    if unreached(&stood, &[])?.is_empty() {
        return Ok(Vec::new());
    }
    let mut known = log("--branches")?;
    known.truncate(KNOWN_MAX);
    let left = unreached(&stood, &known)?;
    let left: HashSet<String> = left.into_iter().collect();
    let stood: Vec<&str> = stood.iter().map(String::as_str).filter(|commit| left.contains(*commit)).collect();
    let mut tips = Vec::new();
    for some in stood.chunks(COMMITS_PER_CALL) {
        tips.extend(git.lines(&[&["merge-base", "--independent"], some].concat())?);
    }
    Ok(tips)
}

/// All that a branch holds that has no worktree.
pub fn of_branch(git: &Git, branch: &str, targets: &[String]) -> Result<Vec<Holding>> {
    let tip = git.branch(branch)?;
    let found = [
        Holding::of(What::Stashes, stashes(git, &[Some(branch)])?),
        Holding::of(What::OtherName, other_name(git, branch)?),
        Holding::of(What::Unmerged, unmerged_of(git, tip.into_iter(), &others(git, branch, targets)?)?),
    ];
    Ok(found.into_iter().flatten().collect())
}

/// The branch that this one is only another name for.
fn other_name(git: &Git, branch: &str) -> Result<Vec<String>> {
    let name = |reference: String| reference.strip_prefix("refs/heads/").map_or(reference.clone(), str::to_owned);
    Ok(git.stands_for(branch)?.map(name).into_iter().collect())
}

/// Nothing has arrived by being on its own branch, by whatever name that is called.
fn others(git: &Git, branch: &str, targets: &[String]) -> Result<Vec<String>> {
    let own = git.reference(branch)?;
    let mut others = Vec::new();
    for target in targets {
        if git.reference(target)? != own {
            others.push(target.clone());
        }
    }
    Ok(others)
}

/// A lock without a reason holds as well.
fn reason(locked: &str) -> String {
    if locked.is_empty() { "no reason given".to_owned() } else { locked.to_owned() }
}

/// As `git status` has it, whatever the settings hide.
#[derive(Default)]
pub struct Status {
    pub conflicted: Vec<String>,
    pub staged: Vec<String>,
    pub changed: Vec<String>,
    pub untracked: Vec<String>,
    pub submodules: Vec<String>,
}

impl Status {
    pub fn of(git: &Git) -> Result<Status> {
        let words = ["status", "--porcelain=v2", "-z", "--untracked-files=normal", "--ignore-submodules=none"];
        let mut status = Status::default();
        for line in git.names(&[&words[..], &["--no-renames"]].concat())? {
            status.read(&line);
        }
        Ok(status)
    }

    /// `1 XY sub mH mI mW hH hI path`, `u XY sub m1 m2 m3 mW h1 h2 h3 path`, `? path`.
    fn read(&mut self, line: &str) {
        let (kind, rest) = line.split_once(' ').unwrap_or((line, ""));
        let fields = if kind == "u" { 10 } else { 8 };
        let mut words = rest.splitn(fields, ' ');
        let (state, module) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let path = words.last().unwrap_or(rest).to_owned();
        match kind {
            "?" => self.untracked.push(rest.to_owned()),
            "u" => self.conflicted.push(path),
            _ => {
                if !state.starts_with('.') {
                    self.staged.push(path.clone());
                }
                if !state.ends_with('.') {
                    match module.starts_with('S') {
                        true => self.submodules.push(path),
                        false => self.changed.push(path),
                    }
                }
            }
        }
    }

    /// Each once.
    pub fn not_committed(self) -> Vec<String> {
        unique([self.conflicted, self.staged, self.changed, self.untracked, self.submodules].concat())
    }
}

/// Git removes no worktree in which submodules are set up, as their repositories would go with it.
fn submodules(git: &Git, tree: &Registered) -> Result<Vec<String>> {
    let staged = git.names(&["ls-files", "--stage", "-z"])?;
    let modules = staged.iter().filter(|line| line.starts_with("160000 ")).filter_map(|line| line.split_once('\t'));
    let mut set_up: Vec<String> = modules
        .map(|(_, path)| path.to_owned())
        .filter(|path| tree.path.join(path).join(".git").symlink_metadata().is_ok())
        .collect();
    if set_up.is_empty() && tree.records.join("modules").is_dir() {
        set_up.push("modules".to_owned());
    }
    Ok(set_up)
}

/// What differs from the index though `git status` was told not to look.
fn hidden(git: &Git) -> Result<Vec<String>> {
    let flagged: Vec<(String, String)> = git
        .names(&["ls-files", "-v", "--stage", "-z"])?
        .iter()
        .filter(|line| line.starts_with(|tag: char| tag.is_ascii_lowercase() || tag == 'S'))
        .filter_map(|line| {
            let (about, path) = line.split_once('\t')?;
            Some((about.split(' ').nth(2)?.to_owned(), path.to_owned()))
        })
        .filter(|(_, path)| git.dir().join(path).symlink_metadata().is_ok())
        .collect();
    let mut found = Vec::new();
    let is_file = |path: &str| git.dir().join(path).symlink_metadata().is_ok_and(|about| about.is_file());
    let (files, others): (Vec<_>, Vec<_>) = flagged.into_iter().partition(|(_, path)| is_file(path));
    found.extend(others.into_iter().map(|(_, path)| path));
    for some in files.chunks(FILES_PER_CALL) {
        let paths = some.iter().map(|(_, path)| path.as_str());
        let words: Vec<&str> = ["hash-object", "--"].into_iter().chain(paths).collect();
        let hashes = git.lines(&words)?;
        let differs = some.iter().zip(&hashes).filter(|((staged, _), hash)| staged != *hash);
        found.extend(differs.map(|((_, path), _)| path.clone()));
    }
    Ok(found)
}

/// At whatever depth: git names only the topmost directory of what it ignores. Where that holds more than can be looked through,
/// it may hold one.
fn repositories(git: &Git) -> Result<Vec<String>> {
    let words = ["ls-files", "--others", "--ignored", "--exclude-standard", "--directory", "-z"];
    let ignored = git.names(&words)?.into_iter().filter(|name| name.ends_with('/'));
    let mut open: Vec<PathBuf> = ignored.map(PathBuf::from).collect();
    let (mut found, mut looked_at) = (Vec::new(), 0);
    while let Some(dir) = open.pop() {
        looked_at += 1;
        let shown = || format!("{}/", dir.to_string_lossy().trim_end_matches('/'));
        let path = git.dir().join(&dir);
        // What cannot be looked into is held as well.
        let Ok(entries) = fs::read_dir(&path) else {
            found.push(shown());
            continue;
        };
        if is_repository(&path) {
            found.push(shown());
        } else if looked_at > DIRECTORIES_MAX {
            found.push(format!("{} (too much to look through)", shown()));
            break;
        } else {
            let below = entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
            open.extend(below.map(|entry| dir.join(entry.file_name())));
        }
    }
    found.sort();
    Ok(found)
}

/// With files checked out of it, or bare.
fn is_repository(dir: &Path) -> bool {
    let has = |name: &str| dir.join(name).symlink_metadata().is_ok();
    has(".git") || has("HEAD") && has("objects") && has("refs")
}

/// Stashes belong to the whole repository and stay, but nobody would find out what they are for once their branch is gone.
/// One that was made on no branch may be of any worktree that is on none.
fn stashes(git: &Git, branches: &[Option<&str>]) -> Result<Vec<String>> {
    if git.find(&["rev-parse", "--verify", "--quiet", "refs/stash"])?.is_none() {
        return Ok(Vec::new());
    }
    let all = git.lines(&["log", "-g", "--format=%gs", "refs/stash", "--"])?;
    let is_of = |words: &String| {
        let words = words.strip_prefix("WIP on ").or_else(|| words.strip_prefix("On ")).unwrap_or_default();
        let made_on = words.split_once(": ").map(|(branch, _)| branch);
        made_on.is_some_and(|made_on| branches.iter().any(|branch| branch.unwrap_or("(no branch)") == made_on))
    };
    Ok(all.into_iter().filter(is_of).collect())
}

pub fn under_way(records: &Path) -> Vec<String> {
    let signs = [
        ("rebase-merge", "a rebase"),
        ("rebase-apply", "a rebase"),
        ("MERGE_HEAD", "a merge"),
        ("CHERRY_PICK_HEAD", "a cherry-pick"),
        ("REVERT_HEAD", "a revert"),
        ("sequencer", "a sequence of picks"),
        ("BISECT_LOG", "a bisection"),
    ];
    let there = signs.into_iter().filter(|(sign, _)| records.join(sign).symlink_metadata().is_ok());
    there.map(|(_, what)| what.to_owned()).collect()
}

fn locks(records: &Path) -> Vec<String> {
    let there = ["index.lock", "HEAD.lock"].into_iter().filter(|lock| records.join(lock).symlink_metadata().is_ok());
    there.map(str::to_owned).collect()
}

fn unique(names: Vec<String>) -> Vec<String> {
    let mut seen = HashSet::new();
    names.into_iter().filter(|name| seen.insert(name.clone())).collect()
}

/// The commits below any of the tips that have arrived in none of the targets.
pub fn unmerged_of(git: &Git, tips: impl Iterator<Item = String>, targets: &[String]) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for tip in unique(tips.collect()) {
        let mut left: Option<Vec<String>> = None;
        for target in targets {
            let target = git.branch_there(target)?;
            let missing = unmerged(git, &tip, &target)?;
            left = Some(match left {
                None => missing,
                Some(left) => left.into_iter().filter(|commit| missing.contains(commit)).collect(),
            });
        }
        found.extend(match left {
            Some(left) => left,
            // There is nowhere that it could have arrived.
            None => described(git, &[tip])?,
        });
    }
    Ok(unique(found))
}

/// Commits of `tip` whose change has not arrived in `target`, each with its first line.
pub fn unmerged(git: &Git, tip: &str, target: &str) -> Result<Vec<String>> {
    described(git, &missing(git, tip, target)?)
}

fn described(git: &Git, commits: &[String]) -> Result<Vec<String>> {
    let mut lines = Vec::new();
    for some in commits.chunks(COMMITS_PER_CALL) {
        let words = ["log", "--no-walk=unsorted", "--format=%h %s", "--abbrev=12"];
        let words: Vec<&str> = words.into_iter().chain(some.iter().map(String::as_str)).chain(["--"]).collect();
        lines.extend(git.lines(&words)?);
    }
    Ok(lines)
}

/// Commits of `tip` whose change has arrived in `target` neither by themselves, nor rebased, nor all of them squashed.
pub fn missing(git: &Git, tip: &str, target: &str) -> Result<Vec<String>> {
    if git.is_so(&["merge-base", "--is-ancestor", tip, target])? {
        return Ok(Vec::new());
    }
    let mut left = own_changes(git, tip, target)?.0;
    left.extend(merges_with_own_words(git, tip, target)?);
    match left.is_empty() || !is_squashed(git, tip, target)? {
        true => Ok(left),
        false => Ok(Vec::new()),
    }
}

/// Is there a commit in `target` that git takes for one of `tip`, and that is another?
pub fn has_look_alike(git: &Git, tip: &str, target: &str) -> Result<bool> {
    Ok(own_changes(git, tip, target)?.1)
}

/// The commits whose very change is in no commit of the target, and whether one of them only looks so. Git finds what is
/// alike, and passes by blanks, which may be all that was to be changed: these are held against each other to the letter.
fn own_changes(git: &Git, tip: &str, target: &str) -> Result<(Vec<String>, bool)> {
    let range = format!("{target}...{tip}");
    let marked = |side| git.lines(&["rev-list", "--reverse", "--no-merges", "--cherry-mark", side, &range]);
    let (mut own, mut has_look_alike) = (Vec::new(), false);
    let mut theirs: Option<HashSet<Vec<u8>>> = None;
    for line in marked("--right-only")? {
        let Some(commit) = line.strip_prefix('=') else {
            own.push(line.trim_start_matches('+').to_owned());
            continue;
        };
        let theirs = match &mut theirs {
            Some(theirs) => theirs,
            None => {
                let alike = marked("--left-only")?;
                let alike = alike.iter().filter_map(|line| line.strip_prefix('='));
                theirs.insert(alike.map(|commit| change(git, commit)).collect::<Result<_>>()?)
            }
        };
        if !theirs.contains(&change(git, commit)?) {
            own.push(commit.to_owned());
            has_look_alike = true;
        }
    }
    Ok((own, has_look_alike))
}

/// What a commit changes, wherever in its files that stands.
fn change(git: &Git, commit: &str) -> Result<Vec<u8>> {
    let words = ["diff-tree", "--patch", "--root", "--no-commit-id", "--no-renames", "--no-ext-diff", "--no-textconv"];
    let patch = git.bytes(&[&words[..], &["--ignore-submodules=none", commit]].concat())?;
    let mut change = Vec::with_capacity(patch.len());
    for line in patch.split(|byte| *byte == b'\n').filter(|line| !line.starts_with(b"index ")) {
        change.extend_from_slice(if line.starts_with(b"@@") { b"@@" } else { line });
        change.push(b'\n');
    }
    Ok(change)
}

/// What a merge says beyond both its sides, such as how a conflict was resolved, is nowhere else.
fn merges_with_own_words(git: &Git, tip: &str, target: &str) -> Result<Vec<String>> {
    let range = format!("{target}..{tip}");
    let mut found = Vec::new();
    for merge in git.lines(&["rev-list", "--merges", &range])? {
        let words = ["show", "--remerge-diff", "--no-ext-diff", "--no-textconv", "--name-only", "--format="];
        if !git.ask(&[&words[..], &["--ignore-submodules=none", &merge]].concat())?.is_empty() {
            found.push(merge);
        }
    }
    Ok(found)
}

/// Is there one commit in the target that changes what the whole branch changes? It is compared with such a commit made up for
/// the purpose: always the very same one, so that looking often leaves no more behind than looking once.
fn is_squashed(git: &Git, tip: &str, target: &str) -> Result<bool> {
    let Some(base) = git.find(&["merge-base", target, tip])? else { return Ok(false) };
    if git.is_so(&["diff-tree", "--quiet", "-r", "--ignore-submodules=none", &base, tip])? {
        return Ok(false);
    }
    let squashed = made_up(git, &format!("{tip}^{{tree}}"), &[&base])?;
    Ok(own_changes(git, &squashed, target)?.0.is_empty())
}

/// A commit that nobody made: the same for the same files and parents.
pub fn made_up(git: &Git, files: &str, parents: &[&str]) -> Result<String> {
    let author = git.clone().with("GIT_AUTHOR_NAME", "orch-mcp").with("GIT_AUTHOR_EMAIL", "orch-mcp@localhost");
    let author = author.with("GIT_COMMITTER_NAME", "orch-mcp").with("GIT_COMMITTER_EMAIL", "orch-mcp@localhost");
    let dated = author.with("GIT_AUTHOR_DATE", "@0 +0000").with("GIT_COMMITTER_DATE", "@0 +0000");
    let parents = parents.iter().flat_map(|parent| ["-p", parent]);
    let words: Vec<&str> = ["commit-tree", files].into_iter().chain(parents).chain(["-m", "made up"]).collect();
    dated.ask(&words)
}
