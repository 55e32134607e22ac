//! The keys of `accounts {}` (config.md §7): an account, its exports and imports, its limits.

use super::Reload::Live;
use super::{Row, row};
use crate::check::{
    AccountDraft, ExportDraft, ImportDraft, LatencyDraft, RemoteDraft, TraceDraft,
    account_jetstream, account_limit, account_limits, account_nkey, cluster_traffic, counted,
    export_accounts, exports, import_remote, imports, jetstream_bytes, jetstream_flag, latency,
    latency_sampling, mappings, message_trace, permissions, response_threshold, response_type,
    token_position, trace_dest, trace_sampling, user_list,
};
use crate::options::{AccountJetStream, AccountLimits};

/// Keys of an account.
#[rustfmt::skip]
pub(crate) const ACCOUNT: &[Row<AccountDraft>] = &[
    row(&["nkey"], "public account key", "", Live,
        "key of the account", account_nkey),
    row(&["users"], "array of users", "", Live,
        "the account's users", |c, v, d| {
            d.users_span = Some(v.span);
            user_list(c, v, &mut d.users);
        }),
    row(&["default_permissions"], "permissions", "", Live,
        "permissions of users without their own",
        |c, v, d| permissions(c, v, &mut d.account.default_permissions)),
    row(&["exports"], "array of exports", "", Live,
        "what other accounts may import", exports),
    row(&["imports"], "array of imports", "", Live,
        "what is imported from other accounts", imports),
    row(&["mappings", "maps"], "map of subjects to destinations", "", Live,
        "subject mappings", |c, v, d| mappings(c, v, &mut d.account.mappings)),
    row(&["limits"], "limits block", "", Live,
        "limits of the account", account_limits),
    row(&["jetstream"], "enabled, disabled or jetstream block", "disabled", Live,
        "JetStream for the account", account_jetstream),
    row(&["msg_trace", "trace_dest"], "subject or { dest, sampling }", "", Live,
        "where messages with a traceparent header are traced to", message_trace),
];

/// Keys of an entry of `exports`.
#[rustfmt::skip]
pub(crate) const EXPORT: &[Row<ExportDraft>] = &[
    row(&["stream"], "subject", "", Live,
        "messages that are exported", |c, v, d| d.stream = c.subject(v)),
    row(&["service"], "subject", "", Live,
        "requests that are exported", |c, v, d| d.service = c.subject(v)),
    row(&["accounts"], "array of strings", "all", Live,
        "accounts that may import it", export_accounts),
    row(&["account_token_position"], "integer", "0", Live,
        "token of the subject that has to be the importing account's name", token_position),
    row(&["response_type", "response"], "singleton, stream or chunked", "singleton", Live,
        "how many answers a request gets", response_type),
    row(&["response_threshold", "threshold", "response_max_time", "response_time"], "duration",
        "2m", Live, "how long answers are waited for", response_threshold),
    row(&["latency"], "subject or { sampling, subject }", "", Live,
        "where measurements of requests are published", latency),
    row(&["allow_trace"], "boolean", "false", Live,
        "message traces of importers go on here", |c, v, d| {
            d.allow_trace = Some((c.bool(v).unwrap_or_default(), v.span));
        }),
];

/// Keys of `latency {}`.
#[rustfmt::skip]
pub(crate) const LATENCY: &[Row<LatencyDraft>] = &[
    row(&["sampling"], "1 to 100, with or without %, or headers", "100", Live,
        "which requests are measured", latency_sampling),
    row(&["subject"], "subject", "", Live,
        "where measurements are published",
        |c, v, d| d.subject = c.string(v).map(str::to_owned)),
];

/// Keys of an entry of `imports`.
#[rustfmt::skip]
pub(crate) const IMPORT: &[Row<ImportDraft>] = &[
    row(&["stream"], "{ account, subject }", "", Live,
        "messages that are imported", |c, v, d| d.stream = import_remote(c, v)),
    row(&["service"], "{ account, subject }", "", Live,
        "requests that are imported", |c, v, d| d.service = import_remote(c, v)),
    row(&["to"], "subject or transform", "the same subject", Live,
        "the subject in this account", |c, v, d| {
            d.to = c.string(v).map(|text| (text.to_owned(), v.span));
        }),
    row(&["prefix"], "subject", "", Live,
        "stands in front of an imported stream's subject", |c, v, d| {
            d.prefix = c.string(v).map(|text| (text.to_owned(), v.span));
        }),
    row(&["share"], "boolean", "false", Live,
        "tell the exporter who sends requests", |c, v, d| {
            c.bool_into(v, &mut d.share);
            d.share_span = Some(v.span);
        }),
    row(&["allow_trace"], "boolean", "false", Live,
        "message traces of the exporter go on here", |c, v, d| {
            d.allow_trace = Some((c.bool(v).unwrap_or_default(), v.span));
        }),
];

