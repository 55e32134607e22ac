//! Disks that do not answer, and those who have nothing to do with them.

use parking_lot::MutexGuard;

use super::*;

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
