//! Bringing back what is in the store directory, and what this machine has room for.
//!
//! A stream that cannot be opened stays on disk and is named in the log; the others are not
//! concerned.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use cognate_group::Group;
use cognate_process::{Logger, error, info, warn};

use super::claim::Claim;
use super::disk::Directory;
use super::meta::{self, FoundStream, Opened, StreamFiles};
use super::stream::StreamHandle;
use super::{AccountJetStream, damage, latecomers, restore_stage, sealing};

/// The file whose lock says that a server uses the directory.
pub(super) const LOCK: &str = "LOCK";

/// After how long the log says what the start waits for.
const QUIET: Duration = Duration::from_secs(5);

/// Does what the start cannot go on without. If the disk takes long over it the log says so meanwhile.
pub(super) fn tell_if_long<R>(log: &Logger, directory: &Path, work: impl FnOnce() -> R) -> R {
    let (done, is_done) = mpsc::channel::<()>();
    let (log, directory) = (log.clone(), directory.to_owned());
    let told = std::thread::Builder::new().name("start-watch".to_owned());
    // Without a thread nothing is said.
    let _ = told.spawn(move || {
        if is_done.recv_timeout(QUIET) == Err(mpsc::RecvTimeoutError::Timeout) {
            warn!(
                log,
                "The start waits for the disk of {}, which has not answered for {QUIET:?}: without knowing \
                 what is there, nothing may be stored",
                directory.display()
            );
        }
    });
    let result = work();
    drop(done);
    result
}

/// Takes the store directory for this process.
pub(super) fn lock(directory: &Path) -> io::Result<File> {
    let named = |what: &str, cause: &io::Error| {
        let message = format!("{what} - {}: {cause}", directory.display());
        io::Error::new(cause.kind(), message)
    };
    if let Err(cause) = Directory::open(directory) {
        return Err(match cause.kind() {
            io::ErrorKind::NotADirectory => named("storage directory is not a directory", &cause),
            _ => named("could not create storage directory", &cause),
        });
    }
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(directory.join(LOCK))
        .map_err(|cause| named("storage directory is not writable", &cause))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(io::Error::new(
            io::ErrorKind::ResourceBusy,
            "another server uses this directory",
        )),
        Err(std::fs::TryLockError::Error(cause)) => Err(cause),
    }
}

/// Bytes of memory this machine has.
pub(super) fn memory_bytes() -> u64 {
    let info = rustix::system::sysinfo();
    // The width of these fields differs from system to system.
    #[allow(clippy::unnecessary_cast)]
    let bytes = (info.totalram as u64).saturating_mul(info.mem_unit as u64);
    bytes
}

/// A number that this run of the machine has, and no other: writes of the same run cannot have been
/// cut short by a loss of power. 0 where the system does not tell.
pub(super) fn boot() -> u64 {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let digits = id.bytes().filter_map(|byte| char::from(byte).to_digit(16));
    digits.fold(0, |number: u64, digit| {
        number.rotate_left(4) ^ u64::from(digit)
    })
}

