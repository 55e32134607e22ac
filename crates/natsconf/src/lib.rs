//! A client's connection settings in a file, and the connection they describe.
//!
//! ```yaml
//! Hosts: [nats://127.0.0.1:4222, nats://127.0.0.1:4223]
//! ReconnectWait: 5s
//! MaxReconnect: 5
//! UserCred: ~/app.creds
//! TlsCACert: /etc/nats/ca.pem
//! ```
//!
//! The same keys are read from YAML, JSON and TOML, whatever their case. [`NatsConf::from_file`] goes
//! by the file's extension, [`NatsConf::connect`] and [`NatsConf::jetstream`] hand over something
//! ready to use:
//!
//! ```no_run
//! # async fn example() -> Result<(), cognate_natsconf::Error> {
//! let conf = cognate_natsconf::NatsConf::from_file("nats.yaml")?;
//! let jetstream = conf.jetstream().await?;
//! # Ok(()) }
//! ```
//!
//! Invariants: a key that is not known is an error that names it; a file that is named but cannot be
//! read is an error before anything is connected. Absent: passwords and tokens, which belong into
//! URLs or credentials files, and anything a server would be configured with.

mod connect;
mod error;
mod read;
mod yaml;

pub use connect::url_credentials;
pub use error::Error;
pub use read::Format;

use std::path::PathBuf;
use std::time::Duration;

/// Where to connect, as whom, and how persistently.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NatsConf {
    /// Server URLs (`Hosts`: a list, or one text with commas). Empty is `nats://127.0.0.1:4222`.
    pub hosts: Vec<String>,
    /// Time between two attempts to reconnect (`ReconnectWait`: `5s`, `500ms`, or nanoseconds).
    pub reconnect_wait: Duration,
    /// Attempts to reconnect before giving up (`MaxReconnect`); `None`, written as a negative number,
    /// never gives up.
    pub max_reconnect: Option<usize>,
    /// A credentials file (`UserCred`).
    pub user_cred: Option<PathBuf>,
    /// A file with the seed of a user nkey (`NkeyFile`).
    pub nkey_file: Option<PathBuf>,
    /// The client's TLS certificate (`TlsClientCert`), PEM.
    pub tls_client_cert: Option<PathBuf>,
    /// The key of that certificate (`TlsClientKey`), PEM.
    pub tls_client_key: Option<PathBuf>,
    /// Authorities to trust (`TlsCACert`), PEM; the system's otherwise.
    pub tls_ca_cert: Option<PathBuf>,
    /// A user JWT, or the path of a file with one (`UserJwt`); signed for with `NkeyFile`, if given.
    pub user_jwt: Option<String>,
}

impl Default for NatsConf {
    fn default() -> Self {
        NatsConf {
            hosts: Vec::new(),
            reconnect_wait: Duration::from_secs(5),
            max_reconnect: Some(5),
            user_cred: None,
            nkey_file: None,
            tls_client_cert: None,
            tls_client_key: None,
            tls_ca_cert: None,
            user_jwt: None,
        }
    }
}
