//! `mappings {}` of an account.
//!
//! Owns the forms a mapping can take (a destination, a weighted one, a list of weighted ones) and
//! the rules for weights. The transforms themselves are `cognate_subject`'s.

use super::Check;
use crate::schema::MAP_DESTINATION;
use crate::subjects::{is_filter, transform_error};
use crate::syntax::{Problem, Value, ValueKind};
use cognate_subject::{Mapping, MappingDestination};
use std::collections::{BTreeMap, BTreeSet};

/// A destination while its keys are being read.
#[derive(Default)]
pub(crate) struct DestinationDraft {
    pub(crate) subject: Option<String>,
    pub(crate) weight: Option<u8>,
    pub(crate) cluster: Option<String>,
    /// The weight was given but wrong, which has been reported.
    pub(crate) bad_weight: bool,
}

/// Reads all mappings of an account.
pub(crate) fn mappings(check: &mut Check<'_>, value: &Value, mappings: &mut Vec<Mapping>) {
    let Some(map) = check.map(value) else { return };
    for entry in map.entries() {
        let source = &entry.key;
        if check.is_full() {
            return;
        }
        if !is_filter(source) {
            let message = format!("Subject {source:?} is not a valid subject");
            check.error(Problem::new(entry.key_span, message));
            continue;
        }
        let errors_before = check.errors.len();
        let destinations = match &entry.value.kind {
            ValueKind::String(subject) => {
                vec![(MappingDestination::all(subject.to_string()), &entry.value)]
            }
            ValueKind::Array(items) => items
                .iter()
                .filter_map(|item| Some((destination(check, item)?, item)))
                .collect(),
            _ => destination(check, &entry.value)
                .map(|d| (d, &entry.value))
                .into_iter()
                .collect(),
        };
        weights(check, source, &destinations);
        if check.errors.len() == errors_before {
            let destinations = destinations.into_iter().map(|(destination, _)| destination);
            match Mapping::new(source, destinations.collect()) {
                Ok(mapping) => mappings.push(mapping),
                // Each rule has been looked at above, in nats-server's words.
                Err(error) => check.error(Problem::new(entry.key_span, error.to_string())),
            }
        }
    }
}

fn destination(check: &mut Check<'_>, value: &Value) -> Option<MappingDestination> {
    if !matches!(value.kind, ValueKind::Map(_)) {
        let message = "Expected an entry for the mapping destination";
        check.error(
            Problem::new(value.span, message).expected("{ destination: subject, weight: 50% }"),
        );
        return None;
    }
    let mut draft = DestinationDraft::default();
    check.block(value, "mappings", MAP_DESTINATION, &mut draft);
    let DestinationDraft {
        subject,
        weight,
        cluster,
        bad_weight,
    } = draft;
    let Some(subject) = subject else {
        check.error(
            Problem::new(value.span, "a mapping destination has no subject")
                .expected("a key \"destination\""),
        );
        return None;
    };
    if weight.is_none() && !bad_weight {
        let message = format!("Missing weight for mapping destination {subject:?}");
        check.error(Problem::new(value.span, message).expected("a key \"weight\" of 0 to 100"));
    }
    Some(MappingDestination {
        subject,
        weight: weight?,
        cluster: cluster.unwrap_or_default(),
    })
}

/// A weight: 0 to 100 as an integer, or as a string with or without `%`.
pub(crate) fn weight(check: &mut Check<'_>, value: &Value, draft: &mut DestinationDraft) {
    let number = match &value.kind {
        ValueKind::Int(number) => Some(*number),
        ValueKind::String(text) => text.strip_suffix('%').unwrap_or(text).parse::<i64>().ok(),
        _ => None,
    };
    draft.weight = number
        .and_then(|n| u8::try_from(n).ok())
        .filter(|weight| *weight <= 100);
    if draft.weight.is_none() {
        draft.bad_weight = true;
        let written = match &value.kind {
            ValueKind::Int(number) => format!(" {number}"),
            ValueKind::String(text) => format!(" {text:?}"),
            _ => String::new(),
        };
        let message = format!("Invalid weight{written} for mapping destination");
        check.error(Problem::new(value.span, message).expected("0 to 100, with or without %"));
    }
}

/// Checks the destinations of one source together.
fn weights(check: &mut Check<'_>, source: &str, destinations: &[(MappingDestination, &Value)]) {
    let (mut seen, mut totals) = (BTreeSet::new(), BTreeMap::<_, u32>::new());
    for (destination, value) in destinations {
        if check.is_full() {
            return;
        }
        let MappingDestination {
            subject,
            weight,
            cluster,
        } = destination;
        let mut fail = |reason: String, hint: Option<String>| {
            let message = format!("Error adding mapping for {source:?} to {subject:?} : {reason}");
            let problem = Problem::new(value.span, message);
            check.error(match hint {
                Some(hint) => problem.hint(hint),
                None => problem,
            });
        };
        if !seen.insert(subject) {
            fail(format!("duplicate entry for {subject:?}"), None);
        }
        let total = totals.entry(cluster).or_default();
        *total += u32::from(*weight);
        if *total > 100 {
            fail("total weight needs to be <= 100".to_owned(), None);
        }
        if let Some((reason, hint)) = transform_error(source, subject) {
            fail(reason, Some(hint));
        }
    }
}
