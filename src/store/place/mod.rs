//! The state directory: where it is, whether it may be used, and how it comes into being.

mod find;
mod guard;
mod state;

use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use std::fs;
use std::fs::DirBuilder;
use std::fs::Metadata;
use std::fs::OpenOptions;
use std::fs::Permissions;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::fs::FileExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::path::PathBuf;

pub use find::Repository;
pub use find::git_records;
pub use find::is_in_repository;
pub use find::leads_to;
pub use find::repository;
pub use state::Open;

use find::beside_repository;
use find::of_user;
use guard::must_be_closed;
use guard::must_be_on_a_local_disk;
use guard::must_be_our_dir;
use guard::must_be_our_file;
use guard::must_hold_nothing_else;
use guard::must_not_be_a_worktree;

const STATE_DIR: &str = ".orch";
const STORE_FILE: &str = "orch.db";
/// What SQLite keeps beside the store file.
const STORE_COMPANIONS: [&str; 2] = ["orch.db-wal", "orch.db-shm"];
/// What may be there where no store was a moment ago: made before it, left by a power cut while it was made, or made by
/// another process meanwhile.
const OURS: [&str; 11] = [
    TURN_LOCK,
    MAIN_LOCK,
    BOARD_FILE,
    WAKE_DIR,
    IGNORE_FILE,
    OWNER_TOKEN,
    SOCKET,
    STORE_FILE,
    STORE_COMPANIONS[0],
    STORE_COMPANIONS[1],
    "orch.db-journal",
];
/// What people put there: roles, pipelines and settings of their team, which may be older than its store.
const THEIRS: [&str; 3] = ["roles", "pipelines", "orch.toml"];
/// What the team's work leaves there, and `git clean` may leave alone.
const LEFT: [&str; 7] = ["trees", "workers", "tmux", "evidence", "results", "repos", "supervisor.log"];
const TURN_LOCK: &str = "queue.turn";
const MAIN_LOCK: &str = "queue.main";
const BOARD_FILE: &str = "queue.board";
const WAKE_DIR: &str = "wake";
const OWNER_TOKEN: &str = "owner.token";
const SOCKET: &str = "http.sock";
const IGNORE_FILE: &str = ".gitignore";
const IGNORE_EVERYTHING: &[u8] = b"*\n";

const PRIVATE_DIR: u32 = 0o700;
const PRIVATE_FILE: u32 = 0o600;

const CHOOSE_ANOTHER: &str = "choose another directory with `--state-dir` or `ORCH_STATE_DIR`";
const CHOOSE_LOCAL: &str = "choose a directory on a local disk with `--state-dir` or `ORCH_STATE_DIR`";

/// The state directory, whether or not it exists yet.
///
/// The store file and its companions are only ever looked at by path here: closing a descriptor of one of them would
/// drop the locks that SQLite holds in this process.
#[derive(Clone, Debug)]
pub struct Place {
    dir: PathBuf,
}

impl Place {
    /// The directory that was asked for; else the one that all worktrees of the repository around `cwd` share; else
    /// the user's. Creates nothing.
    pub fn find(
        explicit: Option<PathBuf>,
        cwd: &Path,
        xdg_state_home: Option<PathBuf>,
        home: Option<PathBuf>,
    ) -> Result<Place> {
        explicit
            .filter(|dir| !dir.as_os_str().is_empty())
            .map(|dir| cwd.join(dir))
            .or_else(|| beside_repository(cwd))
            .or_else(|| of_user(xdg_state_home, home))
            .map(Place::at)
            .ok_or_else(|| {
                refusal(
                    "found no place for the state directory: this is not a git repository, \
                     and neither `XDG_STATE_HOME` nor `HOME` is set",
                    "name one with `--state-dir` or `ORCH_STATE_DIR`",
                )
            })
    }

