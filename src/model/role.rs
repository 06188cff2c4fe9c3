//! What a worker of a role is: what it may use, where it works, when it is done, and the prompt that it begins with. A
//! role is a Markdown file with front matter; seven come with the program.

use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::model::demand;
use crate::model::demand::Demand;
use crate::model::fields::Fields;
use crate::model::fields::Value;
use crate::model::fields::line;
use crate::model::front_matter;
use crate::model::id::check_name;
use crate::model::task::Link;
use crate::model::template::Template;
use crate::model::template::Values;
use crate::model::worker::Mode;
use crate::model::worker::word;

/// The roles that come with the program, as their files.
pub const BUILT_IN: [(&str, &str); 7] = [
    ("planner", include_str!("../../roles/planner.md")),
    ("executor", include_str!("../../roles/executor.md")),
    ("docs", include_str!("../../roles/docs.md")),
    ("builder", include_str!("../../roles/builder.md")),
    ("verifier", include_str!("../../roles/verifier.md")),
    ("reviewer", include_str!("../../roles/reviewer.md")),
    ("accepter", include_str!("../../roles/accepter.md")),
];

/// How a worker works with our tools, whatever its role.
const WAYS_OF_A_TASK: &str = include_str!("../../roles/ways/task.md");
const WAYS_OF_MANY: &str = include_str!("../../roles/ways/long.md");

/// A worker's name begins with its role's, and so do branches and directories.
pub const NAME_CHARS_MAX: usize = 32;

/// More than anybody wants to start by one word.
pub const COUNT_MAX: i64 = 1_000;

/// A year: what is longer is no limit.
const MINUTES_MAX: i64 = 366 * 24 * 60;

/// The keys of the front matter, and of `[roles.<name>]` in `orch.toml`.
pub const KEYS: &[&str] = &[
    "description",
    "tools",
    "disallowed_tools",
    "model",
    "permission_mode",
    "mode",
    "isolation",
    "setup",
    "target",
    "evidence",
    "turns_max",
    "dollars_max",
    "tokens_max",
    "minutes_max",
    "restarts_max",
    "claims",
    "told_of",
    "quiet_secs",
    "count_default",
];

/// A name that prompts may use.
pub struct Variable {
    pub name: &'static str,
    pub given: Given,
    pub about: &'static str,
}

/// To whom a variable is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Given {
    ToAll,
    /// To whoever works in a worktree of its own.
    ToIsolated,
    /// To whoever is started for one task.
    WithTask,
}

const fn variable(name: &'static str, given: Given, about: &'static str) -> Variable {
    Variable { name, given, about }
}

/// What is given may be empty where a task says nothing of it.
pub const VARIABLES: [Variable; 15] = [
    variable("worker", Given::ToAll, "the worker's name"),
    variable("role", Given::ToAll, "its role's name"),
    variable("ways", Given::ToAll, "how to work with the tools of orch-mcp: a text of ours, by the mode of the role"),
    variable("work_dir", Given::ToAll, "the directory it works in"),
    variable("files_dir", Given::WithTask, "the directory that has `tasks/current_task.md` and `outputs/`"),
    variable("branch", Given::ToIsolated, "the branch it commits to"),
    variable("target", Given::ToIsolated, "the branch on which its work will land"),
    variable("task_id", Given::WithTask, "the id of its task"),
    variable("task_title", Given::WithTask, "the title, in one line"),
    variable("task_description", Given::WithTask, "the description"),
    variable("acceptance", Given::WithTask, "what must hold when it is done, a line for each"),
    variable("context_files", Given::WithTask, "what to read first, a line for each"),
    variable("expected_outputs", Given::WithTask, "the files that must be there afterwards, a line for each"),
    variable("evidence", Given::WithTask, "what must be shown when it is completed, a line for each"),
    variable("notes", Given::WithTask, "what earlier runs left: progress, commits, last words; empty at the first"),
];

const NAMES: [&str; VARIABLES.len()] = {
    let mut names = [""; VARIABLES.len()];
    let mut at = 0;
    while at < names.len() {
        names[at] = VARIABLES[at].name;
        at += 1;
    }
    names
};

