//! A plan that somebody tells in an answer: held against its schema, the roles that there are and the tasks that it goes on
//! from, and made into tasks only whole. Whatever is wrong with it is told at once, so that it is mended in one go.

use crate::error::Error;
use crate::error::Kind as ErrorKind;
use crate::error::Result;
use crate::model::id::JobId;
use crate::model::id::TaskId;
use crate::model::nearest::nearest;
use crate::model::stage::Assigned;
use crate::model::task::Standing;
use crate::model::task::Task;
use crate::ops::Caller;
use crate::ops::render;
use crate::ops::task::BATCH_MAX;
use crate::ops::task::Plan;
use crate::ops::task::PushedMany;
use crate::plan;
use crate::plan::Draft;
use crate::plan::Fault;
use crate::plan::Faults;
use crate::plan::File;
use crate::plan::Kind;
use crate::plan::Rules;
use crate::plan::entries::SCHEME;
use crate::plan::entries::TASKS;
use crate::plan::key;
use crate::store::InstanceFilter;
use crate::store::TaskFilter;
use crate::store::Tx;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;
use std::collections::BTreeSet;
use std::collections::HashMap;

/// Of all faults together, as one message.
const FAULTS_BYTES: usize = 6_000;
/// Of those that are known, so many are named.
const ROLES_TOLD: usize = 20;
/// Among so many one is looked for who may be meant.
const NAMES_LOOKED_AT: u32 = 500;
/// What a plan says of what is still to be done, and never how far that is.
const NOT_OF_A_PLAN: [&str; 3] = ["status", "finished_at", "summary"];

/// For whoever is to tell one.
pub const TOLD: &str = "\
`{\"tasks\": [...]}`, each task with `key` (a short name by which others name it), `title` (the result, in one line), \
`description`, `acceptance` (a list: what can be checked when it is done; never empty), and where it helps `role`, \
`depends_on` (keys, or ids of tasks that there are), `parent` (a key), `context_files`, `expected_outputs`, `evidence`, \
`priority` (1 to 10, 10 most urgent), `labels`, `repo`, `reserves` (files, or resources such as `@staging-db`, that whoever does it has to itself). Unknown roles, missing acceptance, two tasks of one title and circles are refused, \
each with its place: mend them and tell the whole plan again.";

/// The tasks of a plan, as they are pushed.
pub struct Planned(Vec<Map<String, Value>>);

impl Planned {
    /// What whoever did the task tells, if telling a plan was the task.
    pub fn of(task: &Task, told: Option<&Value>, tx: &mut dyn Tx, caller: &Caller) -> Result<Option<(Planned, JobId)>> {
        let (true, Some(job)) = (task.body.stage.as_ref().is_some_and(|stage| stage.plans), task.job) else {
            return Ok(None);
        };
        let tasks = match told {
            Some(Value::Array(tasks)) => Some(tasks),
            Some(told) => told.get(TASKS).and_then(Value::as_array),
            None => None,
        };
        let tasks = tasks.ok_or_else(|| {
            Error::invalid("`result_json` is to be the plan, and holds no `tasks`").hint(format!("wanted {TOLD}"))
        })?;
        Ok(Some((Planned::read(tasks, Some(job), tx, caller)?, job)))
    }

    /// For a job that is there already, or for a new one.
    pub fn read(tasks: &[Value], job: Option<JobId>, tx: &mut dyn Tx, caller: &Caller) -> Result<Planned> {
        if tasks.is_empty() {
            return Err(Error::invalid(format!("`{TASKS}` is empty")).hint("a plan has at least one task"));
        }
        let names = |field: &'static str| tasks.iter().filter_map(move |task| task.get(field)?.as_str());
        let mut roles = None;
        if let Some(files) = &caller.roles {
            let mut known: BTreeSet<String> = files.iter().cloned().collect();
            for role in names("role") {
                if !known.contains(role) && is_borne(role, tx)? {
                    known.insert(role.to_owned());
                }
            }
            roles = Some(known.into_iter().collect());
        }
        let needs =
            tasks.iter().filter_map(|task| task.get("depends_on")?.as_array()).flatten().filter_map(Value::as_str);
        let mut known = Vec::new();
        for name in needs.chain(names("parent")) {
            let id = name.strip_prefix("task-").and_then(|_| name.parse::<TaskId>().ok());
            if let Some(id) = id
                && tx.task(id)?.is_some()
            {
                known.push(key::key_of(SCHEME, name));
            }
        }
        let rules = Rules {
            roles,
            acceptance: true,
            same_titles: false,
            known: known.into_iter().collect(),
            team: None,
            any_references: false,
        };
        // Each is a file of one line, so that whatever is told of it tells its number.
        let texts: Vec<(String, String)> =
            tasks.iter().enumerate().map(|(at, task)| (place(at), task.to_string())).collect();
        let files: Vec<File> = texts.iter().map(|(name, text)| File { name, bytes: text.as_bytes() }).collect();
        let plan = plan::read(&files, Some(Kind::Jsonl), &rules).map_err(refused)?;
        let open = job.map_or(Ok(HashMap::new()), |job| open_titles(job, tx))?;
        let mut planned = Vec::with_capacity(plan.entries.len());
        for (at, entry) in plan.entries.iter().enumerate() {
            if let Some(field) = NOT_OF_A_PLAN.iter().find(|field| tasks[at].get(**field).is_some()) {
                return Err(Error::invalid(format!(
                    "{}: `{field}` is for what is done, and a plan is for what is not",
                    place(at)
                ))
                .hint("take it out"));
            }
            if let Some(there) = open.get(&entry.draft.title) {
                return Err(Error::invalid(format!("{}: {} of this job has this title already", place(at), there))
                    .hint("leave it out, or say in the title what it is besides"));
            }
            planned.push(pushed(&entry.draft)?);
        }
        Ok(Planned(planned))
    }

