//! A request from its arrival to its answer: the door, then how much is under way, then what is asked for.

use crate::error::Error;
use crate::error::Result;
use crate::host::Stopwatch;
use crate::http::answer;
use crate::http::api::Api;
use crate::http::api::awaited;
use crate::http::connection::Connection;
use crate::http::connection::Connections;
use crate::http::door;
use crate::http::door::Names;
use crate::http::expiry::Expiries;
use crate::http::feed::Feed;
use crate::http::intake;
use crate::http::intake::Intake;
use crate::http::introduce::Introduced;
use crate::http::lapses::Lapses;
use crate::http::limits::Limits;
use crate::http::limits::Sort;
use crate::http::metrics::Page;
use crate::http::metrics::Requests;
use crate::http::own;
use crate::http::readiness::Readiness;
use crate::http::routes;
use crate::http::visitor::Visitor;
use crate::http::wrong::Wrong;
use crate::mcp::Body;
use crate::mcp::Leave;
use crate::mcp::Web;
use crate::model::access::Access;
use crate::model::id::check_name;
use crate::ops::Caller;
use crate::ops::caller::Origin;
use crate::ops::quota::Share;
use crate::ops::table;
use crate::ops::table::Request as Asked;
use bytes::Bytes;
use http::HeaderMap;
use http::Method;
use http::Request;
use http::Response;
use http::StatusCode;
use http::header;
use http::request::Parts;
use hyper::body::Incoming;
use serde_json::Map;
use serde_json::json;
use std::sync::Arc;

pub(super) struct Router {
    pub(super) api: Arc<Api>,
    pub(super) web: Arc<Web>,
    pub(super) names: Names,
    pub(super) tls: bool,
    pub(super) connections: Connections,
    pub(super) limits: Limits,
    pub(super) intake: Intake,
    pub(super) introduced: Introduced,
    pub(super) wrong: Wrong,
    pub(super) requests: Requests,
    pub(super) lapses: Lapses,
    pub(super) expiries: Arc<Expiries>,
    pub(super) readiness: Readiness,
}

/// What is said of a request in the log and in metrics: nothing that it carries.
struct Told {
    route: &'static str,
    principal: Option<String>,
}

