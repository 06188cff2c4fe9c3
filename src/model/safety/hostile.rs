//! Texts that nobody writes who means well.

use super::*;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

const TOP: &str = "/repo";

/// Twice what the client waits for the hook: the longest of these takes a second or two, unless the machine is busy.
const LONGEST: Duration = Duration::from_secs(10);

fn judge(line: &str) {
    let safety =
        Safety { data: vec!["data".to_owned()], forbidden: vec!["make reset".to_owned()], ..Safety::default() };
    safety.judge(line, &At { dir: Some(TOP), tops: &[TOP], home: Some("/home/amy"), is_worker: true, ..At::default() });
}

/// Each of these is read in one pass. Whoever read the rest of the line again at each sign would need hours for one of them.
#[test]
fn a_megabyte_of_anything_is_read_in_one_pass() {
    let long = |text: &str| text.repeat(1_000_000 / text.len());
    let many = |text: &str| text.repeat(100_000 / text.len());
    for line in [
        many("("),
        many("$("),
        many("\"$("),
        many("$(("),
        many("`"),
        many("\\`"),
        many("${"),
        many("'"),
        many("\""),
        many("$A "),
        many("sudo "),
        many("$A;"),
        many("eval "),
        many("<<E\n"),
        many("<<E;"),
        many("cat <<E\n$(\nE\n"),
        many("sh -c '"),
        many("a|"),
        many("case x in "),
        many("{a,"),
        many("*"),
        many("x=x$x;"),
        many("cd a; "),
        many("cd a; rm x; "),
        many("a=("),
        many("a=(x) "),
        many("$(ls a "),
        many("$(ls a) "),
        many("while read f; do rm $f; done < <(ls a)\n"),
        long("while read f;do x;done <<E;").repeat(2),
        long("while read f; do rm $f; done <<E\ndata/x\nE\n"),
        long("while read f;do "),
        long("cat <<E;"),
        long("<<E;"),
        format!("{}{}read f;{}", many("while "), many("a=1 "), long("done <<E;")),
        format!("{}{}=1 read f;{}", many("while "), many("a"), long("done <<<a;")),
        format!("python3 -c \"{}\"", many("os.remove(")),
        format!("python3 -c \"{}\"", many("'a' ")),
        format!("python3 -c \"{}\"", many("a=a;os.remove(a);")),
        format!("perl -e '{}'", many("unlink ")),
        format!("node -e '{}'", many("`${")),
        format!("make {}", many("-C a ")),
        many("rm */a; "),
        long("git push "),
        long("rm -rf \"$(x)\"; "),
        many("find -exec "),
        many("rm -rf data/* "),
        format!("x={};{}", "y".repeat(4_000), many("$x ")),
        format!("rm -rf {}", many("*a")),
        format!("psql -c '{}'", many("drop ")),
        many("\u{1F980}\\"),
        many("\0"),
    ] {
        let begin: String = line.chars().take(40).collect();
        let (is_read, waiting) = mpsc::channel();
        thread::spawn(move || {
            judge(&line);
            is_read.send(())
        });
        waiting.recv_timeout(LONGEST).expect(&begin);
    }
}

/// Each part of a line may be anything, and there is an answer all the same: cut off, and with its signs exchanged.
#[test]
fn no_text_brings_it_down() {
    let lines = [
        "echo \"$(cat <<'E'\nä`$\nE\n)\" && git -C 'x' push +a:b",
        "case $x in a|b) rm -rf ${y:-`z`};; esac >> \u{1F980}",
    ];
    let signs =
        ['\'', '"', '`', '$', '(', ')', '{', '}', '<', '>', '\\', '\n', '|', '&', ';', '#', '*', '~', '\0', 'ß'];
    for line in lines {
        let chars: Vec<char> = line.chars().collect();
        for at in 0..=chars.len() {
            judge(&chars[..at].iter().collect::<String>());
            judge(&chars[at..].iter().collect::<String>());
            for sign in signs {
                let changed: String = chars[..at].iter().chain([&sign]).chain(chars.iter().skip(at + 1)).collect();
                judge(&changed);
            }
        }
    }
}
