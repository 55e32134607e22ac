//! Keys of nats-server 2.14.5 whose feature this version does not have.
//!
//! Owns one table. A key in it is refused with a message of its own, never ignored; a value that
//! says "off" is accepted, because that is what the server does anyway. A key that also has a row
//! in its block's table is read and checked all the same, into `Options`, so that the feature is
//! switched on by deleting its row here; what is nested under the others is not looked at.

use super::{KeyReference, Reload};
use crate::syntax::{Entry, Problem, Value, ValueKind};

/// A key whose feature is missing.
pub(crate) struct Unsupported {
    /// The block the key belongs to; empty at the top level.
    block: &'static str,
    names: &'static [&'static str],
    /// What is missing, to follow "does not support".
    feature: &'static str,
    /// Whether a value turns the feature off, or leaves it as it is without it.
    pub(crate) is_off: fn(&Value) -> bool,
}

const fn missing(
    block: &'static str,
    names: &'static [&'static str],
    feature: &'static str,
    is_off: fn(&Value) -> bool,
) -> Unsupported {
    Unsupported {
        block,
        names,
        feature,
        is_off,
    }
}

#[rustfmt::skip]
const TABLE: &[Unsupported] = &[
    missing("", &["cluster"], "clustering", never),
    missing("", &["gateway"], "gateways", never),
    missing("", &["leafnodes", "leaf"], "leaf nodes", is_empty),
    missing("", &["default_js_domain"], "JetStream domains of other servers", is_empty),
    missing("", &["websocket", "ws"], "WebSocket", never),
    missing("", &["mqtt"], "MQTT", never),
    missing("", &["prof_port"], "the profiling port", is_zero),
    missing("", &["prof_block_rate"], "profiling", is_zero),
    missing("jetstream", &["tpm"], "encryption at rest with a key from a TPM", is_empty),
    missing("jetstream", &["unique_tag"], "clustering", is_empty),
    missing("jetstream", &["extension_hint"], "JetStream domains of other servers", is_empty),
    missing("tls", &["cert_store"], "the Windows certificate store", never),
    missing("tls", &["cert_match_by"], "the Windows certificate store", never),
    missing("tls", &["cert_match"], "the Windows certificate store", never),
    missing("tls", &["cert_match_skip_invalid"], "the Windows certificate store", is_disabled),
    missing("tls", &["ca_certs_match"], "the Windows certificate store", never),
];

/// The row of a key of a block, if its feature is missing.
pub(crate) fn unsupported(block: &str, key: &str) -> Option<&'static Unsupported> {
    TABLE
        .iter()
        .find(|row| row.block == block && row.names.contains(&key))
}

/// The names in a block whose features are missing, for hints about mistyped ones.
pub(crate) fn unsupported_names(block: &'static str) -> impl Iterator<Item = &'static str> {
    let rows = TABLE.iter().filter(move |row| row.block == block);
    rows.flat_map(|row| row.names.iter().copied())
}

/// The rows, for documentation.
pub(super) fn reference() -> impl Iterator<Item = KeyReference> {
    TABLE.iter().map(|row| KeyReference {
        block: row.block,
        names: row.names,
        shape: "",
        default: "",
        reload: Reload::Restart,
        doc: row.feature,
        supported: false,
    })
}

impl Unsupported {
    /// The refusal of an entry.
    pub(crate) fn refusal(&self, entry: &Entry) -> Problem {
        let what = if matches!(entry.value.kind, ValueKind::Map(_)) {
            "block"
        } else {
            "key"
        };
        let message = format!(
            "{:?} is recognised, but this version of Cognate does not support {} yet; remove the \
             {what} to start this server without it",
            entry.key, self.feature
        );
        Problem::new(entry.key_span, message)
    }
}

fn never(_: &Value) -> bool {
    false
}

fn is_zero(value: &Value) -> bool {
    matches!(value.kind, ValueKind::Int(0))
}

fn is_empty(value: &Value) -> bool {
    match &value.kind {
        ValueKind::Map(map) => map.is_empty(),
        ValueKind::Array(items) => items.is_empty(),
        ValueKind::String(text) => text.is_empty(),
        _ => false,
    }
}

fn is_disabled(value: &Value) -> bool {
    matches!(value.kind, ValueKind::Bool(false))
}
