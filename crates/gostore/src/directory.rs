//! A stream's directory as nats-server left it.
//!
//! ```text
//! <stream>/meta.inf, meta.sum, meta.key (if encrypted)
//!          msgs/<n>.blk, <n>.key, index.db            the rest there is made from these
//!          __new_msgs__/                              takes the place of msgs if it has a block
//!          obs/<consumer>/meta.inf, meta.sum, meta.key, o.dat
//! ```
//!
//! Absent: files of versions before 2.10, and messages of atomic batches that were not committed.

use crate::assembly::{Assembly, Sink};
use crate::consumer_state::ConsumerState;
use crate::encryption::AssetKey;
use crate::hash::SumKey;
use crate::index::Index;
use crate::meta::{ConsumerMeta, StreamMeta};
use crate::report::Report;
use crate::{MAX_FILE_BYTES, compression};

/// The largest index that is read: that of some millions of subjects.
const MAX_INDEX_BYTES: usize = 512 * 1024 * 1024;

/// The files of a stream. Paths are relative to its directory, with slashes.
pub trait Files {
    /// The names in a directory, in any order; none if it is not there.
    ///
    /// # Errors
    /// If it cannot be read, in words.
    fn names(&self, directory: &str) -> Result<Vec<String>, String>;

    /// The contents of a file of at most `limit` bytes; nothing if it is not there.
    ///
    /// # Errors
    /// If it cannot be read or is larger, in words.
    fn read(&self, path: &str, limit: usize) -> Result<Option<Vec<u8>>, String>;
}

/// What opens encrypted files.
#[derive(Clone, Copy, Debug)]
pub struct Keys<'a> {
    /// The account's name, which keys depend on.
    pub account: &'a str,
    /// The keys that were configured, the present one first.
    pub configured: &'a [&'a str],
}

/// Reads the stream `name` and hands it to `sink`. If what the stream is cannot be told, the sink gets
/// nothing, and the report says why as damage.
///
/// # Errors
/// If the sink takes no more.
pub fn read_stream<F: Files, S: Sink>(
    files: &F,
    name: &str,
    keys: Keys<'_>,
    sink: &mut S,
) -> Result<Report, S::Error> {
    let mut directory = Directory {
        files,
        keys,
        assembly: Assembly::new(name),
    };
    match directory.meta() {
        Ok((meta, key)) => {
            sink.stream(meta)?;
            directory.messages(key.as_ref(), sink)?;
            directory.consumers(sink)?;
        }
        Err(Fault::Locked) => {
            let text = "it is encrypted and no key was given; put the one it was encrypted with into \
                        the configuration as jetstream { key: … }";
            directory.assembly.report.skipped.push(text.to_owned());
        }
        Err(Fault::Damaged(reason)) => directory.assembly.report.damage.push(reason),
    }
    Ok(directory.assembly.report)
}

/// Why something cannot be read.
enum Fault {
    /// It is encrypted, and there is no key.
    Locked,
    /// In words.
    Damaged(String),
}

impl From<String> for Fault {
    fn from(reason: String) -> Self {
        Fault::Damaged(reason)
    }
}

impl From<&str> for Fault {
    fn from(reason: &str) -> Self {
        Fault::Damaged(reason.to_owned())
    }
}

impl Fault {
    fn text(self) -> String {
        match self {
            Fault::Locked => "it is encrypted".to_owned(),
            Fault::Damaged(reason) => reason,
        }
    }
}

struct Directory<'a, F> {
    files: &'a F,
    keys: Keys<'a>,
    assembly: Assembly,
}

