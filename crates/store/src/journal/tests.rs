//! Journals over a disk that loses power and one that is damaged.

use super::*;
use crate::disk::sim::SimDisk;

fn open(disk: &SimDisk) -> (Journal<SimDisk>, Recovered) {
    // Every other disk is encrypted.
    let keys = crate::Keys {
        algorithm: crate::Algorithm::Aes256Gcm,
        current: b"a key".to_vec(),
        previous: None,
    };
    let mut vault = None;
    if disk.seed() % 2 == 1 {
        let opened = Vault::open(disk, Some(&keys), &mut |bytes| bytes.fill(3));
        vault = opened.expect("one copy of the keys is well").0;
    }
    Journal::open(disk.with_vault(vault), "c", 5).expect("opens")
}

/// What a journal holds after `steps` changes, a snapshot every now and then; and all of them.
fn written(disk: &SimDisk, steps: u32) -> (Journal<SimDisk>, Vec<Vec<u8>>) {
    let (mut journal, found) = open(disk);
    assert_eq!(found, Recovered::default());
    let mut all = Vec::new();
    journal.snapshot(&[]).expect("there is space");
    for step in 0..steps {
        let entry = step.to_le_bytes().repeat(1 + step as usize % 50);
        all.push(entry.clone());
        if step % 40 == 39 {
            journal.snapshot(&all.concat()).expect("there is space");
        } else {
            journal.append(&entry).expect("there is space");
        }
        if step % 7 == 0 {
            journal.sync().expect("the disk is well");
        }
    }
    (journal, all)
}

fn contents(found: &Recovered) -> Vec<u8> {
    let snapshot = found.snapshot.clone().unwrap_or_default();
    snapshot.into_iter().chain(found.entries.concat()).collect()
}

#[test]
fn what_was_synced_survives_and_what_was_not_is_a_prefix() {
    for seed in 0..200 {
        let disk = SimDisk::new(seed);
        let (mut journal, all) = written(&disk, seed as u32);
        let synced = if seed % 2 == 0 {
            journal.sync().expect("the disk is well");
            all.len()
        } else {
            // The last sync was after a step that is a multiple of seven.
            (all.len().saturating_sub(1) / 7 * 7 + 1).min(all.len())
        };
        if seed % 3 == 0 {
            journal.flush().expect("there is space");
        }
        let (_, found) = open(&disk.power_loss(seed % 101));
        let (found, whole) = (contents(&found), all.concat());
        let least = all[..synced].concat().len();
        assert!(
            whole.starts_with(&found) && found.len() >= least,
            "seed {seed}"
        );
    }
}

#[test]
fn one_damaged_place_loses_at_most_one_entry_and_is_told() {
    let disk = SimDisk::new(1);
    let (mut journal, all) = written(&disk, 95);
    journal.sync().expect("the disk is well");
    journal.append(b"last").expect("there is space");
    journal.sync().expect("the disk is well");
    let whole = [all.concat(), b"last".to_vec()].concat();
    for name in disk.list().expect("the disk is well") {
        let len = disk.bytes(&name).expect("it is there").len();
        for at in (0..len).step_by(3) {
            let disk = disk.kill();
            disk.change(&name, |bytes| bytes[at] ^= 4);
            let (_, found) = open(&disk);
            if contents(&found) != whole {
                assert!(
                    found.damaged == 1 && found.snapshot.is_some(),
                    "{name} at {at}"
                );
                assert!(
                    contents(&found).len() + 200 >= whole.len(),
                    "{name} at {at}"
                );
            }
        }
        let disk = disk.kill();
        disk.delete(&name);
        let (_, found) = open(&disk);
        assert!(found.snapshot.is_some(), "{name} gone");
    }
}
