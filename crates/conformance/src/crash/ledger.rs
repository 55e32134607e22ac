//! The model of one stream: every message ever sent to it with what is known of its fate, and the
//! comparison of that with what a restarted server has.
//!
//! A message is known by its number, which stands in its payload together with filler that follows
//! from the number, so that a payload proves itself. A message whose PubAck did not come may or may
//! not be stored until the next comparison, which settles it; one that was not there then must never
//! come. A removal that was not confirmed may or may not have happened until the same moment.
//!
//! Invariant: a sequence that anybody was told of stays bound to its message for good.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use super::link::Arrival;

/// What a stream may drop by itself.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rule {
    /// Messages kept per subject.
    pub per_subject: Option<usize>,
    /// Messages kept in all.
    pub total: Option<usize>,
}

/// Whether the server took a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Sent, not answered.
    Unknown,
    /// Stored under a sequence.
    Stored(u64),
    /// Not stored, and must not be.
    Absent,
}

/// Whether a stored message must still be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Presence {
    /// Yes, unless a limit took it.
    Must,
    /// A removal was asked for and not confirmed.
    May,
    /// No.
    Removed,
}

/// A message that was sent.
#[derive(Debug, Clone)]
pub struct Sent {
    /// Its subject.
    pub subject: String,
    /// Whether the server took it.
    pub fate: Fate,
    /// Whether it must still be there.
    pub presence: Presence,
    /// It replaces what was on its subject before.
    pub rollup: bool,
    /// How long it may live, from when it was sent.
    pub ttl: Option<Duration>,
    /// When it was sent first.
    pub at: Instant,
    /// It was sent again, out of order.
    pub resent: bool,
}

/// What a comparison found.
#[derive(Debug, Default, Clone, Copy)]
pub struct Found {
    /// Messages there.
    pub present: u64,
    /// Messages that only damage explains to be missing.
    pub lost: u64,
}

/// All messages of one stream.
pub struct Ledger {
    /// The stream's name.
    pub stream: String,
    /// What it drops by itself.
    pub rule: Rule,
    /// How much longer its messages are than others.
    pub bulk: usize,
    /// Every message by number.
    pub sent: Vec<Sent>,
    seen: BTreeMap<u64, usize>,
}

impl Ledger {
    /// An empty stream.
    #[must_use]
    pub fn new(stream: &str, rule: Rule) -> Self {
        Self {
            stream: stream.to_owned(),
            rule,
            bulk: 0,
            sent: Vec::new(),
            seen: BTreeMap::new(),
        }
    }

    /// Records a message about to be sent and returns its number.
    pub fn send(&mut self, subject: &str) -> usize {
        self.sent.push(Sent {
            subject: subject.to_owned(),
            fate: Fate::Unknown,
            presence: Presence::Must,
            rollup: false,
            ttl: None,
            at: Instant::now(),
            resent: false,
        });
        self.sent.len() - 1
    }

    /// The payload of a message.
    #[must_use]
    pub fn payload(&self, number: usize) -> Vec<u8> {
        let head = format!("{}:{number}:", self.stream);
        let filler = self.bulk + number.wrapping_mul(7919) % 400;
        let mut bytes = head.into_bytes();
        bytes.extend((0..filler).map(|at| b'a' + ((number + at) % 26) as u8));
        bytes
    }

    /// The number a payload proves.
    ///
    /// # Errors
    /// The payload is not one that was sent.
    pub fn number(&self, payload: &[u8]) -> Result<usize, String> {
        let text = String::from_utf8_lossy(payload);
        let number = text
            .strip_prefix(&format!("{}:", self.stream))
            .and_then(|rest| rest.split(':').next())
            .and_then(|word| word.parse().ok())
            .filter(|&number| number < self.sent.len());
        match number {
            Some(number) if self.payload(number) == payload => Ok(number),
            _ => Err(format!("{}: nobody sent {text:?}", self.stream)),
        }
    }

