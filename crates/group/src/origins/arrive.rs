//! What comes from origins: answers, messages, heartbeats and flow control.

use cognate_consumer::{Delivery, Removal, split_ack_subject};
use cognate_model::{Message, MessageStore, Timestamp};
use cognate_store::disk::Disk;
use cognate_stream::{Arrival, Verdict};
use cognate_wire::Delivered;
use cognate_wire::encode::write_decimal;
use cognate_wire::headers::HeaderBlock;

use super::{Origins, PLACE};
use crate::group::Group;
use crate::outlet::Outlet;

/// What every message begins with that is not of the stream but about the delivery.
const CONTROL: &[u8] = b"NATS/1.0 100 ";

/// What an answer begins with that says that nobody got the request.
const NOBODY: &[u8] = b"NATS/1.0 503";

impl<D: Disk> Group<D> {
    /// Takes the answer to a request for a consumer.
    pub(crate) fn handle_origin_answer<O: Outlet>(
        &mut self,
        sid: &[u8],
        frame: &Delivered<'_>,
        now: Timestamp,
        outlet: &mut O,
    ) {
        let Some(at) = self.origins.addressed(sid) else {
            return;
        };
        if frame.headers.starts_with(NOBODY) {
            return self.origins.unanswered(at, now);
        }
        let last = self.store.state().last;
        self.origins.answered(at, frame.payload, last, now);
        let is_mirror = self.origins.is_mirror;
        let Some(fetch) = self.origins.fetch(at).filter(|_| is_mirror) else {
            return;
        };
        let (is_there, taken) = (fetch.consumer().is_some(), fetch.taken());
        if is_there && taken > last {
            let (stream, store, mut host) = self.stream_side(outlet, Removal::Deleted);
            // If it fails, the first message makes up for it, or fails as well.
            let _ = stream.skip_mirrored(taken, now, store, &mut host);
        }
    }

    /// Takes what an origin's consumer delivers.
    pub(crate) fn handle_origin_delivery<O: Outlet>(
        &mut self,
        sid: &[u8],
        frame: &Delivered<'_>,
        now: Timestamp,
        outlet: &mut O,
    ) {
        let Some(at) = self.origins.addressed(sid) else {
            return;
        };
        if frame.payload.is_empty() && frame.headers.starts_with(CONTROL) {
            return self.handle_origin_control(at, frame, now);
        }
        let reply = frame.reply.and_then(split_ack_subject);
        let Some(delivery) = reply.and_then(|(_, _, tail)| Delivery::parse(tail)) else {
            return;
        };
        let arrival = Arrival {
            deliveries: delivery.deliveries,
            sequence: delivery.stream,
            delivered: delivery.consumer,
            pending: delivery.pending,
        };
        let Some(fetch) = self.origins.fetch(at) else {
            return;
        };
        match fetch.handle_arrival(&arrival, now) {
            Verdict::Next => {}
            Verdict::Taken | Verdict::Foreign => return,
            Verdict::Gap => return self.origins.restart(at, now),
        }
        self.origins.read_if_close(delivery.pending);
        let message = Message {
            sequence: delivery.stream,
            timestamp: delivery.time,
            subject: frame.subject,
            headers: frame.headers,
            payload: frame.payload,
        };
        let is_mirror = self.origins.is_mirror;
        let (stream, store, mut host) = self.stream_side(outlet, Removal::Deleted);
        let taken = if is_mirror {
            stream.handle_mirrored(&message, now, store, &mut host)
        } else {
            stream.handle_sourced(at, &message, now, store, &mut host)
        };
        if let Err(cause) = taken {
            self.origins.refuse(at, cause, now);
        }
    }

    /// A heartbeat, or a request to say what has been taken, which is answered when that is durable.
    fn handle_origin_control(&mut self, at: usize, frame: &Delivered<'_>, now: Timestamp) {
        let Some(fetch) = self.origins.fetch(at) else {
            return;
        };
        let block = HeaderBlock::parse(frame.headers);
        let header = |key: &[u8]| block.as_ref().and_then(|block| block.first(key));
        let answer_to = if let Some(reply) = frame.reply {
            fetch.handle_heartbeat(None, now);
            reply
        } else {
            let delivered = header(b"Nats-Last-Consumer").and_then(number);
            if fetch.handle_heartbeat(delivered, now) {
                return self.origins.restart(at, now);
            }
            match header(b"Nats-Consumer-Stalled") {
                Some(reply) => reply,
                None => return,
            }
        };
        // Without its log nothing is taken any more.
        if self.failed.store {
            return;
        }
        let (delivered, taken) = (fetch.delivered(), fetch.taken());
        let mut headers = b"NATS/1.0\r\nNats-Last-Consumer: ".to_vec();
        write_decimal(&mut headers, delivered);
        headers.extend_from_slice(b"\r\nNats-Last-Stream: ");
        write_decimal(&mut headers, taken);
        headers.extend_from_slice(b"\r\n\r\n");
        self.effects.send(answer_to, b"", &headers, b"");
    }

    /// Positions of sources whose messages are durable go into the journal.
    pub(crate) fn keep_positions(&mut self) {
        if self.failed.store {
            return;
        }
        let durable = self.releasable().store;
        let Group {
            origins, journal, ..
        } = self;
        origins
            .positions()
            .release(durable, |entry| journal.append(PLACE, entry));
    }
}

impl Origins {
    /// The origin that a sid is for, unless it is of an attempt that is over.
    fn addressed(&self, sid: &[u8]) -> Option<usize> {
        let dot = sid.iter().position(|&byte| byte == b'.')?;
        self.current(number(&sid[..dot])?, number(&sid[dot + 1..])?)
    }

    fn restart(&mut self, at: usize, now: Timestamp) {
        let random = self.random();
        if let Some(fetch) = self.fetch(at) {
            fetch.restart(now, random);
            self.leave(at);
        }
    }

    fn refuse(&mut self, at: usize, cause: cognate_model::ApiError, now: Timestamp) {
        let random = self.random();
        if let Some(fetch) = self.fetch(at) {
            fetch.refuse(Some(cause), now, random);
            self.leave(at);
        }
    }
}

fn number(digits: &[u8]) -> Option<u64> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}
