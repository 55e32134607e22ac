//! What monitoring sees of accounts.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use cognate_auth::account_spec::{
    AccountJetStream, AccountSpec, ExportAccess, ResponseType, Sampling, ServiceLatency,
};
use cognate_monitor::{
    AccountDetail, AccountFacts, ExportFacts, ImportFacts, LatencyFacts, MappedTo,
    SubscriptionStats,
};

use crate::data::{Account, Totals};
use crate::shared::Shared;

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
    Some(AccountDetail {
        facts,
        updated: account.updated(),
        is_system: system.is_some_and(|system| Arc::ptr_eq(&system, &account)),
        expired: false,
        jetstream: has_jetstream(shared, &account),
        mappings: mappings(&spec),
        exports: exports(&spec),
        imports: imports(shared, &spec),
        stats: stats(name),
        jwt: String::new(),
        issuer_key: String::new(),
        tags: spec.tags.clone(),
    })
}

fn has_jetstream(shared: &Shared, account: &Account) -> bool {
    shared.jetstream.read().is_some() && account.spec().jetstream != AccountJetStream::Disabled
}

fn mappings(spec: &AccountSpec) -> BTreeMap<String, Vec<MappedTo>> {
    let mapped = spec.mappings.iter().map(|mapping| {
        let destinations = mapping.destinations.iter().map(|to| MappedTo {
            subject: to.subject.clone(),
            weight: to.weight,
            cluster: to.cluster.clone(),
        });
        (mapping.source.to_string(), destinations.collect())
    });
    mapped.collect()
}

fn exports(spec: &AccountSpec) -> Vec<ExportFacts> {
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
    });
    let streams = spec.stream_exports.iter().map(|export| ExportFacts {
        subject: export.subject.to_string(),
        approved: approved(&export.access),
        token_required: matches!(export.access, ExportAccess::Activation(_)),
        ..ExportFacts::default()
    });
    services.chain(streams).collect()
}

fn imports(shared: &Shared, spec: &AccountSpec) -> Vec<ImportFacts> {
    let streams = spec.stream_imports.iter().map(|import| ImportFacts {
        subject: import.rename.exported().to_string(),
        account: import.account.clone(),
        local: import.rename.local().to_string(),
        invalid: shared.accounts.get(&import.account).is_none(),
        ..ImportFacts::default()
    });
    let services = spec.service_imports.iter().map(|import| {
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
            invalid: exporter.is_none(),
            share: import.share,
            latency: measured,
        }
    });
    streams.chain(services).collect()
}

fn approved(access: &ExportAccess) -> Vec<String> {
    match access {
        ExportAccess::Accounts(names) => names.iter().cloned().collect(),
        _ => Vec::new(),
    }
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
