//! The value tree: what a configuration file says, before any key has a meaning.
//!
//! Invariants: a map keeps its entries in the order of the file and has each key once (a repeated
//! key replaces the value, as in NATS); a tree is at most `MAX_DEPTH` deep, so recursion over it
//! is safe.

use super::Span;
use std::borrow::Cow;
use std::cell::Cell;
use std::collections::BTreeMap;

/// A value and where it was written.
#[derive(Clone, Debug)]
pub(crate) struct Value<'t> {
    pub(crate) kind: ValueKind<'t>,
    pub(crate) span: Span,
}

/// What a value is.
#[derive(Clone, Debug)]
pub(crate) enum ValueKind<'t> {
    /// Borrowed from the file where it says just that.
    String(Cow<'t, str>),
    Int(i64),
    Float(f64),
    Bool(bool),
    /// `YYYY-MM-DDTHH:MM:SSZ`, checked.
    Datetime(Box<str>),
    Array(Box<[Value<'t>]>),
    Map(Box<Map<'t>>),
}

impl<'t> Value<'t> {
    /// The name of the value's type, with its article, for messages.
    pub(crate) fn type_name(&self) -> &'static str {
        match self.kind {
            ValueKind::String(_) => "a string",
            ValueKind::Int(_) => "an integer",
            ValueKind::Float(_) => "a float",
            ValueKind::Bool(_) => "a boolean",
            ValueKind::Datetime(_) => "a date",
            ValueKind::Array(_) => "an array",
            ValueKind::Map(_) => "a map",
        }
    }

    /// Levels of nesting (a scalar has none) and approximate bytes of memory.
    pub(crate) fn measure(&self) -> (usize, usize) {
        const NODE_BYTES: usize = 64;
        match &self.kind {
            ValueKind::String(text) => (0, NODE_BYTES + text.len()),
            ValueKind::Datetime(text) => (0, NODE_BYTES + text.len()),
            ValueKind::Array(items) => Self::measure_all(items.iter(), NODE_BYTES),
            ValueKind::Map(map) => {
                let keys: usize = map.entries.iter().map(|entry| 2 * entry.key.len()).sum();
                Self::measure_all(
                    map.entries.iter().map(|entry| &entry.value),
                    NODE_BYTES + keys,
                )
            }
            _ => (0, NODE_BYTES),
        }
    }

    /// The same value with all of it at one place, borrowing nothing.
    pub(crate) fn moved_to<'o>(self, span: Span) -> Value<'o> {
        let kind = match self.kind {
            ValueKind::String(text) => ValueKind::String(text.into_owned().into()),
            ValueKind::Int(number) => ValueKind::Int(number),
            ValueKind::Float(number) => ValueKind::Float(number),
            ValueKind::Bool(flag) => ValueKind::Bool(flag),
            ValueKind::Datetime(text) => ValueKind::Datetime(text),
            ValueKind::Array(items) => {
                let moved = items.into_iter().map(|item| item.moved_to(span));
                ValueKind::Array(moved.collect())
            }
            ValueKind::Map(map) => {
                let mut moved = Map::default();
                for entry in map.entries {
                    moved.insert(entry.key, span, entry.value.moved_to(span));
                }
                ValueKind::Map(moved.into())
            }
        };
        Value { kind, span }
    }

    fn measure_all<'a>(values: impl Iterator<Item = &'a Value<'t>>, own: usize) -> (usize, usize)
    where
        't: 'a,
    {
        let (mut depth, mut bytes) = (0, own);
        for value in values {
            let (inner_depth, inner_bytes) = value.measure();
            depth = depth.max(inner_depth);
            bytes = bytes.saturating_add(inner_bytes);
        }
        (depth + 1, bytes)
    }
}

/// Entries that a map may have without an index; looking through them is as quick.
const UNINDEXED_ENTRIES: usize = 8;

/// An ordered map.
#[derive(Clone, Debug, Default)]
pub(crate) struct Map<'t> {
    entries: Vec<Entry<'t>>,
    /// Where each key is, once there are too many to look through.
    index: BTreeMap<String, usize>,
}

/// A key and its value.
#[derive(Clone, Debug)]
pub(crate) struct Entry<'t> {
    pub(crate) key: String,
    pub(crate) key_span: Span,
    pub(crate) value: Value<'t>,
    /// A variable referred to this key, so it may be one the server does not know.
    pub(crate) used_variable: Cell<bool>,
}

impl<'t> Map<'t> {
    /// Adds an entry, or replaces the one with that key.
    pub(crate) fn insert(&mut self, key: String, key_span: Span, value: Value<'t>) {
        let entry = Entry {
            key,
            key_span,
            value,
            used_variable: Cell::new(false),
        };
        let place = self.place(&entry.key);
        if let Some(existing) = place.and_then(|at| self.entries.get_mut(at)) {
            *existing = entry;
            return;
        }
        self.entries.push(entry);
        if self.entries.len() > UNINDEXED_ENTRIES {
            let unindexed = self.entries.iter().enumerate().skip(self.index.len());
            let keys = unindexed.map(|(at, entry)| (entry.key.clone(), at));
            self.index.extend(keys);
        }
    }

    fn place(&self, key: &str) -> Option<usize> {
        match self.index.is_empty() {
            true => self.entries.iter().position(|entry| entry.key == key),
            false => self.index.get(key).copied(),
        }
    }

    /// Moves all entries of another map into this one.
    pub(crate) fn merge(&mut self, other: Self) {
        for entry in other.entries {
            self.insert(entry.key, entry.key_span, entry.value);
        }
    }

    /// Gives back what it does not need, when it is whole.
    pub(crate) fn shrink(&mut self) {
        self.entries.shrink_to_fit();
    }

    /// The entry with exactly that key.
    pub(crate) fn entry(&self, key: &str) -> Option<&Entry<'t>> {
        self.entries.get(self.place(key)?)
    }

    /// All entries, in the order of the file.
    pub(crate) fn entries(&self) -> &[Entry<'t>] {
        &self.entries
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}
