//! What a session reports, as lines of the log, in the words of nats-server, which people search for.

use cognate_process::{error, info};
use cognate_router::Subscription;
use cognate_session::Report;
use cognate_wire::Fault;

use super::ClientDoor;
use crate::client::trace;
use crate::data::Connection;

/// Bytes of a faulty frame that a log line repeats.
const MAX_SHOWN: usize = 32;

impl ClientDoor {
    /// Writes what a session reports.
    pub(super) fn log_report(&self, report: Report<'_>) {
        let log = &self.shared.log;
        let label = self.connection.label();
        let text = String::from_utf8_lossy;
        match report {
            Report::PublishViolation(subject) => {
                error!(
                    log,
                    "{label} - Publish Violation - Subject {:?}",
                    text(subject)
                );
            }
            Report::TraceDestination(destination) => {
                let destination = text(destination);
                error!(
                    log,
                    "{label} - Destination {destination:?} is not valid, won't be able to trace events"
                );
            }
            Report::TraceVoid(value) => {
                let value = text(value);
                error!(
                    log,
                    "{label} - Message tracing disabled because of header \"Nats-Trace-Origin-Account\" with value={value:?}"
                );
            }
            Report::ReplyViolation(reply) => {
                error!(log, "{label} - Publish Violation - Reply {:?}", text(reply));
            }
            Report::SubscribeViolation {
                subject,
                queue: None,
                sid,
            } => {
                let (subject, sid) = (text(subject), text(sid));
                error!(
                    log,
                    "{label} - Subscription Violation - Subject {subject:?}, SID {sid}"
                );
            }
            Report::SubscribeViolation {
                subject,
                queue: Some(queue),
                sid,
            } => {
                let (subject, queue, sid) = (text(subject), text(queue), text(sid));
                error!(
                    log,
                    "{label} - Subscription Violation - Subject {subject:?}, Queue: {queue:?}, SID {sid}"
                );
            }
            Report::TooManyTokens(subject) => {
                error!(
                    log,
                    "{label} - Subscription Violation - Subject {:?}, too many tokens",
                    text(subject)
                );
            }
            Report::MaxSubscriptions => error!(log, "{label} - maximum subscriptions exceeded"),
            Report::AuthorizationViolation => self.report_refusal(),
            Report::Fault(fault, rest) => self.report_fault(&label, fault, rest),
            Report::BadConnect(problem) => {
                error!(log, "{label} - CONNECT not understood: {problem}")
            }
            Report::ClientError(problem) => error!(log, "{label} - Client Error {}", text(problem)),
        }
    }

    /// Says that a subscription was removed because its user may no longer have it.
    pub(crate) fn report_removed(&self, sub: &Subscription<Connection>) {
        let text = String::from_utf8_lossy;
        let (subject, sid) = (text(sub.subject()), text(sub.sid()));
        let mut who = self.claim.to_string();
        if who.is_empty() {
            who.push_str("User \"N/A\"");
        }
        let group = sub.queue().map_or_else(String::new, |queue| {
            format!(" using queue {:?}", text(queue))
        });
        info!(
            self.shared.log,
            "Removed sub {subject:?}{group} (sid {sid:?}) for {who} - not authorized"
        );
    }

    pub(super) fn report_refusal(&self) {
        let (label, claim) = (self.connection.label(), self.claim.to_string());
        let dash = if claim.is_empty() { "" } else { " - " };
        error!(
            self.shared.log,
            "{label} - authentication error{dash}{claim}"
        );
    }

    /// Says what was wrong with a frame in the words of nats-server, which people search for. The
    /// offending text is repeated only where it holds no secrets, and shortened.
    fn report_fault(&self, label: &str, fault: Fault, rest: &[u8]) {
        let log = &self.shared.log;
        let (verb, arguments) = trace::split_verb(trace::line_of(rest));
        let arguments = shortened(arguments);
        let by = match verb.as_str() {
            "PUB" => "processPub",
            "HPUB" => "processHeaderPub",
            "SUB" => "processSub",
            _ => "processUnsub",
        };
        match fault {
            Fault::UnknownOperation | Fault::PayloadNotTerminated => {
                return error!(
                    log,
                    "{label} - Client parser ERROR, {fault}: proto={:?}...",
                    shortened(rest)
                );
            }
            Fault::MaxControlLine => return error!(log, "{label} - {fault}"),
            _ => trace::trace_in(&self.shared, &self.connection, trace::line_of(rest)),
        }
        match fault {
            Fault::MaxPayload { size } => {
                let max = self.shared.options().max_payload;
                error!(log, "{label} - maximum payload exceeded: {size} vs {max}");
            }
            Fault::BadArguments { .. } => error!(log, "{label} - {by} Parse Error: {arguments:?}"),
            Fault::BadSize if verb == "HPUB" => {
                error!(
                    log,
                    "{label} - {by} Bad or Missing Total Size: {arguments:?}"
                );
            }
            Fault::BadSize => error!(log, "{label} - {by} Bad or Missing Size: {arguments:?}"),
            Fault::BadHeaderSize => {
                error!(
                    log,
                    "{label} - {by} Bad or Missing Header Size: {arguments:?}"
                );
            }
            Fault::HeaderLargerThanTotal => {
                error!(
                    log,
                    "{label} - {by} Header Size larger then TotalSize: {arguments:?}"
                );
            }
            _ => error!(log, "{label} - {fault}"),
        }
    }
}

/// The beginning of a text for a log line.
fn shortened(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(MAX_SHOWN)]).into_owned()
}
