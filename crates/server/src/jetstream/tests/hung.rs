//! Disks that do not answer, and those who have nothing to do with them.

use parking_lot::MutexGuard;
use tokio::time::Instant;

use super::*;
use crate::jetstream::disk::hang::{Call, Hanging};

const UNAVAILABLE: &str = "10008";

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
#[expect(
    clippy::await_holding_lock,
    reason = "that is what a disk that hangs does"
)]
async fn requests_that_wait_for_such_a_disk_are_answered() {
    let rig = Rig::start(JetStreamOptions::default()).await;
    rig.stream("HUNG", "").await;
    rig.stream("WELL", "").await;
    let jetstream = rig.jetstream();
    let hung = jetstream.stream("HUNG").expect("a stream");
    let disk = hung.group.lock();

    for operation in [
        "STREAM.PURGE.HUNG",
        "STREAM.INFO.HUNG",
        "CONSUMER.NAMES.HUNG",
    ] {
        let answer = rig.api(operation, "").await;
        assert!(answer.contains(UNAVAILABLE), "{operation}: {answer}");
    }
    let list = rig.api("STREAM.LIST", "").await;
    assert!(list.contains(r#""missing":["HUNG"]"#), "{list}");
    assert!(list.contains(r#""name":"WELL""#), "{list}");
    // The purge still has the lane.
    let deleted = rig.api("STREAM.DELETE.HUNG", "").await;
    assert!(deleted.contains("its disk has not answered"), "{deleted}");

    drop(disk);
    let again = r#"{"name":"HUNG","subjects":["HUNG"]}"#;
    let made = async {
        while !rig
            .api("STREAM.CREATE.HUNG", again)
            .await
            .contains("did_create")
        {
            tokio::task::yield_now().await;
        }
    };
    within("the removal of the old stream", made).await;
}

/// There are more of them than threads.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_that_wait_for_such_disks_take_no_thread_from_others() {
    let rig = Rig::start(JetStreamOptions::default()).await;
    rig.stream("WELL", "").await;
    let mut streams = Vec::new();
    for name in ["A", "B", "C", "D"] {
        rig.stream(name, "").await;
        streams.extend(rig.jetstream().stream(name));
    }
    let disks: Vec<MutexGuard<'_, _>> = streams.iter().map(|stream| stream.group.lock()).collect();
    for stream in &streams {
        let published = rig.client.publish(&stream.name, b"it waits").await;
        published.expect("the server takes it");
    }
    for sequence in 1..=20 {
        let stored = rig.ask("WELL", "1").await;
        assert!(stored.contains(&format!(r#""seq":{sequence}"#)), "{stored}");
    }
    drop(disks);
    for stream in &streams {
        let stored = rig.ask(&stream.name, "2").await;
        assert!(stored.contains(r#""seq":2"#), "{stored}");
    }
}

/// What goes on while the disk of all streams in files hangs. There are more of those than threads, and
/// than sets of working memory.
async fn check_a_disk_that_hangs(call: Call) {
    let rig = Rig::start(JetStreamOptions::default()).await;
    rig.stream("WELL", r#","storage":"memory""#).await;
    let names: Vec<String> = (0..24).map(|number| format!("HUNG{number}")).collect();
    for name in &names {
        rig.stream(name, "").await;
    }
    let hanging = Hanging::below(rig.directory.path(), call);
    for name in &names {
        let published = rig.client.publish(name, b"it waits").await;
        published.expect("the server takes it");
    }
    for sequence in 1..=20 {
        let stored = rig.ask("WELL", "1").await;
        assert!(stored.contains(&format!(r#""seq":{sequence}"#)), "{stored}");
    }
    for (operation, body) in [
        ("STREAM.PURGE.HUNG0", ""),
        ("STREAM.MSG.DELETE.HUNG1", r#"{"seq":1}"#),
        ("STREAM.MSG.GET.HUNG2", r#"{"seq":1}"#),
        ("STREAM.CREATE.NEW", r#"{"name":"NEW","subjects":["new"]}"#),
    ] {
        let answer = rig.api(operation, body).await;
        assert!(answer.contains(UNAVAILABLE), "{operation}: {answer}");
    }
    let list = rig.api("STREAM.LIST", "").await;
    assert!(list.contains(r#""name":"WELL""#), "{list}");
    let is_missing = list.contains(r#""missing":["HUNG0","#);
    assert_eq!(is_missing, call == Call::Write, "{list}");
    let created =
        r#"{"stream_name":"HUNG3","config":{"durable_name":"C","ack_policy":"explicit"}}"#;
    let answer = rig.api("CONSUMER.CREATE.HUNG3.C", created).await;
    assert!(answer.contains(UNAVAILABLE), "{answer}");
    let health = async {
        loop {
            let silent = rig.jetstream().streams().into_iter().filter_map(|stream| {
                let failure = stream.glance(Instant::now()).failure?;
                failure.contains("its disk has not answered").then_some(())
            });
            if silent.count() == names.len() {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    within("all of them to be told", health).await;
    drop(hanging);
    for name in &names[4..] {
        let stored = rig.ask(name, "2").await;
        assert!(stored.contains(r#""seq":2"#), "{stored}");
    }
    // What was refused goes on.
    let made = async {
        while !rig
            .api("STREAM.INFO.NEW", "")
            .await
            .contains(r#""name":"NEW""#)
        {
            tokio::task::yield_now().await;
        }
    };
    within("the stream that was being made", made).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_that_hang_without_warning_hold_up_nobody_else() {
    check_a_disk_that_hangs(Call::Write).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn syncs_that_hang_without_warning_hold_up_nobody_else() {
    check_a_disk_that_hangs(Call::Sync).await;
}

/// Its streams are given up after a while, and the end comes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_whose_disk_hangs_can_be_stopped() {
    for call in [Call::Write, Call::Sync] {
        let rig = Rig::start(JetStreamOptions::default()).await;
        rig.stream("HUNG", "").await;
        let stream = rig.jetstream().stream("HUNG").expect("a stream");
        let hanging = Hanging::below(rig.directory.path(), call);
        let published = rig.client.publish("HUNG", b"it waits").await;
        published.expect("the server takes it");
        let waits = async {
            while stream.silence.so_far(Instant::now()).is_none() {
                tokio::task::yield_now().await;
            }
        };
        within("the disk to hang", waits).await;
        within("the server's end", rig.server.shutdown()).await;
        assert!(!*stream.closed.borrow(), "it still waits for its disk");
        drop(hanging);
        let mut closed = stream.closed.subscribe();
        let is_closed = within("the stream's end", closed.wait_for(|closed| *closed)).await;
        assert!(is_closed.is_ok());
    }
}

/// What it does not wait for comes into service when its disk answers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_starts_without_the_streams_whose_disk_hangs() {
    let rig = Rig::start(JetStreamOptions::default()).await;
    for name in ["HUNG", "WELL"] {
        rig.stream(name, "").await;
        assert!(rig.ask(name, "1").await.contains(r#""seq":1"#));
    }
    let path = rig.jetstream().streams_path().join("HUNG");
    within("the server's end", rig.server.shutdown()).await;
    let hanging = Hanging::below(&path, Call::Sync);
    let again = Rig::over(rig.directory, JetStreamOptions::default());
    let rig = within("a start", again).await;

    assert!(rig.ask("WELL", "2").await.contains(r#""seq":2"#));
    let same = r#"{"name":"HUNG","subjects":["HUNG"]}"#;
    for (operation, body) in [
        ("STREAM.INFO.HUNG", ""),
        ("STREAM.CREATE.HUNG", same),
        ("STREAM.DELETE.HUNG", ""),
        ("CONSUMER.NAMES.HUNG", ""),
    ] {
        let answer = rig.api(operation, body).await;
        assert!(answer.contains(UNAVAILABLE), "{operation}: {answer}");
    }
    let overlapping = r#"{"name":"NEW","subjects":["HUNG"]}"#;
    let refused = rig.api("STREAM.CREATE.NEW", overlapping).await;
    assert!(refused.contains("overlap"), "{refused}");
    let list = rig.api("STREAM.LIST", "").await;
    assert!(list.contains(r#""missing":["HUNG"]"#), "{list}");
    assert!(list.contains(r#""name":"WELL""#), "{list}");
    let late = rig.jetstream().late.list();
    assert!(
        matches!(&late[..], [(name, _)] if name == "HUNG"),
        "{late:?}"
    );

    drop(hanging);
    let jetstream = rig.jetstream();
    within("the stream", jetstream.late.all_there()).await;
    assert!(rig.ask("HUNG", "2").await.contains(r#""seq":2"#));
    within("the server's end", rig.server.shutdown()).await;
}
