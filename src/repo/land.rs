//! Landing: finished branches are put upon a target one after the other, checked, and the target moves forward to them.
//!
//! All of it happens in a worktree of its own. The target moves by fast-forward only, and only from where it was found. Where
//! the target is checked out somewhere, most of all by the user, it is left alone: to move it would leave their files behind
//! and show what landed as undone by them. Then `orch/landing` moves instead, which the user takes when they want it.

use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::repo::conflict::Conflict;
use crate::repo::git::Git;
use crate::repo::guarded::Guard;
use crate::repo::holdings;
use crate::repo::holdings::Status;
use crate::repo::holdings::named;
use crate::repo::journal::Journal;
use crate::repo::landed;
use crate::repo::lock;
use crate::repo::lock::Lock;
use crate::repo::shell;
use crate::repo::shell::Errand;
use crate::repo::stack;
use crate::repo::stack::Branch;
use crate::repo::stack::How;
use crate::repo::stack::Put;
use crate::repo::stack::Site;
use crate::repo::worktree::LANDING;
use crate::repo::worktree::Registered;
use crate::repo::worktree::Trees;
use crate::repo::worktree::branch_of;
use crate::repo::worktree::refuse_branch_in_the_way;
use crate::store::doorbell::Hangup;
use std::cell::RefCell;
use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// What is said of each branch.
pub type Told = Vec<(String, Outcome)>;

const JOURNAL: &str = "landing.check";

/// How often a target may move under us until we give up.
const ATTEMPTS_MAX: usize = 3;

/// What is wanted.
#[derive(Clone, Debug)]
pub struct Landing {
    pub target: String,
    /// In this order.
    pub branches: Vec<String>,
    pub how: How,
    pub check: Option<Errand>,
    pub guard: Guard,
    /// Says, while it is so, that this is the landing that is under way.
    pub under_way: Arc<AtomicBool>,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Landed {
    /// The branch that moved: the target, or `orch/landing` where the target is checked out.
    pub onto: String,
    pub from: Option<String>,
    /// The same as `from` if nothing landed.
    pub to: Option<String>,
    pub each: Told,
    /// How often the check was run.
    pub checks: usize,
    /// A landing before this one was cut short, and what it left was taken back.
    pub took_back: bool,
    /// Why its worktree could not be cleared away: the next landing takes back what is left.
    pub left: Option<String>,
}

#[derive(Clone, Debug)]
pub enum Outcome {
    Landed {
        commit: String,
    },
    AlreadyThere,
    NoBranch,
    Conflict(Conflict),
    /// Git cannot put it on, and says why.
    Stuck(String),
    Failed(Failure),
    /// It touches these, which nobody has allowed; or nobody can.
    Protected(Vec<String>),
    /// The check fails on the target itself, so it says nothing of the branch.
    TargetFails(shell::Outcome),
}

#[derive(Clone, Debug)]
pub struct Failure {
    pub check: shell::Outcome,
    /// It passes by itself, and fails with these, which landed.
    pub only_with: Vec<String>,
}

/// Which branch is to move, from where, and upon what the first branch is put.
#[derive(Debug)]
struct Place {
    branch: String,
    old: Option<String>,
    base: String,
    /// The branch that has what the first is put upon.
    base_name: String,
    is_aside: bool,
}

/// A branch that was put on: which of the round, and where it stands now.
struct Placed<'a> {
    at: usize,
    commit: &'a str,
}

/// Where the first fault is.
enum Fault {
    None,
    Target(shell::Outcome),
    /// Of those that were put on, by number.
    At(usize, shell::Outcome),
}

/// There is one landing at a time: this is for whoever holds it.
pub struct Turn(Lock);

/// `Busy` where another landing took longer than our patience.
pub fn turn(trees: &Trees, patience: Duration) -> Result<Turn> {
    lock::take(&trees.records()?.join("landing.lock"), patience, "another landing is under way").map(Turn)
}

/// What the user types in their checkout while something that landed waits beside it.
pub fn to_take_it(trees: &Trees, target: &str) -> Result<Option<String>> {
    let (git, landing) = (trees.git(), branch_of(LANDING));
    let (Some(tip), Some(aside)) = (git.branch(target)?, git.branch(&landing)?) else { return Ok(None) };
    let waits = tip != aside
        && user_of(&git, &trees.all()?, target)?.is_some()
        && git.is_so(&["merge-base", "--is-ancestor", &tip, &aside])?;
    Ok(waits.then(|| format!("git merge --ff-only {landing}")))
}

