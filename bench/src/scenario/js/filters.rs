//! What many filters of one consumer cost, against one filter that wants the same messages.
//!
//! The stream has a hundred subjects. It is drained twice by push without acknowledgements: with
//! `js.*`, then with each subject by its name. Every message must arrive once, in order. A server
//! before 2.10 knows one filter only, passes over the list and sends everything: its ratio is
//! that of two equal runs.

use std::time::Instant;

use super::STREAM;
use super::publish::{self, Subjects, key};
use crate::failure::{Context, Result};
use crate::scenario::{Settings, per_million};
use crate::server::Server;
use crate::session::{Message, Session, answer, eight_digits, unexpected};

const MESSAGES: u64 = 1_000_000;
const FILTERS: u64 = 100;
const SID: u32 = 10;

/// CPU and time with a hundred filters as a ratio to one, CPU per million with a hundred.
pub(super) fn run(server: &Server, settings: &Settings) -> Result<Vec<f64>> {
    let messages = settings.count(MESSAGES) / FILTERS * FILTERS;
    let source = publish::Plan::to(messages, Subjects::Many(FILTERS));
    publish::fill(&source, server)?;
    let names: Vec<_> = (0..FILTERS).map(|it| format!(r#""js.{it:08}""#)).collect();
    let many = format!(r#""filter_subjects":[{}]"#, names.join(","));
    // The first drain warms up.
    let mut costs = Vec::new();
    for (number, filter) in [
        r#""filter_subject":"js.*""#,
        r#""filter_subject":"js.*""#,
        &many,
    ]
    .iter()
    .enumerate()
    {
        costs.push(drain(number as u32, filter, messages, server)?);
    }
    let [_, one, many] = costs.as_slice() else {
        return Ok(Vec::new());
    };
    Ok(vec![
        many.0 / one.0,
        many.1 / one.1,
        per_million(many.0, messages),
    ])
}

/// CPU and wall seconds.
fn drain(number: u32, filter: &str, messages: u64, server: &Server) -> Result<(f64, f64)> {
    let mut session = Session::open(server.target(), 9000 + number)?;
    let deliver = format!("_PUSH{number}");
    let written = session
        .conn
        .write_all(format!("SUB {deliver} {SID}\r\n").as_bytes());
    written.context("subscribing")?;
    session.confirm()?;
    let body = format!(
        r#"{{"stream_name":"{STREAM}","config":{{"deliver_subject":"{deliver}","deliver_policy":"all","ack_policy":"none","replay_policy":"instant",{filter}}}}}"#
    );
    let (inbox, size) = (&session.inbox, body.len());
    let frame = format!("PUB $JS.API.CONSUMER.CREATE.{STREAM} {inbox}api {size}\r\n{body}\r\n");
    let (cpu, start) = (server.cpu()?, Instant::now());
    let written = session.conn.write_all(frame.as_bytes());
    written.context("creating the consumer")?;
    let (mut received, mut created) = (0, false);
    while received < messages || !created {
        session.read()?;
        while let Some(message) = session.frames.next()? {
            if message.sid != SID {
                answer(&message)?;
                created = true;
            } else if is_due(&message, received) {
                received += 1;
            } else {
                return Err(unexpected(&message));
            }
        }
    }
    let wall = start.elapsed().as_secs_f64();
    Ok((server.cpu()?.since(&cpu), wall))
}

fn is_due(message: &Message<'_>, index: u64) -> bool {
    message.payload.starts_with(&eight_digits(index))
        && message
            .subject
            .ends_with(&eight_digits(key(index, FILTERS)))
}
