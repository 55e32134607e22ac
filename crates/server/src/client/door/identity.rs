//! What a client says it is and what its certificate says, in the words of the log, of monitoring
//! and of services that decide about it. Only [`connect`] has
//! secrets in it.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cognate_auth::jwt::{self, ClientTls};
use cognate_tls::PeerDetail;
use cognate_wire::ConnectOptions;
use zeroize::Zeroizing;

/// Who a client says it is. Of its secrets it only tells that there are some.
#[derive(Clone, Debug, Default)]
pub(super) struct Claim {
    /// Its public nkey.
    pub nkey: Box<str>,
    /// Its name as a user.
    pub user: Box<str>,
    has_jwt: bool,
    has_token: bool,
}

impl From<&ConnectOptions> for Claim {
    fn from(options: &ConnectOptions) -> Self {
        Claim {
            nkey: options.nkey.as_str().into(),
            user: options.user.as_str().into(),
            has_jwt: !options.jwt.is_empty(),
            has_token: !options.auth_token.is_empty(),
        }
    }
}

impl Claim {
    /// Whether `options` say that it is the same, and nothing that could be believed or not.
    pub(super) fn is_said_again(&self, options: &ConnectOptions) -> bool {
        !options.has_proof() && *self.nkey == *options.nkey && *self.user == *options.user
    }
}

/// As authentication errors in the log name it; empty if it does not say.
impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Claim { nkey, user, .. } = self;
        match self {
            _ if !nkey.is_empty() => write!(f, "Nkey {nkey:?}"),
            _ if !user.is_empty() => write!(f, "User {user:?}"),
            claim if claim.has_jwt => f.write_str("JWT User"),
            claim if claim.has_token => f.write_str("Token \"[REDACTED]\""),
            _ => Ok(()),
        }
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
