//! Top-level values that are more than one scalar: addresses, tags, names and flags.
//!
//! Called by the rows of `schema::top`.

use super::Check;
use crate::options::{DEFAULT_PORT, HttpOptions, Options, Port};
use crate::syntax::{Problem, Value, ValueKind};
use std::collections::BTreeMap;

/// `listen`: sets host and port of the client listener.
pub(crate) fn listen(check: &mut Check<'_>, value: &Value, options: &mut Options) {
    if let Some((host, port)) = address(check, value, Some(Port::Number(DEFAULT_PORT))) {
        if !host.is_empty() {
            options.host = host;
        }
        options.port = port;
    }
}

/// `http`, `https` (with host) and `http_port`, `https_port` (without): the monitoring listener.
/// Port 0 is no listener.
pub(crate) fn http(check: &mut Check<'_>, value: &Value, tls: bool, options: &mut Options) {
    let with_host = !check.key().to_ascii_lowercase().ends_with("_port");
    let parsed = if with_host {
        address(check, value, None)
    } else {
        check
            .int(value)
            .and_then(|number| check.port(value, number, None))
            .map(|port| (String::new(), port))
    };
    let Some((host, port)) = parsed else { return };
    let host = if with_host {
        (!host.is_empty()).then_some(host)
    } else {
        options.http.take().and_then(|http| http.host)
    };
    options.http = Some(HttpOptions { host, port, tls });
}

/// A port, or `"host:port"`. `zero` is what port 0 means.
fn address(check: &mut Check<'_>, value: &Value, zero: Option<Port>) -> Option<(String, Port)> {
    let (host, number) = match &value.kind {
        ValueKind::Int(number) => ("", *number),
        ValueKind::String(text) => match split_host_port(text) {
            Some((host, port)) => match port.parse::<i64>() {
                Ok(number) => (host, number),
                Err(_) => {
                    check.error(
                        Problem::new(value.span, format!("could not parse port {port:?}"))
                            .expected("1 to 65535, or -1 for any free port"),
                    );
                    return None;
                }
            },
            None => {
                check.error(
                    Problem::new(
                        value.span,
                        format!("could not parse address string {text:?}"),
                    )
                    .expected("a port or \"host:port\"")
                    .hint("an IPv6 address needs brackets: \"[::1]:4222\""),
                );
                return None;
            }
        },
        _ => {
            check.wrong_type(value, "a port or a string \"host:port\"");
            return None;
        }
    };
    check
        .port(value, number, zero)
        .map(|port| (host.to_owned(), port))
}

/// Splits `host:port`; an IPv6 host is in brackets, which are removed.
pub(crate) fn split_host_port(text: &str) -> Option<(&str, &str)> {
    if let Some(rest) = text.strip_prefix('[') {
        let (host, rest) = rest.split_once(']')?;
        return Some((host, rest.strip_prefix(':')?));
    }
    let (host, port) = text.rsplit_once(':')?;
    (!host.contains([':', '[', ']']) && !port.contains([']', '['])).then_some((host, port))
}

/// `client_advertise`: `host` or `host:port`.
pub(crate) fn is_advertise(text: &str) -> bool {
    match split_host_port(text) {
        Some((host, port)) => !host.trim().is_empty() && port.trim().parse::<u16>().is_ok(),
        None => !text.is_empty() && !text.contains(':'),
    }
}

/// `server_tags`: lower-cased, trimmed, each once.
pub(crate) fn tags(check: &mut Check<'_>, value: &Value, options: &mut Options) {
    for tag in check.strings(value).unwrap_or_default() {
        let tag = tag.trim().to_lowercase();
        if !tag.is_empty() && !options.server_tags.contains(&tag) {
            options.server_tags.push(tag);
        }
    }
}

/// `server_metadata`: strings by name.
pub(crate) fn server_metadata(check: &mut Check<'_>, value: &Value, options: &mut Options) {
    let mut metadata = BTreeMap::new();
    if let Some(map) = check.map(value) {
        for entry in map.entries() {
            if let Some(text) = check.string(&entry.value) {
                metadata.insert(entry.key.clone(), text.to_owned());
            }
        }
    }
    options.server_metadata = metadata;
}

/// `feature_flags`: booleans by name.
pub(crate) fn feature_flags(check: &mut Check<'_>, value: &Value, options: &mut Options) {
    let mut flags = BTreeMap::new();
    if let Some(map) = check.map(value) {
        for entry in map.entries() {
            match entry.value.kind {
                ValueKind::Bool(flag) => {
                    flags.insert(entry.key.clone(), flag);
                }
                _ => check.error(
                    Problem::new(
                        entry.value.span,
                        format!(
                            "error parsing feature flag {:?}: it is {}",
                            entry.key,
                            entry.value.type_name()
                        ),
                    )
                    .expected("true or false"),
                ),
            }
        }
    }
    options.feature_flags = flags;
}
