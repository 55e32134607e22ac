//! Matching and rewriting are on the path of every message: they must not allocate.
//!
//! The only test of its file: the counter below belongs to the whole process.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

use cognate_subject::{
    Transform, Tree,
    validate::{covers, has_wildcard, is_valid_config_subject, is_valid_filter, matches, overlaps},
};

thread_local! {
    /// Allocations of this thread, for the test harness has threads of its own.
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: every call is passed on unchanged to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // A thread that is ending has no counter any more, and needs none.
        let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
        // SAFETY: the caller keeps `alloc`'s contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps `dealloc`'s contract.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[track_caller]
fn check(what: &str, run: impl FnOnce()) {
    let before = ALLOCATIONS.get();
    run();
    assert_eq!(ALLOCATIONS.get() - before, 0, "allocations of {what}");
}

#[test]
fn nothing_on_the_path_of_a_message_allocates() {
    let deep = |token: &str| vec![token; 2048].join(".").into_bytes();
    let before = ALLOCATIONS.get();
    let mut tree = Tree::new(5);
    for depth in 0..1000 {
        let filter = [vec!["a"; depth], vec!["*", "b"]].concat().join(".");
        tree.get_or_insert_with(filter.as_bytes(), || depth);
    }
    tree.get_or_insert_with(&deep("*"), || 1);
    tree.get_or_insert_with(&deep("a"), || 2);
    assert!(ALLOCATIONS.get() > before, "the counter counts");
    let subject = deep("a");
    let mut found = 0;
    check("a deep match", || {
        tree.for_each_match(&subject, |_| found += 1)
    });
    assert_eq!(found, 2);
    check("a look-up", || {
        assert!(tree.any_match(b"a.a.x.b", |value| *value == 2))
    });
    check("an overlap", || {
        tree.for_each_overlap(b"a.>", |_, _| found += 1)
    });
    check("the checks", || {
        assert!(is_valid_filter(&subject) && is_valid_config_subject(&subject));
        assert!(matches(b"a.>", &subject) && covers(b"a.>", &subject));
        assert!(overlaps(b"a.>", &subject) && !has_wildcard(&subject));
    });

    let rules = [
        "{{partition(9,1,2)}}.{{random(3)}}.$2",
        "{{split(1,-)}}.{{sliceFromLeft(2,1)}}",
    ];
    for rule in rules {
        let rule = Transform::new("*.*", rule).expect("a valid rule");
        let mut out = Vec::with_capacity(256);
        check("a transform", || {
            assert!(rule.apply(b"some-token.other", 77, &mut out))
        });
    }
}
