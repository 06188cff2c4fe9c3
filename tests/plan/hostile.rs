//! Files that mean harm, or were broken on their way: an error with file and line, and no plan.

use crate::plan::faults;
use crate::plan::plan;
use crate::plan::read_as;
use crate::support::dice::Dice;
use orch_mcp::plan::BYTES_MAX;
use orch_mcp::plan::ENTRIES_MAX;
use orch_mcp::plan::File;
use orch_mcp::plan::Kind;
use orch_mcp::plan::Rules;

fn bytes(name: &str, bytes: &[u8], kind: Option<Kind>) -> String {
    match orch_mcp::plan::read(&[File { name, bytes }], kind, &Rules::default()) {
        Ok(plan) => panic!("no fault in {plan:?}"),
        Err(faults) => faults.to_string(),
    }
}

#[test]
fn what_is_no_text_is_refused_with_its_line() {
    assert_eq!(
        bytes("a.md", b"# Task: a\nb\xc3\x28", None),
        "a.md line 2: the byte 0xc3 is no UTF-8 (save it as UTF-8)\n"
    );
    assert_eq!(bytes("a.md", b"# Task: a\0", None), "a.md line 1: the character `\\u{0}` (take it out)\n");
    assert_eq!(bytes("a.json", b"\xff\xfe[\0", None), "a.json line 1: the file is UTF-16 (save it as UTF-8)\n");
    assert_eq!(
        bytes("a.md", b"- [ ] a\n- [ ] b\x1b[2J\n", None),
        "a.md line 2: the character `\\u{1b}` (take it out)\n"
    );
    // Marks and line ends that editors leave behind are none of the author's doing.
    let plan =
        plan(&[("a.jsonl", "\u{feff}{\"key\":\"a\",\"title\":\"A\"}\r\n\r\n{\"key\":\"b\",\"title\":\"B\"}\r\n")]);
    assert_eq!(plan.entries.len(), 2);
    assert_eq!(plan.entries[1].place.spot.line, 3);
}

#[test]
fn json_that_two_readers_would_take_in_two_ways_is_refused() {
    assert_eq!(
        faults(&[("a.jsonl", "{\"key\":\"a\",\"title\":\"A\"}\n{\"key\":\"b\",\"title\":\"B\",\"key\":\"c\"}\n")]),
        "a.jsonl line 2: column 24: `key` for the second time (correct the JSON)\n"
    );
    let deep =
        format!("[{{\"key\":\"a\",\"title\":\"A\",\"metadata\":{}1{}}}]", "[".repeat(100_000), "]".repeat(100_000));
    assert!(faults(&[("a.json", &deep)]).contains("more than 200 levels"));
    assert!(faults(&[("a.json", "[{\"key\": \"a\",\n \"title\": \"A\",}]")]).starts_with("a.json line 2: column 15: "));
    assert!(
        faults(&[("a.json", "[{\"key\":\"a\",\"title\":\"A\",\"metadata\":{\"n\":1e999}}]")])
            .contains("line 1: `metadata` holds")
    );
    // What an escape smuggles in is found, too.
    let escaped = "[{\"key\":\"a\",\"title\":\"A\\u0000\",\"description\":\"\\u001b[2J\"}]";
    let told = faults(&[("a.json", escaped)]);
    assert!(told.contains("the character `\\0` in `title`") && told.contains("`\\u{1b}` in `description`"), "{told}");
    // Nobody can mend what others track, so there it is made harmless.
    let beads =
        "{\"id\":\"b-1\",\"title\":\"A\",\"description\":\"\\u001b[2J\",\"status\":\"open\",\"issue_type\":\"task\"}\n";
    assert_eq!(plan(&[("issues.jsonl", beads)]).entries[0].draft.description, "\u{fffd}[2J");
}

#[test]
fn bounds_are_named() {
    let long = |bytes: usize| format!("# Task: a\n\n## Description\n\n{}\n", "x".repeat(bytes));
    assert!(faults(&[("a.md", &long(2_000_000))]).contains("a.md line 5: a line of 2000000 bytes"));
    assert!(faults(&[("a.md", &long(70_000))]).contains("a.md line 3: `Description` has 70000 bytes"));
    let entries: String = (0..=ENTRIES_MAX).map(|n| format!("{{\"key\":\"{n}\",\"title\":\"T{n}\"}}\n")).collect();
    assert!(faults(&[("a.jsonl", &entries)]).contains(&format!("more than {ENTRIES_MAX} tasks")));
    let items = "- [ ] a\n".repeat(2 * ENTRIES_MAX);
    assert!(faults(&[("a.md", &items)]).contains(&format!("more than {ENTRIES_MAX} tasks")));
    assert!(faults(&[("a.md", &"\n".repeat(1_100_000))]).contains("more than 1000000 lines"));
    let big = "x".repeat(BYTES_MAX + 1);
    assert!(faults(&[("a.md", &big)]).contains("bytes of plan"));
    // Of what others track the beginning is taken, and that is told.
    let text = "é".repeat(40_000);
    let beads = format!(
        "{{\"id\":\"b-1\",\"title\":\"{text}\",\"description\":\"{text}\",\"notes\":\"{text}\",\"status\":\"open\",\"issue_type\":\"task\"}}\n"
    );
    let cut = plan(&[("issues.jsonl", &beads)]);
    assert!(cut.remarks[0].what.contains("is cut") && cut.entries[0].draft.whole_description().len() > 60_000);
    let deep: String = (0..20).map(|n| format!("{}- [ ] item {n}\n", "  ".repeat(n))).collect();
    assert!(faults(&[("a.md", &deep)]).contains("more than 12 levels deep"));
    assert!(
        faults(&[("a.md", "# Task: a\n\n## Description\n\n```\nx\n")]).contains("line 5: a code fence that has no end")
    );
}

