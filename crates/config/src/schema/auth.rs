//! The keys of `authorization {}`, of users and of permissions (config.md §6).

use super::Reload::{Live, Restart};
use super::{Row, row};
use crate::check::{
    AuthorizationDraft, CalloutDraft, SubjectPermissionDraft, UserDraft, allowed_accounts,
    auth_callout, auth_timeout, auth_users, callout_issuer, callout_xkey, connection_types,
    permissions, responses, responses_expires, responses_max, subject_permission, subject_rules,
    user_list, user_nkey,
};
use crate::options::{Permissions, ResponsePermission};

/// Keys of the block.
#[rustfmt::skip]
pub(crate) const AUTHORIZATION: &[Row<AuthorizationDraft>] = &[
    row(&["user", "username"], "string", "", Live,
        "the one user", |c, v, d| c.string_into(v, &mut d.user)),
    row(&["password", "pass"], "string", "", Live,
        "the one user's password, plain or bcrypt", |c, v, d| c.string_into(v, &mut d.password)),
    row(&["token"], "string", "", Live,
        "token that everyone needs, plain or bcrypt", |c, v, d| c.string_into(v, &mut d.token)),
    row(&["timeout"], "seconds or duration", "2s", Live,
        "how long a client may take to authenticate", auth_timeout),
    row(&["users"], "array of users", "", Live,
        "the users", |c, v, d| user_list(c, v, &mut d.users)),
    row(&["default_permissions", "default_permission", "permissions"], "permissions", "", Live,
        "permissions of users without their own",
        |c, v, d| permissions(c, v, &mut d.default_permissions)),
    row(&["auth_callout", "auth_hook"], "auth_callout block", "", Restart,
        "service that decides who gets in", auth_callout),
    row(&["proxy_required"], "boolean", "false", Restart,
        "clients must come through a trusted proxy",
        |c, v, d| c.bool_into(v, &mut d.proxy_required)),
];

/// Keys of `auth_callout {}`.
#[rustfmt::skip]
pub(crate) const AUTH_CALLOUT: &[Row<CalloutDraft>] = &[
    row(&["issuer"], "public account key", "", Restart,
        "key that signs the service's answers", callout_issuer),
    row(&["account", "acc"], "string", "$G", Restart,
        "account in which the service is asked", |c, v, d| c.string_into(v, &mut d.account)),
    row(&["auth_users", "users"], "array of strings", "", Restart,
        "users that log in without the service being asked", auth_users),
    row(&["xkey", "key"], "public curve key", "", Restart,
        "key that requests are encrypted for", callout_xkey),
    row(&["allowed_accounts"], "array of strings", "all", Restart,
        "accounts whose users the service may let in", allowed_accounts),
];

/// Keys of an entry of `users`.
#[rustfmt::skip]
pub(crate) const USER: &[Row<UserDraft>] = &[
    row(&["user", "username"], "string", "", Live,
        "name of the user", |c, v, d| c.string_into(v, &mut d.user)),
    row(&["password", "pass"], "string", "", Live,
        "password, plain or bcrypt", |c, v, d| c.string_into(v, &mut d.password)),
    row(&["nkey"], "public user key", "", Live,
        "key the user signs with", user_nkey),
    row(&["permissions", "permission", "authorization"], "permissions", "", Live,
        "what the user may do", |c, v, d| permissions(c, v, &mut d.permissions)),
    row(&["allowed_connection_types", "connection_types", "clients"], "string or strings", "all",
        Live, "how the user may connect", connection_types),
    row(&["proxy_required"], "boolean", "false", Live,
        "the user must come through a trusted proxy",
        |c, v, d| c.bool_into(v, &mut d.proxy_required)),
];

/// Keys of a `permissions {}` block.
#[rustfmt::skip]
pub(crate) const PERMISSIONS: &[Row<Permissions>] = &[
    row(&["publish", "pub", "import"], "subjects or { allow, deny }", "everything", Live,
        "where the user may publish",
        |c, v, p| subject_permission(c, v, false, &mut p.publish)),
    row(&["subscribe", "sub", "export"], "subjects or { allow, deny }", "everything", Live,
        "what the user may subscribe to",
        |c, v, p| subject_permission(c, v, true, &mut p.subscribe)),
    row(&["allow_responses", "publish_allow_responses"], "boolean or { max, expires }", "false",
        Live, "may answer requests", responses),
];

/// Keys of `{ allow, deny }`.
#[rustfmt::skip]
pub(crate) const SUBJECT_PERMISSION: &[Row<SubjectPermissionDraft>] = &[
    row(&["allow"], "subject or subjects", "everything", Live,
        "what is allowed", |c, v, d| {
            let rules = subject_rules(c, v, d.queues);
            d.permission.allow = (!rules.is_empty()).then_some(rules);
        }),
    row(&["deny"], "subject or subjects", "", Live,
        "what is denied", |c, v, d| d.permission.deny = subject_rules(c, v, d.queues)),
];

/// Keys of `allow_responses {}`.
#[rustfmt::skip]
pub(crate) const RESPONSES: &[Row<ResponsePermission>] = &[
    row(&["max", "max_msgs", "max_messages", "max_responses"], "integer", "1", Live,
        "answers per request; -1 is unlimited", responses_max),
    row(&["expires", "expiration", "ttl"], "duration", "2m", Live,
        "how long answers are allowed; negative is forever", responses_expires),
];
