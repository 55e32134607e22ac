//! The memory of the process: whom it is asked from, and that what starting needed is given back.

use cognate_process::residency;

/// Frees memory back in time and costs less per allocation than the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

// SAFETY: mimalloc's own declaration. It may be called at any time from any thread.
unsafe extern "C" {
    safe fn mi_collect(force: bool);
}

/// Returns to the system what was freed, and the code that ran. A large configuration takes several
/// times its size while it is read; left alone the allocator keeps that until other work makes it look.
pub(crate) fn give_back() {
    mi_collect(true);
    residency::release_code();
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::give_back;

    fn resident_kib() -> usize {
        let status = std::fs::read_to_string("/proc/self/status").expect("the process's status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.and_then(|line| line.trim().strip_suffix(" kB"));
        number.and_then(|kib| kib.parse().ok()).expect("a size")
    }

    #[test]
    fn what_was_freed_goes_back_to_the_system() {
        let texts: Vec<Box<[u8]>> = (0..1 << 20).map(|_| Box::from([1; 100])).collect();
        let before = resident_kib();
        drop(texts);
        give_back();
        let given_back = before.saturating_sub(resident_kib());
        assert!(given_back > 64 << 10, "{given_back} KiB of 100 MiB");
    }
}
