//! What a stream's configuration is made of on the command line.
//!
//! [`ConfigFlags`] is for `add`, `edit` and `copy`; [`NewFlags`] is what a stream that exists cannot
//! change. Nothing is changed by a flag that is not given.

use std::path::PathBuf;
use std::time::Duration;

use crate::commands::shared::describe::{pairs, split_list};
use crate::commands::shared::switches::{Switch, Switches, Table, switch};
use crate::error::{Context, Error, Result};
use crate::jsm::{
    ConsumerLimits, Placement, Republish, StreamConfig, SubjectTransform, read_stream_config,
};
use crate::output::{duration, number};

/// Settings of a stream.
#[derive(clap::Args)]
pub(super) struct ConfigFlags {
    /// Subjects that are consumed by the stream
    #[arg(long)]
    pub(super) subjects: Vec<String>,
    /// Sets a contextual description for the stream
    #[arg(long)]
    pub(super) description: Option<String>,
    /// Compression algorithm to use (file storage only)
    #[arg(long, value_parser = ["none", "s2"])]
    pub(super) compression: Option<String>,
    /// When clustered, how many replicas of the data to create
    #[arg(long)]
    pub(super) replicas: Option<i64>,
    /// Place the stream on servers that have a tag (pass multiple times)
    #[arg(long, alias = "tags")]
    pub(super) tag: Vec<String>,
    /// Place the stream on a specific cluster
    #[arg(long)]
    pub(super) cluster: Option<String>,
    /// Defines a retention policy
    #[arg(long, value_parser = ["limits", "interest", "workq", "work"])]
    pub(super) retention: Option<String>,
    /// Defines the discard policy
    #[arg(long, value_parser = ["new", "old"])]
    pub(super) discard: Option<String>,
    /// Maximum age of messages to keep; -1 is for ever
    #[arg(long, value_name = "DURATION", value_parser = age_arg, allow_hyphen_values = true)]
    pub(super) max_age: Option<i64>,
    /// Maximum bytes to keep; -1 is unlimited
    #[arg(long, value_name = "BYTES", value_parser = number::size_arg, allow_hyphen_values = true)]
    pub(super) max_bytes: Option<i64>,
    /// Maximum number of consumers to allow; -1 is unlimited
    #[arg(long, allow_hyphen_values = true)]
    pub(super) max_consumers: Option<i64>,
    /// Maximum size any 1 message may be; -1 is unlimited
    #[arg(long, value_name = "BYTES", value_parser = number::size_arg, allow_hyphen_values = true)]
    pub(super) max_msg_size: Option<i64>,
    /// Maximum amount of messages to keep; -1 is unlimited
    #[arg(long, allow_hyphen_values = true)]
    pub(super) max_msgs: Option<i64>,
    /// Maximum amount of messages to keep per subject; -1 is unlimited
    #[arg(long, allow_hyphen_values = true)]
    pub(super) max_msgs_per_subject: Option<i64>,
    /// Duration of the duplicate message tracking window
    #[arg(long, value_name = "DURATION", value_parser = duration::arg)]
    pub(super) dupe_window: Option<Duration>,
    /// Completely mirror another stream: its name, or a source as JSON
    #[arg(long, value_name = "STREAM")]
    pub(super) mirror: Option<String>,
    /// Source data from other streams, merging into this one: a name, or a source as JSON
    #[arg(long, value_name = "STREAM")]
    pub(super) source: Vec<String>,
    /// How long delete markers should persist in the stream
    #[arg(long, value_name = "DURATION", value_parser = duration::arg)]
    pub(super) subject_del_markers_ttl: Option<Duration>,
    /// Stream subject transform source
    #[arg(long, value_name = "SOURCE", requires = "transform_destination")]
    pub(super) transform_source: Option<String>,
    /// Stream subject transform destination
    #[arg(long, value_name = "DEST", requires = "transform_source")]
    pub(super) transform_destination: Option<String>,
    /// Adds metadata to the stream, as key:value
    #[arg(long, value_name = "META")]
    pub(super) metadata: Vec<String>,
    /// Republish messages to --republish-destination
    #[arg(long, value_name = "SOURCE", requires = "republish_destination")]
    pub(super) republish_source: Option<String>,
    /// Republish destination for messages in --republish-source
    #[arg(long, value_name = "DEST", requires = "republish_source")]
    pub(super) republish_destination: Option<String>,
    /// Republish only message headers, no bodies
    #[arg(long, requires = "republish_destination")]
    pub(super) republish_headers: bool,
    #[command(flatten)]
    pub(super) switches: Switches<StreamSwitches>,
    /// JSON file to read configuration from: bare, or as `stream info --json` prints it
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Produce JSON output
    #[arg(short, long)]
    pub(super) json: bool,
}

