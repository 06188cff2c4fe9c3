//! The schemas of the description: what goes in, what comes out, and what answers have in common, each under its name.

use crate::error::Kind;
use crate::http::routes::Route;
use crate::ops::Entry;
use crate::ops::schema;
use crate::ops::table;
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;

/// Gathers what is used, so that each is told once.
pub(super) struct Schemas {
    generator: SchemaGenerator,
    named: Map<String, Value>,
}

/// What stands in headers, where there are headers for it.
const IN_HEADERS: &[&str] = &["expect_version", "idempotency_key"];

impl Schemas {
    pub(super) fn new() -> Schemas {
        let settings = SchemaSettings::draft2020_12().for_serialize().with(|settings| {
            settings.definitions_path = "/components/schemas".into();
            settings.meta_schema = None;
        });
        let mut schemas = Schemas { generator: settings.into_generator(), named: Map::new() };
        schemas.name("Error", error());
        schemas
    }

    pub(super) fn name(&mut self, name: &str, schema: Value) -> Value {
        self.named.insert(name.to_owned(), schema);
        reference(name)
    }

    /// The arguments of an operation, with what holds of them over HTTP.
    pub(super) fn arguments(&self, entry: &Entry) -> Map<String, Value> {
        let mut schema = entry.whole_input_schema();
        if entry.names_own_instance() {
            return schema;
        }
        let properties = schema.get_mut("properties").and_then(Value::as_object_mut);
        match (entry.name, properties) {
            ("push_tasks", Some(properties)) => {
                if let Some(planned) = planned_task() {
                    properties["tasks"]["items"] = planned;
                }
            }
            // No work directory comes with a request: a path begins at the top of the repository.
            ("reserve_files", Some(properties)) => properties["patterns"]["items"]["pattern"] = json!("^[^/]"),
            ("list_reservations", Some(properties)) => properties["file"]["pattern"] = json!("^[^/]"),
            _ => {}
        }
        schema
    }

    /// The schema of a request's body, and whether there must be one.
    pub(super) fn body(&mut self, entry: &Entry, route: Option<&Route>) -> (Value, bool) {
        let schema = left_for_body(entry, route, self.arguments(entry));
        let is_required = schema.contains_key("required") || schema.contains_key("anyOf");
        let name = format!("{}{}", camel(entry.name), if route.is_some() { "Body" } else { "Arguments" });
        (self.name(&name, schema.into()), is_required)
    }

    /// The envelope around an operation's answer.
    pub(super) fn answer(&mut self, entry: &Entry) -> Value {
        let data = entry.output_in(&mut self.generator).to_value();
        let envelope = json!({
            "type": "object",
            "required": ["schema_version", "data", "warnings"],
            "properties": {
                "schema_version": { "const": 1 },
                "data": data,
                "warnings": { "type": "array", "items": { "type": "string" } },
                "unread": { "type": "integer", "minimum": 0, "description": "New messages of whoever calls, if that is known" },
            },
            "additionalProperties": false,
        });
        self.name(&format!("{}Answer", camel(entry.name)), envelope)
    }

    pub(super) fn into_components(mut self) -> Value {
        for (name, mut schema) in self.generator.take_definitions(true) {
            schema::spell_out(&mut schema);
            schema::tighten(&mut schema);
            self.named.insert(name, schema);
        }
        self.named.sort_keys();
        self.named.into()
    }
}

/// The arguments that stand neither in the path nor, where there is a resource, in headers.
pub(super) fn left_for_body(
    entry: &Entry,
    route: Option<&Route>,
    mut schema: Map<String, Value>,
) -> Map<String, Value> {
    let Some(route) = route else { return schema };
    let is_elsewhere = |name: &str| {
        Some(name) == route.named || IN_HEADERS.contains(&name) || name == "instance_id" && !entry.names_own_instance()
    };
    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        properties.retain(|name, _| !is_elsewhere(name));
    }
    if let Some(Value::Array(required)) = schema.get_mut("required") {
        required.retain(|name| name.as_str().is_some_and(|name| !is_elsewhere(name)));
        if required.is_empty() {
            schema.remove("required");
        }
    }
    schema
}

/// A task of a plan: as it is pushed alone, but that others of the plan may be named.
fn planned_task() -> Option<Value> {
    let push = table::find("push_task")?;
    let mut schema = push.whole_input_schema();
    let properties = schema.get_mut("properties")?.as_object_mut()?;
    properties.retain(|name, _| !IN_HEADERS.contains(&name.as_str()));
    let names = json!({ "type": "string", "description": "The id of a task, or the `ref` of one in this list" });
    *properties.get_mut("depends_on")?.get_mut("items")? = names;
    let about = "A name by which others in this list depend on it";
    let name = json!({ "type": ["string", "null"], "minLength": 1, "maxLength": 100, "description": about });
    properties.insert("ref".to_owned(), name);
    Some(schema.into())
}

fn error() -> Value {
    let codes: Vec<&str> = Kind::ALL.into_iter().map(Kind::code).collect();
    json!({
        "type": "object",
        "required": ["error"],
        "properties": {
            "error": {
                "type": "object",
                "required": ["code", "message"],
                "properties": {
                    "code": { "enum": codes, "description": "What scripts compare" },
                    "message": { "type": "string", "description": "What was found, and what was wanted" },
                    "hint": { "type": "string", "description": "What to do next" },
                    "current_version": {
                        "type": "integer", "minimum": 0,
                        "description": "The version that was found where another one was expected",
                    },
                },
                "additionalProperties": false,
            },
        },
        "additionalProperties": false,
    })
}

pub(super) fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// `push_task` as `PushTask`.
fn camel(name: &str) -> String {
    let mut camel = String::new();
    for word in name.split('_') {
        let mut letters = word.chars();
        camel.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        camel.push_str(letters.as_str());
    }
    camel
}
