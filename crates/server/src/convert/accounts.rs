//! From the configured accounts to what the data path and JetStream are told about them.
//!
//! Whether an import is granted and that imports form no cycle was checked with the configuration.
//! Every account but the system's also imports a few services of the system account, with which
//! clients ask about themselves and their own account.

use std::collections::BTreeSet;
use std::sync::Arc;

use cognate_auth::account_spec::{
    self as spec, AccountSpec, ExportAccess, JetStreamLimits, ServiceLatency, StreamTarget,
    SubjectRename, TraceDestination,
};
use cognate_auth::nkey::PublicKey;
use cognate_config::Options;
use cognate_config::options as config;
use cognate_router::Mappings;
use cognate_subject::{Filter, MappingError, Subject};

use crate::data::{Configured, GLOBAL};
use crate::operator::OperatorMode;

/// What clients of any account may ask the system account: subject, and what it is called there
/// for the account `{}`; and whether it is told who asks.
const SYSTEM_SERVICES: [(&str, &str, bool); 4] = [
    (USER_INFO, "$SYS.REQ.USER.{}.INFO", true),
    (
        "$SYS.REQ.ACCOUNT.PING.CONNZ",
        "$SYS.REQ.ACCOUNT.{}.CONNZ",
        false,
    ),
    (
        "$SYS.REQ.SERVER.PING.CONNZ",
        "$SYS.REQ.ACCOUNT.{}.CONNZ",
        false,
    ),
    (
        "$SYS.REQ.ACCOUNT.PING.STATZ",
        "$SYS.REQ.ACCOUNT.{}.STATZ",
        false,
    ),
];

/// With which clients ask who they are; those of the system account too.
const USER_INFO: &str = "$SYS.REQ.USER.INFO";

/// The accounts, and which of them is the system's; of those of operators the ones `in_force`, those
/// that the server cannot be without, and those that they import from.
///
/// # Errors
/// What cannot be used, in words for the user.
pub(crate) fn accounts(
    options: &Options,
    operator: Option<&OperatorMode>,
    in_force: BTreeSet<PublicKey>,
) -> Result<(Vec<Configured>, Option<String>), String> {
    let mut global = AccountSpec::new(GLOBAL);
    global.mappings.clone_from(&options.mappings);
    let mut all = vec![global];
    let is_other =
        |account: &config::Account| Some(&account.name) != options.system_account.as_ref();
    if options.jetstream.is_some() && operator.is_none() && !options.accounts.iter().any(is_other) {
        // Where there is no other account but the system's, the global one has it all.
        all[0].jetstream = spec::AccountJetStream::Limits(JetStreamLimits::default());
    }
    for account in &options.accounts {
        let spec = account_spec(account)
            .map_err(|problem| format!("account \"{}\": {problem}", account.name))?;
        all.push(spec);
    }
    let system = system_account(options, operator);
    if let Some(operator) = operator {
        let mut wanted = operator.first_accounts(options.jetstream.is_some());
        wanted.extend(in_force);
        all.extend(operator.specs(wanted, |_| false).accounts);
    }
    if let Some(name) = &system
        && !all.iter().any(|spec| spec.name == *name)
    {
        all.push(AccountSpec::new(name.clone()));
    }
    let configured = all
        .into_iter()
        .map(|spec| configured(options, system.as_deref(), spec));
    Ok((configured.collect::<Result<_, _>>()?, system))
}

/// The name of the system account.
pub(crate) fn system_account(options: &Options, operator: Option<&OperatorMode>) -> Option<String> {
    let of_operator = operator.and_then(OperatorMode::system_account);
    let of_operator = of_operator.map(|key| key.to_string());
    of_operator.or_else(|| options.system_account.clone())
}

/// An account with what every account has.
///
/// # Errors
/// What cannot be used, in words for the user.
pub(crate) fn configured(
    options: &Options,
    system: Option<&str>,
    mut spec: AccountSpec,
) -> Result<Configured, String> {
    if let Some(system) = system {
        add_system_services(&mut spec, system);
        if spec.name == *system {
            export_system_services(&mut spec);
        }
    }
    let mappings = compile(options, &spec).map_err(|error| error.to_string())?;
    let spec = Arc::new(spec);
    Ok(Configured { spec, mappings })
}

