//! `kill -9` under load, start again, compare with a model: see `cognate_conformance::crash`.
//!
//! A few rounds by default. `CRASH_ROUNDS=500` runs that many of each kind; `--nocapture` shows the
//! summary line. `CRASH_SEED` starts from another seed (a failing world prints its own, to be run
//! alone with `CRASH_ROUNDS=1`).

use cognate_conformance::crash::world::{self, Tally};

fn number(name: &str, default: u64) -> u64 {
    let text = std::env::var(name).ok();
    text.and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Runs worlds of `length` rounds until they have had `rounds`.
fn rounds(rounds: u64, length: u64, damage: bool) {
    let rounds = number("CRASH_ROUNDS", rounds);
    let first = number("CRASH_SEED", 100);
    let mut tally = Tally::default();
    let mut failures = Vec::new();
    let mut seed = first;
    let mut planned = 0;
    while planned < rounds {
        planned += length;
        match world::run(seed, length, damage) {
            Ok(done) => tally.add(done),
            Err(failure) => {
                eprintln!(
                    "FAILED seed {} round {}: {}\n  damage: {:?}\n  store kept: {}\n{}\n",
                    failure.seed,
                    failure.round,
                    failure.text,
                    failure.damage,
                    failure.store.display(),
                    failure.log,
                );
                failures.push(failure.seed);
            }
        }
        seed += 1;
    }
    println!(
        "crash rounds from seed {first}, damage {damage}: {tally:?}, failed worlds (seeds): {failures:?}"
    );
    assert!(failures.is_empty(), "failed seeds: {failures:?}");
}

#[test]
fn nothing_confirmed_is_lost_or_invented() {
    rounds(12, 4, false);
}

/// Every world ends with a damaged file.
#[test]
fn damage_takes_only_what_lay_under_it() {
    rounds(8, 2, true);
}
