//! The headers a stream looks at, and the writing of changed header blocks.
//!
//! A block is read once, without allocating; of a repeated key the first value counts. Writing
//! goes to buffers of the caller.

use cognate_wire::headers::{HeaderBlock, VERSION};

/// Names of headers.
pub(crate) mod name {
    pub(crate) const ROLLUP: &[u8] = b"Nats-Rollup";
    pub(crate) const TTL: &[u8] = b"Nats-TTL";
    pub(crate) const INCREMENT: &[u8] = b"Nats-Incr";
    pub(crate) const COUNTER_SOURCES: &[u8] = b"Nats-Counter-Sources";
    pub(crate) const BATCH_COMMIT: &[u8] = b"Nats-Batch-Commit";
    pub(crate) const REQUIRED_API_LEVEL: &[u8] = b"Nats-Required-Api-Level";
    pub(crate) const REQUEST_INFO: &[u8] = b"Nats-Request-Info";
    pub(crate) const MSG_ID: &[u8] = b"Nats-Msg-Id";
    pub(crate) const SCHEDULER: &[u8] = b"Nats-Scheduler";
    pub(crate) const SCHEDULE_NEXT: &[u8] = b"Nats-Schedule-Next";
    pub(crate) const STREAM_SOURCE: &[u8] = b"Nats-Stream-Source";
    pub(crate) const EXPECTED_LAST_MSG_ID: &str = "Nats-Expected-Last-Msg-Id";
}

/// What a block says that concerns a stream. Absent and empty values are the same, unless an
/// `Option` tells them apart.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Headers<'h> {
    pub(crate) msg_id: &'h [u8],
    pub(crate) expected_stream: &'h [u8],
    pub(crate) expected_last_sequence: &'h [u8],
    pub(crate) expected_subject_sequence: &'h [u8],
    pub(crate) expected_subject: &'h [u8],
    pub(crate) expected_last_msg_id: &'h [u8],
    pub(crate) rollup: &'h [u8],
    pub(crate) ttl: &'h [u8],
    pub(crate) increment: &'h [u8],
    pub(crate) counter_sources: &'h [u8],
    pub(crate) stream_source: &'h [u8],
    pub(crate) batch_id: &'h [u8],
    pub(crate) batch_sequence: &'h [u8],
    pub(crate) batch_commit: Option<&'h [u8]>,
    pub(crate) required_api_level: &'h [u8],
    pub(crate) schedule: &'h [u8],
    pub(crate) schedule_target: &'h [u8],
    pub(crate) schedule_source: &'h [u8],
    pub(crate) schedule_ttl: &'h [u8],
    pub(crate) schedule_rollup: &'h [u8],
    pub(crate) schedule_time_zone: Option<&'h [u8]>,
    pub(crate) schedule_next: &'h [u8],
    pub(crate) scheduler: &'h [u8],
    pub(crate) marker_reason: &'h [u8],
    pub(crate) kv_operation: &'h [u8],
    /// Whether there is a header that is not for the stream and must not be stored.
    pub(crate) has_request_info: bool,
}

impl<'h> Headers<'h> {
    /// Reads a block; an empty or malformed one says nothing.
    pub(crate) fn parse(block: &'h [u8]) -> Self {
        let mut headers = Self::default();
        let Some(block) = HeaderBlock::parse(block) else {
            return headers;
        };
        for (key, value) in block.iter() {
            match key.strip_prefix(b"Nats-") {
                Some(rest) => headers.take(rest, value),
                None if key == b"KV-Operation" => first(&mut headers.kv_operation, value),
                None => {}
            }
        }
        headers
    }

