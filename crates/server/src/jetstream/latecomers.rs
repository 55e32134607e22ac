//! Streams whose recovery waits for a disk that does not answer, and the start that goes on without them.
//!
//! ```text
//! streams to recover ─▶ one thread ─┬─▶ in service ─▶ … ─▶ all done: the start goes on
//!                                   └─▶ no call returns for [`PATIENCE`]: it is late; a thread for each
//!                                       of the others ─▶ none returns again: the rest is late, too
//! ```
//!
//! What is slow is waited for as long as it makes headway: nobody is to find a server without its streams
//! only because there is much to read. A late stream comes into service when its disk answers; until then
//! requests about it are refused, and monitoring tells of it. Invariants: a stream is recovered once at a
//! time; a late one's name is claimed. Bound: [`THREADS`] threads. Absent: the directories themselves,
//! whose listing is not watched.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc;
use std::time::Duration;

use cognate_process::{error, warn};
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::Instant;

use super::AccountJetStream;
use super::claim::Claim;

/// How long no call may return.
const PATIENCE: Duration = Duration::from_secs(if cfg!(test) { 2 } else { 5 });

/// How often it is looked whether there is headway.
const LOOK: Duration = Duration::from_millis(50);

/// Threads that recover streams once one is late.
const THREADS: usize = 64;

thread_local! {
    /// What this thread's headway is counted by, if it recovers a stream.
    static HEADWAY: RefCell<Option<Arc<AtomicU64>>> = const { RefCell::new(None) };
}

/// A call to the disk has returned.
pub(super) fn note_headway() {
    HEADWAY.with_borrow(|headway| {
        if let Some(headway) = headway {
            headway.fetch_add(1, Relaxed);
        }
    });
}

/// The late streams of an account, with when their recovery began to be waited for.
pub(crate) struct Latecomers(watch::Sender<BTreeMap<String, Instant>>);

impl Default for Latecomers {
    fn default() -> Self {
        Latecomers(watch::Sender::new(BTreeMap::new()))
    }
}

impl Latecomers {
    /// Whether this stream is late.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.borrow().contains_key(name)
    }

    /// Those that are late, and for how long.
    pub(crate) fn list(&self) -> Vec<(String, Duration)> {
        let late = self.0.borrow();
        let late = late.iter();
        late.map(|(name, since)| (name.clone(), since.elapsed()))
            .collect()
    }

    /// Waits until none is late.
    pub(crate) async fn all_there(&self) {
        // The sender is here, so it is not gone.
        let _ = self.0.subscribe().wait_for(BTreeMap::is_empty).await;
    }
}

/// What is left to do.
#[derive(Default)]
struct Work {
    waiting: VecDeque<(String, PathBuf)>,
    running: BTreeSet<String>,
    /// Why the server must not start.
    failure: Option<io::Error>,
}

/// The recovery of an account's streams.
struct Recovery {
    jetstream: Arc<AccountJetStream>,
    work: Mutex<Work>,
    headway: Arc<AtomicU64>,
}

/// Recovers the stream in a directory. An error is one that the server must not start with.
type One = fn(&Arc<AccountJetStream>, &Claim, PathBuf) -> io::Result<()>;

