//! Subject mappings: which destination a message takes, and how often.

use std::collections::BTreeMap;

use crate::support::{Dice, sweep};
use cognate_router::{Mapped, Mappings};
use cognate_subject::{Mapping, MappingDestination};

/// Draws per distribution: a percent is a hundred of them.
const DRAWS: u64 = 10_000;

type Spec<'a> = (&'a str, &'a [(&'a str, u8, &'a str)]);

/// Mappings from (source, [(destination, weight, cluster)]) on a server of `cluster`.
fn compile(cluster: &str, specs: &[Spec<'_>]) -> Mappings {
    let destination = |&(subject, weight, cluster): &(&str, u8, &str)| MappingDestination {
        subject: subject.to_owned(),
        weight,
        cluster: cluster.to_owned(),
    };
    let mapping = |(source, destinations): &Spec<'_>| {
        let destinations = destinations.iter().map(destination).collect();
        Mapping::new(source, destinations).expect("it is a valid mapping")
    };
    let mappings: Vec<_> = specs.iter().map(mapping).collect();
    Mappings::new(&mappings, cluster)
}

/// The subject that `subject` becomes; `None` if the message is lost.
fn apply(mappings: &Mappings, subject: &str, random: u64) -> Option<String> {
    let mut out = b"left over from before".to_vec();
    match mappings.apply(subject.as_bytes(), random, &mut out) {
        Mapped::Unchanged => Some(subject.to_owned()),
        Mapped::Rewritten => Some(String::from_utf8(out).expect("text went in")),
        Mapped::Dropped => None,
    }
}

/// Checks how many percent of the messages on `subject` go where; "" stands for lost ones.
fn check(cluster: &str, specs: &[Spec<'_>], subject: &str, expected: &[(&str, u64)]) {
    let mappings = compile(cluster, specs);
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for random in sweep(DRAWS) {
        *counts
            .entry(apply(&mappings, subject, random).unwrap_or_default())
            .or_default() += 1;
    }
    let places: Vec<&str> = counts.keys().map(String::as_str).collect();
    let mut wanted: Vec<&str> = expected.iter().map(|(place, _)| *place).collect();
    wanted.sort_unstable();
    assert_eq!(places, wanted, "{specs:?} on {subject}");
    for (place, percent) in expected {
        let off = counts[*place].abs_diff(percent * DRAWS / 100);
        assert!(off <= 2, "{specs:?} on {subject}: {counts:?}");
    }
}

#[test]
fn weights_share_out_all_messages() {
    check("", &[("a", &[("b", 100, "")])], "a", &[("b", 100)]);
    check(
        "",
        &[("a", &[("b", 50, ""), ("c", 50, "")])],
        "a",
        &[("b", 50), ("c", 50)],
    );
    let three: Spec<'_> = ("a", &[("b", 1, ""), ("c", 20, ""), ("d", 79, "")]);
    check("", &[three], "a", &[("b", 1), ("c", 20), ("d", 79)]);
    check(
        "",
        &[("a", &[("b", 0, ""), ("c", 100, "")])],
        "a",
        &[("c", 100)],
    );
    check("", &[("a", &[("b", 100, "")])], "other", &[("other", 100)]);
}

#[test]
fn what_the_weights_leave_over_stays_on_the_subject() {
    check("", &[("a", &[("b", 30, "")])], "a", &[("a", 70), ("b", 30)]);
    check("", &[("a", &[("b", 0, "")])], "a", &[("a", 100)]);
    check("", &[("a", &[])], "a", &[("a", 100)]);
    let wild: Spec<'_> = ("a.*.>", &[("b.$1.>", 30, "")]);
    check("", &[wild], "a.x.y.z", &[("a.x.y.z", 70), ("b.x.y.z", 30)]);
}

#[test]
fn the_source_as_its_own_destination_asks_for_loss() {
    check("", &[("a", &[("a", 80, "")])], "a", &[("", 20), ("a", 80)]);
    check(
        "",
        &[("a", &[("a", 50, ""), ("b", 20, "")])],
        "a",
        &[("", 30), ("a", 50), ("b", 20)],
    );
    check("", &[("a", &[("a", 100, "")])], "a", &[("a", 100)]);
    check("", &[("a", &[("a", 0, "")])], "a", &[("", 100)]);
}

#[test]
fn destinations_of_the_own_cluster_take_the_place_of_the_others() {
    let spec: Spec<'_> = (
        "a",
        &[("b", 100, ""), ("e", 100, "east"), ("w", 60, "west")],
    );
    check("east", &[spec], "a", &[("e", 100)]);
    check("west", &[spec], "a", &[("a", 40), ("w", 60)]);
    check("north", &[spec], "a", &[("b", 100)]);
    check("", &[spec], "a", &[("b", 100)]);
    // Without destinations for everywhere, other clusters leave the subject alone.
    let only: Spec<'_> = ("a", &[("e", 100, "east")]);
    check("west", &[only], "a", &[("a", 100)]);
    // The source listed anywhere asks for loss everywhere.
    let loss: Spec<'_> = ("a", &[("a", 50, ""), ("e", 70, "east")]);
    check("east", &[loss], "a", &[("", 30), ("e", 70)]);
}

