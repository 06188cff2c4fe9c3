//! What a line of the client's `stream-json` tells: a running worker's signs of life, and how its turn ended.

use crate::claude::limit::Here;
use crate::claude::limit::is_limit;
use crate::claude::limit::of_unix;
use crate::claude::limit::until;
use crate::model::time::Timestamp;
use serde_json::Map;
use serde_json::Value;

/// Of what a tool is used on, and of what a hook complains of.
const SHOWN_CHARS_MAX: usize = 200;

#[derive(Clone, Debug, PartialEq)]
pub enum Told {
    /// A turn begins; there may be several in a session.
    Began {
        session: String,
        model: String,
    },
    /// The model or a tool did something.
    Works {
        said: Option<String>,
        tools: Vec<String>,
    },
    /// It waits for an answer to whether it may use a tool.
    NeedsPermission {
        tool: String,
        request: String,
    },
    /// It may not use a tool, and goes on without.
    Denied {
        tool: String,
        why: String,
    },
    /// A request failed, and will be tried again.
    Retries {
        attempt: u64,
        attempts_max: u64,
        status: Option<u64>,
        why: String,
    },
    /// Nothing goes on until a usage limit is reset; when, is not always said.
    Limited {
        until: Option<Timestamp>,
    },
    /// A hook has run.
    Hooked {
        /// As `PreToolUse:Bash`.
        name: String,
        /// In the client's own word, such as `success`.
        outcome: String,
        code: Option<i64>,
        /// What it complained of.
        complaint: String,
    },
    Ended(Outcome),
    /// Nothing that anybody needs to know; or a line that is none of the client's, or was cut.
    Nothing,
}

/// How a turn ended. Of several the last counts.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    pub how: How,
    /// The model's last words, or what the client says of the failure.
    pub words: String,
    pub session: String,
    /// The one that cost most.
    pub model: Option<String>,
    pub turns: Option<u64>,
    /// Since the outcome before this one: what may be added up, also over sessions that were resumed.
    pub spent: Option<Spent>,
    /// In the whole session, of which a resumed one brings its past along.
    pub spent_in_all: Option<Spent>,
}

/// That the process ended with code 0 is for its keeper to tell, and success needs both.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum How {
    Done,
    Interrupted,
    TurnsMax,
    BudgetMax,
    TooLong,
    Limited {
        until: Option<Timestamp>,
    },
    /// In the client's own word, such as `api_error`.
    Failed(String),
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Spent {
    pub usd: f64,
    pub input_tokens: u64,
    pub output_tokens: u64,
    pub cache_read_tokens: u64,
    pub cache_write_tokens: u64,
}

impl Told {
    /// For a person who reads along; nothing where there is nothing to read.
    pub fn words(&self) -> Option<String> {
        Some(match self {
            Told::Began { session, model } => format!("a turn begins ({model}, session {session})"),
            Told::Works { said, tools } => {
                let uses = (!tools.is_empty()).then(|| format!("[{}]", tools.join(", ")));
                let all: Vec<String> = said.iter().cloned().chain(uses).collect();
                return (!all.is_empty()).then(|| all.join(" "));
            }
            Told::NeedsPermission { tool, .. } => format!("asks whether it may use {tool}"),
            Told::Denied { tool, why } => format!("may not use {tool}: {why}"),
            Told::Retries { attempt, attempts_max, status, why } => {
                let status = status.map(|status| format!(" {status}")).unwrap_or_default();
                format!("the service failed{status} ({why}); attempt {attempt} of {attempts_max}")
            }
            Told::Limited { until: Some(until) } => format!("the usage limit is reached, until {until}"),
            Told::Limited { until: None } => "the usage limit is reached".to_owned(),
            Told::Hooked { name, outcome, code, complaint } => {
                let code = code.filter(|code| *code != 0).map(|code| format!(" ({code})")).unwrap_or_default();
                let complaint = if complaint.is_empty() { String::new() } else { format!(": {complaint}") };
                format!("{name} {outcome}{code}{complaint}")
            }
            Told::Ended(outcome) => outcome.told(),
            Told::Nothing => return None,
        })
    }
}