    pub fn at(dir: impl AsRef<Path>) -> Place {
        // Without a trailing slash, which would make the system follow a symbolic link that must be seen as one.
        Place { dir: dir.as_ref().components().collect() }
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    pub fn store_file(&self) -> PathBuf {
        self.dir.join(STORE_FILE)
    }

    /// The two lock files of the queue in front of write transactions, in the order they are taken. They have the mode
    /// that all files of the store shall have.
    pub fn lock_files(&self) -> [PathBuf; 2] {
        [self.dir.join(TURN_LOCK), self.dir.join(MAIN_LOCK)]
    }

    /// What processes in the queue share.
    pub fn board_file(&self) -> PathBuf {
        self.dir.join(BOARD_FILE)
    }

    /// Where doorbells are put.
    pub fn doorbells(&self) -> PathBuf {
        self.dir.join(WAKE_DIR)
    }

    /// With what the owner's own programs come in through the door.
    pub fn owner_token(&self) -> PathBuf {
        self.dir.join(OWNER_TOKEN)
    }

    /// Where a web server is heard by programs of this machine.
    pub fn socket(&self) -> PathBuf {
        self.dir.join(SOCKET)
    }

    /// Is there a store already?
    pub fn exists(&self) -> bool {
        self.store_file().symlink_metadata().is_ok()
    }

    /// Refuse a directory where the store would be unsafe. Creates nothing.
    pub fn check(&self) -> Result<()> {
        if let Some(found) = look_at(&self.dir)? {
            must_be_our_dir(&self.dir, &found)?;
            must_not_be_a_worktree(&self.dir)?;
            if !self.exists() {
                must_hold_nothing_else(&self.dir, &[&OURS[..], &THEIRS, &LEFT].concat())?;
            }
            must_be_closed(&self.dir, &found)?;
        }
        must_be_on_a_local_disk(&self.dir)?;
        for file in self.store_files() {
            if let Some(found) = look_at(&file)? {
                must_be_our_file(&file, &found)?;
            }
        }
        Ok(())
    }

    /// Make whatever is missing, except for the store itself. Cheap where nothing is, safe in many processes at once.
    pub fn create(&self) -> Result<()> {
        self.check()?;
        if look_at(&self.dir)?.is_none()
            && let Some(parent) = self.dir.parent()
        {
            fs::create_dir_all(parent).map_err(|cause| cannot("create", parent, &cause))?;
        }
        private_dir(&self.dir)?;
        self.ignore_everything()?;
        for file in self.lock_files() {
            private_file(&file)?;
        }
        private_file(&self.board_file())?;
        private_dir(&self.doorbells())?;
        for file in self.store_files() {
            if let Some(found) = look_at(&file)? {
                keep_mode(&file, &found, PRIVATE_FILE)?;
            }
        }
        Ok(())
    }

    /// The store file, its log and its shared memory.
    pub fn store_files(&self) -> [PathBuf; 3] {
        [STORE_FILE, STORE_COMPANIONS[0], STORE_COMPANIONS[1]].map(|name| self.dir.join(name))
    }

    /// Git shall not see the directory. Whoever finds the file empty, because its maker died, writes it again.
    fn ignore_everything(&self) -> Result<()> {
        let path = self.dir.join(IGNORE_FILE);
        if private_file(&path)?.len() == 0 {
            OpenOptions::new()
                .write(true)
                .custom_flags(libc::O_NOFOLLOW)
                .open(&path)
                .and_then(|file| file.write_all_at(IGNORE_EVERYTHING, 0))
                .map_err(|cause| cannot("write", &path, &cause))?;
        }
        Ok(())
    }
}

/// Make a directory that only we can enter, or make sure that the one that is there is such.
pub(super) fn private_dir(dir: &Path) -> Result<()> {
    let found = match look_at(dir)? {
        Some(found) => found,
        None => {
            let made = DirBuilder::new().mode(PRIVATE_DIR).create(dir);
            already_made(made).map_err(|cause| cannot("create", dir, &cause))?;
            dir.symlink_metadata().map_err(|cause| cannot("create", dir, &cause))?
        }
    };
    must_be_our_dir(dir, &found)?;
    keep_mode(dir, &found, PRIVATE_DIR)
}

/// The same for a file; it is made empty.
fn private_file(path: &Path) -> Result<Metadata> {
    let found = match look_at(path)? {
        Some(found) => found,
        None => {
            let made = OpenOptions::new().write(true).create_new(true).mode(PRIVATE_FILE).open(path);
            already_made(made.map(drop)).map_err(|cause| cannot("create", path, &cause))?;
            path.symlink_metadata().map_err(|cause| cannot("create", path, &cause))?
        }
    };
    must_be_our_file(path, &found)?;
    keep_mode(path, &found, PRIVATE_FILE)?;
    Ok(found)
}

/// Another process that makes the same thing at the same time may be first.
fn already_made(made: io::Result<()>) -> io::Result<()> {
    match made {
        Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

/// The umask may have taken away too much, a person too little.
fn keep_mode(path: &Path, found: &Metadata, mode: u32) -> Result<()> {
    if permissions(found) == mode {
        return Ok(());
    }
    if let Err(cause) = fs::set_permissions(path, Permissions::from_mode(mode))
        && cause.kind() != io::ErrorKind::NotFound
    {
        return Err(cannot("change the mode of", path, &cause));
    }
    match look_at(path)? {
        Some(now) if permissions(&now) != mode => Err(refusal(
            format!("`{}` keeps mode {:04o}, and needs {mode:04o}", path.display(), permissions(&now)),
            CHOOSE_LOCAL,
        )),
        _ => Ok(()),
    }
}

fn permissions(found: &Metadata) -> u32 {
    found.mode() & 0o777
}

/// What stands at `path` itself, links not followed.
fn look_at(path: &Path) -> Result<Option<Metadata>> {
    match path.symlink_metadata() {
        Ok(found) => Ok(Some(found)),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(cannot("look at", path, &cause)),
    }
}

fn cannot(verb: &str, path: &Path, cause: &io::Error) -> Error {
    refusal(format!("cannot {verb} `{}`: {cause}", path.display()), CHOOSE_ANOTHER)
}

fn refusal(message: impl Into<String>, hint: impl Into<String>) -> Error {
    Error::new(Kind::Unavailable, message).hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::place::guard::shared_filesystem;
    use std::os::unix::fs::symlink;
    use std::thread;

    struct Tree(tempfile::TempDir);

    impl Tree {
        fn new() -> Tree {
            Tree(tempfile::tempdir().unwrap())
        }

        fn path(&self, path: &str) -> PathBuf {
            self.0.path().canonicalize().unwrap().join(path)
        }

        fn dir(&self, path: &str) -> PathBuf {
            fs::create_dir_all(self.path(path)).unwrap();
            self.path(path)
        }

        fn file(&self, path: &str, text: &str) -> PathBuf {
            let path = self.path(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            path
        }

        /// Where a session in `cwd` keeps its state, below the tree, where it names nothing.
        fn found_from(&self, cwd: &str) -> PathBuf {
            let place = Place::find(None, &self.dir(cwd), Some(self.path("states")), None).unwrap();
            place.dir().strip_prefix(self.path("")).unwrap().to_owned()
        }
    }

    fn mode(path: &Path) -> u32 {
        permissions(&path.symlink_metadata().unwrap())
    }

    fn refused(place: &Place) -> String {
        let error = place.check().unwrap_err();
        assert_eq!(error.kind, Kind::Unavailable);
        assert!(error.hint.is_some());
        assert_eq!(place.create().unwrap_err(), error, "what the check refuses is never created");
        error.message
    }

    #[test]
    fn a_directory_that_was_asked_for_goes_first() {
        let tree = Tree::new();
        let cwd = tree.dir("repo/.git").join("..");
        let find = |dir: &str| Place::find(Some(PathBuf::from(dir)), &cwd, None, None).unwrap();
        assert_eq!(find("/somewhere/state/").dir(), Path::new("/somewhere/state"));
        assert_eq!(find("state").dir(), cwd.join("state"));
        assert_eq!(find("").dir(), tree.path("repo/.orch"), "an empty name is none");
    }

    #[test]
    fn all_worktrees_of_a_repository_share_one_directory() {
        let tree = Tree::new();
        tree.file("shared/other.txt", "");
        fs::set_permissions(tree.path("shared"), Permissions::from_mode(0o755)).unwrap();
        assert!(refused(&Place::at(tree.path("shared"))).contains("holds other things, such as `other.txt`"));
        assert_eq!(mode(&tree.path("shared")), 0o755, "it stays as it is");

        tree.dir("repo/.git");
        tree.dir("repo/src/deep");
        tree.file("repo/.git/worktrees/side/commondir", "../..\n");
        tree.file("side/.git", &format!("gitdir: {}\n", tree.path("repo/.git/worktrees/side").display()));
        tree.file("near/.git", "gitdir: ../repo/.git/worktrees/side\r\n");
        symlink(tree.path("repo"), tree.path("alias")).unwrap();
        for cwd in ["repo", "repo/src/deep", "side", "side/src", "near", "alias/src"] {
            assert_eq!(tree.found_from(cwd), Path::new("repo/.orch"), "from {cwd}");
        }
    }

    #[test]
    fn no_repository_can_track_the_directory() {
        let tree = Tree::new();
        tree.dir("bare.git/objects");
        tree.dir("bare.git/refs");
        tree.file("bare.git/HEAD", "ref: refs/heads/main\n");
        tree.file("bare.git/worktrees/side/commondir", "../..\n");
        tree.file("side/.git", "gitdir: ../bare.git/worktrees/side\n");
        assert_eq!(tree.found_from("bare.git"), Path::new("bare.git/.orch"));
        assert_eq!(tree.found_from("side"), Path::new("bare.git/.orch"));

        tree.dir("repo/.git/modules/sub");
        tree.file("repo/sub/.git", "gitdir: ../.git/modules/sub\n");
        assert_eq!(tree.found_from("repo/sub"), Path::new("repo/.git/modules/sub/.orch"));
    }

    #[test]
    fn a_repository_is_known_by_its_main_worktree() {
        let tree = Tree::new();
        tree.dir("repo/.git/modules/sub");
        tree.dir("repo/src/deep");
        tree.file("repo/.git/worktrees/side/commondir", "../..\n");
        tree.file("side/.git", &format!("gitdir: {}\n", tree.path("repo/.git/worktrees/side").display()));
        tree.dir("side/src");
        tree.file("repo/sub/.git", "gitdir: ../.git/modules/sub\n");
        tree.dir("bare.git/objects");
        tree.dir("bare.git/refs");
        tree.file("bare.git/HEAD", "ref: refs/heads/main\n");
        tree.file("bare.git/worktrees/wing/commondir", "../..\n");
        tree.file("wing/.git", "gitdir: ../bare.git/worktrees/wing\n");
        tree.file("broken/.git", "garbage");
        for (cwd, top, main) in [
            ("repo/src/deep", "repo", "repo"),
            ("side/src", "side", "repo"),
            ("repo/sub", "repo/sub", "repo/sub"),
            ("wing", "wing", "bare.git"),
            ("bare.git", "bare.git", "bare.git"),
            ("broken", "broken", "broken"),
        ] {
            let found = repository(&tree.path(cwd)).unwrap();
            assert_eq!((found.top, found.main), (tree.path(top), tree.path(main)), "from {cwd}");
        }
        assert_eq!(repository(&tree.dir("plain")), None);
    }

    #[test]
    fn without_a_usable_repository_the_directory_is_the_users() {
        let tree = Tree::new();
        tree.file("shared/other.txt", "");
        assert!(refused(&Place::at(tree.path("shared"))).contains("holds other things, such as `other.txt`"));
        assert_eq!(mode(&tree.path("shared")), mode(tree.0.path()) | 0o755, "it stays as it is");

        tree.dir("repo/.git");
        for (cwd, text) in [
            ("repo/garbage", "garbage"),
            ("repo/empty", ""),
            ("repo/nowhere", "gitdir: \n"),
            ("repo/gone", "gitdir: /no/such/place\n"),
        ] {
            tree.file(&format!("{cwd}/.git"), text);
            assert_eq!(tree.found_from(cwd), Path::new("states/orch-mcp"), "from {cwd}");
        }
        let plain = tree.dir("plain");
        let find = |xdg: Option<&str>, home: Option<&str>| {
            Place::find(None, &plain, xdg.map(PathBuf::from), home.map(PathBuf::from)).map(|place| place.dir)
        };
        assert_eq!(find(None, Some("/home/a")).unwrap(), Path::new("/home/a/.local/state/orch-mcp"));
        assert_eq!(find(Some("relative"), Some("/home/a")).unwrap(), Path::new("/home/a/.local/state/orch-mcp"));
        let error = find(None, None).unwrap_err();
        assert_eq!(error.kind, Kind::Unavailable);
        assert!(error.hint.unwrap().contains("--state-dir"));
    }

    #[test]
    fn looking_creates_nothing() {
        let tree = Tree::new();
        let place = Place::at(tree.path("deep/down/.orch"));
        place.check().unwrap();
        assert!(!place.exists());
        assert!(!tree.path("deep").exists());
    }

    #[test]
    fn a_directory_that_is_not_ours_alone_is_refused() {
        let tree = Tree::new();
        tree.dir("real");
        symlink(tree.path("real"), tree.path("link")).unwrap();
        assert!(refused(&Place::at(tree.path("link/"))).contains("is a symbolic link"));

        tree.file("file", "");
        assert!(refused(&Place::at(tree.path("file"))).contains("is not a directory"));
        assert!(refused(&Place::at(tree.path("file/below"))).contains("cannot look at"));

        fs::set_permissions(tree.dir("open"), Permissions::from_mode(0o770)).unwrap();
        assert!(refused(&Place::at(tree.path("open"))).contains("mode 0770"));

        tree.file("shared/other.txt", "");
        assert!(refused(&Place::at(tree.path("shared"))).contains("holds other things, such as `other.txt`"));
        assert_eq!(mode(&tree.path("shared")), mode(tree.0.path()) | 0o755, "it stays as it is");

        tree.dir("repo/.git");
        assert!(refused(&Place::at(tree.path("repo"))).contains("is a git repository"));

        // A directory of the superuser is another's, except to the superuser, who can give one away.
        let anothers = if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(tree.dir("given"), Some(12345), None).unwrap();
            tree.path("given")
        } else {
            PathBuf::from("/usr")
        };
        assert!(refused(&Place::at(anothers)).contains("belongs to user"));
    }

    #[test]
    fn a_store_file_that_leads_elsewhere_is_refused() {
        for name in [STORE_FILE, STORE_COMPANIONS[0], STORE_COMPANIONS[1]] {
            let tree = Tree::new();
            let place = Place::at(tree.dir("state"));
            symlink(tree.file("treasure", ""), place.dir().join(name)).unwrap();
            assert!(refused(&place).contains("is a symbolic link"));
            fs::remove_file(place.dir().join(name)).unwrap();
            fs::create_dir(place.dir().join(name)).unwrap();
            assert!(refused(&place).contains("is not a regular file"));
        }
        let tree = Tree::new();
        let place = Place::at(tree.dir("state"));
        symlink(tree.file("treasure", "gold"), place.dir().join(IGNORE_FILE)).unwrap();
        place.create().unwrap_err();
        assert_eq!(fs::read_to_string(tree.path("treasure")).unwrap(), "gold");
    }

    #[cfg(not(target_os = "macos"))]
    #[test]
    fn a_network_filesystem_is_known_by_its_number() {
        let mut stat = rustix::fs::statfs("/").unwrap();
        stat.f_type = 0x6969;
        assert_eq!(shared_filesystem(&stat).as_deref(), Some("NFS"));
        // The largest bit is set: some kernels tell this as a negative number.
        stat.f_type = 0xfe53_4d42_u32 as _;
        assert_eq!(shared_filesystem(&stat).as_deref(), Some("SMB2"));
        stat.f_type = 0xef53;
        assert_eq!(shared_filesystem(&stat), None);
    }

    #[test]
    fn many_create_one_place_at_once() {
        let tree = Tree::new();
        let place = Place::at(tree.path("deep/down/.orch"));
        thread::scope(|scope| {
            for _ in 0..16 {
                scope.spawn(|| place.create().unwrap());
            }
        });
        assert_private(&place);
        assert!(!place.exists(), "the store itself is made by SQLite");
    }

    #[test]
    fn what_a_person_or_a_death_left_half_right_is_made_right() {
        let tree = Tree::new();
        let place = Place::at(tree.dir(".orch"));
        fs::set_permissions(place.dir(), Permissions::from_mode(0o755)).unwrap();
        for file in
            [tree.file(".orch/orch.db", "data"), tree.file(".orch/.gitignore", ""), tree.file(".orch/queue.turn", "")]
        {
            fs::set_permissions(file, Permissions::from_mode(0o644)).unwrap();
        }
        place.create().unwrap();
        assert_private(&place);
        assert!(place.exists());
        assert_eq!(mode(&place.store_file()), 0o600);
        assert_eq!(fs::read_to_string(place.store_file()).unwrap(), "data");
    }

    #[test]
    fn roles_pipelines_and_settings_may_be_there_before_the_store() {
        let tree = Tree::new();
        tree.file(".orch/pipelines/nightly.toml", "mine");
        tree.file(".orch/roles/tester.md", "mine");
        tree.file(".orch/orch.toml", "");
        let place = Place::at(tree.path(".orch"));
        place.create().unwrap();
        assert_private(&place);
        assert_eq!(fs::read_to_string(tree.path(".orch/roles/tester.md")).unwrap(), "mine");
    }

    #[test]
    fn what_the_work_of_a_team_left_is_no_reason_to_refuse() {
        let tree = Tree::new();
        for left in ["trees/t/a.txt", "workers/amy/1/end.json", "results/t.md", "supervisor.log"] {
            tree.file(&format!(".orch/{left}"), "x");
        }
        let place = Place::at(tree.path(".orch"));
        place.create().unwrap();
        assert_private(&place);
        assert_eq!(fs::read_to_string(tree.path(".orch/trees/t/a.txt")).unwrap(), "x");
    }

    #[test]
    fn a_persons_own_ignore_file_is_kept() {
        let tree = Tree::new();
        tree.file(".orch/.gitignore", "# mine\n*\n");
        Place::at(tree.path(".orch")).create().unwrap();
        assert_eq!(fs::read_to_string(tree.path(".orch/.gitignore")).unwrap(), "# mine\n*\n");
    }

    fn assert_private(place: &Place) {
        assert_eq!(mode(place.dir()), 0o700);
        assert_eq!(mode(&place.doorbells()), 0o700);
        let [turn, main] = place.lock_files();
        for file in [turn, main, place.dir().join(IGNORE_FILE)] {
            assert_eq!(mode(&file), 0o600, "{}", file.display());
        }
        assert_eq!(fs::read(place.dir().join(IGNORE_FILE)).unwrap(), IGNORE_EVERYTHING);
    }
}
