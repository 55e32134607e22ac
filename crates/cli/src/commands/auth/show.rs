//! Pages about operators, accounts, users and signing keys.

use cognate_auth::jwt::{
    ExportKind, JetStreamTier, OperatorLimits, Permission, UserPermissionLimits, UserScope,
};

use super::backup;
use super::select::Chosen;
use super::store::{AccountEntity, UserEntity};
use crate::error::Result;
use crate::output::columns::Columns;
use crate::output::{json, number, time};

/// An operator.
pub(super) fn operator(chosen: &Chosen, is_json: bool) -> Result<()> {
    if is_json {
        return json::print(&backup::operator_copy(chosen)?);
    }
    let operator = &chosen.operator;
    let nats = &operator.claims.nats;
    let accounts = chosen.store.all_accounts(&operator.name)?;
    let system = accounts
        .iter()
        .find(|account| account.subject() == nats.system_account);
    let system = match (system, nats.system_account.as_str()) {
        (Some(account), key) => format!("{} ({key})", account.name),
        (None, "") => "not set".to_owned(),
        (None, key) => key.to_owned(),
    };
    let mut page = Columns::new(format!(
        "Operator {} ({})",
        operator.name,
        operator.subject()
    ));
    page.section("Configuration")
        .row("Name", &operator.name)
        .row("Subject", operator.subject())
        .row_if_set("Tags", nats.tags.join("\n"))
        .row_if_set("Service URL(s)", nats.operator_service_urls.join(", "))
        .row_if_set("Account Server", &nats.account_server_url)
        .row("Accounts", accounts.len())
        .row("System Account", system)
        .row_if_set("Signing Keys", nats.signing_keys.join("\n"));
    page.print();
    Ok(())
}

/// An account.
pub(super) fn account(chosen: &Chosen, account: &AccountEntity, is_json: bool) -> Result<()> {
    if is_json {
        return json::print(&backup::account_copy(chosen, account)?);
    }
    let users = chosen.store.users(&chosen.operator.name, &account.name)?;
    account_page(chosen, account, Some(users.len())).print();
    Ok(())
}

/// An account's page; how many users it has is only known of one in the store.
pub(super) fn account_page(
    chosen: &Chosen,
    account: &AccountEntity,
    users: Option<usize>,
) -> Columns {
    let nats = &account.claims.nats;
    let exports = |kind: ExportKind| nats.exports.iter().filter(|e| e.kind == Some(kind)).count();
    let imports = |kind: ExportKind| nats.imports.iter().filter(|i| i.kind == Some(kind)).count();
    let has_jetstream = nats.limits.jetstream.is_enabled() || !nats.limits.tiered_limits.is_empty();
    let roles: Vec<String> = nats
        .signing_keys
        .0
        .iter()
        .map(|(key, scope)| match scope {
            Some(scope) => format!("{key} ({})", scope.role),
            None => key.clone(),
        })
        .collect();
    let mut page = Columns::new(format!("Account {} ({})", account.name, account.subject()));
    page.section("Configuration")
        .row("Name", &account.name)
        .row_if_set("Description", &nats.description)
        .row("Issuer", account.issuer())
        .row("Operator", &chosen.operator.name)
        .row_if_set("Tags", nats.tags.join("\n"))
        .row(
            "System Account",
            account.subject() == chosen.operator.claims.nats.system_account,
        )
        .row("JetStream", has_jetstream)
        .row_if_set("Expiry", expiry(account.claims.registered.expires))
        .row_opt("Users", users)
        .row("Revocations", nats.revocations.len())
        .row("Service Exports", exports(ExportKind::Service))
        .row("Stream Exports", exports(ExportKind::Stream))
        .row("Service Imports", imports(ExportKind::Service))
        .row("Stream Imports", imports(ExportKind::Stream))
        .row_if_set("Signing Keys", roles.join("\n"));
    limits(&mut page, &nats.limits);
    if has_jetstream {
        let traffic = match nats.cluster_traffic.as_str() {
            "" => "system",
            traffic => traffic,
        };
        page.section("JetStream Settings")
            .row("Cluster Traffic", traffic);
        if nats.limits.jetstream.is_enabled() {
            tier(&mut page, "Account Default Limits", &nats.limits.jetstream);
        }
        for (name, limits) in &nats.limits.tiered_limits {
            tier(&mut page, &format!("Tier {name} Limits"), limits);
        }
    }
    page
}

