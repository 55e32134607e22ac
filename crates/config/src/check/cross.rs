//! Rules between keys.
//!
//! Owns what can only be said once a whole configuration is known. The same rules run twice: by
//! the loader, which can point at a key, and by `Options::validate` after flags have been
//! applied, which cannot.

use super::graph;
use super::jetstream::domain_error;
use super::trust::operator_mode;
use crate::duration::show;
use crate::options::{GLOBAL_ACCOUNT, Options};
use crate::syntax::{Map, Problem, ValueKind};

/// A broken rule.
pub(crate) struct Conflict {
    /// Keys of which the last one written is to blame.
    pub(super) keys: &'static [&'static str],
    pub(crate) message: String,
    pub(super) hint: &'static str,
}

/// Every rule that the options break.
pub(crate) fn conflicts(options: &Options) -> Vec<Conflict> {
    let mut found = Vec::new();
    let mut rule = |broken: bool, keys, message: String, hint| {
        if broken {
            found.push(Conflict {
                keys,
                message,
                hint,
            });
        }
    };
    let (duration, grace) = (options.lame_duck_duration, options.lame_duck_grace_period);
    rule(
        grace >= duration,
        &["lame_duck_grace_period", "lame_duck_duration"],
        format!(
            "lame duck grace period ({}) should be strictly lower than lame duck duration ({})",
            show(grace),
            show(duration)
        ),
        "shorten the grace period or lengthen the duration",
    );
    rule(
        u64::from(options.max_payload) > options.max_pending,
        &["max_payload", "max_pending"],
        format!(
            "max_payload ({}) cannot be higher than max_pending ({})",
            options.max_payload, options.max_pending
        ),
        "raise max_pending or lower max_payload",
    );
    rule(
        options.http.as_ref().is_some_and(|http| http.tls) && options.tls.is_none(),
        &["https", "https_port"],
        "TLS cert and key required for HTTPS".to_owned(),
        "add a tls block with cert_file and key_file",
    );
    rule(
        options
            .tls
            .as_ref()
            .is_some_and(|tls| tls.certificates.is_empty()),
        &["tls"],
        "tls has no certificate, so every connection would fail".to_owned(),
        "add cert_file and key_file",
    );
    found.extend(no_auth_user(options));
    found.extend(jetstream_domain(options));
    found.extend(system_account(options));
    found.extend(operator_mode(options));
    found
}

/// The system account exists, and has no JetStream.
fn system_account(options: &Options) -> Option<Conflict> {
    let name = options.system_account.as_ref()?;
    let account = options
        .accounts
        .iter()
        .find(|account| account.name == *name);
    let conflict = |message: String, hint| {
        Some(Conflict {
            keys: &["system_account", "system", "accounts"],
            message,
            hint,
        })
    };
    match account {
        Some(account) if account.jetstream.is_some() && options.jetstream.is_some() => conflict(
            "Not allowed to enable JetStream on the system account".to_owned(),
            "give JetStream to another account",
        ),
        Some(_) => None,
        None if options.operator.is_on() || !options.system_account_configured => None,
        None if name == GLOBAL_ACCOUNT => conflict(
            "the global account \"$G\" can not be the system account".to_owned(),
            "describe an account in \"accounts\" and name that",
        ),
        None => conflict(
            format!("error resolving system account: account {name:?} missing"),
            "describe it in \"accounts\"",
        ),
    }
}

/// `no_auth_user` names one of the users.
fn no_auth_user(options: &Options) -> Option<Conflict> {
    let name = options.no_auth_user.as_ref()?;
    let hint = "name one of the users in the authorization block or of an account";
    let (message, hint) = if !options.operator.operators.is_empty() {
        (
            "no_auth_user not compatible with Trusted Operator".to_owned(),
            "use \"default_sentinel\"",
        )
    } else if options.users().next().is_none() {
        (
            format!("no_auth_user: {name:?} present, but users/nkeys are not defined"),
            hint,
        )
    } else if options.users().any(|(_, user)| user.name() == name) {
        return None;
    } else {
        (
            format!(
                "no_auth_user: {name:?} not present as user or nkey in authorization block or \
                 account configuration"
            ),
            hint,
        )
    };
    Some(Conflict {
        keys: &["no_auth_user"],
        message,
        hint,
    })
}

/// The domain, which a program may have set, is valid; a file's has been checked at its key.
fn jetstream_domain(options: &Options) -> Option<Conflict> {
    let domain = options.jetstream.as_ref()?.domain.as_deref()?;
    Some(Conflict {
        keys: &["jetstream"],
        message: domain_error(domain)?,
        hint: "use letters, digits, - and _",
    })
}

/// The rules as problems at the keys of a file; `root` is the whole configuration.
pub(crate) fn cross_check(options: &Options, root: &Map) -> Vec<Problem> {
    let mut problems: Vec<Problem> = conflicts(options)
        .into_iter()
        .map(|conflict| conflict.at_key(root))
        .collect();
    problems.extend(two_monitoring_ports(root));
    problems
}

impl Conflict {
    fn at_key(self, root: &Map) -> Problem {
        let blamed = root
            .entries()
            .iter()
            .rev()
            .find(|entry| self.keys.contains(&entry.key.to_ascii_lowercase().as_str()));
        Problem {
            span: blamed.map(|entry| entry.key_span),
            message: self.message,
            expected: None,
            hint: Some(self.hint.to_owned()),
        }
    }
}

/// Both an http and an https port: only the file shows that there were two.
fn two_monitoring_ports(root: &Map) -> Option<Problem> {
    let last = |names: &[&str]| {
        root.entries().iter().rev().find(|entry| {
            names.contains(&entry.key.to_ascii_lowercase().as_str())
                && !matches!(entry.value.kind, ValueKind::Int(0))
        })
    };
    last(&["http", "http_port", "monitor_port"])?;
    let https = last(&["https", "https_port"])?;
    Some(
        Problem::new(https.key_span, "can't specify both HTTP and HTTPs ports")
            .hint("monitoring has one port; keep one of them"),
    )
}

impl Options {
    /// Checks the rules between options, once flags or a program have changed them.
    ///
    /// # Errors
    /// Every rule that is broken, each as a sentence for the user.
    pub fn validate(&self) -> Result<(), Vec<String>> {
        let mut broken: Vec<String> = conflicts(self)
            .into_iter()
            .map(|conflict| format!("{}: {}", conflict.message, conflict.hint))
            .collect();
        let faults = graph::faults(&self.accounts, self.system_account.is_some());
        broken.extend(faults.into_iter().map(|fault| {
            let account = self.accounts.get(fault.account);
            let name = account.map_or("", |account| account.name.as_str());
            format!("account {name:?}: {}: {}", fault.message, fault.hint)
        }));
        if broken.is_empty() {
            Ok(())
        } else {
            Err(broken)
        }
    }
}
