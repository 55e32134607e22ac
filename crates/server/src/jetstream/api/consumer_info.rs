//! Consumers are told of: one in detail, all of a stream by name, all in short.

use std::collections::BTreeMap;

use cognate_api::{
    ConsumerInfo, ConsumerListPage, LIST_LIMIT, NAMES_LIMIT, NamesPage, Page, PageRequest,
    PinnedGroup, SequenceInfo, expect_empty,
};
use cognate_consumer::{ConsumerState, GroupState};
use cognate_group::{Group, MemberSpec, Outlet};
use cognate_model::{ApiError, Nanos, Timestamp, error};
use cognate_store::disk::Disk;

use super::{Answer, Call};
use crate::shared::COMPATIBLE_VERSION;

/// In which answer a consumer is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::jetstream) enum Shown {
    /// In one about it alone: with the server's version.
    Alone,
    /// In a list.
    Listed,
}

/// What there is to say about a consumer; none if there is none of that name.
pub(in crate::jetstream) fn describe<D: Disk, O: Outlet>(
    group: &mut Group<D>,
    name: &str,
    shown: Shown,
    now: Timestamp,
    outlet: &mut O,
) -> Option<ConsumerInfo> {
    let state = group.consumer_state(name, now, outlet)?;
    let spec = group.consumer(name)?;
    Some(info_of(&group.config().name, spec, state, shown, now))
}

fn info_of(
    stream: &str,
    spec: &MemberSpec,
    state: ConsumerState,
    shown: Shown,
    now: Timestamp,
) -> ConsumerInfo {
    let config = &spec.config;
    ConsumerInfo {
        stream_name: stream.to_owned(),
        name: spec.name.clone(),
        created: spec.created,
        config: match shown {
            Shown::Alone => config.shown(COMPATIBLE_VERSION),
            Shown::Listed => config.clone(),
        },
        delivered: SequenceInfo {
            consumer_seq: state.delivered.consumer,
            stream_seq: state.delivered.stream,
            last_active: state.last_delivered,
        },
        ack_floor: SequenceInfo {
            consumer_seq: state.ack_floor.consumer,
            stream_seq: state.ack_floor.stream,
            last_active: state.last_acked,
        },
        num_ack_pending: state.ack_pending as u64,
        num_redelivered: state.redelivered as u64,
        num_waiting: state.waiting as u64,
        num_pending: state.pending,
        cluster: None,
        push_bound: state.push_bound,
        paused: state.pause_remaining.is_some(),
        pause_remaining: state.pause_remaining.map_or(Nanos::ZERO, Nanos::from),
        ts: now,
        priority_groups: state.priority_group.into_iter().map(pinned).collect(),
    }
}

fn pinned(state: GroupState) -> PinnedGroup {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (id, since) = match &state.pinned {
        Some((id, since)) => (text(id), *since),
        None => (String::new(), Timestamp::ZERO_TIME),
    };
    PinnedGroup {
        group: text(&state.group),
        pinned_client_id: id,
        pinned_ts: since,
    }
}

/// `CONSUMER.INFO`.
pub(super) fn info(call: &Call<'_>, stream: &str, name: &str) -> Result<Answer, ApiError> {
    expect_empty(call.body())?;
    call.check_level()?;
    let stream = call.stream(stream)?;
    let info = call.jetstream.with_group(&stream, |group, now, outlet| {
        describe(group, name, Shown::Alone, now, outlet)
    });
    Ok(call.answer(&info.ok_or(error::CONSUMER_NOT_FOUND)?))
}

/// `CONSUMER.NAMES`.
pub(super) fn names(call: &Call<'_>, stream: &str) -> Result<Answer, ApiError> {
    let request = PageRequest::parse(call.body(), call.unknown)?;
    let stream = call.stream(stream)?;
    let names = public_names(&stream.group.lock());
    let page = Page::new(names.len(), request.offset, NAMES_LIMIT);
    let consumers = page.of(names).collect();
    Ok(call.answer(&NamesPage::Consumers { page, consumers }))
}

/// `CONSUMER.LIST`.
pub(super) fn list(call: &Call<'_>, stream: &str) -> Result<Answer, ApiError> {
    let request = PageRequest::parse(call.body(), call.unknown)?;
    let stream = call.stream(stream)?;
    let body = call.jetstream.with_group(&stream, |group, now, outlet| {
        let names = public_names(group);
        let page = Page::new(names.len(), request.offset, LIST_LIMIT);
        let consumers = page
            .of(names)
            .filter_map(|name| describe(group, &name, Shown::Listed, now, outlet));
        ConsumerListPage {
            page,
            consumers: consumers.collect(),
            missing: Vec::new(),
            offline: BTreeMap::new(),
        }
    });
    Ok(call.answer(&body))
}

/// The names of a stream's consumers, without those of mirrors and sources.
fn public_names<D: Disk>(group: &Group<D>) -> Vec<String> {
    let specs = group.consumers().into_iter();
    specs
        .filter(|spec| !spec.config.direct)
        .map(|spec| spec.name.clone())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_without_a_pinned_client_tells_the_zero_time() {
        let group: Box<[u8]> = b"g"[..].into();
        let free = pinned(GroupState {
            group: group.clone(),
            pinned: None,
        });
        assert_eq!(free.pinned_ts, Timestamp::ZERO_TIME);
        assert_eq!(free.pinned_client_id, "");
        let held = pinned(GroupState {
            group,
            pinned: Some((b"id"[..].into(), Timestamp(7))),
        });
        let expected = PinnedGroup {
            group: "g".to_owned(),
            pinned_client_id: "id".to_owned(),
            pinned_ts: Timestamp(7),
        };
        assert_eq!(held, expected);
    }
}
