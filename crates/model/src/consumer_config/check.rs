//! From what a request says to a consumer's configuration: defaults, and the rules it must keep.
//!
//! Codes, texts and the order of the rules are nats-server's, since a request may break several.
//! In pedantic mode a value that would be changed silently is refused instead.

mod defaults;

use cognate_subject::validate::{covers, has_wildcard, is_valid_filter};

use crate::limits::metadata_bytes;
use crate::name::is_valid_name;
use crate::{
    AccountLimits, AckPolicy, ApiError, ConsumerConfig, DeliverPolicy, MAX_DESCRIPTION_BYTES,
    MAX_METADATA_BYTES, Nanos, PriorityPolicy, RetentionPolicy, ServerLimits, StreamConfig, error,
};

/// The heartbeat of consumers that acknowledge by flow control.
const FLOW_CONTROL_HEARTBEAT: Nanos = Nanos::from_secs(1);
/// The shortest heartbeat of a push consumer.
const SHORTEST_HEARTBEAT: Nanos = Nanos::from_millis(100);
/// The shortest limit for how long a pull request may wait.
const SHORTEST_EXPIRY: Nanos = Nanos::from_millis(1);
/// The longest name of a priority group.
const MAX_GROUP_BYTES: usize = 16;

/// What a consumer's configuration is checked against.
#[derive(Clone, Copy)]
pub struct ConsumerContext<'a> {
    /// The server's limits.
    pub server: &'a ServerLimits,
    /// The account's limits.
    pub account: &'a AccountLimits,
    /// Whether to refuse what would be changed silently.
    pub pedantic: bool,
    /// The consumer's stream.
    pub stream: &'a StreamConfig,
}

impl ConsumerConfig {
    /// Fills in the defaults and checks every rule that does not need the other consumers.
    ///
    /// # Errors
    /// The first broken rule.
    pub fn checked(mut self, context: &ConsumerContext<'_>) -> Result<Self, ApiError> {
        self.fill_defaults(context)?;
        self.check_names_and_replicas(context.stream)?;
        self.check_acks()?;
        if self.is_push() {
            self.check_push(context.stream)?;
        } else {
            self.check_pull(context)?;
        }
        self.check_limits(context)?;
        self.check_filters()?;
        self.check_start()?;
        self.check_rest()?;
        self.check_priority()?;
        if let Some(placement) = &context.stream.placement
            && !placement.preferred.is_empty()
        {
            return refuse("preferred server not permitted in placement");
        }
        Ok(self)
    }

    /// The percentage of `sample_freq`, 0 if it is not set.
    #[must_use]
    pub fn sample_percent(&self) -> u64 {
        let text = self
            .sample_freq
            .strip_suffix('%')
            .unwrap_or(&self.sample_freq);
        text.parse().unwrap_or(0)
    }

    fn check_names_and_replicas(&self, stream: &StreamConfig) -> Result<(), ApiError> {
        if !self.name.is_empty() && !is_valid_name(&self.name) {
            return refuse(r"consumer name can not contain '.', '*', '>', '\', '/'");
        }
        if !self.durable_name.is_empty() && !is_valid_name(&self.durable_name) {
            return refuse(r"consumer durable name can not contain '.', '*', '>', '\', '/'");
        }
        if self.num_replicas > 0 && self.num_replicas > stream.num_replicas {
            return Err(error::CONSUMER_REPLICAS_EXCEEDS_STREAM);
        }
        if self.num_replicas < 0 {
            return Err(error::REPLICAS_COUNT_CANNOT_BE_NEGATIVE);
        }
        let differs = self.num_replicas != 0 && self.num_replicas != stream.num_replicas;
        if stream.retention != RetentionPolicy::Limits && differs {
            return Err(error::CONSUMER_REPLICAS_SHOULD_MATCH_STREAM);
        }
        Ok(())
    }

    fn check_acks(&self) -> Result<(), ApiError> {
        if self.backoff.iter().any(|delay| delay.0 < 0) {
            return Err(error::CONSUMER_BACK_OFF_NEGATIVE);
        }
        if self.ack_wait.0 < 0 {
            return Err(error::CONSUMER_ACK_WAIT_NEGATIVE);
        }
        if self.ack_policy == AckPolicy::FlowControl {
            self.check_flow_control_acks()?;
        }
        self.check_backoff()?;
        if self.description.len() > MAX_DESCRIPTION_BYTES {
            return Err(error::consumer_description_too_long(MAX_DESCRIPTION_BYTES));
        }
        Ok(())
    }

    /// Every delay of `backoff` needs a delivery after it.
    pub(super) fn check_backoff(&self) -> Result<(), ApiError> {
        let delays = i64::try_from(self.backoff.len()).unwrap_or(i64::MAX);
        if delays > 0 && self.max_deliver != -1 && delays > self.max_deliver {
            return Err(error::CONSUMER_MAX_DELIVER_BACKOFF);
        }
        Ok(())
    }

