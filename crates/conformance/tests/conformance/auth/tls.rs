//! TLS on the client port: who speaks first, and with what.

use cognate_conformance::{Client, Server, ServerBuilder};

use crate::support::tls::{Authority, immediate, upgrade, wrap};
use crate::support::{QUIET, tls};

/// A builder whose directory has certificates, and the keys of a `tls` block that uses them.
pub(super) fn prepare(authority: &Authority) -> (ServerBuilder, String) {
    let builder = Server::builder().monitored();
    authority.write_server_files(builder.dir(), "server");
    let dir = builder.dir().display().to_string();
    let files = format!(
        "cert_file: \"{dir}/server.pem\", key_file: \"{dir}/server-key.pem\", ca_file: \"{dir}/ca.pem\""
    );
    (builder, files)
}

/// Sends a message to itself.
pub(super) fn greet(client: &mut Client) {
    client
        .send(QUIET)
        .send("SUB a 1\r\nPUB a 2\r\nhi\r\n")
        .expect("MSG a 1 2\r\nhi\r\n")
        .sync();
}

#[test]
fn tls_is_announced_in_info_and_starts_after_it() {
    let authority = Authority::new("ca");
    let (builder, files) = prepare(&authority);
    let server = builder.config(&format!("tls {{ {files} }}")).start();
    let info = server.connect().info().clone();
    assert_eq!(info["tls_required"], true);
    assert!(
        info.get("tls_verify").is_none() && info.get("tls_available").is_none(),
        "{info}"
    );
    let mut client = upgrade(server.addr(), authority.client_config(None));
    greet(&mut client);
    // The connection that asked for INFO only may still be listed.
    let connz = server.json("/connz");
    let all = connz["connections"].as_array().expect("a list");
    let connection = all.last().expect("the open connection");
    assert_eq!(connection["tls_version"], "1.3");
    let suite = connection["tls_cipher_suite"]
        .as_str()
        .expect("a cipher suite");
    assert!(suite.starts_with("TLS_"), "{suite}");
    let varz = server.json("/varz");
    assert_eq!(varz["tls_required"], true);
    assert!(varz["tls_cert_not_after"].is_string());
    assert!(
        server.ports()["nats"][0]
            .as_str()
            .is_some_and(|url| url.starts_with("tls://"))
    );
}

#[test]
fn large_messages_cross_tls_whole() {
    let authority = Authority::new("ca");
    let (builder, files) = prepare(&authority);
    let server = builder.config(&format!("tls {{ {files} }}")).start();
    let mut client = upgrade(server.addr(), authority.client_config(None));
    let payload = "x".repeat(300_000);
    client
        .send(QUIET)
        .send("SUB a 1\r\n")
        .send(format!("PUB a 300000\r\n{payload}\r\n"));
    assert_eq!(client.message().payload, payload);
    client.sync();
}

#[test]
fn allow_non_tls_serves_both_on_one_port() {
    let authority = Authority::new("ca");
    let (builder, files) = prepare(&authority);
    let server = builder
        .config(&format!("allow_non_tls: true, tls {{ {files} }}"))
        .start();
    let mut plain = server.connect();
    let info = plain.info().clone();
    assert_eq!(info["tls_available"], true);
    assert!(info.get("tls_required").is_none(), "{info}");
    greet(&mut plain);
    greet(&mut upgrade(server.addr(), authority.client_config(None)));
}

#[test]
fn handshake_first_says_nothing_before_tls() {
    let authority = Authority::new("ca");
    let (builder, files) = prepare(&authority);
    let server = builder
        .config(&format!(
            "tls {{ {files}, handshake_first: true, timeout: 0.3 }}"
        ))
        .start();
    let mut client = immediate(server.addr(), authority.client_config(None));
    let info = client.read_info();
    assert_eq!(info["tls_required"], true);
    greet(&mut client);
    assert_eq!(server.json("/connz")["connections"][0]["tls_first"], true);
    // A client that waits for INFO waits in vain.
    let mut waiting = Client::silent(server.addr());
    let rest = waiting.rest();
    assert!(!rest.contains("INFO"), "{rest}");
}

#[test]
fn handshake_first_auto_serves_both_kinds_of_clients() {
    let authority = Authority::new("ca");
    for mode in ["auto", "\"150ms\""] {
        let (builder, files) = prepare(&authority);
        let server = builder
            .config(&format!("tls {{ {files}, handshake_first: {mode} }}"))
            .start();
        let mut eager = immediate(server.addr(), authority.client_config(None));
        eager.read_info();
        greet(&mut eager);
        greet(&mut upgrade(server.addr(), authority.client_config(None)));
    }
}

#[test]
fn certificates_are_read_again_on_reload() {
    let old = Authority::new("old");
    let (builder, files) = prepare(&old);
    let config = format!("tls {{ {files} }}");
    let server = builder.config(&config).start();
    let mut before = upgrade(server.addr(), old.client_config(None));
    greet(&mut before);
    before.send("UNSUB 1\r\n").sync();
    let new = Authority::new("new");
    new.write_server_files(server.dir(), "server");
    let log = server.reload(&config);
    assert!(log.contains("Reloaded: tls = enabled"), "{log}");
    greet(&mut upgrade(server.addr(), new.client_config(None)));
    // Connections from before go on.
    before.sync();
    let mut untrusting = upgrade(server.addr(), old.client_config(None));
    assert!(
        untrusting.try_send(QUIET).is_err(),
        "the old authority no longer vouches for it"
    );
}

