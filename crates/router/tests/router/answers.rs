//! `Interest`, `MatchCache` and `Generations` against a naive matcher, under any sequence of
//! changes, look-ups and deliveries by several workers in two accounts.

use crate::support::{Reached, Sub, matches, subscription};
use std::cell::RefCell;

use cognate_router::{Generations, Interest, MatchCache};
use proptest::prelude::*;

const WORKERS: usize = 2;
const ACCOUNTS: usize = 2;

/// One step of a sequence. Indexes wrap around what there is.
#[derive(Clone, Debug)]
enum Step {
    Subscribe {
        account: usize,
        filter: String,
        queue: Option<u8>,
        denied: Option<String>,
    },
    Unsubscribe {
        account: usize,
        index: usize,
    },
    LookUp {
        worker: usize,
        account: usize,
        subject: String,
    },
    Deliver {
        worker: usize,
        account: usize,
        subject: String,
    },
    ForgetAll {
        worker: usize,
    },
    ChangeAll {
        account: usize,
    },
}

fn subject() -> impl Strategy<Value = String> {
    let token = prop_oneof![20 => "[ab]", 2 => "c{1,3}", 1 => Just("x".repeat(300))];
    prop::collection::vec(token, 1..4).prop_map(|tokens| tokens.join("."))
}

fn filter() -> impl Strategy<Value = String> {
    let token = prop_oneof![6 => "[ab]", 1 => "c{1,3}", 3 => Just("*".to_owned())];
    let tail = prop_oneof![3 => Just(None), 1 => Just(Some(">".to_owned()))];
    (prop::collection::vec(token, 0..3), tail)
        .prop_map(|(tokens, tail)| tokens.into_iter().chain(tail).collect::<Vec<_>>().join("."))
        .prop_filter("a filter has a token", |filter| !filter.is_empty())
}

fn step() -> impl Strategy<Value = Step> {
    let (worker, account) = (0..WORKERS, 0..ACCOUNTS);
    let denied = prop::option::weighted(0.2, filter());
    let who = || (0..WORKERS, 0..ACCOUNTS, subject());
    prop_oneof![
        6 => (account.clone(), filter(), prop::option::of(0..3u8), denied).prop_map(
            |(account, filter, queue, denied)| Step::Subscribe { account, filter, queue, denied }
        ),
        4 => (account.clone(), any::<usize>())
            .prop_map(|(account, index)| Step::Unsubscribe { account, index }),
        10 => who().prop_map(|(worker, account, subject)| Step::LookUp { worker, account, subject }),
        5 => who().prop_map(|(worker, account, subject)| Step::Deliver { worker, account, subject }),
        1 => worker.prop_map(|worker| Step::ForgetAll { worker }),
        1 => account.prop_map(|account| Step::ChangeAll { account }),
    ]
}

struct Account {
    interest: Interest<usize>,
    generations: Generations,
    /// The subscriptions in force, by number.
    live: Vec<Sub<usize>>,
    added: u64,
}

impl Account {
    fn new() -> Self {
        let generations = Generations::default();
        Account {
            interest: Interest::new(7),
            generations,
            live: Vec::new(),
            added: 0,
        }
    }

    /// What `subject` reaches, by definition.
    fn naive(&self, subject: &str) -> Reached {
        let mut reached = Reached::default();
        for sub in &self.live {
            if !matches(sub.subject(), subject.as_bytes()) || sub.denies(subject.as_bytes()) {
                continue;
            }
            let members = match sub.queue() {
                None => &mut reached.plain,
                Some(name) => reached.queues.entry(name.to_vec()).or_default(),
            };
            members.push(**sub.destination());
        }
        reached.sorted()
    }

    fn check_counts(&self) {
        assert_eq!(self.interest.len(), self.live.len());
        assert_eq!(self.interest.is_empty(), self.live.is_empty());
        assert_eq!(self.interest.inserted(), self.added);
        assert_eq!(self.interest.removed(), self.added - self.live.len() as u64);
        let mut visited = Vec::new();
        self.interest
            .for_each(|sub| visited.push(**sub.destination()));
        let mut expected: Vec<usize> = self.live.iter().map(|sub| **sub.destination()).collect();
        visited.sort_unstable();
        expected.sort_unstable();
        assert_eq!(visited, expected);
    }
}

struct World {
    accounts: [Account; ACCOUNTS],
    caches: [MatchCache<usize>; WORKERS],
    /// Every subscription that ever was, and how many deliveries it should have counted.
    all: Vec<(Sub<usize>, u64)>,
}

impl World {
    fn new() -> Self {
        World {
            accounts: std::array::from_fn(|_| Account::new()),
            caches: std::array::from_fn(|worker| MatchCache::new(worker as u64)),
            all: Vec::new(),
        }
    }

    fn subscribe(&mut self, account: usize, filter: &str, queue: Option<u8>, denied: Option<&str>) {
        let queue = queue.map(|queue| format!("queue-{queue}"));
        let sub = subscription(self.all.len(), filter, queue.as_deref(), denied);
        let account = &mut self.accounts[account];
        account.interest.insert(&sub, &account.generations);
        account.added += 1;
        account.live.push(sub.clone());
        self.all.push((sub, 0));
        account.check_counts();
    }

    fn unsubscribe(&mut self, account: usize, index: usize) {
        let Account {
            interest,
            generations,
            live,
            ..
        } = &mut self.accounts[account];
        if live.is_empty() {
            return;
        }
        let sub = live.swap_remove(index % live.len());
        assert!(interest.remove(&sub, generations), "it was in force");
        let total = generations.total();
        assert!(!interest.remove(&sub, generations), "it is gone");
        assert_eq!(generations.total(), total, "nothing changed");
        self.accounts[account].check_counts();
    }

