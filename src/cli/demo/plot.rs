//! What happens in the demo: a job, its parts, and what goes wrong on the way. Drawn from a seed, and from nothing else.

use serde_json::Value;
use serde_json::json;

/// What a real session would take, in milliseconds.
const WORK_MS: std::ops::Range<u64> = 8_000..24_000;
/// How long the human may take for an answer.
const ANSWER_SECS: f64 = 120.0;

/// The file that two of them want, and that somebody else has when the first of them comes.
pub(super) const SHARED_FILE: &str = "api/openapi.json";

pub(super) struct Plot {
    random: u64,
    speed: f64,
}

impl Plot {
    pub(super) fn new(seed: u64, speed: f64) -> Plot {
        Plot { random: seed, speed }
    }

    /// The job, for the planner, who splits it into parts that build on each other.
    pub(super) fn job(&mut self) -> Value {
        let parts = self.parts();
        let count = parts.as_array().map_or(0, Vec::len);
        let description = format!(
            "Plan it, and push the parts.\nsim: {}\nsim: plan {parts}\nsim: complete split into {count} tasks",
            self.work()
        );
        json!({ "title": "Open the shop", "role": "planner", "description": description })
    }

    /// One that somebody took, fell asleep over, and gave back.
    pub(super) fn forgotten(&mut self) -> Value {
        let description = format!("sim: {}\nsim: complete the notes are written", self.work());
        json!({ "title": "Write the release notes", "description": description })
    }

    fn parts(&mut self) -> Value {
        let answer_secs = (ANSWER_SECS / self.speed).ceil().clamp(1.0, 3600.0) as u64;
        let question = json!({ "question": "How do customers pay?", "options": ["card", "invoice", "both"],
                               "default": "card", "deadline_secs": answer_secs });
        let reserve = format!("reserve {SHARED_FILE}");
        let ask = format!("ask {question}");
        let mut part = |name: &str, title: &str, before: &[&str], steps: &[&str]| {
            let steps = steps.iter().map(|step| (*step).to_owned());
            let steps: Vec<String> = steps.chain([self.work(), format!("complete {name} is done")]).collect();
            let description: Vec<String> = steps.iter().map(|step| format!("sim: {step}")).collect();
            json!({ "ref": name, "title": title, "depends_on": before, "description": description.join("\n") })
        };
        json!([
            part("schema", "Design the tables", &[], &[]),
            part("payment", "Choose how customers pay", &[], &[&ask]),
            part("catalogue", "Serve the catalogue", &["schema"], &[&reserve]),
            part("accounts", "Serve accounts", &["schema"], &[&reserve]),
            part("basket", "Build the basket", &["catalogue"], &["first crash"]),
            part("checkout", "Build the checkout", &["accounts", "payment"], &[]),
            part("tests", "Test a whole purchase", &["basket", "checkout"], &[]),
            part("open", "Open the doors", &["tests"], &[]),
        ])
    }

    fn work(&mut self) -> String {
        let length = WORK_MS.end - WORK_MS.start;
        let millis = (WORK_MS.start + self.draw() % length) as f64 / self.speed;
        format!("work {}", millis.max(1.0) as u64)
    }

    /// SplitMix64.
    fn draw(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_tells_one_story_and_another_seed_another() {
        let job = |seed| Plot::new(seed, 10.0).job();
        assert_eq!(job(42), job(42));
        assert_ne!(job(42), job(43));
    }

    #[test]
    fn speed_shortens_the_work_and_not_the_story() {
        let lines = |speed| {
            let job = Plot::new(1, speed).job();
            let description = job["description"].as_str().unwrap().to_owned();
            description.matches("depends_on").count()
        };
        assert_eq!(lines(1.0), lines(1000.0));
        assert!(Plot::new(1, 1e9).job()["description"].as_str().unwrap().contains("sim: work 1\n"));
    }
}
