//! The task of one stream: it waits for whatever may move the stream's group, and steps it.
//!
//! ```text
//! inbox has frames ─┐
//! origins deliver  ─┤
//! a sync finished  ─┼─▶ apply ─▶ write ─▶ start a sync ─▶ release what is durable ─▶ deliver
//! a timer          ─┘
//! ```
//!
//! A step takes what waits in the inbox, so that a write and a sync serve as many messages as came
//! while the last ones were under way, but no more than [`STEP_BYTES`] of it, so that the lock is not
//! held for long. At most one sync per stream is under way; it runs on a thread of its own, and the
//! next batch gathers meanwhile. While the group is full of what waits for the disk, frames stay in the
//! inbox, whose bounds make publishers slow down. What origins deliver waits in an inbox of its own and
//! less of it is taken, so that publishers do not wait for a stream to catch up. Requests of the API use the group under the same
//! lock and signal the inbox when they have changed something.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use cognate_group::{Finished, Group, SyncWork};
use cognate_model::Timestamp;
use cognate_process::error;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::{Instant, Sleep};

use super::disk::Directory;
use super::inbox::{Inbox, Want, Woken};
use super::outlet::GroupOutlet;
use super::silence::Wait;
use super::stream::StreamHandle;
use super::{AccountJetStream, damage};

/// Bytes of frames that one step takes: a few milliseconds' worth.
const STEP_BYTES: usize = 1024 * 1024;

/// The same for what origins deliver: there is always more of it while a stream catches up.
const ORIGIN_BYTES: usize = 256 * 1024;

/// Memory for frames that is kept between steps.
const KEEP_BYTES: usize = 1024 * 1024;

/// A sync or a step that takes longer is taken for a sign that the disk may not answer at all.
const SLOW: Duration = Duration::from_millis(100);

/// With nothing to wait for, the task looks around this often all the same.
const IDLE: Duration = Duration::from_secs(3600);

/// Drives one stream until it is closed.
pub(crate) async fn drive(jetstream: Arc<AccountJetStream>, stream: Arc<StreamHandle>) {
    let mut driver = Driver {
        jetstream,
        stream,
        frames: Frames::default(),
        origins: None,
        arrived: Frames::default(),
        is_full: false,
        has_told_failure: false,
        syncing: None,
        sync_began: None,
        was_slow: false,
        synced: None,
        signalled: true,
    };
    let mut timer = pin!(tokio::time::sleep(IDLE));
    let mut again = false;
    while driver.wait(timer.as_mut(), again).await {
        again = driver.step_beside_others(timer.as_mut()).await;
        if again {
            // Others get their turn; what came meanwhile is looked at in the same round.
            tokio::task::yield_now().await;
        }
    }
    driver.finish().await;
}

/// A sync that is under way; nothing comes of it if the runtime is shut down.
type Syncing = JoinHandle<Option<Finished<Directory>>>;

/// Frames taken out of an inbox.
#[derive(Default)]
struct Frames {
    bytes: Vec<u8>,
    /// How many of them were handled.
    handled: usize,
}

impl Frames {
    fn rest(&self) -> &[u8] {
        self.bytes.get(self.handled..).unwrap_or_default()
    }

    /// What may be taken out of the inbox now.
    fn want(&self, is_full: bool) -> Want {
        match is_full || !self.rest().is_empty() {
            true => Want::NoFrames,
            false => Want::Everything,
        }
    }

    /// Lets go what was handled; returns whether there is more.
    fn settle(&mut self) -> bool {
        if !self.rest().is_empty() {
            return true;
        }
        self.bytes.clear();
        self.bytes.shrink_to(KEEP_BYTES);
        self.handled = 0;
        false
    }
}

struct Driver {
    jetstream: Arc<AccountJetStream>,
    stream: Arc<StreamHandle>,
    /// What was taken out of the inbox.
    frames: Frames,
    /// Where what origins deliver waits, if there are any.
    origins: Option<Arc<Inbox>>,
    /// What was taken out of that.
    arrived: Frames,
    /// So much waits for the disk that nothing more is handled.
    is_full: bool,
    /// The log has said that the stream takes no more writes.
    has_told_failure: bool,
    syncing: Option<Syncing>,
    /// When the last sync began.
    sync_began: Option<Instant>,
    /// The last step took long.
    was_slow: bool,
    synced: Option<Finished<Directory>>,
    /// Somebody asked to look around.
    signalled: bool,
}

