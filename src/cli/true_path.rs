//! The one true name of a path, as far as it is there.

use std::path::Path;
use std::path::PathBuf;

/// Without links, as far as it leads somewhere; what comes behind that stays as it is said.
pub(super) fn true_path(path: &Path) -> PathBuf {
    let by_dir = |dir: &Path| {
        let (there, rest) = (dir.canonicalize().ok()?, path.strip_prefix(dir).ok()?);
        // To join nothing would add a slash.
        Some(if rest.as_os_str().is_empty() { there } else { there.join(rest) })
    };
    path.ancestors().find_map(by_dir).unwrap_or_else(|| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn links_are_followed_as_far_as_they_lead_somewhere() {
        let dir = tempfile::tempdir().unwrap();
        let top = dir.path().canonicalize().unwrap();
        std::fs::create_dir(top.join("real")).unwrap();
        symlink(top.join("real"), top.join("link")).unwrap();
        symlink(top.join("nowhere"), top.join("dangling")).unwrap();
        for (said, meant) in
            [("link", "real"), ("link/a/b", "real/a/b"), ("dangling", "dangling"), ("missing/a", "missing/a")]
        {
            assert_eq!(true_path(&top.join(said)), top.join(meant), "{said}");
        }
        assert_eq!(true_path(Path::new("no/where")), Path::new("no/where"));
    }
}
