//! Publishing with PubAcks in flight, and everything that removes messages again.

use std::collections::VecDeque;
use std::time::Duration;

use serde_json::{Value, json};

use super::Load;
use crate::crash::damage::Damage;
use crate::crash::ledger::{Fate, Found, Ledger, Presence, Rule};
use crate::crash::link::{Arrival, Link};
use crate::crash::rng::Rng;
use crate::crash::{Run, Stop, wrong};

/// What a publisher does besides publishing.
#[derive(Debug, Clone, Copy, Default)]
struct Flavor {
    ids: bool,
    rollup: bool,
    removals: bool,
    purges: bool,
    max_age: Option<Duration>,
    ttl: Option<Duration>,
}

/// A publisher and its stream.
pub struct Publisher {
    ledger: Ledger,
    flavor: Flavor,
    window: usize,
    flying: VecDeque<(String, usize)>,
    again: Vec<usize>,
    confirmed: u64,
}

/// One publisher of each flavor.
#[must_use]
// tidy: long-function: a table of loads
pub fn all(rng: &mut Rng) -> Vec<Box<dyn Load>> {
    let none = Rule::default();
    let plain = Flavor::default();
    let subject_limit = Rule {
        per_subject: Some(*rng.pick(&[1, 3])),
        ..none
    };
    let total_limit = Rule {
        total: Some(40),
        ..none
    };
    let short = Some(Duration::from_secs(1));
    let table = [
        (
            "PLAIN",
            none,
            Flavor {
                removals: true,
                purges: true,
                ..plain
            },
        ),
        ("IDS", none, Flavor { ids: true, ..plain }),
        (
            "KEYS",
            subject_limit,
            Flavor {
                purges: true,
                ..plain
            },
        ),
        ("TAIL", total_limit, plain),
        (
            "ROLL",
            none,
            Flavor {
                rollup: true,
                ..plain
            },
        ),
        (
            "AGE",
            none,
            Flavor {
                max_age: short,
                ..plain
            },
        ),
        (
            "TTL",
            none,
            Flavor {
                ttl: short,
                removals: true,
                ..plain
            },
        ),
    ];
    let mut loads: Vec<Box<dyn Load>> = Vec::new();
    for (name, rule, flavor) in table {
        loads.push(Box::new(Publisher {
            ledger: Ledger::new(name, rule),
            flavor,
            window: *rng.pick(&[1, 8, 64]),
            flying: VecDeque::new(),
            again: Vec::new(),
            confirmed: 0,
        }));
    }
    loads
}

/// Turns a model's complaint into a finding.
pub(super) fn told<T>(result: Result<T, String>) -> Run<T> {
    result.map_err(Stop::Wrong)
}

impl Publisher {
    fn config(&self) -> Value {
        let rule = self.ledger.rule;
        let limit = |limit: Option<usize>| limit.map_or(json!(-1), |limit| json!(limit));
        let age = self.flavor.max_age.map_or(0, |age| age.as_nanos() as u64);
        json!({
            "name": self.ledger.stream,
            "subjects": [format!("{}.>", self.ledger.stream)],
            "allow_direct": true,
            "allow_rollup_hdrs": self.flavor.rollup,
            "allow_msg_ttl": self.flavor.ttl.is_some(),
            "max_age": age,
            "duplicate_window": if age == 0 { 120_000_000_000_u64 } else { age },
            "max_msgs": limit(rule.total),
            "max_msgs_per_subject": limit(rule.per_subject),
        })
    }

    fn publish(&mut self, link: &mut Link, rng: &mut Rng) -> Run<()> {
        let subject = format!("{}.{}", self.ledger.stream, rng.below(20));
        let number = self.ledger.send(&subject);
        let mut headers = Vec::new();
        if self.flavor.rollup && rng.percent(10) {
            self.ledger.sent[number].rollup = true;
            headers.push(("Nats-Rollup", "sub"));
        }
        if self.flavor.max_age.is_some() {
            self.ledger.sent[number].ttl = self.flavor.max_age;
        }
        if self.flavor.ttl.is_some() && rng.percent(50) {
            self.ledger.sent[number].ttl = self.flavor.ttl;
            headers.push(("Nats-TTL", "1s"));
        }
        self.send(link, number, &headers)
    }