#[test]
fn very_many_faults_are_counted() {
    let text: String =
        (0..5000).map(|n| format!("{{\"key\":\"k{n}\",\"title\":\"T{n}\",\"depends_on\":[\"x{n}\"]}}\n")).collect();
    let told = read_as(&[("a.jsonl", &text)], None).unwrap_err();
    assert_eq!((told.count(), told.told().len()), (5000, 100));
    assert!(told.to_string().ends_with("and 4900 more\n"));
}

/// Whatever becomes of the bytes of a file, its reader gives a plan or faults, and each fault has a line of it.
#[test]
fn no_damage_to_any_file_ends_in_a_panic() {
    let files: &[(&str, Kind, &str)] = &[
        (
            "a.md",
            Kind::Specification,
            "# Task: A\n\n- **Id**: x\n- **Depends On**: y, z\n\n## Description\n\n```\na\n```\n\n## Acceptance Criteria\n\n- [ ] b\n",
        ),
        (
            "backlog.md",
            Kind::Board,
            "# Backlog\n\n### [task-1] A\n\n- **Repo**: x\n- **Completed**: 2026-01-01\n\ntext\n",
        ),
        ("a.md", Kind::Checklist, "# T\n\n- [ ] A <!-- a after=b,c labels=x%2C role=r -->\n  é\n  - [x] B\n"),
        (
            "a.json",
            Kind::Json,
            "{\"tasks\": [{\"key\": \"a\", \"title\": \"\\u00e9\", \"metadata\": {\"a\": 1.5e3}, \"not_before\": \"2026-01-01T00:00:00Z\"}]}",
        ),
        (
            "a.jsonl",
            Kind::Jsonl,
            "{\"key\":\"a\",\"title\":\"A\",\"depends_on\":[\"b\"]}\n{\"key\":\"b\",\"title\":\"B\"}\n",
        ),
        (
            "i.jsonl",
            Kind::Beads,
            "{\"id\":\"b-1\",\"title\":\"A\",\"status\":\"closed\",\"issue_type\":\"task\",\"dependencies\":[{\"depends_on_id\":\"b-2\",\"type\":\"blocks\"}]}\n",
        ),
        (
            "t/1.json",
            Kind::ClaudeTasks,
            "{\"id\":\"1\",\"subject\":\"A\",\"status\":\"pending\",\"blocks\":[\"2\"],\"blockedBy\":[]}",
        ),
        (
            "i.json",
            Kind::Issues,
            "[{\"number\":1,\"title\":\"A\",\"body\":\"depends on #2, o/r#3\\n- [ ] #4\",\"url\":\"https://github.com/o/r/issues/1\",\"labels\":[{\"name\":\"p1\"}]}]",
        ),
    ];
    let bits: &[&[u8]] = &[
        b"\n",
        b"\"",
        b"\\",
        b"{",
        b"]",
        b"#",
        b"`",
        b"- [ ] ",
        b"**",
        b"\xff",
        b"\0",
        b"\xc3\xa9",
        b"<!--",
        b"%F",
        b"#9999999999999999999999",
        b":",
    ];
    for (name, kind, text) in files {
        let mut dice = Dice::new(7);
        for _ in 0..1500 {
            let mut bytes = text.as_bytes().to_vec();
            for _ in 0..1 + dice.below(3) {
                let at = dice.below(bytes.len() + 1);
                match dice.below(4) {
                    0 => bytes.truncate(at),
                    1 if at < bytes.len() => drop(bytes.remove(at)),
                    2 => drop(bytes.splice(at..at, bytes.clone())),
                    _ => drop(bytes.splice(at..at, dice.pick(bits).iter().copied())),
                }
            }
            let lines = bytes.iter().filter(|byte| **byte == b'\n').count() + 1;
            for kind in [Some(*kind), None] {
                if let Err(faults) = orch_mcp::plan::read(&[File { name, bytes: &bytes }], kind, &Rules::default()) {
                    assert!(faults.count() > 0);
                    for fault in faults.told() {
                        assert!((1..=lines).contains(&fault.spot.line), "{fault}: {}", String::from_utf8_lossy(&bytes));
                        assert!(!fault.to_string().contains(char::is_control), "{fault:?}");
                    }
                }
            }
        }
    }
}
