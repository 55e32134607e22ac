//! From [`NatsConf`] to a connection.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_nats::{Client, ConnectOptions, ServerAddr, jetstream};
use cognate_auth::nkey::KeyPair;

use crate::{Error, NatsConf};

const DEFAULT_HOST: &str = "nats://127.0.0.1:4222";

impl NatsConf {
    /// async-nats's options for these settings, for a program that wants to set more of them.
    ///
    /// # Errors
    /// When a file that is named cannot be read, or certificate and key are not both given.
    pub fn options(&self) -> Result<ConnectOptions, Error> {
        let wait = self.reconnect_wait;
        let mut options = ConnectOptions::new()
            .max_reconnects(self.max_reconnect)
            .reconnect_delay_callback(move |attempts| delay(wait, attempts));
        if let Some((user, password)) = self.hosts.iter().find_map(|host| url_credentials(host)) {
            options = match password {
                Some(password) => options.user_and_password(user, password),
                None => options.token(user),
            };
        }
        if let Some(path) = &self.user_cred {
            let fault = |error| Error::File(path.clone(), error);
            options = options.credentials(&read(path)?).map_err(fault)?;
        } else if let Some(jwt) = &self.user_jwt {
            options = self.with_jwt(options, jwt)?;
        } else if let Some(path) = &self.nkey_file {
            options = options.nkey(seed(&read(path)?, path)?);
        }
        if let Some(path) = &self.tls_ca_cert {
            read(path)?;
            options = options.add_root_certificates(path.clone());
        }
        match (&self.tls_client_cert, &self.tls_client_key) {
            (Some(cert), Some(key)) => {
                read(cert)?;
                read(key)?;
                Ok(options.add_client_certificate(cert.clone(), key.clone()))
            }
            (None, None) => Ok(options),
            _ => Err(Error::Setting(
                "TlsClientCert and TlsClientKey belong together".to_owned(),
            )),
        }
    }

    /// Connects.
    ///
    /// # Errors
    /// When a file cannot be read, a host is no URL, or no server takes the client.
    pub async fn connect(&self) -> Result<Client, Error> {
        let default = [DEFAULT_HOST.to_owned()];
        let hosts = if self.hosts.is_empty() {
            &default[..]
        } else {
            &self.hosts
        };
        let address = |host: &String| {
            host.parse::<ServerAddr>()
                .map_err(|error| Error::Setting(format!("Hosts: {host:?}: {error}")))
        };
        let addresses = hosts.iter().map(address).collect::<Result<Vec<_>, _>>()?;
        self.options()?
            .connect(addresses)
            .await
            .map_err(Error::Connect)
    }

    /// Connects, for JetStream.
    ///
    /// # Errors
    /// As [`NatsConf::connect`].
    pub async fn jetstream(&self) -> Result<jetstream::Context, Error> {
        Ok(jetstream::new(self.connect().await?))
    }

    /// A JWT proves something only together with a signature; a bearer token needs none.
    fn with_jwt(&self, options: ConnectOptions, jwt: &str) -> Result<ConnectOptions, Error> {
        let jwt = if jwt.starts_with("eyJ") {
            jwt.to_owned()
        } else {
            read(Path::new(jwt))?.trim().to_owned()
        };
        let key = match &self.nkey_file {
            None => None,
            Some(path) => {
                let wrong = |error| Error::Setting(format!("{}: {error}", path.display()));
                Some(Arc::new(
                    KeyPair::from_seed(&seed(&read(path)?, path)?).map_err(wrong)?,
                ))
            }
        };
        Ok(options.jwt(jwt, move |nonce| {
            let key = key.clone();
            async move { Ok(key.map_or_else(Vec::new, |key| key.sign(&nonce).to_vec())) }
        }))
    }
}

/// The first attempts, which are also those of the first connection, are not delayed.
fn delay(wait: Duration, attempts: usize) -> Duration {
    if attempts <= 1 { Duration::ZERO } else { wait }
}

/// User and password in a server's URL, or a token alone; async-nats does not look at them.
#[must_use]
pub fn url_credentials(url: &str) -> Option<(String, Option<String>)> {
    let address: ServerAddr = url.parse().ok()?;
    Some((decode(address.username()?), address.password().map(decode)))
}

/// Undoes `%41`; what is no such escape stays.
fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let escape = tail.get(..2).filter(|_| *first == b'%');
        let value =
            escape.and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        bytes.push(value.unwrap_or(*first));
        rest = if value.is_some() {
            tail.get(2..).unwrap_or_default()
        } else {
            tail
        };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn read(path: &Path) -> Result<String, Error> {
    std::fs::read_to_string(path).map_err(|error| Error::File(path.to_owned(), error))
}

/// The seed in a file that may have markers around it.
fn seed(text: &str, path: &Path) -> Result<String, Error> {
    let line = text
        .lines()
        .map(str::trim)
        .find(|line| line.starts_with('S'));
    line.map(str::to_owned)
        .ok_or_else(|| Error::Setting(format!("{}: no nkey seed in it", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_found_in_urls() {
        let check = |url: &str, user: Option<&str>, password: Option<&str>| {
            let expected = user.map(|user| (user.to_owned(), password.map(str::to_owned)));
            assert_eq!(url_credentials(url), expected, "{url}");
        };
        check("nats://127.0.0.1:4222", None, None);
        check(
            "nats://alice:s%40c%zz@127.0.0.1:4222",
            Some("alice"),
            Some("s@c%zz"),
        );
        check("tls://token@127.0.0.1", Some("token"), None);
    }
}
