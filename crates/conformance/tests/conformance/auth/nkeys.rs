//! The nkey challenge: whoever signs the nonce of its INFO is let in, and nobody else is.

use cognate_conformance::{Client, Server};

use super::VIOLATION;
use crate::support::nkey::UserKey;

fn key() -> UserKey {
    UserKey::from_seed([7; 32])
}

fn login(server: &Server, public: &str, sign: impl FnOnce(&str) -> String) -> Client {
    let mut client = server.connect();
    let nonce = client.info()["nonce"]
        .as_str()
        .expect("a nonce to sign")
        .to_owned();
    let signature = sign(&nonce);
    client.send(format!(
        "CONNECT {{\"verbose\":false,\"nkey\":\"{public}\",\"sig\":\"{signature}\"}}\r\n"
    ));
    client
}

fn server() -> Server {
    Server::with_config(&format!(
        "authorization {{ users: [ {{nkey: {}, permissions: {{publish: \"ok\"}}}} ] }}",
        key().public()
    ))
}

#[test]
fn info_carries_a_fresh_nonce() {
    let server = server();
    let nonces: Vec<String> = (0..2)
        .map(|_| {
            let info = server.connect().info().clone();
            assert_eq!(info["auth_required"], true);
            info["nonce"].as_str().expect("a nonce").to_owned()
        })
        .collect();
    assert_ne!(nonces[0], nonces[1]);
    for nonce in nonces {
        assert_eq!(nonce.len(), 15, "eleven bytes in base64url");
        assert!(
            nonce
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        );
    }
}

#[test]
fn the_signature_of_the_nonce_opens_the_door() {
    let server = server();
    let mut client = login(&server, &key().public(), |nonce| key().sign(nonce));
    client.sync();
    client
        .send("PUB no 0\r\n\r\n")
        .expect("-ERR 'Permissions Violation for Publish to \"no\"'\r\n");
    let connz = server.json("/connz?auth=1");
    assert_eq!(connz["connections"][0]["authorized_user"], key().public());
}

#[test]
fn anything_else_does_not() {
    let server = server();
    let other = UserKey::from_seed([8; 32]);
    let mut attempts = [
        login(&server, &key().public(), |_| key().sign("another nonce")),
        login(&server, &key().public(), |nonce| other.sign(nonce)),
        login(&server, &other.public(), |nonce| other.sign(nonce)),
        login(&server, &key().public(), |_| String::new()),
        login(&server, &key().public(), |_| "!!!".to_owned()),
        login(&server, "UNONSENSE", |nonce| key().sign(nonce)),
        login(&server, "", |nonce| key().sign(nonce)),
    ];
    for client in &mut attempts {
        client.expect(VIOLATION).expect_close();
        assert_eq!(server.close_reason(client.cid()), "Authentication Failure");
    }
}
