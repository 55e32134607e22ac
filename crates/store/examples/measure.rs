//! Measures the store in files: appends, puts of a bucket, reads, sparse walks, restarting.
//!
//! `cargo run --release -p cognate-store --example measure -- DIR [messages]`. It writes into `DIR`,
//! which it empties first, and prints a line per measurement, in
//! processor time. Syncs are real.

#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "an example is a driver: it brings the files and the clock"
)]

use std::fs::{self, File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use cognate_model::{MessageStore, NewMessage, Timestamp};
use cognate_store::disk::{Disk, DiskError, DiskFile, OpenMode};
use cognate_store::{FileStore, FileStoreOptions};
use cognate_subject::Filter;

#[derive(Clone)]
struct Directory(Arc<PathBuf>);

#[derive(Clone)]
struct RealFile(Arc<File>);

fn other(error: std::io::Error) -> DiskError {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => DiskError::NoSpace,
        _ => DiskError::Other(error.to_string()),
    }
}

impl Disk for Directory {
    type File = RealFile;

    fn open(&self, name: &str, mode: OpenMode) -> Result<Option<RealFile>, DiskError> {
        let mut options = OpenOptions::new();
        options.read(true).write(true);
        options.create(mode != OpenMode::Existing);
        options.truncate(mode == OpenMode::Truncate);
        match options.open(self.0.join(name)) {
            Ok(file) => Ok(Some(RealFile(Arc::new(file)))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(other(error)),
        }
    }

    fn remove(&self, name: &str) -> Result<(), DiskError> {
        match fs::remove_file(self.0.join(name)) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(other(error)),
            _ => Ok(()),
        }
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), DiskError> {
        fs::rename(self.0.join(from), self.0.join(to)).map_err(other)
    }

    fn list(&self) -> Result<Vec<String>, DiskError> {
        let entries = fs::read_dir(&*self.0).map_err(other)?;
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        Ok(names.collect())
    }

    fn sync_dir(&self) -> Result<(), DiskError> {
        File::open(&*self.0)
            .and_then(|dir| dir.sync_all())
            .map_err(other)
    }
}

impl DiskFile for RealFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize, DiskError> {
        let mut done = 0;
        while done < buffer.len() {
            match self.0.read_at(&mut buffer[done..], offset + done as u64) {
                Ok(0) => break,
                Ok(read) => done += read,
                Err(error) => return Err(other(error)),
            }
        }
        Ok(done)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> Result<(), DiskError> {
        self.0.write_all_at(bytes, offset).map_err(other)
    }

    fn sync_data(&self) -> Result<(), DiskError> {
        self.0.sync_data().map_err(other)
    }

    fn size(&self) -> Result<u64, DiskError> {
        self.0.metadata().map(|data| data.len()).map_err(other)
    }

    fn set_len(&self, len: u64) -> Result<(), DiskError> {
        self.0.set_len(len).map_err(other)
    }

    // Without taking the space: the standard library cannot, and it is not what is measured.
    fn allocate(&self, len: u64) -> Result<(), DiskError> {
        if self.size()? < len {
            self.set_len(len)
        } else {
            Ok(())
        }
    }
}

fn open(disk: &Directory) -> FileStore<Directory> {
    let opened = FileStore::open(disk.clone(), FileStoreOptions::new(1, 2));
    opened.expect("the directory can be written").0
}

/// Processor time of this thread: what else the machine does is not what is measured.
struct Cpu(u64);

impl Cpu {
    fn now() -> Self {
        let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
        let first = text.split_whitespace().next();
        Self(first.and_then(|nanos| nanos.parse().ok()).unwrap_or(0))
    }

    fn elapsed(&self) -> Duration {
        Duration::from_nanos(Self::now().0.saturating_sub(self.0))
    }
}

fn line(what: &str, count: u64, time: Duration) {
    println!(
        "{what:36} {:>10.1} ns  ({count})",
        time.as_nanos() as f64 / count as f64
    );
}

fn resident_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS"));
    line.and_then(|l| l.split_whitespace().nth(1)?.parse().ok())
        .unwrap_or(0)
}

fn append(store: &mut FileStore<Directory>, subject: &[u8], n: u64) -> u64 {
    let message = NewMessage {
        timestamp: Timestamp(n as i64),
        subject,
        headers: b"",
        payload: &[b'x'; 128],
        deadline: None,
        has_id: false,
    };
    store.append(&message).expect("there is space")
}

fn write_log(store: &mut FileStore<Directory>, count: u64) {
    let subjects: Vec<String> = (0..10_000).map(|n| format!("orders.{n}.new")).collect();
    let (mut appending, mut flushing) = (Duration::ZERO, Duration::ZERO);
    for batch in 0..count / 1000 {
        let start = Cpu::now();
        for n in 0..1000 {
            let n = batch * 1000 + n;
            let subject = &subjects[(n.wrapping_mul(7919) % 10_000) as usize];
            append(store, subject.as_bytes(), n);
        }
        appending += start.elapsed();
        let start = Cpu::now();
        store.flush().expect("there is space");
        flushing += start.elapsed();
        if batch % 100 == 99 {
            store.sync().expect("the disk is well");
        }
    }
    line("append 128 B, 10k subjects", count, appending);
    line("  and writing it, by 1000", count, flushing);
}

