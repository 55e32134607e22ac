//! Stores on a simulated disk for the fuzzer to harm.

use cognate_model::{MessageStore, NewMessage, StoreError, Timestamp};
use cognate_store::disk::sim::SimDisk;
use cognate_store::{Algorithm, FileStore, FileStoreOptions, Journal, Keys, Pair, Vault};

/// The stream whose files they are.
pub const STREAM: u64 = 7;

/// How messages are stored: plain, compressed, encrypted, both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Form(pub u8);

impl Form {
    /// Options of a small store.
    #[must_use]
    pub fn options(self, disk: &SimDisk) -> FileStoreOptions {
        FileStoreOptions {
            segment_bytes: 64 << 10,
            block_cache_bytes: 1,
            index_cache_bytes: 4 << 10,
            buffer_bytes: 8 << 10,
            open_files: 4,
            boot: disk.boot(),
            compress: self.0 & 1 != 0,
            ..FileStoreOptions::new(STREAM, 11)
        }
    }

    /// The disk with its keys; `None` if those are harmed, and it says so.
    #[must_use]
    pub fn unlock(self, disk: &SimDisk) -> Option<SimDisk> {
        let keys = Keys {
            algorithm: Algorithm::Aes256Gcm,
            current: b"a key".to_vec(),
            previous: None,
        };
        let keys = (self.0 & 2 != 0).then_some(&keys);
        let opened = Vault::open(disk, keys, &mut |bytes| bytes.fill(5)).ok()?;
        Some(disk.with_vault(opened.0))
    }
}

/// A store of a few hundred messages in two segments, with removals, a journal and a document.
#[must_use]
pub fn filled(form: Form) -> SimDisk {
    let disk = SimDisk::new(1);
    let disk = form.unlock(&disk).expect("nothing is harmed");
    let mut store = FileStore::open(disk.clone(), form.options(&disk))
        .expect("opens")
        .0;
    for n in 1..=260_u64 {
        put(&mut store, n).expect("there is space");
        if n % 3 == 0 {
            store.remove(n - n % 7, n % 2 == 0).expect("there is space");
        }
        if n % 40 == 0 {
            store.sync().expect("the disk is well");
            store.maintain(1 << 20).expect("the disk is well");
        }
    }
    store.sync().expect("the disk is well");
    let mut journal = Journal::open(disk.clone(), "consumers", STREAM)
        .expect("opens")
        .0;
    journal.snapshot(b"a snapshot").expect("there is space");
    for n in 0..20_u8 {
        journal.append(&[n; 20]).expect("there is space");
    }
    journal.sync().expect("the disk is well");
    let mut pair = Pair::open(disk.clone(), "stream").expect("opens").0;
    pair.store(b"{\"name\": \"S\"}").expect("the disk is well");
    disk.kill()
}

/// Stores message `n`.
///
/// # Errors
/// What the store says.
pub fn put(store: &mut FileStore<SimDisk>, n: u64) -> Result<u64, StoreError> {
    let subject = format!("k.{}", n % 30);
    store.append(&NewMessage {
        timestamp: Timestamp(n as i64),
        subject: subject.as_bytes(),
        headers: if n % 2 == 0 { b"NATS/1.0\r\n\r\n" } else { b"" },
        payload: &n.to_le_bytes().repeat(1 + (n * 13 % 70) as usize),
        deadline: None,
        has_id: n % 5 == 0,
    })
}

/// Opens what is there and reads all of it. Whatever is there: nothing panics, what is counted can
/// be read, and a second opening finds the same.
pub fn examine(disk: &SimDisk, form: Form) {
    let Some(disk) = form.unlock(disk) else {
        return;
    };
    let first = read(&disk, form, true);
    let Some(disk) = form.unlock(&disk.kill()) else {
        return;
    };
    let second = read(&disk, form, false);
    if let (Some(first), Some(second)) = (first, second) {
        assert_eq!(second, first, "the second opening finds the same");
    }
    if let Ok((_, found)) = Journal::open(disk.clone(), "consumers", STREAM) {
        assert!(found.entries.len() <= 1 << 16);
    }
    if let Ok((mut pair, _)) = Pair::open(disk.clone(), "stream") {
        pair.store(b"anew").expect("the disk is well");
        let (_, content) = Pair::open(disk, "stream").expect("the disk is well");
        assert_eq!(content.body.as_deref(), Some(&b"anew"[..]));
    }
}

/// What is held; one message more is stored at the end.
fn read(disk: &SimDisk, form: Form, store_one: bool) -> Option<Vec<(u64, Vec<u8>)>> {
    // What is encrypted and looks plain, or the reverse, is refused.
    let (mut store, _) = FileStore::open(disk.clone(), form.options(disk)).ok()?;
    let mut at = Some(1);
    while let Some(from) = at {
        at = store.verify(from, 1 << 20).expect("the disk is well");
    }
    let mut held = Vec::new();
    let mut cursor = store.cursor(&[]);
    let mut from = 1;
    while let Some(sequence) = store.next(&mut cursor, from).expect("the disk is well") {
        from = sequence + 1;
        let message = store.load(sequence).expect("it was verified");
        let message = message.expect("it was walked to");
        held.push((sequence, message.payload.to_vec()));
    }
    let state = store.state();
    assert_eq!(state.messages, held.len() as u64);
    let first = held
        .first()
        .map_or(state.last.saturating_add(1), |(first, _)| *first);
    assert_eq!(state.first, first);
    if store_one && state.last < 1 << 40 {
        let sequence = put(&mut store, 1000).expect("there is space");
        assert!(sequence > state.last);
        let payload = store
            .load(sequence)
            .expect("it is well")
            .map(|m| m.payload.to_vec());
        held.push((sequence, payload.expect("it was just stored")));
        store.sync().expect("the disk is well");
        store.maintain(1 << 20).expect("the disk is well");
    }
    Some(held)
}
