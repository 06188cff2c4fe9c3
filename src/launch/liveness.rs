//! Does a worker work, wait or hang? Told by several signs that do not depend on each other.

use crate::model::session::Activity;

/// Every sign must have been silent for so long. A client tells every half minute that a tool still runs, so this is a
/// multiple of what is ordinary.
pub const SILENCE_MS: i64 = 10 * 60 * 1000;
/// From then on its files are looked at, too: to look costs something, and of whoever shows itself in another way they would
/// say nothing new.
const IN_DOUBT_MS: i64 = 60_000;
/// Whoever works prints more often.
const PAUSE_MS: i64 = 3_000;
/// Fewer signs than that prove nothing.
const SIGNS_MIN: usize = 3;

/// How long ago each sign was seen last, in milliseconds; `None` where it cannot be seen at all.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Signs {
    /// It printed, or its transcript grew.
    pub output: Option<i64>,
    /// It called us, or a hook of its did.
    pub calls: Option<i64>,
    /// A process of its tree used the processor.
    pub processor: Option<i64>,
    /// Something changed in its worktree.
    pub files: Option<i64>,
    /// It waited, for a person or for work: whoever was just answered has had no time to show anything.
    pub waited: Option<i64>,
}

/// What its session was last known to do.
#[derive(Clone, Debug, PartialEq)]
pub struct Doing {
    pub activity: Activity,
    /// It asked the human something that is still open.
    pub asks: bool,
    /// It may not use a tool before the human has decided.
    pub needs_leave: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    Busy,
    Idle,
    NeedsInput,
    Limited,
    /// Why it is thought to hang.
    Stalled(String),
}

/// What it waits for, if it waits.
pub fn waits(doing: &Doing, signs: &Signs) -> Option<Verdict> {
    match doing.activity {
        // Its client prints now and then while it waits.
        _ if doing.needs_leave => Some(Verdict::NeedsInput),
        Activity::NeedsInput => Some(Verdict::NeedsInput),
        Activity::Limited => Some(Verdict::Limited),
        Activity::Idle if doing.asks => Some(Verdict::NeedsInput),
        Activity::Idle => Some(Verdict::Idle),
        // Whoever asked and goes on with something else is busy.
        _ if doing.asks && signs.output.is_none_or(|ago| ago >= PAUSE_MS) => Some(Verdict::NeedsInput),
        // Whoever has ended is told of by its process; a turn that failed is followed by another, or by nothing.
        Activity::Unknown | Activity::Working | Activity::Failed | Activity::Ended => None,
    }
}

/// May it hang, as far as is known without a look at its files?
pub fn is_in_doubt(doing: &Doing, signs: &Signs) -> bool {
    let others = [signs.output, signs.calls, signs.processor, signs.waited];
    waits(doing, signs).is_none() && others.into_iter().flatten().all(|ago| ago >= IN_DOUBT_MS)
}

pub fn judge(doing: &Doing, signs: &Signs) -> Verdict {
    if let Some(verdict) = waits(doing, signs) {
        return verdict;
    }
    let known: Vec<(&str, i64)> =
        [("output", signs.output), ("calls", signs.calls), ("processor", signs.processor), ("files", signs.files)]
            .into_iter()
            .filter_map(|(name, ago)| Some((name, ago?)))
            .collect();
    let waited_lately = signs.waited.is_some_and(|ago| ago < SILENCE_MS);
    if waited_lately || known.len() < SIGNS_MIN || known.iter().any(|(_, ago)| *ago < SILENCE_MS) {
        return Verdict::Busy;
    }
    let silent: Vec<String> = known.iter().map(|(name, ago)| format!("{name} {} min", ago / 60_000)).collect();
    Verdict::Stalled(format!("silent: {}", silent.join(", ")))
}

/// In how many milliseconds the verdict may be another without any news: when the last sign has been silent for long enough.
pub fn look_again_after(signs: &Signs) -> i64 {
    let signs = [signs.output, signs.calls, signs.processor, signs.files, signs.waited];
    let last = signs.into_iter().flatten().min().unwrap_or(0);
    (SILENCE_MS - last).max(1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `activity, asks | output calls processor files (minutes, - unknown) -> verdict`
    #[track_caller]
    fn check(line: &str) {
        let (given, expected) = line.split_once("->").unwrap();
        let (doing, signs) = given.split_once('|').unwrap();
        let mut words = doing.split_whitespace();
        let activity = Activity::of_word(words.next().unwrap()).unwrap();
        let rest: Vec<&str> = words.collect();
        let doing = Doing { activity, asks: rest.contains(&"asks"), needs_leave: rest.contains(&"leave") };
        let minutes: Vec<Option<i64>> =
            signs.split_whitespace().map(|word| word.parse::<i64>().ok().map(|minutes| minutes * 60_000)).collect();
        let signs = Signs {
            output: minutes[0],
            calls: minutes[1],
            processor: minutes[2],
            files: minutes[3],
            waited: minutes.get(4).copied().flatten(),
        };
        let found = match judge(&doing, &signs) {
            Verdict::Stalled(why) => format!("stalled: {why}"),
            other => format!("{other:?}").to_lowercase(),
        };
        assert_eq!(found, expected.trim(), "{line}");
    }

    #[test]
    fn it_hangs_only_if_every_one_of_three_signs_or_more_is_silent() {
        check(
            "working holds | 20 20 20 20 -> stalled: silent: output 20 min, calls 20 min, processor 20 min, files 20 min",
        );
        check("working       | 20 20 20 -  -> stalled: silent: output 20 min, calls 20 min, processor 20 min");
        check("working       | 20 20 -  -  -> busy");
        check("working       | -  -  -  -  -> busy");
        // A quiet compile of twenty minutes: nothing but the processor.
        check("working       | 20 20 0  20 -> busy");
        // Or nothing but its files.
        check("working       | 20 20 20 3  -> busy");
        check("working       | 9  20 20 20 -> busy");
        // It was answered just now.
        check("working       | 20 20 20 20 0 -> busy");
        check(
            "unknown       | 20 20 20 20 -> stalled: silent: output 20 min, calls 20 min, processor 20 min, files 20 min",
        );
    }

    #[test]
    fn who_waits_is_not_thought_to_hang() {
        check("idle             | 600 600 600 600 -> idle");
        check("idle asks        | 600 600 600 600 -> needsinput");
        check("needs_input      | 600 600 600 600 -> needsinput");
        check("working asks     | 600 600 600 600 -> needsinput");
        check("working asks     | -   600 600 600 -> needsinput");
        check("working asks     | 1   600 600 600 -> needsinput");
        check("working asks     | 0   600 600 600 -> busy");
        check("working leave    | 0   600 600 600 -> needsinput");
        check("idle leave       | 600 600 600 600 -> needsinput");
        check("limited          | 600 600 600 600 -> limited");
    }

    #[test]
    fn the_next_look_is_when_the_last_sign_falls_silent() {
        let signs = Signs { output: Some(SILENCE_MS + 5), calls: Some(SILENCE_MS - 30_000), ..Signs::default() };
        assert_eq!(look_again_after(&signs), 30_000);
        assert_eq!(look_again_after(&Signs { output: Some(SILENCE_MS * 2), ..Signs::default() }), 1_000);
    }
}
