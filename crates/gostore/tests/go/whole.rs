//! Undamaged stores and snapshots.

use cognate_gostore::SnapshotReader;

use crate::fixtures::{Collected, KEY, Memory, STREAMS, check, expected, file, read};

#[test]
fn stores_are_read_as_the_go_server_reads_them() {
    for (kind, keys) in [
        ("plain", &[][..]),
        ("compressed", &[]),
        ("chacha", &[KEY]),
        ("aes", &["another key", KEY]),
    ] {
        for stream in STREAMS {
            let (collected, report) = read(&Memory::of(kind, stream), stream, keys);
            assert!(
                report.is_whole() && report.notes.is_empty(),
                "{kind} {stream}: {report:?}"
            );
            check(&collected, &expected(kind, stream));
        }
    }
}

/// Without a clean stop the index is missing or old. Tombstones say what was removed, but not what a
/// limit per subject let go.
#[test]
fn a_store_that_was_not_closed_is_read() {
    for stream in ["ORDERS", "WORK", "EMPTY"] {
        let (collected, report) = read(&Memory::of("running", stream), stream, &[]);
        assert!(report.is_whole(), "{stream}: {report:?}");
        let said = expected("plain", stream);
        let count = said["messages"].as_array().map_or(0, Vec::len);
        assert_eq!(collected.messages.len(), count, "{stream}");
        assert_eq!(Some(collected.next - 1), said["state"]["last_seq"].as_u64());
    }
}

#[test]
fn snapshots_are_read_whatever_the_pieces() {
    for stream in STREAMS {
        let bytes = file(&format!("snapshots/{stream}.snapshot"));
        for piece in [1, 1000, bytes.len()] {
            let mut collected = Collected::default();
            let mut reader = SnapshotReader::new(stream);
            for piece in bytes.chunks(piece) {
                reader
                    .push(piece, &mut collected)
                    .expect("it is a snapshot");
            }
            let report = reader.finish(&mut collected).expect("it is whole");
            assert!(report.is_whole(), "{stream}: {report:?}");
            check(&collected, &expected("plain", stream));
        }
    }
}

#[test]
fn an_encrypted_store_needs_its_key() {
    for (keys, said) in [
        (&[][..], "no key was given"),
        (&["wrong"], "cannot be opened with the configured keys"),
    ] {
        let (collected, report) = read(&Memory::of("chacha", "ORDERS"), "ORDERS", keys);
        assert_eq!(collected, Collected::default());
        let texts = [report.skipped, report.damage].concat();
        assert!(texts[0].contains(said), "{texts:?}");
    }
}
