//! Answers about clients' certificates, kept while they hold.
//!
//! In memory, and in the file `cache.json` of a directory between runs, in nats-server's format: by the
//! SHA-256 of the certificate in Base64, with the answer as a stream of S2. What the file says is not
//! believed: every answer is checked when it is used. Bound: [`MAX_ENTRIES`]; beyond it the one goes that
//! has been there longest.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cognate_process::text::rfc3339_nano;
use cognate_tls::{Answer, MAX_ANSWER, Status};
use serde::{Deserialize, Serialize};

/// Answers that are kept at most.
const MAX_ENTRIES: usize = 10_000;

/// The longest file that is read.
const MAX_FILE: u64 = 256 * 1024 * 1024;

/// What a stream of S2 begins with.
const S2_START: &[u8] = b"\xff\x06\x00\x00S2sTwO";

/// The time that stands for none.
const NEVER: &str = "0001-01-01T00:00:00Z";

/// An answer as the file has it.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
struct Entry {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    subject: String,
    cached_at: String,
    resp_status: String,
    resp_expires: String,
    resp: String,
}

/// See the module.
#[derive(Default)]
pub(crate) struct Cache {
    entries: BTreeMap<String, Entry>,
    hits: u64,
    misses: u64,
    is_dirty: bool,
}

/// What monitoring shows of a cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CacheStats {
    pub hits: u64,
    pub misses: u64,
    pub responses: u64,
    pub revoked: u64,
    pub good: u64,
    pub unknown: u64,
}

impl Cache {
    /// Takes what the file in `directory` has; a missing file is an empty one.
    ///
    /// # Errors
    /// If it cannot be read.
    pub(crate) fn load(&mut self, directory: &str) -> Result<(), String> {
        let path = file_in(directory);
        let length = match std::fs::metadata(&path) {
            Ok(metadata) => metadata.len(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error.to_string()),
        };
        if length > MAX_FILE {
            return Err(format!("{} is too large", path.display()));
        }
        let bytes = std::fs::read(&path).map_err(|error| error.to_string())?;
        let entries: BTreeMap<String, Entry> =
            serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
        self.entries = entries.into_iter().take(MAX_ENTRIES).collect();
        Ok(())
    }

    /// What is to be written to the file in `directory`, if anything changed since the last time.
    pub(crate) fn take_unsaved(&mut self, directory: &str) -> Option<(PathBuf, Vec<u8>)> {
        if !std::mem::take(&mut self.is_dirty) {
            return None;
        }
        let bytes = serde_json::to_vec_pretty(&self.entries).ok()?;
        Some((file_in(directory), bytes))
    }

    /// The answer that is kept under `key`.
    pub(crate) fn get(&mut self, key: &str) -> Option<Vec<u8>> {
        let found = self.entries.get(key);
        match found.is_some() {
            true => self.hits += 1,
            false => self.misses += 1,
        }
        decoded(&STANDARD.decode(&found?.resp).ok()?)
    }

    /// What was found is of no use any more. One that says "revoked" stays if it is to be preserved.
    pub(crate) fn discard(&mut self, key: &str, preserve_revoked: bool) {
        self.hits = self.hits.saturating_sub(1);
        self.misses += 1;
        let revoked = Status::Revoked.to_string();
        let is_revoked = |entry: &Entry| entry.resp_status == revoked;
        if preserve_revoked && self.entries.get(key).is_some_and(is_revoked) {
            return;
        }
        self.is_dirty |= self.entries.remove(key).is_some();
    }

    /// Keeps an answer.
    pub(crate) fn put(&mut self, key: String, subject: String, raw: &[u8], answer: &Answer) {
        if self.entries.len() >= MAX_ENTRIES && !self.entries.contains_key(&key) {
            let oldest = self
                .entries
                .iter()
                .min_by_key(|(_, entry)| &entry.cached_at);
            if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
                self.entries.remove(&oldest);
            }
        }
        let expires = answer.next_update;
        let entry = Entry {
            subject,
            cached_at: rfc3339_nano(SystemTime::now()),
            resp_status: answer.status.to_string(),
            resp_expires: expires.map_or_else(|| NEVER.to_owned(), rfc3339_nano),
            resp: STANDARD.encode(encoded(raw)),
        };
        self.entries.insert(key, entry);
        self.is_dirty = true;
    }

    /// What monitoring shows.
    pub(crate) fn stats(&self) -> CacheStats {
        let count = |status: Status| {
            let status = status.to_string();
            let entries = self.entries.values();
            entries.filter(|entry| entry.resp_status == status).count() as u64
        };
        CacheStats {
            hits: self.hits,
            misses: self.misses,
            responses: self.entries.len() as u64,
            revoked: count(Status::Revoked),
            good: count(Status::Good),
            unknown: count(Status::Unknown),
        }
    }
}

