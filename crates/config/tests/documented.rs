//! Files of the shapes in NATS's documentation, from text to typed options.
//!
//! The digests are those that nats-server 2.14.5 prints for the same files.

use cognate_config::options::{
    Authorization, BatchLimits, CertificatePair, ConnectionType, Credential, CurvePreference,
    HandshakeFirst, HttpOptions, JetStreamLimits, JetStreamOptions, Permissions, Port,
    ResponsePermission, Secret, SubjectList, SubjectPermission, SyncPolicy, TlsOptions, User,
};
use cognate_config::{Loaded, MemorySource, Options, load};
use cognate_subject::{Mapping, MappingDestination};
use std::time::Duration;

/// Loads one of the files in `tests/files`, with all of them at hand.
fn loaded(name: &str) -> Loaded {
    let source = MemorySource::new()
        .with_file("server.conf", include_str!("files/server.conf"))
        .with_file("server.json", include_str!("files/server.json"))
        .with_file(
            "authorization.conf",
            include_str!("files/authorization.conf"),
        )
        .with_file("include.conf", include_str!("files/include.conf"))
        .with_file("limits.conf", include_str!("files/limits.conf"))
        .with_file("auth.conf", include_str!("files/auth.conf"))
        .with_file("tls.conf", include_str!("files/tls.conf"))
        .with_file("jetstream.conf", include_str!("files/jetstream.conf"))
        .with_file("./server-cert.pem", "")
        .with_file("./server-key.pem", "")
        .with_file("./ca.pem", "")
        .with_env("SERVICE_PASS", "\"p@ss\"");
    load(name, &source).unwrap_or_else(|error| panic!("{name} is refused:\n{error}"))
}

/// Compares a file's options and digest.
fn check(name: &str, digest: &str, expected: Options) {
    let found = loaded(name);
    let expected = Options {
        config_file: Some(name.to_owned()),
        config_digest: Some(digest.to_owned()),
        ..expected
    };
    assert_eq!(found.options, expected);
    assert_eq!(found.digest, digest);
}

fn text(value: &str) -> Option<String> {
    Some(value.to_owned())
}

fn server_options() -> Options {
    Options {
        server_name: text("n1-east"),
        client_advertise: text("demo.example.org:4222"),
        server_tags: vec!["region:east".into(), "disk:ssd".into()],
        server_metadata: [("rack", "r12"), ("owner", "team \"core\"")]
            .map(|(name, value)| (name.into(), value.into()))
            .into(),
        http: Some(HttpOptions {
            host: None,
            port: Port::Number(8222),
            tls: false,
        }),
        http_base_path: "/nats".into(),
        log_file: text("/var/log/nats-server.log"),
        log_size_limit: 10 << 20,
        log_max_num: 5,
        pid_file: text("/var/run/nats-server.pid"),
        max_connections: 1000,
        max_subscriptions: 1000,
        max_sub_tokens: 16,
        ping_interval: Duration::from_secs(20),
        ping_max: 3,
        write_deadline: Duration::from_secs(2),
        lame_duck_duration: Duration::from_secs(60),
        lame_duck_grace_period: Duration::from_secs(5),
        no_fast_producer_stall: true,
        ..Options::default()
    }
}

const SERVER_DIGEST: &str =
    "sha256:217be1a00589a8aa62223ed484e26906bb9c0a6a8cd5b48d5421239f81939fd4";

#[test]
fn a_server_on_its_own() {
    check("server.conf", SERVER_DIGEST, server_options());
}

#[test]
fn the_same_as_json() {
    check("server.json", SERVER_DIGEST, server_options());
}

#[test]
fn a_file_in_parts() {
    check(
        "include.conf",
        "sha256:5ee27a27f571a022bd214943120182abea9fb02d5ca005eebe03dcabd8014cd7",
        Options {
            server_name: text("split"),
            max_connections: 100,
            max_subscriptions: 50,
            max_payload: 2 << 20,
            authorization: Authorization {
                credential: Credential::Token(Secret::new("s3cr3t")),
                timeout: Some(Duration::from_secs(3)),
                is_configured: true,
                ..Authorization::default()
            },
            ..Options::default()
        },
    );
}

