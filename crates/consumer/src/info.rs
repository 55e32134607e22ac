//! What a consumer tells of itself.
//!
//! Absent: its configuration, names and JSON.

use std::time::Duration;

use cognate_model::{MessageStore, Timestamp};

use crate::consumer::Consumer;
use crate::host::{ConsumerHost, Turn};
use crate::ledger::Position;

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConsumerState {
    /// The last delivery.
    pub delivered: Position,
    /// When that was.
    pub last_delivered: Option<Timestamp>,
    /// Everything up to here is done.
    pub ack_floor: Position,
    /// When the last acknowledgement came.
    pub last_acked: Option<Timestamp>,
    /// Messages that wait for their acknowledgement.
    pub ack_pending: usize,
    /// Messages that were delivered more than once and are not done.
    pub redelivered: usize,
    /// Pull requests that wait.
    pub waiting: usize,
    /// Messages that are still to be delivered for the first time.
    pub pending: u64,
    /// Somebody listens on the deliver subject.
    pub push_bound: bool,
    /// For how long delivery is paused.
    pub pause_remaining: Option<Duration>,
    /// The first priority group, if there is one.
    pub priority_group: Option<GroupState>,
}

/// A priority group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupState {
    /// Its name.
    pub group: Box<[u8]>,
    /// The id of the client that is pinned and since when.
    pub pinned: Option<(Box<[u8]>, Timestamp)>,
}

impl<C> Consumer<C> {
    /// Its state. Requests that are over are ended first, so that they don't count.
    pub fn info<S, H>(&mut self, turn: &mut Turn<'_, S, H>) -> ConsumerState
    where
        S: MessageStore<Cursor = C>,
        H: ConsumerHost,
    {
        if !self.pull.is_empty() {
            let seen = self.seen();
            self.pull.sweep(turn.now, false, seen, turn.host);
        }
        let now = turn.now;
        let ledger = &self.ledger;
        let until = self.settings.pause_until.filter(|&until| until > now);
        // With one delivery at most there are no redeliveries to tell of.
        let counts_redelivered = self.settings.max_deliver != Some(1);
        ConsumerState {
            delivered: self.shown_delivered(),
            last_delivered: ledger.last_delivered,
            ack_floor: ledger.floor,
            last_acked: ledger.last_acked,
            ack_pending: ledger.pending.len(),
            redelivered: if counts_redelivered {
                ledger.redelivered()
            } else {
                0
            },
            waiting: self.pull.len(),
            pending: self.selection.remaining_stored(turn.store),
            push_bound: self.push.as_ref().is_some_and(|push| push.active),
            pause_remaining: until.map(|until| until.since(now)),
            priority_group: self.group_state(),
        }
    }

    /// A consumer that has not delivered anything yet tells how far it has looked.
    fn shown_delivered(&self) -> Position {
        let delivered = self.ledger.delivered;
        if delivered == Position::default() {
            return Position {
                consumer: 0,
                stream: self.selection.position().saturating_sub(1),
            };
        }
        delivered
    }

    fn group_state(&self) -> Option<GroupState> {
        let group = self.settings.groups.first()?.clone();
        let pinned = self
            .pin
            .pinned()
            .map(|pinned| (pinned.id.clone(), pinned.since));
        Some(GroupState { group, pinned })
    }
}
