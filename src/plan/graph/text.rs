//! The graph on a terminal: step by step, each task on a line with what it waits for.

use crate::model::safe;
use crate::plan::graph::Graph;
use crate::plan::graph::plain;
use crate::plan::graph::sign;
use crate::plan::graph::word;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::ops::Range;
use unicode_width::UnicodeWidthStr;

/// What there is room for.
#[derive(Clone, Copy, Debug)]
pub struct Page {
    pub columns: usize,
    /// Of tasks and steps; without it all of them are shown.
    pub rows: Option<usize>,
}

impl Default for Page {
    fn default() -> Page {
        Page { columns: 100, rows: Some(60) }
    }
}

const COLUMNS_MIN: usize = 40;
const ID_WIDTH_MAX: usize = 24;
/// Named on a line; the others are counted.
const NEEDS_NAMED_MAX: usize = 4;
const PATH_NAMED_MAX: usize = 8;

pub(super) fn draw(graph: &Graph, page: Page) -> String {
    let count = graph.nodes.len();
    if count == 0 {
        return "no tasks\n".to_owned();
    }
    let steps = graph.steps();
    let states: Vec<String> =
        graph.states().iter().map(|(standing, count)| format!("{count} {}", word(*standing))).collect();
    let columns = page.columns.max(COLUMNS_MIN);
    let mut text = String::new();
    let head = format!("{} in {}: {}", counted(count, "task"), counted(steps, "step"), states.join(", "));
    text.push_str(&wrapped(&head, "", columns));
    if !graph.critical.is_empty() {
        text.push_str(&wrapped(&critical(graph), "", columns));
    }
    let mut layers: Vec<Vec<usize>> = vec![Vec::new(); steps];
    (0..count).for_each(|node| layers[graph.layers[node]].push(node));
    let shown = Shown::of(graph, &layers, page.rows);
    let columns_of = Columns::of(graph, &layers, &shown, columns);
    for (step, layer) in layers.iter().enumerate() {
        if let Some(fold) = shown.folds.iter().find(|fold| fold.start == step) {
            let tasks: Vec<usize> = layers[fold.clone()].iter().flatten().copied().collect();
            let steps = match fold.len() {
                1 => format!("step {}", fold.end),
                _ => format!("steps {} to {}", fold.start + 1, fold.end),
            };
            text.push('\n');
            text.push_str(&wrapped(&format!("… {steps}: {}", hidden_of(graph, &tasks)), "", columns));
        }
        if shown.is_folded(step) {
            continue;
        }
        let _ = writeln!(text, "\nstep {}", step + 1);
        let (kept, hidden) = chosen(graph, layer, shown.of_step);
        for node in kept {
            let _ = writeln!(text, "{}", columns_of.line(graph, node));
        }
        if !hidden.is_empty() {
            text.push_str(&wrapped(&format!("… {}", hidden_of(graph, &hidden)), "  ", columns));
        }
    }
    let legend: Vec<String> =
        graph.states().iter().map(|(standing, _)| format!("{} {}", sign(*standing), word(*standing))).collect();
    let circles = if graph.back.is_empty() { "" } else { "; <~ waits in a circle" };
    let legend = format!("* on the critical path; <- waits for{circles}; {}", legend.join(", "));
    text.push('\n');
    text.push_str(&wrapped(&legend, "", columns));
    text
}

