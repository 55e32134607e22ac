//! What a consumer's configuration says where the request says nothing.

use super::{ConsumerContext, FLOW_CONTROL_HEARTBEAT};
use crate::{AckPolicy, ApiError, ConsumerConfig, Nanos, PriorityPolicy, error};

/// `ack_wait` of consumers that acknowledge.
const ACK_WAIT: Nanos = Nanos::from_secs(30);
/// `max_ack_pending` of consumers that acknowledge.
const MAX_ACK_PENDING: i64 = 1000;
/// `max_waiting` of pull consumers.
const MAX_WAITING: i64 = 512;
/// `priority_timeout` of consumers with a pinned client.
const PINNED_TIMEOUT: Nanos = Nanos::from_secs(120);
/// `inactive_threshold` of ephemeral consumers.
const INACTIVE_THRESHOLD: Nanos = Nanos::from_secs(5);

impl ConsumerConfig {
    pub(super) fn fill_defaults(&mut self, context: &ConsumerContext<'_>) -> Result<(), ApiError> {
        self.fill_negative(context.pedantic)?;
        if !self.is_push() && self.max_waiting == 0 {
            self.max_waiting = MAX_WAITING;
        }
        let waits = matches!(self.ack_policy, AckPolicy::Explicit | AckPolicy::All);
        if self.ack_wait.is_zero() && waits {
            self.ack_wait = ACK_WAIT;
        }
        if let Some(first) = self.backoff.first().copied() {
            if context.pedantic && self.ack_wait != first {
                let text = "first backoff value has to equal batch AckWait";
                return Err(error::pedantic(text));
            }
            self.ack_wait = first;
        }
        self.fill_from_stream(context)?;
        if self.max_ack_pending == 0 && self.ack_policy != AckPolicy::None {
            let limits = [
                context.server.max_ack_pending,
                context.account.max_ack_pending,
            ];
            let limits = limits.into_iter().filter(|limit| *limit > 0);
            self.max_ack_pending = limits.fold(MAX_ACK_PENDING, i64::min);
        }
        let limit = context.server.max_request_batch;
        if !self.is_push() && self.max_batch == 0 && limit > 0 {
            if context.pedantic {
                let text = "max_request_batch must be set if it's JetStream limits are set";
                return Err(error::pedantic(text));
            }
            self.max_batch = limit;
        }
        if self.priority_policy == PriorityPolicy::PinnedClient && self.priority_timeout.is_zero() {
            self.priority_timeout = PINNED_TIMEOUT;
        }
        if self.ack_policy == AckPolicy::FlowControl && !context.pedantic {
            self.flow_control = true;
            self.idle_heartbeat = FLOW_CONTROL_HEARTBEAT;
        }
        Ok(())
    }

    /// Negative values stand for "none".
    fn fill_negative(&mut self, pedantic: bool) -> Result<(), ApiError> {
        if self.max_deliver < -1 && pedantic {
            return Err(error::pedantic("max_deliver must be set to -1"));
        }
        if self.max_deliver == 0 || self.max_deliver < -1 {
            self.max_deliver = -1;
        }
        let below = |name: &str, value: i64| {
            if value < 0 && pedantic {
                return Err(error::pedantic(format_args!("{name} must not be negative")));
            }
            Ok(value.max(0))
        };
        self.max_waiting = below("max_waiting", self.max_waiting)?;
        if self.max_ack_pending < -1 {
            if pedantic {
                return Err(error::pedantic("max_ack_pending must be set to -1"));
            }
            self.max_ack_pending = -1;
        }
        self.max_batch = below("max_batch", self.max_batch)?;
        self.max_expires.0 = below("max_expires", self.max_expires.0)?;
        self.max_bytes = below("max_bytes", self.max_bytes)?;
        self.idle_heartbeat.0 = below("idle_heartbeat", self.idle_heartbeat.0)?;
        self.inactive_threshold.0 = below("inactive_threshold", self.inactive_threshold.0)?;
        self.priority_timeout.0 = below("priority_timeout", self.priority_timeout.0)?;
        Ok(())
    }

    fn fill_from_stream(&mut self, context: &ConsumerContext<'_>) -> Result<(), ApiError> {
        let limits = &context.stream.consumer_limits;
        let needed = |name: &str, is_set: bool| {
            if is_set && context.pedantic {
                let text = "must be set if it's configured in stream limits";
                return Err(error::pedantic(format_args!("{name} {text}")));
            }
            Ok(())
        };
        if self.max_ack_pending == 0 {
            needed("max_ack_pending", limits.max_ack_pending > 0)?;
            self.max_ack_pending = limits.max_ack_pending;
        }
        if self.inactive_threshold.is_zero() {
            needed("inactive_threshold", limits.inactive_threshold.0 > 0)?;
            self.inactive_threshold = limits.inactive_threshold;
        }
        Ok(())
    }

    /// An ephemeral consumer always has an `inactive_threshold`. The Go server fills it in when the
    /// consumer is made, after all comparisons with an existing one.
    pub fn fill_inactive_threshold(&mut self) {
        if !self.is_durable() && self.inactive_threshold.0 <= 0 {
            self.inactive_threshold = INACTIVE_THRESHOLD;
        }
    }
}
