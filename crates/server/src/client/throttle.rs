//! Who may not even try: sources from which too much failed, and handshakes beyond the rate.
//!
//! Owns the words for it, in the log and to the client. The counts are `cognate_auth::source_limit`'s and
//! `cognate_tls::RateLimit`'s. Called by the handshake, and where a connection's end is recorded.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cognate_auth::source_limit::SourceVerdict;
use cognate_process::warn;
use cognate_wire::{CloseReason, error_text};

use crate::data::Connection;
use crate::shared::{Shared, Stage};

/// How long refused handshakes are counted before the log says how many there were.
const REFUSALS_COUNTED: Duration = Duration::from_secs(1);

/// Counts a login or handshake that failed, where such are counted.
pub(super) fn note_failure(shared: &Shared, connection: &Connection, reason: CloseReason) {
    let failed = matches!(
        reason,
        CloseReason::AuthenticationFailure
            | CloseReason::AuthenticationTimeout
            | CloseReason::TlsHandshakeFailure
            | CloseReason::ProxyNotTrusted
            | CloseReason::ProxyRequired
    );
    if let Some(peer) = connection.peer().filter(|_| failed) {
        let now = shared.now();
        shared.sources.lock().note_failure(peer.ip(), now);
    }
}

/// What a client is told that comes too often.
pub(super) fn throttled() -> Vec<u8> {
    let mut text = Vec::new();
    error_text::write_err(&mut text, error_text::CONNECTION_THROTTLING);
    text
}

/// Whether too many logins and handshakes from there failed lately. The log says so once a minute
/// for each such source.
pub(super) fn is_turned_away(shared: &Shared, source: IpAddr) -> bool {
    let verdict = shared.sources.lock().ask(source, shared.now());
    if verdict == SourceVerdict::TurnedAway(1) {
        warn!(
            shared.log,
            "Too many failed logins from {source}: its connections are turned away for a minute"
        );
    }
    verdict != SourceVerdict::Welcome
}

/// Whether one more handshake may begin now. The log says how many may not, once for all of a
/// second.
pub(super) fn admit_handshake(shared: &Arc<Shared>) -> bool {
    let mut limit = shared.handshakes.lock();
    let admitted = limit.allow(Instant::now());
    if !admitted && limit.refused() == 1 {
        tokio::spawn(report_refusals(Arc::clone(shared)));
    }
    admitted
}

async fn report_refusals(shared: Arc<Shared>) {
    let mut stage = shared.stage.subscribe();
    let stopping = stage.wait_for(|stage| *stage > Stage::LameDuck);
    // A server that stops sends everyone away, which is no matter of a rate.
    if tokio::time::timeout(REFUSALS_COUNTED, stopping)
        .await
        .is_err()
    {
        let refused = shared.handshakes.lock().take_refused();
        warn!(
            shared.log,
            "Rejected {refused} connections due to TLS rate limiting"
        );
    }
}
