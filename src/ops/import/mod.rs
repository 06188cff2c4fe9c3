//! Plans in and out of the store: `compare_plan` says what an import would change, `import_plan` changes it, all of it or
//! nothing, and `export_tasks` tells tasks as files tell them.

mod carry_out;
mod export;
mod known;
mod names;
mod whose;

pub use export::ExportTasks;
pub use export::Exported;
pub use whose::Meant;

use crate::error::Result;
use crate::model::id::JobId;
use crate::model::id::TaskId;
use crate::model::nearest::nearest;
use crate::model::registry::is_of_forge;
use crate::ops::Answer;
use crate::ops::Caller;
use crate::ops::Effect;
use crate::ops::Noun;
use crate::ops::Operation;
use crate::ops::import::known::Asked;
use crate::ops::import::known::Ground;
use crate::ops::import::whose::Naming;
use crate::ops::import::whose::Whose;
use crate::ops::task::existing_job;
use crate::plan;
use crate::plan::Entry;
use crate::plan::Fault;
use crate::plan::Faults;
use crate::plan::File;
use crate::plan::Kind;
use crate::plan::Plan;
use crate::plan::Rules;
use crate::plan::board::Column;
use crate::plan::difference::Difference;
use crate::plan::difference::Step;
use crate::plan::difference::What;
use crate::plan::difference::difference;
use crate::plan::fault::shown;
use crate::store::Tx;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Value;
use serde_json::json;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::collections::HashMap;
use std::collections::HashSet;
use std::fmt;

/// Of what is told of a tracker in passing, nobody reads more.
const REMARKS_MAX: usize = 100;

/// A file as whoever calls has read it.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "PlanFile")]
pub struct GivenFile {
    /// As messages call it.
    pub name: String,
    /// Where it truly is: by that it is known again. Empty for what lies nowhere.
    pub source: String,
    pub text: String,
}

/// Files of one plan.
#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Given {
    files: Vec<GivenFile>,
    /// Else it is told by what is in them.
    kind: Option<Kind>,
    /// The job of what is new
    job: Option<JobId>,
    /// Folders of which these are all files: what others in them told before is gone.
    folders: Option<Vec<String>>,
    /// They were just written from these tasks, by their keys: only keep what they say.
    written: Option<BTreeMap<String, TaskId>>,
    /// What is meant by names that another file gave to tasks
    meant: Option<Meant>,
    /// Sources that are not there any more: what they called so may be called so by one that took their place.
    gone: Option<Vec<String>>,
}

/// What an import would change.
#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(transparent)]
pub struct ComparePlan(Given);

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(transparent)]
pub struct ImportPlan(Given);

/// Something that is wrong with a file, or that one may want to know.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[schemars(rename = "PlanFault")]
pub struct FaultLine {
    pub file: String,
    pub line: u64,
    pub message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl FaultLine {
    pub fn of(fault: &Fault) -> FaultLine {
        FaultLine {
            file: fault.spot.file.to_string(),
            line: fault.spot.line as u64,
            message: fault.what.clone(),
            hint: fault.hint.clone(),
        }
    }
}

/// As compilers tell of faults.
impl fmt::Display for FaultLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.message)?;
        self.hint.iter().try_for_each(|hint| write!(f, "; {hint}"))
    }
}

#[derive(Debug, Default, Deserialize, JsonSchema, Serialize)]
#[schemars(rename = "PlanImport")]
pub struct Imported {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<Kind>,
    pub add: u64,
    pub change: u64,
    pub unchanged: u64,
    /// Of what the source told before and does not any more. Nothing is done about it.
    pub gone: u64,
    /// Fields that are left as they are, though the source says otherwise.
    pub conflicts: u64,
    /// Each task about which there is something to do or to say.
    pub steps: Vec<Value>,
    /// Those that were made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tasks: Vec<TaskId>,
    /// With any of these nothing is imported at all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<FaultLine>,
    #[serde(default, skip_serializing_if = "is_none_of_them")]
    pub faults_in_all: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<FaultLine>,
    /// The sources that gave names first that these files use, in other words or the same. Is one not there any more, that
    /// may be said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub elsewhere: Vec<String>,
    /// Would an import write nothing at all?
    pub is_nothing: bool,
    #[serde(skip)]
    told: String,
}

fn is_none_of_them(count: &u64) -> bool {
    *count == 0
}

/// A plan held against what is there.
struct Held {
    plan: Plan,
    difference: Difference,
    /// Of each entry of the plan.
    sources: Vec<String>,
    moved: HashSet<String>,
    /// Whose words the copies among them have.
    elsewhere: BTreeSet<String>,
}

