//! Everything people and scripts see: text, tables, numbers, JSON, colours, progress, charts.
//!
//! Results go to standard output through [`show`] and the `say!` macro, remarks about the work to
//! standard error through `note!`; on a terminal both are cleaned of what it would obey. [`print`] is for
//! data that is wanted as it is, and for pictures that move the cursor themselves. A reader that goes away (`nats … | head`) ends the tool quietly.
//! Invariant: colour and cursor movements are written to terminals only.

pub(crate) mod chart;
mod clean;
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

use std::borrow::Cow;
use std::io::{self, IsTerminal, Write};

/// Writes to standard output as it is; ends the process when nobody reads it any more.
pub(crate) fn print(bytes: &[u8]) {
    let mut stdout = io::stdout().lock();
    let result = stdout.write_all(bytes).and_then(|()| stdout.flush());
    if result.is_err() {
        // A closed pipe is how `head` says that it has seen enough.
        std::process::exit(0);
    }
}

/// Writes text for people, or for scripts where standard output is no terminal.
pub(crate) fn show(text: &str) {
    print(harmless(text).as_bytes());
}

/// [`show`] for what may be no text.
pub(crate) fn show_bytes(bytes: &[u8]) {
    match terminal::is_interactive() {
        true => print(&clean::clean_bytes(bytes)),
        false => print(bytes),
    }
}

/// Text that may be part of a picture: cleaned if standard output is a terminal.
pub(crate) fn harmless(text: &str) -> Cow<'_, str> {
    match terminal::is_interactive() {
        true => clean::clean(text),
        false => Cow::Borrowed(text),
    }
}

/// Writes a line to standard error; nothing is to be done when that fails.
pub(crate) fn remark(text: &str) {
    let text = match io::stderr().is_terminal() {
        true => clean::clean(text),
        false => Cow::Borrowed(text),
    };
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
        $crate::output::show(&line)
    }};
}

/// Prints a line about the work to standard error, with the time, as the official tool logs.
#[macro_export]
macro_rules! note {
    ($($arg:tt)*) => {
        $crate::output::remark(&format!("{} {}", $crate::output::time::clock(), format!($($arg)*)))
    };
}
