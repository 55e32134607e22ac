//! A disk in memory that does what disks do to those who trust them, from a seed.
//!
//! It remembers what was synced and what was only written. [`SimDisk::power_loss`] keeps the
//! former, and any of the sectors of the latter; [`SimDisk::kill`] keeps everything. It can be told
//! to be full, to fail syncs and writes, and its files can be changed behind the store's back.
//!
//! For tests only. Two runs with the same seed and calls are the same.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use super::{Disk, DiskError, DiskFile, OpenMode};
use crate::vault::Vault;

const SECTOR: usize = 512;

#[derive(Clone, Debug)]
enum Change {
    Write(usize, Vec<u8>),
    Len(usize),
}

#[derive(Clone, Debug, Default)]
struct File {
    now: Vec<u8>,
    durable: Vec<u8>,
    unsynced: Vec<Change>,
}

#[derive(Clone, Debug)]
enum NameChange {
    Set(String, u64),
    Clear(String),
}

#[derive(Clone, Debug, Default)]
struct World {
    files: BTreeMap<u64, File>,
    names: BTreeMap<String, u64>,
    durable_names: BTreeMap<String, u64>,
    unsynced_names: Vec<NameChange>,
    next_file: u64,
    seed: u64,
    random: u64,
    capacity: Option<usize>,
    fail_syncs: bool,
    fail_writes: bool,
    syncs: u64,
    writes: u64,
    /// How many times the power was gone.
    outages: u64,
}

/// The disk. Clones are the same disk.
#[derive(Clone, Debug)]
pub struct SimDisk {
    world: Arc<Mutex<World>>,
    vault: Option<Arc<Vault>>,
}

/// An open file of a [`SimDisk`].
#[derive(Clone, Debug)]
pub struct SimFile {
    world: Arc<Mutex<World>>,
    file: u64,
}

fn lock(world: &Mutex<World>) -> MutexGuard<'_, World> {
    world
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl SimDisk {
    /// An empty disk.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let world = World {
            seed,
            random: seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1,
            ..World::default()
        };
        Self {
            world: Arc::new(Mutex::new(world)),
            vault: None,
        }
    }

    /// The same disk, on which everything is encrypted.
    #[must_use]
    pub fn with_vault(&self, vault: Option<Arc<Vault>>) -> Self {
        Self {
            world: Arc::clone(&self.world),
            vault,
        }
    }

    /// What is there after the power was gone: what was synced, and each sector that was only
    /// written with a likelihood of `kept` in a hundred. Names likewise.
    #[must_use]
    pub fn power_loss(&self, kept: u64) -> Self {
        let mut world = lock(&self.world).clone();
        let mut random = world.random;
        world.names = world.durable_names.clone();
        for change in std::mem::take(&mut world.unsynced_names) {
            if draw(&mut random) % 100 < kept {
                apply_name(&mut world.names, &change);
            }
        }
        world.durable_names = world.names.clone();
        for file in world.files.values_mut() {
            let mut bytes = std::mem::take(&mut file.durable);
            for change in std::mem::take(&mut file.unsynced) {
                tear(&mut bytes, &change, &mut random, kept);
            }
            file.durable = bytes.clone();
            file.now = bytes;
        }
        world.random = random | 1;
        world.outages += 1;
        world.healed()
    }

    /// What is there after the process was killed: everything that was written.
    #[must_use]
    pub fn kill(&self) -> Self {
        let world = lock(&self.world).clone();
        world.healed()
    }

    /// Lets the disk hold this many bytes; `None` for any number.
    pub fn set_capacity(&self, bytes: Option<usize>) {
        lock(&self.world).capacity = bytes;
    }

    /// Makes syncs fail from now on, or not.
    pub fn fail_syncs(&self, fail: bool) {
        lock(&self.world).fail_syncs = fail;
    }

    /// Makes writes fail from now on, or not.
    pub fn fail_writes(&self, fail: bool) {
        lock(&self.world).fail_writes = fail;
    }

    /// The seed it was made with.
    #[must_use]
    pub fn seed(&self) -> u64 {
        lock(&self.world).seed
    }

    /// Which run of the machine it is.
    #[must_use]
    pub fn boot(&self) -> u64 {
        lock(&self.world).outages + 1
    }

    /// How many syncs of files, and how many writes, there have been.
    #[must_use]
    pub fn work(&self) -> (u64, u64) {
        let world = lock(&self.world);
        (world.syncs, world.writes)
    }

    /// Changes a file's bytes behind everyone's back, durably. Nothing happens if there is none.
    pub fn change(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut world = lock(&self.world);
        let file = world.names.get(name).copied();
        if let Some(file) = file.and_then(|file| world.files.get_mut(&file)) {
            change(&mut file.now);
            file.durable = file.now.clone();
            file.unsynced.clear();
        }
    }

    /// The bytes of a file.
    #[must_use]
    pub fn bytes(&self, name: &str) -> Option<Vec<u8>> {
        let world = lock(&self.world);
        let file = world.names.get(name)?;
        world.files.get(file).map(|file| file.now.clone())
    }

    /// Removes a file behind everyone's back, durably.
    pub fn delete(&self, name: &str) {
        let mut world = lock(&self.world);
        world.names.remove(name);
        world.durable_names.remove(name);
    }
}

