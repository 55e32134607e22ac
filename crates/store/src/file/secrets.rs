//! What encryption and compression promise: nothing readable on the disk, less of it, and the same
//! messages back.

use cognate_model::{Deadline, DeadlineKind, MessageStore, NewMessage, StoreError, Timestamp};

use super::faults::damaged;
use super::forms::{Form, small};
use crate::disk::Disk;
use crate::disk::sim::SimDisk;
use crate::{Algorithm, FileStore, Journal, Keys, Pair, Vault};

const FORMS: [Form; 4] = [Form::Plain, Form::Packed, Form::Sealed, Form::Both];

fn append(store: &mut FileStore<SimDisk>, n: u64, payload: &[u8]) -> u64 {
    let subject = format!("secret.subject.{}", n % 40);
    let deadline = Deadline {
        at: Timestamp(1 << 60),
        kind: DeadlineKind::Expire,
    };
    let message = NewMessage {
        timestamp: Timestamp(n as i64),
        subject: subject.as_bytes(),
        headers: b"NATS/1.0\r\nSecret-Header: 1\r\n\r\n",
        payload,
        deadline: n.is_multiple_of(3).then_some(deadline),
        has_id: n.is_multiple_of(2),
    };
    store.append(&message).expect("there is space")
}

/// Text that compresses well, of a length of its own.
fn text(n: u64) -> Vec<u8> {
    let text = format!("{{\"secret payload\": {n}, \"state\": \"new\", \"secret payload\": {n}}} ");
    text.repeat(1 + n as usize % 17).into_bytes()
}

fn fill(disk: &SimDisk, form: Form) -> FileStore<SimDisk> {
    let (mut store, _) = form.open(disk);
    for n in 1..=1500 {
        assert_eq!(append(&mut store, n, &text(n)), n);
        if n % 7 != 0 {
            store.remove(n, n % 5 == 0).expect("there is space");
        }
        if n % 50 == 0 {
            store.sync().expect("the disk is well");
            store.settle().expect("the disk is well");
            store.maintain(64 << 10).expect("the disk is well");
        }
    }
    store.sync().expect("the disk is well");
    store
}

fn check(store: &mut FileStore<SimDisk>, form: Form) {
    for n in 1..=1500 {
        let message = store.load(n).expect("nothing is damaged");
        assert_eq!(message.is_some(), n % 7 == 0, "{form:?}: {n}");
        if let Some(message) = message {
            let subject = format!("secret.subject.{}", n % 40);
            assert_eq!(message.subject, subject.as_bytes(), "{form:?}: {n}");
            assert_eq!(message.payload, text(n), "{form:?}: {n}");
            assert_eq!(message.timestamp, Timestamp(n as i64), "{form:?}: {n}");
            assert!(message.headers.ends_with(b"Secret-Header: 1\r\n\r\n"));
        }
    }
}

/// Which files hold any of these.
fn holding(disk: &SimDisk, words: &[&[u8]]) -> Vec<String> {
    let mut names = disk.list().expect("the disk is well");
    names.retain(|name| {
        let bytes = disk.bytes(name).unwrap_or_default();
        let holds = |word: &&[u8]| bytes.windows(word.len()).any(|window| window == *word);
        words.iter().any(holds)
    });
    names
}

#[test]
fn messages_come_back_however_they_are_stored() {
    for form in FORMS {
        let disk = SimDisk::new(4);
        let mut store = fill(&disk, form);
        check(&mut store, form);
        let state = store.state();
        drop(store);
        let (mut store, _) = form.open(&disk.kill());
        check(&mut store, form);
        assert_eq!(store.state(), state, "{form:?}: killed");
        drop(store);
        let disk = disk.power_loss(50);
        let (mut store, _) = form.open(&disk);
        store.close().expect("the disk is well");
        drop(store);
        // What was stored is read whatever the setting is now.
        let other = match form {
            Form::Plain => Form::Packed,
            Form::Packed => Form::Plain,
            Form::Sealed => Form::Both,
            Form::Both => Form::Sealed,
        };
        let (mut store, _) = other.open(&disk);
        assert_eq!(store.state(), state, "{form:?}: closed");
        check(&mut store, form);
        append(&mut store, 1501, b"short");
        append(&mut store, 1502, &text(1502));
        store.sync().expect("the disk is well");
        drop(store);
        let (mut store, _) = form.open(&disk.kill());
        let last = store.load(1502).expect("nothing is damaged");
        assert_eq!(
            last.map(|message| message.payload.to_vec()),
            Some(text(1502))
        );
    }
}

