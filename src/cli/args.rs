//! From an operation's schema to the flags of its command, and from the flags given back to its arguments.

use crate::cli::aliases;
use crate::cli::field_help;
use crate::cli::input::Input;
use crate::error::Error;
use crate::error::Result;
use crate::ops::Entry;
use clap::Arg;
use clap::ArgAction;
use clap::ArgMatches;
use clap::builder::PossibleValuesParser;
use serde_json::Map;
use serde_json::Value;

/// The global flag that is a field of every operation.
pub(super) const INSTANCE_ID: &str = "instance_id";

/// Fields that hold prose: `-` reads them from standard input, and they may begin with a dash.
const PROSE: &[&str] = &["description", "result", "content", "question", "context", "reason", "note", "progress"];

/// Switches that are also turned off.
const WHETHER: &[&str] = &["wake"];

/// Lists of sentences, in which a comma separates nothing.
const SENTENCES: &[&str] = &["acceptance", "evidence", "prompts"];

/// A field of an operation, as a flag sees it.
#[derive(Debug)]
pub(super) struct Field {
    name: String,
    help: String,
    required: bool,
    /// Values that are named one by one.
    constants: Vec<Value>,
    shape: Shape,
}

/// How the text of a flag becomes JSON.
#[derive(Debug, PartialEq)]
enum Shape {
    /// A flag without a value.
    Switch,
    /// Said to be so, or not to be so: where nothing is said, it depends.
    Whether,
    /// One of the field's constants, and nothing else.
    Choice,
    /// A number. What is none is passed on as it is, so that every face refuses it in the same words.
    Number,
    /// Text.
    Text,
    /// A number where it is one, else text.
    NumberOrText,
    /// Given several times, or with commas.
    List,
    /// JSON only.
    Json,
    /// JSON where the text is an object or a list, else the text itself.
    TextOrJson,
}

/// What a schema accepts, its alternatives thrown together.
#[derive(Default)]
struct Accepts {
    anything: bool,
    text: bool,
    number: bool,
    switch: bool,
    object: bool,
    constants: Vec<Value>,
    list_of_text: bool,
    list_of_others: bool,
}

/// The fields of an operation in the order of its schema, without the caller's id, which is a global flag.
pub(super) fn fields(entry: &Entry) -> Vec<Field> {
    fields_of(entry.name, entry.input_schema())
}

fn fields_of(operation: &str, schema: &Map<String, Value>) -> Vec<Field> {
    let required_names = schema.get("required").and_then(Value::as_array);
    let required = |name: &str| required_names.is_some_and(|names| names.iter().any(|one| one == name));
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return Vec::new() };
    let field = |(name, property): (&String, &Value)| {
        let mut accepts = Accepts::default();
        accepts.add(property);
        Field {
            name: name.clone(),
            help: property["description"]
                .as_str()
                .or_else(|| field_help::of(operation, name))
                .unwrap_or_default()
                .trim_end_matches('.')
                .to_owned(),
            required: required(name),
            shape: Shape::of(name, &accepts),
            constants: accepts.constants,
        }
    };
    properties.iter().filter(|(name, _)| *name != INSTANCE_ID).map(field).collect()
}

/// What the caller's id means to this operation.
pub(super) fn instance_id_help(entry: &Entry) -> Option<String> {
    entry.input_schema().get("properties")?.get(INSTANCE_ID)?.get("description")?.as_str().map(str::to_owned)
}

impl Shape {
    fn of(name: &str, accepts: &Accepts) -> Shape {
        let structured = accepts.object || accepts.list_of_others;
        match accepts {
            // A field that is called JSON is never taken for text.
            Accepts { anything: true, .. } if name.ends_with("_json") => Shape::Json,
            Accepts { anything: true, .. } => Shape::TextOrJson,
            Accepts { text: true, .. } if structured => Shape::TextOrJson,
            _ if structured => Shape::Json,
            Accepts { list_of_text: true, .. } => Shape::List,
            Accepts { switch: true, .. } if WHETHER.contains(&name) => Shape::Whether,
            Accepts { switch: true, .. } => Shape::Switch,
            Accepts { number: false, text: false, constants, .. } if !constants.is_empty() => Shape::Choice,
            Accepts { number: true, text: false, constants, .. } if constants.is_empty() => Shape::Number,
            Accepts { number: true, .. } => Shape::NumberOrText,
            _ => Shape::Text,
        }
    }
}

