//! Prints what the index of subjects and the store in memory cost: bytes and nanoseconds.
//!
//! Run: `CARGO_PROFILE_RELEASE_LTO=off cargo run --release -p cognate-store --example measure_index`
//! Subjects are visited in a scattered order, so that the caches can't hold them.

#![expect(
    clippy::disallowed_methods,
    reason = "a measurement reads the clock, which the crate itself must not"
)]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    hint::black_box,
    ops::ControlFlow,
    sync::{
        OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use cognate_model::{MessageStore, NewMessage, Timestamp};
use cognate_store::{MemoryStore, subjects::SubjectIndex};
use cognate_subject::Filter;

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

const MILLION: usize = 1_000_000;

fn main() {
    index("$KV.bucket.key.<n>", 100_000, |n| {
        format!("$KV.bucket.key.{n}")
    });
    index("$KV.bucket.key.<n>", MILLION, |n| {
        format!("$KV.bucket.key.{n}")
    });
    index("$KV.bucket.key.<n>", 5 * MILLION, |n| {
        format!("$KV.bucket.key.{n}")
    });
    let regions = ["eu", "us", "ap", "af"];
    let order = |n: usize| {
        format!(
            "orders.{}.{:08x}",
            regions[n % 4],
            n.wrapping_mul(0x9E37_79B1) as u32
        )
    };
    index("orders.<region>.<hex id>", MILLION, order);
    let uuid = |n: usize| {
        let mixed = (n as u128 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835);
        format!("$KV.sessions.{mixed:032x}")
    };
    index("$KV.sessions.<32 hex digits>", MILLION, uuid);
    walks();
    appends("one subject", |_| "orders.eu".into());
    appends("100 subjects", |n| format!("orders.{}", n % 100));
    appends("1M subjects, scattered", |n| {
        format!("$KV.b.k.{}", scatter(n, MILLION))
    });
    puts(100_000);
    puts(MILLION);
    reads();
    purge();
}

/// A permutation of the numbers below `count`.
fn scatter(n: usize, count: usize) -> usize {
    n.wrapping_mul(7_368_787) % count
}

/// Processor time of this thread, which other load doesn't count in; else the time of day.
fn spent() -> u128 {
    let status = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let first = status.split(' ').next().and_then(|text| text.parse().ok());
    let since = |start: &Instant| start.elapsed().as_nanos();
    static START: OnceLock<Instant> = OnceLock::new();
    first.unwrap_or_else(|| since(START.get_or_init(Instant::now)))
}

fn nanos(label: &str, count: usize, run: impl FnOnce()) {
    let start = spent();
    run();
    let each = (spent() - start) as f64 / count as f64;
    println!("    {each:7.1} ns  {label}");
}

/// Many subjects one after the other in memory, so that visiting them costs little by itself.
struct Subjects {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Subjects {
    fn new(count: usize, subject: impl Fn(usize) -> String) -> Self {
        let (mut bytes, mut ends) = (Vec::new(), vec![0]);
        for n in 0..count {
            bytes.extend_from_slice(subject(n).as_bytes());
            ends.push(bytes.len());
        }
        Self { bytes, ends }
    }

    fn at(&self, n: usize) -> &[u8] {
        &self.bytes[self.ends[n]..self.ends[n + 1]]
    }

    fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.ends
            .windows(2)
            .map(|ends| &self.bytes[ends[0]..ends[1]])
    }
}

fn index(label: &str, count: usize, subject: impl Fn(usize) -> String) {
    println!("index of {count} subjects {label}");
    let one = Subjects::new(count, |n| subject(scatter(n, count)));
    let other = Subjects::new(count, |n| subject(scatter(scatter(n, count), count)));
    let before = LIVE_BYTES.load(Ordering::Relaxed);
    let mut index = SubjectIndex::<cognate_store::subjects::SubjectEntry>::new();
    nanos("insert", count, || {
        for (n, subject) in one.iter().enumerate() {
            index.entry_or_insert(subject).push(n as u64 + 1);
        }
    });
    let all = (LIVE_BYTES.load(Ordering::Relaxed) - before) as f64 / count as f64;
    let own = one.bytes.len() as f64 / count as f64;
    println!(
        "    {all:7.1} bytes a subject, whose own are {own:.1}: {:.1} above",
        all - own
    );
    let rounds = (2 * MILLION).div_ceil(count);
    nanos("get", rounds * count, || {
        for subject in (0..rounds).flat_map(|_| other.iter()) {
            black_box(index.get(subject));
        }
    });
    let mut at = 0;
    nanos(
        "get, each waiting for the one before",
        rounds * count,
        || {
            for _ in 0..rounds * count {
                let found = index
                    .get(other.at(at))
                    .map_or(0, |entry| entry.messages() as usize);
                at = (at + found) % count;
            }
        },
    );
    nanos("entry_or_insert of what is there", count, || {
        for subject in other.iter() {
            index.entry_or_insert(subject).push(7);
        }
    });
    nanos("miss", count, || {
        for subject in other.iter() {
            black_box(index.get(&subject[..subject.len() - 1]));
        }
    });
    nanos("walk of all, a subject", count, || {
        let _ = index.for_each_match(b"*.>", &mut |subject, entry| {
            black_box((subject, entry));
            ControlFlow::Continue(())
        });
    });
    nanos("remove", count, || {
        for subject in other.iter() {
            black_box(index.remove(subject));
        }
    });
}

fn walks() {
    println!("walks of an index of 1000 × 1000 subjects a.<n>.b.<m>");
    let mut index = SubjectIndex::<u8>::new();
    for n in 0..1000 {
        for m in 0..1000 {
            index.entry_or_insert(format!("a.{n}.b.{m}").as_bytes());
        }
    }
    for filter in ["a.17.b.*", "a.*.b.17", "a.17.>", "*.17.*.17", "none.>"] {
        let count = index.count_matches(filter.as_bytes());
        let rounds = if count > 1 { 300 } else { 10_000 };
        let label = format!("a subject of {count} of {filter}");
        nanos(&label, rounds * count.max(1) as usize, || {
            for _ in 0..rounds {
                black_box(index.count_matches(filter.as_bytes()));
            }
        });
    }
}

fn message(subject: &[u8], n: usize) -> NewMessage<'_> {
    NewMessage {
        timestamp: Timestamp(n as i64),
        subject,
        headers: b"",
        payload: &[b'x'; 128],
        deadline: None,
        has_id: false,
    }
}

