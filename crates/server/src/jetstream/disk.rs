//! Directories and files of this machine, as the message store wants them.
//!
//! [`Directory`] is one directory; files are opened for reading and writing and shared by `Arc`, so
//! that a sync on another thread uses the same descriptor. Names come from the store and never hold
//! a separator; that is asserted, because a name with one would leave the directory.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cognate_store::Vault;
use cognate_store::disk::{Disk, DiskError, DiskFile, OpenMode};

use super::latecomers::note_headway;

#[cfg(test)]
pub(crate) mod hang;

/// Files may be read by their owner only: messages are nobody else's business.
const FILE_MODE: u32 = 0o600;

/// One directory of the store.
#[derive(Clone)]
pub(crate) struct Directory {
    path: Arc<Path>,
    vault: Option<Arc<Vault>>,
}

impl Directory {
    /// Opens a directory, making it and those above it if need be. What was made is durable when
    /// this returns.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        create_all(path)?;
        Ok(Directory {
            path: path.into(),
            vault: None,
        })
    }

    /// Makes a directory whose name is durable once [`Self::sync_name`] returned. Those above it
    /// are when this returns.
    pub(crate) fn make(path: &Path) -> io::Result<()> {
        if let Some(parent) = path.parent() {
            create_all(parent)?;
        }
        create(path)
    }

    /// Makes the name of a directory durable.
    pub(crate) fn sync_name(path: &Path) -> io::Result<()> {
        path.parent().map_or(Ok(()), sync_directory)
    }

    /// The same, where all that is written is encrypted if there is a vault.
    pub(crate) fn locked(self, vault: Option<Arc<Vault>>) -> Self {
        Directory { vault, ..self }
    }

    /// Opens a directory in this one, making it if need be, with the same vault.
    pub(crate) fn inner(&self, name: &str) -> io::Result<Self> {
        let inner = Self::open(&self.path(name))?;
        Ok(inner.locked(self.vault.clone()))
    }

    /// The same for a new one, whose name is durable after this one's next sync.
    pub(crate) fn new_inner(&self, name: &str) -> io::Result<Self> {
        create(&self.path(name))?;
        self.inner(name)
    }

    /// Removes a directory and everything in it, durably. It is renamed first, so that a crash in
    /// between leaves no half of it under its name.
    pub(crate) fn remove_all(path: &Path) -> io::Result<()> {
        let parent = path.parent().unwrap_or(Path::new("."));
        let doomed = doomed(path);
        // What a removal left that a crash cut short.
        remove_tree(&doomed)?;
        match std::fs::rename(path, &doomed) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            result => result?,
        }
        sync_directory(parent)?;
        remove_tree(&doomed)
    }
}

fn remove_tree(path: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

/// The suffix of a directory that is being removed.
pub(crate) const DOOMED: &str = ".removed";

fn doomed(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(DOOMED);
    path.with_file_name(name)
}

fn create_all(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
    {
        create_all(parent)?;
        create(path)?;
        return sync_directory(parent);
    }
    create(path)
}

fn create(path: &Path) -> io::Result<()> {
    match std::fs::create_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        result => result,
    }
}

fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

impl Directory {
    fn path(&self, name: &str) -> PathBuf {
        assert!(
            !name.contains('/') && name != ".." && name != ".",
            "the store names files within its directory"
        );
        self.path.join(name)
    }
}

impl Disk for Directory {
    type File = OpenFile;

    fn open(&self, name: &str, mode: OpenMode) -> Result<Option<OpenFile>, DiskError> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).mode(FILE_MODE);
        match mode {
            OpenMode::Existing => &mut options,
            OpenMode::Create => options.create(true),
            OpenMode::Truncate => options.create(true).truncate(true),
        };
        match options.open(self.path(name)) {
            Ok(file) => Ok(Some(OpenFile {
                file: Arc::new(file),
                #[cfg(test)]
                path: Arc::clone(&self.path),
            })),
            Err(error) if mode == OpenMode::Existing && error.kind() == io::ErrorKind::NotFound => {
                Ok(None)
            }
            Err(error) => Err(disk_error(&error)),
        }
    }

    fn remove(&self, name: &str) -> Result<(), DiskError> {
        let path = self.path(name);
        let file = File::open(&path);
        let removed = std::fs::remove_file(&path);
        if let Ok(file) = file {
            let_go(file);
        }
        match removed {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(disk_error(&error)),
            _ => Ok(()),
        }
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), DiskError> {
        std::fs::rename(self.path(from), self.path(to)).map_err(|error| disk_error(&error))
    }

    fn list(&self) -> Result<Vec<String>, DiskError> {
        let entries = std::fs::read_dir(&self.path).map_err(|error| disk_error(&error))?;
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|error| disk_error(&error))?;
            let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
            // A name that is not text is none of the store's.
            if let Ok(name) = entry.file_name().into_string()
                && is_file
            {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn sync_dir(&self) -> Result<(), DiskError> {
        sync_directory(&self.path).map_err(|error| disk_error(&error))
    }

    fn vault(&self) -> Option<Arc<Vault>> {
        self.vault.clone()
    }
}

