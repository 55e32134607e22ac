//! The JetStream rows: publishing, consuming, key-value access, recovery.
//!
//! ```text
//! Job ─▶ publish (also fills streams for the others)   pull, push (consumers)
//!        get (direct get)    filters                   restart
//!        stall (latency of publishes while a lot is removed)
//!                 └─▶ session (crate root): messages, API requests
//! ```
//!
//! Each run has a server with an empty store of its own. Payloads begin with their number, and
//! every acknowledgement, delivery and answer is compared with what was due; after a run the
//! server's own counts (stream or consumer info) must agree. Only requests and settings that
//! nats-server 2.9 has are used. Absent: start and configuration of servers (see `server`).

mod filters;
mod get;
pub(super) mod list;
mod publish;
mod pull;
mod push;
mod restart;
mod stall;

use super::Settings;
use crate::failure::{Failure, Result};
use crate::server::{Server, Sync};
use crate::session::{Session, json_number};

/// Name of the stream of every row.
const STREAM: &str = "BENCH";
const MIB: f64 = 1024.0;

/// What a row does.
pub(super) enum Job {
    /// Publish with many in flight: rate and CPU.
    Publish(publish::Plan),
    /// Publish with one in flight per connection: rate and latency.
    PublishOne(publish::Plan),
    /// Fill a stream and report the memory the server needs then.
    Memory(publish::Plan),
    /// Drain a filled stream by pull consumers.
    Pull(pull::Plan),
    /// Drain a filled stream by a push consumer.
    Push(push::Plan),
    /// Read keys by direct get.
    Get,
    /// Kill the server and start it again.
    Restart(restart::Plan),
    /// Drain a stream with many filters and with one.
    Filters,
    /// Publish one at a time while the server has a lot to tidy up.
    Stall(stall::Plan),
}

impl Job {
    /// How the server is to be started.
    pub(super) fn sync(&self) -> Sync {
        match self {
            Self::Publish(plan) | Self::PublishOne(plan) | Self::Memory(plan) => plan.sync,
            Self::Restart(plan) => plan.sync,
            Self::Stall(plan) => plan.sync,
            _ => Sync::Default,
        }
    }

    /// Runs it once; the numbers are in the order of the row's metrics.
    pub(super) fn run(&self, server: &mut Server, settings: &Settings) -> Result<Vec<f64>> {
        match self {
            Self::Publish(plan) => publish::run(plan, server, settings),
            Self::PublishOne(plan) => publish::run_one(plan, server, settings),
            Self::Memory(plan) => publish::run_memory(plan, server, settings),
            Self::Pull(plan) => pull::run(plan, server, settings),
            Self::Push(plan) => push::run(plan, server, settings),
            Self::Get => get::run(server, settings),
            Self::Restart(plan) => restart::run(plan, server, settings),
            Self::Filters => filters::run(server, settings),
            Self::Stall(plan) => stall::run(plan, server, settings),
        }
    }
}

/// Where a stream keeps its messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Storage {
    /// On disk.
    File,
    /// In memory.
    Memory,
}

/// How long a stream keeps what it is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keep {
    /// For ever.
    All,
    /// At most so many messages.
    Messages(u64),
    /// Each message for so many seconds.
    Seconds(u64),
    /// Each message as long as it says itself, in seconds. (2.9 keeps them for ever.)
    Ttl(u64),
}

/// The configuration of the stream: plain, or set up as clients do for a key-value bucket.
fn stream_config(storage: Storage, bucket: bool, keep: Keep) -> String {
    let storage = match storage {
        Storage::File => "file",
        Storage::Memory => "memory",
    };
    let kind = if bucket {
        r#""subjects":["$KV.bench.>"],"discard":"new","max_msgs_per_subject":1,"allow_rollup_hdrs":true,"deny_delete":true,"allow_direct":true"#
    } else {
        r#""subjects":["js.>"],"discard":"old""#
    };
    let (messages, age, ttl) = match keep {
        Keep::All => (-1, 0, ""),
        Keep::Messages(most) => (most as i64, 0, ""),
        Keep::Seconds(seconds) => (-1, seconds * 1_000_000_000, ""),
        Keep::Ttl(_) => (-1, 0, r#","allow_msg_ttl":true"#),
    };
    format!(
        r#"{{"name":"{STREAM}",{kind},"retention":"limits","storage":"{storage}","num_replicas":1,"max_consumers":-1,"max_msgs":{messages},"max_bytes":-1,"max_age":{age},"max_msg_size":-1{ttl}}}"#
    )
}

fn create_stream(session: &mut Session, plan: &publish::Plan, bucket: bool) -> Result<()> {
    let body = stream_config(plan.storage, bucket, plan.keep);
    session.request(&format!("$JS.API.STREAM.CREATE.{STREAM}"), &body)?;
    Ok(())
}

/// Fails unless the stream holds `messages`, the last of them with sequence `last`.
fn check_stream(session: &mut Session, messages: u64, last: u64) -> Result<()> {
    let info = session.request(&format!("$JS.API.STREAM.INFO.{STREAM}"), "")?;
    let found = (
        json_number(&info, "messages")?,
        json_number(&info, "last_seq")?,
    );
    if found != (messages, last) {
        return Err(Failure::new(format!(
            "the stream has (messages, last sequence) {found:?} instead of {:?}",
            (messages, last)
        )));
    }
    Ok(())
}

/// Peak resident memory in MiB.
fn peak_mib(server: &Server) -> Result<f64> {
    Ok(server.memory()?.peak_kib as f64 / MIB)
}
