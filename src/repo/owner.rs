//! Which team a branch and its worktree are of: several may work in one repository, and each counts its tasks from one.

use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::model::digest::digest;
use crate::repo::worktree;
use crate::repo::worktree::PREFIX;
use crate::repo::worktree::RECORDS;
use crate::repo::worktree::Trees;
use std::fs;
use std::fs::DirBuilder;
use std::fs::OpenOptions;
use std::io;
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::path::PathBuf;

/// Between the mark of a team and what the name says of the task. No plain name has it.
const AFTER_MARK: char = '.';
const MARK_CHARS: usize = 8;

/// Below our records of a repository: of each branch, which team made it.
const NOTES: &str = "teams";

/// A team, as it is told from others in a repository that may be theirs, too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Where it has its state: no two have it in one place.
    place: String,
    /// What it makes carries its mark.
    is_guest: bool,
}

impl Owner {
    /// In the repository in which it is at home.
    pub fn at_home(state_dir: &Path) -> Owner {
        let place = state_dir.canonicalize().unwrap_or_else(|_| state_dir.to_owned());
        Owner { place: place.to_string_lossy().into_owned(), is_guest: false }
    }

    /// In one that tasks of it name: who is at home there is not told by that.
    pub fn as_guest(state_dir: &Path) -> Owner {
        Owner { is_guest: true, ..Owner::at_home(state_dir) }
    }

    fn mark(&self) -> String {
        let digest = digest(&self.place);
        format!("{:08x}", (digest ^ (digest >> 32)) as u32)
    }

    /// What is made for a task or a worker is called so.
    pub(super) fn slug(&self, name: &str) -> String {
        let slug = worktree::slug(name);
        if self.is_guest { format!("{}{AFTER_MARK}{slug}", self.mark()) } else { slug }
    }

    /// What the name behind the mark is, or why it is none of this team's.
    fn name<'a>(&self, slug: &'a str) -> Result<&'a str, String> {
        match marked(slug) {
            Some((mark, name)) if mark == self.mark() => Ok(name),
            Some((mark, _)) => Err(format!("it is of another team, whose mark is `{mark}`")),
            None if self.is_guest => Err(format!(
                "it is of whoever is at home here: what this team makes here begins with `{}`",
                self.mark()
            )),
            None => Ok(slug),
        }
    }
}

/// The mark of a team that is no more than a guest, and what is behind it.
fn marked(slug: &str) -> Option<(&str, &str)> {
    let (mark, name) = slug.split_once(AFTER_MARK)?;
    let is_mark = mark.len() == MARK_CHARS && mark.chars().all(|c| c.is_ascii_digit() || ('a'..='f').contains(&c));
    // A name that was changed ends in a longer number.
    (is_mark && name.starts_with("task-")).then_some((mark, name))
}

/// What a worktree is called after, whichever team made it.
pub fn name_behind_mark(slug: &str) -> &str {
    marked(slug).map_or(slug, |(_, name)| name)
}

/// What is written down in a repository of who made which branch. Believed only where it says that something is not ours: whoever
/// works there can write it.
pub(super) struct Notes {
    dir: PathBuf,
}

impl Notes {
    pub fn below(records: &Path) -> Notes {
        Notes { dir: records.join(NOTES) }
    }

