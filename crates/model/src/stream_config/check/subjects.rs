//! What a stream listens to, and what it does to subjects.

use cognate_subject::transform::TransformProblem;
use cognate_subject::validate::{covers, is_valid_filter, overlaps};
use cognate_subject::{Transform, TransformError};

use super::refuse;
use crate::{ApiError, Republish, StreamConfig, SubjectTransform, error};

/// Subjects of the server itself, and those among them that may be kept all the same.
const RESERVED: [(&str, &str, &str); 4] = [
    ("$JS.>", "$JS.EVENT.>", "jetstream"),
    ("$JSC.>", "$JS.EVENT.>", "jetstream"),
    ("$NRG.>", "$JS.EVENT.>", "jetstream"),
    ("$SYS.>", "$SYS.ACCOUNT.>", "system"),
];

pub(super) fn check(config: &mut StreamConfig) -> Result<(), ApiError> {
    if config.subjects.is_empty() {
        if config.mirror.is_none() && config.sources.is_empty() {
            config.subjects.push(config.name.clone());
        }
        return Ok(());
    }
    if config.mirror.is_some() {
        return Err(error::MIRROR_WITH_SUBJECTS);
    }
    for (at, subject) in config.subjects.iter().enumerate() {
        if !is_valid_filter(subject.as_bytes()) {
            return refuse("invalid subject");
        }
        if subject == ">" {
            if !config.no_ack {
                return refuse("capturing all subjects requires no-ack to be true");
            }
            if config.num_replicas != 1 {
                return refuse("capturing all subjects requires replicas of 1");
            }
        }
        if !config.no_ack {
            check_reserved(subject)?;
        }
        let mut later = config.subjects.iter().skip(at + 1);
        let clash = later.find(|other| collide(subject, other));
        if let Some(other) = clash {
            let (a, b) = (crate::text::quoted(subject), crate::text::quoted(other));
            return refuse(format_args!("subject {a} overlaps with {b}"));
        }
    }
    Ok(())
}

fn check_reserved(subject: &str) -> Result<(), ApiError> {
    for (namespace, allowed, name) in RESERVED {
        if collide(subject, namespace) && !covers(allowed.as_bytes(), subject.as_bytes()) {
            return refuse(format_args!(
                "subjects that overlap with {name} api require no-ack to be true"
            ));
        }
    }
    Ok(())
}

pub(super) fn check_transform(config: &StreamConfig) -> Result<(), ApiError> {
    let Some(transform) = &config.subject_transform else {
        return Ok(());
    };
    check_rule(
        transform,
        error::stream_transform_invalid_source,
        error::stream_transform_invalid_destination,
    )
}

/// Whether a rule can be used; the errors are made from texts about its source and destination.
pub(super) fn check_rule(
    rule: &SubjectTransform,
    bad_source: impl FnOnce(String) -> ApiError,
    bad_destination: impl FnOnce(String) -> ApiError,
) -> Result<(), ApiError> {
    if !rule.src.is_empty() && !is_valid_filter(rule.src.as_bytes()) {
        return Err(bad_source(format!("invalid subject {}", rule.src)));
    }
    if rule.dest.is_empty() {
        return Ok(());
    }
    match Transform::new_mapping(&rule.src, &rule.dest) {
        Ok(_) => Ok(()),
        // White space in a token is told without the token.
        Err(fault) if has_white_space(&fault) => Err(bad_destination(
            "invalid mapping destination: invalid transform".to_owned(),
        )),
        Err(fault) => Err(bad_destination(fault.wire_text())),
    }
}

fn has_white_space(fault: &TransformError) -> bool {
    fault.problem() == TransformProblem::InvalidToken && !fault.token().is_empty()
}

pub(super) fn check_republish(config: &mut StreamConfig, pedantic: bool) -> Result<(), ApiError> {
    let Some(republish) = &mut config.republish else {
        return Ok(());
    };
    if republish.src.is_empty() {
        if pedantic {
            return Err(error::pedantic("republish source can not be empty"));
        }
        ">".clone_into(&mut republish.src);
    }
    follow_transform(
        republish,
        &config.subject_transform,
        &config.subjects,
        pedantic,
    )?;
    if config
        .subjects
        .iter()
        .any(|subject| collide(&republish.dest, subject))
    {
        return refuse("stream configuration for republish destination forms a cycle");
    }
    if Transform::new(&republish.src, &republish.dest).is_err() {
        return refuse(format_args!(
            "stream configuration for republish with transform from '{}' to '{}' not valid",
            republish.src, republish.dest
        ));
    }
    Ok(())
}

/// Everything to everything would be a cycle, unless the stream's only subject is changed before it
/// is stored: then what was stored is republished under its new subject.
fn follow_transform(
    republish: &mut Republish,
    transform: &Option<SubjectTransform>,
    subjects: &[String],
    pedantic: bool,
) -> Result<(), ApiError> {
    let (Some(transform), [subject]) = (transform, subjects) else {
        return Ok(());
    };
    if republish.src != ">" || republish.dest != ">" || transform.src != *subject {
        return Ok(());
    }
    if pedantic {
        let text = "implicit republish based on subject transform";
        return Err(error::pedantic(text));
    }
    republish.src.clone_from(&transform.dest);
    republish.dest.clone_from(&transform.dest);
    Ok(())
}

/// Whether some subject is matched by both. A text that is empty, where one may be, shares subjects
/// only with its like and with `>`.
pub(super) fn collide(a: &str, b: &str) -> bool {
    match (a, b) {
        ("", other) | (other, "") => matches!(other, "" | ">"),
        _ => overlaps(a.as_bytes(), b.as_bytes()),
    }
}