#[test]
fn changes_of_tls_are_told_one_by_one() {
    let authority = Authority::new("ca");
    let (builder, files) = prepare(&authority);
    let config = |more: &str| format!("tls {{ {files}, {more} }}");
    let server = builder.config(&config("timeout: 1")).start();
    let pin = "a".repeat(64);
    let delay = "Reloaded: Client TLS handshake first fallback delay";
    for (more, expected) in [
        ("timeout: 3.5", &["Reloaded: tls timeout = 3.5"][..]),
        (
            "timeout: 3.5, handshake_first: true",
            &["Reloaded: Client TLS handshake first: true"],
        ),
        (
            "timeout: 3.5, handshake_first: auto",
            &[&format!("{delay}: 50ms")],
        ),
        (
            "timeout: 3.5, handshake_first: \"300ms\"",
            &[&format!("{delay}: 300ms")],
        ),
        (
            "timeout: 3.5",
            &[
                &format!("{delay}: 0s"),
                "Reloaded: Client TLS handshake first: false",
            ],
        ),
        (
            &format!("timeout: 3.5, pinned_certs: [\"{pin}\"]"),
            &["Reloaded: 1 pinned_certs"],
        ),
    ] {
        let log = server.reload(&config(more));
        let (_, last) = log.rsplit_once("Trapped").expect("a reload");
        for text in expected {
            assert!(last.contains(text), "{text:?} is missing in\n{last}");
        }
        let told = last.matches("TLS handshake first").count() + last.matches("pinned").count();
        assert!(told <= expected.len(), "{more}: {last}");
    }
}

#[test]
fn missing_or_mismatched_files_are_refused_at_start() {
    let authority = Authority::new("ca");
    let dir = tempfile::tempdir().expect("a temporary directory");
    authority.write_server_files(dir.path(), "server");
    let path = dir.path().join("server.conf");
    let shown = dir.path().display();
    for config in [
        "tls { cert_file: \"/does/not/exist\", key_file: \"/does/not/exist\" }".to_owned(),
        format!("tls {{ cert_file: \"{shown}/server.pem\" }}"),
        format!(
            "tls {{ cert_file: \"{shown}/server-key.pem\", key_file: \"{shown}/server.pem\" }}"
        ),
        format!(
            "tls {{ cert_file: \"{shown}/server.pem\", key_file: \"{shown}/server-key.pem\", bogus: 1 }}"
        ),
    ] {
        std::fs::write(&path, &config).expect("a writable file");
        let done = cognate_conformance::cli::run(["-c".as_ref(), path.as_os_str()]);
        assert_eq!(done.code, Some(1), "{config}: {}", done.stderr);
        assert!(
            done.stderr.contains("server.conf"),
            "names the file: {}",
            done.stderr
        );
    }
}

#[test]
fn tls_from_the_command_line() {
    let authority = Authority::new("ca");
    let builder = Server::builder();
    authority.write_server_files(builder.dir(), "server");
    let path = |name: &str| builder.dir().join(name).display().to_string();
    let (cert, key) = (path("server.pem"), path("server-key.pem"));
    let server = builder
        .args(&["--tls", "--tlscert", &cert, "--tlskey", &key])
        .start();
    let tcp = server.connect().into_tcp();
    greet(&mut wrap(tcp, authority.client_config(None)));
}

#[test]
fn the_oldest_tls_version_is_1_2() {
    let authority = Authority::new("ca");
    let (builder, files) = prepare(&authority);
    let server = builder
        .config(&format!("tls {{ {files}, min_version: \"1.3\" }}"))
        .start();
    let mut client = upgrade(
        server.addr(),
        authority.client_config_of(&[&rustls::version::TLS12]),
    );
    assert!(client.try_send(QUIET).is_err(), "1.2 is below the minimum");
    greet(&mut upgrade(server.addr(), authority.client_config(None)));
    let (builder, files) = prepare(&authority);
    let server = builder.config(&format!("tls {{ {files} }}")).start();
    let config = authority.client_config_of(&[&rustls::version::TLS12]);
    let mut client = tls::upgrade(server.addr(), config);
    greet(&mut client);
    assert_eq!(
        server.json("/connz")["connections"][0]["tls_version"],
        "1.2"
    );
}

#[test]
fn cipher_suites_can_be_chosen() {
    let authority = Authority::new("ca");
    let suite = "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384";
    let (builder, files) = prepare(&authority);
    let server = builder
        .config(&format!(
            "tls {{ {files}, cipher_suites: [\"{suite}\"], curve_preferences: [\"CurveP256\"] }}"
        ))
        .start();
    let config = authority.client_config_of(&[&rustls::version::TLS12]);
    greet(&mut upgrade(server.addr(), config));
    assert_eq!(
        server.json("/connz?state=any")["connections"][0]["tls_cipher_suite"],
        suite
    );
}

#[test]
fn monitoring_over_https() {
    let authority = Authority::new("ca");
    let builder = Server::builder();
    authority.write_server_files(builder.dir(), "server");
    let dir = builder.dir().display().to_string();
    let server = builder
        .args(&["-ms", "-1"])
        .config(&format!(
            "tls {{ cert_file: \"{dir}/server.pem\", key_file: \"{dir}/server-key.pem\" }}"
        ))
        .start();
    let url = server.ports()["monitoring"][0].as_str().expect("a URL");
    assert!(url.starts_with("https://127.0.0.1:"), "{url}");
    let mut client = immediate(server.monitor_addr(), authority.client_config(None));
    client.send("GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    let answer = client.rest();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.ends_with("{\"status\":\"ok\"}"), "{answer}");
}
