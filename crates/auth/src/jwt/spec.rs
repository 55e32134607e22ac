//! Account claims as the server works with them.
//!
//! What cannot be used is left out and reported, as the Go server does with each export, import
//! and mapping: one bad entry does not take the account down.

use super::account::{Account, TRAFFIC_OWNER};
use super::exports::{Export, ExportKind};
use super::imports::Import;
use super::limits::{JetStreamTier, OperatorLimits};
use super::{AccountClaims, Permissions};
use crate::account_spec::{
    AccountJetStream, AccountLimits, AccountSpec, Activation, ClusterTraffic,
    DEFAULT_RESPONSE_THRESHOLD, ExportAccess, JetStreamLimits, ResponseType, Revocations,
    ServiceExport, ServiceImport, ServiceLatency, StreamExport, StreamImport, StreamTarget,
    SubjectRename, TraceDestination,
};
use crate::nkey::PublicKey;
use crate::permissions::{PermissionsConfig, SubjectRules};
use cognate_subject::{Filter, Mapping, MappingDestination, Subject};
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// An entry of the claims that is left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpecProblem(String);

impl SpecProblem {
    pub(crate) fn new(text: String) -> Self {
        SpecProblem(text)
    }
}

impl fmt::Display for SpecProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AccountClaims {
    /// The account as the server works with it, and what of it had to be left out.
    pub fn to_spec(&self) -> (AccountSpec, Vec<SpecProblem>) {
        self.nats
            .to_spec(&self.registered.subject, &self.registered.name)
    }
}

impl Account {
    fn to_spec(&self, id: &str, name: &str) -> (AccountSpec, Vec<SpecProblem>) {
        let mut problems = Vec::new();
        let mut spec = AccountSpec {
            name: id.to_owned(),
            name_tag: Some(name)
                .filter(|name| !name.is_empty())
                .map(str::to_owned),
            nkey: PublicKey::parse(id).ok(),
            tags: self.tags.clone(),
            limits: account_limits(&self.limits),
            jetstream: jetstream(&self.limits),
            cluster_traffic: match self.cluster_traffic == TRAFFIC_OWNER {
                true => ClusterTraffic::Owner,
                false => ClusterTraffic::System,
            },
            default_permissions: self.default_permissions.to_config(),
            trace: self.trace_destination(),
            ..AccountSpec::default()
        };
        for export in &self.exports {
            if let Err(problem) = add_export(&mut spec, export) {
                problems.push(SpecProblem(format!(
                    "Error adding export {:?}: {problem}",
                    export.subject
                )));
            }
        }
        for import in &self.imports {
            if let Err(problem) = add_import(&mut spec, import) {
                problems.push(SpecProblem(format!(
                    "Error adding import {:?} of account {:?}: {problem}",
                    import.subject, import.account
                )));
            }
        }
        for (source, destinations) in &self.mappings {
            let destinations = destinations.iter().map(|destination| MappingDestination {
                subject: destination.subject.clone(),
                weight: destination.percent(),
                cluster: destination.cluster.clone(),
            });
            match Mapping::new(source, destinations.collect()) {
                Ok(mapping) => spec.mappings.push(mapping),
                Err(problem) => problems.push(SpecProblem(problem.to_string())),
            }
        }
        (spec, problems)
    }

    fn trace_destination(&self) -> Option<TraceDestination> {
        let trace = self.trace.as_ref()?;
        let subject = Subject::try_from(trace.destination.as_str()).ok()?;
        // 0 is not given, and anything else outside of percent is read like it.
        let percent = Some(trace.sampling).filter(|percent| (1..=100).contains(percent));
        let sampling = percent.and_then(|percent| u8::try_from(percent).ok());
        let sampling = sampling.unwrap_or(100);
        Some(TraceDestination { subject, sampling })
    }
}

impl Permissions {
    /// The permissions as the server works with them; `None` if they say nothing.
    pub fn to_config(&self) -> Option<PermissionsConfig> {
        if *self == Permissions::default() {
            return None;
        }
        let rules = |permission: &super::Permission| SubjectRules {
            allow: permission.allow.iter().collect(),
            deny: permission.deny.iter().collect(),
        };
        Some(PermissionsConfig {
            publish: rules(&self.publish),
            subscribe: rules(&self.subscribe),
            responses: self.responses.map(|responses| responses.limits()),
        })
    }
}

/// A table of claims as the server works with it. What is no key can't be revoked.
pub(crate) fn revocations(table: &BTreeMap<String, i64>) -> Revocations {
    let keys = table.iter().filter_map(|(key, until)| {
        let key = PublicKey::parse(key).ok()?;
        Some((key, *until))
    });
    Revocations {
        all: table.get("*").copied(),
        keys: keys.collect(),
    }
}