impl World {
    fn healed(mut self) -> SimDisk {
        self.capacity = None;
        self.fail_syncs = false;
        self.fail_writes = false;
        SimDisk {
            world: Arc::new(Mutex::new(self)),
            vault: None,
        }
    }

    fn has_room(&self, more: usize) -> bool {
        let used: usize = self
            .names
            .values()
            .filter_map(|f| self.files.get(f))
            .map(|f| f.now.len())
            .sum();
        self.capacity.is_none_or(|capacity| used + more <= capacity)
    }

    fn write(&mut self, file: u64, change: Change) -> Result<(), DiskError> {
        if self.fail_writes {
            return Err(DiskError::Other("input/output error".to_owned()));
        }
        let len = self.files.get(&file).map_or(0, |file| file.now.len());
        let end = match &change {
            Change::Write(at, bytes) => at + bytes.len(),
            Change::Len(len) => *len,
        };
        if !self.has_room(end.saturating_sub(len)) {
            return Err(DiskError::NoSpace);
        }
        self.writes += 1;
        let Some(file) = self.files.get_mut(&file) else {
            return Ok(());
        };
        apply(&mut file.now, &change);
        file.unsynced.push(change);
        Ok(())
    }
}

fn draw(random: &mut u64) -> u64 {
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    *random >> 11
}

fn apply_name(names: &mut BTreeMap<String, u64>, change: &NameChange) {
    match change {
        NameChange::Set(name, file) => {
            names.insert(name.clone(), *file);
        }
        NameChange::Clear(name) => {
            names.remove(name);
        }
    }
}

fn apply(bytes: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Write(at, new) => {
            if bytes.len() < at + new.len() {
                bytes.resize(at + new.len(), 0);
            }
            bytes[*at..at + new.len()].copy_from_slice(new);
        }
        Change::Len(len) => bytes.resize(*len, 0),
    }
}

fn tear(bytes: &mut Vec<u8>, change: &Change, random: &mut u64, kept: u64) {
    let Change::Write(at, new) = change else {
        if draw(random) % 100 < kept {
            apply(bytes, change);
        }
        return;
    };
    let mut from = 0;
    while from < new.len() {
        let to = ((at + from) / SECTOR + 1) * SECTOR - at;
        let to = to.min(new.len());
        if draw(random) % 100 < kept {
            apply(bytes, &Change::Write(at + from, new[from..to].to_vec()));
        }
        from = to;
    }
}

impl Disk for SimDisk {
    type File = SimFile;

