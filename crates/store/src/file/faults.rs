//! What disks do to a store, from a seed, against a model that knows what was promised.
//!
//! Each round runs operations of every kind, ends in one way (closed, killed, power lost) with the
//! last sync at a random place, damages at most one file in one place, and opens again.

mod model;

use std::collections::BTreeSet;

use cognate_model::{DamagedRange, MessageStore, NewMessage, Sequence, StoreError, Timestamp};

use self::model::{
    Model, Random, check_counts, check_current, check_honest, check_honest_again, check_next, step,
    verify,
};
use super::forms::Form;
use crate::disk::Disk;
use crate::disk::sim::SimDisk;
use crate::{FileStore, OpenReport};

pub(super) fn open(disk: &SimDisk) -> (FileStore<SimDisk>, OpenReport) {
    Form::Plain.open(disk)
}

pub(super) fn damaged(store: &FileStore<SimDisk>, sequence: Sequence) -> bool {
    store
        .damaged()
        .iter()
        .any(|r| r.first <= sequence && sequence <= r.last)
}

fn run(seed: u64, steps: u64) -> (SimDisk, FileStore<SimDisk>, Model, Random) {
    let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let disk = SimDisk::new(seed);
    let (mut store, _) = Form::of(seed).open(&disk);
    let mut model = Model::default();
    for _ in 0..steps {
        step(&mut store, &mut model, &mut random);
    }
    (disk, store, model, random)
}

/// Most rounds are short; some are long enough for many segments, checkpoints and rewriting.
fn steps(seed: u64) -> u64 {
    if seed.is_multiple_of(12) {
        4000
    } else {
        50 + seed % 400
    }
}

#[test]
fn a_loss_of_power_keeps_what_was_synced_and_invents_nothing() {
    for seed in 0..600 {
        let (disk, store, model, mut random) = run(seed, steps(seed));
        drop(store);
        let kept = [0, 30, 70, 95, 100][random.below(5) as usize];
        let disk = disk.power_loss(kept);
        let what = format!("seed {seed}, {kept} % kept");
        let (mut store, report) = Form::of(seed).open(&disk);
        let what = format!("{what}, synced to {}, {report:?}", model.synced_last);
        let found = check_honest(&mut store, &model, &what);
        let removed_since: BTreeSet<_> = model.synced.difference(&model.held).collect();
        for sequence in &model.synced {
            let there = found.contains(sequence);
            assert!(
                there || removed_since.contains(sequence),
                "{what}: {sequence} is lost"
            );
        }
        for sequence in &found {
            assert!(
                !model.removed.contains(sequence),
                "{what}: {sequence} came back"
            );
        }
        for range in store.damaged() {
            assert!(
                range.first > model.synced_last,
                "{what}: {range:?} is not damaged"
            );
        }
        check_next(&mut store, &model, &what);
        drop(store);
        let (mut store, report) = Form::of(seed).open(&disk);
        assert_eq!(report.skipped_to, 0, "{what}: the second time all is well");
        let again: BTreeSet<_> = check_honest_again(&mut store, &found);
        assert_eq!(again, found, "{what}");
    }
}

/// Harms one file in one place; returns how, and how many bytes of records that is at most.
fn harm(disk: &SimDisk, random: &mut Random) -> String {
    let names = disk.list().expect("the disk is well");
    let name = names[random.below(names.len() as u64) as usize].clone();
    let len = disk.bytes(&name).map_or(0, |bytes| bytes.len()).max(1) as u64;
    // Where something stands, not in the zeros behind it.
    let used = disk.bytes(&name).unwrap_or_default();
    let used = used
        .iter()
        .rposition(|byte| *byte != 0)
        .map_or(1, |at| at as u64 + 1);
    let at = random.below(used) as usize;
    let kind = random.below(5);
    match kind {
        0 => disk.change(&name, |bytes| bytes[at] ^= 1 << (at % 8)),
        1 => disk.change(&name, |bytes| {
            let end = (at + 700).min(bytes.len());
            bytes[at..end].fill(0);
        }),
        2 => disk.change(&name, |bytes| bytes.truncate(at)),
        3 => disk.delete(&name),
        _ => disk.change(&name, |bytes| {
            bytes.extend((0..500).map(|n| (n * 7 + at) as u8))
        }),
    }
    let kind = ["one bit", "zeros", "cut", "deleted", "garbage behind"][kind as usize];
    format!("{kind} in {name} at {at} of {used} of {len}")
}

