//! A group as it is at one moment, to be copied while it goes on; and the journal that a copy begins
//! with.

use cognate_consumer::Progress;
use cognate_model::{DamagedRange, MessageStore, Sequence, StreamConfig, Timestamp};
use cognate_store::Frozen;
use cognate_store::disk::Disk;

use crate::group::Group;
use crate::interest::Place;
use crate::members::MemberSpec;

/// A stream and its consumers at one moment.
pub struct FrozenGroup<D: Disk> {
    /// The stream's configuration.
    pub config: StreamConfig,
    /// When it was created.
    pub created: Timestamp,
    /// Its messages.
    pub messages: Frozen<D>,
    /// Its consumers that are kept, and how far they are, by name.
    pub consumers: Vec<(MemberSpec, Progress)>,
}

impl<D: Disk> Group<D> {
    /// Keeps hold of what there is now.
    ///
    /// # Errors
    /// If the stream is in memory, which nothing is copied from, or the disk failed; in words.
    pub fn freeze(&mut self) -> Result<FrozenGroup<D>, String> {
        let Some(store) = self.store.file() else {
            // nats-server's words for it.
            return Err("no impl".to_owned());
        };
        let messages = store.freeze().map_err(|cause| cause.to_string())?;
        let kept = self.members.iter().filter(|member| member.is_kept);
        let mut consumers: Vec<_> = kept
            .filter_map(|member| {
                let mut snapshot = Vec::new();
                member.consumer.snapshot(&mut snapshot);
                Some((member.spec.clone(), Progress::of_snapshot(&snapshot)?))
            })
            .collect();
        consumers.sort_by(|(a, _), (b, _)| a.name.cmp(&b.name));
        Ok(FrozenGroup {
            config: self.config().clone(),
            created: self.created(),
            messages,
            consumers,
        })
    }

    /// Which of these sequences hold messages that cannot be read: what of a [`FrozenGroup`] could
    /// not be read may also have been erased since.
    pub fn damaged_among(&mut self, ranges: &[DamagedRange]) -> Vec<Sequence> {
        let sequences = ranges.iter().flat_map(|range| range.first..=range.last);
        let store = &mut self.store;
        sequences
            .filter(|sequence| store.load(*sequence).is_err())
            .collect()
    }
}

/// The snapshot that the journal of a group with these consumers begins with.
#[must_use]
pub fn journal_snapshot<'s>(consumers: impl Iterator<Item = (Place, &'s [u8])>) -> Vec<u8> {
    let mut all = Vec::new();
    for (place, snapshot) in consumers {
        all.extend_from_slice(&place.to_le_bytes());
        all.extend_from_slice(&(snapshot.len() as u32).to_le_bytes());
        all.extend_from_slice(snapshot);
    }
    all
}
