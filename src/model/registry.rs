//! The repositories that a team works in, and what is run over them: each repository with its place and its rules, each workflow
//! with its commands by language.

use crate::error::Error;
use crate::error::Result;
use crate::model::fields::Fields;
use crate::model::fields::Spot;
use crate::model::fields::Value;
use crate::model::fields::line;
use crate::model::nearest::nearest;
use crate::model::recipe::Call;
use crate::model::recipe::Recipe;
use crate::model::safety::OF_REPO;
use crate::model::safety::OfRepo;
use crate::model::template::Values;
use std::collections::BTreeSet;

/// In the place of a language: for every repository whose own has no command.
pub const ANY: &str = "any";

/// What older registries call the path.
pub const LOCAL: &str = "local";
const PATH: &str = "path";

const NAME_CHARS_MAX: usize = 64;

/// A day. What takes longer hangs.
const MINUTES_MAX: i64 = 24 * 60;

const REPO_KEYS: &[&str] = &[
    PATH,
    "remote",
    "platform",
    "default_branch",
    "language",
    "has_claude_md",
    "tags",
    "description",
    "notes",
    "sequential",
    "commands",
];

const WORKFLOW_KEYS: &[&str] = &["description", "tags", "minutes", "commands"];

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Registry {
    /// In the order in which they were written, as all of this.
    pub repos: Vec<Repo>,
    pub workflows: Vec<Workflow>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Repo {
    pub name: String,
    /// As it was written: from `/`, from `~/`, or from where the file stands.
    pub path: String,
    pub remote: Option<String>,
    pub platform: Option<String>,
    pub default_branch: Option<String>,
    pub language: Option<String>,
    /// Where nobody said so, a look tells.
    pub has_claude_md: Option<bool>,
    pub tags: Vec<String>,
    pub description: Option<String>,
    /// What whoever works there reads first.
    pub notes: Vec<String>,
    /// Workflows of which no two run there at once.
    pub sequential: Vec<String>,
    /// What is not simply run there.
    pub safety: OfRepo,
    /// By workflow; they go before those of the language.
    pub commands: Vec<(String, Recipe)>,
    pub spot: Spot,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Workflow {
    pub name: String,
    pub description: Option<String>,
    /// It is for repositories that have one of these; with none, for all.
    pub tags: Vec<String>,
    /// What takes longer is ended.
    pub minutes: Option<u32>,
    /// By language, or `any`.
    pub commands: Vec<(String, Recipe)>,
    pub spot: Spot,
}

/// How a file calls what it tells of a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spelling {
    Ours,
    /// That of `repos.json`.
    Older,
}

/// What whoever runs something sequential in that repository keeps to themselves meanwhile.
pub fn resource_of(repo: &str) -> String {
    format!("@repo:{repo}")
}

/// A name that a forge has for a repository (`owner/name`) is a word about a task. Every other one is a name of the registry.
pub fn is_of_forge(name: &str) -> bool {
    name.contains('/')
}

impl Registry {
    pub fn read(repos: &Fields, workflows: &Fields) -> Result<Registry> {
        let workflows = each(workflows, Workflow::read)?;
        let repos = each(repos, |name, fields| Repo::read(name, fields, Spelling::Ours))?;
        let registry = Registry { repos, workflows };
        registry.check_names()?;
        Ok(registry)
    }

    /// A repository names only workflows that there are, or that it has a command for itself.
    fn check_names(&self) -> Result<()> {
        let declared: Vec<&str> = self.workflows.iter().map(|workflow| workflow.name.as_str()).collect();
        for repo in &self.repos {
            for (own, recipe) in repo.commands.iter().filter(|(own, _)| !declared.contains(&own.as_str())) {
                if let Some(near) = nearest(own, declared.iter().copied()) {
                    let error = recipe.spot().error(format!("there is no workflow `{own}`"));
                    return Err(error.hint(format!("did you mean `{near}`? If not, write `[workflows.{own}]` as well")));
                }
            }
            let known: BTreeSet<&str> = declared.iter().copied().chain(repo.own_workflows()).collect();
            if let Some(stray) = repo.sequential.iter().find(|name| !known.contains(name.as_str())) {
                let message = format!("`sequential` of `{}` names `{stray}`, which is no workflow", repo.name);
                return Err(repo.spot.error(message).hint(match known.is_empty() {
                    true => format!("write `[workflows.{stray}]`, or take it out of `sequential`"),
                    false => format!("there are {}", listed(known.iter().copied())),
                }));
            }
        }
        Ok(())
    }

    pub fn repo(&self, name: &str) -> Option<&Repo> {
        self.repos.iter().find(|repo| repo.name == name)
    }

    pub fn workflow(&self, name: &str) -> Option<&Workflow> {
        self.workflows.iter().find(|workflow| workflow.name == name)
    }

    /// Every workflow that there is, also those that only one repository has.
    pub fn workflow_names(&self) -> Vec<&str> {
        let own = self.repos.iter().flat_map(Repo::own_workflows);
        let mut names: Vec<&str> = self.workflows.iter().map(|workflow| workflow.name.as_str()).chain(own).collect();
        let mut seen = BTreeSet::new();
        names.retain(|name| seen.insert(*name));
        names
    }

    pub fn must_have_workflow(&self, name: &str) -> Result<()> {
        let names = self.workflow_names();
        if names.contains(&name) {
            return Ok(());
        }
        let error = Error::not_found(format!("there is no workflow `{}`", name.escape_debug()));
        let write = format!("write one into orch.toml: `[workflows.{name}]`, below it `commands.go = \"…\"`");
        Err(match nearest(name, names.iter().copied()) {
            Some(near) => error.hint(format!("did you mean `{near}`? There are {}", listed(names.into_iter()))),
            None if names.is_empty() => error.hint(write),
            None => error.hint(format!("there are {}; or {write}", listed(names.into_iter()))),
        })
    }

    /// Those of these names, else all; of them those that have one of the tags, if there are any.
    pub fn chosen(&self, names: &[String], tags: &[String]) -> Result<Vec<&Repo>> {
        let known = || self.repos.iter().map(|repo| repo.name.as_str());
        if self.repos.is_empty() {
            return Err(Error::not_found("no repository is registered").hint(
                "write `[repos.NAME]` and `path = \"…\"` into orch.toml, or `orch-mcp repos import repos.json`",
            ));
        }
        if let Some(stray) = names.iter().find(|name| self.repo(name).is_none()) {
            let error = Error::not_found(format!("there is no repository `{}`", stray.escape_debug()));
            return Err(match nearest(stray, known()) {
                Some(near) => error.hint(format!("did you mean `{near}`? There are {}", listed(known()))),
                None => error.hint(format!("there are {}", listed(known()))),
            });
        }
        let all_tags: BTreeSet<&str> = self.repos.iter().flat_map(|repo| &repo.tags).map(String::as_str).collect();
        if let Some(stray) = tags.iter().find(|tag| !all_tags.contains(tag.as_str())) {
            let error = Error::not_found(format!("no repository has the tag `{}`", stray.escape_debug()));
            return Err(match nearest(stray, all_tags.iter().copied()) {
                Some(near) => error.hint(format!("did you mean `{near}`? There are {}", listed(all_tags.into_iter()))),
                None if all_tags.is_empty() => error.hint("give some tags in orch.toml: `tags = [\"…\"]`"),
                None => error.hint(format!("there are {}", listed(all_tags.into_iter()))),
            });
        }
        let is_meant = |repo: &&Repo| {
            (names.is_empty() || names.contains(&repo.name)) && (tags.is_empty() || repo.has_one_of(tags))
        };
        Ok(self.repos.iter().filter(is_meant).collect())
    }

    /// What a workflow is in a repository: its own command, else that of its language, else that for any.
    pub fn recipe<'a>(&'a self, repo: &'a Repo, workflow: &str) -> Option<&'a Recipe> {
        let of = |all: &'a [(String, Recipe)], key: &str| all.iter().find(|(own, _)| own == key).map(|(_, one)| one);
        of(&repo.commands, workflow).or_else(|| {
            let commands = &self.workflow(workflow)?.commands;
            repo.language.as_ref().and_then(|language| of(commands, language)).or_else(|| of(commands, ANY))
        })
    }
}

impl Repo {
    pub fn read(name: &str, fields: &Fields, spelling: Spelling) -> Result<Repo> {
        check_repo_name(name, &fields.spot)?;
        let path_key = if spelling == Spelling::Ours { PATH } else { LOCAL };
        let keys: Vec<&str> =
            REPO_KEYS.iter().map(|key| if *key == PATH { path_key } else { key }).chain(OF_REPO).collect();
        fields.only("a repository", &keys)?;
        let is_path = |text: &String| !text.starts_with('~') || text == "~" || text.starts_with("~/");
        let wanted = "a path from `/`, from `~/` or from where the file stands";
        let path =
            fields.text(path_key).and_then(|_| fields.read(path_key, wanted, |value| line(value).filter(is_path)))?;
        let path = path.ok_or_else(|| {
            let error = fields.spot.error(format!("`{path_key}` of the repository `{name}` is missing"));
            error.hint("say where it lies on this machine")
        })?;
        let whether = |value: &Value| if let Value::Whether(whether) = value { Some(*whether) } else { None };
        Ok(Repo {
            name: name.to_owned(),
            path,
            remote: fields.word("remote")?,
            platform: fields.word("platform")?,
            default_branch: fields.branch("default_branch")?,
            language: fields.read("language", LANGUAGE, |value| line(value).filter(|word| is_language(word)))?,
            has_claude_md: fields.read("has_claude_md", "true or false", whether)?,
            tags: words(fields, "tags")?,
            description: fields.text("description")?,
            notes: notes(fields)?,
            sequential: words(fields, "sequential")?,
            safety: OfRepo::read(name, fields)?,
            commands: commands(fields, check_workflow_name)?,
            spot: fields.spot.clone(),
        })
    }

    pub fn has_one_of(&self, tags: &[String]) -> bool {
        self.tags.iter().any(|tag| tags.contains(tag))
    }

    fn own_workflows(&self) -> impl Iterator<Item = &str> {
        self.commands.iter().map(|(name, _)| name.as_str())
    }

    /// The command with what is known of this repository. `dir` is where it lies.
    pub fn call(&self, recipe: &Recipe, workflow: &str, dir: &str) -> Result<Call> {
        let mut values: Values = [("name", self.name.as_str()), ("path", dir), (LOCAL, dir), ("workflow", workflow)]
            .map(|(name, value)| (name, value.to_owned()))
            .into();
        let told = [
            ("remote", &self.remote),
            ("platform", &self.platform),
            ("default_branch", &self.default_branch),
            ("language", &self.language),
        ];
        values.extend(told.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))));
        if !self.tags.is_empty() {
            values.insert("tags", self.tags.join(","));
        }
        recipe.call(&values).map_err(|error| Error {
            message: format!("{} (of the repository `{}`)", error.message, self.name),
            ..error
        })
    }
}

