//! What ends with the server: streams in memory, and consumers in memory of streams in files. Nothing
//! of them is there after a start, as in nats-server 2.14.5, and they are made anew.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Consumption;
use super::member::{Consumer, Kind};
use crate::crash::damage::Damage;
use crate::crash::ledger::{Ledger, Presence, Rule};
use crate::crash::link::Link;
use crate::crash::load::Load;
use crate::crash::{Run, wrong};

impl Consumption {
    /// The stream was in memory: it must be gone, and begins anew.
    pub(super) fn begin_anew(&mut self, link: &mut Link) -> Run<()> {
        let stream = self.ledger.stream.clone();
        let mut questions = vec![format!("STREAM.INFO.{stream}")];
        let consumers = self.consumers.iter();
        questions.extend(consumers.map(|it| format!("CONSUMER.INFO.{stream}.{}", it.name)));
        for question in questions {
            expect_missing(link, &question, 10059)?;
        }
        let answer = link.request(&format!("{stream}.0"), &[], b"")?;
        if answer.status() != Some("503") {
            return wrong(format!("{stream}: nobody should listen, got {answer:?}"));
        }
        self.ledger = Ledger::new(&stream, Rule::default());
        self.consumers.iter_mut().for_each(Consumer::forget);
        self.setup(link)
    }

    /// Consumers in memory ended with the server: with them their acks, and what only they kept.
    pub(super) fn forget(&mut self, damage: Option<&Damage>) {
        for consumer in &mut self.consumers {
            if consumer.kind == Kind::Memory {
                consumer.forget();
            }
        }
        let mut kept = self
            .consumers
            .iter()
            .filter(|consumer| consumer.kind != Kind::Memory);
        let (Some(consumer), None) = (kept.next(), kept.next()) else {
            return;
        };
        if self.retention == "limits" {
            return;
        }
        let numbers = |acks: &BTreeSet<u64>| -> Vec<usize> {
            let numbers = acks.iter().filter_map(|&sequence| self.ledger.of(sequence));
            numbers.collect()
        };
        let (sure, maybe) = (numbers(&consumer.sure), numbers(&consumer.maybe));
        let presence = match damage {
            Some(_) => Presence::May,
            None => Presence::Removed,
        };
        self.ledger.mark(&sure, presence);
        self.ledger.mark(&maybe, Presence::May);
    }
}

/// Asks for something that must not be there.
pub(super) fn expect_missing(link: &mut Link, subject: &str, code: u64) -> Run<()> {
    let answer = link.api(subject, &Value::Null)?;
    if answer["error"]["err_code"] == code {
        return Ok(());
    }
    wrong(format!("{subject}: expected error {code}, got {answer}"))
}
