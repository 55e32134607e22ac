//! The store in files against the suite, over a simulated disk.

use crate::FileStore;
use crate::conformance::{Source, check};
use crate::disk::sim::SimDisk;
use crate::file::forms::Form;

/// How a store is brought back.
#[derive(Clone, Copy, Debug)]
enum Restart {
    Close,
    Kill,
    PowerLoss,
}

struct Files {
    restart: Restart,
    form: Form,
    disks: u64,
    disk: SimDisk,
}

impl Source for Files {
    type Store = FileStore<SimDisk>;

    fn make(&mut self) -> Self::Store {
        self.disks += 1;
        self.disk = SimDisk::new(self.disks);
        open(&self.disk, self.form)
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
        open(&self.disk, self.form)
    }

    fn settle(&mut self, store: &mut Self::Store) {
        store.sync().expect("the disk is well");
        for step in 0.. {
            assert!(step < 10_000, "maintenance comes to an end");
            store.settle().expect("the disk is well");
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

fn open(disk: &SimDisk, form: Form) -> FileStore<SimDisk> {
    let (store, report) = form.open(disk);
    assert_eq!((report.cut, report.holes), (None, 0), "nothing was lost");
    store
}

#[track_caller]
fn suite(restart: Restart, seed: u64) {
    for form in [Form::Plain, Form::Packed, Form::Sealed, Form::Both] {
        let mut files = Files {
            restart,
            form,
            disks: 0,
            disk: SimDisk::new(0),
        };
        // The plain form has had most of it; the others go through the same with fewer seeds.
        check(&mut files, seed, if form == Form::Plain { 2 } else { 1 });
    }
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
