//! What a task carries that is a stage of a pipeline, and the verdict by which a stage decides about those before it.

use crate::error::Error;
use crate::error::Result;
use crate::model::id::check_name;
use crate::model::nearest::nearest;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Map;
use serde_json::Value;
use std::fmt;

#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Stage {
    pub pipeline: String,
    pub name: String,
    /// The first round is 1.
    #[serde(default = "first_round")]
    pub round: u32,
    /// Its result is a verdict about the stages before it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub verdict: bool,
    /// Its result is the plan of what comes next.
    #[serde(default, skip_serializing_if = "is_default")]
    pub plans: bool,
    #[serde(default, skip_serializing_if = "is_default")]
    pub gate: Gate,
    /// Where a rejection leads, by a verdict or by the human at the gate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sends_back_to: Option<String>,
    /// How often at most.
    #[serde(default, skip_serializing_if = "is_default")]
    pub times: u32,
    /// A newer round of it was made while somebody still did this one, whose word lets nothing pass any more.
    #[serde(default, skip_serializing_if = "is_default")]
    pub overtaken: bool,
    /// How often it has led back by now.
    #[serde(default, skip_serializing_if = "is_default")]
    pub sent_back: u32,
}

impl Stage {
    /// In its first round, with nothing that holds it up.
    pub fn first(pipeline: &str, name: &str) -> Stage {
        Stage {
            pipeline: pipeline.to_owned(),
            name: name.to_owned(),
            round: first_round(),
            verdict: false,
            plans: false,
            gate: Gate::Automatic,
            sends_back_to: None,
            times: 0,
            overtaken: false,
            sent_back: 0,
        }
    }

    /// Where its rejection leads: to itself, if nothing else is said.
    pub fn goes_back_to(&self) -> &str {
        self.sends_back_to.as_deref().unwrap_or(&self.name)
    }
}

fn first_round() -> u32 {
    1
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Who lets on what a stage made.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Gate {
    /// Whoever completes it.
    #[default]
    Automatic,
    Human,
}

/// What a stage decides about those before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It holds: on with the next stage.
    ActivateNext,
    /// Once more, by whoever takes it, with these words.
    Feedback { feedback: String },
    /// Once more, by somebody else.
    Reassign { to: Assigned, feedback: String },
    /// No more of it: what comes after is called off.
    Close { reason: String },
}

/// Who does it again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Assigned {
    Role(String),
    /// The one instance that bears this name, which is without its `@` here.
    Instance(String),
}

impl fmt::Display for Assigned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Assigned::Role(role) => f.write_str(role),
            Assigned::Instance(name) => write!(f, "@{name}"),
        }
    }
}

/// Longest feedback or reason, in characters. What is longer belongs into the stage's `result`.
pub const WORDS_CHARS_MAX: usize = 8_000;

const FIELDS: [&str; 4] = ["verdict", "feedback", "to", "reason"];

/// Each verdict, and what it must come with. What else it comes with nobody would read.
const NEEDS: [(&str, &[&str]); 4] =
    [("activate_next", &[]), ("feedback", &["feedback"]), ("reassign", &["feedback", "to"]), ("close", &["reason"])];

