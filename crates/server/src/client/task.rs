//! The task of one client connection: one owner, one loop.
//!
//! Each time it is polled it looks, in this order, at whether somebody closed the connection, at
//! requests from the server, at bytes that wait for room in the socket, at a login being checked
//! elsewhere, at its timer, and at what the client sent. It owns the session and the transport;
//! everything it shares is in [`Connection`].
//!
//! Bounds: a poll makes at most [`PASSES`] passes before other tasks get a turn; a publisher is
//! slowed down at most by [`STALL_TOTAL`] per [`STALL_BYTES`] for the sake of destinations that cannot
//! keep up.

mod upkeep;

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll};
use std::time::Duration;

use cognate_process::info;
use cognate_process::text::duration_text;
use cognate_router::Subscription;
use cognate_session::{Close, Fed, Session};
use cognate_wire::{CloseReason, error_text};
use tokio::time::{Instant, Sleep};

use super::door::ClientDoor;
use super::input::{Carry, Filled};
use super::lockstep::{self, Lockstep};
use super::transport::Transport;
use crate::data::{
    Account, Borrowed, Connection, Door, Outcome, Pass, Pending, Pressure, READ_BYTES, Relief,
    Totals, Worker,
};
use crate::shared::Shared;

/// Reads worked through before other tasks get a turn.
const PASSES: usize = 16;

/// The longest a publisher waits for destinations that cannot keep up, per [`STALL_BYTES`] that it
/// published, or less. So a consumer that takes 6.5 MB/s is not cut off for the sake of one publisher
/// at full speed; both numbers are nats-server's, which reads no more than that at a time.
const STALL_TOTAL: Duration = Duration::from_millis(10);
const STALL_BYTES: usize = 64 * 1024;

/// The same for destinations that refuse what is too much: a stream whose disk is slow is worth
/// waiting for longer, because what it refuses is not stored.
const STALL_REFUSED: Duration = Duration::from_millis(250);

/// The longest a publisher waits when all its destinations are behind, per read.
const CROWD_PAUSE: Duration = Duration::from_millis(2);

type Sub = Arc<Subscription<Connection>>;

/// A pause for the sake of a destination.
struct Stall {
    to: Arc<Connection>,
    relief: Relief,
    /// When it is over, whether there was relief or not.
    until: Instant,
}

/// What a pass came to.
struct Passed {
    received: Totals,
    sent: Totals,
    /// Time since the server started, at the pass.
    now: Duration,
    closed: Option<Close>,
}

impl Passed {
    fn close(reason: CloseReason) -> Self {
        let (received, sent) = Default::default();
        Passed {
            received,
            sent,
            now: Duration::ZERO,
            closed: Some(Close(reason)),
        }
    }
}

/// The task of one client connection.
pub(crate) struct ClientTask {
    shared: Arc<Shared>,
    /// Apart from the task's own state, which would otherwise hold it more than once.
    client: Box<Client>,
}

/// The owner of one client connection.
struct Client {
    connection: Arc<Connection>,
    account: Arc<Account>,
    session: Session<Sub>,
    transport: Transport,
    door: ClientDoor,
    carry: Carry,
    /// The stream holds bytes back that the socket did not take.
    flushing: bool,
    timer: Pin<Box<Sleep>>,
    /// When the client must have authenticated.
    auth_deadline: Option<Instant>,
    /// When the bytes queued at `write_mark` must have left.
    write_deadline: Option<Instant>,
    write_mark: usize,
    stall: Option<Stall>,
    lockstep: Lockstep,
}

impl ClientTask {
    /// The task of a connection that is entered in the registry and has been sent its INFO.
    pub(crate) fn new(
        shared: Arc<Shared>,
        connection: Arc<Connection>,
        transport: Transport,
        door: ClientDoor,
        seed: u64,
    ) -> Self {
        let session = Session::new(shared.session_settings(), shared.now(), seed);
        let waits = session.awaits_authentication();
        let auth_deadline = waits.then(|| Instant::now() + shared.options().auth_timeout());
        let client = Client {
            timer: Box::pin(tokio::time::sleep(Duration::ZERO)),
            connection,
            account: Arc::clone(door.account()),
            session,
            transport,
            door,
            carry: Carry::default(),
            flushing: false,
            auth_deadline,
            write_deadline: None,
            write_mark: 0,
            stall: None,
            lockstep: Lockstep::default(),
        };
        ClientTask {
            shared,
            client: Box::new(client),
        }
    }

