//! A usage limit as the client tells of it in words, and until when it holds, if that is said.

use crate::model::time::Timestamp;
use jiff::Timestamp as Instant;
use jiff::ToSpan;
use jiff::Zoned;
use jiff::civil::Date;
use jiff::civil::Time;
use jiff::tz::TimeZone;

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/// When it is, and what people here call that.
#[derive(Clone, Debug)]
pub struct Here {
    pub now: Timestamp,
    pub zone: TimeZone,
}

/// Do these words of an error tell of a limit that passes by itself?
pub(super) fn is_limit(words: &str) -> bool {
    let words = words.to_lowercase();
    ["limit reached", "usage limit", "rate limit", "you've hit your", "you’ve hit your", "(429)"]
        .iter()
        .any(|sign| words.contains(sign))
}

/// Until when it holds, as far as these words say so.
pub(super) fn until(words: &str, here: &Here) -> Option<Timestamp> {
    let words = words.to_lowercase();
    at_second(&words).or_else(|| after_seconds(&words, here.now)).or_else(|| resets(&words, here))
}

/// `limit reached|1749924000`.
fn at_second(words: &str) -> Option<Timestamp> {
    let (_, rest) = words.split_once("limit reached|")?;
    of_unix(leading_number(rest)?)
}

/// Seconds since 1970, or milliseconds where it is too far away for seconds.
pub(super) fn of_unix(number: i64) -> Option<Timestamp> {
    const YEAR_5000: i64 = 95_617_584_000;
    let millis = if number < YEAR_5000 { number.checked_mul(1000)? } else { number };
    (millis > 0).then(|| Timestamp::from_millis(millis))
}

/// `retry-after: 30`, or `retry after 30 seconds`.
fn after_seconds(words: &str, now: Timestamp) -> Option<Timestamp> {
    let rest = ["retry-after", "retry after"].iter().find_map(|sign| Some(words.split_once(sign)?.1))?;
    let secs = leading_number(rest.trim_start_matches([':', '=', ' ', '"']))?;
    Some(now.plus_millis(secs.checked_mul(1000)?))
}

fn leading_number(text: &str) -> Option<i64> {
    text[..text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len())].parse().ok()
}

/// `resets 3pm`, `resets 3:30pm (europe/berlin)`, `resets oct 15, 3pm`, `resets at 15:00`.
fn resets(words: &str, here: &Here) -> Option<Timestamp> {
    let (_, rest) = words.split_once("resets ")?;
    let (told, zone) = match rest.split_once('(') {
        Some((told, zone)) if !told.contains(['·', '\n', '.']) => {
            (told, TimeZone::get(zone.split_once(')')?.0.trim()).ok()?)
        }
        _ => (rest.split(['·', '\n', '.']).next()?, here.zone.clone()),
    };
    let now = Instant::from_millisecond(here.now.millis()).ok()?.to_zoned(zone);
    let moment = next(&Told::read(told)?, &now)?;
    Some(Timestamp::from_millis(moment.timestamp().as_millisecond()))
}

/// A moment as people write it, with what they leave out.
#[derive(Debug, Default)]
struct Told {
    month: Option<i8>,
    day: Option<i8>,
    year: Option<i16>,
    time: Option<Time>,
}

impl Told {
    /// `None` where there is a word that we do not understand, as it may be the one that matters.
    fn read(text: &str) -> Option<Told> {
        let mut told = Told::default();
        let mut words = text.split([' ', ',', '\u{a0}', '\u{202f}']).filter(|word| !word.is_empty()).peekable();
        while let Some(word) = words.next() {
            let half = words.next_if(|next| matches!(*next, "am" | "pm"));
            let month = MONTHS.iter().position(|month| word.starts_with(month));
            match (month, word.parse::<i16>()) {
                _ if word == "at" || word == "on" => {}
                (Some(month), _) => told.month = i8::try_from(month + 1).ok(),
                (None, Ok(year @ 1000..)) => told.year = Some(year),
                (None, Ok(day)) if half.is_none() => told.day = i8::try_from(day).ok(),
                _ => told.time = Some(time(&format!("{word}{}", half.unwrap_or_default()))?),
            }
        }
        (told.time.is_some() || told.day.is_some()).then_some(told)
    }
}

/// `3pm`, `3:30pm`, `15:00`.
fn time(word: &str) -> Option<Time> {
    let (clock, half) = match (word.strip_suffix("am"), word.strip_suffix("pm")) {
        (Some(clock), _) => (clock, Some(0)),
        (_, Some(clock)) => (clock, Some(12)),
        _ => (word, None),
    };
    let (hour, minute) = clock.split_once(':').unwrap_or((clock, "0"));
    let hour: i8 = hour.parse().ok()?;
    let hour = match half {
        Some(half) => (1..=12).contains(&hour).then_some(hour % 12 + half)?,
        None => hour,
    };
    Time::new(hour, minute.parse().ok()?, 0, 0).ok()
}

