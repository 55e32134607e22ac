//! What monitoring reads of JetStream. Nothing here changes anything.
//!
//! Invariants: one stream is locked at a time, for its short facts or for a few consumers, so that
//! a large answer never holds up a stream. While a message takes the place of many, what is counted is
//! told when the stream's own task is done with that, or as it is at the deadline that all streams of one
//! document share. Called on threads that may wait.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use cognate_api::{ApiStats, ClusterInfo, ConsumerInfo};
use cognate_group::Group;
use cognate_model::{DamagedRange, StreamConfig, level};
use parking_lot::MutexGuard;
use tokio::time::Instant;

use super::AccountJetStream;
use super::api::consumer_info;
use super::api::stream_info;
use super::disk::Directory;
use super::stream::StreamHandle;

/// Consumers that are described under one lock of their stream.
const CONSUMERS_AT_A_TIME: usize = 32;

/// How long monitoring waits for a stream, and after what silence its disk is taken not to answer.
const GLANCE_WAIT: Duration = Duration::from_millis(if cfg!(test) { 200 } else { 2000 });

/// How long a document waits, over all streams, for counts that are about to be right.
pub(crate) const SETTLE_WAIT: Duration = Duration::from_millis(500);

/// How often it is looked whether they are.
const SETTLE_LOOK: Duration = Duration::from_millis(1);

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
    /// Its short facts, settled or as they are by then. Of one whose disk does not answer little is known,
    /// and that.
    pub(crate) fn glance(&self, settled_by: Instant) -> Glance {
        let Some(group) = self.look_settled(settled_by) else {
            return Glance {
                messages: 0,
                bytes: self.share.bytes(),
                reserved: u64::try_from(self.config().max_bytes).unwrap_or(0),
                consumers: self.consumer_count(),
                damaged: Vec::new(),
                failure: self.silent(),
            };
        };
        let state = group.state();
        Glance {
            messages: state.messages,
            bytes: state.bytes,
            reserved: u64::try_from(group.config().max_bytes).unwrap_or(0),
            consumers: group.consumer_count() as u64,
            damaged: group.damaged().to_vec(),
            failure: group.failure().map(str::to_owned).or_else(|| self.silent()),
        }
    }

    /// Its group, if it is to be had before long.
    pub(crate) fn look(&self) -> Option<MutexGuard<'_, Group<Directory>>> {
        self.look_within(GLANCE_WAIT)
    }

    /// The same when nothing is counted any more that a message replaces, or as it is by then.
    fn look_settled(&self, by: Instant) -> Option<MutexGuard<'_, Group<Directory>>> {
        loop {
            let group = self.look()?;
            if !group.is_rolling_up() || Instant::now() >= by {
                return Some(group);
            }
            // Its task goes on with that.
            MutexGuard::unlock_fair(group);
            std::thread::sleep(SETTLE_LOOK);
        }
    }

    /// Its group, if it is to be had in time. One that is known not to answer is not waited for.
    pub(crate) fn look_within(&self, wait: Duration) -> Option<MutexGuard<'_, Group<Directory>>> {
        match self.silence.so_far(Instant::now()) {
            Some(silence) if silence > GLANCE_WAIT => self.group.try_lock(),
            _ => self.group.try_lock_for(wait),
        }
    }

    /// That its disk does not answer, if that is so.
    fn silent(&self) -> Option<String> {
        let silence = self
            .silence
            .so_far(Instant::now())
            .filter(|it| *it >= GLANCE_WAIT)?;
        let seconds = silence.as_secs();
        Some(format!("its disk has not answered for {seconds}s"))
    }

    /// Whether it has a consumer of this name.
    pub(crate) fn has_consumer(&self, name: &str) -> bool {
        // Of one that does not answer nobody can say that it has not.
        self.look()
            .is_none_or(|group| group.consumer(name).is_some())
    }

    /// The names of its consumers, each with whether a mirror or source made it; none of a stream that
    /// does not answer.
    fn consumer_names(&self, settled_by: Instant) -> Vec<(String, bool)> {
        let Some(group) = self.look_settled(settled_by) else {
            return Vec::new();
        };
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

    /// A stream as lists show it, settled or as it is by then, and who leads it.
    pub(crate) fn describe_stream(
        &self,
        stream: &StreamHandle,
        settled_by: Instant,
    ) -> cognate_api::StreamInfo {
        let listed = match stream.look_settled(settled_by) {
            Some(group) => stream_info::describe_locked(self, &group, stream_info::Shown::Listed),
            None => cognate_api::StreamInfo {
                config: StreamConfig::clone(&stream.config()),
                ..cognate_api::StreamInfo::default()
            },
        };
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
        settled_by: Instant,
    ) -> Consumers {
        let mut names = stream.consumer_names(settled_by);
        names.retain(|(_, direct)| with_direct || !direct);
        let mut consumers = Consumers::default();
        for few in names.chunks(CONSUMERS_AT_A_TIME) {
            if stream.look().is_none() {
                break;
            }
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
