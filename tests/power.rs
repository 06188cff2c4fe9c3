//! The power fails: what was acknowledged is there afterwards, whatever the disk had not written yet.

use crate::support::cutting_vfs::Act;
use crate::support::cutting_vfs::Disk;
use crate::support::cutting_vfs::Left;
use crate::support::cutting_vfs::Record;
use crate::support::dice::Dice;
use crate::support::world::World;
use orch_mcp::host::Host;
use orch_mcp::model::context;
use orch_mcp::model::context::VERSIONS_KEPT;
use orch_mcp::model::id::TaskId;
use orch_mcp::store::EventFilter;
use orch_mcp::store::Mode;
use orch_mcp::store::Options;
use orch_mcp::store::Store;
use orch_mcp::store::place::Place;
use orch_mcp::store::sqlite::SqliteStore;
use serde_json::json;
use std::collections::BTreeMap;
use std::thread;

const SEED: u64 = 20;
const CUTS: usize = 400;
const CUTS_AT_EACH_MOMENT: usize = 4;
/// As many as make the log begin anew a few times, which is where a checkpoint could lose something.
const WRITERS: usize = 3;
const WRITES_EACH: usize = 250;
const PUSHES: usize = 100;
const EVENTS_MAX: u32 = 10_000;

#[test]
fn an_acknowledged_change_survives_a_power_cut() {
    let record = run(Mode::Durable);
    assert!(times_the_log_began_anew(&record) >= 3, "the run is too short to show anything");
    let found = cut(&record, CUTS);
    assert_eq!(found.wrong, Vec::<String>::new());
    assert!(found.acknowledged > 0);
    assert_eq!(found.lost, Vec::<String>::new());
}

/// The test above can fail: what is not synced before it is acknowledged is lost, though the store stays whole.
#[test]
fn the_test_of_power_cuts_notices_a_missing_sync() {
    let record = run(Mode::Relaxed);
    let found = cut(&record, CUTS / 3);
    assert_eq!(found.wrong, Vec::<String>::new(), "a change that need not be durable is lost whole or not at all");
    assert!(found.lost.len() > CUTS / 10, "only {} losses in {} cuts", found.lost.len(), CUTS / 3);
}

#[test]
fn a_power_cut_while_a_store_is_made_leaves_what_can_be_made_again() {
    let disk = Disk::recording();
    let world = disk.world();
    drop(open(&world));
    let record = disk.record();
    let moments: Vec<usize> = (0..=record.acts().len()).flat_map(|moment| [moment; CUTS_AT_EACH_MOMENT]).collect();
    // A disk that syncs nothing, as making so many stores anew takes long on a real one.
    let afterwards = Disk::new().world();
    let mut found = Found::default();
    for left in record.cuts(&moments, &mut Dice::new(SEED)) {
        look(&left, &afterwards.options, &mut found);
    }
    assert_eq!(found.wrong, Vec::<String>::new());
}

/// Several processes' worth of writers, and what happened on their disk.
fn run(mode: Mode) -> Record {
    let disk = Disk::recording();
    let world = disk.world();
    drop(open(&world));
    disk.acknowledge("made");
    thread::scope(|scope| {
        for writer in 0..WRITERS {
            let world = &world;
            scope.spawn(move || {
                let mut store = open(world);
                for number in 1..=WRITES_EACH {
                    write(&mut store, mode, writer, number);
                    disk.acknowledge(format!("key {writer} {number}"));
                }
            });
        }
        if mode == Mode::Durable {
            scope.spawn(|| {
                let process = world.process("pusher");
                for _ in 0..PUSHES {
                    let pushed = process.ok("push_task", json!({ "title": "a task", "description": "d".repeat(500) }));
                    disk.acknowledge(format!("task {}", pushed["task"]["id"].as_str().unwrap()));
                }
            });
        }
    });
    disk.record()
}

fn open(world: &World) -> SqliteStore {
    SqliteStore::open(&world.place(), world.host.clone(), &world.options).unwrap()
}

