//! Questions to the human: ask, list, wait, answer, withdraw.

mod answer;
mod ask;
mod due;
mod get;
mod list;
mod permit;
mod policy;
mod wait;
mod withdraw;

pub use answer::AnswerQuestion;
pub use ask::AskHuman;
pub(in crate::ops) use due::settle_due;
pub use get::GetQuestion;
pub use list::ListQuestions;
pub use permit::PERMISSION_SECS_DEFAULT;
pub use permit::PERMISSION_SECS_MAX;
pub use permit::RequestPermission;
pub(in crate::ops) use permit::in_words;
pub use policy::SetPolicy;
pub use wait::WaitForAnswer;
pub use withdraw::WithdrawQuestion;

use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::model::access::Access;
use crate::model::id::InstanceId;
use crate::model::id::QuestionId;
use crate::model::id::TaskId;
use crate::model::question;
use crate::model::question::Decision;
use crate::model::question::Question;
use crate::model::question::State;
use crate::model::time::Timestamp;
use crate::ops::Caller;
use crate::ops::render;
use crate::store::QuestionFilter;
use crate::store::Tx;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Map;
use serde_json::Value;
use std::fmt;

/// Nobody has so many open questions.
const OPEN_MAX: u32 = 200;

/// What is shown of a long question, answer or request in a list.
const TEXT_BYTES_SHOWN: usize = 2_000;
const REQUEST_BYTES_SHOWN: usize = 2_000;
const EFFECT_WIDTH: usize = 200;
const LINE_WIDTH: usize = 300;
const REQUEST_BYTES_WHOLE: usize = 3_000;
/// Of each text in a request that is too long to be shown.
const REQUEST_TEXT_BYTES: usize = 300;
/// What a worker was allowed for good: of more than that the oldest is asked for again.
pub(in crate::ops) const PERMISSIONS_MAX: u32 = 1_000;

/// A question as callers see it.
#[derive(Debug, Deserialize, JsonSchema, Serialize)]
pub struct QuestionView {
    pub id: QuestionId,
    pub kind: question::Kind,
    pub state: State,
    /// Who asks.
    pub from: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_id: Option<TaskId>,
    /// What cannot go on without the answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blocks: Vec<TaskId>,
    pub text: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_at: Option<Timestamp>,
    /// What permission is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<Decision>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered_by: Option<String>,
    pub asked_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// It was allowed for good, and then that was taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_before: Option<AllowedBefore>,
}

/// Who allowed it for good, and when.
#[derive(Debug, Deserialize, JsonSchema, Serialize)]
pub struct AllowedBefore {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    pub at: Timestamp,
}

impl QuestionView {
    /// Cut to what a list has room for; what is to be allowed is shown whole.
    pub fn of(question: Question) -> QuestionView {
        let text_bytes = if question.kind.takes_a_decision() { question::TEXT_BYTES_MAX } else { TEXT_BYTES_SHOWN };
        QuestionView::shown(question, text_bytes, REQUEST_BYTES_SHOWN)
    }

    fn shown(question: Question, text_bytes: usize, request_bytes: usize) -> QuestionView {
        QuestionView {
            id: question.id,
            kind: question.kind,
            state: question.state,
            from: question.asker_name,
            task_id: question.task,
            blocks: question.blocks,
            text: render::short(&question.text, text_bytes),
            // Once it is answered, the answer says which.
            options: if question.state == State::Open { question.options } else { Vec::new() },
            default: question.default,
            due_at: question.due_at,
            request: question.request.and_then(|map| shown_request(map, request_bytes)),
            answer: question.answer.map(|answer| render::short(&answer, text_bytes)),
            decision: question.decision,
            answered_by: question.answered_by,
            asked_at: question.asked_at,
            ended_at: question.ended_at,
            allowed_before: None,
        }
    }

