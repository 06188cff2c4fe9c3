//! `orch-mcp import`.

use crate::claude::tasks::Lists;
use crate::cli::Run;
use crate::cli::plans::given::Files;
use crate::cli::plans::kind_of;
use crate::cli::plans::told::Told;
use crate::cli::setup::places;
use crate::error::Error;
use crate::error::Result;
use crate::ops::Operation;
use crate::ops::import::BOARDS;
use crate::ops::import::ComparePlan;
use crate::ops::import::ImportPlan;
use crate::ops::import::Imported;
use crate::ops::import::Meant;
use crate::plan::Kind;
use crate::plan::board::Column;
use clap::ArgMatches;
use serde::Deserialize;
use serde_json::Value;
use serde_json::json;
use std::path::Path;
use std::path::PathBuf;

impl Run<'_> {
    pub(super) fn bring_in(&self, matches: &ArgMatches) -> Result<u8> {
        let paths: Vec<PathBuf> = matches.get_many::<PathBuf>("path").into_iter().flatten().cloned().collect();
        let kind = kind_of(matches)?;
        let paths = if paths.is_empty() && kind == Some(Kind::ClaudeTasks) { self.task_lists()? } else { paths };
        if paths.is_empty() {
            return Err(Error::invalid("there is nothing to import")
                .hint("name a file or a folder with a plan, or `-` for standard input"));
        }
        let files = Files::of(&paths)?;
        self.check_fits(&files)?;
        let mut arguments = match files.arguments(kind, matches.get_one::<String>("job")) {
            Ok(arguments) => arguments,
            Err(faults) => return self.tell_faults(&faults, faults.len() as u64),
        };
        let meant = [("same", Meant::Same), ("new", Meant::New)].into_iter().find(|(flag, _)| matches.get_flag(flag));
        if let Some((_, meant)) = meant {
            arguments["meant"] = json!(meant);
        }
        // Most imports change nothing, and to see that nobody has to wait for.
        let would = self.compare(&mut arguments)?;
        if !would.imported.faults.is_empty() {
            return self.tell_faults(&would.imported.faults, would.imported.faults_in_all);
        }
        if let Some(kind) = kind.filter(|_| would.imported.is_without_entries()) {
            self.printer.note(&format!("no task stands there as `{}` has them", kind.word()));
        }
        if would.imported.is_nothing || matches.get_flag("dry-run") {
            return self.told(&would, !matches.get_flag("dry-run"));
        }
        let done = self.ask_import(ImportPlan::NAME, arguments)?;
        match done.imported.faults.is_empty() {
            true => self.told(&done, true),
            false => self.tell_faults(&done.imported.faults, done.imported.faults_in_all),
        }
    }

    /// The client's own, of this session or of this project.
    fn task_lists(&self) -> Result<Vec<PathBuf>> {
        let around = self.config.surroundings();
        let [_, client] = places::code_dirs(&around)?;
        let project = around.cwd.map(|cwd| places::Project::around(cwd).key).unwrap_or_default();
        let mut lists = Lists::of(&client, &project, self.config.session.value.as_deref());
        // The client calls a session's project by where it began.
        if let Some(cwd) = around.cwd.filter(|cwd| lists.found.is_empty() && **cwd != project) {
            let here = Lists::of(&client, cwd, None);
            lists.found.extend(here.found);
            lists.looked.extend(here.looked);
        }
        if lists.found.is_empty() {
            let looked: Vec<String> = lists.looked.iter().map(|path| format!("`{}`", path.display())).collect();
            let message = format!("no task list of Claude Code is known here; looked for it in {}", looked.join(", "));
            return Err(Error::not_found(message).hint("name its folder: a session has one below `tasks` there"));
        }
        Ok(lists.found)
    }

    pub(super) fn check_fits(&self, files: &Files) -> Result<()> {
        if self.config.server.value.is_some() { files.check_fits_elsewhere() } else { Ok(()) }
    }

    /// What an import would change. Whoever reads the files is who can see that one is not there any more.
    pub(super) fn compare(&self, arguments: &mut Value) -> Result<Told> {
        let told = self.ask_import(ComparePlan::NAME, arguments.clone())?;
        // Another machine of a team that has its store elsewhere has other files.
        if told.imported.elsewhere.is_empty() || self.config.server.value.is_some() {
            return Ok(told);
        }
        let gone: Vec<&String> = told.imported.elsewhere.iter().filter(|source| !is_there(source)).collect();
        if gone.is_empty() {
            return Ok(told);
        }
        arguments["gone"] = json!(gone);
        self.ask_import(ComparePlan::NAME, arguments.clone())
    }

    pub(super) fn ask_import(&self, operation: &str, arguments: Value) -> Result<Told> {
        let reply = self.ask_own(operation, arguments)?;
        let imported = Imported::deserialize(&reply.data).map_err(Error::internal)?;
        Ok(Told { imported, text: reply.text(), ids: reply.ids.clone(), data: reply.data })
    }
}

/// Is there a file still of which a plan was taken? If nobody can look, there is.
fn is_there(source: &str) -> bool {
    let exists = |path: &Path| path.try_exists().unwrap_or(true);
    match source.strip_prefix(BOARDS) {
        Some(folder) => Column::ALL.iter().any(|column| exists(&Path::new(folder).join(column.file()))),
        None => source.is_empty() || exists(Path::new(source)),
    }
}
