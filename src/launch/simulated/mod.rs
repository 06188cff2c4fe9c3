//! A stand-in for Claude Code that needs no key: it takes the same flags, speaks real MCP to the real server, prints the
//! same lines, and does what the task it is given says.

mod client;
mod ear;
mod flags;
mod hooks;
mod meter;
mod said;
mod script;

pub use flags::Flags;
pub use meter::Meter;
pub use script::Script;
pub use script::Step;

use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::host::Host;
use client::Client;
use ear::Heard;
use hooks::Hooks;
use said::Said;
use serde_json::Value;
use serde_json::json;
use signal_hook::consts::SIGHUP;
use signal_hook::consts::SIGINT;
use signal_hook::consts::SIGTERM;
use signal_hook::flag;
use std::collections::VecDeque;
use std::fs;
use std::io::BufRead;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Duration;

/// How often it makes a call to which there is no answer.
const CALLS_MAX: u32 = 4;
/// What is there twice if it is called twice.
const MAKES_SOMETHING: [&str; 3] = ["ask_human", "push_task", "push_tasks"];

const RESERVE_TRIES_MAX: u32 = 600;
/// How its progress begins while somebody else has the file that it wants.
pub const WAITS_FOR: &str = "waits for";
const RESERVE_PAUSE: Duration = Duration::from_millis(200);

/// What is known of the process that stands in.
pub struct Surroundings<'a> {
    pub host: &'a Host,
    /// ORCH_INSTANCE and ORCH_ROLE.
    pub instance: Option<String>,
    pub role: Option<String>,
    /// Where it tells what it costs.
    pub meter: Option<Meter>,
    /// How much faster than told it works.
    pub speed: f64,
    pub input: Box<dyn BufRead + Send>,
    pub output: &'a mut dyn Write,
}

/// Runs as `claude` would with these arguments, and says the exit code.
pub fn run(arguments: &[String], around: Surroundings) -> Result<u8> {
    let flags = Flags::read(arguments)?;
    let Surroundings { host, instance, role, meter, speed, mut input, output } = around;
    let id = flags.session(host);
    if let Some(run) = flags.settings.as_deref().and_then(Path::parent)
        && !is_known(run, &id, flags.resumes).map_err(Error::internal)?
    {
        return Err(Error::not_found(format!("No conversation found with session ID: {id}")));
    }
    let stays = flags.streams_input || !flags.prints;
    let dir = flags.settings.as_deref().and_then(Path::parent).filter(|_| !flags.prints);
    let (inbox, listener) = dir.and_then(ear::inbox).unzip();
    let transcript = dir.map(|dir| dir.join(format!("{id}.jsonl")));
    let told = if stays { whose(&id, inbox.as_deref()) } else { Vec::new() };
    let mut client = match &flags.mcp_config {
        Some(config) => Some(Client::start(config, &told)?),
        None => None,
    };
    let permission_tool = match (&flags.permission_tool, &mut client) {
        (Some(named), Some(client)) => Some(listed(named, client)?),
        _ => None,
    };
    let mut session = Session {
        permission_tool,
        meter,
        said: Said::new(output, id.clone(), flags.model.clone(), !flags.prints, transcript.clone()),
        speed,
        turns: 0,
        prompt: String::new(),
        resumes: flags.resumes,
        reserved: false,
        client: client.as_mut(),
        host,
        stays: None,
    };
    session.said.began()?;
    if stays {
        let hooks = Hooks::of(flags.settings.as_deref(), &id, transcript, told)?;
        hooks.run("SessionStart", json!({ "source": "startup" }));
        session.stays = Some(Stays {
            tells_of_hooks: flags.tells_of_hooks,
            hooks,
            ear: ear::listen(input, !flags.prints, listener),
            waiting: VecDeque::new(),
        });
        session.tells_of_hooks()?;
        session.joins(instance, role)?;
        let code = session.stays_until_its_end(flags.prompt.clone())?;
        inbox.into_iter().for_each(|path| drop(fs::remove_file(path)));
        return Ok(code);
    }
    session.joins(instance, role)?;
    let mut prompt = flags.prompt.clone().unwrap_or_default();
    if flags.reads_input {
        input.read_to_string(&mut prompt).map_err(Error::internal)?;
    }
    match session.turn(&prompt)? {
        Flow::Exit(code) => Ok(code),
        Flow::On => Ok(0),
        Flow::TurnEnds => Ok(1),
    }
}

