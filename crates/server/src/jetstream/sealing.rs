//! Encryption at rest, as the configuration wants it.
//!
//! Owns the configured keys while the server runs. A stream's own keys are in its directory, locked
//! with these (`cognate_store::Vault`); everything of the stream that is on the disk is encrypted
//! with them, through the [`Directory`] it is in. A stream that is encrypted with another key is
//! never taken for an empty one: opening it is an error.

use std::io;
use std::path::Path;

use cognate_config::options::{JetStreamOptions, StoreCipher};
use cognate_store::{Algorithm, Keys, Vault, VaultError};

use super::disk::Directory;

/// The configured keys, if there are any.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sealing(Option<Keys>);

impl Sealing {
    /// What the configuration says.
    pub(crate) fn of(options: &JetStreamOptions) -> Self {
        let encryption = options.encryption.as_ref();
        Sealing(encryption.map(|encryption| {
            Keys {
                algorithm: match encryption.cipher {
                    StoreCipher::ChaCha => Algorithm::ChaCha20Poly1305,
                    StoreCipher::Aes => Algorithm::Aes256Gcm,
                },
                current: encryption.key.expose().as_bytes().to_vec(),
                previous: encryption
                    .previous
                    .as_ref()
                    .map(|key| key.expose().as_bytes().to_vec()),
            }
        }))
    }

    /// How it is encrypted, for the log; nothing if it is not.
    pub(super) fn name(&self) -> Option<&'static str> {
        self.0.as_ref().map(|keys| match keys.algorithm {
            Algorithm::ChaCha20Poly1305 => "ChaCha20-Poly1305",
            Algorithm::Aes256Gcm => "AES-256-GCM",
        })
    }

    /// Opens a stream's directory, making it if need be, with the keys that are in it. The second
    /// says what there is to tell of them.
    ///
    /// # Errors
    /// If the directory cannot be used, or is locked with another key; see [`is_locked`].
    pub(super) fn open(&self, path: &Path) -> io::Result<(Directory, Option<String>)> {
        let root = Directory::open(path)?;
        let opened = Vault::open(&root, self.0.as_ref(), &mut fill);
        let (vault, report) = opened.map_err(io::Error::other)?;
        let note = if report.rewrapped {
            Some(
                "its keys were locked with the previous key and are locked with the present one now",
            )
        } else if report.damaged_copies > 0 {
            Some("one of 2 copies of its keys could not be read and was made again")
        } else {
            None
        };
        Ok((root.locked(vault), note.map(str::to_owned)))
    }
}

/// Whether an error says that a stream is encrypted with another key than the configured one.
pub(super) fn is_locked(error: &io::Error) -> bool {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref());
    matches!(cause, Some(VaultError::NoKey | VaultError::WrongKey))
}

fn fill(bytes: &mut [u8]) {
    // The system's source of randomness does not fail once it has worked, and a server whose
    // randomness fails cannot do anything safely.
    aws_lc_rs::rand::fill(bytes).expect("the system gives random bytes");
}

#[cfg(test)]
mod tests {
    use super::*;
    use cognate_config::options::{Secret, StoreEncryption};
    use cognate_store::disk::Disk as _;

    fn sealing(key: &str) -> Sealing {
        Sealing::of(&JetStreamOptions {
            encryption: Some(StoreEncryption {
                key: Secret::new(key),
                previous: None,
                cipher: StoreCipher::Aes,
            }),
            ..JetStreamOptions::default()
        })
    }

    #[test]
    fn a_directory_is_opened_by_its_key_only() -> io::Result<()> {
        let temporary = tempfile::tempdir()?;
        let plain = temporary.path().join("plain");
        assert!(Sealing::default().open(&plain)?.0.vault().is_none());
        let path = temporary.path().join("sealed");
        let (root, _) = sealing("one").open(&path)?;
        assert!(root.vault().is_some());
        assert!(root.inner("messages")?.vault().is_some());
        for wrong in [Sealing::default(), sealing("two")] {
            let error = wrong.open(&path).map(drop).expect_err("it is locked");
            assert!(is_locked(&error), "{error}");
        }
        assert!(sealing("one").open(&path).is_ok());
        Ok(())
    }
}
