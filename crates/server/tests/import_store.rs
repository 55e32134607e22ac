//! Taking over the store of a Go server: what was there is there, what is damaged is told, and nothing
//! is overwritten or removed.
//!
//! The stores are those that nats-server 2.14.5 wrote; `crates/gostore/tests/fixtures/README.md` says
//! how.

use std::path::{Path, PathBuf};

use cognate_config::Options;
use cognate_config::options::{JetStreamOptions, Secret, StoreCipher, StoreEncryption};
use cognate_server::{LocalClient, Server, import_store};
use serde_json::Value;
use tempfile::TempDir;

/// The key that the encrypted stores were made with.
const KEY: &str = "secret one";

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../gostore/tests/fixtures/stores")
        .join(name)
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a temporary directory can be written");
    for entry in std::fs::read_dir(from).expect("the fixture is there") {
        let entry = entry.expect("the fixture can be read");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("a temporary file can be written");
        }
    }
}

/// A Go server's store directory with the streams of a fixture.
fn store_of(kind: &str) -> TempDir {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let streams = directory.path().join("jetstream/$G/streams");
    copy(&fixture(kind), &streams);
    directory
}

fn options(store_dir: &Path, key: Option<&str>) -> Options {
    Options {
        jetstream: Some(JetStreamOptions {
            store_dir: Some(store_dir.to_string_lossy().into_owned()),
            encryption: key.map(|key| StoreEncryption {
                key: Secret::new("a new key"),
                previous: Some(Secret::new(key)),
                cipher: StoreCipher::default(),
            }),
            ..JetStreamOptions::default()
        }),
        dont_listen: true,
        ..Options::default()
    }
}

/// Imports; what it said, and whether everything was taken.
fn import(options: &Options, from: &Path) -> (Vec<String>, Result<bool, String>) {
    let mut lines = Vec::new();
    let outcome = import_store(options, from, &mut |line| lines.push(line.to_owned()));
    (lines, outcome)
}

async fn ask(client: &LocalClient, subject: &str) -> Value {
    let subject = format!("$JS.API.{subject}");
    let answer = client.request(&subject, b"").await;
    let answer = answer.expect("the API answers");
    serde_json::from_slice(&answer.payload).expect("answers are JSON")
}

/// Compares what a server has with what the Go server said.
async fn check_streams(options: Options, kind: &str) {
    let server = Server::builder().options(options);
    let server = server.start().await.expect("the server starts");
    let client = server.connect_local().await.expect("everyone may connect");
    let said = std::fs::read(fixture(&format!("{kind}.json"))).expect("the fixture is there");
    let said: Value = serde_json::from_slice(&said).expect("expectations are JSON");
    for (stream, expected) in said.as_object().expect("an object") {
        let info = ask(&client, &format!("STREAM.INFO.{stream}")).await;
        for field in [
            "messages",
            "bytes",
            "first_seq",
            "first_ts",
            "last_seq",
            "last_ts",
        ] {
            let (found, expected) = (&info["state"][field], &expected["state"][field]);
            assert_eq!(found, expected, "{kind} {stream} {field}");
        }
        assert_eq!(info["created"], expected["created"], "{kind} {stream}");
        for (consumer, expected) in expected["consumers"].as_object().expect("an object") {
            let info = ask(&client, &format!("CONSUMER.INFO.{stream}.{consumer}")).await;
            for field in [
                "num_ack_pending",
                "num_redelivered",
                "num_pending",
                "created",
            ] {
                assert_eq!(info[field], expected[field], "{kind} {consumer} {field}");
            }
            for field in ["delivered", "ack_floor"] {
                for inner in ["consumer_seq", "stream_seq"] {
                    let (found, expected) = (&info[field][inner], &expected[field][inner]);
                    assert_eq!(found, expected, "{kind} {consumer} {field}");
                }
            }
        }
    }
    server.shutdown().await;
}

