//! What many descriptions share: parameters, headers, and the ways in which a request can be refused.

use crate::http::openapi::schemas::reference;
use crate::ops::schema;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;

/// Each status of a refusal, and the name of what tells of it.
pub(super) const REFUSALS: &[(&str, &str)] = &[
    ("400", "Invalid"),
    ("401", "Unauthorized"),
    ("403", "Forbidden"),
    ("404", "NotFound"),
    ("408", "TooSlow"),
    ("409", "Conflict"),
    ("410", "CursorExpired"),
    ("412", "ConditionFailed"),
    ("413", "TooLarge"),
    ("415", "NoJson"),
    ("422", "Refused"),
    ("429", "TooMany"),
    ("431", HEAD_TOO_LONG),
    ("500", "Internal"),
    ("503", "Busy"),
];

/// Such a request is not read to its end, and has no number.
const HEAD_TOO_LONG: &str = "HeadTooLong";

/// Said of each, and the headers that it has beside the number of the request.
const SAID: &[(&str, &str, &[&str])] = &[
    ("Invalid", "The arguments are wrong (`invalid`), or it is not known who calls (`no_identity`)", &[]),
    ("Unauthorized", "There is no token, or it is not valid any more (`unauthorized`)", &["WWW-Authenticate"]),
    ("Forbidden", "Not for whoever holds this token (`forbidden`)", &[]),
    ("NotFound", "There is no such thing (`not_found`)", &[]),
    (
        "Conflict",
        "Somebody else holds or changed it (`conflict`), or the claim is not yours any more (`stale_claim`)",
        &[],
    ),
    ("CursorExpired", "What came after the cursor is not all kept any more (`cursor_expired`)", &[]),
    (
        "ConditionFailed",
        "It is at another version than If-Match says (`conflict`); `current_version` is the one found",
        &[],
    ),
    ("TooSlow", "The body was too long in coming (`busy`)", &[]),
    ("TooLarge", "The body is too long (`invalid`)", &[]),
    ("NoJson", "The body is not said to be JSON (`invalid`)", &[]),
    ("Refused", "A rule forbids it, whoever asks (`refused`)", &[]),
    ("TooMany", "Too much at once (`busy`)", &["Retry-After"]),
    (HEAD_TOO_LONG, "The address is too long for what was asked (`invalid`): post it to `/api/v1` instead", &[]),
    ("Internal", "A defect of the server; its log has the cause (`internal`)", &[]),
    ("Busy", "The store is held by another process (`busy`) or cannot be used (`unavailable`)", &["Retry-After"]),
];

pub(super) fn responses() -> Value {
    let response = |(name, about, more): &(&str, &str, &[&str])| {
        let mut headers = match *name {
            HEAD_TOO_LONG => json!({}),
            _ => json!({ "X-Request-Id": { "$ref": "#/components/headers/RequestId" } }),
        };
        for header in *more {
            let component = header.replace('-', "");
            headers[*header] = json!({ "$ref": format!("#/components/headers/{component}") });
        }
        let content = json!({ "application/json": { "schema": reference("Error") } });
        ((*name).to_owned(), json!({ "description": about, "headers": headers, "content": content }))
    };
    SAID.iter().map(response).collect::<Map<_, _>>().into()
}

pub(super) fn headers() -> Value {
    json!({
        "RequestId": { "description": "The number of this request in the server's log", "required": true, "schema": { "type": "string" } },
        "ETag": {
            "description": "The version of what was read or changed, for If-Match; without it, there is none",
            "schema": { "type": "string", "pattern": TAG },
        },
        "Location": { "description": "Where what was made is to be found", "required": true, "schema": { "type": "string" } },
        "RetryAfter": { "description": "Seconds", "required": true, "schema": { "type": "string", "pattern": "^[0-9]+$" } },
        "WWWAuthenticate": { "description": "How to say who you are", "required": true, "schema": { "type": "string" } },
    })
}

