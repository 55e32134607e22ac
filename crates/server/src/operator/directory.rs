//! The directory of a full or a caching resolver: one file per account, named after its key.
//!
//! Invariant: a file is replaced as a whole or not at all, and what was said to be stored is on the
//! disk. Files that cannot be read or are no tokens are left alone and reported.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use cognate_auth::nkey::PublicKey;
use cognate_config::options::{CacheResolver, DeletePolicy, FullResolver};

/// How names of stored tokens end.
const EXTENSION: &str = "jwt";

/// How names of files end that are not complete yet.
const UNFINISHED: &str = "new";

/// How names of files end whose accounts were deleted.
const DELETED: &str = "jwt.deleted";

/// Bytes of a token that are taken at most, wherever it comes from.
pub(super) const MAX_TOKEN: u64 = 4 * 1024 * 1024;

/// Tokens by account, and what could not be read.
type Stored = (Vec<(PublicKey, String)>, Vec<String>);

/// Where accounts are stored.
pub(super) struct Directory {
    path: PathBuf,
    delete: DeletePolicy,
    limit: Option<u64>,
    /// How long an account may be unused before its file goes.
    pub(super) ttl: Option<Duration>,
    /// Time between comparisons with other servers.
    pub(super) interval: Option<Duration>,
    /// How long others may take to send a token.
    pub(super) timeout: Duration,
}

impl Directory {
    /// The directory as configured; it is made when something is stored.
    pub(super) fn full(resolver: &FullResolver) -> Self {
        Directory {
            path: PathBuf::from(&resolver.dir),
            delete: resolver.delete,
            limit: resolver.limit,
            ttl: None,
            interval: Some(resolver.interval),
            timeout: resolver.timeout,
        }
    }

    /// The same for one that keeps some accounts for a while.
    pub(super) fn cache(resolver: &CacheResolver) -> Self {
        Directory {
            path: PathBuf::from(&resolver.dir),
            delete: DeletePolicy::Remove,
            limit: Some(resolver.limit),
            ttl: resolver.ttl,
            interval: None,
            timeout: resolver.timeout,
        }
    }

    /// Whether accounts may be deleted.
    pub(super) fn allows_deletion(&self) -> bool {
        self.delete != DeletePolicy::Refuse
    }

    /// Whether one more account may be stored beside `count`.
    pub(super) fn has_room(&self, count: usize) -> bool {
        self.limit.is_none_or(|limit| (count as u64) < limit)
    }

    /// All tokens, by account, and what could not be read.
    ///
    /// # Errors
    /// If the directory is there and cannot be read.
    pub(super) fn read(&self) -> io::Result<Stored> {
        let (mut tokens, mut problems) = (Vec::new(), Vec::new());
        let entries = match fs::read_dir(&self.path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((tokens, problems)),
            Err(error) => return Err(error),
        };
        for entry in entries {
            let path = entry?.path();
            if path
                .extension()
                .is_none_or(|extension| extension != EXTENSION)
            {
                continue;
            }
            let name = path
                .file_stem()
                .and_then(|name| name.to_str())
                .unwrap_or_default();
            match PublicKey::parse(name) {
                Ok(key) => match read_token(&path) {
                    Ok(token) => tokens.push((key, token)),
                    Err(error) => problems.push(format!("{}: {error}", path.display())),
                },
                Err(_) => problems.push(format!("{} is named after no account", path.display())),
            }
        }
        Ok((tokens, problems))
    }

    /// The token of an account.
    ///
    /// # Errors
    /// If there is none, or it cannot be read.
    pub(super) fn token(&self, key: &PublicKey) -> io::Result<String> {
        read_token(&self.file(key, EXTENSION))
    }

    /// Stores a token in the place of the one before.
    ///
    /// # Errors
    /// If the disk refuses; the one before is there then.
    pub(super) fn store(&self, key: &PublicKey, token: &str) -> io::Result<()> {
        fs::create_dir_all(&self.path)?;
        let unfinished = self.file(key, UNFINISHED);
        let mut file = File::create(&unfinished)?;
        file.write_all(token.as_bytes())?;
        file.sync_all()?;
        drop(file);
        fs::rename(&unfinished, self.file(key, EXTENSION))?;
        File::open(&self.path)?.sync_all()
    }

    /// Deletes an account's token, or sets it aside, as configured.
    ///
    /// # Errors
    /// If the disk refuses.
    pub(super) fn delete(&self, key: &PublicKey) -> io::Result<()> {
        let file = self.file(key, EXTENSION);
        match self.delete {
            DeletePolicy::Refuse => return Ok(()),
            DeletePolicy::Rename => fs::rename(&file, self.file(key, DELETED))?,
            DeletePolicy::Remove => fs::remove_file(&file)?,
        }
        File::open(&self.path)?.sync_all()
    }

    fn file(&self, key: &PublicKey, extension: &str) -> PathBuf {
        self.path.join(format!("{key}.{extension}"))
    }
}

fn read_token(path: &Path) -> io::Result<String> {
    if fs::metadata(path)?.len() > MAX_TOKEN {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "too large for a token",
        ));
    }
    fs::read_to_string(path)
}
