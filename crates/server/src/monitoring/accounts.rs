//! What monitoring sees of accounts.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cognate_auth::account_spec::{
    AccountJetStream, AccountSpec, ExportAccess, ResponseType, Sampling, ServiceImport,
    ServiceLatency, StreamImport,
};
use cognate_auth::jwt::{self, IssueLevel, Signed};
use cognate_monitor::{
    AccountDetail, AccountFacts, ExportFacts, Finding, ImportFacts, LatencyFacts, MappedTo,
    SubscriptionStats,
};
use cognate_subject::Mapping;

use crate::convert;
use crate::data::{Account, Totals};
use crate::shared::Shared;

/// What the API of JetStream listens to.
const API: &str = "$JS.API.>";

/// All accounts, by name.
pub(super) fn accounts(shared: &Shared) -> Vec<AccountFacts> {
    let mut traffic: HashMap<u64, (Totals, Totals)> = HashMap::new();
    for connection in shared.registry.living() {
        let Some(account) = connection.account() else {
            continue;
        };
        let (sent, received) = traffic.entry(account.id).or_default();
        sent.add(connection.outbound.totals());
        received.add(connection.received());
    }
    let accounts = shared.accounts.all();
    let facts = accounts.iter().map(|account| {
        let (mut sent, mut received, slow_consumers) = account.departed();
        if let Some((living_sent, living_received)) = traffic.get(&account.id) {
            sent.add(*living_sent);
            received.add(*living_received);
        }
        let spec = account.spec();
        let clients = account.clients() as u64;
        AccountFacts {
            name: account.name.clone(),
            name_tag: spec.name_tag.as_ref().unwrap_or(&account.name).clone(),
            clients,
            connections: clients,
            leafnodes: 0,
            subscriptions: account.interest().len() as u64,
            sent: (sent.msgs, sent.bytes),
            received: (received.msgs, received.bytes),
            slow_consumers,
        }
    });
    facts.collect()
}

/// One account in detail.
pub(super) fn account(
    shared: &Shared,
    name: &str,
    stats: impl FnOnce(&str) -> SubscriptionStats,
) -> Option<AccountDetail> {
    let account = shared.accounts.get(name)?;
    let facts = accounts(shared)
        .into_iter()
        .find(|facts| facts.name == name)?;
    let spec = account.spec();
    let system = shared.accounts.system();
    let operator = shared.operator();
    let token = operator.as_ref().and_then(|operator| operator.token(name));
    let token = token.unwrap_or_default();
    let decoded = decoded(&token);
    let key = cognate_auth::nkey::PublicKey::parse(name).ok();
    let claims = key.and_then(|key| operator.as_ref()?.account(&key));
    Some(AccountDetail {
        facts,
        updated: account.updated(),
        is_system: system.is_some_and(|system| Arc::ptr_eq(&system, &account)),
        expired: claims
            .as_ref()
            .is_some_and(|claims| claims.is_expired(jiff::Timestamp::now().as_second())),
        complete: claims
            .as_ref()
            .is_none_or(|claims| is_complete(&claims.spec, &spec)),
        jetstream: has_jetstream(shared, &account),
        mappings: mappings(shared, &account),
        exports: exports(shared, &spec),
        imports: imports(shared, &account, &spec),
        stats: stats(name),
        findings: findings(&token),
        jwt: token,
        revoked: decoded.as_ref().map(revoked).unwrap_or_default(),
        claims: decoded,
        issuer_key: claims
            .as_ref()
            .map(|claims| claims.issuer.to_string())
            .unwrap_or_default(),
        tags: spec.tags.clone(),
    })
}

/// Whether all that is claimed to be imported is.
fn is_complete(claimed: &AccountSpec, spec: &AccountSpec) -> bool {
    let (streams, services) = (&claimed.stream_imports, &claimed.service_imports);
    streams
        .iter()
        .all(|import| spec.stream_imports.contains(import))
        && services
            .iter()
            .all(|import| spec.service_imports.contains(import))
}

/// What a token says. Its signature was checked when it was taken.
pub(super) fn decoded(token: &str) -> Option<serde_json::Value> {
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    serde_json::from_slice(&claims).ok()
}

