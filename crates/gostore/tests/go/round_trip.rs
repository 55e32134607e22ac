//! What is written is read as it was.

use cognate_gostore::{
    ConsumerMeta, ConsumerState, Pending, Position, SnapshotReader, SnapshotWriter, StoredMessage,
    StreamMeta,
};
use cognate_model::Timestamp;

use crate::fixtures::Collected;

fn meta() -> StreamMeta {
    let mut meta = StreamMeta {
        created: Timestamp(1_700_000_000_123_456_789),
        ..StreamMeta::default()
    };
    meta.config.name = "S".into();
    meta.config.subjects = vec!["s.>".into()];
    meta
}

fn read(bytes: &[u8]) -> Collected {
    let mut collected = Collected::default();
    let mut reader = SnapshotReader::new("S");
    for piece in bytes.chunks(50_000) {
        reader
            .push(piece, &mut collected)
            .expect("it is a snapshot");
    }
    let report = reader.finish(&mut collected).expect("it is whole");
    assert!(report.is_whole(), "{report:?}");
    collected
}

#[test]
fn a_snapshot_comes_back() {
    let mut expected = Collected::default();
    let mut writer = SnapshotWriter::new(&meta(), 1_700_000_000);
    let payload = vec![b'x'; 40_000];
    for sequence in (3..400).filter(|n| n % 5 != 0) {
        let message = StoredMessage {
            sequence,
            timestamp: Timestamp(sequence as i64 * 1_000_000),
            subject: b"s.a",
            headers: if sequence % 2 == 0 {
                b"NATS/1.0\r\nA: b\r\n\r\n"
            } else {
                b""
            },
            payload: &payload[..(sequence as usize * 997) % 40_000],
        };
        assert!(writer.message(&message));
        cognate_gostore::Sink::message(&mut expected, &message).expect("it takes all");
    }
    writer.end_messages(450, Timestamp(77));
    let mut consumer = ConsumerMeta {
        name: "n".repeat(200),
        created: Timestamp(5),
        ..ConsumerMeta::default()
    };
    consumer.config.name = consumer.name.clone();
    let state = ConsumerState {
        floor: Position {
            consumer: 1,
            stream: 3,
        },
        delivered: Position {
            consumer: 2,
            stream: 4,
        },
        pending: vec![Pending {
            sequence: 4,
            delivery: 2,
            time: 1_000_000_000,
        }],
        redelivered: vec![(4, 1)],
    };
    writer.consumer(&consumer, &state);
    writer.finish();
    let mut bytes = Vec::new();
    while let Some(chunk) = writer.take(1000).or_else(|| writer.take(0)) {
        bytes.extend_from_slice(&chunk);
    }
    let found = read(&bytes);
    assert_eq!(found.messages, expected.messages);
    assert_eq!((found.next, found.last_time), (451, Some(Timestamp(77))));
    assert_eq!(found.meta, Some(meta()));
    assert_eq!(
        found.consumers[&consumer.name],
        (consumer.clone(), Some(state))
    );
}

#[test]
fn an_empty_stream_comes_back() {
    for (last, next) in [(0, 1), (9, 10)] {
        let mut writer = SnapshotWriter::new(&meta(), 0);
        writer.end_messages(last, Timestamp(5));
        writer.finish();
        let bytes = writer.take(0).expect("there is a header at least");
        let found = read(&bytes);
        assert_eq!((found.messages.len(), found.next), (0, next));
    }
}

#[test]
fn a_failure_is_told_to_who_restores() {
    let mut writer = SnapshotWriter::new(&meta(), 0);
    writer.fail("the disk is gone");
    writer.finish();
    let bytes = writer.take(0).expect("there is a header at least");
    let mut collected = Collected::default();
    let refused = SnapshotReader::new("S").push(&bytes, &mut collected);
    let text = refused.expect_err("it failed").to_string();
    assert!(text.contains("the disk is gone"), "{text}");
}
