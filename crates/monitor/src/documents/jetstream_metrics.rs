//! The part of `/metrics` about JetStream.
//!
//! Invariant: the number of series is bounded by [`limits::METRIC_STREAMS`]; streams beyond it
//! are counted in the sums, and how many there are is told.

use super::jetstream::Totals;
use super::metrics::Page;
use crate::facts::{JetStreamFacts, Monitored, StreamFacts, StreamService};
use crate::limits;

/// What one pass over the streams gives.
#[derive(Default)]
struct Streams {
    totals: Totals,
    not_recovered: u64,
    read_only: u64,
    damaged_messages: u64,
    shown: Vec<Shown>,
    not_shown: u64,
}

/// A stream with series of its own.
struct Shown {
    account: String,
    name: String,
    messages: u64,
    bytes: u64,
    consumers: u64,
}

/// Writes whether JetStream is in service and, if it is, its figures.
pub(super) fn write(page: &mut Page, source: &dyn Monitored) {
    let jetstream = source.jetstream();
    let facts = jetstream.facts();
    page.gauge(
        "jetstream_enabled",
        "Whether JetStream is in service (1) or not (0).",
        u8::from(facts.is_some()),
    );
    let Some(facts) = facts else {
        return;
    };
    let mut streams = Streams::default();
    source.streams(&mut |stream| streams.add(&stream));
    requests(page, facts);
    sums(page, &streams);
    space(page, facts, &streams.totals);
    each(page, &streams.shown);
}

impl Streams {
    fn add(&mut self, stream: &StreamFacts<'_>) {
        match stream.service {
            StreamService::Whole => {}
            StreamService::ReadOnly(_) => self.read_only += 1,
            StreamService::NotRecovered => {
                self.not_recovered += 1;
                return;
            }
        }
        self.totals.add(stream);
        self.damaged_messages = self
            .damaged_messages
            .saturating_add(stream.damaged_messages());
        if self.shown.len() == limits::METRIC_STREAMS {
            self.not_shown += 1;
            return;
        }
        self.shown.push(Shown {
            account: stream.account.to_owned(),
            name: stream.name.to_owned(),
            messages: stream.messages,
            bytes: stream.bytes,
            consumers: stream.consumers,
        });
    }
}

fn requests(page: &mut Page, facts: &JetStreamFacts) {
    page.counter(
        "jetstream_api_requests_total",
        "JetStream API requests.",
        facts.api.total,
    );
    page.counter(
        "jetstream_api_errors_total",
        "JetStream API requests that were refused.",
        facts.api.errors,
    );
    page.gauge(
        "jetstream_api_inflight",
        "JetStream API requests that are being served.",
        facts.api.inflight,
    );
    page.gauge(
        "jetstream_accounts",
        "Accounts that have JetStream.",
        facts.accounts.len(),
    );
}

fn sums(page: &mut Page, streams: &Streams) {
    let totals = &streams.totals;
    page.gauge("jetstream_streams", "Streams in service.", totals.streams);
    page.gauge("jetstream_consumers", "Consumers.", totals.consumers);
    page.gauge(
        "jetstream_messages",
        "Messages that streams hold.",
        totals.messages,
    );
    page.gauge(
        "jetstream_bytes",
        "Bytes that streams hold.",
        totals.bytes(),
    );
    page.gauge(
        "jetstream_streams_not_recovered",
        "Streams on disk that could not be opened.",
        streams.not_recovered,
    );
    page.gauge(
        "jetstream_streams_read_only",
        "Streams that store nothing any more because writing failed.",
        streams.read_only,
    );
    page.gauge(
        "jetstream_damaged_messages",
        "Messages that were stored and cannot be read any more.",
        streams.damaged_messages,
    );
    page.gauge(
        "jetstream_streams_without_series",
        "Streams beyond those that have series of their own.",
        streams.not_shown,
    );
}

fn space(page: &mut Page, facts: &JetStreamFacts, totals: &Totals) {
    let mut pair = |name, help, memory, file| {
        page.head(name, "gauge", help);
        page.sample(name, &[("storage", "memory")], memory);
        page.sample(name, &[("storage", "file")], file);
    };
    pair(
        "jetstream_used_bytes",
        "Bytes that streams hold, by kind of storage.",
        totals.memory,
        totals.storage,
    );
    pair(
        "jetstream_reserved_bytes",
        "Bytes that streams have reserved, by kind of storage.",
        totals.reserved_memory,
        totals.reserved_storage,
    );
    pair(
        "jetstream_max_bytes",
        "Bytes that streams may use, by kind of storage.",
        facts.config.max_memory,
        facts.config.max_storage,
    );
}

fn each(page: &mut Page, streams: &[Shown]) {
    let mut table = |name, help, value: fn(&Shown) -> u64| {
        if streams.is_empty() {
            return;
        }
        page.head(name, "gauge", help);
        for stream in streams {
            let labels = [("account", &*stream.account), ("stream", &*stream.name)];
            page.sample(name, &labels, value(stream));
        }
    };
    table(
        "jetstream_stream_messages",
        "Messages of a stream.",
        |stream| stream.messages,
    );
    table("jetstream_stream_bytes", "Bytes of a stream.", |stream| {
        stream.bytes
    });
    table(
        "jetstream_stream_consumers",
        "Consumers of a stream.",
        |stream| stream.consumers,
    );
}