/// What is odd about an account's token now.
fn findings(token: &str) -> Vec<Finding> {
    let Ok(account) = Signed::<jwt::Account>::decode(token) else {
        return Vec::new();
    };
    let issues = account
        .claims()
        .validate(jiff::Timestamp::now().as_second());
    let findings = issues.as_slice().iter().map(|issue| Finding {
        text: issue.text.clone(),
        blocking: issue.level == IssueLevel::Error,
        time_check: issue.level == IssueLevel::Time,
    });
    findings.collect()
}

/// Up to when tokens issued to which users are revoked, as claims say.
fn revoked(claims: &serde_json::Value) -> BTreeMap<String, SystemTime> {
    let revocations = claims["nats"]["revocations"]
        .as_object()
        .into_iter()
        .flatten();
    let times = revocations.filter_map(|(user, at)| {
        let since = Duration::from_secs(at.as_u64()?);
        Some((user.clone(), UNIX_EPOCH.checked_add(since)?))
    });
    times.collect()
}

fn has_jetstream(shared: &Shared, account: &Account) -> bool {
    shared.jetstream.read().is_some() && account.spec().jetstream != AccountJetStream::Disabled
}

/// Mappings as nats-server shows them: each weight is the sum of those up to it, and what is left to
/// the source itself is told.
fn mappings(shared: &Shared, account: &Account) -> BTreeMap<String, Vec<MappedTo>> {
    let spec = account.spec();
    let mut mapped: BTreeMap<_, _> = spec.mappings.iter().map(shown_mapping).collect();
    if has_jetstream(shared, account) {
        let of_domain = convert::domain_mappings(&shared.options());
        mapped.extend(of_domain.iter().flatten().map(shown_mapping));
    }
    mapped
}

fn shown_mapping(mapping: &Mapping) -> (String, Vec<MappedTo>) {
    let source = mapping.source().to_string();
    let mut clusters = vec![""];
    for to in mapping.destinations() {
        if !clusters.contains(&to.cluster.as_str()) {
            clusters.push(&to.cluster);
        }
    }
    let keeps_source = mapping.destinations().iter().any(|to| to.subject == source);
    let mut shown = Vec::new();
    for cluster in clusters {
        let of_cluster = mapping
            .destinations()
            .iter()
            .filter(|to| to.cluster == cluster);
        let mut of_cluster: Vec<_> = of_cluster.map(|to| (to.weight, &*to.subject)).collect();
        let sum: u8 = of_cluster
            .iter()
            .fold(0, |sum, (weight, _)| sum.saturating_add(*weight));
        let rest = tokenized(&source);
        if sum < 100 && !keeps_source {
            of_cluster.push((100 - sum, rest.as_str()));
        }
        of_cluster.sort_by_key(|(weight, _)| *weight);
        let mut before = 0_u8;
        for (weight, subject) in of_cluster {
            before = before.saturating_add(weight);
            shown.push(MappedTo {
                subject: subject.to_owned(),
                weight: before,
                cluster: cluster.to_owned(),
            });
        }
    }
    (source, shown)
}

/// A source as the destination that it is itself: with the numbers of its wildcards.
fn tokenized(source: &str) -> String {
    let mut wildcards = 0;
    let tokens = source.split('.').map(|token| match token {
        "*" => {
            wildcards += 1;
            format!("${wildcards}")
        }
        token => token.to_owned(),
    });
    tokens.collect::<Vec<_>>().join(".")
}

fn exports(shared: &Shared, spec: &AccountSpec) -> Vec<ExportFacts> {
    let services = spec.service_exports.iter().map(|export| ExportFacts {
        subject: export.subject.to_string(),
        service: true,
        response_type: match export.response_type {
            ResponseType::Singleton => "Singleton",
            ResponseType::Streamed => "Streamed",
            ResponseType::Chunked => "Chunked",
        },
        latency: export.latency.as_ref().map(latency),
        approved: approved(&export.access),
        token_required: matches!(export.access, ExportAccess::Activation(_)),
        revoked: revoked_activations(&export.access),
    });
    let streams = spec.stream_exports.iter().map(|export| ExportFacts {
        subject: export.subject.to_string(),
        approved: approved(&export.access),
        token_required: matches!(export.access, ExportAccess::Activation(_)),
        revoked: revoked_activations(&export.access),
        ..ExportFacts::default()
    });
    services
        .chain(streams)
        .chain(exported_api(shared, spec))
        .collect()
}

