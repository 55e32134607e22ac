//! New options for a running server: what changes, what is refused, what clients are told.

mod common;

use std::sync::{Arc, Barrier};

use cognate_config::Options;
use cognate_config::options::{Credential, HttpOptions, Port, Secret};
use cognate_server::ReloadFailure;
use cognate_subject::{Mapping, MappingDestination};

use common::{Client, options_from, socket, start, within};

#[tokio::test]
async fn a_reload_changes_what_may_change_and_says_so() {
    let server = start(|builder| builder).await;
    let mut client = Client::connect(&server).await;
    let mut options = Options::clone(&server.options());
    options.max_payload = 16;
    options.authorization.credential = Credential::None;
    let changes = server.reload(options).expect("max_payload changes live");
    assert_eq!(changes.len(), 1, "{changes:?}");
    assert_eq!(server.options().max_payload, 16);
    client.sync().await;
    client.send("PUB a 17\r\n").await;
    assert_eq!(client.rest().await, "-ERR 'Maximum Payload Violation'\r\n");
    let client = Client::connect(&server).await;
    assert!(
        client.info.contains("\"max_payload\":16,"),
        "{}",
        client.info
    );
}

#[tokio::test]
async fn a_reload_that_adds_a_password_puts_strangers_out() {
    let server = start(|builder| builder).await;
    let mut stranger = Client::connect(&server).await;
    let mut inside = Client::over(server.connect_in_process()).await;
    let mut options = Options::clone(&server.options());
    options.authorization.credential = Credential::UserPassword {
        user: "ann".to_owned(),
        password: Secret::new("secret"),
    };
    server.reload(options).expect("users change live");
    assert_eq!(stranger.rest().await, "-ERR 'Authorization Violation'\r\n");
    assert_eq!(inside.rest().await, "-ERR 'Authorization Violation'\r\n");
    let mut ann = Client::with(socket(&server).await, r#","user":"ann","pass":"secret""#).await;
    ann.sync().await;
}

#[tokio::test]
async fn a_refused_reload_changes_nothing() {
    let server = start(|builder| builder).await;
    let mut client = Client::connect(&server).await;
    let before = server.options();

    let mut options = Options::clone(&before);
    options.max_payload = 16;
    options.http = Some(HttpOptions {
        host: None,
        port: Port::Random,
        tls: false,
    });
    let failure = server
        .reload(options)
        .expect_err("the port of monitoring needs a restart");
    assert!(
        matches!(failure, ReloadFailure::NeedsRestart(_)),
        "{failure:?}"
    );
    assert!(
        failure.to_string().contains("HTTPPort: old=0, new=-1"),
        "{failure}"
    );

    let mut options = options_from("tls { cert_file: \"missing.pem\", key_file: \"missing.pem\" }");
    options.config_file = None;
    options.config_digest = None;
    let failure = server.reload(options).expect_err("no certificate");
    assert!(failure.to_string().contains("missing.pem"), "{failure}");

    assert_eq!(server.options(), before);
    client
        .send("SUB a 1\r\nPUB a 17\r\n12345678901234567\r\n")
        .await;
    client.expect_payload("12345678901234567").await;
}

#[tokio::test]
async fn a_lowered_connection_limit_says_goodbye_to_the_excess() {
    let server = start(|builder| builder).await;
    let mut over_tcp = Client::connect(&server).await;
    let mut inside = Client::over(server.connect_in_process()).await;
    let mut options = Options::clone(&server.options());
    options.max_connections = 0;
    server.reload(options).expect("the limit changes live");
    let goodbye = "-ERR 'maximum connections exceeded'\r\n";
    assert_eq!(over_tcp.rest().await, goodbye);
    assert_eq!(inside.rest().await, goodbye);
}

/// Each reload is in force as a whole, whoever else reloads at the same time: the mappings belong to
/// the options, which tell them.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn reloads_at_the_same_time_do_not_mix() {
    let server = Arc::new(start(|builder| builder).await);
    let client = server.connect_local().await.expect("let in");
    let mut mapped = client.subscribe("to.*").await.expect("subscribed");
    for _ in 0..200 {
        let gate = Arc::new(Barrier::new(3));
        let threads: Vec<_> = (0..3)
            .map(|number| {
                let (server, gate) = (Arc::clone(&server), Arc::clone(&gate));
                let mut options = Options::clone(&server.options());
                options.mappings = vec![mapping_to(&format!("to.{number}"))];
                std::thread::spawn(move || {
                    gate.wait();
                    server.reload(options).map(drop)
                })
            })
            .collect();
        for thread in threads {
            thread
                .join()
                .expect("no panic")
                .expect("mappings change live");
        }
        client.publish("from", b"").await.expect("published");
        let message = within("the message", mapped.next()).await.expect("mapped");
        let said = server.options().mappings[0].destinations()[0]
            .subject
            .clone();
        assert_eq!(message.subject, said);
    }
}

fn mapping_to(subject: &str) -> Mapping {
    Mapping::new("from", vec![MappingDestination::all(subject)]).expect("a valid mapping")
}