/// Why nothing is imported.
struct Refused {
    faults: Faults,
    elsewhere: Vec<String>,
}

impl Refused {
    fn of(faults: impl IntoIterator<Item = Fault>, elsewhere: impl IntoIterator<Item = String>) -> Refused {
        let mut all = Faults::default();
        faults.into_iter().for_each(|fault| all.push(fault));
        Refused { faults: all, elsewhere: elsewhere.into_iter().collect() }
    }
}

impl Given {
    fn hold(&self, tx: &mut dyn Tx, caller: &Caller) -> Result<Result<Held, Refused>> {
        if let Some(job) = self.job {
            existing_job(tx, job)?;
        }
        let mut files: Vec<File> =
            self.files.iter().map(|file| File { name: &file.name, bytes: file.text.as_bytes() }).collect();
        // What is over was there before what waits for it.
        files.sort_by_key(|file| Reverse(Column::ALL.iter().position(|column| file.name.ends_with(column.file()))));
        // What is in the store has its titles already, and trackers let two tasks have one.
        let rules = Rules {
            same_titles: true,
            known: tx.keys()?.into_iter().collect(),
            team: Some(tx.team_mark()?),
            ..Rules::default()
        };
        let mut plan = match plan::read(&files, self.kind, &rules) {
            Ok(plan) => plan,
            Err(faults) => return Ok(Err(Refused { faults, elsewhere: Vec::new() })),
        };
        let by_name: HashMap<&str, String> =
            self.files.iter().map(|file| (file.name.as_str(), source_of(plan.kind, &file.source))).collect();
        let source = |name: &str| by_name.get(name).cloned().unwrap_or_default();
        let sources: Vec<String> = plan.entries.iter().map(|entry| source(&entry.place.spot.file)).collect();
        let mut all: Vec<&String> = by_name.values().collect();
        if plan.kind != Kind::Board {
            all.extend(self.folders.iter().flatten());
        }
        all.retain(|source| !source.is_empty());
        all.sort();
        all.dedup();
        // What we wrote ourselves calls all by their keys.
        let whose = match &self.written {
            Some(_) => vec![Whose::Certain; plan.entries.len()],
            None => match (Naming { meant: self.meant, sources: &sources }).name(&mut plan.entries, tx)? {
                Ok(whose) => whose,
                Err(faults) => return Ok(Err(Refused::of(faults, []))),
            },
        };
        let gone = self.gone.as_deref().unwrap_or_default();
        let asked = Asked { plan: &plan, sources: &sources, whose: &whose, all_sources: &all, gone };
        let ground = asked.ground(tx, caller)?;
        if !ground.doubts.is_empty() {
            return Ok(Err(Refused::of(ground.doubts, ground.elsewhere)));
        }
        let mut difference = difference(&plan, &ground.known);
        let strangers = strangers(&plan, &difference, caller);
        if !strangers.is_empty() {
            return Ok(Err(Refused::of(strangers, [])));
        }
        let is_copy = |step: &&mut Step| ground.copies.contains_key(&step.key);
        difference.steps.iter_mut().filter(is_copy).for_each(|step| step.remember = None);
        plan.remarks.splice(0..0, copied(&plan, &ground));
        Ok(Ok(Held { plan, difference, sources, moved: ground.moved, elsewhere: ground.elsewhere }))
    }
}

/// The repositories that an import would give to tasks, and that nobody registered: as `push_task` refuses them.
fn strangers(plan: &Plan, difference: &Difference, caller: &Caller) -> Vec<Fault> {
    let Some(known) = &caller.repositories else { return Vec::new() };
    let is_given = |step: &Step, entry: &Entry| match step.what {
        What::Add => !entry.draft.status.is_over(),
        _ => step.to_set().any(|(field, _)| field == "repo"),
    };
    let given = difference.steps.iter().zip(&plan.entries).filter(|(step, entry)| is_given(step, entry));
    let strange = given.filter_map(|(_, entry)| {
        let name =
            entry.draft.repo.as_deref().filter(|name| !is_of_forge(name) && !known.iter().any(|one| one == name))?;
        let fault = Fault::new(entry.place.of("repo"), format!("there is no repository `{}`", shown(name)));
        Some(fault.hint(match nearest(name, known.iter().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "write `[repos.NAME]` and its `path` into orch.toml, or take it out".to_owned(),
        }))
    });
    strange.collect()
}

