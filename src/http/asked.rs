//! What a request asks for: the operation, and its arguments out of path, query, body and headers; and what it is told.

use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::http::intake;
use crate::http::routes::CALLS;
use crate::http::routes::Created;
use crate::http::routes::ROUTES;
use crate::http::routes::Route;
use crate::http::routes::Versioned;
use crate::http::routes::versioned;
use crate::model::nearest::nearest;
use crate::model::percent;
use crate::ops::Effect;
use crate::ops::Entry;
use crate::ops::OPERATIONS;
use crate::ops::Outcome;
use crate::ops::check;
use crate::ops::table::Reply;
use http::HeaderMap;
use http::HeaderName;
use http::Method;
use http::StatusCode;
use http::header;
use serde_json::Map;
use serde_json::Value;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// What is asked for.
#[derive(Debug)]
pub struct Found {
    pub entry: &'static Entry,
    pub method: Method,
    /// `None` below `CALLS`.
    pub route: Option<&'static Route>,
    /// The argument that stood in the path.
    named: Option<(&'static str, String)>,
}

/// Why nothing can be asked for.
#[derive(Debug)]
pub enum Miss {
    /// Nothing of ours.
    Unknown,
    /// There is something, which takes these methods.
    NotAllowed(String),
    /// It was meant for us, and is wrong.
    Refused(Error),
}

/// What a request asks for, by its method and the path of its address, still percent-encoded.
pub fn find(method: &Method, path: &str) -> Result<Found, Miss> {
    // What `HEAD` is told is what `GET` would be told, but for the body.
    let method = if *method == Method::HEAD { Method::GET } else { method.clone() };
    if let Some(name) = path.strip_prefix(CALLS) {
        return call(method, name);
    }
    let first = ROUTES.iter().find(|route| route.fit(path).is_some()).ok_or(Miss::Unknown)?;
    let of_path = || ROUTES.iter().filter(|route| route.pattern == first.pattern);
    let Some(route) = of_path().find(|route| route.method == method) else {
        let methods = of_path().map(|route| route.method.as_str());
        let methods: Vec<&str> =
            methods.flat_map(|method| if method == "GET" { vec![method, "HEAD"] } else { vec![method] }).collect();
        return Err(Miss::NotAllowed(methods.join(", ")));
    };
    let entry = route.entry().ok_or(Miss::Unknown)?;
    let named = match (route.named, route.fit(path).flatten()) {
        (Some(argument), Some(written)) => Some((argument, decoded(written)?)),
        _ => None,
    };
    Ok(Found { entry, method, route: Some(route), named })
}

fn call(method: Method, name: &str) -> Result<Found, Miss> {
    let Some(entry) = OPERATIONS.iter().find(|entry| entry.name == name) else {
        let shown: String = name.chars().take(64).collect();
        let error = Error::not_found(format!("there is no operation `{shown}`"));
        return Err(Miss::Refused(match nearest(name, OPERATIONS.iter().map(|entry| entry.name)) {
            Some(near) => error.hint(format!("did you mean `{CALLS}{near}`?")),
            None => error.hint("`/openapi.json` lists them"),
        }));
    };
    match method {
        Method::POST => Ok(Found { entry, method, route: None, named: None }),
        _ => Err(Miss::NotAllowed("POST".to_owned())),
    }
}

impl Found {
    /// Do its arguments stand in a body, rather than in the query?
    pub fn takes_body(&self) -> bool {
        matches!(self.method, Method::POST | Method::PUT | Method::PATCH)
    }

    /// The arguments of the operation, out of the path and either the query or the body.
    pub fn arguments(&self, query: Option<&str>, body: &[u8]) -> Result<Map<String, Value>> {
        let query = query.unwrap_or_default();
        let mut arguments = match self.takes_body() {
            true if !query.is_empty() => {
                return Err(Error::invalid(format!(
                    "the arguments of a {} stand in its body, not behind `?`",
                    self.method
                )));
            }
            true => intake::object(body)?,
            false if !body.is_empty() => {
                return Err(Error::invalid(format!("a {} has no body; its arguments stand behind `?`", self.method)));
            }
            false => self.parameters(query)?,
        };
        if let Some((argument, value)) = &self.named {
            if arguments.contains_key(*argument) {
                return Err(Error::invalid(format!("`{argument}` stands in the path already")));
            }
            arguments.insert((*argument).to_owned(), value.as_str().into());
        }
        if self.takes_body() {
            check::exactly(self.entry, &mut arguments)?;
        }
        Ok(arguments)
    }

