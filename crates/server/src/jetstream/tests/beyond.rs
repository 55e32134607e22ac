//! What NATS does not have: dead letters, and what is told of damage.

use super::*;
use crate::LocalSubscription;

/// What `subscription` gets next, as text.
async fn next(subscription: &mut LocalSubscription) -> LocalMessage {
    let message = within("a message", subscription.next()).await;
    message.expect("the server is there")
}

/// A message that a client terminates ends in the stream of the user's choice, with its history, and is not
/// needed any more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_letter_is_stored_with_its_history() {
    let rig = Rig::start(JetStreamOptions::default()).await;
    rig.stream("S", r#","retention":"workqueue""#).await;
    let graves = r#"{"name":"GRAVES","subjects":["dead.>"]}"#;
    let made = rig.api("STREAM.CREATE.GRAVES", graves).await;
    assert!(made.contains("did_create"), "{made}");
    let config = r#"{"stream_name":"S","config":{
        "durable_name":"C","ack_policy":"explicit",
        "metadata":{"_cognate.dead_letter.subject":"dead.S"}
    }}"#;
    let made = rig.api("CONSUMER.CREATE.S.C", config).await;
    assert!(!made.contains(r#""error":"#), "{made}");
    assert!(rig.ask("S", "what it says").await.contains(r#""seq":1"#));

    let mut letters = rig.client.subscribe("dead.S").await.expect("letters");
    let pull = rig.client.request("$JS.API.CONSUMER.MSG.NEXT.S.C", b"1");
    let delivery = within("a delivery", pull).await.expect("a delivery");
    let reply = delivery.reply.expect("a subject to acknowledge at");
    let confirmed = rig.ask(&reply, "+TERM cannot be read").await;
    assert_eq!(confirmed, "");

    let letter = next(&mut letters).await;
    assert_eq!(letter.payload, b"what it says");
    let headers = String::from_utf8_lossy(&letter.headers.unwrap_or_default()).into_owned();
    for line in [
        "Cognate-Dead-Letter-Reason: terminated",
        "Cognate-Dead-Letter-Detail: cannot be read",
        "Cognate-Dead-Letter-Stream: S",
        "Cognate-Dead-Letter-Consumer: C",
        "Cognate-Dead-Letter-Subject: S",
        "Cognate-Dead-Letter-Sequence: 1",
        "Cognate-Dead-Letter-Deliveries: 1",
    ] {
        assert!(
            headers.lines().any(|had| had == line),
            "{line} in {headers}"
        );
    }
    let settled = async {
        let holds = async |stream: &str, count: u32| {
            let info = rig.api(&format!("STREAM.INFO.{stream}"), "").await;
            info.contains(&format!(r#""messages":{count},"#))
        };
        while !holds("GRAVES", 1).await || !holds("S", 0).await {
            tokio::task::yield_now().await;
        }
    };
    within("the letter to be stored, and the message to go", settled).await;
}

/// Turns a byte over in each file below `path` that holds `text`; returns how many there were.
fn damage(path: &std::path::Path, text: &[u8]) -> usize {
    let mut count = 0;
    for entry in std::fs::read_dir(path).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            count += damage(&path, text);
            continue;
        }
        let mut bytes = std::fs::read(&path).expect("a file");
        let place = bytes.windows(text.len()).position(|part| part == text);
        if let Some(place) = place {
            bytes[place] ^= 1;
            let file = std::fs::OpenOptions::new().write(true).open(&path);
            let file = file.expect("a file");
            std::os::unix::fs::FileExt::write_all_at(&file, &bytes[place..=place], place as u64)
                .expect("it can be written");
            count += 1;
        }
    }
    count
}

/// Three messages of which the second is damaged and some long ones behind them, so that it is not in
/// memory; and who listens for what is told of that.
async fn damaged_stream(more: &str) -> (Rig, LocalSubscription) {
    let rig = Rig::start(JetStreamOptions::default()).await;
    rig.stream("S", more).await;
    let subject = "$JS.EVENT.ADVISORY.STREAM.DAMAGED.S";
    let events = rig.client.subscribe(subject).await.expect("advisories");
    let long = "long".repeat(100_000);
    for text in ["first words", "second words", "third words", &long, &long] {
        assert!(rig.ask("S", text).await.contains(r#""seq":"#));
    }
    assert_eq!(damage(rig.directory.path(), b"second words"), 1);
    (rig, events)
}

/// What is told of it: to who listens, and to who asks.
async fn check_told(rig: &Rig, events: &mut LocalSubscription) {
    let event = String::from_utf8_lossy(&next(events).await.payload).into_owned();
    for part in [
        r#""type":"io.cognate.jetstream.advisory.v1.stream_damaged""#,
        r#""stream":"S","first_seq":2,"last_seq":2"#,
    ] {
        assert!(event.contains(part), "{part} in {event}");
    }
    let stream = rig.jetstream().stream("S").expect("a stream");
    let now = tokio::time::Instant::now();
    let seen = tokio::task::block_in_place(|| stream.glance(now));
    let ranges: Vec<_> = seen.damaged.iter().map(|it| (it.first, it.last)).collect();
    assert_eq!(ranges, [(2, 2)]);
    for (sequence, is_there) in [(1, true), (2, false), (3, true)] {
        let body = format!(r#"{{"seq":{sequence}}}"#);
        let message = rig.api("STREAM.MSG.GET.S", &body).await;
        assert_eq!(message.contains(r#""data":"#), is_there, "{message}");
    }
}

/// What reading old messages finds is told by sequence.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damage_is_told_by_sequence() {
    let often = r#","metadata":{"_cognate.verify.every":"1ms"}"#;
    let (rig, mut events) = damaged_stream(often).await;
    check_told(&rig, &mut events).await;
}

/// So is what somebody finds who asks for a message, in each of the ways.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damage_that_a_read_finds_is_told_by_sequence() {
    for way in ["STREAM.MSG.GET.S", "DIRECT.GET.S"] {
        let never = r#","allow_direct":true,"metadata":{"_cognate.verify.every":"0s"}"#;
        let (rig, mut events) = damaged_stream(never).await;
        // What it is answered with is compared there.
        let _ = rig.api(way, r#"{"seq":2}"#).await;
        check_told(&rig, &mut events).await;
    }
}
