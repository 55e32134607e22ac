//! `/varz`: who the server is, its options in force, and its totals.
//!
//! `cognate_version` is ours; everything else is nats-server's. Parts that are not built yet
//! (`cluster`, `gateway`, …) are the empty objects that nats-server shows when they are not
//! configured. Absent: passwords, tokens and users.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use cognate_process::text::{rfc3339_nano, uptime_text};
use serde::Serialize;

use super::jetstream::{Part, Totals};
use crate::answer::{Number, is_false, is_zero};
use crate::facts::{JetStreamFacts, OcspCacheFacts, ServerFacts};

/// The document. The order of the fields is the order in the answer.
#[derive(Debug, Serialize)]
pub(crate) struct Varz<'a> {
    #[serde(flatten)]
    settings: Settings<'a>,
    #[serde(flatten)]
    state: State<'a>,
}

/// Who the server is, and its options.
#[derive(Debug, Serialize)]
struct Settings<'a> {
    server_id: &'a str,
    server_name: &'a str,
    version: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    cognate_version: &'a str,
    proto: u32,
    #[serde(skip_serializing_if = "str::is_empty")]
    git_commit: &'a str,
    go: &'a str,
    host: &'a str,
    port: u16,
    #[serde(skip_serializing_if = "is_false")]
    auth_required: bool,
    #[serde(skip_serializing_if = "is_false")]
    tls_required: bool,
    #[serde(skip_serializing_if = "is_false")]
    tls_verify: bool,
    #[serde(skip_serializing_if = "is_false")]
    tls_ocsp_peer_verify: bool,
    #[serde(skip_serializing_if = "str::is_empty")]
    ip: &'a str,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    connect_urls: &'a [String],
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    ws_connect_urls: &'a [String],
    max_connections: i64,
    #[serde(skip_serializing_if = "is_zero")]
    max_subscriptions: u64,
    ping_interval: u64,
    ping_max: u32,
    http_host: &'a str,
    http_port: u16,
    http_base_path: &'a str,
    https_port: u16,
    auth_timeout: Number,
    max_control_line: u64,
    max_payload: u64,
    max_pending: u64,
    cluster: NotConfigured,
    gateway: NotConfigured,
    leaf: NotConfigured,
    mqtt: NotConfigured,
    websocket: NotConfigured,
    jetstream: Part<'a>,
    tls_timeout: Number,
    write_deadline: u64,
    #[serde(skip_serializing_if = "str::is_empty")]
    write_timeout: &'a str,
}

/// What changes while the server runs, and what nats-server shows after it.
#[derive(Debug, Serialize)]
struct State<'a> {
    start: String,
    now: String,
    uptime: String,
    mem: u64,
    cores: usize,
    gomaxprocs: usize,
    cpu: Number,
    connections: u64,
    total_connections: u64,
    routes: u64,
    remotes: u64,
    leafnodes: u64,
    in_msgs: u64,
    in_bytes: u64,
    in_client_msgs: u64,
    in_client_bytes: u64,
    out_msgs: u64,
    out_bytes: u64,
    out_client_msgs: u64,
    out_client_bytes: u64,
    slow_consumers: u64,
    stale_connections: u64,
    stalled_clients: u64,
    subscriptions: u64,
    http_req_stats: &'a BTreeMap<&'static str, u64>,
    config_load_time: String,
    config_digest: &'a str,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    tags: &'a [String],
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    metadata: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    feature_flags: &'a BTreeMap<String, bool>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    trusted_operators_jwt: &'a [String],
    #[serde(skip_serializing_if = "<[serde_json::Value]>::is_empty")]
    trusted_operators_claim: &'a [serde_json::Value],
    #[serde(skip_serializing_if = "str::is_empty")]
    system_account: &'a str,
    slow_consumer_stats: ByKind,
    stale_connection_stats: ByKind,
    disk_io_wait_stats: DiskWaits,
    #[serde(skip_serializing_if = "Option::is_none")]
    tls_cert_not_after: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ocsp_peer_cache: Option<OcspPeerCache>,
}

/// OCSP answers about clients' certificates.
#[derive(Debug, Serialize)]
struct OcspPeerCache {
    cache_type: &'static str,
    #[serde(skip_serializing_if = "is_zero")]
    cache_hits: u64,
    #[serde(skip_serializing_if = "is_zero")]
    cache_misses: u64,
    #[serde(skip_serializing_if = "is_zero")]
    cached_responses: u64,
    #[serde(skip_serializing_if = "is_zero")]
    cached_revoked_responses: u64,
    #[serde(skip_serializing_if = "is_zero")]
    cached_good_responses: u64,
    #[serde(skip_serializing_if = "is_zero")]
    cached_unknown_responses: u64,
}

impl From<OcspCacheFacts> for OcspPeerCache {
    fn from(facts: OcspCacheFacts) -> Self {
        OcspPeerCache {
            cache_type: "local",
            cache_hits: facts.hits,
            cache_misses: facts.misses,
            cached_responses: facts.responses,
            cached_revoked_responses: facts.revoked,
            cached_good_responses: facts.good,
            cached_unknown_responses: facts.unknown,
        }
    }
}