    fn open(&self, name: &str, mode: OpenMode) -> Result<Option<SimFile>, DiskError> {
        let mut world = lock(&self.world);
        let known = world.names.get(name).copied();
        let file = match (known, mode) {
            (None, OpenMode::Existing) => return Ok(None),
            (Some(file), OpenMode::Existing | OpenMode::Create) => file,
            (Some(file), OpenMode::Truncate) => {
                world.write(file, Change::Len(0))?;
                file
            }
            (None, OpenMode::Create | OpenMode::Truncate) => {
                if !world.has_room(1) {
                    return Err(DiskError::NoSpace);
                }
                world.next_file += 1;
                let file = world.next_file;
                world.files.insert(file, File::default());
                world.names.insert(name.to_owned(), file);
                world
                    .unsynced_names
                    .push(NameChange::Set(name.to_owned(), file));
                file
            }
        };
        Ok(Some(SimFile {
            world: Arc::clone(&self.world),
            file,
        }))
    }

    fn remove(&self, name: &str) -> Result<(), DiskError> {
        let mut world = lock(&self.world);
        if world.names.remove(name).is_some() {
            world
                .unsynced_names
                .push(NameChange::Clear(name.to_owned()));
        }
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), DiskError> {
        let mut world = lock(&self.world);
        let Some(file) = world.names.remove(from) else {
            return Err(DiskError::Other(format!("{from} is not there")));
        };
        world.names.insert(to.to_owned(), file);
        // One change to a journal, so that a name is never lost between two.
        world
            .unsynced_names
            .push(NameChange::Set(to.to_owned(), file));
        world
            .unsynced_names
            .push(NameChange::Clear(from.to_owned()));
        Ok(())
    }

    fn list(&self) -> Result<Vec<String>, DiskError> {
        Ok(lock(&self.world).names.keys().cloned().collect())
    }

    fn sync_dir(&self) -> Result<(), DiskError> {
        let mut world = lock(&self.world);
        if world.fail_syncs {
            return Err(DiskError::Other("input/output error".to_owned()));
        }
        world.durable_names = world.names.clone();
        world.unsynced_names.clear();
        Ok(())
    }

    fn vault(&self) -> Option<Arc<Vault>> {
        self.vault.clone()
    }
}

impl DiskFile for SimFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize, DiskError> {
        let world = lock(&self.world);
        let bytes = world
            .files
            .get(&self.file)
            .map(|file| &file.now[..])
            .unwrap_or_default();
        let from = usize::try_from(offset)
            .unwrap_or(usize::MAX)
            .min(bytes.len());
        let len = buffer.len().min(bytes.len() - from);
        buffer[..len].copy_from_slice(&bytes[from..from + len]);
        Ok(len)
    }

    /// Of some pages nobody can tell.
    fn read_at_once(&self, buffer: &mut [u8], offset: u64) -> Result<Option<usize>, DiskError> {
        match offset / 4096 % 3 {
            0 => Ok(None),
            _ => self.read_at(buffer, offset).map(Some),
        }
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> Result<(), DiskError> {
        let at = usize::try_from(offset).map_err(|e| DiskError::Other(e.to_string()))?;
        lock(&self.world).write(self.file, Change::Write(at, bytes.to_vec()))
    }

    fn sync_data(&self) -> Result<(), DiskError> {
        let mut world = lock(&self.world);
        if world.fail_syncs {
            return Err(DiskError::Other("input/output error".to_owned()));
        }
        world.syncs += 1;
        let Some(file) = world.files.get_mut(&self.file) else {
            return Ok(());
        };
        for change in std::mem::take(&mut file.unsynced) {
            apply(&mut file.durable, &change);
        }
        Ok(())
    }

    fn size(&self) -> Result<u64, DiskError> {
        let world = lock(&self.world);
        Ok(world
            .files
            .get(&self.file)
            .map_or(0, |file| file.now.len() as u64))
    }

    fn set_len(&self, len: u64) -> Result<(), DiskError> {
        let len = usize::try_from(len).map_err(|e| DiskError::Other(e.to_string()))?;
        lock(&self.world).write(self.file, Change::Len(len))
    }

    fn allocate(&self, len: u64) -> Result<(), DiskError> {
        if self.size()? < len {
            self.set_len(len)?;
        }
        Ok(())
    }
}
