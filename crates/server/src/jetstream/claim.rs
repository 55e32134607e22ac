//! Who is making, changing or removing which stream.
//!
//! Requests for different streams are served at the same time. What one of them checks of the others
//! (names, subjects, reservations) must still hold when it is done: it claims its stream's name first,
//! and says what the stream is to be in the same moment as it checks that nobody else is in the way,
//! finished or not. Invariant: a name is claimed once. The lock is held for comparisons only.

use std::collections::BTreeMap;
use std::sync::Arc;

use cognate_model::{ApiError, StreamConfig};
use parking_lot::Mutex;

/// The claimed names, with what each stream is to be, once that is known.
type Names = BTreeMap<String, Option<Arc<StreamConfig>>>;

/// The claims of an account.
#[derive(Default)]
pub(crate) struct Claims(Arc<Mutex<Names>>);

/// A claim on the name of a stream; it ends when this is dropped.
pub(crate) struct Claim {
    names: Arc<Mutex<Names>>,
    name: String,
}

impl Claims {
    /// Claims a name, unless somebody has.
    pub(crate) fn take(&self, name: &str) -> Option<Claim> {
        let mut names = self.0.lock();
        if names.contains_key(name) {
            return None;
        }
        names.insert(name.to_owned(), None);
        Some(Claim {
            names: Arc::clone(&self.0),
            name: name.to_owned(),
        })
    }

    /// What streams are to be that are not finished.
    pub(crate) fn unfinished(&self) -> Vec<Arc<StreamConfig>> {
        self.0.lock().values().flatten().cloned().collect()
    }
}

impl Claim {
    /// The name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Says what the stream is to be, if `check` has no objection; it is given what others are to be
    /// that are not finished.
    pub(crate) fn settle(
        &self,
        config: &StreamConfig,
        check: impl FnOnce(&[Arc<StreamConfig>]) -> Result<(), ApiError>,
    ) -> Result<(), ApiError> {
        let mut names = self.names.lock();
        let others = names.iter().filter(|(name, _)| **name != self.name);
        let others: Vec<_> = others.filter_map(|(_, config)| config.clone()).collect();
        check(&others)?;
        names.insert(self.name.clone(), Some(Arc::new(config.clone())));
        Ok(())
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.names.lock().remove(&self.name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(name: &str, subject: &str) -> StreamConfig {
        StreamConfig {
            name: name.to_owned(),
            subjects: vec![subject.to_owned()],
            ..StreamConfig::default()
        }
    }

    #[test]
    fn two_streams_made_at_a_time_do_not_take_the_same_subject() {
        let claims = Claims::default();
        let (Some(a), Some(b)) = (claims.take("A"), claims.take("B")) else {
            panic!("both names are free");
        };
        assert!(claims.take("A").is_none(), "it is claimed");
        assert!(a.settle(&config("A", "x.>"), |_| Ok(())).is_ok());
        let second = config("B", "x.y");
        let check = |others: &[Arc<StreamConfig>]| {
            second.check_subjects_free(others.iter().map(|config| &**config))
        };
        assert!(b.settle(&second, check).is_err());
        drop(a);
        assert!(b.settle(&second, check).is_ok());
        assert!(claims.take("A").is_some());
    }
}
