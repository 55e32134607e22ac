//! Commands of the official tool that are not built here: what asks for one is told why, and what to do
//! instead, where an unknown command would be a riddle. They are in no help and no completion.

use crate::error::{Error, Result};

/// Whatever the command would have been given.
#[derive(clap::Args)]
pub(crate) struct Absent {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    _given: Vec<String>,
}

impl Absent {
    /// Says that `what` is not there, and what is.
    pub(crate) fn refuse(&self, what: &str, instead: &str) -> Result<()> {
        Err(Error::new(format!("{what} is not built into this tool")).hint(instead))
    }
}
