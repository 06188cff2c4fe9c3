//! What a command does, held against the rules.

use crate::model::glob;
use crate::model::path::team_path;
use crate::model::safety::Answer;
use crate::model::safety::Breach;
use crate::model::safety::OfRepo;
use crate::model::safety::Rule;
use crate::model::safety::deeds;
use crate::model::safety::deeds::Deed;
use crate::model::safety::judge::Judge;
use crate::model::safety::judge::shown_words;
use crate::model::safety::program;
use crate::model::safety::shell::Word;

impl<'a> Judge<'a> {
    pub(super) fn all(&mut self, deeds: Vec<Deed>, words: &[Word]) {
        for deed in deeds {
            let told = || shown_words(words);
            match deed {
                Deed::Pushes => {
                    let answer = self.push();
                    self.breaks(Rule::Push, answer, "pushes", told);
                }
                Deed::Forces(None) => {
                    let because = "overwrites branches elsewhere without naming one (name it: `git push --force-with-lease \
                                   REMOTE BRANCH`)";
                    self.breaks(Rule::ForcePush, Answer::Deny, because, told);
                }
                Deed::Forces(Some(branch)) if self.is_protected(&branch) => {
                    self.breaks(Rule::ForcePush, Answer::Deny, "overwrites or deletes a protected branch", told);
                }
                Deed::Forces(Some(_)) => {
                    let answer = self.destructive();
                    self.breaks(Rule::Destructive, answer, "overwrites or deletes a branch elsewhere", told);
                }
                Deed::Removes { path, with_all } => {
                    if let Some(directory) = self.data.find(&path.text, self.dir.as_deref(), with_all) {
                        let because = format!("deletes or moves what lies in `{directory}`");
                        self.breaks(Rule::Data, Answer::Deny, &because, told);
                    }
                    self.decides(&path, told);
                    self.is_unread("deletes or moves a file", &path, told);
                }
                Deed::Overwrites(path) => self.overwrites(&path, &told()),
                Deed::Appends(path) => self.appends(&path, &told()),
                Deed::Wastes { paths, because } => {
                    // With no path at all, something else will name them.
                    if paths.is_empty() || !paths.iter().all(|path| self.is_spare(path)) {
                        let answer = self.destructive();
                        self.breaks(Rule::Destructive, answer, because, told);
                    }
                }
                Deed::Destroys(because) => {
                    let answer = self.destructive();
                    self.breaks(Rule::Destructive, answer, because, told);
                }
                Deed::Decides(because) => {
                    let answer = self.about_rules();
                    self.breaks(Rule::Rules, answer, because, told);
                }
                Deed::RunsUnknown => {}
            }
        }
    }

    pub(super) fn overwrites(&mut self, path: &Word, told: &str) {
        if let Some(directory) = self.data.find(&path.text, self.dir.as_deref(), false) {
            let because = format!("may overwrite what lies in `{directory}`");
            self.breaks(Rule::Data, Answer::Deny, &because, || told.to_owned());
        }
        self.decides(path, || told.to_owned());
        self.is_unread("may overwrite a file", path, || told.to_owned());
        let disks = ["/dev/sd", "/dev/nvme", "/dev/hd", "/dev/vd", "/dev/mmcblk", "/dev/disk"];
        if disks.iter().any(|disk| path.text.starts_with(disk)) {
            let answer = self.destructive();
            self.breaks(Rule::Destructive, answer, "writes over a disk", || told.to_owned());
        }
    }

    fn is_protected(&self, branch: &str) -> bool {
        self.safety.protected.iter().any(|one| glob::name_matches(one, branch))
    }

    /// The registered repository that lies around, or all of them where nobody knows where it is.
    fn repos(&self) -> impl Iterator<Item = &'a OfRepo> + use<'a> {
        let is_around = |repo: &&OfRepo, dir: &str| {
            dir.strip_prefix(repo.dir.as_str()).is_some_and(|below| below.is_empty() || below.starts_with('/'))
        };
        let all: Vec<&OfRepo> = match &self.dir {
            None => self.safety.repos.iter().collect(),
            Some(dir) => {
                let around = self.safety.repos.iter().filter(|repo| is_around(repo, dir));
                around.max_by_key(|repo| repo.dir.len()).into_iter().collect()
            }
        };
        all.into_iter()
    }

    fn push(&self) -> Answer {
        let of_all = self.safety.push(None, self.at);
        match &self.dir {
            Some(_) => self.repos().next().map_or(of_all, |repo| self.safety.push(Some(repo), self.at)),
            None => self.repos().fold(of_all, |answer, repo| answer.stricter(self.safety.push(Some(repo), self.at))),
        }
    }

