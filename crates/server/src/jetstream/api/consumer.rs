//! Consumers are created, updated, deleted, paused, unpinned and reset.
//!
//! The order of the checks is nats-server's, since a request may break several rules.

use std::sync::Arc;

use cognate_api::event::Action;
use cognate_api::{
    ConsumerAction, ConsumerInfo, ConsumerRequest, Done, PauseRequest, PauseState, ResetConsumer,
    ResetRequest, Success, UnpinRequest, expect_empty, response,
};
use cognate_group::{Group, MemberSpec};
use cognate_model::{
    AckPolicy, ApiError, ConsumerConfig, ConsumerContext, Nanos, RetentionPolicy, StreamConfig,
    error,
};

use super::consumer_info::{Shown, describe};
use super::{Answer, Call};
use crate::jetstream::disk::Directory;
use crate::jetstream::stream::StreamHandle;
use crate::jetstream::{AccountJetStream, advisory};

/// Characters of a name that the server chooses.
const CHOSEN_NAME_LEN: usize = 8;

/// `CONSUMER.CREATE` in all its forms.
pub(super) fn create(call: &Call<'_>) -> Result<Answer, ApiError> {
    let jetstream = call.jetstream;
    let mut request = parse(call)?;
    if request.config.num_replicas > 1 {
        return Err(error::STREAM_REPLICAS_NOT_SUPPORTED);
    }
    let stream = call.stream(&request.stream_name)?;
    let stream_config = stream.config();
    settle_sourcing(jetstream, &mut request.config, &stream_config);
    let existing = existing(&stream, &request.config);
    if let Some(existing) = &existing {
        keep_settled(&mut request.config, &existing.config);
    }
    request.config.set_required_level();
    let config = request.config.checked(&ConsumerContext {
        server: &jetstream.server.server_limits(),
        account: &jetstream.account_limits(stream_config.num_replicas),
        pedantic: request.pedantic,
        stream: &stream_config,
    })?;
    if let Some(reason) = cognate_consumer::unsupported(&config) {
        return Err(error::consumer_create(reason));
    }
    let target = Target {
        jetstream,
        stream: &stream,
        stream_config: &stream_config,
        action: request.action,
    };
    let (paused, is_sourcing) = (config.pause_until, config.sourcing);
    let (name, made) = match existing {
        Some(existing) => (target.update(existing, config)?, None),
        None => target.make(config)?,
    };
    let now = jetstream.server.clock.now();
    if let Some(until) = paused.filter(|&until| until > now) {
        advisory::consumer_paused(jetstream, &stream.name, &name, until);
    }
    let info = made.or_else(|| {
        jetstream.with_group(&stream, |group, now, outlet| {
            if is_sourcing {
                // It delivers once more what was not acknowledged, and counts from the beginning.
                let _ = group.reset_consumer(&name, 0, now, outlet);
            }
            describe(group, &name, Shown::Alone, now, outlet)
        })
    });
    Ok(call.answer(&info.ok_or(error::CONSUMER_NOT_FOUND)?))
}

/// `CONSUMER.DELETE`.
pub(super) fn delete(call: &Call<'_>, stream: &str, name: &str) -> Result<Answer, ApiError> {
    expect_empty(call.body())?;
    let jetstream = call.jetstream;
    let stream = call.stream(stream)?;
    if !jetstream.delete_consumer(&stream, name)? {
        return Err(error::CONSUMER_NOT_FOUND);
    }
    advisory::consumer_deleted(jetstream, &stream.name, name);
    Ok(call.answer(&Success::DONE))
}

/// `CONSUMER.PAUSE`.
pub(super) fn pause(call: &Call<'_>, stream: &str, name: &str) -> Result<Answer, ApiError> {
    let request = PauseRequest::parse(call.body(), call.unknown)?;
    call.check_level()?;
    let jetstream = call.jetstream;
    let stream = call.stream(stream)?;
    let mut config = consumer_config(&stream, name)?;
    config.pause_until = request.pause_until;
    config.set_required_level();
    let now = jetstream.server.clock.now();
    jetstream.update_consumer(&stream, name, config)?;
    Ok(call.answer(&PauseState::new(request.pause_until, now)))
}

