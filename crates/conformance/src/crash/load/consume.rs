//! Consumers that pull: every kind of ack, on streams that keep, hand out once, or keep while
//! somebody is interested.

use std::collections::{BTreeSet, HashMap};
use std::time::Instant;

use serde_json::{Value, json};

use super::Load;
use super::publish::{compare, one_more, told};
use crate::crash::damage::Damage;
use crate::crash::ledger::{Fate, Found, Ledger, Presence, Rule};
use crate::crash::link::{Arrival, Link};
use crate::crash::rng::Rng;
use crate::crash::{Run, wrong};
use crate::wait;

/// What is known of one consumer.
struct Consumer {
    name: &'static str,
    /// Acks that were confirmed.
    sure: BTreeSet<u64>,
    /// Acks that were sent.
    maybe: BTreeSet<u64>,
    /// How often a message was delivered at most.
    counts: HashMap<u64, u64>,
    /// Deliveries not answered yet.
    open: Vec<(String, u64)>,
}

/// A stream and its consumers.
pub struct Consumption {
    ledger: Ledger,
    retention: &'static str,
    consumers: Vec<Consumer>,
    /// Damage may have taken acks: what comes back is counted, not refused.
    forgetful: bool,
    forgotten: u64,
    /// Deliveries that a client saw and the server forgot to have made.
    recounted: u64,
    confirmed: u64,
}

/// One stream of each retention.
#[must_use]
pub fn all(_: &mut Rng) -> Vec<Box<dyn Load>> {
    let table: [(&str, &str, &[&str]); 3] = [
        ("KEEP", "limits", &["C1", "C2"]),
        ("WORK", "workqueue", &["C1"]),
        ("WANT", "interest", &["C1", "C2"]),
    ];
    let mut loads: Vec<Box<dyn Load>> = Vec::new();
    for (stream, retention, names) in table {
        let consumers = names.iter().map(|name| Consumer {
            name,
            sure: BTreeSet::new(),
            maybe: BTreeSet::new(),
            counts: HashMap::new(),
            open: Vec::new(),
        });
        loads.push(Box::new(Consumption {
            ledger: Ledger::new(stream, Rule::default()),
            retention,
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
        let inbox = link.post(&subject, &[], body.as_bytes())?;
        let mut count = 0;
        while count < batch {
            let delivery = link.delivery(&inbox)?;
            if !delivery.is_delivery() {
                break;
            }
            count += 1;
            let (reply, sequence) = self.delivered(at, &delivery)?;
            answer(self, link, &reply, sequence)?;
        }
        Ok(count)
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
        let maybe = all(&|consumer| {
            consumer.sure.contains(&sequence) || consumer.maybe.contains(&sequence)
        });
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
        if consumer.sure.contains(&sequence) || consumer.maybe.contains(&sequence) {
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
            self.pull(link, at, body, 200, |this, link, reply, sequence| {
                this.ack_sure(link, at, reply, sequence)
            })?;
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
            "allow_direct": true,
        });
        link.ok(&format!("STREAM.CREATE.{stream}"), &config)?;
        for consumer in &self.consumers {
            let config = json!({"stream_name": stream, "config": {
                "name": consumer.name, "durable_name": consumer.name, "ack_policy": "explicit",
                "ack_wait": 500_000_000, "max_ack_pending": 10_000,
            }});
            link.ok(
                &format!("CONSUMER.CREATE.{stream}.{}", consumer.name),
                &config,
            )?;
        }
        Ok(())
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
                self.pull(link, at, &body, batch, |this, link, reply, sequence| {
                    this.answer(link, at, reply, sequence, dice.below(100))
                })?;
                Ok(())
            }
        }
    }

    fn verify(&mut self, link: &mut Link, damage: Option<&Damage>) -> Run<Found> {
        let found = compare(link, &mut self.ledger, damage)?;
        self.forgetful = damage.is_some_and(|damage| damage.touches(&self.ledger.stream));
        let there = self.there();
        for at in 0..self.consumers.len() {
            if self.forgetful {
                let name = self.consumers[at].name;
                link.ok(
                    &format!("CONSUMER.INFO.{}.{name}", self.ledger.stream),
                    &Value::Null,
                )?;
            } else {
                self.check_info(link, at, &there)?;
            }
        }
        Ok(found)
    }

    fn settle(&mut self, link: &mut Link, damage: Option<&Damage>) -> Run<()> {
        one_more(link, &mut self.ledger, None)?;
        for at in 0..self.consumers.len() {
            self.drain(link, at)?;
        }
        let there = self.there();
        for consumer in &self.consumers {
            let acked = |sequence: &u64| {
                consumer.sure.contains(sequence) || consumer.maybe.contains(sequence)
            };
            if let Some(missed) = there.iter().find(|sequence| !acked(sequence)) {
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
