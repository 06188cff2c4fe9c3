//! What a stand-in does with a task: told by lines of its description that begin with `sim:`, else drawn by lot.

use crate::host::Host;
use serde_json::Value;
use std::time::Duration;

/// One thing to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    Work(Duration),
    Say(String),
    /// Tell what a request cost, in dollars and tokens.
    Spend(f64, u64),
    Complete(String),
    Fail(String),
    Ask(String),
    Reserve(String),
    Push(String),
    /// Several tasks, as `push_tasks` takes them.
    Plan(Value),
    /// Complete it with a verdict: feedback until the work that it judges is of that round.
    Judge(u32),
    /// A file of these words; `{task}` stands for the id of its task.
    Write(String, String),
    /// Write into a file, as JSON, what it was told of its task, and by which prompt it heard of that.
    Record(String),
    /// Only by a session that goes on with no other.
    First(Box<Step>),
    /// Want to use a tool that nobody has allowed: its name, and its input as JSON.
    Permit(String, String),
    /// End without another word.
    Exit(u8),
    Crash,
    /// The service takes no more: until then, if that is told.
    Limit(Option<String>),
    Hang,
    /// A command of the shell, which says nothing and is waited for.
    Run(String),
    Flood,
    /// Be deaf to every wish that it end.
    Deaf,
    Daemon,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Script(Vec<Step>);

const WORK_MS_MAX: u64 = 2_000;

impl Script {
    pub fn read(description: &str, host: &Host) -> Script {
        let told: Vec<Step> =
            description.lines().filter_map(|line| step(line.trim().strip_prefix("sim:")?.trim())).collect();
        match told.is_empty() {
            true => Script(vec![
                Step::Work(Duration::from_millis(WORK_MS_MAX / 4 + host.random() % WORK_MS_MAX)),
                Step::Complete("done".to_owned()),
            ]),
            false => Script(told),
        }
    }

    pub fn steps(&self) -> &[Step] {
        &self.0
    }
}

fn step(line: &str) -> Option<Step> {
    let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
    let words = || rest.to_owned();
    Some(match verb {
        "work" => Step::Work(Duration::from_millis(rest.parse().ok()?)),
        "say" => Step::Say(words()),
        "spend" => {
            let (dollars, tokens) = rest.split_once(' ').unwrap_or((rest, "0"));
            Step::Spend(dollars.parse().ok()?, tokens.parse().ok()?)
        }
        "complete" => Step::Complete(words()),
        "fail" => Step::Fail(words()),
        "ask" => Step::Ask(words()),
        "reserve" => Step::Reserve(words()),
        "permit" => {
            let (tool, input) = rest.split_once(' ').unwrap_or((rest, "{}"));
            Step::Permit(tool.to_owned(), input.to_owned())
        }
        "add" => Step::Push(words()),
        "plan" => Step::Plan(serde_json::from_str(rest).ok()?),
        "judge" => Step::Judge(rest.parse().ok()?),
        "write" => {
            let (path, text) = rest.split_once(' ')?;
            Step::Write(path.to_owned(), text.to_owned())
        }
        "record" => Step::Record(words()),
        "first" => Step::First(Box::new(step(rest)?)),
        "exit" => Step::Exit(rest.parse().ok()?),
        "crash" => Step::Crash,
        "limit" => Step::Limit((!rest.is_empty()).then(words)),
        "hang" => Step::Hang,
        "run" => Step::Run(words()),
        "flood" => Step::Flood,
        "deaf" => Step::Deaf,
        "daemon" => Step::Daemon,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_does_what_the_lines_say_and_nothing_else() {
        let script = Script::read(
            "Fix it.\n  sim: work 20\nsim: ask Which one?\nsim: permit Bash {\"command\": \"x y\"}\nsim: dance\nsim: complete two words",
            &Host::manual(1),
        );
        let expected = [
            Step::Work(Duration::from_millis(20)),
            Step::Ask("Which one?".to_owned()),
            Step::Permit("Bash".to_owned(), r#"{"command": "x y"}"#.to_owned()),
            Step::Complete("two words".to_owned()),
        ];
        assert_eq!(script.steps(), expected);
    }

    #[test]
    fn without_a_word_it_works_and_completes() {
        let script = Script::read("Fix it.", &Host::manual(1));
        assert!(matches!(script.steps(), [Step::Work(_), Step::Complete(_)]), "{script:?}");
    }
}
