//! Streams are created, updated and deleted.
//!
//! The order of the checks is nats-server's, since a request may break several rules.

use cognate_api::event::Action;
use cognate_api::{CreatedStream, StreamRequest, Success, expect_empty};
use cognate_model::{
    AccountLimits, ApiError, Compression, Reservation, StorageType, StreamConfig, StreamContext,
    check_reservation, check_reservation_update, error,
};
use tokio::runtime::Handle;

use super::stream_info::{Shown, describe};
use super::{Answer, Call};
use crate::jetstream::{JetStream, advisory};

/// `STREAM.CREATE`.
pub(super) fn create(call: &Call<'_>, name: &str) -> Result<Answer, ApiError> {
    let jetstream = call.jetstream;
    let mut request = StreamRequest::parse(call.body(), call.unknown)?;
    request.config.set_required_level();
    request.config.check_create(name)?;
    check_room(jetstream, &request.config, name)?;
    let config = checked(jetstream, request)?;
    if config.num_replicas > 1 {
        return Err(error::STREAM_REPLICAS_NOT_SUPPORTED);
    }
    refuse_unbuilt(&config)?;
    let (stream, is_new) = match jetstream.stream(name) {
        Some(stream) if config.is_same_as(stream.group.lock().config()) => (stream, false),
        Some(_) => return Err(error::STREAM_NAME_EXIST),
        None => {
            check_subjects_free(jetstream, &config)?;
            (
                jetstream.create_stream(config, jetstream.clock.now())?,
                true,
            )
        }
    };
    if is_new {
        advisory::stream_action(jetstream, name, Action::Create);
    }
    Ok(call.answer(&CreatedStream {
        info: describe(jetstream, &stream, Shown::Created),
        did_create: true,
    }))
}

/// `STREAM.UPDATE`.
pub(super) fn update(call: &Call<'_>, name: &str) -> Result<Answer, ApiError> {
    let jetstream = call.jetstream;
    let request = StreamRequest::parse(call.body(), call.unknown)?;
    let mut config = checked(jetstream, request)?;
    if config.name != name {
        return Err(error::STREAM_MISMATCH);
    }
    let stream = call.stream(name)?;
    config.set_required_level();
    let limits = jetstream.account_limits();
    let reservation = reservation(jetstream, config.storage, name);
    let config = {
        let group = stream.group.lock();
        let old = group.config();
        let new = old.updated(config)?;
        check_reservation_update(old, &new, &limits, &reservation)?;
        let consumers = group.consumers();
        let consumers = consumers
            .iter()
            .map(|spec| (spec.name.as_str(), &spec.config));
        new.consumer_limits
            .check_consumers(&old.consumer_limits, consumers)?;
        new
    };
    // nats-server accepts it and keeps one copy: that would be a promise nobody keeps.
    if config.num_replicas > 1 {
        return Err(error::STREAM_REPLICAS_NOT_SUPPORTED);
    }
    refuse_unbuilt(&config)?;
    check_subjects_free(jetstream, &config)?;
    jetstream.update_stream(&stream, config)?;
    advisory::stream_action(jetstream, name, Action::Modify);
    Ok(call.answer(&describe(jetstream, &stream, Shown::Updated)))
}

/// `STREAM.DELETE`. Waits until the stream's task has ended, on a thread for blocking work.
pub(super) fn delete(call: &Call<'_>, name: &str) -> Result<Answer, ApiError> {
    expect_empty(call.body())?;
    let jetstream = call.jetstream;
    let stream = call.stream(name)?;
    let consumers: Vec<String> = {
        let group = stream.group.lock();
        let specs = group.consumers();
        specs.iter().map(|spec| spec.name.clone()).collect()
    };
    Handle::current().block_on(jetstream.delete_stream(&stream))?;
    for consumer in consumers {
        advisory::consumer_deleted(jetstream, name, &consumer);
    }
    advisory::stream_action(jetstream, name, Action::Delete);
    Ok(call.answer(&Success::DONE))
}

