//! Session tickets that end when the client's certificate does.
//!
//! Owns what a ticket says besides rustls's session: until when the certificate behind it is valid.
//! Invariant: a session whose certificate has expired is not resumed, but a full handshake begins.
//! That one tells the client with an alert why it fails, and succeeds if the client has a new
//! certificate by now; of a resumed session both could only be refused. Called by rustls while it
//! makes and reads tickets, and by the verifier of client certificates. Absent: keys and their
//! change, which are rustls's.

use std::cell::Cell;
use std::fmt;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use rustls::server::ProducesTickets;

/// Of the time in front of a session: seconds since 1970, big endian.
const EXPIRY_LEN: usize = 8;

/// Of a session without a certificate.
const NEVER: u64 = u64::MAX;

tokio::task_local! {
    /// When the certificate of this task's handshake expires.
    static EXPIRY: Cell<u64>;
}

/// Runs a handshake, whose tickets are valid as long as the certificate that it accepts.
pub(crate) async fn bound_to_certificate<F: Future>(handshake: F) -> F::Output {
    EXPIRY.scope(Cell::new(NEVER), handshake).await
}

/// The handshake under way accepted a certificate that expires then, in seconds since 1970.
pub(crate) fn note_expiry(expiry: u64) {
    // Outside of a handshake of ours (HTTPS), no certificate is asked for.
    let _ = EXPIRY.try_with(|at| at.set(expiry));
}

/// Tickets for one configuration, with keys of their own.
pub(crate) fn tickets() -> Result<Arc<dyn ProducesTickets>, rustls::Error> {
    let inner = rustls::crypto::aws_lc_rs::Ticketer::new()?;
    Ok(Arc::new(Tickets { inner }))
}

struct Tickets {
    inner: Arc<dyn ProducesTickets>,
}

impl fmt::Debug for Tickets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl ProducesTickets for Tickets {
    fn enabled(&self) -> bool {
        self.inner.enabled()
    }

    fn lifetime(&self) -> u32 {
        self.inner.lifetime()
    }

    fn encrypt(&self, session: &[u8]) -> Option<Vec<u8>> {
        let expiry = EXPIRY.try_with(Cell::get).unwrap_or(NEVER);
        let bound = [&expiry.to_be_bytes()[..], session].concat();
        self.inner.encrypt(&bound)
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        let bound = self.inner.decrypt(ticket)?;
        let (expiry, session) = bound.split_first_chunk::<EXPIRY_LEN>()?;
        let expiry = u64::from_be_bytes(*expiry);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
        if expiry < now.as_secs() {
            return None;
        }
        // What the resumed session gets tickets for is the same certificate.
        let _ = EXPIRY.try_with(|at| at.set(expiry));
        Some(session.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        since.unwrap().as_secs()
    }

    #[tokio::test]
    async fn tickets_end_with_the_certificate() {
        let tickets = tickets().unwrap();
        for (expiry, resumed) in [
            (None, true),
            (Some(now() + 3600), true),
            (Some(now() - 1), false),
            (Some(0), false),
        ] {
            let making = async {
                expiry.into_iter().for_each(note_expiry);
                tickets.encrypt(b"session").unwrap()
            };
            let ticket = bound_to_certificate(making).await;
            let session = bound_to_certificate(async { tickets.decrypt(&ticket) }).await;
            let expected = resumed.then(|| b"session".to_vec());
            assert_eq!(session, expected, "{expiry:?}");
        }
    }

    #[tokio::test]
    async fn a_resumed_session_hands_its_expiry_on() {
        let (tickets, expiry) = (tickets().unwrap(), now() + 3600);
        let ticket = bound_to_certificate(async {
            note_expiry(expiry);
            tickets.encrypt(b"session").unwrap()
        });
        let ticket = ticket.await;
        let handed_on = bound_to_certificate(async {
            tickets.decrypt(&ticket).unwrap();
            EXPIRY.with(Cell::get)
        });
        assert_eq!(handed_on.await, expiry);
    }

    #[test]
    fn what_is_no_ticket_resumes_nothing() {
        let tickets = tickets().unwrap();
        for bytes in [&b""[..], b"x", &[0; 200]] {
            assert_eq!(tickets.decrypt(bytes), None);
        }
    }
}
