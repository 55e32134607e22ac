//! Consumers with acks of every kind, that pull or are pushed to, on streams that keep, hand out
//! once, or keep while somebody is interested. Some of the consumers are in memory, and one of the
//! streams: what is in memory ends with the server, as in nats-server, so that they are expected to be
//! gone after a start and are made anew.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::Load;
use super::publish::{compare, one_more, told};
use crate::crash::damage::Damage;
use crate::crash::ledger::{Fate, Found, Ledger, Presence, Rule};
use crate::crash::link::{Arrival, Link};
use crate::crash::rng::Rng;
use crate::crash::{Run, wrong};
use crate::wait;

pub mod member;
mod memory;

use member::{Consumer, Kind};
use memory::expect_missing;

/// How long nothing may come before a consumer is asked what is open.
const QUIET: Duration = Duration::from_millis(200);

/// A stream and its consumers.
pub struct Consumption {
    ledger: Ledger,
    retention: &'static str,
    /// `file` or `memory`.
    storage: &'static str,
    consumers: Vec<Consumer>,
    /// Damage may have taken acks: what comes back is counted, not refused.
    forgetful: bool,
    forgotten: u64,
    /// Deliveries that a client saw and the server forgot to have made.
    recounted: u64,
    confirmed: u64,
}

/// Streams of each retention, with consumers of each kind. A name is not the end of another one.
#[must_use]
pub fn all(_: &mut Rng) -> Vec<Box<dyn Load>> {
    use Kind::{Group, Memory, Paced, Pull, Push};
    let pulls: &[(&str, Kind)] = &[("C1", Pull), ("C2", Pull)];
    let pushes: &[(&str, Kind)] = &[("P1", Push), ("P2", Group), ("P3", Paced)];
    let fades: &[(&str, Kind)] = &[("C1", Pull), ("M1", Memory)];
    let table = [
        ("KEEP", "limits", "file", pulls),
        ("WORK", "workqueue", "file", &pulls[..1]),
        ("WANT", "interest", "file", pulls),
        ("PUSH", "limits", "file", pushes),
        ("PUSHQ", "workqueue", "file", &pushes[..1]),
        ("PUSHG", "workqueue", "file", &pushes[1..2]),
        ("PUSHI", "interest", "file", &pushes[1..]),
        ("FADE", "limits", "file", fades),
        ("FADEQ", "workqueue", "file", &fades[1..]),
        ("FADEI", "interest", "file", fades),
        ("MEM", "limits", "memory", &[("C1", Pull), ("P1", Push)]),
    ];
    let mut loads: Vec<Box<dyn Load>> = Vec::new();
    for (stream, retention, storage, consumers) in table {
        let consumers = consumers
            .iter()
            .map(|&(name, kind)| Consumer::new(name, kind));
        loads.push(Box::new(Consumption {
            ledger: Ledger::new(stream, Rule::default()),
            retention,
            storage,
            consumers: consumers.collect(),
            forgetful: false,
            forgotten: 0,
            recounted: 0,
            confirmed: 0,
        }));
    }
    loads
}

impl Consumption {
    fn publish(&mut self, link: &mut Link, rng: &mut Rng) -> Run<()> {
        let mut flying = Vec::new();
        for _ in 0..=rng.below(12) {
            let subject = format!("{}.{}", self.ledger.stream, rng.below(5));
            let number = self.ledger.send(&subject);
            let reply = link.post(&subject, &[], &self.ledger.payload(number))?;
            flying.push((reply, number));
        }
        for (reply, number) in flying {
            let ack = link.answer(&reply)?.json();
            let Some(sequence) = ack["seq"].as_u64().filter(|_| ack.get("error").is_none()) else {
                return wrong(format!("publish of {number} answered by {ack}"));
            };
            told(self.ledger.bind(number, sequence))?;
            self.confirmed += 1;
        }
        Ok(())
    }

