//! Exit codes: what a script can tell apart without reading a word.

use crate::error::Kind;
use crate::ops::Outcome;

pub(super) const DONE: u8 = 0;
/// As a shell tells of a program that Ctrl+C ended.
pub(super) const INTERRUPTED: u8 = 130;
pub(super) const FAILED: u8 = 1;
pub(super) const USAGE: u8 = 2;
pub(super) const NOT_FOUND: u8 = 3;
pub(super) const CONFLICT: u8 = 4;
pub(super) const NOTHING_READY: u8 = 5;
const UNREACHABLE: u8 = 6;
const TIMED_OUT: u8 = 7;
pub(super) const REFUSED: u8 = 8;

/// The codes as `--help` tells them.
pub(super) const TABLE: &str = "\
Exit codes:
  0 done            3 not found                   6 store unreachable
  1 failed          4 conflict or lost claim      7 wait timed out
  2 usage           5 nothing ready               8 refused";

pub(super) fn of_error(kind: Kind) -> u8 {
    match kind {
        Kind::Invalid | Kind::NoIdentity => USAGE,
        Kind::NotFound => NOT_FOUND,
        Kind::Conflict | Kind::StaleClaim | Kind::CursorExpired => CONFLICT,
        Kind::Unauthorized | Kind::Forbidden | Kind::Refused => REFUSED,
        Kind::Busy | Kind::Unavailable => UNREACHABLE,
        Kind::Internal => FAILED,
    }
}

pub(super) fn of_outcome(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Done => DONE,
        Outcome::NothingReady => NOTHING_READY,
        Outcome::TimedOut => TIMED_OUT,
        Outcome::Absent => NOT_FOUND,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_rely_on_these_numbers() {
        let errors = [
            (Kind::Invalid, 2),
            (Kind::NoIdentity, 2),
            (Kind::NotFound, 3),
            (Kind::Conflict, 4),
            (Kind::StaleClaim, 4),
            (Kind::CursorExpired, 4),
            (Kind::Unauthorized, 8),
            (Kind::Forbidden, 8),
            (Kind::Refused, 8),
            (Kind::Busy, 6),
            (Kind::Unavailable, 6),
            (Kind::Internal, 1),
        ];
        for (kind, code) in errors {
            assert_eq!(of_error(kind), code, "{kind:?}");
        }
        assert_eq!([Outcome::Done, Outcome::NothingReady, Outcome::TimedOut].map(of_outcome), [0, 5, 7]);
    }
}
