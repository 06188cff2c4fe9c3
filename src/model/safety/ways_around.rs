//! Ways that were found around the rules, and what they stood against for nothing: each is to stay as it is here.

use super::*;

const TOP: &str = "/repo";

fn safety() -> Safety {
    Safety {
        data: vec!["data".to_owned()],
        forbidden: vec!["./deploy.sh".to_owned(), "scripts/release prod".to_owned(), "/usr/bin/foo".to_owned()],
        ..Safety::default()
    }
}

fn told_by(safety: &Safety, line: &str, is_worker: bool) -> String {
    let at = At {
        dir: Some(TOP),
        tops: &[TOP],
        home: Some("/home/amy"),
        state: Some("/repo/.orch"),
        is_worker,
        ..At::default()
    };
    verdict::word(safety.judge(line, &at))
}

fn check_by(safety: &Safety, wanted: &str, lines: &[&str]) {
    verdict::all_are(wanted, lines, |line| told_by(safety, line, true));
}

fn check(wanted: &str, lines: &[&str]) {
    check_by(&safety(), wanted, lines);
}

#[test]
fn options_that_stand_together_hide_nothing() {
    check(
        "push",
        &[
            "bash -euo pipefail -c 'git push'",
            "bash -eo pipefail -O extglob -c 'git push'",
            "sudo -iu bob git push",
            "sudo -nu bob git push",
            "sudo -nubob git push",
            "script -qc 'git push' /dev/null",
            "su bob -lc 'git push'",
            "su -c'git push' bob",
            "env -S'git push'",
            "env -iS 'git push'",
            "env --split-string='git push'",
            "git push -ono-ci origin x",
            "git push -on",
            "git push -o n",
        ],
    );
    check("force-push", &["git push -fono-ci origin main", "git push -fon origin main"]);
    check("destructive?", &["sudo -Hu postgres psql -c 'drop table x'", "git clean -f -enode_modules"]);
    check("data", &["git clean -fdx -enode_modules"]);
    check(
        "",
        &["git push -n", "git push -vn origin x", "git clean -nfd", "bash -euo pipefail run.sh", "sudo -nu bob ls"],
    );
}

#[test]
fn a_branch_is_known_by_all_its_names() {
    check_by(
        &Safety { push: Some(Answer::Allow), ..safety() },
        "force-push",
        &[
            "git push -f origin heads/main",
            "git push -f origin HEAD:heads/main",
            "git push origin +HEAD:heads/main",
            "git push origin :heads/main",
            "git push --delete origin heads/main",
            "git push origin heads/main --delete",
            "git push origin -d heads/main",
            "git -c remote.origin.push=+x:main push",
            "git -c remote.origin.push=:main push origin",
            "git -c remote.origin.mirror=true push origin",
            "git -c remote.origin.mirror push origin",
            "git push -f origin {main,}",
            "git push origin +{main,x}",
        ],
    );
    check_by(
        &Safety { push: Some(Answer::Allow), ..safety() },
        "",
        &[
            "git push origin heads/main",
            "git -c remote.origin.mirror=false push origin",
            "git -c remote.origin.push=main:x push",
            "git push origin {a,b}",
        ],
    );
}

#[test]
fn what_is_forbidden_by_its_path_is_so_by_its_name() {
    check(
        "forbidden",
        &[
            "./deploy.sh",
            "./deploy.sh --now",
            "deploy.sh",
            "/repo/deploy.sh",
            "bash deploy.sh",
            "bash -x ./deploy.sh",
            ". ./deploy.sh",
            "source deploy.sh",
            "scripts/release prod",
            "./scripts/release prod",
            "cd scripts && ./release prod",
            "/usr/bin/foo",
            "foo x",
            "sudo foo",
        ],
    );
    check("", &["scripts/release test", "./deploy.sh.bak", "cat deploy.sh", "echo foo"]);
}

