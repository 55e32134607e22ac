//! The known keys: one declarative table per block.
//!
//! Owns [`Row`] (a key with its names, type, default, whether it changes live, and how it is
//! read), the tables, the table of keys whose feature this version lacks, and the listing made
//! from all of them ([`reference`]). Unknown-key hints, the reload rules and the documentation
//! come from these tables, so they cannot disagree. Called by `check`, `reload` and whoever prints
//! documentation.

mod accounts;
mod auth;
mod jetstream;
mod ocsp;
mod operator;
mod tls;
mod top;
mod unsupported;

pub(crate) use accounts::{
    ACCOUNT, ACCOUNT_JETSTREAM, ACCOUNT_LIMITS, EXPORT, IMPORT, LATENCY, MESSAGE_TRACE, REMOTE,
};
pub(crate) use auth::{
    AUTH_CALLOUT, AUTHORIZATION, PERMISSIONS, RESPONSES, SUBJECT_PERMISSION, USER,
};
pub(crate) use jetstream::{BATCH_LIMITS, JETSTREAM, JETSTREAM_LIMITS};
pub(crate) use ocsp::{OCSP, OCSP_CACHE, OCSP_PEER};
pub(crate) use operator::{PROXIES, PROXY, RESOLVER};
pub(crate) use tls::{CERTIFICATE, TLS};
pub(crate) use top::{MAP_DESTINATION, TOP};
pub(crate) use unsupported::{unsupported, unsupported_names};

use crate::check::Check;
use crate::syntax::Value;

/// Whether a change of a key reaches a running server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reload {
    /// A reload applies the change.
    Live,
    /// A reload with a change of this key is refused.
    Restart,
}

/// A key of a block whose values are collected in a `T`.
pub(crate) struct Row<T> {
    /// The name and its aliases, in lower case.
    pub(crate) names: &'static [&'static str],
    /// The type, for documentation.
    pub(crate) shape: &'static str,
    /// The default, for documentation; empty when there is none.
    pub(crate) default: &'static str,
    pub(crate) reload: Reload,
    /// One line of documentation.
    pub(crate) doc: &'static str,
    /// Reads the value.
    pub(crate) apply: fn(&mut Check<'_>, &Value, &mut T),
}

/// A row without the field names, which would triple the length of the tables.
pub(crate) const fn row<T>(
    names: &'static [&'static str],
    shape: &'static str,
    default: &'static str,
    reload: Reload,
    doc: &'static str,
    apply: fn(&mut Check<'_>, &Value, &mut T),
) -> Row<T> {
    Row {
        names,
        shape,
        default,
        reload,
        doc,
        apply,
    }
}

/// What is known about a key, for documentation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyReference {
    /// The block the key belongs to; empty at the top level.
    pub block: &'static str,
    /// The name, then its aliases.
    pub names: &'static [&'static str],
    /// The type of the value.
    pub shape: &'static str,
    /// The default; empty when there is none.
    pub default: &'static str,
    /// Whether a change reaches a running server.
    pub reload: Reload,
    /// One line of documentation.
    pub doc: &'static str,
    /// Whether this version supports the key.
    pub supported: bool,
}

/// All keys: block by block, and then those whose feature this version lacks.
#[must_use]
pub fn reference() -> Vec<KeyReference> {
    let mut keys = Vec::new();
    list("", TOP, &mut keys);
    list("mappings", MAP_DESTINATION, &mut keys);
    list("tls", TLS, &mut keys);
    list("certs", CERTIFICATE, &mut keys);
    list("authorization", AUTHORIZATION, &mut keys);
    list("auth_callout", AUTH_CALLOUT, &mut keys);
    list("user", USER, &mut keys);
    list("permissions", PERMISSIONS, &mut keys);
    list("subject permissions", SUBJECT_PERMISSION, &mut keys);
    list("allow_responses", RESPONSES, &mut keys);
    list("jetstream", JETSTREAM, &mut keys);
    list("limits", JETSTREAM_LIMITS, &mut keys);
    list("batch", BATCH_LIMITS, &mut keys);
    list("account", ACCOUNT, &mut keys);
    list("exports", EXPORT, &mut keys);
    list("latency", LATENCY, &mut keys);
    list("imports", IMPORT, &mut keys);
    list("imported subject", REMOTE, &mut keys);
    list("account limits", ACCOUNT_LIMITS, &mut keys);
    list("account jetstream", ACCOUNT_JETSTREAM, &mut keys);
    list("msg_trace", MESSAGE_TRACE, &mut keys);
    list("resolver", RESOLVER, &mut keys);
    list("proxies", PROXIES, &mut keys);
    list("trusted", PROXY, &mut keys);
    list("ocsp", OCSP, &mut keys);
    list("ocsp_cache", OCSP_CACHE, &mut keys);
    list("ocsp_peer", OCSP_PEER, &mut keys);
    for key in unsupported::reference() {
        let same = |known: &&mut KeyReference| {
            known.block == key.block && known.names.first() == key.names.first()
        };
        match keys.iter_mut().find(same) {
            Some(known) => known.supported = false,
            None => keys.push(key),
        }
    }
    keys
}

fn list<T>(block: &'static str, rows: &[Row<T>], keys: &mut Vec<KeyReference>) {
    keys.extend(rows.iter().map(|row| KeyReference {
        block,
        names: row.names,
        shape: row.shape,
        default: row.default,
        reload: row.reload,
        doc: row.doc,
        supported: true,
    }));
}

/// Where a key that is unknown in one block would be known: "the tls block", for a hint.
pub(crate) fn block_of(key: &str) -> Option<String> {
    let key = key.to_ascii_lowercase();
    let reference = reference();
    let found = reference
        .iter()
        .find(|known| known.names.contains(&key.as_str()))?;
    Some(match found.block {
        "" => "the top level".to_owned(),
        block => format!("the {block} block"),
    })
}

/// Whether a change of the top-level key reaches a running server.
pub(crate) fn reload_of(name: &str) -> Option<Reload> {
    reload_in(TOP, name)
}

/// Whether a change of the key in `jetstream {}` reaches a running server.
pub(crate) fn reload_of_jetstream(name: &str) -> Option<Reload> {
    reload_in(JETSTREAM, name)
}

fn reload_in<T>(rows: &[Row<T>], name: &str) -> Option<Reload> {
    rows.iter()
        .find(|row| row.names.contains(&name))
        .map(|row| row.reload)
}

#[cfg(test)]
mod tests {
    use super::reference;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_lower_case_and_mean_one_thing_in_their_block() {
        let mut seen = BTreeSet::new();
        for key in reference() {
            assert!(!key.names.is_empty() && !key.doc.is_empty(), "{key:?}");
            for name in key.names {
                assert_eq!(*name, name.to_lowercase());
                assert!(
                    seen.insert((key.block, *name)),
                    "{name:?} is twice in {:?}",
                    key.block
                );
            }
        }
    }
}
