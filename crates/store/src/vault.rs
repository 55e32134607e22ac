//! Encryption at rest: the keys of one stream's files, and what is sealed with them.
//!
//! ```text
//! the configured key ─HKDF─▶ wrapping key ─opens─▶ data key ─HKDF─▶ a key for each kind of thing
//!                            (one per document)    (random, in `key.a`, `key.b`)
//! ```
//!
//! So changing the configured key means wrapping the data keys anew, and nothing else is rewritten.
//! The document has a number that rises durably at each opening; it and a counter are the nonce, so
//! none is ever used twice, whatever was lost in a crash. Every sealed thing carries its nonce and a
//! tag of 16 bytes, beside the checksum over it as it is stored: a wrong sum is damage, a wrong tag
//! under a right sum is a wrong key.
//!
//! Invariant: without the right key nothing is opened, and nothing is made in its place. Absent:
//! where keys and random numbers come from; both are arguments.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::aead::{AES_256_GCM, Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};

use crate::bytes::{Put, Reader};
use crate::disk::{Disk, DiskError, OpenMode};
use crate::pair::Pair;

/// The document's name, without the endings of its copies.
const NAME: &str = "key";
const VERSION: u32 = 1;
/// Bytes of a key.
const KEY: usize = 32;
/// Bytes of a salt.
const SALT: usize = 16;
/// Bytes of a nonce.
pub(crate) const NONCE: usize = 12;
/// Bytes of a tag.
pub(crate) const TAG: usize = 16;
/// Bytes of randomness that making a data key takes.
const ENTROPY: usize = KEY + SALT + NONCE;
/// Data keys that a stream may have had.
const GENERATIONS: usize = 64;

/// How things are sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// ChaCha20 with Poly1305.
    ChaCha20Poly1305,
    /// AES with 256-bit keys in Galois/counter mode.
    Aes256Gcm,
}

impl Algorithm {
    fn number(self) -> u32 {
        match self {
            Algorithm::ChaCha20Poly1305 => 1,
            Algorithm::Aes256Gcm => 2,
        }
    }

    fn from_number(number: u32) -> Option<Self> {
        [Algorithm::ChaCha20Poly1305, Algorithm::Aes256Gcm]
            .into_iter()
            .find(|algorithm| algorithm.number() == number)
    }

    fn key(self, bytes: &[u8; KEY]) -> Option<LessSafeKey> {
        let algorithm = match self {
            Algorithm::ChaCha20Poly1305 => &CHACHA20_POLY1305,
            Algorithm::Aes256Gcm => &AES_256_GCM,
        };
        UnboundKey::new(algorithm, bytes).ok().map(LessSafeKey::new)
    }
}

/// The keys of the configuration. Not shown by `Debug`.
#[derive(Clone)]
pub struct Keys {
    /// How new things are sealed.
    pub algorithm: Algorithm,
    /// The key.
    pub current: Vec<u8>,
    /// The key before it: what it opens is wrapped with the current one.
    pub previous: Option<Vec<u8>>,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys")
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

/// Why a stream's keys cannot be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VaultError {
    /// It is encrypted, and no key is configured.
    NoKey,
    /// Neither the configured key nor the previous one opens it.
    WrongKey,
    /// Both copies of the document are damaged, or one is and the other missing.
    Damaged,
    /// The disk, in its words.
    Disk(DiskError),
}

impl fmt::Display for VaultError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            VaultError::NoKey => f.write_str(
                "it is encrypted and no key is configured; set jetstream { key: ... } to the key \
                 it was written with",
            ),
            VaultError::WrongKey => f.write_str(
                "it is encrypted with another key than the configured one; set key, or prev_key, \
                 to the key it was written with",
            ),
            VaultError::Damaged => f.write_str(
                "it is encrypted and both copies of its key document (key.a, key.b) are damaged; \
                 restore one of them from a backup",
            ),
            VaultError::Disk(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for VaultError {}

impl From<DiskError> for VaultError {
    fn from(error: DiskError) -> Self {
        VaultError::Disk(error)
    }
}

/// What opening a vault came by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VaultReport {
    /// It was made now: nothing before it was encrypted.
    pub is_new: bool,
    /// The previous key opened it; it is wrapped with the current one now.
    pub rewrapped: bool,
    /// Copies of its document that could not be read and were made again.
    pub damaged_copies: u8,
}

