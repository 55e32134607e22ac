//! The moment of the kill: a fuse that every frame sent and every answer read shortens, and that
//! kills the server when it has burned down.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::Server;

/// Kills its server after a number of ticks.
pub struct Fuse {
    left: AtomicI64,
    server: Mutex<Server>,
}

impl Fuse {
    /// A fuse of `ticks` in `server`.
    #[must_use]
    pub fn new(server: Server, ticks: u64) -> Self {
        Self {
            left: AtomicI64::new(i64::try_from(ticks).unwrap_or(i64::MAX)),
            server: Mutex::new(server),
        }
    }

    /// One frame sent or read; whoever makes the last tick kills.
    pub fn tick(&self) {
        if self.left.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.server().kill();
        }
    }

    /// Kills now.
    pub fn blow(&self) {
        self.left.store(0, Ordering::Relaxed);
        self.server().kill();
    }

    /// Whether the server was killed by this fuse.
    #[must_use]
    pub fn is_blown(&self) -> bool {
        self.left.load(Ordering::Relaxed) <= 0
    }

    /// The server, dead or alive.
    pub fn server(&self) -> MutexGuard<'_, Server> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