fn account_spec(account: &config::Account) -> Result<AccountSpec, String> {
    let mut spec = AccountSpec::new(account.name.clone());
    let text = |error: &dyn std::fmt::Display| error.to_string();
    if let Some(key) = &account.nkey {
        spec.nkey = Some(PublicKey::parse(key).map_err(|error| text(&error))?);
    }
    for export in &account.exports {
        let subject = Filter::try_from(export.subject()).map_err(|error| text(&error))?;
        let access = access(export.access(), &subject).map_err(|error| text(&error))?;
        match export {
            config::Export::Stream(_) => {
                spec.stream_exports
                    .push(spec::StreamExport { subject, access });
            }
            config::Export::Service(service) => {
                spec.service_exports.push(spec::ServiceExport {
                    subject,
                    access,
                    response_type: response_type(service.response_type),
                    response_threshold: service.response_threshold,
                    latency: service.latency.as_ref().map(latency).transpose()?,
                    allow_trace: service.allow_trace,
                });
            }
        }
    }
    for import in &account.imports {
        add_import(&mut spec, import).map_err(|error| text(&error))?;
    }
    spec.mappings.clone_from(&account.mappings);
    spec.limits = spec::AccountLimits {
        max_connections: account.limits.max_connections,
        max_subscriptions: account.limits.max_subscriptions,
        max_payload: account.limits.max_payload,
        max_leafnodes: account.limits.max_leafnodes,
        disallow_bearer: false,
    };
    if let Some(jetstream) = &account.jetstream {
        spec.jetstream = spec::AccountJetStream::Limits(jetstream_limits(jetstream));
    }
    if let Some(trace) = &account.msg_trace {
        spec.trace = Some(TraceDestination {
            subject: Subject::try_from(trace.dest.as_str()).map_err(|error| text(&error))?,
            sampling: trace.sampling,
        });
    }
    Ok(spec)
}

fn access(access: &config::Access, subject: &Filter) -> Result<ExportAccess, spec::ExportError> {
    match access {
        config::Access::Public => Ok(ExportAccess::Public),
        config::Access::Accounts(names) => {
            Ok(ExportAccess::Accounts(names.iter().cloned().collect()))
        }
        config::Access::TokenPosition(at) => ExportAccess::token_position(subject, *at),
    }
}

fn response_type(kind: config::ResponseType) -> spec::ResponseType {
    match kind {
        config::ResponseType::Singleton => spec::ResponseType::Singleton,
        config::ResponseType::Stream => spec::ResponseType::Streamed,
        config::ResponseType::Chunked => spec::ResponseType::Chunked,
    }
}

fn latency(latency: &config::Latency) -> Result<ServiceLatency, String> {
    let sampling = match latency.sampling {
        config::LatencySampling::Headers => 0,
        config::LatencySampling::Percent(percent) => i64::from(percent),
    };
    ServiceLatency::new(sampling, &latency.subject).map_err(|error| error.to_string())
}

fn add_import(spec: &mut AccountSpec, import: &config::Import) -> Result<(), spec::ImportError> {
    match import {
        config::Import::Stream(stream) => {
            let target = if stream.to == stream.subject {
                StreamTarget::Same
            } else {
                StreamTarget::Subject(&stream.to)
            };
            spec.stream_imports.push(spec::StreamImport {
                account: stream.account.clone(),
                rename: SubjectRename::for_stream(&stream.subject, target)?,
                allow_trace: stream.allow_trace,
                activation: None,
            });
        }
        config::Import::Service(service) => {
            spec.service_imports.push(spec::ServiceImport {
                account: service.account.clone(),
                rename: SubjectRename::for_service(&service.subject, &service.to)?,
                share: service.share,
                activation: None,
            });
        }
    }
    Ok(())
}

fn jetstream_limits(limits: &config::AccountJetStream) -> JetStreamLimits {
    JetStreamLimits {
        max_memory: limits.max_memory,
        max_storage: limits.max_store,
        max_streams: limits.max_streams,
        max_consumers: limits.max_consumers,
        max_ack_pending: limits.max_ack_pending,
        memory_max_stream_bytes: limits.memory_max_stream_bytes,
        storage_max_stream_bytes: limits.store_max_stream_bytes,
        max_bytes_required: limits.max_bytes_required,
    }
}

/// What the system account serves to other accounts.
fn export_system_services(spec: &mut AccountSpec) {
    for (subject, response_type) in [
        ("$SYS.REQ.ACCOUNT.*.CONNZ", spec::ResponseType::Streamed),
        ("$SYS.REQ.ACCOUNT.*.STATZ", spec::ResponseType::Streamed),
        ("$SYS.DEBUG.SUBSCRIBERS", spec::ResponseType::Singleton),
        ("$SYS.REQ.USER.*.INFO", spec::ResponseType::Singleton),
    ] {
        if let Ok(subject) = Filter::try_from(subject) {
            spec.service_exports.push(spec::ServiceExport {
                response_type,
                ..spec::ServiceExport::new(subject)
            });
        }
    }
}

/// Lets clients of an account ask about themselves. An account whose name is no part of a subject
/// goes without.
pub(crate) fn add_system_services(spec: &mut AccountSpec, system: &str) {
    for (local, exported, share) in SYSTEM_SERVICES {
        if spec.name == system && local != USER_INFO {
            continue;
        }
        let exported = exported.replace("{}", &spec.name);
        if let Ok(rename) = SubjectRename::for_service(&exported, local) {
            spec.service_imports.push(spec::ServiceImport {
                account: system.to_owned(),
                rename,
                share,
                activation: None,
            });
        }
    }
}

/// The mappings of an account, and those that lead from a JetStream domain's prefix to its API.
fn compile(options: &Options, spec: &AccountSpec) -> Result<Mappings, MappingError> {
    let of_domain = match spec.jetstream {
        spec::AccountJetStream::Disabled => Vec::new(),
        _ => super::domain_mappings(options)?,
    };
    Ok(Mappings::new(spec.mappings.iter().chain(&of_domain), ""))
}
