//! What an account may use of JetStream: one set of limits, or one per tier.

use std::collections::BTreeMap;

use cognate_auth::account_spec::{AccountJetStream as Spec, JetStreamLimits};
use cognate_model::{AccountLimits, ApiError, StorageType, error};

/// What an account may use.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Allowance {
    /// The same limits for all streams together.
    Flat(AccountLimits),
    /// Limits by tier, named after the number of replicas.
    Tiers(BTreeMap<String, AccountLimits>),
}

impl Allowance {
    /// What is configured for an account; `None` without JetStream.
    pub(crate) fn of(spec: &Spec) -> Option<Self> {
        match spec {
            Spec::Disabled => None,
            Spec::Limits(limits) => Some(Allowance::Flat(account_limits(limits))),
            Spec::Tiers(tiers) => {
                let tiers = tiers.iter();
                let tiers = tiers.map(|(name, limits)| (name.clone(), account_limits(limits)));
                Some(Allowance::Tiers(tiers.collect()))
            }
        }
    }

    /// What holds for streams and consumers with so many replicas.
    ///
    /// # Errors
    /// 10120 if there is no such tier.
    pub(crate) fn limits(&self, replicas: i64) -> Result<AccountLimits, ApiError> {
        match self {
            Allowance::Flat(limits) => Ok(limits.clone()),
            Allowance::Tiers(tiers) => {
                let tier = tiers.get(&tier(replicas)).cloned();
                tier.ok_or(error::NO_LIMITS)
            }
        }
    }

    /// Bytes that are set aside for the account in this kind of storage: its limits.
    pub(crate) fn promised(&self, storage: StorageType) -> u64 {
        let of = |limits: &AccountLimits| {
            let bytes = match storage {
                StorageType::Memory => limits.max_memory,
                StorageType::File => limits.max_storage,
            };
            u64::try_from(bytes).unwrap_or(0)
        };
        match self {
            Allowance::Flat(limits) => of(limits),
            Allowance::Tiers(tiers) => tiers.values().map(of).fold(0, u64::saturating_add),
        }
    }
}

/// The tier of streams with so many replicas.
pub(crate) fn tier(replicas: i64) -> String {
    format!("R{}", replicas.max(1))
}

fn account_limits(limits: &JetStreamLimits) -> AccountLimits {
    let number = |limit: Option<u64>| limit.map_or(-1, |n| i64::try_from(n).unwrap_or(i64::MAX));
    AccountLimits {
        max_memory: number(limits.max_memory),
        max_storage: number(limits.max_storage),
        max_streams: number(limits.max_streams),
        max_consumers: number(limits.max_consumers),
        max_ack_pending: number(limits.max_ack_pending),
        memory_max_stream_bytes: number(limits.memory_max_stream_bytes),
        storage_max_stream_bytes: number(limits.storage_max_stream_bytes),
        max_bytes_required: limits.max_bytes_required,
    }
}

/// Whether so much can be promised by a server that has `memory` and `file` bytes.
///
/// # Errors
/// 10028 or 10047 if it is too much.
pub(crate) fn check_promises<'a>(
    promises: impl Iterator<Item = &'a Allowance> + Clone,
    memory: u64,
    file: u64,
) -> Result<(), ApiError> {
    let sum = |storage| {
        let each = promises
            .clone()
            .map(|allowance| allowance.promised(storage));
        each.fold(0, u64::saturating_add)
    };
    if sum(StorageType::Memory) > memory {
        return Err(error::MEMORY_RESOURCES_EXCEEDED);
    }
    if sum(StorageType::File) > file {
        return Err(error::STORAGE_RESOURCES_EXCEEDED);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flat(max_memory: Option<u64>, max_storage: Option<u64>) -> Allowance {
        let limits = JetStreamLimits {
            max_memory,
            max_storage,
            ..JetStreamLimits::default()
        };
        Allowance::of(&Spec::Limits(limits)).expect("JetStream is on")
    }

    #[test]
    fn no_limit_and_nothing_at_all_are_two_things() {
        let limits = flat(None, Some(0)).limits(3).expect("limits");
        assert_eq!((limits.max_memory, limits.max_storage), (-1, 0));
        assert_eq!(limits.max_streams, -1);
        assert_eq!(Allowance::of(&Spec::Disabled), None);
    }

    #[test]
    fn a_tier_that_is_not_listed_has_nothing() {
        let r1 = JetStreamLimits {
            max_storage: Some(7),
            ..JetStreamLimits::default()
        };
        let tiers = BTreeMap::from([("R1".to_owned(), r1), ("R3".to_owned(), r1)]);
        let allowance = Allowance::of(&Spec::Tiers(tiers)).expect("JetStream is on");
        assert_eq!(allowance.limits(0).map(|limits| limits.max_storage), Ok(7));
        assert_eq!(allowance.limits(2), Err(error::NO_LIMITS));
        assert_eq!(allowance.promised(StorageType::File), 14);
    }

    #[test]
    fn a_server_promises_no_more_than_it_has() {
        let both = [flat(Some(6), None), flat(Some(6), Some(3))];
        assert_eq!(check_promises(both.iter(), 12, 3), Ok(()));
        let memory = check_promises(both.iter(), 11, 3);
        assert_eq!(memory, Err(error::MEMORY_RESOURCES_EXCEEDED));
        let file = check_promises(both.iter(), 12, 2);
        assert_eq!(file, Err(error::STORAGE_RESOURCES_EXCEEDED));
        let endless = [flat(Some(u64::MAX), None), flat(Some(u64::MAX), None)];
        let sum = check_promises(endless.iter(), u64::MAX - 1, 0);
        assert_eq!(sum, Ok(()), "a limit has 63 bits");
    }
}