pub fn land(trees: &Trees, landing: &Landing, Turn(turn): Turn) -> Result<Landed> {
    refuse_nonsense(trees, landing)?;
    let records = trees.records()?;
    let journal = Journal::at(&records.join(JOURNAL));
    landing.under_way.store(true, Ordering::SeqCst);
    let took_back = journal.was_left(&site_of(trees))?;
    let tree = trees.ready_to_land(&landing.target)?;
    let known = trees.all()?.into_iter().find(|known| known.path == tree.path);
    let records = known.map(|known| known.records).ok_or_else(|| Error::internal("the landing's worktree is gone"))?;
    let git = Git::top(&tree.path).under(&turn);
    let yard = Yard { trees, landing, git, records, journal, checked: RefCell::default() };
    match took_back {
        true => stack::take_back(&yard.site())?,
        false => yard.refuse_if_used()?,
    }
    yard.journal.begin()?;
    // What was said at the landing before is of no use any more.
    landing.check.iter().for_each(|check| drop(fs::remove_file(&check.log)));
    let landed = yard.attempt();
    // What cannot be cleared away now is taken back at the next landing: what has moved has moved.
    let left = stack::take_back(&yard.site()).and_then(|()| yard.journal.end()).err().map(|error| error.message);
    landing.under_way.store(false, Ordering::SeqCst);
    landed.map(|landed| Landed { took_back, left, checks: yard.checked.borrow().len(), ..landed })
}

/// Ends the check that runs, for whoever gives up the landing that is under way.
pub fn end_check(trees: &Trees) -> Result<()> {
    Journal::at(&trees.records()?.join(JOURNAL)).was_left(&site_of(trees)).map(drop)
}

fn site_of(trees: &Trees) -> PathBuf {
    trees.root().join(LANDING)
}

fn refuse_nonsense(trees: &Trees, landing: &Landing) -> Result<()> {
    trees.git().branch_there(&landing.target)?;
    let own = branch_of(LANDING);
    let is_target = |branch: &&String| **branch == landing.target || **branch == own;
    match landing.branches.iter().find(is_target) {
        Some(branch) => Err(Error::invalid(format!("`{branch}` cannot land on `{}`", landing.target))
            .hint("name branches with work that is to land there")),
        None => Ok(()),
    }
}

/// One landing, in its worktree.
struct Yard<'a> {
    trees: &'a Trees,
    landing: &'a Landing,
    git: Git,
    records: PathBuf,
    journal: Journal,
    /// What the check said of a tree of files: it is not asked twice.
    checked: RefCell<HashMap<String, shell::Outcome>>,
}

