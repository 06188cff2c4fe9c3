//! A pipeline is read from its file: strictly, so that what is wrong with a stage is seen before the first task is made.

use crate::error::Error;
use crate::error::Result;
use crate::model::demand;
use crate::model::demand::DEMANDS_MAX;
use crate::model::fields::Fields;
use crate::model::fields::Spot;
use crate::model::fields::Value;
use crate::model::fields::line;
use crate::model::nearest::nearest;
use crate::model::pipeline::GAPS;
use crate::model::pipeline::PROMPT_BYTES_MAX;
use crate::model::pipeline::Pipeline;
use crate::model::pipeline::STAGES_MAX;
use crate::model::pipeline::StageTerms;
use crate::model::pipeline::check_pipeline_name;
use crate::model::role::NAME_CHARS_MAX;
use crate::model::role::check_role_name;
use crate::model::role::is_plain_name;
use crate::model::spending::Budget;
use crate::model::stage::Gate;
use crate::model::task::LIST_MAX;
use crate::model::task::Link;
use crate::model::task::Priority;
use crate::model::template::Template;
use crate::model::toml_text;
use std::collections::BTreeMap;
use std::collections::BTreeSet;

const KEYS: &[&str] = &["description", "stage"];

pub(super) const KEYS_OF_STAGE: &[&str] = &[
    "name",
    "role",
    "link",
    "prompt",
    "inputs",
    "evidence",
    "verdict",
    "gate",
    "reviewer",
    "review",
    "on_rejection",
    "retries",
    "budget",
    "acceptance",
    "expected_outputs",
    "priority",
];

const GAP_NAMES: [&str; GAPS.len()] = {
    let mut names = [""; GAPS.len()];
    let mut at = 0;
    while at < names.len() {
        names[at] = GAPS[at].0;
        at += 1;
    }
    names
};

/// What a gate puts behind the name of the stage that it looks at.
const REVIEW: &str = "-review";
const REVIEWER: &str = "reviewer";
const REVIEW_PROMPT: &str = include_str!("../../../pipelines/ways/review.md");

const TIMES_DEFAULT: u32 = 3;
const TIMES_MAX: i64 = 20;
const RETRIES_DEFAULT: u32 = 2;
const RETRIES_MAX: i64 = 10;

/// Longest line of a list that a task carries.
const LINE_CHARS_MAX: usize = 500;

/// What lets a stage on, as it is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lets {
    Automatic,
    Reviewer,
    Human,
}

/// A stage, and where its file says what must fit together with others.
struct Draft {
    terms: StageTerms,
    /// `None` is the stage before it.
    inputs: Option<Vec<String>>,
    spot: Spot,
    spot_of_inputs: Spot,
    spot_of_rejection: Spot,
    /// What a gate put here.
    looks_at: Option<String>,
}

impl Pipeline {
    /// `file` is what messages call the text.
    pub fn read(name: &str, file: &str, text: &str) -> Result<Pipeline> {
        check_pipeline_name(name)?;
        let fields = toml_text::parse(file, text)?;
        fields.only("a pipeline", KEYS)?;
        let description = fields
            .text("description")?
            .ok_or_else(|| missing(&fields, "description", "say in a line what the pipeline is for"))?;
        let tables = fields.tables("stage", "a table, begun with `[[stage]]`")?.unwrap_or_default();
        if tables.is_empty() {
            let error = fields.spot.error("a pipeline has no stage");
            return Err(error.hint("begin one with a line `[[stage]]`, and give it `name`, `role` and `prompt`"));
        }
        let mut drafts: Vec<Draft> = Vec::new();
        for table in tables {
            read_stage(table, &mut drafts)?;
            if drafts.len() > STAGES_MAX {
                let error =
                    table.spot.error(format!("a pipeline may have {STAGES_MAX} stages, reviews at gates included"));
                return Err(error.hint("let one stage do what several do, or make two pipelines of it"));
            }
        }
        let stages = fit_together(drafts)?;
        Ok(Pipeline { name: name.to_owned(), description, stages })
    }
}