/// Over as many lines as it takes, those after the first set in. What belongs together stays so.
fn wrapped(text: &str, indent: &str, columns: usize) -> String {
    let mut lines = vec![indent.to_owned()];
    let is_end = |word: &str| word.ends_with([',', ';', ':']) || word == "->";
    let mut words: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match words.last_mut() {
            Some(last) if !last.rsplit(' ').next().is_some_and(is_end) => {
                last.push(' ');
                last.push_str(word);
            }
            _ => words.push(word.to_owned()),
        }
    }
    for word in &words {
        let begun = lines.last().map_or(0, |line| line.width());
        if begun > indent.width() && begun + 1 + word.width() > columns {
            lines.push(format!("{indent}  "));
        }
        if let Some(line) = lines.last_mut() {
            if !line.trim().is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines.iter().map(|line| format!("{}\n", safe::one_line(line, columns))).collect()
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn critical(graph: &Graph) -> String {
    let path = &graph.critical;
    let id = |node: &usize| plain(&graph.nodes[*node].id);
    let mut named: Vec<String> = path.iter().take(PATH_NAMED_MAX).map(id).collect();
    if path.len() > PATH_NAMED_MAX {
        // Where it ends matters more than what is in its middle.
        named.truncate(PATH_NAMED_MAX - 1);
        named.push("…".to_owned());
        named.extend(path.last().map(id));
    }
    format!("critical path, {} to go: {}", counted(path.len(), "task"), named.join(" -> "))
}

/// What is not shown, by its states: `120 more tasks (100 waiting, 20 completed)`.
fn hidden_of(graph: &Graph, hidden: &[usize]) -> String {
    let mut states: BTreeMap<usize, (String, usize)> = BTreeMap::new();
    for node in hidden {
        let standing = graph.nodes[*node].standing;
        let place = crate::model::task::Standing::ALL.iter().position(|other| *other == standing).unwrap_or_default();
        states.entry(place).or_insert_with(|| (word(standing), 0)).1 += 1;
    }
    let states: Vec<String> = states.values().map(|(word, count)| format!("{count} {word}")).collect();
    format!("{} more ({})", hidden.len(), states.join(", "))
}

/// Which steps are shown, and how many tasks of each.
struct Shown {
    of_step: usize,
    folds: Vec<Range<usize>>,
}

impl Shown {
    /// What is over gives way first, as far as it comes before all else; then what lies in the middle.
    fn of(graph: &Graph, layers: &[Vec<usize>], rows: Option<usize>) -> Shown {
        let needed = layers.iter().map(|layer| layer.len() + 2).sum::<usize>();
        let Some(rows) = rows.filter(|rows| needed > *rows) else {
            return Shown { of_step: usize::MAX, folds: Vec::new() };
        };
        // A step takes a blank line, a heading, a task and up to two lines for those that are left out.
        let steps = (rows / 5).max(2);
        let is_over = |layer: &&Vec<usize>| layer.iter().all(|node| graph.nodes[*node].is_over());
        let over = layers.iter().take_while(is_over).count().min(layers.len().saturating_sub(steps));
        let left = layers.len() - over;
        let middle = if left > steps { over + steps.div_ceil(2)..layers.len() - steps / 2 } else { 0..0 };
        let folds = [0..over, middle].into_iter().filter(|fold| !fold.is_empty()).collect();
        Shown { of_step: (rows / left.min(steps)).saturating_sub(4).max(1), folds }
    }

    fn is_folded(&self, step: usize) -> bool {
        self.folds.iter().any(|fold| fold.contains(&step))
    }
}

/// Those of a step that matter most, in their order, and the others.
fn chosen(graph: &Graph, layer: &[usize], most: usize) -> (Vec<usize>, Vec<usize>) {
    // A line that says that one is left out is better spent on that one.
    if layer.len() <= most.saturating_add(1) {
        return (layer.to_vec(), Vec::new());
    }
    let mut ranked = layer.to_vec();
    ranked.sort_by_key(|node| (!graph.is_critical[*node], graph.nodes[*node].is_over(), *node));
    let mut hidden = ranked.split_off(most);
    ranked.sort_unstable();
    hidden.sort_unstable();
    (ranked, hidden)
}

/// How wide each part of a line is.
struct Columns {
    whole: usize,
    word: usize,
    id: usize,
}

impl Columns {
    fn of(graph: &Graph, layers: &[Vec<usize>], shown: &Shown, whole: usize) -> Columns {
        let steps = layers.iter().enumerate().filter(|(step, _)| !shown.is_folded(*step));
        let nodes = steps.flat_map(|(_, layer)| chosen(graph, layer, shown.of_step).0);
        let ids = nodes.map(|node| plain(&graph.nodes[node].id).width()).max().unwrap_or(0);
        let word = graph.states().iter().map(|(standing, _)| word(*standing).width()).max().unwrap_or(0);
        Columns { whole, word, id: ids.min(ID_WIDTH_MAX) }
    }

    fn line(&self, graph: &Graph, node: usize) -> String {
        let Some(Said { id, title, role, needs, back }) = Said::of(graph, node) else { return String::new() };
        let mark = if graph.is_critical[node] { '*' } else { ' ' };
        let standing = graph.nodes[node].standing;
        let id = padded(&safe::one_line(&id, self.id), self.id);
        let begin = format!("{mark} {} {}  {id}  ", sign(standing), padded(&word(standing), self.word));
        let mut end = String::new();
        if let Some(role) = role {
            let _ = write!(end, "  [{}]", safe::one_line(&role, 20));
        }
        for (arrow, names) in [("<-", needs), ("<~", back)] {
            if !names.is_empty() {
                let _ = write!(end, "  {arrow} {names}");
            }
        }
        // The title gets what is left, and more than half of it whatever it waits for.
        let room = self.whole.saturating_sub(begin.width());
        let end = safe::one_line(&end, room.saturating_sub(title.width()).max(room / 2));
        let title = safe::one_line(&title, room.saturating_sub(end.width()));
        format!("{begin}{title}{end}").trim_end().to_owned()
    }
}

/// The texts of a line.
struct Said {
    id: String,
    title: String,
    role: Option<String>,
    needs: String,
    back: String,
}

impl Said {
    fn of(graph: &Graph, node: usize) -> Option<Said> {
        let of = graph.nodes.get(node)?;
        let (back, needs): (Vec<usize>, Vec<usize>) =
            graph.needs[node].iter().partition(|on| graph.back.contains(&(node, **on)));
        Some(Said {
            id: plain(&of.id),
            title: plain(&of.title),
            role: of.role.as_deref().map(plain).filter(|role| !role.is_empty()),
            needs: named(graph, &needs),
            back: named(graph, &back),
        })
    }
}

fn named(graph: &Graph, nodes: &[usize]) -> String {
    let most = if nodes.len() == NEEDS_NAMED_MAX + 1 { nodes.len() } else { NEEDS_NAMED_MAX };
    let mut named: Vec<String> =
        nodes.iter().take(most).map(|node| safe::one_line(&plain(&graph.nodes[*node].id), ID_WIDTH_MAX)).collect();
    if nodes.len() > most {
        named.push(format!("{} more", nodes.len() - most));
    }
    named.join(", ")
}

fn padded(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(text.width())))
}
