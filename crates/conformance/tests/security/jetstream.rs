//! Advisories about JetStream: what a user may write where, and numbers that nobody means.

use std::path::{Path, PathBuf};

use cognate_conformance::jetstream::{JetStream, server, server_with};
use cognate_conformance::{Client, Server};
use serde_json::{Value, json};

use crate::support::{arrived, login, well};

/// Sends bytes as a request, and returns the answer.
#[track_caller]
fn ask(client: &mut Client, subject: &str, body: &[u8]) -> Value {
    let head = format!("PUB {subject} inbox {}\r\n", body.len());
    client.send([head.as_bytes(), body, b"\r\n"].concat());
    let text = client.message().payload;
    if text.is_empty() {
        return Value::Null;
    }
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// All files below a directory.
fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}

/// An archive in the form of backups: tar in S2 frames, here without compression.
fn archive(entries: &[(&str, u8, &[u8])]) -> Vec<u8> {
    let mut tar = Vec::new();
    for (name, kind, content) in entries {
        let mut head = [0_u8; 512];
        let mut put = |at: usize, text: &[u8]| head[at..at + text.len()].copy_from_slice(text);
        put(0, &name.as_bytes()[..name.len().min(100)]);
        put(100, b"0000644\0");
        put(108, b"0000000\0");
        put(116, b"0000000\0");
        put(124, format!("{:011o}\0", content.len()).as_bytes());
        put(136, b"00000000000\0");
        put(148, b"        ");
        put(156, &[*kind]);
        if *kind != b'0' {
            put(157, content);
        }
        put(257, b"ustar\x0000");
        let sum: u32 = head.iter().map(|byte| u32::from(*byte)).sum();
        head[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        tar.extend_from_slice(&head);
        if *kind == b'0' {
            tar.extend_from_slice(content);
            tar.resize(tar.len().next_multiple_of(512), 0);
        }
    }
    tar.resize(tar.len() + 1024, 0);
    let mut framed = b"\xff\x06\x00\x00sNaPpY".to_vec();
    for chunk in tar.chunks(32 * 1024) {
        let length = u32::try_from(chunk.len() + 4).expect("a small chunk");
        framed.push(1);
        framed.extend_from_slice(&length.to_le_bytes()[..3]);
        let crc = crc32c(chunk);
        let masked = crc.rotate_right(15).wrapping_add(0xa282_ead8);
        framed.extend_from_slice(&masked.to_le_bytes());
        framed.extend_from_slice(chunk);
    }
    framed
}

fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            let carry = crc & 1 != 0;
            (crc >> 1) ^ if carry { 0x82f6_3b78 } else { 0 }
        })
    })
}

const STATE: &str = r#"{"messages":0,"bytes":0,"first_seq":0,"first_ts":"0001-01-01T00:00:00Z","last_seq":0,"last_ts":"0001-01-01T00:00:00Z","consumer_count":0}"#;