#[test]
fn tls_for_clients_and_monitoring() {
    let pinned = [
        0xa8, 0xf4, 0x07, 0x34, 0x0d, 0xcc, 0x71, 0x98, 0x64, 0x21, 0x4b, 0x85, 0xed, 0x96, 0xf9,
        0x8d, 0x16, 0xcb, 0xff, 0xa8, 0xf5, 0x09, 0xd9, 0xfa, 0x4c, 0xa2, 0x37, 0xb7, 0xbb, 0x3f,
        0x9c, 0x32,
    ];
    check(
        "tls.conf",
        "sha256:daa4ac85e440810c22565048302cbfa3a93fa253d0a9af4c566d9d72c3d251ef",
        Options {
            host: "localhost".into(),
            port: Port::Number(4443),
            http: Some(HttpOptions {
                host: None,
                port: Port::Number(8443),
                tls: true,
            }),
            allow_non_tls: true,
            tls: Some(TlsOptions {
                certificates: vec![CertificatePair {
                    cert_file: "./server-cert.pem".into(),
                    key_file: "./server-key.pem".into(),
                }],
                ca_file: text("./ca.pem"),
                verify: true,
                verify_and_map: true,
                cipher_suites: vec![
                    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
                    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
                ],
                curve_preferences: vec![CurvePreference::P384, CurvePreference::X25519],
                pinned_certs: vec![pinned],
                handshake_first: HandshakeFirst::Fallback(Duration::from_millis(50)),
                ..TlsOptions::default()
            }),
            ..Options::default()
        },
    );
    let warnings = loaded("tls.conf").warnings;
    let headlines: Vec<String> = warnings.iter().map(|warning| warning.headline()).collect();
    assert_eq!(
        headlines,
        [
            "tls.conf:10:18: invalid use of field \"cipher_suites\": these cipher suites are not \
          offered: TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA"
        ]
    );
    assert_eq!(
        loaded("tls.conf").options.auth_timeout(),
        Duration::from_secs(3)
    );
}

#[test]
fn streams_on_this_server() {
    check(
        "jetstream.conf",
        "sha256:f186addb319b9c0d1a4082d1803a7bb471de4e9af226ca7e6fc324c803c2ded6",
        Options {
            server_name: text("store-1"),
            jetstream: Some(JetStreamOptions {
                store_dir: text("/data/nats"),
                max_memory_store: Some(1 << 30),
                max_file_store: Some(100 << 30),
                domain: text("hub"),
                strict: false,
                sync_interval: SyncPolicy::Interval(Duration::from_secs(30)),
                limits: JetStreamLimits {
                    max_ack_pending: Some(5_000),
                    max_ha_assets: Some(100),
                    max_request_batch: Some(1_000),
                    duplicate_window: Some(Duration::from_secs(120)),
                    batch: BatchLimits {
                        max_inflight_per_stream: Some(20),
                        max_inflight_total: Some(200),
                        max_msgs: Some(500),
                        timeout: Some(Duration::from_secs(5)),
                    },
                },
                max_buffered_size: 256 << 20,
                max_buffered_msgs: 50_000,
                request_queue_limit: 2_000,
                info_queue_limit: 500,
                max_concurrent_io: 64,
                encryption: None,
            }),
            ..Options::default()
        },
    );
}

fn allow(subjects: &[&str]) -> Option<SubjectPermission> {
    Some(SubjectPermission {
        allow: Some(subjects.into()),
        deny: SubjectList::default(),
    })
}

fn user(name: &str, password: &str, permissions: Permissions) -> User {
    User::Password {
        user: name.to_owned(),
        password: Secret::new(password),
        permissions: Some(permissions),
        proxy_required: false,
        allowed_connection_types: if name == "service" {
            vec![ConnectionType::Standard, ConnectionType::Websocket]
        } else {
            Vec::new()
        },
    }
}

