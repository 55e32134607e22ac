//! Version 1 claims, turned into the form of version 2 before they are read.
//!
//! Version 1 has `type`, `tags` and `issuer_account` beside `nats`, and fewer fields in it. What
//! it did not know is dropped, so that it means what it meant when it was signed.

use super::{JwtError, NO_LIMIT};
use serde_json::{Map, Value};

/// The type of the claims, wherever it stands.
pub(super) fn type_of(claims: &Map<String, Value>) -> &str {
    match text(claims, "type") {
        "" => nats(claims)
            .map(|nats| text(nats, "type"))
            .unwrap_or_default(),
        old => old,
    }
}

/// 1 if the type stands where version 1 has it, else what `nats.version` says, 0 by default.
pub(super) fn version_of(claims: &Map<String, Value>) -> i64 {
    if !text(claims, "type").is_empty() {
        return 1;
    }
    let version = nats(claims).and_then(|nats| nats.get("version"));
    version.map_or(0, |version| version.as_i64().unwrap_or(i64::MAX))
}

/// Rewrites version 1 claims.
pub(super) fn to_version_2(claims: &mut Map<String, Value>) -> Result<(), JwtError> {
    let kind = type_of(claims).to_owned();
    let moved = ["type", "tags", "issuer_account"].map(|name| (name, claims.remove(name)));
    let mut nats = match claims.remove("nats") {
        Some(Value::Object(nats)) => nats,
        // Not an object: left for the reader to refuse.
        Some(other) => {
            claims.insert("nats".to_owned(), other);
            return Ok(());
        }
        None => Map::new(),
    };
    let known: &[&str] = match kind.as_str() {
        "operator" => &[
            "signing_keys",
            "account_server_url",
            "operator_service_urls",
            "system_account",
        ],
        "account" => &[
            "imports",
            "exports",
            "limits",
            "signing_keys",
            "revocations",
        ],
        "user" => &[
            "pub",
            "sub",
            "resp",
            "src",
            "times",
            "times_location",
            "subs",
            "data",
            "payload",
            "bearer_token",
        ],
        "activation" => &["subject", "type"],
        _ => {
            put_back(claims, nats, moved);
            return Ok(());
        }
    };
    nats.retain(|name, _| known.contains(&name.as_str()));
    match kind.as_str() {
        "activation" => {
            if let Some(imported) = nats.remove("type") {
                nats.insert("kind".to_owned(), imported);
            }
        }
        "user" => {
            for limit in ["subs", "data", "payload"] {
                nats.entry(limit).or_insert(Value::from(NO_LIMIT));
            }
        }
        "account" => drop_newer_limits(&mut nats)?,
        _ => {}
    }
    put_back(claims, nats, moved);
    if let Some(Value::Object(nats)) = claims.get_mut("nats") {
        if !matches!(kind.as_str(), "user" | "activation") {
            nats.remove("issuer_account");
        }
        nats.insert("version".to_owned(), Value::from(1));
    }
    Ok(())
}

fn put_back(
    claims: &mut Map<String, Value>,
    mut nats: Map<String, Value>,
    moved: [(&str, Option<Value>); 3],
) {
    for (name, value) in moved {
        if let Some(value) = value {
            nats.insert(name.to_owned(), value);
        }
    }
    claims.insert("nats".to_owned(), Value::Object(nats));
}

fn drop_newer_limits(nats: &mut Map<String, Value>) -> Result<(), JwtError> {
    if let Some(Value::Object(limits)) = nats.get_mut("limits") {
        limits.retain(|name, _| {
            matches!(
                name.as_str(),
                "subs"
                    | "data"
                    | "payload"
                    | "imports"
                    | "exports"
                    | "wildcards"
                    | "disallow_bearer"
                    | "conn"
                    | "leaf"
            )
        });
    }
    match nats.get("signing_keys").and_then(Value::as_array) {
        Some(keys) if !keys.iter().all(Value::is_string) => {
            let problem = "signing keys of version 1 have no scopes".to_owned();
            Err(JwtError::Json("claims", problem))
        }
        _ => Ok(()),
    }
}

fn nats(claims: &Map<String, Value>) -> Option<&Map<String, Value>> {
    claims.get("nats").and_then(Value::as_object)
}

fn text<'a>(fields: &'a Map<String, Value>, name: &str) -> &'a str {
    fields.get(name).and_then(Value::as_str).unwrap_or_default()
}
