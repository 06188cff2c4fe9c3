//! Issues become tasks: one for each stage, that wait for one another as the pipeline says. Issues wait for none of each
//! other.

use crate::error::Error;
use crate::error::Result;
use crate::model::pipeline::Pipeline;
use crate::model::pipeline::StageTerms;
use crate::model::stage::Gate;
use crate::model::stage::Verdict;
use crate::model::task::LIST_MAX;
use crate::model::task::Link;
use crate::model::task::Priority;
use crate::model::task::TEXT_BYTES_MAX;
use crate::model::task::TITLE_CHARS_MAX;
use crate::model::template::Values;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;
use std::collections::BTreeSet;

/// Of one call.
pub const ISSUES_MAX: usize = 1_000;
/// As many as one transaction takes.
pub const TASKS_MAX: usize = 10_000;
/// All descriptions of one call together: they stand in memory, and in one transaction.
const BYTES_MAX: usize = 64 * 1024 * 1024;

/// A task is known by it and by its stage, before it has an id.
pub const KEY_CHARS_MAX: usize = 60;
/// What is longer is cut to fit into the titles of tasks, and here it is no title any more.
const ISSUE_TITLE_CHARS_MAX: usize = 2_000;
/// Half of what a task's description may hold, so that there is room for the prompt.
const BODY_BYTES_MAX: usize = TEXT_BYTES_MAX / 2;
const LABEL_CHARS_MAX: usize = 64;
const SHORT_CHARS_MAX: usize = 500;

/// What is to go through the stages: a bug, a wish, a piece of work.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Issue {
    /// What people call it: `#12`, `task-0000000012`, `login`.
    pub key: String,
    pub title: String,
    pub body: String,
    pub labels: Vec<String>,
    pub repo: Option<String>,
    pub branch: Option<String>,
    pub priority: Option<Priority>,
}

impl Pipeline {
    /// The tasks of each issue, as `push_tasks` takes them, and with the `stage` of each. All tasks of an issue have one
    /// `chain_id`.
    pub fn expand(&self, issues: &[Issue]) -> Result<Vec<Map<String, Value>>> {
        if !(1..=ISSUES_MAX).contains(&issues.len()) {
            let error = Error::invalid(format!("{} issues, and there may be 1 to {ISSUES_MAX}", issues.len()));
            return Err(error.hint("give at least one, and what is too many in several calls"));
        }
        let count = issues.len() * self.stages.len();
        if count > TASKS_MAX {
            let (issues, stages) = (issues.len(), self.stages.len());
            let error = Error::invalid(format!("{issues} issues with {stages} stages are {count} tasks"));
            return Err(error.hint(format!("give fewer issues at once: {TASKS_MAX} tasks fit into one call")));
        }
        let mut keys = BTreeSet::new();
        for (at, issue) in issues.iter().enumerate() {
            issue.check().map_err(|error| of_issue(at, issue, error))?;
            if !keys.insert(issue.key.as_str()) {
                let error = Error::invalid("another issue of this call has the same key");
                return Err(of_issue(at, issue, error.hint("give each a key of its own")));
            }
        }
        let frames: Vec<String> = self.stages.iter().map(|terms| self.frame(terms)).collect();
        let mut tasks = Vec::with_capacity(count);
        let mut bytes = 0;
        for (at, issue) in issues.iter().enumerate() {
            let values = issue.values();
            for (terms, frame) in self.stages.iter().zip(&frames) {
                let description = terms.description(&values, frame).map_err(|error| of_issue(at, issue, error))?;
                bytes += description.len();
                if bytes > BYTES_MAX {
                    let error = Error::invalid(format!("the tasks of all issues have more than {BYTES_MAX} bytes"));
                    return Err(error.hint("give fewer issues at once"));
                }
                tasks.push(self.task(terms, issue, description));
            }
        }
        Ok(tasks)
    }

