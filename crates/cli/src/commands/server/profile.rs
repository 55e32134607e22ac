//! `nats server request profile`: profiles that servers make of themselves, a file each.

use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::request::RequestArgs;
use super::sys::{Answer, System};
use crate::app::App;
use crate::commands::shared::doc::Doc;
use crate::error::{Context, Error, Result};
use crate::output;
use crate::say;

/// Asks for a profile and writes what came.
pub(super) async fn run(
    args: &RequestArgs,
    app: &App,
    system: &System,
    name: &str,
    level: u32,
    dir: &Path,
) -> Result<()> {
    if !dir.is_dir() {
        return Err(Error::new(format!("{} is no directory", dir.display())));
    }
    let mut body = json!({ "name": name, "debug": level });
    let timeout = app.timeout()?;
    let mut system = system.clone();
    if name == "cpu" {
        // --timeout is how long the profile runs; the answer needs a little more.
        body["duration"] = json!(u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX));
        system = system.waiting(timeout + Duration::from_secs(2));
    }
    let stamp = jiff::Zoned::now().strftime("%Y%m%d-%H%M%S").to_string();
    let mut failed = 0;
    for answer in args.ask(app, &system, "PROFILEZ", 0, body).await? {
        let server = answer.server().text("name").to_owned();
        // A server's name may hold anything; a file's name may not.
        let file = server.replace(|c: char| !c.is_alphanumeric() && !"-_.".contains(c), "_");
        match written(&answer, &dir.join(format!("{name}-{stamp}-{file}"))) {
            Ok(path) => say!("Server {server:?} profile written: {}", path.display()),
            Err(error) => {
                failed += 1;
                output::remark(&format!("Server {server:?} error: {error}"));
            }
        }
    }
    match failed {
        0 => Ok(()),
        _ => Err(Error::new(format!("{failed} servers sent no profile"))),
    }
}

/// Writes the profile of an answer.
fn written(answer: &Answer, path: &Path) -> Result<PathBuf> {
    if let Some(error) = answer.error() {
        return Err(error);
    }
    if !answer.data().text("error").is_empty() {
        return Err(Error::new(answer.data().text("error")));
    }
    let profile = STANDARD
        .decode(answer.data().text("profile"))
        .context("the profile is not understood")?;
    std::fs::write(path, profile).context(path.display())?;
    Ok(path.to_owned())
}
