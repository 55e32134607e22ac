//! A consumer against a naive model: whatever happens, and wherever it is restarted, it says the same
//! and holds the same as one that keeps every message's story in a list.

use std::collections::BTreeMap;

use cognate_consumer::Removal;
use proptest::prelude::*;

use crate::pull::config;
use crate::world::{START, World};

#[derive(Clone, Debug)]
enum Event {
    Publish(u8),
    Pull(u8),
    Ack(u8),
    Nak(u8),
    NakDelayed(u8, u16),
    Progress(u8),
    Term(u8),
    Wait(u16),
    Remove(u8),
    Purge(u8),
    Keep,
    Restart,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (0u8..3).prop_map(Event::Publish),
        4 => (1u8..5).prop_map(Event::Pull),
        4 => any::<u8>().prop_map(Event::Ack),
        2 => any::<u8>().prop_map(Event::Nak),
        1 => (any::<u8>(), 0u16..3000).prop_map(|(n, delay)| Event::NakDelayed(n, delay)),
        1 => any::<u8>().prop_map(Event::Progress),
        1 => any::<u8>().prop_map(Event::Term),
        2 => (0u16..2500).prop_map(Event::Wait),
        1 => any::<u8>().prop_map(Event::Remove),
        1 => any::<u8>().prop_map(Event::Purge),
        1 => Just(Event::Keep),
        3 => Just(Event::Restart),
    ]
}

const ACK_WAIT: u64 = 1000;
const MAX_DELIVER: u64 = 3;
const MAX_PENDING: usize = 5;

/// What became of one message, as a person would note it down.
#[derive(Clone, Debug, PartialEq)]
enum Story {
    /// Delivered so often, first as this delivery, and overdue then.
    Pending {
        deliveries: u64,
        first: u64,
        due: u64,
    },
    Exhausted,
}

#[derive(Default)]
struct Model {
    now: u64,
    /// Messages that match and are there.
    held: Vec<u64>,
    last: u64,
    delivered: (u64, u64),
    stories: BTreeMap<u64, Story>,
    queue: Vec<u64>,
    wanted: u64,
    /// The last message that the consumer was told of.
    seen: u64,
    /// What was delivered: sequence and how often so far.
    log: Vec<(u64, u64)>,
}

impl Model {
    fn expire(&mut self, until: u64) {
        loop {
            // A millisecond later than due, for bursts.
            let queue = &self.queue;
            let waiting = self.stories.iter().filter(|(s, _)| !queue.contains(s));
            let next = waiting.filter_map(|(_, story)| match story {
                Story::Pending { due, .. } => Some(*due + 1),
                Story::Exhausted => None,
            });
            let Some(at) = next
                .min()
                .map(|at| at.max(self.now))
                .filter(|&at| at <= until)
            else {
                self.now = until;
                return;
            };
            self.now = at;
            for (sequence, story) in self.stories.clone() {
                let Story::Pending {
                    deliveries, due, ..
                } = story
                else {
                    continue;
                };
                if due > at || self.queue.contains(&sequence) {
                    continue;
                }
                if deliveries >= MAX_DELIVER {
                    self.stories.insert(sequence, Story::Exhausted);
                } else {
                    self.queue.push(sequence);
                }
            }
            self.deliver();
        }
    }

    fn pending(&self) -> usize {
        self.stories
            .values()
            .filter(|story| matches!(story, Story::Pending { .. }))
            .count()
    }

    fn deliver(&mut self) {
        while self.wanted > 0 {
            let due = self.now + ACK_WAIT;
            if let Some(&sequence) = self.queue.first() {
                self.queue.remove(0);
                let Some(Story::Pending {
                    deliveries, first, ..
                }) = self.stories.get(&sequence).cloned()
                else {
                    panic!("{sequence} is queued and not pending");
                };
                if deliveries >= MAX_DELIVER {
                    self.stories.insert(sequence, Story::Exhausted);
                    continue;
                }
                self.delivered.0 += 1;
                let deliveries = deliveries + 1;
                self.stories.insert(
                    sequence,
                    Story::Pending {
                        deliveries,
                        first,
                        due,
                    },
                );
                self.log.push((sequence, deliveries));
            } else {
                let next = self.held.iter().copied().find(|&s| s > self.delivered.1);
                let Some(sequence) = next.filter(|_| self.pending() < MAX_PENDING) else {
                    return;
                };
                self.delivered = (self.delivered.0 + 1, sequence);
                let first = self.delivered.0;
                self.stories.insert(
                    sequence,
                    Story::Pending {
                        deliveries: 1,
                        first,
                        due,
                    },
                );
                self.log.push((sequence, 1));
            }
            self.wanted -= 1;
        }
    }

