//! The tree against the naive matcher, through [`check`].

use std::collections::BTreeMap;

use proptest::{collection::vec, prelude::*};

use super::*;
use crate::validate::matches;

/// The obvious tree: every operation of [`Tree`] is compared with it.
type Model = BTreeMap<Vec<u8>, u32>;

fn tree_of(filters: &[impl AsRef<[u8]>]) -> (Tree<u32>, Model) {
    let (mut tree, mut model) = (Tree::new(7), Model::new());
    for (value, filter) in (0..).zip(filters) {
        tree.get_or_insert_with(filter.as_ref(), || value);
        model.entry(filter.as_ref().to_vec()).or_insert(value);
    }
    (tree, model)
}

fn sorted<T: Ord>(mut items: Vec<T>) -> Vec<T> {
    items.sort();
    items
}

/// What `query` finds in both, by match, overlap and cover.
#[track_caller]
fn check(tree: &Tree<u32>, model: &Model, query: &[u8]) {
    let shown = query.escape_ascii();
    let wanted = |holds: &dyn Fn(&[u8]) -> bool| -> Vec<(Vec<u8>, u32)> {
        model
            .iter()
            .filter(|(filter, _)| holds(filter))
            .map(|(f, v)| (f.clone(), *v))
            .collect()
    };

    let mut found = Vec::new();
    tree.for_each_match(query, |value| found.push(*value));
    let expected = wanted(&|filter| matches(filter, query));
    let values = sorted(expected.iter().map(|(_, value)| *value).collect());
    assert_eq!(sorted(found), values, "matches of {shown}");
    assert_eq!(
        tree.any_match(query, |_| true),
        !expected.is_empty(),
        "any match of {shown}"
    );
    for value in &values {
        assert!(
            tree.any_match(query, |found| found == value),
            "{value} matching {shown}"
        );
    }
    assert_eq!(tree.get(query), model.get(query), "value of {shown}");
    if !is_valid_filter(query) {
        return;
    }

    let mut found = Vec::new();
    tree.for_each_overlap(query, |filter, value| found.push((filter.to_vec(), *value)));
    assert_eq!(
        sorted(found),
        wanted(&|f| overlaps(query, f)),
        "overlaps with {shown}"
    );

    let mut found = Vec::new();
    tree.for_each_covered_by(query, |filter, value| found.push((filter.to_vec(), *value)));
    assert_eq!(
        sorted(found),
        wanted(&|f| covers(query, f)),
        "covered by {shown}"
    );
}

/// The whole content, and the trie's invariants.
#[track_caller]
fn check_content(tree: &Tree<u32>, model: &Model) {
    let content: Model = tree
        .iter()
        .map(|(filter, value)| (filter.to_vec(), *value))
        .collect();
    assert_eq!(&content, model);
    assert_eq!(tree.len(), model.len());
    assert_eq!(tree.is_empty(), model.is_empty());
    assert_eq!(
        tree.pattern_count(),
        model.keys().filter(|f| has_wildcard(f)).count()
    );
    assert_eq!(tree.heap_bytes() == 0, model.is_empty());
    tree.patterns.assert_sound(&tree.seed);
}

#[test]
fn subjects_find_their_filters() {
    let filters = [
        "foo",
        "*",
        ">",
        "foo.bar",
        "foo.*",
        "*.bar",
        "*.*",
        "foo.>",
        "*.>",
        "foo.*.baz",
        "foo.bar.>",
        "foo.*-",
        "foo.>-",
        "*foo",
        "a.*.*.d",
        "a.b.*.d",
        "a.*.c.d",
        "a.b.c.*",
    ];
    let (tree, model) = tree_of(&filters);
    check_content(&tree, &model);
    for query in filters {
        check(&tree, &model, query.as_bytes());
    }
    for query in [
        "foo.bar.baz",
        "foo.qux.baz",
        "a.b.c.d",
        "a.b.c.e",
        "a.x.c.d",
        "x",
        "x.y.z",
        "",
    ] {
        check(&tree, &model, query.as_bytes());
    }
}

#[test]
fn subjects_with_empty_tokens_match_nothing() {
    let (tree, model) = tree_of(&[">", "*", "*.*", "foo.>", "foo", "*.>"]);
    for query in [
        "",
        ".",
        "..",
        ".foo",
        "foo.",
        "foo..",
        "foo..bar",
        "foo...bar",
        "foo.a..b",
    ] {
        check(&tree, &model, query.as_bytes());
        assert!(
            !tree.any_match(query.as_bytes(), |_| true),
            "{query:?} matched"
        );
    }
}

#[test]
fn wildcard_tokens_in_a_subject_are_ordinary_tokens() {
    let (tree, model) = tree_of(&["foo.*", "foo.>", "foo.bar", "*.*.c", "foo.*.c"]);
    for (query, count) in [
        ("foo.*", 2),
        ("foo.>", 2),
        ("foo.*.c", 3),
        ("*.>.c", 1),
        ("*", 0),
    ] {
        check(&tree, &model, query.as_bytes());
        let mut found = 0;
        tree.for_each_match(query.as_bytes(), |_| found += 1);
        assert_eq!(found, count, "matches of {query:?}");
    }
}

