//! Direct gets: messages sent as they are, with headers that say where they come from.
//!
//! One message is answered at once. Batches and the last messages of many subjects are answered in
//! bounded steps; what is stored meanwhile does not disturb them.

use std::ops::ControlFlow;

use cognate_model::{MessageStore, Sequence, Timestamp};
use cognate_subject::Filter;

use crate::get::{self, GetRequest};
use crate::header;
use crate::time::write_rfc3339;

/// How many subjects one request may ask the last messages of.
const MAX_LASTS: usize = 1024;

/// How many messages one step sends.
const MESSAGES_PER_STEP: u64 = 256;

/// What a direct get asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DirectRequest<'a> {
    /// Which message, or the first of which.
    pub get: GetRequest<'a>,
    /// How many messages at most; 0 for a single one.
    pub batch: u64,
    /// No more messages once so many bytes were sent; 0 for the server's `max_pending`.
    pub max_bytes: u64,
    /// The last messages of these subjects or filters instead.
    pub multi_last: &'a [&'a [u8]],
    /// As of this sequence; 0 for now.
    pub up_to_sequence: Sequence,
    /// As of this time.
    pub up_to_time: Option<Timestamp>,
    /// Payloads only.
    pub no_headers: bool,
}

/// A direct get that goes on; see [`Stream::continue_direct`](crate::Stream::continue_direct).
#[derive(Debug)]
pub struct DirectGet<C> {
    kind: Kind<C>,
    no_headers: bool,
    /// Of the last messages, those below this are left out.
    at_least: Sequence,
    left: u64,
    max_bytes: u64,
    bytes: u64,
    /// How many more messages there are, as far as is known.
    pending: u64,
    /// The message sent last.
    last: Sequence,
    is_done: bool,
}

#[derive(Debug)]
enum Kind<C> {
    Next {
        cursor: C,
        from: Sequence,
        /// The stream's last sequence when `pending` was counted.
        counted_at: Sequence,
    },
    Lasts {
        sequences: std::vec::IntoIter<Sequence>,
        up_to: Sequence,
    },
}

impl<C> DirectGet<C> {
    /// Whether everything was sent.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.is_done
    }
}

/// Takes answers: header block and payload.
pub(crate) type Sink<'a> = &'a mut dyn FnMut(&[u8], &[u8]);

/// Answers a request, wholly or by what it returns.
pub(crate) fn start<S: MessageStore>(
    stream: &[u8],
    request: &DirectRequest<'_>,
    max_pending: u64,
    store: &mut S,
    out: &mut Vec<u8>,
    send: Sink<'_>,
) -> Option<DirectGet<S::Cursor>> {
    let refused = match check(request) {
        Err(status) => status,
        Ok(()) if !request.multi_last.is_empty() => match lasts(request, store) {
            Ok((sequences, up_to)) => {
                let pending = sequences.len() as u64;
                let kind = Kind::Lasts {
                    sequences: sequences.into_iter(),
                    up_to,
                };
                return Some(batch(request, max_pending, kind, pending));
            }
            Err(status) => status,
        },
        Ok(()) if request.batch > 0 => match first_of_batch(request, store) {
            Some((kind, pending)) => return Some(batch(request, max_pending, kind, pending)),
            None => NOT_FOUND,
        },
        Ok(()) => match single(stream, request, store, out, send) {
            Some(()) => return None,
            None => NOT_FOUND,
        },
    };
    send(refused, &[]);
    None
}

const NOT_FOUND: &[u8] = b"NATS/1.0 404 Message Not Found\r\n\r\n";
const NO_RESULTS: &[u8] = b"NATS/1.0 404 No Results\r\n\r\n";

