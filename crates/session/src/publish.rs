//! The publish side of a session: may this client say this, and did anybody hear it?

use cognate_auth::permissions::{PublishCache, is_reserved_reply};
use cognate_subject::validate::is_valid_literal;
use cognate_wire::{Publish, error_text, tracing};

use crate::{Host, Report, Rewritten, Session};

/// Subjects that stand for replies across gateways; clients may not publish on them.
const GATEWAY_REPLY: &[u8] = b"_GR_.";

/// Subjects of consensus groups; clients may not publish on them.
const CONSENSUS: &[u8] = b"$NRG.";

impl<S> Session<S> {
    #[inline(always)]
    pub(crate) fn handle_publish<H: Host<Sub = S>>(&mut self, message: &Publish<'_>, host: &mut H) {
        if message.header_len.is_some() && tracing::may_ask(header_block(message)) {
            return self.trace_and_publish(message, host);
        }
        self.publish::<H, false>(message, host);
    }

    /// Publishes a message; with `TRACED` the host notes its way.
    #[inline(always)]
    pub(crate) fn publish<H: Host<Sub = S>, const TRACED: bool>(
        &mut self,
        message: &Publish<'_>,
        host: &mut H,
    ) {
        if host.rewrites() {
            return self.rewrite_and_publish::<H, TRACED>(message, host);
        }
        self.publish_as_named::<H, TRACED>(message, host);
    }

    #[cold]
    fn rewrite_and_publish<H: Host<Sub = S>, const TRACED: bool>(
        &mut self,
        message: &Publish<'_>,
        host: &mut H,
    ) {
        let mut subject = Vec::new();
        match host.rewrite(message, &mut subject) {
            Rewritten::Same => self.publish_as_named::<H, TRACED>(message, host),
            Rewritten::Other => {
                let message = Publish {
                    subject: &subject,
                    ..*message
                };
                if TRACED {
                    host.trace_mapping(&subject);
                }
                self.publish_as_named::<H, TRACED>(&message, host);
            }
            Rewritten::Lost => self.acknowledge(host),
        }
    }

    #[inline(always)]
    fn publish_as_named<H: Host<Sub = S>, const TRACED: bool>(
        &mut self,
        message: &Publish<'_>,
        host: &mut H,
    ) {
        // Every reserved subject starts with one of two bytes, which ordinary ones rarely do.
        let unusual = matches!(message.subject.first(), Some(b'_' | b'$'));
        if self.features.pedantic && !is_valid_literal(message.subject) {
            self.complain(error_text::INVALID_PUBLISH_SUBJECT, host);
        }
        let restricted = self.access.permissions.is_some() || unusual;
        if restricted && !self.may_publish(message.subject, host) {
            host.count_refused(message.payload.len());
            return self.refuse_publish::<H, TRACED>(message.subject, host);
        }
        if let Some(reply) = message.reply
            && is_reserved_reply(reply)
        {
            host.count_refused(message.payload.len());
            host.report(Report::ReplyViolation(reply));
            let text = error_text::publish_reply_violation(reply);
            if TRACED {
                host.trace_error(&text);
            }
            return self.complain(&text, host);
        }
        self.acknowledge(host);
        let delivered = if TRACED {
            host.publish_traced(message, self.features.echo)
        } else {
            host.publish(message, self.features.echo)
        };
        if !delivered
            && self.features.no_responders
            && let Some(reply) = message.reply
        {
            host.no_responders(message.subject, reply);
        }
    }

    /// Tells a client that it may not publish to `subject`.
    #[cold]
    pub(crate) fn refuse_publish<H: Host<Sub = S>, const TRACED: bool>(
        &mut self,
        subject: &[u8],
        host: &mut H,
    ) {
        host.report(Report::PublishViolation(subject));
        let text = error_text::publish_violation(subject);
        if TRACED {
            host.trace_error(&text);
        }
        self.complain(&text, host);
    }

    /// Whether the permissions alone allow it to publish to `subject`; a permission to respond does
    /// not count.
    pub(crate) fn may_always_publish(&mut self, subject: &[u8]) -> bool {
        !is_reserved(subject) && self.is_permitted(subject)
    }

    fn is_permitted(&mut self, subject: &[u8]) -> bool {
        let Some(permissions) = &self.access.permissions else {
            return true;
        };
        let seed = self.cache_seed();
        let cache = self
            .publish_cache
            .get_or_insert_with(|| Box::new(PublishCache::new(seed)));
        cache.can_publish(permissions, subject)
    }

    fn may_publish<H: Host<Sub = S>>(&mut self, subject: &[u8], host: &mut H) -> bool {
        if is_reserved(subject) {
            return false;
        }
        self.is_permitted(subject) || (self.access.may_respond && host.may_respond(subject))
    }
}

/// Whether clients may never publish to `subject`.
fn is_reserved(subject: &[u8]) -> bool {
    subject.starts_with(GATEWAY_REPLY) || subject.starts_with(CONSENSUS)
}

/// The header block of a message; empty if it has none.
pub(crate) fn header_block<'a>(message: &Publish<'a>) -> &'a [u8] {
    let len = message.header_len.unwrap_or(0);
    message.payload.get(..len).unwrap_or(message.payload)
}
