//! The lease clock: it never jumps, stands still while nobody can renew a lease, and is the same for everybody.

use super::*;

const HOUR_MS: i64 = 3_600_000;
const TEN_YEARS_MS: i64 = 10 * 365 * 24 * HOUR_MS;

/// The ids of what would be taken from its holder at this moment.
fn lapsed(store: &mut TestStore) -> Vec<TaskId> {
    store.read(|tx| tx.lapsed_tasks(tx.now().tick, 99)).unwrap().into_iter().map(|task| task.id).collect()
}

fn claim(store: &mut TestStore, holder: &str, lease_secs: u32) -> Task {
    let task = store.insert(Task { lease_secs, ..a_task("t") });
    store.write(|tx| {
        let mut task = claimed(task, holder, tx.now());
        tx.update_task(&mut task).unwrap();
        task
    })
}

/// A transaction that may write, and finds nothing to do: a claim when nothing is ready.
fn look_in_vain(store: &mut TestStore) -> Tick {
    store.write(|tx| tx.now().tick)
}

every_store! {
    fn a_jump_of_the_wall_clock_moves_no_lease(store) {
        claim(&mut store, "i-bob", 900);
        let before = look_in_vain(&mut store);
        for jump in [HOUR_MS, -HOUR_MS, TEN_YEARS_MS, -2 * TEN_YEARS_MS] {
            store.host.set(|host| host.wall_ms += jump);
            let now = store.now();
            assert_eq!(now.at.millis(), store.host.wall().millis(), "people are shown the wall clock");
            assert_eq!(now.tick, before);
            assert_eq!(lapsed(&mut store), []);
        }
    }

    fn a_lease_is_worth_its_seconds_awake(store) {
        let task = claim(&mut store, "i-bob", 900);
        store.pass_secs(899);
        assert_eq!(lapsed(&mut store), []);
        store.pass_secs(1);
        assert_eq!(lapsed(&mut store), [task.id]);
    }

    /// A transaction that took long would otherwise grant what lapsed in its middle.
    fn time_stands_still_within_a_transaction(store) {
        let host = store.host.clone();
        for mode in [Mode::Read, Mode::Durable, Mode::Relaxed] {
            let tx = store.begin(mode);
            let before = tx.now();
            host.set(|host| (host.wall_ms, host.awake_ms) = (host.wall_ms + 5, host.awake_ms + 5));
            assert_eq!((tx.now().at, tx.now().tick), (before.at, before.tick));
        }
    }

    fn a_lease_that_ended_on_purpose_has_ended_from_the_beginning(store) {
        assert!(look_in_vain(&mut store) > Tick::NEVER);
    }
}

every_shared_store! {
    fn every_process_of_a_machine_reads_the_same_lease_clock(store) {
        claim(&mut store, "i-bob", 900);
        store.pass_secs(100);
        let mut late = store.second();
        assert_eq!(late.now().tick, store.now().tick);
        store.pass_secs(100);
        assert_eq!(look_in_vain(&mut late), look_in_vain(&mut store));
    }

    fn a_reboot_ends_no_lease_early(store) {
        for awake_ms in [1, 60_000, TEN_YEARS_MS] {
            let renewed = store.now().tick;
            let task = claim(&mut store, "i-bob", 900);
            store.pass_secs(100);
            store = store.rebooted(awake_ms);
            assert_eq!(lapsed(&mut store), []);
            assert!(look_in_vain(&mut store) >= renewed, "the lease clock never goes back");
            store.pass_secs(700);
            assert_eq!(lapsed(&mut store), [], "no lease ends while its holder cannot renew it");
            store.write(|tx| {
                let mut task = tx.task(task.id).unwrap().unwrap();
                task.cancel(None, None, tx.now()).unwrap();
                tx.update_task(&mut task).unwrap();
            });
        }
    }

    fn a_reboot_strands_no_lease(store) {
        let task = claim(&mut store, "i-bob", 900);
        store = store.rebooted(7);
        look_in_vain(&mut store);
        store.pass_secs(900);
        assert_eq!(lapsed(&mut store), [task.id]);
    }

    /// After a reboot, one-shot commands look for work and find none, again and again: time must pass all the same.
    fn looking_in_vain_after_a_reboot_lets_time_pass(store) {
        let task = claim(&mut store, "i-bob", 900);
        store = store.rebooted(7);
        for _ in 0..10 {
            look_in_vain(&mut store.second());
            store.pass_secs(100);
        }
        assert_eq!(lapsed(&mut store), [task.id]);
    }

    /// Otherwise whoever was here last would be here longer than its lease is worth.
    fn after_a_reboot_the_clock_goes_on_from_the_last_sign_of_life(store) {
        claim(&mut store, "i-bob", 900);
        let amy = store.register("amy");
        store.pass_secs(500);
        let now = store.now();
        store.write(|tx| tx.renew_presence(&amy.id, now)).unwrap();
        store = store.rebooted(7);
        assert_eq!(look_in_vain(&mut store), now.tick);
    }

    fn many_reboots_in_a_row_wear_no_lease_out(store) {
        claim(&mut store, "i-bob", 900);
        for awake_ms in 1..20 {
            store = store.rebooted(awake_ms);
            look_in_vain(&mut store);
            assert_eq!(lapsed(&mut store), []);
        }
    }

    /// As two containers on one disk might: what one machine calls now, the other does too.
    fn machines_that_count_from_different_beginnings_agree(store) {
        let start = store.now().tick;
        let task = claim(&mut store, "i-bob", 900);
        let elsewhere = Host::manual(2);
        elsewhere.set(|host| (host.boot, host.awake_ms) = ("elsewhere".to_owned(), 5));
        let mut other = store.second_on(&elsewhere);
        let there = look_in_vain(&mut other);
        assert_eq!(there, start, "it goes on from the last renewal");
        for secs in [500, 399] {
            store.pass_secs(secs);
            other.pass_secs(secs);
            assert_eq!((lapsed(&mut store), lapsed(&mut other)), (vec![], vec![]));
        }
        store.pass_secs(1);
        other.pass_secs(1);
        assert_eq!((lapsed(&mut store), lapsed(&mut other)), (vec![task.id], vec![task.id]));
        assert_eq!(store.now().tick, other.now().tick);
    }
}
