//! Streams that keep the last messages of each of many keys, as key-value buckets do, held against a
//! model that keeps everything in the open.
//!
//! Segments are short and few indexes stay in memory, so that a batch crosses many boundaries: each
//! record may be the one that begins a segment, and each look-up the one whose index was let go.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::Duration;

use cognate_model::Sequence;
use cognate_store::FileStoreOptions;
use cognate_store::disk::Disk as _;
use cognate_store::disk::sim::SimDisk;
use cognate_stream::{GetRequest, PurgeRequest};
use cognate_subject::Filter;

use crate::rig::{Rig, START};

/// Subjects are `k.<part>.<key>`; purges are of whole parts, and so of many messages in a row.
const PARTS: u64 = 4;
const KEYS: u64 = 1500;
const BATCHES: u64 = 40;

/// A generator whose whole state is the seed.
struct Random(u64);

impl Random {
    /// A number below `bound`, which is not 0.
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % bound
    }
}

/// A message of the model.
struct Kept {
    subject: String,
    payload: String,
    second: u64,
}

/// A stream and what it ought to hold.
struct World {
    rig: Rig,
    config: String,
    options: FileStoreOptions,
    per_subject: usize,
    max_age: Option<u64>,
    kept: BTreeMap<Sequence, Kept>,
    keys: BTreeMap<String, Vec<Sequence>>,
    last: Sequence,
    second: u64,
    random: Random,
}

impl World {
    fn new(seed: u64, per_subject: usize, max_age: Option<u64>) -> Self {
        let age = max_age.map_or(0, |seconds| seconds * 1_000_000_000);
        let config = format!(
            r#"{{"name":"K","subjects":["k.>"],"max_msgs_per_subject":{per_subject},"max_age":{age}}}"#
        );
        let options = FileStoreOptions {
            segment_bytes: 64 << 10,
            // As long as an index of such a segment gets, or so short that every removal may begin one.
            segment_index_bytes: if seed.is_multiple_of(3) {
                4 << 10
            } else {
                32 << 10
            },
            // None at all but the last segment's, or some of them.
            index_cache_bytes: if seed.is_multiple_of(2) { 128 << 10 } else { 0 },
            ..FileStoreOptions::new(7, 1)
        };
        let mut rig = Rig::with(options, &config, SimDisk::new(seed), SimDisk::new(seed + 1));
        rig.group.begin_journal();
        rig.settle();
        World {
            rig,
            config,
            options,
            per_subject,
            max_age,
            kept: BTreeMap::new(),
            keys: BTreeMap::new(),
            last: 0,
            second: 0,
            random: Random(seed),
        }
    }

    fn drop_kept(&mut self, sequence: Sequence) {
        let Some(kept) = self.kept.remove(&sequence) else {
            return;
        };
        if let Some(of) = self.keys.get_mut(&kept.subject) {
            of.retain(|held| *held != sequence);
            if of.is_empty() {
                self.keys.remove(&kept.subject);
            }
        }
    }

    fn publish(&mut self) {
        let (part, key) = (self.random.below(PARTS), self.random.below(KEYS));
        let subject = format!("k.{part}.{}", key * key / KEYS);
        self.last += 1;
        let payload = format!(
            "{}.{}",
            self.last,
            "v".repeat(self.random.below(60) as usize)
        );
        self.rig.publish(&subject, b"", &payload);
        let of = self.keys.entry(subject.clone()).or_default();
        of.push(self.last);
        let over = (of.len() > self.per_subject).then(|| of[0]);
        let second = self.second;
        self.kept.insert(
            self.last,
            Kept {
                subject,
                payload,
                second,
            },
        );
        if let Some(sequence) = over {
            self.drop_kept(sequence);
        }
    }

    fn delete(&mut self) {
        let from = self.random.below(self.last + 1);
        let Some((&sequence, _)) = self.kept.range(from..).next() else {
            return;
        };
        let (erase, now) = (self.random.below(2) == 0, self.rig.now);
        let deleted = self
            .rig
            .group
            .delete_message(sequence, erase, now, &mut self.rig.out);
        deleted.expect("there is such a message");
        self.drop_kept(sequence);
    }

    /// Of one part, or of one key; all of it, below a sequence, or all but some.
    fn purge(&mut self) {
        let part = self.random.below(PARTS);
        let filter = match self.random.below(3) {
            0 => format!("k.{part}.{}", self.random.below(KEYS)),
            _ => format!("k.{part}.*"),
        };
        let (sequence, keep) = match self.random.below(4) {
            0 => (1 + self.random.below(self.last + 2), 0),
            1 => (0, 1 + self.random.below(100)),
            _ => (0, 0),
        };
        let matched = Filter::try_from(filter.as_str()).expect("a filter");
        let request = PurgeRequest {
            filter: Some(&matched),
            sequence,
            keep,
        };
        let now = self.rig.now;
        let purge = self.rig.group.start_purge(&request, now, &mut self.rig.out);
        let mut purge = purge.expect("purges are allowed");
        while !purge.is_done() {
            let gone_on = self
                .rig
                .group
                .continue_purge(&mut purge, now, &mut self.rig.out);
            gone_on.expect("the disk is well");
        }
        let prefix = filter.strip_suffix('*');
        let matches = |subject: &str| match prefix {
            Some(prefix) => subject.starts_with(prefix),
            None => subject == filter,
        };
        let below = if sequence == 0 {
            Sequence::MAX
        } else {
            sequence
        };
        let found = self
            .kept
            .iter()
            .filter(|(of, kept)| **of < below && matches(&kept.subject));
        let found: Vec<Sequence> = found.map(|(sequence, _)| *sequence).collect();
        let gone = &found[..found.len().saturating_sub(keep as usize)];
        assert_eq!(
            purge.removed(),
            gone.len() as u64,
            "{filter} {sequence} {keep}"
        );
        for sequence in gone {
            self.drop_kept(*sequence);
        }
    }

