//! Whether a launch looks after the workers or stands by, and what whoever leaves it ends by that.

use crate::cli::print::counted;
use crate::cli::top::Leaves;
use crate::cli::top::Leaving;
use crate::launch::bell::Bell;
use crate::launch::supervisor::Part;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;

/// Whether this process looks after the workers, and what ends that.
pub(super) struct Stand {
    bell: Bell,
    part: Mutex<Option<Part>>,
    lets_them_run: AtomicBool,
}

impl Stand {
    pub(super) fn new(bell: Bell) -> Stand {
        Stand { bell, part: Mutex::new(None), lets_them_run: AtomicBool::new(false) }
    }

    pub(super) fn leaves(&self) -> Leaves {
        match (self.stands_by(), self.bell.is_stopped()) {
            (true, _) => Leaves::Screen,
            (false, false) => Leaves::Workers,
            (false, true) => Leaves::AtOnce,
        }
    }

    pub(super) fn leave(&self, how: Leaving) {
        if how == Leaving::LetsThemRun {
            self.lets_them_run.store(true, Ordering::SeqCst);
            return self.bell.leave();
        }
        self.bell.stop();
    }

    pub(super) fn lets_them_run(&self) -> bool {
        self.lets_them_run.load(Ordering::SeqCst)
    }

    /// What there is to say of it.
    pub(super) fn takes(&self, part: Part) -> Option<String> {
        let before = self.part().replace(part.clone());
        match (part, before) {
            (Part::StandsBy { leader, workers }, _) => Some(format!(
                "process {leader} looks after {} here already; this one stands by. Ctrl+C leaves, the workers go on \
                 (orch-mcp stop --all ends them)",
                counted(workers as u64, "worker")
            )),
            (Part::Leads, Some(Part::StandsBy { .. })) => {
                Some("this one looks after the workers now; Ctrl+C stops them".to_owned())
            }
            (Part::Leads, _) => None,
        }
    }

    pub(super) fn stands_by(&self) -> bool {
        matches!(*self.part(), Some(Part::StandsBy { .. }))
    }

    pub(super) fn why_it_closed(&self) -> String {
        match &*self.part() {
            Some(Part::StandsBy { leader, .. }) => {
                format!("this one only stood by and is left; process {leader} looks after the workers, and they go on")
            }
            _ => "this one is left".to_owned(),
        }
    }

    fn part(&self) -> MutexGuard<'_, Option<Part>> {
        self.part.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
