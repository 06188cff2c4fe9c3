//! A worktree and a branch for each task or worker: made, found again, restored and removed, and never at the cost of work.

use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::model::digest::digest;
use crate::repo::git::Git;
use crate::repo::holdings;
use crate::repo::holdings::Holding;
use crate::repo::lock;
use crate::repo::lock::Lock;
use crate::repo::owner::Owner;
use crate::repo::shell;
use crate::repo::shell::Errand;
use crate::repo::shell::Outcome;
use crate::store::doorbell::Hangup;
use std::fs;
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

/// Our branches begin with it, and no others are ever deleted.
pub const PREFIX: &str = "orch/";

/// The worktree and the branch of the landing.
pub const LANDING: &str = "landing";

/// Where worktrees lie in the user's checkout.
pub const PLACE: &str = ".orch/trees";

/// How git is asked for the directory that it keeps its records of a worktree in.
const DIR_OF_GIT: [&str; 3] = ["rev-parse", "--path-format=absolute", "--git-dir"];

/// Where it keeps those, where the repository is, and which files are meant.
const WHERE_GIT_IS: [&str; 5] =
    ["rev-parse", "--path-format=absolute", "--git-dir", "--git-common-dir", "--show-toplevel"];

/// How a worktree is locked until it is whole. Whoever finds that after us finishes it.
const MAKING: &str = "orch-mcp is making it";

/// Somebody else may be checking out a large repository.
const PATIENCE: Duration = Duration::from_secs(600);

/// What a name may have of itself in a path and a branch.
const SLUG_CHARS_MAX: usize = 48;

/// Our own records of a repository, beside git's.
pub(super) const RECORDS: &str = "orch";

/// The file in git's records of a worktree that says which command has set it up.
const SET_UP: &str = "orch-set-up";

