//! The graph in DOT, the language of Graphviz.

use crate::model::task::Standing;
use crate::plan::graph::Graph;
use crate::plan::graph::plain;
use crate::plan::graph::sign;
use crate::plan::graph::word;
use std::fmt::Write;

pub(super) fn draw(graph: &Graph) -> String {
    let mut text = String::from("digraph tasks {\n");
    text.push_str("  rankdir=TB;\n  node [shape=box, style=\"rounded,filled\", fontname=\"sans-serif\"];\n");
    for (at, node) in graph.nodes.iter().enumerate() {
        let role = node.role.as_deref().map(|role| format!(", {}", escaped(role))).unwrap_or_default();
        let wide = if graph.is_critical[at] { ", penwidth=3" } else { "" };
        let _ = writeln!(
            text,
            "  n{at} [label=\"{}\\n{}\\n{} {}{role}\", fillcolor=\"{}\"{wide}];",
            escaped(&node.id),
            escaped(&node.title),
            sign(node.standing),
            word(node.standing),
            colour(node.standing),
        );
    }
    for (on, waits) in graph.edges() {
        let style = match (graph.back.contains(&(waits, on)), graph.is_critical_edge(on, waits)) {
            (true, _) => " [style=dashed]",
            (false, true) => " [penwidth=3]",
            (false, false) => "",
        };
        let _ = writeln!(text, "  n{on} -> n{waits}{style};");
    }
    text.push_str("}\n");
    text
}

/// For between quotes: a `\` would begin an escape, of which DOT has many.
fn escaped(text: &str) -> String {
    plain(text).replace('\\', "\\\\").replace('"', "\\\"")
}

fn colour(standing: Standing) -> &'static str {
    match standing {
        Standing::Ready => "#dbeafe",
        Standing::Waiting => "#f3f4f6",
        Standing::Claimed => "#fef9c3",
        Standing::InProgress => "#fde68a",
        Standing::Blocked => "#fed7aa",
        Standing::Completed => "#dcfce7",
        Standing::Failed => "#fecaca",
        Standing::Cancelled => "#e5e7eb",
    }
}
