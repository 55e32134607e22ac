//! The effects of the stream and of the consumers, carried out within their group.
//!
//! A stream's effects are held back until they are durable ([`crate::effects`]); a consumer's
//! deliveries go out at once, because a consumer sees durable messages only, and its confirmations
//! of acknowledgements are held back like a stream's.

use std::collections::VecDeque;

use cognate_consumer::{Advisory as ConsumerAdvisory, ConsumerHost, DeadLetter, Removal};
use cognate_model::{ApiError, Message, Sequence};
use cognate_store::disk::Disk;
use cognate_stream::{Advisory, BatchKind, StreamHost};

use crate::any_store::AnyCursor;
use crate::effects::Effects;
use crate::group::Room;
use crate::interest::Place;
use crate::journal::Keeper;
use crate::members::Members;
use crate::notice::{Event, Notice};
use crate::outlet::{Outgoing, Outlet};
use crate::retention::Settled;

/// What consumers' effects change in the group.
pub(crate) struct Wake<'a, D: Disk> {
    pub(crate) effects: &'a mut Effects,
    pub(crate) journal: &'a mut Keeper<D>,
    pub(crate) settled: &'a mut VecDeque<Settled>,
}

/// Takes a stream's effects.
pub(crate) struct StreamSide<'a, D: Disk, O> {
    pub(crate) members: &'a mut Members<AnyCursor<D>>,
    pub(crate) wake: Wake<'a, D>,
    pub(crate) outlet: &'a mut O,
    pub(crate) removal: Removal,
    /// How many bytes more account and server have room for.
    pub(crate) room: &'a mut Room,
}

impl<D: Disk, O: Outlet> StreamHost for StreamSide<'_, D, O> {
    #[inline]
    fn respond(&mut self, reply: &[u8], headers: &[u8], body: &[u8]) {
        self.wake.effects.send(reply, b"", headers, body);
    }

    fn publish(&mut self, subject: &[u8], headers: &[u8], payload: &[u8]) {
        self.wake.effects.send(subject, b"", headers, payload);
    }

    #[inline]
    fn stored(&mut self, message: &Message<'_>) {
        // The sequence is told even when there are no consumers: a later one must know how far
        // what is stored may be seen.
        let subject = if self.members.is_empty() {
            &[]
        } else {
            message.subject
        };
        self.wake.effects.stored(message.sequence, subject);
    }

    fn removed(&mut self, sequence: Sequence, subject: &[u8]) {
        if self.members.is_empty() {
            return;
        }
        let mut places = Vec::new();
        self.members
            .interest
            .for_each(subject, |place| places.push(place));
        for place in places {
            self.note_removed(place, sequence, sequence);
        }
    }

    fn removed_below(&mut self, sequence: Sequence) {
        for place in self.members.places() {
            self.note_removed(place, 0, sequence.saturating_sub(1));
        }
    }

    fn advisory(&mut self, advisory: Advisory<'_>) {
        let Advisory::BatchAbandoned { batch, reason } = advisory;
        self.outlet.notice(Notice {
            consumer: None,
            event: Event::BatchAbandoned {
                batch: String::from_utf8_lossy(batch).into_owned(),
                reason: reason.as_str(),
            },
        });
    }

    fn has_interest(&mut self, subject: &[u8]) -> bool {
        self.members.interest.wants(subject)
    }

    fn admit(&mut self, bytes: u64) -> Result<(), ApiError> {
        if bytes > self.room.server {
            return Err(cognate_model::error::INSUFFICIENT_RESOURCES);
        }
        if !self.room.is_allowed {
            return Err(cognate_model::error::NO_LIMITS);
        }
        if bytes > self.room.account {
            return Err(cognate_model::error::ACCOUNT_RESOURCES_EXCEEDED);
        }
        self.room.server -= bytes;
        self.room.account -= bytes;
        Ok(())
    }

    fn begin_batch(&mut self, kind: BatchKind) -> bool {
        self.outlet.begin_batch(kind)
    }

    fn end_batch(&mut self, kind: BatchKind) {
        self.outlet.end_batch(kind);
    }
}