impl Accepts {
    fn add(&mut self, schema: &Value) {
        let key = |name: &str| schema.get(name);
        let alternatives: Vec<&Value> =
            ["anyOf", "oneOf"].iter().filter_map(|name| key(name)?.as_array()).flatten().collect();
        for alternative in &alternatives {
            self.add(alternative);
        }
        let constants: Vec<&Value> =
            key("enum").and_then(Value::as_array).into_iter().flatten().chain(key("const")).collect();
        self.constants.extend(constants.iter().map(|constant| (*constant).clone()));
        if !constants.is_empty() {
            return;
        }
        let types: Vec<&str> = match key("type") {
            Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
            one => one.and_then(Value::as_str).into_iter().collect(),
        };
        self.anything |= types.is_empty() && alternatives.is_empty();
        for kind in types {
            match kind {
                "string" => self.text = true,
                "integer" | "number" => self.number = true,
                "boolean" => self.switch = true,
                "object" => self.object = true,
                "array" => self.add_list(key("items").unwrap_or(&Value::Null)),
                _ => {}
            }
        }
    }

    fn add_list(&mut self, items: &Value) {
        let mut item = Accepts::default();
        item.add(items);
        let structured = item.anything || item.object || item.list_of_text || item.list_of_others;
        self.list_of_text |= !structured;
        self.list_of_others |= structured;
    }
}

impl Field {
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The constants, as they are typed.
    pub(super) fn words(&self) -> Vec<String> {
        self.constants.iter().map(typed).collect()
    }

    fn flag_name(&self) -> String {
        self.name.replace('_', "-")
    }

    fn is_prose(&self) -> bool {
        PROSE.contains(&self.name.as_str()) || self.shape == Shape::TextOrJson
    }

    fn value_name(&self) -> String {
        match self.shape {
            Shape::Json => "JSON".to_owned(),
            Shape::Number => "N".to_owned(),
            _ => self.name.to_uppercase(),
        }
    }

    fn help_text(&self) -> String {
        let mut help = self.help.clone();
        let mut add = |text: &str| {
            if !help.is_empty() {
                help.push(' ');
            }
            help.push_str(text);
        };
        match self.shape {
            Shape::Json => add("[JSON, `@file` or `-`]"),
            Shape::TextOrJson => add("[text, JSON, `@file` or `-`]"),
            Shape::List if self.splits_commas() => add("[a,b or several times]"),
            Shape::List => add("[several times]"),
            _ if self.is_prose() => add("[`-` reads standard input]"),
            _ => {}
        }
        help
    }

    fn splits_commas(&self) -> bool {
        !SENTENCES.contains(&self.name.as_str())
    }

    /// The flag of this field. Where a bare word may stand for it, it is left out of the help, which shows the word.
    fn flag(&self, has_word: bool) -> Arg {
        let mut arg = Arg::new(self.flag_id(has_word)).long(self.flag_name()).help(self.help_text());
        if self.name.contains('_') {
            arg = arg.alias(self.name.clone());
        }
        for (_, older) in aliases::FLAGS.iter().filter(|(field, _)| *field == self.name) {
            arg = arg.alias(*older);
        }
        arg = match self.shape {
            Shape::Switch => return arg.action(ArgAction::SetTrue),
            Shape::List => arg.action(ArgAction::Append),
            Shape::Choice => arg.value_parser(PossibleValuesParser::new(self.words())),
            Shape::Whether => arg.value_parser(PossibleValuesParser::new(["true", "false"])),
            Shape::Number => arg.allow_negative_numbers(true),
            Shape::Text | Shape::NumberOrText | Shape::Json | Shape::TextOrJson => arg,
        };
        arg.value_name(self.value_name())
            .allow_hyphen_values(self.is_prose())
            .required(self.required && !has_word)
            .hide(has_word)
    }

