//! `authorization {}`: credentials, users and permissions.
//!
//! Owns the drafts that the rows of `schema::auth` fill, and the rules between their keys: one
//! way to authenticate, unique names, complete users. The result is
//! [`Authorization`](crate::options::Authorization), in which wrong combinations cannot be said.

use super::Check;
use crate::nkey::{self, Kind};
use crate::options::{
    AuthCallout, Authorization, ConnectionType, Credential, Permissions, ResponsePermission,
    Secret, SubjectList, SubjectPermission, User,
};
use crate::schema::{AUTHORIZATION, PERMISSIONS, RESPONSES, SUBJECT_PERMISSION, USER};
use crate::subjects::is_filter;
use crate::syntax::{Problem, Value, ValueKind};
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::time::Duration;

/// Timeouts above this are warned about: usually an unquoted `1m`, which is a million seconds.
const LONG_TIMEOUT: Duration = Duration::from_secs(60);

/// `authorization {}` while its keys are being read.
#[derive(Default)]
pub(crate) struct AuthorizationDraft {
    pub(crate) user: Option<String>,
    pub(crate) password: Option<String>,
    pub(crate) token: Option<String>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) users: Option<Vec<User>>,
    pub(crate) default_permissions: Option<Permissions>,
    pub(crate) proxy_required: bool,
    pub(crate) callout: Option<AuthCallout>,
}

/// One entry of `users` while its keys are being read.
#[derive(Default)]
pub(crate) struct UserDraft {
    pub(crate) user: Option<String>,
    pub(crate) password: Option<String>,
    pub(crate) nkey: Option<String>,
    pub(crate) permissions: Option<Permissions>,
    pub(crate) connection_types: Vec<ConnectionType>,
    pub(crate) proxy_required: bool,
}

/// Reads the whole block.
pub(crate) fn authorization(check: &mut Check<'_>, value: &Value, target: &mut Authorization) {
    let mut draft = AuthorizationDraft::default();
    check.block(value, "authorization", AUTHORIZATION, &mut draft);
    let AuthorizationDraft {
        user,
        password,
        token,
        timeout,
        users,
        default_permissions,
        proxy_required,
        callout,
    } = draft;
    let mut fail = |message: &str, hint: &str| {
        check.error(Problem::new(value.span, message).hint(hint));
    };
    const KEEP_ONE: &str = "keep one of them";
    let single = user.is_some() || password.is_some();
    match (single, token.is_some(), users.is_some()) {
        (true, true, _) => fail("Cannot have a user/pass and token", KEEP_ONE),
        (true, _, true) => fail(
            "Can not have a single user/pass and a users array",
            KEEP_ONE,
        ),
        (_, true, true) => fail("Can not have a token and a users array", KEEP_ONE),
        (true, ..) if user.is_none() => {
            fail(
                "authorization has a password but no user",
                "add \"user\", or use \"token\"",
            );
        }
        _ => {}
    }
    let credential = match (user, token, users) {
        (Some(user), ..) => {
            let password = Secret::new(password.unwrap_or_default());
            Credential::UserPassword { user, password }
        }
        (_, Some(token), _) => Credential::Token(Secret::new(token)),
        (_, _, Some(users)) if users.is_empty() => {
            check.warn(
                value.span,
                "the users array is empty, so no authentication is required",
            );
            Credential::None
        }
        (_, _, Some(mut users)) => {
            if let Some(default) = &default_permissions {
                for user in &mut users {
                    user.permissions_mut()
                        .get_or_insert_with(|| default.clone());
                }
            }
            Credential::Users(users)
        }
        _ => Credential::None,
    };
    *target = Authorization {
        credential,
        timeout,
        default_permissions,
        proxy_required,
        callout,
        is_configured: true,
    };
}