/// Ends in one of three ways, with everything synced.
fn finish(store: &mut FileStore<SimDisk>, random: &mut Random) -> &'static str {
    match random.below(3) {
        0 => {
            store.close().expect("the disk is well");
            "closed"
        }
        1 => {
            store.sync().expect("the disk is well");
            store.settle().expect("the disk is well");
            store.maintain(0).expect("the disk is well");
            "quiet"
        }
        _ => {
            // Nothing says that the last write was on the disk.
            store.sync().expect("the disk is well");
            "busy"
        }
    }
}

#[test]
fn one_damaged_place_costs_what_is_under_it_and_that_is_told() {
    for seed in 1000..1900 {
        let (disk, mut store, mut model, mut random) = run(seed, steps(seed));
        if seed % 3 == 0 {
            // Nothing is damaged yet, and what is traced from here on follows what is there.
            store.sync().expect("the disk is well");
            drop(store);
            store = Form::of(seed).open(&disk).0;
            for _ in 0..random.below(100) {
                step(&mut store, &mut model, &mut random);
            }
        }
        let end = finish(&mut store, &mut random);
        model.sync();
        drop(store);
        let disk = disk.kill();
        let what = harm(&disk, &mut random);
        let what = format!("seed {seed}, {end}, {what}");
        let (mut store, report) = Form::of(seed).open(&disk);
        let what = format!("{what}, {report:?}");
        verify(&mut store);
        let known = store.damaged().to_vec();
        let found = check_honest(&mut store, &model, &what);
        assert_eq!(
            store.damaged(),
            known,
            "{what}: all of it was known before it was read"
        );
        let mut lost = 0_u64;
        for sequence in &model.held {
            if !found.contains(sequence) {
                lost += 1;
                assert!(
                    damaged(&store, *sequence),
                    "{what}: {sequence} is lost in silence"
                );
            }
        }
        for sequence in &found {
            assert!(
                !model.removed.contains(sequence),
                "{what}: {sequence} is back"
            );
        }
        check_current(&mut store, &model, &what);
        let most = match what.split(", ").nth(2).unwrap_or_default() {
            harm if !harm.contains(".log") || harm.starts_with("garbage") => 0,
            harm if harm.starts_with("one bit") => 1,
            harm if harm.starts_with("zeros") => 700 / 40 + 2,
            _ => u64::MAX,
        };
        assert!(lost <= most, "{what}: {lost} lost");
        check_counts(&mut store, &model, &found, &what);
        check_next(&mut store, &model, &what);
        let known = store.damaged().to_vec();
        drop(store);
        let (mut store, _) = Form::of(seed).open(&disk);
        check_remembered(&mut store, &model, (&found, &known), &what);
    }
}

/// A second opening finds what the first one found, and knows what it knew.
fn check_remembered(
    store: &mut FileStore<SimDisk>,
    model: &Model,
    (found, known): (&BTreeSet<Sequence>, &[DamagedRange]),
    what: &str,
) {
    verify(store);
    check_current(store, model, &format!("{what}, again"));
    let again = check_honest_again(store, found);
    assert_eq!(&again, found, "{what}, again");
    let known = |sequence: &&Sequence| known.iter().any(|r| (r.first..=r.last).contains(sequence));
    for sequence in model.held.difference(found).filter(known) {
        assert!(damaged(store, *sequence), "{what}: {sequence} is forgotten");
    }
}

