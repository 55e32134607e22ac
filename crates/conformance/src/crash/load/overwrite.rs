//! Large messages that soon take each other's place, and a few among them that stay: the log is
//! rewritten under them.

use serde_json::json;

use super::Load;
use super::publish::{compare, one_more, told};
use crate::crash::damage::Damage;
use crate::crash::ledger::{Found, Ledger, Rule};
use crate::crash::link::Link;
use crate::crash::rng::Rng;
use crate::crash::{Run, wrong};

const STREAM: &str = "OVER";

/// Bytes of a message: some thirty of them fill a file of the log.
const BULK: usize = 500_000;

/// Messages under way at a time.
const AT_ONCE: usize = 4;

/// A publisher of new values.
pub struct Overwrites {
    ledger: Ledger,
    confirmed: u64,
}

impl Default for Overwrites {
    fn default() -> Self {
        Self::new()
    }
}

impl Overwrites {
    /// No value yet.
    #[must_use]
    pub fn new() -> Self {
        let rule = Rule {
            per_subject: Some(1),
            ..Rule::default()
        };
        let mut ledger = Ledger::new(STREAM, rule);
        ledger.bulk = BULK;
        Self {
            ledger,
            confirmed: 0,
        }
    }
}

impl Load for Overwrites {
    fn name(&self) -> &str {
        STREAM
    }

    fn setup(&mut self, link: &mut Link) -> Run<()> {
        let config = json!({
            "name": STREAM, "subjects": [format!("{STREAM}.*")],
            "max_msgs_per_subject": 1, "allow_direct": true,
        });
        link.ok(&format!("STREAM.CREATE.{STREAM}"), &config)?;
        Ok(())
    }

    fn step(&mut self, link: &mut Link, rng: &mut Rng) -> Run<()> {
        let mut under_way = Vec::new();
        for _ in 0..AT_ONCE {
            let subject = if rng.percent(5) {
                format!("{STREAM}.stays-{}", self.ledger.sent.len())
            } else {
                format!("{STREAM}.{}", rng.below(5))
            };
            let number = self.ledger.send(&subject);
            let payload = self.ledger.payload(number);
            under_way.push((number, link.post(&subject, &[], &payload)?));
        }
        for (number, reply) in under_way {
            let ack = link.answer(&reply)?.json();
            let Some(sequence) = ack["seq"].as_u64() else {
                return wrong(format!("{STREAM}: message {number} is answered by {ack}"));
            };
            told(self.ledger.bind(number, sequence))?;
            self.confirmed += 1;
        }
        Ok(())
    }

    fn verify(&mut self, link: &mut Link, damage: Option<&Damage>) -> Run<Found> {
        compare(link, &mut self.ledger, damage)
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
