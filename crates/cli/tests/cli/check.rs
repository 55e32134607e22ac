//! `nats server check`: what monitoring systems see, and the exit codes they go by.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use cognate_conformance::wait;

use crate::support::World;

/// A check of the connection, on a machine however slow.
const PATIENT: [&str; 9] = [
    "connection",
    "--connect-warn",
    "1m",
    "--connect-critical",
    "2m",
    "--req-warn",
    "1m",
    "--req-critical",
    "2m",
];

/// The rest of it.
const UNHURRIED: [&str; 4] = ["--rtt-warn", "1m", "--rtt-critical", "2m"];

/// The check must have ended with `code`, saying `text` on standard output.
#[track_caller]
fn says(world: &World, args: &[&str], code: i32, text: &str) -> String {
    let ended = world.nats(&[&["server", "check"], args].concat());
    assert_eq!(ended.code, code, "{ended:?}");
    assert!(ended.stdout.contains(text), "{text:?} is not in {ended:?}");
    ended.stdout
}

#[test]
fn connections_are_checked() {
    let world = World::new();
    // What is too long by default is no matter of this machine's speed.
    let text = world.nats(&["server", "check", "connection"]).stdout;
    assert!(text.contains("s;0.5000;1.0000"), "{text}");
    let text = says(
        &world,
        &[&PATIENT[..], &UNHURRIED].concat(),
        0,
        "OK Connection OK:connected to nats://127.0.0.1:",
    );
    for measure in [" | connect_time=", " rtt=", " request_time="] {
        assert!(text.contains(measure), "{measure} is not in {text}");
    }
    says(
        &world,
        &["conn", "--connect-critical", "1ns", "--connect-warn", "1ns"],
        2,
        "CRITICAL Connection Crit:",
    );
    says(
        &world,
        &[&PATIENT[..], &["--rtt-warn", "1ns", "--rtt-critical", "1m"]].concat(),
        1,
        "WARNING Connection Warn:rtt time exceeded",
    );
    says(
        &world,
        &["conn", "-s", "127.0.0.1:1"],
        2,
        "CRITICAL Connection Crit:connection failed:",
    );
}

#[test]
fn every_format_is_spoken() {
    let world = World::new();
    fn with<'a>(more: &[&'a str]) -> Vec<&'a str> {
        [&PATIENT[..], &UNHURRIED, more].concat()
    }
    let json = world
        .nats(&[&["server", "check"][..], &with(&["--format", "json"])].concat())
        .ok()
        .json();
    assert_eq!(
        (json["status"].as_str(), json["check_suite"].as_str()),
        (Some("OK"), Some("connections"))
    );
    assert_eq!(json["perf_data"][0]["name"], "connect_time");
    assert_eq!(json["perf_data"][0]["critical"], 120);
    let text = says(
        &world,
        &with(&["--format", "prometheus", "--namespace", "x"]),
        0,
        "",
    );
    assert!(
        text.contains("x_connections_status_code{item=\"Connection\",status=\"OK\"} 0\n"),
        "{text}"
    );
    // A scraper reads the status from the text.
    says(
        &world,
        &["conn", "--format", "prometheus", "-s", "127.0.0.1:1"],
        0,
        "status=\"CRITICAL\"} 2",
    );
    says(
        &world,
        &with(&["--format", "text"]),
        0,
        "Connection: OK\n\nStatus Detail\n",
    );
    let file = world.dir().join("check.prom");
    let path = file.to_str().expect("a path that is text");
    assert_eq!(says(&world, &with(&["--outfile", path]), 0, ""), "");
    assert!(
        std::fs::read_to_string(file)
            .expect("a file")
            .starts_with("OK Connection")
    );
}

