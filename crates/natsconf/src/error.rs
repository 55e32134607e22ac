//! Why settings could not be read or did not lead to a connection.

use std::fmt;
use std::path::PathBuf;

/// A failure, sorted by who can mend it.
#[derive(Debug)]
pub enum Error {
    /// The file could not be read.
    File(PathBuf, std::io::Error),
    /// The file's text does not make sense; the text says where.
    Syntax(String),
    /// A key or value is not one of ours.
    Setting(String),
    /// The servers could not be reached or turned the client away.
    Connect(async_nats::ConnectError),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::File(path, error) => write!(f, "{}: {error}", path.display()),
            Error::Syntax(text) | Error::Setting(text) => f.write_str(text),
            Error::Connect(error) => write!(f, "could not connect: {error}"),
        }
    }
}

impl std::error::Error for Error {}
