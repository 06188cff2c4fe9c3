//! The graph as SVG, laid out here: a row of boxes for each step, so placed that few lines cross.

use crate::model::safe;
use crate::plan::graph::Graph;
use crate::plan::graph::plain;
use crate::plan::graph::sign;
use crate::plan::graph::word;
use std::fmt::Write;

const BOX: (usize, usize) = (230, 48);
const GAP: (usize, usize) = (26, 56);
/// Between the rows of one step.
const GAP_WITHIN: usize = 18;
const MARGIN: usize = 20;
/// A step of more boxes takes several rows.
const ROW_MAX: usize = 12;
/// How often boxes are put below what they wait for and above what waits for them. More makes hardly a difference.
const SWEEPS: usize = 6;
/// Columns of text that a box has room for.
const TEXT_WIDTH: usize = 30;

/// Readable on a light and on a dark page, and without variables, which few but browsers know.
const STYLE: &str = "
.page{fill:#ffffff}
text{fill:#111827;font:12px system-ui,sans-serif}
.id{font-weight:600}
rect.task{stroke:#9ca3af;stroke-width:1}
path{fill:none;stroke:#9ca3af;stroke-width:1.2}
rect.critical,path.critical{stroke:#dc2626;stroke-width:3}
path.back{stroke-dasharray:5 4}
.ready{fill:#dbeafe}.waiting{fill:#f3f4f6}.claimed{fill:#fef9c3}.in_progress{fill:#fde68a}
.blocked{fill:#fed7aa}.completed{fill:#dcfce7}.failed{fill:#fecaca}.cancelled{fill:#e5e7eb}
@media (prefers-color-scheme:dark){
.page{fill:#0d1117}
text{fill:#e5e7eb}
rect.task,path{stroke:#6b7280}
rect.critical,path.critical{stroke:#f87171}
.ready{fill:#1e3a5f}.waiting{fill:#1f2937}.claimed{fill:#4a4413}.in_progress{fill:#5c4410}
.blocked{fill:#5c2f10}.completed{fill:#14432a}.failed{fill:#5f1d1d}.cancelled{fill:#2b2f36}
}
";

pub(super) fn draw(graph: &Graph) -> String {
    let (places, width, height) = places(graph);
    let mut text = String::new();
    let _ = writeln!(
        text,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" role=\"img\">"
    );
    let _ = writeln!(text, "<title>{} tasks</title>", graph.nodes.len());
    let _ = writeln!(text, "<style>{STYLE}</style>");
    let _ = writeln!(text, "<rect class=\"page\" width=\"{width}\" height=\"{height}\"/>");
    for (on, waits) in graph.edges() {
        let class = match (graph.back.contains(&(waits, on)), graph.is_critical_edge(on, waits)) {
            (true, _) => " class=\"back\"",
            (false, true) => " class=\"critical\"",
            (false, false) => "",
        };
        let ((x1, y1), (x2, y2)) = (places[on], places[waits]);
        let (x1, y1, x2) = (x1 + BOX.0 / 2, y1 + BOX.1, x2 + BOX.0 / 2);
        let bend = GAP.1 / 2;
        let _ = writeln!(
            text,
            "<path{class} d=\"M{x1} {y1}C{x1} {} {x2} {} {x2} {y2}\"/>",
            y1 + bend,
            y2.saturating_sub(bend)
        );
    }
    for (node, (x, y)) in graph.nodes.iter().zip(&places).enumerate().map(|(at, (node, place))| ((at, node), place)) {
        let (at, node) = node;
        let state = format!("{} {}", sign(node.standing), word(node.standing));
        let role = node.role.as_deref().map(|role| format!(" · {}", plain(role))).unwrap_or_default();
        let head = safe::one_line(&format!("{} · {state}{role}", plain(&node.id)), TEXT_WIDTH);
        let title = safe::one_line(&plain(&node.title), TEXT_WIDTH);
        let critical = if graph.is_critical[at] { " critical" } else { "" };
        let whole = format!("{}: {} ({}{role})", plain(&node.id), plain(&node.title), word(node.standing));
        let _ = writeln!(text, "<g><title>{}</title>", escaped(&whole));
        let _ = writeln!(
            text,
            "<rect class=\"task {}{critical}\" x=\"{x}\" y=\"{y}\" width=\"{}\" height=\"{}\" rx=\"6\"/>",
            node.standing.word(),
            BOX.0,
            BOX.1
        );
        let (x, y) = (x + 10, y + 20);
        let _ = writeln!(text, "<text class=\"id\" x=\"{x}\" y=\"{y}\">{}</text>", escaped(&head));
        let _ = writeln!(text, "<text x=\"{x}\" y=\"{}\">{}</text></g>", y + 18, escaped(&title));
    }
    text.push_str("</svg>\n");
    text
}

/// For between tags. What XML cannot hold at all is left out.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\u{fffe}' | '\u{ffff}' => {}
            c if c.is_control() => {}
            c => escaped.push(c),
        }
    }
    escaped
}

/// The upper left corner of each box, and how large the whole is.
fn places(graph: &Graph) -> (Vec<(usize, usize)>, usize, usize) {
    let mut layers: Vec<Vec<usize>> = vec![Vec::new(); graph.steps()];
    (0..graph.nodes.len()).for_each(|node| layers[graph.layers[node]].push(node));
    sort_by_neighbours(graph, &mut layers);
    let rows: Vec<Vec<&[usize]>> = layers.iter().map(|layer| layer.chunks(ROW_MAX).collect()).collect();
    let widest = rows.iter().flatten().map(|row| row.len()).max().unwrap_or(1);
    let row_width = |boxes: usize| boxes * BOX.0 + boxes.saturating_sub(1) * GAP.0;
    let width = row_width(widest);
    let mut places = vec![(0, 0); graph.nodes.len()];
    let mut y = MARGIN;
    for step in &rows {
        for (at, row) in step.iter().enumerate() {
            y += if at > 0 { GAP_WITHIN } else { 0 };
            let left = MARGIN + (width - row_width(row.len())) / 2;
            for (at, node) in row.iter().enumerate() {
                places[*node] = (left + at * (BOX.0 + GAP.0), y);
            }
            y += BOX.1;
        }
        y += GAP.1;
    }
    let height = if rows.is_empty() { 2 * MARGIN } else { y - GAP.1 + MARGIN };
    (places, width + 2 * MARGIN, height)
}

/// Each box near the middle of those that it is bound to, in turn by what is above it and by what is below.
fn sort_by_neighbours(graph: &Graph, layers: &mut [Vec<usize>]) {
    let mut at = vec![0usize; graph.nodes.len()];
    let note = |layer: &[usize], at: &mut Vec<usize>| {
        // In thousandths of the row, as rows differ in length.
        layer.iter().enumerate().for_each(|(place, node)| at[*node] = (2 * place + 1) * 500_000 / layer.len());
    };
    layers.iter().for_each(|layer| note(layer, &mut at));
    for sweep in 0..SWEEPS {
        let down = sweep % 2 == 0;
        let bound = if down { &graph.needs } else { &graph.feeds };
        for step in 0..layers.len() {
            let step = if down { step } else { layers.len() - 1 - step };
            let middle = |node: usize| match bound[node].len() {
                0 => at[node],
                count => bound[node].iter().map(|other| at[*other]).sum::<usize>() / count,
            };
            let mut keyed: Vec<(usize, usize, usize)> =
                layers[step].iter().map(|node| (middle(*node), at[*node], *node)).collect();
            keyed.sort_unstable();
            layers[step] = keyed.into_iter().map(|(_, _, node)| node).collect();
            note(&layers[step], &mut at);
        }
    }
}