    fn take(&mut self, key: &[u8], value: &'h [u8]) {
        match key {
            b"Msg-Id" => first(&mut self.msg_id, value),
            b"Expected-Stream" => first(&mut self.expected_stream, value),
            b"Expected-Last-Sequence" => first(&mut self.expected_last_sequence, value),
            b"Expected-Last-Subject-Sequence" => first(&mut self.expected_subject_sequence, value),
            b"Expected-Last-Subject-Sequence-Subject" => first(&mut self.expected_subject, value),
            b"Expected-Last-Msg-Id" => first(&mut self.expected_last_msg_id, value),
            b"Rollup" => first(&mut self.rollup, value),
            b"TTL" => first(&mut self.ttl, value),
            b"Incr" => first(&mut self.increment, value),
            b"Counter-Sources" => first(&mut self.counter_sources, value),
            b"Stream-Source" => first(&mut self.stream_source, value),
            b"Batch-Id" => first(&mut self.batch_id, value),
            b"Batch-Sequence" => first(&mut self.batch_sequence, value),
            b"Batch-Commit" => self.batch_commit = self.batch_commit.or(Some(value)),
            b"Required-Api-Level" => first(&mut self.required_api_level, value),
            b"Schedule" => first(&mut self.schedule, value),
            b"Schedule-Target" => first(&mut self.schedule_target, value),
            b"Schedule-Source" => first(&mut self.schedule_source, value),
            b"Schedule-TTL" => first(&mut self.schedule_ttl, value),
            b"Schedule-Rollup" => first(&mut self.schedule_rollup, value),
            b"Schedule-Time-Zone" => {
                self.schedule_time_zone = self.schedule_time_zone.or(Some(value));
            }
            b"Schedule-Next" => first(&mut self.schedule_next, value),
            b"Scheduler" => first(&mut self.scheduler, value),
            b"Marker-Reason" => first(&mut self.marker_reason, value),
            b"Request-Info" => self.has_request_info = true,
            _ => {}
        }
    }

    /// Whether this is a marker that stands for a removed message.
    pub(crate) fn is_delete_marker(&self) -> bool {
        !self.marker_reason.is_empty() || self.kv_operation == b"PURGE"
    }

    /// Whether the block asks for a newer server than this, which has level [`API_LEVEL`].
    pub(crate) fn asks_for_newer_server(&self) -> bool {
        let level = self.required_api_level;
        if level.is_empty() {
            return false;
        }
        let level = std::str::from_utf8(level).unwrap_or_default();
        level.parse::<i64>().map_or(true, |level| level > API_LEVEL)
    }
}

/// The level of the JetStream API that is spoken, for `Nats-Required-Api-Level`.
pub(crate) const API_LEVEL: i64 = 4;

fn first<'h>(slot: &mut &'h [u8], value: &'h [u8]) {
    if slot.is_empty() {
        *slot = value;
    }
}

/// The block without a status in its first line; nothing if no header is in it. Copies to `out` if
/// that changes it.
pub(crate) fn without_status<'a>(block: &'a [u8], out: &'a mut Vec<u8>) -> &'a [u8] {
    const EMPTY: &[u8] = b"NATS/1.0\r\n\r\n";
    if block.len() <= EMPTY.len() && block == EMPTY {
        return &[];
    }
    let Some(rest) = block.strip_prefix(VERSION) else {
        return block;
    };
    if rest.starts_with(b"\r\n") {
        return block;
    }
    let line = rest.iter().position(|byte| *byte == b'\r');
    let rest = line.map_or(&[][..], |at| &rest[at..]);
    if rest.len() <= EMPTY.len() - VERSION.len() {
        return &[];
    }
    out.clear();
    out.extend_from_slice(VERSION);
    out.extend_from_slice(rest);
    out
}

/// Appends the headers of `block` for which `keep` holds to `out`, without the closing line; see
/// [`close`]. An empty block begins a new one.
pub(crate) fn copy_if(out: &mut Vec<u8>, block: &[u8], mut keep: impl FnMut(&[u8]) -> bool) {
    out.clear();
    out.extend_from_slice(VERSION);
    out.extend_from_slice(b"\r\n");
    for (key, value) in HeaderBlock::parse(block).into_iter().flat_map(|b| b.iter()) {
        if keep(key) {
            push(out, key, value);
        }
    }
}

/// Copies `block` to `out` as it is, without the closing line.
pub(crate) fn open(out: &mut Vec<u8>, block: &[u8]) {
    out.clear();
    match block.strip_suffix(b"\r\n") {
        Some(lines) if !lines.is_empty() => out.extend_from_slice(lines),
        _ => {
            out.extend_from_slice(VERSION);
            out.extend_from_slice(b"\r\n");
        }
    }
}