/// One table: a stage, and the review that its gate puts behind it.
fn read_stage(fields: &Fields, drafts: &mut Vec<Draft>) -> Result<()> {
    fields.only("a stage", KEYS_OF_STAGE)?;
    let name = fields.text("name")?.ok_or_else(|| missing(fields, "name", "give it one, such as `build`"))?;
    let spot_of = |key| fields.spot_of(key).unwrap_or(&fields.spot);
    if !is_plain_name(&name) {
        let error = spot_of("name").error(format!("`{}` is no name for a stage", name.escape_debug()));
        return Err(error.hint(format!("give 1 to {NAME_CHARS_MAX} of a-z, 0-9, `-` and `_`, a letter first")));
    }
    let words = [("automatic", Lets::Automatic), ("reviewer", Lets::Reviewer), ("human", Lets::Human)];
    let lets = fields.one_of("gate", &words)?.unwrap_or(Lets::Automatic);
    let verdict = fields.read("verdict", "`true` or `false`", whether)?.unwrap_or(false);
    let rejection = rejection(fields)?;
    check_keys_of_gate(fields, lets, verdict)?;
    if verdict && lets == Lets::Reviewer {
        let error = spot_of("gate").error("a review of a verdict, which nobody could tell from the verdict itself");
        return Err(error.hint("take out `verdict` or `gate`"));
    }
    let back_to = rejection.back_to.or_else(|| (lets != Lets::Automatic && !verdict).then(|| name.clone()));
    if verdict && back_to.is_none() {
        let error = spot_of("verdict").error("a verdict that rejects leads nowhere");
        return Err(error.hint("say `on_rejection = { stage = \"NAME\" }`, with a stage that this one needs"));
    }
    let rejects = |yes: bool| (back_to.clone().filter(|_| yes), if yes { rejection.times } else { 0 });
    let (sends_back_to, times) = rejects(verdict || lets == Lets::Human);
    let retries = fields.whole("retries", 0, RETRIES_MAX)?.map_or(RETRIES_DEFAULT, |retries| retries as u32);
    let terms = StageTerms {
        role: role(fields, "role")?
            .ok_or_else(|| missing(fields, "role", "name the role that does it, such as `builder`"))?,
        link: link(fields)?,
        prompt: prompt(fields, "prompt")?
            .ok_or_else(|| missing(fields, "prompt", "say what is to be done, and what is to be handed on"))?,
        inputs: Vec::new(),
        evidence: evidence(fields)?,
        verdict,
        gate: if lets == Lets::Human { Gate::Human } else { Gate::Automatic },
        sends_back_to,
        times,
        retries,
        budget: budget(fields)?,
        acceptance: lines(fields, "acceptance")?,
        expected_outputs: lines(fields, "expected_outputs")?,
        priority: priority(fields)?,
        name,
    };
    let draft = Draft {
        inputs: fields.list("inputs", "the name of a stage before this one", line)?,
        spot: spot_of("name").clone(),
        spot_of_inputs: spot_of("inputs").clone(),
        spot_of_rejection: rejection.spot,
        looks_at: None,
        terms,
    };
    let review = (lets == Lets::Reviewer).then(|| review_of(fields, &draft, rejects(true))).transpose()?;
    drafts.push(draft);
    drafts.extend(review);
    Ok(())
}

/// The stage that a gate puts behind another. It may use up as much, and is as urgent.
fn review_of(fields: &Fields, looked_at: &Draft, (sends_back_to, times): (Option<String>, u32)) -> Result<Draft> {
    let of = &looked_at.terms;
    let default = || Template::parse(REVIEW_PROMPT.trim_end(), &Spot::new("(built-in) ways/review.md", 1), &GAP_NAMES);
    Ok(Draft {
        terms: StageTerms {
            name: format!("{}{REVIEW}", of.name),
            role: role(fields, "reviewer")?.unwrap_or_else(|| REVIEWER.to_owned()),
            link: Some(Link::Review),
            prompt: prompt(fields, "review")?.map_or_else(default, Ok)?,
            evidence: Vec::new(),
            verdict: true,
            gate: Gate::Automatic,
            sends_back_to,
            times,
            acceptance: Vec::new(),
            expected_outputs: Vec::new(),
            ..of.clone()
        },
        inputs: Some(vec![of.name.clone()]),
        looks_at: Some(of.name.clone()),
        spot: looked_at.spot.clone(),
        spot_of_inputs: looked_at.spot_of_inputs.clone(),
        spot_of_rejection: looked_at.spot_of_rejection.clone(),
    })
}

