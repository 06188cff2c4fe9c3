//! Time as people read it, and time as leases count it.

use jiff::Timestamp as Instant;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Deserializer;
use serde::Serialize;
use serde::Serializer;
use std::fmt;
use std::str::FromStr;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// A moment on the wall clock, in milliseconds since 1970. Shown to people; no safety hangs on it.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Timestamp(i64);

impl Timestamp {
    pub fn from_millis(millis: i64) -> Timestamp {
        Timestamp(millis)
    }

    pub fn millis(self) -> i64 {
        self.0
    }

    pub fn plus_millis(self, millis: i64) -> Timestamp {
        Timestamp(self.0.saturating_add(millis))
    }

    /// When the day began, by the clock that is the same for a whole team.
    pub fn day(self) -> Timestamp {
        Timestamp(self.0 - self.0.rem_euclid(DAY_MS))
    }

    pub fn next_day(self) -> Timestamp {
        self.day().plus_millis(DAY_MS)
    }

    /// `2026-12-24`.
    pub fn date(self) -> String {
        self.to_string().chars().take_while(|c| *c != 'T').collect()
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Instant::from_millisecond(self.0) {
            Ok(moment) => write!(f, "{moment:.3}"),
            Err(_) => write!(f, "{} ms", self.0),
        }
    }
}

impl FromStr for Timestamp {
    type Err = String;

    fn from_str(text: &str) -> Result<Timestamp, String> {
        match text.parse::<Instant>() {
            Ok(moment) => Ok(Timestamp(moment.as_millisecond())),
            Err(_) => Err(format!("`{text}` is not a moment such as `2026-12-24T18:00:00Z`")),
        }
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Timestamp {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Timestamp".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "format": "date-time" })
    }

    fn inline_schema() -> bool {
        true
    }
}

/// A moment on the lease clock of a store, in milliseconds. It only rises, stands still while the machine sleeps,
/// and goes on where it was after a restart, so that a lease is worth its seconds whatever the wall clock does.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, JsonSchema, Ord, PartialEq, PartialOrd, Serialize)]
#[schemars(inline)]
pub struct Tick(i64);

impl Tick {
    /// Before every lease: what a lease that ended on purpose is set to.
    pub const NEVER: Tick = Tick(0);

    pub fn from_millis(millis: i64) -> Tick {
        Tick(millis)
    }

    pub fn millis(self) -> i64 {
        self.0
    }

    pub fn plus_secs(self, secs: u32) -> Tick {
        Tick(self.0.saturating_add(i64::from(secs) * 1000))
    }

    /// Milliseconds from `earlier` to here; negative if it lies later.
    pub fn since(self, earlier: Tick) -> i64 {
        self.0 - earlier.0
    }
}

/// Both clocks of a store, read once for a transaction.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    pub at: Timestamp,
    pub tick: Tick,
}

impl Now {
    /// When, by the wall clock, the lease clock will show `tick`: for people, if neither clock is disturbed.
    pub fn wall_of(&self, tick: Tick) -> Timestamp {
        self.at.plus_millis(tick.since(self.tick))
    }
}

/// What is left of each second of a lease when it is worth a write to renew it: a quarter is over.
pub const RENEWED_WITH_MS_LEFT: i64 = 750;

/// When a lease of `secs` that runs until `until` wants to be renewed.
pub fn renewal_of(until: Tick, secs: u32) -> Tick {
    Tick(until.0 - i64::from(secs) * RENEWED_WITH_MS_LEFT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_reads_back_as_it_was_written() {
        let moment = Timestamp::from_millis(1_800_000_000_123);
        assert_eq!(moment.to_string(), "2027-01-15T08:00:00.123Z");
        assert_eq!(moment.to_string().parse(), Ok(moment));
        assert!("tomorrow".parse::<Timestamp>().is_err());
    }

    #[test]
    fn a_lease_is_renewed_once_a_quarter_of_it_has_passed() {
        let start = Tick::from_millis(1_000);
        assert_eq!(renewal_of(start.plus_secs(100), 100), start.plus_secs(25));
    }
}
