//! The store in files against the suite, over a simulated disk.

use crate::conformance::{Source, check};
use crate::disk::sim::SimDisk;
use crate::{FileStore, FileStoreOptions};

/// Small segments and caches, so that few messages come by every case.
fn small() -> FileStoreOptions {
    FileStoreOptions {
        segment_bytes: 64 << 10,
        block_cache_bytes: 1,
        index_cache_bytes: 4 << 10,
        buffer_bytes: 8 << 10,
        open_files: 4,
        ..FileStoreOptions::new(7, 11)
    }
}

/// How a store is brought back.
#[derive(Clone, Copy, Debug)]
enum Restart {
    Close,
    Kill,
    PowerLoss,
}

struct Files {
    restart: Restart,
    disks: u64,
    disk: SimDisk,
}

impl Source for Files {
    type Store = FileStore<SimDisk>;

    fn make(&mut self) -> Self::Store {
        self.disks += 1;
        self.disk = SimDisk::new(self.disks);
        open(&self.disk)
    }

    fn reopen(&mut self, mut store: Self::Store) -> Self::Store {
        self.disk = match self.restart {
            Restart::Close => {
                store.close().expect("the disk is well");
                self.disk.power_loss(0)
            }
            Restart::Kill => {
                store.flush().expect("the disk is well");
                self.disk.kill()
            }
            Restart::PowerLoss => {
                store.sync().expect("the disk is well");
                self.disk.power_loss(50)
            }
        };
        drop(store);
        open(&self.disk)
    }

    fn settle(&mut self, store: &mut Self::Store) {
        store.sync().expect("the disk is well");
        for step in 0.. {
            assert!(step < 10_000, "maintenance comes to an end");
            if !store.maintain(16 << 10).expect("the disk is well") {
                break;
            }
            if !store.needs_sync() && store.written() == store.durable() {
                break;
            }
            store.sync().expect("the disk is well");
        }
    }
}

use cognate_model::MessageStore as _;

fn open(disk: &SimDisk) -> FileStore<SimDisk> {
    let (store, report) = FileStore::open(disk.clone(), small()).expect("opens");
    assert_eq!((report.cut, report.holes), (None, 0), "nothing was lost");
    store
}

#[track_caller]
fn suite(restart: Restart, seed: u64) {
    let mut files = Files {
        restart,
        disks: 0,
        disk: SimDisk::new(0),
    };
    check(&mut files, seed, 2);
}

#[test]
fn the_suite_passes_with_clean_restarts() {
    suite(Restart::Close, 100);
}

#[test]
fn the_suite_passes_when_killed() {
    suite(Restart::Kill, 200);
}

#[test]
fn the_suite_passes_when_the_power_fails_after_a_sync() {
    suite(Restart::PowerLoss, 300);
}
