//! Rewrites published subjects: an account's subject mappings.
//!
//! A source that is equal to the subject wins over wildcard sources, which are tried in the order
//! of specificity. A mapping picks one of its destinations by weight; what the weights leave over
//! stays on the subject itself, or is lost where the source is listed as its own destination with
//! a lower weight. Destinations may be bound to a cluster name. Built from checked configuration,
//! asked by the data path for every publish of an account that has mappings.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use cognate_subject::transform::Transform;
use cognate_subject::validate::{has_wildcard, matches};

/// One weighted destination as configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MappingDestination {
    /// A subject with transform functions.
    pub subject: String,
    /// Percent of the messages, 0 to 100.
    pub weight: u8,
    /// Only in the cluster of this name; empty means everywhere.
    pub cluster: String,
}

/// What is wrong with a mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MappingError(String);

impl std::fmt::Display for MappingError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for MappingError {}

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
    transform: Transform,
}

struct Mapping {
    source: String,
    destinations: Vec<Weighted>,
}

/// The mappings of one account.
#[derive(Default)]
pub struct Mappings {
    /// Literal sources first, then wildcard ones, the more specific first.
    ordered: Vec<Mapping>,
}

impl Mappings {
    /// Compiles mappings given as (source, destinations); of those with the same source the last
    /// one counts, as in NATS. `cluster` is this server's cluster name, empty if it has none.
    pub fn new(
        sources: &[(String, Vec<MappingDestination>)],
        cluster: &str,
    ) -> Result<Self, MappingError> {
        let mut ordered: Vec<Mapping> = Vec::with_capacity(sources.len());
        let mut places = HashMap::with_capacity(sources.len());
        for (source, destinations) in sources {
            let mapping = compile(source, destinations, cluster)?;
            match places.entry(source) {
                Entry::Occupied(place) => ordered[*place.get()] = mapping,
                Entry::Vacant(place) => {
                    place.insert(ordered.len());
                    ordered.push(mapping);
                }
            }
        }
        ordered.sort_by_key(|mapping| specificity(mapping.source.as_bytes()));
        Ok(Mappings { ordered })
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
        if chosen.transform.apply(subject, random.rotate_left(32), out) {
            Mapped::Rewritten
        } else {
            Mapped::Unchanged
        }
    }
}

fn compile(
    source: &str,
    destinations: &[MappingDestination],
    cluster: &str,
) -> Result<Mapping, MappingError> {
    let problem = |what: &str| MappingError(format!("the mapping of \"{source}\": {what}"));
    let mut seen = std::collections::HashSet::new();
    for destination in destinations {
        if !seen.insert(&destination.subject) {
            return Err(problem(&format!(
                "duplicate entry for \"{}\"",
                destination.subject
            )));
        }
        let scope = destinations
            .iter()
            .filter(|other| other.cluster == destination.cluster);
        if scope.map(|other| u64::from(other.weight)).sum::<u64>() > 100 {
            return Err(problem("the weights add up to more than 100%"));
        }
    }
    let scoped = destinations
        .iter()
        .any(|d| !d.cluster.is_empty() && d.cluster == cluster);
    let scope = if scoped { cluster } else { "" };
    let mut weighted = Vec::new();
    let mut total = 0;
    for destination in destinations.iter().filter(|d| d.cluster == scope) {
        total += u64::from(destination.weight);
        weighted.push(Weighted {
            up_to: total,
            transform: transform(source, &destination.subject)?,
        });
    }
    // Listing the source itself with a lower weight is how an operator asks for loss.
    let wants_loss = destinations.iter().any(|d| d.subject == source);
    if total < 100 && !wants_loss {
        weighted.push(Weighted {
            up_to: 100,
            transform: identity(source)?,
        });
    }
    Ok(Mapping {
        source: source.to_owned(),
        destinations: weighted,
    })
}

fn transform(source: &str, destination: &str) -> Result<Transform, MappingError> {
    Transform::new(source, destination).map_err(|error| {
        MappingError(format!(
            "the mapping of \"{source}\" to \"{destination}\": {error}"
        ))
    })
}

/// The transform that leaves a subject as it is.
fn identity(source: &str) -> Result<Transform, MappingError> {
    let mut wildcards = 0;
    let tokens: Vec<String> = source
        .split('.')
        .map(|token| match token {
            "*" => {
                wildcards += 1;
                format!("${wildcards}")
            }
            token => token.to_owned(),
        })
        .collect();
    transform(source, &tokens.join("."))
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
