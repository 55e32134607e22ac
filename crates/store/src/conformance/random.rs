//! Random sequences of operations, each from a seed.

use std::time::Duration;

use cognate_model::{Deadline, DeadlineKind, Sequence};

use super::{Source, pair::Pair};

/// What a stream is used for, which decides what is appended and removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Few subjects, few removals.
    Log,
    /// A work queue: what is old is removed soon, not quite in order.
    Queue,
    /// Each message takes the place of the last one of its subject.
    KeyValue,
    /// Removals anywhere, most messages go.
    Sparse,
}

impl Shape {
    /// Every shape.
    pub const ALL: [Shape; 4] = [Shape::Log, Shape::Queue, Shape::KeyValue, Shape::Sparse];
}

/// Runs `steps` random operations on a new store and compares it with the model all along.
///
/// # Panics
/// If they differ; shape, seed and step are told.
pub fn random<S: Source>(source: &mut S, shape: Shape, seed: u64, steps: u64) {
    let mut run = Run {
        pair: Pair::new(source),
        shape,
        random: Random(seed ^ (shape as u64) << 56),
    };
    for step in 0..steps {
        let _told = Told { shape, seed, step };
        run.step(step);
    }
    run.pair.check_all(0);
}

/// Says where a run was when it fails.
struct Told {
    shape: Shape,
    seed: u64,
    step: u64,
}

impl Drop for Told {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let Told { shape, seed, step } = self;
            eprintln!("conformance: shape {shape:?}, seed {seed}, step {step}");
        }
    }
}

struct Run<'a, S: Source> {
    pair: Pair<'a, S>,
    shape: Shape,
    random: Random,
}

impl<S: Source> Run<'_, S> {
    fn step(&mut self, step: u64) {
        self.pair.now.0 += (self.random.below(3) * 1000) as i64;
        match self.random.below(1000) {
            0..=1 => self.pair.reopen(),
            2..=5 => self.pair.settle(),
            6..=8 => self.remove_below(),
            9..=11 => self.skip(),
            12..=13 => self.remove_some(),
            14..=60 => self.pair.advance_readers(40),
            61..=120 => self.set_deadline(),
            121..=130 => self.remove(true),
            _ => self.change(),
        }
        if step.is_multiple_of(16) {
            self.pair.check_state();
        }
        if step % 500 == 499 {
            let from = self.anywhere();
            self.pair.check_all(from);
        }
    }

    fn change(&mut self) {
        let removes = match self.shape {
            Shape::Log => self.random.below(20) == 0,
            Shape::Queue => self.random.below(2) == 0,
            Shape::KeyValue => self.random.below(10) == 0,
            Shape::Sparse => self.random.below(5) < 2,
        };
        if removes {
            return self.remove(false);
        }
        let times = 1 + self.random.below(4);
        for _ in 0..times {
            self.append();
        }
    }

    fn append(&mut self) {
        let subject = self.subject();
        let last = self.pair.store_last(&subject);
        let size = match self.random.below(50) {
            0 => self.random.below(20_000),
            1..=10 => 0,
            _ => self.random.below(200),
        };
        let byte = self.random.below(256) as u8;
        let payload = vec![byte; size as usize];
        let headers: &[u8] = match self.random.below(3) {
            0 => b"NATS/1.0\r\nNats-Msg-Id: 1\r\n\r\n",
            _ => b"",
        };
        let deadline = (self.random.below(10) == 0).then(|| self.deadline());
        let has_id = self.random.below(4) == 0;
        let body = (headers, &payload[..]);
        self.pair.append_with(&subject, body, deadline, has_id);
        if self.shape == Shape::KeyValue
            && let Some(last) = last
        {
            self.pair.remove(last, false);
        }
    }

    fn subject(&mut self) -> String {
        let of = match self.shape {
            Shape::Log => self.random.below(3),
            _ => self.random.below(4),
        };
        match of {
            0 => format!("s.{}", self.random.below(20)),
            1 => format!(
                "t.{}.{}",
                ["a", "b"][self.random.below(2) as usize],
                self.random.below(10)
            ),
            2 => format!("s.{}", self.random.below(3)),
            _ => format!("k.{}", self.random.below(400)),
        }
    }

    fn remove(&mut self, erase: bool) {
        let sequence = match self.shape {
            Shape::Queue => self.pair.model.first() + self.random.below(30),
            _ => self.anywhere(),
        };
        match erase || sequence % 2 == 0 {
            true => self.pair.remove(sequence, erase),
            false => self.pair.take_out(sequence),
        }
    }

    /// Many in a row, as a purge of some subjects does.
    fn remove_some(&mut self) {
        let (mut from, every) = (self.anywhere(), 1 + self.random.below(3));
        for _ in 0..self.random.below(500) {
            let next = self.pair.model.kept.range(from..).next();
            let Some(sequence) = next.map(|(sequence, _)| *sequence) else {
                return;
            };
            self.pair.take_out(sequence);
            from = sequence + every;
        }
    }

    fn remove_below(&mut self) {
        let (first, last) = (self.pair.model.first(), self.pair.model.last);
        let sequence = match self.random.below(10) {
            0 => last + self.random.below(3),
            _ => first + self.random.below(1 + (last + 1 - first) / 4),
        };
        self.pair.remove_below(sequence);
    }

    fn skip(&mut self) {
        let gap = 1 + self.random.below(1000);
        let next = self.pair.model.last + 1 + gap;
        self.pair.skip_to(next);
    }

    fn set_deadline(&mut self) {
        let sequence = self.anywhere();
        let deadline = (self.random.below(3) > 0).then(|| self.deadline());
        self.pair.set_deadline(sequence, deadline);
    }

    fn deadline(&mut self) -> Deadline {
        let kinds = [DeadlineKind::Expire, DeadlineKind::Schedule];
        Deadline {
            at: self
                .pair
                .now
                .after(Duration::from_micros(self.random.below(10_000))),
            kind: kinds[self.random.below(2) as usize],
        }
    }

    fn anywhere(&mut self) -> Sequence {
        let (first, last) = (self.pair.model.first(), self.pair.model.last);
        first + self.random.below(last + 2 - first)
    }
}

/// A generator whose whole state is the seed.
struct Random(u64);

impl Random {
    /// A number below `bound`, which is not 0.
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ mixed >> 31) % bound
    }
}