    fn task(&self, terms: &StageTerms, issue: &Issue, description: String) -> Map<String, Value> {
        let depends_on: Vec<String> = terms.inputs.iter().map(|input| local(issue, input)).collect();
        let evidence: Vec<String> = terms.evidence.iter().map(ToString::to_string).collect();
        let budget = json!(terms.budget);
        let is_empty = |value: &Value| match value {
            Value::Null => true,
            Value::Array(items) => items.is_empty(),
            Value::Object(fields) => fields.is_empty(),
            _ => false,
        };
        let fields = [
            ("ref", json!(local(issue, &terms.name))),
            ("title", json!(issue.title_of(&terms.name))),
            ("description", json!(description)),
            ("role", json!(terms.role)),
            ("link", json!(terms.link.map(Link::word))),
            ("depends_on", json!(depends_on)),
            ("chain_id", json!(format!("{}/{}", self.name, issue.key))),
            ("evidence", json!(evidence)),
            ("acceptance", json!(terms.acceptance)),
            ("expected_outputs", json!(terms.expected_outputs)),
            ("labels", json!(issue.labels)),
            ("repo", json!(issue.repo)),
            ("branch", json!(issue.branch)),
            ("max_attempts", json!(terms.retries + 1)),
            ("urgency", json!(terms.priority.or(issue.priority).map(Priority::urgency))),
            ("budget", budget),
            ("stage", json!(self.stage(terms))),
        ];
        let said = fields.into_iter().filter(|(_, value)| !is_empty(value));
        said.map(|(key, value)| (key.to_owned(), value)).collect()
    }

    /// How a stage hangs together with the others: what no prompt has to say by itself.
    fn frame(&self, terms: &StageTerms) -> String {
        let mut parts = vec![format!(
            "This is the stage `{}` of the pipeline `{}`: {}.",
            terms.name,
            self.name,
            names(self.stages.iter().map(|stage| stage.name.as_str()))
        )];
        if !terms.inputs.is_empty() {
            parts.push(format!(
                "You go on from what came of {}: `get_task` on each task in `depends_on` of yours tells its `result`, \
                 `result_json` and `evidence`, and in turn what it went on from. Files that were not committed do not reach you.",
                names(terms.inputs.iter().map(String::as_str))
            ));
        }
        let next: Vec<&str> =
            self.stages.iter().filter(|stage| stage.inputs.contains(&terms.name)).map(|stage| &*stage.name).collect();
        if !next.is_empty() && !terms.verdict {
            parts.push(format!(
                "Your `result` goes to {}, and whoever does that works elsewhere: what they need stands in it, or in a commit \
                 that it names.",
                names(next.into_iter())
            ));
        }
        if terms.verdict {
            parts.push(format!(
                "{} That is the only way to reject: do not fail or release this task for what you found, and push no tasks for it.",
                Verdict::schema_words()
            ));
        }
        if terms.gate == Gate::Human {
            parts.push(
                "A human looks at your `result` before anything goes on from it: let it say what they decide about."
                    .to_owned(),
            );
        }
        if let Some(back_to) = &terms.sends_back_to {
            let times = if terms.times == 1 { "once".to_owned() } else { format!("at most {} times", terms.times) };
            parts.push(format!("What is rejected here goes back to `{back_to}`, {times}."));
        }
        parts.join("\n\n")
    }
}

impl StageTerms {
    fn description(&self, values: &Values, frame: &str) -> Result<String> {
        let prompt = self.prompt.render(values)?;
        let text = format!("{}\n\n---\n\n{frame}\n", prompt.trim_end());
        if text.len() <= TEXT_BYTES_MAX {
            return Ok(text);
        }
        let error = Error::invalid(format!(
            "the prompt of the stage `{}` is {} bytes with it, and a task may have {TEXT_BYTES_MAX}",
            self.name,
            text.len()
        ));
        Err(error.hint("put the long part into a file, and name that file in the issue"))
    }
}

