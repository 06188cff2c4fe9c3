//! What waits for what, drawn: as text for a terminal, as Mermaid, DOT, SVG and JSON.
//!
//! Titles are whatever somebody wrote, so each drawing escapes them in its own way, and none needs a program to be drawn.

mod dot;
mod mermaid;
mod svg;
mod text;

use crate::model::safe;
use crate::model::task::Standing;
use crate::plan::draft::one_line;
use serde_json::Value;
use serde_json::json;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::HashSet;

pub use text::Page;

/// Beyond that a drawing is no picture of anything.
pub const NODES_MAX: usize = 10_000;

/// One task of the picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// As people call it: `task-12`.
    pub id: String,
    pub title: String,
    pub standing: Standing,
    pub role: Option<String>,
}

impl Node {
    /// Is nothing left to be done for it?
    fn is_over(&self) -> bool {
        matches!(self.standing, Standing::Completed | Standing::Cancelled)
    }
}

/// Nodes, what each waits for, and what follows from that.
#[derive(Clone, Debug)]
pub struct Graph {
    nodes: Vec<Node>,
    /// By node, in the order of the nodes.
    needs: Vec<Vec<usize>>,
    feeds: Vec<Vec<usize>>,
    /// The step in which each can be done: one more than the last of what it waits for.
    layers: Vec<usize>,
    /// Dependencies that close a circle, which no store has; they are drawn, and make no step.
    back: HashSet<(usize, usize)>,
    heights: Vec<usize>,
    critical: Vec<usize>,
    is_critical: Vec<bool>,
}

impl Graph {
    /// `edges`: which node (by its place in `nodes`) waits for which. What points nowhere, or at itself, is left out.
    pub fn new(nodes: Vec<Node>, edges: impl IntoIterator<Item = (usize, usize)>) -> Graph {
        let count = nodes.len();
        let mut needs = vec![Vec::new(); count];
        for (waits, on) in edges {
            if waits < count && on < count && waits != on {
                needs[waits].push(on);
            }
        }
        let mut feeds = vec![Vec::new(); count];
        for (waits, on) in needs.iter_mut().enumerate() {
            on.sort_unstable();
            on.dedup();
            on.iter().for_each(|on| feeds[*on].push(waits));
        }
        let order = order(&needs, &feeds);
        let mut place = vec![0; count];
        order.iter().enumerate().for_each(|(at, node)| place[*node] = at);
        let back: HashSet<(usize, usize)> = (0..count)
            .flat_map(|waits| needs[waits].iter().map(move |on| (waits, *on)))
            .filter(|(waits, on)| place[*on] > place[*waits])
            .collect();
        let mut layers = vec![0; count];
        for node in &order {
            let below = needs[*node].iter().filter(|on| !back.contains(&(*node, **on)));
            layers[*node] = below.map(|on| layers[*on] + 1).max().unwrap_or(0);
        }
        let mut heights = vec![0; count];
        for node in order.iter().rev().filter(|node| !nodes[**node].is_over()) {
            let above = feeds[*node].iter().filter(|waits| !back.contains(&(**waits, *node)));
            heights[*node] = above.map(|waits| heights[*waits]).max().unwrap_or(0) + 1;
        }
        let critical = critical(&feeds, &heights, &back);
        let mut is_critical = vec![false; count];
        critical.iter().for_each(|node| is_critical[*node] = true);
        Graph { nodes, needs, feeds, layers, back, heights, critical, is_critical }
    }

    /// The longest chain of tasks that are still to be done, the first of them first.
    pub fn critical_path(&self) -> impl Iterator<Item = &Node> {
        self.critical.iter().map(|node| &self.nodes[*node])
    }

    /// For each node, how many tasks are to be done one after the other from it on; nothing for one that is over.
    pub fn heights(&self) -> &[usize] {
        &self.heights
    }

    /// For a terminal of so many columns and rows.
    pub fn text(&self, page: Page) -> String {
        text::draw(self, page)
    }

    /// A `flowchart TD`, with a class for each state.
    pub fn mermaid(&self) -> String {
        mermaid::draw(self)
    }

    pub fn dot(&self) -> String {
        dot::draw(self)
    }

    pub fn svg(&self) -> String {
        svg::draw(self)
    }

