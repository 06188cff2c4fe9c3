//! Directories whose files are never deleted or overwritten: does a path lead there, as far as its words say?

use crate::model::glob;
use crate::model::path::team_path;
use crate::model::safety::At;
use crate::model::safety::Safety;
use std::cell::Cell;

/// Looks at files, of which each takes its time. After that many, all of it may be there.
const LOOKS_MAX: usize = 64;

const OF_PATTERNS: [char; 5] = ['*', '?', '[', '{', '$'];

pub(super) struct Directories {
    /// As somebody wrote it, and where it lies.
    all: Vec<(String, Vec<String>)>,
    home: Option<String>,
    is_there: Option<fn(&str) -> bool>,
    looks: Cell<usize>,
}

impl Directories {
    pub(super) fn of(safety: &Safety, at: &At) -> Directories {
        let home = at.home.map(str::to_owned);
        let mut all = Vec::new();
        for written in &safety.data {
            let tops = if is_whole(written) { &[""][..] } else { at.tops };
            let places = tops.iter().filter_map(|top| names(written, Some(*top), at.home));
            all.extend(places.map(|place| (written.clone(), place)));
        }
        Directories { all, home, is_there: at.is_there, looks: Cell::new(0) }
    }

    /// Which one a file lies in that is written, or is that itself.
    pub(super) fn find_written(&self, path: &str) -> Option<&str> {
        self.find(path, None, false)
    }

    /// `with_all`: whatever lies below the path goes with it.
    pub(super) fn find(&self, path: &str, dir: Option<&str>, with_all: bool) -> Option<&str> {
        let Some(path) = names(path, dir, self.home.as_deref()) else {
            return self.find_anywhere(path);
        };
        let is_met = |place: &Vec<String>| {
            (with_all || path.len() >= place.len())
                && path.iter().zip(place).all(|(name, of_place)| fits(name, of_place))
                && self.may_find(&path, place)
                && !self.is_absent(&path, place)
        };
        self.all.iter().find(|(_, place)| is_met(place)).map(|(written, _)| written.as_str())
    }

    /// What a pattern leads to that meets many directories, this one among them, it finds only where it is.
    fn may_find(&self, path: &[String], place: &[String]) -> bool {
        let Some((through, below)) = path.split_at_checked(place.len()) else { return true };
        let plain: Vec<&str> =
            below.iter().map(String::as_str).take_while(|name| !name.contains(OF_PATTERNS)).collect();
        if plain.is_empty() || !through.iter().any(|name| name.contains(OF_PATTERNS)) {
            return true;
        }
        let Some(is_there) = self.is_there else { return false };
        self.looks.set(self.looks.get() + 1);
        self.looks.get() > LOOKS_MAX || is_there(&format!("/{}/{}", place.join("/"), plain.join("/")))
    }

    /// Is it known that nothing is there that could be lost?
    fn is_absent(&self, path: &[String], place: &[String]) -> bool {
        let whole = if path.len() < place.len() { place } else { path };
        let Some(is_there) = self.is_there.filter(|_| !whole.iter().any(|name| name.contains(OF_PATTERNS))) else {
            return false;
        };
        self.looks.set(self.looks.get() + 1);
        self.looks.get() <= LOOKS_MAX && !is_there(&format!("/{}", whole.join("/")))
    }

    /// Nobody knows where the path begins: it may be anywhere above a directory, and names it.
    fn find_anywhere(&self, path: &str) -> Option<&str> {
        if path.starts_with(['/', '~', '$']) {
            return None;
        }
        let path: Vec<&str> = path.split('/').filter(|name| !["", ".", ".."].contains(name)).collect();
        let is_plain = path.first().is_some_and(|name| !name.starts_with(['*', '?', '[', '{']) && !name.contains('$'));
        let is_met = |place: &Vec<String>| {
            (1..place.len()).any(|from| {
                let end = &place[from..];
                path.len() >= end.len() && path.iter().zip(end).all(|(name, of_place)| fits(name, of_place))
            })
        };
        self.all.iter().filter(|_| is_plain).find(|(_, place)| is_met(place)).map(|(written, _)| written.as_str())
    }
}

fn is_whole(path: &str) -> bool {
    path.starts_with('/') || path.starts_with('~')
}

/// From the root on. `None` where nobody knows where it begins.
fn names(path: &str, dir: Option<&str>, home: Option<&str>) -> Option<Vec<String>> {
    let path = match path.strip_prefix('~') {
        Some(below) if below.is_empty() || below.starts_with('/') => format!("{}{below}", home?),
        Some(_) => return None,
        None if path.starts_with('$') => return None,
        None => path.to_owned(),
    };
    let whole = team_path(&path, dir, None)?;
    Some(whole.split('/').filter(|name| !name.is_empty()).map(str::to_owned).collect())
}

/// Could the shell make that name of it?
fn fits(name: &str, of_place: &str) -> bool {
    let name = name.replace(['[', ']'], "*");
    if name.contains('$') {
        return true;
    }
    match (name.split_once('{'), name.split_once('}')) {
        (Some((before, rest)), Some((_, after))) if !after.contains('{') => {
            let inside = rest.split('}').next().unwrap_or_default();
            inside.split(',').any(|one| glob::name_matches(&format!("{before}{one}{after}"), of_place))
        }
        (Some(_), Some(_)) => true,
        _ => glob::name_matches(&name, of_place) || glob::name_matches(of_place, &name),
    }
}