/// Where a worker works.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Isolation {
    /// In the directory that it was launched in, beside all others.
    #[default]
    None,
    WorktreePerTask,
    WorktreePerWorker,
}

impl Isolation {
    const WORDS: [(&str, Isolation); 3] = [
        ("none", Isolation::None),
        ("worktree-per-task", Isolation::WorktreePerTask),
        ("worktree-per-worker", Isolation::WorktreePerWorker),
    ];

    pub fn word(self) -> &'static str {
        word(&Isolation::WORDS, self)
    }
}

/// What Claude Code does when it would have to ask.
const PERMISSION_MODES: [&str; 6] = ["manual", "acceptEdits", "plan", "auto", "dontAsk", "bypassPermissions"];

/// Whose tasks a role takes besides those that its own name fits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    Role(String),
    Link(Link),
}

impl Claim {
    fn read(value: &Value) -> Option<Claim> {
        let text = line(value)?;
        match text.split_once(':')? {
            ("role", role) => check_name("role", role).is_ok().then(|| Claim::Role(role.to_owned())),
            ("link", link) => link.parse().ok().map(Claim::Link),
            _ => None,
        }
    }
}

/// What a role is told of by a task that is made for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// Tasks that were completed.
    Completed,
    /// Files of the main worktree that were changed.
    Changes,
}

impl News {
    fn read(value: &Value) -> Option<News> {
        match line(value)?.as_str() {
            "completed" => Some(News::Completed),
            "changes" => Some(News::Changes),
            _ => None,
        }
    }
}

/// Before it is told, nothing more has happened for so long.
const QUIET_SECS_DEFAULT: u32 = 60;
const QUIET_SECS_MAX: i64 = 24 * 60 * 60;

/// What one worker may use up. `None` sets no limit beside those of the team.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Limits {
    pub turns_max: Option<u32>,
    pub dollars_max: Option<f64>,
    pub tokens_max: Option<u64>,
    pub minutes_max: Option<u32>,
    /// Without progress between them.
    pub restarts_max: Option<u32>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Role {
    pub name: String,
    pub description: String,
    /// Tools of the client that need no permission, in its own words: `Read`, `Bash(git status:*)`.
    pub tools: Vec<String>,
    pub disallowed_tools: Vec<String>,
    pub model: Option<String>,
    pub permission_mode: Option<&'static str>,
    pub mode: Mode,
    pub isolation: Isolation,
    /// Runs in a new worktree before the worker does.
    pub setup: Option<String>,
    pub target: Option<String>,
    /// Of each task that a worker of this role completes.
    pub evidence: Vec<Demand>,
    pub limits: Limits,
    pub claims: Vec<Claim>,
    pub told_of: Vec<News>,
    pub quiet_secs: u32,
    /// How many are started where nobody says how many of any.
    pub count_default: u32,
    prompt: Template,
}

