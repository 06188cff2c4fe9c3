//! What the description promises must be there, and what is there must be described.

use super::*;
use crate::http::asked::Miss;
use crate::http::asked::find;
use crate::ops::table;
use std::collections::BTreeSet;

fn described() -> Value {
    document("http://127.0.0.1:3100")
}

/// Every operation of the document: its path, its method, and what is said of it.
fn operations(document: &Value) -> Vec<(String, String, Value)> {
    let paths = document["paths"].as_object().unwrap();
    let of_path = |(path, methods): (&String, &Value)| {
        let methods = methods.as_object().unwrap().clone();
        methods.into_iter().map(|(method, said)| (path.clone(), method, said)).collect::<Vec<_>>()
    };
    paths.iter().flat_map(of_path).collect()
}

/// Every object anywhere inside.
fn each_object(value: &Value, look: &mut impl FnMut(&Map<String, Value>)) {
    match value {
        Value::Object(fields) => {
            look(fields);
            fields.values().for_each(|field| each_object(field, look));
        }
        Value::Array(items) => items.iter().for_each(|item| each_object(item, look)),
        _ => {}
    }
}

#[test]
fn every_operation_and_every_route_is_described() {
    let document = described();
    let found: BTreeSet<(String, String)> =
        operations(&document).into_iter().map(|(path, method, _)| (path, method.to_uppercase())).collect();
    for entry in OPERATIONS {
        assert!(found.contains(&(format!("/api/v1/{}", entry.name), "POST".to_owned())), "{}", entry.name);
    }
    for route in ROUTES {
        assert!(found.contains(&(route.pattern.to_owned(), route.method.to_string())), "{route:?}");
    }
    for path in ["/events", "/health", "/ready", "/metrics", "/openapi.json"] {
        assert!(found.contains(&(path.to_owned(), "GET".to_owned())), "{path}");
    }
    for path in ["/register", "/unregister"] {
        assert!(found.contains(&(path.to_owned(), "POST".to_owned())), "{path}");
    }
    assert_eq!(found.len(), OPERATIONS.len() + ROUTES.len() + 7);
}

/// A client is made by names: two of the same would be one.
#[test]
fn every_described_operation_has_a_name_of_its_own() {
    let names: Vec<String> =
        operations(&described()).iter().map(|(.., said)| said["operationId"].as_str().unwrap().to_owned()).collect();
    let different: BTreeSet<&String> = names.iter().collect();
    assert_eq!(different.len(), names.len(), "{names:?}");
}

#[test]
fn every_reference_leads_somewhere_and_nothing_is_unused() {
    let document = described();
    let mut used = BTreeSet::new();
    each_object(&document, &mut |fields| {
        if let Some(Value::String(reference)) = fields.get("$ref") {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
            used.insert(pointer.to_owned());
        }
        assert!(!fields.contains_key("$defs"));
    });
    for group in ["schemas", "responses", "parameters", "headers"] {
        for name in document["components"][group].as_object().unwrap().keys() {
            let pointer = format!("/components/{group}/{name}");
            assert!(used.contains(&pointer), "{pointer} is used by nobody");
        }
    }
}

#[test]
fn every_link_and_every_tag_names_what_exists() {
    let document = described();
    let operations = operations(&document);
    let names: BTreeSet<&str> = operations.iter().map(|(.., said)| said["operationId"].as_str().unwrap()).collect();
    let tags: BTreeSet<&str> =
        document["tags"].as_array().unwrap().iter().map(|tag| tag["name"].as_str().unwrap()).collect();
    let mut links = 0;
    for (.., said) in &operations {
        assert!(tags.contains(said["tags"][0].as_str().unwrap()), "{said}");
        for response in said["responses"].as_object().unwrap().values() {
            for link in response["links"].as_object().into_iter().flatten().map(|(_, link)| link) {
                assert!(names.contains(link["operationId"].as_str().unwrap()), "{link}");
                links += 1;
            }
        }
    }
    assert!(links > 15, "{links}");
}

/// Who copies an example expects it to work.
#[test]
fn every_example_is_accepted() {
    let mut seen = 0;
    for (path, method, said) in operations(&described()) {
        let Some(example) = said.pointer("/requestBody/content/application~1json/examples/one/value") else { continue };
        let path = path.replace("{id}", "1").replace("{key}", "k");
        let Ok(found) = find(&method.to_uppercase().parse().unwrap(), &path) else { panic!("{path}") };
        let arguments = found.arguments(None, example.to_string().as_bytes()).unwrap();
        if let Err(error) = found.entry.request(arguments) {
            panic!("{path} {example}: {error:?}");
        }
        seen += 1;
    }
    assert!(seen > 40, "{seen}");
}

/// Whoever must name something must know how.
#[test]
fn what_needs_arguments_has_an_example() {
    for entry in OPERATIONS.iter().filter(|entry| entry.input_schema().contains_key("required")) {
        assert!(told::example(entry, None).is_some(), "{}", entry.name);
    }
}

#[test]
fn what_is_said_of_a_path_is_what_is_found_there() {
    for (path, method, said) in operations(&described()) {
        let path = path.replace("{id}", "1").replace("{key}", "k");
        let name = said["operationId"].as_str().unwrap();
        match find(&method.to_uppercase().parse().unwrap(), &path) {
            Ok(found) => assert_eq!(name.strip_prefix("call_").unwrap_or(name), found.entry.name),
            Err(Miss::Unknown) => assert!(others::all(&mut Schemas::new()).iter().any(|(other, ..)| **other == path)),
            Err(miss) => panic!("{method} {path}: {miss:?}"),
        }
    }
}

#[test]
fn parameters_and_bodies_together_are_the_arguments() {
    let document = described();
    let elsewhere = ["expect_version", "idempotency_key", "instance_id"];
    for route in ROUTES {
        let entry = route.entry().unwrap();
        let said = &document["paths"][route.pattern][route.method.as_str().to_lowercase()];
        let mut told: BTreeSet<String> = route.named.iter().map(|name| (*name).to_owned()).collect();
        for parameter in said["parameters"].as_array().unwrap().iter().filter(|one| one["in"] == "query") {
            told.insert(parameter["name"].as_str().unwrap().to_owned());
        }
        if let Some(Value::String(body)) = said.pointer("/requestBody/content/application~1json/schema/$ref") {
            let schema = document.pointer(body.strip_prefix('#').unwrap()).unwrap();
            told.extend(schema["properties"].as_object().unwrap().keys().cloned());
        }
        let all = entry.input_schema()["properties"].as_object().unwrap().keys().cloned();
        let missing: Vec<String> =
            all.filter(|name| !told.contains(name) && !elsewhere.contains(&name.as_str())).collect();
        assert!(missing.is_empty(), "{route:?}: {missing:?}");
    }
}

#[test]
fn only_what_has_a_version_is_said_to_have_one() {
    let document = described();
    for (path, _, said) in operations(&document) {
        let name = said["operationId"].as_str().unwrap();
        let Some(entry) = table::find(name.strip_prefix("call_").unwrap_or(name)) else { continue };
        let takes = said["parameters"].to_string().contains("/IfMatch");
        assert_eq!(takes, said["responses"].get("412").is_some(), "{path}");
        if takes {
            assert!(routes::versioned(entry).is_some(), "{path}");
        }
    }
}
