//! The same done for many things, some of them at a time, while somebody hears how it goes on.

use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::sync::mpsc::RecvTimeoutError;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

/// How often it is told that time goes by.
const TICK: Duration = Duration::from_secs(1);

pub enum Heard<'a, R> {
    Began(usize),
    Done(usize, &'a R),
    /// Nothing, for a while.
    Tick,
}

/// The results, in the order of the things. `hear` is told on this thread.
pub fn side_by_side<T: Sync, R: Send>(
    things: &[T],
    at_once: usize,
    work: impl Fn(&T) -> R + Sync,
    hear: &mut dyn FnMut(Heard<'_, R>),
) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let (tell, told) = channel();
    let mut results: Vec<Option<R>> = things.iter().map(|_| None).collect();
    thread::scope(|scope| {
        for _ in 0..at_once.clamp(1, things.len().max(1)) {
            let (tell, next, work) = (tell.clone(), &next, &work);
            scope.spawn(move || {
                while let Some((at, thing)) = take(next, things) {
                    // Whoever hears is there until all of us are done.
                    let _ = tell.send((at, None));
                    let _ = tell.send((at, Some(work(thing))));
                }
            });
        }
        drop(tell);
        loop {
            match told.recv_timeout(TICK) {
                Ok((at, None)) => hear(Heard::Began(at)),
                Ok((at, Some(result))) => {
                    hear(Heard::Done(at, &result));
                    results[at] = Some(result);
                }
                Err(RecvTimeoutError::Timeout) => hear(Heard::Tick),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
    });
    results.into_iter().flatten().collect()
}

fn take<'a, T>(next: &AtomicUsize, things: &'a [T]) -> Option<(usize, &'a T)> {
    let at = next.fetch_add(1, Ordering::SeqCst);
    things.get(at).map(|thing| (at, thing))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Barrier;

    /// Each waits for the others: were they done one after another, this would never end.
    #[test]
    fn as_many_are_done_at_once_as_may_be_and_the_results_keep_their_order() {
        let barrier = Barrier::new(3);
        let (mut began, mut done) = (0, Vec::new());
        let work = |number: &u32| {
            if *number < 3 {
                barrier.wait();
            }
            number * 10
        };
        let results = side_by_side(&[0, 1, 2, 3, 4], 3, work, &mut |heard| match heard {
            Heard::Began(_) => began += 1,
            Heard::Done(at, result) => done.push((at, *result)),
            Heard::Tick => {}
        });
        assert_eq!(results, [0, 10, 20, 30, 40]);
        assert_eq!(began, 5);
        done.sort_unstable();
        assert_eq!(done, [(0, 0), (1, 10), (2, 20), (3, 30), (4, 40)]);
        assert!(side_by_side(&[0; 0], 3, |number| *number, &mut |_| {}).is_empty());
    }
}