/// Restores an archive as `stream`; returns the last answer.
#[track_caller]
fn restore(client: &mut Client, stream: &str, config: &Value, bytes: &[u8]) -> Value {
    let body = format!(r#"{{"config":{config},"state":{STATE}}}"#);
    let started = ask(
        client,
        &format!("$JS.API.STREAM.RESTORE.{stream}"),
        body.as_bytes(),
    );
    let target = started["deliver_subject"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    if target.is_empty() {
        return started;
    }
    for chunk in bytes.chunks(64 * 1024) {
        let early = ask(client, &target, chunk);
        if !early.is_null() {
            return early;
        }
    }
    ask(client, &target, b"")
}

/// Names in an archive lead nowhere but into the stream's own directory.
#[test]
fn cve_2022_26652_names_in_a_backup_do_not_leave_the_stream() {
    let server = server();
    let outside = tempfile::tempdir().expect("a temporary directory");
    let absolute = outside.path().join("evil");
    let absolute = absolute.to_str().expect("a UTF-8 path");
    let meta = json!({"name": "R", "subjects": ["r"], "retention": "limits", "max_consumers": -1,
        "max_msgs": -1, "max_bytes": -1, "max_age": 0, "max_msgs_per_subject": -1,
        "max_msg_size": -1, "discard": "old", "storage": "file", "num_replicas": 1,
        "created": "2026-01-01T00:00:00Z"})
    .to_string();
    // A name that begins in the root may well become one of the stream's own directory.
    let streams = server.dir().join("store/jetstream/$G/streams/.R");
    let mut client = server.quiet();
    client.send("SUB inbox 1\r\n").sync();
    for name in [
        "../evil",
        "../../evil",
        "../../../../../../../../evil",
        "msgs/../../evil",
        "msgs/../../../../../evil",
        "obs/../../../evil",
        "obs/C/../../../evil",
        "./../evil",
        "msgs//../../evil",
        "..\\evil",
        absolute,
    ] {
        for first in [true, false] {
            let evil = (name, b'0', &b"evil"[..]);
            let link = ("msgs", b'2', &b"../../../.."[..]);
            let through = ("msgs/evil", b'0', &b"evil"[..]);
            let good = ("meta.inf", b'0', meta.as_bytes());
            let entries = if first {
                vec![evil, good]
            } else {
                vec![good, link, through, evil]
            };
            let config = json!({"name": "R", "subjects": ["r"], "storage": "file"});
            // Whether it is refused or the names are not used does not matter.
            let _ = restore(&mut client, "R", &config, &archive(&entries));
            let _ = ask(&mut client, "$JS.API.STREAM.DELETE.R", b"");
            let strays: Vec<PathBuf> = files(server.dir())
                .into_iter()
                .chain(files(outside.path()))
                .filter(|path| path.file_name().is_some_and(|name| name == "evil"))
                .filter(|path| !path.starts_with(&streams))
                .collect();
            assert_eq!(strays, Vec::<PathBuf>::new(), "{name}");
        }
    }
    assert!(!Path::new("/evil").exists());
    well(&server);
}

/// Numbers of replicas that no server has.
#[test]
fn cve_2022_42708_senseless_replica_counts_are_refused() {
    let server = server();
    let mut js = JetStream::connect(&server);
    js.stream(json!({"name": "S", "subjects": ["s"]}));
    js.durable("S", "C");
    for replicas in [
        json!(-1),
        json!(2),
        json!(6),
        json!(1_000_000_000),
        json!(i64::MIN),
        json!(i64::MAX),
        json!(1e300),
        json!("3"),
        json!([1]),
    ] {
        let mut answers = Vec::new();
        for subject in ["STREAM.CREATE.T", "STREAM.UPDATE.S"] {
            let name = &subject[subject.len() - 1..];
            let subjects = [name.to_lowercase()];
            let body = json!({"name": name, "subjects": subjects, "num_replicas": replicas});
            answers.push(js.api(subject, body));
        }
        for (subject, action) in [
            ("CONSUMER.CREATE.S.D", "create"),
            ("CONSUMER.CREATE.S.C", "update"),
        ] {
            let body = json!({"stream_name": "S", "action": action, "config": {
                "durable_name": &subject[subject.len() - 1..], "ack_policy": "explicit",
                "num_replicas": replicas}});
            answers.push(js.api(subject, body));
        }
        for answer in answers {
            // Whether two are refused at once depends on whether there could be two.
            let refused = answer["error"].is_object();
            assert!(refused || replicas == json!(2), "{replicas}: {answer}");
        }
        well(&server);
    }
    js.put("s", "m");
    assert_eq!(js.state("S")["messages"], 1);
}

/// Two accounts with JetStream, and a stream of the second.
fn two_accounts() -> (Server, JetStream) {
    let server = server_with(
        r#"accounts {
          A { jetstream: enabled, users: [{user: a, password: p}] }
          B { jetstream: enabled, users: [{user: b, password: p}] }
          SYS { users: [{user: s, password: p}] }
        }
        system_account: SYS"#,
    );
    let mut victim = JetStream::login(&server, "b", "p");
    victim.stream(json!({"name": "S", "subjects": ["s"]}));
    victim.put("s", "m");
    (server, victim)
}

/// The administration of the server's JetStream is the system account's alone.
#[test]
fn cve_2025_30215_a_user_cannot_administrate_other_accounts() {
    let (server, mut victim) = two_accounts();
    let mut attacker = login(&server, "a");
    attacker.send("SUB inbox 1\r\n").sync();
    let info = attacker.info().clone();
    let (id, name) = (&info["server_id"], &info["server_name"]);
    for (subject, body) in [
        ("$JS.API.ACCOUNT.PURGE.B", json!({})),
        (
            "$JS.API.ACCOUNT.STREAM.MOVE.B.S",
            json!({"server": name, "tags": ["x"]}),
        ),
        ("$JS.API.ACCOUNT.STREAM.CANCEL_MOVE.B.S", json!({})),
        (
            "$JS.API.SERVER.REMOVE",
            json!({"peer": name, "peer_id": id}),
        ),
        ("$JS.API.META.LEADER.STEPDOWN", json!({})),
        ("$JS.API.STREAM.PEER.REMOVE.S", json!({"peer": name})),
        ("$JS.API.STREAM.LEADER.STEPDOWN.S", json!({})),
        ("$JS.API.STREAM.DELETE.S", json!({})),
        ("$JS.API.STREAM.PURGE.S", json!({})),
        ("$JS.API.STREAM.INFO.S", json!({})),
        ("$JS.API.STREAM.MSG.GET.S", json!({"seq": 1})),
        ("$JS.API.DIRECT.GET.S", json!({"seq": 1})),
    ] {
        let body = body.to_string();
        attacker.send(format!("PUB {subject} inbox {}\r\n{body}\r\n", body.len()));
        for (_, answer) in arrived(&mut attacker) {
            assert!(!answer.contains("\"success\":true"), "{subject}: {answer}");
            assert!(!answer.contains("\"config\""), "{subject}: {answer}");
        }
        assert_eq!(victim.state("S")["messages"], 1, "{subject}");
    }
    assert_eq!(victim.put("s", "m"), 2);
}

/// A restore makes the stream that its subject names, whatever the request and the archive say.
#[test]
fn cve_2026_33222_a_restore_makes_no_other_stream() {
    let server = server_with(
        r#"jetstream: {}
        authorization { users: [
          {user: free, password: p}
          {user: limited, password: p, permissions: {
            publish: ["$JS.API.STREAM.RESTORE.MINE", "$JS.SNAPSHOT.RESTORE.MINE.>"],
            subscribe: ["inbox"]}}
        ] }"#,
    );
    let mut js = JetStream::login(&server, "free", "p");
    js.stream(json!({"name": "VICTIM", "subjects": ["v"]}));
    js.put("v", "m");
    let mut limited = login(&server, "limited");
    limited.send("SUB inbox 1\r\n").sync();
    let other = json!({"name": "OTHER", "subjects": ["o"], "storage": "file"});
    let mine = json!({"name": "MINE", "subjects": ["mine"], "storage": "file"});
    let meta = |name: &str| {
        json!({"name": name, "subjects": ["o"], "retention": "limits", "max_consumers": -1,
            "max_msgs": -1, "max_bytes": -1, "max_age": 0, "max_msgs_per_subject": -1,
            "max_msg_size": -1, "discard": "old", "storage": "file", "num_replicas": 1,
            "created": "2026-01-01T00:00:00Z"})
        .to_string()
    };
    for name in ["OTHER", "VICTIM", "MINE"] {
        let meta = meta(name);
        let bytes = archive(&[("meta.inf", b'0', meta.as_bytes())]);
        for config in [&other, &mine] {
            let _ = restore(&mut limited, "MINE", config, &bytes);
        }
    }
    // The way in of another stream's restore is not his either.
    limited.send("PUB $JS.API.STREAM.RESTORE.OTHER inbox 2\r\n{}\r\nPING\r\n");
    assert!(limited.line().starts_with("-ERR 'Permissions Violation"));
    assert_eq!(limited.line(), "PONG");
    assert_eq!(
        js.outcome("STREAM.INFO.OTHER", ""),
        "404 10059 stream not found"
    );
    assert_eq!(js.state("VICTIM")["messages"], 1);
}

/// Offsets and limits that no list has, as in GHSA-q59r-vq66-pxc2.
#[test]
fn ghsa_q59r_vq66_pxc2_offsets_of_lists_do_not_overflow() {
    let server = server();
    let mut js = JetStream::connect(&server);
    js.stream(json!({"name": "S", "subjects": ["s.>"]}));
    js.durable("S", "C");
    js.put("s.1", "m");
    for offset in [i64::MIN, -1, 0, 1, 1024, i64::MAX] {
        for subject in [
            "STREAM.NAMES",
            "STREAM.LIST",
            "CONSUMER.NAMES.S",
            "CONSUMER.LIST.S",
        ] {
            let answer = js.api(subject, json!({"offset": offset}));
            assert!(answer.is_object(), "{subject} {offset}");
        }
        let body = json!({"offset": offset, "subjects_filter": ">", "deleted_details": true});
        assert!(js.api("STREAM.INFO.S", body).is_object());
    }
    well(&server);
}

/// What a stream reserves adds up without overflowing, and nothing is promised twice.
#[test]
fn reservations_do_not_overflow() {
    let server = server();
    let mut js = JetStream::connect(&server);
    for (at, bytes) in [i64::MAX, i64::MAX, i64::MAX - 1, 1 << 62, i64::MIN]
        .into_iter()
        .enumerate()
    {
        for storage in ["file", "memory"] {
            let name = format!("{storage}{at}");
            let body = json!({"name": name, "subjects": [name], "storage": storage,
                "max_bytes": bytes, "max_msg_size": -1});
            js.api(&format!("STREAM.CREATE.{name}"), body);
        }
        well(&server);
    }
    let info = js.ok("INFO", "");
    for field in ["reserved_memory", "reserved_storage"] {
        assert!(info[field].as_i64().unwrap_or(0) >= 0, "{info}");
    }
}

/// The account that the system account purges is a name, not a path.
#[test]
fn an_account_to_purge_is_no_path() {
    let (server, mut victim) = two_accounts();
    let mut system = login(&server, "s");
    let kept = server.dir().join("kept");
    std::fs::write(&kept, "kept").expect("a writable file");
    for name in ["/", "B/streams", "B/streams/S", "A/B", "\\"] {
        system.send(format!("PUB $JS.API.ACCOUNT.PURGE.{name} 0\r\n\r\n"));
        system.sync();
    }
    well(&server);
    assert!(kept.exists());
    assert_eq!(victim.state("S")["messages"], 1);
    assert_eq!(victim.put("s", "m"), 2);
}
