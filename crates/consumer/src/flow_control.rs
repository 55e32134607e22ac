//! How much a push consumer may have sent that its client has not confirmed to have taken.
//!
//! The window begins at a sixteenth of its greatest size and doubles with every answer. When half
//! of it is used a request goes out; its answer confirms what had been sent until then. Delivery
//! stalls while more than the window is unconfirmed.
//!
//! Called by `push`. Absent: sending the request.

use crate::random::Random;

/// The greatest window in bytes, nats-server's.
const MAX_WINDOW: u64 = 32 * 1024 * 1024;
/// How many letters tell one request from another.
const TOKEN_LEN: usize = 4;

/// See the module.
#[derive(Debug)]
pub(crate) struct FlowControl {
    window: u64,
    unconfirmed: u64,
    /// The subject to answer on; empty if no request is out.
    subject: Vec<u8>,
    prefix: Vec<u8>,
    /// What an answer will confirm.
    requested: u64,
    random: Random,
}

impl FlowControl {
    pub(crate) fn new(stream: &[u8], consumer: &[u8], seed: u64) -> Self {
        let prefix = [b"$JS.FC.", stream, b".", consumer, b"."].concat();
        Self {
            window: MAX_WINDOW / 16,
            unconfirmed: 0,
            subject: Vec::new(),
            prefix,
            requested: 0,
            random: Random(seed),
        }
    }

    pub(crate) fn is_stalled(&self) -> bool {
        self.unconfirmed > self.window
    }

    /// The subject of the request that is out.
    pub(crate) fn outstanding(&self) -> Option<&[u8]> {
        (!self.subject.is_empty()).then_some(&self.subject)
    }

    /// Notes a delivery. Returns whether a request has to go out now.
    pub(crate) fn delivered(&mut self, size: u64) -> bool {
        self.unconfirmed += size;
        if self.subject.is_empty() {
            return self.unconfirmed > self.window / 2;
        }
        if self.unconfirmed - self.requested >= self.window {
            self.requested += size;
        }
        false
    }

    /// Makes a request; returns the subject its answer comes on.
    pub(crate) fn request(&mut self) -> &[u8] {
        self.subject.clear();
        self.subject.extend_from_slice(&self.prefix);
        self.random.push_letters(&mut self.subject, TOKEN_LEN);
        self.requested = self.unconfirmed;
        &self.subject
    }

    /// Takes an answer, by its subject's last token; false if it is to none that is out.
    pub(crate) fn answered(&mut self, token: &[u8]) -> bool {
        let expected = self.subject.get(self.prefix.len()..);
        if expected.is_none_or(|expected| expected.is_empty() || expected != token) {
            return false;
        }
        self.window = (self.window * 2).min(MAX_WINDOW);
        self.unconfirmed = self.unconfirmed.saturating_sub(self.requested);
        self.requested = 0;
        self.subject.clear();
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_opens_with_answers() {
        let mut flow = FlowControl::new(b"S", b"C", 1);
        let window = MAX_WINDOW / 16;
        assert!(!flow.delivered(window / 2));
        assert!(flow.delivered(1));
        let subject = flow.request().to_vec();
        assert!(subject.starts_with(b"$JS.FC.S.C."));
        assert!(!flow.delivered(window / 2));
        assert!(flow.is_stalled());
        assert!(!flow.answered(b"none"));
        let token = subject[b"$JS.FC.S.C.".len()..].to_vec();
        assert!(flow.answered(&token));
        assert!(!flow.answered(&token));
        assert_eq!((flow.window, flow.unconfirmed), (2 * window, window / 2));
        assert!(!flow.is_stalled());
        assert_eq!(flow.outstanding(), None);
    }
}
