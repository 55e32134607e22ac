//! Sets of filters against the definition of matching.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

fn filter_set(filters: &[String]) -> FilterSet {
    let filters: Vec<_> = filters
        .iter()
        .map(|filter| Filter::try_from(filter.as_str()).expect("valid"))
        .collect();
    FilterSet::new(&filters, 7)
}

fn subject() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(vec!["a", "b", "c", "dd"]), 1..4)
        .prop_map(|tokens| tokens.join("."))
}

fn filter() -> impl Strategy<Value = String> {
    let token = prop::sample::select(vec!["a", "b", "c", "dd", "*", "*"]);
    (prop::collection::vec(token, 1..4), 0..4u8).prop_map(|(mut tokens, tail)| {
        if tail == 0 {
            tokens.push(">");
        }
        tokens.join(".")
    })
}

proptest! {
    #[test]
    fn every_subject_is_visited_once(
        filters in prop::collection::vec(filter(), 0..6),
        subjects in prop::collection::btree_set(subject(), 0..40),
        padding in 0..2usize,
    ) {
        let mut filters = filters;
        // Enough patterns that they are not compared with each other.
        filters.extend((0..padding * 80).map(|n| format!("pad{n}.*")));
        let set = filter_set(&filters);
        let mut index = SubjectIndex::<u8>::new();
        for subject in &subjects {
            *index.entry_or_insert(subject.as_bytes()) += 1;
        }
        let expected: BTreeSet<Vec<u8>> = subjects
            .iter()
            .filter(|s| {
                let matched = |f: &String| matches(f.as_bytes(), s.as_bytes());
                filters.is_empty() || filters.iter().any(matched)
            })
            .map(|s| s.clone().into_bytes())
            .collect();
        let mut visited = BTreeSet::new();
        let _ = set.for_each_subject(&index, &mut |subject, _| {
            assert!(visited.insert(subject.to_vec()), "visited twice");
            ControlFlow::Continue(())
        });
        prop_assert_eq!(&visited, &expected);
        for subject in &subjects {
            let subject = subject.as_bytes();
            prop_assert_eq!(set.matches(subject), expected.contains(subject));
        }
    }
}

#[test]
fn sets_know_when_their_subjects_are_known() {
    let kinds = |filters: &[&str]| {
        let filters: Vec<_> = filters.iter().map(|f| (*f).to_owned()).collect();
        let set = filter_set(&filters);
        let single = set.single().map(<[u8]>::to_vec);
        (set.is_all(), single, set.literals().map(<[_]>::len))
    };
    assert_eq!(kinds(&[]), (true, None, None));
    assert_eq!(kinds(&["a.b", ">"]), (true, None, None));
    assert_eq!(
        kinds(&["a.b", "a.b"]),
        (false, Some(b"a.b".to_vec()), Some(1))
    );
    assert_eq!(kinds(&["b", "a"]), (false, None, Some(2)));
    assert_eq!(kinds(&["a.*", "a.b"]), (false, None, None));
}
