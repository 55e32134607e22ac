//! Rollups of more than one step removes: nobody sees what they replace, and a crash changes nothing.

use cognate_stream::GetRequest;

use crate::rig::Rig;

const STREAM: &str = r#"{"name":"S","subjects":["s.>"],"allow_rollup_hdrs":true}"#;
const ROLLUP: &[u8] = b"NATS/1.0\r\nNats-Rollup: sub\r\n\r\n";
const NONE_BEFORE: &[u8] = b"NATS/1.0\r\nNats-Expected-Last-Subject-Sequence: 0\r\n\r\n";

/// So many messages on `s.a.<0 to 9>` and as many on `s.b`.
const EACH: u64 = 5000;

fn filled() -> Rig {
    let mut rig = Rig::new(STREAM);
    for n in 0..EACH {
        rig.publish(&format!("s.a.{}", n % 10), b"", "old");
        rig.publish("s.b", b"", "other");
    }
    rig.settle();
    rig.sent();
    rig
}

/// The payload of a subject's last message.
fn last(rig: &mut Rig, subject: &str) -> Option<String> {
    let request = GetRequest {
        last_by_subject: subject.as_bytes(),
        ..GetRequest::default()
    };
    let message = rig.group.message(&request).ok()?;
    Some(String::from_utf8_lossy(message.payload).into_owned())
}

fn holds(rig: &mut Rig, sequence: u64) -> bool {
    let request = GetRequest {
        sequence,
        ..GetRequest::default()
    };
    rig.group.message(&request).is_ok()
}

/// What a reader finds from the moment on in which the rollup was stored.
fn check_view(rig: &mut Rig) {
    assert_eq!(last(rig, "s.a.7"), None);
    assert_eq!(last(rig, "s.b").as_deref(), Some("other"));
    assert_eq!(last(rig, "s.a.*").as_deref(), Some("new"));
    assert!(!holds(rig, 1) && !holds(rig, 2 * EACH - 1));
    assert!(holds(rig, 2) && holds(rig, 2 * EACH + 1));
}

#[test]
fn what_is_replaced_goes_in_steps_and_nobody_sees_it() {
    let mut rig = filled();
    rig.publish("s.a.*", ROLLUP, "new");
    assert!(rig.group.state().messages > EACH + 1, "it takes steps");
    check_view(&mut rig);
    rig.flush();
    rig.sync();
    rig.group.advance(rig.now, &mut rig.out);
    assert_eq!(rig.sent(), [""; 0], "it is not done");
    // Others go on, and what is replaced counts for nobody.
    rig.publish("s.a.7", NONE_BEFORE, "first again");
    rig.settle();
    let acks = [EACH * 2 + 2, EACH * 2 + 1];
    let acks = acks.map(|sequence| format!(r#"reply {{"stream":"S","seq":{sequence}}}"#));
    assert_eq!(rig.sent(), acks);
    assert_eq!(rig.group.state().messages, EACH + 2);
    assert_eq!(last(&mut rig, "s.a.7").as_deref(), Some("first again"));
}

#[test]
fn a_crash_in_between_changes_nothing() {
    let mut rig = filled();
    rig.publish("s.a.*", ROLLUP, "new");
    rig.flush();
    rig.sync();
    for crash in 0..2 {
        let (messages, journal) = match crash {
            0 => (rig.messages.kill(), rig.journal.kill()),
            seed => (rig.messages.power_loss(seed), rig.journal.power_loss(seed)),
        };
        let mut rig = Rig::over(STREAM, messages, journal);
        assert!(rig.group.state().messages > EACH + 1, "it was not done");
        check_view(&mut rig);
        rig.settle();
        assert_eq!(rig.group.state().messages, EACH + 1);
        check_view(&mut rig);
        let mut rig = Rig::over(STREAM, rig.messages.kill(), rig.journal.kill());
        check_view(&mut rig);
        assert_eq!(rig.group.state().messages, EACH + 1);
    }
}

#[test]
fn one_subject_with_many_messages_goes_in_steps_too() {
    let mut rig = filled();
    rig.publish("s.b", ROLLUP, "new");
    assert!(rig.group.state().messages > EACH + 1, "it takes steps");
    assert!(!holds(&mut rig, 2 * EACH));
    rig.settle();
    assert_eq!(rig.group.state().messages, EACH + 1);
    assert_eq!(last(&mut rig, "s.b").as_deref(), Some("new"));
}

/// A stream that refuses what is too much counts what is there, and not what is being replaced.
#[test]
fn a_full_stream_has_room_for_what_comes_after_a_rollup() {
    let most = 2 * EACH + 1;
    let config = format!(
        r#"{{"name":"S","subjects":["s.>"],"allow_rollup_hdrs":true,"discard":"new","max_msgs":{most}}}"#
    );
    let mut rig = Rig::new(&config);
    for n in 0..EACH * 2 {
        rig.publish(&format!("s.a.{n}"), b"", "old");
    }
    rig.settle();
    rig.sent();
    rig.publish("s.a.*", ROLLUP, "new");
    for n in 0..most - 1 {
        rig.publish(&format!("s.a.{n}"), b"", "again");
    }
    rig.publish("s.b", b"", "one too many");
    rig.settle();
    assert_eq!(rig.group.state().messages, most);
    let refused = rig
        .sent()
        .iter()
        .filter(|sent| sent.contains("maximum messages"))
        .count();
    assert_eq!(refused, 1);
}
