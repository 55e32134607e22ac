//! What monitoring reads of JetStream. Nothing here changes anything.
//!
//! Invariants: one stream is locked at a time, for its short facts or for a few consumers, so that
//! a large answer never holds up a stream.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use cognate_api::{ApiStats, ClusterInfo, ConsumerInfo};
use cognate_model::{DamagedRange, level};

use super::AccountJetStream;
use super::api::consumer_info;
use super::api::stream_info;
use super::stream::StreamHandle;

/// Consumers that are described under one lock of their stream.
const CONSUMERS_AT_A_TIME: usize = 32;

/// How long monitoring waits for a stream.
const GLANCE_WAIT: Duration = Duration::from_secs(2);

/// A stream's short facts.
pub(crate) struct Glance {
    /// Messages.
    pub messages: u64,
    /// What they count for in limits.
    pub bytes: u64,
    /// Its `max_bytes`; 0 without.
    pub reserved: u64,
    /// Consumers.
    pub consumers: u64,
    /// What cannot be read any more.
    pub damaged: Vec<DamagedRange>,
    /// Why it takes no more writes.
    pub failure: Option<String>,
}

/// A stream's consumers.
#[derive(Default)]
pub(crate) struct Consumers {
    /// Those that clients made.
    pub public: Vec<ConsumerInfo>,
    /// Those of mirrors and sources.
    pub direct: Vec<ConsumerInfo>,
}

impl StreamHandle {
    /// Its short facts. Of one whose disk does not answer little is known, and that.
    pub(crate) fn glance(&self) -> Glance {
        let Some(group) = self.group.try_lock_for(GLANCE_WAIT) else {
            return Glance {
                messages: 0,
                bytes: 0,
                reserved: u64::try_from(self.config().max_bytes).unwrap_or(0),
                consumers: self.consumer_count(),
                damaged: Vec::new(),
                failure: Some(format!("it has not answered for {GLANCE_WAIT:?}")),
            };
        };
        let state = group.state();
        Glance {
            messages: state.messages,
            bytes: state.bytes,
            reserved: u64::try_from(group.config().max_bytes).unwrap_or(0),
            consumers: group.consumer_count() as u64,
            damaged: group.damaged().to_vec(),
            failure: group.failure().map(str::to_owned),
        }
    }

    /// Whether it has a consumer of this name.
    pub(crate) fn has_consumer(&self, name: &str) -> bool {
        self.group.lock().consumer(name).is_some()
    }

    /// The names of its consumers, each with whether a mirror or source made it.
    fn consumer_names(&self) -> Vec<(String, bool)> {
        let group = self.group.lock();
        let specs = group.consumers().into_iter();
        specs
            .map(|spec| (spec.name.clone(), spec.config.direct))
            .collect()
    }
}

impl AccountJetStream {
    /// API requests since the start.
    pub(crate) fn api_usage(&self) -> ApiStats {
        ApiStats {
            level: u64::from(level::API_LEVEL),
            total: self.api_stats.total.load(Relaxed),
            errors: self.api_stats.errors.load(Relaxed),
            inflight: self.api_stats.inflight.load(Relaxed),
        }
    }

    /// The names of directories of streams that are not in service: after a start, those that
    /// could not be recovered.
    pub(crate) fn streams_not_in_service(&self) -> Vec<String> {
        let found = super::meta::stream_directories(&self.streams_path()).unwrap_or_default();
        let names = found.iter().filter_map(|path| path.file_name());
        names
            .map(|name| name.to_string_lossy().into_owned())
            .filter(|name| self.stream(name).is_none())
            .collect()
    }

    /// Whether a stream that could not be recovered is still there and not in service.
    pub(crate) fn is_left_out(&self, name: &str) -> bool {
        self.stream(name).is_none() && self.streams_path().join(name).is_dir()
    }

    /// A stream as lists show it, and who leads it.
    pub(crate) fn describe_stream(&self, stream: &StreamHandle) -> cognate_api::StreamInfo {
        let listed = stream_info::describe(self, stream, stream_info::Shown::Listed);
        cognate_api::StreamInfo {
            cluster: Some(ClusterInfo {
                leader: self.server.shared.facts.server_name.clone(),
                ..ClusterInfo::default()
            }),
            ..listed
        }
    }

    /// A stream's consumers, with those of mirrors and sources if `with_direct`.
    pub(crate) fn describe_consumers(
        &self,
        stream: &Arc<StreamHandle>,
        with_direct: bool,
    ) -> Consumers {
        let mut names = stream.consumer_names();
        names.retain(|(_, direct)| with_direct || !direct);
        let mut consumers = Consumers::default();
        for few in names.chunks(CONSUMERS_AT_A_TIME) {
            self.with_group(stream, |group, now, outlet| {
                for (name, direct) in few {
                    let shown = consumer_info::Shown::Listed;
                    // One that went meanwhile is left out.
                    let info = consumer_info::describe(group, name, shown, now, outlet);
                    let list = match direct {
                        true => &mut consumers.direct,
                        false => &mut consumers.public,
                    };
                    list.extend(info);
                }
            });
        }
        consumers
    }
}