/// Bytes that are free on the disk of `directory`.
pub(super) fn free_bytes(directory: &Path) -> Option<u64> {
    let stat = rustix::fs::statvfs(directory).ok()?;
    Some(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// The directories in a directory; none if it cannot be read.
pub(super) fn directories(path: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    let mut paths: Vec<_> = entries.map(|entry| entry.path()).collect();
    paths.retain(|path| path.is_dir());
    paths.sort();
    paths
}

/// Recovers all streams of the account, but for those whose disk does not answer: they come later.
pub(super) fn streams(jetstream: &Arc<AccountJetStream>) -> io::Result<()> {
    let directory = jetstream.streams_path();
    let listed = tell_if_long(&jetstream.server.shared.log, &directory, || {
        restore_stage::clear(&directory)?;
        meta::stream_directories(&directory)
    });
    latecomers::recover(jetstream, listed?, one)
}

/// Recovers the stream in the directory of the claimed name. An error is one that the server must not
/// start with.
fn one(jetstream: &Arc<AccountJetStream>, claim: &Claim, path: PathBuf) -> io::Result<()> {
    let log = &jetstream.server.shared.log;
    let account = &jetstream.account.name;
    let name = claim.name();
    let started = Instant::now();
    let found = match StreamFiles::open(&path, &jetstream.server.sealing) {
        Ok(Opened::Stream(found)) => *found,
        Ok(Opened::Nothing) => return Ok(()),
        Ok(Opened::OfGoServer) => {
            error!(
                log,
                "  Stream '{account} > {name}' was stored by another nats-server; stop this one, \
                 move the store directory away, and take it over with --import-store"
            );
            return Ok(());
        }
        Ok(Opened::Unreadable) => {
            error!(
                log,
                "  No configuration of stream '{account} > {name}' can be read; it stays in {}",
                path.display()
            );
            return Ok(());
        }
        Err(cause) if sealing::is_locked(&cause) => {
            let text = format!("stream '{account} > {name}' cannot be opened: {cause}");
            return Err(io::Error::other(text));
        }
        Err(cause) => {
            error!(
                log,
                "  Error recovering stream '{account} > {name}': {cause}"
            );
            return Ok(());
        }
    };
    for problem in &found.problems {
        warn!(log, "  Stream '{account} > {name}': {problem}");
    }
    // Nobody may make another stream on its subjects meanwhile, and nobody is in the way.
    let _ = claim.settle(&found.document.config, |_| Ok(()));
    match stream(jetstream, found) {
        Ok(stream) => tell_recovered(jetstream, &stream, started),
        Err(cause) => error!(
            log,
            "  Error recovering stream '{account} > {name}': {}", cause.description
        ),
    }
    Ok(())
}

/// Says in the log what is there of a stream.
fn tell_recovered(jetstream: &AccountJetStream, stream: &StreamHandle, started: Instant) {
    let log = &jetstream.server.shared.log;
    let (account, name) = (&jetstream.account.name, &stream.name);
    let mut group = stream.group.lock();
    info!(
        log,
        "  Restored {} messages for stream '{account} > {name}' in {:?}",
        group.state().messages,
        started.elapsed()
    );
    // All of it is told of here.
    let _ = group.take_found_damage();
    for range in group.damaged() {
        damage::tell(jetstream, name, *range);
    }
}

pub(super) fn stream(
    jetstream: &Arc<AccountJetStream>,
    found: FoundStream,
) -> Result<Arc<StreamHandle>, cognate_model::ApiError> {
    let FoundStream {
        document,
        files,
        consumers,
        messages,
        journal,
        mut is_whole,
        ..
    } = found;
    let now = jetstream.server.clock.now();
    let name = document.config.name.clone();
    let store = jetstream.open_store(messages, document.id, &document.config)?;
    let journal = jetstream.open_journal(journal, document.id, &name)?;
    let specification = jetstream.specification(
        document.config,
        document.created,
        Some(store),
        Some(journal),
    );
    let group = Group::new(specification, now)?;
    let stream = StreamHandle::new(group, jetstream.stream_inbox(&name), files);
    let stream = jetstream.enter(stream)?;
    let log = &jetstream.server.shared.log;
    for spec in consumers {
        let (consumer, place) = (spec.name.clone(), spec.place);
        stream.reserve_place(place);
        stream.subscribe_consumer(&jetstream.account, place, &spec.name, &spec.config);
        let recovered = jetstream.with_group(&stream, |group, now, outlet| {
            group.recover_consumer(spec, now, outlet)
        });
        is_whole &= recovered.is_ok();
        match recovered {
            Ok(found) if found.is_whole && found.unreadable_entries == 0 => {}
            Ok(found) => warn!(
                log,
                "  Consumer '{} > {name} > {consumer}': {}, {} entries of its journal were passed over",
                jetstream.account.name,
                if found.is_whole {
                    "its state was read"
                } else {
                    "its state was lost and it begins anew"
                },
                found.unreadable_entries
            ),
            Err(cause) => error!(
                log,
                "  Error recovering consumer '{} > {name} > {consumer}': {}",
                jetstream.account.name,
                cause.description
            ),
        }
    }
    jetstream.with_group(&stream, |group, _, _| {
        group.begin_journal();
        if is_whole {
            group.let_recovered_go();
        }
    });
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The work ends only when the log has said what it waits for.
    #[test]
    fn a_start_that_waits_for_the_disk_says_so() {
        let (lines, told) = mpsc::channel();
        let log = Logger::custom(move |record| {
            let _ = lines.send(record.message.to_string());
        });
        let line = tell_if_long(&log, Path::new("/a/store"), || {
            told.recv_timeout(Duration::from_secs(60))
        });
        let line = line.expect("the log says something meanwhile");
        assert!(line.contains("waits for the disk of /a/store"), "{line}");
    }
}
