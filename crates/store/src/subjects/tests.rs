//! The index against a sorted map, on subjects that share much and little.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use cognate_subject::validate::matches;
use proptest::prelude::*;

use super::*;

/// Tokens that are prefixes of each other, short and long ones, all bytes.
fn token() -> impl Strategy<Value = Vec<u8>> {
    let byte = (1..=255u8).prop_filter("no dot or space", |b| !b". \t\n\r\x0c*>".contains(b));
    prop_oneof![
        5 => prop::sample::select(vec!["a", "b", "ab", "abc", "c", "order", "orders"])
            .prop_map(|token| token.as_bytes().to_vec()),
        3 => (0..300u32).prop_map(|n| n.to_string().into_bytes()),
        1 => byte.prop_map(|byte| vec![byte]),
        1 => (0..26u8, 8..40usize).prop_map(|(letter, len)| vec![b'a' + letter; len]),
    ]
}

fn join(tokens: Vec<Vec<u8>>) -> Vec<u8> {
    tokens.join(&b'.')
}

fn subject() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(token(), 1..5).prop_map(join)
}

fn filter() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![2 => token(), 2 => Just(b"*".to_vec())];
    (prop::collection::vec(part, 0..4), any::<bool>()).prop_map(|(mut parts, tail)| {
        if tail || parts.is_empty() {
            parts.push(b">".to_vec());
        }
        join(parts)
    })
}

#[track_caller]
fn check_filter(index: &SubjectIndex<u64>, model: &BTreeMap<Vec<u8>, u64>, filter: &[u8]) {
    let mut found = Vec::new();
    let _ = index.for_each_match(filter, &mut |subject, value| {
        found.push((subject.to_vec(), *value));
        ControlFlow::Continue(())
    });
    let expected: Vec<_> = model
        .iter()
        .filter(|(subject, _)| matches(filter, subject))
        .map(|(subject, value)| (subject.clone(), *value))
        .collect();
    assert_eq!(found, expected, "filter {}", filter.escape_ascii());
    assert_eq!(index.count_matches(filter), expected.len() as u64);
    check_steps(index, filter, expected);
}

/// A walk in steps of three sees the same.
#[track_caller]
fn check_steps(index: &SubjectIndex<u64>, filter: &[u8], expected: Vec<(Vec<u8>, u64)>) {
    let mut found: Vec<(Vec<u8>, u64)> = Vec::new();
    let mut flow = ControlFlow::Break(());
    while flow.is_break() {
        let after = found.last().map(|(subject, _)| subject.clone());
        let until = found.len() + 3;
        flow = index.for_each_match_after(filter, after.as_deref(), &mut |subject, value| {
            found.push((subject.to_vec(), *value));
            if found.len() == until {
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        });
    }
    assert_eq!(found, expected, "filter {} in steps", filter.escape_ascii());
}

proptest! {
    #[test]
    fn it_is_a_sorted_map(
        steps in prop::collection::vec((subject(), 0..4u8), 1..400),
        filters in prop::collection::vec(filter(), 1..12),
    ) {
        let mut index = SubjectIndex::new();
        let mut model = BTreeMap::new();
        for (at, (subject, what)) in steps.iter().enumerate() {
            if *what == 0 {
                prop_assert_eq!(index.remove(subject), model.remove(subject));
            } else {
                *index.entry_or_insert(subject) = at as u64;
                model.insert(subject.clone(), at as u64);
            }
            prop_assert_eq!(index.len(), model.len());
        }
        for (subject, _) in &steps {
            prop_assert_eq!(index.get(subject), model.get(subject));
            prop_assert_eq!(index.get_mut(subject), model.get_mut(subject));
            prop_assert_eq!(index.get(&subject[1..]), model.get(&subject[1..]));
        }
        for filter in &filters {
            check_filter(&index, &model, filter);
        }
        let subjects: Vec<_> = model.keys().cloned().collect();
        for subject in subjects {
            prop_assert_eq!(index.remove(&subject), model.remove(&subject));
            check_filter(&index, &model, b">");
        }
        prop_assert_eq!(index.live_words(), 0);
    }
}

#[test]
fn wide_nodes_grow_and_shrink() {
    let mut index = SubjectIndex::new();
    let mut model = BTreeMap::new();
    let subjects: Vec<Vec<u8>> = (0..=255u8).map(|byte| vec![b'x', byte]).collect();
    for (at, subject) in subjects.iter().rev().chain([&b"x".to_vec()]).enumerate() {
        *index.entry_or_insert(subject) = at as u64;
        model.insert(subject.clone(), at as u64);
        assert!(model.iter().all(|(s, v)| index.get(s) == Some(v)));
    }
    for subject in subjects
        .iter()
        .step_by(2)
        .chain(subjects.iter().skip(1).step_by(2))
    {
        assert_eq!(index.remove(subject), model.remove(subject));
        assert_eq!(index.remove(subject), None);
        assert!(model.iter().all(|(s, v)| index.get(s) == Some(v)));
    }
    assert_eq!(index.len(), 1);
}

#[test]
fn subjects_of_the_longest_kind_and_deep_ladders_are_held() {
    let mut index = SubjectIndex::new();
    let longest = vec![b'q'; MAX_SUBJECT_BYTES];
    *index.entry_or_insert(&longest) = 1u64;
    for len in 1..2000 {
        *index.entry_or_insert(&longest[..len]) = len as u64;
    }
    assert_eq!(index.get(&longest), Some(&1));
    assert_eq!(index.count_matches(b"*"), 2000);
    for len in 1..2000 {
        assert_eq!(index.remove(&longest[..len]), Some(len as u64));
    }
    assert_eq!(index.remove(&longest), Some(1));
    assert_eq!(index.live_words(), 0);
}

#[test]
fn a_walk_ends_when_it_is_told_to() {
    let mut index = SubjectIndex::new();
    for n in 0..100u64 {
        *index.entry_or_insert(format!("a.{n:02}.b").as_bytes()) = n;
    }
    let mut seen = Vec::new();
    let flow = index.for_each_match(b"a.*.b", &mut |_, value| {
        seen.push(*value);
        if *value == 4 {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    assert_eq!(flow, ControlFlow::Break(()));
    assert_eq!(seen, [0, 1, 2, 3, 4]);
}

#[test]
fn memory_follows_the_subjects_down() {
    let mut index = SubjectIndex::new();
    let subject = |n: u64| format!("k.{n}").into_bytes();
    for n in 0..20_000u64 {
        *index.entry_or_insert(&subject(n)) = n;
    }
    let full = index.heap_bytes();
    for n in (0..20_000).filter(|n| n % 20 != 7) {
        assert_eq!(index.remove(&subject(n)), Some(n));
    }
    let rest = index.heap_bytes();
    assert!(rest < full / 3, "{rest} bytes of {full} for a twentieth");
    for n in 0..20_000 {
        let expected = (n % 20 == 7).then_some(n);
        assert_eq!(index.remove(&subject(n)), expected, "{n}");
    }
    assert_eq!(index.heap_bytes(), 0);
}
