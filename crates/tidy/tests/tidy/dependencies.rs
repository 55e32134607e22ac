//! What we depend on: few, known, free, each once, each with its reason written down.

use std::collections::{BTreeMap, BTreeSet};

use cognate_tidy::{built, is_allowed, locked_sources, packages, read, shared_dependencies};

use crate::expect_none;

/// Where crates may come from.
const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// Where the reasons are written down.
const REASONS: &str = "docs/dependencies.md";

/// Crates that are built in several versions, and why nothing can be done about it.
const DUPLICATES: &[(&str, &str)] = &[
    (
        "base64",
        "tests only: the pem of rcgen is a version ahead of the one the product uses",
    ),
    (
        "chacha20",
        "tests only: the product's belongs to chacha20poly1305, the newer one comes with proptest",
    ),
    (
        "cpufeatures",
        "sha2 0.10 is the product's, chacha20 comes with async-nats (the nats tool) and proptest",
    ),
    (
        "getrandom",
        "bcrypt's own against that of async-nats and tempfile, and a third of its nkeys crate",
    ),
    (
        "rand",
        "the nats tool only: async-nats is a version ahead of its nkeys crate",
    ),
    (
        "rand_core",
        "the nats tool only: async-nats is a version ahead of its nkeys crate",
    ),
    (
        "syn",
        "build time only: x509-parser's and async-nats's macros are a version behind everybody else's",
    ),
    (
        "synstructure",
        "build time only: x509-parser's macros against those of the url crate's Unicode tables",
    ),
    (
        "untrusted",
        "the nats tool only: async-nats asks aws-lc-rs for its ring interface, which is behind webpki",
    ),
];

#[test]
fn licences_allow_what_ours_allows() {
    let refused = built()
        .into_iter()
        .filter(|package| !is_allowed(&package.licence));
    expect_none(
        "Every package that is built has a licence of the list in crates/tidy/src/licence.rs.",
        "the project is Apache-2.0 and its users count on all of it being so",
        refused.map(|p| format!("{} {}: {:?}", p.name, p.version, p.licence)),
    );
}

#[test]
fn packages_are_built_once() {
    let mut versions: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for package in built() {
        versions
            .entry(package.name)
            .or_default()
            .insert(package.version);
    }
    versions.retain(|_, versions| versions.len() > 1);
    let excused = |name: &str| DUPLICATES.iter().any(|(known, _)| *known == name);
    let new = versions.iter().filter(|(name, _)| !excused(name));
    let new = new.map(|(name, versions)| format!("{name}: {versions:?}"));
    let stale = DUPLICATES
        .iter()
        .filter(|(name, _)| !versions.contains_key(*name));
    let stale = stale.map(|(name, _)| format!("{name}: once only now; delete its row"));
    expect_none(
        "A package is built in one version, unless DUPLICATES says why not.",
        "two versions of a crate are twice the code, the build time and the advisories, and their \
         types do not fit each other; choose the version that Cargo.lock already has",
        new.chain(stale),
    );
}

#[test]
fn packages_come_from_the_registry() {
    let foreign = locked_sources().into_iter();
    let foreign = foreign.filter(|(_, source)| !source.is_empty() && source != REGISTRY);
    expect_none(
        "Packages come from the registry or from this repository.",
        "a git source can change or vanish, and has no version that anyone else can name",
        foreign.map(|(name, source)| format!("{name} from {source}")),
    );
}

#[test]
fn direct_dependencies_have_reasons() {
    let reasons = read(REASONS);
    let known = |name: &String| reasons.contains(&format!("`{name}`"));
    let names = direct()
        .into_iter()
        .chain(shared_dependencies())
        .collect::<BTreeSet<_>>();
    expect_none(
        &format!("Every direct dependency is named in {REASONS}, with what it is for."),
        "a dependency is a decision: what it saves, against what it brings along",
        names.into_iter().filter(|name| !known(name)),
    );
}

#[test]
fn shared_dependencies_are_used() {
    let direct = direct();
    let unused = shared_dependencies()
        .into_iter()
        .filter(|name| !direct.contains(name));
    expect_none(
        "Everything under [workspace.dependencies] is used by a crate.",
        "what nobody uses is nobody's to update, and looks like a decision that was made",
        unused,
    );
}

/// What the crates of the workspace ask for that is not ours.
fn direct() -> BTreeSet<String> {
    let dependencies = packages()
        .into_iter()
        .flat_map(|package| package.dependencies);
    let foreign = dependencies.filter(|dependency| dependency.ours.is_none());
    foreign.map(|dependency| dependency.package).collect()
}
