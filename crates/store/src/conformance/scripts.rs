//! Scripted cases: one for each sentence of the trait that a random walk might miss.

use cognate_model::{Deadline, DeadlineKind, MessageStore, NewMessage, Timestamp};

use super::{Source, pair::Pair};

/// Runs all scripted cases, each on a new store, and each also across a restart.
///
/// # Panics
/// If the store does not do what the model does.
pub fn scripted<S: Source>(source: &mut S) {
    let cases: &[fn(&mut Pair<'_, S>)] = &[
        |_| {},
        one_message,
        all_bytes_come_back,
        last_message_removed,
        emptied_one_by_one,
        emptied_at_once,
        first_sequence_moved,
        gaps_far_apart,
        erased_in_the_middle,
        deadlines_come_and_go,
        ids_are_remembered,
        large_messages,
        subject_comes_back,
        nothing_there,
    ];
    for case in cases {
        let mut pair = Pair::new(source);
        case(&mut pair);
        pair.check_all(0);
        pair.settle();
        pair.check_all(2);
        pair.reopen();
        pair.check_all(0);
        // And it goes on from there.
        pair.append("s.1", b"", b"afterwards");
        pair.check_all(0);
    }
}

fn one_message<S: Source>(pair: &mut Pair<'_, S>) {
    let sequence = pair.append("s.1", b"NATS/1.0\r\nA: b\r\n\r\n", b"payload");
    assert_eq!(sequence, 1);
}

fn all_bytes_come_back<S: Source>(pair: &mut Pair<'_, S>) {
    let every: Vec<u8> = (0..=255).collect();
    pair.append("s.ü.\u{7f}", b"", b"");
    pair.append("s.1", &every, b"");
    pair.append("s.1", b"", &every);
    pair.append(
        "a.very.long.subject.with.many.tokens.in.it.and.more",
        &every,
        &every,
    );
}

fn last_message_removed<S: Source>(pair: &mut Pair<'_, S>) {
    for n in 0..5 {
        pair.append(&format!("s.{n}"), b"", b"x");
    }
    pair.remove(5, false);
    pair.remove(5, false);
    pair.check_all(0);
    pair.append("s.4", b"", b"y");
}

fn emptied_one_by_one<S: Source>(pair: &mut Pair<'_, S>) {
    for _ in 0..20 {
        pair.append("s.1", b"", b"x");
    }
    for sequence in (1..=20).rev() {
        pair.remove(sequence, false);
        pair.check_state();
    }
}

fn emptied_at_once<S: Source>(pair: &mut Pair<'_, S>) {
    for n in 0..50 {
        pair.append(&format!("s.{}", n % 7), b"", b"x");
    }
    pair.remove_below(0);
    pair.remove_below(1);
    pair.remove_below(20);
    pair.check_all(10);
    pair.remove_below(51);
    pair.check_all(0);
    pair.remove_below(u64::MAX);
    assert_eq!(pair.append("s.1", b"", b"x"), 51);
}

fn first_sequence_moved<S: Source>(pair: &mut Pair<'_, S>) {
    pair.skip_to(1000);
    pair.check_all(0);
    assert_eq!(pair.append("s.1", b"", b"x"), 1000);
}

fn gaps_far_apart<S: Source>(pair: &mut Pair<'_, S>) {
    let mut next = 1;
    for gap in [2, 1 << 20, 1 << 33, 1 << 45] {
        pair.append("s.1", b"", b"x");
        pair.append("t.a.3", b"", b"x");
        pair.now.0 += 5;
        next += 2 + gap;
        pair.skip_to(next);
        pair.check_all(next - gap);
    }
    pair.remove(1, false);
    pair.append("s.1", b"", b"x");
}

fn erased_in_the_middle<S: Source>(pair: &mut Pair<'_, S>) {
    for n in 0..10 {
        pair.append(&format!("t.a.{n}"), b"NATS/1.0\r\n\r\n", b"secret");
    }
    for sequence in [4, 5, 9] {
        pair.remove(sequence, true);
    }
}

fn deadlines_come_and_go<S: Source>(pair: &mut Pair<'_, S>) {
    let deadline = |at, kind| {
        Some(Deadline {
            at: Timestamp(at),
            kind,
        })
    };
    for at in [500, 300, 300, 900] {
        let deadline = deadline(at, DeadlineKind::Expire);
        pair.append_with("s.1", (b"", b"x"), deadline, false);
        pair.check_state();
    }
    pair.append("s.2", b"", b"x");
    pair.set_deadline(5, deadline(100, DeadlineKind::Schedule));
    pair.check_state();
    pair.set_deadline(5, deadline(2000, DeadlineKind::Schedule));
    pair.check_state();
    pair.remove(2, false);
    pair.check_state();
    pair.set_deadline(3, None);
    pair.check_state();
    pair.reopen();
    pair.check_state();
    pair.remove_below(5);
}

fn ids_are_remembered<S: Source>(pair: &mut Pair<'_, S>) {
    for n in 0..40 {
        pair.now.0 += 1000;
        pair.append_with(
            "s.1",
            (b"NATS/1.0\r\nNats-Msg-Id: x\r\n\r\n", b"x"),
            None,
            n % 3 == 0,
        );
    }
    pair.remove(4, false);
    pair.remove(40, true);
}

fn large_messages<S: Source>(pair: &mut Pair<'_, S>) {
    for size in [100_000, 1, 1 << 20, 300_000] {
        let payload: Vec<u8> = (0..size).map(|n| (n % 251) as u8).collect();
        pair.append("s.1", b"", &payload);
    }
    pair.remove(3, false);
    let subject = "x".repeat(100_000);
    let message = NewMessage {
        timestamp: pair.now,
        subject: subject.as_bytes(),
        headers: b"",
        payload: b"",
        deadline: None,
        has_id: false,
    };
    let refused = pair.store().append(&message);
    assert!(refused.is_err(), "a subject of 100,000 bytes: {refused:?}");
}

fn subject_comes_back<S: Source>(pair: &mut Pair<'_, S>) {
    for _ in 0..3 {
        let sequence = pair.append("s.1", b"", b"x");
        pair.append("s.2", b"", b"x");
        pair.remove(sequence, false);
        pair.check_all(0);
    }
}

fn nothing_there<S: Source>(pair: &mut Pair<'_, S>) {
    pair.remove(0, false);
    pair.remove(1, true);
    pair.remove(u64::MAX, false);
    pair.remove_below(0);
}
