//! What groups send, put on the data path; what they have to tell, as advisories.

use cognate_consumer::DeadLetter;
use cognate_group::{Notice, Outgoing, Place, Traced};
use cognate_stream::BatchKind;

use super::AccountJetStream;
use super::advisory;
use crate::data::{self, Outlet, Taken, Totals};
use crate::system::Event;
use crate::watching::Watching;

/// The outlet of one stream's group during one step.
pub(crate) struct GroupOutlet<'a> {
    outlet: Outlet<'a, Watching<'a>>,
    jetstream: &'a AccountJetStream,
    stream: &'a str,
    /// Consumers that nobody has used for too long.
    pub inactive: Vec<String>,
}

impl<'a> GroupOutlet<'a> {
    /// Puts a group's effects on the data path.
    pub(crate) fn new(
        outlet: Outlet<'a, Watching<'a>>,
        jetstream: &'a AccountJetStream,
        stream: &'a str,
    ) -> Self {
        GroupOutlet {
            outlet,
            jetstream,
            stream,
            inactive: Vec::new(),
        }
    }

    /// Sends what was staged. Returns what that was, and which consumers are to be deleted.
    pub(crate) fn finish(self) -> (Totals, Vec<String>) {
        (self.outlet.finish(), self.inactive)
    }
}

impl cognate_group::Outlet for GroupOutlet<'_> {
    #[inline]
    fn publish(&mut self, message: &Outgoing<'_>) -> bool {
        self.outlet.publish(&data::Outgoing {
            to: message.to,
            subject: message.subject,
            reply: Some(message.reply).filter(|reply| !reply.is_empty()),
            headers: message.headers,
            payload: message.payload,
        })
    }

    fn has_interest(&mut self, subject: &[u8], queue: Option<&[u8]>) -> bool {
        self.outlet.has_interest(subject, queue)
    }

    fn dead_letter(&mut self, place: Place, letter: &DeadLetter<'_>) {
        let reply = format!(
            "{}.{place}.{}",
            super::letter_prefix(self.stream),
            letter.sequence
        );
        self.outlet.publish(&data::Outgoing {
            to: letter.subject,
            subject: letter.subject,
            reply: Some(reply.as_bytes()),
            headers: letter.headers,
            payload: letter.payload,
        });
    }

    fn begin_batch(&mut self, kind: BatchKind) -> bool {
        self.jetstream.server.batch_places.take(kind)
    }

    fn end_batch(&mut self, kind: BatchKind) {
        self.jetstream.server.batch_places.give_back(kind);
    }

    fn traced(&mut self, ticket: u64, outcome: Traced) {
        let taken = Taken {
            ticket,
            subject: String::from_utf8_lossy(&outcome.subject).into_owned(),
            no_interest: outcome.no_interest,
            error: outcome.error.unwrap_or_default(),
        };
        let shared = &self.jetstream.server.shared;
        shared.events.note(shared, Event::Taken(Box::new(taken)));
    }

    fn notice(&mut self, notice: Notice) {
        if notice.event == cognate_group::Event::Inactive {
            self.inactive.extend(notice.consumer);
            return;
        }
        let Some((subject, body)) = advisory::of_notice(self.jetstream, self.stream, &notice)
        else {
            return;
        };
        self.outlet
            .publish(&data::Outgoing::to(subject.as_bytes(), &body));
    }
}