    /// What came of it.
    fn outcome(&self) -> Option<String> {
        let by = self.answered_by.as_ref().map(|by| format!(" ({by})")).unwrap_or_default();
        let said = match (self.decision, &self.answer) {
            (Some(decision), Some(words)) => format!("{}: {words}", decision.word()),
            (Some(decision), None) => decision.word().to_owned(),
            (None, Some(words)) => words.clone(),
            (None, None) => return None,
        };
        Some(format!("{said}{by}"))
    }
}

impl QuestionView {
    /// For somebody who decides by it: nothing of its text is left out.
    pub(in crate::ops) fn whole(question: Question) -> QuestionView {
        QuestionView::shown(question, question::TEXT_BYTES_MAX, REQUEST_BYTES_WHOLE)
    }

    /// All that a person should know before the answer, in paragraphs.
    pub fn told(&self) -> Vec<String> {
        let mut told: Vec<String> = self.text.lines().map(str::to_owned).collect();
        told.extend(self.details());
        told.extend(self.options.iter().enumerate().map(|(at, option)| format!("{}. {option}", at + 1)));
        if !self.blocks.is_empty() {
            let blocks: Vec<String> = self.blocks.iter().map(|task| task.short()).collect();
            told.push(format!("holds up {}", blocks.join(", ")));
        }
        told.extend(self.unanswered().filter(|_| self.state == State::Open));
        told.extend(
            self.always().filter(|_| self.state == State::Open).map(|always| format!("with --always: {always}")),
        );
        told
    }

    /// What a tool is given, as far as the text does not say it.
    fn details(&self) -> Vec<String> {
        let Some(request) = self.request.as_ref().filter(|_| self.kind == question::Kind::Permission) else {
            return Vec::new();
        };
        let always = &request["always"];
        let is_told = |field: &str| match field {
            "command" => always["command"].is_string(),
            "file_path" | "notebook_path" => always["file"].is_string(),
            _ => false,
        };
        let input = request["input"].as_object().into_iter().flatten().filter(|(field, _)| !is_told(field));
        let lines = |(field, value): (&String, &Value)| -> Vec<String> {
            match value.as_str() {
                // Indented, so that no line of it can look like another field.
                Some(text) if text.trim_end().contains('\n') => {
                    std::iter::once(format!("{field}:")).chain(text.lines().map(|line| format!("    {line}"))).collect()
                }
                Some(text) => vec![format!("{field}: {}", text.trim_end())],
                None => vec![format!("{field}: {value}")],
            }
        };
        input.flat_map(lines).collect()
    }

    /// What becomes of it if nobody says anything.
    fn unanswered(&self) -> Option<String> {
        let by = self.due_at.map(|due| render::moment(due, self.asked_at));
        Some(match (by, &self.default) {
            (Some(by), _) if self.kind.takes_a_decision() => format!("denied if nobody answers by {by}"),
            (Some(by), Some(default)) => format!("if nobody answers by {by}: {default}"),
            (Some(by), None) => format!("wants an answer by {by}"),
            (None, Some(default)) => format!("proposes: {default}"),
            (None, None) => return None,
        })
    }

