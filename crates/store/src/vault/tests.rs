//! Who can open what was sealed, and who cannot.

use super::*;
use crate::disk::sim::SimDisk;

fn keys(current: &str, previous: Option<&str>, algorithm: Algorithm) -> Keys {
    Keys {
        algorithm,
        current: current.as_bytes().to_vec(),
        previous: previous.map(|key| key.as_bytes().to_vec()),
    }
}

fn open(
    disk: &SimDisk,
    keys: Option<&Keys>,
) -> Result<(Option<Arc<Vault>>, VaultReport), VaultError> {
    let mut n = 0;
    Vault::open(disk, keys, &mut |bytes| {
        n += 1;
        bytes.fill(n);
    })
}

fn vault(disk: &SimDisk, keys: &Keys) -> (Arc<Vault>, VaultReport) {
    let (vault, report) = open(disk, Some(keys)).expect("the key is right");
    (vault.expect("there is a key"), report)
}

#[test]
fn what_was_sealed_is_opened_by_its_key_or_the_previous_one_and_by_no_other() {
    use Algorithm::{Aes256Gcm, ChaCha20Poly1305};
    let disk = SimDisk::new(1);
    assert!(open(&disk, None).expect("it is plain").0.is_none());
    let first = keys("one", None, ChaCha20Poly1305);
    let (made, report) = vault(&disk, &first);
    assert!(report.is_new);
    let secret = made.seal_whole(Domain::Journal, b"secret");
    assert!(!secret.windows(6).any(|window| window == b"secret"));
    let opens = |vault: &Vault| vault.open_whole(Domain::Journal, &secret);
    let plain = Some(b"secret".to_vec());
    assert_eq!(opens(&made), plain);
    assert_eq!(made.open_whole(Domain::Body, &secret), None, "another kind");
    for bit in 0..secret.len() * 8 {
        let mut other = secret.clone();
        other[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(made.open_whole(Domain::Journal, &other), None, "bit {bit}");
    }
    assert_eq!(open(&disk, None).err(), Some(VaultError::NoKey));
    let wrong = keys("two", None, Aes256Gcm);
    assert_eq!(open(&disk, Some(&wrong)).err(), Some(VaultError::WrongKey));
    let changed = keys("two", Some("one"), Aes256Gcm);
    let (again, report) = vault(&disk, &changed);
    assert!(report.rewrapped && !report.is_new);
    assert_eq!(opens(&again), plain);
    let new = again.seal_whole(Domain::Journal, b"secret");
    assert_eq!(open(&disk, Some(&first)).err(), Some(VaultError::WrongKey));
    let (last, report) = vault(&disk, &wrong);
    assert!(!report.rewrapped);
    assert_eq!(opens(&last), plain);
    assert_eq!(last.open_whole(Domain::Journal, &new), plain);
}

#[test]
fn no_nonce_comes_twice_and_one_damaged_copy_of_the_keys_costs_nothing() {
    let disk = SimDisk::new(1);
    let keys = keys("one", None, Algorithm::Aes256Gcm);
    let mut seen = std::collections::BTreeSet::new();
    let mut disk = disk;
    for side in ["key.a", "key.b", "none"] {
        let (vault, _) = vault(&disk, &keys);
        for _ in 0..10 {
            assert!(seen.insert(vault.nonce()));
        }
        disk = disk.power_loss(0);
        disk.change(side, |bytes| bytes[40] ^= 1);
    }
    disk.change("key.a", |bytes| bytes[40] ^= 1);
    disk.change("key.b", |bytes| bytes[40] ^= 1);
    assert_eq!(open(&disk, Some(&keys)).err(), Some(VaultError::Damaged));
}
