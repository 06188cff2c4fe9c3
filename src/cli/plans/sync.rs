//! `orch-mcp sync`: a folder's boards and specifications, and the store. What people wrote into the files is taken in first,
//! then the boards are written from the store, which stays the truth.

use crate::cli::Run;
use crate::cli::exit;
use crate::cli::plans::given::BYTES_ELSEWHERE_MAX;
use crate::cli::plans::given::Files;
use crate::cli::plans::out::Tasks;
use crate::cli::plans::out::board_text;
use crate::cli::plans::out::readable;
use crate::cli::plans::told::Told;
use crate::cli::print::Answer;
use crate::cli::print::Format;
use crate::cli::setup::files;
use crate::cli::setup::files::Found;
use crate::cli::setup::files::Privacy;
use crate::cli::setup::files::Refusal;
use crate::cli::true_path::true_path;
use crate::error::Error;
use crate::error::Kind as Wrong;
use crate::error::Result;
use crate::ops::Operation;
use crate::ops::import::BOARDS;
use crate::ops::import::FaultLine;
use crate::ops::import::ImportPlan;
use crate::plan::Kind;
use crate::plan::Written;
use crate::plan::board::Column;
use clap::ArgMatches;
use serde_json::Value;
use serde_json::json;
use std::fs;
use std::path::Path;
use std::path::PathBuf;

/// Where specifications are, if nobody says.
const SPECS: &str = "specs";

/// What to do where there is more than boards hold.
const TOO_MUCH: &str = "keep a folder for each job, with `--job`";

/// What is kept alike.
pub(super) struct Folder {
    pub(super) boards: PathBuf,
    pub(super) specs: PathBuf,
    job: Option<String>,
}

/// What one round came to.
#[derive(Default)]
pub(super) struct Round {
    took: Vec<(&'static str, Told)>,
    pub(super) faults: Vec<FaultLine>,
    written: Vec<PathBuf>,
    /// Somebody wrote a file while this went on: there is more to take in.
    pub(super) is_overtaken: bool,
}

impl Folder {
    pub(super) fn of(matches: &ArgMatches) -> Folder {
        let boards = matches.get_one::<PathBuf>("folder").cloned().unwrap_or_default();
        let specs = matches.get_one::<PathBuf>("specs").cloned();
        Folder {
            specs: specs.unwrap_or_else(|| boards.join(SPECS)),
            job: matches.get_one::<String>("job").cloned(),
            boards,
        }
    }

    fn board(&self, column: Column) -> PathBuf {
        self.boards.join(column.file())
    }

    /// Those that can be watched.
    pub(super) fn dirs(&self) -> Vec<PathBuf> {
        [&self.boards, &self.specs].into_iter().filter(|dir| dir.is_dir()).cloned().collect()
    }
}

impl Run<'_> {
    pub(super) fn sync(&self, matches: &ArgMatches) -> Result<u8> {
        let folder = Folder::of(matches);
        Column::ALL.into_iter().try_for_each(|column| self.must_be_free_to_write(&folder.board(column)))?;
        fs::create_dir_all(&folder.boards).map_err(|cause| {
            Error::invalid(format!("the folder `{}` cannot be made: {cause}", folder.boards.display()))
                .hint("name another folder")
        })?;
        if matches.get_flag("watch") {
            return self.sync_on(&folder);
        }
        let mut round = self.sync_round(&folder)?;
        if round.is_overtaken {
            round = self.sync_round(&folder)?;
        }
        self.tell_round(&round, false)?;
        Ok(if round.faults.is_empty() { exit::DONE } else { exit::USAGE })
    }

    /// Once in and once out.
    pub(super) fn sync_round(&self, folder: &Folder) -> Result<Round> {
        let mut round = Round::default();
        if has_specifications(&folder.specs) {
            let mut files = Files::default();
            files.add_folder(&folder.specs)?;
            self.take_in("specs", &files, Kind::Specification, folder, &mut round)?;
        }
        let mut boards: Vec<(Column, Found)> = Vec::new();
        let mut unreadable = Vec::new();
        for column in Column::ALL {
            let path = folder.board(column);
            match files::read_unlinked(&path) {
                Ok(found) => boards.push((column, found)),
                // As any other fault, it is for whoever is at it to mend.
                Err(error) if error.kind == Wrong::Invalid => unreadable.push((path, error)),
                Err(error) => return Err(error),
            }
        }
        boards.iter().for_each(|(_, found)| found.sweep());
        // What is a file and no text is told with its line by whoever reads it below.
        let (no_text, no_file): (Vec<_>, Vec<_>) = unreadable.into_iter().partition(|(path, _)| is_file_itself(path));
        if !no_file.is_empty() {
            round.faults.extend(no_file.iter().map(fault));
            return Ok(round);
        }
        let mut files = Files::default();
        for column in Column::ALL.into_iter().filter(|column| is_file_itself(&folder.board(*column))) {
            files.add_file(&folder.board(column))?;
        }
        let before = round.faults.len();
        if !files.files.is_empty() {
            self.take_in("boards", &files, Kind::Board, folder, &mut round)?;
        }
        if round.faults.len() == before {
            round.faults.extend(no_text.iter().map(fault));
        }
        // Where one cannot be read, a task may be on its way from it to another: none is written before that is mended.
        if round.faults.len() > before {
            return Ok(round);
        }
        if files.files.iter().any(|file| {
            !boards.iter().any(|(_, found)| found.text.as_ref().is_some_and(|text| text.as_bytes() == file.bytes))
        }) {
            round.is_overtaken = true;
            return Ok(round);
        }
        self.write_boards(folder, &boards, &mut round)?;
        Ok(round)
    }

