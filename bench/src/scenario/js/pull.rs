//! Draining a stream by durable pull consumers.
//!
//! One connection fetches for all consumers, each with a subscription of its own: a request for a
//! batch, its messages, the acknowledgements, the next request. Each consumer must get its
//! messages in order and without a gap, and at the end its ack floor must be the end of its share.

use std::time::{Duration, Instant};

use super::publish::{self, Subjects, key};
use super::{STREAM, peak_mib};
use crate::failure::{Context, Failure, Result};
use crate::flow::STALL;
use crate::procfs::own_cpu_seconds;
use crate::scenario::{Settings, per_million};
use crate::server::Server;
use crate::session::{Message, Session, eight_digits, json_number, unexpected};

const BATCH: u64 = 500;
/// Subscription ids of the consumers start here.
const FIRST_SID: u32 = 10;
const PAYLOAD: usize = 128;

/// Who drains what.
#[derive(Debug, Clone, Copy)]
pub(in crate::scenario) struct Plan {
    /// Messages in the stream.
    pub(super) messages: u64,
    /// Consumers, each with a subject of its own.
    pub(super) consumers: u64,
    /// How messages are acknowledged.
    pub(super) ack: Ack,
    /// Whether publishing is a part of what is measured.
    pub(super) with_publish: bool,
}

/// The ack policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ack {
    /// Each message.
    Explicit,
    /// The last message of each batch.
    All,
}

/// CPU per million, thousands per second, generator CPU, peak memory.
pub(super) fn run(plan: &Plan, server: &Server, settings: &Settings) -> Result<Vec<f64>> {
    let messages = settings.count(plan.messages) / plan.consumers * plan.consumers;
    let source = publish::Plan::to(messages, Subjects::Many(plan.consumers));
    if !plan.with_publish {
        publish::fill(&source, server)?;
        let mut drain = Drain::connect(plan, messages, server)?;
        return measure(server, messages, || drain.run());
    }
    // The consumers are there while messages come in, which is part of their cost.
    let mut load = publish::Load::connect(&source, server)?;
    let mut drain = Drain::connect(plan, messages, server)?;
    measure(server, messages, || {
        load.drive(messages)?;
        load.check()?;
        drain.run()
    })
}

fn measure(
    server: &Server,
    messages: u64,
    work: impl FnOnce() -> Result<Instant>,
) -> Result<Vec<f64>> {
    let (cpu, own, start) = (server.cpu()?, own_cpu_seconds(), Instant::now());
    let wall = (work()? - start).as_secs_f64();
    let (cpu, own) = (server.cpu()?.since(&cpu), own_cpu_seconds() - own);
    Ok(vec![
        per_million(cpu, messages),
        messages as f64 / wall / 1e3,
        per_million(own, messages),
        peak_mib(server)?,
    ])
}

struct Drain {
    session: Session,
    consumers: Vec<Consumer>,
    ack: Ack,
    output: Vec<u8>,
}

struct Consumer {
    subject: Vec<u8>,
    /// Its share of the stream.
    share: u64,
    received: u64,
    /// Numbers of its messages: the first one, and the distance between two.
    first: u64,
    step: u64,
}

impl Drain {
    fn connect(plan: &Plan, messages: u64, server: &Server) -> Result<Self> {
        let mut session = Session::open(server.target(), 9000)?;
        let policy = match plan.ack {
            Ack::Explicit => "explicit",
            Ack::All => "all",
        };
        let mut consumers = Vec::new();
        for number in 0..plan.consumers {
            let sid = FIRST_SID + number as u32;
            let subject = format!("js.{:08}", key(number, plan.consumers));
            let body = format!(
                r#"{{"stream_name":"{STREAM}","config":{{"durable_name":"C{number}","deliver_policy":"all","ack_policy":"{policy}","filter_subject":"{subject}","replay_policy":"instant","max_ack_pending":1000}}}}"#
            );
            session.request(
                &format!("$JS.API.CONSUMER.DURABLE.CREATE.{STREAM}.C{number}"),
                &body,
            )?;
            let subscribe = format!("SUB _PULL.{number} {sid}\r\n");
            let written = session.conn.write_all(subscribe.as_bytes());
            written.context("subscribing")?;
            consumers.push(Consumer {
                subject: subject.into_bytes(),
                share: messages / plan.consumers,
                received: 0,
                first: number,
                step: plan.consumers,
            });
        }
        session.confirm()?;
        Ok(Self {
            session,
            consumers,
            ack: plan.ack,
            output: Vec::new(),
        })
    }