    /// The parameters of a query, of the types that the schema wants. What cannot be one of these stays text, and is
    /// refused as such, by the field's name.
    fn parameters(&self, query: &str) -> Result<Map<String, Value>> {
        let mut arguments = Map::new();
        for (name, text) in intake::query(query)? {
            let schema = self.entry.input_schema().get("properties").and_then(|all| all.get(&name));
            let wanted = schema.and_then(|schema| schema.get("type")).and_then(Value::as_str);
            let value = match (wanted, text.as_str()) {
                (Some("boolean"), "true") => Value::Bool(true),
                (Some("boolean"), "false") => Value::Bool(false),
                (Some("integer"), digits) => whole_number(digits).map_or_else(|| digits.into(), Value::from),
                (Some("array"), _) => {
                    let items = text.split(',').filter(|item| !item.is_empty()).map(Value::from);
                    match arguments.get_mut(&name) {
                        Some(Value::Array(given)) => {
                            given.extend(items);
                            continue;
                        }
                        _ => items.collect(),
                    }
                }
                _ => Value::from(text.as_str()),
            };
            if arguments.insert(name.clone(), value).is_some() {
                return Err(Error::invalid(format!("`{name}` is given more than once")));
            }
        }
        Ok(arguments)
    }

    /// Puts what the headers say into the arguments, and returns the version that a task must be at.
    pub fn conditions(&self, headers: &HeaderMap, arguments: &mut Map<String, Value>) -> Result<Option<u64>> {
        if self.entry.effect == Effect::Write
            && let Some(key) = text_of(headers, &IDEMPOTENCY_KEY)?
        {
            // The argument goes before the header, which may have been put there by a client that puts it everywhere.
            if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(Error::invalid(format!("the header {IDEMPOTENCY_KEY} must be one word of plain ASCII")));
            }
            let given = arguments.entry("idempotency_key").or_insert(Value::Null);
            if given.is_null() {
                *given = key.into();
            }
        }
        let expected = match (text_of(headers, &header::IF_MATCH)?, text_of(headers, &header::IF_NONE_MATCH)?) {
            (None, None) => return Ok(None),
            // To ask whether what one has is still new is never wrong to answer with all of it.
            (None, Some(_)) if self.method == Method::GET => return Ok(None),
            (Some(version), None) => version_of(version)?,
            (None, Some("*")) if self.entry.name == "set_context" => 0,
            (None, Some(_)) => {
                return Err(Error::invalid(
                    "If-None-Match can only be `*` here, and only where something is set by its key",
                ));
            }
            (Some(version), Some("*")) if self.entry.name == "set_context" => match version_of(version)? {
                0 => 0,
                // Both must hold, and there is no such version.
                _ => u64::MAX,
            },
            (Some(_), Some(_)) => return Err(Error::invalid("If-Match and If-None-Match exclude each other")),
        };
        match versioned(self.entry) {
            Some(Versioned::Task) => Ok(Some(expected)),
            Some(Versioned::Entry) => {
                if arguments.get("expect_version").is_some_and(|given| !given.is_null()) {
                    return Err(Error::invalid("`expect_version` and If-Match say the same; give one of them"));
                }
                arguments.insert("expect_version".to_owned(), expected.into());
                Ok(None)
            }
            None => Err(Error::invalid(format!(
                "If-Match has no meaning for `{}`: it changes no one thing",
                self.entry.name
            ))),
        }
    }

    pub fn status(&self, reply: &Reply) -> StatusCode {
        if reply.outcome == Outcome::Absent && self.method == Method::GET {
            return StatusCode::NOT_FOUND;
        }
        let is_new = match self.route.map_or(Created::Never, |route| route.created) {
            Created::Never => false,
            Created::Always => true,
            Created::Unless(fields) => fields.iter().all(|field| reply.data.get(field) != Some(&Value::Bool(true))),
            Created::AtFirstVersion => reply.version == Some(1),
        };
        if is_new { StatusCode::CREATED } else { StatusCode::OK }
    }

