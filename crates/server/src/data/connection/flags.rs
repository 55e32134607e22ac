//! What a delivery has to know of a connection at a glance.
//!
//! One word, so that the usual delivery reads all of it at once. Each flag is set by its owner alone;
//! nobody relies on two of them changing together.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// Flags that deliveries look at.
pub(super) mod flag {
    /// Nothing is delivered any more.
    pub(in super::super) const CLOSED: u32 = 1;
    /// The client takes messages with headers.
    pub(in super::super) const HEADERS: u32 = 2;
    /// Replies of delivered messages must be remembered for its response permission.
    pub(in super::super) const TRACKS_REPLIES: u32 = 4;
    /// Publishers were asked to slow down for it.
    pub(in super::super) const STALLED: u32 = 8;
    /// A subscription reached its maximum and must be dropped from the client's table.
    pub(in super::super) const HAS_ENDED: u32 = 16;
    /// What is sent to the client is traced.
    pub(in super::super) const TRACED: u32 = 32;
    /// It is a part of the server, not a client.
    pub(in super::super) const INTERNAL: u32 = 64;
    /// Every frame says who published it.
    pub(in super::super) const NAMES_PUBLISHERS: u32 = 128;
    /// A proxy may still say where the client is.
    pub(in super::super) const UNPLACED: u32 = 256;
    /// What it logged in with is no longer good, through no fault of its own.
    pub(in super::super) const DISMISSED: u32 = 512;
}

/// The flags of a connection; none is set at first.
#[derive(Default)]
pub(super) struct Flags(AtomicU32);

impl Flags {
    /// Whether any of `flags` is set.
    pub(super) fn has(&self, flags: u32) -> bool {
        self.among(flags) != 0
    }

    /// Those of `flags` that are set.
    pub(super) fn among(&self, flags: u32) -> u32 {
        self.0.load(Relaxed) & flags
    }

    /// Sets or clears `flags`.
    pub(super) fn set(&self, flags: u32, on: bool) {
        if on {
            self.0.fetch_or(flags, Relaxed);
        } else {
            self.0.fetch_and(!flags, Relaxed);
        }
    }
}
