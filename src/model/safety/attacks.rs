//! What was silent when somebody tried to get through, and what was refused though nobody meant any harm.

use super::*;

const TOP: &str = "/repo";

fn safety() -> Safety {
    Safety { data: vec!["data".to_owned()], forbidden: vec!["make reset".to_owned()], ..Safety::default() }
}

fn told_by(safety: &Safety, line: &str) -> String {
    // Below the data directory there is `raw`, and in that some `node_modules`.
    let is_there = |path: &str| ["/repo/data", "/repo/data/raw", "/repo/data/raw/node_modules"].contains(&path);
    let at = At {
        dir: Some(TOP),
        tops: &[TOP],
        home: Some("/home/amy"),
        state: Some("/repo/.orch"),
        is_worker: true,
        is_there: Some(is_there),
    };
    match safety.judge(line, &at) {
        None => String::new(),
        Some(Breach { rule, is_denied: true, .. }) => rule.word().to_owned(),
        Some(Breach { rule, .. }) => format!("{}?", rule.word()),
    }
}

fn check_by(safety: &Safety, wanted: &str, lines: &[&str]) {
    let wrong: Vec<String> = lines
        .iter()
        .filter_map(|line| Some((line, told_by(safety, line))).filter(|(_, told)| told != wanted))
        .map(|(line, told)| format!("{line:?}: {told:?}"))
        .collect();
    assert!(wrong.is_empty(), "wanted {wanted:?}:\n{}", wrong.join("\n"));
}

fn check(wanted: &str, lines: &[&str]) {
    check_by(&safety(), wanted, lines);
}

fn with_push() -> Safety {
    Safety { push: Some(Answer::Allow), ..safety() }
}

#[test]
fn what_a_search_names_is_followed_as_a_listing_is() {
    check(
        "data",
        &[
            "grep -rl x data | xargs sed -i s/a/b/",
            "grep -lr -e x data | xargs sed -i s/a/b/",
            "grep -l x data/*.csv | xargs rm",
            "rg -l x data | xargs rm",
            "rg --files data | xargs rm",
            "git grep -l x -- data | xargs sed -i s/a/b/",
            "sed -i s/a/b/ $(grep -rl x data)",
            "sed -i s/a/b/ $(grep -rl x src data | sort -u)",
            "grep -rl x data | sort | while read -r f; do sed -i s/a/b/ \"$f\"; done",
            "ls data | sed s,^,data/, | xargs rm",
            "rm `ls -d data/*`",
            "rm $(ls -1 data)",
            "rm $(ls src data)",
            "rm -f \"$(find data -name '*.csv' | head -1)\"",
            "F=`ls -d data/*`; rm $F",
            "for f in $(git ls-files data); do rm \"$f\"; done",
            "while read f; do rm $f; done < <(ls data)",
            "while read -r f; do if true; then rm \"$f\"; fi; done < <(find data -type f | sort)",
            "while read f; do rm $f; done <<< \"$(ls -d data/*)\"",
            "while read f; do rm $f; done <<E\ndata/d.csv\nE",
            "mapfile -t all < <(ls -d data/*); rm \"${all[@]}\"",
            "xargs rm < <(ls -d data/*)",
        ],
    );
    check(
        "",
        &[
            "grep -rl x src | xargs sed -i s/a/b/",
            "grep -rl x . | xargs sed -i s/a/b/",
            "rg -l data src | xargs sed -i s/a/b/",
            "sed -i s/a/b/ $(grep -rl data src)",
            "grep -rn x data | wc -l",
            "grep -rl x data | xargs wc -l",
            "cat $(ls data) > all",
            "while read f; do wc -l $f; done < <(ls data)",
            "while read f; do rm $f; done < <(ls src)",
            "while read f; do rm $f; done < list",
            "for i in 1 2; do cat x; done < <(ls data); echo y > z",
        ],
    );
}

#[test]
fn what_stands_in_a_list_is_known() {
    check_by(
        &with_push(),
        "force-push",
        &[
            "args=(--force origin main); git push \"${args[@]}\"",
            "args=(--force origin main)\ngit push ${args[*]}",
            "args=(); args+=(--force); args+=(origin main); git push \"${args[@]}\"",
            "local args=(--force origin main); git push \"${args[@]}\"",
            "set -- --force origin main; git push \"$@\"",
            "set -- --force origin main && git push $*",
            "set -- main; git push -f origin \"$1\"",
            "cmd=(git push -f origin main); \"${cmd[@]}\"",
            "args=(-f origin \"$B\"); git push \"${args[@]}\"",
            "bash -c 'git push \"$@\"' _ --force origin main",
        ],
    );
    check_by(
        &with_push(),
        "",
        &[
            "args=(origin main); git push \"${args[@]}\"",
            "args=(git push --force origin main); echo \"${args[@]}\"",
            "set -- a b; echo \"$@\"",
            "set -euo pipefail; git push",
            "files=(a b c); rm \"${files[@]}\"",
        ],
    );
    check(
        "data",
        &["files=(data/a data/b); rm \"${files[@]}\"", "files=(data/*); for f in \"${files[@]}\"; do rm $f; done"],
    );
}

#[test]
fn what_stands_too_deep_is_not_taken_for_nothing() {
    let free = Safety { destructive: Answer::Allow, ..with_push() };
    for line in [
        format!("{}git push -f origin main", "sudo ".repeat(33)),
        format!("{}git push -f origin main", "eval ".repeat(40)),
        format!("{}bash -c '{}git push -f origin main'", "nice ".repeat(20), "eval ".repeat(20)),
        format!("{}git push -f origin main{}", "$(".repeat(40), ")".repeat(40)),
    ] {
        assert!(!told_by(&safety(), &line).is_empty(), "{line}");
        assert!(!told_by(&free, &line).is_empty(), "{line}");
    }
    check("", &["sudo nice -n 5 ionice -c 3 nohup timeout 5 env A=1 stdbuf -o0 ls"]);
}

#[test]
fn a_pattern_leads_into_data_only_where_something_is_there() {
    check("", &["sed -i s/a/b/ */Cargo.toml", "rm */Cargo.lock", "rm -rf */node_modules", "rm -rf ./*/target"]);
    check(
        "data",
        &[
            "rm -rf *",
            "rm -rf d*",
            "rm -rf */raw",
            "rm -rf */raw/node_modules",
            "rm -rf */*",
            "rm -rf */*.csv",
            "sed -i s/a/b/ */raw/*.csv",
            "rm -rf */{node_modules,raw}",
            "rm -rf data/node_modules",
            "rm data/Cargo.toml",
            "rm -rf */$X",
        ],
    );
    check("destructive?", &["rm -rf */src"]);
}