/// Keys of `stream {}` and `service {}` in an import.
#[rustfmt::skip]
pub(crate) const REMOTE: &[Row<RemoteDraft>] = &[
    row(&["account"], "string", "", Live,
        "account that exports", |c, v, d| c.string_into(v, &mut d.account)),
    row(&["subject"], "subject", "", Live,
        "subject in that account", |c, v, d| d.subject = c.subject(v)),
];

/// Keys of an account's `limits {}`; -1 is no limit.
#[rustfmt::skip]
pub(crate) const ACCOUNT_LIMITS: &[Row<AccountLimits>] = &[
    row(&["max_connections", "max_conn"], "integer", "-1", Live,
        "most client connections", |c, v, l| account_limit(c, v, &mut l.max_connections)),
    row(&["max_subscriptions", "max_subs"], "integer", "-1", Live,
        "most subscriptions of a connection",
        |c, v, l| account_limit(c, v, &mut l.max_subscriptions)),
    row(&["max_payload", "max_pay"], "size", "-1", Live,
        "largest payload with its headers", |c, v, l| account_limit(c, v, &mut l.max_payload)),
    row(&["max_leafnodes", "max_leafs"], "integer", "-1", Live,
        "most leaf node connections", |c, v, l| account_limit(c, v, &mut l.max_leafnodes)),
];

/// Keys of an account's `jetstream {}`; negative numbers are no limit.
#[rustfmt::skip]
pub(crate) const ACCOUNT_JETSTREAM: &[Row<AccountJetStream>] = &[
    row(&["max_memory", "max_mem", "mem", "memory"], "size", "-1", Live,
        "most memory for streams", |c, v, j| jetstream_bytes(c, v, &mut j.max_memory)),
    row(&["max_store", "max_file", "max_disk", "store", "disk"], "size", "-1", Live,
        "most disk for streams", |c, v, j| jetstream_bytes(c, v, &mut j.max_store)),
    row(&["max_streams", "streams"], "integer", "-1", Live,
        "most streams", |c, v, j| counted(c, v, &mut j.max_streams)),
    row(&["max_consumers", "consumers"], "integer", "-1", Live,
        "most consumers of a stream", |c, v, j| counted(c, v, &mut j.max_consumers)),
    row(&["max_ack_pending"], "integer", "-1", Live,
        "most max_ack_pending of a consumer", |c, v, j| counted(c, v, &mut j.max_ack_pending)),
    row(&["memory_max_stream_bytes", "mem_max_stream_bytes"], "size", "-1", Live,
        "most max_bytes of a stream in memory",
        |c, v, j| counted(c, v, &mut j.memory_max_stream_bytes)),
    row(&["disk_max_stream_bytes", "store_max_stream_bytes"], "size", "-1", Live,
        "most max_bytes of a stream on disk",
        |c, v, j| counted(c, v, &mut j.store_max_stream_bytes)),
    row(&["max_bytes_required", "max_stream_bytes", "max_bytes"], "boolean", "false", Live,
        "streams have to set max_bytes",
        |c, v, j| jetstream_flag(c, v, &mut j.max_bytes_required)),
    row(&["cluster_traffic"], "system or owner", "system", Live,
        "whose connections carry replication; without effect before clustering",
        |c, v, j| cluster_traffic(c, v, &mut j.cluster_traffic)),
];

/// Keys of `msg_trace {}`.
#[rustfmt::skip]
pub(crate) const MESSAGE_TRACE: &[Row<TraceDraft>] = &[
    row(&["dest"], "subject", "", Live,
        "where traces are published",
        |c, v, d| d.dest = trace_dest(c, v)),
    row(&["sampling"], "1 to 100, with or without %", "100", Live,
        "share of such messages that are traced", trace_sampling),
];
