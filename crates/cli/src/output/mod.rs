//! Everything people and scripts see: text, tables, numbers, JSON, colours, progress, charts.
//!
//! Results go to standard output through [`print`] and the `say!` macro, remarks about the work to
//! standard error through `note!`. A reader that goes away (`nats … | head`) ends the tool quietly.
//! Invariant: colour and cursor movements are written to terminals only.

pub(crate) mod chart;
pub(crate) mod columns;
pub(crate) mod duration;
pub(crate) mod histogram;
pub(crate) mod json;
pub(crate) mod number;
pub(crate) mod progress;
pub(crate) mod prompt;
pub(crate) mod table;
pub(crate) mod terminal;
pub(crate) mod time;
pub(crate) mod yaml;

use std::io::{self, Write};

/// Writes to standard output as it is; ends the process when nobody reads it any more.
pub(crate) fn print(bytes: &[u8]) {
    let mut stdout = io::stdout().lock();
    let result = stdout.write_all(bytes).and_then(|()| stdout.flush());
    if result.is_err() {
        // A closed pipe is how `head` says that it has seen enough.
        std::process::exit(0);
    }
}

/// Writes a line to standard error; nothing is to be done when that fails.
pub(crate) fn remark(text: &str) {
    let mut stderr = io::stderr().lock();
    let _ = stderr
        .write_all(text.as_bytes())
        .and_then(|()| stderr.write_all(b"\n"));
}

/// Prints a formatted line to standard output.
#[macro_export]
macro_rules! say {
    () => { $crate::output::print(b"\n") };
    ($($arg:tt)*) => {{
        let mut line = format!($($arg)*);
        line.push('\n');
        $crate::output::print(line.as_bytes())
    }};
}

/// Prints a line about the work to standard error, with the time, as the official tool logs.
#[macro_export]
macro_rules! note {
    ($($arg:tt)*) => {
        $crate::output::remark(&format!("{} {}", $crate::output::time::clock(), format!($($arg)*)))
    };
}