impl Router {
    pub(super) async fn answer(&self, request: Request<Incoming>, connection: &Arc<Connection>) -> Response<Body> {
        let began = Stopwatch::start();
        let id = self.request_id(&request);
        let method = request.method().clone();
        let mut told = Told { route: route_of(request.uri().path()), principal: None };
        let in_chunks = request.headers().contains_key(header::TRANSFER_ENCODING);
        let mut response = match self.at_the_door(request, connection, &mut told).await {
            Ok(response) => response,
            Err(error) => answer::error(&error),
        };
        // Whoever was wrong gets no second try on this connection. And what a proxy before us took for the end of a body in
        // chunks may be another than we do: what came after it is nobody's next request.
        if in_chunks || response.status() == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::CONNECTION, http::HeaderValue::from_static("close"));
        }
        answer::guard(response.headers_mut(), &id, self.tls);
        let status = response.status().as_u16();
        self.requests.count(told.route, status);
        tracing::info!(
            request = id,
            method = method.as_str(),
            route = told.route,
            status,
            principal = told.principal.as_deref().unwrap_or("-"),
            ms = began.so_far().as_millis() as u64,
            "request"
        );
        response
    }

    /// The headers and the body of the answer to what is no request, and so has nobody behind it.
    pub(super) fn garbled(&self, status: StatusCode) -> (HeaderMap, String) {
        let id = self.new_request_id();
        let mut headers = HeaderMap::new();
        answer::guard(&mut headers, &id, self.tls);
        self.requests.count(NO_ROUTE, status.as_u16());
        tracing::info!(request = id, method = "-", route = NO_ROUTE, status = status.as_u16(), "no request");
        (headers, json!({ "error": answer::garbled(status) }).to_string())
    }

    /// Theirs, where it is sane, so that both logs speak of the same.
    fn request_id(&self, request: &Request<Incoming>) -> String {
        let is_sane = |id: &&str| {
            id.len() <= 64 && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
        };
        let given = door::text(request.headers(), "x-request-id").filter(is_sane);
        given.map_or_else(|| self.new_request_id(), str::to_owned)
    }

    fn new_request_id(&self) -> String {
        format!("{:016x}", self.api.desk.host().random())
    }

    async fn at_the_door(
        &self,
        request: Request<Incoming>,
        connection: &Arc<Connection>,
        told: &mut Told,
    ) -> Result<Response<Body>> {
        let (mut parts, incoming) = request.into_parts();
        self.names.check(&parts, connection.peer)?;
        if parts.headers.contains_key(header::TRANSFER_ENCODING) && parts.headers.contains_key(header::CONTENT_LENGTH) {
            return Err(Error::invalid("a body has a `Content-Length` or comes in chunks, and not both"));
        }
        if let Some(response) = self.for_anybody(&parts).await {
            return Ok(response);
        }
        let Some(visitor) = door::visitor(&self.api.desk, &parts.headers, connection.peer).await? else {
            return Ok(self.wrong.answer(connection.peer, parts.headers.contains_key(header::AUTHORIZATION)));
        };
        // Whatever handles the request from here on cannot tell the token to anybody.
        parts.headers.remove(header::AUTHORIZATION);
        let name = visitor.principal.name.clone();
        told.principal = Some(name.clone());
        if !self.connections.is_known(connection, &name) {
            return Ok(answer::too_many("connections"));
        }
        let expiry = self.expiries.of(visitor.token.as_deref());
        let sort = if is_stream(&parts) { Sort::Stream } else { Sort::Call };
        let Some(permit) = self.limits.begin(sort, &name).map(Arc::new) else {
            return Ok(answer::too_many(if sort == Sort::Stream { "open streams" } else { "calls under way" }));
        };
        let body = match self.intake.read(&name, &parts, incoming).await {
            Ok(body) => body,
            Err(response) => return Ok(*response),
        };
        let response = tokio::select! {
            response = self.for_whom_we_know(parts, body, visitor, permit.clone()) => response?,
            // Nobody waits any more under a token that was revoked meanwhile.
            () = expiry.clone().comes() => return Ok(Wrong::lapsed()),
        };
        Ok(response.map(|body| permit.until_sent(body, expiry)))
    }

    /// What says nothing about anybody.
    async fn for_anybody(&self, parts: &Parts) -> Option<Response<Body>> {
        let reads = matches!(parts.method, Method::GET | Method::HEAD);
        match parts.uri.path() {
            "/health" if reads => Some(answer::json(StatusCode::OK, &json!({ "status": "ok" }))),
            "/ready" if reads => Some(self.ready().await),
            "/health" | "/ready" => Some(answer::not_allowed("GET, HEAD")),
            _ => None,
        }
    }

    /// Can calls be answered?
    async fn ready(&self) -> Response<Body> {
        let answers = self.readiness.ask(&self.api).await;
        let ends = *self.api.stop.borrow();
        match answers {
            true if !ends => answer::json(StatusCode::OK, &json!({ "status": "ready" })),
            true => answer::json(StatusCode::SERVICE_UNAVAILABLE, &json!({ "status": "ending" })),
            // Why, is for those who may know it.
            false => answer::json(StatusCode::SERVICE_UNAVAILABLE, &json!({ "status": "store unavailable" })),
        }
    }

    async fn for_whom_we_know(
        &self,
        parts: Parts,
        body: Bytes,
        visitor: Visitor,
        leave: Leave,
    ) -> Result<Response<Body>> {
        let path = parts.uri.path().to_owned();
        let query = parts.uri.query().unwrap_or_default().to_owned();
        match path.as_str() {
            "/mcp" => {
                let speaker = Arc::new(self.speaker(&parts, &visitor, Origin::Agent).await?);
                Ok(self.web.streamable(Request::from_parts(parts, body), speaker, visitor.token, leave).await)
            }
            "/sse" if parts.method == Method::GET => {
                let speaker = Arc::new(self.speaker(&parts, &visitor, Origin::Agent).await?);
                Ok(self.web.open_pipe(speaker))
            }
            "/sse" => Ok(answer::not_allowed("GET")),
            "/messages" if parts.method == Method::POST && query.starts_with("sessionId=") => {
                let speaker = self.speaker(&parts, &visitor, Origin::Agent).await?;
                let session = query.trim_start_matches("sessionId=");
                Ok(self.web.post_to_pipe(session, &body, &speaker, leave).await)
            }
            "/call" if parts.method == Method::POST => self.own_call(&parts, &body, &visitor),
            "/call" => Ok(answer::not_allowed("POST")),
            "/metrics" if matches!(parts.method, Method::GET | Method::HEAD) => Ok(self.metrics().await),
            "/metrics" => Ok(answer::not_allowed("GET, HEAD")),
            "/events" if parts.method == Method::GET => {
                let caller = self.speaker(&parts, &visitor, Origin::Agent).await?;
                self.events(&parts, &query, caller).await
            }
            "/events" => Ok(answer::not_allowed("GET")),
            "/register" => self.rest(&parts, "/api/v1/register_instance", &body, &visitor).await,
            "/unregister" => self.rest(&parts, "/api/v1/unregister_instance", &body, &visitor).await,
            "/openapi.json" => Ok(self.description(&parts)),
            path => self.rest(&parts, path, &body, &visitor).await,
        }
    }

    /// Who calls, and as whom.
    pub(super) async fn speaker(&self, parts: &Parts, visitor: &Visitor, origin: Origin) -> Result<Caller> {
        let host = self.api.desk.host().clone();
        let named = door::said(&parts.headers, "x-orch-instance")?;
        let name = door::said(&parts.headers, "x-instance-name")?;
        let role = door::said(&parts.headers, "x-instance-role")?;
        // Looked at also where nobody has to be registered: what is wrong is wrong each time.
        for (header, said) in [("X-Instance-Name", &name), ("X-Instance-Role", &role)] {
            said.iter().try_for_each(|said| check_name(header, said))?;
        }
        let caller = Caller {
            process: host.process(),
            call: Api::number(),
            principal: Some(visitor.principal.clone()),
            from_environment: named.or_else(|| name.as_ref().map(|name| format!("@{name}"))),
            role,
            origin,
            ..Caller::anonymous(host)
        };
        // To look changes nothing, whatever the headers say.
        if let Some(name) = name
            && matches!(parts.method, Method::POST | Method::PUT | Method::PATCH | Method::DELETE)
            && visitor.principal.access >= Access::Worker
        {
            self.introduced.introduce(&self.api, &caller, &name).await?;
        }
        Ok(caller)
    }

    pub(super) fn leave_to_wait(&self, request: &Asked, visitor: &Visitor) -> Result<Option<Share<String>>> {
        let waits = request.call.patience().is_some();
        waits.then(|| self.web.waits().begin(&visitor.principal.name)).transpose()
    }

    fn own_call(&self, parts: &Parts, body: &[u8], visitor: &Visitor) -> Result<Response<Body>> {
        let (request, caller) = own::read(body, visitor, &self.api)?;
        let leave = match self.leave_to_wait(&request, visitor) {
            Ok(leave) => leave,
            Err(crowded) => return Ok(answer::refusal(StatusCode::TOO_MANY_REQUESTS, &crowded)),
        };
        let api = self.api.clone();
        let answered = async move {
            let _leave = leave;
            own::answer(api, request, caller).await
        };
        if accepts_stream(parts) {
            return Ok(awaited(answered));
        }
        Ok(answer::later(answered))
    }

    async fn events(&self, parts: &Parts, query: &str, caller: Caller) -> Result<Response<Body>> {
        let mut filter = Map::new();
        let mut after = None;
        for (name, value) in intake::query(query)? {
            match name.as_str() {
                "kind" | "subject" => drop(filter.insert(name, value.into())),
                "cursor" => after = Some(value),
                _ => {
                    return Err(Error::invalid(format!(
                        "`{name}` is not known; there are `cursor`, `kind`, `subject`"
                    )));
                }
            }
        }
        // A reader that comes back says where it was, whatever its address said at first.
        let after = door::text(&parts.headers, "last-event-id").map(str::to_owned).or(after);
        let after = after
            .map(|after| after.parse().map_err(|_| Error::invalid("the number of the last event must be a number")));
        Feed { api: self.api.clone(), bell: self.web.event_bell(), caller, after: after.transpose()?, filter }
            .begin()
            .await
    }

    async fn metrics(&self) -> Response<Body> {
        let mut page = Page::default();
        page.requests(&self.requests);
        page.calls(&self.api.desk.counts());
        let (strangers, known) = self.connections.count();
        page.family(
            "orch_connections",
            "gauge",
            "Connections that are open, by whether a token has shown whose they are.",
        );
        page.sample("orch_connections", &[("known", &"no")], strangers);
        page.sample("orch_connections", &[("known", &"yes")], known);
        let under_way = self.limits.under_way(Sort::Call);
        page.gauge(
            "orch_calls_under_way",
            "Requests over HTTP that are not answered to their end, waits among them, streams not.",
            under_way,
        );
        page.gauge("orch_waits", "Calls that hold leave to wait for something to happen.", self.web.waits().count());
        page.gauge(
            "orch_streams_open",
            "Streams of events that are open: `/mcp`, `/sse` and `/events` by GET.",
            self.limits.under_way(Sort::Stream),
        );
        page.gauge(
            "orch_mcp_sessions",
            "Sessions of MCP that live, of both transports; requests of the newest protocol need none.",
            self.web.sessions(),
        );
        let in_line = self.api.desk.waiting_to_write();
        page.gauge(
            "orch_store_writes_waiting",
            "Calls that stand in line to write, for others to carry out with theirs.",
            in_line,
        );
        page.family("orch_tasks", "gauge", "Tasks in the store, by where they stand.");
        for (standing, count) in self.tasks().await {
            page.sample("orch_tasks", &[("standing", &standing)], count);
        }
        let lapsed = self.lapses.count(&self.api).await;
        page.family(
            "orch_lease_expiries_total",
            "counter",
            "Claims that were lost because their lease ended before they were renewed, since this server began.",
        );
        page.sample("orch_lease_expiries_total", &[], lapsed);
        answer::typed(StatusCode::OK, "text/plain; version=0.0.4", page.text())
    }

    async fn tasks(&self) -> Vec<(String, u64)> {
        let Some(Ok(request)) = table::find("server_status").map(|entry| entry.request(Map::new())) else {
            return Vec::new();
        };
        let nobody = Caller::anonymous(self.api.desk.host().clone());
        let Ok(reply) = self.api.call(request, nobody).await else { return Vec::new() };
        let counts = reply.data["tasks"].as_object().into_iter().flatten();
        counts.filter_map(|(standing, count)| Some((standing.clone(), count.as_u64()?))).collect()
    }
}

pub(super) fn accepts_stream(parts: &Parts) -> bool {
    door::text(&parts.headers, "accept").is_some_and(|accept| accept.contains("text/event-stream"))
}

fn is_stream(parts: &Parts) -> bool {
    parts.method == Method::GET && matches!(parts.uri.path(), "/mcp" | "/sse" | "/events")
}

const NO_ROUTE: &str = "other";

/// Where a path leads, in words that no request can make more of.
fn route_of(path: &str) -> &'static str {
    const ROUTES: [&str; 12] = [
        "/mcp",
        "/sse",
        "/messages",
        "/health",
        "/ready",
        "/metrics",
        "/events",
        "/call",
        "/register",
        "/unregister",
        "/openapi.json",
        "/api/v1",
    ];
    let is_below =
        |route: &&&str| path == **route || path.strip_prefix(**route).is_some_and(|rest| rest.starts_with('/'));
    routes::pattern_of(path).or_else(|| ROUTES.iter().find(is_below).copied()).unwrap_or(NO_ROUTE)
}
