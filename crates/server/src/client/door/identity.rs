//! What a client says it is and what its certificate says, in the words of the log, of monitoring
//! and of services that decide about it. Only [`connect`] has
//! secrets in it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cognate_auth::jwt::{self, ClientTls};
use cognate_tls::PeerDetail;
use cognate_wire::ConnectOptions;
use zeroize::Zeroizing;

/// Who a client says it is, as authentication errors in the log name it.
pub(super) fn claim(options: &ConnectOptions) -> String {
    let ConnectOptions {
        nkey,
        user,
        jwt,
        auth_token,
        ..
    } = options;
    match (
        nkey.is_empty(),
        user.is_empty(),
        jwt.is_empty(),
        auth_token.is_empty(),
    ) {
        (false, ..) => format!("Nkey {nkey:?}"),
        (_, false, ..) => format!("User {user:?}"),
        (_, _, false, _) => "JWT User".to_owned(),
        (.., false) => "Token \"[REDACTED]\"".to_owned(),
        _ => String::new(),
    }
}

/// Who a client tries to be, as monitoring shows it until it is let in.
pub(super) fn tried(options: &ConnectOptions) -> String {
    let ConnectOptions {
        nkey,
        user,
        auth_token,
        ..
    } = options;
    match (nkey.is_empty(), user.is_empty(), auth_token.is_empty()) {
        (false, ..) => nkey.clone(),
        (_, false, _) => user.clone(),
        (.., false) => "[REDACTED]".to_owned(),
        _ => String::new(),
    }
}

/// What the label of a connection shows of its login.
pub(super) fn login(options: &ConnectOptions) -> String {
    let ConnectOptions {
        nkey,
        user,
        auth_token,
        ..
    } = options;
    match (nkey.is_empty(), user.is_empty(), auth_token.is_empty()) {
        (false, ..) => format!("nkey:{nkey}"),
        (_, false, _) => format!("user:{user}"),
        (.., false) => "token".to_owned(),
        _ => String::new(),
    }
}

/// What a client sent, as a service is told about it: its secrets are among it.
pub(super) fn connect(options: &ConnectOptions) -> jwt::ConnectOptions {
    jwt::ConnectOptions {
        jwt: Zeroizing::new(options.jwt.clone()),
        nkey: options.nkey.clone(),
        signed_nonce: options.sig.clone(),
        token: Zeroizing::new(options.auth_token.clone()),
        username: options.user.clone(),
        password: Zeroizing::new(options.pass.clone()),
        name: options.name.clone(),
        lang: options.lang.clone(),
        version: options.version.clone(),
        protocol: options.protocol,
    }
}

/// A client's TLS connection, as a service is told about it. `verified` says whether an authority
/// vouches for the certificates. Chains end with the last one that the client showed, where
/// nats-server appends the authority's own.
pub(super) fn tls(peer: &PeerDetail, verified: bool) -> ClientTls {
    let certs: Vec<String> = peer.chain.iter().map(|der| pem(der)).collect();
    let shown = ClientTls {
        version: peer.version.to_owned(),
        cipher: peer.cipher_suite.to_owned(),
        ..ClientTls::default()
    };
    match verified && !certs.is_empty() {
        true => ClientTls {
            verified_chains: vec![certs],
            ..shown
        },
        false => ClientTls { certs, ..shown },
    }
}

/// A certificate in PEM.
fn pem(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let mut out = String::with_capacity(text.len() + text.len() / 64 + 64);
    out.push_str("-----BEGIN CERTIFICATE-----\n");
    for line in text.as_bytes().chunks(64) {
        out.extend(line.iter().copied().map(char::from));
        out.push('\n');
    }
    out.push_str("-----END CERTIFICATE-----\n");
    out
}
