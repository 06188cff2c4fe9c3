//! The files of older prompts, equal to the tools: the task stands in `tasks/current_task.md`, and what stands in
//! `outputs/<task>_result.md` or `outputs/<task>_question.md` when a session ends is its result, or what it asks the human.
//!
//! They stand in a worktree of ours, each kept out of git by a file beside it that ignores just these names and itself:
//! nothing of the repository, nor of anybody's settings, is changed. Where there is no such worktree, or the repository has
//! files of these names, they stand in the directory of the run.

use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::keep::run::RunDir;
use crate::launch::team::text;
use crate::model::question;
use crate::model::task;
use crate::repo::git::Git;
use crate::repo::worktree::Tree;
use serde_json::Value;
use std::fs;
use std::fs::DirBuilder;
use std::fs::File;
use std::fs::OpenOptions;
use std::io;
use std::io::Read;
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::path::PathBuf;

const TASKS: &str = "tasks";
const OUTPUTS: &str = "outputs";
const CURRENT: &str = "current_task.md";
/// What stands in the file that says where they are, if it is the worktree.
const IN_WORKTREE: &str = "worktree";

/// Below the state directory.
const RESULTS: &str = "results";
const IGNORES: &str = ".gitignore";

/// The first line of a file of ours that ignores: by it we know it again.
const OURS: &str = "# orch-mcp: files by which a session and its task talk";

/// What a task asked the human, and was told.
pub type Answers = Vec<(String, String)>;

/// The files of one task of one session.
#[derive(Clone, Debug)]
pub struct Papers {
    dir: PathBuf,
    task: String,
    /// Where a result is kept that is too long for its task.
    results: PathBuf,
}

/// What a session left in them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Left {
    pub result: Option<String>,
    pub question: Option<String>,
}

impl Papers {
    /// Lays them out for a session that begins. What an earlier one left goes, unless this one goes on with it.
    pub fn lay_out(
        tree: Option<&Tree>,
        run: &RunDir,
        told: &Value,
        answers: &Answers,
        goes_on: bool,
    ) -> Result<Papers> {
        let task = text(&told["task"], "id").to_owned();
        let (place, dir, draft) = match tree.filter(|tree| is_free(&tree.path)) {
            Some(tree) => (IN_WORKTREE, tree.path.clone(), tree.draft()),
            None => ("", run.dir().to_owned(), run.dir().join("draft")),
        };
        let papers = Papers { dir, task, results: results(run) };
        let written =
            papers.write(&told["task"], answers, goes_on, &draft).and_then(|()| run.write(&placed(run), place));
        written.map_err(|cause| {
            Error::new(
                Kind::Unavailable,
                format!("cannot write files of a task in `{}`: {cause}", papers.dir.display()),
            )
        })?;
        Ok(papers)
    }

    /// Those of a run that has ended.
    pub fn of_run(run: &RunDir, task: &str) -> Option<Papers> {
        // Whoever sweeps a worktree sweeps all that is ours away, so nothing in it says that it is the place.
        let dir = match read(&placed(run), IN_WORKTREE.len())?.as_str() {
            IN_WORKTREE => run.start().ok()?.cwd,
            _ => run.dir().to_owned(),
        };
        Some(Papers { dir, task: task.to_owned(), results: results(run) })
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    pub fn left(&self) -> Left {
        let said = |text: &String| !text.trim().is_empty();
        Left {
            result: self.whole_result().filter(said),
            question: read(&self.question(), question::TEXT_BYTES_MAX).filter(said),
        }
    }

    /// One that is too long for its task begins with where all of it is kept: its worktree may go.
    fn whole_result(&self) -> Option<String> {
        let path = self.result();
        let mut file = open(&path)?;
        let bytes = file.metadata().ok()?.len();
        if bytes <= task::TEXT_BYTES_MAX as u64 {
            return read(&path, task::TEXT_BYTES_MAX);
        }
        let kept = self.results.join(format!("{}.md", self.task));
        let copied = DirBuilder::new().recursive(true).mode(0o700).create(&self.results).and_then(|()| gone(&kept));
        let copied = copied.and_then(|()| {
            let mut copy = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&kept)?;
            io::copy(&mut file, &mut copy)
        });
        let head = match copied {
            Ok(bytes) => format!("All of it ({bytes} bytes): {}\n\n", kept.display()),
            Err(cause) => {
                format!("All of it ({bytes} bytes), which could not be kept ({cause}): {}\n\n", path.display())
            }
        };
        let begins = read(&path, task::TEXT_BYTES_MAX.saturating_sub(head.len()))?;
        Some(head + &begins)
    }