    fn word(&self, index: usize) -> Arg {
        let help = format!("{} [also --{}]", self.help_text(), self.flag_name());
        let arg = Arg::new(self.name.clone())
            .index(index)
            .value_name(self.value_name())
            .help(help.trim_start().to_owned())
            .conflicts_with(self.flag_id(true))
            .required(self.required);
        match self.shape {
            Shape::Choice => arg.value_parser(PossibleValuesParser::new(self.words())),
            // All words that are left.
            Shape::List => arg.num_args(1..),
            _ => arg,
        }
    }

    fn flag_id(&self, has_word: bool) -> String {
        if has_word { format!("--{}", self.name) } else { self.name.clone() }
    }

    /// What was given for this field, if anything.
    fn given(&self, matches: &ArgMatches, has_word: bool, input: &mut Input) -> Result<Option<Value>> {
        let flag_id = self.flag_id(has_word);
        if self.shape == Shape::Switch {
            return Ok(matches.get_flag(&flag_id).then_some(Value::Bool(true)));
        }
        let flagged = matches.get_many::<String>(&flag_id);
        let word = if has_word { matches.get_many::<String>(&self.name) } else { None };
        let is_word = word.is_some();
        let texts: Vec<&str> = flagged.into_iter().chain(word).flatten().map(String::as_str).collect();
        match texts.as_slice() {
            [] => Ok(None),
            _ if self.shape == Shape::List => self.list(&texts, input).map(Some),
            [text, ..] => self.value(text, is_word || input.was_joined(text), input).map(Some),
        }
    }

    fn value(&self, text: &str, is_meant: bool, input: &mut Input) -> Result<Value> {
        match self.shape {
            Shape::Json => {
                let told = match text.strip_prefix('@') {
                    Some(path) if !path.is_empty() => input.read_file(&self.flag_name(), path)?,
                    _ => self.prose(text, is_meant, input)?,
                };
                parse(&self.flag_name(), &told).map(|value| self.list_in(value))
            }
            Shape::TextOrJson => {
                let content = self.prose(text, is_meant, input)?;
                let looks_like_json = content.trim_start().starts_with(['{', '[']);
                let json = if looks_like_json { serde_json::from_str(&content).ok() } else { None };
                Ok(json.unwrap_or(Value::String(content)))
            }
            Shape::Choice => {
                let constant = self.constants.iter().find(|constant| typed(constant) == text);
                Ok(constant.cloned().unwrap_or_else(|| Value::from(text)))
            }
            Shape::Whether => Ok(Value::Bool(text == "true")),
            Shape::Number | Shape::NumberOrText => Ok(number(text).unwrap_or_else(|| Value::from(text))),
            _ if self.is_prose() => self.prose(text, is_meant, input).map(Value::String),
            _ => Ok(Value::from(text)),
        }
    }

    /// A file of tasks may hold the list under its name, as `export` writes it.
    fn list_in(&self, value: Value) -> Value {
        match value {
            Value::Object(mut whole) if self.name == "tasks" && whole.len() == 1 => match whole.remove("tasks") {
                Some(list @ Value::Array(_)) => list,
                Some(other) => Value::Object(Map::from_iter([("tasks".to_owned(), other)])),
                None => Value::Object(whole),
            },
            value => value,
        }
    }

    /// The text itself, or what comes on standard input. A bare word that begins with dashes stood behind `--`, so it
    /// is meant; so is what `=` joins to its flag.
    fn prose(&self, text: &str, is_meant: bool, input: &mut Input) -> Result<String> {
        match text {
            "-" => input.read_stdin(&self.flag_name()),
            text if is_meant => Ok(text.to_owned()),
            text => self.not_a_flag(text).map(str::to_owned),
        }
    }

