//! What the files of a world look like, as far as its server and its streams are told to: plain or
//! encrypted, compressed or not.

use std::path::Path;

use serde_json::{Value, json};

use super::Run;
use super::link::Link;
use super::rng::Rng;

/// The form of a world's files.
#[derive(Debug, Clone)]
pub struct Form {
    cipher: Option<&'static str>,
    /// The round from whose start on it is used.
    since: u64,
    key: u64,
    compressed: Compressed,
    /// Decides which streams are compressed.
    salt: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Compressed {
    None,
    Some,
    All,
}

impl Form {
    /// The form of a world of so many rounds: half of the worlds are plain, and half have nothing
    /// that is compressed.
    #[must_use]
    pub fn choose(rng: &mut Rng, rounds: u64) -> Self {
        use Compressed::{All, None as Nothing, Some as AFew};
        let cipher = *rng.pick(&[None, None, Some("chacha"), Some("aes")]);
        let since = if rng.percent(30) {
            rng.below(rounds)
        } else {
            0
        };
        Self {
            cipher,
            since,
            key: rng.draw(),
            compressed: *rng.pick(&[Nothing, Nothing, AFew, All]),
            salt: rng.draw(),
        }
    }

    /// The configuration of the server that is started after the kill of a round.
    #[must_use]
    pub fn config(&self, store: &Path, round: u64) -> String {
        let secret = match self.cipher.filter(|_| self.encrypts(round)) {
            Some(cipher) => format!("cipher: {cipher}, key: 'k{}'", self.key),
            None => String::new(),
        };
        format!(
            "jetstream {{ store_dir: '{}', {secret} }}\n",
            store.display()
        )
    }

    /// Whether anything is encrypted in the end.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        self.cipher.is_some()
    }

    /// Whether the server that is started after the kill of a round encrypts.
    #[must_use]
    pub fn encrypts(&self, round: u64) -> bool {
        self.cipher.is_some() && round >= self.since
    }

    /// Whether streams are compressed.
    #[must_use]
    pub fn compresses(&self) -> bool {
        self.compressed != Compressed::None
    }

    /// Has a stream compressed from now on, if it is one of those.
    ///
    /// # Errors
    /// The server refuses or is gone.
    pub fn compress(&self, link: &mut Link, stream: &str) -> Run<()> {
        let letters = stream.bytes().map(u64::from);
        let is_chosen = match self.compressed {
            Compressed::None => false,
            Compressed::Some => Rng::new(letters.fold(self.salt, u64::wrapping_add)).percent(50),
            Compressed::All => true,
        };
        if !is_chosen {
            return Ok(());
        }
        let mut info = link.ok(&format!("STREAM.INFO.{stream}"), &Value::Null)?;
        let mut config = info["config"].take();
        if config["storage"] == "file" {
            config["compression"] = json!("s2");
            link.ok(&format!("STREAM.UPDATE.{stream}"), &config)?;
        }
        Ok(())
    }
}
