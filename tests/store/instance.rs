//! Instances: read back whole, unique by id and name, changed only by who saw the last change.

use super::*;
use orch_mcp::store::InstanceFilter;
use serde_json::json;

fn names(tx: &mut dyn Tx, filter: &InstanceFilter, limit: u32) -> Vec<String> {
    tx.list_instances(filter, limit).unwrap().into_iter().map(|one| one.name).collect()
}

every_store! {
    fn an_instance_reads_back_as_it_was_written(store) {
        let mut bob = an_instance("bob", store.now());
        bob.work_dir = Some("/w/ü".to_owned());
        bob.metadata = json!({ "model": "x", "n": [1, null] }).as_object().cloned();
        bob.current_task = Some("task-1\n\u{1b}[2J".to_owned());
        bob.session = Some("s1".to_owned());
        bob.incarnation = 7;
        store.write(|tx| tx.insert_instance(&mut bob)).unwrap();
        assert_eq!(bob.version, 1);
        store.read(|tx| {
            assert_eq!(tx.instance(&bob.id).unwrap().as_ref(), Some(&bob));
            assert_eq!(tx.instance_by_name("bob").unwrap().as_ref(), Some(&bob));
            assert_eq!(tx.instance_by_session("s1").unwrap().as_ref(), Some(&bob));
            assert_eq!(tx.instance(&id("bob")).unwrap(), None, "a name is not an id");
            assert_eq!(tx.instance_by_name("i-bob").unwrap(), None);
        });
    }

    fn an_update_reads_back_and_steps_the_version(store) {
        let mut bob = store.register("bob");
        bob.name = "robert".to_owned();
        bob.role = "builder".to_owned();
        bob.session = Some("s2".to_owned());
        bob.lease_until = tick(0);
        bob.incarnation = 2;
        store.write(|tx| tx.update_instance(&mut bob)).unwrap();
        assert_eq!(bob.version, 2);
        assert_eq!(store.read(|tx| tx.instance(&bob.id)).unwrap(), Some(bob));
        assert_eq!(store.read(|tx| tx.instance_by_name("bob")).unwrap(), None);
    }

    fn an_id_and_a_name_have_one_bearer(store) {
        store.register("bob");
        let (mut same_id, mut same_name) = (an_instance("bob", store.now()), an_instance("bob", store.now()));
        same_id.name = "other".to_owned();
        same_name.id = id("i-other");
        for taken in [&mut same_id, &mut same_name] {
            conflicts(store.try_out(|tx| tx.insert_instance(taken)));
        }
        let mut amy = store.register("amy");
        amy.name = "bob".to_owned();
        conflicts(store.try_out(|tx| tx.update_instance(&mut amy)));
        assert_eq!(store.read(|tx| tx.count_instances(&InstanceFilter::default())).unwrap(), 2);
    }

    fn a_stale_update_conflicts(store) {
        let mut mine = store.register("bob");
        let mut theirs = mine.clone();
        store.write(|tx| tx.update_instance(&mut theirs)).unwrap();
        mine.role = "builder".to_owned();
        conflicts(store.try_out(|tx| tx.update_instance(&mut mine)));
        let mut nobody = an_instance("nobody", store.now());
        conflicts(store.try_out(|tx| tx.update_instance(&mut nobody)));
        assert_eq!(store.read(|tx| tx.instance(&theirs.id)).unwrap(), Some(theirs));
    }

    fn a_session_speaks_as_the_instance_it_registered_last(store) {
        let mut bob = an_instance("bob", store.now());
        let mut amy = an_instance("amy", store.now());
        bob.session = Some("s1".to_owned());
        amy.session = Some("s1".to_owned());
        store.write(|tx| tx.insert_instance(&mut bob)).unwrap();
        store.write(|tx| tx.insert_instance(&mut amy)).unwrap();
        assert_eq!(store.read(|tx| tx.instance_by_session("s1")).unwrap(), Some(amy));
        let mut bob = store.read(|tx| tx.instance(&bob.id)).unwrap().unwrap();
        assert_eq!(bob.session, None);
        bob.session = Some("s1".to_owned());
        store.write(|tx| tx.update_instance(&mut bob)).unwrap();
        assert_eq!(store.read(|tx| tx.instance_by_session("s1")).unwrap(), Some(bob));
    }

    /// Otherwise a heartbeat would make every other change of the instance fail.
    fn presence_is_renewed_without_a_conflict(store) {
        let mut bob = store.register("bob");
        store.pass_secs(100);
        let now = store.now();
        store.write(|tx| tx.renew_presence(&bob.id, now)).unwrap();
        let renewed = store.read(|tx| tx.instance(&bob.id)).unwrap().unwrap();
        assert_eq!((renewed.seen_at, renewed.renewed, renewed.version), (now.at, now.tick, bob.version));
        assert_eq!(renewed.lease_until, now.tick.plus_secs(PRESENCE_SECS));
        assert_eq!(renewed.renew_at, now.tick.plus_secs(PRESENCE_SECS / 4));
        store.write(|tx| tx.update_instance(&mut bob)).unwrap();
    }

    /// A little further, so that a worker that claims one task after the other need not write its presence each time.
    fn presence_reaches_beyond_the_longest_claim_and_is_renewed_for_the_shortest(store) {
        let bob = store.register("bob");
        let now = store.now();
        for lease_secs in [PRESENCE_SECS / 2, PRESENCE_SECS * 5, PRESENCE_SECS * 2] {
            let task = store.insert(Task { lease_secs, ..a_task("t") });
            store.write(|tx| tx.update_task(&mut claimed(task, "i-bob", now))).unwrap();
        }
        store.write(|tx| tx.renew_presence(&bob.id, now)).unwrap();
        let bob = store.read(|tx| tx.instance(&bob.id)).unwrap().unwrap();
        assert_eq!(bob.lease_until.since(now.tick.plus_secs(PRESENCE_SECS * 5)), i64::from(PRESENCE_SECS) * 5 * 60);
        assert_eq!(bob.renew_at.since(now.tick), i64::from(PRESENCE_SECS) / 2 * 250);
    }

    fn instances_are_listed_by_name_role_and_presence_page_by_page(store) {
        let now = store.now();
        for (name, role, until) in [("dan", "builder", 9), ("amy", "Builder", 1), ("bob", "tester", 9), ("cid", "builder", 2)] {
            let owner = (name == "bob").then(|| "ci".to_owned());
            let mut one = Instance { role: role.to_owned(), lease_until: tick(until), owner, ..an_instance(name, now) };
            store.write(|tx| tx.insert_instance(&mut one)).unwrap();
        }
        let role = Some("BUILDER".to_owned());
        for (filter, expected) in [
            (InstanceFilter::default(), &["amy", "bob", "cid", "dan"][..]),
            (InstanceFilter { role: role.clone(), ..Default::default() }, &["amy", "cid", "dan"]),
            (InstanceFilter { online_at: Some(tick(1)), ..Default::default() }, &["bob", "cid", "dan"]),
            (InstanceFilter { role: role.clone(), online_at: Some(tick(2)), ..Default::default() }, &["dan"]),
            (
                InstanceFilter {
                    role,
                    online_at: Some(tick(1)),
                    after: Some("cid".to_owned()),
                    ..Default::default()
                },
                &["dan"],
            ),
            (InstanceFilter { owner: Some("ci".to_owned()), ..Default::default() }, &["bob"]),
            (InstanceFilter { online_at: Some(tick(9)), ..Default::default() }, &[]),
        ] {
            assert_eq!(store.read(|tx| names(tx, &filter, 10)), expected, "{filter:?}");
            assert_eq!(store.read(|tx| tx.count_instances(&filter)).unwrap(), expected.len() as u64, "{filter:?}");
            let mut paged = Vec::new();
            let mut page = filter.clone();
            while let Some(name) = store.read(|tx| names(tx, &page, 1)).pop() {
                page.after = Some(name.clone());
                paged.push(name);
            }
            assert_eq!(paged, expected, "{filter:?}");
        }
    }
}
