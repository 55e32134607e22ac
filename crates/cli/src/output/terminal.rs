//! What the terminal can do: how wide it is, whether it is one, and the colours it shows.

use std::io::{self, IsTerminal};

/// Columns where there is no terminal and `COLUMNS` says nothing: what reads lines wants them whole.
const DEFAULT_WIDTH: usize = 4096;

/// Columns of standard output.
pub(crate) fn width() -> usize {
    size().map_or_else(
        || {
            std::env::var("COLUMNS")
                .ok()
                .and_then(|c| c.parse().ok())
                .unwrap_or(DEFAULT_WIDTH)
        },
        |(columns, _)| columns,
    )
}

/// Columns and rows of standard output, if it is a terminal.
pub(crate) fn size() -> Option<(usize, usize)> {
    let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
    (size.ws_col > 0).then_some((usize::from(size.ws_col), usize::from(size.ws_row)))
}

/// Whether results are read by a person.
pub(crate) fn is_interactive() -> bool {
    io::stdout().is_terminal()
}

/// Whether somebody can be asked.
pub(crate) fn can_ask() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Whether standard output shows colours: a terminal, and nobody said `NO_COLOR`.
pub(crate) fn has_colour() -> bool {
    is_interactive() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// A colour or weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// Heavier.
    Bold,
    /// Lighter.
    Dim,
    /// Failure.
    Red,
    /// Success.
    Green,
    /// Warning.
    Yellow,
    /// A choice of `--colors`.
    Blue,
    /// A choice of `--colors`.
    Magenta,
    /// A choice of `--colors`.
    Cyan,
}

impl Style {
    /// The text in this style, or as it is where there is no colour.
    pub(crate) fn paint(self, text: &str) -> String {
        if !has_colour() {
            return text.to_owned();
        }
        let code = match self {
            Style::Bold => 1,
            Style::Dim => 2,
            Style::Red => 31,
            Style::Green => 32,
            Style::Yellow => 33,
            Style::Blue => 34,
            Style::Magenta => 35,
            Style::Cyan => 36,
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }

    /// The style of this name, for `--colors`.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "red" => Style::Red,
            "green" => Style::Green,
            "yellow" => Style::Yellow,
            "blue" => Style::Blue,
            "magenta" => Style::Magenta,
            "cyan" => Style::Cyan,
            _ => return None,
        })
    }
}
