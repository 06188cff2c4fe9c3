//! `orch-mcp export`.

use crate::cli::Run;
use crate::cli::exit;
use crate::cli::plans::given::BYTES_ELSEWHERE_MAX;
use crate::cli::plans::kind_of;
use crate::cli::print::counted;
use crate::cli::setup::files;
use crate::cli::true_path::true_path;
use crate::cli::written;
use crate::error::Error;
use crate::error::Kind as Wrong;
use crate::error::Result;
use crate::model::id::TaskId;
use crate::ops::Operation;
use crate::ops::import::ExportTasks;
use crate::ops::import::Exported;
use crate::ops::import::ImportPlan;
use crate::plan;
use crate::plan::Draft;
use crate::plan::File;
use crate::plan::Kind;
use crate::plan::Plan;
use crate::plan::Written;
use crate::plan::board;
use crate::plan::board::Column;
use crate::plan::specification;
use clap::ArgMatches;
use serde::Deserialize;
use serde_json::Value;
use serde_json::json;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::path::PathBuf;

/// What the store tells of its tasks.
pub(super) struct Tasks {
    pub(super) drafts: Vec<Draft>,
    ids: BTreeMap<String, TaskId>,
    left_out: u64,
}

impl Run<'_> {
    pub(super) fn tell_out(&self, matches: &ArgMatches) -> Result<u8> {
        let out = matches.get_one::<PathBuf>("out");
        let kind = match kind_of(matches)? {
            Some(kind) => kind,
            None => kind_by_name(out.map(PathBuf::as_path))?,
        };
        let tasks = self.tasks(matches.get_one::<String>("job"), out.map(PathBuf::as_path))?;
        if tasks.left_out > 0 {
            let left_out = counted(tasks.left_out, "reference");
            self.printer.note(&format!("{left_out} to tasks outside of this export left out"));
        }
        let is_folder = out.is_some_and(|out| is_folder(kind, out));
        let files = match (kind, out) {
            (Kind::Specification, _) if !is_folder => {
                let text = specification::write_one(&tasks.drafts);
                vec![Written { name: "tasks.md".to_owned(), text }]
            }
            (Kind::Board, None) => {
                return Err(Error::invalid("boards are three files").hint("name their folder with `--out`"));
            }
            (Kind::Board, Some(out)) => boards(out, &tasks.drafts)?,
            _ => plan::write(kind, &tasks.drafts)
                .ok_or_else(|| Error::internal(format!("`{}` is only read", kind.word())))?,
        };
        let plan = readable(kind, &files, "export one job after the other, with `--job`, or as another `--kind`")?;
        self.tell_left_out(kind, &tasks.drafts, &plan);
        let Some(out) = out else {
            let text: String = files.iter().map(|file| file.text.as_str()).collect();
            written(self.printer.file(&text))?;
            return self.note_written(kind, &[(String::new(), text)], &tasks).map(|()| exit::DONE);
        };
        let mut told = Vec::with_capacity(files.len());
        for file in files {
            let path = if is_folder { out.join(&file.name) } else { out.clone() };
            self.put(&path, &file.text)?;
            told.push((true_path(&path).display().to_string(), file.text));
        }
        self.note_written(kind, &told, &tasks)?;
        let what = format!("{} in {}", counted(tasks.drafts.len() as u64, "task"), counted(told.len() as u64, "file"));
        self.printer.note(&format!("wrote {what} to {}", out.display()));
        Ok(exit::DONE)
    }

    fn put(&self, path: &Path, text: &str) -> Result<()> {
        self.must_be_free_to_write(path)?;
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            fs::create_dir_all(folder).map_err(|cause| {
                Error::invalid(format!("the folder `{}` cannot be made: {cause}", folder.display()))
                    .hint("name another with `--out`")
            })?;
        }
        files::replace(path, text)
    }

    /// Whoever takes such a file elsewhere would miss it there.
    fn tell_left_out(&self, kind: Kind, drafts: &[Draft], plan: &Plan) {
        let left_out = plan::left_out(drafts, plan);
        if left_out.is_empty() {
            return;
        }
        let fields: Vec<String> =
            left_out.iter().map(|(field, count)| format!("{field} ({})", counted(*count, "task"))).collect();
        let word = kind.word();
        self.printer.note(&format!("`{word}` has no place for {}; `--kind json` keeps it", fields.join(", ")));
    }

    fn tasks(&self, job: Option<&String>, out: Option<&Path>) -> Result<Tasks> {
        self.tasks_of(job, &out.map(|out| true_path(out).display().to_string()).unwrap_or_default())
    }

    pub(super) fn tasks_of(&self, job: Option<&String>, source: &str) -> Result<Tasks> {
        let arguments = json!({ "job": job, "source": source });
        let data = self.ask_own(ExportTasks::NAME, arguments)?.data;
        let Exported { drafts, tasks, left_out } = Exported::deserialize(&data).map_err(Error::internal)?;
        let drafts = drafts.into_iter().map(serde_json::from_value).collect::<Result<Vec<Draft>, _>>();
        let drafts = drafts.map_err(Error::internal)?;
        let ids = drafts.iter().map(|draft| draft.key.clone()).zip(tasks).collect();
        Ok(Tasks { drafts, ids, left_out })
    }

    /// The store keeps what these files say: the next import of them is held against that.
    pub(super) fn note_written(&self, kind: Kind, files: &[(String, String)], tasks: &Tasks) -> Result<()> {
        let given: Vec<Value> = files
            .iter()
            .filter(|(_, text)| !text.trim().is_empty())
            .enumerate()
            .map(|(at, (source, text))| json!({ "name": name(at, source), "source": source, "text": text }))
            .collect();
        if given.is_empty() || tasks.drafts.is_empty() {
            return Ok(());
        }
        // Nor is it imported there.
        if self.config.server.value.is_some() && bytes_of(files) > BYTES_ELSEWHERE_MAX {
            return Ok(());
        }
        let arguments = json!({ "files": given, "kind": kind, "written": tasks.ids });
        match self.ask_import(ImportPlan::NAME, arguments) {
            Ok(told) => match told.imported.faults.first() {
                None => Ok(()),
                Some(fault) => Err(Error::internal(format!("what was written cannot be read: {fault}"))),
            },
            // Who may only look imports nothing either.
            Err(error) if error.kind == Wrong::Forbidden => Ok(()),
            Err(error) => Err(error),
        }
    }
}