impl Issue {
    fn check(&self) -> Result<()> {
        let refuse = |what: String, hint: &str| Err(Error::invalid(what).hint(hint));
        let one_line = |text: &str, most: usize| {
            !text.trim().is_empty() && text.chars().count() <= most && !text.contains(char::is_control)
        };
        if !one_line(&self.key, KEY_CHARS_MAX) {
            return refuse(
                format!("its key must be one line of 1 to {KEY_CHARS_MAX} characters"),
                "give it a shorter one",
            );
        }
        let length = self.title.chars().count();
        if self.title.trim().is_empty() || length > ISSUE_TITLE_CHARS_MAX {
            return refuse(
                format!("its title has {length} characters, and may have 1 to {ISSUE_TITLE_CHARS_MAX}"),
                "say in a line what is wanted, and put the rest into its body",
            );
        }
        if self.body.len() > BODY_BYTES_MAX {
            return refuse(
                format!("its body has {} bytes, and may have {BODY_BYTES_MAX}", self.body.len()),
                "put the long part into a file, and name that file in the issue",
            );
        }
        let fits = |label: &String| one_line(label, LABEL_CHARS_MAX);
        if self.labels.len() > LIST_MAX || !self.labels.iter().all(fits) {
            return refuse(
                format!("it may have {LIST_MAX} labels of 1 to {LABEL_CHARS_MAX} characters"),
                "take out what is no label",
            );
        }
        for (what, text) in [("repository", &self.repo), ("branch", &self.branch)] {
            if text.as_ref().is_some_and(|text| !one_line(text, SHORT_CHARS_MAX)) {
                return refuse(
                    format!("its {what} must be one line of 1 to {SHORT_CHARS_MAX} characters"),
                    "correct it, or leave it out",
                );
            }
        }
        Ok(())
    }

    /// All of them, so that a prompt needs to know nothing of what an issue says: what it does not say is empty.
    fn values(&self) -> Values {
        [
            ("title", one_line(&self.title)),
            ("body", self.body.trim().to_owned()),
            ("issue", self.key.clone()),
            ("labels", self.labels.join(", ")),
            ("repo", self.repo.clone().unwrap_or_default()),
            ("branch", self.branch.clone().unwrap_or_default()),
        ]
        .into()
    }

    fn title_of(&self, stage: &str) -> String {
        let title = one_line(&self.title);
        let room = TITLE_CHARS_MAX - stage.chars().count() - 2;
        if title.chars().count() <= room {
            return format!("{title}: {stage}");
        }
        let cut: String = title.chars().take(room - 1).collect();
        format!("{}…: {stage}", cut.trim_end())
    }
}