    /// The question has been asked: another file is another question.
    pub fn question_is_asked(&self) {
        let _ = fs::remove_file(self.question());
    }

    fn result(&self) -> PathBuf {
        self.dir.join(OUTPUTS).join(format!("{}_result.md", self.task))
    }

    fn question(&self) -> PathBuf {
        self.dir.join(OUTPUTS).join(format!("{}_question.md", self.task))
    }

    fn write(&self, task: &Value, answers: &Answers, goes_on: bool, draft: &Path) -> io::Result<()> {
        let (tasks, outputs) = (self.dir.join(TASKS), self.dir.join(OUTPUTS));
        for (dir, names) in [(&tasks, CURRENT), (&outputs, "task-*_result.md\n/task-*_question.md")] {
            fs::create_dir_all(dir)?;
            anew(&dir.join(IGNORES), &format!("{OURS}\n/{IGNORES}\n/{names}\n"), draft)?;
        }
        if !goes_on {
            for left in [self.result(), self.question()] {
                gone(&left)?;
            }
        }
        anew(&tasks.join(CURRENT), &self.current(task, answers), draft)
    }

    fn current(&self, task: &Value, answers: &Answers) -> String {
        let id = &self.task;
        let mut page = format!("# Task: {}\n\n**Id**: {id}\n", text(task, "title").replace('\n', " "));
        let list = |field: &str| -> Vec<&str> {
            task[field].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
        };
        for (name, value) in
            [("Priority", text(task, "priority").to_owned()), ("Depends On", list("depends_on").join(", "))]
        {
            if !value.is_empty() {
                page.push_str(&format!("**{name}**: {value}\n"));
            }
        }
        let bullets =
            |items: Vec<&str>, mark: &str| items.iter().map(|item| format!("{mark} {item}\n")).collect::<String>();
        let told = |(question, answer): &(String, String)| format!("Asked: {question}\n\nAnswered: {answer}\n\n");
        for (heading, body) in [
            ("Description", text(task, "description").to_owned()),
            ("Acceptance Criteria", bullets(list("acceptance"), "- [ ]")),
            ("Read First", bullets(list("context_files"), "-")),
            ("Expected Outputs", bullets(list("expected_outputs"), "-")),
            ("What the Human Answered", answers.iter().map(told).collect()),
        ] {
            if !body.trim().is_empty() {
                page.push_str(&format!("\n## {heading}\n\n{}\n", body.trim_end()));
            }
        }
        page.push_str(&format!(
            "\n## How It Ends\n\nDone: `complete_task`, or write what came of it to `{OUTPUTS}/{id}_result.md`, and end.\n\
             Stuck: `ask_human`, or write the question to `{OUTPUTS}/{id}_question.md`, and end; you are started again with the answer.\n"
        ));
        page
    }
}

/// The file that says where those of a run were laid out.
fn placed(run: &RunDir) -> PathBuf {
    run.dir().join("papers")
}

/// Below the state directory, in which runs lie by their worker.
fn results(run: &RunDir) -> PathBuf {
    run.dir().ancestors().nth(3).unwrap_or(run.dir()).join(RESULTS)
}

/// May files of ours stand there? Not where the repository has some of these names, nor behind a link.
fn is_free(tree: &Path) -> bool {
    let listed = Git::top(tree).names(&[
        "ls-files",
        "-z",
        "--",
        &format!("{TASKS}/{CURRENT}"),
        &format!("{TASKS}/{IGNORES}"),
        &format!("{OUTPUTS}/{IGNORES}"),
    ]);
    let is_plain = |name: &str| match tree.join(name).symlink_metadata() {
        Ok(found) => {
            found.is_dir() && (is_ours(&tree.join(name)) || tree.join(name).join(IGNORES).symlink_metadata().is_err())
        }
        Err(cause) => cause.kind() == io::ErrorKind::NotFound,
    };
    let has_no_other = is_ours(&tree.join(TASKS)) || tree.join(TASKS).join(CURRENT).symlink_metadata().is_err();
    listed.is_ok_and(|names| names.is_empty()) && is_plain(TASKS) && is_plain(OUTPUTS) && has_no_other
}

