//! The state directory: where it is and why, who may look into it, and whether there is room.

use crate::cli::doctor::Doctor;
use crate::cli::doctor::check::Check;
use crate::cli::doctor::check::counted;
use crate::cli::setup::quoted;
use crate::config::Source;
use crate::error::Error;
use crate::store::LOG_PAGES_DEFAULT;
use crate::store::doorbell;
use crate::store::place::Open;
use crate::store::place::Place;
use std::path::Path;

const ROOM_WARNED_OF: u64 = 200 * MB;
/// Less than that, and the next long log or the next big message may not fit.
const ROOM_NEEDED: u64 = 20 * MB;
const MB: u64 = 1_000_000;

/// It is written back at a quarter of that, unless somebody reads without end.
const LOG_WARNED_OF: u64 = 4 * LOG_PAGES_DEFAULT as u64 * 1_024;

const DIRECTORY: &str = "state directory";
const MODES: &str = "modes";
const GIT: &str = "ignored by git";
const LOG: &str = "log";
const DISK: &str = "disk space";
const DOORBELLS: &str = "doorbells";

/// The checks of a place, and whether it can be used at all.
pub(super) fn checks(doctor: &Doctor, place: &Place) -> (Vec<Check>, bool) {
    let checked = place.check();
    let usable = checked.is_ok();
    let open = place.open_to_others();
    let checks = vec![
        directory(doctor, place, checked.err()),
        match open {
            Ok(open) => modes(doctor, place, &open),
            Err(error) => Check::error(MODES, said(&error)),
        },
        hidden(doctor, place),
        match place.log_bytes() {
            Ok(bytes) => log(doctor, bytes),
            Err(error) => Check::error(LOG, said(&error)),
        },
        disk(place),
        doorbells(doctor, place),
    ];
    (checks, usable)
}

pub(super) fn said(error: &Error) -> String {
    match &error.hint {
        Some(hint) => format!("{}; {hint}", error.message),
        None => error.message.clone(),
    }
}

/// No place at all, where nothing says where it should be.
pub(super) fn nowhere(error: &Error) -> Check {
    Check::error(DIRECTORY, said(error)).fix(ELSEWHERE)
}

const ELSEWHERE: &str = "export ORCH_STATE_DIR=\"$HOME/.orch-mcp\"";

fn directory(doctor: &Doctor, place: &Place, refused: Option<Error>) -> Check {
    let why = match doctor.config.source_of_place() {
        Source::Flag(name) | Source::Variable(name) => format!("by {name}"),
        Source::Default if doctor.config.is_in_repository() => "beside the repository".to_owned(),
        Source::File(_) | Source::Default => "the user's, as this is in no repository".to_owned(),
    };
    let shown = place.dir().display();
    if let Some(error) = refused {
        let check = Check::error(DIRECTORY, format!("{shown} ({why}): {}", said(&error)));
        let is_open = place.open_to_others().is_ok_and(|open| !open.is_empty());
        return check.fix(if is_open { doctor.mending() } else { ELSEWHERE.to_owned() });
    }
    match place.exists() {
        true => Check::ok(DIRECTORY, format!("{shown} ({why}), on a local disk")),
        false => Check::ok(DIRECTORY, format!("{shown} ({why}), not made yet: the first change makes it")),
    }
}

fn modes(doctor: &Doctor, place: &Place, open: &[Open]) -> Check {
    let Some(first) = open.first() else { return Check::ok(MODES, "only the user can read and write it") };
    let more = if open.len() > 1 { format!(", and {} more", open.len() - 1) } else { String::new() };
    let name = first.path.strip_prefix(place.dir()).ok().filter(|name| *name != Path::new("")).unwrap_or(&first.path);
    let found = format!("`{}` has mode {:04o}, and should have {:04o}{more}", name.display(), first.mode, first.wanted);
    Check::warning(MODES, found).fix(doctor.mending())
}