    /// Compares a worker's answer with the definition, and asks again: that must be remembered.
    fn look_up(&mut self, worker: usize, account: usize, subject: &str) -> Reached {
        let Account {
            interest,
            generations,
            ..
        } = &self.accounts[account];
        let cache = &mut self.caches[worker];
        let (id, bytes) = (account as u64, subject.as_bytes());
        let answer = Reached::of(cache.look_up_in(id, generations, bytes, interest));
        assert_eq!(answer, self.accounts[account].naive(subject), "{subject:?}");
        let before = cache.stats();
        let again = cache.look_up(id, generations, bytes, |_| panic!("asked for it twice"));
        assert_eq!(Reached::of(cache.matched(again)), answer);
        let after = cache.stats();
        assert_eq!(
            (after.look_ups, after.misses),
            (before.look_ups + 1, before.misses)
        );
        answer
    }

    fn deliver(&mut self, worker: usize, account: usize, subject: &str) {
        for number in self.look_up(worker, account, subject).plain {
            self.all[number].1 += 1;
        }
        let cache = &mut self.caches[worker];
        let id = account as u64;
        let generations = &self.accounts[account].generations;
        let slot = cache.look_up(id, generations, subject.as_bytes(), |_| {
            panic!("asked twice")
        });
        cache.count_delivery(slot);
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Subscribe {
                account,
                filter,
                queue,
                denied,
            } => {
                self.subscribe(account, &filter, queue, denied.as_deref());
            }
            Step::Unsubscribe { account, index } => self.unsubscribe(account, index),
            Step::LookUp {
                worker,
                account,
                subject,
            } => {
                self.look_up(worker, account, &subject);
            }
            Step::Deliver {
                worker,
                account,
                subject,
            } => self.deliver(worker, account, &subject),
            Step::ForgetAll { worker } => self.caches[worker].clear(),
            Step::ChangeAll { account } => self.accounts[account].generations.advance_all(),
        }
    }

    /// Counted deliveries have reached the subscriptions once every worker has settled.
    fn check_settled(&mut self) {
        self.caches.iter_mut().for_each(MatchCache::settle_last);
        for (sub, expected) in &self.all {
            let number = sub.destination();
            assert_eq!(
                sub.delivered(),
                *expected,
                "deliveries to subscription {number}"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_answer_is_the_naive_one(steps in prop::collection::vec(step(), 1..200)) {
        let mut world = World::new();
        steps.into_iter().for_each(|step| world.take(step));
        world.check_settled();
    }
}

#[test]
fn a_change_while_an_answer_is_collected_shows_in_the_next() {
    let (interest, generations) = (RefCell::new(Interest::new(1)), Generations::default());
    let mut cache = MatchCache::new(2);
    for (number, filter) in ["a.b", "a.*", "*.b", "a.>"].into_iter().enumerate() {
        generations.advance_all();
        let late = subscription(number, filter, None, None);
        let slot = cache.look_up(0, &generations, b"a.b", |matched| {
            interest.borrow().collect(b"a.b", matched);
            interest.borrow_mut().insert(&late, &generations);
        });
        assert_eq!(
            cache.matched(slot).weight(),
            number,
            "{filter} came too late"
        );
        let interest = interest.borrow();
        let next = cache.look_up_in(0, &generations, b"a.b", &interest);
        assert_eq!(next.weight(), number + 1, "{filter} was overlooked");
    }
}

#[test]
fn more_subjects_than_there_are_places_are_all_answered() {
    let (mut interest, generations) = (Interest::new(1), Generations::default());
    let mut cache = MatchCache::new(2);
    for number in 0..6000 {
        let filter = format!("s.{number}");
        interest.insert(&subscription(number, &filter, None, None), &generations);
    }
    for round in 0..2 {
        for number in 0..6000 {
            let subject = format!("s.{number}");
            let matched = cache.look_up_in(0, &generations, subject.as_bytes(), &interest);
            assert_eq!(Reached::of(matched).plain, [number], "round {round}");
        }
    }
    let stats = cache.stats();
    assert_eq!(stats.look_ups, 12_000);
    assert!(
        stats.misses > 6000 && stats.misses < 12_000,
        "some were displaced: {stats:?}"
    );
    assert!(stats.answers > 2000 && stats.answers < 4097, "{stats:?}");
    assert_eq!((stats.fanout, stats.max_fanout), (stats.answers, 1));
}

#[test]
fn answers_too_large_to_keep_together_are_right_all_the_same() {
    // 400 answers of 1000 subscriptions each are more than a cache may refer to.
    let (mut interest, generations) = (Interest::new(1), Generations::default());
    let mut cache = MatchCache::new(2);
    let subs: Vec<_> = (0..1000)
        .map(|number| subscription(number, ">", None, None))
        .collect();
    subs.iter()
        .for_each(|sub| interest.insert(sub, &generations));
    for number in 0..400 {
        let subject = format!("s.{number}");
        let matched = cache.look_up_in(0, &generations, subject.as_bytes(), &interest);
        assert_eq!(matched.plain().len(), 1000, "{subject}");
        assert!(
            cache.stats().fanout <= (1 << 18) + 1000,
            "{:?}",
            cache.stats()
        );
    }
    assert!(cache.stats().fanout < 400_000, "some were forgotten");
}
