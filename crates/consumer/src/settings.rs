//! A consumer's configuration in the form its parts work with.
//!
//! Made from a checked [`ConsumerConfig`]; what "not set" means is resolved here and nowhere else.
//! Absent: validation and the rules of editing, which are the model's.

use std::time::Duration;

use cognate_model::{AckPolicy, ConsumerConfig, Nanos, PriorityPolicy, ReplayPolicy, Timestamp};
use cognate_subject::{Filter, Subject};

use crate::ledger::AckMode;
use crate::pending::AckWaits;

/// The metadata key that names the subject of dead letters; not set, there are none.
pub const DEAD_LETTER_SUBJECT: &str = "_cognate.dead_letter.subject";

/// How long an ephemeral consumer may be unused if its configuration does not say.
const EPHEMERAL_INACTIVE: Duration = Duration::from_secs(5);
/// How many pull requests may wait if the configuration does not say.
const DEFAULT_MAX_WAITING: usize = 512;
/// How long a pinned client may be silent if the configuration does not say.
const DEFAULT_PINNED_TTL: Duration = Duration::from_secs(120);

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) push: Option<PushSettings>,
    pub(crate) mode: AckMode,
    /// Acknowledgements come as answers to flow control.
    pub(crate) acks_by_flow_control: bool,
    pub(crate) waits: AckWaits,
    pub(crate) max_deliver: Option<u64>,
    pub(crate) max_ack_pending: Option<usize>,
    pub(crate) filters: Vec<Filter>,
    pub(crate) replays_original: bool,
    /// For how many of a hundred acknowledgements a metric is sent.
    pub(crate) sample_percent: u8,
    pub(crate) headers_only: bool,
    pub(crate) max_waiting: usize,
    pub(crate) max_batch: Option<i64>,
    pub(crate) max_expires: Option<Duration>,
    pub(crate) max_bytes: Option<i64>,
    pub(crate) inactive_threshold: Option<Duration>,
    pub(crate) pause_until: Option<Timestamp>,
    pub(crate) priority: PriorityPolicy,
    pub(crate) groups: Vec<Box<[u8]>>,
    pub(crate) pinned_ttl: Duration,
    pub(crate) dead_letters: Option<Subject>,
}

/// What only a push consumer has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PushSettings {
    pub(crate) subject: Box<[u8]>,
    pub(crate) heartbeat: Option<Duration>,
    pub(crate) flow_control: bool,
    pub(crate) bytes_per_second: Option<u64>,
}

impl Settings {
    pub(crate) fn new(config: &ConsumerConfig) -> Self {
        let durable = config.is_durable();
        Self {
            push: config.is_push().then(|| PushSettings::new(config)),
            mode: match config.ack_policy {
                AckPolicy::None => AckMode::None,
                AckPolicy::All | AckPolicy::FlowControl => AckMode::All,
                AckPolicy::Explicit => AckMode::Explicit,
            },
            acks_by_flow_control: config.ack_policy == AckPolicy::FlowControl,
            waits: AckWaits {
                wait: config.ack_wait.if_set(),
                backoff: config.backoff.iter().map(|wait| wait.duration()).collect(),
            },
            max_deliver: u64::try_from(config.max_deliver).ok().filter(|&n| n > 0),
            max_ack_pending: usize::try_from(config.max_ack_pending)
                .ok()
                .filter(|&n| n > 0),
            filters: config.filters(),
            replays_original: config.replay_policy == ReplayPolicy::Original,
            sample_percent: sample_percent(&config.sample_freq),
            headers_only: config.headers_only,
            max_waiting: usize::try_from(config.max_waiting)
                .ok()
                .filter(|&n| n > 0)
                .unwrap_or(DEFAULT_MAX_WAITING),
            max_batch: Some(config.max_batch).filter(|&n| n > 0),
            max_expires: config.max_expires.if_set(),
            max_bytes: Some(config.max_bytes).filter(|&n| n > 0),
            inactive_threshold: config
                .inactive_threshold
                .if_set()
                .or((!durable).then_some(EPHEMERAL_INACTIVE)),
            pause_until: config.pause_until.filter(|time| !time.is_zero_time()),
            priority: config.priority_policy,
            groups: config
                .priority_groups
                .iter()
                .map(|g| g.as_bytes().into())
                .collect(),
            pinned_ttl: config
                .priority_timeout
                .if_set()
                .unwrap_or(DEFAULT_PINNED_TTL),
            dead_letters: dead_letter_subject(config).and_then(Result::ok),
        }
    }

    pub(crate) fn is_push(&self) -> bool {
        self.push.is_some()
    }
}

impl PushSettings {
    fn new(config: &ConsumerConfig) -> Self {
        Self {
            subject: config.deliver_subject.as_bytes().into(),
            heartbeat: Nanos::if_set(config.idle_heartbeat),
            flow_control: config.flow_control,
            // The configuration counts bits.
            bytes_per_second: Some(config.rate_limit_bps / 8).filter(|&rate| rate > 0),
        }
    }
}

/// Why a checked configuration cannot be honoured; a consumer must not be made of it.
#[must_use]
pub fn unsupported(config: &ConsumerConfig) -> Option<&'static str> {
    if matches!(dead_letter_subject(config), Some(Err(()))) {
        return Some(
            "metadata _cognate.dead_letter.subject must be a literal subject that a stream stores",
        );
    }
    if dead_letter_subject(config).is_some() && config.ack_policy != AckPolicy::Explicit {
        return Some("metadata _cognate.dead_letter.subject needs ack_policy explicit");
    }
    None
}

fn dead_letter_subject(config: &ConsumerConfig) -> Option<Result<Subject, ()>> {
    let text = config.metadata.get(DEAD_LETTER_SUBJECT)?;
    Some(Subject::try_from(text.as_str()).map_err(|_| ()))
}

fn sample_percent(text: &str) -> u8 {
    let digits = text.strip_suffix('%').unwrap_or(text);
    let percent: i64 = digits.parse().unwrap_or(0);
    // Between 0 and 100, so it fits.
    percent.clamp(0, 100) as u8
}