/// What is sealed, each with a key of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Domain {
    Subject,
    Body,
    Index,
    Journal,
    Document,
}

const DOMAINS: [(Domain, &[u8]); 5] = [
    (Domain::Subject, b"cognate subject"),
    (Domain::Body, b"cognate body"),
    (Domain::Index, b"cognate index"),
    (Domain::Journal, b"cognate journal"),
    (Domain::Document, b"cognate document"),
];

/// The keys of one stream's files.
pub struct Vault {
    generations: Vec<Opened>,
    /// Of this opening.
    epoch: u32,
    counter: AtomicU64,
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault").finish_non_exhaustive()
    }
}

/// A data key whose things have nonces from an epoch on.
struct Opened {
    first_epoch: u32,
    keys: Vec<LessSafeKey>,
}

/// A data key as it is in the document.
#[derive(Clone, PartialEq, Eq)]
struct Wrapped {
    first_epoch: u32,
    algorithm: Algorithm,
    salt: [u8; SALT],
    nonce: [u8; NONCE],
    sealed: [u8; KEY + TAG],
}

impl Vault {
    /// Opens the vault of a stream whose directory is `disk`, or makes it if there are keys and none
    /// is there; `None` if there is neither. `random` fills a slice with random bytes. Durable when
    /// this returns.
    pub fn open<D: Disk>(
        disk: &D,
        keys: Option<&Keys>,
        random: &mut dyn FnMut(&mut [u8]),
    ) -> Result<(Option<Arc<Self>>, VaultReport), VaultError> {
        let (mut pair, content) = Pair::open(Bare(disk.clone()), NAME)?;
        let mut report = VaultReport {
            damaged_copies: content.damaged_copies,
            ..VaultReport::default()
        };
        let body = match (content.body, keys) {
            (None, _) if content.damaged_copies > 0 => return Err(VaultError::Damaged),
            (None, None) => return Ok((None, report)),
            (Some(_), None) => return Err(VaultError::NoKey),
            (body, Some(_)) => body,
        };
        let Some(keys) = keys else {
            return Err(VaultError::NoKey);
        };
        report.is_new = body.is_none();
        let (mut epoch, mut wrapped) = match body {
            Some(body) => decode(&body).ok_or(VaultError::Damaged)?,
            None => (0, Vec::new()),
        };
        let mut data = Vec::new();
        for one in &mut wrapped {
            let (key, is_previous) = one.unwrap(keys)?;
            if is_previous {
                report.rewrapped = true;
                *one = Wrapped::wrap(keys, one.algorithm, one.first_epoch, &key, random)?;
            }
            data.push(key);
        }
        epoch += 1;
        let newest = wrapped.last().map(|newest| newest.algorithm);
        if newest != Some(keys.algorithm) && wrapped.len() < GENERATIONS {
            let mut key = [0; KEY];
            random(&mut key);
            wrapped.push(Wrapped::wrap(keys, keys.algorithm, epoch, &key, random)?);
            data.push(key);
        }
        let opened = wrapped.iter().zip(&data).map(|(one, key)| one.open(key));
        let vault = Self {
            generations: opened.collect::<Option<_>>().ok_or(VaultError::WrongKey)?,
            epoch,
            counter: AtomicU64::new(0),
        };
        // Before anything is sealed: an epoch is never used twice.
        pair.store(&encode(epoch, &wrapped))?;
        Ok((Some(Arc::new(vault)), report))
    }

    /// A nonce that was never used and never will be.
    pub(crate) fn nonce(&self) -> [u8; NONCE] {
        let mut nonce = [0; NONCE];
        nonce[..4].copy_from_slice(&self.epoch.to_le_bytes());
        let count = self.counter.fetch_add(1, Ordering::Relaxed);
        nonce[4..].copy_from_slice(&count.to_le_bytes());
        nonce
    }

