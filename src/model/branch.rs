//! What may be the name of a branch.

/// What `git check-ref-format` takes for a branch. So no name is an option, an expression or a pattern.
pub fn is_branch_name(name: &str) -> bool {
    let stray = |c: char| c.is_control() || " ~^:?*[\\".contains(c);
    let is_part = |part: &str| !part.is_empty() && !part.starts_with('.') && !part.ends_with(".lock");
    !name.starts_with('-')
        && !name.ends_with('.')
        && name != "@"
        && !name.contains("..")
        && !name.contains("@{")
        && !name.contains(stray)
        && name.split('/').all(is_part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_name_is_a_name_of_a_branch() {
        for name in ["main", "orch/task-1", "a.b/c", "Ümit", "a-", "a@b"] {
            assert!(is_branch_name(name), "{name}");
        }
        for name in [
            "", "@", "-d", "--all", "a b", "a..b", "a~1", "a^", "a:b", "a*", "a?", "a[b", "a\\b", "/a", "a/", "a//b",
            ".a", "a/.b", "a.lock", "a.lock/b", "a.", "a@{1}", "@{-1}", "a\nb", "a\u{7f}",
        ] {
            assert!(!is_branch_name(name), "{name}");
        }
    }
}
