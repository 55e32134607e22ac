//! Requests of users about themselves (`$SYS.REQ.USER.INFO`).

use serde_json::{Map, Value, json};

use super::System;
use super::request::Request;

impl System {
    /// Who asks, and what they may do.
    pub(super) fn user_info(&self, request: &Request) -> Option<Vec<u8>> {
        let Some(info) = request.asker() else {
            // Asked within the system account, as if for another one: nobody is known there.
            return Some(self.answer(br#"{"user":"","account":""}"#));
        };
        let cid = info.get("id")?.as_u64()?;
        let connection = self.shared.registry.find(cid)?;
        let account = connection.account()?;
        let detail = connection.detail();
        let mut data = json!({"user": detail.user, "account": account.name});
        data["account_name"] = account
            .spec()
            .name_tag
            .as_ref()
            .unwrap_or(&account.name)
            .as_str()
            .into();
        let token = detail.token.as_ref().and_then(|user| user.token.as_ref());
        if let Some(permissions) = &detail.permissions {
            data["permissions"] = permissions_json(permissions.config());
        }
        if let Some(token) = token {
            // Whom an auth callout let in by a configuration goes by that name already.
            if !token.name.is_empty() && token.name != detail.user {
                data["user_name"] = token.name.as_str().into();
            }
            if let Some(ends) = token.ends {
                let left = ends.duration_since(jiff::Timestamp::now()).as_nanos();
                data["expires"] = i64::try_from(left).unwrap_or(i64::MAX).max(0).into();
            }
        }
        Some(self.answer(data.to_string().as_bytes()))
    }
}

/// Permissions as JSON.
fn permissions_json(config: &cognate_auth::permissions::PermissionsConfig) -> Value {
    let rules = |rules: &cognate_auth::permissions::SubjectRules| {
        let mut value = Map::new();
        for (name, list) in [("allow", &rules.allow), ("deny", &rules.deny)] {
            if !list.is_empty() {
                value.insert(name.to_owned(), json!(list.iter().collect::<Vec<_>>()));
            }
        }
        Value::Object(value)
    };
    let mut permissions = Map::new();
    for (name, list) in [
        ("publish", &config.publish),
        ("subscribe", &config.subscribe),
    ] {
        permissions.insert(name.to_owned(), rules(list));
    }
    if let Some(responses) = &config.responses {
        let ttl = responses.expires.map_or(-1, |time| {
            i64::try_from(time.as_nanos()).unwrap_or(i64::MAX)
        });
        let max = responses.max_messages.map_or(-1, i64::from);
        permissions.insert("responses".to_owned(), json!({"max": max, "ttl": ttl}));
    }
    Value::Object(permissions)
}
