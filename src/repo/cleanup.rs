//! Which worktrees and branches of ours may go, which stay, and why: first said, then done.

use crate::error::Result;
use crate::repo::holdings;
use crate::repo::landed;
use crate::repo::worktree::InUse;
use crate::repo::worktree::LANDING;
use crate::repo::worktree::PREFIX;
use crate::repo::worktree::Removal;
use crate::repo::worktree::Tree;
use crate::repo::worktree::Trees;
use crate::repo::worktree::branch_of;
use std::collections::HashSet;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Thing {
    Tree(Tree),
    /// It has no worktree.
    Branch(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    pub thing: Thing,
    /// Why it stays. If nothing stands here, it goes.
    pub stays: Vec<String>,
}

impl Verdict {
    pub fn goes(&self) -> bool {
        self.stays.is_empty()
    }
}

/// Judges everything of ours.
pub fn plan(trees: &Trees, target: &str, in_use: InUse) -> Result<Vec<Verdict>> {
    let targets = targets(trees, target)?;
    let mut verdicts = Vec::new();
    let mut with_tree: HashSet<String> = HashSet::new();
    for tree in trees.list()? {
        let held = match trees.made_for(&tree.slug).err().or_else(|| in_use(&tree)) {
            Some(why) => vec![why],
            None => trees.holdings(&tree, &targets)?.iter().map(ToString::to_string).collect(),
        };
        with_tree.insert(tree.branch.clone());
        verdicts.push(Verdict { thing: Thing::Tree(tree), stays: held });
    }
    with_tree.extend(trees.all()?.iter().filter_map(|tree| tree.branch_at_heart()));
    let git = trees.git();
    for branch in git.lines(&["for-each-ref", "--format=%(refname:lstrip=2)", &format!("refs/heads/{PREFIX}")])? {
        if branch != branch_of(LANDING) && !with_tree.contains(&branch) {
            let stays = match trees.made_for(branch.strip_prefix(PREFIX).unwrap_or_default()) {
                Ok(_) => holdings::of_branch(&git, &branch, &targets)?.iter().map(ToString::to_string).collect(),
                Err(foreign) => vec![foreign],
            };
            verdicts.push(Verdict { thing: Thing::Branch(branch), stays });
        }
    }
    Ok(verdicts)
}

/// Removes what goes, and looks again before each: what somebody began meanwhile stays. Answers what came of it.
pub fn carry_out(trees: &Trees, target: &str, plan: Vec<Verdict>, in_use: InUse) -> Result<Vec<Verdict>> {
    let targets = targets(trees, target)?;
    let mut done = Vec::new();
    for verdict in plan {
        let stays = match &verdict.thing {
            _ if !verdict.goes() => verdict.stays,
            Thing::Tree(tree) => what_stays(trees.remove(tree, &targets, in_use)),
            Thing::Branch(branch) => what_stays(trees.remove_branch(branch, &targets)),
        };
        done.push(Verdict { thing: verdict.thing, stays });
    }
    Ok(done)
}

/// One that cannot be removed keeps none of the others.
fn what_stays(removal: Result<Removal>) -> Vec<String> {
    match removal {
        Ok(Removal::Gone) => Vec::new(),
        Ok(Removal::InUse(why)) => vec![why],
        Ok(Removal::Kept(held)) => held.iter().map(ToString::to_string).collect(),
        Err(error) => vec![error.message],
    }
}

/// Work has arrived in the target, or is about to: the branch of the landing is never deleted. Nothing has arrived there that no
/// landing put there.
pub fn targets(trees: &Trees, target: &str) -> Result<Vec<String>> {
    let landing = landed::tip(trees)?.map(|_| branch_of(LANDING));
    Ok([target.to_owned()].into_iter().chain(landing).collect())
}