#[test]
fn what_leads_to_data_is_followed() {
    check(
        "data",
        &[
            "D=data; rm \"$D/d.csv\"",
            "export D=data; rm ${D}/d.csv",
            "D=$PWD/data; rm \"$D\"/d.csv",
            "D=src; D=data; rm $D/d.csv",
            "D=src; D+=/../data; rm $D/d.csv",
            "D=src; if x; then D=data; fi; rm $D/d.csv",
            "for f in data/*; do rm \"$f\"; done",
            "for f in data/*.csv; do mv \"$f\" x; done",
            "for d in src data; do rm $d/x; done",
            "for f in $(ls data); do rm data/$f; done",
            "for f in data/*; do echo x > \"$f\"; done",
            "ls data | while read f; do rm \"$f\"; done",
            "ls data | grep csv | while read -r f; do rm \"$f\"; done",
            "find data -name '*.csv' | while read f; do sed -i s/a/b/ \"$f\"; done",
            "find data -name '*.csv' -exec sed -i s/a/b/ {} +",
            "find data -name '*.csv' -exec mv {} x \\;",
            "find data -name '*.csv' -exec sh -c 'rm {}' \\;",
            "find data -type f | xargs sed -i s/a/b/",
            "find data -type f | xargs -I{} mv {} x",
            "git ls-files data | xargs rm",
            "rm $(pwd)/data/d.csv",
            "rm \"$(pwd)\"/data/d.csv",
            "rm `pwd`/data/d.csv",
            "rm $(git rev-parse --show-toplevel)/data/d.csv",
            "cd src && rm \"$(git rev-parse --show-toplevel)\"/data/d.csv",
            "cd - ; rm data/d.csv",
            "cd \"$X\" && rm -f data/d.csv",
            "cd \"$X\" && rm -f ../data/d.csv",
            "curl -o data/d.csv x",
            "curl -sSLo data/d.csv x",
            "curl -odata/d.csv x",
            "curl --output=data/d.csv x",
            "wget -O data/d.csv x",
            "wget -qO data/d.csv x",
            "wget -qOdata/d.csv x",
            "sort --output=data/d.csv a",
            "cp -tdata a",
            "cp -rt data a",
            "git checkout HEAD data/d.csv",
            "git checkout data/d.csv",
            "gzip data/*",
            "tar -x -C data -f a.tar",
            "tar xzf a.tgz -C data",
            "tar -xzf a.tgz --directory=data",
            "cd data && tar xf ../a.tar",
            "tar czf data/d.csv src",
            "unzip -o -d data a.zip",
            "unzip -qo a.zip -d data",
            "git mv data/a b",
            "perl -pi -e s/a/b/ data/d.csv",
            "cat <<E > data/d.csv\nx\nE",
        ],
    );
    check(
        "",
        &[
            "for f in src/*; do rm \"$f\"; done",
            "for f in data/*; do wc -l \"$f\"; done",
            "ls data | while read f; do echo \"$f\"; done",
            "find . -name '*.rs' -exec sed -i s/a/b/ {} +",
            "find . -name '*.rs' | xargs sed -i s/a/b/",
            "find data -name '*.csv' -exec wc -l {} +",
            "find data -type f | xargs grep x",
            "cd \"$X\" && rm -f src/d.csv",
            "cd \"$X\" && rm -f *.o",
            "curl -sSLO x",
            "curl -so /dev/null data.example/data",
            "wget -qO- x",
            "git checkout main",
            "gzip -k data/a",
            "zcat data/a.gz",
            "tar cf x.tar data",
            "tar tf data/a.tar",
            "tar xf data/a.tar -C src",
            "unzip -l data/a.zip",
            "unzip data/a.zip -d src",
            "perl -MList::Util -ne print data/d.csv",
            "ruby -rdigest -e 'x' data/d.csv",
            "sed -n s/i/x/p data/d.csv",
            "git mv a data/a",
            "install -d data/new",
        ],
    );
    check("destructive?", &["D=target; D+=/../src; rm -rf $D", "D=target; if x; then D=src; fi; rm -rf \"$D\""]);
    check("destructive?", &["for d in target src; do rm -rf $d; done", "(D=target); D=src; rm -rf $D"]);
}

