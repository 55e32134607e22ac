//! Permissions, imports and exports against a model: random accounts, users, queue groups, wildcards,
//! mappings and shared subjects, and an oracle that knows no trees and no caches. No message is
//! delivered that the oracle forbids, and none withheld that it allows; then everything is reloaded
//! into another random configuration and tried again.
//!
//! ```sh
//! cargo test -p cognate-server --test model                       # some dozens of worlds
//! MODEL_WORLDS=5000 MODEL_SEED=1 cargo test -p cognate-server --test model -- --nocapture
//! MODEL_NATS_SERVER=…/nats-server cargo test -p cognate-server --test model   # is the oracle right?
//! ```
//!
//! A failure prints the seed, the configuration and what differs; `MODEL_SEED=<seed> MODEL_WORLDS=1`
//! plays it again.

mod common;
#[path = "model/host.rs"]
mod host;
#[path = "model/link.rs"]
mod link;
#[path = "model/oracle.rs"]
mod oracle;
#[path = "model/play.rs"]
mod play;
#[path = "model/subjects.rs"]
mod subjects;
#[path = "model/world.rs"]
mod world;

use common::random::Random;
use play::Stage;
use world::World;

/// Worlds of an ordinary run.
const WORLDS: u64 = 60;
/// Messages published in each of a world's two configurations.
const MESSAGES: usize = 60;

fn number(name: &str, otherwise: u64) -> u64 {
    let value = std::env::var(name).ok();
    value.map_or(otherwise, |value| value.parse().expect("a number"))
}

#[tokio::test]
async fn nothing_crosses_but_what_the_model_allows() {
    let first = number("MODEL_SEED", 1);
    let mut totals = play::Totals::default();
    for seed in first..first + number("MODEL_WORLDS", WORLDS) {
        let mut random = Random::new(seed);
        let before = World::random(&mut random);
        let after = before.changed(&mut random);
        let mut stage = Stage::start(seed, before, &mut random).await;
        stage.play(&mut random, MESSAGES, &mut totals).await;
        stage.reload(after, &mut random).await;
        stage.play(&mut random, MESSAGES, &mut totals).await;
        stage.end().await;
    }
    println!("{totals:?}");
    // A generator that makes worlds in which nothing happens would prove nothing.
    assert!(
        totals.delivered > 0 && totals.withheld > 0 && totals.crossed > 0,
        "{totals:?}"
    );
    assert!(
        totals.answered > 0 && totals.refused > 0 && totals.queued > 0,
        "{totals:?}"
    );
}