    /// Fetches everything; returns when the server had read the last acknowledgement.
    fn run(&mut self) -> Result<Instant> {
        for (number, consumer) in self.consumers.iter().enumerate() {
            consumer.fetch(number, &mut self.output);
        }
        let total: u64 = self.consumers.iter().map(|it| it.share).sum();
        let mut received = 0;
        while received < total {
            self.flush()?;
            self.session.read()?;
            while let Some(message) = self.session.frames.next()? {
                let number = message.sid.wrapping_sub(FIRST_SID) as usize;
                let Some(consumer) = self.consumers.get_mut(number) else {
                    return Err(unexpected(&message));
                };
                let batch_ends = consumer.take(&message)?;
                if self.ack == Ack::Explicit || batch_ends {
                    acknowledge(message.reply, &mut self.output);
                }
                if batch_ends {
                    consumer.fetch(number, &mut self.output);
                }
                received += 1;
            }
        }
        self.flush()?;
        self.session.confirm()?;
        let end = Instant::now();
        self.check()?;
        Ok(end)
    }

    fn flush(&mut self) -> Result<()> {
        if !self.output.is_empty() {
            let written = self.session.conn.write_all(&self.output);
            written.context("acknowledging and fetching")?;
            self.output.clear();
        }
        Ok(())
    }

    /// Waits until every consumer knows of all acknowledgements; some servers apply them later.
    fn check(&mut self) -> Result<()> {
        let start = Instant::now();
        for number in 0..self.consumers.len() {
            let subject = format!("$JS.API.CONSUMER.INFO.{STREAM}.C{number}");
            let share = self.consumers.get(number).map_or(0, |it| it.share);
            loop {
                let info = self.session.request(&subject, "")?;
                let floor = info.split_once("\"ack_floor\":").map_or("", |(_, it)| it);
                let left = json_number(&info, "num_ack_pending")?;
                if left == 0 && json_number(floor, "consumer_seq")? == share {
                    break;
                }
                if start.elapsed() > STALL {
                    return Err(Failure::new(format!("acks are missing: {info}")));
                }
                std::thread::sleep(Duration::from_millis(2));
            }
        }
        Ok(())
    }
}

impl Consumer {
    /// Requests the next batch, if there is one.
    fn fetch(&self, number: usize, output: &mut Vec<u8>) {
        let count = BATCH.min(self.share - self.received);
        if count > 0 {
            let body = format!(r#"{{"batch":{count},"expires":30000000000}}"#);
            let size = body.len();
            let subject = format!("$JS.API.CONSUMER.MSG.NEXT.{STREAM}.C{number}");
            output.extend(format!("PUB {subject} _PULL.{number} {size}\r\n{body}\r\n").bytes());
        }
    }

    /// Verifies the next message; returns whether it ends its batch.
    fn take(&mut self, message: &Message<'_>) -> Result<bool> {
        let number = self.first + self.received * self.step;
        let right = message.subject == self.subject
            && message.reply.starts_with(b"$JS.ACK.")
            && message.payload.len() == PAYLOAD
            && message.payload.starts_with(&eight_digits(number))
            && self.received < self.share;
        if !right {
            return Err(unexpected(message));
        }
        self.received += 1;
        Ok(self.received.is_multiple_of(BATCH) || self.received == self.share)
    }
}

fn acknowledge(reply: &[u8], output: &mut Vec<u8>) {
    output.extend_from_slice(b"PUB ");
    output.extend_from_slice(reply);
    output.extend_from_slice(b" 4\r\n+ACK\r\n");
}
