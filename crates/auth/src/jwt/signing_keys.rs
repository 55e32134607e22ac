//! Keys that sign users in an account's name, with or without a scope.
//!
//! In a token they are a list of texts and objects; here they are a table by key.

use super::NO_LIMIT;
use super::user::UserPermissionLimits;
use super::validation::Issues;
use crate::nkey::{Kind, PublicKey};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use std::collections::BTreeMap;

/// The only kind of scope.
const USER_SCOPE: &str = "user_scope";

/// See the module's documentation. `None` is a key without a scope.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SigningKeys(pub BTreeMap<String, Option<UserScope>>);

/// A signing key whose users have the template's permissions and limits instead of their own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct UserScope {
    /// `user_scope`.
    pub kind: String,
    /// The public account key.
    pub key: String,
    /// What people call it.
    pub role: String,
    /// What its users may do; subjects may have `{{name()}}` and other templates.
    pub template: UserPermissionLimits,
    /// What it is for.
    pub description: String,
}

impl Default for UserScope {
    fn default() -> Self {
        UserScope {
            kind: USER_SCOPE.to_owned(),
            key: String::new(),
            role: String::new(),
            template: UserPermissionLimits::unlimited(),
            description: String::new(),
        }
    }
}

impl SigningKeys {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn validate(&self, issues: &mut Issues) {
        let valid = |key: &str| PublicKey::parse(key).is_ok_and(|key| key.kind() == Kind::Account);
        for (key, scope) in &self.0 {
            if valid(key) {
                continue;
            }
            issues.error(match scope {
                Some(_) => format!("{key} is not an account public key"),
                None => format!("{key:?} is not a valid account signing key"),
            });
        }
    }
}

impl Serialize for SigningKeys {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        #[serde(untagged)]
        enum Entry<'a> {
            Key(&'a str),
            Scope(&'a UserScope),
        }
        to.collect_seq(self.0.iter().map(|(key, scope)| match scope {
            Some(scope) => Entry::Scope(scope),
            None => Entry::Key(key),
        }))
    }
}

impl<'de> Deserialize<'de> for SigningKeys {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let mut keys = BTreeMap::new();
        for entry in Vec::<Value>::deserialize(from)? {
            match entry {
                Value::String(key) => {
                    keys.insert(key, None);
                }
                Value::Object(scope) if scope.get("kind") != Some(&USER_SCOPE.into()) => {
                    let kind = scope.get("kind").cloned().unwrap_or_default();
                    let problem = format!("unknown signing key scope {kind}");
                    return Err(D::Error::custom(problem));
                }
                Value::Object(mut scope) => {
                    fill_limits(&mut scope);
                    let scope: UserScope =
                        serde_json::from_value(Value::Object(scope)).map_err(D::Error::custom)?;
                    keys.insert(scope.key.clone(), Some(scope));
                }
                // The Go library passes over anything else.
                _ => {}
            }
        }
        Ok(SigningKeys(keys))
    }
}

/// What a template does not limit is unlimited, unlike in a user's own token.
fn fill_limits(scope: &mut serde_json::Map<String, Value>) {
    if let Some(Value::Object(template)) = scope.get_mut("template") {
        for limit in ["subs", "data", "payload"] {
            template.entry(limit).or_insert(Value::from(NO_LIMIT));
        }
    }
}
