//! The rows about accounts and encryption: many users with permissions, imports, an operator's
//! set-up, handshakes.
//!
//! ```text
//! Job ─▶ tenants (many users)   crossing (imports)   operator (tokens)   handshakes
//!                 └──── pair (with and without, in turn) ────┘
//! ```
//!
//! Rows about what something adds compare the server with itself: both ways are driven in turn, in
//! pieces, within one run, so that what else the machine does hits both alike. Absent: what is
//! asked of the servers otherwise (see the siblings of this module).

mod crossing;
#[cfg(feature = "tls")]
mod handshakes;
#[cfg(feature = "tls")]
mod operator;
mod pair;
mod tenants;

use std::path::Path;

use super::list::metric;
use super::{Bar, Kind, Metric, Scenario, Settings};
use crate::failure::Result;
use crate::server::Server;

use Bar::{OursAtMost, RatioAtMost, TimesWithout};

/// What a row does.
#[derive(Debug, Clone, Copy)]
pub(super) enum Job {
    /// One publisher to one subscriber, as users among many.
    Tenants,
    /// One publisher to one subscriber in another account.
    Stream,
    /// Requests to a service of another account.
    Service,
    /// TLS handshakes.
    Handshakes,
    /// The start with many accounts of an operator.
    Operator,
}

impl Job {
    /// Whether it needs encryption or signatures.
    pub(super) fn needs_tls(self) -> bool {
        matches!(self, Self::Handshakes | Self::Operator)
    }

    /// Starts the server it is about.
    pub(super) fn start(self, binary: &Path, settings: &Settings) -> Result<Server> {
        match self {
            Self::Tenants => tenants::start(binary, settings),
            Self::Stream | Self::Service => crossing::start(binary),
            #[cfg(feature = "tls")]
            Self::Handshakes => Server::start(binary, crate::server::Transport::Tls),
            #[cfg(feature = "tls")]
            Self::Operator => operator::start(binary, settings),
            #[cfg(not(feature = "tls"))]
            Self::Handshakes | Self::Operator => Err(without_tls()),
        }
    }

    /// The numbers of its metrics.
    pub(super) fn run(
        self,
        server: &Server,
        binary: &Path,
        settings: &Settings,
    ) -> Result<Vec<f64>> {
        match self {
            Self::Tenants => tenants::run(server, binary, settings),
            Self::Stream => crossing::run_stream(server, settings),
            Self::Service => crossing::run_service(server, settings),
            #[cfg(feature = "tls")]
            Self::Handshakes => handshakes::run(server, settings),
            #[cfg(feature = "tls")]
            Self::Operator => operator::run(server),
            #[cfg(not(feature = "tls"))]
            Self::Handshakes | Self::Operator => Err(without_tls()),
        }
    }
}

#[cfg(not(feature = "tls"))]
fn without_tls() -> crate::failure::Failure {
    crate::failure::Failure::new("this benchmark was built without its `tls` feature")
}

/// The rows, in the order of the table.
pub(super) fn all() -> Vec<Scenario> {
    let row = |name, about, job, metrics| Scenario {
        name,
        about,
        metrics,
        kind: Kind::Accounts(job),
    };
    vec![
        row(
            "accounts-1to1-128b",
            "1 to 1 as a user of 1,000 accounts with 100 users each and 50 permissions of their own",
            Job::Tenants,
            tenants_metrics(),
        ),
        row(
            "import-1to1-128b",
            "1 publisher to 1 subscriber across a stream import",
            Job::Stream,
            crossing_metrics(1.5, "throughput", "M/s"),
        ),
        row(
            "import-requests-64",
            "request/reply across a service import, 8 connections with 8 outstanding each",
            Job::Service,
            crossing_metrics(1.5, "requests", "k/s"),
        ),
        row(
            "tls-handshakes",
            "full TLS handshakes one after the other, beside a connection that sends PINGs",
            Job::Handshakes,
            vec![
                metric("server CPU each", "µs", RatioAtMost(1.0), None),
                metric("handshakes", "1/s", Bar::None, None),
                metric("PING beside, p50", "µs", Bar::None, None),
                metric("PING beside, p99", "µs", RatioAtMost(1.0), None),
            ],
        ),
        row(
            "accounts-10k-start",
            "start with 10,000 accounts of an operator in the directory of a full resolver",
            Job::Operator,
            vec![
                metric("start to ready", "s", OursAtMost(2.0), None),
                metric("server CPU", "s", Bar::None, None),
                metric("memory", "MiB", OursAtMost(100.0), None),
            ],
        ),
    ]
}

fn tenants_metrics() -> Vec<Metric> {
    vec![
        metric("server CPU", "s/1M", RatioAtMost(0.26), None),
        metric("server CPU", "× without", TimesWithout(1.1), None),
        metric("throughput", "M/s", Bar::None, None),
        metric("start to ready", "s", Bar::None, None),
        metric("memory", "MiB", Bar::None, None),
    ]
}

fn crossing_metrics(bar: f64, rate: &'static str, unit: &'static str) -> Vec<Metric> {
    vec![
        metric("server CPU", "s/1M", Bar::None, None),
        metric("server CPU", "× without", TimesWithout(bar), None),
        metric(rate, unit, Bar::None, None),
    ]
}