/// A session is gone on with where it was begun, and nowhere else. Of a new one, that is written down beside its run.
fn is_known(run: &Path, id: &str, resumes: bool) -> std::io::Result<bool> {
    let (name, here) = (format!("session-{id}"), std::path::absolute(".")?);
    if !resumes {
        return fs::write(run.join(name), here.as_os_str().as_encoded_bytes()).map(|()| true);
    }
    let runs = run.parent().map(fs::read_dir).transpose()?;
    let places = runs.into_iter().flatten().flatten().filter_map(|run| fs::read(run.path().join(&name)).ok());
    Ok(places.into_iter().any(|place| place == here.as_os_str().as_encoded_bytes()))
}

/// What the client tells all that it starts.
fn whose(session: &str, inbox: Option<&Path>) -> Vec<(&'static str, String)> {
    let ours = [("CLAUDECODE", "1".to_owned()), ("CLAUDE_PID", std::process::id().to_string())];
    let inbox = inbox.map(|inbox| ("CLAUDE_CODE_MESSAGING_SOCKET", inbox.to_string_lossy().into_owned()));
    ours.into_iter().chain([("CLAUDE_CODE_SESSION_ID", session.to_owned())]).chain(inbox).collect()
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

/// So often the client lets a hook keep it from stopping.
const STOPS_MAX: u32 = 8;

struct Session<'a> {
    said: Said<'a>,
    speed: f64,
    turns: u64,
    /// The newest.
    prompt: String,
    /// It was begun before.
    resumes: bool,
    /// It has files for itself.
    reserved: bool,
    client: Option<&'a mut Client>,
    /// As its server calls it.
    permission_tool: Option<String>,
    meter: Option<Meter>,
    host: &'a Host,
    /// It takes its tasks itself, one after the other.
    stays: Option<Stays>,
}

struct Stays {
    hooks: Hooks,
    tells_of_hooks: bool,
    ear: Receiver<Heard>,
    /// What it heard in the middle of a turn.
    waiting: VecDeque<Heard>,
}

/// What a step leads to.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Flow {
    On,
    /// The result of the turn is told.
    TurnEnds,
    Exit(u8),
}

