//! Drawings of small graphs as they are to be, and of hostile and of large ones what must hold.

use super::*;

fn node(id: &str, title: &str, standing: Standing) -> Node {
    Node { id: id.into(), title: title.into(), standing, role: None }
}

/// Five tasks; the third waits for both before it, and the last stands alone.
fn small() -> Graph {
    let mut nodes = vec![
        node("task-1", "Set up", Standing::Completed),
        node("task-2", "Write the lexer", Standing::InProgress),
        node("task-3", "Write the parser", Standing::Waiting),
        node("task-4", "Write the docs", Standing::Waiting),
        node("task-5", "Ask for a logo", Standing::Ready),
    ];
    nodes[2].role = Some("builder".into());
    Graph::new(nodes, [(1, 0), (2, 0), (2, 1), (3, 2), (3, 1)])
}

#[test]
fn a_small_graph_as_text() {
    assert_eq!(
        small().text(Page::default()),
        "\
5 tasks in 4 steps: 1 ready, 2 waiting, 1 in progress, 1 completed
critical path, 3 tasks to go: task-2 -> task-3 -> task-4

step 1
  ✓ completed    task-1  Set up
  ○ ready        task-5  Ask for a logo

step 2
* ▶ in progress  task-2  Write the lexer  <- task-1

step 3
* · waiting      task-3  Write the parser  [builder]  <- task-1, task-2

step 4
* · waiting      task-4  Write the docs  <- task-2, task-3

* on the critical path; <- waits for; ○ ready, · waiting, ▶ in progress, ✓ completed
"
    );
    assert_eq!(Graph::new(Vec::new(), []).text(Page::default()), "no tasks\n");
}