/// An entity tag of ours: the number of a version.
const TAG: &str = "^\"[0-9]{1,19}\"$";

/// As it is taken back. Who forgets the marks means the same.
const TAG_GIVEN: &str = "^(\"[0-9]{1,19}\"|[0-9]{1,19})$";

/// A name in a header, or none. Letters of all languages are taken too, where a client can send them.
const NAME: &str = "^((?!(?:[Aa][Ll][Ll]|[Mm][Ee]|[Ee][Vv][Ee][Rr][Yy][Oo][Nn][Ee])$)[A-Za-z0-9_](?:[A-Za-z0-9_. -]{0,62}[A-Za-z0-9_.-])?)?$";

pub(super) fn parameters() -> Value {
    let header = |name: &str, about: &str, schema: Value| json!({ "name": name, "in": "header", "description": about, "required": false, "schema": schema });
    let text = || json!({ "type": "string" });
    let name = || json!({ "type": "string", "pattern": NAME });
    json!({
        "Instance": header("X-Orch-Instance", "Who calls: the id or name of an instance that this token may speak for", text()),
        "InstanceName": header("X-Instance-Name", "Who calls, registered under this name if nobody bears it", name()),
        "InstanceRole": header("X-Instance-Role", "The role to register X-Instance-Name with", name()),
        "IdempotencyKey": header(
            "Idempotency-Key",
            "A repeated call with the same key gets the first answer, and changes nothing",
            json!({ "type": "string", "pattern": "^[!-~]{1,200}$" }),
        ),
        "IfMatch": header(
            "If-Match",
            "Only if it is at the version of this ETag",
            json!({ "type": "string", "pattern": TAG_GIVEN }),
        ),
        "IfNoneMatch": header("If-None-Match", "`*`: only if there is nothing yet", json!({ "const": "*" })),
    })
}

pub(super) fn bearer() -> Value {
    json!({
        "type": "http",
        "scheme": "bearer",
        "description": "`orch-mcp token create` makes one; the owner's own stands in the state directory, in `owner.token`",
    })
}

/// What a pattern leaves open: `{id}` or `{key}`.
pub(super) fn name_in(pattern: &str) -> Option<&str> {
    Some(pattern.split_once('{')?.1.split_once('}')?.0)
}

pub(super) fn in_path(argument: &str, name: &str, arguments: &Map<String, Value>) -> Value {
    let mut schema = arguments.get("properties").and_then(|all| all.get(argument)).cloned().unwrap_or_default();
    schema::without_null(&mut schema);
    // An empty step of a path is no step.
    if schema.get("pattern").is_none() {
        schema["minLength"] = json!(1);
    }
    let about = match name {
        "key" => "May have `/` in it, as it is or percent-encoded",
        _ if argument == "instance" || argument == "instance_id" => "The id or the name",
        _ => "The id",
    };
    if let Some(schema) = schema.as_object_mut() {
        schema.remove("description");
    }
    json!({ "name": name, "in": "path", "required": true, "description": about, "schema": schema })
}

/// Each argument as a parameter of the query.
pub(super) fn in_query(arguments: &Map<String, Value>) -> Vec<Value> {
    let required = arguments.get("required").cloned().unwrap_or_default();
    let is_required = |name: &str| required.as_array().is_some_and(|all| all.iter().any(|one| one == name));
    let properties = arguments.get("properties").and_then(Value::as_object).into_iter().flatten();
    let parameter = |(name, schema): (&String, &Value)| {
        let mut schema = schema.clone();
        schema::without_null(&mut schema);
        let about = schema.as_object_mut().and_then(|schema| schema.remove("description"));
        let mut parameter = json!({ "name": name, "in": "query", "required": is_required(name), "schema": schema });
        if let Some(about) = about {
            parameter["description"] = about;
        }
        parameter
    };
    properties.map(parameter).collect()
}
