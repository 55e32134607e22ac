//! The process itself: time from start to ready, memory when idle, size of the binary.

use std::path::Path;
use std::time::Duration;

use super::Settings;
use crate::failure::{Context, Result};
use crate::server::{Server, Transport};
use crate::stats::median;

/// Further starts, each timed.
const STARTS: u64 = 10;
/// How long the server may tidy up after starting before its memory is read.
const SETTLE: Duration = Duration::from_millis(500);
const MIB: f64 = 1024.0 * 1024.0;

/// Start to first PONG in ms, idle resident memory in MiB, binary in MiB.
pub(super) fn run(server: &Server, binary: &Path, settings: &Settings) -> Result<Vec<f64>> {
    std::thread::sleep(SETTLE);
    let idle = server.memory()?.resident_kib as f64 / 1024.0;
    let mut starts = vec![server.start_to_ready().as_secs_f64() * 1e3];
    for _ in 0..settings.count(STARTS) {
        let another = Server::start(binary, Transport::Plain)?;
        starts.push(another.start_to_ready().as_secs_f64() * 1e3);
    }
    let size = std::fs::metadata(binary).context(binary.display())?.len() as f64 / MIB;
    Ok(vec![median(&starts).unwrap_or(f64::NAN), idle, size])
}
