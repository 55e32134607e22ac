//! Imports: another account's export, and what it is called here.
//!
//! Invariant: the rename between the two sides is checked, and is compiled in the directions in
//! which it is needed.

use super::AccountSpec;
use cognate_subject::{Filter, Transform, validate};
use std::fmt;

/// `imports: [{stream: …}]`: messages on `rename.exported()` of `account` are delivered here on
/// `rename.local()`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamImport {
    /// The exporting account's name.
    pub account: String,
    /// What the messages are called on either side.
    pub rename: SubjectRename,
    /// Whether message tracing goes on beyond the account's boundary.
    pub allow_trace: bool,
    /// The activation token, which private exports of operator mode want.
    pub activation: Option<Activation>,
}

/// `imports: [{service: …}]`: requests published here on `rename.local()` are received in
/// `account` on `rename.exported()`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceImport {
    /// The exporting account's name.
    pub account: String,
    /// What the requests are called on either side.
    pub rename: SubjectRename,
    /// Whether the exporter is told who asks.
    pub share: bool,
    /// The activation token, which private exports of operator mode want.
    pub activation: Option<Activation>,
}

/// Imports that an account asks for and is not granted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WithheldImports {
    /// Of streams.
    pub streams: Vec<StreamImport>,
    /// Of services.
    pub services: Vec<ServiceImport>,
}

impl WithheldImports {
    /// What has lapsed once an account is `new` and no longer `old`: what `new` asks for and is not
    /// granted, and what was in force in `old` or has lapsed (these) before.
    pub fn lapsed(&self, old: &AccountSpec, new: &AccountSpec) -> Self {
        let streams =
            new.withheld.streams.iter().filter(|import| {
                old.stream_imports.contains(import) || self.streams.contains(import)
            });
        let services = new.withheld.services.iter().filter(|import| {
            old.service_imports.contains(import) || self.services.contains(import)
        });
        WithheldImports {
            streams: streams.cloned().collect(),
            services: services.cloned().collect(),
        }
    }
}

/// The text of an activation JWT. It is shown to the exporter, so it is no secret, but it is
/// long: it does not print.
#[derive(Clone, PartialEq, Eq)]
pub struct Activation(pub String);

impl fmt::Debug for Activation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Activation({} bytes)", self.0.len())
    }
}

/// What a stream import is called here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamTarget<'a> {
    /// As there.
    Same,
    /// The same with these tokens in front; a final dot may be left out.
    Prefix(&'a str),
    /// This, with `$n` or `{{wildcard(n)}}` for the n-th wildcard of the exported subject, or as
    /// many `*`.
    Subject(&'a str),
}

/// Why an import cannot be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImportError {
    /// A subject is malformed.
    Subject(String),
    /// The prefix is not literal.
    Prefix(String),
    /// The local subject does not use each wildcard of the exported one exactly once.
    Rename {
        /// The exported subject.
        exported: String,
        /// The local subject.
        local: String,
        /// What is wrong.
        problem: String,
    },
}

impl fmt::Display for ImportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ImportError::Subject(subject) => write!(f, "invalid subject {subject:?}"),
            ImportError::Prefix(prefix) => write!(
                f,
                "stream import prefix {prefix:?} can not contain wildcard tokens"
            ),
            ImportError::Rename {
                exported,
                local,
                problem,
            } => write!(
                f,
                "failed to create mapping transform for import subject from {exported:?} to \
                 {local:?}: {problem}"
            ),
        }
    }
}

impl std::error::Error for ImportError {}

/// The two names of an import's subjects.
#[derive(Clone, Debug)]
pub struct SubjectRename {
    exported: Filter,
    local: Filter,
    /// Compiled, if names differ and have wildcards in common.
    to_local: Option<Transform>,
    to_exported: Option<Transform>,
}