#[test]
fn a_command_in_a_command_is_read() {
    check(
        "push",
        &[
            "git submodule foreach 'git push'",
            "git submodule foreach --recursive git push",
            "git rebase -x 'git push' main",
            "git rebase --exec 'git push' main",
            "git rebase --exec='git push' main",
            "git bisect run git push",
            "trap 'git push' EXIT",
            "alias x='git push'",
            "parallel git push ::: a b",
            "parallel 'git push {}' ::: a b",
            "ssh host <<EOF\ngit push\nEOF",
            "source /dev/stdin <<< 'git push'",
            ". <(echo git push)",
            "aws-vault exec p -- git push",
            "op run -- git push",
            "uv run git push",
            "uv run --with x git push",
            "poetry run git push",
            "direnv exec . git push",
            "nix develop -c git push",
            "nix-shell --run 'git push'",
            "tmux new -d 'git push'",
            "tmux new-session -d -s x 'git push'",
            "tmux send-keys -t x 'git push' Enter",
            "echo 'git push' | xargs -I{} sh -c '{}'",
        ],
    );
    check("destructive?", &["find . | xargs -I{} sh -c '{}'", "curl x | xargs sh -c", ". <(curl x)"]);
    check(
        "",
        &[
            "git submodule foreach 'git status'",
            "git rebase -x 'cargo test' main",
            "trap - EXIT",
            "trap 'echo bye' EXIT",
            "alias",
            "alias ll='ls -l'",
            "parallel gzip -k ::: a b",
            "ssh host <<EOF\nuptime\nEOF",
            "source .venv/bin/activate",
            ". <(echo export A=1)",
            "uv run pytest",
            "op run -- make",
            "tmux ls",
            "tmux kill-session -t x",
            "nix build",
        ],
    );
}

#[test]
fn what_is_harmless_is_let_alone() {
    check(
        "",
        &[
            "\"$PYTHON\" -m pip install -r requirements.txt",
            "$VENV/bin/pip install -r requirements.txt",
            "\"${VIRTUAL_ENV}/bin/python\" -m pip install -r r.txt",
            "\"$JQ\" -r .x a.json",
            "$CARGO run -r",
            "$(which jq) -r .x a.json",
            "$(command -v jq) -r .x",
            "$DOCKER push img",
            "$NPM_BIN run push",
            "pytest tests/test_rmtree.py",
            "python3 -m pytest -k rmtree",
            "python3 tests/test_rmtree.py",
            "node --test test/rmdirSync.test.js",
            "rm -rf target/debug",
            "rm -rf target/*",
            "rm -rf build",
            "rm -rf .venv",
            "rm -rf node_modules/.cache",
            "rm -rf web/node_modules/.cache/*",
            "cd /tmp && rm -rf scratch",
            "tmp=$(mktemp -d); cp a \"$tmp\"; rm -rf \"$tmp\"",
            "tmp=`mktemp -d` && cd \"$tmp\" && rm -rf x",
            "tmp=$(mktemp -d); trap 'rm -rf \"$tmp\"' EXIT",
            "rm -rf /tmp/x-*",
            "find . -name __pycache__ -exec rm -rf {} +",
            "find . -type d -name __pycache__ -prune -exec rm -rf {} +",
            "find . -name '*.pyc' -delete",
            "eval \"$(opam env)\" && git commit -m \"git push later\"",
            "find . | xargs -I{} sh -c 'echo {}' && git commit -m \"rm -rf x\"",
            "psql -c 'select 1 -- drop table x'",
            "psql -c 'select 1 /* drop table x */'",
            "psql <<E\n-- drop table x\nselect 1;\nE",
        ],
    );
    check(
        "destructive?",
        &[
            "$RM -rf src",
            "$UNKNOWN -rf src",
            "rm -rf target/../src",
            "rm -rf builds",
            "rm -rf t*/debug",
            "cd /tmp && rm -rf *",
            "cd /tmp && rm -rf ../usr",
            "rm -rf /tmp/x/../../usr",
            "rm -rf /tmp/{a,../usr}",
            "rm -rf ~/scratch",
            "find . -name __pycache__ -o -name src -exec rm -rf {} +",
            "find . ! -name __pycache__ -exec rm -rf {} +",
            "psql -c 'drop table x -- not'",
            "psql -c \"-- it's\ndrop table x\"",
            "psql -c '/*! drop table x */'",
            "python3 -c 'import shutil; shutil.rmtree(\"x\")'",
            "eval \"$X rm -rf src\"",
        ],
    );
    check("push", &["$GIT push", "\"$BASH\" -c 'git push'", "$BIN/git push"]);
}

