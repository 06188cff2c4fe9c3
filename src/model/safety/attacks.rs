//! What was silent when somebody tried to get through, and what was refused though nobody meant any harm.

use super::*;

const TOP: &str = "/repo";

fn safety() -> Safety {
    Safety { data: vec!["data".to_owned()], forbidden: vec!["make reset".to_owned()], ..Safety::default() }
}

fn told_by(safety: &Safety, line: &str) -> String {
    // All that is named in a data directory is there, but for what projects have, of which `raw` has one, and for what is new.
    let is_there = |path: &str| {
        let made =
            ["node_modules", "target", "Cargo.toml", "Cargo.lock", "src"].iter().any(|name| path.ends_with(name));
        !path.contains("/new") && (!made || path == "/repo/data/raw/node_modules")
    };
    let at = At {
        dir: Some(TOP),
        tops: &[TOP],
        home: Some("/home/amy"),
        state: Some("/repo/.orch"),
        is_worker: true,
        is_there: Some(is_there),
    };
    verdict::word(safety.judge(line, &at))
}

fn check_by(safety: &Safety, wanted: &str, lines: &[&str]) {
    verdict::all_are(wanted, lines, |line| told_by(safety, line));
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
fn tools_of_packages_delete_as_rm_does() {
    check(
        "data",
        &[
            "npx rimraf data",
            "npx -y rimraf@5 data/raw",
            "bunx rimraf data",
            "pnpm dlx rimraf data",
            "pnpm exec rimraf data",
            "yarn dlx rimraf data",
            "npm exec -- rimraf data",
            "npx -p rimraf rimraf data",
            "npx -c 'rm -rf data'",
            "rimraf data",
            "npx del-cli data",
            "npx shx rm -rf data",
            "yarn rimraf data",
        ],
    );
    check("destructive?", &["rimraf src", "npx rimraf src", "bun x rimraf src", "npx --yes rimraf src dist"]);
    check(
        "",
        &["npx rimraf dist", "rimraf node_modules", "npx tsc", "npm run build", "yarn install", "npx prettier -w src"],
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
            "python3 -c \"import shutil; shutil.move('data', 'x')\"",
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
            "python3 -c 'import shutil; shutil.rmtree(\"build\" + x)'",
            "python3 -c 'import shutil; shutil.rmtree(f\"{home}/build\")'",
            "node -e 'fs.rmSync(`${home}/build`, {recursive: true})'",
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
            "python3 -c \"import shutil; shutil.copy('x', 'orch.toml')\"",
            "python3 -c \"import os; os.rename(new, 'orch.toml')\"",
            "python3 -c \"import os; os.symlink('/tmp/evil', '.orch/roles')\"",
            "node -e 'fs.renameSync(\"x\", \"orch.toml\")'",
            "ruby -e 'FileUtils.mv \"orch.toml\", \"x\"'",
            "perl -e 'open(F, \">\", \"orch.toml\")'",
            "perl -e 'open(F, \">orch.toml\")'",
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
            "python3 -c \"import shutil; shutil.copy('data/d.csv', 'x')\"",
            "perl -e 'open(F, \"<\", \"data/d.csv\"); print <F>'",
            "node -e 'console.log(/x/.exec(\"git push\"))'",
            "awk '{ print \"system(rm)\" }' data/d.csv",
        ],
    );
}

#[test]
fn what_destroys_elsewhere_is_known_by_its_words() {
    check(
        "destructive?",
        &[
            "npx prisma migrate reset --force",
            "prisma migrate reset",
            "rails db:drop",
            "bin/rails db:reset",
            "bundle exec rake db:drop:all",
            "mysqladmin drop x",
            "mysqladmin -u root -f drop x",
            "cdk destroy",
            "npx cdk destroy --all",
            "fly apps destroy x",
            "flyctl apps destroy x -y",
            "php artisan migrate:fresh",
            "python manage.py flush --no-input",
            "mix ecto.drop",
            "npx sequelize-cli db:drop",
            "supabase db reset",
            "serverless remove",
            "eksctl delete cluster x",
        ],
    );
    check(
        "",
        &[
            "npx prisma migrate dev",
            "rails db:migrate",
            "mysqladmin status",
            "cdk deploy",
            "fly status",
            "php artisan migrate",
            "python manage.py migrate",
            "mix ecto.migrate",
            "rails generate model drop",
        ],
    );
}

