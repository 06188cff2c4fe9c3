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
fn a_script_in_the_line_is_read() {
    check(
        "data",
        &[
            "python3.11 -c \"import os; os.remove('data/d.csv')\"",
            "python3 -c \"import os; os.system('rm -rf data')\"",
            "python3 -c \"import subprocess; subprocess.run(['rm', '-rf', 'data'], check=True)\"",
            "python3 -c \"import subprocess as s; s.check_call('rm -rf data', shell=True)\"",
            "python3 -c \"from pathlib import Path; Path('data/d.csv').unlink()\"",
            "python3 -c \"import shutil; shutil.rmtree('data')\"",
            "python3 -c \"import shutil,os; shutil.rmtree(os.path.join('data', 'raw'))\"",
            "python3 -c \"p = 'data/d.csv'; os.remove(p)\"",
            "python3 -c \"cmd = 'rm -rf data'; os.system(cmd)\"",
            "python3 -c \"open('data/d.csv', 'w').write('x')\"",
            "python3 -c \"from pathlib import Path; Path('data/d.csv').write_text('x')\"",
            "python3 <<'E'\nimport os\nos.remove('data/d.csv')\nE",
            "python3 - a <<'E'\nimport os\nos.remove('data/d.csv')\nE",
            "python3 -c \"exec('import os; os.remove(\\\\'data/d.csv\\\\')')\"",
            "uv run python -c \"import shutil; shutil.rmtree('data')\"",
            "pypy3 -c \"import shutil; shutil.rmtree('data')\"",
            "ruby -e 'require \"fileutils\"; FileUtils.rm_rf(\"data\")'",
            "ruby -rfileutils -e 'FileUtils.rm_rf \"data\"'",
            "ruby -e 'File.delete(\"data/d.csv\")'",
            "ruby3.2 -e 'system(\"rm -rf data\")'",
            "ruby -e '`rm -rf data`'",
            "perl -e 'unlink \"data/d.csv\"'",
            "perl -e 'unlink glob(\"data/*\")'",
            "perl5.36.0 -we 'system(\"rm -rf data\")'",
            "php -r 'unlink(\"data/d.csv\");'",
            "php8.2 -r 'shell_exec(\"rm -rf data\");'",
            "node -e 'require(\"fs\").rmSync(\"data\", {recursive: true})'",
            "node -e 'require(\"child_process\").execSync(\"rm -rf data\")'",
            "nodejs -e 'fs.writeFileSync(\"data/d.csv\", \"\")'",
            "bun -e 'await Bun.$`rm -rf data`'",
            "deno eval 'Deno.removeSync(\"data\")'",
            "deno run -A - <<E\nDeno.removeSync('data')\nE",
            "python3 -W ignore - <<'E'\nimport os; os.remove('data/d.csv')\nE",
            "python3 -c 'from os import remove; remove(\"data/d.csv\")'",
            "awk 'BEGIN { system(\"rm -rf data\") }'",
            "gawk -F , -v a=b '{ system(\"rm data/\" $1) }' list",
        ],
    );
    check(
        "destructive?",
        &[
            "python3.11 -c 'import shutil; shutil.rmtree(\"src\")'",
            "python3 -c \"import os; os.system('rm -rf src')\"",
            "python3 -c \"import os, sys; os.remove(sys.argv[1])\" x",
            "python3 -c \"from pathlib import Path; Path('x').unlink()\"",
            "python3 -c \"import os; os.system('git reset --hard')\"",
            "python3 -c 'print(f\"{os.remove(p)}\")'",
            "perl -e 'unlink \"x\"'",
            "ruby -e 'FileUtils.rm_rf(\"src\")'",
            "php -r 'unlink(\"x\");'",
            "node -e 'console.log(`${fs.rmSync(\"x\")}`)'",
            "python3 -c \"it's; os.remove(p)\"",
        ],
    );
    check(
        "push",
        &["python3 -c \"import subprocess; subprocess.run(['git', 'push'])\"", "ruby -e 'exec \"git push\"'"],
    );
    check(
        "rules",
        &[
            "python3 -c \"open('orch.toml', 'w').write('')\"",
            "python3 -c \"open('orch.toml', mode='a').write('')\"",
            "node -e 'fs.writeFileSync(\".mcp.json\", \"{}\")'",
        ],
    );
}

#[test]
fn what_a_script_only_says_it_does_not_do() {
    check(
        "",
        &[
            "python3 - <<'E'\ns = open('src/a.py').read()\ns = s.replace('os.remove(p)', 'p.unlink()')\nopen('src/a.py', 'w').write(s)\nE",
            "python3 - <<'E'\nold = \"\"\"\nshutil.rmtree(x)\nos.system('rm -rf data')\n\"\"\"\nprint(old)\nE",
            "python3 -c \"print('rm -rf data')\"",
            "python3 <<'E'\n# os.remove(x), it's not done\nprint(1)\nE",
            "python3 -c \"s.replace('a', 'shutil.rmtree(x)')\"",
            "python3 -c \"print(open('data/d.csv').read())\"",
            "python3 -c \"import subprocess; subprocess.run(['git', 'commit', '-m', 'rm -rf data; git push'])\"",
            "node -e 'console.log(\"fs.rmSync(x)\")'",
            "node -e '// fs.rmSync(x)\nconsole.log(1)'",
            "ruby -e 'puts \"File.delete(x)\"'",
            "python3 -m pytest -k 'os.remove(x)'",
            "python3 tool.py 'os.remove(x)'",
            "python3 -c 'import re; re.compile(r\"\\d\")'",
            "python3 -c 'all = [1]; all.remove(1)'",
            "node -e 'console.log(/x/.exec(\"git push\"))'",
            "awk '{ print \"system(rm)\" }' data/d.csv",
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
