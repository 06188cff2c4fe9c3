//! A stand-in for Claude Code that needs no key: it takes the same flags, speaks real MCP to the real server, prints the
//! same lines, and does what the task it is given says.

mod client;
mod flags;
mod said;
mod script;

pub use flags::Flags;
pub use script::Script;
pub use script::Step;

use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::host::Host;
use client::Client;
use said::Said;
use serde_json::Value;
use serde_json::json;
use std::fs;
use std::io::BufRead;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;

const RESERVE_TRIES_MAX: u32 = 600;
const RESERVE_PAUSE: Duration = Duration::from_millis(200);

/// What is known of the process that stands in.
pub struct Surroundings<'a> {
    pub host: &'a Host,
    /// ORCH_INSTANCE and ORCH_ROLE.
    pub instance: Option<String>,
    pub role: Option<String>,
    /// How much faster than told it works.
    pub speed: f64,
    pub input: &'a mut dyn BufRead,
    pub output: &'a mut dyn Write,
}

/// Runs as `claude` would with these arguments, and says the exit code.
pub fn run(arguments: &[String], around: Surroundings) -> Result<u8> {
    let flags = Flags::read(arguments)?;
    let Surroundings { host, instance, role, speed, input, output } = around;
    let mut client = match &flags.mcp_config {
        Some(config) => Some(Client::start(config)?),
        None => None,
    };
    let mut session = Session {
        said: Said::new(output, flags.session(host), flags.model.clone()),
        speed,
        turns: 0,
        resumes: flags.resumes,
        reserved: false,
        client: client.as_mut(),
        host,
    };
    session.said.began()?;
    if let Some(name) = instance {
        // It is known by the environment, and says that it is here.
        let known = session.call("server_status", json!({}))?;
        let mut joining = json!({ "name": name, "instance_id": known["you"] });
        if let Some(role) = role {
            joining["role"] = role.into();
        }
        session.call("register_instance", joining)?;
    }
    let mut code = 0;
    if flags.streams_input {
        for line in input.lines() {
            let Some(prompt) = line.ok().as_deref().and_then(prompt_of) else { continue };
            code = session.turn(&prompt)?;
        }
    } else {
        let mut prompt = flags.prompt.clone().unwrap_or_default();
        if flags.reads_input {
            input.read_to_string(&mut prompt).map_err(Error::internal)?;
        }
        code = session.turn(&prompt)?;
    }
    Ok(code)
}

/// The text of a line of stream-json.
fn prompt_of(line: &str) -> Option<String> {
    let line: Value = serde_json::from_str(line).ok()?;
    match &line["message"]["content"] {
        Value::String(text) => Some(text.clone()),
        Value::Array(parts) => {
            Some(parts.iter().filter_map(|part| part["text"].as_str()).collect::<Vec<_>>().join("\n"))
        }
        _ => None,
    }
}

struct Session<'a> {
    said: Said<'a>,
    speed: f64,
    turns: u64,
    /// It was begun before.
    resumes: bool,
    /// It has files for itself.
    reserved: bool,
    client: Option<&'a mut Client>,
    host: &'a Host,
}

