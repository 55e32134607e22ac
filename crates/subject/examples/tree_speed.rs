//! Prints nanoseconds per match and bytes per entry of the subject tree.
//!
//! Run: `CARGO_PROFILE_RELEASE_LTO=off cargo run --release -p cognate-subject --example tree_speed`
//! The matched subjects are visited in a scattered order, so that the caches can't hold them.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use cognate_subject::Tree;

/// Counts what the allocator hands out.
struct Counting;

static LIVE_BYTES: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is passed on unchanged to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE_BYTES.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps `alloc`'s contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        LIVE_BYTES.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps `dealloc`'s contract.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn main() {
    literals(500_000);
    registration_stall(1_000_000);
    let by_first = |n: usize| format!("service.{n}.*.requests");
    patterns("service.<n>.*.requests", by_first, |n| {
        format!("service.{n}.eu.requests")
    });
    let by_last = |n: usize| format!("*.orders.*.{n}");
    patterns("*.orders.*.<n>", by_last, |n| format!("eu.orders.new.{n}"));
    patterns(
        "sensor.<n>.>",
        |n| format!("sensor.{n}.>"),
        |n| format!("sensor.{n}.room.temp"),
    );
    patterns(
        "many.<n>.* missed",
        |n| format!("many.{n}.*"),
        |n| format!("other.{n}.x"),
    );
}

fn literals(count: usize) {
    let names: Vec<String> = (0..count)
        .map(|n| format!("orders.eu.customer-{n}.created"))
        .collect();
    let name_bytes: usize = names.iter().map(String::len).sum();
    let before = LIVE_BYTES.load(Ordering::Relaxed);
    let started = Instant::now();
    let mut tree = Tree::new(1);
    for name in &names {
        *tree.get_or_insert_with(name.as_bytes(), || 0_u64) += 1;
    }
    let insert = started.elapsed();
    let used = LIVE_BYTES.load(Ordering::Relaxed) - before;
    let overhead = used as f64 / count as f64 - (name_bytes as f64 / count as f64 + 8.0);
    println!(
        "{count} literals: {used} bytes, {} estimated",
        tree.heap_bytes()
    );
    println!(
        "  {overhead:.1} bytes per entry beyond subject and value (without malloc's rounding)"
    );
    report("  insert", insert, count);
    report("  match, scattered", matching(&tree, &names), names.len());
    report("  match, 1,000 hot", matching(&tree, &names[..1000]), 1000);
    let missing: Vec<String> = names.iter().map(|name| format!("{name}.x")).collect();
    report(
        "  no match, scattered",
        matching(&tree, &missing),
        missing.len(),
    );
    let started = Instant::now();
    for name in &names {
        tree.remove(name.as_bytes());
    }
    report("  remove", started.elapsed(), count);
}

fn registration_stall(count: usize) {
    let mut tree = Tree::new(1);
    let mut worst = (Duration::ZERO, 0);
    for n in 0..count {
        let name = format!("orders.eu.customer-{n}.created");
        let started = Instant::now();
        tree.get_or_insert_with(name.as_bytes(), || 0_u64);
        worst = worst.max((started.elapsed(), n));
    }
    println!(
        "longest single insert of {count}: {:?} at {}",
        worst.0, worst.1
    );
}

fn patterns(shape: &str, filter: impl Fn(usize) -> String, subject: impl Fn(usize) -> String) {
    let before = LIVE_BYTES.load(Ordering::Relaxed);
    let mut tree = Tree::new(1);
    for n in 0..1000 {
        tree.get_or_insert_with(filter(n).as_bytes(), || 0_u64);
    }
    let used = LIVE_BYTES.load(Ordering::Relaxed) - before;
    println!("1000 patterns {shape}: {} bytes each", used / 1000);
    let subjects: Vec<String> = (0..10_000).map(|n| subject(n % 1000)).collect();
    report("  match", matching(&tree, &subjects), subjects.len());
}

/// Best of several rounds over all subjects.
fn matching(tree: &Tree<u64>, subjects: &[String]) -> Duration {
    let round = || {
        let mut sum = 0;
        let started = Instant::now();
        for n in 0..subjects.len() {
            // 7919 is prime: the walk comes by every subject, in no order the caches could guess.
            let subject = &subjects[n * 7919 % subjects.len()];
            tree.for_each_match(subject.as_bytes(), |value| sum += value);
        }
        std::hint::black_box(sum);
        started.elapsed()
    };
    (0..7).map(|_| round()).min().unwrap_or_default()
}

fn report(what: &str, took: Duration, count: usize) {
    println!(
        "{what}: {:.1} ns each",
        took.as_nanos() as f64 / count as f64
    );
}
