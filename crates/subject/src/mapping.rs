//! Mappings of an account as they are configured: where messages on a source go, by weight.
//!
//! Owns the shape and its rules. The configuration and account tokens make mappings, monitoring shows
//! them, and the router compiles them. Invariant: every destination of a [`Mapping`] can be made from
//! its source, none is listed twice, and the weights of a cluster add up to 100 at most.
//!
//! Absent: which destination a message takes, which is the router's.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::{Filter, Transform, TransformError};

/// What is published on `source` goes to one of the destinations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    source: Filter,
    destinations: Vec<MappingDestination>,
}

/// One weighted destination of a mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MappingDestination {
    /// A subject with transform functions, such as `orders.{{partition(3,1)}}.$1`.
    pub subject: String,
    /// Percent of the messages, 0 to 100.
    pub weight: u8,
    /// Only in the cluster of this name; empty means everywhere.
    pub cluster: String,
}

impl MappingDestination {
    /// Where all messages go, in every cluster.
    pub fn all(subject: impl Into<String>) -> Self {
        MappingDestination {
            subject: subject.into(),
            weight: 100,
            cluster: String::new(),
        }
    }
}

impl Mapping {
    /// Checks a mapping.
    ///
    /// # Errors
    /// If the source is no filter, a destination cannot be made from it or is listed twice, or
    /// the weights of a cluster add up to more than 100. The text has no prefix: say which
    /// account it is about.
    pub fn new(source: &str, destinations: Vec<MappingDestination>) -> Result<Self, MappingError> {
        let problem = |what: String| MappingError(format!("the mapping of {source:?}{what}"));
        let filter = Filter::try_from(source).map_err(|error| problem(format!(": {error}")))?;
        let mut seen = BTreeSet::new();
        let mut weights = BTreeMap::<&str, u32>::new();
        for destination in &destinations {
            if !seen.insert(&destination.subject) {
                let twice = format!(": duplicate entry for {:?}", destination.subject);
                return Err(problem(twice));
            }
            let total = weights.entry(&destination.cluster).or_default();
            *total += u32::from(destination.weight);
            if *total > 100 {
                let much = ": the weights add up to more than 100%";
                return Err(problem(much.to_owned()));
            }
            transform(source, destination)
                .map_err(|error| problem(format!(" to {:?}: {error}", destination.subject)))?;
        }
        Ok(Mapping {
            source: filter,
            destinations,
        })
    }

    /// What is mapped.
    pub fn source(&self) -> &Filter {
        &self.source
    }

    /// Where to.
    pub fn destinations(&self) -> &[MappingDestination] {
        &self.destinations
    }

    /// The destinations with the rules that make them from the source.
    pub fn compiled(&self) -> impl Iterator<Item = (&MappingDestination, Transform)> {
        let source = self.source.to_string();
        self.destinations.iter().map(move |destination| {
            let transform = transform(&source, destination);
            (destination, transform.expect("checked when it was made"))
        })
    }
}

fn transform(source: &str, destination: &MappingDestination) -> Result<Transform, TransformError> {
    Transform::new_mapping(source, &destination.subject)
}

/// What is wrong with a mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MappingError(String);

impl fmt::Display for MappingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for MappingError {}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks that a mapping is accepted, or refused with a message that names everything in
    /// `mentions`.
    fn check(source: &str, destinations: &[(&str, u8, &str)], mentions: &[&str]) {
        let destination = |&(subject, weight, cluster): &(&str, u8, &str)| MappingDestination {
            subject: subject.to_owned(),
            weight,
            cluster: cluster.to_owned(),
        };
        let made = Mapping::new(source, destinations.iter().map(destination).collect());
        let message = match made {
            Ok(mapping) => {
                assert_eq!(mapping.compiled().count(), destinations.len());
                String::new()
            }
            Err(error) => error.to_string(),
        };
        assert_eq!(message.is_empty(), mentions.is_empty(), "{message:?}");
        for mention in mentions {
            assert!(
                message.contains(mention),
                "{message:?} does not say {mention:?}"
            );
        }
    }

    #[test]
    fn wrong_mappings_are_refused_with_their_source_and_reason() {
        check("a", &[("b", 60, ""), ("c", 41, "")], &["\"a\"", "100%"]);
        check("a", &[("b", 60, "x"), ("c", 41, "x")], &["\"a\"", "100%"]);
        check("a", &[("b", 101, "")], &["\"a\"", "100%"]);
        let twice = ["\"a\"", "duplicate", "\"b\""];
        check("a", &[("b", 10, ""), ("b", 10, "")], &twice);
        check("a", &[("b", 10, ""), ("b", 10, "here")], &twice);
        for (source, destination, reason) in [
            ("a.*", "b.$2", "\"b.$2\""),
            ("a", "b.$1", "\"b.$1\""),
            ("a.>", "b", "\"b\""),
            ("a", "b.>", "\"b.>\""),
            ("a", "b..c", "\"b..c\""),
            ("a", "b c", "\"b c\""),
            ("a.*", "b.{{nothing(1)}}", "nothing"),
            ("a..b", "b", "mapping of"),
            ("a.*", "$2", "$2"),
        ] {
            let source_shown = format!("{source:?}");
            check(source, &[(destination, 100, "")], &[&source_shown, reason]);
        }
    }

    #[test]
    fn weights_count_per_cluster() {
        check("a", &[], &[]);
        check("a", &[("b", 60, ""), ("c", 40, "")], &[]);
        let full = [("b", 100, ""), ("c", 100, "east"), ("d", 100, "west")];
        check("a", &full, &[]);
    }
}
