//! Opens the monitoring listener and answers what monitoring asks of the server.
//!
//! Snapshots are taken without stopping anything: registries are copied, counters read as they
//! are, the interest is locked for reading while subscriptions are visited, streams are locked one
//! at a time.

mod accounts;
mod jetstream;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use cognate_config::Options;
use cognate_monitor::{
    ClosedSubscription, ConnectionFacts, Counts, Health, JetStream, Monitored, OcspCacheFacts,
    PeerCertificate, ServerFacts, StreamDetails, StreamFacts, SubscriptionFacts, SubscriptionStats,
    WantedConsumers,
};
use cognate_process::{info, usage};
use cognate_router::Tie;

use self::accounts::decoded;
use self::jetstream::Assets;
use crate::builder::StartError;
use crate::client_info::shown_token;
use crate::data::{Connection, GLOBAL, Totals, Via};
use crate::info::{RUNTIME, plain_ip};
use crate::listen;
use crate::registry::Closed;
use crate::shared::{COGNATE_VERSION, COMPATIBLE_VERSION, Shared, Stage};

/// What monitoring shows as `tls_timeout` where TLS is not configured, as nats-server does.
const DEFAULT_TLS_TIMEOUT: Duration = Duration::from_secs(2);

/// The server as monitoring sees it.
pub(crate) fn source(shared: &Arc<Shared>) -> Arc<dyn Monitored> {
    Arc::new(Source(Arc::clone(shared), Assets::new(shared)))
}

/// Starts monitoring, if it is configured.
pub(crate) async fn start(shared: &Arc<Shared>) -> Result<(), StartError> {
    let options = shared.options();
    let Some(http) = &options.http else {
        return Ok(());
    };
    let host = options.http_host();
    let failed = |cause| StartError::Monitor {
        place: listen::place(host, http.port.to_bind()),
        cause,
    };
    let listener = listen::bind(host, http.port.to_bind())
        .await
        .map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let _ = shared.facts.monitor_addr.set(address);
    let tls = match (http.tls, shared.tls()) {
        (true, Some(tls)) => Some(tls.without_client_certificates()),
        _ => None,
    };
    let scheme = if tls.is_some() { "https" } else { "http" };
    info!(
        shared.log,
        "Starting {scheme} monitor on {}",
        listen::place(host, address.port())
    );
    let base_path = match options.http_base_path.as_str() {
        "/" => String::new(),
        path => path.to_owned(),
    };
    let mut stage = shared.stage.subscribe();
    let source = Arc::new(Source(Arc::clone(shared), Assets::new(shared)));
    let stopped = async move {
        let _ = stage.wait_for(|stage| *stage > Stage::LameDuck).await;
    };
    let listening = shared.registry.listeners.enter();
    tokio::spawn(async move {
        cognate_monitor::serve(listener, tls, base_path, source, stopped).await;
        drop(listening);
    });
    Ok(())
}

/// The server and its streams, as monitoring sees them.
struct Source(Arc<Shared>, Assets);

impl Monitored for Source {
    fn server(&self) -> ServerFacts {
        server_facts(&self.0)
    }

    fn connections(&self) -> Vec<ConnectionFacts> {
        let living = self.0.registry.living();
        living
            .iter()
            .map(|connection| connection_facts(&self.0, connection))
            .collect()
    }

    fn closed_connections(&self) -> (Vec<ConnectionFacts>, u64) {
        let (closed, total) = self.0.registry.closed();
        (
            closed
                .iter()
                .map(|record| closed_facts(&self.0, record))
                .collect(),
            total,
        )
    }

