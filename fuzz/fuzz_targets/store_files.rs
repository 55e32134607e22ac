//! Each kind of the store's files with any content: records, indexes, traces, checkpoints, limits,
//! keys, journals, documents.
//!
//! The input is a digit for how messages are stored, one for the file, and the file.
//!
//! Checks: as in `store_recovery`.
#![no_main]

use cognate_fuzz::stores::{Form, examine, filled};
use cognate_store::disk::Disk as _;
use libfuzzer_sys::fuzz_target;
use std::cell::RefCell;
use std::collections::HashMap;

thread_local! {
    static FILLED: RefCell<HashMap<u8, cognate_store::disk::sim::SimDisk>> = RefCell::default();
}

fuzz_target!(|data: &[u8]| {
    let Some(([form, file], content)) = data.split_first_chunk() else {
        return;
    };
    let form = Form(form & 3);
    let disk = FILLED.with_borrow_mut(|filled_disks| {
        filled_disks
            .entry(form.0)
            .or_insert_with(|| filled(form))
            .kill()
    });
    let names = disk.list().expect("the disk is well");
    let name = &names[usize::from(file.wrapping_sub(b'0')) % names.len()];
    disk.change(name, |bytes| {
        // The rest of a log stays, so that what is there is not only what the fuzzer made.
        let end = content.len().min(bytes.len());
        bytes[..end].copy_from_slice(&content[..end]);
        if content.len() > end {
            bytes.extend_from_slice(&content[end..]);
        }
    });
    examine(&disk, form);
});