fn account_limits(limits: &OperatorLimits) -> AccountLimits {
    AccountLimits {
        max_connections: AccountLimits::from_number(limits.account.connections),
        max_subscriptions: AccountLimits::from_number(limits.nats.subs),
        max_payload: AccountLimits::from_number(limits.nats.payload),
        max_leafnodes: AccountLimits::from_number(limits.account.leafnodes),
        disallow_bearer: limits.account.disallow_bearer,
    }
}

fn jetstream(limits: &OperatorLimits) -> AccountJetStream {
    let tiers = &limits.tiered_limits;
    if tiers.values().any(JetStreamTier::is_enabled) {
        let tiers = tiers.iter();
        return AccountJetStream::Tiers(
            tiers
                .map(|(name, tier)| (name.clone(), tier_limits(tier)))
                .collect(),
        );
    }
    match tiers.is_empty() && limits.jetstream.is_enabled() {
        true => AccountJetStream::Limits(tier_limits(&limits.jetstream)),
        false => AccountJetStream::Disabled,
    }
}

fn tier_limits(tier: &JetStreamTier) -> JetStreamLimits {
    let limit = JetStreamLimits::from_number;
    let positive = |number: i64| limit(number).filter(|limit| *limit > 0);
    JetStreamLimits {
        max_memory: limit(tier.memory_storage),
        max_storage: limit(tier.disk_storage),
        max_streams: limit(tier.streams),
        max_consumers: limit(tier.consumer),
        max_ack_pending: positive(tier.max_ack_pending),
        memory_max_stream_bytes: positive(tier.memory_max_stream_bytes),
        storage_max_stream_bytes: positive(tier.disk_max_stream_bytes),
        max_bytes_required: tier.max_bytes_required,
    }
}

fn add_export(spec: &mut AccountSpec, export: &Export) -> Result<(), String> {
    let subject = Filter::try_from(export.subject.as_str()).map_err(|e| e.to_string())?;
    let access = match usize::try_from(export.account_token_position) {
        Ok(0) if export.token_required => {
            ExportAccess::Activation(revocations(&export.revocations))
        }
        Ok(0) => ExportAccess::Public,
        position => {
            let position = position.unwrap_or(usize::MAX);
            ExportAccess::token_position(&subject, position).map_err(|e| e.to_string())?
        }
    };
    match export.kind {
        None => return Err("it is neither a stream nor a service".to_owned()),
        Some(ExportKind::Stream) => spec.stream_exports.push(StreamExport { subject, access }),
        Some(ExportKind::Service) => {
            let response_type = match export.response_type.as_str() {
                "Stream" => ResponseType::Streamed,
                "Chunked" => ResponseType::Chunked,
                _ => ResponseType::Singleton,
            };
            // What cannot be measured is exported all the same.
            let latency = export
                .latency
                .as_ref()
                .and_then(|latency| ServiceLatency::new(latency.sampling, &latency.results).ok());
            spec.service_exports.push(ServiceExport {
                subject,
                access,
                response_type,
                response_threshold: match u64::try_from(export.response_threshold) {
                    Ok(nanos @ 1..) => Duration::from_nanos(nanos),
                    _ => DEFAULT_RESPONSE_THRESHOLD,
                },
                latency: latency.filter(|_| response_type == ResponseType::Singleton),
                allow_trace: export.allow_trace,
            });
        }
    }
    Ok(())
}

fn add_import(spec: &mut AccountSpec, import: &Import) -> Result<(), String> {
    let account = import.account.clone();
    let activation = Some(import.token.clone()).filter(|token| !token.is_empty());
    let activation = activation.map(Activation);
    let (subject, local) = (&import.subject, &import.local_subject);
    match import.kind {
        None => return Err("it is neither a stream nor a service".to_owned()),
        Some(ExportKind::Stream) => {
            let target = match (local.as_str(), import.to.as_str()) {
                ("", "") => StreamTarget::Same,
                ("", prefix) => StreamTarget::Prefix(prefix),
                (local, _) => StreamTarget::Subject(local),
            };
            let rename = SubjectRename::for_stream(subject, target).map_err(|e| e.to_string())?;
            spec.stream_imports.push(StreamImport {
                account,
                rename,
                allow_trace: import.allow_trace,
                activation,
            });
        }
        Some(ExportKind::Service) => {
            // With `to`, the subject is the one of this side.
            let (exported, local) = match (local.as_str(), import.to.as_str()) {
                ("", "") => (subject.as_str(), ""),
                ("", to) => (to, subject.as_str()),
                (local, _) => (subject.as_str(), local),
            };
            let rename = SubjectRename::for_service(exported, local).map_err(|e| e.to_string())?;
            spec.service_imports.push(ServiceImport {
                account,
                rename,
                share: import.share,
                activation,
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
