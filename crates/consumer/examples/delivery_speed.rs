//! Prints nanoseconds per delivered message and bytes per pending one.
//!
//! Run: `CARGO_PROFILE_RELEASE_LTO=off cargo run --release -p cognate-consumer --example delivery_speed`
//! The store is an array and the host does nothing, so that what is measured is the consumer.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use cognate_consumer::{
    Advisory, Consumer, ConsumerHost, DeadLetter, Identity, Turn, split_ack_subject,
};
use cognate_model::{
    ConsumerConfig, DamagedRange, Deadline, Message, MessageStore, NewMessage, Removed, Sequence,
    StoreError, StoreState, SubjectState, Timestamp, WriteMark, json,
};
use cognate_subject::Filter;

const MESSAGES: u64 = 2_000_000;
const START: i64 = 1_700_000_000_000_000_000;

/// A store of so many equal messages.
struct Equal(u64);

impl MessageStore for Equal {
    type Cursor = ();

    fn state(&self) -> StoreState {
        StoreState {
            messages: self.0,
            first: 1,
            last: self.0,
            ..StoreState::default()
        }
    }

    fn stored_bytes(&self, subject: usize, headers: usize, payload: usize) -> u64 {
        (subject + headers + payload) as u64
    }

    fn load(&mut self, sequence: Sequence) -> Result<Option<Message<'_>>, StoreError> {
        Ok((sequence <= self.0).then_some(Message {
            sequence,
            timestamp: Timestamp(START),
            subject: b"orders.new",
            headers: b"",
            payload: &[b'x'; 128],
        }))
    }

    fn subject(&mut self, _: &[u8]) -> Option<SubjectState> {
        None
    }

    fn for_each_subject(
        &mut self,
        _: &[u8],
        _: &mut dyn FnMut(&[u8], SubjectState) -> ControlFlow<()>,
    ) {
    }

    fn cursor(&mut self, _: &[Filter]) {}

    fn next(&mut self, (): &mut (), from: Sequence) -> Result<Option<Sequence>, StoreError> {
        Ok((from <= self.0).then_some(from))
    }

    fn count(&mut self, (): &mut (), from: Sequence, _: bool) -> Result<u64, StoreError> {
        Ok((self.0 + 1).saturating_sub(from))
    }

    fn sequence_at(&mut self, _: Timestamp) -> Result<Sequence, StoreError> {
        Ok(1)
    }

    fn deleted(&mut self, _: usize) -> Vec<(Sequence, Sequence)> {
        Vec::new()
    }

    fn damaged(&self) -> &[DamagedRange] {
        &[]
    }

    fn append(&mut self, _: &NewMessage<'_>) -> Result<Sequence, StoreError> {
        Err(StoreError::Full)
    }

    fn skip_to(&mut self, _: Sequence, _: Timestamp) -> Result<(), StoreError> {
        Ok(())
    }

    fn remove(&mut self, _: Sequence, _: bool) -> Result<Option<Removed>, StoreError> {
        Ok(None)
    }

    fn remove_below(&mut self, _: Sequence) -> Result<Removed, StoreError> {
        Ok(Removed::default())
    }

    fn set_deadline(&mut self, _: Sequence, _: Option<Deadline>) -> Result<(), StoreError> {
        Ok(())
    }

    fn next_deadline(&mut self) -> Option<(Sequence, Deadline)> {
        None
    }

    fn for_each_id(
        &mut self,
        _: Timestamp,
        _: &mut dyn FnMut(&Message<'_>),
    ) -> Result<(), StoreError> {
        Ok(())
    }

    fn written(&self) -> WriteMark {
        WriteMark(0)
    }

    fn durable(&self) -> WriteMark {
        WriteMark(0)
    }
}

/// Keeps the last acknowledgement subjects and counts.
#[derive(Default)]
struct Host {
    delivered: u64,
    journalled: u64,
    replies: Vec<u8>,
}