#[tokio::test]
async fn stores_of_every_kind_are_taken_over() {
    for (kind, key) in [
        ("plain", None),
        ("compressed", None),
        ("chacha", Some(KEY)),
        ("aes", Some(KEY)),
    ] {
        let from = store_of(kind);
        let to = tempfile::tempdir().expect("a temporary directory");
        let options = options(to.path(), key);
        let (lines, outcome) = import(&options, from.path());
        assert_eq!(outcome, Ok(true), "{kind}: {lines:#?}");
        let orders = "Stream '$G > ORDERS': took 24 messages, 4 consumers; the next sequence is 31";
        assert!(
            lines.iter().any(|line| line == orders),
            "{kind}: {lines:#?}"
        );
        check_streams(options.clone(), kind).await;
        // What is there stays as it is.
        let (lines, outcome) = import(&options, from.path());
        assert_eq!(outcome, Ok(false), "{kind}");
        let skipped = lines
            .iter()
            .filter(|line| line.ends_with("is there already"));
        assert_eq!(skipped.count(), 4, "{kind}: {lines:#?}");
        check_streams(options, kind).await;
    }
}

#[test]
fn damage_is_told_and_costs_what_it_hits() {
    let from = store_of("plain");
    let block = from.path().join("jetstream/$G/streams/ORDERS/msgs/1.blk");
    let mut bytes = std::fs::read(&block).expect("the block is there");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&block, bytes).expect("a temporary file can be written");
    let to = tempfile::tempdir().expect("a temporary directory");
    let (lines, outcome) = import(&options(to.path(), None), from.path());
    assert_eq!(outcome, Ok(false));
    let told = |text: &str| lines.iter().any(|line| line.contains(text));
    assert!(told("ORDERS': took 23 messages, 4 consumers"), "{lines:#?}");
    assert!(told("  lost: message "), "{lines:#?}");
    assert!(told("bytes of block 1 are damaged"), "{lines:#?}");
}

#[test]
fn what_cannot_be_taken_is_told() {
    let from = store_of("chacha");
    let other = from.path().join("jetstream/ACME/streams");
    copy(&fixture("plain"), &other);
    let to = tempfile::tempdir().expect("a temporary directory");
    let (lines, outcome) = import(&options(to.path(), None), from.path());
    assert_eq!(outcome, Ok(false));
    let told = |text: &str| lines.iter().any(|line| line.contains(text));
    assert!(told("it is encrypted and no key was given"), "{lines:#?}");
    assert!(told("'ACME > ORDERS': took 24 messages"), "{lines:#?}");
    let nothing = tempfile::tempdir().expect("a temporary directory");
    let (_, outcome) = import(&options(to.path(), None), nothing.path());
    let refused = outcome.expect_err("there is nothing to import");
    assert!(refused.contains("has no JetStream store"), "{refused}");
}

/// The directories of both servers have the same names: one that is started over the other's store
/// must not take it for its own rubbish.
#[tokio::test]
async fn a_server_over_a_go_servers_store_leaves_it_alone() {
    let from = store_of("plain");
    let options = options(from.path(), None);
    let (_, outcome) = import(&options, from.path());
    let refused = outcome.expect_err("it is the same directory");
    assert!(
        refused.contains("move the Go server's store away"),
        "{refused}"
    );
    let server = Server::builder().options(options);
    let server = server.start().await.expect("the server starts");
    let client = server.connect_local().await.expect("everyone may connect");
    let body = br#"{"name":"ORDERS","subjects":["o"],"storage":"file"}"#;
    let answer = client.request("$JS.API.STREAM.CREATE.ORDERS", body).await;
    let answer = answer.expect("the API answers");
    let text = String::from_utf8_lossy(&answer.payload);
    assert!(text.contains("--import-store"), "{text}");
    server.shutdown().await;
    let left = from.path().join("jetstream/$G/streams");
    let to = tempfile::tempdir().expect("a temporary directory");
    let moved = to.path().join("old/jetstream/$G/streams");
    std::fs::create_dir_all(moved.parent().expect("it has one")).expect("it can be made");
    std::fs::rename(left, moved).expect("it can be moved");
    let options = self::options(&to.path().join("new"), None);
    let (lines, outcome) = import(&options, &to.path().join("old"));
    assert_eq!(outcome, Ok(true), "{lines:#?}");
    check_streams(options, "plain").await;
}
