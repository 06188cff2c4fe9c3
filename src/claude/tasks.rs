//! Where the client keeps its own task lists: a folder for each session, with a file for each task. Nothing documents them, so
//! they are only looked for and read.

use std::fs;
use std::path::Path;
use std::path::PathBuf;

/// Of one project: more sessions nobody has lists of.
const SESSIONS_MAX: usize = 1_000;

/// What was found, and where it was looked for.
#[derive(Debug, Default, PartialEq)]
pub struct Lists {
    /// Folders with tasks in them, by their names.
    pub found: Vec<PathBuf>,
    pub looked: Vec<PathBuf>,
}

impl Lists {
    /// Of this session, or, where there is none or it has no list, of all sessions that were ever in this project.
    pub fn of(config_dir: &Path, project: &Path, session: Option<&str>) -> Lists {
        let all = config_dir.join("tasks");
        let mut lists = Lists::default();
        if let Some(session) = session.filter(|session| is_name(session)) {
            lists.look(all.join(session));
            if !lists.found.is_empty() {
                return lists;
            }
        }
        let sessions = config_dir.join("projects").join(name_of(project));
        let mut names: Vec<String> = fs::read_dir(&sessions)
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.strip_suffix(".jsonl").map(str::to_owned))
            .filter(|name| is_name(name))
            .take(SESSIONS_MAX)
            .collect();
        names.sort();
        lists.looked.push(sessions);
        for name in names {
            let list = all.join(name);
            if has_tasks(&list) && !lists.found.contains(&list) {
                lists.found.push(list);
            }
        }
        lists
    }

    fn look(&mut self, list: PathBuf) {
        if has_tasks(&list) {
            self.found.push(list.clone());
        }
        self.looked.push(list);
    }
}

/// As the client calls the folder of a project: each sign of its path that is no letter and no digit is a dash.
fn name_of(project: &Path) -> String {
    project.to_string_lossy().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect()
}

/// What leads nowhere else.
fn is_name(session: &str) -> bool {
    !session.is_empty() && session.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
}

fn has_tasks(list: &Path) -> bool {
    let is_task = |path: PathBuf| path.extension().is_some_and(|extension| extension == "json");
    fs::read_dir(list).into_iter().flatten().flatten().any(|entry| is_task(entry.path()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_the_session_goes_before_those_of_the_project() {
        let dir = tempfile::tempdir().unwrap();
        let file = |path: &str| {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "{}").unwrap();
        };
        for path in [
            "projects/-home-amy-my-app/s-1.jsonl",
            "projects/-home-amy-my-app/s-2.jsonl",
            "projects/-home-amy-my-app/s-3.jsonl",
            "tasks/s-1/1.json",
            "tasks/s-2/1.json",
            "tasks/s-3/.lock",
            "tasks/s-9/1.json",
        ] {
            file(path);
        }
        let project = Path::new("/home/amy/my.app");
        let found = |session| {
            let found = Lists::of(dir.path(), project, session).found;
            found.iter().map(|list| list.file_name().unwrap().to_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(found(Some("s-9")), ["s-9"]);
        assert_eq!(found(Some("s-3")), ["s-1", "s-2"], "it has no task yet");
        assert_eq!(found(None), ["s-1", "s-2"]);
        assert_eq!(found(Some("../s-9")), ["s-1", "s-2"]);
        let nothing = Lists::of(dir.path(), Path::new("/else"), Some("s-3"));
        assert_eq!(nothing.found, Vec::<PathBuf>::new());
        assert_eq!(nothing.looked, [dir.path().join("tasks/s-3"), dir.path().join("projects/-else")]);
    }
}
