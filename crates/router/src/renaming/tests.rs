//! Names are made in both directions, and a shadow gets exactly what its local filter would.

use super::*;
use cognate_subject::validate::matches;
use proptest::prelude::*;

/// A renaming as the configuration makes it.
fn renaming(exporter: &str, local: &str) -> Renaming {
    let mut stars = 0;
    let pattern: Vec<&str> = local
        .split('.')
        .map(|token| if token.starts_with('$') { "*" } else { token })
        .collect();
    let numbered: Vec<String> = local
        .split('.')
        .map(|token| match token {
            "*" => {
                stars += 1;
                format!("${stars}")
            }
            token => token.to_owned(),
        })
        .collect();
    let differs = exporter != local && exporter.contains(['*', '>']);
    let to_local =
        differs.then(|| Transform::new_strict(exporter, &numbered.join(".")).expect("one to one"));
    let to_exporter = to_local.as_ref().and_then(Transform::reversed);
    assert_eq!(to_local.is_some(), to_exporter.is_some());
    let local = pattern.join(".");
    Renaming::new(exporter.as_bytes(), local.as_bytes(), to_local, to_exporter)
}

#[test]
fn names_are_made_token_by_token() {
    let cases = [
        ("a", "b", "a", "b"),
        ("a", "x.a", "a", "x.a"),
        ("a.*", "a.*", "a.1", "a.1"),
        ("a.*", "b.$1", "a.1", "b.1"),
        ("a.*.*", "$2.b.$1", "a.1.2", "2.b.1"),
        (">", "p.>", "a.b", "p.a.b"),
        ("p.>", ">", "p.a.b", "a.b"),
        ("a.*.>", "x.$1.>", "a.1.2.3", "x.1.2.3"),
    ];
    for (exporter, local, there, here) in cases {
        let (renaming, mut out) = (renaming(exporter, local), Vec::new());
        renaming.inward(there.as_bytes(), &mut out);
        assert_eq!(out, here.as_bytes(), "{exporter} {local}");
        renaming.outward(here.as_bytes(), &mut out);
        assert_eq!(out, there.as_bytes(), "{exporter} {local}");
    }
}

#[test]
fn a_filter_asks_for_its_share() {
    let cases = [
        ("a.*", "b.$1", "b.7", Some("a.7")),
        ("a.*", "b.$1", ">", Some("a.*")),
        ("a.*", "b.$1", "b.*", Some("a.*")),
        ("a.*", "b.$1", "*.7", Some("a.7")),
        ("a.*", "b.$1", "c.*", None),
        ("a.*.*", "$2.$1", "x.*", Some("a.*.x")),
        ("a.>", "p.a.>", "p.*.b.>", Some("a.b.>")),
        ("a.>", "p.a.>", "p.>", Some("a.>")),
        ("a", "b", "b.c", None),
    ];
    for (exporter, local, filter, expected) in cases {
        let asked = renaming(exporter, local).asked_for(filter.as_bytes());
        assert_eq!(asked.as_deref(), expected.map(str::as_bytes), "{filter}");
    }
}

fn filter() -> impl Strategy<Value = String> {
    let token = prop_oneof![3 => "[ab]", 2 => Just("*".to_owned())];
    let last = prop_oneof![3 => "[ab]", 1 => Just("*".to_owned()), 2 => Just(">".to_owned())];
    (prop::collection::vec(token, 0..3), last).prop_map(|(mut tokens, last)| {
        tokens.push(last);
        tokens.join(".")
    })
}

fn subject() -> impl Strategy<Value = String> {
    prop::collection::vec("[ab]", 1..5).prop_map(|tokens| tokens.join("."))
}

proptest! {
    #[test]
    fn an_intersection_is_what_both_match(a in filter(), b in filter(), subject in subject()) {
        let (a, b, subject) = (a.as_bytes(), b.as_bytes(), subject.as_bytes());
        let both = intersection(a, b).is_some_and(|both| matches(&both, subject));
        prop_assert_eq!(both, matches(a, subject) && matches(b, subject));
    }

    #[test]
    fn a_shadow_gets_exactly_what_its_local_filter_would(
        exporter in filter(), prefix in "(|x\\.|a\\.)", wanted in filter(), subject in subject(),
    ) {
        let local = format!("{prefix}{exporter}");
        let renaming = renaming(&exporter, &local);
        prop_assume!(matches(exporter.as_bytes(), subject.as_bytes()));
        let mut name = Vec::new();
        renaming.inward(subject.as_bytes(), &mut name);
        prop_assert_eq!(&name, &[prefix.as_bytes(), subject.as_bytes()].concat());
        let asked = renaming.asked_for(wanted.as_bytes());
        let delivered = asked.is_some_and(|asked| matches(&asked, subject.as_bytes()));
        prop_assert_eq!(delivered, matches(wanted.as_bytes(), &name));
    }
}