    /// Seals what stands in `bytes` from `from` on, and appends the tag.
    pub(crate) fn seal(
        &self,
        domain: Domain,
        nonce: [u8; NONCE],
        about: &[u8],
        bytes: &mut Vec<u8>,
        from: usize,
    ) {
        let key = self.key(domain, nonce);
        let plain = bytes.get_mut(from..).unwrap_or_default();
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag = key.and_then(|key| {
            key.seal_in_place_separate_tag(nonce, Aad::from(about), plain)
                .ok()
        });
        match tag {
            Some(tag) => bytes.extend_from_slice(tag.as_ref()),
            // Nothing is that large; should it be, it is unreadable rather than readable by all.
            None => {
                plain.fill(0);
                bytes.extend_from_slice(&[0; TAG]);
            }
        }
    }

    /// Opens what [`seal`](Self::seal) sealed, in place; how many bytes it is without the tag.
    pub(crate) fn open_in_place(
        &self,
        domain: Domain,
        nonce: [u8; NONCE],
        about: &[u8],
        sealed: &mut [u8],
    ) -> Option<usize> {
        let key = self.key(domain, nonce)?;
        let nonce = Nonce::assume_unique_for_key(nonce);
        let opened = key.open_in_place(nonce, Aad::from(about), sealed).ok()?;
        Some(opened.len())
    }

    /// Nonce, sealed bytes and tag in one.
    pub(crate) fn seal_whole(&self, domain: Domain, plain: &[u8]) -> Vec<u8> {
        let nonce = self.nonce();
        let mut out = Vec::with_capacity(NONCE + plain.len() + TAG);
        out.extend_from_slice(&nonce);
        out.extend_from_slice(plain);
        self.seal(domain, nonce, b"", &mut out, NONCE);
        out
    }

    /// The reverse of [`seal_whole`](Self::seal_whole).
    pub(crate) fn open_whole(&self, domain: Domain, sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE>()?;
        let mut plain = sealed.to_vec();
        let len = self.open_in_place(domain, *nonce, b"", &mut plain)?;
        plain.truncate(len);
        Some(plain)
    }

    fn key(&self, domain: Domain, nonce: [u8; NONCE]) -> Option<&LessSafeKey> {
        let epoch = Reader::new(&nonce).u32()?;
        let after = self.generations.partition_point(|g| g.first_epoch <= epoch);
        let generation = self.generations.get(after.checked_sub(1)?)?;
        let at = DOMAINS.iter().position(|(known, _)| *known == domain)?;
        generation.keys.get(at)
    }
}

/// A disk without its vault: the keys are not locked up with themselves.
#[derive(Clone)]
struct Bare<D>(D);

impl<D: Disk> Disk for Bare<D> {
    type File = D::File;

    fn open(&self, name: &str, mode: OpenMode) -> Result<Option<D::File>, DiskError> {
        self.0.open(name, mode)
    }

    fn remove(&self, name: &str) -> Result<(), DiskError> {
        self.0.remove(name)
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), DiskError> {
        self.0.rename(from, to)
    }

    fn list(&self) -> Result<Vec<String>, DiskError> {
        self.0.list()
    }

    fn sync_dir(&self) -> Result<(), DiskError> {
        self.0.sync_dir()
    }
}

struct Length;

impl KeyType for Length {
    fn len(&self) -> usize {
        KEY
    }
}

fn derive(salt: &[u8], secret: &[u8], purpose: &[u8]) -> Option<[u8; KEY]> {
    let mut out = [0; KEY];
    let extracted = Salt::new(HKDF_SHA256, salt).extract(secret);
    let purpose = [purpose];
    let expanded = extracted.expand(&purpose, Length).ok()?;
    expanded.fill(&mut out).ok()?;
    Some(out)
}

