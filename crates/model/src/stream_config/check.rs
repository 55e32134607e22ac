//! From what a request says to a stream's configuration: defaults, and the rules it must keep.
//!
//! Codes, texts and the order of the rules are nats-server's, since a request may break several.
//! In pedantic mode a value that would be changed silently is refused instead.

mod origin;
mod subjects;

use crate::limits::metadata_bytes;
use crate::name::{MAX_NAME_BYTES, is_valid_name};
use crate::{
    AccountLimits, ApiError, DiscardPolicy, MAX_DESCRIPTION_BYTES, MAX_METADATA_BYTES,
    MAX_REPLICAS, Nanos, PersistMode, Placement, RetentionPolicy, ServerLimits, StorageType,
    StreamConfig, error,
};

/// The duplicate window of a stream that states none.
const DEFAULT_DUPLICATE_WINDOW: Nanos = Nanos::from_secs(120);
/// The shortest age limit and duplicate window.
const SHORTEST_WINDOW: Nanos = Nanos::from_millis(100);
/// The shortest life of a delete marker.
const SHORTEST_MARKER_TTL: Nanos = Nanos::from_secs(1);

/// What a stream's configuration is checked against.
#[derive(Clone, Copy)]
pub struct StreamContext<'a> {
    /// The server's limits.
    pub server: &'a ServerLimits,
    /// The account's limits.
    pub account: &'a AccountLimits,
    /// Whether to refuse what would be changed silently.
    pub pedantic: bool,
    /// The configuration of another stream of the account.
    pub find: &'a dyn Fn(&str) -> Option<StreamConfig>,
}

impl StreamConfig {
    /// Fills in the defaults and checks every rule that does not need the other streams' subjects.
    ///
    /// # Errors
    /// The first broken rule.
    pub fn checked(mut self, context: &StreamContext<'_>) -> Result<Self, ApiError> {
        self.check_texts()?;
        self.fill_limits(context.pedantic)?;
        self.check_ages(context)?;
        self.check_features()?;
        self.check_markers_and_schedules(context.pedantic)?;
        self.check_persist_mode()?;
        origin::check(&mut self, context)?;
        subjects::check(&mut self)?;
        self.check_max_bytes(context.account)?;
        subjects::check_transform(&self)?;
        subjects::check_republish(&mut self, context.pedantic)?;
        self.check_placement()?;
        origin::check_filters(&self)?;
        Ok(self)
    }

    fn check_texts(&self) -> Result<(), ApiError> {
        if !is_valid_name(&self.name) {
            return refuse(r"stream name is required and can not contain '.', '*', '>', '\', '/'");
        }
        if self.name.len() > MAX_NAME_BYTES {
            let text = "stream name is too long, maximum allowed is";
            return refuse(format_args!("{text} {MAX_NAME_BYTES}"));
        }
        if self.description.len() > MAX_DESCRIPTION_BYTES {
            let text = "stream description is too long, maximum allowed is";
            return refuse(format_args!("{text} {MAX_DESCRIPTION_BYTES}"));
        }
        if metadata_bytes(&self.metadata) > MAX_METADATA_BYTES {
            let text = "stream metadata exceeds maximum size of";
            return refuse(format_args!("{text} {MAX_METADATA_BYTES} bytes"));
        }
        Ok(())
    }

    fn fill_limits(&mut self, pedantic: bool) -> Result<(), ApiError> {
        if self.num_replicas == 0 {
            self.num_replicas = 1;
        }
        if self.num_replicas > MAX_REPLICAS {
            return refuse(format_args!("maximum replicas is {MAX_REPLICAS}"));
        }
        if self.num_replicas < 0 {
            return Err(error::REPLICAS_COUNT_CANNOT_BE_NEGATIVE);
        }
        let unset = |name: &str, value: i64| {
            if value < -1 && pedantic {
                return Err(error::pedantic(format_args!("{name} must be set to -1")));
            }
            Ok(value == 0 || value < -1)
        };
        if unset("max_msgs", self.max_msgs)? {
            self.max_msgs = -1;
        }
        if unset("max_msgs_per_subject", self.max_msgs_per_subject)? {
            self.max_msgs_per_subject = -1;
        }
        if unset("max_bytes", self.max_bytes)? {
            self.max_bytes = -1;
        }
        if unset("max_msg_size", i64::from(self.max_msg_size))? {
            self.max_msg_size = -1;
        }
        if unset("max_consumers", self.max_consumers)? {
            self.max_consumers = -1;
        }
        Ok(())
    }

    fn check_ages(&mut self, context: &StreamContext<'_>) -> Result<(), ApiError> {
        if self.max_age.0 < 0 {
            return refuse("max age can not be negative");
        }
        if !self.max_age.is_zero() && self.max_age < SHORTEST_WINDOW {
            return refuse("max age needs to be >= 100ms");
        }
        let limit = context.server.duplicate_window;
        let copies = self.mirror.is_some() || !self.sources.is_empty();
        if self.duplicate_window.is_zero() && !copies {
            self.duplicate_window = self.default_window(limit, context.pedantic)?;
        }
        let window = self.duplicate_window;
        if window.0 < 0 {
            return refuse("duplicates window can not be negative");
        }
        if !self.max_age.is_zero() && window > self.max_age {
            return refuse("duplicates window can not be larger then max age");
        }
        if limit.0 > 0 && window > limit {
            let limit = crate::text::duration(limit.0);
            return refuse(format_args!(
                "duplicates window can not be larger then server limit of {limit}"
            ));
        }
        if window.0 > 0 && window < SHORTEST_WINDOW {
            return refuse("duplicates window needs to be >= 100ms");
        }
        Ok(())
    }

