//! Tools that destroy what lies elsewhere, or push it there, each by the words of its command.

use crate::model::safety::deeds::Deed;
use crate::model::safety::deeds::flag_before;
use crate::model::safety::deeds::operands;
use crate::model::safety::program;
use crate::model::safety::program::values_of;
use crate::model::safety::shell::Word;

const OF_A_DATABASE: &str = "deletes what is in a database";
const OF_A_CLUSTER: &str = "deletes what runs elsewhere";

/// So many words of a command say what it does.
const NAMED_MAX: usize = 6;

type Commands = &'static [&'static [&'static str]];

/// Programs, what their commands are called, word after word, and what comes of these.
const DESTROYERS: &[(&[&str], Commands, &str)] = &[
    (&["prisma"], &[&["migrate", "reset"], &["db", "push", "--force-reset"]], OF_A_DATABASE),
    (
        &["rails", "rake"],
        &[&["db:drop"], &["db:drop:all"], &["db:reset"], &["db:purge"], &["db:migrate:reset"], &["db:truncate_all"]],
        OF_A_DATABASE,
    ),
    (&["mysqladmin", "mariadb-admin"], &[&["drop"]], OF_A_DATABASE),
    (&["php", "artisan"], &[&["migrate:fresh"], &["migrate:reset"], &["db:wipe"]], OF_A_DATABASE),
    (&["python", "manage.py", "django-admin"], &[&["flush"], &["reset_db"], &["sqlflush"]], OF_A_DATABASE),
    (&["mix"], &[&["ecto.drop"], &["ecto.reset"]], OF_A_DATABASE),
    (&["sequelize", "sequelize-cli"], &[&["db:drop"], &["db:migrate:undo:all"]], OF_A_DATABASE),
    (
        &["diesel", "sqlx", "supabase"],
        &[&["database", "drop"], &["database", "reset"], &["db", "reset"]],
        OF_A_DATABASE,
    ),
    (&["dbmate", "goose", "sea-orm-cli"], &[&["drop"], &["reset"], &["migrate", "fresh"]], OF_A_DATABASE),
    (&["cdk", "cdktf", "copilot"], &[&["destroy"], &["app", "delete"], &["env", "delete"]], OF_A_CLUSTER),
    (&["fly", "flyctl"], &[&["destroy"], &["delete"], &["remove"]], OF_A_CLUSTER),
    (&["serverless", "sls"], &[&["remove"]], OF_A_CLUSTER),
    (&["eksctl", "kops", "minikube", "kind", "k3d"], &[&["delete"]], OF_A_CLUSTER),
    (
        &["vercel", "netlify", "wrangler", "railway"],
        &[&["remove"], &["rm"], &["delete"], &["sites:delete"]],
        OF_A_CLUSTER,
    ),
];

/// The programs that are called by the file that they run.
const BY_FILE: [&str; 2] = ["php", "python"];

pub(super) fn destroyed(name: &str, words: &[Word]) -> Option<Deed> {
    let bare = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    let bare = if bare == "manage.py" || bare.is_empty() { name } else { bare };
    let all: Vec<&str> = words.iter().take(2 * NAMED_MAX).map(|word| word.text.as_str()).collect();
    let is_of_file = |names: &[&str]| {
        !BY_FILE.contains(&bare) || words.iter().take(2).any(|word| names.contains(&program::name_of(word)))
    };
    let follows = |command: &[&str]| {
        let mut rest = all.iter();
        command.iter().all(|wanted| rest.any(|word| word == wanted))
    };
    let (.., because) = DESTROYERS.iter().find(|(names, commands, _)| {
        names.contains(&bare) && is_of_file(names) && commands.iter().any(|command| follows(command))
    })?;
    Some(Deed::Destroys(because))
}

/// Options of `gh` and `glab` whose value is the next word.
const OF_FORGE: [&str; 15] = [
    "-R",
    "--repo",
    "-X",
    "--method",
    "-H",
    "--header",
    "-f",
    "--raw-field",
    "-F",
    "--field",
    "-q",
    "--jq",
    "-t",
    "--template",
    "--hostname",
];

/// Of `gh` and `glab`, which talk to where the repository lies.
pub(super) fn of_forge(words: &[Word]) -> Vec<Deed> {
    let named: Vec<&str> = operands(words, &OF_FORGE).into_iter().map(|word| word.text.as_str()).collect();
    let says = |option: &str| words.iter().any(|word| word.text == option);
    match named[..] {
        [_, "delete" | "archive", ..] => vec![Deed::Destroys("deletes what others have, too")],
        ["pr" | "mr", "merge", ..] => vec![Deed::Pushes],
        ["repo", "create", ..] if says("--push") => vec![Deed::Pushes],
        ["repo", "sync", _, ..] if says("--force") => vec![Deed::Forces(None), Deed::Pushes],
        ["api", path, ..] => of_calls(path, words),
        _ => Vec::new(),
    }
}

/// Calls of the forge that change branches: refs, files, merges.
fn of_calls(path: &str, words: &[Word]) -> Vec<Deed> {
    let text = || words.iter().map(|word| word.text.as_str());
    if path.ends_with("graphql") {
        let signs = ["mergePullRequest", "updateRef", "deleteRef", "createRef", "createCommitOnBranch", "mergeBranch"];
        return Vec::from_iter(text().any(|text| signs.iter().any(|sign| text.contains(sign))).then_some(Deed::Pushes));
    }
    let method = values_of(words, 'X', "--method", "HfFqtp").pop().map(|word| word.text.to_ascii_uppercase());
    let gives =
        flag_before(words, 'f', "HXqtp") || flag_before(words, 'F', "HXqtp") || text().any(|it| it == "--input");
    let method = method.unwrap_or_else(|| if gives { "POST" } else { "GET" }.to_owned());
    let changes =
        ["/git/", "/contents/", "/merge", "/branches/", "/repository/"].iter().any(|sign| path.contains(sign));
    if method == "GET" || !changes {
        return Vec::new();
    }
    let branch = ["/refs/heads/", "/repository/branches/"].iter().find_map(|sign| path.split_once(sign));
    let is_forced = method == "DELETE" || text().any(|text| text == "force=true");
    let forced = branch.filter(|_| is_forced).map(|(_, branch)| {
        let is_known = !branch.contains(['$', '*', '{']);
        Deed::Forces(is_known.then(|| branch.to_owned()))
    });
    forced.into_iter().chain([Deed::Pushes]).collect()
}
