//! What a publish costs besides the store: `cargo run --release --example publish_cost`.
//!
//! Times are those the thread was on a processor, read from Linux's `/proc`.
//!
//! The store here counts and keeps nothing, so what is measured is the stream's own part.

#![allow(
    clippy::disallowed_methods,
    reason = "a measurement reads the time; the crate does not"
)]

use std::hint::black_box;
use std::ops::ControlFlow;

use cognate_model::{
    DamagedRange, Deadline, Message, MessageStore, NewMessage, Removed, Sequence, StoreError,
    StoreState, StreamConfig, SubjectState, Timestamp, WriteMark,
};
use cognate_stream::{Advisory, Publish, Stream, StreamHost, Surroundings};
use cognate_subject::Filter;

const ROUNDS: u32 = 300_000;

#[derive(Default)]
struct Counting {
    state: StoreState,
}

impl MessageStore for Counting {
    type Cursor = ();

    fn state(&self) -> StoreState {
        self.state
    }
    fn stored_bytes(&self, subject: usize, headers: usize, payload: usize) -> u64 {
        (subject + headers + payload + 16) as u64
    }
    fn load(&mut self, _: Sequence) -> Result<Option<Message<'_>>, StoreError> {
        Ok(None)
    }
    fn subject(&mut self, _: &[u8]) -> Option<SubjectState> {
        let last = self.state.last;
        (last > 0).then_some(SubjectState {
            first: last,
            last,
            messages: 1,
        })
    }
    fn for_each_subject(
        &mut self,
        _: &[u8],
        _: &mut dyn FnMut(&[u8], SubjectState) -> ControlFlow<()>,
    ) {
    }
    fn cursor(&mut self, _: &[Filter]) {}
    fn next(&mut self, (): &mut (), _: Sequence) -> Result<Option<Sequence>, StoreError> {
        Ok(None)
    }
    fn count(&mut self, (): &mut (), _: Sequence, _: bool) -> Result<u64, StoreError> {
        Ok(0)
    }
    fn sequence_at(&mut self, _: Timestamp) -> Result<Sequence, StoreError> {
        Ok(0)
    }
    fn deleted(&mut self, _: usize) -> Vec<(Sequence, Sequence)> {
        Vec::new()
    }
    fn damaged(&self) -> &[DamagedRange] {
        &[]
    }
    fn append(&mut self, message: &NewMessage<'_>) -> Result<Sequence, StoreError> {
        black_box(message);
        self.state.last += 1;
        self.state.messages += 1;
        Ok(self.state.last)
    }
    fn skip_to(&mut self, _: Sequence, _: Timestamp) -> Result<(), StoreError> {
        Ok(())
    }
    fn remove(&mut self, _: Sequence, _: bool) -> Result<Option<Removed>, StoreError> {
        Ok(None)
    }
    fn remove_below(&mut self, below: Sequence) -> Result<Removed, StoreError> {
        let removed = Removed {
            messages: below - self.state.first,
            bytes: 0,
        };
        self.state.messages -= removed.messages;
        self.state.first = below;
        Ok(removed)
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

#[derive(Default)]
struct Sink(usize);

impl StreamHost for Sink {
    fn respond(&mut self, reply: &[u8], headers: &[u8], body: &[u8]) {
        self.0 += black_box(reply).len() + headers.len() + body.len();
    }
    fn publish(&mut self, subject: &[u8], headers: &[u8], payload: &[u8]) {
        self.0 += black_box(subject).len() + headers.len() + payload.len();
    }
    fn stored(&mut self, message: &Message<'_>) {
        black_box(message);
    }
    fn removed(&mut self, _: Sequence, _: &[u8]) {}
    fn removed_below(&mut self, sequence: Sequence) {
        black_box(sequence);
    }
    fn advisory(&mut self, _: Advisory<'_>) {}
    fn has_interest(&mut self, _: &[u8]) -> bool {
        true
    }
}

fn measure(what: &str, config: &str, reply: &str, header: impl Fn(u32) -> String) {
    let (mut config, _) = cognate_model::json::decode::<StreamConfig>(config.as_bytes())
        .expect("a stream configuration");
    config.max_msg_size = -1;
    let mut store = Counting::default();
    store.state.first = 1;
    let surroundings = Surroundings::default();
    let mut stream = Stream::recover(config, Timestamp(0), surroundings, &mut store, Timestamp(0))
        .expect("a stream");
    let blocks: Vec<String> = (0..ROUNDS).map(header).collect();
    let mut host = Sink::default();
    let payload = [b'p'; 128];
    let start = on_processor();
    for (number, block) in blocks.iter().enumerate() {
        let publish = Publish {
            subject: b"orders.new.12345",
            reply: reply.as_bytes(),
            headers: block.as_bytes(),
            payload: &payload,
            random: 0,
        };
        let now = Timestamp(number as i64 * 1000);
        stream.handle_publish(black_box(&publish), now, &mut store, &mut host);
    }
    let nanos = (on_processor() - start) / u64::from(ROUNDS);
    println!("{what:<36} {nanos:>5} ns");
}

/// Nanoseconds this thread was on a processor.
fn on_processor() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let first = text.split(' ').next().and_then(|text| text.parse().ok());
    first.unwrap_or(0)
}

fn main() {
    let plain = r#"{"name":"ORDERS"}"#;
    let none = |_| String::new();
    let reply = "_INBOX.abcdefghijklmnopqrstuv.1";
    measure("plain, no reply", plain, "", none);
    measure("plain, acknowledged", plain, reply, none);
    measure(
        "max_msgs",
        r#"{"name":"ORDERS","max_msgs":1000}"#,
        reply,
        none,
    );
    let kv = r#"{"name":"ORDERS","max_msgs_per_subject":1,"allow_rollup_hdrs":true}"#;
    measure("one message per subject", kv, reply, none);
    let ids = r#"{"name":"ORDERS","duplicate_window":1000000000}"#;
    let id = |number| format!("NATS/1.0\r\nNats-Msg-Id: abcdefghijklmnop{number:08}\r\n\r\n");
    measure("message ids", ids, reply, id);
    let expect = |number| format!("NATS/1.0\r\nNats-Expected-Last-Sequence: {number}\r\n\r\n");
    measure("expected last sequence", plain, reply, expect);
}