/// A part of the server that is not configured.
#[derive(Debug, Serialize)]
struct NotConfigured {}

/// A count by kind of connection.
#[derive(Debug, Default, Serialize)]
struct ByKind {
    clients: u64,
    routes: u64,
    gateways: u64,
    leafs: u64,
}

/// Waiting for the disk; not counted yet.
#[derive(Debug, Default, Serialize)]
struct DiskWaits {
    waiters: u64,
    waits: u64,
    wait_time: u64,
    max_wait_time: u64,
}

impl<'a> Varz<'a> {
    /// The document from the server's facts, JetStream's if it is on, and the requests counted
    /// here.
    pub(crate) fn new(
        facts: &'a ServerFacts,
        jetstream: Option<(&'a JetStreamFacts, Totals)>,
        requests: &'a BTreeMap<&'static str, u64>,
    ) -> Self {
        let jetstream = jetstream.map(|(facts, totals)| Part::new(facts, &totals));
        Varz {
            settings: Settings::new(facts, jetstream.unwrap_or_default()),
            state: State::new(facts, requests),
        }
    }
}

impl<'a> Settings<'a> {
    fn new(facts: &'a ServerFacts, jetstream: Part<'a>) -> Self {
        Settings {
            server_id: &facts.server_id,
            server_name: &facts.server_name,
            version: &facts.version,
            cognate_version: &facts.cognate_version,
            proto: facts.proto,
            git_commit: &facts.git_commit,
            go: &facts.go,
            host: &facts.host,
            port: facts.port,
            auth_required: facts.auth_required,
            tls_required: facts.tls_required,
            tls_verify: facts.tls_verify,
            tls_ocsp_peer_verify: facts.tls_ocsp_peer_verify,
            ip: &facts.ip,
            connect_urls: &facts.connect_urls,
            ws_connect_urls: &facts.ws_connect_urls,
            max_connections: facts.max_connections,
            max_subscriptions: facts.max_subscriptions,
            ping_interval: nanos(facts.ping_interval),
            ping_max: facts.ping_max,
            http_host: &facts.http_host,
            http_port: facts.http_port,
            http_base_path: &facts.http_base_path,
            https_port: facts.https_port,
            auth_timeout: Number(facts.auth_timeout.as_secs_f64()),
            max_control_line: facts.max_control_line,
            max_payload: facts.max_payload,
            max_pending: facts.max_pending,
            cluster: NotConfigured {},
            gateway: NotConfigured {},
            leaf: NotConfigured {},
            mqtt: NotConfigured {},
            websocket: NotConfigured {},
            jetstream,
            tls_timeout: Number(facts.tls_timeout.as_secs_f64()),
            write_deadline: nanos(facts.write_deadline),
            write_timeout: &facts.write_timeout,
        }
    }
}

impl<'a> State<'a> {
    fn new(facts: &'a ServerFacts, requests: &'a BTreeMap<&'static str, u64>) -> Self {
        State {
            start: rfc3339_nano(facts.start),
            now: rfc3339_nano(facts.now),
            uptime: uptime_text(between(facts.start, facts.now)),
            mem: facts.mem,
            cores: facts.cores,
            gomaxprocs: facts.worker_threads,
            cpu: Number(facts.cpu),
            connections: facts.connections,
            total_connections: facts.total_connections,
            routes: 0,
            remotes: 0,
            leafnodes: 0,
            in_msgs: facts.in_msgs.all,
            in_bytes: facts.in_bytes.all,
            in_client_msgs: facts.in_msgs.clients,
            in_client_bytes: facts.in_bytes.clients,
            out_msgs: facts.out_msgs.all,
            out_bytes: facts.out_bytes.all,
            out_client_msgs: facts.out_msgs.clients,
            out_client_bytes: facts.out_bytes.clients,
            slow_consumers: facts.slow_consumers,
            stale_connections: facts.stale_connections,
            stalled_clients: facts.stalled_clients,
            subscriptions: facts.subscriptions,
            http_req_stats: requests,
            config_load_time: rfc3339_nano(facts.config_load_time),
            config_digest: &facts.config_digest,
            tags: &facts.tags,
            metadata: &facts.metadata,
            feature_flags: &facts.feature_flags,
            trusted_operators_jwt: &facts.operators,
            trusted_operators_claim: &facts.operator_claims,
            system_account: &facts.system_account,
            slow_consumer_stats: ByKind {
                clients: facts.slow_consumers,
                ..ByKind::default()
            },
            stale_connection_stats: ByKind {
                clients: facts.stale_connections,
                ..ByKind::default()
            },
            disk_io_wait_stats: DiskWaits::default(),
            tls_cert_not_after: facts.tls_cert_not_after.map(rfc3339_nano),
            ocsp_peer_cache: facts.ocsp_peer_cache.map(OcspPeerCache::from),
        }
    }
}

/// From one time to another; zero if the clock went back in between.
pub(crate) fn between(earlier: SystemTime, later: SystemTime) -> Duration {
    later.duration_since(earlier).unwrap_or_default()
}

/// A duration as Go writes it.
pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
