//! Many processes want to write at once: whoever has the turn carries out what the others have pinned up, all in one
//! transaction with one sync, and each gets its own answer.
//!
//! What belongs together stays together: a call whose fate nobody tells is looked for in the store by its mark, under the
//! write lock, and is carried out only if it was not.

use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::host::Deadline;
use crate::ops::act::Act;
use crate::ops::act::Done;
use crate::ops::errand;
use crate::ops::errand::Errand;
use crate::store::Mode;
use crate::store::Store;
use crate::store::Tx;
use crate::store::board::Board;
use crate::store::board::Pinned;
use crate::store::board::Progress;
use crate::store::board::Taken;
use std::panic;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

/// Whoever was called to the turn may have stopped or died before it came: then others come by themselves.
const COMES_UNCALLED_AFTER: Duration = Duration::from_millis(10);
/// Whoever took a note may have stopped or died.
const LOOKS_AFTER: Duration = Duration::from_millis(50);
/// Then the ordinary queue decides, which passes a process by that does not move.
const PATIENCE: Duration = Duration::from_secs(1);

pub fn carry_out(store: &mut dyn Store, act: &Act) -> Result<Done> {
    let Some(board) = store.board() else { return alone(store, act) };
    let led = match store.begin_at_once(act.mode())? {
        Some(tx) => Some(lead(tx, &board, act)?),
        None => None,
    };
    if let Some(led) = led {
        return or_alone(led, store, act);
    }
    let mark = store.host().random();
    match board.pin_up(&errand::words(act), mark) {
        Some(note) => await_turn(store, &board, &note, act),
        None => queue(store, &board, act),
    }
}

fn alone(store: &mut dyn Store, act: &Act) -> Result<Done> {
    let mut tx = store.begin(act.mode())?;
    let done = act.perform(&mut *tx)?;
    tx.commit()?;
    Ok(done)
}

/// Several calls of this process, in one transaction.
pub fn carry_out_all(store: &mut dyn Store, acts: &[Act]) -> Vec<Result<Done>> {
    if let [act] = acts {
        return vec![unpanicked(|| carry_out(store, act))];
    }
    match together(store, acts) {
        Ok(done) => done,
        Err(error) => {
            tracing::warn!("calls could not be carried out together: {error}");
            acts.iter().map(|act| unpanicked(|| carry_out(store, act))).collect()
        }
    }
}

/// What a panic left half done is inside a transaction that was dropped, and so never happened.
fn unpanicked(work: impl FnOnce() -> Result<Done>) -> Result<Done> {
    panic::catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(Error::internal("a call panicked")))
}

/// An error is one of the whole transaction: nothing was done.
fn together(store: &mut dyn Store, acts: &[Act]) -> Result<Vec<Result<Done>>> {
    let board = store.board();
    let mut tx = store.begin(Mode::Relaxed)?;
    let mut all = Vec::new();
    for act in acts {
        tx.begin_part()?;
        let done = attempt(&mut *tx, act)?;
        tx.end_part(done.is_ok())?;
        if done.is_ok() {
            tx.promise(act.mode());
        }
        all.push(done);
    }
    let served = match &board {
        Some(board) => serve_all(&mut *tx, board)?,
        None => Vec::new(),
    };
    tx.commit()?;
    served.into_iter().for_each(Taken::done);
    Ok(all)
}

/// A refusal is an answer. A defect that it brings to light spoils the transaction, but is told to nobody else: each
/// does its own again.
fn attempt(tx: &mut dyn Tx, act: &Act) -> Result<Result<Done>> {
    let done = panic::catch_unwind(AssertUnwindSafe(|| act.perform(tx)))
        .map_err(|_| Error::new(Kind::Internal, "one of several calls panicked"))?;
    match done {
        Err(error) if !error.kind.is_refusal() => Err(error),
        done => Ok(done),
    }
}

/// What came of a transaction that did more than our own act.
enum Led {
    Done(Done),
    /// It failed for a reason of the others, and nothing was done.
    Spoiled,
}

fn or_alone(led: Led, store: &mut dyn Store, act: &Act) -> Result<Done> {
    match led {
        Led::Done(done) => Ok(done),
        Led::Spoiled => alone(store, act),
    }
}

fn queue(store: &mut dyn Store, board: &Board, act: &Act) -> Result<Done> {
    let led = lead(store.begin(act.mode())?, board, act)?;
    or_alone(led, store, act)
}

