//! Where a stream's messages come from, if not from publishers: a mirror's origin, and sources.
//!
//! Streams behind another API prefix cannot be seen, so what is asked of them is only checked where
//! it contradicts itself.

use std::collections::{BTreeSet, VecDeque};

use cognate_subject::validate::{covers, is_valid_filter, is_valid_literal};

use super::subjects::{check_rule, collide};
use super::{StreamContext, refuse};
use crate::name::is_valid_name;
use crate::{ApiError, SourceConsumer, StreamConfig, StreamSource, error};

/// The prefix of the API, which no other stream's API may be reached by.
const API_PREFIX: &str = "$JS.API";

/// How many streams are looked at in search of a cycle.
const MAX_VISITED: usize = 10_000;

/// What the checks of the origins found, for the checks of their prefixes.
#[derive(Default)]
struct Found {
    subjects: Vec<String>,
    deliver_prefixes: Vec<String>,
    api_prefixes: Vec<String>,
}

pub(super) fn check(
    config: &mut StreamConfig,
    context: &StreamContext<'_>,
) -> Result<(), ApiError> {
    let mut found = Found::default();
    if let Some(mirror) = config.mirror.clone() {
        check_mirror(config, &mirror)?;
        if mirror.external.is_none() {
            check_local_mirror(config, &mirror, context, &mut found)?;
        } else {
            found.external(&mirror);
        }
    }
    if !config.sources.is_empty() && config.allow_msg_schedules {
        return Err(error::SOURCE_WITH_MSG_SCHEDULES);
    }
    let mut seen = BTreeSet::new();
    let mut consumers = BTreeSet::new();
    for source in &config.sources {
        if !is_valid_name(&source.name) {
            return Err(error::SOURCE_INVALID_STREAM_NAME);
        }
        if !seen.insert(identity(source)) {
            return Err(error::SOURCE_DUPLICATE_DETECTED);
        }
        check_source(source)?;
        if let Some(consumer) = &source.consumer {
            let api = source.external.as_ref().map(|external| &external.api);
            if !consumers.insert((&source.name, api, &consumer.name)) {
                return Err(error::SOURCE_DURABLE_CONSUMER_DUPLICATE_DETECTED);
            }
        }
        if source.external.is_some() {
            found.external(source);
        } else if let Some(origin) = (context.find)(&source.name) {
            if is_smaller(config.max_msg_size, origin.max_msg_size) {
                return Err(error::SOURCE_MAX_MESSAGE_SIZE_TOO_BIG);
            }
            found.subjects.extend(origin.subjects);
        }
    }
    found.check_prefixes()?;
    check_cycle(config, context)
}

fn check_mirror(config: &StreamConfig, mirror: &StreamSource) -> Result<(), ApiError> {
    let conflicts = [
        (config.first_seq > 0, error::MIRROR_WITH_FIRST_SEQ),
        (!config.subjects.is_empty(), error::MIRROR_WITH_SUBJECTS),
        (!config.sources.is_empty(), error::MIRROR_WITH_SOURCES),
        (config.allow_msg_counter, error::MIRROR_WITH_COUNTERS),
        (config.allow_atomic, error::MIRROR_WITH_ATOMIC_PUBLISH),
        (config.allow_batched, error::MIRROR_WITH_BATCH_PUBLISH),
        (config.allow_msg_schedules, error::MIRROR_WITH_MSG_SCHEDULES),
    ];
    if let Some((_, refused)) = conflicts.into_iter().find(|(conflict, _)| *conflict) {
        return Err(refused);
    }
    if let Some(consumer) = &mirror.consumer
        && !is_consumer_usable(mirror, consumer)
    {
        return Err(error::MIRROR_DURABLE_CONSUMER_CONFIG_INVALID);
    }
    if !mirror.filter_subject.is_empty() && !mirror.subject_transforms.is_empty() {
        return Err(error::MIRROR_MULTIPLE_FILTERS_NOT_ALLOWED);
    }
    // A marker would take a sequence that the origin has given to something else.
    if config.subject_delete_marker_ttl.0 > 0 {
        return refuse("subject delete markers forbidden on mirrors");
    }
    for (at, rule) in mirror.subject_transforms.iter().enumerate() {
        check_rule(
            rule,
            error::mirror_invalid_subject_filter,
            error::mirror_invalid_transform_destination,
        )?;
        let others = mirror.subject_transforms.iter().enumerate();
        if others
            .into_iter()
            .any(|(other, its)| other != at && collide(&rule.src, &its.src))
        {
            return Err(error::MIRROR_OVERLAPPING_SUBJECT_FILTERS);
        }
    }
    Ok(())
}

