//! What the fuzz targets share: how an input is taken apart, and naive definitions to compare with.
//!
//! Inputs stay readable: settings come first as a few bytes whose low bits count, so that seeds can
//! write them as digits; what follows is the text under test. Absent: anything that calls the
//! crates under test, but for a sink that one of them fills, and certificates that one of them reads.

mod go;
pub mod stores;
pub mod tls;

pub use go::GoSink;

/// Takes `N` bytes of settings off the front of an input; `None` if it is shorter.
pub fn settings<const N: usize>(data: &[u8]) -> Option<(&[u8; N], &[u8])> {
    data.split_first_chunk()
}

/// One of `choices`, by the low bits of a byte: `b'0'` is the first, `b'1'` the second, and so on.
pub fn choose<T: Copy, const N: usize>(byte: u8, choices: [T; N]) -> T {
    choices[usize::from(byte.wrapping_sub(b'0')) % N]
}

/// The parts of a text between lines that consist of `----`.
pub fn sections(text: &str) -> impl Iterator<Item = &str> {
    text.split("\n----\n")
}

/// Whether a filter matches a subject, token by token, on vectors: slow and obvious.
pub fn naive_match(filter: &[u8], subject: &[u8]) -> bool {
    let filter: Vec<&[u8]> = filter.split(|&byte| byte == b'.').collect();
    let subject: Vec<&[u8]> = subject.split(|&byte| byte == b'.').collect();
    if subject.iter().any(|token| token.is_empty()) {
        return false;
    }
    let literal_part = match filter.last() {
        Some(&b">") if subject.len() >= filter.len() => &filter[..filter.len() - 1],
        Some(&b">") => return false,
        _ if subject.len() == filter.len() => &filter[..],
        _ => return false,
    };
    literal_part
        .iter()
        .zip(&subject)
        .all(|(wanted, found)| *wanted == b"*" || wanted == found)
}

/// Whether bytes are a filter that SUB accepts, by the rules as one would say them.
pub fn naive_filter(bytes: &[u8]) -> bool {
    let tokens: Vec<&[u8]> = bytes.split(|&byte| byte == b'.').collect();
    let last = tokens.len() - 1;
    !bytes.iter().any(|byte| b" \t\n\r\x0c".contains(byte))
        && tokens
            .iter()
            .enumerate()
            .all(|(at, token)| !token.is_empty() && (*token != b">" || at == last))
}

/// Whether bytes are a subject without wildcards.
pub fn naive_literal(bytes: &[u8]) -> bool {
    naive_filter(bytes)
        && bytes
            .split(|&byte| byte == b'.')
            .all(|token| token != b"*" && token != b">")
}

/// Text without the blanks and tabs around it.
pub fn naive_trim(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}
