//! Single promises of the store in files, each told as a story.

use cognate_model::{MessageStore, NewMessage, StoreError, Timestamp};

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