// tidy: long-function: a table of checks and what they say
#[test]
fn jetstream_is_checked() {
    let world = World::new();
    world.nats(&["kv", "add", "B"]).ok();
    world.nats(&["kv", "put", "B", "k", "v"]).ok();
    says(&world, &["jetstream"], 0, "OK JetStream | memory=0B");
    says(
        &world,
        &["js", "--mem-warn", "90", "--mem-critical", "75"],
        2,
        "Crit:memory: invalid thresholds",
    );
    says(
        &world,
        &["stream", "--stream", "KV_B"],
        0,
        "OK KV_B OK:0 sources",
    );
    says(
        &world,
        &["stream", "--stream", "KV_B", "--msgs-critical", "1"],
        2,
        "Crit:1 messages",
    );
    says(
        &world,
        &["stream", "--stream", "KV_B", "--msgs-warn", "1"],
        1,
        "Warn:1 messages",
    );
    says(
        &world,
        &["stream", "--stream", "KV_B", "--peer-expect", "3"],
        2,
        "Crit:Stream is not clustered",
    );
    says(
        &world,
        &[
            "stream",
            "--stream",
            "KV_B",
            "--subjects-warn",
            "1",
            "--subjects-critical",
            "5",
        ],
        1,
        "Warn:1 subjects",
    );
    says(
        &world,
        &["stream", "--stream", "NONE"],
        2,
        "Crit:could not load info: ",
    );
    says(
        &world,
        &["kv", "--bucket", "B", "--key", "k"],
        0,
        "OK:bucket B OK:key k found | values=1",
    );
    says(
        &world,
        &["kv", "--bucket", "B", "--key", "x"],
        2,
        "Crit:key x not found",
    );
    says(
        &world,
        &[
            "kv",
            "--bucket",
            "B",
            "--values-warn",
            "1",
            "--values-critical",
            "2",
        ],
        1,
        "Warn:1 values",
    );
    says(
        &world,
        &["kv", "--bucket", "NONE"],
        2,
        "Crit:bucket NONE not found",
    );
    world.nats(&["kv", "del", "B", "k", "-f"]).ok();
    says(
        &world,
        &["kv", "--bucket", "B", "--key", "k"],
        2,
        "Crit:key k is deleted",
    );
}

