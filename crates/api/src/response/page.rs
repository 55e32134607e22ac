//! Lists, a page at a time.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{ConsumerInfo, StreamInfo};

/// Names on a page.
pub const NAMES_LIMIT: usize = 1024;
/// Streams or consumers on a page.
pub const LIST_LIMIT: usize = 256;
/// Subjects on a page of `STREAM.INFO`.
pub const SUBJECTS_LIMIT: usize = 100_000;

/// Which part of a list is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Page {
    /// How many there are.
    pub total: usize,
    /// How many come before those shown.
    pub offset: usize,
    /// How many are shown at most.
    pub limit: usize,
}

impl Page {
    /// The page of a list of `total` that begins at the offset asked for, or at its end.
    #[must_use]
    pub fn new(total: usize, offset: i64, limit: usize) -> Self {
        let offset = usize::try_from(offset.max(0)).unwrap_or(usize::MAX);
        Self {
            total,
            offset: offset.min(total),
            limit,
        }
    }

    /// The items on it, of all.
    pub fn of<T>(&self, items: impl IntoIterator<Item = T>) -> impl Iterator<Item = T> {
        items.into_iter().skip(self.offset).take(self.limit)
    }
}

/// The body of `STREAM.NAMES` and `CONSUMER.NAMES`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum NamesPage {
    /// Of streams.
    Streams {
        /// Which part.
        #[serde(flatten)]
        page: Page,
        /// The names; `null` if there are none.
        #[serde(serialize_with = "null_if_empty")]
        streams: Vec<String>,
    },
    /// Of consumers.
    Consumers {
        /// Which part.
        #[serde(flatten)]
        page: Page,
        /// The names.
        consumers: Vec<String>,
    },
}

/// The body of `STREAM.LIST`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StreamListPage {
    /// Which part.
    #[serde(flatten)]
    pub page: Page,
    /// The streams.
    pub streams: Vec<StreamInfo>,
    /// Streams that did not answer.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
    /// Streams that cannot be run, and why.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub offline: BTreeMap<String, String>,
}

/// The body of `CONSUMER.LIST`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ConsumerListPage {
    /// Which part.
    #[serde(flatten)]
    pub page: Page,
    /// The consumers.
    pub consumers: Vec<ConsumerInfo>,
    /// Consumers that did not answer.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
    /// Consumers that cannot be run, and why.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub offline: BTreeMap<String, String>,
}

/// The body of `STREAM.INFO`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct InfoPage {
    /// Which part of the subjects is shown; all zeros if none was asked for or found.
    #[serde(flatten)]
    pub page: Page,
    /// The stream.
    #[serde(flatten)]
    pub info: StreamInfo,
}

fn null_if_empty<S: serde::Serializer>(
    names: &Vec<String>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    if names.is_empty() {
        serializer.serialize_unit()
    } else {
        names.serialize(serializer)
    }
}
