//! The publish side of a session: may this client say this, and did anybody hear it?

use cognate_auth::permissions::{PublishCache, is_reserved_reply};
use cognate_subject::validate::is_valid_literal;
use cognate_wire::{Publish, error_text};

use crate::{Host, Report, Rewritten, Session};

/// Subjects that stand for replies across gateways; clients may not publish on them.
const GATEWAY_REPLY: &[u8] = b"_GR_.";

/// Subjects of consensus groups; clients may not publish on them.
const CONSENSUS: &[u8] = b"$NRG.";

impl<S> Session<S> {
    #[inline(always)]
    pub(crate) fn handle_publish<H: Host<Sub = S>>(&mut self, message: &Publish<'_>, host: &mut H) {
        if host.rewrites() {
            return self.rewrite_and_publish(message, host);
        }
        self.publish(message, host);
    }

    #[cold]
    fn rewrite_and_publish<H: Host<Sub = S>>(&mut self, message: &Publish<'_>, host: &mut H) {
        let mut subject = Vec::new();
        match host.rewrite(message, &mut subject) {
            Rewritten::Same => self.publish(message, host),
            Rewritten::Other => {
                let message = Publish {
                    subject: &subject,
                    ..*message
                };
                self.publish(&message, host);
            }
            Rewritten::Lost => self.acknowledge(host),
        }
    }

    #[inline(always)]
    fn publish<H: Host<Sub = S>>(&mut self, message: &Publish<'_>, host: &mut H) {
        // Every reserved subject starts with one of two bytes, which ordinary ones rarely do.
        let unusual = matches!(message.subject.first(), Some(b'_' | b'$'));
        if self.features.pedantic && !is_valid_literal(message.subject) {
            self.complain(error_text::INVALID_PUBLISH_SUBJECT, host);
        }
        let restricted = self.access.permissions.is_some() || unusual;
        if restricted && !self.may_publish(message.subject, host) {
            host.report(Report::PublishViolation(message.subject));
            return self.complain(&error_text::publish_violation(message.subject), host);
        }
        if let Some(reply) = message.reply
            && is_reserved_reply(reply)
        {
            host.report(Report::ReplyViolation(reply));
            return self.complain(&error_text::publish_reply_violation(reply), host);
        }
        self.acknowledge(host);
        let delivered = host.publish(message, self.features.echo);
        if !delivered
            && self.features.no_responders
            && let Some(reply) = message.reply
        {
            host.no_responders(message.subject, reply);
        }
    }

    fn may_publish<H: Host<Sub = S>>(&mut self, subject: &[u8], host: &mut H) -> bool {
        if subject.starts_with(GATEWAY_REPLY) || subject.starts_with(CONSENSUS) {
            return false;
        }
        let Some(permissions) = &self.access.permissions else {
            return true;
        };
        let seed = self.cache_seed();
        let cache = self
            .publish_cache
            .get_or_insert_with(|| Box::new(PublishCache::new(seed)));
        cache.can_publish(permissions, subject)
            || (self.access.may_respond && host.may_respond(subject))
    }
}