impl Session<'_> {
    /// As a model does it, which calls again when the connection is closed: the client has a new server by then.
    fn call(&mut self, tool: &str, mut arguments: Value) -> Result<Value> {
        for again in 0..CALLS_MAX {
            let id = self.said.uses(tool, &arguments)?;
            // What may have been done before its answer was lost is not to be there twice.
            if MAKES_SOMETHING.contains(&tool) && again == 0 {
                arguments["idempotency_key"] = id.into();
            }
            let client = self.client.as_mut();
            let client = client.ok_or_else(|| Error::invalid("the stand-in was given no --mcp-config"))?;
            match client.call(tool, arguments.clone()) {
                Err(error) if client::is_lost(&error) => self.said.words(&format!("{tool}: {}", error.message))?,
                answer => return answer,
            }
        }
        Err(Error::new(Kind::Unavailable, format!("{tool}: the server ends at every call")))
    }

    /// It is known by the environment, and says that it is here.
    fn joins(&mut self, instance: Option<String>, role: Option<String>) -> Result<()> {
        let Some(name) = instance else { return Ok(()) };
        let known = self.call("server_status", json!({}))?;
        let mut joining = json!({ "name": name, "instance_id": known["you"] });
        if let Some(role) = role {
            joining["role"] = role.into();
        }
        self.call("register_instance", joining).map(drop)
    }

    /// Prompt after prompt, until nothing more will come.
    fn stays_until_its_end(&mut self, first: Option<String>) -> Result<u8> {
        let mut next = first.map(Heard::Prompt);
        loop {
            let heard = match next.take() {
                Some(heard) => heard,
                None => self.hears(),
            };
            match heard {
                Heard::Interrupt => {}
                Heard::End => break,
                Heard::Prompt(prompt) => {
                    if let Flow::Exit(code) = self.long_turn(&prompt)? {
                        return Ok(code);
                    }
                }
            }
        }
        self.hook("SessionEnd", json!({ "reason": "other" }))?;
        Ok(0)
    }

    fn hears(&mut self) -> Heard {
        let Some(stays) = &mut self.stays else { return Heard::End };
        stays.waiting.pop_front().unwrap_or_else(|| stays.ear.recv().unwrap_or(Heard::End))
    }

    fn hook(&mut self, event: &str, more: Value) -> Result<Option<String>> {
        let context = self.stays.as_ref().and_then(|stays| stays.hooks.context(event, more));
        self.tells_of_hooks().map(|()| context)
    }

    fn tells_of_hooks(&mut self) -> Result<()> {
        let Some(stays) = self.stays.as_ref().filter(|stays| stays.tells_of_hooks) else { return Ok(()) };
        stays.hooks.ran().into_iter().try_for_each(|(event, code)| self.said.hooked(&event, code))
    }

    /// The task that it holds, if it is told so, and then whatever it can claim.
    fn long_turn(&mut self, prompt: &str) -> Result<Flow> {
        self.turns += 1;
        prompt.clone_into(&mut self.prompt);
        self.said.began()?;
        let mail = self.hook("UserPromptSubmit", json!({ "prompt": prompt }))?;
        mail.into_iter().try_for_each(|mail| self.said.words(&format!("I have read: {mail}")))?;
        let mut task = held_by(prompt);
        for _ in 0..STOPS_MAX {
            match self.works_off(task.take())? {
                Flow::On => {}
                Flow::TurnEnds => {
                    self.hook("StopFailure", json!({ "error": "aborted" }))?;
                    return Ok(Flow::TurnEnds);
                }
                exit => return Ok(exit),
            }
            let reason = self.stays.as_ref().and_then(|stays| stays.hooks.blocks());
            self.tells_of_hooks()?;
            let Some(reason) = reason else { break };
            self.said.words(&format!("I go on: {reason}"))?;
            task = held_by(&reason);
        }
        self.said.result(Ok("nothing to claim"), self.turns).map(|()| Flow::On)
    }

    /// Task after task, as long as each is ended.
    fn works_off(&mut self, mut task: Option<String>) -> Result<Flow> {
        loop {
            if task.is_none() {
                let claim = self.call("claim_task", json!({}))?;
                task = claim["task"]["id"].as_str().map(str::to_owned);
            }
            let Some(next) = task.take() else { return Ok(Flow::On) };
            match self.does(&next)? {
                Flow::On if self.holds(&next)? => return Ok(Flow::On),
                Flow::On => {}
                other => return Ok(other),
            }
        }
    }

    fn holds(&mut self, task: &str) -> Result<bool> {
        let told = self.call("get_task", json!({ "task_id": task }))?;
        Ok(matches!(told["task"]["status"].as_str(), Some("claimed" | "in_progress")))
    }

    /// One prompt, up to its result.
    fn turn(&mut self, prompt: &str) -> Result<Flow> {
        self.turns += 1;
        prompt.clone_into(&mut self.prompt);
        let Some(task) = task_in(prompt) else {
            self.said.words("There is no task in this prompt.")?;
            return self.said.result(Ok("nothing to do"), self.turns).map(|()| Flow::On);
        };
        match self.does(&task)? {
            Flow::On => self.said.result(Ok("done"), self.turns).map(|()| Flow::On),
            other => Ok(other),
        }
    }

    /// What the task's script says.
    fn does(&mut self, task: &str) -> Result<Flow> {
        let told = self.call("get_task", json!({ "task_id": task }))?;
        let description = told["task"]["description"].as_str().unwrap_or_default().to_owned();
        let script = Script::read(&description, self.host);
        self.call("start_task", json!({ "task_id": task }))?;
        for step in script.steps() {
            match self.step(step, task)? {
                Flow::On => {}
                other => return Ok(other),
            }
        }
        Ok(Flow::On)
    }

    fn step(&mut self, step: &Step, task: &str) -> Result<Flow> {
        match step {
            Step::Work(duration) => self.work(*duration, task)?,
            Step::Say(words) => self.said.words(words)?,
            Step::Spend(dollars, tokens) => {
                let model = self.said.spends(*dollars, *tokens);
                let told = self.meter.as_ref().map(|meter| meter.tell(model, *dollars, *tokens));
                told.transpose().map_err(Error::internal)?;
            }
            Step::Complete(result) => {
                self.call("complete_task", json!({ "task_id": task, "result": result }))?;
                if std::mem::take(&mut self.reserved) {
                    self.call("release_files", json!({}))?;
                }
            }
            Step::Judge(rounds) => self.judges(*rounds, task)?,
            Step::Fail(reason) => {
                self.call("fail_task", json!({ "task_id": task, "reason": reason }))?;
            }
            Step::Ask(question) => self.ask(question, task)?,
            Step::Permit(tool, input) => self.permit(tool, input)?,
            Step::Reserve(pattern) => self.reserve(pattern, task)?,
            Step::Plan(tasks) => {
                self.call("push_tasks", json!({ "tasks": tasks }))?;
            }
            Step::Push(title) => {
                self.call("push_task", json!({ "title": title, "parent": task }))?;
            }
            Step::Write(path, text) => write(&path.replace("{task}", task), &text.replace("{task}", task))?,
            Step::Record(path) => self.records(path, task)?,
            Step::First(step) if !self.resumes => return self.step(step, task),
            Step::First(_) => {}
            Step::Exit(code) => return Ok(Flow::Exit(*code)),
            Step::Crash => std::process::abort(),
            Step::Limit(until) => return self.is_limited(until.as_deref()),
            Step::Hang => return self.hangs(),
            Step::Run(command) => self.runs(command)?,
            Step::Flood => loop {
                self.said.words(&"x".repeat(10_000))?;
            },
            Step::Deaf => {
                for signal in [SIGTERM, SIGHUP, SIGINT] {
                    flag::register(signal, Arc::default()).map_err(Error::internal)?;
                }
            }
            Step::Daemon => leave_behind()?,
        }
        Ok(Flow::On)
    }

    /// A limit of which the end has come is none any more.
    fn is_limited(&mut self, until: Option<&str>) -> Result<Flow> {
        let now = self.host.wall().millis() / 1000;
        if until.and_then(|until| until.parse::<i64>().ok()).is_some_and(|until| until <= now) {
            return Ok(Flow::On);
        }
        self.said.limited(until, self.turns).map(|()| Flow::TurnEnds)
    }

    /// Until somebody ends the turn, which only one that stays can hear.
    fn hangs(&mut self) -> Result<Flow> {
        while let Some(stays) = &mut self.stays {
            match stays.ear.recv() {
                Ok(Heard::Interrupt) => return self.said.interrupted().map(|()| Flow::TurnEnds),
                Ok(heard) => stays.waiting.push_back(heard),
                Err(_) => break,
            }
        }
        loop {
            std::thread::park();
        }
    }

    fn runs(&mut self, command: &str) -> Result<()> {
        self.said.wants("Bash", &json!({ "command": command }))?;
        let mut shell = Command::new("sh");
        shell.args(["-c", command]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        shell.status().map(drop).map_err(Error::internal)
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

    /// As the client does it before it uses a tool that no rule of its own allows.
    fn permit(&mut self, tool: &str, input: &str) -> Result<()> {
        let input: Value =
            serde_json::from_str(input).map_err(|cause| Error::invalid(format!("`{input}`: {cause}")))?;
        let told = self.permission(tool, &input)?;
        match (&told["behavior"], &told["updatedInput"], &told["message"]) {
            (Value::String(word), updated, _) if word == "allow" && *updated == input => {
                self.said.words(&format!("{tool} is allowed"))
            }
            (Value::String(word), _, Value::String(why)) if word == "deny" => {
                self.said.words(&format!("{tool} is denied: {why}"))
            }
            _ => Err(Error::invalid(format!("asked for leave, it was answered neither leave nor denial: {told}"))),
        }
    }

    /// Where nobody could be asked, the model wants it once more, which is another use of the tool.
    fn permission(&mut self, tool: &str, input: &Value) -> Result<Value> {
        for _ in 0..CALLS_MAX {
            let id = self.said.wants(tool, input)?;
            let (Some(asked), Some(client)) = (&self.permission_tool, &mut self.client) else { break };
            match client.call(asked, json!({ "tool_name": tool, "input": input, "tool_use_id": id })) {
                Err(error) if client::is_lost(&error) => self.said.words(&format!("{tool}: {}", error.message))?,
                told => return told,
            }
        }
        Ok(json!({ "behavior": "deny", "message": "nobody has granted it" }))
    }

    fn records(&mut self, path: &str, task: &str) -> Result<()> {
        let told = self.call("get_task", json!({ "task_id": task }))?;
        let (title, description) = (&told["task"]["title"], &told["task"]["description"]);
        let record = json!({ "prompt": self.prompt, "title": title, "description": description });
        write(path, &record.to_string())
    }

    /// Whoever has the file is waited for, and everybody may know that.
    fn reserve(&mut self, pattern: &str, task: &str) -> Result<()> {
        for again in 0..RESERVE_TRIES_MAX {
            let tried = self.call("reserve_files", json!({ "patterns": [pattern] }));
            let Err(error) = tried else {
                self.reserved = true;
                return Ok(());
            };
            self.said.words(&format!("I wait: {}", error.message))?;
            if again == 0 {
                self.call("update_task", json!({ "task_id": task, "progress": format!("{WAITS_FOR} {pattern}") }))?;
            }
            std::thread::sleep(RESERVE_PAUSE);
        }
        Err(Error::new(Kind::Refused, format!("`{pattern}` stays reserved")))
    }

    /// In words, or as the arguments of `ask_human`.
    /// Its inputs say in their titles of which round they are.
    fn judges(&mut self, rounds: u32, task: &str) -> Result<()> {
        let told = self.call("get_task", json!({ "task_id": task }))?;
        let titles =
            told["task"]["inputs"].as_array().into_iter().flatten().filter_map(|input| input["title"].as_str());
        let round = |title: &str| title.rsplit_once("(round ")?.1.trim_end_matches(')').parse::<u32>().ok();
        let round = titles.filter_map(round).max().unwrap_or(1);
        let verdict = match round < rounds {
            true => json!({ "verdict": "feedback", "feedback": format!("round {round} will not do") }),
            false => json!({ "verdict": "activate_next" }),
        };
        let done = json!({ "task_id": task, "result": format!("judged round {round}"), "result_json": verdict });
        self.call("complete_task", done).map(drop)
    }

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

/// The client finds its permission tool among those that are listed, and does not begin without it.
fn listed(named: &str, client: &mut Client) -> Result<String> {
    let tools = client.tools()?;
    let meant = named.strip_prefix("mcp__").and_then(|rest| rest.split_once("__")).map(|(_, tool)| tool);
    meant.filter(|meant| tools.iter().any(|tool| tool == meant)).map(str::to_owned).ok_or_else(|| {
        Error::invalid(format!("`{named}` (of --permission-prompt-tool) is not among the tools: {}", tools.join(", ")))
    })
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

/// The task that it has, as somebody tells it. It may not know of it: the answer of its claim may have been lost.
fn held_by(told: &str) -> Option<String> {
    let told = told.to_lowercase();
    let at = ["you hold task-", "you still hold task-"].into_iter().find_map(|words| told.find(words))?;
    task_in(&told[at..])
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