fn filled(count: usize, subject: impl Fn(usize) -> String) -> MemoryStore {
    let mut store = MemoryStore::new(1);
    for n in 0..count {
        store
            .append(&message(subject(n).as_bytes(), n))
            .expect("room");
    }
    store
}

fn appends(label: &str, subject: impl Fn(usize) -> String) {
    println!("store of 1M messages of 128 bytes, {label}");
    let subjects = Subjects::new(MILLION, subject);
    let before = LIVE_BYTES.load(Ordering::Relaxed);
    let mut store = MemoryStore::new(1);
    nanos("append", MILLION, || {
        for (n, subject) in subjects.iter().enumerate() {
            store.append(&message(subject, n)).expect("room");
        }
    });
    let all = (LIVE_BYTES.load(Ordering::Relaxed) - before) as f64 / MILLION as f64;
    let told = store.heap_bytes() as f64 / MILLION as f64;
    println!("    {all:7.1} bytes a message ({told:.1} by its own count)");
    let mut cursor = store.cursor(&[]);
    nanos("next and load", MILLION, || {
        let mut from = 0;
        while let Some(found) = store.next(&mut cursor, from).expect("held") {
            black_box(store.load(found).expect("held"));
            from = found + 1;
        }
    });
    nanos("remove from the front", MILLION, || {
        for sequence in 1..=MILLION as u64 {
            store.remove(sequence, false).expect("held");
        }
    });
    let rest = LIVE_BYTES.load(Ordering::Relaxed) - before;
    println!("    {rest:7} bytes held when empty");
}

fn puts(keys: usize) {
    println!("key-value store of {keys} keys, history 1");
    let puts = 2 * MILLION;
    let subjects = Subjects::new(puts, |n| format!("$KV.b.key.{}", scatter(n, keys)));
    let before = LIVE_BYTES.load(Ordering::Relaxed);
    let mut store = filled(keys, |n| format!("$KV.b.key.{n}"));
    nanos("put over an old value", puts, || {
        for (n, subject) in subjects.iter().enumerate() {
            let previous = store.subject(subject).expect("held").last;
            store.append(&message(subject, n)).expect("room");
            store.remove(previous, false).expect("held");
        }
    });
    let all = (LIVE_BYTES.load(Ordering::Relaxed) - before) as f64 / keys as f64;
    println!("    {all:7.1} bytes a key with its 128 bytes of value");
}

fn reads() {
    println!("readers of 1M messages on 1000 subjects a.<n>.b");
    let mut store = filled(MILLION, |n| format!("a.{}.b", scatter(n, 1000)));
    let filters = |count: usize, of: &dyn Fn(usize) -> String| -> Vec<Filter> {
        let filters = (0..count).map(|n| Filter::try_from(of(n).as_str()).expect("valid"));
        filters.collect()
    };
    let cases = [
        ("one literal", filters(1, &|_| "a.7.b".into())),
        ("one pattern, all", filters(1, &|_| "a.*.b".into())),
        ("one pattern, a thousandth", filters(1, &|_| "a.7.*".into())),
        ("100 literals", filters(100, &|n| format!("a.{}.b", n * 7))),
        ("1000 literals", filters(1000, &|n| format!("a.{n}.b"))),
        ("100 patterns", filters(100, &|n| format!("a.{}.*", n * 7))),
        ("1000 patterns", filters(1000, &|n| format!("a.{n}.*"))),
        ("one that matches nothing", filters(1, &|_| "a.x.*".into())),
    ];
    for (label, filters) in cases {
        let mut cursor = store.cursor(&filters);
        let count = store.count(&mut cursor, 0, false).expect("held") as usize;
        let rounds = (4 * MILLION).div_ceil(count.max(20));
        let label = format!("a message of {count}: {label}");
        nanos(&label, rounds * count.max(1), || {
            for _ in 0..rounds {
                let mut from = 0;
                while let Some(found) = store.next(&mut cursor, from).expect("held") {
                    black_box(store.load(found).expect("held"));
                    from = found + 1;
                }
            }
        });
    }
}

fn purge() {
    println!("removal of 1M messages on 1M subjects");
    let mut store = filled(MILLION, |n| format!("$KV.b.key.{n}"));
    nanos("remove_below the middle, a message", MILLION / 2, || {
        store.remove_below(MILLION as u64 / 2).expect("held");
    });
    nanos("remove_below the end, a message", MILLION / 2, || {
        store.remove_below(u64::MAX).expect("held");
    });
}
