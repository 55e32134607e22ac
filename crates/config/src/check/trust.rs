//! Rules of operator mode, between its keys and with the rest.
//!
//! Owns what [`operator_mode`] reports: the first broken rule, in the order in which nats-server
//! looks at them. Called by `cross`.

use super::cross::Conflict;
use crate::nkey::{self, Kind};
use crate::options::{OperatorOptions, Options, Resolver};
use cognate_auth::jwt::{Signed, User};

/// The version of nats-server that this one stands in for.
const COMPATIBLE_VERSION: [u32; 3] = [2, 14, 5];

const OPERATOR: &[&str] = &[
    "operator",
    "operators",
    "root",
    "roots",
    "root_operator",
    "root_operators",
];

/// The first rule that is broken.
pub(super) fn operator_mode(options: &Options) -> Option<Conflict> {
    let operator = &options.operator;
    resolver_use(operator).or_else(|| {
        if operator.operators.is_empty() {
            without_operators(operator)
        } else {
            sentinel(operator)
                .or_else(|| with_accounts(options))
                .or_else(|| system_account(options))
                .or_else(|| claims(operator))
                .or_else(|| pinned(operator))
                .or_else(|| callout(options))
        }
    })
}

fn conflict(keys: &'static [&'static str], message: &str, hint: &'static str) -> Option<Conflict> {
    Some(Conflict {
        keys,
        message: message.to_owned(),
        hint,
    })
}

/// What is preloaded has to be stored somewhere.
fn resolver_use(operator: &OperatorOptions) -> Option<Conflict> {
    if operator.resolver_preload.is_empty() {
        return None;
    }
    match operator.resolver {
        Some(Resolver::Url(_)) => conflict(
            &["resolver_preload"],
            "resolver preloads only available for writeable resolver types MEM/DIR/CACHE_DIR",
            "push the accounts to the account server instead",
        ),
        _ => None,
    }
}

fn without_operators(operator: &OperatorOptions) -> Option<Conflict> {
    if operator.default_sentinel.is_some() {
        return conflict(
            &["default_sentinel"],
            "default sentinel requires operators and accounts",
            "add an \"operator\", or use \"no_auth_user\"",
        );
    }
    None
}

/// The JWT of those that send none must be enough by itself, or get its permissions from a scoped
/// signing key (which is known at login).
fn sentinel(operator: &OperatorOptions) -> Option<Conflict> {
    let token = operator.default_sentinel.as_ref()?;
    let (message, hint) = match Signed::<User>::decode(token.expose()) {
        Err(_) => ("default sentinel JWT not valid", "use the JWT of a user"),
        Ok(signed) => {
            let user = &signed.claims().nats;
            let scoped = !user.issuer_account.is_empty() && user.allowed.is_empty();
            if user.allowed.bearer_token || scoped {
                return None;
            }
            ("default sentinel must be a bearer token", "issue it as one")
        }
    };
    conflict(&["default_sentinel"], message, hint)
}

/// The operators are content with this server, and their keys are keys.
fn claims(operator: &OperatorOptions) -> Option<Conflict> {
    for operator in &operator.operators {
        let claims = &operator.claims.nats;
        let wrong = match claims.server_version() {
            Err(problem) => Some(format!(
                "operator {} expects version {} got error instead: {problem}",
                operator.key(),
                claims.assert_server_version
            )),
            Ok(version) => (version > COMPATIBLE_VERSION).then(|| {
                format!(
                    "operator {} expects server version {}, and this server is compatible with \
                     {}.{}.{}",
                    operator.key(),
                    claims.assert_server_version,
                    COMPATIBLE_VERSION[0],
                    COMPATIBLE_VERSION[1],
                    COMPATIBLE_VERSION[2]
                )
            }),
        };
        if let Some(message) = wrong {
            return conflict(OPERATOR, &message, "change its assert_server_version");
        }
    }
    let mut issuers = operator.issuers().into_iter();
    issuers
        .find(|key| !nkey::is_public_key(key, Kind::Operator))
        .and_then(|key| {
            let message =
                format!("trusted Keys {key:?} are required to be a valid public operator nkey");
            conflict(OPERATOR, &message, "change the operator's signing keys")
        })
}

/// Operators exclude what would be described here.
fn with_accounts(options: &Options) -> Option<Conflict> {
    let operator = &options.operator;
    if operator.resolver.is_none() {
        return conflict(
            OPERATOR,
            "operators require an account resolver to be configured",
            "add a \"resolver\"",
        );
    }
    if !options.accounts.is_empty() || !options.mappings.is_empty() {
        return conflict(
            &["accounts", "mappings", "maps"],
            "operators do not allow Accounts to be configured directly",
            "describe accounts and their mappings in JWTs",
        );
    }
    if options.users().next().is_some() {
        return conflict(
            &["authorization"],
            "operators do not allow users to be configured directly",
            "give users JWTs",
        );
    }
    if !operator.trusted_keys.is_empty() {
        return conflict(
            &["trusted_keys", "trusted"],
            "conflicting options for 'TrustedKeys' and 'TrustedOperators'",
            "keep one of them",
        );
    }
    None
}

/// The system account is the one an operator names, and one is needed by some resolvers.
fn system_account(options: &Options) -> Option<Conflict> {
    let operators = &options.operator.operators;
    let named = |name: &String| {
        let mut operators = operators.iter();
        operators.any(|operator| operator.system_account() == Some(name))
    };
    let any = operators
        .iter()
        .any(|operator| operator.system_account().is_some());
    match &options.system_account {
        Some(name) if options.system_account_configured => {
            if any && !named(name) {
                return conflict(
                    &["system_account", "system"],
                    "system_account in config and operator JWT must be identical",
                    "remove it here; the operator's is used",
                );
            }
            let preloaded = options.operator.resolver_preload.contains_key(name);
            if options.operator.resolver == Some(Resolver::Memory) && !preloaded {
                return conflict(
                    &["resolver", "account_resolver", "accounts_resolver"],
                    &format!("error resolving system account: account {name:?} missing"),
                    "add its JWT to \"resolver_preload\"",
                );
            }
        }
        _ => {
            let first = operators
                .first()
                .is_some_and(|o| o.system_account().is_some());
            let needed = matches!(
                options.operator.resolver,
                Some(Resolver::Full(_) | Resolver::Cache(_))
            );
            if needed && !first {
                return conflict(
                    OPERATOR,
                    "using nats based account resolver - the system account needs to be \
                     specified in configuration or the operator jwt",
                    "add \"system_account\"",
                );
            }
        }
    }
    None
}

fn pinned(operator: &OperatorOptions) -> Option<Conflict> {
    let mut pinned = operator.resolver_pinned_accounts.iter();
    let wrong = pinned.any(|key| !nkey::is_public_key(key, Kind::Account));
    if wrong {
        return conflict(
            &["resolver_pinned_accounts"],
            "a pinned account key is not a valid public account nkey",
            "use 56 characters beginning with A",
        );
    }
    None
}

fn callout(options: &Options) -> Option<Conflict> {
    options.authorization.callout.as_ref()?;
    conflict(
        &["authorization"],
        "operators do not allow authorization callouts to be configured directly",
        "configure it in the account's JWT",
    )
}
