//! The keys of `jetstream {}` (config.md §8) and its limits.
//!
//! Keys that only say something about a cluster are read and checked, and then have no effect,
//! because nothing they limit exists: `max_outstanding_catchup` and `meta_compact…`.

use super::Reload::{Live, Restart};
use super::{Row, row};
use crate::check::{
    JetStreamDraft, batch_limits, concurrent_io, domain, jetstream_limits, limit_duration,
    limit_of, maximum, not_negative, previous_key, queue_limit, storage_size, store_cipher,
    store_dir, sync_interval,
};
use crate::options::{BatchLimits, JetStreamLimits};

/// Keys of the block.
#[rustfmt::skip]
pub(crate) const JETSTREAM: &[Row<JetStreamDraft>] = &[
    row(&["enabled", "enable"], "boolean", "true", Restart,
        "whether JetStream is on", |c, v, d| c.bool_into(v, &mut d.enabled)),
    row(&["store_dir", "store", "storedir"], "path", "<tmp>/nats", Restart,
        "directory of streams; they are in jetstream below it",
        |c, v, d| store_dir(c, v, &mut d.options.store_dir)),
    row(&["max_memory_store", "max_mem_store", "max_mem"], "size", "75% of memory", Live,
        "most memory for streams; a reload can only raise it",
        |c, v, d| maximum(c, v, &mut d.options.max_memory_store)),
    row(&["max_file_store", "max_file"], "size", "75% of the free disk", Live,
        "most disk for streams; a reload can only raise it",
        |c, v, d| maximum(c, v, &mut d.options.max_file_store)),
    row(&["domain"], "string", "", Restart,
        "name of the JetStream domain; one token of a subject",
        |c, v, d| domain(c, v, &mut d.options.domain)),
    row(&["sync_interval", "sync"], "duration or always", "always", Restart,
        "sync before acknowledging, or every so often", sync_interval),
    row(&["strict"], "boolean", "true", Restart,
        "refuse API requests with unknown fields",
        |c, v, d| c.bool_into(v, &mut d.options.strict)),
    row(&["limits"], "limits block", "", Restart,
        "what clients may ask of streams and consumers", jetstream_limits),
    row(&["max_buffered_size"], "size", "128MB", Restart,
        "most bytes waiting for a stream; negative is unlimited",
        |c, v, d| queue_limit(storage_size(c, v), &mut d.options.max_buffered_size)),
    row(&["max_buffered_msgs"], "integer", "100000", Restart,
        "most messages waiting for a stream; negative is unlimited",
        |c, v, d| queue_limit(c.int(v), &mut d.options.max_buffered_msgs)),
    row(&["request_queue_limit"], "integer", "10000", Restart,
        "most API requests waiting", |c, v, d| {
            if let Some(limit) = c.int(v) { d.request_queue_limit = limit_of(limit); }
        }),
    row(&["info_queue_limit"], "integer", "request_queue_limit", Restart,
        "most API requests for information waiting", |c, v, d| {
            if let Some(limit) = c.int(v) { d.info_queue_limit = limit_of(limit); }
        }),
    row(&["max_concurrent_io"], "4 to 8192", "4096", Restart,
        "most disk operations at a time", concurrent_io),
    row(&["key", "ek", "encryption_key"], "string", "", Restart,
        "key with which streams in files are encrypted",
        |c, v, d| c.string_into(v, &mut d.encryption.key)),
    row(&["prev_key", "prev_ek", "prev_encryption_key"], "string", "", Restart,
        "key before it, which opens what it encrypted",
        |c, v, d| previous_key(c, v, &mut d.encryption)),
    row(&["cipher"], "chacha or aes", "chacha", Restart,
        "how streams in files are encrypted",
        |c, v, d| store_cipher(c, v, &mut d.encryption.cipher)),
    row(&["max_outstanding_catchup"], "size", "64MB", Restart,
        "most bytes sent to replicas that catch up; without effect before clustering",
        |c, v, _| { storage_size(c, v); }),
    row(&["meta_compact"], "integer", "0", Live,
        "entries before the cluster's state is compacted; without effect before clustering",
        |c, v, _| { let entries = c.int(v); not_negative(c, v, entries); }),
    row(&["meta_compact_size"], "size", "0", Live,
        "bytes before the cluster's state is compacted; without effect before clustering",
        |c, v, _| { let bytes = storage_size(c, v); not_negative(c, v, bytes); }),
    row(&["meta_compact_sync"], "boolean", "false", Live,
        "sync when the cluster's state is compacted; without effect before clustering",
        |c, v, _| { c.bool(v); }),
];

/// Keys of `limits {}`; 0 and negative numbers are no limit.
#[rustfmt::skip]
pub(crate) const JETSTREAM_LIMITS: &[Row<JetStreamLimits>] = &[
    row(&["max_ack_pending"], "integer", "unlimited", Restart,
        "most max_ack_pending of a consumer", |c, v, l| {
            if let Some(limit) = c.int(v) { l.max_ack_pending = limit_of(limit); }
        }),
    row(&["max_ha_assets"], "integer", "unlimited", Restart,
        "most streams and consumers with replicas; without effect before clustering",
        |c, v, l| if let Some(limit) = c.int(v) { l.max_ha_assets = limit_of(limit); }),
    row(&["max_request_batch"], "integer", "unlimited", Restart,
        "most messages a pull consumer's client may request at once", |c, v, l| {
            if let Some(limit) = c.int(v) { l.max_request_batch = limit_of(limit); }
        }),
    row(&["duplicate_window"], "duration", "unlimited", Restart,
        "longest time in which a stream recognises duplicates",
        |c, v, l| limit_duration(c, v, &mut l.duplicate_window)),
    row(&["batch"], "batch block", "", Restart,
        "limits of publishing in batches", batch_limits),
];

/// Keys of `batch {}`; 0 and negative numbers keep the default.
#[rustfmt::skip]
pub(crate) const BATCH_LIMITS: &[Row<BatchLimits>] = &[
    row(&["max_inflight_per_stream"], "integer", "50 atomic, 1000 fast", Restart,
        "most open batches of a stream", |c, v, l| {
            if let Some(limit) = c.int(v) { l.max_inflight_per_stream = limit_of(limit); }
        }),
    row(&["max_inflight_total"], "integer", "1000 atomic, 50000 fast", Restart,
        "most open batches of the server", |c, v, l| {
            if let Some(limit) = c.int(v) { l.max_inflight_total = limit_of(limit); }
        }),
    row(&["max_msgs"], "integer", "1000", Restart,
        "most messages in an atomic batch",
        |c, v, l| if let Some(limit) = c.int(v) { l.max_msgs = limit_of(limit); }),
    row(&["timeout"], "duration", "10s", Restart,
        "how long a batch may stay open without a message",
        |c, v, l| limit_duration(c, v, &mut l.timeout)),
];