impl Role {
    /// `file` is what messages call the text; `overrides` stand before what its front matter says.
    pub fn read(name: &str, file: &str, text: &str, overrides: Option<&Fields>) -> Result<Role> {
        check_role_name(name)?;
        let parts = front_matter::parse(file, text)?;
        let fields = match overrides {
            Some(overrides) => parts.fields.overridden_by(overrides),
            None => parts.fields,
        };
        fields.only("a role", KEYS)?;
        if parts.body.trim().is_empty() {
            return Err(parts.body_spot.error("the prompt is missing").hint("write it behind the front matter"));
        }
        let stray = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
        if let Some((before, c)) = parts.body.find(stray).map(|at| parts.body.split_at(at)) {
            let spot = parts.body_spot.at_line(parts.body_spot.line + before.matches('\n').count());
            let c: String = c.chars().take(1).flat_map(char::escape_debug).collect();
            return Err(spot.error(format!("the prompt has the character `{c}`")).hint("take it out"));
        }
        let description = fields.text("description")?.ok_or_else(|| {
            fields.spot.error("`description` is missing").hint("say in a line what a worker of this role is for")
        })?;
        let role = Role {
            name: name.to_owned(),
            description,
            tools: tools(&fields, "tools")?,
            disallowed_tools: tools(&fields, "disallowed_tools")?,
            model: fields.word("model")?,
            permission_mode: fields.one_of("permission_mode", &PERMISSION_MODES.map(|mode| (mode, mode)))?,
            mode: fields.one_of("mode", &Mode::WORDS)?.unwrap_or_default(),
            isolation: fields.one_of("isolation", &Isolation::WORDS)?.unwrap_or_default(),
            setup: fields.text("setup")?,
            target: fields.branch("target")?,
            evidence: fields.list("evidence", demand::WANTED, |value| line(value)?.parse().ok())?.unwrap_or_default(),
            limits: limits(&fields)?,
            claims: fields
                .list("claims", "`role:NAME`, or `link:` and plan, build, verify, review or accept", Claim::read)?
                .unwrap_or_default(),
            told_of: fields.list("told_of", "`completed` or `changes`", News::read)?.unwrap_or_default(),
            quiet_secs: fields.whole("quiet_secs", 1, QUIET_SECS_MAX)?.map_or(QUIET_SECS_DEFAULT, |secs| secs as u32),
            count_default: fields.whole("count_default", 0, COUNT_MAX)?.unwrap_or(0) as u32,
            prompt: Template::parse(parts.body, &parts.body_spot, &NAMES)?,
        };
        role.check_gaps()?;
        role.check_settings(&fields)?;
        Ok(role)
    }

    /// The role of that name that comes with the program.
    pub fn built_in(name: &str) -> Option<(String, &'static str)> {
        let (name, text) = BUILT_IN.iter().find(|(built_in, _)| *built_in == name)?;
        Some((format!("(built-in) {name}.md"), text))
    }

    /// The same role for a worker that runs in another way.
    pub fn in_mode(&self, mode: Mode) -> Role {
        Role { mode, ..self.clone() }
    }

    /// What a worker begins with. `values` has all that this role is given, but `role` and `ways`.
    pub fn prompt(&self, mut values: Values) -> Result<String> {
        values.insert("role", self.name.clone());
        values.insert("ways", self.ways().to_owned());
        self.prompt.render(&values)
    }

    /// What its prompt sets apart as words of a program: `` `claim_task` ``.
    pub fn words_of_programs(&self) -> impl Iterator<Item = &str> {
        let texts = self.prompt.texts().chain([self.ways()]);
        texts.flat_map(|text| text.split('`').skip(1).step_by(2))
    }

    fn ways(&self) -> &'static str {
        match self.mode {
            Mode::Task => WAYS_OF_A_TASK.trim_end(),
            Mode::Long | Mode::Terminal => WAYS_OF_MANY.trim_end(),
        }
    }

    /// Is that given to every worker of this role?
    fn is_given(&self, given: Given) -> bool {
        match given {
            Given::ToAll => true,
            Given::ToIsolated => self.isolation != Isolation::None,
            Given::WithTask => self.mode == Mode::Task,
        }
    }

    /// Whatever is wrong with a prompt is to be seen when it is read, and not when the first worker starts. What is given
    /// together is there together.
    fn check_gaps(&self) -> Result<()> {
        for (gap, within) in self.prompt.gaps() {
            let Some(given) = given(&gap.name) else { continue };
            if self.is_given(given) || within.iter().any(|part| self::given(part) == Some(given)) {
                continue;
            }
            let (why, part) = match given {
                Given::WithTask => (format!("a worker of mode `{}` may have no task", self.mode.word()), "task_id"),
                Given::ToAll | Given::ToIsolated => ("a worker of isolation `none` has no branch".to_owned(), "branch"),
            };
            let error = gap.error(format!("there may be no value for `{{{{{}}}}}`: {why}", gap.name));
            return Err(error.hint(format!("put it between `{{{{#{part}}}}}` and `{{{{/{part}}}}}`")));
        }
        Ok(())
    }

    /// What says nothing where it stands is a mistake.
    fn check_settings(&self, fields: &Fields) -> Result<()> {
        for key in ["setup", "target"] {
            if let (Isolation::None, Some(spot)) = (self.isolation, fields.spot_of(key)) {
                let error = spot.error(format!("`{key}` needs a worktree, and `isolation` is `none`"));
                return Err(error.hint("say `isolation: worktree-per-task` or `worktree-per-worker`"));
            }
        }
        if let (true, Some(spot)) = (self.told_of.is_empty(), fields.spot_of("quiet_secs")) {
            let error = spot.error("`quiet_secs` says when it is told, and `told_of` does not say of what");
            return Err(error.hint("say `told_of: [completed, changes]` too"));
        }
        Ok(())
    }
}

