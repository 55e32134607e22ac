//! Single promises of the store in files, each told as a story.

use cognate_model::{MessageStore, NewMessage, StoreError, Timestamp};
use cognate_subject::Filter;

use super::faults::{damaged, open};
use crate::FileStore;
use crate::disk::Disk;
use crate::disk::sim::SimDisk;

#[test]
fn erased_bytes_are_not_on_the_disk_any_more() {
    let disk = SimDisk::new(3);
    let (mut store, _) = open(&disk);
    let append = |store: &mut FileStore<SimDisk>, payload: &[u8]| {
        let message = NewMessage {
            timestamp: Timestamp(5),
            subject: b"secrets",
            headers: b"",
            payload,
            deadline: None,
            has_id: false,
        };
        store.append(&message).expect("there is space")
    };
    let kept = append(&mut store, b"this may be read by anyone");
    let erased = append(&mut store, b"this may be read by nobody");
    store.sync().expect("the disk is well");
    store.remove(erased, true).expect("there is space");
    for _ in 0..4 {
        store.sync().expect("the disk is well");
        store.settle().expect("the disk is well");
        store.maintain(0).expect("the disk is well");
    }
    store.sync().expect("the disk is well");
    let disk = disk.power_loss(0);
    let holds = |what: &[u8]| {
        let names = disk.list().expect("the disk is well");
        let bytes = names.iter().filter_map(|name| disk.bytes(name));
        let found: Vec<_> = bytes
            .filter(|b| b.windows(what.len()).any(|w| w == what))
            .collect();
        !found.is_empty()
    };
    assert!(holds(b"read by anyone") && !holds(b"read by nobody"));
    let (mut store, report) = open(&disk);
    assert_eq!((report.holes, store.damaged().len()), (0, 0));
    assert!(store.load(kept).expect("the disk is well").is_some());
    assert!(store.load(erased).expect("the disk is well").is_none());
}

/// A bucket's key with two values, of which the newer is harmed: it must not be the older one again.
fn check_newest_harmed(harm: impl Fn(&SimDisk), closed: bool, what: &str) {
    let disk = SimDisk::new(1);
    let (mut store, _) = open(&disk);
    for payload in [&b"the older value"[..], b"the newer value"] {
        let message = NewMessage {
            timestamp: Timestamp(1),
            subject: b"$KV.b.k",
            headers: b"",
            payload,
            deadline: None,
            has_id: false,
        };
        store.append(&message).expect("there is space");
    }
    if closed {
        store.close().expect("the disk is well");
    } else {
        store.sync().expect("the disk is well");
    }
    let disk = disk.kill();
    harm(&disk);
    let (mut store, _) = open(&disk);
    let state = store.subject(b"$KV.b.k").expect("it is known");
    assert_eq!((state.last, state.messages), (2, 2), "{what}");
    assert!(
        matches!(store.load(2), Err(StoreError::Damaged(_))),
        "{what}"
    );
    assert!(damaged(&store, 2), "{what}");
    let mut cursor = store.cursor(&[]);
    let after = store.next(&mut cursor, 2).expect("the disk is well");
    assert_eq!(after, None, "{what}: a walk passes over it");
}

#[test]
fn an_overwritten_value_does_not_come_back_when_the_newer_one_is_damaged() {
    let log = "0000000000000001.0.log";
    let flip = |disk: &SimDisk| {
        disk.change(log, |bytes| {
            let found = bytes.windows(9).position(|window| window == b"the newer");
            bytes[found.expect("it was written")] ^= 1;
        });
    };
    check_newest_harmed(flip, true, "a bit, closed");
    check_newest_harmed(flip, false, "a bit, killed");
    check_newest_harmed(|disk| disk.delete(log), true, "the segment gone, closed");
    let zero = |disk: &SimDisk| disk.change(log, |bytes| bytes.fill(0));
    check_newest_harmed(zero, true, "all zeros, closed");
}

/// Appends to a subject, and removes what it had before if that is to go.
fn put(store: &mut FileStore<SimDisk>, subject: &[u8], payload: &[u8], replaces: Option<u64>) {
    let message = NewMessage {
        timestamp: Timestamp(9),
        subject,
        headers: b"",
        payload,
        deadline: None,
        has_id: false,
    };
    store.append(&message).expect("there is space");
    if let Some(before) = replaces {
        store.remove(before, false).expect("there is space");
    }
    store.sync().expect("the disk is well");
}