/// Is that a directory in which we have laid something out?
fn is_ours(dir: &Path) -> bool {
    let is_dir = dir.symlink_metadata().is_ok_and(|found| found.is_dir());
    is_dir && read(&dir.join(IGNORES), OURS.len()).is_some_and(|text| text == OURS)
}

/// In the place of what stood there, and of a link not where it leads. Whole or not at all: a file that ignores would, while it is
/// empty, be one that git does not know.
fn anew(path: &Path, text: &str, draft: &Path) -> io::Result<()> {
    gone(draft)?;
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(draft)?.write_all(text.as_bytes())?;
    fs::rename(draft, path)
}

fn gone(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => Err(cause),
        _ => Ok(()),
    }
}

fn open(path: &Path) -> Option<File> {
    let mut options = OpenOptions::new();
    let file = options.read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(path).ok()?;
    file.metadata().ok().filter(|found| found.is_file())?;
    Some(file)
}

/// Of a file, and of nothing that a session put in its place. What is longer is cut.
fn read(path: &Path, bytes_max: usize) -> Option<String> {
    let mut bytes = Vec::new();
    open(path)?.take(bytes_max as u64).read_to_end(&mut bytes).ok()?;
    let mut text = String::from_utf8_lossy(&bytes).into_owned();
    // A letter that was cut, or is none, has become a longer mark.
    let end = (0..=bytes_max.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    text.truncate(end);
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::os::unix::fs::symlink;

    fn laid_out(goes_on: bool, run: &RunDir, answers: &Answers) -> Papers {
        let told = json!({ "task": {
            "id": "task-0000000007", "title": "Fix\nit", "description": "`x`", "priority": "high", "acceptance": ["a"],
        } });
        Papers::lay_out(None, run, &told, answers, goes_on).unwrap()
    }

    #[test]
    fn a_session_finds_its_task_and_what_it_writes_is_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let run = RunDir::of(dir.path(), "amy", "1");
        run.make().unwrap();
        let papers = laid_out(false, &run, &vec![("Which?".to_owned(), "The second".to_owned())]);
        assert_eq!(papers.dir(), run.dir());
        let page = fs::read_to_string(run.dir().join("tasks/current_task.md")).unwrap();
        for part in [
            "# Task: Fix it\n",
            "**Id**: task-0000000007\n",
            "**Priority**: high\n",
            "- [ ] a\n",
            "Answered: The second",
        ] {
            assert!(page.contains(part), "{part}: {page}");
        }
        assert_eq!(papers.left(), Left::default());
        fs::write(papers.result(), "done\n").unwrap();
        fs::write(papers.question(), "é".repeat(question::TEXT_BYTES_MAX)).unwrap();
        let left = papers.left();
        assert_eq!(left.result.as_deref(), Some("done\n"));
        assert_eq!(left.question.unwrap().len(), question::TEXT_BYTES_MAX);
        papers.question_is_asked();
        let again = laid_out(true, &run, &Vec::new());
        assert_eq!(again.left(), Left { result: Some("done\n".to_owned()), question: None });
        assert_eq!(laid_out(false, &run, &Vec::new()).left(), Left::default());
    }

    #[test]
    fn what_is_no_file_is_not_read() {
        let dir = tempfile::tempdir().unwrap();
        let run = RunDir::of(dir.path(), "amy", "1");
        run.make().unwrap();
        let papers = laid_out(false, &run, &Vec::new());
        fs::write(dir.path().join("secret"), "s").unwrap();
        symlink(dir.path().join("secret"), papers.result()).unwrap();
        fs::create_dir(papers.question()).unwrap();
        assert_eq!(papers.left(), Left::default());
    }
}
