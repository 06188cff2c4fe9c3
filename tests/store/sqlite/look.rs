//! A store that is only looked at: told what it is, and left as it is.

use super::*;
use orch_mcp::store::Soundness;
use orch_mcp::store::sqlite::Looked;
use std::time::Duration;

const LONG: Duration = Duration::from_secs(60);

fn look(dir: &Dir) -> Result<Looked> {
    SqliteStore::look(&dir.place(), Host::manual(1), &Options::default())
}

#[track_caller]
fn looked(dir: &Dir) -> Box<SqliteStore> {
    match look(dir).unwrap() {
        Looked::Store(store) => store,
        Looked::Behind { schema } => panic!("it has schema {schema}"),
    }
}

#[test]
fn to_look_reads_what_is_there_and_cannot_write() {
    let dir = Dir::new();
    push(&mut dir.open().unwrap(), "x");
    fs::remove_file(dir.place().dir().join(".gitignore")).unwrap();
    let before = dir.bytes();
    let mut store = looked(&dir);
    assert_eq!(titles(&mut store).unwrap(), ["x"]);
    assert_eq!(store.soundness(LONG).unwrap(), Soundness::Sound);
    let written = store.begin(Mode::Durable).and_then(|mut tx| tx.insert_task(&mut crate::store::a_task("y")));
    assert_eq!(written.unwrap_err().kind, Kind::Unavailable);
    drop(store);
    assert_eq!(dir.bytes(), before);
    assert!(!dir.place().dir().join(".gitignore").exists(), "nothing beside it is made either");
}

#[test]
fn a_look_is_over_in_time() {
    let dir = Dir::new();
    let mut store = dir.open().unwrap();
    let mut tx = store.begin(Mode::Relaxed).unwrap();
    (0..2_000).for_each(|number| tx.insert_task(&mut crate::store::a_task(&number.to_string())).unwrap());
    tx.commit().unwrap();
    assert_eq!(store.soundness(Duration::ZERO).unwrap(), Soundness::NotTold);
    assert_eq!(store.soundness(LONG).unwrap(), Soundness::Sound, "and stands in nobody's way after it");
}

#[test]
fn damage_is_told_in_the_words_of_the_database() {
    let dir = Dir::new();
    let mut store = dir.open().unwrap();
    (0..50).for_each(|number| push(&mut store, &format!("{number} {}", "x".repeat(200))));
    drop(store);
    dir.checkpointed();
    let mut bytes = fs::read(dir.file("")).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 4_096].fill(0xaa);
    fs::write(dir.file(""), bytes).unwrap();
    let Soundness::Damaged(faults) = looked(&dir).soundness(LONG).unwrap() else { panic!("it is damaged") };
    assert!(!faults.is_empty() && faults.len() <= 3, "{faults:?}");
}

#[test]
fn a_store_without_its_shape_is_left_to_whoever_writes() {
    let dir = Dir::new();
    dir.place().create().unwrap();
    fs::write(dir.place().store_file(), "").unwrap();
    assert!(matches!(look(&dir).unwrap(), Looked::Behind { schema: 0 }));
    assert_eq!(fs::metadata(dir.place().store_file()).unwrap().len(), 0);
}

#[test]
fn a_log_is_written_back_when_nobody_reads_it() {
    let dir = Dir::new();
    let (mut reader, mut writer) = (dir.open().unwrap(), dir.open().unwrap());
    push(&mut writer, "x");
    let reading = reader.begin(Mode::Read).unwrap();
    push(&mut writer, "y");
    assert_eq!(writer.write_back().unwrap_err().kind, Kind::Busy);
    drop(reading);
    writer.write_back().unwrap();
    assert_eq!(dir.place().log_bytes().unwrap(), 0);
    assert_eq!(titles(&mut writer).unwrap().len(), 2);
}
