//! The exporter's configuration: which checks, with what properties.
//!
//! ```yaml
//! context: prod                  # for checks that name none
//! checks:
//!   - name: orders
//!     kind: stream
//!     properties:
//!       stream_name: ORDERS
//!       messages_critical: 1
//! ```
//!
//! JSON does too. Of YAML there are nested mappings, lists and scalars, one per line; anything else is
//! refused with its line. Properties have the official names, durations are seconds; they become the
//! flags of the check of that kind.

use serde_json::{Map, Number, Value};

use crate::commands::shared::doc::Doc;
use crate::error::{Error, Result};

/// Lines of a configuration.
const MAX_LINES: usize = 10_000;

/// How deep a configuration is nested.
const MAX_DEPTH: usize = 16;

/// A check as it is configured.
#[derive(Debug, PartialEq)]
pub(super) struct Entry {
    pub(super) name: String,
    /// The context that says where, if the whole configuration's is not meant.
    pub(super) context: Option<String>,
    /// The command line of the check, from its name on.
    pub(super) args: Vec<String>,
}

/// Reads a configuration.
pub(super) fn entries(text: &str) -> Result<Vec<Entry>> {
    let document = match text.trim_start().starts_with('{') {
        true => serde_json::from_str(text)?,
        false => yaml(text)?,
    };
    let context = |of: &Value| Some(of.text("context").to_owned()).filter(|c| !c.is_empty());
    let checks = document.list("checks");
    if checks.is_empty() {
        return Err(Error::new("there are no checks in it")
            .hint("checks: is a list of entries with name, kind and properties."));
    }
    let entry = |check: &Value| {
        Ok(Entry {
            name: check.text("name").to_owned(),
            context: context(check).or_else(|| context(&document)),
            args: args(check)?,
        })
    };
    checks.iter().map(entry).collect()
}

/// Kind, property, flag; a flag that ends in `s` after `=` takes seconds, `!` is said for "false".
#[rustfmt::skip]
const PROPERTIES: &[(&str, &str, &str)] = &[
    ("connection", "connect_time_warning", "connect-warn=s"),
    ("connection", "connect_time_critical", "connect-critical=s"),
    ("connection", "server_rtt_warning", "rtt-warn=s"),
    ("connection", "server_rtt_critical", "rtt-critical=s"),
    ("connection", "request_rtt_warning", "req-warn=s"),
    ("connection", "request_rtt_critical", "req-critical=s"),
    ("stream", "stream_name", "stream"),
    ("stream", "sources_lag_critical", "lag-critical"),
    ("stream", "sources_seen_critical", "seen-critical=s"),
    ("stream", "min_sources", "min-sources"),
    ("stream", "max_sources", "max-sources"),
    ("stream", "cluster_expected_peers", "peer-expect"),
    ("stream", "cluster_lag_critical", "peer-lag-critical"),
    ("stream", "cluster_seen_critical", "peer-seen-critical=s"),
    ("stream", "messages_warn", "msgs-warn"),
    ("stream", "messages_critical", "msgs-critical"),
    ("stream", "subjects_warn", "subjects-warn"),
    ("stream", "subjects_critical", "subjects-critical"),
    ("consumer", "stream_name", "stream"),
    ("consumer", "consumer_name", "consumer"),
    ("consumer", "ack_outstanding_critical", "outstanding-ack-critical"),
    ("consumer", "waiting_critical", "waiting-critical"),
    ("consumer", "unprocessed_critical", "unprocessed-critical"),
    ("consumer", "last_delivery_critical", "last-delivery-critical=s"),
    ("consumer", "last_ack_critical", "last-ack-critical=s"),
    ("consumer", "redelivery_critical", "redelivery-critical"),
    ("consumer", "pinned", "pinned"),
    ("message", "stream_name", "stream"),
    ("message", "subject", "subject"),
    ("message", "age_warning", "age-warn=s"),
    ("message", "age_critical", "age-critical=s"),
    ("message", "content_regex", "content"),
    ("message", "body_as_timestamp", "body-timestamp"),
    ("meta", "expect_servers", "expect"),
    ("meta", "lag_critical", "lag-critical"),
    ("meta", "seen_critical", "seen-critical=s"),
    ("jetstream", "memory_warning", "mem-warn"),
    ("jetstream", "memory_critical", "mem-critical"),
    ("jetstream", "file_warning", "store-warn"),
    ("jetstream", "file_critical", "store-critical"),
    ("jetstream", "stream_warning", "streams-warn"),
    ("jetstream", "stream_critical", "streams-critical"),
    ("jetstream", "consumers_warning", "consumers-warn"),
    ("jetstream", "consumers_critical", "consumers-critical"),
    ("jetstream", "check_replicas", "!no-replicas"),
    ("jetstream", "replica_seen_critical", "replica-seen-critical=s"),
    ("jetstream", "replica_lag_critical", "replica-lag-critical"),
    ("server", "name", "name"),
    ("server", "cpu_warning", "cpu-warn"),
    ("server", "cpu_critical", "cpu-critical"),
    ("server", "memory_warning", "mem-warn"),
    ("server", "memory_critical", "mem-critical"),
    ("server", "connections_warning", "conn-warn"),
    ("server", "connections_critical", "conn-critical"),
    ("server", "subscriptions_warning", "subs-warn"),
    ("server", "subscriptions_critical", "subs-critical"),
    ("server", "uptime_warning", "uptime-warn=s"),
    ("server", "uptime_critical", "uptime-critical=s"),
    ("server", "authentication_required", "auth-required"),
    ("server", "tls_required", "tls-required"),
    ("server", "tls_expire_warning", "tls-cert-warn"),
    ("server", "tls_expire_critical", "tls-cert-crit"),
    ("server", "jet_stream_required", "js-required"),
    ("kv", "bucket", "bucket"),
    ("kv", "key", "key"),
    ("kv", "values_warning", "values-warn"),
    ("kv", "values_critical", "values-critical"),
    ("credential", "file", "credential"),
    ("credential", "validity_warning", "validity-warn=s"),
    ("credential", "validity_critical", "validity-critical=s"),
    ("credential", "requires_expiry", "!no-require-expiry"),
    ("request", "subject", "subject"),
    ("request", "payload", "payload"),
    ("request", "response_match", "match-payload"),
    ("request", "response_time_warn", "response-warn=s"),
    ("request", "response_time_crit", "response-critical=s"),
];