/// The next moment that is called so.
fn next(told: &Told, now: &Zoned) -> Option<Zoned> {
    let time = told.time.unwrap_or(Time::midnight());
    let at = |day: Date| day.to_datetime(time).to_zoned(now.time_zone().clone()).ok();
    let Some(day) = told.day else {
        let today = at(now.date())?;
        // What is told to the minute has lost its seconds: the minute that is under way is this one, and not tomorrow's.
        let over = today.checked_add(1.minute()).ok()?;
        return match () {
            () if today > *now => Some(today),
            () if over > *now => Some(over),
            () => at(now.date().checked_add(1.day()).ok()?),
        };
    };
    let month = told.month?;
    let in_year = |year: i16| Date::new(year, month, day).ok().and_then(at);
    match told.year {
        Some(year) => in_year(year),
        // Around the new year it may be one of the next.
        None => in_year(now.year()).filter(|moment| moment > now).or_else(|| in_year(now.year() + 1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Saturday, 2026-11-21, 14:00 in Berlin.
    fn here() -> Here {
        let now = "2026-11-21T13:00:00Z".parse().unwrap();
        Here { now, zone: TimeZone::get("Europe/Berlin").unwrap() }
    }

    #[test]
    fn the_moment_is_read_as_people_write_it() {
        for (words, moment) in [
            ("Claude AI usage limit reached|1900000000", Some("2030-03-17T17:46:40Z")),
            ("Claude AI usage limit reached|1900000000000", Some("2030-03-17T17:46:40Z")),
            ("You've hit your session limit · resets 3pm", Some("2026-11-21T14:00:00Z")),
            ("You've hit your session limit · resets 1pm", Some("2026-11-22T12:00:00Z")),
            ("5-hour limit reached ∙ resets 3:30pm (Europe/Berlin)", Some("2026-11-21T14:30:00Z")),
            (
                "You've hit your session limit · resets 12am (America/New_York) · progress saved",
                Some("2026-11-22T05:00:00Z"),
            ),
            ("You've hit your weekly limit · resets Nov 25, 9am (UTC)", Some("2026-11-25T09:00:00Z")),
            ("You've hit your weekly limit · resets Nov 25 at 9 AM (UTC)", Some("2026-11-25T09:00:00Z")),
            ("You've hit your weekly limit · resets Jan 2, 2027, 9am (UTC)", Some("2027-01-02T09:00:00Z")),
            ("You've hit your weekly limit · resets Jan 2, 9am (UTC)", Some("2027-01-02T09:00:00Z")),
            ("You've hit your limit · resets 12:15pm · contact an admin", Some("2026-11-22T11:15:00Z")),
            ("Usage limit. It resets at 15:00.", Some("2026-11-21T14:00:00Z")),
            ("rate limit, retry-after: 90", Some("2026-11-21T13:01:30Z")),
            ("rate limit: please retry after 60 seconds", Some("2026-11-21T13:01:00Z")),
            ("You've hit your session limit · resets 3pm (Mars/Olympus)", None),
            ("You've hit your session limit · resets 13pm", None),
            ("You've hit your session limit · resets soon", None),
            ("You've hit your session limit · resets Feb 31, 3pm", None),
            ("You've hit your session limit", None),
            ("usage limit reached|99999999999999999999", None),
            ("resets (", None),
        ] {
            let wanted = moment.map(|moment| moment.parse::<Timestamp>().unwrap());
            assert_eq!(until(words, &here()), wanted, "{words}");
        }
    }

    #[test]
    fn the_clock_that_is_put_back_is_known() {
        // In the night to 2026-10-25 the hour from two to three comes twice in Berlin.
        let now = "2026-10-24T20:00:00Z".parse().unwrap();
        let here = Here { now, ..here() };
        assert_eq!(until("limit · resets 4am", &here), Some("2026-10-25T03:00:00Z".parse().unwrap()));
    }

    /// Else a fleet that meets its limit in the last minute waits for a day.
    #[test]
    fn a_minute_that_is_under_way_is_that_of_today() {
        let until_at = |now: &str| until("resets 2pm", &Here { now: now.parse().unwrap(), ..here() });
        let wanted = |moment: &str| Some(moment.parse::<Timestamp>().unwrap());
        assert_eq!(until_at("2026-11-21T12:59:59Z"), wanted("2026-11-21T13:00:00Z"));
        assert_eq!(until_at("2026-11-21T13:00:00Z"), wanted("2026-11-21T13:01:00Z"));
        assert_eq!(until_at("2026-11-21T13:00:59Z"), wanted("2026-11-21T13:01:00Z"));
        assert_eq!(until_at("2026-11-21T13:01:00Z"), wanted("2026-11-22T13:00:00Z"));
    }

    #[test]
    fn only_what_passes_by_itself_is_a_limit() {
        for words in
            ["5-hour limit reached", "API Error: Request rejected (429) · x", "exceed your account's rate limit"]
        {
            assert!(is_limit(words), "{words}");
        }
        for words in ["Prompt is too long", "Not logged in · Please run /login", "API Error: 500 boom", ""] {
            assert!(!is_limit(words), "{words}");
        }
    }
}
