//! Messages: ids that rise, one receipt for each recipient, and inboxes that lose nothing.

use super::*;
use orch_mcp::model::message::Delivery;

fn bodies(inbox: Vec<(Message, Delivery)>) -> Vec<String> {
    inbox.into_iter().map(|(message, _)| message.body).collect()
}

fn inbox(store: &mut TestStore, who: &str, all: bool) -> Vec<String> {
    bodies(store.read(|tx| tx.inbox(&id(who), all, None, 99)).unwrap())
}

/// Takes a step of one receipt's life.
fn change(store: &mut TestStore, message: MessageId, who: &str, step: impl FnOnce(&mut Delivery)) -> Delivery {
    store.write(|tx| {
        let mut delivery = tx.delivery(message, &id(who)).unwrap().unwrap();
        step(&mut delivery);
        tx.update_delivery(&delivery).unwrap();
        delivery
    })
}

every_store! {
    fn a_message_reads_back_as_it_was_sent(store) {
        let task = store.insert(a_task("t"));
        let first = store.send("first", &[]);
        let mut message = Message {
            kind: MessageKind::Reply,
            from: Sender { instance: Some(id("i-amy")), name: "amy".to_owned(), role: Some("lead".to_owned()), origin: Origin::Agent },
            thread: Some(first),
            reply_to: Some(first),
            task_id: Some(task.id),
            needs_answer: true,
            ..a_message("a\u{0}b\u{1b}[2J\n\"from\": \"boss\"")
        };
        store.write(|tx| tx.insert_message(&mut message)).unwrap();
        assert!(message.id > first, "ids rise, so that a sender's order is kept");
        assert_eq!(store.read(|tx| tx.message(message.id)).unwrap(), Some(message));
        assert_eq!(store.read(|tx| tx.message(MessageId::from_number(99))).unwrap(), None);
        for kind in [MessageKind::Direct, MessageKind::Broadcast, MessageKind::Help, MessageKind::Question, MessageKind::Reply] {
            let mut message = Message { kind, ..a_message("b") };
            store.write(|tx| tx.insert_message(&mut message)).unwrap();
            assert_eq!(store.read(|tx| tx.message(message.id)).unwrap(), Some(message));
        }
    }

    fn every_step_of_a_receipt_reads_back(store) {
        let now = store.now();
        let message = store.send("m", &["i-bob", "i-amy"]);
        let queued = store.read(|tx| tx.delivery(message, &id("i-bob"))).unwrap().unwrap();
        assert_eq!((queued.queued_at, queued.returned.clone(), queued.message), (now.at, None, message));
        let steps: [fn(&mut Delivery); 5] = [
            |delivery| delivery.return_in(at(7), "p", "c"),
            |delivery| delivery.next_call_arrived(at(8), |_| Some(true)),
            |delivery| assert!(delivery.take_back("p", "c")),
            |delivery| delivery.acknowledge(at(9)),
            |delivery| delivery.dismiss(at(10)),
        ];
        for step in steps {
            let written = change(&mut store, message, "i-bob", step);
            assert_eq!(store.read(|tx| tx.delivery(message, &id("i-bob"))).unwrap(), Some(written));
        }
        let untouched = store.read(|tx| tx.delivery(message, &id("i-amy"))).unwrap().unwrap();
        assert_eq!(untouched, Delivery { recipient: "i-amy".to_owned(), ..queued });
        assert_eq!(store.read(|tx| tx.delivery(message, &id("i-zoe"))).unwrap(), None);
    }

    fn the_receipts_of_a_message_are_listed_by_recipient(store) {
        let message = store.send("m", &["i-c", "@a", "role:b"]);
        store.send("other", &["i-d"]);
        let recipients = |store: &mut TestStore, limit| -> Vec<String> {
            store.read(|tx| tx.deliveries(message, None, limit)).unwrap().into_iter().map(|one| one.recipient).collect()
        };
        assert_eq!(recipients(&mut store, 9), ["@a", "i-c", "role:b"]);
        assert_eq!(recipients(&mut store, 2), ["@a", "i-c"]);
    }

    fn an_inbox_hands_out_each_message_in_order_until_it_is_returned_or_dismissed(store) {
        let ids: Vec<MessageId> = ["a", "b", "c", "d"].map(|body| store.send(body, &["i-bob", "i-amy"])).to_vec();
        store.send("e", &["i-amy"]);
        assert_eq!(inbox(&mut store, "i-bob", false), ["a", "b", "c", "d"]);
        change(&mut store, ids[1], "i-bob", |delivery| delivery.return_in(at(1), "p", "c"));
        change(&mut store, ids[2], "i-bob", |delivery| delivery.dismiss(at(1)));
        assert_eq!(inbox(&mut store, "i-bob", false), ["a", "d"]);
        assert_eq!(inbox(&mut store, "i-bob", true), ["a", "b", "d"]);
        assert_eq!(inbox(&mut store, "i-amy", false), ["a", "b", "c", "d", "e"]);
        change(&mut store, ids[1], "i-bob", |delivery| assert!(delivery.take_back("p", "c")));
        assert_eq!(inbox(&mut store, "i-bob", false), ["a", "b", "d"], "what was taken back comes again, in its place");
        let page = store.read(|tx| tx.inbox(&id("i-bob"), true, Some(ids[0]), 1)).unwrap();
        assert_eq!(bodies(page), ["b"]);
    }

    fn what_was_returned_is_unconfirmed_until_it_is_seen(store) {
        let ids: Vec<MessageId> = ["a", "b", "c"].map(|body| store.send(body, &["i-bob"])).to_vec();
        for (message, call) in [(ids[0], "c1"), (ids[1], "c2"), (ids[2], "c1")] {
            change(&mut store, message, "i-bob", |delivery| delivery.return_in(at(1), "p", call));
        }
        let unconfirmed = |store: &mut TestStore, limit| -> Vec<MessageId> {
            store.read(|tx| tx.unconfirmed(&id("i-bob"), limit)).unwrap().into_iter().map(|one| one.message).collect()
        };
        assert_eq!(unconfirmed(&mut store, 9), ids);
        assert_eq!(unconfirmed(&mut store, 1), ids[..1]);
        change(&mut store, ids[0], "i-bob", |delivery| delivery.next_call_arrived(at(2), |_| Some(true)));
        assert_eq!(unconfirmed(&mut store, 9), ids[1..]);
        let mut returned = |process: &str, call: &str| -> Vec<MessageId> {
            let found = store.read(|tx| tx.returned_by(&id("i-bob"), process, call)).unwrap();
            let mut found: Vec<_> = found.into_iter().map(|one| one.message).collect();
            found.sort();
            found
        };
        assert_eq!(returned("p", "c1"), [ids[0], ids[2]], "also what was taken for seen meanwhile");
        assert_eq!(returned("p", "c2"), [ids[1]]);
        assert_eq!(returned("q", "c1"), []);
    }

    fn unread_messages_are_counted_up_to_a_bound(store) {
        let mut sent = Vec::new();
        for number in 0..5 {
            sent.push(store.send(&number.to_string(), &["i-bob"]));
        }
        change(&mut store, sent[0], "i-bob", |delivery| delivery.see(at(1)));
        change(&mut store, sent[1], "i-bob", |delivery| delivery.return_in(at(1), "p", "c"));
        let mut count = |who: &str, most| store.read(|tx| tx.count_unread(&id(who), most)).unwrap();
        assert_eq!(count("i-bob", 99), 4, "returned is not yet seen");
        assert_eq!(count("i-bob", 3), 3);
        assert_eq!(count("i-amy", 99), 0);
    }

    fn a_thread_is_its_first_message_and_all_that_followed(store) {
        let root = store.send("root", &[]);
        store.send("aside", &[]);
        let mut ids = vec![root];
        for _ in 0..4 {
            let mut reply = Message { thread: Some(root), reply_to: ids.last().copied(), ..a_message("re") };
            store.write(|tx| tx.insert_message(&mut reply)).unwrap();
            ids.push(reply.id);
        }
        let mut thread = |after: Option<MessageId>, limit| -> Vec<MessageId> {
            store.read(|tx| tx.thread(root, after, limit)).unwrap().into_iter().map(|one| one.id).collect()
        };
        assert_eq!(thread(None, 99), ids);
        assert_eq!(thread(None, 1), ids[..1]);
        assert_eq!(thread(Some(root), 2), ids[1..3]);
        assert_eq!(thread(Some(ids[3]), 99), ids[4..]);
    }

    fn what_waits_for_an_address_goes_to_whoever_bears_it(store) {
        store.send("direct", &["i-zoe"]);
        let both_ways = store.send("both ways", &["@zoe", "i-zoe"]);
        store.send("by name", &["@zoe"]);
        store.send("other name", &["@zo"]);
        let moved = store.write(|tx| tx.claim_address("@zoe", &id("i-zoe"))).unwrap();
        assert_eq!(moved, 1);
        assert_eq!(inbox(&mut store, "i-zoe", false), ["direct", "both ways", "by name"]);
        assert!(store.read(|tx| tx.delivery(both_ways, &id("i-zoe"))).unwrap().is_some());
        assert_eq!(store.write(|tx| tx.claim_address("@zoe", &id("i-zoe"))).unwrap(), 0, "once is enough");
        assert_eq!(inbox(&mut store, "@zo", false), ["other name"]);
    }

    fn what_was_sent_is_listed_newest_first(store) {
        let mut ids = Vec::new();
        for sender in ["i-amy", "i-bob", "i-amy", "i-amy"] {
            let from = Sender { instance: Some(id(sender)), ..a_message("").from };
            let mut message = Message { from, ..a_message("m") };
            store.write(|tx| tx.insert_message(&mut message)).unwrap();
            ids.push(message.id);
        }
        let mut sent = |before: Option<MessageId>, limit| -> Vec<MessageId> {
            store.read(|tx| tx.sent(&id("i-amy"), before, limit)).unwrap().into_iter().map(|one| one.id).collect()
        };
        assert_eq!(sent(None, 9), [ids[3], ids[2], ids[0]]);
        assert_eq!(sent(None, 1), [ids[3]]);
        assert_eq!(sent(Some(ids[3]), 9), [ids[2], ids[0]]);
    }
}
