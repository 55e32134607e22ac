//! Lists of filters, checked once and asked often.
//!
//! Owns the parsing of permission entries and the choice of how to search them. Invariant: every
//! stored subject and queue is a valid filter. Used by the parent module only.

use super::{PermissionError, SubjectList};
use cognate_subject::{Tree, validate};

/// Longer lists than this are searched as a tree; shorter ones are faster one by one.
const LINEAR_FILTERS: usize = 8;

/// Filters without a queue, asked which of them match a subject.
pub(super) enum FilterSet {
    List(Vec<Box<[u8]>>),
    Tree(Tree<()>),
}

impl FilterSet {
    /// Checks every entry; `list` names the list in errors.
    pub(super) fn parse(
        list: &'static str,
        entries: &SubjectList,
    ) -> Result<Self, PermissionError> {
        let filters = entries.iter().map(|entry| parse_subject(list, &entry));
        Ok(FilterSet::new(filters.collect::<Result<_, _>>()?))
    }

    /// Stores filters already checked.
    pub(super) fn new(filters: Vec<Box<[u8]>>) -> Self {
        if filters.len() <= LINEAR_FILTERS {
            return FilterSet::List(filters);
        }
        // Any seed: whoever writes the configuration does not attack the server by it.
        let mut tree = Tree::new(0);
        for filter in &filters {
            tree.get_or_insert_with(filter, || ());
        }
        FilterSet::Tree(tree)
    }

    pub(super) fn is_empty(&self) -> bool {
        match self {
            FilterSet::List(filters) => filters.is_empty(),
            FilterSet::Tree(tree) => tree.is_empty(),
        }
    }

    pub(super) fn matches(&self, subject: &[u8]) -> bool {
        match self {
            FilterSet::List(filters) => filters
                .iter()
                .any(|filter| validate::matches(filter, subject)),
            FilterSet::Tree(tree) => tree.any_match(subject, |()| true),
        }
    }
}

/// An entry of a subscribe list: `subject` or `subject queue`.
#[derive(Clone, Debug)]
pub(super) struct QueueEntry {
    pub(super) subject: Box<[u8]>,
    pub(super) queue: Option<Box<[u8]>>,
}

impl QueueEntry {
    /// Checks every entry; `list` names the list in errors.
    pub(super) fn parse_list(
        list: &'static str,
        entries: &SubjectList,
    ) -> Result<Vec<Self>, PermissionError> {
        entries
            .iter()
            .map(|entry| QueueEntry::parse(list, &entry))
            .collect()
    }

    /// Whether every entry is one.
    pub(super) fn check_list(
        list: &'static str,
        entries: &SubjectList,
    ) -> Result<(), PermissionError> {
        let mut entries = entries.entries();
        while let Some(entry) = entries.advance() {
            QueueEntry::parse(list, entry)?;
        }
        Ok(())
    }

    pub(super) fn parse(list: &'static str, entry: &str) -> Result<Self, PermissionError> {
        // The separators of the Go server's field splitting that a subject cannot contain.
        let mut words = entry.split_ascii_whitespace();
        match (words.next(), words.next(), words.next()) {
            (Some(subject), None, None) if subject.len() == entry.len() => Ok(QueueEntry {
                subject: parse_subject(list, subject)?,
                queue: None,
            }),
            (Some(subject), Some(queue), None) => {
                let subject = parse_subject(list, subject)?;
                if !validate::is_valid_filter(queue.as_bytes()) {
                    return Err(PermissionError::Queue {
                        list,
                        text: queue.to_owned(),
                    });
                }
                Ok(QueueEntry {
                    subject,
                    queue: Some(queue.as_bytes().into()),
                })
            }
            _ => Err(PermissionError::Subject {
                list,
                text: entry.to_owned(),
            }),
        }
    }

    /// Whether the entry speaks about a subscription in `queue`, if any.
    pub(super) fn applies_to(&self, queue: Option<&[u8]>) -> bool {
        match queue {
            _ if self.queue.is_none() => true,
            Some(queue) => self.names_queue(queue),
            None => false,
        }
    }

    /// Whether the entry has a queue pattern that includes `queue`. A queue may itself be named
    /// like a wildcard, so the literal name counts, and otherwise the pattern must cover it.
    pub(super) fn names_queue(&self, queue: &[u8]) -> bool {
        self.queue
            .as_deref()
            .is_some_and(|pattern| pattern == queue || validate::covers(pattern, queue))
    }
}

/// Whether every entry is a filter.
pub(super) fn check_subjects(
    list: &'static str,
    entries: &SubjectList,
) -> Result<(), PermissionError> {
    let mut entries = entries.entries();
    while let Some(entry) = entries.advance() {
        check_subject(list, entry)?;
    }
    Ok(())
}

fn parse_subject(list: &'static str, text: &str) -> Result<Box<[u8]>, PermissionError> {
    check_subject(list, text).map(|()| text.as_bytes().into())
}

fn check_subject(list: &'static str, text: &str) -> Result<(), PermissionError> {
    match validate::is_valid_filter(text.as_bytes()) {
        true => Ok(()),
        false => Err(PermissionError::Subject {
            list,
            text: text.to_owned(),
        }),
    }
}