    /// Serves the client until the connection ends.
    pub(crate) async fn run(self) {
        let ClientTask { shared, mut client } = self;
        client.arm_timer(&shared);
        let served = std::future::poll_fn(|cx| {
            let polled = client.poll(&shared, cx);
            if polled.is_pending() && client.lockstep.looks(&shared.looker, || shared.now()) {
                lockstep::poll_soon(cx);
            }
            polled
        });
        let Close(reason) = served.await;
        // Apart, so that a connection that lives does not hold room for its end.
        Box::pin(client.end(&shared, reason)).await;
    }
}

impl Client {
    fn poll(&mut self, shared: &Shared, cx: &mut Context<'_>) -> Poll<Close> {
        let (pending, signalled) = self.connection.outbound.poll_pending(cx);
        if let Pending::Closed(reason) = pending {
            return Poll::Ready(Close(reason));
        }
        let step = self.step(shared, cx, pending, signalled);
        match step {
            Ok(()) => Poll::Pending,
            Err(close) => Poll::Ready(close),
        }
    }

    fn step(
        &mut self,
        shared: &Shared,
        cx: &mut Context<'_>,
        pending: Pending,
        signalled: bool,
    ) -> Result<(), Close> {
        if signalled {
            self.handle_control(shared)?;
        }
        if pending == Pending::Bytes {
            self.drain(shared, cx)?;
        } else if self.flushing {
            self.flush(cx)?;
        }
        self.check_timer(shared, cx)?;
        self.check_asked_again(shared, cx)?;
        loop {
            self.read(shared, cx)?;
            // A login begun by what was just read must be polled, or nobody wakes this task.
            if !self.check_login(shared, cx)? {
                return Ok(());
            }
        }
    }

    /// Reads and works through what the client sent.
    fn read(&mut self, shared: &Shared, cx: &mut Context<'_>) -> Result<(), Close> {
        for _ in 0..PASSES {
            if self.door.is_verifying() || self.is_stalled(shared, cx) {
                return Ok(());
            }
            let mut desk = shared.workers.borrow();
            let worker = desk.worker();
            let mut buffer = std::mem::take(&mut worker.input);
            let filled = self.carry.poll_fill(cx, &mut self.transport, &mut buffer);
            let result = match filled {
                Poll::Pending => {
                    worker.input = buffer;
                    return Ok(());
                }
                Poll::Ready(Ok(Filled::Buffer(len))) => self.pass(shared, worker, &buffer[..len]),
                Poll::Ready(Ok(Filled::Own(bytes))) => self.pass(shared, worker, &bytes),
                Poll::Ready(Ok(Filled::End)) => Passed::close(CloseReason::ClientClosed),
                Poll::Ready(Err(_)) => Passed::close(CloseReason::ReadError),
            };
            desk.worker().input = buffer;
            self.settle_up(shared, &desk, result)?;
        }
        cx.waker().wake_by_ref();
        Ok(())
    }

    /// One pass over `input`; what is left of it is carried over.
    fn pass(&mut self, shared: &Shared, worker: &mut Worker, input: &[u8]) -> Passed {
        self.forget_ended();
        let now = shared.now();
        let Client {
            connection,
            account,
            session,
            door,
            ..
        } = self;
        let drop_for_stalled = door.drops_for_stalled();
        let mut pass = Pass::new(connection, account, door, worker, input, drop_for_stalled);
        let fed = session.feed(input, now, &mut pass);
        let Outcome {
            received,
            sent,
            pressure,
        } = pass.finish();
        let closed = match fed {
            Fed::More { consumed, total } => {
                self.carry.keep(&input[consumed..], total);
                None
            }
            Fed::Paused { consumed } => {
                self.carry.keep(&input[consumed..], None);
                None
            }
            Fed::Closed(close) => Some(close),
        };
        self.heed(shared, pressure, input.len());
        Passed {
            received,
            sent,
            now,
            closed,
        }
    }