impl Workflow {
    pub fn read(name: &str, fields: &Fields) -> Result<Workflow> {
        check_workflow_name(name, &fields.spot)?;
        fields.only("a workflow", WORKFLOW_KEYS)?;
        let commands = commands(fields, |key, spot| match is_language(key) {
            true => Ok(()),
            false => Err(spot.error(format!("`{}` is no language, wanted {LANGUAGE}", key.escape_debug()))),
        })?;
        if commands.is_empty() {
            let error = fields.spot.error(format!("the workflow `{name}` has no commands"));
            return Err(error.hint("write `commands.go = \"…\"` for a language, or `commands.any` for all of them"));
        }
        Ok(Workflow {
            name: name.to_owned(),
            description: fields.text("description")?,
            tags: words(fields, "tags")?,
            minutes: fields.whole("minutes", 1, MINUTES_MAX)?.and_then(|minutes| u32::try_from(minutes).ok()),
            commands,
            spot: fields.spot.clone(),
        })
    }
}

const LANGUAGE: &str = "one word such as `go`, `rust` or `c++`";

fn is_language(word: &str) -> bool {
    let is_letter = |c: char| c.is_ascii_alphanumeric() || "+#._-".contains(c);
    word.starts_with(|c: char| c.is_ascii_alphanumeric()) && word.len() <= NAME_CHARS_MAX && word.chars().all(is_letter)
}

