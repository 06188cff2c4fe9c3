//! The description of the web face in the words of OpenAPI 3.1, made from the tables that the face itself is made from.

mod others;
mod parts;
mod schemas;
mod told;

use crate::http::routes;
use crate::http::routes::CALLS;
use crate::http::routes::Created;
use crate::http::routes::ROUTES;
use crate::http::routes::Route;
use crate::http::routes::Versioned;
use crate::ops::Effect;
use crate::ops::Entry;
use crate::ops::Noun;
use crate::ops::OPERATIONS;
use crate::ops::rights;
use http::Method;
use schemas::Schemas;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;

/// All that can be asked of the server at this address.
pub fn document(server_url: &str) -> Value {
    let mut schemas = Schemas::new();
    let mut paths = Map::new();
    for route in ROUTES {
        if let Some(entry) = route.entry() {
            let described = operation(entry, Some(route), &mut schemas);
            put(&mut paths, route.pattern, &route.method, described);
        }
    }
    for (path, method, described) in others::all(&mut schemas) {
        put(&mut paths, path, &method, described);
    }
    for entry in OPERATIONS {
        let described = operation(entry, None, &mut schemas);
        put(&mut paths, &format!("{CALLS}{}", entry.name), &Method::POST, described);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "orch-mcp",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "Many Claude sessions, one team",
            "description": told::DESCRIPTION,
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": server_url }],
        "security": [{ "bearer": [] }],
        "tags": told::tags(),
        "paths": paths,
        "components": {
            "securitySchemes": { "bearer": parts::bearer() },
            "parameters": parts::parameters(),
            "headers": parts::headers(),
            "responses": parts::responses(),
            "schemas": schemas.into_components(),
        },
    })
}

fn put(paths: &mut Map<String, Value>, path: &str, method: &Method, described: Value) {
    let of_path = paths.entry(path.to_owned()).or_insert_with(|| json!({}));
    of_path[method.as_str().to_ascii_lowercase()] = described;
}

/// One operation, as the resource that the route makes of it, or else at its own address.
fn operation(entry: &Entry, route: Option<&Route>, schemas: &mut Schemas) -> Value {
    let method = route.map_or(&Method::POST, |route| &route.method);
    let takes_body = matches!(*method, Method::POST | Method::PUT | Method::PATCH);
    let mut described = json!({
        "operationId": route.map_or_else(|| format!("call_{}", entry.name), |_| entry.name.to_owned()),
        "tags": [told::tag(entry.noun)],
        "summary": entry.about,
        "security": [{ "bearer": [rights::least(entry).word()] }],
        "parameters": parameters(entry, route, takes_body, schemas),
        "responses": responses(entry, route, takes_body, schemas),
    });
    if let Some(more) = told::more(entry) {
        described["description"] = more.into();
    }
    if takes_body {
        described["requestBody"] = body(entry, route, schemas);
    }
    described
}

fn parameters(entry: &Entry, route: Option<&Route>, takes_body: bool, schemas: &Schemas) -> Value {
    let mut parameters = Vec::new();
    let arguments = schemas.arguments(entry);
    if let Some((argument, name)) = route.and_then(|route| Some((route.named?, parts::name_in(route.pattern)?))) {
        parameters.push(parts::in_path(argument, name, &arguments));
    }
    if !takes_body {
        parameters.extend(parts::in_query(&schemas::left_for_body(entry, route, arguments)));
    }
    let mut headers = vec!["Instance", "InstanceName", "InstanceRole"];
    if entry.effect == Effect::Write {
        headers.push("IdempotencyKey");
    }
    match (routes::versioned(entry), route) {
        (Some(Versioned::Task), _) | (Some(Versioned::Entry), Some(_)) => headers.push("IfMatch"),
        (Some(Versioned::Entry), None) | (None, _) => {}
    }
    if *route.map_or(&Method::POST, |route| &route.method) == Method::PUT {
        headers.push("IfNoneMatch");
    }
    parameters.extend(headers.into_iter().map(|name| json!({ "$ref": format!("#/components/parameters/{name}") })));
    parameters.into()
}

fn body(entry: &Entry, route: Option<&Route>, schemas: &mut Schemas) -> Value {
    let (schema, is_required) = schemas.body(entry, route);
    let mut content = json!({ "schema": schema });
    if let Some(example) = told::example(entry, route) {
        content["examples"] = json!({ "one": { "value": example } });
    }
    json!({ "required": is_required, "content": { "application/json": content } })
}

fn responses(entry: &Entry, route: Option<&Route>, takes_body: bool, schemas: &mut Schemas) -> Value {
    let mut responses = Map::new();
    let answer = schemas.answer(entry);
    let statuses: &[&str] = match route.map_or(Created::Never, |route| route.created) {
        Created::Never => &["200"],
        Created::Always => &["201"],
        Created::Unless(_) | Created::AtFirstVersion => &["200", "201"],
    };
    for status in statuses {
        responses.insert((*status).to_owned(), success(entry, route, status, &answer));
    }
    for (status, name) in parts::REFUSALS {
        let happens = match *status {
            "412" => match (routes::versioned(entry), route) {
                (Some(Versioned::Task), _) | (Some(Versioned::Entry), Some(_)) => true,
                (Some(Versioned::Entry), None) | (None, _) => false,
            },
            "410" => entry.noun == Noun::Events,
            "408" | "413" | "415" => takes_body,
            // What stands in the address is asked for there only where there is no body.
            "431" => !takes_body,
            // A rule says no whoever asks, and only about changes.
            "422" => entry.effect != Effect::Read,
            _ => true,
        };
        if happens {
            responses.insert((*status).to_owned(), json!({ "$ref": format!("#/components/responses/{name}") }));
        }
    }
    responses.into()
}

fn success(entry: &Entry, route: Option<&Route>, status: &str, answer: &Value) -> Value {
    let mut headers = json!({ "X-Request-Id": { "$ref": "#/components/headers/RequestId" } });
    if routes::HAVE_VERSIONS.contains(&entry.name) {
        headers["ETag"] = json!({ "$ref": "#/components/headers/ETag" });
    }
    let is_created = status == "201";
    if is_created && route.is_some_and(|route| route.address_of_one().is_some()) {
        headers["Location"] = json!({ "$ref": "#/components/headers/Location" });
    }
    let about = match is_created {
        true => "It was made",
        false if entry.waits() => "It happened, or the time was over: then `timed_out` is true",
        false => "The answer",
    };
    let mut response =
        json!({ "description": about, "headers": headers, "content": { "application/json": { "schema": answer } } });
    let links = told::links(entry, route);
    if !links.is_empty() {
        response["links"] = links.into();
    }
    response
}

#[cfg(test)]
mod tests;
