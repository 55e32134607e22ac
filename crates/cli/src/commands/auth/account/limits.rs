//! The flags with which `add` and `edit` limit an account. What is not given stays as it was.

use std::time::Duration;

use cognate_auth::jwt::{Account, Claims, NO_LIMIT};

use crate::error::{Error, Result};
use crate::output::{duration, number, prompt, terminal};

/// What an account may use; -1 is no limit.
#[derive(clap::Args, Default)]
pub(super) struct LimitFlags {
    /// Allows bearer tokens
    #[arg(long, overrides_with = "no_bearer")]
    bearer: bool,

    /// Refuses bearer tokens
    #[arg(long, overrides_with = "bearer")]
    no_bearer: bool,

    /// Maximum allowed connections
    #[arg(long, allow_hyphen_values = true)]
    connections: Option<i64>,

    /// How long this account should be valid for as a duration
    #[arg(long, value_name = "DURATION", value_parser = duration::arg)]
    expiry: Option<Duration>,

    /// Maximum allowed exports
    #[arg(long, allow_hyphen_values = true)]
    exports: Option<i64>,

    /// Maximum allowed imports
    #[arg(long, allow_hyphen_values = true)]
    imports: Option<i64>,

    /// Enables JetStream
    #[arg(long, overrides_with = "no_jetstream")]
    jetstream: bool,

    /// Disables JetStream
    #[arg(long, overrides_with = "jetstream")]
    no_jetstream: bool,

    /// Sets the maximum Consumers any Stream in the account can have
    #[arg(long, allow_hyphen_values = true)]
    js_consumers: Option<i64>,

    /// Sets a Disk Storage quota
    #[arg(long, value_name = "BYTES", allow_hyphen_values = true, value_parser = number::size_arg)]
    js_disk: Option<i64>,

    /// Sets the maximum size a Disk Storage stream may be
    #[arg(long, value_name = "BYTES", allow_hyphen_values = true, value_parser = number::size_arg)]
    js_disk_stream: Option<i64>,

    /// Default Max Ack Pending for Tier 0 limits
    #[arg(long, value_name = "MESSAGES", allow_hyphen_values = true)]
    js_max_pending: Option<i64>,

    /// Sets a Memory Storage quota
    #[arg(long, value_name = "BYTES", allow_hyphen_values = true, value_parser = number::size_arg)]
    js_memory: Option<i64>,

    /// Sets the maximum size a Memory Storage stream may be
    #[arg(long, value_name = "BYTES", allow_hyphen_values = true, value_parser = number::size_arg)]
    js_memory_stream: Option<i64>,

    /// Requires Streams to have a maximum size declared
    #[arg(long)]
    js_stream_size_required: bool,

    /// Sets the maximum Streams the account can have
    #[arg(long, allow_hyphen_values = true)]
    js_streams: Option<i64>,

    /// Sets the account used for JetStream cluster traffic
    #[arg(long, value_name = "ACCOUNT", value_parser = ["owner", "system"])]
    js_cluster_traffic: Option<String>,

    /// Maximum allowed Leafnode connections
    #[arg(long, allow_hyphen_values = true)]
    leafnodes: Option<i64>,

    /// Maximum allowed payload
    #[arg(long, value_name = "BYTES", allow_hyphen_values = true, value_parser = number::size_arg)]
    payload: Option<i64>,

    /// Maximum allowed subscriptions
    #[arg(long, allow_hyphen_values = true)]
    subscriptions: Option<i64>,
}

impl LimitFlags {
    /// Asks for what most accounts have, where somebody can be asked.
    pub(super) fn ask(&mut self) -> Result<()> {
        if !terminal::can_ask() {
            return Ok(());
        }
        let count = |text: &str| {
            let number = text.parse::<i64>();
            number.map_err(|_| Error::new(format!("{text:?} is no number; -1 is no limit")))
        };
        let questions = [
            (
                &mut self.connections,
                "Maximum Connections",
                "--connections",
            ),
            (
                &mut self.subscriptions,
                "Maximum Subscriptions",
                "--subscriptions",
            ),
        ];
        for (value, question, flag) in questions {
            if value.is_none() {
                *value = Some(prompt::ask_valid(question, "-1", flag, count)?);
            }
        }
        if self.payload.is_none() {
            let question = "Maximum Message Payload";
            self.payload = Some(prompt::ask_valid(
                question,
                "-1",
                "--payload",
                number::parse_bytes,
            )?);
        }
        if self.jetstream {
            let questions = [
                (
                    &mut self.js_disk,
                    "Maximum JetStream Disk Storage",
                    "--js-disk",
                ),
                (
                    &mut self.js_memory,
                    "Maximum JetStream Memory Storage",
                    "--js-memory",
                ),
            ];
            for (value, question, flag) in questions {
                if value.is_none() {
                    *value = Some(prompt::ask_valid(
                        question,
                        "1GB",
                        flag,
                        number::parse_bytes,
                    )?);
                }
            }
        }
        Ok(())
    }