    /// Where what was made is to be found.
    pub fn location(&self, reply: &Reply) -> Option<String> {
        let address = self.route.filter(|_| self.status(reply) == StatusCode::CREATED)?.address_of_one()?;
        Some(format!("{address}{}", encoded(reply.ids.first()?)))
    }
}

/// What is not there, for those to whom that is an error.
pub fn absent(reply: &Reply) -> Error {
    Error::not_found(reply.text().lines().next().unwrap_or_default())
}

/// The version of what was read or changed, as If-Match takes it again.
pub fn etag(reply: &Reply) -> Option<String> {
    reply.version.map(|version| format!("\"{version}\""))
}

/// Did the call meet another version than the headers asked for? Then it is a condition that failed, and no conflict.
pub fn condition_failed(headers: &HeaderMap, error: &Error) -> bool {
    let is_condition = headers.contains_key(header::IF_MATCH) || headers.contains_key(header::IF_NONE_MATCH);
    is_condition && error.kind == Kind::Conflict && error.current_version.is_some()
}

fn text_of<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>> {
    let mut values = headers.get_all(name).iter();
    let Some(first) = values.next() else { return Ok(None) };
    match (first.to_str(), values.next()) {
        (Ok(text), None) => Ok(Some(text.trim())),
        _ => Err(Error::invalid(format!("the header {name} must be one line of plain text"))),
    }
}

/// The version that an entity tag of ours names.
fn version_of(tag: &str) -> Result<u64> {
    // In a script the marks are easily lost, and a number can mean nothing else.
    let digits = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"')).unwrap_or(tag);
    whole_number(digits).ok_or_else(|| {
        Error::invalid(format!("If-Match is `{tag}`, which is no ETag of ours"))
            .hint("give the ETag of the answer that you read, such as `\"7\"`")
    })
}

fn whole_number(digits: &str) -> Option<u64> {
    (!digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| digits.parse().ok()).flatten()
}

/// What a step of a path says. What is half right is refused rather than guessed at.
fn decoded(written: &str) -> Result<String, Miss> {
    let wrong = || Miss::Refused(Error::invalid(format!("`{written}` is no percent-encoded text")));
    percent::decoded(written, false).ok_or_else(wrong)
}

