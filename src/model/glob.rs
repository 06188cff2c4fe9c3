//! Patterns for files: `*` and `?` within a name, `**` for any number of names. A pattern also covers all that lies below
//! what it names. Is a file covered by one, and could any file be covered by two of them?

pub const ANY_NAMES: &str = "**";

/// Is the file covered? Both with `/` between names.
pub fn covers(pattern: &str, file: &str) -> bool {
    let (pattern, file) = (names(pattern), file_names(file));
    let no_pattern = |_: &&str| false;
    begin_alike(&pattern, &file, no_pattern)
        && meet(&pattern, &file, is_any_names, no_pattern, |pattern, name| name_matches(pattern, name))
}

/// Is there a file that both cover?
pub fn overlap(one: &str, other: &str) -> bool {
    let (one, other) = (names(one), names(other));
    begin_alike(&one, &other, |name| is_pattern(name))
        && meet(&one, &other, is_any_names, is_any_names, |one, other| names_overlap(one, other))
}

/// Most patterns begin with plain names, and most of these are not those of a file in question: that is soon seen.
fn begin_alike(pattern: &[&str], other: &[&str], is_other_pattern: impl Fn(&&str) -> bool) -> bool {
    let plain = pattern.iter().zip(other).take_while(|(mine, theirs)| !is_pattern(mine) && !is_other_pattern(theirs));
    plain.into_iter().all(|(mine, theirs)| mine == theirs)
}

fn is_pattern(name: &str) -> bool {
    name.contains(['*', '?'])
}

fn names(pattern: &str) -> Vec<&str> {
    file_names(pattern).into_iter().chain([ANY_NAMES]).collect()
}

fn file_names(file: &str) -> Vec<&str> {
    file.split('/').filter(|name| !name.is_empty()).collect()
}

fn is_any_names(name: &&str) -> bool {
    *name == ANY_NAMES
}

/// Is the whole text what the pattern says? Here `*` is any text, whatever is in it.
pub fn name_matches(pattern: &str, name: &str) -> bool {
    if !is_pattern(pattern) {
        return pattern == name;
    }
    let pieces: Vec<Vec<char>> = pattern.split('*').map(|piece| piece.chars().collect()).collect();
    let name: Vec<char> = name.chars().collect();
    let [first, between @ .., last] = &pieces[..] else { return pieces.iter().all(|whole| fits(whole, &name)) };
    let Some(middle) = name.len().checked_sub(last.len()).filter(|end| first.len() <= *end) else { return false };
    if !fits(first, &name[..first.len()]) || !fits(last, &name[middle..]) {
        return false;
    }
    // Each piece as early as it may be leaves the most for those behind it.
    let mut rest = &name[first.len()..middle];
    between.iter().filter(|piece| !piece.is_empty()).all(|piece| {
        let found = rest.windows(piece.len()).position(|part| fits(piece, part));
        found.is_some_and(|at| {
            rest = &rest[at + piece.len()..];
            true
        })
    })
}

/// Is a command meant by the words that it begins with, or as a whole by a pattern?
pub fn command_matches(wanted: &str, command: &str) -> bool {
    if is_pattern(wanted) {
        return name_matches(wanted, command);
    }
    command.strip_prefix(wanted).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
}

fn fits(piece: &[char], text: &[char]) -> bool {
    piece.len() == text.len() && piece.iter().zip(text).all(|(piece, c)| piece == c || *piece == '?')
}

fn names_overlap(one: &str, other: &str) -> bool {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    let is_any = |c: &char| *c == '*';
    meet(&one, &other, is_any, is_any, |one, other| one == other || *one == '?' || *other == '?')
}