#[test]
fn a_full_disk_refuses_keeps_what_it_has_and_goes_on_when_there_is_space() {
    for seed in 0..30 {
        let mut random = Random(seed * 2 + 1);
        let disk = SimDisk::new(seed);
        let (mut store, _) = open(&disk);
        let mut model = Model::default();
        disk.set_capacity(Some(40_000 + 3000 * seed as usize));
        let mut refused = 0;
        for n in 0..6000_u64 {
            let payload = vec![n as u8; random.below(400) as usize];
            let message = NewMessage {
                timestamp: Timestamp(n as i64),
                subject: b"full",
                headers: b"",
                payload: &payload,
                deadline: None,
                has_id: false,
            };
            let before = store.state();
            match store.append(&message) {
                Ok(sequence) => {
                    assert_eq!(sequence, model.last + 1);
                    model.last = sequence;
                    model.stored.insert(sequence, (b"full".to_vec(), payload));
                    model.held.insert(sequence);
                }
                Err(StoreError::Full) => {
                    refused += 1;
                    assert_eq!(store.state(), before, "nothing is half kept");
                }
                Err(error) => panic!("seed {seed}: {error}"),
            }
            if n % 50 == 0 {
                // What was taken was taken with its space.
                let _ = store.sync();
                let _ = store.settle();
                let _ = store.maintain(16 << 10);
            }
            if refused == 20 {
                refused += 1;
                assert_eq!(check_honest(&mut store, &model, "full"), model.held);
                let below = model.last / 2;
                store
                    .remove_below(below)
                    .expect("removing needs no more space");
                model.held = model.held.split_off(&below);
                disk.set_capacity(None);
            }
        }
        assert!(refused > 20, "seed {seed}: the disk was full");
        store.sync().expect("there is space again");
        model.sync();
        drop(store);
        let disk = disk.power_loss(50);
        let (mut store, _) = open(&disk);
        assert_eq!(
            check_honest(&mut store, &model, "full"),
            model.held,
            "seed {seed}"
        );
    }
}

#[test]
fn a_failed_sync_or_write_is_the_last() {
    for writes in [false, true] {
        let (disk, mut store, mut model, mut random) = run(77, 300);
        store.sync().expect("the disk is well");
        model.sync();
        step_append(&mut store, &mut model, &mut random);
        let durable = store.durable();
        disk.fail_writes(writes);
        disk.fail_syncs(!writes);
        assert!(matches!(store.sync(), Err(StoreError::Failed(_))));
        disk.fail_writes(false);
        disk.fail_syncs(false);
        assert!(store.begin_sync().is_none() && store.failure().is_some());
        assert!(matches!(store.flush(), Err(StoreError::Failed(_))));
        assert!(matches!(store.remove_below(10), Err(StoreError::Failed(_))));
        assert_eq!(
            store.durable(),
            durable,
            "nothing counts as durable any more"
        );
        assert_eq!(
            check_honest(&mut store, &model, "reading goes on"),
            model.held
        );
        let (mut store, _) = open(&disk.power_loss(0));
        assert_eq!(check_honest(&mut store, &model, "after it"), model.synced);
    }
}

fn step_append(store: &mut FileStore<SimDisk>, model: &mut Model, random: &mut Random) {
    let before = model.stored.len();
    while model.stored.len() == before {
        step(store, model, random);
    }
}

#[test]
fn two_runs_of_a_seed_are_the_same() {
    let bytes = |seed| {
        let (disk, _, _, _) = run(seed, 500);
        let disk = disk.power_loss(50);
        let names = disk.list().expect("the disk is well");
        names
            .iter()
            .map(|name| (name.clone(), disk.bytes(name)))
            .collect::<Vec<_>>()
    };
    assert_eq!(bytes(5), bytes(5));
}