// tidy: long-function: a table of checks and what they say
#[test]
fn messages_and_consumers_are_checked() {
    let world = World::new();
    world.nats(&["kv", "add", "B"]).ok();
    world.nats(&["kv", "put", "B", "k", "hello"]).ok();
    let message = ["message", "--stream", "KV_B", "--subject", "$KV.B.k"];
    let with = |more: &[&'static str]| [&message[..], more].concat();
    says(
        &world,
        &with(&["--content", "^hel+o$"]),
        0,
        "OK:Valid message on KV_B > $KV.B.k | age=",
    );
    says(
        &world,
        &with(&["--content", "bye"]),
        2,
        "Crit:does not match regex: bye",
    );
    says(&world, &with(&["--age-critical", "1ns"]), 2, " old");
    says(
        &world,
        &with(&["--body-timestamp"]),
        2,
        "invalid timestamp body",
    );
    says(
        &world,
        &["message", "--stream", "KV_B", "--subject", "none"],
        2,
        "Crit:no message found",
    );
    let usage = world.nats(&[
        "server",
        "check",
        "message",
        "--stream",
        "S",
        "--content",
        "(",
    ]);
    usage.fails_with("regex parse error");
    let watcher = world.spawn(&["sub", "--stream", "KV_B", "--durable", "D", "--count", "1"]);
    watcher.wait_for("hello");
    let consumer = ["consumer", "--stream", "KV_B", "--consumer", "D"];
    let with = |more: &[&'static str]| [&consumer[..], more].concat();
    says(
        &world,
        &with(&["--unprocessed-critical", "1"]),
        0,
        "OK:Unprocessed Messages: 0",
    );
    says(
        &world,
        &with(&["--last-delivery-critical", "1h"]),
        0,
        "OK:Last delivery ",
    );
    says(
        &world,
        &with(&["--pinned"]),
        2,
        "Crit:Not pinned client priority mode",
    );
    says(
        &world,
        &["consumer", "--stream", "KV_B", "--consumer", "X"],
        2,
        "Crit:could not load info",
    );
}

#[test]
fn services_are_checked() {
    let world = World::new();
    let _responder = world.spawn(&["reply", "echo", "pong"]);
    world.wait_for_interest("echo", 1);
    says(
        &world,
        &["request", "--subject", "echo", "--match-payload", "^p"],
        0,
        "OK echo OK:Valid response | time=",
    );
    says(
        &world,
        &["req", "--subject", "echo", "--match-payload", "^x"],
        2,
        "Crit:response does not match regexp",
    );
    says(
        &world,
        &["req", "--subject", "echo", "--match-headers", "A=b"],
        2,
        "Crit:invalid header \"A\" = \"\"",
    );
    says(
        &world,
        &["req", "--subject", "nobody"],
        2,
        "Crit:could not send request",
    );
}

#[test]
fn servers_are_checked() {
    let world = World::with_system();
    let sys = ["--user", "sys", "--password", "secret"];
    let with = |args: &[&'static str]| [args, &sys[..]].concat();
    says(
        &world,
        &with(&["server", "--name", "n1", "--js-required"]),
        0,
        "OK n1 OK:JetStream enabled | uptime=",
    );
    says(
        &world,
        &with(&["server", "--name", "n1", "--tls-required"]),
        2,
        "Crit:TLS not required",
    );
    says(
        &world,
        &with(&[
            "server",
            "--name",
            "n1",
            "--conn-warn",
            "1",
            "--conn-critical",
            "100",
        ]),
        1,
        "Warn:Connections ",
    );
    says(
        &world,
        &with(&[
            "server",
            "--name",
            "n1",
            "--uptime-warn",
            "1d",
            "--uptime-critical",
            "1h",
        ]),
        2,
        "Crit:Up ",
    );
    says(
        &world,
        &with(&["server", "--name", "n9", "--timeout", "300ms"]),
        2,
        "Crit:varz failed: ",
    );
    says(
        &world,
        &with(&[
            "meta",
            "--expect",
            "3",
            "--lag-critical",
            "1",
            "--seen-critical",
            "1s",
        ]),
        2,
        "Crit:no cluster information",
    );
}

/// An exporter that goes on, and where it listens.
struct Exporter {
    child: std::process::Child,
    address: String,
}

impl Exporter {
    fn start(world: &World, config: &str, flags: &[&str]) -> Self {
        let listen = ["--config", config, "--port", "0", "--address", "127.0.0.1"];
        let command = ["server", "check", "exporter"];
        let log = world.dir().join(format!("exporter-{}.log", flags.len()));
        let child = world
            .command(&[&command[..], &listen, flags].concat())
            .stderr(std::fs::File::create(&log).expect("a file"))
            .spawn()
            .expect("nats can be run");
        let address = wait::until("the exporter", || {
            let text = std::fs::read_to_string(&log).expect("its log");
            Some(text.split("://").nth(1)?.split('/').next()?.to_owned())
        });
        Exporter { child, address }
    }

    fn connect(&self) -> TcpStream {
        TcpStream::connect(&self.address).expect("it listens")
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        // It may have ended already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn get(mut stream: impl Read + Write, path: &str) -> String {
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    answer
}

#[test]
fn prometheus_scrapes_the_exporter() {
    let world = World::new();
    world
        .nats(&["context", "add", "here", "--server", &world.url()])
        .ok();
    let config = "context: here\nchecks:\n  - name: shop\n    kind: connection\n  - name: js\n    kind: jetstream\n    properties:\n      check_replicas: false\n  - name: gone\n    kind: kv\n    properties:\n      bucket: NONE\n";
    let config = world.file("exporter.yaml", config.as_bytes());
    let exporter = Exporter::start(&world, &config, &[]);
    let metrics = get(exporter.connect(), "/metrics");
    assert!(metrics.starts_with("HTTP/1.1 200 OK\r\n"), "{metrics}");
    for line in [
        "nats_server_check_connections_status_code{item=\"shop\",status=\"OK\"} 0",
        "nats_server_check_jetstream_streams{item=\"js\"} 0",
        "nats_server_check_kv_status_code{item=\"gone\",status=\"CRITICAL\"} 2",
    ] {
        assert!(metrics.contains(line), "{line} is not in {metrics}");
    }
    let missing = get(exporter.connect(), "/");
    assert!(missing.starts_with("HTTP/1.1 404 "), "{missing}");
    let broken = world.file("broken.yaml", b"checks:\n  - name: x\n    kind: tea\n");
    world
        .nats(&["server", "check", "exporter", "--config", &broken])
        .fails_with("check \"x\": ");
}

#[test]
fn the_exporter_speaks_https() {
    let world = World::new();
    let key = rcgen::KeyPair::generate().expect("a key");
    let params = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("a name");
    let certificate = params.self_signed(&key).expect("a certificate");
    let cert_file = world.file("cert.pem", certificate.pem().as_bytes());
    let key_file = world.file("key.pem", key.serialize_pem().as_bytes());
    let config = world.file("c.yaml", b"checks:\n  - name: shop\n    kind: connection\n");
    let flags = ["--https-certificate", &cert_file, "--https-key", &key_file];
    let exporter = Exporter::start(&world, &config, &flags);
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate.der().clone()).expect("a certificate");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let client = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = "127.0.0.1".try_into().expect("an address");
    let session = rustls::ClientConnection::new(Arc::new(client), name).expect("a session");
    let metrics = get(
        rustls::StreamOwned::new(session, exporter.connect()),
        "/metrics",
    );
    assert!(metrics.contains("item=\"shop\",status=\"OK\""), "{metrics}");
    let export = ["server", "check", "exporter", "--config", &config];
    world
        .nats(&[&export[..], &["--https-key", &key_file]].concat())
        .fails_with("--https-certificate");
    let swapped = ["--https-certificate", &key_file, "--https-key", &cert_file];
    world
        .nats(&[&export[..], &swapped].concat())
        .fails_with("cert.pem");
}
