//! Subjects in permissions and mappings.
//!
//! The one place where this crate asks `cognate_subject`, so that the rest reads as rules of the
//! configuration.

use cognate_subject::transform::Transform;
use cognate_subject::validate::is_valid_config_subject;

/// Whether text is a subject that may hold wildcards.
pub(crate) fn is_filter(text: &str) -> bool {
    is_valid_config_subject(text.as_bytes())
}

/// Why a mapping from `source` to `destination` is impossible, if it is: in the words that
/// nats-server has for it, and in words that say what to do.
pub(crate) fn transform_error(source: &str, destination: &str) -> Option<(String, String)> {
    Transform::new_mapping(source, destination)
        .err()
        .map(|error| (error.wire_text(), error.to_string()))
}