    /// A flag whose value was forgotten must not swallow the flag behind it.
    fn not_a_flag<'a>(&self, text: &'a str) -> Result<&'a str> {
        let looks_like_flag = text.strip_prefix("--").is_some_and(|name| {
            name.starts_with(|c: char| c.is_ascii_lowercase()) && !name.contains(|c: char| c.is_whitespace())
        });
        if !looks_like_flag {
            return Ok(text);
        }
        let flag = self.flag_name();
        Err(Error::invalid(format!("`--{flag}` is followed by `{text}`, wanted its value"))
            .hint(format!("give a value after `--{flag}`; if it is `{text}`, write `--{flag}={text}`")))
    }

    fn list(&self, texts: &[&str], input: &mut Input) -> Result<Value> {
        let mut items = Vec::new();
        for text in texts {
            if *text == "-" {
                items.extend(input.read_stdin(&self.flag_name())?.lines().map(str::trim).map(Value::from));
            } else if let Ok(Value::Array(several)) = serde_json::from_str(text) {
                items.extend(several);
            } else if self.name == "prompts" && text.trim_start().starts_with('[') {
                return Err(Error::invalid(format!("`--{}` begins a JSON list and is none", self.flag_name()))
                    .hint("give a prompt for each argument, or a list such as `[\"One\", \"Two\"]`"));
            } else if self.splits_commas() {
                items.extend(text.split(',').map(str::trim).map(Value::from));
            } else {
                items.push(Value::from(*text));
            }
        }
        items.retain(|item| item != "");
        Ok(Value::Array(items))
    }
}

fn parse(flag: &str, text: &str) -> Result<Value> {
    serde_json::from_str(text).map_err(|error| {
        Error::invalid(format!("`--{flag}` is not JSON: {error}"))
            .hint("give JSON such as `{\"a\": 1}`, `@` and the name of a file that holds it, or `-` for standard input")
    })
}

/// A constant as somebody types it: a word without its quotes.
fn typed(constant: &Value) -> String {
    constant.as_str().map_or_else(|| constant.to_string(), str::to_owned)
}

fn number(text: &str) -> Option<Value> {
    let whole = text.parse::<i64>().map(Value::from);
    whole.or_else(|_| text.parse::<u64>().map(Value::from)).ok().or_else(|| {
        let fraction = text.parse::<f64>().ok()?;
        serde_json::Number::from_f64(fraction).map(Value::Number)
    })
}

/// The flags and bare words of these fields, the required ones first.
pub(super) fn flags(entry: &Entry, fields: &[Field]) -> Vec<Arg> {
    let mut args = Vec::new();
    let mut words: Vec<&str> = Vec::new();
    for name in entry.positional {
        if let Some(field) = fields.iter().find(|field| field.name == *name) {
            words.push(name);
            args.push(field.word(words.len()));
        }
    }
    let (required, optional): (Vec<&Field>, Vec<&Field>) = fields.iter().partition(|field| field.required);
    args.extend(required.into_iter().chain(optional).map(|field| field.flag(words.contains(&field.name.as_str()))));
    args
}

