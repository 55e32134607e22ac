//! A stream's configuration in the form its decisions need: limits as numbers that may be absent,
//! transforms compiled, derived permissions worked out. Made anew when the configuration changes.

use std::time::Duration;

use cognate_model::{
    ApiError, DiscardPolicy, RetentionPolicy, StorageType, StreamConfig, SubjectTransform, error,
};
use cognate_subject::{Filter, Transform};

use crate::source::Source;

/// See the module.
pub(crate) struct Rules {
    pub(crate) name: Box<[u8]>,
    pub(crate) is_file: bool,
    pub(crate) acks: bool,
    pub(crate) is_mirror: bool,
    pub(crate) sealed: bool,
    pub(crate) deny_delete: bool,
    pub(crate) deny_purge: bool,
    pub(crate) interest: bool,
    pub(crate) max_messages: Option<u64>,
    pub(crate) max_bytes: Option<u64>,
    pub(crate) max_per_subject: Option<u64>,
    pub(crate) max_message_size: Option<usize>,
    pub(crate) max_age: Option<Duration>,
    pub(crate) discard_new: bool,
    pub(crate) discard_new_per_subject: bool,
    pub(crate) window: Option<Duration>,
    /// Rollups are allowed and so are purges.
    pub(crate) rollups: bool,
    pub(crate) ttls: bool,
    /// The marker's time to live, in whole seconds.
    pub(crate) marker_ttl_secs: Option<u64>,
    pub(crate) counters: bool,
    pub(crate) atomic_batches: bool,
    pub(crate) fast_batches: bool,
    pub(crate) schedules: bool,
    pub(crate) transform: Option<Transform>,
    pub(crate) republish: Option<Republish>,
    pub(crate) subjects: Vec<Filter>,
    /// The mirrored stream, or the sources in their order.
    pub(crate) origins: Vec<Source>,
}

/// Where stored messages are published again.
pub(crate) struct Republish {
    pub(crate) transform: Transform,
    pub(crate) headers_only: bool,
}

impl Rules {
    /// Works them out of a checked configuration.
    ///
    /// # Errors
    /// If a transform does not compile, which a checked configuration's does.
    pub(crate) fn new(config: &StreamConfig) -> Result<Self, ApiError> {
        let limit = |limit: i64| u64::try_from(limit).ok().filter(|limit| *limit > 0);
        let size = usize::try_from(config.max_msg_size).ok();
        let marker = config.subject_delete_marker_ttl.if_set();
        Ok(Self {
            name: config.name.as_bytes().into(),
            is_file: config.storage == StorageType::File,
            acks: !config.no_ack,
            is_mirror: config.mirror.is_some(),
            sealed: config.sealed,
            deny_delete: config.deny_delete,
            deny_purge: config.deny_purge,
            interest: config.retention == RetentionPolicy::Interest,
            max_messages: limit(config.max_msgs),
            max_bytes: limit(config.max_bytes),
            max_per_subject: limit(config.max_msgs_per_subject),
            max_message_size: size,
            max_age: config.max_age.if_set(),
            discard_new: config.discard == DiscardPolicy::New,
            discard_new_per_subject: config.discard_new_per_subject,
            window: config.duplicate_window.if_set(),
            rollups: config.allow_rollup_hdrs && !config.deny_purge,
            ttls: config.allow_msg_ttl,
            marker_ttl_secs: marker.map(|ttl| ttl.as_secs()).filter(|secs| *secs > 0),
            counters: config.allow_msg_counter,
            atomic_batches: config.allow_atomic,
            fast_batches: config.allow_batched,
            schedules: config.allow_msg_schedules,
            transform: config.subject_transform.as_ref().map(compile).transpose()?,
            republish: match &config.republish {
                None => None,
                Some(rule) => Some(Republish {
                    transform: compile(&SubjectTransform {
                        src: rule.src.clone(),
                        // As with the source, nothing stands for everything.
                        dest: if rule.dest.is_empty() {
                            ">".into()
                        } else {
                            rule.dest.clone()
                        },
                    })?,
                    headers_only: rule.headers_only,
                }),
            },
            subjects: config.filters(),
            origins: Source::all(config)?,
        })
    }

    /// Whether some subject that the stream listens to is matched by `subject`.
    pub(crate) fn listens_to(&self, subject: &[u8]) -> bool {
        let mut filters = self.subjects.iter();
        filters.any(|filter| overlaps(filter.as_bytes(), subject))
    }
}

/// Whether some subject is matched by both.
fn overlaps<'a>(a: &'a [u8], b: &'a [u8]) -> bool {
    let tokens = |filter: &'a [u8]| filter.split(|byte| *byte == b'.');
    let (mut a, mut b) = (tokens(a), tokens(b));
    loop {
        match (a.next(), b.next()) {
            (None, None) | (Some(b">"), Some(_)) | (Some(_), Some(b">")) => return true,
            (Some(x), Some(y)) if x == b"*" || y == b"*" || x == y => {}
            _ => return false,
        }
    }
}

pub(crate) fn compile(rule: &SubjectTransform) -> Result<Transform, ApiError> {
    Transform::new(&rule.src, &rule.dest).map_err(error::stream_invalid_config)
}
