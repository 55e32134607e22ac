//! Telling of messages that cannot be read any more, by sequence: in the log, and to who listens.
//!
//! At the start nobody listens yet, but a stream may come later than the others. Called when a stream is
//! recovered and by its task; stream info and monitoring read what is damaged from the group.

use cognate_api::event::StreamDamaged;
use cognate_model::DamagedRange;
use cognate_process::warn;

use super::{AccountJetStream, advisory};

/// Tells of some that were found.
pub(super) fn tell(jetstream: &AccountJetStream, stream: &str, found: DamagedRange) {
    warn!(
        jetstream.server.shared.log,
        "Stream '{} > {stream}': messages {} to {} are damaged and cannot be read",
        jetstream.account.name,
        found.first,
        found.last
    );
    let event = StreamDamaged {
        stream,
        first_seq: found.first,
        last_seq: found.last,
        domain: advisory::domain(jetstream),
    };
    advisory::send(jetstream, &event);
}