/// Settings that only a new stream takes.
#[derive(clap::Args)]
pub(super) struct NewFlags {
    /// Storage backend to use
    #[arg(long, value_parser = ["file", "f", "memory", "m"])]
    pub(super) storage: Option<String>,
    /// Sets the starting sequence
    #[arg(long)]
    first_sequence: Option<u64>,
    /// The maximum consumer inactive threshold the stream allows
    #[arg(long, value_name = "THRESHOLD", value_parser = duration::arg)]
    limit_consumer_inactive: Option<Duration>,
    /// The maximum consumer ack pending the stream allows
    #[arg(long, value_name = "PENDING")]
    limit_consumer_max_pending: Option<i64>,
    /// Configures the persistence mode
    #[arg(long, value_parser = ["default", "async"])]
    persist_mode: Option<String>,
}

/// The yes-or-no settings.
pub(super) struct StreamSwitches;

impl Table for StreamSwitches {
    type Target = StreamConfig;

    fn switches() -> &'static [Switch<StreamConfig>] {
        const {
            &[
                switch("ack", "Acknowledge publishes (--no-ack)", |config, on| {
                    config.no_ack = !on
                }),
                switch(
                    "discard-per-subject",
                    "Sets the 'new' discard policy and applies it to every subject in the stream",
                    |config, on| {
                        config.discard_new_per_subject = on;
                        if on {
                            config.discard = "new".into();
                        }
                    },
                ),
                switch(
                    "allow-batch",
                    "Allow atomic batch publishing",
                    |config, on| config.allow_atomic = on,
                ),
                switch("allow-fast", "Allow fast batch publishing", |config, on| {
                    config.allow_batched = on
                }),
                switch(
                    "allow-counter",
                    "Configures the stream as a distributed counter",
                    |config, on| config.allow_msg_counter = on,
                ),
                switch(
                    "allow-rollup",
                    "Allows roll-ups to be done by publishing messages with special headers",
                    |config, on| config.allow_rollup_hdrs = on,
                ),
                switch(
                    "deny-delete",
                    "Deny messages from being deleted via the API",
                    |config, on| config.deny_delete = on,
                ),
                switch(
                    "deny-purge",
                    "Deny entire stream or subject purges via the API",
                    |config, on| config.deny_purge = on,
                ),
                switch(
                    "allow-direct",
                    "Allows fast, direct, access to stream data (--no-allow-direct)",
                    |config, on| config.allow_direct = on,
                ),
                switch(
                    "allow-mirror-direct",
                    "Allows fast, direct, access to stream data on mirrors",
                    |config, on| config.mirror_direct = on,
                ),
                switch(
                    "allow-msg-ttl",
                    "Allows per-message TTL handling",
                    |config, on| config.allow_msg_ttl = on,
                ),
                switch(
                    "allow-schedules",
                    "Allows message schedules",
                    |config, on| config.allow_msg_schedules = on,
                ),
            ]
        }
    }
}

/// An age in nanoseconds; `-1` and `0` are "for ever".
pub(super) fn age_arg(text: &str) -> std::result::Result<i64, String> {
    match text.trim() {
        "-1" | "0" => Ok(0),
        text => duration::arg(text).map(duration::nanos),
    }
}

/// The API's word for a retention policy.
pub(super) fn retention(word: &str) -> &'static str {
    match word.to_ascii_lowercase().as_str() {
        "interest" => "interest",
        "work" | "workq" | "workqueue" | "work queue" => "workqueue",
        _ => "limits",
    }
}

impl ConfigFlags {
    /// The configuration of `--config`, if there is one.
    pub(super) fn file_config(&self) -> Result<Option<StreamConfig>> {
        let Some(path) = &self.config else {
            return Ok(None);
        };
        let mut config = read_stream_config(path)?;
        crate::commands::shared::describe::drop_reserved(&mut config.metadata);
        // What a file leaves out is what the API leaves out: servers refuse no word at all.
        for (choice, word) in [
            (&mut config.retention, "limits"),
            (&mut config.storage, "file"),
            (&mut config.discard, "old"),
        ] {
            if choice.is_unset() {
                *choice = word.into();
            }
        }
        Ok(Some(config))
    }

