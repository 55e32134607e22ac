//! Crates depend downwards only.

use cognate_tidy::{Dependency, Package, SAME_TIER, Tier, packages, tier_of};

use crate::expect_none;

#[test]
fn every_crate_has_a_tier() {
    let unknown = packages()
        .into_iter()
        .filter(|package| tier_of(&package.name).is_none());
    expect_none(
        "Every crate has a row in crates/tidy/src/tiers.rs.",
        "a crate without a tier may use anything, and soon everything uses it; decide first what \
         it may know",
        unknown.map(|package| package.name),
    );
}

#[test]
fn crates_use_lower_tiers_only() {
    let violations = packages().into_iter().flat_map(|package| {
        let wrong = |d: &&Dependency| !is_allowed(&package, d);
        let wrong: Vec<_> = package.dependencies.iter().filter(wrong).cloned().collect();
        wrong
            .into_iter()
            .map(move |d| format!("{} uses {}", package.name, d.package))
    });
    expect_none(
        "A crate depends on crates of lower tiers only.",
        "the cores can be tested from a seed and reused because they know nothing of what drives \
         them, nor of each other; what two of them share belongs a tier lower (exceptions, with \
         their reasons, are rows of SAME_TIER)",
        violations,
    );
}

#[test]
fn exceptions_are_used() {
    let packages = packages();
    let is_used = |from: &str, to: &str| {
        let package = packages.iter().find(|package| package.name == from);
        package.is_some_and(|p| p.dependencies.iter().any(|d| d.ours.as_deref() == Some(to)))
    };
    let stale = SAME_TIER.iter().filter(|row| !is_used(row.from, row.to));
    expect_none(
        "Every row of SAME_TIER describes a dependency that exists.",
        "an exception that nobody needs is an open door",
        stale.map(|row| format!("{} to {} ({})", row.from, row.to, row.reason)),
    );
}

fn is_allowed(package: &Package, dependency: &Dependency) -> bool {
    let Some(to_name) = &dependency.ours else {
        return true;
    };
    let (Some(from), Some(to)) = (tier_of(&package.name), tier_of(to_name)) else {
        return true;
    };
    let listed = || {
        SAME_TIER
            .iter()
            .any(|row| row.from == package.name && row.to == to_name)
    };
    match (from, to) {
        // They see the product from outside, or they prove nothing about it.
        (Tier::TestSupport | Tier::Outside, _) => false,
        (Tier::Driver, Tier::Driver) => true,
        (Tier::Driver, Tier::TestSupport) => dependency.for_tests,
        (from, to) if from == to => dependency.for_tests || listed(),
        (from, to) => to < from,
    }
}