impl<F: Files> Directory<'_, F> {
    fn name(&self) -> &str {
        self.assembly.stream()
    }

    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, String> {
        self.files.read(path, MAX_FILE_BYTES)
    }

    /// The key of something encrypted; nothing if it is in the clear.
    fn key(&self, path: &str, context: &str) -> Result<Option<AssetKey>, Fault> {
        let Some(file) = self.read(path)? else {
            return Ok(None);
        };
        if self.keys.configured.is_empty() {
            return Err(Fault::Locked);
        }
        match AssetKey::open(&file, self.keys.configured, self.keys.account, context) {
            Some(key) => Ok(Some(key)),
            None => Err(Fault::Damaged(format!(
                "{path} cannot be opened with the configured keys, or is damaged"
            ))),
        }
    }

    fn meta(&mut self) -> Result<(StreamMeta, Option<AssetKey>), Fault> {
        let file = self.read("meta.inf")?.ok_or("meta.inf is missing")?;
        let key = self.key("meta.key", self.name())?;
        let sum_key = SumKey::stream(self.name());
        self.check_sum("meta.inf", "meta.sum", &file, sum_key);
        let text = opened("meta.inf", file, key.as_ref())?;
        let meta = StreamMeta::read(&text).map_err(|error| format!("meta.inf: {error}"))?;
        if meta.config.name != self.name() {
            let name = meta.config.name;
            return Err(format!("meta.inf is that of a stream named {name:?}").into());
        }
        Ok((meta, key))
    }

    /// Compares a file with its sum. A difference alone is no reason not to take it.
    fn check_sum(&mut self, path: &str, sum_path: &str, file: &[u8], key: SumKey) {
        let expected = self.read(sum_path).ok().flatten();
        if expected.as_deref() != Some(key.text(file).as_bytes()) {
            let text =
                format!("{path} does not agree with {sum_path}; what can be read of it was taken");
            self.assembly.report.damage.push(text);
        }
    }

    fn messages<S: Sink>(&mut self, key: Option<&AssetKey>, sink: &mut S) -> Result<(), S::Error> {
        let new = self.blocks("__new_msgs__");
        let (directory, mut numbers) = if new.is_empty() {
            ("msgs", self.blocks("msgs"))
        } else {
            ("__new_msgs__", new)
        };
        numbers.sort_unstable();
        if let Some(index) = self.index(directory, key) {
            self.assembly.index(index);
        }
        for number in numbers {
            match self.open_block(directory, number) {
                Ok((plain, is_whole)) => {
                    self.assembly.block(number, &plain, is_whole, sink)?;
                }
                Err((reason, bytes)) => self.assembly.unreadable_block(number, &reason, bytes),
            }
        }
        self.assembly.end(sink)
    }

    fn blocks(&mut self, directory: &str) -> Vec<u32> {
        match self.files.names(directory) {
            Ok(names) => names.iter().filter_map(|name| block_number(name)).collect(),
            Err(reason) => {
                self.assembly
                    .report
                    .damage
                    .push(format!("{directory}: {reason}"));
                Vec::new()
            }
        }
    }

    /// A block in the clear, and whether its compression could be undone without loss. Otherwise why
    /// not, and how many bytes it has.
    fn open_block(&self, directory: &str, number: u32) -> Result<(Vec<u8>, bool), (String, usize)> {
        let unknown = |reason| (reason, MAX_FILE_BYTES);
        let file = self
            .read(&format!("{directory}/{number}.blk"))
            .map_err(unknown)?;
        let mut block = file.unwrap_or_default();
        let context = format!("{}:{number}", self.name());
        let key = self.key(&format!("{directory}/{number}.key"), &context);
        let len = block.len();
        if let Some(key) = key.map_err(|fault| (fault.text(), len))? {
            let opened = key.open_block(&mut block);
            opened.ok_or(("it is too long for its cipher".to_owned(), len))?;
        }
        Ok(compression::open(block))
    }

    fn index(&mut self, directory: &str, key: Option<&AssetKey>) -> Option<Index> {
        let path = format!("{directory}/index.db");
        let report = &mut self.assembly.report;
        let bytes = match self.files.read(&path, MAX_INDEX_BYTES) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return None,
            Err(reason) => {
                report.notes.push(format!("{path}: {reason}"));
                return None;
            }
        };
        let index = match key {
            None => Index::read(&bytes, self.assembly.stream()),
            Some(key) => {
                let sealed = bytes.get(..bytes.len().saturating_sub(8));
                let body = sealed.and_then(|sealed| key.open_file(sealed));
                body.and_then(|body| Index::read_body(&body))
            }
        };
        if index.is_none() {
            // Everything in it is in the blocks, too, but removals by limits.
            let text = format!("{path} is damaged; the limits of the stream are applied anew");
            self.assembly.report.notes.push(text);
        }
        index
    }

    fn consumers<S: Sink>(&mut self, sink: &mut S) -> Result<(), S::Error> {
        let mut names = match self.files.names("obs") {
            Ok(names) => names,
            Err(reason) => {
                self.assembly.report.damage.push(format!("obs: {reason}"));
                return Ok(());
            }
        };
        names.sort_unstable();
        for name in names {
            match self.consumer(&name) {
                Ok((meta, state)) => {
                    self.assembly.report.consumers += 1;
                    sink.consumer(meta, state)?;
                }
                Err(fault) => {
                    let text = format!("consumer {name}: {}", fault.text());
                    self.assembly.report.damage.push(text);
                }
            }
        }
        Ok(())
    }

    fn consumer(&mut self, name: &str) -> Result<(ConsumerMeta, Option<ConsumerState>), Fault> {
        let path = |file: &str| format!("obs/{name}/{file}");
        let meta_path = path("meta.inf");
        let file = self.read(&meta_path)?.ok_or("meta.inf is missing")?;
        let key = self.key(&path("meta.key"), &format!("{}.{name}", self.name()))?;
        let sum_key = SumKey::consumer(self.name(), name);
        self.check_sum(&meta_path, &path("meta.sum"), &file, sum_key);
        let text = opened(&meta_path, file, key.as_ref())?;
        let mut meta = ConsumerMeta::read(&text).map_err(|error| format!("meta.inf: {error}"))?;
        // What was made as an ephemeral consumer may say its name only here.
        meta.name = name.to_owned();
        let state = match self.read(&path("o.dat")) {
            Ok(None) => return Ok((meta, None)),
            Ok(Some(file)) => opened("o.dat", file, key.as_ref())
                .ok()
                .and_then(|bytes| ConsumerState::read(&bytes)),
            Err(_) => None,
        };
        if state.is_none() {
            let text = format!("consumer {name}: o.dat is damaged; the consumer begins anew");
            self.assembly.report.damage.push(text);
        }
        Ok((meta, state))
    }
}

fn opened(path: &str, file: Vec<u8>, key: Option<&AssetKey>) -> Result<Vec<u8>, String> {
    match key {
        None => Ok(file),
        Some(key) => key
            .open_file(&file)
            .ok_or_else(|| format!("{path} cannot be decrypted, it is damaged")),
    }
}

/// The number in `<n>.blk`.
pub(crate) fn block_number(name: &str) -> Option<u32> {
    let number = name.strip_suffix(".blk")?;
    let is_plain = number.bytes().all(|byte| byte.is_ascii_digit());
    number.parse().ok().filter(|_| is_plain)
}