    /// Somebody was told that a message has a sequence.
    ///
    /// # Errors
    /// The sequence or the message is bound otherwise already.
    pub fn bind(&mut self, number: usize, sequence: u64) -> Result<(), String> {
        let stream = &self.stream;
        if let Some(&other) = self.seen.get(&sequence)
            && other != number
        {
            return Err(format!(
                "{stream}: sequence {sequence} was of message {other}, now of {number}"
            ));
        }
        match self.sent[number].fate {
            Fate::Stored(other) if other != sequence => Err(format!(
                "{stream}: message {number} had sequence {other}, now {sequence}"
            )),
            Fate::Absent => Err(format!(
                "{stream}: message {number} was not stored after a crash, now it is {sequence}"
            )),
            _ => {
                self.seen.insert(sequence, number);
                self.sent[number].fate = Fate::Stored(sequence);
                Ok(())
            }
        }
    }

    /// The highest sequence anybody was told of.
    #[must_use]
    pub fn last(&self) -> u64 {
        self.seen.keys().next_back().copied().unwrap_or(0)
    }

    /// The message of a sequence that somebody was told of.
    #[must_use]
    pub fn of(&self, sequence: u64) -> Option<usize> {
        self.seen.get(&sequence).copied()
    }

    /// Numbers of messages that are stored and were not removed.
    #[must_use]
    pub fn alive(&self) -> Vec<usize> {
        let is_alive =
            |sent: &Sent| sent.presence == Presence::Must && matches!(sent.fate, Fate::Stored(_));
        (0..self.sent.len())
            .filter(|&number| is_alive(&self.sent[number]))
            .collect()
    }

    /// Raises what is known of a removal.
    pub fn mark(&mut self, numbers: &[usize], presence: Presence) {
        for &number in numbers {
            let sent = &mut self.sent[number];
            sent.presence = sent.presence.max(presence);
        }
    }

    /// Compares with everything the server has, settles what was unknown.
    /// `damaged` says whether a message may be missing because of damage.
    ///
    /// # Errors
    /// What must not be.
    pub fn compare(
        &mut self,
        contents: &[Arrival],
        damaged: &dyn Fn(usize) -> bool,
    ) -> Result<Found, String> {
        let there = self.read(contents)?;
        let mut found = Found {
            present: there.len() as u64,
            ..Found::default()
        };
        self.check_order(&there)?;
        self.check_limits(&there)?;
        for number in 0..self.sent.len() {
            if let Some(&sequence) = there.get(&number) {
                let sent = &mut self.sent[number];
                if sent.presence == Presence::Removed {
                    return Err(format!(
                        "{}: message {number} (sequence {sequence}) was removed and is back",
                        self.stream
                    ));
                }
                sent.presence = Presence::Must;
                continue;
            }
            found.lost += u64::from(self.settle_missing(number, &there, damaged)?);
        }
        Ok(found)
    }

    fn read(&mut self, contents: &[Arrival]) -> Result<HashMap<usize, u64>, String> {
        let mut there = HashMap::new();
        for message in contents {
            let number = self.number(&message.payload)?;
            let sequence = message
                .header("Nats-Sequence")
                .and_then(|text| text.parse().ok())
                .unwrap_or(0);
            if message.header("Nats-Subject") != Some(self.sent[number].subject.as_str()) {
                return Err(format!("{}: wrong subject: {message:?}", self.stream));
            }
            if let Some(other) = there.insert(number, sequence) {
                return Err(format!(
                    "{}: message {number} is stored twice, as {other} and {sequence}",
                    self.stream
                ));
            }
            self.bind(number, sequence)?;
        }
        Ok(there)
    }

    /// Messages sent in order over one connection are stored in order.
    fn check_order(&self, there: &HashMap<usize, u64>) -> Result<(), String> {
        let mut last = 0;
        for (number, sent) in self.sent.iter().enumerate() {
            let (Some(&sequence), false) = (there.get(&number), sent.resent) else {
                continue;
            };
            if sequence <= last {
                return Err(format!(
                    "{}: message {number} is {sequence}, after {last} that was sent before it",
                    self.stream
                ));
            }
            last = sequence;
        }
        Ok(())
    }

