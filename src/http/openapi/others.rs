//! What the server answers besides operations: how it is, what happens, and the addresses that older hooks know.

use crate::http::openapi::parts::REFUSALS;
use crate::http::openapi::schemas::Schemas;
use crate::http::openapi::schemas::reference;
use http::Method;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;

pub(super) fn all(schemas: &mut Schemas) -> Vec<(&'static str, Method, Value)> {
    schemas.name("Health", health());
    vec![
        ("/events", Method::GET, events()),
        ("/register", Method::POST, register()),
        ("/unregister", Method::POST, unregister()),
        ("/health", Method::GET, look("health", "Is the server there? Needs no token", "200", &[])),
        (
            "/ready",
            Method::GET,
            look("ready", "Can it serve, that is: can its store be used? Needs no token", "200", &["503"]),
        ),
        ("/metrics", Method::GET, metrics()),
        ("/openapi.json", Method::GET, description()),
    ]
}

fn health() -> Value {
    json!({
        "type": "object",
        "required": ["status"],
        "properties": { "status": { "type": "string", "description": "`ok`, or what is the matter" } },
    })
}

fn request_id() -> Value {
    json!({ "X-Request-Id": { "$ref": "#/components/headers/RequestId" } })
}

fn with_refusals(mut responses: Map<String, Value>, statuses: &[&str]) -> Value {
    for (status, name) in REFUSALS.iter().filter(|(status, _)| statuses.contains(status)) {
        responses.entry(*status).or_insert_with(|| json!({ "$ref": format!("#/components/responses/{name}") }));
    }
    responses.into()
}

fn success(about: &str, media: &str, schema: Value) -> Map<String, Value> {
    let response = json!({ "description": about, "headers": request_id(), "content": { media: { "schema": schema } } });
    [("200".to_owned(), response)].into_iter().collect()
}

/// A look at the server that anybody may take.
fn look(id: &str, about: &str, status: &str, more: &[&str]) -> Value {
    let content = json!({ "application/json": { "schema": reference("Health") } });
    let response = |about: &str| json!({ "description": about, "headers": request_id(), "content": content });
    let mut responses: Map<String, Value> = [(status.to_owned(), response("It is"))].into_iter().collect();
    for status in more {
        responses.insert((*status).to_owned(), response("It is not"));
    }
    json!({
        "operationId": id,
        "tags": ["server"],
        "summary": about,
        "security": [],
        "responses": with_refusals(responses, &["400", "403", "429"]),
    })
}

fn events() -> Value {
    let about = "Events as they happen (server-sent events): `id` is the event's number, `event` its kind, `data` the event \
                 as JSON. A reader that comes back with Last-Event-ID misses nothing and hears nothing twice. A comment line \
                 comes every 15 s. Where an event that was to be told is not kept any more, `event: error` tells \
                 `cursor_expired`, and the stream ends.";
    let number = json!({ "type": "string", "pattern": "^[0-9]{1,18}$" });
    json!({
        "operationId": "events",
        "tags": ["events"],
        "summary": "The live feed of everything that happens",
        "description": about,
        "parameters": [
            { "name": "Last-Event-ID", "in": "header", "required": false, "schema": number,
              "description": "Go on after this event; without it, from now on" },
            { "name": "cursor", "in": "query", "required": false, "schema": { "type": "integer", "minimum": 0 },
              "description": "As Last-Event-ID, for readers that cannot set headers" },
            { "name": "kind", "in": "query", "required": false, "schema": { "type": "string" },
              "description": "A kind, or its beginning: `task.`" },
            { "name": "subject", "in": "query", "required": false, "schema": { "type": "string" },
              "description": "An id or a context key" },
        ],
        "responses": with_refusals(
            success("The stream", "text/event-stream", json!({ "type": "string" })),
            &["400", "401", "403", "410", "429", "500", "503"],
        ),
    })
}

fn register() -> Value {
    json!({
        "operationId": "register",
        "tags": ["instances"],
        "summary": "As `POST /instances`, for older hooks",
        "deprecated": true,
        "requestBody": {
            "required": true,
            "content": { "application/json": { "schema": reference("RegisterInstanceArguments") } },
        },
        "responses": with_refusals(
            success("It is here", "application/json", reference("RegisterInstanceAnswer")),
            &["400", "401", "403", "404", "408", "409", "413", "415", "422", "429", "500", "503"],
        ),
    })
}

fn unregister() -> Value {
    json!({
        "operationId": "unregister",
        "tags": ["instances"],
        "summary": "As `POST /instances/{id}/unregister`, for older hooks",
        "deprecated": true,
        "requestBody": {
            "required": false,
            "content": { "application/json": { "schema": reference("UnregisterInstanceArguments") } },
        },
        "responses": with_refusals(
            success("It left", "application/json", reference("UnregisterInstanceAnswer")),
            &["400", "401", "403", "404", "408", "409", "413", "415", "422", "429", "500", "503"],
        ),
    })
}

fn metrics() -> Value {
    json!({
        "operationId": "metrics",
        "tags": ["server"],
        "summary": "Calls, latencies, waits, sessions and the like, in the text format of Prometheus",
        "responses": with_refusals(
            success("The numbers", "text/plain", json!({ "type": "string" })),
            &["400", "401", "403", "429", "500", "503"],
        ),
    })
}

fn description() -> Value {
    let document = json!({ "type": "object", "required": ["openapi", "info", "paths"] });
    json!({
        "operationId": "openapi",
        "tags": ["server"],
        "summary": "This description",
        "responses": with_refusals(success("This", "application/json", document), &["400", "401", "403", "429"]),
    })
}
