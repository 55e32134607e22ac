//! One login: credentials in, a decision out.
//!
//! ```text
//! no login required ──────────────────────────────────────────────▶ anonymous
//! nkey (or none at all, and no_auth_user is one) ─▶ signature ────▶ that user
//! users ─ listener maps certificates ─▶ certificate ─┐
//!       ├ no user/pass/token ─▶ no_auth_user ────────┼─▶ password ▶ that user
//!       └ user ──────────────────────────────────────┘
//! token, else single user ─▶ secret ──────────────────────────────▶ token, that user
//! ```
//!
//! Each line applies if it is configured; a line that applies decides, except that one whose
//! credential the client did not send passes on to the next.

use super::{Authenticator, ConnectionType, Entry, User, UserId};
use crate::nkey::{PublicKey, decode_signature};
use crate::password::{BcryptJob, PasswordCheck};
use crate::proxy::ProxyCheck;
use crate::tls::TlsIdentity;
use std::fmt;
use std::sync::Arc;

/// What a client presents. Absent fields are empty, which NATS treats alike.
#[derive(Clone, Copy, Default)]
pub struct Login<'a> {
    /// `user` of CONNECT.
    pub user: &'a str,
    /// `pass` of CONNECT.
    pub pass: &'a str,
    /// `auth_token` of CONNECT.
    pub token: &'a str,
    /// `nkey` of CONNECT.
    pub nkey: &'a str,
    /// `sig` of CONNECT.
    pub sig: &'a str,
    /// The nonce of this connection's INFO; empty if there was none.
    pub nonce: &'a [u8],
    /// How the client is connected.
    pub connection_type: ConnectionType,
    /// The names of its certificate in search order; empty without a certificate.
    pub tls_identities: &'a [TlsIdentity],
    /// What its `proxy_sig` proved.
    pub proxy: ProxyCheck,
}

impl fmt::Debug for Login<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login")
            .field("user", &self.user)
            .field("nkey", &self.nkey)
            .field("connection_type", &self.connection_type)
            .field("tls_identities", &self.tls_identities)
            .finish_non_exhaustive()
    }
}

/// The answer to a [`Login`].
#[derive(Debug)]
pub enum Decision {
    /// The connection is this user.
    Allowed(Arc<User>),
    /// Refused: `-ERR 'Authorization Violation'` and close.
    Denied(DenyCause),
    /// A bcrypt hash must be computed first, off the I/O threads.
    NeedsBcrypt(BcryptLogin),
}

/// Why a login was refused. For the log; the client is not told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DenyCause {
    /// It carries no credential that the configuration asks for.
    NoCredentials,
    /// No such user, or not the password.
    WrongUserOrPassword,
    /// Not the token.
    WrongToken,
    /// No such nkey.
    UnknownNkey,
    /// An nkey without a signature, or with one that is no base64 of 64 bytes.
    SignatureMalformed,
    /// The signature is not of this nonce by this nkey.
    SignatureInvalid,
    /// The user may not use this type of connection.
    ConnectionTypeNotAllowed,
    /// No name of the certificate, or no certificate, selects a user.
    CertificateNotMapped,
    /// The user has no password since it is a certificate's name on another listener.
    CertificateRequired,
    /// The connection came through a proxy that is not trusted: the reason to close it is that.
    ProxyNotTrusted,
    /// The user must come through a trusted proxy: the reason to close it is that.
    ProxyRequired,
}

impl fmt::Display for DenyCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DenyCause::NoCredentials => "no credentials given",
            DenyCause::WrongUserOrPassword => "unknown user or wrong password",
            DenyCause::WrongToken => "wrong token",
            DenyCause::UnknownNkey => "unknown nkey",
            DenyCause::SignatureMalformed => "signature missing or not base64 of 64 bytes",
            DenyCause::SignatureInvalid => "signature does not match the nonce and the nkey",
            DenyCause::ConnectionTypeNotAllowed => "connection type not allowed for the user",
            DenyCause::CertificateNotMapped => "no user found for the client certificate",
            DenyCause::CertificateRequired => "user requires a client certificate",
            DenyCause::ProxyNotTrusted => "proxy is not trusted",
            DenyCause::ProxyRequired => "proxy connection required",
        })
    }
}