/// Appends one header to an open block.
pub(crate) fn push(out: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    out.extend_from_slice(key);
    out.extend_from_slice(b": ");
    // A value cannot hold a line end if it was read from a block; one from elsewhere must not
    // forge a header.
    out.extend(value.iter().map(|&byte| match byte {
        b'\r' | b'\n' => b' ',
        other => other,
    }));
    out.extend_from_slice(b"\r\n");
}

/// Appends one header with a number to an open block.
pub(crate) fn push_number(out: &mut Vec<u8>, key: &[u8], value: u64) {
    out.extend_from_slice(key);
    out.extend_from_slice(b": ");
    cognate_wire::encode::write_decimal(out, value);
    out.extend_from_slice(b"\r\n");
}

/// Ends an open block; one without any header becomes no block at all.
pub(crate) fn close(out: &mut Vec<u8>) {
    if out.len() <= VERSION.len() + 2 {
        out.clear();
    } else {
        out.extend_from_slice(b"\r\n");
    }
}

/// A decimal number as expectations state them: what is none is a number that nothing has.
pub(crate) fn expected_number(text: &[u8]) -> u64 {
    parse_number(text).unwrap_or(u64::MAX)
}

/// A decimal number without sign or blanks.
pub(crate) fn parse_number(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0_u64, |number, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &[u8]) -> String {
        String::from_utf8_lossy(bytes).into_owned()
    }

    #[test]
    fn the_first_value_of_a_key_counts() {
        let block = b"NATS/1.0\r\nNats-Msg-Id: a\r\nNats-Msg-Id: b\r\nnats-rollup: all\r\n\
            Nats-Batch-Commit: \r\nKV-Operation: PURGE\r\nNats-Request-Info: {}\r\n\r\n";
        let headers = Headers::parse(block);
        assert_eq!(headers.msg_id, b"a");
        assert_eq!(headers.rollup, b"");
        assert_eq!(headers.batch_commit, Some(&b""[..]));
        assert!(headers.is_delete_marker() && headers.has_request_info);
    }

    #[test]
    fn statuses_are_taken_away() {
        let check = |block: &str, expected: &str| {
            let mut out = Vec::new();
            assert_eq!(text(without_status(block.as_bytes(), &mut out)), expected);
        };
        check("", "");
        check("NATS/1.0\r\n\r\n", "");
        check("NATS/1.0 503\r\n\r\n", "");
        check("NATS/1.0\r\nA: 1\r\n\r\n", "NATS/1.0\r\nA: 1\r\n\r\n");
        check(
            "NATS/1.0 100 Idle\r\nA: 1\r\n\r\n",
            "NATS/1.0\r\nA: 1\r\n\r\n",
        );
        check("NATS/1.0 100", "");
    }

    #[test]
    fn blocks_are_changed() {
        let block = b"NATS/1.0\r\nA: 1\r\nB: 2\r\n\r\n";
        let mut out = Vec::new();
        copy_if(&mut out, block, |key| key != b"A");
        push(&mut out, b"C", b"x\r\ny");
        push_number(&mut out, b"N", 7);
        close(&mut out);
        assert_eq!(text(&out), "NATS/1.0\r\nB: 2\r\nC: x  y\r\nN: 7\r\n\r\n");
        copy_if(&mut out, block, |_| false);
        close(&mut out);
        assert_eq!(text(&out), "");
        open(&mut out, b"");
        push(&mut out, b"C", b"3");
        close(&mut out);
        assert_eq!(text(&out), "NATS/1.0\r\nC: 3\r\n\r\n");
        open(&mut out, block);
        close(&mut out);
        assert_eq!(out, block);
    }

    #[test]
    fn numbers() {
        assert_eq!(parse_number(b"18446744073709551615"), Some(u64::MAX));
        assert_eq!(parse_number(b"18446744073709551616"), None);
        assert_eq!(parse_number(b"-1"), None);
        assert_eq!(parse_number(b""), None);
        assert_eq!(expected_number(b"x"), u64::MAX);
    }

    #[test]
    fn required_levels() {
        let check = |level: &str, expected: bool| {
            let block = format!("NATS/1.0\r\nNats-Required-Api-Level: {level}\r\n\r\n");
            let headers = Headers::parse(block.as_bytes());
            assert_eq!(headers.asks_for_newer_server(), expected, "{level:?}");
        };
        check("", false);
        check("-1", false);
        check("4", false);
        check("5", true);
        check("x", true);
    }
}
