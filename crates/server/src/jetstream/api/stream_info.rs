//! Streams are told of: one in detail, all by name, all in short.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::Duration;

use cognate_api::{
    ClusterInfo, InfoPage, InfoRequest, LIST_LIMIT, LostMessages, NAMES_LIMIT, NamesPage, Page,
    SUBJECTS_LIMIT, StreamInfo, StreamListPage, StreamState, SubjectPageRequest,
};
use cognate_group::Group;
use cognate_model::{ApiError, DamagedRange, Sequence};
use cognate_store::disk::Disk;
use cognate_subject::validate::{is_valid_filter, overlaps};
use tokio::time::Instant;

use super::{Answer, Call};
use crate::jetstream::AccountJetStream;
use crate::jetstream::disk::Directory;
use crate::jetstream::stream::StreamHandle;
use crate::shared::COMPATIBLE_VERSION;

/// The most sequences that are told one by one: those of deleted messages, and of lost ones.
const SEQUENCES_LIMIT: usize = 1 << 20;

/// How long a list waits for streams whose disk does not answer; it names them then.
const LIST_WAIT: Duration = Duration::from_millis(if cfg!(test) { 200 } else { 2000 });

/// In which answer a stream is shown: they differ in what nats-server fills in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::jetstream) enum Shown {
    /// `STREAM.CREATE`.
    Created,
    /// `STREAM.UPDATE`.
    Updated,
    /// `STREAM.INFO`.
    Alone,
    /// `STREAM.LIST`.
    Listed,
}

/// What there is to say about a stream.
pub(in crate::jetstream) fn describe(
    jetstream: &AccountJetStream,
    stream: &StreamHandle,
    shown: Shown,
) -> StreamInfo {
    describe_locked(jetstream, &stream.group.lock(), shown)
}

/// The same with a group that is locked already.
pub(in crate::jetstream) fn describe_locked(
    jetstream: &AccountJetStream,
    group: &Group<Directory>,
    shown: Shown,
) -> StreamInfo {
    let domain = match (&jetstream.server.options.domain, shown) {
        (Some(domain), Shown::Updated | Shown::Alone | Shown::Listed) => domain.clone(),
        _ => String::new(),
    };
    let cluster = (shown == Shown::Alone).then(|| ClusterInfo {
        leader: jetstream.server.shared.facts.server_name.clone(),
        ..ClusterInfo::default()
    });
    let (mirror, sources) = jetstream.origin_infos(group);
    StreamInfo {
        mirror,
        sources,
        config: match shown {
            Shown::Listed => group.config().clone(),
            _ => group.config().shown(COMPATIBLE_VERSION),
        },
        created: group.created(),
        state: state(group),
        domain,
        cluster,
        ts: jetstream.server.clock.now(),
        ..StreamInfo::default()
    }
}

/// `STREAM.INFO`.
pub(super) fn info(call: &Call<'_>, name: &str) -> Result<Answer, ApiError> {
    let request = InfoRequest::parse(call.body(), call.unknown)?;
    let stream = call.stream(name)?;
    let is_rolling_up = stream.group.lock().is_rolling_up();
    if is_rolling_up {
        // The counts are right when it is over. If it cannot be, they are told as they are.
        let _ = call.jetstream.finish_rollups(&stream);
    }
    let mut info = describe(call.jetstream, &stream, Shown::Alone);
    let mut page = Page::default();
    if request.deleted_details || !request.subjects_filter.is_empty() {
        let mut group = stream.group.lock();
        // State and details must agree.
        info.state = state(&group);
        if request.deleted_details {
            let ranges = group.deleted(SEQUENCES_LIMIT);
            info.state.deleted = sequences(ranges, SEQUENCES_LIMIT);
        }
        let filter = request.subjects_filter.as_bytes();
        if is_valid_filter(filter) {
            (page, info.state.subjects) = subjects(&mut group, filter, request.offset);
        }
    }
    Ok(call.answer(&InfoPage { page, info }))
}

