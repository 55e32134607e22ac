//! Requests as they come out of the inbox: frames cut apart, and not too many of them.
//!
//! If more come at once than there is room for, the oldest go: whoever sent them has waited longest,
//! and is the most likely to have given up.

use cognate_api::Operation;
use cognate_wire::{Delivered, parse_delivered};

/// How many requests may wait, or do; requests for information have a limit of their own.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Limits {
    /// Requests that change something, and all others.
    pub changes: usize,
    /// Requests that only tell.
    pub infos: usize,
}

impl Limits {
    /// The number that a request with this subject counts in.
    pub(super) fn of(&mut self, subject: &[u8]) -> &mut usize {
        match is_info(subject) {
            true => &mut self.infos,
            false => &mut self.changes,
        }
    }
}

/// A request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::jetstream) struct Request {
    /// The subject it came on.
    pub subject: Box<[u8]>,
    /// Where its answer goes; empty for nowhere.
    pub reply: Box<[u8]>,
    /// Its header block; may be empty.
    pub headers: Box<[u8]>,
    /// Its payload.
    pub body: Box<[u8]>,
    /// The number of the account it came in.
    pub account: u64,
    /// The number of the connection it came from; 0 if it did not come from one.
    pub cid: u64,
}

/// What waited.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Batch {
    /// The requests to be served, in the order in which they came.
    pub requests: Vec<Request>,
    /// How many were dropped.
    pub dropped: usize,
}

/// Cuts whole frames into requests.
pub(super) fn cut(mut frames: &[u8], limits: Limits) -> Batch {
    let mut found = Vec::new();
    let mut infos = 0;
    while let Some((delivered, len)) = parse_delivered(frames) {
        let is_info = is_info(delivered.subject);
        infos += usize::from(is_info);
        found.push((delivered, is_info));
        frames = frames.get(len..).unwrap_or_default();
    }
    let mut surplus_infos = infos.saturating_sub(limits.infos);
    let mut surplus_changes = (found.len() - infos).saturating_sub(limits.changes);
    let dropped = surplus_infos + surplus_changes;
    let requests = found.iter().filter_map(|(delivered, is_info)| {
        let surplus = if *is_info {
            &mut surplus_infos
        } else {
            &mut surplus_changes
        };
        if *surplus > 0 {
            *surplus -= 1;
            return None;
        }
        Some(Request::from(delivered))
    });
    Batch {
        requests: requests.collect(),
        dropped,
    }
}

fn is_info(subject: &[u8]) -> bool {
    matches!(
        Operation::parse(subject),
        Some(
            Operation::AccountInfo
                | Operation::StreamNames
                | Operation::StreamList
                | Operation::StreamInfo { .. }
                | Operation::ConsumerNames { .. }
                | Operation::ConsumerList { .. }
                | Operation::ConsumerInfo { .. }
        )
    )
}

impl From<&Delivered<'_>> for Request {
    fn from(delivered: &Delivered<'_>) -> Self {
        let (account, cid) = origin(delivered.sid);
        Self {
            account,
            cid,
            subject: delivered.subject.into(),
            reply: delivered.reply.unwrap_or_default().into(),
            headers: delivered.headers.into(),
            body: delivered.payload.into(),
        }
    }
}

/// What the API's subscriptions are known by in an account.
pub(in crate::jetstream) fn sid(account: u64) -> String {
    format!("api.{account}")
}

/// The account in a sid, and the publisher, if it is named there too.
fn origin(sid: &[u8]) -> (u64, u64) {
    let mut numbers = sid.split(|&b| b == b'.').skip(1).map(|digits| {
        let digits = std::str::from_utf8(digits).unwrap_or_default();
        digits.parse().unwrap_or(0)
    });
    let mut next = || numbers.next().unwrap_or(0);
    (next(), next())
}

#[cfg(test)]
mod tests {
    use cognate_wire::encode::write_msg;

    use super::*;

    const INFO: &str = "$JS.API.INFO";
    const CREATE: &str = "$JS.API.STREAM.CREATE.S";

    fn frames(subjects: &[&str]) -> Vec<u8> {
        let mut frames = Vec::new();
        for (at, subject) in subjects.iter().enumerate() {
            let body = at.to_string();
            write_msg(
                &mut frames,
                subject.as_bytes(),
                b"api",
                Some(b"r"),
                None,
                body.as_bytes(),
            );
        }
        frames
    }

    #[track_caller]
    fn check(subjects: &[&str], changes: usize, infos: usize, served: &str, dropped: usize) {
        let batch = cut(&frames(subjects), Limits { changes, infos });
        let bodies = batch.requests.iter().map(|request| &*request.body);
        assert_eq!(bodies.collect::<Vec<_>>().concat(), served.as_bytes());
        assert_eq!(batch.dropped, dropped);
    }

    #[test]
    fn requests_keep_their_order() {
        check(&[], 10, 10, "", 0);
        check(&[CREATE, INFO, CREATE], 10, 10, "012", 0);
    }

    #[test]
    fn the_oldest_are_dropped_by_kind() {
        check(&[CREATE, INFO, CREATE, INFO, INFO], 1, 2, "234", 2);
        check(&[INFO, INFO], 5, 0, "", 2);
    }

    #[test]
    fn a_request_has_all_its_parts() {
        let mut frames = Vec::new();
        let body = b"NATS/1.0\r\n\r\n{}";
        write_msg(
            &mut frames,
            b"$JS.API.INFO",
            b"api.7.12",
            None,
            Some(12),
            body,
        );
        let limits = Limits {
            changes: 1,
            infos: 1,
        };
        let expected = Request {
            subject: INFO.as_bytes().into(),
            reply: [].into(),
            headers: b"NATS/1.0\r\n\r\n"[..].into(),
            body: b"{}"[..].into(),
            account: 7,
            cid: 12,
        };
        assert_eq!(cut(&frames, limits).requests, [expected]);
    }
}
