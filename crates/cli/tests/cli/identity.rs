//! Proving who one is: nkeys, certificates, TLS before and after the greeting.

use cognate_auth::nkey::{KeyPair, Kind};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair as TlsKey};

use crate::support::World;

/// What `commands` must do with the login `flags`: those over async-nats and those over raw sockets.
fn check(world: &World, flags: &[&str]) {
    for command in [
        &["pub", "a", "b"][..],
        &["rtt"],
        &["bench", "pub", "a", "--msgs", "10", "--no-progress"],
    ] {
        world.nats(&[command, flags].concat()).ok();
    }
}

#[test]
fn an_nkey_signs_for_its_user() {
    let pair = KeyPair::from_bytes(Kind::User, [7; 32]).expect("a user may sign");
    let world = World::configured(&format!(
        "authorization {{ users: [{{nkey: {}}}] }}",
        pair.public_key()
    ));
    let seed = world.file("user.nk", pair.seed().as_bytes());
    check(&world, &["--nkey", &seed]);
    let decorated = format!(
        "-----BEGIN USER NKEY SEED-----\n{}\n------END USER NKEY SEED------\n",
        *pair.seed()
    );
    check(
        &world,
        &["--nkey", &world.file("decorated.nk", decorated.as_bytes())],
    );
    let other = KeyPair::from_bytes(Kind::User, [8; 32]).expect("a user may sign");
    let other = world.file("other.nk", other.seed().as_bytes());
    world
        .nats(&["rtt", "--nkey", &other])
        .fails_with("refused the login");
    world
        .nats(&["pub", "a", "b", "--nkey", &other])
        .fails_with("refused the login");
    world
        .nats(&["pub", "a", "b", "--nkey", "/there/is/none"])
        .fails_with("/there/is/none");
    let empty = world.file("empty.nk", b"nothing\n");
    world
        .nats(&["pub", "a", "b", "--nkey", &empty])
        .fails_with("no nkey seed");
}

/// A server with a certificate of its own authority; the flags name that authority and a client's
/// certificate.
pub(crate) fn secured(extra: &str) -> (World, [String; 6], tempfile::TempDir) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let write = |name: &str, text: String| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).expect("a temporary file can be written");
        path.to_str().expect("a path that is text").to_owned()
    };
    let mut authority = CertificateParams::new(Vec::new()).expect("no names are fine");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = TlsKey::generate().expect("a key can be made");
    let issuer = CertifiedIssuer::self_signed(authority, key).expect("it can sign itself");
    let ca = write("ca.pem", issuer.pem());
    let issue = |name: &str, host: &str| {
        let key = TlsKey::generate().expect("a key can be made");
        let params = CertificateParams::new(vec![host.to_owned()]).expect("a valid name");
        let certificate = params.signed_by(&key, &issuer).expect("it can be signed");
        (
            write(&format!("{name}.pem"), certificate.pem()),
            write(&format!("{name}.key"), key.serialize_pem()),
        )
    };
    let (server_cert, server_key) = issue("server", "127.0.0.1");
    let (cert, key) = issue("client", "client.example");
    let config = format!(
        "tls {{ cert_file: {server_cert:?}, key_file: {server_key:?}, ca_file: {ca:?}, verify: true, {extra} }}"
    );
    let flags = [
        "--tlsca".to_owned(),
        ca,
        "--tlscert".to_owned(),
        cert,
        "--tlskey".to_owned(),
        key,
    ];
    (World::configured(&config), flags, dir)
}

#[test]
fn certificates_are_shown_and_checked() {
    let (world, flags, _files) = secured("");
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    check(&world, &flags);
    world.nats(&["pub", "a", "b"]).fails_with("TLS");
    world.nats(&["rtt"]).fails_with("certificate");
    assert_eq!(
        world.nats(&[&["pub", "a", "b"], &flags[..2]].concat()).code,
        1
    );
    world
        .nats(&[&["pub", "a", "b"], &["--tlsca", "/none"][..], &flags[2..]].concat())
        .fails_with("/none");
}

#[test]
fn tls_may_come_before_the_greeting() {
    let (world, flags, _files) = secured("handshake_first: true");
    let mut flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    flags.push("--tlsfirst");
    check(&world, &flags);
}