/// `STREAM.NAMES`.
pub(super) fn names(call: &Call<'_>) -> Result<Answer, ApiError> {
    let request = SubjectPageRequest::parse(call.body(), call.unknown)?;
    let streams = wanted(call.jetstream, &request.subject);
    let page = Page::new(streams.len(), request.offset, NAMES_LIMIT);
    let names = page.of(&streams).map(|stream| stream.name.clone());
    Ok(call.answer(&NamesPage::Streams {
        page,
        streams: names.collect(),
    }))
}

/// `STREAM.LIST`.
pub(super) fn list(call: &Call<'_>) -> Result<Answer, ApiError> {
    let request = SubjectPageRequest::parse(call.body(), call.unknown)?;
    let streams = wanted(call.jetstream, &request.subject);
    let page = Page::new(streams.len(), request.offset, LIST_LIMIT);
    let deadline = Instant::now() + LIST_WAIT;
    let mut infos = Vec::new();
    let late = call.jetstream.late.list().into_iter();
    let mut missing: Vec<String> = late.map(|(name, _)| name).collect();
    for stream in page.of(&streams) {
        match call.jetstream.look_when_settled(stream, deadline) {
            Some(group) => infos.push(describe_locked(call.jetstream, &group, Shown::Listed)),
            None => missing.push(stream.name.clone()),
        }
    }
    Ok(call.answer(&StreamListPage {
        page,
        streams: infos,
        missing,
        offline: BTreeMap::new(),
    }))
}

/// The streams with a subject that `filter` overlaps, by name; all if it is empty.
fn wanted(jetstream: &AccountJetStream, filter: &str) -> Vec<std::sync::Arc<StreamHandle>> {
    let mut streams = jetstream.streams();
    if !filter.is_empty() {
        streams.retain(|stream| {
            let config = stream.config();
            let mut subjects = config.subjects.iter();
            subjects
                .any(|subject| subject == filter || overlaps(subject.as_bytes(), filter.as_bytes()))
        });
    }
    streams
}

fn state<D: Disk>(group: &Group<D>) -> StreamState {
    let damaged = group.damaged().iter();
    let ranges = damaged.map(|&DamagedRange { first, last }| (first, last));
    let lost = sequences(ranges, SEQUENCES_LIMIT);
    StreamState {
        consumer_count: group.consumer_count() as u64,
        lost: (!lost.is_empty()).then_some(LostMessages {
            msgs: lost,
            bytes: group.damaged_bytes(),
        }),
        ..StreamState::of(&group.state())
    }
}

/// One page of the subjects that match, with their messages.
fn subjects<D: Disk>(
    group: &mut Group<D>,
    filter: &[u8],
    offset: i64,
) -> (Page, BTreeMap<String, u64>) {
    let skipped = usize::try_from(offset.max(0)).unwrap_or(usize::MAX);
    let end = skipped.saturating_add(SUBJECTS_LIMIT);
    let mut total = 0;
    let mut subjects = BTreeMap::new();
    // They come in the order of their bytes, which is that of the pages.
    group.for_each_subject(filter, &mut |subject, held| {
        if (skipped..end).contains(&total) {
            let subject = String::from_utf8_lossy(subject).into_owned();
            subjects.insert(subject, held.messages);
        }
        total += 1;
        ControlFlow::Continue(())
    });
    if total == 0 {
        return (Page::default(), subjects);
    }
    // Here nats-server tells the offset as it was asked for, even beyond the end.
    let page = Page {
        total,
        offset: skipped,
        limit: SUBJECTS_LIMIT,
    };
    (page, subjects)
}

/// The sequences of ranges, first to last, at most `limit` of them.
fn sequences(
    ranges: impl IntoIterator<Item = (Sequence, Sequence)>,
    limit: usize,
) -> Vec<Sequence> {
    let ranges = ranges.into_iter();
    ranges
        .flat_map(|(first, last)| first..=last)
        .take(limit)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_told_one_by_one_up_to_a_limit() {
        assert_eq!(sequences([(2, 4), (7, 7)], 10), [2, 3, 4, 7]);
        assert_eq!(sequences([(1, u64::MAX)], 3), [1, 2, 3]);
        assert_eq!(sequences([], 3), [0; 0]);
    }
}