fn each<T>(fields: &Fields, read: impl Fn(&str, &Fields) -> Result<T>) -> Result<Vec<T>> {
    let one = |(name, _): (&str, &Spot)| {
        let of_one = fields.table(name)?;
        of_one.map(|of_one| read(name, of_one)).transpose()
    };
    fields.keys().filter_map(|key| one(key).transpose()).collect()
}

fn commands(fields: &Fields, check: impl Fn(&str, &Spot) -> Result<()>) -> Result<Vec<(String, Recipe)>> {
    let Some(table) = fields.table("commands")? else { return Ok(Vec::new()) };
    let one = |(key, spot): (&str, &Spot)| {
        check(key, spot)?;
        let recipe = table.read(key, "a command", |value| Some(Recipe::read(value, spot, &format!("`{key}`"))))?;
        recipe.transpose().map(|recipe| recipe.map(|recipe| (key.to_owned(), recipe)))
    };
    table.keys().filter_map(|key| one(key).transpose()).collect()
}

/// Words, each once.
fn words(fields: &Fields, key: &str) -> Result<Vec<String>> {
    let is_word = |text: &String| !text.starts_with('-') && !text.contains(|c: char| c.is_whitespace() || c == ',');
    let mut words = fields.list(key, "one word", |value| line(value).filter(is_word))?.unwrap_or_default();
    let mut seen = BTreeSet::new();
    words.retain(|word| seen.insert(word.clone()));
    Ok(words)
}

