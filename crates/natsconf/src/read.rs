//! From text to [`NatsConf`]: three formats, one set of keys.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Map, Value};

use crate::{Error, NatsConf, yaml};

/// Bytes of a file that is still read.
const MAX_FILE_BYTES: u64 = 1 << 20;

const KEYS: &str = "Hosts, ReconnectWait, MaxReconnect, UserCred, NkeyFile, TlsClientCert, TlsClientKey, \
                    TlsCACert, UserJwt";

/// How settings are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// YAML: a mapping of texts, numbers and lists of texts.
    Yaml,
    /// JSON.
    Json,
    /// TOML.
    Toml,
}

impl NatsConf {
    /// Reads a file; its extension says the format (`yaml`, `yml`, `json`, `toml`).
    ///
    /// # Errors
    /// When the file cannot be read, does not parse, or has settings that are not ours.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let fault = |error| Error::File(path.to_owned(), error);
        let extension = path
            .extension()
            .and_then(|extension| extension.to_str())
            .unwrap_or_default();
        let format = match extension.to_ascii_lowercase().as_str() {
            "yaml" | "yml" => Format::Yaml,
            "json" => Format::Json,
            "toml" => Format::Toml,
            _ => {
                let text = format!(
                    "{}: the extension must be yaml, json or toml",
                    path.display()
                );
                return Err(Error::Setting(text));
            }
        };
        if fs::metadata(path).map_err(fault)?.len() > MAX_FILE_BYTES {
            return Err(Error::Setting(format!(
                "{}: too large for settings",
                path.display()
            )));
        }
        let text = fs::read_to_string(path).map_err(fault)?;
        let place = |text| format!("{}: {text}", path.display());
        Self::parse(&text, format).map_err(|error| match error {
            Error::Syntax(text) => Error::Syntax(place(text)),
            Error::Setting(text) => Error::Setting(place(text)),
            other => other,
        })
    }

    /// Reads text.
    ///
    /// # Errors
    /// When it does not parse or has settings that are not ours.
    pub fn parse(text: &str, format: Format) -> Result<Self, Error> {
        let values: Map<String, Value> = match format {
            Format::Yaml => yaml::parse(text).map_err(Error::Syntax)?,
            Format::Json => {
                serde_json::from_str(text).map_err(|error| Error::Syntax(error.to_string()))?
            }
            Format::Toml => {
                basic_toml::from_str(text).map_err(|error| Error::Syntax(error.to_string()))?
            }
        };
        let mut conf = NatsConf::default();
        for (key, value) in values {
            conf.set(&key, &value)?;
        }
        Ok(conf)
    }

    fn set(&mut self, key: &str, value: &Value) -> Result<(), Error> {
        let path = || text(key, value).map(|text| (!text.is_empty()).then(|| home(text)));
        match key.to_ascii_lowercase().replace(['_', '-'], "").as_str() {
            "hosts" => self.hosts = hosts(key, value)?,
            "reconnectwait" => self.reconnect_wait = duration(key, value)?,
            "maxreconnect" => {
                let number = value
                    .as_i64()
                    .or_else(|| value.as_str()?.trim().parse().ok());
                let number = number.ok_or_else(|| fault(key, "a number"))?;
                self.max_reconnect = usize::try_from(number).ok();
            }
            "usercred" => self.user_cred = path()?,
            "nkeyfile" => self.nkey_file = path()?,
            "tlsclientcert" => self.tls_client_cert = path()?,
            "tlsclientkey" => self.tls_client_key = path()?,
            "tlscacert" => self.tls_ca_cert = path()?,
            "userjwt" => {
                self.user_jwt = Some(text(key, value)?.to_owned()).filter(|text| !text.is_empty())
            }
            _ => {
                return Err(Error::Setting(format!(
                    "unknown setting {key:?}; there are {KEYS}"
                )));
            }
        }
        Ok(())
    }
}

fn fault(key: &str, wanted: &str) -> Error {
    Error::Setting(format!("{key}: must be {wanted}"))
}