impl Driver {
    /// Waits for something to do, unless there is `more` anyway; false if the stream was closed.
    async fn wait(&mut self, mut timer: Pin<&mut Sleep>, more: bool) -> bool {
        let want = self.frames.want(self.is_full);
        let want_arrived = self.arrived.want(self.is_full);
        poll_fn(|cx| {
            let mut ready = more;
            if let Some(task) = &mut self.syncing
                && let Poll::Ready(result) = Pin::new(task).poll(cx)
            {
                self.syncing = None;
                self.stream.silence.end(Wait::Sync);
                // The work cannot be cancelled, and it does not panic.
                self.synced = result.ok().flatten();
                ready = true;
            }
            match self
                .stream
                .inbox
                .poll_wanted(cx, want, &mut self.frames.bytes)
            {
                Poll::Ready(Woken::Closed) => return Poll::Ready(false),
                Poll::Ready(Woken::Signal) => {
                    self.signalled = true;
                    ready = true;
                }
                Poll::Ready(Woken::Frames) => ready = true,
                Poll::Pending => {}
            }
            if let Some(inbox) = &self.origins {
                let polled = inbox.poll_wanted(cx, want_arrived, &mut self.arrived.bytes);
                ready |= polled == Poll::Ready(Woken::Frames);
            }
            if ready || timer.as_mut().poll(cx).is_ready() {
                Poll::Ready(true)
            } else {
                Poll::Pending
            }
        })
        .await
    }

    /// One step, which must not take one of the runtime's threads away from others if the disk lets it
    /// wait. That is not known before; but a disk whose syncs or last writes took long is not trusted,
    /// and a lock that somebody holds may be held by one who waits for the disk.
    async fn step_beside_others(&mut self, timer: Pin<&mut Sleep>) -> bool {
        let began = Instant::now();
        if !self.stream.files.are_kept() {
            return self.step(timer, false);
        }
        let is_syncing_long = self
            .sync_began
            .is_some_and(|at| began.duration_since(at) > SLOW && self.syncing.is_some());
        let is_trusted =
            !is_syncing_long && !self.was_slow && self.stream.group.try_lock().is_some();
        self.stream.silence.begin(Wait::Step, began);
        let jetstream = Arc::clone(&self.jetstream);
        let place = jetstream.server.places.enter(is_trusted).await;
        let makes_way = place.is_on_runtime();
        let again = place.run(|| self.step(timer, makes_way));
        self.stream.silence.end(Wait::Step);
        self.was_slow = began.elapsed() > SLOW;
        again
    }

    /// One step; `makes_way` on a thread of the runtime that may not come back soon. Returns whether
    /// another should follow at once.
    fn step(&mut self, timer: Pin<&mut Sleep>, makes_way: bool) -> bool {
        let now = self.jetstream.server.clock.now();
        let signalled = std::mem::take(&mut self.signalled);
        let jetstream = Arc::clone(&self.jetstream);
        let stream = Arc::clone(&self.stream);
        let mut group = stream.group.lock();
        if let Some(finished) = self.synced.take() {
            group.finish_sync(finished);
        }
        group.set_room(jetstream.room_for(&stream));
        let ((), mut inactive) = jetstream.with_outlet(&stream, |outlet| {
            if signalled {
                group.check_interest(now, outlet);
            }
            self.handle_frames(&mut group, now, outlet);
            group.handle_timeouts(now, outlet);
        });
        // It may wait for the disk, so nothing is held meanwhile that others need.
        if makes_way {
            jetstream.server.places.make_way();
        }
        if let Some(work) = group.flush(now, self.syncing.is_some()) {
            self.begin_sync(work);
        }
        let is_syncing = self.syncing.is_some();
        let (mut more, gone) = jetstream.with_outlet(&stream, |outlet| {
            let mut more = group.advance(now, outlet);
            if !is_syncing {
                // Housekeeping waits for what is durable, so it goes on after the sync.
                more |= group.maintain();
            }
            group.write_journal();
            // Before the answers leave: whoever has one may ask.
            stream.note_state(jetstream.usages(), &group);
            more
        });
        inactive.extend(gone);
        let next = group.next_timeout();
        self.is_full = group.is_full();
        let failure = group.failure().filter(|_| !self.has_told_failure);
        if let Some(reason) = failure {
            tell_failure(&self.jetstream, &self.stream, reason);
            self.has_told_failure = true;
        }
        let wishes = group.take_wishes();
        for found in group.take_found_damage() {
            damage::tell(&self.jetstream, &self.stream.name, found);
        }
        drop(group);
        let is_left = self.frames.settle() | self.arrived.settle();
        more |= is_left && !self.is_full;
        if !wishes.is_empty() {
            self.jetstream.fulfil(&self.stream, wishes);
            self.origins = self.stream.origins.inbox();
        }
        for consumer in inactive {
            self.jetstream.remove_inactive(&self.stream, &consumer);
        }
        arm(timer, now, next);
        more
    }