fn check(request: &DirectRequest<'_>) -> Result<(), &'static [u8]> {
    let get = &request.get;
    let multi = !request.multi_last.is_empty();
    if get.is_empty() && !multi {
        return Err(b"NATS/1.0 408 Empty Request\r\n\r\n");
    }
    let by_last = !get.last_by_subject.is_empty();
    let by_next = !get.next_by_subject.is_empty();
    if get.is_contradictory()
        || (by_last && (request.batch > 0 || multi))
        || (by_next && multi)
        || (request.up_to_sequence > 0 && request.up_to_time.is_some())
    {
        return Err(b"NATS/1.0 408 Bad Request\r\n\r\n");
    }
    Ok(())
}

fn single<S: MessageStore>(
    stream: &[u8],
    request: &DirectRequest<'_>,
    store: &mut S,
    out: &mut Vec<u8>,
    send: Sink<'_>,
) -> Option<()> {
    let sequence = get::sequence_of(&request.get, store)?;
    let message = store.load(sequence).ok()??;
    out.clear();
    if !request.no_headers {
        header::open(out, message.headers);
        let time = message.timestamp;
        push_origin(out, stream, message.subject, message.sequence, time);
        header::close(out);
    }
    send(out, message.payload);
    Some(())
}

fn batch<C>(
    request: &DirectRequest<'_>,
    max_pending: u64,
    kind: Kind<C>,
    pending: u64,
) -> DirectGet<C> {
    let unlimited = |number: u64, otherwise: u64| if number == 0 { otherwise } else { number };
    DirectGet {
        kind,
        no_headers: request.no_headers && request.multi_last.is_empty(),
        at_least: request.get.sequence,
        left: unlimited(request.batch, u64::MAX),
        max_bytes: unlimited(request.max_bytes, max_pending),
        bytes: 0,
        pending,
        last: 0,
        is_done: false,
    }
}

/// Where a batch begins, if it has a first message.
fn first_of_batch<S: MessageStore>(
    request: &DirectRequest<'_>,
    store: &mut S,
) -> Option<(Kind<S::Cursor>, u64)> {
    let get = &request.get;
    let from = match get.start_time {
        Some(time) => store.sequence_at(time).ok()?,
        None => get.sequence,
    };
    let filter = match get.next_by_subject {
        [] => None,
        subject => Some(Filter::try_from(subject).ok()?),
    };
    let mut cursor = store.cursor(filter.as_slice());
    let pending = store.count(&mut cursor, from, false).ok()?;
    let from = store.next(&mut cursor, from).ok()??;
    let counted_at = store.state().last;
    Some((
        Kind::Next {
            cursor,
            from,
            counted_at,
        },
        pending,
    ))
}

/// The last messages of the subjects that are asked for, in order, and as of when.
fn lasts<S: MessageStore>(
    request: &DirectRequest<'_>,
    store: &mut S,
) -> Result<(Vec<Sequence>, Sequence), &'static [u8]> {
    let state = store.state();
    let mut up_to = request.up_to_sequence;
    if let Some(time) = request.up_to_time {
        let at = store.sequence_at(time).unwrap_or(0);
        if at <= state.first {
            return Err(NO_RESULTS);
        }
        up_to = at - 1;
    }
    if up_to == 0 {
        up_to = state.last;
    }
    let mut found = Vec::new();
    for filter in request.multi_last {
        let mut earlier = Vec::new();
        let mut visited = 0;
        store.for_each_subject(filter, &mut |subject, of| {
            if of.last <= up_to {
                found.push(of.last);
            } else if of.messages > 1 && of.first <= up_to {
                earlier.push((subject.to_vec(), of.first));
            }
            visited = found.len() + earlier.len();
            if visited <= 2 * MAX_LASTS {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        });
        for (subject, first) in earlier {
            found.extend(last_up_to(&subject, first, up_to, store));
        }
        found.sort_unstable();
        found.dedup();
        if found.len() > MAX_LASTS {
            return Err(b"NATS/1.0 413 Too Many Results\r\n\r\n");
        }
    }
    if found.is_empty() {
        return Err(NO_RESULTS);
    }
    Ok((found, up_to))
}

/// A subject's last message as of a sequence.
fn last_up_to<S: MessageStore>(
    subject: &[u8],
    first: Sequence,
    up_to: Sequence,
    store: &mut S,
) -> Option<Sequence> {
    let filter = Filter::try_from(subject).ok()?;
    let mut cursor = store.cursor(std::slice::from_ref(&filter));
    let mut last = first;
    while let Ok(Some(next)) = store.next(&mut cursor, last.saturating_add(1))
        && next <= up_to
    {
        last = next;
    }
    Some(last)
}

/// Sends some more of what was asked for.
pub(crate) fn go_on<S: MessageStore>(
    stream: &[u8],
    direct: &mut DirectGet<S::Cursor>,
    store: &mut S,
    out: &mut Vec<u8>,
    send: Sink<'_>,
) {
    for _ in 0..MESSAGES_PER_STEP {
        let more = direct.left > 0 && (direct.bytes == 0 || direct.bytes < direct.max_bytes);
        let next = if more { direct.next::<S>(store) } else { None };
        let Some(sequence) = next else {
            direct.finish::<S>(store, out, send);
            return;
        };
        if sequence < direct.at_least {
            direct.pending = direct.pending.saturating_sub(1);
            continue;
        }
        direct.send::<S>(stream, sequence, store, out, send);
    }
}

impl<C> DirectGet<C> {
    fn next<S: MessageStore<Cursor = C>>(&mut self, store: &mut S) -> Option<Sequence> {
        match &mut self.kind {
            Kind::Next { cursor, from, .. } => {
                let found = store.next(cursor, *from).ok()??;
                *from = found.saturating_add(1);
                Some(found)
            }
            Kind::Lasts { sequences, .. } => sequences.next(),
        }
    }

    fn send<S: MessageStore>(
        &mut self,
        stream: &[u8],
        sequence: Sequence,
        store: &mut S,
        out: &mut Vec<u8>,
        send: Sink<'_>,
    ) {
        let Ok(Some(message)) = store.load(sequence) else {
            // It went between two steps.
            self.pending = self.pending.saturating_sub(1);
            return;
        };
        out.clear();
        if !self.no_headers {
            // nats-server counts down for messages with headers only.
            self.pending = self.pending.saturating_sub(1);
            header::open(out, message.headers);
            let time = message.timestamp;
            push_origin(out, stream, message.subject, sequence, time);
            header::push_number(out, b"Nats-Num-Pending", self.pending);
            header::push_number(out, b"Nats-Last-Sequence", self.last);
            header::close(out);
        }
        send(out, message.payload);
        self.last = sequence;
        self.left -= 1;
        let bytes = message.subject.len() + message.body_len();
        self.bytes = self.bytes.saturating_add(bytes as u64);
    }

    fn finish<S: MessageStore<Cursor = C>>(
        &mut self,
        store: &mut S,
        out: &mut Vec<u8>,
        send: Sink<'_>,
    ) {
        self.is_done = true;
        let mut up_to = None;
        match &mut self.kind {
            Kind::Next {
                cursor,
                from,
                counted_at,
            } => {
                if store.state().last > *counted_at {
                    self.pending = store.count(cursor, *from, false).unwrap_or(self.pending);
                }
            }
            Kind::Lasts { up_to: at, .. } => up_to = Some(*at),
        }
        out.clear();
        out.extend_from_slice(b"NATS/1.0 204 EOB\r\n");
        header::push_number(out, b"Nats-Num-Pending", self.pending);
        header::push_number(out, b"Nats-Last-Sequence", self.last);
        if let Some(up_to) = up_to {
            header::push_number(out, b"Nats-UpTo-Sequence", up_to);
        }
        header::close(out);
        send(out, &[]);
    }
}

/// Appends the headers that say where a message comes from to an open block.
pub(crate) fn push_origin(
    out: &mut Vec<u8>,
    stream: &[u8],
    subject: &[u8],
    sequence: Sequence,
    stored: Timestamp,
) {
    header::push(out, b"Nats-Stream", stream);
    header::push(out, b"Nats-Subject", subject);
    header::push_number(out, b"Nats-Sequence", sequence);
    out.extend_from_slice(b"Nats-Time-Stamp: ");
    write_rfc3339(out, stored);
    out.extend_from_slice(b"\r\n");
}
