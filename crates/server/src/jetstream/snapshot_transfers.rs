//! The copies of streams that are on their way, out and in: how many there may be, and their end.
//!
//! Each holds a [`Transfer`] as long as it goes on. A server that stops ends them all and waits for
//! it, so that nothing uses the store directory afterwards.

use std::sync::Arc;

use cognate_model::{ApiError, error};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

/// Copies at a time, in both directions together.
const MAX_TRANSFERS: u32 = 64;

/// See the module.
pub(crate) struct Transfers {
    places: Arc<Semaphore>,
    over: watch::Sender<bool>,
}

/// A copy that is on its way.
pub(super) struct Transfer {
    over: watch::Receiver<bool>,
    _place: OwnedSemaphorePermit,
}

impl Default for Transfers {
    fn default() -> Self {
        Self {
            places: Arc::new(Semaphore::new(MAX_TRANSFERS as usize)),
            over: watch::Sender::new(false),
        }
    }
}

impl Transfers {
    /// A stream is to be copied out. It may be so several times at once: copies do not disturb it.
    pub(super) fn begin_snapshot(&self) -> Result<Transfer, ApiError> {
        self.begin().map_err(error::stream_snapshot)
    }

    /// A stream is to be copied in.
    pub(super) fn begin_restore(&self) -> Result<Transfer, ApiError> {
        self.begin().map_err(error::stream_restore)
    }

    fn begin(&self) -> Result<Transfer, &'static str> {
        let place = Arc::clone(&self.places).try_acquire_owned();
        Ok(Transfer {
            over: self.over.subscribe(),
            _place: place.map_err(|_| "too many snapshots and restores at once")?,
        })
    }

    /// Ends all copies and lets none begin. Returns when the last has ended.
    pub(super) async fn end(&self) {
        self.tell_over();
        if let Ok(all) = self.places.acquire_many(MAX_TRANSFERS).await {
            all.forget();
        }
    }

    /// Tells all copies to end, without waiting for it.
    pub(super) fn tell_over(&self) {
        self.over.send_replace(true);
    }
}

impl Transfer {
    /// Whether the copy is to end.
    pub(super) fn is_over(&self) -> bool {
        *self.over.borrow()
    }

    /// Returns when the copy is to end.
    pub(super) async fn over(&mut self) {
        // It also is to end if nobody is left to tell.
        let _ = self.over.wait_for(|over| *over).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn all_copies_end_and_none_begins() {
        let transfers = Transfers::default();
        let mut copy = transfers.begin_snapshot().expect("there is room");
        drop(transfers.begin_restore().expect("there is room"));
        let ending = async {
            copy.over().await;
            drop(copy);
        };
        tokio::join!(transfers.end(), ending);
        assert!(transfers.begin_restore().is_err());
    }

    #[tokio::test]
    async fn there_may_be_so_many_copies_at_once() {
        let transfers = Transfers::default();
        let copies: Vec<_> = (0..MAX_TRANSFERS)
            .map(|_| transfers.begin_snapshot().expect("there is room"))
            .collect();
        assert!(transfers.begin_snapshot().is_err());
        drop(copies);
        assert!(transfers.begin_restore().is_ok());
    }
}