    fn default_window(&self, limit: Nanos, pedantic: bool) -> Result<Nanos, ApiError> {
        let mut window = DEFAULT_DUPLICATE_WINDOW;
        if limit.0 > 0 && window > limit {
            if pedantic {
                let text = "duplicate window limits are higher than current limits";
                return Err(error::pedantic(text));
            }
            window = limit;
        }
        if !self.max_age.is_zero() && self.max_age < window {
            if pedantic {
                let text = "duplicate window cannot be bigger than max age";
                return Err(error::pedantic(text));
            }
            window = self.max_age;
        }
        Ok(window)
    }

    fn check_features(&self) -> Result<(), ApiError> {
        if self.deny_purge && self.allow_rollup_hdrs {
            return refuse("roll-ups require the purge permission");
        }
        if self.allow_msg_counter {
            if self.discard == DiscardPolicy::New {
                return refuse("counter stream cannot use discard new");
            }
            if self.allow_msg_ttl {
                return refuse("counter stream cannot use message TTLs");
            }
            if self.allow_msg_schedules {
                return refuse("counter stream cannot use message schedules");
            }
            if self.retention != RetentionPolicy::Limits {
                return refuse("counter stream can only use limits retention");
            }
        }
        self.check_discard_per_subject()
    }

    /// `discard_new_per_subject` needs something to act on.
    pub(super) fn check_discard_per_subject(&self) -> Result<(), ApiError> {
        if self.discard_new_per_subject {
            if self.discard != DiscardPolicy::New {
                return refuse("discard new per subject requires discard new policy to be set");
            }
            if self.max_msgs_per_subject <= 0 {
                return refuse("discard new per subject requires max msgs per subject > 0");
            }
        }
        Ok(())
    }

    fn check_markers_and_schedules(&mut self, pedantic: bool) -> Result<(), ApiError> {
        let ttl = self.subject_delete_marker_ttl;
        if ttl.0 < 0 {
            return refuse("subject delete marker TTL must not be negative");
        }
        if ttl.0 > 0 {
            if ttl < SHORTEST_MARKER_TTL {
                return refuse("subject delete marker TTL must be at least 1 second");
            }
            if !self.allow_msg_ttl && pedantic {
                let text = "subject delete marker cannot be set if message TTLs are disabled";
                return refuse(text);
            }
            self.allow_msg_ttl = true;
            if !self.allow_rollup_hdrs && pedantic {
                return refuse("subject delete marker cannot be set if roll-ups are disabled");
            }
            self.require_rollup();
        }
        if self.allow_msg_schedules {
            if self.discard == DiscardPolicy::New {
                return refuse("message scheduling cannot use discard new");
            }
            if !self.allow_rollup_hdrs && pedantic {
                return refuse("message scheduling cannot be set if roll-ups are disabled");
            }
            self.require_rollup();
        }
        Ok(())
    }

    fn require_rollup(&mut self) {
        if !self.allow_rollup_hdrs {
            self.allow_rollup_hdrs = true;
            self.deny_purge = false;
        }
    }

    fn check_persist_mode(&self) -> Result<(), ApiError> {
        if self.persist_mode == PersistMode::Async {
            if self.storage != StorageType::File {
                return refuse("async persist mode is only supported on file storage");
            }
            if self.num_replicas > 1 {
                return refuse("async persist mode is not supported on replicated streams");
            }
            if self.allow_atomic {
                return refuse("async persist mode is not supported with atomic batch publish");
            }
        }
        Ok(())
    }

    fn check_max_bytes(&self, limits: &AccountLimits) -> Result<(), ApiError> {
        let limit = match self.storage {
            StorageType::Memory => limits.memory_max_stream_bytes,
            StorageType::File => limits.storage_max_stream_bytes,
        };
        if limits.max_bytes_required && self.max_bytes <= 0 {
            Err(error::STREAM_MAX_BYTES_REQUIRED)
        } else if limit > 0 && self.max_bytes > limit {
            Err(error::STREAM_MAX_STREAM_BYTES_EXCEEDED)
        } else {
            Ok(())
        }
    }

    fn check_placement(&mut self) -> Result<(), ApiError> {
        if self.placement == Some(Placement::default()) {
            self.placement = None;
        }
        match &self.placement {
            Some(placement) if !placement.preferred.is_empty() => {
                refuse("preferred server not permitted in placement")
            }
            _ => Ok(()),
        }
    }
}

/// Refuses a configuration in these words.
pub(super) fn refuse<T>(text: impl std::fmt::Display) -> Result<T, ApiError> {
    Err(error::stream_invalid_config(text))
}