    /// Slows this client down if it overwhelms others: for a while if one of them is about to be
    /// cut off, for a moment if all of them are behind.
    fn heed(&mut self, shared: &Shared, pressure: Pressure, published: usize) {
        let others = |to: &Arc<Connection>| !Arc::ptr_eq(to, &self.connection);
        let (to, relief, pause) = match pressure {
            Pressure {
                stalled: Some(to), ..
            } if others(&to) => {
                to.count_stall();
                shared.registry.lifetime.stalls.fetch_add(1, Relaxed);
                let (relief, pause) = match to.outbound.refuses() {
                    true => (Relief::CaughtUp, STALL_REFUSED),
                    false => (Relief::Safe, stall_for(published)),
                };
                (to, relief, pause)
            }
            Pressure {
                crowded: Some(to),
                relaxed: false,
                ..
            } if others(&to) => (to, Relief::CaughtUp, CROWD_PAUSE),
            _ => return,
        };
        let until = Instant::now() + pause;
        self.stall = Some(Stall { to, relief, until });
    }

    /// What others see of this connection is brought up to date after each pass.
    fn settle_up(
        &mut self,
        shared: &Shared,
        desk: &Borrowed<'_>,
        passed: Passed,
    ) -> Result<(), Close> {
        desk.count(passed.received, passed.sent);
        if passed.now > Duration::ZERO {
            self.connection.count_in(passed.received, passed.now);
            let answered = || self.connection.outbound.totals().msgs;
            self.lockstep
                .note_read(passed.received.msgs, passed.now, answered);
        }
        self.connection
            .set_subscription_count(self.session.subscriptions().len());
        if self.auth_deadline.is_some() && !self.session.awaits_authentication() {
            self.auth_deadline = None;
        }
        if let Some(rtt) = self.session.keepalive().rtt() {
            self.connection.set_rtt(rtt);
        }
        // CONNECT moves the next ping, a login ends the wait for it.
        self.arm_timer(shared);
        passed.closed.map_or(Ok(()), Err)
    }

    /// Drops subscriptions that others brought to their maximum.
    fn forget_ended(&mut self) {
        for ended in self.connection.take_ended() {
            let subscriptions = self.session.subscriptions();
            if subscriptions
                .find(ended.sid())
                .is_some_and(|own| Arc::ptr_eq(own, &ended))
            {
                subscriptions.remove(ended.sid());
            }
        }
    }

    /// Writes what waits for room, as far as the socket takes it.
    fn drain(&mut self, shared: &Shared, cx: &mut Context<'_>) -> Result<(), Close> {
        loop {
            let front = self.connection.outbound.take_front();
            let (written, blocked) = match self.transport.poll_write(cx, &front) {
                Poll::Pending => (0, true),
                Poll::Ready(Ok(0)) if !front.is_empty() => {
                    return Err(Close(CloseReason::WriteError));
                }
                Poll::Ready(Ok(count)) => (count, false),
                Poll::Ready(Err(_)) => return Err(Close(CloseReason::WriteError)),
            };
            let pending = self.connection.outbound.drained(front, written);
            self.note_progress(shared, written, blocked);
            match pending {
                Pending::Closed(reason) => return Err(Close(reason)),
                Pending::Bytes if !blocked => {}
                _ => return self.flush(cx),
            }
        }
    }

    fn flush(&mut self, cx: &mut Context<'_>) -> Result<(), Close> {
        let flushed = self.transport.poll_flush(cx);
        self.flushing = flushed.is_pending();
        match flushed {
            Poll::Ready(Err(_)) => Err(Close(CloseReason::WriteError)),
            _ => Ok(()),
        }
    }

    /// Keeps the write deadline: what was queued when it was set must leave before it passes.
    fn note_progress(&mut self, shared: &Shared, written: usize, blocked: bool) {
        self.write_mark = self.write_mark.saturating_sub(written);
        if !blocked {
            self.write_deadline = None;
            self.write_mark = 0;
        } else if self.write_deadline.is_none() || self.write_mark == 0 {
            self.write_deadline = Some(Instant::now() + shared.options().write_deadline);
            self.write_mark = self.connection.outbound.queued();
            self.arm_timer(shared);
        }
    }