    fn set_due(&mut self, sequence: u64, at: u64) {
        if let Some(Story::Pending { due, .. }) = self.stories.get_mut(&sequence) {
            *due = at;
        }
    }

    fn forget(&mut self, sequence: u64) {
        self.stories.remove(&sequence);
        self.queue.retain(|&queued| queued != sequence);
    }

    fn remove(&mut self, first: u64, last: u64) {
        self.held.retain(|&s| s < first || s > last);
        (first..=last).for_each(|s| self.forget(s));
    }

    fn summary(&self) -> String {
        let redelivered = self.stories.values().filter(|story| match story {
            Story::Pending { deliveries, .. } => *deliveries > 1,
            Story::Exhausted => true,
        });
        let pending = self.held.iter().filter(|&&s| s > self.delivered.1).count();
        format!(
            "delivered {}/{} acks {} redelivered {} pending {pending}",
            self.delivered.0,
            self.delivered.1,
            self.pending(),
            redelivered.count(),
        )
    }
}

fn summary(world: &mut World, model: &Model) -> String {
    let info = world.turn(|consumer, turn| consumer.info(turn));
    let (floor, delivered) = (info.ack_floor, info.delivered);
    let first = model
        .stories
        .iter()
        .find_map(|(sequence, story)| match story {
            Story::Pending { first, .. } => Some((first - 1, sequence - 1)),
            Story::Exhausted => None,
        });
    match first {
        Some((consumer, stream)) => assert!(floor.consumer <= consumer && floor.stream <= stream),
        None if model.delivered != (0, 0) => assert_eq!(floor, delivered),
        None => {}
    }
    // While nothing was delivered, how far it has looked is told, which the model does not follow.
    let stream = if model.delivered == (0, 0) {
        0
    } else {
        delivered.stream
    };
    format!(
        "delivered {}/{stream} acks {} redelivered {} pending {}",
        delivered.consumer, info.ack_pending, info.redelivered, info.pending,
    )
}

/// When the consumer is restarted.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Restarts {
    /// When the events say so.
    AsTold,
    /// After each event, too, every other time right after a snapshot.
    AfterEach,
}

fn run(events: &[Event], restarts: Restarts) {
    let more = format!(
        r#""filter_subject":"o.*","max_deliver":{MAX_DELIVER},"ack_wait":{},"max_ack_pending":{MAX_PENDING}"#,
        ACK_WAIT * 1_000_000
    );
    let mut world = World::new(&config(&more));
    let mut model = Model::default();
    for (index, event) in events.iter().enumerate() {
        happen(event, &mut world, &mut model);
        world.poll();
        model.deliver();
        let delivered = world.host.delivered.clone();
        let expected: Vec<_> = model.log.iter().map(|&(sequence, _)| sequence).collect();
        assert_eq!(delivered, expected, "after {event:?}");
        let (actual, expected) = (summary(&mut world, &model), model.summary());
        assert_eq!(actual, expected, "after {event:?}");
        if restarts == Restarts::AfterEach {
            if index % 2 == 0 {
                world.keep();
            }
            world.restart();
            (model.wanted, model.seen) = (0, model.last);
        }
    }
}

fn happen(event: &Event, world: &mut World, model: &mut Model) {
    match event {
        Event::Publish(n) => {
            let subject = ["o.1", "o.2", "x"][usize::from(*n)];
            world.publish(subject, "", "");
            model.last += 1;
            if subject != "x" {
                model.held.push(model.last);
                model.seen = model.last;
            }
        }
        Event::Pull(n) => {
            world.pull("A", &n.to_string());
            model.wanted += u64::from(*n);
        }
        Event::Wait(wait) => {
            let end = model.now + u64::from(*wait);
            world.advance(i64::try_from(end).expect("a small number"));
            model.expire(end);
        }
        Event::Remove(n) => {
            let sequence = u64::from(*n) % (model.last + 1) + 1;
            world.remove(sequence, sequence, Removal::Deleted);
            model.remove(sequence, sequence);
        }
        Event::Purge(n) => {
            let last = u64::from(*n) % (model.last + 1);
            let is_ours = model.held.iter().any(|&s| s <= last);
            if last > 0 {
                world.remove(1, last, Removal::Purged);
            }
            model.remove(1, last);
            if is_ours {
                model.delivered.1 = model.delivered.1.max(last.min(model.seen));
            }
        }
        Event::Keep => world.keep(),
        Event::Restart => {
            world.restart();
            (model.wanted, model.seen) = (0, model.last);
        }
        Event::Ack(n)
        | Event::Nak(n)
        | Event::NakDelayed(n, _)
        | Event::Progress(n)
        | Event::Term(n) => {
            let sequence = u64::from(*n) % (model.last + 1) + 1;
            acknowledge(event, sequence, world, model);
        }
    }
}