/// What was given, as the arguments of the operation.
pub(super) fn arguments(
    entry: &Entry,
    fields: &[Field],
    matches: &ArgMatches,
    input: &mut Input,
) -> Result<Map<String, Value>> {
    let mut arguments = Map::new();
    for field in fields {
        let has_word = entry.positional.contains(&field.name.as_str());
        if let Some(value) = field.given(matches, has_word, input)? {
            arguments.insert(field.name.clone(), value);
        }
    }
    if let Some(caller) = matches.get_one::<String>(INSTANCE_ID) {
        arguments.insert(INSTANCE_ID.to_owned(), Value::from(caller.as_str()));
    }
    Ok(arguments)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::commands::Verb;
    use clap::Command;
    use serde_json::json;
    use std::ffi::OsString;

    /// What the flags of a command become, with `stdin` on standard input.
    fn given_with(command: &str, flags: &[&str], stdin: &str) -> Result<Value> {
        let verb = Verb::find(command).expect("a command");
        let fields = verb.fields();
        let words: Vec<OsString> = flags.iter().map(OsString::from).collect();
        let matches = Command::new("test")
            .arg(Arg::new(INSTANCE_ID).short('i').long("instance-id"))
            .args(super::flags(verb.entry, &fields))
            .try_get_matches_from(["test"].iter().chain(flags))
            .map_err(|refusal| Error::invalid(refusal.to_string()))?;
        arguments(verb.entry, &fields, &matches, &mut Input::new(&mut stdin.as_bytes(), &words)).map(Value::Object)
    }

    fn given(command: &str, flags: &[&str]) -> Value {
        given_with(command, flags, "").unwrap_or_else(|error| panic!("{command} {flags:?}: {error}"))
    }

    fn shape_of(property: Value) -> Shape {
        let schema = Map::from_iter([("properties".to_owned(), json!({ "field": property }))]);
        fields_of("", &schema).remove(0).shape
    }

    #[test]
    fn a_schema_decides_the_shape_of_a_flag() {
        for (schema, shape) in [
            (json!({ "type": "string" }), Shape::Text),
            (json!({ "type": ["string", "null"] }), Shape::Text),
            (json!({ "type": ["integer", "null"], "format": "uint32" }), Shape::Number),
            (json!({ "type": "boolean", "default": false }), Shape::Switch),
            (json!({ "type": "string", "enum": ["a", "b"] }), Shape::Choice),
            (json!({ "oneOf": [{ "const": "a" }, { "const": "b", "description": "bee" }] }), Shape::Choice),
            (json!({ "enum": ["high", 0, 1] }), Shape::Choice),
            (json!({ "anyOf": [{ "enum": ["a"] }, { "type": "integer" }] }), Shape::NumberOrText),
            (json!({ "type": ["string", "integer"] }), Shape::NumberOrText),
            (json!({ "type": "array", "items": { "type": "string" } }), Shape::List),
            (json!({ "type": ["array", "null"], "items": { "enum": ["a", "b"] } }), Shape::List),
            (json!({ "type": "array", "items": { "type": "object" } }), Shape::Json),
            (json!({ "type": ["object", "null"] }), Shape::Json),
            (json!({ "description": "anything" }), Shape::TextOrJson),
            (json!(true), Shape::TextOrJson),
        ] {
            assert_eq!(shape_of(schema.clone()), shape, "{schema}");
        }
    }

    #[test]
    fn a_bare_word_and_its_flag_are_the_same_but_not_together() {
        assert_eq!(given("claim-task", &["12"]), json!({ "task_id": "12" }));
        assert_eq!(given("claim-task", &["--task-id", "12"]), json!({ "task_id": "12" }));
        assert_eq!(given("claim-task", &["--task_id", "12", "--force"]), json!({ "task_id": "12", "force": true }));
        assert_eq!(given("set-context", &["--key", "k", "--value", "v"]), json!({ "key": "k", "value": "v" }));
        assert!(given_with("claim-task", &["12", "--task-id", "13"], "").is_err());
        assert!(given_with("push-task", &[], "").is_err());
    }

    #[test]
    fn lists_are_repeated_or_separated_by_commas_unless_they_hold_sentences() {
        let flags = ["x", "--depends-on", "1, 2", "--depends-on", "3", "--blocked-by", "4"];
        assert_eq!(given("push-task", &flags)["depends_on"], json!(["1", "2", "3", "4"]));
        let flags = ["x", "--acceptance", "fast, and small", "--acceptance", r#"["a, b", "c"]"#];
        assert_eq!(given("push-task", &flags)["acceptance"], json!(["fast, and small", "a, b", "c"]));
        let piped = given_with("push-task", &["x", "--depends-on", "-"], "task-1\ntask-2\n").expect("piped ids");
        assert_eq!(piped["depends_on"], json!(["task-1", "task-2"]));
    }

    #[test]
    fn a_number_is_one_where_the_field_takes_it_and_text_where_it_does_not() {
        assert_eq!(given("push-task", &["2", "--priority", "1"]), json!({ "title": "2", "priority": 1 }));
        assert_eq!(given("push-task", &["x", "--priority", "high"])["priority"], json!("high"));
        // What is no number is refused by the operation, in the words of every face.
        assert_eq!(given("list-tasks", &["--limit", "many"])["limit"], json!("many"));
        assert_eq!(given("list-tasks", &["--limit", "-1"])["limit"], json!(-1));
    }

    #[test]
    fn a_value_is_json_only_where_it_is_an_object_or_a_list() {
        let value = |text: &str| given("set-context", &["key", text])["value"].clone();
        assert_eq!(value(r#"{"a": 1}"#), json!({ "a": 1 }));
        assert_eq!(value("[1, 2]"), json!([1, 2]));
        for text in ["1.10", "true", "null", "[draft] of a plan", "{not json"] {
            assert_eq!(value(text), json!(text));
        }
    }

    #[test]
    fn long_values_come_from_standard_input_or_a_file() {
        let piped = given_with("complete-task", &["1", "--result", "-"], "- did this\n- did that\n").expect("piped");
        assert_eq!(piped["result"], "- did this\n- did that");
        assert_eq!(given("complete-task", &["1", "--result", "- done"])["result"], "- done");
        assert_eq!(given("push-task", &["-"])["title"], "-", "a title is no long text");

        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("value.json");
        std::fs::write(&path, "{\"a\": [1]}\n").expect("written");
        let at_path = format!("@{}", path.display());
        assert_eq!(given("push-task", &["x", "--metadata", &at_path])["metadata"], json!({ "a": [1] }));
        assert_eq!(given("set-context", &["k", &at_path])["value"], json!(at_path), "text may come from others");
        let missing = given_with("push-task", &["x", "--metadata", "@/no/such/file"], "").expect_err("no such file");
        assert!(missing.message.contains("/no/such/file"), "{missing}");
    }

    #[test]
    fn what_cannot_be_meant_is_refused_by_the_name_of_its_flag() {
        for (flags, named) in [
            (&["1", "--result", "--force"][..], "`--result`"),
            (&["1", "--evidence", "commit abc"], "`--evidence`"),
            (&["1", "--result", "-", "--evidence", "-"], "`--evidence`"),
        ] {
            let error = given_with("complete-task", flags, "{}").expect_err("refused");
            assert!(error.message.contains(named) && error.hint.is_some(), "{error:?}");
        }
    }

    #[test]
    fn what_is_joined_to_its_flag_is_meant_whatever_it_looks_like() {
        for (flags, value) in [
            (&["k", "--value=--v"][..], "--v"),
            (&["--value=--force", "k"], "--force"),
            (&["k", "--value=--a=b"], "--a=b"),
            (&["k", "--", "--v"], "--v"),
        ] {
            assert_eq!(given("set-context", flags), json!({ "key": "k", "value": value }), "{flags:?}");
        }
        assert_eq!(given("push-task", &["x", "--description=--v"])["description"], "--v");
        let error = given_with("set-context", &["k", "--value", "--v"], "").expect_err("a value may be forgotten");
        assert!(error.hint.is_some_and(|hint| hint.contains("`--value=--v`")));
    }

    #[test]
    fn an_older_verb_gives_what_it_presets_and_takes_the_rest() {
        let names: Vec<String> =
            Verb::find("watch-tasks").expect("an older verb").fields().iter().map(|f| f.name.clone()).collect();
        assert!(!names.contains(&"kind".to_owned()) && names.contains(&"timeout_seconds".to_owned()), "{names:?}");
        assert_eq!(given("wait-for-message", &["--timeout", "5"]), json!({ "timeout_seconds": 5 }));
        assert_eq!(given("send-message", &["hi", "--to", "@bob"]), json!({ "content": "hi", "to_instance": "@bob" }));
    }

    #[test]
    fn the_caller_may_be_named() {
        assert_eq!(given("heartbeat", &["-i", "bob"]), json!({ "instance_id": "bob" }));
    }
}