impl Session<'_> {
    fn call(&mut self, tool: &str, arguments: Value) -> Result<Value> {
        self.said.uses(tool, &arguments)?;
        match &mut self.client {
            Some(client) => client.call(tool, arguments),
            None => Err(Error::invalid("the stand-in was given no --mcp-config")),
        }
    }

    /// One prompt, up to its result.
    fn turn(&mut self, prompt: &str) -> Result<u8> {
        self.turns += 1;
        let Some(task) = task_in(prompt) else {
            self.said.words("There is no task in this prompt.")?;
            return self.said.result(Ok("nothing to do"), self.turns).map(|()| 0);
        };
        let told = self.call("get_task", json!({ "task_id": task }))?;
        let description = told["task"]["description"].as_str().unwrap_or_default().to_owned();
        let script = Script::read(&description, self.host);
        self.call("start_task", json!({ "task_id": task }))?;
        for step in script.steps() {
            if let Some(code) = self.step(step, &task)? {
                return Ok(code);
            }
        }
        self.said.result(Ok("done"), self.turns).map(|()| 0)
    }

    /// The exit code, where it ends here.
    fn step(&mut self, step: &Step, task: &str) -> Result<Option<u8>> {
        match step {
            Step::Work(duration) => self.work(*duration, task)?,
            Step::Say(words) => self.said.words(words)?,
            Step::Complete(result) => {
                self.call("complete_task", json!({ "task_id": task, "result": result }))?;
                if std::mem::take(&mut self.reserved) {
                    self.call("release_files", json!({}))?;
                }
            }
            Step::Fail(reason) => {
                self.call("fail_task", json!({ "task_id": task, "reason": reason }))?;
            }
            Step::Ask(question) => self.ask(question, task)?,
            Step::Reserve(pattern) => self.reserve(pattern)?,
            Step::Plan(tasks) => {
                self.call("push_tasks", json!({ "tasks": tasks }))?;
            }
            Step::Push(title) => {
                self.call("push_task", json!({ "title": title, "parent": task }))?;
            }
            Step::Write(path, text) => write(&path.replace("{task}", task), &text.replace("{task}", task))?,
            Step::First(step) if !self.resumes => return self.step(step, task),
            Step::First(_) => {}
            Step::Exit(code) => return Ok(Some(*code)),
            Step::Crash => std::process::abort(),
            Step::Limit(until) => {
                self.said.limited(until.as_deref(), self.turns)?;
                return Ok(Some(1));
            }
            Step::Hang => loop {
                std::thread::park();
            },
            Step::Flood => loop {
                self.said.words(&"x".repeat(10_000))?;
            },
            Step::Daemon => leave_behind()?,
        }
        Ok(None)
    }

    fn work(&mut self, duration: Duration, task: &str) -> Result<()> {
        const STEPS: u32 = 4;
        for done in 1..=STEPS {
            std::thread::sleep(duration.div_f64(self.speed.max(0.01)) / STEPS);
            let progress = format!("{} %", done * 100 / STEPS);
            self.said.words(&format!("Working on it: {progress}."))?;
            self.call("update_task", json!({ "task_id": task, "progress": progress }))?;
        }
        Ok(())
    }

    /// Whoever has the file is waited for.
    fn reserve(&mut self, pattern: &str) -> Result<()> {
        for _ in 0..RESERVE_TRIES_MAX {
            let tried = self.call("reserve_files", json!({ "patterns": [pattern] }));
            let Err(error) = tried else {
                self.reserved = true;
                return Ok(());
            };
            self.said.words(&format!("I wait: {}", error.message))?;
            std::thread::sleep(RESERVE_PAUSE);
        }
        Err(Error::new(Kind::Refused, format!("`{pattern}` stays reserved")))
    }

    /// In words, or as the arguments of `ask_human`.
    fn ask(&mut self, question: &str, task: &str) -> Result<()> {
        let mut question = match serde_json::from_str::<Value>(question) {
            Ok(question @ Value::Object(_)) => question,
            _ => json!({ "question": question }),
        };
        question["task_id"] = task.into();
        let asked = self.call("ask_human", question)?;
        loop {
            let waits = json!({ "question_id": asked["question_id"], "timeout_seconds": 50 });
            let told = self.call("wait_for_answer", waits)?;
            if told["timed_out"] != true {
                let answer = told["question"]["answer"].as_str().unwrap_or("nothing");
                return self.said.words(&format!("The human says: {answer}"));
            }
        }
    }
}

/// Below the directory in which it works.
fn write(path: &str, text: &str) -> Result<()> {
    let path = Path::new(path);
    let made = path.parent().map_or(Ok(()), fs::create_dir_all);
    made.and_then(|()| fs::write(path, text)).map_err(Error::internal)
}

/// A process that outlives its parent unless somebody ends it.
fn leave_behind() -> Result<()> {
    Command::new("setsid")
        .args(["sleep", "1000"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map(drop)
        .map_err(Error::internal)
}

/// The first id of a task in the text.
fn task_in(prompt: &str) -> Option<String> {
    prompt.match_indices("task-").find_map(|(at, _)| {
        let digits: String = prompt[at + 5..].chars().take_while(char::is_ascii_digit).collect();
        (digits.len() >= 10).then(|| format!("task-{digits}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_task_of_a_prompt_is_the_first_that_it_names() {
        let found = task_in("multi-task-\nYour task is `task-0000000012`, after task-0000000011.");
        assert_eq!(found.as_deref(), Some("task-0000000012"));
        assert_eq!(task_in("task-12"), None);
    }

    #[test]
    fn a_line_of_input_is_read_in_both_forms() {
        assert_eq!(prompt_of(r#"{"type":"user","message":{"content":"a"}}"#).as_deref(), Some("a"));
        let parts = r#"{"type":"user","message":{"content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}}"#;
        assert_eq!(prompt_of(parts).as_deref(), Some("a\nb"));
        assert_eq!(prompt_of("{}"), None);
    }
}
