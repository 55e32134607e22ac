//! Dense numbers for living connections.
//!
//! Invariant: no two living connections have the same; the number of one that is gone is given again.

use parking_lot::Mutex;

/// Numbers living connections densely, so that tables can be indexed by them.
#[derive(Default)]
pub(crate) struct Slots {
    free: Mutex<(Vec<u32>, u32)>,
}

impl Slots {
    pub(super) fn take(&self) -> u32 {
        let mut free = self.free.lock();
        free.0.pop().unwrap_or_else(|| {
            free.1 += 1;
            free.1 - 1
        })
    }

    pub(super) fn give_back(&self, slot: u32) {
        self.free.lock().0.push(slot);
    }
}