/// A login that hangs on a bcrypt comparison.
#[derive(Debug)]
pub struct BcryptLogin {
    job: BcryptJob,
    /// `None` if the answer is no already, and the job only hides that.
    user: Option<Arc<User>>,
    cause: DenyCause,
}

impl BcryptLogin {
    /// Computes the hash. Slow and busy: run it on a thread meant for that, and few at a time,
    /// since anyone who can connect can ask for one.
    pub fn run(self) -> Result<Arc<User>, DenyCause> {
        let matches = self.job.run();
        self.user.filter(|_| matches).ok_or(self.cause)
    }
}

impl Authenticator {
    /// Decides who a connection is.
    pub fn begin(&self, login: &Login<'_>) -> Decision {
        if login.proxy == ProxyCheck::NotTrusted {
            return Decision::Denied(DenyCause::ProxyNotTrusted);
        }
        if !self.required {
            return Decision::Allowed(Arc::clone(&self.anonymous));
        }
        let decision = self
            .by_nkey(login)
            .or_else(|| self.by_certificate(login))
            .or_else(|| self.by_no_auth_user(login))
            .or_else(|| self.by_name(login))
            .unwrap_or_else(|| self.by_single_credential(login));
        decision.through(login.proxy)
    }

    fn by_nkey(&self, login: &Login<'_>) -> Option<Decision> {
        if self.nkeys.is_empty() {
            return None;
        }
        let none_given = login.has_no_password() && login.nkey.is_empty();
        let key = match &self.no_auth_user {
            Some(UserId::Nkey(key)) if none_given => *key,
            _ if login.nkey.is_empty() => return None,
            _ => match PublicKey::parse(login.nkey) {
                Ok(key) => key,
                Err(_) => return Some(Decision::Denied(DenyCause::UnknownNkey)),
            },
        };
        let Some(entry) = self.nkeys.get(&key) else {
            return Some(Decision::Denied(DenyCause::UnknownNkey));
        };
        if !entry.user.connection_types.allows(login.connection_type) {
            return Some(Decision::Denied(DenyCause::ConnectionTypeNotAllowed));
        }
        // The key anybody may be needs no proof, even if named.
        if self.no_auth_user != Some(UserId::Nkey(key)) {
            let Some(signature) = decode_signature(login.sig) else {
                return Some(Decision::Denied(DenyCause::SignatureMalformed));
            };
            // Signing nothing proves nothing: it could be replayed.
            if login.nonce.is_empty() || key.verify(login.nonce, &signature).is_err() {
                return Some(Decision::Denied(DenyCause::SignatureInvalid));
            }
        }
        Some(Decision::Allowed(Arc::clone(&entry.user)))
    }

    fn by_certificate(&self, login: &Login<'_>) -> Option<Decision> {
        if self.users.is_empty() || !self.maps_certificates(login.connection_type) {
            return None;
        }
        let mut found = login
            .tls_identities
            .iter()
            .filter_map(|identity| match identity {
                TlsIdentity::Name(name) => self.user_for(name, login),
                TlsIdentity::DistinguishedName(subject) => {
                    let candidates = || {
                        self.distinguished.iter().filter_map(|(name, user)| {
                            self.user_for(user, login).map(|entry| (name, entry))
                        })
                    };
                    candidates()
                        .find(|(name, _)| *name == subject)
                        .or_else(|| candidates().find(|(name, _)| name.has_same_names(subject)))
                        .map(|(_, entry)| entry)
                }
            });
        Some(match found.next() {
            // A user with a password must give it as well.
            Some(entry) => self.compare(entry, login.pass, DenyCause::WrongUserOrPassword),
            None => Decision::Denied(DenyCause::CertificateNotMapped),
        })
    }

