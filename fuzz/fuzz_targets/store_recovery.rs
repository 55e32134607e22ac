//! Recovery of a store from a directory whose files were mutilated.
//!
//! The input is a digit for how messages are stored, and changes of eight bytes each: which file,
//! what is done, where, and with what.
//!
//! Checks: never panics; opening succeeds or says that a key is missing; what is counted can be
//! read; a message can be stored under a new sequence; a second opening finds the same.
#![no_main]

use std::cell::RefCell;
use std::collections::HashMap;

use cognate_fuzz::stores::{Form, examine, filled};
use cognate_store::disk::Disk as _;
use cognate_store::disk::sim::SimDisk;
use libfuzzer_sys::fuzz_target;

thread_local! {
    static FILLED: RefCell<HashMap<u8, SimDisk>> = RefCell::default();
}

fuzz_target!(|data: &[u8]| {
    let Some((form, changes)) = data.split_first() else {
        return;
    };
    let form = Form(form & 3);
    let disk = FILLED.with_borrow_mut(|filled_disks| {
        filled_disks
            .entry(form.0)
            .or_insert_with(|| filled(form))
            .kill()
    });
    for change in changes.chunks_exact(8).take(16) {
        mutilate(&disk, change);
    }
    examine(&disk, form);
});

fn mutilate(disk: &SimDisk, change: &[u8]) {
    let names = disk.list().expect("the disk is well");
    let name = &names[usize::from(change[0]) % names.len()];
    let place = u32::from_le_bytes([change[2], change[3], change[4], 0]) as usize;
    let with = [change[5], change[6], change[7]];
    disk.change(name, |bytes| {
        let at = place % bytes.len().max(1);
        let end = (at + usize::from(with[0]) * 8 + 1).min(bytes.len());
        match change[1] % 6 {
            0 if !bytes.is_empty() => bytes[at] ^= with[0].max(1),
            1 => bytes.get_mut(at..end).unwrap_or_default().fill(with[1]),
            2 => bytes.truncate(at),
            3 => bytes.extend(with),
            4 => {
                // What stands elsewhere in the file, at its place or not.
                let copy = bytes.get(at..end).unwrap_or_default().to_vec();
                let to = (usize::from(with[1]) << 8 | usize::from(with[2])) * 8;
                let to = to % bytes.len().max(1);
                let fits = copy.len().min(bytes.len() - to.min(bytes.len()));
                if let Some(place) = bytes.get_mut(to..to + fits) {
                    place.copy_from_slice(&copy[..fits]);
                }
            }
            _ => {}
        }
    });
    if change[1] % 6 == 5 {
        disk.delete(name);
    }
}
