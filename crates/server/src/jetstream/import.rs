//! Taking over the store directory of a Go server that was stopped.
//!
//! ```text
//! DIR/jetstream/<account>/streams/<stream> ─▶ cognate_gostore ─▶ Stage ─▶ <store_dir>/jetstream/…
//! ```
//!
//! Nothing of the old directory is changed, no stream of ours is overwritten, and each stream appears
//! as a whole or not at all. What could not be taken is said stream by stream. Called by the
//! `nats-server` binary, with no server running. Every account of the Go server is imported, whether
//! the configuration has it or not: streams are served as soon as an account of their name is there.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use cognate_config::Options;
use cognate_config::options::{JETSTREAM_DIR, JetStreamOptions};
use cognate_gostore::{Files, Keys, StreamMeta, read_stream};
use cognate_model::{
    AccountLimits, ServerLimits, StorageType, StreamConfig, StreamContext, Timestamp,
};

use super::account_path;
use super::assets::STREAMS_DIR;
use super::clock::Clock;
use super::import_report::Teller;
use super::meta::{self, Opened, StreamFiles};
use super::recover;
use super::restore_stage::{Plan, Stage, Unfit, clear};
use super::sealing::Sealing;

/// Imports the JetStream store below `from` into the one that `options` say; `say` is told, line by
/// line, what was taken, left out and damaged. Returns whether everything was taken as it was.
///
/// # Errors
/// If there is nothing to import, or nowhere to put it; in words.
pub fn import_store(
    options: &Options,
    from: &Path,
    say: &mut dyn FnMut(&str),
) -> Result<bool, String> {
    let options = options
        .jetstream
        .as_ref()
        .unwrap_or(&options.dormant_jetstream);
    let store_dir = options.store_dir.as_ref().ok_or(
        "--import-store needs to know where to: give --store_dir <dir>, or a configuration with \
         store_dir",
    )?;
    let to = Path::new(store_dir).join(JETSTREAM_DIR);
    let from = locate(from)?;
    let _lock = recover::lock(&to).map_err(|error| format!("{}: {error}", to.display()))?;
    if same(&from, &to) {
        return Err(format!(
            "{} is also the directory to import into; move the Go server's store away first, or \
             give another --store_dir",
            from.display()
        ));
    }
    let mut teller = Teller::new(say);
    teller.line(&format!(
        "Importing from {} into {}",
        from.display(),
        to.display()
    ));
    for account in directories(&from)? {
        let streams = from.join(&account).join("streams");
        let names = match directories(&streams) {
            Ok(names) => names,
            Err(_) if !streams.exists() => continue,
            Err(reason) => return Err(reason),
        };
        // Those were being deleted.
        let names: Vec<_> = names
            .into_iter()
            .filter(|name| !name.starts_with('.'))
            .collect();
        let mut import = Import {
            to: to.join(account_path::directory(&account)).join(STREAMS_DIR),
            account,
            keys: configured_keys(options),
            sealing: Sealing::of(options),
            limits: ServerLimits::default(),
            there: Vec::new(),
        };
        import.look_around().map_err(|error| error.to_string())?;
        for name in names {
            import.stream(&streams.join(&name), &name, &mut teller);
        }
    }
    Ok(teller.end())
}

/// The keys that the configuration has, the present one first.
fn configured_keys(options: &JetStreamOptions) -> Vec<String> {
    let keys = options.encryption.iter();
    let keys = keys.flat_map(|encryption| [Some(&encryption.key), encryption.previous.as_ref()]);
    keys.flatten().map(|key| key.expose().to_owned()).collect()
}

/// Where the accounts are, for a directory that a user means.
fn locate(from: &Path) -> Result<PathBuf, String> {
    for candidate in [from.join(JETSTREAM_DIR), from.to_owned()] {
        let accounts = directories(&candidate).unwrap_or_default();
        let mut accounts = accounts.iter().map(|account| candidate.join(account));
        if accounts.any(|account| account.join("streams").is_dir()) {
            return Ok(candidate);
        }
    }
    Err(format!(
        "{} has no JetStream store: {JETSTREAM_DIR}/<account>/streams is expected in it",
        from.display()
    ))
}

fn same(a: &Path, b: &Path) -> bool {
    match (a.canonicalize(), b.canonicalize()) {
        (Ok(a), Ok(b)) => a == b,
        _ => false,
    }
}