    pub(super) fn holds_forbidden(&mut self, words: &[Word]) {
        let patterns: Vec<(&String, Option<&str>)> = self
            .safety
            .forbidden
            .iter()
            .map(|one| (one, None))
            .chain(self.repos().flat_map(|repo| repo.forbidden.iter().map(|one| (one, Some(repo.name.as_str())))))
            .collect();
        if patterns.is_empty() {
            return;
        }
        let texts = |from: usize| words.iter().skip(from).map(|word| word.text.as_str());
        let name = words.first().map(program::name_of).unwrap_or_default();
        let line = |words: &mut dyn Iterator<Item = &str>| words.collect::<Vec<_>>().join(" ");
        let written = line(&mut texts(0));
        let by_name = [
            line(&mut std::iter::once(name).chain(texts(1))),
            // As `make -s reset`.
            line(&mut std::iter::once(name).chain(texts(1).filter(|word| !word.starts_with('-')))),
        ];
        let is_named = |pattern: &str| by_name.iter().any(|named| glob::command_matches(pattern, named));
        let is_it = |pattern: &str| {
            glob::command_matches(pattern, &written)
                || is_named(pattern)
                || without_path(pattern).is_some_and(|pattern| is_named(&pattern))
        };
        if let Some((pattern, repo)) = patterns.into_iter().find(|(pattern, _)| is_it(pattern)) {
            let of = repo.map(|repo| format!(" of `{repo}`")).unwrap_or_default();
            let is_itself = shown_words(words) == *pattern;
            let what = if is_itself { String::new() } else { format!("is `{pattern}`, which ") };
            let because = format!("{what}stands in `forbidden`{of}");
            self.breaks(Rule::Forbidden, Answer::Deny, &because, || shown_words(words));
        }
    }

    pub(super) fn appends(&mut self, path: &Word, told: &str) {
        self.decides(path, || told.to_owned());
    }

    /// Does the file say what sessions may do?
    fn decides(&mut self, path: &Word, told: impl FnOnce() -> String) {
        if let Some(what) = self.own.find(&path.text, self.dir.as_deref()) {
            let answer = self.about_rules();
            self.breaks(Rule::Rules, answer, &format!("changes {what}"), told);
        }
    }

    fn about_rules(&self) -> Answer {
        if self.at.is_worker { Answer::Deny } else { Answer::Ask }
    }

    /// Nobody knows which directories hold data while the file cannot be read that says so.
    fn is_unread(&mut self, because: &str, path: &Word, told: impl FnOnce() -> String) {
        if self.safety.unread && !path.text.starts_with("/dev/") {
            let answer = self.destructive();
            self.breaks(Rule::Unread, answer, because, told);
        }
    }

    fn destructive(&self) -> Answer {
        match self.safety.unread && self.at.is_worker {
            true => Answer::Deny,
            false => self.safety.destructive,
        }
    }

    /// Nobody misses it: a tool makes it anew, or it lies where nothing is meant to last.
    fn is_spare(&self, path: &Word) -> bool {
        if path.is_open || path.text.contains('$') {
            return false;
        }
        if deeds::is_made_anew(&path.text) {
            return true;
        }
        let is_said = path.text.starts_with('/');
        let Some(whole) = team_path(&path.text, self.dir.as_deref(), None) else { return false };
        let is_below = |top: &str| whole.strip_prefix(top).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        let works_there = self.at.tops.iter().chain(self.at.dir.iter()).any(|top| is_below(top));
        let below = ["/tmp/", "/var/tmp/"].iter().find_map(|top| whole.strip_prefix(top));
        let is_named =
            below.and_then(|below| below.split('/').next()).is_some_and(|name| !name.starts_with(['*', '?', '[', '{']));
        is_named && (is_said && !path.text.contains("..") || !works_there) && !path.text.starts_with('~')
    }

    pub(super) fn asks(&mut self, because: &str, command: String) {
        let answer = self.destructive();
        self.breaks(Rule::Destructive, answer, because, || command);
    }

    /// Also where destruction is allowed: it may be anything.
    pub(super) fn must_ask(&mut self, because: &str, command: String) {
        let answer = self.destructive().stricter(Answer::Ask);
        self.breaks(Rule::Destructive, answer, because, || command);
    }

    fn breaks(&mut self, rule: Rule, answer: Answer, because: &str, command: impl FnOnce() -> String) {
        let is_denied = answer == Answer::Deny;
        let is_worse = self.worst.as_ref().is_none_or(|worst| is_denied && !worst.is_denied);
        if answer != Answer::Allow && is_worse {
            self.worst = Some(Breach { rule, is_denied, command: command(), because: because.to_owned() });
        }
    }
}

/// The same command, wherever its program lies.
fn without_path(pattern: &str) -> Option<String> {
    let (program, rest) = pattern.split_once(' ').map_or((pattern, None), |(program, rest)| (program, Some(rest)));
    let (_, name) = program.rsplit_once('/')?;
    let is_named = !name.is_empty() && !name.starts_with('*');
    is_named.then(|| rest.map_or_else(|| name.to_owned(), |rest| format!("{name} {rest}")))
}