    /// Changes what was given.
    pub(super) fn apply(&self, claims: &mut Claims<Account>) -> Result<()> {
        let nats = &mut claims.nats;
        let limits = &mut nats.limits;
        if self.bearer || self.no_bearer {
            limits.account.disallow_bearer = self.no_bearer;
        }
        let counts = [
            (self.connections, &mut limits.account.connections),
            (self.exports, &mut limits.account.exports),
            (self.imports, &mut limits.account.imports),
            (self.leafnodes, &mut limits.account.leafnodes),
            (self.subscriptions, &mut limits.nats.subs),
            (self.payload, &mut limits.nats.payload),
        ];
        for (given, limit) in counts {
            if let Some(given) = given {
                *limit = given.max(NO_LIMIT);
            }
        }
        if let Some(expiry) = self.expiry {
            let seconds = i64::try_from(expiry.as_secs()).unwrap_or(i64::MAX);
            claims.registered.expires = jiff::Timestamp::now().as_second().saturating_add(seconds);
        }
        if let Some(traffic) = &self.js_cluster_traffic {
            nats.cluster_traffic.clone_from(traffic);
        }
        self.apply_jetstream(claims)
    }

    fn apply_jetstream(&self, claims: &mut Claims<Account>) -> Result<()> {
        let tier = &mut claims.nats.limits.jetstream;
        if self.no_jetstream {
            *tier = Default::default();
            claims.nats.limits.tiered_limits.clear();
            return Ok(());
        }
        if self.jetstream && !tier.is_enabled() {
            let (Some(_), Some(_)) = (self.js_disk, self.js_memory) else {
                return Err(
                    Error::new("JetStream requires maximum Disk and Memory usage set")
                        .hint("Give --js-disk and --js-memory; -1 is no limit."),
                );
            };
            (tier.streams, tier.consumer) = (NO_LIMIT, NO_LIMIT);
        }
        let counts = [
            (self.js_disk, &mut tier.disk_storage),
            (self.js_memory, &mut tier.memory_storage),
            (self.js_consumers, &mut tier.consumer),
            (self.js_streams, &mut tier.streams),
            (self.js_max_pending, &mut tier.max_ack_pending),
            (
                self.js_disk_stream.filter(|size| *size > 0),
                &mut tier.disk_max_stream_bytes,
            ),
            (
                self.js_memory_stream.filter(|size| *size > 0),
                &mut tier.memory_max_stream_bytes,
            ),
        ];
        let mut is_given = self.js_stream_size_required;
        for (given, limit) in counts {
            if let Some(given) = given {
                *limit = given.max(NO_LIMIT);
                is_given = true;
            }
        }
        tier.max_bytes_required |= self.js_stream_size_required;
        match is_given && !tier.is_enabled() {
            true => {
                Err(Error::new("the account has no JetStream").hint("Enable it with --jetstream."))
            }
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cognate_auth::jwt::OperatorLimits;

    #[test]
    fn only_what_is_given_changes() {
        let mut claims = Claims::<Account>::new("A");
        claims.nats.limits = OperatorLimits::unlimited();
        let flags = LimitFlags {
            connections: Some(5),
            jetstream: true,
            js_disk: Some(1024),
            js_memory: Some(-1),
            ..LimitFlags::default()
        };
        flags.apply(&mut claims).expect("good limits");
        let limits = &claims.nats.limits;
        assert_eq!((limits.account.connections, limits.nats.subs), (5, -1));
        let tier = &limits.jetstream;
        assert_eq!(
            (tier.disk_storage, tier.memory_storage, tier.streams),
            (1024, -1, -1)
        );
        let off = LimitFlags {
            no_jetstream: true,
            ..LimitFlags::default()
        };
        off.apply(&mut claims).expect("good limits");
        assert!(!claims.nats.limits.jetstream.is_enabled());
        let lone = LimitFlags {
            js_streams: Some(3),
            ..LimitFlags::default()
        };
        assert!(lone.apply(&mut claims).is_err());
        let half = LimitFlags {
            jetstream: true,
            js_disk: Some(1),
            ..LimitFlags::default()
        };
        assert!(half.apply(&mut claims).is_err());
    }
}