    /// What else is allowed by allowing it for good.
    fn always(&self) -> Option<&'static str> {
        if self.kind != question::Kind::Permission {
            return None;
        }
        let always = self.request.as_ref().map(|request| &request["always"]);
        let has = |field: &str| always.is_some_and(|always| always[field].is_string());
        Some(match (has("command"), has("file")) {
            (true, _) => "this very command, from now on",
            (_, true) => "whatever it does with this tool to this file, from now on",
            (false, false) => "this tool with just this input, from now on",
        })
    }

    /// What an answer came to, in a line.
    fn effect(&self) -> String {
        let id = self.id.short();
        let (word, not) = match self.decision {
            Some(Decision::Deny) if self.allowed_before.is_some() => ("taken back", " no longer always"),
            None => return format!("{id} of {} is answered: {}", self.from, self.outcome().unwrap_or_default()),
            Some(Decision::Deny) => ("denied", " not"),
            Some(Decision::Approve | Decision::ApproveAlways) => ("allowed", ""),
        };
        let always = if self.decision == Some(Decision::ApproveAlways) { ", from now on" } else { "" };
        let why = self.answer.as_ref().map(|words| format!(": {words}")).unwrap_or_default();
        let request = self.request.as_ref().filter(|_| self.kind == question::Kind::Permission);
        let what = match request {
            None => format!(" ({})", render::first_line(&self.text, EFFECT_WIDTH)),
            Some(request) => {
                let tool = request["tool"].as_str().unwrap_or("this tool");
                let subject = &request["always"];
                let does = match (subject["command"].as_str(), subject["file"].as_str()) {
                    (Some(command), _) => format!("run `{}`", render::one_line(command, EFFECT_WIDTH)),
                    (_, Some(file)) => format!("use {tool} on {file}"),
                    (None, None) => format!("use {tool}"),
                };
                return format!("{word}: {} may{not} {does}{always} ({id}){why}", self.from);
            }
        };
        format!("{word}: {id} of {}{what}{always}{why}", self.from)
    }

    /// What is asked, and how it is answered, in a line. What it does not show whole is not to be decided by it.
    pub fn in_a_line(&self) -> String {
        let (id, text) = (self.id.short(), render::one_line(&self.text, LINE_WIDTH));
        let is_whole = !text.ends_with('…') && self.details().is_empty();
        match is_whole || !self.kind.takes_a_decision() {
            true => format!("asks {id}: {text}; next: {}", self.answers()),
            false => format!("asks {id}: {text}; next: orch-mcp get-question {id}, which shows all of it"),
        }
    }

    /// What is typed to answer it.
    fn answers(&self) -> String {
        let id = self.id.short();
        match (self.kind.takes_a_decision(), self.options.is_empty()) {
            (true, _) => format!("orch-mcp approve {id}, or orch-mcp deny {id} \"why\""),
            (false, true) => format!("orch-mcp respond {id} \"your answer\""),
            (false, false) => format!("orch-mcp respond {id} 1, or with your own words"),
        }
    }
}

/// As a person reads it who is to answer it.
impl fmt::Display for QuestionView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let about = self.task_id.map(|task| format!(" about {}", task.short())).unwrap_or_default();
        let state = if self.state == State::Open { String::new() } else { format!(", {}", self.state.word()) };
        writeln!(f, "{}  {} asks{about}, {} ago{state}", self.id.short(), self.from, render::age(self.asked_at))?;
        // Indented, so that no text can look like the head of another question.
        self.told().iter().try_for_each(|line| writeln!(f, "    {line}"))?;
        if self.state == State::Open {
            writeln!(f, "    > {}", self.answers())?;
        }
        if let Some(AllowedBefore { by, at }) = &self.allowed_before {
            let by = by.as_ref().map(|by| format!(" ({by})")).unwrap_or_default();
            writeln!(f, "    > {}{by} at {}, and then taken back", Decision::ApproveAlways.word(), render::local(*at))?;
        }
        match self.outcome() {
            Some(outcome) => outcome.lines().try_for_each(|line| writeln!(f, "    > {line}")),
            None => Ok(()),
        }
    }
}

/// Whole, or else the beginning of each of its texts.
fn shown_request(request: Map<String, Value>, bytes: usize) -> Option<Value> {
    let mut request = Value::Object(request);
    if render::size(&request) > bytes {
        render::shorten_texts(&mut request, REQUEST_TEXT_BYTES);
    }
    render::clip_json(&request, bytes).ok()
}

/// Nobody waits any more for what somebody asked.
pub(in crate::ops) fn withdraw_open(tx: &mut dyn Tx, asker: &InstanceId, kinds: &[question::Kind]) -> Result<()> {
    let open = QuestionFilter { asker: Some(asker.clone()), ..QuestionFilter::open() };
    let now = tx.now();
    for mut one in tx.questions(&open, OPEN_MAX)?.into_iter().filter(|one| kinds.contains(&one.kind)) {
        let event = one.withdraw(None, now)?;
        tx.update_question(&mut one)?;
        tx.append_event(event)?;
    }
    Ok(())
}