    fn take_in(&self, what: &'static str, files: &Files, kind: Kind, folder: &Folder, round: &mut Round) -> Result<()> {
        self.check_fits(files)?;
        let mut arguments = match files.arguments(Some(kind), folder.job.as_ref()) {
            Ok(arguments) => arguments,
            Err(faults) => {
                round.faults.extend(faults);
                return Ok(());
            }
        };
        let mut told = self.compare(&mut arguments)?;
        if told.imported.faults.is_empty() && !told.imported.is_nothing {
            told = self.ask_import(ImportPlan::NAME, arguments)?;
        }
        round.faults.extend(told.imported.faults.iter().cloned());
        if told.imported.faults.is_empty() {
            round.took.push((what, told));
        }
        Ok(())
    }

    fn write_boards(&self, folder: &Folder, boards: &[(Column, Found)], round: &mut Round) -> Result<()> {
        let source = format!("{BOARDS}{}", true_path(&folder.boards).display());
        let tasks: Tasks = self.tasks_of(folder.job.as_ref(), &source)?;
        let mut texts = Vec::new();
        for (column, found) in boards {
            let (path, before) = (folder.board(*column), found.text.as_deref().unwrap_or_default());
            let text = board_text(*column, &path, before, &tasks.drafts).map_err(Error::from)?;
            texts.push(Written { name: column.file().to_owned(), text });
        }
        readable(Kind::Board, &texts, TOO_MUCH)?;
        let whole: usize = texts.iter().map(|file| file.text.len()).sum();
        if self.config.server.value.is_some() && whole > BYTES_ELSEWHERE_MAX {
            let what =
                format!("the boards would have {whole} bytes; a server elsewhere takes {BYTES_ELSEWHERE_MAX} at once");
            return Err(Error::new(Wrong::Refused, format!("{what}, so nothing was written")).hint(TOO_MUCH));
        }
        let mut told = Vec::new();
        for ((column, found), Written { text, .. }) in boards.iter().zip(texts) {
            let path = folder.board(*column);
            if found.text.as_deref() != Some(text.as_str()) {
                match found.prepare(Some(&text), Privacy::Shared)?.commit() {
                    Ok(()) => round.written.push(path.clone()),
                    Err(Refusal::Changed) => round.is_overtaken = true,
                    Err(Refusal::Failed(error)) => return Err(error),
                }
            }
            told.push((true_path(&path).display().to_string(), text));
        }
        // Only what stands in the files was told: one that somebody else wrote meanwhile is read in the next round.
        if round.is_overtaken || round.written.is_empty() {
            return Ok(());
        }
        self.note_written(Kind::Board, &told, &tasks)
    }

    /// Says what there is to say. Of a round that came to nothing that is a word, and while it goes on not even that.
    pub(super) fn tell_round(&self, round: &Round, goes_on: bool) -> Result<()> {
        let is_news = |told: &Told| !told.imported.steps.is_empty();
        let took: Vec<&(&'static str, Told)> = round.took.iter().filter(|(_, told)| is_news(told)).collect();
        if goes_on && took.is_empty() && round.written.is_empty() && round.faults.is_empty() {
            return Ok(());
        }
        if self.printer.format == Format::Table {
            round.faults.iter().for_each(|fault| self.printer.aloud(&fault.to_string()));
            if !round.faults.is_empty() {
                self.printer.aloud("nothing of these files was taken in, and none of them is written; correct them");
            }
        }
        let text = || {
            let took = took.iter().map(|(what, told)| format!("{what}: {}", told.words(true)));
            let names: Vec<String> = round.written.iter().map(|path| path.display().to_string()).collect();
            let wrote = (!names.is_empty()).then(|| format!("wrote {}\n", names.join(", ")));
            let all: String = took.chain(wrote).collect();
            if all.is_empty() && round.faults.is_empty() { "files and store say the same\n".to_owned() } else { all }
        };
        let data: Value = json!({
            "written": round.written,
            "specs": of(&round.took, "specs"),
            "boards": of(&round.took, "boards"),
            "faults": round.faults,
        });
        if self.printer.format == Format::Table && text().is_empty() {
            return Ok(());
        }
        // What goes on tells a line for each round; what is asked once has one answer.
        crate::cli::written(match goes_on {
            true => self.printer.record(&data, &text),
            false => self.printer.answer(&Answer { data: &data, ids: &[], unread: None, text: &text }),
        })
    }
}

fn of<'a>(took: &'a [(&'static str, Told)], what: &str) -> Option<&'a Value> {
    took.iter().find(|(name, _)| *name == what).map(|(_, told)| &told.data)
}

fn is_file_itself(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|found| found.is_file())
}

/// Of a board as a whole.
fn fault((path, error): &(PathBuf, Error)) -> FaultLine {
    FaultLine { file: path.display().to_string(), line: 1, message: error.message.clone(), hint: error.hint.clone() }
}

fn has_specifications(dir: &Path) -> bool {
    let is_one = |path: PathBuf| {
        let is_readme = path.file_name().is_some_and(|name| name.eq_ignore_ascii_case("readme.md"));
        path.is_file() && !is_readme && path.extension().is_some_and(|extension| extension == "md")
    };
    fs::read_dir(dir).into_iter().flatten().flatten().any(|entry| is_one(entry.path()))
}