    fn wait(&mut self) {
        self.second += self.random.below(20);
        self.rig.now = START.after(Duration::from_secs(self.second));
        self.rig.settle();
        let Some(max_age) = self.max_age else { return };
        let old = self
            .kept
            .iter()
            .filter(|(_, kept)| kept.second + max_age <= self.second);
        let old: Vec<Sequence> = old.map(|(sequence, _)| *sequence).collect();
        for sequence in old {
            self.drop_kept(sequence);
        }
    }

    fn restart(&mut self) {
        self.rig.settle();
        let disks = (self.rig.messages.kill(), self.rig.journal.kill());
        self.rig = Rig::with(self.options, &self.config, disks.0, disks.1);
        self.rig.now = START.after(Duration::from_secs(self.second));
        self.rig.group.begin_journal();
    }

    fn batch(&mut self) {
        let most = if self.random.below(4) == 0 { 3000 } else { 300 };
        for _ in 0..self.random.below(most) {
            self.publish();
            if self.random.below(20) == 0 {
                self.delete();
            }
        }
        match self.random.below(6) {
            0 => self.purge(),
            1 => self.wait(),
            2 => self.restart(),
            3 => self.rig.maintain(),
            _ => {}
        }
        self.rig.settle();
        self.rig.sent();
    }

    fn check(&mut self, what: &str) {
        let state = self.rig.group.state();
        let first = self.kept.keys().next().copied().unwrap_or(self.last + 1);
        assert_eq!(
            (state.messages, state.subjects, state.first, state.last),
            (
                self.kept.len() as u64,
                self.keys.len() as u64,
                first,
                self.last
            ),
            "{what}: messages, subjects, first and last"
        );
        let mut found = BTreeMap::new();
        self.rig
            .group
            .for_each_subject(b">", &mut |subject, state| {
                let subject = String::from_utf8_lossy(subject).into_owned();
                found.insert(subject, (state.messages, state.first, state.last));
                ControlFlow::Continue(())
            });
        let expected = self.keys.iter().map(|(subject, of)| {
            let (first, last) = (of.first().copied(), of.last().copied());
            let ends = (first.unwrap_or_default(), last.unwrap_or_default());
            (subject.clone(), (of.len() as u64, ends.0, ends.1))
        });
        let expected: BTreeMap<_, _> = expected.collect();
        let differ = expected
            .iter()
            .find(|(subject, state)| found.get(*subject) != Some(state));
        assert_eq!(differ, None, "{what}: count, first and last of a subject");
        assert_eq!(found.len(), expected.len(), "{what}: subjects");
        for (sequence, kept) in &self.kept {
            let request = GetRequest {
                sequence: *sequence,
                ..GetRequest::default()
            };
            let message = self.rig.group.message(&request).expect("it is kept");
            assert_eq!(
                message.subject,
                kept.subject.as_bytes(),
                "{what}: {sequence}"
            );
            assert_eq!(
                message.payload,
                kept.payload.as_bytes(),
                "{what}: {sequence}"
            );
        }
        for (subject, of) in &self.keys {
            let last_by_subject = subject.as_bytes();
            let request = GetRequest {
                last_by_subject,
                ..GetRequest::default()
            };
            let last = self
                .rig
                .group
                .message(&request)
                .expect("it is kept")
                .sequence;
            assert_eq!(Some(&last), of.last(), "{what}: the last of {subject}");
        }
    }
}

#[track_caller]
fn check(per_subject: usize, max_age: Option<u64>) {
    for seed in 2..=3 {
        let mut world = World::new(seed, per_subject, max_age);
        for batch in 0..BATCHES {
            world.batch();
            world.check(&format!("seed {seed}, batch {batch}"));
        }
        // The names of files begin with the segment's number.
        let names = world.rig.messages.list().expect("the disk is well");
        let of_segments = names.iter().filter_map(|name| name.strip_suffix(".log"));
        let newest = of_segments.max().expect("there is a segment");
        assert!(
            newest > "0000000000000008",
            "boundaries were crossed: {newest}"
        );
        world.restart();
        world.check(&format!("seed {seed}, at the end"));
    }
}

#[test]
fn one_message_of_each_key_is_kept() {
    check(1, None);
}

#[test]
fn three_messages_of_each_key_are_kept() {
    check(3, None);
}

#[test]
fn one_message_of_each_key_is_kept_for_a_while() {
    check(1, Some(30));
}

#[test]
fn three_messages_of_each_key_are_kept_for_a_while() {
    check(3, Some(30));
}