    pub fn tasks(&self) -> &[Map<String, Value>] {
        &self.0
    }

    pub fn push(&self, job: JobId, tx: &mut dyn Tx, caller: &Caller) -> Result<PushedMany> {
        Plan::read(&self.0, Some(job))?.push(tx, caller)
    }
}

/// What is still to be done for a job. Told twice, a plan would be done twice.
fn open_titles(job: JobId, tx: &mut dyn Tx) -> Result<HashMap<String, TaskId>> {
    let filter = TaskFilter { standings: Standing::OPEN.to_vec(), job: Some(job), ..TaskFilter::default() };
    let tasks = tx.list_tasks(&filter, BATCH_MAX as u32)?;
    Ok(tasks.into_iter().map(|task| (task.title, task.id)).collect())
}

/// As `push_tasks` takes it, but for what names others.
pub fn arguments(draft: &Draft) -> Result<Map<String, Value>> {
    let evidence: Vec<String> = draft.evidence.iter().map(ToString::to_string).collect();
    let fields = json!({
        "title": draft.title,
        "description": draft.whole_description(),
        "urgency": draft.priority.map(|priority| priority.urgency()),
        "role": draft.role,
        "assignee": draft.assignee,
        "link": draft.link,
        "chain_id": draft.chain_id,
        "context_files": draft.context_files,
        "expected_outputs": draft.expected_outputs,
        "acceptance": draft.acceptance,
        "evidence": evidence,
        "reserves": draft.reserves,
        "repo": draft.repo,
        "branch": draft.branch,
        "labels": draft.labels,
        "metadata": draft.metadata,
        "not_before": draft.not_before,
        "max_attempts": draft.max_attempts,
        "lease_secs": draft.lease_secs,
    });
    let Value::Object(mut fields) = fields else { return Err(Error::internal("a task that is no object")) };
    fields.retain(|_, value| !value.is_null());
    Ok(fields)
}

/// As `push_tasks` takes it.
fn pushed(draft: &Draft) -> Result<Map<String, Value>> {
    let name = |key: &str| Value::from(key::name_of(SCHEME, key));
    let mut task = arguments(draft)?;
    task.insert("ref".to_owned(), name(&draft.key));
    task.insert("depends_on".to_owned(), draft.depends_on.iter().map(|key| name(key)).collect());
    if let Some(parent) = &draft.parent {
        task.insert("parent".to_owned(), name(parent));
    }
    Ok(task)
}

fn place(at: usize) -> String {
    format!("{TASKS}[{at}]")
}

fn refused(faults: Faults) -> Error {
    let count = faults.count();
    let line = |fault: &Fault| {
        let hint = fault.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
        format!("{}: {}{hint}", fault.spot.file, fault.what)
    };
    let (lines, _) = render::fit(faults.told().iter().map(line).collect(), FAULTS_BYTES);
    let counted = if count == 1 { "1 fault".to_owned() } else { format!("{count} faults") };
    let mut message = format!("the plan has {counted}:\n{}", lines.join("\n"));
    if count > lines.len() {
        message.push_str(&format!("\nand {} more", count - lines.len()));
    }
    let hint = "nothing was made of it; mend them all, and tell the whole plan again";
    // What is told of each is short, and whoever mends it needs all of it.
    Error { message, ..Error::invalid("").hint(hint) }
}

/// Is there somebody to whom it is given so?
pub fn check_assigned(to: &Assigned, tx: &mut dyn Tx, caller: &Caller) -> Result<()> {
    let name = match to {
        Assigned::Role(role) => return check_role(role, tx, caller),
        Assigned::Instance(name) => name,
    };
    if tx.instance_by_name(name)?.is_some() || tx.worker(name)?.is_some() {
        return Ok(());
    }
    let there = tx.list_instances(&InstanceFilter::default(), NAMES_LOOKED_AT)?;
    let error = Error::new(ErrorKind::Refused, format!("nobody bears the name `{to}`"));
    Err(error.hint(match nearest(name, there.iter().map(|one| one.name.as_str())) {
        Some(near) => format!("did you mean `@{near}`?"),
        None => "name a role instead, or somebody whom `list_instances` shows".to_owned(),
    }))
}

/// Does anybody here have that role, whether or not it is written down?
fn is_borne(role: &str, tx: &mut dyn Tx) -> Result<bool> {
    let bearers = InstanceFilter { role: Some(role.to_owned()), ..InstanceFilter::default() };
    Ok(tx.count_instances(&bearers)? > 0 || tx.workers()?.iter().any(|worker| worker.role == role))
}

/// Is there anybody, or may there ever be, who does what is given to that role?
pub fn check_role(role: &str, tx: &mut dyn Tx, caller: &Caller) -> Result<()> {
    let Some(known) = &caller.roles else { return Ok(()) };
    if known.iter().any(|name| name == role) || is_borne(role, tx)? {
        return Ok(());
    }
    let error = Error::new(ErrorKind::Refused, format!("nobody has the role `{role}`, and no role is called so"));
    Err(error.hint(match nearest(role, known.iter().map(String::as_str)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("there are {}", known.iter().take(ROLES_TOLD).cloned().collect::<Vec<_>>().join(", ")),
    }))
}