    /// What a limit took does not come back.
    fn check_limits(&self, there: &HashMap<usize, u64>) -> Result<(), String> {
        for &number in there.keys() {
            if self.is_over(number, |other| {
                let sent = &self.sent[other];
                sent.presence == Presence::Must
            }) {
                return Err(format!(
                    "{}: message {number} ({:?}) is over the limit and there",
                    self.stream, self.sent[number]
                ));
            }
        }
        Ok(())
    }

    /// Whether enough later messages that `count` are stored for a limit to have taken this one.
    fn is_over(&self, number: usize, count: impl Fn(usize) -> bool) -> bool {
        let sent = &self.sent[number];
        let Fate::Stored(sequence) = sent.fate else {
            return false;
        };
        if self.rule.per_subject.is_none() && self.rule.total.is_none() {
            return false;
        }
        let later = || {
            let range = self.seen.range(sequence + 1..);
            range.map(|(_, &other)| other).filter(|&other| count(other))
        };
        let same = |&other: &usize| self.sent[other].subject == sent.subject;
        let by_subject = self
            .rule
            .per_subject
            .is_some_and(|limit| later().filter(same).take(limit).count() == limit);
        by_subject
            || self
                .rule
                .total
                .is_some_and(|limit| later().take(limit).count() == limit)
    }

    /// A message is not there: fine, lost to damage (true), or wrong.
    fn settle_missing(
        &mut self,
        number: usize,
        there: &HashMap<usize, u64>,
        damaged: &dyn Fn(usize) -> bool,
    ) -> Result<bool, String> {
        let sent = &self.sent[number];
        match sent.fate {
            Fate::Absent => return Ok(false),
            Fate::Unknown => {
                self.sent[number].fate = Fate::Absent;
                return Ok(false);
            }
            Fate::Stored(_) => {}
        }
        let expired = sent.ttl.is_some_and(|ttl| sent.at.elapsed() >= ttl);
        let explained = sent.presence > Presence::Must
            || expired
            || self.is_over(number, |other| self.was_there(other, there))
            || self.is_rolled_up(number, there);
        let lost = !explained && damaged(number);
        let explained = explained || self.is_taken_by_hidden(number, there, damaged);
        if !explained && !lost {
            return Err(format!(
                "{}: message {number} is lost: {:?}, {} there, last sequence known {}",
                self.stream,
                self.sent[number],
                there.len(),
                self.last()
            ));
        }
        self.sent[number].presence = Presence::Removed;
        Ok(lost)
    }

    /// Whether messages that were never confirmed, and lie under the damage, may have taken this one
    /// before that, for a limit or as rollups.
    fn is_taken_by_hidden(
        &self,
        number: usize,
        there: &HashMap<usize, u64>,
        damaged: &dyn Fn(usize) -> bool,
    ) -> bool {
        let (sent, rule) = (&self.sent[number], &self.rule);
        let later = || {
            let others = (number + 1)..self.sent.len();
            others.filter(|&other| match self.sent[other].fate {
                Fate::Unknown => there.contains_key(&other) || damaged(other),
                Fate::Stored(_) => self.was_there(other, there),
                Fate::Absent => false,
            })
        };
        let same = |other: &usize| self.sent[*other].subject == sent.subject;
        let reaches = |limit: Option<usize>, count: usize| limit.is_some_and(|max| count >= max);
        reaches(rule.per_subject, later().filter(same).count())
            || reaches(rule.total, later().count())
            || later().filter(same).any(|other| self.sent[other].rollup)
    }

    /// Whether a later message is there, or was until damage took it: what it took is gone either way.
    fn was_there(&self, other: usize, there: &HashMap<usize, u64>) -> bool {
        there.contains_key(&other) || self.sent[other].presence == Presence::Must
    }

    fn is_rolled_up(&self, number: usize, there: &HashMap<usize, u64>) -> bool {
        let sent = &self.sent[number];
        let Fate::Stored(sequence) = sent.fate else {
            return false;
        };
        self.seen.range(sequence + 1..).any(|(_, other)| {
            let later = &self.sent[*other];
            later.rollup && later.subject == sent.subject && self.was_there(*other, there)
        })
    }
}