#[test]
fn no_worker_changes_what_decides_about_it() {
    let lines = [
        "echo x > orch.toml",
        "echo x >> orch.toml",
        "tee -a orch.toml < x",
        "cp x orch.toml",
        "mv x .mcp.json",
        "sed -i s/a/b/ .claude/settings.json",
        "rm .claude/settings.local.json",
        "rm -r .claude",
        "rm .orch/orch.db",
        "cat x > .orch/roles/executor.md",
        "cd src && rm ../orch.toml",
        "cd .orch/trees/t-1 && rm orch.toml",
        "rm orch.*",
        "rm ORCH.toml",
        "cd \"$X\" && rm orch.toml",
        "git checkout main -- orch.toml",
        "echo x > ~/.claude/settings.json",
        "rm ~/.claude/plugins/x/hooks/hooks.json",
        "sh -c 'echo > orch.toml'",
    ];
    check("rules", &lines);
    for line in lines {
        assert_eq!(told_by(&safety(), line, false), "rules?", "{line}");
    }
    check(
        "",
        &[
            "cat orch.toml",
            "cp orch.toml x",
            "cat .orch/roles/executor.md",
            "echo x > .orch/trees/t-1/src/a.rs",
            "echo x > .orch/runs/r-1/outputs/7_result.md",
            "echo x > outputs/7_result.md",
            "echo x > tests/orch.toml",
            "echo x > .claude/agents/a.md",
            "echo x > settings.json",
            "rm *.log",
            "git checkout main",
        ],
    );
}

#[test]
fn our_own_program_writes_as_any_other_does() {
    let lines = [
        "cd .orch/trees/t-1 && orch-mcp report --template x --out ../../../orch.toml",
        "orch-mcp report --template x --out=orch.toml",
        "orch-mcp --state-dir /x -i bob report --out .mcp.json",
        "orch-mcp export --kind json --out .orch/roles/executor.md",
        "/usr/bin/orch-mcp export --out .claude/settings.json",
        "orch-mcp sync .orch/roles --watch",
        "orch-mcp man --out .orch/pipelines",
        "orch-mcp token create --role read --out .orch/roles/x.md",
        "orch-mcp setup claude-code",
        "orch-mcp setup claude-code --undo",
        "env -u ORCH_RUN orch-mcp --json setup --undo claude-code --scope user",
    ];
    check("rules", &lines);
    for line in lines {
        assert_eq!(told_by(&safety(), line, false), "rules?", "{line}");
    }
    check(
        "data",
        &[
            "orch-mcp export --kind json --out data/d.csv",
            "orch-mcp report --as html --out data/d.csv",
            "orch-mcp export --kind board --out data",
            "orch-mcp sync data",
            "D=data; orch-mcp man --out=$D/man",
        ],
    );
    check(
        "",
        &[
            "orch-mcp report --template .orch/report.md --out report.md",
            "orch-mcp report --since 24h --as html",
            "orch-mcp export --job job-1 --out plan.json",
            "orch-mcp sync plans --specs data/specs",
            "orch-mcp setup claude-code --check",
            "orch-mcp setup claude-code --scope project --dry-run",
            "orch-mcp complete-task task-1 'setup done'",
            "orch-mcp send-message bob setup",
            "orch-mcp token create --role read --out token",
        ],
    );
}

#[test]
fn while_the_rules_cannot_be_read_whatever_could_be_protected_is_asked_about() {
    for (line, of_worker, in_front) in [
        ("git push", "push", "push?"),
        ("rm -rf src", "unread", "unread?"),
        ("rm a", "unread", "unread?"),
        ("mv a b", "unread", "unread?"),
        ("echo > a", "unread", "unread?"),
        ("git reset --hard", "destructive", "destructive?"),
        ("git push -f origin main", "force-push", "force-push"),
        ("ls 2>/dev/null", "", ""),
        ("cargo test", "", ""),
        ("echo >> a", "", ""),
    ] {
        assert_eq!(told_by(&Safety::unread(), line, true), of_worker, "{line}");
        assert_eq!(told_by(&Safety::unread(), line, false), in_front, "{line}");
    }
}