    fn send(&mut self, link: &mut Link, number: usize, headers: &[(&str, &str)]) -> Run<()> {
        let id = format!("{}-{number}", self.ledger.stream);
        let mut headers = headers.to_vec();
        if self.flavor.ids {
            headers.push(("Nats-Msg-Id", &id));
        }
        let subject = self.ledger.sent[number].subject.clone();
        let payload = self.ledger.payload(number);
        let reply = link.post(&subject, &headers, &payload)?;
        self.flying.push_back((reply, number));
        self.land(link, self.window)
    }

    /// Waits for answers until at most `left` are missing.
    fn land(&mut self, link: &mut Link, left: usize) -> Run<()> {
        while self.flying.len() > left.saturating_sub(1) {
            let Some((reply, number)) = self.flying.pop_front() else {
                break;
            };
            let answer = link.answer(&reply)?;
            self.acknowledged(number, &answer)?;
        }
        Ok(())
    }

    fn acknowledged(&mut self, number: usize, answer: &Arrival) -> Run<()> {
        let ack = answer.json();
        let Some(sequence) = ack["seq"].as_u64().filter(|_| ack.get("error").is_none()) else {
            return wrong(format!("publish of {number} answered by {answer:?}"));
        };
        let sent = &self.ledger.sent[number];
        let known = matches!(sent.fate, Fate::Stored(_));
        let duplicate = ack["duplicate"] == true;
        if known != duplicate {
            return wrong(format!(
                "{}: {sent:?} sent again is answered by {ack}",
                self.ledger.stream
            ));
        }
        self.confirmed += 1;
        told(self.ledger.bind(number, sequence))?;
        if self.ledger.sent[number].rollup {
            let subject = self.ledger.sent[number].subject.clone();
            let older: Vec<usize> = (0..number)
                .filter(|&other| self.ledger.sent[other].subject == subject)
                .collect();
            self.ledger.mark(&older, Presence::Removed);
        }
        Ok(())
    }

    /// Sends again what a crash left open, and now and then what was confirmed.
    fn resend(&mut self, link: &mut Link, rng: &mut Rng) -> Run<()> {
        let open = self.again.pop();
        let number = open.unwrap_or_else(|| rng.below(self.ledger.sent.len() as u64) as usize);
        if self.flying.iter().any(|(_, other)| *other == number) {
            return Ok(());
        }
        if self.ledger.sent[number].fate == Fate::Absent {
            self.ledger.sent[number].fate = Fate::Unknown;
        }
        self.ledger.sent[number].resent = true;
        self.send(link, number, &[])
    }

    fn remove(&mut self, link: &mut Link, rng: &mut Rng) -> Run<()> {
        self.land(link, 0)?;
        let alive: Vec<usize> = self
            .ledger
            .alive()
            .into_iter()
            .filter(|&number| self.ledger.sent[number].ttl.is_none())
            .collect();
        if alive.is_empty() {
            return Ok(());
        }
        let number = *rng.pick(&alive);
        let Fate::Stored(sequence) = self.ledger.sent[number].fate else {
            return Ok(());
        };
        self.ledger.mark(&[number], Presence::May);
        let no_erase = rng.percent(50);
        link.ok(
            &format!("STREAM.MSG.DELETE.{}", self.ledger.stream),
            &json!({"seq": sequence, "no_erase": no_erase}),
        )?;
        self.ledger.mark(&[number], Presence::Removed);
        self.confirmed += 1;
        Ok(())
    }

    fn purge(&mut self, link: &mut Link, rng: &mut Rng) -> Run<()> {
        self.land(link, 0)?;
        let mut gone = self.ledger.alive();
        let body = match rng.below(3) {
            0 => json!({}),
            1 => {
                let subject = format!("{}.{}", self.ledger.stream, rng.below(20));
                gone.retain(|&number| self.ledger.sent[number].subject == subject);
                json!({"filter": subject})
            }
            _ => {
                let before = 1 + rng.below(self.ledger.last().max(1));
                gone.retain(|&number| {
                    matches!(self.ledger.sent[number].fate, Fate::Stored(sequence) if sequence < before)
                });
                json!({"seq": before})
            }
        };
        self.ledger.mark(&gone, Presence::May);
        link.ok(&format!("STREAM.PURGE.{}", self.ledger.stream), &body)?;
        self.ledger.mark(&gone, Presence::Removed);
        self.confirmed += 1;
        Ok(())
    }
}

