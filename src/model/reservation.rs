//! A reservation: others keep their hands off what a pattern covers, as long as it lasts. A pattern is about files, or it is the
//! name of a resource that is no file, such as `@staging-db`.

use crate::model::glob;
use crate::model::id::InstanceId;
use crate::model::id::TaskId;
use crate::model::time::Tick;
use crate::model::time::Timestamp;

pub const RESERVED_SECS_DEFAULT: u32 = 3_600;
pub const RESERVED_SECS_MAX: u32 = 86_400;

/// A named resource: `@`, a letter or digit, then these. No `/`, so that a folder such as `@types/` is none.
pub const RESOURCE_CHARS: &str = "._:-";
pub const RESOURCE_CHARS_MAX: usize = 100;

/// It holds while its lease lasts *and* its holder is present, so nobody has to renew it and the dead reserve nothing. One that
/// came with a task lasts as long as that claim.
#[derive(Clone, Debug, PartialEq)]
pub struct Reservation {
    pub id: u64,
    /// What it covers, by the paths that `team_path` gives.
    pub pattern: String,
    pub holder: InstanceId,
    /// The task with whose claim it came, and goes.
    pub task: Option<TaskId>,
    /// Others may share it, and edit there too. What is not shared is its holder's alone.
    pub shared: bool,
    pub reason: Option<String>,
    pub made_at: Timestamp,
    /// Of one that came with a task, that of the claim.
    pub lease_until: Tick,
}

impl Reservation {
    /// Does it stand against somebody else's reservation?
    pub fn excludes(&self, pattern: &str, shared: bool) -> bool {
        if self.shared && shared {
            return false;
        }
        overlap(&self.pattern, pattern)
    }

    /// Does it keep this instance from claiming a task that wants the pattern to itself? What somebody reserved by themselves
    /// is no obstacle to them; what came with another task of theirs is.
    pub fn stands_against(&self, pattern: &str, claimer: &InstanceId) -> bool {
        (self.task.is_some() || self.holder != *claimer) && self.excludes(pattern, false)
    }

    pub fn covers(&self, file: &str) -> bool {
        !is_resource(&self.pattern) && same_beginning(&self.pattern, file) && glob::covers(&self.pattern, file)
    }

    /// Does it keep others from editing the file?
    pub fn forbids(&self, file: &str) -> bool {
        !self.shared && self.covers(file)
    }
}

/// Is there anything that both are about?
pub fn overlap(one: &str, other: &str) -> bool {
    match is_resource(one) || is_resource(other) {
        true => one == other,
        false => same_beginning(one, other) && glob::overlap(one, other),
    }
}

pub fn is_resource(pattern: &str) -> bool {
    let Some(name) = pattern.strip_prefix('@') else { return false };
    name.len() < RESOURCE_CHARS_MAX
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || RESOURCE_CHARS.contains(c))
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
            task: None,
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
    fn a_resource_is_its_name_and_no_file() {
        assert!(reserved("@db", false).excludes("@db", false));
        for other in ["@db2", "@DB", "**", "*", "@*", "/@db", "@db/x", "db"] {
            assert!(!reserved("@db", false).excludes(other, false), "{other}");
            assert!(!reserved(other, false).excludes("@db", false), "{other}");
        }
        assert!(!reserved("@db", false).forbids("@db") && reserved("@db/**", false).forbids("@db/x"));
        assert!(is_resource("@api:tests") && is_resource("@0"));
        for none in ["@", "@-x", "@a/b", "@a b", "@a*", "x", "@über", &format!("@{}", "x".repeat(100))] {
            assert!(!is_resource(none), "{none}");
        }
    }

    #[test]
    fn ones_own_is_in_the_way_only_where_it_came_with_another_task() {
        let (me, other) = (InstanceId::from_random(1), InstanceId::from_random(2));
        let by_hand = reserved("@db", false);
        assert!(!by_hand.stands_against("@db", &me) && by_hand.stands_against("@db", &other));
        let by_task = Reservation { task: Some(TaskId::from_number(7)), ..by_hand };
        assert!(by_task.stands_against("@db", &me) && by_task.stands_against("@db", &other));
    }

    #[test]
    fn what_is_shared_forbids_no_edit() {
        assert!(reserved("src", false).forbids("src/a.rs"));
        assert!(!reserved("src", true).forbids("src/a.rs"));
        assert!(!reserved("src", false).forbids("/src/a.rs"));
    }
}