pub(super) fn bytes_of(files: &[(String, String)]) -> usize {
    files.iter().map(|(_, text)| text.len()).sum()
}

/// Before anything is written: what an import would refuse is told now, and not by the next one.
pub(super) fn readable(kind: Kind, files: &[Written], hint: &str) -> Result<Plan> {
    plan::read_back(kind, files).map_err(|faults| {
        let what = faults.told().first().map(|fault| fault.what.clone()).unwrap_or_default();
        Error::new(Wrong::Refused, format!("what would be written could not be read again, so nothing was: {what}"))
            .hint(hint)
    })
}

fn name(at: usize, source: &str) -> String {
    if source.is_empty() { format!("the export {at}") } else { source.to_owned() }
}

fn kind_by_name(out: Option<&Path>) -> Result<Kind> {
    let Some(out) = out else { return Ok(Kind::Json) };
    match out.extension().and_then(|extension| extension.to_str()) {
        Some("json") => Ok(Kind::Json),
        Some("jsonl") => Ok(Kind::Jsonl),
        Some("md" | "markdown") => Ok(Kind::Checklist),
        _ => Err(Error::invalid(format!("`{}` does not say what it is to be", out.display()))
            .hint("name it with `--kind`: `specification` and `board` make a folder, the others a file")),
    }
}

/// Boards are a folder always, specifications are one unless a file is named.
fn is_folder(kind: Kind, out: &Path) -> bool {
    kind == Kind::Board || out.is_dir() || kind == Kind::Specification && out.extension().is_none()
}

/// The three, over what stands there.
fn boards(folder: &Path, drafts: &[Draft]) -> Result<Vec<Written>> {
    let mut written = Vec::new();
    for column in Column::ALL {
        let path = folder.join(column.file());
        let text = files::read_unlinked(&path)?.text.unwrap_or_default();
        let text = board_text(column, &path, &text, drafts).map_err(Error::from)?;
        written.push(Written { name: column.file().to_owned(), text });
    }
    Ok(written)
}

pub(super) fn board_text(column: Column, path: &Path, text: &str, drafts: &[Draft]) -> Result<String, plan::Faults> {
    let name = path.display().to_string();
    let file = File { name: &name, bytes: text.as_bytes() };
    if column == Column::Completed { board::append(file, drafts) } else { board::rewrite(column, file, drafts) }
}