/// What says nothing where it stands is a mistake.
fn check_keys_of_gate(fields: &Fields, lets: Lets, verdict: bool) -> Result<()> {
    for key in ["review", "reviewer"] {
        if let (true, Some(spot)) = (lets != Lets::Reviewer, fields.spot_of(key)) {
            let error = spot.error(format!("`{key}` is for a gate at which somebody reviews, and there is none"));
            return Err(error.hint("say `gate = \"reviewer\"` too"));
        }
    }
    if let (Lets::Automatic, false, Some(spot)) = (lets, verdict, fields.spot_of("on_rejection")) {
        let error = spot.error("`on_rejection` says where a rejection leads, and nothing here rejects");
        return Err(error.hint("say `gate = \"reviewer\"`, `gate = \"human\"` or `verdict = true` too"));
    }
    Ok(())
}

struct Rejection {
    back_to: Option<String>,
    times: u32,
    spot: Spot,
}

fn rejection(fields: &Fields) -> Result<Rejection> {
    let spot = fields.spot_of("on_rejection").unwrap_or(&fields.spot).clone();
    let Some(table) = fields.table("on_rejection")? else {
        return Ok(Rejection { back_to: None, times: TIMES_DEFAULT, spot });
    };
    table.only("`on_rejection`", &["stage", "times"])?;
    let times = table.whole("times", 1, TIMES_MAX)?.map_or(TIMES_DEFAULT, |times| times as u32);
    Ok(Rejection { back_to: table.text("stage")?, times, spot })
}

/// What the stages say of each other: names, inputs, and where rejections lead.
fn fit_together(drafts: Vec<Draft>) -> Result<Vec<StageTerms>> {
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    for (at, draft) in drafts.iter().enumerate() {
        let name = &draft.terms.name;
        let Some(first) = places.insert(name.clone(), at) else { continue };
        let error = draft.spot.error(match &draft.looks_at {
            Some(of) => {
                format!("the gate of `{of}` makes a stage `{name}`, and line {} has one", drafts[first].spot.line)
            }
            None => format!("two stages are called `{name}`, the first in line {}", drafts[first].spot.line),
        });
        return Err(error.hint("give one of them another name"));
    }
    let known = Known { reviews: reviews(&drafts), places };
    let mut stages: Vec<StageTerms> = Vec::new();
    // What each needs, by itself or through others.
    let mut needed: Vec<BTreeSet<usize>> = Vec::new();
    for (at, draft) in drafts.into_iter().enumerate() {
        let inputs = match &draft.inputs {
            Some(inputs) => known.inputs(&draft, at, inputs)?,
            None => at.checked_sub(1).map(|before| known.with_reviews(before)).unwrap_or_default(),
        };
        let mut all: BTreeSet<usize> = inputs.iter().copied().collect();
        all.extend(inputs.iter().flat_map(|input| needed[*input].clone()));
        if let Some(back_to) = &draft.terms.sends_back_to {
            known.check_leads_back(&draft, at, back_to, &all)?;
        }
        let inputs = inputs.iter().map(|input| stages[*input].name.clone()).collect();
        stages.push(StageTerms { inputs, ..draft.terms });
        needed.push(all);
    }
    Ok(stages)
}

/// The review of each stage that has one.
fn reviews(drafts: &[Draft]) -> BTreeMap<usize, usize> {
    let of_gates = drafts.iter().enumerate().filter(|(_, draft)| draft.looks_at.is_some());
    of_gates.map(|(at, _)| (at - 1, at)).collect()
}

struct Known {
    places: BTreeMap<String, usize>,
    reviews: BTreeMap<usize, usize>,
}

impl Known {
    fn place(&self, name: &str, spot: &Spot) -> Result<usize> {
        self.places.get(name).copied().ok_or_else(|| {
            let error = spot.error(format!("there is no stage `{}`", name.escape_debug()));
            let all: Vec<String> = self.places.keys().map(|name| format!("`{name}`")).collect();
            let all = all.join(", ");
            error.hint(match nearest(name, self.places.keys().map(String::as_str)) {
                Some(near) => format!("did you mean `{near}`? There are {all}"),
                None => format!("there are {all}"),
            })
        })
    }

    /// A stage, and where a gate has it reviewed, the review: what needs the one begins after the other. Where the stage
    /// before is a review that a gate put there, its result alone would be of no use.
    fn with_reviews(&self, place: usize) -> Vec<usize> {
        let looked_at = self.reviews.iter().find(|(_, review)| **review == place).map(|(looked_at, _)| *looked_at);
        let place = looked_at.unwrap_or(place);
        [place].into_iter().chain(self.reviews.get(&place).copied()).collect()
    }

