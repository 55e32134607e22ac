//! Snapshot and restore of a stream over the API: the exchange of chunks and its refusals. The
//! chunks are opaque here: what one server wrote, it must take back.

use cognate_conformance::jetstream::{JetStream, check_api, check_json, counts, server};
use cognate_conformance::{Client, Server};
use serde_json::{Value, json};

/// A raw connection, because chunks are not text.
struct Raw {
    client: Client,
}

/// A message as bytes: its subject, its reply if any, and everything after the control line.
struct Chunk {
    subject: String,
    sid: String,
    reply: Option<String>,
    body: Vec<u8>,
}

impl Raw {
    fn connect(server: &Server) -> Self {
        let mut client = server.quiet();
        client.send("SUB inbox 1\r\nSUB chunks 2\r\n").sync();
        Self { client }
    }

    fn request(&mut self, subject: &str, body: &[u8]) {
        let line = format!("PUB {subject} inbox {}\r\n", body.len());
        let bytes = [line.as_bytes(), body, b"\r\n"].concat();
        self.client.send(bytes);
    }

    #[track_caller]
    fn next(&mut self) -> Chunk {
        let line = self.client.line();
        let words: Vec<&str> = line.split(' ').collect();
        let sizes = if words[0] == "HMSG" { 2 } else { 1 };
        let size: usize = words[words.len() - 1].parse().expect("a size");
        let mut body = self.client.take(size + 2);
        body.truncate(size);
        Chunk {
            subject: words[1].to_owned(),
            sid: words[2].to_owned(),
            reply: (words.len() == 4 + sizes).then(|| words[3].to_owned()),
            body,
        }
    }

    #[track_caller]
    fn answer(&mut self) -> Value {
        self.answer_on("inbox")
    }

    #[track_caller]
    fn answer_on(&mut self, subject: &str) -> Value {
        let message = self.next();
        assert_eq!(message.subject, subject);
        serde_json::from_slice(&message.body).expect("JSON")
    }

    /// Takes a snapshot of S: the answer and the chunks.
    #[track_caller]
    fn snapshot(&mut self, options: &str) -> (Value, Vec<Vec<u8>>) {
        self.snapshot_of("S", options)
    }