    fn subscriptions(&self, visit: &mut dyn FnMut(SubscriptionFacts<'_>)) {
        for account in self.0.accounts.all() {
            let spec = account.spec();
            let account_tag = spec.name_tag.as_ref().unwrap_or(&account.name);
            account.interest().for_each(|sub| {
                let text = String::from_utf8_lossy;
                visit(SubscriptionFacts {
                    account: &account.name,
                    account_tag,
                    is_shadow: matches!(sub.tie(), Some(Tie::Shadow { .. })),
                    subject: &text(sub.subject()),
                    queue: &text(sub.queue().unwrap_or_default()),
                    sid: &text(sub.sid()),
                    msgs: sub.delivered(),
                    max: sub.max().unwrap_or(0),
                    cid: sub.destination().cid,
                });
            });
        }
    }

    fn subscription_stats(&self, account: Option<&str>) -> SubscriptionStats {
        let accounts = match account {
            Some(name) => self.0.accounts.get(name).into_iter().collect(),
            None => self.0.accounts.all(),
        };
        if accounts.is_empty() {
            return SubscriptionStats::default();
        }
        let (mut inserts, mut removes, mut subscriptions) = (0, 0, 0);
        for account in &accounts {
            let interest = account.interest();
            inserts += interest.inserted();
            removes += interest.removed();
            subscriptions += interest.len() as u64;
        }
        let mut cache = self.0.workers.cache_stats();
        if let Some(of_jetstream) = self.1.cache_stats() {
            cache.look_ups += of_jetstream.look_ups;
            cache.misses += of_jetstream.misses;
            cache.answers += of_jetstream.answers;
            cache.fanout += of_jetstream.fanout;
            cache.max_fanout = cache.max_fanout.max(of_jetstream.max_fanout);
        }
        let share = |part: u64, whole: u64| {
            if whole == 0 {
                0.0
            } else {
                part as f64 / whole as f64
            }
        };
        SubscriptionStats {
            num_subscriptions: subscriptions,
            num_cache: cache.answers,
            num_inserts: inserts,
            num_removes: removes,
            num_matches: cache.look_ups,
            cache_hit_rate: share(
                cache.look_ups - cache.misses.min(cache.look_ups),
                cache.look_ups,
            ),
            max_fanout: cache.max_fanout,
            avg_fanout: share(cache.fanout, cache.answers),
        }
    }

    fn accounts(&self) -> Vec<cognate_monitor::AccountFacts> {
        accounts::accounts(&self.0)
    }

    fn account(&self, name: &str) -> Option<cognate_monitor::AccountDetail> {
        accounts::account(&self.0, name, |name| self.subscription_stats(Some(name)))
    }

    fn health(&self) -> Health {
        let error = match self.0.stage() {
            Stage::Running => None,
            Stage::LameDuck => Some("server is in lame duck mode".to_owned()),
            _ => Some("server is shutting down".to_owned()),
        };
        Health { error }
    }

    fn jetstream(&self) -> JetStream {
        self.1.state()
    }

    fn streams(&self, visit: &mut dyn FnMut(StreamFacts<'_>)) {
        self.1.visit(visit);
    }

    fn stream_details(
        &self,
        account: &str,
        consumers: WantedConsumers,
        visit: &mut dyn FnMut(StreamDetails),
    ) {
        self.1.visit_details(account, consumers, visit);
    }

    fn has_consumer(&self, account: &str, stream: &str, consumer: &str) -> bool {
        self.1.has_consumer(account, stream, consumer)
    }
}

fn checks_peers(options: &Options) -> bool {
    let checks = options.tls.as_ref().and_then(|tls| tls.ocsp_peer.as_ref());
    checks.is_some_and(|peer| peer.verify)
}

fn ocsp_cache(shared: &Shared) -> Option<OcspCacheFacts> {
    let stats = shared.peers.stats(shared)?;
    Some(OcspCacheFacts {
        hits: stats.hits,
        misses: stats.misses,
        responses: stats.responses,
        revoked: stats.revoked,
        good: stats.good,
        unknown: stats.unknown,
    })
}

fn server_facts(shared: &Shared) -> ServerFacts {
    let options = shared.options();
    let info = shared.info();
    let tls = shared.tls();
    let (received, sent) = shared.traffic();
    let lifetime = &shared.registry.lifetime;
    let monitor_port = shared
        .facts
        .monitor_addr
        .get()
        .map_or(0, |addr| addr.port());
    let https = options.http.as_ref().is_some_and(|http| http.tls);
    let relaxed = std::sync::atomic::Ordering::Relaxed;
    let mut facts = ServerFacts {
        server_id: shared.facts.server_id.clone(),
        server_name: shared.facts.server_name.clone(),
        version: COMPATIBLE_VERSION.to_owned(),
        cognate_version: COGNATE_VERSION.to_owned(),
        go: RUNTIME.to_owned(),
        host: info.host,
        port: shared.facts.client_addr.get().map_or(0, |addr| addr.port()),
        auth_required: shared.authenticator().auth_required() || options.operator.is_on(),
        tls_required: info.tls_required,
        tls_verify: info.tls_verify,
        connect_urls: info.connect_urls,
        http_host: options
            .http
            .as_ref()
            .map_or(String::new(), |_| options.http_host().to_owned()),
        http_port: if https { 0 } else { monitor_port },
        https_port: if https { monitor_port } else { 0 },
        start: shared.started_at,
        now: SystemTime::now(),
        mem: usage::resident_bytes(),
        cores: usage::cores(),
        worker_threads: usage::cores(),
        cpu: shared.cpu.lock().percent(),
        cpu_time: usage::cpu_time(),
        connections: shared.registry.len() as u64,
        total_connections: lifetime.connections.load(relaxed),
        in_msgs: Counts::of_clients(received.msgs),
        in_bytes: Counts::of_clients(received.bytes),
        out_msgs: Counts::of_clients(sent.msgs),
        out_bytes: Counts::of_clients(sent.bytes),
        slow_consumers: lifetime.slow_consumers.load(relaxed),
        stale_connections: lifetime.stale_connections.load(relaxed),
        stalled_clients: lifetime.stalls.load(relaxed),
        subscriptions: shared
            .accounts
            .all()
            .iter()
            .map(|account| account.interest().len() as u64)
            .sum(),
        config_load_time: *shared.config_loaded_at.lock(),
        tls_cert_not_after: tls.as_ref().and_then(|tls| tls.not_after()),
        tls_ocsp_peer_verify: checks_peers(&options),
        ocsp_peer_cache: ocsp_cache(shared),
        tls_timeout: tls
            .as_ref()
            .map_or(DEFAULT_TLS_TIMEOUT, |tls| tls.timeout()),
        command_line: shared.facts.command_line.clone(),
        ..ServerFacts::default()
    };
    add_options(&mut facts, &options);
    facts
}

/// The facts that are options.
fn add_options(facts: &mut ServerFacts, options: &Options) {
    facts.max_connections = match options.max_connections {
        0 => -1,
        max => i64::from(max),
    };
    facts.max_subscriptions = u64::from(options.max_subscriptions);
    facts.ping_interval = options.ping_interval;
    facts.ping_max = options.ping_max;
    facts.http_base_path = match options.http_base_path.as_str() {
        "/" => String::new(),
        path => path.to_owned(),
    };
    facts.auth_timeout = options.auth_timeout();
    facts.max_control_line = u64::from(options.max_control_line);
    facts.max_payload = u64::from(options.max_payload);
    facts.max_pending = options.max_pending;
    facts.write_deadline = options.write_deadline;
    facts.write_timeout = match options.write_timeout {
        cognate_config::options::WriteTimeout::Default => "",
        cognate_config::options::WriteTimeout::Close => "close",
        cognate_config::options::WriteTimeout::Retry => "retry",
    }
    .to_owned();
    facts.config_digest = options.config_digest.clone().unwrap_or_default();
    facts.tags.clone_from(&options.server_tags);
    facts.metadata.clone_from(&options.server_metadata);
    facts.feature_flags = crate::info::feature_flags(options);
    let operators = options.operator.operators.iter();
    facts.operators = operators.map(|operator| operator.jwt.clone()).collect();
    let claims = facts.operators.iter().filter_map(|token| decoded(token));
    facts.operator_claims = claims.collect();
    facts.system_account = options.system_account.clone().unwrap_or_default();
}

fn connection_facts(shared: &Shared, connection: &Connection) -> ConnectionFacts {
    let detail = connection.detail();
    let token = detail.token.as_ref().and_then(|user| user.token.as_deref());
    let account = connection.account();
    let account_name = account
        .as_ref()
        .map_or_else(|| GLOBAL.to_owned(), |account| account.name.clone());
    let Totals {
        msgs: in_msgs,
        bytes: in_bytes,
    } = connection.received();
    let Totals {
        msgs: out_msgs,
        bytes: out_bytes,
    } = connection.outbound.totals();
    let mut facts = ConnectionFacts {
        cid: connection.cid,
        kind: "Client",
        client_type: "nats",
        ip: connection
            .peer()
            .map(|peer| plain_ip(peer.ip()).to_string())
            .unwrap_or_default(),
        port: connection.peer().map_or(0, |peer| peer.port()),
        start: connection.started_at,
        last_activity: (shared.started_at + connection.last_activity()).max(connection.started_at),
        rtt: connection.rtt().unwrap_or_default(),
        pending_bytes: connection.outbound.queued() as u64,
        in_msgs,
        in_bytes,
        out_msgs,
        out_bytes,
        stalls: u64::from(connection.stalls()),
        subscriptions: u64::from(connection.subscription_count()),
        name: detail.name,
        lang: detail.lang,
        version: detail.version,
        proxy_key: detail.proxy,
        issuer_key: match token {
            Some(token) => token.issuer.to_string(),
            None if detail.login.starts_with("nkey:") => account_name.clone(),
            None => String::new(),
        },
        jwt: token.map(shown_token).unwrap_or_default(),
        tags: token.map(|token| token.tags.clone()).unwrap_or_default(),
        name_tag: account
            .and_then(|account| account.spec().name_tag.clone())
            .unwrap_or_default(),
        authorized_user: detail.user,
        account: account_name,
        ..ConnectionFacts::default()
    };
    if connection.via == Via::InProcess {
        facts.ip = "pipe".to_owned();
    }
    if let Some(tls) = detail.tls {
        facts.tls_first = tls.first;
        facts.tls_version = tls.peer.version.to_string();
        facts.tls_cipher_suite = tls.peer.cipher_suite.to_string();
        let certificate = |peer: cognate_tls::PeerCertificate| PeerCertificate {
            subject: peer.subject,
            spki_sha256: peer.spki_sha256,
            cert_sha256: peer.cert_sha256,
        };
        facts.tls_peer_certs = tls.peer.peers.into_iter().map(certificate).collect();
    }
    facts
}

fn closed_facts(shared: &Shared, record: &Closed) -> ConnectionFacts {
    let subscriptions = record.subscriptions.iter().map(|sub| ClosedSubscription {
        subject: sub.subject.clone(),
        queue: sub.queue.clone(),
        sid: sub.sid.clone(),
        msgs: sub.msgs,
        max: sub.max,
    });
    ConnectionFacts {
        stop: Some(record.stopped_at),
        reason: record.reason.as_str(),
        pending_bytes: 0,
        closed_subscriptions: subscriptions.collect(),
        ..connection_facts(shared, &record.connection)
    }
}
