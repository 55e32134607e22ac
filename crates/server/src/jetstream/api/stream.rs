//! Streams are created, updated and deleted.
//!
//! The order of the checks is nats-server's, since a request may break several rules.

use std::sync::Arc;

use cognate_api::event::Action;
use cognate_api::{CreatedStream, StreamRequest, Success, expect_empty};
use cognate_model::{
    ApiError, Reservation, StorageType, StreamConfig, StreamContext, check_reservation,
    check_reservation_update, error,
};
use tokio::runtime::Handle;

use super::stream_info::{Shown, describe};
use super::{Answer, Call};
use crate::jetstream::assets::CLOSE_WAIT;
use crate::jetstream::claim::Claim;
use crate::jetstream::{AccountJetStream, advisory};

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
    let (stream, is_new) = match jetstream.stream(name) {
        Some(stream) if config.is_same_as(&stream.config()) => (stream, false),
        Some(_) => return Err(error::STREAM_NAME_EXIST),
        None => {
            let claim = claim(jetstream, name)?;
            settle(jetstream, &claim, &config)?;
            let now = jetstream.server.clock.now();
            (jetstream.create_stream(config, now)?, true)
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
    let limits = jetstream.allowance().limits(config.num_replicas)?;
    let reservation = reservation(jetstream, config.storage, name, &[]);
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
    let claim = claim(jetstream, name)?;
    claim.settle(&config, |others| {
        check_subjects_free(jetstream, &config, others)
    })?;
    jetstream.update_stream(&stream, config)?;
    advisory::stream_action(jetstream, name, Action::Modify);
    Ok(call.answer(&describe(jetstream, &stream, Shown::Updated)))
}

/// `STREAM.DELETE`. Waits until the stream's task has ended, on a thread for blocking work.
pub(super) fn delete(call: &Call<'_>, name: &str) -> Result<Answer, ApiError> {
    expect_empty(call.body())?;
    let jetstream = call.jetstream;
    let stream = call.stream(name)?;
    let claim = claim(jetstream, name)?;
    // Without an answer from the disk nobody can say which consumers it had.
    let consumers: Vec<String> = match stream.group.try_lock_for(CLOSE_WAIT / 4) {
        Some(group) => group
            .consumers()
            .iter()
            .map(|spec| spec.name.clone())
            .collect(),
        None => Vec::new(),
    };
    Handle::current().block_on(jetstream.delete_stream(&stream, claim))?;
    for consumer in consumers {
        advisory::consumer_deleted(jetstream, name, &consumer);
    }
    advisory::stream_action(jetstream, name, Action::Delete);
    Ok(call.answer(&Success::DONE))
}

/// Fills in the defaults of a requested configuration and checks it.
pub(super) fn checked(
    jetstream: &Arc<AccountJetStream>,
    request: StreamRequest,
) -> Result<StreamConfig, ApiError> {
    let find = |name: &str| {
        let stream = jetstream.stream(name)?;
        Some(StreamConfig::clone(&stream.config()))
    };
    let account = jetstream.account_limits(request.config.num_replicas);
    request.config.checked(&StreamContext {
        server: &jetstream.server.server_limits(),
        account: &account,
        pedantic: request.pedantic,
        find: &find,
    })
}

/// Whether the account may have another stream, and has room for it. `config` is as requested.
pub(super) fn check_room(
    jetstream: &Arc<AccountJetStream>,
    config: &StreamConfig,
    name: &str,
) -> Result<(), ApiError> {
    check_room_beside(jetstream, config, name, &[])
}

/// The same, with what others are making.
fn check_room_beside(
    jetstream: &Arc<AccountJetStream>,
    config: &StreamConfig,
    name: &str,
    unfinished: &[Arc<StreamConfig>],
) -> Result<(), ApiError> {
    let limits = jetstream.allowance().limits(config.num_replicas)?;
    let streams = jetstream.streams();
    let others = streams.iter().filter(|stream| stream.name != name);
    let is_new = |config: &&Arc<StreamConfig>| jetstream.stream(&config.name).is_none();
    let coming = unfinished.iter().filter(is_new).count();
    limits.check_stream_count(others.count() + coming)?;
    let reservation = reservation(jetstream, config.storage, name, unfinished);
    check_reservation(config, &limits, &reservation)
}

/// Claims the name of a stream that is to be made, changed or removed.
pub(in crate::jetstream) fn claim(
    jetstream: &AccountJetStream,
    name: &str,
) -> Result<Claim, ApiError> {
    let taken = "another request is making, changing or removing this stream; try again later";
    jetstream
        .claims
        .take(name)
        .ok_or_else(|| error::stream_create(taken))
}

/// Says what a claimed stream is to be, if nobody else is in the way, finished or not.
pub(in crate::jetstream) fn settle(
    jetstream: &Arc<AccountJetStream>,
    claim: &Claim,
    config: &StreamConfig,
) -> Result<(), ApiError> {
    // What streams of all accounts reserve of the server is looked at by one at a time.
    let _turn = jetstream.server.settling.lock();
    claim.settle(config, |others| {
        check_room_beside(jetstream, config, &config.name, others)?;
        check_subjects_free(jetstream, config, others)
    })
}

/// What is reserved in this kind of storage; in the account without the stream called `name`.
/// `unfinished` are those that others are making.
fn reservation(
    jetstream: &Arc<AccountJetStream>,
    storage: StorageType,
    name: &str,
    unfinished: &[Arc<StreamConfig>],
) -> Reservation {
    let mut reservation = Reservation {
        account: 0,
        server: 0,
        server_max: match storage {
            StorageType::Memory => jetstream.server.memory_max(),
            StorageType::File => jetstream.server.store_max(),
        }
        .try_into()
        .unwrap_or(i64::MAX),
    };
    for other in jetstream.server.accounts() {
        let is_own = Arc::ptr_eq(&other, jetstream);
        let unfinished = match is_own {
            true => unfinished.to_vec(),
            false => other.claims.unfinished(),
        };
        let is_new = |config: &Arc<StreamConfig>| other.stream(&config.name).is_none();
        let coming = unfinished.into_iter().filter(is_new);
        let streams = other.streams();
        let there = streams.iter().map(|stream| stream.config());
        for config in there
            .chain(coming)
            .filter(|config| config.storage == storage)
        {
            let bytes = config.max_bytes.max(0);
            reservation.server = reservation.server.saturating_add(bytes);
            if is_own && config.name != name {
                let bytes = bytes.saturating_mul(config.num_replicas.max(1));
                reservation.account = reservation.account.saturating_add(bytes);
            }
        }
    }
    reservation
}

pub(super) fn check_subjects_free(
    jetstream: &AccountJetStream,
    config: &StreamConfig,
    unfinished: &[Arc<StreamConfig>],
) -> Result<(), ApiError> {
    config.check_subjects_free(unfinished.iter().map(|other| &**other))?;
    for other in jetstream.streams() {
        if other.name != config.name {
            config.check_subjects_free(std::iter::once(&*other.config()))?;
        }
    }
    Ok(())
}
