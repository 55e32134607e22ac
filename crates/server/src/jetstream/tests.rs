//! What only the inside can bring about: a disk that does not answer is a stream whose lock somebody
//! holds, and does not let go.

use std::time::Duration;

use cognate_config::options::JetStreamOptions;
use cognate_model::StorageType;
use tempfile::TempDir;

use super::*;
use crate::{LocalClient, LocalMessage, Server};

mod accounts;
mod beyond;
mod hung;

/// How long anything may take.
const DEADLINE: Duration = Duration::from_secs(60);

struct Rig {
    server: Server,
    client: LocalClient,
    directory: TempDir,
}

async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(DEADLINE, future).await {
        Ok(value) => value,
        Err(_) => panic!("gave up waiting for {what}"),
    }
}

impl Rig {
    async fn start(settings: JetStreamOptions) -> Self {
        Self::over(tempfile::tempdir().expect("a directory"), settings).await
    }

    /// A server over a directory in which there may be something.
    async fn over(directory: TempDir, settings: JetStreamOptions) -> Self {
        let settings = JetStreamOptions {
            store_dir: Some(directory.path().to_string_lossy().into_owned()),
            ..settings
        };
        let server = Server::builder().no_port();
        let server = server.configure(|options| options.jetstream = Some(settings));
        let server = server.start().await.expect("a server");
        let client = server.connect_local().await.expect("a client");
        Rig {
            server,
            client,
            directory,
        }
    }

    fn jetstream(&self) -> Arc<AccountJetStream> {
        let jetstream = self.server.shared.jetstream.read().clone();
        let account = jetstream.expect("JetStream is on").of_name("$G");
        account.expect("the global account has JetStream")
    }

    /// The answer to a request, as text.
    async fn ask(&self, subject: &str, body: &str) -> String {
        let answer = within(subject, self.client.request(subject, body.as_bytes())).await;
        let answer = answer.expect("an answer");
        String::from_utf8_lossy(&answer.payload).into_owned()
    }

    async fn api(&self, operation: &str, body: &str) -> String {
        self.ask(&format!("$JS.API.{operation}"), body).await
    }

