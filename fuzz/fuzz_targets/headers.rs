//! Header blocks: reading arbitrary bytes, and writing status blocks from arbitrary texts.
//!
//! Checks: never panics; every key and value lies within the block, in order, and is what a naive
//! reading by lines finds; `first` agrees with iterating; a status block that was written has
//! exactly the lines asked for, whatever the texts contain, and reads back; what asks for a message
//! trace is seen by the quick look too.
#![no_main]

use cognate_fuzz::naive_trim;
use cognate_wire::headers::{HeaderBlock, NATS_SUBJECT, write_no_responders, write_status};
use cognate_wire::tracing::{Ask, DISABLED, may_ask};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    read(data);
    ask_for_trace(data);
    let code = data.first().map_or(503, |&byte| 100 + u16::from(byte) * 3);
    let text = String::from_utf8_lossy(data);
    let (description, value) = text.split_at(text.floor_char_boundary(text.len() / 2));
    write(code, description, value);
    let mut out = Vec::new();
    write_no_responders(&mut out, data);
    let block = HeaderBlock::parse(&out).expect("a block");
    assert_eq!(block.iter().count(), 1);
    assert_eq!(
        block.first(NATS_SUBJECT.as_bytes()),
        Some(naive_trim(&one_line(data)))
    );
});

/// What asks for a trace is never passed over by the quick look, and says what the block says.
fn ask_for_trace(data: &[u8]) {
    let Some(ask) = Ask::read(data) else {
        return;
    };
    assert!(may_ask(data));
    assert!(data.starts_with(b"NATS/1.0\r\n"));
    assert!(!ask.only || ask.destination.is_some());
    assert_ne!(ask.destination, Some(DISABLED));
    let within = |part: &[u8]| {
        let (whole, part) = (data.as_ptr_range(), part.as_ptr_range());
        whole.start <= part.start && part.end <= whole.end
    };
    for (key, value) in &ask.headers {
        assert!(!key.is_empty() && !value.is_empty() && within(key) && within(value));
    }
    assert!(
        ask.headers
            .iter()
            .map(|(k, v)| k.len() + v.len())
            .sum::<usize>()
            < data.len()
    );
}

fn read(data: &[u8]) {
    let Some(block) = HeaderBlock::parse(data) else {
        let starts = data.starts_with(b"NATS/1.0\r\n") || data.starts_with(b"NATS/1.0 \r\n");
        assert!(!starts, "a block that is not read");
        return;
    };
    assert!(data.starts_with(b"NATS/1.0"));
    let found: Vec<_> = block.iter().collect();
    assert_eq!(found, naive(data));
    let mut end = data.as_ptr();
    for (key, value) in &found {
        assert!(end <= key.as_ptr() && key.as_ptr_range().end <= value.as_ptr());
        end = value.as_ptr_range().end;
        let first = found
            .iter()
            .find(|(name, _)| name == key)
            .map(|(_, value)| *value);
        assert_eq!(block.first(key), first);
    }
    assert!(end <= data.as_ptr_range().end);
    assert_eq!(block.first(b"no such key"), None);
    if let Some(status) = block.status() {
        assert!(!status.code.is_empty() && !status.code.contains(&b' '));
        assert!(status.code.len() + status.description.len() < data.len());
    }
}

/// The headers by the format's description: lines up to the first empty one, split at a colon.
fn naive(block: &[u8]) -> Vec<(&[u8], &[u8])> {
    let mut lines = Vec::new();
    let mut rest = block;
    while let Some(at) = rest.windows(2).position(|pair| pair == b"\r\n") {
        lines.push(&rest[..at]);
        rest = &rest[at + 2..];
    }
    lines.push(rest);
    let headers = lines
        .into_iter()
        .skip(1)
        .take_while(|line| !line.is_empty());
    headers
        .filter_map(|line| {
            let colon = line.iter().position(|&byte| byte == b':')?;
            let (key, value) = (&line[..colon], naive_trim(&line[colon + 1..]));
            let visible = key.iter().all(|byte| (0x21..=0x7e).contains(byte));
            (visible && !key.is_empty()).then_some((key, value))
        })
        .collect()
}

fn write(code: u16, description: &str, value: &str) {
    let mut out = Vec::new();
    let headers = [("Key", value.as_bytes()), ("Other", description.as_bytes())];
    write_status(&mut out, code, description, &headers);
    let line_ends = out.windows(2).filter(|pair| pair == b"\r\n").count();
    assert_eq!(line_ends, headers.len() + 2, "a forged line");
    assert!(out.ends_with(b"\r\n\r\n"));
    let block = HeaderBlock::parse(&out).expect("a block");
    let status = block.status().expect("a status");
    assert_eq!(status.code, code.to_string().as_bytes());
    assert_eq!(
        status.description,
        naive_trim(&one_line(description.as_bytes()))
    );
    let found: Vec<_> = block.iter().collect();
    assert_eq!(found.len(), headers.len());
    for ((key, value), (found_key, found_value)) in headers.iter().zip(found) {
        assert_eq!(key.as_bytes(), found_key);
        assert_eq!(naive_trim(&one_line(value)), found_value);
    }
}

fn one_line(text: &[u8]) -> Vec<u8> {
    text.iter()
        .map(|&byte| if b"\r\n".contains(&byte) { b' ' } else { byte })
        .collect()
}