impl SubjectRename {
    /// The names of a stream import of `exported`.
    ///
    /// # Errors
    /// If a subject or the rename is malformed.
    pub fn for_stream(exported: &str, target: StreamTarget<'_>) -> Result<Self, ImportError> {
        let prefixed;
        let local = match target {
            StreamTarget::Same | StreamTarget::Prefix("") | StreamTarget::Subject("") => exported,
            StreamTarget::Subject(local) => local,
            StreamTarget::Prefix(prefix) => {
                let tokens = prefix.strip_suffix('.').unwrap_or(prefix);
                if !validate::is_valid_literal(tokens.as_bytes()) {
                    return Err(ImportError::Prefix(prefix.to_owned()));
                }
                prefixed = format!("{tokens}.{exported}");
                &prefixed
            }
        };
        let rename = SubjectRename::new(exported, local)?;
        if rename.exported.is_literal() && !rename.local.is_literal() {
            return Err(rename_error(
                exported,
                local,
                "no wildcard fills the local one",
            ));
        }
        Ok(rename)
    }

    /// The names of a service import of `exported`, called `local` here, which is the same if
    /// empty. A local filter may be wider than a literal exported subject: all requests then go
    /// to the one subject.
    ///
    /// # Errors
    /// If a subject or the rename is malformed.
    pub fn for_service(exported: &str, local: &str) -> Result<Self, ImportError> {
        let local = if local.is_empty() { exported } else { local };
        SubjectRename::new(exported, local)
    }

    fn new(exported: &str, local: &str) -> Result<Self, ImportError> {
        let filter =
            |text: &str| Filter::try_from(text).map_err(|_| ImportError::Subject(text.to_owned()));
        let exported_filter = filter(exported)?;
        if exported == local || exported_filter.is_literal() {
            return Ok(SubjectRename {
                exported: exported_filter,
                local: filter(local)?,
                to_local: None,
                to_exported: None,
            });
        }
        // A `*` of the local subject stands for the wildcard in the same place of the order.
        let destination = cognate_subject::transform::with_placeholders(local);
        let to_local = Transform::new_strict(exported, &destination)
            .map_err(|error| rename_error(exported, local, &error.to_string()))?;
        let to_exported = to_local
            .reversed()
            .ok_or_else(|| rename_error(exported, local, "it cannot be undone"))?;
        Ok(SubjectRename {
            exported: exported_filter,
            local: filter(to_exported.source())?,
            to_local: Some(to_local),
            to_exported: Some(to_exported),
        })
    }

    /// The subject in the exporting account.
    pub fn exported(&self) -> &Filter {
        &self.exported
    }

    /// The subject in the importing account, with `*` where the import has `$n`.
    pub fn local(&self) -> &Filter {
        &self.local
    }

    /// Whether both sides use the same subject.
    pub fn is_same(&self) -> bool {
        self.exported == self.local && self.to_local.is_none()
    }

    /// Turns an exported subject into the local one. `None` if both are the same, or if the
    /// exported subject is literal and so the local one is [`SubjectRename::local`].
    pub fn to_local(&self) -> Option<&Transform> {
        self.to_local.as_ref()
    }

    /// Turns a local subject into the exported one. `None` if both are the same, or if the
    /// exported subject is literal and so is [`SubjectRename::exported`].
    pub fn to_exported(&self) -> Option<&Transform> {
        self.to_exported.as_ref()
    }
}

impl PartialEq for SubjectRename {
    fn eq(&self, other: &Self) -> bool {
        let destination = |rename: &SubjectRename| {
            let transform = rename.to_local.as_ref();
            transform.map(|transform| transform.destination().to_owned())
        };
        self.exported == other.exported
            && self.local == other.local
            && destination(self) == destination(other)
    }
}

impl Eq for SubjectRename {}

fn rename_error(exported: &str, local: &str, problem: &str) -> ImportError {
    ImportError::Rename {
        exported: exported.to_owned(),
        local: local.to_owned(),
        problem: problem.to_owned(),
    }
}
