//! `consumer add` by questions: whatever flags did not say is asked for, or takes its default.

use std::time::Duration;

use super::flags::{ConfigFlags, NewFlags, filters, linear, start_policy};
use crate::commands::shared::pick::check_name;
use crate::error::{Error, Result};
use crate::jsm::ConsumerConfig;
use crate::output::duration;
use crate::output::prompt::{self, or_defaults};

/// Who answers: the user, or the defaults.
pub(super) struct Questions<'a> {
    pub(super) flags: &'a ConfigFlags,
    pub(super) new: &'a NewFlags,
    /// Take every default.
    pub(super) defaults: bool,
}

impl Questions<'_> {
    /// The whole configuration of a new consumer.
    pub(super) fn config(&self, name: Option<&str>) -> Result<ConsumerConfig> {
        let mut config = ConsumerConfig::default();
        self.name(name, &mut config)?;
        self.target(&mut config)?;
        self.policies(&mut config)?;
        self.filters(&mut config)?;
        self.limits(&mut config)?;
        self.push(&mut config)?;
        self.rest(&mut config)?;
        self.flags.apply(&mut config)?;
        self.new.apply(&mut config)?;
        if config.ack_policy.as_str() == "none" {
            config.max_deliver = -1;
        }
        let has_filter = !config.filter_subject.is_empty() || !config.filter_subjects.is_empty();
        if !has_filter && config.deliver_policy.as_str() == "last_per_subject" {
            config.filter_subject = ">".to_owned();
        }
        Ok(config)
    }

    fn name(&self, given: Option<&str>, config: &mut ConsumerConfig) -> Result<()> {
        let name = match given {
            Some(name) => name.to_owned(),
            None if self.new.ephemeral => return Ok(()),
            None => {
                let flag = "the consumer's name as argument, or --ephemeral";
                prompt::ask_valid("Consumer name", "", flag, |name| {
                    check_name("consumer", name)?;
                    Ok(name.to_owned())
                })?
            }
        };
        check_name("consumer", &name)?;
        if !self.new.ephemeral {
            config.durable_name.clone_from(&name);
        }
        config.name = name;
        Ok(())
    }

    fn target(&self, config: &mut ConsumerConfig) -> Result<()> {
        config.deliver_subject = match &self.flags.target {
            Some(target) => target.clone(),
            None if self.new.pull || self.defaults => String::new(),
            None => prompt::ask(
                "Delivery target (empty for Pull Consumers)",
                "",
                &or_defaults("--target or --pull"),
            )?,
        };
        if !config.deliver_subject.is_empty() && self.new.deliver_group.is_none() && !self.defaults
        {
            let flag = or_defaults("--deliver-group");
            config.deliver_group = prompt::ask("Delivery Queue Group", "", &flag)?;
        }
        Ok(())
    }

    fn choose(
        &self,
        question: &str,
        options: &[&str],
        default: usize,
        flag: &str,
    ) -> Result<String> {
        match self.defaults {
            true => Ok(options.get(default).copied().unwrap_or_default().to_owned()),
            false => prompt::choose_name(question, options, default, &or_defaults(flag)),
        }
    }

    fn policies(&self, config: &mut ConsumerConfig) -> Result<()> {
        config.deliver_policy = "all".into();
        config.replay_policy = "instant".into();
        if self.new.deliver.is_none() && !self.defaults {
            let question = "Start policy (all, new, last, subject, 1h, msg sequence)";
            let flag = or_defaults("--deliver");
            *config = prompt::ask_valid(question, "all", &flag, |answer| {
                let mut config = config.clone();
                start_policy(&mut config, answer)?;
                Ok(config)
            })?;
        }
        if self.new.ack.is_none() {
            // Who pulls acknowledges; who is pushed at usually does not.
            let default = if config.deliver_subject.is_empty() {
                0
            } else {
                2
            };
            let options = ["explicit", "all", "none"];
            let word = self.choose("Acknowledgment policy", &options, default, "--ack")?;
            config.ack_policy = word.as_str().into();
        } else {
            config.ack_policy = self.new.ack.as_deref().unwrap_or_default().into();
        }
        if self.new.replay.is_none() {
            let word = self.choose("Replay policy", &["instant", "original"], 0, "--replay")?;
            config.replay_policy = word.as_str().into();
        }
        Ok(())
    }

    fn filters(&self, config: &mut ConsumerConfig) -> Result<()> {
        if !self.flags.filter.is_empty() || self.defaults {
            return Ok(());
        }
        let question = "Filter Stream by subjects (blank for all)";
        let answer = prompt::ask(question, "", &or_defaults("--filter"))?;
        filters(config, &[answer]);
        Ok(())
    }

    fn limits(&self, config: &mut ConsumerConfig) -> Result<()> {
        config.max_deliver = -1;
        if config.ack_policy.as_str() == "none" || self.defaults {
            return Ok(());
        }
        let count = |answer: &str| {
            answer
                .parse::<i64>()
                .map_err(|_| Error::new("a number is needed"))
        };
        if self.flags.max_deliver.is_none() {
            let flag = or_defaults("--max-deliver");
            config.max_deliver =
                prompt::ask_valid("Maximum Allowed Deliveries", "-1", &flag, count)?;
        }
        if self.flags.max_pending.is_none() {
            let flag = or_defaults("--max-pending");
            let question = "Maximum Acknowledgments Pending";
            config.max_ack_pending = prompt::ask_valid(question, "0", &flag, count)?;
        }
        Ok(())
    }

    fn push(&self, config: &mut ConsumerConfig) -> Result<()> {
        if config.deliver_subject.is_empty() || self.defaults {
            return Ok(());
        }
        if self.new.heartbeat.is_none() {
            let flag = or_defaults("--heartbeat");
            config.idle_heartbeat =
                prompt::ask_valid("Idle Heartbeat", "0s", &flag, |answer| match answer {
                    "0s" | "-1" => Ok(0),
                    answer => Ok(duration::nanos(duration::parse(answer)?)),
                })?;
        }
        if !self.new.flow_control {
            let flag = or_defaults("--flow-control");
            config.flow_control = prompt::yes_or_no("Enable Flow Control", false, &flag)?;
        }
        Ok(())
    }

    fn rest(&self, config: &mut ConsumerConfig) -> Result<()> {
        if self.defaults {
            return Ok(());
        }
        if self.flags.switches.given("headers-only").is_none() {
            let question = "Deliver headers only without bodies";
            let flag = or_defaults("--headers-only");
            config.headers_only = prompt::yes_or_no(question, false, &flag)?;
        }
        if config.ack_policy.as_str() == "none" || self.flags.backoff.is_some() {
            return Ok(());
        }
        let flag = or_defaults("--backoff");
        if !prompt::yes_or_no("Add a Retry Backoff Policy", false, &flag)? {
            return Ok(());
        }
        let wait = |question: &str, default: &str| -> Result<Duration> {
            prompt::ask_valid(question, default, &flag, duration::parse)
        };
        let min = wait("Minimum retry time", "1m")?;
        let max = wait("Maximum retry time", "10m")?;
        let steps = prompt::ask_valid("Number of steps to generate", "20", &flag, |answer| {
            answer.parse().map_err(|_| Error::new("a number is needed"))
        })?;
        config.backoff = linear(steps, min, max)?;
        if config.max_deliver < 1 {
            config.max_deliver = i64::from(steps) + 1;
        }
        Ok(())
    }
}