#[test]
fn nothing_of_an_encrypted_stream_can_be_read_in_its_files() {
    let words: [&[u8]; 4] = [
        b"secret.subject",
        b"secret payload",
        b"Secret-Header",
        b"state",
    ];
    for form in FORMS {
        let disk = SimDisk::new(5);
        let mut store = fill(&disk, form);
        let locked = form.on(&disk);
        let opened = Journal::open(locked.clone(), "consumers", 1);
        let mut journal = opened.expect("opens").0;
        journal.snapshot(b"secret.subject").expect("there is space");
        journal.append(b"secret payload").expect("there is space");
        journal.sync().expect("the disk is well");
        let mut pair = Pair::open(locked, "config").expect("opens").0;
        pair.store(b"secret.subject").expect("the disk is well");
        let is_sealed = form.is_sealed();
        assert_eq!(holding(&disk, &words).is_empty(), is_sealed, "{form:?}");
        store.close().expect("the disk is well");
        assert_eq!(
            holding(&disk, &words).is_empty(),
            is_sealed,
            "{form:?}, closed"
        );
    }
}

#[test]
fn compression_makes_what_is_on_the_disk_smaller() {
    let size = |form: Form| {
        let disk = SimDisk::new(6);
        let (mut store, _) = form.open(&disk);
        for n in 0..500 {
            append(&mut store, n, &text(n));
        }
        store.sync().expect("the disk is well");
        let names = disk.list().expect("the disk is well");
        let logs = names.iter().filter(|name| name.ends_with(".log"));
        let used = logs.map(|name| {
            let bytes = disk.bytes(name).unwrap_or_default();
            bytes.iter().rposition(|byte| *byte != 0).unwrap_or(0)
        });
        used.sum::<usize>()
    };
    let (plain, packed, both) = (size(Form::Plain), size(Form::Packed), size(Form::Both));
    assert!(packed * 3 < plain, "{packed} of {plain}");
    assert!(both * 2 < plain, "{both} of {plain}");
}

#[test]
fn without_its_key_a_store_does_not_open_and_nothing_is_lost() {
    let disk = SimDisk::new(7);
    drop(fill(&disk, Form::Sealed));
    let before: Vec<_> = disk.list().expect("the disk is well");
    let opened = FileStore::open(disk.clone(), small(&disk));
    let Err(StoreError::Failed(reason)) = opened else {
        panic!("it is encrypted");
    };
    assert!(reason.contains("encrypted"), "{reason}");
    assert_eq!(disk.list().expect("the disk is well"), before);
    check(&mut Form::Sealed.open(&disk).0, Form::Sealed);
}

/// Plain messages stay readable when a key is configured, and new ones are encrypted.
#[test]
fn a_plain_store_is_encrypted_from_the_first_key_on() {
    let disk = SimDisk::new(8);
    let (mut store, _) = Form::Plain.open(&disk);
    append(&mut store, 1, b"anyone may read this");
    store.sync().expect("the disk is well");
    drop(store);
    let keys = Keys {
        algorithm: Algorithm::Aes256Gcm,
        current: b"a key".to_vec(),
        previous: None,
    };
    let opened = Vault::open(&disk, Some(&keys), &mut |bytes| bytes.fill(1));
    let locked = disk.with_vault(opened.expect("the key is new").0);
    let (mut store, _) = FileStore::open(locked, small(&disk)).expect("opens");
    append(&mut store, 2, b"nobody may read this");
    store.close().expect("the disk is well");
    assert!(holding(&disk, &[b"nobody may read"]).is_empty());
    let first = store.load(1).expect("nothing is damaged");
    assert_eq!(
        first.map(|message| message.payload),
        Some(&b"anyone may read this"[..])
    );
    let second = store.load(2).expect("nothing is damaged");
    assert_eq!(
        second.map(|message| message.payload),
        Some(&b"nobody may read this"[..])
    );
    assert!(!damaged(&store, 1) && !damaged(&store, 2));
}