fn check_local_mirror(
    config: &mut StreamConfig,
    mirror: &StreamSource,
    context: &StreamContext<'_>,
    found: &mut Found,
) -> Result<(), ApiError> {
    if !is_valid_name(&mirror.name) {
        return Err(error::MIRROR_INVALID_STREAM_NAME);
    }
    let Some(origin) = (context.find)(&mirror.name) else {
        return Ok(());
    };
    if is_smaller(config.max_msg_size, origin.max_msg_size) {
        return Err(error::MIRROR_MAX_MESSAGE_SIZE_TOO_BIG);
    }
    if context.pedantic && config.mirror_direct != origin.allow_direct {
        return Err(error::pedantic(
            "origin stream has direct get set, mirror has it disabled",
        ));
    }
    config.mirror_direct = origin.allow_direct;
    found.subjects.extend(origin.subjects);
    Ok(())
}

fn check_source(source: &StreamSource) -> Result<(), ApiError> {
    if !source.filter_subject.is_empty() && !source.subject_transforms.is_empty() {
        return Err(error::SOURCE_MULTIPLE_FILTERS_NOT_ALLOWED);
    }
    for rule in &source.subject_transforms {
        check_rule(
            rule,
            error::source_invalid_subject_filter,
            error::source_invalid_transform_destination,
        )?;
    }
    for (at, rule) in source.subject_transforms.iter().enumerate() {
        let others = source.subject_transforms.iter().enumerate();
        let covered = |its: &str| match (its, rule.src.as_str()) {
            (its, "") => its == ">",
            (its, src) => covers(its.as_bytes(), src.as_bytes()),
        };
        if others
            .into_iter()
            .any(|(other, its)| other != at && covered(&its.src))
        {
            return Err(error::SOURCE_OVERLAPPING_SUBJECT_FILTERS);
        }
    }
    match &source.consumer {
        Some(consumer) if !is_consumer_usable(source, consumer) => {
            Err(error::SOURCE_DURABLE_CONSUMER_CONFIG_INVALID)
        }
        _ => Ok(()),
    }
}

/// A consumer that was made for the purpose decides itself where to begin and what to deliver.
fn is_consumer_usable(source: &StreamSource, consumer: &SourceConsumer) -> bool {
    is_valid_name(&consumer.name)
        && is_valid_literal(consumer.deliver_subject.as_bytes())
        && source.opt_start_seq == 0
        && source.opt_start_time.is_none()
        && source.filter_subject.is_empty()
}

fn is_smaller(limit: i32, origin: i32) -> bool {
    limit > 0 && origin > 0 && limit < origin
}

/// Its name, API prefix, consumer and rules.
type Identity<'a> = (
    &'a str,
    Option<&'a str>,
    Option<&'a str>,
    Vec<(&'a str, &'a str)>,
);

