//! A damaged file: said to be one, and left as it is for whoever can mend it.

use super::*;
use std::os::unix::fs::FileExt;

/// What may befall a file, told by what it does to the bytes.
type Harm = fn(&mut Vec<u8>);

const HEADER_HARMS: [(&str, Harm); 5] = [
    ("text", |bytes| *bytes = b"this is not a database, but somebody's notes\n".repeat(100)),
    ("noise", |bytes| *bytes = (0..20_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect()),
    ("another first word", |bytes| bytes[0] = b'X'),
    ("zeros at its beginning", |bytes| bytes[..100].fill(0)),
    ("a few bytes", |bytes| bytes.truncate(10)),
];

/// A store with something in it, all of it in the file.
fn a_store() -> Dir {
    let dir = Dir::new();
    let mut store = dir.open().unwrap();
    (0..200).for_each(|number| push(&mut store, &format!("{number} {}", "x".repeat(200))));
    drop(store);
    dir.checkpointed();
    dir
}

fn harm(dir: &Dir, harm: Harm) {
    let mut bytes = fs::read(dir.file("")).unwrap();
    harm(&mut bytes);
    fs::write(dir.file(""), bytes).unwrap();
}

#[test]
fn a_file_with_a_damaged_head_is_refused_and_left_byte_for_byte() {
    for (what, kind) in HEADER_HARMS {
        let dir = a_store();
        harm(&dir, kind);
        let before = dir.bytes();
        for _ in 0..2 {
            let error = dir.refused();
            assert!(error.message.contains("damaged"), "{what}: {error:?}");
        }
        assert_eq!(dir.bytes()[0], before[0], "{what}");
    }
}

/// What was acknowledged last stands in the log; whoever mends the file will want it.
#[test]
fn the_log_of_a_damaged_file_is_left_too() {
    for (what, kind) in HEADER_HARMS {
        let dir = a_store();
        let mut store = dir.open().unwrap();
        (0..50).for_each(|number| push(&mut store, &number.to_string()));
        drop(store);
        // Whatever the log holds of the first page would heal it.
        harm(&dir, kind);
        let before = dir.bytes();
        assert!(before[1].as_ref().is_some_and(|log| log.length > 0), "there is no log");
        match dir.open().map(|mut store| titles(&mut store)) {
            Ok(Ok(titles)) => assert!(titles.len() >= 50, "{what}: tasks are missing"),
            Ok(Err(error)) | Err(error) => {
                assert_eq!(error.kind, Kind::Unavailable, "{what}: {error:?}");
                assert_eq!(dir.bytes(), before, "{what}");
            }
        }
    }
}

#[test]
fn damage_in_the_middle_is_told_and_never_taken_for_emptiness() {
    let dir = a_store();
    let file = fs::OpenOptions::new().write(true).open(dir.file("")).unwrap();
    let length = file.metadata().unwrap().len();
    file.write_all_at(&vec![0xaa; (length - 4096) as usize], 4096).unwrap();
    drop(file);
    let before = dir.bytes();
    let error = dir.open().and_then(|mut store| titles(&mut store)).unwrap_err();
    assert_eq!(error.kind, Kind::Unavailable, "{error:?}");
    assert!(error.message.contains("damaged"), "{error:?}");
    assert_eq!(dir.bytes()[0], before[0]);
}

/// A file cut short loses tasks, but never silently.
#[test]
fn a_file_that_was_cut_short_is_told() {
    let dir = a_store();
    let length = fs::metadata(dir.file("")).unwrap().len();
    fs::OpenOptions::new().write(true).open(dir.file("")).unwrap().set_len(length / 2).unwrap();
    let error = dir.open().and_then(|mut store| titles(&mut store)).unwrap_err();
    assert_eq!(error.kind, Kind::Unavailable, "{error:?}");
}

#[test]
fn the_program_says_in_one_line_what_is_wrong() {
    let dir = a_store();
    harm(&dir, HEADER_HARMS[0].1);
    let before = dir.bytes();
    for arguments in [&["list-tasks"][..], &["push-task", "t"], &["server-status"]] {
        let done = dir.program(arguments).output().unwrap();
        assert_eq!(done.status.code(), Some(6), "{done:?}");
        assert!(String::from_utf8_lossy(&done.stderr).contains("damaged"), "{done:?}");
    }
    assert_eq!(dir.bytes()[0], before[0]);
}
