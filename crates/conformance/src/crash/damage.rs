//! Damage to one file of a store that nobody has open, and which messages lay under it.
//!
//! A message's payload stands in some file as it was sent, and begins with its stream and number; so
//! the places are found without knowing the format, with a margin for what stands around a payload.
//! (A compressed one begins as it was sent, too.) Where everything is encrypted it is only known which
//! stream's file was damaged, and how many messages had room in the damaged part.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::rng::Rng;

/// What stands before a payload in its record (header, subject, headers), and after it.
const BEFORE: usize = 320;
const AFTER: usize = 112;

/// The least a message takes in a file.
const LEAST: usize = 48;

/// What was done to a file.
#[derive(Debug, Clone)]
pub struct Damage {
    /// The file, below the store directory.
    pub file: PathBuf,
    /// What was done.
    pub what: String,
    is_encrypted: bool,
    most: u64,
    from: usize,
    to: usize,
    before: Vec<u8>,
    /// Where a number stands between colons, by the number: in a payload, behind its stream's name.
    places: HashMap<usize, Vec<usize>>,
}

impl Damage {
    /// Damages one file below `dir`, where all may be encrypted; `None` if there is nothing to damage.
    #[must_use]
    pub fn inflict(dir: &Path, rng: &mut Rng, is_encrypted: bool) -> Option<Self> {
        let mut files = Vec::new();
        collect(dir, &mut files);
        files.sort();
        let path = if rng.percent(50) {
            by_size(&files, rng)?
        } else {
            (!files.is_empty()).then(|| rng.pick(&files).clone())?
        };
        let before = fs::read(&path).ok()?;
        // Damage in the unused end of a preallocated file would be no damage.
        let used = before.iter().rposition(|&byte| byte != 0)? + 1;
        let at = rng.below(used as u64) as usize;
        let mut bytes = before.clone();
        let (what, from, to) = match rng.below(5) {
            0 => {
                let bit = rng.below(8);
                bytes[at] ^= 1 << bit;
                (format!("bit {bit} of byte {at} flipped"), at, at + 1)
            }
            1 => {
                let end = (at + 1 + rng.below(1024) as usize).min(used);
                bytes[at..end].fill(0);
                (format!("bytes {at}..{end} zeroed"), at, end)
            }
            2 => {
                bytes.truncate(at);
                (format!("truncated to {at}"), at, usize::MAX)
            }
            3 => ("deleted".to_owned(), 0, usize::MAX),
            _ => {
                let count = 1 + rng.below(2000);
                bytes.extend((0..count).map(|_| rng.draw() as u8));
                (
                    format!("{count} bytes of garbage appended"),
                    usize::MAX,
                    usize::MAX,
                )
            }
        };
        if what == "deleted" {
            fs::remove_file(&path).ok()?;
        } else {
            fs::write(&path, &bytes).ok()?;
        }
        Some(Self {
            file: path.strip_prefix(dir).unwrap_or(&path).to_owned(),
            what: format!("{what} ({used} of {} bytes used)", before.len()),
            is_encrypted,
            most: most(from, to.min(used)),
            from,
            to,
            places: numbers(&before),
            before,
        })
    }

    /// Whether a message of `stream` lay under it, whose payload is `len` bytes long.
    #[must_use]
    pub fn covers(&self, stream: &str, number: usize, len: usize) -> bool {
        if self.is_encrypted {
            return self.touches(stream);
        }
        let mut places = self.places.get(&number).into_iter().flatten();
        places.any(|&at| {
            self.before[..at].ends_with(stream.as_bytes())
                && at.saturating_sub(BEFORE) < self.to
                && at + len + AFTER > self.from
        })
    }

    /// How many messages may have lain under it.
    #[must_use]
    pub fn most(&self) -> u64 {
        self.most
    }

    /// Whether it was done to a file of `stream`, judged by the path.
    #[must_use]
    pub fn touches(&self, stream: &str) -> bool {
        let mut parts = self.file.components();
        parts.any(|part| part.as_os_str() == stream)
    }
}

/// All numbers between colons, with the places of the colons before them.
fn numbers(bytes: &[u8]) -> HashMap<usize, Vec<usize>> {
    let mut found: HashMap<usize, Vec<usize>> = HashMap::new();
    let is_colon = |at: &usize| bytes[*at] == b':';
    for at in (0..bytes.len()).filter(is_colon) {
        let rest = &bytes[at + 1..];
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let number = str::from_utf8(&rest[..digits]).ok();
        if rest.get(digits) == Some(&b':')
            && let Some(number) = number.and_then(|text| text.parse().ok())
        {
            found.entry(number).or_default().push(at);
        }
    }
    found
}

/// How many messages have room between `from` and `to`, those included that begin before it or end
/// after it.
fn most(from: usize, to: usize) -> u64 {
    let len = to.saturating_sub(from);
    if len == 0 {
        0
    } else {
        (len / LEAST + 2) as u64
    }
}

/// A file as probable as it is large, the way a bad sector chooses.
fn by_size(files: &[PathBuf], rng: &mut Rng) -> Option<PathBuf> {
    let size = |path: &PathBuf| fs::metadata(path).map_or(0, |meta| meta.len());
    let mut place = rng.below(files.iter().map(size).sum());
    for path in files {
        match place.checked_sub(size(path)) {
            Some(rest) => place = rest,
            None => return Some(path.clone()),
        }
    }
    None
}

fn collect(dir: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, files);
        } else if fs::metadata(&path).is_ok_and(|meta| meta.len() > 0) {
            files.push(path);
        }
    }
}
