//! In which row a task stands, and from which rows somebody is served. A lane's first character tells its kind, so that no name
//! that anybody chooses can be taken for another kind.

use crate::model::digest::digest;
use crate::model::task::Claimer;
use crate::model::task::Link;
use crate::model::task::Task;

impl Task {
    /// The queue it stands in: that of one instance, of a role, of a link, or the one for everybody.
    pub fn lane(&self) -> String {
        match (&self.assignee, &self.role, self.link) {
            (Some(assignee), _, _) => lane_of_assignee(assignee),
            (None, Some(role), _) => lane_of_role(role),
            (None, None, link) => lane_of_link(link),
        }
    }

    /// The row in which it stands: its lane, or in that lane one of its own for those that want the same to themselves in the
    /// same repository, so that a claim passes by all of them at once.
    pub fn queue(&self) -> String {
        let lane = self.lane();
        let repo = self.repo.iter().map(|repo| format!("repo {repo}"));
        let wants: Vec<String> = self.reserves.iter().cloned().chain(repo).collect();
        match wants.is_empty() {
            true => lane,
            false => format!("{lane}{WANTS}{:016x}", digest(&wants.join("\n"))),
        }
    }
}

/// Between a lane and what is wanted there: in no name of anybody.
pub const WANTS: char = '#';

/// The lane of a queue.
pub fn lane_of_queue(queue: &str) -> &str {
    queue.split_once(WANTS).map_or(queue, |(lane, _)| lane)
}

fn lane_of_assignee(assignee: &str) -> String {
    format!(">{assignee}")
}

pub(super) fn lane_of_role(role: &str) -> String {
    format!("={}", role.to_ascii_lowercase())
}

fn lane_of_link(link: Option<Link>) -> String {
    format!("/{}", link.map_or("", Link::word))
}

/// The lanes that an instance is served from, in ranks: its own, then its role and the link that fits it, then the rest.
pub fn lanes_for(me: Claimer) -> Vec<Vec<String>> {
    let fitting = Link::fitting(me.role);
    let mut second = vec![lane_of_role(me.role)];
    second.extend(fitting.map(|link| lane_of_link(Some(link))));
    let mut third = vec![lane_of_link(None)];
    third.extend(Link::ALL.into_iter().filter(|link| Some(*link) != fitting).map(|link| lane_of_link(Some(link))));
    vec![vec![lane_of_assignee(me.id.as_str())], second, third]
}