    /// Subjects that were given, as a list.
    pub(super) fn subject_list(&self) -> Vec<String> {
        split_list(&self.subjects)
    }

    /// Changes what was given. Mirrors and sources are not looked at.
    pub(super) fn apply(&self, config: &mut StreamConfig) -> Result<()> {
        let subjects = self.subject_list();
        if !subjects.is_empty() {
            config.subjects = subjects;
        }
        if let Some(description) = &self.description {
            config.description.clone_from(description);
        }
        if let Some(compression) = &self.compression {
            config.compression = compression.as_str().into();
        }
        if let Some(word) = &self.retention {
            config.retention = retention(word).into();
        }
        if let Some(discard) = &self.discard {
            config.discard = discard.as_str().into();
        }
        config.num_replicas = self.replicas.unwrap_or(config.num_replicas);
        self.apply_limits(config)?;
        self.apply_placement(config);
        self.apply_rewriting(config);
        if !self.metadata.is_empty() {
            config.metadata = pairs(&self.metadata)?;
        }
        self.switches.apply(config);
        Ok(())
    }

    fn apply_limits(&self, config: &mut StreamConfig) -> Result<()> {
        let unlimited = |value: i64| if value <= 0 { -1 } else { value };
        let set = |target: &mut i64, given: Option<i64>| {
            if let Some(given) = given {
                *target = unlimited(given);
            }
        };
        set(&mut config.max_msgs, self.max_msgs);
        set(&mut config.max_msgs_per_subject, self.max_msgs_per_subject);
        set(&mut config.max_bytes, self.max_bytes);
        set(&mut config.max_consumers, self.max_consumers);
        set(&mut config.max_msg_size, self.max_msg_size);
        i32::try_from(config.max_msg_size)
            .ok()
            .context("--max-msg-size is too large: a message has at most 2 GiB")?;
        config.max_age = self.max_age.unwrap_or(config.max_age);
        if let Some(window) = self.dupe_window {
            config.duplicate_window = duration::nanos(window);
        }
        if let Some(ttl) = self.subject_del_markers_ttl {
            config.subject_delete_marker_ttl = duration::nanos(ttl);
        }
        Ok(())
    }

    /// An empty value takes a placement back.
    fn apply_placement(&self, config: &mut StreamConfig) {
        let mut placement = config.placement.take().unwrap_or_default();
        if let Some(cluster) = &self.cluster {
            placement.cluster.clone_from(cluster);
        }
        if !self.tag.is_empty() {
            placement.tags = self
                .tag
                .iter()
                .filter(|tag| !tag.is_empty())
                .cloned()
                .collect();
        }
        config.placement = (placement != Placement::default()).then_some(placement);
    }

    fn apply_rewriting(&self, config: &mut StreamConfig) {
        if let (Some(src), Some(dest)) = (&self.transform_source, &self.transform_destination) {
            config.subject_transform = Some(SubjectTransform {
                src: src.clone(),
                dest: dest.clone(),
            });
        }
        if let (Some(src), Some(dest)) = (&self.republish_source, &self.republish_destination) {
            config.republish = Some(Republish {
                src: src.clone(),
                dest: dest.clone(),
                headers_only: self.republish_headers,
            });
        }
    }

    /// Refuses mirrors and sources where they cannot be given by flags.
    pub(super) fn refuse_sources(&self, command: &str) -> Result<()> {
        if self.mirror.is_none() && self.source.is_empty() {
            return Ok(());
        }
        Err(
            Error::new(format!("cannot {command} mirrors or sources with flags"))
                .hint("--config takes a whole configuration."),
        )
    }
}

impl NewFlags {
    /// Sets what was given.
    pub(super) fn apply(&self, config: &mut StreamConfig) {
        if let Some(storage) = &self.storage {
            config.storage = crate::commands::shared::buckets::storage(storage).into();
        }
        config.first_seq = self.first_sequence.unwrap_or(config.first_seq);
        if let Some(mode) = self.persist_mode.as_deref().filter(|mode| *mode == "async") {
            config.persist_mode = mode.into();
        }
        if self.limit_consumer_inactive.is_none() && self.limit_consumer_max_pending.is_none() {
            return;
        }
        let limits = config
            .consumer_limits
            .get_or_insert_with(ConsumerLimits::default);
        if let Some(threshold) = self.limit_consumer_inactive {
            limits.inactive_threshold = duration::nanos(threshold);
        }
        limits.max_ack_pending = self
            .limit_consumer_max_pending
            .unwrap_or(limits.max_ack_pending);
    }
}