    fn by_no_auth_user(&self, login: &Login<'_>) -> Option<Decision> {
        let Some(id @ UserId::Name(_)) = &self.no_auth_user else {
            return None;
        };
        if !login.has_no_password() {
            return None;
        }
        let entry = self.entry(id)?;
        if !entry.user.connection_types.allows(login.connection_type) {
            return Some(Decision::Denied(DenyCause::ConnectionTypeNotAllowed));
        }
        // The Go server compares the configured password with itself here, which fails if it is
        // a bcrypt hash and shuts everybody out. What `no_auth_user` says is to let them in.
        Some(Decision::Allowed(Arc::clone(&entry.user)))
    }

    fn by_name(&self, login: &Login<'_>) -> Option<Decision> {
        if self.users.is_empty() || login.user.is_empty() {
            return None;
        }
        let wrong = DenyCause::WrongUserOrPassword;
        let Some(entry) = self.users.get(login.user) else {
            return Some(self.deny_slowly(login.pass, wrong));
        };
        if !entry.user.connection_types.allows(login.connection_type) {
            return Some(self.deny_slowly(login.pass, DenyCause::ConnectionTypeNotAllowed));
        }
        let anybody = self.no_auth_user.as_ref() == Some(&entry.user.id);
        if self.needs_certificate(entry) && !anybody {
            return Some(Decision::Denied(DenyCause::CertificateRequired));
        }
        Some(self.compare(entry, login.pass, wrong))
    }

    fn by_single_credential(&self, login: &Login<'_>) -> Decision {
        if let Some(entry) = &self.token {
            return self.compare(entry, login.token, DenyCause::WrongToken);
        }
        match &self.single {
            Some((name, entry)) if name == login.user => {
                self.compare(entry, login.pass, DenyCause::WrongUserOrPassword)
            }
            Some(_) if !login.user.is_empty() => {
                self.deny_slowly(login.pass, DenyCause::WrongUserOrPassword)
            }
            _ => Decision::Denied(DenyCause::NoCredentials),
        }
    }

    /// The user of that name, if it may use this type of connection.
    fn user_for(&self, name: &str, login: &Login<'_>) -> Option<&Entry> {
        self.users
            .get(name)
            .filter(|entry| entry.user.connection_types.allows(login.connection_type))
    }

    fn compare(&self, entry: &Entry, offered: &str, cause: DenyCause) -> Decision {
        let Some(secret) = &entry.secret else {
            return Decision::Denied(cause);
        };
        match secret.check(offered) {
            PasswordCheck::Match => Decision::Allowed(Arc::clone(&entry.user)),
            PasswordCheck::Mismatch => self.deny_slowly(offered, cause),
            PasswordCheck::NeedsBcrypt(job) => Decision::NeedsBcrypt(BcryptLogin {
                job,
                user: Some(Arc::clone(&entry.user)),
                cause,
            }),
        }
    }

    /// Refuses, taking as long as the comparison with a bcrypt hash would if some user has one,
    /// so that the time does not tell which names exist.
    fn deny_slowly(&self, offered: &str, cause: DenyCause) -> Decision {
        match self.bcrypt_cost {
            None => Decision::Denied(cause),
            Some(cost) => {
                let job = BcryptJob::decoy(cost, offered);
                Decision::NeedsBcrypt(BcryptLogin {
                    job,
                    user: None,
                    cause,
                })
            }
        }
    }
}

impl Decision {
    /// The decision, knowing what stands in front of the client. Whoever would have been refused
    /// anyway is refused for that.
    fn through(self, proxy: ProxyCheck) -> Self {
        let lacks_proxy = |user: &User| user.proxy_required && !proxy.is_trusted();
        match self {
            Decision::Allowed(user) if lacks_proxy(&user) => {
                Decision::Denied(DenyCause::ProxyRequired)
            }
            // A wrong password takes as long as ever, and the right one does not help.
            Decision::NeedsBcrypt(login) if login.user.as_deref().is_some_and(lacks_proxy) => {
                Decision::NeedsBcrypt(BcryptLogin {
                    user: None,
                    cause: DenyCause::ProxyRequired,
                    ..login
                })
            }
            decision => decision,
        }
    }
}

impl Login<'_> {
    fn has_no_password(&self) -> bool {
        self.user.is_empty() && self.pass.is_empty() && self.token.is_empty()
    }
}