    fn check_flow_control_acks(&self) -> Result<(), ApiError> {
        if !self.is_push() {
            return Err(error::CONSUMER_ACK_FLOW_CONTROL_REQUIRES_PUSH);
        }
        if !self.flow_control {
            return Err(error::CONSUMER_ACK_FLOW_CONTROL_REQUIRES_FLOW_CONTROL);
        }
        if self.idle_heartbeat != FLOW_CONTROL_HEARTBEAT {
            return refuse("flow control ack policy heartbeat needs to be 1s");
        }
        if self.max_ack_pending <= 0 {
            return Err(error::CONSUMER_ACK_FLOW_CONTROL_REQUIRES_MAX_ACK_PENDING);
        }
        if !self.ack_wait.is_zero() || !self.backoff.is_empty() {
            return Err(error::CONSUMER_ACK_FLOW_CONTROL_REQUIRES_NO_ACK_WAIT);
        }
        if self.max_deliver > 0 {
            return Err(error::CONSUMER_ACK_FLOW_CONTROL_REQUIRES_NO_MAX_DELIVER);
        }
        Ok(())
    }

    fn check_push(&self, stream: &StreamConfig) -> Result<(), ApiError> {
        let subject = self.deliver_subject.as_bytes();
        if has_wildcard(subject) {
            return Err(error::CONSUMER_DELIVER_TO_WILDCARDS);
        }
        if !is_valid_filter(subject) {
            return Err(error::CONSUMER_INVALID_DELIVER_SUBJECT);
        }
        if stream
            .subjects
            .iter()
            .any(|filter| covers(filter.as_bytes(), subject))
        {
            return Err(error::CONSUMER_DELIVER_CYCLE);
        }
        if self.max_waiting != 0 {
            return Err(error::CONSUMER_PUSH_MAX_WAITING);
        }
        if self.max_ack_pending > 0 && self.ack_policy == AckPolicy::None {
            return Err(error::CONSUMER_MAX_PENDING_ACK_POLICY_REQUIRED);
        }
        if self.idle_heartbeat.0 > 0 && self.idle_heartbeat < SHORTEST_HEARTBEAT {
            return Err(error::CONSUMER_SMALL_HEARTBEAT);
        }
        Ok(())
    }

    fn check_pull(&self, context: &ConsumerContext<'_>) -> Result<(), ApiError> {
        let queue = context.stream.retention == RetentionPolicy::WorkQueue;
        if self.ack_policy == AckPolicy::None && queue {
            return Err(error::CONSUMER_PULL_REQUIRES_ACK);
        }
        if self.rate_limit_bps > 0 {
            return Err(error::CONSUMER_PULL_WITH_RATE_LIMIT);
        }
        if self.idle_heartbeat.0 > 0 {
            return Err(error::CONSUMER_HEARTBEAT_REQUIRES_PUSH);
        }
        if self.flow_control {
            return Err(error::CONSUMER_FLOW_CONTROL_REQUIRES_PUSH);
        }
        if !self.max_expires.is_zero() && self.max_expires < SHORTEST_EXPIRY {
            return Err(error::CONSUMER_MAX_REQUEST_EXPIRES_TOO_SMALL);
        }
        let limit = context.server.max_request_batch;
        if limit > 0 && self.max_batch > limit {
            return Err(error::consumer_max_request_batch_exceeded(limit));
        }
        Ok(())
    }

    fn check_limits(&self, context: &ConsumerContext<'_>) -> Result<(), ApiError> {
        let of_stream = &context.stream.consumer_limits;
        let limits = [
            context.server.max_ack_pending,
            context.account.max_ack_pending,
            of_stream.max_ack_pending,
        ];
        if let Some(limit) = limits
            .into_iter()
            .find(|limit| 0 < *limit && *limit < self.max_ack_pending)
        {
            return Err(error::consumer_max_pending_ack_excess(limit));
        }
        let threshold = of_stream.inactive_threshold;
        if threshold.0 > 0 && self.inactive_threshold > threshold {
            let threshold = crate::text::duration(threshold.0);
            return Err(error::consumer_inactive_threshold_excess(threshold));
        }
        if self.direct && !self.is_push() {
            return Err(error::CONSUMER_DIRECT_REQUIRES_PUSH);
        }
        if self.direct && self.is_durable() {
            return Err(error::CONSUMER_DIRECT_REQUIRES_EPHEMERAL);
        }
        Ok(())
    }

    fn check_filters(&self) -> Result<(), ApiError> {
        if !self.filter_subject.is_empty() && !self.filter_subjects.is_empty() {
            return Err(error::CONSUMER_DUPLICATE_FILTER_SUBJECTS);
        }
        let valid = |filter: &str| is_valid_filter(filter.as_bytes());
        if !self.filter_subject.is_empty() && !valid(&self.filter_subject) {
            return refuse("invalid subject");
        }
        if self.filter_subjects.iter().any(String::is_empty) {
            return Err(error::CONSUMER_EMPTY_FILTER);
        }
        for (at, filter) in self.filter_subjects.iter().enumerate() {
            if !valid(filter) {
                return refuse("invalid subject");
            }
            let covers_it = |other: &String| covers(other.as_bytes(), filter.as_bytes());
            let others = self.filter_subjects.iter().enumerate();
            if others
                .into_iter()
                .any(|(other, its)| other != at && covers_it(its))
            {
                return Err(error::CONSUMER_OVERLAPPING_SUBJECT_FILTERS);
            }
        }
        Ok(())
    }

