//! Atomic batches: all of a batch or nothing, in one piece.

use serde_json::json;

use super::Load;
use super::publish::{compare, one_more, told};
use crate::crash::damage::Damage;
use crate::crash::ledger::{Fate, Found, Ledger, Rule};
use crate::crash::link::Link;
use crate::crash::rng::Rng;
use crate::crash::{Run, wrong};

const STREAM: &str = "BATCH";

/// A publisher of batches.
pub struct Batches {
    ledger: Ledger,
    batches: Vec<std::ops::Range<usize>>,
    confirmed: u64,
}

impl Default for Batches {
    fn default() -> Self {
        Self::new()
    }
}

impl Batches {
    /// No batch yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            ledger: Ledger::new(STREAM, Rule::default()),
            batches: Vec::new(),
            confirmed: 0,
        }
    }

    fn check_whole(&mut self) -> Run<()> {
        let sent = self.ledger.sent.len();
        for batch in &mut self.batches {
            // The connection ended before its commit: nothing of it may be there.
            let cut = batch.end > sent;
            batch.end = batch.end.min(sent);
            let sequences: Vec<Option<u64>> = batch
                .clone()
                .map(|number| match self.ledger.sent[number].fate {
                    Fate::Stored(sequence) => Some(sequence),
                    _ => None,
                })
                .collect();
            let whole = sequences.windows(2).all(|pair| match (pair[0], pair[1]) {
                (Some(one), Some(next)) => next == one + 1,
                (None, None) => true,
                _ => false,
            });
            if !whole || (cut && sequences.iter().any(Option::is_some)) {
                return wrong(format!(
                    "batch of messages {batch:?} is in pieces: {sequences:?}"
                ));
            }
        }
        Ok(())
    }
}

impl Load for Batches {
    fn name(&self) -> &str {
        STREAM
    }

    fn setup(&mut self, link: &mut Link) -> Run<()> {
        let config = json!({
            "name": STREAM, "subjects": [format!("{STREAM}.*")],
            "allow_atomic": true, "allow_direct": true,
        });
        link.ok(&format!("STREAM.CREATE.{STREAM}"), &config)?;
        Ok(())
    }

    fn step(&mut self, link: &mut Link, rng: &mut Rng) -> Run<()> {
        let size = 1 + rng.below(12) as usize;
        let first = self.ledger.sent.len();
        self.batches.push(first..first + size);
        let id = format!("b{first}");
        for position in 1..=size {
            let subject = format!("{STREAM}.{}", rng.below(5));
            let number = self.ledger.send(&subject);
            let payload = self.ledger.payload(number);
            let text = position.to_string();
            let mut headers = vec![("Nats-Batch-Id", &*id), ("Nats-Batch-Sequence", &*text)];
            if position < size {
                if position == 1 {
                    link.request(&subject, &headers, &payload)?;
                } else {
                    link.publish(&subject, "", &headers, &payload)?;
                }
                continue;
            }
            headers.push(("Nats-Batch-Commit", "1"));
            let ack = link.request(&subject, &headers, &payload)?.json();
            let Some(last) = ack["seq"].as_u64().filter(|_| ack.get("error").is_none()) else {
                return wrong(format!("batch of {size} answered by {ack}"));
            };
            for (offset, number) in (first..=number).rev().enumerate() {
                told(self.ledger.bind(number, last - offset as u64))?;
            }
            self.confirmed += 1;
        }
        Ok(())
    }

    fn verify(&mut self, link: &mut Link, damage: Option<&Damage>) -> Run<Found> {
        let found = compare(link, &mut self.ledger, damage)?;
        if damage.is_none() {
            self.check_whole()?;
        }
        Ok(found)
    }

    fn settle(&mut self, link: &mut Link, damage: Option<&Damage>) -> Run<()> {
        one_more(link, &mut self.ledger, None)?;
        compare(link, &mut self.ledger, damage)?;
        Ok(())
    }

    fn confirmed(&self) -> u64 {
        self.confirmed
    }
}
