//! Client certificates: verify, verify_and_map, pinned certificates.

use cognate_conformance::{Client, Server};

use crate::support::QUIET;
use crate::support::tls::{Authority, Identity, refusal, upgrade};

fn start(authority: &Authority, more: &str, config: &str) -> Server {
    let builder = Server::builder().monitored();
    authority.write_server_files(builder.dir(), "server");
    let dir = builder.dir().display().to_string();
    builder
        .config(&format!(
            "tls {{ cert_file: \"{dir}/server.pem\", key_file: \"{dir}/server-key.pem\"\n\
             ca_file: \"{dir}/ca.pem\", {more} }}\n{config}"
        ))
        .start()
}

/// Whether a client with this certificate gets an answer.
fn enters(server: &Server, authority: &Authority, identity: Option<&Identity>) -> bool {
    let mut client = upgrade(server.addr(), authority.client_config(identity));
    // With TLS 1.3 a client learns only from the first read that it was refused.
    client.try_send(format!("{QUIET}PING\r\n")).is_ok() && client.exactly("PONG\r\n").is_ok()
}

fn enter(server: &Server, authority: &Authority, identity: &Identity) -> Client {
    let mut client = upgrade(server.addr(), authority.client_config(Some(identity)));
    client.send(QUIET).sync();
    client
}

#[test]
fn verify_wants_a_certificate_of_the_authority() {
    let authority = Authority::new("ca");
    let server = start(&authority, "verify: true", "");
    let info = server.connect().info().clone();
    assert_eq!(
        (&info["tls_required"], &info["tls_verify"]),
        (&true.into(), &true.into())
    );
    assert_eq!(server.json("/varz")["tls_verify"], true);
    assert!(enters(
        &server,
        &authority,
        Some(&authority.issue("client", None))
    ));
    assert!(!enters(&server, &authority, None), "no certificate");
    let stranger = Authority::new("stranger").issue("client", None);
    assert!(
        !enters(&server, &authority, Some(&stranger)),
        "another authority"
    );
    let identity = authority.issue("client", None);
    let client = enter(&server, &authority, &identity);
    let connz = server.json(&format!("/connz?auth=1&cid={}", connection(&server)));
    let peer = &connz["connections"][0]["tls_peer_certs"][0];
    assert_eq!(peer["subject"], "CN=client");
    assert_eq!(peer["spki_sha256"], identity.pin());
    assert!(peer["cert_sha256"].is_string());
    drop(client);
}

/// The newest open connection.
fn connection(server: &Server) -> u64 {
    let connz = server.json("/connz");
    let all = connz["connections"].as_array().expect("a list");
    all.last()
        .and_then(|entry| entry["cid"].as_u64())
        .expect("an open connection")
}

#[test]
fn a_stranger_is_told_that_the_authority_is_unknown() {
    let authority = Authority::new("ca");
    let server = start(&authority, "verify: true", "");
    // One of another name, and one that bears the name of the server's.
    for name in ["stranger", "ca"] {
        let stranger = Authority::new(name).issue("client", None);
        let refused = refusal(server.addr(), authority.client_config(Some(&stranger)));
        assert_eq!(refused, "received fatal alert: UnknownCA", "{name}");
    }
}

#[test]
fn verify_and_map_takes_the_user_from_the_certificate() {
    let authority = Authority::new("ca");
    let server = start(
        &authority,
        "verify_and_map: true",
        "authorization { users: [\n\
           {user: \"mail@example.com\", permissions: {publish: mail}}\n\
           {user: \"CN=subject\", permissions: {publish: name}} ] }",
    );
    for (identity, user, allowed) in [
        (
            authority.issue("whoever", Some("mail@example.com")),
            "mail@example.com",
            "mail",
        ),
        (authority.issue("subject", None), "CN=subject", "name"),
    ] {
        let mut client = enter(&server, &authority, &identity);
        client.send(format!("PUB {allowed} 0\r\n\r\n")).sync();
        client.send("PUB x 0\r\n\r\n");
        client.expect("-ERR 'Permissions Violation for Publish to \"x\"'\r\n");
        let connz = server.json(&format!("/connz?auth=1&cid={}", connection(&server)));
        assert_eq!(connz["connections"][0]["authorized_user"], user);
        drop(client);
    }
    let nobody = authority.issue("nobody", Some("nobody@example.com"));
    let mut client = upgrade(server.addr(), authority.client_config(Some(&nobody)));
    client
        .send(QUIET)
        .expect("-ERR 'Authorization Violation'\r\n")
        .expect_close();
}

#[test]
fn pinned_certificates_admit_only_their_keys() {
    let authority = Authority::new("ca");
    let (pinned, other) = (
        authority.issue("pinned", None),
        authority.issue("other", None),
    );
    let more = format!("verify: true, pinned_certs: [\"{}\"]", pinned.pin());
    let server = start(&authority, &more, "");
    assert!(enters(&server, &authority, Some(&pinned)));
    assert!(!enters(&server, &authority, Some(&other)));
}

#[test]
fn certificates_and_passwords_together() {
    let authority = Authority::new("ca");
    let server = start(
        &authority,
        "verify: true",
        "authorization { user: u, password: p }",
    );
    let identity = authority.issue("client", None);
    assert!(
        !enters(&server, &authority, Some(&identity)),
        "the password is missing"
    );
    let mut client = upgrade(server.addr(), authority.client_config(Some(&identity)));
    client
        .send("CONNECT {\"user\":\"u\",\"pass\":\"p\",\"verbose\":false}\r\n")
        .sync();
}