impl Verdict {
    /// From the `result_json` with which a stage is completed. An error says how to mend that call.
    pub fn read(result_json: Option<&Value>) -> Result<Verdict> {
        let fields = match result_json {
            Some(Value::Object(fields)) => fields,
            found => {
                let found = found.map_or("missing", kind);
                return Err(wrong(format!("`result_json` is {found}, wanted an object with the verdict")));
            }
        };
        if let Some(stray) = fields.keys().find(|key| !FIELDS.contains(&key.as_str())) {
            let all = FIELDS.map(|field| format!("`{field}`")).join(", ");
            let error = Error::invalid(format!("a verdict has no `{}`", shown(stray)));
            return Err(error.hint(match nearest(stray, FIELDS.into_iter()) {
                Some(near) => format!("did you mean `{near}`? There are {all}"),
                None => format!("there are {all}: put what else you found into `result`"),
            }));
        }
        let word = text(fields, "verdict")?.ok_or_else(|| wrong("`verdict` is missing".to_owned()))?;
        let Some((word, needs)) = NEEDS.iter().find(|(known, _)| *known == word) else {
            let all = NEEDS.map(|(word, _)| format!("`{word}`")).join(", ");
            let error = Error::invalid(format!("`verdict` is `{}`, wanted one of {all}", shown(word)));
            let near = nearest(word, NEEDS.iter().map(|(word, _)| *word));
            return Err(error.hint(near.map_or_else(Verdict::schema_words, |near| format!("did you mean `{near}`?"))));
        };
        for field in FIELDS.iter().skip(1).filter(|field| !needs.contains(field)) {
            if fields.get(*field).is_some_and(|value| !value.is_null()) {
                let error = Error::invalid(format!("`{field}` says nothing with the verdict `{word}`"));
                return Err(error.hint(stray_hint(word, field)));
            }
        }
        let words = |field| words(fields, word, field);
        Ok(match *word {
            "activate_next" => Verdict::ActivateNext,
            "feedback" => Verdict::Feedback { feedback: words("feedback")? },
            "reassign" => Verdict::Reassign { feedback: words("feedback")?, to: assigned(fields)? },
            _ => Verdict::Close { reason: words("reason")? },
        })
    }

    /// Once more, with these words, and perhaps by somebody else.
    pub fn rejects(&self) -> Option<(&str, Option<&Assigned>)> {
        match self {
            Verdict::Feedback { feedback } => Some((feedback, None)),
            Verdict::Reassign { feedback, to } => Some((feedback, Some(to))),
            Verdict::ActivateNext | Verdict::Close { .. } => None,
        }
    }

    /// The stable word for it.
    pub fn word(&self) -> &'static str {
        match self {
            Verdict::ActivateNext => "activate_next",
            Verdict::Feedback { .. } => "feedback",
            Verdict::Reassign { .. } => "reassign",
            Verdict::Close { .. } => "close",
        }
    }

    /// One paragraph for a prompt: how a verdict is told.
    pub fn schema_words() -> String {
        format!(
            "Tell your verdict with `complete_task`, as a `result_json` that is exactly one of these: \
             `{{\"verdict\":\"activate_next\"}}` (it holds, the next stage may begin); \
             `{{\"verdict\":\"feedback\",\"feedback\":\"…\"}}` (once more: what is wrong, where, what would be right); \
             `{{\"verdict\":\"reassign\",\"to\":\"ROLE or @NAME\",\"feedback\":\"…\"}}` (once more, by somebody else); \
             `{{\"verdict\":\"close\",\"reason\":\"…\"}}` (no more of it: it cannot or should not be done). \
             Feedback and reason have 1 to {WORDS_CHARS_MAX} characters. Other fields are refused; all else that you \
             found belongs into `result`."
        )
    }
}

fn wrong(what: String) -> Error {
    Error::invalid(what).hint(Verdict::schema_words())
}

fn stray_hint(word: &str, field: &str) -> &'static str {
    match (word, field) {
        (_, "to") => "take it out, or say `reassign`, which gives the work to somebody else",
        ("activate_next", "feedback") => {
            "take it out if the next stage may begin all the same, or say `feedback`, which sends the work back with it"
        }
        ("close", "feedback") => "call it `reason`, or say `feedback`, which sends the work back with it",
        ("activate_next", _) => "put it into `result`, or say `close`, which ends the work with it",
        _ => "put it into `feedback`, which is what whoever does it again reads",
    }
}

/// What a field says; `null` says nothing.
fn text<'a>(fields: &'a Map<String, Value>, field: &str) -> Result<Option<&'a str>> {
    match fields.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.trim()).filter(|text| !text.is_empty())),
        Some(other) => Err(wrong(format!("`{field}` is {}, wanted a text", kind(other)))),
    }
}

