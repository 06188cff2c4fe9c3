//! What a check found, as a plain value, and how all of them are told.

use serde_json::Value;
use serde_json::json;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Verdict {
    Ok,
    /// Worth to know, and no harm.
    Note,
    /// Something works less well than it could.
    Warning,
    /// Something does not work.
    Error,
}

impl Verdict {
    pub(super) fn word(self) -> &'static str {
        match self {
            Verdict::Ok => "ok",
            Verdict::Note => "note",
            Verdict::Warning => "warning",
            Verdict::Error => "error",
        }
    }

    fn glyph(self) -> char {
        match self {
            Verdict::Ok => '✓',
            Verdict::Note => '·',
            Verdict::Warning => '!',
            Verdict::Error => '✗',
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Check {
    pub(super) name: &'static str,
    pub(super) verdict: Verdict,
    pub(super) found: String,
    /// The command that mends it, where there is one.
    pub(super) fix: Option<String>,
}

impl Check {
    fn new(name: &'static str, verdict: Verdict, found: impl Into<String>) -> Check {
        Check { name, verdict, found: found.into(), fix: None }
    }

    pub(super) fn ok(name: &'static str, found: impl Into<String>) -> Check {
        Check::new(name, Verdict::Ok, found)
    }

    pub(super) fn note(name: &'static str, found: impl Into<String>) -> Check {
        Check::new(name, Verdict::Note, found)
    }

    pub(super) fn warning(name: &'static str, found: impl Into<String>) -> Check {
        Check::new(name, Verdict::Warning, found)
    }

    pub(super) fn error(name: &'static str, found: impl Into<String>) -> Check {
        Check::new(name, Verdict::Error, found)
    }

    pub(super) fn fix(mut self, command: impl Into<String>) -> Check {
        self.fix = Some(command.into());
        self
    }
}

/// All checks in their order, and what was mended before they were made.
pub(super) struct Report {
    pub(super) checks: Vec<Check>,
    pub(super) mended: Vec<String>,
}

impl Report {
    fn count(&self, verdict: Verdict) -> usize {
        self.checks.iter().filter(|check| check.verdict == verdict).count()
    }

    pub(super) fn has_errors(&self) -> bool {
        self.count(Verdict::Error) > 0
    }

    /// The names of the checks that are not ok.
    pub(super) fn ids(&self) -> Vec<String> {
        let bad = self.checks.iter().filter(|check| check.verdict != Verdict::Ok);
        bad.map(|check| check.name.to_owned()).collect()
    }

    pub(super) fn json(&self) -> Value {
        let check = |(at, check): (usize, &Check)| {
            json!({
                "number": at + 1,
                "name": check.name,
                "verdict": check.verdict.word(),
                "found": check.found,
                "fix": check.fix,
            })
        };
        json!({
            "checks": self.checks.iter().enumerate().map(check).collect::<Vec<Value>>(),
            "summary": {
                "ok": self.count(Verdict::Ok),
                "notes": self.count(Verdict::Note),
                "warnings": self.count(Verdict::Warning),
                "errors": self.count(Verdict::Error),
            },
            "mended": self.mended,
        })
    }

    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for mended in &self.mended {
            text.push_str(&format!("mended: {}\n", on_one_line(mended)));
        }
        let width = self.checks.iter().map(|check| check.name.len()).max().unwrap_or(0);
        for (at, check) in self.checks.iter().enumerate() {
            let (glyph, word, name) = (check.verdict.glyph(), check.verdict.word(), check.name);
            text.push_str(&format!("{glyph} {word:7}  {:2} {name:width$}  {}\n", at + 1, on_one_line(&check.found)));
            if let Some(fix) = &check.fix {
                text.push_str(&format!("    fix: {}\n", on_one_line(fix)));
            }
        }
        text.push_str(&self.summary());
        text.push('\n');
        text
    }

    fn summary(&self) -> String {
        let counted = |verdict: Verdict, one: &str| match self.count(verdict) {
            0 => None,
            1 => Some(format!("1 {one}")),
            count => Some(format!("{count} {one}s")),
        };
        let bad: Vec<String> = [(Verdict::Error, "error"), (Verdict::Warning, "warning"), (Verdict::Note, "note")]
            .into_iter()
            .filter_map(|(verdict, one)| counted(verdict, one))
            .collect();
        match bad.is_empty() {
            true => format!("{} checks: all is well", self.checks.len()),
            false => format!("{} checks: {}", self.checks.len(), bad.join(", ")),
        }
    }
}

/// What came from outside, such as a path, may hold anything.
fn on_one_line(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}

/// `1 claim`, `2 claims`.
pub(super) fn counted(count: usize, one: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {one}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_for_each_check_and_one_for_what_mends_it() {
        let report = Report {
            checks: vec![
                Check::ok("git", "2.50"),
                Check::warning("log", "30 MB\nin two lines").fix("orch-mcp doctor --fix"),
                Check::error("store", "damaged"),
            ],
            mended: vec!["closed /x".to_owned()],
        };
        let text = report.text();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines,
            [
                "mended: closed /x",
                "✓ ok        1 git    2.50",
                "! warning   2 log    30 MB in two lines",
                "    fix: orch-mcp doctor --fix",
                "✗ error     3 store  damaged",
                "3 checks: 1 error, 1 warning",
            ]
        );
        assert!(report.has_errors());
        assert_eq!(report.ids(), ["log", "store"]);
        let json = report.json();
        assert_eq!(json["checks"][1]["fix"], "orch-mcp doctor --fix");
        assert_eq!(json["checks"][2]["number"], 3);
        assert_eq!(json["summary"], json!({ "ok": 1, "notes": 0, "warnings": 1, "errors": 1 }));
    }

    #[test]
    fn warnings_are_no_errors() {
        let report = Report { checks: vec![Check::warning("a", "b"), Check::note("c", "d")], mended: Vec::new() };
        assert!(!report.has_errors());
        assert!(report.text().ends_with("2 checks: 1 warning, 1 note\n"));
        let well = Report { checks: vec![Check::ok("a", "b")], mended: Vec::new() };
        assert!(well.text().ends_with("1 checks: all is well\n"));
    }
}
