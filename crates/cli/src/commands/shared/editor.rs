//! Text in the user's editor: `VISUAL`, `EDITOR`, or `vi`.

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::process::Command;

use super::{template, translate};
use crate::error::{Context, Error, Result};

/// Shows `text` in an editor and returns what the user made of it.
pub(crate) fn edit(text: &str, extension: &str) -> Result<String> {
    let given = |name: &str| {
        std::env::var(name)
            .ok()
            .filter(|value| !value.trim().is_empty())
    };
    let command = given("VISUAL")
        .or_else(|| given("EDITOR"))
        .unwrap_or_else(|| "vi".to_owned());
    let words = translate::split(&command)?;
    let (program, arguments) = words.split_first().context("EDITOR is empty")?;
    let path = std::env::temp_dir().join(format!("nats-{}.{extension}", template::id()));
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)?;
    file.write_all(text.as_bytes())?;
    drop(file);
    let status = Command::new(program).args(arguments).arg(&path).status();
    let edited = fs::read_to_string(&path);
    fs::remove_file(&path)?;
    let status = status.context(format!("could not run the editor {program:?}"))?;
    if !status.success() {
        return Err(Error::new(format!(
            "the editor ended with {status}: nothing was changed"
        )));
    }
    Ok(edited?)
}
