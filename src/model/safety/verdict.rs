//! What tests say of a verdict: in a word, and of many lines at once.

use crate::model::safety::Breach;

/// The rule, the rule with a `?` where a person is asked, or nothing.
pub(super) fn word(breach: Option<Breach>) -> String {
    match breach {
        None => String::new(),
        Some(Breach { rule, is_denied: true, .. }) => rule.word().to_owned(),
        Some(Breach { rule, .. }) => format!("{}?", rule.word()),
    }
}

/// All of them are told the same; whichever is not is shown.
pub(super) fn all_are(wanted: &str, lines: &[&str], told: impl Fn(&str) -> String) {
    let wrong: Vec<String> = lines
        .iter()
        .filter_map(|line| Some((line, told(line))).filter(|(_, told)| told != wanted))
        .map(|(line, told)| format!("{line:?}: {told:?}"))
        .collect();
    assert!(wrong.is_empty(), "wanted {wanted:?}:\n{}", wrong.join("\n"));
}
