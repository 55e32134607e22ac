//! Damage costs what it hits, and is told.

use std::collections::BTreeSet;

use cognate_gostore::{Report, SnapshotReader};

use crate::fixtures::{Collected, KEY, Memory, file, read};

/// The sequences that a report says are lost.
fn lost(report: &Report) -> BTreeSet<u64> {
    let ranges = report.lost.iter();
    ranges.flat_map(|lost| lost.first..=lost.last).collect()
}

/// Every message is there as it was, or is told to be lost; consumers are all there.
#[track_caller]
fn check_told(before: &Collected, after: &Collected, report: &Report, what: &str) {
    let lost = lost(report);
    for (sequence, line) in &before.messages {
        match after.messages.get(sequence) {
            Some(now) => assert_eq!(now, line, "{what}"),
            None => assert!(
                lost.contains(sequence),
                "{what}: {sequence} is gone, {report:?}"
            ),
        }
    }
    for sequence in after.messages.keys() {
        assert!(
            before.messages.contains_key(sequence),
            "{what}: {sequence} came back"
        );
        assert!(!lost.contains(sequence), "{what}: {sequence} is not lost");
    }
    assert!(
        after.next >= before.next,
        "{what}: {} is given again",
        after.next
    );
    assert_eq!(after.consumers.len(), before.consumers.len(), "{what}");
}

#[test]
fn a_flipped_bit_in_a_block_costs_one_message() {
    for (kind, stream, step) in [
        ("plain", "ORDERS", 1),
        ("plain", "WORK", 97),
        ("chacha", "ORDERS", 7),
    ] {
        let whole = Memory::of(kind, stream);
        let keys = if kind == "plain" { &[][..] } else { &[KEY] };
        let (before, _) = read(&whole, stream, keys);
        let blocks: Vec<_> = whole
            .0
            .keys()
            .filter(|path| path.ends_with(".blk"))
            .collect();
        for block in blocks {
            for at in (0..whole.0[block].len()).step_by(step) {
                let mut files = whole.clone();
                files.0.get_mut(block).expect("it is there")[at] ^= 0x10;
                let (after, report) = read(&files, stream, keys);
                let what = format!("{kind} {block} at {at}");
                check_told(&before, &after, &report, &what);
                assert!(before.messages.len() - after.messages.len() <= 1, "{what}");
                // A record that was removed before may change without harm.
                let is_silent = report.is_whole() && after != before;
                assert!(!is_silent, "{what}: silence");
            }
        }
    }
}

#[test]
fn missing_cut_and_zeroed_blocks_are_told() {
    for stream in ["ORDERS", "WORK", "KV_CONF"] {
        let whole = Memory::of("plain", stream);
        let (before, _) = read(&whole, stream, &[]);
        let blocks: Vec<_> = whole
            .0
            .keys()
            .filter(|path| path.ends_with(".blk"))
            .collect();
        for block in blocks {
            let len = whole.0[block].len();
            for cut in (0..len).step_by(len / 40 + 1) {
                let mut files = whole.clone();
                files.0.get_mut(block).expect("it is there").truncate(cut);
                let (after, report) = read(&files, stream, &[]);
                check_told(&before, &after, &report, &format!("{block} cut at {cut}"));
                let mut files = whole.clone();
                files.0.get_mut(block).expect("it is there")[cut..].fill(0);
                let (after, report) = read(&files, stream, &[]);
                check_told(
                    &before,
                    &after,
                    &report,
                    &format!("{block} zeroed from {cut}"),
                );
            }
            let mut files = whole.clone();
            files.0.remove(block);
            let (after, report) = read(&files, stream, &[]);
            check_told(&before, &after, &report, &format!("{block} missing"));
            assert!(!report.is_whole(), "{block} missing: silence");
        }
    }
}

#[test]
fn a_damaged_index_or_state_loses_no_message() {
    let whole = Memory::of("plain", "ORDERS");
    let (before, _) = read(&whole, "ORDERS", &[]);
    for path in [
        "msgs/index.db",
        "obs/ALL/o.dat",
        "meta.sum",
        "obs/ALL/meta.sum",
    ] {
        for at in 0..whole.0[path].len() {
            let mut files = whole.clone();
            files.0.get_mut(path).expect("it is there")[at] ^= 0x40;
            let (after, _) = read(&files, "ORDERS", &[]);
            assert_eq!(after.messages, before.messages, "{path} at {at}");
            assert_eq!(
                after.consumers.len(),
                before.consumers.len(),
                "{path} at {at}"
            );
        }
    }
}

#[test]
fn a_damaged_snapshot_is_refused_or_read() {
    let bytes = file("snapshots/ORDERS.snapshot");
    let mut whole = Collected::default();
    let mut reader = SnapshotReader::new("ORDERS");
    reader.push(&bytes, &mut whole).expect("it is a snapshot");
    reader.finish(&mut whole).expect("it is whole");
    for at in 0..bytes.len() {
        let mut bad = bytes.clone();
        bad[at] ^= 0x10;
        let mut collected = Collected::default();
        let mut reader = SnapshotReader::new("ORDERS");
        let pushed = reader.push(&bad, &mut collected);
        // What is passed over may change, and how bytes are compressed; what they are may not.
        if pushed.is_ok() && reader.finish(&mut collected).is_ok() {
            assert_eq!(collected, whole, "at {at}");
        }
    }
    for cut in 0..bytes.len() {
        let mut collected = Collected::default();
        let mut reader = SnapshotReader::new("ORDERS");
        let pushed = reader.push(&bytes[..cut], &mut collected);
        assert!(
            pushed.is_err() || reader.finish(&mut collected).is_err(),
            "cut at {cut}"
        );
    }
}

#[test]
fn a_snapshot_of_another_stream_is_refused() {
    let bytes = file("snapshots/ORDERS.snapshot");
    let mut collected = Collected::default();
    let refused = SnapshotReader::new("WORK").push(&bytes, &mut collected);
    let text = refused.map_err(|error| error.to_string());
    assert_eq!(text, Err("stream names do not match".to_owned()));
    assert_eq!(collected, Collected::default());
}
