//! A consumer that sends without being asked and without acks, with flow control and heartbeats:
//! nothing twice or out of order while the server runs, and nothing left out but what was on its
//! way when it was killed.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::Load;
use super::publish::{compare, one_more, told};
use crate::crash::damage::Damage;
use crate::crash::ledger::{Fate, Found, Ledger, Rule};
use crate::crash::link::{Arrival, Link};
use crate::crash::rng::Rng;
use crate::crash::{Run, wrong};
use crate::wait;

const STREAM: &str = "FLOW";
const NAME: &str = "F1";
const TARGET: &str = "to.FLOW.F1";

/// Bytes of a message: a dozen of them make flow control ask.
const BULK: usize = 120_000;

/// How long nothing may come before the consumer is asked how far it is.
const QUIET: Duration = Duration::from_millis(100);

/// A stream and its consumer.
pub struct Flow {
    ledger: Ledger,
    /// How far the consumer was when the server started.
    floor: u64,
    /// What came since then.
    came: BTreeSet<u64>,
    /// The consumer's own number of what came last since then.
    delivery: Option<u64>,
    recounted: u64,
    confirmed: u64,
}

impl Default for Flow {
    fn default() -> Self {
        Self::new()
    }
}

impl Flow {
    /// Nothing sent yet.
    #[must_use]
    pub fn new() -> Self {
        let mut ledger = Ledger::new(STREAM, Rule::default());
        ledger.bulk = BULK;
        Self {
            ledger,
            floor: 0,
            came: BTreeSet::new(),
            delivery: None,
            recounted: 0,
            confirmed: 0,
        }
    }

    fn publish(&mut self, link: &mut Link, rng: &mut Rng) -> Run<()> {
        let mut flying = Vec::new();
        for _ in 0..=rng.below(30) {
            let subject = format!("{STREAM}.{}", rng.below(5));
            let number = self.ledger.send(&subject);
            let payload = self.ledger.payload(number);
            flying.push((link.post(&subject, &[], &payload)?, number));
        }
        for (reply, number) in flying {
            let ack = link.answer(&reply)?.json();
            let Some(sequence) = ack["seq"].as_u64() else {
                return wrong(format!("{STREAM}: message {number} is answered by {ack}"));
            };
            told(self.ledger.bind(number, sequence))?;
            self.confirmed += 1;
        }
        Ok(())
    }

    /// Takes what came, and what comes until it is quiet.
    fn hear(&mut self, link: &mut Link, quiet: Duration) -> Run<()> {
        let from = format!("$JS.ACK.{STREAM}.{NAME}.");
        while let Some(delivery) = link.delivery_within(&from, quiet)? {
            self.delivered(&delivery)?;
        }
        Ok(())
    }

    fn delivered(&mut self, delivery: &Arrival) -> Run<()> {
        let reply = delivery.reply.clone().unwrap_or_default();
        let words: Vec<&str> = reply.split('.').collect();
        let number_at = |at: usize| words.get(at).and_then(|word| word.parse::<u64>().ok());
        let (Some(count), Some(sequence), Some(own)) = (number_at(4), number_at(5), number_at(6))
        else {
            return wrong(format!("a delivery with the reply {reply}"));
        };
        let number = told(self.ledger.number(&delivery.payload))?;
        told(self.ledger.bind(number, sequence))?;
        let last = self.came.last().copied().unwrap_or(self.floor);
        let follows = self.delivery.is_none_or(|before| own == before + 1);
        if count != 1 || sequence <= last || !follows {
            return wrong(format!(
                "{STREAM}: {reply} comes after {last}, own number {:?}",
                self.delivery
            ));
        }
        self.came.insert(sequence);
        self.delivery = Some(own);
        Ok(())
    }

    /// What is there between the sequence the consumer began from and `end`, and did not come.
    fn left_out(&self, end: u64) -> Option<u64> {
        let sequence = |number: &usize| match self.ledger.sent[*number].fate {
            Fate::Stored(sequence) => Some(sequence),
            _ => None,
        };
        let alive = self.ledger.alive();
        let mut missing = alive.iter().filter_map(sequence);
        missing.find(|sequence| {
            (self.floor + 1..=end).contains(sequence) && !self.came.contains(sequence)
        })
    }
}

impl Load for Flow {
    fn name(&self) -> &str {
        STREAM
    }

    fn setup(&mut self, link: &mut Link) -> Run<()> {
        let config = json!({
            "name": STREAM, "subjects": [format!("{STREAM}.*")], "allow_direct": true,
        });
        link.ok(&format!("STREAM.CREATE.{STREAM}"), &config)?;
        let config = json!({"stream_name": STREAM, "config": {
            "name": NAME, "durable_name": NAME, "ack_policy": "none", "deliver_subject": TARGET,
            "flow_control": true, "idle_heartbeat": 200_000_000,
        }});
        link.ok(&format!("CONSUMER.CREATE.{STREAM}.{NAME}"), &config)?;
        Ok(())
    }

    fn step(&mut self, link: &mut Link, rng: &mut Rng) -> Run<()> {
        link.subscribe(TARGET, "", 1)?;
        self.publish(link, rng)?;
        self.hear(link, Duration::ZERO)
    }

    fn verify(&mut self, link: &mut Link, damage: Option<&Damage>) -> Run<Found> {
        let last = self.came.last().copied().unwrap_or(self.floor);
        if let Some(missed) = self.left_out(last) {
            return wrong(format!("{STREAM}: {missed} was left out, {last} came"));
        }
        let found = compare(link, &mut self.ledger, damage)?;
        let subject = format!("CONSUMER.INFO.{STREAM}.{NAME}");
        let info = link.ok(&subject, &Value::Null)?;
        let Some(delivered) = info["delivered"]["stream_seq"].as_u64() else {
            return wrong(format!("{STREAM}: {info}"));
        };
        self.floor = delivered;
        self.came.clear();
        self.delivery = None;
        self.recounted += last.saturating_sub(delivered);
        let alive = self.ledger.alive();
        let is_pending = |number: &&usize| {
            let fate = self.ledger.sent[**number].fate;
            matches!(fate, Fate::Stored(sequence) if sequence > delivered)
        };
        let pending = alive.iter().filter(is_pending).count();
        if info["num_ack_pending"] != 0 || info["num_pending"] != json!(pending) {
            return wrong(format!("{STREAM}: {pending} are to come: {info}"));
        }
        Ok(found)
    }

    fn settle(&mut self, link: &mut Link, damage: Option<&Damage>) -> Run<()> {
        link.subscribe(TARGET, "", 1)?;
        one_more(link, &mut self.ledger, None)?;
        let end = Instant::now() + wait::DEADLINE;
        while let Some(missed) = self.left_out(u64::MAX) {
            if Instant::now() > end {
                return wrong(format!("{STREAM}: {missed} was never delivered"));
            }
            self.hear(link, QUIET)?;
        }
        compare(link, &mut self.ledger, damage)?;
        Ok(())
    }

    fn confirmed(&self) -> u64 {
        self.confirmed
    }

    fn forgotten(&self) -> (u64, u64) {
        (self.recounted, 0)
    }
}