/// The worktrees of one repository that are ours: directly below `root`.
#[derive(Clone, Debug)]
pub struct Trees {
    pub(super) common: PathBuf,
    root: PathBuf,
    /// Whose they are. Where nobody says so, nothing is told from what others made.
    pub(super) owner: Option<Owner>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Made {
    New,
    /// The branch was there, and has a worktree again.
    ForBranch,
    Found,
    /// Its directory was deleted by hand, or it was never finished.
    Restored,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tree {
    /// The name of its directory, and of its branch behind `orch/`.
    pub slug: String,
    pub path: PathBuf,
    pub branch: String,
    pub made: Made,
}

impl Tree {
    /// Where a file is written before it has its name in the worktree: nobody sees half of it, and git nothing of it.
    pub fn draft(&self) -> PathBuf {
        self.path.with_file_name(format!(".{}.draft", self.slug))
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Removal {
    Gone,
    Kept(Vec<Holding>),
    /// Why somebody needs it.
    InUse(String),
}

/// Says why somebody needs a worktree, if somebody does.
pub type InUse<'a> = &'a dyn Fn(&Tree) -> Option<String>;

/// A worktree as git has it in its records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registered {
    pub path: PathBuf,
    /// `.git/worktrees/<id>`; of the main worktree, the repository.
    pub records: PathBuf,
    pub branch: Option<String>,
    pub locked: Option<String>,
}

impl Registered {
    /// Is it a worktree in which git would find itself?
    pub fn is_there(&self) -> bool {
        self.path.join(".git").symlink_metadata().is_ok()
    }

    /// Why what is meant for it would be done elsewhere, if it would: git believes a link in its place, its `.git`, and what stands
    /// in its records, and whoever works in it can write all of these.
    fn leads_elsewhere(&self, common: &Path) -> Result<Option<String>> {
        let of = |path: &Path, to: &str| Some(format!("`{}` leads elsewhere, to `{to}`", path.display()));
        for path in [&self.path, &self.records] {
            if let Some(to) = leads_to(path) {
                return Ok(of(path, &to));
            }
        }
        if self.records.parent() != Some(&common.join("worktrees")) {
            return Ok(of(&self.path, &self.records.display().to_string()));
        }
        // But for the name of a branch, which git itself may have written down so.
        let is_sound = |path: &Path| match fs::read_link(path) {
            Ok(to) => path.ends_with("HEAD") && to.starts_with("refs"),
            Err(_) => true,
        };
        let records = fs::read_dir(&self.records).map_err(|cause| unusable(&self.records, &cause))?;
        if let Some(link) = records.flatten().map(|entry| entry.path()).find(|path| !is_sound(path)) {
            return Ok(of(&link, &fs::read_link(&link).unwrap_or_default().display().to_string()));
        }
        if !self.is_there() {
            return Ok(None);
        }
        let link = self.path.join(".git");
        if !link.symlink_metadata().is_ok_and(|about| about.is_file()) {
            return Ok(of(&link, "a repository of its own"));
        }
        let found = Git::top(&self.path).attempt(&WHERE_GIT_IS)?;
        let wanted = [&self.records, common, &self.path].map(|path| path.display().to_string()).join("\n");
        let told = String::from_utf8_lossy(&found.out);
        Ok(match found.is_yes() {
            true if told.trim_end_matches('\n') == wanted => None,
            true => of(&self.path, &told.trim_end_matches('\n').replace('\n', "`, `")),
            false => of(&self.path, found.complaint()),
        })
    }

    /// The branch it is on, or was on when the rebase began that is under way.
    pub fn branch_at_heart(&self) -> Option<String> {
        let rebased = |dir: &str| {
            let name = fs::read_to_string(self.records.join(dir).join("head-name")).ok()?;
            name.trim().strip_prefix("refs/heads/").map(str::to_owned)
        };
        self.branch.clone().or_else(|| rebased("rebase-merge")).or_else(|| rebased("rebase-apply"))
    }
}

/// What a task or a worker is called in paths and branches. Two names never share one, not even where capitals do not count:
/// whatever is changed about a name is made up for by a number behind a dot, which no plain name has.
pub fn slug(name: &str) -> String {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    if !name.is_empty()
        && name.len() <= SLUG_CHARS_MAX
        && name != LANDING
        && !name.starts_with('-')
        && name.chars().all(is_plain)
    {
        return name.to_owned();
    }
    let lower = name.to_lowercase();
    let safe = lower.chars().map(|c| if is_plain(c) { c } else { '-' }).take(SLUG_CHARS_MAX);
    let safe: String = safe.collect();
    format!("{}.{:016x}", safe.trim_matches('-'), digest(name)).trim_start_matches('.').to_owned()
}

/// What the worktree at `top` is for, if it is one of ours.
pub fn slug_at(top: &Path) -> Option<&str> {
    let is_ours = top.parent().is_some_and(|parent| parent.ends_with(PLACE));
    top.file_name().and_then(|name| name.to_str()).filter(|_| is_ours)
}

pub fn branch_of(slug: &str) -> String {
    format!("{PREFIX}{slug}")
}

impl Trees {
    /// Of the repository that `checkout` lies in: nothing is made yet. Below `root`, or where none is given below `.orch/trees` of the main checkout.
    pub fn of(checkout: &Path, root: Option<&Path>) -> Result<Trees> {
        let git = Git::around(checkout);
        let common = git.ask(&["rev-parse", "--path-format=absolute", "--git-common-dir"])?;
        let common = real(Path::new(&common))?;
        let root = match root {
            Some(root) => made(root)?,
            None => {
                let root = main_checkout(checkout, &common)?.join(PLACE);
                refuse_link(&root)?;
                root
            }
        };
        let is_speakable = |path: &Path| path.to_str().is_some_and(|path| !path.contains(['\n', ':']));
        if !is_speakable(&root) {
            let message =
                format!("worktrees cannot lie below `{}`: git needs a path in UTF-8 without `:`", root.display());
            return Err(Error::invalid(message).hint("give another directory for worktrees"));
        }
        Ok(Trees { common, root, owner: None })
    }

    /// Those of one team.
    pub fn of_team(self, owner: Owner) -> Trees {
        Trees { owner: Some(owner), ..self }
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Git in the repository itself, where no file of anybody's checkout is in reach.
    pub fn git(&self) -> Git {
        Git::top(&self.common)
    }

    /// Where we keep our own records of this repository.
    pub fn records(&self) -> Result<PathBuf> {
        made(&self.common.join(RECORDS))
    }

    /// The worktree for a task or a worker, on its branch; where there is none, made at `base`.
    pub fn ready(&self, name: &str, base: &str) -> Result<Tree> {
        let slug = self.slug(name);
        let branch = branch_of(&slug);
        self.ready_as(slug, Some(branch), base)
    }

    /// The worktree in which branches land: on no branch, so that none is ever checked out there.
    pub fn ready_to_land(&self, base: &str) -> Result<Tree> {
        self.ready_as(LANDING.to_owned(), None, base)
    }

    fn ready_as(&self, slug: String, branch: Option<String>, base: &str) -> Result<Tree> {
        let turn = self.turn()?;
        made(&self.root)?;
        refuse_link(&self.root)?;
        self.keep_out_of_status()?;
        let path = self.root.join(&slug);
        refuse_link(&path)?;
        let found = self.registered(&path)?;
        if let Some(branch) = &branch {
            self.claim(&slug, branch, found.is_some() || self.git().branch(branch)?.is_some())?;
        }
        let made = match found {
            Some(found) => self.reuse(&found, branch.as_deref(), &turn)?,
            None => self.make(&path, branch.as_deref(), base, &turn)?,
        };
        Ok(Tree { slug, path, branch: branch.unwrap_or_default(), made })
    }

    fn make(&self, path: &Path, branch: Option<&str>, base: &str, turn: &Lock) -> Result<Made> {
        if fs::read_dir(path).map_or(path.symlink_metadata().is_ok(), |mut entries| entries.next().is_some()) {
            let message = format!("`{}` is there and is no worktree of this repository", path.display());
            return Err(Error::new(Kind::Conflict, message).hint("move it away, then try again"));
        }
        let git = self.git().under(turn);
        refuse_branch_in_the_way(&git)?;
        let place = path.to_str().ok_or_else(|| Error::internal("a path below a root in UTF-8 is not"))?;
        let add = ["worktree", "add", "--quiet", "--lock", "--reason", MAKING];
        let made = match branch {
            Some(branch) if git.branch(branch)?.is_some() => {
                if let Some(other) = self.all()?.into_iter().find(|tree| tree.branch.as_deref() == Some(branch)) {
                    let message = format!("`{branch}` is checked out in `{}`", other.path.display());
                    return Err(
                        Error::new(Kind::Conflict, message).hint("switch to another branch there, then try again")
                    );
                }
                git.make(&[&add[..], &["--", place, branch]].concat())?;
                Made::ForBranch
            }
            _ => {
                let commit = git.commit(base)?.ok_or_else(|| {
                    Error::not_found(format!("`{}` names no commit to begin at", base.escape_debug()))
                        .hint("give a branch or a commit of this repository")
                })?;
                let on: Vec<&str> = branch.map_or(vec!["--detach"], |branch| vec!["--no-track", "-b", branch]);
                if let Err(error) = git.make(&[&add[..], &on, &["--", place, &commit]].concat()) {
                    // Git takes the worktree back and not the branch, which would be found, and fail, for ever.
                    branch.map_or(Ok(()), |branch| self.delete(branch, Some(&commit)))?;
                    return Err(error);
                }
                Made::New
            }
        };
        git.make(&["worktree", "unlock", "--", place])?;
        Ok(made)
    }

    fn reuse(&self, found: &Registered, branch: Option<&str>, turn: &Lock) -> Result<Made> {
        self.refuse_elsewhere(found)?;
        let was_there = found.is_there();
        if !was_there {
            self.restore(found, turn)?;
        }
        // Killed while it was made: nobody was ever given it, so nothing in it is anybody's work. But anybody can lock one so,
        // and what is whole has an index, which git writes last: that is only unlocked.
        let is_unfinished = found.locked.as_deref() == Some(MAKING);
        if is_unfinished {
            let git = Git::top(&found.path).under(turn);
            if !found.records.join("index").is_file() {
                git.make(&["reset", "--quiet", "--hard"])?;
            }
            git.make(&["worktree", "unlock", "--", &found.path.display().to_string()])?;
        }
        let is_on = found.branch_at_heart();
        if is_on.as_deref() != branch {
            let on = |branch: Option<&str>| branch.map_or("no branch".to_owned(), |branch| format!("`{branch}`"));
            let (path, found, wanted) = (found.path.display(), on(is_on.as_deref()), on(branch));
            let message = format!("the worktree `{path}` is on {found} and should be on {wanted}");
            return Err(
                Error::new(Kind::Conflict, message).hint("switch it back with `git switch` there, then try again")
            );
        }
        Ok(if was_there && !is_unfinished { Made::Found } else { Made::Restored })
    }

    /// Is that a worktree of this repository, and still the one that was made there?
    pub fn vouch_for(&self, path: &Path) -> Result<()> {
        let found = self.registered(path)?.filter(Registered::is_there).ok_or_else(|| no_worktree(path))?;
        self.refuse_elsewhere(&found)
    }

    fn refuse_elsewhere(&self, found: &Registered) -> Result<()> {
        match found.leads_elsewhere(&self.common)? {
            Some(why) => {
                let hint =
                    format!("move `{}` away and type `git worktree prune`, then try again", found.path.display());
                Err(Error::new(Kind::Refused, why).hint(hint))
            }
            None => Ok(()),
        }
    }

    /// Gives a worktree its directory back whose records are still there: what was staged, a rebase that is under way, commits
    /// on no branch, all are as they were. Were it pruned and made anew, they would be gone.
    fn restore(&self, found: &Registered, turn: &Lock) -> Result<()> {
        let is_empty = fs::read_dir(&found.path).map_or(true, |mut entries| entries.next().is_none());
        fs::create_dir_all(&found.path).map_err(|cause| unusable(&found.path, &cause))?;
        let link = found.path.join(".git");
        fs::write(&link, format!("gitdir: {}\n", found.records.display())).map_err(|cause| unusable(&link, &cause))?;
        // Only now git can be asked where it would write.
        self.refuse_elsewhere(found)?;
        if is_empty && found.records.join("index").is_file() {
            Git::top(&found.path).under(turn).make(&["checkout-index", "--all", "--index"])?;
        }
        Ok(())
    }

    /// Runs the set-up command in a worktree in which it has not yet succeeded.
    pub fn set_up(&self, path: &Path, errand: &Errand) -> Result<Option<Outcome>> {
        let known = self.registered(path)?.ok_or_else(|| no_worktree(path))?;
        let mark = known.records.join(SET_UP);
        let wanted = format!("{:016x}\n", digest(&errand.command));
        if fs::read_to_string(&mark).is_ok_and(|done| done == wanted) {
            return Ok(None);
        }
        let outcome = shell::run(errand, path, &Hangup::new(), &mut |_| {})?;
        if outcome.passed() {
            fs::write(&mark, wanted).map_err(|cause| unusable(&mark, &cause))?;
        }
        Ok(Some(outcome))
    }

    /// Our worktrees, but for the one of the landing.
    pub fn list(&self) -> Result<Vec<Tree>> {
        let ours = self.all()?.into_iter().filter_map(|tree| {
            let slug = tree.path.strip_prefix(&self.root).ok()?.to_str()?.to_owned();
            let is_ours = !slug.is_empty() && !slug.contains('/') && slug != LANDING;
            is_ours.then(|| Tree { branch: branch_of(&slug), slug, path: tree.path, made: Made::Found })
        });
        Ok(ours.collect())
    }

    /// What would be lost if this worktree, and its branch, went. `targets` are where its commits may have landed.
    pub fn holdings(&self, tree: &Tree, targets: &[String]) -> Result<Vec<Holding>> {
        let all = self.all()?;
        let known = all.iter().find(|known| known.path == tree.path).ok_or_else(|| no_worktree(&tree.path))?;
        if let Some(why) = known.leads_elsewhere(&self.common)? {
            return Ok(vec![Holding::elsewhere(why)]);
        }
        holdings::of_worktree(known, &tree.branch, targets, &all)
    }

    /// Removes a worktree and its branch where nothing is lost by it. Whatever git ignores goes with it. `in_use` is asked in
    /// our turn: whoever is given a worktree has its task, or is wanted, before they take theirs.
    pub fn remove(&self, tree: &Tree, targets: &[String], in_use: InUse) -> Result<Removal> {
        let turn = self.turn()?;
        if let Some(why) = self.foreign(&tree.branch).or_else(|| in_use(tree)) {
            return Ok(Removal::InUse(why));
        }
        let tip = self.git().branch(&tree.branch)?;
        let held = self.holdings(tree, targets)?;
        if !held.is_empty() {
            return Ok(Removal::Kept(held));
        }
        // Without force git looks once more for itself.
        self.git().under(&turn).make(&["worktree", "remove", "--", &tree.path.display().to_string()])?;
        let _ = fs::remove_file(tree.draft());
        self.delete(&tree.branch, tip.as_deref())?;
        Ok(Removal::Gone)
    }

    /// Removes a branch of ours that has no worktree.
    pub fn remove_branch(&self, branch: &str, targets: &[String]) -> Result<Removal> {
        let _turn = self.turn()?;
        if let Some(why) = self.foreign(branch) {
            return Ok(Removal::InUse(why));
        }
        let tip = self.git().branch(branch)?;
        let held = holdings::of_branch(&self.git(), branch, targets)?;
        if !held.is_empty() {
            return Ok(Removal::Kept(held));
        }
        self.delete(branch, tip.as_deref())?;
        Ok(Removal::Gone)
    }

    /// Only at the very commit that was looked at: whoever commits meanwhile keeps the branch.
    fn delete(&self, branch: &str, tip: Option<&str>) -> Result<()> {
        let is_in_use = self.all()?.iter().any(|tree| tree.branch_at_heart().as_deref() == Some(branch));
        match tip {
            Some(tip) if branch.starts_with(PREFIX) && !is_in_use && self.git().stands_for(branch)?.is_none() => {
                self.git().make(&["update-ref", "--no-deref", "-d", &format!("refs/heads/{branch}"), tip])?;
                branch.strip_prefix(PREFIX).into_iter().for_each(|slug| self.notes().gone(slug));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Every worktree of the repository, the user's too.
    pub fn all(&self) -> Result<Vec<Registered>> {
        let answer = self.git().ask(&["worktree", "list", "--porcelain", "-z"])?;
        let records = self.records_of_worktrees();
        let read = |block: &str| {
            let mut tree =
                Registered { path: PathBuf::new(), records: self.common.clone(), branch: None, locked: None };
            for line in block.split('\0') {
                let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
                match word {
                    "worktree" => tree.path = PathBuf::from(rest),
                    "branch" => tree.branch = rest.strip_prefix("refs/heads/").map(str::to_owned),
                    "locked" => tree.locked = Some(rest.to_owned()),
                    _ => {}
                }
            }
            if let Some((_, own)) = records.iter().find(|(path, _)| *path == tree.path) {
                tree.records = own.clone();
            }
            tree
        };
        Ok(answer.split("\0\0").filter(|block| !block.trim_matches('\0').is_empty()).map(read).collect())
    }

    /// The directory of the main worktree.
    pub fn checkout(&self) -> Result<PathBuf> {
        Ok(self.all()?.into_iter().next().map_or_else(|| self.common.clone(), |main| main.path))
    }

    /// The branch that the main worktree is on.
    pub fn checked_out(&self) -> Result<Option<String>> {
        Ok(self.all()?.into_iter().next().and_then(|main| main.branch))
    }

    fn registered(&self, path: &Path) -> Result<Option<Registered>> {
        Ok(self.all()?.into_iter().find(|tree| tree.path == path))
    }

    /// Where each linked worktree is, and where its records are, also if the worktree is not there.
    fn records_of_worktrees(&self) -> Vec<(PathBuf, PathBuf)> {
        let entries = fs::read_dir(self.common.join("worktrees")).into_iter().flatten().flatten();
        let of = |entry: fs::DirEntry| {
            let records = entry.path();
            let text = fs::read_to_string(records.join("gitdir")).ok()?;
            // It may be told from where it stands.
            let path = records.join(Path::new(text.trim_end_matches('\n')).parent()?);
            Some((path.canonicalize().unwrap_or(path), records))
        };
        entries.filter_map(of).collect()
    }

    fn turn(&self) -> Result<Lock> {
        lock::take(&self.records()?.join("trees.lock"), PATIENCE, "another process is making or removing worktrees")
    }

    /// Ignored by a file that ignores itself: neither the user's `.gitignore` nor their `info/exclude` is touched.
    fn keep_out_of_status(&self) -> Result<()> {
        let file = self.root.join(".gitignore");
        match file.symlink_metadata() {
            Ok(found) if found.len() > 0 => Ok(()),
            _ => fs::write(&file, "*\n").map_err(|cause| unusable(&file, &cause)),
        }
    }
}

/// A link in what was checked out would have us work wherever it leads.
fn refuse_link(root: &Path) -> Result<()> {
    match leads_to(root) {
        Some(to) => {
            let message = format!("`{}` leads elsewhere, to `{to}`", root.display());
            Err(Error::new(Kind::Refused, message).hint("delete the link, or give another directory"))
        }
        None => Ok(()),
    }
}

/// Where a path leads by a link, at whatever depth of it.
fn leads_to(path: &Path) -> Option<String> {
    let there = path.ancestors().find(|dir| dir.symlink_metadata().is_ok()).unwrap_or(path);
    match there.canonicalize() {
        Ok(leads_to) => (leads_to != there).then(|| leads_to.display().to_string()),
        Err(_) => Some("nowhere".to_owned()),
    }
}

fn main_checkout(checkout: &Path, common: &Path) -> Result<PathBuf> {
    let git = Git::top(common);
    let none = |what: &str| {
        let message = format!("the repository `{}` has no checkout{what}", common.display());
        Err(Error::invalid(message).hint("run it in the repository's own checkout"))
    };
    if git.ask(&["config", "--get", "--default", "false", "core.bare"])? == "true" {
        return none("");
    }
    if common.file_name().is_some_and(|name| name == ".git") {
        return Ok(common.parent().unwrap_or(common).to_owned());
    }
    // Of a submodule git has it in its settings; of a repository that lies elsewhere only the checkout knows.
    if let Some(place) = git.find(&["config", "--get", "core.worktree"])? {
        return real(&common.join(place));
    }
    let is_its_own = |top: &&Path| Git::top(top).find(&DIR_OF_GIT).is_ok_and(|dir| dir.as_deref() == common.to_str());
    let around = real(checkout)?;
    let found = around.ancestors().find(|top| top.join(".git").is_file() && is_its_own(top));
    found.map_or_else(|| none(" that can be found from here"), |top| Ok(top.to_owned()))
}

/// Another branch keeps ours from being made, as git has no branch below a branch.
pub fn refuse_branch_in_the_way(git: &Git) -> Result<()> {
    let name = PREFIX.trim_end_matches('/');
    match git.branch(name)? {
        Some(_) => {
            let message = format!("there is a branch `{name}`, so that git can make none below `{PREFIX}`");
            let hint = format!("give it another name, such as `git branch -m {name} {name}-old`, then try again");
            Err(Error::new(Kind::Conflict, message).hint(hint))
        }
        None => Ok(()),
    }
}

/// What `path` is called from `top`, if it lies there.
pub fn path_below(top: &Path, path: &Path) -> Option<String> {
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let below = real(path).strip_prefix(real(top)).ok()?.to_str()?.to_owned();
    (!below.is_empty()).then_some(below)
}

fn made(dir: &Path) -> Result<PathBuf> {
    // The state directory may lie here too, which is nobody else's business.
    let made = DirBuilder::new().recursive(true).mode(0o700).create(dir);
    made.map_err(|cause| unusable(dir, &cause))?;
    real(dir)
}

fn real(path: &Path) -> Result<PathBuf> {
    path.canonicalize().map_err(|cause| unusable(path, &cause))
}

fn unusable(path: &Path, cause: &io::Error) -> Error {
    Error::new(Kind::Unavailable, format!("`{}` cannot be used: {cause}", path.display()))
}

fn no_worktree(path: &Path) -> Error {
    Error::not_found(format!("`{}` is no worktree of this repository", path.display()))
        .hint("`git worktree list` names them all")
}