/// `timeout` of the block.
pub(crate) fn auth_timeout(check: &mut Check<'_>, value: &Value, draft: &mut AuthorizationDraft) {
    let Some(timeout) = check.timeout(value) else {
        return;
    };
    if timeout > LONG_TIMEOUT {
        let reason = format!(
            "timeout of {} seconds is high, consider keeping it under 60 seconds. possibly caused \
             by unquoted duration; use \"1m\" instead of 1m, for example",
            timeout.as_secs_f64()
        );
        check.warn(value.span, &reason);
    }
    draft.timeout = Some(timeout).filter(|timeout| !timeout.is_zero());
}

/// `users`: every entry, complete and unique.
pub(crate) fn user_list(check: &mut Check<'_>, value: &Value, slot: &mut Option<Vec<User>>) {
    let ValueKind::Array(items) = &value.kind else {
        check.wrong_type(value, "an array of users: [ { user: …, password: … } ]");
        return;
    };
    let mut names = BTreeSet::new();
    let mut users = Vec::new();
    for item in items {
        let mut draft = UserDraft::default();
        if check.is_full() {
            return;
        }
        if check.map(item).is_none() {
            continue;
        }
        check.block(item, "user", USER, &mut draft);
        let Some(user) = complete_user(check, item, draft) else {
            continue;
        };
        if !names.insert(user.name().to_owned()) {
            let kind = if matches!(user, User::Nkey { .. }) {
                "nkey"
            } else {
                "user"
            };
            let message = format!("Duplicate {kind} {:?} detected", user.name());
            check.error(Problem::new(item.span, message).hint("remove one of the two entries"));
        }
        users.push(user);
    }
    users.shrink_to_fit();
    *slot = Some(users);
}

fn complete_user(check: &mut Check<'_>, item: &Value, draft: UserDraft) -> Option<User> {
    let UserDraft {
        user,
        password,
        nkey,
        permissions,
        connection_types,
        proxy_required,
    } = draft;
    let allowed_connection_types = connection_types;
    let has_password = password.is_some();
    let user = match (nkey, user) {
        (Some(nkey), None) if !has_password => {
            return Some(User::Nkey {
                nkey,
                permissions,
                allowed_connection_types,
                proxy_required,
            });
        }
        (Some(_), _) => Err("Nkey users do not take usernames or passwords"),
        (None, Some(user)) => {
            let password = Secret::new(password.unwrap_or_default());
            Ok(User::Password {
                user,
                password,
                permissions,
                allowed_connection_types,
                proxy_required,
            })
        }
        (None, None) => Err("User entry requires a user"),
    };
    user.map_err(|message| {
        let expected = "either \"user\" (with \"password\") or \"nkey\"";
        check.error(Problem::new(item.span, message).expected(expected));
    })
    .ok()
}

/// `nkey` of a user.
pub(crate) fn user_nkey(check: &mut Check<'_>, value: &Value, draft: &mut UserDraft) {
    let Some(text) = check.string(value) else {
        return;
    };
    if !nkey::is_public_key(text, Kind::User) {
        let mut problem = Problem::new(value.span, "Not a valid public nkey for a user")
            .expected("56 characters beginning with U");
        if text.starts_with("SU") {
            problem = problem.hint("this looks like a seed, which stays with the client");
        }
        check.error(problem);
    }
    // Kept even when wrong, so that the entry is not reported a second time.
    draft.nkey = Some(text.to_owned());
}

/// `allowed_connection_types` of a user.
pub(crate) fn connection_types(check: &mut Check<'_>, value: &Value, draft: &mut UserDraft) {
    for name in check.strings(value).unwrap_or_default() {
        match ConnectionType::from_name(name) {
            Some(kind) if draft.connection_types.contains(&kind) => {}
            Some(kind) => draft.connection_types.push(kind),
            None => {
                let names = ConnectionType::ALL.map(|(name, _)| name);
                check.error(
                    Problem::new(value.span, format!("invalid connection types [{name:?}]"))
                        .expected(format!("any of {}", names.join(", "))),
                );
            }
        }
    }
}

/// A `permissions {}` block.
pub(crate) fn permissions(check: &mut Check<'_>, value: &Value, slot: &mut Option<Permissions>) {
    let mut permissions = Permissions::default();
    check.block(value, "permissions", PERMISSIONS, &mut permissions);
    if permissions.responses.is_some() {
        // Who may answer requests may publish nothing else unless a list says so.
        let publish = permissions.publish.get_or_insert_default();
        publish.allow.get_or_insert_default();
    }
    *slot = Some(permissions);
}

