//! `$JS.API.INFO`: what the account uses and may use.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering::Relaxed;

use cognate_api::{AccountInfo, AccountUsage, ApiStats};
use cognate_model::{AccountLimits, ApiError, StorageType, level};

use super::{Answer, Call};
use crate::jetstream::allowance::{Allowance, tier};
use crate::jetstream::stream::StreamHandle;

/// Answers with usage, limits and counters; any body will do.
pub(super) fn info(call: &Call<'_>) -> Result<Answer, ApiError> {
    let jetstream = call.jetstream;
    let mut usage = AccountUsage::default();
    let mut tiers = BTreeMap::new();
    match &*jetstream.allowance() {
        Allowance::Flat(limits) => usage.limits.clone_from(limits),
        Allowance::Tiers(limits) => {
            let limits = limits.iter();
            tiers.extend(limits.map(|(name, limits)| (name.clone(), usage_within(limits))));
        }
    }
    let has_tiers = !tiers.is_empty();
    for stream in jetstream.streams() {
        add(&mut usage, &stream);
        if has_tiers {
            // A tier may be gone while there are streams of it.
            let tier = tiers.entry(tier(stream.config().num_replicas));
            add(tier.or_default(), &stream);
        }
    }
    let stats = &jetstream.api_stats;
    Ok(call.answer(&AccountInfo {
        usage,
        domain: jetstream.server.options.domain.clone().unwrap_or_default(),
        api: ApiStats {
            level: u64::from(level::API_LEVEL),
            total: stats.total.load(Relaxed),
            errors: stats.errors.load(Relaxed),
            inflight: 0,
        },
        tiers,
    }))
}

fn usage_within(limits: &AccountLimits) -> AccountUsage {
    AccountUsage {
        limits: limits.clone(),
        ..AccountUsage::default()
    }
}

/// Counts a stream. Nothing waits for it, so that one with a slow disk does not hold up the answer.
fn add(usage: &mut AccountUsage, stream: &StreamHandle) {
    let config = stream.config();
    let reserved = u64::try_from(config.max_bytes).unwrap_or(0);
    let (used, set_aside) = match config.storage {
        StorageType::Memory => (&mut usage.memory, &mut usage.reserved_memory),
        StorageType::File => (&mut usage.storage, &mut usage.reserved_storage),
    };
    *used = used.saturating_add(stream.share.bytes());
    *set_aside = set_aside.saturating_add(reserved);
    usage.streams += 1;
    usage.consumers += stream.consumer_count();
}
