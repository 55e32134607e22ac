//! Which streams and consumers exist, on disk.
//!
//! ```text
//! <store_dir>/jetstream/<account>/streams/<stream>/
//!     key.a, key.b             the stream's keys, twice, if it is encrypted
//!     stream.a, stream.b       the stream's configuration, twice
//!     messages/                the message log
//!     consumers/<number>.a, .b a consumer's configuration, twice
//!     journal/                 how far the consumers are
//! ```
//!
//! A configuration is JSON in two checksummed copies ([`Pair`]), so that one damaged file loses no
//! stream and no consumer. Directories are made before and removed after what they hold is in use.
//! A stream in memory has no files and ends with the server, as in nats-server.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use cognate_group::{MemberSpec, Place};
use cognate_model::{ConsumerConfig, StreamConfig, Timestamp, json, record};
use cognate_store::Pair;
use cognate_store::disk::{Disk, DiskError};
use parking_lot::Mutex;

use super::disk::{DOOMED, Directory};
use super::sealing::Sealing;

/// The name of the stream's document.
const STREAM: &str = "stream";

record! {
    /// A stream's document.
    pub struct StreamDocument("StreamDocument") {
        /// Its configuration.
        config: StreamConfig = "config",
        /// When it was created.
        created: Timestamp = "created",
        /// The random number that tells its files from those of another stream of the same name.
        id: u64 = "id",
    }
}

record! {
    /// A consumer's document.
    pub struct ConsumerDocument("ConsumerDocument") {
        /// Its name.
        name: String = "name",
        /// Its configuration.
        config: ConsumerConfig = "config",
        /// When it was created.
        created: Timestamp = "created",
    }
}

/// The files of one stream, apart from its messages and journal.
pub(crate) struct StreamFiles(Option<OnDisk>);

struct OnDisk {
    path: PathBuf,
    id: u64,
    stream: Mutex<Pair<Directory>>,
    consumers: Directory,
    pairs: Mutex<BTreeMap<Place, Pair<Directory>>>,
}

/// What is in a stream's directory.
pub(crate) enum Opened {
    /// A stream.
    Stream(Box<FoundStream>),
    /// Something whose configuration cannot be read.
    Unreadable,
    /// A stream of the Go server.
    OfGoServer,
    /// Nothing; the directory is gone.
    Nothing,
}

/// What was found of a stream.
pub(crate) struct FoundStream {
    /// Its document.
    pub document: StreamDocument,
    /// Its files.
    pub files: StreamFiles,
    /// Its consumers.
    pub consumers: Vec<MemberSpec>,
    /// Where its messages are.
    pub messages: Directory,
    /// Where its journal is.
    pub journal: Directory,
    /// All consumers are there.
    pub is_whole: bool,
    /// What could not be read, in words for the log.
    pub problems: Vec<String>,
}

impl StreamFiles {
    /// For a stream in memory.
    pub(crate) fn none() -> Self {
        StreamFiles(None)
    }

    /// Whether there are any.
    pub(crate) fn are_kept(&self) -> bool {
        self.0.is_some()
    }

    /// Makes the files of a new stream. Everything is written before anything is synced, because the
    /// first sync then takes most of the rest along.
    pub(crate) fn create(
        path: &Path,
        document: &StreamDocument,
        sealing: &Sealing,
    ) -> io::Result<(Self, Directory, Directory)> {
        Directory::make(path)?;
        let (root, _) = sealing.open(path)?;
        let messages = root.new_inner("messages")?;
        let journal = root.new_inner("journal")?;
        let consumers = root.new_inner("consumers")?;
        let (mut pair, _) = Pair::open(root, STREAM).map_err(other)?;
        pair.store(&json::to_vec(document)).map_err(other)?;
        Directory::sync_name(path)?;
        let files = OnDisk {
            path: path.to_owned(),
            id: document.id,
            stream: Mutex::new(pair),
            consumers,
            pairs: Mutex::default(),
        };
        Ok((StreamFiles(Some(files)), messages, journal))
    }

    /// Reads what is at `path`.
    pub(crate) fn open(path: &Path, sealing: &Sealing) -> io::Result<Opened> {
        if is_of_go_server(path) {
            return Ok(Opened::OfGoServer);
        }
        let (root, note) = sealing.open(path)?;
        let mut problems: Vec<String> = note.into_iter().collect();
        let (pair, content) = Pair::open(root.clone(), STREAM).map_err(other)?;
        if content.damaged_copies > 0 {
            problems.push(format!(
                "{} of 2 copies of the stream's configuration could not be read",
                content.damaged_copies
            ));
        }
        let Some(body) = content.body else {
            if content.damaged_copies == 0 && is_empty(&path.join("messages"))? {
                // Its creation or removal was cut short before or after there was anything in it.
                Directory::remove_all(path)?;
                return Ok(Opened::Nothing);
            }
            return Ok(Opened::Unreadable);
        };
        let (document, _) = json::decode::<StreamDocument>(&body)
            .map_err(|error| io::Error::other(error.to_string()))?;
        let directory = root.inner("consumers")?;
        let mut pairs = BTreeMap::new();
        let (consumers, is_whole) = find_consumers(&directory, &mut pairs, &mut problems)?;
        let mut pair = pair;
        if content.damaged_copies > 0 || (content.is_plain && root.vault().is_some()) {
            pair.store(&body).map_err(other)?;
        }
        Ok(Opened::Stream(Box::new(FoundStream {
            consumers,
            messages: root.inner("messages")?,
            journal: root.inner("journal")?,
            files: StreamFiles(Some(OnDisk {
                path: path.to_owned(),
                id: document.id,
                stream: Mutex::new(pair),
                consumers: directory,
                pairs: Mutex::new(pairs),
            })),
            document,
            is_whole,
            problems,
        })))
    }

