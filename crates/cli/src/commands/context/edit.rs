//! `context edit`: the file in the user's editor, checked before it takes the place of the old one.

use std::io::Write;

use crate::connect::{ContextFile, Store};
use crate::error::{Context, Error, Result};

/// Opens a context in `EDITOR`; what does not parse or is contradictory changes nothing.
pub(super) fn edit(store: &Store, name: &str) -> Result<()> {
    let context = store.load(name)?;
    let shown = ContextFile {
        name: String::new(),
        ..context
    };
    let edited =
        crate::commands::shared::editor::edit(&serde_json::to_string_pretty(&shown)?, "json")?;
    let changed: ContextFile = serde_json::from_str(&edited)
        .map_err(Error::from)
        .context("the context was not saved")
        .map_err(|error| error.hint("Edit again and keep it JSON."))?;
    changed.check().context("the context was not saved")?;
    std::io::stderr().flush()?;
    store.save(name, &changed)
}