impl<D: Disk, O: Outlet> StreamSide<'_, D, O> {
    fn note_removed(&mut self, place: Place, first: Sequence, last: Sequence) {
        let Some(member) = self.members.get_mut(place) else {
            return;
        };
        let mut side = ConsumerSide {
            outlet: self.outlet,
            effects: self.wake.effects,
            journal: self.wake.journal,
            settled: self.wake.settled,
            place,
            name: &member.spec.name,
            is_kept: member.is_kept,
        };
        member
            .consumer
            .note_removed(first, last, self.removal, &mut side);
        self.members.touch(place);
    }
}

/// Takes one consumer's effects.
pub(crate) struct ConsumerSide<'a, D: Disk, O> {
    pub(crate) outlet: &'a mut O,
    pub(crate) effects: &'a mut Effects,
    pub(crate) journal: &'a mut Keeper<D>,
    pub(crate) settled: &'a mut VecDeque<Settled>,
    pub(crate) place: Place,
    pub(crate) name: &'a str,
    pub(crate) is_kept: bool,
}

impl<D: Disk, O: Outlet> ConsumerHost for ConsumerSide<'_, D, O> {
    #[inline]
    fn deliver(&mut self, to: &[u8], reply: &[u8], message: &Message<'_>) -> bool {
        self.outlet.publish(&Outgoing {
            to,
            subject: message.subject,
            reply,
            headers: message.headers,
            payload: message.payload,
        })
    }

    fn status(&mut self, to: &[u8], reply: &[u8], headers: &[u8]) {
        self.outlet.publish(&Outgoing {
            reply,
            ..Outgoing::to(to, headers, b"")
        });
    }

    fn respond_ack(&mut self, to: &[u8]) {
        self.effects.confirm(to, b"");
    }

    fn journal(&mut self, entry: &[u8]) {
        if self.is_kept {
            self.journal.append(self.place, entry);
        }
    }

    fn settled(&mut self, first: Sequence, last: Sequence) {
        self.settled.push_back(Settled {
            place: self.place,
            is_kept: self.is_kept,
            first,
            last,
        });
    }

    fn advisory(&mut self, advisory: ConsumerAdvisory<'_>) {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let event = match advisory {
            ConsumerAdvisory::MaxDeliveries {
                stream_sequence,
                deliveries,
            } => Event::MaxDeliveries {
                stream_sequence,
                deliveries,
            },
            ConsumerAdvisory::Naked {
                consumer_sequence,
                stream_sequence,
                deliveries,
            } => Event::Naked {
                consumer_sequence,
                stream_sequence,
                deliveries,
            },
            ConsumerAdvisory::Terminated {
                consumer_sequence,
                stream_sequence,
                deliveries,
                reason,
            } => Event::Terminated {
                consumer_sequence,
                stream_sequence,
                deliveries,
                reason: text(reason),
            },
            ConsumerAdvisory::AckSample {
                consumer_sequence,
                stream_sequence,
                ack_time,
                deliveries,
            } => Event::AckSample {
                consumer_sequence,
                stream_sequence,
                ack_time,
                deliveries,
            },
            ConsumerAdvisory::Pinned { group, id } => Event::Pinned {
                group: text(group),
                id: text(id),
            },
            ConsumerAdvisory::Unpinned { group, reason } => Event::Unpinned {
                group: text(group),
                reason,
            },
            ConsumerAdvisory::Paused { until, paused } => Event::Paused { until, paused },
        };
        self.tell(event);
    }

    fn has_interest(&mut self, subject: &[u8]) -> bool {
        self.outlet.has_interest(subject, None)
    }

    fn dead_letter(&mut self, letter: &DeadLetter<'_>) {
        self.outlet.dead_letter(self.place, letter);
    }

    fn inactive(&mut self) {
        self.tell(Event::Inactive);
    }
}

impl<D: Disk, O: Outlet> ConsumerSide<'_, D, O> {
    fn tell(&mut self, event: Event) {
        self.outlet.notice(Notice {
            consumer: Some(self.name.to_owned()),
            event,
        });
    }
}
