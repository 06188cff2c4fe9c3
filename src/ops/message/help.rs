//! `request_help`: a question to everyone online.

use crate::error::Result;
use crate::model::message::BODY_BYTES_MAX;
use crate::model::message::MessageKind;
use crate::model::message::Target;
use crate::ops::Caller;
use crate::ops::Effect;
use crate::ops::Noun;
use crate::ops::Operation;
use crate::ops::message::send::Draft;
use crate::ops::message::send::Sent;
use crate::ops::message::send::check_body;
use crate::ops::message::send::sender;
use crate::ops::message::send::sending_instance;
use crate::store::Tx;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RequestHelp {
    #[schemars(length(min = 1, max = BODY_BYTES_MAX))]
    question: String,
    /// What they must know to answer
    context: Option<String>,
    /// Wake idle sessions (true)
    wake: Option<bool>,
}

impl Operation for RequestHelp {
    const NAME: &'static str = "request_help";
    const ABOUT: &'static str = "Ask everyone online";
    const NOUN: Noun = Noun::Messages;
    const EFFECT: Effect = Effect::Write;
    const POSITIONAL: &'static [&'static str] = &["question", "context"];
    type Output = Sent;

    fn run(&self, tx: &mut dyn Tx, caller: &Caller) -> Result<Sent> {
        let me = sending_instance(tx, caller)?;
        check_body("`question`", &self.question)?;
        let body = match self.context.as_deref().filter(|context| !context.is_empty()) {
            Some(context) => format!("{}\n\nContext:\n{context}", self.question),
            None => self.question.clone(),
        };
        check_body("`question` with its `context`", &body)?;
        let draft = Draft {
            kind: MessageKind::Help,
            target: Target::Everyone,
            to: "everyone".to_owned(),
            body: &body,
            replied_to: None,
            task_id: None,
            needs_answer: true,
            wake: self.wake.unwrap_or(true),
        };
        draft.send(tx, sender(caller, me.as_ref()))
    }
}