/// What it asks, in a line: what may be drawn below a gate's first line says nothing on one; of a request every line counts.
pub fn brief(question: &Question, width: usize) -> String {
    match question.kind {
        question::Kind::Gate => render::first_line(&question.text, width),
        _ => render::one_line(&question.text, width),
    }
}

fn existing(tx: &mut dyn Tx, id: QuestionId) -> Result<Question> {
    tx.question(id)?.ok_or_else(|| {
        Error::not_found(format!("no question `{id}`")).hint("`list_questions` shows those that are open")
    })
}

/// Those who asked, and those who lead, may know what came of it.
fn check_may_know(question: &Question, tx: &mut dyn Tx, caller: &Caller) -> Result<()> {
    let Some(principal) = caller.principal.as_ref().filter(|principal| principal.access < Access::Lead) else {
        return Ok(());
    };
    let asker = match &question.asker {
        Some(asker) => tx.instance(asker)?,
        None => None,
    };
    match asker {
        Some(asker) if caller.may_be(&asker) => Ok(()),
        _ => {
            let message =
                format!("question `{}` was asked by others, and this token is of a {}", question.id, principal.access);
            Err(Error::new(Kind::Forbidden, message).hint("a token of a lead or of a human reads all questions"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn permission(tool: &str, input: Value, always: Value) -> QuestionView {
        let at = "2026-11-22T12:00:00.000Z";
        let view = json!({
            "id": "q-0000000003", "kind": "permission", "state": "open", "from": "amy", "text": "May amy do it?",
            "asked_at": at, "request": { "tool": tool, "input": input, "call": "t1", "always": always },
        });
        serde_json::from_value(view).expect("a question as callers see it")
    }

    #[test]
    fn a_request_is_told_in_words_with_what_is_typed_to_decide_it() {
        let input = json!({ "file_path": "/etc/passwd", "content": "root\nme" });
        let view = permission("Write", input, json!({ "file": "/etc/passwd" }));
        assert!(view.in_a_line().ends_with("next: orch-mcp get-question q-3, which shows all of it"));
        let short = permission("Bash", json!({ "command": "ls" }), json!({ "command": "ls" })).in_a_line();
        let next = "next: orch-mcp approve q-3, or orch-mcp deny q-3 \"why\"";
        assert_eq!(short, format!("asks q-3: May amy do it?; {next}"));
        let told = view.to_string();
        let lines: Vec<&str> = told.lines().skip(1).collect();
        assert_eq!(
            lines,
            [
                "    May amy do it?",
                "    content:",
                "        root",
                "        me",
                "    with --always: whatever it does with this tool to this file, from now on",
                "    > orch-mcp approve q-3, or orch-mcp deny q-3 \"why\"",
            ]
        );
    }

    #[test]
    fn a_decision_says_what_it_was_about() {
        let effect = |mut view: QuestionView, decision| {
            (view.state, view.decision) = (State::Answered, Some(decision));
            view.effect()
        };
        let write = || permission("Write", json!({}), json!({ "file": "/etc/passwd" }));
        assert_eq!(effect(write(), Decision::Deny), "denied: amy may not use Write on /etc/passwd (q-3)");
        let run = permission("Bash", json!({}), json!({ "command": "cargo\ntest" }));
        assert_eq!(effect(run, Decision::ApproveAlways), "allowed: amy may run `cargo test`, from now on (q-3)");
        let mut back = permission("Bash", json!({}), json!({ "command": "cargo test" }));
        back.allowed_before = Some(AllowedBefore { by: None, at: back.asked_at });
        assert_eq!(effect(back, Decision::Deny), "taken back: amy may no longer always run `cargo test` (q-3)");
        let other = permission("mcp__x__send", json!({}), json!({ "input": {} }));
        assert_eq!(effect(other, Decision::Approve), "allowed: amy may use mcp__x__send (q-3)");
    }
}
