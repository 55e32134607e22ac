//! Counter streams: each message is a change, and what is stored is the subject's new total.
//!
//! ```text
//! published  Nats-Incr: +2, no payload
//! stored     Nats-Incr: +2, {"val":"7"}
//! sourced    the total of the origin; what it has grown by since is added here, and
//!            Nats-Counter-Sources remembers the origin's total: {"ORIGIN":{"subject":"12"}}
//! ```

use std::collections::BTreeMap;

use cognate_model::{ApiError, MessageStore, error};
use serde_json::Value;

use crate::context::Context;
use crate::decimal::Decimal;
use crate::edit::Edits;
use crate::header::{Headers, name};
use crate::host::{Publish, StreamHost};
use crate::reply::write_json_string;

/// The total of one subject.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counter {
    total: Decimal,
    /// The totals of origins, by stream and subject.
    sources: BTreeMap<String, BTreeMap<String, String>>,
}

impl<S: MessageStore, H: StreamHost> Context<'_, S, H> {
    /// `Nats-Incr` of a message that is not sourced.
    pub(crate) fn check_increment(
        &self,
        headers: &Headers<'_>,
        payload: &[u8],
    ) -> Result<(), ApiError> {
        if headers.increment.is_empty() {
            return Ok(());
        }
        if Decimal::parse(headers.increment).is_none() {
            return Err(error::MESSAGE_INCR_INVALID);
        }
        if !self.rules.counters {
            return Err(error::MESSAGE_INCR_DISABLED);
        }
        if !payload.is_empty() {
            return Err(error::MESSAGE_INCR_PAYLOAD);
        }
        // A change holds whatever was before, so it cannot expect or replace anything.
        let others = [
            headers.rollup,
            headers.expected_stream,
            headers.expected_last_msg_id,
            headers.expected_subject,
            headers.expected_last_sequence,
            headers.expected_subject_sequence,
        ];
        if others.iter().any(|value| !value.is_empty()) {
            return Err(error::MESSAGE_INCR_INVALID);
        }
        Ok(())
    }

    /// Turns a change into the subject's new total.
    pub(crate) fn count(
        &mut self,
        subject: &[u8],
        publish: &Publish<'_>,
        headers: &Headers<'_>,
        edits: &mut Edits,
    ) -> Result<(), ApiError> {
        if headers.increment.is_empty() {
            return Err(error::MESSAGE_INCR_MISSING);
        }
        let mut counter = self.counter(subject)?;
        self.count_on(&mut counter, subject, publish, headers, edits)
    }

    /// The same for a total that is already known, and is changed.
    pub(crate) fn count_on(
        &mut self,
        counter: &mut Counter,
        subject: &[u8],
        publish: &Publish<'_>,
        headers: &Headers<'_>,
        edits: &mut Edits,
    ) -> Result<(), ApiError> {
        let mut change = Decimal::parse(headers.increment).ok_or(error::MESSAGE_INCR_INVALID)?;
        if !headers.stream_source.is_empty() {
            change = counter.change_of_source(subject, publish.payload, headers)?;
            let text = change.to_string();
            edits.set(publish.headers, name::INCREMENT, text.as_bytes());
        }
        counter.total = counter.total.plus(&change);
        let total = counter.total.to_string();
        let payload = edits.new_payload();
        payload.extend_from_slice(b"{\"val\":\"");
        payload.extend_from_slice(total.as_bytes());
        payload.extend_from_slice(b"\"}");
        if !counter.sources.is_empty() {
            let text = counter.sources_text();
            edits.set(publish.headers, name::COUNTER_SOURCES, &text);
        }
        let size = edits.headers(publish.headers).len() + edits.payload(&[]).len();
        if size > self.surroundings.max_payload {
            return Err(error::STREAM_MESSAGE_EXCEEDS_MAXIMUM);
        }
        Ok(())
    }

    /// The total that is stored for a subject.
    pub(crate) fn counter(&mut self, subject: &[u8]) -> Result<Counter, ApiError> {
        let Some(state) = self.store.subject(subject) else {
            return Ok(Counter::default());
        };
        match self.store.load(state.last) {
            Ok(Some(message)) => Counter::read(message.headers, message.payload),
            // What cannot be read must not be counted on from zero.
            Ok(None) | Err(_) => None,
        }
        .ok_or(error::MESSAGE_COUNTER_BROKEN)
    }
}