fn encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(byte.into()),
            byte => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::table;
    use http::HeaderValue;
    use serde_json::json;

    fn found(method: Method, path: &str) -> Found {
        find(&method, path).unwrap_or_else(|miss| panic!("{method} {path}: {miss:?}"))
    }

    /// What a request asks for, or why not, in a few words.
    fn sought(method: Method, path: &str) -> String {
        match find(&method, path) {
            Ok(Found { entry, named: None, .. }) => entry.name.to_owned(),
            Ok(Found { entry, named: Some((argument, value)), .. }) => format!("{} {argument}={value}", entry.name),
            Err(Miss::Unknown) => "unknown".to_owned(),
            Err(Miss::NotAllowed(allowed)) => format!("takes {allowed}"),
            Err(Miss::Refused(error)) => format!("{}: {}", error.kind.code(), error.hint.unwrap_or(error.message)),
        }
    }

    fn given(method: Method, path: &str, query: &str, body: &str) -> String {
        match found(method, path).arguments(Some(query), body.as_bytes()) {
            Ok(arguments) => Value::from(arguments).to_string(),
            Err(error) => error.message,
        }
    }

    #[test]
    fn every_operation_has_an_address() {
        for entry in OPERATIONS {
            let path = format!("{CALLS}{}", entry.name);
            assert_eq!(sought(Method::POST, &path), entry.name);
            assert_eq!(sought(Method::GET, &path), "takes POST");
        }
        assert_eq!(sought(Method::POST, "/api/v1/push_taks"), "not_found: did you mean `/api/v1/push_task`?");
        assert_eq!(sought(Method::POST, "/api/v1/push-task"), "not_found: did you mean `/api/v1/push_task`?");
        assert_eq!(sought(Method::POST, "/api/v1/join_session"), "not_found: `/openapi.json` lists them");
        assert_eq!(sought(Method::POST, "/api/v1/"), "not_found: `/openapi.json` lists them");
    }

    #[test]
    fn a_path_leads_to_one_operation_or_says_why_not() {
        for (method, path, expected) in [
            (Method::GET, "/tasks", "list_tasks"),
            (Method::HEAD, "/tasks", "list_tasks"),
            (Method::POST, "/tasks", "push_task"),
            (Method::DELETE, "/tasks", "takes GET, HEAD, POST"),
            (Method::GET, "/tasks/task-12", "get_task task_id=task-12"),
            (Method::PATCH, "/tasks/12", "update_task task_id=12"),
            (Method::POST, "/tasks/12", "takes GET, HEAD, PATCH"),
            (Method::POST, "/tasks/claim", "claim_task"),
            (Method::GET, "/tasks/claim", "takes POST"),
            (Method::POST, "/tasks/12/complete", "complete_task task_id=12"),
            (Method::GET, "/tasks/12/complete", "takes POST"),
            (Method::POST, "/tasks/12/explode", "unknown"),
            (Method::GET, "/tasks/", "unknown"),
            (Method::GET, "/tasks/1/2", "unknown"),
            (Method::GET, "/tasks/%31%32", "get_task task_id=12"),
            (Method::GET, "/instances/night%20shift", "get_instance instance=night shift"),
            (Method::POST, "/instances/ann/unregister", "unregister_instance instance_id=ann"),
            (Method::DELETE, "/instances/ann", "takes GET, HEAD"),
            (Method::GET, "/messages/msg-1/thread", "get_thread message_id=msg-1"),
            (Method::POST, "/messages/poll", "poll_messages"),
            (Method::GET, "/context/a/b%2Fc", "get_context key=a/b/c"),
            (Method::PUT, "/context/%C3%BC+%25", "set_context key=ü+%"),
            (Method::GET, "/context/", "unknown"),
            (Method::GET, "/context/%", "invalid: `%` is no percent-encoded text"),
            (Method::GET, "/context/%2", "invalid: `%2` is no percent-encoded text"),
            (Method::GET, "/context/%+1", "invalid: `%+1` is no percent-encoded text"),
            (Method::GET, "/context/%ff", "invalid: `%ff` is no percent-encoded text"),
            (Method::GET, "/", "unknown"),
            (Method::GET, "tasks", "unknown"),
        ] {
            assert_eq!(sought(method.clone(), path), expected, "{method} {path}");
        }
    }

    #[test]
    fn a_query_has_the_types_of_the_arguments() {
        for (path, query, expected) in [
            ("/tasks", "", "{}"),
            ("/tasks", "status=open&limit=5&role=a+b%2B", r#"{"status":"open","limit":5,"role":"a b+"}"#),
            ("/tasks", "limit=five", r#"{"limit":"five"}"#),
            ("/tasks", "limit=-1", r#"{"limit":"-1"}"#),
            ("/tasks", "limit=%2B1", r#"{"limit":"+1"}"#),
            ("/tasks", "limit=", r#"{"limit":""}"#),
            ("/tasks", "limit=1&limit=2", "`limit` is given more than once"),
            ("/tasks", "role=%zz", "the query is not well formed: a `%` begins two hexadecimal digits of UTF-8"),
            ("/tasks/7", "history=true&offset=3", r#"{"history":true,"offset":3,"task_id":"7"}"#),
            ("/tasks/7", "history", r#"{"history":"","task_id":"7"}"#),
            ("/tasks/7", "task_id=8", "`task_id` stands in the path already"),
        ] {
            assert_eq!(given(Method::GET, path, query, ""), expected, "{path}?{query}");
        }
        assert_eq!(given(Method::GET, "/tasks", "", "{}"), "a GET has no body; its arguments stand behind `?`");
    }

    /// What is not there is told by the operation's own check, with the same hint as on every face.
    #[test]
    fn an_unknown_parameter_is_refused_with_a_hint() {
        let arguments = found(Method::GET, "/tasks").arguments(Some("staus=open"), b"").unwrap();
        let error = table::find("list_tasks").unwrap().request(arguments).err().unwrap();
        assert_eq!(error.hint.unwrap(), "did you mean `status`?");
        let body = found(Method::POST, "/tasks").arguments(None, br#"{"title":"t","lables":[]}"#).unwrap_err();
        assert_eq!(body.hint.unwrap(), "did you mean `labels`?");
    }

    #[test]
    fn a_list_in_a_query_is_repeated_or_parted_by_commas() {
        let found =
            Found { entry: table::find("release_files").unwrap(), method: Method::DELETE, route: None, named: None };
        for query in ["patterns=a,b&patterns=c", "patterns=a&patterns=b&patterns=c", "patterns=a,b,c"] {
            let arguments = found.arguments(Some(query), b"").unwrap();
            assert_eq!(Value::from(arguments), json!({ "patterns": ["a", "b", "c"] }), "{query}");
        }
    }

    #[test]
    fn a_body_is_an_object_as_the_schema_says_to_the_letter() {
        for (path, body, expected) in [
            ("/tasks", r#"{"title":"t","priority":0}"#, r#"{"title":"t","priority":0}"#),
            ("/tasks", r#"{"title":"t","role":null}"#, r#"{"title":"t","role":null}"#),
            ("/tasks", "", "`push_task` needs `title`"),
            ("/tasks", r#"{"title":null}"#, "`push_task` needs `title`"),
            ("/tasks", r#"{"title":"t","tilte":null}"#, "`push_task` has no `tilte`"),
            ("/tasks", "[1]", "the body must be a JSON object: `{\"title\": …}`"),
            ("/tasks", "{", "the body is not JSON: EOF while parsing an object at line 1 column 1"),
            ("/tasks", r#"{"title":5}"#, "`title` must be text, not `5`"),
            (
                "/tasks",
                r#"{"title":"t","lease_secs":"60"}"#,
                "`lease_secs` must be a whole number from 0, not `\"60\"`",
            ),
            ("/tasks", r#"{"title":"t","parent":7}"#, "`parent` must be text, not `7`"),
            (
                "/tasks",
                r#"{"title":"t","priority":"0"}"#,
                "`priority` is a number among its choices, not the text `\"0\"`",
            ),
            ("/tasks/7/start", "", r#"{"task_id":"7"}"#),
            ("/tasks/7/start", r#"{"task_id":"8"}"#, "`task_id` stands in the path already"),
            ("/instances/ann/heartbeat", "{}", r#"{"instance_id":"ann"}"#),
        ] {
            assert_eq!(given(Method::POST, path, "", body), expected, "{path} {body}");
        }
        let in_query = "the arguments of a POST stand in its body, not behind `?`";
        assert_eq!(given(Method::POST, "/tasks", "title=t", ""), in_query);
        let deep = format!("{{\"title\":{}", "[".repeat(100_000));
        assert!(given(Method::POST, "/tasks", "", &deep).starts_with("the body is not JSON: recursion limit exceeded"));
    }

    #[test]
    fn conditions_go_where_they_are_checked() {
        let told = |method: Method, path: &str, arguments: Value, pairs: &[(HeaderName, &str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.append(name, HeaderValue::from_str(value).unwrap());
            }
            let mut arguments = arguments.as_object().cloned().unwrap();
            match found(method, path).conditions(&headers, &mut arguments) {
                Ok(version) => format!("{version:?} {}", Value::from(arguments)),
                Err(error) => error.message,
            }
        };
        let version = || [(header::IF_MATCH, "\"7\"")];
        assert_eq!(told(Method::PATCH, "/tasks/1", json!({}), &version()), "Some(7) {}");
        assert_eq!(told(Method::POST, "/api/v1/complete_task", json!({}), &version()), "Some(7) {}");
        assert_eq!(told(Method::PUT, "/context/k", json!({}), &version()), r#"None {"expect_version":7}"#);
        assert_eq!(told(Method::DELETE, "/context/k", json!({}), &version()), r#"None {"expect_version":7}"#);
        assert_eq!(told(Method::PATCH, "/tasks/1", json!({}), &[(header::IF_MATCH, "7")]), "Some(7) {}");
        let new = || [(header::IF_NONE_MATCH, "*")];
        assert_eq!(told(Method::PUT, "/context/k", json!({}), &new()), r#"None {"expect_version":0}"#);
        let both = [version(), new()].concat();
        let never = format!(r#"None {{"expect_version":{}}}"#, u64::MAX);
        assert_eq!(told(Method::PUT, "/context/k", json!({}), &both), never);
        assert_eq!(told(Method::GET, "/tasks", json!({}), &new()), "None {}");
        for (method, path, arguments, pairs, refusal) in [
            (
                Method::PATCH,
                "/tasks/1",
                json!({}),
                vec![(header::IF_MATCH, "x")],
                "If-Match is `x`, which is no ETag of ours",
            ),
            (Method::PATCH, "/tasks/1", json!({}), vec![(header::IF_MATCH, "W/\"7\"")], "If-Match is `W/\"7\"`, which"),
            (Method::PATCH, "/tasks/1", json!({}), vec![(header::IF_MATCH, "*")], "If-Match is `*`, which is no ETag"),
            (Method::PATCH, "/tasks/1", json!({}), new().to_vec(), "If-None-Match can only be `*` here"),
            (Method::PUT, "/context/k", json!({}), [version(), version()].concat(), "the header if-match must be one"),
            (Method::PUT, "/context/k", json!({ "expect_version": 7 }), version().to_vec(), "`expect_version` and If-"),
            (Method::POST, "/tasks", json!({}), version().to_vec(), "If-Match has no meaning for `push_task`"),
            (Method::GET, "/tasks/1", json!({}), version().to_vec(), "If-Match has no meaning for `get_task`"),
        ] {
            let found = told(method.clone(), path, arguments, &pairs);
            assert!(found.starts_with(refusal), "{method} {path} {pairs:?}: {found}");
        }
        let key = [(IDEMPOTENCY_KEY, "k")];
        assert_eq!(told(Method::POST, "/tasks", json!({}), &key), r#"None {"idempotency_key":"k"}"#);
        assert_eq!(told(Method::GET, "/tasks", json!({}), &key), "None {}");
        let spaced = [(IDEMPOTENCY_KEY, "two words")];
        assert!(told(Method::POST, "/tasks", json!({}), &spaced).contains("one word"));
        let own = json!({ "idempotency_key": "own" });
        assert_eq!(told(Method::POST, "/tasks", own, &key), r#"None {"idempotency_key":"own"}"#);
    }

    #[test]
    fn a_failed_condition_is_told_from_a_conflict() {
        let mut headers = HeaderMap::new();
        let conflict = Error::new(Kind::Conflict, "another version");
        let other_version = conflict.clone().at_version(3);
        assert!(!condition_failed(&headers, &other_version), "asked for by an argument");
        headers.insert(header::IF_MATCH, HeaderValue::from_static("\"2\""));
        assert!(condition_failed(&headers, &other_version));
        assert!(!condition_failed(&headers, &conflict), "somebody else holds it");
    }

    #[test]
    fn what_was_made_is_created_and_says_where_it_is() {
        let reply = |operation: &str, data: Value, ids: &[&str], version: Option<u64>| {
            let kept = serde_json::from_value(json!({ "data": data, "ids": ids, "version": version })).unwrap();
            table::find(operation).unwrap().replay(kept).unwrap()
        };
        let sent = reply(
            "send_message",
            json!({ "message_id": "msg-1", "to": "@a", "count": 1, "recipients": [] }),
            &["msg-1"],
            None,
        );
        let post = found(Method::POST, "/messages");
        assert_eq!((post.status(&sent).as_u16(), post.location(&sent).as_deref()), (201, Some("/messages/msg-1")));
        let call = found(Method::POST, "/api/v1/send_message");
        assert_eq!((call.status(&sent).as_u16(), call.location(&sent)), (200, None));
        let put = found(Method::PUT, "/context/k");
        for (version, status) in [(1, 201), (2, 200)] {
            let written = reply("set_context", json!({ "key": "k", "version": version }), &["k"], Some(version));
            assert_eq!(put.status(&written).as_u16(), status);
            assert_eq!(etag(&written).unwrap(), format!("\"{version}\""));
        }
        let nothing = reply("get_context", json!({ "key": "k", "found": false }), &[], None);
        assert_eq!(found(Method::GET, "/context/k").status(&nothing).as_u16(), 404);
        assert_eq!(found(Method::POST, "/api/v1/get_context").status(&nothing).as_u16(), 200);
        assert_eq!(absent(&nothing).message, "nothing is written under k");
        assert_eq!(encoded("i a/ü"), "i%20a%2F%C3%BC");
    }
}