/// An open file.
#[derive(Clone)]
pub(crate) struct OpenFile {
    file: Arc<File>,
    /// The directory it is in.
    #[cfg(test)]
    path: Arc<Path>,
}

impl DiskFile for OpenFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize, DiskError> {
        let mut read = 0;
        while read < buffer.len() {
            let result = self.file.read_at(&mut buffer[read..], offset + read as u64);
            note_headway();
            match result {
                Ok(0) => break,
                Ok(count) => read += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(disk_error(&error)),
            }
        }
        Ok(read)
    }

    /// What the page cache has. Where there is no such call, or the file system does not have it,
    /// nobody can tell.
    #[cfg(target_os = "linux")]
    fn read_at_once(&self, buffer: &mut [u8], offset: u64) -> Result<Option<usize>, DiskError> {
        use rustix::io::{Errno, ReadWriteFlags, preadv2};
        let mut pieces = [io::IoSliceMut::new(buffer)];
        match preadv2(&*self.file, &mut pieces, offset, ReadWriteFlags::NOWAIT) {
            Ok(read) => Ok(Some(read)),
            Err(Errno::AGAIN | Errno::OPNOTSUPP | Errno::NOSYS | Errno::INTR) => Ok(None),
            Err(errno) => Err(disk_error(&errno.into())),
        }
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> Result<(), DiskError> {
        #[cfg(test)]
        hang::wait(&self.path, hang::Call::Write);
        let written = self.file.write_all_at(bytes, offset);
        note_headway();
        written.map_err(|error| disk_error(&error))
    }

    fn sync_data(&self) -> Result<(), DiskError> {
        #[cfg(test)]
        hang::wait(&self.path, hang::Call::Sync);
        let synced = self.file.sync_data();
        note_headway();
        synced.map_err(|error| disk_error(&error))
    }

    fn size(&self) -> Result<u64, DiskError> {
        let metadata = self.file.metadata().map_err(|error| disk_error(&error))?;
        Ok(metadata.len())
    }

    fn set_len(&self, len: u64) -> Result<(), DiskError> {
        self.file.set_len(len).map_err(|error| disk_error(&error))
    }

    fn allocate(&self, len: u64) -> Result<(), DiskError> {
        let now = self.size()?;
        if now >= len {
            return Ok(());
        }
        match rustix::fs::fallocate(
            &*self.file,
            rustix::fs::FallocateFlags::empty(),
            now,
            len - now,
        ) {
            // Not every file system can; then the space is taken as it is written.
            Err(rustix::io::Errno::OPNOTSUPP) => self.set_len(len),
            result => result.map_err(|errno| disk_error(&errno.into())),
        }
    }
}

/// Closes a file that has no name any more, where somebody may wait: its space becomes free when the
/// last one closes it, and with much space that takes some file systems as long as a sync or longer.
fn let_go(file: File) {
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        runtime.spawn_blocking(move || drop(file));
    }
}

fn disk_error(error: &io::Error) -> DiskError {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => DiskError::NoSpace,
        _ => DiskError::Other(cognate_process::text::io_error_text(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_live_in_their_directory() -> Result<(), Box<dyn std::error::Error>> {
        let temporary = tempfile::tempdir()?;
        let path = temporary.path().join("a/b/c");
        let disk = Directory::open(&path)?;
        assert!(disk.open("x", OpenMode::Existing)?.is_none());
        let file = disk.open("x", OpenMode::Create)?.ok_or("not made")?;
        file.write_at(b"hello", 3)?;
        file.allocate(100)?;
        file.sync_data()?;
        disk.sync_dir()?;
        let mut buffer = [1; 200];
        assert_eq!(file.read_at(&mut buffer, 0)?, 100);
        assert_eq!(&buffer[..8], b"\0\0\0hello");
        // What was just written need not be read from a disk, where that can be told.
        let mut again = [1; 8];
        if let Some(read) = file.read_at_once(&mut again, 0)? {
            assert_eq!(&again[..read], &b"\0\0\0hello"[..read]);
        }
        disk.rename("x", "y")?;
        assert_eq!(disk.list()?, ["y"]);
        disk.remove("y")?;
        disk.remove("y")?;
        assert!(disk.list()?.is_empty());
        Directory::remove_all(&path)?;
        assert!(!path.exists());
        Directory::remove_all(&path)?;
        Ok(())
    }

    #[test]
    fn a_removal_that_was_cut_short_holds_up_no_other() -> Result<(), Box<dyn std::error::Error>> {
        let temporary = tempfile::tempdir()?;
        let path = temporary.path().join("a");
        for left in ["a.removed/b", "a.removed/c/d", "a/e"] {
            std::fs::create_dir_all(temporary.path().join(left))?;
        }
        for _ in 0..2 {
            Directory::remove_all(&path)?;
            assert_eq!(std::fs::read_dir(temporary.path())?.count(), 0);
        }
        std::fs::create_dir_all(temporary.path().join("a.removed/b"))?;
        Directory::remove_all(&path)?;
        assert_eq!(std::fs::read_dir(temporary.path())?.count(), 0);
        Ok(())
    }
}