    /// Whether reading must wait for a destination that cannot keep up.
    fn is_stalled(&mut self, shared: &Shared, cx: &mut Context<'_>) -> bool {
        let Some(Stall { to, relief, until }) = &self.stall else {
            return false;
        };
        if Instant::now() < *until && to.outbound.poll_relief(*relief, cx).is_pending() {
            return true;
        }
        self.stall = None;
        self.arm_timer(shared);
        false
    }

    /// Goes on when a login was checked elsewhere; returns whether one was.
    fn check_login(&mut self, shared: &Shared, cx: &mut Context<'_>) -> Result<bool, Close> {
        let Some(verdict) = self.door.poll_verified(cx) else {
            if self.door.is_asking() {
                // The service has its own time, and the client no say in how long it takes.
                self.auth_deadline = None;
            }
            if self.door.may_be_given_up() {
                self.watch_for_end(cx)?;
            }
            return Ok(false);
        };
        self.follow_account();
        self.session.update_settings(self.door.settings());
        let mut desk = shared.workers.borrow();
        let Client {
            connection,
            account,
            session,
            door,
            ..
        } = self;
        let mut pass = Pass::new(connection, account, door, desk.worker(), &[], false);
        let resumed = session.resume(verdict, &mut pass);
        pass.finish();
        resumed?;
        let rest = self.carry.take();
        let passed = self.pass(shared, desk.worker(), &rest);
        self.settle_up(shared, &desk, passed)?;
        Ok(true)
    }

    /// While others decide about the client nothing it sends is worked through, but if it goes away
    /// nobody needs to decide.
    fn watch_for_end(&mut self, cx: &mut Context<'_>) -> Result<(), Close> {
        match self.carry.poll_ahead(cx, &mut self.transport) {
            Poll::Pending => Ok(()),
            Poll::Ready(Ok(())) => Err(Close(CloseReason::ClientClosed)),
            Poll::Ready(Err(_)) => Err(Close(CloseReason::ReadError)),
        }
    }

    /// Moves to the account that the user is in now, subscriptions and all.
    fn follow_account(&mut self) {
        if Arc::ptr_eq(&self.account, self.door.account()) {
            return;
        }
        let old = std::mem::replace(&mut self.account, Arc::clone(self.door.account()));
        let subscriptions: Vec<Sub> = self.session.subscriptions().iter().cloned().collect();
        old.unsubscribe_all(&subscriptions);
        for subscription in &subscriptions {
            self.account.subscribe(subscription);
        }
    }

    fn complain(&self, text: &str) {
        let mut line = Vec::with_capacity(text.len() + 10);
        error_text::write_err(&mut line, text);
        self.say(&line);
    }

    fn say(&self, text: &[u8]) {
        if self.connection.is_traced() {
            self.door.trace_text(text);
        }
        self.connection.outbound.deliver(&text, Totals::default());
    }

    /// Leaves: no more deliveries, the parting words go out, the record is kept.
    async fn end(&mut self, shared: &Shared, reason: CloseReason) {
        self.connection.mark_closed();
        self.log_slowness(shared, reason);
        let subscriptions: Vec<Sub> = self.session.subscriptions().drain().collect();
        self.account.unsubscribe_all(&subscriptions);
        self.door.leave_account();
        let Client {
            connection,
            transport,
            ..
        } = self;
        super::parting::part(shared, connection, transport, reason).await;
        super::record_end(shared, connection, &subscriptions, reason);
    }

    /// The line that operators look for when a client could not keep up.
    fn log_slowness(&self, shared: &Shared, reason: CloseReason) {
        let options = shared.options();
        let label = self.connection.label();
        match reason {
            CloseReason::SlowConsumerPendingBytes => info!(
                shared.log,
                "{label} - Slow Consumer Detected: MaxPending of {} Exceeded", options.max_pending
            ),
            CloseReason::SlowConsumerWriteDeadline => info!(
                shared.log,
                "{label} - Slow Consumer Detected: WriteDeadline of {} exceeded with {} total bytes",
                duration_text(options.write_deadline),
                self.connection.outbound.queued()
            ),
            _ => {}
        }
    }
}

/// The longest that whoever published so many bytes waits for them; for one large message no longer
/// than for a full read.
fn stall_for(published: usize) -> Duration {
    let parts = published.min(READ_BYTES).div_ceil(STALL_BYTES).max(1);
    STALL_TOTAL * u32::try_from(parts).unwrap_or(1)
}
