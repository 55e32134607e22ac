//! What goes on while the server is killed: each load has a stream and a connection of its own and
//! knows what it did and what was confirmed.

use super::Run;
use super::damage::Damage;
use super::ledger::Found;
use super::link::Link;
use super::rng::Rng;

pub mod admin;
pub mod batch;
pub mod consume;
pub mod counter;
pub mod flow;
pub mod overwrite;
pub mod publish;
pub mod snapshot;

/// One kind of work with its model.
pub trait Load: Send {
    /// Its stream, for messages.
    fn name(&self) -> &str;

    /// Creates what it needs.
    ///
    /// # Errors
    /// The server refuses or is gone.
    fn setup(&mut self, link: &mut Link) -> Run<()>;

    /// One step; called until the server is gone.
    ///
    /// # Errors
    /// The server is gone or did something wrong.
    fn step(&mut self, link: &mut Link, rng: &mut Rng) -> Run<()>;

    /// Compares after a start, `damage` done in between.
    ///
    /// # Errors
    /// What must not be.
    fn verify(&mut self, link: &mut Link, damage: Option<&Damage>) -> Run<Found>;

    /// At the end of a world: brings everything to rest and compares once more.
    ///
    /// # Errors
    /// What must not be.
    fn settle(&mut self, link: &mut Link, damage: Option<&Damage>) -> Run<()>;

    /// How many confirmations it got so far.
    fn confirmed(&self) -> u64;

    /// Deliveries whose count went back, and confirmed acks that damage took.
    fn forgotten(&self) -> (u64, u64) {
        (0, 0)
    }
}

/// The loads of a world, six of all by the seed.
#[must_use]
pub fn choose(rng: &mut Rng) -> Vec<Box<dyn Load>> {
    let mut all: Vec<Box<dyn Load>> = publish::all(rng);
    all.extend(consume::all(rng));
    all.push(Box::new(counter::Counter::new()));
    all.push(Box::new(batch::Batches::new()));
    all.push(Box::new(admin::Admin::new()));
    all.push(Box::new(overwrite::Overwrites::new()));
    all.push(Box::new(snapshot::Snapshots::new()));
    all.push(Box::new(flow::Flow::new()));
    while all.len() > 6 {
        let at = rng.below(all.len() as u64) as usize;
        drop(all.swap_remove(at));
    }
    all
}
