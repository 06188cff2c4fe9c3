//! A reservation of files: others keep their hands off what a pattern covers, as long as it lasts.

use crate::model::glob;
use crate::model::id::InstanceId;
use crate::model::time::Tick;
use crate::model::time::Timestamp;

pub const RESERVED_SECS_DEFAULT: u32 = 3_600;
pub const RESERVED_SECS_MAX: u32 = 86_400;

/// It holds while its lease lasts *and* its holder is present, so nobody has to renew it and the dead reserve nothing.
#[derive(Clone, Debug, PartialEq)]
pub struct Reservation {
    pub id: u64,
    /// What it covers, by the paths that `team_path` gives.
    pub pattern: String,
    pub holder: InstanceId,
    /// Others may share it, and edit there too. What is not shared is its holder's alone.
    pub shared: bool,
    pub reason: Option<String>,
    pub made_at: Timestamp,
    pub lease_until: Tick,
}

impl Reservation {
    /// Does it stand against somebody else's reservation?
    pub fn excludes(&self, pattern: &str, shared: bool) -> bool {
        !(self.shared && shared) && same_beginning(&self.pattern, pattern) && glob::overlap(&self.pattern, pattern)
    }

    pub fn covers(&self, file: &str) -> bool {
        same_beginning(&self.pattern, file) && glob::covers(&self.pattern, file)
    }

    /// Does it keep others from editing the file?
    pub fn forbids(&self, file: &str) -> bool {
        !self.shared && self.covers(file)
    }
}

/// Below the worktree and outside of it are two worlds.
fn same_beginning(one: &str, other: &str) -> bool {
    one.starts_with('/') == other.starts_with('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reserved(pattern: &str, shared: bool) -> Reservation {
        Reservation {
            id: 1,
            pattern: pattern.to_owned(),
            holder: InstanceId::from_random(1),
            shared,
            reason: None,
            made_at: Timestamp::from_millis(0),
            lease_until: Tick::from_millis(1),
        }
    }

    #[test]
    fn only_what_is_shared_on_both_sides_goes_together() {
        assert!(reserved("src/**", false).excludes("src/a.rs", false));
        assert!(reserved("src/**", true).excludes("src/a.rs", false));
        assert!(reserved("src/**", false).excludes("src/a.rs", true));
        assert!(!reserved("src/**", true).excludes("src/a.rs", true));
        assert!(!reserved("src/**", false).excludes("docs/**", false));
        assert!(!reserved("etc/hosts", false).excludes("/etc/hosts", false));
    }

    #[test]
    fn what_is_shared_forbids_no_edit() {
        assert!(reserved("src", false).forbids("src/a.rs"));
        assert!(!reserved("src", true).forbids("src/a.rs"));
        assert!(!reserved("src", false).forbids("/src/a.rs"));
    }
}
