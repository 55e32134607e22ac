//! The subscribe side of a session.
//!
//! The order of the checks is nats-server's, so that a client that breaks several rules hears of
//! the same one: permission, token limit, subscription limit, then the subject's form.

use cognate_auth::permissions::SubscribeVerdict;
use cognate_subject::validate::{is_valid_filter, token_count};
use cognate_wire::error_text;

use crate::{Host, Report, Session, SubscribeRequest};

/// A queue name that servers use among themselves.
const SYSTEM_QUEUE: &[u8] = b"_sys_";

impl<S> Session<S> {
    pub(crate) fn handle_subscribe<H: Host<Sub = S>>(
        &mut self,
        subject: &[u8],
        queue: Option<&[u8]>,
        sid: &[u8],
        host: &mut H,
    ) {
        let verdict = match &self.access.permissions {
            _ if queue == Some(SYSTEM_QUEUE) => SubscribeVerdict::Denied,
            None => SubscribeVerdict::Allowed,
            Some(permissions) => permissions.check_subscribe(subject, queue),
        };
        let deny = match verdict {
            SubscribeVerdict::Allowed => None,
            SubscribeVerdict::AllowedWithFilter(filter) => Some(filter),
            SubscribeVerdict::Denied => {
                host.report(Report::SubscribeViolation {
                    subject,
                    queue,
                    sid,
                });
                return self.complain(&error_text::subscribe_violation(subject, queue), host);
            }
        };
        if self
            .settings
            .max_sub_tokens
            .is_some_and(|max| token_count(subject) > max)
        {
            host.report(Report::TooManyTokens(subject));
            return self.complain(&error_text::too_many_tokens(subject), host);
        }
        if self
            .settings
            .max_subscriptions
            .is_some_and(|max| self.subscriptions.len() >= max)
        {
            host.report(Report::MaxSubscriptions);
            return self.complain(error_text::MAX_SUBSCRIPTIONS, host);
        }
        let taken = self
            .subscriptions
            .find(sid)
            .is_some_and(|taken| !host.is_spent(taken));
        if !taken {
            if !is_valid_filter(subject) {
                return self.complain(error_text::INVALID_SUBJECT, host);
            }
            let subscription = host.subscribe(SubscribeRequest {
                subject,
                queue,
                sid,
                deny,
            });
            self.subscriptions.insert(sid, subscription);
        }
        self.acknowledge(host);
    }

    pub(crate) fn handle_unsubscribe<H: Host<Sub = S>>(
        &mut self,
        sid: &[u8],
        max: Option<i64>,
        host: &mut H,
    ) {
        if let Some(subscription) = self.subscriptions.find(sid) {
            let max = max.and_then(|max| u64::try_from(max).ok()).unwrap_or(0);
            if max == 0 || host.limit(subscription, max) {
                host.unsubscribe(subscription);
                self.subscriptions.remove(sid);
            }
        }
        self.acknowledge(host);
    }
}
