//! Options of this process: the configuration file, with the command line on top.

use std::process::ExitCode;

use cognate_config::flags::Flags;
use cognate_config::{ConfigError, Diagnostic, Options, Source};
use cognate_process::text::io_error_text;

/// Configuration files and the environment of this process.
struct System;

impl Source for System {
    fn read(&self, path: &str) -> Result<String, String> {
        let bytes = std::fs::read(path).map_err(|error| io_error_text(&error))?;
        String::from_utf8(bytes).map_err(|_| "the file is not UTF-8 text".to_owned())
    }

    fn env(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn exists(&self, path: &str) -> bool {
        std::path::Path::new(path).exists()
    }

    fn is_directory(&self, path: &str) -> bool {
        std::path::Path::new(path).is_dir()
    }
}

/// Options, and what should be said about them.
pub(crate) struct Resolved {
    /// The options.
    pub options: Options,
    /// What the file says that is accepted but should be changed.
    pub warnings: Vec<Diagnostic>,
}

/// Reads the file that the flags name, if any, applies the flags, and checks that the result can
/// be used.
pub(crate) fn resolve(flags: &Flags) -> Result<Resolved, String> {
    let (mut options, warnings) = match &flags.config {
        None => (Options::default(), Vec::new()),
        Some(path) => {
            let loaded = cognate_config::load(path, &System).map_err(|error| told(&error))?;
            (loaded.options, loaded.warnings)
        }
    };
    flags
        .apply(&mut options)
        .map_err(|error| error.to_string())?;
    options
        .validate()
        .map_err(|problems| problems.join("\nnats-server: "))?;
    // What only the server's parts can judge, certificates among it, is known before anything
    // starts, and said with the file that asked for it.
    cognate_server::check(&options).map_err(|problem| match &options.config_file {
        Some(file) => format!("{file}: {problem}"),
        None => problem,
    })?;
    Ok(Resolved { options, warnings })
}

/// What is wrong with a file. A text that is no configuration is announced with the words of
/// nats-server, which scripts look for.
fn told(error: &ConfigError) -> String {
    match error.errors.first().filter(|_| error.is_syntax) {
        Some(first) => format!("Parse error on line {}:\n{error}", first.line),
        None => error.to_string(),
    }
}

/// `-t`: checks the configuration, certificates included, and says what it found.
pub(crate) fn test(flags: &Flags) -> ExitCode {
    let file = flags.config.as_deref().unwrap_or("");
    let resolved = match resolve(flags) {
        Ok(resolved) => resolved,
        Err(problem) => return fail(&problem),
    };
    if !resolved.warnings.is_empty() {
        // Like nats-server, a file that needs attention does not pass the test.
        let texts: Vec<String> = resolved.warnings.iter().map(ToString::to_string).collect();
        return fail(&texts.join("\n"));
    }
    let digest = resolved.options.config_digest.as_deref().unwrap_or("");
    eprintln!("nats-server: configuration file {file} is valid ({digest})");
    ExitCode::SUCCESS
}

/// Says why the process cannot go on.
pub(crate) fn fail(problem: &str) -> ExitCode {
    eprintln!("nats-server: {problem}");
    ExitCode::FAILURE
}