fn acknowledge(event: &Event, sequence: u64, world: &mut World, model: &mut Model) {
    let story = model.stories.get(&sequence);
    let is_pending = matches!(story, Some(Story::Pending { .. }));
    let is_queued = model.queue.contains(&sequence);
    match event {
        Event::Nak(_) => {
            world.ack(sequence, "-NAK", "");
            if is_pending && !is_queued {
                model.queue.push(sequence);
            }
        }
        Event::NakDelayed(_, delay) => {
            world.ack(sequence, &format!("-NAK {delay}ms"), "");
            model.queue.retain(|&queued| queued != sequence);
            model.set_due(sequence, model.now + u64::from(*delay));
        }
        Event::Progress(_) => {
            world.ack(sequence, "+WPI", "");
            if !is_queued {
                model.set_due(sequence, model.now + ACK_WAIT);
            }
        }
        Event::Term(_) => {
            world.ack(sequence, "+TERM", "");
            if is_pending {
                model.forget(sequence);
            }
        }
        _ => {
            world.ack(sequence, "", "");
            if sequence <= model.delivered.1 {
                model.forget(sequence);
            }
        }
    }
}

/// Two push consumers of equal streams, one of which is restarted all the time, cannot be told apart.
fn run_twins(events: &[Event], ack_policy: &str) {
    let config = format!(
        r#"{{"durable_name":"C","ack_policy":"{ack_policy}","ack_wait":1000000000,"max_deliver":3,"deliver_subject":"D","max_ack_pending":5}}"#,
    );
    let (mut steady, mut restless) = (World::new(&config), World::new(&config));
    let mut last = 0;
    for (index, event) in events.iter().enumerate() {
        last += u64::from(matches!(event, Event::Publish(_)));
        for world in [&mut steady, &mut restless] {
            happen_to_twin(event, last, world);
            world.poll();
        }
        if index % 3 == 0 {
            restless.keep();
        }
        restless.restart();
        restless.poll();
        assert_eq!(restless.host.lines, steady.host.lines, "after {event:?}");
        assert_eq!(restless.info(), steady.info(), "after {event:?}");
    }
}

fn happen_to_twin(event: &Event, last: u64, world: &mut World) {
    let pick = |n: &u8| u64::from(*n) % (last + 1) + 1;
    match event {
        Event::Publish(n) => world.publish(&format!("o.{n}"), "", ""),
        Event::Ack(n) => world.ack(pick(n), "", "R"),
        Event::Nak(n) => world.ack(pick(n), "-NAK", "R"),
        Event::NakDelayed(n, delay) => world.ack(pick(n), &format!("-NAK {delay}ms"), "R"),
        Event::Progress(n) => world.ack(pick(n), "+WPI", "R"),
        Event::Term(n) => world.ack(pick(n), "+TERM", "R"),
        Event::Wait(wait) => {
            let since = (world.now.0 - START) / 1_000_000;
            world.advance(since + i64::from(*wait));
        }
        Event::Remove(n) => world.remove(pick(n), pick(n), Removal::Deleted),
        Event::Purge(n) => world.remove(1, u64::from(*n) % (last + 1), Removal::Purged),
        Event::Pull(_) | Event::Keep | Event::Restart => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn is_as_the_model_says(events in prop::collection::vec(event(), 1..60)) {
        run(&events, Restarts::AsTold);
        run(&events, Restarts::AfterEach);
    }

    #[test]
    fn is_the_same_after_a_restart(
        events in prop::collection::vec(event(), 1..60), policy in prop::sample::select(vec!["none", "all", "explicit"]),
    ) {
        run_twins(&events, policy);
    }
}