/// What tells a source from the others: two that agree in all of it would deliver the same.
fn identity(source: &StreamSource) -> Identity<'_> {
    let or_all = |text| if str::is_empty(text) { ">" } else { text };
    let rules = if source.subject_transforms.is_empty() {
        vec![(or_all(source.filter_subject.as_str()), ">")]
    } else {
        let rules = source.subject_transforms.iter();
        rules
            .map(|rule| (or_all(rule.src.as_str()), or_all(rule.dest.as_str())))
            .collect()
    };
    (
        &source.name,
        source
            .external
            .as_ref()
            .map(|external| external.api.as_str()),
        source
            .consumer
            .as_ref()
            .map(|consumer| consumer.name.as_str()),
        rules,
    )
}

impl Found {
    fn external(&mut self, source: &StreamSource) {
        if let Some(external) = &source.external {
            if !external.deliver.is_empty() {
                self.deliver_prefixes.push(external.deliver.clone());
            }
            if !external.api.is_empty() {
                self.api_prefixes.push(external.api.clone());
            }
        }
    }

    fn check_prefixes(&self) -> Result<(), ApiError> {
        for prefix in &self.deliver_prefixes {
            if !is_valid_literal(prefix.as_bytes()) {
                return Err(error::stream_invalid_external_delivery_subj(prefix));
            }
            for subject in &self.subjects {
                if collide(subject, &format!("{prefix}.{subject}")) {
                    return Err(error::stream_external_del_prefix_overlaps(prefix, subject));
                }
            }
        }
        for prefix in &self.api_prefixes {
            if !is_valid_literal(prefix.as_bytes()) {
                let shown = crate::text::quoted(prefix);
                return refuse(format_args!(
                    "stream external api prefix {shown} must be a valid subject without wildcards"
                ));
            }
            if collide(prefix, API_PREFIX) {
                return Err(error::stream_external_api_overlap(prefix, API_PREFIX));
            }
        }
        Ok(())
    }
}

/// Whether what is to be taken of the origins can be said this way.
pub(super) fn check_filters(config: &StreamConfig) -> Result<(), ApiError> {
    let bad = |source: &StreamSource| {
        let filter = &source.filter_subject;
        !filter.is_empty() && !is_valid_filter(filter.as_bytes())
    };
    if let Some(mirror) = config.mirror.as_ref().filter(|mirror| bad(mirror)) {
        let filter = &mirror.filter_subject;
        return Err(error::stream_create(format_args!(
            "subject filter '{filter}' for the mirror invalid subject"
        )));
    }
    if let Some(source) = config.sources.iter().find(|source| bad(source)) {
        let filter = &source.filter_subject;
        return Err(error::stream_create(format_args!(
            "subject filter '{filter}' for the source: invalid subject"
        )));
    }
    Ok(())
}

/// Follows origins from stream to stream, nearest first: none may lead to one that was followed
/// before. Only a source that may take what its stream itself listens to closes a cycle.
///
/// As in the Go server, two ways of different length to one stream are refused as well (what comes
/// by both would be stored twice), unless the longer has one step more and is listed first.
fn check_cycle(config: &StreamConfig, context: &StreamContext<'_>) -> Result<(), ApiError> {
    let mut waiting = VecDeque::from([config.clone()]);
    let mut seen = BTreeSet::from([config.name.clone()]);
    let mut followed = BTreeSet::new();
    while let Some(stream) = waiting.pop_front() {
        let sources = stream.sources.iter();
        let sources = sources.map(|source| (source, takes_any(source, &stream.subjects)));
        let mirror = stream.mirror.iter().map(|mirror| (mirror, true));
        followed.insert(stream.name.clone());
        for (origin, closes) in sources.chain(mirror) {
            if origin.external.is_some() {
                continue;
            }
            if closes && followed.contains(&origin.name) {
                return refuse("detected cycle");
            }
            if seen.len() < MAX_VISITED && seen.insert(origin.name.clone()) {
                waiting.extend((context.find)(&origin.name));
            }
        }
    }
    Ok(())
}

fn takes_any(source: &StreamSource, subjects: &[String]) -> bool {
    let filter = &source.filter_subject;
    filter.is_empty() || subjects.iter().any(|subject| collide(subject, filter))
}
