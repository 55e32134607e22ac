//! Queue groups, maximums and gates: who gets a message that only some may have.

use std::collections::BTreeSet;
use std::sync::Barrier;

use crate::support::{Reached, Sub, subscription, sweep};
use cognate_router::{Generations, Interest, Matched, Permit};
use proptest::prelude::*;

/// The answer for `subject` among `subs`.
fn matched(subs: &[Sub<usize>], subject: &str) -> Matched<usize> {
    let (mut interest, generations) = (Interest::new(3), Generations::default());
    subs.iter()
        .for_each(|sub| interest.insert(sub, &generations));
    let mut matched = Matched::default();
    interest.collect(subject.as_bytes(), &mut matched);
    matched
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn from_any_start_every_member_comes_once(members in 1..40usize, random: u64) {
        let subs: Vec<_> =
            (0..members).map(|number| subscription(number, "a", Some("q"), None)).collect();
        let matched = matched(&subs, "a");
        let [group] = matched.groups() else { panic!("one group") };
        let order: Vec<usize> =
            group.members_from(random).map(|sub| **sub.destination()).collect();
        let all: BTreeSet<usize> = order.iter().copied().collect();
        prop_assert_eq!(order.len(), members);
        prop_assert_eq!(all, (0..members).collect::<BTreeSet<_>>());
    }

    #[test]
    fn every_member_is_first_as_often_as_any_other(members in 1..40usize) {
        let subs: Vec<_> =
            (0..members).map(|number| subscription(number, "a", Some("q"), None)).collect();
        let matched = matched(&subs, "a");
        let [group] = matched.groups() else { panic!("one group") };
        let mut firsts = vec![0i64; members];
        for random in sweep(100 * members as u64) {
            let first = group.members_from(random).next().expect("a group has a member");
            firsts[**first.destination()] += 1;
        }
        prop_assert!(firsts.iter().all(|&count| (count - 100).abs() <= 1), "{:?}", firsts);
    }

    #[test]
    fn a_maximum_counts_what_was_delivered_before(before in 0..10u64, max in 0..20u64) {
        let sub = subscription(0, "a", None, None);
        sub.settle(before);
        prop_assert_eq!((sub.max(), sub.is_limited()), (None, false));
        prop_assert_eq!(sub.limit(max), before >= max);
        prop_assert_eq!((sub.max(), sub.is_limited()), (Some(max), true));
        let left = max.saturating_sub(before);
        for nth in 1..=left {
            let expected = if nth == left { Permit::Last } else { Permit::Granted };
            prop_assert_eq!(sub.reserve(), expected);
        }
        prop_assert_eq!(sub.reserve(), Permit::Refused);
        prop_assert_eq!(sub.delivered(), before.max(max));
    }
}

#[test]
fn a_group_is_one_across_filters_and_another_name_is_another_group() {
    let subs = [
        subscription(0, "a.*", Some("workers"), None),
        subscription(1, "a.b", Some("workers"), None),
        subscription(2, ">", Some("workers"), None),
        subscription(3, "a.b", Some("others"), None),
        subscription(4, "a.c", Some("workers"), None),
        subscription(5, "a.b", None, None),
    ];
    let reached = Reached::of(&matched(&subs, "a.b"));
    assert_eq!(reached.plain, [5]);
    let queues: Vec<_> = reached
        .queues
        .iter()
        .map(|(n, m)| (&n[..], &m[..]))
        .collect();
    assert_eq!(
        queues,
        [
            (&b"others"[..], &[3][..]),
            (&b"workers"[..], &[0, 1, 2][..])
        ]
    );
}

#[test]
fn a_gate_withholds_single_subjects_from_plain_and_queue_members() {
    let subs = [
        subscription(0, "a.*", None, Some("a.secret")),
        subscription(1, "a.*", Some("q"), Some("a.secret")),
        subscription(2, "a.*", Some("q"), None),
        subscription(3, "a.secret", Some("alone"), Some("a.>")),
    ];
    let open = Reached::of(&matched(&subs, "a.open"));
    assert_eq!(
        (&open.plain[..], &open.queues[&b"q"[..]][..]),
        (&[0][..], &[1, 2][..])
    );
    let secret = matched(&subs, "a.secret");
    assert_eq!(secret.weight(), 1, "a group without an open member is none");
    let secret = Reached::of(&secret);
    assert_eq!(
        (&secret.plain[..], &secret.queues[&b"q"[..]][..]),
        (&[][..], &[2][..])
    );
}

#[test]
fn threads_together_get_no_more_permits_than_the_maximum() {
    const THREADS: u64 = 4;
    const MAX: u64 = 10_000;
    let sub = subscription(0, "a", None, None);
    sub.limit(MAX);
    let start = Barrier::new(THREADS as usize);
    let reserve = || {
        start.wait();
        let mut permits = (0, 0);
        loop {
            match sub.reserve() {
                Permit::Granted => permits.0 += 1,
                Permit::Last => permits.1 += 1,
                Permit::Refused => return permits,
            }
        }
    };
    let permits: Vec<(u64, u64)> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(reserve)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("a thread"))
            .collect()
    });
    let total = permits
        .iter()
        .fold((0, 0), |sum, own| (sum.0 + own.0, sum.1 + own.1));
    assert_eq!(
        total,
        (MAX - 1, 1),
        "one of them was told that it is the last"
    );
    assert_eq!(sub.delivered(), MAX);
}