#[test]
fn of_a_source_given_twice_the_last_counts() {
    let specs: [Spec<'_>; 4] = [
        ("a", &[("b", 50, "")]),
        ("x.*", &[("first.$1", 100, "")]),
        ("a", &[("c", 100, "")]),
        ("x.*", &[("second.$1", 100, "")]),
    ];
    check("", &specs, "a", &[("c", 100)]);
    check("", &specs, "x.1", &[("second.1", 100)]);
}

/// As on a server that is in another cluster, or in none.
#[test]
fn destinations_of_another_cluster_count_for_nothing() {
    for cluster in ["", "here"] {
        let other: Spec<'_> = ("a", &[("b", 100, "there")]);
        check(cluster, &[other], "a", &[("a", 100)]);
        let both: Spec<'_> = ("a", &[("b", 60, "there"), ("c", 30, "")]);
        check(cluster, &[both], "a", &[("c", 30), ("a", 70)]);
        let loss: Spec<'_> = ("a", &[("b", 50, "there"), ("a", 50, "there")]);
        check(cluster, &[loss], "a", &[("", 100)]);
    }
}

#[test]
fn the_most_specific_source_decides_and_only_once() {
    let specs: [Spec<'_>; 5] = [
        (">", &[("all.>", 100, "")]),
        ("a.>", &[("tail.>", 100, "")]),
        ("a.*", &[("star.$1", 100, "")]),
        ("a.b", &[("literal", 100, "")]),
        ("literal", &[("twice", 100, "")]),
    ];
    let reversed: Vec<_> = specs.iter().rev().copied().collect();
    for specs in [&specs[..], &reversed] {
        check("", specs, "a.b", &[("literal", 100)]);
        check("", specs, "a.c", &[("star.c", 100)]);
        check("", specs, "a.c.d", &[("tail.c.d", 100)]);
        check("", specs, "x", &[("all.x", 100)]);
    }
}

#[test]
fn a_random_function_is_independent_of_the_choice_between_destinations() {
    let spec: Spec<'_> = ("a.*", &[("b.$1.{{random(4)}}", 50, ""), ("c.$1", 50, "")]);
    let mappings = compile("", &[spec]);
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    let mut dice = Dice(11);
    for _ in 0..DRAWS {
        let place = apply(&mappings, "a.x", dice.roll()).expect("nothing is lost");
        *counts.entry(place).or_default() += 1;
    }
    assert!(counts["c.x"].abs_diff(DRAWS / 2) < 300, "{counts:?}");
    for number in 0..4 {
        let count = counts[&format!("b.x.{number}")];
        assert!(count.abs_diff(DRAWS / 8) < 200, "{counts:?}");
    }
}

#[test]
fn a_partition_is_the_same_for_every_draw() {
    let spec: Spec<'_> = ("a.*", &[("p.{{partition(10,1)}}.$1", 100, "")]);
    let mappings = compile("", &[spec]);
    for subject in ["a.x", "a.y", "a.zebra"] {
        let first = apply(&mappings, subject, 0);
        assert!(sweep(100).all(|random| apply(&mappings, subject, random) == first));
    }
}

#[test]
fn no_mappings_concern_nothing() {
    let none = compile("here", &[]);
    assert!(none.is_empty());
    assert_eq!(apply(&none, "a", 1).as_deref(), Some("a"));
    assert!(!compile("here", &[("a", &[])]).is_empty());
}