/// The next version of this writer's key, with its event.
fn write(store: &mut SqliteStore, mode: Mode, writer: usize, number: usize) {
    let mut tx = store.begin(mode).unwrap();
    let key = format!("writer/{writer}");
    let current = tx.context(&key).unwrap();
    let value = Some(json!({ "number": number, "padding": "p".repeat(2000) }));
    let (entry, event) = context::write(current.as_ref(), &key, value, None, None, tx.now().at).unwrap();
    tx.put_context(&entry, VERSIONS_KEPT).unwrap();
    tx.append_event(event).unwrap();
    tx.commit().unwrap();
}

/// A log begins anew where its header is written again.
fn times_the_log_began_anew(record: &Record) -> usize {
    let headers =
        record.acts().iter().filter(|act| matches!(act, Act::Wrote { at: 0, bytes, .. } if bytes.len() == 32));
    headers.count().saturating_sub(1)
}

#[derive(Default)]
struct Found {
    acknowledged: usize,
    /// Acknowledged, and not there after a cut.
    lost: Vec<String>,
    /// Worse: a store that cannot be used, or that holds what never was.
    wrong: Vec<String>,
}

fn cut(record: &Record, cuts: usize) -> Found {
    let mut dice = Dice::new(SEED);
    let acts = record.acts();
    let after_acknowledgements: Vec<usize> =
        (1..=acts.len()).filter(|moment| matches!(acts[moment - 1], Act::Acknowledged(_))).collect();
    // Half of the cuts come just after something was acknowledged, when it is easiest to lose.
    let mut moments: Vec<usize> = (0..cuts)
        .map(|number| match number % 2 {
            0 => *dice.pick(&after_acknowledgements),
            _ => dice.below(acts.len() + 1),
        })
        .collect();
    moments.sort();
    let mut found = Found::default();
    for left in record.cuts(&moments, &mut dice) {
        found.acknowledged += left.acknowledged.len();
        look(&left, &Options::default(), &mut found);
    }
    found
}

/// Open what a cut left, and look for what should be there.
fn look(left: &Left, options: &Options, found: &mut Found) {
    let dir = tempfile::tempdir().unwrap();
    left.put_into(dir.path());
    let mut store = match SqliteStore::open(&Place::at(dir.path()), Host::System, options) {
        Ok(store) => store,
        Err(error) => return found.wrong.push(format!("after {}: {error:?}", left.moment)),
    };
    let verdict: String =
        store.connection_for_measuring().query_row("pragma integrity_check", [], |row| row.get(0)).unwrap();
    if verdict != "ok" {
        return found.wrong.push(format!("after {}: {verdict}", left.moment));
    }
    let mut tx = store.begin(Mode::Read).unwrap();
    let events = tx.events(&EventFilter::default(), EVENTS_MAX).unwrap();
    if events.iter().enumerate().any(|(index, event)| event.seq != index as u64 + 1) {
        found.wrong.push(format!("after {}: the events have a gap", left.moment));
    }
    let mut newest = BTreeMap::new();
    for what in &left.acknowledged {
        match what.split(' ').collect::<Vec<_>>()[..] {
            ["key", writer, number] => drop(newest.insert(format!("writer/{writer}"), number.parse::<u64>().unwrap())),
            ["task", id] => {
                let id: TaskId = id.parse().unwrap();
                if tx.task(id).unwrap().is_none() {
                    found.lost.push(format!("after {}: {what}", left.moment));
                }
            }
            _ => {}
        }
    }
    for (key, acknowledged) in newest {
        let entry = tx.context(&key).unwrap();
        let there = entry.as_ref().map_or(0, |entry| entry.version);
        if there < acknowledged {
            found.lost.push(format!("after {}: {key} at {acknowledged}, found {there}", left.moment));
        }
        let number =
            entry.and_then(|entry| entry.value).map_or(0, |value| value["number"].as_u64().unwrap_or_default());
        // One more may have been under way.
        if there > acknowledged + 1 || number != there {
            found.wrong.push(format!("after {}: {key} at {acknowledged}, found {there} with {number}", left.moment));
        }
    }
}