    fn check_start(&self) -> Result<(), ApiError> {
        let (sequence, time) = (self.opt_start_seq > 0, self.opt_start_time.is_some());
        let policy = match self.deliver_policy {
            DeliverPolicy::All => "all",
            DeliverPolicy::Last => "last",
            DeliverPolicy::New => "new",
            DeliverPolicy::LastPerSubject => "last per subject",
            DeliverPolicy::ByStartSequence => "by start sequence",
            DeliverPolicy::ByStartTime => "by start time",
        };
        let problem = match self.deliver_policy {
            DeliverPolicy::ByStartSequence if !sequence => Some("start sequence is not set"),
            DeliverPolicy::ByStartSequence if time => Some("start time is also set"),
            DeliverPolicy::ByStartSequence => None,
            DeliverPolicy::ByStartTime if !time => Some("start time is not set"),
            DeliverPolicy::ByStartTime if sequence => Some("start start sequence is also set"),
            DeliverPolicy::ByStartTime => None,
            _ if sequence => Some("start sequence is also set"),
            _ if time => Some("start time is also set"),
            DeliverPolicy::LastPerSubject if self.filter_texts().next().is_none() => {
                Some("filter subject is not set")
            }
            _ => None,
        };
        match problem {
            Some(problem) => Err(error::consumer_invalid_policy(format_args!(
                "consumer delivery policy is deliver {policy}, but optional {problem}"
            ))),
            None => Ok(()),
        }
    }

    fn check_rest(&self) -> Result<(), ApiError> {
        if !self.sample_freq.is_empty() {
            check_sampling(
                self.sample_freq
                    .strip_suffix('%')
                    .unwrap_or(&self.sample_freq),
            )?;
        }
        if self.flow_control && self.idle_heartbeat.is_zero() {
            return Err(error::CONSUMER_WITH_FLOW_CONTROL_NEEDS_HEARTBEATS);
        }
        if !self.durable_name.is_empty() && !self.name.is_empty() && self.name != self.durable_name
        {
            return Err(error::CONSUMER_CREATE_DURABLE_AND_NAME_MISMATCH);
        }
        if metadata_bytes(&self.metadata) > MAX_METADATA_BYTES {
            let limit = MAX_METADATA_BYTES / 1024;
            return Err(error::consumer_metadata_length(format_args!("{limit}KB")));
        }
        Ok(())
    }

    fn check_priority(&self) -> Result<(), ApiError> {
        if self.priority_policy == PriorityPolicy::None {
            if !self.priority_groups.is_empty() {
                return Err(error::CONSUMER_PRIORITY_GROUP_WITH_POLICY_NONE);
            }
            if self.priority_timeout.0 > 0 {
                return Err(error::CONSUMER_PINNED_TTL_WITHOUT_PRIORITY_POLICY_NONE);
            }
            return Ok(());
        }
        if self.is_push() {
            return Err(error::CONSUMER_PUSH_WITH_PRIORITY_GROUP);
        }
        if self.priority_groups.is_empty() {
            return Err(error::CONSUMER_PRIORITY_POLICY_WITHOUT_GROUP);
        }
        for group in &self.priority_groups {
            if group.is_empty() {
                return Err(error::CONSUMER_EMPTY_GROUP_NAME);
            }
            if !is_valid_group(group) {
                return Err(error::CONSUMER_INVALID_GROUP_NAME);
            }
        }
        Ok(())
    }
}

/// Whether a text can name a priority group.
#[must_use]
pub fn is_valid_group(group: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"/_=-".contains(&byte);
    (1..=MAX_GROUP_BYTES).contains(&group.len()) && group.bytes().all(allowed)
}

/// The texts are those of Go's number parser.
fn check_sampling(percent: &str) -> Result<(), ApiError> {
    let digits = percent.strip_prefix(['+', '-']).unwrap_or(percent);
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let shown = crate::text::quoted(percent);
    match percent.parse::<i64>() {
        Ok(0..) => Ok(()),
        Ok(_) => Err(error::consumer_invalid_sampling("<nil>")),
        Err(_) if plain => Err(error::consumer_invalid_sampling(format_args!(
            "strconv.Atoi: parsing {shown}: value out of range"
        ))),
        Err(_) => Err(error::consumer_invalid_sampling(format_args!(
            "strconv.Atoi: parsing {shown}: invalid syntax"
        ))),
    }
}

fn refuse<T>(text: &str) -> Result<T, ApiError> {
    Err(error::stream_invalid_config(text))
}
