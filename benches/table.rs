//! The rows that were measured, and the one place that prints them.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "this is what prints")]

use serde_json::Value;
use serde_json::json;

/// One line of the table.
pub struct Row {
    pub what: String,
    pub ours: f64,
    pub unit: Unit,
    /// What it is compared with, and how that did in the same run.
    pub beside: Option<(&'static str, f64)>,
    pub ratio: Option<f64>,
    /// All of them must hold.
    pub targets: Vec<Target>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    Micros,
    Millis,
    Seconds,
    PerSecond,
    Mebibytes,
    Percent,
    Count,
    Fraction,
}

#[derive(Clone, Copy)]
pub enum Target {
    AtMost(f64),
    AtLeast(f64),
    RatioAtMost(f64),
    RatioAtLeast(f64),
}

impl Row {
    pub fn new(what: impl Into<String>, ours: f64, unit: Unit) -> Row {
        Row { what: what.into(), ours, unit, beside: None, ratio: None, targets: Vec::new() }
    }

    /// Compare with something measured in the same unit.
    pub fn beside(mut self, what: &'static str, value: f64) -> Row {
        self.beside = Some((what, value));
        self.ratio = Some(self.ours / value);
        self
    }

    /// The ratio, where it is better known than by dividing two medians.
    pub fn ratio(mut self, ratio: f64) -> Row {
        self.ratio = Some(ratio);
        self
    }

    pub fn target(mut self, target: Target) -> Row {
        self.targets.push(target);
        self
    }

    /// `None` where nothing is wanted.
    fn holds(&self) -> Option<bool> {
        let ratio = self.ratio.unwrap_or(f64::NAN);
        let holds = |target: &Target| match *target {
            Target::AtMost(most) => self.ours <= most,
            Target::AtLeast(least) => self.ours >= least,
            Target::RatioAtMost(most) => ratio <= most,
            Target::RatioAtLeast(least) => ratio >= least,
        };
        (!self.targets.is_empty()).then(|| self.targets.iter().all(holds))
    }

    fn target_words(&self) -> String {
        let words = |target: &Target| match *target {
            Target::AtMost(most) => format!("≤ {}", self.unit.show(most)),
            Target::AtLeast(least) => format!("≥ {}", self.unit.show(least)),
            Target::RatioAtMost(most) => format!("≤ {most}×"),
            Target::RatioAtLeast(least) => format!("≥ {least}×"),
        };
        self.targets.iter().map(words).collect::<Vec<_>>().join(", ")
    }

    fn cells(&self) -> [String; 6] {
        [
            self.what.clone(),
            self.unit.show(self.ours),
            self.beside.map_or(String::new(), |(what, value)| format!("{what}: {}", self.unit.show(value))),
            self.ratio.map_or(String::new(), |ratio| format!("{ratio:.2}×")),
            self.target_words(),
            self.holds().map_or("", |holds| if holds { "yes" } else { "**no**" }).to_owned(),
        ]
    }

    fn json(&self) -> Value {
        json!({
            "what": self.what,
            "ours": self.ours,
            "unit": self.unit.word(),
            "beside": self.beside.map(|(what, value)| json!({ "what": what, "value": value })),
            "ratio": self.ratio,
            "target": self.target_words(),
            "holds": self.holds(),
        })
    }
}

impl Unit {
    fn word(self) -> &'static str {
        match self {
            Unit::Micros => "µs",
            Unit::Millis => "ms",
            Unit::Seconds => "s",
            Unit::PerSecond => "/s",
            Unit::Mebibytes => "MiB",
            Unit::Percent => "%",
            Unit::Count | Unit::Fraction => "",
        }
    }

    fn show(self, value: f64) -> String {
        let number = match value.abs() {
            _ if self == Unit::Count => format!("{value:.0}"),
            _ if self == Unit::PerSecond => format!("{value:.0}"),
            value if value >= 100.0 => format!("{value:.0}"),
            value if value >= 10.0 => format!("{value:.1}"),
            value if value >= 0.1 => format!("{value:.2}"),
            _ => format!("{value:.3}"),
        };
        format!("{number} {}", self.word()).trim_end().to_owned()
    }
}

const HEAD: [&str; 6] = ["what", "ours", "beside", "ratio", "target", "holds"];

pub fn print(rows: &[Row], as_json: bool) {
    if as_json {
        println!("{}", json!({ "rows": rows.iter().map(Row::json).collect::<Vec<_>>() }));
        return;
    }
    let lines: Vec<[String; 6]> = std::iter::once(HEAD.map(str::to_owned)).chain(rows.iter().map(Row::cells)).collect();
    let widths: Vec<usize> = (0..HEAD.len())
        .map(|column| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0))
        .collect();
    for (number, line) in lines.iter().enumerate() {
        let cells: Vec<String> = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        println!("| {} |", cells.join(" | "));
        if number == 0 {
            let rules: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
            println!("| {} |", rules.join(" | "));
        }
    }
}

/// A word for whoever waits, beside the table.
pub fn aside(text: &str) {
    eprintln!("{text}");
}