fn given(name: &str) -> Option<Given> {
    VARIABLES.iter().find(|variable| variable.name == name).map(|variable| variable.given)
}

fn tools(fields: &Fields, key: &str) -> Result<Vec<String>> {
    let tool = |value: &Value| line(value).filter(|tool| !tool.starts_with('-'));
    let tools = fields.list(key, "a tool as the client names it, such as `Read` or `Bash(git status:*)`", tool)?;
    Ok(tools.unwrap_or_default())
}

fn limits(fields: &Fields) -> Result<Limits> {
    Ok(Limits {
        turns_max: fields.count("turns_max", 1)?,
        dollars_max: fields.dollars("dollars_max")?,
        tokens_max: fields.whole("tokens_max", 1, i64::MAX)?.map(i64::unsigned_abs),
        minutes_max: fields.whole("minutes_max", 1, MINUTES_MAX)?.map(|minutes| minutes as u32),
        restarts_max: fields.count("restarts_max", 0)?,
    })
}

/// Can it be the name of a file wherever, and be typed?
pub fn is_plain_name(name: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
    let begins_well = name.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase());
    begins_well && name.len() <= NAME_CHARS_MAX && name.bytes().all(is_letter)
}

/// The name of a role is the name of a file, and a part of the names of workers, branches and directories.
pub fn check_role_name(name: &str) -> Result<()> {
    if is_plain_name(name) && check_name("role", name).is_ok() {
        return Ok(());
    }
    let shown: String = name.chars().take(NAME_CHARS_MAX * 2).collect();
    Err(Error::new(Kind::Invalid, format!("`{}` is no name for a role", shown.escape_debug())).hint(format!(
        "give 1 to {NAME_CHARS_MAX} of a-z, 0-9, `-` and `_`, a letter first, and not `all`, `me`, `everyone`"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::fields::Spot;

    fn role(head: &str, prompt: &str) -> Result<Role> {
        Role::read("tester", "tester.md", &format!("---\ndescription: d\n{head}\n---\n{prompt}"), None)
    }

    fn values(with_task: bool, isolated: bool) -> Values {
        let is_given = |given: Given| match given {
            Given::ToAll => true,
            Given::ToIsolated => isolated,
            Given::WithTask => with_task,
        };
        let ours = ["role", "ways"];
        let given = VARIABLES.iter().filter(|variable| is_given(variable.given) && !ours.contains(&variable.name));
        given.map(|variable| (variable.name, format!("<{}>", variable.name))).collect()
    }

    #[test]
    fn a_role_says_all_that_it_may_say() {
        let head = "tools: [Read, \"Bash(git status:*)\"]\ndisallowed_tools:\n  - Write\nmodel: opus\n\
            permission_mode: acceptEdits\nmode: long\nisolation: worktree-per-worker\nsetup: npm ci && npm test\n\
            target: release/1\nevidence:\n  - commit\n  - tests\n  - files\n  - review\n  - check cargo test --locked\n\
            turns_max: 40\ndollars_max: 2.50\ntokens_max: 5000000000\nminutes_max: 90\nrestarts_max: 0\n\
            claims: [role:security, link:verify]\ntold_of: [completed, changes]\nquiet_secs: 5\n\
            count_default: 2";
        assert!(
            KEYS.iter().all(|key| head.contains(&format!("{key}:")) || *key == "description"),
            "no key is left out"
        );
        let role = role(head, "I am {{worker}}, {{role}}.").unwrap();
        assert_eq!(
            (role.tools, role.disallowed_tools),
            (vec!["Read".into(), "Bash(git status:*)".into()], vec!["Write".into()])
        );
        assert_eq!((role.model.as_deref(), role.permission_mode), (Some("opus"), Some("acceptEdits")));
        assert_eq!((role.mode.word(), role.isolation.word()), ("long", "worktree-per-worker"));
        assert_eq!((role.setup.as_deref(), role.target.as_deref()), (Some("npm ci && npm test"), Some("release/1")));
        let check = Demand::Check("cargo test --locked".to_owned());
        assert_eq!(role.evidence, [Demand::Commit, Demand::Tests, Demand::Files, Demand::Review, check]);
        let limits = Limits {
            turns_max: Some(40),
            dollars_max: Some(2.5),
            tokens_max: Some(5_000_000_000),
            minutes_max: Some(90),
            restarts_max: Some(0),
        };
        assert_eq!(role.limits, limits);
        assert_eq!(role.claims, [Claim::Role("security".to_owned()), Claim::Link(Link::Verify)]);
        assert_eq!((role.told_of, role.quiet_secs), (vec![News::Completed, News::Changes], 5));
        assert_eq!(role.count_default, 2);
    }

    #[test]
    fn what_is_wrong_with_a_role_is_named_with_its_line() {
        for (head, prompt, wanted) in [
            ("tolls: [Read]", "p", "tester.md line 3: a role has no key `tolls`"),
            ("prompt: x", "p", "tester.md line 3: a role has no key `prompt`"),
            ("tools: Read", "p", "tester.md line 3: `tools` is the text `Read`, wanted a list"),
            ("tools:\n  - Read\n  - 5", "p", "tester.md line 5: an item of `tools` is the number 5, wanted a tool"),
            ("tools: [\"--dangerously-skip-permissions\"]", "p", "wanted a tool"),
            ("model: \"-p x\"", "p", "wanted one word that does not begin with `-`"),
            ("model: 5", "p", "`model` is the number 5, wanted one word"),
            ("mode: lnog", "p", "wanted one of `task`, `long`, `terminal`"),
            ("permission_mode: yolo", "p", "wanted one of `manual`, `acceptEdits`, `plan`"),
            ("isolation: worktree", "p", "wanted one of `none`, `worktree-per-task`, `worktree-per-worker`"),
            ("target: \"a b\"", "p", "wanted the name of a branch"),
            ("setup: npm ci", "p", "`setup` needs a worktree, and `isolation` is `none`"),
            ("told_of: [change]", "p", "an item of `told_of` is the text `change`, wanted `completed` or `changes`"),
            ("quiet_secs: 5", "p", "`quiet_secs` says when it is told, and `told_of` does not say of what"),
            ("evidence: [comit]", "p", "wanted `commit`, `tests`, `files`, `review` or `check: COMMAND`"),
            ("evidence: [\"check \"]", "p", "wanted `commit`"),
            ("claims: [builder]", "p", "wanted `role:NAME`, or `link:`"),
            ("claims: [link:biuld]", "p", "wanted `role:NAME`, or `link:`"),
            ("claims: [\"role:../x\"]", "p", "wanted `role:NAME`, or `link:`"),
            ("turns_max: 0", "p", "wanted a whole number from 1"),
            ("turns_max: 1.5", "p", "wanted a whole number from 1"),
            ("turns_max: \"5\"", "p", "`turns_max` is the text `5`, wanted a whole number from 1"),
            ("dollars_max: 0", "p", "wanted an amount in dollars above 0"),
            ("count_default: -1", "p", "wanted a whole number from 0 to 1000"),
            ("", " \n ", "tester.md line 5: the prompt is missing"),
            ("", "a\n\u{1b}[2J", "tester.md line 6: the prompt has the character `\\u{1b}`"),
            ("", "a\n{{wroker}}", "tester.md line 6: column 1: `{{wroker}}` is none of the names"),
            (
                "mode: long",
                "{{task_id}}",
                "there may be no value for `{{task_id}}`: a worker of mode `long` may have no task",
            ),
            ("", "{{branch}}", "there may be no value for `{{branch}}`: a worker of isolation `none` has no branch"),
        ] {
            let error = role(head, prompt).expect_err(wanted);
            assert!(error.message.contains(wanted), "{head} {prompt}: {error}");
        }
        let error = Role::read("tester", "f", "---\nmode: task\n---\np", None).expect_err("no description");
        assert_eq!(error.message, "f line 1: `description` is missing");
    }

    #[test]
    fn what_may_be_missing_stands_in_a_part_of_its_own() {
        let prompt =
            "{{#task_id}}{{task_title}}{{#notes}}{{notes}}{{/notes}}{{/task_id}}{{#branch}}{{target}}{{/branch}}";
        let long = role("mode: long", prompt).unwrap();
        assert_eq!(long.prompt(values(false, false)).as_deref(), Ok(""));
        assert_eq!(long.prompt(values(true, true)).as_deref(), Ok("<task_title><notes><target>"));
    }

    #[test]
    fn what_a_task_says_is_not_read_as_a_template() {
        let role = role("", "{{task_title}}").unwrap();
        let mut given = values(true, false);
        given.insert("task_title", "{{ways}} $(id) `id` \u{1b}]0;x\u{7} #{q} %0".to_owned());
        assert_eq!(role.prompt(given.clone()).as_ref(), Ok(&given["task_title"]));
    }

    #[test]
    fn overrides_stand_before_what_the_file_says() {
        let mut overrides = Fields::new(Spot::new("orch.toml", 1));
        overrides.insert("model", Value::Text("opus".to_owned()), Spot::new("orch.toml", 2)).unwrap();
        let text = "---\ndescription: d\nmodel: haiku\nmode: long\n---\np";
        let role = Role::read("tester", "f", text, Some(&overrides)).unwrap();
        assert_eq!((role.model.as_deref(), role.mode), (Some("opus"), Mode::Long));
        overrides.insert("mode", Value::Text("shrot".to_owned()), Spot::new("orch.toml", 3)).unwrap();
        let error = Role::read("tester", "f", text, Some(&overrides)).expect_err("no such mode");
        assert!(error.message.starts_with("orch.toml line 3: `mode` is the text `shrot`"), "{error}");
    }

    #[test]
    fn names_that_are_no_files_of_ours_are_refused() {
        for name in ["planner", "exec-infra", "r2_d2"] {
            check_role_name(name).unwrap();
        }
        for name in [
            "",
            ".",
            "..",
            "../planner",
            "a/b",
            "/etc/passwd",
            "a\\b",
            "a.b",
            "-rf",
            "_x",
            "2nd",
            "Planner",
            "a b",
            "a\n",
            "a\0",
            "é",
            "a\u{202e}b",
            "all",
            "me",
            "planner.md",
            "~",
            "$HOME",
            "con:",
            &"x".repeat(33),
        ] {
            let error = check_role_name(name).expect_err(name);
            assert!(!error.message.contains(char::is_control), "{error:?}");
        }
    }

    #[test]
    fn every_role_that_comes_with_the_program_is_whole() {
        for (name, _) in BUILT_IN {
            let (file, text) = Role::built_in(name).unwrap();
            let role = Role::read(name, &file, text, None).unwrap_or_else(|error| panic!("{error}"));
            let all = role.prompt(values(role.mode == Mode::Task, role.isolation != Isolation::None)).unwrap();
            assert!(all.contains(role.ways()) && all.contains("<worker>"), "{name}: {all}");
            let mut few = values(role.mode == Mode::Task, role.isolation != Isolation::None);
            few.iter_mut()
                .filter(|(name, _)| !["worker", "work_dir"].contains(*name))
                .for_each(|(_, value)| value.clear());
            for prompt in [&all, &role.prompt(few).unwrap()] {
                assert!(!prompt.contains("{{") && !prompt.contains("\n\n\n"), "{name}: {prompt}");
            }
            assert!(all.chars().count() < 8_000, "{name} has {} characters", all.chars().count());
        }
        assert!(Role::built_in("nobody").is_none());
    }
}
