//! `covers` and `overlaps` against their definition, by trying every subject of a small world.

use cognate_subject::validate::{covers, is_valid_filter, is_valid_literal, matches, overlaps};

/// Every sequence of 1 to `longest` of these tokens that `keep` lets through.
fn every(tokens: &[&str], longest: usize, keep: fn(&[u8]) -> bool) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    let mut last = vec![String::new()];
    for _ in 0..longest {
        let extend = |head: &String| {
            let join = |token: &&str| match head.as_str() {
                "" => (*token).to_owned(),
                head => format!("{head}.{token}"),
            };
            tokens.iter().map(join).collect::<Vec<_>>()
        };
        last = last.iter().flat_map(extend).collect();
        all.extend(
            last.iter()
                .filter(|subject| keep(subject.as_bytes()))
                .cloned(),
        );
    }
    all
}

#[test]
fn relations_hold_for_every_subject_of_a_small_world() {
    // The filters know two literals. The subjects know a third, which stands for all others, and
    // are longer than any filter, so that a tail differs from one token.
    let filters = every(&["a", "b*", "*", ">"], 3, is_valid_filter);
    let subjects = every(&["a", "b*", "c"], 4, is_valid_literal);
    assert_eq!((filters.len(), subjects.len()), (52, 120));

    let matched = |filter: &String| -> Vec<bool> {
        subjects
            .iter()
            .map(|s| matches(filter.as_bytes(), s.as_bytes()))
            .collect()
    };
    let sets: Vec<Vec<bool>> = filters.iter().map(matched).collect();
    for (a, in_a) in filters.iter().zip(&sets) {
        for (b, in_b) in filters.iter().zip(&sets) {
            let (x, y) = (a.as_bytes(), b.as_bytes());
            let covering = in_a.iter().zip(in_b).all(|(in_a, in_b)| *in_a || !in_b);
            assert_eq!(covers(x, y), covering, "{a:?} covers {b:?}");
            let overlapping = in_a.iter().zip(in_b).any(|(in_a, in_b)| *in_a && *in_b);
            assert_eq!(overlaps(x, y), overlapping, "{a:?} overlaps {b:?}");
        }
    }
}