impl Counter {
    fn read(headers: &[u8], payload: &[u8]) -> Option<Self> {
        let total = Decimal::parse(read_value(payload)?.as_bytes()).unwrap_or_default();
        let mut counter = Self {
            total,
            ..Self::default()
        };
        let sources = Headers::parse(headers).counter_sources;
        if !sources.is_empty() {
            counter.sources = read_sources(sources)?;
        }
        Some(counter)
    }

    /// What an origin's total has grown by since it was seen last.
    fn change_of_source(
        &mut self,
        subject: &[u8],
        payload: &[u8],
        headers: &Headers<'_>,
    ) -> Result<Decimal, ApiError> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let mut fields = headers.stream_source.split(|byte| *byte == b' ');
        let origin = text(fields.next().unwrap_or_default());
        let subject = text(fields.nth(3).unwrap_or(subject));
        let value = read_value(payload).ok_or(error::MESSAGE_COUNTER_BROKEN)?;
        let total = Decimal::parse(value.as_bytes()).unwrap_or_default();
        let seen = self
            .sources
            .entry(origin)
            .or_default()
            .entry(subject)
            .or_default();
        let before = Decimal::parse(seen.as_bytes()).unwrap_or_default();
        *seen = total.to_string();
        Ok(total.minus(&before))
    }

    fn sources_text(&self) -> Vec<u8> {
        let mut out = vec![b'{'];
        for (at, (stream, subjects)) in self.sources.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            write_json_string(&mut out, stream.as_bytes());
            out.extend_from_slice(b":{");
            for (at, (subject, total)) in subjects.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                write_json_string(&mut out, subject.as_bytes());
                out.push(b':');
                write_json_string(&mut out, total.as_bytes());
            }
            out.push(b'}');
        }
        out.push(b'}');
        out
    }
}

/// The total in a stored message; empty if it cannot be found.
pub(crate) fn stored_value(payload: &[u8]) -> String {
    read_value(payload).unwrap_or_default()
}

/// The `val` of a body; empty if it has none, nothing if it is not a counter's body.
fn read_value(payload: &[u8]) -> Option<String> {
    // As it is written here.
    let plain = payload.strip_prefix(b"{\"val\":\"");
    let plain = plain.and_then(|rest| rest.strip_suffix(b"\"}"));
    if let Some(value) = plain
        && value
            .iter()
            .all(|byte| byte.is_ascii_digit() || *byte == b'-')
    {
        return String::from_utf8(value.to_vec()).ok();
    }
    match serde_json::from_slice(payload).ok()? {
        Value::Null => Some(String::new()),
        Value::Object(mut fields) => match fields.remove("val") {
            None | Some(Value::Null) => Some(String::new()),
            Some(Value::String(value)) => Some(value),
            Some(_) => None,
        },
        _ => None,
    }
}

fn read_sources(text: &[u8]) -> Option<BTreeMap<String, BTreeMap<String, String>>> {
    let Value::Object(streams) = serde_json::from_slice(text).ok()? else {
        return None;
    };
    let subjects = |value: Value| match value {
        Value::Object(subjects) => subjects
            .into_iter()
            .map(|(subject, total)| Some((subject, total.as_str()?.to_owned())))
            .collect::<Option<BTreeMap<_, _>>>(),
        _ => None,
    };
    streams
        .into_iter()
        .map(|(stream, value)| Some((stream, subjects(value)?)))
        .collect()
}