impl Outcome {
    fn told(&self) -> String {
        let how = match &self.how {
            How::Done => "the turn ended".to_owned(),
            How::Interrupted => "the turn was interrupted".to_owned(),
            How::TurnsMax => "the turn ended: it took as many steps as it may".to_owned(),
            How::BudgetMax => "the turn ended: its budget is spent".to_owned(),
            How::TooLong => "the turn ended: the prompt is too long".to_owned(),
            How::Limited { .. } => "the turn ended: the usage limit is reached".to_owned(),
            How::Failed(why) => format!("the turn failed ({why})"),
        };
        let cost = self.spent.as_ref().map(|spent| format!(", ${:.2}", spent.usd)).unwrap_or_default();
        let words = if self.words.is_empty() { String::new() } else { format!(": {}", self.words) };
        format!("{how}{cost}{words}")
    }
}

/// Never fails: what the client will say in its next version is no reason to end a worker.
pub fn tell(line: &str, here: &Here) -> Told {
    let Ok(line) = serde_json::from_str::<Value>(line) else { return Told::Nothing };
    match text(&line, "type") {
        "system" => of_system(&line),
        "assistant" => of_assistant(&line, here),
        "user" | "tool_progress" | "stream_event" => Told::Works { said: None, tools: Vec::new() },
        "rate_limit_event" => {
            of_limits(&line["rate_limit_info"]).map_or(Told::Nothing, |until| Told::Limited { until })
        }
        "control_request" => of_request(&line),
        "result" => Told::Ended(outcome(&line, here)),
        _ => Told::Nothing,
    }
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

fn of_system(line: &Value) -> Told {
    let owned = |name: &str| text(line, name).to_owned();
    match text(line, "subtype") {
        "init" => Told::Began { session: owned("session_id"), model: owned("model") },
        "api_retry" => Told::Retries {
            attempt: line["attempt"].as_u64().unwrap_or_default(),
            attempts_max: line["max_retries"].as_u64().unwrap_or_default(),
            status: line["error_status"].as_u64(),
            why: owned("error"),
        },
        "hook_response" => Told::Hooked {
            name: owned("hook_name"),
            outcome: owned("outcome"),
            code: line["exit_code"].as_i64(),
            complaint: shortened(text(line, "stderr")),
        },
        "permission_denied" => Told::Denied { tool: owned("tool_name"), why: owned("message") },
        subtype if subtype.starts_with("task_") => Told::Works { said: None, tools: Vec::new() },
        _ => Told::Nothing,
    }
}

fn of_request(line: &Value) -> Told {
    let request = &line["request"];
    match text(request, "subtype") {
        "can_use_tool" => Told::NeedsPermission {
            tool: text(request, "tool_name").to_owned(),
            request: text(line, "request_id").to_owned(),
        },
        _ => Told::Nothing,
    }
}

fn of_assistant(line: &Value, here: &Here) -> Told {
    let blocks = line["message"]["content"].as_array().map_or(&[][..], Vec::as_slice);
    let of_kind = |kind: &'static str| blocks.iter().filter(move |block| text(block, "type") == kind);
    let said: Vec<&str> = of_kind("text").map(|block| text(block, "text")).collect();
    let said = said.join("\n");
    // What the client says itself, in place of the model.
    let is_error = line["is_api_error_message"] == true || line.get("error").is_some_and(Value::is_string);
    if is_error && (text(line, "error") == "rate_limit" || is_limit(&said)) {
        let infos = [&line["rate_limit_info"], &line["api_error_params"]["rate_limit_info"]];
        let told = infos.into_iter().find_map(|info| of_limits(info).flatten());
        return Told::Limited { until: told.or_else(|| until(&said, here)) };
    }
    let tools = of_kind("tool_use").map(used).collect();
    Told::Works { said: (!said.is_empty()).then_some(said), tools }
}

/// Which tool, and on what: what tells one use from another.
fn used(block: &Value) -> String {
    let (name, input) = (text(block, "name"), &block["input"]);
    let on = ["command", "file_path", "notebook_path", "pattern", "path", "url", "query"];
    let Some(on) = on.iter().find_map(|field| input[*field].as_str()).filter(|on| !on.trim().is_empty()) else {
        return name.to_owned();
    };
    format!("{name}: {}", shortened(on))
}

/// On one line, which has an end.
fn shortened(text: &str) -> String {
    let line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut shown: String = line.chars().take(SHOWN_CHARS_MAX).collect();
    if shown.len() < line.len() {
        shown.push('…');
    }
    shown
}

/// Until when, where nothing more is let through: neither by the plan nor by what is paid besides.
fn of_limits(info: &Value) -> Option<Option<Timestamp>> {
    let is_paid = info["isUsingOverage"] == true || text(info, "overageStatus").starts_with("allowed");
    (text(info, "status") == "rejected" && !is_paid).then(|| info["resetsAt"].as_i64().and_then(of_unix))
}

fn outcome(line: &Value, here: &Here) -> Outcome {
    let errors =
        || line["errors"].as_array().into_iter().flatten().filter_map(Value::as_str).collect::<Vec<_>>().join("\n");
    let words = line["result"].as_str().map_or_else(errors, str::to_owned);
    let in_all = &line["modelUsage"];
    Outcome {
        how: how(line, &words, here),
        words,
        session: text(line, "session_id").to_owned(),
        model: in_all.as_object().and_then(dearest),
        turns: line["num_turns"].as_u64(),
        spent: line["model_usage_since_last_result"].as_object().map(sum),
        spent_in_all: in_all.as_object().map(|models| Spent {
            usd: line["total_cost_usd"].as_f64().unwrap_or_else(|| sum(models).usd),
            ..sum(models)
        }),
    }
}

fn how(line: &Value, words: &str, here: &Here) -> How {
    let (subtype, reason) = (text(line, "subtype"), text(line, "terminal_reason"));
    if line["is_error"] == false && subtype == "success" {
        return How::Done;
    }
    match (subtype, reason) {
        ("error_max_turns", _) => How::TurnsMax,
        ("error_max_budget_usd", _) => How::BudgetMax,
        (_, "prompt_too_long") => How::TooLong,
        (_, reason) if reason.starts_with("aborted") => How::Interrupted,
        _ if line["api_error_status"] == 429 || line["is_error"] == true && is_limit(words) => {
            How::Limited { until: until(words, here) }
        }
        ("success", reason) if !reason.is_empty() => How::Failed(reason.to_owned()),
        (subtype, _) => How::Failed(subtype.to_owned()),
    }
}

fn sum(models: &Map<String, Value>) -> Spent {
    let tokens = |name: &str| models.values().filter_map(|model| model[name].as_u64()).fold(0, u64::saturating_add);
    Spent {
        // The sum of nothing would be less than nothing.
        usd: models.values().filter_map(|model| model["costUSD"].as_f64()).fold(0.0, |sum, cost| sum + cost),
        input_tokens: tokens("inputTokens"),
        output_tokens: tokens("outputTokens"),
        cache_read_tokens: tokens("cacheReadInputTokens"),
        cache_write_tokens: tokens("cacheCreationInputTokens"),
    }
}

fn dearest(models: &Map<String, Value>) -> Option<String> {
    let cost = |model: &Value| model["costUSD"].as_f64().unwrap_or_default();
    models.iter().max_by(|(_, one), (_, other)| cost(one).total_cmp(&cost(other))).map(|(name, _)| name.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::tz::TimeZone;

    // Lines of Claude Code 2.1.329, without the fields that nothing here reads.
    const INIT: &str = r#"{"type":"system","subtype":"init","cwd":"/p","session_id":"04c6","tools":["Bash"],"mcp_servers":[],"model":"claude-opus-5-5","permissionMode":"default"}"#;
    const SAYS: &str = r#"{"type":"assistant","message":{"id":"msg_66","role":"assistant","model":"claude-opus-5-5","content":[{"type":"text","text":"let me see"}]},"parent_tool_use_id":null,"session_id":"04c6"}"#;
    const USES: &str = r#"{"type":"assistant","message":{"id":"msg_66","role":"assistant","content":[{"type":"tool_use","id":"toolu_f8","name":"Bash","input":{"command":"echo hi"}}]},"session_id":"04c6"}"#;
    const RESULT_OF_TOOL: &str = r#"{"type":"user","message":{"role":"user","content":[{"tool_use_id":"toolu_f8","type":"tool_result","content":"hi","is_error":false}]},"session_id":"04c6"}"#;
    const RETRY: &str = r#"{"type":"system","subtype":"api_retry","attempt":1,"max_retries":10,"retry_delay_ms":611,"error_status":500,"error":"server_error","session_id":"598d"}"#;
    const DENIED: &str = r#"{"type":"system","subtype":"permission_denied","tool_name":"Bash","tool_use_id":"toolu_ff","decision_reason_type":"subcommandResults","message":"This Bash command contains multiple operations."}"#;
    const HOOK: &str = r#"{"type":"system","subtype":"hook_response","hook_id":"698e","hook_name":"SessionStart:startup","hook_event":"SessionStart","output":"you are amy\n","stdout":"you are amy\n","stderr":"","exit_code":0,"outcome":"success","session_id":"2f9c"}"#;
    const HOOK_REFUSES: &str = r#"{"type":"system","subtype":"hook_response","hook_id":"8c94","hook_name":"PreToolUse:Bash","hook_event":"PreToolUse","output":"no way\n","stdout":"","stderr":"no\nway\n","exit_code":2,"outcome":"error","session_id":"0a7c"}"#;
    const LIMIT: &str = r#"{"type":"assistant","message":{"model":"<synthetic>","role":"assistant","content":[{"type":"text","text":"API Error: Request rejected (429) · Claude AI usage limit reached|1900000000"}]},"session_id":"3bd2","error":"rate_limit","is_api_error_message":true,"api_error_status":429,"api_error_type":"rate_limit_error"}"#;
    const LIMIT_OF_UNKNOWN_LENGTH: &str = r#"{"type":"assistant","message":{"model":"<synthetic>","content":[{"type":"text","text":"API Error: Request rejected (429) · This request would exceed your account's rate limit. Please try again later."}]},"error":"rate_limit","is_api_error_message":true,"api_error_status":429}"#;
    const DONE: &str = r#"{"session_id":"04c6","total_cost_usd":0.0024,"usage":{"input_tokens":200},"modelUsage":{"claude-haiku-5-5":{"inputTokens":7,"outputTokens":1,"cacheReadInputTokens":0,"cacheCreationInputTokens":0,"costUSD":0.0001},"claude-opus-5-5":{"inputTokens":400,"outputTokens":40,"cacheReadInputTokens":3,"cacheCreationInputTokens":5,"costUSD":0.0023}},"permission_denials":[],"terminal_reason":"completed","is_error":false,"num_turns":2,"subtype":"success","api_error_status":null,"result":"done","type":"result","model_usage_since_last_result":{"claude-opus-5-5":{"inputTokens":200,"outputTokens":20,"cacheReadInputTokens":0,"cacheCreationInputTokens":0,"costUSD":0.0012}}}"#;
    const OVERLOADED: &str = r#"{"total_cost_usd":0,"modelUsage":{},"terminal_reason":"api_error","is_error":true,"num_turns":1,"subtype":"success","api_error_status":529,"result":"API Error: Overloaded","type":"result"}"#;
    const LIMITED: &str = r#"{"total_cost_usd":0,"modelUsage":{},"terminal_reason":"api_error","is_error":true,"num_turns":1,"subtype":"success","api_error_status":429,"result":"API Error: Request rejected (429) · Claude AI usage limit reached|1900000000","type":"result","model_usage_since_last_result":{}}"#;
    const TURNS: &str = r#"{"total_cost_usd":0.0006,"terminal_reason":"max_turns","is_error":true,"num_turns":2,"subtype":"error_max_turns","errors":["Reached maximum number of turns (1)"],"type":"result"}"#;
    const INTERRUPTED: &str = r#"{"terminal_reason":"aborted_streaming","is_error":true,"subtype":"error_during_execution","errors":["[ede_diagnostic] x"],"type":"result"}"#;
    const LOGIN: &str = r#"{"terminal_reason":"api_error","is_error":true,"subtype":"success","result":"Not logged in · Please run /login","type":"result"}"#;
    // As it is told to whoever has a subscription: first the event, then this, then a result with these words alone.
    const LIMIT_OF_A_SUBSCRIPTION: &str = r#"{"type":"assistant","message":{"model":"<synthetic>","role":"assistant","content":[{"type":"text","text":"You've hit your limit · resets 5:46pm (UTC)"}]},"error":"rate_limit","is_api_error_message":true,"api_error_status":429,"api_error":"usage_limit_reached","api_error_params":{"rate_limit_info":{"status":"rejected","resetsAt":1900000000,"rateLimitType":"five_hour","overageStatus":"rejected","isUsingOverage":false}},"api_error_type":"rate_limit_error"}"#;
    const LIMITS: &str = r#"{"type":"rate_limit_event","rate_limit_info":{"status":"rejected","resetsAt":1900000000,"rateLimitType":"five_hour"},"uuid":"u","session_id":"s"}"#;
    // This one follows the client's own schema.
    const ASKS: &str = r#"{"type":"control_request","request_id":"r1","request":{"subtype":"can_use_tool","tool_name":"Bash","input":{"command":"ls"}}}"#;

    fn here() -> Here {
        Here { now: "2026-11-21T13:00:00Z".parse().unwrap(), zone: TimeZone::UTC }
    }

    fn told(line: &str) -> Told {
        tell(line, &here())
    }

    fn outcome(line: &str) -> Outcome {
        match told(line) {
            Told::Ended(outcome) => outcome,
            other => panic!("{other:?}"),
        }
    }

    fn works(said: Option<&str>, tools: &[&str]) -> Told {
        Told::Works { said: said.map(str::to_owned), tools: tools.iter().map(|&tool| tool.to_owned()).collect() }
    }

    fn hooked(name: &str, outcome: &str, code: Option<i64>, complaint: &str) -> Told {
        let [name, outcome, complaint] = [name, outcome, complaint].map(str::to_owned);
        Told::Hooked { name, outcome, code, complaint }
    }

    #[test]
    fn a_hook_is_told_in_a_line_with_what_it_complained_of() {
        assert_eq!(told(HOOK).words().unwrap(), "SessionStart:startup success");
        assert_eq!(told(HOOK_REFUSES).words().unwrap(), "PreToolUse:Bash error (2): no way");
    }

    fn year_2030() -> Option<Timestamp> {
        Some(Timestamp::from_millis(1_900_000_000_000))
    }

    #[test]
    fn each_line_tells_what_it_tells() {
        let text = str::to_owned;
        for (line, wanted) in [
            (INIT, Told::Began { session: text("04c6"), model: text("claude-opus-5-5") }),
            (SAYS, works(Some("let me see"), &[])),
            (USES, works(None, &["Bash: echo hi"])),
            (RESULT_OF_TOOL, works(None, &[])),
            (r#"{"type":"tool_progress","tool_name":"Bash","elapsed_time_seconds":30}"#, works(None, &[])),
            (RETRY, Told::Retries { attempt: 1, attempts_max: 10, status: Some(500), why: text("server_error") }),
            (DENIED, Told::Denied { tool: text("Bash"), why: text("This Bash command contains multiple operations.") }),
            (ASKS, Told::NeedsPermission { tool: text("Bash"), request: text("r1") }),
            (LIMIT, Told::Limited { until: year_2030() }),
            (LIMIT_OF_UNKNOWN_LENGTH, Told::Limited { until: None }),
            (LIMITS, Told::Limited { until: year_2030() }),
            (r#"{"type":"system","subtype":"hook_started","hook_name":"SessionStart:startup"}"#, Told::Nothing),
            (HOOK, hooked("SessionStart:startup", "success", Some(0), "")),
            (HOOK_REFUSES, hooked("PreToolUse:Bash", "error", Some(2), "no way")),
            (r#"{"type":"of_the_next_version"}"#, Told::Nothing),
            (&INIT[..INIT.len() - 1], Told::Nothing),
            ("", Told::Nothing),
            ("[1]", Told::Nothing),
            ("null", Told::Nothing),
        ] {
            assert_eq!(told(line), wanted, "{line}");
        }
    }

    #[test]
    fn a_limit_that_lets_something_through_is_none() {
        for (from, to) in [
            ("rejected", "allowed_warning"),
            (r#""resetsAt""#, r#""isUsingOverage":true,"resetsAt""#),
            (r#""resetsAt""#, r#""overageStatus":"allowed","resetsAt""#),
        ] {
            assert_eq!(told(&LIMITS.replace(from, to)), Told::Nothing, "{to}");
        }
        // A model may well talk about limits.
        let says = SAYS.replace("let me see", "5-hour limit reached, resets 3pm");
        assert_eq!(told(&says), works(Some("5-hour limit reached, resets 3pm"), &[]));
    }

    #[test]
    fn a_limit_is_dated_by_its_fields_before_its_words() {
        let words =
            LIMIT.replace("Claude AI usage limit reached|1900000000", "You've hit your session limit · resets 3pm");
        assert_eq!(told(&words), Told::Limited { until: Some("2026-11-21T15:00:00Z".parse().unwrap()) });
        let info = r#""rate_limit_info":{"status":"rejected","resetsAt":1900000000},"error":"rate_limit""#;
        assert_eq!(told(&words.replace(r#""error":"rate_limit""#, info)), Told::Limited { until: year_2030() });
        assert_eq!(told(LIMIT_OF_A_SUBSCRIPTION), Told::Limited { until: year_2030() });
    }

    #[test]
    fn success_needs_both_a_result_without_error_and_its_word() {
        assert_eq!(outcome(DONE).how, How::Done);
        assert_ne!(outcome(&DONE.replace(r#""is_error":false"#, r#""is_error":true"#)).how, How::Done);
        assert_ne!(outcome(&DONE.replace(r#""is_error":false,"#, "")).how, How::Done);
        assert_ne!(outcome(&DONE.replace(r#""success""#, r#""error_of_tomorrow""#)).how, How::Done);
    }

    #[test]
    fn each_failure_has_its_word() {
        let failed = |word: &str| How::Failed(word.to_owned());
        for (line, how, words) in [
            (OVERLOADED, failed("api_error"), "API Error: Overloaded"),
            (
                LIMITED,
                How::Limited { until: year_2030() },
                "API Error: Request rejected (429) · Claude AI usage limit reached|1900000000",
            ),
            (TURNS, How::TurnsMax, "Reached maximum number of turns (1)"),
            (INTERRUPTED, How::Interrupted, "[ede_diagnostic] x"),
            (LOGIN, failed("api_error"), "Not logged in · Please run /login"),
            (r#"{"type":"result","subtype":"error_max_budget_usd","is_error":true}"#, How::BudgetMax, ""),
            (
                r#"{"type":"result","subtype":"success","is_error":true,"terminal_reason":"prompt_too_long"}"#,
                How::TooLong,
                "",
            ),
            (r#"{"type":"result"}"#, failed(""), ""),
        ] {
            let outcome = outcome(line);
            assert_eq!((outcome.how, outcome.words.as_str()), (how, words), "{line}");
        }
    }

    #[test]
    fn what_was_spent_is_told_of_this_turn_and_in_all_and_unknown_stays_unknown() {
        let done = outcome(DONE);
        assert_eq!((done.session.as_str(), done.turns), ("04c6", Some(2)));
        assert_eq!(done.model.as_deref(), Some("claude-opus-5-5"));
        let turn = Spent { usd: 0.0012, input_tokens: 200, output_tokens: 20, ..Spent::default() };
        assert_eq!(done.spent, Some(turn));
        let all =
            Spent { usd: 0.0024, input_tokens: 407, output_tokens: 41, cache_read_tokens: 3, cache_write_tokens: 5 };
        assert_eq!(done.spent_in_all, Some(all));
        let unknown = outcome(TURNS);
        assert_eq!((unknown.spent, unknown.spent_in_all, unknown.model), (None, None, None));
        assert_eq!(outcome(LIMITED).spent, Some(Spent::default()));
        assert!(outcome(LIMITED).told().contains(", $0.00: "), "{}", outcome(LIMITED).told());
    }
}
