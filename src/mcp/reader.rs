//! Whoever a request over HTTP came from: do they still read what it is answered?

use crate::mcp::calls::lock;
use crate::mcp::ending::Ending;
use std::sync::Arc;
use std::sync::Mutex;

/// Of one request.
#[derive(Clone)]
pub(super) struct Reader {
    state: Arc<Mutex<State>>,
    gone: Ending,
}

#[derive(Default)]
struct State {
    /// The answer is over, whoever took it.
    is_over: bool,
    /// What is to be done should the answer not be taken.
    if_lost: Option<Box<dyn FnOnce() + Send>>,
}

/// They read, until this is dropped.
pub(super) struct Reading(Option<Reader>);

impl Reader {
    pub(super) fn new() -> (Reader, Reading) {
        let reader = Reader { state: Arc::default(), gone: Ending::new() };
        (reader.clone(), Reading(Some(reader)))
    }

    /// Returns once nobody reads any more.
    pub(super) async fn is_gone(&self) {
        self.gone.begun().await;
    }

    /// There is an answer now. Where nobody takes all of it, `if_lost` is called.
    pub(super) fn is_answered(&self, if_lost: impl FnOnce() + Send + 'static) {
        let mut state = lock(&self.state);
        if !state.is_over {
            state.if_lost = Some(Box::new(if_lost));
            return;
        }
        drop(state);
        if_lost();
    }

    fn ends(&self, took_all: bool) {
        let if_lost = {
            let mut state = lock(&self.state);
            state.is_over = true;
            state.if_lost.take()
        };
        self.gone.begin();
        if let Some(if_lost) = if_lost.filter(|_| !took_all) {
            if_lost();
        }
    }
}

impl Reading {
    pub(super) fn ends(mut self, took_all: bool) {
        if let Some(reader) = self.0.take() {
            reader.ends(took_all);
        }
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        if let Some(reader) = self.0.take() {
            reader.ends(false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU32;
    use std::sync::atomic::Ordering;

    /// How often an answer is taken for lost after these steps.
    fn losses(steps: &[&str]) -> u32 {
        let count = Arc::new(AtomicU32::new(0));
        let (reader, reading) = Reader::new();
        let mut reading = Some(reading);
        for step in steps {
            let counts = count.clone();
            match *step {
                "answered" => reader.is_answered(move || {
                    counts.fetch_add(1, Ordering::Relaxed);
                }),
                "taken" => reading.take().unwrap().ends(true),
                "left" => drop(reading.take()),
                other => panic!("unknown step {other}"),
            }
        }
        drop((reader, reading));
        count.load(Ordering::Relaxed)
    }

    #[test]
    fn an_answer_is_lost_unless_all_of_it_was_taken() {
        assert_eq!(losses(&["answered", "taken"]), 0);
        assert_eq!(losses(&["answered", "left"]), 1);
        assert_eq!(losses(&["left", "answered"]), 1);
        assert_eq!(losses(&["taken", "answered"]), 1, "what ended before it was there had no answer in it");
        assert_eq!(losses(&["left"]), 0);
    }
}
