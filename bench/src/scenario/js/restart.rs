//! Kill and restart: how long until a filled stream is there again, and the memory after that.
//!
//! The time runs from before the process exists to the answer to a stream info request, which has
//! to name every message; the next publish must get the next sequence. The largest row also says how
//! much memory the server needed while it was filled.

use std::time::{Duration, Instant};

use super::publish::{self, Subjects};
use super::{MIB, STREAM, check_stream, peak_mib};
use crate::failure::{Failure, Result};
use crate::flow::STALL;
use crate::scenario::{Settings, per_million};
use crate::server::{Server, Sync};
use crate::session::{Session, json_number};

/// What is in the stream.
#[derive(Debug, Clone, Copy)]
pub(in crate::scenario) struct Plan {
    /// Messages.
    pub(super) messages: u64,
    /// Subjects, each with as many of them.
    pub(super) subjects: u64,
    /// Bytes of a payload.
    pub(super) payload: usize,
    /// When the server syncs.
    pub(super) sync: Sync,
}

/// Before the kill: a server that does not sync writes acknowledged messages a little later, and
/// the row is about recovery, not about what is lost. Before memory is read: time to tidy up.
const SETTLE: Duration = Duration::from_secs(1);

/// Time until the stream is there in ms, CPU per million messages, resident memory in MiB, and its
/// peak while the stream was filled.
pub(super) fn run(plan: &Plan, server: &mut Server, settings: &Settings) -> Result<Vec<f64>> {
    let messages = settings.count(plan.messages);
    let source = publish::Plan {
        payload: plan.payload,
        sync: plan.sync,
        ..publish::Plan::to(messages, Subjects::Many(settings.count(plan.subjects)))
    };
    publish::fill(&source, server)?;
    let filling = peak_mib(server)?;
    std::thread::sleep(SETTLE);
    server.kill()?;
    let start = server.start_again()?;
    let mut session = Session::open(server.target(), 0)?;
    wait_for_stream(&mut session, start)?;
    let ready = start.elapsed().as_secs_f64() * 1e3;
    // The process is new, so all of its time was recovery.
    let cpu = server.cpu()?.total_seconds();
    check_stream(&mut session, messages, messages)?;
    std::thread::sleep(SETTLE);
    let memory = server.memory()?.resident_kib as f64 / MIB;
    let ack = session.request("js.00000000", "after the restart")?;
    if json_number(&ack, "seq")? != messages + 1 {
        return Err(Failure::new(format!(
            "after {messages} messages and a restart, the next one is {ack}"
        )));
    }
    Ok(vec![ready, per_million(cpu, messages), memory, filling])
}

/// A server may accept clients before its streams are there; then the request fails for a while.
fn wait_for_stream(session: &mut Session, start: Instant) -> Result<()> {
    loop {
        match session.request(&format!("$JS.API.STREAM.INFO.{STREAM}"), "") {
            Ok(_) => return Ok(()),
            Err(failure) if start.elapsed() > STALL => return Err(failure),
            Err(_) => std::thread::sleep(Duration::from_micros(500)),
        }
    }
}
