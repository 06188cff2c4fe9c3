//! `repos.json` and `workflows.json`: the registry as older tools keep it, read as strictly as our own file, and written.

use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::model::fields::Fields;
use crate::model::fields::Item;
use crate::model::fields::LineStarts;
use crate::model::fields::Spot;
use crate::model::fields::Value as Found;
use crate::model::json;
use crate::model::json::Node;
use crate::model::json::Shape;
use crate::model::recipe::Recipe;
use crate::model::recipe::Written;
use crate::model::registry::LOCAL;
use crate::model::registry::Repo;
use crate::model::registry::Spelling;
use crate::model::registry::Workflow;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;

const REPOSITORIES: &str = "repositories";
const WORKFLOWS: &str = "workflows";

/// What stands in such a file. Of each the fields that it has, as what is not said changes nothing.
#[derive(Debug, Default)]
pub(super) struct Older {
    pub(super) repos: Vec<(Repo, Fields)>,
    pub(super) workflows: Vec<(Workflow, Fields)>,
}

impl Older {
    /// `name` is what messages call the file.
    pub(super) fn read(name: &str, text: &str) -> Result<Older> {
        let reader = Reader { text, starts: LineStarts::of(text), spot: Spot::new(name, 1) };
        let root = json::parse(text).map_err(|fault| {
            let (line, column) = fault.place(text);
            let what = format!("this is no JSON: column {column}: {}", fault.what);
            reader.spot.at_line(line).error(what).hint("correct it and repeat this; nothing was imported")
        })?;
        let wanted = "`{\"repositories\": […]}` or `{\"workflows\": […]}`";
        let Found::Table(root) = reader.value(&root)? else {
            return Err(reader.spot.error(format!("found {}, wanted {wanted}", root.kind())));
        };
        root.only("such a file", &[REPOSITORIES, WORKFLOWS])?;
        if root.keys().next().is_none() {
            return Err(reader.spot.error(format!("found nothing, wanted {wanted}")));
        }
        Ok(Older {
            repos: each(&root, REPOSITORIES, |name, fields| Repo::read(name, fields, Spelling::Older))?,
            workflows: each(&root, WORKFLOWS, Workflow::read)?,
        })
    }

    /// All of several files. What two of them tell is told twice.
    pub(super) fn add(&mut self, other: Older) -> Result<()> {
        for (repo, fields) in other.repos {
            unique(&self.repos, &fields.spot, &repo.name, |known| &known.name)?;
            self.repos.push((repo, fields));
        }
        for (workflow, fields) in other.workflows {
            unique(&self.workflows, &fields.spot, &workflow.name, |known| &known.name)?;
            self.workflows.push((workflow, fields));
        }
        Ok(())
    }
}

fn unique<T>(known: &[(T, Fields)], spot: &Spot, name: &str, name_of: impl Fn(&T) -> &String) -> Result<()> {
    match known.iter().find(|(one, _)| name_of(one) == name) {
        None => Ok(()),
        Some((_, first)) => {
            let error = spot.error(format!("`{name}` stands here for the second time, the first is {}", first.spot));
            Err(error.hint("keep one of them"))
        }
    }
}

fn each<T>(root: &Fields, key: &str, read: impl Fn(&str, &Fields) -> Result<T>) -> Result<Vec<(T, Fields)>>
where
    T: Named,
{
    let items = root.read(key, "a list", |value| if let Found::List(items) = value { Some(items) } else { None })?;
    let mut all: Vec<(T, Fields)> = Vec::new();
    for item in items.into_iter().flatten() {
        let Found::Table(fields) = &item.value else {
            return Err(item.spot.error(format!("an item of `{key}` is {}, wanted an object", item.value)));
        };
        let name = fields
            .text("name")?
            .ok_or_else(|| fields.spot.error("`name` is missing").hint("give each a name of its own"))?;
        let fields = fields.clone().without("name");
        let one = read(&name, &fields)?;
        unique(&all, &fields.spot, &name, |known| known.name())?;
        all.push((one, fields));
    }
    Ok(all)
}

trait Named {
    fn name(&self) -> &String;
}

impl Named for Repo {
    fn name(&self) -> &String {
        &self.name
    }
}

impl Named for Workflow {
    fn name(&self) -> &String {
        &self.name
    }
}

struct Reader<'a> {
    text: &'a str,
    starts: LineStarts,
    spot: Spot,
}