const LOG: &str = "0000000000000001.0.log";

/// Nobody had asked for them yet, and so they counted.
#[test]
fn what_a_full_file_lost_at_its_end_is_known_at_the_next_start() {
    for (closed, left) in [(false, 40_000), (true, 40_000), (false, 0), (true, 128)] {
        let disk = SimDisk::new(1);
        let (mut store, _) = open(&disk);
        for _ in 0..40 {
            put(&mut store, b"k", &[b'x'; 4_000], None);
        }
        if closed {
            store.close().expect("the disk is well");
        }
        drop(store);
        let disk = disk.kill();
        disk.change(LOG, |bytes| bytes.truncate(left));
        let what = format!("closed {closed}, {left} bytes left");
        let (mut store, report) = open(&disk);
        let lost = store.damaged().to_vec();
        assert_eq!((report.holes, lost.len()), (1, 1), "{what}");
        let (first, last) = (lost[0].first, lost[0].last);
        assert_eq!(store.state().messages, first - 1 + 40 - last, "{what}");
        for sequence in 1..=40 {
            let is_lost = (first..=last).contains(&sequence);
            assert_eq!(store.load(sequence).is_err(), is_lost, "{what}: {sequence}");
        }
        assert_eq!(store.take_found_damage(), [], "{what}: all was known");
        drop(store);
        let (store, _) = open(&disk.kill());
        assert_eq!(store.damaged(), lost, "{what}, again");
    }
}

/// The removal stood behind the place where the log was cut off, and so did the newer value: the
/// older one came back as if nothing had happened.
#[test]
fn what_was_replaced_stays_away_when_the_end_of_the_log_is_cut_off() {
    for removed in [false, true] {
        let disk = SimDisk::new(1);
        let (mut store, _) = open(&disk);
        put(&mut store, b"k", b"the older value", None);
        let kept = disk.bytes(LOG).expect("it is there");
        let kept = kept.iter().rposition(|byte| *byte != 0).unwrap_or(0) + 1;
        put(&mut store, b"k", b"the newer value", removed.then_some(1));
        drop(store);
        let disk = disk.kill();
        disk.change(LOG, |bytes| bytes.truncate(kept.next_multiple_of(8)));
        let (mut store, _) = open(&disk);
        let state = store.subject(b"k").expect("it is known");
        assert_eq!(state.last, 2, "removed {removed}");
        assert!(damaged(&store, 2), "removed {removed}");
        let first = store.load(1).expect("it is well");
        assert_eq!(first.is_none(), removed);
        assert_eq!(store.state().messages, u64::from(!removed));
        // Once more, with something stored behind it.
        put(&mut store, b"other", b"", None);
        assert!(store.state().last > 2);
        drop(store);
        let (mut store, _) = open(&disk);
        assert_eq!(store.subject(b"k").map(|state| state.last), Some(2));
        assert!(damaged(&store, 2), "removed {removed}, again");
    }
}

/// The process was killed in the middle of a write: what it was to hold was told to nobody, so it is
/// neither damage nor a reason to skip sequences.
#[test]
fn a_write_cut_short_by_a_kill_is_as_if_it_had_not_begun() {
    let fill = |store: &mut FileStore<SimDisk>, numbers: std::ops::Range<u8>| {
        for n in numbers {
            let message = NewMessage {
                timestamp: Timestamp(i64::from(n)),
                subject: b"s",
                headers: b"",
                payload: &[n + 1; 150],
                deadline: None,
                has_id: false,
            };
            store.append(&message).expect("there is space");
        }
        store.sync().expect("the disk is well");
    };
    let disk = SimDisk::new(1);
    let (mut store, _) = open(&disk);
    fill(&mut store, 0..10);
    let trace = disk.list().expect("the disk is well");
    let trace = trace.iter().find(|name| name.ends_with(".trc"));
    let trace = trace.expect("a trace").clone();
    let old_trace = disk.bytes(&trace).expect("a file");
    let end_of = |bytes: &[u8]| bytes.iter().rposition(|byte| *byte != 0).expect("records") + 1;
    let before = end_of(&disk.bytes(LOG).expect("a file"));
    fill(&mut store, 10..20);
    let after = end_of(&disk.bytes(LOG).expect("a file"));
    for cut in (before..after).step_by(37) {
        let killed = disk.kill();
        killed.change(LOG, |bytes| bytes[cut..].fill(0));
        killed.change(&trace, |bytes| bytes.clone_from(&old_trace));
        let (mut store, report) = open(&killed);
        assert_eq!((report.cut, report.holes), (None, 0), "{cut}");
        assert!(store.damaged().is_empty(), "{cut}");
        let state = store.state();
        assert!((10..=20).contains(&state.last), "{cut}: {state:?}");
        assert_eq!(state.messages, state.last, "{cut}");
        fill(&mut store, 30..31);
        assert_eq!(store.state().last, state.last + 1, "{cut}");
    }
}