/// The names of the directories in a directory, in order.
fn directories(path: &Path) -> Result<Vec<String>, String> {
    let failed = |error: io::Error| format!("{}: {error}", path.display());
    let mut names = Vec::new();
    for entry in std::fs::read_dir(path).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if entry.path().is_dir()
            && let Ok(name) = entry.file_name().into_string()
        {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// An import into one account.
struct Import {
    /// The name of the account.
    account: String,
    to: PathBuf,
    keys: Vec<String>,
    sealing: Sealing,
    limits: ServerLimits,
    /// Streams that are there.
    there: Vec<StreamConfig>,
}

impl Import {
    /// Finds out which streams there are.
    fn look_around(&mut self) -> io::Result<()> {
        clear(&self.to)?;
        for path in meta::stream_directories(&self.to)? {
            if let Opened::Stream(found) = StreamFiles::open(&path, &self.sealing)? {
                self.there.push(found.document.config);
            }
        }
        Ok(())
    }

    fn stream(&mut self, from: &Path, name: &str, teller: &mut Teller<'_>) {
        let what = format!("Stream '{} > {name}'", self.account);
        if self.to.join(name).exists() {
            return teller.skipped(&what, "a stream of this name is there already");
        }
        let now = Clock::default().now();
        let plan = Plan {
            streams: self.to.clone(),
            numbers: (random(), random()),
            room: u64::MAX,
            limits: self.limits,
            now,
            unfit: Unfit::LeaveOut,
            sealing: self.sealing.clone(),
        };
        let there = self.there.clone();
        let (tell, told) = std::sync::mpsc::channel();
        let decide = move |meta: StreamMeta| {
            let adopted = adopt(meta, &there, now)?;
            // The other end is there as long as the stage is.
            let _ = tell.send((adopted.config.clone(), adopted.notes));
            Ok((adopted.config, adopted.created))
        };
        let mut stage = Stage::new(plan, Box::new(decide));
        let configured: Vec<_> = self.keys.iter().map(String::as_str).collect();
        let keys = Keys {
            account: &self.account,
            configured: &configured,
        };
        let files = OnDisk(from.to_owned());
        let mut report = match read_stream(&files, name, keys, &mut stage) {
            Ok(report) => report,
            Err(cause) => return teller.skipped(&what, &cause.to_string()),
        };
        let Ok((config, notes)) = told.try_recv() else {
            return teller.unreadable(&what, &report);
        };
        report.notes.extend(notes);
        report.consumers -= stage.left_out.len() as u64;
        report.skipped.append(&mut stage.left_out);
        match stage.finish() {
            Ok(_) => {
                teller.taken(&what, &report);
                self.there.push(config);
            }
            Err(cause) => teller.skipped(&what, &cause.to_string()),
        }
    }
}

/// What a stream is to be here.
struct Adopted {
    config: StreamConfig,
    created: Timestamp,
    notes: Vec<String>,
}

fn adopt(meta: StreamMeta, there: &[StreamConfig], now: Timestamp) -> Result<Adopted, String> {
    let mut config = meta.config;
    let mut notes = Vec::new();
    if config.storage != StorageType::File {
        return Err("it is a stream in memory".to_owned());
    }
    if !meta.unknown.is_empty() {
        let names = meta.unknown.join(", ");
        return Err(format!(
            "it has settings that this server does not know: {names}"
        ));
    }
    if config.num_replicas > 1 {
        let replicas = std::mem::replace(&mut config.num_replicas, 1);
        notes.push(format!("it had {replicas} replicas, and has one here"));
    }
    let account = AccountLimits::UNLIMITED;
    let config = config
        .checked(&StreamContext {
            server: &ServerLimits::default(),
            account: &account,
            pedantic: false,
            find: &|name| there.iter().find(|config| config.name == name).cloned(),
        })
        .map_err(|error| error.description.into_owned())?;
    config
        .check_subjects_free(there.iter())
        .map_err(|error| error.description.into_owned())?;
    Ok(Adopted {
        config,
        created: if meta.created.is_zero_time() {
            now
        } else {
            meta.created
        },
        notes,
    })
}

/// A random number.
fn random() -> u64 {
    let mut bytes = [0; 8];
    // What it is for is telling files apart; the time does if the system gives none.
    match rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty()) {
        Ok(_) => u64::from_ne_bytes(bytes),
        Err(_) => Clock::default().now().0.unsigned_abs(),
    }
}

/// The files of a stream of the Go server.
struct OnDisk(PathBuf);

impl Files for OnDisk {
    fn names(&self, directory: &str) -> Result<Vec<String>, String> {
        let entries = match std::fs::read_dir(self.0.join(directory)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(|error| error.to_string())?,
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|error| error.to_string())?;
            // A name that is not text is none of the Go server's.
            names.extend(entry.file_name().into_string());
        }
        Ok(names)
    }

    fn read(&self, path: &str, limit: usize) -> Result<Option<Vec<u8>>, String> {
        let file = match File::open(self.0.join(path)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file.map_err(|error| error.to_string())?,
        };
        let mut bytes = Vec::new();
        let most = limit as u64 + 1;
        let read = file.take(most).read_to_end(&mut bytes);
        read.map_err(|error| error.to_string())?;
        if bytes.len() > limit {
            return Err(format!("it is larger than {limit} bytes"));
        }
        Ok(Some(bytes))
    }
}