fn walk(store: &mut FileStore<Directory>, filter: &str) {
    let filter = Filter::try_from(filter).expect("a filter that is valid");
    let mut cursor = store.cursor(std::slice::from_ref(&filter));
    let start = Cpu::now();
    let (mut from, mut count) = (1, 0);
    while let Some(found) = store.next(&mut cursor, from).expect("the disk is well") {
        from = found + 1;
        count += 1;
    }
    line(&format!("next, filter {filter}"), count, start.elapsed());
}

fn read_log(store: &mut FileStore<Directory>, count: u64) {
    let start = Cpu::now();
    let mut bytes = 0;
    for sequence in 1..=count {
        let message = store.load(sequence).expect("the disk is well");
        bytes += message.map_or(0, |message| message.payload.len());
    }
    assert_eq!(bytes as u64, count * 128);
    line("load, one after the other", count, start.elapsed());
    let start = Cpu::now();
    let (mut sequence, reads) = (1, 100_000);
    for _ in 0..reads {
        sequence = (sequence * 48_271) % 2_147_483_647;
        let message = store.load(sequence % count + 1).expect("the disk is well");
        assert!(message.is_some());
    }
    line("load, anywhere", reads, start.elapsed());
    for filter in [">", "orders.*.new", "orders.77.*", "orders.77.new"] {
        walk(store, filter);
    }
}

fn bucket(store: &mut FileStore<Directory>, keys: u64, puts: u64, from: u64) {
    let names: Vec<String> = (0..keys).map(|n| format!("$KV.bucket.key-{n}")).collect();
    let (mut putting, mut looking) = (Duration::ZERO, Duration::ZERO);
    let (mut flushing, mut worst) = (Duration::ZERO, Duration::ZERO);
    let mut before = vec![None; 1000];
    for batch in 0..puts / 1000 {
        let key = |n: u64| {
            let n = from + batch * 1000 + n;
            let key = (n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 20) % keys;
            names[key as usize].as_bytes()
        };
        let start = Cpu::now();
        for (n, before) in (0..).zip(&mut before) {
            *before = store.subject(key(n)).map(|held| held.last);
        }
        looking += start.elapsed();
        let start = Cpu::now();
        for (n, before) in (0..).zip(&before) {
            append(store, key(n), n);
            if let Some(before) = before {
                store.remove(*before, false).expect("there is space");
            }
        }
        putting += start.elapsed();
        worst = worst.max(start.elapsed());
        let start = Cpu::now();
        store.flush().expect("there is space");
        flushing += start.elapsed();
        if batch % 50 == 49 {
            store.sync().expect("the disk is well");
        }
    }
    line(
        &format!("put: append and remove, {keys} keys"),
        puts,
        putting,
    );
    line("  and looking up the key before", puts, looking);
    line("  and writing it, by 1000", puts, flushing);
    println!(
        "{:36} {:>10.2} ms",
        "  slowest 1000",
        worst.as_secs_f64() * 1e3
    );
}

fn restart(disk: &Directory, what: &str) {
    let before = resident_kib();
    let start = Cpu::now();
    let store = open(disk);
    let time = start.elapsed();
    let state = store.state();
    println!(
        "{what:36} {:>10.1} ms  ({} messages, {} subjects, +{} KiB)",
        time.as_secs_f64() * 1e3,
        state.messages,
        state.subjects,
        resident_kib().saturating_sub(before)
    );
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let directory = arguments.next().expect("usage: measure DIR [messages]");
    let count: u64 = arguments
        .next()
        .map_or(2_000_000, |n| n.parse().expect("a number of messages"));
    let log = Directory(Arc::new(PathBuf::from(&directory).join("log")));
    let kv = Directory(Arc::new(PathBuf::from(&directory).join("kv")));
    for disk in [&log, &kv] {
        let _ = fs::remove_dir_all(&*disk.0);
        fs::create_dir_all(&*disk.0).expect("the directory can be made");
    }
    let mut store = open(&log);
    write_log(&mut store, count);
    store.sync().expect("the disk is well");
    read_log(&mut store, count);
    drop(store);
    restart(&log, "open after a crash");
    open(&log).close().expect("the disk is well");
    restart(&log, "open after a clean end");
    let mut store = open(&kv);
    bucket(&mut store, 1000, count / 2, 0);
    store.remove_below(u64::MAX).expect("there is space");
    bucket(&mut store, 100_000, count / 2, 0);
    store.sync().expect("the disk is well");
    let start = Cpu::now();
    let mut steps = 0;
    while store.maintain(1 << 20).expect("the disk is well") && steps < 10_000 {
        store.sync().expect("the disk is well");
        steps += 1;
    }
    println!(
        "maintain: {steps} steps, {:.1} ms with syncs",
        start.elapsed().as_secs_f64() * 1e3
    );
    bucket(&mut store, 100_000, count / 2, count);
    drop(store);
    restart(&kv, "open the bucket after a crash");
}
