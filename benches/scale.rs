//! A store with a million tasks and ten million events, beside one with a thousand tasks.

use crate::Effort;
use crate::backlog::Backlog;
use crate::backlog::load;
use crate::clock::timed;
use crate::samples::Samples;
use crate::starts::time_to_tool;
use crate::table::Row;
use crate::table::Target;
use crate::table::Unit;
use crate::team::Member;
use crate::team::store;
use serde_json::json;
use std::path::Path;

const TASKS: usize = 1_000_000;
const EVENTS: u32 = 10_000_000;
/// One commit; more would only make the log longer.
const EVENTS_AT_ONCE: u32 = 500_000;
const MESSAGES: usize = 50;

/// Everyday calls on both.
struct Everyday {
    backlog: Backlog,
    reader: Member,
    start: Samples,
    claim: Samples,
    list: Samples,
    inbox: Samples,
}

impl Everyday {
    fn on(backlog: Backlog) -> Everyday {
        let state = backlog.ground.state();
        let reader = Member::join(&state, "reader", "general");
        let writer = Member::join(&state, "writer", "general");
        for number in 0..MESSAGES {
            writer.call("send_message", json!({ "to_instance": "@reader", "content": format!("news {number}") }));
        }
        let none = Samples::default;
        Everyday { backlog, reader, start: none(), claim: none(), list: none(), inbox: none() }
    }

    fn round(&mut self) {
        self.start.add(time_to_tool(&self.backlog.ground.state()));
        self.backlog.claim(&mut self.claim);
        for status in ["ready", "waiting", "open"] {
            self.list.add(timed(|| self.reader.call("list_tasks", json!({ "status": status }))).1);
        }
        self.inbox.add(timed(|| self.reader.call("poll_messages", json!({ "all": true }))).1);
    }
}

pub fn million(effort: Effort) -> Vec<Row> {
    if effort != Effort::Full {
        return Vec::new();
    }
    let mut small = Everyday::on(Backlog::of(1_000));
    let large = Backlog::of(TASKS);
    let loaded = load(&large);
    tell_of_the_past(&large.ground.state());
    let mut large = Everyday::on(large);
    for _ in 0..effort.times(50) {
        small.round();
        large.round();
    }
    let row = |what: &str, of: fn(&Everyday) -> &Samples| {
        Row::new(format!("{what} with 1e6 tasks and 1e7 events, p50"), of(&large).p50().millis(), Unit::Millis)
            .beside("with 1e3 tasks", of(&small).p50().millis())
            .target(Target::RatioAtMost(1.3))
    };
    vec![
        loaded,
        row("start of `serve` to the first answer from the store", |everyday| &everyday.start),
        row("claim", |everyday| &everyday.claim),
        row("a page of `list_tasks`", |everyday| &everyday.list),
        row("`poll_messages`", |everyday| &everyday.inbox),
    ]
}

/// Events as ten for each task would have left them.
fn tell_of_the_past(state: &Path) {
    let store = store(state);
    let db = store.connection_for_measuring();
    db.execute_batch("pragma cache_size = -200000").expect("it is only a setting");
    let newest: u32 = db.query_row("select max(seq) from event", [], |row| row.get(0)).expect("there are events");
    let mut insert = db
        .prepare(
            "with recursive number (n) as (select ?1 union all select n + 1 from number where n + 1 < ?2)
             insert into event (at, kind, subject, data)
             select 1800000000000 + n, 'task.progress', printf('task-%010d', n / 10 + 1), '{\"note\":\"on it\"}' from number",
        )
        .expect("the table is as it was");
    for from in (newest..EVENTS).step_by(EVENTS_AT_ONCE as usize) {
        insert.execute((from, EVENTS.min(from + EVENTS_AT_ONCE))).expect("the disk has room");
    }
    drop(insert);
    // As the store does it while it appends.
    db.execute_batch("insert or ignore into event_subject select subject, seq from event order by subject, seq")
        .expect("the disk has room");
    db.query_row("pragma wal_checkpoint(truncate)", [], |_| Ok(())).expect("nobody reads");
}