    /// Makes a stream on the subject of its name.
    async fn stream(&self, name: &str, more: &str) {
        let body = format!(r#"{{"name":"{name}","subjects":["{name}"]{more}}}"#);
        let made = self.api(&format!("STREAM.CREATE.{name}"), &body).await;
        assert!(made.contains("did_create"), "{made}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
#[expect(
    clippy::await_holding_lock,
    reason = "that is what a disk that hangs does"
)]
async fn a_stream_whose_disk_does_not_answer_holds_up_nobody_else() {
    let rig = Rig::start(JetStreamOptions::default()).await;
    rig.stream("HUNG", "").await;
    rig.stream("WELL", "").await;
    let jetstream = rig.jetstream();
    let hung = jetstream.stream("HUNG").expect("a stream");
    let disk = hung.group.lock();

    assert!(rig.ask("WELL", "1").await.contains(r#""seq":1"#));
    for (operation, body) in [
        ("STREAM.INFO.WELL", ""),
        ("STREAM.PURGE.WELL", ""),
        (
            "CONSUMER.CREATE.WELL",
            r#"{"stream_name":"WELL","config":{}}"#,
        ),
        ("INFO", ""),
        ("STREAM.NAMES", ""),
        ("STREAM.CREATE.NEW", r#"{"name":"NEW","subjects":["new"]}"#),
    ] {
        let answer = rig.api(operation, body).await;
        assert!(!answer.contains(r#""error":"#), "{operation}: {answer}");
    }

    let refused = rig.api("STREAM.DELETE.HUNG", "").await;
    assert!(refused.contains("its disk has not answered"), "{refused}");
    let gone = rig.api("STREAM.INFO.HUNG", "").await;
    assert!(gone.contains("10059"), "{gone}");
    let again = r#"{"name":"HUNG","subjects":["HUNG"]}"#;
    let early = rig.api("STREAM.CREATE.HUNG", again).await;
    assert!(early.contains("try again later"), "{early}");

    drop(disk);
    let made = async {
        loop {
            let made = rig.api("STREAM.CREATE.HUNG", again).await;
            if made.contains("did_create") {
                return;
            }
            assert!(made.contains("try again later"), "{made}");
            tokio::task::yield_now().await;
        }
    };
    within("the removal of the old stream", made).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
#[expect(
    clippy::await_holding_lock,
    reason = "that is what a disk that hangs does"
)]
async fn what_is_too_much_for_a_stream_is_refused_and_the_stream_goes_on() {
    let rig = Rig::start(JetStreamOptions {
        max_buffered_msgs: 3,
        ..JetStreamOptions::default()
    })
    .await;
    rig.stream("SLOW", "").await;
    let mut answers = rig.client.subscribe("answers").await.expect("answers");
    let message = LocalMessage {
        subject: "SLOW".to_owned(),
        reply: Some("answers".to_owned()),
        ..LocalMessage::default()
    };
    let jetstream = rig.jetstream();
    let slow = jetstream.stream("SLOW").expect("a stream");
    let disk = slow.group.lock();
    let refusal = async {
        loop {
            let published = rig.client.publish_message(&message).await;
            published.expect("the server takes it");
            rig.client.flush().await.expect("the server goes on");
            let waits = tokio::time::timeout(Duration::from_millis(50), answers.next()).await;
            if let Ok(answer) = waits {
                return answer.expect("an answer");
            }
        }
    };
    let refusal = within("a refusal", refusal).await;
    let expected = r#"{"error":{"code":429,"err_code":10167,"description":"too many requests"},"stream":"SLOW","seq":0}"#;
    assert_eq!(String::from_utf8_lossy(&refusal.payload), expected);
    let headers = refusal.headers.unwrap_or_default();
    assert_eq!(headers, b"NATS/1.0 429 Too Many Requests\r\n\r\n");

    drop(disk);
    let stored = async {
        loop {
            let answer = answers.next().await.expect("an answer");
            if answer.headers.is_none() {
                return String::from_utf8_lossy(&answer.payload).into_owned();
            }
        }
    };
    let stored = within("what was not refused", stored).await;
    assert_eq!(stored, r#"{"stream":"SLOW","seq":1}"#);
    assert!(rig.ask("SLOW", "").await.contains(r#""seq":"#));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_that_raises_the_limit_of_the_store_makes_room() {
    let settings = JetStreamOptions {
        max_file_store: Some(1000),
        max_memory_store: Some(1000),
        ..JetStreamOptions::default()
    };
    let rig = Rig::start(settings).await;
    rig.stream("S", "").await;
    let large = "x".repeat(2000);
    let refused = rig.ask("S", &large).await;
    assert!(refused.contains("10023"), "{refused}");
    let mut options = cognate_config::Options::clone(&rig.server.options());
    if let Some(settings) = &mut options.jetstream {
        settings.max_file_store = Some(100_000);
    }
    rig.server.reload(options).expect("it can be raised");
    let stored = rig.ask("S", &large).await;
    assert!(stored.contains(r#""seq":1"#), "{stored}");
    assert_eq!(rig.jetstream().usage.bytes(StorageType::File), 2000 + 31);
    rig.api("STREAM.DELETE.S", "").await;
    assert_eq!(rig.jetstream().usage.bytes(StorageType::File), 0);
}

/// It takes several steps to remove what a rollup replaces.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_asks_in_the_middle_of_a_rollup_is_told_what_it_leaves() {
    let rig = rig_in_a_rollup().await;
    let settled = async {
        loop {
            let info = rig.api("STREAM.INFO.R", "").await;
            if info.contains(r#""messages":1,"#) {
                return;
            }
            assert!(info.contains(r#""messages":20000,"#), "{info}");
        }
    };
    within("the rollup", settled).await;
}

/// Lists wait for it as long as they may wait.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_tell_what_a_rollup_leaves() {
    let rig = rig_in_a_rollup().await;
    let jetstream = rig.jetstream();
    let stream = jetstream.stream("R").expect("a stream");
    let settled = async {
        loop {
            let deadline = tokio::time::Instant::now() + DEADLINE;
            let messages = tokio::task::block_in_place(|| {
                let group = jetstream.look_when_settled(&stream, deadline);
                group.map(|group| group.state().messages)
            });
            if messages == Some(1) {
                return;
            }
            assert_eq!(messages, Some(20_000));
            tokio::task::yield_now().await;
        }
    };
    within("the rollup", settled).await;
    let list = rig.api("STREAM.LIST", "").await;
    assert!(list.contains(r#""messages":1,"#), "{list}");
}

/// Monitoring waits for the stream's own task to be done with it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn monitoring_tells_what_a_rollup_leaves() {
    let rig = rig_in_a_rollup().await;
    let stream = rig.jetstream().stream("R").expect("a stream");
    let settled = async {
        loop {
            let deadline = tokio::time::Instant::now() + DEADLINE;
            let seen = tokio::task::block_in_place(|| stream.glance(deadline));
            if seen.messages == 1 {
                return;
            }
            assert_eq!(seen.messages, 20_000);
            tokio::task::yield_now().await;
        }
    };
    within("the rollup", settled).await;
}

/// A stream of 20,000 messages, and one on its way that replaces them.
async fn rig_in_a_rollup() -> Rig {
    let rig = Rig::start(JetStreamOptions::default()).await;
    rig.stream("R", r#","allow_rollup_hdrs":true"#).await;
    for _ in 1..20_000 {
        let published = rig.client.publish("R", b"old").await;
        published.expect("the server takes it");
    }
    let last = rig.ask("R", "old").await;
    assert!(last.contains(r#""seq":20000}"#), "{last}");
    let rollup = LocalMessage {
        subject: "R".to_owned(),
        headers: Some(b"NATS/1.0\r\nNats-Rollup: sub\r\n\r\n".to_vec()),
        ..LocalMessage::default()
    };
    let published = rig.client.publish_message(&rollup).await;
    published.expect("the server takes it");
    rig
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_of_all_streams_share_the_servers_places() {
    let mut settings = JetStreamOptions::default();
    settings.limits.batch.max_inflight_total = Some(1);
    let rig = Rig::start(settings).await;
    rig.stream("A", r#","allow_atomic":true"#).await;
    rig.stream("B", r#","allow_atomic":true"#).await;
    let begin = async |stream: &str| {
        let headers =
            format!("NATS/1.0\r\nNats-Batch-Id: {stream}\r\nNats-Batch-Sequence: 1\r\n\r\n");
        let mut answers = rig.client.subscribe(&format!("reply.{stream}")).await?;
        let message = LocalMessage {
            subject: stream.to_owned(),
            reply: Some(format!("reply.{stream}")),
            headers: Some(headers.into_bytes()),
            payload: Vec::new(),
        };
        rig.client.publish_message(&message).await?;
        let answer = within("the answer to a batch", answers.next()).await;
        let payload = answer.unwrap_or_default().payload;
        Ok::<_, crate::LocalError>(String::from_utf8_lossy(&payload).into_owned())
    };
    assert_eq!(begin("A").await, Ok(String::new()), "the batch is begun");
    let refused = begin("B").await.expect("an answer");
    assert!(refused.contains("10210"), "{refused}");
    rig.api("STREAM.DELETE.A", "").await;
    assert_eq!(
        begin("B").await,
        Ok(String::new()),
        "the place is free again"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sync_waits_for_its_turn_at_the_disk() {
    let settings = JetStreamOptions {
        max_concurrent_io: 1,
        ..JetStreamOptions::default()
    };
    let rig = Rig::start(settings).await;
    rig.stream("S", "").await;
    let jetstream = rig.jetstream();
    let others = Arc::clone(&jetstream.server.disk_slots)
        .acquire_owned()
        .await;
    let mut answers = rig.client.subscribe("answers").await.expect("answers");
    let message = LocalMessage {
        subject: "S".to_owned(),
        reply: Some("answers".to_owned()),
        ..LocalMessage::default()
    };
    let published = rig.client.publish_message(&message).await;
    published.expect("the server takes it");
    let stream = jetstream.stream("S").expect("a stream");
    let applied = async {
        while stream.group.lock().state().messages == 0 {
            tokio::task::yield_now().await;
        }
    };
    within("the step that stores it", applied).await;
    // The step is over, and whatever it said has arrived.
    rig.api("INFO", "").await;
    let early = tokio::time::timeout(Duration::ZERO, answers.next()).await;
    assert!(early.is_err(), "it was acknowledged without a sync");
    drop(others);
    let answer = within("the acknowledgement", answers.next()).await;
    assert!(answer.is_some());
}
