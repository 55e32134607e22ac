//! One stored filter: its value and its bytes in a single allocation behind a thin pointer.
//!
//! ```text
//! pointer ─▶ ┌───────────┬──────────┬──────────────────┐
//!            │ value: V  │ len: u32 │ filter: len bytes│
//!            └───────────┴──────────┴──────────────────┘
//! ```
//!
//! A table slot is then 8 bytes, and a successful lookup touches the slot and this block only:
//! comparing the subject brings the value into cache. With 500,000 subjects and an 8-byte value,
//! an entry costs 23 bytes beyond the subject and the value (`examples/tree_speed.rs`); pairs of
//! `(Box<[u8]>, V)` in the same table would cost 44, and put the value further from the subject.
//! That is why there is `unsafe` here, and nowhere else in the library.

use std::{
    alloc::{Layout, alloc, dealloc, handle_alloc_error},
    marker::PhantomData,
    mem::{forget, offset_of},
    ptr::NonNull,
};

#[repr(C)]
struct Head<V> {
    value: V,
    len: u32,
}

/// An owned (filter, value) pair, as large as one pointer, also inside an `Option`.
pub(super) struct Record<V> {
    head: NonNull<Head<V>>,
    owns: PhantomData<Head<V>>,
}

// SAFETY: a record owns its value and its bytes as a `Box<(V, [u8])>` would; nothing is shared.
unsafe impl<V: Send> Send for Record<V> {}
// SAFETY: through `&Record` only `&V` and `&[u8]` can be had.
unsafe impl<V: Sync> Sync for Record<V> {}

impl<V> Record<V> {
    /// Where the bytes start: right behind `len`, in what may be padding of `Head`.
    const BYTES_AT: usize = offset_of!(Head<V>, len) + size_of::<u32>();

    pub(super) fn new(filter: &[u8], value: V) -> Self {
        // A filter comes out of one control line, whose limit is a positive 32-bit number.
        let len = u32::try_from(filter.len()).expect("a filter is shorter than 4 GiB");
        let layout = Self::layout(filter.len());
        // SAFETY: the layout is never of size 0, as it has room for a whole `Head` with its `len`.
        let block = unsafe { alloc(layout) };
        let Some(head) = NonNull::new(block.cast::<Head<V>>()) else {
            handle_alloc_error(layout)
        };
        // SAFETY: the block is fresh, aligned for `Head<V>`, and has room for it and, from
        // `BYTES_AT` on, for `filter.len()` bytes. The fields are written before the bytes, which
        // may lie in the padding behind `len`; no whole `Head` is ever written or read.
        unsafe {
            (&raw mut (*head.as_ptr()).value).write(value);
            (&raw mut (*head.as_ptr()).len).write(len);
            block
                .add(Self::BYTES_AT)
                .copy_from_nonoverlapping(filter.as_ptr(), filter.len());
        }
        Self {
            head,
            owns: PhantomData,
        }
    }

    #[inline]
    pub(super) fn filter(&self) -> &[u8] {
        // SAFETY: `new` wrote `len`, and `len` bytes from `BYTES_AT` on; they never change, and
        // live as long as `self`.
        unsafe {
            let start = self.head.as_ptr().cast::<u8>().add(Self::BYTES_AT);
            std::slice::from_raw_parts(start, self.len())
        }
    }

    #[inline]
    pub(super) fn value(&self) -> &V {
        // SAFETY: `new` wrote the value, and only `into_value` and `drop`, which take the record,
        // end it.
        unsafe { &(*self.head.as_ptr()).value }
    }

    #[inline]
    pub(super) fn value_mut(&mut self) -> &mut V {
        // SAFETY: as `value`, and `&mut self` makes it the only reference.
        unsafe { &mut (*self.head.as_ptr()).value }
    }

    pub(super) fn into_value(self) -> V {
        let layout = Self::layout(self.len());
        let head = self.head.as_ptr();
        forget(self);
        // SAFETY: the value is moved out exactly once, as `self` is forgotten and so not dropped;
        // the block was allocated with this layout.
        unsafe {
            let value = (&raw const (*head).value).read();
            dealloc(head.cast(), layout);
            value
        }
    }

    /// Bytes asked of the allocator.
    pub(super) fn heap_bytes(&self) -> usize {
        Self::layout(self.len()).size()
    }

    #[inline]
    fn len(&self) -> usize {
        // SAFETY: `new` wrote `len`, and nothing changes it.
        unsafe { (*self.head.as_ptr()).len as usize }
    }

    fn layout(len: usize) -> Layout {
        let size = (Self::BYTES_AT + len).max(size_of::<Head<V>>());
        Layout::from_size_align(size, align_of::<Head<V>>())
            .expect("a value and 4 GiB fit into the address space")
    }
}

impl<V> Drop for Record<V> {
    fn drop(&mut self) {
        let layout = Self::layout(self.len());
        // SAFETY: the value is alive, as `into_value` forgets the record; the block was allocated
        // with this layout, and nothing can reach it after this.
        unsafe {
            (&raw mut (*self.head.as_ptr()).value).drop_in_place();
            dealloc(self.head.as_ptr().cast(), layout);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;

    /// Makes a record of each length, reads it, changes it, and takes it apart or drops it.
    #[track_caller]
    fn check<V: Clone + PartialEq + std::fmt::Debug>(before: V, after: V) {
        assert_eq!(size_of::<Option<Record<V>>>(), size_of::<usize>());
        for len in (0..70).chain([4096, 70_000]) {
            let filter: Vec<u8> = (0..len).map(|n| (n % 251) as u8).collect();
            let mut record = Record::new(&filter, before.clone());
            assert_eq!((record.filter(), record.value()), (&filter[..], &before));
            *record.value_mut() = after.clone();
            assert_eq!((record.filter(), record.value()), (&filter[..], &after));
            assert!(record.heap_bytes() >= size_of::<V>() + len);
            if len % 2 == 0 {
                assert_eq!(record.into_value(), after);
            }
        }
    }

    #[test]
    fn values_of_any_size_and_alignment_are_kept_beside_their_filter() {
        check((), ());
        check(1_u8, 2);
        check(1_u64, 2);
        check((1_u128, 3_u8), (2, 4));
        check(String::from("before"), String::from("after"));
        check(Vec::<u64>::new(), vec![1, 2, 3]);
    }

    #[test]
    fn records_can_be_shared_like_their_values() {
        fn shareable<T: Send + Sync>() {}
        shareable::<Record<u64>>();
    }

    #[test]
    fn every_value_is_dropped_once() {
        let shared = Rc::new(());
        let dropped = Record::new(b"a", Rc::clone(&shared));
        let taken = Record::new(b"b", Rc::clone(&shared));
        assert_eq!(Rc::strong_count(&shared), 3);
        drop(dropped);
        assert_eq!(Rc::strong_count(&shared), 2);
        let value = taken.into_value();
        assert_eq!(Rc::strong_count(&shared), 2);
        drop(value);
        assert_eq!(Rc::strong_count(&shared), 1);
    }
}
