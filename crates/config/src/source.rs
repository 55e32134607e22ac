//! Where the loader gets files and environment variables from.
//!
//! Owns the [`Source`] seam, which keeps this crate free of I/O, and [`MemorySource`], a complete
//! source for embedding and tests. The server implements `Source` over the file system. Absent:
//! any access to a disk or to the process environment.

use std::collections::BTreeMap;

/// File contents and environment variables, as the loader needs them.
pub trait Source {
    /// The whole text of a file.
    ///
    /// # Errors
    /// The reason, in words for the user, why the file cannot be read.
    fn read(&self, path: &str) -> Result<String, String>;

    /// The value of an environment variable, if it is set.
    fn env(&self, name: &str) -> Option<String>;

    /// Whether a file or directory exists; asked of certificates, keys and the like.
    fn exists(&self, path: &str) -> bool;

    /// Whether what exists at a path is a directory; asked of directories only.
    fn is_directory(&self, path: &str) -> bool {
        self.exists(path)
    }
}

/// A source held in memory.
#[derive(Clone, Debug, Default)]
pub struct MemorySource {
    files: BTreeMap<String, String>,
    env: BTreeMap<String, String>,
}

impl MemorySource {
    /// A source without files or variables.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a file.
    #[must_use]
    pub fn with_file(mut self, path: impl Into<String>, text: impl Into<String>) -> Self {
        self.files.insert(path.into(), text.into());
        self
    }

    /// Adds an environment variable.
    #[must_use]
    pub fn with_env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.insert(name.into(), value.into());
        self
    }
}

impl Source for MemorySource {
    fn read(&self, path: &str) -> Result<String, String> {
        self.files
            .get(path)
            .cloned()
            .ok_or_else(|| "no such file or directory".to_owned())
    }

    fn env(&self, name: &str) -> Option<String> {
        self.env.get(name).cloned()
    }

    fn exists(&self, path: &str) -> bool {
        self.files.contains_key(path)
    }

    /// There are files only.
    fn is_directory(&self, _path: &str) -> bool {
        false
    }
}
