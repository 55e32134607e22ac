//! What nobody may read: passwords, tokens and signatures, wherever a server speaks of its clients.

use cognate_conformance::jwt::{Key, Role};
use cognate_conformance::{Client, Server, wait};
use serde_json::json;

use crate::support::{knock, lets_in, login};

const PATHS: [&str; 22] = [
    "/",
    "/varz",
    "/connz?auth=1&subs=detail&state=any",
    "/connz?auth=1&state=closed&subs=1",
    "/subsz?subs=1",
    "/subscriptionsz?subs=1",
    "/accountz",
    "/accountz?acc=A",
    "/accountz?acc=SYS",
    "/accstatz?unused=1",
    "/jsz?acc=A&streams=1&config=1",
    "/healthz?details=true",
    "/routez",
    "/gatewayz",
    "/leafz",
    "/ipqueuesz",
    "/raftz",
    "/expvarz",
    "/debug/vars",
    "/debug/pprof/cmdline",
    "/stacksz",
    "/profilez",
];

const REQUESTS: [&str; 14] = [
    "VARZ",
    "CONNZ",
    "SUBSZ",
    "STATSZ",
    "IDZ",
    "ACCOUNTZ",
    "ACCSTATZ",
    "JSZ",
    "HEALTHZ",
    "ROUTEZ",
    "LEAFZ",
    "GATEWAYZ",
    "EXPVARZ",
    "IPQUEUESZ",
];

/// A configuration with a secret of every kind. `p` is the password of those whom the test needs.
fn config() -> String {
    let nkey = Key::new(Role::User, "nkey").public();
    format!(
        r#"accounts {{
          A {{ users: [
            {{user: plain, password: "distinctive-password"}}
            {{user: hashed, password: "$2a$04$distinctiveHashXXXXXuFcH.l5jSYxAHyDsV2mx2pJe0bB0m6cy"}}
            {{nkey: {nkey}}}
            {{user: a, password: p}}
          ] }}
          SYS {{ users: [{{user: s, password: p}}] }}
        }}
        system_account: SYS
        max_closed_clients: 100"#
    )
}

/// The log-ins of the test: what is said in CONNECT, whether it lets in.
fn log_ins(server: &Server) {
    let good = json!({"user": "plain", "pass": "distinctive-password"});
    assert!(lets_in(server, &good.to_string()));
    for options in [
        json!({"user": "plain", "pass": "distinctive-guess"}),
        json!({"user": "hashed", "pass": "distinctive-guess"}),
        json!({"user": "nobody", "pass": "distinctive-guess"}),
        json!({"auth_token": "distinctive-token"}),
        json!({"nkey": Key::new(Role::User, "nkey").public(), "sig": "distinctive-sig"}),
        json!({"user": "plain", "pass": "distinctive-guess", "proxy_sig": "distinctive-proxy"}),
    ] {
        assert!(!lets_in(server, &options.to_string()), "{options}");
    }
    // What is no JSON, and what is too long.
    knock(server, r#"{"user":"plain","pass":"distinctive-half"#);
    knock(
        server,
        &format!("{{\"pass\":\"distinctive{}\"}}", "x".repeat(5000)),
    );
    let mut client = server.connect();
    let nonce = client.info()["nonce"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let key = Key::new(Role::User, "nkey");
    let signature = key.sign(&nonce);
    client.send(format!(
        "CONNECT {{\"verbose\":false,\"nkey\":\"{}\",\"sig\":\"{signature}\"}}\r\n",
        key.public()
    ));
    client.sync();
    let log = server.log();
    assert!(!log.contains(&signature), "the log has a signature");
}

#[track_caller]
fn assert_hidden(place: &str, text: &str) {
    if let Some(at) = text.find("distinctive") {
        let start = text[..at]
            .char_indices()
            .rev()
            .nth(200)
            .map_or(0, |(at, _)| at);
        let end = text.len().min(at + 100);
        panic!("{place} tells a secret: {}", &text[start..end]);
    }
}

/// Every place that speaks of clients, after log-ins that succeed and fail, at the most talkative
/// level.
#[test]
fn secrets_are_shown_nowhere() {
    for level in ["-DVV", "-V", "-D", ""] {
        let builder = Server::builder().monitored().config(&config());
        let server = if level.is_empty() {
            builder.start()
        } else {
            builder.args(&[level]).start()
        };
        let mut system = login(&server, "s");
        system.send("SUB $SYS.> 1\r\nSUB inbox 2\r\n").sync();
        log_ins(&server);
        server.wait_log("authentication error");
        for path in PATHS {
            assert_hidden(path, &server.get(path).body);
        }
        for kind in REQUESTS {
            let body = r#"{"auth":true,"subscriptions_detail":true,"state":2,"account":"A"}"#;
            system.send(format!(
                "PUB $SYS.REQ.SERVER.PING.{kind} inbox {}\r\n{body}\r\n",
                body.len()
            ));
        }
        let told = everything(&mut system);
        assert_hidden("the system account", &told);
        assert!(
            level != "-DVV" || told.contains("Authentication Failure"),
            "{told}"
        );
        assert_hidden(&format!("the log at {level:?}"), &server.log());
        // The log was as talkative as it should be.
        let traced = server.log().contains("[CONNECT {");
        assert_eq!(traced, level.contains('V'), "{level:?}");
    }
}

/// Everything that has reached the system account, the events of failed log-ins among it.
fn everything(system: &mut Client) -> String {
    let mut told = String::new();
    wait::until("an event of a failed log-in", || {
        for message in system.messages_until_pong() {
            told += &format!("{} {}\n", message.subject, message.payload);
        }
        told.contains("Authentication Failure").then_some(())
    });
    told
}

/// What the configuration says is not repeated when it is wrong.
#[test]
fn secrets_are_not_in_errors_about_the_configuration() {
    for config in [
        "authorization { user: a, password: distinctive, tokn: distinctive }",
        "authorization { users: [{user: a, password: \"distinctive\", permissions: {publish: \"a..b\"}}] }",
        "accounts { A { users: [{user: a, password: distinctive}, {user: a, password: distinctive}] } }",
        "authorization { token: \"distinctive\", users: [{user: a, password: distinctive}] }",
        "jetstream { key: \"distinctive\", cipher: nonsense }",
    ] {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("server.conf");
        std::fs::write(&path, config).expect("a writable file");
        let path = path.to_str().expect("a UTF-8 path");
        let done = cognate_conformance::cli::run(["-a", "127.0.0.1", "-p", "-1", "-t", "-c", path]);
        assert_ne!(done.code, Some(0), "{config}");
        assert_hidden(
            config.split(':').next().unwrap_or(""),
            &(done.stdout + &done.stderr),
        );
    }
}