/// Until somebody has carried it out, or the turn is ours.
fn await_turn(store: &mut dyn Store, board: &Board, note: &Pinned, act: &Act) -> Result<Done> {
    let patience = Deadline::after(PATIENCE);
    loop {
        match note.progress() {
            Progress::Waiting => {
                note.listen();
                if let Some(led) = try_to_lead(store, board, note, act)? {
                    return or_alone(led, store, act);
                }
                if patience.passed() && note.withdraw() {
                    return queue(store, board, act);
                }
                note.sleep(COMES_UNCALLED_AFTER);
            }
            Progress::Taken if patience.passed() || !note.is_attended() => return settle(store, board, note, act),
            Progress::Taken => note.sleep(LOOKS_AFTER),
            Progress::Done => return errand::read_answer(&note.answer(), act.request),
            Progress::LetGo => return settle(store, board, note, act),
        }
    }
}

/// `None` where the turn is somebody else's still, or the note.
fn try_to_lead(store: &mut dyn Store, board: &Board, note: &Pinned, act: &Act) -> Result<Option<Led>> {
    match store.begin_at_once(act.mode()) {
        Ok(None) => Ok(None),
        // An error matters to whoever took the note then.
        _ if !note.withdraw() => Ok(None),
        Ok(Some(tx)) => lead(tx, board, act).map(Some),
        Err(error) => Err(error),
    }
}

/// Nobody tells what came of it. Once the write lock is ours, nothing more can.
fn settle(store: &mut dyn Store, board: &Board, note: &Pinned, act: &Act) -> Result<Done> {
    let mut tx = match store.begin(act.mode()) {
        Ok(tx) => tx,
        // Whoever took it will find it given up, and leave it.
        Err(error) if note.give_up() => return Err(error),
        Err(_) if note.progress() == Progress::Done => return errand::read_answer(&note.answer(), act.request),
        Err(error) => return Err(unknown(error)),
    };
    if tx.has_mark(note.mark()).map_err(unknown)? {
        tx.commit().map_err(unknown)?;
        return errand::read_answer(&note.answer(), act.request);
    }
    let led = lead(tx, board, act)?;
    or_alone(led, store, act)
}

fn unknown(error: Error) -> Error {
    Error::new(error.kind, format!("{error}; whether this call took effect is not known"))
        .hint("look before you repeat it, or give calls an idempotency key, with which to repeat one is safe")
}

/// Our own act, and all that wait.
fn lead(mut tx: Box<dyn Tx + '_>, board: &Board, act: &Act) -> Result<Led> {
    let done = act.perform(&mut *tx)?;
    let served = match serve_all(&mut *tx, board) {
        Ok(served) => served,
        Err(error) => {
            tracing::warn!("calls of others could not be carried out: {error}");
            return Ok(Led::Spoiled);
        }
    };
    tx.commit()?;
    served.into_iter().for_each(Taken::done);
    Ok(Led::Done(done))
}

/// Carries out what waits now, right before the commit. Not also what comes meanwhile: whoever does that is at work on the
/// next transaction while this one is on its way to the disk. After an error the transaction is good for nothing.
pub fn serve_all<'a>(tx: &mut dyn Tx, board: &'a Board) -> Result<Vec<Taken<'a>>> {
    let mut served = Vec::new();
    for note in board.take_all() {
        if serve(tx, &note)? {
            served.push(note);
        }
    }
    if !served.is_empty() {
        let marks: Vec<_> = served.iter().map(Taken::mark).collect();
        tx.keep_marks(&marks)?;
        if !served.iter().all(Taken::seal) {
            return Err(Error::new(Kind::Conflict, "one who waited did so no longer"));
        }
    }
    Ok(served)
}

/// Says whether it was carried out, refusals included. An error is one of the whole transaction.
fn serve(tx: &mut dyn Tx, note: &Taken) -> Result<bool> {
    let host = tx.host().clone();
    let Ok(errand) = Errand::read(&note.text(), &host) else { return Ok(false) };
    let act = errand.act();
    tx.begin_part()?;
    let done = attempt(tx, &act)?;
    let keep = done.is_ok();
    let text = errand::answer(done);
    let answered = text.is_some_and(|text| note.answer(&text));
    tx.end_part(keep && answered)?;
    if keep && answered {
        tx.promise(act.mode());
    }
    Ok(answered)
}