fn limits(page: &mut Columns, limits: &OperatorLimits) {
    page.section("Limits")
        .row("Bearer Tokens Allowed", !limits.account.disallow_bearer)
        .row("Subscriptions", count(limits.nats.subs))
        .row("Connections", count(limits.account.connections))
        .row("Maximum Payload", size(limits.nats.payload))
        .row("Leafnodes", count(limits.account.leafnodes))
        .row("Imports", count(limits.account.imports))
        .row("Exports", count(limits.account.exports));
}

fn tier(page: &mut Columns, title: &str, tier: &JetStreamTier) {
    // In a tier 0 is no limit for what may be asked of a stream or consumer.
    let or_none = |value: i64| if value == 0 { -1 } else { value };
    page.section(title)
        .row("Max Ack Pending", count(or_none(tier.max_ack_pending)))
        .row("Maximum Streams", count(tier.streams))
        .row("Max Consumers Per Stream", count(tier.consumer))
        .row("Max Stream Size Required", tier.max_bytes_required)
        .row("Max File Storage", size(tier.disk_storage))
        .row_if_set(
            "Max File Storage Stream Size",
            if tier.disk_max_stream_bytes > 0 {
                size(tier.disk_max_stream_bytes)
            } else {
                String::new()
            },
        )
        .row("Max Memory Storage", size(tier.memory_storage))
        .row_if_set(
            "Max Memory Storage Stream Size",
            if tier.memory_max_stream_bytes > 0 {
                size(tier.memory_max_stream_bytes)
            } else {
                String::new()
            },
        );
}

/// A user.
pub(super) fn user(
    chosen: &Chosen,
    account: &AccountEntity,
    user: &UserEntity,
    is_json: bool,
) -> Result<()> {
    if is_json {
        return json::print(&backup::user_copy(&chosen.store, user)?);
    }
    let scope = account.claims.nats.signing_keys.0.get(user.issuer());
    let scope = scope.and_then(Option::as_ref);
    let allowed = scope.map_or(&user.claims.nats.allowed, |scope| &scope.template);
    let mut page = Columns::new(format!("User {} ({})", user.name, user.subject()));
    page.section("Configuration")
        .row(
            "Account",
            format!("{} ({})", account.name, account.subject()),
        )
        .row("Issuer", user.issuer())
        .row("Scoped", scope.is_some())
        .row_if_set("Role", scope.map_or("", |scope| scope.role.as_str()))
        .row("Bearer Token", allowed.bearer_token)
        .row_if_set("Locale", &allowed.locale)
        .row_if_set("Tags", user.claims.nats.tags.join("\n"))
        .row_if_set("Expires", expiry(user.claims.registered.expires));
    allowances(&mut page, allowed);
    page.print();
    Ok(())
}

/// A signing key.
pub(super) fn scope_page(scope: &UserScope) -> Columns {
    let mut page = Columns::new(format!("Scoped Signing Key {}", scope.key));
    page.section("Config")
        .row_if_set("Description", &scope.description)
        .row("Key", &scope.key)
        .row("Role", &scope.role)
        .row("Bearer Token", scope.template.bearer_token)
        .row_if_set("Locale", &scope.template.locale)
        .row_if_set(
            "Connection Types",
            scope.template.allowed_connection_types.join(", "),
        );
    allowances(&mut page, &scope.template);
    page
}

fn allowances(page: &mut Columns, allowed: &UserPermissionLimits) {
    page.section("Limits")
        .row("Max Payload", count(allowed.limits.payload))
        .row("Max Data", count(allowed.limits.data))
        .row("Max Subscriptions", count(allowed.limits.subs))
        .row_if_set("Connection Sources", allowed.src.join(", "));
    for (title, lists) in [
        ("Publish Permissions", &allowed.permissions.publish),
        ("Subscribe Permissions", &allowed.permissions.subscribe),
    ] {
        permissions(page, title, lists);
    }
}

fn permissions(page: &mut Columns, title: &str, lists: &Permission) {
    page.section(title);
    if lists.allow.is_empty() && lists.deny.is_empty() {
        page.text("  No permissions defined");
    }
    page.row_if_set("Allow", lists.allow.join("\n"))
        .row_if_set("Deny", lists.deny.join("\n"));
}

/// A count, `unlimited` for -1.
pub(super) fn count(value: i64) -> String {
    match value {
        ..0 => "unlimited".to_owned(),
        value => number::grouped(value),
    }
}

fn size(value: i64) -> String {
    match u64::try_from(value) {
        Ok(value) => number::bytes(value),
        Err(_) => "unlimited".to_owned(),
    }
}

fn expiry(at: i64) -> String {
    match at {
        0 => String::new(),
        at => jiff::Timestamp::from_second(at).map_or_else(|_| at.to_string(), time::local),
    }
}