fn args(check: &Value) -> Result<Vec<String>> {
    let kind = check.text("kind");
    let mut args = vec![kind.to_owned()];
    for (property, value) in check.entries("properties") {
        let known = PROPERTIES
            .iter()
            .find(|(k, p, _)| *k == kind && *p == property);
        let Some((_, _, flag)) = known else {
            return Err(Error::new(format!(
                "check {:?}: a {kind} check has no property {property:?}",
                check.text("name")
            )));
        };
        let text = match value {
            Value::String(text) => text.clone(),
            value => value.to_string(),
        };
        match (flag.strip_suffix("=s"), flag.strip_prefix('!'), value) {
            (Some(flag), ..) => args.push(format!("--{flag}={text}s")),
            (_, Some(flag), Value::Bool(false)) => args.push(format!("--{flag}")),
            (_, Some(_), _) | (_, _, Value::Bool(false)) => {}
            (_, _, Value::Bool(true)) => args.push(format!("--{flag}")),
            _ => args.push(format!("--{flag}={text}")),
        }
    }
    Ok(args)
}

/// A line that says something.
struct Line<'a> {
    number: usize,
    indent: usize,
    text: &'a str,
}

fn yaml(text: &str) -> Result<Value> {
    let mut lines = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let body = line.trim_end();
        let inner = body.trim_start();
        if inner.is_empty() || inner.starts_with('#') || inner == "---" {
            continue;
        }
        if body.contains('\t') || lines.len() >= MAX_LINES {
            return Err(at_line(
                at + 1,
                "tabs are not allowed, and too many lines are not either",
            ));
        }
        let indent = body.len() - inner.len();
        lines.push(Line {
            number: at + 1,
            indent,
            text: inner,
        });
    }
    let mut at = 0;
    let value = block(&lines, &mut at, 0, 0)?;
    match lines.get(at) {
        None => Ok(value),
        Some(line) => Err(at_line(
            line.number,
            "this line is indented less than expected",
        )),
    }
}

fn at_line(line: usize, what: &str) -> Error {
    Error::new(format!("line {line}: {what}"))
}