fn words(fields: &Map<String, Value>, word: &str, field: &str) -> Result<String> {
    let Some(text) = text(fields, field)? else {
        return Err(missing(word, field));
    };
    let length = text.chars().count();
    if length > WORDS_CHARS_MAX {
        let error = Error::invalid(format!("`{field}` has {length} characters, and may have {WORDS_CHARS_MAX}"));
        return Err(error.hint("keep what must be done, and put the rest into `result`"));
    }
    Ok(text.to_owned())
}

fn missing(word: &str, field: &str) -> Error {
    Error::invalid(format!("`{field}` is missing, and the verdict `{word}` needs it")).hint(match field {
        "feedback" => "say what is wrong, where, and what would be right: it is all that whoever does it again knows",
        "to" => "name a role, or one instance as `@name`; for whoever takes it, say `feedback` instead",
        _ => "say why nothing more is to be done",
    })
}

fn assigned(fields: &Map<String, Value>) -> Result<Assigned> {
    let to = text(fields, "to")?.ok_or_else(|| missing("reassign", "to"))?;
    Ok(match to.strip_prefix('@') {
        Some(name) => check_name("to", name).map(|()| Assigned::Instance(name.to_owned()))?,
        None => check_name("to", to).map(|()| Assigned::Role(to.to_owned()))?,
    })
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// What somebody else wrote, short enough for a message.
fn shown(text: &str) -> String {
    text.chars().take(40).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_stage_says_no_more_than_it_must_and_what_is_absent_is_so_by_default() {
        let least = json!({ "pipeline": "chain", "name": "build" });
        let stage: Stage = serde_json::from_value(least).expect("it is a stage");
        let expected = Stage::first("chain", "build");
        assert_eq!(stage, expected);
        assert_eq!(json!(stage), json!({ "pipeline": "chain", "name": "build", "round": 1 }));
        let full = Stage {
            round: 2,
            verdict: true,
            gate: Gate::Human,
            sends_back_to: Some("plan".to_owned()),
            times: 3,
            ..expected
        };
        let kept = json!(full);
        assert_eq!((&kept["gate"], &kept["times"]), (&json!("human"), &json!(3)));
        assert_eq!(serde_json::from_value::<Stage>(kept).expect("it is a stage"), full);
    }

    #[test]
    fn each_verdict_is_read_with_what_it_needs() {
        let words = |text: &str| text.to_owned();
        for (given, verdict) in [
            (json!({ "verdict": "activate_next" }), Verdict::ActivateNext),
            (json!({ "verdict": "activate_next", "feedback": null, "to": null }), Verdict::ActivateNext),
            (json!({ "verdict": "feedback", "feedback": " x\n" }), Verdict::Feedback { feedback: words("x") }),
            (
                json!({ "verdict": "reassign", "to": "builder", "feedback": "x" }),
                Verdict::Reassign { to: Assigned::Role(words("builder")), feedback: words("x") },
            ),
            (
                json!({ "verdict": "reassign", "to": "@amy", "feedback": "x" }),
                Verdict::Reassign { to: Assigned::Instance(words("amy")), feedback: words("x") },
            ),
            (json!({ "verdict": "close", "reason": "obsolete" }), Verdict::Close { reason: words("obsolete") }),
        ] {
            let read = Verdict::read(Some(&given));
            assert_eq!(read.as_ref(), Ok(&verdict), "{given}");
            assert_eq!(given["verdict"], verdict.word());
        }
        let longest = json!({ "verdict": "feedback", "feedback": "é".repeat(WORDS_CHARS_MAX) });
        Verdict::read(Some(&longest)).expect("it is short enough");
    }

    #[test]
    fn what_is_no_verdict_comes_back_with_how_to_mend_it() {
        for (given, message, hint) in [
            (json!("close"), "`result_json` is a text, wanted an object with the verdict", "`complete_task`"),
            (json!([1]), "`result_json` is a list, wanted", "exactly one of these"),
            (json!({}), "`verdict` is missing", "exactly one of these"),
            (json!({ "verdict": "" }), "`verdict` is missing", "exactly one of these"),
            (json!({ "verdict": 1 }), "`verdict` is a number, wanted a text", "exactly one of these"),
            (
                json!({ "verdict": "feedbak" }),
                "`verdict` is `feedbak`, wanted one of `activate_next`",
                "did you mean `feedback`?",
            ),
            (json!({ "verdict": "accept\u{1b}" }), "`verdict` is `accept\\u{1b}`, wanted one of", "activate_next"),
            (
                json!({ "verdict": "activate_next", "findings": [] }),
                "a verdict has no `findings`",
                "put what else you found into `result`",
            ),
            (json!({ "verdict": "close", "reasn": "x" }), "a verdict has no `reasn`", "did you mean `reason`?"),
            (
                json!({ "verdict": "feedback" }),
                "`feedback` is missing, and the verdict `feedback` needs it",
                "what is wrong",
            ),
            (json!({ "verdict": "feedback", "feedback": " \n" }), "`feedback` is missing", "what is wrong"),
            (json!({ "verdict": "feedback", "feedback": ["x"] }), "`feedback` is a list, wanted a text", "exactly one"),
            (
                json!({ "verdict": "feedback", "feedback": "x".repeat(WORDS_CHARS_MAX + 1) }),
                "`feedback` has 8001 characters, and may have 8000",
                "put the rest into `result`",
            ),
            (json!({ "verdict": "reassign", "feedback": "x" }), "`to` is missing", "name a role"),
            (json!({ "verdict": "reassign", "to": "amy" }), "`feedback` is missing", "what is wrong"),
            (json!({ "verdict": "reassign", "to": "@", "feedback": "x" }), "`to` is empty", "give 1 to"),
            (json!({ "verdict": "reassign", "to": "a\u{202e}b", "feedback": "x" }), "`to` has", "give 1 to"),
            (json!({ "verdict": "close" }), "`reason` is missing, and the verdict `close` needs it", "say why"),
            (
                json!({ "verdict": "activate_next", "feedback": "but mend x" }),
                "`feedback` says nothing with the verdict `activate_next`",
                "say `feedback`, which sends the work back",
            ),
            (
                json!({ "verdict": "feedback", "feedback": "x", "to": "amy" }),
                "`to` says nothing with",
                "say `reassign`",
            ),
            (json!({ "verdict": "feedback", "feedback": "x", "reason": "y" }), "`reason` says nothing", "`feedback`"),
            (
                json!({ "verdict": "close", "reason": "x", "feedback": "y" }),
                "`feedback` says nothing",
                "call it `reason`",
            ),
        ] {
            let error = Verdict::read(Some(&given)).expect_err(message);
            assert!(error.message.starts_with(message), "{given}: {error}");
            assert!(error.hint.as_deref().is_some_and(|said| said.contains(hint)), "{given}: {error:?}");
            assert!(!error.message.contains(char::is_control), "{error:?}");
        }
        assert!(Verdict::read(None).expect_err("none").message.starts_with("`result_json` is missing"));
    }

    /// Whoever does as the prompt says is understood.
    #[test]
    fn the_forms_that_prompts_show_are_those_that_are_read() {
        let words = Verdict::schema_words();
        let forms = words.split('`').filter(|words| words.starts_with('{'));
        let read: Vec<&str> = forms
            .map(|form| {
                let form = form.replace("ROLE or @NAME", "builder");
                Verdict::read(Some(&serde_json::from_str(&form).expect(&form))).expect(&form).word()
            })
            .collect();
        assert_eq!(read, NEEDS.map(|(word, _)| word));
    }
}
