//! `/debug/vars` (also `/expvarz`): the process in the shape of Go's expvar.
//!
//! There is no Go heap and no garbage collector, so of `memstats` only what has a true value
//! here is shown: the resident memory under the names that dashboards sum up, and zeros for
//! collections. Secrets in the command line are hidden.

use cognate_process::redact::redacted_args;
use hyper::StatusCode;
use serde::Serialize;

use crate::answer::{Answer, Kind};
use crate::facts::ServerFacts;

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct MemStats {
    alloc: u64,
    sys: u64,
    heap_alloc: u64,
    heap_sys: u64,
    heap_inuse: u64,
    pause_total_ns: u64,
    #[serde(rename = "NumGC")]
    num_gc: u64,
    #[serde(rename = "NumForcedGC")]
    num_forced_gc: u64,
    #[serde(rename = "GCCPUFraction")]
    gc_cpu_fraction: u64,
    #[serde(rename = "EnableGC")]
    enable_gc: bool,
    #[serde(rename = "DebugGC")]
    debug_gc: bool,
}

/// The answer. Go writes one variable per line, not indented JSON.
pub(crate) fn answer(facts: &ServerFacts) -> Answer {
    let stats = MemStats {
        alloc: facts.mem,
        sys: facts.mem,
        heap_alloc: facts.mem,
        heap_sys: facts.mem,
        heap_inuse: facts.mem,
        pause_total_ns: 0,
        num_gc: 0,
        num_forced_gc: 0,
        gc_cpu_fraction: 0,
        enable_gc: false,
        debug_gc: false,
    };
    let command_line = redacted_args(&facts.command_line);
    let variables = [
        (
            "cmdline",
            Answer::compact_json(StatusCode::OK, &command_line).body,
        ),
        (
            "memstats",
            Answer::compact_json(StatusCode::OK, &stats).body,
        ),
    ];
    let mut body = b"{\n".to_vec();
    for (index, (name, value)) in variables.iter().enumerate() {
        if index > 0 {
            body.extend_from_slice(b",\n");
        }
        body.extend_from_slice(format!("\"{name}\": ").as_bytes());
        body.extend_from_slice(value);
    }
    body.extend_from_slice(b"\n}\n");
    Answer {
        status: StatusCode::OK,
        kind: Kind::Expvar,
        body,
    }
}