#[test]
fn nothing_is_pushed_by_another_name_either() {
    check(
        "push",
        &[
            "gh repo create x --source=. --push",
            "gh pr merge 1 --squash",
            "glab mr merge 1",
            "gh api -X PUT repos/o/r/pulls/1/merge",
            "gh api repos/o/r/git/refs -f ref=refs/heads/x -f sha=1",
            "gh api graphql -f query='mutation { mergePullRequest(input: {}) { x } }'",
            "git config alias.p push && git p",
            "git config --global alias.p '!git push'",
            "git send-pack origin main",
            "git-push origin x",
            "/usr/lib/git-core/git-send-pack origin x",
            "hub push",
        ],
    );
    check(
        "force-push",
        &[
            "gh api -X DELETE repos/o/r/git/refs/heads/main",
            "gh api --method=PATCH /repos/o/r/git/refs/heads/main -f sha=1 -F force=true",
            "git config remote.origin.mirror true",
            "git config --add remote.origin.push +refs/heads/*:refs/heads/*",
            "git config set alias.p 'push --force origin main'",
            "git remote add --mirror=push x y",
        ],
    );
    check_by(&with_push(), "force-push", &["git send-pack --force origin main", "git-push -f origin main"]);
    check(
        "",
        &[
            "gh pr view 1",
            "gh pr list",
            "gh repo create x --private",
            "gh api repos/o/r/pulls/1",
            "gh api -X POST repos/o/r/issues/1/comments -f body=x",
            "gh api graphql -f query='query { viewer { login } }'",
            "git config alias.st status",
            "git config --get alias.p",
            "git config remote.origin.push main:main",
            "git config remote.origin.mirror false",
            "git config user.name push",
            "git remote add origin x",
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
fn whatever_writes_what_decides_is_known() {
    check(
        "rules",
        &[
            "ln -s /tmp/evil .orch/roles",
            "ln -sT /tmp/evil .mcp.json",
            "cp -n x orch.toml",
            "mv -n x orch.toml",
            "yq -i . orch.toml",
            "yq eval --inplace .a=1 orch.toml",
            "awk -i inplace '{print}' orch.toml",
            "gawk -iinplace 1 orch.toml",
            "gsed -i s/a/b/ orch.toml",
            "cat x | sponge orch.toml",
            "patch orch.toml < p",
            "patch -p1 <<'E'\n--- a/orch.toml\n+++ b/orch.toml\n@@ -1 +1 @@\n-a\n+b\nE",
            "git apply <<'E'\n--- a/orch.toml\n+++ b/orch.toml\n@@ -1 +1 @@\n-a\n+b\nE",
            "patch -o .mcp.json a p",
            "ed -s orch.toml < cmds",
        ],
    );
    check("data", &["cat x | sponge data/d.csv", "awk -i inplace 1 data/d.csv", "patch data/d.csv p"]);
    check(
        "",
        &[
            "ln -s ../orch.toml",
            "ln -s orch.toml x",
            "ln -s a data/new",
            "cp -n a data/new",
            "yq . orch.toml",
            "awk '{print}' orch.toml",
            "awk -i lib.awk 1 data/d.csv",
            "sponge out",
            "patch -p1 < p",
            "patch src/a.rs < p",
        ],
    );
}

#[test]
fn what_is_forbidden_is_so_with_flags_between() {
    check("forbidden", &["make -s reset", "make --silent -j4 reset", "make -s -C api reset", "/usr/bin/make -k reset"]);
    check("", &["make -s resettle", "make -s build", "make build-reset", "echo -n make reset"]);
}

#[test]
fn what_is_forbidden_is_so_in_another_directory() {
    check(
        "forbidden",
        &[
            "make -C /src/api reset",
            "make --directory=/src/api reset",
            "make -C/src/api reset -j4",
            "sudo make -C x reset",
        ],
    );
    let of_api = OfRepo {
        name: "api".to_owned(),
        dir: "/src/api".to_owned(),
        push: None,
        forbidden: ["make wipe", "npm run wipe", "cargo clean"].map(str::to_owned).into(),
    };
    let safety = Safety { repos: vec![of_api], ..safety() };
    check_by(
        &safety,
        "forbidden",
        &[
            "make -C /src/api wipe",
            "npm --prefix /src/api run wipe",
            "npm --prefix=/src/api run wipe",
            "cd /src/api && make wipe",
            "cargo -C /src/api clean",
        ],
    );
    check_by(&safety, "", &["make wipe", "make -C /src/web wipe", "cargo clean", "make -C /src/api build"]);
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
            "rm -rf */$X",
        ],
    );
    check("destructive?", &["rm -rf */src"]);
}

#[test]
fn what_is_not_there_cannot_be_lost() {
    check(
        "",
        &["echo hi > data/new.csv", "cp a data/new.csv", "rm -rf data/node_modules", "sed -i s/a/b/ data/Cargo.toml"],
    );
    check("data", &["echo hi > data/d.csv", "cp a data/d.csv", "cp new data/d.csv", "rm data/new*"]);
    let elsewhere = Safety { data: vec!["new".to_owned()], destructive: Answer::Allow, ..safety() };
    check_by(&elsewhere, "", &["git clean -fd", "git checkout -- ."]);
    check_by(&safety(), "data", &["git clean -fd"]);
}
