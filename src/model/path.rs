//! What a file is called in a team: by its path from the top of the worktree, so that all worktrees of a repository agree;
//! what lies outside has its absolute path. Decided by the words alone, nothing is looked up.

/// `path` as somebody says it who works in `work_dir`. `None` where nothing tells what a relative path begins at.
pub fn team_path(path: &str, work_dir: Option<&str>, worktree: Option<&str>) -> Option<String> {
    let absolute = match path.starts_with('/') {
        true => path.to_owned(),
        false => format!("{}/{path}", work_dir.filter(|dir| dir.starts_with('/'))?),
    };
    let names = steps(&absolute);
    if let Some(top) = worktree.map(steps)
        && !top.is_empty()
        && let Some(below) = names.strip_prefix(top.as_slice())
        && !below.is_empty()
    {
        return Some(below.join("/"));
    }
    Some(format!("/{}", names.join("/")))
}

fn steps(absolute: &str) -> Vec<&str> {
    let mut names = Vec::new();
    for name in absolute.split('/') {
        match name {
            "" | "." => {}
            ".." => drop(names.pop()),
            name => names.push(name),
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_the_same_name_in_every_worktree_of_its_repository() {
        let inside = |path| team_path(path, Some("/repo/src"), Some("/repo")).unwrap();
        assert_eq!(inside("a.rs"), "src/a.rs");
        assert_eq!(inside("./deep/../a.rs"), "src/a.rs");
        assert_eq!(inside("../README.md"), "README.md");
        assert_eq!(inside("/repo/src//a.rs"), "src/a.rs");
        assert_eq!(inside("**/*.rs"), "src/**/*.rs");
        assert_eq!(team_path("a.rs", Some("/other/src"), Some("/other")).unwrap(), "src/a.rs");
    }

    #[test]
    fn what_lies_outside_keeps_its_whole_path() {
        let outside = |path, worktree| team_path(path, Some("/repo"), worktree).unwrap();
        assert_eq!(outside("/etc/hosts", Some("/repo")), "/etc/hosts");
        assert_eq!(outside("../../../x", Some("/repo")), "/x");
        assert_eq!(outside("/repository/a", Some("/repo")), "/repository/a");
        assert_eq!(outside("a", None), "/repo/a");
        assert_eq!(outside(".", Some("/repo")), "/repo");
        assert_eq!(team_path("a", None, None), None);
        assert_eq!(team_path("a", Some("nowhere"), None), None);
    }
}