/// The mapping or list whose lines are indented by `indent`.
fn block(lines: &[Line<'_>], at: &mut usize, indent: usize, depth: usize) -> Result<Value> {
    let mut map = Map::new();
    let mut list = Vec::new();
    while let Some(line) = lines.get(*at).filter(|line| line.indent >= indent) {
        if line.indent > indent || depth > MAX_DEPTH {
            return Err(at_line(
                line.number,
                "this line is indented more than expected",
            ));
        }
        if let Some(item) = line.text.strip_prefix("- ") {
            // An item is a block of its own, whose first line stands after the dash.
            let offset = line.text.len() - item.trim_start().len();
            let inner = indent + offset;
            let first = Line {
                number: line.number,
                indent: inner,
                text: item.trim_start(),
            };
            let rest = lines.get(*at + 1..).unwrap_or_default();
            let count = rest.iter().take_while(|line| line.indent >= inner).count();
            if !is_mapping(first.text) {
                list.push(scalar(first.text));
                *at += 1;
                continue;
            }
            let mut own = vec![first];
            own.extend(rest.iter().take(count).map(|line| Line { ..*line }));
            let mut own_at = 0;
            list.push(block(&own, &mut own_at, inner, depth + 1)?);
            *at += 1 + count;
            continue;
        }
        let Some((key, value)) = split(line.text) else {
            return Err(at_line(
                line.number,
                "expected \"key: value\" or \"- item\"",
            ));
        };
        *at += 1;
        let value = match value {
            "" => match lines.get(*at) {
                Some(next)
                    if next.indent > indent
                        || (next.indent == indent && next.text.starts_with("- ")) =>
                {
                    nested(lines, at, next.indent, depth)?
                }
                _ => Value::Null,
            },
            value => scalar(value),
        };
        map.insert(key.to_owned(), value);
    }
    Ok(if list.is_empty() {
        Value::Object(map)
    } else {
        Value::Array(list)
    })
}

/// A block below a key. A list may stand as far left as its key, and ends where the next key does.
fn nested(lines: &[Line<'_>], at: &mut usize, indent: usize, depth: usize) -> Result<Value> {
    let rest = lines.get(*at..).unwrap_or_default();
    let is_list = rest.first().is_some_and(|line| line.text.starts_with("- "));
    let count = rest
        .iter()
        .take_while(|line| {
            line.indent > indent
                || (line.indent == indent && (!is_list || line.text.starts_with("- ")))
        })
        .count();
    let own: Vec<Line<'_>> = rest
        .iter()
        .take(count)
        .map(|line| Line { ..*line })
        .collect();
    let mut own_at = 0;
    let value = block(&own, &mut own_at, indent, depth + 1)?;
    *at += count;
    Ok(value)
}

fn split(text: &str) -> Option<(&str, &str)> {
    let (key, value) = text.split_once(':')?;
    let is_key = value.is_empty() || value.starts_with(' ');
    is_key.then(|| (key.trim().trim_matches(['"', '\'']), value.trim()))
}

fn is_mapping(text: &str) -> bool {
    !text.starts_with(['"', '\'']) && split(text).is_some()
}

fn scalar(text: &str) -> Value {
    for quote in ['"', '\''] {
        if let Some(inner) = text.strip_prefix(quote).and_then(|t| t.split_once(quote)) {
            return Value::String(inner.0.to_owned());
        }
    }
    let text = text
        .split_once(" #")
        .map_or(text, |(text, _)| text.trim_end());
    match text {
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        "null" | "~" => Value::Null,
        "{}" => Value::Object(Map::new()),
        text => match text.parse::<Number>() {
            Ok(number) => Value::Number(number),
            Err(_) => Value::String(text.to_owned()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_are_read() {
        let yaml = "\
# what we watch
context: prod
checks:
  - name: orders      # the shop
    kind: stream
    properties:
      stream_name: ORDERS
      sources_seen_critical: 1.5
  - name: js
    kind: jetstream
    context: 'other'
    properties:
      check_replicas: false
";
        let entry = |name: &str, context: &str, args: &[&str]| Entry {
            name: name.to_owned(),
            context: Some(context.to_owned()),
            args: args.iter().map(|&arg| arg.to_owned()).collect(),
        };
        let expected = [
            entry(
                "orders",
                "prod",
                &["stream", "--seen-critical=1.5s", "--stream=ORDERS"],
            ),
            entry("js", "other", &["jetstream", "--no-replicas"]),
        ];
        assert_eq!(entries(yaml).expect("good YAML"), expected);
        let json = r#"{"context":"prod","checks":[{"name":"orders","kind":"stream","properties":
            {"stream_name":"ORDERS","sources_seen_critical":1.5}}]}"#;
        assert_eq!(entries(json).expect("good JSON"), expected[..1]);
        let flush = "checks:\n- name: a\n  kind: kv\n  properties:\n    bucket: B\ncontext: x\n";
        assert_eq!(
            entries(flush).expect("good YAML"),
            [entry("a", "x", &["kv", "--bucket=B"])]
        );
    }

    #[test]
    fn mistakes_are_told() {
        let check = |text: &str, expected: &str| {
            let error = entries(text).expect_err("bad").to_string();
            assert!(error.contains(expected), "{error}");
        };
        check(
            "checks:\n  - name: a\n    kind: kv\n    properties:\n      buckt: B\n",
            "\"buckt\"",
        );
        check("context: x\n", "no checks");
        check("checks:\n  x\n", "line 2");
        check("a: b\n   c: d\n", "line 2");
        check("{\"checks\":", "EOF");
    }
}