/// `CONSUMER.UNPIN`.
pub(super) fn unpin(call: &Call<'_>, stream: &str, name: &str) -> Result<Answer, ApiError> {
    let request = UnpinRequest::parse(call.body())?;
    let stream = call.stream(stream)?;
    let config = consumer_config(&stream, name)?;
    if !config.priority_groups.contains(&request.group) {
        return Err(error::CONSUMER_INVALID_PRIORITY_GROUP);
    }
    Ok(call.jetstream.with_group(&stream, |group, now, outlet| {
        group.unpin_consumer(name, now, outlet);
        call.leave(&stream, group, response(&call.operation, &Done {}))
    }))
}

/// `CONSUMER.RESET`. In nats-server the consumer itself listens, so that nobody answers for one
/// that is not there.
pub(super) fn reset(call: &Call<'_>, stream: &str, name: &str) -> Result<Answer, ApiError> {
    let Some(stream) = call.jetstream.stream(stream) else {
        return Ok(Answer::Silence);
    };
    if call.request.reply.is_empty() || stream.group.lock().consumer(name).is_none() {
        return Ok(Answer::Silence);
    }
    call.check_level()?;
    let request = match call.body() {
        [] => ResetRequest::default(),
        body => ResetRequest::parse(body)?,
    };
    call.jetstream.with_group(&stream, |group, now, outlet| {
        let Some(reset) = group.reset_consumer(name, request.seq, now, outlet) else {
            return Ok(Answer::Silence);
        };
        let reset_seq = reset.map_err(error::consumer_invalid_reset)?;
        let info = describe(group, name, Shown::Alone, now, outlet).unwrap_or_default();
        let body = response(&call.operation, &ResetConsumer { info, reset_seq });
        Ok(call.leave(&stream, group, body))
    })
}

/// Reads a request to create a consumer. The API level is looked at between the JSON and what it
/// says.
fn parse(call: &Call<'_>) -> Result<ConsumerRequest, ApiError> {
    let request = ConsumerRequest::parse(&call.operation, call.body(), call.unknown);
    let invalid_json = error::invalid_json("").err_code;
    if !matches!(&request, Err(cause) if cause.err_code == invalid_json) {
        call.check_level()?;
    }
    request
}

/// A consumer for another stream's source becomes a durable one where messages wait to be
/// acknowledged; elsewhere it gets a name of its own each time.
fn settle_sourcing(
    jetstream: &AccountJetStream,
    config: &mut ConsumerConfig,
    stream: &StreamConfig,
) {
    if !config.direct || !config.sourcing || config.name.is_empty() {
        return;
    }
    if stream.retention == RetentionPolicy::Limits {
        config.name = format!("{}-{}", config.name, chosen_name(jetstream));
        return;
    }
    config.direct = false;
    config.durable_name.clone_from(&config.name);
    config.ack_policy = AckPolicy::FlowControl;
    config.ack_wait = Nanos::ZERO;
    config.max_deliver = 0;
    config.inactive_threshold = Nanos::ZERO;
}

/// What a request to create a consumer cannot change of an existing one.
fn keep_settled(config: &mut ConsumerConfig, existing: &ConsumerConfig) {
    config.pause_until = existing.pause_until;
    if config.sourcing && config.is_durable() {
        config.deliver_policy = existing.deliver_policy;
        config.opt_start_seq = existing.opt_start_seq;
        config.opt_start_time = existing.opt_start_time;
    }
}

/// The name a configuration asks for; empty for any.
fn asked_name(config: &ConsumerConfig) -> &str {
    if config.is_durable() {
        &config.durable_name
    } else {
        &config.name
    }
}

fn existing(stream: &StreamHandle, config: &ConsumerConfig) -> Option<MemberSpec> {
    stream.group.lock().consumer(asked_name(config)).cloned()
}

fn consumer_config(stream: &StreamHandle, name: &str) -> Result<ConsumerConfig, ApiError> {
    let group = stream.group.lock();
    let spec = group.consumer(name).ok_or(error::CONSUMER_NOT_FOUND)?;
    Ok(spec.config.clone())
}

