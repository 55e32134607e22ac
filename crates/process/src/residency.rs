//! Pages of the program that are not needed any more, and count as its memory all the same.
//!
//! What a start runs through once (reading a configuration, checking it, making keys) stays mapped for
//! as long as the process lives, some megabytes of it. [`release_code`] unmaps it: the kernel keeps the
//! pages as a part of its file cache as long as it has no better use for them, and maps again what is
//! run again. Invariant: only mappings are touched whose every page is as it is in its file, so that
//! whoever runs, before or after, finds the same code.
//!
//! Called by the server's binary when it is ready. Not for programs that embed the server: their
//! pages are theirs.

#[cfg(target_os = "linux")]
use std::ops::Range;

/// Unmaps the code of the program and its libraries until it is run again; returns how many bytes of it
/// were resident. Nothing is done where the system does not tell what is.
#[cfg(target_os = "linux")]
pub fn release_code() -> usize {
    let Ok(smaps) = std::fs::read_to_string("/proc/self/smaps") else {
        return 0;
    };
    let released = unchanged_code(&smaps).filter(|(range, _)| release(range));
    released.map(|(_, resident)| resident).sum()
}

/// Nothing to be done where the system does not tell what is mapped.
#[cfg(not(target_os = "linux"))]
pub fn release_code() -> usize {
    0
}

/// Mappings of files that are run and have no page of their own, and how much of each is resident: what
/// `/proc/self/smaps` (proc_pid_smaps(5)) says. A page with a debugger's breakpoint in it is one of its
/// own.
#[cfg(target_os = "linux")]
fn unchanged_code(smaps: &str) -> impl Iterator<Item = (Range<usize>, usize)> {
    let mut code = None;
    let mut resident = 0;
    smaps.lines().filter_map(move |line| {
        match line.split_once(':') {
            Some(("Rss", size)) => resident = kib(size)?,
            Some(("Anonymous", size)) if kib(size) == Some(0) => {
                return code.take().map(|range| (range, resident * 1024));
            }
            Some(("Anonymous", _)) => code = None,
            _ if line.starts_with(|first: char| {
                first.is_ascii_lowercase() || first.is_ascii_digit()
            }) =>
            {
                code = code_range(line);
            }
            _ => {}
        }
        None
    })
}

/// The range that the first line of a mapping names, if it is a file's code.
#[cfg(target_os = "linux")]
fn code_range(line: &str) -> Option<Range<usize>> {
    let mut fields = line.split_ascii_whitespace();
    let (start, end) = fields.next()?.split_once('-')?;
    let is_code = fields.next()? == "r-xp";
    let is_file = fields.nth(3)?.starts_with('/');
    let address = |text| usize::from_str_radix(text, 16).ok();
    let range = address(start)?..address(end)?;
    (is_code && is_file && !range.is_empty()).then_some(range)
}

#[cfg(target_os = "linux")]
fn kib(size: &str) -> Option<usize> {
    size.trim().strip_suffix(" kB")?.parse().ok()
}

#[cfg(target_os = "linux")]
#[allow(unsafe_code)]
fn release(range: &Range<usize>) -> bool {
    use rustix::mm::{Advice, madvise};
    let start = std::ptr::with_exposed_provenance_mut(range.start);
    // SAFETY: the kernel named the range as a private mapping of a file that cannot be written through
    // and has no page that differs from the file. What is run from it next is read from there again.
    // Nobody unmaps it in between: it is code, and this process unloads none.
    unsafe { madvise(start, range.len(), Advice::LinuxDontNeed) }.is_ok()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    const SMAPS: &str = "\
55c7b5094000-55c7b5436000 r--p 00000000 fe:00 9979054                    /usr/bin/nats-server
Size:               3720 kB
Rss:                1136 kB
Anonymous:             0 kB
VmFlags: rd mr mw me
55c7b5436000-55c7b5de8000 r-xp 003a1000 fe:00 9979054                    /usr/bin/nats-server
Size:               9928 kB
Rss:                5416 kB
Pss:                5416 kB
Anonymous:             0 kB
7fbd78f6a000-7fbd790c0000 r-xp 00026000 fe:00 1234                       /usr/lib/libc.so.6
Rss:                 984 kB
Anonymous:             4 kB
7fbd79136000-7fbd791aa000 rwxp 0000e000 00:00 0
Rss:                 296 kB
Anonymous:             0 kB
7ffebfb02000-7ffebfb04000 r-xp 00000000 00:00 0                          [vdso]
Rss:                   4 kB
Anonymous:             0 kB
";

    #[test]
    fn only_code_as_it_is_in_its_file_is_named() {
        let found: Vec<_> = unchanged_code(SMAPS).collect();
        assert_eq!(found, [(0x55c7_b543_6000..0x55c7_b5de_8000, 5416 * 1024)]);
        assert_eq!(unchanged_code("").count(), 0);
        assert_eq!(unchanged_code("zz-1 r-xp\nAnonymous: 0 kB\n\n:").count(), 0);
    }

    #[test]
    fn code_runs_on_after_it_was_released() {
        // How much is mapped again at once is the system's choice.
        for (round, least) in [64 << 10, 1, 1].into_iter().enumerate() {
            let released = release_code();
            assert!(released >= least, "{released} bytes in round {round}");
            let text: String = (0..100).map(|number| format!("{number:03}")).collect();
            assert!(text.ends_with("098099"));
        }
        let threads: Vec<_> = (0..4)
            .map(|_| std::thread::spawn(|| (0..50).map(|_| release_code()).max()))
            .collect();
        for thread in threads {
            assert!(thread.join().is_ok_and(|most| most > Some(0)));
        }
    }
}
