//! Messages from the inbox: which subscription they came by says what they are.
//!
//! ```text
//! sid      is
//! P        a publish to a subject of the stream; what follows says whether its way is told
//! A<place> an acknowledgement for a consumer       N<place> a pull request
//! F<place> an answer to flow control               L<place> a dead letter was stored
//! D        a direct get                            G        a direct get by subject
//! O<origin>.<attempt> a delivery of an origin      Q<origin>.<attempt> its answer to a request
//! ```

use cognate_api::MessageRequest;
use cognate_consumer::{Removal, split_ack_subject};
use cognate_model::Timestamp;
use cognate_store::disk::Disk;
use cognate_stream::{DirectRequest, GetRequest, Publish};
use cognate_wire::{Delivered, parse_delivered};

use crate::group::Group;
use crate::interest::Place;
use crate::outlet::{Outgoing, Outlet, TracedFrame};

/// What the sids of a group's subscriptions begin with.
pub mod kind {
    /// Publishes.
    pub const PUBLISH: u8 = b'P';
    /// Acknowledgements.
    pub const ACK: u8 = b'A';
    /// Pull requests.
    pub const NEXT: u8 = b'N';
    /// Answers to flow control.
    pub const FLOW: u8 = b'F';
    /// Acknowledgements of dead letters.
    pub const LETTER: u8 = b'L';
    /// Direct gets.
    pub const DIRECT: u8 = b'D';
    /// Direct gets by subject.
    pub const DIRECT_SUBJECT: u8 = b'G';
    /// Deliveries of origins.
    pub const ORIGIN: u8 = b'O';
    /// Answers of origins to requests.
    pub const ORIGIN_ANSWER: u8 = b'Q';
}

impl<D: Disk> Group<D> {
    /// Takes whole frames from the inbox, in order, but no more than `budget` bytes and one frame;
    /// returns how many bytes that were. `random` is a fresh random number.
    pub fn handle_frames<O: Outlet>(
        &mut self,
        frames: &[u8],
        budget: usize,
        now: Timestamp,
        random: u64,
        outlet: &mut O,
    ) -> usize {
        let mut random = random | 1;
        let mut rest = frames;
        while frames.len() - rest.len() < budget {
            // Frames come from our own data path; what is no whole frame is passed over.
            let Some((frame, len)) = parse_delivered(rest) else {
                debug_assert!(rest.is_empty(), "inboxes hold whole frames");
                return frames.len();
            };
            rest = &rest[len..];
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            self.handle_frame(&frame, now, random, outlet);
        }
        frames.len() - rest.len()
    }

    fn handle_frame<O: Outlet>(
        &mut self,
        frame: &Delivered<'_>,
        now: Timestamp,
        random: u64,
        outlet: &mut O,
    ) {
        let Some((&kind, rest)) = frame.sid.split_first() else {
            return;
        };
        match kind {
            kind::PUBLISH => match TracedFrame::parse(rest) {
                None => self.publish(frame, now, random, outlet),
                Some(traced) => self.publish_traced(traced, frame, now, random, outlet),
            },
            kind::DIRECT => self.direct(frame, None, outlet),
            kind::DIRECT_SUBJECT => self.direct(frame, direct_subject(frame.subject), outlet),
            kind::ORIGIN => self.handle_origin_delivery(rest, frame, now, outlet),
            kind::ORIGIN_ANSWER => self.handle_origin_answer(rest, frame, now, outlet),
            _ => {
                if let Some(place) = place(rest) {
                    self.handle_for_member(kind, place, frame, now, outlet);
                }
            }
        }
    }

    #[inline]
    fn publish<O: Outlet>(
        &mut self,
        frame: &Delivered<'_>,
        now: Timestamp,
        random: u64,
        outlet: &mut O,
    ) {
        let publish = Publish {
            subject: frame.subject,
            reply: frame.reply.unwrap_or_default(),
            headers: frame.headers,
            payload: frame.payload,
            random,
        };
        let (stream, store, mut host) = self.stream_side(outlet, Removal::Deleted);
        stream.handle_publish(&publish, now, store, &mut host);
    }

    #[cold]
    fn publish_traced<O: Outlet>(
        &mut self,
        traced: TracedFrame,
        frame: &Delivered<'_>,
        now: Timestamp,
        random: u64,
        outlet: &mut O,
    ) {
        let publish = Publish {
            subject: frame.subject,
            reply: frame.reply.unwrap_or_default(),
            headers: frame.headers,
            payload: frame.payload,
            random,
        };
        let (stream, store, mut host) = self.stream_side(outlet, Removal::Deleted);
        let outcome = stream.handle_traced(&publish, traced.only, now, store, &mut host);
        outlet.traced(traced.ticket, outcome);
    }

