//! What files told of tasks: by the key that a task is known again by, and by the file.

use super::*;
use orch_mcp::plan::Draft;

fn a_draft(title: &str) -> Draft {
    Draft { key: "spec:a".to_owned(), title: title.to_owned(), ..Draft::default() }
}

every_store! {
    fn a_key_is_of_one_task_and_a_task_has_one_key(store) {
        let (one, other) = (TaskId::from_number(1), TaskId::from_number(2));
        store.write(|tx| tx.put_key("spec:a", one, "/a.md")).unwrap();
        for (key, task) in [("spec:a", other), ("spec:b", one), ("spec:a", one)] {
            assert_eq!(store.try_out(|tx| tx.put_key(key, task, "/b.md")).unwrap_err().kind, Kind::Conflict, "{key} {task}");
        }
        assert_eq!(store.read(|tx| tx.task_of_key("spec:a")).unwrap(), Some(one));
        assert_eq!(store.read(|tx| tx.task_of_key("spec:A")).unwrap(), None);
        assert_eq!(store.read(|tx| tx.key_of_task(one)).unwrap().as_deref(), Some("spec:a"));
        assert_eq!(store.read(|tx| tx.key_of_task(other)).unwrap(), None);
        assert_eq!(store.read(|tx| tx.keys()).unwrap(), ["spec:a"]);
        assert_eq!(store.read(|tx| tx.source_of_key("spec:a")).unwrap().as_deref(), Some("/a.md"));
        store.write(|tx| tx.move_key("spec:a", "/c.md")).unwrap();
        assert_eq!(store.read(|tx| tx.source_of_key("spec:a")).unwrap().as_deref(), Some("/c.md"));
        assert_eq!(store.read(|tx| tx.source_of_key("spec:b")).unwrap(), None);
    }

    /// Were anything left of it there, the next file at that place would change the task unseen.
    fn what_a_file_told_goes_with_it(store) {
        let keys = |told: Vec<(String, Draft)>| told.into_iter().map(|(key, _)| key).collect::<Vec<_>>();
        store.write(|tx| -> Result<()> {
            for (at, key) in ["spec:a", "spec:b", "spec:c"].iter().enumerate() {
                tx.put_key(key, TaskId::from_number(at as i64 + 1), "/a.md")?;
                tx.put_told("/a.md", key, &a_draft("first"))?;
                tx.put_told("", key, &a_draft("exported"))?;
            }
            tx.put_told("/c.md", "spec:b", &a_draft("anew"))?;
            tx.move_key("spec:a", "/c.md")?;
            tx.move_key("spec:b", "/c.md")?;
            tx.move_key("spec:c", "/a.md")?;
            assert_eq!(keys(tx.told_by("/a.md")?), ["spec:c"]);
            assert_eq!(tx.told("/c.md", "spec:a")?, Some((a_draft("first"), true)));
            assert_eq!(tx.told("/c.md", "spec:b")?, Some((a_draft("anew"), true)));
            assert_eq!(tx.told("/a.md", "spec:a")?, Some((a_draft("exported"), false)));
            Ok(())
        })
        .unwrap();
    }

    /// What one file says anew is held against what that file said before, and not against another.
    fn a_file_is_held_against_what_it_told_itself_before_all_others(store) {
        store.write(|tx| -> Result<()> {
            tx.put_told("/b.md", "spec:a", &a_draft("b"))?;
            assert_eq!(tx.told("/a.md", "spec:a")?, Some((a_draft("b"), false)));
            tx.put_told("", "spec:a", &a_draft("exported"))?;
            assert_eq!(tx.told("/a.md", "spec:a")?, Some((a_draft("exported"), false)));
            tx.put_told("/a.md", "spec:a", &a_draft("first"))?;
            tx.put_told("/a.md", "spec:a", &a_draft("a"))?;
            assert_eq!(tx.told("/a.md", "spec:a")?, Some((a_draft("a"), true)));
            assert_eq!(tx.told("/a.md", "spec:b")?, None);
            Ok(())
        })
        .unwrap();
    }

    fn what_was_said_of_a_task_is_said_best_by_an_export_and_then_by_who_called_it_so(store) {
        store.write(|tx| -> Result<()> {
            tx.put_key("spec:a", TaskId::from_number(1), "/b.md")?;
            for source in ["/a.md", "/b.md", ""] {
                tx.put_told(source, "spec:a", &a_draft(source))?;
            }
            let titles = tx.told_of("spec:a")?.into_iter().map(|draft| draft.title).collect::<Vec<_>>();
            assert_eq!(titles, ["", "/b.md", "/a.md"]);
            assert_eq!(tx.told_of("spec:b")?, []);
            Ok(())
        })
        .unwrap();
    }

    fn what_a_file_calls_by_the_name_of_another_is_found_by_that_file(store) {
        store.write(|tx| -> Result<()> {
            for (source, key) in [("/x/a.md", "spec:a"), ("/y/a.md", "spec:a~2"), ("/y/b.md", "spec:ab"), ("/y/c.md", "spec:a~3")] {
                tx.put_told(source, key, &a_draft("t"))?;
            }
            assert_eq!(tx.keys_told_by("/x/a.md", "spec:a")?, ["spec:a"]);
            assert_eq!(tx.keys_told_by("/y/a.md", "spec:a")?, ["spec:a~2"]);
            assert_eq!(tx.keys_told_by("/y", "spec:a")?, [""; 0]);
            tx.put_told("", "spec:a~4", &a_draft("t"))?;
            assert_eq!(tx.keys_told_by("", "spec:a")?, ["spec:a~4"], "what lies nowhere has no files below it");
            tx.put_told("/y/z/a.md", "spec:a~5", &a_draft("t"))?;
            assert_eq!(tx.keys_told_in("/y", "spec:a")?, ["spec:a~2", "spec:a~3"], "nor has a file folders beside it");
            assert_eq!(tx.keys_told_in("/y/z", "spec:a")?, ["spec:a~5"]);
            assert_eq!(tx.keys_told_in("", "spec:a")?, [""; 0]);
            Ok(())
        })
        .unwrap();
    }

    fn a_team_has_a_mark_that_stays(store) {
        let mark = store.read(|tx| tx.team_mark()).unwrap();
        assert!(mark.len() == 8 && mark.chars().all(|c| c.is_ascii_hexdigit()), "{mark}");
        assert_eq!(store.read(|tx| tx.team_mark()).unwrap(), mark);
    }

    fn a_folder_told_what_its_files_did_and_no_other_folder(store) {
        store.write(|tx| -> Result<()> {
            for (at, source) in ["/x", "/x/a.md", "/x/y/b.md", "/x.md", "/xx/c.md"].iter().enumerate() {
                tx.put_told(source, &format!("spec:{at}"), &a_draft(source))?;
            }
            let keys = |told: Vec<(String, Draft)>| told.into_iter().map(|(key, _)| key).collect::<Vec<_>>();
            assert_eq!(keys(tx.told_by("/x")?), ["spec:0", "spec:1", "spec:2"]);
            assert_eq!(keys(tx.told_by("/x/a.md")?), ["spec:1"]);
            Ok(())
        })
        .unwrap();
    }
}