    /// Pulls and gives each delivery to `answer`; returns how many came.
    fn pull(
        &mut self,
        link: &mut Link,
        at: usize,
        body: &str,
        batch: u64,
        mut answer: impl FnMut(&mut Self, &mut Link, &str, u64) -> Run<()>,
    ) -> Run<u64> {
        let (stream, name) = (&self.ledger.stream, self.consumers[at].name);
        let subject = format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.{name}");
        let from = self.acks_of(at);
        let inbox = link.post(&subject, &[], body.as_bytes())?;
        let mut count = 0;
        while count < batch {
            let delivery = link.delivery(&inbox, &from)?;
            if !delivery.is_delivery() {
                break;
            }
            count += 1;
            let (reply, sequence) = self.delivered(at, &delivery)?;
            answer(self, link, &reply, sequence)?;
        }
        Ok(count)
    }

    /// Gives what was pushed to `answer`, until nothing came for `quiet`; returns how many came.
    fn hear(
        &mut self,
        link: &mut Link,
        at: usize,
        quiet: Duration,
        batch: u64,
        mut answer: impl FnMut(&mut Self, &mut Link, &str, u64) -> Run<()>,
    ) -> Run<u64> {
        let from = self.acks_of(at);
        self.consumers[at].listen(link, &self.ledger.stream)?;
        let mut count = 0;
        while count < batch
            && let Some(delivery) = link.delivery_within(&from, quiet)?
        {
            count += 1;
            let (reply, sequence) = self.delivered(at, &delivery)?;
            answer(self, link, &reply, sequence)?;
        }
        Ok(count)
    }

    /// How the ack subjects of a consumer begin.
    fn acks_of(&self, at: usize) -> String {
        let name = self.consumers[at].name;
        format!("$JS.ACK.{}.{name}.", self.ledger.stream)
    }

    /// Checks a delivery; returns where and what to ack.
    fn delivered(&mut self, at: usize, delivery: &Arrival) -> Run<(String, u64)> {
        let reply = delivery.reply.clone().unwrap_or_default();
        let words: Vec<&str> = reply.split('.').collect();
        let number_at = |at: usize| words.get(at).and_then(|word| word.parse::<u64>().ok());
        let (Some(count), Some(sequence)) = (number_at(4), number_at(5)) else {
            return wrong(format!("a delivery with the reply {reply}"));
        };
        let number = told(self.ledger.number(&delivery.payload))?;
        told(self.ledger.bind(number, sequence))?;
        let stream = &self.ledger.stream;
        let consumer = &mut self.consumers[at];
        let before = consumer.counts.insert(sequence, count).unwrap_or(0);
        let back = consumer.sure.remove(&sequence);
        if back && !self.forgetful {
            return wrong(format!(
                "{stream} {}: {sequence} was acked and confirmed and comes again ({reply})",
                consumer.name
            ));
        }
        self.forgotten += u64::from(back);
        self.recounted += u64::from(count <= before);
        Ok((reply, sequence))
    }

    /// What the stream may drop now that `sequence` was acked.
    fn mark(&mut self, sequence: u64) {
        let Some(number) = self.ledger.of(sequence) else {
            return;
        };
        if self.retention == "limits" {
            return;
        }
        let all = |test: &dyn Fn(&Consumer) -> bool| self.consumers.iter().all(test);
        let sure = all(&|consumer| consumer.sure.contains(&sequence));
        let maybe = all(&|consumer| consumer.may_have_acked(sequence));
        if sure {
            self.ledger.mark(&[number], Presence::Removed);
        } else if maybe {
            self.ledger.mark(&[number], Presence::May);
        }
    }

    fn ack_sure(&mut self, link: &mut Link, at: usize, reply: &str, sequence: u64) -> Run<()> {
        self.consumers[at].maybe.insert(sequence);
        self.mark(sequence);
        let answer = link.request(reply, &[], b"+ACK")?;
        if !answer.headers.is_empty() || !answer.payload.is_empty() {
            return wrong(format!("an ack is answered by {answer:?}"));
        }
        self.consumers[at].maybe.remove(&sequence);
        self.consumers[at].sure.insert(sequence);
        self.mark(sequence);
        self.confirmed += 1;
        if self.consumers[at].is_push() {
            // It may have been pushed once more before it was acked.
            let (from, word) = (self.acks_of(at), sequence.to_string());
            link.discard(|reply| {
                reply.starts_with(&from) && reply.split('.').nth(5) == Some(word.as_str())
            });
        }
        Ok(())
    }

