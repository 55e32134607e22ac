//! Loading: a path to checked options.
//!
//! Owns the order of the steps: read and parse, stop at syntax errors, digest, check every key,
//! check keys against each other, render what was found. Called by the server at start, by `-t`
//! and on reload.

use crate::check::{Check, cross_check, finish};
use crate::diagnostic::{ConfigError, Diagnostic};
use crate::options::Options;
use crate::schema::TOP;
use crate::source::Source;
use crate::syntax::{Files, Parsed, Problem, Texts, digest::digest, parse_file};

/// A configuration that can be used.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// The options, with `config_file` and `config_digest` set.
    pub options: Options,
    /// `sha256:<hex>` of the parsed configuration; equals what nats-server prints for the file.
    pub digest: String,
    /// What deserves attention but does not stop the server, in the order of the file.
    pub warnings: Vec<Diagnostic>,
}

/// What happens to keys whose feature the server does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// They are errors: nobody should believe that they work.
    Refuse,
    /// They are read and checked like all others, for tools that only want to know what a
    /// configuration says.
    Accept,
}

/// Reads and checks the configuration file at `path`, for a server that is going to run with it.
///
/// # Errors
/// Everything that is wrong with it: syntax errors, or when there are none, all unknown keys,
/// wrong values and conflicts, and keys whose feature this version does not have.
pub fn load(path: &str, source: &dyn Source) -> Result<Loaded, ConfigError> {
    load_with(path, source, Missing::Refuse)
}

/// As [`load`], with a choice about features that this version does not have.
///
/// # Errors
/// As for [`load`].
pub fn load_with(path: &str, source: &dyn Source, missing: Missing) -> Result<Loaded, ConfigError> {
    let texts = Texts::default();
    let Parsed {
        files,
        root,
        errors,
        mut warnings,
    } = parse_file(path, source, &texts);
    if !errors.is_empty() {
        // A file that cannot be read has no places; the message names it.
        let about = if files.is_empty() { "" } else { path };
        return Err(ConfigError {
            is_syntax: !files.is_empty(),
            ..failure(errors, warnings, &files, about)
        });
    }
    if root.is_empty() {
        let message = "config has no values or is empty".to_owned();
        warnings.push(Problem {
            span: None,
            message,
            expected: None,
            hint: None,
        });
    }
    let digest = digest(&root);
    let mut options = Options {
        config_file: Some(path.to_owned()),
        config_digest: Some(digest.clone()),
        ..Options::default()
    };
    let mut check = Check::new(source);
    check.entries(&root, "", TOP, &mut options);
    finish(&mut check, &mut options);
    let Check {
        mut errors,
        warnings: found,
        refused,
        ..
    } = check;
    warnings.extend(found);
    // Defaults stand in for wrong values, so conflicts with them would be misleading.
    if errors.is_empty() {
        errors = cross_check(&options, &root);
    }
    if missing == Missing::Refuse {
        errors.extend(refused);
    }
    if errors.is_empty() {
        Ok(Loaded {
            options,
            digest,
            warnings: rendered(warnings, &files, path),
        })
    } else {
        Err(failure(errors, warnings, &files, path))
    }
}

fn failure(
    errors: Vec<Problem>,
    warnings: Vec<Problem>,
    files: &Files<'_>,
    path: &str,
) -> ConfigError {
    ConfigError {
        errors: rendered(errors, files, path),
        warnings: rendered(warnings, files, path),
        is_syntax: false,
    }
}

/// Renders problems in the order of the file.
fn rendered(mut problems: Vec<Problem>, files: &Files<'_>, path: &str) -> Vec<Diagnostic> {
    problems.sort_by_key(|problem| problem.span.map(|span| (span.file, span.start)));
    problems
        .into_iter()
        .map(|problem| Diagnostic::new(problem, files, path))
        .collect()
}