#[test]
fn one_value_per_filter_which_can_be_changed_and_removed() {
    let mut tree = Tree::new(1);
    for filter in ["a.b", "a.*", "a.>"] {
        assert_eq!(*tree.get_or_insert_with(filter.as_bytes(), || 1), 1);
        *tree.get_or_insert_with(filter.as_bytes(), || unreachable!()) += 1;
        *tree.get_mut(filter.as_bytes()).expect("it was inserted") += 1;
    }
    tree.values_mut().for_each(|value| *value *= 2);
    assert_eq!(tree.get_mut(b"a.c"), None);
    assert_eq!(tree.get_mut(b"*.b"), None);
    for filter in ["a.b", "a.*", "a.>"] {
        assert_eq!(tree.remove(filter.as_bytes()), Some(6));
        assert_eq!(tree.remove(filter.as_bytes()), None);
    }
    check_content(&tree, &Model::new());
}

#[test]
fn depth_is_no_danger() {
    // 100,000 tokens, far beyond any control line, and `*` branches at every level on the way.
    let deep = |token: &str, count: usize| vec![token; count].join(".").into_bytes();
    let mut filters = vec![
        deep("*", 100_000),
        [deep("a", 99_999), b".>".to_vec()].concat(),
    ];
    filters.extend((1..100).map(|n| [deep("a", n * 10), b".*.b".to_vec()].concat()));
    let (mut tree, mut model) = tree_of(&filters);
    for query in [
        deep("a", 100_000),
        deep("a", 99_999),
        deep("b", 100_000),
        deep("a", 1_000),
    ] {
        check(&tree, &model, &query);
    }
    for filter in filters {
        assert_eq!(tree.remove(&filter), model.remove(&filter));
        check_content(&tree, &model);
    }
}

#[test]
fn every_combination_of_wildcards_is_found_once() {
    let mut filters = Vec::new();
    for bits in 0..1_u32 << 10 {
        let token = |at: u32| if bits >> at & 1 == 0 { "a" } else { "*" };
        filters.push((0..10).map(token).collect::<Vec<_>>().join("."));
    }
    let (tree, model) = tree_of(&filters);
    check_content(&tree, &model);
    check(&tree, &model, b"a.a.a.a.a.a.a.a.a.a");
    check(&tree, &model, b"a.a.a.a.b.a.a.a.a.a");
}

#[test]
fn memory_is_given_back() {
    let (mut tree, mut model) = (Tree::new(3), Model::new());
    for n in 0..40_000 {
        for filter in [format!("literal.{n}"), format!("pattern.{n}.*")] {
            tree.get_or_insert_with(filter.as_bytes(), || n);
            model.insert(filter.into_bytes(), n);
        }
    }
    let full = tree.heap_bytes();
    for n in 10..40_000 {
        for filter in [format!("literal.{n}"), format!("pattern.{n}.*")] {
            assert_eq!(tree.remove(filter.as_bytes()), Some(n));
            model.remove(filter.as_bytes());
        }
    }
    assert!(
        tree.heap_bytes() < full / 8,
        "{} of {full} bytes are left",
        tree.heap_bytes()
    );
    check_content(&tree, &model);
    for n in 0..11 {
        check(&tree, &model, format!("literal.{n}").as_bytes());
        check(&tree, &model, format!("pattern.{n}.x").as_bytes());
    }
}

/// Tokens from a small alphabet, so that random filters and subjects meet; one is too long to be
/// kept inside a node.
fn token(wildcards: bool) -> impl Strategy<Value = &'static str> {
    let plain = ["a", "b", "a*", ">b", "a-token-that-is-longer-than-a-node"];
    let all = [&plain[..], &["*", "*", "*", ">"]].concat();
    prop::sample::select(if wildcards { all } else { plain.to_vec() })
}

fn filter() -> impl Strategy<Value = Vec<u8>> {
    vec(token(true), 1..6).prop_map(|mut tokens| {
        if let Some(tail) = tokens.iter().position(|token| *token == ">") {
            tokens.truncate(tail + 1);
        }
        tokens.join(".").into_bytes()
    })
}

/// Mostly sensible, sometimes with empty or wildcard tokens.
fn subject() -> impl Strategy<Value = Vec<u8>> {
    let odd = prop::sample::select(vec!["", "*", ">", "a", "b"]);
    prop_oneof![
        8 => vec(token(false), 1..6).prop_map(|tokens| tokens.join(".").into_bytes()),
        1 => vec(odd, 0..5).prop_map(|tokens| tokens.join(".").into_bytes()),
        1 => filter(),
    ]
}

#[derive(Clone, Debug)]
enum Step {
    Insert(Vec<u8>),
    Remove(Vec<u8>),
    Match(Vec<u8>),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => filter().prop_map(Step::Insert),
        2 => filter().prop_map(Step::Remove),
        3 => subject().prop_map(Step::Match),
    ];
    vec(step, 1..120)
}

proptest! {
    #[test]
    fn a_tree_does_what_the_naive_map_does(seed: u64, steps in steps()) {
        let (mut tree, mut model) = (Tree::new(seed), Model::new());
        for (value, step) in (0..).zip(steps) {
            match step {
                Step::Insert(filter) => {
                    let kept = *tree.get_or_insert_with(&filter, || value);
                    prop_assert_eq!(kept, *model.entry(filter).or_insert(value));
                }
                Step::Remove(filter) => {
                    prop_assert_eq!(tree.remove(&filter), model.remove(&filter));
                }
                Step::Match(subject) => check(&tree, &model, &subject),
            }
            check_content(&tree, &model);
        }
    }

    #[test]
    fn any_bytes_can_be_matched(bytes in vec(any::<u8>(), 0..40)) {
        let (tree, model) = tree_of(&["*", ">", "*.*", "*.>", "a"]);
        check(&tree, &model, &bytes);
    }
}