    fn answer(
        &mut self,
        link: &mut Link,
        at: usize,
        reply: &str,
        sequence: u64,
        dice: u64,
    ) -> Run<()> {
        match dice {
            0..=49 => self.ack_sure(link, at, reply, sequence),
            50..=69 => {
                self.consumers[at].maybe.insert(sequence);
                self.mark(sequence);
                let kind: &[u8] = if dice < 65 { b"+ACK" } else { b"+TERM" };
                link.publish(reply, "", &[], kind)
            }
            70..=79 => link.publish(reply, "", &[], b"-NAK"),
            80..=84 => link.publish(reply, "", &[], b"-NAK {\"delay\":100000000}"),
            85..=89 => link.publish(reply, "", &[], b"+WPI"),
            _ => {
                self.consumers[at].open.push((reply.to_owned(), sequence));
                Ok(())
            }
        }
    }

    /// Acks something delivered earlier, perhaps before a crash.
    fn ack_late(&mut self, link: &mut Link, at: usize) -> Run<()> {
        let consumer = &mut self.consumers[at];
        let Some((reply, sequence)) = consumer.open.pop() else {
            return Ok(());
        };
        if consumer.may_have_acked(sequence) {
            return Ok(());
        }
        self.ack_sure(link, at, &reply, sequence)
    }

    /// The numbers of a consumer against what is in the stream.
    fn check_info(&self, link: &mut Link, at: usize, there: &BTreeSet<u64>) -> Run<()> {
        let (stream, consumer) = (&self.ledger.stream, &self.consumers[at]);
        let subject = format!("CONSUMER.INFO.{stream}.{}", consumer.name);
        let info = link.ok(&subject, &Value::Null)?;
        let number = |value: &Value| value.as_u64().unwrap_or(u64::MAX);
        let open = number(&info["num_ack_pending"]).saturating_add(number(&info["num_pending"]));
        let unsure = |sequence: &&u64| !consumer.sure.contains(sequence);
        let unacked = |sequence: &&u64| unsure(sequence) && !consumer.maybe.contains(sequence);
        let most = there.iter().filter(unsure).count() as u64;
        let least = there.iter().filter(unacked).count() as u64;
        let floor = number(&info["ack_floor"]["stream_seq"]);
        let below = there
            .iter()
            .filter(unacked)
            .find(|&&sequence| sequence <= floor);
        let delivered = number(&info["delivered"]["stream_seq"]);
        let acked = consumer.sure.last().copied().unwrap_or(0);
        let complaint = if !(least..=most).contains(&open) {
            format!("{open} open, expected {least} to {most}")
        } else if let Some(below) = below {
            format!("{below} was never acked and is at or below the ack floor")
        } else if delivered < acked {
            format!("{acked} was acked and is beyond what was delivered")
        } else {
            return Ok(());
        };
        wrong(format!("{stream} {}: {complaint}: {info}", consumer.name))
    }

    /// What was done to each message that is still there.
    fn story(&self) -> String {
        let of = |sequence: &u64| {
            let acks = self.consumers.iter().map(|consumer| {
                let sure = consumer.sure.contains(sequence);
                let maybe = consumer.maybe.contains(sequence);
                format!(
                    "{}: confirmed {sure}, sent {maybe}, deliveries {:?}",
                    consumer.name,
                    consumer.counts.get(sequence)
                )
            });
            format!("{sequence} ({})", acks.collect::<Vec<_>>().join("; "))
        };
        self.there().iter().map(of).collect::<Vec<_>>().join(", ")
    }

    fn there(&self) -> BTreeSet<u64> {
        let sequence = |number: &usize| match self.ledger.sent[*number].fate {
            Fate::Stored(sequence) => Some(sequence),
            _ => None,
        };
        self.ledger.alive().iter().filter_map(sequence).collect()
    }