/// One, or a list of them.
fn notes(fields: &Fields) -> Result<Vec<String>> {
    let one = fields.read("notes", "a line of text, or a list of them", |value| match value {
        Value::List(_) => Some(None),
        value => line(value).map(|note| Some(vec![note])),
    })?;
    match one {
        Some(None) => Ok(fields.list("notes", "a line of text", line)?.unwrap_or_default()),
        Some(Some(note)) => Ok(note),
        None => Ok(Vec::new()),
    }
}

/// It names files of ours, and stands on command lines.
fn check_repo_name(name: &str, spot: &Spot) -> Result<()> {
    let is_letter = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let begins_well = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    if begins_well && name.len() <= NAME_CHARS_MAX && name.chars().all(is_letter) && !name.ends_with('.') {
        return Ok(());
    }
    let error = spot.error(format!("`{}` is no name for a repository", name.escape_debug()));
    Err(error.hint(format!(
        "give 1 to {NAME_CHARS_MAX} letters, digits, `.`, `_` and `-`, a letter or digit first, no `.` last"
    )))
}

fn check_workflow_name(name: &str, spot: &Spot) -> Result<()> {
    let is_letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-".contains(c);
    if name.starts_with(|c: char| c.is_ascii_lowercase()) && name.len() <= NAME_CHARS_MAX && name.chars().all(is_letter)
    {
        return Ok(());
    }
    let error = spot.error(format!("`{}` is no name for a workflow", name.escape_debug()));
    Err(error.hint(format!("give 1 to {NAME_CHARS_MAX} of a-z, 0-9, `-` and `_`, a letter first")))
}

fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
