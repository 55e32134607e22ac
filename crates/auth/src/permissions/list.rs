//! Lists of entries, as they are written.
//!
//! Owns the form in which lists are kept: one piece of text for all entries, of each only what differs
//! from the one before, shared between the options, the users made of them and what a reload compares.
//! A configuration may have millions of entries, most of which are never compiled; kept one by one they
//! would cost a multiple of its text. Invariant: what goes in comes out, in the same order, whatever the
//! text. Absent: whether an entry is valid.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// Bits of a length in each of its digits, which have to be ASCII.
const DIGIT_BITS: u32 = 6;
/// Marks a digit that others follow.
const MORE: u8 = 1 << DIGIT_BITS;

/// Texts in order. Cheap to clone.
#[derive(Clone, Default)]
pub struct SubjectList {
    /// For each entry how many bytes it shares with the beginning of the one before, how many are its
    /// own (both in digits of six bits, the lowest first), and these. `None` is the empty list.
    text: Option<Arc<str>>,
}

impl SubjectList {
    /// The entries in order.
    pub fn iter(&self) -> impl Iterator<Item = String> {
        let mut entries = self.entries();
        std::iter::from_fn(move || entries.advance().map(str::to_owned))
    }

    /// The entries in order, one at a time, for who does not keep them.
    pub fn entries(&self) -> Entries<'_> {
        Entries {
            rest: self.text.as_deref().unwrap_or_default(),
            entry: String::new(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.text.is_none()
    }

    /// Whether an entry is exactly this text.
    pub fn contains(&self, entry: &str) -> bool {
        self.iter().any(|one| one == entry)
    }

    /// The list with one more entry at its end.
    #[must_use]
    pub fn with(&self, entry: &str) -> Self {
        self.iter().chain([entry.to_owned()]).collect()
    }
}

/// The entries of a [`SubjectList`], one at a time.
#[derive(Clone, Debug)]
pub struct Entries<'a> {
    rest: &'a str,
    entry: String,
}

impl Entries<'_> {
    /// The next entry.
    pub fn advance(&mut self) -> Option<&str> {
        let (shared, own) = (self.number()?, self.number()?);
        let (own, rest) = self.rest.split_at_checked(own)?;
        self.rest = rest;
        self.entry.truncate(shared);
        self.entry.push_str(own);
        Some(&self.entry)
    }

    fn number(&mut self) -> Option<usize> {
        let (mut number, mut shift) = (0, 0);
        loop {
            let digit = *self.rest.as_bytes().first()?;
            self.rest = self.rest.get(1..)?;
            number |= usize::from(digit & (MORE - 1)) << shift;
            shift += DIGIT_BITS;
            if digit & MORE == 0 {
                return Some(number);
            }
        }
    }
}

fn write_number(text: &mut String, mut number: usize) {
    while number >= usize::from(MORE) {
        text.push(char::from(number as u8 & (MORE - 1) | MORE));
        number >>= DIGIT_BITS;
    }
    text.push(char::from(number as u8));
}

/// Bytes that two texts begin with alike, whole characters only.
fn shared_bytes(one: &str, other: &str) -> usize {
    let pairs = one.bytes().zip(other.bytes());
    let mut shared = pairs.take_while(|(one, other)| one == other).count();
    while !one.is_char_boundary(shared) || !other.is_char_boundary(shared) {
        shared -= 1;
    }
    shared
}

impl<S: AsRef<str>> FromIterator<S> for SubjectList {
    fn from_iter<I: IntoIterator<Item = S>>(entries: I) -> Self {
        let mut text = String::new();
        let mut before: Option<S> = None;
        for item in entries {
            let entry = item.as_ref();
            let shared = before.map_or(0, |before| shared_bytes(before.as_ref(), entry));
            let own = &entry[shared..];
            write_number(&mut text, shared);
            write_number(&mut text, own.len());
            text.push_str(own);
            before = Some(item);
        }
        SubjectList {
            text: (!text.is_empty()).then(|| text.into()),
        }
    }
}

impl<S: AsRef<str>> From<&[S]> for SubjectList {
    fn from(entries: &[S]) -> Self {
        entries.iter().map(AsRef::as_ref).collect()
    }
}

impl<S: AsRef<str>, const N: usize> From<[S; N]> for SubjectList {
    fn from(entries: [S; N]) -> Self {
        entries.into_iter().collect()
    }
}

impl PartialEq for SubjectList {
    fn eq(&self, other: &Self) -> bool {
        match (&self.text, &other.text) {
            // Equal lists of one configuration are one list.
            (Some(one), Some(other)) => Arc::ptr_eq(one, other) || one == other,
            (one, other) => one.is_none() && other.is_none(),
        }
    }
}

impl Eq for SubjectList {}

impl Hash for SubjectList {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl fmt::Debug for SubjectList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::SubjectList;
    use proptest::prelude::*;

    #[test]
    fn lists_are_compared_by_their_entries() {
        let list = SubjectList::from(["a.>", "b q"]);
        assert_eq!(format!("{list:?}"), r#"["a.>", "b q"]"#);
        assert_eq!(list, SubjectList::from(["a.>"]).with("b q"));
        assert_ne!(list, SubjectList::from(["a.>b q"]));
        assert!(list.contains("b q") && !list.contains("b"));
        assert!(SubjectList::default().is_empty() && !SubjectList::from([""]).is_empty());
        assert_eq!(SubjectList::default(), SubjectList::from([""; 0]));
    }

    #[test]
    fn entries_that_begin_alike_cost_little() {
        let entries = (0..100).map(|n| format!("a.rather.long.beginning.{n:02}.>"));
        let list: SubjectList = entries.clone().collect();
        assert!(list.text.as_ref().is_some_and(|text| text.len() < 700));
        assert!(list.iter().eq(entries));
    }

    proptest! {
        #[test]
        fn what_goes_in_comes_out(entries in proptest::collection::vec("[aä☃]{0,6}|\\PC{0,80}", 0..30)) {
            let mut entries = entries;
            // Lengths around those that need another digit, shared and not.
            for letter in ["x", "x", "☃"] {
                entries.extend([63, 64, 65, 4095, 4096, 5000].map(|len| letter.repeat(len)));
            }
            let list: SubjectList = entries.iter().collect();
            prop_assert_eq!(list.iter().collect::<Vec<_>>(), entries);
        }
    }
}
