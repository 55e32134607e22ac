//! What a client's task does besides reading and writing: requests of the server (a reload, a new
//! INFO) and its timer.
//!
//! The timer stands for the earliest of several deadlines: the login, the write, the end of a
//! pause, the next ping. Called by the task each time it is polled.

use std::future::Future;
use std::sync::Arc;
use std::task::Context;

use cognate_auth::permissions::SubscribeVerdict;
use cognate_session::{Close, PingAction, Verdict};
use cognate_wire::{CloseReason, error_text};
use tokio::time::Instant;

use super::{Client, Sub};
use crate::client::door::Change;
use crate::data::{Control, gated};
use crate::shared::Shared;

impl Client {
    pub(super) fn handle_control(&mut self, shared: &Shared) -> Result<(), Close> {
        for control in self.connection.take_control() {
            match control {
                Control::SendInfo => {
                    if self.session.takes_async_info() {
                        self.say(&self.door.async_info());
                    }
                }
                Control::LameDuckInfo => {
                    if self.session.takes_async_info() {
                        self.say(&self.door.lame_duck_info());
                    }
                }
                Control::Reloaded => self.handle_change(shared, Change::Options)?,
                Control::AccountsChanged => self.handle_change(shared, Change::Accounts)?,
            }
        }
        Ok(())
    }

    fn handle_change(&mut self, shared: &Shared, change: Change) -> Result<(), Close> {
        self.session.update_settings(shared.session_settings());
        self.door.refresh();
        if self.session.awaits_authentication() {
            return Ok(());
        }
        let verdict = self.door.reexamine(change);
        self.heed_verdict(shared, verdict)
    }

    /// Goes on as a service says that was asked about the client again.
    pub(super) fn check_asked_again(
        &mut self,
        shared: &Shared,
        cx: &mut Context<'_>,
    ) -> Result<(), Close> {
        match self.door.poll_asked_again(cx) {
            Some(verdict) => self.heed_verdict(shared, verdict),
            None => Ok(()),
        }
    }

    /// Goes on as somebody else, with other permissions, or not at all.
    fn heed_verdict(&mut self, shared: &Shared, verdict: Verdict) -> Result<(), Close> {
        self.follow_account();
        self.session.update_settings(self.door.settings());
        match verdict {
            Verdict::Accepted(access) => {
                self.session.update_access(access);
                self.revoke_subscriptions();
                // The account's claims may end at another time now.
                self.arm_timer(shared);
                Ok(())
            }
            Verdict::Refused(text, reason) => {
                if !text.is_empty() {
                    self.complain(text);
                }
                Err(Close(reason))
            }
            Verdict::Pending => {
                self.complain(error_text::AUTHORIZATION_VIOLATION);
                Err(Close(CloseReason::AuthenticationFailure))
            }
        }
    }

    /// Ends the subscriptions that new permissions no longer allow, and says so.
    fn revoke_subscriptions(&mut self) {
        let permissions = self.door.permissions();
        let verdict = |sub: &Sub| match &permissions {
            Some(permissions) => permissions.check_subscribe(sub.subject(), sub.queue()),
            None => SubscribeVerdict::Allowed,
        };
        let taken = self
            .session
            .subscriptions()
            .take_unless(|sub| !matches!(verdict(sub), SubscribeVerdict::Denied));
        self.account.unsubscribe_all(&taken);
        self.renew_gates(verdict);
        for sub in &taken {
            self.door.report_removed(sub);
            self.complain(&error_text::subscription_removed(
                sub.subject(),
                sub.queue(),
                sub.sid(),
            ));
        }
        self.connection
            .set_subscription_count(self.session.subscriptions().len());
    }

    /// Withholds from the subscriptions that remain what new permissions deny within them, and
    /// nothing else any more.
    fn renew_gates(&mut self, verdict: impl Fn(&Sub) -> SubscribeVerdict) {
        let subscriptions: Vec<Sub> = self.session.subscriptions().iter().cloned().collect();
        for old in subscriptions {
            let deny = match verdict(&old) {
                SubscribeVerdict::AllowedWithFilter(deny) => Some(deny),
                _ => None,
            };
            if deny.is_none() && !old.is_gated() {
                continue;
            }
            let new = Arc::new(gated(&old, deny));
            new.settle(old.delivered());
            if let Some(max) = old.max() {
                new.limit(max);
            }
            self.account.unsubscribe(&old);
            self.account.subscribe(&new);
            let subscriptions = self.session.subscriptions();
            subscriptions.remove(old.sid());
            subscriptions.insert(new.sid(), Arc::clone(&new));
        }
    }

    pub(super) fn check_timer(
        &mut self,
        shared: &Shared,
        cx: &mut Context<'_>,
    ) -> Result<(), Close> {
        while self.timer.as_mut().poll(cx).is_ready() {
            let now = Instant::now();
            if self.auth_deadline.is_some_and(|deadline| deadline <= now) {
                self.complain(error_text::AUTHENTICATION_TIMEOUT);
                return Err(Close(CloseReason::AuthenticationTimeout));
            }
            if let Some((_, text)) = self.door.expiry().filter(|(at, _)| *at <= now) {
                self.complain(text);
                return Err(Close(CloseReason::AuthenticationExpired));
            }
            if self.write_deadline.is_some_and(|deadline| deadline <= now) {
                self.handle_write_timeout(shared)?;
            }
            if self.stall.as_ref().is_some_and(|stall| stall.until <= now) {
                self.stall = None;
            }
            self.handle_ping_timer(shared)?;
            self.arm_timer(shared);
        }
        Ok(())
    }

    fn handle_write_timeout(&mut self, shared: &Shared) -> Result<(), Close> {
        if shared.options().write_timeout != cognate_config::options::WriteTimeout::Retry {
            return Err(Close(CloseReason::SlowConsumerWriteDeadline));
        }
        self.write_deadline = None;
        self.write_mark = 0;
        self.note_progress(shared, 0, true);
        Ok(())
    }

    fn handle_ping_timer(&mut self, shared: &Shared) -> Result<(), Close> {
        let (interval, max) = {
            let settings = self.session.settings();
            (settings.ping_interval, settings.ping_max)
        };
        let now = shared.now();
        match self.session.keepalive().handle_timeout(now, interval, max) {
            PingAction::Wait => {}
            PingAction::Ping => self.say(b"PING\r\n"),
            PingAction::Stale => {
                self.complain(error_text::STALE_CONNECTION);
                return Err(Close(CloseReason::StaleConnection));
            }
        }
        Ok(())
    }

    pub(super) fn arm_timer(&mut self, shared: &Shared) {
        let ping = shared.instant_of(self.session.keepalive().next_timeout());
        let stall = self.stall.as_ref().map(|stall| stall.until);
        let expiry = self.door.expiry().map(|(at, _)| at);
        let others = [self.auth_deadline, self.write_deadline, stall, expiry];
        let next = others.into_iter().flatten().fold(ping, Instant::min);
        if self.timer.deadline() != next {
            self.timer.as_mut().reset(next);
        }
    }
}