/// One remark for each file and the one that tells the same.
fn copied(plan: &Plan, ground: &Ground) -> Vec<Fault> {
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for entry in &plan.entries {
        if let Some(home) = ground.copies.get(&entry.draft.key) {
            *counts.entry((&entry.place.spot.file, home)).or_default() += 1;
        }
    }
    counts.into_iter().map(|((file, home), count)| whose::copied(file, home, count)).collect()
}

/// How the source of boards begins: their folder follows.
pub const BOARDS: &str = "boards:";

/// Boards are one: a task goes from one of their files to the next.
fn source_of(kind: Kind, source: &str) -> String {
    match source.rsplit_once('/') {
        Some((folder, _)) if kind == Kind::Board => format!("{BOARDS}{folder}"),
        _ => source.to_owned(),
    }
}

impl Imported {
    fn of_faults(Refused { faults, elsewhere }: Refused) -> Imported {
        let told: Vec<FaultLine> = faults.told().iter().map(FaultLine::of).collect();
        let mut text: String = told.iter().map(|fault| format!("{fault}\n")).collect();
        let more = faults.count() - told.len();
        if more > 0 {
            text.push_str(&format!("and {more} more\n"));
        }
        Imported { faults: told, faults_in_all: faults.count() as u64, elsewhere, told: text, ..Imported::default() }
    }

    /// Do the files tell of no task at all?
    pub fn is_without_entries(&self) -> bool {
        self.add + self.change + self.unchanged == 0
    }

    fn of(held: &Held, tasks: Vec<TaskId>) -> Imported {
        let count = |what| held.difference.count(what) as u64;
        let steps = held.difference.steps.iter().filter(|step| step.what != What::Unchanged);
        Imported {
            kind: Some(held.plan.kind),
            add: count(What::Add),
            change: count(What::Change),
            unchanged: count(What::Unchanged),
            gone: count(What::Gone),
            conflicts: held.difference.steps.iter().flat_map(Step::conflicts).count() as u64,
            steps: steps.map(|step| json!(step)).collect(),
            tasks,
            remarks: held.plan.remarks.iter().take(REMARKS_MAX).map(FaultLine::of).collect(),
            elsewhere: held.elsewhere.iter().cloned().collect(),
            is_nothing: held.difference.steps.iter().all(|step| step.remember.is_none()),
            told: held.difference.to_string(),
            ..Imported::default()
        }
    }
}

impl Operation for ComparePlan {
    const NAME: &'static str = "compare_plan";
    const ABOUT: &'static str = "What an import of these files would change";
    const NOUN: Noun = Noun::Tasks;
    const EFFECT: Effect = Effect::Read;
    type Output = Imported;

    fn reads_plans(&self) -> bool {
        true
    }

    fn run(&self, tx: &mut dyn Tx, caller: &Caller) -> Result<Imported> {
        Ok(match self.0.hold(tx, caller)? {
            Ok(held) => Imported::of(&held, Vec::new()),
            Err(refused) => Imported::of_faults(refused),
        })
    }
}

impl Operation for ImportPlan {
    const NAME: &'static str = "import_plan";
    const ABOUT: &'static str = "Take these files in: all of them or nothing";
    const NOUN: Noun = Noun::Tasks;
    const EFFECT: Effect = Effect::Write;
    type Output = Imported;

    fn reads_plans(&self) -> bool {
        true
    }

    fn run(&self, tx: &mut dyn Tx, caller: &Caller) -> Result<Imported> {
        let mut held = match self.0.hold(tx, caller)? {
            Ok(held) => held,
            Err(refused) => return Ok(Imported::of_faults(refused)),
        };
        if let Some(written) = &self.0.written {
            held.is_written(written, tx)?;
            // Whoever wrote them knows what they say.
            return Ok(Imported { kind: Some(held.plan.kind), is_nothing: true, ..Imported::default() });
        }
        let tasks = held.carry_out(self.0.job, tx, caller)?;
        let made = held.difference.steps.iter_mut().filter(|step| step.what == What::Add);
        made.zip(&tasks).for_each(|(step, task)| step.task = Some(task.short()));
        Ok(Imported::of(&held, tasks))
    }
}

impl Answer for Imported {
    fn ids(&self) -> Vec<String> {
        self.tasks.iter().map(TaskId::to_string).collect()
    }
}

impl fmt::Display for Imported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.told.is_empty() {
            return f.write_str(&self.told);
        }
        self.faults.iter().try_for_each(|fault| writeln!(f, "{fault}"))?;
        let Imported { add, change, unchanged, gone, .. } = self;
        writeln!(f, "{add} to add, {change} to change, {unchanged} unchanged, {gone} gone")
    }
}
