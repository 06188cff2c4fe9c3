//! The hooks of a stand-in that stays: it runs them at the same moments as the real client, and hears what they say.

use crate::error::Error;
use crate::error::Result;
use serde_json::Value;
use serde_json::json;
use std::cell::RefCell;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::Stdio;

pub struct Hooks {
    settings: Value,
    session: String,
    transcript: Option<PathBuf>,
    told: Vec<(&'static str, String)>,
    /// Which ran since they were last told of, and their exit codes.
    ran: RefCell<Vec<(String, Option<i32>)>>,
}

impl Hooks {
    /// `told`: variables that say whose hooks they are.
    pub fn of(
        settings: Option<&Path>,
        session: &str,
        transcript: Option<PathBuf>,
        told: Vec<(&'static str, String)>,
    ) -> Result<Hooks> {
        let text = settings.map(std::fs::read_to_string).transpose().map_err(Error::internal)?;
        let settings = text.map(|text| serde_json::from_str(&text)).transpose().map_err(Error::internal)?;
        Ok(Hooks {
            settings: settings.unwrap_or_default(),
            session: session.to_owned(),
            transcript,
            told,
            ran: RefCell::default(),
        })
    }

    /// What a hook gives the model to read.
    pub fn context(&self, event: &str, more: Value) -> Option<String> {
        let said = self.run(event, more);
        let texts = said.iter().filter_map(|said| said["hookSpecificOutput"]["additionalContext"].as_str());
        let text = texts.collect::<Vec<_>>().join("\n");
        (!text.is_empty()).then_some(text)
    }

    /// Why it may not stop.
    pub fn blocks(&self) -> Option<String> {
        let said = self.run("Stop", json!({ "stop_hook_active": false, "background_tasks": [] }));
        said.iter().find(|said| said["decision"] == "block").and_then(|said| said["reason"].as_str().map(str::to_owned))
    }

    /// What each of them printed. One that waits beside the session is left out: the stand-in has no way to be woken so.
    pub fn run(&self, event: &str, more: Value) -> Vec<Value> {
        let mut heard =
            json!({ "session_id": self.session, "hook_event_name": event, "transcript_path": self.transcript });
        for (name, value) in more.as_object().into_iter().flatten() {
            heard[name] = value.clone();
        }
        let groups = self.settings["hooks"][event].as_array().into_iter().flatten();
        let hooks = groups.flat_map(|group| group["hooks"].as_array().into_iter().flatten());
        let at_once = hooks.filter(|hook| hook["asyncRewake"] != true);
        at_once.filter_map(|hook| self.run_one(hook, event, &heard)).collect()
    }

    pub fn ran(&self) -> Vec<(String, Option<i32>)> {
        self.ran.take()
    }

    fn run_one(&self, hook: &Value, event: &str, heard: &Value) -> Option<Value> {
        let mut command = Command::new(hook["command"].as_str()?);
        command.args(hook["args"].as_array().into_iter().flatten().filter_map(Value::as_str));
        command.envs(self.told.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut running = command.spawn().ok()?;
        let _ = writeln!(running.stdin.take()?, "{heard}");
        let ended = running.wait_with_output().ok()?;
        self.ran.borrow_mut().push((event.to_owned(), ended.status.code()));
        serde_json::from_slice(&ended.stdout).ok()
    }
}
