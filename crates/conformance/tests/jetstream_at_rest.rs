//! Encryption and compression of streams in files: what clients see does not change, and nobody
//! reads in the files what is encrypted.

use std::path::Path;

use cognate_conformance::Server;
use cognate_conformance::jetstream::{JetStream, payloads};
use serde_json::json;

fn start(dir: &Path, settings: &str) -> (Server, JetStream) {
    let store = dir.to_str().expect("a UTF-8 path");
    let config = format!("jetstream {{ store_dir: '{store}', {settings} }}");
    let server = Server::builder().monitored().config(&config).start();
    let js = JetStream::connect(&server);
    (server, js)
}

/// Which files below `dir` hold one of `words`.
fn holding(dir: &Path, words: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).expect("the store can be read") {
        let path = entry.expect("the store can be read").path();
        if path.is_dir() {
            found.extend(holding(&path, words));
            continue;
        }
        let bytes = std::fs::read(&path).expect("the store can be read");
        let holds = |word: &&str| {
            bytes
                .windows(word.len())
                .any(|part| part == word.as_bytes())
        };
        if words.iter().any(holds) {
            found.push(path.display().to_string());
        }
    }
    found
}

fn fill(js: &mut JetStream, compression: &str) {
    js.stream(json!({
        "name": "S", "subjects": ["hidden.subject.>"], "compression": compression,
        "description": "hidden words",
    }));
    js.consumer(
        "S",
        json!({"name": "C", "durable_name": "C", "ack_policy": "explicit", "filter_subject": "hidden.subject.a"}),
    );
    for n in 0..30 {
        let subject = format!("hidden.subject.{}", if n % 3 == 0 { "a" } else { "b" });
        js.publish(
            &subject,
            &[("Hidden-Header", "1")],
            format!("hidden words {n}; ").repeat(20).as_str(),
        );
    }
    let deliveries = js.fetch("S", "C", 5);
    js.ack_all(&deliveries);
}

fn check(js: &mut JetStream) {
    assert_eq!(js.state("S")["messages"], 30);
    let message = js.ok("STREAM.MSG.GET.S", r#"{"seq":29}"#);
    assert_eq!(message["message"]["subject"], "hidden.subject.b");
    js.consumer(
        "S",
        json!({"name": "ALL", "durable_name": "ALL", "ack_policy": "none"}),
    );
    let all = js.fetch("S", "ALL", 30);
    let expected: Vec<String> = (0..30)
        .map(|n| format!("hidden words {n}; ").repeat(20))
        .collect();
    assert_eq!(payloads(&all), expected);
    js.ok("CONSUMER.DELETE.S.ALL", "");
}

fn stop(mut server: Server, js: JetStream) {
    drop(js);
    server.signal("TERM");
    let _ = server.wait_exit();
}

#[test]
fn what_is_encrypted_is_readable_with_its_key_only() {
    let words = ["hidden.subject", "hidden words", "Hidden-Header"];
    for cipher in ["chacha", "aes"] {
        for compression in ["none", "s2"] {
            let dir = tempfile::tempdir().expect("a temporary directory");
            let settings = format!("key: first-key, cipher: {cipher}");
            let (server, mut js) = start(dir.path(), &settings);
            fill(&mut js, compression);
            stop(server, js);
            let what = format!("{cipher}, {compression}");
            assert_eq!(holding(dir.path(), &words), [""; 0], "{what}");
            let (server, mut js) = start(dir.path(), &settings);
            check(&mut js);
            stop(server, js);
            let changed = format!("key: second-key, prev_key: first-key, cipher: {cipher}");
            let (server, mut js) = start(dir.path(), &changed);
            check(&mut js);
            stop(server, js);
            let (server, mut js) = start(dir.path(), &format!("key: second-key, cipher: {cipher}"));
            check(&mut js);
            stop(server, js);
            assert_eq!(holding(dir.path(), &words), [""; 0], "{what}, later");
        }
    }
}

#[test]
fn what_is_compressed_comes_back_as_it_was() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (server, mut js) = start(dir.path(), "");
    fill(&mut js, "s2");
    check(&mut js);
    assert_eq!(js.ok("STREAM.INFO.S", "")["config"]["compression"], "s2");
    stop(server, js);
    let (_server, mut js) = start(dir.path(), "");
    check(&mut js);
}