    fn inputs(&self, draft: &Draft, at: usize, names: &[String]) -> Result<Vec<usize>> {
        let (name, spot) = (&draft.terms.name, &draft.spot_of_inputs);
        let mut named = BTreeSet::new();
        let mut inputs = BTreeSet::new();
        for input in names {
            let place = self.place(input, spot)?;
            if place >= at {
                let found = if place == at { "itself".to_owned() } else { format!("`{input}`, which comes later") };
                let error = spot.error(format!("`{name}` needs {found}"));
                return Err(error.hint("name stages that stand before it, or move it"));
            }
            if !named.insert(place) {
                return Err(spot.error(format!("`{name}` needs `{input}` twice")).hint("name it once"));
            }
            match draft.looks_at {
                Some(_) => inputs.extend([place]),
                None => inputs.extend(self.with_reviews(place)),
            }
        }
        Ok(inputs.into_iter().collect())
    }

    /// Doing a stage again changes nothing for one that does not need it.
    fn check_leads_back(&self, draft: &Draft, at: usize, back_to: &str, needed: &BTreeSet<usize>) -> Result<()> {
        let (terms, spot) = (&draft.terms, &draft.spot_of_rejection);
        let place = self.place(back_to, spot)?;
        let may_be_itself = terms.gate == Gate::Human && !terms.verdict;
        if needed.contains(&place) || (place == at && may_be_itself) {
            return Ok(());
        }
        let by = draft.looks_at.as_ref().unwrap_or(&terms.name);
        let error = spot.error(match place {
            place if place == at => format!("a verdict of `{by}` leads back to itself, and it made nothing"),
            place if place > at => format!("a rejection of `{by}` leads to `{back_to}`, which comes later"),
            _ => format!("a rejection of `{by}` leads to `{back_to}`, whose result it does not need"),
        });
        Err(error.hint("name a stage before it that it needs, by itself or through others"))
    }
}

fn missing(fields: &Fields, key: &str, hint: &str) -> Error {
    fields.spot.error(format!("`{key}` is missing")).hint(hint)
}

fn whether(value: &Value) -> Option<bool> {
    match value {
        Value::Whether(whether) => Some(*whether),
        _ => None,
    }
}

fn role(fields: &Fields, key: &str) -> Result<Option<String>> {
    let Some(role) = fields.text(key)? else { return Ok(None) };
    let spot = fields.spot_of(key).unwrap_or(&fields.spot);
    check_role_name(&role).map_err(|error| Error { message: format!("{spot}: {}", error.message), ..error })?;
    Ok(Some(role))
}

fn link(fields: &Fields) -> Result<Option<Link>> {
    fields.one_of("link", &Link::ALL.map(|link| (link.word(), link)))
}

fn prompt(fields: &Fields, key: &str) -> Result<Option<Template>> {
    let text = fields.read(key, "a text", |value| match value {
        Value::Text(text) => Some(text),
        _ => None,
    })?;
    let Some(text) = text else { return Ok(None) };
    let spot = fields.spot_of_text(key).unwrap_or(&fields.spot);
    if text.trim().is_empty() {
        return Err(spot.error(format!("`{key}` is empty")).hint("say what is to be done"));
    }
    if text.len() > PROMPT_BYTES_MAX {
        let error = spot.error(format!("`{key}` has {} bytes, and may have {PROMPT_BYTES_MAX}", text.len()));
        return Err(error.hint("put what many stages need into a file of the repository, and name that file"));
    }
    let stray = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
    if let Some((before, rest)) = text.find(stray).map(|at| text.split_at(at)) {
        let c: String = rest.chars().take(1).flat_map(char::escape_debug).collect();
        let spot = spot.at_line(spot.line + before.matches('\n').count());
        return Err(spot.error(format!("`{key}` has the character `{c}`")).hint("take it out"));
    }
    Template::parse(text.trim_end(), spot, &GAP_NAMES).map(Some)
}

fn evidence(fields: &Fields) -> Result<Vec<demand::Demand>> {
    let demands = fields.list("evidence", demand::WANTED, |value| line(value)?.parse().ok())?.unwrap_or_default();
    at_most(fields, "evidence", demands, DEMANDS_MAX)
}