/// A random name, of digits and letters.
fn chosen_name(jetstream: &AccountJetStream) -> String {
    let mut name = jetstream.server.fresh_id();
    name.truncate(CHOSEN_NAME_LEN);
    name
}

/// Names and configurations of a stream's consumers.
fn neighbours(group: &Group<Directory>) -> Vec<(&str, &ConsumerConfig)> {
    let specs = group.consumers().into_iter();
    specs
        .map(|spec| (spec.name.as_str(), &spec.config))
        .collect()
}

/// Where a consumer is to be.
struct Target<'a> {
    jetstream: &'a AccountJetStream,
    stream: &'a Arc<StreamHandle>,
    stream_config: &'a StreamConfig,
    action: ConsumerAction,
}

impl Target<'_> {
    /// Changes an existing consumer. Returns its name.
    fn update(&self, existing: MemberSpec, mut config: ConsumerConfig) -> Result<String, ApiError> {
        let MemberSpec {
            name, config: old, ..
        } = existing;
        if self.action == ConsumerAction::Create && !config.is_same_as(&old) {
            return Err(error::CONSUMER_ALREADY_EXISTS);
        }
        if self.stream_config.retention == RetentionPolicy::WorkQueue {
            let group = self.stream.group.lock();
            config.check_still_unique(&name, neighbours(&group))?;
        }
        let is_heard = old.is_push() && self.jetstream.has_interest(&old.deliver_subject);
        old.check_update(&config, is_heard)?;
        config.fill_inactive_threshold();
        if config != old {
            self.jetstream.update_consumer(self.stream, &name, config)?;
        }
        Ok(name)
    }

    /// Makes a new consumer. Returns its name, and what it was like before it delivered anything.
    fn make(&self, mut config: ConsumerConfig) -> Result<(String, Option<ConsumerInfo>), ApiError> {
        if self.action == ConsumerAction::Update {
            return Err(error::CONSUMER_DOES_NOT_EXIST);
        }
        let name = {
            let group = self.stream.group.lock();
            let name = match asked_name(&config) {
                "" => self.free_name(&group),
                name => name.to_owned(),
            };
            let limits = self
                .jetstream
                .account_limits(self.stream_config.num_replicas);
            let limit = limits.max_consumers;
            config.check_beside(&name, self.stream_config, limit, neighbours(&group))?;
            name
        };
        config.fill_inactive_threshold();
        let now = self.jetstream.server.clock.now();
        let info = self.jetstream.create_consumer(
            self.stream,
            name.clone(),
            config,
            now,
            |group, now, outlet| describe(group, &name, Shown::Alone, now, outlet),
        )?;
        let stream = &self.stream.name;
        advisory::consumer_action(self.jetstream, stream, &name, Action::Create);
        Ok((name, info))
    }

    fn free_name(&self, group: &Group<Directory>) -> String {
        loop {
            let name = chosen_name(self.jetstream);
            if group.consumer(&name).is_none() {
                return name;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(durable: &str, name: &str) -> ConsumerConfig {
        ConsumerConfig {
            durable_name: durable.to_owned(),
            name: name.to_owned(),
            ..ConsumerConfig::default()
        }
    }

    #[test]
    fn the_durable_name_goes_first() {
        assert_eq!(asked_name(&config("d", "n")), "d");
        assert_eq!(asked_name(&config("", "n")), "n");
        assert_eq!(asked_name(&config("", "")), "");
    }

    #[test]
    fn a_pause_outlives_a_new_configuration() {
        let mut asked = config("d", "");
        asked.opt_start_seq = 7;
        let until = Some(cognate_model::Timestamp(5));
        let old = ConsumerConfig {
            pause_until: until,
            opt_start_seq: 3,
            ..config("d", "d")
        };
        keep_settled(&mut asked, &old);
        assert_eq!((asked.pause_until, asked.opt_start_seq), (until, 7));
        asked.sourcing = true;
        keep_settled(&mut asked, &old);
        assert_eq!(asked.opt_start_seq, 3);
    }
}