/// The API of JetStream, which nats-server has the system account export.
fn exported_api(shared: &Shared, spec: &AccountSpec) -> Option<ExportFacts> {
    let system = shared.accounts.system()?;
    shared.jetstream.read().as_ref()?;
    (system.name == spec.name).then(|| ExportFacts {
        subject: API.to_owned(),
        service: true,
        response_type: "Singleton",
        ..ExportFacts::default()
    })
}

/// The imports in force, and those that were and lapsed, which are shown as invalid.
fn imports(shared: &Shared, account: &Account, spec: &AccountSpec) -> Vec<ImportFacts> {
    let lapsed = account.lapsed();
    let streams = both(&spec.stream_imports, &lapsed.streams)
        .map(|(import, is_granted)| stream_import(shared, import, is_granted));
    let services = both(&spec.service_imports, &lapsed.services)
        .map(|(import, is_granted)| service_import(shared, import, is_granted));
    streams.chain(services).chain(api(shared, spec)).collect()
}

/// Imports, and whether they are granted.
fn both<'a, I>(granted: &'a [I], lapsed: &'a [I]) -> impl Iterator<Item = (&'a I, bool)> {
    let granted = granted.iter().map(|import| (import, true));
    granted.chain(lapsed.iter().map(|import| (import, false)))
}

fn stream_import(shared: &Shared, import: &StreamImport, is_granted: bool) -> ImportFacts {
    ImportFacts {
        subject: import.rename.exported().to_string(),
        account: import.account.clone(),
        local: import.rename.local().to_string(),
        invalid: !is_granted || shared.accounts.get(&import.account).is_none(),
        ..ImportFacts::default()
    }
}

fn service_import(shared: &Shared, import: &ServiceImport, is_granted: bool) -> ImportFacts {
    let exporter = shared.accounts.get(&import.account);
    let subject = import.rename.exported();
    let measured = exporter.as_ref().and_then(|exporter| {
        let spec = exporter.spec();
        let export = spec.service_export(subject.as_bytes())?;
        export.latency.as_ref().map(latency)
    });
    ImportFacts {
        subject: subject.to_string(),
        account: import.account.clone(),
        local: import.rename.local().to_string(),
        service: true,
        invalid: !is_granted || exporter.is_none(),
        share: import.share,
        latency: measured,
    }
}

/// The API of JetStream, which nats-server has the system account serve to all others.
fn api(shared: &Shared, spec: &AccountSpec) -> Option<ImportFacts> {
    let system = shared.accounts.system()?;
    let jetstream = shared.jetstream.read().clone()?;
    let is_heard = jetstream.is_heard_by(&*shared.accounts.get(&spec.name)?);
    (is_heard && system.name != spec.name).then(|| ImportFacts {
        subject: API.to_owned(),
        account: system.name.clone(),
        local: API.to_owned(),
        service: true,
        share: true,
        ..ImportFacts::default()
    })
}

fn approved(access: &ExportAccess) -> Vec<String> {
    match access {
        ExportAccess::Accounts(names) => names.iter().cloned().collect(),
        _ => Vec::new(),
    }
}

/// Up to when activation tokens issued to which accounts are revoked.
fn revoked_activations(access: &ExportAccess) -> BTreeMap<String, SystemTime> {
    let ExportAccess::Activation(revocations) = access else {
        return BTreeMap::new();
    };
    let all = revocations.all.map(|until| ("*".to_owned(), until));
    let keys = revocations
        .keys
        .iter()
        .map(|(key, until)| (key.to_string(), *until));
    let times = all.into_iter().chain(keys).filter_map(|(of, until)| {
        let since = Duration::from_secs(u64::try_from(until).ok()?);
        Some((of, UNIX_EPOCH.checked_add(since)?))
    });
    times.collect()
}

fn latency(latency: &ServiceLatency) -> LatencyFacts {
    LatencyFacts {
        percent: match latency.sampling {
            Sampling::Percent(percent) => Some(percent),
            Sampling::Headers => None,
        },
        results: latency.subject.to_string(),
    }
}
