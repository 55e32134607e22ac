//! Rewrites published subjects: an account's subject mappings.
//!
//! A source that is equal to the subject wins over wildcard sources, which are tried in the order
//! of specificity. A mapping picks one of its destinations by weight; what the weights leave over
//! stays on the subject itself, or is lost where the source is listed as its own destination with
//! a lower weight. Destinations may be bound to a cluster name. Built from checked configuration,
//! asked by the data path for every publish of an account that has mappings.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use cognate_subject::validate::{has_wildcard, matches};
use cognate_subject::{Filter, Mapping, Transform};

/// What became of a subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mapped {
    /// No mapping concerns it.
    Unchanged,
    /// The new subject is in the output buffer.
    Rewritten,
    /// The mapping's weights say that this message is lost.
    Dropped,
}

struct Weighted {
    /// Exclusive upper bound of the draw, in percent, that picks this destination.
    up_to: u64,
    /// How it is made; without one the subject stays as it is.
    transform: Option<Transform>,
}

struct Compiled {
    source: Filter,
    destinations: Vec<Weighted>,
}

/// The mappings of one account.
#[derive(Default)]
pub struct Mappings {
    /// Literal sources first, then wildcard ones, the more specific first.
    ordered: Vec<Compiled>,
}

impl Mappings {
    /// Compiles mappings; of those with the same source the last one counts, as in NATS. `cluster`
    /// is this server's cluster name, empty if it has none.
    pub fn new<'a>(mappings: impl IntoIterator<Item = &'a Mapping>, cluster: &str) -> Self {
        let mut ordered: Vec<Compiled> = Vec::new();
        let mut places = HashMap::new();
        for mapping in mappings {
            let compiled = compile(mapping, cluster);
            match places.entry(mapping.source()) {
                Entry::Occupied(place) => ordered[*place.get()] = compiled,
                Entry::Vacant(place) => {
                    place.insert(ordered.len());
                    ordered.push(compiled);
                }
            }
        }
        ordered.sort_by_key(|mapping| specificity(mapping.source.as_bytes()));
        Mappings { ordered }
    }

    /// Whether there is nothing to map.
    pub fn is_empty(&self) -> bool {
        self.ordered.is_empty()
    }

    /// Rewrites `subject` into `out`. `random` decides weighted choices and random transforms.
    pub fn apply(&self, subject: &[u8], random: u64, out: &mut Vec<u8>) -> Mapped {
        let found = self
            .ordered
            .iter()
            .find(|m| matches(m.source.as_bytes(), subject));
        let Some(mapping) = found else {
            return Mapped::Unchanged;
        };
        let draw = ((u128::from(random) * 100) >> 64) as u64;
        let Some(chosen) = mapping.destinations.iter().find(|dest| draw < dest.up_to) else {
            return Mapped::Dropped;
        };
        out.clear();
        let rewritten = chosen
            .transform
            .as_ref()
            .is_some_and(|transform| transform.apply(subject, random.rotate_left(32), out));
        if rewritten {
            Mapped::Rewritten
        } else {
            Mapped::Unchanged
        }
    }
}

fn compile(mapping: &Mapping, cluster: &str) -> Compiled {
    let all = mapping.destinations();
    let scoped = all
        .iter()
        .any(|d| !d.cluster.is_empty() && d.cluster == cluster);
    let scope = if scoped { cluster } else { "" };
    let mut weighted = Vec::new();
    let mut total = 0;
    for (destination, transform) in mapping.compiled() {
        if destination.cluster == scope {
            total += u64::from(destination.weight);
            weighted.push(Weighted {
                up_to: total,
                transform: Some(transform),
            });
        }
    }
    // Listing the source itself with a lower weight is how an operator asks for loss.
    let source = mapping.source();
    let wants_loss = all
        .iter()
        .any(|d| d.subject.as_bytes() == source.as_bytes());
    if total < 100 && !wants_loss {
        weighted.push(Weighted {
            up_to: 100,
            transform: None,
        });
    }
    Compiled {
        source: source.clone(),
        destinations: weighted,
    }
}

/// Sorts literal sources before wildcard ones, fewer wildcards and later wildcards first.
fn specificity(source: &[u8]) -> (bool, usize, std::cmp::Reverse<usize>) {
    let wildcards = source
        .split(|&b| b == b'.')
        .filter(|t| matches!(*t, b"*" | b">"))
        .count();
    let full = source.ends_with(b">");
    (
        has_wildcard(source),
        wildcards + usize::from(full),
        std::cmp::Reverse(source.len()),
    )
}