    /// Handles some of what was taken out of the inboxes.
    fn handle_frames(
        &mut self,
        group: &mut Group<Directory>,
        now: Timestamp,
        outlet: &mut GroupOutlet<'_>,
    ) {
        if group.is_full() {
            return;
        }
        for (frames, budget) in [
            (&mut self.frames, STEP_BYTES),
            (&mut self.arrived, ORIGIN_BYTES),
        ] {
            let random = self.jetstream.server.shared.fresh_seed();
            frames.handled += group.handle_frames(frames.rest(), budget, now, random, outlet);
        }
    }

    fn begin_sync(&mut self, work: SyncWork<Directory>) {
        self.syncing = Some(start_sync(&self.jetstream.server.disk_slots, work));
        let now = Instant::now();
        self.stream.silence.begin(Wait::Sync, now);
        self.sync_began = Some(now);
    }

    /// The stream was closed: what is under way is brought to its end.
    async fn finish(&mut self) {
        if let Some(task) = self.syncing.take()
            && let Ok(Some(finished)) = task.await
        {
            self.synced = Some(finished);
        }
        self.stream.silence.end(Wait::Sync);
        let jetstream = Arc::clone(&self.jetstream);
        // It waits for the disk in any case.
        let place = jetstream.server.places.enter(false).await;
        place.run(|| {
            let mut group = self.stream.group.lock();
            if let Some(finished) = self.synced.take() {
                group.finish_sync(finished);
            }
            let now = jetstream.server.clock.now();
            jetstream.with_locked(&self.stream, &mut group, now, |group, _, outlet| {
                group.close(outlet);
            });
        });
        self.stream.closed.send_replace(true);
    }
}

/// Runs a sync on a thread that may wait, once there is a place for another disk operation.
fn start_sync(slots: &Arc<Semaphore>, work: SyncWork<Directory>) -> Syncing {
    let run = |slot| {
        tokio::task::spawn_blocking(move || {
            let finished = work.run();
            drop(slot);
            Some(finished)
        })
    };
    match Arc::clone(slots).try_acquire_owned() {
        Ok(slot) => run(slot),
        Err(_) => {
            let slots = Arc::clone(slots);
            tokio::spawn(async move {
                // The semaphore is never closed.
                let slot = slots.acquire_owned().await.ok()?;
                run(slot).await.ok().flatten()
            })
        }
    }
}

/// Says, once, that a stream takes no more writes and what is to be done.
fn tell_failure(jetstream: &AccountJetStream, stream: &StreamHandle, reason: &str) {
    error!(
        jetstream.server.shared.log,
        "Stream '{} > {}' takes no more writes: {reason}. What was acknowledged is on the disk and \
         can be read. Look at the disk below {}, and restart the server when it is well again",
        jetstream.account.name,
        stream.name,
        jetstream.server.directory.display()
    );
}

/// Sets the timer to `next` by the calendar.
fn arm(timer: Pin<&mut Sleep>, now: Timestamp, next: Option<Timestamp>) {
    let wait = next.map_or(IDLE, |next| next.since(now).min(IDLE));
    timer.reset(Instant::now() + wait);
}
