//! The one place that changes memory which others see: the arguments of the process, as the kernel
//! shows them.
//!
//! Through `/proc/self/mem`, so that no pointers are made up: the kernel checks the addresses, which
//! are its own. Invariants: nothing is written but the block of arguments, with as many bytes as were
//! there and every zero byte where it was; whatever goes wrong leaves it as it is.

#[cfg(target_os = "linux")]
use std::fs::{File, OpenOptions};
#[cfg(target_os = "linux")]
use std::os::unix::fs::FileExt as _;

/// Longer blocks are left alone. The kernel allows two megabytes unless told otherwise.
#[cfg(target_os = "linux")]
const MAX_BYTES: usize = 4 * 1024 * 1024;

/// Replaces the block of arguments by what `change` makes of it.
#[cfg(target_os = "linux")]
pub(crate) fn overwrite_arguments(change: impl FnOnce(&[u8]) -> Vec<u8>) {
    let Some((start, len)) = arguments() else {
        return;
    };
    let memory = OpenOptions::new()
        .read(true)
        .write(true)
        .open("/proc/self/mem");
    let Ok(memory) = memory else {
        return;
    };
    // What cannot be hidden stays to be seen, as with any other server.
    let _ = overwrite(&memory, start, len, change);
}

/// Nothing to be done where the system has no such place.
#[cfg(not(target_os = "linux"))]
pub(crate) fn overwrite_arguments(_change: impl FnOnce(&[u8]) -> Vec<u8>) {}

#[cfg(target_os = "linux")]
fn overwrite(
    memory: &File,
    start: u64,
    len: usize,
    change: impl FnOnce(&[u8]) -> Vec<u8>,
) -> std::io::Result<()> {
    let mut block = vec![0; len];
    memory.read_exact_at(&mut block, start)?;
    let changed = change(&block);
    let in_place = |(old, new): (&u8, &u8)| (*old == 0) == (*new == 0);
    if changed == block || changed.len() != len || !block.iter().zip(&changed).all(in_place) {
        return Ok(());
    }
    memory.write_all_at(&changed, start)
}

/// Where the arguments begin and how many bytes they take.
#[cfg(target_os = "linux")]
fn arguments() -> Option<(u64, usize)> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The name of the program, in brackets, may hold anything; what follows are numbers.
    let (_, fields) = stat.rsplit_once(')')?;
    // `arg_start` and `arg_end` are fields 48 and 49 of proc(5); the first one here is the third.
    let mut fields = fields.split_ascii_whitespace().skip(48 - 3);
    let start: u64 = fields.next()?.parse().ok()?;
    let end: u64 = fields.next()?.parse().ok()?;
    let len = usize::try_from(end.checked_sub(start)?).ok()?;
    (start > 0 && (1..=MAX_BYTES).contains(&len)).then_some((start, len))
}
