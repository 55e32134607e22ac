//! `proxies {}`: the keys of proxies that are trusted to pass clients on.

use super::Check;
use crate::nkey::is_any_public_key;
use crate::options::Options;
use crate::schema::{PROXIES, PROXY};
use crate::syntax::{Problem, Value, ValueKind};

/// `proxies {}` while its keys are being read.
#[derive(Default)]
pub(crate) struct ProxiesDraft {
    trusted: Vec<String>,
}

/// An entry of `trusted` while its keys are being read.
#[derive(Default)]
pub(crate) struct ProxyDraft {
    key: Option<String>,
}

/// Reads the whole block.
pub(crate) fn proxies(check: &mut Check<'_>, value: &Value, options: &mut Options) {
    let mut draft = ProxiesDraft::default();
    check.block(value, "proxies", PROXIES, &mut draft);
    options.trusted_proxies = draft.trusted;
}

/// `trusted`: an array of `{ key }`.
pub(crate) fn trusted_proxies(check: &mut Check<'_>, value: &Value, draft: &mut ProxiesDraft) {
    let ValueKind::Array(items) = &value.kind else {
        return check.wrong_type(value, "an array of proxies: [ { key: … } ]");
    };
    for item in items {
        let errors = check.errors.len();
        let mut proxy = ProxyDraft::default();
        check.block(item, "trusted", PROXY, &mut proxy);
        match proxy.key {
            Some(key) => draft.trusted.push(key),
            None if check.errors.len() == errors => check.error(
                Problem::new(item.span, "proxy trusted key \"\" is invalid")
                    .expected("a key \"key\": a public nkey"),
            ),
            None => {}
        }
    }
}

/// `key` of a proxy.
pub(crate) fn proxy_key(check: &mut Check<'_>, value: &Value, draft: &mut ProxyDraft) {
    let Some(text) = check.string(value) else {
        return;
    };
    if is_any_public_key(text) {
        draft.key = Some(text.to_owned());
    } else {
        // The text may be a seed, which nobody should see again.
        check.error(Problem::new(value.span, "invalid proxy key").expected("a public nkey"));
    }
}
