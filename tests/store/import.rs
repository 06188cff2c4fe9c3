//! What files told of tasks: by the key that a task is known again by, and by the file.

use super::*;
use orch_mcp::plan::Draft;

fn a_draft(title: &str) -> Draft {
    Draft { key: "spec:a".to_owned(), title: title.to_owned(), ..Draft::default() }
}

every_store! {
    fn a_key_is_of_one_task_and_a_task_has_one_key(store) {
        let (one, other) = (TaskId::from_number(1), TaskId::from_number(2));
        store.write(|tx| tx.put_key("spec:a", one)).unwrap();
        for (key, task) in [("spec:a", other), ("spec:b", one), ("spec:a", one)] {
            assert_eq!(store.try_out(|tx| tx.put_key(key, task)).unwrap_err().kind, Kind::Conflict, "{key} {task}");
        }
        assert_eq!(store.read(|tx| tx.task_of_key("spec:a")).unwrap(), Some(one));
        assert_eq!(store.read(|tx| tx.task_of_key("spec:A")).unwrap(), None);
        assert_eq!(store.read(|tx| tx.key_of_task(one)).unwrap().as_deref(), Some("spec:a"));
        assert_eq!(store.read(|tx| tx.key_of_task(other)).unwrap(), None);
        assert_eq!(store.read(|tx| tx.keys()).unwrap(), ["spec:a"]);
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