// tidy: long-function: one documented file and all that it means, side by side
#[test]
fn users_with_permissions_and_mappings() {
    let permissions = |publish: &[&str], subscribe: &[&str]| Permissions {
        publish: allow(publish),
        subscribe: allow(subscribe),
        responses: None,
    };
    let default = permissions(&["SANDBOX.*"], &["PUBLIC.>", "_INBOX.>"]);
    let queues = Permissions {
        publish: Some(SubjectPermission {
            allow: Some(SubjectList::default()),
            deny: ["secret.>"].into(),
        }),
        subscribe: Some(SubjectPermission {
            allow: Some(["foo", "jobs.> workers.*"].into()),
            deny: ["foo v1"].into(),
        }),
        responses: Some(ResponsePermission {
            max_messages: Some(5),
            expires: Some(Duration::from_secs(60)),
        }),
    };
    let bcrypt = "$2a$11$eULOrZ7bNmlLpsF5oHTiS.R3oVBjTXMc6b8xAqtGYGRTmUUCK.UMG";
    let destination = |subject: &str, weight| MappingDestination {
        subject: subject.to_owned(),
        weight,
        cluster: String::new(),
    };
    let mapping =
        |source: &str, destinations| Mapping::new(source, destinations).expect("a valid mapping");
    check(
        "authorization.conf",
        "sha256:bb762a0448765465e18ab404e03f6ddad1dfed88cc0497e16ad07826c09025c1",
        Options {
            authorization: Authorization {
                credential: Credential::Users(vec![
                    user("admin", bcrypt, permissions(&[">"], &[">"])),
                    user(
                        "client",
                        "foo",
                        permissions(&["req.a", "req.b"], &["_INBOX.>"]),
                    ),
                    user(
                        "service",
                        "p@ss",
                        permissions(&["_INBOX.>"], &["req.a", "req.b"]),
                    ),
                    user("other", "bar", default.clone()),
                    user("queues", "q", queues),
                    User::Nkey {
                        nkey: "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4".into(),
                        permissions: Some(default.clone()),
                        allowed_connection_types: Vec::new(),
                        proxy_required: false,
                    },
                ]),
                timeout: Some(Duration::from_millis(500)),
                default_permissions: Some(default),
                is_configured: true,
                ..Authorization::default()
            },
            no_auth_user: text("other"),
            mappings: vec![
                mapping("foo", vec![destination("bar", 100)]),
                mapping(
                    "orders.*",
                    vec![destination("orders.{{partition(3,1)}}.$1", 100)],
                ),
                mapping(
                    "myservice.requests",
                    vec![
                        destination("myservice.requests.v1", 98),
                        destination("myservice.requests.v2", 2),
                    ],
                ),
            ],
            ..Options::default()
        },
    );
}

#[test]
fn plaintext_passwords_are_noticed() {
    let bcrypt = "$2a$11$eULOrZ7bNmlLpsF5oHTiS.R3oVBjTXMc6b8xAqtGYGRTmUUCK.UMG";
    let tls = "tls {cert_file: c, key_file: k, verify_and_map: true}";
    for (text, expected) in [
        (String::new(), false),
        ("authorization {token: t}".to_owned(), false),
        ("authorization {user: a, password: b}".to_owned(), true),
        (
            format!("authorization {{user: a, password: {bcrypt}}}"),
            false,
        ),
        ("authorization {users: [{user: a}]}".to_owned(), true),
        (
            format!("authorization {{users: [{{user: a}}]}}\n{tls}"),
            false,
        ),
        (
            "authorization {users: [{user: a, password: \"$2z$11$x\"}]}".to_owned(),
            true,
        ),
    ] {
        let source = MemorySource::new()
            .with_file("f", text.as_str())
            .with_file("c", "")
            .with_file("k", "");
        let loaded = load("f", &source).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(loaded.options.has_plaintext_passwords(), expected, "{text}");
    }
}