fn hidden(doctor: &Doctor, place: &Place) -> Check {
    match place.is_hidden_from_git() {
        true => Check::ok(GIT, "yes"),
        false => Check::warning(GIT, "its .gitignore does not say `*`").fix(doctor.mending()),
    }
}

fn log(doctor: &Doctor, bytes: u64) -> Check {
    if bytes <= LOG_WARNED_OF {
        return Check::ok(LOG, format!("{} to be written back", size(bytes)));
    }
    let found = format!(
        "{}: somebody reads without end, or died while the log was written back; the store works on",
        size(bytes)
    );
    Check::warning(LOG, found).fix(doctor.mending())
}

fn disk(place: &Place) -> Check {
    let dir = place.dir().ancestors().find(|dir| dir.symlink_metadata().is_ok()).unwrap_or(Path::new("/"));
    match rustix::fs::statvfs(dir) {
        Ok(stat) => room(stat.f_bavail.saturating_mul(stat.f_frsize), dir),
        Err(cause) => Check::warning(DISK, format!("`{}` does not tell its room: {cause}", dir.display())),
    }
}

fn room(bytes: u64, dir: &Path) -> Check {
    let found = format!("{} free", size(bytes));
    let look = format!("du -xh {} | sort -h | tail -20", quoted(&dir.to_string_lossy()));
    match bytes {
        ..ROOM_NEEDED => Check::error(DISK, format!("{found}: too little to keep anything")).fix(look),
        ROOM_NEEDED..ROOM_WARNED_OF => Check::warning(DISK, found).fix(look),
        _ => Check::ok(DISK, found),
    }
}

fn doorbells(doctor: &Doctor, place: &Place) -> Check {
    match doorbell::dead(&place.doorbells()).len() {
        0 => Check::ok(DOORBELLS, "none is dead"),
        count => Check::warning(DOORBELLS, format!("{} of processes that died", counted(count, "doorbell")))
            .fix(doctor.mending()),
    }
}

/// The socket by which the session around us is woken, if one is.
pub(super) fn inbox(doctor: &Doctor) -> Check {
    const INBOX: &str = "inbox";
    let Some(path) = doctor.config.claude.inbox() else {
        return Check::ok(INBOX, "no session of Claude Code around us");
    };
    let shown = path.display();
    match crate::claude::inbox::is_private(path) {
        Ok(true) => Check::ok(INBOX, format!("{shown}, private")),
        Ok(false) => Check::warning(INBOX, format!("{shown} is no socket of the user alone, so nobody is woken by it"))
            .fix(format!("chmod 600 {}", quoted(&path.to_string_lossy()))),
        Err(cause) => {
            Check::warning(INBOX, format!("{shown}: {cause}; this session is not woken by it")).fix("claude --continue")
        }
    }
}

fn size(bytes: u64) -> String {
    match bytes {
        ..1_000 => format!("{bytes} bytes"),
        1_000..MB => format!("{} kB", bytes / 1_000),
        MB..1_000_000_000 => format!("{} MB", bytes / MB),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn little_room_is_told_in_time() {
        let verdict = |megabytes: u64| room(megabytes * MB, Path::new("/state")).verdict.word();
        assert_eq!([0, 19, 20, 199, 200].map(verdict), ["error", "error", "warning", "warning", "ok"]);
        assert_eq!(room(0, Path::new("/s")).fix.as_deref(), Some("du -xh /s | sort -h | tail -20"));
    }

    #[test]
    fn sizes_are_readable() {
        assert_eq!([0, 999, 1_500, 30 * MB, 2_500 * MB].map(size), ["0 bytes", "999 bytes", "1 kB", "30 MB", "2.5 GB"]);
    }

    #[test]
    fn a_log_that_grows_without_end_is_told() {
        let doctor = Doctor::for_tests();
        assert_eq!(log(&doctor, LOG_WARNED_OF).verdict.word(), "ok");
        assert_eq!(log(&doctor, LOG_WARNED_OF + 1).verdict.word(), "warning");
    }
}