/// By which tasks of one call name each other.
fn local(issue: &Issue, stage: &str) -> String {
    format!("{}/{stage}", issue.key)
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn names<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

fn of_issue(at: usize, issue: &Issue, error: Error) -> Error {
    let key: String = issue.key.chars().take(KEY_CHARS_MAX).flat_map(char::escape_debug).collect();
    Error { message: format!("issue {} (`{key}`): {}", at + 1, error.message), ..error }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::pipeline::BUILT_IN;
    use crate::model::stage::Stage;

    fn pipeline(stages: &str) -> Pipeline {
        let text = format!("description = \"d\"\n{stages}");
        Pipeline::read("ours", "ours.toml", &text).unwrap_or_else(|error| panic!("{error}"))
    }

    fn issue(key: &str) -> Issue {
        let (title, body) = (format!("Mend {key}"), "It is broken.".to_owned());
        Issue { key: key.to_owned(), title, body, ..Issue::default() }
    }

    fn issues(count: usize) -> Vec<Issue> {
        (0..count).map(|at| issue(&format!("#{at}"))).collect()
    }

    const TWO: &str = r#"
        [[stage]]
        name = "a"
        role = "builder"
        prompt = "<{{title}}|{{body}}|{{issue}}|{{labels}}|{{repo}}|{{branch}}>"
        evidence = ["commit"]
        acceptance = ["x"]
        expected_outputs = ["y"]
        retries = 4
        priority = "high"
        budget = { dollars = 1.5 }
        gate = "human"
        [[stage]]
        name = "b"
        role = "docs"
        prompt = "p""#;

    #[test]
    fn a_task_says_all_that_its_stage_and_its_issue_say() {
        let full = Issue {
            labels: vec!["ui".to_owned(), "p1".to_owned()],
            repo: Some("web".to_owned()),
            branch: Some("next".to_owned()),
            priority: Some(Priority::LOW),
            ..issue("#7")
        };
        let tasks = pipeline(TWO).expand(&[full]).unwrap();
        let mut first = tasks[0].clone();
        let description = first.remove("description").unwrap();
        let begins = "<Mend #7|It is broken.|#7|ui, p1|web|next>\n\n---\n\nThis is the stage `a`";
        assert!(description.as_str().unwrap().starts_with(begins), "{description}");
        let expected = json!({
            "ref": "#7/a", "title": "Mend #7: a", "role": "builder", "chain_id": "ours/#7", "evidence": ["commit"],
            "acceptance": ["x"], "expected_outputs": ["y"], "labels": ["ui", "p1"], "repo": "web", "branch": "next",
            "max_attempts": 5, "urgency": 8, "budget": { "dollars": 1.5 },
            "stage": { "pipeline": "ours", "name": "a", "round": 1, "gate": "human", "sends_back_to": "a", "times": 3 },
        });
        assert_eq!(Value::Object(first), expected);
        assert_eq!(tasks[1]["urgency"], 2, "what the stage does not say, the issue does");
        let least = pipeline(TWO).expand(&[issue("#7")]).unwrap().remove(1);
        let said: Vec<&str> = least.keys().map(String::as_str).collect();
        assert_eq!(said, ["ref", "title", "description", "role", "depends_on", "chain_id", "max_attempts", "stage"]);
        assert_eq!((&least["depends_on"], &least["max_attempts"]), (&json!(["#7/a"]), &json!(3)));
    }

    #[test]
    fn what_an_issue_says_is_never_read_as_a_template() {
        for hostile in ["{{repo}}", "{{#body}}", "{{/body}}", "{{", "}} $(id) `id`"] {
            let given = Issue { title: hostile.to_owned(), body: hostile.to_owned(), ..issue("1") };
            let task = pipeline(TWO).expand(&[given]).unwrap().remove(0);
            assert!(task["description"].as_str().unwrap().starts_with(&format!("<{hostile}|{hostile}|1|")), "{task:?}");
        }
    }

    #[test]
    fn a_title_is_cut_to_one_line_that_fits() {
        let title = |given: &str| {
            let issue = Issue { title: given.to_owned(), ..issue("1") };
            pipeline(TWO).expand(&[issue]).unwrap()[0]["title"].as_str().unwrap().to_owned()
        };
        assert_eq!(title(" Mend\n it "), "Mend it: a");
        let cut = title(&"é".repeat(ISSUE_TITLE_CHARS_MAX));
        assert!(cut.chars().count() == TITLE_CHARS_MAX && cut.ends_with("é…: a"), "{cut}");
        assert!(!title(&"é".repeat(TITLE_CHARS_MAX - 3)).contains('…'));
    }

    #[test]
    fn a_stage_is_told_what_it_has_from_others_and_what_others_have_from_it() {
        let stages = r#"
            [[stage]]
            name = "a"
            role = "builder"
            prompt = "p"
            gate = "reviewer"
            on_rejection = { times = 1 }
            [[stage]]
            name = "b"
            role = "builder"
            prompt = "p"
            gate = "human""#;
        let tasks = pipeline(stages).expand(&[issue("1")]).unwrap();
        let told: Vec<&str> = tasks.iter().map(|task| task["description"].as_str().unwrap()).collect();
        for (at, has, has_not) in [
            (0, "Your `result` goes to `a-review`, `b`", "goes back to"),
            (0, "of the pipeline `ours`: `a`, `a-review`, `b`.", "You go on from"),
            (1, "You go on from what came of `a`:", "Your `result` goes to"),
            (1, "`{\"verdict\":\"activate_next\"}`", "A human looks"),
            (1, "goes back to `a`, once.", "times."),
            (2, "You go on from what came of `a`, `a-review`:", "activate_next"),
            (2, "A human looks at your `result`", "Your `result` goes to"),
            (2, "goes back to `b`, at most 3 times.", "once."),
        ] {
            assert!(told[at].contains(has) && !told[at].contains(has_not), "{at}: {}", told[at]);
        }
    }

    #[test]
    fn what_no_task_could_be_made_of_is_refused_with_its_issue() {
        let with = |change: &dyn Fn(&mut Issue)| {
            let mut changed = issue("b");
            change(&mut changed);
            vec![issue("a"), changed]
        };
        for (issues, message) in [
            (vec![], "0 issues, and there may be 1 to 1000"),
            (issues(ISSUES_MAX + 1), "1001 issues, and there may be 1 to 1000"),
            (vec![issue("a"), issue("a")], "issue 2 (`a`): another issue of this call has the same key"),
            (with(&|issue| issue.key.clear()), "issue 2 (``): its key must be one line"),
            (with(&|issue| issue.key = "a\nb".to_owned()), "issue 2 (`a\\nb`): its key must be one line"),
            (with(&|issue| issue.key = "x".repeat(61)), "must be one line of 1 to 60 characters"),
            (with(&|issue| issue.title = " \n".to_owned()), "issue 2 (`b`): its title has 2 characters"),
            (with(&|issue| issue.title = "x".repeat(2001)), "its title has 2001 characters, and may have 1 to 2000"),
            (with(&|issue| issue.body = "x".repeat(32_769)), "its body has 32769 bytes, and may have 32768"),
            (with(&|issue| issue.labels = vec![String::new()]), "it may have 100 labels of 1 to 64 characters"),
            (with(&|issue| issue.labels = vec!["x".to_owned(); 101]), "it may have 100 labels"),
            (with(&|issue| issue.repo = Some(String::new())), "its repository must be one line"),
            (with(&|issue| issue.branch = Some("x".repeat(501))), "its branch must be one line of 1 to 500"),
        ] {
            let error = pipeline(TWO).expand(&issues).expect_err(message);
            assert!(error.message.contains(message) && error.hint.is_some(), "{error:?}");
        }
        let thrice = pipeline("[[stage]]\nname = \"a\"\nrole = \"x\"\nprompt = \"{{body}}{{body}}{{body}}\"");
        let error = thrice.expand(&with(&|issue| issue.body = "x".repeat(30_000))).expect_err("too long");
        assert!(error.message.starts_with("issue 2 (`b`): the prompt of the stage `a` is 90"), "{error}");
    }

    #[test]
    fn more_than_one_transaction_takes_is_refused_before_anything_is_made() {
        let stage = |at| format!("[[stage]]\nname = \"s{at}\"\nrole = \"x\"\nprompt = \"{{{{body}}}}\"\n");
        let stages = |count: usize| pipeline(&(0..count).map(stage).collect::<String>());
        let error = stages(11).expand(&issues(ISSUES_MAX)).expect_err("too many");
        assert_eq!(error.message, "1000 issues with 11 stages are 11000 tasks");
        let large = |issue: Issue| Issue { body: "x".repeat(30_000), ..issue };
        let error = stages(10).expand(&issues(300).into_iter().map(large).collect::<Vec<_>>()).expect_err("too large");
        assert!(error.message.ends_with("the tasks of all issues have more than 67108864 bytes"), "{error}");
    }

    /// Of each issue a chain of its own, in which nobody waits for another issue.
    #[test]
    fn a_thousand_issues_go_through_every_pipeline_that_comes_with_the_program() {
        let issues = issues(ISSUES_MAX);
        for (name, text) in BUILT_IN {
            let pipeline = Pipeline::read(name, name, text).unwrap_or_else(|error| panic!("{error}"));
            let tasks = pipeline.expand(&issues).unwrap();
            assert_eq!(tasks.len(), issues.len() * pipeline.stages.len(), "{name}");
            for (of, tasks) in issues.iter().zip(tasks.chunks(pipeline.stages.len())) {
                let own = format!("{}/", of.key);
                for task in tasks {
                    assert_eq!(task["chain_id"], format!("{name}/{}", of.key));
                    let mut needs = task.get("depends_on").and_then(Value::as_array).into_iter().flatten();
                    assert!(needs.all(|need| need.as_str().unwrap().starts_with(&own)), "{task:?}");
                }
            }
            for (terms, task) in pipeline.stages.iter().zip(&tasks) {
                let description = task["description"].as_str().unwrap();
                let of = format!("{name} {}: {description}", terms.name);
                assert!(!description.contains("{{") && !description.contains("\n\n\n"), "{of}");
                assert_eq!(description.contains("`{\"verdict\":\"activate_next\"}`"), terms.verdict, "{of}");
                let stage: Stage = serde_json::from_value(task["stage"].clone()).unwrap();
                assert_eq!(stage, pipeline.stage(terms));
            }
            let says_nothing = Issue { body: String::new(), ..issue("#1") };
            for task in pipeline.expand(&[says_nothing]).unwrap() {
                let description = task["description"].as_str().unwrap();
                let is_whole = !description.contains("\n\n\n") && !description.contains(":\n\n---");
                assert!(is_whole, "nothing announces what is not there: {description}");
            }
        }
    }
}