impl Yard<'_> {
    fn site(&self) -> Site<'_> {
        Site { git: &self.git, guard: &self.landing.guard, records: &self.records }
    }

    /// After a landing that ended by itself its worktree is clean. If it is not, somebody works in it.
    fn refuse_if_used(&self) -> Result<()> {
        let left = [Status::of(&self.git)?.not_committed(), holdings::under_way(&self.records)].concat();
        if left.is_empty() {
            return Ok(());
        }
        let message =
            format!("`{}` is where branches land, and somebody left {} there", self.git.dir().display(), named(&left));
        Err(Error::new(Kind::Conflict, message).hint("commit it on a branch of its own or delete it, then try again"))
    }

    fn attempt(&self) -> Result<Landed> {
        for _ in 0..ATTEMPTS_MAX {
            let place = self.choose()?;
            let (tip, each) = self.put_all(&place)?;
            let each = self.with_what_others_brought(&tip, each)?;
            if self.move_to(&place, &tip, &each)? {
                let to = Some(tip);
                let has_landed = each.iter().any(|(_, outcome)| matches!(outcome, Outcome::Landed { .. }));
                return Ok(Landed {
                    to: if has_landed { to } else { place.old.clone() },
                    onto: place.branch,
                    from: place.old,
                    each,
                    checks: 0,
                    took_back: false,
                    left: None,
                });
            }
        }
        let message = format!("`{}` was moved by others {ATTEMPTS_MAX} times meanwhile", self.landing.target);
        Err(Error::new(Kind::Busy, message).hint("try again when it is quiet"))
    }

    fn choose(&self) -> Result<Place> {
        let git = &self.git;
        let target = self.landing.target.as_str();
        let tip = git.branch_there(target)?;
        let all = self.trees.all()?;
        if user_of(git, &all, target)?.is_none() {
            let (branch, base_name) = (target.to_owned(), target.to_owned());
            return Ok(Place { branch, old: Some(tip.clone()), base: tip, base_name, is_aside: false });
        }
        let branch = branch_of(LANDING);
        if let Some(other) = git.stands_for(&branch)? {
            let message = format!("`{branch}` is only another name for `{other}`, which is not ours to move");
            return Err(Error::new(Kind::Refused, message)
                .hint(format!("`git symbolic-ref --delete refs/heads/{branch}` takes the name away, then try again")));
        }
        if let Some(user) = user_of(git, &all, &branch)? {
            let message = format!("`{target}` is checked out, and so is `{branch}`, in `{}`", user.path.display());
            return Err(Error::new(Kind::Refused, message).hint("switch to another branch there, then try again"));
        }
        refuse_branch_in_the_way(git)?;
        let old = git.branch(&branch)?;
        let (base, base_name) = match &old {
            // All of it is in the target.
            Some(old) if git.is_so(&["merge-base", "--is-ancestor", old, &tip])? => (tip, target.to_owned()),
            None => (tip, target.to_owned()),
            Some(old) => {
                self.refuse_unless_landed(&branch, old)?;
                let is_ahead = git.is_so(&["merge-base", "--is-ancestor", &tip, old])?;
                (if is_ahead { old.clone() } else { self.join(&tip, &branch, old)? }, branch.clone())
            }
        };
        Ok(Place { branch, old, base, base_name, is_aside: true })
    }

    /// What others put there has met neither the guard nor the check, and would be taken with what lands.
    fn refuse_unless_landed(&self, branch: &str, tip: &str) -> Result<()> {
        if landed::is_noted(self.trees, tip)? {
            return Ok(());
        }
        let (target, short) = (&self.landing.target, tip.get(..12).unwrap_or(tip));
        // Whatever landed there may be nowhere else by now: branches whose work has arrived are cleaned up.
        let other = match landed::last(self.trees)? {
            Some(last) => format!("put it back where the last landing left it (`git branch --force {branch} {last}`)"),
            None => format!("delete it (`git branch -D {branch}`)"),
        };
        let message = format!("`{branch}` stands at {short}, and no landing put it there");
        Err(Error::new(Kind::Refused, message).hint(format!(
            "look at it with `git log -p {target}..{branch}`; then merge it by hand if it is to stay, or {other}"
        )))
    }

    /// Both have moved on: what landed before is merged with what the user has done since.
    fn join(&self, tip: &str, branch: &str, old: &str) -> Result<String> {
        let git = &self.git;
        git.make(&["checkout", "--quiet", "--detach", tip])?;
        let message = format!("Merge branch '{branch}'");
        let words = ["merge", "--quiet", "--no-ff", "--no-edit", "--no-stat", "-m", &message, old];
        let answer = git.attempt(&words)?;
        if answer.is_yes() {
            return git.ask(&["rev-parse", "HEAD"]);
        }
        let target = &self.landing.target;
        let conflicted = Status::of(git)?.conflicted;
        stack::take_back(&self.site())?;
        match conflicted.as_slice() {
            [] => Err(git.failed(&words, &answer)),
            files => {
                let message = format!("`{branch}` and `{target}` conflict in {}", named(files));
                Err(Error::new(Kind::Conflict, message)
                    .hint(format!("merge `{branch}` into `{target}` by hand, then try again")))
            }
        }
    }

    /// Rounds: all that are left are put upon each other and checked at once. If that fails, what stands below the culprit
    /// lands, and those above it are put on anew, as they may have met only the culprit.
    fn put_all(&self, place: &Place) -> Result<(String, Told)> {
        let (mut waiting, mut each) = self.waiting(place)?;
        let mut tip = place.base.clone();
        while !waiting.is_empty() {
            let tried = self.put_round(&waiting, &tip, place)?;
            let put: Vec<Placed> = tried.iter().enumerate().filter_map(placed).collect();
            let fault = self.fault(&tip, &put)?;
            let mut left = Vec::new();
            if let Fault::At(number, check) = &fault {
                let at = put[*number].at;
                let failure = self.failure(&tip, &put[..=*number], &waiting, check.clone(), place)?;
                left = waiting.split_off(at + 1);
                each.extend(settled(&waiting[..at], &tried, None));
                each.push((waiting[at].name.clone(), Outcome::Failed(failure)));
                tip = if *number > 0 { put[*number - 1].commit.to_owned() } else { tip };
            } else {
                let target_fails = if let Fault::Target(check) = &fault { Some(check) } else { None };
                each.extend(settled(&waiting, &tried, target_fails));
                tip = put.last().filter(|_| target_fails.is_none()).map_or(tip, |last| last.commit.to_owned());
            }
            waiting = left;
        }
        Ok((tip, each))
    }

    /// A branch that could not land by itself may have come with another, which somebody made to mend it.
    fn with_what_others_brought(&self, tip: &str, each: Told) -> Result<Told> {
        let brought = |(name, outcome): (String, Outcome)| {
            let is_open = matches!(outcome, Outcome::Conflict(_) | Outcome::Failed(_));
            let own = if is_open { self.git.branch(&name)? } else { None };
            match own {
                Some(own) if holdings::unmerged(&self.git, &own, tip)?.is_empty() => Ok((name, Outcome::AlreadyThere)),
                _ => Ok((name, outcome)),
            }
        };
        each.into_iter().map(brought).collect()
    }

    /// Each branch that is there, once, and what is to be said of the others.
    fn waiting(&self, place: &Place) -> Result<(Vec<Branch>, Told)> {
        let (mut waiting, mut each) = (Vec::new(), Vec::new());
        for name in &self.landing.branches {
            match self.git.branch(name)? {
                None => each.push((name.clone(), Outcome::NoBranch)),
                Some(tip) => {
                    let branch = Branch { name: name.clone(), tip };
                    if waiting.contains(&branch) {
                        continue;
                    }
                    let touched = self.landing.guard.touched(&self.git, &branch.tip, &place.base)?;
                    match touched.is_empty() {
                        true => waiting.push(branch),
                        false => each.push((branch.name, Outcome::Protected(touched))),
                    }
                }
            }
        }
        Ok((waiting, each))
    }

    fn put_round(&self, waiting: &[Branch], tip: &str, place: &Place) -> Result<Vec<Put>> {
        let mut top = tip.to_owned();
        let mut below: Vec<&str> = Vec::new();
        let mut tried = Vec::new();
        for branch in waiting {
            let name = match below.as_slice() {
                [] => format!("`{}`", place.base_name),
                below => format!("`{}` with `{}`", place.base_name, below.join("`, `")),
            };
            let put = stack::put(&self.site(), branch, &top, &name, self.landing.how)?;
            if let Put::On(commit) = &put {
                top.clone_from(commit);
                below.push(&branch.name);
            }
            tried.push(put);
        }
        Ok(tried)
    }

    /// Halves what may be at fault. Whatever lands was checked as it lands.
    fn fault(&self, tip: &str, put: &[Placed]) -> Result<Fault> {
        let Some(top) = put.last() else { return Ok(Fault::None) };
        let Some(failed) = self.failure_at(top.commit)? else { return Ok(Fault::None) };
        if let Some(failed) = self.failure_at(tip)? {
            return Ok(Fault::Target(failed));
        }
        let (mut first, mut fault) = (0, (put.len() - 1, failed));
        while first < fault.0 {
            let middle = first.midpoint(fault.0);
            match self.failure_at(put[middle].commit)? {
                Some(failed) => fault = (middle, failed),
                None => first = middle + 1,
            }
        }
        Ok(Fault::At(fault.0, fault.1))
    }

    /// Is it the last one by itself, or only together with those below it?
    fn failure(
        &self,
        tip: &str,
        put: &[Placed],
        waiting: &[Branch],
        check: shell::Outcome,
        place: &Place,
    ) -> Result<Failure> {
        let mut only_with = Vec::new();
        if let [below @ .., culprit] = put
            && !below.is_empty()
            && let Put::On(alone) =
                stack::put(&self.site(), &waiting[culprit.at], tip, &place.base_name, self.landing.how)?
            && self.failure_at(&alone)?.is_none()
        {
            only_with = below.iter().map(|placed| waiting[placed.at].name.clone()).collect();
        }
        Ok(Failure { check, only_with })
    }

    fn failure_at(&self, commit: &str) -> Result<Option<shell::Outcome>> {
        let Some(errand) = &self.landing.check else { return Ok(None) };
        let files = self.git.ask(&["rev-parse", &format!("{commit}^{{tree}}")])?;
        let known = self.checked.borrow().get(&files).cloned();
        let outcome = match known {
            Some(outcome) => outcome,
            None => {
                let outcome = self.check(errand, commit)?;
                self.checked.borrow_mut().insert(files, outcome.clone());
                outcome
            }
        };
        Ok((!outcome.passed()).then_some(outcome))
    }

    fn check(&self, errand: &Errand, commit: &str) -> Result<shell::Outcome> {
        self.git.make(&["checkout", "--quiet", "--detach", commit])?;
        let mut noted = Ok(());
        let outcome = shell::run(errand, self.git.dir(), &Hangup::new(), &mut |pid| {
            noted = self.journal.check_started(pid);
        });
        noted?;
        self.journal.check_ended()?;
        // What a check leaves must not help, nor hinder, the next one.
        stack::take_back(&self.site())?;
        outcome
    }

    /// `false` where somebody else moved it, or began to use it, since it was looked at.
    fn move_to(&self, place: &Place, tip: &str, each: &Told) -> Result<bool> {
        let landed = each.iter().filter(|(_, outcome)| matches!(outcome, Outcome::Landed { .. }));
        let names: Vec<&str> = landed.map(|(name, _)| name.as_str()).collect();
        if names.is_empty() {
            return Ok(true);
        }
        let old = place.old.as_deref();
        if let Some(old) = old
            && !self.git.is_so(&["merge-base", "--is-ancestor", old, tip])?
        {
            return Err(Error::internal(format!("{tip} is no fast-forward of {old}")));
        }
        if user_of(&self.git, &self.trees.all()?, &place.branch)?.is_some() {
            return Ok(false);
        }
        if place.is_aside {
            // Killed in between, either is where we put it.
            landed::note(self.trees, &old.into_iter().chain([tip]).collect::<Vec<_>>())?;
        }
        let message = format!("orch-mcp: landed {}", names.join(", "));
        // Another name stays one, and what it stands for moves.
        let reference = self.git.reference(&place.branch)?;
        // No old commit means that there must be no such branch.
        let words = ["update-ref", "--no-deref", "-m", &message, &reference, tip, old.unwrap_or_default()];
        let answer = self.git.attempt(&words)?;
        match answer.is_yes() {
            true if place.is_aside => {
                // It has moved. Where this cannot be said, the note of both is there still.
                let _ = landed::note(self.trees, &[tip]);
                Ok(true)
            }
            true => Ok(true),
            false if self.git.branch(&place.branch)?.as_deref() == old => Err(self.git.failed(&words, &answer)),
            false => Ok(false),
        }
    }
}

