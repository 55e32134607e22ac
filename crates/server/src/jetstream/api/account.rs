//! `$JS.API.INFO`: what the account uses and may use.

use std::sync::atomic::Ordering::Relaxed;

use cognate_api::{AccountInfo, AccountUsage, ApiStats};
use cognate_model::{ApiError, StorageType, level};

use super::{Answer, Call};

/// Answers with usage, limits and counters; any body will do.
pub(super) fn info(call: &Call<'_>) -> Result<Answer, ApiError> {
    let jetstream = call.jetstream;
    let mut usage = AccountUsage {
        limits: jetstream.account_limits(),
        ..AccountUsage::default()
    };
    for stream in jetstream.streams() {
        // Nothing waits for a stream here, so that one with a slow disk does not hold up this.
        let bytes = stream.share.bytes();
        let config = stream.config();
        let reserved = u64::try_from(config.max_bytes).unwrap_or(0);
        let (used, set_aside) = match config.storage {
            StorageType::Memory => (&mut usage.memory, &mut usage.reserved_memory),
            StorageType::File => (&mut usage.storage, &mut usage.reserved_storage),
        };
        *used = used.saturating_add(bytes);
        *set_aside = set_aside.saturating_add(reserved);
        usage.streams += 1;
        usage.consumers += stream.consumer_count();
    }
    let stats = &jetstream.api_stats;
    Ok(call.answer(&AccountInfo {
        usage,
        domain: jetstream.options.domain.clone().unwrap_or_default(),
        api: ApiStats {
            level: u64::from(level::API_LEVEL),
            total: stats.total.load(Relaxed),
            errors: stats.errors.load(Relaxed),
            inflight: 0,
        },
        ..AccountInfo::default()
    }))
}