/// What a task has as a list of lines.
fn lines(fields: &Fields, key: &str) -> Result<Vec<String>> {
    let wanted = format!("a text of one line with at most {LINE_CHARS_MAX} characters");
    let fits = |value: &Value| line(value).filter(|line| line.chars().count() <= LINE_CHARS_MAX);
    at_most(fields, key, fields.list(key, &wanted, fits)?.unwrap_or_default(), LIST_MAX)
}

fn at_most<T>(fields: &Fields, key: &str, list: Vec<T>, most: usize) -> Result<Vec<T>> {
    if list.len() <= most {
        return Ok(list);
    }
    let spot = fields.spot_of(key).unwrap_or(&fields.spot);
    Err(spot.error(format!("`{key}` has {} items, and may have {most}", list.len())).hint("take some out"))
}

fn budget(fields: &Fields) -> Result<Budget> {
    let Some(table) = fields.table("budget")? else { return Ok(Budget::default()) };
    table.only("a budget", &["dollars", "tokens", "turns"])?;
    Ok(Budget {
        dollars: table.dollars("dollars")?,
        tokens: table.whole("tokens", 1, i64::MAX)?.map(i64::unsigned_abs),
        turns: table.count("turns", 1)?,
    })
}

fn priority(fields: &Fields) -> Result<Option<Priority>> {
    let wanted = "`critical`, `high`, `medium`, `low`, or a number from 1 to 10, of which 10 goes first";
    fields.read("priority", wanted, |value| match value {
        Value::Whole(number) => Priority::of_urgency(u8::try_from(*number).ok()?),
        // The older numbers are words for `push_task` only.
        Value::Text(word) => word.parse().ok().filter(|_| !word.starts_with(|c: char| c.is_ascii_digit())),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::pipeline::BUILT_IN;

    /// What stands behind a first line with a description: it begins on line 2.
    fn read(stages: &str) -> Result<Pipeline> {
        Pipeline::read("ours", "ours.toml", &format!("description = \"d\"\n{stages}"))
    }

    /// A stage in four lines, and what else it says.
    fn stage(name: &str, more: &str) -> String {
        format!("[[stage]]\nname = \"{name}\"\nrole = \"builder\"\nprompt = \"p\"\n{more}\n")
    }

    fn stages(all: &[(&str, &str)]) -> Result<Pipeline> {
        read(&all.iter().map(|(name, more)| stage(name, more)).collect::<String>())
    }

    #[test]
    fn a_stage_says_all_that_it_may_say() {
        let more = r#"
            link = "build"
            inputs = ["a"]
            evidence = ["commit", "check: just check"]
            gate = "reviewer"
            reviewer = "verifier"
            review = "Look at {{title}}."
            on_rejection = { stage = "a", times = 7 }
            retries = 0
            budget = { dollars = 2.5, tokens = 1000, turns = 40 }
            acceptance = ["it works"]
            expected_outputs = ["a.txt"]
            priority = 9"#;
        let written = format!("name =\nrole =\nprompt =\nverdict =\n{more}");
        assert!(KEYS_OF_STAGE.iter().all(|key| written.contains(&format!("{key} ="))), "no key is left out");
        let pipeline = stages(&[("a", "priority = \"low\""), ("b", more), ("c", "")]).unwrap();
        let [a, b, review, c] = &pipeline.stages[..] else { panic!("{pipeline:?}") };
        assert_eq!((a.retries, a.priority, a.gate, a.verdict), (2, Some(Priority::LOW), Gate::Automatic, false));
        assert_eq!((a.sends_back_to.as_deref(), a.times, &a.budget), (None, 0, &Budget::default()));
        assert_eq!((b.link, b.inputs.join(" "), b.retries), (Some(Link::Build), "a".to_owned(), 0));
        assert_eq!(b.evidence, [demand::Demand::Commit, demand::Demand::Check("just check".to_owned())]);
        assert_eq!((b.budget.dollars, b.budget.tokens, b.budget.turns), (Some(2.5), Some(1000), Some(40)));
        assert_eq!((b.acceptance.join(""), b.expected_outputs.join("")), ("it works".to_owned(), "a.txt".to_owned()));
        assert_eq!((b.verdict, b.sends_back_to.as_deref(), b.times), (false, None, 0), "its review rejects");
        assert_eq!((review.name.as_str(), review.role.as_str(), review.verdict), ("b-review", "verifier", true));
        assert_eq!(
            (review.sends_back_to.as_deref(), review.times, review.inputs.join(" ")),
            (Some("a"), 7, "b".into())
        );
        assert_eq!((review.priority, &review.budget, review.link), (b.priority, &b.budget, Some(Link::Review)));
        assert!(review.evidence.is_empty() && review.acceptance.is_empty() && review.expected_outputs.is_empty());
        assert_eq!(c.inputs, ["b", "b-review"]);
    }

    #[test]
    fn a_stage_goes_on_from_what_it_names_and_from_the_reviews_of_it() {
        for (more, inputs) in [
            ("", "b b-review"),
            ("inputs = []", ""),
            ("inputs = [\"a\"]", "a"),
            ("inputs = [\"b\", \"a\"]", "a b b-review"),
            ("inputs = [\"b-review\"]", "b b-review"),
        ] {
            let pipeline = stages(&[("a", ""), ("b", "gate = \"reviewer\""), ("c", more)]).unwrap();
            assert_eq!(pipeline.stages.last().unwrap().inputs.join(" "), inputs, "{more}");
        }
    }

    #[test]
    fn a_rejection_leads_where_it_is_told_to_or_to_what_was_rejected() {
        for (more, rejects, back_to, times) in [
            ("gate = \"reviewer\"", "b-review", "b", 3),
            ("gate = \"reviewer\"\non_rejection = { times = 1 }", "b-review", "b", 1),
            ("gate = \"reviewer\"\non_rejection = { stage = \"a\" }", "b-review", "a", 3),
            ("gate = \"human\"", "b", "b", 3),
            ("gate = \"human\"\non_rejection = { stage = \"a\", times = 20 }", "b", "a", 20),
            ("verdict = true\non_rejection = { stage = \"a\" }", "b", "a", 3),
            ("verdict = true\ngate = \"human\"\non_rejection = { stage = \"a\" }", "b", "a", 3),
        ] {
            let pipeline = stages(&[("a", ""), ("b", more), ("c", "")]).unwrap();
            let rejecting: Vec<_> = pipeline.stages.iter().filter(|stage| stage.sends_back_to.is_some()).collect();
            let [stage] = rejecting[..] else { panic!("{more}: {pipeline:?}") };
            assert_eq!((&*stage.name, stage.sends_back_to.as_deref(), stage.times), (rejects, Some(back_to), times));
            assert_eq!(stage.verdict, !more.starts_with("gate = \"human\""), "{more}");
            assert_eq!(stage.gate == Gate::Human, more.contains("human"), "{more}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_stage_is_named_with_its_line() {
        let review = |text: &str| format!("gate = \"reviewer\"\nreview = {text}");
        let long = review(&format!("\"{}\"", "x".repeat(PROMPT_BYTES_MAX + 1)));
        let far = format!("acceptance = [\"{}\"]", "x".repeat(LINE_CHARS_MAX + 1));
        let many = format!("expected_outputs = [{}]", "\"x\",".repeat(LIST_MAX + 1));
        let human = |rejection: &str| format!("gate = \"human\"\non_rejection = {rejection}");
        for (more, message, hint) in [
            ("promt = \"x\"", "6: a stage has no key `promt`", "did you mean `prompt`?"),
            ("isolation = \"none\"", "6: a stage has no key `isolation`", "there are `name`"),
            ("inputs = \"a\"", "6: `inputs` is the text `a`, wanted a list", ""),
            ("inputs = [\"biuld\"]", "6: there is no stage `biuld`", "did you mean `build`?"),
            ("inputs = [\"build\"]", "6: `build` needs itself", "that stand before it"),
            ("inputs = [\"last\"]", "6: `build` needs `last`, which comes later", "that stand before it"),
            ("inputs = [\"first\", \"first\"]", "6: `build` needs `first` twice", "name it once"),
            ("evidence = [\"comit\"]", "6: an item of `evidence` is the text `comit`, wanted `commit`", ""),
            ("gate = \"humna\"", "6: `gate` is the text `humna`, wanted one of", "did you mean `human`?"),
            ("gate = true", "6: `gate` is true, wanted one of `automatic`", ""),
            ("review = \"x\"", "6: `review` is for a gate at which somebody reviews", "say `gate"),
            ("gate = \"human\"\nreviewer = \"x\"", "7: `reviewer` is for a gate at which", "say `gate"),
            ("on_rejection = { times = 2 }", "6: `on_rejection` says where a rejection leads", "verdict = true"),
            (&human("3"), "7: `on_rejection` is the number 3, wanted a table", ""),
            (&human("{ time = 3 }"), "7: `on_rejection` has no key `time`", "`times`?"),
            (&human("{ times = 0 }"), "7: `times` is the number 0, wanted a whole number from 1 to 20", ""),
            (&human("{ times = 21 }"), "7: `times` is the number 21, wanted a whole number", ""),
            (&human("{ stage = \"x\" }"), "7: there is no stage `x`", "`build`, `first`, `last`"),
            (
                &human("{ stage = \"last\" }"),
                "7: a rejection of `build` leads to `last`, which comes later",
                "before it",
            ),
            (
                "gate = \"reviewer\"\non_rejection = { stage = \"last\" }",
                "7: a rejection of `build` leads to `last`, which comes later",
                "a stage before it",
            ),
            ("verdict = true", "6: a verdict that rejects leads nowhere", "say `on_rejection"),
            ("verdict = 1", "6: `verdict` is the number 1, wanted `true` or `false`", ""),
            (
                "verdict = true\non_rejection = { stage = \"build\" }",
                "7: a verdict of `build` leads back to itself",
                "a stage before it",
            ),
            (
                "inputs = []\nverdict = true\non_rejection = { stage = \"first\" }",
                "8: a rejection of `build` leads to `first`, whose result it does not need",
                "through others",
            ),
            (
                "verdict = true\ngate = \"reviewer\"\non_rejection = { stage = \"first\" }",
                "7: a review of a verdict",
                "take",
            ),
            ("retries = 11", "6: `retries` is the number 11, wanted a whole number from 0 to 10", ""),
            ("budget = 5", "6: `budget` is the number 5, wanted a table", ""),
            ("budget = { dollar = 5 }", "6: a budget has no key `dollar`", "did you mean `dollars`?"),
            ("budget = { dollars = 0 }", "6: `dollars` is the number 0, wanted an amount", ""),
            ("[stage.budget]\n\nturns = 0", "8: `turns` is the number 0, wanted a whole", ""),
            ("acceptance = [\"\"]", "6: an item of `acceptance` is the text ``, wanted a text of one line", ""),
            ("acceptance = [\n\"a\",\n\"a\\nb\"]", "8: an item of `acceptance`", ""),
            (&far, "6: an item of `acceptance`", ""),
            (&many, "6: `expected_outputs` has 101 items, and may have 100", "take some out"),
            ("priority = 11", "6: `priority` is the number 11, wanted `critical`", ""),
            ("priority = \"1\"", "6: `priority` is the text `1`, wanted `critical`", ""),
            ("link = \"biuld\"", "6: `link` is the text `biuld`, wanted one of", "did you mean `build`?"),
            ("gate = \"reviewer\"\nreviewer = \"../x\"", "7: `../x` is no name for a role", "a letter first"),
            (&review("\" \""), "7: `review` is empty", "say what"),
            (&review("\"\"\"\n\n{{boddy}}\"\"\""), "9: column 1: `{{boddy}}`", "`{{body}}`?"),
            (&review("'''a\n{{#body}}'''"), "8: column 1: `{{#body}}` has no end", "end it"),
            (&long, "7: `review` has 16385 bytes, and may have 16384", "into a file"),
            (&review("\"a\\u0007\""), "7: `review` has the character `\\u{7}`", "take it out"),
            ("priority = 2026-01-01", "6: the date 2026-01-01, and nothing here takes one", ""),
            ("priority = ", "6: this is no TOML", "correct that line"),
        ] {
            let (line, message) = message.split_once(": ").unwrap();
            // Counted as if it were the first of its file; five lines are before it.
            let line = line.parse::<usize>().unwrap() + 5;
            let error = stages(&[("first", ""), ("build", more), ("last", "")]).expect_err(message);
            assert!(error.message.starts_with(&format!("ours.toml line {line}: {message}")), "{more}: {error}");
            assert!(error.hint.as_deref().is_some_and(|said| said.contains(hint)), "{more}: {error:?}");
        }
    }

    #[test]
    fn what_is_wrong_with_the_whole_is_named_with_its_line() {
        let one = |name: &str, prompt: &str| format!("[[stage]]\n{name}\nrole = \"builder\"\n{prompt}\n");
        let whole = stage("a", "");
        let many: String = (0..STAGES_MAX).map(|at| stage(&format!("s{at}"), "")).collect();
        let gated = "gate = \"reviewer\"";
        for (stages, message) in [
            ("", "1: a pipeline has no stage"),
            ("stage = 5", "2: `stage` is the number 5, wanted a list"),
            ("stage = [5]", "2: an item of `stage` is the number 5, wanted a table"),
            ("\nstages = []", "3: a pipeline has no key `stages`"),
            (&one("", "prompt = \"p\""), "2: `name` is missing"),
            (&one("name = \"a\"", ""), "2: `prompt` is missing"),
            ("[[stage]]\nname = \"a\"\nprompt = \"p\"", "2: `role` is missing"),
            (&one("name = \"../a\"", "prompt = \"p\""), "3: `../a` is no name for a stage"),
            (&format!("{whole}{whole}"), "8: two stages are called `a`, the first in line 3"),
            (&(stage("a", gated) + &stage("a-review", "")), "8: two stages are called `a-review`"),
            (
                &(stage("a-review", "") + &stage("a", gated)),
                "8: the gate of `a` makes a stage `a-review`, and line 3 has one",
            ),
            (&one("name = \"a\"", "prompt = \"{{titel}}\""), "5: column 1: `{{titel}}` is none of the names"),
            (&one("name = \"a\"", "prompt = '''\nx\n  {{task_id}}'''"), "7: column 3: `{{task_id}}` is none"),
            (&format!("{many}{whole}"), "252: a pipeline may have 50 stages"),
            (&many.replacen("prompt", "gate = \"reviewer\"\nprompt", 1), "248: a pipeline may have 50 stages, reviews"),
        ] {
            let error = read(stages).expect_err(message);
            assert!(error.message.starts_with(&format!("ours.toml line {message}")), "{error}");
            assert!(error.hint.is_some(), "{error:?}");
        }
        let error = Pipeline::read("ours", "ours.toml", &whole).expect_err("no description");
        assert_eq!(error.message, "ours.toml line 1: `description` is missing");
        read(&many).expect("so many may be");
    }

    #[test]
    fn a_pipeline_has_the_name_of_a_file_and_of_no_other_place() {
        check_pipeline_name("bugfix-2").unwrap();
        for name in ["", ".", "..", "../chain", "a/b", "/etc/passwd", "chain.toml", "Chain", "-x", "a b", "a\n", "é"] {
            let error = check_pipeline_name(name).expect_err(name);
            assert!(error.message.contains("is no name for a pipeline"), "{error}");
            assert!(!error.message.contains(char::is_control), "{error:?}");
        }
    }

    #[test]
    fn every_pipeline_that_comes_with_the_program_is_whole() {
        for (name, wanted) in [
            (
                "chain",
                "plan; build plan; verify plan build; review plan build verify -> build; \
                 accept plan build verify review -> build",
            ),
            (
                "proof",
                "optimize; write_tests optimize; run_tests_fix optimize write_tests; \
                 document optimize write_tests run_tests_fix",
            ),
            (
                "feature",
                "design -> design; build design; build-review build -> build; document design build build-review; \
                 accept design build build-review document -> build",
            ),
            ("bugfix", "reproduce; mend reproduce; verify reproduce mend; review reproduce mend verify -> mend"),
            ("review", "right; safe; tested; clear; synthesis right safe tested clear"),
            ("release", "checks; changelog checks -> changelog; tag checks changelog"),
        ] {
            let (file, text) = Pipeline::built_in(name).unwrap();
            let pipeline = Pipeline::read(name, &file, text).unwrap_or_else(|error| panic!("{error}"));
            let words = |stage: &StageTerms| {
                let back = stage.sends_back_to.as_ref().map(|back| format!(" -> {back}")).unwrap_or_default();
                [std::slice::from_ref(&stage.name), &stage.inputs].concat().join(" ") + &back
            };
            assert_eq!(pipeline.stages.iter().map(words).collect::<Vec<_>>().join("; "), wanted);
        }
        assert_eq!(BUILT_IN.len(), 6);
        assert!(Pipeline::built_in("nothing").is_none());
    }
}
