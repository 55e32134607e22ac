//! `/jsz`: JetStream in sums, by account, by stream and by consumer.
//!
//! The sums are over everything, whatever part is asked for. Two fields of a stream are ours and
//! are left out while there is nothing to tell: `cognate_damaged`, the ranges of sequences whose
//! messages cannot be read any more, and `cognate_failure`, why the stream stores nothing any
//! more. Deviation: streams and accounts come by name, where nats-server gives no order.
//!
//! Without replication this server leads everything, so `leader-only` and `stream-leader-only`
//! leave nothing out.

use cognate_api::{ClusterInfo, ConsumerInfo, PinnedGroup, SequenceInfo, SourceInfo, StreamState};
use cognate_model::{ConsumerConfig, DamagedRange, Nanos, StreamConfig, Timestamp};
use cognate_process::text::rfc3339_nano;
use serde::Serialize;

use super::jetstream::{Config, Limits, Stats, Totals};
use crate::answer::{Answer, is_false, is_zero};
use crate::facts::{
    JetStreamAccount, JetStreamFacts, Monitored, ServerFacts, StreamDetails, WantedConsumers,
};
use crate::query::{BadQuery, Query};

/// Accounts on a page, if the query does not say.
const ACCOUNTS: usize = 1024;

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JszRequest {
    /// Only this account, in any case.
    pub account: Option<String>,
    /// Whether accounts are shown.
    pub accounts: bool,
    /// Whether their streams are shown.
    pub streams: bool,
    /// Which consumers of the streams are shown.
    pub consumers: WantedConsumers,
    /// Whether configurations of streams and consumers are shown.
    pub config: bool,
    /// Only a leader is to answer.
    pub leader_only: bool,
    /// Whether what this server leads is counted.
    pub raft: bool,
    /// Accounts left out at the start.
    pub offset: usize,
    /// Most accounts; `None` for all, and then none is left out at the start.
    pub limit: Option<usize>,
}

impl JszRequest {
    /// Reads a query.
    pub fn parse(query: &Query) -> Result<Self, BadQuery> {
        let accounts = query.boolean("accounts")?;
        let streams = query.boolean("streams")?;
        let consumers = query.boolean("consumers")?;
        let direct = query.boolean("direct-consumers")?;
        let config = query.boolean("config")?;
        let offset = query.integer("offset")?;
        let limit = query.integer("limit")?;
        let leader_only = query.boolean("leader-only")?;
        let raft = query.boolean("raft")?;
        query.boolean("stream-leader-only")?;
        let account = query
            .value("acc")
            .map(|id| String::from_utf8_lossy(id).into_owned());
        let streams = streams || consumers;
        Ok(JszRequest {
            accounts: accounts || (streams && account.is_none()),
            account,
            streams,
            consumers: match (consumers, direct) {
                (false, _) => WantedConsumers::None,
                (true, false) => WantedConsumers::Public,
                (true, true) => WantedConsumers::All,
            },
            config,
            leader_only,
            raft,
            offset: usize::try_from(offset).unwrap_or(0),
            limit: match limit {
                0 => Some(ACCOUNTS),
                limit => usize::try_from(limit).ok(),
            },
        })
    }

    /// The accounts to show. One that is asked for by name comes alone; one that is not there
    /// does not keep the others away.
    fn wanted<'a>(&self, accounts: &'a [JetStreamAccount]) -> &'a [JetStreamAccount] {
        let named = |account: &JetStreamAccount| Some(&account.id) == self.account.as_ref();
        if let Some(one) = accounts.iter().position(named) {
            return accounts.get(one..=one).unwrap_or_default();
        }
        match (self.accounts, self.limit) {
            (false, _) => &[],
            (true, None) => accounts,
            (true, Some(limit)) => {
                let rest = accounts.get(self.offset..).unwrap_or_default();
                rest.get(..limit).unwrap_or(rest)
            }
        }
    }
}