/// Writes the file of a cache, whole or not at all.
///
/// # Errors
/// If it cannot be written.
pub(crate) fn save(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory)?;
    }
    let unfinished = path.with_extension("new");
    std::fs::write(&unfinished, bytes)?;
    std::fs::rename(unfinished, path)
}

fn file_in(directory: &str) -> PathBuf {
    Path::new(directory).join("cache.json")
}

/// A stream of S2 with one chunk; answers are far shorter than the longest.
fn encoded(raw: &[u8]) -> Vec<u8> {
    let mut out = S2_START.to_vec();
    let block = minlz::encode(raw);
    out.push(0);
    out.extend_from_slice(&((block.len() + 4) as u32).to_le_bytes()[..3]);
    out.extend_from_slice(&minlz::crc::crc(raw).to_le_bytes());
    out.extend_from_slice(&block);
    out
}

/// What a stream of S2 holds; `None` if it is none, or holds more than an answer may have.
fn decoded(stream: &[u8]) -> Option<Vec<u8>> {
    let mut rest = stream.strip_prefix(S2_START)?;
    let mut out = Vec::new();
    while let [kind, a, b, c, after @ ..] = rest {
        let len = u32::from_le_bytes([*a, *b, *c, 0]) as usize;
        let (chunk, following) = after.split_at_checked(len)?;
        rest = following;
        match kind {
            0 => {
                let block = chunk.get(4..)?;
                let (len, _) = minlz::decode_len(block).ok()?;
                if out.len().checked_add(len)? > MAX_ANSWER {
                    return None;
                }
                out.extend(minlz::decode(block).ok()?);
            }
            1 => out.extend_from_slice(chunk.get(4..)?),
            // Padding and what may be passed over.
            0x80..=0xfe => {}
            _ => return None,
        }
        if out.len() > MAX_ANSWER {
            return None;
        }
    }
    rest.is_empty().then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: Status) -> Answer {
        Answer {
            status,
            this_update: SystemTime::UNIX_EPOCH,
            next_update: None,
            revoked_at: None,
        }
    }

    #[test]
    fn streams_come_back() {
        for raw in [&b""[..], b"short", &[7; 5000]] {
            assert_eq!(decoded(&encoded(raw)).as_deref(), Some(raw));
        }
        let stream = encoded(&[7; 500]);
        for end in 0..stream.len() {
            // A stream that ends before its first chunk is empty.
            assert!(decoded(&stream[..end]).is_none_or(|out| out.is_empty()));
        }
        assert_eq!(decoded(&encoded(&vec![0; MAX_ANSWER + 1])), None);
    }

    #[test]
    fn what_is_kept_outlives_the_server() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().to_str().expect("text");
        let mut cache = Cache::default();
        cache.put(
            "a".to_owned(),
            "CN=a".to_owned(),
            b"good",
            &answer(Status::Good),
        );
        cache.put(
            "b".to_owned(),
            String::new(),
            b"bad",
            &answer(Status::Revoked),
        );
        let (file, bytes) = cache.take_unsaved(path).expect("a change");
        save(&file, &bytes).expect("a writable directory");
        assert!(cache.take_unsaved(path).is_none());
        let mut again = Cache::default();
        again.load(path).expect("a file");
        assert_eq!(again.get("a").as_deref(), Some(&b"good"[..]));
        assert_eq!(again.get("c"), None);
        again.discard("b", true);
        assert_eq!(again.get("b").as_deref(), Some(&b"bad"[..]));
        again.discard("b", false);
        assert_eq!(again.get("b"), None);
        let stats = again.stats();
        assert_eq!((stats.responses, stats.good, stats.revoked), (1, 1, 0));
    }
}