/// Reads a stream and its state and compares both with the model.
pub(super) fn compare(link: &mut Link, ledger: &mut Ledger, damage: Option<&Damage>) -> Run<Found> {
    let stream = ledger.stream.clone();
    let before = link.ok(&format!("STREAM.INFO.{stream}"), &Value::Null)?["state"].clone();
    let contents = link.contents(&stream)?;
    let state = link.ok(&format!("STREAM.INFO.{stream}"), &Value::Null)?["state"].clone();
    let bulk = ledger.bulk + 400;
    let covers = |number| damage.is_some_and(|damage| damage.covers(&stream, number, bulk));
    let found = told(ledger.compare(&contents, &covers))?;
    let most = damage.map_or(0, Damage::most);
    if found.lost > most {
        return wrong(format!(
            "{stream}: {} messages lost, {most} have room under the damage",
            found.lost
        ));
    }
    let count = |state: &Value| state["messages"].as_u64().unwrap_or(0);
    let between = count(&state)..=count(&before);
    if !between.contains(&found.present) {
        return wrong(format!(
            "{stream}: {} messages there, info says {state}",
            found.present
        ));
    }
    if state["last_seq"].as_u64().unwrap_or(0) < ledger.last() {
        return wrong(format!(
            "{stream}: last sequence known {}, info says {state}",
            ledger.last()
        ));
    }
    Ok(found)
}

/// Stores one more message, which may live as long as the stream lets it: its sequence must be new.
pub(super) fn one_more(link: &mut Link, ledger: &mut Ledger, ttl: Option<Duration>) -> Run<()> {
    let subject = format!("{}.0", ledger.stream);
    let last = ledger.last();
    let number = ledger.send(&subject);
    ledger.sent[number].ttl = ttl;
    let ack = link.request(&subject, &[], &ledger.payload(number))?.json();
    match ack["seq"].as_u64() {
        Some(sequence) if sequence > last => told(ledger.bind(number, sequence)),
        _ => wrong(format!(
            "{}: last sequence known {last}, then {ack}",
            ledger.stream
        )),
    }
}

impl Load for Publisher {
    fn name(&self) -> &str {
        &self.ledger.stream
    }

    fn setup(&mut self, link: &mut Link) -> Run<()> {
        link.ok(
            &format!("STREAM.CREATE.{}", self.ledger.stream),
            &self.config(),
        )?;
        Ok(())
    }

    fn step(&mut self, link: &mut Link, rng: &mut Rng) -> Run<()> {
        let dice = rng.below(100);
        match dice {
            0..=4 if self.flavor.removals => self.remove(link, rng),
            5 if self.flavor.purges => self.purge(link, rng),
            _ if self.flavor.ids && (!self.again.is_empty() || dice < 15) => {
                if self.ledger.sent.is_empty() {
                    return self.publish(link, rng);
                }
                self.resend(link, rng)
            }
            _ => self.publish(link, rng),
        }
    }

    fn verify(&mut self, link: &mut Link, damage: Option<&Damage>) -> Run<Found> {
        self.flying.clear();
        let open: Vec<usize> = (0..self.ledger.sent.len())
            .filter(|&number| self.ledger.sent[number].fate == Fate::Unknown)
            .collect();
        let found = compare(link, &mut self.ledger, damage)?;
        if self.flavor.ids && damage.is_none() {
            self.again = open;
        }
        Ok(found)
    }

    fn settle(&mut self, link: &mut Link, damage: Option<&Damage>) -> Run<()> {
        one_more(link, &mut self.ledger, self.flavor.max_age)?;
        compare(link, &mut self.ledger, damage)?;
        Ok(())
    }

    fn confirmed(&self) -> u64 {
        self.confirmed
    }
}