/// The answer from what `source` knows now.
pub(crate) fn answer(source: &dyn Monitored, query: &Query) -> Result<Answer, BadQuery> {
    let request = JszRequest::parse(query)?;
    let server = source.server();
    let jetstream = source.jetstream();
    match jetstream.facts() {
        Some(facts) => {
            let totals = Totals::of(source);
            let details = details(source, &request, facts);
            let document = Jsz::new(&server, facts, &totals, &request);
            Ok(Answer::json(&Jsz {
                account_details: details,
                ..document
            }))
        }
        None if request.leader_only => Err(BadQuery("filtered response: not leader".to_owned())),
        None => Ok(Answer::json(&Jsz::disabled(&server))),
    }
}

/// One account alone, with what the query asks for; `None` if it has no JetStream.
pub(crate) fn account(
    source: &dyn Monitored,
    query: &Query,
    account: &str,
) -> Result<Option<Answer>, BadQuery> {
    let request = JszRequest {
        account: Some(account.to_owned()),
        // Here consumers are shown with streams only, and do not bring them along.
        streams: query.boolean("streams")?,
        ..JszRequest::parse(query)?
    };
    let jetstream = source.jetstream();
    let details = jetstream
        .facts()
        .map(|facts| details(source, &request, facts));
    let mut details = details.unwrap_or_default().into_iter();
    let detail = details.find(|detail| detail.id == account);
    Ok(detail.map(|detail| Answer::json(&detail)))
}

fn details(
    source: &dyn Monitored,
    request: &JszRequest,
    facts: &JetStreamFacts,
) -> Vec<AccountDetail> {
    let accounts = request.wanted(&facts.accounts);
    if accounts.is_empty() {
        return Vec::new();
    }
    let mut details: Vec<_> = accounts.iter().map(AccountDetail::new).collect();
    source.streams(&mut |stream| {
        let found = details
            .iter_mut()
            .find(|detail| detail.id == stream.account);
        if let Some(detail) = found {
            detail.totals.add(&stream);
        }
    });
    for detail in &mut details {
        detail.stats.memory = detail.totals.memory;
        detail.stats.storage = detail.totals.storage;
        if request.streams {
            let streams = &mut detail.stream_detail;
            source.stream_details(&detail.id, request.consumers, &mut |stream| {
                streams.push(StreamDetail::new(stream, request.config));
            });
        }
    }
    details
}

/// The document. The order of the fields is the order in the answer.
#[derive(Debug, Default, Serialize)]
struct Jsz<'a> {
    #[serde(flatten)]
    stats: Stats,
    server_id: &'a str,
    now: String,
    #[serde(skip_serializing_if = "is_false")]
    disabled: bool,
    config: Config<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limits: Option<Limits>,
    streams: u64,
    #[serde(skip_serializing_if = "is_zero")]
    streams_leader: u64,
    consumers: u64,
    #[serde(skip_serializing_if = "is_zero")]
    consumers_leader: u64,
    messages: u64,
    bytes: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    account_details: Vec<AccountDetail>,
    total: usize,
}

impl<'a> Jsz<'a> {
    fn new(
        server: &'a ServerFacts,
        facts: &'a JetStreamFacts,
        totals: &Totals,
        request: &JszRequest,
    ) -> Self {
        let led = |count| if request.raft { count } else { 0 };
        Jsz {
            stats: Stats::new(facts, totals),
            server_id: &server.server_id,
            now: rfc3339_nano(server.now),
            disabled: false,
            config: Config::new(&facts.config),
            limits: Some(Limits::new(&facts.limits)),
            streams: totals.streams,
            streams_leader: led(totals.streams),
            consumers: totals.consumers,
            consumers_leader: led(totals.consumers),
            messages: totals.messages,
            bytes: totals.bytes(),
            account_details: Vec::new(),
            total: facts.accounts.len(),
        }
    }

    fn disabled(server: &'a ServerFacts) -> Self {
        Jsz {
            server_id: &server.server_id,
            now: rfc3339_nano(server.now),
            disabled: true,
            ..Jsz::default()
        }
    }
}

/// An account.
#[derive(Debug, Serialize)]
struct AccountDetail {
    name: String,
    id: String,
    #[serde(flatten)]
    stats: Stats,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    stream_detail: Vec<StreamDetail>,
    #[serde(skip)]
    totals: Totals,
}

