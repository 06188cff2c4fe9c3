//! The graph as a Mermaid flowchart.

use crate::model::task::Standing;
use crate::plan::graph::Graph;
use crate::plan::graph::plain;
use crate::plan::graph::sign;
use std::fmt::Write;

pub(super) fn draw(graph: &Graph) -> String {
    let mut text = String::from("flowchart TD\n");
    for (at, node) in graph.nodes.iter().enumerate() {
        let (id, title) = (escaped(&node.id), escaped(&node.title));
        let role = node.role.as_deref().map(|role| format!(" ({})", escaped(role))).unwrap_or_default();
        let sign = sign(node.standing);
        let _ = writeln!(text, "  n{at}[\"{sign} {id}: {title}{role}\"]:::{}", node.standing.word());
    }
    let mut critical = Vec::new();
    for (number, (on, waits)) in graph.edges().enumerate() {
        let arrow = if graph.back.contains(&(waits, on)) { "-.->" } else { "-->" };
        let _ = writeln!(text, "  n{on} {arrow} n{waits}");
        if graph.is_critical_edge(on, waits) {
            critical.push(number.to_string());
        }
    }
    for (standing, _) in graph.states() {
        let _ = writeln!(text, "  classDef {} {}", standing.word(), style(standing));
    }
    if !graph.critical.is_empty() {
        let nodes: Vec<String> = graph.critical.iter().map(|node| format!("n{node}")).collect();
        let _ = writeln!(text, "  classDef critical stroke-width:4px");
        let _ = writeln!(text, "  class {} critical", nodes.join(","));
    }
    if !critical.is_empty() {
        let _ = writeln!(text, "  linkStyle {} stroke-width:4px", critical.join(","));
    }
    text
}

/// Letters, digits and a few harmless signs stay; every other sign of ASCII becomes its number, so that no quote ends, no
/// directive begins and no markup is made.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in plain(text).chars() {
        match c {
            c if c.is_ascii_alphanumeric() || !c.is_ascii() => escaped.push(c),
            ' ' | '.' | ',' | ':' | '/' | '_' | '!' | '?' | '-' | '+' | '@' => escaped.push(c),
            c => {
                let _ = write!(escaped, "#{};", u32::from(c));
            }
        }
    }
    escaped
}

fn style(standing: Standing) -> &'static str {
    match standing {
        Standing::Ready => "fill:#dbeafe,stroke:#2563eb,color:#111827",
        Standing::Waiting => "fill:#f3f4f6,stroke:#9ca3af,color:#111827",
        Standing::Claimed => "fill:#fef9c3,stroke:#ca8a04,color:#111827",
        Standing::InProgress => "fill:#fde68a,stroke:#d97706,color:#111827",
        Standing::Blocked => "fill:#fed7aa,stroke:#c2410c,color:#111827",
        Standing::Completed => "fill:#dcfce7,stroke:#16a34a,color:#111827",
        Standing::Failed => "fill:#fecaca,stroke:#dc2626,color:#111827",
        Standing::Cancelled => "fill:#e5e7eb,stroke:#6b7280,color:#6b7280",
    }
}
