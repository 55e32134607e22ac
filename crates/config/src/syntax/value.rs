//! The value tree: what a configuration file says, before any key has a meaning.
//!
//! Invariants: a map keeps its entries in the order of the file and has each key once (a repeated
//! key replaces the value, as in NATS); a tree is at most `MAX_DEPTH` deep, so recursion over it
//! is safe.

use super::Span;
use std::cell::Cell;
use std::collections::BTreeMap;

/// A value and where it was written.
#[derive(Clone, Debug)]
pub(crate) struct Value {
    pub(crate) kind: ValueKind,
    pub(crate) span: Span,
}

/// What a value is.
#[derive(Clone, Debug)]
pub(crate) enum ValueKind {
    String(String),
    Int(i64),
    Float(f64),
    Bool(bool),
    /// `YYYY-MM-DDTHH:MM:SSZ`, checked.
    Datetime(String),
    Array(Vec<Value>),
    Map(Map),
}

impl Value {
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
            ValueKind::String(text) | ValueKind::Datetime(text) => (0, NODE_BYTES + text.len()),
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

    /// The same value with all of it at one place.
    pub(crate) fn moved_to(mut self, span: Span) -> Self {
        self.span = span;
        match &mut self.kind {
            ValueKind::Array(items) => {
                let moved = std::mem::take(items)
                    .into_iter()
                    .map(|item| item.moved_to(span));
                *items = moved.collect();
            }
            ValueKind::Map(map) => {
                let mut moved = Map::default();
                for entry in std::mem::take(&mut map.entries) {
                    moved.insert(entry.key, span, entry.value.moved_to(span));
                }
                *map = moved;
            }
            _ => {}
        }
        self
    }

    fn measure_all<'a>(values: impl Iterator<Item = &'a Value>, own: usize) -> (usize, usize) {
        let (mut depth, mut bytes) = (0, own);
        for value in values {
            let (inner_depth, inner_bytes) = value.measure();
            depth = depth.max(inner_depth);
            bytes = bytes.saturating_add(inner_bytes);
        }
        (depth + 1, bytes)
    }
}

/// An ordered map.
#[derive(Clone, Debug, Default)]
pub(crate) struct Map {
    entries: Vec<Entry>,
    index: BTreeMap<String, usize>,
}

/// A key and its value.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_span: Span,
    pub(crate) value: Value,
    /// A variable referred to this key, so it may be one the server does not know.
    pub(crate) used_variable: Cell<bool>,
}

impl Map {
    /// Adds an entry, or replaces the one with that key.
    pub(crate) fn insert(&mut self, key: String, key_span: Span, value: Value) {
        let entry = Entry {
            key,
            key_span,
            value,
            used_variable: Cell::new(false),
        };
        match self
            .index
            .get(&entry.key)
            .and_then(|&at| self.entries.get_mut(at))
        {
            Some(existing) => *existing = entry,
            None => {
                self.index.insert(entry.key.clone(), self.entries.len());
                self.entries.push(entry);
            }
        }
    }

    /// Moves all entries of another map into this one.
    pub(crate) fn merge(&mut self, other: Self) {
        for entry in other.entries {
            self.insert(entry.key, entry.key_span, entry.value);
        }
    }

    /// The entry with exactly that key.
    pub(crate) fn entry(&self, key: &str) -> Option<&Entry> {
        self.index.get(key).and_then(|&at| self.entries.get(at))
    }

    /// All entries, in the order of the file.
    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}
