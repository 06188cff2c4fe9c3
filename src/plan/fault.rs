//! What is wrong with a plan: every fault with its file, its line and what was wanted, not only the first.

use crate::error::Error;
use crate::model::fields::Spot;
use serde::Serialize;
use serde::Serializer;
use std::fmt;

/// Nobody mends more at a time; the rest is counted.
const TOLD_MAX: usize = 100;
/// Shown of anything that was found. The line is told, so that all of it can be read there.
const FOUND_CHARS_MAX: usize = 80;

/// One thing that is wrong, or, as a remark, that somebody may want to know.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    pub spot: Spot,
    pub what: String,
    pub hint: Option<String>,
}

impl Fault {
    pub fn new(spot: Spot, what: impl fmt::Display) -> Fault {
        Fault { spot, what: what.to_string(), hint: None }
    }

    pub fn hint(mut self, hint: impl fmt::Display) -> Fault {
        self.hint = Some(hint.to_string());
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.spot, self.what)?;
        self.hint.iter().try_for_each(|hint| write!(f, " ({hint})"))
    }
}

/// `{"file","line","message","hint"}`.
impl Serialize for Fault {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("file", &*self.spot.file)?;
        map.serialize_entry("line", &self.spot.line)?;
        map.serialize_entry("message", &self.what)?;
        if let Some(hint) = &self.hint {
            map.serialize_entry("hint", hint)?;
        }
        map.end()
    }
}

/// All that is wrong, in the order of the lines.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Faults {
    told: Vec<Fault>,
    /// How many there were beyond those.
    more: usize,
}

impl Faults {
    pub fn of(fault: Fault) -> Faults {
        Faults { told: vec![fault], more: 0 }
    }

    pub fn push(&mut self, fault: Fault) {
        if self.is_full() {
            self.more += 1;
        } else {
            self.told.push(fault);
        }
    }

    /// Is another one only counted? Then what takes long to say need not be found.
    pub fn is_full(&self) -> bool {
        self.told.len() >= TOLD_MAX
    }

    pub fn is_empty(&self) -> bool {
        self.told.is_empty()
    }

    pub fn count(&self) -> usize {
        self.told.len() + self.more
    }

    pub fn told(&self) -> &[Fault] {
        &self.told
    }

    /// Those of one file by their lines; the files as they came.
    pub(super) fn in_order(mut self) -> Faults {
        let mut files: Vec<std::sync::Arc<str>> = Vec::new();
        for fault in &self.told {
            if !files.contains(&fault.spot.file) {
                files.push(fault.spot.file.clone());
            }
        }
        let place = |fault: &Fault| (files.iter().position(|file| *file == fault.spot.file), fault.spot.line);
        self.told.sort_by_key(place);
        self
    }
}

/// One line each.
impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.told.iter().try_for_each(|fault| writeln!(f, "{fault}"))?;
        if self.more > 0 {
            writeln!(f, "and {} more", self.more)?;
        }
        Ok(())
    }
}

/// The first of them in full, for a face that has room for one; the others are counted.
impl From<Faults> for Error {
    fn from(faults: Faults) -> Error {
        let others = faults.count().saturating_sub(1);
        let Some(first) = faults.told.into_iter().next() else {
            return Error::internal("a plan was refused for nothing");
        };
        let message = match others {
            0 => format!("{}: {}", first.spot, first.what),
            1 => format!("{}: {}; and 1 more fault", first.spot, first.what),
            others => format!("{}: {}; and {others} more faults", first.spot, first.what),
        };
        let error = Error::invalid(message);
        match first.hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }
}

/// What was found, as a message shows it: on one line, cut short, and with nothing in it that a terminal acts on.
pub fn shown(found: &str) -> String {
    let cut = found.char_indices().nth(FOUND_CHARS_MAX);
    match cut {
        Some((end, _)) => format!("{}…", found[..end].escape_debug()),
        None => found.escape_debug().to_string(),
    }
}

/// `a`, `b` or `c`.
pub(super) fn either(words: &[&str]) -> String {
    let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    match words.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => words.concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(line: usize) -> Fault {
        Fault::new(Spot::new("f", line), "x").hint("y")
    }

    #[test]
    fn many_faults_are_told_in_the_order_of_their_lines_and_very_many_are_counted() {
        let mut faults = Faults::default();
        for line in [3, 1, 2] {
            faults.push(fault(line));
        }
        let faults = faults.in_order();
        assert_eq!(faults.to_string(), "f line 1: x (y)\nf line 2: x (y)\nf line 3: x (y)\n");
        let error = Error::from(faults);
        assert_eq!(error.message, "f line 1: x; and 2 more faults");
        assert_eq!(error.hint.as_deref(), Some("y"));

        let mut faults = Faults::default();
        (0..TOLD_MAX + 7).for_each(|line| faults.push(fault(line)));
        assert!(faults.to_string().ends_with("and 7 more\n"));
        assert_eq!(faults.count(), TOLD_MAX + 7);
    }

    #[test]
    fn what_was_found_is_shown_on_one_line() {
        assert_eq!(shown("a\n\u{1b}[2J\u{202e}"), "a\\n\\u{1b}[2J\\u{202e}");
        assert_eq!(shown(&"é".repeat(100)).chars().count(), FOUND_CHARS_MAX + 1);
        assert_eq!(either(&["a", "b", "c"]), "`a`, `b` or `c`");
    }
}