    pub fn json(&self) -> Value {
        let id = |node: &usize| self.nodes[*node].id.as_str();
        let nodes = self.nodes.iter().enumerate().map(|(at, node)| {
            json!({
                "id": node.id,
                "title": node.title,
                "state": node.standing.word(),
                "role": node.role,
                "step": self.layers[at] + 1,
                "height": self.heights[at],
                "critical": self.is_critical[at],
            })
        });
        let edges = self.edges().map(|(on, waits)| json!({ "from": id(&on), "to": id(&waits) }));
        json!({
            "nodes": nodes.collect::<Vec<_>>(),
            "edges": edges.collect::<Vec<_>>(),
            "critical_path": self.critical.iter().map(id).collect::<Vec<_>>(),
            "steps": self.steps(),
        })
    }

    fn steps(&self) -> usize {
        self.layers.iter().max().map_or(0, |last| last + 1)
    }

    /// In the direction of the work: from what is waited for to what waits.
    fn edges(&self) -> impl Iterator<Item = (usize, usize)> {
        self.needs.iter().enumerate().flat_map(|(waits, on)| on.iter().map(move |on| (*on, waits)))
    }

    /// Is this step one of the critical path?
    fn is_critical_edge(&self, on: usize, waits: usize) -> bool {
        self.is_critical[on] && self.is_critical[waits] && self.heights[on] == self.heights[waits] + 1
    }

    /// Those states that any node has, with how many.
    fn states(&self) -> Vec<(Standing, usize)> {
        let count = |standing| self.nodes.iter().filter(|node| node.standing == standing).count();
        Standing::ALL.into_iter().map(|standing| (standing, count(standing))).filter(|(_, count)| *count > 0).collect()
    }
}

/// All nodes, each after what it waits for, otherwise in their order. Where nothing is left but circles, the first node
/// in them goes before what it waits for.
fn order(needs: &[Vec<usize>], feeds: &[Vec<usize>]) -> Vec<usize> {
    let mut unmet: Vec<usize> = needs.iter().map(Vec::len).collect();
    let mut is_placed = vec![false; needs.len()];
    let mut ready: BinaryHeap<Reverse<usize>> =
        (0..needs.len()).filter(|node| unmet[*node] == 0).map(Reverse).collect();
    let mut order = Vec::with_capacity(needs.len());
    let mut first_left = 0;
    while order.len() < needs.len() {
        let node = ready.pop().map_or_else(
            || {
                while is_placed[first_left] {
                    first_left += 1;
                }
                first_left
            },
            |Reverse(node)| node,
        );
        if std::mem::replace(&mut is_placed[node], true) {
            continue;
        }
        order.push(node);
        for waits in &feeds[node] {
            unmet[*waits] = unmet[*waits].saturating_sub(1);
            if unmet[*waits] == 0 && !is_placed[*waits] {
                ready.push(Reverse(*waits));
            }
        }
    }
    order
}

/// Of two chains of one length, the one whose tasks come first.
fn critical(feeds: &[Vec<usize>], heights: &[usize], back: &HashSet<(usize, usize)>) -> Vec<usize> {
    let highest = |nodes: &mut dyn Iterator<Item = usize>| {
        nodes.filter(|node| heights[*node] > 0).min_by_key(|node| (Reverse(heights[*node]), *node))
    };
    let mut path = Vec::new();
    let mut next = highest(&mut (0..feeds.len()));
    while let Some(node) = next {
        path.push(node);
        next = highest(&mut feeds[node].iter().copied().filter(|waits| !back.contains(&(*waits, node))));
    }
    path
}

/// A text as all drawings show it: one line, and nothing in it that is not seen.
fn plain(text: &str) -> String {
    one_line(&safe::for_people(text))
}

/// A mark for each state, which is told in a word, too.
fn sign(standing: Standing) -> char {
    match standing {
        Standing::Ready => '○',
        Standing::Waiting => '·',
        Standing::Claimed => '◇',
        Standing::InProgress => '▶',
        Standing::Blocked => '■',
        Standing::Completed => '✓',
        Standing::Failed => '✗',
        Standing::Cancelled => '–',
    }
}

/// The state as people read it.
fn word(standing: Standing) -> String {
    standing.word().replace('_', " ")
}

#[cfg(test)]
mod tests;