    fn handle_for_member<O: Outlet>(
        &mut self,
        kind: u8,
        place: Place,
        frame: &Delivered<'_>,
        now: Timestamp,
        outlet: &mut O,
    ) {
        let reply = frame.reply.unwrap_or_default();
        self.with_member(place, now, outlet, |consumer, turn| match kind {
            kind::ACK => {
                if let Some((_, _, tail)) = split_ack_subject(frame.subject) {
                    consumer.handle_ack(tail, frame.payload, reply, turn);
                }
            }
            kind::NEXT => consumer.handle_pull(frame.headers, frame.payload, reply, turn),
            kind::FLOW => {
                let token = frame.subject.rsplit(|&b| b == b'.').next();
                let token = token.unwrap_or_default();
                consumer.handle_flow_control(token, frame.headers, turn.now, turn.host);
            }
            kind::LETTER => {
                let sequence = frame.subject.rsplit(|&b| b == b'.').next();
                let sequence = sequence.and_then(number);
                // A PubAck with an error has a member of that name first.
                let is_stored =
                    !frame.payload.starts_with(b"{\"error\"") && frame.headers.is_empty();
                if let Some(sequence) = sequence.filter(|_| is_stored) {
                    consumer.handle_dead_letter_stored(sequence, turn.host);
                }
            }
            _ => {}
        });
        self.members.touch(place);
    }

    fn direct<O: Outlet>(&mut self, frame: &Delivered<'_>, subject: Option<&[u8]>, outlet: &mut O) {
        let Some(reply) = frame.reply else {
            return;
        };
        let request = match subject.map(std::str::from_utf8) {
            None => MessageRequest::parse_direct(frame.payload),
            Some(Ok(subject)) => MessageRequest::parse_direct_last(frame.payload, subject),
            Some(Err(_)) => Err("408 Bad Request"),
        };
        match request {
            Ok(request) => self.start_direct(&request, reply, outlet),
            Err(status) => {
                let headers = format!("NATS/1.0 {status}\r\n\r\n");
                outlet.publish(&Outgoing::to(reply, headers.as_bytes(), b""));
            }
        }
    }

    fn start_direct<O: Outlet>(&mut self, request: &MessageRequest, reply: &[u8], outlet: &mut O) {
        let multi_last: Vec<&[u8]> = request.multi_last.iter().map(String::as_bytes).collect();
        let number = |number: i64| u64::try_from(number).unwrap_or(0);
        let request = DirectRequest {
            get: GetRequest {
                sequence: request.seq,
                last_by_subject: request.last_by_subj.as_bytes(),
                next_by_subject: request.next_by_subj.as_bytes(),
                start_time: request.start_time,
            },
            batch: number(request.batch),
            max_bytes: number(request.max_bytes),
            multi_last: &multi_last,
            up_to_sequence: request.up_to_seq,
            up_to_time: request.up_to_time,
            no_headers: request.no_hdr,
        };
        let mut send = |headers: &[u8], payload: &[u8]| {
            outlet.publish(&Outgoing::to(reply, headers, payload));
        };
        let max_pending = self.max_pending;
        let get = self
            .stream
            .start_direct(&request, max_pending, &mut self.store, &mut send);
        if let Some(get) = get {
            self.directs.push_back((reply.into(), get));
        }
    }

    /// Goes on with direct gets that take several steps; returns whether there are more.
    pub(crate) fn continue_directs<O: Outlet>(&mut self, outlet: &mut O) -> bool {
        for _ in 0..self.directs.len() {
            let Some((reply, mut get)) = self.directs.pop_front() else {
                break;
            };
            let mut send = |headers: &[u8], payload: &[u8]| {
                outlet.publish(&Outgoing::to(&reply, headers, payload));
            };
            self.stream
                .continue_direct(&mut get, &mut self.store, &mut send);
            if !get.is_done() {
                self.directs.push_back((reply, get));
            }
        }
        !self.directs.is_empty()
    }
}

/// The subject in `$JS.API.DIRECT.GET.<stream>.<subject>`.
fn direct_subject(subject: &[u8]) -> Option<&[u8]> {
    let rest = subject.strip_prefix(b"$JS.API.DIRECT.GET.")?;
    let dot = rest.iter().position(|&b| b == b'.')?;
    Some(&rest[dot + 1..])
}

fn place(digits: &[u8]) -> Option<Place> {
    number(digits)
}

fn number(digits: &[u8]) -> Option<u64> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}