impl ConsumerHost for Host {
    fn deliver(&mut self, _: &[u8], reply: &[u8], _: &Message<'_>) -> bool {
        self.delivered += 1;
        self.replies.extend_from_slice(reply);
        self.replies.push(b'\n');
        true
    }

    fn status(&mut self, _: &[u8], _: &[u8], _: &[u8]) {}

    fn respond_ack(&mut self, _: &[u8]) {}

    fn journal(&mut self, entry: &[u8]) {
        self.journalled += entry.len() as u64;
    }

    fn settled(&mut self, _: Sequence, _: Sequence) {}

    fn advisory(&mut self, _: Advisory<'_>) {}

    fn has_interest(&mut self, _: &[u8]) -> bool {
        true
    }

    fn dead_letter(&mut self, _: &DeadLetter<'_>) {}

    fn inactive(&mut self) {}
}

fn consumer(config: &str, store: &mut Equal) -> Consumer<()> {
    let identity = Identity {
        stream: (*b"ORDERS").into(),
        consumer: (*b"DISPATCH").into(),
        tracks_interest: false,
        max_message: 1 << 20,
        seed: 1,
    };
    let (config, _) = json::decode::<ConsumerConfig>(config.as_bytes()).expect("a config");
    Consumer::new(identity, &config, store.0, Timestamp(START), store).expect("an array")
}

fn report(what: &str, took: Duration, host: &Host) {
    let each = took.as_nanos() as f64 / host.delivered as f64;
    let journal = host.journalled as f64 / host.delivered as f64;
    println!("{what:<44} {each:6.1} ns, {journal:5.2} journal bytes a message");
}

fn push() {
    let mut store = Equal(MESSAGES);
    let config = r#"{"durable_name":"C","ack_policy":"none","deliver_subject":"D"}"#;
    let mut consumer = consumer(config, &mut store);
    consumer.handle_interest(true, Timestamp(START));
    let mut host = Host::default();
    let began = Instant::now();
    loop {
        let mut turn = Turn {
            now: Timestamp(START),
            store: &mut store,
            host: &mut host,
        };
        if !consumer.poll_deliver(&mut turn, 256) {
            break;
        }
        host.replies.clear();
    }
    report("push without acknowledgements", began.elapsed(), &host);
}

/// Pulls batches; acknowledges each message, the last first if `backwards`.
fn pull(what: &str, batch: usize, backwards: bool) {
    let mut store = Equal(MESSAGES);
    let config = r#"{"durable_name":"C","ack_policy":"explicit","ack_wait":30000000000,"max_ack_pending":-1}"#;
    let mut consumer = consumer(config, &mut store);
    let mut host = Host::default();
    let body = format!("{{\"batch\":{batch},\"expires\":5000000000}}");
    let mut now = START;
    let began = Instant::now();
    while host.delivered < MESSAGES {
        now += 1000;
        let mut turn = Turn {
            now: Timestamp(now),
            store: &mut store,
            host: &mut host,
        };
        consumer.handle_pull(b"", body.as_bytes(), b"_INBOX.abcdefgh.1", &mut turn);
        while consumer.poll_deliver(&mut turn, 256) {}
        let replies = std::mem::take(&mut turn.host.replies);
        let mut acks: Vec<_> = replies
            .split(|&b| b == b'\n')
            .filter(|r| !r.is_empty())
            .collect();
        if backwards {
            acks.reverse();
        }
        for reply in acks {
            let (_, _, tail) = split_ack_subject(reply).expect("our own subject");
            consumer.handle_ack(tail, b"", b"", &mut turn);
        }
        std::hint::black_box(consumer.next_timeout());
    }
    report(what, began.elapsed(), &host);
}

fn main() {
    push();
    pull("pull 500, explicit, in order", 500, false);
    pull("pull 500, explicit, last first", 500, true);
    pull("pull 100,000, explicit, in order", 100_000, false);
    pull("pull 100,000, explicit, last first", 100_000, true);
    pull("pull 1, explicit", 1, false);
}