fn text<'a>(key: &str, value: &'a Value) -> Result<&'a str, Error> {
    match value {
        Value::Null => Ok(""),
        value => value.as_str().ok_or_else(|| fault(key, "a text")),
    }
}

fn hosts(key: &str, value: &Value) -> Result<Vec<String>, Error> {
    let texts = match value {
        Value::Array(items) => items
            .iter()
            .map(|item| text(key, item))
            .collect::<Result<Vec<_>, _>>()?,
        value => vec![text(key, value)?],
    };
    let hosts = texts
        .into_iter()
        .flat_map(|text| text.split(','))
        .map(str::trim);
    Ok(hosts
        .filter(|host| !host.is_empty())
        .map(str::to_owned)
        .collect())
}

/// `5s`, `500ms`, `1m30s`; or nanoseconds, as Go's JSON writes a duration.
fn duration(key: &str, value: &Value) -> Result<Duration, Error> {
    let wrong = || fault(key, "a duration such as 5s or 500ms");
    if let Some(nanos) = value.as_u64() {
        return Ok(Duration::from_nanos(nanos));
    }
    let mut rest = value.as_str().ok_or_else(wrong)?.trim();
    if rest.is_empty() {
        return Err(wrong());
    }
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !(c.is_ascii_digit() || c == '.'))
            .ok_or_else(wrong)?;
        let (number, tail) = rest.split_at(digits);
        let unit_end = tail
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_end);
        let scale = match unit {
            "ns" => 1e-9,
            "us" | "µs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return Err(wrong()),
        };
        let seconds = number.parse::<f64>().map_err(|_| wrong())? * scale;
        let part = Duration::try_from_secs_f64(seconds).map_err(|_| wrong())?;
        total = total.checked_add(part).ok_or_else(wrong)?;
        rest = tail;
    }
    Ok(total)
}

fn home(path: &str) -> PathBuf {
    match (path.strip_prefix("~/"), std::env::var_os("HOME")) {
        (Some(rest), Some(home)) => PathBuf::from(home).join(rest),
        _ => PathBuf::from(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const YAML: &str = "# servers\nHosts:\n  - nats://a:4222\n  - \"nats://b:4222\"\nReconnectWait: 2s\n\
                        MaxReconnect: 9\nUserCred: /c.creds # mine\n";
    const JSON: &str = r#"{"Hosts": ["nats://a:4222", "nats://b:4222"], "ReconnectWait": 2000000000,
                          "MaxReconnect": 9, "UserCred": "/c.creds"}"#;
    const TOML: &str = "Hosts = [\"nats://a:4222\", \"nats://b:4222\"]\nReconnectWait = \"2s\"\n\
                        MaxReconnect = 9\nUserCred = \"/c.creds\"\n";

    #[test]
    fn three_formats_say_the_same() {
        let expected = NatsConf {
            hosts: vec!["nats://a:4222".to_owned(), "nats://b:4222".to_owned()],
            reconnect_wait: Duration::from_secs(2),
            max_reconnect: Some(9),
            user_cred: Some("/c.creds".into()),
            ..NatsConf::default()
        };
        for (text, format) in [
            (YAML, Format::Yaml),
            (JSON, Format::Json),
            (TOML, Format::Toml),
        ] {
            assert_eq!(
                NatsConf::parse(text, format).expect("it parses"),
                expected,
                "{format:?}"
            );
        }
    }

    #[test]
    fn nothing_said_means_defaults() {
        for (text, format) in [("", Format::Yaml), ("{}", Format::Json), ("", Format::Toml)] {
            assert_eq!(
                NatsConf::parse(text, format).expect("it parses"),
                NatsConf::default()
            );
        }
    }

    #[test]
    fn faults_name_the_setting() {
        let check = |text: &str, expected: &str| {
            let error = NatsConf::parse(text, Format::Yaml)
                .expect_err("it is refused")
                .to_string();
            assert!(error.contains(expected), "{error}");
        };
        check("Host: x", "unknown setting \"Host\"");
        check("ReconnectWait: soon", "ReconnectWait");
        check("MaxReconnect: many", "MaxReconnect");
        check("Hosts: {a: b}", "line 1");
    }
}
