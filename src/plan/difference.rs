//! What an import would change: the drafts of a plan held against what came of the same source before.
//!
//! Three values decide about each field: what the source says now, what it said at the last import, and what the task
//! says. What only people changed here stays; what only the source changed is taken over; where both did, people win, and
//! the conflict is told.

use crate::model::safe;
use crate::model::task::Standing;
use crate::plan::Draft;
use crate::plan::Kind;
use crate::plan::Plan;
use serde::Serialize;
use serde_json::Map;
use serde_json::Value;
use std::collections::HashMap;
use std::collections::HashSet;
use std::fmt;

/// Told in a text; the JSON has all.
const STEPS_SHOWN_MAX: usize = 40;
const VALUE_WIDTH_MAX: usize = 40;
const TITLE_WIDTH_MAX: usize = 60;

/// A task that came from this source before.
#[derive(Clone, Debug, PartialEq)]
pub struct Known {
    pub key: String,
    /// As people call it here: `task-12`.
    pub task: String,
    /// What was remembered at the last import.
    pub imported: Draft,
    /// Is that remembered of this source, rather than of another one that told of it?
    pub is_own: bool,
    /// What it says now, in the same words.
    pub now: Draft,
    pub standing: Standing,
    /// Fields that no file can change as it stands, each with why.
    pub locked: Vec<(&'static str, &'static str)>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    Add,
    Change,
    Unchanged,
    /// It came from this source, which does not tell of it any more. Nothing is done about it by itself.
    Gone,
}

/// What becomes of a field that the source says otherwise.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The source's value is taken over.
    Set,
    /// People changed it here since the last import, so that it stays.
    Conflict,
    /// The task is over, and stays what it was.
    Over,
    /// Something forbids it: the change says what.
    Locked,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FieldChange {
    pub field: &'static str,
    /// What the task says.
    pub now: Value,
    /// What the source says.
    pub said: Value,
    pub outcome: Outcome,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<&'static str>,
}

/// What is to be done about one task.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Step {
    pub what: What,
    pub key: String,
    pub title: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub standing: Option<Standing>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldChange>,
    /// To be kept with the task, so that the next import is held against it. There is none where it is kept already.
    #[serde(skip)]
    pub remember: Option<Draft>,
    /// What is to be pushed, of what is new.
    #[serde(skip)]
    pub draft: Option<Draft>,
    /// What was remembered until now, of what is known.
    #[serde(skip)]
    pub before: Option<Draft>,
}

impl Step {
    /// The fields to be set, by their names.
    pub fn to_set(&self) -> impl Iterator<Item = (&'static str, &Value)> {
        self.fields.iter().filter(|field| field.outcome == Outcome::Set).map(|field| (field.field, &field.said))
    }

    pub fn conflicts(&self) -> impl Iterator<Item = &FieldChange> {
        self.fields.iter().filter(|field| field.outcome != Outcome::Set)
    }
}

/// Of all tasks of a plan, in its order, and of those that are gone from it.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    pub kind: Kind,
    pub steps: Vec<Step>,
}

/// `known`: all that came from this source before.
pub fn difference(plan: &Plan, known: &[Known]) -> Difference {
    let fields: Vec<&'static str> = plan.kind.tells().collect();
    let by_key: HashMap<&str, &Known> = known.iter().map(|known| (known.key.as_str(), known)).collect();
    let mut steps: Vec<Step> = plan
        .drafts()
        .map(|draft| match by_key.get(draft.key.as_str()) {
            Some(known) => against(plan.kind, draft, known, &fields),
            None => Step {
                what: What::Add,
                key: draft.key.clone(),
                title: draft.title.clone(),
                task: None,
                standing: None,
                fields: Vec::new(),
                remember: Some(draft.clone()),
                draft: Some(draft.clone()),
                before: None,
            },
        })
        .collect();
    let told: HashSet<&str> = plan.drafts().map(|draft| draft.key.as_str()).collect();
    steps.extend(known.iter().filter(|known| !told.contains(known.key.as_str())).map(|known| Step {
        what: What::Gone,
        key: known.key.clone(),
        title: known.now.title.clone(),
        task: Some(known.task.clone()),
        standing: Some(known.standing),
        fields: Vec::new(),
        remember: None,
        draft: None,
        before: None,
    }));
    Difference { kind: plan.kind, steps }
}

/// Would an import of this entry change nothing, nor find anything in its way?
pub fn says_the_same(kind: Kind, draft: &Draft, known: &Known) -> bool {
    let fields: Vec<&'static str> = kind.tells().collect();
    against(kind, draft, known, &fields).fields.is_empty()
}