/// A few sectors of the last write were zeros after a kill, which looks like a loss of power; the
/// messages behind them were acknowledged, and cut off.
#[test]
fn damage_in_the_last_write_before_a_kill_leaves_what_stands_behind_it() {
    let disk = SimDisk::new(1);
    let (mut store, _) = open(&disk);
    for n in 0..40_u8 {
        let message = NewMessage {
            timestamp: Timestamp(i64::from(n)),
            subject: b"s",
            headers: b"",
            payload: &[n + 1; 150],
            deadline: None,
            has_id: false,
        };
        store.append(&message).expect("there is space");
    }
    store.sync().expect("the disk is well");
    drop(store);
    let zero = |disk: &SimDisk| disk.change(LOG, |bytes| bytes[3000..4000].fill(0));
    let killed = disk.kill();
    zero(&killed);
    let (mut store, report) = open(&killed);
    assert_eq!((report.cut, report.holes), (None, 1));
    let lost = (1..=40).filter(|n| store.load(*n).is_err()).count();
    assert!((5..=7).contains(&lost), "{lost} lost");
    assert_eq!(store.state().messages, 40 - lost as u64);
    assert!(store.load(40).expect("it is well").is_some());
    // After a loss of power it may have been a write that was cut short, and nothing behind it was
    // acknowledged.
    let off = disk.power_loss(100);
    zero(&off);
    let (store, report) = open(&off);
    assert!(report.cut.is_some() && store.damaged().is_empty());
}

/// Bytes that were to be overwritten stood in a segment whose file was gone: the attempt failed, and
/// with it the store.
#[test]
fn erasing_in_a_file_that_is_gone_does_not_end_the_store() {
    let disk = SimDisk::new(1);
    let (mut store, _) = open(&disk);
    for n in 0..300_u64 {
        put(&mut store, b"s", &[7; 400], None);
        if n % 3 == 0 {
            store.remove(n + 1, true).expect("there is space");
        }
    }
    store.sync().expect("the disk is well");
    drop(store);
    let disk = disk.kill();
    disk.delete(LOG);
    let (mut store, _) = open(&disk);
    for _ in 0..10 {
        store.settle().expect("it goes on");
        store.maintain(1 << 20).expect("it goes on");
        store.sync().expect("the disk is well");
    }
    put(&mut store, b"s", b"more", None);
    assert_eq!(store.failure(), None);
}

fn stored(store: &mut FileStore<SimDisk>, subject: &[u8], payload: &[u8]) -> u64 {
    let message = NewMessage {
        timestamp: Timestamp(5),
        subject,
        headers: b"",
        payload,
        deadline: None,
        has_id: false,
    };
    store.append(&message).expect("there is space")
}

