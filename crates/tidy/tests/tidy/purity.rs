//! Tiers 0 to 2 have no effects: what they need from outside is an argument.

use cognate_tidy::{SourceFile, imports, packages, tier_of, words};

use crate::{expect_none, sources};

const REASON: &str = "a core that reads the clock, draws random numbers or does I/O cannot be \
                      replayed from a seed, and its tests wait and flicker; the driver passes \
                      time, seeds and contents in";

/// What may not be named, in code or in a `use`. The tokens are found wherever they stand alone.
const BANNED: &[&str] = &[
    "std::net",
    "std::fs",
    "std::thread",
    "std::process",
    "std::env",
    "std::os",
    "Instant::now",
    "SystemTime::now",
    "RandomState",
    "tokio",
    "rand::",
    "getrandom",
    "print!",
    "println!",
    "eprint!",
    "eprintln!",
];

/// What may not be a dependency of the library, in whatever features.
const BANNED_PACKAGES: &[&str] = &[
    "async-std",
    "fastrand",
    "getrandom",
    "hyper",
    "libc",
    "mio",
    "nix",
    "rand",
    "rustix",
    "smol",
    "socket2",
    "tempfile",
    "tokio",
    "tokio-rustls",
];

#[test]
fn cores_have_no_effects() {
    let pure = sources().iter().filter(|file| is_pure(file.crate_name()));
    expect_none(
        "Crates of tiers 0 to 2 use no sockets, files, clocks, threads or ambient randomness.",
        REASON,
        pure.flat_map(effects),
    );
}

#[test]
fn cores_do_not_depend_on_effects() {
    let violations = packages()
        .into_iter()
        .filter(|p| is_pure(Some(&p.name)))
        .flat_map(|p| {
            let banned = p.dependencies.into_iter().filter(|dependency| {
                !dependency.for_tests && BANNED_PACKAGES.contains(&&*dependency.package)
            });
            banned.map(move |dependency| format!("{} uses {}", p.name, dependency.package))
        });
    expect_none(
        "Crates of tiers 0 to 2 depend on no runtime, system or random-number crate.",
        REASON,
        violations,
    );
}

fn is_pure(name: Option<&str>) -> bool {
    name.and_then(tier_of).is_some_and(|tier| tier.is_pure())
}

fn effects(file: &SourceFile) -> Vec<String> {
    let named = BANNED.iter().flat_map(|&token| {
        words(&file.masked, token).map(move |offset| (offset, token.to_owned()))
    });
    // Grouped imports do not spell their paths out.
    let imported = imports(&file.masked).into_iter().filter(|(_, path)| {
        BANNED
            .iter()
            .any(|token| words(path, token).next() == Some(0))
    });
    let mut found: Vec<_> = named.chain(imported).collect();
    found.retain(|(offset, _)| file.is_product_at(*offset));
    found.sort();
    found.dedup_by_key(|(offset, _)| *offset);
    found
        .into_iter()
        .map(|(offset, what)| format!("{} {what}", file.place(offset)))
        .collect()
}

#[test]
fn effects_are_found_however_they_are_imported() {
    let text = "use std::{fmt, net::{self, TcpStream}};\nfn now() { Instant::now() } // tokio\n\
                #[cfg(test)]\nmod tests { use std::fs; }\n";
    let found = effects(&SourceFile::new("crates/wire/src/a.rs", text));
    assert_eq!(
        found,
        [
            "crates/wire/src/a.rs:1 std::net::TcpStream",
            "crates/wire/src/a.rs:2 Instant::now"
        ]
    );
}