    /// The random number that tells the stream's files from others; 0 for a stream in memory.
    pub(crate) fn stream_id(&self) -> u64 {
        self.0.as_ref().map_or(0, |files| files.id)
    }

    /// Keeps a new configuration; durable when this returns.
    pub(crate) fn store_stream(&self, document: &StreamDocument) -> Result<(), DiskError> {
        match &self.0 {
            None => Ok(()),
            Some(files) => files.stream.lock().store(&json::to_vec(document)),
        }
    }

    /// Keeps a consumer's configuration; durable when this returns.
    pub(crate) fn store_consumer(&self, spec: &MemberSpec) -> Result<(), DiskError> {
        let Some(files) = self.0.as_ref().filter(|_| !spec.config.mem_storage) else {
            return Ok(());
        };
        let mut pairs = files.pairs.lock();
        let pair = match pairs.entry(spec.place) {
            std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::btree_map::Entry::Vacant(entry) => {
                let name = spec.place.to_string();
                entry.insert(Pair::open(files.consumers.clone(), &name)?.0)
            }
        };
        pair.store(&json::to_vec(&ConsumerDocument {
            name: spec.name.clone(),
            config: spec.config.clone(),
            created: spec.created,
        }))
    }

    /// Forgets a consumer; durable when this returns.
    pub(crate) fn remove_consumer(&self, place: Place) -> Result<(), DiskError> {
        let Some(files) = &self.0 else {
            return Ok(());
        };
        match files.pairs.lock().remove(&place) {
            Some(pair) => pair.remove(),
            None => Ok(()),
        }
    }

    /// Removes everything of the stream, durably.
    pub(crate) fn remove(&self) -> io::Result<()> {
        match &self.0 {
            None => Ok(()),
            Some(files) => Directory::remove_all(&files.path),
        }
    }
}

/// Whether a directory holds a stream of the Go server, whose directories have the same names.
pub(crate) fn is_of_go_server(path: &Path) -> bool {
    path.join("meta.inf").exists()
}

/// Whether a directory holds nothing, or is not there.
fn is_empty(path: &Path) -> io::Result<bool> {
    match std::fs::read_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        entries => Ok(entries?.next().is_none()),
    }
}

fn find_consumers(
    directory: &Directory,
    pairs: &mut BTreeMap<Place, Pair<Directory>>,
    problems: &mut Vec<String>,
) -> io::Result<(Vec<MemberSpec>, bool)> {
    let mut is_whole = true;
    let mut places: Vec<Place> = directory
        .list()
        .map_err(other)?
        .iter()
        .filter_map(|name| name.split_once('.')?.0.parse().ok())
        .collect();
    places.sort_unstable();
    places.dedup();
    let mut consumers = Vec::new();
    for place in places {
        let (mut pair, content) =
            Pair::open(directory.clone(), &place.to_string()).map_err(other)?;
        let read = content
            .body
            .as_deref()
            .and_then(|body| json::decode::<ConsumerDocument>(body).ok());
        let Some((
            ConsumerDocument {
                name,
                config,
                created,
            },
            _,
        )) = read
        else {
            is_whole = false;
            problems.push(format!(
                "the configuration of consumer number {place} is lost"
            ));
            continue;
        };
        if content.damaged_copies > 0 {
            problems.push(format!(
                "one of 2 copies of the configuration of consumer '{name}' could not be read"
            ));
        }
        let is_bare = content.is_plain && directory.vault().is_some();
        if let Some(body) = &content.body
            && (content.damaged_copies > 0 || is_bare)
        {
            pair.store(body).map_err(other)?;
        }
        pairs.insert(place, pair);
        consumers.push(MemberSpec {
            place,
            name,
            config,
            created,
        });
    }
    Ok((consumers, is_whole))
}

/// The directories of the streams below `path`, and nothing half removed.
pub(crate) fn stream_directories(path: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let entries = match std::fs::read_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
        entries => entries?,
    };
    for entry in entries {
        let path = entry?.path();
        if !path.is_dir() {
            continue;
        }
        if path.to_string_lossy().ends_with(DOOMED) {
            std::fs::remove_dir_all(&path)?;
            continue;
        }
        found.push(path);
    }
    found.sort();
    Ok(found)
}

fn other(error: DiskError) -> io::Error {
    io::Error::other(error.to_string())
}