/// The record of a removal may begin a segment, and the index that told the message's subject may be
/// let go for the new one: another subject was then taken out of the counts.
#[test]
fn a_removal_that_begins_a_segment_knows_its_subject() {
    let options = crate::FileStoreOptions {
        segment_bytes: 64 << 10,
        index_cache_bytes: 0,
        ..crate::FileStoreOptions::new(7, 11)
    };
    let (mut store, _) = FileStore::open(SimDisk::new(3), options).expect("the disk is empty");
    let subject = |n: u64| format!("key.{n}").into_bytes();
    let mut last = 0;
    // The segment is full before all of what it holds is removed.
    while store.log.tail.end() < 50 << 10 {
        last += 1;
        assert_eq!(stored(&mut store, &subject(last), b"value"), last);
    }
    for n in (1..=last).rev() {
        store.remove(n, false).expect("there is space");
        assert_eq!(store.subject(&subject(n)), None, "{n} is gone");
        assert_eq!(store.state().subjects, n - 1);
    }
    assert!(store.log.segments.len() > 1);
}

/// Whoever publishes waits while the index of a full segment is written.
#[test]
fn a_segment_with_a_long_index_is_full() {
    let disk = SimDisk::new(9);
    let options = crate::FileStoreOptions::new(7, 11);
    let (mut store, _) = FileStore::open(disk.clone(), options).expect("the disk is empty");
    for n in 0..60_000_u64 {
        let sequence = stored(&mut store, format!("key.{n}").as_bytes(), b"");
        let removed = store.remove(sequence, false).expect("there is space");
        assert!(removed.is_some());
    }
    store.sync().expect("the disk is well");
    let names = disk.list().expect("the disk is well");
    let lens = names.iter().filter(|name| name.ends_with(".idx"));
    let lens = lens.map(|name| disk.bytes(name).map_or(0, |bytes| bytes.len()));
    let lens: Vec<usize> = lens.collect();
    assert!(
        !lens.is_empty() && lens.iter().all(|len| *len < 3 << 20),
        "{lens:?}"
    );
}

/// What is only written needs no index in memory but that of the last segment; what is read keeps it.
#[test]
fn the_index_of_a_full_segment_stays_if_somebody_reads() {
    for reads in [false, true] {
        let options = crate::FileStoreOptions {
            segment_bytes: 64 << 10,
            ..crate::FileStoreOptions::new(7, 11)
        };
        let disk = SimDisk::new(2);
        let (mut store, _) = FileStore::open(disk, options).expect("the disk is empty");
        for n in 0..2000_u64 {
            let sequence = stored(&mut store, b"s", &[n as u8; 100]);
            if reads {
                store.flush().expect("there is space");
                assert!(store.load(sequence).expect("the disk is well").is_some());
            }
        }
        let sealed = store.log.segments.len() - 1;
        let held = store.log.segments[..sealed].iter();
        let held = held.filter(|segment| segment.index.is_some()).count();
        assert!(sealed > 1);
        assert_eq!(held > 0, reads, "{held} of {sealed}");
        for sequence in [1, 777, 2000] {
            let message = store.load(sequence).expect("the disk is well");
            let payload = message.map(|message| message.payload.to_vec());
            assert_eq!(payload, Some(vec![(sequence - 1) as u8; 100]));
        }
    }
}

/// A walk with one filter goes from message to message, and misses none whatever happens meanwhile.
#[test]
fn a_walk_along_one_subject_finds_what_comes_and_passes_what_goes() {
    let (mut store, _) = open(&SimDisk::new(4));
    let filter = Filter::try_from("s.3").expect("a filter");
    let mut cursor = store.cursor(std::slice::from_ref(&filter));
    let (mut from, mut found, mut expected) = (1, Vec::new(), Vec::new());
    for n in 0..3000_u64 {
        let subject = format!("s.{}", n % 7);
        let sequence = stored(&mut store, subject.as_bytes(), &[n as u8; 90]);
        if n % 7 == 3 {
            match n % 5 {
                0 => drop(store.remove(sequence, false).expect("there is space")),
                _ => expected.push(sequence),
            }
        }
        if n % 11 == 0 {
            while let Some(next) = store.next(&mut cursor, from).expect("the disk is well") {
                found.push(next);
                from = next + 1;
            }
        }
    }
    while let Some(next) = store.next(&mut cursor, from).expect("the disk is well") {
        found.push(next);
        from = next + 1;
    }
    assert_eq!(found, expected);
    // Back again, and from places where nothing is.
    for from in [1, 5, 1500, 40] {
        let next = store.next(&mut cursor, from).expect("the disk is well");
        assert_eq!(next, expected.iter().copied().find(|it| *it >= from));
    }
}
