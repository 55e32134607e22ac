//! The last bytes of a connection: what was accepted for the client leaves before its socket closes.
//!
//! Called by whoever ends a connection, its task or the handshake that did not get that far.
//! Bound: each of the two steps, the rest and the goodbye, may take [`PARTING`]. Absent: the
//! record of how it ended.

use std::task::Poll;
use std::time::Duration;

use cognate_wire::CloseReason;

use super::transport::Transport;
use crate::data::Connection;
use crate::shared::Shared;

/// How long parting words, and the goodbye of the transport, may take to leave.
const PARTING: Duration = Duration::from_millis(500);

/// Whether a client is told why it is closed, so that the text must leave first.
fn has_parting_words(reason: CloseReason) -> bool {
    !matches!(
        reason,
        CloseReason::ClientClosed
            | CloseReason::ReadError
            | CloseReason::WriteError
            | CloseReason::SlowConsumerPendingBytes
            | CloseReason::SlowConsumerWriteDeadline
    )
}

/// Sends what the client is still to see, ends the hand-off and closes the transport.
pub(super) async fn part(
    shared: &Shared,
    connection: &Connection,
    transport: &mut Transport,
    reason: CloseReason,
) {
    if has_parting_words(reason) {
        let words = write_rest(shared, connection, transport, reason);
        let _ = tokio::time::timeout(PARTING, words).await;
    }
    connection.outbound.shut(reason);
    let goodbye = std::future::poll_fn(|cx| transport.poll_shutdown(cx));
    let _ = tokio::time::timeout(PARTING, goodbye).await;
}

/// Waits until what was said, and what others delivered before, has left.
async fn write_rest(
    shared: &Shared,
    connection: &Connection,
    transport: &mut Transport,
    reason: CloseReason,
) {
    let mut rest = std::future::poll_fn(|cx| connection.outbound.poll_rest(reason, cx)).await;
    std::future::poll_fn(|cx| {
        while !rest.is_empty() {
            match transport.poll_write(cx, &rest) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(count)) if count > 0 => rest.advance(count, &shared.blocks),
                Poll::Ready(_) => return Poll::Ready(()),
            }
        }
        transport.poll_flush(cx).map(|_| ())
    })
    .await;
}
