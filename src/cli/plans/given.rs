//! Files of a plan as they are read: what they are called, where they truly are, and what is in them.

use crate::cli::true_path::true_path;
use crate::error::Error;
use crate::error::Result;
use crate::ops::import::FaultLine;
use crate::plan;
use crate::plan::BYTES_MAX;
use crate::plan::Faults;
use crate::plan::File;
use crate::plan::Kind;
use crate::plan::Rules;
use serde_json::Value;
use serde_json::json;
use std::fs;
use std::io;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::path::PathBuf;

/// What a plan's files are called; others in a folder are none.
const EXTENSIONS: [&str; 4] = ["md", "markdown", "json", "jsonl"];
const STDIN: &str = "-";
/// A server elsewhere takes calls of 4 MiB, and text grows a little in them.
pub(super) const BYTES_ELSEWHERE_MAX: usize = 3_500_000;

pub(super) struct Given {
    pub(super) name: String,
    pub(super) source: String,
    pub(super) bytes: Vec<u8>,
}

#[derive(Default)]
pub(super) struct Files {
    pub(super) files: Vec<Given>,
    /// Read whole.
    pub(super) folders: Vec<String>,
}

impl Files {
    pub(super) fn of(paths: &[PathBuf]) -> Result<Files> {
        let mut files = Files::default();
        for path in paths {
            if path.as_os_str() == STDIN {
                files.add("standard input", String::new(), &mut io::stdin().lock())?;
            } else if path.is_dir() {
                files.add_folder(path)?;
            } else {
                files.add_file(path)?;
            }
        }
        Ok(files)
    }

    pub(super) fn add_folder(&mut self, folder: &Path) -> Result<()> {
        let unreadable = |cause: io::Error| cannot_read(folder, &cause);
        let mut paths = Vec::new();
        for entry in fs::read_dir(folder).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            if path.is_file() && may_be_plan(&path) {
                paths.push(path);
            }
        }
        if paths.is_empty() {
            let message = format!("there is no plan in the folder `{}`", folder.display());
            return Err(Error::not_found(message).hint("wanted files that end in .md, .json or .jsonl"));
        }
        paths.sort();
        self.folders.push(true_path(folder).display().to_string());
        paths.iter().try_for_each(|path| self.add_file(path))
    }

    pub(super) fn add_file(&mut self, path: &Path) -> Result<()> {
        // A pipe would be waited for without an end.
        let open = fs::OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path);
        let mut file = open.map_err(|cause| cannot_read(path, &cause))?;
        if !file.metadata().is_ok_and(|found| found.is_file()) {
            let error = Error::invalid(format!("`{}` is neither a file nor a folder", path.display()));
            return Err(error.hint("a plan that a program prints is read from a pipe: `PROGRAM | orch-mcp import -`"));
        }
        self.add(&path.display().to_string(), true_path(path).display().to_string(), &mut file)
    }

    /// The same file twice is one.
    fn add(&mut self, name: &str, source: String, from: &mut dyn Read) -> Result<()> {
        if self.files.iter().any(|file| file.name == name || !source.is_empty() && file.source == source) {
            return Ok(());
        }
        let mut bytes = Vec::new();
        // One more than may be is enough to be refused for.
        from.take(BYTES_MAX as u64 + 1)
            .read_to_end(&mut bytes)
            .map_err(|cause| cannot_read(Path::new(name), &cause))?;
        self.files.push(Given { name: name.to_owned(), source, bytes });
        Ok(())
    }

    /// As the operation takes them. What is no text at all is found wanting before it could be sent anywhere.
    pub(super) fn arguments(&self, kind: Option<Kind>, job: Option<&String>) -> Result<Value, Vec<FaultLine>> {
        let whole: usize = self.files.iter().map(|file| file.bytes.len()).sum();
        let texts: Vec<&str> = self.files.iter().filter_map(|file| std::str::from_utf8(&file.bytes).ok()).collect();
        if texts.len() < self.files.len() || whole > BYTES_MAX || texts.iter().any(|text| text.contains('\0')) {
            return Err(self.faults(kind).told().iter().map(FaultLine::of).collect());
        }
        let files = self.files.iter().zip(texts);
        let files = files.map(|(file, text)| json!({ "name": file.name, "source": file.source, "text": text }));
        let files: Vec<Value> = files.collect();
        let mut arguments = json!({ "files": files, "folders": self.folders });
        if let Some(kind) = kind {
            arguments["kind"] = json!(kind);
        }
        if let Some(job) = job {
            arguments["job"] = json!(job);
        }
        Ok(arguments)
    }

    fn faults(&self, kind: Option<Kind>) -> Faults {
        let files: Vec<File> = self.files.iter().map(|file| File { name: &file.name, bytes: &file.bytes }).collect();
        plan::read(&files, kind, &Rules::default()).err().unwrap_or_default()
    }

    pub(super) fn check_fits_elsewhere(&self) -> Result<()> {
        let bytes: usize = self.files.iter().map(|file| file.bytes.len()).sum();
        if bytes <= BYTES_ELSEWHERE_MAX {
            return Ok(());
        }
        Err(Error::invalid(format!("{bytes} bytes of plan; a server elsewhere takes {BYTES_ELSEWHERE_MAX} at once"))
            .hint("import them in parts, or on the server's machine"))
    }
}

fn may_be_plan(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    !name.starts_with('.')
        && !name.eq_ignore_ascii_case("readme.md")
        && EXTENSIONS.iter().any(|known| extension.eq_ignore_ascii_case(known))
}

pub(super) fn cannot_read(path: &Path, cause: &io::Error) -> Error {
    let message = format!("`{}` cannot be read: {cause}", path.display());
    match cause.kind() {
        io::ErrorKind::NotFound => Error::not_found(format!("there is no file `{}`", path.display()))
            .hint("name a file or a folder with a plan, or `-` for standard input"),
        _ => Error::invalid(message).hint("name a file or a folder that can be read"),
    }
}
