//! A stream and its consumers together: what is said when, on disks that are slow, full or broken.

mod keys;
mod rig;
mod rollups;

use std::time::Duration;

use cognate_group::kind;
use cognate_model::DamagedRange;

use rig::Rig;

const STREAM: &str = r#"{"name":"S","subjects":["s.>"]}"#;
const QUEUE: &str = r#"{"name":"S","subjects":["s.>"],"retention":"workqueue"}"#;
const CONSUMER: &str = r#"{"durable_name":"C","ack_policy":"explicit","max_ack_pending":1000}"#;

#[test]
fn an_acknowledgement_waits_for_the_disk() {
    let mut rig = Rig::new(STREAM);
    rig.publish("s.a", b"", "1");
    rig.step();
    assert_eq!(rig.sent(), [""; 0]);
    assert!(rig.sync());
    rig.step();
    assert_eq!(rig.sent(), [r#"reply {"stream":"S","seq":1}"#]);
}

/// A message that was stored before there was any consumer does not say its subject to anybody. A
/// consumer that came before it was durable had counted it, and was never told that it may be seen.
#[test]
fn a_consumer_gets_what_became_durable_after_it_had_come() {
    let mut rig = Rig::new(STREAM);
    rig.publish("s.a", b"", "early");
    rig.step();
    rig.add(CONSUMER);
    rig.tell(kind::NEXT, "$JS.API.CONSUMER.MSG.NEXT.S.C", "");
    rig.step();
    assert_eq!(rig.sent(), [""; 0], "it is not durable yet");
    rig.settle();
    let sent = rig.sent();
    assert!(sent.contains(&"inbox early".to_owned()), "{sent:?}");
}

/// Whoever published without waiting for an answer and asks then finds it counted, as the stream counts it;
/// and once.
#[test]
fn what_is_stored_and_not_yet_durable_is_pending() {
    let filtered = CONSUMER.replace('{', r#"{"filter_subject":"s.a","#);
    let mut rig = Rig::new(STREAM);
    rig.add(&filtered);
    let pending = |rig: &mut Rig| {
        let state = rig.group.consumer_state("C", rig.now, &mut rig.out);
        state.map(|state| state.pending)
    };
    for (subject, expected) in [("s.a", 1), ("s.b", 1), ("s.a", 2), ("s.a", 3)] {
        rig.publish(subject, b"", "x");
        rig.step();
        assert_eq!(pending(&mut rig), Some(expected), "{subject}");
    }
    rig.group
        .delete_message(4, false, rig.now, &mut rig.out)
        .expect("it is there");
    assert_eq!(pending(&mut rig), Some(2));
    rig.settle();
    assert_eq!(pending(&mut rig), Some(2));
    rig.publish("s.a", b"", "x");
    rig.settle();
    assert_eq!(pending(&mut rig), Some(3));
    rig.tell(kind::NEXT, "$JS.API.CONSUMER.MSG.NEXT.S.C", "");
    rig.settle();
    assert_eq!(pending(&mut rig), Some(2));
}

/// An acknowledgement is durable before the removal of its message is: a crash in between must not
/// leave the message in a work queue for ever.
#[test]
fn what_was_acknowledged_before_a_crash_goes_after_it() {
    let mut rig = Rig::new(QUEUE);
    rig.add(CONSUMER);
    rig.publish("s.a", b"", "job");
    rig.publish("s.a", b"", "next");
    rig.settle();
    rig.tell(kind::NEXT, "$JS.API.CONSUMER.MSG.NEXT.S.C", "");
    rig.settle();
    rig.tell(kind::ACK, "$JS.ACK.S.C.1.1.1.1700000000000000000.1", "");
    rig.step();
    rig.sync();
    let mut rig = rig.restarted(QUEUE, CONSUMER);
    assert_eq!(rig.group.state().messages, 2, "the removal was not written");
    rig.group.let_recovered_go();
    let state = rig.group.state();
    assert_eq!((state.messages, state.first), (1, 2));
}

/// A consumer in memory is forgotten with the process, so that only the removal of a message says that
/// it was acknowledged: it is on the disk before anybody is told, even if there are so many that they go
/// in several steps.
#[test]
fn what_a_consumer_in_memory_confirmed_stays_away() {
    const COUNT: u64 = 5000;
    let config = r#"{"name":"S","subjects":["s.>"],"retention":"interest"}"#;
    let mut rig = Rig::new(config);
    let consumer =
        r#"{"durable_name":"C","ack_policy":"all","max_ack_pending":10000,"mem_storage":true}"#;
    rig.add(consumer);
    for _ in 0..=COUNT {
        rig.publish("s.a", b"", "job");
    }
    rig.settle();
    let next = "$JS.API.CONSUMER.MSG.NEXT.S.C";
    rig.tell(kind::NEXT, next, &(COUNT + 1).to_string());
    rig.settle();
    rig.sent();
    let ack = format!("$JS.ACK.S.C.1.{COUNT}.{COUNT}.1700000000000000000.1");
    rig.tell(kind::ACK, &ack, "");
    let mut sent = Vec::new();
    while sent != ["inbox "] {
        let goes_on = rig.step() | rig.sync();
        sent = rig.sent();
        assert!(goes_on || !sent.is_empty(), "it is never confirmed");
    }
    let rig = Rig::over(config, rig.messages.kill(), rig.journal.kill());
    let state = rig.group.state();
    assert_eq!((state.messages, state.first), (1, COUNT + 1));
}

#[test]
fn a_full_disk_is_tried_again() {
    let mut rig = Rig::new(STREAM);
    rig.journal.set_capacity(Some(0));
    rig.add(CONSUMER);
    rig.group.answer(b"api", b"made", Default::default());
    rig.settle();
    assert_eq!(rig.group.failure(), None);
    assert_eq!(rig.sent(), [""; 0], "the disk has no room for it");
    let due = rig.group.next_timeout().expect("it is tried again");
    assert!((rig.now..=rig.now.after(Duration::from_millis(250))).contains(&due));
    rig.journal.set_capacity(None);
    rig.now = due;
    rig.settle();
    assert_eq!(rig.sent(), ["api made"]);
    assert_ne!(rig.group.next_timeout(), Some(due), "it has been done");
}

#[test]
fn after_a_failure_publishers_are_told_and_nothing_is_promised() {
    let mut rig = Rig::new(STREAM);
    rig.publish("s.a", b"", "lost");
    rig.step();
    rig.messages.fail_syncs(true);
    assert!(rig.sync());
    assert!(rig.group.failure().is_some());
    rig.step();
    assert_eq!(
        rig.sent(),
        [""; 0],
        "nobody knows whether it is on the disk"
    );
    rig.publish("s.a", b"", "late");
    rig.step();
    let sent = rig.sent();
    assert_eq!(sent.len(), 1);
    assert!(
        sent[0].starts_with(r#"reply {"error":{"code":50"#),
        "{sent:?}"
    );
    assert!(!rig.group.is_full());
}

#[test]
fn a_step_takes_no_more_frames_than_it_is_told() {
    let mut rig = Rig::new(STREAM);
    let mut frames = Vec::new();
    for _ in 0..3 {
        cognate_wire::encode::write_msg(&mut frames, b"s.a", b"P", None, None, b"x");
    }
    let one = frames.len() / 3;
    let mut take = |frames: &[u8], budget| {
        let now = rig.now;
        rig.group
            .handle_frames(frames, budget, now, 1, &mut rig.out)
    };
    assert_eq!(take(&frames, one + 1), 2 * one);
    assert_eq!(take(&frames[2 * one..], 0), 0);
    assert_eq!(take(&frames[2 * one..], 1), one);
    assert_eq!(rig.group.state().messages, 3);
}

#[test]
fn so_much_waits_for_the_disk_and_no_more() {
    let mut rig = Rig::new(STREAM);
    rig.publish("s.a", b"", "x");
    rig.step();
    // A sync that takes long; what is applied meanwhile waits for it.
    let reply = vec![b'r'; 1024 * 1024];
    let mut frame = Vec::new();
    cognate_wire::encode::write_msg(&mut frame, b"s.a", b"P", Some(&reply), None, b"x");
    for _ in 0..64 {
        assert!(!rig.group.is_full());
        let now = rig.now;
        rig.group
            .handle_frames(&frame, usize::MAX, now, 1, &mut rig.out);
        rig.flush();
    }
    assert!(rig.group.is_full());
    rig.settle();
    assert!(!rig.group.is_full());
}

/// A consumer that goes may leave a million messages that nobody wants any more. They go a few at a
/// time.
#[test]
fn what_nobody_wants_any_more_goes_in_steps() {
    const COUNT: u64 = 10_000;
    let mut rig = Rig::new(r#"{"name":"S","subjects":["s.>"],"retention":"interest"}"#);
    assert_eq!(rig.config().name, "S");
    rig.add(CONSUMER);
    for _ in 0..COUNT {
        rig.publish("s.a", b"", "x");
    }
    rig.settle();
    let now = rig.now;
    assert!(rig.group.remove_consumer("C", now, &mut rig.out).is_some());
    let at_once = COUNT - rig.group.state().messages;
    assert!((1..COUNT / 2).contains(&at_once), "{at_once} went at once");
    let mut steps = 0;
    while rig.step() {
        steps += 1;
    }
    assert!(steps >= 3, "{steps} steps");
    assert_eq!(rig.group.state().messages, 0);
}

#[test]
fn places_for_batches_are_the_servers() {
    let mut rig = Rig::new(r#"{"name":"S","subjects":["s.>"],"allow_atomic":true}"#);
    let headers =
        |id: &str| format!("NATS/1.0\r\nNats-Batch-Id: {id}\r\nNats-Batch-Sequence: 1\r\n\r\n");
    rig.out.places = 1;
    rig.publish("s.a", headers("one").as_bytes(), "1");
    rig.publish("s.a", headers("two").as_bytes(), "1");
    rig.settle();
    let sent = rig.sent();
    assert!(
        sent.iter().any(|answer| answer.contains("10210")),
        "{sent:?}"
    );
    rig.group.close(&mut rig.out);
    assert_eq!(rig.out.places, 1);
}

#[test]
fn a_purge_goes_on_while_others_publish() {
    let mut rig = Rig::new(STREAM);
    for _ in 0..5000 {
        rig.publish("s.a", b"", "x");
    }
    rig.settle();
    let filter = cognate_subject::Filter::try_from("s.a").ok();
    let request = cognate_stream::PurgeRequest {
        filter: filter.as_ref(),
        ..cognate_stream::PurgeRequest::default()
    };
    let now = rig.now;
    let mut purge = rig
        .group
        .start_purge(&request, now, &mut rig.out)
        .expect("a purge");
    let mut steps = 0;
    while !purge.is_done() {
        let gone_on = rig.group.continue_purge(&mut purge, now, &mut rig.out);
        gone_on.expect("the store is well");
        rig.publish("s.a", b"", "new");
        rig.step();
        rig.sync();
        steps += 1;
    }
    assert!(steps >= 2, "{steps} steps");
    assert_eq!(purge.removed(), 5000);
    assert_eq!(
        rig.group.state().messages,
        steps,
        "what came meanwhile stays"
    );
}

/// Damage of an old message is found though nobody reads it, and told once.
#[test]
fn old_messages_are_read_once_a_day() {
    let mut rig = Rig::new(STREAM);
    for _ in 0..100 {
        rig.publish("s.a", b"", "a payload to be looked for");
    }
    rig.settle();
    let each = rig.group.state().bytes / 100;
    rig.messages.change("0000000000000001.0.log", |bytes| {
        let payload = b"a payload to be looked for";
        let mut found = bytes.windows(payload.len()).enumerate();
        let found = found.rfind(|(_, window)| window == payload);
        let (at, _) = found.expect("the last one");
        bytes[at] ^= 1;
    });
    let mut told = Vec::new();
    for _ in 0..4 {
        rig.now = rig.now.after(Duration::from_secs(24 * 60 * 60));
        rig.settle();
        told.extend(rig.group.take_found_damage());
    }
    let (first, last) = (100, 100);
    assert_eq!(told, [DamagedRange { first, last }]);
    assert_eq!(rig.group.damaged(), told);
    assert_eq!(rig.group.damaged_bytes(), each);
    assert_eq!(rig.group.state().messages, 99);
}

#[test]
fn a_stream_whose_metadata_say_so_is_never_read_for_nothing() {
    let never = r#"{"name":"S","subjects":["s.>"],"metadata":{"_cognate.verify.every":"0s"}}"#;
    let mut rig = Rig::new(never);
    rig.publish("s.a", b"", "x");
    rig.settle();
    // Whatever quiet asks for is done.
    rig.now = rig.now.after(Duration::from_secs(60));
    rig.settle();
    rig.now = rig.now.after(Duration::from_secs(60));
    rig.settle();
    rig.now = rig.now.after(Duration::from_secs(60));
    rig.settle();
    assert_eq!(rig.group.next_timeout(), None);
}

/// One sync per publish, as long as publishes come; what a restart needs to know is written when it is
/// quiet.
#[test]
fn a_quiet_stream_says_what_is_durable_and_a_busy_one_does_not_wait_for_that() {
    let mut rig = Rig::new(STREAM);
    // The first ones bring a segment, of which it is said that it is there.
    for _ in 0..4 {
        rig.publish("s.a", b"", "first");
        rig.settle();
    }
    let limit = |rig: &Rig| ["limit.a", "limit.b"].map(|name| rig.messages.bytes(name));
    let before = limit(&rig);
    for _ in 0..10 {
        rig.now = rig.now.after(Duration::from_millis(20));
        rig.publish("s.a", b"", "x");
        rig.step();
        assert!(rig.sync(), "it is synced");
        rig.step();
        assert!(!rig.sync(), "once is enough");
    }
    assert_eq!(limit(&rig), before);
    rig.now = rig.now.after(Duration::from_millis(300));
    rig.settle();
    assert_ne!(limit(&rig), before);
}