fn against(kind: Kind, draft: &Draft, known: &Known, fields: &[&'static str]) -> Step {
    let all = [draft.told(), known.imported.told(), known.now.clone().tidy().told()];
    let by_day = matches!(kind, Kind::Specification | Kind::Board);
    let is_over = matches!(known.standing, Standing::Completed | Standing::Failed | Standing::Cancelled);
    let mut changes = Vec::new();
    for field in fields {
        let [said, before, now] = all.each_ref().map(|told| value(told, field, by_day));
        if said == before || said == now {
            continue;
        }
        let locked = known.locked.iter().find(|(locked, _)| locked == field).map(|(_, why)| *why);
        let (outcome, why) = match locked {
            _ if is_over => (Outcome::Over, None),
            _ if now != before => (Outcome::Conflict, None),
            None => (Outcome::Set, None),
            why => (Outcome::Locked, why),
        };
        changes.push(FieldChange { field, now, said, outcome, why });
    }
    let remembered = remembered(draft, &known.imported, fields);
    Step {
        what: if changes.is_empty() { What::Unchanged } else { What::Change },
        key: draft.key.clone(),
        title: draft.title.clone(),
        task: Some(known.task.clone()),
        standing: Some(known.standing),
        fields: changes,
        remember: (remembered != known.imported || !known.is_own).then_some(remembered),
        draft: None,
        before: Some(known.imported.clone()),
    }
}

/// What is not said is nothing, but for the status: nothing said means that it is open.
fn value(told: &Map<String, Value>, field: &str, by_day: bool) -> Value {
    match (told.get(field), field) {
        (Some(Value::String(moment)), "finished_at") if by_day => {
            moment.chars().take_while(|c| *c != 'T').collect::<String>().into()
        }
        // With or without the sign, it is the same name.
        (Some(Value::String(name)), "assignee") if !name.starts_with('@') => format!("@{name}").into(),
        (Some(value), _) => value.clone(),
        (None, "status") => crate::plan::Status::Open.word().into(),
        (None, _) => Value::Null,
    }
}

/// What the source has said by now: of the fields that it tells what it says, of the others what was said before.
fn remembered(draft: &Draft, imported: &Draft, fields: &[&'static str]) -> Draft {
    let (said, mut merged) = (draft.told(), imported.told());
    for field in fields {
        match said.get(*field) {
            Some(value) => drop(merged.insert((*field).to_owned(), value.clone())),
            None => drop(merged.shift_remove(*field)),
        }
    }
    merged.insert("key".to_owned(), draft.key.as_str().into());
    serde_json::from_value(Value::Object(merged)).unwrap_or_else(|_| draft.clone())
}

impl Difference {
    pub fn count(&self, what: What) -> usize {
        self.steps.iter().filter(|step| step.what == what).count()
    }

    /// Would an import do nothing at all?
    pub fn is_nothing(&self) -> bool {
        self.steps.iter().all(|step| step.what != What::Add && step.to_set().next().is_none())
    }

    /// The counts, and each step that is more than nothing.
    pub fn json(&self) -> Value {
        let steps: Vec<&Step> = self.steps.iter().filter(|step| step.what != What::Unchanged).collect();
        serde_json::json!({
            "kind": self.kind,
            "add": self.count(What::Add),
            "change": self.count(What::Change),
            "unchanged": self.count(What::Unchanged),
            "gone": self.count(What::Gone),
            "conflicts": self.steps.iter().flat_map(Step::conflicts).count(),
            "steps": steps,
        })
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [add, change, unchanged, gone] =
            [What::Add, What::Change, What::Unchanged, What::Gone].map(|what| self.count(what));
        writeln!(f, "{add} to add, {change} to change, {unchanged} unchanged, {gone} gone")?;
        let steps = self.steps.iter().filter(|step| step.what != What::Unchanged);
        for step in steps.clone().take(STEPS_SHOWN_MAX) {
            let title = safe::one_line(&safe::for_people(&step.title), TITLE_WIDTH_MAX);
            let task = step.task.as_ref().map(|task| format!(" ({task})")).unwrap_or_default();
            let (sign, end) = match (step.what, step.standing) {
                (What::Add, _) => ('+', String::new()),
                (What::Gone, Some(standing)) => {
                    ('-', format!(", not in the source any more; it is {}", standing.word()))
                }
                _ => ('~', String::new()),
            };
            writeln!(f, "{sign} {}{task}  {title}{end}", step.key)?;
            for change in &step.fields {
                let (now, said) = (shown(&change.now), shown(&change.said));
                match change.outcome {
                    Outcome::Set => writeln!(f, "    {}: {now} -> {said}", change.field)?,
                    Outcome::Conflict => {
                        writeln!(f, "    {}: stays {now}, changed here; the source says {said}", change.field)?;
                    }
                    Outcome::Locked => {
                        let why = change.why.unwrap_or_default();
                        writeln!(f, "    {}: stays {now}, as {why}; the source says {said}", change.field)?;
                    }
                    Outcome::Over => {
                        writeln!(f, "    {}: stays {now}, the task is over; the source says {said}", change.field)?;
                    }
                }
            }
        }
        match steps.count().checked_sub(STEPS_SHOWN_MAX) {
            None | Some(0) => Ok(()),
            Some(more) => writeln!(f, "… {more} more"),
        }
    }
}

/// A value in a few words.
fn shown(value: &Value) -> String {
    let short = |text: &str| safe::one_line(&safe::for_people(text), VALUE_WIDTH_MAX);
    match value {
        Value::Null => "nothing".to_owned(),
        Value::String(text) => format!("`{}`", short(text)),
        Value::Array(items) => {
            let items: Vec<String> =
                items.iter().map(|item| item.as_str().map_or_else(|| item.to_string(), str::to_owned)).collect();
            format!("[{}]", short(&items.join(", ")))
        }
        other => short(&other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::fields::Spot;
    use crate::plan::Entry;
    use crate::plan::Place;

    fn draft(key: &str, title: &str) -> Draft {
        Draft { key: key.into(), title: title.into(), ..Draft::default() }
    }

    fn plan(kind: Kind, drafts: &[Draft]) -> Plan {
        let entry = |draft: &Draft| Entry { draft: draft.clone(), place: Place::new(Spot::new("f", 1)) };
        Plan { kind, entries: drafts.iter().map(entry).collect(), remarks: Vec::new() }
    }

    fn known(imported: Draft, now: Draft, standing: Standing) -> Known {
        Known {
            key: imported.key.clone(),
            task: "task-1".into(),
            imported,
            is_own: true,
            now,
            standing,
            locked: vec![],
        }
    }

    /// The title as it was imported, as it is, and as the source has it now, and what becomes of that.
    #[track_caller]
    fn check(line: &str) {
        let parts: Vec<&str> = line.split('|').map(str::trim).collect();
        let [imported, now, said, standing, expected] = parts[..] else { panic!("{line}") };
        let known = known(draft("plan:a", imported), draft("plan:a", now), standing.parse().expect("a standing"));
        let found = difference(&plan(Kind::Json, &[draft("plan:a", said)]), &[known]);
        let told = found.to_string();
        let change = told.lines().nth(2).map_or("nothing", |line| line.trim());
        let remembered = found.steps[0].remember.as_ref().map_or("", |draft| &draft.title);
        assert_eq!(format!("{change}; {remembered}").trim(), expected, "{line}");
    }

    #[test]
    fn a_field_changes_only_where_the_source_changed_it_and_nobody_else_did() {
        check("A | A | A | ready       | nothing; ");
        check("A | A | B | ready       | title: `A` -> `B`; B");
        check("A | X | A | ready       | nothing; ");
        check("A | X | B | ready       | title: stays `X`, changed here; the source says `B`; B");
        check("A | B | B | ready       | nothing; B");
        check("A | A | B | in_progress | title: `A` -> `B`; B");
        check("A | A | B | completed   | title: stays `A`, the task is over; the source says `B`; B");
    }

    #[test]
    fn what_a_kind_of_file_cannot_tell_is_not_changed_by_it() {
        let full = Draft { acceptance: vec!["x".into()], role: Some("r".into()), ..draft("list:a", "A") };
        let known = known(full.clone(), full.clone(), Standing::Ready);
        let found = difference(&plan(Kind::Checklist, &[draft("list:a", "A")]), &[known]);
        let fields: Vec<(&str, &Value)> = found.steps[0].to_set().collect();
        assert_eq!(fields, [("role", &Value::Null)], "a role can be told there, a criterion cannot");
        let remembered = found.steps[0].remember.as_ref().expect("something changed");
        assert_eq!((&remembered.acceptance, &remembered.role), (&full.acceptance, &None));
    }

    #[test]
    fn steps_are_told_in_a_text_and_as_json() {
        let before = Draft { labels: vec!["b".into()], ..draft("plan:b", "B\u{1b}[2J") };
        let gone = known(draft("plan:c", "C"), draft("plan:c", "C"), Standing::Waiting);
        let now =
            Draft { labels: vec!["b".into(), "c".into()], status: crate::plan::Status::Completed, ..before.clone() };
        let found = difference(
            &plan(Kind::Json, &[draft("plan:a", "A"), now]),
            &[known(before.clone(), before, Standing::Ready), gone],
        );
        assert_eq!(
            found.to_string(),
            "1 to add, 1 to change, 0 unchanged, 1 gone\n\
             + plan:a  A\n\
             ~ plan:b (task-1)  B\u{fffd}[2J\n    \
                 labels: [b] -> [b, c]\n    \
                 status: `open` -> `completed`\n\
             - plan:c (task-1)  C, not in the source any more; it is waiting\n"
        );
        let json = found.json();
        assert_eq!((&json["add"], &json["conflicts"], &json["kind"]), (&1.into(), &0.into(), &"json".into()));
        assert_eq!(json["steps"][1]["fields"][1]["said"], "completed");
        assert!(!found.is_nothing());
    }
}