#[test]
fn a_small_graph_in_mermaid() {
    assert_eq!(
        small().mermaid(),
        "\
flowchart TD
  n0[\"✓ task-1: Set up\"]:::completed
  n1[\"▶ task-2: Write the lexer\"]:::in_progress
  n2[\"· task-3: Write the parser (builder)\"]:::waiting
  n3[\"· task-4: Write the docs\"]:::waiting
  n4[\"○ task-5: Ask for a logo\"]:::ready
  n0 --> n1
  n0 --> n2
  n1 --> n2
  n1 --> n3
  n2 --> n3
  classDef ready fill:#dbeafe,stroke:#2563eb,color:#111827
  classDef waiting fill:#f3f4f6,stroke:#9ca3af,color:#111827
  classDef in_progress fill:#fde68a,stroke:#d97706,color:#111827
  classDef completed fill:#dcfce7,stroke:#16a34a,color:#111827
  classDef critical stroke-width:4px
  class n1,n2,n3 critical
  linkStyle 2,4 stroke-width:4px
"
    );
}

#[test]
fn a_small_graph_in_dot() {
    assert_eq!(
        small().dot(),
        "\
digraph tasks {
  rankdir=TB;
  node [shape=box, style=\"rounded,filled\", fontname=\"sans-serif\"];
  n0 [label=\"task-1\\nSet up\\n✓ completed\", fillcolor=\"#dcfce7\"];
  n1 [label=\"task-2\\nWrite the lexer\\n▶ in progress\", fillcolor=\"#fde68a\", penwidth=3];
  n2 [label=\"task-3\\nWrite the parser\\n· waiting, builder\", fillcolor=\"#f3f4f6\", penwidth=3];
  n3 [label=\"task-4\\nWrite the docs\\n· waiting\", fillcolor=\"#f3f4f6\", penwidth=3];
  n4 [label=\"task-5\\nAsk for a logo\\n○ ready\", fillcolor=\"#dbeafe\"];
  n0 -> n1;
  n0 -> n2;
  n1 -> n2 [penwidth=3];
  n1 -> n3;
  n2 -> n3 [penwidth=3];
}
"
    );
}

#[test]
fn a_small_graph_in_svg() {
    let svg = Graph::new(vec![node("a", "A", Standing::Ready), node("b", "B & C", Standing::Waiting)], [(1, 0)]).svg();
    let body = svg.split_once("</style>\n").expect("a style").1;
    assert_eq!(
        body,
        "\
<rect class=\"page\" width=\"270\" height=\"192\"/>
<path class=\"critical\" d=\"M135 68C135 96 135 96 135 124\"/>
<g><title>a: A (ready)</title>
<rect class=\"task ready critical\" x=\"20\" y=\"20\" width=\"230\" height=\"48\" rx=\"6\"/>
<text class=\"id\" x=\"30\" y=\"40\">a · ○ ready</text>
<text x=\"30\" y=\"58\">A</text></g>
<g><title>b: B &amp; C (waiting)</title>
<rect class=\"task waiting critical\" x=\"20\" y=\"124\" width=\"230\" height=\"48\" rx=\"6\"/>
<text class=\"id\" x=\"30\" y=\"144\">b · · waiting</text>
<text x=\"30\" y=\"162\">B &amp; C</text></g>
</svg>
"
    );
    assert!(svg.contains("viewBox=\"0 0 270 192\"") && svg.contains("prefers-color-scheme:dark"));
    assert!(Graph::new(Vec::new(), []).svg().contains("</svg>"));
}

#[test]
fn a_small_graph_as_json() {
    let json = small().json();
    assert_eq!(json["critical_path"], json!(["task-2", "task-3", "task-4"]));
    assert_eq!(json["steps"], 4);
    assert_eq!(json["edges"][0], json!({ "from": "task-1", "to": "task-2" }));
    assert_eq!(
        json["nodes"][2],
        json!({ "id": "task-3", "title": "Write the parser", "state": "waiting", "role": "builder", "step": 3, "height": 2, "critical": true })
    );
    assert_eq!(small().heights(), [0, 3, 2, 1, 1]);
}

const HOSTILE: &[&str] = &[
    "\"]; n0 --> n1; click n0 \"javascript:alert(1)\"",
    "</text></svg><script>alert(1)</script>",
    "a --> b\n  c --> d",
    "%%{init: {\"theme\": \"dark\"}}%%",
    "\u{1b}[2J\u{1b}]0;x\u{7}",
    "\u{202e}evil\u{2066}",
    "\\\" ]; } digraph x { \\N",
    "`md` **b** &lt; &#x3c; #quot; #35;",
    "a\u{0}b\u{9b}c\u{feff}d\u{fffe}",
    "'; drop table --",
    "]]><!--",
    "日本語日本語日本語日本語日本語日本語日本語日本語日本語",
    "",
];

#[test]
fn no_title_breaks_out_of_any_drawing() {
    let hostile = |at: usize| Node {
        id: HOSTILE[(at + 1) % HOSTILE.len()].to_owned(),
        title: HOSTILE[at].to_owned(),
        standing: Standing::ALL[at % Standing::ALL.len()],
        role: Some(HOSTILE[(at + 2) % HOSTILE.len()].to_owned()),
    };
    let count = HOSTILE.len();
    let nodes: Vec<Node> = (0..count).map(hostile).collect();
    let graph = Graph::new(nodes, (1..count).map(|at| (at, at - 1)));
    let unseen = |c: char| c.is_control() && c != '\n' || ('\u{202a}'..='\u{2069}').contains(&c) || c == '\u{feff}';

    let text = graph.text(Page { columns: 100, rows: None });
    assert!(!text.contains(unseen), "{text}");
    // A heading for each step, and a line for each task: none has begun a line of its own.
    let is_task =
        |line: &&str| line.chars().nth(2).is_some_and(|c| Standing::ALL.iter().any(|state| sign(*state) == c));
    let tasks = text.rsplit_once("\n\n").expect("a legend").0.lines().filter(is_task);
    assert_eq!(tasks.count(), count, "{text}");
    assert_eq!(text.lines().filter(|line| line.starts_with("step ")).count(), count);
    assert!(text.lines().all(|line| unicode_width::UnicodeWidthStr::width(line) <= 100), "{text}");

    let mermaid = graph.mermaid();
    assert!(!mermaid.contains(unseen));
    for line in mermaid.lines().filter(|line| line.contains("[\"")) {
        let label = line.split_once("[\"").and_then(|(_, rest)| rest.rsplit_once("\"]:::")).expect("a label").0;
        let numbers = label
            .split('#')
            .skip(1)
            .all(|rest| rest.split_once(';').is_some_and(|(number, _)| number.parse::<u32>().is_ok()));
        assert!(numbers && !label.contains(['"', '<', '>', '&', '`', '%', '[', ']', '{', '}', '|', '\\']), "{line}");
    }
    assert_eq!(mermaid.matches(" --> ").count(), count - 1);
    assert!(!mermaid.contains("%%") && !mermaid.contains("click n0 \""));

    let dot = graph.dot();
    assert!(!dot.contains(unseen));
    assert_eq!(dot.matches(" -> ").count(), count - 1);
    for line in dot.lines().filter(|line| line.contains("[label=")) {
        // Between quotes that nothing escapes there is no quote.
        let mut inside = false;
        let mut escaped = false;
        let mut outside = String::new();
        for c in line.chars() {
            match (c, inside, escaped) {
                (_, true, true) => escaped = false,
                ('\\', true, false) => escaped = true,
                ('"', _, _) => inside = !inside,
                (c, false, _) => outside.push(c),
                _ => {}
            }
        }
        assert!(!inside, "{line}");
        let rest = outside.split_once(" [label=").expect("a label").1;
        assert!([", fillcolor=];", ", fillcolor=, penwidth=3];"].contains(&rest), "{line}");
    }

    let svg = graph.svg();
    assert!(!svg.contains(unseen) && !svg.contains(['\u{fffe}', '\u{ffff}']));
    let tags = [
        "<svg ", "</svg>", "<title>", "</title>", "<style>", "</style>", "<rect ", "<path ", "<g>", "</g>", "<text ",
        "</text>",
    ];
    let known: usize = tags.iter().map(|tag| svg.matches(tag).count()).sum();
    assert_eq!(svg.matches('<').count(), known, "every tag is one of ours");
    assert_eq!((svg.matches("<g>").count(), svg.matches("<text ").count()), (count, 2 * count));

    let json = graph.json().to_string();
    assert_eq!(serde_json::from_str::<Value>(&json).expect("JSON")["nodes"][0]["title"], HOSTILE[0]);
}

#[test]
fn circles_are_drawn_and_end_nothing() {
    let nodes = ["a", "b", "c"].map(|id| node(id, id, Standing::Waiting)).to_vec();
    let graph = Graph::new(nodes, [(0, 1), (1, 2), (2, 0), (0, 0), (0, 9)]);
    let text = graph.text(Page::default());
    assert!(text.contains("<~") && text.contains("waits in a circle"), "{text}");
    assert!(
        graph.mermaid().contains("-.->") && graph.dot().contains("dashed") && graph.svg().contains("class=\"back\"")
    );
    assert_eq!(graph.edges().count(), 3);
}

/// So many in each step, each waiting for two of the step before.
fn layered(steps: usize, width: usize) -> Graph {
    let nodes = (0..steps * width)
        .map(|at| node(&format!("task-{at}"), &format!("Title of {at}"), Standing::ALL[at % Standing::ALL.len()]));
    let edges = (width..steps * width).flat_map(move |at| {
        let before = (at / width - 1) * width;
        [(at, before + at % width), (at, before + (at * 7 + 3) % width)]
    });
    Graph::new(nodes.collect(), edges)
}

#[test]
fn many_tasks_are_folded_and_every_one_is_counted() {
    for (steps, width) in [(3, 300), (400, 1), (50, 20), (1, 62), (2, 3)] {
        let graph = layered(steps, width);
        let text = graph.text(Page { columns: 100, rows: Some(60) });
        let shown = text.lines().filter(|line| line.contains("  Title of")).count();
        let hidden: usize = text
            .lines()
            .filter_map(|line| {
                line.split_once('…')?.1.split_once(" more (")?.0.rsplit(' ').next()?.parse::<usize>().ok()
            })
            .sum();
        assert_eq!(shown + hidden, steps * width, "{text}");
        assert!(text.lines().count() <= 60 + 12, "{} lines: {text}", text.lines().count());
        assert!(text.lines().all(|line| unicode_width::UnicodeWidthStr::width(line) <= 100), "{text}");
        let all = graph.text(Page { columns: 100, rows: None });
        assert!(!all.contains(" more ("));
    }
}

#[test]
fn ten_thousand_tasks_are_drawn_in_every_way() {
    let graph = layered(100, 100);
    assert_eq!(graph.nodes.len(), NODES_MAX);
    assert_eq!(graph.mermaid().matches(" --> ").count(), graph.edges().count());
    assert_eq!(graph.dot().matches(" -> ").count(), graph.edges().count());
    assert_eq!(graph.svg().matches("<g>").count(), NODES_MAX);
    assert_eq!(graph.json()["nodes"].as_array().map(Vec::len), Some(NODES_MAX));
    // A chain is as deep as there are tasks.
    let chain = layered(NODES_MAX, 1);
    assert_eq!(chain.steps(), NODES_MAX);
    assert_eq!(chain.svg(), chain.svg());
}

#[test]
fn the_boxes_of_a_drawing_lie_beside_each_other() {
    let graph = layered(5, 30);
    let svg = graph.svg();
    let number = |line: &str, name: &str| -> i64 {
        line.split_once(&format!(" {name}=\""))
            .and_then(|(_, rest)| rest.split_once('"'))
            .map_or(0, |(text, _)| text.parse().expect("a number"))
    };
    let boxes: Vec<(i64, i64)> = svg
        .lines()
        .filter(|line| line.starts_with("<rect class=\"task"))
        .map(|line| (number(line, "x"), number(line, "y")))
        .collect();
    let head = svg.lines().next().expect("a head");
    for (at, (x, y)) in boxes.iter().enumerate() {
        assert!(*x >= 0 && x + 230 <= number(head, "width") && y + 48 <= number(head, "height"));
        for (x2, y2) in &boxes[at + 1..] {
            assert!((x - x2).abs() >= 230 || (y - y2).abs() >= 48, "{x} {y} {x2} {y2}");
        }
    }
}