/// `publish` or `subscribe`: a subject, several, or `{ allow, deny }`.
pub(crate) fn subject_permission(
    check: &mut Check<'_>,
    value: &Value,
    queues: bool,
    slot: &mut Option<SubjectPermission>,
) {
    if matches!(&value.kind, ValueKind::Map(map) if map.is_empty()) {
        *slot = None;
        return;
    }
    let mut permission = SubjectPermissionDraft {
        queues,
        permission: SubjectPermission::default(),
    };
    if matches!(value.kind, ValueKind::Map(_)) {
        check.block(
            value,
            "subject permissions",
            SUBJECT_PERMISSION,
            &mut permission,
        );
    } else {
        let rules = subject_rules(check, value, queues);
        permission.permission.allow = (!rules.is_empty()).then_some(rules);
    }
    *slot = Some(permission.permission);
}

/// `{ allow, deny }` while it is being read, with whether queues may be named.
pub(crate) struct SubjectPermissionDraft {
    pub(crate) queues: bool,
    pub(crate) permission: SubjectPermission,
}

/// One subject or several; each with a queue if that is allowed here.
pub(crate) fn subject_rules(check: &mut Check<'_>, value: &Value, queues: bool) -> SubjectList {
    let items = match &value.kind {
        ValueKind::Array(items) => items,
        _ => std::slice::from_ref(value),
    };
    let rules = items.iter().filter_map(|item| {
        let ValueKind::String(text) = &item.kind else {
            check.wrong_type(item, "a string (a subject) or an array of them");
            return None;
        };
        let rule = subject_rule(text, queues);
        rule.map_err(|message| check.invalid(item, message)).ok()
    });
    let rules = rules.collect();
    check.shared(rules)
}

fn subject_rule(text: &str, queues: bool) -> Result<Cow<'_, str>, String> {
    if is_filter(text) {
        return Ok(text.into());
    }
    let invalid = |subject: &str| format!("subject {subject:?} is not a valid subject");
    let mut fields = text.split_whitespace();
    match (fields.next(), fields.next(), fields.next()) {
        (Some(subject), Some(_), None) if queues && !is_filter(subject) => Err(invalid(subject)),
        (Some(_), Some(queue), None) if queues && !is_filter(queue) => {
            Err(format!("queue {queue:?} is not a valid queue"))
        }
        (Some(subject), Some(queue), None) if queues => Ok(format!("{subject} {queue}").into()),
        _ => Err(invalid(text)),
    }
}

/// `allow_responses`: a boolean, or `{ max, expires }`.
pub(crate) fn responses(check: &mut Check<'_>, value: &Value, permissions: &mut Permissions) {
    permissions.responses = match &value.kind {
        ValueKind::Bool(false) => None,
        ValueKind::Bool(true) => Some(ResponsePermission::default()),
        ValueKind::Map(_) => {
            let mut responses = ResponsePermission::default();
            check.block(value, "allow_responses", RESPONSES, &mut responses);
            Some(responses)
        }
        _ => {
            check.wrong_type(value, "true, false or { max: 1, expires: \"2m\" }");
            return;
        }
    };
}

/// `max` of `allow_responses`: 0 is the default, negative is unlimited.
pub(crate) fn responses_max(check: &mut Check<'_>, value: &Value, to: &mut ResponsePermission) {
    match check.int(value) {
        Some(0) | None => {}
        Some(number) => to.max_messages = u64::try_from(number).ok(),
    }
}

/// `expires` of `allow_responses`: 0 is the default, negative is forever.
pub(crate) fn responses_expires(check: &mut Check<'_>, value: &Value, to: &mut ResponsePermission) {
    match check.signed_duration(value) {
        Some(expires) if !expires.length.is_zero() => {
            to.expires = (!expires.negative).then_some(expires.length);
        }
        _ => {}
    }
}
