//! Encryption at rest seen from a program: a stream is opened by its key, or not at all.

use std::path::Path;

use cognate_config::options::{JetStreamOptions, Secret, StoreCipher, StoreEncryption};
use cognate_server::{Builder, Server};

fn encrypted(dir: &Path, key: Option<&str>) -> Builder {
    let store_dir = dir.to_str().map(str::to_owned);
    let encryption = key.map(|key| StoreEncryption {
        key: Secret::new(key),
        previous: None,
        cipher: StoreCipher::ChaCha,
    });
    Server::builder().no_port().configure(move |options| {
        options.jetstream = Some(JetStreamOptions {
            store_dir,
            encryption,
            ..JetStreamOptions::default()
        });
    })
}

async fn ask(server: &Server, subject: &str, payload: &str) -> String {
    let client = server.connect_local().await.expect("everyone may connect");
    let answer = client.request(subject, payload.as_bytes()).await;
    String::from_utf8_lossy(&answer.expect("JetStream answers").payload).into_owned()
}

#[tokio::test]
async fn a_server_with_another_key_does_not_start_and_changes_nothing() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let right = Some("the right key");
    let server = encrypted(dir.path(), right).start().await.expect("starts");
    let create = r#"{"name":"ORDERS","subjects":["orders"]}"#;
    let created = ask(&server, "$JS.API.STREAM.CREATE.ORDERS", create).await;
    assert!(created.contains("did_create"), "{created}");
    let stored = ask(&server, "orders", "one").await;
    assert!(stored.contains("\"seq\":1"), "{stored}");
    server.shutdown().await;
    for wrong in [Some("the wrong key"), None] {
        let refused = encrypted(dir.path(), wrong).start().await;
        let reason = refused.map(drop).expect_err("it is encrypted").to_string();
        assert!(
            reason.contains("$G > ORDERS") && reason.contains("key"),
            "{reason}"
        );
    }
    let server = encrypted(dir.path(), right).start().await.expect("starts");
    let message = ask(&server, "$JS.API.STREAM.MSG.GET.ORDERS", r#"{"seq":1}"#).await;
    assert!(message.contains("b25l"), "{message}");
    server.shutdown().await;
}
