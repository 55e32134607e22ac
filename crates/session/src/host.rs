//! What a session needs from the server around it.
//!
//! The server implements [`Host`] once per pass over a client's bytes; tests implement it with a
//! recorder. Everything a session does to the world goes through here.

use std::sync::Arc;

use cognate_auth::permissions::{DenyFilter, Permissions};
use cognate_wire::tracing::Ask;
use cognate_wire::{CloseReason, ConnectOptions, Fault, Publish};

/// What a client that is let in may do.
#[derive(Clone, Default)]
pub struct Access {
    /// Its permissions; `None` permits everything.
    pub permissions: Option<Arc<Permissions>>,
    /// Whether the permissions let it answer messages it received (`allow_responses`).
    pub may_respond: bool,
}

/// The answer to a client's credentials.
pub enum Verdict {
    /// Let in.
    Accepted(Access),
    /// Turned away, with the text of the `-ERR` and the reason for connz.
    Refused(&'static str, CloseReason),
    /// Being decided elsewhere; the session waits until [`crate::Session::resume`].
    Pending,
}

/// A subscription the client asks for and may have.
pub struct SubscribeRequest<'a> {
    /// A valid filter.
    pub subject: &'a [u8],
    /// The queue group.
    pub queue: Option<&'a [u8]>,
    /// The client's id for it.
    pub sid: &'a [u8],
    /// Subjects that must be withheld from it.
    pub deny: Option<Arc<DenyFilter>>,
}

/// Something worth a line in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Report<'a> {
    /// A publish without permission.
    PublishViolation(&'a [u8]),
    /// A trace that cannot be: its destination is no subject.
    TraceDestination(&'a [u8]),
    /// A trace that is not made, because of a header with this value.
    TraceVoid(&'a [u8]),
    /// A publish with a reserved reply subject.
    ReplyViolation(&'a [u8]),
    /// A subscription without permission.
    SubscribeViolation {
        /// The filter.
        subject: &'a [u8],
        /// The queue group.
        queue: Option<&'a [u8]>,
        /// The client's id for it.
        sid: &'a [u8],
    },
    /// A subscription with more tokens than allowed.
    TooManyTokens(&'a [u8]),
    /// More subscriptions than allowed.
    MaxSubscriptions,
    /// An authentication failure.
    AuthorizationViolation,
    /// A breach of the protocol, with the bytes from the offending frame on.
    Fault(Fault, &'a [u8]),
    /// A CONNECT whose options could not be read.
    BadConnect(&'a str),
    /// The client said `-ERR`.
    ClientError(&'a [u8]),
}

/// What mappings make of a subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rewritten {
    /// It stays as it is.
    Same,
    /// Another subject.
    Other,
    /// The message is lost, as its mapping's weights say.
    Lost,
}

/// What an account does with messages whose trace context says that they are sampled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Context {
    /// Nothing.
    Untraced,
    /// It traces some of them, and not this one.
    Unsampled,
    /// It traces this one to this subject.
    Traced(Vec<u8>),
}

/// The server around a session.
pub trait Host {
    /// A handle to a subscription that is in force.
    type Sub;

    /// Counts a publish of so many bytes of payload that was refused: the client sent it all the
    /// same.
    fn count_refused(&mut self, _payload: usize) {}

    /// Whether published subjects may be rewritten ([`Self::rewrite`]).
    fn rewrites(&self) -> bool {
        false
    }

    /// Writes what the account's mappings make of a message's subject; asked before permissions
    /// are, which are about the rewritten subject.
    fn rewrite(&mut self, message: &Publish<'_>, out: &mut Vec<u8>) -> Rewritten {
        let _ = (message, out);
        Rewritten::Same
    }

    /// Delivers a message to everybody who wants it; returns whether anybody got it.
    fn publish(&mut self, message: &Publish<'_>, echo: bool) -> bool;

    /// What the client's account does with a message whose trace context says that it is sampled.
    fn trace_context(&mut self) -> Context {
        Context::Untraced
    }

    /// Begins to note the way of a message, which asks for that; the event will go to `destination`.
    fn begin_trace(&mut self, ask: &Ask<'_>, message: &Publish<'_>, destination: &[u8]) {
        let _ = (ask, message, destination);
    }

    /// Notes that the message that is traced was given another subject.
    fn trace_mapping(&mut self, subject: &[u8]) {
        let _ = subject;
    }

    /// Notes how long the message that is traced says it is, headers included.
    fn trace_size(&mut self, size: usize) {
        let _ = size;
    }

    /// Notes why the message that is traced gets no further.
    fn trace_error(&mut self, why: &str) {
        let _ = why;
    }

    /// Delivers the message that is traced, unless it is only to be traced; returns whether
    /// anybody got it, or would have.
    fn publish_traced(&mut self, message: &Publish<'_>, echo: bool) -> bool {
        self.publish(message, echo)
    }

    /// Ends what [`begin_trace`](Self::begin_trace) began: the event may be published.
    fn end_trace(&mut self) {}

    /// Tells the publisher that nobody answered, if it listens on `reply` itself.
    fn no_responders(&mut self, subject: &[u8], reply: &[u8]);

    /// Puts a subscription in force.
    fn subscribe(&mut self, request: SubscribeRequest<'_>) -> Self::Sub;

    /// Ends a subscription.
    fn unsubscribe(&mut self, subscription: &Self::Sub);

    /// Ends a subscription after `max` deliveries counted from its start; returns whether that
    /// many were made already (then the session ends it at once).
    fn limit(&mut self, subscription: &Self::Sub, max: u64) -> bool;

    /// Whether a subscription has reached its maximum, so that its sid is free.
    fn is_spent(&self, subscription: &Self::Sub) -> bool;

    /// Sends protocol text to this client, in order with its messages.
    fn send(&mut self, text: &[u8]);

    /// Sends the INFO that follows the first PONG.
    fn send_connect_info(&mut self);

    /// Fills in what an earlier CONNECT said about the client: its names, never its secrets.
    fn recall(&self, known: &mut ConnectOptions) {
        let _ = known;
    }

    /// Judges the credentials in a CONNECT. `first` is false when the client sent one before: then one
    /// that proves nothing and names nobody else leaves the client who it is.
    fn authenticate(&mut self, options: &ConnectOptions, first: bool) -> Verdict;

    /// Lets a client that never sent CONNECT in as `no_auth_user`, if there is one.
    fn authenticate_silent(&mut self) -> Option<Access>;

    /// Whether a response permission covers a publish to `subject`; uses it up.
    fn may_respond(&mut self, subject: &[u8]) -> bool;

    /// Notes something for the log.
    fn report(&mut self, report: Report<'_>);

    /// Notes a frame from the client for the trace log; called only while tracing is on.
    fn trace(&mut self, frame: &[u8]);
}