impl Reader<'_> {
    fn at(&self, byte: usize) -> Spot {
        self.spot.at_line(self.starts.line(byte))
    }

    fn value(&self, node: &Node) -> Result<Found> {
        Ok(match &node.shape {
            Shape::Text(text) => Found::Text(text.clone()),
            Shape::Bare => self.bare(node)?,
            Shape::Array(items) => {
                let item = |node: &Node| Ok(Item { value: self.value(node)?, spot: self.at(node.start) });
                Found::List(items.iter().map(item).collect::<Result<_>>()?)
            }
            Shape::Object(members) => {
                let mut fields = Fields::new(self.at(node.start));
                for member in members.iter().filter(|member| !self.says_nothing(&member.value)) {
                    fields.insert(&member.key, self.value(&member.value)?, self.at(member.key_start))?;
                }
                Found::Table(fields)
            }
        })
    }

    fn bare(&self, node: &Node) -> Result<Found> {
        let word = self.text.get(node.start..node.end).unwrap_or_default();
        match serde_json::from_str(word) {
            Ok(Value::Bool(whether)) => Ok(Found::Whether(whether)),
            Ok(Value::Number(number)) => Ok(match number.as_i64() {
                Some(whole) => Found::Whole(whole),
                None => Found::Fraction(number.as_f64().unwrap_or(f64::NAN)),
            }),
            _ => Err(self.at(node.start).error(format!("found `{word}`, wanted a text, a number, true or false"))),
        }
    }

    /// As older tools write what nobody has told them.
    fn says_nothing(&self, node: &Node) -> bool {
        node.text() == Some("") || node.shape == Shape::Bare && self.text.get(node.start..node.end) == Some("null")
    }
}

/// The repositories as `repos.json`. `has_claude_md` is asked for where nobody said so.
pub(super) fn repos_json(repos: &[Repo], has_claude_md: &dyn Fn(&Repo) -> Result<bool>) -> Result<String> {
    let one = |repo: &Repo| {
        let mut told = Map::new();
        told.insert("name".to_owned(), json!(repo.name));
        let mut put = |key: &str, value: Option<Value>| drop(value.map(|value| told.insert(key.to_owned(), value)));
        put("platform", repo.platform.as_ref().map(|text| json!(text)));
        put("remote", repo.remote.as_ref().map(|text| json!(text)));
        put(LOCAL, Some(json!(repo.path)));
        put("default_branch", repo.default_branch.as_ref().map(|text| json!(text)));
        put("language", repo.language.as_ref().map(|text| json!(text)));
        put("has_claude_md", Some(json!(has_claude_md(repo)?)));
        put("tags", Some(json!(repo.tags)));
        put("description", repo.description.as_ref().map(|text| json!(text)));
        // What older tools do not know stands only where it says something.
        put("notes", some_list(&repo.notes));
        put("sequential", some_list(&repo.sequential));
        repo.safety.said().into_iter().for_each(|(key, value)| put(key, Some(value)));
        put("commands", (!repo.commands.is_empty()).then(|| commands_json(&repo.commands)));
        Ok(Value::Object(told))
    };
    document(REPOSITORIES, repos.iter().map(one).collect::<Result<_>>()?)
}

pub(super) fn workflows_json(workflows: &[Workflow]) -> Result<String> {
    let one = |workflow: &Workflow| {
        let mut told = Map::new();
        told.insert("name".to_owned(), json!(workflow.name));
        let mut put = |key: &str, value: Option<Value>| drop(value.map(|value| told.insert(key.to_owned(), value)));
        put("description", workflow.description.as_ref().map(|text| json!(text)));
        put("tags", some_list(&workflow.tags));
        put("minutes", workflow.minutes.map(|minutes| json!(minutes)));
        put("commands", Some(commands_json(&workflow.commands)));
        Value::Object(told)
    };
    document(WORKFLOWS, workflows.iter().map(one).collect())
}

fn document(key: &str, all: Vec<Value>) -> Result<String> {
    let mut root = Map::new();
    root.insert(key.to_owned(), Value::Array(all));
    serde_json::to_string_pretty(&Value::Object(root)).map_err(|cause| Error::new(Kind::Internal, cause.to_string()))
}

fn some_list(all: &[String]) -> Option<Value> {
    (!all.is_empty()).then(|| json!(all))
}

fn commands_json(commands: &[(String, Recipe)]) -> Value {
    commands.iter().map(|(key, recipe)| (key.clone(), written(recipe))).collect::<Map<_, _>>().into()
}

/// A command as either file writes it.
pub(super) fn written(recipe: &Recipe) -> Value {
    match &recipe.written {
        Written::Line(line) => json!(line),
        Written::Words(words) => json!(words),
        Written::Shell(text) => json!({ "shell": text }),
    }
}
