//! Keys: by what a task of a plan is known again, whoever told of it and whenever.
//!
//! A key says where the task comes from and what it is called there: `beads:bd-12`, `github:owner/repo#7`. What has
//! no such beginning is a name within the source that is being read.

/// Where keys come from.
pub const SCHEMES: &[&str] = &["spec", "board", "list", "plan", "beads", "todo", "github", "forge", "task"];

pub const KEY_CHARS_MAX: usize = 200;
/// Longest piece of a title that becomes part of a key.
const SLUG_CHARS_MAX: usize = 60;

pub const WANTED: &str = "a key of letters, digits and `-_.:/#@+~=%`";

/// Can it stand in a list, a heading and a comment, and mean itself there?
pub fn is_key(text: &str) -> bool {
    let fits = |c: char| c.is_alphanumeric() || is_sign(c);
    (1..=KEY_CHARS_MAX).contains(&text.chars().count()) && text.chars().all(fits) && !text.ends_with(':')
}

fn is_sign(c: char) -> bool {
    "-_.:/#@+~=%".contains(c)
}

fn scheme_of(name: &str) -> Option<&'static str> {
    let (scheme, rest) = name.split_once(':')?;
    SCHEMES.iter().copied().find(|known| *known == scheme && !rest.is_empty())
}

/// How keys begin that a team makes of the numbers of its tasks.
pub const OF_TASKS: &str = "task:";

/// The key of a task that no file named: `task:task-7@3f9a01bc`, as each team has a `task-7`.
pub fn of_task(number: &str, team: &str) -> String {
    format!("{OF_TASKS}{number}@{team}")
}

/// Does it look like what a team calls its tasks: `task-7`?
pub fn is_number(name: &str) -> bool {
    name.strip_prefix("task-").is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
}

/// The number in such a key, and the team.
pub fn task_of(key: &str) -> Option<(&str, &str)> {
    let (number, team) = key.strip_prefix(OF_TASKS)?.rsplit_once('@')?;
    (!number.is_empty() && !team.is_empty()).then_some((number, team))
}

/// Does it name one task wherever it is told of, and not only within a file?
pub fn is_everywhere(key: &str) -> bool {
    matches!(scheme_of(key), Some("github" | "forge")) || task_of(key).is_some()
}

/// The key of what a source of this scheme calls `name`.
pub fn key_of(scheme: &str, name: &str) -> String {
    if scheme_of(name).is_some() { name.to_owned() } else { format!("{scheme}:{name}") }
}

/// What a source of this scheme calls it: the shortest name that is read as this key again.
pub fn name_of<'a>(scheme: &str, key: &'a str) -> &'a str {
    let own = key.strip_prefix(scheme).and_then(|rest| rest.strip_prefix(':'));
    own.filter(|name| !name.is_empty() && scheme_of(name).is_none()).unwrap_or(key)
}

/// Without the scheme, as whoever wrote it knows it.
pub fn bare(key: &str) -> &str {
    short_beside(key, key)
}

/// What whoever wrote `own` calls a task of the same source.
pub fn short_beside<'a>(own: &str, key: &'a str) -> &'a str {
    scheme_of(own).map_or(key, |scheme| name_of(scheme, key))
}

/// A text as a name: letters and digits of any language in lower case, `-` between the words.
pub fn slug(text: &str) -> String {
    let mut slug = String::new();
    for c in text.chars().flat_map(char::to_lowercase) {
        if c.is_alphanumeric() {
            slug.push(c);
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    let slug = slug.trim_end_matches('-');
    match slug.char_indices().nth(SLUG_CHARS_MAX) {
        // Two long titles may differ only at their ends, and a title may consist of signs.
        Some((end, _)) => format!("{}-{:08x}", &slug[..end], mark(text)),
        None if slug.is_empty() => format!("{:08x}", mark(text)),
        None => slug.to_owned(),
    }
}

/// A name as a key takes it: what cannot stand in a key becomes `-`.
pub fn name(text: &str) -> String {
    let fitting: String =
        text.chars().map(|c| if c.is_alphanumeric() || is_sign(c) { c } else { '-' }).take(KEY_CHARS_MAX / 2).collect();
    let fitting = fitting.trim_matches(['-', ':']).to_owned();
    if fitting.is_empty() { slug(text) } else { fitting }
}

/// FNV-1a: the same text has the same mark for ever, as keys must.
fn mark(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |mark, byte| (mark ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_becomes_a_key_and_the_key_that_name_again() {
        for (scheme, name, key) in [
            ("spec", "parser", "spec:parser"),
            ("spec", "beads:bd-1", "beads:bd-1"),
            ("spec", "a:b", "spec:a:b"),
            ("github", "o/r#1", "github:o/r#1"),
            ("spec", "beads:", "spec:beads:"),
        ] {
            assert_eq!(key_of(scheme, name), key);
            assert_eq!(name_of(scheme, key), name);
        }
        // What would be taken for another source's stays whole.
        assert_eq!(name_of("spec", "spec:beads:bd-1"), "spec:beads:bd-1");
        assert_eq!(key_of("spec", "spec:beads:bd-1"), "spec:beads:bd-1");
    }

    #[test]
    fn a_key_of_a_team_s_own_task_says_which_team() {
        assert_eq!(task_of(&of_task("task-7", "3f9a01bc")), Some(("task-7", "3f9a01bc")));
        for key in ["task:task-7", "task:@a", "task:task-7@", "plan:task-7@a"] {
            assert_eq!(task_of(key), None, "{key}");
        }
        let everywhere = ["github:o/r#7", "forge:h/o/r#7", "task:task-7@3f9a01bc"];
        let within =
            ["task:task-7", "plan:api", "spec:parser", "list:todo/a", "board:task-007", "todo:s/1", "beads:bd-1"];
        assert!(everywhere.into_iter().all(is_everywhere) && !within.into_iter().any(is_everywhere));
    }

    #[test]
    fn any_title_has_a_slug_and_different_long_ones_have_different_ones() {
        assert_eq!(slug("  Write the Parser, twice! "), "write-the-parser-twice");
        assert_eq!(slug("Überprüfung 日本"), "überprüfung-日本");
        let long = "a very long title ".repeat(10);
        assert_ne!(slug(&format!("{long}1")), slug(&format!("{long}2")));
        for text in ["", "!!", "🙂", "a\u{202e}b", "]) -->"] {
            assert!(is_key(&slug(text)), "{text:?}");
            assert!(is_key(&name(text)), "{text:?}");
        }
        for text in ["", "a b", "a,b", "a\nb", "a]", "<a>", "`a`", "a:", "🙂", &"x".repeat(201)] {
            assert!(!is_key(text), "{text:?}");
        }
    }
}
