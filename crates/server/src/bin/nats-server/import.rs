//! `--import-store`: the streams of a Go server's store, taken into ours.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use cognate_config::flags::Flags;

use crate::options::{fail, resolve};

/// What it exits with if something was damaged or left out.
const NOT_WHOLE: u8 = 2;

/// Imports, and says on standard output what was taken.
pub(crate) fn run(directory: &str, flags: &Flags) -> ExitCode {
    let resolved = match resolve(flags) {
        Ok(resolved) => resolved,
        Err(problem) => return fail(&problem),
    };
    let mut out = std::io::stdout().lock();
    let mut say = |line: &str| {
        // The import goes on if nobody reads what it says.
        let _ = writeln!(out, "{line}");
    };
    match cognate_server::import_store(&resolved.options, Path::new(directory), &mut say) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(NOT_WHOLE),
        Err(problem) => fail(&problem),
    }
}
