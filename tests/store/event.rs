//! Events: numbers without a gap, and a bounded past.

use super::*;
use orch_mcp::model::event::Event;
use orch_mcp::model::event::NewEvent;
use orch_mcp::store::EventFilter;

fn append(store: &mut TestStore, kind: &'static str, subject: &str) -> u64 {
    store.write(|tx| tx.append_event(NewEvent::new(kind, subject, None))).unwrap()
}

fn flood(store: &mut TestStore, count: u32) {
    store.write(|tx| {
        for _ in 0..count {
            tx.append_event(NewEvent::new("a.b", "s", None)).unwrap();
        }
    });
}

fn numbers(events: Vec<Event>) -> Vec<u64> {
    events.into_iter().map(|event| event.seq).collect()
}

every_store! {
    fn an_event_reads_back_with_the_time_of_its_transaction(store) {
        assert_eq!(store.read(|tx| tx.event_bounds()).unwrap(), (0, 0));
        let now = store.now();
        let event = NewEvent::new("task.pushed", "task-1", Some(&id("i-amy"))).with("title", "t\u{0}").with("n", 7);
        let seq = store.write(|tx| tx.append_event(event.clone())).unwrap();
        let expected = Event { seq, at: now.at, kind: event.kind.to_owned(), subject: event.subject, actor: event.actor, data: event.data };
        assert_eq!(store.read(|tx| tx.events(&EventFilter::default(), 9)).unwrap(), [expected]);
    }

    fn numbers_rise_by_one_also_past_what_was_dropped(store) {
        let first = append(&mut store, "a.b", "s");
        store.try_out(|tx| tx.append_event(NewEvent::new("a.b", "s", None))).unwrap();
        assert_eq!(append(&mut store, "a.b", "s"), first + 1, "a hole would look like an event that a watcher missed");
        assert_eq!(store.read(|tx| tx.event_bounds()).unwrap(), (first, first + 1));
    }

    fn events_are_found_by_cursor_kind_and_subject(store) {
        for (kind, subject) in [("task.pushed", "t1"), ("task.claimed", "t1"), ("taskforce.met", "t2"), ("message.sent", "t1")] {
            append(&mut store, kind, subject);
        }
        let text = |text: &str| Some(text.to_owned());
        for (after, kind, subject, expected) in [
            (0, None, None, &[1, 2, 3, 4][..]),
            (2, None, None, &[3, 4]),
            (0, text("task."), None, &[1, 2]),
            (0, text("task"), None, &[1, 2, 3]),
            (0, text("%"), None, &[]),
            (1, text("task."), text("t1"), &[2]),
            (0, None, text("t1"), &[1, 2, 4]),
            (0, None, text("t"), &[]),
        ] {
            let filter = EventFilter { after, kind, subject, newest_first: false };
            assert_eq!(numbers(store.read(|tx| tx.events(&filter, 99)).unwrap()), expected, "{filter:?}");
            let first = store.read(|tx| tx.events(&filter, 1)).unwrap();
            assert_eq!(numbers(first), expected[..expected.len().min(1)], "{filter:?}");
        }
    }

    /// However many came before, of which some may be indexed by their subject and some not yet.
    fn every_event_of_a_subject_is_found_once_and_in_order(store) {
        let mut of_odd = Vec::new();
        for number in 1..200u64 {
            let subject = if number % 3 == 1 { "odd" } else { "even" };
            store.try_out(|tx| tx.append_event(NewEvent::new("a.b", "odd", None))).unwrap();
            let seq = append(&mut store, "a.b", subject);
            if subject == "odd" {
                of_odd.push(seq);
            }
            for after in [0, seq - 1, seq, 63, 64, 65] {
                for limit in [1, 3, 999] {
                    let filter = EventFilter { after, subject: Some("odd".to_owned()), ..EventFilter::default() };
                    let mut expected: Vec<u64> = of_odd.iter().copied().filter(|seq| *seq > after).collect();
                    let oldest = numbers(store.read(|tx| tx.events(&filter, limit)).unwrap());
                    assert_eq!(oldest, expected[..expected.len().min(limit as usize)], "{number} {filter:?} {limit}");
                    expected.reverse();
                    let filter = EventFilter { newest_first: true, ..filter };
                    let newest = numbers(store.read(|tx| tx.events(&filter, limit)).unwrap());
                    assert_eq!(newest, expected[..expected.len().min(limit as usize)], "{number} {filter:?} {limit}");
                }
            }
        }
    }
}

every_shared_store! {
    fn old_events_are_pruned_at_the_bound_and_the_rest_has_no_gap(store) {
        const KEPT: u64 = 100;
        /// How far a store may run over its bound before it prunes.
        const SLACK: u64 = 128;
        let host = store.host.clone();
        store = store.second_with(&host, &Options { events_max: KEPT, ..Options::default() });
        for batch in 0..30 {
            flood(&mut store, 37);
            let (oldest, newest) = store.read(|tx| tx.event_bounds()).unwrap();
            assert_eq!(newest, (batch + 1) * 37);
            let all = numbers(store.read(|tx| tx.events(&EventFilter::default(), 10_000)).unwrap());
            assert_eq!(all, (oldest..=newest).collect::<Vec<_>>());
            assert!(all.len() as u64 >= KEPT.min(newest), "what is within the bound is kept");
            assert!(all.len() as u64 <= KEPT + SLACK, "{} events are kept", all.len());
        }
    }

    /// The bound was lowered: what is too much goes in small steps, so that no single change pays for all of it.
    fn a_lower_bound_is_reached_little_by_little(store) {
        for _ in 0..20 {
            flood(&mut store, 100);
        }
        let host = store.host.clone();
        store = store.second_with(&host, &Options { events_max: 50, ..Options::default() });
        let mut kept = 2_000;
        for _ in 0..20 {
            flood(&mut store, 100);
            let (oldest, newest) = store.read(|tx| tx.event_bounds()).unwrap();
            let now_kept = newest - oldest + 1;
            assert!(kept < now_kept + 400, "from {kept} to {now_kept} at once");
            kept = now_kept;
        }
        assert!(kept < 200, "{kept} are kept");
    }
}
