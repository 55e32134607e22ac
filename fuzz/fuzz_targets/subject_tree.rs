//! The subject tree against a list of filters, and validation against its rules in words.
//!
//! The input is a list of lines, each an operation on a filter or subject: `+` inserts, `-` removes,
//! `=` looks one up, `?` matches, `&` asks for overlaps, `<` for what is covered, `@` changes the
//! seed and rebuilds.
//!
//! Checks: after every operation the answer is the one of the list; lengths agree; memory is given
//! back when the filters are gone; `is_valid_*` say what the rules say.
#![no_main]

use std::collections::BTreeMap;

use cognate_fuzz::{naive_filter, naive_literal, naive_match};
use cognate_subject::validate::{self, covers, overlaps};
use cognate_subject::{Filter, Subject, Tree};
use libfuzzer_sys::fuzz_target;

/// Enough to grow and shrink every table a few times.
const OPERATIONS: usize = 400;

/// What an empty tree may keep for the next filter.
const KEPT_BYTES: usize = 1024;

type Model = BTreeMap<Vec<u8>, u32>;

fuzz_target!(|data: &[u8]| {
    let seed = u64::from(data.first().copied().unwrap_or_default());
    let (mut tree, mut model) = (Tree::new(seed), Model::new());
    for (number, line) in data
        .split(|&byte| byte == b'\n')
        .take(OPERATIONS)
        .enumerate()
    {
        let Some((&operation, name)) = line.split_first() else {
            continue;
        };
        check_name(name);
        step(operation, name, number as u32, &mut tree, &mut model);
        assert_eq!(tree.len(), model.len());
    }
    check_contents(&mut tree, &model);
    for filter in model.keys() {
        assert!(tree.remove(filter).is_some());
    }
    assert!(tree.is_empty() && tree.iter().next().is_none());
    assert!(
        tree.heap_bytes() <= KEPT_BYTES,
        "keeps {} bytes",
        tree.heap_bytes()
    );
});

fn step(operation: u8, name: &[u8], number: u32, tree: &mut Tree<u32>, model: &mut Model) {
    match operation {
        b'+' if validate::is_valid_filter(name) => {
            let value = *tree.get_or_insert_with(name, || number);
            assert_eq!(value, *model.entry(name.to_vec()).or_insert(number));
        }
        b'-' => assert_eq!(tree.remove(name), model.remove(name)),
        b'=' => {
            assert_eq!(tree.get(name), model.get(name));
            assert_eq!(tree.get_mut(name), model.get_mut(name));
        }
        b'?' => {
            let expected = values(model, |filter| naive_match(filter, name));
            let mut found = Vec::new();
            tree.for_each_match(name, |value| found.push(*value));
            found.sort_unstable();
            assert_eq!(found, expected);
            assert_eq!(tree.any_match(name, |_| true), !expected.is_empty());
        }
        b'&' if validate::is_valid_filter(name) => {
            let mut found = Vec::new();
            tree.for_each_overlap(name, |filter, value| {
                assert_eq!(model.get(filter), Some(value));
                found.push(*value);
            });
            found.sort_unstable();
            assert_eq!(found, values(model, |filter| overlaps(name, filter)));
        }
        b'<' if validate::is_valid_filter(name) => {
            let mut found = Vec::new();
            tree.for_each_covered_by(name, |_, value| found.push(*value));
            found.sort_unstable();
            assert_eq!(found, values(model, |filter| covers(name, filter)));
        }
        b'@' => {
            *tree = Tree::new(u64::from(number) << 32 | name.len() as u64);
            for (filter, value) in &*model {
                tree.get_or_insert_with(filter, || *value);
            }
        }
        _ => {}
    }
}

/// The values of the filters that `wanted` picks, in order.
fn values(model: &Model, wanted: impl Fn(&[u8]) -> bool) -> Vec<u32> {
    let picked = model.iter().filter(|(filter, _)| wanted(filter));
    let mut values: Vec<u32> = picked.map(|(_, value)| *value).collect();
    values.sort_unstable();
    values
}

fn check_contents(tree: &mut Tree<u32>, model: &Model) {
    let mut found: Vec<_> = tree
        .iter()
        .map(|(filter, value)| (filter.to_vec(), *value))
        .collect();
    found.sort_unstable();
    assert!(
        found
            .iter()
            .map(|(filter, value)| (filter, value))
            .eq(model.iter())
    );
    let patterns = model
        .keys()
        .filter(|filter| validate::has_wildcard(filter))
        .count();
    assert_eq!(tree.pattern_count(), patterns);
    tree.values_mut()
        .for_each(|value| *value = value.wrapping_add(1));
    let sum = |values: &mut dyn Iterator<Item = u32>| values.fold(0u32, u32::wrapping_add);
    let grown = sum(&mut tree.iter().map(|(_, value)| *value));
    let before = sum(&mut model.values().copied());
    assert_eq!(grown, before.wrapping_add(model.len() as u32));
}

fn check_name(name: &[u8]) {
    assert_eq!(validate::is_valid_filter(name), naive_filter(name));
    assert_eq!(validate::is_valid_literal(name), naive_literal(name));
    assert_eq!(Filter::try_from(name).is_ok(), naive_filter(name));
    assert_eq!(Subject::try_from(name).is_ok(), naive_literal(name));
    let dots = name.iter().filter(|&&byte| byte == b'.').count();
    let tokens = if name.is_empty() { 0 } else { dots + 1 };
    assert_eq!(validate::token_count(name), tokens);
    let text = std::str::from_utf8(name).is_ok_and(|text| !text.contains(['\0', '\u{fffd}']));
    assert_eq!(
        validate::is_valid_config_subject(name),
        naive_filter(name) && text
    );
    if let Err(error) = validate::check_config_subject(name) {
        assert!(!error.to_string().is_empty());
    }
    if naive_filter(name) {
        // What a filter matches overlaps it, and it covers itself.
        assert!(overlaps(name, name) && covers(name, name));
    }
}
