//! `nats server mappings`: what a subject mapping makes of subjects, without a server.

use cognate_subject::{Subject, Transform};

use crate::error::{Error, Result};
use crate::output::{prompt, terminal};
use crate::say;

/// Test subject mapping patterns
#[derive(clap::Args)]
pub(crate) struct MappingArgs {
    /// Source subject pattern
    source: Option<String>,

    /// Destination subject pattern
    dest: Option<String>,

    /// Subject to transform
    subject: Option<String>,
}

impl MappingArgs {
    pub(crate) fn run(self) -> Result<()> {
        let given = |value: Option<String>, question: &str, flag: &str| match value {
            Some(value) => Ok(value),
            None => prompt::ask(question, "", flag),
        };
        let source = given(self.source, "Source subject pattern", "the first argument")?;
        let dest = given(
            self.dest,
            "Destination subject pattern",
            "the second argument",
        )?;
        let transform = Transform::new(&source, &dest).map_err(|error| {
            Error::new(format!("invalid mapping: {error}")).hint(
                "Wildcards of the source are {{wildcard(1)}} or $1 in the destination: nats server mappings 'a.*' 'b.{{wildcard(1)}}' a.x",
            )
        })?;
        if let Some(subject) = self.subject {
            say!("{}\n", mapped(&transform, &subject)?);
            return Ok(());
        }
        if !terminal::can_ask() {
            return Err(Error::new("there is no subject to transform")
                .hint("Give it as the third argument."));
        }
        say!("Enter subjects to test, empty subject terminates.\n");
        say!("NOTE: This only tests mappings, it does not add them to the server\n");
        loop {
            let subject = prompt::ask("Subject", "", "the third argument")?;
            if subject.is_empty() {
                return Ok(());
            }
            match mapped(&transform, &subject) {
                Ok(subject) => say!("{subject}\n"),
                Err(error) => say!("Error: {error}\n"),
            }
        }
    }
}

fn mapped(transform: &Transform, subject: &str) -> Result<String> {
    let checked = Subject::try_from(subject)
        .map_err(|_| Error::new(format!("{subject:?} is no valid subject")))?;
    let mut out = Vec::new();
    // Only `random(…)` needs it, and any number will do.
    let random = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), subject);
    match transform.apply(checked.as_bytes(), random, &mut out) {
        true => Ok(String::from_utf8_lossy(&out).into_owned()),
        false => Err(Error::new(format!(
            "{subject} does not match {}",
            transform.source()
        ))),
    }
}
