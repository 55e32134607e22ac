//! Two ways to do the same thing, in turn, piece by piece.

use crate::failure::Result;
use crate::procfs::CpuReading;
use crate::server::Server;

/// Pieces that each way's work is done in.
const PIECES: u64 = 6;

/// What one way took.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Cost {
    /// CPU seconds of the server.
    pub(super) cpu: f64,
    /// Seconds on the clock.
    pub(super) wall: f64,
    /// Pieces of work done.
    pub(super) count: u64,
}

/// One way: the server that does it, and what does a number of pieces of work and returns the
/// seconds on the clock.
pub(super) struct Way<'a> {
    /// Whose CPU time counts.
    pub(super) server: &'a Server,
    /// Does the work.
    pub(super) work: &'a mut dyn FnMut(u64) -> Result<f64>,
}

/// Does `count` pieces of work each way, a tenth more to warm up, and returns what the first and the
/// second way took.
pub(super) fn in_turn(count: u64, mut ways: [Way<'_>; 2]) -> Result<[Cost; 2]> {
    let mut costs = [Cost::default(); 2];
    for way in &mut ways {
        (way.work)((count / 10).max(1))?;
    }
    let piece = (count / PIECES).max(1);
    for _ in 0..PIECES {
        for (way, cost) in ways.iter_mut().zip(&mut costs) {
            let before: CpuReading = way.server.cpu()?;
            cost.wall += (way.work)(piece)?;
            cost.cpu += way.server.cpu()?.since(&before);
            cost.count += piece;
        }
    }
    Ok(costs)
}
