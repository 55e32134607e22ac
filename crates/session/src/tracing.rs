//! Messages whose headers ask for a trace: whether there is one, and where it goes.
//!
//! The destination has to be a subject that the client may publish to itself; a permission to respond
//! is none for traces. What is only to be traced and cannot be is not delivered either. The host notes
//! the way of the message and publishes the event. Called by the publish side for the few messages
//! with such headers.

use cognate_subject::validate::is_valid_literal;
use cognate_wire::tracing::{Ask, DESTINATION, DISABLED};
use cognate_wire::{Publish, headers};

use crate::publish::header_block;
use crate::{Context, Host, Report, Session};

/// What a message that is too large is told to be, in its trace.
const TOO_LARGE: &str = "maximum payload exceeded";

/// What becomes of a message that asks for a trace.
enum Outcome {
    /// It is like any other.
    Ordinary,
    /// It is delivered, and says from here on that it is not to be traced.
    Disabled,
    /// It goes nowhere.
    Dropped,
    /// It is traced to this subject.
    Traced(Vec<u8>),
}

impl<S> Session<S> {
    /// Publishes a message that may ask for a trace.
    #[cold]
    pub(crate) fn trace_and_publish<H: Host<Sub = S>>(
        &mut self,
        message: &Publish<'_>,
        host: &mut H,
    ) {
        let Some(ask) = Ask::read(header_block(message)) else {
            return self.publish::<H, false>(message, host);
        };
        match self.decide(&ask, host) {
            Outcome::Ordinary => self.publish::<H, false>(message, host),
            Outcome::Dropped => {}
            Outcome::Disabled => {
                let (payload, header_len) = disabled(message);
                let message = Publish {
                    payload: &payload,
                    header_len: Some(header_len),
                    tail: None,
                    ..*message
                };
                self.publish::<H, false>(&message, host);
            }
            Outcome::Traced(destination) => {
                host.begin_trace(&ask, message, &destination);
                self.publish::<H, true>(message, host);
                host.end_trace();
            }
        }
    }

    fn decide<H: Host<Sub = S>>(&mut self, ask: &Ask<'_>, host: &mut H) -> Outcome {
        let untraced = |how| if ask.only { Outcome::Dropped } else { how };
        if let Some(value) = ask.void {
            host.report(Report::TraceVoid(value));
            return untraced(Outcome::Disabled);
        }
        let destination = match ask.destination {
            Some(destination) => destination.to_vec(),
            None => match host.trace_context() {
                Context::Untraced => return Outcome::Ordinary,
                Context::Unsampled => return Outcome::Disabled,
                Context::Traced(destination) => destination,
            },
        };
        if !is_valid_literal(&destination) {
            host.report(Report::TraceDestination(&destination));
            return untraced(Outcome::Ordinary);
        }
        if !self.may_always_publish(&destination) {
            self.refuse_publish::<H, false>(&destination, host);
            return Outcome::Dropped;
        }
        Outcome::Traced(destination)
    }

    /// Tells of a message of `size` bytes that is refused before it is there: `rest` begins with its
    /// frame.
    pub(crate) fn trace_refused<H: Host<Sub = S>>(
        &mut self,
        rest: &[u8],
        size: usize,
        host: &mut H,
    ) {
        let Some((message, block)) = beginning(rest) else {
            return;
        };
        let Some(ask) = Ask::read(block) else {
            return;
        };
        if let Outcome::Traced(destination) = self.decide(&ask, host) {
            host.begin_trace(&ask, &message, &destination);
            host.trace_size(size);
            host.trace_error(TOO_LARGE);
            host.end_trace();
        }
    }
}

/// The message that an HPUB begins, without its payload, and what there is of its headers.
fn beginning(frame: &[u8]) -> Option<(Publish<'_>, &[u8])> {
    let end = frame.windows(2).position(|pair| pair == b"\r\n")?;
    let (line, rest) = frame.split_at(end);
    let mut words = line
        .split(|byte| matches!(byte, b' ' | b'\t'))
        .filter(|word| !word.is_empty());
    let verb = words.next()?;
    if !verb.eq_ignore_ascii_case(b"HPUB") {
        return None;
    }
    let subject = words.next()?;
    let (_total, header_len) = (words.next_back()?, words.next_back()?);
    let header_len: usize = str::from_utf8(header_len).ok()?.parse().ok()?;
    let rest = &rest[2..];
    let block = &rest[..rest.len().min(header_len)];
    let message = Publish {
        subject,
        reply: None,
        header_len: None,
        payload: &[],
        tail: None,
    };
    Some((message, block))
}

/// The payload of a message with headers that switch tracing off, and their length.
fn disabled(message: &Publish<'_>) -> (Vec<u8>, usize) {
    let block = header_block(message);
    let body = message.payload.get(block.len()..).unwrap_or_default();
    let mut payload = Vec::with_capacity(message.payload.len() + 40);
    headers::write_with(&mut payload, block, DESTINATION, DISABLED);
    let header_len = payload.len();
    payload.extend_from_slice(body);
    (payload, header_len)
}