impl Wrapped {
    fn wrap(
        keys: &Keys,
        algorithm: Algorithm,
        first_epoch: u32,
        key: &[u8; KEY],
        random: &mut dyn FnMut(&mut [u8]),
    ) -> Result<Self, VaultError> {
        let mut entropy = [0; ENTROPY];
        random(&mut entropy);
        let mut one = Self {
            first_epoch,
            algorithm,
            salt: [0; SALT],
            nonce: [0; NONCE],
            sealed: [0; KEY + TAG],
        };
        one.salt.copy_from_slice(&entropy[..SALT]);
        one.nonce.copy_from_slice(&entropy[SALT..SALT + NONCE]);
        let wrapping = one
            .wrapping_key(&keys.current)
            .ok_or(VaultError::WrongKey)?;
        let (plain, place) = one.sealed.split_at_mut(KEY);
        plain.copy_from_slice(key);
        let nonce = Nonce::assume_unique_for_key(one.nonce);
        let about = Aad::from(first_epoch.to_le_bytes());
        let tag = wrapping.seal_in_place_separate_tag(nonce, about, plain);
        place.copy_from_slice(tag.map_err(|_| VaultError::WrongKey)?.as_ref());
        Ok(one)
    }

    /// The key that is in it, and whether it took the previous key to open it.
    fn unwrap(&self, keys: &Keys) -> Result<([u8; KEY], bool), VaultError> {
        if let Some(key) = self.unwrap_with(&keys.current) {
            return Ok((key, false));
        }
        let previous = keys.previous.as_deref();
        let key = previous.and_then(|previous| self.unwrap_with(previous));
        key.map(|key| (key, true)).ok_or(VaultError::WrongKey)
    }

    fn unwrap_with(&self, secret: &[u8]) -> Option<[u8; KEY]> {
        let mut sealed = self.sealed;
        let nonce = Nonce::assume_unique_for_key(self.nonce);
        let about = Aad::from(self.first_epoch.to_le_bytes());
        let wrapping = self.wrapping_key(secret)?;
        let opened = wrapping.open_in_place(nonce, about, &mut sealed).ok()?;
        <[u8; KEY]>::try_from(&*opened).ok()
    }

    fn wrapping_key(&self, secret: &[u8]) -> Option<LessSafeKey> {
        let key = derive(&self.salt, secret, b"cognate wrapping key")?;
        self.algorithm.key(&key)
    }

    fn open(&self, key: &[u8; KEY]) -> Option<Opened> {
        let derived = DOMAINS.iter().map(|(_, purpose)| {
            let key = derive(b"", key, purpose)?;
            self.algorithm.key(&key)
        });
        Some(Opened {
            first_epoch: self.first_epoch,
            keys: derived.collect::<Option<_>>()?,
        })
    }
}

fn encode(epoch: u32, wrapped: &[Wrapped]) -> Vec<u8> {
    let mut out = Vec::new();
    out.put_u32(VERSION);
    out.put_u32(epoch);
    out.put_u32(wrapped.len() as u32);
    for one in wrapped {
        out.put_u32(one.first_epoch);
        out.put_u32(one.algorithm.number());
        out.extend_from_slice(&one.salt);
        out.extend_from_slice(&one.nonce);
        out.extend_from_slice(&one.sealed);
    }
    out
}

fn decode(bytes: &[u8]) -> Option<(u32, Vec<Wrapped>)> {
    let mut reader = Reader::new(bytes);
    if reader.u32()? != VERSION {
        return None;
    }
    let epoch = reader.u32()?;
    let count = reader.u32()? as usize;
    let mut wrapped = Vec::new();
    for _ in 0..count.min(GENERATIONS) {
        wrapped.push(Wrapped {
            first_epoch: reader.u32()?,
            algorithm: Algorithm::from_number(reader.u32()?)?,
            salt: reader.take(SALT)?.try_into().ok()?,
            nonce: reader.take(NONCE)?.try_into().ok()?,
            sealed: reader.take(KEY + TAG)?.try_into().ok()?,
        });
    }
    (epoch < u32::MAX && !wrapped.is_empty()).then_some((epoch, wrapped))
}

#[cfg(test)]
mod tests;
