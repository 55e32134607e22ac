//! What the tests of this crate share: the definition of matching, told naively, and subscriptions
//! that are easy to tell apart.

use std::collections::BTreeMap;
use std::sync::Arc;

use cognate_router::{Gate, Matched, Subscription, SubscriptionSpec};

/// Where the tests' subscriptions deliver to: `D` says which one it is.
pub(crate) type Sub<D> = Arc<Subscription<D>>;

/// Whether `filter` matches `subject`, token by token.
pub(crate) fn matches(filter: &[u8], subject: &[u8]) -> bool {
    let mut subject = subject.split(|&byte| byte == b'.');
    for token in filter.split(|&byte| byte == b'.') {
        match (token, subject.next()) {
            (b">", rest) => return rest.is_some(),
            (_, None) => return false,
            (b"*", Some(_)) => {}
            (token, Some(other)) if token == other => {}
            _ => return false,
        }
    }
    subject.next().is_none()
}

/// Denies every subject that a filter matches.
pub(crate) struct Denied(pub(crate) String);

impl Gate for Denied {
    fn denies(&self, subject: &[u8]) -> bool {
        matches(self.0.as_bytes(), subject)
    }
}

/// A subscription to `filter`.
pub(crate) fn subscription<D>(
    destination: D,
    filter: &str,
    queue: Option<&str>,
    denied: Option<&str>,
) -> Sub<D> {
    Arc::new(Subscription::new(SubscriptionSpec {
        destination: Arc::new(destination),
        subject: filter.as_bytes(),
        queue: queue.map(str::as_bytes),
        sid: b"1",
        gate: denied.map(|filter| Box::new(Denied(filter.to_owned())) as Box<dyn Gate>),
        tie: None,
    }))
}

/// What a subject reaches, as numbers that can be compared: plain members, and members by queue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reached {
    pub(crate) plain: Vec<usize>,
    pub(crate) queues: BTreeMap<Vec<u8>, Vec<usize>>,
}

impl Reached {
    /// In a defined order; whoever is named twice stays named twice.
    pub(crate) fn sorted(mut self) -> Self {
        self.plain.sort_unstable();
        self.queues
            .values_mut()
            .for_each(|members| members.sort_unstable());
        self
    }

    /// What an answer says, where destinations are numbers.
    pub(crate) fn of(matched: &Matched<usize>) -> Self {
        let number = |sub: &Sub<usize>| **sub.destination();
        let mut reached = Reached::default();
        reached.plain.extend(matched.plain().iter().map(number));
        for group in matched.groups() {
            let members = group.members().iter().map(number).collect();
            let before = reached.queues.insert(group.name().to_vec(), members);
            assert_eq!(before, None, "a queue group was named twice");
        }
        reached.sorted()
    }
}

/// Random numbers that are the same in every run.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    /// Any number.
    pub(crate) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.roll() % bound as u64) as usize
    }
}

/// Numbers spread evenly over all that a random argument can be.
pub(crate) fn sweep(count: u64) -> impl Iterator<Item = u64> {
    (0..count).map(move |n| ((u128::from(n) << 64) / u128::from(count)) as u64 + u64::from(n > 0))
}
