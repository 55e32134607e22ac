//! The task of one stream: it waits for whatever may move the stream's group, and steps it.
//!
//! ```text
//! inbox has frames ─┐
//! a sync finished  ─┼─▶ apply ─▶ write ─▶ start a sync ─▶ release what is durable ─▶ deliver
//! a timer          ─┘
//! ```
//!
//! One step takes everything that waits in the inbox, so that a write and a sync serve as many
//! messages as came while the last ones were under way. At most one sync per stream is under way;
//! it runs on a thread of its own, and the next batch gathers meanwhile. Requests of the API use
//! the group under the same lock and signal the inbox when they have changed something.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use cognate_group::Finished;
use cognate_model::Timestamp;
use tokio::task::JoinHandle;
use tokio::time::{Instant, Sleep};

use super::JetStream;
use super::disk::Directory;
use super::inbox::Woken;
use super::outlet::GroupOutlet;
use super::stream::StreamHandle;
use crate::data::{Outlet, Totals};

/// Memory for frames that is kept between steps.
const KEEP_BYTES: usize = 1024 * 1024;

/// With nothing to wait for, the task looks around this often all the same.
const IDLE: Duration = Duration::from_secs(3600);

/// Drives one stream until it is closed.
pub(crate) async fn drive(jetstream: Arc<JetStream>, stream: Arc<StreamHandle>) {
    let mut driver = Driver {
        jetstream,
        stream,
        frames: Vec::new(),
        syncing: None,
        synced: None,
        signalled: true,
    };
    let mut timer = pin!(tokio::time::sleep(IDLE));
    let mut again = false;
    while driver.wait(timer.as_mut(), again).await {
        again = driver.step(timer.as_mut());
        if again {
            // Others get their turn; what came meanwhile is looked at in the same round.
            tokio::task::yield_now().await;
        }
    }
    driver.finish().await;
}

struct Driver {
    jetstream: Arc<JetStream>,
    stream: Arc<StreamHandle>,
    frames: Vec<u8>,
    syncing: Option<JoinHandle<Finished<Directory>>>,
    synced: Option<Finished<Directory>>,
    /// Somebody asked to look around.
    signalled: bool,
}

impl Driver {
    /// Waits for something to do, unless there is `more` anyway; false if the stream was closed.
    async fn wait(&mut self, mut timer: Pin<&mut Sleep>, more: bool) -> bool {
        poll_fn(|cx| {
            let mut ready = more;
            if let Some(task) = &mut self.syncing
                && let Poll::Ready(result) = Pin::new(task).poll(cx)
            {
                self.syncing = None;
                // The work cannot be cancelled, and it does not panic.
                self.synced = result.ok();
                ready = true;
            }
            match self.stream.inbox.poll_take(cx, &mut self.frames) {
                Poll::Ready(Woken::Closed) => return Poll::Ready(false),
                Poll::Ready(Woken::Signal) => {
                    self.signalled = true;
                    ready = true;
                }
                Poll::Ready(Woken::Frames) => ready = true,
                Poll::Pending => {}
            }
            if ready || timer.as_mut().poll(cx).is_ready() {
                Poll::Ready(true)
            } else {
                Poll::Pending
            }
        })
        .await
    }

    /// One step. Returns whether another should follow at once.
    fn step(&mut self, timer: Pin<&mut Sleep>) -> bool {
        let now = self.jetstream.clock.now();
        let shared = &self.jetstream.shared;
        let signalled = std::mem::take(&mut self.signalled);
        let mut group = self.stream.group.lock();
        if let Some(finished) = self.synced.take() {
            group.finish_sync(finished);
        }
        group.set_room(self.jetstream.room_for(&self.stream));
        let mut desk = shared.workers.borrow();
        let watch = self.jetstream.watching();
        let account = &self.jetstream.account;
        let outlet = Outlet::new(account, desk.worker(), &watch);
        let mut outlet = GroupOutlet::new(outlet, &self.jetstream, &self.stream.name);
        if signalled {
            group.check_interest(now, &mut outlet);
        }
        group.handle_frames(&self.frames, now, shared.fresh_seed(), &mut outlet);
        group.handle_timeouts(now, &mut outlet);
        if let Some(work) = group.flush(now, self.syncing.is_some()) {
            self.syncing = Some(tokio::task::spawn_blocking(move || work.run()));
        }
        let mut more = group.advance(now, &mut outlet);
        if self.syncing.is_none() {
            // Housekeeping waits for what is durable, so it goes on after the sync.
            more |= group.maintain();
        }
        group.write_journal();
        let (sent, inactive) = outlet.finish();
        desk.count(Totals::default(), sent);
        drop(desk);
        let next = group.next_timeout();
        self.stream.note_state(&mut group);
        drop(group);
        self.frames.clear();
        self.frames.shrink_to(KEEP_BYTES);
        for consumer in inactive {
            self.jetstream.remove_inactive(&self.stream, &consumer);
        }
        arm(timer, now, next);
        more
    }

    /// The stream was closed: what is under way is brought to its end.
    async fn finish(&mut self) {
        if let Some(task) = self.syncing.take()
            && let Ok(finished) = task.await
        {
            self.stream.group.lock().finish_sync(finished);
        }
        self.stream.group.lock().close();
        self.stream.closed.notify_waiters();
    }
}

/// Sets the timer to `next` by the calendar.
fn arm(timer: Pin<&mut Sleep>, now: Timestamp, next: Option<Timestamp>) {
    let wait = next.map_or(IDLE, |next| next.since(now).min(IDLE));
    timer.reset(Instant::now() + wait);
}
