//! Pages of the manual, one for each command, made from the same tree as the help.

use crate::cli::commands;
use crate::cli::commands::PROGRAM;
use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use clap::Command;
use clap_mangen::Man;
use std::path::Path;
use std::path::PathBuf;

/// The page of a command, or of the whole program.
pub(super) fn page(command: Option<&str>) -> Result<String> {
    let mut tree = commands::tree();
    tree.build();
    let Some(name) = command else { return render(tree) };
    match tree.find_subcommand(name) {
        Some(command) => render(command.clone()),
        None => Err(Error::not_found(format!("there is no command `{name}`")).hint(format!("see `{PROGRAM} --help`"))),
    }
}

/// Writes every page into a directory, where each may be written, and says which.
pub(super) fn write_pages(dir: &Path, must_be_free: &dyn Fn(&Path) -> Result<()>) -> Result<Vec<PathBuf>> {
    let refused = |error: std::io::Error| {
        Error::new(Kind::Unavailable, format!("the pages cannot be written to `{}`: {error}", dir.display()))
            .hint("give `--out` a directory that you may write to")
    };
    std::fs::create_dir_all(dir).map_err(refused)?;
    let mut tree = commands::tree();
    tree.build();
    let visible = tree.get_subcommands().filter(|command| !command.is_hide_set() && command.get_name() != "help");
    let pages: Vec<Command> = std::iter::once(tree.clone()).chain(visible.cloned()).collect();
    let mut written = Vec::new();
    for command in pages {
        let man = manual(command);
        let path = dir.join(man.get_filename());
        must_be_free(&path)?;
        let mut page = Vec::new();
        man.render(&mut page).and_then(|()| std::fs::write(&path, page)).map_err(refused)?;
        written.push(path);
    }
    Ok(written)
}

fn manual(command: Command) -> Man {
    Man::new(command).source(concat!("orch-mcp ", env!("CARGO_PKG_VERSION")))
}

fn render(command: Command) -> Result<String> {
    let mut page = Vec::new();
    manual(command).render(&mut page).map_err(Error::internal)?;
    String::from_utf8(page).map_err(Error::internal)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::OPERATIONS;

    #[test]
    fn every_operation_has_its_page() {
        let dir = tempfile::tempdir().expect("a directory");
        let written = write_pages(dir.path(), &|_| Ok(())).expect("written");
        for entry in OPERATIONS {
            let path = dir.path().join(format!("{PROGRAM}-{}.1", commands::command_name(entry)));
            assert!(written.contains(&path), "{}", path.display());
        }
        assert!(page(Some("claim-task")).expect("a page").contains("SYNOPSIS"));
        assert_eq!(page(Some("nonsense")).expect_err("no such page").kind, Kind::NotFound);
    }
}
