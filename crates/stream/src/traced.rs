//! A publish whose way is told (message tracing): the same as any other, and said what became of it.
//!
//! One that is only to be traced is checked and goes no further: nothing is stored and nobody told of
//! a success; what is wrong with it is answered as ever. Reasons are in nats-server's words, which
//! differ from those of the answer.

use cognate_model::{ApiError, MessageStore, Timestamp, error};

use crate::batch_fast;
use crate::context::Context;
use crate::edit::Edits;
use crate::header::{self, Headers};
use crate::host::{Publish, StreamHost};
use crate::stream::Stream;

/// What became of a publish whose way is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Traced {
    /// The subject it is stored under; empty if it was refused before that mattered.
    pub subject: Vec<u8>,
    /// No consumer wants it, so it is not kept.
    pub no_interest: bool,
    /// Why it was refused.
    pub error: Option<String>,
}

impl Stream {
    /// Takes a message like [`handle_publish`](Stream::handle_publish), unless it is `only` to be
    /// traced, and says what became of it. What becomes of a batch is not said.
    pub fn handle_traced<S: MessageStore, H: StreamHost>(
        &mut self,
        publish: &Publish<'_>,
        only: bool,
        now: Timestamp,
        store: &mut S,
        host: &mut H,
    ) -> Traced {
        let mut buffer = Vec::new();
        let publish = Publish {
            headers: header::without_status(publish.headers, &mut buffer),
            ..*publish
        };
        let headers = Headers::parse(publish.headers);
        let in_batch = publish.reply.ends_with(batch_fast::SUFFIX) || !headers.batch_id.is_empty();
        if !in_batch {
            return self
                .context(now, store, host)
                .accept_traced(&publish, &headers, only);
        }
        if !only {
            self.handle_publish(&publish, now, store, host);
        }
        Traced {
            subject: publish.subject.to_vec(),
            ..Traced::default()
        }
    }
}

impl<S: MessageStore, H: StreamHost> Context<'_, S, H> {
    fn accept_traced(
        &mut self,
        publish: &Publish<'_>,
        headers: &Headers<'_>,
        only: bool,
    ) -> Traced {
        let mut subject = Vec::new();
        let subject = self.transformed(publish.subject, publish.random, &mut subject);
        // What refuses it is asked first, so that the reason is known before the state changes.
        let mut edits = Edits::default();
        let mut unused = Vec::new();
        let checked = self.check(publish, headers, &mut unused, &mut edits);
        let refused = match checked {
            Ok(checked) => checked.duplicate.map(|_| "msgid is duplicate".to_owned()),
            Err(refused) => Some(self.reason(&refused, subject, headers)),
        };
        let mut traced = Traced::default();
        let passes = refused.is_none();
        if passes {
            traced.no_interest = self.rules.interest && !self.host.has_interest(subject);
            traced.subject = subject.to_vec();
        }
        traced.error = refused;
        // A refusal is answered as ever; of what passes, only what is to be delivered goes on.
        if !(only && passes) {
            let failed = self.accept(publish, headers).err();
            if passes && let Some(failed) = failed {
                traced.error = Some(failed.description.into_owned());
            }
        }
        traced
    }

    /// Why a publish was refused.
    fn reason(&mut self, refused: &ApiError, subject: &[u8], headers: &Headers<'_>) -> String {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let is = |other: &ApiError| refused.err_code == other.err_code;
        if is(&error::STREAM_MESSAGE_EXCEEDS_MAXIMUM) || is(&error::STREAM_HEADER_EXCEEDS_MAXIMUM) {
            "maximum payload exceeded".to_owned()
        } else if is(&error::MESSAGE_TTL_DISABLED) {
            "message TTL disabled".to_owned()
        } else if is(&error::STREAM_NOT_MATCH) || is(&error::stream_rollup_failed("")) {
            refused.description.clone().into_owned()
        } else if is(&error::stream_wrong_last_sequence(0)) {
            let last = refused.description.rsplit(' ').next().unwrap_or_default();
            match self.check_subject_sequence(subject, headers) {
                Err(_) => format!(
                    "last sequence by subject mismatch: {} vs {last}",
                    text(headers.expected_subject_sequence)
                ),
                Ok(()) => format!(
                    "last sequence mismatch: {} vs {last}",
                    text(headers.expected_last_sequence)
                ),
            }
        } else if is(&error::stream_wrong_last_msg_id("")) {
            let quoted = |bytes: &[u8]| cognate_model::text::quoted(&text(bytes));
            let (expected, last) = (headers.expected_last_msg_id, &self.memory.last_id);
            format!(
                "last msgid mismatch: {} vs {}",
                quoted(expected),
                quoted(last)
            )
        } else {
            format!("{} ({})", refused.description, refused.err_code)
        }
    }
}