impl AccountDetail {
    fn new(account: &JetStreamAccount) -> Self {
        // As nats-server has it: the account's limits, and "none" as the largest number.
        let shown = |limit: i64| u64::from_ne_bytes(limit.to_ne_bytes());
        AccountDetail {
            name: account.name.clone(),
            id: account.id.clone(),
            stats: Stats {
                reserved_memory: shown(account.max_memory),
                reserved_storage: shown(account.max_storage),
                api: cognate_api::ApiStats {
                    total: account.api_total,
                    errors: account.api_errors,
                    ..cognate_api::ApiStats::default()
                },
                ..Stats::default()
            },
            stream_detail: Vec::new(),
            totals: Totals::default(),
        }
    }
}

/// A stream.
#[derive(Debug, Serialize)]
struct StreamDetail {
    name: String,
    created: Timestamp,
    cluster: ClusterInfo,
    #[serde(skip_serializing_if = "Option::is_none")]
    config: Option<StreamConfig>,
    state: StreamState,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    consumer_detail: Vec<ConsumerDetail>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    direct_consumer_detail: Vec<ConsumerDetail>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mirror: Option<SourceInfo>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    sources: Vec<SourceInfo>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cognate_damaged: Vec<Damaged>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cognate_failure: Option<String>,
}

impl StreamDetail {
    fn new(stream: StreamDetails, with_config: bool) -> Self {
        let consumers = |infos: Vec<ConsumerInfo>| {
            let details = infos.into_iter();
            details
                .map(|info| ConsumerDetail::new(info, with_config))
                .collect()
        };
        StreamDetail {
            name: stream.name,
            created: stream.created,
            cluster: stream.cluster,
            config: with_config.then_some(stream.config),
            state: stream.state,
            consumer_detail: consumers(stream.consumers),
            direct_consumer_detail: consumers(stream.direct_consumers),
            mirror: stream.mirror,
            sources: stream.sources,
            cognate_damaged: stream.damaged.iter().map(Damaged::new).collect(),
            cognate_failure: stream.failure,
        }
    }
}

/// Sequences without a readable message, both ends included.
#[derive(Debug, Serialize)]
struct Damaged {
    first_seq: u64,
    last_seq: u64,
}

impl Damaged {
    fn new(range: &DamagedRange) -> Self {
        Damaged {
            first_seq: range.first,
            last_seq: range.last,
        }
    }
}

/// A consumer: [`ConsumerInfo`], with its configuration or without.
#[derive(Debug, Serialize)]
struct ConsumerDetail {
    stream_name: String,
    name: String,
    created: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    config: Option<ConsumerConfig>,
    delivered: SequenceInfo,
    ack_floor: SequenceInfo,
    num_ack_pending: u64,
    num_redelivered: u64,
    num_waiting: u64,
    num_pending: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    cluster: Option<ClusterInfo>,
    #[serde(skip_serializing_if = "is_false")]
    push_bound: bool,
    #[serde(skip_serializing_if = "is_false")]
    paused: bool,
    #[serde(skip_serializing_if = "is_nothing")]
    pause_remaining: Nanos,
    ts: Timestamp,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    priority_groups: Vec<PinnedGroup>,
}

impl ConsumerDetail {
    fn new(info: ConsumerInfo, with_config: bool) -> Self {
        ConsumerDetail {
            stream_name: info.stream_name,
            name: info.name,
            created: info.created,
            config: with_config.then_some(info.config),
            delivered: info.delivered,
            ack_floor: info.ack_floor,
            num_ack_pending: info.num_ack_pending,
            num_redelivered: info.num_redelivered,
            num_waiting: info.num_waiting,
            num_pending: info.num_pending,
            cluster: info.cluster,
            push_bound: info.push_bound,
            paused: info.paused,
            pause_remaining: info.pause_remaining,
            ts: info.ts,
            priority_groups: info.priority_groups,
        }
    }
}

#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_nothing(duration: &Nanos) -> bool {
    *duration == Nanos::ZERO
}