    /// Pulls and acks until nothing is open.
    fn drain(&mut self, link: &mut Link, at: usize) -> Run<()> {
        let subject = format!(
            "CONSUMER.INFO.{}.{}",
            self.ledger.stream, self.consumers[at].name
        );
        let end = Instant::now() + wait::DEADLINE;
        let body = r#"{"batch":200,"expires":200000000}"#;
        loop {
            let info = link.ok(&subject, &Value::Null)?;
            if info["num_pending"] == 0 && info["num_ack_pending"] == 0 {
                return Ok(());
            }
            if Instant::now() > end {
                return wrong(format!("the consumer does not run empty: {info}"));
            }
            let ack = |this: &mut Self, link: &mut Link, reply: &str, sequence| {
                this.ack_sure(link, at, reply, sequence)
            };
            if self.consumers[at].is_push() {
                self.hear(link, at, QUIET, 200, ack)?;
            } else {
                self.pull(link, at, body, 200, ack)?;
            }
        }
    }
}

impl Load for Consumption {
    fn name(&self) -> &str {
        &self.ledger.stream
    }

    fn setup(&mut self, link: &mut Link) -> Run<()> {
        let stream = &self.ledger.stream;
        let config = json!({
            "name": stream, "subjects": [format!("{stream}.*")], "retention": self.retention,
            "storage": self.storage, "allow_direct": true,
        });
        link.ok(&format!("STREAM.CREATE.{stream}"), &config)?;
        let mut consumers = self.consumers.iter();
        consumers.try_for_each(|consumer| consumer.create(link, stream))
    }

    fn step(&mut self, link: &mut Link, rng: &mut Rng) -> Run<()> {
        let at = rng.below(self.consumers.len() as u64) as usize;
        match rng.below(10) {
            0..=2 => self.publish(link, rng),
            3 => self.ack_late(link, at),
            _ => {
                let batch = 1 + rng.below(10);
                let body = format!(r#"{{"batch":{batch},"no_wait":true}}"#);
                let mut dice = rng.fork();
                let answer = |this: &mut Self, link: &mut Link, reply: &str, sequence| {
                    this.answer(link, at, reply, sequence, dice.below(100))
                };
                if !self.consumers[at].is_push() {
                    self.pull(link, at, &body, batch, answer)?;
                } else if self.hear(link, at, Duration::ZERO, batch, answer)? == 0 {
                    self.publish(link, rng)?;
                }
                Ok(())
            }
        }
    }

    fn verify(&mut self, link: &mut Link, damage: Option<&Damage>) -> Run<Found> {
        if self.storage == "memory" {
            self.begin_anew(link)?;
            return Ok(Found::default());
        }
        self.forget(damage);
        let found = compare(link, &mut self.ledger, damage)?;
        self.forgetful = damage.is_some_and(|damage| damage.touches(&self.ledger.stream));
        let there = self.there();
        for at in 0..self.consumers.len() {
            let (stream, consumer) = (&self.ledger.stream, &self.consumers[at]);
            let question = format!("CONSUMER.INFO.{stream}.{}", consumer.name);
            if consumer.kind == Kind::Memory {
                expect_missing(link, &question, 10014)?;
                consumer.create(link, stream)?;
            }
            if self.forgetful {
                link.ok(&question, &Value::Null)?;
            } else {
                self.check_info(link, at, &there)?;
            }
        }
        Ok(found)
    }

    fn settle(&mut self, link: &mut Link, damage: Option<&Damage>) -> Run<()> {
        if self.storage == "memory" {
            // It has nothing yet since the start.
            let mut rng = Rng::new(1);
            for _ in 0..20 {
                self.step(link, &mut rng)?;
            }
        }
        one_more(link, &mut self.ledger, None)?;
        for at in 0..self.consumers.len() {
            self.drain(link, at)?;
        }
        let there = self.there();
        for consumer in &self.consumers {
            let unacked = |sequence: &&u64| !consumer.may_have_acked(**sequence);
            if let Some(missed) = there.iter().find(unacked) {
                return wrong(format!(
                    "{} {}: {missed} was never delivered",
                    self.ledger.stream, consumer.name
                ));
            }
        }
        let found = compare(link, &mut self.ledger, damage)?;
        if self.retention != "limits" && found.present > 0 {
            return wrong(format!(
                "{}: {} messages stay although all were acked: {}",
                self.ledger.stream,
                found.present,
                self.story()
            ));
        }
        Ok(())
    }

    fn confirmed(&self) -> u64 {
        self.confirmed
    }

    fn forgotten(&self) -> (u64, u64) {
        (self.recounted, self.forgotten)
    }
}
