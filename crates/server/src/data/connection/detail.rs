//! Who is at the other end of a connection: what the client says of itself, and what it proved.
//!
//! Filled in by the log-in and changed by reloads; read by monitoring, events and the log. Secrets are
//! never part of it.

use std::fmt::Write as _;
use std::sync::Arc;

use cognate_auth::permissions::Permissions;
use cognate_auth::users::User;

/// What a client said and proved about itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct Detail {
    /// From CONNECT.
    pub name: String,
    /// From CONNECT.
    pub lang: String,
    /// From CONNECT.
    pub version: String,
    /// The user it was let in as: name, nkey, or a redacted token.
    pub user: String,
    /// What it logged in with, for the log: `user:<name>`, `nkey:<key>` or `token`.
    pub login: String,
    /// The user, if a token describes it.
    pub token: Option<Arc<User>>,
    /// The trusted proxy that it came through; empty without one.
    pub proxy: String,
    /// What the user may do; `None` is everything.
    pub permissions: Option<Arc<Permissions>>,
    /// TLS facts, once the handshake is done.
    pub tls: Option<TlsDetail>,
}

impl Detail {
    /// Appends to a connection's label what tells it from others: the client, and whom it was let in
    /// as, into `account`.
    pub(super) fn append_to(&self, label: &mut String, account: &str) {
        let version = match self.version.as_str() {
            "" => String::new(),
            version => format!("v{version}"),
        };
        let parts = [&version, &self.lang, &self.name].map(String::as_str);
        let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        // Writing to a String cannot fail.
        if !parts.is_empty() {
            let _ = write!(label, " - {:?}", parts.join(":"));
        }
        if !self.login.is_empty() {
            let _ = write!(label, " - {:?}", format!("{account}/{}", self.login));
        }
    }
}

/// What is known of a TLS connection.
#[derive(Clone, Debug)]
pub(crate) struct TlsDetail {
    /// Version, cipher suite, and what the client's certificate says.
    pub peer: cognate_tls::PeerDetail,
    /// The handshake came before INFO.
    pub first: bool,
}