/// Can both lists stand for the same? An `any` stands for any number of whatever is in the other; all else for one, where
/// `same`. Looks from the ends: what the tails of both have in common decides for what comes before.
fn meet<T>(
    one: &[T],
    other: &[T],
    is_any_one: impl Fn(&T) -> bool,
    is_any_other: impl Fn(&T) -> bool,
    same: impl Fn(&T, &T) -> bool,
) -> bool {
    let mut after = vec![false; other.len() + 1];
    for at_one in (0..=one.len()).rev() {
        let mut here = vec![false; other.len() + 1];
        for at in (0..=other.len()).rev() {
            let (mine, theirs) = (one.get(at_one), other.get(at));
            let rest = |tails: &[bool]| theirs.is_some() && tails[at + 1];
            let mine_is_any = mine.is_some_and(&is_any_one);
            let theirs_is_any = theirs.is_some_and(&is_any_other);
            here[at] = match (mine, theirs) {
                (None, None) => true,
                _ if mine_is_any || theirs_is_any => {
                    let without_mine = mine_is_any && after[at];
                    let without_theirs = theirs_is_any && rest(&here);
                    let swallows_theirs = mine_is_any && rest(&here);
                    let swallows_mine = theirs_is_any && mine.is_some() && after[at];
                    without_mine || without_theirs || swallows_theirs || swallows_mine
                }
                // Only where it matters: to compare two names is the most of the work.
                (Some(mine), Some(theirs)) => rest(&after) && same(mine, theirs),
                _ => false,
            };
        }
        after = here;
    }
    after[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_covers_what_it_names_and_what_lies_below() {
        for (pattern, covered, not_covered) in [
            ("src/a.rs", vec!["src/a.rs", "src/a.rs/b"], vec!["src/a.rss", "src", "a.rs"]),
            ("src", vec!["src", "src/a.rs", "src/deep/er/a.rs"], vec!["srcs/a.rs", "lib/src"]),
            ("src/*.rs", vec!["src/a.rs", "src/.rs"], vec!["src/deep/a.rs", "src/a.rb"]),
            ("src/**/*.rs", vec!["src/a.rs", "src/deep/er/a.rs"], vec!["a.rs", "src/a.md"]),
            ("**", vec!["a", "a/b/c"], vec![]),
            ("**/test_?.py", vec!["test_1.py", "a/b/test_ü.py"], vec!["test_.py", "test_12.py"]),
            ("a*b*c", vec!["abc", "axxbxxc", "abcbc"], vec!["ab", "acb"]),
            ("/etc/*", vec!["/etc/hosts", "etc/hosts"], vec!["/usr"]),
        ] {
            for file in covered {
                assert!(covers(pattern, file), "{pattern} {file}");
            }
            for file in not_covered {
                assert!(!covers(pattern, file), "{pattern} {file}");
            }
        }
    }

    /// All texts of these letters up to some length.
    fn texts(letters: &[&str], most: usize) -> Vec<String> {
        let mut all = vec![String::new()];
        let mut last = all.clone();
        for _ in 0..most {
            last = last.iter().flat_map(|text| letters.iter().map(move |letter| format!("{text}{letter}"))).collect();
            all.extend(last.clone());
        }
        all.into_iter().filter(|text| !text.is_empty()).collect()
    }

    #[test]
    fn two_patterns_overlap_where_a_file_is_covered_by_both() {
        let patterns = texts(&["a", "b", "*", "?", "/", "**/"], 3);
        let files: Vec<String> = texts(&["a", "b", "/"], 6).into_iter().filter(|file| !file.contains("//")).collect();
        let covered = |pattern: &String| -> Vec<bool> { files.iter().map(|file| covers(pattern, file)).collect() };
        let all: Vec<Vec<bool>> = patterns.iter().map(covered).collect();
        for (one, of_one) in patterns.iter().zip(&all) {
            for (other, of_other) in patterns.iter().zip(&all) {
                let together = of_one.iter().zip(of_other).any(|(one, other)| *one && *other);
                assert_eq!(overlap(one, other), together, "{one} {other}");
            }
        }
    }

    #[test]
    fn a_long_pattern_takes_no_long_time() {
        let (pattern, name) = ("*a".repeat(100), "a".repeat(150));
        assert!(covers(&pattern, &name));
        assert!(!covers(&format!("{pattern}b"), &name));
        assert!(overlap(&"**/a/".repeat(40), &"a/**/".repeat(40)));
    }
}