/// Recovers streams with `one`. Returns when all are there but those that are late.
///
/// # Errors
/// What `one` says; those that wait are not recovered then.
pub(super) fn recover(
    jetstream: &Arc<AccountJetStream>,
    paths: Vec<PathBuf>,
    one: One,
) -> io::Result<()> {
    let named = paths.into_iter().filter_map(|path| {
        let name = path.file_name()?.to_string_lossy().into_owned();
        Some((name, path))
    });
    let recovery = Arc::new(Recovery {
        jetstream: Arc::clone(jetstream),
        work: Mutex::new(Work {
            waiting: named.collect(),
            ..Work::default()
        }),
        headway: Arc::default(),
    });
    let (done, ended) = mpsc::channel();
    let start_thread = || {
        let (recovery, done) = (Arc::clone(&recovery), done.clone());
        tokio::task::spawn_blocking(move || recovery.run(one, &done));
    };
    start_thread();
    let mut was_silent = false;
    let mut heard = (Instant::now(), 0);
    while !recovery.is_over() {
        // It wakes this one when a stream is done; that is headway, too.
        let _ = ended.recv_timeout(LOOK);
        let headway = recovery.headway.load(Relaxed);
        if headway != heard.1 {
            heard = (Instant::now(), headway);
        }
        if heard.0.elapsed() < PATIENCE {
            continue;
        }
        heard.0 = Instant::now();
        if was_silent {
            recovery.leave_behind(Behind::All);
        } else {
            was_silent = true;
            let waiting = recovery.leave_behind(Behind::Running);
            (0..waiting.min(THREADS)).for_each(|_| start_thread());
        }
    }
    let failure = recovery.work.lock().failure.take();
    failure.map_or(Ok(()), Err)
}

/// Whom the start does not wait for any longer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Behind {
    /// Those that are being recovered.
    Running,
    /// Those that wait for a thread, too.
    All,
}

impl Recovery {
    /// Recovers one after the other until none is left, and says of each that it is done.
    fn run(&self, one: One, done: &mpsc::Sender<()>) {
        HEADWAY.set(Some(Arc::clone(&self.headway)));
        while let Some((name, path)) = self.take() {
            let claim = self.jetstream.claims.take(&name);
            // No request is served before, so the name is free.
            let result = claim.map_or(Ok(()), |claim| one(&self.jetstream, &claim, path));
            if self.end(&name, result) {
                self.jetstream.hurry_origins(None);
            }
            // Nobody may wait for it any more.
            let _ = done.send(());
        }
        HEADWAY.set(None);
    }

    /// Whether nothing is left to do for those that are not late.
    fn is_over(&self) -> bool {
        let work = self.work.lock();
        let late = self.jetstream.late.0.borrow();
        let mut left = work.running.iter();
        let mut waiting = work.waiting.iter().map(|(name, _)| name);
        left.all(|name| late.contains_key(name)) && waiting.all(|name| late.contains_key(name))
    }

    fn take(&self) -> Option<(String, PathBuf)> {
        let mut work = self.work.lock();
        let (name, path) = work.waiting.pop_front()?;
        work.running.insert(name.clone());
        Some((name, path))
    }

    /// It is done with; returns whether it was late. A failure of one that was not ends the start.
    fn end(&self, name: &str, result: io::Result<()>) -> bool {
        let mut work = self.work.lock();
        work.running.remove(name);
        let late = &self.jetstream.late.0;
        let was_late = late.send_if_modified(|late| late.remove(name).is_some());
        match result {
            Err(cause) if was_late => error!(self.jetstream.server.shared.log, "{cause}"),
            Err(cause) => {
                work.waiting.clear();
                work.failure = Some(cause);
            }
            Ok(()) => {}
        }
        was_late
    }

    /// Lets the start go on without some. Returns how many still wait for a thread.
    fn leave_behind(&self, behind: Behind) -> usize {
        let work = self.work.lock();
        let waiting = work.waiting.iter().map(|(name, _)| name);
        let waiting = waiting.filter(|_| behind == Behind::All);
        let names: Vec<String> = work.running.iter().chain(waiting).cloned().collect();
        let now = Instant::now();
        self.jetstream.late.0.send_modify(|late| {
            for name in &names {
                late.entry(name.clone()).or_insert(now);
            }
        });
        let left = work.waiting.len();
        drop(work);
        for name in names {
            warn!(
                self.jetstream.server.shared.log,
                "Stream '{} > {name}' is not recovered yet, and its disk has not answered for {PATIENCE:?}: \
                 the server starts without it",
                self.jetstream.account.name
            );
        }
        left
    }
}
