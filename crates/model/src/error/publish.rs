//! Errors that answer a publish.
//!
//! A table: numbers and texts are nats-server's and are matched on by clients.

use super::catalogue;

catalogue! {
    STREAM_MESSAGE_EXCEEDS_MAXIMUM = 400, 10054, "message size exceeds maximum allowed";
    STREAM_NOT_MATCH = 400, 10060, "expected stream does not match";
    STREAM_SEQUENCE_NOT_MATCH = 503, 10063, "expected stream sequence does not match";
    stream_wrong_last_msg_id(id) = 400, 10070, "wrong last msg ID: {id}";
    stream_wrong_last_sequence(seq) = 400, 10071, "wrong last sequence: {seq}";
    stream_store_failed(err) = 503, 10077, "{err}";
    STREAM_HEADER_EXCEEDS_MAXIMUM = 400, 10097, "header size exceeds maximum allowed of 64k";
    stream_rollup_failed(err) = 500, 10111, "{err}";
    STREAM_DUPLICATE_MESSAGE_CONFLICT = 409, 10158, "duplicate message id is in process";
    STREAM_EXPECTED_LAST_SEQ_PER_SUBJECT_NOT_READY = 503, 10163, "expected last sequence per subject temporarily unavailable";
    STREAM_WRONG_LAST_SEQUENCE_CONSTANT = 400, 10164, "wrong last sequence";
    MESSAGE_TTL_INVALID = 400, 10165, "invalid per-message TTL";
    MESSAGE_TTL_DISABLED = 400, 10166, "per-message TTL is disabled";
    STREAM_TOO_MANY_REQUESTS = 429, 10167, "too many requests";
    MESSAGE_INCR_DISABLED = 400, 10168, "message counters is disabled";
    MESSAGE_INCR_MISSING = 400, 10169, "message counter increment is missing";
    MESSAGE_INCR_PAYLOAD = 400, 10170, "message counter has payload";
    MESSAGE_INCR_INVALID = 400, 10171, "message counter increment is invalid";
    MESSAGE_COUNTER_BROKEN = 400, 10172, "message counter is broken";
    ATOMIC_PUBLISH_DISABLED = 400, 10174, "atomic publish is disabled";
    ATOMIC_PUBLISH_MISSING_SEQ = 400, 10175, "atomic publish sequence is missing";
    ATOMIC_PUBLISH_INCOMPLETE_BATCH = 400, 10176, "atomic publish batch is incomplete";
    atomic_publish_unsupported_header_batch(header) = 400, 10177, "atomic publish unsupported header used: {header}";
    ATOMIC_PUBLISH_INVALID_BATCH_ID = 400, 10179, "atomic publish batch ID is invalid";
    STREAM_MIN_LAST_SEQ = 412, 10180, "min last sequence";
    MESSAGE_SCHEDULES_DISABLED = 400, 10188, "message schedules is disabled";
    MESSAGE_SCHEDULES_PATTERN_INVALID = 400, 10189, "message schedules pattern is invalid";
    MESSAGE_SCHEDULES_TARGET_INVALID = 400, 10190, "message schedules target is invalid";
    MESSAGE_SCHEDULES_TTL_INVALID = 400, 10191, "message schedules invalid per-message TTL";
    MESSAGE_SCHEDULES_ROLLUP_INVALID = 400, 10192, "message schedules invalid rollup";
    STREAM_EXPECTED_LAST_SEQ_PER_SUBJECT_INVALID = 400, 10193, "missing sequence for expected last sequence per subject";
    atomic_publish_too_large_batch(size) = 400, 10199, "atomic publish batch is too large: {size}";
    ATOMIC_PUBLISH_INVALID_BATCH_COMMIT = 400, 10200, "atomic publish batch commit is invalid";
    ATOMIC_PUBLISH_CONTAINS_DUPLICATE_MESSAGE = 400, 10201, "atomic publish batch contains duplicate message id";
    MESSAGE_SCHEDULES_SOURCE_INVALID = 400, 10203, "message schedules source is invalid";
    BATCH_PUBLISH_DISABLED = 400, 10205, "batch publish is disabled";
    BATCH_PUBLISH_INVALID_PATTERN = 400, 10206, "batch publish pattern is invalid";
    BATCH_PUBLISH_INVALID_BATCH_ID = 400, 10207, "batch publish ID is invalid";
    BATCH_PUBLISH_UNKNOWN_BATCH_ID = 400, 10208, "batch publish ID unknown";
    ATOMIC_PUBLISH_TOO_MANY_INFLIGHT = 429, 10210, "atomic publish too many inflight";
    BATCH_PUBLISH_TOO_MANY_INFLIGHT = 429, 10211, "batch publish too many inflight";
    MESSAGE_SCHEDULES_SCHEDULER_INVALID = 400, 10212, "message schedules invalid scheduler";
    MESSAGE_SCHEDULES_TIME_ZONE_INVALID = 400, 10223, "message schedules time zone is invalid";
}