    /// The name behind the mark, or why that is none of this team's.
    pub fn name<'a>(&self, owner: &Owner, slug: &'a str) -> Result<&'a str, String> {
        let name = owner.name(slug)?;
        match self.made_by(slug).filter(|place| *place != owner.place) {
            Some(place) => Err(format!("it is of the team at `{}`", place.escape_debug())),
            None => Ok(name),
        }
    }

    fn made_by(&self, slug: &str) -> Option<String> {
        if slug.contains('/') {
            return None;
        }
        let text = fs::read_to_string(self.dir.join(slug)).ok()?;
        Some(text.trim_end_matches('\n').to_owned()).filter(|place| !place.is_empty())
    }

    pub fn note(&self, owner: &Owner, slug: &str) -> Result<()> {
        let path = self.dir.join(slug);
        self.write(owner, &path)
            .map_err(|cause| Error::new(Kind::Unavailable, format!("`{}` cannot be written: {cause}", path.display())))
    }

    fn write(&self, owner: &Owner, path: &Path) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.dir)?;
        // Never through a link that somebody put there.
        self.forget(path)?;
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(format!("{}\n", owner.place).as_bytes())
    }

    fn forget(&self, path: &Path) -> io::Result<()> {
        match fs::remove_file(path) {
            Err(cause) if cause.kind() != io::ErrorKind::NotFound => Err(cause),
            _ => Ok(()),
        }
    }

    /// It is gone, and whoever makes it again owns it.
    pub fn gone(&self, slug: &str) {
        if !slug.contains('/') {
            let _ = self.forget(&self.dir.join(slug));
        }
    }
}

impl Trees {
    /// What the worktree for a task or a worker is called here.
    pub fn slug(&self, name: &str) -> String {
        self.owner.as_ref().map_or_else(|| worktree::slug(name), |owner| owner.slug(name))
    }

    /// What a worktree or a branch was made for, or why it is none of this team's.
    pub fn made_for<'a>(&self, slug: &'a str) -> Result<&'a str, String> {
        self.owner.as_ref().map_or(Ok(slug), |owner| self.notes().name(owner, slug))
    }

    pub(super) fn notes(&self) -> Notes {
        Notes::below(&self.common.join(RECORDS))
    }

    pub(super) fn foreign(&self, branch: &str) -> Option<String> {
        self.made_for(branch.strip_prefix(PREFIX)?).err()
    }

    /// It is found again by whoever made it; what is not there yet becomes theirs.
    pub(super) fn claim(&self, slug: &str, branch: &str, is_there: bool) -> Result<()> {
        let Some(owner) = &self.owner else { return Ok(()) };
        match self.foreign(branch).filter(|_| is_there) {
            Some(why) => Err(Error::new(Kind::Conflict, format!("`{branch}` is there already, and {why}"))
                .hint("land and clean it up where that team is, or delete it, then try again")),
            None => self.notes().note(owner, slug),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_team_finds_its_own_name_behind_its_mark_and_no_other() {
        let [one, other] = ["/one/.orch", "/other/.orch"].map(|place| Owner::as_guest(Path::new(place)));
        let slug = one.slug("task-0000000001");
        assert_eq!(one.name(&slug), Ok("task-0000000001"));
        assert_eq!(Owner::at_home(Path::new("/one/.orch")).name(&slug), Ok("task-0000000001"));
        assert_eq!(name_behind_mark(&slug), "task-0000000001");
        assert!(other.name(&slug).unwrap_err().starts_with("it is of another team"));
        assert!(one.name("task-0000000001").unwrap_err().starts_with("it is of whoever is at home here"));
        let home = Owner::at_home(Path::new("/other/.orch"));
        assert!(home.name(&slug).is_err());
        for plain in ["task-0000000001", "builder-1", &worktree::slug("A b"), &worktree::slug("deadbeef.task-1")] {
            assert_eq!(home.name(plain), Ok(plain));
        }
    }

    #[test]
    fn a_note_that_is_a_link_is_replaced_and_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let (notes, owner) = (Notes::below(dir.path()), Owner::at_home(Path::new("/one/.orch")));
        let precious = dir.path().join("precious");
        fs::write(&precious, "mine").unwrap();
        fs::create_dir(&notes.dir).unwrap();
        std::os::unix::fs::symlink(&precious, notes.dir.join("t")).unwrap();
        notes.note(&owner, "t").unwrap();
        assert_eq!(fs::read_to_string(&precious).unwrap(), "mine");
        assert_eq!(notes.name(&owner, "t"), Ok("t"));
        let other = Owner::at_home(Path::new("/other/.orch"));
        assert_eq!(notes.name(&other, "t").unwrap_err(), "it is of the team at `/one/.orch`");
        notes.gone("t");
        assert_eq!(notes.name(&other, "t"), Ok("t"));
    }
}
