//! `nats server request profile`: profiles that servers make of themselves, a file each.

use std::path::PathBuf;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::request::RequestArgs;
use super::source::Source;
use super::sys::Answer;
use crate::app::App;
use crate::commands::shared::doc::Doc;
use crate::error::{Context, Error, Result};
use crate::output;
use crate::say;

/// Which profile is wanted, and where it goes.
#[derive(clap::Args)]
pub(super) struct Wanted {
    /// The name of the profile to run
    #[arg(value_parser = ["allocs", "heap", "goroutine", "mutex", "threadcreate", "block", "cpu"])]
    profile: String,
    /// The output directory for profile files
    #[arg(default_value = ".")]
    dir: PathBuf,
    /// The debug level of the profile
    #[arg(long, default_value_t = 0)]
    level: u32,
}

/// Asks for a profile and writes what came.
pub(super) async fn run(
    args: &RequestArgs,
    app: &App,
    source: &Source,
    wanted: &Wanted,
) -> Result<()> {
    let (name, dir) = (&wanted.profile, &wanted.dir);
    if !dir.is_dir() {
        return Err(Error::new(format!("{} is no directory", dir.display())));
    }
    let stamp = jiff::Zoned::now().strftime("%Y%m%d-%H%M%S").to_string();
    let mut failed = 0;
    for (server, profile) in wanted.profiles(args, app, source).await? {
        // A server's name may hold anything; a file's name may not.
        let file = server.replace(|c: char| !c.is_alphanumeric() && !"-_.".contains(c), "_");
        let path = dir.join(format!("{name}-{stamp}-{file}"));
        let written =
            profile.and_then(|profile| std::fs::write(&path, profile).context(path.display()));
        match written {
            Ok(()) => say!("Server {server:?} profile written: {}", path.display()),
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

impl Wanted {
    /// The profile of every server that is meant, or why it has none.
    async fn profiles(
        &self,
        args: &RequestArgs,
        app: &App,
        source: &Source,
    ) -> Result<Vec<(String, Result<Vec<u8>>)>> {
        let mut body = json!({ "name": self.profile, "debug": self.level });
        let system = match source {
            Source::Servers(system) => system,
            Source::Archive(archive) => {
                let profiles =
                    archive.profiles(&self.profile, self.level, &args.selected(app, body)?)?;
                return Ok(profiles
                    .into_iter()
                    .map(|(server, profile)| (server, Ok(profile)))
                    .collect());
            }
        };
        let timeout = app.timeout()?;
        let mut system = system.clone();
        if self.profile == "cpu" {
            // --timeout is how long the profile runs; the answer needs a little more.
            body["duration"] = json!(u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX));
            system = system.waiting(timeout + Duration::from_secs(2));
        }
        let answers = args
            .ask(app, &Source::Servers(system), "PROFILEZ", 0, body)
            .await?;
        let profile =
            |answer: Answer| (answer.server().text("name").to_owned(), profile_in(&answer));
        Ok(answers.into_iter().map(profile).collect())
    }
}

/// The profile in an answer.
fn profile_in(answer: &Answer) -> Result<Vec<u8>> {
    if let Some(error) = answer.error() {
        return Err(error);
    }
    if !answer.data().text("error").is_empty() {
        return Err(Error::new(answer.data().text("error")));
    }
    STANDARD
        .decode(answer.data().text("profile"))
        .context("the profile is not understood")
}
