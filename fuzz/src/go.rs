//! Takes what is read of a Go server's store, and checks that it comes in order.

use cognate_gostore::{ConsumerMeta, ConsumerState, Report, Sink, StoredMessage, StreamMeta};
use cognate_model::{Timestamp, is_valid_name};

/// What was handed on.
#[derive(Debug, Default, PartialEq)]
pub struct GoSink {
    is_begun: bool,
    messages: Vec<(u64, usize)>,
    next: Option<u64>,
    consumers: Vec<String>,
}

impl GoSink {
    /// Compares what was handed on with the report.
    pub fn check(&self, report: &Report) {
        assert_eq!(report.messages, self.messages.len() as u64);
        assert_eq!(report.consumers, self.consumers.len() as u64);
        for lost in &report.lost {
            assert!(lost.first <= lost.last);
            let held = self.messages.iter().map(|(sequence, _)| *sequence);
            let mut within = held.filter(|s| (lost.first..=lost.last).contains(s));
            assert_eq!(within.next(), None, "taken and lost");
        }
    }
}

impl Sink for GoSink {
    type Error = String;

    fn stream(&mut self, _: StreamMeta) -> Result<(), String> {
        assert!(!std::mem::replace(&mut self.is_begun, true));
        Ok(())
    }

    fn message(&mut self, message: &StoredMessage<'_>) -> Result<(), String> {
        assert!(self.is_begun && self.next.is_none());
        let last = self.messages.last().map_or(0, |(sequence, _)| *sequence);
        assert!(message.sequence > last);
        assert!(cognate_subject::validate::is_valid_literal(message.subject));
        let len = message.headers.len() + message.payload.len();
        self.messages.push((message.sequence, len));
        Ok(())
    }

    fn remove(&mut self, first: u64, last: u64) -> Result<u64, String> {
        let before = self.messages.len();
        self.messages
            .retain(|(sequence, _)| !(first..=last).contains(sequence));
        Ok((before - self.messages.len()) as u64)
    }

    fn end_messages(&mut self, next: u64, _: Timestamp) -> Result<(), String> {
        assert!(self.next.replace(next).is_none());
        let last = self.messages.last().map_or(0, |(sequence, _)| *sequence);
        assert!(next > last);
        Ok(())
    }

    fn consumer(&mut self, meta: ConsumerMeta, _: Option<ConsumerState>) -> Result<(), String> {
        assert!(self.next.is_some());
        assert!(is_valid_name(&meta.name));
        self.consumers.push(meta.name);
        Ok(())
    }
}