/// Fills in the defaults of a requested configuration and checks it.
pub(super) fn checked(
    jetstream: &JetStream,
    request: StreamRequest,
) -> Result<StreamConfig, ApiError> {
    let find = |name: &str| {
        let stream = jetstream.stream(name)?;
        let config = stream.group.lock().config().clone();
        Some(config)
    };
    request.config.checked(&StreamContext {
        server: &jetstream.server_limits(),
        account: &jetstream.account_limits(),
        pedantic: request.pedantic,
        find: &find,
    })
}

/// Whether the account may have another stream, and has room for it. `config` is as requested.
pub(super) fn check_room(
    jetstream: &JetStream,
    config: &StreamConfig,
    name: &str,
) -> Result<(), ApiError> {
    let limits: AccountLimits = jetstream.account_limits();
    let streams = jetstream.streams();
    let others = streams.iter().filter(|stream| stream.name != name);
    limits.check_stream_count(others.count())?;
    let reservation = reservation(jetstream, config.storage, name);
    check_reservation(config, &limits, &reservation)
}

/// What is reserved in this kind of storage; in the account without the stream called `name`.
fn reservation(jetstream: &JetStream, storage: StorageType, name: &str) -> Reservation {
    let mut reservation = Reservation {
        account: 0,
        server: 0,
        server_max: match storage {
            StorageType::Memory => jetstream.memory_max(),
            StorageType::File => jetstream.store_max(),
        },
    };
    for stream in jetstream.streams() {
        if stream.storage != storage {
            continue;
        }
        let group = stream.group.lock();
        let config = group.config();
        let bytes = config.max_bytes.max(0);
        reservation.server = reservation.server.saturating_add(bytes);
        if stream.name != name {
            let bytes = bytes.saturating_mul(config.num_replicas.max(1));
            reservation.account = reservation.account.saturating_add(bytes);
        }
    }
    reservation
}

fn check_subjects_free(jetstream: &JetStream, config: &StreamConfig) -> Result<(), ApiError> {
    for other in jetstream.streams() {
        if other.name != config.name {
            let group = other.group.lock();
            config.check_subjects_free(std::iter::once(group.config()))?;
        }
    }
    Ok(())
}

/// Refuses what is not built yet: a stream that takes a setting and does not keep to it would be
/// worse than none.
pub(super) fn refuse_unbuilt(config: &StreamConfig) -> Result<(), ApiError> {
    let missing = if config.mirror.is_some() {
        "mirrors are"
    } else if !config.sources.is_empty() {
        "sources are"
    } else if config.compression != Compression::None {
        "compression is"
    } else {
        return Ok(());
    };
    Err(error::stream_invalid_config(format_args!(
        "{missing} not supported by this server yet"
    )))
}

#[cfg(test)]
mod tests {
    use cognate_model::StreamSource;

    use super::*;

    #[track_caller]
    fn check(config: &StreamConfig, expected: Option<&str>) {
        let refused = refuse_unbuilt(config).err();
        let text = refused.map(|cause| (cause.err_code, cause.description.into_owned()));
        assert_eq!(text, expected.map(|text| (10052, text.to_owned())));
    }

    #[test]
    fn what_is_not_built_is_refused_by_name() {
        let plain = StreamConfig::default();
        check(&plain, None);
        check(
            &StreamConfig {
                mirror: Some(StreamSource::default()),
                ..plain.clone()
            },
            Some("mirrors are not supported by this server yet"),
        );
        check(
            &StreamConfig {
                sources: vec![StreamSource::default()],
                ..plain.clone()
            },
            Some("sources are not supported by this server yet"),
        );
        check(
            &StreamConfig {
                compression: Compression::S2,
                ..plain
            },
            Some("compression is not supported by this server yet"),
        );
    }
}