fn placed((at, put): (usize, &Put)) -> Option<Placed<'_>> {
    match put {
        Put::On(commit) => Some(Placed { at, commit }),
        Put::Nothing | Put::Conflict(_) | Put::Protected(_) | Put::Stuck(_) => None,
    }
}

/// What is to be said of branches that are not tried again.
fn settled(branches: &[Branch], tried: &[Put], target_fails: Option<&shell::Outcome>) -> Told {
    let outcome = |put: &Put| match (put, target_fails) {
        (Put::Nothing, _) => Outcome::AlreadyThere,
        (Put::Conflict(conflict), _) => Outcome::Conflict(conflict.clone()),
        (Put::Protected(paths), _) => Outcome::Protected(paths.clone()),
        (Put::Stuck(why), _) => Outcome::Stuck(why.clone()),
        (Put::On(_), Some(check)) => Outcome::TargetFails(check.clone()),
        (Put::On(commit), None) => Outcome::Landed { commit: commit.clone() },
    };
    branches.iter().zip(tried).map(|(branch, put)| (branch.name.clone(), outcome(put))).collect()
}

/// The worktree, the user's or another one, in which a branch is checked out or being rebased.
fn user_of<'a>(git: &Git, all: &'a [Registered], branch: &str) -> Result<Option<&'a Registered>> {
    // Git names what is checked out by the branch that its name stands for.
    let reference = git.reference(branch)?;
    let is_it = |heart: String| heart == branch || reference.strip_prefix("refs/heads/") == Some(&heart);
    Ok(all.iter().find(|tree| tree.branch_at_heart().is_some_and(is_it)))
}