    /// Takes a snapshot of a stream.
    #[track_caller]
    fn snapshot_of(&mut self, stream: &str, options: &str) -> (Value, Vec<Vec<u8>>) {
        let body = format!(r#"{{"deliver_subject":"chunks"{options}}}"#);
        let subject = format!("$JS.API.STREAM.SNAPSHOT.{stream}");
        self.request(&subject, body.as_bytes());
        let answer = self.answer();
        assert_eq!(answer.get("error"), None, "{answer}");
        let mut chunks = Vec::new();
        loop {
            let chunk = self.next();
            assert_eq!(chunk.subject, "chunks");
            if chunk.body.is_empty() || chunk.body.starts_with(b"NATS/1.0 204\r\n") {
                return (answer, chunks);
            }
            chunks.push(chunk.body);
            if let Some(reply) = chunk.reply {
                let prefix = format!("$JS.SNAPSHOT.ACK.{stream}.");
                assert!(reply.starts_with(&prefix), "{reply}");
                self.client.send(format!("PUB {reply} 0\r\n\r\n"));
            }
        }
    }

    /// Restores what a snapshot gave; returns the last answer.
    #[track_caller]
    fn restore(&mut self, answer: &Value, chunks: &[Vec<u8>]) -> Value {
        let stream = answer["config"]["name"].as_str().expect("a name");
        let body = json!({"config": answer["config"], "state": answer["state"]}).to_string();
        let subject = format!("$JS.API.STREAM.RESTORE.{stream}");
        self.request(&subject, body.as_bytes());
        let started = self.answer();
        let target = started["deliver_subject"].as_str().expect("a subject");
        let prefix = format!("$JS.SNAPSHOT.RESTORE.{stream}.");
        assert!(target.starts_with(&prefix), "{started}");
        for chunk in chunks {
            self.request(target, chunk);
            let received = self.next().body;
            if !received.is_empty() {
                // The server may find out early that this is nothing it can use.
                return serde_json::from_slice(&received).expect("JSON");
            }
        }
        self.request(target, b"");
        self.answer()
    }
}

/// A stream S with a gap and a consumer that acked something.
fn filled(js: &mut JetStream) {
    js.stream(json!({"name": "S", "subjects": ["s.>"]}));
    js.fill(&["s.1", "s.2", "s.3", "s.1"]);
    js.put("s.big", "x".repeat(300_000));
    js.ok("STREAM.MSG.DELETE.S", r#"{"seq":2}"#);
    js.durable("S", "C");
    let all = js.fetch("S", "C", 3);
    js.ack(&all[0], "");
}

#[test]
fn a_stream_comes_back_with_its_consumers() {
    for options in ["", r#","chunk_size":65536,"window_size":131072"#] {
        let server = server();
        let mut js = JetStream::connect(&server);
        filled(&mut js);
        let numbers = js.numbers("S", "C");
        let before = js.ok("STREAM.INFO.S", r#"{"deleted_details":true}"#);
        let mut raw = Raw::connect(&server);
        let (answer, chunks) = raw.snapshot(options);
        assert_eq!(
            answer["type"],
            "io.nats.jetstream.api.v1.stream_snapshot_response"
        );
        assert_eq!(answer["state"]["messages"], 4);
        js.ok("STREAM.DELETE.S", "");
        let restored = raw.restore(&answer, &chunks);
        assert_eq!(
            restored["type"],
            "io.nats.jetstream.api.v1.stream_create_response"
        );
        assert_eq!(restored["created"], before["created"]);
        let after = js.ok("STREAM.INFO.S", r#"{"deleted_details":true}"#);
        check_json(
            &after["state"],
            &cognate_conformance::jetstream::stable(before["state"].clone()),
        );
        assert_eq!(js.numbers("S", "C"), numbers);
        let next = js.fetch("S", "C", 1);
        assert_eq!(counts(&next[0])[1], 5);
        assert_eq!(js.put("s.1", "x"), 6);
    }
}

/// Official clients have one subscription for all answers, which matches the chunks as well, and listen to
/// these only when they have the answer: what was sent before would be lost.
#[test]
fn chunks_wait_for_who_listens_to_them_alone() {
    let server = server();
    let mut js = JetStream::connect(&server);
    filled(&mut js);
    let mut client = server.quiet();
    let body = r#"{"deliver_subject":"in.chunks"}"#;
    let ask = format!(
        "SUB in.* 1\r\nPUB $JS.API.STREAM.SNAPSHOT.S in.answer {}\r\n{body}\r\n",
        body.len()
    );
    client.send(ask);
    let mut raw = Raw { client };
    let answer = raw.answer_on("in.answer");
    assert_eq!(answer.get("error"), None, "{answer}");
    // Another snapshot is taken whole meanwhile.
    Raw::connect(&server).snapshot("");
    raw.client.sync();
    raw.client.send("UNSUB 1\r\nSUB in.chunks 2\r\n");
    let first = raw.next();
    assert_eq!(
        (first.subject.as_str(), first.sid.as_str()),
        ("in.chunks", "2")
    );
    assert!(!first.body.is_empty());
}

#[test]
fn a_snapshot_can_leave_the_consumers_out() {
    let server = server();
    let mut js = JetStream::connect(&server);
    filled(&mut js);
    let mut raw = Raw::connect(&server);
    let (answer, chunks) = raw.snapshot(r#","no_consumers":true"#);
    js.ok("STREAM.DELETE.S", "");
    raw.restore(&answer, &chunks);
    let state = js.state("S");
    assert_eq!(
        (&state["messages"], &state["consumer_count"]),
        (&json!(4), &json!(0))
    );
}

#[test]
fn what_is_no_snapshot_restores_nothing() {
    let server = server();
    let mut js = JetStream::connect(&server);
    filled(&mut js);
    let mut raw = Raw::connect(&server);
    let (answer, _) = raw.snapshot("");
    js.ok("STREAM.DELETE.S", "");
    let refused = raw.restore(&answer, &[b"not a snapshot".to_vec()]);
    assert_eq!(refused["error"]["err_code"], 10062, "{refused}");
    assert_eq!(
        js.outcome("STREAM.INFO.S", ""),
        "404 10059 stream not found"
    );
}

#[test]
fn snapshots_and_restores_are_refused() {
    let server = server();
    let mut js = JetStream::connect(&server);
    js.stream(json!({"name": "S", "subjects": ["s.>"]}));
    let state = r#""state":{"messages":0,"bytes":0,"first_seq":0,"first_ts":"0001-01-01T00:00:00Z","last_seq":0,"last_ts":"0001-01-01T00:00:00Z","consumer_count":0}"#;
    check_api(
        &mut js,
        &[
            (
                "STREAM.SNAPSHOT.NOPE",
                r#"{"deliver_subject":"chunks"}"#,
                "404 10059 stream not found",
            ),
            (
                "STREAM.SNAPSHOT.S",
                r#"{"deliver_subject":""}"#,
                "400 10015 deliver subject not valid",
            ),
            (
                "STREAM.RESTORE.S",
                &format!(r#"{{"config":{{"name":"S"}},{state}}}"#),
                "400 10130 stream name already in use, cannot restore",
            ),
            (
                "STREAM.RESTORE.T",
                &format!(r#"{{"config":{{"name":"S"}},{state}}}"#),
                "400 10056 stream name in subject does not match request",
            ),
        ],
    );
}

#[test]
fn snapshots_and_restores_are_announced() {
    let server = server();
    let mut js = JetStream::connect(&server);
    filled(&mut js);
    let mut raw = Raw::connect(&server);
    let kinds = [
        ("SNAPSHOT_CREATE", "state"),
        ("SNAPSHOT_COMPLETE", "end"),
        ("RESTORE_CREATE", "client"),
        ("RESTORE_COMPLETE", "bytes"),
    ];
    let events = kinds.map(|(kind, _)| {
        let subject = format!("$JS.EVENT.ADVISORY.STREAM.{kind}.S");
        js.subscribe(&subject)
    });
    let (answer, chunks) = raw.snapshot("");
    js.ok("STREAM.DELETE.S", "");
    raw.restore(&answer, &chunks);
    for ((kind, own), events) in kinds.into_iter().zip(events) {
        let event = js.next(events).payload;
        let fields: Value = serde_json::from_str(&event).expect("JSON");
        assert_eq!(
            fields["type"],
            format!("io.nats.jetstream.advisory.v1.{}", kind.to_lowercase())
        );
        assert_eq!(
            (&fields["stream"], &fields["client"]["acc"]),
            (&json!("S"), &json!("$G"))
        );
        assert!(fields.get(own).is_some(), "{own} in {fields}");
    }
}

/// Backups that nats-server 2.14.5 wrote.
const BACKUPS: [(&str, &[u8], &[u8]); 4] = [
    (
        "ORDERS",
        include_bytes!("../../gostore/tests/fixtures/snapshots/ORDERS.json"),
        include_bytes!("../../gostore/tests/fixtures/snapshots/ORDERS.snapshot"),
    ),
    (
        "KV_CONF",
        include_bytes!("../../gostore/tests/fixtures/snapshots/KV_CONF.json"),
        include_bytes!("../../gostore/tests/fixtures/snapshots/KV_CONF.snapshot"),
    ),
    (
        "WORK",
        include_bytes!("../../gostore/tests/fixtures/snapshots/WORK.json"),
        include_bytes!("../../gostore/tests/fixtures/snapshots/WORK.snapshot"),
    ),
    (
        "EMPTY",
        include_bytes!("../../gostore/tests/fixtures/snapshots/EMPTY.json"),
        include_bytes!("../../gostore/tests/fixtures/snapshots/EMPTY.snapshot"),
    ),
];

/// What nats-server said of the streams in them.
const SAID: &[u8] = include_bytes!("../../gostore/tests/fixtures/stores/plain.json");

fn parsed(text: &[u8]) -> Value {
    serde_json::from_slice(text).expect("fixtures are JSON")
}

/// Restores all backups on a server.
fn restore_backups(server: &Server) -> JetStream {
    let mut raw = Raw::connect(server);
    for (name, answer, bytes) in BACKUPS {
        let chunks: Vec<_> = bytes.chunks(5000).map(<[u8]>::to_vec).collect();
        let restored = raw.restore(&parsed(answer), &chunks);
        assert_eq!(restored.get("error"), None, "{name}: {restored}");
    }
    JetStream::connect(server)
}

/// What can be asked about the streams of the backups. The Go server forgets when a stream was created
/// that it restored.
fn described(js: &mut JetStream) -> Value {
    let mut all = serde_json::Map::new();
    for (name, ..) in BACKUPS {
        let info = js.ok(
            &format!("STREAM.INFO.{name}"),
            r#"{"deleted_details":true}"#,
        );
        let mut messages = Vec::new();
        let number = |field: &str| info["state"][field].as_u64().unwrap_or(0);
        for sequence in number("first_seq")..=number("last_seq") {
            let body = format!(r#"{{"seq":{sequence}}}"#);
            let answer = js.api(&format!("STREAM.MSG.GET.{name}"), body.as_str());
            messages.push(answer["message"].clone());
        }
        let list = js.ok(&format!("CONSUMER.NAMES.{name}"), "");
        let consumers = list["consumers"].as_array().cloned().unwrap_or_default();
        let consumers: Vec<String> = consumers
            .iter()
            .filter_map(Value::as_str)
            .map(|consumer| format!("{consumer}: {}", js.numbers(name, consumer)))
            .collect();
        let facts = json!({
            "state": info["state"],
            "messages": messages,
            "consumers": consumers,
        });
        all.insert(name.to_owned(), facts);
    }
    Value::Object(all)
}

#[test]
fn backups_of_the_go_server_are_restored() {
    let server = server();
    let mut js = restore_backups(&server);
    let said = parsed(SAID);
    for (name, ..) in BACKUPS {
        let info = js.ok(
            &format!("STREAM.INFO.{name}"),
            r#"{"deleted_details":true}"#,
        );
        assert_eq!(info["state"], said[name]["state"], "{name}");
        assert_eq!(info["created"], said[name]["created"], "{name}");
        let consumers = said[name]["consumers"].as_object().expect("an object");
        for (consumer, expected) in consumers {
            let info = js.ok(&format!("CONSUMER.INFO.{name}.{consumer}"), "");
            for (field, inner) in [
                ("delivered", "consumer_seq"),
                ("delivered", "stream_seq"),
                ("ack_floor", "consumer_seq"),
                ("ack_floor", "stream_seq"),
            ] {
                assert_eq!(
                    info[field][inner], expected[field][inner],
                    "{consumer} {field}"
                );
            }
            for field in [
                "num_ack_pending",
                "num_redelivered",
                "num_pending",
                "created",
            ] {
                assert_eq!(info[field], expected[field], "{consumer} {field}");
            }
        }
    }
}

/// With `NATS_GO_SERVER_BIN` naming a nats-server of version 2.14 or later: what it restores from our
/// backups is what we have, and the other way round.
#[test]
fn backups_go_there_and_back() {
    let Some(binary) = std::env::var_os("NATS_GO_SERVER_BIN") else {
        return;
    };
    let ours = server();
    let expected = described(&mut restore_backups(&ours));
    let builder = Server::builder().binary(std::path::Path::new(&binary));
    let store = builder.dir().join("store");
    let store = store.to_str().expect("a UTF-8 path").to_owned();
    let theirs = builder.args(&["-js", "-sd", &store]).start();
    let again = server();
    for (from, to) in [(&ours, &theirs), (&theirs, &again)] {
        let (mut source, mut target) = (Raw::connect(from), Raw::connect(to));
        for (name, ..) in BACKUPS {
            let (answer, chunks) = source.snapshot_of(name, r#","chunk_size":4096"#);
            let restored = target.restore(&answer, &chunks);
            assert_eq!(restored.get("error"), None, "{name}: {restored}");
        }
        let found = described(&mut JetStream::connect(to));
        for (name, ..) in BACKUPS {
            for field in ["state", "consumers", "messages"] {
                let (found, expected) = (&found[name][field], &expected[name][field]);
                assert_eq!(found, expected, "{name} {field}");
            }
        }
    }
}
