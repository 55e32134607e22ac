//! What an administrator does to a consumer: change, pause, unpin and reset it.
//!
//! The configuration itself, and which changes of it are allowed, are for whoever calls this.

use cognate_model::{ConsumerConfig, DeliverPolicy, MessageStore, Sequence, StoreError, Timestamp};

use crate::activity::Activity;
use crate::consumer::Consumer;
use crate::host::{Advisory, ConsumerHost, Turn};
use crate::journal::Entry;
use crate::settings::Settings;

/// Why a consumer cannot be reset.
#[derive(Debug)]
pub enum ResetError {
    /// The deliver policy does not allow it; in nats-server's words.
    NotAllowed(&'static str),
    /// The store cannot tell where to begin.
    Store(StoreError),
}

impl std::fmt::Display for ResetError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ResetError::NotAllowed(why) => f.write_str(why),
            ResetError::Store(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ResetError {}

impl<C> Consumer<C> {
    /// Pauses delivery until a time; none, or a time that is over, ends a pause.
    pub fn pause<H: ConsumerHost>(
        &mut self,
        until: Option<Timestamp>,
        now: Timestamp,
        host: &mut H,
    ) {
        self.settings.pause_until = until;
        self.pause_end = until.filter(|&until| until > now);
        host.advisory(Advisory::Paused {
            until,
            paused: self.pause_end.is_some(),
        });
    }

    /// Says from now on which messages it no longer needs, or does not: its stream's retention
    /// changed.
    pub fn track_interest(&mut self, tracks: bool) {
        self.identity.tracks_interest = tracks;
    }

    /// Unpins the client of a group; the next request is pinned. Returns whether one was pinned.
    pub fn unpin<H: ConsumerHost>(&mut self, host: &mut H) -> bool {
        self.pin.unpin("admin", host)
    }

    /// Begins anew at a sequence, or after the last that is done (0). Returns where.
    ///
    /// # Errors
    /// If the deliver policy does not allow it, or the store fails.
    pub fn reset<S, H>(
        &mut self,
        config: &ConsumerConfig,
        sequence: Sequence,
        turn: &mut Turn<'_, S, H>,
    ) -> Result<Sequence, ResetError>
    where
        S: MessageStore<Cursor = C>,
        H: ConsumerHost,
    {
        let floor = self.ledger.floor.stream;
        let next = match (sequence, config.deliver_policy) {
            (0, _) => floor.saturating_add(1),
            (_, DeliverPolicy::All) => sequence,
            (_, DeliverPolicy::ByStartSequence) if sequence < config.opt_start_seq => {
                return Err(ResetError::NotAllowed("below start seq"));
            }
            (_, DeliverPolicy::ByStartSequence) => sequence,
            (_, DeliverPolicy::ByStartTime) => {
                let time = config.opt_start_time.unwrap_or_default();
                let start = turn.store.sequence_at(time).map_err(ResetError::Store)?;
                if sequence < start {
                    return Err(ResetError::NotAllowed("below start time"));
                }
                sequence
            }
            _ => return Err(ResetError::NotAllowed("not allowed")),
        };
        let needed = self
            .ledger
            .dead
            .keys()
            .next()
            .copied()
            .unwrap_or(Sequence::MAX);
        self.commit(&Entry::Reset { next }, turn.host);
        self.selection.restart(next);
        self.settle(needed.min(floor.saturating_add(1)), next - 1, turn.host);
        Ok(next)
    }

    /// Works by a changed configuration from now on.
    pub fn update<S, H>(&mut self, config: &ConsumerConfig, turn: &mut Turn<'_, S, H>)
    where
        S: MessageStore<Cursor = C>,
        H: ConsumerHost,
    {
        let new = Settings::new(config);
        let old = std::mem::replace(&mut self.settings, new);
        if self.settings.waits != old.waits {
            self.ledger.pending.set_waits(self.settings.waits.clone());
        }
        let rate = |settings: &Settings| settings.push.as_ref()?.bytes_per_second;
        if rate(&self.settings) != rate(&old) {
            self.pace
                .limit_rate(rate(&self.settings), self.identity.max_message);
        }
        if self.settings.inactive_threshold != old.inactive_threshold {
            self.activity = Activity::new(self.settings.inactive_threshold, turn.now);
            if self.push.as_ref().is_some_and(|push| push.active) {
                self.activity.suspend();
            }
        }
        if self.settings.pause_until != old.pause_until {
            self.pause(self.settings.pause_until, turn.now, turn.host);
        }
        if self.settings.filters != old.filters {
            self.selection.refilter(&self.settings.filters, turn.store);
        }
        let subject = |settings: &Settings| settings.push.as_ref().map(|push| push.subject.clone());
        if subject(&self.settings) != subject(&old) {
            self.redeliver_all(turn);
        }
    }

    /// The deliver subject changed: what was sent to the old one is sent again.
    fn redeliver_all<S, H>(&mut self, turn: &mut Turn<'_, S, H>)
    where
        S: MessageStore<Cursor = C>,
        H: ConsumerHost,
    {
        self.handle_interest(false, turn.now);
        let waiting = self
            .ledger
            .pending
            .iter()
            .filter(|slot| slot.ticket().is_none());
        let waiting: Vec<_> = waiting.map(|slot| slot.sequence).collect();
        for sequence in waiting {
            self.requeue(sequence, turn);
        }
    }
}
