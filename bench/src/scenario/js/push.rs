//! Draining a stream by a push consumer without acknowledgements.
//!
//! Plain, or as the ordered consumer of client libraries sets it up: flow control, heartbeats,
//! state in memory. Each message must be the next one by its number, its stream sequence and its
//! consumer sequence.

use std::time::Instant;

use super::{STREAM, peak_mib, publish};
use crate::failure::{Context, Result};
use crate::procfs::own_cpu_seconds;
use crate::scenario::{Settings, per_million};
use crate::server::Server;
use crate::session::{Message, Session, answer, eight_digits, number, unexpected};

const SID: u32 = 10;
const PAYLOAD: usize = 128;

/// What is drained.
#[derive(Debug, Clone, Copy)]
pub(in crate::scenario) struct Plan {
    /// Messages in the stream.
    pub(super) messages: u64,
    /// Whether the consumer is an ordered one.
    pub(super) ordered: bool,
}

/// CPU per million, thousands per second, generator CPU, peak memory.
pub(super) fn run(plan: &Plan, server: &Server, settings: &Settings) -> Result<Vec<f64>> {
    let messages = settings.count(plan.messages);
    publish::fill(&publish::Plan::new(messages), server)?;
    let mut session = Session::open(server.target(), 9000)?;
    let written = session.conn.write_all(b"SUB _PUSH 10\r\n");
    written.context("subscribing")?;
    session.confirm()?;
    let (cpu, own, start) = (server.cpu()?, own_cpu_seconds(), Instant::now());
    create(&mut session, plan.ordered)?;
    receive(&mut session, messages)?;
    let wall = start.elapsed().as_secs_f64();
    let (cpu, own) = (server.cpu()?.since(&cpu), own_cpu_seconds() - own);
    Ok(vec![
        per_million(cpu, messages),
        messages as f64 / wall / 1e3,
        per_million(own, messages),
        peak_mib(server)?,
    ])
}

/// Sends the request; its answer comes among the messages.
fn create(session: &mut Session, ordered: bool) -> Result<()> {
    let more = if ordered {
        r#","flow_control":true,"idle_heartbeat":5000000000,"max_deliver":1,"ack_wait":79200000000000,"mem_storage":true,"num_replicas":1"#
    } else {
        ""
    };
    let body = format!(
        r#"{{"stream_name":"{STREAM}","config":{{"deliver_subject":"_PUSH","deliver_policy":"all","ack_policy":"none","replay_policy":"instant"{more}}}}}"#
    );
    let (inbox, size) = (&session.inbox, body.len());
    let frame = format!("PUB $JS.API.CONSUMER.CREATE.{STREAM} {inbox}api {size}\r\n{body}\r\n");
    let written = session.conn.write_all(frame.as_bytes());
    written.context("creating the consumer")
}

fn receive(session: &mut Session, messages: u64) -> Result<()> {
    let mut received = 0;
    let mut created = false;
    let mut output = Vec::new();
    while received < messages || !created {
        session.read()?;
        while let Some(message) = session.frames.next()? {
            if message.sid != SID {
                answer(&message)?;
                created = true;
            } else if message.header.starts_with(b"NATS/1.0 100") {
                control(&message, &mut output);
            } else {
                if !is_due(&message, received) || received == messages {
                    return Err(unexpected(&message));
                }
                received += 1;
            }
        }
        if !output.is_empty() {
            let written = session.conn.write_all(&output);
            written.context("answering flow control")?;
            output.clear();
        }
    }
    Ok(())
}

/// Answers a flow control request, or the heartbeat of a consumer that waits for such an answer.
fn control(message: &Message<'_>, output: &mut Vec<u8>) {
    let stalled = || {
        let header = String::from_utf8_lossy(message.header);
        let mut lines = header.lines();
        let reply = lines.find_map(|line| line.strip_prefix("Nats-Consumer-Stalled:"))?;
        Some(reply.trim().as_bytes().to_vec())
    };
    let reply = match message.reply {
        b"" => stalled(),
        reply => Some(reply.to_vec()),
    };
    if let Some(reply) = reply {
        output.extend([b"PUB ", reply.as_slice(), b" 0\r\n\r\n"].concat());
    }
}

/// Whether it is message `index` of the stream: by payload, and by the sequences in its reply
/// subject, `$JS.ACK.<stream>.<consumer>.<delivered>.<stream seq>.<consumer seq>.<time>.<pending>`.
fn is_due(message: &Message<'_>, index: u64) -> bool {
    let mut tokens = message.reply.rsplit(|byte| *byte == b'.').skip(2);
    let consumer_sequence = tokens.next().and_then(number);
    let stream_sequence = tokens.next().and_then(number);
    message.subject == b"js.00000000"
        && consumer_sequence == Some(index + 1)
        && stream_sequence == Some(index + 1)
        && message.payload.len() == PAYLOAD
        && message.payload.starts_with(&eight_digits(index))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_and_payload_must_all_be_due() {
        let payload = [&b"00000004"[..], &[b'x'; PAYLOAD - 8]].concat();
        let message = |reply: &'static [u8]| Message {
            subject: b"js.00000000",
            sid: SID,
            reply,
            header: b"",
            payload: &payload,
        };
        assert!(is_due(&message(b"$JS.ACK.BENCH.c.1.5.5.1700000000.95"), 4));
        assert!(!is_due(&message(b"$JS.ACK.BENCH.c.1.5.6.1700000000.95"), 4));
        assert!(!is_due(&message(b"$JS.ACK.BENCH.c.1.6.5.1700000000.95"), 4));
        assert!(!is_due(&message(b"$JS.ACK.BENCH.c.1.5.5.1700000000.95"), 5));
    }
}
